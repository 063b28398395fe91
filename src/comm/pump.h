/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that has messages go on while the ranks' own thread computes: an MPI
 * moves bytes when it is called, and a link that waits for the next layer's end
 * stands still. */
#ifndef RN_COMM_PUMP_H
#define RN_COMM_PUMP_H

#include "comm/transport.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct rn_pump {
    const struct rn_transport *transport;
    void *self;
    pthread_mutex_t mutex; /* whoever calls the transport has it */
    pthread_cond_t changed;
    pthread_t thread;
    bool runs;        /* only with it there is more than one who may call */
    bool ends;        /* it shall */
    bool rests;       /* the ranks' own thread looks by itself for now */
    size_t under_way; /* messages */
};

/** 0, or an error number. The thread does not run yet. */
int rn_pump_create(struct rn_pump *p, const struct rn_transport *transport,
                   void *self);
/** Start the thread. Where that cannot be, or the transport does not let
 *  another thread call, all goes on without it. */
void rn_pump_start(struct rn_pump *p);
/** End it: nobody but the caller calls the transport any more. */
void rn_pump_free(struct rn_pump *p);

/* For the ranks' own thread: */

/** Around each of its calls of the transport. */
void rn_pump_hold(struct rn_pump *p);
void rn_pump_release(struct rn_pump *p);
/** So many messages more are under way, or less. It holds the pump. */
void rn_pump_count(struct rn_pump *p, int more);
/** It begins to look again and again by itself, or computes again. */
void rn_pump_rest(struct rn_pump *p, bool rests);

#endif
