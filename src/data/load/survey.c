/* SPDX-License-Identifier: BSD-2-Clause */
/* A look at every image of a data set: which can be decoded, what kind they
 * are, which are the same, and what colours they have. */
#include "data/data.h"

#include "core/file.h"
#include "core/memory.h"
#include "core/option.h"
#include "core/sized.h"
#include "core/threads.h"

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char *error;
    struct rn_picture_kind kind;
    int width, height;
    size_t bytes;
    uint64_t checksum; /* of the file, or the pixels */
    bool read;         /* the checksum is there */
    int twin;          /* entry before it of the same content, or -1 */
};

struct rn_survey {
    const struct rn_data *data;
    struct entry *entries; /* of all parts, one behind the other */
    int first[4];          /* entry of each part's first image, and the end */
    size_t channels;
    double *sums; /* [entries][channels][2]: means of pixels and of squares */
};

/* ------------------------------------------------------------- one image */

/* Means over pixels that lie `step` apart. */
static void add_means(const uint8_t *pixels, size_t count, size_t step,
                      double sums[2])
{
    uint64_t value = 0, square = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t x = pixels[i * step];

        value += x;
        square += (uint64_t)x * x;
    }
    sums[0] = (double)value / ((double)count * 255);
    sums[1] = (double)square / ((double)count * 255 * 255);
}

static void look_at_memory(const struct rn_data *data,
                           const struct rn_images *part, int index,
                           struct entry *e, double *sums)
{
    const struct rn_shape *s = &data->shape;
    size_t plane = rn_shape_pixels(*s);
    const uint8_t *pixels;

    e->bytes = plane * (size_t)s->c;
    pixels = part->pixels + (size_t)index * e->bytes;
    e->width = s->w;
    e->height = s->h;
    e->checksum = rn_checksum(0, pixels, e->bytes);
    e->read = true;
    for (size_t c = 0; c < (size_t)s->c; c++)
        add_means(pixels + c * plane, plane, 1, sums + 2 * c);
}

static void look_at_file(const struct rn_files *files, const char *path,
                         struct entry *e, double *sums)
{
    struct rn_image image = {0, 0, NULL};
    struct rn_error err = {0};
    uint8_t *bytes;
    int rc =
        rn_files_read(files, path, RN_IMAGE_MAX_BYTES, &bytes, &e->bytes, &err);

    if (!rc) {
        e->checksum = rn_checksum(0, bytes, e->bytes);
        e->read = true;
        rc = rn_image_decode_kind(&image, &e->kind, bytes, e->bytes, path,
                                  RN_IMAGE_MAX_PIXELS, &err);
    }
    rn_free(bytes);
    if (rc) {
        e->error = rn_strdup(err.msg);
        return;
    }
    e->width = image.width;
    e->height = image.height;
    for (size_t c = 0; c < 3; c++)
        add_means(image.pixels + c, (size_t)image.width * (size_t)image.height,
                  3, sums + 2 * c);
    rn_image_free(&image);
}

static void look(struct rn_survey *s, int i)
{
    struct entry *e = &s->entries[i];
    double *sums = s->sums + (size_t)i * s->channels * 2;
    int part = 0;

    while (i >= s->first[part + 1])
        part++;
    if (s->data->fetch)
        look_at_file(&s->data->source,
                     s->data->part[part].files[i - s->first[part]], e, sums);
    else
        look_at_memory(s->data, &s->data->part[part], i - s->first[part], e,
                       sums);
}

/* ------------------------------------------------------------ all images */

struct work {
    struct rn_survey *survey;
    const struct rn_survey_options *options;
    atomic_int next, done;
    atomic_bool stop;
};

/* The next image; false when there is none, or no more is wanted. */
static bool look_at_next(struct work *w)
{
    int i = w->stop ? INT_MAX : w->next++;

    if (i >= w->survey->first[3])
        return false;
    look(w->survey, i);
    w->done++;
    return true;
}

static void *run(void *argument)
{
    while (look_at_next(argument))
        ;
    return NULL;
}

/* By the caller's own thread alone. */
static void tell(struct work *w)
{
    const struct rn_survey_options *o = w->options;

    if (o->progress && o->progress(o->user, w->done, w->survey->first[3]))
        w->stop = true;
}

static int run_all(struct rn_survey *s, const struct rn_survey_options *options,
                   struct rn_error *err)
{
    struct work work = {.survey = s, .options = options};
    struct rn_machine machine;
    int wanted = options->threads, count = 0;
    pthread_t *threads;

    rn_machine_get(&machine);
    if (wanted < 1)
        wanted = machine.threads;
    threads = rn_alloc((size_t)wanted, sizeof(*threads));
    if (!threads)
        return rn_fail_memory(err, (size_t)wanted * sizeof(*threads),
                              "threads");
    /* Fewer threads than wanted are enough, too. */
    while (count < wanted - 1 &&
           rn_thread_start(&threads[count], run, &work) == 0)
        count++;
    while (look_at_next(&work))
        tell(&work);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    rn_free(threads);
    /* The others may have done the rest: the end is told in any case, and so
     * that they are to stop. */
    if (!work.stop)
        tell(&work);
    return work.stop ? rn_fail(err, RN_ERR_STOPPED, "stopped") : RN_OK;
}

