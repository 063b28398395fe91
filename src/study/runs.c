/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds run folders and reads what they say of themselves. */
#include "core/file.h"
#include "core/json.h"
#include "core/locale.h"
#include "core/text.h"
#include "study/study.h"
#include "train/run.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LEVELS      4
#define TEXT_LIMIT  ((size_t)1 << 20)
#define TRAIN_LINES 400 /* more only make noise: means are kept */

struct search {
    struct rn_runs *runs;
    const char *root;
    void (*message)(void *user, const char *text);
    void *user;
    struct rn_error *err;
};

static void tell(const struct search *s, const char *text)
{
    if (s->message)
        s->message(s->user, text);
}

/* --------------------------------------------------------------- run.json */

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* 0 of what is no whole number that fits. */
static long count_of(const json_t *object, const char *key)
{
    return (long)json_integer_value(json_object_get(object, key));
}

static void describe(struct rn_found *run)
{
    const json_t *network = json_object_get(run->text, "network");
    const json_t *data = json_object_get(run->text, "data");

    run->options = json_object_get(run->text, "options");
    run->net = text_of(network, "net");
    run->data = text_of(data, "checksum");
    run->params = number_of(network, "params");
    run->macs = number_of(network, "macs");
    run->memory = number_of(network, "train_bytes");
    run->images = count_of(run->options, "batch");
    if (count_of(run->options, "accumulate") > 1)
        run->images *= count_of(run->options, "accumulate");
    run->iterations = count_of(run->text, "iterations");
    run->test_name = number_of(data, "validation") > 0 ? "validation" : "test";
}

static int read_description(struct rn_found *run, const char *folder,
                            struct rn_error *err)
{
    char *path = rn_path_join(folder, "run.json"), *text = NULL;
    size_t size = 0;
    int rc = path ? rn_text_read(path, TEXT_LIMIT, &text, &size, err)
                  : rn_fail_memory(err, strlen(folder), "a file name");

    if (rc == RN_OK)
        rc = rn_json_parse(&run->text, text, size, path, "run.json", err);
    if (rc == RN_OK)
        describe(run);
    if (rc == RN_OK && (!run->net || !run->options || run->iterations < 1))
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' does not describe a run: network, options or "
                     "iterations are missing",
                     path);
    rn_free(text);
    rn_free(path);
    return rc;
}

/* -------------------------------------------------------------- log.jsonl */

