/* SPDX-License-Identifier: BSD-2-Clause */
/* What ranks tell each other, on any transport; and how long they wait. */
#include "comm/ranks.h"

#include "core/count.h"
#include "core/memory.h"
#include "core/threads.h"

#include <assert.h>
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

/* The first PID namespace of every Linux has the same number, and many a host
 * the same name; but each start of a kernel has an identifier of its own. */
static void read_boot(char *boot, size_t size)
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");

    if (!file)
        return;
    if (!fgets(boot, (int)size, file))
        boot[0] = '\0';
    fclose(file);
}

/* Who this process is. */
static struct rn_peer myself(void)
{
    struct rn_affinity affinity = {.count = 0};
    struct rn_peer peer = {.process = getpid()};
    struct stat space;

    if (gethostname(peer.host, sizeof(peer.host) - 1))
        strcpy(peer.host, "?");
    read_boot(peer.boot, sizeof(peer.boot));
    if (stat("/proc/self/ns/pid", &space) == 0)
        peer.space = (uint64_t)space.st_ino;
    rn_affinity_get(&affinity);
    memcpy(peer.processors, affinity.mask, sizeof(peer.processors));
    return peer;
}

/* Containers of one kernel that are called otherwise count as hosts: each has
 * its own share of the processors, and its own processes. */
