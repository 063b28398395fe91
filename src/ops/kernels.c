/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled once per instruction set and type of activations, with
 * RN_KERNELS_NAME, RN_KERNELS_ISA, RN_KERNELS_BLOCK and for bfloat16
 * RN_KERNELS_BF16 defined, and the compiler's flags to match. */
#include "ops/kernels.h"

#include "core/random.h"
#include "ops/vector.h"

typedef uint8_t vecb __attribute__((vector_size(B)));
typedef uint64_t vecq __attribute__((vector_size(B * sizeof(uint32_t))));

INLINE vec pick(veci mask, vec yes, vec no)
{
    return (vec)(((veci)yes & mask) | ((veci)no & ~mask));
}

/* Sums run in float over a tile and are joined in double: error stays that
 * of a short sum, at the speed of float. */
enum { TILE = 128 };

INLINE void flush(double *to, vec v)
{
    for (int i = 0; i < B; i++)
        to[i] += (double)v[i];
}

static void bn_sums(const void *z, size_t hw, const float *pivot,
                    struct rn_plane_sums sums)
{
    const vec p = load(pivot);

    for (size_t begin = 0; begin < hw; begin += TILE) {
        size_t end = begin + TILE < hw ? begin + TILE : hw;
        size_t i = begin;
        vec a0 = fill(0), a1 = a0, a2 = a0, a3 = a0;
        vec b0 = a0, b1 = a0, b2 = a0, b3 = a0;

        for (; i + 4 <= end; i += 4) {
            vec v0 = get(z, i * B) - p, v1 = get(z, (i + 1) * B) - p;
            vec v2 = get(z, (i + 2) * B) - p, v3 = get(z, (i + 3) * B) - p;

            a0 += v0, a1 += v1, a2 += v2, a3 += v3;
            b0 += v0 * v0, b1 += v1 * v1, b2 += v2 * v2, b3 += v3 * v3;
        }
        for (; i < end; i++) {
            vec v = get(z, i * B) - p;

            a0 += v, b0 += v * v;
        }
        flush(sums.a, (a0 + a1) + (a2 + a3));
        flush(sums.b, (b0 + b1) + (b2 + b3));
    }
}

INLINE void apply_loop(const struct rn_operand *pp, const struct rn_operand *qq,
                       bool affine_p, bool has_q, bool affine_q, bool relu,
                       void *y, size_t hw)
{
    const struct rn_operand p = *pp, q = *qq;
    vec ps = fill(1), pt = fill(0), qs = ps, qt = pt;

    if (affine_p)
        ps = load(p.scale), pt = load(p.shift);
    if (affine_q)
        qs = load(q.scale), qt = load(q.shift);
    for (size_t i = 0; i < hw; i++) {
        vec v = get(p.x, i * B);

        if (affine_p)
            v = v * ps + pt;
        if (p.relu)
            v = relu_of(v);
        if (has_q) {
            vec w = get(q.x, i * B);

            if (affine_q)
                w = w * qs + qt;
            if (q.relu)
                w = relu_of(w);
            v += w;
        }
        put(y, i * B, relu ? relu_of(v) : v);
    }
}

static void apply(const struct rn_operand *p, const struct rn_operand *q,
                  bool relu, void *y, size_t hw)
{
    bool has_q = q->x != NULL;
    struct rn_operand a = *p, b = *q;

    if (!has_q && p->scale && (relu || p->relu)) {
        a.relu = false;
        apply_loop(&a, &b, true, false, false, true, y, hw);
    } else if (has_q && p->scale && !q->scale && !p->relu && !q->relu) {
        a.relu = b.relu = false;
        apply_loop(&a, &b, true, true, false, relu, y, hw);
    } else if (has_q && p->scale && q->scale && !p->relu && !q->relu) {
        a.relu = b.relu = false;
        apply_loop(&a, &b, true, true, true, relu, y, hw);
    } else {
        apply_loop(&a, &b, p->scale != NULL, has_q, has_q && q->scale, relu, y,
                   hw);
    }
}

