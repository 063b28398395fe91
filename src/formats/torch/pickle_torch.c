/* SPDX-License-Identifier: BSD-2-Clause */
/* What the names in PyTorch's pickles mean. Whatever stands in no line of the
 * table is opaque. */
#include "formats/torch/pickle_torch.h"

#include "core/count.h"
#include "core/memory.h"

#include <string.h>

/* ------------------------------------------------------------ storages */

/* rn_pickle_global.kind; Python's own names are functions. */
enum { FUNCTION = 0, STORAGE, UNTYPED, TYPE, CLASS };

static bool get_count(const struct rn_pickle *p, uint32_t object, uint64_t *out)
{
    const struct rn_pickle_object *o = rn_pickle_get(p, object);

    if (o->kind != RN_PICKLE_INT || o->u.integer < 0)
        return false;
    *out = (uint64_t)o->u.integer;
    return true;
}

static const struct rn_pickle_global *get_global(const struct rn_pickle *p,
                                                 uint32_t object)
{
    const struct rn_pickle_object *o = rn_pickle_get(p, object);

    return o->kind == RN_PICKLE_GLOBAL ? o->u.global : NULL;
}

/* A view of a storage, as the earliest PyTorch wrote them: None, or
 * (key, offset, count). */
static bool get_view(const struct rn_pickle *p, uint32_t object,
                     struct rn_pickle_storage *s)
{
    uint32_t view[3];
    uint64_t all = s->count;

    if (rn_pickle_get(p, object)->kind == RN_PICKLE_NONE)
        return true;
    return rn_pickle_items(p, object, view, 3) == 3 &&
           get_count(p, view[1], &s->first) &&
           get_count(p, view[2], &s->count) && s->first <= all &&
           s->count <= all - s->first;
}

/* A class is written with its source: ("module", class, file, text). What is
 * no storage of a known type is opaque. */
static bool is_opaque_id(struct rn_pickle *p, uint32_t id, uint32_t *out)
{
    uint32_t part[2];

    *out = id;
    if (rn_pickle_get(p, id)->kind == RN_PICKLE_OPAQUE)
        return true;
    if (rn_pickle_items(p, id, part, 2) < 2 ||
        rn_pickle_get(p, part[1])->kind != RN_PICKLE_OPAQUE)
        return false;
    *out = part[1];
    return rn_pickle_text_is(p, part[0], "module") ||
           rn_pickle_text_is(p, part[0], "storage");
}

/* ("storage", type, key, place, count[, view]) */
static int find_storage(struct rn_pickle *p, uint32_t id, uint32_t *out)
{
    struct rn_pickle_storage s = {0};
    uint32_t part[6];
    size_t n = rn_pickle_items(p, id, part, 6);
    const struct rn_pickle_global *g = n >= 5 ? get_global(p, part[1]) : NULL;

    if (is_opaque_id(p, id, out))
        return RN_OK;
    if (!g || !rn_pickle_text_is(p, part[0], "storage") ||
        (g->kind != STORAGE && g->kind != UNTYPED) ||
        rn_pickle_get(p, part[2])->kind != RN_PICKLE_TEXT ||
        !get_count(p, part[4], &s.count))
        return rn_pickle_fail(p, "refers to something that is no storage");
    s.key = part[2];
    s.untyped = g->kind == UNTYPED;
    s.dtype = s.untyped ? RN_U8 : g->dtype;
    if (__builtin_mul_overflow(s.count, rn_dtype_bytes(s.dtype), &s.bytes))
        return rn_pickle_fail(p, "has a storage of %llu numbers",
                              (unsigned long long)s.count);
    if (n == 6 && !get_view(p, part[5], &s))
        return rn_pickle_fail(p, "has a view past its storage");
    if (p->n_storages >= RN_PICKLE_TENSORS)
        return rn_pickle_fail(p, "refers to more than %d storages",
                              RN_PICKLE_TENSORS);
    if (!rn_grow(&p->storages, &p->storages_room, p->n_storages, sizeof(s)))
        return rn_fail_memory(p->err, sizeof(s), "a storage");
    int rc = rn_pickle_new(p, RN_PICKLE_STORAGE, out);
    if (rc)
        return rc;
    p->storages[p->n_storages] = s;
    p->objects[*out].u.index = (uint32_t)p->n_storages++;
    return RN_OK;
}

/* ------------------------------------------------------------- tensors */

/* The sizes of a shape or the strides; false when one is no number from 0. */
static bool get_counts(const struct rn_pickle *p, uint32_t tuple, uint64_t *out,
                       size_t count)
{
    uint32_t item[RN_TENSOR_DIMS + 1];

    if (rn_pickle_items(p, tuple, item, RN_TENSOR_DIMS + 1) != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!get_count(p, item[i], &out[i]))
            return false;
    return true;
}

/* Elements of a tensor, and how far from its first one its last one lies;
 * false when 64 bits are too few. */
