/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet predict: classes of pictures, and of images of data sets. */
#include "cli.h"
#include "import.h"
#include "inputs.h"
#include "output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    struct import_args import;
    int top;
    double min_probability;
    int as_stored;
    int batch;
    int threads;
    int exact;
    int json;
};

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct option options_table[] = {
    {"top", "K", OPTION_INT, AT(top), 1, 1000, NULL, NULL,
     "classes to show, likeliest first"},
    {"min-probability", "P", OPTION_REAL, AT(min_probability), 0, 1, NULL, NULL,
     "leave out classes less likely than P, from 0 to 1"},
    {"as-stored", NULL, OPTION_FLAG, AT(as_stored), 0, 0, NULL, NULL,
     "do not turn pictures as their EXIF orientation says"},
    {"batch", "N", OPTION_INT, AT(batch), 1, 65536, NULL, "chosen",
     "images per batch"},
    {"threads", "N", OPTION_INT, AT(threads), 1, 1024, NULL,
     "what the machine allows", "compute threads"},
    {"exact", NULL, OPTION_FLAG, AT(exact), 0, 0, NULL, NULL,
     "direct convolution only, no Winograd"},
    {"json", NULL, OPTION_FLAG, AT(json), 0, 0, NULL, NULL,
     "print one JSON object per image"},
};
/* clang-format on */

static const struct option_group groups[] = {
    {"options", options_table, COUNT(options_table), 0},
    {"models of others", import_table, IMPORT_OPTIONS, AT(import)},
};

static void defaults(void *options)
{
    struct options *o = options;

    o->top = 5;
}

/** An image in the batch that waits to be run. */
struct waiting {
    char *file; /* as it is printed */
    int label;  /* -1: unknown */
};

/** The model, a batch of images, and the data set of the last one. */
struct predictor {
    const struct options *options;
    const char *path; /* of the model */
    struct rn_model *model;
    struct rn_model_info info;
    struct rn_plan *plan;
    size_t pixels;   /* of an image */
    uint8_t *stored; /* [pixels] */
    float *images;   /* [batch][pixels] */
    float *logits;   /* [batch][classes] */
    struct waiting *waiting;
    int batch, filled;
    int *top;
    int k;
    char *spec; /* of data */
    struct rn_data *data;
    int failed;
};

/* --------------------------------------------------------------- output */

static const char *class_name(const struct predictor *p, int i)
{
    const char *name = rn_model_class_name(p->model, i);

    return name || !p->data ? name : rn_data_class_name(p->data, i);
}

/** Of the classes in p->top, how many are to be shown. */
static int shown(const struct predictor *p, const float *probability)
{
    int n = 0;

    while (n < p->k &&
           (double)probability[p->top[n]] >= p->options->min_probability)
        n++;
    return n;
}

static json_t *json_top(const struct predictor *p, const float *probability)
{
    json_t *list = json_list();
    int n = shown(p, probability);

    for (int i = 0; i < n; i++) {
        int c = p->top[i];
        json_t *entry = json_new();

        json_put(entry, "index", json_count((uint64_t)c));
        json_put(entry, "id", json_text(rn_model_class_id(p->model, c)));
        json_put(entry, "name", json_text(class_name(p, c)));
        json_put(entry, "probability", json_double((double)probability[c]));
        json_add(list, entry);
    }
    return list;
}

static void print_json(const struct predictor *p, const struct waiting *image,
                       const float *probability)
{
    json_t *object = json_new();

    json_put(object, "file", json_text(image->file));
    json_put(object, "top", json_top(p, probability));
    if (image->label >= 0) {
        json_put(object, "label", json_count((uint64_t)image->label));
        json_put(object, "label_name", json_text(class_name(p, image->label)));
    }
    json_line(object);
}

#define BAR_CELLS 24

static void print_heading(const struct predictor *p,
                          const struct waiting *image)
{
    const char *name = class_name(p, image->label);

    if (image->label < 0)
        printf("%s\n", image->file);
    else
        printf("%s  labelled %d%s%s\n", image->file, image->label,
               name ? " " : "", name ? name : "");
}

static void print_text(const struct predictor *p, const struct waiting *image,
                       const float *probability)
{
    int n = shown(p, probability);

    print_heading(p, image);
    if (n == 0)
        printf("  no class has a probability of %g\n",
               p->options->min_probability);
    for (int i = 0; i < n; i++) {
        static const char bar[BAR_CELLS + 1] = "########################";
        int c = p->top[i];
        float share = probability[c];
        const char *name = class_name(p, c);

        printf("  %6.2f %%  %-*.*s %4d%s%s\n", 100 * (double)share, BAR_CELLS,
               (int)(share * BAR_CELLS + 0.5F), bar, c, name ? " " : "",
               name ? name : "");
    }
}

static void print_answer(struct predictor *p, const struct waiting *image,
                         float *logits)
{
    rn_softmax(logits, p->info.classes);
    rn_top_k(logits, p->info.classes, p->k, p->top);
    if (p->options->json)
        print_json(p, image, logits);
    else
        print_text(p, image, logits);
}

