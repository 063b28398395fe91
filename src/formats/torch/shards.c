/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens safetensors files, one or those of an index, as one state dictionary.
 */
#include "formats/torch/shards.h"

#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"
#include "formats/foreign.h"
#include "core/json.h"
#include "core/safetensors.h"

#include <string.h>

#define INDEX_LIMIT ((size_t)100 << 20)

struct shard {
    char *name; /* of the file, without folder */
    struct rn_st_file file;
};

/* Tensors point at those of the files: `source` counts through them all, in
 * the files' order. */
struct shards {
    struct shard *shards;
    size_t count, room;
    uint32_t *first; /* source of each shard's first tensor */
    size_t first_room;
};

static void shards_close(void *source)
{
    struct shards *s = source;

    for (size_t i = 0; i < s->count; i++) {
        rn_st_close(&s->shards[i].file);
        rn_free(s->shards[i].name);
    }
    rn_free(s->shards);
    rn_free(s->first);
    rn_free(s);
}

/* The file a tensor is in. */
static const struct rn_st_file *file_of(const struct shards *s, uint32_t source,
                                        uint32_t *index)
{
    size_t i = 0;

    while (i + 1 < s->count && s->first[i + 1] <= source)
        i++;
    *index = source - s->first[i];
    return &s->shards[i].file;
}

static int shards_read(struct rn_state *state, const struct rn_state_tensor *t,
                       float *out, struct rn_error *err)
{
    uint32_t index;
    const struct rn_st_file *f = file_of(state->source, t->source, &index);
    const struct rn_st_tensor *from = &f->tensors[index];

    if (t->dtype == RN_F32)
        return rn_st_read(f, from, out, err);
    uint8_t *bytes = rn_alloc(from->bytes, 1);
    if (!bytes)
        return rn_fail_memory(err, from->bytes, "a tensor");
    int rc = rn_st_read(f, from, bytes, err);
    if (!rc)
        rn_dtype_to_float(t->dtype, bytes, 1, out, t->count);
    rn_free(bytes);
    return rc;
}

static const struct rn_state_format one_format = {"safetensors file",
                                                  shards_read, shards_close};
static const struct rn_state_format index_format = {"sharded safetensors file",
                                                    shards_read, shards_close};

static int start(struct rn_state *state, const struct rn_state_format *format,
                 struct rn_error *err)
{
    struct shards *s = rn_alloc(1, sizeof(*s));

    if (!s)
        return rn_fail_memory(err, sizeof(*s), "a file");
    state->format = format;
    state->source = s;
    return RN_OK;
}

/* Open one more file; `name` is what the index calls it. */
static int open_shard(struct shards *s, const char *name, const char *path,
                      struct rn_error *err)
{
    uint32_t first = 0;

    if (s->count > 0)
        first = s->first[s->count - 1] +
                (uint32_t)s->shards[s->count - 1].file.count;
    if (!rn_grow(&s->shards, &s->room, s->count, sizeof(*s->shards)) ||
        !rn_grow(&s->first, &s->first_room, s->count, sizeof(*s->first)))
        return rn_fail_memory(err, sizeof(*s->shards), "a file");
    struct shard *shard = &s->shards[s->count];
    shard->name = rn_strdup(name);
    if (!shard->name)
        return rn_fail_memory(err, strlen(name), "a file's name");
    s->first[s->count++] = first;
    return rn_st_open(&shard->file, path, err);
}

/* The index-th tensor of a file becomes one of the state's. */
static int add_tensor(struct rn_state *state, const struct rn_st_file *f,
                      size_t index, uint32_t first, struct rn_error *err)
{
    const struct rn_st_tensor *from = &f->tensors[index];
    struct rn_state_tensor t = {.dims = from->dims,
                                .source = first + (uint32_t)index};

    if (!rn_dtype_find(from->dtype, &t.dtype))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': tensor '%.60s' has dtype %s, which is not read",
                       f->path, from->name, from->dtype);
    memcpy(t.dim, from->dim, sizeof(t.dim));
    t.count = from->bytes / rn_dtype_bytes(t.dtype);
    return rn_state_add(state, &t, from->name, strlen(from->name), err);
}

/* ------------------------------------------------------------ one file */

/* The network's name, where its metadata have it. */
static int find_architecture(struct rn_state *state, const struct rn_st_file *f,
                             struct rn_error *err)
{
    char *name;
    int rc = rn_st_metadata(f, "architecture", &name, err);

