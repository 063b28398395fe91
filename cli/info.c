/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet info: layers, sizes and costs of a network, and its picture. */
#include "cli.h"
#include "import.h"
#include "output.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct options {
    struct rn_net_options net;
    struct import_args import;
    struct rn_plan_options plan;
    int json;
    const char *graph, *dot;
    int whole;
};

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct rn_option own_options[] = {
    {"batch", .type = RN_OPTION_INT, .offset = AT(plan.batch), .min = 1,
     .max = 65536, .value = "N", .unset = "128, or 32 above 64 pixels",
     .help = "Count the memory for N images per batch"},
    {"json", .type = RN_OPTION_FLAG, .offset = AT(json),
     .help = "Print one JSON object in place of tables"},
    {"graph", .type = RN_OPTION_TEXT, .offset = AT(graph), .value = "FILE",
     .help = "In place of tables draw the network into FILE, which ends in "
             ".svg: layers from top to bottom, shortcuts as arcs"},
    {"dot", .type = RN_OPTION_TEXT, .offset = AT(dot), .value = "FILE",
     .help = "Write it as text for Graphviz into FILE, or - for standard "
             "output"},
    {"whole", .type = RN_OPTION_FLAG, .offset = AT(whole),
     .help = "Draw every layer of large networks, not equal blocks once"},
};
/* clang-format on */

static const struct option_group groups[] = {
    {"network", .library = rn_net_option, .base = AT(net)},
    NAMING_GROUP(AT(import)),
    {"output", .own = own_options, .count = COUNT(own_options)},
    {"output", .library = rn_plan_option, .base = AT(plan),
     .without = "mode|batch|threads|exact|winograd|profile"},
};

/** What a network is, and what it needs. */
struct facts {
    const struct rn_model *model;
    struct rn_model_info info;
    int batch, recompute, precision, emulate;
    uint64_t train_bytes, infer_bytes; /* training 0: it cannot be trained */
};

static void defaults(void *options)
{
    struct options *o = options;

    rn_net_defaults(&o->net);
    rn_import_defaults(&o->import.o);
    rn_plan_defaults(&o->plan);
    o->plan.batch = 0; /* by the network's size */
}

static void list_networks(int json)
{
    const char *name, *description;

    for (size_t i = 0; (name = rn_net_name(i, &description)); i++) {
        if (json) {
            json_t *line = json_new();

            json_put(line, "net", json_text(name));
            json_put(line, "description", json_text(description));
            json_line(line);
        } else {
            print_wrapped(name, 20, description);
        }
    }
}

static int estimate(const struct facts *facts, enum rn_mode mode,
                    uint64_t *bytes, struct rn_error *err)
{
    struct rn_plan_options o;

    rn_plan_defaults(&o);
    o.mode = mode;
    o.batch = facts->batch;
    o.recompute = facts->recompute;
    o.precision = facts->precision;
    o.emulate = facts->emulate;
    return rn_plan_estimate(facts->model, &o, bytes, err);
}

/* Some networks of others are for inference alone. */
static int estimate_both(struct facts *facts, struct rn_error *err)
{
    int rc = estimate(facts, RN_MODE_TRAIN, &facts->train_bytes, err);

    if (rc != RN_OK && rc != RN_ERR_ARG)
        return rc;
    return estimate(facts, RN_MODE_INFER, &facts->infer_bytes, err);
}

static json_t *json_shape(int c, int h, int w)
{
    json_t *shape = json_list();

    json_add(shape, json_count((uint64_t)c));
    json_add(shape, json_count((uint64_t)h));
    json_add(shape, json_count((uint64_t)w));
    return shape;
}

/* Whole numbers as such; limits that there are none of are null. */
static json_t *json_number_of(double value)
{
    return fabs(value) < 1e9 && value == floor(value)
               ? json_integer((json_int_t)value)
               : json_double(value);
}

static json_t *json_attribute(const struct rn_layer_attribute *a)
{
    json_t *list;

    if (a->word && strcmp(a->word, "true") == 0)
        return json_true();
    if (a->word && strcmp(a->word, "false") == 0)
        return json_false();
    if (a->word)
        return json_text(a->word);
    if (a->count == 1)
        return json_number_of(a->numbers[0]);
    list = json_list();
    for (int n = 0; n < a->count; n++)
        json_add(list, json_number_of(a->numbers[n]));
    return list;
}

static json_t *json_attributes(const struct facts *facts, size_t layer)
{
    json_t *object = json_new();
    struct rn_layer_attribute a;

    for (size_t k = 0;
         rn_model_layer_attribute(facts->model, layer, k, &a) == RN_OK; k++)
        json_put(object, a.name, json_attribute(&a));
    return object;
}

