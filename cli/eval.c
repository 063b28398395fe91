/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet eval: error and loss of models on a data set. */
#include "cli.h"
#include "heldout.h"
#include "import.h"
#include "inputs.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"
#include "ranks.h"
#include "try.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    struct import_args import;
    struct rn_eval_options eval;
    const char *part;
    const char *validation;
    uint64_t seed;
    const char *scales, *try;
    int per_class;
    const char *confusion, *predictions, *mistakes, *probabilities;
    struct ranks_args ranks;
    int json;
};

#define TRY_IMAGES 500 /* that --try looks at */

/* Most of --scales, and the largest. */
#define SCALES    16
#define SCALE_MAX 4096

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct rn_option options_table[] = {
    {"part", .type = RN_OPTION_WORD, .offset = AT(part),
     .words = "train|validation|test",
     .unset = "test; for pictures what there is",
     .help = "Evaluate on this part of the data"},
    {"validation", .type = RN_OPTION_TEXT, .offset = AT(validation),
     .value = "N|N%", .unset = "as the model was trained",
     .help = "Take the last N, or N%, training images for the validation part; "
             "of pictures some of each class"},
    {"seed", .type = RN_OPTION_SEED, .offset = AT(seed), .value = "N",
     .help = "Choose the pictures that are held out from N, as 'resnet train' "
             "does; the model's own, where it tells"},
    {"try", .type = RN_OPTION_TEXT, .offset = AT(try), .value = "A,B,...",
     .help = "Evaluate the model, on 500 images or --images, under every "
             "combination of what no tensor tells, and print the smallest error "
             "first: " TRY_WORDS "; options that are given stay"},
    {"scales", .type = RN_OPTION_TEXT, .offset = AT(scales),
     .value = "A,B,...",
     .help = "Look at whole pictures and their mirror images, the shorter side "
             "resized to each of these, and average the probabilities; the "
             "paper's: 224,256,384,480,640"},
    {"per-class", .type = RN_OPTION_FLAG, .offset = AT(per_class),
     .help = "Print errors and measures of each class, and their means: "
             "precision, recall, F1, balanced accuracy, ROC-AUC, average "
             "precision"},
    {"confusion", .type = RN_OPTION_TEXT, .offset = AT(confusion),
     .value = "FILE",
     .help = "Write the confusion matrix to FILE, as its name ends: .csv, .svg "
             "or .txt"},
    {"predictions", .type = RN_OPTION_TEXT, .offset = AT(predictions),
     .value = "FILE.csv",
     .help = "Write the five likeliest classes of every image to FILE.csv"},
    {"probabilities", .type = RN_OPTION_TEXT, .offset = AT(probabilities),
     .value = "FILE",
     .help = "Write all classes' probabilities of every image to FILE, as its "
             "name ends: .csv or .npy"},
    {"mistakes", .type = RN_OPTION_TEXT, .offset = AT(mistakes),
     .value = "FILE.html",
     .help = "Write a page to FILE.html that shows the images answered "
             "wrongly"},
    RANKS_OPTIONS(AT(ranks)),
    {"json", .type = RN_OPTION_FLAG, .offset = AT(json), .help = JSON_HELP},
};
/* clang-format on */

static const struct option_group groups[] = {
    {"options", .own = options_table, .count = COUNT(options_table)},
    {"options", .library = rn_eval_option, .without = "part", .base = AT(eval)},
    IMPORT_GROUPS(AT(import), "|aux_heads"),
};

static void defaults(void *options)
{
    struct options *o = options;

    rn_eval_defaults(&o->eval);
    rn_import_defaults(&o->import.o);
    o->eval.bind = 1;
    o->seed = 1; /* as in rn_train_defaults() */
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
    char *const *paths; /* of the models */
    size_t count;
    struct rn_model **models;
    const char *data_spec;
    struct rn_model_info model; /* the first */
    char precision[400];        /* of all of them, "int8, fp32" */
    struct rn_data *data;
    struct rn_data_info info;
    enum rn_part part;
    const char *part_name;
    struct rn_measures *measures; /* of each class, with --per-class */
    struct rn_measures macro;
    struct held_out_args held_out;
};

