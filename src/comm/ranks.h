/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Processes that work together, and what they tell each other. Everything here
 * but rn_ranks_first() is done by all ranks in the same order; NULL as ranks is
 * a process by itself, for which there is nothing to do.
 */
#ifndef RN_COMM_RANKS_H
#define RN_COMM_RANKS_H

#include "comm/pump.h"
#include "comm/transport.h"
#include "core/error.h"

#include <stdbool.h>

/* Ranks of other versions send these, too, before they can be told from each
 * other: rn_peer, rn_state and rn_trait keep their sizes. */

/** What the others know of a rank. */
struct rn_peer {
    char host[64];
    char boot[40];  /* which start of a kernel it runs under; "": unknown */
    uint64_t space; /* in which its process number is one */
    int64_t process;
    uint64_t processors[16]; /* it may run on */
};

/** A message under way. */
struct rn_letter {
    struct rn_message message;
    struct rn_request request;
    size_t tag; /* the caller's */
    bool done;
};

/** Messages under way, while something else is done. What they are of stays
 *  until they are done, or the post is freed: see rn_ranks_lent(). */
struct rn_post {
    struct rn_ranks *ranks;
    struct rn_letter *letters; /* [room] */
    size_t room, count, left;  /* of these, not done yet */
    size_t next;               /* to be looked at */
};

struct rn_state;

struct rn_ranks {
    const struct rn_transport *transport;
    void *self;
    int rank, size;
    size_t most;    /* bytes of a message: RN_MESSAGE_MOST */
    double timeout; /* seconds without any message that end it */
    bool over;      /* the work failed: there is nothing to exchange any more */
    bool broken; /* and it was an exchange: the ranks do not leave together */
    bool mixes;  /* what computes may differ, */
    char mixed[320]; /* and does so: the first difference; "": none */
    bool lent;       /* messages may still touch what they are of */
    int missing;     /* the first rank that did not answer, or -1 */
    int asked;       /* what events.stop() says here, for the next agreement */
    int stop; /* and what it said on the first rank that was asked to stop */
    int wish; /* what rank 0 says there, for all */
    struct rn_peer *peers;
    int local;           /* ranks on this host */
    int sharing;         /* of these, those with processors of this one's */
    struct rn_post post; /* of rn_ranks_exchange() */
    /* So that agreeing takes no memory: */
    struct rn_message *messages; /* [2][size], of rn_ranks_gather() */
    struct rn_state *states;     /* [size], of rn_ranks_agree() */
    struct rn_pump pump;
    double waited; /* seconds in which there was nothing to do */
    uint64_t sent; /* bytes */
};

/** Ranks on a transport that is joined already; it is left with the handle, and
 *  on failure. */
int rn_ranks_create(struct rn_ranks **out, const struct rn_transport *transport,
                    void *self, int rank, int size, double timeout,
                    struct rn_error *err);

/** Whether this is rank 0: the one that writes and speaks. */
bool rn_ranks_first(const struct rn_ranks *r);
/** "rank 3 (node2)", of a rank other than this one's or not. */
const char *rn_ranks_name(const struct rn_ranks *r, int rank, char *text,
                          size_t size);

/** All messages at once, two for each rank at the most; returns when they are
 *  done. RN_ERR_RANK names the ranks that are gone or do not answer. */
int rn_ranks_exchange(struct rn_ranks *r, const struct rn_message *messages,
                      size_t count, struct rn_error *err);

/** Room for so many messages at once. */
int rn_post_create(struct rn_post *post, struct rn_ranks *r, size_t room,
                   struct rn_error *err);
/** What is under way still, of a failed exchange, is taken back. */
void rn_post_free(struct rn_post *post);
/** Begin to send or receive. There is room again when all are done. */
int rn_post_start(struct rn_post *post, const struct rn_message *message,
                  size_t tag, struct rn_error *err);

/** Who is told of messages that are done. */
struct rn_listener {
    /** May start others. */
    int (*done)(void *user, const struct rn_message *message, size_t tag,
                struct rn_error *err);
    /** Whether there is nothing left to wait for. NULL: when all are done. */
    bool (*enough)(void *user);
    void *user;
};
/** Look at some of the messages, without waiting. */
int rn_post_look(struct rn_post *post, const struct rn_listener *listener,
                 struct rn_error *err);
/** Wait until it is enough. RN_ERR_RANK names the ranks that are gone or do not
 *  answer. */
int rn_post_wait(struct rn_post *post, const struct rn_listener *listener,
                 struct rn_error *err);

/** Every rank's `bytes`, in order, into all[size][bytes] of each; `own` may
 *  lie in its place there. */
int rn_ranks_gather(struct rn_ranks *r, const void *own, size_t bytes,
                    void *all, struct rn_error *err);

/** Whether messages that could not be taken back may still read or write what
 *  they are of: it must stay allocated then. */
bool rn_ranks_lent(const struct rn_ranks *r);
/** rn_free() of what messages were of, unless that has to stay. */
void rn_ranks_free(const struct rn_ranks *r, void *p);

/** Memory for every rank's `bytes`: all have it, or all fail. */
int rn_ranks_room(struct rn_ranks *r, size_t bytes, const char *what,
                  void **out, struct rn_error *err);

/* rn_ranks_agree() of resnet.h comes before any other exchange: so a rank that
 * fails anywhere between two need only come there, and after a failure there is
 * nothing to exchange any more. */

/** Something that must be the same on all ranks. */
struct rn_trait {
    const char *name; /* "the data" */
    char value[64];
    int code;   /* to fail with */
    bool mixes; /* on rank 0: a difference is remembered, and is none */
};
/** As the value of a trait. */
void rn_trait_text(struct rn_trait *trait, const char *text);
void rn_trait_sum(struct rn_trait *trait, uint64_t checksum);
/** Name the first rank with another value than rank 0. The count is the same on
 *  all ranks that have met, see rn_ranks_meet() of resnet.h. */
int rn_ranks_compare(struct rn_ranks *r, const struct rn_trait *traits,
                     size_t count, struct rn_error *err);

/** Threads of the so many that this rank's processors make, which other ranks
 *  may share with it. */
int rn_ranks_threads(const struct rn_ranks *r, int threads);

#endif
