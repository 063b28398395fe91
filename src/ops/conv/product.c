/* SPDX-License-Identifier: BSD-2-Clause */
/* Forward convolutions without transforms, as matrix products: 1x1 ones read
 * their input where it is, others gather the pixels that a window sees into
 * rows first. A sum is taken by one thread in an order fixed by the shapes:
 * the same bits on any number of threads. */
#include "ops/conv/algorithm.h"

#include "core/isa.h"
#include "ops/conv/product_kernels.h"
#include "ops/elementwise.h"
#include "ops/window.h"

#include <omp.h>

/* Input channels times taps summed at once. The weights of two blocks of
 * outputs for them, 48 KiB with AVX-512, just about stay in the first-level
 * cache; of 128, 192, 256 and 384 the last was the fastest. */
#define DEPTH 384
/* A chunk's inputs of that depth, which every pair of blocks of outputs
 * rereads, stay in the second-level cache. */
#define CHUNK_BYTES ((size_t)256 << 10)
/* A chunk is cut smaller until the largest share is no more than so much over
 * the mean; or into so many pieces for each thread, for what comes nearest. */
#define UNEVEN 1.02
#define PIECES 4

struct product {
    struct rn_conv_config config;
    const struct rn_product_kernels *kernels;
    size_t number; /* bytes of one: of activations, and of packed weights */
    size_t block, in_blocks, out_blocks;
    size_t pairs;         /* of blocks of outputs; the last may be one alone */
    size_t steps;         /* blocks of inputs by taps: what is summed over */
    size_t depth;         /* steps whose weights are there at once */
    bool gathers;         /* rows before products */
    size_t pixels;        /* of an image's outputs */
    size_t strips;        /* of an image */
    size_t chunk, chunks; /* strips that meet a pair's weights; of them */
    size_t chunk_pixels;  /* at most */
};

/* --------------------------------------------------------------- planning */

/* In training, with fewer outputs there is too little to do with what was
 * gathered, and oneDNN is a tenth faster. In inference it is slower with 32
 * outputs, and hardly faster with 64. */
#define GATHER_OUTPUTS 128

/* A fully connected layer, of one pixel an image, has no strips. */
static bool applies(const struct rn_conv_config *c)
{
    bool fits = c->pass == RN_CONV_FORWARD && !c->plain_input &&
                c->out.h * c->out.w > 1 && rn_isa()->fma;

    if (rn_window_taps(&c->window) == 1)
        return fits;
    return fits && c->window.stride > 1 &&
           (!c->train || c->out.c >= GATHER_OUTPUTS);
}

