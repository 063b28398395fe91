/* SPDX-License-Identifier: BSD-2-Clause */
/* The weight gradient of any convolution in bfloat16, directly: dot products
 * over pairs of pixels. Each thread brings a chunk's pixels into pairs itself,
 * those of the input once for each tap, as far as its products read them: what
 * another core has written comes slower than it is made again. Every sum goes
 * chunk after chunk and pair after pair: the same bits on any number of
 * threads. */
#include "ops/conv/algorithm.h"

#include "ops/conv/pair_kernels.h"
#include "ops/conv/product_kernels.h"
#include "ops/elementwise.h"
#include "ops/window.h"

#include <omp.h>
#include <stdint.h>

/* A chunk's pixels in pairs, of all blocks by taps. */
#define CHUNK_BYTES ((size_t)4 << 20)
/* Of one block no more than half the first-level cache: two are multiplied. */
#define PAIRS_MOST 256
/* Loading and storing sums should be little beside. */
#define PAIRS_LEAST 192

struct weight_gradient {
    struct rn_conv_config config;
    const struct rn_pair_kernels *kernels;
    const struct rn_product_kernels *products; /* gather */
    size_t block, in_blocks, out_blocks, taps;
    size_t inputs;      /* blocks of the input as each tap sees them */
    bool by_outputs;    /* products go output by output, else by input */
    size_t others;      /* products of one of those */
    size_t image_pairs; /* of pixels */
    size_t chunks, chunk_pairs; /* of the batch; at most */
    bool gathers;
};

/* --------------------------------------------------------------- planning */

static void make_plan(struct weight_gradient *g, const struct rn_conv_config *c)
{
    size_t all, most, bytes;

    g->config = *c;
    g->kernels = rn_pair_kernels_get();
    g->products = rn_product_kernels_get(RN_BF16);
    g->block = (size_t)rn_block();
    g->in_blocks = rn_channels_padded(c->in.c) / g->block;
    g->out_blocks = rn_channels_padded(c->out.c) / g->block;
    g->taps = rn_window_taps(&c->window);
    g->inputs = g->in_blocks * g->taps;
    g->by_outputs = g->out_blocks > g->inputs;
    g->others = g->by_outputs ? g->inputs : g->out_blocks;
    g->image_pairs = rn_divide_up(rn_shape_pixels(c->out), 2);
    g->gathers = g->taps > 1 || c->window.stride > 1 || c->window.pad > 0;
    all = (size_t)c->n * g->image_pairs;
    bytes = (g->inputs + g->out_blocks) * 2 * g->block * sizeof(uint16_t);
    most = CHUNK_BYTES / bytes;
    most = most > PAIRS_MOST ? PAIRS_MOST : most;
    most = most < PAIRS_LEAST ? PAIRS_LEAST : most;
    g->chunks = rn_divide_up(all, most);
    g->chunk_pairs = rn_divide_up(all, g->chunks);
}

/* Numbers of a block's pairs of a chunk. */
static size_t panel(const struct weight_gradient *g)
{
    return g->chunk_pairs * 2 * g->block;
}

/* ------------------------------------------------------------------- pairs */

/** Pixels of one image. */
struct piece {
    size_t image, first, pixels;
};

/* Of the batch's pairs [pair, end) those of the first one's image; the last
 * pair of an image may be half. */
static struct piece piece_at(const struct weight_gradient *g, size_t pair,
                             size_t end)
{
    size_t image = pair / g->image_pairs, left = (image + 1) * g->image_pairs;
    struct piece p = {image, 2 * (pair % g->image_pairs), 0};
    size_t all = rn_shape_pixels(g->config.out);

    p.pixels = 2 * ((end < left ? end : left) - pair);
    if (p.first + p.pixels > all)
        p.pixels = all - p.first;
    return p;
}

static void pair_output(const struct weight_gradient *g, const struct piece *p,
                        size_t block, const uint16_t *dy, uint16_t *to)
{
    size_t plane = rn_shape_pixels(g->config.out) * g->block;

    g->kernels->interleave(dy + (p->image * g->out_blocks + block) * plane +
                               p->first * g->block,
                           p->pixels, to);
}

enum { GATHERED = 64, BLOCK_MOST = 16 };

/* Input number `input`: a block as one tap sees it. */
static void pair_input(const struct weight_gradient *g, const struct piece *p,
                       size_t input, const uint16_t *x, uint16_t *to)
{
    const struct rn_conv_config *c = &g->config;
    const struct rn_window *w = &c->window;
    size_t block = input / g->taps, plane = rn_shape_pixels(c->in) * g->block;
    int tap = (int)(input % g->taps);
    uint16_t rows[GATHERED * BLOCK_MOST];
    struct rn_product_rows r = {
        .plane = x + (p->image * g->in_blocks + block) * plane,
        .h = c->in.h,
        .w = c->in.w,
        .out_w = c->out.w,
        .stride = w->stride,
        .across = w->stride,
        .top = tap / w->kw - w->pad,
        .left = tap % w->kw - w->pad,
    };

    if (!g->gathers) {
        g->kernels->interleave((const uint16_t *)r.plane + p->first * g->block,
                               p->pixels, to);
        return;
    }
    for (size_t i = 0; i < p->pixels; i += GATHERED) {
        size_t left = p->pixels - i;

        r.first = (int)(p->first + i);
        r.pixels = left < GATHERED ? (int)left : GATHERED;
        g->products->gather(&r, rows);
        g->kernels->interleave(rows, (size_t)r.pixels, to + i * g->block);
    }
}

