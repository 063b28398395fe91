/* SPDX-License-Identifier: BSD-2-Clause */
/* Has calibration images run through the network in float32, and chooses the
 * ranges of its values. */
#include "quantize/quantizer.h"

#include "core/memory.h"
#include "data/pictures/image.h"
#include "plan/plan.h"

#include <math.h>
#include <string.h>

/* A batch on its way through the network. */
struct seeing {
    struct rn_quantizer *q;
    size_t count; /* images of it that count; the others fill it up */
};

static int see(const struct seeing *s, size_t node, const char *name,
               const float *values, struct rn_shape shape)
{
    struct rn_quantizer *q = s->q;
    struct rn_stats **stats = &q->stats[node];

    if (!*stats)
        *stats = rn_alloc(1, sizeof(**stats));
    if (!*stats)
        return rn_quantizer_no_memory(q, sizeof(**stats));
    if (!rn_stats_add(*stats, values, s->count, (size_t)shape.c,
                      rn_shape_pixels(shape)))
        return rn_quantizer_no_memory(q, (size_t)shape.c * sizeof(double));
    if ((*stats)->broken)
        return rn_fail(q->err, RN_ERR_DATA,
                       "'%s' of %s has numbers that are not finite for a "
                       "calibration image: they have no range",
                       name, q->model->spec.name);
    return RN_OK;
}

static int see_value(void *user, const struct rn_trace *v)
{
    const struct rn_shape shape = {v->channels, v->height, v->width};

    return see(user, rn_quantizer_node(v), v->name, v->values, shape);
}

/* Of one colour throughout, where there is more than a pixel. */
static bool is_flat(const struct rn_quantizer *q, const float *images,
                    int count)
{
    struct rn_shape s = q->model->spec.input;
    size_t hw = rn_shape_pixels(s);

    for (size_t c = 0; c < (size_t)count * (size_t)s.c; c++)
        for (size_t i = 1; i < hw; i++)
            if (fabsf(images[c * hw + i] - images[c * hw]) > 1e-6f)
                return false;
    return hw > 1;
}

/* The first images are kept; fewer than a batch are filled up with zeros. */
static int fill_up(struct rn_quantizer *q, const float *images, int count,
                   float **filled)
{
    size_t image = rn_shape_size(q->model->spec.input);
    size_t floats = (size_t)q->batch * image;

    *filled = rn_alloc(floats, sizeof(**filled));
    if (!*filled)
        return rn_quantizer_no_memory(q, floats * sizeof(**filled));
    memcpy(*filled, images, (size_t)count * image * sizeof(*images));
    return RN_OK;
}

int rn_quantizer_calibrate(struct rn_quantizer *q, const float *images,
                           int count)
{
    struct seeing seeing = {q, (size_t)count};
    float *filled = NULL;
    int rc = RN_OK;

    q->flat = (q->flat || !q->images) && is_flat(q, images, count);
    if (!q->images)
        rc = fill_up(q, images, count, &q->images);
    if (!rc && count < q->batch)
        rc = fill_up(q, images, count, &filled);
    /* Images are the value of the input, which no step makes. */
    if (!rc)
        rc = see(&seeing, 0, "input", images, q->model->spec.input);
    if (!rc)
        rc = rn_plan_trace(q->plan, filled ? filled : images, see_value,
                           &seeing, q->err);
    rn_free(filled);
    return rc;
}

void rn_quantizer_ranges(struct rn_quantizer *q)
{
    for (size_t i = 0; i < q->g->n_nodes; i++)
        if (q->marked[i] && q->stats[i])
            q->ranges[i] = rn_range_choose(q->stats[i]);
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
                    .last = RN_LAST_KEEP},
        .end = (images + q->batch - 1) / q->batch,
    };
    struct rn_loader *loader = NULL;
    int rc;

    rn_loader_prepare_as(&config, &q->model->preprocessing);
    rc = rn_loader_create(&loader, &config, q->err);
    for (long i = 0; !rc && i < config.end; i++) {
        int done = (int)i * q->batch, left = images - done;
        struct rn_batch batch;

        rc = rn_quantizer_tell(q, "ranges", done, images);
        if (!rc)
            rc = rn_loader_next(loader, &batch, NULL, q->err);
        if (!rc)
            rc = rn_quantizer_calibrate(
                q, batch.images, left < batch.count ? left : batch.count);
    }
    rn_loader_destroy(loader);
    if (!rc && q->flat)
        rc = rn_fail(q->err, RN_ERR_DATA,
                     "every calibration image of '%s' is of one colour "
                     "throughout: they do not tell what ranges values have",
                     data->spec);
    return rc;
}
