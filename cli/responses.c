/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet responses: how large the responses of networks' layers are. */
#include "cli.h"
#include "heldout.h"
#include "import.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    struct import_args import;
    struct rn_response_options run;
    const char *part, *csv, *svg;
    int json;
};

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct rn_option options_table[] = {
    {"part", .type = RN_OPTION_WORD, .offset = AT(part),
     .words = "train|validation|test",
     .help = "Take images of this part of the data"},
    {"csv", .type = RN_OPTION_TEXT, .offset = AT(csv), .value = "FILE.csv",
     .help = "Write a line for each layer to FILE.csv"},
    {"svg", .type = RN_OPTION_TEXT, .offset = AT(svg), .value = "FILE.svg",
     .help = "Draw a curve for each model into FILE.svg, in the network's order "
             "and sorted"},
    {"json", .type = RN_OPTION_FLAG, .offset = AT(json),
     .help = "Print the result of each model as one JSON object"},
};
/* clang-format on */

static const struct option_group groups[] = {
    {"options", .own = options_table, .count = COUNT(options_table)},
    {"options", .library = rn_response_option, .base = AT(run)},
    IMPORT_GROUPS(AT(import), "|labels|head|aux_heads"),
};

static void defaults(void *options)
{
    struct options *o = options;

    rn_response_defaults(&o->run);
    rn_import_defaults(&o->import.o);
    o->run.bind = 1;
    o->part = "test";
}

/** Models, and what was measured of them. */
struct subject {
    char *const *paths;
    size_t count;
    const char *spec; /* DATA */
    enum rn_part part;
    struct rn_data *data;
    struct rn_model **models;
    struct rn_responses **responses;
    const char **labels; /* the network's name, or the path where two models
                            have the same */
    size_t under_way;    /* the model that is measured */
};

static int on_progress(void *user, int done, int images)
{
    const struct subject *s = user;
    char line[96];

    if (interrupt_signal())
        return 1;
    if (progress_due()) {
        snprintf(line, sizeof(line), "model %zu of %zu  %d/%d images",
                 s->under_way + 1, s->count, done, images);
        progress_draw(images ? (double)done / images : 0, line);
    }
    return 0;
}

/* ----------------------------------------------------------------- output */

static const char *net_of(const struct subject *s, size_t i)
{
    struct rn_model_info info;

    rn_model_describe(s->models[i], &info);
    return info.net;
}

static void label_all(struct subject *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const char *net = net_of(s, i);

        s->labels[i] = net;
        for (size_t k = 0; k < s->count; k++)
            if (k != i && strcmp(net_of(s, k), net) == 0)
                s->labels[i] = s->paths[i];
    }
}

static double mean_deviation(const struct rn_responses *r, size_t layers)
{
    struct rn_response layer;
    double sum = 0;

    for (size_t k = 0; k < layers; k++) {
        rn_responses_layer(r, k, &layer);
        sum += layer.deviation;
    }
    return sum / (double)layers;
}

static void print_json(const struct subject *s, size_t i)
{
    struct rn_response_info info;
    struct rn_response layer;
    json_t *object = json_new(), *list = json_list();

    rn_responses_describe(s->responses[i], &info);
    json_put(object, "model", json_text(s->paths[i]));
    json_put(object, "net", json_text(net_of(s, i)));
    json_put(object, "data", json_text(s->spec));
    json_put(object, "part", json_text(rn_part_name(info.part)));
    json_put(object, "images", json_count((uint64_t)info.images));
    json_put(object, "batch", json_count((uint64_t)info.batch));
    json_put(object, "value", json_text(info.value));
    json_put(object, "batch_norm", json_text(info.batch_norm));
    json_put(object, "mean_deviation",
             json_double(mean_deviation(s->responses[i], info.layers)));
    for (size_t k = 0; rn_responses_layer(s->responses[i], k, &layer) == RN_OK;
         k++) {
        json_t *row = json_new();

        json_put(row, "name", json_text(layer.name));
        json_put(row, "rows", json_count((uint64_t)layer.rows));
        json_put(row, "columns", json_count((uint64_t)layer.columns));
        json_put(row, "channels", json_count((uint64_t)layer.channels));
        json_put(row, "mean", json_double(layer.mean));
        json_put(row, "deviation", json_double(layer.deviation));
        json_put(row, "rank", json_count((uint64_t)layer.rank));
        json_add(list, row);
    }
    json_put(object, "layers", list);
    json_line(object);
}

/* What of each layer, and how batch norm was computed. */
static void print_what(const struct rn_response_info *info)
{
    char text[200];

    if (strcmp(info->value, "batch norm") == 0)
        snprintf(text, sizeof(text),
                 "after batch norm, before ReLU and addition");
    else
        snprintf(text, sizeof(text), "of the convolutions alone: %s",
                 strcmp(info->batch_norm, "none") == 0
                     ? "there is no batch norm"
                     : "not every one has a batch norm of its own behind it");
    print_wrapped("responses", 13, text);
    if (strcmp(info->batch_norm, "batch") == 0)
        printf("batch norm   by the statistics of batches of %d images\n",
               info->batch);
    else if (strcmp(info->batch_norm, "running") == 0)
        printf("batch norm   by the running statistics\n");
}

