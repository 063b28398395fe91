/* SPDX-License-Identifier: BSD-2-Clause */
/* The inner loops of every instruction set this processor has, not only of
 * the one the engine picks, plane by plane against the reference. A plane
 * [hw][B] is seen as B channels of one image. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ops/kernels.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOL 1e-5

extern const struct rn_kernels rn_kernels_f32_sse;
#ifdef __x86_64__
extern const struct rn_kernels rn_kernels_f32_avx2, rn_kernels_f32_avx512;
#endif

/* Around what loops are unrolled by, and around the 128 pixels that are
 * summed in float. */
static const size_t sizes[] = {1, 2, 3, 4, 5, 49, 127, 128, 129, 300};

enum { WIDEST = 16 };

/** A plane on both sides: plain [B][hw] and [hw][B]. */
struct plane {
    size_t b, hw;
    double *plain;
    struct guarded g;
};

static void set_plane(struct plane *p, size_t i, double x)
{
    p->plain[i] = x;
    p->g.x[i % p->hw * p->b + i / p->hw] = (float)x;
}

static struct plane new_plane(size_t b, size_t hw, uint64_t stream,
                              double centre)
{
    struct plane p = {b, hw, check_doubles(b * hw), guarded_floats(b * hw)};

    check_fill(p.plain, b * hw, stream, centre, 1);
    for (size_t i = 0; i < b * hw; i++)
        set_plane(&p, i, p.plain[i]);
    return p;
}

static void free_plane(struct plane *p)
{
    free(p->plain);
    guarded_free(&p->g);
}

static int compare(const char *name, const char *what, const struct plane *got,
                   const double *want, double tol)
{
    int bad = guarded_check(&got->g, name);

    for (size_t i = 0; i < got->b * got->hw && bad < 5; i++) {
        double x = (double)got->g.x[i % got->hw * got->b + i / got->hw];

        bad += check_value(name, what, i, x, want[i], tol);
    }
    return bad;
}

/** Per channel. */
struct channels {
    double x[WIDEST];
    float f[WIDEST];
};

static struct channels new_channels(uint64_t stream, double centre)
{
    struct channels c;

    check_fill(c.x, WIDEST, stream, centre, 0.5);
    to_floats(c.x, WIDEST, c.f);
    return c;
}

static int check_sums(const struct rn_kernels *k, const char *name, size_t hw)
{
    size_t b = (size_t)k->block;
    struct plane z = new_plane(b, hw, 1, 2);
    struct channels pivot = new_channels(2, 2);
    double a[WIDEST] = {0}, s[WIDEST] = {0};
    int bad = 0;

    k->bn_sums(z.g.x, hw, pivot.f, (struct rn_plane_sums){a, s});
    for (size_t c = 0; c < b; c++) {
        double want_a = 0, want_s = 0;

        for (size_t i = 0; i < hw; i++) {
            double v = z.plain[c * hw + i] - pivot.x[c];

            want_a += v;
            want_s += v * v;
        }
        bad += check_value(name, "sum", c, a[c], want_a, TOL);
        bad += check_value(name, "sum of squares", c, s[c], want_s, TOL);
    }
    free_plane(&z);
    return bad;
}

static double read_value(const struct plane *p, size_t i, bool affine,
                         bool relu, const struct channels *scale,
                         const struct channels *shift)
{
    double v = p->plain[i];

    if (affine)
        v = v * scale->x[i / p->hw] + shift->x[i / p->hw];
    return relu && v < 0 ? 0 : v;
}

/* Every way to read two operands. */
static int check_apply(const struct rn_kernels *k, const char *name, size_t hw)
{
    size_t b = (size_t)k->block;
    struct plane p = new_plane(b, hw, 1, 0), q = new_plane(b, hw, 2, 0);
    struct plane y = new_plane(b, hw, 3, 0);
    struct channels scale = new_channels(4, 1), shift = new_channels(5, 0);
    double *want = check_doubles(b * hw);
    int bad = 0;

    for (int m = 0; m < 64; m++) {
        bool pa = m & 1, pr = m & 2, has = m & 4, qa = m & 8, qr = m & 16;
        bool relu = m & 32;
        struct rn_operand a = {p.g.x, pa ? scale.f : NULL, pa ? shift.f : NULL,
                               pr, 0};
        struct rn_operand c = {has ? q.g.x : NULL, qa ? scale.f : NULL,
                               qa ? shift.f : NULL, qr, 0};

        for (size_t i = 0; i < b * hw; i++) {
            want[i] = read_value(&p, i, pa, pr, &scale, &shift);
            if (has)
                want[i] += read_value(&q, i, qa, qr, &scale, &shift);
            if (relu && want[i] < 0)
                want[i] = 0;
        }
        guarded_reset(&y.g);
        k->apply(&a, &c, relu, y.g.x, hw);
        bad += compare(name, "apply", &y, want, TOL);
    }
    free(want);
    free_plane(&p);
    free_plane(&q);
    free_plane(&y);
    return bad;
}

