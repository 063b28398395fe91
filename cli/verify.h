/* SPDX-License-Identifier: BSD-2-Clause */
/* Two models on the same images. */
#ifndef RN_CLI_VERIFY_H
#define RN_CLI_VERIFY_H

#include "resnet.h"

#include <stddef.h>
#include <stdint.h>

struct verify_result {
    int random, inputs; /* images of each kind */
    double difference;  /* largest between two logits */
    double largest;     /* logit, without its sign */
};

/** Numbers of about a normalised picture's range, the same every time:
 *  *state is 0 for the first image. */
void verify_made_up(float *image, size_t count, uint64_t *state);

/**
 * Run two models of the same input and classes on made-up images, and on
 * inputs as 'resnet predict' takes them, each prepared as its model says; the
 * first one's way serves a model that says none.
 */
int verify_models(const struct rn_model *a, const struct rn_model *b,
                  char *const *inputs, int count, struct verify_result *result,
                  struct rn_error *err);

#endif
