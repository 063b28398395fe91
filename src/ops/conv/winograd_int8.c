/* SPDX-License-Identifier: BSD-2-Clause */
/* 3x3 convolutions of stride 1 in 8 bits by Winograd's F(4x4, 3x3) in whole
 * numbers: a quarter of the products, of 16-bit numbers at half the rate, and
 * the same sums as product_int8.c's to the last bit. */
#include "ops/conv/algorithm.h"

#include "core/memory.h"
#include "ops/conv/winograd_int8_kernels.h"
#include "ops/elementwise.h"
#include "ops/window.h"

#include <omp.h>
#include <string.h>

/* Transformed tiles of a thread's own chunk stay in its second-level cache;
 * those of a chunk shared by all threads in the third. */
#define OWN_CHUNK_BYTES    ((size_t)320 << 10)
#define SHARED_CHUNK_BYTES ((size_t)8 << 20)
/* Sums of a thread's group of tiles at all points. */
#define SUMS_BYTES ((size_t)384 << 10)
/* Pieces of work there should be for each thread, where they can be cut. */
#define PIECES 4
/* A thread's own chunks are not enough for all threads when the largest share
 * is so much over the mean. */
#define UNEVEN_CHUNKS 1.25

struct winograd {
    struct rn_conv_config config;
    const struct rn_int8_wino_kernels *kernels;
    size_t block, in_blocks, out_blocks;
    size_t pairs;                /* of blocks of outputs; the last may be one */
    size_t parts;                /* of the inputs, each a sum of its own */
    size_t columns, rows, tiles; /* of one image; of the batch */
    bool together;           /* all threads on one chunk, or each on its own */
    size_t chunk, chunks;    /* tiles that are transformed at once; of them */
    size_t group, groups;    /* ... of a chunk, multiplied at once; of them */
    size_t v_point, m_point; /* numbers between points */
};

/* --------------------------------------------------------------- planning */

/* Fewer channels do not repay the transforms. */
#define LEAST_CHANNELS 32
/* Nor do so few tiles weights of so many bytes, eight times those of the
 * convolution, which come from memory. */
#define LEAST_TILES 48
#define COLD_BYTES  ((size_t)2 << 20)

static size_t tiles_of(const struct rn_conv_config *c)
{
    return (size_t)c->n * rn_divide_up((size_t)c->out.h, RN_INT8_TILE) *
           rn_divide_up((size_t)c->out.w, RN_INT8_TILE);
}

static bool can(const struct rn_conv_config *c)
{
    const struct rn_window *w = &c->window;

    return c->pass == RN_CONV_FORWARD && !c->train && !c->exact &&
           !c->plain_input && w->kh == 3 && w->kw == 3 && w->stride == 1 &&
           w->pad <= 2;
}

