/* SPDX-License-Identifier: BSD-2-Clause */
/* Two models on the same images. */
#ifndef RN_CLI_VERIFY_H
#define RN_CLI_VERIFY_H

#include "resnet.h"

struct verify_result {
    int random, inputs; /* images of each kind */
    double difference;  /* largest between two logits */
    double largest;     /* logit, without its sign */
};

/**
 * Run two models of the same input and classes on made-up images, and on
 * inputs as 'resnet predict' takes them, each prepared as its model says; the
 * first one's way serves a model that says none.
 */
int verify_models(const struct rn_model *a, const struct rn_model *b,
                  char *const *inputs, int count, struct verify_result *result,
                  struct rn_error *err);

#endif
