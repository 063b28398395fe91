/* SPDX-License-Identifier: BSD-2-Clause */
/* Shares work out among threads, and adds up what each of them has. */
#include "ops/shares.h"

#include <omp.h>

struct rn_range rn_range_of(size_t items, int part, int parts)
{
    size_t p = (size_t)part, all = (size_t)parts;

    return (struct rn_range){items * p / all, items * (p + 1) / all};
}

struct rn_range rn_share_of(size_t items, int thread, int threads)
{
    return rn_range_of(items, thread, threads);
}

struct rn_range rn_share_turn(size_t items, int thread, int threads,
                              size_t turn, size_t turns)
{
    struct rn_range all = rn_range_of(items, thread, threads);
    struct rn_range r = rn_range_of(all.end - all.begin, (int)turn, (int)turns);

    return (struct rn_range){all.begin + r.begin, all.begin + r.end};
}

struct rn_range rn_share_mine(size_t items)
{
    return rn_share_of(items, omp_get_thread_num(), omp_get_num_threads());
}

size_t rn_share_next(atomic_size_t *next)
{
    return atomic_fetch_add_explicit(next, 1, memory_order_relaxed);
}

double rn_share_largest(size_t items, int threads)
{
    size_t most = (items + (size_t)threads - 1) / (size_t)threads;

    return items ? (double)most * threads / (double)items : 1;
}

/* ------------------------------------------------------------------ tally */

void rn_shares_take(struct rn_shares *s, int thread, size_t pieces, double cost)
{
    s->pieces[thread] += pieces;
    s->since[thread] += cost;
    s->work += cost;
}

void rn_shares_even(struct rn_shares *s, size_t items, double each)
{
    for (int t = 0; t < s->threads; t++) {
        struct rn_range r = rn_share_of(items, t, s->threads);

        rn_shares_take(s, t, r.end - r.begin, (double)(r.end - r.begin) * each);
    }
}

void rn_shares_next(struct rn_shares *s, double cost)
{
    int free = 0;

    for (int t = 1; t < s->threads; t++)
        if (s->since[t] < s->since[free])
            free = t;
    rn_shares_take(s, free, 1, cost);
}

void rn_shares_alone(struct rn_shares *s, double cost)
{
    s->work += cost;
    s->longest += cost;
}

void rn_shares_barrier(struct rn_shares *s)
{
    double most = 0;

    for (int t = 0; t < s->threads; t++) {
        most = s->since[t] > most ? s->since[t] : most;
        s->since[t] = 0;
    }
    s->longest += most;
    s->barriers++;
}

size_t rn_shares_pieces(const struct rn_shares *s)
{
    size_t all = 0;

    for (int t = 0; t < s->threads; t++)
        all += s->pieces[t];
    return all;
}
