/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of quantisation. */
#include "core/count.h"
#include "core/option.h"
#include "core/sized.h"

#define PLACE(field) offsetof(struct rn_quantize_options, field)

/* clang-format off */
static const struct rn_option options[] = {
    {"images", "calibration", RN_OPTION_INT, PLACE(images), 1, 1000000,
     .value = "N", .preset = "512",
     .help = "Take the ranges of values from N images of the part, chosen by "
             "the seed"},
    {"part", "calibration", RN_OPTION_INDEX, PLACE(part),
     .words = "train|validation|test", .preset = "train",
     .help = "Part of the data that these come from"},
    {"seed", "calibration", RN_OPTION_SEED, PLACE(seed), .value = "N",
     .preset = "1", .help = "Choose images by N"},
    {"check", "accuracy", RN_OPTION_INT, PLACE(check), 1, 100000000,
     .value = "N", .unset = "all",
     .help = "Measure the error on at most N images of another part: "
             "validation, else test; without classes or another part, the "
             "agreement of first answers, on this one"},
    {"max_drop", "accuracy", RN_OPTION_REAL, PLACE(max_drop), 0, 100,
     .value = "X", .preset = "0.3",
     .help = "Leave as many layers in float32 as it takes for the top-1 error "
             "to grow by no more than X points"},
    {"min_agreement", "accuracy", RN_OPTION_REAL, PLACE(min_agreement), 0, 100,
     .value = "X", .preset = "90",
     .help = "Where no error can be measured, leave as many in float32 as it "
             "takes for X % of the first answers to be float32's, within two "
             "standard errors"},
    {"leave_out", "accuracy", RN_OPTION_TEXT, PLACE(leave_out), .value = "LAYER,...",
     .unset = "none", .help = "Leave these layers in float32 in any case"},
    {"batch", "running", RN_OPTION_INT, PLACE(batch), 1, RN_BATCH_MOST,
     .value = "N", .unset = "chosen", .help = "Images per batch"},
    {"threads", "running", RN_OPTION_INT, PLACE(threads), 1, RN_THREADS_MAX,
     .value = "N", .unset = RN_THREADS_UNSET, .help = RN_THREADS_HELP},
    {"bind", "running", RN_OPTION_FLAG, PLACE(bind), .help = RN_BIND_HELP},
};
/* clang-format on */

const struct rn_option *rn_quantize_option(size_t i)
{
    return i < COUNT(options) ? &options[i] : NULL;
}

void rn_quantize_defaults_sized(struct rn_quantize_options *o, size_t size)
{
    struct rn_quantize_options defaults = {.images = 0};

    rn_option_defaults(rn_quantize_option, &defaults);
    RN_GIVE_DEFAULTS(o, size, &defaults);
}
