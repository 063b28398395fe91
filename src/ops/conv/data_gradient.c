/* SPDX-License-Identifier: BSD-2-Clause */
/* The data gradient of any convolution, as matrix products of the output's
 * gradient and weights turned round. With a stride, input pixels of
 * one phase (their place modulo the stride) meet the same taps: each phase is a
 * product of its own, and no zeros are multiplied. A sum is taken in registers
 * by one thread, tap after tap and channel after channel: the same bits on any
 * number of threads and in blocks of any size. */
#include "ops/conv/algorithm.h"

#include "ops/conv/groups.h"
#include "ops/conv/pair_kernels.h"
#include "ops/conv/product_kernels.h"
#include "ops/elementwise.h"
#include "ops/window.h"

#include <omp.h>
#include <stdint.h>
#include <string.h>

/* A chunk's gathered rows, which every pair of blocks rereads, stay in the
 * second-level cache. */
#define CHUNK_BYTES ((size_t)256 << 10)
/* Pieces of work there should be for each thread. */
#define PIECES 4

struct data_gradient {
    struct rn_conv_config config;
    const struct rn_product_kernels *kernels;
    const struct rn_pair_kernels *pairs_of;
    size_t number;                        /* bytes of one */
    size_t block, from_blocks, to_blocks; /* of dy's channels, of dx's */
    /* Groups of channels that are run, see ops/conv/groups.h, and of one: */
    size_t groups, group_from, group_to;
    size_t pairs;     /* of dx's blocks; the last may be one alone */
    size_t row_bytes; /* of a thread's gathered rows */
};

/** Pixels of dx whose place modulo the stride is (y, x). */
struct phase {
    int y, x;
    int h, w;   /* there are so many */
    int ky, kx; /* the first of their taps; the others are a stride on */
    size_t rows, columns; /* of taps */
    size_t steps;         /* taps by a group's blocks of dy: summed over */
    size_t weights;       /* numbers before its weights */
    size_t strips;        /* of an image */
    size_t chunk, chunks; /* strips that are gathered at once; of them */
    bool scatters;        /* its pixels are no neighbours in dx */
    bool gathers;         /* nor those that they see in dy */
};

/* --------------------------------------------------------------- planning */

/* First tap along one side, and their number. */
static int taps_along(int place, int pad, int stride, int taps, size_t *count)
{
    int first = (place + pad) % stride;

    *count = first < taps ? (size_t)((taps - first + stride - 1) / stride) : 0;
    return first;
}

static int pixels_along(int place, int size, int stride)
{
    return place < size ? (size - place + stride - 1) / stride : 0;
}

static size_t phases_of(const struct data_gradient *d)
{
    return (size_t)d->config.window.stride * (size_t)d->config.window.stride;
}

static void plan_chunks(const struct data_gradient *d, struct phase *f)
{
    const struct rn_conv_config *c = &d->config;
    size_t strip = (size_t)d->kernels->strip, all, chunks;
    size_t steps = f->steps ? f->steps : d->group_from;
    size_t fit = CHUNK_BYTES / (strip * steps * d->block * d->number);
    size_t pairs = d->groups * d->pairs;

    f->strips = rn_divide_up((size_t)f->h * (size_t)f->w, strip);
    all = (size_t)c->n * f->strips;
    chunks = rn_divide_up(all, fit ? fit : 1);
    if (chunks < rn_divide_up(PIECES * (size_t)c->threads, pairs))
        chunks = rn_divide_up(PIECES * (size_t)c->threads, pairs);
    f->chunk = all ? rn_divide_up(all, chunks) : 1;
    f->chunks = rn_divide_up(all, f->chunk);
}

/* Whether its one tap sees dy's pixels as they lie. */
static bool sees_all(const struct data_gradient *d, const struct phase *f)
{
    const struct rn_conv_config *c = &d->config;

    return f->rows * f->columns == 1 &&
           f->y + rn_window_top(&c->window) == f->ky &&
           f->x + rn_window_left(&c->window) == f->kx && f->h == c->out.h &&
           f->w == c->out.w;
}

/* Phase number `at`, whose weights lie behind those of the phases before. */
static struct phase phase_at(const struct data_gradient *d, size_t at,
                             size_t weights)
{
    const struct rn_conv_config *c = &d->config;
    const struct rn_window *w = &c->window;
    struct phase f = {.y = (int)at / w->stride,
                      .x = (int)at % w->stride,
                      .weights = weights,
                      .scatters = w->stride > 1};

    f.h = pixels_along(f.y, c->in.h, w->stride);
    f.w = pixels_along(f.x, c->in.w, w->stride);
    f.ky = taps_along(f.y, rn_window_top(w), w->stride, w->kh, &f.rows);
    f.kx = taps_along(f.x, rn_window_left(w), w->stride, w->kw, &f.columns);
    f.steps = f.rows * f.columns * d->group_from;
    f.gathers = !sees_all(d, &f);
    plan_chunks(d, &f);
    return f;
}

