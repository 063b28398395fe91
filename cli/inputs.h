/* SPDX-License-Identifier: BSD-2-Clause */
/* What 'resnet predict' is given: pictures, or images of a data set. */
#ifndef RN_CLI_INPUTS_H
#define RN_CLI_INPUTS_H

#include "resnet.h"

enum input_kind {
    INPUT_NONE,     /* could not be made sense of: err */
    INPUT_STANDARD, /* a picture from standard input */
    INPUT_PICTURES, /* a picture file, or a folder of them */
    INPUT_DATA,     /* DATA[:PART]:FIRST[-LAST] */
};

/** An operand taken apart. */
struct input {
    const char *text;
    enum input_kind kind;
    struct rn_error err;
    struct rn_pictures *pictures;
    char *spec; /* of DATA */
    enum rn_part part;
    int first, last;
};

/** Failures stay in input->err, for when its turn comes. */
void input_parse(struct input *input, const char *text);
void input_free(struct input *input);

/** Images it stands for. */
size_t input_images(const struct input *input);

/** A picture from standard input. */
int input_read_standard(struct rn_image *image, int flags,
                        struct rn_error *err);

/** "N" images or "N%" of them to hold out; NULL: none. 0, or -1 after a
 *  message. */
int parse_validation(const char *text, int *images, double *percent);

#endif
