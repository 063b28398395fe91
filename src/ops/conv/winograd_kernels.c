/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled once per instruction set and type of activations, like kernels.c,
 * and per size of tiles, RN_WINO_TILE outputs a side, and of windows,
 * RN_WINO_SIDE weights a side. The matrices are Lavin and Gray's, for the
 * points 0, 1, -1, 2, -2 and infinity; of patches of 4x4 without the twos.
 * Patches of 6x6 become the same points for 4x4 outputs of 3x3 windows and 2x2
 * of 5x5. */
#include "ops/conv/winograd_kernels.h"

#include "ops/conv/pairs.h"
#include "ops/conv/strip.h"

#ifndef RN_WINO_TILE
#define RN_WINO_TILE 4 /* read alone */
#define RN_WINO_SIDE 3
#endif

enum { T = RN_WINO_TILE, K = RN_WINO_SIDE, P = T + K - 1 };

/* Inputs whose sums registers hold: 32 with AVX-512, 16 before it. */
#if RN_KERNELS_BLOCK == 16
enum { INPUTS = 8 };
#else
enum { INPUTS = 4 };
#endif

/* ------------------------------------------------- one-dimensional forms */

#if RN_WINO_TILE + RN_WINO_SIDE == 7
INLINE void input_1d(const vec d[P], vec o[P])
{
    vec a = d[4] - 4 * d[2], b = d[3] - 4 * d[1];
    vec c = d[4] - d[2], e = 2 * (d[3] - d[1]);

    o[0] = 4 * d[0] - 5 * d[2] + d[4];
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + e;
    o[4] = c - e;
    o[5] = 4 * d[1] - 5 * d[3] + d[5];
}
#endif

#if RN_WINO_TILE == 4
INLINE void gradient_1d(const vec y[T], vec o[P])
{
    vec a = y[0] + y[2], b = y[1] + y[3];
    vec c = y[0] + 4 * y[2], e = 2 * y[1] + 8 * y[3];

    o[0] = y[0];
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + e;
    o[4] = c - e;
    o[5] = y[3];
}

INLINE void output_1d(const vec m[P], vec o[T])
{
    vec a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], e = m[3] - m[4];

    o[0] = m[0] + a + c;
    o[1] = b + 2 * e;
    o[2] = a + 4 * c;
    o[3] = b + 8 * e + m[5];
}

INLINE void weights_1d(const vec w[K], vec o[P])
{
    vec a = (w[0] + w[2]) * (-1.0f / 6), b = w[1] * (-1.0f / 6);
    vec c = w[0] * (1.0f / 24) + w[2] * (1.0f / 6), e = w[1] * (1.0f / 12);

    o[0] = w[0] * 0.25f;
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + e;
    o[4] = c - e;
    o[5] = w[2];
}

INLINE void weights_gradient_1d(const vec u[P], vec o[K])
{
    vec a = u[1] + u[2], b = u[2] - u[1], c = u[3] + u[4], e = u[3] - u[4];

    o[0] = u[0] * 0.25f - a * (1.0f / 6) + c * (1.0f / 24);
    o[1] = b * (1.0f / 6) + e * (1.0f / 12);
    o[2] = (c - a) * (1.0f / 6) + u[5];
}
#elif RN_WINO_SIDE == 5
INLINE void gradient_1d(const vec y[T], vec o[P])
{
    o[0] = y[0];
    o[1] = y[0] + y[1];
    o[2] = y[0] - y[1];
    o[3] = y[0] + 2 * y[1];
    o[4] = y[0] - 2 * y[1];
    o[5] = y[1];
}

INLINE void output_1d(const vec m[P], vec o[T])
{
    o[0] = m[0] + (m[1] + m[2]) + (m[3] + m[4]);
    o[1] = (m[1] - m[2]) + 2 * (m[3] - m[4]) + m[5];
}

INLINE void weights_1d(const vec w[K], vec o[P])
{
    vec a = (w[0] + w[2] + w[4]) * (-1.0f / 6);
    vec b = (w[1] + w[3]) * (-1.0f / 6);
    vec c = w[0] * (1.0f / 24) + w[2] * (1.0f / 6) + w[4] * (2.0f / 3);
    vec e = w[1] * (1.0f / 12) + w[3] * (1.0f / 3);

    o[0] = w[0] * 0.25f;
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + e;
    o[4] = c - e;
    o[5] = w[4];
}

