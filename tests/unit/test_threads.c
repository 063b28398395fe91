/* SPDX-License-Identifier: BSD-2-Clause */
/* The threads of a plan and its caller: how many there are, where they run, in
 * which floating-point mode; after fork(), in a caller's own parallel region,
 * and when callbacks are called. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/memory.h"
#include "core/random.h"
#include "data/data.h"
#include "folder.h"
#include "model/model.h"
#include "plan/internal.h"

#include <fenv.h>
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define LIMITS_MEMORY 0 /* its shadow is larger than any limit */
#else
#define LIMITS_MEMORY 1
#endif

enum { BATCH = 3, CLASSES = 10, SIDE = 32, IMAGE = 3 * SIDE * SIDE, TEAM = 4 };

static float images[BATCH * IMAGE];
static struct rn_model *model;

static int make_all(void **state)
{
    const struct rn_random_key key = {.seed = 7};
    const float half[3] = {0.5f, 0.5f, 0.5f};
    struct rn_net_options options;

    (void)state;
    for (size_t i = 0; i < sizeof(images) / sizeof(*images); i++) {
        uint32_t bits[4];

        rn_random4(&key, i, bits);
        images[i] = (float)(2 * rn_random_unit(bits[0]) - 1);
    }
    rn_net_defaults(&options);
    options.classes = CLASSES;
    options.height = SIDE;
    if (rn_model_create(&model, "resnet18", &options, NULL))
        return -1;
    rn_model_init(model, 3);
    return rn_model_set_preprocessing(model, false, half, half, NULL);
}

static int drop_all(void **state)
{
    (void)state;
    rn_model_destroy(model);
    return 0;
}

static struct rn_plan *make_plan(enum rn_mode mode, int threads, int bind)
{
    struct rn_plan_options options;
    struct rn_error err = {.msg = ""};
    struct rn_plan *plan;
    int rc;

    rn_plan_defaults(&options);
    options.mode = mode;
    options.batch = BATCH;
    options.threads = threads;
    options.bind = bind;
    rc = rn_plan_create(&plan, model, &options, &err);
    if (rc)
        print_message("%s\n", err.msg);
    assert_int_equal(rc, RN_OK);
    return plan;
}

struct answer {
    float logits[BATCH * CLASSES];
};

static struct answer run(struct rn_plan *plan)
{
    struct answer a;

    assert_int_equal(rn_plan_forward(plan, images, a.logits, NULL), RN_OK);
    return a;
}

