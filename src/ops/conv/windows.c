/* SPDX-License-Identifier: BSD-2-Clause */
/* Training's convolutions in bfloat16 of one block of channels, as CIFAR's
 * first stage has: forward, and at stride 1 the data gradient. Some rows of an
 * image are copied between zeros, where a row of a window is one run of
 * numbers, which products take in pairs without gathering tap after tap. */
#include "ops/conv/algorithm.h"

#include "ops/conv/pair_kernels.h"
#include "ops/conv/row.h"
#include "ops/elementwise.h"
#include "ops/window.h"

#include <omp.h>
#include <string.h>

/* Rows of outputs that a thread makes of one piece of an image: what it has
 * copied for them stays in its second-level cache. */
#define ROWS_MOST 32

struct windows {
    struct rn_conv_config config;
    const struct rn_product_kernels *kernels;
    struct rn_shape from, to; /* of what is read and what is made */
    size_t block, out_blocks;
    int top, left; /* output 0's window starts so far before it */
    int stride;
    size_t width;        /* pixels of a copied row */
    size_t rows, pieces; /* of outputs in a piece; of an image */
    size_t strips;       /* of a row of outputs */
};

static bool is_data(const struct rn_conv_config *c)
{
    return c->pass == RN_CONV_BACKWARD_DATA;
}

/* With one tap there is nothing to gather. */
static bool applies(const struct rn_conv_config *c)
{
    const struct rn_window *w = &c->window;
    int channels = is_data(c) ? c->out.c : c->in.c;

    return c->train && c->pass != RN_CONV_BACKWARD_WEIGHTS && !c->plain_input &&
           channels <= rn_block() && rn_window_taps(w) > 1 && w->pad < w->kh &&
           w->pad < w->kw && (!is_data(c) || w->stride == 1);
}

static void make_plan(struct windows *p, const struct rn_conv_config *c)
{
    size_t threads = (size_t)c->threads, rows;

    p->config = *c;
    p->kernels = rn_product_kernels_get(RN_BF16);
    p->block = (size_t)rn_block();
    p->from = is_data(c) ? c->out : c->in;
    p->to = is_data(c) ? c->in : c->out;
    p->out_blocks = rn_channels_padded(p->to.c) / p->block;
    p->top = is_data(c) ? c->window.kh - 1 - c->window.pad : c->window.pad;
    p->left = is_data(c) ? c->window.kw - 1 - c->window.pad : c->window.pad;
    p->stride = c->window.stride;
    p->width = (size_t)((p->to.w - 1) * p->stride + c->window.kw);
    rows = (size_t)p->to.h;
    p->pieces = threads > (size_t)c->n ? threads : 1;
    p->pieces *= rn_divide_up(rows, p->pieces * ROWS_MOST);
    p->rows = rn_divide_up(rows, p->pieces);
    p->pieces = rn_divide_up(rows, p->rows);
    p->strips = rn_divide_up((size_t)p->to.w, (size_t)p->kernels->strip);
}

static size_t copied_rows(const struct windows *p)
{
    return (p->rows - 1) * (size_t)p->stride + (size_t)p->config.window.kh;
}

static size_t thread_numbers(const struct windows *p)
{
    return copied_rows(p) * p->width * p->block;
}

/* Row `y` of a plane between its zeros. */
static void copy_row(const struct windows *p, const uint16_t *plane, int y,
                     uint16_t *to)
{
    size_t b = p->block, w = (size_t)p->from.w;
    size_t before = (size_t)p->left;
    size_t room = p->width - before, used = w < room ? w : room;

    if (y < 0 || y >= p->from.h) {
        memset(to, 0, p->width * b * sizeof(*to));
        return;
    }
    memset(to, 0, before * b * sizeof(*to));
    memcpy(to + before * b, plane + (size_t)y * w * b, used * b * sizeof(*to));
    memset(to + (before + used) * b, 0,
           (p->width - before - used) * b * sizeof(*to));
}

/* One row of outputs, what its windows see from `x` on. */
static void multiply_row(const struct windows *p,
                         const struct rn_conv_args *args, const uint16_t *x,
                         size_t image, size_t row)
{
    const struct rn_window *w = &p->config.window;
    size_t b = p->block, plane = rn_shape_pixels(p->to) * b;
    uint16_t *y = is_data(&p->config) ? args->diff_src : args->dst;
    const struct rn_conv_row r = {
        .strip = {.x_row = p->width * b,
                  .x_pixel = (size_t)p->stride * b,
                  .rows = (size_t)w->kh,
                  .pairs = (size_t)w->kw * b / 2,
                  .w_block = rn_window_taps(w) * b * b,
                  .y_block = plane},
        .x = x,
        .weights = args->weights,
        .bias = p->config.bias ? args->bias : NULL,
        .y = y + image * p->out_blocks * plane + row * (size_t)p->to.w * b,
        .pixels = (size_t)p->to.w,
        .strips = p->strips,
        .block = b,
        .out_blocks = p->out_blocks,
    };

    rn_conv_row_multiply(p->kernels, &r);
}

