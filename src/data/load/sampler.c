/* SPDX-License-Identifier: BSD-2-Clause */
/* Which images make which batch. Nothing here remembers what came before, so
 * a resumed run sees the batches it would have seen. */
#include "data/data.h"

#include "core/memory.h"
#include "core/random.h"

/* Whole batches of an epoch, for drop and keep. */
static uint64_t whole_batches(const struct rn_sampler *s)
{
    uint64_t count = (uint64_t)s->count, batch = (uint64_t)s->batch;

    return s->last == RN_LAST_DROP ? count / batch
                                   : (count + batch - 1) / batch;
}

double rn_sampler_batches(const struct rn_sampler *s)
{
    if (s->last == RN_LAST_WRAP)
        return (double)s->count / s->batch;
    return (double)whole_batches(s);
}

int rn_sampler_size(const struct rn_sampler *s, long iteration)
{
    uint64_t batches, left;

    if (s->last == RN_LAST_WRAP)
        return s->batch;
    batches = whole_batches(s);
    if (!batches)
        return 0;
    left =
        (uint64_t)s->count - (uint64_t)iteration % batches * (uint64_t)s->batch;
    return left < (uint64_t)s->batch ? (int)left : s->batch;
}

struct rn_pick rn_sampler_place(const struct rn_sampler *s, long iteration,
                                int j)
{
    uint64_t i = (uint64_t)iteration, batch = (uint64_t)s->batch;
    uint64_t count = (uint64_t)s->count, at, batches;

    if (s->last == RN_LAST_WRAP) {
        at = i * batch + (uint64_t)j;
        return (struct rn_pick){(uint32_t)(at / count), (uint32_t)(at % count)};
    }
    batches = whole_batches(s);
    at = i % batches * batch + (uint64_t)j;
    return (struct rn_pick){(uint32_t)(i / batches), (uint32_t)at};
}

int rn_order_create(struct rn_order *order, const struct rn_sampler *s,
                    struct rn_error *err)
{
    *order = (struct rn_order){NULL, -1};
    if (!s->shuffle)
        return RN_OK;
    order->index = rn_alloc((size_t)s->count, sizeof(*order->index));
    if (!order->index)
        return rn_fail_memory(err, (size_t)s->count * sizeof(*order->index),
                              "the order of the images");
    return RN_OK;
}

void rn_order_destroy(struct rn_order *order)
{
    rn_free(order->index);
    *order = (struct rn_order){NULL, -1};
}

int rn_spread(int i, int count, int of)
{
    return (int)((int64_t)i * of / count);
}

struct rn_pick rn_sampler_pick(const struct rn_sampler *s,
                               struct rn_order *order, long iteration, int j)
{
    struct rn_pick pick = rn_sampler_place(s, iteration, j);

    if (!s->shuffle && s->of > 0)
        pick.index = (uint32_t)rn_spread((int)pick.index, s->count, s->of);
    if (!s->shuffle)
        return pick;
    if (order->epoch != pick.epoch) {
        const struct rn_random_key key = {s->seed, RN_RANDOM_SHUFFLE,
                                          pick.epoch};

        rn_random_permutation(&key, (uint32_t)s->count, order->index);
        order->epoch = pick.epoch;
    }
    pick.index = order->index[pick.index];
    return pick;
}