static bool measure(const struct rn_pickle_tensor *t, uint64_t *count,
                    uint64_t *reach)
{
    *count = 1;
    *reach = 0;
    for (int i = 0; i < t->dims; i++)
        if (t->size[i] == 0)
            *count = 0;
    if (*count == 0)
        return true;
    for (int i = 0; i < t->dims; i++) {
        uint64_t span;

        if (__builtin_mul_overflow(*count, t->size[i], count) ||
            __builtin_mul_overflow(t->size[i] - 1, t->stride[i], &span) ||
            __builtin_add_overflow(*reach, span, reach))
            return false;
    }
    return true;
}

/* The tensor within its storage, so that what it holds is never more than
 * the file: a stride of 0 may not make much of little. */
static int place(struct rn_pickle *p, struct rn_pickle_tensor *t)
{
    const struct rn_pickle_storage *s = &p->storages[t->storage];
    uint64_t room = s->count, reach, end;

    if (s->untyped)
        room /= rn_dtype_bytes(t->dtype);
    if (!measure(t, &t->count, &reach))
        return rn_pickle_fail(p, "has a tensor with more elements than 64 "
                                 "bits can count");
    bool fits =
        t->count == 0 || (!__builtin_add_overflow(t->offset, reach, &end) &&
                          end < room && t->count <= room);
    if (!fits)
        return rn_pickle_fail(
            p,
            "has a tensor of %llu elements from %llu on, "
            "up to %llu further, in a storage of %llu",
            (unsigned long long)t->count, (unsigned long long)t->offset,
            (unsigned long long)reach, (unsigned long long)room);
    if (__builtin_add_overflow(t->offset, s->first, &t->offset))
        t->offset = 0; /* of an empty tensor: any place will do */
    return RN_OK;
}

/* The type the last argument of _rebuild_tensor_v3 names, else the
 * storage's. */
static int choose_type(struct rn_pickle *p, const struct rn_pickle_global *g,
                       const uint32_t *arg, size_t n,
                       struct rn_pickle_tensor *t)
{
    const struct rn_pickle_storage *s = &p->storages[t->storage];
    const struct rn_pickle_global *type = NULL;

    t->dtype = s->dtype;
    if (g->type_at && n > g->type_at)
        type = get_global(p, arg[g->type_at]);
    if (type && type->kind == TYPE)
        t->dtype = type->dtype;
    if ((type && type->kind == TYPE) || (!g->type_at && !s->untyped))
        return RN_OK;
    return rn_pickle_fail(p, "has a tensor of no type");
}

/* Numbers that are negated or conjugated only when they are read: the last of
 * _rebuild_tensor_v2's arguments says so. */
static bool is_lazy(const struct rn_pickle *p, const struct rn_pickle_global *g,
                    const uint32_t *arg, size_t n)
{
    return !g->type_at && n > 6 &&
           (rn_pickle_lookup(p, arg[6], "neg") ||
            rn_pickle_lookup(p, arg[6], "conj"));
}

/* (storage, offset, size, stride, ...) */
static int call_tensor(struct rn_pickle *p, const struct rn_pickle_global *g,
                       uint32_t args, uint32_t *out)
{
    struct rn_pickle_tensor t = {0};
    uint32_t arg[7];
    size_t n = rn_pickle_items(p, args, arg, 7);

    if (n > 0 && rn_pickle_get(p, arg[0])->kind == RN_PICKLE_OPAQUE)
        return rn_pickle_opaque_like(p, arg[0], out);
    if (n < 4 || rn_pickle_get(p, arg[0])->kind != RN_PICKLE_STORAGE)
        return rn_pickle_fail(p, "makes a tensor of no storage");
    const struct rn_pickle_object *size = rn_pickle_get(p, arg[2]);
    if (size->kind != RN_PICKLE_TUPLE || size->u.items.count > RN_TENSOR_DIMS)
        return rn_pickle_fail(p,
                              "has a tensor whose shape is not of at most "
                              "%d sizes",
                              RN_TENSOR_DIMS);
    t.dims = (int)size->u.items.count;
    if (!get_count(p, arg[1], &t.offset) ||
        !get_counts(p, arg[2], t.size, (size_t)t.dims) ||
        !get_counts(p, arg[3], t.stride, (size_t)t.dims))
        return rn_pickle_fail(p, "has a tensor with a negative or missing "
                                 "offset, size or stride");
    if (is_lazy(p, g, arg, n))
        return rn_pickle_fail(p, "has a tensor that is negated when it is "
                                 "read; expected tensor.resolve_neg()");
    t.storage = rn_pickle_get(p, arg[0])->u.index;
    int rc = choose_type(p, g, arg, n, &t);
    if (!rc)
        rc = place(p, &t);
    if (rc)
        return rc;
    if (p->n_tensors >= RN_PICKLE_TENSORS)
        return rn_pickle_fail(p, "has more than %d tensors", RN_PICKLE_TENSORS);
    if (!rn_grow(&p->tensors, &p->tensors_room, p->n_tensors, sizeof(t)))
        return rn_fail_memory(p->err, sizeof(t), "a tensor");
    rc = rn_pickle_new(p, RN_PICKLE_TENSOR, out);
    if (rc)
        return rc;
    p->tensors[p->n_tensors] = t;
    p->objects[*out].u.index = (uint32_t)p->n_tensors++;
    return RN_OK;
}

