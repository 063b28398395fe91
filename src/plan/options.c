/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of a plan. */
#include "plan/plan.h"

#include "core/count.h"
#include "core/option.h"

#define PLACE(field) offsetof(struct rn_plan_options, field)

/* clang-format off */
static const struct rn_option options[] = {
    {"mode", "plan", RN_OPTION_INDEX, PLACE(mode), .words = "infer|train",
     .preset = "infer", .help = "Infer or train"},
    {"batch", "plan", RN_OPTION_INT, PLACE(batch), 1, RN_BATCH_MOST,
     .value = "N", .preset = "1", .help = "Images per batch"},
    {"threads", "plan", RN_OPTION_INT, PLACE(threads), 1, RN_THREADS_MAX,
     .value = "N", .unset = RN_THREADS_UNSET, .help = RN_THREADS_HELP},
    {"exact", "plan", RN_OPTION_FLAG, PLACE(exact), .help = RN_EXACT_HELP},
    {"bind", "plan", RN_OPTION_FLAG, PLACE(bind), .help = RN_BIND_HELP},
    {"winograd", "plan", RN_OPTION_INT, PLACE(winograd), 2, 4, .value = "N",
     .unset = "where it pays", .help = "Outputs of Winograd's tiles: 2 or 4"},
    {"profile", "plan", RN_OPTION_FLAG, PLACE(profile),
     .help = "Time every step, too"},
    {"recompute", "plan", RN_OPTION_INDEX, PLACE(recompute),
     .words = RN_RECOMPUTE_WORDS, .preset = "auto", .value = "WHAT",
     .help = RN_RECOMPUTE_HELP},
    {"keep", "plan", RN_OPTION_TEXT, PLACE(keep), .value = "STAGE",
     .unset = "nothing",
     .help = "Keep the output of a stage: conv1 to conv5 (as many as there "
             "are), last, pool (the means of the last) or a layer's name"},
    {"precision", "plan", RN_OPTION_INDEX, PLACE(precision),
     .words = RN_PRECISION_WORDS, .preset = "auto", .value = "NAME",
     .help = RN_PRECISION_HELP},
    {"emulate", "plan", RN_OPTION_FLAG, PLACE(emulate),
     .help = RN_EMULATE_HELP},
};
/* clang-format on */

const char *rn_precision_name(int precision)
{
    static const char *const names[] = {
        [RN_PRECISION_AUTO] = "auto",
        [RN_PRECISION_FP32] = "fp32",
        [RN_PRECISION_BF16] = "bf16",
        [RN_PRECISION_INT8] = "int8",
    };

    return precision >= 0 && (size_t)precision < COUNT(names) ? names[precision]
                                                              : NULL;
}

const struct rn_option *rn_plan_option(size_t i)
{
    return i < COUNT(options) ? &options[i] : NULL;
}