/* The two passes of batch norm's gradient, every mask, one gradient or two,
 * written or not. */
static int check_backward(const struct rn_kernels *k, const char *name,
                          size_t hw)
{
    size_t b = (size_t)k->block;
    struct plane z = new_plane(b, hw, 1, 0), dy = new_plane(b, hw, 2, 0);
    struct plane dy2 = new_plane(b, hw, 3, 0), y = new_plane(b, hw, 4, 0);
    struct plane g = new_plane(b, hw, 5, 0), dz = new_plane(b, hw, 6, 0);
    struct channels scale = new_channels(7, 1), shift = new_channels(8, 0);
    struct channels mean = new_channels(9, 0), cg = new_channels(10, 1);
    struct channels cz = new_channels(11, 0), one = new_channels(12, 0);
    double *want = check_doubles(b * hw), *want_dz = check_doubles(b * hw);
    int bad = 0;

    for (int m = 0; m < 12; m++) {
        bool two = m & 1, write = m & 2;
        int mask = m / 4; /* none, output's, input's */
        double a[WIDEST] = {0}, s[WIDEST] = {0};
        double want_a[WIDEST] = {0}, want_s[WIDEST] = {0};
        struct rn_bn_backward in = {
            .dy = dy.g.x,
            .dy2 = two ? dy2.g.x : NULL,
            .y = mask == 1 ? y.g.x : NULL,
            .z = z.g.x,
            .scale = scale.f,
            .shift = shift.f,
            .relu = mask != 0,
        };

        for (size_t i = 0; i < b * hw; i++) {
            size_t c = i / hw;
            double pre = z.plain[i] * scale.x[c] + shift.x[c];
            bool pass = mask == 0 || (mask == 1 ? y.plain[i] : pre) > 0;

            want[i] = pass ? dy.plain[i] + (two ? dy2.plain[i] : 0) : 0;
            want_dz[i] = want[i] * cg.x[c] + z.plain[i] * cz.x[c] + one.x[c];
            want_a[c] += want[i];
            want_s[c] += want[i] * (z.plain[i] - mean.x[c]);
        }
        guarded_reset(&g.g);
        guarded_reset(&dz.g);
        k->bn_reduce(&in, write ? g.g.x : NULL, hw, mean.f,
                     (struct rn_plane_sums){a, s});
        k->bn_gradient(&in, cg.f, cz.f, one.f, dz.g.x, hw);
        if (write)
            bad += compare(name, "g", &g, want, TOL);
        bad += compare(name, "dz", &dz, want_dz, TOL);
        for (size_t c = 0; c < b; c++) {
            bad += check_value(name, "sum g", c, a[c], want_a[c], TOL);
            bad +=
                check_value(name, "sum g (z - mean)", c, s[c], want_s[c], TOL);
        }
        if (mask == 2)
            continue;
        in.z = NULL; /* the mask alone */
        guarded_reset(&g.g);
        k->bn_reduce(&in, g.g.x, hw, NULL, (struct rn_plane_sums){NULL, NULL});
        bad += compare(name, "mask", &g, want, TOL);
    }
    free(want);
    free(want_dz);
    free_plane(&z);
    free_plane(&dy);
    free_plane(&dy2);
    free_plane(&y);
    free_plane(&g);
    free_plane(&dz);
    return bad;
}

static int check_average(const struct rn_kernels *k, const char *name,
                         size_t hw)
{
    size_t b = (size_t)k->block;
    struct plane x = new_plane(b, hw, 1, 1), dx = new_plane(b, hw, 2, 0);
    struct plane mean = new_plane(b, 1, 3, 0);
    double want_mean[WIDEST], *want = check_doubles(b * hw);
    int bad;

    ref_average(b, hw, x.plain, want_mean);
    guarded_reset(&mean.g);
    k->average(x.g.x, hw, mean.g.x);
    bad = compare(name, "mean", &mean, want_mean, TOL);
    ref_average_backward(b, hw, want_mean, want);
    guarded_reset(&dx.g);
    k->average_backward(mean.g.x, hw, dx.g.x);
    bad += compare(name, "dx of the mean", &dx, want, TOL);
    free(want);
    free_plane(&x);
    free_plane(&dx);
    free_plane(&mean);
    return bad;
}

