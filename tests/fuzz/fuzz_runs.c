/* SPDX-License-Identifier: BSD-2-Clause */
/* What `resnet serve --runs` reads of a run's folder, on any bytes. The first
 * one says which file has them: 'r' run.json, 'l' log.jsonl, 's' the last
 * checkpoint, 'c' confusion.csv, 'm' mistakes.html. */
#include "fuzz.h"

#include "../../cli/jobs.h"
#include "../../cli/output.h"
#include "../../cli/serve/runs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char description[] =
    "{\"iterations\": 9, \"network\": {\"net\": \"resnet20\"}, \"options\": "
    "{\"patience\": 2}}";

static const struct {
    char letter;
    const char *name;
} files[] = {{'r', "run.json"},
             {'l', "log.jsonl"},
             {'s', "last.safetensors"},
             {'c', "confusion.csv"},
             {'m', "mistakes.html"}};

/* What the rest of the program would bring. */
json_t *json_new(void)
{
    return json_object();
}

json_t *json_list(void)
{
    return json_array();
}

void json_put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        abort();
}

void json_add(json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) != 0)
        abort();
}

json_t *json_double(double value)
{
    json_t *number = json_real(value); /* NULL: it is not finite */

    return number ? number : json_null();
}

json_t *json_count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

json_t *json_text(const char *text)
{
    json_t *string = text ? json_string(text) : NULL; /* NULL: no UTF-8 */

    return string ? string : json_null();
}

int job_is_locked(int file)
{
    (void)file;
    return 0;
}

double serve_now(void)
{
    return 1;
}

static void write_file(int folder, const char *name, const void *bytes,
                       size_t size)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
    close(fd);
}

static void look(int folder)
{
    struct run *run = run_create(1, "", "run");
    json_t *object;

    if (!run)
        abort();
    run_look(run, folder);
    run_look(run, folder);
    object = run_summary(run);
    run_describe(run, object);
    for (size_t i = 0; i < CURVES; i++) {
        if (run->curves[i].count > POINTS)
            abort();
        json_put(object, "points", run_points(&run->curves[i], 0));
    }
    results_put(object, folder);
    json_decref(object);
    run_destroy(run);
}

/* In memory where there is such a place: a disk takes most of the time. */
static char place[] = "/dev/shm/fuzz-runs-XXXXXX";
static char other_place[] = "/tmp/fuzz-runs-XXXXXX";
static const char *made;

static void remove_folder(void)
{
    rmdir(made);
}

static int open_folder(void)
{
    int folder;

    if (!made) {
        made = mkdtemp(place) ? place : mkdtemp(other_place);
        if (!made || atexit(remove_folder) != 0)
            abort();
    }
    folder = open(made, O_RDONLY | O_DIRECTORY);
    if (folder < 0)
        abort();
    return folder;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    int folder = open_folder();

    write_file(folder, "run.json", description, sizeof(description) - 1);
    for (size_t i = 0; size && i < sizeof(files) / sizeof(*files); i++)
        if (files[i].letter == bytes[0])
            write_file(folder, files[i].name, bytes + 1, size - 1);
    look(folder);
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        unlinkat(folder, files[i].name, 0);
    close(folder);
    return 0;
}
