/* SPDX-License-Identifier: BSD-2-Clause */
/* 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3), or F(2x2, 3x3) where
 * a caller asks for it, all three passes, on blocked activations. A point's
 * sums over channels or tiles are taken by one thread in an order fixed by the
 * shapes: the same bits on any number of threads. In inference the batch does
 * not change them either: it decides only where transformed weights come
 * from. */
#include "ops/conv/algorithm.h"

#include "ops/conv/pair_kernels.h"
#include "ops/conv/winograd_kernels.h"
#include "ops/elementwise.h"
#include "ops/window.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

/* Transformed tiles of a thread's own chunk stay in its second-level cache;
 * those of a chunk shared by all threads in the third. */
#define OWN_CHUNK_BYTES    ((size_t)640 << 10)
#define SHARED_CHUNK_BYTES ((size_t)8 << 20)
/* Training transforms weights anew in each pass. Those that a single chunk of
 * at most so many bytes meets are made and used in slices of as many: reading
 * the chunk again from the third-level cache is paid for by weights that do
 * not leave it. */
#define SLICE_BYTES ((size_t)10 << 20)
/* From so many channels on, in and out together, transformed weights are too
 * much to read again for every small chunk. */
#define SHARED_CHANNELS 384

struct winograd {
    struct rn_conv_config config;
    const struct rn_wino_kernels *kernels;
    size_t number;  /* bytes of one, of activations */
    bool rounded;   /* points and weights are bfloat16 */
    size_t operand; /* bytes of one of those */
    size_t block, tile, points;
    size_t taps;                  /* weights of a window */
    struct rn_shape from, to;     /* of what is read and what tiles cover */
    size_t in_blocks, out_blocks; /* channel blocks read and made */
    size_t pairs; /* of the latter, as products make them: one block more where
                   * they are odd, of zeros, which nothing reads */
    int reach;    /* a patch starts so far before its tile */
    size_t columns, rows, tiles; /* of one image; of the batch */
    size_t chunk;                /* tiles between transform and back */
    bool together; /* all threads on one chunk, else each on its own */
    /* Of a weight gradient that threads sum apart: by blocks of inputs, and by
     * pairs of blocks of outputs. */
    size_t parts_in, parts_out;
    bool late;    /* weights are transformed block by block in each run */
    size_t slice; /* pairs of output blocks whose weights are there at once */
    size_t u_point, v_point, m_point; /* numbers between points */
};

/* --------------------------------------------------------------- planning */

/* Fewer tiles than so many do not repay reading 36 points' weights, four times
 * those of the convolution. */
#define LEAST_TILES 8
/* Nor do so many in inference, when so many bytes of weights come from memory:
 * a small batch has met a whole network's since it last saw a layer's. */
#define LEAST_TILES_COLD 16
#define COLD_BYTES       ((size_t)4 << 20)

/* Training in bfloat16 has them from more on, but for weight gradients. */
#define ROUNDED_CHANNELS_TRAIN 512
/* Inference in bfloat16 from so many channels on, in and out together, has
 * tiles of 2x2: their points and weights are bfloat16, multiplied twice as
 * fast, and so the weights of batch 1 are a quarter of the bytes. With fewer
 * channels the transforms outweigh that. */
#define ROUNDED_CHANNELS 256

static size_t tiles_of(const struct rn_conv_config *c, int tile)
{
    struct rn_shape over = c->pass == RN_CONV_BACKWARD_DATA ? c->in : c->out;

    return (size_t)c->n * (size_t)((over.h + tile - 1) / tile) *
           (size_t)((over.w + tile - 1) / tile);
}

/* Products make two blocks of channels at once: of odd ones so many that the
 * half that is made in vain weighs little. */
#define LEAST_ODD_BLOCKS 5

static bool pairs_up(int channels)
{
    int block = rn_block(), blocks = channels / block;

    return channels % block == 0 &&
           (blocks % 2 == 0 || blocks >= LEAST_ODD_BLOCKS);
}

static bool can(const struct rn_conv_config *c)
{
    const struct rn_window *w = &c->window;

    return !c->exact && !c->plain_input && w->kh == w->kw &&
           (w->kh == 3 || w->kh == 5) && w->stride == 1 && w->pad < w->kh &&
           pairs_up(c->in.c) && pairs_up(c->out.c);
}

/* Between values of bfloat16, too, its points are float32: faster than direct
 * products of bfloat16 (docs/performance.md). */
static int tile_of_5x5(const struct rn_conv_config *c)
{
    if (c->winograd)
        return c->winograd == 2 ? 2 : 0;
    return c->out.h >= 4 && c->out.w >= 4 ? 2 : 0;
}

static int least_tiles(const struct rn_conv_config *c)
{
    size_t weights = 36 * sizeof(float) * (size_t)c->in.c * (size_t)c->out.c;

    return weights > COLD_BYTES ? LEAST_TILES_COLD : LEAST_TILES;
}

/* Outputs a tile's side, 0 for no Winograd. Where it beats oneDNN's direct
 * kernels, by measurement (docs/performance.md): a rule and not a trial at
 * run time, so that a run resumes with the same sums. In inference it is one on
 * an image's shape, so that an answer has the same bits in every batch. */
static int tile_for(const struct rn_conv_config *c)
{
    if (!can(c))
        return 0;
    if (c->window.kh == 5)
        return tile_of_5x5(c);
    if (c->winograd)
        return c->winograd;
    if (c->train && tiles_of(c, 4) < LEAST_TILES)
        return 0;
    if (c->train)
        return c->input == RN_BF16 && c->pass != RN_CONV_BACKWARD_WEIGHTS &&
                       c->in.c + c->out.c >= ROUNDED_CHANNELS_TRAIN
                   ? 2
                   : 4;
    if (c->out.h < 4 || c->out.w < 4)
        return 0;
    return c->input == RN_BF16 && c->in.c + c->out.c >= ROUNDED_CHANNELS ? 2
                                                                         : 4;
}

