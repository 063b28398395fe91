/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * What `bench --as-threads` tells of a plan is what a run does: every step runs
 * on 1 to 8 threads while the linker has the functions that share work out
 * (ops/shares.h), and the run time's barriers, counted here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/isa.h"
#include "core/memory.h"
#include "model/model.h"
#include "nets/nets.h"
#include "ops/conv/algorithm.h"
#include "plan/operations.h"
#include "plan/plan.h"
#include "resnet.h"
#include "support.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8 };

/* ------------------------------------------------------------ what happens */

static struct {
    bool on;
    size_t pieces[MOST]; /* each thread writes its own */
    atomic_size_t next;  /* calls */
    bool by_turns;
    int regions, barriers;
} seen;

struct rn_range __real_rn_share_of(size_t items, int thread, int threads);
struct rn_range __wrap_rn_share_of(size_t items, int thread, int threads);
struct rn_range __real_rn_share_mine(size_t items);
struct rn_range __wrap_rn_share_mine(size_t items);
struct rn_range __real_rn_share_turn(size_t items, int thread, int threads,
                                     size_t turn, size_t turns);
struct rn_range __wrap_rn_share_turn(size_t items, int thread, int threads,
                                     size_t turn, size_t turns);
size_t __real_rn_share_next(atomic_size_t *next);
size_t __wrap_rn_share_next(atomic_size_t *next);

static struct rn_range note(struct rn_range r, int thread)
{
    if (seen.on)
        seen.pieces[thread] += r.end - r.begin;
    return r;
}

struct rn_range __wrap_rn_share_of(size_t items, int thread, int threads)
{
    return note(__real_rn_share_of(items, thread, threads), thread);
}

struct rn_range __wrap_rn_share_turn(size_t items, int thread, int threads,
                                     size_t turn, size_t turns)
{
    return note(__real_rn_share_turn(items, thread, threads, turn, turns),
                thread);
}

struct rn_range __wrap_rn_share_mine(size_t items)
{
    return note(__real_rn_share_mine(items), omp_get_thread_num());
}

size_t __wrap_rn_share_next(atomic_size_t *next)
{
    atomic_fetch_add(&seen.next, 1);
    return __real_rn_share_next(next);
}

/* GCC's calls of its run time; clang's are others, and are not counted. */
#ifdef RN_TEST_BARRIERS
void __real_GOMP_parallel(void (*run)(void *), void *data, unsigned threads,
                          unsigned flags);
void __wrap_GOMP_parallel(void (*run)(void *), void *data, unsigned threads,
                          unsigned flags);
void __real_GOMP_barrier(void);
void __wrap_GOMP_barrier(void);

void __wrap_GOMP_parallel(void (*run)(void *), void *data, unsigned threads,
                          unsigned flags)
{
    seen.regions += seen.on;
    __real_GOMP_parallel(run, data, threads, flags);
}

void __wrap_GOMP_barrier(void)
{
    if (seen.on && omp_get_thread_num() == 0)
        seen.barriers++;
    __real_GOMP_barrier();
}
#endif

/* ------------------------------------------------------------------- steps */

static int complain(const struct rn_plan *plan, const struct rn_step *s,
                    const char *what, size_t told, size_t found)
{
    print_message("# %s, %s, %d threads, %s: told %zu, found %zu\n",
                  plan->graph->nodes[s->node].name, s->type->pass,
                  plan->options.threads, what, told, found);
    return 1;
}

