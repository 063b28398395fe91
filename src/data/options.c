/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of data sets and of their survey. */
#include "data/data.h"

#include "core/count.h"
#include "core/option.h"

#define PLACE(field)  offsetof(struct rn_data_options, field)
#define SURVEY(field) offsetof(struct rn_survey_options, field)

/* clang-format off */
static const struct rn_option data_options[] = {
    {"validation", "data", RN_OPTION_INT, PLACE(validation),
     0, RN_OPTION_MOST, .value = "N",
     .help = "Hold out the last N training images; of pictures some of each "
             "class"},
    {"validation_percent", "data", RN_OPTION_REAL, PLACE(validation_percent),
     0, 99.9, .value = "X",
     .help = "Hold out X per cent of the training images"},
    {"seed", "data", RN_OPTION_SEED, PLACE(seed), .value = "N",
     .help = "Choose the pictures that are held out from N"},
    {"rule", "data", RN_OPTION_INT, PLACE(rule), 1, RN_RULE_NEWEST,
     .value = "N", .unset = "the newest",
     .help = "Rule that says what is held out and which folders are classes"},
    {"run", "data", RN_OPTION_TEXT, PLACE(run), .value = "FOLDER",
     .help = "A folder that is not part of the data"},
};

static const struct rn_option survey_options[] = {
    {"threads", "survey", RN_OPTION_INT, SURVEY(threads), 1, RN_THREADS_MAX,
     .value = "N", .unset = RN_THREADS_UNSET,
     .help = "Decode with N threads"},
};
/* clang-format on */

const struct rn_option *rn_data_option(size_t i)
{
    return i < COUNT(data_options) ? &data_options[i] : NULL;
}

const struct rn_option *rn_survey_option(size_t i)
{
    return i < COUNT(survey_options) ? &survey_options[i] : NULL;
}
