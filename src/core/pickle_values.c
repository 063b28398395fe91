/* SPDX-License-Identifier: BSD-2-Clause */
/* The values of a pickle: making them, and looking at them. */
#include "core/pickle.h"

#include "core/locale.h"
#include "core/memory.h"

#include <stdarg.h>
#include <string.h>

int rn_pickle_fail(const struct rn_pickle *p, const char *format, ...)
{
    char text[360];
    va_list args;

    va_start(args, format);
    rn_format_list(text, sizeof(text), format, args);
    va_end(args);
    return rn_fail(p->err, RN_ERR_DATA, "'%s': its pickle %s", p->path, text);
}

/* ------------------------------------------------------------- values */

int rn_pickle_grow(struct rn_pickle *p, void *array, size_t *room, size_t count,
                   size_t size, const char *what)
{
    if (count >= RN_PICKLE_MOST)
        return rn_pickle_fail(p, "has more than %d %s", RN_PICKLE_MOST, what);
    if (!rn_grow(array, room, count, size))
        return rn_fail_memory(p->err, (count + 1) * size, "a pickle");
    return RN_OK;
}

int rn_pickle_new(struct rn_pickle *p, enum rn_pickle_kind kind, uint32_t *out)
{
    int rc = rn_pickle_grow(p, &p->objects, &p->objects_room, p->n_objects,
                            sizeof(*p->objects), "values");

    if (rc)
        return rc;
    *out = (uint32_t)p->n_objects++;
    p->objects[*out] = (struct rn_pickle_object){.kind = kind};
    return RN_OK;
}

int rn_pickle_add(struct rn_pickle *p, uint32_t object, uint32_t item)
{
    int rc = rn_pickle_grow(p, &p->cells, &p->cells_room, p->n_cells,
                            sizeof(*p->cells), "items");

    if (rc)
        return rc;
    uint32_t cell = (uint32_t)p->n_cells++;
    struct rn_pickle_object *o = &p->objects[object];
    p->cells[cell] = (struct rn_pickle_cell){item, 0};
    if (o->u.items.count++ == 0)
        o->u.items.first = cell;
    else
        p->cells[o->u.items.last].next = cell;
    o->u.items.last = cell;
    return RN_OK;
}

const struct rn_pickle_object *rn_pickle_get(const struct rn_pickle *p,
                                             uint32_t object)
{
    return &p->objects[object];
}

bool rn_pickle_text_is(const struct rn_pickle *p, uint32_t object,
                       const char *text)
{
    const struct rn_pickle_object *o = &p->objects[object];

    return o->kind == RN_PICKLE_TEXT && o->u.text.size == strlen(text) &&
           memcmp(o->u.text.at, text, o->u.text.size) == 0;
}

static bool is_container(const struct rn_pickle_object *o)
{
    return o->kind == RN_PICKLE_TUPLE || o->kind == RN_PICKLE_LIST ||
           o->kind == RN_PICKLE_DICT;
}

size_t rn_pickle_items(const struct rn_pickle *p, uint32_t object,
                       uint32_t *out, size_t most)
{
    const struct rn_pickle_object *o = &p->objects[object];
    size_t n = 0;
    uint32_t cell = is_container(o) && o->u.items.count ? o->u.items.first : 0;

    for (; cell && n < most; cell = p->cells[cell].next)
        out[n++] = p->cells[cell].object;
    return n;
}

uint32_t rn_pickle_lookup(const struct rn_pickle *p, uint32_t dict,
                          const char *key)
{
    const struct rn_pickle_object *o = &p->objects[dict];
    uint32_t found = 0;
    uint32_t cell =
        o->kind == RN_PICKLE_DICT && o->u.items.count ? o->u.items.first : 0;

    while (cell) {
        uint32_t value = p->cells[cell].next;

        if (rn_pickle_text_is(p, p->cells[cell].object, key))
            found = p->cells[value].object;
        cell = p->cells[value].next;
    }
    return found;
}

uint32_t rn_pickle_first(const struct rn_pickle *p, uint32_t dict)
{
    const struct rn_pickle_object *o = &p->objects[dict];

    return o->u.items.count ? o->u.items.first : 0;
}

bool rn_pickle_pair(const struct rn_pickle *p, uint32_t *cell, uint32_t *key,
                    uint32_t *value)
{
    if (!*cell)
        return false;
    *key = p->cells[*cell].object;
    *cell = p->cells[*cell].next;
    *value = p->cells[*cell].object;
    *cell = p->cells[*cell].next;
    return true;
}

/* ------------------------------------------------------ opaque values */

bool rn_pickle_same(const uint8_t *text, size_t size, const char *expected)
{
    return size == strlen(expected) && memcmp(text, expected, size) == 0;
}

bool rn_pickle_opaque_is(const struct rn_pickle *p, uint32_t object,
                         const char *module, const char *name)
{
    const struct rn_pickle_object *o = &p->objects[object];

    if (o->kind != RN_PICKLE_OPAQUE)
        return false;
    const struct rn_pickle_name *n = &p->names[o->u.opaque.name];
    return rn_pickle_same(n->module, n->module_size, module) &&
           rn_pickle_same(n->name, n->name_size, name);
}

static int shown(size_t size)
{
    return size < 60 ? (int)size : 60;
}

const char *rn_pickle_opaque_name(const struct rn_pickle *p, uint32_t object,
                                  char *buf, size_t size)
{
    const struct rn_pickle_name *n =
        &p->names[p->objects[object].u.opaque.name];

    snprintf(buf, size, "%.*s.%.*s", shown(n->module_size),
             (const char *)n->module, shown(n->name_size),
             (const char *)n->name);
    return buf;
}

/* An opaque value of a name seen for the first time. */
int rn_pickle_new_opaque(struct rn_pickle *p, const struct rn_pickle_name *name,
                         uint32_t *out)
{
    int rc = rn_pickle_grow(p, &p->names, &p->names_room, p->n_names,
                            sizeof(*p->names), "names");

    if (!rc)
        rc = rn_pickle_new(p, RN_PICKLE_OPAQUE, out);
    if (rc)
        return rc;
    p->names[p->n_names] = *name;
    p->objects[*out].u.opaque.name = (uint32_t)p->n_names++;
    return RN_OK;
}

int rn_pickle_opaque_like(struct rn_pickle *p, uint32_t of, uint32_t *out)
{
    uint32_t name = p->objects[of].u.opaque.name;
    int rc = rn_pickle_new(p, RN_PICKLE_OPAQUE, out);

    if (!rc)
        p->objects[*out].u.opaque.name = name;
    return rc;
}
