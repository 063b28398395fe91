/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * bfloat16 in inference: rounding, the kernels of every instruction set (bit
 * for bit alike), convolutions and whole plans against float32's. With
 * ONEDNN_MAX_CPU_ISA, as the tests' description sets it, the same emulated.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/dtype.h"
#include "core/isa.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/conv/conv.h"
#include "ops/conv/groups.h"
#include "ops/conv/product_kernels.h"
#include "ops/conv/winograd_kernels.h"
#include "ops/kernels.h"
#include "ops/pool_kernels.h"
#include "plan/plan.h"
#include "resnet.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Half a unit of the last of 8 binary places. */
#define ROUNDING (1.0 / 256)

static uint32_t bits_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

static float widened(uint16_t x)
{
    return float_of((uint32_t)x << 16);
}

/* Uniform in -scale..scale around `centre`, rounded to bfloat16. */
static void fill_rounded(double *x, size_t count, uint64_t stream,
                         double centre, double scale)
{
    check_fill(x, count, stream, centre, scale);
    for (size_t i = 0; i < count; i++)
        x[i] = (double)widened(rn_bf16_of((float)x[i]));
}

/* --------------------------------------------------------------- rounding */

/* In integers alone: of the two neighbours the nearer one, of equally near ones
 * that with an even last bit; what is undefined stays so and becomes quiet. */
static uint16_t reference(uint32_t bits)
{
    uint32_t magnitude = bits & 0x7fffffffu, below = magnitude >> 16;
    uint32_t rest = magnitude & 0xffffu, sign = bits >> 31 << 15;

    if (magnitude > 0x7f800000u)
        return (uint16_t)(sign | below | 0x40u);
    if (magnitude < 0x00800000u)
        return (uint16_t)sign;
    if (rest > 0x8000u || (rest == 0x8000u && below % 2 == 1))
        below++;
    return (uint16_t)(sign | below);
}

/* Around every tie: all signs, exponents and upper mantissas. */
enum { PLACES = 7 };
static const uint32_t places[PLACES] = {0,      1,      0x7fff, 0x8000,
                                        0x8001, 0xfffe, 0xffff};

static void rounding(void **state)
{
    int bad = 0;

    (void)state;
    for (uint32_t high = 0; high < 0x10000u; high++)
        for (int k = 0; k < PLACES; k++) {
            uint32_t bits = high << 16 | places[k];
            uint16_t got = rn_bf16_of(float_of(bits)), want = reference(bits);

            if (got != want && bad++ < 5)
                print_error("%08x becomes %04x, expected %04x\n", bits, got,
                            want);
        }
    assert_int_equal(bad, 0);
    assert_int_equal(rn_bf16_of(3.3895314e38f), 0x7f7f); /* the largest */
    assert_int_equal(rn_bf16_of(float_of(0x7f7fffffu)), 0x7f80);
    assert_int_equal(rn_bf16_of(-INFINITY), 0xff80);
    assert_int_equal(rn_bf16_of(float_of(0x80000001u)), 0x8000);
}

/* ---------------------------------------------------------------- kernels */

/** Kernels that this processor can run. */
struct set {
    const char *name;
    const struct rn_kernels *all;
    const struct rn_pool_kernels *pool;
    const struct rn_product_kernels *product;
    const struct rn_wino_kernels *wino4x3, *wino2x3, *wino2x5;
    enum rn_isa_kernels needs;
    bool dots; /* VDPBF16PS */
};

#define SET(isa)                                                        \
    &rn_kernels_bf16_##isa, &rn_pool_kernels_bf16_##isa,                \
        &rn_product_kernels_bf16_##isa, &rn_wino4x3_kernels_bf16_##isa, \
        &rn_wino2x3_kernels_bf16_##isa, &rn_wino2x5_kernels_bf16_##isa
#define DECLARE(isa)                                                      \
    extern const struct rn_kernels rn_kernels_bf16_##isa;                 \
    extern const struct rn_pool_kernels rn_pool_kernels_bf16_##isa;       \
    extern const struct rn_product_kernels rn_product_kernels_bf16_##isa; \
    extern const struct rn_wino_kernels rn_wino4x3_kernels_bf16_##isa,    \
        rn_wino2x3_kernels_bf16_##isa, rn_wino2x5_kernels_bf16_##isa;

#ifdef __x86_64__
DECLARE(sse)
DECLARE(avx2)
DECLARE(avx512)
DECLARE(native)
static const struct set sets[] = {
    {"avx2", SET(avx2), RN_ISA_AVX2, false},
    {"avx512", SET(avx512), RN_ISA_AVX512, false},
    {"native", SET(native), RN_ISA_AVX512, true},
    {"sse", SET(sse), RN_ISA_SSE, false},
};
#else
DECLARE(generic)
static const struct set sets[] = {
    {"generic", SET(generic), RN_ISA_GENERIC, false},
};
#endif

static bool runs_here(const struct set *s)
{
    struct rn_isa isa = rn_isa_within(NULL);

    return isa.kernels >= s->needs && (isa.bf16 || !s->dots);
}

