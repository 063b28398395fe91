/* SPDX-License-Identifier: BSD-2-Clause */
/* What computes in 8 bits against a plain reference, whose bits every
 * instruction set and number of threads must have. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cases.h"
#include "core/isa.h"
#include "core/memory.h"
#include "core/random.h"
#include "ops/conv/conv.h"
#include "ops/conv/product_int8_kernels.h"
#include "ops/int8.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A larger sum of the reference takes too long. */
#define MOST_PRODUCTS 4000000.0

static uint32_t draw(uint64_t stream, uint64_t i)
{
    struct rn_random_key key = {.seed = check_seed(), .epoch = stream};
    uint32_t bits[4];

    rn_random4(&key, i / 4, bits);
    return bits[i % 4];
}

static void *bytes(size_t count, uint64_t stream)
{
    uint8_t *x = rn_alloc(count, 1);

    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = (uint8_t)(draw(stream, i) >> 11);
    return x;
}

/** A convolution in 8 bits: plain values, and what a channel's sum meets. */
struct problem {
    const struct conv_case *c;
    struct rn_shape in, out;
    struct rn_conv_config config;
    uint8_t *x, *before; /* [n][c][h][w] */
    int8_t *w;           /* OIHW */
    float *before_wide, *scale, *bias;
    int32_t *start;
    struct rn_conv_bytes bytes;
};

static size_t blocked_place(struct rn_shape s, size_t i)
{
    size_t b = (size_t)rn_block(), hw = rn_shape_pixels(s);
    size_t c = i / hw % (size_t)s.c, n = i / hw / (size_t)s.c;

    return (n * rn_channels_padded(s.c) / b + c / b) * hw * b + i % hw * b +
           c % b;
}

static void problem_open(struct problem *p, const struct conv_case *c,
                         uint64_t stream)
{
    struct rn_window window = RN_WINDOW(c->k, c->k, c->stride, c->pad);
    size_t row = (size_t)(c->ic * c->k * c->k), padded;

    memset(p, 0, sizeof(*p));
    p->c = c;
    p->in = (struct rn_shape){c->ic, c->h, c->w};
    p->out = window_output(p->in, c->oc, window);
    p->config = (struct rn_conv_config){.n = c->n,
                                        .in = p->in,
                                        .out = p->out,
                                        .window = window,
                                        .bias = true,
                                        .input = RN_U8,
                                        .weights = RN_I8};
    padded = rn_channels_padded(c->oc);
    p->x = bytes((size_t)c->n * rn_shape_size(p->in), stream);
    p->before = bytes((size_t)c->n * rn_shape_size(p->out), stream + 1);
    p->w = bytes((size_t)c->oc * row, stream + 2);
    p->before_wide = rn_alloc((size_t)c->n * rn_shape_size(p->out), 4);
    p->scale = rn_alloc(padded, sizeof(*p->scale));
    p->bias = rn_alloc(padded, sizeof(*p->bias));
    p->start = rn_alloc(padded, sizeof(*p->start));
    p->bytes = (struct rn_conv_bytes){
        .start = p->start,
        .scale = p->scale,
        .zero = (int)(draw(stream + 3, 0) & 255),
        .sum_scale = 0.37f,
        .image_scale = 0.25f,
    };
    for (size_t i = 0; i < (size_t)c->n * rn_shape_size(p->out); i++)
        p->before_wide[i] = (float)p->before[i] * 0.013f;
    for (size_t o = 0; o < (size_t)c->oc; o++) {
        double sign = draw(stream + 4, o) & 1 ? 1 : -1;

        /* Outputs of about the range of a byte. */
        p->scale[o] = (float)(sign * 60 / (147 * 74 * sqrt((double)row)));
        p->bias[o] = (float)(draw(stream + 5, o) >> 24) * 0.77f;
        for (size_t i = 0; i < row; i++)
            p->start[o] -= p->bytes.zero * p->w[o * row + i];
    }
}

static void problem_close(struct problem *p)
{
    rn_free(p->x);
    rn_free(p->before);
    rn_free(p->w);
    rn_free(p->before_wide);
    rn_free(p->scale);
    rn_free(p->bias);
    rn_free(p->start);
}