/* "224,256,384": how many, or -1 after a message. */
static int parse_scales(const char *text, int scales[SCALES])
{
    const char *rest = text;
    int n = 0;

    while (rest && n < SCALES) {
        char *end;
        long value = strtol(rest, &end, 10);

        if (end == rest || value < 1 || value > SCALE_MAX ||
            (*end && *end != ','))
            break;
        scales[n++] = (int)value;
        rest = *end ? end + 1 : NULL;
    }
    if (!rest)
        return n;
    say_error("--scales: '%s' is not a list of up to %d numbers from 1 to %d, "
              "as in 224,256,384,480,640",
              text, SCALES, SCALE_MAX);
    return -1;
}

/* The part asked for. When none is, and the images are pictures, a test
 * part, else a validation part, else all there are. */
static void choose_part(struct subject *s, const char *asked)
{
    static const enum rn_part order[] = {RN_PART_TEST, RN_PART_VALIDATION};
    int pictures = s->info.height == 0;

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
        if (s->info.count[s->part])
            return;
    }
    s->part = RN_PART_TRAIN;
    s->part_name = "all";
}

/* -------------------------------------------------------------- classes */

static const char *class_name(const struct subject *s, int i)
{
    const char *name = rn_model_class_name(s->models[0], i);

    return name || s->info.height == 0 ? name : rn_data_class_name(s->data, i);
}

/* Whether class i is one of an image, or of an answer. */
static int class_occurs(const struct rn_report *report, int i,
                        struct rn_class_result *r)
{
    return rn_report_class(report, i, r) == RN_OK && r->images + r->answered;
}

static double wrong(int right, int of)
{
    return of ? 100.0 * (of - right) / of : (double)NAN;
}

static void json_measures(json_t *object, const struct rn_measures *m)
{
    json_put(object, "precision", json_double(m->precision));
    json_put(object, "recall", json_double(m->recall));
    json_put(object, "f1", json_double(m->f1));
    json_put(object, "balanced_accuracy", json_double(m->balanced_accuracy));
    json_put(object, "roc_auc", json_double(m->roc_auc));
    json_put(object, "average_precision", json_double(m->average_precision));
}

static json_t *json_classes(const struct subject *s,
                            const struct rn_report *report)
{
    json_t *list = json_list();
    struct rn_class_result r;

    for (int i = 0; i < s->model.classes; i++) {
        json_t *class = NULL;

        if (!class_occurs(report, i, &r))
            continue;
        class = json_new();
        json_put(class, "index", json_count((uint64_t)i));
        json_put(class, "id", json_text(rn_model_class_id(s->models[0], i)));
        json_put(class, "name", json_text(class_name(s, i)));
        json_put(class, "images", json_count((uint64_t)r.images));
        json_put(class, "top1_error", json_double(wrong(r.right1, r.images)));
        json_put(class, "top5_error", json_double(wrong(r.right5, r.images)));
        json_put(class, "answered", json_count((uint64_t)r.answered));
        json_measures(class, &s->measures[i]);
        json_add(list, class);
    }
    return list;
}

static void error_cell(struct table *table, int right, int of)
{
    if (of)
        table_cell(table, "%.2f", wrong(right, of));
    else
        table_cell(table, "-");
}

static void measure_cells(struct table *table, const struct rn_measures *m)
{
    const double values[] = {m->precision, m->recall,
                             m->f1,        m->balanced_accuracy,
                             m->roc_auc,   m->average_precision};

    for (size_t i = 0; i < COUNT(values); i++)
        if (isnan(values[i]))
            table_cell(table, "-");
        else
            table_cell(table, "%.4f", values[i]);
}

/* Among so few classes everything is among the first five. */
static int all_are_top5(const struct subject *s)
{
    return s->model.classes <= 5;
}