static size_t weights_of(const struct data_gradient *d, const struct phase *f)
{
    return d->to_blocks * f->steps * d->block * d->block;
}

static size_t chunk_pixels(const struct data_gradient *d, const struct phase *f)
{
    return f->chunk * (size_t)d->kernels->strip;
}

static void make_plan(struct data_gradient *d, const struct rn_conv_config *c)
{
    d->config = *c;
    d->kernels = rn_product_kernels_get(c->input);
    d->pairs_of = rn_pair_kernels_get();
    d->number = rn_dtype_bytes(c->input);
    d->block = (size_t)rn_block();
    d->from_blocks = rn_channels_padded(c->out.c) / d->block;
    d->to_blocks = rn_channels_padded(c->in.c) / d->block;
    d->groups = (size_t)rn_groups_run(c);
    d->group_from = d->from_blocks / d->groups;
    d->group_to = d->to_blocks / d->groups;
    d->pairs = rn_divide_up(d->group_to, 2);
    for (size_t i = 0; i < phases_of(d); i++) {
        struct phase f = phase_at(d, i, 0);
        size_t rows = f.steps * chunk_pixels(d, &f) * d->block * d->number;

        if (f.gathers && rows > d->row_bytes)
            d->row_bytes = rows;
    }
}

/* ---------------------------------------------------------------- weights */

/* A step of a phase's sum: a block of a group's dy as one tap sees it. */
struct step {
    size_t block;
    int ky, kx;
};

static struct step step_of(const struct data_gradient *d, const struct phase *f,
                           size_t k)
{
    int stride = d->config.window.stride;
    size_t tap = k / d->group_from;

    return (struct step){k % d->group_from,
                         f->ky + stride * (int)(tap / f->columns),
                         f->kx + stride * (int)(tap % f->columns)};
}

static size_t packed_squares(const struct data_gradient *d,
                             const struct phase *f)
{
    return d->to_blocks * f->steps;
}

/* Which square of the store's [oc / B][ic / B of a group][kh][kw][B ic][B oc]
 * step s of block `to` of dx takes. */
static size_t square_of(const struct data_gradient *d, struct step s, size_t to)
{
    const struct rn_window *w = &d->config.window;
    size_t group = to / d->group_to, from = group * d->group_from + s.block;

    return (from * d->group_to + to % d->group_to) * rn_window_taps(w) +
           (size_t)(s.ky * w->kw + s.kx);
}

/* Of the store's, for each phase: [ic / B][step][B oc][B ic], of bfloat16
 * [ic / B][step][B oc / 2][B ic][2]. */
static int pack(void *plan, const float *store, void *packed,
                struct rn_error *err)
{
    const struct data_gradient *d = plan;
    size_t square = d->block * d->block, before = 0;

    (void)err;
    for (size_t i = 0; i < phases_of(d); i++) {
        struct phase f = phase_at(d, i, before);
        char *to = (char *)packed + f.weights * d->number;
#pragma omp parallel num_threads(d->config.threads)
        for (struct rn_range r = rn_share_mine(packed_squares(d, &f));
             r.begin < r.end; r.begin++) {
            size_t k = r.begin;
            struct step s = step_of(d, &f, k % f.steps);
            const float *from = store + square_of(d, s, k / f.steps) * square;
            void *turned = to + k * square * d->number;

            if (d->config.input == RN_F32)
                d->kernels->turn(from, turned);
            else
                d->pairs_of->pack_turned(from, turned);
        }
        before += weights_of(d, &f);
    }
    return RN_OK;
}

/* --------------------------------------------------------------- products */

/** Some neighbouring pixels of one image and phase. */
struct strip {
    size_t image, first, pixels;
};

static struct strip strip_at(const struct phase *f, size_t number)
{
    struct rn_range r = rn_range_of((size_t)f->h * (size_t)f->w,
                                    (int)(number % f->strips), (int)f->strips);

    return (struct strip){number / f->strips, r.begin, r.end - r.begin};
}

/* `count` numbers further on. */
static const void *numbers(const struct data_gradient *d, const void *from,
                           size_t count)
{
    return (const char *)from + count * d->number;
}

