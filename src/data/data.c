/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening data sets: recognised by content, read whole into memory. */
#include "data/reader.h"

#include "core/file.h"
#include "core/memory.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct rn_reader *const readers[] = {
    &rn_reader_cifar10, &rn_reader_cifar100, &rn_reader_idx};
#define READERS (sizeof readers / sizeof readers[0])

/* Where the files lie within the folder given: there, or where the usual
 * archives unpack to. */
static const char *const inner[] = {"", "cifar-10-batches-bin",
                                    "cifar-100-binary", "raw"};
#define INNER (sizeof inner / sizeof inner[0])

/* ------------------------------------------------------ what readers share */

bool rn_reader_has(const char *folder, const char *name)
{
    char *path = rn_path_join(folder, name);
    bool has = path && rn_is_file(path);

    rn_free(path);
    return has;
}

int rn_reader_allocate(struct rn_data *data, int which, size_t count,
                       struct rn_error *err)
{
    const struct rn_shape *s = &data->shape;
    size_t image = (size_t)s->c * (size_t)s->h * (size_t)s->w, bytes;

    if (count > INT_MAX || !rn_size_mul(count, image, &bytes) ||
        bytes > RN_DATA_MAX_BYTES)
        return rn_fail(err, RN_ERR_DATA,
                       "%zu images of %dx%dx%d are too many, expected at most "
                       "%zu bytes",
                       count, s->c, s->h, s->w, RN_DATA_MAX_BYTES);
    data->pixels[which] = rn_alloc(count, image);
    data->labels[which] = rn_alloc(count, sizeof *data->labels[which]);
    if (!data->pixels[which] || !data->labels[which])
        return rn_fail_memory(err, bytes, "images");
    data->part[which ? RN_PART_TEST : RN_PART_TRAIN] = (struct rn_images){
        (int)count, data->pixels[which], data->labels[which], NULL};
    return RN_OK;
}

int rn_reader_check_labels(const uint16_t *labels, size_t count, int classes,
                           const char *path, struct rn_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (labels[i] >= classes)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': image %zu has label %d, expected 0 to %d",
                           path, i, labels[i], classes - 1);
    return RN_OK;
}

/* ----------------------------------------------------------------- opening */

/* The reader that knows the files in `folder`, or NULL. */
static const struct rn_reader *recognise(const char *folder)
{
    for (size_t i = 0; i < READERS; i++)
        if (readers[i]->recognise(folder))
            return readers[i];
    return NULL;
}

static int read_folder(struct rn_data *data, const char *path,
                       struct rn_error *err)
{
    const struct rn_reader *reader = NULL;
    int rc = RN_OK;

    for (size_t i = 0; i < INNER && !reader; i++) {
        char *folder =
            inner[i][0] ? rn_path_join(path, inner[i]) : rn_strdup(path);

        if (!folder)
            return rn_fail_memory(err, strlen(path), "a file name");
        reader = recognise(folder);
        if (reader)
            rc = reader->read(data, folder, err);
        rn_free(folder);
    }
    if (!reader)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' holds no data set that is known; looked for "
                     "CIFAR-10 (data_batch_1.bin), CIFAR-100 (train.bin) and "
                     "IDX files (train-images-idx3-ubyte, also .gz)",
                     path);
    return rc;
}

static int read_spec(struct rn_data *data, const char *spec,
                     struct rn_error *err)
{
    struct stat st;

    if (!strncmp(spec, "synthetic:", strlen("synthetic:")))
        return rn_read_synthetic(data, spec, err);
    if (stat(spec, &st))
        return rn_fail_errno(err, "open", spec);
    if (!S_ISDIR(st.st_mode))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' is a file, expected a folder that holds a data "
                       "set",
                       spec);
    if (access(spec, R_OK | X_OK))
        return rn_fail_errno(err, "read", spec);
    return read_folder(data, spec, err);
}

/* He et al. 2016, section 4.2: 45,000 of CIFAR-10's 50,000 training images
 * are trained on, 5,000 held out. */
static int split_validation(struct rn_data *data, int count,
                            struct rn_error *err)
{
    struct rn_images *train = &data->part[RN_PART_TRAIN];
    const struct rn_shape *s = &data->shape;
    size_t image = (size_t)s->c * (size_t)s->h * (size_t)s->w;

