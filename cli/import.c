/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a model of any kind and prints what the importer has to say. */
#include "import.h"

#include "cli.h"
#include "output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct import_args, field)

/* clang-format off */
const struct rn_option import_table[IMPORT_OPTIONS] = {
    {"crop", .type = RN_OPTION_SIZE, .offset = AT(o.height), .min = 1,
     .max = 65535, .value = "HxW", .unset = "the family's",
     .help = "Height and width of the images it takes, or N for both"},
    {"mean", .type = RN_OPTION_TEXT, .offset = AT(mean), .value = "R,G,B",
     .unset = "as --preprocess has it",
     .help = "Subtract this mean of each channel, of pixels from 0 to 1"},
    {"std", .type = RN_OPTION_TEXT, .offset = AT(std), .value = "R,G,B",
     .unset = "as --preprocess has it",
     .help = "Divide each channel by this after that"},
};
/* clang-format on */

enum { CHANNELS = 64 };

/* "0.485,0.456,0.406": how many, or -1. */
static int parse_numbers(const char *text, float out[CHANNELS])
{
    int n = 0;

    for (;; text++) {
        char *end;

        if (n == CHANNELS)
            return -1;
        parse_decimal(text, &end);
        out[n] = strtof(text, NULL); /* rounded once */
        if (end == text || !isfinite(out[n++]))
            return -1;
        text = end;
        if (!*text)
            return n;
        if (*text != ',')
            return -1;
    }
}

/* Numbers of --mean or --std, if any, into an import's fields. */
static int set_numbers(const char *option, const char *text,
                       float numbers[CHANNELS], const float **out,
                       size_t *count, struct rn_error *err)
{
    int n;

    if (!text)
        return RN_OK;
    n = parse_numbers(text, numbers);
    if (n < 0) {
        return cli_error(
            err, RN_ERR_ARG,
            "--%s: '%.100s' is not a list of numbers as in 0.5,0.5,0.5", option,
            text);
    }
    *out = numbers;
    *count = (size_t)n;
    return RN_OK;
}

static void on_message(void *user, const char *text)
{
    (void)user;
    say("%s", text);
}

int import_open(struct rn_model **out, const char *path,
                const struct import_args *args, struct rn_error *err)
{
    struct rn_import_options o;
    float mean[CHANNELS], std[CHANNELS];
    int rc;

    *out = NULL;
    rn_import_defaults(&o);
    if (args)
        o = args->o;
    o.not_finite = o.structure;
    o.message = args && args->quiet ? NULL : on_message;
    if (!args)
        return rn_model_import(out, path, &o, err);
    rc = set_numbers("mean", args->mean, mean, &o.mean, &o.means, err);
    if (!rc)
        rc = set_numbers("std", args->std, std, &o.std, &o.stds, err);
    return rc ? rc : rn_model_import(out, path, &o, err);
}

int import_prepared(struct rn_model **out, const char *path,
                    const struct import_args *args, struct rn_error *err)
{
    struct rn_model_info info;
    int rc = import_open(out, path, args, err);

    if (rc)
        return rc;
    rn_model_describe(*out, &info);
    if (info.has_preprocessing)
        return RN_OK;
    rn_model_destroy(*out);
    *out = NULL;
    return cli_error(err, RN_ERR_DATA,
                     "model '%.300s' does not say how its images are prepared: "
                     "--preprocess does",
                     path);
}
