/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading a zip archive in memory (PKWARE's APPNOTE 6.3): entries stored or
 * deflated, zip64 where needed. Names only find entries; no path is ever
 * made of one. */
#ifndef RN_CORE_ZIP_H
#define RN_CORE_ZIP_H

#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>

/* An entry may inflate to this many times the whole file: more than weights
 * ever shrink. */
#define RN_ZIP_MOST_GROWTH 64

struct rn_zip_entry {
    char *name; /* UTF-8 where the zip's own is, or is of code page 437 */
    bool deflated;
    bool link;    /* symbolic: its bytes are where it leads */
    uint32_t crc; /* 0 where the writer took none, as PyTorch can */
    uint64_t packed, size;
    const uint8_t *data; /* `packed` bytes within the file */
};

struct rn_zip {
    char *path;           /* for messages */
    const uint8_t *bytes; /* the file, borrowed */
    size_t file_size;
    bool backslashes; /* between folders, as some programs of Windows' write */
    struct rn_zip_entry *entries; /* ordered by place in the file */
    const struct rn_zip_entry **by_name;
    size_t count;
};

/** Whether these first bytes are a zip file's. */
bool rn_zip_is(const uint8_t *bytes, size_t size);

/** Refuses, with RN_ERR_DATA: a directory or entry past the end, entries that
 *  overlap, are encrypted, compressed otherwise, named twice, by an absolute
 *  path or one that leaves its folder, or grow more than
 *  RN_ZIP_MOST_GROWTH times the file. */
int rn_zip_parse(struct rn_zip *zip, const uint8_t *bytes, size_t size,
                 const char *path, struct rn_error *err);
/** Also after a failed parse, and on a zeroed struct. */
void rn_zip_close(struct rn_zip *zip);
/** NULL when there is none of that name. */
const struct rn_zip_entry *rn_zip_find(const struct rn_zip *zip,
                                       const char *name);
/** The entry's bytes, whose sum is checked: in the file when they are stored,
 *  else in *owned, rn_alloc()ed memory that the caller frees, with a zero byte
 *  behind them. */
int rn_zip_read(const struct rn_zip *zip, const struct rn_zip_entry *entry,
                const uint8_t **data, uint8_t **owned, struct rn_error *err);

#endif
