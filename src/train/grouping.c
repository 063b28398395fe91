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

#include <string.h>

/* Gradients are exchanged in strips of so many: what arrives needs no more
 * room. Ranges of cache lines. */
#define STRIP ((size_t)1 << 22)
#define LINE  16

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

/* to += from */
static void add(const struct rn_grouping *g, float *to, const float *from,
                size_t numbers)
{
#pragma omp parallel for num_threads(g->threads)
    for (size_t k = 0; k < numbers; k++)
        to[k] += from[k];
}

/* to = from * factor */
static void scale(const struct rn_grouping *g, float *to, const float *from,
                  float factor, size_t numbers)
{
#pragma omp parallel for num_threads(g->threads)
    for (size_t k = 0; k < numbers; k++)
        to[k] = from[k] * factor;
}

/* The last of n partial sums goes into the one before; how many are left. */
static int join_last(const struct rn_grouping *g, struct rn_partial *partial,
                     int n, size_t numbers)
{
    add(g, partial[n - 2].sum, partial[n - 1].sum, numbers);
    partial[n - 2].groups += partial[n - 1].groups;
    return n - 1;
}

/* The same as long as the tree has it so. */
static int join_whole(const struct rn_grouping *g, struct rn_partial *partial,
                      int n, size_t numbers)
{
    while (n > 1 && joins(&partial[n - 2], &partial[n - 1]))
        n = join_last(g, partial, n, numbers);
    return n;
}

/* --------------------------------------------------------------- making */

/* A rank's part of the groups. */
static int own_groups(int groups, const struct rn_ranks *ranks)
{
    return groups / rn_ranks_count(ranks);
}

size_t rn_grouping_memory(int groups, const struct rn_ranks *ranks,
                          size_t numbers)
{
    struct rn_partial held[RN_PARTIALS_MOST];
    int own = own_groups(groups, ranks), most;

    if (groups == 1)
        return 0;
    shape(rn_ranks_rank(ranks) * own, own, held, &most);
    return (size_t)most * numbers;
}

/* The length of a rank's range of a strip of so many numbers; the last ones
 * may be shorter. */
static size_t range_of(const struct rn_grouping *g, size_t strip)
{
    size_t size = (size_t)rn_ranks_count(g->ranks);

    return ((strip + size - 1) / size + LINE - 1) / LINE * LINE;
}

/* What all ranks' partial sums are, and room for messages of them. */
static int plan_exchange(struct rn_grouping *g, struct rn_error *err)
{
    struct rn_partial held[RN_PARTIALS_MOST];
    int size = rn_ranks_count(g->ranks), most, n = 0;
    size_t ranks = (size_t)size;

    g->all = rn_alloc(ranks * RN_PARTIALS_MOST, sizeof(*g->all));
    g->begin = rn_alloc(ranks + 1, sizeof(*g->begin));
    g->messages = rn_alloc(2 * ranks * RN_PARTIALS_MOST, sizeof(*g->messages));
    if (!g->all || !g->begin || !g->messages)
        return rn_fail_memory(err, ranks * RN_PARTIALS_MOST, "ranks");
    for (int i = 0; i < size; i++) {
        int partials = shape(i * g->own, g->own, held, &most);

        memcpy(g->all + n, held, (size_t)partials * sizeof(*held));
        n += partials;
        g->begin[i + 1] = n;
    }
    return RN_OK;
}

int rn_grouping_create(struct rn_grouping *g, const struct rn_flat *flat,
                       size_t floats, int threads, struct rn_error *err)
{
    size_t sums = rn_grouping_memory(g->count, g->ranks, flat->count);
    size_t statistics = (size_t)g->count * floats, incoming = 0;
    int rc = RN_OK;

    g->numbers = flat->count;
    g->floats = floats;
    g->threads = threads;
    if (g->count == 1)
        return RN_OK;
    if (g->ranks) {
        rc = plan_exchange(g, err);
        if (rc != RN_OK)
            return rc;
        incoming = (size_t)g->begin[g->ranks->size] *
                   range_of(g, flat->count < STRIP ? flat->count : STRIP);
    }
    g->memory = rn_alloc(sums + incoming + statistics, sizeof(*g->memory));
    if (!g->memory)
        return rn_fail_memory(
            err, (sums + incoming + statistics) * sizeof(*g->memory),
            "the gradients of several groups");
    g->incoming = g->memory + sums;
    g->statistics = g->incoming + incoming;
    return RN_OK;
}

void rn_grouping_free(struct rn_grouping *g)
{
    rn_free(g->memory);
    rn_free(g->all);
    rn_free(g->begin);
    rn_free(g->messages);
    *g = (struct rn_grouping){.count = 0};
}

float *rn_grouping_statistics(const struct rn_grouping *g, int group)
{
    return g->count > 1 ? g->statistics + (size_t)group * g->floats : NULL;
}

/* --------------------------------------------------------------- one rank */

/* Where the i-th partial sum lies. */
static float *place(const struct rn_grouping *g, int i)
{
    return g->memory + (size_t)i * g->numbers;
}