/** How the mask of a ReLU is had. */
enum mask { MASK_NONE, MASK_OUTPUT, MASK_INPUT };

INLINE vec masked(const struct rn_bn_backward *in, size_t i, bool two,
                  enum mask mask, vec z, vec scale, vec shift)
{
    vec g = get(in->dy, i * B);

    if (two)
        g += get(in->dy2, i * B);
    if (mask == MASK_OUTPUT)
        g = keep(g, get(in->y, i * B) > fill(0));
    if (mask == MASK_INPUT)
        g = keep(g, z * scale + shift > fill(0));
    return g;
}

/** Sums of one pixel, or of every second one, of a reduction. */
struct partial {
    vec a, b;
};

INLINE void reduce_at(const struct rn_bn_backward *in, size_t i, void *g,
                      bool two, enum mask mask, bool write, vec scale,
                      vec shift, vec mean, struct partial *p)
{
    vec z = in->z ? get(in->z, i * B) : mean;
    vec v = masked(in, i, two, mask, z, scale, shift);

    if (write)
        put(g, i * B, v);
    p->a += v;
    p->b += v * (z - mean);
}

INLINE void reduce_loop(const struct rn_bn_backward *from, void *g, size_t hw,
                        const float *mean, struct rn_plane_sums sums, bool two,
                        enum mask mask, bool write)
{
    /* A copy, so that stores to g cannot change the pointers. */
    const struct rn_bn_backward in = *from;
    vec scale = fill(0), shift = scale, m = load(mean);

    if (mask == MASK_INPUT)
        scale = load(in.scale), shift = load(in.shift);
    for (size_t begin = 0; begin < hw; begin += TILE) {
        size_t end = begin + TILE < hw ? begin + TILE : hw, i = begin;
        struct partial p = {fill(0), fill(0)}, q = p;

        for (; i + 2 <= end; i += 2) {
            reduce_at(&in, i, g, two, mask, write, scale, shift, m, &p);
            reduce_at(&in, i + 1, g, two, mask, write, scale, shift, m, &q);
        }
        if (i < end)
            reduce_at(&in, i, g, two, mask, write, scale, shift, m, &p);
        flush(sums.a, p.a + q.a);
        flush(sums.b, p.b + q.b);
    }
}

INLINE void mask_loop(const struct rn_bn_backward *from, void *g, size_t hw,
                      bool two, enum mask mask)
{
    const struct rn_bn_backward in = *from;

    for (size_t i = 0; i < hw; i++)
        put(g, i * B, masked(&in, i, two, mask, fill(0), fill(0), fill(0)));
}

static enum mask mask_of(const struct rn_bn_backward *in)
{
    if (!in->relu)
        return MASK_NONE;
    return in->y ? MASK_OUTPUT : MASK_INPUT;
}

static void bn_reduce(const struct rn_bn_backward *in, void *g, size_t hw,
                      const float *mean, struct rn_plane_sums sums)
{
    enum mask mask = mask_of(in);
    bool two = in->dy2 != NULL, write = g != NULL;

    /* The common cases get loops without tests in them. */
    if (!in->z)
        mask_loop(in, g, hw, two, mask);
    else if (mask == MASK_INPUT && !two && !write)
        reduce_loop(in, g, hw, mean, sums, false, MASK_INPUT, false);
    else if (mask == MASK_OUTPUT && two && write)
        reduce_loop(in, g, hw, mean, sums, true, MASK_OUTPUT, true);
    else if (mask == MASK_NONE && !two && !write)
        reduce_loop(in, g, hw, mean, sums, false, MASK_NONE, false);
    else
        reduce_loop(in, g, hw, mean, sums, two, mask, write);
}

