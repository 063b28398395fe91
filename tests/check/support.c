/* SPDX-License-Identifier: BSD-2-Clause */
/* Random tensors, guard bytes and comparisons of the checks. */
#include "support.h"

#include "core/memory.h"
#include "core/random.h"
#include "ops/layout.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

uint64_t check_seed(void)
{
    const char *text = getenv("RN_TEST_SEED");

    return text ? strtoull(text, NULL, 10) : 1;
}

bool check_fast(void)
{
    return getenv("RN_TEST_FAST") != NULL;
}

void check_fill(double *x, size_t count, uint64_t stream, double centre,
                double scale)
{
    struct rn_random_key key = {.seed =
                                    check_seed() + stream * 0x9e3779b97f4a7c15u,
                                .purpose = RN_RANDOM_TEST};
    uint32_t bits[4];

    for (size_t i = 0; i < count; i++) {
        if (i % 4 == 0)
            rn_random4(&key, i / 4, bits);
        x[i] = (double)(float)(centre +
                               scale * (2 * rn_random_unit(bits[i % 4]) - 1));
    }
}

double *check_doubles(size_t count)
{
    double *x = calloc(count ? count : 1, sizeof(*x));

    assert_non_null(x);
    return x;
}

float *check_new_floats(size_t count)
{
    float *x = rn_alloc(count, sizeof(*x));

    assert_non_null(x);
    return x;
}

double *check_random(size_t count, uint64_t stream, double scale)
{
    double *x = check_doubles(count);

    check_fill(x, count, stream, 0, scale);
    return x;
}

/* ---------------------------------------------------------------- buffers */

enum { GUARD_BYTES = 256, GUARD_BYTE = 0xa5 };

struct guarded guarded_floats(size_t count)
{
    struct guarded g = {.count = count};
    size_t bytes = count * sizeof(*g.x) + GUARD_BYTES;

    assert_int_equal(posix_memalign(&g.memory, 64, bytes), 0);
    g.x = g.memory;
    guarded_reset(&g);
    return g;
}

void guarded_reset(struct guarded *g)
{
    memset(g->x, 0xff, g->count * sizeof(*g->x)); /* NaN */
    memset(g->x + g->count, GUARD_BYTE, GUARD_BYTES);
}

void guarded_free(struct guarded *g)
{
    free(g->memory);
    *g = (struct guarded){NULL, 0, NULL};
}

int guarded_check(const struct guarded *g, const char *name)
{
    const uint8_t *guard = (const uint8_t *)(g->x + g->count);

    for (size_t i = 0; i < GUARD_BYTES; i++)
        if (guard[i] != GUARD_BYTE) {
            print_error("%s: byte %zu behind the output was written\n", name,
                        i);
            return 1;
        }
    return 0;
}

/* ---------------------------------------------------------------- layouts */

static size_t block(void)
{
    return (size_t)rn_block();
}

static size_t blocks_of(struct rn_shape s)
{
    return ((size_t)s.c + block() - 1) / block();
}

static size_t pixels(struct rn_shape s)
{
    return (size_t)s.h * (size_t)s.w;
}

size_t blocked_floats(int n, struct rn_shape s)
{
    return (size_t)n * blocks_of(s) * block() * pixels(s);
}

/* Where plain element i of [n][c][h][w] lies in the blocked layout. */
static size_t blocked_index(struct rn_shape s, size_t i)
{
    size_t b = block(), hw = pixels(s), c = (size_t)s.c;
    size_t n = i / hw / c, channel = i / hw % c;

    return ((n * blocks_of(s) + channel / b) * hw + i % hw) * b + channel % b;
}

void to_floats(const double *from, size_t count, float *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (float)from[i];
}

void to_blocked(const double *plain, int n, struct rn_shape s, float *blocked)
{
    size_t count = (size_t)n * (size_t)s.c * pixels(s);

    memset(blocked, 0, blocked_floats(n, s) * sizeof(*blocked));
    for (size_t i = 0; i < count; i++)
        blocked[blocked_index(s, i)] = (float)plain[i];
}

float blocked_at(const float *blocked, struct rn_shape s, size_t i)
{
    return blocked[blocked_index(s, i)];
}

int check_padding(const char *name, const float *blocked, int n,
                  struct rn_shape s)
{
    size_t b = block(), hw = pixels(s), blocks = blocks_of(s);
    size_t real = (size_t)s.c - (blocks - 1) * b; /* of the last block */
    int bad = 0;

    for (size_t k = 0; k < (size_t)n; k++) {
        const float *last = blocked + ((k + 1) * blocks - 1) * hw * b;

        for (size_t i = 0; i < hw * b; i++) {
            if (i % b < real || last[i] == 0)
                continue;
            if (!bad++)
                print_error("%s: padding channel %zu of image %zu, pixel %zu "
                            "is %g, not 0\n",
                            name, (blocks - 1) * b + i % b, k, i / b,
                            (double)last[i]);
        }
    }
    return bad;
}

/* ------------------------------------------------------------- comparison */

int check_value(const char *name, const char *what, size_t i, double got,
                double want, double tol)
{
    double off = fabs(got - want) / (1 + fabs(want));

    if (off <= tol)
        return 0;
    print_error("%s: %s[%zu] is %.9g, expected %.9g, off by %.2g, "
                "tolerance %.2g\n",
                name, what, i, got, want, off, tol);
    return 1;
}

/** Enough printed: one mistake is often a thousand. */
enum { FEW = 5 };

int check_blocked(const char *name, const char *what, const struct guarded *got,
                  int n, struct rn_shape s, const double *want, double tol)
{
    size_t count = (size_t)n * (size_t)s.c * pixels(s);
    int bad = guarded_check(got, name) + check_padding(name, got->x, n, s);

    for (size_t i = 0; i < count && bad < FEW; i++)
        bad += check_value(name, what, i, (double)blocked_at(got->x, s, i),
                           want[i], tol);
    return bad;
}

int check_floats(const char *name, const char *what, const float *got,
                 const double *want, size_t count, double tol)
{
    int bad = 0;

    for (size_t i = 0; i < count && bad < FEW; i++)
        bad += check_value(name, what, i, (double)got[i], want[i], tol);
    return bad;
}

/* ----------------------------------------------------------------- shapes */

struct rn_shape window_output(struct rn_shape in, int channels,
                              struct rn_window w)
{
    return (struct rn_shape){channels, (in.h + 2 * w.pad - w.kh) / w.stride + 1,
                             (in.w + 2 * w.pad - w.kw) / w.stride + 1};
}

struct ref_window ref_window_of(int n, struct rn_shape in, struct rn_shape out,
                                struct rn_window w)
{
    return (struct ref_window){n,     in.c, in.h, in.w,     out.c, out.h,
                               out.w, w.kh, w.kw, w.stride, w.pad};
}
