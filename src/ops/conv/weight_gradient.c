/* SPDX-License-Identifier: BSD-2-Clause */
/* The weight gradient of any convolution, directly. Pixels are cut into parts
 * and parts are joined in an order fixed by the shapes: the same bits on any
 * number of threads, which oneDNN's do not promise. */
#include "ops/conv/algorithm.h"

#include "ops/conv/direct_kernels.h"
#include "ops/conv/groups.h"
#include "ops/elementwise.h"
#include "ops/window.h"

#include <omp.h>
#include <string.h>

/* A chunk's pixels: so many that loading and storing its weights' sums is
 * little beside; twice as many where these come from the third-level cache. */
#define CHUNK_PIXELS 1024
#define SUMS_NEAR    ((size_t)2 << 20)
/* Blocks of inputs of a chunk that stay in the second-level cache while all
 * outputs go by. */
#define NEAR_INPUTS 16
/* Pixels read again while they are in the first-level cache. */
#define NEAR_PIXELS 256
/* Pieces of work there should be, for however many threads. */
#define PIECES 48

struct weight_gradient {
    struct rn_conv_config config;
    const struct rn_direct_kernels *kernels;
    size_t block;
    size_t in_blocks, out_blocks;
    /* Of a group of channels that is run, see ops/conv/groups.h: all of them
     * where there is but one. */
    size_t group_ins, group_outs, group_pairs;
    /* A chunk is what is summed before other weights have their turn: whole
     * images, or rows of one. */
    size_t images, rows;
    size_t chunks, chunk_rows; /* of the batch; of an image */
    size_t inputs; /* per block of outputs: input blocks, or groups of taps */
    size_t near_inputs; /* of them that take their turns together */
    size_t pairs;   /* of blocks of outputs; a group's last may be one alone */
    size_t places;  /* plain input: taps of a group */
    size_t groups;  /* of chunks, each with weights of its own until the end */
    size_t weights; /* floats of all weights */
    /* Plain input: a chunk's pixels with their padding, per thread. */
    size_t padded_h, padded_w;
};

/* --------------------------------------------------------------- planning */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many things of `size` make about `all`; at least one. */
static size_t fitting(size_t all, size_t size)
{
    return size == 0 || size >= all ? 1 : all / size;
}

static void plan_chunks(struct weight_gradient *g)
{
    const struct rn_conv_config *c = &g->config;
    size_t w = (size_t)c->out.w, h = (size_t)c->out.h, n = (size_t)c->n;
    bool near = !c->plain_input && g->weights * sizeof(float) <= SUMS_NEAR;
    size_t pixels = near ? CHUNK_PIXELS : 2 * CHUNK_PIXELS;

    g->near_inputs = near ? smaller(g->inputs, NEAR_INPUTS) : g->inputs;
    g->images = c->plain_input ? 1 : smaller(n, pixels / (w * h));
    g->images = g->images ? g->images : 1;
    g->rows = smaller(h, rn_divide_up(pixels, w));
    /* Chunks of one length. */
    g->rows = rn_divide_up(h, rn_divide_up(h, g->rows));
    g->images = rn_divide_up(n, rn_divide_up(n, g->images));
    g->chunk_rows = rn_divide_up(h, g->rows);
    g->chunks = rn_divide_up(n, g->images) * g->chunk_rows;
}

static void plan_groups(struct weight_gradient *g)
{
    size_t groups = (size_t)rn_groups_run(&g->config);

    g->group_ins = g->in_blocks / groups;
    g->group_outs = g->out_blocks / groups;
    g->group_pairs = rn_divide_up(g->group_outs, 2);
}

static void plan_inputs(struct weight_gradient *g)
{
    const struct rn_conv_config *c = &g->config;
    size_t taps = rn_window_taps(&c->window) * (size_t)c->in.c;

    g->places =
        (size_t)g->kernels->places[c->window.kw == 3][g->out_blocks > 1];
    g->inputs = c->plain_input ? rn_divide_up(taps, g->places) : g->group_ins;
}