INLINE void gradient_loop(const struct rn_bn_backward *from, vec cg, vec cz,
                          vec c, void *dz, size_t hw, bool two, enum mask mask,
                          bool add)
{
    const struct rn_bn_backward in = *from;
    vec scale = fill(0), shift = scale;

    if (mask == MASK_INPUT)
        scale = load(in.scale), shift = load(in.shift);
    for (size_t i = 0; i < hw; i++) {
        vec z = get(in.z, i * B);
        vec g = masked(&in, i, two, mask, z, scale, shift);

        vec d = (g * cg + z * cz) + c;

        put(dz, i * B, add ? stored(d) + get(in.sum, i * B) : d);
    }
}

static void bn_gradient(const struct rn_bn_backward *in, const float *cg,
                        const float *cz, const float *c, void *dz, size_t hw)
{
    enum mask mask = mask_of(in);
    bool two = in->dy2 != NULL;
    vec g = load(cg), z = load(cz), k = load(c);

    if (mask == MASK_INPUT && !two && !in->sum)
        gradient_loop(in, g, z, k, dz, hw, false, MASK_INPUT, false);
    else if (mask == MASK_INPUT && !two)
        gradient_loop(in, g, z, k, dz, hw, false, MASK_INPUT, true);
    else if (mask == MASK_NONE && !two && !in->sum)
        gradient_loop(in, g, z, k, dz, hw, false, MASK_NONE, false);
    else
        gradient_loop(in, g, z, k, dz, hw, two, mask, in->sum != NULL);
}

/** Taps [begin, end) of `count` that are on one of `size` pixels, the first tap
 *  being on pixel `start`. */
struct inside {
    int begin, end;
};

INLINE struct inside inside_of(int start, int count, int size)
{
    return (struct inside){start < 0 ? -start : 0,
                           start + count > size ? size - start : count};
}

/* The paper's window, when all of it is on pixels: a case of its own, so that
 * the compiler knows it. */
static const struct inside three = {0, 3};

INLINE bool is_three(struct inside i)
{
    return i.begin == 0 && i.end == 3;
}

/** The largest of a window's pixels, and its tap; tap 0 is on pixel `first`. */
INLINE vec largest(const struct rn_pool *p, const void *x, ptrdiff_t first,
                   struct inside rows, struct inside columns, bool scaled,
                   vec scale, vec shift, bool relu, veci *at)
{
    vec best = fill(-__builtin_inff());

    *at = (veci){0};
    for (int ky = rows.begin; ky < rows.end; ky++)
        for (int kx = columns.begin; kx < columns.end; kx++) {
            vec v = get(x, (first + (ptrdiff_t)ky * p->iw + kx) * B);

            v = scaled ? v * scale + shift : v;
            v = relu ? relu_of(v) : v;
            /* NaN wins, stays, and so shows. */
            veci larger = (v > best) | (v != v);
            best = pick(larger, v, best);
            *at = (larger & (ky * p->kw + kx)) | (~larger & *at);
        }
    return best;
}

INLINE void max_pool_some(const struct rn_pool *p, const struct rn_operand *x,
                          void *to, uint8_t *where, bool scaled, bool relu)
{
    vec scale = scaled ? load(x->scale) : fill(1);
    vec shift = scaled ? load(x->shift) : fill(0);
    element *y = to;

    for (int oy = 0; oy < p->oh; oy++) {
        int top = oy * p->stride - p->pad;
        struct inside rows = inside_of(top, p->kh, p->ih);

        for (int ox = 0; ox < p->ow; ox++, y += B) {
            int left = ox * p->stride - p->pad;
            ptrdiff_t first = (ptrdiff_t)top * p->iw + left;
            struct inside columns = inside_of(left, p->kw, p->iw);

            veci at;
            if (is_three(rows) && is_three(columns))
                put(y, 0,
                    largest(p, x->x, first, three, three, scaled, scale, shift,
                            relu, &at));
            else
                put(y, 0,
                    largest(p, x->x, first, rows, columns, scaled, scale, shift,
                            relu, &at));
            if (where) {
                vecb bytes = __builtin_convertvector(at, vecb);
                memcpy(where, &bytes, sizeof(bytes));
                where += B;
            }
        }
    }
}

