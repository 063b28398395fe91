/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests of the Open Inference Protocol, version 2, taken apart: JSON, and
 * tensors as numbers in it or as bytes behind it. */
#ifndef RN_CLI_SERVE_TENSORS_H
#define RN_CLI_SERVE_TENSORS_H

#include "resnet.h"

#include <stddef.h>

/** What a network takes: an image of `input`. */
struct tensor_shape {
    int channels, height, width;
};

/** An encoded picture of `image`. */
struct tensor_bytes {
    const char *bytes;
    size_t size;
};

/** What an output is asked for as. */
enum output_form { OUTPUT_NONE, OUTPUT_JSON, OUTPUT_BINARY };

enum { OUTPUT_LOGITS, OUTPUT_PROBABILITIES, OUTPUTS };

/** Names of the outputs, in their order. */
extern const char *const output_names[OUTPUTS];

/** A request. */
struct inference {
    char *id;                      /* or NULL */
    size_t count;                  /* images */
    struct tensor_bytes *pictures; /* [count], or NULL: */
    float *input;                  /* [count][C][H][W] */
    enum output_form outputs[OUTPUTS];
    unsigned char order[OUTPUTS]; /* asked for, by number, */
    size_t n_outputs;             /* so many */
    char *decoded; /* pictures that came as base64, one behind the other */
};

/**
 * Take a body apart.
 *
 * @param body   borrowed for as long as *out is used.
 * @param header bytes of JSON at its beginning; what follows is binary. `size`:
 *               all is JSON.
 * @param most   images.
 * @return RN_ERR_DATA (the message names the input and what is wrong), or
 *         RN_ERR_ARG where what it asks for is not to be had.
 */
int inference_parse(struct inference *out, const char *body, size_t size,
                    size_t header, const struct tensor_shape *shape,
                    size_t most, struct rn_error *err);
void inference_free(struct inference *in);

#endif
