/* SPDX-License-Identifier: BSD-2-Clause */
/* A class list becomes the names of a model's classes. */
#include "core/memory.h"
#include "core/text.h"
#include "model/class_list.h"
#include "model/model.h"

/* Names to the model, and identifiers when all have one. */
static int hand_over(const struct rn_class_list *list, struct rn_model *model,
                     const char *path, struct rn_error *err)
{
    struct rn_error why = {0};
    int rc = rn_model_set_classes(model, list->name, &why);

    if (!rc)
        rc = rn_model_set_class_ids(model, list->id, &why);
    if (rc == RN_ERR_ARG)
        rc = RN_ERR_DATA;
    return rc ? rn_fail(err, rc, "'%s': %.300s", path, why.msg) : RN_OK;
}

int rn_model_label(struct rn_model *model, const char *path,
                   struct rn_error *err)
{
    struct rn_class_list list;
    size_t size;
    char *text;
    int rc = rn_text_read(path, RN_CLASS_LIST_BYTES, &text, &size, err);

    if (rc)
        return rc;
    rc = rn_class_list_parse(&list, text, size, path,
                             (size_t)model->spec.classes, err);
    if (!rc)
        rc = hand_over(&list, model, path, err);
    if (!rc)
        rn_class_list_free(&list);
    rn_free(text);
    return rc;
}