static bool applies_bf16(const struct rn_conv_config *c)
{
    return c->pass == RN_CONV_FORWARD && !c->plain_input &&
           c->out.h * c->out.w > 1;
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* From `least` chunks on, strips of one so that threads have about as much. */
static size_t even_chunk(const struct product *p, size_t all, size_t least)
{
    int threads = p->config.threads;
    size_t most_chunks =
        most(2 * least, rn_divide_up(PIECES * (size_t)threads, p->pairs));
    size_t best = rn_divide_up(all, least);
    double best_uneven = 0;

    for (size_t n = least; n <= most_chunks && n <= all; n++) {
        size_t chunk = rn_divide_up(all, n), chunks = rn_divide_up(all, chunk);
        /* The last chunk may be shorter. */
        double longer = (double)(chunks * chunk) / (double)all;
        double uneven = longer * rn_share_largest(chunks * p->pairs, threads);

        if (n == least || uneven < best_uneven) {
            best = chunk;
            best_uneven = uneven;
        }
        if (best_uneven <= UNEVEN)
            break;
    }
    return best;
}

static void plan_chunks(struct product *p)
{
    const struct rn_conv_config *c = &p->config;
    size_t strip = (size_t)p->kernels->strip, all;
    size_t bytes = strip * p->depth * p->block * p->number;

    p->pixels = rn_shape_pixels(c->out);
    p->strips = rn_divide_up(p->pixels, strip);
    all = (size_t)c->n * p->strips;
    p->chunk =
        even_chunk(p, all, rn_divide_up(all, most(CHUNK_BYTES / bytes, 1)));
    p->chunks = rn_divide_up(all, p->chunk);
    p->chunk_pixels = p->chunk * strip;
}

static void make_plan(struct product *p, const struct rn_conv_config *c)
{
    size_t taps = rn_window_taps(&c->window), deepest;

    p->config = *c;
    p->kernels = rn_product_kernels_get(c->input);
    p->number = rn_dtype_bytes(c->input);
    p->block = (size_t)rn_block();
    p->in_blocks = rn_channels_padded(c->in.c) / p->block;
    p->out_blocks = rn_channels_padded(c->out.c) / p->block;
    p->pairs = rn_divide_up(p->out_blocks, 2);
    p->steps = p->in_blocks * taps;
    /* Sums of bfloat16 stay in registers to their end, for what is stored is
     * rounded. */
    deepest = c->output == RN_F32 ? DEPTH / p->block : p->steps;
    p->depth = rn_divide_up(p->steps, rn_divide_up(p->steps, deepest));
    p->gathers = taps > 1 || c->window.stride > 1 || c->window.pad > 0;
    plan_chunks(p);
}

/* Bytes of a thread's gathered rows. */
static size_t rows_bytes(const struct product *p)
{
    return p->gathers ? p->chunk_pixels * p->depth * p->block * p->number : 0;
}

/* ------------------------------------------------------------------- rows */

/* `count` numbers further on. */
static const void *numbers(const struct product *p, const void *from,
                           size_t count)
{
    return (const char *)from + count * p->number;
}

/** Some pixels of one image's outputs. */
struct strip {
    size_t image, first, pixels;
};

static struct strip strip_at(const struct product *p, size_t number)
{
    struct rn_range r =
        rn_range_of(p->pixels, (int)(number % p->strips), (int)p->strips);

    return (struct strip){number / p->strips, r.begin, r.end - r.begin};
}

/* A step of the sum: a block of inputs as a tap sees it. Of bfloat16 the taps
 * come first, so that blocks of any size give one order of channels. */
struct step {
    size_t block;
    int tap;
};

static struct step step_of(const struct product *p, size_t k)
{
    size_t taps = rn_window_taps(&p->config.window);

    if (p->config.input == RN_F32)
        return (struct step){k / taps, (int)(k % taps)};
    return (struct step){k % p->in_blocks, (int)(k / p->in_blocks)};
}

/* Steps [step, step + steps) of one strip: rows[step][pixel][B]. */
static void gather_strip(const struct product *p, const void *src,
                         const struct strip *s, size_t step, size_t steps,
                         char *rows)
{
    const struct rn_conv_config *c = &p->config;
    const struct rn_window *w = &c->window;
    size_t plane = rn_shape_pixels(c->in) * p->block;

    for (size_t k = step; k < step + steps; k++) {
        struct step at = step_of(p, k);
        struct rn_product_rows r = {
            .plane =
                numbers(p, src, (s->image * p->in_blocks + at.block) * plane),
            .h = c->in.h,
            .w = c->in.w,
            .out_w = c->out.w,
            .stride = w->stride,
            .top = at.tap / w->kw - w->pad,
            .left = at.tap % w->kw - w->pad,
            .first = (int)s->first,
            .pixels = (int)s->pixels,
        };

        p->kernels->gather(&r, rows + (k - step) * p->chunk_pixels * p->block *
                                          p->number);
    }
}

/* --------------------------------------------------------------- products */

/** A thread's part of a chunk: strips by pairs of blocks of outputs. */
struct part {
    struct rn_range strips, pairs;
    const struct rn_conv_args *args;
    char *rows;
};

/** The weights of one pair of blocks of outputs for some steps of the sum. */
struct panel {
    size_t pair, step, steps;
};

static const void *weights_of(const struct product *p, const struct part *part,
                              const struct panel *n)
{
    return numbers(p, part->args->weights,
                   (2 * n->pair * p->steps + n->step) * p->block * p->block);
}

/* A strip's pixels where they need no gathering, and a step is a block. */
static const void *inputs_of(const struct product *p, const struct part *part,
                             const struct strip *s, size_t step)
{
    return numbers(p, part->args->src,
                   ((s->image * p->in_blocks + step) * p->pixels + s->first) *
                       p->block);
}

/* The panel that this thread needs next; false when there is none. */
static bool next_panel(const struct product *p, const struct part *part,
                       struct panel *n)
{
    if (++n->pair < part->pairs.end)
        return true;
    n->pair = part->pairs.begin;
    n->step += n->steps;
    return n->step < p->steps;
}

/* Share number `i` of `strips` of fetching the panel after this. */
static struct rn_ahead ahead_of(const struct product *p,
                                const struct part *part,
                                const struct panel *panel, size_t i,
                                size_t strips)
{
    struct panel n = *panel;

    if (!next_panel(p, part, &n))
        return (struct rn_ahead){{NULL, NULL}, 0};
    return rn_ahead_of(weights_of(p, part, &n),
                       p->steps * p->block * p->block * p->number, n.steps,
                       p->block * p->block * p->number, i, strips);
}

static struct rn_product_strip strip_of(const struct product *p,
                                        const struct part *part,
                                        const struct strip *s,
                                        const struct panel *n)
{
    const struct rn_conv_config *c = &p->config;
    size_t b = p->block, out = 2 * n->pair, plane = p->pixels * b;
    bool first = n->step == 0, last = n->step + n->steps == p->steps;

    return (struct rn_product_strip){
        .x_block = p->gathers ? p->chunk_pixels * b : plane,
        .blocks = n->steps,
        .w = weights_of(p, part, n),
        .w_block = p->steps * b * b,
        .y = (char *)part->args->dst +
             ((s->image * p->out_blocks + out) * plane + s->first * b) *
                 p->number,
        .y_block = plane,
        .bias = first && c->bias ? part->args->bias + out * b : NULL,
        .add = !first || c->sum,
        .relu = last && c->relu,
    };
}

/* The strip that has this one's turn when the next step, or with the last one
 * the next chunk, begins; false if there is none. */
static bool successor(const struct product *p, const struct part *part,
                      const struct panel *panel, size_t i, struct strip *s,
                      size_t *step)
{
    size_t number = part->strips.begin + i;

    *step = panel->step + panel->steps;
    if (*step >= p->steps) {
        *step = 0;
        number += part->strips.end - part->strips.begin;
    }
    if (number >= (size_t)p->config.n * p->strips)
        return false;
    *s = strip_at(p, number);
    return true;
}

/* This pair's share of what the successor will read: its pixels are fetched
 * evenly, and memory is never waited for. Gathered ones are near as it is. */
static void look_ahead(const struct product *p, const struct part *part,
                       const struct panel *panel, size_t i,
                       struct rn_product_strip *strip)
{
    size_t pairs = part->pairs.end - part->pairs.begin, step;
    struct rn_range share;
    struct strip s;

    strip->later = strip->x;
    if (p->gathers || !successor(p, part, panel, i, &s, &step))
        return;
    share = rn_range_of(s.pixels, (int)(panel->pair - part->pairs.begin),
                        (int)pairs);
    strip->later =
        numbers(p, inputs_of(p, part, &s, step), share.begin * p->block);
    strip->later_pixels = (int)(share.end - share.begin);
}

/* All strips with one panel. */
static void multiply(const struct product *p, const struct part *part,
                     const struct panel *panel)
{
    size_t all = part->strips.end - part->strips.begin;
    int outs = 2 * panel->pair + 1 < p->out_blocks ? 2 : 1;
    const char *row = part->rows;

    for (size_t i = 0; i < all; i++) {
        struct strip s = strip_at(p, part->strips.begin + i);
        struct rn_product_strip strip = strip_of(p, part, &s, panel);

        strip.x = p->gathers ? row : inputs_of(p, part, &s, panel->step);
        strip.ahead = ahead_of(p, part, panel, i, all);
        look_ahead(p, part, panel, i, &strip);
        p->kernels->multiply((int)s.pixels, outs, &strip);
        row += s.pixels * p->block * p->number;
    }
}

/* A chunk's strips that are of one image, as one. */
static void gather(const struct product *p, const struct part *part,
                   size_t step, size_t steps)
{
    char *row = part->rows;
    size_t i = part->strips.begin, end;

    for (; i < part->strips.end; i = end) {
        struct strip s = strip_at(p, i);

        end = (s.image + 1) * p->strips;
        if (end > part->strips.end)
            end = part->strips.end;
        s.pixels =
            strip_at(p, end - 1).first + strip_at(p, end - 1).pixels - s.first;
        gather_strip(p, part->args->src, &s, step, steps, row);
        row += s.pixels * p->block * p->number;
    }
}

static void run_part(const struct product *p, const struct part *part)
{
    for (size_t step = 0; step < p->steps; step += p->depth) {
        size_t left = p->steps - step;
        struct panel n = {0, step, left < p->depth ? left : p->depth};

        if (p->gathers)
            gather(p, part, step, n.steps);
        for (n.pair = part->pairs.begin; n.pair < part->pairs.end; n.pair++)
            multiply(p, part, &n);
    }
}

/* The next part of what is left of a thread's share of all pairs of all
 * chunks; false when nothing is. */
static bool take_part(const struct product *p, struct rn_range *left,
                      struct part *part)
{
    size_t chunk = left->begin / p->pairs, start = chunk * p->pairs;
    size_t end = start + p->pairs < left->end ? start + p->pairs : left->end;
    size_t first = chunk * p->chunk, strips = (size_t)p->config.n * p->strips;

    if (left->begin >= left->end)
        return false;
    part->strips.begin = first;
    part->strips.end = strips - first < p->chunk ? strips : first + p->chunk;
    part->pairs = (struct rn_range){left->begin - start, end - start};
    left->begin = end;
    return true;
}

static struct rn_range share_of(const struct product *p, int me, int team)
{
    return rn_share_of(p->chunks * p->pairs, me, team);
}

static int run(void *plan, const struct rn_conv_args *args,
               struct rn_error *err)
{
    const struct product *p = plan;

    (void)err;
#pragma omp parallel num_threads(p->config.threads)
    {
        int me = omp_get_thread_num();
        struct rn_range left = share_of(p, me, omp_get_num_threads());
        struct part part = {
            .args = args,
            .rows = (char *)args->scratch + (size_t)me * rows_bytes(p),
        };

        while (take_part(p, &left, &part))
            run_part(p, &part);
    }
    return RN_OK;
}

/* A strip's products with a pair's weights count, and the rows gathered. */
static void shares(const void *plan, struct rn_shares *s)
{
    const struct product *p = plan;
    double pixels = (double)p->pixels / (double)p->strips;
    double depth = (double)(p->steps * p->block), made = 2 * (double)p->block;
    double row = p->gathers ? (double)p->number * RN_COST_OF_BYTE : 0;

    if (p->config.train && p->config.input == RN_BF16) { /* packed before */
        rn_shares_even(s, p->out_blocks * p->steps,
                       (double)(p->block * p->block * p->number) *
                           RN_COST_OF_BYTE);
        rn_shares_barrier(s);
    }
    for (int t = 0; t < s->threads; t++) {
        struct rn_range left = share_of(p, t, s->threads);
        struct part part;

        while (take_part(p, &left, &part)) {
            size_t strips = part.strips.end - part.strips.begin;
            size_t pairs = part.pairs.end - part.pairs.begin;

            rn_shares_take(s, t, pairs,
                           (double)strips * pixels * depth *
                               ((double)pairs * made + row));
        }
    }
    rn_shares_barrier(s);
}

/* Weights lie as the store has them, in training and inference; those of
 * bfloat16 in the order of the sum. `from` is the store's in training, else
 * plain. */
static int pack(void *plan, const float *from, void *packed,
                struct rn_error *err)
{
    const struct product *p = plan;
    const struct rn_conv_config *c = &p->config;

    (void)err;
    if (c->input == RN_F32)
        rn_conv_weights_pack(from, packed, c->out.c, c->in.c, c->window, false,
                             c->threads);
    else if (c->train)
        rn_conv_weights_store_to_pairs(from, packed, c->out.c, c->in.c,
                                       c->window, c->threads);
    else
        rn_conv_weights_pack_pairs(from, packed, c->out.c, c->in.c, c->window,
                                   c->threads);
    return RN_OK;
}

static int make(void *plan, const struct rn_conv_config *c, bool dry,
                struct rn_conv_needs *needs, struct rn_error *err)
{
    struct product *p = plan;

    (void)dry;
    (void)err;
    make_plan(p, c);
    needs->scratch_bytes = (size_t)c->threads * rows_bytes(p);
    needs->packed_bytes =
        rn_conv_weights_count(c->out.c, c->in.c, c->window, false) * p->number;
    needs->pack = !c->train || c->input == RN_BF16;
    rn_conv_describe(needs, c->input == RN_F32 ? "product" : "product bf16");
    return RN_OK;
}

const struct rn_conv_algorithm rn_conv_product = {
    .input = RN_F32,
    .weights = RN_F32,
    .output = RN_F32,
    .applies = applies,
    .plan_bytes = sizeof(struct product),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};

const struct rn_conv_algorithm rn_conv_product_bf16 = {
    .input = RN_BF16,
    .weights = RN_F32,
    .output = RN_BF16,
    .applies = applies_bf16,
    .plan_bytes = sizeof(struct product),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};
