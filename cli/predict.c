/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet predict: classes of pictures, and of images of data sets. */
#include "cli.h"
#include "output.h"
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    struct import_args import;
    struct rn_eval_options run;
    int top;
    double min_probability, threshold;
    const char *cam;
    int json;
};

#define AT(field) offsetof(struct options, field)

/* Classes shown when nothing is said. */
#define TOP 5

/* clang-format off */
static const struct rn_option options_table[] = {
    {"top", .type = RN_OPTION_INT, .offset = AT(top), .min = 1, .max = 1000,
     .value = "K", .unset = "5; with --head sigmoid all above --threshold",
     .help = "Print the K likeliest classes"},
    {"min-probability", .type = RN_OPTION_REAL, .offset = AT(min_probability),
     .min = 0, .max = 1, .value = "P",
     .help = "Leave out classes less likely than P, from 0 to 1"},
    {"threshold", .type = RN_OPTION_REAL, .offset = AT(threshold),
     .min = 0, .max = 1, .value = "P", .unset = "0.5",
     .help = "Of classes that are there or not each by itself (sigmoid), take "
             "those of at least this probability"},
    {"cam", .type = RN_OPTION_TEXT, .offset = AT(cam), .value = "FILE.png",
     .help = "Write the one picture to FILE.png with what speaks for its "
             "likeliest class painted over, from blue to red"},
    {"json", .type = RN_OPTION_FLAG, .offset = AT(json),
     .help = "Print one JSON object per image"},
};
/* clang-format on */

static const struct option_group groups[] = {
    {"options", .own = options_table, .count = COUNT(options_table)},
    RUNNER_GROUP(AT(run), ""),
    IMPORT_GROUPS(AT(import), "|aux_heads"),
};

static void defaults(void *options)
{
    struct options *o = options;

    rn_eval_defaults(&o->run);
    rn_import_defaults(&o->import.o);
}

/** What the answers are printed with. */
struct predictor {
    const struct options *options;
    const struct runner *runner;
    int *top; /* [k] */
    int k;
    int given;        /* whether --threshold was */
    int independent;  /* classes do not exclude each other, */
    double threshold; /* and are there from this probability on */
};

/* --------------------------------------------------------------- output */

static const char *class_name(const struct predictor *p, int i)
{
    const struct runner *r = p->runner;
    const char *name = rn_model_class_name(r->model, i);

    return name || !r->data ? name : rn_data_class_name(r->data, i);
}

/* Of the classes in p->top, how many are to be shown. */
static int shown(const struct predictor *p, const float *probability)
{
    int n = 0;

    while (n < p->k &&
           (double)probability[p->top[n]] >= p->options->min_probability)
        n++;
    return n;
}

static int is_there(const struct predictor *p, const float *probability, int c)
{
    return (double)probability[c] >= p->threshold;
}

/* Those that text shows: of independent classes the ones that are there. */
static int printed(const struct predictor *p, const float *probability)
{
    int n = shown(p, probability);

    while (p->independent && n > 0 && !is_there(p, probability, p->top[n - 1]))
        n--;
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
        json_put(entry, "id",
                 json_text(rn_model_class_id(p->runner->model, c)));
        json_put(entry, "name", json_text(class_name(p, c)));
        json_put(entry, "probability", json_double((double)probability[c]));
        if (p->independent)
            json_put(entry, "present",
                     json_boolean(is_there(p, probability, c)));
        json_add(list, entry);
    }
    return list;
}

static void print_json(const struct predictor *p, const char *file, int label,
                       const float *probability)
{
    json_t *object = json_new();

    json_put(object, "file", json_text(file));
    json_put(object, "top", json_top(p, probability));
    if (label >= 0) {
        json_put(object, "label", json_count((uint64_t)label));
        json_put(object, "label_name", json_text(class_name(p, label)));
    }
    json_put(
        object, "precision",
        json_text(precision_text(p->options->run.precision, &p->runner->info)));
    json_line(object);
}

#define BAR_CELLS 24

static void print_heading(const struct predictor *p, const char *file,
                          int label)
{
    const char *name = class_name(p, label);

    if (label < 0)
        printf("%s\n", file);
    else
        printf("%s  labelled %d%s%s\n", file, label, name ? " " : "",
               name ? name : "");
}

