/* SPDX-License-Identifier: BSD-2-Clause */
/* What the readers of class folders and of lists share: a part of a data set
 * whose images are picture files. */
#ifndef RN_DATA_SETS_PICTURE_SET_H
#define RN_DATA_SETS_PICTURE_SET_H

#include "data/sets/pictures.h"
#include "data/reader.h"

#define RN_CLASSES_MAX 65535

/** Files and labels on their way into a part. */
struct rn_picture_set {
    char **files; /* ends with NULL */
    uint16_t *labels;
    uint32_t *keys;
    uint32_t *sets; /* of all or of none */
    size_t count, file_room, label_room, key_room, set_room;
};

/** Add a picture; the path is copied. It is known by the path from `key` on,
 *  see struct rn_images. */
int rn_picture_set_add(struct rn_picture_set *set, const char *path, size_t key,
                       int label, struct rn_error *err);
/** The picture added last has these classes, any number; then all must. */
int rn_picture_set_classes(struct rn_picture_set *set, struct rn_data *data,
                           const uint16_t *classes, size_t count,
                           struct rn_error *err);
/** The set becomes a part of the data, which then owns its memory. */
void rn_picture_set_move(struct rn_picture_set *set, struct rn_data *data,
                         enum rn_part part);
void rn_picture_set_free(struct rn_picture_set *set);

/** Checksums of names, from below DATA on for what lies there, sizes and labels
 * of all parts, and the way pictures are fetched: what a reader ends with. */
void rn_picture_data_finish(struct rn_data *data);

/** Whether the folder holds a file of that name. Unlike rn_reader_has() it
 *  tells when memory is too short to look. */
int rn_picture_folder_has(const struct rn_data *data, const char *folder,
                          const char *name, bool *has, struct rn_error *err);

/** Whether a picture's file begins as one; the rest is not looked at. */
int rn_picture_probe(const struct rn_data *data, enum rn_part part, int index,
                     struct rn_error *err);

#endif
