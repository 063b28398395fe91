/* SPDX-License-Identifier: BSD-2-Clause */
/* Darknet's networks, on any bytes: sections up to the first zero byte, and
 * weights behind it. */
#include "fuzz.h"

#include "formats/darknet/darknet.h"

#include <stdlib.h>
#include <string.h>

enum { PARAMS = 1 << 17 }; /* of a network without weights */

static void check(int rc, const struct rn_error *err)
{
    if (rc && (!err->code || !err->msg[0]))
        abort();
}

static void read_graph(const struct rn_cfg *cfg,
                       const struct rn_darknet_weights *weights)
{
    struct rn_graph *g;
    struct rn_error err = {0};

    check(rn_darknet_graph(&g, cfg, weights, PARAMS, &err), &err);
    rn_graph_destroy(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const uint8_t *zero = size > 0 ? memchr(bytes, 0, size) : NULL;
    size_t text = zero ? (size_t)(zero - bytes) : size;
    struct rn_cfg cfg;
    struct rn_error err = {0};
    int rc = rn_cfg_parse(&cfg, bytes, text, "input", &err);

    check(rc, &err);
    if (!rc)
        read_graph(&cfg, NULL);
    if (!rc && zero) {
        struct rn_darknet_weights w = {"weights", zero + 1, size - text - 1};

        read_graph(&cfg, &w);
    }
    rn_cfg_close(&cfg);
    return 0;
}