static void print_failure(const struct predictor *p, const char *file,
                          const struct rn_error *err)
{
    say_error("%s", err->msg);
    if (p->options->json) {
        json_t *object = json_new();

        json_put(object, "file", json_text(file));
        json_put(object, "error", json_text(err->msg));
        json_line(object);
    }
}

/* ---------------------------------------------------------------- batch */

/** Run the images that wait, and print what comes out. */
static void flush(struct predictor *p)
{
    struct rn_error err = {0};
    int rc = RN_OK;

    if (p->filled)
        rc = rn_plan_forward(p->plan, p->images, p->logits, &err);
    for (int i = 0; i < p->filled; i++) {
        struct waiting *image = &p->waiting[i];

        if (rc)
            print_failure(p, image->file, &err);
        else
            print_answer(p, image,
                         p->logits + (size_t)i * (size_t)p->info.classes);
        p->failed += rc != RN_OK;
        free(image->file);
    }
    p->filled = 0;
}

/** A failed input does not stop the others, nor overtake those before it. */
static void fail(struct predictor *p, const char *file,
                 const struct rn_error *err)
{
    flush(p);
    print_failure(p, file, err);
    p->failed++;
}

/** Where the next image's floats go. */
static float *place(const struct predictor *p)
{
    return p->images + (size_t)p->filled * p->pixels;
}

/** The image at place() is ready. */
static void enqueue(struct predictor *p, const char *file, int label)
{
    struct waiting image = {strdup(file), label};

    if (!image.file) {
        struct rn_error err = {RN_ERR_MEMORY, "out of memory"};

        fail(p, file, &err);
        return;
    }
    p->waiting[p->filled++] = image;
    if (p->filled == p->batch)
        flush(p);
}

/* ------------------------------------------------------------- pictures */

/** `path` NULL: from standard input. `file` is what it is called. */
static void predict_picture(struct predictor *p, const char *path,
                            const char *file)
{
    int flags = p->options->as_stored ? RN_IMAGE_AS_STORED : 0;
    struct rn_error err = {0};
    struct rn_image image;
    int rc = path ? rn_image_load(&image, path, flags, &err)
                  : input_read_standard(&image, flags, &err);

    if (rc) {
        fail(p, file, &err);
        return;
    }
    rc = rn_model_preprocess_image(p->model, &image, place(p), &err);
    rn_image_free(&image);
    if (rc)
        fail(p, file, &err);
    else
        enqueue(p, file, -1);
}

static void predict_pictures(struct predictor *p,
                             const struct rn_pictures *pictures)
{
    size_t count = rn_pictures_count(pictures);

    for (size_t i = 0; i < count; i++) {
        struct rn_error err = {0};
        const char *path;

        if (rn_pictures_get(pictures, i, &path, &err))
            fail(p, path, &err);
        else
            predict_picture(p, path, path);
    }
}

/* ------------------------------------------------------------ data sets */

static int check_data(const struct predictor *p, struct rn_error *err)
{
    struct rn_data_info d;

    rn_data_describe(p->data, &d);
    if (d.height == 0) {
        err->code = RN_ERR_DATA;
        snprintf(err->msg, sizeof(err->msg),
                 "'%.300s' holds pictures: give it, or their files, instead of "
                 "DATA:INDEX",
                 p->spec);
        return err->code;
    }
    if (d.channels == p->info.channels && d.height == p->info.height &&
        d.width == p->info.width)
        return RN_OK;
    err->code = RN_ERR_DATA;
    snprintf(err->msg, sizeof(err->msg),
             "images of '%.200s' are %dx%dx%d, model '%.200s' takes %dx%dx%d",
             p->spec, d.channels, d.height, d.width, p->path, p->info.channels,
             p->info.height, p->info.width);
    return err->code;
}

static void close_data(struct predictor *p)
{
    rn_data_close(p->data);
    free(p->spec);
    p->data = NULL;
    p->spec = NULL;
}

/** Open the input's data, unless it is open already. */
static int open_data(struct predictor *p, const struct input *input,
                     struct rn_error *err)
{
    int rc;

    if (p->data && strcmp(p->spec, input->spec) == 0)
        return RN_OK;
    flush(p); /* what waits may need the names of the data before */
    close_data(p);
    p->spec = strdup(input->spec);
    if (!p->spec) {
        err->code = RN_ERR_MEMORY;
        snprintf(err->msg, sizeof(err->msg), "out of memory");
        return err->code;
    }
    rc = rn_data_open(&p->data, p->spec, NULL, err);
    if (rc == RN_OK)
        rc = check_data(p, err);
    if (rc)
        close_data(p);
    return rc;
}

/** One image of the open data; nonzero when it failed. */
static int predict_image(struct predictor *p, const struct input *input,
                         int index)
{
    struct rn_error err = {0};
    char file[512];
    int label, rc;

    snprintf(file, sizeof(file), "%.*s:%d",
             (int)(strrchr(input->text, ':') - input->text), input->text,
             index);
    rc = rn_data_image(p->data, input->part, index, p->stored, &label, &err);
    if (rc == RN_OK)
        rc = rn_model_preprocess(p->model, p->stored, place(p), &err);
    if (rc)
        fail(p, file, &err);
    else
        enqueue(p, file, label);
    return rc;
}