static bool same(const struct answer *a, const struct answer *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* Exit status of a child that runs `body`, or of one that hangs: -1. */
static int in_child(int (*body)(void *), void *argument)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (!child) {
        alarm(60);
        _exit(body(argument));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ----------------------------------------------------------------- how many */

static void absurd_counts_are_refused(void **state)
{
    static const int counts[] = {-1, INT32_MIN, 1025, 100000, INT32_MAX};
    struct rn_data *data;

    (void)state;
    assert_int_equal(rn_data_open(&data, "synthetic:3x8x8:2:4", NULL, NULL),
                     RN_OK);
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        struct rn_plan_options options;
        struct rn_survey_options survey = {.threads = counts[i]};
        struct rn_plan *plan;
        struct rn_survey *s;
        struct rn_error err;
        char text[32];

        snprintf(text, sizeof(text), "`threads` is %d", counts[i]);
        rn_plan_defaults(&options);
        options.threads = counts[i];
        assert_int_equal(rn_plan_create(&plan, model, &options, &err),
                         RN_ERR_ARG);
        assert_non_null(strstr(err.msg, text));
        assert_int_equal(rn_data_survey(&s, data, &survey, &err), RN_ERR_ARG);
        assert_non_null(strstr(err.msg, text));
    }
    rn_data_close(data);
}

/* Room for some threads' stacks, not for a thousand's. */
static int limit_and_run(void *unused)
{
    struct rn_plan_options options;
    struct rn_plan *plan;
    struct rn_error err = {.msg = ""};
    struct rlimit limit;
    char line[64] = "";
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;

    (void)unused;
    if (f && fgets(line, sizeof(line), f))
        sscanf(line, "%lu", &pages);
    if (f)
        fclose(f);
    limit.rlim_cur = limit.rlim_max =
        pages * (unsigned long)sysconf(_SC_PAGESIZE) + (400UL << 20);
    if (!pages || setrlimit(RLIMIT_AS, &limit))
        return 10;
    rn_plan_defaults(&options);
    options.threads = RN_THREADS_MAX;
    if (rn_plan_create(&plan, model, &options, &err) != RN_ERR_MEMORY)
        return 11;
    if (!strstr(err.msg, "threads"))
        return 12;
    options.threads = 2;
    if (rn_plan_create(&plan, model, &options, &err))
        return 13;
    rn_plan_destroy(plan);
    return 0;
}

/* Not ended by OpenMP's run time, that is. First of all tests, for the child
 * has all threads as long as its parent had none. */
static void threads_that_the_system_refuses_are_an_error(void **state)
{
    (void)state;
    if (!LIMITS_MEMORY)
        skip();
    assert_int_equal(in_child(limit_and_run, NULL), 0);
}

/* ------------------------------------------------------------------- fork() */

struct forked {
    struct rn_plan *plan;
    struct answer expected;
};

static void *run_beside(void *argument)
{
    struct forked *f = argument;
    struct rn_plan *plan = make_plan(RN_MODE_INFER, 2, 0);
    struct answer a = run(plan);
    bool ok = same(&a, &f->expected) && rn_plan_threads(plan) == 2;

    rn_plan_destroy(plan);
    return ok ? f : NULL;
}

static int run_in_child(void *argument)
{
    struct forked *f = argument;
    struct rn_plan *plan;
    struct answer a = run(f->plan), b;
    struct rn_train_options options;
    char name[32];
    pthread_t thread;
    void *ok;

    if (!same(&a, &f->expected))
        return 10;
    if (rn_plan_clone(&plan, f->plan, 0, NULL))
        return 11;
    b = run(plan);
    rn_plan_destroy(plan);
    rn_plan_destroy(f->plan);
    if (!same(&b, &f->expected))
        return 12;
    plan = make_plan(RN_MODE_INFER, 2, 1);
    b = run(plan);
    if (!same(&b, &f->expected) || rn_plan_threads(plan) != 1)
        return 13;
    rn_plan_destroy(plan);
    /* A thread that the child starts has all of them. */
    if (pthread_create(&thread, NULL, run_beside, f) ||
        pthread_join(thread, &ok) || !ok)
        return 14;
    rn_train_defaults(&options);
    options.data = "synthetic:3x32x32:10:20";
    snprintf(name, sizeof(name), "forked%d.run", (int)getpid());
    options.out = in_folder(name);
    options.net = "resnet8";
    options.threads = 2;
    options.batch = 4;
    options.iterations = 2;
    return rn_train(&options, NULL, NULL, NULL) ? 15 : 0;
}

static void a_plan_runs_after_fork(void **state)
{
    struct forked f = {.plan = make_plan(RN_MODE_INFER, 2, 0)};

    (void)state;
    f.expected = run(f.plan);
    assert_int_equal(in_child(run_in_child, &f), 0);
    /* The parent's threads are still there. */
    assert_int_equal(in_child(run_in_child, &f), 0);
    f.plan->team.bind = true;
    {
        struct answer a = run(f.plan);

        assert_true(same(&a, &f.expected));
        assert_int_equal(f.plan->team.granted, 2);
    }
    rn_plan_destroy(f.plan);
}

/* What is trained and quantised in a child, by threads of the parent's. */
static int learn_and_quantize(void *argument)
{
    const struct rn_net_options net = {.classes = CLASSES, .height = SIDE};
    const float half[3] = {0.5f, 0.5f, 0.5f};
    static const int32_t labels[BATCH] = {0, 1, 2};
    const struct rn_quantize_options options = {.threads = 2, .max_drop = 100};
    struct rn_learner *learner = argument;
    struct rn_model *small;
    struct rn_data *data;

    if (rn_learner_learn(learner, images, labels, NULL, NULL, NULL) ||
        rn_learner_update(learner, 0.1, NULL))
        return 10;
    rn_learner_destroy(learner);
    if (rn_model_create(&small, "resnet8", &net, NULL))
        return 11;
    rn_model_init(small, 3);
    if (rn_model_set_preprocessing(small, false, half, half, NULL) ||
        rn_data_open(&data, "synthetic:3x32x32:10:20", NULL, NULL) ||
        rn_quantize(small, data, &options, NULL, NULL))
        return 12;
    rn_data_close(data);
    rn_model_destroy(small);
    return 0;
}

static void a_learner_learns_after_fork(void **state)
{
    static const int32_t labels[BATCH] = {0, 1, 2};
    const struct rn_train_options options = {.batch = BATCH, .threads = 2};
    struct rn_learner *learner;

    (void)state;
    assert_int_equal(rn_learner_create(&learner, model, &options, NULL), RN_OK);
    assert_int_equal(
        rn_learner_learn(learner, images, labels, NULL, NULL, NULL), RN_OK);
    assert_int_equal(rn_learner_update(learner, 0.1, NULL), RN_OK);
    assert_int_equal(in_child(learn_and_quantize, learner), 0);
    rn_learner_destroy(learner);
}

static int run_first_in_child(void *argument)
{
    struct forked *f = argument;
    struct rn_plan *plan;

    if (rn_plan_clone(&plan, f->plan, 0, NULL))
        return 10;
    run(plan);
    return plan->team.granted == 2 ? 0 : 11;
}

static void *fork_from(void *argument)
{
    return in_child(run_first_in_child, argument) == 0 ? argument : NULL;
}

/* A server that opens models, and then forks: what forks has run no plan. */
static void a_child_whose_parent_ran_nothing_has_all_threads(void **state)
{
    struct forked f = {.plan = make_plan(RN_MODE_INFER, 2, 0)};
    pthread_t thread;
    void *ok;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, fork_from, &f), 0);
    pthread_join(thread, &ok);
    assert_non_null(ok);
    rn_plan_destroy(f.plan);
}

