/* SPDX-License-Identifier: BSD-2-Clause */
/* Fully connected layers, whose window is the whole input: products in which
 * images stand where pixels do elsewhere, forward and for the data gradient.
 * With few images their time is that of the weights' way from memory, so that
 * each thread reads its outputs' once, and all images meet them. A sum is taken
 * by one thread in an order fixed by the shapes: the same bits of an image in
 * any batch and on any number of threads. */
#include "ops/conv/algorithm.h"

#include "core/isa.h"
#include "ops/conv/product_kernels.h"
#include "ops/window.h"

#include <omp.h>
#include <string.h>

/* Blocks of values summed at once: of two blocks of outputs their weights, 48
 * KiB with AVX-512, just about stay in the first-level cache. */
#define DEPTH 24

struct fc {
    struct rn_conv_config config;
    const struct rn_product_kernels *kernels;
    size_t block, images;
    size_t from, to;   /* blocks of what is summed, and made; of the layer's
                          inputs each pixel has its own */
    size_t pairs;      /* of blocks made; the last may be one alone */
    size_t strip;      /* images at once, as many in each but the last */
    size_t own_floats; /* of a thread: what it makes, and turned weights */
};

static bool is_whole(const struct rn_conv_config *c)
{
    const struct rn_window *w = &c->window;

    return c->out.h == 1 && c->out.w == 1 && w->kh == c->in.h &&
           w->kw == c->in.w && w->pad == 0 && !c->plain_input && rn_isa()->fma;
}

static bool applies(const struct rn_conv_config *c)
{
    return c->pass == RN_CONV_FORWARD && is_whole(c) && !c->sum;
}

static bool applies_back(const struct rn_conv_config *c)
{
    return c->pass == RN_CONV_BACKWARD_DATA && is_whole(c);
}

static bool is_back(const struct fc *p)
{
    return p->config.pass == RN_CONV_BACKWARD_DATA;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int make(void *plan, const struct rn_conv_config *c, bool dry,
                struct rn_conv_needs *needs, struct rn_error *err)
{
    struct fc *p = plan;
    size_t ins, outs, strips;

    (void)dry;
    (void)err;
    p->config = *c;
    p->kernels = rn_product_kernels_get(RN_F32);
    p->block = (size_t)rn_block();
    p->images = (size_t)c->n;
    ins = rn_channels_padded(c->in.c) / p->block * rn_window_taps(&c->window);
    outs = rn_channels_padded(c->out.c) / p->block;
    p->from = is_back(p) ? outs : ins;
    p->to = is_back(p) ? ins : outs;
    p->pairs = rn_divide_up(p->to, 2);
    strips = rn_divide_up(p->images, (size_t)p->kernels->strip);
    p->strip = rn_divide_up(p->images, strips);
    p->own_floats = 2 * p->images * p->block +
                    (is_back(p) ? 2 * DEPTH * p->block * p->block : 0);
    needs->scratch_bytes =
        (p->from * p->images * p->block + (size_t)c->threads * p->own_floats) *
        sizeof(float);
    needs->packed_bytes =
        rn_conv_weights_count(c->out.c, c->in.c, c->window, false) *
        sizeof(float);
    needs->pack = !c->train;
    rn_conv_describe(needs, "fc");
    return RN_OK;
}

/* Weights lie as the store has them, in training and inference. */
static int pack(void *plan, const float *from, void *packed,
                struct rn_error *err)
{
    const struct rn_conv_config *c = &((const struct fc *)plan)->config;

    (void)err;
    rn_conv_weights_pack(from, packed, c->out.c, c->in.c, c->window, false,
                         c->threads);
    return RN_OK;
}

/* rows[block][image][B] of the blocks that this thread copies. */
static void turn_images(const struct fc *p, const float *from, float *rows)
{
    size_t b = p->block;

    for (struct rn_range r = rn_share_mine(p->from); r.begin < r.end; r.begin++)
        for (size_t i = 0; i < p->images; i++)
            memcpy(rows + (r.begin * p->images + i) * b,
                   from + (i * p->from + r.begin) * b, b * sizeof(*rows));
}

/* The weights of one or two blocks of what is made for blocks [step, step +
 * count) of the sum; *apart is how far the second's are off. Those of the data
 * gradient are turned round. */
static const float *weights_of(const struct fc *p, const float *weights,
                               size_t pair, size_t step, size_t count,
                               float *turned, size_t *apart)
{
    size_t square = p->block * p->block, first = 2 * pair;
    size_t made = least(p->to - first, 2);

    if (!is_back(p)) {
        *apart = p->from * square;
        return weights + (first * p->from + step) * square;
    }
    *apart = count * square;
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < made; i++)
            p->kernels->turn(weights +
                                 ((step + k) * p->to + first + i) * square,
                             turned + (i * count + k) * square);
    return turned;
}