/* Pairs [begin, end) of input or output number `i`, side by side. */
static void pair_up(const struct weight_gradient *g,
                    const struct rn_conv_args *a, const struct rn_range *pairs,
                    bool output, size_t i, uint16_t *to)
{
    for (size_t at = pairs->begin; at < pairs->end;) {
        struct piece p = piece_at(g, at, pairs->end);
        size_t count = rn_divide_up(p.pixels, 2);

        if (output)
            pair_output(g, &p, i, a->diff_dst, to);
        else
            pair_input(g, &p, i, a->src, to);
        to += count * 2 * g->block;
        at += count;
    }
}

/* ---------------------------------------------------------------- products */

static size_t products_of(const struct weight_gradient *g)
{
    return g->inputs * g->out_blocks;
}

/* The others that products [begin, end) read: all of them, unless the products
 * are all of one input or output. */
static struct rn_range others_of(const struct weight_gradient *g,
                                 const struct rn_range *products)
{
    size_t first = products->begin / g->others * g->others;

    if (products->end > first + g->others)
        return (struct rn_range){0, g->others};
    return (struct rn_range){products->begin - first, products->end - first};
}

static void multiply(const struct weight_gradient *g,
                     const struct rn_conv_args *a, size_t pairs, bool first,
                     size_t product, const uint16_t *one, const uint16_t *other)
{
    size_t i = product / g->others, k = product % g->others;
    size_t input = g->by_outputs ? k : i, out = g->by_outputs ? i : k;
    const struct rn_pair_rows rows = {.x = g->by_outputs ? other : one,
                                      .dy = g->by_outputs ? one : other,
                                      .rows = 1,
                                      .pairs = pairs};

    g->kernels->accumulate(&rows, first,
                           a->diff_weights +
                               (out * g->inputs + input) * g->block * g->block);
}

/* Some products over a chunk's pairs. The others' panels are made before; that
 * of the input or output whose turn it is lies in front of them. */
static void run_chunk(const struct weight_gradient *g,
                      const struct rn_conv_args *a,
                      const struct rn_range *pairs,
                      const struct rn_range *products, uint16_t *panels)
{
    struct rn_range others = others_of(g, products);
    size_t count = pairs->end - pairs->begin;
    uint16_t *behind = panels + panel(g);

    for (size_t k = others.begin; k < others.end; k++)
        pair_up(g, a, pairs, !g->by_outputs, k, behind + k * panel(g));
    for (size_t i = products->begin; i < products->end; i++) {
        if (i == products->begin || i % g->others == 0)
            pair_up(g, a, pairs, g->by_outputs, i / g->others, panels);
        multiply(g, a, count, pairs->begin == 0, i, panels,
                 behind + i % g->others * panel(g));
    }
}

static size_t thread_numbers(const struct weight_gradient *g)
{
    return (1 + g->others) * panel(g);
}

static int run(void *plan, const struct rn_conv_args *a, struct rn_error *err)
{
    const struct weight_gradient *g = plan;
    size_t all = (size_t)g->config.n * g->image_pairs;

    (void)err;
#pragma omp parallel num_threads(g->config.threads)
    {
        int me = omp_get_thread_num(), team = omp_get_num_threads();
        struct rn_range products = rn_share_of(products_of(g), me, team);
        uint16_t *panels =
            (uint16_t *)a->scratch + (size_t)me * thread_numbers(g);

        for (size_t i = 0; i < g->chunks && products.begin < products.end;
             i++) {
            struct rn_range pairs = rn_range_of(all, (int)i, (int)g->chunks);

            run_chunk(g, a, &pairs, &products, panels);
        }
        rn_conv_bias_gradient(&g->config, a, me, team);
    }
    return RN_OK;
}

/* A thread's own pairs, then its products. */
static void shares(const void *plan, struct rn_shares *s)
{
    const struct weight_gradient *g = plan;
    double pixels = 2 * (double)g->config.n * (double)g->image_pairs;
    double block = (double)g->block;
    double made = pixels * block * sizeof(uint16_t) * RN_COST_OF_BYTE;

    for (int i = 0; i < s->threads; i++) {
        struct rn_range r = rn_share_of(products_of(g), i, s->threads);
        struct rn_range others = others_of(g, &r);
        size_t panels = others.end - others.begin;

        if (r.begin == r.end)
            continue;
        panels += (r.end - 1) / g->others - r.begin / g->others + 1;
        rn_shares_take(s, i, r.end - r.begin,
                       (double)panels * made +
                           (double)(r.end - r.begin) * pixels * block * block);
    }
    rn_conv_bias_gradient_shares(&g->config, s);
    rn_shares_barrier(s);
}

static bool applies(const struct rn_conv_config *c)
{
    return c->pass == RN_CONV_BACKWARD_WEIGHTS && !c->plain_input;
}

static int make(void *plan, const struct rn_conv_config *c, bool dry,
                struct rn_conv_needs *needs, struct rn_error *err)
{
    struct weight_gradient *g = plan;

    (void)dry;
    (void)err;
    make_plan(g, c);
    needs->scratch_bytes =
        (size_t)c->threads * thread_numbers(g) * sizeof(uint16_t);
    rn_conv_describe(needs, "direct bf16");
    return RN_OK;
}

const struct rn_conv_algorithm rn_conv_weight_gradient_bf16 = {
    .input = RN_BF16,
    .weights = RN_F32,
    .output = RN_BF16,
    .applies = applies,
    .plan_bytes = sizeof(struct weight_gradient),
    .make = make,
    .run = run,
    .shares = shares,
};
