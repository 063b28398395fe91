/* SPDX-License-Identifier: BSD-2-Clause */
/* Models from Darknet's files. */
#include "core/locale.h"
#include "core/file.h"
#include "core/memory.h"
#include "formats/apart.h"
#include "formats/darknet/darknet.h"
#include "formats/import.h"
#include "formats/import_graph.h"

#include <string.h>

#define NET_END       ".cfg"
#define WEIGHTS_END   ".weights"
#define WEIGHTS_LIMIT ((size_t)4 << 30)
#define PRESET        "zero-one"

bool rn_darknet_is(const char *path, const uint8_t *bytes, size_t size)
{
    const uint8_t *at = rn_text_start(bytes, size);
    size_t left = at ? size - (size_t)(at - bytes) : 0;

    return rn_ends_with(path, NET_END) || rn_ends_with(path, WEIGHTS_END) ||
           (left >= 4 && memcmp(at, "[net", 4) == 0);
}

static int build(struct rn_model **out, const struct rn_cfg *cfg,
                 const struct rn_darknet_weights *weights,
                 const struct rn_import_options *o, struct rn_error *err)
{
    const struct rn_pb no_name = {NULL, 0};
    struct rn_graph *graph;
    int rc = rn_darknet_graph(&graph, cfg, weights, RN_DARKNET_PARAMS, err);

    if (!rc)
        rc = rn_import_graph(out, graph, "Darknet's files", cfg->path, no_name,
                             o, err);
    if (!rc)
        rc = rn_import_check(*out, o, err);
    return rc ? rc
              : rn_import_preset(*out, o, PRESET, "as is usual with Darknet's",
                                 err);
}

static int read_model(struct rn_model **out, const struct rn_apart *paths,
                      const struct rn_import_options *o, struct rn_error *err)
{
    struct rn_cfg cfg;
    struct rn_darknet_weights weights = {.path = paths->weights};
    uint8_t *bytes = NULL;
    int rc = rn_cfg_open(&cfg, paths->net, err);

    if (!rc && paths->weights)
        rc = rn_file_read(paths->weights, WEIGHTS_LIMIT, &bytes, &weights.size,
                          err);
    weights.bytes = bytes;
    if (!rc)
        rc = build(out, &cfg, bytes ? &weights : NULL, o, err);
    rn_free(bytes);
    rn_cfg_close(&cfg);
    return rc;
}

int rn_darknet_import(struct rn_model **out, const char *path,
                      const struct rn_import_options *options,
                      struct rn_error *err)
{
    struct rn_apart paths;

    *out = NULL;
    int rc = rn_apart_find(&paths, path, NET_END, WEIGHTS_END, options, err);
    if (!rc)
        rc = read_model(out, &paths, options, err);
    rn_apart_free(&paths);
    return rc;
}