static void kernels_round(void **state)
{
    enum { COUNT_OF = 0x10000 * PLACES + 3 }; /* the last vector is not full */
    float *from = rn_alloc(COUNT_OF, sizeof(*from)), *back;
    uint16_t *to = rn_alloc(COUNT_OF, sizeof(*to));
    int bad = 0;

    (void)state;
    back = rn_alloc(COUNT_OF, sizeof(*back));
    assert_true(from && to && back);
    for (uint32_t i = 0; i < COUNT_OF; i++) {
        uint32_t bits = i / PLACES << 16 | places[i % PLACES];

        memcpy(&from[i], &bits, sizeof(bits));
    }
    for (size_t k = 0; k < COUNT(sets); k++) {
        if (!runs_here(&sets[k]))
            continue;
        sets[k].all->narrow(from, to, COUNT_OF);
        sets[k].all->widen(to, back, COUNT_OF);
        for (uint32_t i = 0; i < COUNT_OF && bad < 5; i++) {
            uint16_t want = reference(i / PLACES << 16 | places[i % PLACES]);

            if (to[i] != want || bits_of(back[i]) != (uint32_t)want << 16) {
                print_error("%s: number %u becomes %04x, expected %04x\n",
                            sets[k].name, i, to[i], want);
                bad++;
            }
        }
    }
    rn_free(from);
    rn_free(to);
    rn_free(back);
    assert_int_equal(bad, 0);
}

/* What kernels are tried on: C channels of H x W pixels, as planes of whatever
 * a set's blocks are. Results are plain [channel][number], so that sets of
 * different blocks can be compared. */
enum { C = 32, H = 7, W = 9, HW = H * W, RESULTS = 20000 };

struct tried {
    uint16_t x[C * HW], y[C * HW]; /* plain */
    float scale[C], shift[C];
    uint16_t weights[C * C]; /* [out][in] */
};

static struct tried *new_tried(void)
{
    struct tried *t = rn_alloc(1, sizeof(*t));
    double *x = check_doubles(C * HW);

    assert_non_null(t);
    for (int k = 0; k < 3; k++) {
        uint16_t *to = k == 0 ? t->x : k == 1 ? t->y : t->weights;
        size_t count = k == 2 ? C * C : C * HW;

        fill_rounded(x, count, 20 + (uint64_t)k, 0, 1);
        for (size_t i = 0; i < count; i++)
            to[i] = rn_bf16_of((float)x[i]);
    }
    check_fill(x, 2 * C, 24, 0.5, 1);
    to_floats(x, C, t->scale);
    to_floats(x + C, C, t->shift);
    free(x);
    return t;
}

/* plain [C][count] <-> blocked [C / b][count][b]. */
static size_t place_in(size_t b, size_t count, size_t c, size_t i)
{
    return (c / b * count + i) * b + c % b;
}

static void block(const uint16_t *plain, size_t count, size_t b, uint16_t *to)
{
    for (size_t i = 0; i < C * count; i++)
        to[place_in(b, count, i / count, i % count)] = plain[i];
}

static void unblock(const uint16_t *from, size_t count, size_t b,
                    uint16_t *plain)
{
    for (size_t i = 0; i < C * count; i++)
        plain[i] = from[place_in(b, count, i / count, i % count)];
}

/** An operation on one plane of b channels. */
struct planes {
    const struct set *s;
    const struct tried *t;
    size_t b;
    uint16_t x[C * HW], y[C * HW], out[C * HW];
};

static void open_planes(struct planes *p, const struct set *s,
                        const struct tried *t)
{
    p->s = s;
    p->t = t;
    p->b = (size_t)s->all->block;
    block(t->x, HW, p->b, p->x);
    block(t->y, HW, p->b, p->y);
}

static size_t applied(struct planes *p, uint16_t *result)
{
    size_t used = 0;

    for (int m = 0; m < 8; m++, used += C * HW) {
        for (size_t k = 0; k < C; k += p->b) {
            struct rn_operand a = {p->x + k * HW,
                                   m & 1 ? p->t->scale + k : NULL,
                                   m & 1 ? p->t->shift + k : NULL, false, 0};
            struct rn_operand c = {m & 2 ? p->y + k * HW : NULL, NULL, NULL,
                                   false, 0};

            p->s->all->apply(&a, &c, m & 4, p->out + k * HW, HW);
        }
        unblock(p->out, HW, p->b, result + used);
    }
    return used;
}

static size_t pooled(struct planes *p, uint16_t *result)
{
    const struct rn_pool pool = {H, W, 4, 5, 3, 3, 2, 1};
    const struct rn_pool_plane plane = {
        {H, 4, 3, 2, 1, 1, 1, false}, {W, 5, 3, 2, 1, 1, 1, false}, true};
    size_t used = 0;

    /* What is undefined, and zeros of both signs, alone above the rest. */
    p->x[place_in(p->b, HW, 3, 20)] = 0x7fc1;
    for (size_t i = 0; i < HW; i++)
        p->x[place_in(p->b, HW, 17, i)] = i % 2 ? 0x8000 : 0;
    for (int kind = 0; kind < 4; kind++) {
        size_t count = kind < 3 ? 20 : 1;

        for (size_t k = 0; k < C; k += p->b) {
            struct rn_operand x = {p->x + k * HW, NULL, NULL, false, 0};
            uint16_t *to = p->out + k * count;

            if (kind == 0)
                p->s->all->max_pool(&pool, &x, to, NULL);
            else if (kind == 1)
                p->s->pool->largest(&plane, x.x, to);
            else if (kind == 2)
                p->s->pool->mean(&plane, x.x, to);
            else
                p->s->all->average(x.x, HW, to);
        }
        unblock(p->out, count, p->b, result + used);
        used += C * count;
    }
    return used;
}

