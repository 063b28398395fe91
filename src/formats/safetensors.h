/* SPDX-License-Identifier: BSD-2-Clause */
/* The safetensors container: an 8-byte little-endian header length, a JSON
 * header {name: {dtype, shape, data_offsets}, "__metadata__": {...}}, data. */
#ifndef RN_FORMATS_SAFETENSORS_H
#define RN_FORMATS_SAFETENSORS_H

#include "core/error.h"

#include <stdint.h>

#define RN_TENSOR_DIMS 8

struct rn_st_tensor {
    char *name;
    char dtype[8]; /* "F32" */
    int dims;
    uint64_t dim[RN_TENSOR_DIMS];
    uint64_t offset, bytes; /* within the data part */
};

/** A file mapped for reading, every size in it checked. */
struct rn_st_file {
    struct rn_st_tensor *tensors; /* ordered by offset */
    size_t count;
    char *metadata; /* JSON text of __metadata__, or NULL */
    const uint8_t *data;
    uint64_t data_bytes;
    void *map;
    size_t map_bytes;
};

/** Refuses, with RN_ERR_DATA: a header past the end, JSON that is malformed
 *  or nested over 32 deep, duplicate names, unknown dtypes, shapes whose
 *  product overflows or disagrees with the offsets, overlapping tensors,
 *  holes, offsets past the end. */
int rn_st_open(struct rn_st_file *f, const char *path, struct rn_error *err);
void rn_st_close(struct rn_st_file *f);
/** The same on bytes in memory (borrowed; fuzzing). `path` is for messages. */
int rn_st_parse(struct rn_st_file *f, const void *bytes, size_t size,
                const char *path, struct rn_error *err);
/** NULL when there is none of that name. */
const struct rn_st_tensor *rn_st_find(const struct rn_st_file *f,
                                      const char *name);

struct rn_st_out {
    const char *name;
    int dims;
    const size_t *dim;
    const float *data; /* F32 */
};

/** Write atomically; `metadata` is the JSON object text of __metadata__
 *  (string values only) or NULL. */
int rn_st_write(const char *path, const struct rn_st_out *tensors, size_t count,
                const char *metadata, struct rn_error *err);

#endif
