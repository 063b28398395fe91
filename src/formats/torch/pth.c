/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens PyTorch's files, zip or older, and reads their storages. */
#include "formats/torch/pth.h"

#include "core/count.h"
#include "core/locale.h"
#include "core/file.h"
#include "core/memory.h"
#include "formats/torch/checkpoint.h"
#include "formats/foreign.h"
#include "formats/torch/pickle_torch.h"
#include "core/zip.h"

#include <stdlib.h>
#include <string.h>

#define PICKLE_FILE "data.pkl"
#define PROTOCOL    1001 /* of the older files */

/* Where the bytes of a storage are: an entry of the zip file, or plain. */
struct place {
    const struct rn_zip_entry *entry;
    const uint8_t *data;
};

struct pth {
    uint8_t *file; /* owned; NULL when the caller has the bytes */
    const uint8_t *bytes;
    size_t size;
    struct rn_zip zip; /* zeroed for the older form */
    uint8_t *program;  /* the pickle, when it was deflated */
    struct rn_pickle pickle;
    struct place *places; /* by storage */
    /* The storage read last. */
    const struct rn_zip_entry *open_entry;
    const uint8_t *open_data;
    uint8_t *open_owned;
};

static void pth_close(void *source)
{
    struct pth *f = source;

    rn_pickle_close(&f->pickle);
    rn_zip_close(&f->zip);
    rn_free(f->program);
    rn_free(f->places);
    rn_free(f->open_owned);
    rn_free(f->file);
    rn_free(f);
}

/* ------------------------------------------------------------ reading */

static int storage_data(struct pth *f, const struct place *place,
                        const uint8_t **data, struct rn_error *err)
{
    int rc = RN_OK;

    *data = place->data;
    if (!place->entry)
        return RN_OK;
    if (place->entry != f->open_entry) {
        rn_free(f->open_owned);
        f->open_entry = NULL;
        rc = rn_zip_read(&f->zip, place->entry, &f->open_data, &f->open_owned,
                         err);
        if (!rc)
            f->open_entry = place->entry;
    }
    *data = f->open_data;
    return rc;
}

/* Next row, rows being the last dimension; false past the last one. `at` is
 * the row's place in the storage. */
static bool next_row(const struct rn_pickle_tensor *t, uint64_t *index,
                     uint64_t *at)
{
    for (int d = t->dims - 2; d >= 0; d--) {
        *at += t->stride[d];
        if (++index[d] < t->size[d])
            return true;
        *at -= t->size[d] * t->stride[d];
        index[d] = 0;
    }
    return false;
}

/* Row-major without gaps: one row of everything. */
static bool is_contiguous(const struct rn_pickle_tensor *t)
{
    uint64_t stride = 1;

    for (int d = t->dims - 1; d >= 0; d--) {
        if (t->size[d] != 1 && t->stride[d] != stride)
            return false;
        stride *= t->size[d];
    }
    return true;
}

static void convert(const struct rn_pickle_tensor *t, const uint8_t *data,
                    float *out)
{
    uint64_t index[RN_TENSOR_DIMS] = {0}, at = t->offset;
    size_t bytes = rn_dtype_bytes(t->dtype);

    if (t->count == 0)
        return;
    if (is_contiguous(t)) {
        rn_dtype_to_float(t->dtype, data + at * bytes, 1, out, t->count);
        return;
    }
    uint64_t row = t->size[t->dims - 1], step = t->stride[t->dims - 1];
    do {
        rn_dtype_to_float(t->dtype, data + at * bytes, step, out, row);
        out += row;
    } while (next_row(t, index, &at));
}

static int pth_read(struct rn_state *state,
                    const struct rn_state_tensor *tensor, float *out,
                    struct rn_error *err)
{
    struct pth *f = state->source;
    const struct rn_pickle_tensor *t = &f->pickle.tensors[tensor->source];
    const uint8_t *data;
    int rc = storage_data(f, &f->places[t->storage], &data, err);

    if (!rc)
        convert(t, data, out);
    return rc;
}

static const struct rn_state_format zip_format = {"PyTorch zip file", pth_read,
                                                  pth_close};
