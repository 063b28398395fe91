/* SPDX-License-Identifier: BSD-2-Clause */
/* The data sets that can be read: what open.c chooses from, and what each of
 * them defines. */
#ifndef RN_DATA_SETS_SETS_H
#define RN_DATA_SETS_SETS_H

#include "data/reader.h"

extern const struct rn_reader rn_reader_cifar10, rn_reader_cifar100,
    rn_reader_idx, rn_reader_pictures;

int rn_read_synthetic(struct rn_data *data, const char *spec,
                      struct rn_error *err);
/** The validation part comes behind the training part's images. */
int rn_read_arrays(struct rn_data *data, const struct rn_arrays *arrays,
                   struct rn_error *err);
/** An archive of pictures, arranged as in a folder. */
int rn_picture_archive_read(struct rn_data *data, const char *path,
                            struct rn_error *err);

/** The picture, or all pictures of a folder or an archive, without classes. */
int rn_unlabelled_read(struct rn_data *data, const char *path,
                       struct rn_error *err);

/** Put the training pictures in an order whose end, of whatever length, holds
 *  about the same share of each class: for a validation part. A function of
 *  seed and the files' names: pictures that come or go move hardly any other
 *  one across. */
int rn_pictures_mix(struct rn_data *data, uint64_t seed, struct rn_error *err);
/** How many pictures to hold out for `count` of them: some more where the first
 *  of these stands in the list several times. */
int rn_pictures_copies(const struct rn_data *data, int count);
/** Whether no picture of a list is both trained on and held out, as one with
 *  two names may be; RN_ERR_DATA names it. */
int rn_pictures_check_sides(const struct rn_data *data, struct rn_error *err);

#endif
