/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet quantize: a model in 8 bits. */
#include "cli.h"
#include "heldout.h"
#include "import.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    struct import_args import;
    struct rn_quantize_options quantize;
    const char *output;
    int unlabelled, json;
};

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct rn_option own_options[] = {
    {"output", .type = RN_OPTION_TEXT, .offset = AT(output), .value = "FILE",
     .help = "Write the quantised model to FILE, which ends in .safetensors "
             "or .onnx"},
    {"unlabelled", .type = RN_OPTION_FLAG, .offset = AT(unlabelled),
     .help = "Take all pictures below DATA, whatever classes its folders name"},
    {"json", .type = RN_OPTION_FLAG, .offset = AT(json), .help = JSON_HELP},
};
/* clang-format on */

static const struct option_group groups[] = {
    {"options", .own = own_options, .count = COUNT(own_options)},
    {"calibration", .library = rn_quantize_option, .only = "calibration",
     .base = AT(quantize)},
    {"accuracy", .library = rn_quantize_option, .only = "accuracy",
     .base = AT(quantize)},
    {"running", .library = rn_quantize_option, .only = "running",
     .base = AT(quantize)},
    IMPORT_GROUPS(AT(import), "|output|aux_heads"),
};

static void defaults(void *options)
{
    struct options *o = options;

    rn_quantize_defaults(&o->quantize);
    rn_import_defaults(&o->import.o);
    o->quantize.bind = 1;
}

/** The layers as they are told of. */
struct layers {
    int json;
    struct table *table; /* or */
    json_t *list;
};

static int on_progress(void *user, const char *what, int done, int all)
{
    char line[96];

    (void)user;
    if (interrupt_signal())
        return 1;
    if (progress_due()) {
        snprintf(line, sizeof(line), "%s  %d/%d", what, done, all);
        progress_draw(all ? (double)done / all : 0, line);
    }
    return 0;
}

static void add_decibels(struct table *table, double value)
{
    if (isfinite(value))
        table_cell(table, "%.1f", value);
    else
        table_cell(table, "-");
}

static int on_layer(void *user, const struct rn_quantized_layer *l)
{
    struct layers *layers = user;
    json_t *entry;

    if (!layers->json) {
        table_cell(layers->table, "%s", l->name);
        table_cell(layers->table, "%s", l->quantized ? "int8" : "fp32");
        add_decibels(layers->table, l->cost);
        add_decibels(layers->table, l->signal_to_noise);
        table_cell(layers->table, "%s", l->range ? l->range : "fp32");
        if (l->range)
            table_cell(layers->table, "%.4g .. %.4g", l->low, l->high);
        else
            table_cell(layers->table, "-");
        return 0;
    }
    entry = json_new();
    json_put(entry, "name", json_text(l->name));
    json_put(entry, "value", json_text(l->value));
    json_put(entry, "kind", json_text(l->quantized ? "int8" : "fp32"));
    json_put(entry, "cost_db", json_double(l->cost));
    json_put(entry, "signal_to_noise_db", json_double(l->signal_to_noise));
    json_put(entry, "range", json_text(l->range));
    json_put(entry, "low", json_double(l->low));
    json_put(entry, "high", json_double(l->high));
    json_add(layers->list, entry);
    return 0;
}

static void print_json(char *const *paths, const struct options *o,
                       const struct layers *layers,
                       const struct rn_quantize_result *r)
{
    json_t *object = json_new();

    json_put(object, "model", json_text(paths[0]));
    json_put(object, "data", json_text(paths[1]));
    json_put(object, "output", json_text(o->output));
    json_put(object, "images", json_count((uint64_t)r->images));
    json_put(object, "layers", layers->list);
    json_put(object, "quantized", json_count((uint64_t)r->quantized));
    json_put(object, "check_part", json_text(rn_part_name(r->check_part)));
    json_put(object, "check_images", json_count((uint64_t)r->check_images));
    json_put(object, "error_before", json_double(r->error_before));
    json_put(object, "error_after", json_double(r->error_after));
    json_put(object, "agreement", json_double(r->agreement));
    json_line(object);
}

/* "12 training images", or of data without classes "12 pictures". */
static const char *count_of(int count, enum rn_part part, int labelled,
                            char *text, size_t size)
{
    static const char *const parts[] = {"training", "validation", "test"};
    const char *s = count == 1 ? "" : "s";
    struct text t;

    text_count(&t, (uint64_t)count);
    if (labelled)
        snprintf(text, size, "%s %s image%s", t.at, parts[part], s);
    else
        snprintf(text, size, "%s picture%s", t.at, s);
    return text;
}

static void print_text(const struct options *o, const struct layers *layers,
                       const struct rn_data_info *data,
                       const struct rn_quantize_result *r)
{
    enum rn_part part = (enum rn_part)o->quantize.part;
    int labelled = data->classes > 0;
    char text[80];

    table_print(layers->table);
    printf("\ncalibrated   on %s%s\n",
           count_of(r->images, part, labelled, text, sizeof(text)),
           r->images < o->quantize.images ? ", all there are" : "");
    printf("quantised    %d of %d layers\n", r->quantized, r->layers);
    count_of(r->check_images, r->check_part, labelled, text, sizeof(text));
    if (isnan(r->agreement)) {
        printf("%s error  %.2f %% before, %.2f %% after, of %s\n",
               data->several ? "exact" : "top-1", r->error_before,
               r->error_after, text);
        return;
    }
    printf("top-1 error  not measured: %s\n",
           labelled ? "there is no other part" : "there are no classes");
    printf("agreement    %.2f %% of first answers are float32's, of %s\n",
           r->agreement, text);
}