/* Pairs of blocks of outputs, whose weights are transformed late, are not
 * enough for all threads when the largest share is so much over the mean. */
#define UNEVEN_PAIRS 1.25

/* Whether an inference step had better transform a block of weights at a time,
 * just before it is multiplied by few tiles, than read what was transformed
 * when the plan was made: the same numbers either way. */
static bool transforms_late(const struct rn_conv_config *c, int tile)
{
    size_t pair = 2 * (size_t)rn_block(), pairs = (size_t)c->out.c / pair;

    return !c->train && tile == 4 && tiles_of(c, 4) < (size_t)least_tiles(c) &&
           (size_t)c->out.c % pair == 0 &&
           rn_share_largest(pairs, c->threads) <= UNEVEN_PAIRS;
}

/* Of bfloat16 the small tiles' points are, too: their sums of four values lose
 * about what the output's rounding does, those of the large tiles much more. */
static bool rounds(const struct rn_conv_config *c)
{
    return c->input == RN_BF16 && c->pass != RN_CONV_BACKWARD_WEIGHTS &&
           c->window.kh == 3 && tile_for(c) == 2;
}

static bool applies(const struct rn_conv_config *c)
{
    return tile_for(c) > 0;
}

static size_t even(size_t a)
{
    return a + a % 2;
}

/* Tiles of a chunk: about `bytes` of transformed tiles, all chunks alike. */
static size_t chunk_of(const struct winograd *w, size_t bytes)
{
    size_t strip = (size_t)w->kernels->strip;
    size_t tile = w->points * w->block *
                  (w->in_blocks * w->operand + w->out_blocks * sizeof(float));
    size_t most = bytes / tile < 2 * strip ? 2 * strip : bytes / tile;
    size_t chunks = rn_divide_up(w->tiles, most);

    return even(rn_divide_up(w->tiles, chunks));
}

/* The same for chunks that threads take for their own: as many for each; 0
 * where that would leave them less than a strip of tiles. */
static size_t own_chunk(const struct winograd *w)
{
    size_t threads = (size_t)w->config.threads,
           strip = (size_t)w->kernels->strip;
    size_t chunk = chunk_of(w, OWN_CHUNK_BYTES);
    size_t chunks = rn_divide_up(w->tiles, chunk);

    if (chunks < 8 * threads && chunks % threads)
        chunk = even(
            rn_divide_up(w->tiles, rn_divide_up(chunks, threads) * threads));
    return threads > 1 && chunk < strip ? 0 : chunk;
}

/* The weight gradient rereads its sums for every chunk: as many tiles as
 * make both sides cost the same, the channels' harmonic mean. */
static size_t chunk_of_sums(const struct winograd *w)
{
    size_t most = 2 * w->in_blocks * w->out_blocks * w->block /
                  (w->in_blocks + w->out_blocks);

    return rn_divide_up(w->tiles, rn_divide_up(w->tiles, most));
}

/* A chunk that all threads share outweighs the weights read for it. */
static size_t shared_chunk_bytes(const struct winograd *w)
{
    size_t weights =
        w->points * (size_t)w->from.c * (size_t)w->to.c * w->operand;

    return weights > SHARED_CHUNK_BYTES ? weights : SHARED_CHUNK_BYTES;
}

static bool own_weights(const struct winograd *w)
{
    return w->config.train;
}

/* Pairs of output blocks of a slice of the weights; all slices alike. */
static size_t slice_of(const struct winograd *w)
{
    size_t pairs = w->pairs, most;
    size_t chunk = w->points * (w->v_point + w->m_point) * sizeof(float);
    size_t pair = w->points * (size_t)w->from.c * 2 * w->block * sizeof(float);

    if (!own_weights(w) || !w->together || w->chunk < w->tiles ||
        chunk > SLICE_BYTES)
        return pairs;
    most = SLICE_BYTES / pair;
    return rn_divide_up(pairs, rn_divide_up(pairs, most ? most : 1));
}

/* A block more, or points would lie in the same places of the caches. */
static void place_points(struct winograd *w)
{
    size_t row = w->chunk * w->block;

    w->v_point = w->in_blocks / w->parts_in * row + w->block;
    w->m_point = 2 * w->pairs / w->parts_out * row + w->block;
}

/* Bytes of a chunk's points on their way in, and of all. */
static size_t v_bytes(const struct winograd *w)
{
    return w->points * w->v_point * w->operand;
}

static size_t chunk_bytes(const struct winograd *w)
{
    return v_bytes(w) + w->points * w->m_point * sizeof(float);
}

/* Transforms that threads make twice, so that none reads what another one has
 * written, as a share of the products' numbers of channels at which it pays. */
#define SHARE_MADE_TWICE 4

/* A part of the weight gradient's channels for each thread, which transforms
 * what it needs of both sides; or all threads together where that is too much,
 * sums are made in slices, or a chunk for each thread would not be in a cache.
 */
static void part_channels(struct winograd *w)
{
    size_t threads = (size_t)w->config.threads;
    size_t least = w->in_blocks * w->out_blocks / SHARE_MADE_TWICE;

    /* Of two alike the last: inputs take less to transform than gradients. */
    for (size_t out = 1; out <= threads && w->out_blocks % 2 == 0; out++) {
        size_t in = threads / out;
        size_t twice = (out - 1) * w->in_blocks + (in - 1) * w->out_blocks;

        if (threads % out || w->pairs % out || w->in_blocks % in ||
            twice > least)
            continue;
        least = twice;
        w->parts_in = in;
        w->parts_out = out;
        w->together = false;
    }
    place_points(w);
}

