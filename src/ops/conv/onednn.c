/* SPDX-License-Identifier: BSD-2-Clause */
/* Convolutions by oneDNN: the wall around it, for this file alone includes its
 * header. */
#include "ops/conv/algorithm.h"

#include "core/isa.h"
#include "core/threads.h"
#include "ops/conv/groups.h"

#include <dnnl.h>
#include <float.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------- oneDNN 2 and 3, side by side
 *
 * Version 3 made memory descriptors opaque and merged operation descriptors
 * into primitive descriptors. Everything that differs is in this section. */

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t md_t;
typedef const_dnnl_memory_desc_t const_md_t;
#define MD(md)      (md)
#define MD_FREE(md) dnnl_memory_desc_destroy(md)
#define md_create   dnnl_memory_desc_create_with_tag
#else
typedef dnnl_memory_desc_t md_t;
typedef const dnnl_memory_desc_t *const_md_t;
#define MD(md)      (&(md))
#define MD_FREE(md) ((void)(md))
#define md_create   dnnl_memory_desc_init_by_tag
#endif

struct conv_descs {
    md_t src, weights, bias, dst;
};

/* A slope of 0 has oneDNN take the greater of 0 and the value, which is 0 for
 * NaN: a network that is broken would answer. With any other it chooses by a
 * comparison, and keeps NaN. This one is nothing to the kernels, which take
 * denormal numbers for 0, but to oneDNN where it generates them. */
#define RELU_SLOPE FLT_TRUE_MIN

static dnnl_status_t append_relu(dnnl_post_ops_t ops)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, RELU_SLOPE,
                                        0.0f);
#else
    return dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_relu,
                                        RELU_SLOPE, 0.0f);
#endif
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
#else
    return dnnl_post_ops_append_sum(ops, 1.0f);
#endif
}

struct geometry {
    dnnl_dims_t stride, dilate, pad_l, pad_r;
};

static dnnl_status_t create_forward(dnnl_primitive_desc_t *pd,
                                    dnnl_engine_t engine, dnnl_prop_kind_t prop,
                                    const struct conv_descs *d, bool bias,
                                    const struct geometry *g,
                                    dnnl_primitive_attr_t attr)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_convolution_forward_primitive_desc_create(
        pd, engine, prop, dnnl_convolution_direct, d->src, d->weights,
        bias ? d->bias : NULL, d->dst, g->stride, g->dilate, g->pad_l, g->pad_r,
        attr);
#else
    dnnl_convolution_desc_t desc;
    dnnl_status_t rc = dnnl_dilated_convolution_forward_desc_init(
        &desc, prop, dnnl_convolution_direct, &d->src, &d->weights,
        bias ? &d->bias : NULL, &d->dst, g->stride, g->dilate, g->pad_l,
        g->pad_r);
    return rc ? rc : dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL);
#endif
}

static dnnl_status_t create_backward_data(dnnl_primitive_desc_t *pd,
                                          dnnl_engine_t engine,
                                          const struct conv_descs *d,
                                          const struct geometry *g,
                                          dnnl_primitive_attr_t attr,
                                          const_dnnl_primitive_desc_t hint)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_convolution_backward_data_primitive_desc_create(
        pd, engine, dnnl_convolution_direct, d->src, d->weights, d->dst,
        g->stride, g->dilate, g->pad_l, g->pad_r, hint, attr);
#else
    dnnl_convolution_desc_t desc;
    dnnl_status_t rc = dnnl_dilated_convolution_backward_data_desc_init(
        &desc, dnnl_convolution_direct, &d->src, &d->weights, &d->dst,
        g->stride, g->dilate, g->pad_l, g->pad_r);
    return rc ? rc : dnnl_primitive_desc_create(pd, &desc, attr, engine, hint);
#endif
}

