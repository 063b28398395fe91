/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * How bytes go from rank to rank: what a plugin has to bring, and the tests'
 * threads. Nothing else of the library is needed to write one.
 */
#ifndef RN_COMM_TRANSPORT_H
#define RN_COMM_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

/** Raised when this file changes: library and plugin must agree. */
enum { RN_TRANSPORT_VERSION = 3 };

/** What a message is of. Each kind has an order of its own. */
enum rn_message_kind {
    RN_MESSAGE_TALK, /* what all ranks tell each other at the same place */
    RN_MESSAGE_GRADIENTS,
    RN_MESSAGE_WEIGHTS,
};

/** Bytes to a rank, or from one. Those of one pair of ranks and one kind come
 *  in the order in which they were sent. */
struct rn_message {
    int peer;
    int receives; /* 1: from it */
    void *data;   /* stays until the message is done */
    size_t bytes; /* the same on both sides; RN_MESSAGE_MOST at most */
    enum rn_message_kind kind;
};
#define RN_MESSAGE_MOST ((size_t)1 << 30)

/** A message under way, in whatever form the transport has. */
struct rn_request {
    uint64_t word;
};

/** Each returns 0, or another number when it failed. */
struct rn_transport {
    int version; /* RN_TRANSPORT_VERSION */
    const char *name;
    /** Meet the others. */
    int (*join)(void **self, int *rank, int *size);
    /** Begin to send or receive, without waiting. */
    int (*start)(void *self, const struct rn_message *message,
                 struct rn_request *request);
    /** Look whether it is done, without waiting. It fails, too, when other than
     *  the message's bytes came. */
    int (*test)(void *self, const struct rn_message *message,
                struct rn_request *request, int *done);
    /** Of a message that is not done and that nobody waits for any more: take
     * it back. It fails where the bytes may still be read or written
     * afterwards. NULL: they are in calls alone. */
    int (*cancel)(void *self, const struct rn_message *message,
                  struct rn_request *request);
    /** Have all that is under way go on, without waiting. NULL: it does so by
     *  itself. */
    void (*advance)(void *self);
    /** Whether another thread than the one that joined may call, too, one of
     *  them at a time. Of a transport with `advance`. */
    int (*shares)(void *self);
    /** End. With `whole` every rank does so, in good order; else nobody is
     *  waited for. */
    void (*leave)(void *self, int whole);
};

/** The function that a plugin exports. */
#define RN_TRANSPORT_SYMBOL "rn_transport"
typedef const struct rn_transport *rn_transport_function(void);

#endif
