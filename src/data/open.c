/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens data sets: tells by their contents what they are, has them read, and
 * holds images out. */
#include "data/reader.h"
#include "data/remarks.h"
#include "data/sets/sets.h"

#include "core/count.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/option.h"
#include "core/sized.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct rn_reader *const readers[] = {
    &rn_reader_cifar10, &rn_reader_cifar100, &rn_reader_idx};
#define READERS COUNT(readers)

/* Where the files lie within the folder given: there, or where the usual
 * archives unpack to. */
static const char *const inner[] = {"",
                                    "cifar-10-batches-bin",
                                    "cifar-100-binary",
                                    "cifar-10-batches-py",
                                    "cifar-100-python",
                                    "raw"};
#define INNER COUNT(inner)

/* The reader that knows the files in `folder`, or NULL. */
static const struct rn_reader *recognise(const char *folder)
{
    for (size_t i = 0; i < READERS; i++)
        if (readers[i]->recognise(folder))
            return readers[i];
    return NULL;
}

static int fail_coarse(const char *path, const char *format,
                       struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA,
                   "'%s' is %s data, of which there are no coarse labels: "
                   "'" RN_DATA_COARSE "' stands before a folder of CIFAR-100",
                   path, format);
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
        if (reader && (!data->coarse || reader == &rn_reader_cifar100))
            rc = reader->read(data, folder, err);
        else if (reader)
            rc = fail_coarse(path, reader->format, err);
        rn_free(folder);
    }
    if (reader)
        return rc;
    if (data->coarse)
        return fail_coarse(path, "other", err);
    /* Last, for any folder of folders could be one of pictures. */
    if (rn_reader_pictures.recognise(path))
        return rn_reader_pictures.read(data, path, err);
    return rn_fail(
        err, RN_ERR_DATA,
        "'%s' holds no data set that is known; looked for CIFAR-10 "
        "(data_batch_1.bin or data_batch_1), CIFAR-100 (train.bin or "
        "train), IDX files "
        "(train-images-idx3-ubyte, also .gz), class folders with "
        "pictures, labels.txt and labels.csv",
        path);
}

static int read_spec(struct rn_data *data, const char *spec,
                     struct rn_error *err)
{
    struct stat st;

    if (!strncmp(spec, "synthetic:", strlen("synthetic:")))
        return rn_read_synthetic(data, spec, err);
    data->coarse = !strncmp(spec, RN_DATA_COARSE, strlen(RN_DATA_COARSE));
    if (data->coarse)
        spec += strlen(RN_DATA_COARSE);
    if (stat(spec, &st))
        return rn_fail_errno(err, "open", spec);
    if (S_ISREG(st.st_mode) && data->coarse)
        return fail_coarse(spec, "other", err);
    if (S_ISREG(st.st_mode))
        return rn_picture_archive_read(data, spec, err);
    if (!S_ISDIR(st.st_mode))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' is neither a folder nor an archive", spec);
    if (access(spec, R_OK | X_OK))
        return rn_fail_errno(err, "read", spec);
    return read_folder(data, spec, err);
}

/* He et al. 2016, section 4.2: 45,000 of CIFAR-10's 50,000 training images
 * are trained on, 5,000 held out. */
static int split_validation(struct rn_data *data, int count, int most,
                            struct rn_error *err)
{
    struct rn_images *train = &data->part[RN_PART_TRAIN], *out;

    if (!count)
        return RN_OK;
    if (count < 0 || count > most)
        return rn_fail(err, RN_ERR_ARG,
                       "cannot hold out %d images for validation of %d "
                       "training images of '%s', expected 0 to %d",
                       count, train->count, data->spec, most);
    out = &data->part[RN_PART_VALIDATION];
    if (out->count)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' has %d validation images of its own, cannot hold "
                       "out others",
                       data->spec, out->count);
    train->count -= count;
    *out = *train;
    out->count = count;
    out->labels += train->count;
    if (out->pixels)
        out->pixels += (size_t)train->count * rn_shape_size(data->shape);
    if (out->files)
        out->files += train->count;
    if (out->key)
        out->key += train->count;
    if (out->set)
        out->set += train->count;
    return RN_OK;
}

/* Images to hold out. */
static int validation_count(const struct rn_data *data,
                            const struct rn_data_options *o, int *count,
                            struct rn_error *err)
{
    double images = data->part[RN_PART_TRAIN].count;

    if (!(o->validation_percent >= 0 && o->validation_percent < 100) ||
        (o->validation && o->validation_percent > 0))
        return rn_fail(err, RN_ERR_ARG,
                       "cannot hold out %g %% and %d images for validation, "
                       "expected one of both, 0 to less than 100 %%",
                       o->validation_percent, o->validation);
    *count = o->validation;
    if (o->validation_percent > 0)
        *count = (int)(images * o->validation_percent / 100 + 0.5);
    if (o->validation_percent > 0 && *count == 0)
        return rn_fail(err, RN_ERR_ARG,
                       "cannot hold out %g %% of the %d training images of "
                       "'%s' for validation: that is not one",
                       o->validation_percent, (int)images, data->spec);
    return RN_OK;
}

static int hold_out(struct rn_data *data, const struct rn_data_options *o,
                    struct rn_error *err)
{
    int count = 0, rc = validation_count(data, o, &count, err);

    if (!rc && count && data->fetch)
        rc = rn_pictures_mix(data, o->seed, err);
    if (!rc && data->fetch)
        count = rn_pictures_copies(data, count);
    if (!rc)
        rc = split_validation(data, count, data->part[RN_PART_TRAIN].count - 1,
                              err);
    if (!rc && count && data->fetch)
        rc = rn_pictures_check_sides(data, err);
    return rc;
}

