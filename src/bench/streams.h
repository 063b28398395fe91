/* SPDX-License-Identifier: BSD-2-Clause */
/* Batches that are computed side by side, each in a thread of its own, as
 * servers do: threads that share a batch wait for each other at every layer,
 * those with a batch each never. */
#ifndef RN_BENCH_STREAMS_H
#define RN_BENCH_STREAMS_H

#include "bench/energy.h"
#include "plan/plan.h"

struct rn_stream;

struct rn_streams {
    struct rn_stream *stream; /* the first has the caller's plan */
    int count;
    const float *images;
};

/** So many streams: clones of an inference plan beside itself, which all
 *  compute the same images. All but `s` is borrowed until rn_streams_close().
 */
int rn_streams_open(struct rn_streams *s, struct rn_plan *plan, int count,
                    const float *images, int batch, int classes,
                    struct rn_error *err);
void rn_streams_close(struct rn_streams *s);
/** Bytes of all their plans. */
uint64_t rn_streams_bytes(const struct rn_streams *s);

/** Each stream computes so many rounds of `runs` batches, and further ones
 * until the others have done theirs. `rates[i]`: batches per second of all in
 * their i-th rounds; `done`: batches in all. Energy is added up by the way. */
int rn_streams_run(struct rn_streams *s, int runs, int rounds, double *rates,
                   long *done, struct rn_energy *energy, struct rn_error *err);

#endif