static const struct rn_state_format pickle_format = {"older PyTorch file",
                                                     pth_read, pth_close};

static int alloc_places(struct pth *f, struct rn_error *err)
{
    size_t n = f->pickle.n_storages;

    f->places = rn_alloc(n, sizeof(*f->places));
    return f->places ? RN_OK
                     : rn_fail_memory(err, n * sizeof(*f->places), "storages");
}

/* ------------------------------------------------------------ zip form */

/* The entry of the pickle; *prefix is the length of the folder before it. */
static int find_pickle(const struct rn_state *state, const struct rn_zip *zip,
                       const struct rn_zip_entry **out, size_t *prefix,
                       struct rn_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < zip->count; i++) {
        const struct rn_zip_entry *e = &zip->entries[i];
        size_t before = strlen(e->name);

        if (!rn_ends_with(e->name, PICKLE_FILE))
            continue;
        before -= strlen(PICKLE_FILE);
        if (before > 0 && e->name[before - 1] != '/')
            continue;
        if (*out)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': the zip file has two pickles, '%.60s' and "
                           "'%.60s'",
                           state->path, (*out)->name, e->name);
        *out = e;
        *prefix = before;
    }
    if (*out)
        return RN_OK;
    return rn_foreign_zip(state->path, zip, err);
}

/* The entry FOLDER MIDDLE NAME, the folder cut to `prefix` characters; NULL
 * without one. */
static const struct rn_zip_entry *find_beside(const struct rn_zip *zip,
                                              const char *folder, size_t prefix,
                                              const char *middle,
                                              const uint8_t *name, size_t size)
{
    char full[512];

    if (prefix >= sizeof(full) || size >= sizeof(full))
        return NULL;
    int used = snprintf(full, sizeof(full), "%.*s%s%.*s", (int)prefix, folder,
                        middle, (int)size, (const char *)name);
    return used < (int)sizeof(full) ? rn_zip_find(zip, full) : NULL;
}

static int check_byte_order(const struct rn_state *state,
                            const struct rn_zip *zip, const char *folder,
                            size_t prefix, struct rn_error *err)
{
    static const char little[] = "little";
    const struct rn_zip_entry *e =
        find_beside(zip, folder, prefix, "byteorder", (const uint8_t *)"", 0);
    const uint8_t *text;
    uint8_t *owned;

    if (!e) /* PyTorch before 2.1 */
        return RN_OK;
    int rc = rn_zip_read(zip, e, &text, &owned, err);
    if (!rc && (e->size != strlen(little) || memcmp(text, little, e->size)))
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': its numbers are not little-endian", state->path);
    rn_free(owned);
    return rc;
}

static int read_description(struct rn_state *state, const struct rn_zip *zip,
                            const char *folder, size_t prefix,
                            struct rn_error *err)
{
    const struct rn_zip_entry *e = find_beside(
        zip, folder, prefix, RN_PTH_DESCRIPTION, (const uint8_t *)"", 0);
    const uint8_t *text;
    uint8_t *owned;

    if (!e)
        return RN_OK;
    int rc = rn_zip_read(zip, e, &text, &owned, err);
    if (rc)
        return rc;
    state->description = rn_alloc(e->size + 1, 1);
    if (state->description && e->size > 0)
        memcpy(state->description, text, e->size);
    rn_free(owned);
    return state->description
               ? RN_OK
               : rn_fail_memory(err, e->size, "a model's description");
}

static int find_storages(struct rn_state *state, struct pth *f,
                         const char *folder, size_t prefix,
                         struct rn_error *err)
{
    const struct rn_pickle *p = &f->pickle;
    int rc = alloc_places(f, err);

    for (size_t i = 0; i < p->n_storages && !rc; i++) {
        const struct rn_pickle_storage *s = &p->storages[i];
        const struct rn_pickle_object *key = rn_pickle_get(p, s->key);
        const struct rn_zip_entry *e = find_beside(
            &f->zip, folder, prefix, "data/", key->u.text.at, key->u.text.size);

        if (!e)
            rc = rn_fail(err, RN_ERR_DATA, "'%s': storage data/%.*s is missing",
                         state->path,
                         key->u.text.size < 40 ? (int)key->u.text.size : 40,
                         (const char *)key->u.text.at);
        else if (e->size != s->bytes)
            rc = rn_fail(err, RN_ERR_DATA,
                         "'%s': storage '%.60s' has %llu bytes, expected %llu",
                         state->path, e->name, (unsigned long long)e->size,
                         (unsigned long long)s->bytes);
        f->places[i].entry = e;
    }
    return rc;
}

