/* SPDX-License-Identifier: BSD-2-Clause */
/* log.jsonl: a JSON object a line, for each report. */
#include "train/run.h"

#include "core/memory.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Digits of the figures in the log. */
#define DIGITS 6

int rn_log_open(struct rn_log *log, const char *path, struct rn_error *err)
{
    log->path = path;
    log->file = fopen(path, "a+e");
    if (!log->file)
        return rn_fail_errno(err, "open", path);
    /* Some network file systems have no locks: go without. */
    if (flock(fileno(log->file), LOCK_EX | LOCK_NB) != 0 &&
        errno == EWOULDBLOCK)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s': another process is training here", path);
    return RN_OK;
}

/* Iteration of a line, -1 when it is no log line. */
static long line_iteration(const char *line)
{
    json_t *object = rn_json_load(line, strlen(line), 0, NULL);
    const json_t *value = json_object_get(object, "iteration");
    long iteration =
        json_is_integer(value) ? (long)json_integer_value(value) : -1;

    json_decref(object);
    return iteration;
}

/* A line cut short by a kill has no end and is not counted. */
int rn_log_cut(struct rn_log *log, long iteration, struct rn_error *err)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    bool failed;
    off_t keep = 0;

    rewind(log->file);
    while ((length = getline(&line, &size, log->file)) > 0) {
        long at = line[length - 1] == '\n' ? line_iteration(line) : -1;

        if (at < 0 || at > iteration)
            break;
        keep += length;
    }
    /* Neither a bad disk nor short memory is the end of the log. */
    failed = length < 0 && !feof(log->file);
    free(line);
    if (failed)
        return rn_fail_errno(err, "read", log->path);
    fseek(log->file, 0, SEEK_END);
    if (ftruncate(fileno(log->file), keep) != 0)
        return rn_fail_errno(err, "shorten", log->path);
    return RN_OK;
}

/* JSON has no word for what is not finite: null. */
static int set_real(json_t *object, const char *name, double value)
{
    return json_object_set_new(
        object, name, isfinite(value) ? json_real(value) : json_null());
}

static json_t *report_json(const struct rn_train_report *r)
{
    json_t *line = json_object();
    int failed = !line;

    if (failed)
        return NULL;
    failed |=
        json_object_set_new(line, "iteration", json_integer(r->iteration));
    failed |= set_real(line, "epoch", r->epoch);
    failed |= set_real(line, "loss", r->loss);
    if (r->aux_heads)
        failed |= set_real(line, "aux_loss", r->aux_loss);
    failed |= set_real(line, "train_error", r->train_error);
    failed |= set_real(line, "lr", r->lr);
    failed |= set_real(line, "images_per_second", r->images_per_second);
    failed |= set_real(line, "data_wait", r->data_wait);
    for (int i = 0; i < r->measures; i++)
        failed |= set_real(line, r->measured[i].name, r->measured[i].value);
    if (!failed)
        return line;
    json_decref(line);
    return NULL;
}

int rn_log_line(struct rn_log *log, const struct rn_train_report *report,
                struct rn_error *err)
{
    json_t *line = report_json(report);
    char *text =
        !line ? NULL : rn_json_print(line, JSON_REAL_PRECISION(DIGITS));
    int failed;

    json_decref(line);
    if (!text)
        return rn_fail_memory(err, 256, "a log line");
    errno = 0;
    failed = fputs(text, log->file) == EOF || fputc('\n', log->file) == EOF ||
             fflush(log->file) != 0;
    free(text);
    return failed ? rn_fail_errno(err, "write", log->path) : RN_OK;
}

int rn_log_sync(struct rn_log *log, struct rn_error *err)
{
    /* EINVAL: what the log goes to cannot be synced, a pipe for one. */
    if (fdatasync(fileno(log->file)) != 0 && errno != EINVAL)
        return rn_fail_errno(err, "write", log->path);
    return RN_OK;
}

void rn_log_close(struct rn_log *log)
{
    if (log->file)
        fclose(log->file);
    log->file = NULL;
}
