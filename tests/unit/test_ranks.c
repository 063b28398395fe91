/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranks that train and evaluate together, as threads: the same bits on any
 * number of them, and what comes of ranks that differ, fail or fall silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"
#include "rank_threads.h"

#include "core/file.h"
#include "core/memory.h"
#include "model/model.h"
#include "core/threads.h"
#include "resnet.h"
#include "train/shards.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LIMIT    ((size_t)1 << 28)
#define WAIT     60.0 /* seconds; nobody should need them */

static void all_well(const struct rank_thread *threads, int count)
{
    for (int i = 0; i < count; i++)
        if (threads[i].code != RN_OK)
            fail_msg("rank %d: %d, %s", i, threads[i].code, threads[i].err.msg);
}

/* All ranks fail alike, and one of them is to tell of it. */
static void all_fail(const struct rank_thread *threads, int count, int code,
                     const char *says)
{
    int speak = 0;

    for (int i = 0; i < count; i++) {
        if (threads[i].code != code || !strstr(threads[i].err.msg, says))
            fail_msg("rank %d: %d, \"%s\"; expected %d, \"%s\"", i,
                     threads[i].code, threads[i].err.msg, code, says);
        speak += threads[i].speaks;
    }
    assert_int_equal(speak, 1);
}

/* ---------------------------------------------------------------- messages */

static int talk(void *user, struct rn_ranks *r, struct rn_error *err)
{
    int all[RANKS_MOST], rc = RN_OK;

    (void)user;
    for (int k = 0; k < 50 && rc == RN_OK; k++) {
        int own = 100 * k + r->rank;

        rc = rn_ranks_gather(r, &own, sizeof(own), all, err);
        for (int i = 0; rc == RN_OK && i < r->size; i++)
            if (all[i] != 100 * k + i)
                return rn_fail(err, RN_ERR_DATA, "%d from rank %d", all[i], i);
        if (rc == RN_OK)
            rc = rn_ranks_agree(r, RN_OK, err);
    }
    return rc;
}

/* Messages that take their time are the same; and of a way on which they are
 * lost each end is named by whoever waits for it, in time. */
static void links(void **state)
{
    struct office far = {.after = -1, .delay = 0.001, .rate = 1e6};
    struct office lost = {.after = -1, .from = 1, .to = 2, .kept = 40};
    struct rank_thread threads[RANKS_MOST];
    double start;

    (void)state;
    run_ranks(&far, 3, WAIT, talk, NULL, 0, threads);
    all_well(threads, 3);
    start = rn_now();
    run_ranks(&lost, 3, 2, talk, NULL, 0, threads);
    assert_true(rn_now() - start < 4);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(threads[i].code, RN_ERR_RANK);
        assert_non_null(
            strstr(threads[i].err.msg, i < 2 ? "rank 2 (" : "rank 1 ("));
        assert_non_null(strstr(threads[i].err.msg, "has not answered for 2 s"));
        assert_int_equal(threads[i].speaks, i == 0);
    }
}

/* The last rank takes its time. */
static int come_late(void *user, struct rn_ranks *r, struct rn_error *err)
{
    const struct timespec pause = {.tv_nsec = 500000000};

    *(int *)user = r->local;
    if (r->rank == r->size - 1)
        nanosleep(&pause, NULL);
    return rn_ranks_agree(r, RN_OK, err);
}

/* A process is looked for on its own machine alone, which is another one where
 * its kernel was started at another time, whatever it is called. */
static void same_name(void **state)
{
    struct office there = {
        .after = -1, .process = INT32_MAX, .elsewhere = true};
    struct rank_thread threads[3];
    const pid_t zombie = fork();
    int local[3];

    (void)state;
    assert_true(zombie >= 0);
    if (!zombie)
        _exit(0);
    for (int k = 0; k < 2; k++) {
        struct office here = {.after = -1, .process = k ? zombie : INT32_MAX};

        run_ranks(&here, 3, WAIT, come_late, local, sizeof(*local), threads);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(threads[i].code, RN_ERR_RANK);
            assert_non_null(strstr(threads[i].err.msg, "rank 2 ("));
            assert_non_null(strstr(threads[i].err.msg, ") has ended"));
            assert_int_equal(local[i], 3);
        }
    }
    assert_int_equal(waitpid(zombie, NULL, 0), zombie);
    run_ranks(&there, 3, WAIT, come_late, local, sizeof(*local), threads);
    all_well(threads, 3);
    for (int i = 0; i < 2; i++)
        assert_int_equal(local[i], 2);
}

/* MPICH's ranks, started by its own launcher and by Slurm. */
static void launched(void **state)
{
    int rank, local;

    (void)state;
    setenv("PMI_RANK", "3", 1);
    setenv("PMI_SIZE", "8", 1);
    setenv("SLURM_LOCALID", "0", 1);
    assert_int_equal(rn_ranks_launched(&rank, &local), 8);
    assert_int_equal(rank, 3);
    assert_int_equal(local, 0);
    setenv("MPI_LOCALRANKID", "1", 1);
    assert_int_equal(rn_ranks_launched(&rank, &local), 8);
    assert_int_equal(local, 1);
    unsetenv("MPI_LOCALRANKID");
    unsetenv("SLURM_LOCALID");
    unsetenv("PMI_SIZE");
    unsetenv("PMI_RANK");
    assert_int_equal(rn_ranks_launched(&rank, &local), 1);
    assert_int_equal(rank, 0);
    assert_int_equal(local, 0);
}

