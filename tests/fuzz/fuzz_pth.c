/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader of PyTorch's files, on any bytes; and its pickles alone, which
 * no check sum or archive guards. */
#include "fuzz.h"

#include "core/memory.h"
#include "formats/torch/pickle_torch.h"
#include "formats/torch/pth.h"
#include "formats/torch/structure.h"

#include <stdlib.h>
#include <string.h>

/* Every tensor an accepted file has can be read: sanitizers watch. */
static void read_all(struct rn_state *state)
{
    enum { MOST = 1 << 20 };
    struct rn_error err = {0};
    for (size_t i = 0; i < state->count; i++) {
        const struct rn_state_tensor *t = &state->tensors[i];
        float *out =
            t->count <= MOST ? malloc(t->count * sizeof(*out) + 1) : NULL;

        if (!out)
            continue;
        if (rn_state_read(state, t, out, &err) && !err.msg[0])
            abort();
        free(out);
        if (rn_state_find(state, t->name) != t)
            abort();
    }
}

/* Whatever its tensors are, they are a network's or refused. */
static void recognise(const struct rn_state *state)
{
    struct rn_recognised r;
    struct rn_error err = {0};
    char note[400];

    if (rn_structure(&r, state, note, sizeof(note), &err) && !err.msg[0])
        abort();
    rn_recognised_free(&r);
    if (rn_rename(&r, state, NULL, &err) == RN_OK)
        rn_recognise(&r, state, &err);
    rn_recognised_free(&r);
}

static void read_file(const uint8_t *bytes, size_t size)
{
    struct rn_state state;
    struct rn_error err = {0};

    if (rn_state_start(&state, "input", &err))
        return;
    if (rn_pth_parse(&state, bytes, size, &err) == RN_OK) {
        read_all(&state);
        recognise(&state);
    } else if (!err.code || !err.msg[0]) {
        abort();
    }
    rn_state_close(&state);
}

static void run_pickle(const uint8_t *bytes, size_t size)
{
    struct rn_pickle p;
    struct rn_error err = {0};
    size_t used;
    int rc =
        rn_pickle_run(&p, bytes, size, "input", &rn_torch_names, &used, &err);

    if (used > size || (rc && !err.msg[0]))
        abort();
    if (!rc)
        rn_pickle_lookup(&p, p.root, "state_dict");
    rn_pickle_close(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    read_file(bytes, size);
    run_pickle(bytes, size);
    return 0;
}
