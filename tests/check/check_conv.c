/* SPDX-License-Identifier: BSD-2-Clause */
/* Convolutions against the reference: three passes, every fusion, direct and
 * Winograd, on 1, 2 and 3 threads. Of large outputs a sample is checked. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dnnl.h>

#include "cases.h"
#include "core/isa.h"
#include "core/memory.h"
#include "nets/nets.h"
#include "ops/conv/conv.h"
#include "support.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Winograd F(4x4, 3x3) in float loses about two digits to its transforms,
 * F(2x2, 3x3) hardly any. */
#define WINOGRAD4_TOL 2e-4
#define WINOGRAD2_TOL 2e-5

/** A case's arrays; doubles are plain, floats as the engine has them. */
struct problem {
    const struct conv_case *c;
    struct rn_shape in, out;
    struct rn_window window;
    struct ref_window ref;
    double *x, *w, *b, *dy, *before;
    float *oihw, *bias;
    float *images, *plain_weights; /* plain input, up to three channels */
    float *blocked, *weights;
    float *diff, *shortcut;
    /* Backward weights sums n oh ow products: its dy is dy * small, a power
     * of two, so that its results have a variance of about one too. */
    double small;
    float *small_diff;
};

static void problem_open(struct problem *p, const struct conv_case *c)
{
    uint64_t stream = 100 + 10 * (uint64_t)(c - conv_cases);
    int n = c->n;

    memset(p, 0, sizeof(*p));
    p->c = c;
    p->in = (struct rn_shape){c->ic, c->h, c->w};
    p->window = (struct rn_window)RN_WINDOW(c->k, c->k, c->stride, c->pad);
    p->out = window_output(p->in, c->oc, p->window);
    p->ref = ref_window_of(n, p->in, p->out, p->window);
    p->x = check_random(ref_inputs(&p->ref), stream, 1);
    /* So that outputs have a variance of one. */
    p->w = check_random(ref_weights(&p->ref), stream + 1,
                        3 / sqrt((double)c->ic * c->k * c->k));
    p->b = check_random((size_t)c->oc, stream + 2, 1);
    p->dy = check_random(ref_outputs(&p->ref), stream + 3, 1);
    p->before = check_random(ref_outputs(&p->ref), stream + 4, 1);
    p->oihw = check_new_floats(ref_weights(&p->ref));
    to_floats(p->w, ref_weights(&p->ref), p->oihw);
    p->bias = check_new_floats(rn_channels_padded(c->oc));
    to_floats(p->b, (size_t)c->oc, p->bias);
    p->images = check_new_floats(ref_inputs(&p->ref));
    to_floats(p->x, ref_inputs(&p->ref), p->images);
    p->blocked = check_new_floats(blocked_floats(n, p->in));
    to_blocked(p->x, n, p->in, p->blocked);
    p->diff = check_new_floats(blocked_floats(n, p->out));
    to_blocked(p->dy, n, p->out, p->diff);
    p->small = pow(2, round(log2(3 / sqrt((double)n * p->out.h * p->out.w))));
    p->small_diff = check_new_floats(blocked_floats(n, p->out));
    for (size_t i = 0; i < blocked_floats(n, p->out); i++)
        p->small_diff[i] = (float)(p->small * (double)p->diff[i]);
    p->shortcut = check_new_floats(blocked_floats(n, p->out));
    to_blocked(p->before, n, p->out, p->shortcut);
    p->weights =
        check_new_floats(rn_conv_weights_count(c->oc, c->ic, p->window, false));
    rn_conv_weights_to_store(p->oihw, p->weights, c->oc, c->ic, p->window,
                             false);
    p->plain_weights =
        check_new_floats(rn_conv_weights_count(c->oc, c->ic, p->window, true));
    rn_conv_weights_to_store(p->oihw, p->plain_weights, c->oc, c->ic, p->window,
                             true);
}

static void problem_close(struct problem *p)
{
    free(p->x);
    free(p->w);
    free(p->b);
    free(p->dy);
    free(p->before);
    rn_free(p->oihw);
    rn_free(p->bias);
    rn_free(p->images);
    rn_free(p->plain_weights);
    rn_free(p->blocked);
    rn_free(p->weights);
    rn_free(p->diff);
    rn_free(p->small_diff);
    rn_free(p->shortcut);
}

