/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet predict: classes of pictures, and of images of data sets. */
#include "answer.h"
#include "cli.h"
#include "output.h"
#include "runner.h"

#include <math.h>
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
    int given; /* whether --threshold was */
    struct answering answering;
    int *top; /* [answering.k] */
};

/* --------------------------------------------------------------- output */

/* Those that text shows: of independent classes the ones that are there. */
static int printed(const struct predictor *p, const float *probability)
{
    const struct answering *a = &p->answering;
    int n = answer_shown(a, probability, p->top);

    while (a->independent && n > 0 &&
           !answer_is_there(a, probability, p->top[n - 1]))
        n--;
    return n;
}

#define BAR_CELLS 24

static void print_heading(const struct predictor *p, const char *file,
                          int label)
{
    const char *name = answer_label_name(&p->answering, label);
    int class = answer_label(&p->answering, label);

    if (label < 0)
        printf("%s\n", file);
    else if (class >= 0)
        printf("%s  labelled %d%s%s\n", file, class, name ? " " : "",
               name ? name : "");
    else if (name)
        printf("%s  labelled %s, no class of the model's\n", file, name);
    else
        printf("%s  labelled %d, no class of the model's\n", file, label);
}

static void print_text(const struct predictor *p, const char *file, int label,
                       const float *probability)
{
    int n = printed(p, probability);

    print_heading(p, file, label);
    if (n == 0)
        printf("  no class has a probability of %g",
               fmax(p->answering.threshold, p->answering.min_probability));
    if (n == 0 && p->answering.independent)
        printf(": the likeliest, %d, has %.2f %%", p->top[0],
               100 * (double)probability[p->top[0]]);
    if (n == 0)
        putchar('\n');
    for (int i = 0; i < n; i++) {
        static const char bar[BAR_CELLS + 1] = "########################";
        int c = p->top[i];
        float share = probability[c];
        const char *name = answer_class(&p->answering, c);

        printf("  %6.2f %%  %-*.*s %4d%s%s\n", 100 * (double)share, BAR_CELLS,
               (int)(share * BAR_CELLS + 0.5F), bar, c, name ? " " : "",
               name ? name : "");
    }
}

/* ---------------------------------------------------------- the command */

static int opened(struct runner *runner, struct rn_error *err)
{
    struct predictor *p = runner->user;
    const struct options *o = p->options;
    const struct asked asked = {.top = o->top,
                                .threshold = p->given ? &o->threshold : NULL,
                                .min_probability = o->min_probability,
                                .precision = o->run.precision};
    int rc = answering_begin(&p->answering, runner->model, runner->path, &asked,
                             err);

    if (rc)
        return rc;
    p->top = malloc((size_t)p->answering.k * sizeof(int));
    if (p->top)
        return RN_OK;
    return cli_error(err, RN_ERR_MEMORY, "out of memory");
}

/* Probabilities, averaged over the crops, into the first one's place. */
static int answer(struct runner *runner, const char *file, int label,
                  float *logits, const float *values, struct rn_error *err)
{
    struct predictor *p = runner->user;
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
    rn_top_k(logits, classes, p->answering.k, p->top);
    p->answering.data = runner->data;
    p->answering.map = runner->map;
    if (p->options->json)
        json_line(answer_object(&p->answering, file, label, logits, p->top));
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

/* What speaks for the class that was printed first, which one view alone may
 * not find the likeliest. */
static int paint(const struct runner *runner, const struct input *input,
                 const char *cam, int index)
{
    int flags = runner->args->as_stored ? RN_IMAGE_AS_STORED : 0;
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
    if (output_ending("cam", o->cam, ".png"))
        return EXIT_USAGE;
    if (o->cam && args->count != 2) {
        say_error("--cam takes one picture, not %d", args->count - 1);
        return EXIT_USAGE;
    }
    if (o->cam && output_other(o->cam, args->operand[1]))
        return EXIT_USAGE;
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
        status = paint(&runner, &picture, o->cam, p.top[0]);
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