static void max_pool(const struct rn_pool *p, const struct rn_operand *x,
                     void *y, uint8_t *where)
{
    bool scaled = x->scale != NULL;

    if (scaled && x->relu)
        max_pool_some(p, x, y, where, true, true);
    else if (!scaled && !x->relu)
        max_pool_some(p, x, y, where, false, false);
    else
        max_pool_some(p, x, y, where, scaled, x->relu);
}

/** Add to the pixel at each tap what went through it. */
INLINE void give_back(const struct rn_pool *p, vec g, veci at,
                      struct inside rows, struct inside columns,
                      ptrdiff_t first, void *dx)
{
    for (int ky = rows.begin; ky < rows.end; ky++)
        for (int kx = columns.begin; kx < columns.end; kx++) {
            ptrdiff_t to = (first + (ptrdiff_t)ky * p->iw + kx) * B;

            put(dx, to, get(dx, to) + keep(g, at == ky * p->kw + kx));
        }
}

static void max_pool_backward(const struct rn_pool *p, const void *dy,
                              const void *dy2, const uint8_t *where, void *dx)
{
    ptrdiff_t o = 0;

    memset(dx, 0, (size_t)p->ih * (size_t)p->iw * B * sizeof(element));
    for (int oy = 0; oy < p->oh; oy++) {
        int top = oy * p->stride - p->pad;
        struct inside rows = inside_of(top, p->kh, p->ih);

        for (int ox = 0; ox < p->ow; ox++, o += B) {
            int left = ox * p->stride - p->pad;
            struct inside columns = inside_of(left, p->kw, p->iw);
            ptrdiff_t first = (ptrdiff_t)top * p->iw + left;
            vec g = dy2 ? get(dy, o) + get(dy2, o) : get(dy, o);

            vecb bytes;
            memcpy(&bytes, where + o, sizeof(bytes));
            veci at = __builtin_convertvector(bytes, veci);
            if (is_three(rows) && is_three(columns))
                give_back(p, g, at, three, three, first, dx);
            else
                give_back(p, g, at, rows, columns, first, dx);
        }
    }
}

static void average(const void *x, size_t hw, void *mean)
{
    vec sum = fill(0);

    for (size_t i = 0; i < hw; i++)
        sum += get(x, i * B);
    put(mean, 0, sum / fill((float)hw));
}

static void average_backward(const void *dy, size_t hw, void *dx)
{
    vec g = get(dy, 0) / fill((float)hw);

    for (size_t i = 0; i < hw; i++)
        put(dx, i * B, g);
}

static void multiply(const void *a, const void *b, bool gate, void *y,
                     size_t hw)
{
    const vec g = gate ? load(b) : fill(1);

    if (gate)
        for (size_t i = 0; i < hw; i++)
            put(y, i * B, get(a, i * B) * g);
    else
        for (size_t i = 0; i < hw; i++)
            put(y, i * B, get(a, i * B) * get(b, i * B));
}

static void dot(const void *a, const void *b, size_t hw, float *sum)
{
    double all[B] = {0};

    for (size_t begin = 0; begin < hw; begin += TILE) {
        size_t end = begin + TILE < hw ? begin + TILE : hw, i = begin;
        vec s0 = fill(0), s1 = s0;

        for (; i + 2 <= end; i += 2) {
            s0 += get(a, i * B) * get(b, i * B);
            s1 += get(a, (i + 1) * B) * get(b, (i + 1) * B);
        }
        if (i < end)
            s0 += get(a, i * B) * get(b, i * B);
        flush(all, s0 + s1);
    }
    for (int i = 0; i < B; i++)
        sum[i] = (float)all[i];
}

/** The upper halves of x * by. */
INLINE vecu multiply_high(vecu x, uint64_t by)
{
    const uint64_t low = UINT32_MAX;
    vecq even = ((vecq)x & low) * by, odd = ((vecq)x >> 32) * by;

    return (vecu)(even >> 32 | (odd & ~low));
}

