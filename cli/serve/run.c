/* SPDX-License-Identifier: BSD-2-Clause */
/* One run that is watched: its description, its log as it grows, and whether a
 * process trains it. */
#include "runs.h"

#include "../jobs.h"
#include "../output.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DESCRIPTION_BYTES ((size_t)1 << 20)
#define HEADER_BYTES      ((size_t)16 << 20) /* of a checkpoint */

/* A longer line is none of a log. So much is read at a time, and at most so
 * often at a look: the others' turn comes, too. */
#define LINE_BYTES ((size_t)1 << 20)
#define READS      64

/* A log whose file system knows no locks is believed to grow for so long. */
#define GROWS_SECONDS 120.0

static const char *const curve_names[CURVES] = {
    [TRAIN_ERROR] = "train_error",
    [LOSS] = "loss",
    [TEST_ERROR] = "test_error",
    [TEST_LOSS] = "test_loss",
};

const char *run_curve_name(size_t i)
{
    return curve_names[i];
}

/* ------------------------------------------------------------------- curves */

/* Half as many points, each the mean of two. */
static void thin(struct curve *c)
{
    for (size_t i = 0; i < POINTS / 2; i++)
        for (int k = 0; k < 2; k++)
            c->at[i][k] = (c->at[2 * i][k] + c->at[2 * i + 1][k]) / 2;
    c->count = POINTS / 2;
    c->each *= 2;
}

/* Whether the curve was thinned. */
static int add_point(struct curve *c, double x, double y)
{
    int thinned = 0;
    double *last;

    if (!isfinite(y))
        return 0;
    if (c->count == 0 || c->in == c->each) {
        thinned = c->count == POINTS;
        if (thinned)
            thin(c);
        c->in = 0;
        c->count++;
    }
    last = c->at[c->count - 1];
    c->in++;
    last[0] = c->in == 1 ? x : last[0] + (x - last[0]) / (double)c->in;
    last[1] = c->in == 1 ? y : last[1] + (y - last[1]) / (double)c->in;
    return thinned;
}

json_t *run_points(const struct curve *curve, size_t from)
{
    json_t *list = json_list();

    for (size_t i = from; i < curve->count; i++) {
        json_t *point = json_list();

        json_add(point, json_double(curve->at[i][0]));
        json_add(point, json_double(curve->at[i][1]));
        json_add(list, point);
    }
    return list;
}

/* -------------------------------------------------------------------- files */

static int is_version(const struct version *v, const struct stat *st)
{
    return v->device == st->st_dev && v->node == st->st_ino &&
           v->size == st->st_size && v->changed.tv_sec == st->st_mtim.tv_sec &&
           v->changed.tv_nsec == st->st_mtim.tv_nsec;
}

static struct version version_of(const struct stat *st)
{
    return (struct version){st->st_dev, st->st_ino, st->st_size, st->st_mtim};
}

/* What could not be read can be now, or is not there. */
static void forgive(struct run *run)
{
    if (!run->error[0])
        return;
    run->error[0] = '\0';
    run->change++;
}

/* What cannot be read is told by the file's own name: it has no path. */
static void fail(struct run *run, const char *file, const char *reason)
{
    char text[sizeof(run->error)];

    snprintf(text, sizeof(text), "%s: %s", file, reason);
    if (strcmp(text, run->error) != 0)
        run->change++;
    memcpy(run->error, text, sizeof(text));
}

/* -------------------------------------------------------------- description */