INLINE void weights_gradient_1d(const vec u[P], vec o[K])
{
    vec a = (u[1] + u[2]) * (1.0f / 6), b = (u[2] - u[1]) * (1.0f / 6);
    vec c = u[3] + u[4], e = u[3] - u[4];

    o[0] = u[0] * 0.25f - a + c * (1.0f / 24);
    o[1] = b + e * (1.0f / 12);
    o[2] = c * (1.0f / 6) - a;
    o[3] = b + e * (1.0f / 3);
    o[4] = c * (2.0f / 3) - a + u[5];
}
#else
INLINE void input_1d(const vec d[P], vec o[P])
{
    o[0] = d[0] - d[2];
    o[1] = d[1] + d[2];
    o[2] = d[2] - d[1];
    o[3] = d[1] - d[3];
}

INLINE void gradient_1d(const vec y[T], vec o[P])
{
    o[0] = y[0];
    o[1] = y[0] + y[1];
    o[2] = y[0] - y[1];
    o[3] = -y[1];
}

INLINE void output_1d(const vec m[P], vec o[T])
{
    o[0] = m[0] + m[1] + m[2];
    o[1] = m[1] - m[2] - m[3];
}

INLINE void weights_1d(const vec w[K], vec o[P])
{
    vec a = (w[0] + w[2]) * 0.5f, b = w[1] * 0.5f;

    o[0] = w[0];
    o[1] = a + b;
    o[2] = a - b;
    o[3] = w[2];
}

INLINE void weights_gradient_1d(const vec u[P], vec o[K])
{
    vec a = (u[1] + u[2]) * 0.5f;

    o[0] = u[0] + a;
    o[1] = (u[1] - u[2]) * 0.5f;
    o[2] = u[3] + a;
}
#endif

/* ------------------------------------------------------------ transforms */

INLINE vec pixel(const void *x, const struct rn_wino_place *at, int y, int col,
                 bool inside)
{
    int row = at->y + y, column = at->x + col;

    if (!inside && (row < 0 || row >= at->h || column < 0 || column >= at->w))
        return fill(0);
    return get(x, ((ptrdiff_t)row * at->w + column) * B);
}

INLINE bool is_inside(const struct rn_wino_place *at, int side)
{
    return at->y >= 0 && at->x >= 0 && at->y + side <= at->h &&
           at->x + side <= at->w;
}

/** Into the second-level cache, to be read or to be written. */
INLINE void fetch_later(const struct rn_wino_place *at, bool write)
{
    for (int y = 0; y < T; y++)
        for (int x = 0; x < T; x += RN_LINE / (B * (int)sizeof(element))) {
            const element *pixel =
                (const element *)at->later + (y * (ptrdiff_t)at->w + x) * B;

            if (write)
                __builtin_prefetch(pixel, 1, 2);
            else
                __builtin_prefetch(pixel, 0, 2);
        }
}

/* The one-dimensional forms of what becomes points. */
enum form { INPUT, GRADIENT, WEIGHTS };

INLINE void form_1d(enum form form, const vec *d, vec *o)
{
    if (form == INPUT)
        input_1d(d, o);
    else if (form == GRADIENT)
        gradient_1d(d, o);
    else
        weights_1d(d, o);
}

/* The second half of a transform: `side` rows have become P wide, and now the
 * columns become P long. */
INLINE void columns_to_points(enum form form, int side, vec rows[P][P],
                              void *points, size_t stride, bool rounded)
{
    vec d[P], o[P];

    for (int i = 0; i < P; i++) {
        for (int y = 0; y < side; y++)
            d[y] = rows[y][i];
        form_1d(form, d, o);
        for (int y = 0; y < P; y++)
            if (rounded)
                put(points, (y * P + i) * (ptrdiff_t)stride, o[y]);
            else
                store((float *)points + (size_t)(y * P + i) * stride, o[y]);
    }
}