/* A tile in a corner and one inside: to points and back. */
static size_t transformed(struct planes *p, const struct rn_wino_kernels *w,
                          uint16_t *result)
{
    size_t points = (size_t)w->points, used = 0;
    float v[RN_WINO_POINTS_MOST * C];

    for (int inside = 0; inside < 2; inside++)
        for (size_t k = 0; k < C; k += p->b) {
            struct rn_wino_place at = {H, W, inside, inside - (1 - inside),
                                       p->x};
            struct rn_wino_finish finish = {p->t->shift + k, true, true};

            w->input(p->x + k * HW, &at, v + k * points, p->b);
            for (size_t i = 0; i < points * p->b; i++) {
                uint32_t bits = bits_of(v[k * points + i]);
                size_t to = used + ((k + i % p->b) * points + i / p->b) * 2;

                result[to] = (uint16_t)bits;
                result[to + 1] = (uint16_t)(bits >> 16);
            }
            at.y = at.x = 4; /* over the edge with tiles of four */
            if (k + p->b == C)
                used += 2 * C * points;
            memcpy(p->out + k * HW, p->y + k * HW, p->b * HW * sizeof(*p->out));
            w->output(v + k * points, p->b, &at, &finish, p->out + k * HW);
        }
    unblock(p->out, HW, p->b, result + used);
    return used + C * HW;
}

static size_t transformed4x3(struct planes *p, uint16_t *result)
{
    return transformed(p, p->s->wino4x3, result);
}

static size_t transformed2x3(struct planes *p, uint16_t *result)
{
    return transformed(p, p->s->wino2x3, result);
}

static size_t transformed2x5(struct planes *p, uint16_t *result)
{
    return transformed(p, p->s->wino2x5, result);
}

/* Weights [out][in] as the product of points has them, of two blocks of
 * outputs: pairs of inputs [in / 2][2][b][2]. */
static void interleave(const uint16_t *plain, size_t b, size_t out,
                       uint16_t *to)
{
    for (size_t o = 0; o < 2 * b; o++)
        for (size_t i = 0; i < C; i++)
            to[((i / 2 * 2 + o / b) * b + o % b) * 2 + i % 2] =
                plain[(out + o) * C + i];
}

/* Two tiles' points in bfloat16, times weights. */
static size_t multiplied(struct planes *p, uint16_t *result)
{
    enum { TILES = 2, POINTS = 16 };
    const struct rn_wino_kernels *w = p->s->wino2x3;
    uint16_t v[POINTS * C * TILES], u[C * C];
    float m[C * TILES];
    size_t b = p->b, used = 0;

    assert_int_equal(w->points, POINTS);
    for (size_t k = 0; k < C * TILES; k += b) {
        struct rn_wino_place at = {H, W, 3, (int)(k / b % TILES) * 7 - 1, p->x};

        w->input_rounded(p->x + k / b / TILES * b * HW, &at, v + k, C * TILES);
    }
    for (size_t i = 0; i < POINTS * (C / (2 * b)); i++) {
        size_t out = i / POINTS * 2 * b;
        struct rn_wino_product product = {
            .v = v + i % POINTS * C * TILES,
            .v_block = TILES * b,
            .blocks = C / b,
            .u = u,
            .m = m,
            .m_block = TILES * b,
        };

        interleave(p->t->weights, b, out, u);
        w->multiply_rounded(TILES, &product);
        for (size_t k = 0; k < 2 * b * TILES; k++) {
            size_t channel = out + k / (TILES * b) * b + k % b;
            size_t to = (i % POINTS * C + channel) * TILES + k / b % TILES;

            result[2 * to] = (uint16_t)bits_of(m[k]);
            result[2 * to + 1] = (uint16_t)(bits_of(m[k]) >> 16);
        }
        used += 2 * b * TILES * 2;
    }
    return used;
}

/* The windows' pixels of a strip, padding too. */
static size_t gathered(struct planes *p, uint16_t *result)
{
    enum { PIXELS = 11 };

    for (size_t k = 0; k < C; k += p->b) {
        struct rn_product_rows rows = {.plane = p->x + k * HW,
                                       .h = H,
                                       .w = W,
                                       .out_w = 5,
                                       .stride = 2,
                                       .across = 2,
                                       .top = -1,
                                       .left = -1,
                                       .first = 3,
                                       .pixels = PIXELS};

        p->s->product->gather(&rows, p->out + k * PIXELS);
    }
    unblock(p->out, PIXELS, p->b, result);
    return C * PIXELS;
}

/* A first convolution's strips of every length: windows of two rows of eight
 * numbers, three numbers apart. */
static size_t interleaved(struct planes *p, uint16_t *result)
{
    enum { ROWS = 2, NUMBERS = 8, LONGEST = 6 };
    uint16_t w[C * ROWS * NUMBERS];
    size_t b = p->b, panel = ROWS * NUMBERS * b, used = 0;

    for (size_t o = 0; o < C; o++)
        for (size_t i = 0; i < ROWS * NUMBERS; i++)
            w[o / b * panel + (i / 2 * b + o % b) * 2 + i % 2] =
                p->t->weights[o * C + i];
    for (int pixels = 1; pixels <= LONGEST; pixels++) {
        size_t count = (size_t)pixels;

        block(p->t->y, count, b, p->out);
        for (size_t out = 0; out < C / b; out += 2) {
            struct rn_product_first s = {
                .x = p->t->x,
                .x_row = 40,
                .x_pixel = 3,
                .rows = ROWS,
                .pairs = NUMBERS / 2,
                .w = w + out * panel,
                .w_block = panel,
                .y = p->out + out * count * b,
                .y_block = count * b,
                .bias = p->t->shift + out * b,
                .add = true,
                .relu = true,
            };

            p->s->product->first(pixels, 2, &s);
        }
        unblock(p->out, count, b, result + used);
        used += C * count;
    }
    return used;
}

