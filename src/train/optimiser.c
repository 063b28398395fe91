/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of optimisers, and their step over all parameters. */
#include "train/optimiser.h"

#include "core/memory.h"
#include "core/text.h"
#include "core/threads.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Floats a thread takes at a time: 64 KiB of each array. */
#define CHUNK 16384

const struct rn_optimiser *const rn_optimisers[] = {
/* clang-format off */
#define ROW(name) &rn_optimiser_##name,
    RN_OPTIMISERS(ROW)
#undef ROW
    NULL,
    /* clang-format on */
};

const struct rn_optimiser *rn_optimiser_find(const char *name)
{
    if (!name)
        return rn_optimisers[0];
    for (int i = 0; rn_optimisers[i]; i++)
        if (strcmp(rn_optimisers[i]->name, name) == 0)
            return rn_optimisers[i];
    return NULL;
}

int rn_optimiser_states(const struct rn_optimiser *optimiser)
{
    int n = 0;

    while (optimiser->states[n])
        n++;
    return n;
}

/* -------------------------------------------------------------- options */

static double given(const struct rn_train_options *o,
                    const struct rn_optimiser_option *option)
{
    return *(const double *)((const char *)o + option->place);
}

static bool is_zero_asked(double value)
{
    static const double zero = RN_ZERO;

    return value == zero;
}

static bool takes(const struct rn_optimiser *optimiser, const char *name)
{
    for (int k = 0; optimiser->options[k].name; k++)
        if (strcmp(optimiser->options[k].name, name) == 0)
            return true;
    return false;
}

/* "a, b" of what comes i-th, a text of `size` at most. */
static void append(char *text, size_t size, const char *name)
{
    size_t n = strlen(text);

    snprintf(text + n, size - n, "%s%s", n ? ", " : "", name);
}

/* An option that is neither 0 nor the default was given, and counts. */
static int check_taken(const struct rn_optimiser *optimiser,
                       const struct rn_train_options *o,
                       const struct rn_optimiser_option *option,
                       struct rn_error *err)
{
    struct rn_train_options usual;
    double value = given(o, option);
    char names[120] = "";

    rn_train_defaults(&usual);
    if (takes(optimiser, option->name) || fpclassify(value) == FP_ZERO ||
        !(value < given(&usual, option) || value > given(&usual, option)))
        return RN_OK;
    for (int k = 0; optimiser->options[k].name; k++)
        append(names, sizeof(names), optimiser->options[k].name);
    return rn_fail(
        err, RN_ERR_ARG, "`%s` %g: `optimizer` %s has none, it takes %s",
        option->name, is_zero_asked(value) ? 0 : value, optimiser->name, names);
}

static int fail_unknown(const char *name, struct rn_error *err)
{
    char names[200] = "";

    for (int i = 0; rn_optimisers[i]; i++)
        append(names, sizeof(names), rn_optimisers[i]->name);
    return rn_fail(err, RN_ERR_ARG, "`optimizer` '%.60s': expected one of %s",
                   name, names);
}

int rn_optimiser_check(const struct rn_train_options *o, struct rn_error *err)
{
    const struct rn_optimiser *optimiser = rn_optimiser_find(o->optimizer);
    int rc = optimiser ? RN_OK : fail_unknown(o->optimizer, err);

    for (int i = 0; rn_optimisers[i]; i++)
        for (int k = 0; rn_optimisers[i]->options[k].name && !rc; k++)
            rc = check_taken(optimiser, o, &rn_optimisers[i]->options[k], err);
    return rc;
}

int rn_update_create(struct rn_update *u, const struct rn_train_options *o,
                     const struct rn_flat *flat, struct rn_error *err)
{
    *u = (struct rn_update){
        .optimiser = rn_optimiser_find(o->optimizer),
        .weight_decay = (float)o->weight_decay,
        .decay_all = o->decay_all != 0,
    };
    for (int k = 0; u->optimiser->options[k].name; k++) {
        const struct rn_optimiser_option *option = &u->optimiser->options[k];
        double value = given(o, option);

        if (fpclassify(value) == FP_ZERO)
            value = option->usual;
        u->option[k] = is_zero_asked(value) ? 0 : value;
    }
    if (!u->optimiser->factor)
        return RN_OK;
    u->factors = rn_alloc(flat->n_segments, sizeof(*u->factors));
    return u->factors ? RN_OK
                      : rn_fail_memory(err, flat->n_segments * sizeof(float),
                                       "learning rates of layers");
}