static double real_of(const json_t *line, const char *key)
{
    const json_t *value = json_object_get(line, key);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* A finite value becomes a point. */
static bool add(struct rn_points *points, long x, double y)
{
    return !isfinite(y) || rn_points_add(points, (double)x, y);
}

static bool take_record(struct rn_found *run, const struct rn_log_entry *line)
{
    if (!run->records)
        run->records = json_array();
    return run->records && json_array_append(run->records, line->object) == 0;
}

static bool take_report(struct rn_found *run, const struct rn_log_entry *line)
{
    double speed = real_of(line->object, "images_per_second");
    double tested = real_of(line->object, "test_error");

    if (speed > 0)
        run->seconds += (double)(line->iteration - run->iteration) *
                        (double)run->images / speed;
    run->iteration = line->iteration;
    run->train_error = real_of(line->object, "train_error");
    run->loss = real_of(line->object, "loss");
    if (isfinite(tested)) {
        run->test_error = tested;
        run->test_loss = real_of(line->object, "test_loss");
        run->best_error = fmin(run->best_error, tested);
    }
    return add(&run->train, line->iteration, run->train_error) &&
           add(&run->test, line->iteration, tested);
}

static bool take_line(void *user, const struct rn_log_entry *line)
{
    return (line->record ? take_record : take_report)(user, line);
}

static int read_log(struct rn_found *run, const char *folder,
                    const struct search *s)
{
    char *path = rn_path_join(folder, "log.jsonl"), message[600];
    struct rn_log_faults faults;
    int rc;

    if (!path)
        return rn_fail_memory(s->err, strlen(folder), "a file name");
    if (!rn_is_file(path)) { /* it has only begun */
        rn_free(path);
        return RN_OK;
    }
    rc = rn_log_read(path, run->iterations, take_line, run, &faults, s->err);
    rn_points_thin(&run->train, TRAIN_LINES);
    if (rc == RN_OK && faults.broken) {
        rn_format(message, sizeof(message),
                  "'%s': %ld of %ld lines are none of a log and left out, the "
                  "first is line %ld",
                  path, faults.broken, faults.lines, faults.first);
        tell(s, message);
    }
    rn_free(path);
    return rc;
}

/* Its length is done, or `patience` ended it, which its checkpoint says. */
static int read_end(struct rn_found *run, const char *folder,
                    struct rn_error *err)
{
    struct rn_run_state state = {.finished = 0};
    int rc = RN_OK;

    if (run->iteration < run->iterations &&
        number_of(run->options, "patience") > 0)
        rc = rn_run_get(folder, &state, err);
    run->finished = run->iteration >= run->iterations || state.finished;
    return rc;
}

/* ---------------------------------------------------------------- folders */

static void free_run(struct rn_found *run)
{
    rn_free(run->name);
    rn_free(run->train.at);
    rn_free(run->test.at);
    json_decref(run->records);
    json_decref(run->text);
}

void rn_runs_free(struct rn_runs *runs)
{
    for (size_t i = 0; i < runs->count; i++)
        free_run(&runs->at[i]);
    rn_free(runs->at);
    *runs = (struct rn_runs){.count = 0};
}

/* The folder's name below the root; the root's own last part for itself. */
static const char *short_name(const struct search *s, const char *folder)
{
    size_t n = strlen(s->root);
    const char *slash = strrchr(folder, '/');

    if (strncmp(folder, s->root, n) == 0 && folder[n] == '/')
        return folder + n + 1;
    return slash && slash[1] ? slash + 1 : folder;
}

/* Whether a link led to this folder before, which is told of. */
static bool taken(const struct search *s, const char *folder,
                  const struct stat *st)
{
    char message[600];

    for (size_t i = 0; i < s->runs->count; i++) {
        const struct rn_found *run = &s->runs->at[i];

        if (run->inode != st->st_ino || run->device != st->st_dev)
            continue;
        rn_format(message, sizeof(message),
                  "'%s' is the same folder as '%s' and left out", folder,
                  run->name);
        tell(s, message);
        return true;
    }
    return false;
}

/* Only a lack of memory ends the search: a folder that cannot be read is told
 * of. */
static int take_run(const struct search *s, const char *folder)
{
    struct stat st = {.st_ino = 0};
    struct rn_found run = {.train_error = (double)NAN,
                           .loss = (double)NAN,
                           .test_error = (double)NAN,
                           .test_loss = (double)NAN,
                           .best_error = (double)INFINITY};
    struct rn_runs *runs = s->runs;
    int rc;

    if (stat(folder, &st) == 0 && taken(s, folder, &st))
        return RN_OK;
    run.device = st.st_dev;
    run.inode = st.st_ino;
    rc = read_description(&run, folder, s->err);
    if (rc == RN_OK)
        rc = read_log(&run, folder, s);
    if (rc == RN_OK)
        rc = read_end(&run, folder, s->err);
    if (rc == RN_OK) {
        run.name = rn_strdup(short_name(s, folder));
        if (!run.name ||
            !rn_grow(&runs->at, &runs->capacity, runs->count, sizeof(run)))
            rc = rn_fail_memory(s->err, sizeof(run), "a list of runs");
    }
    if (rc == RN_OK) {
        runs->at[runs->count++] = run;
        return RN_OK;
    }
    free_run(&run);
    if (rc == RN_ERR_MEMORY)
        return rc;
    tell(s, s->err->msg);
    return RN_OK;
}

static int search(const struct search *s, const char *folder, int level);

static int search_below(const struct search *s, const char *folder, int level,
                        struct dirent *const *entries, int count)
{
    int rc = RN_OK;

    for (int i = 0; i < count && rc == RN_OK; i++) {
        char *path = rn_path_join(folder, entries[i]->d_name);

        if (!path)
            return rn_fail_memory(s->err, strlen(folder), "a file name");
        if (rn_is_folder(path))
            rc = search(s, path, level + 1);
        rn_free(path);
    }
    return rc;
}

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int search(const struct search *s, const char *folder, int level)
{
    char *path = rn_path_join(folder, "run.json");
    struct dirent **entries;
    bool found;
    int count, rc;

    if (!path)
        return rn_fail_memory(s->err, strlen(folder), "a file name");
    found = rn_is_file(path);
    rn_free(path);
    if (found)
        return take_run(s, folder);
    if (level == LEVELS)
        return RN_OK;
    /* by name: which of a folder's links counts is not chance */
    count = scandir(folder, &entries, is_shown, versionsort);
    if (count < 0) {
        rn_fail_errno(s->err, "read folder", folder);
        if (level == 0)
            return RN_ERR_IO;
        tell(s, s->err->msg);
        return RN_OK;
    }
    rc = search_below(s, folder, level, entries, count);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return rc;
}

/* "runs/" is "runs", so that names are what stands behind it. */
static char *root_of(const char *folder)
{
    char *root = rn_strdup(folder);
    size_t n = strlen(folder);

    while (root && n > 1 && root[n - 1] == '/')
        root[--n] = '\0';
    return root;
}

/* plain20 comes before plain110. */
static int by_name(const void *a, const void *b)
{
    const struct rn_found *x = a, *y = b;

    return strverscmp(x->name, y->name);
}

int rn_runs_find(struct rn_runs *runs, const char *folder,
                 void (*message)(void *user, const char *text), void *user,
                 struct rn_error *err)
{
    struct rn_error own = {0};
    char *root = root_of(folder);
    const struct search s = {runs, root, message, user, err ? err : &own};
    int rc = root ? RN_OK
                  : rn_fail_memory(err, strlen(folder), "a folder's name");

    *runs = (struct rn_runs){.count = 0};
    if (rc == RN_OK)
        rc = search(&s, root, 0);
    if (rc == RN_OK && runs->count == 0)
        rc = rn_fail(err, RN_ERR_ARG,
                     "'%s' holds no runs: no folder below it has a run.json",
                     folder);
    rn_free(root);
    if (rc)
        rn_runs_free(runs);
    else
        qsort(runs->at, runs->count, sizeof(*runs->at), by_name);
    return rc;
}