    if (name && strlen(name) < sizeof(state->architecture))
        snprintf(state->architecture, sizeof(state->architecture), "%s", name);
    rn_free(name);
    return rc;
}

int rn_shards_open_one(struct rn_state *state, struct rn_error *err)
{
    int rc = start(state, &one_format, err);

    if (!rc)
        rc = open_shard(state->source, state->path, state->path, err);
    if (rc)
        return rc;
    const struct shards *s = state->source;
    const struct rn_st_file *f = &s->shards[0].file;
    for (size_t i = 0; i < f->count && !rc; i++)
        rc = add_tensor(state, f, i, 0, err);
    if (!rc)
        rc = find_architecture(state, f, err);
    return rc ? rc : rn_state_finish(state, err);
}

/* --------------------------------------------------------------- index */

bool rn_shards_is(const uint8_t *bytes, size_t size)
{
    size_t mark = rn_text_mark(bytes, size);

    /* No length of a safetensors header is so large. */
    return size > mark && bytes[mark] == '{' && !rn_st_begins(bytes, size);
}

/* "FOLDER/NAME" beside the index. */
static char *path_beside(const char *index, const char *name)
{
    const char *slash = strrchr(index, '/');

    if (!slash)
        return rn_strdup(name);
    char *folder = rn_strdup(index);
    if (!folder)
        return NULL;
    folder[slash - index + 1] = '\0';
    char *path = rn_path_join(folder, name);
    rn_free(folder);
    return path;
}

/* The open file of that name, opened if it is the first time. */
static int find_shard(struct rn_state *state, const char *name, size_t *out,
                      struct rn_error *err)
{
    struct shards *s = state->source;

    for (*out = 0; *out < s->count; ++*out)
        if (strcmp(s->shards[*out].name, name) == 0)
            return RN_OK;
    if (strchr(name, '/') || strcmp(name, "..") == 0 || !*name)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': names '%.60s', expected a file beside it",
                       state->path, name);
    if (s->count == RN_SHARDS_MOST)
        return rn_fail(err, RN_ERR_DATA, "'%s': names more than %d files",
                       state->path, RN_SHARDS_MOST);
    char *path = path_beside(state->path, name);
    if (!path)
        return rn_fail_memory(err, strlen(name), "a path");
    int rc = rn_foreign_check(path, err);
    if (!rc)
        rc = open_shard(s, name, path, err);
    rn_free(path);
    return rc;
}

static int add_mapped(struct rn_state *state, const char *tensor,
                      const char *file, struct rn_error *err)
{
    struct shards *s = state->source;
    size_t i;

    if (!file)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': the file of tensor '%.60s' is no text",
                       state->path, tensor);
    int rc = find_shard(state, file, &i, err);
    if (rc)
        return rc;
    const struct rn_st_file *f = &s->shards[i].file;
    const struct rn_st_tensor *t = rn_st_find(f, tensor);
    if (!t)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': tensor '%.60s' is missing, which '%.100s' says "
                       "is there",
                       f->path, tensor, state->path);
    return add_tensor(state, f, (size_t)(t - f->tensors), s->first[i], err);
}

/* Whether it is the config.json of Hugging Face's or timm's. */
static bool describes_network(const json_t *object)
{
    return json_object_get(object, "architectures") ||
           json_object_get(object, "model_type") ||
           json_object_get(object, "architecture");
}

static int add_all_mapped(struct rn_state *state, json_t *index,
                          struct rn_error *err)
{
    json_t *map = json_object_get(index, "weight_map"), *file;
    const char *tensor;

    if (!json_is_object(map) && describes_network(index))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' describes a network and holds no weights: give "
                       "the file of these (model.safetensors, say), and it is "
                       "read beside them",
                       state->path);
    if (!json_is_object(map))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': JSON, but not an index of safetensors files: it "
                       "has no \"weight_map\"",
                       state->path);
    json_object_foreach(map, tensor, file)
    {
        int rc = add_mapped(state, tensor, json_string_value(file), err);

        if (rc)
            return rc;
    }
    return rn_state_finish(state, err);
}

int rn_shards_open(struct rn_state *state, struct rn_error *err)
{
    char *text;
    size_t size;
    json_t *index;
    int rc = rn_text_read(state->path, INDEX_LIMIT, &text, &size, err);

    if (rc)
        return rc;
    rc = rn_json_parse(&index, text, size, state->path, "the index", err);
    rn_free(text);
    if (rc)
        return rc;
    rc = start(state, &index_format, err);
    if (!rc)
        rc = add_all_mapped(state, index, err);
    json_decref(index);
    return rc;
}