static void run_piece(const struct windows *p, const struct rn_conv_args *args,
                      size_t piece, uint16_t *rows)
{
    size_t image = piece / p->pieces, first = piece % p->pieces * p->rows;
    size_t left = (size_t)p->to.h - first, row = p->width * p->block;
    size_t count = left < p->rows ? left : p->rows;
    size_t inputs =
        (count - 1) * (size_t)p->stride + (size_t)p->config.window.kh;
    const uint16_t *plane = is_data(&p->config) ? args->diff_dst : args->src;

    plane += image * rn_shape_pixels(p->from) * p->block;
    for (size_t i = 0; i < inputs; i++)
        copy_row(p, plane, (int)first * p->stride - p->top + (int)i,
                 rows + i * row);
    for (size_t i = 0; i < count; i++)
        multiply_row(p, args, rows + i * (size_t)p->stride * row, image,
                     first + i);
}

static size_t pieces_of(const struct windows *p)
{
    return (size_t)p->config.n * p->pieces;
}

static int run(void *plan, const struct rn_conv_args *args,
               struct rn_error *err)
{
    const struct windows *p = plan;

    (void)err;
#pragma omp parallel num_threads(p->config.threads)
    {
        size_t me = (size_t)omp_get_thread_num();
        uint16_t *rows = (uint16_t *)args->scratch + me * thread_numbers(p);
        struct rn_range r = rn_share_mine(pieces_of(p));

        for (size_t i = r.begin; i < r.end; i++)
            run_piece(p, args, i, rows);
    }
    return RN_OK;
}

/* [oc / B][kh][kw][B ic / 2][B oc][2], or turned round for the data gradient:
 * [ic / B][kh][kw][B oc / 2][B ic][2]. */
static int pack(void *plan, const float *store, void *packed,
                struct rn_error *err)
{
    const struct windows *p = plan;
    const struct rn_conv_config *c = &p->config;
    size_t taps = rn_window_taps(&c->window), square = p->block * p->block;

    (void)err;
    if (!is_data(c)) {
        rn_conv_weights_store_to_pairs(store, packed, c->out.c, c->in.c,
                                       c->window, c->threads);
        return RN_OK;
    }
    for (size_t i = 0; i < p->out_blocks * taps; i++) {
        size_t from = i / taps * taps + taps - 1 - i % taps;

        rn_pair_kernels_get()->pack_turned(store + from * square,
                                           (uint16_t *)packed + i * square);
    }
    return RN_OK;
}

/* Packed by all threads for the outputs, by one for the data gradient. */
static void shares(const void *plan, struct rn_shares *s)
{
    const struct windows *p = plan;
    size_t taps = rn_window_taps(&p->config.window);
    size_t squares = p->out_blocks * taps;
    double square = (double)(p->block * p->block);
    double number = sizeof(uint16_t) * RN_COST_OF_BYTE;
    double pixels = (double)(p->rows * (size_t)p->to.w);

    if (is_data(&p->config)) {
        rn_shares_alone(s, (double)squares * square * number);
    } else {
        rn_shares_even(s, squares, square * number);
        rn_shares_barrier(s);
    }
    rn_shares_even(s, pieces_of(p),
                   pixels * (double)squares * square +
                       (double)thread_numbers(p) * number);
    rn_shares_barrier(s);
}

static int make(void *plan, const struct rn_conv_config *c, bool dry,
                struct rn_conv_needs *needs, struct rn_error *err)
{
    struct windows *p = plan;

    (void)dry;
    (void)err;
    make_plan(p, c);
    needs->scratch_bytes =
        (size_t)c->threads * thread_numbers(p) * sizeof(uint16_t);
    needs->packed_bytes =
        rn_conv_weights_count(c->out.c, c->in.c, c->window, false) *
        sizeof(uint16_t);
    needs->pack = true;
    rn_conv_describe(needs, "windows bf16");
    return RN_OK;
}

const struct rn_conv_algorithm rn_conv_windows_bf16 = {
    .input = RN_BF16,
    .weights = RN_F32,
    .output = RN_BF16,
    .applies = applies,
    .plan_bytes = sizeof(struct windows),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};