static bool same_host(const struct rn_peer *a, const struct rn_peer *b)
{
    return strcmp(a->host, b->host) == 0 && strcmp(a->boot, b->boot) == 0;
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

/* Whether a process has ended, though its launcher has not asked yet how. */
static bool is_zombie(long process)
{
    char path[48], text[512] = "", *state;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%ld/stat", process);
    file = fopen(path, "r");
    if (!file)
        return false;
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    state = strrchr(text, ')'); /* behind the name, which may hold anything */
    return state &&
           (strncmp(state, ") Z", 3) == 0 || strncmp(state, ") X", 3) == 0);
}

/* Whether a rank's process is known to have ended. */
static bool is_gone(const struct rn_ranks *r, int rank)
{
    const struct rn_peer *own = &r->peers[r->rank], *peer = &r->peers[rank];

    if (peer->process <= 0 || !same_host(own, peer) ||
        own->space != peer->space)
        return false;
    if (kill((pid_t)peer->process, 0) != 0)
        return errno == ESRCH;
    return is_zombie((long)peer->process);
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
#define LOOK_MOST    64  /* messages in a look; the next one goes on */

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

/* Look at one message; whether it is done now. */
static int look_at(struct rn_post *p, struct rn_letter *l,
                   const struct rn_listener *listener, bool *progress,
                   struct rn_error *err)
{
    struct rn_ranks *r = p->ranks;
    int done = 0, rc;

    rn_pump_hold(&r->pump);
    rc = r->transport->test(r->self, &l->message, &l->request, &done);
    l->done = done != 0;
    if (l->done)
        rn_pump_count(&r->pump, -1);
    rn_pump_release(&r->pump);
    if (rc)
        return fail_at(r, &l->message, err);
    if (!l->done)
        return RN_OK;
    *progress = true;
    p->left--;
    return listener->done
               ? listener->done(listener->user, &l->message, l->tag, err)
               : RN_OK;
}

/* Look once at `most` of those that are not done; whether any was. */
static int look(struct rn_post *p, const struct rn_listener *listener,
                size_t most, bool *progress, struct rn_error *err)
{
    size_t count = p->count, first = p->next, i = 0;
    int rc = RN_OK;

    *progress = false;
    for (; rc == RN_OK && i < count && most > 0; i++) {
        struct rn_letter *l = &p->letters[(first + i) % count];

        if (l->done)
            continue;
        rc = look_at(p, l, listener, progress, err);
        most--;
    }
    p->next = count > 0 ? (first + i) % count : 0;
    return rc;
}

static bool waits_for(const struct rn_post *p, int rank)
{
    for (size_t i = 0; i < p->count; i++)
        if (!p->letters[i].done && p->letters[i].message.peer == rank)
            return true;
    return false;
}

/* Name the ranks that are waited for, or of these those that are gone. */
static int fail_waiting(const struct rn_post *p, bool gone, double seconds,
                        struct rn_error *err)
{
    struct rn_ranks *r = p->ranks;
    char names[300] = "", name[96];
    int found = 0;

    for (int i = 0; i < r->size; i++) {
        size_t n = strlen(names);

        if (!waits_for(p, i) || (gone && !is_gone(r, i)))
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

static bool any_gone(const struct rn_post *p)
{
    for (int i = 0; i < p->ranks->size; i++)
        if (waits_for(p, i) && is_gone(p->ranks, i))
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

static bool is_enough(const struct rn_post *p,
                      const struct rn_listener *listener)
{
    return listener->enough ? listener->enough(listener->user) : p->left == 0;
}

int rn_post_look(struct rn_post *post, const struct rn_listener *listener,
                 struct rn_error *err)
{
    bool progress;

    return look(post, listener, LOOK_MOST, &progress, err);
}

static int wait_for(struct rn_post *post, const struct rn_listener *listener,
                    struct rn_error *err)
{
    double since = rn_now(), looked = since, before = since;
    struct rn_ranks *r = post->ranks;
    long looks = 0;

    while (!is_enough(post, listener)) {
        bool progress;
        int rc = look(post, listener, LOOK_MOST, &progress, err);
        double now = rn_now();

        if (rc != RN_OK)
            return rc;
        if (progress) {
            since = now;
            looks = 0;
        } else {
            r->waited += now - before;
        }
        before = now;
        if (now - since > r->timeout)
            return fail_waiting(post, false, now - since, err);
        if (now - looked > LOOK_SECONDS) {
            looked = now;
            /* What it sent before may still come. */
            if (any_gone(post)) {
                rc = look(post, listener, SIZE_MAX, &progress, err);
                if (rc != RN_OK)
                    return rc;
                if (!progress)
                    return fail_waiting(post, true, 0, err);
            }
        }
        if (!progress)
            pause_between(looks++);
    }
    return RN_OK;
}

int rn_post_wait(struct rn_post *post, const struct rn_listener *listener,
                 struct rn_error *err)
{
    int rc;

    rn_pump_rest(&post->ranks->pump, true);
    rc = wait_for(post, listener, err);
    rn_pump_rest(&post->ranks->pump, false);
    return rc;
}

/* ---------------------------------------------------------------- messages */

int rn_post_create(struct rn_post *post, struct rn_ranks *r, size_t room,
                   struct rn_error *err)
{
    *post = (struct rn_post){.ranks = r};
    post->letters = rn_alloc(room, sizeof(*post->letters));
    if (!post->letters)
        return rn_fail_memory(err, room * sizeof(*post->letters), "messages");
    post->room = room;
    return RN_OK;
}

/* Nobody waits any more for what is under way. */
static void take_back(struct rn_post *post)
{
    struct rn_ranks *r = post->ranks;

    for (size_t i = 0; i < post->count; i++) {
        struct rn_letter *l = &post->letters[i];

        if (l->done)
            continue;
        rn_pump_hold(&r->pump);
        r->lent |= r->transport->cancel &&
                   r->transport->cancel(r->self, &l->message, &l->request);
        rn_pump_count(&r->pump, -1);
        rn_pump_release(&r->pump);
    }
    post->count = post->left = 0;
}

void rn_post_free(struct rn_post *post)
{
    take_back(post);
    rn_free(post->letters);
    *post = (struct rn_post){.ranks = NULL};
}

int rn_post_start(struct rn_post *post, const struct rn_message *message,
                  size_t tag, struct rn_error *err)
{
    struct rn_ranks *r = post->ranks;
    struct rn_letter *l;
    int rc;

    if (post->left == 0)
        post->count = post->next = 0;
    assert(post->count < post->room);
    l = &post->letters[post->count];
    *l = (struct rn_letter){.message = *message, .tag = tag};
    if (message->bytes > r->most)
        return fail_at(r, message, err);
    rn_pump_hold(&r->pump);
    rc = r->transport->start(r->self, message, &l->request);
    if (!rc)
        rn_pump_count(&r->pump, 1);
    rn_pump_release(&r->pump);
    if (rc)
        return fail_at(r, message, err);
    if (!message->receives)
        r->sent += message->bytes;
    post->count++;
    post->left++;
    return RN_OK;
}

int rn_ranks_exchange(struct rn_ranks *r, const struct rn_message *messages,
                      size_t count, struct rn_error *err)
{
    const struct rn_listener nobody = {.done = NULL};
    int rc = RN_OK;

    for (size_t i = 0; i < count && rc == RN_OK; i++)
        rc = rn_post_start(&r->post, &messages[i], i, err);
    if (rc == RN_OK)
        rc = rn_post_wait(&r->post, &nobody, err);
    if (rc != RN_OK)
        take_back(&r->post);
    return rc;
}

bool rn_ranks_lent(const struct rn_ranks *r)
{
    return r && r->lent;
}

void rn_ranks_free(const struct rn_ranks *r, void *p)
{
    if (!rn_ranks_lent(r))
        rn_free(p);
}

int rn_ranks_gather(struct rn_ranks *r, const void *own, size_t bytes,
                    void *all, struct rn_error *err)
{
    size_t n = 0;

    memmove((char *)all + (size_t)rn_ranks_rank(r) * bytes, own, bytes);
    if (!r || bytes == 0)
        return RN_OK;
    own = (char *)all + (size_t)r->rank * bytes;
    for (int i = 1; i < r->size; i++) {
        int to = (r->rank + i) % r->size;

        r->messages[n++] = (struct rn_message){
            .peer = to,
            .receives = 1,
            .data = (char *)all + (size_t)to * bytes,
            .bytes = bytes,
        };
        r->messages[n++] = (struct rn_message){
            .peer = to, .data = (void *)own, .bytes = bytes};
    }
    return rn_ranks_exchange(r, r->messages, n, err);
}

int rn_ranks_room(struct rn_ranks *r, size_t bytes, const char *what,
                  void **out, struct rn_error *err)
{
    size_t size = (size_t)rn_ranks_count(r);
    int rc = RN_OK;

    *out = rn_alloc(size, bytes);
    if (!*out)
        rc = rn_fail_memory(err, size * bytes, what);
    rc = rn_ranks_agree(r, rc, err);
    if (rc != RN_OK) {
        rn_free(*out);
        *out = NULL;
    }
    return rc;
}

int rn_ranks_tell(struct rn_ranks *r, void *data, size_t size,
                  struct rn_error *err)
{
    void *all;
    int rc;

    if (!r)
        return RN_OK;
    rc = rn_ranks_room(r, size, "messages", &all, err);
    if (rc == RN_OK)
        rc = rn_ranks_gather(r, data, size, all, err);
    if (rc == RN_OK)
        memcpy(data, all, size);
    rn_ranks_free(r, all);
    return rc;
}

/* ----------------------------------------------------------------- agreeing */

/* How a rank fares. */
struct rn_state {
    int32_t code, stop, wish;
    char msg[sizeof(((struct rn_error *)NULL)->msg)];
};

int rn_ranks_agree(struct rn_ranks *r, int rc, struct rn_error *err)
{
    struct rn_state own = {.code = rc, .stop = r ? r->asked : 0}, *all;
    struct rn_error failure = {.code = 0};
    char name[96];
    int failed = 0;

    if (!r || r->over)
        return rc;
    own.wish = r->wish;
    if (rc != RN_OK && err)
        snprintf(own.msg, sizeof(own.msg), "%s", err->msg);
    all = r->states;
    rc = rn_ranks_gather(r, &own, sizeof(own), all, &failure);
    for (int i = 0; rc == RN_OK && i < r->size && !r->stop; i++)
        r->stop = all[i].stop;
    if (rc == RN_OK)
        r->wish = all[0].wish;
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
    void *room;
    int rc;

    if (!r)
        return RN_OK;
    rc = rn_ranks_room(r, count * sizeof(*all), "what ranks compare", &room,
                       err);
    all = room;
    if (rc == RN_OK)
        rc = rn_ranks_gather(r, traits, count * sizeof(*traits), all, err);
    for (size_t i = count; i < (size_t)r->size * count && rc == RN_OK; i++) {
        const struct rn_trait *first = &all[i % count];

        if (strcmp(all[i].value, first->value) != 0)
            rc = differ(r, (int)(i / count), first, &all[i],
                        traits[i % count].name, err);
    }
    rn_ranks_free(r, all);
    return rc;
}

/* As many traits whatever the work: what follows may be of other sizes in other
 * work, or another version. */
int rn_ranks_meet(struct rn_ranks *r, const char *work, struct rn_error *err)
{
    const bool mixes = r && r->mixes;
    struct rn_trait traits[] = {
        {"the version of resnet", .code = RN_ERR_ARG, .mixes = mixes},
        {"the instruction set", .code = RN_ERR_ARG, .mixes = mixes},
        {"oneDNN's version", .code = RN_ERR_ARG, .mixes = mixes},
        {"the work", .code = RN_ERR_ARG},
    };
    struct rn_machine m;

    if (!r)
        return RN_OK;
    rn_machine_get(&m);
    rn_trait_text(&traits[0], rn_version());
    rn_trait_text(&traits[1], m.isa);
    rn_trait_text(&traits[2], m.onednn);
    rn_trait_text(&traits[3], work);
    return rn_ranks_compare(r, traits, COUNT(traits), err);
}

/* ------------------------------------------------------- making and leaving */

static int make_room(struct rn_ranks *r, struct rn_error *err)
{
    size_t size = (size_t)r->size;

    r->peers = rn_alloc(size, sizeof(*r->peers));
    r->messages = rn_alloc(2 * size, sizeof(*r->messages));
    r->states = rn_alloc(size, sizeof(*r->states));
    return r->peers && r->messages && r->states
               ? rn_post_create(&r->post, r, 2 * size, err)
               : rn_fail_memory(err, size * sizeof(*r->states), "ranks");
}

static void release(struct rn_ranks *r)
{
    rn_post_free(&r->post);
    rn_ranks_free(r, r->peers);
    rn_ranks_free(r, r->states);
    rn_free(r->messages);
    rn_free(r);
}

int rn_ranks_create(struct rn_ranks **out, const struct rn_transport *transport,
                    void *self, int rank, int size, double timeout,
                    struct rn_error *err)
{
    const struct rn_peer own = myself();
    struct rn_ranks *r = rn_alloc(1, sizeof(*r));
    int rc;

    *out = NULL;
    if (!r || rn_pump_create(&r->pump, transport, self)) {
        transport->leave(self, 0);
        rn_free(r);
        return rn_fail_memory(err, sizeof(*r), "ranks");
    }
    r->transport = transport;
    r->self = self;
    r->rank = rank;
    r->size = size;
    r->most = RN_MESSAGE_MOST;
    r->timeout = timeout;
    r->missing = -1;
    rc = make_room(r, err);
    r->broken = rc != RN_OK;
    if (rc == RN_OK)
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
    rn_pump_free(&r->pump);
    r->transport->leave(r->self, !r->broken);
    release(r);
}
