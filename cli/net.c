/* SPDX-License-Identifier: BSD-2-Clause */
/* NET|MODEL arguments: a network's name, or a model file. */
#include "cli.h"
#include "import.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define AT(field) offsetof(struct rn_net_options, field)

/* A folder is a run's, unless a network has that very name: the network is
 * meant then, and the folder is ./NAME. */
static int folder_is_meant(const char *name)
{
    char near[64];
    const char *net = rn_net_suggest(name, near, sizeof(near));

    return !net || strcmp(net, name) != 0;
}

int net_is_file(const char *name)
{
    struct stat st;
    static const char suffix[] = ".safetensors";
    size_t n = strlen(name), k = strlen(suffix);

    if (strchr(name, '/') || (n >= k && strcmp(name + n - k, suffix) == 0))
        return 1;
    if (stat(name, &st) != 0)
        return 0;
    return !S_ISDIR(st.st_mode) || folder_is_meant(name);
}

int net_open(struct rn_model **out, const char *name,
             const struct rn_net_options *options, int given,
             const struct import_args *import, struct rn_error *err)
{
    struct import_args args = *import;

    args.o.structure = 1;
    *out = NULL;
    if (!net_is_file(name)) {
        if (!import->o.holder && !import->o.map && !import->o.skip_extra)
            return rn_model_create(out, name, options, err);
        return cli_error(
            err, RN_ERR_ARG,
            "--holder, --map and --skip-extra go with a model file, not "
            "with the network's name '%.100s'",
            name);
    }
    if (given) {
        return cli_error(
            err, RN_ERR_ARG,
            "--classes, --channels, --size, --shortcut, --stride, "
            "--aux-heads, --block and --dropout go with a network's name, "
            "not with the model file '%.300s'",
            name);
    }
    return import_open(out, name, &args, err);
}

int net_batch(const struct rn_model_info *info)
{
    return info->height <= 64 && info->width <= 64 ? 128 : 32;
}