/* Element by element, by a pixel for all, and summed. */
static int check_products(const struct rn_kernels *k, const char *name,
                          size_t hw)
{
    size_t b = (size_t)k->block;
    struct plane x = new_plane(b, hw, 20 + hw, 0.1);
    struct plane w = new_plane(b, hw, 21 + hw, -0.2);
    struct plane g = new_plane(b, 1, 22 + hw, 0.5);
    struct plane y = new_plane(b, hw, 23, 0), sum = new_plane(b, 1, 24, 0);
    double *product = check_doubles(b * hw), *gated = check_doubles(b * hw);
    double *sums = check_doubles(b);
    int bad = 0;

    for (size_t i = 0; i < b * hw; i++) {
        product[i] = x.plain[i] * w.plain[i];
        gated[i] = x.plain[i] * g.plain[i / hw];
        sums[i / hw] += product[i];
    }
    k->multiply(x.g.x, w.g.x, false, y.g.x, hw);
    bad += compare(name, "product", &y, product, TOL);
    k->multiply(x.g.x, g.g.x, true, y.g.x, hw);
    bad += compare(name, "gated", &y, gated, TOL);
    k->dot(x.g.x, w.g.x, hw, sum.g.x);
    bad += compare(name, "sum of products", &sum, sums, TOL);
    free_plane(&x);
    free_plane(&w);
    free_plane(&g);
    free_plane(&y);
    free_plane(&sum);
    free(product);
    free(gated);
    free(sums);
    return bad;
}

/* Maxout of three pieces and its gradient, of one block: x's planes are one of
 * three times the pixels. The first of equal ones, of which there are some. */
static int check_maxout(const struct rn_kernels *k, const char *name, size_t hw)
{
    enum { PIECES = 3 };
    size_t b = (size_t)k->block;
    const struct rn_channel_part part = {.hw = hw, .channels = b};
    struct plane x = new_plane(b, PIECES * hw, 40 + hw, 0.1);
    struct plane dy = new_plane(b, hw, 41 + hw, 0);
    struct plane y = new_plane(b, hw, 42, 0);
    struct plane dx = new_plane(b, PIECES * hw, 43, 0);
    double *value = check_doubles(b * hw);
    double *to_x = check_doubles(PIECES * b * hw);
    uint8_t *where = calloc(b * hw, 1);
    int bad = 0;

    assert_non_null(where);
    for (size_t i = 0; i < b * hw; i++) {
        size_t at = i / hw * PIECES * hw + i % hw, best = at;

        if (i % 4 == 0)
            set_plane(&x, at + hw, x.plain[at]);
        for (size_t p = 1; p < PIECES; p++)
            if (x.plain[at + p * hw] > x.plain[best])
                best = at + p * hw;
        value[i] = x.plain[best];
        to_x[best] = dy.plain[i];
    }
    k->maxout(&part, PIECES, x.g.x, y.g.x, where);
    bad += compare(name, "maxout", &y, value, TOL);
    k->maxout_backward(&part, PIECES, dy.g.x, where, dx.g.x);
    bad += compare(name, "maxout's dx", &dx, to_x, TOL);
    free_plane(&x);
    free_plane(&dy);
    free_plane(&y);
    free_plane(&dx);
    free(value);
    free(to_x);
    free(where);
    return bad;
}

/* The gate of a highway network and its gradients, of one block: z's two planes
 * are one of twice the pixels. */
static int check_highway(const struct rn_kernels *k, const char *name,
                         size_t hw)
{
    size_t b = (size_t)k->block;
    const struct rn_channel_part part = {.hw = hw, .channels = b};
    struct plane z = new_plane(b, 2 * hw, 30 + hw, 0.1);
    struct plane x = new_plane(b, hw, 31 + hw, 0.2);
    struct plane dy = new_plane(b, hw, 32 + hw, 0);
    struct plane dy2 = new_plane(b, hw, 33 + hw, 0.3);
    struct plane y = new_plane(b, hw, 34, 0), dz = new_plane(b, 2 * hw, 35, 0);
    double *value = check_doubles(b * hw), *to_x = check_doubles(b * hw);
    double *to_z = check_doubles(2 * b * hw);
    int bad = 0;

    for (size_t i = 0; i < b * hw; i++) {
        size_t at = i / hw * 2 * hw + i % hw;
        double h = fmax(0, z.plain[at]), t = 1 / (1 + exp(-z.plain[at + hw]));
        double g = dy.plain[i] + dy2.plain[i];

        value[i] = t * h + (1 - t) * x.plain[i];
        to_x[i] = g * (1 - t);
        to_z[at] = h > 0 ? g * t : 0;
        to_z[at + hw] = g * t * (1 - t) * (h - x.plain[i]);
    }
    k->highway(&part, z.g.x, x.g.x, y.g.x);
    bad += compare(name, "highway", &y, value, TOL);
    const struct rn_highway_backward in = {
        .z = z.g.x, .x = x.g.x, .dy = dy.g.x, .dy2 = dy2.g.x};
    k->highway_backward(&part, &in, dz.g.x, dy2.g.x);
    bad += compare(name, "highway's dz", &dz, to_z, TOL);
    bad += compare(name, "highway's dx", &dy2, to_x, TOL);
    free_plane(&z);
    free_plane(&x);
    free_plane(&dy);
    free_plane(&dy2);
    free_plane(&y);
    free_plane(&dz);
    free(value);
    free(to_x);
    free(to_z);
    return bad;
}

