/* SPDX-License-Identifier: BSD-2-Clause */
/* What ranks tell each other, on any transport; and how long they wait. */
#include "comm/ranks.h"

#include "core/memory.h"
#include "core/threads.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* --------------------------------------------------------------- the peers */

/* Who this process is. */
static struct rn_peer myself(void)
{
    struct rn_affinity affinity = {.count = 0};
    struct rn_peer peer = {.process = getpid()};
    struct stat space;

    if (gethostname(peer.host, sizeof(peer.host) - 1))
        strcpy(peer.host, "?");
    if (stat("/proc/self/ns/pid", &space) == 0)
        peer.space = (uint64_t)space.st_ino;
    rn_affinity_get(&affinity);
    memcpy(peer.processors, affinity.mask, sizeof(peer.processors));
    return peer;
}

static bool same_host(const struct rn_peer *a, const struct rn_peer *b)
{
    return strcmp(a->host, b->host) == 0;
}

static bool share_processors(const struct rn_peer *a, const struct rn_peer *b)
{
    for (size_t i = 0; i < sizeof(a->processors) / sizeof(*a->processors); i++)
        if (a->processors[i] & b->processors[i])
            return true;
    return false;
}

static void count_neighbours(struct rn_ranks *r)
{
    const struct rn_peer *own = &r->peers[r->rank];

    for (int i = 0; i < r->size; i++) {
        if (!same_host(own, &r->peers[i]))
            continue;
        r->local++;
        r->sharing += i == r->rank || share_processors(own, &r->peers[i]);
    }
}

/* Whether a rank's process is known to have ended. */
static bool is_gone(const struct rn_ranks *r, int rank)
{
    const struct rn_peer *own = &r->peers[r->rank], *peer = &r->peers[rank];

    return peer->process > 0 && same_host(own, peer) &&
           own->space == peer->space && kill((pid_t)peer->process, 0) != 0 &&
           errno == ESRCH;
}

const char *rn_ranks_name(const struct rn_ranks *r, int rank, char *text,
                          size_t size)
{
    const char *host = r->peers[rank].host;

    if (*host)
        snprintf(text, size, "rank %d (%s)", rank, host);
    else
        snprintf(text, size, "rank %d", rank);
    return text;
}

bool rn_ranks_first(const struct rn_ranks *r)
{
    return !r || r->rank == 0;
}

int rn_ranks_rank(const struct rn_ranks *r)
{
    return r ? r->rank : 0;
}

int rn_ranks_count(const struct rn_ranks *r)
{
    return r ? r->size : 1;
}

int rn_ranks_stopped(const struct rn_ranks *r)
{
    return r ? r->stop : 0;
}

void rn_ranks_allow_mixed(struct rn_ranks *r)
{
    if (r)
        r->mixes = true;
}

const char *rn_ranks_mixed(const struct rn_ranks *r)
{
    return r && r->mixed[0] ? r->mixed : NULL;
}

/* Where rank 0 is missing, the next one has to tell. */
int rn_ranks_speaks(const struct rn_ranks *r)
{
    return !r || r->rank == (r->missing == 0 ? 1 : 0);
}

int rn_ranks_threads(const struct rn_ranks *r, int threads)
{
    int share = r ? threads / r->sharing : threads;

    return share > 0 ? share : 1;
}

/* ---------------------------------------------------------------- waiting */

/* Messages that are not done yet are looked at again and again: first at once,
 * then with pauses, for the processors may be others'. */
#define EAGER_LOOKS  200
#define PAUSE_NS     50000
#define LOOK_SECONDS 0.1 /* for processes that have ended */

struct waiting {
    struct rn_ranks *r;
    const struct rn_message *messages;
    size_t count, left;
    bool *done;
};

/* A transport that fails tells no more than that it did. */
static int fail_at(struct rn_ranks *r, const struct rn_message *m,
                   struct rn_error *err)
{
    char name[96];

    r->over = r->broken = true;
    r->missing = m->peer;
    return rn_fail(err, RN_ERR_RANK, "%s: cannot %s %zu bytes (%s)",
                   rn_ranks_name(r, m->peer, name, sizeof(name)),
                   m->receives ? "receive" : "send", m->bytes,
                   r->transport->name);
}

/* Look once at what is not done; whether anything was. */
static int look(struct waiting *w, bool *progress, struct rn_error *err)
{
    struct rn_ranks *r = w->r;

    *progress = false;
    for (size_t i = 0; i < w->count; i++) {
        int done = 0;

        if (w->done[i])
            continue;
        if (r->transport->test(r->self, &w->messages[i], &r->requests[i],
                               &done))
            return fail_at(r, &w->messages[i], err);
        if (!done)
            continue;
        w->done[i] = *progress = true;
        w->left--;
    }
    return RN_OK;
}

static bool waits_for(const struct waiting *w, int rank)
{
    for (size_t i = 0; i < w->count; i++)
        if (!w->done[i] && w->messages[i].peer == rank)
            return true;
    return false;
}

/* Name the ranks that are waited for, or of these those that are gone. */
static int fail_waiting(const struct waiting *w, bool gone, double seconds,
                        struct rn_error *err)
{
    struct rn_ranks *r = w->r;
    char names[300] = "", name[96];
    int found = 0;

