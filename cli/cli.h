/* SPDX-License-Identifier: BSD-2-Clause */
/* What main.c and the subcommands share. */
#ifndef RN_CLI_CLI_H
#define RN_CLI_CLI_H

#include "options.h"
#include "resnet.h"

/* Exit statuses; 128 + signal after those of interrupt.h. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_BAD_DATA = 3,
    EXIT_LOSS = 4,
};

extern const struct command command_info, command_train, command_eval,
    command_predict, command_features, command_bench, command_convert,
    command_diff, command_quantize, command_data, command_study,
    command_responses, command_serve, command_completion;

/** The i-th command of the program; NULL past the end. */
const struct command *cli_command(size_t i);

/** Say on standard error what err holds; the exit status that goes with it. */
int cli_fail(const struct rn_error *err);

/** Fill err where the program itself finds what is wrong; the code. */
__attribute__((format(printf, 3, 4))) int
cli_error(struct rn_error *err, int code, const char *format, ...);

/** The status alone. */
int cli_status(int code);

/** Say on standard error what there is to say of data or pictures that nothing
 *  is wrong with; NULL is no data. */
void cli_remarks(const struct rn_data *data);
void cli_picture_remarks(const struct rn_pictures *pictures);

/** Options of a new run from the arguments of 'resnet train', checked: 0, or
 *  the exit status after a message. They point into argv and into the recipe's
 *  text, which the caller frees. */
int train_parse(int argc, char **argv, struct rn_train_options *train,
                char **recipe);
/** 'resnet train' of such options, or of the run `resume`, on so many threads
 * (0: chosen), with ranks that stay: the exit status. */
int train_run(const struct rn_train_options *options, const char *resume,
              int threads, struct rn_ranks *ranks);

/* Networks by name or from a model file: net.c. */

#define JSON_HELP "Print the result as one JSON object"

/** Does this name a file rather than a network? */
int net_is_file(const char *name);

struct import_args;
/** Build or load NET|MODEL. `given` tells whether any of net_options was:
 *  they cannot change a model from a file, nor `import` a network's name. */
int net_open(struct rn_model **out, const char *name,
             const struct rn_net_options *options, int given,
             const struct import_args *import, struct rn_error *err);

/** Batch for a network of this size when none is given: the paper's 128 for
 *  CIFAR, 32 for larger pictures. */
int net_batch(const struct rn_model_info *info);

#endif
