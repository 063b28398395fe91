/* SPDX-License-Identifier: BSD-2-Clause */
/* Fills batches with pictures, runs them, and hands answers out in order. */
#include "runner.h"

#include "cli.h"
#include "output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** An image in the batch that waits to be run, or told of: one that failed
 *  holds its place among the others. */
struct waiting {
    char *file;              /* as it is printed */
    int label;               /* -1: unknown */
    struct rn_error failure; /* its code is RN_OK when there is none */
};

static void print_failure(const struct runner *r, const char *file,
                          const struct rn_error *err)
{
    cli_fail(err);
    if (r->json) {
        json_t *object = json_new();

        json_put(object, "file", json_text(file));
        json_put(object, "error", json_text(err->msg));
        json_line(object);
    }
}

/* ---------------------------------------------------------------- batch */

/* What came out must be numbers. */
static int check_values(const struct runner *r, const char *file,
                        const char *what, const float *values, size_t count,
                        struct rn_error *err)
{
    size_t bad = rn_first_not_finite(values, count);

    if (bad == count)
        return RN_OK;
    return cli_error(
        err, RN_ERR_DATA,
        "'%.150s': the network's %s hold %g, though its weights are "
        "finite: values become too large on the way; 'resnet diff %.80s "
        "%.80s' names the layer",
        file, what, isnan(values[bad]) ? (double)NAN : (double)values[bad],
        r->path, r->path);
}

static int hand_on(struct runner *r, const struct waiting *image, float *logits,
                   const float *values, struct rn_error *err)
{
    size_t n_logits = (size_t)r->crops * (size_t)r->info.classes;
    size_t n_values =
        (size_t)r->kept[0] * (size_t)r->kept[1] * (size_t)r->kept[2];
    int rc =
        values ? check_values(r, image->file, "features", values, n_values, err)
               : check_values(r, image->file, "answers", logits, n_logits, err);

    return rc ? rc
              : r->answer(r, image->file, image->label, logits, values, err);
}

/* Of the images that wait, how many failed. */
static int count_failed(const struct runner *r)
{
    int failed = 0;

    for (int i = 0; i < r->filled; i++)
        failed += r->waiting[i].failure.code != RN_OK;
    return failed;
}

/* Run the images that wait, and hand on what comes out. */
static void flush(struct runner *r)
{
    size_t logits = (size_t)r->crops * (size_t)r->info.classes;
    size_t values =
        (size_t)r->kept[0] * (size_t)r->kept[1] * (size_t)r->kept[2];
    struct rn_error err = {0};

    if (r->filled > count_failed(r) &&
        rn_plan_forward(r->plan, r->images, r->logits, &err) == RN_OK &&
        r->values)
        rn_plan_values(r->plan, r->values);
    for (int i = 0; i < r->filled; i++) {
        struct waiting *image = &r->waiting[i];
        struct rn_error *failure = &image->failure;

        if (!failure->code)
            *failure = err;
        if (!failure->code && !r->broken)
            hand_on(r, image, r->logits + (size_t)i * logits,
                    r->values ? r->values + (size_t)i * values : NULL, failure);
        if (failure->code)
            print_failure(r, image->file, failure);
        r->failed += failure->code != RN_OK;
        free(image->file);
    }
    r->filled = 0;
    /* Whoever reads answers from a pipe has them now; if nobody does, the rest
     * need not be computed. */
    if (output_flush())
        r->broken = 1;
}

/* Where the next image's floats go. */
static float *place(const struct runner *r)
{
    return r->images + (size_t)r->filled * (size_t)r->crops * r->pixels;
}

/* The image at place() is ready, or err->code tells that it is not. */
static void enqueue(struct runner *r, const char *file, int label,
                    const struct rn_error *err)
{
    struct waiting image = {strdup(file), label, *err};

    if (!image.file) {
        flush(r); /* what waits is told of first */
        print_failure(r, file,
                      &(struct rn_error){RN_ERR_MEMORY, "out of memory"});
        r->failed++;
        return;
    }
    r->waiting[r->filled++] = image;
    if (r->filled == r->batch)
        flush(r);
}

/* ------------------------------------------------------------- pictures */

static int load_flags(const struct runner *r)
{
    return r->args->as_stored ? RN_IMAGE_AS_STORED : 0;
}

static void run_pictures(struct runner *r, const struct rn_pictures *pictures)
{
    size_t count = rn_pictures_count(pictures);

    for (size_t i = 0; i < count && !r->broken; i++) {
        struct rn_error err = {0};
        const char *path;

        rn_pictures_get(pictures, i, &path, NULL);
        rn_feed_next(r->feed, place(r), &err);
        enqueue(r, path, -1, &err);
    }
    if (rn_pictures_remark(pictures, 0) && count_failed(r))
        flush(r); /* failures are told of before remarks */
    cli_picture_remarks(pictures);
}