/** rn_philox() of a counter for each channel. */
INLINE void philox(vecu x[4], uint32_t k0, uint32_t k1)
{
#pragma GCC unroll 10
    for (int round = 0; round < RN_PHILOX_ROUNDS; round++) {
        vecu high0 = multiply_high(x[0], RN_PHILOX_MULTIPLIER_0);
        vecu high1 = multiply_high(x[2], RN_PHILOX_MULTIPLIER_1);
        vecu low0 = x[0] * RN_PHILOX_MULTIPLIER_0;
        vecu low1 = x[2] * RN_PHILOX_MULTIPLIER_1;

        x[0] = high1 ^ x[1] ^ k0;
        x[1] = low1;
        x[2] = high0 ^ x[3] ^ k1;
        x[3] = low0;
        k0 += RN_PHILOX_WEYL_0;
        k1 += RN_PHILOX_WEYL_1;
    }
}

static void drop(const struct rn_drop *d, const float *x, float *y, size_t hw)
{
    const struct rn_drop own = *d;
    const vec scale = load(own.scale);
    const vecu none = {0};
    vecu low, high;

    for (int i = 0; i < B; i++) {
        low[i] = (uint32_t)own.first[i];
        high[i] = (uint32_t)(own.first[i] >> 32);
    }
    for (size_t i = 0; i < hw; i += 4) {
        vecu next = low + (uint32_t)(i / 4);
        vecu bits[4] = {next, high - (vecu)(next < low), none + own.epoch,
                        none + own.purpose};

        philox(bits, own.seed[0], own.seed[1]);
        for (size_t k = 0; k < 4; k++) {
            vec v = load(x + (i + k) * B) * scale;

            store(y + (i + k) * B, keep(v, (veci)(bits[k] >= own.least)));
        }
    }
}

static void widen_all(const void *from, float *to, size_t count)
{
    size_t i = 0;
    element last[B] = {0};
    vec v;

    for (; i + B <= count; i += B)
        store(to + i, get(from, i));
    if (i == count)
        return;
    memcpy(last, (const element *)from + i, (count - i) * sizeof(*last));
    v = get(last, 0);
    memcpy(to + i, &v, (count - i) * sizeof(*to));
}

static void narrow_all(const float *from, void *to, size_t count)
{
    size_t i = 0;
    element last[B];
    vec v = fill(0);

    for (; i + B <= count; i += B)
        put(to, i, load(from + i));
    if (i == count)
        return;
    memcpy(&v, from + i, (count - i) * sizeof(*from));
    put(last, 0, v);
    memcpy((element *)to + i, last, (count - i) * sizeof(*last));
}

/* e^v to about 1e-7 of itself, for v within -87 and 87; beyond as there. NaN
 * stays. The polynomial is that of S. Moshier's Cephes. */
INLINE vec exp_of(vec v)
{
    /* What is added leaves a whole number in the last places. */
    const vec magic = fill(12582912.0f);
    vec rounded, n, r, p;
    vecu power;

    v = pick(v > fill(87), fill(87), v);
    v = pick(v < fill(-87), fill(-87), v);
    rounded = v * fill(1.44269504088896341f) + magic;
    n = rounded - magic;
    power = (vecu)rounded - (vecu)magic + 127;
    r = v - n * fill(0.693359375f) + n * fill(2.12194440e-4f);
    p = fill(1.9875691500e-4f);
    p = p * r + fill(1.3981999507e-3f);
    p = p * r + fill(8.3334519073e-3f);
    p = p * r + fill(4.1665795894e-2f);
    p = p * r + fill(1.6666665459e-1f);
    p = p * r + fill(5.0000001201e-1f);
    p = p * r * r + r + fill(1);
    return p * (vec)(power << 23);
}

INLINE vec sigmoid_of(vec v)
{
    return fill(1) / (fill(1) + exp_of(fill(0) - v));
}

