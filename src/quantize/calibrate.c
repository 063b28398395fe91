/* SPDX-License-Identifier: BSD-2-Clause */
/* Has calibration images run through the network in float32, and chooses the
 * ranges of its values. */
#include "quantize/quantizer.h"

#include "core/memory.h"
#include "data/pictures/image.h"
#include "plan/plan.h"

#include <math.h>
#include <string.h>

static int see_value(void *user, const struct rn_trace *value)
{
    struct rn_quantizer *q = user;
    size_t node = rn_quantizer_node(value);
    struct rn_stats *s = q->stats[node];

    if (!s) {
        s = q->stats[node] = rn_alloc(1, sizeof(*s));
        if (!s)
            return rn_quantizer_no_memory(q, sizeof(*s));
    }
    if (!rn_stats_add(s, value->values, (size_t)q->batch,
                      (size_t)value->channels,
                      (size_t)value->height * (size_t)value->width))
        return rn_quantizer_no_memory(q,
                                      (size_t)value->channels * sizeof(double));
    if (s->broken)
        return rn_fail(q->err, RN_ERR_DATA,
                       "layer '%s' makes numbers that are not finite",
                       value->name);
    return RN_OK;
}

static bool is_flat(const struct rn_quantizer *q, const float *images)
{
    struct rn_shape s = q->model->spec.input;
    size_t hw = rn_shape_pixels(s);

    for (size_t c = 0; c < (size_t)q->batch * (size_t)s.c; c++)
        for (size_t i = 1; i < hw; i++)
            if (fabsf(images[c * hw + i] - images[c * hw]) > 1e-6f)
                return false;
    return true;
}

/* Images are the value of the input, which no step makes. */
static bool see_images(struct rn_quantizer *q, const float *images)
{
    struct rn_shape s = q->model->spec.input;

    if (!q->stats[0])
        q->stats[0] = rn_alloc(1, sizeof(**q->stats));
    return q->stats[0] && rn_stats_add(q->stats[0], images, (size_t)q->batch,
                                       (size_t)s.c, rn_shape_pixels(s));
}

int rn_quantizer_calibrate(struct rn_quantizer *q, const float *images)
{
    struct rn_shape s = q->model->spec.input;
    size_t floats = (size_t)q->batch * rn_shape_size(s);

    if (!q->images) {
        q->images = rn_alloc(floats, sizeof(*q->images));
        if (!q->images)
            return rn_quantizer_no_memory(q, floats * sizeof(*q->images));
        memcpy(q->images, images, floats * sizeof(*images));
        q->flat = true;
    }
    q->flat = q->flat && is_flat(q, images);
    if (!see_images(q, images))
        return rn_quantizer_no_memory(q, (size_t)s.c * sizeof(double));
    return rn_plan_trace(q->plan, images, see_value, q, q->err);
}

void rn_quantizer_ranges(struct rn_quantizer *q)
{
    for (size_t i = 0; i < q->g->n_nodes; i++) {
        struct rn_range_choice c;

        if (!q->marked[i] || !q->stats[i])
            continue;
        c = rn_range_choose(q->stats[i]);
        q->g->nodes[i].quant = c.quant;
        q->rules[i] = c.rule;
    }
}

int rn_quantizer_calibrate_on(struct rn_quantizer *q,
                              const struct rn_data *data, int images)
{
    enum rn_part part = (enum rn_part)q->o.part;
    struct rn_loader_config config = {
        .data = data,
        .part = part,
        .view = rn_view_of(q->model),
        .threads = rn_plan_threads(q->plan),
        .sampler = {.seed = q->o.seed,
                    .count = data->part[part].count,
                    .batch = q->batch,
                    .shuffle = true,
                    .last = RN_LAST_DROP},
        .end = images / q->batch,
    };
    struct rn_loader *loader = NULL;
    int rc;

    rn_loader_prepare_as(&config, &q->model->preprocessing);
    rc = rn_loader_create(&loader, &config, q->err);
    for (long i = 0; !rc && i < config.end; i++) {
        struct rn_batch batch;

        rc = rn_quantizer_tell(q, "ranges", (int)i * q->batch, images);
        if (!rc)
            rc = rn_loader_next(loader, &batch, NULL, q->err);
        if (!rc)
            rc = rn_quantizer_calibrate(q, batch.images);
    }
    rn_loader_destroy(loader);
    if (!rc && q->flat)
        rc = rn_fail(q->err, RN_ERR_DATA,
                     "every calibration image of '%s' is of one colour "
                     "throughout: they do not tell what ranges values have",
                     data->spec);
    return rc;
}