static const struct operation {
    const char *name;
    size_t (*run)(struct planes *p, uint16_t *result);
    bool fused; /* multiplies and adds at once where the set can: SSE cannot */
} operations[] = {
    {"apply", applied, true},
    {"pools", pooled, false},
    {"Winograd 4x4", transformed4x3, true},
    {"Winograd 2x2", transformed2x3, false},
    {"Winograd 2x2 of 5x5", transformed2x5, true},
    {"Winograd 2x2 in bfloat16", multiplied, false},
    {"gather", gathered, false},
    {"first", interleaved, false},
};

static void kernels_agree(void **state)
{
    struct tried *t = new_tried();
    struct planes *p = rn_alloc(1, sizeof(*p));
    uint16_t *got = rn_alloc(RESULTS, sizeof(*got));
    uint16_t *want = rn_alloc(RESULTS, sizeof(*want));
    unsigned mode = rn_float_mode_set();
    int bad = 0;

    (void)state;
    assert_true(p && got && want);
    for (size_t o = 0; o < COUNT(operations); o++) {
        const char *first = NULL;

        for (size_t k = 0; k < COUNT(sets); k++) {
            size_t count;

            if (!runs_here(&sets[k]) ||
                (operations[o].fused && sets[k].needs == RN_ISA_SSE))
                continue;
            open_planes(p, &sets[k], t);
            count = operations[o].run(p, first ? got : want);
            assert_true(count <= RESULTS);
            if (first && memcmp(got, want, count * sizeof(*got)) != 0) {
                print_error("%s: other bits with %s than with %s\n",
                            operations[o].name, sets[k].name, first);
                bad++;
            }
            first = first ? first : sets[k].name;
        }
    }
    rn_float_mode_restore(mode);
    rn_free(t);
    rn_free(p);
    rn_free(got);
    rn_free(want);
    assert_int_equal(bad, 0);
}

/* Weights [out][in] in pairs of inputs. */
static void pair_weights(const uint16_t *plain, size_t b, uint16_t *to)
{
    for (size_t o = 0; o < C; o++)
        for (size_t i = 0; i < C; i++) {
            size_t at = (o / b * (C / b) + i / b) * b * b;

            to[at + (i % b / 2 * b + o % b) * 2 + i % 2] = plain[o * C + i];
        }
}

/* A sum as VDPBF16PS takes it: of each pair of channels the odd one first. */
static uint16_t product_of(const struct tried *t, size_t out, size_t pixel)
{
    float sum = t->shift[out] + widened(t->y[out * HW + pixel]);

    for (size_t i = 0; i < C; i++) {
        size_t in = i ^ 1;

        sum = fmaf(widened(t->x[in * HW + pixel]),
                   widened(t->weights[out * C + in]), sum);
    }
    return rn_bf16_of(sum < 0 ? 0 : sum);
}

static int check_product(const struct set *s, const struct tried *t, int pixels)
{
    struct planes *p = rn_alloc(1, sizeof(*p));
    uint16_t weights[C * C];
    size_t b;
    int bad = 0;

    assert_non_null(p);
    open_planes(p, s, t);
    b = p->b;
    pair_weights(t->weights, b, weights);
    memcpy(p->out, p->y, sizeof(p->out));
    for (size_t out = 0; out < C / b; out += 2) {
        struct rn_product_strip strip = {
            .x = p->x,
            .x_block = HW * b,
            .blocks = C / b,
            .w = weights + out * (C / b) * b * b,
            .w_block = C / b * b * b,
            .y = p->out + out * HW * b,
            .y_block = HW * b,
            .bias = t->shift + out * b,
            .add = true,
            .relu = true,
            .later = p->x,
        };

        s->product->multiply(pixels, 2, &strip);
    }
    for (size_t i = 0; i < C * HW && bad < 5; i++) {
        size_t c = i / HW, pixel = i % HW;
        uint16_t got = p->out[place_in(b, HW, c, pixel)];
        uint16_t want = pixel < (size_t)pixels ? product_of(t, c, pixel)
                                               : t->y[c * HW + pixel];

        if (got == want)
            continue;
        print_error("%s: product of %d pixels, channel %zu of pixel %zu is "
                    "%04x, expected %04x\n",
                    s->name, pixels, c, pixel, got, want);
        bad++;
    }
    rn_free(p);
    return bad;
}

static void products(void **state)
{
    struct tried *t = new_tried();
    unsigned mode = rn_float_mode_set();
    int bad = 0;

    (void)state;
    t->x[0] = t->x[5] = 0x0001; /* denormal: nothing */
    t->weights[3] = 0x8003;
    for (size_t k = 0; k < COUNT(sets); k++)
        for (int n = 1; runs_here(&sets[k]) && n <= sets[k].product->strip; n++)
            bad += check_product(&sets[k], t, n);
    rn_float_mode_restore(mode);
    rn_free(t);
    assert_int_equal(bad, 0);
}

/* ----------------------------------------------------------- convolutions */

/* Beside the rounding of what comes out. Winograd's transforms are in float32
 * (check-conv has their bound); the points of small tiles, and their weights,
 * are rounded once more. */
#define WINOGRAD_EXTRA 2e-4
#define ROUNDED_EXTRA  0.016
#define SUM_EXTRA      2e-5