static size_t weights_of(const struct rn_conv_config *c)
{
    return rn_is_grouped(c) ? rn_groups_count(c)
                            : rn_conv_weights_count(c->out.c, c->in.c,
                                                    c->window, c->plain_input);
}

static void make_plan(struct weight_gradient *g, const struct rn_conv_config *c)
{
    g->config = *c;
    g->kernels = rn_direct_kernels_get();
    g->block = (size_t)rn_block();
    g->in_blocks = rn_channels_padded(c->in.c) / g->block;
    g->out_blocks = rn_channels_padded(c->out.c) / g->block;
    g->weights = weights_of(c);
    plan_groups(g);
    plan_inputs(g);
    plan_chunks(g);
    g->pairs = g->out_blocks / g->group_outs * g->group_pairs;
    g->groups = smaller(g->chunks, rn_divide_up(PIECES, g->pairs * g->inputs));
    if (!c->plain_input)
        return;
    g->padded_h =
        (g->rows - 1) * (size_t)c->window.stride + (size_t)c->window.kh;
    g->padded_w = ((size_t)c->out.w - 1) * (size_t)c->window.stride +
                  (size_t)c->window.kw;
}

static size_t padded_floats(const struct weight_gradient *g)
{
    return (size_t)g->config.in.c * g->padded_h * g->padded_w;
}

static size_t scratch_floats(const struct weight_gradient *g)
{
    size_t partial = g->groups > 1 ? g->groups * g->weights : 0;

    return partial + (size_t)g->config.threads * padded_floats(g);
}

/* ------------------------------------------------------------------ chunks */

/** Some rows of some images of the output. */
struct part {
    size_t image, images, row, rows;
};

static struct part part_of(const struct weight_gradient *g, size_t chunk)
{
    struct part p = {.image = chunk / g->chunk_rows * g->images,
                     .row = chunk % g->chunk_rows * g->rows};

    p.images = smaller(g->images, (size_t)g->config.n - p.image);
    p.rows = smaller(g->rows, (size_t)g->config.out.h - p.row);
    return p;
}

/** Outputs [begin, end) along one side whose input at a tap is inside. */
struct span {
    int begin, end;
};

static struct span span_of(int tap, int in, int out, int stride, int pad)
{
    int before = pad - tap, last = in - 1 + pad - tap;
    struct span s = {before <= 0 ? 0 : (before + stride - 1) / stride,
                     last < 0 ? 0 : last / stride + 1};

    if (s.end > out)
        s.end = out;
    if (s.begin > s.end)
        s.begin = s.end;
    return s;
}

static struct span within(struct span s, size_t row, size_t rows)
{
    int first = (int)row, end = (int)(row + rows);

    s.begin = s.begin > first ? s.begin : first;
    s.end = s.end < end ? s.end : end;
    if (s.begin > s.end)
        s.begin = s.end;
    return s;
}

/* The part's output gradient; distances, but nothing of x. */
static struct rn_pixels gradient_of(const struct weight_gradient *g,
                                    const struct part *part, size_t out_block,
                                    const float *dy)
{
    size_t w = (size_t)g->config.out.w;
    size_t plane = (size_t)g->config.out.h * w * g->block;

    return (struct rn_pixels){
        .dy = dy + (part->image * g->out_blocks + out_block) * plane +
              part->row * w * g->block,
        .images = part->images,
        .rows = part->rows,
        .columns = w,
        .dy_image = g->out_blocks * plane,
        .dy_row = w * g->block,
        .dy_block = plane,
    };
}