/* The sum of output i, of x less its zero point. */
static int32_t sum_at(const struct problem *p, size_t i)
{
    const struct conv_case *c = p->c;
    size_t hw = rn_shape_pixels(p->out), o = i / hw % (size_t)c->oc;
    size_t n = i / hw / (size_t)c->oc;
    int oy = (int)(i % hw) / p->out.w, ox = (int)(i % hw) % p->out.w;
    int32_t sum = 0;

    for (int k = 0; k < c->ic; k++)
        for (int t = 0; t < c->k * c->k; t++) {
            int y = oy * c->stride - c->pad + t / c->k;
            int x = ox * c->stride - c->pad + t % c->k;

            if (y >= 0 && y < c->h && x >= 0 && x < c->w)
                sum += (p->x[((n * (size_t)c->ic + (size_t)k) * (size_t)c->h +
                              (size_t)y) *
                                 (size_t)c->w +
                             (size_t)x] -
                        p->bytes.zero) *
                       p->w[(o * (size_t)c->ic + (size_t)k) *
                                (size_t)(c->k * c->k) +
                            (size_t)t];
        }
    return sum;
}

static float before_rounding(const struct problem *p, int32_t sum, size_t i)
{
    size_t o = i / rn_shape_pixels(p->out) % (size_t)p->c->oc;
    float v = (float)sum * p->scale[o];

    v = v + p->bias[o];
    if (p->config.sum && p->config.output == RN_F32)
        return v + p->before_wide[i];
    if (p->config.sum && p->bytes.own_scale != 0) {
        v = nearbyintf(fminf(fmaxf(v, 0), 255)) * p->bytes.own_scale;
        v = v + p->bytes.own_shift;
    }
    return p->config.sum ? v + (float)p->before[i] * p->bytes.sum_scale : v;
}

static int check_output(const struct problem *p, const void *dst,
                        const int32_t *sums, size_t count, int threads)
{
    int wrong = 0;

    for (size_t i = 0; i < count; i++) {
        float want = before_rounding(p, sums[i], i), got;
        size_t at = blocked_place(p->out, i);

        if (p->config.output == RN_F32) {
            got = ((const float *)dst)[at];
            want = p->config.relu && want < 0 ? 0 : want;
        } else {
            got = (float)((const uint8_t *)dst)[at];
            want = fminf(fmaxf(nearbyintf(want), p->bytes.low), 255);
        }
        if (got != want && wrong++ < 3)
            print_error("%s, %d threads, %s%s%s: output %zu is %g, not %g\n",
                        p->c->name, threads, rn_dtype_name(p->config.output),
                        !p->config.sum            ? ""
                        : p->bytes.own_scale != 0 ? ", sum of rounded"
                                                  : ", sum",
                        p->config.relu ? ", relu" : "", i, (double)got,
                        (double)want);
    }
    return wrong;
}

/* What is in dst before: the value that is added. */
static void *output_of(const struct problem *p, size_t count)
{
    bool wide = p->config.output == RN_F32;
    size_t all = blocked_floats(p->c->n, p->out);
    void *dst = rn_alloc(all, wide ? sizeof(float) : 1);

    assert_non_null(dst);
    for (size_t i = 0; i < count; i++) {
        size_t at = blocked_place(p->out, i);

        if (wide)
            ((float *)dst)[at] = p->before_wide[i];
        else
            ((uint8_t *)dst)[at] = p->before[i];
    }
    return dst;
}