static bool applies(const struct rn_conv_config *c)
{
    size_t bytes =
        RN_INT8_POINTS * sizeof(int16_t) * (size_t)c->in.c * (size_t)c->out.c;

    if (!can(c) || c->winograd)
        return can(c) && c->winograd == RN_INT8_TILE;
    return c->in.c >= LEAST_CHANNELS && c->out.c >= LEAST_CHANNELS &&
           c->out.h >= RN_INT8_TILE && c->out.w >= RN_INT8_TILE &&
           (bytes <= COLD_BYTES || tiles_of(c) >= LEAST_TILES);
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* So many items cut alike into the fewest parts of at most `limit`. */
static size_t cut(size_t items, size_t limit)
{
    return rn_divide_up(items, rn_divide_up(items, most(limit, 1)));
}

/* Numbers between points: an odd number of cache lines, or the points of a
 * tile would meet in few sets of the cache. */
static size_t apart(size_t numbers, size_t size)
{
    size_t lines = rn_divide_up(numbers * size, RN_LINE);

    return (lines | 1) * RN_LINE / size;
}

static size_t plan_group(const struct winograd *w, size_t chunk, size_t pieces)
{
    size_t tile = w->parts * RN_INT8_POINTS * 2 * w->block * sizeof(int32_t);
    size_t limit = SUMS_BYTES / tile, least = (size_t)w->kernels->strip;

    if (rn_divide_up(chunk, most(limit, 1)) < pieces)
        limit = rn_divide_up(chunk, pieces);
    return cut(chunk, most(limit, least));
}

static void plan_chunks(struct winograd *w)
{
    int threads = w->config.threads;
    size_t tile = RN_INT8_POINTS * w->in_blocks * w->block * sizeof(int16_t);
    size_t own = cut(w->tiles, OWN_CHUNK_BYTES / tile);
    size_t pieces = rn_divide_up(PIECES * (size_t)threads, w->pairs);

    w->together =
        own < 2 * (size_t)w->kernels->strip ||
        rn_share_largest(rn_divide_up(w->tiles, own), threads) > UNEVEN_CHUNKS;
    w->chunk = w->together ? cut(w->tiles, SHARED_CHUNK_BYTES / tile) : own;
    w->chunks = rn_divide_up(w->tiles, w->chunk);
    w->group = plan_group(w, w->chunk, w->together ? pieces : 1);
    w->groups = rn_divide_up(w->chunk, w->group);
    w->v_point = apart(w->in_blocks * w->chunk * w->block, sizeof(int16_t));
    w->m_point = apart(2 * w->group * w->block, sizeof(int32_t));
}

static void make_plan(struct winograd *w, const struct rn_conv_config *c)
{
    w->config = *c;
    w->kernels = rn_int8_wino_kernels_get();
    w->block = (size_t)rn_block();
    w->in_blocks = rn_channels_padded(c->in.c) / w->block;
    w->out_blocks = rn_channels_padded(c->out.c) / w->block;
    w->pairs = rn_divide_up(w->out_blocks, 2);
    w->parts = rn_divide_up(w->in_blocks, RN_INT8_WINO_DEPTH / w->block);
    w->columns = rn_divide_up((size_t)c->out.w, RN_INT8_TILE);
    w->rows = rn_divide_up((size_t)c->out.h, RN_INT8_TILE);
    w->tiles = tiles_of(c);
    plan_chunks(w);
}

/* A pair's weights at one point, and those of all. */
static size_t point_numbers(const struct winograd *w)
{
    return w->in_blocks * 2 * w->block * w->block;
}

static size_t weight_bytes(const struct winograd *w)
{
    return w->pairs * RN_INT8_POINTS * point_numbers(w) * sizeof(int16_t);
}

static size_t v_bytes(const struct winograd *w)
{
    return RN_INT8_POINTS * w->v_point * sizeof(int16_t);
}

static size_t m_bytes(const struct winograd *w)
{
    return w->parts * RN_INT8_POINTS * w->m_point * sizeof(int32_t);
}

/* ---------------------------------------------------------------- running */

/** Where tile number `tile` of the batch is: its image, and its first pixel. */
struct tile {
    size_t image;
    struct rn_int8_place at;
};

static struct tile tile_at(const struct winograd *w, size_t tile)
{
    size_t each = w->rows * w->columns, i = tile % each;
    const struct rn_shape *out = &w->config.out;

    return (struct tile){tile / each,
                         {(int)(i / w->columns) * RN_INT8_TILE,
                          (int)(i % w->columns) * RN_INT8_TILE, out->h,
                          out->w}};
}

static size_t tiles_in(const struct winograd *w, size_t chunk)
{
    size_t left = w->tiles - chunk * w->chunk;

    return left < w->chunk ? left : w->chunk;
}

/* Tile number i of a chunk, of one block of inputs, to its points. */
static void transform(const struct winograd *w, const struct rn_conv_args *args,
                      size_t chunk, size_t block, size_t i, int16_t *v)
{
    const struct rn_conv_config *c = &w->config;
    struct tile t = tile_at(w, chunk * w->chunk + i);
    const uint8_t *x =
        (const uint8_t *)args->src +
        (t.image * w->in_blocks + block) * rn_shape_pixels(c->in) * w->block;

    t.at.y -= c->window.pad;
    t.at.x -= c->window.pad;
    t.at.h = c->in.h;
    t.at.w = c->in.w;
    w->kernels->input(x, &t.at, args->bytes->zero,
                      v + (block * w->chunk + i) * w->block, w->v_point);
}

/* A part's sums of some tiles of a chunk at one point. */
static void multiply_point(const struct winograd *w, struct rn_range tiles,
                           int outs, struct rn_range blocks, const int16_t *v,
                           const int16_t *u, int32_t *m)
{
    size_t b = w->block, count = tiles.end - tiles.begin;
    int strips = (int)rn_divide_up(count, (size_t)w->kernels->strip);
    struct rn_int8_wino_product p = {
        .v_block = w->chunk * b,
        .blocks = blocks.end - blocks.begin,
        .u = u + blocks.begin * 2 * b * b,
        .m_block = w->group * b,
    };

    for (int i = 0; i < strips; i++) {
        struct rn_range r = rn_range_of(count, i, strips);

        p.v = v + (blocks.begin * w->chunk + tiles.begin + r.begin) * b;
        p.m = m + r.begin * b;
        w->kernels->multiply((int)(r.end - r.begin), outs, &p);
    }
}

/* Some tiles of a chunk, with what a pair of blocks of outputs has of them. */
static void multiply(const struct winograd *w, const struct rn_conv_args *args,
                     struct rn_range tiles, size_t pair, const int16_t *v,
                     int32_t *m)
{
    size_t out = 2 * pair;
    int outs = out + 1 < w->out_blocks ? 2 : 1;
    const int16_t *u = (const int16_t *)args->weights +
                       pair * RN_INT8_POINTS * point_numbers(w);

    for (size_t k = 0; k < RN_INT8_POINTS; k++)
        for (size_t part = 0; part < w->parts; part++)
            multiply_point(w, tiles, outs,
                           rn_range_of(w->in_blocks, (int)part, (int)w->parts),
                           v + k * w->v_point, u + k * point_numbers(w),
                           m + (part * RN_INT8_POINTS + k) * w->m_point);
}

/* The same tiles and block of outputs, from their sums at all points. */
static void bring_back(const struct winograd *w,
                       const struct rn_conv_args *args, size_t chunk,
                       struct rn_range tiles, size_t out, const int32_t *m)
{
    const struct rn_conv_config *c = &w->config;
    const struct rn_conv_bytes *bytes = args->bytes;
    bool wide = c->output == RN_F32;
    size_t b = w->block;
    size_t plane = rn_shape_pixels(c->out) * b * (wide ? sizeof(float) : 1);
    const int32_t *corrections =
        (const int32_t *)((const char *)args->weights + weight_bytes(w));
    struct rn_int8_wino_sums s = {
        .m_point = w->m_point,
        .parts = w->parts,
        .correction = corrections + out * b,
        .out = {.start = bytes->start + out * b,
                .scale = bytes->scale + out * b,
                .bias = args->bias + out * b,
                .sum_scale = bytes->sum_scale,
                .low = bytes->low,
                .add = c->sum,
                .relu = c->relu,
                .wide = wide},
    };

    for (size_t i = tiles.begin; i < tiles.end; i++) {
        struct tile t = tile_at(w, chunk * w->chunk + i);

        s.m = m + (i - tiles.begin) * b;
        w->kernels->output(&s, &t.at,
                           (char *)args->dst +
                               (t.image * w->out_blocks + out) * plane);
    }
}

/* Group number `group` of a chunk by pair number `pair`. */
static void make_group(const struct winograd *w,
                       const struct rn_conv_args *args, size_t chunk,
                       size_t group, size_t pair, const int16_t *v, int32_t *m)
{
    size_t first = group * w->group, end = tiles_in(w, chunk);
    struct rn_range tiles = {first,
                             first + w->group < end ? first + w->group : end};

    if (first >= end)
        return;
    multiply(w, args, tiles, pair, v, m);
    for (size_t i = 2 * pair; i < 2 * pair + 2 && i < w->out_blocks; i++)
        bring_back(w, args, chunk, tiles, i, m + i % 2 * w->group * w->block);
}

/* All of a chunk, by one thread. */
static void run_own(const struct winograd *w, const struct rn_conv_args *args,
                    size_t chunk, int16_t *v, int32_t *m)
{
    for (size_t block = 0; block < w->in_blocks; block++)
        for (size_t i = 0; i < tiles_in(w, chunk); i++)
            transform(w, args, chunk, block, i, v);
    for (size_t pair = 0; pair < w->pairs; pair++)
        for (size_t group = 0; group < w->groups; group++)
            make_group(w, args, chunk, group, pair, v, m);
}

/* A thread's shares of a chunk that others work on. */
static void run_shared(const struct winograd *w,
                       const struct rn_conv_args *args, size_t chunk,
                       int16_t *v, int32_t *m)
{
    size_t tiles = tiles_in(w, chunk);
    struct rn_range r = rn_share_mine(w->in_blocks * tiles);

    if (chunk > 0) {
#pragma omp barrier
    }
    for (size_t i = r.begin; i < r.end; i++)
        transform(w, args, chunk, i / tiles, i % tiles, v);
#pragma omp barrier
    r = rn_share_mine(w->pairs * w->groups);
    for (size_t i = r.begin; i < r.end; i++)
        make_group(w, args, chunk, i % w->groups, i / w->groups, v, m);
}

static int run(void *plan, const struct rn_conv_args *args,
               struct rn_error *err)
{
    const struct winograd *w = plan;
    char *scratch = args->scratch;

    (void)err;
#pragma omp parallel num_threads(w->config.threads)
    {
        size_t me = (size_t)omp_get_thread_num();
        size_t chunks = w->together ? 1 : (size_t)w->config.threads;
        int16_t *v = (int16_t *)(scratch + (w->together ? 0 : me) * v_bytes(w));
        int32_t *m =
            (int32_t *)(scratch + chunks * v_bytes(w) + me * m_bytes(w));

        if (w->together)
            for (size_t i = 0; i < w->chunks; i++)
                run_shared(w, args, i, v, m);
        else
            for (struct rn_range r = rn_share_mine(w->chunks); r.begin < r.end;
                 r.begin++)
                run_own(w, args, r.begin, v, m);
    }
    return RN_OK;
}

/* What a number that is transformed costs, in multiply-adds. */
#define COST_OF_NUMBER 8.0

static void shares(const void *plan, struct rn_shares *s)
{
    const struct winograd *w = plan;
    double number = RN_INT8_POINTS * (double)w->block;
    double in = number * COST_OF_NUMBER;
    double out =
        number * 2 *
        ((double)(w->in_blocks * w->block) + COST_OF_NUMBER * (double)w->parts);

    for (size_t i = 0; i < w->chunks && w->together; i++) {
        double tiles = (double)tiles_in(w, i);

        rn_shares_even(s, w->in_blocks * tiles_in(w, i), in);
        rn_shares_barrier(s);
        rn_shares_even(s, w->pairs * w->groups,
                       out * tiles / (double)w->groups);
        rn_shares_barrier(s);
    }
    if (w->together)
        return;
    rn_shares_even(s, w->chunks,
                   (double)w->tiles / (double)w->chunks *
                       (in * (double)w->in_blocks + out * (double)w->pairs));
    rn_shares_barrier(s);
}

/* ---------------------------------------------------------------- weights */

/* Those of one channel of outputs, from whole numbers; their sum. */
static int32_t pack_channel(const struct winograd *w, const float *from,
                            size_t o, int16_t *packed)
{
    size_t b = w->block, pair = o / (2 * b), half = o / b % 2;
    int16_t *to = packed + pair * RN_INT8_POINTS * point_numbers(w) +
                  half * 2 * b + o % b * 2;
    int16_t points[RN_INT8_POINTS];
    int32_t sum = 0;

    for (size_t i = 0; i < (size_t)w->config.in.c; i++) {
        int nine[9];

        for (int k = 0; k < 9; k++) {
            nine[k] = (int)from[i * 9 + (size_t)k];
            sum += nine[k];
        }
        w->kernels->weights(nine, points);
        for (size_t k = 0; k < RN_INT8_POINTS; k++)
            to[k * point_numbers(w) + i / 2 * 4 * b + i % 2] = points[k];
    }
    return sum;
}

static int pack(void *plan, const float *from, void *packed,
                struct rn_error *err)
{
    const struct winograd *w = plan;
    const struct rn_conv_config *c = &w->config;
    int32_t *corrections = (int32_t *)((char *)packed + weight_bytes(w));

    (void)err;
    memset(packed, 0,
           weight_bytes(w) + w->out_blocks * w->block * sizeof(*corrections));
#pragma omp parallel for num_threads(c->threads)
    for (size_t o = 0; o < (size_t)c->out.c; o++)
        corrections[o] =
            128 * pack_channel(w, from + o * (size_t)c->in.c * 9, o, packed);
    return RN_OK;
}

static int make(void *plan, const struct rn_conv_config *c, bool dry,
                struct rn_conv_needs *needs, struct rn_error *err)
{
    struct winograd *w = plan;
    size_t threads = (size_t)c->threads;

    (void)dry;
    (void)err;
    make_plan(w, c);
    needs->scratch_bytes =
        (w->together ? 1 : threads) * v_bytes(w) + threads * m_bytes(w);
    needs->packed_bytes =
        weight_bytes(w) + w->out_blocks * w->block * sizeof(int32_t);
    needs->pack = true;
    rn_conv_describe(needs, w->kernels->name);
    return RN_OK;
}

#define ROW(to)                                                               \
    {                                                                         \
        .input = RN_U8, .weights = RN_I8, .output = (to), .applies = applies, \
        .plan_bytes = sizeof(struct winograd), .make = make, .pack = pack,    \
        .run = run, .shares = shares,                                         \
    }

const struct rn_conv_algorithm rn_conv_winograd_int8 = ROW(RN_U8);
const struct rn_conv_algorithm rn_conv_winograd_int8_wide = ROW(RN_F32);