    if (count < 0 || count >= train->count)
        return rn_fail(err, RN_ERR_ARG,
                       "cannot hold out %d images for validation of %d "
                       "training images of '%s', expected 0 to %d",
                       count, train->count, data->spec, train->count - 1);
    train->count -= count;
    if (count)
        data->part[RN_PART_VALIDATION] = (struct rn_images){
            count, train->pixels + (size_t)train->count * image,
            train->labels + train->count, NULL};
    return RN_OK;
}

/* The same for every validation split: it tells the data, not its use. */
static uint64_t checksum(const struct rn_data *data, int train, int test)
{
    const struct rn_shape *s = &data->shape;
    size_t image = (size_t)s->c * (size_t)s->h * (size_t)s->w;
    const int32_t shape[] = {s->c, s->h, s->w, data->classes, train, test};
    const int count[2] = {train, test};
    uint64_t sum = rn_checksum(0, shape, sizeof shape);

    for (int i = 0; i < 2; i++) {
        size_t n = (size_t)count[i];

        if (!n)
            continue;
        sum = rn_checksum(sum, data->labels[i], n * sizeof *data->labels[i]);
        sum = rn_checksum(sum, data->pixels[i], n * image);
    }
    return sum;
}

int rn_data_open(struct rn_data **out, const char *spec, int validation,
                 struct rn_error *err)
{
    struct rn_data *data;
    int rc;

    *out = NULL;
    if (!spec || !*spec)
        return rn_fail(err, RN_ERR_ARG, "no data set is given");
    data = rn_alloc(1, sizeof *data);
    if (!data)
        return rn_fail_memory(err, sizeof *data, "a data set");
    data->spec = rn_strdup(spec);
    rc = data->spec ? read_spec(data, spec, err)
                    : rn_fail_memory(err, strlen(spec), "a name");
    if (rc)
        goto out;
    data->checksum = checksum(data, data->part[RN_PART_TRAIN].count,
                              data->part[RN_PART_TEST].count);
    rc = split_validation(data, validation, err);
out:
    if (rc) {
        rn_data_close(data);
        data = NULL;
    }
    *out = data;
    return rc;
}

void rn_data_close(struct rn_data *data)
{
    if (!data)
        return;
    for (int i = 0; i < 2; i++) {
        rn_free(data->pixels[i]);
        rn_free(data->labels[i]);
    }
    rn_names_free(data->class_names);
    rn_free(data->spec);
    rn_free(data);
}

/* ------------------------------------------------------------------ asking */

const char *rn_part_name(enum rn_part part)
{
    switch (part) {
    case RN_PART_TRAIN:
        return "train";
    case RN_PART_VALIDATION:
        return "validation";
    case RN_PART_TEST:
        return "test";
    }
    return "unknown";
}

void rn_data_describe(const struct rn_data *data, struct rn_data_info *info)
{
    *info = (struct rn_data_info){
        .format = data->format,
        .channels = data->shape.c,
        .height = data->shape.h,
        .width = data->shape.w,
        .classes = data->classes,
        .checksum = data->checksum,
    };
    for (int i = 0; i < 3; i++)
        info->count[i] = data->part[i].count;
}

int rn_data_image(const struct rn_data *data, enum rn_part part, int index,
                  uint8_t *pixels, int *label, struct rn_error *err)
{
    const struct rn_shape *s = &data->shape;
    size_t image = (size_t)s->c * (size_t)s->h * (size_t)s->w;
    const struct rn_images *images;

    if ((unsigned)part > RN_PART_TEST)
        return rn_fail(err, RN_ERR_ARG, "'%s' has no part number %d",
                       data->spec, (int)part);
    images = &data->part[part];
    if (index < 0 || index >= images->count)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' has %d %s images, there is no number %d",
                       data->spec, images->count, rn_part_name(part), index);
    if (pixels)
        memcpy(pixels, images->pixels + (size_t)index * image, image);
    if (label)
        *label = images->labels[index];
    return RN_OK;
}

const char *rn_data_class_name(const struct rn_data *data, int i)
{
    if (!data->class_names || i < 0 || i >= data->classes)
        return NULL;
    return data->class_names[i];
}
