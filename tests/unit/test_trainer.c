/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole runs on a small synthetic set: they learn, stop, resume to the bit
 * after being killed, and refuse what makes no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runs.h"

#include "core/file.h"
#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"
#include "model/model.h"
#include "model/preprocessing.h"
#include "ops/loss.h"
#include "resnet.h"
#include "train/accumulate.h"
#include "train/optimiser.h"

#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LIMIT    ((size_t)1 << 28)

/* ------------------------------------------------------------- helpers */

static void read_whole(const char *path, uint8_t **bytes, size_t *size)
{
    struct rn_error err = {0};

    if (rn_file_read(path, LIMIT, bytes, size, &err) != RN_OK)
        fail_msg("%s", err.msg);
}

static void assert_same_file(const char *run_a, const char *run_b,
                             const char *name)
{
    char a[300], b[300];
    uint8_t *bytes_a, *bytes_b;
    size_t size_a, size_b, differ = 0;

    snprintf(a, sizeof(a), "%s/%s", run_a, name);
    snprintf(b, sizeof(b), "%s/%s", run_b, name);
    read_whole(a, &bytes_a, &size_a);
    read_whole(b, &bytes_b, &size_b);
    for (size_t i = 0; i < size_a && i < size_b; i++)
        differ += bytes_a[i] != bytes_b[i];
    if (size_a != size_b || differ > 0)
        fail_msg("%s (%zu bytes) and %s (%zu bytes) differ in %zu places", a,
                 size_a, b, size_b, differ);
    rn_free(bytes_a);
    rn_free(bytes_b);
}

/* Replace text in a run's run.json. */
static void edit_run(const char *path, const char *from, const char *to)
{
    uint8_t *bytes;
    size_t size;
    char *at, *text;
    int length;

    read_whole(path, &bytes, &size);
    at = strstr((char *)bytes, from);
    if (!at) {
        fail_msg("%s has no %s", path, from);
        return;
    }
    length = asprintf(&text, "%.*s%s%s", (int)(at - (char *)bytes), bytes, to,
                      at + strlen(from));
    assert_true(length > 0);
    assert_int_equal(rn_file_write(path, text, (size_t)length, NULL), RN_OK);
    free(text);
    rn_free(bytes);
}

/* A log without the figures of the clock. */
static json_t *read_log(const char *run)
{
    char path[300];
    uint8_t *bytes;
    size_t size;
    char *rest, *line;
    json_t *lines = json_array();

    snprintf(path, sizeof(path), "%s/log.jsonl", run);
    read_whole(path, &bytes, &size);
    rest = (char *)bytes;
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        json_t *object = json_loads(line, 0, NULL);

        if (!object)
            fail_msg("%s: not JSON: %s", path, line);
        json_object_del(object, "images_per_second");
        json_object_del(object, "data_wait");
        json_array_append_new(lines, object);
    }
    rn_free(bytes);
    return lines;
}

static void assert_same_log(const char *run_a, const char *run_b)
{
    json_t *a = read_log(run_a), *b = read_log(run_b);

    assert_true(json_array_size(a) > 0);
    assert_int_equal(json_array_size(a), json_array_size(b));
    for (size_t i = 0; i < json_array_size(a); i++) {
        char *x = json_dumps(json_array_get(a, i), 0);
        char *y = json_dumps(json_array_get(b, i), 0);

        assert_string_equal(x, y);
        free(x);
        free(y);
    }
    json_decref(a);
    json_decref(b);
}

static void assert_same_run(const char *a, const char *b)
{
    assert_same_file(a, b, "last.safetensors");
    assert_same_file(a, b, "best.safetensors");
    assert_same_file(a, b, "curve.svg");
    assert_same_log(a, b);
}

static void expect(int rc, int expected, const struct rn_error *err,
                   const char *a, const char *b)
{
    if (rc != expected || !strstr(err->msg, a) || !strstr(err->msg, b))
        fail_msg("status %d, \"%s\"; expected %d with \"%s\" and \"%s\"", rc,
                 err->msg, expected, a, b);
}

/* ------------------------------------------------------ killed and resumed */

/* OpenMP does not survive fork(), so this test comes first and each run has
 * a process of its own. */
static pid_t start_child(const struct rn_train_options *o)
{
    struct rn_train_result result;
    struct rn_error err = {0};
    pid_t pid = fork();
    int rc;

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    rc = rn_is_file(in_folder("killed/run.json")) && !o->out
             ? rn_train_resume(in_folder("killed"), NULL, NULL, &result, &err)
             : rn_train(o, NULL, &result, &err);
    if (rc != RN_OK)
        fprintf(stderr, "# run: %s\n", err.msg);
    _exit(rc == RN_OK ? 0 : 1);
}