static void predict_data(struct predictor *p, const struct input *input)
{
    struct rn_error err = {0};

    if (open_data(p, input, &err)) {
        fail(p, input->text, &err);
        return;
    }
    for (int i = input->first; i <= input->last; i++)
        if (predict_image(p, input, i))
            return; /* the rest of the range is past the end, too */
}

/* ------------------------------------------------------------ predictor */

static void predict(struct predictor *p, const struct input *input)
{
    switch (input->kind) {
    case INPUT_STANDARD:
        predict_picture(p, NULL, input->text);
        break;
    case INPUT_PICTURES:
        predict_pictures(p, input->pictures);
        break;
    case INPUT_DATA:
        predict_data(p, input);
        break;
    case INPUT_NONE:
        fail(p, input->text, &input->err);
        break;
    }
}

static int allocate(struct predictor *p, struct rn_error *err)
{
    size_t batch = (size_t)p->batch;

    p->pixels = (size_t)p->info.channels * (size_t)p->info.height *
                (size_t)p->info.width;
    p->stored = malloc(p->pixels);
    p->images = calloc(batch, p->pixels * sizeof(float));
    p->logits = calloc(batch, (size_t)p->info.classes * sizeof(float));
    p->waiting = calloc(batch, sizeof(*p->waiting));
    p->top = malloc((size_t)p->k * sizeof(int));
    if (p->stored && p->images && p->logits && p->waiting && p->top)
        return RN_OK;
    err->code = RN_ERR_MEMORY;
    snprintf(err->msg, sizeof(err->msg), "out of memory");
    return err->code;
}

/** Images that go through the network at once, when nothing is said. */
#define BATCH 16

static int choose_batch(const struct options *o, size_t images)
{
    if (o->batch)
        return o->batch;
    return images < BATCH ? (int)images : BATCH;
}

static int predictor_open(struct predictor *p, size_t images,
                          struct rn_error *err)
{
    const struct options *o = p->options;
    struct rn_plan_options plan;
    int rc = import_open(&p->model, p->path, &p->options->import, err);

    if (rc)
        return rc;
    rn_model_describe(p->model, &p->info);
    if (!p->info.has_preprocessing) {
        err->code = RN_ERR_DATA;
        snprintf(err->msg, sizeof(err->msg),
                 "model '%.300s' does not say how its images are prepared",
                 p->path);
        return err->code;
    }
    p->batch = choose_batch(o, images);
    p->k = o->top < p->info.classes ? o->top : p->info.classes;
    rn_plan_defaults(&plan);
    plan.mode = RN_MODE_INFER;
    plan.batch = p->batch;
    plan.threads = o->threads;
    plan.exact = o->exact;
    rc = rn_plan_create(&p->plan, p->model, &plan, err);
    return rc ? rc : allocate(p, err);
}

static void predictor_close(struct predictor *p)
{
    close_data(p);
    free(p->stored);
    free(p->images);
    free(p->logits);
    free(p->waiting);
    free(p->top);
    rn_plan_destroy(p->plan);
    rn_model_destroy(p->model);
}

static int predict_all(struct predictor *p, const struct input *inputs,
                       int count)
{
    struct rn_error err = {0};
    size_t images = 0;

    for (int i = 0; i < count; i++)
        images += input_images(&inputs[i]);
    if (predictor_open(p, images, &err))
        return cli_fail(&err);
    for (int i = 0; i < count; i++)
        predict(p, &inputs[i]);
    flush(p);
    return p->failed ? EXIT_BAD_DATA : EXIT_DONE;
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    struct predictor p = {.options = options, .path = args->operand[0]};
    int count = args->count - 1, status = EXIT_FAILED;
    struct input *inputs = calloc((size_t)count, sizeof(*inputs));

    (void)command;
    if (!inputs) {
        say_error("out of memory");
        return EXIT_FAILED;
    }
    for (int i = 0; i < count; i++)
        input_parse(&inputs[i], args->operand[i + 1]);
    status = predict_all(&p, inputs, count);
    predictor_close(&p);
    for (int i = 0; i < count; i++)
        input_free(&inputs[i]);
    free(inputs);
    return status;
}

const struct command command_predict = {
    .name = "predict",
    .synopsis = "MODEL INPUT... [option ...]",
    .summary = "What a model takes pictures for, with probabilities.",
    .notes = "INPUT is a picture (JPEG, PNG, WebP), a folder of pictures, or - "
             "for a picture\nfrom standard input; or DATA:INDEX or "
             "DATA:FIRST-LAST, images of a data set's\ntest part, or "
             "DATA:train:INDEX. The exit status is 3 when an input failed; "
             "the\nothers are still done.\n",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .min_args = 2,
    .max_args = 1000000,
    .missing = "MODEL or INPUT",
    .defaults = defaults,
    .run = run,
};