/* ----------------------------------------------------------------- sample */

enum { SAMPLES = 1500, SAMPLES_FAST = 300 };

/** Elements of a result to look at, and what the reference has there. */
struct sample {
    size_t count;
    size_t at[SAMPLES];
    double want[SAMPLES];
};

/* All of them, or one at a random place of each of SAMPLES equal parts, the
 * first and the last element among them. */
static void choose(struct sample *s, size_t total, uint64_t stream)
{
    size_t most = check_fast() ? SAMPLES_FAST : SAMPLES;
    double places[SAMPLES];

    check_fill(places, SAMPLES, stream, 0.5, 0.5);
    s->count = total < most ? total : most;
    for (size_t i = 0; i < s->count; i++) {
        size_t begin = i * total / s->count;
        size_t part = (i + 1) * total / s->count - begin;

        s->at[i] = begin + (size_t)(places[i] * (double)part);
        if (s->at[i] >= begin + part)
            s->at[i] = begin + part - 1;
    }
    s->at[0] = 0;
    s->at[s->count - 1] = total - 1;
}

/** Results of each pass, without bias, sum and ReLU. */
struct wanted {
    struct sample dst, diff_src, diff_weights;
};

static void want(struct wanted *r, const struct problem *p)
{
    const struct ref_window *c = &p->ref;

    choose(&r->dst, ref_outputs(c), 1);
    choose(&r->diff_src, ref_inputs(c), 2);
    choose(&r->diff_weights, ref_weights(c), 3);
    for (size_t i = 0; i < r->dst.count; i++)
        r->dst.want[i] = ref_conv_at(c, p->x, p->w, NULL, r->dst.at[i]);
    for (size_t i = 0; i < r->diff_src.count; i++)
        r->diff_src.want[i] =
            ref_conv_data_at(c, p->dy, p->w, r->diff_src.at[i]);
    for (size_t i = 0; i < r->diff_weights.count; i++)
        r->diff_weights.want[i] =
            p->small *
            ref_conv_weights_at(c, p->x, p->dy, r->diff_weights.at[i]);
}

/* ------------------------------------------------------------------ a run */

/** What is asked of the engine. */
struct variant {
    const char *name;
    enum rn_conv_pass pass;
    bool train, bias, sum, relu;
    bool everywhere; /* on every number of threads, not only on two */
};

static const struct variant variants[] = {
    {"forward", RN_CONV_FORWARD, true, false, false, false, true},
    {"forward, bias", RN_CONV_FORWARD, true, true, false, false, false},
    {"infer, bias", RN_CONV_FORWARD, false, true, false, false, false},
    {"infer, bias, relu", RN_CONV_FORWARD, false, true, false, true, false},
    {"infer, bias, sum", RN_CONV_FORWARD, false, true, true, false, false},
    {"infer, bias, sum, relu", RN_CONV_FORWARD, false, true, true, true, true},
    {"backward data", RN_CONV_BACKWARD_DATA, true, false, false, false, true},
    {"backward weights", RN_CONV_BACKWARD_WEIGHTS, true, false, false, false,
     false},
    {"backward weights, bias", RN_CONV_BACKWARD_WEIGHTS, true, true, false,
     false, true},
};

struct run {
    const struct problem *p;
    const struct variant *v;
    const struct wanted *want;
    int threads;
    bool exact, plain;
    int winograd;
    char name[160];
    double tol;
};

static struct rn_conv *create(const struct run *r, bool dry)
{
    struct rn_conv_config config;
    struct rn_conv *conv = NULL;
    struct rn_error err = {0};

    memset(&config, 0, sizeof(config));
    config.n = r->p->c->n;
    config.in = r->p->in;
    config.out = r->p->out;
    config.window = r->p->window;
    config.pass = r->v->pass;
    config.threads = r->threads;
    config.bias = r->v->bias;
    config.train = r->v->train;
    config.sum = r->v->sum;
    config.relu = r->v->relu;
    config.exact = r->exact;
    config.winograd = r->winograd;
    config.plain_input = r->plain;
    if (rn_conv_create(&conv, &config, dry, &err) != RN_OK)
        fail_msg("%s: %s", r->name, err.msg);
    return conv;
}