const char *rn_onednn_version(void)
{
    static _Thread_local char text[32]; /* each thread's own */
    const dnnl_version_t *v = dnnl_version();

    snprintf(text, sizeof(text), "%d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

/* --------------------------------------------------------------- creation */

enum { M_SRC, M_WEIGHTS, M_BIAS, M_DST, M_SCRATCH, M_PACK_FROM, M_COUNT };

struct onednn {
    struct rn_conv_config config;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive, pack;
    dnnl_memory_t memory[M_COUNT];
    bool needs_pack;
    bool packs_to_store; /* plain weights -> the store's layout */
    size_t packed_bytes;
};

static int fail(struct rn_error *err, const struct rn_conv_config *c,
                const char *what, dnnl_status_t status)
{
    return rn_fail(
        err, status == dnnl_out_of_memory ? RN_ERR_MEMORY : RN_ERR_KERNEL,
        "%s a convolution %dx%dx%dx%d -> %dx%dx%d, %dx%d/%d, failed "
        "in oneDNN with status %d",
        what, c->n, c->in.c, c->in.h, c->in.w, c->out.c, c->out.h, c->out.w,
        c->window.kh, c->window.kw, c->window.stride, (int)status);
}

static dnnl_format_tag_t data_tag(bool plain)
{
    if (plain)
        return dnnl_nchw;
    return rn_block() == 16 ? dnnl_nChw16c : dnnl_nChw8c;
}

static dnnl_format_tag_t store_tag(bool plain)
{
    if (rn_block() == 16)
        return plain ? dnnl_Ohwi16o : dnnl_OIhw16i16o;
    return plain ? dnnl_Ohwi8o : dnnl_OIhw8i8o;
}

static dnnl_format_tag_t groups_tag(const struct rn_conv_config *c)
{
    if (rn_block() == 16)
        return rn_is_depthwise(c) ? dnnl_Goihw16g : dnnl_gOIhw16i16o;
    return rn_is_depthwise(c) ? dnnl_Goihw8g : dnnl_gOIhw8i8o;
}

static dnnl_data_type_t data_type(enum rn_dtype type)
{
    return type == RN_BF16 ? dnnl_bf16 : dnnl_f32;
}

/* Weights in a layout that is ours, or any; in groups they have a dimension
 * more, as long as several are run. Packed, they have the input's type. */
static dnnl_status_t weights_md(const struct rn_conv_config *c, bool any,
                                md_t *md)
{
    int groups = rn_groups_run(c), kh = c->window.kh, kw = c->window.kw;
    int out = rn_channels_run(c, c->out.c) / groups;
    int in = rn_channels_run(c, c->in.c) / groups;
    dnnl_dims_t whole = {out, in, kh, kw}, grouped = {groups, out, in, kh, kw};
    dnnl_data_type_t type = data_type(any ? c->input : c->weights);

    if (groups > 1)
        return md_create(md, 5, grouped, type,
                         any ? dnnl_format_tag_any : groups_tag(c));
    return md_create(md, 4, whole, type,
                     any ? dnnl_format_tag_any : store_tag(c->plain_input));
}

/* Grouped ones are packed by ourselves in inference. */
static bool takes_any_weights(const struct rn_conv_config *c)
{
    return c->train ? c->pass == RN_CONV_BACKWARD_DATA : !rn_is_grouped(c);
}

static dnnl_status_t make_descs(struct conv_descs *d,
                                const struct rn_conv_config *c)
{
    dnnl_dims_t src = {c->n, rn_channels_run(c, c->in.c), c->in.h, c->in.w};
    dnnl_dims_t dst = {c->n, rn_channels_run(c, c->out.c), c->out.h, c->out.w};
    dnnl_dims_t bias = {rn_channels_run(c, c->out.c)};
    dnnl_status_t rc = md_create(&d->src, 4, src, data_type(c->input),
                                 data_tag(c->plain_input));

    if (!rc)
        rc = md_create(&d->dst, 4, dst, data_type(c->output), data_tag(false));
    if (!rc)
        rc = weights_md(c, takes_any_weights(c), &d->weights);
    if (!rc)
        rc = md_create(&d->bias, 1, bias, dnnl_f32, dnnl_a);
    return rc;
}

static void free_descs(struct conv_descs *d)
{
    MD_FREE(d->src);
    MD_FREE(d->dst);
    MD_FREE(d->weights);
    MD_FREE(d->bias);
}

static struct geometry make_geometry(const struct rn_conv_config *c)
{
    const struct rn_window *w = &c->window;
    const int across = rn_window_stride_w(w);
    struct geometry g = {.stride = {w->stride, across},
                         .dilate = {w->dilate_h, w->dilate_w},
                         .pad_l = {rn_window_top(w), rn_window_left(w)}};

    /* Padding on the far side is what the last window still reaches. */
    g.pad_r[0] = (c->out.h - 1) * w->stride + rn_window_rows(w) - c->in.h -
                 rn_window_top(w);
    g.pad_r[1] = (c->out.w - 1) * across + rn_window_columns(w) - c->in.w -
                 rn_window_left(w);
    return g;
}

static dnnl_status_t make_attr(dnnl_primitive_attr_t *attr,
                               const struct rn_conv_config *c)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t rc = dnnl_primitive_attr_create(attr);

    if (!rc)
        rc = dnnl_primitive_attr_set_scratchpad_mode(*attr,
                                                     dnnl_scratchpad_mode_user);
    if (!rc)
        rc = dnnl_post_ops_create(&ops);
    if (!rc && c->sum)
        rc = append_sum(ops);
    if (!rc && c->relu)
        rc = append_relu(ops);
    if (!rc)
        rc = dnnl_primitive_attr_set_post_ops(*attr, ops);
    dnnl_post_ops_destroy(ops);
    return rc;
}

static dnnl_status_t make_pd(struct onednn *conv, const struct conv_descs *d,
                             dnnl_primitive_attr_t attr)
{
    const struct rn_conv_config *c = &conv->config;
    struct geometry g = make_geometry(c);
    dnnl_prop_kind_t prop =
        c->train ? dnnl_forward_training : dnnl_forward_inference;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_status_t rc;

    if (c->pass == RN_CONV_FORWARD)
        return create_forward(&conv->pd, conv->engine, prop, d, c->bias, &g,
                              attr);
    /* The hint only tells backward which formats are in use; those are ours. */
    rc = create_forward(&hint, conv->engine, dnnl_forward_training, d, c->bias,
                        &g, attr);
    if (!rc)
        rc = create_backward_data(&conv->pd, conv->engine, d, &g, attr, hint);
    dnnl_primitive_desc_destroy(hint);
    return rc;
}

static dnnl_status_t choose(struct onednn *conv)
{
    struct conv_descs d = {0};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t rc = make_descs(&d, &conv->config);

    if (!rc)
        rc = make_attr(&attr, &conv->config);
    if (!rc)
        rc = make_pd(conv, &d, attr);
    dnnl_primitive_attr_destroy(attr);
    free_descs(&d);
    return rc;
}

static const_md_t query_md(const struct onednn *conv, dnnl_query_t what)
{
    return dnnl_primitive_desc_query_md(conv->pd, what, 0);
}

struct role {
    dnnl_query_t query;
    int index, arg; /* the bias is oneDNN's second weights */
};

/* What each memory is to oneDNN, by pass: weight gradients are all ours. */
static const struct role roles[RN_CONV_BACKWARD_WEIGHTS][M_SCRATCH + 1] = {
    {[M_SRC] = {dnnl_query_src_md, 0, DNNL_ARG_SRC},
     [M_WEIGHTS] = {dnnl_query_weights_md, 0, DNNL_ARG_WEIGHTS},
     [M_BIAS] = {dnnl_query_weights_md, 1, DNNL_ARG_BIAS},
     [M_DST] = {dnnl_query_dst_md, 0, DNNL_ARG_DST},
     [M_SCRATCH] = {dnnl_query_scratchpad_md, 0, DNNL_ARG_SCRATCHPAD}},
    {[M_SRC] = {dnnl_query_diff_src_md, 0, DNNL_ARG_DIFF_SRC},
     [M_WEIGHTS] = {dnnl_query_weights_md, 0, DNNL_ARG_WEIGHTS},
     [M_DST] = {dnnl_query_diff_dst_md, 0, DNNL_ARG_DIFF_DST},
     [M_SCRATCH] = {dnnl_query_scratchpad_md, 0, DNNL_ARG_SCRATCHPAD}},
};

/* NULL where the convolution has none of it. */
static const struct role *role_of(const struct onednn *conv, int which)
{
    const struct rn_conv_config *c = &conv->config;

    if (which == M_BIAS && (c->pass != RN_CONV_FORWARD || !c->bias))
        return NULL;
    return &roles[c->pass][which];
}

static dnnl_status_t make_memory(struct onednn *conv, int which)
{
    const struct role *role = role_of(conv, which);

    return role ? dnnl_memory_create(&conv->memory[which],
                                     dnnl_primitive_desc_query_md(
                                         conv->pd, role->query, role->index),
                                     conv->engine, DNNL_MEMORY_NONE)
                : dnnl_success;
}

static dnnl_status_t plain_weights_md(const struct rn_conv_config *c, md_t *md)
{
    dnnl_dims_t dims = {c->out.c, c->in.c, c->window.kh, c->window.kw};

    return md_create(md, 4, dims, dnnl_f32, dnnl_oihw);
}

/* Plain weights are packed from plain OIHW: by ourselves into the store's
 * layout, which oneDNN's reorder does on one thread. */
static dnnl_status_t compare_layouts(struct onednn *conv)
{
    const_md_t to = query_md(conv, dnnl_query_weights_md);
    md_t store;
    dnnl_status_t rc = weights_md(&conv->config, false, &store);
    bool same = !rc && dnnl_memory_desc_equal(MD(store), to);

    if (rc)
        return rc;
    conv->packed_bytes = dnnl_memory_desc_get_size(to);
    conv->packs_to_store = same && !conv->config.train;
    conv->needs_pack = !same || !conv->config.train;
    MD_FREE(store);
    return rc;
}

/* The layout weights are packed from: the store's, or plain OIHW. */
static dnnl_status_t make_pack(struct onednn *conv, bool dry)
{
    const_md_t to = query_md(conv, dnnl_query_weights_md);
    dnnl_primitive_desc_t pd = NULL;
    md_t from;
    dnnl_status_t rc = compare_layouts(conv);

    if (!rc)
        rc = conv->config.train ? weights_md(&conv->config, false, &from)
                                : plain_weights_md(&conv->config, &from);
    if (rc)
        return rc;
    if (conv->needs_pack && !conv->packs_to_store && !dry) {
        rc = dnnl_reorder_primitive_desc_create(&pd, MD(from), conv->engine, to,
                                                conv->engine, NULL);
        if (!rc)
            rc = dnnl_primitive_create(&conv->pack, pd);
        if (!rc)
            rc = dnnl_memory_create(&conv->memory[M_PACK_FROM], MD(from),
                                    conv->engine, DNNL_MEMORY_NONE);
        dnnl_primitive_desc_destroy(pd);
    }
    MD_FREE(from);
    return rc;
}

/* What oneDNN calls the code that it chose. */
static const char *implementation(const struct onednn *conv)
{
    const char *name = "";

    dnnl_primitive_desc_query(conv->pd, dnnl_query_impl_info_str, 0, &name);
    return name;
}

static void describe(const struct onednn *conv, struct rn_conv_needs *needs)
{
    snprintf(needs->name, sizeof(needs->name), "onednn %s",
             implementation(conv));
    needs->scratch_bytes =
        dnnl_memory_desc_get_size(query_md(conv, dnnl_query_scratchpad_md));
    needs->packed_bytes = conv->packed_bytes;
    needs->pack = conv->needs_pack;
}

static dnnl_status_t build(struct onednn *conv, bool dry,
                           struct rn_conv_needs *needs)
{
    dnnl_status_t rc = dnnl_engine_create(&conv->engine, dnnl_cpu, 0);

    if (!rc)
        rc = dnnl_stream_create(&conv->stream, conv->engine,
                                dnnl_stream_default_flags);
    if (!rc)
        rc = choose(conv);
    if (!rc)
        rc = make_pack(conv, dry);
    if (rc)
        return rc;
    describe(conv, needs);
    for (int i = 0; !rc && !dry && i <= M_SCRATCH; i++)
        rc = make_memory(conv, i);
    return rc || dry ? rc : dnnl_primitive_create(&conv->primitive, conv->pd);
}

static int make(void *plan, const struct rn_conv_config *config, bool dry,
                struct rn_conv_needs *needs, struct rn_error *err)
{
    struct onednn *conv = plan;
    unsigned mode = rn_float_mode_plain(); /* see RELU_SLOPE */
    dnnl_status_t rc;

    conv->config = *config;
    rc = build(conv, dry, needs);
    rn_float_mode_restore(mode);
    return rc ? fail(err, config, "creating", rc) : RN_OK;
}

static void release(void *plan)
{
    struct onednn *conv = plan;

    for (int i = 0; i < M_COUNT; i++)
        dnnl_memory_destroy(conv->memory[i]);
    dnnl_primitive_destroy(conv->primitive);
    dnnl_primitive_destroy(conv->pack);
    dnnl_primitive_desc_destroy(conv->pd);
    dnnl_stream_destroy(conv->stream);
    dnnl_engine_destroy(conv->engine);
}

/* -------------------------------------------------------------- execution */

static void pack_to_store(const struct rn_conv_config *c, const float *from,
                          float *packed)
{
    if (rn_is_grouped(c))
        rn_groups_pack(c, from, packed);
    else
        rn_conv_weights_pack(from, packed, c->out.c, c->in.c, c->window,
                             c->plain_input, c->threads);
}

static dnnl_status_t set_pointer(struct onednn *conv, int which,
                                 const void *pointer)
{
    /* oneDNN takes inputs and outputs alike as plain pointers. */
    return dnnl_memory_set_data_handle(conv->memory[which], (void *)pointer);
}

static int pack(void *plan, const float *from, void *packed,
                struct rn_error *err)
{
    struct onednn *conv = plan;
    dnnl_exec_arg_t args[] = {
        {DNNL_ARG_FROM, conv->memory[M_PACK_FROM]},
        {DNNL_ARG_TO, conv->memory[M_WEIGHTS]},
    };
    dnnl_status_t rc;

    if (conv->packs_to_store) {
        pack_to_store(&conv->config, from, packed);
        return RN_OK;
    }
    rc = set_pointer(conv, M_PACK_FROM, from);
    if (!rc)
        rc = set_pointer(conv, M_WEIGHTS, packed);
    if (!rc)
        rc = dnnl_primitive_execute(conv->pack, conv->stream, 2, args);
    if (!rc)
        rc = dnnl_stream_wait(conv->stream);
    return rc ? fail(err, &conv->config, "packing the weights of", rc) : RN_OK;
}

static int run(void *plan, const struct rn_conv_args *a, struct rn_error *err)
{
    struct onednn *conv = plan;
    bool data = conv->config.pass == RN_CONV_BACKWARD_DATA;

    const void *pointers[M_SCRATCH + 1] = {
        [M_SRC] = data ? a->diff_src : a->src,
        [M_WEIGHTS] = a->weights,
        [M_BIAS] = a->bias,
        [M_DST] = data ? a->diff_dst : a->dst,
        [M_SCRATCH] = a->scratch,
    };
    dnnl_exec_arg_t args[M_SCRATCH + 1];
    dnnl_status_t rc = dnnl_success;
    int count = 0;
    for (int i = 0; !rc && i <= M_SCRATCH; i++) {
        const struct role *role = role_of(conv, i);

        if (!role)
            continue;
        rc = set_pointer(conv, i, pointers[i]);
        args[count++] = (dnnl_exec_arg_t){role->arg, conv->memory[i]};
    }
    if (!rc)
        rc = dnnl_primitive_execute(conv->primitive, conv->stream, count, args);
    if (!rc)
        rc = dnnl_stream_wait(conv->stream);
    return rc ? fail(err, &conv->config, "running", rc) : RN_OK;
}

static bool reads_same(const void *plan, const void *other)
{
    return dnnl_memory_desc_equal(query_md(plan, dnnl_query_weights_md),
                                  query_md(other, dnnl_query_weights_md));
}

/* Whether it has code of its own for this, and not only its reference
 * ("ref:any"), which computes number by number: where padding is as large as
 * the window, say. */
static bool is_fast(const struct rn_conv_config *config)
{
    static const char reference[] = "ref";
    struct onednn conv = {.config = *config};
    bool fast =
        !dnnl_engine_create(&conv.engine, dnnl_cpu, 0) && !choose(&conv) &&
        strncmp(implementation(&conv), reference, sizeof(reference) - 1) != 0;

    release(&conv);
    return fast;
}

/* All but weight gradients, for which it promises the same bits neither twice
 * nor on any number of threads. */
static bool applies(const struct rn_conv_config *config)
{
    return config->pass != RN_CONV_BACKWARD_WEIGHTS && is_fast(config);
}

/* Inference; its bfloat16 has no plain reference that gives the same bits, as
 * training wants one. */
static bool applies_bf16(const struct rn_conv_config *config)
{
    return config->pass == RN_CONV_FORWARD && !config->train &&
           rn_isa()->bf16 && is_fast(config);
}

const struct rn_conv_algorithm rn_conv_onednn = {
    .input = RN_F32,
    .weights = RN_F32,
    .output = RN_F32,
    .groups = true,
    .any_window = true,
    .applies = applies,
    .plan_bytes = sizeof(struct onednn),
    .make = make,
    .release = release,
    .pack = pack,
    .reads_same = reads_same,
    .run = run,
    .shares = rn_conv_shares_unknown,
};

const struct rn_conv_algorithm rn_conv_onednn_bf16 = {
    .input = RN_BF16,
    .weights = RN_F32,
    .output = RN_BF16,
    .any_window = true,
    .applies = applies_bf16,
    .plan_bytes = sizeof(struct onednn),
    .make = make,
    .release = release,
    .pack = pack,
    .reads_same = reads_same,
    .run = run,
    .shares = rn_conv_shares_unknown,
};