static const struct rn_pool pools[] = {
    /* ih iw oh ow kh kw stride pad */
    {8, 8, 4, 4, 3, 3, 2, 1}, {7, 9, 4, 5, 3, 3, 2, 1},
    {5, 6, 5, 6, 3, 3, 1, 1}, {6, 4, 3, 2, 2, 2, 2, 0},
    {1, 1, 1, 1, 3, 3, 1, 1}, {9, 7, 2, 1, 7, 7, 2, 0},
    {4, 5, 3, 5, 2, 1, 1, 0},
};

static int check_pool(const struct rn_kernels *k, const char *name,
                      const struct rn_pool *p)
{
    size_t b = (size_t)k->block;
    struct ref_window c = {1,     (int)b, p->ih, p->iw,     (int)b, p->oh,
                           p->ow, p->kh,  p->kw, p->stride, p->pad};
    size_t out = (size_t)p->oh * (size_t)p->ow;
    struct plane x = new_plane(b, (size_t)p->ih * (size_t)p->iw, 1, 0);
    struct plane dx = new_plane(b, x.hw, 2, 0), y = new_plane(b, out, 3, 0);
    struct plane dy = new_plane(b, out, 4, 0), dy2 = new_plane(b, out, 5, 0);
    double *want_y = check_doubles(b * out), *want_dx = check_doubles(b * x.hw);
    size_t *places = calloc(b * out, sizeof(*places));
    uint8_t *where = malloc(b * out);
    struct rn_operand in = {.x = x.g.x};
    int bad;

    assert_true(places && where);
    ref_max_pool(&c, x.plain, want_y, places);
    guarded_reset(&y.g);
    k->max_pool(p, &in, y.g.x, where);
    bad = compare(name, "max", &y, want_y, 0);
    ref_add(b * out, dy.plain, dy2.plain, want_y);
    ref_max_pool_backward(&c, want_y, places, want_dx);
    guarded_reset(&dx.g);
    k->max_pool_backward(p, dy.g.x, dy2.g.x, where, dx.g.x);
    bad += compare(name, "dx of the max", &dx, want_dx, TOL);
    free(want_y);
    free(want_dx);
    free(places);
    free(where);
    free_plane(&x);
    free_plane(&dx);
    free_plane(&y);
    free_plane(&dy);
    free_plane(&dy2);
    return bad;
}

static void check_kernels(const struct rn_kernels *k)
{
    int bad = 0;

    assert_true(k->block <= WIDEST);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char name[64];

        snprintf(name, sizeof(name), "%s, %zu pixels", k->isa, sizes[i]);
        bad += check_sums(k, name, sizes[i]);
        bad += check_apply(k, name, sizes[i]);
        bad += check_backward(k, name, sizes[i]);
        bad += check_average(k, name, sizes[i]);
        bad += check_products(k, name, sizes[i]);
        bad += check_highway(k, name, sizes[i]);
        bad += check_maxout(k, name, sizes[i]);
    }
    for (size_t i = 0; i < COUNT(pools); i++) {
        char name[64];

        snprintf(name, sizeof(name), "%s, pool %zu", k->isa, i);
        bad += check_pool(k, name, &pools[i]);
    }
    assert_int_equal(bad, 0);
}

static void sse(void **state)
{
    (void)state;
#ifdef __x86_64__
    if (!__builtin_cpu_supports("sse4.1"))
        skip();
#endif
    check_kernels(&rn_kernels_f32_sse);
}

#ifdef __x86_64__
static void avx2(void **state)
{
    (void)state;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        print_message("# no AVX2 here\n");
        skip();
    }
    check_kernels(&rn_kernels_f32_avx2);
}

static void avx512(void **state)
{
    (void)state;
    if (!__builtin_cpu_supports("avx512f") ||
        !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl")) {
        print_message("# no AVX-512 here\n");
        skip();
    }
    check_kernels(&rn_kernels_f32_avx512);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sse),
#ifdef __x86_64__
        cmocka_unit_test(avx2),
        cmocka_unit_test(avx512),
#endif
    };

    print_message("# seed %llu\n", (unsigned long long)check_seed());
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