void rn_grouping_add(struct rn_grouping *g, const struct rn_flat *flat)
{
    struct rn_partial next = {g->first + g->done, 1, flat->grad};
    struct rn_partial *last = &g->partial[g->partials];

    if (g->count == 1)
        return;
    g->done++;
    if (g->partials > 0 && joins(last - 1, &next)) {
        add(g, last[-1].sum, next.sum, g->numbers);
        last[-1].groups = 2;
    } else {
        next.sum = place(g, g->partials++);
        scale(g, next.sum, flat->grad, 1, g->numbers);
        *last = next;
    }
    g->partials = join_whole(g, g->partial, g->partials, g->numbers);
}

/* ------------------------------------------------------------- all ranks */

/* Numbers of a strip that a rank adds up. */
struct range {
    size_t begin, count;
};

static struct range range_at(const struct rn_grouping *g, size_t strip,
                             size_t numbers, int rank)
{
    size_t length = range_of(g, numbers), begin = (size_t)rank * length;

    begin = begin < numbers ? begin : numbers;
    return (struct range){strip + begin,
                          numbers - begin < length ? numbers - begin : length};
}

static void put(struct rn_grouping *g, size_t *n, int peer, int receives,
                float *numbers, size_t count)
{
    if (count > 0)
        g->messages[(*n)++] = (struct rn_message){peer, receives, numbers,
                                                  count * sizeof(*numbers)};
}

/* All ranks' partial sums of this one's range come together here, and its own
 * of the others' ranges go to them. */
static int scatter(struct rn_grouping *g, size_t strip, size_t numbers,
                   struct rn_error *err)
{
    int rank = g->ranks->rank;
    struct range own = range_at(g, strip, numbers, rank);
    size_t n = 0;

    for (int i = 0; i < g->ranks->size; i++) {
        struct range theirs = range_at(g, strip, numbers, i);

        for (int k = g->begin[i]; k < g->begin[i + 1]; k++) {
            int mine = k - g->begin[i];

            g->all[k].sum = i == rank ? g->partial[mine].sum + own.begin
                                      : g->incoming + (size_t)k * own.count;
            if (i != rank)
                put(g, &n, i, 1, g->all[k].sum, own.count);
        }
        for (int k = 0; k < g->partials && i != rank; k++)
            put(g, &n, i, 0, g->partial[k].sum + theirs.begin, theirs.count);
    }
    return rn_ranks_exchange(g->ranks, g->messages, n, err);
}

/* The mean of this rank's range, by the order of the whole tree. */
static void finish_range(struct rn_grouping *g, float *grad, struct range own)
{
    struct rn_partial held[RN_PARTIALS_MOST];
    int n = 0;

    for (int k = 0; k < g->begin[g->ranks->size]; k++) {
        held[n++] = g->all[k];
        n = join_whole(g, held, n, own.count);
    }
    while (n > 1)
        n = join_last(g, held, n, own.count);
    scale(g, grad + own.begin, held[0].sum, 1 / (float)g->count, own.count);
}

/* Every rank's range goes to all. */
static int spread(struct rn_grouping *g, float *grad, size_t strip,
                  size_t numbers, struct rn_error *err)
{
    int rank = g->ranks->rank;
    struct range own = range_at(g, strip, numbers, rank);
    size_t n = 0;

    for (int i = 0; i < g->ranks->size; i++) {
        struct range theirs = range_at(g, strip, numbers, i);

        if (i == rank)
            continue;
        put(g, &n, i, 1, grad + theirs.begin, theirs.count);
        put(g, &n, i, 0, grad + own.begin, own.count);
    }
    return rn_ranks_exchange(g->ranks, g->messages, n, err);
}

static int join_ranks(struct rn_grouping *g, float *grad, struct rn_error *err)
{
    int rc = RN_OK;

    for (size_t at = 0; at < g->numbers && rc == RN_OK; at += STRIP) {
        size_t left = g->numbers - at, numbers = left < STRIP ? left : STRIP;

        rc = scatter(g, at, numbers, err);
        if (rc != RN_OK)
            break;
        finish_range(g, grad, range_at(g, at, numbers, g->ranks->rank));
        rc = spread(g, grad, at, numbers, err);
    }
    if (rc != RN_OK)
        return rc;
    return rn_ranks_gather(g->ranks, rn_grouping_statistics(g, g->first),
                           (size_t)g->own * g->floats * sizeof(float),
                           g->statistics, err);
}

int rn_grouping_join(struct rn_grouping *g, const struct rn_flat *flat,
                     struct rn_error *err)
{
    int rc = RN_OK;

    if (g->count == 1)
        return RN_OK;
    if (g->ranks) {
        rc = join_ranks(g, flat->grad, err);
    } else {
        while (g->partials > 1)
            g->partials = join_last(g, g->partial, g->partials, g->numbers);
        scale(g, flat->grad, g->partial[0].sum, 1 / (float)g->count,
              g->numbers);
    }
    g->partials = g->done = 0;
    return rc;
}
