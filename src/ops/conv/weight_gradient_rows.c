/* SPDX-License-Identifier: BSD-2-Clause */
/* The weight gradient in bfloat16 of convolutions of stride 1 with few weights,
 * as CIFAR's first stage has. Rows of the input, between zeros, are brought
 * into pairs of pixels twice, from the first one on and from the second: each
 * tap finds its pairs in one of both. Images are cut into groups, each summed
 * up by one thread, and groups are joined in order: the same bits on any number
 * of threads. */
#include "ops/conv/algorithm.h"

#include "ops/conv/pair_kernels.h"
#include "ops/elementwise.h"
#include "ops/window.h"

#include <omp.h>
#include <string.h>

/* Rows of outputs that are summed up at once: their pairs stay in the
 * second-level cache. */
#define ROWS_MOST 16
/* Groups of images, for however many threads. */
#define GROUPS 32
/* Blocks of weights (a tap, an input and an output block each) that are few:
 * more are enough work to share out. */
#define FEW 40

struct rows {
    struct rn_conv_config config;
    const struct rn_pair_kernels *kernels;
    size_t block, in_blocks, out_blocks, taps;
    size_t weights;           /* floats of all weights */
    size_t groups;            /* of images */
    size_t rows, parts;       /* of outputs at once; of an image */
    size_t pairs;             /* of a row of outputs */
    size_t in_pairs;          /* of a row of inputs, of either kind */
    size_t in_rows;           /* of a part */
    size_t width;             /* pixels of an input row between zeros */
    size_t in_panel, in_kind; /* numbers of an input block; of one kind of it */
    size_t out_panel;         /* of an output block */
};

/* --------------------------------------------------------------- planning */

static size_t blocks_of(int channels)
{
    return rn_channels_padded(channels) / (size_t)rn_block();
}

static bool applies(const struct rn_conv_config *c)
{
    const struct rn_window *w = &c->window;

    return c->pass == RN_CONV_BACKWARD_WEIGHTS && !c->plain_input &&
           w->stride == 1 && w->kw > 1 && w->pad < w->kw &&
           blocks_of(c->in.c) * blocks_of(c->out.c) * rn_window_taps(w) <= FEW;
}

static void make_plan(struct rows *p, const struct rn_conv_config *c)
{
    size_t h = (size_t)c->out.h, n = (size_t)c->n, b = (size_t)rn_block();

    p->config = *c;
    p->kernels = rn_pair_kernels_get();
    p->block = b;
    p->in_blocks = blocks_of(c->in.c);
    p->out_blocks = blocks_of(c->out.c);
    p->taps = rn_window_taps(&c->window);
    p->weights = rn_conv_weights_count(c->out.c, c->in.c, c->window, false);
    p->groups = n < GROUPS ? n : GROUPS;
    p->parts = rn_divide_up(h, ROWS_MOST);
    p->rows = rn_divide_up(h, p->parts);
    p->parts = rn_divide_up(h, p->rows);
    p->pairs = rn_divide_up((size_t)c->out.w, 2);
    p->in_pairs = p->pairs + (size_t)c->window.kw / 2;
    p->in_rows = p->rows + (size_t)c->window.kh - 1;
    p->width = 2 * p->in_pairs + 1;
    p->in_kind = p->in_rows * p->in_pairs * 2 * b;
    p->in_panel = 2 * p->in_kind;
    p->out_panel = p->rows * p->pairs * 2 * b;
}

/* Numbers of a thread: panels of inputs and outputs, a row between zeros. */
static size_t thread_numbers(const struct rows *p)
{
    return p->in_blocks * p->in_panel + p->out_blocks * p->out_panel +
           p->width * p->block;
}

/* ------------------------------------------------------------------- pairs */

/** Some rows of outputs of one image. */
struct part {
    size_t image, first, rows;
};

static struct part part_at(const struct rows *p, size_t image, size_t number)
{
    size_t first = number * p->rows, left = (size_t)p->config.out.h - first;

    return (struct part){image, first, left < p->rows ? left : p->rows};
}

/* Row `y` of a plane of the input between its zeros. */
static void copy_row(const struct rows *p, const uint16_t *plane, int y,
                     uint16_t *to)
{
    const struct rn_conv_config *c = &p->config;
    size_t b = p->block, w = (size_t)c->in.w, pad = (size_t)c->window.pad;
    size_t used = w < p->width - pad ? w : p->width - pad;

    memset(to, 0, p->width * b * sizeof(*to));
    if (y >= 0 && y < c->in.h)
        memcpy(to + pad * b, plane + (size_t)y * w * b, used * b * sizeof(*to));
}

static void pair_input(const struct rows *p, const struct part *part,
                       const uint16_t *plane, uint16_t *row, uint16_t *to)
{
    const struct rn_window *w = &p->config.window;
    size_t rows = part->rows + (size_t)w->kh - 1, b = p->block;

    for (size_t i = 0; i < rows; i++) {
        uint16_t *pairs = to + i * p->in_pairs * 2 * b;

        copy_row(p, plane, (int)(part->first + i) - w->pad, row);
        p->kernels->interleave(row, 2 * p->in_pairs, pairs);
        p->kernels->interleave(row + b, 2 * p->in_pairs, pairs + p->in_kind);
    }
}