/* Where channel c of pixel i lies. */
INLINE size_t channel_at(const struct rn_channel_part *part, size_t c, size_t i)
{
    return (c / B * part->hw + i) * B + c % B;
}

/* Up to B channels of pixel i from c on, which begin anywhere in a block; the
 * others are 0. */
INLINE vec get_part(const struct rn_channel_part *part, const void *z, size_t c,
                    size_t count, size_t i)
{
    size_t first = B - c % B < count ? B - c % B : count;
    element own[B] = {0};

    memcpy(own, (const element *)z + channel_at(part, c, i),
           first * sizeof(*own));
    if (first < count)
        memcpy(own + first, (const element *)z + channel_at(part, c + first, i),
               (count - first) * sizeof(*own));
    return get(own, 0);
}

INLINE void put_part(const struct rn_channel_part *part, void *z, size_t c,
                     size_t count, size_t i, vec v)
{
    size_t first = B - c % B < count ? B - c % B : count;
    element own[B];

    put(own, 0, v);
    memcpy((element *)z + channel_at(part, c, i), own, first * sizeof(*own));
    if (first < count)
        memcpy((element *)z + channel_at(part, c + first, i), own + first,
               (count - first) * sizeof(*own));
}

/* Channels of its block. */
INLINE size_t part_channels(const struct rn_channel_part *part)
{
    size_t left = part->channels - part->block * B;

    return left < B ? left : B;
}

/* With `whole` h and t are blocks of their own. */
INLINE void highway_loop(const struct rn_channel_part *part, const void *z,
                         const void *x, void *y, bool whole)
{
    const size_t c = part->block * B, gate = part->channels + c;
    const size_t count = part_channels(part);

    for (size_t i = 0; i < part->hw; i++) {
        vec h = whole ? get(z, channel_at(part, c, i))
                      : get_part(part, z, c, count, i);
        vec t = whole ? get(z, channel_at(part, gate, i))
                      : get_part(part, z, gate, count, i);
        vec v = get(x, i * B);

        put(y, i * B, v + sigmoid_of(t) * (relu_of(h) - v));
    }
}

static void highway(const struct rn_channel_part *part, const void *z,
                    const void *x, void *y)
{
    if (part->channels % B == 0)
        highway_loop(part, z, x, y, true);
    else
        highway_loop(part, z, x, y, false);
}

INLINE void highway_backward_loop(const struct rn_channel_part *part,
                                  const struct rn_highway_backward *in,
                                  void *dz, void *dx, bool two, bool whole)
{
    const size_t c = part->block * B, gate = part->channels + c;
    const size_t count = part_channels(part);

    for (size_t i = 0; i < part->hw; i++) {
        vec h = whole ? get(in->z, channel_at(part, c, i))
                      : get_part(part, in->z, c, count, i);
        vec t = whole ? get(in->z, channel_at(part, gate, i))
                      : get_part(part, in->z, gate, count, i);
        vec x = get(in->x, i * B);
        vec g = get(in->dy, i * B);

        if (two)
            g += get(in->dy2, i * B);

        vec share = sigmoid_of(t), passed = g * share;
        vec dh = keep(passed, h > fill(0));
        vec dt = passed * (fill(1) - share) * (relu_of(h) - x);

        put(dx, i * B, g - passed);
        if (whole) {
            put(dz, channel_at(part, c, i), dh);
            put(dz, channel_at(part, gate, i), dt);
        } else {
            put_part(part, dz, c, count, i, dh);
            put_part(part, dz, gate, count, i, dt);
        }
    }
}

/* Channels behind the last one of all pieces, up to the end of its block, by
 * who has the last block of a piece. */
static void clear_padding(const struct rn_channel_part *part, size_t pieces,
                          void *dz)
{
    const size_t end = pieces * part->channels;

    if (part->block * B + B < part->channels)
        return;
    for (size_t i = 0; i < part->hw && end % B; i++)
        memset((element *)dz + channel_at(part, end, i), 0,
               (B - end % B) * sizeof(element));
}

