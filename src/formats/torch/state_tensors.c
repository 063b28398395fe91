/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies a state dictionary's tensors into parameters, each checked and used
 * once. */
#include "formats/torch/state_tensors.h"

#include "core/locale.h"
#include "core/memory.h"
#include "core/faults.h"
#include "formats/import.h"

#include <string.h>

#define MOST_EXTRA 1000 /* tensors that may be left over */

struct reading {
    struct rn_model *model;
    struct rn_state *state;
    const struct rn_recognised *found;
    const struct rn_names_map *map;
    const struct rn_import_options *options;
};

/* -------------------------------------------------------------- fitting */

/* Whole numbers are what someone made of weights, by a scale not told here. */
bool rn_state_fits(const struct rn_state_tensor *t, const struct rn_param *p)
{
    bool matrix = p->dims == 2 && rn_state_is_matrix(t);
    bool same = (matrix || t->dims == p->dims) && t->dtype < RN_BOOL;

    for (int i = 0; i < p->dims && same; i++)
        same = t->dim[i] == p->dim[i];
    return same;
}

static void add_misshapen(struct rn_faults *faults,
                          const struct rn_state_tensor *t,
                          const struct rn_param *p)
{
    struct rn_state_tensor wanted = {.dims = p->dims};
    char found_text[64], wanted_text[64];

    for (int i = 0; i < p->dims; i++)
        wanted.dim[i] = p->dim[i];
    rn_fault_add(
        faults, "%.50s is %s, expected %s", t->name,
        rn_state_shape_text(t, found_text, sizeof(found_text)),
        rn_state_shape_text(&wanted, wanted_text, sizeof(wanted_text)));
}

/* Whether parameter i is the classifier's in that place. */
static bool of_head(const struct reading *r, size_t i, int place)
{
    return (int)i == rn_net_head_param(r->model->graph, place);
}

/* A classifier may do without a bias, a backbone without a classifier. */
static bool may_be_missing(const struct reading *r, size_t i)
{
    return of_head(r, i, RN_P_BIAS) ||
           (r->found->headless && of_head(r, i, RN_P_WEIGHT));
}

static void check_params(const struct reading *r, struct rn_faults *missing,
                         struct rn_faults *misshapen)
{
    const struct rn_graph *g = r->model->graph;

    for (size_t i = 0; i < g->n_params; i++) {
        const struct rn_param *p = &g->params[i];
        const struct rn_state_tensor *t = rn_renamed(r->found, p->name);

        if (t && !rn_state_fits(t, p))
            add_misshapen(misshapen, t, p);
        else if (!t && !may_be_missing(r, i))
            rn_fault_add(missing, "%.50s", p->name);
    }
}

/* ------------------------------------------------------------ left over */

/* Training's, not the network's. In files of ours those of preprocessing, too,
 * which are read elsewhere; in others they are of a layer before the network,
 * that normalises. */
static bool may_be_left(const struct reading *r, const char *name)
{
    return rn_ends_with(name, "num_batches_tracked") ||
           rn_starts_with(name, "optimizer.") ||
           (r->state->description && rn_starts_with(name, "preprocessing."));
}

/* The batch norm that reads the convolution of that bias; NULL when the tensor
 * is none, or the convolution has one here, too. */
static const struct rn_node *norm_behind(const struct rn_graph *g,
                                         const struct rn_named_tensor *t)
{
    const char *point = strrchr(t->name, '.');
    size_t n = point ? (size_t)(point - t->name) : 0;

    if (!point || strcmp(point, ".bias") != 0 || t->tensor->dims != 1)
        return NULL;
    for (size_t i = 1; i < g->n_nodes; i++) {
        const struct rn_node *bn = &g->nodes[i];
        const struct rn_node *conv =
            &g->nodes[bn->input[0] < 0 ? 0 : bn->input[0]];

        if (bn->op == RN_OP_BATCH_NORM && conv->op == RN_OP_CONV &&
            conv->param[RN_P_BIAS] < 0 && strlen(conv->name) == n &&
            memcmp(conv->name, t->name, n) == 0 &&
            t->tensor->count == g->params[bn->param[RN_P_MEAN]].count)
            return bn;
    }
    return NULL;
}

static bool is_used(const struct reading *r, const struct rn_named_tensor *t)
{
    return rn_graph_param(r->model->graph, t->name) ||
           may_be_left(r, t->name) || may_be_left(r, t->tensor->name) ||
           norm_behind(r->model->graph, t);
}

static size_t first_part(const char *name)
{
    return strcspn(name, ".");
}

/* Whether a tensor shares its outermost container with one of the network's:
 * it may then change what a layer computes. */
static bool is_within(const struct reading *r, const struct rn_named_tensor *t)
{
    const char *name = rn_bare_name(r->found, t->tensor->name);
    size_t n = first_part(name);

    for (size_t i = 0; i < r->found->count; i++) {
        const struct rn_named_tensor *u = &r->found->tensors[i];
        const char *used = rn_bare_name(r->found, u->tensor->name);

        if (first_part(used) == n && memcmp(used, name, n) == 0 &&
            rn_graph_param(r->model->graph, u->name))
            return true;
    }
    return false;
}