static const struct bf16_case {
    int ic, oc, h, w, k, stride, pad;
    bool plain, sum, relu;
} conv_cases_bf16[] = {
    {64, 64, 14, 14, 1, 1, 0, false, false, true},
    {256, 96, 7, 7, 1, 1, 0, false, true, true},
    {40, 24, 9, 11, 1, 1, 0, false, true, false},
    {512, 128, 7, 7, 1, 1, 0, false, false, false},
    {64, 128, 14, 14, 1, 2, 0, false, false, true},
    {64, 64, 14, 14, 3, 2, 1, false, false, true},
    {48, 40, 13, 9, 3, 2, 1, false, true, true},
    {64, 64, 14, 14, 3, 1, 1, false, false, true},
    {16, 16, 32, 32, 3, 1, 1, false, true, true},
    {128, 128, 7, 7, 3, 1, 1, false, false, true},
    {96, 64, 2, 3, 3, 1, 1, false, false, true},
    {20, 30, 9, 9, 3, 1, 1, false, true, true},
    {48, 64, 13, 13, 5, 1, 2, false, false, true},
    {3, 64, 30, 30, 7, 2, 3, true, false, true},
    {3, 16, 32, 32, 3, 1, 1, true, false, true},
    {3, 33, 37, 21, 5, 3, 1, true, true, true},
    {3, 24, 9, 40, 2, 2, 0, true, false, false},
    {3, 64, 4, 4, 3, 1, 2, true, false, true},
};
enum { IMAGES = 3 };

/** A case's arrays: doubles are plain and rounded to bfloat16. */
struct problem {
    const struct bf16_case *c;
    struct rn_conv_config config;
    struct ref_window ref;
    double *x, *w, *b, *before;
    float *oihw, *bias;
    uint16_t *src, *shortcut;
    float *images;                   /* plain, in place of src */
    size_t src_numbers, dst_numbers; /* of an image */
};

static uint16_t *new_numbers(size_t count)
{
    uint16_t *x = rn_alloc(count, sizeof(*x));

    assert_non_null(x);
    return x;
}

/* Blocked. */
static uint16_t *rounded(const double *x, int n, struct rn_shape s)
{
    size_t count = blocked_floats(n, s);
    uint16_t *to = new_numbers(count);
    float *f = rn_alloc(count, sizeof(*f));

    assert_non_null(f);
    to_blocked(x, n, s, f);
    for (size_t i = 0; i < count; i++)
        to[i] = rn_bf16_of(f[i]);
    rn_free(f);
    return to;
}

static double *filled(size_t count, uint64_t stream, double scale)
{
    double *x = check_doubles(count);

    fill_rounded(x, count, stream, 0, scale);
    return x;
}

static void open_problem(struct problem *p, const struct bf16_case *c)
{
    struct rn_window window = RN_WINDOW(c->k, c->k, c->stride, c->pad);
    struct rn_shape in = {c->ic, c->h, c->w};
    struct rn_shape out = window_output(in, c->oc, window);
    size_t padded = rn_channels_padded(c->oc);

    memset(p, 0, sizeof(*p));
    p->c = c;
    p->config = (struct rn_conv_config){
        .in = in,
        .out = out,
        .window = window,
        .bias = true,
        .sum = c->sum,
        .relu = c->relu,
        .plain_input = c->plain,
        .input = c->plain ? RN_F32 : RN_BF16,
        .output = RN_BF16,
    };
    p->ref = ref_window_of(IMAGES, in, out, window);
    p->x = filled(ref_inputs(&p->ref), 50, 1);
    p->w = filled(ref_weights(&p->ref), 51, 3 / sqrt(c->ic * c->k * c->k));
    p->b = filled((size_t)c->oc, 52, 1);
    p->before = filled(ref_outputs(&p->ref), 53, 1);
    p->src = rounded(p->x, IMAGES, in);
    p->shortcut = rounded(p->before, IMAGES, out);
    p->images = rn_alloc(ref_inputs(&p->ref), sizeof(*p->images));
    assert_non_null(p->images);
    to_floats(p->x, ref_inputs(&p->ref), p->images);
    p->src_numbers =
        c->plain ? ref_inputs(&p->ref) / IMAGES : blocked_floats(1, in);
    p->dst_numbers = blocked_floats(1, out);
    p->oihw = rn_alloc(ref_weights(&p->ref), sizeof(*p->oihw));
    p->bias = rn_alloc(padded, sizeof(*p->bias));
    assert_true(p->oihw && p->bias);
    to_floats(p->w, ref_weights(&p->ref), p->oihw);
    to_floats(p->b, (size_t)c->oc, p->bias);
    for (size_t i = (size_t)c->oc; i < padded; i++)
        p->bias[i] = 0;
}

static void close_problem(struct problem *p)
{
    free(p->x);
    free(p->w);
    free(p->b);
    free(p->before);
    rn_free(p->src);
    rn_free(p->images);
    rn_free(p->shortcut);
    rn_free(p->oihw);
    rn_free(p->bias);
}

/* Images [first, first + n) into dst; the guards are what scratch memory and
 * packed weights have behind them. */
static int run_conv(const struct problem *p, int first, int n, int threads,
                    uint16_t *dst, char *algorithm)
{
    struct rn_conv_config config = p->config;
    struct rn_error err = {0};
    struct rn_conv *conv;
    struct guarded packed, scratch;
    size_t at = (size_t)first * p->src_numbers;
    const void *src = p->c->plain ? (const void *)(p->images + at)
                                  : (const void *)(p->src + at);
    int bad;

    config.n = n;
    config.threads = threads;
    if (rn_conv_create(&conv, &config, false, &err))
        fail_msg("%s", err.msg);
    snprintf(algorithm, 64, "%s", rn_conv_algorithm(conv));
    packed = guarded_floats((rn_conv_packed_bytes(conv) + 3) / sizeof(float));
    scratch = guarded_floats((rn_conv_scratch_bytes(conv) + 3) / sizeof(float));
    memcpy(dst, p->shortcut + (size_t)first * p->dst_numbers,
           (size_t)n * p->dst_numbers * sizeof(*dst));
    if (rn_conv_pack(conv, p->oihw, packed.x, &err) ||
        rn_conv_run(conv,
                    &(struct rn_conv_args){
                        .src = src,
                        .weights = packed.x,
                        .bias = p->bias,
                        .dst = dst,
                        .scratch = scratch.x,
                    },
                    &err))
        fail_msg("%s", err.msg);
    bad =
        guarded_check(&packed, algorithm) + guarded_check(&scratch, algorithm);
    guarded_free(&packed);
    guarded_free(&scratch);
    rn_conv_destroy(conv);
    return bad;
}

