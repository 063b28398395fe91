/* SPDX-License-Identifier: BSD-2-Clause */
/* What a reader of data sets is, and what readers share. */
#ifndef RN_DATA_READER_H
#define RN_DATA_READER_H

#include "data/data.h"

/** A kind of data set, which sets/sets.h names. `recognise` looks at the
 *  folder's contents only; `read` fills format, shape, classes, parts and owned
 *  memory. */
struct rn_reader {
    const char *format;
    bool (*recognise)(const char *path);
    int (*read)(struct rn_data *data, const char *path, struct rn_error *err);
};

/** Most bytes of pixels in one part: data sets live in memory. */
#define RN_DATA_MAX_BYTES ((size_t)16 << 30)
/** Most pixels (times channels) in one image. */
#define RN_DATA_MAX_IMAGE ((size_t)1 << 28)

/** Whether `folder` holds a file of that name. */
bool rn_reader_has(const char *folder, const char *name);

/** Zeroed memory for `count` images of data->shape as the training part
 *  (which 0) or the test part (1). */
int rn_reader_allocate(struct rn_data *data, int which, size_t count,
                       struct rn_error *err);

/** RN_ERR_DATA, naming `path` and the image, unless labels are below
 *  `classes`. */
int rn_reader_check_labels(const uint16_t *labels, size_t count, int classes,
                           const char *path, struct rn_error *err);

/** Class names from a list (model/class_list.h) into data->class_names, and
 *  data->class_ids if it has identifiers; their number into *count. */
int rn_names_read(struct rn_data *data, const char *path, int *count,
                  struct rn_error *err);
/** Copies of `count` names into data->class_names. */
int rn_names_set(struct rn_data *data, const char *const *names, int count,
                 struct rn_error *err);
void rn_names_free(char **names);
/** Remark on two classes whose names are the same letters in different Unicode
 *  normal forms: folders of two systems, put together. */
int rn_names_remark(const struct rn_data *data, struct rn_error *err);
/** Whether a text may name a class: 1 to 256 bytes of UTF-8 without control
 *  characters. */
bool rn_name_valid(const char *name);

/** Unsigned bytes in one to four dimensions, as an IDX file holds them. */
struct rn_idx {
    int dims;
    size_t dim[4];
    size_t size;
    uint8_t *bytes; /* rn_alloc()ed */
};

/** Read an IDX file, plain or gzip, from the open file `fd`, which is
 *  closed. `path` is for messages. dims: least and most allowed. */
int rn_idx_load(int fd, const char *path, const int dims[2], struct rn_idx *idx,
                struct rn_error *err);

#endif
