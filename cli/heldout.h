/* SPDX-License-Identifier: BSD-2-Clause */
/* Data opened for an evaluation: what a model held out when it was trained is
 * held out again. */
#ifndef RN_CLI_HELDOUT_H
#define RN_CLI_HELDOUT_H

#include "cli.h"

struct held_out_args {
    const char *spec;  /* DATA */
    const char *model; /* path of the model, for messages */
    const char *part;  /* asked for, or NULL */
    int validation_given, seed_given;
    struct rn_data_options split; /* asked for; then as it was opened */
};

/** Open the data; when nothing is said to be held out, but the part asked for
 *  hangs on it, as the model was trained. */
int held_out_open(struct rn_data **data, const struct rn_model *model,
                  struct held_out_args *args, struct rn_error *err);

/** How many of the images evaluated, so many of a part (0: all), the model was
 *  trained on, -1: that is not known. */
int held_out_trained(const struct rn_model *model, const struct rn_data *data,
                     const struct held_out_args *args, enum rn_part part,
                     int images);

/** Say that, and warn when the model may have seen what is held out. */
void held_out_say(const struct rn_model *model, const char *path,
                  const struct rn_data *data, const struct held_out_args *args,
                  enum rn_part part, int images);

#endif