static void print_text(const struct predictor *p, const char *file, int label,
                       const float *probability)
{
    int n = printed(p, probability);

    print_heading(p, file, label);
    if (n == 0)
        printf("  no class has a probability of %g", p->threshold);
    if (n == 0 && p->independent)
        printf(": the likeliest, %d, has %.2f %%", p->top[0],
               100 * (double)probability[p->top[0]]);
    if (n == 0)
        putchar('\n');
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

/* ---------------------------------------------------------- the command */

static int fail_model(const struct runner *runner, struct rn_error *err,
                      const char *why)
{
    err->code = RN_ERR_ARG;
    snprintf(err->msg, sizeof(err->msg), "model '%.200s' %s", runner->path,
             why);
    return err->code;
}

/* How the model's outputs are to be looked at. */
static int look_at(struct predictor *p, struct rn_error *err)
{
    const struct options *o = p->options;
    const struct rn_model_info *info = &p->runner->info;

    p->independent = info->output == RN_OUTPUT_INDEPENDENT_LOGITS ||
                     info->output == RN_OUTPUT_INDEPENDENT;
    p->threshold = p->given ? o->threshold : 0.5;
    if (!p->independent && p->given)
        return fail_model(p->runner, err,
                          "takes a picture for one of its classes: "
                          "--min-probability leaves out unlikely ones, "
                          "--threshold goes with --head sigmoid");
    if (!p->independent && info->classes == 1)
        return fail_model(p->runner, err,
                          "gives one number, of which softmax makes 100 % "
                          "whatever it is: --head sigmoid makes a probability "
                          "of it");
    if (!p->independent)
        p->threshold = o->min_probability;
    return RN_OK;
}

static int opened(struct runner *runner, struct rn_error *err)
{
    struct predictor *p = runner->user;
    int k = p->options->top;
    int rc = look_at(p, err);

    if (rc)
        return rc;
    if (k == 0)
        k = p->independent ? runner->info.classes : TOP;
    p->k = k < runner->info.classes ? k : runner->info.classes;
    p->top = malloc((size_t)p->k * sizeof(int));
    if (p->top)
        return RN_OK;
    err->code = RN_ERR_MEMORY;
    snprintf(err->msg, sizeof(err->msg), "out of memory");
    return err->code;
}

/* Probabilities, averaged over the crops, into the first one's place. */
static int answer(struct runner *runner, const char *file, int label,
                  float *logits, const float *values, struct rn_error *err)
{
    const struct predictor *p = runner->user;
    int classes = runner->info.classes;

    (void)values;
    (void)err;
    for (int i = 0; i < runner->crops; i++)
        rn_probabilities(runner->info.output,
                         logits + (size_t)i * (size_t)classes, classes);
    for (int c = 0; runner->crops > 1 && c < classes; c++) {
        double sum = 0;

        for (int i = 0; i < runner->crops; i++)
            sum += (double)logits[(size_t)i * (size_t)classes + (size_t)c];
        logits[c] = (float)(sum / runner->crops);
    }
    rn_top_k(logits, classes, p->k, p->top);
    if (p->options->json)
        print_json(p, file, label, logits);
    else
        print_text(p, file, label, logits);
    return RN_OK;
}

/* The one picture that `text` stands for, for --cam. */
static int find_picture(const char *text, struct input *input)
{
    input_parse(input, text);
    if (input->kind == INPUT_PICTURES && input_images(input) == 1)
        return 0;
    say_error("--cam takes one picture file; '%s' is none", text);
    input_free(input);
    return EXIT_USAGE;
}

static int paint(const struct runner *runner, const struct input *input,
                 const char *cam)
{
    int flags = runner->args->as_stored ? RN_IMAGE_AS_STORED : 0, index = -1;
    struct rn_image picture = {0, 0, NULL}, painted = {0, 0, NULL};
    struct rn_error err = {0};
    int rc = rn_pictures_load(input->pictures, 0, flags, &picture, &err);

    if (!rc)
        rc = rn_model_paint(runner->model, &picture, &index,
                            runner->args->threads, &painted, &err);
    if (!rc)
        rc = rn_image_save(&painted, cam, &err);
    rn_image_free(&picture);
    rn_image_free(&painted);
    return rc ? cli_fail(&err) : EXIT_DONE;
}

static int check(const struct options *o, const struct args *args)
{
    if (o->run.crops != 1 && o->run.crops != 10) {
        say_error("--crops: %d is not 1 or 10", o->run.crops);
        return EXIT_USAGE;
    }
    if (o->cam && o->run.precision > RN_PRECISION_FP32) {
        say_error("--cam is for --precision fp32 alone");
        return EXIT_USAGE;
    }
    if (o->cam && args->count != 2) {
        say_error("--cam takes one picture, not %d", args->count - 1);
        return EXIT_USAGE;
    }
    return 0;
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    const struct options *o = options;
    struct runner runner = {
        .args = &o->run,
        .import = &o->import,
        .path = args->operand[0],
        .crops = o->run.crops,
        .json = o->json,
        .opened = opened,
        .answer = answer,
    };
    struct predictor p = {.options = o,
                          .runner = &runner,
                          .given = options_given(command, args, "threshold")};
    struct input picture = {.kind = INPUT_NONE};
    int status = check(o, args);

    if (!status && o->cam)
        status = find_picture(args->operand[1], &picture);
    if (status)
        return status;
    runner.user = &p;
    status = runner_run(&runner, args->operand + 1, args->count - 1);
    if (!status && o->cam)
        status = paint(&runner, &picture, o->cam);
    runner_close(&runner);
    input_free(&picture);
    free(p.top);
    return status;
}

const struct command command_predict = {
    .name = "predict",
    .synopsis = "MODEL INPUT... [option ...]",
    .summary = "What a model takes pictures for, with probabilities.",
    .notes = "INPUT is a picture (JPEG, PNG and what else --version lists), a "
             "folder, .tar or\n.zip of them, or - for a picture from standard "
             "input; or DATA:INDEX\nor "
             "DATA:FIRST-LAST, images of a data set's test part, or "
             "DATA:train:INDEX. The\nexit status is 3 when an input failed; "
             "the others are still done.\n",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .min_args = 2,
    .max_args = 1000000,
    .missing = "MODEL or INPUT",
    .defaults = defaults,
    .run = run,
};
