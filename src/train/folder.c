/* SPDX-License-Identifier: BSD-2-Clause */
/* The run folder. */
#include "train/run.h"

#include "core/count.h"
#include "core/file.h"
#include "core/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int rn_run_name(struct rn_run *run, const char *folder, struct rn_error *err)
{
    *run = (struct rn_run){
        .folder = rn_strdup(folder),
        .options = rn_path_join(folder, "run.json"),
        .log = rn_path_join(folder, "log.jsonl"),
        .table = rn_path_join(folder, "log.csv"),
        .events = rn_path_join(folder, "events.out.tfevents.log"),
        .last = rn_path_join(folder, "last.safetensors"),
        .best = rn_path_join(folder, "best.safetensors"),
        .curve = rn_path_join(folder, "curve.svg"),
    };
    if (!run->folder || !run->options || !run->log || !run->table ||
        !run->events || !run->last || !run->best || !run->curve)
        return rn_fail_memory(err, 8 * strlen(folder), "file names");
    return RN_OK;
}

void rn_run_free(struct rn_run *run)
{
    rn_free(run->folder);
    rn_free(run->options);
    rn_free(run->log);
    rn_free(run->table);
    rn_free(run->events);
    rn_free(run->last);
    rn_free(run->best);
    rn_free(run->curve);
}

int rn_run_vacant(const struct rn_run *run, struct rn_error *err)
{
    const char *const files[] = {run->options, run->table, run->events,
                                 run->last,    run->best,  run->curve};
    struct stat log;
    bool holds = stat(run->log, &log) == 0 && log.st_size > 0;

    for (size_t i = 0; i < COUNT(files); i++)
        holds |= access(files[i], F_OK) == 0;
    if (!holds)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "'%s' already holds a run; resume it or choose another "
                   "folder",
                   run->folder);
}

/* One folder; that it is there already is fine. */
static int make_one(const char *path, struct rn_error *err)
{
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && rn_is_folder(path)))
        return RN_OK;
    return rn_fail_errno(err, "make folder", path);
}

int rn_run_make(const struct rn_run *run, struct rn_error *err)
{
    char *path = rn_strdup(run->folder);
    int rc = RN_OK;

    if (!path)
        return rn_fail_memory(err, strlen(run->folder), "a file name");
    for (char *p = strchr(path + 1, '/'); p && rc == RN_OK;
         p = strchr(p + 1, '/')) {
        *p = '\0';
        if (!rn_is_folder(path))
            rc = make_one(path, err);
        *p = '/';
    }
    if (rc == RN_OK)
        rc = make_one(path, err);
    rn_free(path);
    return rc;
}

int rn_run_describe(const struct rn_run *run, const json_t *texts,
                    struct rn_error *err)
{
    char *text = !texts ? NULL : rn_json_dump(texts, JSON_INDENT(2));
    size_t size;
    int rc;

    if (!text)
        return rn_fail_memory(err, 1024, "run.json");
    /* The zero byte that ends the text becomes the end of its last line. */
    size = strlen(text);
    text[size] = '\n';
    rc = rn_file_write(run->options, text, size + 1, err);
    rn_free(text);
    return rc;
}

void rn_run_sweep(const struct rn_run *run)
{
    static const char *const patterns[] = {"run.json.tmp-*", "curve.svg.tmp-*",
                                           "last.safetensors.tmp-*",
                                           "best.safetensors.tmp-*"};

    rn_file_sweep(run->folder, patterns, COUNT(patterns), 0);
}
