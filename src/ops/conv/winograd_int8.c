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

/* Tiles of one image that have 4 or 3 outputs a side alike. */
struct segment {
    size_t begin; /* in the order of the batch's tiles */
    size_t row, rows, column, columns;
};
/* Tiles with few columns, those of 4x4, those with few rows, those with both:
 * tiles with 4 rows are neighbours, and so are tiles with 4 columns. */
enum { NARROW, WHOLE, LOW, SMALL, SEGMENTS };

struct winograd {
    struct rn_conv_config config;
    const struct rn_int8_wino_kernels *kernels;
    size_t block, in_blocks, out_blocks;
    size_t pairs;      /* of blocks of outputs; the last may be one */
    size_t parts;      /* of the inputs, each a sum of its own */
    size_t tiles;      /* of the batch */
    size_t high, wide; /* rows and columns of tiles that have 4 */
    struct segment segments[SEGMENTS + 1]; /* the last has no tiles */
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

/* Of a side's tiles, how many have 4 outputs; the others have 3. */
static size_t whole_tiles(int side)
{
    size_t all = rn_divide_up((size_t)side, RN_INT8_TILE);
    size_t few = all * RN_INT8_TILE - (size_t)side;

    return few < all ? all - few : 0;
}

static void plan_segments(struct winograd *w)
{
    const struct rn_shape *out = &w->config.out;
    size_t n = (size_t)w->config.n, begin = 0;
    size_t high = w->high = whole_tiles(out->h);
    size_t wide = w->wide = whole_tiles(out->w);
    size_t low = rn_divide_up((size_t)out->h, RN_INT8_TILE) - high;
    size_t narrow = rn_divide_up((size_t)out->w, RN_INT8_TILE) - wide;

    w->segments[NARROW] = (struct segment){0, 0, high, wide, narrow};
    w->segments[WHOLE] = (struct segment){0, 0, high, 0, wide};
    w->segments[LOW] = (struct segment){0, high, low, 0, wide};
    w->segments[SMALL] = (struct segment){0, high, low, wide, narrow};
    for (int i = 0; i <= SEGMENTS; i++) {
        w->segments[i].begin = begin;
        begin += n * w->segments[i].rows * w->segments[i].columns;
    }
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
    w->tiles = tiles_of(c);
    plan_segments(w);
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

/** Where a tile is: its image, and its outputs. */
struct tile {
    size_t image;
    struct rn_int8_place at;
};

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* The first output of a row or column of tiles, `whole` of which have 4. */
static int first_of(size_t number, size_t whole)
{
    return (int)(number < whole ? number * RN_INT8_TILE
                                : whole + number * (RN_INT8_TILE - 1));
}

/* Tile number `tile` of the batch. */
static struct tile tile_at(const struct winograd *w, size_t tile)
{
    const struct rn_shape *out = &w->config.out;
    const struct segment *s = w->segments;
    size_t row, column, each;
    struct rn_int8_place at = {.h = out->h, .w = out->w};

    while (tile >= s[1].begin)
        s++;
    tile -= s->begin;
    each = s->rows * s->columns;
    row = s->row + tile % each / s->columns;
    column = s->column + tile % s->columns;
    at.y = first_of(row, w->high);
    at.x = first_of(column, w->wide);
    at.rows = least(first_of(row + 1, w->high), out->h) - at.y;
    at.columns = least(first_of(column + 1, w->wide), out->w) - at.x;
    return (struct tile){tile / each, at};
}

/* Its patch of inputs. */
static struct tile patch_at(const struct winograd *w, size_t tile)
{
    const struct rn_conv_config *c = &w->config;
    struct tile t = tile_at(w, tile);

    t.at.y -= c->window.pad;
    t.at.x -= c->window.pad;
    t.at.h = c->in.h;
    t.at.w = c->in.w;
    return t;
}

static size_t tiles_in(const struct winograd *w, size_t chunk)
{
    size_t left = w->tiles - chunk * w->chunk;

    return left < w->chunk ? left : w->chunk;
}

/* The last pixels of a patch's rows, into the cache; the others are there since
 * the patch before. */
static void fetch_patch(const struct rn_int8_place *at, const uint8_t *x,
                        size_t pixel)
{
    int column = least(at->x + RN_INT8_SIDE, at->w) - 1;

    for (int y = at->y < 0 ? 0 : at->y; y < least(at->y + RN_INT8_SIDE, at->h);
         y++)
        __builtin_prefetch(x + ((size_t)y * (size_t)at->w + (size_t)column) *
                                   pixel);
}

/* Some of a chunk's tiles times blocks of inputs, tile after tile, to their
 * points. */
static void transform(const struct winograd *w, const struct rn_conv_args *args,
                      size_t chunk, struct rn_range r, int16_t *v)
{
    size_t plane = rn_shape_pixels(w->config.in) * w->block;
    size_t i = r.begin / w->in_blocks, block = r.begin % w->in_blocks;

    for (size_t left = r.end - r.begin; left > 0; i++, block = 0) {
        size_t number = chunk * w->chunk + i;
        struct tile t = patch_at(w, number), next = t;

        if (number + 1 < w->tiles)
            next = patch_at(w, number + 1);
        for (; block < w->in_blocks && left > 0; block++, left--) {
            const uint8_t *x = (const uint8_t *)args->src + block * plane;

            fetch_patch(&next.at, x + next.image * w->in_blocks * plane,
                        w->block);
            w->kernels->input(
                x + t.image * w->in_blocks * plane, &t.at, args->bytes->zero,
                v + (block * w->chunk + i) * w->block, w->v_point);
        }
    }
}

/* Of a chunk's tiles those with a result at this point: the last row of points
 * is for a fourth row of outputs alone, and so with columns. */
static struct rn_range tiles_with(const struct winograd *w, size_t chunk,
                                  struct rn_range tiles, size_t point)
{
    bool last_row = point / RN_INT8_SIDE == RN_INT8_SIDE - 1;
    bool last_column = point % RN_INT8_SIDE == RN_INT8_SIDE - 1;
    size_t first = chunk * w->chunk;
    size_t begin = w->segments[last_column ? WHOLE : NARROW].begin;
    size_t end = w->segments[last_row      ? LOW
                             : last_column ? SMALL
                                           : SEGMENTS]
                     .begin;

    begin = begin > first ? begin - first : 0;
    end = end > first ? end - first : 0;
    tiles.begin = most(tiles.begin, begin);
    tiles.end = tiles.end < end ? tiles.end : end;
    return tiles;
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

/* The plane of a tile's outputs, block number `out`. */
static char *plane_of(const struct winograd *w, const struct rn_conv_args *args,
                      const struct tile *t, size_t out)
{
    const struct rn_conv_config *c = &w->config;
    size_t number = c->output == RN_F32 ? sizeof(float) : 1;

    return (char *)args->dst + (t->image * w->out_blocks + out) *
                                   rn_shape_pixels(c->out) * w->block * number;
}

/* Bytes that tiles are added to, into the cache. */
static void fetch_outputs(const struct winograd *w,
                          const struct rn_conv_args *args, size_t chunk,
                          struct rn_range tiles, size_t out, int outs)
{
    size_t width = (size_t)w->config.out.w;

    for (size_t i = tiles.begin; i < tiles.end; i++) {
        struct tile t = tile_at(w, chunk * w->chunk + i);

        for (int k = 0; k < outs; k++)
            for (int y = 0; y < t.at.rows; y++)
                __builtin_prefetch(
                    plane_of(w, args, &t, out + (size_t)k) +
                        ((size_t)(t.at.y + y) * width + (size_t)t.at.x) *
                            w->block,
                    1, 2);
    }
}

/* Some tiles of a chunk, with what a pair of blocks of outputs has of them. */
static void multiply(const struct winograd *w, const struct rn_conv_args *args,
                     size_t chunk, struct rn_range tiles, size_t pair,
                     const int16_t *v, int32_t *m)
{
    size_t count = tiles.end - tiles.begin;
    int outs = 2 * pair + 1 < w->out_blocks ? 2 : 1;
    const int16_t *u = (const int16_t *)args->weights +
                       pair * RN_INT8_POINTS * point_numbers(w);

    for (size_t k = 0; k < RN_INT8_POINTS; k++) {
        struct rn_range with = tiles_with(w, chunk, tiles, k);
        struct rn_range share = rn_range_of(count, (int)k, RN_INT8_POINTS);

        share.begin += tiles.begin;
        share.end += tiles.begin;
        if (w->config.output == RN_U8)
            fetch_outputs(w, args, chunk, share, 2 * pair, outs);
        for (size_t part = 0; part < w->parts && with.begin < with.end; part++)
            multiply_point(w, with, outs,
                           rn_range_of(w->in_blocks, (int)part, (int)w->parts),
                           v + k * w->v_point, u + k * point_numbers(w),
                           m + (part * RN_INT8_POINTS + k) * w->m_point +
                               (with.begin - tiles.begin) * w->block);
    }
}

/* The same tiles and block of outputs, from their sums at all points. */
static void bring_back(const struct winograd *w,
                       const struct rn_conv_args *args, size_t chunk,
                       struct rn_range tiles, size_t out, const int32_t *m)
{
    size_t b = w->block;
    const int32_t *corrections =
        (const int32_t *)((const char *)args->weights + weight_bytes(w));
    struct rn_int8_wino_sums s = {
        .m_point = w->m_point,
        .parts = w->parts,
        .correction = corrections + out * b,
        .out = rn_int8_out_of(&w->config, args, out * b),
    };

    for (size_t i = tiles.begin; i < tiles.end; i++) {
        struct tile t = tile_at(w, chunk * w->chunk + i);

        s.m = m + (i - tiles.begin) * b;
        w->kernels->output(&s, &t.at, plane_of(w, args, &t, out));
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
    multiply(w, args, chunk, tiles, pair, v, m);
    for (size_t i = 2 * pair; i < 2 * pair + 2 && i < w->out_blocks; i++)
        bring_back(w, args, chunk, tiles, i, m + i % 2 * w->group * w->block);
}

/* All of a chunk, by one thread. */
static void run_own(const struct winograd *w, const struct rn_conv_args *args,
                    size_t chunk, int16_t *v, int32_t *m)
{
    transform(w, args, chunk,
              (struct rn_range){0, w->in_blocks * tiles_in(w, chunk)}, v);
    for (size_t pair = 0; pair < w->pairs; pair++)
        for (size_t group = 0; group < w->groups; group++)
            make_group(w, args, chunk, group, pair, v, m);
}

/* A thread's shares of a chunk that others work on. */
static void run_shared(const struct winograd *w,
                       const struct rn_conv_args *args, size_t chunk,
                       int16_t *v, int32_t *m)
{
    struct rn_range r = rn_share_mine(w->in_blocks * tiles_in(w, chunk));

    if (chunk > 0) {
#pragma omp barrier
    }
    transform(w, args, chunk, r, v);
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

    /* Not counted: points that some tiles have nothing at. */
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
