/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of an evaluation, and of layers' responses. */
#include "eval/eval.h"

#include "core/count.h"
#include "core/option.h"

#define PLACE(field)    offsetof(struct rn_eval_options, field)
#define RESPONSE(field) offsetof(struct rn_response_options, field)

/* clang-format off */
static const struct rn_option options[] = {
    {"batch", "running", RN_OPTION_INT, PLACE(batch), 1, RN_BATCH_MOST,
     .value = "N", .unset = "chosen", .help = "Images per batch"},
    {"threads", "running", RN_OPTION_INT, PLACE(threads), 1, RN_THREADS_MAX,
     .value = "N", .unset = RN_THREADS_UNSET, .help = RN_THREADS_HELP},
    {"exact", "running", RN_OPTION_FLAG, PLACE(exact), .help = RN_EXACT_HELP},
    {"bind", "running", RN_OPTION_FLAG, PLACE(bind), .help = RN_BIND_HELP},
    {"precision", "running", RN_OPTION_INDEX, PLACE(precision),
     .words = RN_PRECISION_WORDS, .preset = "auto", .value = "NAME",
     .help = RN_PRECISION_HELP},
    {"emulate", "running", RN_OPTION_FLAG, PLACE(emulate),
     .help = RN_EMULATE_HELP},
    {"images", "data", RN_OPTION_INT, PLACE(images), 1, 100000000,
     .value = "N", .unset = "all",
     .help = "Take at most N images of the part, spread evenly over it"},
    {"as_stored", "views", RN_OPTION_FLAG, PLACE(as_stored),
     .help = RN_AS_STORED_HELP},
    {"crops", "views", RN_OPTION_INT, PLACE(crops), 1, 10, .value = "1|10",
     .preset = "1", .unset = "1", .help = RN_CROPS_HELP},
    {"keep", "report", RN_OPTION_FLAG, PLACE(keep),
     .help = "Keep all probabilities in the report"},
};
/* clang-format on */

const struct rn_option *rn_eval_option(size_t i)
{
    return i < COUNT(options) ? &options[i] : NULL;
}

/* clang-format off */
static const struct rn_option response_options[] = {
    {"images", "data", RN_OPTION_INT, RESPONSE(images), 1, 100000000,
     .value = "N", .unset = "all",
     .help = "Take at most N images of the part, spread evenly over it"},
    {"batch_norm", "data", RN_OPTION_INDEX, RESPONSE(batch_norm),
     .words = "running|batch", .preset = "running",
     .help = "Normalise by the running statistics, or by each batch's own, as "
             "in training"},
    {"all", "data", RN_OPTION_FLAG, RESPONSE(all),
     .help = "Measure all convolutions, not 3x3 ones alone"},
    {"batch", "running", RN_OPTION_INT, RESPONSE(batch), 1, RN_BATCH_MOST,
     .value = "N", .unset = "chosen", .help = "Images per batch"},
    {"threads", "running", RN_OPTION_INT, RESPONSE(threads), 1, RN_THREADS_MAX,
     .value = "N", .unset = RN_THREADS_UNSET, .help = RN_THREADS_HELP},
    {"exact", "running", RN_OPTION_FLAG, RESPONSE(exact),
     .help = RN_EXACT_HELP},
    {"bind", "running", RN_OPTION_FLAG, RESPONSE(bind), .help = RN_BIND_HELP},
};
/* clang-format on */

const struct rn_option *rn_response_option(size_t i)
{
    return i < COUNT(response_options) ? &response_options[i] : NULL;
}