/* What torch.jit.save() and torch.export.save() write: programs, whose tensors
 * have other names or none. */
static int check_program(const struct rn_state *state, const struct rn_zip *zip,
                         struct rn_error *err)
{
    static const struct {
        const char *end, *what, *function;
    } programs[] = {
        {"/constants.pkl", "a TorchScript archive", "torch.jit.save()"},
        {"/model.json", "a torch.export archive", "torch.export.save()"},
        {"serialized_exported_program.json", "a torch.export archive",
         "torch.export.save()"},
    };
    for (size_t i = 0; i < zip->count; i++)
        for (size_t k = 0; k < COUNT(programs); k++)
            if (rn_ends_with(zip->entries[i].name, programs[k].end))
                return rn_fail(err, RN_ERR_DATA,
                               "'%s': %s (%s), a program that is not run; "
                               "expected torch.save(model.state_dict())",
                               state->path, programs[k].what,
                               programs[k].function);
    return RN_OK;
}

static int open_zip(struct rn_state *state, struct pth *f, struct rn_error *err)
{
    const struct rn_zip_entry *entry;
    const uint8_t *program;
    size_t prefix = 0, used;
    int rc = rn_zip_parse(&f->zip, f->bytes, f->size, state->path, err);

    if (!rc)
        rc = check_program(state, &f->zip, err);
    if (!rc)
        rc = find_pickle(state, &f->zip, &entry, &prefix, err);
    if (!rc)
        rc = check_byte_order(state, &f->zip, entry->name, prefix, err);
    if (!rc)
        rc = read_description(state, &f->zip, entry->name, prefix, err);
    if (!rc)
        rc = rn_zip_read(&f->zip, entry, &program, &f->program, err);
    if (!rc)
        rc = rn_pickle_run(&f->pickle, program, entry->size, state->path,
                           &rn_torch_names, &used, err);
    if (!rc)
        rc = find_storages(state, f, entry->name, prefix, err);
    return rc ? rc : rn_checkpoint_collect(state, &f->pickle, err);
}

/* ---------------------------------------------------------- older form */

/* Bytes of the integer PyTorch starts these files with, little-endian. */
static const uint8_t magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                0x20, 0x6a, 0xa8, 0x50, 0x19};

/* The pickle at *at, which moves behind it. */
static int next_pickle(struct rn_state *state, const struct pth *f, size_t *at,
                       struct rn_pickle *p, struct rn_error *err)
{
    size_t used;
    int rc = rn_pickle_run(p, f->bytes + *at, f->size - *at, state->path,
                           &rn_torch_names, &used, err);

    *at += used;
    return rc;
}

static int check_magic(const struct rn_state *state, const struct rn_pickle *p,
                       struct rn_error *err)
{
    const struct rn_pickle_object *o = rn_pickle_get(p, p->root);
    char name[130];

    if (o->kind == RN_PICKLE_OTHER && o->u.text.size == sizeof(magic) &&
        memcmp(o->u.text.at, magic, sizeof(magic)) == 0)
        return RN_OK;
    if (o->kind == RN_PICKLE_OPAQUE)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': a pickle of %s, which is neither known nor run; "
                       "expected a file of torch.save(model.state_dict())",
                       state->path,
                       rn_pickle_opaque_name(p, p->root, name, sizeof(name)));
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': a pickle, but not a file of torch.save()",
                   state->path);
}

static int check_protocol(const struct rn_state *state,
                          const struct rn_pickle *p, struct rn_error *err)
{
    const struct rn_pickle_object *o = rn_pickle_get(p, p->root);

    if (o->kind == RN_PICKLE_INT && o->u.integer == PROTOCOL)
        return RN_OK;
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': of another protocol of PyTorch's than %d",
                   state->path, PROTOCOL);
}

