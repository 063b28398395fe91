/* SPDX-License-Identifier: BSD-2-Clause */
/* Bodies that hold several files: multipart/form-data (RFC 7578). */
#ifndef RN_CLI_SERVE_MULTIPART_H
#define RN_CLI_SERVE_MULTIPART_H

#include "resnet.h"

#include <stddef.h>

/** A part of a body. */
struct part {
    char *name; /* the file's, else the field's, else "" */
    const char *bytes;
    size_t size;
};

/** The boundary in a Content-Type, of 1 to 70 bytes, in `boundary`; 0: it is
 *  multipart/form-data; -1: it is something else; 1: it is, but has no boundary
 *  that can be. */
int multipart_boundary(const char *content_type, char boundary[71]);

/**
 * Take a body apart.
 *
 * @param body borrowed for as long as the parts are.
 * @param most parts; more are an error.
 * @param out  [*count], to be released by multipart_free().
 * @return RN_ERR_DATA where it is not such a body, or ends early.
 */
int multipart_parse(struct part **out, size_t *count, const char *body,
                    size_t size, const char *boundary, size_t most,
                    struct rn_error *err);
void multipart_free(struct part *parts, size_t count);

#endif
