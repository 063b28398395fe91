/* SPDX-License-Identifier: BSD-2-Clause */
/* Which files are pictures. */
#ifndef RN_DATA_SETS_PICTURES_H
#define RN_DATA_SETS_PICTURES_H

#include "core/holders.h"
#include "core/text.h"
#include "data/archives/files.h"
#include "data/pictures/image.h"

struct rn_picture_file {
    char *path;
    char *problem; /* why it cannot be loaded, or NULL */
    int problem_code;
};

struct rn_pictures {
    struct rn_holders holders;
    struct rn_files source; /* where they lie */
    struct rn_picture_file *file;
    size_t count, capacity;
    int probed; /* files of other names that were looked into */
};

/** Add the pictures in a folder and below it, in byte order; what looks like
 *  one but cannot be loaded is added with its problem. RN_ERR_IO when a
 *  folder cannot be read. */
int rn_pictures_add_folder(struct rn_pictures *pictures,
                           const struct rn_files *files, const char *folder,
                           struct rn_error *err);
/** Release what is held; the struct itself is the caller's. */
void rn_pictures_clear(struct rn_pictures *pictures);

/** Read and decode one, as rn_image_decode_reduced(); on failure *kind tells
 *  nothing. */
int rn_picture_read(const struct rn_files *files, const char *path, int flags,
                    int (*reduce)(void *user, int width, int height),
                    void *user, struct rn_image *image,
                    struct rn_picture_kind *kind, struct rn_error *err);
/** Remark on what is taken of such a file. Which file is named is up to who
 *  comes first: whoever reads in several threads remarks in one. */
void rn_picture_remark(const struct rn_files *files, const char *path,
                       const struct rn_picture_kind *kind);
/** Both, in any thread. */
int rn_picture_load(const struct rn_files *files, const char *path, int flags,
                    int (*reduce)(void *user, int width, int height),
                    void *user, struct rn_image *image, struct rn_error *err);

/** RN_ERR_DATA for a text that is not rn_is_printable(): what is not plain
 *  ASCII is written as \xNN. */
int rn_fail_text(struct rn_error *err, const char *what, const char *text);

#endif