static void print_text(const struct subject *s, size_t i)
{
    static const char *const headings[] = {
        "layer", "name", "window", "channels", "mean", "deviation", "rank"};
    struct table *table = table_new(COUNT(headings), headings, "rlrrrrr");
    struct rn_response_info info;
    struct rn_response layer;
    struct rn_data_info data;
    struct text t;

    rn_responses_describe(s->responses[i], &info);
    rn_data_describe(s->data, &data);
    printf("%smodel        %s (%s)\n", i ? "\n" : "", s->paths[i],
           net_of(s, i));
    printf("data         %s (%s), %s part, %s images\n", s->spec, data.format,
           rn_part_name(info.part), text_count(&t, (uint64_t)info.images));
    print_what(&info);
    for (size_t k = 0; rn_responses_layer(s->responses[i], k, &layer) == RN_OK;
         k++) {
        table_cell(table, "%zu", k + 1);
        table_cell(table, "%s", layer.name);
        table_cell(table, "%dx%d", layer.rows, layer.columns);
        table_cell(table, "%d", layer.channels);
        table_cell(table, "%.4f", layer.mean);
        table_cell(table, "%.4f", layer.deviation);
        table_cell(table, "%d", layer.rank);
    }
    table_print(table);
    printf("%zu layer%s, mean of the deviations %.4f\n", info.layers,
           info.layers == 1 ? "" : "s",
           mean_deviation(s->responses[i], info.layers));
}

static int write_files(const struct subject *s, const struct options *o,
                       struct rn_error *err)
{
    const char *const files[] = {o->csv, o->svg};
    int rc = RN_OK;

    for (size_t i = 0; rc == RN_OK && i < COUNT(files); i++)
        if (files[i])
            rc = rn_responses_write(
                (const struct rn_responses *const *)s->responses, s->labels,
                s->count, files[i], err);
    return rc;
}

/* ------------------------------------------------------------ the command */

static int open_all(struct subject *s, const struct options *o,
                    struct held_out_args *held_out, struct rn_error *err)
{
    int rc = RN_OK;

    for (size_t i = 0; rc == RN_OK && i < s->count; i++)
        rc = import_prepared(&s->models[i], s->paths[i], &o->import, err);
    return rc ? rc : held_out_open(&s->data, s->models[0], held_out, err);
}

static int measure_all(struct subject *s, struct options *o,
                       struct rn_error *err)
{
    int rc = RN_OK;

    o->run.user = s;
    o->run.progress = on_progress;
    interrupt_catch();
    for (s->under_way = 0; rc == RN_OK && s->under_way < s->count;
         s->under_way++)
        rc = rn_responses_measure(&s->responses[s->under_way],
                                  s->models[s->under_way], s->data, s->part,
                                  &o->run, err);
    progress_clear();
    cli_remarks(s->data);
    return rc;
}

static int print_all(struct subject *s, const struct options *o,
                     struct rn_error *err)
{
    label_all(s);
    for (size_t i = 0; i < s->count; i++)
        (o->json ? print_json : print_text)(s, i);
    return write_files(s, o, err);
}

/* A file's ending says what is written. */
static int check_file(const char *option, const char *path, const char *ending,
                      const struct args *args)
{
    if (!path)
        return 0;
    if (output_ending(option, path, ending))
        return EXIT_USAGE;
    for (int i = 0; i < args->count; i++)
        if (output_other(path, args->operand[i]))
            return EXIT_USAGE;
    return output_place(path) ? EXIT_FAILED : 0;
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    struct options *o = options;
    struct subject s = {.paths = args->operand,
                        .count = (size_t)args->count - 1,
                        .spec = args->operand[args->count - 1]};
    struct held_out_args held_out = {.spec = s.spec,
                                     .model = s.paths[0],
                                     .part = o->part,
                                     .split = {.seed = 1}};
    struct rn_error err = {0};
    int rc = check_file("csv", o->csv, ".csv", args);

    (void)command;
    if (rc == 0)
        rc = check_file("svg", o->svg, ".svg", args);
    if (rc)
        return rc;
    s.part = (enum rn_part)word_index("train|validation|test", o->part);
    s.models = calloc(s.count, sizeof(*s.models));
    s.responses = calloc(s.count, sizeof(*s.responses));
    s.labels = calloc(s.count, sizeof(*s.labels));
    if (!s.models || !s.responses || !s.labels) {
        say_error("out of memory");
        rc = EXIT_FAILED;
        goto out;
    }
    rc = open_all(&s, o, &held_out, &err);
    if (rc == RN_OK)
        rc = measure_all(&s, o, &err);
    if (rc == RN_OK)
        rc = print_all(&s, o, &err);
    rc = rc ? cli_fail(&err) : EXIT_DONE;
out:
    for (size_t i = 0; i < s.count && s.models && s.responses; i++) {
        rn_responses_destroy(s.responses[i]);
        rn_model_destroy(s.models[i]);
    }
    rn_data_close(s.data);
    free(s.models);
    free(s.responses);
    free(s.labels);
    return rc;
}

const struct command command_responses = {
    .name = "responses",
    .synopsis = "MODEL... DATA [option ...]",
    .summary = "Standard deviations of layers' responses, as in the paper's "
               "figure 7.",
    .notes =
        "DATA is as for 'resnet eval'. A response is the output of a "
        "convolution after batch\nnorm, before ReLU and addition; where a "
        "network has convolutions without a batch\nnorm of their own, it is "
        "that of the convolution alone, of all its layers.\nDeviations are "
        "over images, channels and pixels.\n",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .min_args = 2,
    .max_args = 33,
    .missing = "MODEL or DATA",
    .defaults = defaults,
    .run = run,
};