/* -------------------------------------------------------- parallel regions */

/* Plans made outside and inside, for more threads than there are within. */
static void a_parallel_region_changes_no_bit(void **state)
{
    struct rn_plan *plan = make_plan(RN_MODE_INFER, TEAM, 0), *clones[2];
    struct answer expected = run(plan), got[2][2];
    int levels = omp_get_max_active_levels(), granted[2];

    (void)state;
    for (int depth = 1; depth <= 2; depth++) {
        omp_set_max_active_levels(depth);
        for (int i = 0; i < 2; i++)
            assert_int_equal(rn_plan_clone(&clones[i], plan, 0, NULL), RN_OK);
#pragma omp parallel num_threads(2)
        {
            int me = omp_get_thread_num();
            struct rn_plan *own = make_plan(RN_MODE_INFER, 2, 1);

            got[me][0] = run(clones[me]);
            got[me][1] = run(own);
            granted[me] = clones[me]->team.granted;
            rn_plan_destroy(own);
        }
        for (int i = 0; i < 2; i++) {
            assert_true(same(&got[i][0], &expected));
            assert_true(same(&got[i][1], &expected));
            assert_int_equal(granted[i], depth == 1 ? 1 : TEAM);
            rn_plan_destroy(clones[i]);
        }
    }
    omp_set_max_active_levels(levels);
    rn_plan_destroy(plan);
}

/* Gradients and loss of one step. */
static double learn(struct rn_plan *plan, float *gradients, size_t count)
{
    const int32_t labels[BATCH] = {1, 5, 9};
    struct rn_step_result result;
    struct rn_flat flat;

    assert_int_equal(rn_plan_train(plan, images, labels, 0, &result, NULL),
                     RN_OK);
    rn_store_flat(plan->store, &flat);
    assert_int_equal(flat.count, count);
    memcpy(gradients, flat.grad, count * sizeof(*gradients));
    return result.loss;
}

static void a_region_changes_no_bit_of_training(void **state)
{
    struct rn_plan *plan = make_plan(RN_MODE_TRAIN, TEAM, 0);
    struct rn_plan *other = make_plan(RN_MODE_TRAIN, TEAM, 0);
    struct rn_flat flat;
    float *a, *b;
    double expected, got = 0;

    (void)state;
    rn_store_flat(plan->store, &flat);
    a = rn_alloc(flat.count, sizeof(*a));
    b = rn_alloc(flat.count, sizeof(*b));
    expected = learn(plan, a, flat.count);
#pragma omp parallel num_threads(2)
    if (omp_get_thread_num() == 1)
        got = learn(other, b, flat.count);
    assert_true(expected == got);
    assert_memory_equal(a, b, flat.count * sizeof(*a));
    rn_free(a);
    rn_free(b);
    rn_plan_destroy(plan);
    rn_plan_destroy(other);
}

/* ------------------------------------------------- floating point, processors
 */

