/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums the gradients of a batch's groups.
 *
 * The sums are those of a binary tree over the groups: two neighbours are added
 * up where the left one's number is a multiple of twice their size, and what is
 * left over at the end from the right to the left. So a process that computes
 * some groups in a row can add up its part of the tree by itself, and the
 * result is the same however they are shared out. */
#include "train/grouping.h"

#include "core/memory.h"

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
    g->count = groups;
    g->images = batch / groups;
    g->rest = rest / groups;
    return RN_OK;
}

/* ------------------------------------------------------------- the tree */

static bool joins(const struct rn_partial *left, const struct rn_partial *right)
{
    return left->groups == right->groups &&
           left->first % (2 * left->groups) == 0;
}

/* How many partial sums are held at once, at the most. */
static int most_partials(int groups)
{
    struct rn_partial held[RN_PARTIALS_MOST];
    int n = 0, most = 0;

    for (int i = 0; i < groups; i++) {
        struct rn_partial next = {i, 1, NULL};

        for (; n > 0 && joins(&held[n - 1], &next); n--)
            next =
                (struct rn_partial){held[n - 1].first, 2 * next.groups, NULL};
        held[n++] = next;
        most = n > most ? n : most;
    }
    return most;
}

/* to += from */
static void add(const struct rn_grouping *g, float *to, const float *from)
{
#pragma omp parallel for num_threads(g->threads)
    for (size_t k = 0; k < g->numbers; k++)
        to[k] += from[k];
}

/* to = from * factor */
static void scale(const struct rn_grouping *g, float *to, const float *from,
                  float factor)
{
#pragma omp parallel for num_threads(g->threads)
    for (size_t k = 0; k < g->numbers; k++)
        to[k] = from[k] * factor;
}

/* The last partial sum goes into the one before. */
static void join_last(struct rn_grouping *g)
{
    struct rn_partial *left = &g->partial[g->partials - 2];

    add(g, left->sum, left[1].sum);
    left->groups += left[1].groups;
    g->partials--;
}

/* --------------------------------------------------------------- groups */

size_t rn_grouping_memory(int groups, size_t numbers)
{
    return groups > 1 ? (size_t)most_partials(groups) * numbers : 0;
}

int rn_grouping_create(struct rn_grouping *g, const struct rn_flat *flat,
                       size_t floats, int threads, struct rn_error *err)
{
    size_t sums = rn_grouping_memory(g->count, flat->count);
    size_t all = sums + (size_t)g->count * floats;

    g->numbers = flat->count;
    g->floats = floats;
    g->threads = threads;
    if (g->count == 1)
        return RN_OK;
    g->memory = rn_alloc(all, sizeof(*g->memory));
    if (!g->memory)
        return rn_fail_memory(err, all * sizeof(*g->memory),
                              "the gradients of several groups");
    g->statistics = g->memory + sums;
    return RN_OK;
}

void rn_grouping_free(struct rn_grouping *g)
{
    rn_free(g->memory);
    g->memory = g->statistics = NULL;
}

float *rn_grouping_statistics(const struct rn_grouping *g, int group)
{
    return g->count > 1 ? g->statistics + (size_t)group * g->floats : NULL;
}

/* Where the i-th partial sum lies. */
static float *place(const struct rn_grouping *g, int i)
{
    return g->memory + (size_t)i * g->numbers;
}

void rn_grouping_add(struct rn_grouping *g, const struct rn_flat *flat)
{
    struct rn_partial next = {g->done, 1, flat->grad};

    if (g->count == 1)
        return;
    if (g->partials > 0 && joins(&g->partial[g->partials - 1], &next)) {
        add(g, g->partial[g->partials - 1].sum, next.sum);
        g->partial[g->partials - 1].groups = 2;
    } else {
        next.sum = place(g, g->partials);
        scale(g, next.sum, flat->grad, 1);
        g->partial[g->partials++] = next;
    }
    while (g->partials > 1 &&
           joins(&g->partial[g->partials - 2], &g->partial[g->partials - 1]))
        join_last(g);
    if (++g->done < g->count)
        return;
    while (g->partials > 1)
        join_last(g);
    scale(g, flat->grad, g->partial[0].sum, 1 / (float)g->count);
    g->partials = g->done = 0;
}