/** Of a value, by 1 and its magnitude, and of all, by theirs. */
struct bound {
    double most, rms;
};

static struct bound bound_of(const char *algorithm)
{
    if (strstr(algorithm, "winograd 2x2 bf16"))
        return (struct bound){ROUNDING + ROUNDED_EXTRA, 0.0045};
    if (strstr(algorithm, "winograd"))
        return (struct bound){ROUNDING + WINOGRAD_EXTRA, 0.002};
    return (struct bound){ROUNDING + SUM_EXTRA, 0.002};
}

static int check_values(const struct problem *p, const char *name,
                        const uint16_t *got, const struct bound *bound)
{
    size_t count = (size_t)IMAGES * p->dst_numbers;
    float *f = rn_alloc(count, sizeof(*f));
    double square = 0, off = 0;
    int bad;

    assert_non_null(f);
    for (size_t i = 0; i < count; i++)
        f[i] = widened(got[i]);
    bad = check_padding(name, f, IMAGES, p->config.out);
    for (size_t i = 0; i < ref_outputs(&p->ref) && bad < 5; i++) {
        double want = ref_conv_at(&p->ref, p->x, p->w, p->b, i);

        want += p->c->sum ? p->before[i] : 0;
        want = p->c->relu && want < 0 ? 0 : want;
        double y = (double)blocked_at(f, p->config.out, i);

        bad += check_value(name, "y", i, y, want, bound->most);
        square += want * want;
        off += (y - want) * (y - want);
    }
    if (!(off <= bound->rms * bound->rms * square) && ++bad)
        print_error("%s: off by %.4f, root mean square, more than %.4f\n", name,
                    sqrt(off / square), bound->rms);
    rn_free(f);
    return bad;
}

static int check_conv(const struct bf16_case *c, bool exact, int winograd)
{
    struct problem p;
    char name[200], algorithm[64], again[64];
    uint16_t *want, *got;
    struct bound bound;
    size_t bytes;
    int bad;

    open_problem(&p, c);
    p.config.exact = exact;
    p.config.winograd = winograd;
    if (!rn_conv_exists(&p.config)) { /* without oneDNN's: float32 does it */
        assert_false(rn_isa()->bf16);
        close_problem(&p);
        return 0;
    }
    bytes = p.dst_numbers * sizeof(*want);
    want = new_numbers(IMAGES * p.dst_numbers);
    got = new_numbers(IMAGES * p.dst_numbers);
    bad = run_conv(&p, 0, IMAGES, 1, want, algorithm);
    snprintf(name, sizeof(name), "%dx%dx%d -> %d, %dx%d/%d by %s", c->ic, c->h,
             c->w, c->oc, c->k, c->k, c->stride, algorithm);
    bound = bound_of(algorithm);
    bad += check_values(&p, name, want, &bound);
    for (int threads = 2; threads <= 3 && !bad; threads++) {
        bad += run_conv(&p, 0, IMAGES, threads, got, again);
        if (memcmp(got, want, IMAGES * bytes) != 0 && ++bad)
            print_error("%s: other bits on %d threads\n", name, threads);
    }
    for (int i = 0; i < IMAGES && !bad; i++) {
        bad += run_conv(&p, i, 1, 2, got, again);
        if (memcmp(got, want + (size_t)i * p.dst_numbers, bytes) != 0 && ++bad)
            print_error("%s: image %d has other bits alone\n", name, i);
    }
    rn_free(want);
    rn_free(got);
    close_problem(&p);
    return bad;
}

static void convolutions(void **state)
{
    unsigned mode = rn_float_mode_set();
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(conv_cases_bf16); i++) {
        const struct bf16_case *c = &conv_cases_bf16[i];

        bad += check_conv(c, true, 0);
        if (c->k == 3 && c->stride == 1)
            for (int tile = 0; tile <= 4; tile += 2)
                bad += check_conv(c, false, tile);
    }
    rn_float_mode_restore(mode);
    assert_int_equal(bad, 0);
}

/* --------------------------------------------------------------- networks */

enum { CLASSES = 10, BATCH = 3 };

/* Bound: the largest difference of logits over their largest magnitude. Each of
 * L layers rounds its output by at most 1/256, on average by a third of that
 * and independently: sqrt(L) / 770 and some for their weights. */
static const struct net {
    const char *name;
    int side;
    double bound;
} nets[] = {
    {"resnet20", 32, 0.02},
    {"resnet18", 64, 0.02},
    {"resnet50", 64, 0.02},
    {"resnext50_32x4d", 64, 0.02},
};

static struct rn_graph *new_graph(int c, int side)
{
    struct rn_graph *g = rn_graph_create();

    assert_non_null(g);
    rn_graph_input(g, (struct rn_shape){c, side, side});
    return g;
}

static const struct rn_window one = RN_WINDOW(1, 1, 1, 0),
                              same = RN_WINDOW(3, 3, 1, 1);

/* Blocks with squeeze and excitation: pools, fc, functions, products. */
static struct rn_graph *se_net(void)
{
    struct rn_graph *g = new_graph(3, 24);
    int x = rn_graph_conv(g, 0, "stem", 32, same, false);