static bool is_winograd(const struct rn_conv *conv)
{
    return strstr(rn_conv_algorithm(conv), "wino") != NULL;
}

static int check_finite(const char *name, const float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(x[i])) {
            print_error("%s: value %zu of %zu was not written\n", name, i,
                        count);
            return 1;
        }
    return 0;
}

static int check_forward(const struct run *r, const struct guarded *dst)
{
    const struct sample *s = &r->want->dst;
    size_t hw = (size_t)r->p->out.h * (size_t)r->p->out.w;
    int bad = guarded_check(dst, r->name) +
              check_padding(r->name, dst->x, r->p->c->n, r->p->out) +
              check_finite(r->name, dst->x, dst->count);

    for (size_t i = 0; i < s->count && bad < 5; i++) {
        double y = s->want[i];

        if (r->v->bias)
            y += r->p->b[s->at[i] / hw % (size_t)r->p->c->oc];
        if (r->v->sum)
            y += r->p->before[s->at[i]];
        if (r->v->relu && y < 0)
            y = 0;
        bad += check_value(r->name, "dst", s->at[i],
                           (double)blocked_at(dst->x, r->p->out, s->at[i]), y,
                           r->tol);
    }
    return bad;
}

static int check_data(const struct run *r, const struct guarded *dx)
{
    const struct sample *s = &r->want->diff_src;
    int bad = guarded_check(dx, r->name) +
              check_padding(r->name, dx->x, r->p->c->n, r->p->in) +
              check_finite(r->name, dx->x, dx->count);

    for (size_t i = 0; i < s->count && bad < 5; i++)
        bad += check_value(r->name, "diff_src", s->at[i],
                           (double)blocked_at(dx->x, r->p->in, s->at[i]),
                           s->want[i], r->tol);
    return bad;
}

static int check_weights(const struct run *r, const struct guarded *dw,
                         const struct guarded *db)
{
    const struct sample *s = &r->want->diff_weights;
    const struct problem *p = r->p;
    float *plain = check_new_floats(ref_weights(&p->ref)),
          *again = check_new_floats(dw->count);
    int bad = guarded_check(dw, r->name) + guarded_check(db, r->name) +
              check_finite(r->name, dw->x, dw->count);

    rn_conv_weights_from_store(dw->x, plain, p->c->oc, p->c->ic, p->window,
                               r->plain);
    for (size_t i = 0; i < s->count && bad < 5; i++)
        bad += check_value(r->name, "diff_weights", s->at[i],
                           (double)plain[s->at[i]], s->want[i], r->tol);
    /* Put back into blocks, the padding is zero; it must have been before. */
    rn_conv_weights_to_store(plain, again, p->c->oc, p->c->ic, p->window,
                             r->plain);
    for (size_t i = 0; i < dw->count && bad < 5; i++)
        if (dw->x[i] != again[i]) {
            print_error("%s: padding of diff_weights at %zu is %g, not 0\n",
                        r->name, i, (double)dw->x[i]);
            bad++;
        }
    for (size_t i = 0; i < db->count && bad < 5; i++) {
        bool real = r->v->bias && i < (size_t)p->c->oc;
        double sum = real ? ref_conv_bias_at(&p->ref, p->dy, i) : 0;

        bad += check_value(r->name, "diff_bias", i, (double)db->x[i],
                           p->small * sum, real ? r->tol : 0);
    }
    rn_free(plain);
    rn_free(again);
    return bad;
}

/** Outputs of one run, and the memory it needs. */
struct outputs {
    struct guarded y, dw, db, packed, scratch;
};

