/* SPDX-License-Identifier: BSD-2-Clause */
/* A caller's list of which tensor or layer of a file is which of ours: lines
 * "OURS = THEIRS", comments from # on. */
#ifndef RN_FORMATS_TORCH_NAMES_MAP_H
#define RN_FORMATS_TORCH_NAMES_MAP_H

#include "core/error.h"
#include "formats/torch/state.h"

#define RN_MAP_LIMIT ((size_t)16 << 20)

struct rn_names_line {
    char *ours, *theirs; /* of a tensor, or of a layer: all its tensors */
    size_t number;
    bool used;
};

struct rn_names_map {
    const char *path;            /* borrowed */
    char *text;                  /* in which the names lie */
    struct rn_names_line *lines; /* ordered by theirs */
    size_t count, room;
};

/** Read a list; RN_ERR_DATA for a line that is none, and a name on either side
 *  that comes twice. */
int rn_names_map_open(struct rn_names_map *map, const char *path,
                      struct rn_error *err);
/** Also after a failed open, and on a zeroed struct. */
void rn_names_map_close(struct rn_names_map *map);
/** Our name for a tensor into buf: that of the line of the tensor, or of the
 *  innermost layer it is in, which is then used. false without such a line, or
 *  where buf is too small. */
bool rn_names_map_apply(struct rn_names_map *map, const char *theirs, char *buf,
                        size_t size);
/** RN_ERR_DATA names the first line that no tensor has used. */
int rn_names_map_check(const struct rn_names_map *map, const char *file,
                       struct rn_error *err);
/** The line that makes this name of ours, or NULL. */
const struct rn_names_line *rn_names_map_line(const struct rn_names_map *map,
                                              const char *ours);

#endif