static void run_standard(struct runner *r)
{
    struct rn_image image = {0, 0, NULL};
    struct rn_error err = {0};
    int rc = input_read_standard(&image, load_flags(r), &err);

    if (rc == RN_OK && r->crops > 1)
        rn_model_preprocess_crops(r->model, &image, place(r), &err);
    else if (rc == RN_OK)
        rn_model_preprocess_image(r->model, &image, place(r), &err);
    rn_image_free(&image);
    enqueue(r, "-", -1, &err);
}

/* ------------------------------------------------------------ data sets */

static int check_data(const struct runner *r, struct rn_error *err)
{
    struct rn_data_info d;

    rn_data_describe(r->data, &d);
    if (d.height == 0) {
        return cli_error(
            err, RN_ERR_DATA,
            "'%.300s' holds pictures: give it, or their files, instead of "
            "DATA:INDEX",
            r->spec);
    }
    if (r->crops > 1) {
        return cli_error(
            err, RN_ERR_ARG,
            "crops are cut out of pictures; images of '%.300s' have the "
            "network's size",
            r->spec);
    }
    if (d.channels == r->info.channels && d.height == r->info.height &&
        d.width == r->info.width)
        return RN_OK;
    return cli_error(
        err, RN_ERR_DATA,
        "images of '%.200s' are %dx%dx%d, model '%.200s' takes %dx%dx%d",
        r->spec, d.channels, d.height, d.width, r->path, r->info.channels,
        r->info.height, r->info.width);
}

static void close_data(struct runner *r)
{
    rn_data_close(r->data);
    free(r->spec);
    free(r->map);
    r->data = NULL;
    r->spec = NULL;
    r->map = NULL;
}

/* Labels in the model's classes. Data of classes that it does not know can be
 * looked at all the same. */
static int match_classes(struct runner *r, enum rn_part part,
                         struct rn_error *err)
{
    struct rn_data_info d;
    int rc;

    if (r->map && r->part == part)
        return RN_OK;
    flush(r); /* what waits has labels of the other part */
    rn_data_describe(r->data, &d);
    free(r->map);
    r->part = part;
    r->map = calloc((size_t)d.classes + 1, sizeof(*r->map));
    if (!r->map)
        return cli_error(err, RN_ERR_MEMORY, "out of memory");
    rc = rn_match_classes(r->model, r->data, part, r->map, err);
    return rc == RN_ERR_DATA ? RN_OK : rc;
}

/* Open the input's data, unless it is open already. */
static int open_data(struct runner *r, const struct input *input,
                     struct rn_error *err)
{
    int rc;

    if (r->data && strcmp(r->spec, input->spec) == 0)
        return match_classes(r, input->part, err);
    flush(r); /* what waits may need the names of the data before */
    close_data(r);
    r->spec = strdup(input->spec);
    if (!r->spec) {
        return cli_error(err, RN_ERR_MEMORY, "out of memory");
    }
    rc = rn_data_open(&r->data, r->spec, NULL, err);
    if (rc == RN_OK)
        rc = check_data(r, err);
    if (rc == RN_OK)
        rc = match_classes(r, input->part, err);
    if (rc)
        close_data(r);
    return rc;
}

static int out_of_memory(struct rn_error *err)
{
    return cli_error(err, RN_ERR_MEMORY, "out of memory");
}

/* One image of the open data; nonzero when it failed. */
static int run_image(struct runner *r, const struct input *input, int index)
{
    struct rn_error err = {0};
    char *file;
    int label, rc;

    if (asprintf(&file, "%.*s:%d",
                 (int)(strrchr(input->text, ':') - input->text), input->text,
                 index) < 0) {
        rc = out_of_memory(&err);
        enqueue(r, input->text, -1, &err);
        return rc;
    }
    rc = rn_data_image(r->data, input->part, index, r->stored, &label, &err);
    if (rc == RN_OK)
        rc = rn_model_preprocess(r->model, r->stored, place(r), &err);
    enqueue(r, file, rc ? -1 : label, &err);
    free(file);
    return rc;
}

static void run_data(struct runner *r, const struct input *input)
{
    struct rn_error err = {0};

    if (open_data(r, input, &err)) {
        enqueue(r, input->text, -1, &err);
        return;
    }
    for (int i = input->first; i <= input->last && !r->broken; i++)
        if (run_image(r, input, i))
            return; /* the rest of the range is past the end, too */
}

/* -------------------------------------------------------------- running */

static void run_input(struct runner *r, const struct input *input)
{
    switch (input->kind) {
    case INPUT_STANDARD:
        run_standard(r);
        break;
    case INPUT_PICTURES:
        run_pictures(r, input->pictures);
        break;
    case INPUT_DATA:
        run_data(r, input);
        break;
    case INPUT_NONE:
        enqueue(r, input->text, -1, &input->err);
        break;
    }
}