/* The pixels that tap (ky, kx) joins, of one block in and one or two out. */
static struct rn_pixels pixels_of(const struct weight_gradient *g,
                                  const struct part *part, size_t out_block,
                                  size_t in_block, int ky, int kx,
                                  const struct rn_conv_args *a)
{
    const struct rn_conv_config *c = &g->config;
    const struct rn_window *win = &c->window;
    size_t stride = (size_t)win->stride, iw = (size_t)c->in.w, b = g->block;
    size_t plane = (size_t)c->in.h * iw * b;
    int top = rn_window_top(win), left = rn_window_left(win);
    struct span x = span_of(kx, c->in.w, c->out.w, win->stride, left);
    struct span y = within(span_of(ky, c->in.h, c->out.h, win->stride, top),
                           part->row, part->rows);
    struct rn_pixels p = gradient_of(g, part, out_block, a->diff_dst);
    size_t row = (size_t)(y.begin * win->stride + ky - top);
    size_t column = (size_t)(x.begin * win->stride + kx - left);

    p.rows = (size_t)(y.end - y.begin);
    p.columns = (size_t)(x.end - x.begin);
    if (p.rows == 0 || p.columns == 0) {
        p.images = 0; /* only padding: nothing to sum */
        return p;
    }
    p.dy += ((size_t)y.begin - part->row) * p.dy_row + (size_t)x.begin * b;
    p.x = (const float *)a->src +
          (part->image * g->in_blocks + in_block) * plane +
          (row * iw + column) * b;
    p.x_image = g->in_blocks * plane;
    p.x_row = stride * iw * b;
    p.x_column = stride * b;
    if (p.x_column * p.columns == p.x_row && p.columns * b == p.dy_row) {
        p.columns *= p.rows; /* rows that follow one another are one */
        p.rows = 1;
    }
    return p;
}

/* ------------------------------------------------------------------ pieces */

/** A chunk's pixels, an input of those in its way, a pair of blocks of outputs.
 *  What is cold has not been used since the chunk began, or long ago. */
struct piece {
    struct part part;
    size_t in, pair;
    bool x_cold, dy_cold;
};

/* Of a thread that begins with number `begin` of each chunk. */
static struct piece piece_at(const struct weight_gradient *g, size_t chunk,
                             size_t number, size_t begin)
{
    size_t turn = g->near_inputs * g->pairs;
    size_t first = number / turn * g->near_inputs, i = number % turn;
    size_t near = smaller(g->near_inputs, g->inputs - first);

    return (struct piece){
        .part = part_of(g, chunk),
        .in = first + i % near,
        .pair = i / near,
        .x_cold = i / near % g->group_pairs == 0 || number - begin < near,
        .dy_cold = i % near == 0 || number == begin,
    };
}

/* The piece after number `now` of a chunk. */
static struct piece piece_after(const struct weight_gradient *g, size_t chunk,
                                size_t now, const struct rn_range *chunks,
                                const struct rn_range *pieces)
{
    struct piece none = {.x_cold = false};

    if (now + 1 < pieces->end)
        return piece_at(g, chunk, now + 1, pieces->begin);
    if (chunk + 1 < chunks->end)
        return piece_at(g, chunk + 1, pieces->begin, pieces->begin);
    return none;
}

/* The first block of a pair of blocks of outputs, and how many they are. */
static size_t pair_at(const struct weight_gradient *g, size_t pair, int *blocks)
{
    size_t first = 2 * (pair % g->group_pairs);

    *blocks = first + 1 < g->group_outs ? 2 : 1;
    return pair / g->group_pairs * g->group_outs + first;
}

/* The block of x that a piece reads: its group's. */
static size_t input_at(const struct weight_gradient *g, const struct piece *p)
{
    return p->pair / g->group_pairs * g->group_ins + p->in;
}

/* In pieces that stay in the first-level cache, because the kernel reads
 * them twice. */
static void add_pixels(const struct weight_gradient *g,
                       const struct rn_pixels *all, int blocks,
                       struct rn_sums_to to)
{
    size_t columns = smaller(all->columns, NEAR_PIXELS);
    size_t rows = smaller(all->rows, fitting(NEAR_PIXELS, columns));
    size_t images = fitting(NEAR_PIXELS, rows * columns);
    struct rn_pixels p = *all;

