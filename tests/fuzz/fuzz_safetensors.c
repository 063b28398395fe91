/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader of model files. The input is a file, and then the header of one
 * whose data are zeros: so small inputs reach whole models. */
#include "fuzz.h"

#include "core/memory.h"
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

/* Check what the container's reader promises. */
static void check_tensors(const struct rn_st_file *f)
{
    uint64_t end = 0;

    for (size_t i = 0; i < f->count; i++) {
        const struct rn_st_tensor *t = &f->tensors[i];

        if (t->offset != end || rn_st_find(f, t->name) != t)
            abort();
        end += t->bytes;
    }
    if (end != f->data_bytes)
        abort();
}

static void read_file(const uint8_t *bytes, size_t size)
{
    struct rn_st_file f;
    struct rn_model *model;
    struct rn_error err = {0};
    char *training;

    if (rn_st_parse(&f, bytes, size, "input", &err) != RN_OK)
        return;
    check_tensors(&f);
    if (rn_model_read(&model, &f, NULL, 0, &training, &err) == RN_OK) {
        rn_model_not_finite(model);
        rn_free(training);
    } else if (!err.msg[0] || model || training) {
        abort();
    }
    rn_model_destroy(model);
    rn_st_close(&f);
}

/* Bytes the tensors of a header take: the last number of "data_offsets". */
static size_t wanted_data(const uint8_t *text, size_t size)
{
    static const char key[] = "\"data_offsets\":[";
    size_t wanted = 0;
    const uint8_t *end = text + size, *at = text;

    while ((at = memmem(at, (size_t)(end - at), key, strlen(key)))) {
        size_t number = 0;

        for (at += strlen(key); at < end && *at != ']'; at++)
            number = *at == ',' ? 0 : number * 10 + (*at - '0') % 10u;
        if (number > wanted)
            wanted = number;
    }
    return wanted;
}

static void read_extended(const uint8_t *header, size_t size)
{
    enum { MOST = 1 << 20 };
    size_t data = wanted_data(header + 8, size - 8);
    uint64_t length = size - 8;
    if (data > MOST)
        return;
    uint8_t *bytes = calloc(1, size + data);
    if (!bytes)
        return;
    memcpy(bytes, header, size);
    memcpy(bytes, &length, 8);
    read_file(bytes, size + data);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    read_file(bytes, size);
    if (size >= 8)
        read_extended(bytes, size);
    return 0;
}