static const struct rn_wino_kernels *kernels_of(const struct rn_conv_config *c)
{
    if (c->window.kh == 5)
        return rn_wino2x5_kernels_get(c->input);
    return tile_for(c) == 4 ? rn_wino4x3_kernels_get(c->input)
                            : rn_wino2x3_kernels_get(c->input);
}

static void make_plan(struct winograd *w, const struct rn_conv_config *c)
{
    size_t block = (size_t)rn_block();
    bool data = c->pass == RN_CONV_BACKWARD_DATA;

    w->config = *c;
    w->kernels = kernels_of(c);
    w->number = rn_dtype_bytes(c->input);
    w->rounded = rounds(c);
    w->operand = w->rounded ? rn_dtype_bytes(RN_BF16) : sizeof(float);
    w->tile = (size_t)w->kernels->tile;
    w->points = (size_t)w->kernels->points;
    w->taps = (size_t)(w->kernels->side * w->kernels->side);
    w->block = block;
    /* The data gradient is a convolution of the output's gradient with the
     * weights turned round. */
    w->from = data ? c->out : c->in;
    w->to = data ? c->in : c->out;
    w->reach = data ? w->kernels->side - 1 - c->window.pad : c->window.pad;
    w->in_blocks = (size_t)w->from.c / block;
    w->out_blocks = (size_t)w->to.c / block;
    w->pairs = rn_divide_up(w->out_blocks, 2);
    w->columns = rn_divide_up((size_t)w->to.w, w->tile);
    w->rows = rn_divide_up((size_t)w->to.h, w->tile);
    w->tiles = (size_t)c->n * w->rows * w->columns;
    w->late = transforms_late(c, w->kernels->tile);
    w->together = c->pass == RN_CONV_BACKWARD_WEIGHTS || w->late ||
                  w->from.c + w->to.c >= SHARED_CHANNELS || !own_chunk(w);
    w->chunk = c->pass == RN_CONV_BACKWARD_WEIGHTS ? chunk_of_sums(w)
               : w->together ? chunk_of(w, shared_chunk_bytes(w))
                             : own_chunk(w);
    w->parts_in = w->parts_out = 1;
    place_points(w);
    w->slice = slice_of(w);
    if (c->pass == RN_CONV_BACKWARD_WEIGHTS && w->slice == w->pairs &&
        chunk_bytes(w) <= SLICE_BYTES)
        part_channels(w);
    w->u_point = (size_t)w->from.c * w->slice * 2 * block + block;
}

static size_t packed_bytes(const struct winograd *w)
{
    return w->late ? rn_conv_weights_count(w->to.c, w->from.c, w->config.window,
                                           false) *
                         sizeof(float)
                   : w->points * w->u_point * w->operand;
}

static size_t scratch_bytes(const struct winograd *w)
{
    size_t teams = w->together ? 1 : (size_t)w->config.threads;

    return (own_weights(w) ? w->points * w->u_point * w->operand : 0) +
           teams * chunk_bytes(w);
}

/* ---------------------------------------------------------------- weights */

enum { TAPS_MOST = 25, BLOCK_MOST = 16 };
/* Transformed weights of a block of inputs and a pair of blocks of outputs. */
enum { LATE_POINT_MOST = 2 * BLOCK_MOST * BLOCK_MOST + BLOCK_MOST };

/* Floats between points of these. */
static size_t late_point(const struct winograd *w)
{
    return 2 * w->block * w->block + w->block;
}

/* Where the transformed weights of one input channel and one block of output
 * channels, counted within their slice, lie:
 * [point][pair of blocks][input channel][2][B]. */
static size_t u_offset(const struct winograd *w, size_t out_block, size_t in)
{
    size_t block = w->block;

    return ((out_block / 2 * w->in_blocks * block + in) * 2 + out_block % 2) *
           block;
}

/* Those of the block that makes a pair of an odd one, as [taps][B]. */
static const float no_taps[TAPS_MOST * BLOCK_MOST];

/* The store's weights [o / B][i / B][taps][B i][B o], forward: as they are. */
static const float *forward_taps(const struct winograd *w, const float *store,
                                 size_t out_block, size_t in)
{
    size_t block = w->block;

    return store + ((out_block * w->in_blocks + in / block) * w->taps * block +
                    in % block) *
                       block;
}

/* Backward: input channels and output channels change places, and the taps
 * turn round. `taps` is [taps][B]. */
static void backward_taps(const struct winograd *w, const float *store,
                          size_t out_block, size_t in, float *taps)
{
    size_t block = w->block;
    const float *from = store + (in / block * w->out_blocks + out_block) *
                                    w->taps * block * block;

    for (size_t k = 0; k < w->taps; k++)
        for (size_t i = 0; i < block; i++)
            taps[(w->taps - 1 - k) * block + i] =
                from[(k * block + i) * block + in % block];
}

static void plain_taps(const struct winograd *w, const float *oihw,
                       size_t out_block, size_t in, float *taps)
{
    size_t block = w->block, channels = w->in_blocks * block;

    for (size_t i = 0; i < block; i++)
        for (size_t k = 0; k < w->taps; k++)
            taps[k * block + i] =
                oihw[((out_block * block + i) * channels + in) * w->taps + k];
}

/** Pairs of output blocks [first, first + pairs). */
struct slice {
    size_t first, pairs;
};

/* False when there is no slice of that number. */
static bool slice_at(const struct winograd *w, size_t number, struct slice *s)
{
    size_t all = w->pairs, first = number * w->slice;

    if (first >= all)
        return false;
    s->first = first;
    s->pairs = all - first < w->slice ? all - first : w->slice;
    return true;
}

/* An input channel by a block of outputs each. */
static size_t weight_items(const struct winograd *w, const struct slice *s)
{
    return 2 * s->pairs * w->in_blocks * w->block;
}

