/* SPDX-License-Identifier: BSD-2-Clause */
/* Darknet's .cfg: sections in brackets, lines of KEY=VALUE under each. All text
 * points into the file's bytes. */
#ifndef RN_FORMATS_DARKNET_CFG_H
#define RN_FORMATS_DARKNET_CFG_H

#include "core/protobuf.h"

/* Most bytes, sections and lines with a value. ResNet-152 has 207 sections and
 * 1,400 values. */
#define RN_CFG_BYTES    ((size_t)8 << 20)
#define RN_CFG_SECTIONS 10000
#define RN_CFG_VALUES   200000

struct rn_cfg_value {
    struct rn_pb key, value;
};

struct rn_cfg_section {
    struct rn_pb name;
    int line;
    uint32_t first, count; /* in rn_cfg.values */
};

struct rn_cfg {
    const char *path; /* borrowed, for messages */
    uint8_t *file;    /* owned; NULL when the caller has the bytes */
    struct rn_cfg_section *sections;
    size_t n_sections, sections_room;
    struct rn_cfg_value *values;
    size_t n_values, values_room;
};

/** Read a file's sections. `path` is borrowed until closing. */
int rn_cfg_open(struct rn_cfg *cfg, const char *path, struct rn_error *err);
/** The same on bytes in memory (borrowed; fuzzing). */
int rn_cfg_parse(struct rn_cfg *cfg, const uint8_t *bytes, size_t size,
                 const char *path, struct rn_error *err);
/** Also after a failure, and on a zeroed struct. */
void rn_cfg_close(struct rn_cfg *cfg);

/** The first value of that key in a section, which is the one that counts;
 *  NULL when there is none. */
const struct rn_pb *rn_cfg_find(const struct rn_cfg *cfg,
                                const struct rn_cfg_section *section,
                                const char *key);

#endif
