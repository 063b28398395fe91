/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet eval: error and loss of a model on a data set. */
#include "cli.h"
#include "import.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    struct import_args import;
    struct rn_eval_options eval;
    const char *part;
    const char *validation;
    int json;
};

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct option options_table[] = {
    {"part", "PART", OPTION_WORD, AT(part), 0, 0, "train|validation|test",
     "test; of pictures what there is",
     "part of the data to evaluate on: train, validation or test"},
    {"validation", "N", OPTION_TEXT, AT(validation), 0, 0, NULL, "0",
     "the last N or N% training images are the validation part; of pictures "
     "some of each class"},
    {"as-stored", NULL, OPTION_FLAG, AT(eval.as_stored), 0, 0, NULL, NULL,
     "do not turn pictures as their EXIF orientation says"},
    {"batch", "N", OPTION_INT, AT(eval.batch), 1, 65536, NULL, "chosen",
     "images per batch"},
    {"threads", "N", OPTION_INT, AT(eval.threads), 1, 1024, NULL,
     "what the machine allows", "compute threads"},
    {"exact", NULL, OPTION_FLAG, AT(eval.exact), 0, 0, NULL, NULL,
     "direct convolution only, no Winograd"},
    {"json", NULL, OPTION_FLAG, AT(json), 0, 0, NULL, NULL,
     "print the result as one JSON object"},
};
/* clang-format on */

static const struct option_group groups[] = {
    {"options", options_table, COUNT(options_table), 0},
    {"models of others", import_table, IMPORT_OPTIONS, AT(import)},
};

static void defaults(void *options)
{
    struct options *o = options;

    rn_eval_defaults(&o->eval);
}

static int on_progress(void *user, int done, int images)
{
    const double *started = user;
    char line[96];

    if (interrupt_signal())
        return 1;
    if (progress_due()) {
        double seconds = seconds_now() - *started;

        snprintf(line, sizeof(line), "%d/%d images  %.0f images/s", done,
                 images, seconds > 0 ? done / seconds : 0.0);
        progress_draw(images ? (double)done / images : 0, line);
    }
    return 0;
}

/** What was evaluated on what. */
struct subject {
    const char *model_path, *data_spec;
    struct rn_model_info model;
    struct rn_data_info data;
    enum rn_part part;
    const char *part_name;
};

/** "N" or "N%". */
static int parse_validation(const char *text, struct rn_data_options *out)
{
    char *end;
    double value;

    if (!text)
        return 0;
    value = strtod(text, &end);
    if (end != text && strcmp(end, "%") == 0 && value >= 0 && value < 100) {
        out->validation_percent = value;
        return 0;
    }
    if (end != text && !*end && value >= 0 && value <= 1e9 &&
        value == floor(value)) {
        out->validation = (int)value;
        return 0;
    }
    say_error("--validation: '%s' is not a number of images, or a percentage "
              "below 100 with %%",
              text);
    return -1;
}

/** The part asked for. When none is, and the images are pictures, a test
 *  part, else a validation part, else all there are. */
static void choose_part(struct subject *s, const char *asked)
{
    static const enum rn_part order[] = {RN_PART_TEST, RN_PART_VALIDATION};
    int pictures = s->data.height == 0;

    s->part = RN_PART_TEST;
    for (int i = RN_PART_TRAIN; asked && i <= RN_PART_TEST; i++)
        if (strcmp(asked, rn_part_name((enum rn_part)i)) == 0)
            s->part = (enum rn_part)i;
    s->part_name = rn_part_name(s->part);
    if (asked || !pictures)
        return;
    for (size_t i = 0; i < COUNT(order); i++) {
        s->part = order[i];
        s->part_name = rn_part_name(s->part);
        if (s->data.count[s->part])
            return;
    }
    s->part = RN_PART_TRAIN;
    s->part_name = "all";
}

static void print_json(const struct subject *s, const struct rn_eval_result *r)
{
    json_t *object = json_new();

    json_put(object, "model", json_text(s->model_path));
    json_put(object, "net", json_text(s->model.net));
    json_put(object, "data", json_text(s->data_spec));
    json_put(object, "part", json_text(s->part_name));
    json_put(object, "protocol", json_text(r->protocol));
    json_put(object, "images", json_count((uint64_t)r->images));
    json_put(object, "top1_error", json_double(r->top1_error));
    json_put(object, "top5_error", json_double(r->top5_error));
    json_put(object, "loss", json_double(r->loss));
    json_put(object, "seconds", json_double(r->seconds));
    json_line(object);
}

static void print_text(const struct subject *s, const struct rn_eval_result *r)
{
    struct text t;

    printf("model        %s (%s)\n", s->model_path, s->model.net);
    printf("data         %s (%s), %s%s %s images\n", s->data_spec,
           s->data.format, s->part_name,
           strcmp(s->part_name, "all") == 0 ? "" : " part,",
           text_count(&t, (uint64_t)r->images));
    printf("protocol     %s\n", r->protocol);
    printf("top-1 error  %.2f %%\n", r->top1_error);
    printf("top-5 error  %.2f %%\n", r->top5_error);
    printf("loss         %.4f\n", r->loss);
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    struct options *o = options;
    struct subject s = {
        .model_path = args->operand[0],
        .data_spec = args->operand[1],
    };
    struct rn_data_options split = {0, 0};
    struct rn_model *model = NULL;
    struct rn_data *data = NULL;
    struct rn_eval_result result = {0};
    struct rn_error err = {0};
    double started = seconds_now();
    int rc;

    (void)command;
    if (parse_validation(o->validation, &split))
        return EXIT_USAGE;
    rc = import_open(&model, s.model_path, &o->import, &err);
    if (rc == RN_OK)
        rc = rn_data_open(&data, s.data_spec, &split, &err);
    if (rc)
        goto out;
    rn_model_describe(model, &s.model);
    rn_data_describe(data, &s.data);
    choose_part(&s, o->part);
    o->eval.part = s.part;
    o->eval.user = &started;
    o->eval.progress = on_progress;
    interrupt_catch();
    rc = rn_eval(model, data, &o->eval, &result, &err);
    progress_clear();
    if (rc == RN_OK && o->json)
        print_json(&s, &result);
    else if (rc == RN_OK)
        print_text(&s, &result);
out:
    rn_data_close(data);
    rn_model_destroy(model);
    return rc ? cli_fail(&err) : EXIT_DONE;
}

const struct command command_eval = {
    .name = "eval",
    .synopsis = "MODEL DATA [option ...]",
    .summary = "Top-1 and top-5 error and loss of a model on a data set.",
    .notes = "DATA is a folder of CIFAR or IDX files, synthetic:..., or a "
             "folder of pictures:\nFOLDER/CLASS/PICTURE, with train/ and val/ "
             "or test/ above, or a labels.txt with\nFILE CLASS a line. "
             "Folders are the model's classes of that identifier or name.\n",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .min_args = 2,
    .max_args = 2,
    .missing = "MODEL or DATA",
    .defaults = defaults,
    .run = run,
};
