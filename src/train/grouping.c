/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums the gradients of a batch's groups.
 *
 * The sums are those of a binary tree over the groups: two neighbours are added
 * up where the left one's number is a multiple of twice their size, and what is
 * left over at the end from the right to the left. So a process that computes
 * some groups in a row can add up its part of the tree by itself, and the
 * result is the same however they are shared out.
 *
 * With bfloat16 gradients every sum of the tree is rounded to it, a group's own
 * at first, the whole one at last, whether they travel or not. */
#include "train/grouping.h"

#include "core/dtype.h"
#include "core/memory.h"
#include "core/threads.h"

#include <string.h>

int rn_grouping_cut(struct rn_grouping *g, int groups, int batch, int rest,
                    struct rn_error *err)
{
    if (batch % groups)
        return rn_fail(err, RN_ERR_ARG,
                       "`batch` %d cannot be cut into %d `groups` of equal "
                       "size",
                       batch, groups);
    if (rest % groups)
        return rn_fail(err, RN_ERR_ARG,
                       "`last_batch` keep: the last batch of an epoch has %d "
                       "images, which cannot be cut into %d `groups` of equal "
                       "size",
                       rest, groups);
    g->count = g->own = groups;
    g->first = 0;
    g->images = batch / groups;
    g->rest = rest / groups;
    return RN_OK;
}

int rn_grouping_share(struct rn_grouping *g, struct rn_ranks *ranks,
                      struct rn_error *err)
{
    int size = rn_ranks_count(ranks);

    g->ranks = ranks;
    if (g->count % size)
        return rn_fail(err, RN_ERR_ARG,
                       "%d ranks cannot share %d `groups` out evenly: the "
                       "number of ranks must divide that of groups",
                       size, g->count);
    g->own = g->count / size;
    g->first = rn_ranks_rank(ranks) * g->own;
    return RN_OK;
}

/* ------------------------------------------------------------- the tree */

static bool joins(const struct rn_partial *left, const struct rn_partial *right)
{
    return left->groups == right->groups &&
           left->first % (2 * left->groups) == 0;
}

/* The partial sums that `own` groups from `first` on come to, into `held`; at
 * most so many are held on the way. */
static int shape(int first, int own, struct rn_partial *held, int *most)
{
    int n = 0;

    *most = 0;
    for (int i = 0; i < own; i++) {
        struct rn_partial next = {first + i, 1, NULL};

        for (; n > 0 && joins(&held[n - 1], &next); n--)
            next =
                (struct rn_partial){held[n - 1].first, 2 * next.groups, NULL};
        held[n++] = next;
        *most = n > *most ? n : *most;
    }
    return n;
}

/* Run `loop` over k from 0 to `numbers`, in C's floating-point mode. */
#define FOR_NUMBERS(loop)                                             \
    _Pragma("omp parallel num_threads(g->threads)")                   \
    {                                                                 \
        unsigned mode = rn_float_mode_plain();                        \
                                                                      \
        _Pragma("omp for") for (size_t k = 0; k < numbers; k++) loop; \
        rn_float_mode_restore(mode);                                  \
    }

static inline float rounded(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    bits = rn_bf16_rounded(bits);
    memcpy(&value, &bits, sizeof(bits));
    return value;
}

/* to += from */
static void add(const struct rn_grouping *g, float *to, const float *from,
                size_t numbers)
{
    if (g->bf16)
        FOR_NUMBERS(to[k] = rounded(to[k] + from[k]))
    else
        FOR_NUMBERS(to[k] += from[k])
}

/* A group's own gradients, as they enter a sum; in place, too. */
static void enter(const struct rn_grouping *g, float *to, const float *from,
                  size_t numbers)
{
    if (g->bf16)
        FOR_NUMBERS(to[k] = rounded(from[k]))
    else if (to != from)
        FOR_NUMBERS(to[k] = from[k])
}

void rn_grouping_mean(const struct rn_grouping *g, const float *total,
                      float *mean, size_t numbers)
{
    const float share = 1 / (float)g->count;

    FOR_NUMBERS(mean[k] = total[k] * share)
}

void rn_grouping_pack(const struct rn_grouping *g, const float *from,
                      uint16_t *to, size_t numbers)
{
    FOR_NUMBERS({
        uint32_t bits;

        memcpy(&bits, &from[k], sizeof(bits));
        to[k] = (uint16_t)(bits >> 16);
    })
}

void rn_grouping_unpack(const struct rn_grouping *g, const uint16_t *from,
                        float *to, size_t numbers)
{
    FOR_NUMBERS({
        uint32_t bits = (uint32_t)from[k] << 16;

        memcpy(&to[k], &bits, sizeof(bits));
    })
}

/* Numbers of all partial sums, so many from `first` on. */
struct range {
    size_t first, numbers;
};

/* The last of n partial sums goes into the one before; how many are left. */
static int join_last(const struct rn_grouping *g, struct rn_partial *partial,
                     int n, struct range r)
{
    add(g, partial[n - 2].sum + r.first, partial[n - 1].sum + r.first,
        r.numbers);
    partial[n - 2].groups += partial[n - 1].groups;
    return n - 1;
}