/* This thread's share of transforming a slice of the store's weights. */
static void transform_weights(const struct winograd *w, const float *store,
                              float *u, const struct slice *s, int me, int team)
{
    const struct rn_wino_kernels *k = w->kernels;
    size_t block = w->block, channels = w->in_blocks * block;
    struct rn_range r = rn_share_of(weight_items(w, s), me, team);
    bool data = w->config.pass == RN_CONV_BACKWARD_DATA;
    float taps[TAPS_MOST * BLOCK_MOST];

    for (size_t item = r.begin; item < r.end; item++) {
        size_t out = 2 * s->first + item / channels, in = item % channels;
        float *to = u + u_offset(w, item / channels, in);

        if (out >= w->out_blocks) {
            k->weights(no_taps, block, to, w->u_point);
        } else if (data) {
            backward_taps(w, store, out, in, taps);
            k->weights(taps, block, to, w->u_point);
        } else {
            k->weights(forward_taps(w, store, out, in), block * block, to,
                       w->u_point);
        }
    }
}

enum { ROUNDED_POINTS = 16 };

/* The same rounded, in pairs of input channels, block by block. */
static void transform_rounded(const struct winograd *w, const float *store,
                              uint16_t *u, const struct slice *s, int me,
                              int team)
{
    const struct rn_pair_kernels *pairs = rn_pair_kernels_get();
    _Alignas(64) float points[ROUNDED_POINTS * BLOCK_MOST * BLOCK_MOST];
    size_t block = w->block, square = block * block;
    struct rn_range r = rn_share_of(2 * s->pairs * w->in_blocks, me, team);
    bool data = w->config.pass == RN_CONV_BACKWARD_DATA;
    float taps[TAPS_MOST * BLOCK_MOST];

    for (size_t item = r.begin; item < r.end; item++) {
        size_t local = item / w->in_blocks, out = 2 * s->first + local;
        size_t first = item % w->in_blocks * block;
        uint16_t *to =
            u + u_offset(w, local - local % 2, first) + local % 2 * 2 * block;

        for (size_t i = 0; i < block; i++) {
            const float *from = no_taps;
            size_t step = block;

            if (out < w->out_blocks && data) {
                backward_taps(w, store, out, first + i, taps);
                from = taps;
            } else if (out < w->out_blocks) {
                from = forward_taps(w, store, out, first + i);
                step = square;
            }
            w->kernels->weights(from, step, points + i * block, square);
        }
        for (size_t p = 0; p < w->points; p++)
            pairs->pack(points + p * square, 4 * block, to + p * w->u_point);
    }
}

/* The transformed weights of one input channel and one block of outputs into
 * [point][pair of blocks][input channel / 2][2][B][2]. */
static void pack_rounded(const struct winograd *w, size_t out_block, size_t in,
                         const float *points, uint16_t *packed)
{
    size_t block = w->block;
    size_t to = u_offset(w, out_block - out_block % 2, in - in % 2) +
                out_block % 2 * 2 * block + in % 2;

    for (size_t p = 0; p < w->points; p++)
        for (size_t i = 0; i < block; i++)
            packed[p * w->u_point + to + 2 * i] =
                rn_bf16_of(points[p * block + i]);
}

static int pack(void *plan, const float *oihw, void *to, struct rn_error *err)
{
    const struct winograd *w = plan;
    const struct rn_wino_kernels *k = w->kernels;
    size_t block = w->block, channels = w->in_blocks * block;
    float *packed = to;

    (void)err;
    if (w->late) {
        rn_conv_weights_pack(oihw, packed, w->to.c, w->from.c, w->config.window,
                             false, w->config.threads);
        return RN_OK;
    }
#pragma omp parallel for num_threads(w->config.threads)
    for (size_t item = 0; item < 2 * w->pairs * channels; item++) {
        float taps[TAPS_MOST * BLOCK_MOST] = {0};
        float points[RN_WINO_POINTS_MOST * BLOCK_MOST];
        size_t out = item / channels, in = item % channels;

        if (out < w->out_blocks)
            plain_taps(w, oihw, out, in, taps);
        if (w->rounded) {
            k->weights(taps, block, points, block);
            pack_rounded(w, out, in, points, to);
        } else {
            k->weights(taps, block, packed + u_offset(w, out, in), w->u_point);
        }
    }
    return RN_OK;
}

/* ------------------------------------------------------------------ tiles */

/** One side of the transforms: planes of pixels, cut into tiles that read
 *  `reach` pixels around them. */
struct side {
    const void *pixels;
    size_t blocks;
    struct rn_range own; /* of these, those that a chunk has */
    struct rn_shape shape;
    int reach;
};

/** Tiles [first, first + count) on their way through, and of which blocks of
 *  inputs and pairs of blocks of outputs. */
struct chunk {
    size_t first, count;
    struct rn_range in, pairs;
    char *v;
    float *m;
    int me, team; /* team 0: it is this thread's own */
};

static size_t length(const struct rn_range *r)
{
    return r->end - r->begin;
}

static struct rn_range share_in(const struct chunk *c, size_t items)
{
    return c->team ? rn_share_of(items, c->me, c->team)
                   : (struct rn_range){0, items};
}

static struct rn_range share_of(const struct side *s, const struct chunk *c)
{
    return share_in(c, length(&s->own) * c->count);
}

/** A block of one tile, and where its plane (in bytes) and its points lie. */
struct tile {
    size_t block, plane, points;
    struct rn_wino_place at;
};

static size_t plane_bytes(const struct winograd *w, const struct side *s)
{
    return rn_shape_pixels(s->shape) * w->block * w->number;
}

/* Number `item` of a chunk, which has block after block of its tiles. */
static struct tile tile_at(const struct winograd *w, const struct side *s,
                           const struct chunk *c, size_t item)
{
    size_t local = item / c->count, block = s->own.begin + local;
    size_t t = item % c->count, tile = c->first + t;
    size_t column = tile % w->columns, row = tile / w->columns;
    size_t image = row / w->rows;

    row %= w->rows;
    return (struct tile){
        .block = block,
        .plane = (image * s->blocks + block) * plane_bytes(w, s),
        .points = (local * w->chunk + t) * w->block,
        .at = {.h = s->shape.h,
               .w = s->shape.w,
               .y = (int)(row * w->tile) - s->reach,
               .x = (int)(column * w->tile) - s->reach},
    };
}

