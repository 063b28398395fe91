/* SPDX-License-Identifier: BSD-2-Clause */
/* Which tensors are layers, and which of them convolutions and batch norms. */
#include "formats/torch/structure/layers.h"

#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

/* The tensor NAME.PART of a layer. */
const struct rn_state_tensor *rn_structure_part(const struct structure *s,
                                                const struct layer *l,
                                                const char *part)
{
    char name[RN_STATE_NAME + 20];

    snprintf(name, sizeof(name), "%.*s%s%s", (int)l->length, l->name,
             l->length ? "." : "", part);
    return rn_state_find(s->state, name);
}

static bool is_vector(const struct rn_state_tensor *t, uint64_t count)
{
    return t && t->dims == 1 && t->count == count && count > 0;
}

/* The layer whose weight that is; false for a tensor of none. */
static bool make_layer(const struct structure *s,
                       const struct rn_state_tensor *t, struct layer *l)
{
    static const char weight[] = "weight";
    size_t n = strlen(t->name), k = sizeof(weight) - 1;

    if (n < k || strcmp(t->name + n - k, weight) != 0 || t->count == 0 ||
        (n > k && t->name[n - k - 1] != '.'))
        return false;
    *l = (struct layer){
        .name = t->name, .length = n > k ? n - k - 1 : 0, .weight = t};
    if (t->dims == 4)
        l->kind = CONV;
    else if (t->dims == 2)
        l->kind = LINEAR;
    else if (is_vector(t, t->count) &&
             is_vector(rn_structure_part(s, l, "bias"), t->count) &&
             is_vector(rn_structure_part(s, l, "running_mean"), t->count) &&
             is_vector(rn_structure_part(s, l, "running_var"), t->count))
        l->kind = NORM;
    else
        return false;
    return true;
}

static int by_order(const void *a, const void *b)
{
    const struct layer *x = a, *y = b;

    return (x->weight->order > y->weight->order) -
           (x->weight->order < y->weight->order);
}

int rn_structure_layers(struct structure *s, struct rn_error *err)
{
    size_t n = s->state->count;

    s->layers = rn_alloc(n, sizeof(*s->layers));
    s->convs = rn_alloc(n, sizeof(*s->convs));
    s->norms = rn_alloc(n, sizeof(*s->norms));
    if (!s->layers || !s->convs || !s->norms)
        return rn_fail_memory(err, n * sizeof(*s->layers), "layers");
    for (size_t i = 0; i < n; i++)
        if (make_layer(s, &s->state->tensors[i], &s->layers[s->count]))
            s->count++;
    if (s->count > 0)
        qsort(s->layers, s->count, sizeof(*s->layers), by_order);
    for (size_t i = 0; i < s->count; i++) {
        struct layer *l = &s->layers[i];

        if (l->kind == CONV)
            s->convs[s->n_convs++] = l;
        else if (l->kind == NORM)
            s->norms[s->n_norms++] = l;
    }
    if (s->n_convs > RN_STRUCTURE_CONVS || s->n_norms > RN_STRUCTURE_CONVS)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': %zu convolutions and %zu batch norms under "
                       "unknown names, at most %d of each expected",
                       s->state->path, s->n_convs, s->n_norms,
                       RN_STRUCTURE_CONVS);
    return RN_OK;
}