/* Without memory for messages there is no room, and all is as before. */
static void no_room(void **state)
{
    struct rn_ranks alone = {.size = 1};
    struct rn_error err = {.code = RN_OK};
    struct rn_post post;

    (void)state;
    rn_alloc_fail_after(1);
    assert_int_equal(rn_post_create(&post, &alone, 4, &err), RN_ERR_MEMORY);
    rn_alloc_fail_after(-1);
    assert_int_equal(post.room, 0);
    assert_int_equal(rn_post_create(&post, &alone, 4, &err), RN_OK);
    assert_int_equal(post.room, 4);
    rn_post_free(&post);
}

/* What shards are thought to take: the other ranks' sums of a rank's own, in
 * bfloat16 what comes and goes of all, of half the size. */
static void room_of_shards(void **state)
{
    const struct rn_ranks first = {.size = 4};

    (void)state;
    assert_int_equal(rn_shards_memory(8, NULL, 1000, true), 0);
    assert_int_equal(rn_shards_memory(4, &first, 1000, false), 750);
    assert_int_equal(rn_shards_memory(4, &first, 1000, true), 1250);
}

static int disagree(void *user, struct rn_ranks *r, struct rn_error *err)
{
    int rc = RN_OK;

    (void)user;
    if (r->rank == 1 || r->rank == 2)
        rc = rn_fail(err, RN_ERR_IO, "no file %d", r->rank);
    return rn_ranks_agree(r, rc, err);
}

static int compare(void *user, struct rn_ranks *r, struct rn_error *err)
{
    struct rn_trait trait = {.name = "the colour", .code = RN_ERR_DATA};

    (void)user;
    rn_trait_text(&trait, r->rank == 2 ? "red" : "blue");
    return rn_ranks_compare(r, &trait, 1, err);
}

/* The next allocation of any of the ranks fails; they have all met. */
static int agree_without(void *user, struct rn_ranks *r, struct rn_error *err)
{
    (void)user;
    if (r->rank == 1)
        rn_alloc_fail_after(1);
    return rn_ranks_agree(r, RN_OK, err);
}

static int compare_without(void *user, struct rn_ranks *r, struct rn_error *err)
{
    struct rn_trait trait = {.name = "the colour", .value = "blue"};

    (void)user;
    if (r->rank == 1)
        rn_alloc_fail_after(1);
    return rn_ranks_compare(r, &trait, 1, err);
}

static int tell_without(void *user, struct rn_ranks *r, struct rn_error *err)
{
    int number = r->rank;

    (void)user;
    if (r->rank == 1)
        rn_alloc_fail_after(1);
    return rn_ranks_tell(r, &number, sizeof(number), err);
}

/* To agree takes no memory; what else lacks some fails on all ranks alike. */
static void without_memory(void **state)
{
    struct office office = {.after = -1};
    struct rank_thread threads[3];

    (void)state;
    run_ranks(&office, 3, WAIT, agree_without, NULL, 0, threads);
    rn_alloc_fail_after(-1);
    all_well(threads, 3);
    run_ranks(&office, 3, WAIT, compare_without, NULL, 0, threads);
    rn_alloc_fail_after(-1);
    all_fail(threads, 3, RN_ERR_MEMORY, "what ranks compare");
    run_ranks(&office, 3, WAIT, tell_without, NULL, 0, threads);
    rn_alloc_fail_after(-1);
    all_fail(threads, 3, RN_ERR_MEMORY, "messages");
}

static void exchanges(void **state)
{
    struct office office = {.after = -1}, slow = {.after = -1, .slow = 7};
    struct office silent = {.silent = 0, .after = 40};
    struct rank_thread threads[RANKS_MOST];

    (void)state;
    for (int n = 2; n <= RANKS_MOST; n += 3) {
        run_ranks(&office, n, WAIT, talk, NULL, 0, threads);
        all_well(threads, n);
    }
    run_ranks(&slow, 4, WAIT, talk, NULL, 0, threads);
    all_well(threads, 4);
    run_ranks(&office, 4, WAIT, disagree, NULL, 0, threads);
    all_fail(threads, 4, RN_ERR_IO, "rank 1 (");
    assert_non_null(strstr(threads[3].err.msg, "): no file 1"));
    run_ranks(&office, 4, WAIT, compare, NULL, 0, threads);
    all_fail(threads, 4, RN_ERR_DATA,
             "the colour is red, on rank 0 it is blue");
    /* Rank 0 hears the others: they wait for it, and rank 1 tells. */
    run_ranks(&silent, 3, 2, talk, NULL, 0, threads);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(threads[i].code, RN_ERR_RANK);
        assert_non_null(strstr(threads[i].err.msg, "rank 0 ("));
        assert_non_null(strstr(threads[i].err.msg, "has not answered for "));
        assert_int_equal(threads[i].speaks, i == 1);
    }
}

/* ----------------------------------------------------------------- compare */

struct comparing {
    struct rn_trait traits[2];
    int mixes;
    char mixed[300];
};

static int compare_mixed(void *user, struct rn_ranks *r, struct rn_error *err)
{
    struct comparing *c = user;
    int rc;

    if (c->mixes)
        rn_ranks_allow_mixed(r);
    c->traits[0].mixes = r->mixes;
    rc = rn_ranks_compare(r, c->traits, 2, err);
    if (rn_ranks_mixed(r))
        snprintf(c->mixed, sizeof(c->mixed), "%s", rn_ranks_mixed(r));
    return rc;
}

