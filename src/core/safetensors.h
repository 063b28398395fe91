/* SPDX-License-Identifier: BSD-2-Clause */
/* The safetensors container: an 8-byte little-endian header length, a JSON
 * header {name: {dtype, shape, data_offsets}, "__metadata__": {...}}, data. */
#ifndef RN_CORE_SAFETENSORS_H
#define RN_CORE_SAFETENSORS_H

#include "core/dtype.h"
#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define RN_TENSOR_DIMS 8

struct rn_st_tensor {
    char *name;
    char dtype[12]; /* "F32" */
    int dims;
    uint64_t dim[RN_TENSOR_DIMS];
    uint64_t offset, bytes; /* within the data part */
};

/** A file open for reading, every size in it checked. The data stay in the
 *  file until asked for: nothing here breaks when it shrinks meanwhile. */
struct rn_st_file {
    char *path;                   /* for messages */
    struct rn_st_tensor *tensors; /* ordered by offset */
    const struct rn_st_tensor **by_name;
    size_t count;
    char *metadata;      /* JSON text of __metadata__, or NULL */
    uint64_t data_start; /* of the data part within the file */
    uint64_t data_bytes;
    FILE *file;          /* the open file, or */
    const uint8_t *data; /* the data part in memory (rn_st_parse()) */
};

/** Whether these first bytes can be such a file's: the header's length may be
 *  any bytes, its JSON begins behind it. */
bool rn_st_begins(const uint8_t *bytes, size_t size);

/** Refuses, with RN_ERR_DATA: a header past the end or over 100 MB, JSON
 *  that is malformed or nested over 32 deep, duplicate names, unknown dtypes,
 *  shapes whose product overflows or disagrees with the offsets, overlapping
 *  tensors, holes, offsets past the end. What is not a regular file is
 *  RN_ERR_IO. */
int rn_st_open(struct rn_st_file *f, const char *path, struct rn_error *err);
/** Also after a failed open, and on a zeroed struct. */
void rn_st_close(struct rn_st_file *f);
/** The same on bytes in memory (borrowed; fuzzing). `path` is for messages. */
int rn_st_parse(struct rn_st_file *f, const void *bytes, size_t size,
                const char *path, struct rn_error *err);
/** NULL when there is none of that name. */
const struct rn_st_tensor *rn_st_find(const struct rn_st_file *f,
                                      const char *name);
/** Whether t is F32, or of that type, and of that shape. */
bool rn_st_is_f32(const struct rn_st_tensor *t, int dims, const size_t *dim);
bool rn_st_is(const struct rn_st_tensor *t, enum rn_dtype type, int dims,
              const size_t *dim);
/** "F32 [64,3,7,7]" into buf, cut to its size. */
const char *rn_st_shape_text(const struct rn_st_tensor *t, char *buf,
                             size_t size);
/** The text of that key of the metadata, rn_alloc()ed; NULL in *out when there
 *  is none. RN_ERR_DATA when the metadata are no JSON. */
int rn_st_metadata(const struct rn_st_file *f, const char *key, char **out,
                   struct rn_error *err);
/** Copy the t->bytes bytes of a tensor of f. */
int rn_st_read(const struct rn_st_file *f, const struct rn_st_tensor *t,
               void *out, struct rn_error *err);

struct rn_st_out {
    const char *name;
    int dims;
    const size_t *dim;
    const void *data;
    enum rn_dtype type; /* RN_F32 is 0 */
};

/** Write atomically; `metadata` is the JSON object text of __metadata__
 *  (string values only) or NULL. RN_ERR_ARG for a name used twice. */
int rn_st_write(const char *path, const struct rn_st_out *tensors, size_t count,
                const char *metadata, struct rn_error *err);

#endif
