/* SPDX-License-Identifier: BSD-2-Clause */
/* CIFAR-10 and CIFAR-100, "binary version" (Krizhevsky 2009): records of one
 * label byte (CIFAR-100: coarse, then fine) and 32x32 red, green, blue
 * planes. */
#include "data/sets/cifar.h"
#include "data/sets/sets.h"

#include "core/file.h"
#include "core/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PIXELS      RN_CIFAR_PIXELS
#define MAX_RECORDS RN_CIFAR_RECORDS
#define MAX_LABELS  2
#define MAX_BATCHES RN_CIFAR_BATCHES

struct layout {
    const char *format;
    const char *train[MAX_BATCHES + 1]; /* NULL behind the last */
    const char *test;
    int labels;              /* label bytes of a record; the last counts, or
                                of the coarse ones the first */
    int classes[MAX_LABELS]; /* of each label byte */
    const char *names_file[MAX_LABELS]; /* likewise; may be absent */
    const char *const *names;           /* when it is; NULL: unknown */
};

static const char *const names10[] = {"airplane", "automobile", "bird", "cat",
                                      "deer",     "dog",        "frog", "horse",
                                      "ship",     "truck",      NULL};

static const struct layout cifar10 = {
    .format = "cifar10",
    .train = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
              "data_batch_4.bin", "data_batch_5.bin", NULL},
    .test = "test_batch.bin",
    .labels = 1,
    .classes = {10},
    .names_file = {"batches.meta.txt"},
    .names = names10,
};

static const struct layout cifar100 = {
    .format = "cifar100",
    .train = {"train.bin", NULL},
    .test = "test.bin",
    .labels = 2,
    .classes = {20, 100},
    .names_file = {"coarse_label_names.txt", "fine_label_names.txt"},
    .names = NULL,
};

static size_t record_size(const struct layout *l)
{
    return (size_t)l->labels + PIXELS;
}

/* The label that counts. */
static int which_label(const struct layout *l, const struct rn_data *data)
{
    return data->coarse ? 0 : l->labels - 1;
}

static bool recognise(const struct layout *l, const char *path)
{
    for (int i = 0; l->train[i]; i++)
        if (rn_reader_has(path, l->train[i]))
            return true;
    return rn_reader_has(path, l->test);
}

static int count_records(const struct layout *l, const char *path,
                         size_t *count, struct rn_error *err)
{
    struct stat st;

    if (stat(path, &st))
        return errno == ENOENT
                   ? rn_fail(err, RN_ERR_DATA,
                             "'%s' is missing, expected records of %zu bytes",
                             path, record_size(l))
                   : rn_fail_errno(err, "read", path);
    if (!S_ISREG(st.st_mode))
        return rn_fail(err, RN_ERR_DATA, "'%s' is not a regular file", path);
    if (st.st_size == 0 || (size_t)st.st_size % record_size(l))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' has %lld bytes, expected a positive multiple of "
                       "%zu (a record of %s)",
                       path, (long long)st.st_size, record_size(l), l->format);
    *count = (size_t)st.st_size / record_size(l);
    if (*count > MAX_RECORDS)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' has %lld bytes, %zu records of %s, expected at "
                       "most %d",
                       path, (long long)st.st_size, *count, l->format,
                       MAX_RECORDS);
    return RN_OK;
}

static int check_labels(const struct layout *l, const uint8_t *record,
                        size_t number, const char *path, struct rn_error *err)
{
    for (int i = 0; i < l->labels; i++)
        if (record[i] >= l->classes[i])
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': record %zu has label %d, expected 0 to %d",
                           path, number, record[i], l->classes[i] - 1);
    return RN_OK;
}

static int read_records(const struct layout *l, const char *path, size_t count,
                        int which, uint8_t *pixels, uint16_t *labels,
                        struct rn_error *err)
{
    uint8_t record[MAX_LABELS + PIXELS];
    FILE *file = fopen(path, "rb");
    int rc = RN_OK;