static int quantize(char *const *paths, struct options *o,
                    struct rn_model *model, const struct rn_data *data,
                    struct rn_error *err)
{
    static const char *const headings[] = {"layer",  "kind",  "cost dB",
                                           "SNR dB", "range", "covers"};
    struct layers layers = {.json = o->json};
    struct rn_quantize_options wanted;
    struct rn_quantize_result result;
    struct rn_data_info info;
    int rc;

    rn_data_describe(data, &info);
    if (o->json)
        layers.list = json_list();
    else
        layers.table = table_new(6, headings, "llrrll");
    wanted = o->quantize;
    ask_for_zeroes(rn_quantize_option, &wanted);
    wanted.user = &layers;
    wanted.progress = on_progress;
    wanted.layer = on_layer;
    interrupt_catch();
    rc = rn_quantize(model, data, &wanted, &result, err);
    progress_clear();
    cli_remarks(data);
    if (!rc)
        rc = rn_model_export(model, o->output, err);
    if (rc) {
        json_decref(layers.list);
        table_destroy(layers.table);
        return rc;
    }
    if (o->json)
        print_json(paths, o, &layers, &result);
    else
        print_text(o, &layers, &info, &result);
    return RN_OK;
}

/* Whether there is a list of classes, and so something wrong with it: in a
 * folder, or in an archive, where what is wrong names it. */
static int has_list(const char *path, const struct rn_error *err)
{
    static const char *const names[] = {"labels.txt", "labels.csv",
                                        "classes.txt"};
    char list[4096];

    for (size_t i = 0; i < COUNT(names); i++) {
        int n = snprintf(list, sizeof(list), "%s/%s", path, names[i]);

        if (n < 0 || (size_t)n >= sizeof(list) || access(list, F_OK) == 0)
            return 1;
        snprintf(list, sizeof(list), "/%s'", names[i]);
        if (strstr(err->msg, list))
            return 1;
    }
    return 0;
}

/* Whether the pictures of DATA have no classes: it is one, or all lie in it
 * side by side. */
static int is_unlabelled(const char *path)
{
    struct rn_pictures *pictures;
    size_t length = strlen(path), count = 0;
    const char *picture;
    int flat;

    if (rn_pictures_find(&pictures, path, NULL))
        return 0;
    while (length > 1 && path[length - 1] == '/')
        length--;
    do {
        flat = !rn_pictures_get(pictures, count, &picture, NULL) &&
               (strncmp(picture, path, length) != 0 ||
                !strchr(picture + length + strspn(picture + length, "/"), '/'));
    } while (flat && ++count < rn_pictures_count(pictures));
    rn_pictures_destroy(pictures);
    return flat;
}

/* Data with classes as the model was trained on them, or pictures. */
static int open_data(struct rn_data **data, const struct rn_model *model,
                     const struct options *o, struct held_out_args *args,
                     struct rn_error *err)
{
    int rc;

    if (o->unlabelled)
        return rn_data_from_pictures(data, args->spec, err);
    rc = held_out_open(data, model, args, err);
    if (rc != RN_ERR_DATA || has_list(args->spec, err) ||
        !is_unlabelled(args->spec))
        return rc;
    rc = rn_data_from_pictures(data, args->spec, err);
    if (!rc)
        say("'%s' names no classes: taken as pictures without any", args->spec);
    return rc;
}

/* Pictures of other classes may have been meant as pictures alone. */
static void hint(const struct rn_model *model, const struct rn_data *data)
{
    struct rn_model_info m;
    struct rn_data_info d;

    rn_model_describe(model, &m);
    rn_data_describe(data, &d);
    if (d.height == 0 && d.classes && d.classes != m.classes)
        say("--unlabelled takes the pictures without their classes");
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    struct options *o = options;
    struct held_out_args held_out = {.spec = args->operand[1],
                                     .model = args->operand[0],
                                     .part = "train",
                                     .split = {.seed = 1}};
    struct rn_model *model = NULL;
    struct rn_data *data = NULL;
    struct rn_error err = {0};
    int rc;

    (void)command;
    if (!o->output) {
        say_error("--output is missing: where to write the quantised model");
        return EXIT_USAGE;
    }
    for (int i = 0; i < args->count; i++)
        if (output_other(o->output, args->operand[i]))
            return EXIT_USAGE;
    if (output_ending("output", o->output, ".safetensors|.onnx"))
        return EXIT_USAGE;
    if (output_place(o->output))
        return EXIT_FAILED;
    rc = import_prepared(&model, args->operand[0], &o->import, &err);
    if (!rc)
        rc = open_data(&data, model, o, &held_out, &err);
    if (!rc)
        rc = quantize(args->operand, o, model, data, &err);
    if (rc)
        rc = cli_fail(&err);
    if (rc && data)
        hint(model, data);
    rn_data_close(data);
    rn_model_destroy(model);
    return rc ? rc : EXIT_DONE;
}

const struct command command_quantize = {
    .name = "quantize",
    .synopsis = "MODEL DATA --output FILE [option ...]",
    .summary =
        "Put a model into 8 bits (int8): faster, and a quarter as large.",
    .notes =
        "DATA is as for 'resnet eval', or a picture or a folder of pictures "
        "without classes.\nRanges of values come from calibration images; "
        "biases are corrected for what rounding\nweights does to means. Of "
        "each layer is told what it costs alone, as signal to noise\nof the "
        "outputs, and how near its value stays to float32's. eval, predict, "
        "features\nand bench compute such a model in int8.\n",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .min_args = 2,
    .max_args = 2,
    .missing = "MODEL or DATA",
    .defaults = defaults,
    .run = run,
};