/* What some pixels see of a group: rows[step][pixel][B]. */
static void gather_pixels(const struct data_gradient *d, const struct phase *f,
                          const struct strip *s, size_t group, const void *dy,
                          char *rows)
{
    const struct rn_conv_config *c = &d->config;
    const struct rn_window *w = &c->window;
    size_t plane = rn_shape_pixels(c->out) * d->block;
    size_t first = s->image * d->from_blocks + group * d->group_from;
    size_t step = chunk_pixels(d, f) * d->block * d->number;

    for (size_t k = 0; k < f->steps; k++) {
        struct step at = step_of(d, f, k);
        struct rn_product_rows r = {
            .plane = numbers(d, dy, (first + at.block) * plane),
            .h = c->out.h,
            .w = c->out.w,
            .out_w = f->w,
            .stride = 1,
            .across = 1,
            .top = (f->y + rn_window_top(w) - at.ky) / w->stride,
            .left = (f->x + rn_window_left(w) - at.kx) / w->stride,
            .first = (int)s->first,
            .pixels = (int)s->pixels,
        };

        d->kernels->gather(&r, rows + k * step);
    }
}

enum { STRIP_MOST = 32, BLOCK_MOST = 16 };

/* A strip's pixels [pixel][B] to their places in a plane of dx. */
static void scatter(const struct data_gradient *d, const struct phase *f,
                    const struct strip *s, const char *pixels, char *plane)
{
    size_t pixel = d->block * d->number;
    size_t stride = (size_t)d->config.window.stride;
    size_t w = (size_t)d->config.in.w, columns = (size_t)f->w;
    size_t x = s->first % columns, y = s->first / columns, i = 0;

    for (; i < s->pixels; y++, x = 0) {
        char *row =
            plane + ((y * stride + (size_t)f->y) * w + (size_t)f->x) * pixel;

        for (; x < columns && i < s->pixels; x++, i++)
            memcpy(row + x * stride * pixel, pixels + i * pixel, pixel);
    }
}

/** A thread's part of a chunk: strips by pairs of a group's blocks of dx. */
struct part {
    struct rn_range strips, pairs;
    size_t group;
    const struct rn_conv_args *args;
    char *rows;
};

/* One strip of one pair; what it sees is at `x`. */
static void multiply(const struct data_gradient *d, const struct phase *f,
                     const struct part *part, const struct strip *s,
                     size_t pair, const void *x)
{
    size_t b = d->block, plane = rn_shape_pixels(d->config.in) * b;
    size_t square = b * b, to = part->group * d->group_to + 2 * pair;
    int outs = 2 * pair + 1 < d->group_to ? 2 : 1;
    char *dx = (char *)part->args->diff_src +
               (s->image * d->to_blocks + to) * plane * d->number;
    float made[2 * STRIP_MOST * BLOCK_MOST]; /* of either type */
    struct rn_product_strip p = {
        .x = x,
        .x_block = f->gathers ? chunk_pixels(d, f) * b
                              : rn_shape_pixels(d->config.out) * b,
        .blocks = f->steps,
        .w = numbers(d, part->args->weights,
                     f->weights + to * f->steps * square),
        .w_block = f->steps * square,
        .y = f->scatters ? (char *)made : dx + s->first * b * d->number,
        .y_block = f->scatters ? STRIP_MOST * b : plane,
        .later = x,
    };

    d->kernels->multiply((int)s->pixels, outs, &p);
    for (int i = 0; f->scatters && i < outs; i++)
        scatter(d, f, s,
                (const char *)made + (size_t)i * STRIP_MOST * b * d->number,
                dx + (size_t)i * plane * d->number);
}

static const void *inputs_of(const struct data_gradient *d,
                             const struct part *part, const struct strip *s)
{
    size_t pixels = rn_shape_pixels(d->config.out);
    size_t block = s->image * d->from_blocks + part->group * d->group_from;

    return numbers(d, part->args->diff_dst,
                   (block * pixels + s->first) * d->block);
}

/* A chunk's strips that are of one image, as one. */
static void gather(const struct data_gradient *d, const struct phase *f,
                   const struct part *part)
{
    char *row = part->rows;
    size_t i = part->strips.begin, end;

    for (; i < part->strips.end; i = end) {
        struct strip s = strip_at(f, i), last;

        end = (s.image + 1) * f->strips;
        if (end > part->strips.end)
            end = part->strips.end;
        last = strip_at(f, end - 1);
        s.pixels = last.first + last.pixels - s.first;
        gather_pixels(d, f, &s, part->group, part->args->diff_dst, row);
        row += s.pixels * d->block * d->number;
    }
}

static void run_part(const struct data_gradient *d, const struct phase *f,
                     const struct part *part)
{
    if (f->gathers)
        gather(d, f, part);
    for (size_t pair = part->pairs.begin; pair < part->pairs.end; pair++) {
        const char *row = part->rows;

        for (size_t i = part->strips.begin; i < part->strips.end; i++) {
            struct strip s = strip_at(f, i);

            multiply(d, f, part, &s, pair,
                     f->gathers ? row : inputs_of(d, part, &s));
            row += s.pixels * d->block * d->number;
        }
    }
}