static void print_macro(const struct subject *s)
{
    static const char *const headings[] = {
        "mean", "precision", "recall", "F1", "balanced", "ROC-AUC", "avg prec"};
    struct table *table = table_new(COUNT(headings), headings, "lrrrrrr");

    table_cell(table, "of classes");
    measure_cells(table, &s->macro);
    putchar('\n');
    table_print(table);
}

static void print_classes(const struct subject *s,
                          const struct rn_report *report)
{
    static const char *const headings[] = {
        "class",     "name",   "images", "top-1 %",  "top-5 %", "answered",
        "precision", "recall", "F1",     "balanced", "ROC-AUC", "avg prec"};
    static const char *const few[] = {
        "class",  "name", "images",   "top-1 %", "answered", "precision",
        "recall", "F1",   "balanced", "ROC-AUC", "avg prec"};
    int short_one = all_are_top5(s);
    struct table *table =
        short_one ? table_new(COUNT(few), few, "rlrrrrrrrrr")
                  : table_new(COUNT(headings), headings, "rlrrrrrrrrrr");
    struct rn_class_result r;

    for (int i = 0; i < s->model.classes; i++) {
        const char *name = class_name(s, i);

        if (!class_occurs(report, i, &r))
            continue;
        table_cell(table, "%d", i);
        table_cell(table, "%s", name ? name : "");
        table_cell(table, "%d", r.images);
        error_cell(table, r.right1, r.images);
        if (!short_one)
            error_cell(table, r.right5, r.images);
        table_cell(table, "%d", r.answered);
        measure_cells(table, &s->measures[i]);
    }
    putchar('\n');
    table_print(table);
}

/* --------------------------------------------------------------- output */

static json_t *json_models(const struct subject *s)
{
    json_t *list = json_list();

    for (size_t i = 0; i < s->count; i++)
        json_add(list, json_text(s->paths[i]));
    return list;
}

/* How many of the images evaluated a model was trained on, the most of any;
 * -1: not known of any. */
static int trained_on(const struct subject *s, int images)
{
    int most = -1;

    for (size_t i = 0; i < s->count; i++) {
        int n = held_out_trained(s->models[i], s->data, &s->held_out, s->part,
                                 images);

        most = n > most ? n : most;
    }
    return most;
}

/* Of a model that answers for each class by itself. */
static int has_sets(const struct rn_eval_result *r)
{
    return !isnan(r->exact_error);
}

static void print_json(const struct subject *s, const struct options *o,
                       const struct rn_eval_result *r,
                       const struct rn_report *report)
{
    json_t *object = json_new();
    int trained = trained_on(s, o->eval.images);

    json_put(object, "model", json_text(s->paths[0]));
    if (s->count > 1)
        json_put(object, "models", json_models(s));
    json_put(object, "net", json_text(s->model.net));
    json_put(object, "data", json_text(s->data_spec));
    json_put(object, "part", json_text(s->part_name));
    json_put(object, "protocol", json_text(r->protocol));
    json_put(object, "precision", json_text(s->precision));
    json_put(object, "images", json_count((uint64_t)r->images));
    if (has_sets(r)) {
        json_put(object, "exact_error", json_double(r->exact_error));
        json_put(object, "mean_average_precision",
                 json_double(r->mean_average_precision));
        json_put(object, "f1", json_double(r->f1));
    }
    if (!r->several) {
        json_put(object, "top1_error", json_double(r->top1_error));
        json_put(object, "top5_error", json_double(r->top5_error));
    }
    json_put(object, "loss", json_double(r->loss));
    if (!r->several)
        json_put(object, "calibration_error",
                 json_double(r->calibration_error));
    json_put(object, "seconds", json_double(r->seconds));
    if (trained >= 0)
        json_put(object, "trained_on", json_count((uint64_t)trained));
    if (o->per_class) {
        json_t *macro = json_new();

        json_measures(macro, &s->macro);
        json_put(object, "macro", macro);
        json_put(object, "classes", json_classes(s, report));
    }
    json_line(object);
}