/* Whether the child came to its end before it was killed. */
static bool finish_child(pid_t pid, double after)
{
    double start = rn_now();
    int status = 0;
    pid_t done = 0;

    while (done == 0) {
        done = waitpid(pid, &status, WNOHANG);
        if (done == 0 && rn_now() - start >= after)
            kill(pid, SIGKILL);
        usleep(500);
    }
    assert_int_equal(done, pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return false;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return true;
}

static struct rn_train_options killed_run(const char *name)
{
    struct rn_train_options o = small_run(name);

    o.iterations = 200;
    o.last_batch = "keep";
    o.schedule = "cosine";
    o.warmup = "10";
    o.label_smoothing = 0.1;
    o.threads = 2;
    o.report_every = 3;
    o.test_every = 7;
    o.save_every = 5;
    o.record = "layers:4";
    return o;
}

/* Run to the end through kills at random instants; how many there were.
 * Later kills come later, so that it ends. */
static int run_through_kills(struct rn_random_key *key, double whole)
{
    struct rn_train_options o = killed_run("killed"), resume = {.out = NULL};

    for (int kills = 0;; kills++) {
        bool begun = rn_is_file(in_folder("killed/run.json"));
        uint32_t r[4];
        double share;

        rn_random4(key, (uint64_t)kills, r);
        share = rn_random_unit(r[0]) * (0.2 + 0.05 * kills);
        if (finish_child(start_child(begun ? &resume : &o), whole * share))
            return kills;
    }
}

static void test_killed(void **state)
{
    struct rn_train_options o = killed_run("whole");
    struct rn_random_key key = {.purpose = RN_RANDOM_TEST};
    double start = rn_now(), whole;
    int kills = 0;

    (void)state;
    key.seed = (uint64_t)getpid();
    print_message("# kill seed %llu\n", (unsigned long long)key.seed);
    assert_true(finish_child(start_child(&o), 1e9));
    whole = rn_now() - start;
    /* On a busy machine times are vague: again, until enough were in time. */
    for (; kills < 3 && key.epoch < 5; key.epoch++) {
        nftw(in_folder("killed"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
        kills = run_through_kills(&key, whole);
        print_message("# killed %d times in %.2f s\n", kills, whole);
        assert_same_run(in_folder("whole"), in_folder("killed"));
    }
    assert_true(kills > 0);
}

/* ------------------------------------------------------ stopped and resumed */

struct counts {
    int ticks, reports, tests, messages;
    int asked, stop_at; /* which time asked to stop; 0: never */
    struct rn_train_report last;
};

static void on_tick(void *user, const struct rn_train_report *report)
{
    struct counts *c = user;

    c->ticks++;
    assert_false(report->tested);
    assert_true(report->images_per_second > 0);
}

static void on_report(void *user, const struct rn_train_report *report)
{
    struct counts *c = user;

    c->reports++;
    c->tests += report->tested != 0;
    c->last = *report;
}

static void on_message(void *user, const char *text)
{
    struct counts *c = user;

    c->messages++;
    assert_true(strlen(text) > 0);
}

static int on_stop(void *user)
{
    struct counts *c = user;

    return ++c->asked >= c->stop_at && c->stop_at > 0;
}

static struct rn_train_events count_events(struct counts *c)
{
    return (struct rn_train_events){.user = c,
                                    .report = on_report,
                                    .tick = on_tick,
                                    .message = on_message,
                                    .stop = on_stop};
}

/* Whether those who look at a run's folder see that nothing is left to do. */
static void expect_finished(const char *run, bool finished)
{
    struct rn_run_state state;
    struct rn_error err = {0};

    if (rn_run_get(run, &state, &err))
        fail_msg("%s: %s", run, err.msg);
    if ((state.finished != 0) != finished)
        fail_msg("%s: iteration %ld of %ld is %sfinished", run, state.iteration,
                 state.iterations, state.finished ? "" : "not ");
}

/* Asked after each iteration and in each test, after its only batch: after
 * an iteration, where a report is due, where a test is due, in the test, and
 * likewise at the end. */
static const struct stop_case {
    int asked;
    long iteration;
} stops[] = {{1, 1}, {3, 3}, {14, 14}, {15, 14}, {51, 48}, {52, 48}};

static void test_stopped(void **state)
{
    struct rn_train_options o = small_run("unstopped");
    struct rn_train_result result;
    struct rn_error err = {0};

    (void)state;
    o.report_every = 3;
    o.test_every = 14;
    train_watched(&o, NULL, &result);
    for (size_t i = 0; i < COUNT(stops); i++) {
        struct counts c = {.stop_at = stops[i].asked};
        struct rn_train_events events = count_events(&c);
        char name[32];

        snprintf(name, sizeof(name), "stopped-%d", stops[i].asked);
        o.out = in_folder(name);
        expect(rn_train(&o, &events, &result, &err), RN_ERR_STOPPED, &err,
               "stopped after iteration", name);
        assert_int_equal(result.iterations, stops[i].iteration);
        expect_finished(o.out, false);
        if (rn_train_resume(o.out, NULL, NULL, &result, &err) != RN_OK)
            fail_msg("%s: %s", name, err.msg);
        assert_int_equal(result.iterations, 48);
        expect_finished(o.out, true);
        assert_same_run(in_folder("unstopped"), in_folder(name));
    }
}

static void test_finished_run_resumes_to_itself(void **state)
{
    struct rn_train_options o = small_run("finished");
    struct rn_train_result first, again;
    struct rn_error err = {0};

    (void)state;
    train_watched(&o, NULL, &first);
    write_file("finished/last.safetensors.tmp-0badcafe", "killed", 6);
    if (rn_train_resume(o.out, NULL, NULL, &again, &err) != RN_OK)
        fail_msg("%s", err.msg);
    assert_false(
        rn_is_file(in_folder("finished/last.safetensors.tmp-0badcafe")));
    assert_int_equal(again.iterations, first.iterations);
    assert_true(again.test_error == first.test_error);
    assert_true(again.best_error == first.best_error);
    assert_int_equal(again.best_iteration, first.best_iteration);
    assert_true(again.loss == first.loss);
}

/* Whatever is made again, the run is the same; the option is kept, and a run
 * of a version that had none goes on. */
static void test_recompute(void **state)
{
    struct rn_train_options o = small_run("kept");
    struct counts c = {.stop_at = 9};
    struct rn_train_events events = count_events(&c);
    struct rn_train_result result;
    struct rn_error err = {0};

    (void)state;
    train_watched(&o, NULL, &result);
    o.out = in_folder("again");
    o.recompute = RN_RECOMPUTE_BLOCKS;
    expect(rn_train(&o, &events, &result, &err), RN_ERR_STOPPED, &err,
           "stopped after iteration", "again");
    c.stop_at = 9 + c.asked;
    expect(rn_train_resume(o.out, NULL, &events, &result, &err), RN_ERR_STOPPED,
           &err, "stopped after iteration", "again");
    edit_run(in_folder("again/run.json"), "\"recompute\": 3", "\"other\": 3");
    if (rn_train_resume(o.out, NULL, NULL, &result, &err) != RN_OK)
        fail_msg("%s", err.msg);
    assert_same_run(in_folder("kept"), in_folder("again"));
}

/* A run may go on with another number of threads: the same to the bit. */
static void test_other_threads(void **state)
{
    struct rn_train_options o = small_run("threads-2");
    struct counts c = {.stop_at = 9};
    struct rn_train_events events = count_events(&c);
    struct rn_train_result result;
    struct rn_error err = {0};

    (void)state;
    o.threads = 2;
    train_watched(&o, NULL, &result);
    o.out = in_folder("threads-3");
    expect(rn_train(&o, &events, &result, &err), RN_ERR_STOPPED, &err,
           "stopped after iteration", "threads-3");
    edit_run(in_folder("threads-3/run.json"), "\"threads\": 2",
             "\"threads\": 3");
    if (rn_train_resume(o.out, NULL, NULL, &result, &err) != RN_OK)
        fail_msg("%s", err.msg);
    assert_same_run(in_folder("threads-2"), in_folder("threads-3"));
}

/* ------------------------------------------------------ resumed otherwise */

static void resume(const char *run, struct rn_resume_options r)
{
    struct rn_train_result result;
    struct rn_error err = {0};

    if (rn_train_resume(run, &r, NULL, &result, &err) != RN_OK)
        fail_msg("%s: %s", run, err.msg);
}

/* So many iterations at one learning rate. */
static struct rn_train_options constant_run(const char *name, long iterations)
{
    struct rn_train_options o = small_run(name);

    o.schedule = "constant";
    o.epochs = 0;
    o.iterations = iterations;
    o.report_every = 3;
    o.test_every = 12;
    return o;
}

static json_t *read_json(const char *path)
{
    uint8_t *bytes;
    size_t size;
    json_t *object;

    read_whole(path, &bytes, &size);
    object = json_loadb((const char *)bytes, size, 0, NULL);
    assert_non_null(object);
    rn_free(bytes);
    return object;
}

/* Half a run made a whole one is the whole one, to the bit. */
static void test_longer_runs(void **state)
{
    struct rn_train_options o = constant_run("long", 48);
    struct rn_train_result result;
    struct rn_error err = {0};
    struct counts c = {.stop_at = 5};
    struct rn_train_events events = count_events(&c);
    const struct rn_resume_options longer = {.iterations = 48};
    json_t *text, *change;
    uint8_t *before;
    size_t size;

    (void)state;
    train_watched(&o, NULL, &result);
    o = constant_run("longer", 24);
    train_watched(&o, NULL, &result);
    read_whole(in_folder("longer/last.safetensors"), &before, &size);
    expect(rn_train_resume(o.out, &longer, &events, &result, &err),
           RN_ERR_STOPPED, &err, "of 48", "");
    /* As if it had been killed between run.json and the checkpoint. */
    assert_int_equal(
        rn_file_write(in_folder("longer/last.safetensors"), before, size, NULL),
        RN_OK);
    rn_free(before);
    resume(o.out, (struct rn_resume_options){.threads = 2});
    assert_same_run(in_folder("long"), in_folder("longer"));

    text = read_json(in_folder("longer/run.json"));
    assert_int_equal(json_integer_value(json_object_get(text, "iterations")),
                     48);
    assert_int_equal(json_array_size(json_object_get(text, "changes")), 2);
    change = json_array_get(json_object_get(text, "changes"), 0);
    assert_int_equal(json_integer_value(json_object_get(change, "iteration")),
                     24);
    change = json_object_get(change, "iterations");
    assert_int_equal(json_integer_value(json_array_get(change, 0)), 24);
    assert_int_equal(json_integer_value(json_array_get(change, 1)), 48);
    json_decref(text);
}

static void sum_gradients(void **state)
{
    float grad[] = {1, 2, 3};
    const struct rn_flat flat = {.grad = grad, .count = 3};
    struct rn_accumulated a;

    (void)state;
    assert_int_equal(rn_accumulate_create(&a, &flat, 4, 2, NULL), RN_OK);
    for (int step = 0; step < 2; step++) {
        for (int i = 0; i < 4; i++) {
            for (int k = 0; k < 3; k++)
                grad[k] = (float)((k + 1) * (i + 1 + 10 * step));
            rn_accumulate_add(&a, &flat, i);
        }
        for (int k = 0; k < 3; k++)
            assert_true(fabsf(grad[k] -
                              (float)(k + 1) * (2.5F + 10 * (float)step)) == 0);
    }
    rn_accumulate_free(&a);
}

/* 90 images in batches of 16, three a step: epochs end within steps. A run that
 * is stopped goes on to the bit, on other threads; images are counted as
 * images, iterations as steps. */
static void test_accumulated_runs(void **state)
{
    static const char *const last[] = {"wrap", "keep", "drop"};
    static const double epochs[] = {3 / 5.625, 3 / 6.0, 3 / 5.0};

    (void)state;
    for (size_t i = 0; i < COUNT(last); i++) {
        char whole[32], broken[32];
        struct counts c = {.stop_at = 4};
        struct rn_train_events events = count_events(&c);
        struct rn_train_options o;
        struct rn_train_result result;
        struct rn_error err = {0};
        json_t *log;

        snprintf(whole, sizeof(whole), "accumulated-%s", last[i]);
        snprintf(broken, sizeof(broken), "accumulated-%s-broken", last[i]);
        o = constant_run(whole, 9);
        o.accumulate = 3;
        o.last_batch = last[i];
        o.report_every = 1;
        train_watched(&o, NULL, &result);
        assert_int_equal(result.iterations, 9);
        o.out = in_folder(broken);
        expect(rn_train(&o, &events, &result, &err), RN_ERR_STOPPED, &err,
               "stopped after iteration", "of 9");
        resume(o.out, (struct rn_resume_options){.threads = 2});
        assert_same_run(in_folder(whole), in_folder(broken));
        log = read_log(in_folder(whole));
        assert_int_equal(json_array_size(log), 9);
        assert_true(fabs(json_number_value(
                             json_object_get(json_array_get(log, 0), "epoch")) -
                         epochs[i]) < 1e-5);
        json_decref(log);
    }
}

/* Each optimiser goes on to the bit, whatever else keeps sums beside it. */
static void test_optimisers(void **state)
{
    (void)state;
    for (int i = 0; rn_optimisers[i]; i++) {
        const char *name = rn_optimisers[i]->name;
        char whole[32], broken[32];
        struct counts c = {.stop_at = 4};
        struct rn_train_events events = count_events(&c);
        struct rn_train_options o;
        struct rn_train_result result;
        struct rn_error err = {0};

        snprintf(whole, sizeof(whole), "%s", name);
        snprintf(broken, sizeof(broken), "%s-broken", name);
        o = constant_run(whole, 9);
        o.optimizer = name;
        o.lr *= rn_optimisers[i]->rate;
        o.accumulate = 2;
        o.ema = 0.9;
        o.freeze = "conv1";
        train_watched(&o, NULL, &result);
        o.out = in_folder(broken);
        expect(rn_train(&o, &events, &result, &err), RN_ERR_STOPPED, &err,
               "stopped after iteration", "of 9");
        resume(o.out, (struct rn_resume_options){.threads = 2});
        assert_same_run(in_folder(whole), in_folder(broken));
    }
}

/* Each loss trains, and makes the model's output what it is for. */
static void test_losses(void **state)
{
    (void)state;
    for (int i = 0; rn_losses[i]; i++) {
        struct rn_train_options o = constant_run(rn_losses[i]->name, 3);
        struct rn_train_result result;
        struct rn_model_info info;
        struct rn_model *model;
        struct rn_error err = {0};
        char path[80];

        o.loss = rn_losses[i]->name;
        train_watched(&o, NULL, &result);
        assert_true(isfinite(result.test_loss));
        snprintf(path, sizeof(path), "%s/last.safetensors", o.loss);
        assert_int_equal(rn_model_load(&model, in_folder(path), &err), RN_OK);
        rn_model_describe(model, &info);
        assert_int_equal(info.output, rn_losses[i]->output);
        assert_int_equal(info.head, rn_losses[i]->output);
        rn_model_destroy(model);
    }
}

static void test_loss_refusals(void **state)
{
    struct rn_train_options o = small_run("refused");
    struct rn_train_result result;
    struct rn_error err = {0};

    (void)state;
    o.loss = "binary-cross-entropy";
    o.label_smoothing = 0.1;
    expect(rn_train(&o, NULL, &result, &err), RN_ERR_ARG, &err,
           "`label_smoothing` 0.1", "binary-cross-entropy takes no smoothed");
    o.loss = "squared-hinge";
    o.label_smoothing = 0;
    o.mixup = 0.2;
    expect(rn_train(&o, NULL, &result, &err), RN_ERR_ARG, &err, "`mixup` 0.2",
           "squared-hinge takes no images of two classes");
}

/* Of equal errors the smaller loss is the best model's. */
static void test_ties(void **state)
{
    struct rn_train_options o = constant_run("ties", 48);
    struct rn_train_result result;
    double error = 101, loss = 0;
    long best = -1, ties = 0;
    json_t *log;

    (void)state;
    o.test_every = 1;
    o.report_every = 1;
    train_watched(&o, NULL, &result);
    log = read_log(o.out);
    for (size_t i = 0; i < json_array_size(log); i++) {
        const json_t *line = json_array_get(log, i);
        double e = json_number_value(json_object_get(line, "test_error"));
        double l = json_number_value(json_object_get(line, "test_loss"));

        if (e > error || (!(e < error) && l >= loss))
            continue;
        ties += !(e < error);
        best = (long)i + 1;
        error = e;
        loss = l;
    }
    json_decref(log);
    assert_true(ties > 0);
    assert_int_equal(result.best_iteration, best);
}

/* One batch accumulated is a batch. */
static void test_one_batch_accumulated(void **state)
{
    struct rn_train_options o = constant_run("plain-one", 6);
    struct rn_train_result result;

    (void)state;
    train_watched(&o, NULL, &result);
    o.out = in_folder("accumulated-one");
    o.accumulate = 1;
    train_watched(&o, NULL, &result);
    assert_same_file(in_folder("plain-one"), in_folder("accumulated-one"),
                     "best.safetensors");
}

static void test_refused_changes(void **state)
{
    static const struct {
        const char *schedule;
        struct rn_resume_options options;
        int code;
        const char *says[2];
    } cases[] = {
        {"constant", {.iterations = 3}, RN_ERR_ARG, {"3 iterations", "has 6"}},
        {"constant", {.iterations = 9, .epochs = 2}, RN_ERR_ARG, {"only", "9"}},
        {"constant",
         {.threads = 2000},
         RN_ERR_ARG,
         {"`threads` is 2000", "1024"}},
        {"constant",
         {.data = "synthetic:1x8x8:4:65"},
         RN_ERR_DATA,
         {"synthetic:1x8x8:4:65", "checksum"}},
        {"constant", {.data = "nowhere"}, RN_ERR_IO, {"nowhere", ""}},
        {"step:50%", {.epochs = 90}, RN_ERR_ARG, {"step:50%", "percentages"}},
        {"cosine", {.iterations = 9}, RN_ERR_ARG, {"cosine", "falls to 0"}},
        {"one-cycle", {.iterations = 9}, RN_ERR_ARG, {"one-cycle", "whole"}},
        /* of constant_run() with patience, tested at 4 and at its end */
        {"constant", {.iterations = 9}, RN_ERR_ARG, {"`patience`", "its end"}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_train_options o = constant_run("refused", 6);
        struct rn_train_result result;
        struct rn_error err = {0};
        uint8_t *before, *after;
        size_t size, size_after;
        char name[32];

        snprintf(name, sizeof(name), "refused-%zu", i);
        o.out = in_folder(name);
        o.schedule = cases[i].schedule;
        if (strcmp(cases[i].says[0], "`patience`") == 0) {
            o.patience = 3;
            o.test_every = 4;
        }
        train_watched(&o, NULL, &result);
        snprintf(name, sizeof(name), "refused-%zu/run.json", i);
        read_whole(in_folder(name), &before, &size);
        expect(rn_train_resume(o.out, &cases[i].options, NULL, &result, &err),
               cases[i].code, &err, cases[i].says[0], cases[i].says[1]);
        read_whole(in_folder(name), &after, &size_after);
        assert_int_equal(size, size_after);
        assert_memory_equal(before, after, size);
        rn_free(before);
        rn_free(after);
    }
}

/* ------------------------------------------------------------- learning */

static void test_learns(void **state)
{
    struct rn_train_options o = small_run("learns");
    struct rn_train_result result;
    struct counts c = {.ticks = 0};
    struct rn_train_events events = count_events(&c);
    struct rn_model *model = NULL;
    struct rn_data *data = NULL;
    struct rn_eval_result eval;
    struct rn_model_info info;
    json_t *log;
    double first, last;

    (void)state;
    o.data = "synthetic:3x8x8:4:160";
    o.iterations = 120;
    o.augment = "none";
    o.report_every = 10;
    train_watched(&o, &events, &result);

    assert_int_equal(c.ticks, 120);
    assert_int_equal(c.tests, 12);
    assert_int_equal(c.reports, 12);
    assert_true(c.messages > 0);
    assert_int_equal(result.iterations, 120);
    log = read_log(o.out);
    assert_int_equal(json_array_size(log), 12);
    first = json_number_value(json_object_get(json_array_get(log, 0), "loss"));
    last = json_number_value(json_object_get(json_array_get(log, 11), "loss"));
    json_decref(log);
    if (!(last < first / 5 && result.train_error < 2 && result.test_error < 20))
        fail_msg("loss %g then %g, training error %g %%, test error %g %%",
                 first, last, result.train_error, result.test_error);

    /* The same figures from the files. */
    assert_int_equal(rn_data_open(&data, o.data, NULL, NULL), RN_OK);
    assert_int_equal(
        rn_model_load(&model, in_folder("learns/last.safetensors"), NULL),
        RN_OK);
    assert_int_equal(rn_eval(model, data, RN_PART_TEST, NULL, &eval, NULL),
                     RN_OK);
    assert_true(eval.top1_error == result.test_error);
    assert_true(fabs(eval.loss - result.test_loss) < 1e-5);
    rn_model_describe(model, &info);
    log = json_loads(info.trained, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(log, "iterations")),
                     120);
    assert_true(json_number_value(json_object_get(log, "test_error")) ==
                result.test_error);
    json_decref(log);
    rn_model_destroy(model);
    assert_int_equal(
        rn_model_load(&model, in_folder("learns/best.safetensors"), NULL),
        RN_OK);
    assert_int_equal(rn_eval(model, data, RN_PART_TEST, NULL, &eval, NULL),
                     RN_OK);
    assert_true(eval.top1_error == result.best_error);
    rn_model_destroy(model);
    rn_data_close(data);
}

/* One batch, over and over, ends in no error. */
static void test_overfits(void **state)
{
    struct rn_train_options o = small_run("overfits");
    struct rn_train_result result;

    (void)state;
    o.data = "synthetic:3x8x8:4:16";
    o.iterations = 100;
    o.augment = "none";
    train_watched(&o, NULL, &result);
    if (!(result.train_error == 0 && result.loss < 0.05))
        fail_msg("training error %g %%, loss %g", result.train_error,
                 result.loss);
}

static void test_same_seed_same_run(void **state)
{
    struct rn_train_options o = small_run("seed-1");
    struct rn_train_result a, b;

    (void)state;
    o.normalize = "pixel";
    o.decay_all = RN_ZERO;
    train_watched(&o, NULL, &a);
    o.out = in_folder("seed-1-again");
    train_watched(&o, NULL, &b);
    assert_same_run(in_folder("seed-1"), in_folder("seed-1-again"));
    o.out = in_folder("seed-2");
    o.seed = 2;
    train_watched(&o, NULL, &b);
    assert_true(a.loss != b.loss);
}

/* ---------------------------------------------------------- last batches */

static const struct last_batch {
    const char *last_batch;
    double epochs;
    long iterations; /* of 90 images in batches of 16 */
} last_batches[] = {
    {"wrap", 1, 6},  /* 5.625, rounded up */
    {"wrap", 8, 45}, /* exactly */
    {"drop", 8, 40}, {"keep", 8, 48}, {"keep", 0.1, 1},
};

static void test_last_batch(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(last_batches); i++) {
        const struct last_batch *l = &last_batches[i];
        struct rn_train_options o;
        struct rn_train_result result;
        struct rn_error err = {0};
        long told = 0;
        char name[32];

        snprintf(name, sizeof(name), "%s-%g", l->last_batch, l->epochs);
        o = small_run(name);
        o.last_batch = l->last_batch;
        o.iterations = 0;
        o.epochs = l->epochs;
        train_watched(&o, NULL, &result);
        if (result.iterations != l->iterations || result.test_images == 0)
            fail_msg("%s, %g epochs: %ld iterations, expected %ld",
                     l->last_batch, l->epochs, result.iterations,
                     l->iterations);
        if (rn_train_iterations(&o, 90, &told, &err) || told != l->iterations)
            fail_msg("%s, %g epochs: %ld iterations told beforehand, %s",
                     l->last_batch, l->epochs, told, err.msg);
    }
}

static void expect_iterations(const struct rn_train_options *o, int images,
                              long expected)
{
    struct rn_error err = {0};
    long told = 0;

    if (rn_train_iterations(o, images, &told, &err) || told != expected)
        fail_msg("%d images: %ld iterations, expected %ld; %s", images, told,
                 expected, err.msg);
}

/* Without a run, what it would say. */
static void test_iterations(void **state)
{
    struct rn_train_options o = {.struct_size = sizeof(o)};
    struct rn_error err = {0};
    long told = 0;

    (void)state;
    expect_iterations(NULL, 128, 64000);
    o.epochs = 2;
    expect_iterations(&o, 1280, 20); /* batches of 128 */
    o.accumulate = 4;
    expect_iterations(&o, 1280, 5);
    assert_int_equal(rn_train_iterations(&o, 127, &told, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "127 training images"));
    o.epochs = 1e6;
    o.batch = 1;
    assert_int_equal(rn_train_iterations(&o, 50000, &told, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "billion"));
    o.last_batch = "kep";
    assert_int_equal(rn_train_iterations(&o, 50000, &told, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "`last_batch` is 'kep'"));
}

/* -------------------------------------------------------------- warm-up */

/* Few classes are soon told apart: the rule ends after its first window. */
static void test_error_warm_up(void **state)
{
    struct rn_train_options o = small_run("warm-up");
    struct rn_train_result result;
    json_t *log;
    size_t i;

    (void)state;
    o.iterations = 110;
    o.report_every = 5;
    o.schedule = "constant";
    o.warmup = "error:99";
    train_watched(&o, NULL, &result);
    log = read_log(o.out);
    for (i = 0; i < json_array_size(log); i++) {
        const json_t *line = json_array_get(log, i);
        long at = (long)json_integer_value(json_object_get(line, "iteration"));
        double lr = json_number_value(json_object_get(line, "lr"));

        if (fabs(lr - (at <= 100 ? 0.01 : 0.05)) > 1e-9)
            fail_msg("lr %g in iteration %ld", lr, at);
    }
    json_decref(log);
}

/* -------------------------------------------------------------- weights */

static void test_starts_from_weights(void **state)
{
    struct rn_train_options o = small_run("weights-a");
    struct rn_train_result a, b;
    struct rn_error err = {0};

    (void)state;
    train_watched(&o, NULL, &a);
    o.net = NULL;
    o.weights = in_folder("weights-a/last.safetensors");
    o.out = in_folder("weights-b");
    o.iterations = 1;
    o.lr = 1e-9;
    train_watched(&o, NULL, &b);
    if (fabs(a.test_error - b.test_error) > 10)
        fail_msg("test error %g %% became %g %%", a.test_error, b.test_error);
    /* The network's name came from the file and is in the run. */
    assert_int_equal(rn_train_resume(o.out, NULL, NULL, &b, &err), RN_OK);

    o.out = in_folder("weights-c");
    o.net = "resnet20";
    expect(rn_train(&o, NULL, &b, &err), RN_ERR_ARG, &err, "resnet8",
           "resnet20");
    o.net = NULL;
    o.shortcut = 'B';
    expect(rn_train(&o, NULL, &b, &err), RN_ERR_ARG, &err, "shortcut 'A'",
           "not 'B'");
    o.shortcut = 0;
    o.stride_v1 = 1;
    expect(rn_train(&o, NULL, &b, &err), RN_ERR_ARG, &err, "weights-a",
           "v1 stride");
    o.stride_v1 = 0;
    o.data = "synthetic:3x9x9:4:90";
    expect(rn_train(&o, NULL, &b, &err), RN_ERR_DATA, &err, "8 x 8", "9 x 9");
}

/* ---------------------------------------------------- records of layers */

static struct rn_model *last_of(const char *run)
{
    struct rn_model *model = NULL;
    struct rn_error err = {0};
    char path[300];

    snprintf(path, sizeof(path), "%s/last.safetensors", run);
    if (rn_model_load(&model, path, &err) != RN_OK)
        fail_msg("%s", err.msg);
    return model;
}

/* The tensor of that name, of `count` numbers. */
static const float *tensor(const struct rn_model *model, const char *name,
                           size_t *count)
{
    struct rn_tensor t;

    for (size_t i = 0; rn_model_tensor(model, i, &t) == RN_OK; i++)
        if (strcmp(t.name, name) == 0) {
            *count = t.count;
            return t.data;
        }
    *count = 0;
    fail_msg("no tensor %s", name);
    return NULL;
}

static void near(const char *what, double got, double expected)
{
    if (!(fabs(got - expected) <= 2e-3 * (1e-3 + fabs(expected))))
        fail_msg("%s: %g, expected %g", what, got, expected);
}

/* How far the weights went from where they were, by the rate: one step of plain
 * descent. */
static void check_gradients(const json_t *record, double lr)
{
    struct rn_model *a = last_of(in_folder("stays"));
    struct rn_model *b = last_of(in_folder("moves"));
    const char *name;
    json_t *norm;
    size_t layers = 0;

    json_object_foreach(json_object_get(record, "gradients"), name, norm)
    {
        size_t count;
        const float *x = tensor(a, name, &count), *y = tensor(b, name, &count);
        double sum = 0;

        for (size_t i = 0; i < count; i++)
            sum += pow(((double)y[i] - (double)x[i]) / lr, 2);
        near(name, json_number_value(norm), sqrt(sum));
        layers++;
    }
    assert_int_equal(layers, 8); /* seven convolutions, fc */
    rn_model_destroy(a);
    rn_model_destroy(b);
}

/* Running statistics have a tenth of the first batch's. */
static void check_activations(const json_t *record)
{
    static const struct {
        const char *name;
        double numbers; /* of a channel */
    } norms[] = {
        {"bn1", 16 * 64}, {"layer1.0.bn2", 16 * 64}, {"layer3.0.bn1", 16 * 4}};
    struct rn_model *m = last_of(in_folder("moves"));

    for (size_t i = 0; i < COUNT(norms); i++) {
        const json_t *of = json_object_get(
            json_object_get(record, "activations"), norms[i].name);
        double unbias = norms[i].numbers / (norms[i].numbers - 1);
        double mean = 0, var = 0, squares = 0;
        char name[80];
        const float *means, *vars;
        size_t count;

        snprintf(name, sizeof(name), "%s.running_mean", norms[i].name);
        means = tensor(m, name, &count);
        snprintf(name, sizeof(name), "%s.running_var", norms[i].name);
        vars = tensor(m, name, &count);
        for (size_t c = 0; c < count; c++) {
            double own = (double)means[c] / 0.1;

            mean += own / (double)count;
            squares += own * own / (double)count;
            var += ((double)vars[c] - 0.9) / 0.1 / unbias / (double)count;
        }
        near(name, json_number_value(json_object_get(of, "mean")), mean);
        near(name, json_number_value(json_object_get(of, "variance")),
             var + squares - mean * mean);
        near(name, json_number_value(json_object_get(of, "normed")), 1);
    }
    rn_model_destroy(m);
}

static void test_records_are_those_of_the_step(void **state)
{
    struct rn_train_options o = small_run("moves");
    struct rn_train_result result;
    json_t *log;

    (void)state;
    o.iterations = 1;
    o.momentum = RN_ZERO;
    o.weight_decay = RN_ZERO;
    o.augment = "none";
    o.record = "layers";
    train_watched(&o, NULL, &result);
    log = read_log(o.out);
    o.out = in_folder("stays");
    o.lr = 1e-12;
    train_watched(&o, NULL, &result);
    assert_int_equal(json_array_size(log), 2); /* a report, too */
    check_gradients(json_array_get(log, 0), 0.05);
    check_activations(json_array_get(log, 0));
    json_decref(log);
}

static void test_records_change_nothing(void **state)
{
    static const char *const bad[] = {"layer",     "layers:",   "layers:0",
                                      "layers:-1", "layers:1x", "layers:1e9"};
    struct rn_train_options o = small_run("unrecorded");
    struct rn_train_result result;
    struct rn_error err = {0};
    json_t *log;
    size_t records = 0, i;
    json_t *line;

    (void)state;
    o.accumulate = 2;
    o.last_batch = "keep";
    train_watched(&o, NULL, &result);
    o.out = in_folder("recorded");
    o.record = "layers:10";
    train_watched(&o, NULL, &result);
    assert_same_file(in_folder("unrecorded"), o.out, "last.safetensors");
    assert_same_file(in_folder("unrecorded"), o.out, "best.safetensors");
    assert_same_file(in_folder("unrecorded"), o.out, "curve.svg");
    log = read_log(o.out);
    json_array_foreach(log, i, line) records +=
        json_object_get(line, "gradients") != NULL;
    assert_int_equal(records, 5); /* 1, 10, 20, 30, 40 of 48 */
    json_decref(log);
    o.out = in_folder("badly-recorded");
    for (i = 0; i < COUNT(bad); i++) {
        o.record = bad[i];
        expect(rn_train(&o, NULL, &result, &err), RN_ERR_ARG, &err, "`record`",
               bad[i]);
    }
}

/* ------------------------------------------------------------ bad things */

static void test_loss_not_finite(void **state)
{
    struct rn_train_options o = small_run("diverges");
    struct rn_train_result result;
    struct rn_model *model = NULL;
    struct rn_error err = {0};

    (void)state;
    o.lr = 1e5;
    o.weight_decay = 1;
    o.save_every = 1;
    o.test_every = 1000;
    o.iterations = 500;
    expect(rn_train(&o, NULL, &result, &err), RN_ERR_LOSS, &err, "not finite",
           "last good checkpoint");
    assert_true(result.iterations < 500);
    if (rn_model_load(&model, in_folder("diverges/last.safetensors"), &err) !=
        RN_OK)
        fail_msg("%s", err.msg);
    for (size_t i = 0;; i++) {
        struct rn_tensor t;

        if (rn_model_tensor(model, i, &t) != RN_OK)
            break;
        for (size_t k = 0; k < t.count; k++)
            if (!isfinite(t.data[k]))
                fail_msg("checkpoint has %s[%zu] = %g", t.name, k,
                         (double)t.data[k]);
    }
    rn_model_destroy(model);
}

/* Of processes that begin in one folder at once all but one find the log
 * locked: they write nothing. A log that one which was killed there left empty
 * is no run. */
static void test_begun_at_once(void **state)
{
    struct rn_train_options o = small_run("at-once");
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct rn_train_result result;
    struct rn_error err = {0};
    FILE *log;

    (void)state;
    assert_int_equal(mkdir(o.out, 0777), 0);
    log = fopen(in_folder("at-once/log.jsonl"), "ae");
    assert_non_null(log);
    assert_int_equal(fcntl(fileno(log), F_OFD_SETLK, &whole), 0);
    expect(rn_train(&o, NULL, &result, &err), RN_ERR_ARG, &err, "at-once",
           "another process is training here");
    assert_false(rn_is_file(in_folder("at-once/run.json")));
    fclose(log);
    train_watched(&o, NULL, &result);
}

static void test_existing_run(void **state)
{
    struct rn_train_options o = small_run("existing");
    struct rn_train_result result;
    struct rn_error err = {0};
    uint8_t *before, *after;
    size_t size_before, size_after;

    (void)state;
    train_watched(&o, NULL, &result);
    read_whole(in_folder("existing/last.safetensors"), &before, &size_before);
    o.seed = 9;
    expect(rn_train(&o, NULL, &result, &err), RN_ERR_ARG, &err, "existing",
           "already holds a run");
    read_whole(in_folder("existing/last.safetensors"), &after, &size_after);
    assert_int_equal(size_before, size_after);
    assert_memory_equal(before, after, size_before);
    rn_free(before);
    rn_free(after);
}

#define FIELD(f) offsetof(struct rn_train_options, f)

static const struct bad_number {
    size_t place;
    enum { INT, LONG, REAL } kind;
    double value;
    const char *says[2];
} bad_numbers[] = {
    {FIELD(recompute), INT, 4, {"`recompute` is 4", "0 to 3, for auto, none"}},
    {FIELD(precision), INT, 4, {"`precision` is 4", "for auto, fp32, bf16"}},
    {FIELD(precision),
     INT,
     RN_PRECISION_INT8,
     {"`precision` is int8", "inference alone"}},
    {FIELD(batch), INT, -1, {"`batch` is -1", "must be 1 to 65536"}},
    {FIELD(batch), INT, 91, {"`batch` 91", "90 training images"}},
    {FIELD(threads), INT, -1, {"`threads` is -1", "1 to 1024"}},
    {FIELD(iterations), LONG, -5, {"`iterations` is -5", "1 to 1000000000"}},
    {FIELD(epochs), REAL, 3, {"`iterations` is 48 and `epochs` 3", "only one"}},
    {FIELD(lr), REAL, -1, {"`lr` is -1", "to 1000000"}},
    {FIELD(lr), REAL, (double)NAN, {"`lr` is nan", "must be"}},
    {FIELD(momentum), REAL, 1, {"`momentum` is 1", "0 to 0.9999"}},
    {FIELD(weight_decay), REAL, -2, {"`weight_decay` is -2", "0 to 1"}},
    {FIELD(label_smoothing), REAL, 1, {"`label_smoothing` is 1", "0 to 0.999"}},
    {FIELD(crop_pad), INT, -2, {"`crop_pad` is -2", "0 to 1024"}},
    {FIELD(gate_bias), REAL, 51, {"`gate_bias` is 51", "0 to 50"}},
    {FIELD(gate_bias), REAL, 3, {"`gate_bias` 3", "has no gates"}},
    {FIELD(lr_batch), INT, -1, {"`lr_batch` is -1", "1 to 1000000000"}},
    {FIELD(validation), INT, 90, {"90", "validation"}},
    {FIELD(crop_area), REAL, 0.5, {"`crop_area` goes with", "`augment` area"}},
    {FIELD(warmup_lr), REAL, 0.5, {"`warmup_lr` goes with", "error:P"}},
    {FIELD(skip_bad), INT, 1, {"`skip_bad` goes with", "pictures"}},
    {FIELD(skip_extra), INT, 1, {"`skip_extra` goes with", "`weights`"}},
};

static const struct bad_text {
    size_t place;
    const char *value;
    int code;
    const char *says[2];
} bad_texts[] = {
    {FIELD(net), "resnet21", RN_ERR_ARG, {"resnet21", "resnet20"}},
    {FIELD(schedule), "sometimes", RN_ERR_ARG, {"sometimes", "cosine"}},
    {FIELD(warmup), "yes", RN_ERR_ARG, {"`warmup` 'yes'", "none"}},
    {FIELD(augment), "mirror", RN_ERR_ARG, {"`augment` is 'mirror'", "flip"}},
    {FIELD(optimizer), "adam", RN_ERR_ARG, {"`optimizer` is 'adam'", "adamw"}},
    {FIELD(loss), "mse", RN_ERR_ARG, {"`loss` is 'mse'", "squared-hinge"}},
    {FIELD(normalize), "l2", RN_ERR_ARG, {"`normalize` is 'l2'", "channel"}},
    {FIELD(last_batch), "loop", RN_ERR_ARG, {"`last_batch` is 'loop'", "wrap"}},
    {FIELD(data), NULL, RN_ERR_ARG, {"data", "given"}},
    {FIELD(data), "/nonexistent", RN_ERR_IO, {"/nonexistent", ""}},
    {FIELD(out), NULL, RN_ERR_ARG, {"folder", "given"}},
    {FIELD(out), "/proc/no/such", RN_ERR_IO, {"make folder", "/proc"}},
    {FIELD(weights), "/nonexistent", RN_ERR_IO, {"/nonexistent", ""}},
    {FIELD(holder), "ema", RN_ERR_ARG, {"`holder` goes with", "`weights`"}},
    {FIELD(map), "names", RN_ERR_ARG, {"`map` goes with", "`weights`"}},
    {FIELD(batch_norm),
     "running",
     RN_ERR_ARG,
     {"`batch_norm` goes with", "`weights`"}},
};

static void set_number(struct rn_train_options *o, const struct bad_number *b)
{
    char *at = (char *)o + b->place;

    if (b->kind == INT)
        *(int *)at = (int)b->value;
    else if (b->kind == LONG)
        *(long *)at = (long)b->value;
    else
        *(double *)at = b->value;
}

static void test_bad_options(void **state)
{
    struct rn_train_result result;

    (void)state;
    for (size_t i = 0; i < COUNT(bad_numbers); i++) {
        struct rn_train_options o = small_run("bad");
        struct rn_error err = {0};

        set_number(&o, &bad_numbers[i]);
        expect(rn_train(&o, NULL, &result, &err), RN_ERR_ARG, &err,
               bad_numbers[i].says[0], bad_numbers[i].says[1]);
    }
    for (size_t i = 0; i < COUNT(bad_texts); i++) {
        struct rn_train_options o = small_run("bad");
        struct rn_error err = {0};

        *(const char **)((char *)&o + bad_texts[i].place) = bad_texts[i].value;
        expect(rn_train(&o, NULL, &result, &err), bad_texts[i].code, &err,
               bad_texts[i].says[0], bad_texts[i].says[1]);
    }
    assert_false(rn_is_folder(in_folder("bad")));
}

/* Statistics are made anew where some are taken, colours changed where some
 * are. */
static void options_without_object(void **state)
{
    struct rn_train_options o = small_run("no-norm");
    struct rn_train_result result;
    struct rn_error err = {0};

    (void)state;
    o.net = "nin";
    o.data = "synthetic:3x32x32:4:16";
    o.reestimate = 1;
    expect(rn_train(&o, NULL, &result, &err), RN_ERR_ARG, &err, "`reestimate`",
           "no batch norm that takes statistics");
    o = small_run("no-colour");
    o.data = "synthetic:1x8x8:4:90";
    o.colour = "jitter";
    expect(rn_train(&o, NULL, &result, &err), RN_ERR_ARG, &err,
           "`colour` goes with", "three channels");
}

/* A factor and an addend for each of 12 channels, as others' affine layers become:
 * batch norm without eps, whose statistics are no batch's. */
static void affine_layers_learn(void **state)
{
    static const float mean[3], std[3] = {1, 1, 1};
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    struct rn_train_options o = small_run("affine");
    struct rn_train_result result;
    struct rn_graph *g = rn_graph_create();
    struct rn_error err = {0};
    struct rn_net_spec spec;
    struct rn_model *model;
    int x;

    (void)state;
    assert_non_null(g);
    x = rn_graph_input(g, (struct rn_shape){3, 8, 8});
    x = rn_graph_conv(g, x, "conv", 12, three, true);
    x = rn_graph_batch_norm(g, x, "affine");
    g->nodes[x].eps = 0;
    x = rn_graph_global_avg_pool(g, rn_graph_relu(g, x, "relu"), "pool");
    rn_graph_linear(g, x, "fc", 4);
    rn_net_of_graph(&spec, "somebody's", g);
    model = rn_model_wrap(&spec, g);
    assert_non_null(model);
    rn_model_init(model, 3);
    for (int i = 0; i < 12; i++)
        rn_graph_param(g, "affine.weight")->data[i] = 0.5f + (float)i / 10;
    assert_int_equal(rn_model_set_preprocessing(model, false, mean, std, &err),
                     RN_OK);
    assert_int_equal(
        rn_model_save(model, in_folder("affine.safetensors"), &err), RN_OK);
    rn_model_destroy(model);
    o.net = NULL;
    o.weights = in_folder("affine.safetensors");
    train_watched(&o, NULL, &result);
    assert_true(result.loss < log(4));
    assert_int_equal(
        rn_model_load(&model, in_folder("affine/last.safetensors"), &err),
        RN_OK);
    for (int i = 0; i < 12; i++) {
        g = model->graph;
        assert_true(rn_graph_param(g, "affine.running_mean")->data[i] == 0);
        assert_true(rn_graph_param(g, "affine.running_var")->data[i] == 1);
        assert_true(rn_graph_param(g, "affine.weight")->data[i] !=
                    0.5f + (float)i / 10);
    }
    rn_model_destroy(model);
}

/* What the curve says of a drop is by how much the rate falls. */
static void test_curve_tells_drops(void **state)
{
    struct rn_train_options o = small_run("drops");
    uint8_t *bytes;
    size_t size;

    (void)state;
    o.schedule = "step:50%*0.2";
    o.iterations = 6;
    train_watched(&o, NULL, NULL);
    read_whole(in_folder("drops/curve.svg"), &bytes, &size);
    assert_non_null(strstr((const char *)bytes, "lr &#247; 5<"));
    rn_free(bytes);
}

static const struct edit {
    const char *from, *to;
    int code;
    const char *says[2];
} edits[] = {
    {"\"lr\": 0.05",
     "\"lr\": 0.06",
     RN_ERR_DATA,
     {"last.safetensors", "other options"}},
    {"\"lr\": 0.05", "\"lr\": -1", RN_ERR_ARG, {"`lr` is -1", "to 1000000"}},
    {"\"lr\": 0.05", "\"lr\": \"x\"", RN_ERR_DATA, {"run.json", "lr"}},
    {"\"lr\": 0.05", "\"rl\": 0.05", RN_ERR_DATA, {"lr", "missing"}},
    {"\"optimizer\": \"sgd\"",
     "\"optimizer\": \"lars\"",
     RN_ERR_DATA,
     {"holds the state of optimizer sgd", "expected that of lars"}},
    {"4:90", "4:91", RN_ERR_DATA, {"4:91", "checksum"}},
    {"{", "[", RN_ERR_DATA, {"run.json", "JSON"}},
};

static void test_bad_resume(void **state)
{
    struct rn_train_options o = small_run("edited");
    struct rn_train_result result;
    struct rn_error err = {0};
    struct counts c = {.stop_at = 3};
    struct rn_train_events events = count_events(&c);
    const char *path;
    uint8_t *bytes;
    size_t size;

    (void)state;
    expect(rn_train_resume(in_folder("nowhere"), NULL, NULL, &result, &err),
           RN_ERR_ARG, &err, "nowhere", "holds no run");
    assert_int_equal(rn_train(&o, &events, &result, &err), RN_ERR_STOPPED);
    path = in_folder("edited/run.json");
    read_whole(path, &bytes, &size);
    for (size_t i = 0; i < COUNT(edits); i++) {
        path = in_folder("edited/run.json");
        edit_run(path, edits[i].from, edits[i].to);
        expect(rn_train_resume(in_folder("edited"), NULL, NULL, &result, &err),
               edits[i].code, &err, edits[i].says[0], edits[i].says[1]);
        assert_int_equal(rn_file_write(path, bytes, size, NULL), RN_OK);
    }
    assert_int_equal(
        rn_train_resume(in_folder("edited"), NULL, NULL, &result, &err), RN_OK);
    rn_free(bytes);
}

/* Bad lines between good ones, as a bad disk leaves them, take no good ones
 * along when a run goes on; and are told of. */
static void hear_passed(void *user, const char *text)
{
    *(int *)user +=
        strstr(text, "log.jsonl': 3 of 6 lines are none of a log "
                     "and passed over, the first is line 2") != NULL;
}

static void test_bad_lines_stay_alone(void **state)
{
    static const char bad[] = "garbage\n\0\0\0\n{\"iteration\": 49}\n";
    struct rn_train_options o = constant_run("bad-lines", 12);
    const struct rn_resume_options longer = {.iterations = 24};
    struct rn_train_events events = {.message = hear_passed};
    struct rn_error err = {0};
    struct rn_run_state run;
    struct rn_data_info info;
    struct rn_data *data;
    const char *log;
    uint8_t *bytes;
    size_t size, first;
    char *text;
    int told = 0;

    (void)state;
    o.report_every = 4;
    train(&o);
    log = in_folder("bad-lines/log.jsonl");
    read_whole(log, &bytes, &size);
    first = (size_t)(strchr((char *)bytes, '\n') + 1 - (char *)bytes);
    text = malloc(size + sizeof(bad));
    assert_non_null(text);
    memcpy(text, bytes, first);
    memcpy(text + first, bad, sizeof(bad) - 1);
    memcpy(text + first + sizeof(bad) - 1, bytes + first, size - first);
    assert_int_equal(rn_file_write(log, text, size + sizeof(bad) - 1, NULL), 0);
    rn_free(bytes);
    events.user = &told;
    expect(rn_train_resume(o.out, &longer, &events, NULL, &err), RN_OK, &err,
           "", "");
    assert_int_equal(told, 1);
    read_whole(log, &bytes, &size);
    assert_memory_equal(bytes, text, first + sizeof(bad) - 1);
    assert_non_null(
        strstr((char *)bytes + first + sizeof(bad) - 1, "{\"iteration\": 8,"));
    rn_free(bytes);
    free(text);
    read_whole(in_folder("bad-lines/log.csv"), &bytes, &size);
    for (int i = 4; i <= 24; i += 4) {
        char line[16];

        snprintf(line, sizeof(line), "\n%d,", i);
        assert_non_null(strstr((char *)bytes, line));
    }
    rn_free(bytes);

    assert_int_equal(rn_run_get(o.out, &run, &err), RN_OK);
    assert_int_equal(rn_data_open(&data, DATA, NULL, &err), RN_OK);
    rn_data_describe(data, &info);
    rn_data_close(data);
    assert_true(run.data_checksum == info.checksum);
    assert_int_equal(run.data_rule, info.rule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed), /* first: it forks */
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_finished_run_resumes_to_itself),
        cmocka_unit_test(test_recompute),
        cmocka_unit_test(test_bad_lines_stay_alone),
        cmocka_unit_test(test_other_threads),
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_overfits),
        cmocka_unit_test(test_same_seed_same_run),
        cmocka_unit_test(test_last_batch),
        cmocka_unit_test(test_iterations),
        cmocka_unit_test(test_error_warm_up),
        cmocka_unit_test(test_starts_from_weights),
        cmocka_unit_test(test_loss_not_finite),
        cmocka_unit_test(test_begun_at_once),
        cmocka_unit_test(test_existing_run),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(options_without_object),
        cmocka_unit_test(affine_layers_learn),
        cmocka_unit_test(test_curve_tells_drops),
        cmocka_unit_test(test_bad_resume),
        cmocka_unit_test(test_records_are_those_of_the_step),
        cmocka_unit_test(test_records_change_nothing),
        cmocka_unit_test(test_longer_runs),
        cmocka_unit_test(test_refused_changes),
        cmocka_unit_test(sum_gradients),
        cmocka_unit_test(test_optimisers),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_loss_refusals),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_accumulated_runs),
        cmocka_unit_test(test_one_batch_accumulated),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
