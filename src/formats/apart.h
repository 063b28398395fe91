/* SPDX-License-Identifier: BSD-2-Clause */
/* Networks whose description is one file and whose weights another. */
#ifndef RN_FORMATS_APART_H
#define RN_FORMATS_APART_H

#include "model/model.h"

struct rn_apart {
    char *net;     /* path of the description */
    char *weights; /* of the weights; NULL: there are none, nor need they be */
};

/** The two files of which `path` is either, by the endings of their names:
 *  X.cfg is beside X.weights, unless options->weights says otherwise.
 *  RN_ERR_DATA when one is missing. */
int rn_apart_find(struct rn_apart *pair, const char *path, const char *net_end,
                  const char *weights_end,
                  const struct rn_import_options *options,
                  struct rn_error *err);
/** Also after a failure, and on a zeroed struct. */
void rn_apart_free(struct rn_apart *pair);

/** A file's first character that is not blank nor of a comment (# to the end
 *  of a line); NULL when there is none, or the bytes are no text. */
const uint8_t *rn_text_start(const uint8_t *bytes, size_t size);

#endif