static void print_model(const struct subject *s, size_t i)
{
    struct rn_model_info info;

    rn_model_describe(s->models[i], &info);
    printf("%-12s %s (%s)\n", i ? "" : "model", s->paths[i], info.net);
}

static void print_measures(const struct subject *s,
                           const struct rn_eval_result *r)
{
    if (has_sets(r)) {
        printf("exact error  %.2f %% of the images have other classes\n",
               r->exact_error);
        printf("mean AP      %.4f\n", r->mean_average_precision);
        printf("F1           %.4f\n", r->f1);
    }
    if (!r->several)
        printf("top-1 error  %.2f %%\n", r->top1_error);
    if (!r->several && !all_are_top5(s))
        printf("top-5 error  %.2f %%\n", r->top5_error);
    printf("loss         %.4f\n", r->loss);
    if (!r->several)
        printf("calibration  %.2f %% expected error, 15 bins\n",
               r->calibration_error);
}

static void print_text(const struct subject *s, const struct options *o,
                       const struct rn_eval_result *r,
                       const struct rn_report *report)
{
    struct text t;

    for (size_t i = 0; i < s->count; i++)
        print_model(s, i);
    printf("data         %s (%s), %s%s %s images\n", s->data_spec,
           s->info.format, s->part_name,
           strcmp(s->part_name, "all") == 0 ? "" : " part,",
           text_count(&t, (uint64_t)r->images));
    print_wrapped("protocol", 13, r->protocol);
    if (strcmp(s->precision, "fp32") != 0)
        printf("precision    %s\n", s->precision);
    print_measures(s, r);
    if (o->per_class) {
        print_macro(s);
        print_classes(s, report);
    }
}

/* The files that were asked for. */
static int write_files(const struct options *o, const struct rn_report *report,
                       struct rn_error *err)
{
    const struct {
        const char *path;
        int (*write)(const struct rn_report *report, const char *path,
                     struct rn_error *err);
    } files[] = {{o->confusion, rn_report_confusion},
                 {o->predictions, rn_report_predictions},
                 {o->probabilities, rn_report_probabilities},
                 {o->mistakes, rn_report_mistakes}};
    int rc = RN_OK;

    for (size_t i = 0; !rc && i < COUNT(files); i++)
        if (files[i].path)
            rc = files[i].write(report, files[i].path, err);
    return rc;
}

/* ---------------------------------------------------------- the command */

/* What they compute with: once where it is the same, else of each in turn. */
static void describe_precision(struct subject *s, int asked)
{
    size_t used = 0, differ = 0;
    const char *first = precision_text(asked, &s->model);

    for (size_t i = 0; i < s->count; i++) {
        struct rn_model_info info;
        const char *own;

        rn_model_describe(s->models[i], &info);
        own = precision_text(asked, &info);
        differ += strcmp(own, first) != 0;
        used +=
            (size_t)snprintf(s->precision + used, sizeof(s->precision) - used,
                             "%s%s", i ? ", " : "", own);
    }
    if (!differ)
        snprintf(s->precision, sizeof(s->precision), "%s", first);
}

/* What is asked to be held out must be looked at, or be missing from what
 * is. */
static int check_held_out(const struct subject *s, struct rn_error *err)
{
    const struct rn_data_options *split = &s->held_out.split;

    if (!s->held_out.validation_given || s->part != RN_PART_TEST ||
        (split->validation == 0 && !(split->validation_percent > 0)))
        return RN_OK;
    return cli_error(
        err, RN_ERR_ARG,
        "--validation holds out training images, but this is of the test "
        "part: --part validation looks at them");
}

static int open_all(struct subject *s, const struct options *o,
                    struct rn_error *err)
{
    int rc = RN_OK;