static int run_conv(struct problem *p, const int32_t *sums, int threads)
{
    const struct conv_case *c = p->c;
    size_t inputs = (size_t)c->n * rn_shape_size(p->in);
    size_t outputs = (size_t)c->n * rn_shape_size(p->out);
    size_t weights = (size_t)(c->oc * c->ic * c->k * c->k);
    uint8_t *x = rn_alloc(blocked_floats(c->n, p->in), 1);
    float *images = rn_alloc(inputs, sizeof(*images));
    float *whole = rn_alloc(weights, sizeof(*whole));
    void *dst = output_of(p, outputs), *packed, *scratch;
    struct rn_conv_args args = {.src = p->config.plain_input ? (void *)images
                                                             : (void *)x,
                                .dst = dst,
                                .bytes = &p->bytes};
    struct rn_conv *conv;
    int wrong;

    p->config.threads = threads;
    p->bytes.low = p->config.relu && p->config.output == RN_U8 ? 31.0f : 0.0f;
    assert_int_equal(rn_conv_create(&conv, &p->config, false, NULL), 0);
    packed = rn_alloc(rn_conv_packed_bytes(conv), 1);
    scratch = rn_alloc(rn_conv_scratch_bytes(conv), 1);
    /* Channels that fill a block may be anything. */
    memset(x, 0x5a, blocked_floats(c->n, p->in));
    for (size_t i = 0; i < inputs; i++)
        x[blocked_place(p->in, i)] = p->x[i];
    for (size_t i = 0; i < inputs; i++)
        images[i] = (float)(p->x[i] - p->bytes.zero) * p->bytes.image_scale;
    for (size_t i = 0; i < weights; i++)
        whole[i] = (float)p->w[i];
    assert_int_equal(rn_conv_pack(conv, whole, packed, NULL), 0);
    args.weights = packed;
    args.scratch = scratch;
    args.bias = p->bias;
    assert_int_equal(rn_conv_run(conv, &args, NULL), 0);
    wrong = check_output(p, dst, sums, outputs, threads);
    rn_conv_destroy(conv);
    rn_free(packed);
    rn_free(scratch);
    rn_free(whole);
    rn_free(images);
    rn_free(x);
    rn_free(dst);
    return wrong;
}

/* Of images, which are plain and float32, or of bytes. */
static int check_case(const struct conv_case *c, bool images, uint64_t stream)
{
    struct problem p;
    size_t count;
    int32_t *sums;
    int wrong = 0;

    problem_open(&p, c, stream);
    if (images) {
        p.config.plain_input = true;
        p.config.input = RN_F32;
        p.config.threads = 1;
        p.config.output = RN_U8;
        if (!rn_conv_exists(&p.config)) {
            problem_close(&p);
            return 0;
        }
    }
    count = (size_t)c->n * rn_shape_size(p.out);
    sums = rn_alloc(count, sizeof(*sums));
    assert_non_null(sums);
    for (size_t i = 0; i < count; i++)
        sums[i] = sum_at(&p, i);
    for (int kind = 0; kind < 32; kind++) {
        p.config.output = kind & 1 ? RN_F32 : RN_U8;
        p.config.sum = kind & 2;
        p.config.relu = kind & 4;
        p.config.exact = !(kind & 8); /* else Winograd's tiles wherever */
        p.config.winograd = 4;        /* they can be had */
        p.bytes.own_scale = kind & 16 ? 0.61f : 0;
        p.bytes.own_shift = kind & 16 ? 12.3f : 0;
        if (kind & 16 && (kind & 3) != 2)
            continue; /* only a sum of bytes is rounded before */
        wrong += run_conv(&p, sums, 1 + kind % 3);
    }
    rn_free(sums);
    problem_close(&p);
    return wrong;
}

static double products_of(const struct conv_case *c)
{
    struct rn_window window = RN_WINDOW(c->k, c->k, c->stride, c->pad);
    struct rn_shape out =
        window_output((struct rn_shape){c->ic, c->h, c->w}, c->oc, window);

    return (double)c->n * (double)rn_shape_size(out) * c->ic * c->k * c->k;
}