static unsigned mode_here(void)
{
#ifdef __SSE__
    return _mm_getcsr() & ~0x3fu; /* but for what happened so far */
#else
    return 0;
#endif
}

struct place {
    unsigned mode;
    struct rn_affinity affinity;
    int threads;
    pthread_t thread;
};

static struct place here(void)
{
    struct place p;

    memset(&p, 0, sizeof(p));
    p.mode = mode_here();
    rn_affinity_get(&p.affinity);
    p.threads = omp_get_max_threads();
    p.thread = pthread_self();
    return p;
}

static void of_all(struct place *places)
{
#pragma omp parallel num_threads(TEAM)
    places[omp_get_thread_num()] = here();
}

static void threads_are_left_as_they_were(void **state)
{
    static const int roundings[] = {FE_TONEAREST, FE_UPWARD, FE_TOWARDZERO};
    struct rn_plan *plan = make_plan(RN_MODE_INFER, TEAM, 0);
    struct answer expected = run(plan);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct place before[TEAM], after[TEAM];
        struct rn_plan *other;
        struct answer a, b;

        fesetround(roundings[i]);
        of_all(before);
        a = run(plan);
        other = make_plan(RN_MODE_INFER, TEAM, 0);
        b = run(other);
        of_all(after);
        fesetround(FE_TONEAREST);
        rn_plan_destroy(other);
        assert_true(same(&a, &expected));
        assert_true(same(&b, &expected));
        assert_memory_equal(before, after, sizeof(before));
    }
    rn_plan_destroy(plan);
}

/* As many threads as there are processors; 0: too few or too many here. */
static int full_team(struct rn_team *team, bool bind)
{
    struct rn_affinity affinity;

    rn_affinity_get(&affinity);
    if (affinity.count < 2 || affinity.count > 64)
        return 0;
    assert_int_equal(rn_team_create(team, affinity.count, bind, NULL), RN_OK);
    return affinity.count;
}

static void affinities(struct rn_affinity *all, int threads)
{
#pragma omp parallel num_threads(threads)
    rn_affinity_get(&all[omp_get_thread_num()]);
}

/* A thread that has all processors, waiting to enter its team. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *enter_beside(void *argument)
{
    struct rn_team *team = argument;

    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    assert_int_equal(rn_team_enter(team, NULL), RN_OK);
    argument = team->bound ? NULL : argument;
    rn_team_leave(team);
    return argument;
}

static void one_full_team_is_bound_while_it_runs(void **state)
{
    struct rn_affinity before[64], inside[64], after[64];
    struct rn_team team, second;
    int threads = full_team(&team, true);
    pthread_t thread;
    void *unbound;

    (void)state;
    if (!threads)
        skip();
    full_team(&second, true);
    affinities(before, threads);
    pthread_mutex_lock(&gate);
    assert_int_equal(pthread_create(&thread, NULL, enter_beside, &second), 0);
    assert_int_equal(rn_team_enter(&team, NULL), RN_OK);
    assert_int_equal(team.granted, threads);
    affinities(inside, threads);
    pthread_mutex_unlock(&gate);
    pthread_join(thread, &unbound);
    assert_non_null(unbound);
    rn_team_leave(&team);
    affinities(after, threads);
    for (int i = 0; i < threads; i++) {
        assert_int_equal(inside[i].count, 1);
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(inside[i].mask, inside[k].mask,
                                    sizeof(inside[i].mask));
        assert_memory_equal(&before[i], &after[i], sizeof(before[i]));
    }
    /* Now it is the second one's turn. */
    assert_int_equal(rn_team_enter(&second, NULL), RN_OK);
    assert_true(second.bound);
    rn_team_leave(&second);
    rn_team_destroy(&team);
    rn_team_destroy(&second);
}

static void others_are_not_bound(void **state)
{
    struct rn_affinity before, inside;
    struct rn_team team;
    int threads = full_team(&team, false);

    (void)state;
    if (!threads)
        skip();
    rn_affinity_get(&before);
    assert_int_equal(rn_team_enter(&team, NULL), RN_OK);
    rn_affinity_get(&inside);
    rn_team_leave(&team);
    assert_memory_equal(&before, &inside, sizeof(before));
    rn_team_destroy(&team);
    /* One that is not full. */
    assert_int_equal(rn_team_create(&team, threads + 1, true, NULL), RN_OK);
    assert_int_equal(rn_team_enter(&team, NULL), RN_OK);
    assert_false(team.bound);
    rn_team_leave(&team);
    rn_team_destroy(&team);
}