    if (all->images == 0)
        g->kernels->channels(all, blocks, &to);
    for (size_t n = 0; n < all->images; n += images)
        for (size_t r = 0; r < all->rows; r += rows)
            for (size_t c = 0; c < all->columns; c += columns) {
                p.x = all->x + n * all->x_image + r * all->x_row +
                      c * all->x_column;
                p.dy = all->dy + n * all->dy_image + r * all->dy_row +
                       c * g->block;
                p.images = smaller(images, all->images - n);
                p.rows = smaller(rows, all->rows - r);
                p.columns = smaller(columns, all->columns - c);
                g->kernels->channels(&p, blocks, &to);
                to.first = false;
            }
}

/* How far the next piece's pixels lie behind this one's; 0 if they are near
 * already. */
static ptrdiff_t x_next(const struct weight_gradient *g,
                        const struct piece *now, const struct piece *next)
{
    const struct rn_conv_config *c = &g->config;
    ptrdiff_t row = (ptrdiff_t)((size_t)c->in.w * g->block), at[2];
    const struct piece *pieces[2] = {now, next};

    for (int i = 0; i < 2; i++) {
        const struct part *p = &pieces[i]->part;
        size_t plane = p->image * g->in_blocks + input_at(g, pieces[i]);

        at[i] = ((ptrdiff_t)plane * c->in.h +
                 (ptrdiff_t)p->row * c->window.stride) *
                row;
    }
    return next->x_cold ? at[1] - at[0] : 0;
}

static ptrdiff_t dy_next(const struct weight_gradient *g,
                         const struct piece *now, const struct piece *next,
                         const float *dy)
{
    int blocks;
    size_t here = pair_at(g, now->pair, &blocks);
    size_t there = pair_at(g, next->pair, &blocks);

    return next->dy_cold ? gradient_of(g, &next->part, there, dy).dy -
                               gradient_of(g, &now->part, here, dy).dy
                         : 0;
}

/* One block of inputs by a pair of blocks of outputs, all taps. */
static void add_channels(const struct weight_gradient *g,
                         const struct piece *piece, const struct piece *next,
                         const struct rn_conv_args *a, bool first, float *dw)
{
    const struct rn_window *w = &g->config.window;
    int blocks;
    size_t b = g->block, taps = rn_window_taps(w),
           out = pair_at(g, piece->pair, &blocks);
    struct rn_sums_to to = {dw +
                                (out * g->group_ins + piece->in) * taps * b * b,
                            g->group_ins * taps * b * b, first};
    ptrdiff_t x_ahead = x_next(g, piece, next);
    ptrdiff_t dy_ahead = dy_next(g, piece, next, a->diff_dst);
    int top = rn_window_top(w), left = rn_window_left(w);

    for (int ky = 0; ky < w->kh; ky++)
        for (int kx = 0; kx < w->kw; kx++, to.dw += b * b) {
            struct rn_pixels p =
                pixels_of(g, &piece->part, out, input_at(g, piece), ky, kx, a);

            /* Every pixel once: those of x lie between strides, those of dy
             * are all there in the window's middle. */
            p.x_next = ky < w->stride && kx < w->stride ? x_ahead : 0;
            p.dy_next = ky == top && kx == left ? dy_ahead : 0;
            add_pixels(g, &p, blocks, to);
        }
}

/* Copy the input pixels that a part's outputs see, zeros around them. */
static void pad_part(const struct weight_gradient *g, const struct part *part,
                     const float *images, float *padded)
{
    const struct rn_conv_config *c = &g->config;
    int w = c->in.w, left = rn_window_left(&c->window);
    int columns = (int)g->padded_w;
    int top = (int)part->row * c->window.stride - rn_window_top(&c->window);
    int right = columns - left < w ? columns - left : w;

    memset(padded, 0, padded_floats(g) * sizeof(*padded));
    for (int i = 0; i < c->in.c; i++)
        for (int y = 0; y < (int)g->padded_h; y++) {
            size_t row = (size_t)i * g->padded_h + (size_t)y;

            if (top + y < 0 || top + y >= c->in.h || right <= 0)
                continue;
            memcpy(padded + row * g->padded_w + left,
                   images +
                       (((size_t)part->image * (size_t)c->in.c + (size_t)i) *
                            (size_t)c->in.h +
                        (size_t)(top + y)) *
                           (size_t)w,
                   (size_t)right * sizeof(*padded));
        }
}