static struct outputs make_outputs(const struct run *r,
                                   const struct rn_conv *conv)
{
    const struct problem *p = r->p;
    bool data = r->v->pass == RN_CONV_BACKWARD_DATA;
    struct outputs o = {
        .y = guarded_floats(blocked_floats(p->c->n, data ? p->in : p->out)),
        .dw = guarded_floats(
            rn_conv_weights_count(p->c->oc, p->c->ic, p->window, r->plain)),
        .db = guarded_floats(rn_channels_padded(p->c->oc)),
        .packed = guarded_floats(rn_conv_packed_bytes(conv) / sizeof(float)),
        .scratch = guarded_floats(rn_conv_scratch_bytes(conv) / sizeof(float)),
    };

    if (r->v->sum)
        memcpy(o.y.x, p->shortcut, o.y.count * sizeof(float));
    memset(o.db.x, 0, o.db.count * sizeof(float));
    return o;
}

static int free_outputs(struct outputs *o, const char *name)
{
    int bad =
        guarded_check(&o->packed, name) + guarded_check(&o->scratch, name);

    guarded_free(&o->y);
    guarded_free(&o->dw);
    guarded_free(&o->db);
    guarded_free(&o->packed);
    guarded_free(&o->scratch);
    return bad;
}

static int execute(const struct run *r, struct rn_conv *conv, struct outputs *o,
                   struct rn_error *err)
{
    const struct problem *p = r->p;
    const float *weights = r->plain ? p->plain_weights : p->weights;
    bool backward_weights = r->v->pass == RN_CONV_BACKWARD_WEIGHTS;
    struct rn_conv_args args = {
        .src = r->plain ? p->images : p->blocked,
        .weights = weights,
        .bias = p->bias,
        .dst = o->y.x,
        .diff_dst = backward_weights ? p->small_diff : p->diff,
        .diff_src = o->y.x,
        .diff_weights = o->dw.x,
        .diff_bias = o->db.x,
        .scratch = o->scratch.x,
    };

    if (!backward_weights && rn_conv_needs_pack(conv)) {
        int rc = rn_conv_pack(conv, r->v->train ? weights : p->oihw,
                              o->packed.x, err);

        if (rc)
            return rc;
        args.weights = o->packed.x;
    }
    return rn_conv_run(conv, &args, err);
}

/* oneDNN's own reference, a thousand times slower, is what remains where it
 * has no better way: with SSE backward, or for 3 channels in blocks. */
static bool too_slow(const struct run *r, const struct rn_conv *conv)
{
    const struct conv_case *c = r->p->c;
    double macs =
        (double)c->n * c->ic * c->oc * c->k * c->k * r->p->out.h * r->p->out.w;

    return strstr(rn_conv_algorithm(conv), "ref") && macs > 3e6;
}

static int check_run(struct run *r)
{
    struct rn_conv *conv = create(r, false);
    struct rn_error err = {0};
    struct outputs o;
    int bad = 0;

    if (too_slow(r, conv)) {
        rn_conv_destroy(conv);
        return 0;
    }
    o = make_outputs(r, conv);
    r->tol = r->p->c->tol;
    if (is_winograd(conv))
        r->tol = strstr(rn_conv_algorithm(conv), "winograd 2x2:")
                     ? WINOGRAD2_TOL
                     : WINOGRAD4_TOL;
    if (execute(r, conv, &o, &err) != RN_OK)
        fail_msg("%s: %s", r->name, err.msg);
    if (r->v->pass == RN_CONV_FORWARD)
        bad = check_forward(r, &o.y);
    else if (r->v->pass == RN_CONV_BACKWARD_DATA)
        bad = check_data(r, &o.y);
    else
        bad = check_weights(r, &o.dw, &o.db);
    if (bad)
        print_error("%s: the algorithm was %s\n", r->name,
                    rn_conv_algorithm(conv));
    bad += free_outputs(&o, r->name);
    rn_conv_destroy(conv);
    return bad;
}

/* The same run of images of which the first is not a number: whatever is fused
 * with the convolution, its answers are none, and no other image's. */
