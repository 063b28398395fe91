/* SPDX-License-Identifier: BSD-2-Clause */
/* Models in files that rn_model_save() wrote. */
#ifndef RN_FORMATS_OWN_OWN_H
#define RN_FORMATS_OWN_OWN_H

#include "model/model.h"

/** Whether the file is a safetensors file with a model's description. */
bool rn_own_is(const char *path, const uint8_t *bytes, size_t size);
/** Read it; RN_ERR_ARG or RN_ERR_DATA when the options say other things of the
 *  network than it does. */
int rn_own_import(struct rn_model **out, const char *path,
                  const struct rn_import_options *options,
                  struct rn_error *err);

#endif
