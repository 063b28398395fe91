/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * How a step's work is shared out among the threads of its plan: the functions
 * that do it, and a tally for telling it without running.
 */
#ifndef RN_OPS_SHARES_H
#define RN_OPS_SHARES_H

#include "core/threads.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct rn_range {
    size_t begin, end;
};

/** Part number `part` of `items` cut into `parts` of about one length. */
struct rn_range rn_range_of(size_t items, int part, int parts);

/** What thread number `thread` of `threads` takes of `items` pieces of work.
 *  Every step shares out with this or those below, and what describes it for
 *  other threads calls the same. */
struct rn_range rn_share_of(size_t items, int thread, int threads);
/** The same in turns that other work lies between. */
struct rn_range rn_share_turn(size_t items, int thread, int threads,
                              size_t turn, size_t turns);
/** The same of the calling thread, in a parallel region. */
struct rn_range rn_share_mine(size_t items);
/** The number of a piece for a thread that has nothing to do: 0 first. */
size_t rn_share_next(atomic_size_t *next);

/** The largest share of `items` alike over the mean: 1 at best. */
double rn_share_largest(size_t items, int threads);

/** A tally of a step: what each thread has to do, as far as it is known. Costs
 *  are in multiply-adds. A zeroed one with its `threads` is empty. */
struct rn_shares {
    int threads;
    bool unknown;   /* some of it is shared out by others */
    int barriers;   /* waits of all threads for the last one */
    double work;    /* of all threads */
    double longest; /* up to the last barrier: the largest shares' sum */
    size_t pieces[RN_THREADS_MAX];
    double since[RN_THREADS_MAX]; /* cost since then */
};

/** One thread has some pieces, at a cost in all. */
void rn_shares_take(struct rn_shares *s, int thread, size_t pieces,
                    double cost);
/** Pieces of a cost each are shared out by rn_share_of(). */
void rn_shares_even(struct rn_shares *s, size_t items, double each);
/** A piece is taken by rn_share_next(): by whoever has done least. */
void rn_shares_next(struct rn_shares *s, double cost);
/** One thread does it while the others wait. */
void rn_shares_alone(struct rn_shares *s, double cost);
/** All threads wait for the last. */
void rn_shares_barrier(struct rn_shares *s);

/** Pieces of all threads. */
size_t rn_shares_pieces(const struct rn_shares *s);

/** Multiply-adds in the time that a byte takes from memory or to it: two
 *  threads do 260 G/s of them, and passes over memory move 42 to 70 GB/s
 *  (docs/performance.md). */
#define RN_COST_OF_BYTE 4.0

#endif