    x = rn_graph_relu(g, rn_graph_batch_norm(g, x, "stem.bn"), "stem.relu");
    for (int i = 0; i < 3; i++) {
        char name[4][16];
        int y, s;

        for (int k = 0; k < 4; k++)
            snprintf(name[k], sizeof(name[k]), "%d.%d", i, k);
        y = rn_graph_conv(g, x, name[0], 32, same, true);
        s = rn_graph_global_avg_pool(g, y, name[1]);
        s = rn_graph_linear(g, s, name[2], 32);
        s = rn_graph_sigmoid(g, s, name[3]);
        snprintf(name[0], sizeof(name[0]), "%d.mul", i);
        snprintf(name[1], sizeof(name[1]), "%d.add", i);
        snprintf(name[2], sizeof(name[2]), "%d.relu", i);
        y = rn_graph_multiply(g, y, s, name[0]);
        x = rn_graph_relu(g, rn_graph_add(g, y, x, name[1]), name[2]);
    }
    rn_graph_global_avg_pool(g, x, "pool");
    return g;
}

/* Batch norm and ReLU first, everything concatenated. */
static struct rn_graph *dense_net(void)
{
    struct rn_graph *g = new_graph(3, 20);
    int x = rn_graph_conv(g, 0, "stem", 24, same, true);

    for (int i = 0; i < 4; i++) {
        char name[4][16];
        int y;

        for (int k = 0; k < 4; k++)
            snprintf(name[k], sizeof(name[k]), "%d.%d", i, k);
        y = rn_graph_batch_norm(g, x, name[0]);
        y = rn_graph_relu(g, y, name[1]);
        y = rn_graph_conv(g, y, name[2], 12, i % 2 ? one : same, false);
        x = rn_graph_concat(g, x, y, name[3]);
    }
    rn_graph_global_avg_pool(g, rn_graph_relu(g, x, "relu"), "pool");
    return g;
}

static void fill_params(struct rn_graph *g)
{
    for (size_t i = 0; i < g->n_params; i++) {
        struct rn_param *p = &g->params[i];
        size_t fan = p->count / (size_t)p->dim[0];
        bool around_one =
            p->kind == RN_PARAM_RUNNING_VAR || p->kind == RN_PARAM_BN_WEIGHT;
        double *x = check_doubles(p->count);

        check_fill(x, p->count, 70 + i, around_one ? 1 : 0,
                   p->kind == RN_PARAM_WEIGHT ? sqrt(6.0 / (double)fan) : 0.3);
        to_floats(x, p->count, p->data);
        free(x);
    }
}

/** What a plan says of a value inside, one after another. */
struct values {
    char name[80];
    float *all;
    size_t count, room;
    int calls;
};

static int note(void *user, const struct rn_trace *value)
{
    struct values *v = user;
    size_t count =
        (size_t)(BATCH * value->channels * value->height * value->width);

    v->calls++;
    if (strcmp(v->name, value->name) == 0) {
        assert_true(count <= v->room);
        memcpy(v->all, value->values, count * sizeof(*v->all));
        v->count = count;
    }
    return 0;
}

/** One network, its images and the answers of one batch. */
struct subject {
    const struct rn_model *model; /* or a store */
    struct rn_store *store;
    const float *images;
    size_t image; /* numbers of one */
};

static struct rn_plan *new_plan(const struct subject *s,
                                const struct rn_plan_options *options)
{
    struct rn_plan *plan;
    struct rn_error err;

    if (s->model ? rn_plan_create(&plan, s->model, options, &err)
                 : rn_plan_build(&plan, s->store, options, &err))
        fail_msg("%s", err.msg);
    return plan;
}

static void answer(const struct subject *s, int precision, int first, int batch,
                   int threads, float *logits)
{
    struct rn_plan_options options = {.batch = batch,
                                      .threads = threads,
                                      .precision = precision,
                                      .emulate = 1};
    struct rn_plan *plan = new_plan(s, &options);
    struct rn_error err;

    if (rn_plan_forward(plan, s->images + (size_t)first * s->image, logits,
                        &err))
        fail_msg("%s", err.msg);
    rn_plan_destroy(plan);
}

static int check_answers(const char *name, const struct subject *s,
                         double bound)
{
    float want[BATCH * CLASSES], got[BATCH * CLASSES], alone[CLASSES];
    double largest = 0, worst = 0;
    int bad = 0;

    answer(s, RN_PRECISION_FP32, 0, BATCH, 2, want);
    answer(s, RN_PRECISION_BF16, 0, BATCH, 2, got);
    for (int i = 0; i < BATCH * CLASSES; i++) {
        double off = fabs((double)got[i] - (double)want[i]);

        largest = fmax(largest, fabs((double)want[i]));
        worst = off <= worst ? worst : off; /* NaN stays */
    }
    print_message("# %s: logits differ by %.4f of the largest\n", name,
                  worst / largest);
    if (!(worst <= bound * largest) && ++bad)
        print_error("%s: that is more than %g\n", name, bound);
    if (worst == 0 && ++bad)
        print_error("%s: nothing was computed in bfloat16\n", name);
    for (int i = 0; i < BATCH; i++) {
        answer(s, RN_PRECISION_BF16, i, 1, 1 + i, alone);
        if (memcmp(alone, got + i * CLASSES, sizeof(alone)) != 0 && ++bad)
            print_error("%s: image %d has other bits alone\n", name, i);
    }
    return bad;
}