static int allocate(struct runner *r, struct rn_error *err)
{
    size_t views = (size_t)r->batch * (size_t)r->crops;
    size_t values = (size_t)r->batch * (size_t)r->kept[0] * (size_t)r->kept[1] *
                    (size_t)r->kept[2];

    r->pixels = (size_t)r->info.channels * (size_t)r->info.height *
                (size_t)r->info.width;
    r->stored = malloc(r->pixels);
    r->images = calloc(views, r->pixels * sizeof(float));
    r->logits = calloc(views, (size_t)r->info.classes * sizeof(float));
    r->waiting = calloc((size_t)r->batch, sizeof(*r->waiting));
    if (values)
        r->values = calloc(values, sizeof(float));
    if (r->stored && r->images && r->logits && r->waiting &&
        (r->values || !values))
        return RN_OK;
    return out_of_memory(err);
}

/** Views that go through the network at once, when nothing is said. */
#define BATCH 16

/* A batch that is not full takes as long as one that is: images are dealt out
 * evenly, 17 as 9 and 8. */
static int choose_batch(const struct runner *r)
{
    size_t most = (size_t)(BATCH + r->crops - 1) / (size_t)r->crops;
    size_t batches = (r->count + most - 1) / most;

    return r->args->batch ? r->args->batch
                          : (int)((r->count + batches - 1) / batches);
}

static int make_plan(struct runner *r, struct rn_error *err)
{
    struct rn_plan_options plan;
    int rc;

    r->batch = choose_batch(r);
    rn_plan_defaults(&plan);
    plan.mode = RN_MODE_INFER;
    plan.batch = r->batch * r->crops;
    plan.threads = r->args->threads;
    plan.exact = r->args->exact;
    plan.precision = r->args->precision;
    plan.emulate = r->args->emulate;
    plan.bind = 1;
    plan.keep = r->keep;
    rc = rn_plan_create(&r->plan, r->model, &plan, err);
    if (rc == RN_OK && r->keep)
        rn_plan_kept(r->plan, &r->kept[0], &r->kept[1], &r->kept[2]);
    return rc ? rc : allocate(r, err);
}

/* All pictures among the inputs, to be loaded while the network computes. */
static int make_feed(struct runner *r, const struct input *inputs, int count,
                     struct rn_error *err)
{
    struct rn_pictures **pictures = calloc((size_t)count, sizeof(*pictures));
    size_t n = 0;
    int rc;

    if (!pictures)
        return out_of_memory(err);
    for (int i = 0; i < count; i++)
        if (inputs[i].kind == INPUT_PICTURES)
            pictures[n++] = inputs[i].pictures;
    rc = rn_feed_create(&r->feed, r->model, pictures, n, r->batch, r->crops,
                        load_flags(r), r->args->threads, err);
    free(pictures);
    return rc;
}

static int runner_open(struct runner *r, struct rn_error *err)
{
    int rc = import_prepared(&r->model, r->path, r->import, err);

    if (rc)
        return rc;
    rn_model_describe(r->model, &r->info);
    rc = make_plan(r, err);
    return rc || !r->opened ? rc : r->opened(r, err);
}

void runner_close(struct runner *r)
{
    close_data(r);
    rn_feed_destroy(r->feed);
    free(r->stored);
    free(r->images);
    free(r->logits);
    free(r->values);
    free(r->waiting);
    rn_plan_destroy(r->plan);
    rn_model_destroy(r->model);
}

/* How files say that they are turned goes with files. */
static int check_stored(const struct runner *r, const struct input *inputs,
                        int count)
{
    int i = 0;

    while (i < count && inputs[i].kind == INPUT_DATA)
        i++;
    if (i < count || !r->args->as_stored)
        return 0;
    say_error("--as-stored is of pictures' files, '%s' is none",
              inputs[0].text);
    return EXIT_USAGE;
}

static int run_inputs(struct runner *r, const struct input *inputs, int count)
{
    struct rn_error err = {0};

    if (check_stored(r, inputs, count))
        return EXIT_USAGE;
    for (int i = 0; i < count; i++)
        r->count += input_images(&inputs[i]);
    if (runner_open(r, &err) || make_feed(r, inputs, count, &err))
        return cli_fail(&err);
    for (int i = 0; i < count && !r->broken; i++)
        run_input(r, &inputs[i]);
    flush(r);
    if (r->broken)
        return EXIT_FAILED;
    return r->failed ? EXIT_BAD_DATA : EXIT_DONE;
}

int runner_run(struct runner *r, char *const *texts, int count)
{
    struct input *inputs = calloc((size_t)count, sizeof(*inputs));
    int status;

    if (!inputs) {
        say_error("out of memory");
        return EXIT_FAILED;
    }
    for (int i = 0; i < count; i++)
        input_parse(&inputs[i], texts[i]);
    status = run_inputs(r, inputs, count);
    for (int i = 0; i < count; i++)
        input_free(&inputs[i]);
    free(inputs);
    return status;
}