/* A pair of blocks of all images: made[2][image][B]. */
static void make_pair(const struct fc *p, const struct rn_conv_args *args,
                      const float *rows, size_t pair, float *made)
{
    const struct rn_conv_config *c = &p->config;
    size_t b = p->block, apart, count;
    int outs = (int)least(p->to - 2 * pair, 2);
    float *turned = made + 2 * p->images * b;

    for (size_t step = 0; step < p->from; step += count) {
        const float *w;

        count = least(p->from - step, DEPTH);
        w = weights_of(p, args->weights, pair, step, count, turned, &apart);
        for (size_t i = 0; i < p->images; i += p->strip) {
            struct rn_product_strip s = {
                .x = rows + (step * p->images + i) * b,
                .x_block = p->images * b,
                .blocks = count,
                .w = w,
                .w_block = apart,
                .y = made + i * b,
                .y_block = p->images * b,
                .bias = step == 0 && c->bias ? args->bias + 2 * pair * b : NULL,
                .add = step > 0,
                .relu = c->relu && step + count == p->from,
            };

            s.later = s.x;
            p->kernels->multiply((int)least(p->images - i, p->strip), outs, &s);
        }
    }
}

/* To where each image has them. */
static void put_pair(const struct fc *p, size_t pair, const float *made,
                     float *to)
{
    size_t b = p->block, outs = least(p->to - 2 * pair, 2);

    for (size_t i = 0; i < p->images; i++)
        for (size_t k = 0; k < outs; k++)
            memcpy(to + (i * p->to + 2 * pair + k) * b,
                   made + (k * p->images + i) * b, b * sizeof(*to));
}

static int run(void *plan, const struct rn_conv_args *args,
               struct rn_error *err)
{
    const struct fc *p = plan;
    float *rows = args->scratch;

    (void)err;
#pragma omp parallel num_threads(p->config.threads)
    {
        float *made = rows + p->from * p->images * p->block +
                      (size_t)omp_get_thread_num() * p->own_floats;

        turn_images(p, is_back(p) ? args->diff_dst : args->src, rows);
#pragma omp barrier
        for (struct rn_range r = rn_share_mine(p->pairs); r.begin < r.end;
             r.begin++) {
            make_pair(p, args, rows, r.begin, made);
            put_pair(p, r.begin, made, is_back(p) ? args->diff_src : args->dst);
        }
    }
    return RN_OK;
}

static void shares(const void *plan, struct rn_shares *s)
{
    const struct fc *p = plan;
    double block = (double)p->block, row = (double)p->images * block;

    rn_shares_even(s, p->from, row * sizeof(float) * RN_COST_OF_BYTE);
    rn_shares_barrier(s);
    rn_shares_even(s, p->pairs, 2 * (double)p->from * block * row);
    rn_shares_barrier(s);
}

const struct rn_conv_algorithm rn_conv_fc = {
    .input = RN_F32,
    .weights = RN_F32,
    .output = RN_F32,
    .trains_relu = true,
    .applies = applies,
    .plan_bytes = sizeof(struct fc),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};

const struct rn_conv_algorithm rn_conv_fc_back = {
    .input = RN_F32,
    .weights = RN_F32,
    .output = RN_F32,
    .applies = applies_back,
    .plan_bytes = sizeof(struct fc),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};