static void highway_backward(const struct rn_channel_part *part,
                             const struct rn_highway_backward *in, void *dz,
                             void *dx)
{
    const bool whole = part->channels % B == 0;

    if (whole && in->dy2)
        highway_backward_loop(part, in, dz, dx, true, true);
    else if (whole)
        highway_backward_loop(part, in, dz, dx, false, true);
    else
        highway_backward_loop(part, in, dz, dx, in->dy2 != NULL, false);
    clear_padding(part, 2, dz);
}

/* With `whole` each piece is of whole blocks. */
INLINE void maxout_loop(const struct rn_channel_part *part, int pieces,
                        const void *x, void *y, uint8_t *where, bool whole)
{
    const size_t count = part_channels(part);

    for (size_t i = 0; i < part->hw; i++) {
        size_t c = part->block * B;
        vec best = whole ? get(x, channel_at(part, c, i))
                         : get_part(part, x, c, count, i);
        veci at = {0};

        for (int k = 1; k < pieces; k++) {
            c += part->channels;

            vec v = whole ? get(x, channel_at(part, c, i))
                          : get_part(part, x, c, count, i);
            /* NaN wins, stays, and so shows. */
            veci larger = (v > best) | (v != v);

            best = pick(larger, v, best);
            at = (larger & k) | (~larger & at);
        }
        put(y, i * B, best);
        if (where) {
            vecb bytes = __builtin_convertvector(at, vecb);
            memcpy(where + i * B, &bytes, sizeof(bytes));
        }
    }
}

static void maxout(const struct rn_channel_part *part, int pieces,
                   const void *x, void *y, uint8_t *where)
{
    const bool whole = part->channels % B == 0;

    if (whole && pieces == 2)
        maxout_loop(part, 2, x, y, where, true);
    else if (whole)
        maxout_loop(part, pieces, x, y, where, true);
    else
        maxout_loop(part, pieces, x, y, where, false);
}

static void maxout_backward(const struct rn_channel_part *part, int pieces,
                            const void *dy, const uint8_t *where, void *dx)
{
    const bool whole = part->channels % B == 0;
    const size_t count = part_channels(part);

    for (int k = 0; k < pieces; k++) {
        size_t c = (size_t)k * part->channels + part->block * B;

        for (size_t i = 0; i < part->hw; i++) {
            vecb at;
            vec g;

            memcpy(&at, where + i * B, sizeof(at));
            g = keep(get(dy, i * B), __builtin_convertvector(at, veci) == k);
            if (whole)
                put(dx, channel_at(part, c, i), g);
            else
                put_part(part, dx, c, count, i, g);
        }
    }
    clear_padding(part, (size_t)pieces, dx);
}

static float multiply_add(long rounds)
{
    vec a[16], x = fill(0.999f), y = fill(1e-3f), sum = fill(0);
    float total = 0;

    for (int k = 0; k < 16; k++)
        a[k] = fill((float)k);
    for (long i = 0; i < rounds; i++) {
#pragma GCC unroll 16
        for (int k = 0; k < 16; k++)
            a[k] = a[k] * x + y;
    }
    for (int k = 0; k < 16; k++)
        sum += a[k];
    for (int i = 0; i < B; i++)
        total += sum[i];
    return total;
}

extern const struct rn_kernels RN_KERNELS_NAME;
const struct rn_kernels RN_KERNELS_NAME = {
    .bn_sums = bn_sums,
    .apply = apply,
    .bn_reduce = bn_reduce,
    .bn_gradient = bn_gradient,
    .max_pool = max_pool,
    .max_pool_backward = max_pool_backward,
    .average = average,
    .average_backward = average_backward,
    .multiply = multiply,
    .dot = dot,
    .highway = highway,
    .highway_backward = highway_backward,
    .maxout = maxout,
    .maxout_backward = maxout_backward,
    .drop = drop,
    .widen = widen_all,
    .narrow = narrow_all,
    .multiply_add = multiply_add,
    .block = B,
    .isa = RN_KERNELS_ISA,
};
