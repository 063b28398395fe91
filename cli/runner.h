/* SPDX-License-Identifier: BSD-2-Clause */
/* Many images through a model in batches: what predict and features share. */
#ifndef RN_CLI_RUNNER_H
#define RN_CLI_RUNNER_H

#include "import.h"
#include "inputs.h"
#include "options.h"
#include "resnet.h"

/** Options of running, for a command that has its rn_eval_options at `at`. */
#define RUNNER_GROUP(at, without_)                                 \
    {                                                              \
        "running", .library = rn_eval_option,                      \
                   .without = "part|images" without_, .base = (at) \
    }

struct runner {
    /* The caller's: */
    const struct rn_eval_options *args;
    const struct import_args *import;
    const char *path; /* of the model */
    int crops;        /* 10 of each picture, or 1 */
    int json;         /* failures are told in JSON, too */
    const char *keep; /* as in rn_plan_options */
    void *user;
    /* After runner_open(): the model is there. May be NULL. */
    int (*opened)(struct runner *runner, struct rn_error *err);
    /* Of the images of `file`, labelled `label` (-1: unknown), there are
     * logits [crops][classes], and what was kept. */
    int (*answer)(struct runner *runner, const char *file, int label,
                  float *logits, const float *values, struct rn_error *err);

    struct rn_model *model;
    struct rn_model_info info;
    struct rn_data *data; /* of the last image, or NULL */
    int32_t *map;         /* the model's class for each of its, or NULL */
    size_t count;         /* images that the inputs stand for */
    int kept[3];          /* channels, height, width of values */
    int failed;           /* images */
    int broken;           /* set by answer(): no use in going on */

    /* Its own: */
    struct rn_plan *plan;
    struct rn_feed *feed; /* of all pictures among the inputs */
    size_t pixels;        /* of an image */
    uint8_t *stored;      /* [pixels] */
    float *images;        /* [batch][crops][pixels] */
    float *logits;        /* [batch][crops][classes] */
    float *values;        /* [batch][kept], or NULL */
    struct waiting *waiting;
    int batch, filled;
    char *spec;        /* of data */
    enum rn_part part; /* that map is of */
};

/** Open the model and run all inputs; the exit status. An input that fails is
 *  named and the others are still done. */
int runner_run(struct runner *runner, char *const *inputs, int count);
void runner_close(struct runner *runner);

#endif