    for (int i = 0; i < r->size; i++) {
        size_t n = strlen(names);

        if (!waits_for(w, i) || (gone && !is_gone(r, i)))
            continue;
        if (found++ == 0)
            r->missing = i;
        snprintf(names + n, sizeof(names) - n, "%s%s", found > 1 ? ", " : "",
                 rn_ranks_name(r, i, name, sizeof(name)));
    }
    r->over = r->broken = true;
    if (gone)
        return rn_fail(err, RN_ERR_RANK, "%s %s ended", names,
                       found > 1 ? "have" : "has");
    return rn_fail(err, RN_ERR_RANK, "%s %s not answered for %.0f s", names,
                   found > 1 ? "have" : "has", seconds);
}

static bool any_gone(const struct waiting *w)
{
    for (int i = 0; i < w->r->size; i++)
        if (waits_for(w, i) && is_gone(w->r, i))
            return true;
    return false;
}

static void pause_between(long looks)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};

    if (looks < EAGER_LOOKS)
        sched_yield();
    else
        nanosleep(&pause, NULL);
}

static int wait_all(struct waiting *w, struct rn_error *err)
{
    double since = rn_now(), looked = since;
    long looks = 0;

    while (w->left > 0) {
        bool progress;
        int rc = look(w, &progress, err);
        double now = rn_now();

        if (rc != RN_OK || w->left == 0)
            return rc;
        if (progress) {
            since = now;
            looks = 0;
        }
        if (now - since > w->r->timeout)
            return fail_waiting(w, false, now - since, err);
        if (now - looked > LOOK_SECONDS) {
            looked = now;
            /* What it sent before may still come. */
            if (any_gone(w) && look(w, &progress, err) == RN_OK && !progress)
                return fail_waiting(w, true, 0, err);
        }
        pause_between(looks++);
    }
    return RN_OK;
}

/* ---------------------------------------------------------------- messages */

static int make_room(struct rn_ranks *r, size_t count, struct rn_error *err)
{
    struct rn_request *more;

    if (count <= r->room)
        return RN_OK;
    more = rn_alloc(count, sizeof(*more) + sizeof(bool));
    if (!more)
        return rn_fail_memory(err, count * sizeof(*more), "messages");
    rn_free(r->requests);
    r->requests = more;
    r->room = count;
    return RN_OK;
}

int rn_ranks_exchange(struct rn_ranks *r, const struct rn_message *messages,
                      size_t count, struct rn_error *err)
{
    struct waiting w = {r, messages, count, count, NULL};
    int rc = make_room(r, count, err);

    if (rc != RN_OK)
        return rc;
    /* Behind the requests, which are larger. */
    w.done = (bool *)(r->requests + r->room);
    memset(w.done, 0, count * sizeof(*w.done));
    for (size_t i = 0; i < count; i++)
        if (messages[i].bytes > RN_MESSAGE_MOST ||
            r->transport->start(r->self, &messages[i], &r->requests[i]))
            return fail_at(r, &messages[i], err);
    return wait_all(&w, err);
}

int rn_ranks_gather(struct rn_ranks *r, const void *own, size_t bytes,
                    void *all, struct rn_error *err)
{
    struct rn_message *messages;
    size_t n = 0;
    int rc;

    memmove((char *)all + (size_t)rn_ranks_rank(r) * bytes, own, bytes);
    if (!r || bytes == 0)
        return RN_OK;
    messages = rn_alloc(2 * (size_t)r->size, sizeof(*messages));
    if (!messages)
        return rn_fail_memory(err, 2 * (size_t)r->size * sizeof(*messages),
                              "messages");
    own = (char *)all + (size_t)r->rank * bytes;
    for (int i = 1; i < r->size; i++) {
        int to = (r->rank + i) % r->size;

        messages[n++] =
            (struct rn_message){to, 1, (char *)all + (size_t)to * bytes, bytes};
        messages[n++] = (struct rn_message){to, 0, (void *)own, bytes};
    }
    rc = rn_ranks_exchange(r, messages, n, err);
    rn_free(messages);
    return rc;
}

int rn_ranks_tell(struct rn_ranks *r, void *data, size_t size,
                  struct rn_error *err)
{
    char *all;
    int rc;

    if (!r)
        return RN_OK;
    all = rn_alloc((size_t)r->size, size);
    if (!all)
        return rn_fail_memory(err, (size_t)r->size * size, "messages");
    rc = rn_ranks_gather(r, data, size, all, err);
    if (rc == RN_OK)
        memcpy(data, all, size);
    rn_free(all);
    return rc;
}

/* ----------------------------------------------------------------- agreeing */

/* How a rank fares. */
struct state {
    int32_t code, stop;
    char msg[sizeof(((struct rn_error *)NULL)->msg)];
};