INLINE void pixels_to_points(enum form form, int side, const void *x,
                             const struct rn_wino_place *at, void *points,
                             size_t stride, bool rounded, bool inside)
{
    vec rows[P][P], d[P];

    for (int y = 0; y < side; y++) {
        for (int i = 0; i < side; i++)
            d[i] = pixel(x, at, y, i, inside);
        form_1d(form, d, rows[y]);
    }
    columns_to_points(form, side, rows, points, stride, rounded);
}

INLINE void to_points(enum form form, int side, const void *x,
                      const struct rn_wino_place *at, void *points,
                      size_t stride, bool rounded)
{
    fetch_later(at, false);
    if (is_inside(at, side))
        pixels_to_points(form, side, x, at, points, stride, rounded, true);
    else
        pixels_to_points(form, side, x, at, points, stride, rounded, false);
}

static void input(const void *x, const struct rn_wino_place *at, float *points,
                  size_t stride)
{
    to_points(INPUT, P, x, at, points, stride, false);
}

#ifdef RN_KERNELS_BF16
static void input_rounded(const void *x, const struct rn_wino_place *at,
                          void *points, size_t stride)
{
    to_points(INPUT, P, x, at, points, stride, true);
}
#endif

static void gradient(const void *dy, const struct rn_wino_place *at,
                     float *points, size_t stride)
{
    to_points(GRADIENT, T, dy, at, points, stride, false);
}

INLINE void finish_pixel(vec v, vec bias, const struct rn_wino_finish *finish,
                         element *to)
{
    v += bias;
    if (finish->sum)
        v += get(to, 0);
    put(to, 0, finish->relu ? relu_of(v) : v);
}

static void output(const float *points, size_t stride,
                   const struct rn_wino_place *at,
                   const struct rn_wino_finish *finish, void *y)
{
    vec rows[T][P], m[P], o[T], bias = fill(0);
    bool inside = is_inside(at, T);

    fetch_later(at, true);
    if (finish->bias)
        bias = load(finish->bias);
    for (int i = 0; i < P; i++) {
        for (int k = 0; k < P; k++)
            m[k] = load(points + (size_t)(k * P + i) * stride);
        output_1d(m, o);
        for (int k = 0; k < T; k++)
            rows[k][i] = o[k];
    }
    for (int k = 0; k < T; k++) {
        element *to =
            (element *)y + ((ptrdiff_t)(at->y + k) * at->w + at->x) * B;

        if (!inside && at->y + k >= at->h)
            break;
        output_1d(rows[k], o);
        for (int i = 0; i < T && (inside || at->x + i < at->w); i++)
            finish_pixel(o[i], bias, finish, to + i * B);
    }
}

static void weights(const float *w, size_t at, float *points, size_t stride)
{
    vec rows[P][P], d[K];

    for (int y = 0; y < K; y++) {
        for (int x = 0; x < K; x++)
            d[x] = load(w + (size_t)(y * K + x) * at);
        weights_1d(d, rows[y]);
    }
    columns_to_points(WEIGHTS, K, rows, points, stride, false);
}

static void weights_gradient(const float *points, size_t stride, float *w,
                             size_t at)
{
    vec rows[K][P], u[P], o[K];

    for (int i = 0; i < P; i++) {
        for (int y = 0; y < P; y++)
            u[y] = load(points + (size_t)(y * P + i) * stride);
        weights_gradient_1d(u, o);
        for (int y = 0; y < K; y++)
            rows[y][i] = o[y];
    }
    for (int y = 0; y < K; y++) {
        weights_gradient_1d(rows[y], o);
        for (int x = 0; x < K; x++)
            store(w + (size_t)(y * K + x) * at, o[x]);
    }
}

/* -------------------------------------------------------- matrix products */

INLINE void sum_products(int tiles, const struct rn_wino_product *p,
                         vec a[STRIP], vec b[STRIP])
{
    struct factors f = {.x = p->v,
                        .x_block = p->v_block,
                        .blocks = p->blocks,
                        .w = p->u,
                        .step = 2 * B,
                        .out_block = B,
                        .ahead = p->ahead};

    add_products(tiles, 2, false, &f, a, b);
}

