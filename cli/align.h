/* SPDX-License-Identifier: BSD-2-Clause */
/* Which layers of two networks are the same. */
#ifndef RN_CLI_ALIGN_H
#define RN_CLI_ALIGN_H

#include <stddef.h>

/** A value inside a network. */
struct layer {
    char *name;
    int shape[3]; /* channels, height, width */
    float *values;
    size_t count;
};

/** The layers of a network in order; zero it first. */
struct layers {
    struct layer *at;
    size_t count, room;
};

/** Append copies of a name and values; 0, or -1 without memory. */
int layers_add(struct layers *layers, const char *name, const int shape[3],
               const float *values);
void layers_free(struct layers *layers);

/**
 * Pair as many layers as can be, in order: those of one name, or, where a name
 * is only in one of the networks, of one shape. pairs[k] gets the numbers in a
 * and b; there is room for the smaller number of layers.
 *
 * @return how many, or -1 without memory.
 */
long layers_align(const struct layers *a, const struct layers *b,
                  size_t (*pairs)[2]);

#endif