/* What is kept and what is traced are the same numbers of bfloat16. */
static int check_kept(const char *name, const struct subject *s,
                      const char *layer)
{
    struct rn_plan_options options = {.batch = BATCH,
                                      .threads = 1,
                                      .precision = RN_PRECISION_BF16,
                                      .emulate = 1,
                                      .keep = layer};
    struct rn_plan *plan = new_plan(s, &options);
    struct values v = {.room = (size_t)BATCH * 2048 * 64};
    float *kept = rn_alloc(v.room, sizeof(*kept)), logits[BATCH * CLASSES];
    size_t count;
    struct rn_error err;
    int c, h, w, bad = 0;

    v.all = rn_alloc(v.room, sizeof(*v.all));
    assert_true(kept && v.all);
    snprintf(v.name, sizeof(v.name), "%s", layer);
    if (rn_plan_forward(plan, s->images, logits, &err) ||
        rn_plan_trace(plan, s->images, note, &v, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(rn_plan_kept(plan, &c, &h, &w), RN_OK);
    assert_int_equal(rn_plan_values(plan, kept), RN_OK);
    count = (size_t)(BATCH * c * h * w);
    if ((v.count != count || memcmp(kept, v.all, count * sizeof(*kept)) != 0) &&
        ++bad)
        print_error("%s: %s is not what the trace says (%zu of %zu values)\n",
                    name, layer, v.count, count);
    for (size_t i = 0; i < count && !bad; i++)
        bad += bits_of(kept[i]) << 16 != 0;
    if (bad)
        print_error("%s: %s has more digits than bfloat16\n", name, layer);
    rn_plan_destroy(plan);
    rn_free(v.all);
    rn_free(kept);
    return bad;
}

static float *new_images(size_t count)
{
    double *x = check_doubles(count);
    float *f = rn_alloc(count, sizeof(*f));

    assert_non_null(f);
    check_fill(x, count, 60, 0, 1);
    to_floats(x, count, f);
    free(x);
    return f;
}

static void networks(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(nets); i += check_fast() ? 3 : 1) {
        struct rn_net_options options;
        struct subject s = {0};
        struct rn_model *model;
        struct rn_error err;
        float *images;

        rn_net_defaults(&options);
        options.classes = CLASSES;
        options.height = options.width = nets[i].side;
        if (rn_model_create(&model, nets[i].name, &options, &err))
            fail_msg("%s: %s", nets[i].name, err.msg);
        rn_model_init(model, check_seed());
        s.model = model;
        s.image = 3 * (size_t)nets[i].side * (size_t)nets[i].side;
        s.images = images = new_images(BATCH * s.image);
        bad += check_answers(nets[i].name, &s, nets[i].bound);
        if (i == 0)
            bad += check_kept(nets[i].name, &s, "layer2.0.relu2");
        rn_free(images);
        rn_model_destroy(model);
    }
    assert_int_equal(bad, 0);
}

static int check_graph(const char *name, struct rn_graph *g, double bound)
{
    struct subject s = {0};
    struct rn_error err;
    float *images;
    int bad;

    rn_graph_linear(g, g->output, "classifier", CLASSES);
    if (g->error.code)
        fail_msg("%s: %s", name, g->error.msg);
    fill_params(g);
    if (rn_store_create(&s.store, g, RN_STORE_FIXED, &err))
        fail_msg("%s: %s", name, err.msg);
    s.image = rn_shape_size(g->nodes[0].shape);
    s.images = images = new_images(BATCH * s.image);
    bad = check_answers(name, &s, bound);
    rn_free(images);
    rn_store_destroy(s.store);
    rn_graph_destroy(g);
    return bad;
}

static void graphs(void **state)
{
    int bad = 0;

    (void)state;
    bad += check_graph("squeeze and excitation", se_net(), 0.02);
    bad += check_graph("concatenation", dense_net(), 0.02);
    assert_int_equal(bad, 0);
}

/* ------------------------------------------------------------- what is not */

static void refusals(void **state)
{
    struct rn_plan_options options;
    struct rn_model *model;
    struct rn_plan *plan = NULL;
    struct rn_error err;
    int rc;

    (void)state;
    if (rn_model_create(&model, "resnet20", NULL, &err))
        fail_msg("%s", err.msg);
    rn_plan_defaults(&options);
    options.batch = 1;
    options.threads = 1;
    options.precision = RN_PRECISION_BF16;
    rc = rn_plan_create(&plan, model, &options, &err);
    if (rn_isa()->bf16) {
        assert_int_equal(rc, RN_OK);
    } else {
        assert_int_equal(rc, RN_ERR_ARG);
        assert_non_null(strstr(err.msg, "no instructions"));
        assert_non_null(strstr(err.msg, "`emulate`"));
    }
    rn_plan_destroy(plan);
    options.emulate = 1;
    assert_int_equal(rn_plan_create(&plan, model, &options, &err), RN_OK);
    rn_plan_destroy(plan);
    options.precision = 7;
    assert_int_equal(rn_plan_create(&plan, model, &options, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "`precision`"));
    assert_string_equal(rn_precision_name(RN_PRECISION_BF16), "bf16");
    assert_null(rn_precision_name(7));
    rn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounding),      cmocka_unit_test(kernels_round),
        cmocka_unit_test(kernels_agree), cmocka_unit_test(products),
        cmocka_unit_test(convolutions),  cmocka_unit_test(networks),
        cmocka_unit_test(graphs),        cmocka_unit_test(refusals),
    };

    print_message("# seed %llu, %s, bf16 %s\n",
                  (unsigned long long)check_seed(), rn_isa()->name,
                  rn_isa()->bf16 ? "native" : "emulated");
    return cmocka_run_group_tests_name("bf16", tests, NULL, NULL);
}