    if (!file)
        return rn_fail_errno(err, "open", path);
    for (size_t i = 0; i < count && !rc; i++) {
        if (fread(record, record_size(l), 1, file) != 1) {
            rc = ferror(file) ? rn_fail_errno(err, "read", path)
                              : rn_fail(err, RN_ERR_DATA,
                                        "'%s' ends after %zu records, "
                                        "expected %zu",
                                        path, i, count);
            break;
        }
        rc = check_labels(l, record, i, path, err);
        labels[i] = record[which];
        memcpy(pixels + i * PIXELS, record + l->labels, PIXELS);
    }
    fclose(file);
    return rc;
}

/* Read `files` one behind the other as the training (0) or test part (1). */
static int read_files(const struct layout *l, struct rn_data *data, int which,
                      char *const *files, struct rn_error *err)
{
    size_t count[MAX_BATCHES], total = 0, done = 0;
    int rc;

    for (int i = 0; files[i]; i++) {
        rc = count_records(l, files[i], &count[i], err);
        if (rc)
            return rc;
        total += count[i];
    }
    rc = rn_reader_allocate(data, which, total, err);
    for (int i = 0; files[i] && !rc; i++) {
        rc = read_records(l, files[i], count[i], which_label(l, data),
                          data->pixels[which] + done * PIXELS,
                          data->labels[which] + done, err);
        done += count[i];
    }
    return rc;
}

static int read_part(const struct layout *l, struct rn_data *data, int which,
                     const char *folder, const char *const *names,
                     struct rn_error *err)
{
    char *files[MAX_BATCHES + 1] = {NULL};
    int rc = RN_OK;

    for (int i = 0; names[i] && !rc; i++) {
        files[i] = rn_path_join(folder, names[i]);
        if (!files[i])
            rc = rn_fail_memory(err, strlen(folder), "a file name");
    }
    if (!rc)
        rc = read_files(l, data, which, files, err);
    for (int i = 0; i < MAX_BATCHES; i++)
        rn_free(files[i]);
    return rc;
}

static int read_names(const struct layout *l, struct rn_data *data,
                      const char *folder, struct rn_error *err)
{
    const char *name = l->names_file[which_label(l, data)];
    char *path;
    int count = 0, rc;

    if (!rn_reader_has(folder, name))
        return l->names ? rn_names_set(data, l->names, data->classes, err)
                        : RN_OK;
    path = rn_path_join(folder, name);
    if (!path)
        return rn_fail_memory(err, strlen(folder), "a file name");
    rc = rn_names_read(data, path, &count, err);
    if (!rc && count != data->classes)
        rc = rn_fail(err, RN_ERR_DATA, "'%s' names %d classes, expected %d",
                     path, count, data->classes);
    rn_free(path);
    return rc;
}

static int read_folder(const struct layout *l, struct rn_data *data,
                       const char *path, struct rn_error *err)
{
    const char *test[] = {l->test, NULL};
    int rc;

    data->format = l->format;
    data->shape = (struct rn_shape){3, RN_CIFAR_SIDE, RN_CIFAR_SIDE};
    data->classes = l->classes[which_label(l, data)];
    if (!recognise(l, path))
        return rn_cifar_python_read(data, path, l == &cifar100, l->names, err);
    rc = read_part(l, data, 0, path, l->train, err);
    if (!rc)
        rc = read_part(l, data, 1, path, test, err);
    return rc ? rc : read_names(l, data, path, err);
}

static bool recognise10(const char *path)
{
    return recognise(&cifar10, path) || rn_cifar_python_recognise(path, false);
}

static int read10(struct rn_data *data, const char *path, struct rn_error *err)
{
    return read_folder(&cifar10, data, path, err);
}

static bool recognise100(const char *path)
{
    return recognise(&cifar100, path) || rn_cifar_python_recognise(path, true);
}

static int read100(struct rn_data *data, const char *path, struct rn_error *err)
{
    return read_folder(&cifar100, data, path, err);
}

const struct rn_reader rn_reader_cifar10 = {"cifar10", recognise10, read10};
const struct rn_reader rn_reader_cifar100 = {"cifar100", recognise100, read100};
