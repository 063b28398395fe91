/* SPDX-License-Identifier: BSD-2-Clause */
/* Convolutions in 8 bits, as matrix products: sums of products of bytes in
 * int32, exact in whatever order, so that the bits are the same on any number
 * of threads. Windows read their pixels where these are; where there is padding
 * or a stride, a copy comes first that has the padding, and pixels that
 * neighbouring windows see with one tap beside each other.
 *
 * A first convolution rounds its float32 images to bytes in such a copy, in
 * which a block is neighbouring pixels of four channels, the last of no use:
 * what a window sees of a row is then a few blocks. */
#include "ops/conv/algorithm.h"

#include "core/memory.h"
#include "ops/conv/product_int8_kernels.h"
#include "ops/elementwise.h"
#include "ops/int8_kernels.h"
#include "ops/window.h"

#include <omp.h>
#include <string.h>

/* A chunk's inputs, which every pair of blocks of outputs rereads, stay in the
 * second-level cache. */
#define CHUNK_BYTES ((size_t)384 << 10)
/* Pieces of work there should be for each thread. */
#define PIECES 4

struct product {
    struct rn_conv_config config;
    const struct rn_int8_product_kernels *kernels;
    size_t block, in_blocks, out_blocks;
    size_t pairs; /* of blocks of outputs; the last may be one alone */
    size_t taps;
    int32_t *places; /* of them: bytes behind the first tap's pixel */
    bool images;     /* are the input, float32 and plain */
    bool copies;
    /* A block of the input as it is read: phases[0] x phases[1] planes of rows
     * of pixels, those that are equal modulo the stride. */
    int phases[2], rows, columns;
    int step;         /* rows between those that neighbouring outputs see */
    size_t plane;     /* bytes of all phases */
    size_t row_bytes; /* of a thread's row of an image, as bytes and pixels */
    /* An image's outputs are lines that strips divide. */
    size_t lines, line, line_strips, strips;
    size_t chunk, chunks; /* strips that meet a pair's weights; of them */
};

/* --------------------------------------------------------------- planning */

/* Pixels in a block of an image. */
static int image_pixels(void)
{
    return rn_block() / 4;
}

static bool applies(const struct rn_conv_config *c)
{
    size_t depth = (size_t)c->in.c * rn_window_taps(&c->window);
    double plane = ((double)c->out.h + c->window.kh) *
                   ((double)c->out.w + c->window.kw) * c->window.stride *
                   c->window.stride * rn_block();

    return plane <= INT32_MAX && c->pass == RN_CONV_FORWARD && !c->train &&
           !c->plain_input && depth <= RN_INT8_DEPTH;
}