/* A group of the taps of plain images, neighbours of a row together. */
static struct rn_inputs taps_of(const struct weight_gradient *g, size_t group)
{
    const struct rn_conv_config *c = &g->config;
    size_t kh = (size_t)c->window.kh, kw = (size_t)c->window.kw;
    size_t ic = (size_t)c->in.c, all = kh * kw * ic, first = group * g->places;
    struct rn_inputs in = {.count = (int)smaller(g->places, all - first),
                           .threes = kw == 3};

    for (size_t i = 0; i < (size_t)in.count; i++) {
        size_t t = first + i;
        size_t channel = t / kw / kh, ky = t / kw % kh, kx = t % kw;

        in.at[i] = (channel * g->padded_h + ky) * g->padded_w + kx;
        in.to[i] = (ky * kw + kx) * ic + channel;
    }
    return in;
}

/* One group of taps of plain images by a pair of blocks of outputs. */
static void add_taps(const struct weight_gradient *g, const struct piece *piece,
                     const struct rn_conv_args *a, const float *padded,
                     bool first, float *dw)
{
    const struct rn_conv_config *c = &g->config;
    size_t all = rn_window_taps(&c->window) * (size_t)c->in.c;
    int blocks;
    size_t out = pair_at(g, piece->pair, &blocks);
    struct rn_sums_to to = {dw + out * all * g->block, all * g->block, first};
    struct rn_inputs in = taps_of(g, piece->in);
    struct rn_pixels p = gradient_of(g, &piece->part, out, a->diff_dst);

    p.x = padded;
    p.x_row = (size_t)c->window.stride * g->padded_w;
    p.x_column = (size_t)c->window.stride;
    g->kernels->anywhere(&p, &in, blocks, &to);
}

/* Pieces [begin, end) of one group of chunks. */
static void run_group(const struct weight_gradient *g, size_t group,
                      struct rn_range pieces, const struct rn_conv_args *a,
                      float *padded, float *dw)
{
    struct rn_range chunks = rn_range_of(g->chunks, (int)group, (int)g->groups);

    for (size_t i = chunks.begin; i < chunks.end; i++) {
        struct part part = part_of(g, i);
        bool first = i == chunks.begin;

        if (g->config.plain_input)
            pad_part(g, &part, a->src, padded);
        for (size_t k = pieces.begin; k < pieces.end; k++) {
            struct piece now = piece_at(g, i, k, pieces.begin);
            struct piece next = piece_after(g, i, k, &chunks, &pieces);

            if (g->config.plain_input)
                add_taps(g, &now, a, padded, first, dw);
            else
                add_channels(g, &now, &next, a, first, dw);
        }
    }
}

/** Pieces of one group of chunks. */
struct turn {
    size_t group;
    struct rn_range pieces;
};

/* The next turn of what is left of a thread's share of all pieces of all
 * groups; false when nothing is. */
static bool take_turn(const struct weight_gradient *g, struct rn_range *left,
                      struct turn *turn)
{
    size_t pieces = g->pairs * g->inputs, group = left->begin / pieces;
    size_t start = group * pieces, end = smaller(left->end, start + pieces);

    if (left->begin >= left->end)
        return false;
    *turn = (struct turn){group, {left->begin - start, end - start}};
    left->begin = end;
    return true;
}

static struct rn_range share_of(const struct weight_gradient *g, int me,
                                int team)
{
    return rn_share_of(g->pairs * g->inputs * g->groups, me, team);
}

