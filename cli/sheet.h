/* SPDX-License-Identifier: BSD-2-Clause */
/* Contact sheets. */
#ifndef RN_CLI_SHEET_H
#define RN_CLI_SHEET_H

#include "resnet.h"

struct sheet {
    int count, columns;
    int size; /* of a cell, pixels */
};

/** Draw images of a part, evenly chosen over it, into out, which
 *  rn_image_free() releases. */
int sheet_draw(const struct rn_data *data, enum rn_part part,
               const struct sheet *sheet, struct rn_image *out,
               struct rn_error *err);

/** The same of images as training shows them. */
int sheet_preview(const struct rn_data *data,
                  const struct rn_train_options *options,
                  const struct sheet *sheet, struct rn_image *out,
                  struct rn_error *err);

#endif