static void convolutions(void **state)
{
    /* Sizes that leave parts of blocks, strips and pairs. */
    static const struct conv_case own[] = {
        {"1x1, 49 pixels", 2, 40, 72, 7, 7, 1, 1, 0, 0},
        {"3x3, 29 wide", 2, 20, 33, 5, 29, 3, 1, 1, 0},
        {"3x3, no padding", 3, 16, 40, 14, 14, 3, 1, 0, 0},
        {"3x3, padding 2", 1, 33, 16, 6, 9, 3, 1, 2, 0},
        {"3x3, sums in parts", 1, 470, 24, 6, 5, 3, 1, 1, 0},
        {"3x3, chunks of tiles", 2, 64, 24, 31, 47, 3, 1, 1, 0},
        {"3x3, stride 2", 2, 24, 40, 15, 13, 3, 2, 1, 0},
        {"1x1, stride 2", 2, 24, 40, 15, 13, 1, 2, 0, 0},
        {"1x1, stride 3, padding", 1, 5, 7, 9, 8, 1, 3, 1, 0},
        {"7x7, stride 2", 1, 12, 20, 21, 19, 7, 2, 3, 0},
        {"images, 7x7, stride 2", 2, 3, 24, 17, 31, 7, 2, 3, 0},
        {"images, 3x3", 3, 3, 20, 9, 11, 3, 1, 1, 0},
        {"grey images, 5x5", 2, 1, 17, 12, 10, 5, 1, 2, 0},
        {"images, 11x11, stride 4", 1, 3, 18, 35, 39, 11, 4, 2, 0},
        {"all pixels", 3, 24, 21, 4, 4, 4, 1, 0, 0},
    };
    int wrong = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(own); i++)
        wrong += check_case(&own[i], own[i].ic <= 3, 1000 + 10 * i);
    for (size_t i = 0; i < conv_cases_count; i++)
        if (products_of(&conv_cases[i]) < MOST_PRODUCTS)
            wrong += check_case(&conv_cases[i], conv_cases[i].ic <= 3,
                                2000 + 10 * i);
    assert_int_equal(wrong, 0);
}

/* A sum that comes near 2^31 stays whole. */
static void longest_sum(void **state)
{
    const int depth = RN_INT8_DEPTH / 16 * 16;
    const struct rn_shape in = {depth, 1, 1}, out = {1, 1, 1};
    struct rn_conv_config config = {.n = 1,
                                    .in = in,
                                    .out = out,
                                    .window = RN_WINDOW(1, 1, 1, 0),
                                    .threads = 1,
                                    .bias = true,
                                    .input = RN_U8,
                                    .weights = RN_I8,
                                    .output = RN_F32};
    uint8_t *x = rn_alloc((size_t)depth, 1);
    float *w = rn_alloc((size_t)depth, sizeof(*w)), y[16] = {0};
    float scale[16] = {1}, bias[16] = {0};
    int32_t start[16] = {0};
    struct rn_conv_bytes in_bytes = {
        .start = start, .scale = scale, .sum_scale = 1};
    struct rn_conv_args args = {
        .src = x, .dst = y, .bias = bias, .bytes = &in_bytes};
    struct rn_conv *conv;
    void *packed;

    (void)state;
    for (int i = 0; i < depth; i++) {
        x[i] = 255;
        w[i] = -128;
    }
    assert_int_equal(rn_conv_create(&conv, &config, false, NULL), 0);
    packed = rn_alloc(rn_conv_packed_bytes(conv), 1);
    assert_int_equal(rn_conv_pack(conv, w, packed, NULL), 0);
    args.weights = packed;
    assert_int_equal(rn_conv_run(conv, &args, NULL), 0);
    assert_true((double)y[0] == (double)(float)(-128.0 * 255 * depth));
    rn_conv_destroy(conv);
    config.in.c = RN_INT8_DEPTH + 1;
    assert_false(rn_conv_exists(&config));
    rn_free(packed);
    rn_free(x);
    rn_free(w);
}

/* The largest and the smallest sums, of which Winograd's way keeps 26 bits. */
static int check_extreme(int value, int weight, int channels)
{
    const struct conv_case c = {
        "3x3, extreme", 1, channels, 16, 6, 6, 3, 1, 1, 0};
    struct problem p;
    int32_t *sums;
    size_t count;
    int wrong;

    problem_open(&p, &c, 5000);
    count = rn_shape_size(p.out);
    sums = rn_alloc(count, sizeof(*sums));
    assert_non_null(sums);
    memset(p.x, value, rn_shape_size(p.in));
    memset(p.w, weight, (size_t)(16 * channels * 9));
    for (size_t o = 0; o < 16; o++)
        p.start[o] = -p.bytes.zero * weight * channels * 9;
    for (size_t i = 0; i < count; i++)
        sums[i] = sum_at(&p, i);
    p.config.output = RN_F32;
    p.config.winograd = 4;
    wrong = run_conv(&p, sums, 1);
    rn_free(sums);
    problem_close(&p);
    return wrong;
}