static int check_step(struct rn_plan *plan, struct rn_step *s)
{
    struct rn_shares told = {.threads = plan->options.threads};
    size_t all = 0, turns;
    int bad = 0;

    s->type->shares(plan, s, &told);
    memset(&seen, 0, sizeof(seen));
    seen.on = true;
    assert_int_equal(s->type->run(plan, s, NULL), RN_OK);
    seen.on = false;
    if (told.unknown)
        return 0;
    /* Each thread asks once in vain. */
    turns = seen.next ? seen.next - (size_t)told.threads : 0;
    for (int t = 0; t < told.threads; t++) {
        all += seen.pieces[t];
        if (!turns && told.pieces[t] != seen.pieces[t])
            bad += complain(plan, s, "a thread's pieces", told.pieces[t],
                            seen.pieces[t]);
    }
    if (rn_shares_pieces(&told) != all + turns)
        bad +=
            complain(plan, s, "pieces", rn_shares_pieces(&told), all + turns);
#ifdef RN_TEST_BARRIERS
    if (told.barriers != seen.regions + seen.barriers)
        bad += complain(plan, s, "barriers", (size_t)told.barriers,
                        (size_t)(seen.regions + seen.barriers));
#endif
    if (told.longest * told.threads < told.work * (1 - 1e-9))
        bad += complain(plan, s, "the largest share under the mean", 0, 0);
    return bad;
}

static int check_plan(struct rn_plan *plan)
{
    size_t floats = (size_t)plan->options.batch *
                    rn_shape_size(plan->graph->nodes[0].shape);
    float *images = rn_alloc(floats, sizeof(*images));
    int32_t *labels = rn_alloc((size_t)plan->options.batch, sizeof(*labels));
    int bad = 0;

    assert_non_null(images);
    assert_non_null(labels);
    plan->images = images;
    plan->targets = (struct rn_targets){.labels = labels};
    assert_int_equal(rn_team_enter(&plan->team, NULL), RN_OK);
    for (size_t i = 0; i < plan->n_steps; i++)
        bad += check_step(plan, &plan->steps[i]);
    rn_team_leave(&plan->team);
    rn_free(images);
    rn_free(labels);
    return bad;
}

/* An outline tells the same of every step. */
static int check_outline(const struct rn_model *model,
                         const struct rn_plan_options *options,
                         const struct rn_plan *plan)
{
    struct rn_step_info a, b;
    struct rn_plan *outline;
    int bad = 0;

    assert_int_equal(rn_plan_outline(&outline, model, options, NULL), RN_OK);
    assert_int_equal(rn_plan_steps(outline), rn_plan_steps(plan));
    for (size_t i = 0; i < rn_plan_steps(plan); i++) {
        assert_int_equal(rn_plan_step(outline, i, &a), RN_OK);
        assert_int_equal(rn_plan_step(plan, i, &b), RN_OK);
        if (a.pieces != b.pieces || a.barriers != b.barriers ||
            a.scratch_bytes != b.scratch_bytes || a.work != b.work ||
            a.largest_share != b.largest_share ||
            strcmp(a.algorithm, b.algorithm) != 0)
            bad += complain(plan, &plan->steps[i], "an outline's pieces",
                            a.pieces, b.pieces);
    }
    assert_int_equal(rn_plan_bytes(outline), rn_plan_bytes(plan));
    rn_plan_destroy(outline);
    return bad;
}

static struct rn_model *net(const char *name, int side)
{
    struct rn_net_options o;
    struct rn_model *model;

    rn_net_defaults(&o);
    o.height = o.width = side;
    assert_int_equal(rn_model_create(&model, name, &o, NULL), RN_OK);
    rn_model_init(model, 1);
    return model;
}

static const struct sample {
    const char *net;
    int side;
    struct rn_plan_options options;
} samples[] = {
    {"resnet20", 32, {.mode = RN_MODE_TRAIN, .batch = 5}},
    {"resnet8", 17, {.mode = RN_MODE_TRAIN, .batch = 3, .exact = 1}},
    {"resnet8", 32, {.mode = RN_MODE_TRAIN, .batch = 2, .recompute = 3}},
    {"resnet50", 32, {.mode = RN_MODE_TRAIN, .batch = 2}},
    {"resnet50",
     64,
     {.mode = RN_MODE_TRAIN,
      .batch = 2,
      .precision = RN_PRECISION_BF16,
      .emulate = 1}},
    {"resnet8",
     32,
     {.mode = RN_MODE_TRAIN,
      .batch = 2,
      .precision = RN_PRECISION_BF16,
      .emulate = 1}},
    {"se-resnet8", 32, {.mode = RN_MODE_TRAIN, .batch = 3}},
    {"highway-19", 16, {.mode = RN_MODE_TRAIN, .batch = 3}},
    {"maxout", 24, {.mode = RN_MODE_TRAIN, .batch = 1}},
    {"resnet50", 64, {.batch = 1}},
    {"resnet18", 64, {.batch = 3}},
    {"resnet18", 112, {.batch = 1}},
    {"resnet18",
     64,
     {.batch = 1, .precision = RN_PRECISION_BF16, .emulate = 1}},
};

