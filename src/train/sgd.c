/* SPDX-License-Identifier: BSD-2-Clause */
/* Stochastic gradient descent with momentum and weight decay. */
#include "train/train.h"

#include "core/threads.h"

/* Floats a thread takes at a time: 64 KiB of each of the three arrays. */
#define CHUNK 16384

static void update(float *restrict value, const float *restrict grad,
                   float *restrict momentum, size_t count, float lr, float keep,
                   float decay)
{
    for (size_t i = 0; i < count; i++) {
        float v = keep * momentum[i] + lr * (grad[i] + decay * value[i]);

        momentum[i] = v;
        value[i] -= v;
    }
}

static bool decays(const struct rn_sgd *sgd, const struct rn_param *p)
{
    return sgd->decay_all || p->kind == RN_PARAM_WEIGHT;
}

/* Index of the segment that holds place `at`, or the first after it. */
static size_t find_segment(const struct rn_flat *flat, size_t at)
{
    size_t low = 0, high = flat->n_segments;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct rn_segment *s = &flat->segments[middle];

        if (s->offset + s->count <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Floats begin..end of the flat arrays, whatever segments they belong to. */
static void update_range(const struct rn_sgd *sgd, const struct rn_graph *graph,
                         const struct rn_flat *flat, size_t begin, size_t end)
{
    for (size_t i = find_segment(flat, begin); i < flat->n_segments; i++) {
        const struct rn_segment *s = &flat->segments[i];
        size_t from = s->offset > begin ? s->offset : begin;
        size_t to = s->offset + s->count < end ? s->offset + s->count : end;
        bool decay = decays(sgd, &graph->params[s->param]);
        float lr = sgd->scale ? sgd->scale[i] * sgd->lr : sgd->lr;

        if (from >= end)
            return;
        update(flat->value + from, flat->grad + from, flat->momentum + from,
               to - from, lr, sgd->momentum, decay ? sgd->weight_decay : 0.0F);
    }
}

void rn_sgd_step(const struct rn_sgd *sgd, const struct rn_graph *graph,
                 struct rn_flat *flat)
{
    size_t chunks = (flat->count + CHUNK - 1) / CHUNK;

#pragma omp parallel num_threads(sgd->threads)
    {
        /* Momentum that dies away would end in slow denormal numbers. */
        unsigned mode = rn_denormals_flush();

#pragma omp for schedule(static)
        for (size_t i = 0; i < chunks; i++) {
            size_t begin = i * CHUNK;
            size_t end = begin + CHUNK;

            update_range(sgd, graph, flat, begin,
                         end < flat->count ? end : flat->count);
        }
        rn_denormals_restore(mode);
    }
}
