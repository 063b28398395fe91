/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet predict: classes of single images. */
#include "cli.h"
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    int top;
    int threads;
    int exact;
    int json;
};

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct option options_table[] = {
    {"top", "K", OPTION_INT, AT(top), 1, 1000, NULL, NULL,
     "classes to show, likeliest first"},
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
};

static void defaults(void *options)
{
    struct options *o = options;

    o->top = 5;
}

/** Everything one image needs, and the data set of the last one. */
struct predictor {
    const struct options *options;
    const char *path; /* of the model */
    struct rn_model *model;
    struct rn_model_info info;
    struct rn_plan *plan;
    uint8_t *pixels;
    float *image, *logits;
    int *top;
    int k;
    char *spec; /* of data */
    struct rn_data *data;
};

/** An INPUT taken apart: DATA[:PART]:FIRST[-LAST]. */
struct input {
    char *spec;
    enum rn_part part;
    int first, last;
};

/* ------------------------------------------------------------- inputs */

static int parse_index(const char *text, char **end, int *out)
{
    long value;

    if (*text < '0' || *text > '9')
        return -1;
    errno = 0;
    value = strtol(text, end, 10);
    if (errno || value > 1000000000)
        return -1;
    *out = (int)value;
    return 0;
}

static int parse_range(const char *text, struct input *input)
{
    char *end;

    if (parse_index(text, &end, &input->first) < 0)
        return -1;
    input->last = input->first;
    if (*end == '-' && parse_index(end + 1, &end, &input->last) < 0)
        return -1;
    return *end || input->last < input->first ? -1 : 0;
}

/** Cut ":train" or ":test" off the end of spec. */
static enum rn_part cut_part(char *spec)
{
    static const enum rn_part parts[] = {RN_PART_TRAIN, RN_PART_TEST};
    char *colon = strrchr(spec, ':');

    for (size_t i = 0; colon && i < COUNT(parts); i++) {
        if (strcmp(colon + 1, rn_part_name(parts[i])) == 0) {
            *colon = '\0';
            return parts[i];
        }
    }
    return RN_PART_TEST;
}

/** DATA may hold colons itself: the last component is the index. */
static int parse_input(const char *text, struct input *input,
                       struct rn_error *err)
{
    const char *colon = strrchr(text, ':');

    input->spec = NULL;
    if (!colon || colon == text || parse_range(colon + 1, input) < 0) {
        err->code = RN_ERR_DATA;
        snprintf(err->msg, sizeof(err->msg),
                 "'%.300s' is not DATA:INDEX, DATA:FIRST-LAST or "
                 "DATA:train:INDEX",
                 text);
        return err->code;
    }
    input->spec = strndup(text, (size_t)(colon - text));
    if (!input->spec) {
        err->code = RN_ERR_MEMORY;
        snprintf(err->msg, sizeof(err->msg), "out of memory");
        return err->code;
    }
    input->part = cut_part(input->spec);
    return RN_OK;
}

