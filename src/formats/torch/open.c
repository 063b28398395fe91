/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening a state dictionary of whichever kind: the table of their readers. */
#include "formats/torch/state.h"

#include "core/count.h"
#include "core/memory.h"
#include "formats/foreign.h"
#include "formats/torch/pth.h"
#include "formats/torch/shards.h"
#include "formats/torch/torch.h"

#include <string.h>

/* Each looks at a file's first bytes. The first that knows them reads. */
static const struct {
    bool (*is)(const uint8_t *bytes, size_t size);
    int (*open)(struct rn_state *state, struct rn_error *err);
} kinds[] = {
    {rn_pth_is, rn_pth_open},
    {rn_shards_is, rn_shards_open},
    {rn_st_begins, rn_shards_open_one},
};

static size_t find_kind(const uint8_t *bytes, size_t size)
{
    size_t i = 0;

    while (i < COUNT(kinds) && !kinds[i].is(bytes, size))
        i++;
    return i;
}

bool rn_torch_is(const char *path, const uint8_t *bytes, size_t size)
{
    (void)path;
    return find_kind(bytes, size) < COUNT(kinds);
}

static int open_kind(struct rn_state *state, struct rn_error *err)
{
    uint8_t bytes[RN_FIRST_BYTES];
    size_t size = 0;
    int rc = rn_first_bytes(state->path, bytes, &size, err);

    if (rc)
        return rc;
    size_t i = find_kind(bytes, size);
    if (i < COUNT(kinds))
        return kinds[i].open(state, err);
    return rn_foreign_unknown(state->path, bytes, size,
                              "a PyTorch or safetensors file", err);
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
        rc = open_kind(state, err);
    }
    if (!rc && state->wanted)
        rc = keep_wanted(state, err);
    if (rc)
        rn_state_close(state);
    return rc;
}