void rn_update_free(struct rn_update *u)
{
    rn_free(u->factors);
    u->factors = NULL;
}

/* ----------------------------------------------------------------- step */

static float decay_of(const struct rn_update *u, const struct rn_param *p)
{
    return u->decay_all || p->kind == RN_PARAM_WEIGHT ? u->weight_decay : 0.0F;
}

static double norm(const float *x, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* Of segments first..last. One thread takes a layer whole, so that its sum is
 * always the same. */
static void find_factors(const struct rn_update *u,
                         const struct rn_graph *graph,
                         const struct rn_flat *flat, size_t first, size_t last)
{
#pragma omp for schedule(dynamic)
    for (size_t i = first; i < last; i++) {
        const struct rn_segment *s = &flat->segments[i];
        const struct rn_param *p = &graph->params[s->param];

        u->factors[i] = 1;
        if (p->kind == RN_PARAM_WEIGHT)
            u->factors[i] = (float)u->optimiser->factor(
                norm(flat->value + s->offset, s->count),
                norm(flat->grad + s->offset, s->count), (double)decay_of(u, p),
                u->option);
    }
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
static void update_range(const struct rn_update *u,
                         const struct rn_graph *graph,
                         const struct rn_flat *flat, size_t begin, size_t end,
                         float lr, long step)
{
    for (size_t i = find_segment(flat, begin); i < flat->n_segments; i++) {
        const struct rn_segment *s = &flat->segments[i];
        size_t from = s->offset > begin ? s->offset : begin;
        size_t to = s->offset + s->count < end ? s->offset + s->count : end;
        struct rn_slice slice = {
            .value = flat->value + from,
            .grad = flat->grad + from,
            .count = to - from,
            .lr = u->scale ? u->scale[i] * lr : lr,
            .decay = decay_of(u, &graph->params[s->param]),
        };

        if (from >= end)
            return;
        if (u->factors)
            slice.lr *= u->factors[i];
        for (int k = 0; k < RN_STATES_MAX && flat->state[k]; k++)
            slice.state[k] = flat->state[k] + from;
        u->optimiser->update(&slice, u->option, step);
    }
}

bool rn_update_by_layer(const struct rn_update *u)
{
    return u->factors || u->max_norm;
}

void rn_update_some(const struct rn_update *u, const struct rn_graph *graph,
                    const struct rn_flat *flat, size_t first, size_t numbers,
                    float lr, long step)
{
    size_t chunks = (numbers + CHUNK - 1) / CHUNK, last = first + numbers;
    size_t begins = find_segment(flat, first), ends = find_segment(flat, last);

#pragma omp parallel num_threads(u->threads)
    {
        /* State that dies away would end in slow denormal numbers. */
        unsigned mode = rn_float_mode_set();

        if (u->factors)
            find_factors(u, graph, flat, begins, ends);
#pragma omp for schedule(static)
        for (size_t i = 0; i < chunks; i++) {
            size_t begin = first + i * CHUNK;
            size_t end = begin + CHUNK;

            update_range(u, graph, flat, begin, end < last ? end : last, lr,
                         step);
        }
        rn_float_mode_restore(mode);
    }
    for (size_t i = begins; u->max_norm && i < ends; i++)
        if (u->max_norm[i] > 0)
            rn_store_limit(u->store, flat->segments[i].param, u->max_norm[i],
                           u->threads);
}

void rn_update_step(const struct rn_update *u, const struct rn_graph *graph,
                    const struct rn_flat *flat, float lr, long step)
{
    rn_update_some(u, graph, flat, 0, flat->count, lr, step);
}