#ifdef RN_KERNELS_BF16
INLINE void sum_pairs(int tiles, const struct rn_wino_product *p, vec a[STRIP],
                      vec b[STRIP])
{
    const element *v = p->v, *u = p->u;
    struct rn_ahead ahead = p->ahead;

    for (size_t c = 0; c < p->blocks; c++, v += p->v_block, u += 2 * B * B) {
        fetch_weights(&ahead);
        add_block(tiles, 2, v, u, 4 * B, 2 * B, a, b);
    }
}
#else
/* Points are float32. */
INLINE void sum_pairs(int tiles, const struct rn_wino_product *p, vec a[STRIP],
                      vec b[STRIP])
{
    sum_products(tiles, p, a, b);
}
#endif

INLINE void multiply_strip(int tiles, bool rounded,
                           const struct rn_wino_product *p)
{
    vec a[STRIP], b[STRIP];
#pragma GCC unroll 16
    for (int t = 0; t < tiles; t++) {
        a[t] = p->add ? load(p->m + t * B) : fill(0);
        b[t] = p->add ? load(p->m + p->m_block + t * B) : fill(0);
    }
    if (rounded)
        sum_pairs(tiles, p, a, b);
    else
        sum_products(tiles, p, a, b);
#pragma GCC unroll 16
    for (int t = 0; t < tiles; t++) {
        store(p->m + t * B, a[t]);
        store(p->m + p->m_block + t * B, b[t]);
    }
}

/* A loop for every even length, each with its sums in registers. */
INLINE void multiply_some(int tiles, bool rounded,
                          const struct rn_wino_product *p)
{
    switch ((tiles + 1) / 2) {
    case 1:
        multiply_strip(2, rounded, p);
        break;
    case 2:
        multiply_strip(4, rounded, p);
        break;
    case 3:
        multiply_strip(6, rounded, p);
        break;
#if RN_KERNELS_BLOCK == 16
    case 4:
        multiply_strip(8, rounded, p);
        break;
    case 5:
        multiply_strip(10, rounded, p);
        break;
    case 6:
        multiply_strip(12, rounded, p);
        break;
    default:
        multiply_strip(14, rounded, p);
        break;
#endif
    }
}

static void multiply(int tiles, const struct rn_wino_product *p)
{
    multiply_some(tiles, false, p);
}

#ifdef RN_KERNELS_BF16
static void multiply_rounded(int tiles, const struct rn_wino_product *p)
{
    multiply_some(tiles, true, p);
}
#endif

INLINE void accumulate_some(const float *v, const float *dy, size_t dy_block,
                            size_t tiles, bool first, float *du)
{
    vec a[INPUTS], b[INPUTS];
#pragma GCC unroll 8
    for (int i = 0; i < INPUTS; i++)
        a[i] = b[i] = fill(0);
    for (size_t t = 0; t < tiles; t++) {
        vec y0 = load(dy + t * B), y1 = load(dy + dy_block + t * B);
#pragma GCC unroll 8
        for (int i = 0; i < INPUTS; i++) {
            vec x = fill(v[t * B + i]);

            a[i] += x * y0;
            b[i] += x * y1;
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < INPUTS; i++) {
        float *to = du + 2 * B * i;

        store(to, first ? a[i] : a[i] + load(to));
        store(to + B, first ? b[i] : b[i] + load(to + B));
    }
}

static void accumulate(const float *v, const float *dy, size_t dy_block,
                       size_t tiles, bool first, float *du)
{
    for (int i = 0; i < B; i += INPUTS)
        accumulate_some(v + i, dy, dy_block, tiles, first, du + 2 * B * i);
}

extern const struct rn_wino_kernels RN_WINO_KERNELS_NAME;
const struct rn_wino_kernels RN_WINO_KERNELS_NAME = {
    .input = input,
    .gradient = gradient,
    .output = output,
    .weights = weights,
    .weights_gradient = weights_gradient,
    .multiply = multiply,
#ifdef RN_KERNELS_BF16
    .input_rounded = input_rounded,
    .multiply_rounded = multiply_rounded,
#endif
    .accumulate = accumulate,
    .tile = T,
    .side = K,
    .points = P * P,
    .strip = STRIP,
};