/* Some of the pairs of all groups of all chunks of a phase. */
static void run_phase(const struct data_gradient *d, const struct phase *f,
                      const struct rn_conv_args *args, struct rn_range all,
                      int me)
{
    size_t strips = (size_t)d->config.n * f->strips;

    while (all.begin < all.end) {
        size_t unit = all.begin / d->pairs, start = unit * d->pairs;
        size_t end = start + d->pairs < all.end ? start + d->pairs : all.end;
        size_t first = unit / d->groups * f->chunk, left = strips - first;
        struct part part = {
            .strips = {first, first + (left < f->chunk ? left : f->chunk)},
            .pairs = {all.begin - start, end - start},
            .group = unit % d->groups,
            .args = args,
            .rows = (char *)args->scratch + (size_t)me * d->row_bytes,
        };

        run_part(d, f, &part);
        all.begin = end;
    }
}

static size_t pieces_of(const struct data_gradient *d, const struct phase *f)
{
    return f->chunks * d->groups * d->pairs;
}

/* This thread's share of all phases, which take turns: their pixels lie beside
 * one another in dx's cache lines. */
static void run_share(const struct data_gradient *d,
                      const struct rn_conv_args *args, int me, int team)
{
    struct phase f = phase_at(d, 0, 0);
    struct rn_range mine = rn_range_of(pieces_of(d, &f), me, team);
    size_t turns = rn_divide_up(mine.end - mine.begin, d->pairs);

    turns = turns ? turns : 1;
    for (size_t turn = 0; turn < turns; turn++) {
        size_t before = 0;

        for (size_t i = 0; i < phases_of(d); i++) {
            f = phase_at(d, i, before);
            run_phase(d, &f, args,
                      rn_share_turn(pieces_of(d, &f), me, team, turn, turns),
                      me);
            before += weights_of(d, &f);
        }
    }
}

static int run(void *plan, const struct rn_conv_args *args,
               struct rn_error *err)
{
    const struct data_gradient *d = plan;

    (void)err;
#pragma omp parallel num_threads(d->config.threads)
    run_share(d, args, omp_get_thread_num(), omp_get_num_threads());
    return RN_OK;
}

/* A chunk's products with a pair's weights count, and the rows gathered. */
static void shares(const void *plan, struct rn_shares *s)
{
    const struct data_gradient *d = plan;
    double number = (double)d->number * RN_COST_OF_BYTE;
    double square = (double)(d->block * d->block);

    for (size_t i = 0; i < phases_of(d); i++) {
        struct phase f = phase_at(d, i, 0);

        rn_shares_even(s, packed_squares(d, &f), square * number);
        rn_shares_barrier(s);
    }
    for (size_t i = 0; i < phases_of(d); i++) {
        struct phase f = phase_at(d, i, 0);
        double pixels = (double)d->config.n * (double)f.h * (double)f.w;
        double seen = pixels * (double)(f.steps * d->block);
        double row = f.gathers ? number / (double)d->pairs : 0;

        if (f.chunks)
            rn_shares_even(s, pieces_of(d, &f),
                           seen / (double)f.chunks *
                               (2 * (double)d->block + row));
    }
    rn_shares_barrier(s);
}

static bool applies_bf16(const struct rn_conv_config *c)
{
    return c->pass == RN_CONV_BACKWARD_DATA && !c->plain_input;
}

/* Windows and groups that oneDNN, before it in the table, has only its
 * reference code for; of those that are trained. */
static bool applies(const struct rn_conv_config *c)
{
    return applies_bf16(c) && rn_window_only_padded(&c->window);
}

static int make(void *plan, const struct rn_conv_config *c, bool dry,
                struct rn_conv_needs *needs, struct rn_error *err)
{
    struct data_gradient *d = plan;

    (void)dry;
    (void)err;
    make_plan(d, c);
    needs->scratch_bytes = (size_t)c->threads * d->row_bytes;
    needs->packed_bytes =
        d->number *
        (rn_is_grouped(c)
             ? rn_groups_count(c)
             : rn_conv_weights_count(c->out.c, c->in.c, c->window, false));
    needs->pack = true;
    rn_conv_describe(needs, c->input == RN_F32 ? "product" : "product bf16");
    return RN_OK;
}

const struct rn_conv_algorithm rn_conv_data_gradient = {
    .input = RN_F32,
    .weights = RN_F32,
    .output = RN_F32,
    .groups = true,
    .any_window = true,
    .applies = applies,
    .plan_bytes = sizeof(struct data_gradient),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};

const struct rn_conv_algorithm rn_conv_data_gradient_bf16 = {
    .input = RN_BF16,
    .weights = RN_F32,
    .output = RN_BF16,
    .applies = applies_bf16,
    .plan_bytes = sizeof(struct data_gradient),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};