static int check_nan(const struct run *r)
{
    const struct problem *p = r->p;
    struct rn_conv *conv = create(r, false);
    struct outputs o = make_outputs(r, conv);
    float *src = r->plain ? p->images : p->blocked;
    size_t ins =
        (r->plain ? ref_inputs(&p->ref) : blocked_floats(p->c->n, p->in)) /
        (size_t)p->c->n;
    size_t outs = rn_shape_size(p->out);
    float *before = check_new_floats(ins);
    struct rn_error err = {0};
    int bad = 0;

    memcpy(before, src, ins * sizeof(*src));
    for (size_t i = 0; i < ins; i++)
        src[i] = NAN;
    if (!too_slow(r, conv)) {
        if (execute(r, conv, &o, &err) != RN_OK)
            fail_msg("%s: %s", r->name, err.msg);
        for (size_t i = 0; i < (size_t)p->c->n * outs && !bad; i++) {
            float y = blocked_at(o.y.x, p->out, i);

            bad = (i < outs) != (bool)isnan(y);
            if (bad)
                print_error("%s: value %zu is %g, and the first image, of %zu "
                            "values, is not a number; the algorithm was %s\n",
                            r->name, i, (double)y, outs,
                            rn_conv_algorithm(conv));
        }
    }
    memcpy(src, before, ins * sizeof(*src));
    rn_free(before);
    bad += free_outputs(&o, r->name);
    rn_conv_destroy(conv);
    return bad;
}

/* Whether leaving out `exact` changes anything. */
static bool has_winograd(struct run r)
{
    struct rn_conv *conv;
    bool winograd;

    r.exact = false;
    conv = create(&r, true);
    winograd = is_winograd(conv);
    rn_conv_destroy(conv);
    return winograd;
}

/* Every algorithm in turn: direct, as chosen, either Winograd. */
static const struct {
    const char *name;
    bool exact;
    int winograd;
} choices[] = {{", exact", true, 0},
               {"", false, 0},
               {", 2x2", false, 2},
               {", 4x4", false, 4}};

static int check_variant(struct run *r)
{
    int bad = 0;

    for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
        r->exact = choices[i].exact;
        r->winograd = choices[i].winograd;
        snprintf(r->name, sizeof(r->name), "%s, %s%s%s, %d threads",
                 r->p->c->name, r->v->name, choices[i].name,
                 r->plain ? ", plain input" : "", r->threads);
        if (r->exact || has_winograd(*r)) {
            bad += check_run(r);
            if (r->v->relu)
                bad += check_nan(r);
        }
    }
    return bad;
}

static int check_case(const struct problem *p, const struct wanted *w,
                      int threads)
{
    int bad = 0;

    /* oneDNN shares work out when a primitive is made: as plans do. */
    omp_set_num_threads(threads);
    for (size_t i = 0; i < COUNT(variants); i++)
        for (int plain = 0; plain < 2; plain++) {
            struct run r = {.p = p,
                            .v = &variants[i],
                            .want = w,
                            .threads = threads,
                            .plain = plain};

            if (!r.v->everywhere && threads != 2)
                continue;
            /* The images have no gradient. */
            if (plain && (!rn_conv_plain_input(p->c->ic) ||
                          r.v->pass == RN_CONV_BACKWARD_DATA))
                continue;
            bad += check_variant(&r);
        }
    return bad;
}

static void convolutions(void **state)
{
    int threads = omp_get_max_threads(), bad = 0;

    (void)state;
    for (size_t i = 0; i < conv_cases_count; i++) {
        struct wanted *w = calloc(1, sizeof(*w));
        struct problem p;

        assert_non_null(w);
        problem_open(&p, &conv_cases[i]);
        want(w, &p);
        for (int t = 1; t <= 3; t++)
            bad += check_case(&p, w, t);
        problem_close(&p);
        free(w);
    }
    omp_set_num_threads(threads);
    assert_int_equal(bad, 0);
}

/* ---------------------------------------------- gradients of batch norms */

/** A 1x1 convolution and the batch norm behind it. */
struct normed {
    struct rn_conv_config config;
    struct rn_batch_norm bn;
    size_t inputs, outputs; /* numbers, padding too */
    float *coefficients, *weights;
    void *dy, *z;
};

/* Random numbers of that type, in memory of float32. */
static void *numbers(size_t count, enum rn_dtype type, uint64_t stream,
                     double scale)
{
    double *x = check_random(count, stream, scale);
    float *f = check_new_floats(count), *to = check_new_floats(count);

    to_floats(x, count, f);
    if (type == RN_F32)
        memcpy(to, f, count * sizeof(*to));
    else
        rn_narrow(type, f, to, count, 1);
    free(x);
    rn_free(f);
    return to;
}