/* The same as long as the tree has it so. */
static int join_whole(const struct rn_grouping *g, struct rn_partial *partial,
                      int n, struct range r)
{
    while (n > 1 && joins(&partial[n - 2], &partial[n - 1]))
        n = join_last(g, partial, n, r);
    return n;
}

float *rn_grouping_total(const struct rn_grouping *g,
                         const struct rn_partial *partial, int n,
                         size_t numbers)
{
    const struct range whole = {0, numbers};
    struct rn_partial held[RN_PARTIALS_MOST];
    int left = 0;

    for (int k = 0; k < n; k++) {
        held[left++] = partial[k];
        left = join_whole(g, held, left, whole);
    }
    while (left > 1)
        left = join_last(g, held, left, whole);
    return held[0].sum;
}

/* --------------------------------------------------------------- making */

/* A rank's part of the groups. */
static int own_groups(int groups, const struct rn_ranks *ranks)
{
    return groups / rn_ranks_count(ranks);
}

int rn_grouping_partials(int groups, const struct rn_ranks *ranks, int rank,
                         struct rn_partial *partial)
{
    int own = own_groups(groups, ranks), most;

    return shape(rank * own, own, partial, &most);
}

size_t rn_grouping_memory(int groups, const struct rn_ranks *ranks,
                          size_t numbers)
{
    struct rn_partial held[RN_PARTIALS_MOST];
    int own = own_groups(groups, ranks), most;

    /* One group's gradients are a partial sum where they are. */
    if (own == 1)
        return 0;
    shape(rn_ranks_rank(ranks) * own, own, held, &most);
    return (size_t)most * numbers;
}

int rn_grouping_create(struct rn_grouping *g, const struct rn_flat *flat,
                       size_t floats, int threads, struct rn_error *err)
{
    size_t sums = rn_grouping_memory(g->count, g->ranks, flat->count);
    size_t statistics = (size_t)g->count * floats;

    g->numbers = flat->count;
    g->floats = floats;
    g->threads = threads;
    if (g->count == 1)
        return RN_OK;
    g->memory = rn_alloc(sums + statistics, sizeof(*g->memory));
    if (!g->memory)
        return rn_fail_memory(err, (sums + statistics) * sizeof(*g->memory),
                              "the gradients of several groups");
    g->statistics = g->memory + sums;
    return RN_OK;
}

void rn_grouping_free(struct rn_grouping *g)
{
    rn_ranks_free(g->ranks, g->memory);
    *g = (struct rn_grouping){.count = 0};
}

float *rn_grouping_statistics(const struct rn_grouping *g, int group)
{
    return g->count > 1 ? g->statistics + (size_t)group * g->floats : NULL;
}

/* ---------------------------------------------------------------- adding */

float *rn_grouping_sum(const struct rn_grouping *g, const struct rn_flat *flat,
                       int k)
{
    return g->own == 1 ? flat->grad : g->memory + (size_t)k * g->numbers;
}

/* Take a range of the next group's gradients into n partial sums; how many
 * there are then. */
static int take(const struct rn_grouping *g, const struct rn_flat *flat,
                struct rn_partial *partial, int n, struct range r)
{
    struct rn_partial next = {g->first + g->done, 1, flat->grad};
    float *grad = flat->grad + r.first;

    if (n > 0 && joins(&partial[n - 1], &next)) {
        enter(g, grad, grad, r.numbers);
        add(g, partial[n - 1].sum + r.first, grad, r.numbers);
        partial[n - 1].groups = 2;
    } else {
        next.sum = rn_grouping_sum(g, flat, n);
        enter(g, next.sum + r.first, grad, r.numbers);
        partial[n++] = next;
    }
    return join_whole(g, partial, n, r);
}

void rn_grouping_add(struct rn_grouping *g, const struct rn_flat *flat)
{
    const struct range whole = {0, g->numbers};

    if (g->count == 1)
        return;
    g->partials = take(g, flat, g->partial, g->partials, whole);
    g->done++;
}

void rn_grouping_add_last(const struct rn_grouping *g,
                          const struct rn_flat *flat, size_t first,
                          size_t numbers)
{
    const struct range r = {first, numbers};
    struct rn_partial partial[RN_PARTIALS_MOST];

    memcpy(partial, g->partial, sizeof(partial));
    take(g, flat, partial, g->partials, r);
}

void rn_grouping_clear(struct rn_grouping *g)
{
    g->partials = g->done = 0;
}

void rn_grouping_join(struct rn_grouping *g, const struct rn_flat *flat)
{
    if (g->count > 1)
        rn_grouping_mean(
            g, rn_grouping_total(g, g->partial, g->partials, g->numbers),
            flat->grad, g->numbers);
    rn_grouping_clear(g);
}

int rn_grouping_gather(const struct rn_grouping *g, struct rn_error *err)
{
    return rn_ranks_gather(g->ranks, rn_grouping_statistics(g, g->first),
                           (size_t)g->own * g->floats * sizeof(float),
                           g->statistics, err);
}
