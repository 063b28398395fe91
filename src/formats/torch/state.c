/* SPDX-License-Identifier: BSD-2-Clause */
#include "formats/torch/state.h"

#include "core/count.h"
#include "core/memory.h"
#include "formats/foreign.h"
#include "formats/torch/module.h"
#include "formats/torch/pth.h"
#include "formats/torch/shards.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each looks at a file's first bytes. The first that knows them reads. */
static const struct {
    bool (*is)(const uint8_t *bytes, size_t size);
    int (*open)(struct rn_state *state, struct rn_error *err);
} formats[] = {
    {rn_pth_is, rn_pth_open},
    {rn_shards_is, rn_shards_open},
    {rn_shards_is_one, rn_shards_open_one},
};

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

int rn_first_bytes(const char *path, uint8_t bytes[RN_FIRST_BYTES],
                   size_t *size, struct rn_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = RN_OK;
    struct stat st;

    if (fd < 0)
        return rn_fail_errno(err, "open", path);
    if (fstat(fd, &st) != 0) {
        rc = rn_fail_errno(err, "read", path);
    } else if (S_ISDIR(st.st_mode)) {
        rc = rn_foreign_folder(path, err);
    } else if (!S_ISREG(st.st_mode)) {
        rc = rn_fail(err, RN_ERR_IO, "cannot read '%s': not a regular file",
                     path);
    } else {
        ssize_t got = read(fd, bytes, RN_FIRST_BYTES);

        *size = got > 0 ? (size_t)got : 0;
        if (got < 0)
            rc = rn_fail_errno(err, "read", path);
    }
    close(fd);
    return rc;
}

static int open_format(struct rn_state *state, struct rn_error *err)
{
    uint8_t bytes[RN_FIRST_BYTES];
    size_t size = 0;
    int rc = rn_first_bytes(state->path, bytes, &size, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < COUNT(formats); i++)
        if (formats[i].is(bytes, size))
            return formats[i].open(state, err);
    return rn_foreign_unknown(state->path, bytes, size, err);
}

/* Only the tensors whose names begin with "HOLDER." stay, without that. */
static int keep_wanted(struct rn_state *state, struct rn_error *err)
{
    size_t n = strlen(state->wanted), kept = 0;

    if (n > 0 && state->wanted[n - 1] == '.')
        n--;
    for (size_t i = 0; i < state->count; i++) {
        struct rn_state_tensor *t = &state->tensors[i];

        if (strncmp(t->name, state->wanted, n) == 0 && t->name[n] == '.') {
            memmove(t->name, t->name + n + 1, strlen(t->name + n + 1) + 1);
            state->tensors[kept++] = *t;
        } else {
            rn_free(t->name);
        }
    }
    state->count = kept;
    if (kept > 0)
        return RN_OK;
    return rn_fail(err, RN_ERR_DATA, "'%s': no tensors are in or under '%.60s'",
                   state->path, state->wanted);
}

int rn_state_open(struct rn_state *state, const char *path, const char *holder,
                  struct rn_error *err)
{
    int rc = rn_state_start(state, path, err);

    if (!rc) {
        state->wanted = holder;
        rc = open_format(state, err);
    }
    if (!rc && state->wanted)
        rc = keep_wanted(state, err);
    if (rc)
        rn_state_close(state);
    return rc;
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