/* Machines may differ where that is allowed, by rank 0; data never. */
static void mixed(void **state)
{
    static const struct {
        const char *isa, *data; /* of rank 2 */
        int mixes[3];
        int code;
        const char *says;
    } cases[] = {
        {"avx512", "1", {0, 0, 0}, RN_OK, ""},
        {"avx2", "1", {0, 0, 0}, RN_ERR_ARG, "the set is avx2, on rank 0 it"},
        {"avx2", "1", {0, 1, 1}, RN_ERR_ARG, "the set is avx2, on rank 0 it"},
        {"avx2", "1", {1, 0, 0}, RN_OK, "the set is avx2, on rank 0 it"},
        {"avx2", "2", {1, 1, 1}, RN_ERR_DATA, "the data is 2, on rank 0 it is"},
        {"avx512", "1", {1, 1, 1}, RN_OK, ""},
    };

    (void)state;
    for (size_t k = 0; k < COUNT(cases); k++) {
        struct office office = {.after = -1};
        struct rank_thread threads[3];
        struct comparing all[3];

        for (int i = 0; i < 3; i++) {
            all[i] = (struct comparing){
                .traits = {{.name = "the set", .code = RN_ERR_ARG},
                           {.name = "the data", .code = RN_ERR_DATA}},
                .mixes = cases[k].mixes[i]};
            rn_trait_text(&all[i].traits[0], i == 2 ? cases[k].isa : "avx512");
            rn_trait_text(&all[i].traits[1], i == 2 ? cases[k].data : "1");
        }
        run_ranks(&office, 3, WAIT, compare_mixed, all, sizeof(*all), threads);
        for (int i = 0; i < 3; i++) {
            const char *text =
                cases[k].code ? threads[i].err.msg : all[i].mixed;

            assert_int_equal(threads[i].code, cases[k].code);
            assert_non_null(strstr(text, cases[k].says));
            assert_int_equal(strstr(text, "rank 2 (") != NULL,
                             *cases[k].says != '\0');
        }
    }
}

/* ------------------------------------------------------------------ sums */

enum { NUMBERS = 70000, GROUPS = 12, LAYERS = 5 };

struct summing {
    int groups;
    size_t most; /* bytes of a message; 0: as many as there may be */
    bool by_layer, bf16, fails; /* the last: on rank 1, in the second step */
    float value[NUMBERS], grad[NUMBERS], state[NUMBERS];
};

static float number(int group, int k)
{
    return (float)((group * 7919 + k * 1733) % 10007) / 97.0F - 50;
}

/* Values become the mean gradients, and leave a trace in the state. */
static void take_mean(void *user, size_t first, size_t numbers)
{
    struct summing *s = user;

    memcpy(s->value + first, s->grad + first, numbers * sizeof(float));
    for (size_t k = first; k < first + numbers; k++)
        s->state[k] += s->grad[k];
}

/* A group's gradients, as a plan makes them. */
static int make_gradients(struct summing *s, int group,
                          const struct rn_plan_follower *f,
                          struct rn_error *err)
{
    int rc = f ? f->reads(f->user, NUMBERS - 1, err) : RN_OK;

    if (rc == RN_OK && f)
        rc = f->reads(f->user, 0, err);
    for (int k = 0; k < NUMBERS && rc == RN_OK; k++) {
        s->grad[k] = number(group, k);
        if (f && k % 999 == 0)
            rc = f->finished(f->user, (size_t)k, err);
    }
    return rc;
}

static int sum_step(struct summing *s, struct rn_grouping *g,
                    struct rn_shards *shards, int step, struct rn_error *err)
{
    const struct rn_flat flat = {.grad = s->grad, .count = NUMBERS};
    struct rn_error other;
    int rc = RN_OK, finished;

    if (s->fails && step == 1 && rn_ranks_rank(g->ranks) == 1)
        rc = rn_fail(err, RN_ERR_KERNEL, "no gradients");
    for (int i = 0; i < g->own && rc == RN_OK; i++) {
        bool last = i == g->own - 1;
        float *own = rn_grouping_statistics(g, g->first + i);

        rc = make_gradients(s, g->first + i + step,
                            rn_shards_follow(shards, last), err);
        if (own)
            own[0] = own[1] = number(g->first + i, 0);
        if (!(last && g->ranks))
            rn_grouping_add(g, &flat);
    }
    finished = rn_shards_finish(shards, rc == RN_OK ? err : &other);
    rc = rn_ranks_agree(g->ranks, rc == RN_OK ? finished : rc, err);
    if (rc == RN_OK && g->count > 1)
        rc = rn_grouping_gather(g, err);
    if (!g->ranks) {
        rn_grouping_join(g, &flat);
        take_mean(s, 0, NUMBERS);
    }
    return rc;
}

