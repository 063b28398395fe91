/* SPDX-License-Identifier: BSD-2-Clause */
/* The tensors of a model file against those a network wants. */
#include "model/file.h"

#include "core/locale.h"
#include "core/memory.h"
#include "core/faults.h"

#include <string.h>

/* What a file holds against what is asked of it. */
struct matcher {
    const struct rn_st_file *f;
    bool *claimed; /* of f->tensors */
    struct rn_faults missing, misshapen, unexpected;
};

/* The tensor of that name and shape, or NULL with a fault noted. */
static const struct rn_st_tensor *claim(struct matcher *m, const char *name,
                                        int dims, const size_t *dim)
{
    const struct rn_st_tensor *t = rn_st_find(m->f, name);
    struct rn_st_tensor wanted = {.dtype = "F32", .dims = dims};
    char found_text[64], wanted_text[64];

    if (!t) {
        rn_fault_add(&m->missing, "%.50s", name);
        return NULL;
    }
    m->claimed[t - m->f->tensors] = true;
    if (rn_st_is_f32(t, dims, dim))
        return t;
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
    const struct rn_st_tensor *t = claim(m, name, dims, dim);

    return t ? rn_st_read(m->f, t, data, err) : RN_OK;
}

static int match_tensors(struct matcher *m, struct rn_graph *g,
                         const struct rn_extra *extras, size_t n_extras,
                         struct rn_error *err)
{
    int rc = RN_OK;

    for (size_t i = 0; i < g->n_params && !rc; i++) {
        struct rn_param *p = &g->params[i];

        rc = read_claimed(m, p->name, p->dims, p->dim, p->data, err);
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
                          const struct rn_extra *extras, size_t n_extras,
                          struct rn_error *err)
{
    struct matcher m = {.f = f, .claimed = rn_alloc(f->count, sizeof(bool))};

    if (!m.claimed)
        return rn_fail_memory(err, f->count, "a list of tensors");
    int rc = match_tensors(&m, g, extras, n_extras, err);
    rn_free(m.claimed);
    return rc;
}
