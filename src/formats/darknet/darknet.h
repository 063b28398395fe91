/* SPDX-License-Identifier: BSD-2-Clause */
/* Darknet's networks: sections for layers (.cfg) and their numbers, one after
 * the other without names (.weights). */
#ifndef RN_FORMATS_DARKNET_DARKNET_H
#define RN_FORMATS_DARKNET_DARKNET_H

#include "formats/darknet/cfg.h"
#include "model/model.h"

/* Most parameters of a network without weights: 1 GiB. */
#define RN_DARKNET_PARAMS ((uint64_t)1 << 28)

/** Whether a file of that name and these first bytes can be a network or
 *  weights. */
bool rn_darknet_is(const char *path, const uint8_t *bytes, size_t size);
/** Read a model from either of its two files. */
int rn_darknet_import(struct rn_model **out, const char *path,
                      const struct rn_import_options *options,
                      struct rn_error *err);

/* The bytes of a file of weights. */
struct rn_darknet_weights {
    const char *path;
    const uint8_t *bytes;
    size_t size;
};

/** The network of these sections with its weights; without them (NULL)
 *  parameters are zero, `params` of them at most. RN_ERR_DATA names the
 *  section that is not known, or not with what it reads. */
int rn_darknet_graph(struct rn_graph **out, const struct rn_cfg *cfg,
                     const struct rn_darknet_weights *weights, uint64_t params,
                     struct rn_error *err);

#endif
