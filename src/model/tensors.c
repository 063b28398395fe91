/* SPDX-License-Identifier: BSD-2-Clause */
/* The tensors of a model file against those a network wants. */
#include "model/file.h"

#include "core/locale.h"
#include "core/memory.h"
#include "core/faults.h"

#include <stdio.h>
#include <string.h>

/* What a file holds against what is asked of it. */
struct matcher {
    const struct rn_st_file *f;
    bool quantized; /* the description tells of weights in 8 bits */
    bool *claimed;  /* of f->tensors */
    struct rn_faults missing, misshapen, unexpected;
};

/* The tensor of that name, type and shape, or NULL with a fault noted. */
static const struct rn_st_tensor *claim(struct matcher *m, const char *name,
                                        enum rn_dtype type, int dims,
                                        const size_t *dim)
{
    const struct rn_st_tensor *t = rn_st_find(m->f, name);
    struct rn_st_tensor wanted = {.dims = dims};
    char found_text[64], wanted_text[64];

    if (!t) {
        rn_fault_add(&m->missing, "%.50s", name);
        return NULL;
    }
    m->claimed[t - m->f->tensors] = true;
    if (rn_st_is(t, type, dims, dim))
        return t;
    snprintf(wanted.dtype, sizeof(wanted.dtype), "%s", rn_dtype_name(type));
    for (int i = 0; i < dims; i++)
        wanted.dim[i] = dim[i];
    rn_fault_add(&m->misshapen, "%.50s is %s, expected %s", name,
                 rn_st_shape_text(t, found_text, sizeof(found_text)),
                 rn_st_shape_text(&wanted, wanted_text, sizeof(wanted_text)));
    return NULL;
}

/* What a model does without: training state, and PyTorch's counters. */
static bool may_be_ignored(const char *name)
{
    return rn_starts_with(name, "optimizer.") ||
           rn_starts_with(name, "preprocessing.") ||
           rn_ends_with(name, ".num_batches_tracked");
}

static int read_claimed(struct matcher *m, const char *name, int dims,
                        const size_t *dim, float *data, struct rn_error *err)
{
    const struct rn_st_tensor *t = claim(m, name, RN_F32, dims, dim);

    return t ? rn_st_read(m->f, t, data, err) : RN_OK;
}

/* Whether a quantised model's file has this parameter in 8 bits. */
static bool is_quantized(const struct matcher *m, const struct rn_param *p)
{
    const struct rn_st_tensor *t = rn_st_find(m->f, p->name);

    return m->quantized && p->kind == RN_PARAM_WEIGHT && t &&
           strcmp(t->dtype, rn_dtype_name(RN_I8)) == 0;
}

static int read_quantized(struct matcher *m, struct rn_graph *g, size_t param,
                          struct rn_error *err)
{
    const struct rn_param *p = &g->params[param];
    const struct rn_st_tensor *weights, *scales;
    char name[RN_SCALES_NAME];
    int8_t *numbers;
    float *each;
    int rc;

    rn_scales_name(name, p->name);
    weights = claim(m, p->name, RN_I8, p->dims, p->dim);
    scales = claim(m, name, RN_F32, 1, p->dim);
    if (!weights || !scales)
        return RN_OK; /* a fault is noted */
    numbers = rn_alloc(p->count, sizeof(*numbers));
    each = rn_alloc(p->dim[0], sizeof(*each));
    rc = numbers && each ? rn_st_read(m->f, weights, numbers, err)
                         : rn_fail_memory(err, p->count, "weights in 8 bits");
    if (!rc)
        rc = rn_st_read(m->f, scales, each, err);
    if (!rc)
        rc = rn_quant_take_numbers(g, param, numbers, each, m->f->path, err);
    rn_free(numbers);
    rn_free(each);
    return rc;
}

static int match_tensors(struct matcher *m, struct rn_graph *g,
                         const struct rn_extra *extras, size_t n_extras,
                         struct rn_error *err)
{
    int rc = RN_OK;

    for (size_t i = 0; i < g->n_params && !rc; i++) {
        struct rn_param *p = &g->params[i];

        rc = is_quantized(m, p)
                 ? read_quantized(m, g, i, err)
                 : read_claimed(m, p->name, p->dims, p->dim, p->data, err);
    }
    for (size_t i = 0; i < n_extras && !rc; i++) {
        const struct rn_extra *e = &extras[i];

        rc = read_claimed(m, e->name, e->dims, e->dim, e->data, err);
    }
    if (rc)
        return rc;
    for (size_t i = 0; i < m->f->count; i++)
        if (!m->claimed[i] && !may_be_ignored(m->f->tensors[i].name))
            rn_fault_add(&m->unexpected, "%.50s", m->f->tensors[i].name);
    return rn_faults_report(&m->missing, &m->misshapen, &m->unexpected,
                            m->f->path, err);
}

int rn_model_read_tensors(const struct rn_st_file *f, struct rn_graph *g,
                          bool quantized, const struct rn_extra *extras,
                          size_t n_extras, struct rn_error *err)
{
    struct matcher m = {.f = f,
                        .quantized = quantized,
                        .claimed = rn_alloc(f->count, sizeof(bool))};

    if (!m.claimed)
        return rn_fail_memory(err, f->count, "a list of tensors");
    int rc = match_tensors(&m, g, extras, n_extras, err);
    rn_free(m.claimed);
    return rc;
}
