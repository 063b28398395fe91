/* SPDX-License-Identifier: BSD-2-Clause */
/* What neither names nor shapes of tensors tell of a network, as the caller or
 * a description beside the file says it. */
#ifndef RN_FORMATS_UNUSUAL_H
#define RN_FORMATS_UNUSUAL_H

#include "model/model.h"

/* The options' ranges and words are checked: see rn_import_option(). */

/** Put stem and activation of the options into a resolved spec. */
void rn_unusual_spec(struct rn_net_spec *spec,
                     const struct rn_import_options *options);

/** Have every batch norm add `eps` to its variance: the difference goes into
 *  the variances, so that the network stays one of its family. */
int rn_unusual_eps(struct rn_graph *g, double eps, struct rn_error *err);

/** The order of the network's channels, "rgb" or "bgr"; mean and std stay
 *  those of their colours. */
int rn_unusual_order(struct rn_model *model, const char *order,
                     struct rn_error *err);

/** RN_ERR_ARG when such options are given for a file that says itself what its
 *  layers are. */
int rn_unusual_refuse(const char *path, const struct rn_import_options *options,
                      struct rn_error *err);

#endif