static json_t *json_layers(const struct facts *facts)
{
    json_t *list = json_list();
    struct rn_layer_info layer;

    for (size_t i = 0; rn_model_layer(facts->model, i, &layer) == RN_OK; i++) {
        json_t *entry = json_new();

        json_put(entry, "name", json_text(layer.name));
        json_put(entry, "op", json_text(layer.op));
        json_put(entry, "output",
                 json_shape(layer.channels, layer.height, layer.width));
        json_put(entry, "params", json_count(layer.params));
        json_put(entry, "macs", json_count(layer.macs));
        json_put(entry, "attributes", json_attributes(facts, i));
        json_add(list, entry);
    }
    return list;
}

static void print_json(const struct facts *facts)
{
    const struct rn_model_info *info = &facts->info;
    const char *shortcut = rn_shortcut_name(info->shortcut);
    json_t *object = json_new(), *memory = json_new();

    json_put(object, "net", json_text(info->net));
    json_put(object, "input",
             json_shape(info->channels, info->height, info->width));
    json_put(object, "classes", json_count((uint64_t)info->classes));
    json_put(object, "output", json_text(rn_output_name(info->output)));
    json_put(object, "head", json_text(rn_output_name(info->head)));
    json_put(object, "shortcut", json_text(shortcut ? shortcut : "-"));
    json_put(object, "stride", json_text(info->stride_v1 ? "v1" : "v1.5"));
    json_put(object, "params", json_count(info->params));
    json_put(object, "macs", json_count(info->macs));
    if (info->aux_heads) {
        json_t *aux = json_new();

        json_put(aux, "heads", json_count(info->aux_heads));
        json_put(aux, "params", json_count(info->aux_params));
        json_put(object, "aux_heads", aux);
    }
    if (info->quantized)
        json_put(object, "quantized", json_count(info->quantized));
    json_put(object, "layers", json_layers(facts));
    json_put(memory, "train_bytes",
             facts->train_bytes ? json_count(facts->train_bytes) : json_null());
    json_put(memory, "infer_bytes", json_count(facts->infer_bytes));
    json_put(memory, "batch", json_count((uint64_t)facts->batch));
    json_put(memory, "precision",
             json_text(precision_text(facts->precision, info)));
    json_put(object, "memory", memory);
    if (info->trained) {
        json_t *trained = json_loads(info->trained, 0, NULL);

        json_put(object, "trained",
                 trained ? trained : json_text(info->trained));
    }
    json_line(object);
}

static void print_layers(const struct facts *facts)
{
    static const char *const headings[] = {"layer", "op", "output", "params",
                                           "mult-adds"};
    struct table *table = table_new(5, headings, "llrrr");
    struct rn_layer_info layer;
    struct text t;

    for (size_t i = 0; rn_model_layer(facts->model, i, &layer) == RN_OK; i++) {
        table_cell(table, "%s", layer.name);
        table_cell(table, "%s", layer.op);
        table_cell(table, "%dx%dx%d", layer.channels, layer.height,
                   layer.width);
        table_cell(table, "%s",
                   layer.params ? text_count(&t, layer.params) : "");
        table_cell(table, "%s", layer.macs ? text_count(&t, layer.macs) : "");
    }
    table_print(table);
}

/* The file's JSON, with numbers as short as people write them. */
static void print_trained(const char *trained)
{
    json_t *value = json_loads(trained, 0, NULL);
    char *text = value ? json_dumps(value, JSON_REAL_PRECISION(6)) : NULL;

    printf("trained      %s\n", text ? text : trained);
    free(text);
    json_decref(value);
}

static void print_text(const struct facts *facts)
{
    const struct rn_model_info *info = &facts->info;
    const char *precision = precision_text(facts->precision, info);
    struct text t;

    print_layers(facts);
    printf("\nnetwork      %s, input %dx%dx%d, %d classes", info->net,
           info->channels, info->height, info->width, info->classes);
    if (info->shortcut != '-')
        printf(", shortcut %s", rn_shortcut_name(info->shortcut));
    if (info->output != RN_OUTPUT_LOGITS || info->head != info->output)
        printf("\noutput       %s", rn_output_name(info->output));
    if (info->head != info->output)
        printf(", its file's %s", rn_output_name(info->head));
    printf("\nparameters   %s", text_count(&t, info->params));
    if (info->aux_heads)
        printf(", with its auxiliary heads (%zu) in training %s",
               info->aux_heads,
               text_count(&t, info->params + info->aux_params));
    putchar('\n');
    printf("mult-adds    %s an image\n", text_count(&t, info->macs));
    printf("memory       ");
    if (facts->train_bytes)
        printf("training %s, ", text_bytes(&t, facts->train_bytes));
    printf("inference %s", text_bytes(&t, facts->infer_bytes));
    printf(", at batch %d", facts->batch);
    if (strcmp(precision, "fp32") != 0)
        printf(", %s", precision);
    putchar('\n');
    if (info->quantized)
        printf("quantised    %zu layers in 8 bits\n", info->quantized);
    if (!facts->train_bytes)
        printf("training     not here: it %s\n",
               info->quantized ? "is quantised"
                               : "has layers for inference alone");
    if (info->trained)
        print_trained(info->trained);
}