int rn_ranks_agree(struct rn_ranks *r, int rc, struct rn_error *err)
{
    struct state own = {.code = rc, .stop = r ? r->asked : 0}, *all;
    struct rn_error failure = {.code = 0};
    char name[96];
    int failed = 0;

    if (!r || r->over)
        return rc;
    if (rc != RN_OK && err)
        snprintf(own.msg, sizeof(own.msg), "%s", err->msg);
    all = rn_alloc((size_t)r->size, sizeof(*all));
    if (!all)
        return rn_fail_memory(err, (size_t)r->size * sizeof(*all), "messages");
    rc = rn_ranks_gather(r, &own, sizeof(own), all, &failure);
    for (int i = 0; rc == RN_OK && i < r->size && !r->stop; i++)
        r->stop = all[i].stop;
    while (rc == RN_OK && failed < r->size && all[failed].code == RN_OK)
        failed++;
    if (rc != RN_OK) {
        rn_fail(err, failure.code, "%s", failure.msg);
    } else if (failed < r->size) {
        r->over = true;
        rc = all[failed].code;
        rn_fail(err, rc, "%s%s%.440s",
                failed ? rn_ranks_name(r, failed, name, sizeof(name)) : "",
                failed ? ": " : "", all[failed].msg);
    }
    rn_free(all);
    return rc;
}

int rn_ranks_go_on(struct rn_ranks *r)
{
    if (r && !r->broken)
        r->over = false;
    return !r || !r->broken;
}

void rn_trait_text(struct rn_trait *trait, const char *text)
{
    snprintf(trait->value, sizeof(trait->value), "%s", text);
}

void rn_trait_sum(struct rn_trait *trait, uint64_t checksum)
{
    snprintf(trait->value, sizeof(trait->value), "%016" PRIx64, checksum);
}

void rn_trait_machine(const struct rn_ranks *r,
                      struct rn_trait traits[RN_MACHINE_TRAITS])
{
    static const char *const names[RN_MACHINE_TRAITS] = {
        "the version of resnet", "the instruction set", "oneDNN's version"};
    struct rn_machine m;

    rn_machine_get(&m);
    for (int i = 0; i < RN_MACHINE_TRAITS; i++)
        traits[i] = (struct rn_trait){
            .name = names[i], .code = RN_ERR_ARG, .mixes = r && r->mixes};
    rn_trait_text(&traits[0], rn_version());
    rn_trait_text(&traits[1], m.isa);
    rn_trait_text(&traits[2], m.onednn);
}

/* What a rank has otherwise than the first one. */
static int differ(struct rn_ranks *r, int rank, const struct rn_trait *first,
                  const struct rn_trait *other, const char *name,
                  struct rn_error *err)
{
    char rank_name[96], text[sizeof(r->mixed)];

    snprintf(text, sizeof(text), "%s: %s is %s, on rank 0 it is %s",
             rn_ranks_name(r, rank, rank_name, sizeof(rank_name)), name,
             other->value, first->value);
    if (!first->mixes) {
        r->over = true;
        return rn_fail(err, first->code, "%s", text);
    }
    if (!r->mixed[0])
        strcpy(r->mixed, text);
    return RN_OK;
}

int rn_ranks_compare(struct rn_ranks *r, const struct rn_trait *traits,
                     size_t count, struct rn_error *err)
{
    struct rn_trait *all;
    int rc;

    if (!r)
        return RN_OK;
    all = rn_alloc((size_t)r->size * count, sizeof(*all));
    if (!all)
        return rn_fail_memory(err, (size_t)r->size * count * sizeof(*all),
                              "what ranks compare");
    rc = rn_ranks_gather(r, traits, count * sizeof(*traits), all, err);
    for (size_t i = count; i < (size_t)r->size * count && rc == RN_OK; i++) {
        const struct rn_trait *first = &all[i % count];

        if (strcmp(all[i].value, first->value) != 0)
            rc = differ(r, (int)(i / count), first, &all[i],
                        traits[i % count].name, err);
    }
    rn_free(all);
    return rc;
}

/* ------------------------------------------------------- making and leaving */

int rn_ranks_create(struct rn_ranks **out, const struct rn_transport *transport,
                    void *self, int rank, int size, double timeout,
                    struct rn_error *err)
{
    const struct rn_peer own = myself();
    struct rn_ranks *r = rn_alloc(1, sizeof(*r));
    int rc = RN_OK;

    *out = NULL;
    if (r) {
        *r = (struct rn_ranks){.transport = transport,
                               .self = self,
                               .rank = rank,
                               .size = size,
                               .timeout = timeout,
                               .missing = -1};
        r->peers = rn_alloc((size_t)size, sizeof(*r->peers));
    }
    if (!r || !r->peers) {
        transport->leave(self, 0);
        rn_free(r);
        return rn_fail_memory(err, (size_t)size * sizeof(own), "ranks");
    }
    rc = rn_ranks_gather(r, &own, sizeof(own), r->peers, err);
    if (rc != RN_OK) {
        rn_ranks_leave(r);
        return rc;
    }
    count_neighbours(r);
    *out = r;
    return RN_OK;
}

void rn_ranks_leave(struct rn_ranks *r)
{
    if (!r)
        return;
    r->transport->leave(r->self, !r->broken);
    rn_free(r->peers);
    rn_free(r->requests);
    rn_free(r);
}