static struct normed normed_of(int images, int in, int out, int h, int w,
                               enum rn_dtype type)
{
    struct normed n = {.config = {.n = images,
                                  .in = {in, h, w},
                                  .out = {out, h, w},
                                  .window = RN_WINDOW(1, 1, 1, 0),
                                  .pass = RN_CONV_BACKWARD_DATA,
                                  .train = true,
                                  .input = type,
                                  .output = type}};
    size_t weights = rn_conv_weights_count(out, in, n.config.window, false);
    float *oihw =
        numbers((size_t)in * (size_t)out, RN_F32, 1, 1 / sqrt((double)out));

    n.bn.planes = rn_planes_typed(images, n.config.out, 1, type);
    n.inputs = blocked_floats(images, n.config.in);
    n.outputs = blocked_floats(images, n.config.out);
    n.weights = check_new_floats(weights);
    rn_conv_weights_to_store(oihw, n.weights, out, in, n.config.window, false);
    n.coefficients = numbers(rn_batch_norm_floats(&n.bn.planes), RN_F32, 2, 1);
    rn_batch_norm_place(&n.bn, n.coefficients);
    n.dy = numbers(n.outputs, type, 3, 1);
    n.z = numbers(n.outputs, type, 4, 1);
    rn_free(oihw);
    return n;
}

static void normed_free(struct normed *n)
{
    rn_free(n->coefficients);
    rn_free(n->weights);
    rn_free(n->dy);
    rn_free(n->z);
}

/* The gradient dz in a pass of its own, or on the way; dz may be n->dy. */
static void run_normed(const struct normed *n, bool on_the_way, int threads,
                       void *dz, void *dx)
{
    struct rn_conv_norm norm = {
        .bn = &n->bn, .in = {.dy = n->dy, .z = n->z, .relu = true}, .dz = dz};
    struct rn_conv_config config = n->config;
    struct rn_conv_args args = {.diff_dst = dz, .diff_src = dx, .norm = &norm};
    struct rn_error err = {0};
    struct guarded packed, scratch;
    struct rn_conv *conv;

    config.normed = on_the_way;
    config.threads = threads;
    assert_int_equal(rn_conv_create(&conv, &config, false, &err), RN_OK);
    packed = guarded_floats(rn_conv_packed_bytes(conv) / sizeof(float));
    scratch = guarded_floats(rn_conv_scratch_bytes(conv) / sizeof(float));
    args.weights = rn_conv_needs_pack(conv) ? packed.x : n->weights;
    args.scratch = scratch.x;
    if (rn_conv_needs_pack(conv))
        assert_int_equal(rn_conv_pack(conv, n->weights, packed.x, &err), RN_OK);
    if (!on_the_way)
        rn_batch_norm_gradient(&n->bn, &norm.in, dz);
    assert_int_equal(rn_conv_run(conv, &args, &err), RN_OK);
    assert_int_equal(guarded_check(&packed, "packed weights"), 0);
    assert_int_equal(guarded_check(&scratch, "scratch"), 0);
    guarded_free(&packed);
    guarded_free(&scratch);
    rn_conv_destroy(conv);
}

static void check_normed(const struct normed *n)
{
    size_t number = rn_dtype_bytes(n->config.input);
    float *dz[2] = {check_new_floats(n->outputs), check_new_floats(n->outputs)};
    float *dx[2] = {check_new_floats(n->inputs), check_new_floats(n->inputs)};

    run_normed(n, false, 1, dz[0], dx[0]);
    run_normed(n, true, 1, dz[1], dx[1]);
    assert_memory_equal(dz[0], dz[1], n->outputs * number);
    for (size_t i = 0; n->config.input == RN_F32 && i < n->inputs; i++)
        if (!(fabsf(dx[0][i] - dx[1][i]) <= 1e-5F * (1 + fabsf(dx[0][i]))))
            fail_msg("%d to %d channels, diff_src[%zu]: %g, expected %g",
                     n->config.in.c, n->config.out.c, i, (double)dx[1][i],
                     (double)dx[0][i]);
    if (n->config.input != RN_F32) /* the same sums */
        assert_memory_equal(dx[0], dx[1], n->inputs * number);
    for (int threads = 2; threads <= 4; threads++) {
        memset(dx[0], 0xff, n->inputs * number);
        /* The last time in its place. */
        run_normed(n, true, threads, threads < 4 ? dz[0] : n->dy, dx[0]);
        assert_memory_equal(threads < 4 ? dz[0] : n->dy, dz[1],
                            n->outputs * number);
        assert_memory_equal(dx[0], dx[1], n->inputs * number);
    }
    for (int i = 0; i < 2; i++) {
        rn_free(dz[i]);
        rn_free(dx[i]);
    }
}

