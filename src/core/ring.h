/* SPDX-License-Identifier: BSD-2-Clause */
/* Work done ahead of time: threads fill a ring of slots with items, the caller
 * takes the slots in order. What an item is, and where a slot keeps it, is the
 * caller's. */
#ifndef RN_CORE_RING_H
#define RN_CORE_RING_H

#include "core/error.h"

#include <stdbool.h>

enum { RN_RING_SLOTS = 4 };

struct rn_ring_config {
    void *user;
    long fills;  /* how often a slot is filled in all, in turn */
    int threads; /* at least 1 */
    int chunk;   /* items that a thread makes at a time, at least 1 */
    /* How many items a slot is to have, from 0 on. Called in order, by one
     * thread at a time. */
    int (*begin)(void *user, int slot, long fill);
    /* Make one of them; `thread` counts from 0. Several threads call it at
     * once, each with an item of its own. */
    void (*make)(void *user, int slot, int item, int thread);
};

struct rn_ring;

/** The threads start at once. RN_ERR_MEMORY when the system starts too few. */
int rn_ring_create(struct rn_ring **out, const struct rn_ring_config *config,
                   struct rn_error *err);
/** Wait for the next slot, which stays as it is until the next call; -1 past
 *  the last. *waited, which may be NULL, grows by the seconds that took. */
int rn_ring_next(struct rn_ring *ring, double *waited);
/** Whether its threads are there: not in the child of a fork(). */
bool rn_ring_is_here(const struct rn_ring *ring);
/** Ends the threads, which finish the chunks they are at. In the child of a
 *  fork() it frees the ring alone. */
void rn_ring_destroy(struct rn_ring *ring);

#endif