static int sum_groups(void *user, struct rn_ranks *r, struct rn_error *err)
{
    struct summing *s = user;
    const struct rn_segment layers[LAYERS] = {{0, 0, 16},
                                              {1, 16, 40000},
                                              {2, 40016, 9984},
                                              {3, 50000, 48},
                                              {4, 50048, NUMBERS - 50048}};
    const struct rn_flat flat = {.value = s->value,
                                 .grad = s->grad,
                                 .state = {s->state},
                                 .count = NUMBERS,
                                 .segments = layers,
                                 .n_segments = LAYERS};
    struct rn_grouping g = {.count = 0};
    struct rn_shards shards = {.count = 0};
    int rc = rn_grouping_cut(&g, s->groups, s->groups, 0, err);

    g.bf16 = s->bf16;
    memset(s->state, 0, sizeof(s->state));
    if (r && s->most > 0)
        r->most = s->most;
    if (rc == RN_OK)
        rc = rn_grouping_share(&g, r, err);
    if (rc == RN_OK)
        rc = rn_grouping_create(&g, &flat, 2, 1, err);
    if (rc == RN_OK && r)
        rc = rn_shards_create(&shards, &g, &flat, s->by_layer, take_mean, s,
                              err);
    for (int step = 0; step < 3 && rc == RN_OK; step++)
        rc = sum_step(s, &g, &shards, step, err);
    if (rc == RN_OK)
        rc = rn_shards_settle(&shards, err);
    if (rc == RN_OK)
        rc = rn_shards_collect(&shards, err);
    for (int i = 0; rc == RN_OK && i < g.count && g.count > 1; i++)
        if (rn_grouping_statistics(&g, i)[1] < number(i, 0) ||
            rn_grouping_statistics(&g, i)[1] > number(i, 0))
            rc = rn_fail(err, RN_ERR_DATA, "statistics of group %d", i);
    rn_shards_free(&shards);
    rn_grouping_free(&g);
    return rc;
}

/* Whatever the ranks, the sums of so many groups are the same, and rank 0 can
 * have what they did to the states. */
static void sums(void **state)
{
    struct office office = {.after = -1};
    struct rank_thread threads[RANKS_MOST];
    struct summing *alone = calloc(1, sizeof(*alone));
    struct summing *many = calloc(RANKS_MOST, sizeof(*many));
    struct rn_error err = {0};

    (void)state;
    assert_true(alone && many);
    for (int groups = 1; groups <= GROUPS; groups++) {
        alone->groups = groups;
        alone->bf16 = groups % 2 == 0 && groups > 2;
        assert_int_equal(sum_groups(alone, NULL, &err), RN_OK);
        for (int n = 2; n <= RANKS_MOST && n <= groups; n++) {
            if (groups % n)
                continue;
            office.slow = groups % 4;
            for (int i = 0; i < n; i++) {
                many[i].groups = groups;
                many[i].by_layer = groups % 3 == 0;
                many[i].bf16 = alone->bf16;
                many[i].most = groups % 3 == 0 ? 40000 : 0;
            }
            run_ranks(&office, n, WAIT, sum_groups, many, sizeof(*many),
                      threads);
            all_well(threads, n);
            for (int i = 0; i < n; i++)
                assert_memory_equal(many[i].value, alone->value,
                                    sizeof(alone->value));
            assert_memory_equal(many[0].state, alone->state,
                                sizeof(alone->state));
        }
    }
    many[0].groups = many[1].groups = 3;
    run_ranks(&office, 2, WAIT, sum_groups, many, sizeof(*many), threads);
    all_fail(threads, 2, RN_ERR_ARG, "2 ranks cannot share 3 `groups`");
    /* Nobody waits for a rank that fails in a step. */
    for (int i = 0; i < 3; i++)
        many[i] = (struct summing){.groups = 6, .fails = true};
    run_ranks(&office, 3, WAIT, sum_groups, many, sizeof(*many), threads);
    all_fail(threads, 3, RN_ERR_KERNEL, "no gradients");
    free(alone);
    free(many);
}

/* ---------------------------------------------------------------- training */

struct training {
    struct rn_train_options o;
    const char *resume; /* a run to go on with, or NULL */
    long stop_after, steps, fails;
};

static int stop(void *user)
{
    struct training *t = user;

    return t->stop_after > 0 && ++t->steps >= t->stop_after ? 15 : 0;
}

static int train(void *user, struct rn_ranks *r, struct rn_error *err)
{
    struct training *t = user;
    const struct rn_train_events events = {
        .struct_size = sizeof(events), .user = t, .stop = stop};
    const struct rn_resume_options again = {.struct_size = sizeof(again),
                                            .ranks = r};
    int rc;

    t->o.ranks = r;
    t->steps = 0;
    rc = t->resume ? rn_train_resume(t->resume, &again, &events, NULL, err)
                   : rn_train(&t->o, &events, NULL, err);
    if (rc == RN_ERR_STOPPED && r && rn_ranks_stopped(r) != 15)
        rc = rn_fail(err, RN_ERR_DATA, "stopped by %d", rn_ranks_stopped(r));
    return rc;
}

/* 90 images in batches of 24, the last of 18. */
static struct training run_of(const char *name)
{
    struct training t = {.resume = NULL};

    rn_train_defaults(&t.o);
    t.o.data = "synthetic:3x8x8:4:90";
    t.o.out = in_folder(name);
    t.o.net = "wrn-10-1";
    t.o.dropout = 0.2;
    t.o.batch = 24;
    t.o.groups = 6;
    t.o.iterations = 9;
    t.o.report_every = 1;
    t.o.last_batch = "keep";
    t.o.lr = 0.05;
    t.o.ema = 0.9;
    t.o.reestimate = 1;
    t.o.threads = 1;
    return t;
}

static void read_whole(const char *run, const char *name, uint8_t **bytes,
                       size_t *size)
{
    struct rn_error err = {0};
    char path[100];

    snprintf(path, sizeof(path), "%s/%s", run, name);
    if (rn_file_read(in_folder(path), LIMIT, bytes, size, &err))
        fail_msg("%s", err.msg);
}

static void assert_same_files(const char *a, const char *b,
                              const char *const *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t *x, *y;
        size_t m, n;

        read_whole(a, files[i], &x, &m);
        read_whole(b, files[i], &y, &n);
        if (m != n || memcmp(x, y, n) != 0)
            fail_msg("%s of %s and %s differ", files[i], a, b);
        rn_free(x);
        rn_free(y);
    }
}

