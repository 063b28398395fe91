/* SPDX-License-Identifier: BSD-2-Clause */
/* What imports of graphs share, whatever file they come from. */
#ifndef RN_FORMATS_IMPORT_GRAPH_H
#define RN_FORMATS_IMPORT_GRAPH_H

#include "model/model.h"
#include "core/protobuf.h"

/* Size of a node's name, its zero byte counted. */
#define RN_IMPORT_NAME 120

/** A name for the node about to be built, of what the file calls it: as others
 *  may show and store it, and no other node's. */
const char *rn_import_name(const struct rn_graph *g, struct rn_pb from,
                           char name[RN_IMPORT_NAME]);

/** A model of a graph: the network of a family if it is one, else as it is,
 *  called `name` (empty: as the file, its ending aside). `kind` is the
 *  file's, as told to the caller. Takes the graph over. */
int rn_import_graph(struct rn_model **out, struct rn_graph *graph,
                    const char *kind, const char *path, struct rn_pb name,
                    const struct rn_import_options *options,
                    struct rn_error *err);
/** Whether that found a family's. */
bool rn_import_known(const struct rn_model *model);

#endif