static void normed_gradients(void **state)
{
    static const struct {
        int images, in, out, h, w;
    } cases[] = {{3, 20, 40, 7, 9},    {2, 64, 256, 14, 14}, {1, 16, 16, 5, 5},
                 {2, 40, 1000, 3, 3},  {5, 128, 512, 7, 7},  {2, 96, 48, 10, 3},
                 {16, 32, 128, 16, 16}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int type = 0; type < 2; type++) {
            struct normed n =
                normed_of(cases[i].images, cases[i].in, cases[i].out,
                          cases[i].h, cases[i].w, type ? RN_BF16 : RN_F32);
            struct rn_conv_config config = n.config;

            config.normed = true;
            if (rn_conv_exists(&config))
                check_normed(&n);
            else /* a rule of float32's */
                assert_true(!type &&
                            (cases[i].out < cases[i].in || !rn_isa()->fma));
            normed_free(&n);
        }
}

/* ------------------------------------------------- the table is complete */

static bool in_table(const struct rn_node *n, struct rn_shape in)
{
    bool linear = n->op == RN_OP_LINEAR;
    int k = linear ? 1 : n->window.kh, stride = linear ? 1 : n->window.stride;
    int pad = linear ? 0 : n->window.pad;

    for (size_t i = 0; i < conv_cases_count; i++) {
        const struct conv_case *c = &conv_cases[i];

        if (c->ic == in.c && c->oc == n->shape.c && c->h == in.h &&
            c->w == in.w && c->k == k && c->stride == stride && c->pad == pad)
            return true;
    }
    return false;
}

static int check_net(const char *name, const struct rn_net_options *options)
{
    struct rn_net_spec spec;
    struct rn_graph *g = NULL;
    struct rn_error err = {0};
    int missing = 0;

    if (rn_net_resolve(&spec, name, options, &err) != RN_OK ||
        rn_net_build(&g, &spec, &err) != RN_OK)
        fail_msg("%s: %s", name, err.msg);
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct rn_node *n = &g->nodes[i];

        if (n->op != RN_OP_CONV && n->op != RN_OP_LINEAR)
            continue;
        if (in_table(n, g->nodes[n->input[0]].shape))
            continue;
        print_error("%s %s: no case of this shape\n", name, n->name);
        missing++;
    }
    rn_graph_destroy(g);
    return missing;
}

static void the_table_has_every_convolution(void **state)
{
    static const struct {
        const char *net;
        char shortcut;
        int v1, channels, size, classes;
    } nets[] = {
        {"plain20", 0, 0, 0, 0, 0},     {"resnet20", 'A', 0, 0, 0, 100},
        {"resnet20", 'B', 0, 0, 0, 0},  {"resnet20", 'C', 0, 0, 0, 0},
        {"resnet20", 0, 0, 1, 28, 0},   {"plain34", 0, 0, 0, 0, 0},
        {"resnet18", 'A', 0, 0, 0, 0},  {"resnet18", 'B', 0, 0, 0, 0},
        {"resnet18", 'C', 0, 0, 0, 0},  {"resnet34", 0, 0, 0, 0, 0},
        {"resnet50", 'B', 0, 0, 0, 0},  {"resnet50", 'B', 1, 0, 0, 0},
        {"resnet50", 'C', 1, 0, 0, 0},  {"resnet101", 0, 0, 0, 0, 0},
        {"resnet152", 'C', 0, 0, 0, 0},
    };
    int missing = 0;
    (void)state;
    for (size_t i = 0; i < COUNT(nets); i++) {
        struct rn_net_options options;

        rn_net_defaults(&options);
        options.shortcut = nets[i].shortcut;
        options.stride_v1 = nets[i].v1;
        options.channels = nets[i].channels;
        options.height = nets[i].size;
        options.classes = nets[i].classes;
        missing += check_net(nets[i].net, &options);
    }
    assert_int_equal(missing, 0);
}

