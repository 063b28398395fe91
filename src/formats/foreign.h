/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are no model we read, called by their names. */
#ifndef RN_FORMATS_FOREIGN_H
#define RN_FORMATS_FOREIGN_H

#include "core/error.h"
#include "core/zip.h"

/** A file's first bytes, by which its format is told. Anything but a regular
 *  file (folder, pipe) is not waited on. */
#define RN_FIRST_BYTES 512
int rn_first_bytes(const char *path, uint8_t bytes[RN_FIRST_BYTES],
                   size_t *size, struct rn_error *err);

/** RN_ERR_DATA, saying what it is and what would do instead, when the first
 *  bytes of a file are of a kind that holds no model we read. */
int rn_foreign_refuse(const char *path, const uint8_t *bytes, size_t size,
                      struct rn_error *err);
/** The same of a file by its path; RN_ERR_IO when it cannot be read. */
int rn_foreign_check(const char *path, struct rn_error *err);

/** RN_ERR_DATA on a zip archive that is none of PyTorch's, saying whose it
 *  is, by the names of its entries. */
int rn_foreign_zip(const char *path, const struct rn_zip *zip,
                   struct rn_error *err);

/** RN_ERR_DATA on a file that no reader knows: its first words when it is a
 *  text, its first bytes when not, and what was expected. */
int rn_foreign_unknown(const char *path, const uint8_t *bytes, size_t size,
                       const char *expected, struct rn_error *err);

/** RN_ERR_DATA on a folder given for a file, naming what lies there that can
 *  be given. */
int rn_foreign_folder(const char *path, struct rn_error *err);

#endif