static const char *own_pixels(const struct winograd *w, const struct side *s,
                              const struct tile *t)
{
    size_t y = (size_t)(t->at.y + s->reach), x = (size_t)(t->at.x + s->reach);

    return (const char *)s->pixels + t->plane +
           (y * (size_t)s->shape.w + x) * w->block * w->number;
}

/* The same, with the pixels of the tile that this thread has after as many
 * others as the chunk has: of the next block, or of the next chunk. */
static struct tile tile_with_later(const struct winograd *w,
                                   const struct side *s, const struct chunk *c,
                                   const struct rn_range *share, size_t item)
{
    struct tile t = tile_at(w, s, c, item), later;
    struct chunk next = *c;
    size_t over = item + c->count - share->end;

    t.at.later = own_pixels(w, s, &t);
    if (item + c->count < share->end) {
        t.at.later = own_pixels(w, s, &t) + plane_bytes(w, s);
        return t;
    }
    next.first += c->count;
    item = share->begin + over < share->end ? share->begin + over : item;
    later = tile_at(w, s, &next, item);
    t.at.later = own_pixels(w, s, &later);
    return t;
}

/* The blocks of outputs that there are in a chunk's pairs. */
static struct rn_range made_by(const struct winograd *w, const struct chunk *c)
{
    size_t end = 2 * c->pairs.end;

    return (struct rn_range){2 * c->pairs.begin,
                             end < w->out_blocks ? end : w->out_blocks};
}

/* Number `at` of the points on their way in. */
static void *v_at(const struct winograd *w, const struct chunk *c, size_t at)
{
    return c->v + at * w->operand;
}

static void transform_in(const struct winograd *w, const void *x,
                         const struct chunk *c)
{
    struct side s = {x, w->in_blocks, c->in, w->from, w->reach};
    struct rn_range r = share_of(&s, c);

    for (size_t i = r.begin; i < r.end; i++) {
        struct tile t = tile_with_later(w, &s, c, &r, i);
        const char *plane = (const char *)x + t.plane;

        if (w->rounded)
            w->kernels->input_rounded(plane, &t.at, v_at(w, c, t.points),
                                      w->v_point);
        else
            w->kernels->input(plane, &t.at, v_at(w, c, t.points), w->v_point);
    }
}

/* The block that makes a pair of an odd one, for all chunks. */
static void clear_odd(const struct winograd *w, const struct chunk *c)
{
    struct rn_range r = share_in(c, w->points);
    size_t row = w->chunk * w->block;

    for (size_t p = r.begin; p < r.end; p++)
        memset(c->m + p * w->m_point + w->out_blocks * row, 0,
               row * sizeof(*c->m));
}

static void transform_gradient(const struct winograd *w, const void *dy,
                               const struct chunk *c)
{
    struct side s = {dy, w->out_blocks, made_by(w, c), w->to, 0};
    struct rn_range r = share_of(&s, c);

    if (w->out_blocks % 2 && c->first == 0)
        clear_odd(w, c);

    for (size_t i = r.begin; i < r.end; i++) {
        struct tile t = tile_with_later(w, &s, c, &r, i);

        w->kernels->gradient((const char *)dy + t.plane, &t.at, c->m + t.points,
                             w->m_point);
    }
}

static void transform_out(const struct winograd *w, const float *bias, void *y,
                          const struct chunk *c)
{
    struct side s = {y, w->out_blocks, made_by(w, c), w->to, 0};
    struct rn_range r = share_of(&s, c);
    struct rn_wino_finish finish = {NULL, w->config.sum, w->config.relu};

    for (size_t i = r.begin; i < r.end; i++) {
        struct tile t = tile_with_later(w, &s, c, &r, i);

        finish.bias = bias ? bias + t.block * w->block : NULL;
        w->kernels->output(c->m + t.points, w->m_point, &t.at, &finish,
                           (char *)y + t.plane);
    }
}

/* One point's weights of one pair of blocks of outputs. */
static const void *panel_of(const struct winograd *w, const void *u,
                            const struct slice *s, size_t item)
{
    size_t at = item / s->pairs * w->u_point +
                item % s->pairs * w->in_blocks * w->block * 2 * w->block;

    return (const char *)u + at * w->operand;
}

/* Strips of one length, so that none is too short to be fast. */
static size_t strips_of(const struct winograd *w, size_t tiles)
{
    return rn_divide_up(tiles, (size_t)w->kernels->strip);
}

/* Points by pairs of blocks of outputs by strips. */
static size_t product_items(const struct winograd *w, const struct slice *s,
                            size_t tiles)
{
    return w->points * s->pairs * strips_of(w, tiles);
}

/* All points' products with a slice of the weights. The last strip may hold
 * tiles beyond `count`: what is made of them is not read. */
static void multiply(const struct winograd *w, const void *u,
                     const struct slice *s, const struct chunk *c)
{
    const struct rn_wino_kernels *k = w->kernels;
    size_t block = w->block, strips = strips_of(w, c->count);
    size_t strip = even(rn_divide_up(c->count, strips));
    size_t row = w->chunk * block, weights = block * block * w->operand;
    struct rn_range r = share_in(c, product_items(w, s, c->count));

    for (size_t i = r.begin; i < r.end; i++) {
        size_t panel = i / strips, n = i % strips;
        size_t point = panel / s->pairs, pair = s->first + panel % s->pairs;
        size_t t = n * strip, left = c->count - t;
        struct rn_wino_product p = {
            .v = v_at(w, c, point * w->v_point + t * block),
            .v_block = row,
            .blocks = w->in_blocks,
            .u = panel_of(w, u, s, panel),
            .m = c->m + point * w->m_point + 2 * pair * row + t * block,
            .m_block = row,
        };

        if ((panel + 1) * strips < r.end)
            p.ahead = rn_ahead_of(panel_of(w, u, s, panel + 1),
                                  w->in_blocks * weights, w->in_blocks, weights,
                                  n, strips);
        if (w->rounded)
            k->multiply_rounded((int)(left < strip ? left : strip), &p);
        else
            k->multiply((int)(left < strip ? left : strip), &p);
    }
}