/* (function, class, its arguments, attributes): a tensor with attributes, or
 * of a class made of tensors'. */
static int call_retyped(struct rn_pickle *p, const struct rn_pickle_global *g,
                        uint32_t args, uint32_t *out)
{
    uint32_t arg[4];
    size_t n = rn_pickle_items(p, args, arg, 4);
    const struct rn_pickle_global *made = n >= 3 ? get_global(p, arg[0]) : NULL;
    const struct rn_pickle_global *class =
        n >= 3 ? get_global(p, arg[1]) : NULL;

    for (size_t i = 0; i < 3 && n >= 3; i++)
        if (rn_pickle_get(p, arg[i])->kind == RN_PICKLE_OPAQUE)
            return rn_pickle_opaque_like(p, arg[i], out);
    if (!made || made->call != call_tensor || !class || class->kind != CLASS)
        return rn_pickle_fail(p, "calls %s.%s for no tensor", g->module,
                              g->name);
    return call_tensor(p, made, arg[2], out);
}

/* --------------------------------------------------------------- names */

static const struct rn_pickle_global globals[] = {
    /* clang-format off */
    {"torch", "Size", rn_pickle_call_first, FUNCTION, 0, 0},
    {"torch", "device", rn_pickle_call_other, FUNCTION, 0, 0},
    {"torch._utils", "_rebuild_tensor", call_tensor, FUNCTION, 0, 0},
    {"torch._utils", "_rebuild_tensor_v2", call_tensor, FUNCTION, 0, 0},
    {"torch._utils", "_rebuild_tensor_v3", call_tensor, FUNCTION, 0, 6},
    {"torch._utils", "_rebuild_parameter", rn_pickle_call_first, FUNCTION, 0, 0},
    {"torch._utils", "_rebuild_parameter_with_state", rn_pickle_call_first, FUNCTION, 0, 0},
    {"torch._tensor", "_rebuild_from_type_v2", call_retyped, FUNCTION, 0, 0},
    {"torch", "Tensor", NULL, CLASS, 0, 0},
    {"torch.nn.parameter", "Parameter", NULL, CLASS, 0, 0},
    {"torch", "FloatStorage", NULL, STORAGE, RN_F32, 0},
    {"torch", "HalfStorage", NULL, STORAGE, RN_F16, 0},
    {"torch", "BFloat16Storage", NULL, STORAGE, RN_BF16, 0},
    {"torch", "DoubleStorage", NULL, STORAGE, RN_F64, 0},
    {"torch", "BoolStorage", NULL, STORAGE, RN_BOOL, 0},
    {"torch", "ByteStorage", NULL, STORAGE, RN_U8, 0},
    {"torch", "CharStorage", NULL, STORAGE, RN_I8, 0},
    {"torch", "ShortStorage", NULL, STORAGE, RN_I16, 0},
    {"torch", "IntStorage", NULL, STORAGE, RN_I32, 0},
    {"torch", "LongStorage", NULL, STORAGE, RN_I64, 0},
    {"torch", "UntypedStorage", NULL, UNTYPED, 0, 0},
    {"torch.storage", "UntypedStorage", NULL, UNTYPED, 0, 0},
    {"torch", "float32", NULL, TYPE, RN_F32, 0},
    {"torch", "float16", NULL, TYPE, RN_F16, 0},
    {"torch", "bfloat16", NULL, TYPE, RN_BF16, 0},
    {"torch", "float64", NULL, TYPE, RN_F64, 0},
    {"torch", "bool", NULL, TYPE, RN_BOOL, 0},
    {"torch", "uint8", NULL, TYPE, RN_U8, 0},
    {"torch", "int8", NULL, TYPE, RN_I8, 0},
    {"torch", "uint16", NULL, TYPE, RN_U16, 0},
    {"torch", "int16", NULL, TYPE, RN_I16, 0},
    {"torch", "uint32", NULL, TYPE, RN_U32, 0},
    {"torch", "int32", NULL, TYPE, RN_I32, 0},
    {"torch", "uint64", NULL, TYPE, RN_U64, 0},
    {"torch", "int64", NULL, TYPE, RN_I64, 0},
    /* clang-format on */
};

const struct rn_pickle_names rn_torch_names = {globals, COUNT(globals),
                                               find_storage};

int rn_torch_add(struct rn_state *state, const struct rn_pickle *p,
                 const char *name, size_t size, uint32_t tensor,
                 struct rn_error *err)
{
    uint32_t index = rn_pickle_get(p, tensor)->u.index;
    const struct rn_pickle_tensor *from = &p->tensors[index];
    struct rn_state_tensor t = {.dtype = from->dtype,
                                .dims = from->dims,
                                .count = from->count,
                                .source = index};

    memcpy(t.dim, from->size, sizeof(t.dim));
    return rn_state_add(state, &t, name, size, err);
}