static int check_system(const struct rn_state *state, const struct rn_pickle *p,
                        struct rn_error *err)
{
    uint32_t little = rn_pickle_lookup(p, p->root, "little_endian");
    const struct rn_pickle_object *o = little ? rn_pickle_get(p, little) : NULL;

    if (o && o->kind == RN_PICKLE_BOOL && o->u.integer)
        return RN_OK;
    return rn_fail(err, RN_ERR_DATA, "'%s': its numbers are not little-endian",
                   state->path);
}

/* What comes before the pickle of the tensors. */
static int read_front(struct rn_state *state, const struct pth *f, size_t *at,
                      struct rn_error *err)
{
    static int (*const check[])(const struct rn_state *,
                                const struct rn_pickle *, struct rn_error *) = {
        check_magic, check_protocol, check_system};
    int rc = RN_OK;
    for (size_t i = 0; i < COUNT(check) && !rc; i++) {
        struct rn_pickle p;

        rc = next_pickle(state, f, at, &p, err);
        if (rc)
            break;
        rc = check[i](state, &p, err);
        rn_pickle_close(&p);
    }
    return rc;
}

/* A storage by its key, to sort and search. */
struct keyed {
    const uint8_t *key;
    size_t size;
    uint32_t storage;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    size_t common = x->size < y->size ? x->size : y->size;
    int order = common ? memcmp(x->key, y->key, common) : 0;

    if (order)
        return order;
    return (x->size > y->size) - (x->size < y->size);
}

static struct keyed *sort_keys(const struct rn_pickle *p)
{
    struct keyed *list = rn_alloc(p->n_storages, sizeof(*list));

    for (size_t i = 0; list && i < p->n_storages; i++) {
        const struct rn_pickle_object *o = rn_pickle_get(p, p->storages[i].key);

        list[i] = (struct keyed){o->u.text.at, o->u.text.size, (uint32_t)i};
    }
    if (list && p->n_storages > 0)
        qsort(list, p->n_storages, sizeof(*list), by_key);
    return list;
}

