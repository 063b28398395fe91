/* SPDX-License-Identifier: BSD-2-Clause */
/* Responses of layers, as measured and as written. */
#ifndef RN_EVAL_RESPONSES_H
#define RN_EVAL_RESPONSES_H

#include "resnet.h"

/** A layer while it is measured, and after. */
struct rn_layer_sums {
    int conv, value;        /* nodes: the convolution, and what is measured */
    size_t channels;        /* of the value */
    double count;           /* numbers of a channel so far */
    double *mean, *squares; /* [channels]; of deviations from the mean */
    struct rn_response response;
};

struct rn_responses {
    const struct rn_model *model; /* held */
    struct rn_response_info info;
    struct rn_layer_sums *layers; /* [info.layers] */
};

#endif
