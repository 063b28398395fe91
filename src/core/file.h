/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading whole files and writing files that appear whole or not at all. */
#ifndef RN_CORE_FILE_H
#define RN_CORE_FILE_H

#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/** Read a file of at most `limit` bytes into rn_alloc()ed memory (a zero
 *  byte is added behind it). RN_ERR_DATA when it is larger. */
int rn_file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size,
                 struct rn_error *err);

/** A file being written beside its final place, as NAME.tmp-BITS, which no
 * other writer has, of any process of any machine. */
struct rn_writer {
    FILE *file;
    char *path;
    char *temporary;
};

/** RN_ERR_IO also when there is a device or a pipe of that name. */
int rn_writer_open(struct rn_writer *w, const char *path, struct rn_error *err);
int rn_writer_write(struct rn_writer *w, const void *bytes, size_t size,
                    struct rn_error *err);
/** All bytes are on the disk, or RN_ERR_IO: of several files that belong
 *  together, before the first is put into its place. */
int rn_writer_settle(struct rn_writer *w, struct rn_error *err);
/** Flush, sync, rename into place, sync the folder. On failure the
 *  temporary file is gone and the old file untouched; only when syncing the
 *  folder fails is the new one in place. Either way the writer is closed. */
int rn_writer_commit(struct rn_writer *w, struct rn_error *err);
/** Give up; safe after commit, and on a zeroed writer. */
void rn_writer_abort(struct rn_writer *w);

/** Whole file in one go, atomically. */
int rn_file_write(const char *path, const void *bytes, size_t size,
                  struct rn_error *err);

/** Remove what killed writers left in a folder of files whose temporary names
 * fit one of `count` patterns (fnmatch(3)), when it is older than so many
 * seconds; 0: of any age. */
void rn_file_sweep(const char *folder, const char *const patterns[],
                   size_t count, double seconds);

/** Remove a file of a folder; that there is none is no failure. */
int rn_file_remove(const char *folder, const char *name, struct rn_error *err);

/** What print() prints of `what`, as a text with a zero byte behind it that
 *  free() releases. */
int rn_print_text(char **text, size_t *size,
                  void (*print)(const void *what, FILE *out), const void *what,
                  struct rn_error *err);
/** How a file is printed whose name has this ending. */
struct rn_print_form {
    const char *ending; /* of four letters: ".csv" */
    void (*print)(const void *what, FILE *out);
};
/** The one of `count` that goes with the path; NULL: none does. */
const struct rn_print_form *rn_print_form(const struct rn_print_form *forms,
                                          size_t count, const char *path);
/** The same as a whole file. */
int rn_print_file(const char *path, void (*print)(const void *what, FILE *out),
                  const void *what, struct rn_error *err);

/** dir + "/" + name in rn_alloc()ed memory, NULL when memory is short. */
char *rn_path_join(const char *dir, const char *name);
bool rn_is_folder(const char *path);
bool rn_is_file(const char *path);

/** 64-bit FNV-1a-like checksum over 8-byte words, chainable: start with 0.
 *  For telling data sets apart, not against forgery. */
uint64_t rn_checksum(uint64_t sum, const void *bytes, size_t size);

#endif
