/* SPDX-License-Identifier: BSD-2-Clause */
/* A state dictionary in memory: its tensors by name. */
#include "formats/torch/state.h"

#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

int rn_state_start(struct rn_state *state, const char *path,
                   struct rn_error *err)
{
    memset(state, 0, sizeof(*state));
    state->path = rn_strdup(path);
    return state->path ? RN_OK : rn_fail_memory(err, strlen(path), "a path");
}

int rn_state_add(struct rn_state *state, const struct rn_state_tensor *t,
                 const char *name, size_t name_size, struct rn_error *err)
{
    if (name_size > RN_STATE_NAME)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': a tensor's name has %zu characters, at most %d "
                       "expected",
                       state->path, name_size, RN_STATE_NAME);
    if (memchr(name, '\0', name_size))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': a tensor's name has a zero byte", state->path);
    char *copy = rn_alloc(name_size + 1, 1);
    if (!copy || !rn_grow(&state->tensors, &state->room, state->count,
                          sizeof(*state->tensors))) {
        rn_free(copy);
        return rn_fail_memory(err, name_size + sizeof(*t), "a tensor");
    }
    memcpy(copy, name, name_size);
    state->tensors[state->count] = *t;
    state->tensors[state->count].order = (uint32_t)state->count;
    state->tensors[state->count++].name = copy;
    return RN_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct rn_state_tensor *x = a, *y = b;

    return strcmp(x->name, y->name);
}

int rn_state_finish(struct rn_state *state, struct rn_error *err)
{
    if (state->count > 0)
        qsort(state->tensors, state->count, sizeof(*state->tensors), by_name);
    for (size_t i = 1; i < state->count; i++)
        if (by_name(&state->tensors[i - 1], &state->tensors[i]) == 0)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': two tensors are called '%.60s'", state->path,
                           state->tensors[i].name);
    return RN_OK;
}

void rn_state_close(struct rn_state *state)
{
    if (state->source)
        state->format->close(state->source);
    for (size_t i = 0; i < state->count; i++)
        rn_free(state->tensors[i].name);
    for (size_t i = 0; i < state->n_layers; i++)
        rn_free(state->layers[i].name);
    rn_free(state->layers);
    rn_free(state->tensors);
    rn_free(state->description);
    rn_free(state->path);
    memset(state, 0, sizeof(*state));
}

static int name_to_tensor(const void *name, const void *tensor)
{
    return strcmp(name, ((const struct rn_state_tensor *)tensor)->name);
}

const struct rn_state_tensor *rn_state_find(const struct rn_state *state,
                                            const char *name)
{
    if (state->count == 0)
        return NULL;
    return bsearch(name, state->tensors, state->count, sizeof(*state->tensors),
                   name_to_tensor);
}

bool rn_state_is_matrix(const struct rn_state_tensor *t)
{
    bool one = t->dims == 4 && t->dim[2] == 1 && t->dim[3] == 1;

    return t->count > 0 && (t->dims == 2 || one);
}

int rn_state_read(struct rn_state *state, const struct rn_state_tensor *t,
                  float *out, struct rn_error *err)
{
    return state->format->read(state, t, out, err);
}

const char *rn_state_shape_text(const struct rn_state_tensor *t, char *buf,
                                size_t size)
{
    size_t used = (size_t)snprintf(buf, size, "%s [", rn_dtype_name(t->dtype));

    for (int i = 0; i < t->dims && used < size; i++)
        used += (size_t)snprintf(buf + used, size - used, "%s%llu",
                                 i ? "," : "", (unsigned long long)t->dim[i]);
    if (used < size)
        snprintf(buf + used, size - used, "]");
    return buf;
}