static void run_share(const struct weight_gradient *g,
                      const struct rn_conv_args *a, int me, int team)
{
    float *partial = a->scratch;
    float *padded = partial + (g->groups > 1 ? g->groups * g->weights : 0) +
                    (size_t)me * padded_floats(g);
    struct rn_range left = share_of(g, me, team);
    struct turn turn;

    while (take_turn(g, &left, &turn))
        run_group(g, turn.group, turn.pieces, a, padded,
                  g->groups > 1 ? partial + turn.group * g->weights
                                : a->diff_weights);
}

static void join_groups(const struct weight_gradient *g,
                        const struct rn_conv_args *a, int me, int team)
{
    const float *partial = a->scratch;
    struct rn_range r = rn_share_of(g->weights / g->block, me, team);
    float *to = a->diff_weights;
    size_t first = r.begin * g->block, count = (r.end - r.begin) * g->block;

    memcpy(to + first, partial + first, count * sizeof(*to));
    for (size_t k = 1; k < g->groups; k++)
        for (size_t i = first; i < first + count; i++)
            to[i] += partial[k * g->weights + i];
}

static int run(void *plan, const struct rn_conv_args *a, struct rn_error *err)
{
    const struct weight_gradient *g = plan;

    (void)err;
#pragma omp parallel num_threads(g->config.threads)
    {
        int me = omp_get_thread_num(), team = omp_get_num_threads();

        run_share(g, a, me, team);
        rn_conv_bias_gradient(&g->config, a, me, team);
        if (g->groups > 1) {
#pragma omp barrier
            join_groups(g, a, me, team);
        }
    }
    if (rn_is_grouped(&g->config))
        rn_groups_clear(&g->config, a->diff_weights);
    return RN_OK;
}

/* Multiply-adds of a group of chunks, all blocks of outputs being pairs. */
static double cost_of(const struct weight_gradient *g, size_t group,
                      size_t pieces)
{
    const struct rn_conv_config *c = &g->config;
    struct rn_range chunks = rn_range_of(g->chunks, (int)group, (int)g->groups);
    double taps = c->plain_input
                      ? (double)g->places
                      : (double)(rn_window_taps(&c->window) * g->block);
    double pixels = 0;

    for (size_t i = chunks.begin; i < chunks.end; i++) {
        struct part part = part_of(g, i);

        pixels += (double)(part.images * part.rows) * (double)g->config.out.w;
    }
    return (double)pieces * pixels * taps * 2 * (double)g->block;
}

static void shares(const void *plan, struct rn_shares *s)
{
    const struct weight_gradient *g = plan;
    double number = sizeof(float) * RN_COST_OF_BYTE;

    for (int t = 0; t < s->threads; t++) {
        struct rn_range left = share_of(g, t, s->threads);
        struct turn turn;

        while (take_turn(g, &left, &turn)) {
            size_t pieces = turn.pieces.end - turn.pieces.begin;

            rn_shares_take(s, t, pieces, cost_of(g, turn.group, pieces));
        }
    }
    rn_conv_bias_gradient_shares(&g->config, s);
    if (g->groups > 1) {
        rn_shares_barrier(s);
        rn_shares_even(s, g->weights / g->block,
                       (double)(g->groups * g->block) * number);
    }
    rn_shares_barrier(s);
}

static bool applies(const struct rn_conv_config *config)
{
    return config->pass == RN_CONV_BACKWARD_WEIGHTS &&
           rn_window_only_padded(&config->window);
}

static int make(void *plan, const struct rn_conv_config *config, bool dry,
                struct rn_conv_needs *needs, struct rn_error *err)
{
    struct weight_gradient *g = plan;

    (void)dry;
    (void)err;
    make_plan(g, config);
    needs->scratch_bytes = scratch_floats(g) * sizeof(float);
    rn_conv_describe(needs, "direct");
    return RN_OK;
}

const struct rn_conv_algorithm rn_conv_weight_gradient = {
    .input = RN_F32,
    .weights = RN_F32,
    .output = RN_F32,
    .groups = true,
    .any_window = true, /* whose taps lie side by side, see applies() */
    .applies = applies,
    .plan_bytes = sizeof(struct weight_gradient),
    .make = make,
    .run = run,
    .shares = shares,
};
