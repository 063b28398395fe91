/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the file that belongs to another one by its name. */
#include "formats/apart.h"

#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/text.h"
#include "formats/foreign.h"

#include <stdio.h>
#include <string.h>

/* The path with another ending; NULL when memory is short. */
static char *other_path(const char *path, const char *end)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    size_t stem = dot ? (size_t)(dot - path) : strlen(path);
    size_t size = stem + strlen(end) + 1;
    char *other = rn_alloc(size, 1);

    if (other)
        snprintf(other, size, "%.*s%s", (int)stem, path, end);
    return other;
}

/* Take a path over into *to if there is such a file. */
static int take_file(char **to, char *path, struct rn_error *err)
{
    if (!path)
        return rn_fail_memory(err, 1, "a path");
    if (rn_is_file(path))
        *to = path;
    else
        rn_free(path);
    return RN_OK;
}

static int copy_path(char **to, const char *path, struct rn_error *err)
{
    *to = rn_strdup(path);
    return *to ? RN_OK : rn_fail_memory(err, strlen(path), "a path");
}

static int find_net(struct rn_apart *pair, const char *path, const char *end,
                    struct rn_error *err)
{
    int rc = take_file(&pair->net, other_path(path, end), err);

    if (rc || pair->net)
        return rc;
    return rn_fail(err, RN_ERR_DATA,
                   "'%s' holds weights alone: no '%s' of the same name beside "
                   "it; give that file with --weights '%s'",
                   path, end, path);
}

static int find_weights(struct rn_apart *pair, const char *end,
                        const struct rn_import_options *o, struct rn_error *err)
{
    if (o->weights)
        return copy_path(&pair->weights, o->weights, err);
    int rc = take_file(&pair->weights, other_path(pair->net, end), err);
    if (rc || pair->weights || o->structure)
        return rc;
    return rn_fail(err, RN_ERR_DATA,
                   "'%s' is a network without weights: no '%s' of the same "
                   "name beside it, and no --weights",
                   pair->net, end);
}

/* Neither is something else. */
static int check_both(const struct rn_apart *pair, struct rn_error *err)
{
    int rc = rn_foreign_check(pair->net, err);

    return rc || !pair->weights ? rc : rn_foreign_check(pair->weights, err);
}

int rn_apart_find(struct rn_apart *pair, const char *path, const char *net_end,
                  const char *weights_end,
                  const struct rn_import_options *options, struct rn_error *err)
{
    memset(pair, 0, sizeof(*pair));
    if (!rn_ends_with(path, weights_end)) {
        int rc = copy_path(&pair->net, path, err);

        if (!rc)
            rc = find_weights(pair, weights_end, options, err);
        return rc ? rc : check_both(pair, err);
    }
    if (options->weights)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' holds weights already, and '%s' more of them",
                       path, options->weights);
    int rc = copy_path(&pair->weights, path, err);
    if (!rc)
        rc = find_net(pair, path, net_end, err);
    return rc ? rc : check_both(pair, err);
}

void rn_apart_free(struct rn_apart *pair)
{
    rn_free(pair->net);
    rn_free(pair->weights);
}

const uint8_t *rn_text_start(const uint8_t *bytes, size_t size)
{
    bool comment = false;

    for (size_t i = rn_text_mark(bytes, size); i < size; i++) {
        comment =
            comment ? bytes[i] != '\n' && bytes[i] != '\r' : bytes[i] == '#';
        if (!comment && (bytes[i] == '\0' || !strchr(" \t\r\n", bytes[i])))
            return &bytes[i];
    }
    return NULL;
}
