/* SPDX-License-Identifier: BSD-2-Clause */
/* rn_classify(): from a picture to the names of classes. */
#include "core/memory.h"
#include "graph/graph.h"
#include "model/model.h"

static int run(const struct rn_model *model, const float *image, float *scores,
               struct rn_error *err)
{
    struct rn_plan *plan;
    int rc = rn_plan_create(&plan, model, NULL, err);
    size_t classes = (size_t)model->spec.classes;

    if (!rc)
        rc = rn_plan_forward(plan, image, scores, err);
    rn_plan_destroy(plan);
    if (!rc && rn_first_not_finite(scores, classes) < classes)
        return rn_fail(err, RN_ERR_DATA,
                       "the model's answer is not finite: values become too "
                       "large on the way");
    return rc;
}

static void name(const struct rn_model *model, const float *scores,
                 const int *order, struct rn_class *top, int k)
{
    for (int i = 0; i < k; i++)
        top[i] = (struct rn_class){
            .index = order[i],
            .probability = scores[order[i]],
            .name = rn_model_class_name(model, order[i]),
            .id = rn_model_class_id(model, order[i]),
        };
}

static int classify(const struct rn_model *model,
                    const struct rn_image *picture, struct rn_class *top,
                    int *k, struct rn_error *err)
{
    size_t classes = (size_t)model->spec.classes;
    float *image = rn_alloc(rn_shape_size(model->spec.input), sizeof(*image));
    float *scores = rn_alloc(classes, sizeof(*scores));
    int *order = rn_alloc(classes, sizeof(*order));
    int rc = RN_OK;

    if (!image || !scores || !order)
        rc = rn_fail_memory(err, rn_shape_size(model->spec.input), "a picture");
    if (!rc)
        rc = rn_model_preprocess_image(model, picture, image, err);
    if (!rc)
        rc = run(model, image, scores, err);
    if (!rc) {
        *k = *k < (int)classes ? *k : (int)classes;
        rn_probabilities(model->graph->kind, scores, (int)classes);
        rn_top_k(scores, (int)classes, *k, order);
        name(model, scores, order, top, *k);
    }
    rn_free(image);
    rn_free(scores);
    rn_free(order);
    return rc;
}

int rn_classify_bytes(const struct rn_model *model, const void *bytes,
                      size_t size, const char *name_of, struct rn_class *top,
                      int *k, struct rn_error *err)
{
    struct rn_image picture;
    int rc;

    if (*k < 1)
        return rn_fail(err, RN_ERR_ARG, "%d classes: at least 1", *k);
    rc = rn_image_decode(&picture, bytes, size, name_of ? name_of : "memory", 0,
                         err);
    if (rc)
        return rc;
    rc = classify(model, &picture, top, k, err);
    rn_image_free(&picture);
    return rc;
}

int rn_classify(const struct rn_model *model, const char *path,
                struct rn_class *top, int *k, struct rn_error *err)
{
    struct rn_image picture;
    int rc;

    if (*k < 1)
        return rn_fail(err, RN_ERR_ARG, "%d classes: at least 1", *k);
    rc = rn_image_load(&picture, path, 0, err);
    if (rc)
        return rc;
    rc = classify(model, &picture, top, k, err);
    rn_image_free(&picture);
    return rc;
}
