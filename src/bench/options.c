/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of the benchmarks. */
#include "core/count.h"
#include "core/option.h"

#define PLACE(field)   offsetof(struct rn_bench_options, field)
#define LOADING(field) offsetof(struct rn_loading_options, field)

/* Most seconds and rounds to measure: nobody waits longer. */
#define SECONDS_MOST 86400
#define ROUNDS_MOST  10000

/* clang-format off */
static const struct rn_option bench_options[] = {
    {"mode", "measurement", RN_OPTION_INDEX, PLACE(mode),
     .words = "infer|train", .preset = "infer",
     .help = "Time inference or training"},
    {"batch", "measurement", RN_OPTION_INT, PLACE(batch), 1, RN_BATCH_MOST,
     .value = "N", .preset = "1", .help = "Images per batch"},
    {"threads", "measurement", RN_OPTION_INT, PLACE(threads),
     1, RN_THREADS_MAX, .value = "N", .unset = RN_THREADS_UNSET,
     .help = RN_THREADS_HELP},
    {"exact", "measurement", RN_OPTION_FLAG, PLACE(exact),
     .help = RN_EXACT_HELP},
    {"bind", "measurement", RN_OPTION_FLAG, PLACE(bind), .help = RN_BIND_HELP},
    {"winograd", "measurement", RN_OPTION_INT, PLACE(winograd), 2, 4,
     .value = "N", .unset = "where it pays",
     .help = "Outputs of Winograd's tiles: 2 or 4"},
    {"recompute", "measurement", RN_OPTION_INDEX, PLACE(recompute),
     .words = RN_RECOMPUTE_WORDS, .preset = "auto", .value = "WHAT",
     .help = RN_RECOMPUTE_HELP},
    {"profile", "measurement", RN_OPTION_FLAG, PLACE(profile),
     .help = "Time every step, too"},
    {"seconds", "measurement", RN_OPTION_REAL, PLACE(seconds),
     0, SECONDS_MOST, .value = "X", .preset = "5",
     .help = "Measure for about X seconds"},
    {"rounds", "measurement", RN_OPTION_INT, PLACE(rounds), 1, ROUNDS_MOST,
     .value = "N", .unset = "as many as fit into `seconds`, at least 5",
     .help = "Measure N rounds"},
    {"precision", "measurement", RN_OPTION_INDEX, PLACE(precision),
     .words = RN_PRECISION_WORDS, .preset = "auto", .value = "NAME",
     .help = RN_PRECISION_HELP},
    {"emulate", "measurement", RN_OPTION_FLAG, PLACE(emulate),
     .help = RN_EMULATE_HELP},
    {"gradient_precision", "measurement", RN_OPTION_INDEX,
     PLACE(gradient_precision), .words = RN_GRADIENTS_WORDS, .preset = "fp32",
     .value = "NAME", .help = RN_GRADIENTS_HELP},
    {"streams", "measurement", RN_OPTION_INT, PLACE(streams),
     1, RN_THREADS_MAX, .value = "N", .unset = "1",
     .help = "Compute N batches side by side, each with its share of the "
             "threads, as `resnet serve` does; inference"},
    {"powercap", "measurement", RN_OPTION_TEXT, PLACE(powercap),
     .value = "DIR", .unset = "/sys/class/powercap",
     .help = "Read the processors' energy counters below DIR"},
};

static const struct rn_option loading_options[] = {
    {"size", "measurement", RN_OPTION_INT, LOADING(size), 1, 4096,
     .value = "N", .preset = "224", .help = "Make images of N x N pixels"},
    {"batch", "measurement", RN_OPTION_INT, LOADING(batch), 1, RN_BATCH_MOST,
     .value = "N", .preset = "32", .help = "Images per batch"},
    {"threads", "measurement", RN_OPTION_INT, LOADING(threads),
     1, RN_THREADS_MAX, .value = "N", .unset = RN_THREADS_UNSET,
     .help = "Decode with N threads"},
    {"seconds", "measurement", RN_OPTION_REAL, LOADING(seconds),
     0, SECONDS_MOST, .value = "X", .preset = "5",
     .help = "Measure for about X seconds"},
};
/* clang-format on */

const struct rn_option *rn_bench_option(size_t i)
{
    return i < COUNT(bench_options) ? &bench_options[i] : NULL;
}

const struct rn_option *rn_loading_option(size_t i)
{
    return i < COUNT(loading_options) ? &loading_options[i] : NULL;
}
