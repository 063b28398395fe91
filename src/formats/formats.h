/* SPDX-License-Identifier: BSD-2-Clause */
/* The formats of model files: a row each of one table (formats.c), which
 * reading, writing, messages and the program's help walk. A format is its
 * folder and its row. */
#ifndef RN_FORMATS_FORMATS_H
#define RN_FORMATS_FORMATS_H

#include "model/model.h"

/* What a caller may say that only some formats can do with. */
enum rn_format_takes {
    RN_TAKES_NAMES = 1 << 0,   /* map, holder, config */
    RN_TAKES_WEIGHTS = 1 << 1, /* in a file of their own */
    RN_TAKES_MEAN_IMAGE = 1 << 2,
    RN_TAKES_OUTPUT = 1 << 3, /* one of several values */
    RN_TAKES_EXTRA = 1 << 4,  /* skip_extra */
};

/* Most ends of names of a format, and the NULL behind them. */
#define RN_FORMAT_ENDS 8

struct rn_format {
    const char *name;                  /* "ONNX" */
    const char *words;                 /* of what is read: "an ONNX model" */
    const char *reads[RN_FORMAT_ENDS]; /* as names usually end; content tells */
    const char *writes[RN_FORMAT_ENDS]; /* as names must end */
    bool read_only;                     /* it is not meant to be written */
    unsigned takes;                     /* of enum rn_format_takes */
    bool keeps_aux;                     /* auxiliary heads are written, too */
    /* Whether a file of that name and these first bytes (RN_FIRST_BYTES of
     * them, if there are so many) can be one. The first row that says so reads
     * it. */
    bool (*is)(const char *path, const uint8_t *bytes, size_t size);
    int (*import)(struct rn_model **out, const char *path,
                  const struct rn_import_options *options,
                  struct rn_error *err);
    int (*export)(const struct rn_model *model, const char *path,
                  struct rn_error *err); /* NULL where it is read only */
};

/** The i-th row; NULL past the last. */
const struct rn_format *rn_format_at(size_t i);

#endif
