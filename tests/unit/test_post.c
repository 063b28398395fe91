/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages under way that move only when the transport is called, as an MPI's
 * do: whether they go on while a rank computes, by one caller at a time; and
 * what becomes of those that nobody waits for any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/ranks.h"
#include "core/memory.h"
#include "core/threads.h"

#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

/* A message to whoever sent it that is there after so many calls. */
struct lazy {
    atomic_int inside; /* callers */
    atomic_int crowds; /* calls beside another */
    long calls, wanted;
    int shares;
    int cancels, stays; /* calls, and what they say */
    struct rn_message last;
};

static void enter(struct lazy *l)
{
    if (atomic_fetch_add(&l->inside, 1) > 0)
        atomic_fetch_add(&l->crowds, 1);
}

static void leave(struct lazy *l)
{
    atomic_fetch_sub(&l->inside, 1);
}

static void call(struct lazy *l)
{
    enter(l);
    l->calls++;
    leave(l);
}

static int lazy_start(void *self, const struct rn_message *m,
                      struct rn_request *request)
{
    struct lazy *l = self;

    (void)request;
    call(l);
    l->last = *m;
    return 0;
}

static int lazy_cancel(void *self, const struct rn_message *m,
                       struct rn_request *request)
{
    struct lazy *l = self;

    (void)m;
    (void)request;
    call(l);
    l->cancels++;
    return l->stays;
}

static int lazy_test(void *self, const struct rn_message *m,
                     struct rn_request *request, int *done)
{
    struct lazy *l = self;

    (void)m;
    (void)request;
    call(l);
    *done = l->calls >= l->wanted;
    return 0;
}

static void lazy_advance(void *self)
{
    call(self);
}

static int lazy_shares(void *self)
{
    const struct lazy *l = self;

    return l->shares;
}

static void lazy_leave(void *self, int whole)
{
    (void)whole;
    call(self);
}

static const struct rn_transport lazy_transport = {
    .version = RN_TRANSPORT_VERSION,
    .name = "lazy",
    .start = lazy_start,
    .test = lazy_test,
    .cancel = lazy_cancel,
    .advance = lazy_advance,
    .shares = lazy_shares,
    .leave = lazy_leave,
};

static struct rn_ranks *join(struct lazy *l)
{
    struct rn_error err = {0};
    struct rn_ranks *r;

    if (rn_ranks_create(&r, &lazy_transport, l, 0, 1, 10, &err))
        fail_msg("%s", err.msg);
    return r;
}

/* As a layer does that takes so long. */
static void compute(double seconds)
{
    double end = rn_now() + seconds;

    while (rn_now() < end)
        ;
}

static struct rn_post begin(struct rn_ranks *r, char *byte)
{
    const struct rn_message message = {.data = byte, .bytes = 1};
    struct rn_error err = {0};
    struct rn_post post;

    if (rn_post_create(&post, r, 1, &err) ||
        rn_post_start(&post, &message, 0, &err))
        fail_msg("%s", err.msg);
    return post;
}

static bool is_done(struct rn_post *post)
{
    const struct rn_listener nobody = {.done = NULL};
    struct rn_error err = {0};

    if (rn_post_look(post, &nobody, &err))
        fail_msg("%s", err.msg);
    return post->left == 0;
}

/* With the thread a message is there when the layer ends; without it, or where
 * the transport wants one thread, it is not, but comes to whoever waits. */
static void goes_on(void **state)
{
    static const struct {
        int starts, shares, comes;
    } cases[] = {{1, 1, 1}, {0, 1, 0}, {1, 0, 0}};

    (void)state;
    for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
        struct lazy l = {.wanted = 20, .shares = cases[k].shares};
        const struct rn_listener nobody = {.done = NULL};
        struct rn_ranks *r = join(&l);
        struct rn_error err = {0};
        struct rn_post post;
        char byte;
        int comes = 0;

        if (cases[k].starts)
            rn_pump_start(&r->pump);
        post = begin(r, &byte);
        /* A busy machine may leave the thread little time. */
        for (int tries = 0; tries < (cases[k].comes ? 100 : 1); tries++) {
            compute(0.05);
            rn_pump_hold(&r->pump);
            comes = l.calls >= l.wanted;
            rn_pump_release(&r->pump);
            if (comes)
                break;
        }
        if (comes != cases[k].comes || is_done(&post) != cases[k].comes)
            fail_msg("case %zu: after %ld calls of %ld", k, l.calls, l.wanted);
        assert_int_equal(rn_post_wait(&post, &nobody, &err), RN_OK);
        assert_int_equal(post.left, 0);
        rn_post_free(&post);
        rn_ranks_leave(r);
        assert_int_equal(l.crowds, 0);
    }
}