static void assert_same_run(const char *a, const char *b)
{
    static const char *const files[] = {"last.safetensors", "best.safetensors",
                                        "curve.svg"};

    assert_same_files(a, b, files, COUNT(files));
}

static void train_on(int ranks, const struct training *t,
                     struct rank_thread *threads)
{
    struct office office = {.after = -1};
    struct training all[RANKS_MOST];

    for (int i = 0; i < ranks; i++)
        all[i] = *t;
    run_ranks(&office, ranks, WAIT, train, all, sizeof(*all), threads);
}

/* One process, two, three and six ranks; and a run that is stopped on two and
 * goes on on six, then by itself. */
static void trained_alike(void **state)
{
    struct rank_thread threads[RANKS_MOST];
    struct training t = run_of("alone");
    struct rn_error err = {0};

    (void)state;
    if (train(&t, NULL, &err))
        fail_msg("%s", err.msg);
    for (int n = 2; n <= 6; n++) {
        char name[16];

        if (6 % n)
            continue;
        snprintf(name, sizeof(name), "on-%d", n);
        t = run_of(name);
        train_on(n, &t, threads);
        all_well(threads, n);
        assert_same_run("alone", name);
    }
    t = run_of("moved");
    t.stop_after = 2;
    train_on(2, &t, threads);
    all_fail(threads, 2, RN_ERR_STOPPED, "stopped after iteration 2 of 9");
    t.resume = in_folder("moved");
    train_on(6, &t, threads);
    all_fail(threads, 6, RN_ERR_STOPPED, "stopped after iteration 4 of 9");
    t.stop_after = 0;
    t.resume = in_folder("moved");
    if (train(&t, NULL, &err))
        fail_msg("%s", err.msg);
    assert_same_run("alone", "moved");
}

/* A signal in the middle of a test, which one rank may get alone, breaks it off
 * on all; it is done first thing when the run goes on. */
static void stopped_in_a_test(void **state)
{
    static const struct {
        const char *name, *resume;
        int ranks, stop_after;
    } parts[] = {{"tested", NULL, 1, 0},
                 {"broken-off", NULL, 2, 2},
                 {"broken-off", "broken-off", 3, 0}};
    struct rank_thread threads[RANKS_MOST];

    (void)state;
    for (size_t k = 0; k < COUNT(parts); k++) {
        struct office office = {.after = -1};
        struct training all[RANKS_MOST];
        int n = parts[k].ranks;

        for (int i = 0; i < n; i++) {
            all[i] = run_of(parts[k].name);
            all[i].o.data = "synthetic:3x8x8:4:9000";
            all[i].o.iterations = 2;
            all[i].o.test_every = 1;
            all[i].o.reestimate = 0;
            all[i].resume = parts[k].resume ? in_folder(parts[k].resume) : NULL;
            all[i].stop_after = i == n - 1 ? parts[k].stop_after : 0;
        }
        run_ranks(&office, n, WAIT, train, all, sizeof(*all), threads);
        if (parts[k].stop_after > 0)
            all_fail(threads, n, RN_ERR_STOPPED,
                     "stopped after iteration 1 of 2");
        else
            all_well(threads, n);
    }
    assert_same_run("tested", "broken-off");
}

/* The training of one rank of several, in which some allocation fails. */
static int train_without(void *user, struct rn_ranks *r, struct rn_error *err)
{
    const struct training *t = user;

    if (r->rank == 0)
        rn_alloc_fail_after(t->fails);
    return train(user, r, err);
}

/* Whichever allocation fails, of whichever rank (all have been tried; here one
 * in so many), all end, and say so. */
static void any_allocation(void **state)
{
    struct rank_thread threads[2];
    bool well = false;
    long fails = 1;

    (void)state;
    for (; !well; fails += 1 + fails / 20) {
        struct office office = {.after = -1};
        struct training all[2];
        char name[32];

        snprintf(name, sizeof(name), "without-%ld", fails);
        for (int i = 0; i < 2; i++) {
            all[i] = run_of(name);
            all[i].fails = fails;
            all[i].o.iterations = 2;
        }
        run_ranks(&office, 2, WAIT, train_without, all, sizeof(*all), threads);
        rn_alloc_fail_after(-1);
        well = threads[0].code == RN_OK;
        for (int i = 0; i < 2; i++)
            if (threads[i].code != (well ? RN_OK : RN_ERR_MEMORY))
                fail_msg("allocation %ld, rank %d: %d, \"%s\"", fails, i,
                         threads[i].code, threads[i].err.msg);
    }
    assert_true(fails > 100);
}