/* Those left over, and how many of them are within layers. */
static int find_extra(const struct reading *r, struct rn_faults *extra,
                      size_t *within, struct rn_error *err)
{
    for (size_t i = 0; i < r->found->count; i++) {
        const struct rn_named_tensor *t = &r->found->tensors[i];

        if (is_used(r, t))
            continue;
        const struct rn_names_line *line =
            t->mapped ? rn_names_map_line(r->map, t->name) : NULL;
        if (line)
            return rn_fail(
                err, RN_ERR_DATA, "'%s', line %zu: a %s has no tensor '%.60s'",
                r->map->path, line->number, r->model->spec.name, t->name);
        if (extra->count == MOST_EXTRA)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': more than %d of its tensors are none of a "
                           "%s's",
                           r->state->path, MOST_EXTRA, r->model->spec.name);
        rn_fault_add(extra, "%.50s", t->tensor->name);
        *within += is_within(r, t);
    }
    return RN_OK;
}

/* Every parameter has its tensor, and nothing is left over. */
static int check_tensors(const struct reading *r, struct rn_error *err)
{
    struct rn_faults missing = {0}, misshapen = {0}, extra = {0};
    size_t within = 0;
    const char *path = r->state->path;

    check_params(r, &missing, &misshapen);
    int rc = find_extra(r, &extra, &within, err);
    if (rc)
        return rc;
    if (missing.count + misshapen.count + within > 0)
        return rn_faults_report(&missing, &misshapen, &extra, path, err);
    if (extra.count == 0)
        return RN_OK;
    if (!r->options->skip_extra)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': tensors do not fit: %zu unexpected (%s%s) in no "
                       "layer: --skip-extra passes over them",
                       path, extra.count, extra.text,
                       extra.count > 3 ? ", …" : "");
    rn_import_say(r->options,
                  "'%s': passed over %zu tensors that are in no layer (%s%s)",
                  path, extra.count, extra.text, extra.count > 3 ? ", …" : "");
    return RN_OK;
}

/* -------------------------------------------------------------- reading */

/* W x + b, less the mean m, is W x less m - b. */
static int fold_bias(const struct reading *r, const struct rn_named_tensor *t,
                     const struct rn_node *norm, struct rn_error *err)
{
    float *mean = r->model->graph->params[norm->param[RN_P_MEAN]].data;
    float *bias = rn_alloc(t->tensor->count, sizeof(*bias));

    if (!bias)
        return rn_fail_memory(err, t->tensor->count * sizeof(*bias), "a bias");
    int rc = rn_state_read(r->state, t->tensor, bias, err);
    for (size_t i = 0; i < t->tensor->count && !rc; i++)
        mean[i] -= bias[i];
    rn_free(bias);
    return rc;
}

static int fold_biases(const struct reading *r, struct rn_error *err)
{
    size_t folded = 0;
    int rc = RN_OK;

    for (size_t i = 0; i < r->found->count && !rc; i++) {
        const struct rn_named_tensor *t = &r->found->tensors[i];
        const struct rn_node *norm = norm_behind(r->model->graph, t);

        if (norm && ++folded)
            rc = fold_bias(r, t, norm, err);
    }
    if (!rc && folded > 0)
        rn_import_say(r->options,
                      "'%s': biases of %zu convolutions put into the batch "
                      "norms behind them",
                      r->state->path, folded);
    return rc;
}

/* Of `rows` the parts, the last one of which comes first in `from`. */
static void turn_rows(float *to, const float *from, size_t rows, size_t pixels,
                      const struct rn_net_parts *parts)
{
    const size_t first = (size_t)parts->first * pixels;
    const size_t each = (size_t)parts->each * pixels;
    const size_t count = (size_t)parts->count, all = first + count * each;

    for (size_t row = 0; row < rows; row++, from += all, to += all) {
        memcpy(to, from + count * each, first * sizeof(*to));
        for (size_t i = 0; i < count; i++)
            memcpy(to + first + i * each, from + (count - 1 - i) * each,
                   each * sizeof(*to));
    }
}

/* Put a parameter's values in our order where the file has another one. */
static int turn(const struct reading *r, struct rn_param *p,
                struct rn_error *err)
{
    const size_t rows = p->dims > 1 ? (size_t)p->dim[0] : 1;
    struct rn_net_parts parts;
    float *read;

    if (!r->found->network.turned ||
        !r->found->network.turned(&r->model->spec, p->name, &parts))
        return RN_OK;
    read = rn_alloc(p->count, sizeof(*read));
    if (!read)
        return rn_fail_memory(err, p->count * sizeof(*read), p->name);
    memcpy(read, p->data, p->count * sizeof(*read));
    const size_t channels = (size_t)(parts.first + parts.each * parts.count);
    turn_rows(p->data, read, rows, p->count / rows / channels, &parts);
    rn_free(read);
    return RN_OK;
}

static int read_params(const struct reading *r, struct rn_error *err)
{
    struct rn_graph *g = r->model->graph;
    int rc = RN_OK;

    for (size_t i = 0; i < g->n_params && !rc; i++) {
        const struct rn_state_tensor *t =
            rn_renamed(r->found, g->params[i].name);

        if (t)
            rc = rn_state_read(r->state, t, g->params[i].data, err);
        if (t && !rc)
            rc = turn(r, &g->params[i], err);
        if (!t && of_head(r, i, RN_P_BIAS) && !r->found->headless)
            rn_import_say(r->options,
                          "'%s': its classifier has no bias, zeros taken",
                          r->state->path);
    }
    return rc;
}

int rn_state_tensors(struct rn_model *model, struct rn_state *state,
                     const struct rn_recognised *found,
                     const struct rn_names_map *map,
                     const struct rn_import_options *options,
                     struct rn_error *err)
{
    const struct reading r = {model, state, found, map, options};
    int rc = check_tensors(&r, err);

    if (!rc)
        rc = read_params(&r, err);
    return rc ? rc : fold_biases(&r, err);
}