/* --------------------------------------------------------------- pictures */

static void print_given(void *user, const char *text, size_t size)
{
    (void)user;
    fwrite(text, 1, size, stdout);
}

static int draw(const struct options *o, const struct rn_model *model,
                struct rn_error *err)
{
    int console = o->dot && strcmp(o->dot, "-") == 0;
    int rc = RN_OK;

    if (o->graph)
        rc = rn_model_draw(model, RN_DRAWING_SVG, o->whole, o->graph, NULL,
                           NULL, err);
    if (!rc && o->dot)
        rc = rn_model_draw(model, RN_DRAWING_DOT, o->whole,
                           console ? NULL : o->dot,
                           console ? print_given : NULL, NULL, err);
    return rc;
}

/* 0, or the exit status after a message. */
static int check_drawing(const struct options *o, const struct args *args)
{
    const char *end = o->graph ? strrchr(o->graph, '.') : NULL;
    const char *asked = o->graph ? "graph" : o->dot ? "dot" : "whole";

    if (!o->graph && !o->dot && !o->whole)
        return 0;
    if (o->json || args->count == 0)
        say_error("--%s draws a network, without %s", asked,
                  o->json ? "--json" : "the list of them");
    else if (!o->graph && !o->dot)
        say_error("--whole is for --graph and --dot");
    else if (o->graph && (!end || strcasecmp(end, ".svg") != 0))
        say_error("--graph: '%s' has to end in .svg, as that is what is "
                  "written",
                  o->graph);
    else
        return (o->graph && output_place(o->graph)) ||
                       (o->dot && strcmp(o->dot, "-") != 0 &&
                        output_place(o->dot))
                   ? EXIT_FAILED
                   : 0;
    return EXIT_USAGE;
}

/* A list has no network that options could be of, a picture no memory. */
static int check_options(const struct command *command, const struct options *o,
                         const struct args *args)
{
    struct option other;

    if (args->count == 0 &&
        options_given_beside(command, args, "json|graph|dot|whole", &other))
        say_error("--%s is of a network, but NET or MODEL is missing",
                  other.name);
    else if ((o->graph || o->dot) &&
             options_given_of(command, args,
                              "batch|recompute|precision|emulate", &other))
        say_error("--%s counts memory, which pictures do not tell", other.name);
    else
        return 0;
    return EXIT_USAGE;
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    const struct options *o = options;
    struct facts facts = {0};
    struct rn_model *model = NULL;
    struct rn_error err;
    int rc = check_options(command, o, args);

    if (rc == 0)
        rc = check_drawing(o, args);
    if (rc)
        return rc;
    if (args->count == 0) {
        list_networks(o->json);
        return EXIT_DONE;
    }
    rc =
        net_open(&model, args->operand[0], &o->net,
                 options_given_any(command, args, "network"), &o->import, &err);
    if (rc)
        return cli_fail(&err);
    if (o->graph || o->dot) {
        rc = draw(o, model, &err);
        rn_model_destroy(model);
        return rc ? cli_fail(&err) : EXIT_DONE;
    }
    facts.model = model;
    rn_model_describe(model, &facts.info);
    facts.recompute = o->plan.recompute;
    facts.precision = o->plan.precision;
    facts.emulate = o->plan.emulate;
    facts.batch = o->plan.batch ? o->plan.batch : net_batch(&facts.info);
    rc = estimate_both(&facts, &err);
    if (rc)
        rc = cli_fail(&err);
    else if (o->json)
        print_json(&facts);
    else
        print_text(&facts);
    rn_model_destroy(model);
    return rc;
}

const struct command command_info = {
    .name = "info",
    .synopsis = "[NET|MODEL] [option ...]",
    .summary = "Layers, output shapes, parameters, multiply-adds and memory "
               "of a network or model file, or a picture of it. Without one: "
               "the networks.",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .max_args = 1,
    .defaults = defaults,
    .run = run,
};