    for (size_t i = 0; !rc && i < s->count; i++)
        rc = (o->try ? import_open : import_prepared)(
            &s->models[i], s->paths[i], &o->import, err);
    if (!rc)
        rc = held_out_open(&s->data, s->models[0], &s->held_out, err);
    if (rc)
        return rc;
    rn_model_describe(s->models[0], &s->model);
    describe_precision(s, o->eval.precision);
    rn_data_describe(s->data, &s->info);
    choose_part(s, o->part);
    rc = check_held_out(s, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < s->count; i++)
        held_out_say(s->models[i], s->paths[i], s->data, &s->held_out, s->part,
                     o->eval.images);
    return RN_OK;
}

/* Of each class and over them: none is printed unless all can be had. */
static int measure(struct subject *s, const struct rn_report *report,
                   struct rn_error *err)
{
    int rc = rn_report_measures(report, &s->macro, err);

    s->measures = calloc((size_t)s->model.classes, sizeof(*s->measures));
    if (!s->measures) {
        return cli_error(err, RN_ERR_MEMORY, "out of memory");
    }
    for (int i = 0; !rc && i < s->model.classes; i++)
        rc = rn_report_class_measures(report, i, &s->measures[i], err);
    return rc;
}

static int evaluate(struct subject *s, struct options *o, struct rn_error *err)
{
    int keep = o->per_class || o->probabilities;
    int wanted = keep || o->confusion || o->predictions || o->mistakes;
    struct rn_eval_result result = {0};
    struct rn_report *report = NULL;
    double started = seconds_now();
    int rc;

    o->eval.keep = keep;
    o->eval.user = &started;
    o->eval.progress = on_progress;
    interrupt_catch();
    rc = rn_eval_models((const struct rn_model *const *)s->models, s->count,
                        s->data, s->part, &o->eval, &result,
                        wanted ? &report : NULL, err);
    progress_clear();
    cli_remarks(s->data);
    if (rc == RN_OK && o->per_class)
        rc = measure(s, report, err);
    if (rc == RN_OK && o->json)
        print_json(s, o, &result, report);
    else if (rc == RN_OK)
        print_text(s, o, &result, report);
    if (rc == RN_OK && rn_ranks_rank(o->eval.ranks) == 0)
        rc = write_files(o, report, err);
    rn_report_destroy(report);
    return rc;
}

/* A report would replace the other. */
static int check_apart(const struct options *o)
{
    const char *const files[] = {o->confusion, o->predictions, o->mistakes,
                                 o->probabilities};

    for (size_t i = 0; i < COUNT(files); i++)
        for (size_t k = 0; files[i] && k < i; k++)
            if (files[k] && strcmp(files[i], files[k]) == 0) {
                say_error("'%s' is to hold two reports", files[i]);
                return -1;
            }
    return 0;
}

static int check_places(const struct options *o)
{
    const char *const files[] = {o->confusion, o->predictions, o->mistakes,
                                 o->probabilities};

    for (size_t i = 0; i < COUNT(files); i++)
        if (files[i] && output_place(files[i]))
            return EXIT_FAILED;
    return 0;
}

/* What can be known to be wrong before an evaluation of hours. */
static int check(const struct options *o)
{
    if (output_ending("confusion", o->confusion, ".csv|.svg|.txt") ||
        output_ending("predictions", o->predictions, ".csv") ||
        output_ending("probabilities", o->probabilities, ".csv|.npy") ||
        output_ending("mistakes", o->mistakes, ".html") || check_apart(o))
        return -1;
    if (o->eval.crops != 1 && o->eval.crops != 10) {
        say_error("--crops: %d is not 1 or 10", o->eval.crops);
        return -1;
    }
    if (o->eval.crops == 10 && o->scales) {
        say_error("--crops and --scales exclude each other");
        return -1;
    }
    return 0;
}

/* What goes with all images of a part, or with one model. */
static int check_few(const struct options *o, size_t models)
{
    int report = o->per_class || o->confusion || o->predictions ||
                 o->mistakes || o->probabilities;

    if ((o->eval.images || o->try) && (report || o->scales)) {
        say_error("%s is for error and loss alone, without --scales, "
                  "--per-class and files",
                  o->try ? "--try" : "--images");
        return -1;
    }
    if (o->try && models > 1) {
        say_error("--try takes one model, not %zu", models);
        return -1;
    }
    return o->try ? try_check(o->try) : 0;
}

