/* SPDX-License-Identifier: BSD-2-Clause */
/* Models of our own files, as one format among the others. */
#include "formats/own/own.h"

#include "formats/import.h"
#include "model/file.h"

bool rn_own_is(const char *path, const uint8_t *bytes, size_t size)
{
    struct rn_error why = {0};
    struct rn_st_file f;

    if (!rn_st_begins(bytes, size))
        return false;
    /* Short of memory nobody shall take it for another's: reading says so. */
    if (rn_st_open(&f, path, &why))
        return why.code == RN_ERR_MEMORY;
    bool own = rn_st_is_model(&f);
    rn_st_close(&f);
    return own;
}

int rn_own_import(struct rn_model **out, const char *path,
                  const struct rn_import_options *options, struct rn_error *err)
{
    int rc = rn_model_load_with(out, path, NULL, 0, NULL, err);

    if (!rc)
        rc = rn_import_aux(*out, options, err);
    return rc ? rc : rn_import_check(*out, options, err);
}
