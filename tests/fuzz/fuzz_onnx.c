/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader of ONNX files, on any bytes, as far as the graph and the family
 * it may be of; and of the messages they are made of. */
#include "fuzz.h"

#include "core/memory.h"
#include "formats/families.h"
#include "formats/onnx/onnx.h"
#include "formats/onnx/file.h"
#include "core/protobuf.h"

#include <stdlib.h>
#include <string.h>

enum { MADE = 1 << 17 }; /* numbers an operator may make */

static void look_for_family(const struct rn_graph *g)
{
    struct rn_net_spec spec;
    struct rn_graph *own;
    struct rn_error err = {0};

    if (rn_family_find(&spec, &own, g, &err) && !err.msg[0])
        abort();
    rn_graph_destroy(own);
}

static void read_graph(const struct rn_onnx *file)
{
    const struct rn_shape size = {3, 32, 32};
    struct rn_graph *g;
    struct rn_error err = {0};

    if (rn_onnx_graph(&g, file, &size, MADE, &err) == RN_OK)
        look_for_family(g);
    else if (g || !err.code || !err.msg[0])
        abort();
    rn_graph_destroy(g);
}

/* Fields within fields, as far as the first ones go. */
static void read_fields(struct rn_pb m)
{
    struct rn_pb_field f;
    uint64_t value;

    while (rn_pb_next(&m, &f) > 0) {
        struct rn_pb_field numbers = f;

        while (rn_pb_number(&numbers, RN_PB_FIXED32, &value) > 0)
            ;
        if (f.type == RN_PB_BYTES && m.size == 0)
            m = f.bytes;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct rn_onnx file;
    struct rn_error err = {0};

    if (rn_onnx_parse(&file, bytes, size, "input", &err) == RN_OK)
        read_graph(&file);
    else if (!err.code || !err.msg[0])
        abort();
    rn_onnx_close(&file);
    read_fields((struct rn_pb){bytes, size});
    return 0;
}
