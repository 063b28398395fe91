/* SPDX-License-Identifier: BSD-2-Clause */
/* The longest common run of layers, by name first, then by shape in order. */
#include "align.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int layers_add(struct layers *layers, const char *name, const int shape[3],
               const float *values)
{
    struct layer layer = {.count = (size_t)shape[0] * (size_t)shape[1] *
                                   (size_t)shape[2]};

    if (layers->count == layers->room) {
        size_t room = layers->room ? 2 * layers->room : 64;
        struct layer *at = realloc(layers->at, room * sizeof(*at));

        if (!at)
            return -1;
        layers->at = at;
        layers->room = room;
    }
    layer.name = strdup(name);
    layer.values = malloc(layer.count * sizeof(float));
    if (!layer.name || !layer.values) {
        free(layer.name);
        free(layer.values);
        return -1;
    }
    memcpy(layer.shape, shape, sizeof(layer.shape));
    memcpy(layer.values, values, layer.count * sizeof(float));
    layers->at[layers->count++] = layer;
    return 0;
}

void layers_free(struct layers *layers)
{
    for (size_t i = 0; i < layers->count; i++) {
        free(layers->at[i].name);
        free(layers->at[i].values);
    }
    free(layers->at);
    *layers = (struct layers){0};
}

static int has_name(const struct layers *layers, const char *name)
{
    for (size_t i = 0; i < layers->count; i++)
        if (strcmp(layers->at[i].name, name) == 0)
            return 1;
    return 0;
}

/* For each of `layers` whether the other network has its name. */
static char *find_known(const struct layers *layers, const struct layers *other)
{
    char *known = malloc(layers->count + 1);

    for (size_t i = 0; known && i < layers->count; i++)
        known[i] = (char)has_name(other, layers->at[i].name);
    return known;
}

static int fits(const struct layer *a, int a_known, const struct layer *b,
                int b_known)
{
    if (memcmp(a->shape, b->shape, sizeof(a->shape)) != 0)
        return 0;
    return a_known || b_known ? strcmp(a->name, b->name) == 0 : 1;
}

/* The longest common run of layers, others left out in between: length[i][j]
 * is that of the layers from i and j on. */
static long walk(const struct layers *a, const struct layers *b,
                 const char *a_known, const char *b_known, uint16_t *length,
                 size_t (*pairs)[2])
{
    size_t row = b->count + 1, i, j;
    long n = 0;

    for (i = a->count; i-- > 0;)
        for (j = b->count; j-- > 0;) {
            uint16_t *at = &length[i * row + j];
            uint16_t skip = at[1] > at[row] ? at[1] : at[row];

            *at = skip;
            if (fits(&a->at[i], a_known[i], &b->at[j], b_known[j]) &&
                at[row + 1] + 1 > skip)
                *at = (uint16_t)(at[row + 1] + 1);
        }
    for (i = j = 0; i < a->count && j < b->count;) {
        const uint16_t *at = &length[i * row + j];

        if (at[0] == at[row + 1] + 1 &&
            fits(&a->at[i], a_known[i], &b->at[j], b_known[j])) {
            pairs[n][0] = i++;
            pairs[n++][1] = j++;
        } else if (at[row] >= at[1]) {
            i++;
        } else {
            j++;
        }
    }
    return n;
}

long layers_align(const struct layers *a, const struct layers *b,
                  size_t (*pairs)[2])
{
    char *a_known = find_known(a, b), *b_known = find_known(b, a);
    uint16_t *length = calloc((a->count + 1) * (b->count + 1), sizeof(*length));
    long n = -1;

    if (a_known && b_known && length)
        n = walk(a, b, a_known, b_known, length, pairs);
    free(a_known);
    free(b_known);
    free(length);
    return n;
}