/* Transformed weights of one block of inputs and a pair of blocks of outputs:
 * u[point][B in][2][B out]. The next block's are asked for meanwhile. */
static void transform_block(const struct winograd *w, const float *store,
                            size_t pair, size_t in_block, float *u)
{
    size_t block = w->block, next = w->taps * block * block;

    for (size_t i = 0; i < block; i++)
        for (size_t k = 0; k < 2; k++) {
            const float *taps =
                forward_taps(w, store, 2 * pair + k, in_block * block + i);

            for (size_t tap = 0; tap < w->taps; tap++)
                __builtin_prefetch(taps + next + tap * block * block, 0, 2);
            w->kernels->weights(taps, block * block, u + (2 * i + k) * block,
                                late_point(w));
        }
}

/* All points' products with weights as the store has them, block by block. The
 * transformed ones are on the stack: wherever else they lay, a thread of two
 * took from a third longer to twice as long. */
static void multiply_late(const struct winograd *w, const float *store,
                          const struct chunk *c)
{
    _Alignas(64) float u[RN_WINO_POINTS_MOST * LATE_POINT_MOST];
    size_t block = w->block, row = w->chunk * block;
    size_t strips = rn_divide_up(c->count, (size_t)w->kernels->strip);
    size_t strip = even(rn_divide_up(c->count, strips));
    struct rn_range r = share_in(c, w->pairs);

    for (size_t pair = r.begin; pair < r.end; pair++)
        for (size_t b = 0; b < w->in_blocks; b++) {
            transform_block(w, store, pair, b, u);
            for (size_t i = 0; i < w->points * strips; i++) {
                size_t point = i / strips, t = i % strips * strip;
                size_t left = c->count - t;
                struct rn_wino_product p = {
                    .v = v_at(w, c, point * w->v_point + b * row + t * block),
                    .v_block = row,
                    .blocks = 1,
                    .u = u + point * late_point(w),
                    .m = c->m + point * w->m_point + 2 * pair * row + t * block,
                    .m_block = row,
                    .add = b > 0,
                };

                w->kernels->multiply((int)(left < strip ? left : strip), &p);
            }
        }
}

/* Points by pairs of blocks of outputs by blocks of inputs. */
static size_t sum_items(const struct winograd *w, const struct slice *s)
{
    return w->points * s->pairs * w->in_blocks / w->parts_in;
}

/* The sums of a slice that the chunk has. */
static void accumulate(const struct winograd *w, float *du,
                       const struct slice *s, const struct chunk *c)
{
    const struct rn_wino_kernels *k = w->kernels;
    size_t block = w->block, row = w->chunk * block;
    size_t blocks = length(&c->in);
    struct rn_range r = share_in(c, sum_items(w, s));

    for (size_t i = r.begin; i < r.end; i++) {
        size_t panel = i / blocks, b = i % blocks;
        size_t point = panel / s->pairs, pair = panel % s->pairs;
        const float *dy = c->m + point * w->m_point +
                          2 * (s->first + pair - c->pairs.begin) * row;
        float *to = du + point * w->u_point +
                    (pair * w->in_blocks + c->in.begin + b) * 2 * block * block;

        k->accumulate(v_at(w, c, point * w->v_point + b * row), dy, row,
                      c->count, c->first == 0, to);
    }
}

/* ----------------------------------------------------------------- passes */

static size_t tiles_in(const struct winograd *w, size_t chunk)
{
    size_t left = w->tiles - chunk * w->chunk;

    return left < w->chunk ? left : w->chunk;
}

static struct chunk chunk_at(const struct winograd *w, size_t number,
                             char *memory, int me, int team)
{
    return (struct chunk){
        .first = number * w->chunk,
        .count = tiles_in(w, number),
        .in = {0, w->in_blocks},
        .pairs = {0, w->pairs},
        .v = memory,
        .m = (float *)(memory + v_bytes(w)),
        .me = me,
        .team = team,
    };
}

struct product {
    const void *x;
    const float *bias;
    const float *store; /* weights to transform into `slice`, or NULL */
    const void *u;      /* transformed ones, or with `late` the store's */
    void *slice;
    atomic_size_t next; /* chunk, where every thread takes its own */
    char *memory;
    void *y;
};

static void transform_slice(const struct winograd *w, const struct product *p,
                            const struct slice *s)
{
    int me = omp_get_thread_num(), team = omp_get_num_threads();

    if (w->rounded)
        transform_rounded(w, p->store, p->slice, s, me, team);
    else
        transform_weights(w, p->store, p->slice, s, me, team);
}

/* Every thread takes chunks of its own. */
static void run_apart(const struct winograd *w, struct product *p)
{
    size_t chunks = rn_divide_up(w->tiles, w->chunk), i;
    char *memory = p->memory + (size_t)omp_get_thread_num() * chunk_bytes(w);
    const struct slice all = {0, w->pairs};

    if (p->store) {
        transform_slice(w, p, &all);
#pragma omp barrier
    }
    while ((i = rn_share_next(&p->next)) < chunks) {
        struct chunk c = chunk_at(w, i, memory, 0, 0);

        transform_in(w, p->x, &c);
        multiply(w, p->u, &all, &c);
        transform_out(w, p->bias, p->y, &c);
    }
}

