/* SPDX-License-Identifier: BSD-2-Clause */
/* The text form of protocol buffers, in which Caffe has its networks. What a
 * field means only its reader knows, so a file becomes a tree of names and
 * texts: one array, in the file's order, a message's fields right behind it.
 * Text points into the file's bytes, or was put together from pieces. */
#ifndef RN_FORMATS_CAFFE_PROTOTXT_H
#define RN_FORMATS_CAFFE_PROTOTXT_H

#include "core/memory.h"
#include "core/protobuf.h"

/* Most bytes and fields of a file, and messages within one another. ResNet-1202
 * would have 80,000 fields, Caffe's go 4 deep. */
#define RN_PROTOTXT_BYTES  ((size_t)16 << 20)
#define RN_PROTOTXT_FIELDS 400000
#define RN_PROTOTXT_DEPTH  16

struct rn_prototxt_field {
    struct rn_pb name;
    struct rn_pb value; /* without its quotes; of messages empty */
    bool message, quoted;
    uint32_t end; /* the first field that is not its own */
};

struct rn_prototxt {
    const char *path; /* borrowed, for messages */
    uint8_t *file;    /* owned; NULL when the caller has the bytes */
    struct rn_prototxt_field *fields; /* the first one is the whole file */
    size_t count, room;
    struct rn_slab texts; /* of several pieces, or with escapes */
};

/** Read a file's tree. `path` is borrowed until closing. */
int rn_prototxt_open(struct rn_prototxt *p, const char *path,
                     struct rn_error *err);
/** The same on bytes in memory (borrowed; fuzzing). */
int rn_prototxt_parse(struct rn_prototxt *p, const uint8_t *bytes, size_t size,
                      const char *path, struct rn_error *err);
/** Also after a failure, and on a zeroed struct. */
void rn_prototxt_close(struct rn_prototxt *p);

/** The first field of a message behind `after` (NULL: of all), whatever its
 *  name; NULL when there is none. */
const struct rn_prototxt_field *
rn_prototxt_each(const struct rn_prototxt *p,
                 const struct rn_prototxt_field *message,
                 const struct rn_prototxt_field *after);
/** The same of fields of that name. No message (NULL) has none. */
const struct rn_prototxt_field *
rn_prototxt_next(const struct rn_prototxt *p,
                 const struct rn_prototxt_field *message, const char *name,
                 const struct rn_prototxt_field *after);
/** The only or the last one, which is what counts. */
const struct rn_prototxt_field *
rn_prototxt_last(const struct rn_prototxt *p,
                 const struct rn_prototxt_field *message, const char *name);

/** A value as a number, an integer, true or false; false when it is none, as
 *  a text in quotes is. */
bool rn_prototxt_number(const struct rn_prototxt_field *f, double *out);
bool rn_prototxt_integer(const struct rn_prototxt_field *f, int64_t *out);
bool rn_prototxt_flag(const struct rn_prototxt_field *f, bool *out);

#endif
