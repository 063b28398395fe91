/* SPDX-License-Identifier: BSD-2-Clause */
/* Caffe's networks, on any bytes: a text up to the first zero byte, weights
 * behind it; and all of it as weights, and as a blob. */
#include "fuzz.h"

#include "core/memory.h"
#include "formats/caffe/caffe.h"

#include <stdlib.h>
#include <string.h>

enum { PARAMS = 1 << 17 }; /* of a network without weights */

static void check(int rc, const struct rn_error *err)
{
    if (rc && (!err->code || !err->msg[0]))
        abort();
}

static void read_graph(const struct rn_prototxt *net,
                       struct rn_caffe_weights *weights)
{
    const struct rn_caffe_options options = {{3, 32, 32}, NULL};
    struct rn_graph *g;
    struct rn_error err = {0};

    check(rn_caffe_graph(&g, net, weights, &options, PARAMS, &err), &err);
    rn_graph_destroy(g);
}

static void read_net(const uint8_t *bytes, size_t size,
                     struct rn_caffe_weights *weights)
{
    struct rn_prototxt net;
    struct rn_error err = {0};
    int rc = rn_prototxt_parse(&net, bytes, size, "input", &err);

    check(rc, &err);
    if (!rc)
        read_graph(&net, weights);
    rn_prototxt_close(&net);
}

static void read_both(const uint8_t *bytes, size_t size)
{
    const uint8_t *zero = memchr(bytes, 0, size);
    size_t text = zero ? (size_t)(zero - bytes) : size;
    struct rn_caffe_weights w;
    struct rn_error err = {0};

    read_net(bytes, text, NULL);
    if (!zero)
        return;
    int rc =
        rn_caffe_weights_parse(&w, zero + 1, size - text - 1, "weights", &err);
    check(rc, &err);
    if (!rc)
        read_net(bytes, text, &w);
    rn_caffe_weights_close(&w);
}

static void read_blob(struct rn_pb message)
{
    struct rn_caffe_blob b;

    if (!rn_caffe_blob_parse(message, &b))
        return;
    float *numbers = malloc(b.count * sizeof(*numbers) + 1);
    if (numbers)
        rn_caffe_blob_read(&b, numbers);
    free(numbers);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct rn_caffe_weights w;
    struct rn_error err = {0};

    if (size > 0)
        read_both(bytes, size);
    check(rn_caffe_weights_parse(&w, bytes, size, "input", &err), &err);
    rn_caffe_weights_close(&w);
    read_blob((struct rn_pb){bytes, size});
    return 0;
}
