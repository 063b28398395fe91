/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the model of a run: its best, else its last. */
#include "formats/own/run_folder.h"

#include "core/count.h"
#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "formats/foreign.h"

#include <string.h>

/* FOLDER/NAME if it is a file, else NULL. */
static char *file_in(const char *folder, const char *name)
{
    char *path = rn_path_join(folder, name);

    if (path && rn_is_file(path))
        return path;
    rn_free(path);
    return NULL;
}

int rn_run_model(const char *path, char **file, struct rn_error *err)
{
    static const char *const models[] = {"best.safetensors",
                                         "last.safetensors"};
    char *run;

    *file = NULL;
    if (!rn_is_folder(path))
        return RN_OK;
    run = file_in(path, "run.json");
    if (!run)
        return rn_foreign_folder(path, err);
    rn_free(run);
    for (size_t i = 0; !*file && i < COUNT(models); i++)
        *file = file_in(path, models[i]);
    if (*file)
        return RN_OK;
    return rn_fail(err, RN_ERR_DATA,
                   "'%s' is a run without a model: neither best.safetensors "
                   "nor last.safetensors is there",
                   path);
}
