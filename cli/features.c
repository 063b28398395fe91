/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet features: what a stage of the network makes of pictures, as numbers.
 */
#include "cli.h"
#include "interrupt.h"
#include "output.h"
#include "runner.h"

#include <stdio.h>
#include <string.h>

struct options {
    struct import_args import;
    struct rn_eval_options run;
    const char *stage, *output;
    int json;
};

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct rn_option options_table[] = {
    {"output", .type = RN_OPTION_TEXT, .offset = AT(output), .value = "FILE",
     .help = "Write to FILE: .npy, with the names a line each in "
             "FILE.names.txt, or .csv"},
    {"stage", .type = RN_OPTION_TEXT, .offset = AT(stage), .value = "STAGE",
     .help = "Write the output of this stage: conv1 to conv5 (as many as there "
             "are), last, pool (the means of the last) or a layer's name"},
    {"json", .type = RN_OPTION_FLAG, .offset = AT(json), .help = JSON_HELP},
};
/* clang-format on */

static const struct option_group groups[] = {
    {"options", .own = options_table, .count = COUNT(options_table)},
    RUNNER_GROUP(AT(run), "|crops"),
    IMPORT_GROUPS(AT(import), "|output|labels|head|aux_heads"),
};

static void defaults(void *options)
{
    struct options *o = options;

    o->stage = "pool";
    rn_eval_defaults(&o->run);
    rn_import_defaults(&o->import.o);
}

struct writing {
    const struct options *options;
    struct rn_features *file;
    size_t rows;
};

static int opened(struct runner *runner, struct rn_error *err)
{
    struct writing *w = runner->user;

    return rn_features_create(&w->file, w->options->output, runner->kept, err);
}

static int answer(struct runner *runner, const char *file, int label,
                  float *logits, const float *values, struct rn_error *err)
{
    struct writing *w = runner->user;
    int rc = rn_features_add(w->file, file, values, err);

    (void)label;
    (void)logits;
    w->rows++;
    runner->broken = rc != RN_OK || interrupt_signal();
    return rc;
}

static void print_result(const struct runner *r, const struct writing *w)
{
    const struct options *o = w->options;
    json_t *object, *shape;
    struct text t;

    if (!o->json) {
        printf("%s: %s image%s, %s of %s: %d x %d x %d\n", o->output,
               text_count(&t, w->rows), w->rows == 1 ? "" : "s", o->stage,
               r->info.net, r->kept[0], r->kept[1], r->kept[2]);
        return;
    }
    object = json_new();
    shape = json_list();
    for (int i = 0; i < 3; i++)
        json_add(shape, json_count((uint64_t)r->kept[i]));
    json_put(object, "model", json_text(r->path));
    json_put(object, "net", json_text(r->info.net));
    json_put(object, "stage", json_text(o->stage));
    json_put(object, "output", json_text(o->output));
    json_put(object, "precision",
             json_text(precision_text(o->run.precision, &r->info)));
    json_put(object, "images", json_count(w->rows));
    json_put(object, "shape", shape);
    json_line(object);
}

/* A file with holes, or the head of one, is of no use. */
static int give_up(struct writing *w, int status)
{
    struct rn_error err = {0};

    rn_features_abort(w->file);
    if (!interrupt_signal())
        return status;
    cli_error(&err, RN_ERR_STOPPED, "stopped: '%s' is not written",
              w->options->output);
    return cli_fail(&err);
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    struct options *o = options;
    struct writing w = {.options = o};
    struct runner runner = {
        .args = &o->run,
        .import = &o->import,
        .path = args->operand[0],
        .crops = 1,
        .json = o->json,
        .keep = o->stage,
        .user = &w,
        .opened = opened,
        .answer = answer,
    };
    struct rn_error err = {0};
    int status;

    (void)command;
    o->import.o.headless = strcmp(o->stage, "fc") != 0;
    if (!o->output) {
        say_error("--output is missing: where to write, FILE.npy or FILE.csv");
        return EXIT_USAGE;
    }
    interrupt_catch();
    status = runner_run(&runner, args->operand + 1, args->count - 1);
    if (runner.broken)
        status = give_up(&w, status);
    else if (w.file && rn_features_finish(w.file, &err))
        status = cli_fail(&err);
    else if (w.file)
        print_result(&runner, &w);
    runner_close(&runner);
    return status;
}

const struct command command_features = {
    .name = "features",
    .synopsis = "MODEL INPUT... --output FILE [option ...]",
    .summary = "What a stage of the network makes of pictures (embeddings), as "
               "a NumPy file or CSV.",
    .notes = "INPUT is as for 'resnet predict'. The exit status is 3 when an "
             "input failed; the\nothers are still written.\n",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .min_args = 2,
    .max_args = 1000000,
    .missing = "MODEL or INPUT",
    .defaults = defaults,
    .run = run,
};
