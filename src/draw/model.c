/* SPDX-License-Identifier: BSD-2-Clause */
/* Draws models, into files or as text. */
#include "core/file.h"
#include "draw/draw.h"
#include "model/model.h"

#include <stdlib.h>

static int write_out(const struct rn_drawing *d, enum rn_drawing_kind kind,
                     const char *path,
                     void (*give)(void *user, const char *text, size_t size),
                     void *user, struct rn_error *err)
{
    void (*print)(const void *what, FILE *out) =
        kind == RN_DRAWING_DOT ? rn_drawing_dot : rn_drawing_svg;
    char *text = NULL;
    size_t size = 0;
    int rc;

    if (path)
        return rn_print_file(path, print, d, err);
    rc = rn_print_text(&text, &size, print, d, err);
    if (!rc)
        give(user, text, size);
    free(text);
    return rc;
}

int rn_model_draw(const struct rn_model *model, enum rn_drawing_kind kind,
                  int all, const char *path,
                  void (*give)(void *user, const char *text, size_t size),
                  void *user, struct rn_error *err)
{
    struct rn_drawing d;
    int rc;

    if (!path == !give || (unsigned)kind > RN_DRAWING_DOT)
        return rn_fail(err, RN_ERR_ARG,
                       "a picture is for a file or for a function, as SVG or "
                       "for Graphviz");
    rc = rn_drawing_make(&d, model->graph, all != 0, err);
    if (rc)
        return rc;
    d.title = model->spec.name;
    rc = rn_drawing_place(&d, err);
    if (!rc)
        rc = write_out(&d, kind, path, give, user, err);
    rn_drawing_free(&d);
    return rc;
}