static const json_t *part_of(const struct run *run, const char *name)
{
    return json_object_get(run->text, name);
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* Whether it describes a run. */
static int take_description(struct run *run)
{
    const json_t *data = part_of(run, "data");

    run->options = part_of(run, "options");
    run->net =
        json_string_value(json_object_get(part_of(run, "network"), "net"));
    run->iterations = (long)json_integer_value(part_of(run, "iterations"));
    run->test_name = number_of(data, "validation") > 0 ? "validation" : "test";
    run->patience = number_of(run->options, "patience");
    return json_is_object(run->options) && run->net && run->iterations > 0;
}

/* Whether there is one that can be read. */
static int look_at_description(struct run *run, int folder)
{
    json_error_t error;
    struct stat st = {.st_size = 0};
    size_t size;
    char *bytes;

    if (fstatat(folder, "run.json", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        is_version(&run->described, &st))
        return run->net != NULL;
    run->change++;
    run->whole = run->change;
    run->described = version_of(&st);
    json_decref(run->text);
    run->text = NULL;
    run->net = NULL;
    bytes = below_read(folder, "run.json", DESCRIPTION_BYTES, 0, &size);
    if (!bytes) {
        fail(run, "run.json", strerror(errno));
        return 0;
    }
    run->text = json_loadb(bytes, size, 0, &error);
    free(bytes);
    if (run->text && take_description(run)) {
        run->error[0] = '\0';
        return 1;
    }
    run->net = NULL;
    fail(run, "run.json",
         run->text ? "it does not describe a run: network, options or "
                     "iterations are missing"
                   : error.text);
    return 0;
}

/* ---------------------------------------------------------------------- log */

static void forget_log(struct run *run)
{
    memset(run->curves, 0, sizeof(run->curves));
    for (size_t i = 0; i < CURVES; i++) {
        run->curves[i].each = 1;
        run->last[i] = (double)NAN;
    }
    run->best_error = run->lr = run->speed = (double)NAN;
    run->iteration = run->best_iteration = run->lines = run->broken_lines = 0;
    run->read = 0;
    run->unread = 0;
    run->n_tail = 0;
    run->skip = 0;
    run->change++;
    run->whole = run->change;
}

static double real_of(const json_t *line, const char *key)
{
    const json_t *value = json_object_get(line, key);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static void take_report(struct run *run, const json_t *line, long iteration)
{
    int thinned = 0;

    run->iteration = iteration;
    run->lr = real_of(line, "lr");
    run->speed = real_of(line, "images_per_second");
    for (size_t i = 0; i < CURVES; i++) {
        double value = real_of(line, curve_names[i]);

        if (isfinite(value) || i < TEST_ERROR) /* a test is not in each line */
            run->last[i] = value;
        thinned |= add_point(&run->curves[i], (double)iteration, value);
    }
    if (real_of(line, "test_error") < run->best_error ||
        (isnan(run->best_error) && isfinite(real_of(line, "test_error")))) {
        run->best_error = real_of(line, "test_error");
        run->best_iteration = iteration;
    }
    if (thinned)
        run->whole = run->change + 1;
}

/* Not each is of a report; what is none of a log is counted. */
static void take_line(struct run *run, const char *text, size_t size)
{
    json_t *line = json_loadb(text, size, 0, NULL);
    json_t *value = json_object_get(line, "iteration");
    json_int_t iteration = json_integer_value(value);

    run->lines++;
    if (!json_is_integer(value) || iteration < 0 ||
        iteration > run->iterations)
        run->broken_lines++;
    else if (json_object_get(line, "gradients"))
        ; /* a record of layers, which no curve shows */
    else if (iteration <= run->iteration)
        run->broken_lines++;
    else
        take_report(run, line, (long)iteration);
    json_decref(line);
}

/* The whole lines of some bytes; how many of them these are. */
static size_t take_lines(struct run *run, const char *bytes, size_t size)
{
    size_t at = 0;

    for (;;) {
        const char *end = memchr(bytes + at, '\n', size - at);

        if (!end)
            break;
        if (run->skip)
            run->lines++, run->broken_lines++;
        else
            take_line(run, bytes + at, (size_t)(end - bytes) - at);
        run->skip = 0;
        at = (size_t)(end - bytes) + 1;
    }
    if (at > 0 || size < LINE_BYTES)
        return at;
    run->skip = 1;
    return size;
}

/* Whether the lines taken so far still end where they did. */
static int has_tail(const struct run *run, int fd)
{
    char bytes[sizeof(run->tail)];
    ssize_t n = pread(fd, bytes, run->n_tail, run->read - (off_t)run->n_tail);

    return n == (ssize_t)run->n_tail &&
           memcmp(bytes, run->tail, run->n_tail) == 0;
}

static void keep_tail(struct run *run, int fd)
{
    size_t n = sizeof(run->tail);
    ssize_t got;

    if (run->read < (off_t)n)
        n = (size_t)run->read;
    got = pread(fd, run->tail, n, run->read - (off_t)n);
    run->n_tail = got > 0 ? (size_t)got : 0;
}

/* Of what has come behind the lines that were taken. Whether there may be more
 * than goes into a look. */
static int read_on(struct run *run, int fd)
{
    char *bytes = malloc(LINE_BYTES);
    off_t before = run->read;
    size_t taken = bytes ? 1 : 0;

    for (int i = 0; i < READS && taken > 0; i++) {
        ssize_t n = pread(fd, bytes, LINE_BYTES, run->read);

        taken = n > 0 ? take_lines(run, bytes, (size_t)n) : 0;
        run->read += (off_t)taken;
    }
    free(bytes);
    if (run->read == before)
        return 0;
    keep_tail(run, fd);
    run->grew = serve_now();
    run->change++;
    return taken > 0;
}

/* Whether a process trains here, as far as locks tell. */
static int look_at_log(struct run *run, int folder)
{
    struct stat st;
    int fd = below_file(folder, "log.jsonl", &st), locked, error = errno;

    if (fd < 0 && run->read > 0) {
        forget_log(run);
        run->logged = (struct version){0};
    }
    if (fd < 0 && error != ENOENT) {
        fail(run, "log.jsonl", strerror(error));
        return 0;
    }
    forgive(run);
    if (fd < 0) /* it has only begun */
        return 0;
    locked = job_is_locked(fd);
    if (!is_version(&run->logged, &st) || run->read < st.st_size) {
        int is_old = run->logged.node == 0 || run->unread;

        if (run->logged.node != st.st_ino || run->logged.device != st.st_dev ||
            st.st_size < run->read || !has_tail(run, fd))
            forget_log(run);
        run->unread = read_on(run, fd) && run->read < st.st_size;
        if (is_old)
            run->grew = 0; /* before our time */
        run->logged = version_of(&st);
    }
    close(fd);
    return locked;
}

/* ---------------------------------------------------------------------- end */

/* What a checkpoint's own text says of where `patience` ended the run. */
static int read_ended(int fd)
{
    uint64_t size;
    char *bytes = NULL;
    json_t *header = NULL, *training = NULL;
    const char *text;
    int ended = 0;

    if (pread(fd, &size, sizeof(size), 0) != sizeof(size))
        return 0;
    size = le64toh(size);
    if (size <= HEADER_BYTES)
        bytes = malloc(size);
    if (bytes && pread(fd, bytes, size, sizeof(size)) == (ssize_t)size)
        header = json_loadb(bytes, size, 0, NULL);
    text = json_string_value(
        json_object_get(json_object_get(header, "__metadata__"), "training"));
    if (text)
        training = json_loads(text, 0, NULL);
    ended = number_of(training, "ended") > 0;
    json_decref(training);
    json_decref(header);
    free(bytes);
    return ended;
}

static int has_ended(struct run *run, int folder)
{
    struct stat st;
    int fd;

    if (run->iteration >= run->iterations)
        return 1;
    if (run->patience <= 0)
        return 0;
    fd = below_file(folder, "last.safetensors", &st);
    if (fd < 0)
        return 0;
    if (!is_version(&run->saved, &st)) {
        run->ended = read_ended(fd);
        run->saved = version_of(&st);
    }
    close(fd);
    return run->ended;
}

static void set_state(struct run *run, enum run_state state)
{
    if (run->state == state)
        return;
    run->state = state;
    run->change++;
}

void run_look(struct run *run, int folder)
{
    int locked;

    if (!look_at_description(run, folder)) {
        set_state(run, RUN_BROKEN);
        return;
    }
    locked = look_at_log(run, folder);
    run->was_locked |= locked;
    if (run->unread)
        set_state(run, RUN_READING);
    else if (locked)
        set_state(run, RUN_TRAINING);
    else if (has_ended(run, folder))
        set_state(run, RUN_FINISHED);
    else if (!run->was_locked && run->grew > 0 &&
             serve_now() - run->grew < GROWS_SECONDS)
        set_state(run, RUN_TRAINING);
    else
        set_state(run, RUN_STOPPED);
}

void run_lost(struct run *run, const char *reason)
{
    fail(run, "its folder", reason);
    set_state(run, RUN_BROKEN);
    run->described = (struct version){0};
}

/* --------------------------------------------------------------------- life */

struct run *run_create(uint64_t id, const char *name, const char *shown)
{
    struct run *run = calloc(1, sizeof(*run));

    if (!run)
        return NULL;
    run->id = id;
    run->name = strdup(name);
    run->shown = strdup(shown);
    if (!run->name || !run->shown) {
        run_destroy(run);
        return NULL;
    }
    forget_log(run);
    return run;
}

void run_destroy(struct run *run)
{
    if (!run)
        return;
    json_decref(run->text);
    free(run->name);
    free(run->shown);
    free(run);
}

json_t *run_summary(const struct run *run)
{
    static const char *const states[] = {[RUN_BROKEN] = "broken",
                                         [RUN_STOPPED] = "stopped",
                                         [RUN_READING] = "reading",
                                         [RUN_TRAINING] = "training",
                                         [RUN_FINISHED] = "finished"};
    const json_t *network = part_of(run, "network");
    json_t *o = json_new();

    json_put(o, "name", json_text(run->shown));
    json_put(o, "state", json_text(states[run->state]));
    json_put(o, "error", json_text(run->error[0] ? run->error : NULL));
    json_put(o, "net", json_text(run->net));
    json_put(o, "params", json_double(number_of(network, "params")));
    json_put(o, "tested_on", json_text(run->net ? run->test_name : NULL));
    json_put(o, "iteration", json_count((uint64_t)run->iteration));
    json_put(o, "iterations",
             json_count((uint64_t)(run->net ? run->iterations : 0)));
    for (size_t i = 0; i < CURVES; i++)
        json_put(o, curve_names[i], json_double(run->last[i]));
    json_put(o, "best_error", json_double(run->best_error));
    json_put(o, "best_iteration", json_count((uint64_t)run->best_iteration));
    json_put(o, "lr", json_double(run->lr));
    json_put(o, "images_per_second", json_double(run->speed));
    json_put(o, "changed", json_count((uint64_t)run->logged.changed.tv_sec));
    json_put(o, "broken_lines", json_count((uint64_t)run->broken_lines));
    return o;
}

void run_describe(const struct run *run, json_t *object)
{
    static const char *const parts[] = {"options", "network", "data",
                                        "machine"};

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        const json_t *part = part_of(run, parts[i]);

        json_put(object, parts[i],
                 part ? json_incref((json_t *)part) : json_null());
    }
}