/* First of the sorted keys that is not less; they are n. */
static size_t first_key(const struct keyed *keys, size_t n,
                        const struct keyed *wanted)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (by_key(&keys[middle], wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The storage of a key at *at, a count and the numbers, which moves on. All
 * references to it must agree on its size. */
static int place_storage(struct rn_state *state, struct pth *f,
                         const struct keyed *keys, const struct keyed *wanted,
                         size_t *at, struct rn_error *err)
{
    const struct rn_pickle *p = &f->pickle;
    size_t first = first_key(keys, p->n_storages, wanted);
    int shown = wanted->size < 40 ? (int)wanted->size : 40;
    uint64_t count, bytes;

    if (first == p->n_storages || by_key(&keys[first], wanted) != 0)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': storage %.*s belongs to no tensor", state->path,
                       shown, (const char *)wanted->key);
    if (f->places[keys[first].storage].data)
        return rn_fail(err, RN_ERR_DATA, "'%s': storage %.*s is listed twice",
                       state->path, shown, (const char *)wanted->key);
    if (f->size - *at < sizeof(count))
        return rn_fail(err, RN_ERR_DATA, "'%s': cut short at storage %.*s",
                       state->path, shown, (const char *)wanted->key);
    memcpy(&count, f->bytes + *at, sizeof(count));
    *at += sizeof(count);
    bytes = p->storages[keys[first].storage].bytes;
    if (bytes > f->size - *at)
        return rn_fail(
            err, RN_ERR_DATA,
            "'%s': cut short: storage %.*s has %zu of its %llu bytes",
            state->path, shown, (const char *)wanted->key, f->size - *at,
            (unsigned long long)bytes);
    for (size_t i = first; i < p->n_storages && by_key(&keys[i], wanted) == 0;
         i++) {
        const struct rn_pickle_storage *s = &p->storages[keys[i].storage];

        if (s->bytes != bytes || bytes % rn_dtype_bytes(s->dtype) ||
            bytes / rn_dtype_bytes(s->dtype) != count)
            return rn_fail(
                err, RN_ERR_DATA,
                "'%s': storage %.*s has %llu numbers, expected %llu",
                state->path, shown, (const char *)wanted->key,
                (unsigned long long)count,
                (unsigned long long)(s->bytes / rn_dtype_bytes(s->dtype)));
        f->places[keys[i].storage].data = f->bytes + *at;
    }
    *at += bytes;
    return RN_OK;
}

static int place_storages(struct rn_state *state, struct pth *f,
                          const struct rn_pickle *list,
                          const struct keyed *keys, size_t at,
                          struct rn_error *err)
{
    const struct rn_pickle_object *o = rn_pickle_get(list, list->root);
    int rc = RN_OK;

    if (o->kind != RN_PICKLE_LIST)
        return rn_fail(err, RN_ERR_DATA, "'%s': there is no list of storages",
                       state->path);
    uint32_t cell = o->u.items.count ? o->u.items.first : 0;
    for (; cell && !rc; cell = list->cells[cell].next) {
        o = rn_pickle_get(list, list->cells[cell].object);
        if (o->kind != RN_PICKLE_TEXT)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': a storage's key is not text", state->path);
        struct keyed wanted = {o->u.text.at, o->u.text.size, 0};
        rc = place_storage(state, f, keys, &wanted, &at, err);
    }
    for (size_t i = 0; i < f->pickle.n_storages && !rc; i++)
        if (!f->places[i].data)
            rc = rn_fail(err, RN_ERR_DATA,
                         "'%s': %zu of its storages are referred to, but "
                         "at least one is missing",
                         state->path, f->pickle.n_storages);
    return rc;
}

static int open_pickles(struct rn_state *state, struct pth *f,
                        struct rn_error *err)
{
    struct rn_pickle list = {0};
    struct keyed *keys = NULL;
    size_t at = 0;
    int rc = read_front(state, f, &at, err);

    if (!rc)
        rc = next_pickle(state, f, &at, &f->pickle, err);
    if (!rc)
        rc = next_pickle(state, f, &at, &list, err);
    if (!rc)
        rc = alloc_places(f, err);
    if (!rc) {
        keys = sort_keys(&f->pickle);
        rc = keys ? place_storages(state, f, &list, keys, at, err)
                  : rn_fail_memory(err, f->pickle.n_storages * sizeof(*keys),
                                   "storages");
    }
    rn_free(keys);
    rn_pickle_close(&list);
    return rc ? rc : rn_checkpoint_collect(state, &f->pickle, err);
}

/* --------------------------------------------------------------- either */

/* The first bytes of a pickle of protocol 2 and later. */
#define PROTO 0x80

bool rn_pth_is(const uint8_t *bytes, size_t size)
{
    /* A length of a safetensors header may begin with the same byte. */
    return rn_zip_is(bytes, size) ||
           (size > 1 && bytes[0] == PROTO && bytes[1] <= 5 &&
            !rn_st_begins(bytes, size));
}

static int parse(struct rn_state *state, struct pth *f, struct rn_error *err)
{
    bool zip = rn_zip_is(f->bytes, f->size);

    state->format = zip ? &zip_format : &pickle_format;
    state->source = f;
    return zip ? open_zip(state, f, err) : open_pickles(state, f, err);
}

static struct pth *new_file(struct rn_error *err)
{
    struct pth *f = rn_alloc(1, sizeof(*f));

    if (!f)
        rn_fail_memory(err, sizeof(*f), "a file");
    return f;
}

int rn_pth_parse(struct rn_state *state, const uint8_t *bytes, size_t size,
                 struct rn_error *err)
{
    struct pth *f = new_file(err);

    if (!f)
        return RN_ERR_MEMORY;
    f->bytes = bytes;
    f->size = size;
    return parse(state, f, err);
}

int rn_pth_open(struct rn_state *state, struct rn_error *err)
{
    struct pth *f = new_file(err);

    if (!f)
        return RN_ERR_MEMORY;
    int rc = rn_file_read(state->path, RN_PTH_LIMIT, &f->file, &f->size, err);
    if (rc) {
        rn_free(f);
        return rc;
    }
    f->bytes = f->file;
    return parse(state, f, err);
}
