/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet convert: a model from one kind of file to another. */
#include "cli.h"
#include "import.h"
#include "output.h"
#include "verify.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct options {
    struct import_args import;
    int verify;
    int json;
};

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct rn_option own_options[] = {
    {"verify", .type = RN_OPTION_FLAG, .offset = AT(verify),
     .help = "Run both on made-up images, and on INPUTs, and compare"},
    {"json", .type = RN_OPTION_FLAG, .offset = AT(json), .help = JSON_HELP},
};
/* clang-format on */

static const struct option_group groups[] = {
    IMPORT_GROUPS(AT(import), ""),
    {"options", .own = own_options, .count = COUNT(own_options)},
};

/* What two logits may differ by, of 1 and the largest one. Of 8 bits one model
 * computes with whole numbers, the other with float32 between roundings: what
 * lies between two steps may end on either, and the layers behind see it. */
#define TOLERANCE      1e-4
#define TOLERANCE_INT8 3e-2

static bool agree(const struct verify_result *verified,
                  const struct rn_model_info *info)
{
    double tolerance = info->quantized ? TOLERANCE_INT8 : TOLERANCE;

    return verified->difference <= tolerance * (1 + verified->largest);
}

static void defaults(void *options)
{
    struct options *o = options;

    rn_import_defaults(&o->import.o);
}

static void print_json(const char *const paths[2],
                       const struct rn_model_info *info,
                       const struct verify_result *verified)
{
    json_t *object = json_new();

    json_put(object, "in", json_text(paths[0]));
    json_put(object, "out", json_text(paths[1]));
    json_put(object, "net", json_text(info->net));
    json_put(object, "params", json_count(info->params));
    json_put(object, "tensors", json_count(info->tensors));
    if (verified) {
        json_t *v = json_new();

        json_put(v, "random_images", json_count((uint64_t)verified->random));
        json_put(v, "inputs", json_count((uint64_t)verified->inputs));
        json_put(v, "largest_difference", json_double(verified->difference));
        json_put(v, "largest_logit", json_double(verified->largest));
        json_put(object, "verify", v);
    }
    json_line(object);
}

static void print_text(const char *const paths[2],
                       const struct rn_model_info *info,
                       const struct verify_result *verified)
{
    struct text t;

    printf("%s: %s, %s parameters in %zu tensors\n", paths[1], info->net,
           text_count(&t, info->params), info->tensors);
    if (verified)
        printf("%d random images, %d inputs: logits differ by at most %.3g, "
               "the largest is %.4g\n",
               verified->random, verified->inputs, verified->difference,
               verified->largest);
}

/* What of a model only files of ours hold, which the first format is. */
static void say_left_out(const char *path, const struct rn_model_info *info)
{
    const char *const *reads, *const *writes;
    size_t length = strlen(path), end;

    if (!info->whitened)
        return;
    rn_format_name(0, NULL, &reads, &writes);
    end = strlen(writes[0]);
    if (length < end || strcmp(path + length - end, writes[0]) != 0)
        say("'%s' does not hold how images are prepared: their whitening goes "
            "into %s alone",
            path, writes[0]);
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    const struct options *o = options;
    const char *const paths[2] = {args->operand[0], args->operand[1]};
    struct rn_model *model = NULL, *back = NULL;
    struct verify_result verified;
    struct rn_model_info info;
    struct rn_error err = {0};
    int rc;

    (void)command;
    if (args->count > 2 && !o->verify) {
        say_error("INPUT goes with --verify");
        return EXIT_USAGE;
    }
    for (int i = 0; i < args->count; i++)
        if (i != 1 && output_other(paths[1], args->operand[i]))
            return EXIT_USAGE;
    rc = import_open(&model, paths[0], &o->import, &err);
    if (!rc)
        rc = rn_model_export(model, paths[1], &err);
    if (!rc && o->verify)
        rc = rn_model_load(&back, paths[1], &err);
    if (!rc && o->verify)
        rc = verify_models(model, back, args->operand + 2, args->count - 2,
                           &verified, &err);
    if (rc) {
        rc = cli_fail(&err);
        goto out;
    }
    rn_model_describe(model, &info);
    say_left_out(paths[1], &info);
    (o->json ? print_json : print_text)(paths, &info,
                                        o->verify ? &verified : NULL);
    if (o->verify && !agree(&verified, &info)) {
        say_error("'%s' and '%s' differ", paths[0], paths[1]);
        rc = EXIT_FAILED;
    }
out:
    rn_model_destroy(back);
    rn_model_destroy(model);
    return rc;
}

/* ".pth, .pt" behind what stands there. */
static void add_ends(char *text, size_t size, const char *before,
                     const char *const *ends)
{
    for (size_t i = 0; ends[i]; i++) {
        size_t n = strlen(text);

        snprintf(text + n, size - n, "%s%s", i ? ", " : before, ends[i]);
    }
}

static void print_formats(void)
{
    const char *name, *words, *const *reads, *const *writes;

    printf("\nformats:\n");
    for (size_t i = 0; (name = rn_format_name(i, &words, &reads, &writes));
         i++) {
        char left[64], text[400];

        snprintf(left, sizeof(left), "  %s", name);
        snprintf(text, sizeof(text), "%s", words);
        add_ends(text, sizeof(text), ": ", reads);
        add_ends(text, sizeof(text), "; written: ", writes);
        print_wrapped(left, 12, text);
    }
}

const struct command command_convert = {
    .name = "convert",
    .synopsis = "IN OUT [INPUT ...] [option ...]",
    .summary = "A model from one kind of file to another.",
    .notes = "IN is of any format below; its content tells which. The weights "
             "of a network of\nCaffe's or Darknet's lie beside it or are "
             "--weights. OUT ends as names of the\nformat that it shall be of; "
             "torch.load(weights_only=True) takes .pth and .pt.\nINPUT is as "
             "for 'resnet predict'.\n",
    .tables = print_formats,
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .min_args = 2,
    .max_args = 1000000,
    .missing = "IN or OUT",
    .defaults = defaults,
    .run = run,
};
