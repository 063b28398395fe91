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

struct options {
    struct import_args import;
    struct rn_quantize_options quantize;
    const char *output;
    int json;
};

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct rn_option own_options[] = {
    {"output", .type = RN_OPTION_TEXT, .offset = AT(output), .value = "FILE",
     .help = "Write the quantised model to FILE"},
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
    IMPORT_GROUPS(AT(import), "|output"),
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
    json_put(object, "check_images", json_count((uint64_t)r->check_images));
    json_put(object, "error_before", json_double(r->error_before));
    json_put(object, "error_after", json_double(r->error_after));
    json_line(object);
}

static void print_text(const struct options *o, const struct layers *layers,
                       const struct rn_quantize_result *r)
{
    static const char *const parts[] = {"training", "validation", "test"};
    struct text t;

    table_print(layers->table);
    printf("\ncalibrated   on %s %s images\n",
           text_count(&t, (uint64_t)r->images), parts[o->quantize.part]);
    printf("quantised    %d of %d layers\n", r->quantized, r->layers);
    if (r->check_images)
        printf("top-1 error  %.2f %% before, %.2f %% after, of %s %s images\n",
               r->error_before, r->error_after,
               text_count(&t, (uint64_t)r->check_images), parts[r->check_part]);
    else
        printf("top-1 error  not measured: there are no other images\n");
}

static int quantize(char *const *paths, struct options *o,
                    struct rn_model *model, const struct rn_data *data,
                    struct rn_error *err)
{
    static const char *const headings[] = {"layer",  "kind",  "cost dB",
                                           "SNR dB", "range", "covers"};
    struct layers layers = {.json = o->json};
    struct rn_quantize_result result;
    int rc;

    if (o->json)
        layers.list = json_list();
    else
        layers.table = table_new(6, headings, "llrrll");
    o->quantize.user = &layers;
    o->quantize.progress = on_progress;
    o->quantize.layer = on_layer;
    interrupt_catch();
    rc = rn_quantize(model, data, &o->quantize, &result, err);
    progress_clear();
    cli_remarks(data);
    if (!rc)
        rc = rn_model_save(model, o->output, err);
    if (rc) {
        json_decref(layers.list);
        table_destroy(layers.table);
        return rc;
    }
    if (o->json)
        print_json(paths, o, &layers, &result);
    else
        print_text(o, &layers, &result);
    return RN_OK;
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
    rc = import_prepared(&model, args->operand[0], &o->import, &err);
    if (!rc)
        rc = held_out_open(&data, model, &held_out, &err);
    if (!rc)
        rc = quantize(args->operand, o, model, data, &err);
    rn_data_close(data);
    rn_model_destroy(model);
    return rc ? cli_fail(&err) : EXIT_DONE;
}

const struct command command_quantize = {
    .name = "quantize",
    .synopsis = "MODEL DATA --output FILE [option ...]",
    .summary =
        "Put a model into 8 bits (int8): faster, and a quarter as large.",
    .notes =
        "DATA is as for 'resnet eval'. Ranges of values come from "
        "calibration images; biases\nare corrected for what rounding weights "
        "does to means. Of each layer is told what it\ncosts alone, as signal "
        "to noise of the outputs, and how near its value stays to\nfloat32's. "
        "eval, predict, features and bench compute such a model in int8.\n",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .min_args = 2,
    .max_args = 2,
    .missing = "MODEL or DATA",
    .defaults = defaults,
    .run = run,
};