static int check_data(const struct predictor *p, struct rn_error *err)
{
    struct rn_data_info d;

    rn_data_describe(p->data, &d);
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

/** Open the input's data, unless it is open already. Takes input->spec. */
static int open_data(struct predictor *p, struct input *input,
                     struct rn_error *err)
{
    int rc;

    if (p->data && strcmp(p->spec, input->spec) == 0) {
        free(input->spec);
        return RN_OK;
    }
    rn_data_close(p->data);
    free(p->spec);
    p->data = NULL;
    p->spec = input->spec;
    rc = rn_data_open(&p->data, p->spec, 0, err);
    if (rc == RN_OK)
        rc = check_data(p, err);
    if (rc) {
        rn_data_close(p->data);
        p->data = NULL;
    }
    return rc;
}

/* ------------------------------------------------------------- output */

static const char *class_name(const struct predictor *p, int i)
{
    const char *name = rn_model_class_name(p->model, i);

    return name ? name : rn_data_class_name(p->data, i);
}

static json_t *json_top(const struct predictor *p)
{
    json_t *list = json_list();

    for (int i = 0; i < p->k; i++) {
        int c = p->top[i];
        json_t *entry = json_new();

        json_put(entry, "index", json_count((uint64_t)c));
        json_put(entry, "id", json_null()); /* these data sets have none */
        json_put(entry, "name", json_text(class_name(p, c)));
        json_put(entry, "probability", json_double((double)p->logits[c]));
        json_add(list, entry);
    }
    return list;
}

static void print_json(const struct predictor *p, const char *file, int label)
{
    json_t *object = json_new();

    json_put(object, "file", json_text(file));
    json_put(object, "top", json_top(p));
    json_put(object, "label", json_count((uint64_t)label));
    json_put(object, "label_name", json_text(class_name(p, label)));
    json_line(object);
}

#define BAR_CELLS 24

static void print_text(const struct predictor *p, const char *file, int label)
{
    const char *name = class_name(p, label);

    printf("%s  labelled %d%s%s\n", file, label, name ? " " : "",
           name ? name : "");
    for (int i = 0; i < p->k; i++) {
        static const char bar[BAR_CELLS + 1] = "########################";
        int c = p->top[i];
        float share = p->logits[c];

        name = class_name(p, c);
        printf("  %6.2f %%  %-*.*s %4d%s%s\n", 100 * (double)share, BAR_CELLS,
               (int)(share * BAR_CELLS + 0.5F), bar, c, name ? " " : "",
               name ? name : "");
    }
}

/** A failed input does not stop the others. */
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

/* --------------------------------------------------------- prediction */

static int predict_image(struct predictor *p, const struct input *input,
                         int index, const char *file, struct rn_error *err)
{
    int label, rc;

    rc = rn_data_image(p->data, input->part, index, p->pixels, &label, err);
    if (rc == RN_OK)
        rc = rn_model_preprocess(p->model, p->pixels, p->image, err);
    if (rc == RN_OK)
        rc = rn_plan_forward(p->plan, p->image, p->logits, err);
    if (rc)
        return rc;
    rn_softmax(p->logits, p->info.classes);
    rn_top_k(p->logits, p->info.classes, p->k, p->top);
    if (p->options->json)
        print_json(p, file, label);
    else
        print_text(p, file, label);
    return RN_OK;
}

/** All images of one INPUT; the number that failed. */
static int predict_input(struct predictor *p, const char *text)
{
    struct rn_error err = {0};
    struct input input = {0};
    int failed = 0;
    char file[512];

    if (parse_input(text, &input, &err) || open_data(p, &input, &err)) {
        print_failure(p, text, &err);
        return 1;
    }
    for (int i = input.first; i <= input.last; i++) {
        snprintf(file, sizeof(file), "%.*s:%d",
                 (int)(strrchr(text, ':') - text), text, i);
        if (predict_image(p, &input, i, file, &err)) {
            print_failure(p, file, &err);
            failed++;
            break; /* the rest of the range is past the end, too */
        }
    }
    return failed;
}

static int predictor_open(struct predictor *p, struct rn_error *err)
{
    struct rn_plan_options plan;
    size_t pixels;
    int rc = rn_model_load(&p->model, p->path, err);

    if (rc)
        return rc;
    rn_model_describe(p->model, &p->info);
    rn_plan_defaults(&plan);
    plan.mode = RN_MODE_INFER;
    plan.batch = 1;
    plan.threads = p->options->threads;
    plan.exact = p->options->exact;
    rc = rn_plan_create(&p->plan, p->model, &plan, err);
    if (rc)
        return rc;
    p->k =
        p->options->top < p->info.classes ? p->options->top : p->info.classes;
    pixels = (size_t)p->info.channels * (size_t)p->info.height *
             (size_t)p->info.width;
    p->pixels = malloc(pixels);
    p->image = malloc(pixels * sizeof(float));
    p->logits = malloc((size_t)p->info.classes * sizeof(float));
    p->top = malloc((size_t)p->k * sizeof(int));
    if (p->pixels && p->image && p->logits && p->top)
        return RN_OK;
    err->code = RN_ERR_MEMORY;
    snprintf(err->msg, sizeof(err->msg), "out of memory");
    return err->code;
}

static void predictor_close(struct predictor *p)
{
    rn_data_close(p->data);
    free(p->spec);
    free(p->pixels);
    free(p->image);
    free(p->logits);
    free(p->top);
    rn_plan_destroy(p->plan);
    rn_model_destroy(p->model);
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    struct predictor p = {.options = options, .path = args->operand[0]};
    struct rn_error err = {0};
    int status = EXIT_DONE;

    (void)command;
    if (predictor_open(&p, &err))
        status = cli_fail(&err);
    else
        for (int i = 1; i < args->count; i++)
            if (predict_input(&p, args->operand[i]))
                status = EXIT_BAD_DATA;
    predictor_close(&p);
    return status;
}

const struct command command_predict = {
    .name = "predict",
    .synopsis = "MODEL INPUT... [option ...]",
    .summary = "What a model takes images for, with probabilities.",
    .notes = "INPUT is DATA:INDEX or DATA:FIRST-LAST, images of a data set's "
             "test part, or\nDATA:train:INDEX. The exit status is 3 when an "
             "input failed; the others are\nstill done.\n",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .min_args = 2,
    .max_args = 1000000,
    .missing = "MODEL or INPUT",
    .defaults = defaults,
    .run = run,
};