/* Blocks of neighbouring outputs begin a stride apart. */
static bool applies_to_images(const struct rn_conv_config *c)
{
    struct rn_conv_config other = *c;

    other.plain_input = false;
    return c->plain_input && image_pixels() % c->window.stride == 0 &&
           applies(&other);
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* An image as it is read: a row of blocks for each row of pixels. */
static void plan_images(struct product *p)
{
    const struct rn_conv_config *c = &p->config;
    const struct rn_window *w = &c->window;
    int each = image_pixels(), blocks = (int)(p->taps / (size_t)w->kh);

    p->copies = true;
    p->phases[0] = p->phases[1] = 1;
    p->step = w->stride;
    p->rows = (c->out.h - 1) * w->stride + w->kh;
    p->columns = c->out.w + (blocks - 1) * each / w->stride;
    p->plane = (size_t)p->rows * (size_t)p->columns * p->block;
    p->row_bytes = (size_t)c->in.w * (size_t)c->in.c +
                   (size_t)(p->columns * w->stride + each) * sizeof(uint32_t);
    p->row_bytes = (p->row_bytes + RN_ALIGN - 1) / RN_ALIGN * RN_ALIGN;
    for (int k = 0; k < (int)p->taps; k++)
        p->places[k] =
            (k / blocks * p->columns + k % blocks * each / w->stride) *
            (int)p->block;
}

/* How the input is read, and where its taps are. */
static void plan_input(struct product *p)
{
    const struct rn_window *w = &p->config.window;
    int s = w->stride;

    p->copies = s > 1 || w->pad > 0;
    p->step = 1;
    p->phases[0] = least(s, w->kh);
    p->phases[1] = least(s, w->kw);
    p->rows = p->config.out.h + (w->kh - 1) / s;
    p->columns = p->config.out.w + (w->kw - 1) / s;
    p->plane = (size_t)(p->phases[0] * p->phases[1]) * (size_t)p->rows *
               (size_t)p->columns * p->block;
    for (int k = 0; k < w->kh * w->kw; k++) {
        int ky = k / w->kw, kx = k % w->kw;
        int phase = ky % s * p->phases[1] + kx % s;

        p->places[k] =
            ((phase * p->rows + ky / s) * p->columns + kx / s) * (int)p->block;
    }
}

static void plan_chunks(struct product *p)
{
    const struct rn_conv_config *c = &p->config;
    size_t strip = (size_t)p->kernels->strip, all, chunks, bytes;
    bool joined = p->columns == c->out.w && p->step == 1;

    p->lines = joined ? 1 : (size_t)c->out.h;
    p->line = joined ? rn_shape_pixels(c->out) : (size_t)c->out.w;
    p->line_strips = rn_divide_up(p->line, strip);
    p->strips = p->lines * p->line_strips;
    all = (size_t)c->n * p->strips;
    bytes = most(p->plane * p->in_blocks / p->strips, 1);
    chunks = most(rn_divide_up(all, most(CHUNK_BYTES / bytes, 1)),
                  rn_divide_up(PIECES * (size_t)c->threads, p->pairs));
    p->chunk = rn_divide_up(all, chunks);
    p->chunks = rn_divide_up(all, p->chunk);
}

static void make_plan(struct product *p, const struct rn_conv_config *c)
{
    p->config = *c;
    p->kernels = rn_int8_product_kernels_get();
    p->block = (size_t)rn_block();
    p->images = c->plain_input;
    p->in_blocks = p->images ? 1 : rn_channels_padded(c->in.c) / p->block;
    p->out_blocks = rn_channels_padded(c->out.c) / p->block;
    p->pairs = rn_divide_up(p->out_blocks, 2);
    if (p->images)
        plan_images(p);
    else
        plan_input(p);
    plan_chunks(p);
}

static size_t copy_bytes(const struct product *p)
{
    return p->copies ? (size_t)p->config.n * p->in_blocks * p->plane : 0;
}

/* ----------------------------------------------------------------- copies */

/* The bytes of a block; the compiler knows how many. */
static void copy_block_of(const struct product *p, const uint8_t *from,
                          uint8_t *to)
{
    if (p->block == 16)
        memcpy(to, from, 16);
    else
        memcpy(to, from, 8);
}

/* A row of a phase: every stride-th pixel from column `x` of row `y` on, the
 * zero point outside the picture. */
static void copy_row(const struct product *p, const uint8_t *from, int y, int x,
                     int zero, uint8_t *to)
{
    const struct rn_conv_config *c = &p->config;
    size_t b = p->block;
    int stride = c->window.stride, begin = 0, end = p->columns;

    if (y < 0 || y >= c->in.h)
        end = 0;
    while (begin < end && x + begin * stride < 0)
        begin++;
    while (begin < end && x + (end - 1) * stride >= c->in.w)
        end--;
    memset(to, zero, (size_t)begin * b);
    from += ((ptrdiff_t)y * c->in.w + x) * (ptrdiff_t)b;
    if (stride == 1 && begin < end)
        memcpy(to + (size_t)begin * b, from + (size_t)begin * b,
               (size_t)(end - begin) * b);
    for (int i = begin; stride > 1 && i < end; i++)
        copy_block_of(p, from + (size_t)(i * stride) * b, to + (size_t)i * b);
    memset(to + (size_t)end * b, zero, (size_t)(p->columns - end) * b);
}

/* Block number i of all images'. */
static void copy_block(const struct product *p, const struct rn_conv_args *args,
                       size_t i)
{
    const struct rn_conv_config *c = &p->config;
    size_t row = (size_t)p->columns * p->block;
    const uint8_t *from =
        (const uint8_t *)args->src + i * rn_shape_pixels(c->in) * p->block;
    uint8_t *to = (uint8_t *)args->scratch + i * p->plane;

    for (int py = 0; py < p->phases[0]; py++)
        for (int px = 0; px < p->phases[1]; px++)
            for (int y = 0; y < p->rows; y++, to += row)
                copy_row(p, from, y * c->window.stride + py - c->window.pad,
                         px - c->window.pad, args->bytes->zero, to);
}

/* The first `count` pixels of a row, of three channels at most. */
static void join(const uint8_t *channels, size_t width, int n, size_t count,
                 uint32_t *pixel)
{
    const uint8_t *a = channels, *b = a + (n > 1 ? width : 0);
    const uint8_t *c = a + (n > 2 ? 2 * width : 0);

    /* Weights of channels that are not there are zeros. */
    for (size_t x = 0; x < count; x++)
        pixel[x] = a[x] | (uint32_t)b[x] << 8 | (uint32_t)c[x] << 16;
}

/* Row number i of the copies of all images, by way of `row`. */
static void copy_image_row(const struct product *p,
                           const struct rn_conv_args *args, size_t i,
                           uint8_t *row)
{
    const struct rn_conv_config *c = &p->config;
    const struct rn_quant q = {args->bytes->image_scale, args->bytes->zero};
    size_t width = (size_t)c->in.w, pad = (size_t)c->window.pad;
    size_t columns = (size_t)p->columns, stride = (size_t)c->window.stride;
    size_t pixels = columns * stride + (size_t)image_pixels();
    int y = (int)(i % (size_t)p->rows) - c->window.pad;
    uint32_t *pixel = (uint32_t *)row;
    uint8_t *bytes = row + pixels * sizeof(*pixel);
    uint8_t *to = (uint8_t *)args->scratch + i * columns * p->block;
    const float *from =
        (const float *)args->src + i / (size_t)p->rows * rn_shape_size(c->in);

    for (size_t x = 0; x < pixels; x++)
        pixel[x] = (uint32_t)q.zero * 0x010101u;
    if (y >= 0 && y < c->in.h) {
        for (size_t k = 0; k < (size_t)c->in.c; k++)
            rn_int8_kernels_get()->narrow(
                from + (k * (size_t)c->in.h + (size_t)y) * width,
                bytes + k * width, width, q);
        join(bytes, width, c->in.c, width + pad < pixels ? width : pixels - pad,
             pixel + pad);
    }
    for (size_t x = 0; x < columns; x++)
        copy_block_of(p, (const uint8_t *)(pixel + x * stride),
                      to + x * p->block);
}

/* Copies are made of so many pieces. */
static size_t pieces(const struct product *p)
{
    size_t each = p->images ? (size_t)p->rows : p->in_blocks;

    return p->copies ? (size_t)p->config.n * each : 0;
}

static void copy_piece(const struct product *p, const struct rn_conv_args *args,
                       size_t i, int thread)
{
    if (p->images)
        copy_image_row(p, args, i,
                       (uint8_t *)args->scratch + copy_bytes(p) +
                           (size_t)thread * p->row_bytes);
    else
        copy_block(p, args, i);
}

/* --------------------------------------------------------------- products */

/** Some pixels of one image's outputs, and where they begin in the input. */
struct strip {
    size_t image, first, pixels, from;
};

static struct strip strip_at(const struct product *p, size_t number)
{
    size_t in_image = number % p->strips, line = in_image / p->line_strips;
    struct rn_range r = rn_range_of(p->line, (int)(in_image % p->line_strips),
                                    (int)p->line_strips);

    return (struct strip){
        .image = number / p->strips,
        .first = line * p->line + r.begin,
        .pixels = r.end - r.begin,
        .from = line * (size_t)p->step * (size_t)p->columns + r.begin,
    };
}

static size_t panel_bytes(const struct product *p)
{
    return p->in_blocks * p->taps * p->block * p->block;
}

struct rn_int8_out rn_int8_out_of(const struct rn_conv_config *c,
                                  const struct rn_conv_args *args,
                                  size_t channel)
{
    const struct rn_conv_bytes *bytes = args->bytes;
    const bool wide = c->output == RN_F32;

    return (struct rn_int8_out){
        .start = bytes->start + channel,
        .scale = bytes->scale + channel,
        .bias = args->bias + channel,
        .sum_scale = bytes->sum_scale,
        .own_scale = bytes->own_scale,
        .own_shift = bytes->own_shift,
        .low = bytes->low,
        .add = c->sum,
        .between = c->sum && !wide && bytes->own_scale != 0,
        .relu = c->relu,
        .wide = wide,
    };
}

/* All strips of a chunk with one pair's weights. */
static void multiply(const struct product *p, const struct rn_conv_args *args,
                     struct rn_range strips, size_t pair)
{
    const struct rn_conv_config *c = &p->config;
    size_t b = p->block, out = 2 * pair, half = panel_bytes(p);
    size_t number = c->output == RN_F32 ? sizeof(float) : 1;
    size_t plane = rn_shape_pixels(c->out) * b * number;
    int outs = out + 1 < p->out_blocks ? 2 : 1;
    const uint8_t *src = p->copies ? args->scratch : args->src;
    struct rn_int8_strip s = {
        .x_block = p->plane,
        .blocks = p->in_blocks,
        .taps = p->places,
        .n_taps = p->taps,
        .row_taps = p->images && c->window.kw % image_pixels()
                        ? p->taps / (size_t)c->window.kh
                        : 0,
        .w = (const int8_t *)args->weights + out * half,
        .w_block = half,
        .y_block = plane,
        .out = rn_int8_out_of(c, args, out * b),
    };

    for (size_t i = strips.begin; i < strips.end; i++) {
        struct strip at = strip_at(p, i);

        s.x = src + at.image * p->in_blocks * p->plane + at.from * b;
        s.y = (char *)args->dst + (at.image * p->out_blocks + out) * plane +
              at.first * b * number;
        if (out + 2 + 1 < p->out_blocks)
            s.ahead =
                rn_ahead_of(s.w + 2 * half, half, p->in_blocks * p->taps, b * b,
                            i - strips.begin, strips.end - strips.begin);
        p->kernels->multiply((int)at.pixels, outs, &s);
    }
}

/* This thread's share of all pairs of all chunks. */
static void run_share(const struct product *p, const struct rn_conv_args *args,
                      int me, int team)
{
    struct rn_range all = rn_share_of(p->chunks * p->pairs, me, team);
    size_t strips = (size_t)p->config.n * p->strips;

    for (size_t i = all.begin; i < all.end; i++) {
        size_t first = i / p->pairs * p->chunk, left = strips - first;
        struct rn_range chunk = {first,
                                 first + (left < p->chunk ? left : p->chunk)};

        multiply(p, args, chunk, i % p->pairs);
    }
}

static int run(void *plan, const struct rn_conv_args *args,
               struct rn_error *err)
{
    const struct product *p = plan;
    size_t count = pieces(p);

    (void)err;
#pragma omp parallel num_threads(p->config.threads)
    {
        if (count) {
            struct rn_range r = rn_share_mine(count);

            for (size_t i = r.begin; i < r.end; i++)
                copy_piece(p, args, i, omp_get_thread_num());
#pragma omp barrier
        }
        run_share(p, args, omp_get_thread_num(), omp_get_num_threads());
    }
    return RN_OK;
}

static void shares(const void *plan, struct rn_shares *s)
{
    const struct product *p = plan;
    const struct rn_conv_config *c = &p->config;
    size_t count = pieces(p);
    double strips = (double)c->n * (double)p->strips;
    double products =
        (double)rn_shape_pixels(c->out) / (double)p->strips *
        (double)(p->in_blocks * p->taps * p->block * 2 * p->block);

    if (count) {
        rn_shares_even(s, count,
                       (double)copy_bytes(p) / (double)count * RN_COST_OF_BYTE);
        rn_shares_barrier(s);
    }
    rn_shares_even(s, p->chunks * p->pairs,
                   strips / (double)p->chunks * products);
    rn_shares_barrier(s);
}

/* Where a weight lies in the panel of its block of outputs. */
static size_t place_of(const struct product *p, size_t o, size_t i, size_t k)
{
    const struct rn_window *w = &p->config.window;
    size_t b = p->block, step = i / b * p->taps + k, lane = i % b;

    if (p->images) {
        size_t each = (size_t)image_pixels(), kx = k % (size_t)w->kw;

        step = k / (size_t)w->kw * (p->taps / (size_t)w->kh) + kx / each;
        lane = kx % each * 4 + i;
    }
    return step * b * b + lane / 4 * 4 * b + o % b * 4 + lane % 4;
}

/* From whole numbers, plain OIHW. */
static int pack(void *plan, const float *from, void *packed,
                struct rn_error *err)
{
    const struct product *p = plan;
    const struct rn_conv_config *c = &p->config;
    size_t taps = rn_window_taps(&c->window), row = (size_t)c->in.c * taps;
    size_t half = panel_bytes(p);

    (void)err;
    memset(packed, 0, p->out_blocks * half);
#pragma omp parallel for num_threads(c->threads)
    for (size_t o = 0; o < (size_t)c->out.c; o++) {
        int8_t *to = (int8_t *)packed + o / p->block * half;

        for (size_t i = 0; i < (size_t)c->in.c; i++)
            for (size_t k = 0; k < taps; k++)
                to[place_of(p, o, i, k)] = (int8_t)from[o * row + i * taps + k];
    }
    return RN_OK;
}

static int make(void *plan, const struct rn_conv_config *c, bool dry,
                struct rn_conv_needs *needs, struct rn_error *err)
{
    struct product *p = plan;

    (void)dry;
    p->taps = c->plain_input
                  ? (size_t)c->window.kh * rn_divide_up((size_t)c->window.kw,
                                                        (size_t)image_pixels())
                  : rn_window_taps(&c->window);
    p->places = rn_alloc(p->taps, sizeof(*p->places));
    if (!p->places)
        return rn_fail_memory(err, p->taps * sizeof(*p->places),
                              "a convolution");
    make_plan(p, c);
    needs->scratch_bytes = copy_bytes(p) + (size_t)c->threads * p->row_bytes;
    needs->packed_bytes = p->out_blocks * panel_bytes(p);
    needs->pack = true;
    rn_conv_describe(needs, p->kernels->name);
    return RN_OK;
}

static void release(void *plan)
{
    rn_free(((struct product *)plan)->places);
}

/* Panels are the same for all shapes. */
static bool reads_same(const void *plan, const void *other)
{
    (void)plan;
    (void)other;
    return true;
}

#define ROW(from, to, takes)                                                   \
    {                                                                          \
        .input = (from), .weights = RN_I8, .output = (to), .applies = (takes), \
        .plan_bytes = sizeof(struct product), .make = make,                    \
        .release = release, .pack = pack, .reads_same = reads_same,            \
        .run = run, .shares = shares,                                          \
    }

const struct rn_conv_algorithm rn_conv_product_int8 =
    ROW(RN_U8, RN_U8, applies);
const struct rn_conv_algorithm rn_conv_product_int8_wide =
    ROW(RN_U8, RN_F32, applies);
const struct rn_conv_algorithm rn_conv_first_int8 =
    ROW(RN_F32, RN_U8, applies_to_images);
const struct rn_conv_algorithm rn_conv_first_int8_wide =
    ROW(RN_F32, RN_F32, applies_to_images);
