/* SPDX-License-Identifier: BSD-2-Clause */
/* A first convolution of plain images, of any window: what oneDNN has only
 * reference code for, such as padding as wide as the window. The numbers that a
 * window sees, tap by tap and each of all channels, are gathered into blocks,
 * as if they were channels of one pixel, and multiplied by the weights in the
 * same order. */
#include "ops/conv/algorithm.h"

#include "ops/conv/product_kernels.h"
#include "ops/elementwise.h"
#include "ops/window.h"

#include <omp.h>
#include <string.h>

struct plain {
    struct rn_conv_config config;
    const struct rn_product_kernels *kernels;
    size_t block, out_blocks;
    size_t entries; /* of a window: taps by channels */
    size_t steps;   /* blocks of them */
    size_t strip;   /* pixels at most */
    size_t strips;  /* of an image */
};

static void make_plan(struct plain *p, const struct rn_conv_config *c)
{
    p->config = *c;
    p->kernels = rn_product_kernels_get(RN_F32);
    p->block = (size_t)rn_block();
    p->out_blocks = rn_channels_padded(c->out.c) / p->block;
    p->entries = rn_window_taps(&c->window) * (size_t)c->in.c;
    p->steps = rn_divide_up(p->entries, p->block);
    p->strip = (size_t)p->kernels->strip;
    p->strips = rn_divide_up(rn_shape_pixels(c->out), p->strip);
}

/* Floats of a strip's rows: [step][pixel][B]. */
static size_t row_floats(const struct plain *p)
{
    return p->steps * p->strip * p->block;
}

/* What the window of output pixel `at` sees of an image, one pixel of rows. */
static void gather_pixel(const struct plain *p, const float *image, size_t at,
                         float *row)
{
    const struct rn_conv_config *c = &p->config;
    const struct rn_window *w = &c->window;
    int top = (int)(at / (size_t)c->out.w) * w->stride - rn_window_top(w);
    int left = (int)(at % (size_t)c->out.w) * rn_window_stride_w(w) -
               rn_window_left(w);
    size_t pixels = rn_shape_pixels(c->in), e = 0;

    for (int tap = 0; tap < w->kh * w->kw; tap++) {
        int y = top + tap / w->kw * (w->dilate_h + 1);
        int x = left + tap % w->kw * (w->dilate_w + 1);
        bool inside = y >= 0 && y < c->in.h && x >= 0 && x < c->in.w;
        size_t from = inside ? (size_t)y * (size_t)c->in.w + (size_t)x : 0;

        for (int k = 0; k < c->in.c; k++, e++)
            row[e / p->block * p->strip * p->block + e % p->block] =
                inside ? image[(size_t)k * pixels + from] : 0;
    }
    for (; e < p->steps * p->block; e++)
        row[e / p->block * p->strip * p->block + e % p->block] = 0;
}

static void run_strip(const struct plain *p, const struct rn_conv_args *args,
                      size_t image, struct rn_range pixels, float *rows)
{
    const struct rn_conv_config *c = &p->config;
    size_t b = p->block, plane = rn_shape_pixels(c->out) * b;
    size_t row = p->steps * b * b;

    for (size_t i = pixels.begin; i < pixels.end; i++)
        gather_pixel(p, (const float *)args->src + image * rn_shape_size(c->in),
                     i, rows + (i - pixels.begin) * b);
    for (size_t out = 0; out < p->out_blocks; out += 2) {
        struct rn_product_strip s = {
            .x = rows,
            .x_block = p->strip * b,
            .blocks = p->steps,
            .w = (const float *)args->weights + out * row,
            .w_block = row,
            .y = (float *)args->dst + (image * p->out_blocks + out) * plane +
                 pixels.begin * b,
            .y_block = plane,
            .bias = c->bias ? args->bias + out * b : NULL,
            .add = c->sum,
            .relu = c->relu,
            .later = rows,
        };

        p->kernels->multiply((int)(pixels.end - pixels.begin),
                             out + 1 < p->out_blocks ? 2 : 1, &s);
    }
}

static int run(void *plan, const struct rn_conv_args *args,
               struct rn_error *err)
{
    const struct plain *p = plan;

    (void)err;
#pragma omp parallel num_threads(p->config.threads)
    {
        float *rows = (float *)args->scratch +
                      (size_t)omp_get_thread_num() * row_floats(p);

        for (struct rn_range r = rn_share_mine((size_t)p->config.n * p->strips);
             r.begin < r.end; r.begin++)
            run_strip(p, args, r.begin / p->strips,
                      rn_range_of(rn_shape_pixels(p->config.out),
                                  (int)(r.begin % p->strips), (int)p->strips),
                      rows);
    }
    return RN_OK;
}

/* The store's [O / B][kh][kw][i][B], or in inference plain weights ->
 * [O / B][step][B in][B out]. */
static int pack(void *plan, const float *from, void *packed,
                struct rn_error *err)
{
    const struct plain *p = plan;
    const struct rn_conv_config *c = &p->config;
    size_t taps = rn_window_taps(&c->window), b = p->block;
    size_t ins = (size_t)c->in.c;
    float *to = packed;

    (void)err;
    memset(to, 0, p->out_blocks * p->steps * b * b * sizeof(*to));
    for (size_t o = 0; o < (size_t)c->out.c; o++)
        for (size_t e = 0; e < p->entries; e++)
            to[(o / b * p->steps * b + e) * b + o % b] =
                c->train ? from[(o / b * p->entries + e) * b + o % b]
                         : from[(o * ins + e % ins) * taps + e / ins];
    return RN_OK;
}

static void shares(const void *plan, struct rn_shares *s)
{
    const struct plain *p = plan;
    size_t strips = (size_t)p->config.n * p->strips;
    double pixels = (double)rn_shape_pixels(p->config.out) / (double)p->strips;
    double depth = (double)(p->steps * p->block);

    if (p->config.train)
        rn_shares_alone(s, (double)p->out_blocks * depth * (double)p->block *
                               sizeof(float) * RN_COST_OF_BYTE);
    rn_shares_even(s, strips,
                   pixels * depth *
                       (2 * (double)(p->out_blocks * p->block) +
                        sizeof(float) * RN_COST_OF_BYTE));
    rn_shares_barrier(s);
}

static bool applies(const struct rn_conv_config *c)
{
    return c->pass == RN_CONV_FORWARD && c->plain_input;
}

static int make(void *plan, const struct rn_conv_config *c, bool dry,
                struct rn_conv_needs *needs, struct rn_error *err)
{
    struct plain *p = plan;

    (void)dry;
    (void)err;
    make_plan(p, c);
    needs->scratch_bytes = (size_t)c->threads * row_floats(p) * sizeof(float);
    needs->packed_bytes =
        p->out_blocks * p->steps * p->block * p->block * sizeof(float);
    needs->pack = true;
    rn_conv_describe(needs, "plain product");
    return RN_OK;
}

const struct rn_conv_algorithm rn_conv_plain = {
    .input = RN_F32,
    .weights = RN_F32,
    .output = RN_F32,
    .any_window = true,
    .trains_relu = true,
    .applies = applies,
    .plan_bytes = sizeof(struct plain),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};