/* Messages on slow links come late, but in order. */
static void trained_far_apart(void **state)
{
    struct office far = {.after = -1, .delay = 0.0005, .rate = 5e7};
    struct rank_thread threads[RANKS_MOST];
    struct training all[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        all[i] = run_of("far-apart");
    run_ranks(&far, 3, WAIT, train, all, sizeof(*all), threads);
    all_well(threads, 3);
    assert_same_run("alone", "far-apart");
}

/* Weights that go on arriving while the next step begins, states that lie with
 * their owners, layers that are updated as a whole, and gradients in bfloat16;
 * interrupted on two ranks and on six. */
static void optimised_alike(void **state)
{
    static const char *const optimisers[] = {"adamw", "lars", "nesterov"};

    (void)state;
    for (size_t i = 0; i < COUNT(optimisers); i++) {
        struct rank_thread threads[RANKS_MOST];
        char alone[16], moved[16];
        struct training t;
        struct rn_error err = {0};

        snprintf(alone, sizeof(alone), "%s-alone", optimisers[i]);
        snprintf(moved, sizeof(moved), "%s-moved", optimisers[i]);
        t = run_of(alone);
        t.o.ema = t.o.reestimate = 0;
        t.o.report_every = 7;
        t.o.optimizer = optimisers[i];
        t.o.lr = i == 0 ? 0.002 : 0.05;
        t.o.gradient_precision = i == 2;
        t.o.max_norm = i == 0 ? "conv3=0.5" : NULL;
        if (train(&t, NULL, &err))
            fail_msg("%s", err.msg);
        t.o.out = in_folder(moved);
        t.stop_after = 4;
        train_on(2, &t, threads);
        all_fail(threads, 2, RN_ERR_STOPPED, "stopped after iteration 4 of 9");
        t.resume = in_folder(moved);
        t.stop_after = 3; /* asked once in the test of iteration 4, too */
        train_on(6, &t, threads);
        all_fail(threads, 6, RN_ERR_STOPPED, "stopped after iteration 6 of 9");
        t.stop_after = 0;
        t.resume = in_folder(moved);
        train_on(3, &t, threads);
        all_well(threads, 3);
        assert_same_run(alone, moved);
    }
}

/* A group for each rank, unless told otherwise. */
static void groups_chosen(void **state)
{
    struct rank_thread threads[RANKS_MOST];
    struct training t = run_of("chosen");
    struct rn_error err = {0};

    (void)state;
    t.o.groups = 0;
    train_on(3, &t, threads);
    all_well(threads, 3);
    t = run_of("told");
    t.o.groups = 3;
    if (train(&t, NULL, &err))
        fail_msg("%s", err.msg);
    assert_same_run("chosen", "told");
}

/* The largest difference of two runs' last weights, by parts of the largest. */
static double apart(const char *a, const char *b)
{
    struct rn_model *models[2];
    const char *const runs[] = {a, b};
    struct rn_error err = {0};
    double most = 0, largest = 0;

    for (int i = 0; i < 2; i++) {
        char path[100];

        snprintf(path, sizeof(path), "%s/last.safetensors", runs[i]);
        if (rn_model_load(&models[i], in_folder(path), &err))
            fail_msg("%s", err.msg);
    }
    for (size_t i = 0; i < models[0]->graph->n_params; i++) {
        const struct rn_param *x = &models[0]->graph->params[i];
        const struct rn_param *y = &models[1]->graph->params[i];

        for (size_t k = 0; k < x->count; k++) {
            most = fmax(most, fabs((double)x->data[k] - (double)y->data[k]));
            largest = fmax(largest, fabs((double)x->data[k]));
        }
    }
    rn_model_destroy(models[0]);
    rn_model_destroy(models[1]);
    return most / largest;
}

/* Batch norm over the whole batch: what one process computes of it, but for the
 * order of sums; and the same bits each time. */
static void synced(void **state)
{
    static const char *const names[] = {"whole", "synced", "again", "parted"};
    struct rank_thread threads[RANKS_MOST];
    struct training t;
    struct rn_error err = {0};
    double off;

    (void)state;
    for (int k = 0; k < 4; k++) {
        t = run_of(names[k]);
        t.o.iterations = 4;
        t.o.reestimate = 0;
        t.o.groups = k == 0 ? 1 : 3;
        t.o.sync_batch_norm = k < 3;
        if (k > 0)
            train_on(3, &t, threads);
        else if (train(&t, NULL, &err))
            fail_msg("%s", err.msg);
        if (k > 0)
            all_well(threads, 3);
    }
    assert_same_run("synced", "again");
    off = apart("whole", "synced");
    if (off > 1e-4 || apart("whole", "parted") < 100 * off)
        fail_msg("%g of the whole batch's weights, of groups' %g", off,
                 apart("whole", "parted"));
    t = run_of("refused");
    t.o.reestimate = 0;
    t.o.sync_batch_norm = 1;
    train_on(3, &t, threads);
    all_fail(threads, 3, RN_ERR_ARG, "6 `groups` for 3 ranks, but each must");
    assert_int_equal(train(&t, NULL, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "6 `groups` for 1 rank, but"));
    t.o.groups = 3;
    t.o.reestimate = 1;
    train_on(3, &t, threads);
    all_fail(threads, 3, RN_ERR_ARG, "`reestimate` and `sync_batch_norm`");
}

static void different(void **state)
{
    struct office office = {.after = -1};
    struct rank_thread threads[RANKS_MOST];
    struct training all[3], wrapped = run_of("different");
    char other[300], alone[300];

    (void)state;
    strcpy(alone, in_folder("alone/last.safetensors"));
    wrapped.o.last_batch = "wrap";
    for (int k = 0; k < 4; k++) {
        static const char *const says[] = {
            "the checksum of DATA is", "the checksum of the options is",
            "the batch is 48, on rank 0 it is 24", "cannot"};

        for (int i = 0; i < 3; i++)
            all[i] = wrapped;
        if (k == 0)
            all[1].o.data = "synthetic:3x8x8:4:91";
        if (k == 1)
            all[1].o.lr = 0.04;
        if (k == 2)
            all[1].o.batch = 48;
        if (k == 3)
            all[1].o.data = "/nonexistent";
        run_ranks(&office, 3, WAIT, train, all, sizeof(*all), threads);
        all_fail(threads, 3, threads[0].code, says[k]);
        assert_non_null(strstr(threads[0].err.msg, "rank 1 ("));
        assert_false(rn_is_folder(in_folder("different")));
    }
    /* The same weights, of images that are normalised otherwise. */
    for (int i = 0; i < 3; i++) {
        struct rn_model *model;
        struct rn_error err = {0};

        all[i] = wrapped;
        all[i].o.weights = alone;
        if (i == 2) {
            assert_int_equal(rn_model_load(&model, all[i].o.weights, &err),
                             RN_OK);
            model->preprocessing.mean[1] += 1;
            strcpy(other, in_folder("other.safetensors"));
            assert_int_equal(rn_model_save(model, other, &err), RN_OK);
            rn_model_destroy(model);
            all[i].o.weights = other;
        }
    }
    run_ranks(&office, 3, WAIT, train, all, sizeof(*all), threads);
    all_fail(threads, 3, RN_ERR_DATA,
             "the checksum of how images are normalised is");
    for (int i = 0; i < 3; i++) {
        all[i] = run_of("different");
        all[i].o.groups = 2;
    }
    run_ranks(&office, 3, WAIT, train, all, sizeof(*all), threads);
    all_fail(threads, 3, RN_ERR_ARG, "3 ranks cannot share 2 `groups`");
    assert_false(rn_is_folder(in_folder("different")));
}

/* A rank that falls silent at any time is named, no file is written any more,
 * and the run goes on to the same bits. */
static void silent(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct office office = {.silent = 2, .after = 18 + 60 * k};
        struct rank_thread threads[RANKS_MOST];
        struct training all[3], t = run_of("silent");
        struct rn_error err = {0};
        char name[16];

        snprintf(name, sizeof(name), "silent-%d", k);
        t.o.out = in_folder(name);
        for (int i = 0; i < 3; i++)
            all[i] = t;
        run_ranks(&office, 3, 4, train, all, sizeof(*all), threads);
        assert_int_equal(threads[0].code, RN_ERR_RANK);
        assert_non_null(strstr(threads[0].err.msg, "rank 2 ("));
        assert_int_equal(threads[0].speaks, 1);
        assert_int_equal(threads[1].code, RN_ERR_RANK);
        t.resume = in_folder(name);
        if (train(&t, NULL, &err))
            fail_msg("%s", err.msg);
        assert_same_run("alone", name);
    }
}