/* All threads on one chunk after the other. */
static void run_together(const struct winograd *w, const struct product *p)
{
    size_t chunks = rn_divide_up(w->tiles, w->chunk);

    for (size_t i = 0; i < chunks; i++) {
        struct chunk c = chunk_at(w, i, p->memory, omp_get_thread_num(),
                                  omp_get_num_threads());
        struct slice s;

        transform_in(w, p->x, &c);
        for (size_t k = 0; !w->late && slice_at(w, k, &s); k++) {
            if (i == 0 && p->store)
                transform_slice(w, p, &s);
#pragma omp barrier
            multiply(w, p->u, &s, &c);
#pragma omp barrier
        }
        if (w->late) {
#pragma omp barrier
            multiply_late(w, p->u, &c);
#pragma omp barrier
        }
        transform_out(w, p->bias, p->y, &c);
    }
}

static void run_product(const struct winograd *w, const struct rn_conv_args *a)
{
    bool data = w->config.pass == RN_CONV_BACKWARD_DATA;
    char *scratch = a->scratch;
    bool own = own_weights(w);
    struct product p = {
        .x = data ? a->diff_dst : a->src,
        .bias = w->config.bias ? a->bias : NULL,
        .store = own ? a->weights : NULL,
        .u = own ? scratch : a->weights,
        .slice = scratch,
        .y = data ? a->diff_src : a->dst,
        .memory = own ? scratch + w->points * w->u_point * w->operand : scratch,
    };
#pragma omp parallel num_threads(w->config.threads)
    {
        if (w->together)
            run_together(w, &p);
        else
            run_apart(w, &p);
    }
}

/* This thread's share of a slice's sums' way back to 3x3, of those that the
 * chunk has. */
static void finish_weights(const struct winograd *w, const float *du,
                           float *store, const struct slice *s,
                           const struct chunk *c)
{
    const struct rn_wino_kernels *k = w->kernels;
    size_t block = w->block, channels = length(&c->in) * block;
    struct rn_range r = share_in(c, weight_items(w, s) / w->parts_in);

    for (size_t i = r.begin; i < r.end; i++) {
        size_t out = 2 * s->first + i / channels;
        size_t in = c->in.begin * block + i % channels;
        size_t at =
            ((out * w->in_blocks + in / block) * w->taps * block + in % block) *
            block;

        if (out < w->out_blocks)
            k->weights_gradient(du + u_offset(w, i / channels, in), w->u_point,
                                store + at, block * block);
    }
}

/* All threads on one chunk after the other. */
static void sum_together(const struct winograd *w, const struct rn_conv_args *a,
                         int me, int team)
{
    size_t chunks = rn_divide_up(w->tiles, w->chunk);
    float *du = a->scratch;
    char *memory = (char *)(du + w->points * w->u_point);
    struct slice s;

    for (size_t i = 0; i < chunks; i++) {
        struct chunk c = chunk_at(w, i, memory, me, team);

        transform_in(w, a->src, &c);
        transform_gradient(w, a->diff_dst, &c);
#pragma omp barrier
        for (size_t k = 0; slice_at(w, k, &s); k++) {
            accumulate(w, du, &s, &c);
#pragma omp barrier
            if (i + 1 < chunks)
                continue;
            finish_weights(w, du, a->diff_weights, &s, &c);
#pragma omp barrier
        }
    }
}

/* All chunks of one part of the channels: the same sums in the same order. */
static void sum_part(const struct winograd *w, const struct rn_conv_args *a,
                     size_t number)
{
    size_t chunks = rn_divide_up(w->tiles, w->chunk);
    int in = (int)(number % w->parts_in), out = (int)(number / w->parts_in);
    struct rn_range pairs = rn_range_of(w->pairs, out, (int)w->parts_out);
    struct slice s = {pairs.begin, length(&pairs)};
    float *du = a->scratch, *own = du + u_offset(w, 2 * pairs.begin, 0);
    char *memory =
        (char *)(du + w->points * w->u_point) + number * chunk_bytes(w);
    struct chunk c;

    for (size_t i = 0; i < chunks; i++) {
        c = chunk_at(w, i, memory, 0, 0);
        c.in = rn_range_of(w->in_blocks, in, (int)w->parts_in);
        c.pairs = pairs;
        transform_in(w, a->src, &c);
        transform_gradient(w, a->diff_dst, &c);
        accumulate(w, own, &s, &c);
    }
    finish_weights(w, own, a->diff_weights, &s, &c);
}

static size_t parts_of(const struct winograd *w)
{
    return w->parts_in * w->parts_out;
}

static void run_weights_gradient(const struct winograd *w,
                                 const struct rn_conv_args *a)
{
#pragma omp parallel num_threads(w->config.threads)
    {
        int me = omp_get_thread_num(), team = omp_get_num_threads();

        if (w->together) {
            sum_together(w, a, me, team);
        } else {
            struct rn_range r = rn_share_of(parts_of(w), me, team);

            for (size_t i = r.begin; i < r.end; i++)
                sum_part(w, a, i);
        }
        rn_conv_bias_gradient(&w->config, a, me, team);
    }
}

static int run(void *plan, const struct rn_conv_args *args,
               struct rn_error *err)
{
    const struct winograd *w = plan;

    (void)err;
    if (w->config.pass == RN_CONV_BACKWARD_WEIGHTS)
        run_weights_gradient(w, args);
    else
        run_product(w, args);
    return RN_OK;
}

/* ----------------------------------------------------------------- shares */

/* A number that a transform reads or makes takes the time of so many
 * multiply-adds: transforms are two fifths of 64 channels' time, and there are
 * 4,096 products to 128 such numbers at each point (docs/performance.md). */
#define COST_OF_POINT 16.0