static void extremes(void **state)
{
    int wrong = 0;

    (void)state;
    for (int channels = 224; channels <= 240; channels += 16)
        for (int i = 0; i < 4; i++)
            wrong +=
                check_extreme(i & 1 ? 255 : 0, i & 2 ? 127 : -128, channels);
    assert_int_equal(wrong, 0);
}

/* To 8 bits and back; ends of vectors, ends of the range, ties. */
static void conversions(void **state)
{
    const struct rn_quant q = {0.125f, 37};
    enum { MOST = 70 };
    float x[MOST], back[MOST];
    uint8_t y[MOST + 1];

    (void)state;
    for (size_t i = 0; i < MOST; i++)
        x[i] = (float)((int)(draw(7, i) % 700) - 350) * 0.0625f;
    for (size_t count = 1; count <= MOST; count++) {
        y[count] = 0x77;
        rn_int8_narrow(x, y, count, q, 2);
        rn_int8_widen(y, back, count, q, 2);
        assert_int_equal(y[count], 0x77);
        for (size_t i = 0; i < count; i++) {
            float v = x[i] / q.scale;

            v = nearbyintf(v + (float)q.zero);
            assert_int_equal(y[i], (int)fminf(fmaxf(v, 0), 255));
            assert_true(back[i] == (float)(y[i] - q.zero) * q.scale);
        }
    }
}

static void pools(void **state)
{
    const struct rn_shape in = {20, 9, 11};
    const struct rn_window w = RN_WINDOW(3, 3, 2, 1);
    const struct rn_shape out = window_output(in, in.c, w);
    struct rn_node node = {.shape = out, .window = w};
    struct rn_quant q = {0.031f, 19};
    struct rn_planes planes = rn_planes_typed(2, in, 2, RN_U8);
    size_t count = 2 * rn_shape_size(in), hw = rn_shape_pixels(in);
    uint8_t *plain = bytes(count, 90), *x, *y;
    float *mean = rn_alloc(blocked_floats(2, (struct rn_shape){20, 1, 1}), 4);

    (void)state;
    x = rn_alloc(blocked_floats(2, in), 1);
    y = rn_alloc(blocked_floats(2, out), 1);
    for (size_t i = 0; i < count; i++)
        x[blocked_place(in, i)] = plain[i];
    rn_int8_max_pool(&node, 2, in, 2, x, y);
    for (size_t i = 0; i < 2 * rn_shape_size(out); i++) {
        size_t plane = i / rn_shape_pixels(out), o = i % rn_shape_pixels(out);
        int oy = (int)o / out.w * 2 - 1, ox = (int)o % out.w * 2 - 1, want = 0;

        for (int t = 0; t < 9; t++) {
            int r = oy + t / 3, c = ox + t % 3;

            if (r >= 0 && r < in.h && c >= 0 && c < in.w &&
                plain[plane * hw + (size_t)(r * in.w + c)] > want)
                want = plain[plane * hw + (size_t)(r * in.w + c)];
        }
        assert_int_equal(y[blocked_place(out, i)], want);
    }
    rn_int8_average(&planes, x, mean, q);
    for (size_t i = 0; i < 2 * 20; i++) {
        float factor = q.scale / (float)hw;
        int sum = 0;

        for (size_t k = 0; k < hw; k++)
            sum += plain[i * hw + k] - q.zero;
        assert_true(mean[blocked_place((struct rn_shape){20, 1, 1}, i)] ==
                    (float)sum * factor);
    }
    rn_free(plain);
    rn_free(x);
    rn_free(y);
    rn_free(mean);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions), cmocka_unit_test(longest_sum),
        cmocka_unit_test(extremes),     cmocka_unit_test(conversions),
        cmocka_unit_test(pools),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