/* -------------------------------------------------------------- evaluation */

struct evaluating {
    struct rn_model *models[2];
    struct rn_data *data;
    struct rn_eval_result result;
    struct rn_report *report;
};

/* Two models together, with all that is known of every image. */
static int evaluate(void *user, struct rn_ranks *r, struct rn_error *err)
{
    struct evaluating *e = user;
    const struct rn_model *models[] = {e->models[0], e->models[1]};
    const struct rn_eval_options options = {.struct_size = sizeof(options),
                                            .batch = 7,
                                            .threads = 1,
                                            .keep = 1,
                                            .ranks = r};

    return rn_eval_models(models, 2, e->data, RN_PART_TRAIN, &options,
                          &e->result, &e->report, err);
}

static void open_alone(struct evaluating *e)
{
    struct rn_error err = {0};

    if (rn_model_load(&e->models[0], in_folder("alone/best.safetensors"),
                      &err) ||
        rn_model_load(&e->models[1], in_folder("alone/last.safetensors"),
                      &err) ||
        rn_data_open(&e->data, "synthetic:3x8x8:4:90", NULL, &err))
        fail_msg("%s", err.msg);
}

static void close_alone(struct evaluating *e)
{
    rn_model_destroy(e->models[0]);
    rn_model_destroy(e->models[1]);
    rn_data_close(e->data);
}

/* What a rank's report writes, in a folder of that name. */
static void write_report(const struct evaluating *e, const char *name)
{
    static const struct {
        const char *name;
        int (*write)(const struct rn_report *report, const char *path,
                     struct rn_error *err);
    } files[] = {{"confusion.csv", rn_report_confusion},
                 {"predictions.csv", rn_report_predictions},
                 {"probabilities.npy", rn_report_probabilities},
                 {"mistakes.html", rn_report_mistakes}};
    struct rn_error err = {0};
    char path[100];

    mkdir(in_folder(name), 0777);
    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", name, files[i].name);
        if (files[i].write(e->report, in_folder(path), &err))
            fail_msg("%s", err.msg);
    }
}

static void assert_same_report(const char *a, const char *b)
{
    static const char *const files[] = {"confusion.csv", "predictions.csv",
                                        "probabilities.npy", "mistakes.html"};

    assert_same_files(a, b, files, COUNT(files));
}

/* Every image is counted once, on any number of ranks, and each has the whole
 * report. */