/* --try instead of one evaluation. */
static int try_all(const struct subject *s, struct options *o,
                   struct rn_error *err)
{
    const struct try_args args = {
        .list = o->try,
        .model = s->paths[0],
        .data_spec = s->data_spec,
        .part_name = s->part_name,
        .import = &o->import,
        .data = s->data,
        .part = s->part,
        .eval = &o->eval,
        .json = o->json,
    };

    if (o->eval.ranks) {
        return cli_error(err, RN_ERR_ARG,
                         "--try is for one process, not for %d ranks",
                         rn_ranks_count(o->eval.ranks));
    }
    if (s->info.several) {
        return cli_error(
            err, RN_ERR_ARG,
            "--try compares top-1 errors, the images of '%s' have any "
            "number of classes",
            s->data_spec);
    }
    if (!o->eval.images)
        o->eval.images = TRY_IMAGES;
    return try_run(&args, err);
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    struct options *o = options;
    struct subject s = {
        .paths = args->operand,
        .count = (size_t)args->count - 1,
        .data_spec = args->operand[args->count - 1],
    };
    struct rn_data_options *split = &s.held_out.split;
    struct rn_error err = {0};
    int scales[SCALES], n, rc;

    s.held_out = (struct held_out_args){
        .spec = s.data_spec,
        .model = s.paths[0],
        .part = o->part,
        .validation_given = options_given(command, args, "validation"),
        .seed_given = options_given(command, args, "seed"),
        .split = {.seed = o->seed},
    };
    n = parse_scales(o->scales, scales);
    if (n < 0 || check(o) || check_few(o, s.count) ||
        parse_validation(o->validation, &split->validation,
                         &split->validation_percent))
        return EXIT_USAGE;
    o->eval.scales = scales;
    o->eval.n_scales = (size_t)n;
    s.models = calloc(s.count, sizeof(struct rn_model *));
    if (!s.models) {
        say_error("out of memory");
        return EXIT_FAILED;
    }
    rc = ranks_join(&o->eval.ranks, command->name, &o->ranks);
    if (rc) {
        free(s.models);
        return rc;
    }
    /* Rank 0 writes, the others need not have the place. */
    if (ranks_told(o->eval.ranks,
                   rn_ranks_rank(o->eval.ranks) == 0 && check_places(o))) {
        rc = EXIT_FAILED;
        goto out;
    }
    rc = rn_ranks_agree(o->eval.ranks, open_all(&s, o, &err), &err);
    if (!rc)
        rc = o->try ? try_all(&s, o, &err) : evaluate(&s, o, &err);
    if (!rc && rn_ranks_mixed(o->eval.ranks))
        say("%s; last digits depend on which rank answers what",
            rn_ranks_mixed(o->eval.ranks));
    ranks_choose(o->eval.ranks, rc);
    rc = rc ? cli_fail(&err) : EXIT_DONE;
out:
    ranks_leave(o->eval.ranks);
    rn_data_close(s.data);
    for (size_t i = 0; i < s.count; i++)
        rn_model_destroy(s.models[i]);
    free(s.measures);
    free(s.models);
    return rc;
}

const struct command command_eval = {
    .name = "eval",
    .synopsis = "MODEL... DATA [option ...]",
    .summary = "Top-1 and top-5 error, loss and calibration of a model, or of "
               "several models together, on a data set.",
    .notes =
        "DATA is a folder of CIFAR or IDX files, synthetic:..., or a "
        "folder of pictures:\nFOLDER/CLASS/PICTURE, with train/ and val/ "
        "or test/ above, or a labels.txt with\nFILE CLASS a line (labels.csv: "
        "a table of them); a .tar or .zip of pictures is\nread in place. "
        "Folders are the model's classes of that identifier or name.\n",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .min_args = 2,
    .max_args = 33,
    .missing = "MODEL or DATA",
    .ranks = 1,
    .defaults = defaults,
    .run = run,
};
