/* SPDX-License-Identifier: BSD-2-Clause */
/* What Python's own names in pickles mean: the classes that dictionaries come
 * in, and how protocols before 2 made instances. */
#include "core/pickle.h"

#include "core/count.h"

int rn_pickle_call_other(struct rn_pickle *p, const struct rn_pickle_global *g,
                         uint32_t args, uint32_t *out)
{
    (void)g;
    (void)args;
    return rn_pickle_new(p, RN_PICKLE_OTHER, out);
}

int rn_pickle_call_first(struct rn_pickle *p, const struct rn_pickle_global *g,
                         uint32_t args, uint32_t *out)
{
    if (rn_pickle_items(p, args, out, 1) == 1)
        return RN_OK;
    return rn_pickle_fail(p, "calls %s.%s without arguments", g->module,
                          g->name);
}

/* A dictionary whose arguments say nothing of its items. */
static int call_empty_dict(struct rn_pickle *p,
                           const struct rn_pickle_global *g, uint32_t args,
                           uint32_t *out)
{
    (void)g;
    (void)args;
    return rn_pickle_new(p, RN_PICKLE_DICT, out);
}

/* An instance of the class that comes first: protocols before 2. */
static int call_instance(struct rn_pickle *p, const struct rn_pickle_global *g,
                         uint32_t args, uint32_t *out)
{
    int rc = rn_pickle_call_first(p, g, args, out);

    if (rc || rn_pickle_get(p, *out)->kind != RN_PICKLE_OPAQUE)
        return rc ? rc : rn_pickle_new(p, RN_PICKLE_OTHER, out);
    return rn_pickle_opaque_like(p, *out, out);
}

/* An ordered dictionary: empty, or of a list of pairs (Python 2). */
static int call_dict(struct rn_pickle *p, const struct rn_pickle_global *g,
                     uint32_t args, uint32_t *out)
{
    uint32_t list = 0, pair[3];
    int rc = rn_pickle_new(p, RN_PICKLE_DICT, out);

    (void)g;
    if (rc || rn_pickle_items(p, args, &list, 1) == 0)
        return rc;
    if (rn_pickle_get(p, list)->kind == RN_PICKLE_OPAQUE)
        return rn_pickle_opaque_like(p, list, out);
    if (rn_pickle_get(p, list)->kind != RN_PICKLE_LIST)
        return rn_pickle_fail(p, "makes a dictionary of something else than "
                                 "a list");
    uint32_t left = rn_pickle_get(p, list)->u.items.count;
    uint32_t cell = left ? rn_pickle_get(p, list)->u.items.first : 0;
    for (; left > 0 && !rc; left--, cell = p->cells[cell].next) {
        if (rn_pickle_items(p, p->cells[cell].object, pair, 3) != 2)
            return rn_pickle_fail(p, "makes a dictionary of a list that is "
                                     "not of pairs");
        rc = rn_pickle_add(p, *out, pair[0]);
        if (!rc)
            rc = rn_pickle_add(p, *out, pair[1]);
    }
    return rc;
}

static const struct rn_pickle_global globals[] = {
    {"collections", "OrderedDict", call_dict, 0, 0, 0},
    {"collections", "defaultdict", call_empty_dict, 0, 0, 0},
    {"collections", "Counter", rn_pickle_call_other, 0, 0, 0},
    {"copyreg", "_reconstructor", call_instance, 0, 0, 0},
    {"copy_reg", "_reconstructor", call_instance, 0, 0, 0},
};

const struct rn_pickle_names rn_python_names = {globals, COUNT(globals), NULL};
