/* SPDX-License-Identifier: BSD-2-Clause */
/* First convolutions in bfloat16, forward: three channels, of plain images or,
 * where something is before (dropout), of a value with a block of them, become
 * rows of interleaved pixels, with zeros around them. There a row of a window
 * is one run of numbers, which products take in pairs without gathering. A sum
 * goes row after row through the window, whatever the blocks and threads. */
#include "ops/conv/algorithm.h"

#include "ops/conv/row.h"
#include "ops/elementwise.h"
#include "ops/kernels.h"
#include "ops/window.h"

#include <omp.h>
#include <string.h>

enum { CHANNELS = 3 };

/* Rows of outputs that a thread makes of one piece of an image: what it has
 * interleaved for them stays in its second-level cache. */
#define ROWS_MOST 16

struct first {
    struct rn_conv_config config;
    const struct rn_product_kernels *kernels;
    size_t block, out_blocks, pairs; /* of numbers in a window's row */
    size_t width;                    /* numbers of an interleaved row */
    size_t rows, pieces;             /* of outputs in a piece; of an image */
    size_t strips;                   /* of a row of outputs */
};

/* --------------------------------------------------------------- planning */

static bool is_first(const struct rn_conv_config *c)
{
    return c->pass == RN_CONV_FORWARD && c->in.c == CHANNELS &&
           c->window.kw > c->window.pad;
}

static bool applies(const struct rn_conv_config *c)
{
    return is_first(c) && c->plain_input;
}

static bool applies_to_values(const struct rn_conv_config *c)
{
    return is_first(c) && !c->plain_input;
}

static void make_plan(struct first *p, const struct rn_conv_config *c)
{
    size_t threads = (size_t)c->threads, rows = (size_t)c->out.h;

    p->config = *c;
    p->kernels = rn_product_kernels_get(RN_BF16);
    p->block = (size_t)rn_block();
    p->out_blocks = rn_channels_padded(c->out.c) / p->block;
    p->pairs = rn_divide_up((size_t)c->window.kw * CHANNELS, 2);
    /* A pair that is half a row's reads a number more. */
    p->width =
        (size_t)((c->out.w - 1) * c->window.stride + c->window.kw) * CHANNELS +
        1;
    p->pieces = threads * rn_divide_up(rows, threads * ROWS_MOST);
    p->rows = rn_divide_up(rows, p->pieces);
    p->pieces = rn_divide_up(rows, p->rows);
    p->strips = rn_divide_up((size_t)c->out.w, (size_t)p->kernels->strip);
}

/* Numbers of a thread's interleaved rows; behind them one row of a channel as
 * it is rounded. */
static size_t rows_numbers(const struct first *p)
{
    const struct rn_window *w = &p->config.window;

    return ((p->rows - 1) * (size_t)w->stride + (size_t)w->kh) * p->width;
}

static size_t thread_bytes(const struct first *p)
{
    size_t numbers = rows_numbers(p) + (size_t)p->config.in.w;

    return rn_divide_up(numbers * sizeof(uint16_t), 64) * 64;
}

static size_t weights_count(const struct first *p)
{
    return p->out_blocks * (size_t)p->config.window.kh * p->pairs * p->block *
           2;
}

/* -------------------------------------------------------------- execution */

/* `used` pixels of a row of a plain image, whose channels are rounded one by
 * one. */
static void interleave_images(const struct first *p, const float *row,
                              size_t used, uint16_t *to, uint16_t *channel)
{
    const struct rn_kernels *k = rn_kernels_get(RN_BF16);
    size_t plane = rn_shape_pixels(p->config.in);

    for (size_t i = 0; i < CHANNELS; i++) {
        k->narrow(row + i * plane, channel, used);
        for (size_t x = 0; x < used; x++)
            to[x * CHANNELS + i] = channel[x];
    }
}

static void interleave_values(const struct first *p, const uint16_t *row,
                              size_t used, uint16_t *to)
{
    for (size_t x = 0; x < used; x++)
        for (size_t i = 0; i < CHANNELS; i++)
            to[x * CHANNELS + i] = row[x * p->block + i];
}

/* One row of an image between its zeros. */
static void interleave_row(const struct first *p, const void *src, size_t image,
                           int y, uint16_t *to, uint16_t *channel)
{
    const struct rn_conv_config *c = &p->config;
    size_t w = (size_t)c->in.w, pixels = rn_shape_pixels(c->in);
    size_t room = p->width / CHANNELS - (size_t)c->window.pad;
    size_t used = w < room ? w : room, row = (size_t)y * w;

    memset(to, 0, p->width * sizeof(*to));
    if (y < 0 || y >= c->in.h)
        return;
    to += (size_t)c->window.pad * CHANNELS;
    if (c->plain_input)
        interleave_images(p,
                          (const float *)src + image * CHANNELS * pixels + row,
                          used, to, channel);
    else
        interleave_values(
            p, (const uint16_t *)src + (image * pixels + row) * p->block, used,
            to);
}