static void evaluated_alike(void **state)
{
    static const int counts[] = {2, 3, 7};
    struct office office = {.after = -1};
    struct rank_thread threads[RANKS_MOST];
    struct evaluating alone, all[RANKS_MOST];
    struct rn_error err = {0};

    (void)state;
    open_alone(&alone);
    if (evaluate(&alone, NULL, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(alone.result.images, 90);
    write_report(&alone, "report");
    for (size_t k = 0; k < COUNT(counts); k++) {
        int n = counts[k];

        for (int i = 0; i < n; i++)
            all[i] = alone;
        run_ranks(&office, n, WAIT, evaluate, all, sizeof(*all), threads);
        all_well(threads, n);
        for (int i = 0; i < n; i++) {
            all[i].result.seconds = alone.result.seconds;
            assert_memory_equal(&all[i].result, &alone.result,
                                sizeof(alone.result));
            if (i == 0 || i == n - 1) {
                write_report(&all[i], "report-of-rank");
                assert_same_report("report", "report-of-rank");
            }
            rn_report_destroy(all[i].report);
        }
    }
    rn_report_destroy(alone.report);
    close_alone(&alone);
}

/* One model, on a dozen images of a part. */
struct answering {
    struct rn_model *model;
    struct rn_data *data;
    enum rn_part part;
    struct rn_eval_options o;
};

static int answer(void *user, struct rn_ranks *r, struct rn_error *err)
{
    struct answering *a = user;
    struct rn_eval_result result;

    a->o.ranks = r;
    return rn_eval(a->model, a->data, a->part, &a->o, &result, err);
}

static struct answering answering_of(struct rn_data *data)
{
    struct answering a = {.data = data, .part = RN_PART_TRAIN};
    struct rn_error err = {0};

    rn_eval_defaults(&a.o);
    a.o.threads = 1;
    a.o.images = 12;
    if (rn_model_load(&a.model, in_folder("alone/last.safetensors"), &err))
        fail_msg("%s", err.msg);
    return a;
}

/* Answers of a rank that prepares images otherwise, computes otherwise or looks
 * at others are not counted among the rest. */
static void answered_otherwise(void **state)
{
    static const struct {
        int precision, exact, batch, resize;
        float mean, eps; /* added */
        enum rn_part part;
        int code;
        const char *says;
    } cases[] = {
        {.code = RN_OK, .says = ""},
        {.precision = RN_PRECISION_FP32,
         .code = RN_ERR_ARG,
         .says = "`precision` is fp32, on rank 0 it is auto"},
        {.exact = 1,
         .code = RN_ERR_ARG,
         .says = "`exact` is 1, on rank 0 it is 0"},
        {.batch = 5,
         .code = RN_ERR_ARG,
         .says = "what is evaluated is 12 train images, 5 at a time"},
        {.part = RN_PART_TEST,
         .code = RN_ERR_ARG,
         .says = "what is evaluated is 12 test images, 12 at a time, on rank 0 "
                 "it is 12 train images, 12 at a time"},
        {.mean = 0.5F,
         .code = RN_ERR_DATA,
         .says = "the checksum of how images are prepared is"},
        {.resize = 12,
         .code = RN_ERR_DATA,
         .says = "the checksum of how images are prepared is"},
        {.eps = 0.5F,
         .code = RN_ERR_DATA,
         .says = "the checksum of the models' layers is"},
    };
    struct office office = {.after = -1};
    struct rank_thread threads[2];
    struct rn_error err = {0};
    struct rn_data *data;

    (void)state;
    if (rn_data_open(&data, "synthetic:3x8x8:4:90", NULL, &err))
        fail_msg("%s", err.msg);
    for (size_t k = 0; k < COUNT(cases); k++) {
        struct answering all[2] = {answering_of(data), answering_of(data)};
        struct rn_model *other = all[1].model;

        all[1].o.precision = cases[k].precision;
        all[1].o.exact = cases[k].exact;
        all[1].o.batch = cases[k].batch;
        all[1].part = cases[k].part;
        other->preprocessing.resize += cases[k].resize;
        other->preprocessing.mean[0] += cases[k].mean;
        for (size_t i = 0; i < other->graph->n_nodes; i++)
            other->graph->nodes[i].eps += cases[k].eps;
        run_ranks(&office, 2, WAIT, answer, all, sizeof(*all), threads);
        if (cases[k].code)
            all_fail(threads, 2, cases[k].code, cases[k].says);
        else
            all_well(threads, 2);
        rn_model_destroy(all[0].model);
        rn_model_destroy(other);
    }
    rn_data_close(data);
}

struct either {
    struct training training;
    struct evaluating evaluating;
};

static int do_either(void *user, struct rn_ranks *r, struct rn_error *err)
{
    struct either *e = user;

    return r->rank == 1 ? evaluate(&e->evaluating, r, err)
                        : train(&e->training, r, err);
}

/* Ranks that do different work tell each other of different numbers of things:
 * that is named, not that messages are of other sizes. */
static void other_work(void **state)
{
    struct office office = {.after = -1};
    struct rank_thread threads[3];
    struct either all[3] = {{.training = run_of("either")}};

    (void)state;
    open_alone(&all[0].evaluating);
    all[1] = all[2] = all[0];
    run_ranks(&office, 3, WAIT, do_either, all, sizeof(*all), threads);
    all_fail(threads, 3, RN_ERR_ARG,
             "): the work is evaluation, on rank 0 it is training");
    assert_false(rn_is_folder(in_folder("either")));
    close_alone(&all[0].evaluating);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchanges),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(links),
        cmocka_unit_test(same_name),
        cmocka_unit_test(launched),
        cmocka_unit_test(no_room),
        cmocka_unit_test(room_of_shards),
        cmocka_unit_test(mixed),
        cmocka_unit_test(sums),
        cmocka_unit_test(trained_alike),
        cmocka_unit_test(trained_far_apart),
        cmocka_unit_test(stopped_in_a_test),
        cmocka_unit_test(any_allocation),
        cmocka_unit_test(optimised_alike),
        cmocka_unit_test(groups_chosen),
        cmocka_unit_test(synced),
        cmocka_unit_test(different),
        cmocka_unit_test(silent),
        cmocka_unit_test(evaluated_alike),
        cmocka_unit_test(answered_otherwise),
        cmocka_unit_test(other_work),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