/* Of one tile's or one channel's points for a block of channels. */
static double transform_cost(const struct winograd *w)
{
    return COST_OF_POINT * (double)(w->points * w->block);
}

/* Of one point and a pair of blocks of outputs. */
static double product_cost(const struct winograd *w, size_t tiles)
{
    return (double)(tiles * w->in_blocks * w->block * 2 * w->block);
}

static void tally_weights(const struct winograd *w, struct rn_shares *s,
                          const struct slice *slice)
{
    if (w->rounded)
        rn_shares_even(s, 2 * slice->pairs * w->in_blocks,
                       (double)w->block * transform_cost(w));
    else
        rn_shares_even(s, weight_items(w, slice), transform_cost(w));
}

static void tally_apart(const struct winograd *w, struct rn_shares *s)
{
    size_t chunks = rn_divide_up(w->tiles, w->chunk);
    const struct slice all = {0, w->pairs};

    if (own_weights(w)) {
        tally_weights(w, s, &all);
        rn_shares_barrier(s);
    }
    for (size_t i = 0; i < chunks; i++) {
        size_t tiles = tiles_in(w, i);

        rn_shares_next(s, (double)(tiles * (w->in_blocks + w->out_blocks)) *
                                  transform_cost(w) +
                              (double)(w->points * all.pairs) *
                                  product_cost(w, tiles));
    }
    rn_shares_barrier(s);
}

static void tally_together(const struct winograd *w, struct rn_shares *s)
{
    size_t chunks = rn_divide_up(w->tiles, w->chunk);

    for (size_t i = 0; i < chunks; i++) {
        size_t tiles = tiles_in(w, i);
        struct slice slice;

        rn_shares_even(s, w->in_blocks * tiles, transform_cost(w));
        for (size_t k = 0; !w->late && slice_at(w, k, &slice); k++) {
            if (i == 0 && own_weights(w))
                tally_weights(w, s, &slice);
            rn_shares_barrier(s);
            rn_shares_even(s, product_items(w, &slice, tiles),
                           product_cost(w, tiles) /
                               (double)strips_of(w, tiles));
            rn_shares_barrier(s);
        }
        if (w->late) {
            rn_shares_barrier(s);
            rn_shares_even(s, w->pairs,
                           (double)(2 * w->from.c) * transform_cost(w) +
                               (double)w->points * product_cost(w, tiles));
            rn_shares_barrier(s);
        }
        rn_shares_even(s, w->out_blocks * tiles, transform_cost(w));
    }
    rn_shares_barrier(s);
}

static void tally_sums_together(const struct winograd *w, struct rn_shares *s)
{
    size_t chunks = rn_divide_up(w->tiles, w->chunk);

    for (size_t i = 0; i < chunks; i++) {
        size_t tiles = tiles_in(w, i);
        struct slice slice;

        rn_shares_even(s, w->in_blocks * tiles, transform_cost(w));
        if (w->out_blocks % 2 && i == 0)
            rn_shares_even(s, w->points,
                           (double)(w->chunk * w->block * sizeof(float)) *
                               RN_COST_OF_BYTE);
        rn_shares_even(s, w->out_blocks * tiles, transform_cost(w));
        rn_shares_barrier(s);
        for (size_t k = 0; slice_at(w, k, &slice); k++) {
            rn_shares_even(s, sum_items(w, &slice),
                           product_cost(w, tiles) / (double)w->in_blocks);
            rn_shares_barrier(s);
            if (i + 1 < chunks)
                continue;
            rn_shares_even(s, weight_items(w, &slice), transform_cost(w));
            rn_shares_barrier(s);
        }
    }
}

static void tally_parts(const struct winograd *w, struct rn_shares *s)
{
    const struct slice own = {0, w->pairs / w->parts_out};
    size_t blocks = w->in_blocks / w->parts_in + 2 * own.pairs;

    rn_shares_even(
        s, parts_of(w),
        (double)(blocks * w->tiles + weight_items(w, &own) / w->parts_in) *
                transform_cost(w) +
            (double)sum_items(w, &own) * product_cost(w, w->tiles) /
                (double)w->in_blocks);
}

static void tally_weights_gradient(const struct winograd *w,
                                   struct rn_shares *s)
{
    if (w->together)
        tally_sums_together(w, s);
    else
        tally_parts(w, s);
    rn_conv_bias_gradient_shares(&w->config, s);
    rn_shares_barrier(s);
}

static void shares(const void *plan, struct rn_shares *s)
{
    const struct winograd *w = plan;

    if (w->config.pass == RN_CONV_BACKWARD_WEIGHTS)
        tally_weights_gradient(w, s);
    else if (w->together)
        tally_together(w, s);
    else
        tally_apart(w, s);
}

static int make(void *plan, const struct rn_conv_config *config, bool dry,
                struct rn_conv_needs *needs, struct rn_error *err)
{
    struct winograd *w = plan;
    char name[32];

    (void)dry;
    (void)err;
    make_plan(w, config);
    needs->scratch_bytes = scratch_bytes(w);
    needs->packed_bytes = packed_bytes(w);
    needs->pack = !config->train;
    snprintf(name, sizeof(name), "winograd %dx%d%s%s", w->kernels->tile,
             w->kernels->tile, w->kernels->side == 5 ? " of 5x5" : "",
             w->rounded ? " bf16" : "");
    rn_conv_describe(needs, name);
    return RN_OK;
}

const struct rn_conv_algorithm rn_conv_winograd = {
    .input = RN_F32,
    .weights = RN_F32,
    .output = RN_F32,
    .trains_relu = true,
    .applies = applies,
    .plan_bytes = sizeof(struct winograd),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};

const struct rn_conv_algorithm rn_conv_winograd_bf16 = {
    .input = RN_BF16,
    .weights = RN_F32,
    .output = RN_BF16,
    .trains_relu = true,
    .applies = applies,
    .plan_bytes = sizeof(struct winograd),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};
