/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring of work done ahead: order, threads, fills of nothing, ends before
 * the end. */
#include "core/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

enum { MOST_ITEMS = 7, MOST_THREADS = 300 };

struct work {
    long begun;
    long made[RN_RING_SLOTS][MOST_ITEMS]; /* fill and item, mixed */
    long fill[RN_RING_SLOTS];             /* which one is in it */
    atomic_int items;
};

/* 0 to 6 of them. */
static int items_of(long fill)
{
    return (int)(fill * 5 % MOST_ITEMS);
}

static long value_of(long fill, int item)
{
    return fill * MOST_ITEMS + item;
}

static int begin(void *user, int slot, long fill)
{
    struct work *w = user;

    if (fill != w->begun++)
        return 0; /* so that items are missing */
    w->fill[slot] = fill;
    return items_of(fill);
}

static void make(void *user, int slot, int item, int thread)
{
    struct work *w = user;

    if (thread < 0 || thread >= MOST_THREADS)
        return;
    w->made[slot][item] = value_of(w->fill[slot], item);
    w->items++;
}

static struct rn_ring *start(struct work *w, long fills, int threads, int chunk)
{
    const struct rn_ring_config config = {w,     fills, threads,
                                          chunk, begin, make};
    struct rn_error err = {0};
    struct rn_ring *ring;

    *w = (struct work){0};
    if (rn_ring_create(&ring, &config, &err))
        fail_msg("%s", err.msg);
    return ring;
}

static void check_slot(const struct work *w, int slot, long fill)
{
    assert_in_range(slot, 0, RN_RING_SLOTS - 1);
    assert_int_equal(w->fill[slot], fill);
    for (int i = 0; i < items_of(fill); i++)
        assert_int_equal(w->made[slot][i], value_of(fill, i));
}

static void test_ring_hands_out_in_order(void **state)
{
    static const struct {
        int threads, chunk;
    } cases[] = {{1, 1}, {1, MOST_ITEMS}, {2, 1}, {3, 2}, {MOST_THREADS, 1}};
    static struct work w;

    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
        struct rn_ring *ring = start(&w, 50, cases[c].threads, cases[c].chunk);
        double waited = 1;
        int items = 0;

        for (long fill = 0; fill < 50; fill++) {
            check_slot(&w, rn_ring_next(ring, &waited), fill);
            items += items_of(fill);
        }
        assert_true(waited >= 1);
        assert_int_equal(rn_ring_next(ring, NULL), -1);
        assert_int_equal(rn_ring_next(ring, &waited), -1);
        rn_ring_destroy(ring);
        assert_int_equal(w.items, items);
    }
}

/* What the caller holds stays, and the threads go no further than the ring. */
static void test_ring_keeps_what_is_held(void **state)
{
    const struct timespec a_while = {0, 50000000};
    static struct work w;
    struct rn_ring *ring = start(&w, 50, 3, 1);
    int slot = rn_ring_next(ring, NULL);

    (void)state;
    slot = rn_ring_next(ring, NULL);
    nanosleep(&a_while, NULL);
    check_slot(&w, slot, 1);
    rn_ring_destroy(ring);
    assert_in_range(w.begun, 2, 1 + RN_RING_SLOTS);
}

static void test_ring_ends_before_the_end(void **state)
{
    static struct work w;

    (void)state;
    rn_ring_destroy(NULL);
    rn_ring_destroy(start(&w, 0, 2, 1));
    for (int taken = 0; taken < 6; taken++) {
        struct rn_ring *ring = start(&w, 1000, 2, 1);

        for (int i = 0; i < taken; i++)
            rn_ring_next(ring, NULL);
        rn_ring_destroy(ring);
        assert_true(w.begun <= taken + RN_RING_SLOTS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring_hands_out_in_order),
        cmocka_unit_test(test_ring_keeps_what_is_held),
        cmocka_unit_test(test_ring_ends_before_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
