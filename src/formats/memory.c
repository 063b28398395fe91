/* SPDX-License-Identifier: BSD-2-Clause */
/* Models from memory: the bytes become a file without a name in any folder,
 * which every format can then read as it reads others. */
#include "core/memory.h"
#include "model/model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int write_all(int fd, const char *bytes, size_t size, const char *name,
                     struct rn_error *err)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);

        if (n < 0 && errno != EINTR)
            return rn_fail_errno(err, "hold", name);
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
        }
    }
    return RN_OK;
}

/* Messages know the file by its path: the caller, by its name. */
static void rename_in(struct rn_error *err, const char *path, const char *name)
{
    struct rn_error said = *err;
    char *at = strstr(said.msg, path);

    if (!at)
        return;
    snprintf(err->msg, sizeof(err->msg), "%.*s%s%s", (int)(at - said.msg),
             said.msg, name, at + strlen(path));
}

int rn_model_load_memory(struct rn_model **out, const void *bytes, size_t size,
                         const char *name,
                         const struct rn_import_options *options,
                         struct rn_error *err)
{
    struct rn_error why = {0};
    char path[40];
    int fd, rc;

    *out = NULL;
    if (!name)
        name = "memory";
    if (!bytes)
        return rn_fail(err, RN_ERR_ARG, "'%s': no bytes to load a model from",
                       name);
    fd = memfd_create("resnet-model", MFD_CLOEXEC);
    if (fd < 0)
        return rn_fail_errno(err, "hold", name);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    rc = write_all(fd, bytes, size, name, &why);
    if (!rc)
        rc = rn_model_import(out, path, options, &why);
    close(fd);
    if (!rc) {
        rn_free((*out)->path);
        (*out)->path = rn_strdup(name); /* without one, the network's */
        return RN_OK;
    }
    rename_in(&why, path, name);
    if (err)
        *err = why;
    return rc;
}