/* One row of outputs, its input rows from `x` on. */
static void multiply_row(const struct first *p, const struct rn_conv_args *args,
                         const uint16_t *x, size_t image, size_t row)
{
    const struct rn_conv_config *c = &p->config;
    size_t b = p->block, plane = rn_shape_pixels(c->out) * b;
    const struct rn_conv_row r = {
        .strip = {.x_row = p->width,
                  .x_pixel = (size_t)c->window.stride * CHANNELS,
                  .rows = (size_t)c->window.kh,
                  .pairs = p->pairs,
                  .w_block = (size_t)c->window.kh * p->pairs * b * 2,
                  .y_block = plane,
                  .add = c->sum,
                  .relu = c->relu},
        .x = x,
        .weights = args->weights,
        .bias = c->bias ? args->bias : NULL,
        .y = (uint16_t *)args->dst + image * p->out_blocks * plane +
             row * (size_t)c->out.w * b,
        .pixels = (size_t)c->out.w,
        .strips = p->strips,
        .block = b,
        .out_blocks = p->out_blocks,
    };

    rn_conv_row_multiply(p->kernels, &r);
}

static void run_piece(const struct first *p, const struct rn_conv_args *args,
                      size_t piece, uint16_t *rows)
{
    const struct rn_conv_config *c = &p->config;
    const struct rn_window *w = &c->window;
    size_t image = piece / p->pieces, first = piece % p->pieces * p->rows;
    size_t left = (size_t)c->out.h - first;
    size_t count = left < p->rows ? left : p->rows;
    size_t inputs = (count - 1) * (size_t)w->stride + (size_t)w->kh;

    for (size_t i = 0; i < inputs; i++)
        interleave_row(p, args->src, image,
                       (int)first * w->stride - w->pad + (int)i,
                       rows + i * p->width, rows + rows_numbers(p));
    for (size_t i = 0; i < count; i++)
        multiply_row(p, args, rows + i * (size_t)w->stride * p->width, image,
                     first + i);
}

static size_t pieces_of(const struct first *p)
{
    return (size_t)p->config.n * p->pieces;
}

static int run(void *plan, const struct rn_conv_args *args,
               struct rn_error *err)
{
    const struct first *p = plan;

    (void)err;
#pragma omp parallel num_threads(p->config.threads)
    {
        size_t me = (size_t)omp_get_thread_num();
        char *rows = (char *)args->scratch + me * thread_bytes(p);
        struct rn_range r = rn_share_mine(pieces_of(p));

        for (size_t i = r.begin; i < r.end; i++)
            run_piece(p, args, i, (uint16_t *)rows);
    }
    return RN_OK;
}

/* In training one thread packs the weights before. */
static void shares(const void *plan, struct rn_shares *s)
{
    const struct first *p = plan;
    const struct rn_conv_config *c = &p->config;
    double products = (double)(p->rows * (size_t)c->out.w * weights_count(p));
    double made = (double)rows_numbers(p) * sizeof(uint16_t);

    if (c->train)
        rn_shares_alone(s, (double)(weights_count(p) * sizeof(uint16_t)) *
                               RN_COST_OF_BYTE);
    rn_shares_even(s, pieces_of(p), products + made * RN_COST_OF_BYTE);
    rn_shares_barrier(s);
}

/* The weight of output channel `o`, row `y` and number `i` of a window: in the
 * store's layout or in OIHW. */
static size_t place_of(const struct first *p, size_t o, size_t y, size_t i)
{
    const struct rn_conv_config *c = &p->config;
    size_t kh = (size_t)c->window.kh, kw = (size_t)c->window.kw;
    size_t channels = c->plain_input ? CHANNELS : p->block; /* in the store */

    if (c->train)
        return (((o / p->block * kh + y) * kw + i / CHANNELS) * channels +
                i % CHANNELS) *
                   p->block +
               o % p->block;
    return ((o * CHANNELS + i % CHANNELS) * kh + y) * kw + i / CHANNELS;
}

/* [oc / B][kh][pairs][B oc][2], zeros where a row's last pair is half. */
static int pack(void *plan, const float *weights, void *packed,
                struct rn_error *err)
{
    const struct first *p = plan;
    const struct rn_conv_config *c = &p->config;
    size_t kh = (size_t)c->window.kh, kw = (size_t)c->window.kw;
    uint16_t *to = packed;

    (void)err;
    memset(to, 0, weights_count(p) * sizeof(*to));
    for (size_t o = 0; o < (size_t)c->out.c; o++)
        for (size_t y = 0; y < kh; y++)
            for (size_t i = 0; i < kw * CHANNELS; i++) {
                size_t at =
                    ((o / p->block * kh + y) * p->pairs + i / 2) * p->block +
                    o % p->block;

                to[2 * at + i % 2] = rn_bf16_of(weights[place_of(p, o, y, i)]);
            }
    return RN_OK;
}

static int make(void *plan, const struct rn_conv_config *c, bool dry,
                struct rn_conv_needs *needs, struct rn_error *err)
{
    struct first *p = plan;

    (void)dry;
    (void)err;
    make_plan(p, c);
    needs->scratch_bytes = (size_t)c->threads * thread_bytes(p);
    needs->packed_bytes = weights_count(p) * sizeof(uint16_t);
    needs->pack = true;
    rn_conv_describe(needs, c->plain_input ? "product bf16 of images"
                                           : "product bf16 of 3 channels");
    return RN_OK;
}

const struct rn_conv_algorithm rn_conv_first_bf16 = {
    .input = RN_F32,
    .weights = RN_F32,
    .output = RN_BF16,
    .applies = applies,
    .plan_bytes = sizeof(struct first),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};

const struct rn_conv_algorithm rn_conv_first_bf16_values = {
    .input = RN_BF16,
    .weights = RN_F32,
    .output = RN_BF16,
    .applies = applies_to_values,
    .plan_bytes = sizeof(struct first),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};