static void pair_output(const struct rows *p, const struct part *part,
                        const uint16_t *plane, uint16_t *to)
{
    size_t w = (size_t)p->config.out.w, b = p->block;

    for (size_t i = 0; i < part->rows; i++)
        p->kernels->interleave(plane + (part->first + i) * w * b, w,
                               to + i * p->pairs * 2 * b);
}

/* ---------------------------------------------------------------- products */

/* All weights' sums over a part, whose pairs begin at `x` and `dy`. */
static void accumulate(const struct rows *p, const struct part *part,
                       const uint16_t *x, const uint16_t *dy, bool first,
                       float *dw)
{
    size_t kw = (size_t)p->config.window.kw, pair = 2 * p->block;
    size_t inputs = p->in_blocks * p->taps, square = p->block * p->block;

    for (size_t i = 0; i < p->out_blocks * inputs; i++) {
        size_t in = i % inputs / p->taps, tap = i % p->taps;
        size_t ky = tap / kw, kx = tap % kw;
        struct rn_pair_rows r = {
            .x = x + in * p->in_panel + kx % 2 * p->in_kind +
                 (ky * p->in_pairs + kx / 2) * pair,
            .dy = dy + i / inputs * p->out_panel,
            .x_row = p->in_pairs * pair,
            .dy_row = p->pairs * pair,
            .rows = part->rows,
            .pairs = p->pairs,
        };

        p->kernels->accumulate(&r, first, dw + i * square);
    }
}

/* One group of images. */
static void run_group(const struct rows *p, const struct rn_conv_args *a,
                      size_t group, uint16_t *memory, float *dw)
{
    const struct rn_conv_config *c = &p->config;
    size_t in_plane = rn_shape_pixels(c->in) * p->block;
    size_t out_plane = rn_shape_pixels(c->out) * p->block;
    uint16_t *dy = memory + p->in_blocks * p->in_panel;
    uint16_t *row = dy + p->out_blocks * p->out_panel;
    struct rn_range images =
        rn_range_of((size_t)c->n, (int)group, (int)p->groups);

    for (size_t i = images.begin * p->parts; i < images.end * p->parts; i++) {
        struct part part = part_at(p, i / p->parts, i % p->parts);
        size_t in = part.image * p->in_blocks, out = part.image * p->out_blocks;

        for (size_t k = 0; k < p->in_blocks; k++)
            pair_input(p, &part, (const uint16_t *)a->src + (in + k) * in_plane,
                       row, memory + k * p->in_panel);
        for (size_t k = 0; k < p->out_blocks; k++)
            pair_output(p, &part,
                        (const uint16_t *)a->diff_dst + (out + k) * out_plane,
                        dy + k * p->out_panel);
        accumulate(p, &part, memory, dy, i == images.begin * p->parts, dw);
    }
}

static void join_groups(const struct rows *p, const struct rn_conv_args *a,
                        const float *partial, int me, int team)
{
    struct rn_range r = rn_share_of(p->weights, me, team);

    for (size_t i = r.begin; i < r.end; i++) {
        float sum = partial[i];

        for (size_t k = 1; k < p->groups; k++)
            sum += partial[k * p->weights + i];
        a->diff_weights[i] = sum;
    }
}

static int run(void *plan, const struct rn_conv_args *a, struct rn_error *err)
{
    const struct rows *p = plan;
    float *partial = a->scratch;

    (void)err;
#pragma omp parallel num_threads(p->config.threads)
    {
        int me = omp_get_thread_num(), team = omp_get_num_threads();
        struct rn_range r = rn_share_of(p->groups, me, team);
        uint16_t *memory = (uint16_t *)(partial + p->groups * p->weights) +
                           (size_t)me * thread_numbers(p);

        for (size_t i = r.begin; i < r.end; i++)
            run_group(p, a, i, memory, partial + i * p->weights);
        rn_conv_bias_gradient(&p->config, a, me, team);
#pragma omp barrier
        join_groups(p, a, partial, me, team);
    }
    return RN_OK;
}

/* Groups count as alike: they differ by an image. */
static void shares(const void *plan, struct rn_shares *s)
{
    const struct rows *p = plan;
    double pixels =
        (double)p->config.n * (double)rn_shape_pixels(p->config.out);

    rn_shares_even(s, p->groups,
                   pixels / (double)p->groups * (double)p->weights);
    rn_conv_bias_gradient_shares(&p->config, s);
    rn_shares_barrier(s);
    rn_shares_even(s, p->weights,
                   (double)(p->groups * sizeof(float)) * RN_COST_OF_BYTE);
    rn_shares_barrier(s);
}

static int make(void *plan, const struct rn_conv_config *c, bool dry,
                struct rn_conv_needs *needs, struct rn_error *err)
{
    struct rows *p = plan;

    (void)dry;
    (void)err;
    make_plan(p, c);
    needs->scratch_bytes =
        p->groups * p->weights * sizeof(float) +
        (size_t)c->threads * thread_numbers(p) * sizeof(uint16_t);
    rn_conv_describe(needs, "direct bf16, rows");
    return RN_OK;
}

const struct rn_conv_algorithm rn_conv_weight_gradient_rows = {
    .input = RN_BF16,
    .weights = RN_F32,
    .output = RN_BF16,
    .applies = applies,
    .plan_bytes = sizeof(struct rows),
    .make = make,
    .run = run,
    .shares = shares,
};