/* Where Winograd is to be had it must be among what was checked. */
static void winograd_is_among_them(void **state)
{
    int found = 0;

    (void)state;
    for (size_t i = 0; i < conv_cases_count; i++) {
        struct problem p = {.c = &conv_cases[i]};
        const struct conv_case *c = p.c;
        struct run r = {.p = &p, .v = &variants[0], .threads = 1};

        p.in = (struct rn_shape){c->ic, c->h, c->w};
        p.window = (struct rn_window)RN_WINDOW(c->k, c->k, c->stride, c->pad);
        p.out = window_output(p.in, c->oc, p.window);
        found += has_winograd(r);
        r.exact = true;
        struct rn_conv *conv = create(&r, true);
        assert_false(is_winograd(conv));
        rn_conv_destroy(conv);
    }
    print_message("# %d of %zu shapes have a Winograd\n", found,
                  conv_cases_count);
    assert_true(found > 0);
}

/* RN_TEST_ISA, which the tests' description sets beside oneDNN's limit. */
static void the_instruction_set_asked_for(void **state)
{
    const char *wanted = getenv("RN_TEST_ISA");

    (void)state;
    print_message("# seed %llu, oneDNN %s, %s, blocks of %d\n",
                  (unsigned long long)check_seed(), rn_onednn_version(),
                  rn_isa()->name, rn_block());
    if (wanted)
        assert_string_equal(rn_isa()->name, wanted);
}

/* Blocks have to be of the width that oneDNN's kernels take. */
static void the_instruction_set_of_oneDNN(void **state)
{
    int isa = (int)dnnl_get_effective_cpu_isa(),
        wide = dnnl_cpu_isa_avx512_core;

    (void)state;
    assert_int_equal(rn_isa()->kernels == RN_ISA_AVX512, (isa & wide) == wide);
    assert_int_equal(rn_isa()->kernels >= RN_ISA_AVX2,
                     (isa & dnnl_cpu_isa_avx2) == dnnl_cpu_isa_avx2);
}

static void limits_of_the_instruction_set(void **state)
{
    const struct rn_isa all = rn_isa_within(NULL);
    struct rn_isa some;

    (void)state;
    if (all.kernels == RN_ISA_GENERIC)
        skip();
    assert_int_equal(rn_isa_within("sse41").kernels, RN_ISA_SSE);
    assert_int_equal(rn_isa_within("SSE41").width, 4);
    assert_false(rn_isa_within("AVX").fma);
    some = rn_isa_within("AVX2");
    assert_true(some.kernels <= RN_ISA_AVX2 && !some.vnni && !some.bf16);
    some = rn_isa_within("AVX512_CORE");
    assert_int_equal(some.kernels, all.kernels);
    assert_false(some.vnni || some.bf16);
    some = rn_isa_within("AVX512_CORE_VNNI");
    assert_int_equal(some.vnni, all.vnni);
    assert_false(some.bf16);
    /* oneDNN does not heed what it does not know. */
    some = rn_isa_within("AVX1024");
    assert_int_equal(some.kernels, all.kernels);
    assert_int_equal(some.bf16, all.bf16);
    print_message("# %s%s%s\n", all.name, all.bf16 ? ", bf16" : "",
                  all.vnni ? ", vnni" : "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_instruction_set_asked_for),
        cmocka_unit_test(the_instruction_set_of_oneDNN),
        cmocka_unit_test(limits_of_the_instruction_set),
        cmocka_unit_test(the_table_has_every_convolution),
        cmocka_unit_test(winograd_is_among_them),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(normed_gradients),
    };

    return cmocka_run_group_tests_name("convolutions", tests, NULL, NULL);
}
