/* SPDX-License-Identifier: BSD-2-Clause */
/* log.jsonl: a JSON object a line, for each report and each record of layers;
 * log.csv: the reports as a table. */
#include "train/run.h"

#include "core/count.h"
#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Digits of the figures in the log. */
#define DIGITS 6
/* Whole numbers have all of theirs. */
#define INTEGER_DIGITS 15

int rn_log_open(struct rn_log *log, const char *path, struct rn_error *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    log->path = path;
    log->file = fopen(path, "a+e");
    if (!log->file)
        return rn_fail_errno(err, "open", path);
    /* Of the open file, and one that others can ask about without taking it
     * (F_OFD_GETLK). Some network file systems have no locks: go without. */
    if (fcntl(fileno(log->file), F_OFD_SETLK, &whole) != 0 &&
        (errno == EAGAIN || errno == EACCES))
        return rn_fail(err, RN_ERR_ARG,
                       "'%s': another process is training here", path);
    return RN_OK;
}

/* How far a log has been read. */
struct reading {
    long last[2];    /* iteration of reports, of records */
    long iterations; /* of the whole run */
};

/* A line's object, iteration and kind; false when it is none of the log: not
 * JSON, or of an iteration that does not come after those before, or that the
 * run does not have. Behind a wrong large one all others would seem to be none.
 */
static bool parse_line(struct reading *r, const char *text, size_t length,
                       struct rn_log_entry *line)
{
    const json_t *value;

    /* zeros are what a file system leaves of a block that it lost */
    if (strlen(text) != length)
        return false;
    line->object = rn_json_load(text, length, 0, NULL);
    value = json_object_get(line->object, "iteration");
    line->iteration = (long)json_integer_value(value);
    line->record = json_object_get(line->object, "gradients") != NULL;
    if (!json_is_integer(value) || line->iteration <= r->last[line->record] ||
        line->iteration > r->iterations)
        return false;
    r->last[line->record] = line->iteration;
    return true;
}

static void count_line(struct rn_log_faults *faults, bool good)
{
    faults->lines++;
    if (!good && faults->broken++ == 0)
        faults->first = faults->lines;
}

/* A line cut short by a kill has no end and is not counted. What is none of a
 * log stays where good lines follow: those are not to be had again. */
int rn_log_cut(struct rn_log *log, long reported, long recorded,
               long iterations, struct rn_log_faults *faults,
               struct rn_error *err)
{
    struct reading r = {.iterations = iterations};
    struct rn_log_faults read = {.lines = 0};
    char *text = NULL;
    size_t size = 0;
    ssize_t length;
    bool failed;
    off_t keep = 0, past = 0;

    *faults = read;
    rewind(log->file);
    while ((length = getline(&text, &size, log->file)) > 0 &&
           text[length - 1] == '\n') {
        struct rn_log_entry line = {.object = NULL};
        bool good = parse_line(&r, text, (size_t)length, &line);

        json_decref(line.object);
        if (good && line.iteration > (line.record ? recorded : reported))
            break;
        count_line(&read, good);
        past += length;
        if (!good)
            continue;
        keep = past;
        *faults = read;
    }
    /* Neither a bad disk nor short memory is the end of the log. */
    failed = length < 0 && !feof(log->file);
    free(text);
    if (failed)
        return rn_fail_errno(err, "read", log->path);
    fseek(log->file, 0, SEEK_END);
    if (ftruncate(fileno(log->file), keep) != 0)
        return rn_fail_errno(err, "shorten", log->path);
    return RN_OK;
}

int rn_log_read(const char *path, long iterations,
                bool (*take)(void *user, const struct rn_log_entry *line),
                void *user, struct rn_log_faults *faults, struct rn_error *err)
{
    struct reading r = {.iterations = iterations};
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    ssize_t length = 0;
    int rc = file ? RN_OK : rn_fail_errno(err, "open", path);

    *faults = (struct rn_log_faults){.lines = 0};
    while (rc == RN_OK && (length = getline(&text, &size, file)) > 0 &&
           text[length - 1] == '\n') {
        struct rn_log_entry line = {.object = NULL};
        bool good = parse_line(&r, text, (size_t)length, &line);

        count_line(faults, good);
        if (good && !take(user, &line))
            rc = rn_fail_memory(err, size, "a log");
        json_decref(line.object);
    }
    if (rc == RN_OK && length < 0 && !feof(file))
        rc = rn_fail_errno(err, "read", path);
    free(text);
    if (file)
        fclose(file);
    return rc;
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

/* -------------------------------------------------------------- log.csv */

/* What a line does not have is empty. */
static void write_row(struct rn_log *log, const json_t *line)
{
    for (int i = 0; i < log->columns; i++) {
        const json_t *value = json_object_get(line, log->column[i]);

        if (i > 0)
            putc(',', log->table);
        if (json_is_number(value))
            rn_print(log->table, "%.*g",
                     json_is_integer(value) ? INTEGER_DIGITS : DIGITS,
                     json_number_value(value));
    }
    putc('\n', log->table);
}

static int flush_table(struct rn_log *log, struct rn_error *err)
{
    errno = 0;
    if (fflush(log->table) != 0 || ferror(log->table))
        return rn_fail_errno(err, "write", log->table_path);
    return RN_OK;
}

static bool copy_line(void *user, const struct rn_log_entry *line)
{
    if (!line->record)
        write_row(user, line->object);
    return true;
}

int rn_log_table(struct rn_log *log, const char *path,
                 const struct rn_measured *measured, int measures, bool aux,
                 long iterations, struct rn_error *err)
{
    static const char *const columns[] = {
        "iteration",         "epoch",    "loss", "train_error", "lr",
        "images_per_second", "data_wait"};
    struct rn_log_faults faults;
    int rc;

    log->columns = 0;
    for (size_t i = 0; i < COUNT(columns); i++)
        log->column[log->columns++] = columns[i];
    if (aux)
        log->column[log->columns++] = "aux_loss";
    for (int i = 0; i < measures; i++)
        log->column[log->columns++] = measured[i].name;
    log->table_path = path;
    log->table = fopen(path, "we");
    if (!log->table)
        return rn_fail_errno(err, "open", path);
    for (int i = 0; i < log->columns; i++)
        fprintf(log->table, "%s%s", i ? "," : "", log->column[i]);
    putc('\n', log->table);
    rc = rn_log_read(log->path, iterations, copy_line, log, &faults, err);
    return rc ? rc : flush_table(log, err);
}

/* Takes the reference; NULL stands for a lack of memory. */
static int write_line(struct rn_log *log, json_t *line, struct rn_error *err)
{
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

int rn_log_line(struct rn_log *log, const struct rn_train_report *report,
                struct rn_error *err)
{
    json_t *line = report_json(report);
    int rc;

    if (line && log->table)
        write_row(log, line);
    rc = write_line(log, line, err);
    return !rc && log->table ? flush_table(log, err) : rc;
}

int rn_log_record(struct rn_log *log, long iteration, json_t *gradients,
                  json_t *activations, struct rn_error *err)
{
    return write_line(log,
                      json_pack("{s:I, s:o, s:o}", "iteration",
                                (json_int_t)iteration, "gradients", gradients,
                                "activations", activations),
                      err);
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
    if (log->table)
        fclose(log->table);
    log->file = log->table = NULL;
}