/* The same for every validation split: it tells the data, not its use. */
static uint64_t checksum(const struct rn_data *data, int train, int test)
{
    const struct rn_shape *s = &data->shape;
    const int32_t shape[] = {s->c, s->h, s->w, data->classes, train, test};
    const int count[2] = {train, test};
    uint64_t sum = rn_checksum(0, shape, sizeof(shape));

    for (int i = 0; i < 2; i++) {
        size_t n = (size_t)count[i];

        if (!n)
            continue;
        sum = rn_checksum(sum, data->labels[i], n * sizeof(*data->labels[i]));
        sum = rn_checksum(sum, data->pixels[i], n * rn_shape_size(data->shape));
    }
    return sum;
}

/* Slashes at its end do not make another path. */
static int set_spec(struct rn_data *data, const char *spec,
                    struct rn_error *err)
{
    char *real = realpath(spec, NULL);
    size_t length = strlen(spec);
    bool short_of = false;

    data->spec = rn_strdup(spec);
    data->real = rn_strdup(real);
    short_of = !data->spec || (real && !data->real);
    free(real);
    if (short_of)
        return rn_fail_memory(err, length, "a name");
    while (length > 1 && data->spec[length - 1] == '/')
        data->spec[--length] = '\0';
    return RN_OK;
}

static int set_rule(struct rn_data *data, int rule, struct rn_error *err)
{
    data->rule = rule ? (enum rn_data_rule)rule : RN_RULE_NEWEST;
    data->source.first_rule = data->rule == RN_RULE_FIRST;
    if (rule >= 0 && rule <= RN_RULE_NEWEST)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "`rule` is %d, but must be 0 to %d: a newer "
                   "version made this",
                   rule, RN_RULE_NEWEST);
}

int rn_data_open(struct rn_data **out, const char *spec,
                 const struct rn_data_options *options, struct rn_error *err)
{
    struct rn_data_options own;
    struct stat st;
    struct rn_data *data;
    int rc = RN_TAKE(&own, options, "rn_data_options", err);

    *out = NULL;
    if (rc)
        return rc;
    if (!spec || !*spec)
        return rn_fail(err, RN_ERR_ARG, "no data set is given");
    data = rn_alloc(1, sizeof(*data));
    if (!data)
        return rn_fail_memory(err, sizeof(*data), "a data set");
    rc = rn_remarks_create(&data->source.remarks, err);
    if (!rc)
        rc = set_spec(data, spec, err);
    if (!rc)
        rc = set_rule(data, own.rule, err);
    if (!rc)
        rc = rn_option_check(rn_data_option, &own, err);
    if (own.run && stat(own.run, &st) == 0) {
        data->source.skip_device = (uint64_t)st.st_dev;
        data->source.skip_inode = (uint64_t)st.st_ino;
    }
    if (!rc)
        rc = read_spec(data, data->spec, err);
    if (rc)
        goto out;
    rn_files_remark(&data->source);
    if (!data->fetch)
        data->training = data->checksum =
            checksum(data, data->part[RN_PART_TRAIN].count,
                     data->part[RN_PART_TEST].count);
    data->held_out = own;
    data->held_out.run = NULL;
    rc = hold_out(data, &own, err);
out:
    if (rc) {
        rn_data_close(data);
        data = NULL;
    }
    *out = data;
    return rc;
}

int rn_data_from_arrays(struct rn_data **out, const struct rn_arrays *arrays,
                        struct rn_error *err)
{
    struct rn_arrays own;
    struct rn_data *data;
    int rc = RN_TAKE(&own, arrays, "rn_arrays", err);

    *out = NULL;
    if (rc)
        return rc;
    data = rn_alloc(1, sizeof(*data));
    if (!data)
        return rn_fail_memory(err, sizeof(*data), "a data set");
    data->rule = RN_RULE_NEWEST;
    data->spec = rn_strdup(own.name ? own.name : "arrays");
    rc = data->spec ? rn_remarks_create(&data->source.remarks, err)
                    : rn_fail_memory(err, strlen(own.name), "a name");
    if (!rc)
        rc = rn_read_arrays(data, &own, err);
    if (!rc) {
        int held_out = (int)own.count[RN_PART_VALIDATION];

        data->training = data->checksum =
            checksum(data, data->part[RN_PART_TRAIN].count,
                     data->part[RN_PART_TEST].count);
        data->held_out.validation = held_out;
        rc = split_validation(data, held_out, data->part[RN_PART_TRAIN].count,
                              err);
    }
    if (rc) {
        rn_data_close(data);
        return rc;
    }
    *out = data;
    return RN_OK;
}

int rn_data_from_pictures(struct rn_data **out, const char *path,
                          struct rn_error *err)
{
    struct rn_data *data;
    int rc;

    *out = NULL;
    if (!path || !*path)
        return rn_fail(err, RN_ERR_ARG, "no pictures are given");
    if (access(path, R_OK))
        return rn_fail_errno(err, "open", path);
    data = rn_alloc(1, sizeof(*data));
    if (!data)
        return rn_fail_memory(err, sizeof(*data), "a data set");
    data->rule = RN_RULE_NEWEST;
    rc = rn_remarks_create(&data->source.remarks, err);
    if (!rc)
        rc = set_spec(data, path, err);
    if (!rc)
        rc = rn_unlabelled_read(data, data->spec, err);
    rn_files_remark(&data->source);
    if (rc)
        rn_data_close(data);
    else
        *out = data;
    return rc;
}