static void shares(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        const struct sample *s = &samples[i];
        struct rn_model *model = net(s->net, s->side);

        for (int threads = 1; threads <= MOST;
             threads += check_fast() ? 3 : 1) {
            struct rn_plan_options o = s->options;
            struct rn_plan *plan;

            o.threads = threads;
            assert_int_equal(rn_plan_create(&plan, model, &o, NULL), RN_OK);
            bad += check_plan(plan);
            bad += check_outline(model, &o, plan);
            rn_plan_destroy(plan);
        }
        rn_model_destroy(model);
    }
    assert_int_equal(bad, 0);
}

/* -------------------------------------------------------------- the columns */

static int check_column(const char *name, const struct rn_step_type *type)
{
    if (!type || type->shares)
        return 0;
    print_message("# %s: a step does not tell its shares\n", name);
    return 1;
}

static void columns(void **state)
{
    const struct rn_conv_algorithm *a;
    int bad = 0;

    (void)state;
    for (int op = 0; op < RN_OP_COUNT; op++) {
        const struct rn_op_plan *o = rn_op_plan_of((enum rn_op)op);
        const char *name = rn_op_name((enum rn_op)op);

        bad += check_column(name, o->infer_step);
        bad += check_column(name, o->forward_step);
        bad += check_column(name, o->backward_step);
        bad += check_column(name, o->learn_step);
    }
    for (size_t i = 0; (a = rn_conv_algorithm_at(i)); i++)
        if (!a->shares) {
            print_message("# algorithm %zu does not tell its shares\n", i);
            bad++;
        }
    assert_int_equal(bad, 0);
}

/* ---------------------------------------------------------------- outlines */

static int threads_of_process(void)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[128];
    int threads = 0;

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "Threads: %d", &threads) == 1)
            break;
    if (f)
        fclose(f);
    return threads;
}

static void outlines(void **state)
{
    struct rn_model *model = net("resnet50", 64);
    struct rn_plan_options o = {.batch = 2, .threads = 1024};
    int before = threads_of_process(), openmp = omp_get_max_threads();
    float images[1] = {0}, logits[1];
    struct rn_step_info step;
    struct rn_plan *plan, *clone;

    (void)state;
    assert_int_equal(rn_plan_outline(&plan, model, &o, NULL), RN_OK);
    for (size_t i = 0; i < rn_plan_steps(plan); i++) {
        assert_int_equal(rn_plan_step(plan, i, &step), RN_OK);
        assert_true(step.largest_share == 0 ||
                    (step.largest_share > 1 - 1e-9 &&
                     step.largest_share < 1024 + 1e-6));
    }
    assert_int_equal(threads_of_process(), before);
    assert_int_equal(omp_get_max_threads(), openmp);
    assert_int_equal(rn_plan_forward(plan, images, logits, NULL), RN_ERR_ARG);
    assert_int_equal(rn_plan_clone(&clone, plan, 0, NULL), RN_ERR_ARG);
    rn_plan_destroy(plan);
    o.threads = 1025;
    assert_int_equal(rn_plan_outline(&plan, model, &o, NULL), RN_ERR_ARG);
    rn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares),
        cmocka_unit_test(columns),
        cmocka_unit_test(outlines),
    };

    print_message("# seed %llu, %s\n", (unsigned long long)check_seed(),
                  rn_isa()->name);
    return cmocka_run_group_tests_name("shares", tests, NULL, NULL);
}