/* How often this process has slept. */
static long sleeps(void)
{
    struct rusage used;

    assert_int_equal(getrusage(RUSAGE_SELF, &used), 0);
    return used.ru_nvcsw;
}

static long calls_of(struct rn_ranks *r, const struct lazy *l)
{
    long calls;

    rn_pump_hold(&r->pump);
    calls = l->calls;
    rn_pump_release(&r->pump);
    return calls;
}

/* Nobody calls for a while, nor wakes up to see whether to. */
static void stays_idle(struct rn_ranks *r, const struct lazy *l)
{
    long slept, before = calls_of(r, l);

    compute(0.01); /* which the thread may sleep through still */
    slept = sleeps();
    compute(0.1);
    slept = sleeps() - slept;
    assert_int_equal(calls_of(r, l), before);
    if (slept > 20)
        fail_msg("woke up %ld times in 0.1 s, expected 20 at the most", slept);
}

/* Who calls while nothing is under way, or while the ranks' own thread waits,
 * takes its processor for nothing; afterwards it is there again. */
static void rests(void **state)
{
    struct lazy l = {.shares = 1};
    struct rn_ranks *r;
    struct rn_post post;
    long before;
    char byte;

    (void)state;
    r = join(&l);
    rn_pump_start(&r->pump);
    stays_idle(r, &l);

    l.wanted = 1 << 30;
    rn_pump_rest(&r->pump, true);
    post = begin(r, &byte);
    stays_idle(r, &l);

    rn_pump_rest(&r->pump, false);
    before = calls_of(r, &l);
    for (int tries = 0; tries < 100 && calls_of(r, &l) == before; tries++)
        compute(0.05);
    if (calls_of(r, &l) == before)
        fail_msg("no call of %ld after the rest", before);

    rn_pump_hold(&r->pump);
    l.wanted = 0;
    rn_pump_release(&r->pump);
    assert_true(is_done(&post));
    stays_idle(r, &l);
    rn_post_free(&post);
    rn_ranks_leave(r);
    assert_int_equal(l.crowds, 0);
}

/* Leave ranks some of whose memory stays; a test returns it. */
static void leave_lent(struct rn_ranks *r)
{
    void *kept[] = {r->peers, r->states};
    bool lent = rn_ranks_lent(r);

    rn_ranks_leave(r);
    for (int i = 0; lent && i < 2; i++)
        rn_free(kept[i]);
}

/* What a message is of that cannot be taken back stays in memory, for whoever
 * reads or writes it still; of all others it does not. */
static void taken_back(void **state)
{
    (void)state;
    for (int stays = 0; stays < 2; stays++) {
        struct lazy l = {.wanted = 1 << 30, .stays = stays};
        struct rn_ranks *r = join(&l);
        char *byte = rn_alloc(1, 1);
        struct rn_post post;

        assert_non_null(byte);
        post = begin(r, byte);
        assert_false(is_done(&post));
        assert_false(rn_ranks_lent(r));
        rn_post_free(&post);
        assert_int_equal(l.cancels, 1);
        assert_int_equal(rn_ranks_lent(r), stays);
        rn_ranks_free(r, byte);
        if (stays) {
            *(char *)l.last.data = 1; /* as a late answer does */
            rn_free(l.last.data);
        }
        leave_lent(r);
    }
}

/* An exchange that nobody answers gives up its messages when it fails. */
static void given_up(void **state)
{
    struct lazy l = {.wanted = 1 << 30, .stays = 1};
    struct rn_ranks *r = join(&l);
    char byte = 0;
    const struct rn_message messages[] = {
        {.receives = 1, .data = &byte, .bytes = 1},
        {.data = &byte, .bytes = 1}};
    struct rn_error err = {0};

    (void)state;
    r->timeout = 0.05;
    assert_int_equal(rn_ranks_exchange(r, messages, 2, &err), RN_ERR_RANK);
    assert_int_equal(l.cancels, 2);
    assert_true(rn_ranks_lent(r));
    leave_lent(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on),
        cmocka_unit_test(rests),
        cmocka_unit_test(taken_back),
        cmocka_unit_test(given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