/* ---------------------------------------------------------------- callbacks */

/* Where the callback was called, and by how much it was elsewhere. */
struct calls {
    struct place expected;
    int count, wrong;
};

static void note(struct calls *c)
{
    struct place p = here();

    c->count++;
    c->wrong += memcmp(&p, &c->expected, sizeof(p)) != 0;
}

static int note_progress(void *user, int done, int of)
{
    (void)done;
    (void)of;
    note(user);
    return 0;
}

static int note_value(void *user, const struct rn_trace *value)
{
    (void)value;
    note(user);
    return 0;
}

static void note_report(void *user, const struct rn_train_report *report)
{
    (void)report;
    note(user);
}

static void note_text(void *user, const char *text)
{
    (void)text;
    note(user);
}

static int note_stop(void *user)
{
    note(user);
    return 0;
}

static int call_trace(struct calls *c)
{
    struct rn_affinity affinity;
    struct rn_plan *plan;
    int rc;

    rn_affinity_get(&affinity);
    plan = make_plan(RN_MODE_INFER, affinity.count, 1);
    rc = rn_plan_trace(plan, images, note_value, c, NULL);
    rn_plan_destroy(plan);
    return rc;
}

static int call_eval(struct calls *c)
{
    struct rn_eval_options options;
    struct rn_eval_result result;
    struct rn_data *data;
    int rc = rn_data_open(&data, "synthetic:3x32x32:10:20", NULL, NULL);

    rn_eval_defaults(&options);
    options.threads = 2;
    options.batch = 2;
    options.user = c;
    options.progress = note_progress;
    if (!rc)
        rc = rn_eval(model, data, RN_PART_TEST, &options, &result, NULL);
    rn_data_close(data);
    return rc;
}

static int call_survey(struct calls *c)
{
    struct rn_survey_options options = {
        .threads = 3, .user = c, .progress = note_progress};
    struct rn_survey *survey = NULL;
    struct rn_data *data;
    int rc = rn_data_open(&data, "synthetic:3x32x32:10:500", NULL, NULL);

    if (!rc)
        rc = rn_data_survey(&survey, data, &options, NULL);
    rn_survey_destroy(survey);
    rn_data_close(data);
    return rc;
}

static int call_train(struct calls *c)
{
    struct rn_train_events events = {.user = c,
                                     .report = note_report,
                                     .tick = note_report,
                                     .message = note_text,
                                     .stop = note_stop};
    struct rn_train_options options;

    rn_train_defaults(&options);
    options.data = "synthetic:3x32x32:10:20";
    options.out = in_folder("called.run");
    options.net = "resnet8";
    options.threads = 2;
    options.batch = 4;
    options.iterations = 4;
    return rn_train(&options, &events, NULL, NULL);
}

/* By the calling thread, where and how it was. */
static void callbacks_find_their_caller_as_it_was(void **state)
{
    static int (*const calls[])(struct calls * c) = {call_trace, call_eval,
                                                     call_survey, call_train};

    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        struct calls c = {.count = 0};
        int rc;

        omp_set_num_threads(5);
        fesetround(FE_TOWARDZERO);
        c.expected = here();
        rc = calls[i](&c);
        fesetround(FE_TONEAREST);
        assert_int_equal(rc, RN_OK);
        print_message("%d calls, %d elsewhere\n", c.count, c.wrong);
        assert_true(c.count > 0);
        assert_int_equal(c.wrong, 0);
    }
}

static int set_up(void **state)
{
    return make_folder(state) || make_all(state);
}

static int tear_down(void **state)
{
    drop_all(state);
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_that_the_system_refuses_are_an_error),
        cmocka_unit_test(absurd_counts_are_refused),
        cmocka_unit_test(a_child_whose_parent_ran_nothing_has_all_threads),
        cmocka_unit_test(a_plan_runs_after_fork),
        cmocka_unit_test(a_learner_learns_after_fork),
        cmocka_unit_test(a_parallel_region_changes_no_bit),
        cmocka_unit_test(a_region_changes_no_bit_of_training),
        cmocka_unit_test(threads_are_left_as_they_were),
        cmocka_unit_test(one_full_team_is_bound_while_it_runs),
        cmocka_unit_test(others_are_not_bound),
        cmocka_unit_test(callbacks_find_their_caller_as_it_was),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
