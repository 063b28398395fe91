/* SPDX-License-Identifier: BSD-2-Clause */
/* The plugin that brings an MPI: the only file that includes mpi.h, compiled
 * once for each MPI. Nothing of libresnet is in it. */
#include "comm/transport.h"

#include <mpi.h>

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(MPI_Request) <= sizeof(struct rn_request),
               "a request has room");

enum { TAG = 1 }; /* of the first kind of message, none before it */

enum { LAST_LOOKS = 16 }; /* at a message that is taken back */

/* Ranks have a communicator of their own, whose failures are told rather than
 * fatal. */
static MPI_Comm ranks;
static int level; /* what threads may do */

/* One thread calls at a time, by the caller's care. Without a second one all
 * works as well, but slower. */
static int join(void **self, int *rank, int *size)
{
    *self = &ranks;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level) ||
        level < MPI_THREAD_FUNNELED || MPI_Comm_dup(MPI_COMM_WORLD, &ranks))
        return -1;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(ranks, MPI_ERRORS_RETURN);
    MPI_Comm_rank(ranks, rank);
    MPI_Comm_size(ranks, size);
    return 0;
}

static int start(void *self, const struct rn_message *m,
                 struct rn_request *request)
{
    int bytes = (int)m->bytes, tag = TAG + (int)m->kind, rc;
    MPI_Request own;

    (void)self;
    rc = m->receives
             ? MPI_Irecv(m->data, bytes, MPI_BYTE, m->peer, tag, ranks, &own)
             : MPI_Isend(m->data, bytes, MPI_BYTE, m->peer, tag, ranks, &own);
    memcpy(request, &own, sizeof(own));
    return rc;
}

static int test(void *self, const struct rn_message *m,
                struct rn_request *request, int *done)
{
    MPI_Request own;
    MPI_Status status;
    int rc, bytes = 0;

    (void)self;
    memcpy(&own, request, sizeof(own));
    rc = MPI_Test(&own, done, &status);
    memcpy(request, &own, sizeof(own));
    if (rc == MPI_SUCCESS && *done && m->receives) {
        rc = MPI_Get_count(&status, MPI_BYTE, &bytes);
        if (rc == MPI_SUCCESS && (size_t)bytes != m->bytes)
            return -1;
    }
    return rc;
}

/* A receive that no message has met yet can be taken back, and so can nothing
 * else of ranks that may be gone. */
static int cancel(void *self, const struct rn_message *m,
                  struct rn_request *request)
{
    MPI_Request own;
    int done = 0, rc = 0;

    (void)self;
    memcpy(&own, request, sizeof(own));
    if (m->receives)
        rc = MPI_Cancel(&own);
    for (int i = 0; i < LAST_LOOKS && rc == MPI_SUCCESS && !done; i++)
        rc = MPI_Test(&own, &done, MPI_STATUS_IGNORE);
    memcpy(request, &own, sizeof(own));
    return rc != MPI_SUCCESS || !done;
}

/* To look for a message that never comes has an MPI see to all others. */
static void advance(void *self)
{
    int found;

    (void)self;
    MPI_Iprobe(MPI_ANY_SOURCE, TAG - 1, ranks, &found, MPI_STATUS_IGNORE);
}

static int shares(void *self)
{
    (void)self;
    return level >= MPI_THREAD_SERIALIZED;
}

/* Ending in good order waits for all ranks. */
static void leave(void *self, int whole)
{
    (void)self;
    if (!whole)
        return;
    MPI_Comm_free(&ranks);
    MPI_Finalize();
}

static const struct rn_transport transport = {
    .version = RN_TRANSPORT_VERSION,
    .name = RN_MPI_NAME,
    .join = join,
    .start = start,
    .test = test,
    .cancel = cancel,
    .advance = advance,
    .shares = shares,
    .leave = leave,
};

__attribute__((visibility("default"))) const struct rn_transport *
rn_transport(void);

const struct rn_transport *rn_transport(void)
{
    return &transport;
}