/* ----------------------------------------------------------------- twins */

static int compare(const void *a, const void *b, void *entries)
{
    const int *i = a, *j = b;
    const struct entry *x = (struct entry *)entries + *i,
                       *y = (struct entry *)entries + *j;

    if (x->checksum != y->checksum)
        return x->checksum < y->checksum ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return *i < *j ? -1 : 1;
}

/* Files of nothing are no twins: each is told of as empty. */
static bool same(const struct entry *a, const struct entry *b)
{
    return a->read && b->read && a->bytes > 0 && a->bytes == b->bytes &&
           a->checksum == b->checksum;
}

static int find_twins(struct rn_survey *s, struct rn_error *err)
{
    size_t count = (size_t)s->first[3];
    int *order = rn_alloc(count, sizeof(*order));

    if (!order)
        return rn_fail_memory(err, count * sizeof(*order), "a survey");
    for (size_t i = 0; i < count; i++) {
        order[i] = (int)i;
        s->entries[i].twin = -1;
    }
    qsort_r(order, count, sizeof(*order), compare, s->entries);
    for (size_t i = 1, from = 0; i < count; i++) {
        if (same(&s->entries[order[from]], &s->entries[order[i]]))
            s->entries[order[i]].twin = order[from];
        else
            from = i;
    }
    rn_free(order);
    return RN_OK;
}

/* --------------------------------------------------------------- the API */

static int allocate(struct rn_survey *s, struct rn_error *err)
{
    size_t count;

    for (int i = 0; i < 3; i++)
        s->first[i + 1] = s->first[i] + s->data->part[i].count;
    s->channels = s->data->fetch ? 3 : (size_t)s->data->shape.c;
    count = (size_t)s->first[3];
    s->entries = rn_alloc(count, sizeof(*s->entries));
    s->sums = rn_alloc(count * s->channels, 2 * sizeof(*s->sums));
    if (s->entries && s->sums)
        return RN_OK;
    return rn_fail_memory(err, count * sizeof(*s->entries), "a survey");
}

int rn_data_survey(struct rn_survey **out, const struct rn_data *data,
                   const struct rn_survey_options *options,
                   struct rn_error *err)
{
    struct rn_survey_options own;
    struct rn_survey *s;
    int rc = RN_TAKE(&own, options, "rn_survey_options", err);

    *out = NULL;
    if (rc)
        return rc;
    s = rn_alloc(1, sizeof(*s));
    if (!s)
        return rn_fail_memory(err, sizeof(*s), "a survey");
    s->data = rn_data_hold(data);
    rc = rn_option_check(rn_survey_option, &own, err);
    if (!rc)
        rc = allocate(s, err);
    if (!rc)
        rc = run_all(s, &own, err);
    if (!rc)
        rc = find_twins(s, err);
    if (rc) {
        rn_survey_destroy(s);
        return rc;
    }
    *out = s;
    return RN_OK;
}

void rn_survey_destroy(struct rn_survey *s)
{
    if (!s)
        return;
    for (int i = 0; s->entries && i < s->first[3]; i++)
        rn_free(s->entries[i].error);
    rn_free(s->entries);
    rn_free(s->sums);
    rn_data_drop(s->data);
    rn_free(s);
}

int rn_survey_image_sized(const struct rn_survey *s, enum rn_part part,
                          int index, struct rn_surveyed *image, size_t size)
{
    const struct entry *e;
    struct rn_surveyed own;
    int twin;

    if (part < RN_PART_TRAIN || part > RN_PART_TEST || index < 0 ||
        index >= s->data->part[part].count)
        return RN_ERR_ARG;
    e = &s->entries[s->first[part] + index];
    twin = e->twin;
    own = (struct rn_surveyed){
        .error = e->error || e->width ? e->error : "memory is short",
        .format = e->kind.format,
        .flags = e->kind.flags,
        .orientation = e->kind.orientation,
        .width = e->width,
        .height = e->height,
        .twin = twin >= 0};
    while (twin >= s->first[own.twin_part + 1])
        own.twin_part++;
    if (twin >= 0)
        own.twin_index = twin - s->first[own.twin_part];
    RN_GIVE(image, size, &own);
    return RN_OK;
}

void rn_survey_stats(const struct rn_survey *s, enum rn_part part, double *mean,
                     double *std)
{
    for (size_t c = 0; c < s->channels; c++) {
        double sum = 0, square = 0;
        int images = 0;

        for (int i = s->first[part]; i < s->first[part + 1]; i++) {
            const double *sums = s->sums + ((size_t)i * s->channels + c) * 2;

            if (s->entries[i].width == 0)
                continue;
            images++;
            sum += sums[0];
            square += sums[1];
        }
        mean[c] = images ? sum / images : 0;
        std[c] =
            images ? sqrt(fmax(0, square / images - mean[c] * mean[c])) : 0;
    }
}
