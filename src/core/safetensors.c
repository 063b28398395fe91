/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads and writes safetensors files; the header of a file read is not trusted.
 */
#include "core/count.h"
#include "core/safetensors.h"

#include "core/file.h"
#include "core/memory.h"
#include "core/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensor data are copied as they lie: little-endian machines only"
#endif

#define LENGTH_BYTES 8
#define HEADER_LIMIT 100000000 /* the reference implementation's */
#define METADATA     "__metadata__"

/* Names from files are cut to this in messages. */
#define NAME "'%.60s'"

/* Types of whole bytes; the rarer sub-byte ones are refused. */
static const struct dtype {
    const char *name;
    uint64_t bytes;
} dtypes[] = {
    {"F32", 4},  {"F16", 2},     {"BF16", 2},    {"F64", 8},
    {"BOOL", 1}, {"U8", 1},      {"I8", 1},      {"U16", 2},
    {"I16", 2},  {"U32", 4},     {"I32", 4},     {"U64", 8},
    {"I64", 8},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1},
};

static const struct dtype *find_dtype(const char *name)
{
    for (size_t i = 0; i < COUNT(dtypes); i++)
        if (strcmp(name, dtypes[i].name) == 0)
            return &dtypes[i];
    return NULL;
}

/* ------------------------------------------------------------ reading */

static bool get_size(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static int parse_shape(const struct rn_st_file *f, struct rn_st_tensor *t,
                       const json_t *shape, uint64_t *count,
                       struct rn_error *err)
{
    if (!json_is_array(shape) || json_array_size(shape) > RN_TENSOR_DIMS)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': shape of tensor " NAME
                       " is not a list of at most %d sizes",
                       f->path, t->name, RN_TENSOR_DIMS);
    t->dims = (int)json_array_size(shape);
    *count = 1;
    for (int i = 0; i < t->dims; i++) {
        if (!get_size(json_array_get(shape, (size_t)i), &t->dim[i]))
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': shape of tensor " NAME
                           " holds something other than sizes",
                           f->path, t->name);
        if (__builtin_mul_overflow(*count, t->dim[i], count))
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': shape of tensor " NAME
                           " has more elements than 64 bits can count",
                           f->path, t->name);
    }
    return RN_OK;
}

static int parse_offsets(const struct rn_st_file *f, struct rn_st_tensor *t,
                         const json_t *offsets, uint64_t bytes,
                         struct rn_error *err)
{
    uint64_t end;

    if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !get_size(json_array_get(offsets, 0), &t->offset) ||
        !get_size(json_array_get(offsets, 1), &end))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': data_offsets of tensor " NAME
                       " are not two offsets",
                       f->path, t->name);
    if (t->offset > end || end > f->data_bytes)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': tensor " NAME
                       " lies at bytes %llu to %llu, the file has %llu bytes "
                       "of data",
                       f->path, t->name, (unsigned long long)t->offset,
                       (unsigned long long)end,
                       (unsigned long long)f->data_bytes);
    t->bytes = end - t->offset;
    if (t->bytes != bytes)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': tensor " NAME
                       " has %llu bytes, its shape and type take %llu",
                       f->path, t->name, (unsigned long long)t->bytes,
                       (unsigned long long)bytes);
    return RN_OK;
}

static int parse_tensor(const struct rn_st_file *f, struct rn_st_tensor *t,
                        const char *name, const json_t *info,
                        struct rn_error *err)
{
    t->name = rn_strdup(name);
    if (!t->name)
        return rn_fail_memory(err, strlen(name), "a tensor's name");
    const char *type = json_string_value(json_object_get(info, "dtype"));
    const struct dtype *dtype = type ? find_dtype(type) : NULL;
    if (!dtype)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': tensor " NAME " has dtype '%.20s', expected F32",
                       f->path, name, type ? type : "none");
    snprintf(t->dtype, sizeof(t->dtype), "%s", dtype->name);
    uint64_t count = 0;
    int rc = parse_shape(f, t, json_object_get(info, "shape"), &count, err);
    if (rc)
        return rc;
    uint64_t bytes;
    if (__builtin_mul_overflow(count, dtype->bytes, &bytes))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': tensor " NAME
                       " has more bytes than 64 bits can count",
                       f->path, name);
    return parse_offsets(f, t, json_object_get(info, "data_offsets"), bytes,
                         err);
}

static int by_offset(const void *a, const void *b)
{
    const struct rn_st_tensor *x = a, *y = b;

    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty first */
}

static int by_name(const void *a, const void *b)
{
    const struct rn_st_tensor *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* Every byte of the data belongs to exactly one tensor. */
static int check_cover(const struct rn_st_file *f, struct rn_error *err)
{
    uint64_t end = 0;

    for (size_t i = 0; i < f->count; i++) {
        const struct rn_st_tensor *t = &f->tensors[i];

        if (t->offset < end)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': tensors " NAME " and " NAME " overlap",
                           f->path, f->tensors[i - 1].name, t->name);
        if (t->offset > end)
            return rn_fail(
                err, RN_ERR_DATA,
                "'%s': %llu bytes before tensor " NAME " belong to no tensor",
                f->path, (unsigned long long)(t->offset - end), t->name);
        end = t->offset + t->bytes;
    }
    if (end != f->data_bytes)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': %llu bytes after the last tensor, expected none",
                       f->path, (unsigned long long)(f->data_bytes - end));
    return RN_OK;
}

static int parse_metadata(struct rn_st_file *f, json_t *metadata,
                          struct rn_error *err)
{
    void *i = json_object_iter(metadata);
    bool strings = json_is_object(metadata);
    for (; i; i = json_object_iter_next(metadata, i))
        strings = strings && json_is_string(json_object_iter_value(i));
    if (!strings)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': " METADATA " is not an object of strings",
                       f->path);
    return rn_json_text(&f->metadata, metadata, err);
}

static int parse_entries(struct rn_st_file *f, json_t *header,
                         struct rn_error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach(header, name, value)
    {
        int rc;

        if (strcmp(name, METADATA) == 0)
            rc = parse_metadata(f, value, err);
        else
            rc = parse_tensor(f, &f->tensors[f->count++], name, value, err);
        if (rc)
            return rc;
    }
    return RN_OK;
}

/* The JSON header, once f->data_bytes is known. */
static int parse_header(struct rn_st_file *f, const char *text, size_t size,
                        struct rn_error *err)
{
    json_t *header;
    int rc = rn_json_parse(&header, text, size, f->path, "the header", err);

    if (rc)
        return rc;
    size_t n = json_object_size(header);
    f->tensors = rn_alloc(n, sizeof(*f->tensors));
    f->by_name = rn_alloc(n, sizeof(*f->by_name));
    if (!json_is_object(header))
        rc = rn_fail(err, RN_ERR_DATA, "'%s': the header is not a JSON object",
                     f->path);
    else if (!f->tensors || !f->by_name)
        rc = rn_fail_memory(err, n * sizeof(*f->tensors), "a tensor list");
    else
        rc = parse_entries(f, header, err);
    json_decref(header);
    if (rc)
        return rc;
    if (f->count > 0)
        qsort(f->tensors, f->count, sizeof(*f->tensors), by_offset);
    for (size_t i = 0; i < f->count; i++)
        f->by_name[i] = &f->tensors[i];
    if (f->count > 0)
        qsort(f->by_name, f->count, sizeof(*f->by_name), by_name);
    return check_cover(f, err);
}

/* Length of the header from the first bytes of a file of `size` bytes. */
static int header_length(struct rn_st_file *f, const uint8_t *first,
                         uint64_t size, uint64_t *length, struct rn_error *err)
{
    memcpy(length, first, LENGTH_BYTES);
    if (*length > size - LENGTH_BYTES)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': not a safetensors file, or cut short: a header "
                       "of %llu bytes in a file of %llu",
                       f->path, (unsigned long long)*length,
                       (unsigned long long)size);
    if (*length > HEADER_LIMIT)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': a header of %llu bytes, at most %d expected",
                       f->path, (unsigned long long)*length, HEADER_LIMIT);
    f->data_start = LENGTH_BYTES + *length;
    f->data_bytes = size - f->data_start;
    return RN_OK;
}

static int fail_short(const struct rn_st_file *f, uint64_t size,
                      struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': %llu bytes are too few for a safetensors file",
                   f->path, (unsigned long long)size);
}

static int start(struct rn_st_file *f, const char *path, struct rn_error *err)
{
    memset(f, 0, sizeof(*f));
    f->path = rn_strdup(path);
    return f->path ? RN_OK : rn_fail_memory(err, strlen(path), "a path");
}

int rn_st_parse(struct rn_st_file *f, const void *bytes, size_t size,
                const char *path, struct rn_error *err)
{
    int rc = start(f, path, err);
    uint64_t length = 0;

    if (!rc)
        rc = size < LENGTH_BYTES ? fail_short(f, size, err)
                                 : header_length(f, bytes, size, &length, err);
    if (!rc) {
        f->data = (const uint8_t *)bytes + f->data_start;
        rc = parse_header(f, (const char *)bytes + LENGTH_BYTES, length, err);
    }
    if (rc)
        rn_st_close(f);
    return rc;
}

/* Open a regular file; anything else (folder, pipe) is not waited on. */
static int open_file(struct rn_st_file *f, uint64_t *size, struct rn_error *err)
{
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        return rn_fail_errno(err, "open", f->path);
    if (fstat(fd, &st) != 0) {
        int rc = rn_fail_errno(err, "read", f->path);

        close(fd);
        return rc;
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return rn_fail(err, RN_ERR_IO, "cannot read '%s': not a regular file",
                       f->path);
    }
    *size = (uint64_t)st.st_size;
    f->file = fdopen(fd, "rb");
    if (!f->file) {
        int rc = rn_fail_errno(err, "open", f->path);

        close(fd);
        return rc;
    }
    /* Reads are whole tensors: a buffer would only copy. */
    setvbuf(f->file, NULL, _IONBF, 0);
    return RN_OK;
}

static int read_at(const struct rn_st_file *f, uint64_t offset, void *out,
                   size_t bytes, struct rn_error *err)
{
    errno = 0;
    if (fseeko(f->file, (off_t)offset, SEEK_SET) == 0 &&
        fread(out, 1, bytes, f->file) == bytes)
        return RN_OK;
    if (errno)
        return rn_fail_errno(err, "read", f->path);
    return rn_fail(err, RN_ERR_DATA, "'%s': became shorter while being read",
                   f->path);
}

static int read_header(struct rn_st_file *f, uint64_t size,
                       struct rn_error *err)
{
    uint8_t first[LENGTH_BYTES];
    uint64_t length;

    if (size < LENGTH_BYTES)
        return fail_short(f, size, err);
    int rc = read_at(f, 0, first, sizeof(first), err);
    if (!rc)
        rc = header_length(f, first, size, &length, err);
    if (rc)
        return rc;
    char *text = rn_alloc(length, 1);
    if (!text)
        return rn_fail_memory(err, length, "the header of a model file");
    rc = read_at(f, LENGTH_BYTES, text, length, err);
    if (!rc)
        rc = parse_header(f, text, length, err);
    rn_free(text);
    return rc;
}

bool rn_st_begins(const uint8_t *bytes, size_t size)
{
    return size > 8 && bytes[8] == '{';
}

int rn_st_open(struct rn_st_file *f, const char *path, struct rn_error *err)
{
    uint64_t size = 0;
    int rc = start(f, path, err);

    if (!rc)
        rc = open_file(f, &size, err);
    if (!rc)
        rc = read_header(f, size, err);
    if (rc)
        rn_st_close(f);
    return rc;
}

void rn_st_close(struct rn_st_file *f)
{
    for (size_t i = 0; i < f->count; i++)
        rn_free(f->tensors[i].name);
    rn_free(f->tensors);
    rn_free(f->by_name);
    rn_free(f->metadata);
    rn_free(f->path);
    if (f->file)
        fclose(f->file);
    memset(f, 0, sizeof(*f));
}

static int name_to_tensor(const void *name, const void *tensor)
{
    return strcmp(name, (*(const struct rn_st_tensor *const *)tensor)->name);
}

const struct rn_st_tensor *rn_st_find(const struct rn_st_file *f,
                                      const char *name)
{
    const struct rn_st_tensor *const *found =
        f->count == 0 ? NULL
                      : bsearch(name, f->by_name, f->count, sizeof(*f->by_name),
                                name_to_tensor);

    return found ? *found : NULL;
}

bool rn_st_is_f32(const struct rn_st_tensor *t, int dims, const size_t *dim)
{
    return rn_st_is(t, RN_F32, dims, dim);
}

bool rn_st_is(const struct rn_st_tensor *t, enum rn_dtype type, int dims,
              const size_t *dim)
{
    if (strcmp(t->dtype, rn_dtype_name(type)) != 0 || t->dims != dims)
        return false;
    for (int i = 0; i < dims; i++)
        if (t->dim[i] != dim[i])
            return false;
    return true;
}

const char *rn_st_shape_text(const struct rn_st_tensor *t, char *buf,
                             size_t size)
{
    size_t used = (size_t)snprintf(buf, size, "%s [", t->dtype);

    for (int i = 0; i < t->dims && used < size; i++)
        used += (size_t)snprintf(buf + used, size - used, "%s%llu",
                                 i ? "," : "", (unsigned long long)t->dim[i]);
    if (used < size)
        snprintf(buf + used, size - used, "]");
    return buf;
}

int rn_st_metadata(const struct rn_st_file *f, const char *key, char **out,
                   struct rn_error *err)
{
    json_t *metadata;

    *out = NULL;
    if (!f->metadata)
        return RN_OK;
    int rc = rn_json_parse(&metadata, f->metadata, strlen(f->metadata), f->path,
                           "the metadata", err);
    if (rc)
        return rc;
    const char *text = json_string_value(json_object_get(metadata, key));
    *out = rn_strdup(text);
    if (text && !*out)
        rc = rn_fail_memory(err, strlen(text), "a text of the metadata");
    json_decref(metadata);
    return rc;
}

int rn_st_read(const struct rn_st_file *f, const struct rn_st_tensor *t,
               void *out, struct rn_error *err)
{
    if (f->file)
        return read_at(f, f->data_start + t->offset, out, t->bytes, err);
    memcpy(out, f->data + t->offset, t->bytes);
    return RN_OK;
}

/* ------------------------------------------------------------ writing */

static size_t out_bytes(const struct rn_st_out *t)
{
    size_t bytes = rn_dtype_bytes(t->type);

    for (int i = 0; i < t->dims; i++)
        bytes *= t->dim[i];
    return bytes;
}

static json_t *entry_json(const struct rn_st_out *t, size_t offset)
{
    json_t *shape = json_array();

    for (int i = 0; i < t->dims; i++)
        json_array_append_new(shape, json_integer((json_int_t)t->dim[i]));
    if (json_array_size(shape) != (size_t)t->dims) {
        json_decref(shape);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", rn_dtype_name(t->type),
                     "shape", shape, "data_offsets", (json_int_t)offset,
                     (json_int_t)(offset + out_bytes(t)));
}

static int add_entries(json_t *header, const struct rn_st_out *tensors,
                       size_t count, const char *path, struct rn_error *err)
{
    size_t offset = 0;

    for (size_t i = 0; i < count; i++) {
        const struct rn_st_out *t = &tensors[i];

        if (json_object_get(header, t->name))
            return rn_fail(err, RN_ERR_ARG,
                           "cannot write '%s': two tensors are called " NAME,
                           path, t->name);
        if (json_object_set_new(header, t->name, entry_json(t, offset)) != 0)
            return rn_fail(
                err, RN_ERR_MEMORY,
                "memory is too short for the header of a model file");
        offset += out_bytes(t);
    }
    return RN_OK;
}

static int header_text(char **out, const char *path,
                       const struct rn_st_out *tensors, size_t count,
                       const char *metadata, struct rn_error *err)
{
    int rc = RN_OK;
    json_t *header = json_object(), *meta = NULL;

    if (!header)
        return rn_fail(err, RN_ERR_MEMORY,
                       "memory is too short for the header of a model file");
    if (metadata)
        rc = rn_json_parse(&meta, metadata, strlen(metadata), path,
                           "the metadata to write", err);
    if (!rc && meta && json_object_set(header, METADATA, meta) != 0)
        rc = rn_fail(err, RN_ERR_MEMORY,
                     "memory is too short for the header of a model file");
    if (!rc)
        rc = add_entries(header, tensors, count, path, err);
    if (!rc)
        rc = rn_json_text(out, header, err);
    json_decref(meta);
    json_decref(header);
    return rc;
}

/* Length, header, and spaces that put the data at a multiple of 8. */
static int write_header(struct rn_writer *w, const char *text,
                        struct rn_error *err)
{
    static const char spaces[] = "       ";
    size_t size = strlen(text), pad = -size % 8;
    uint64_t length = size + pad;
    int rc = rn_writer_write(w, &length, LENGTH_BYTES, err);

    if (!rc)
        rc = rn_writer_write(w, text, size, err);
    if (!rc)
        rc = rn_writer_write(w, spaces, pad, err);
    return rc;
}

int rn_st_write(const char *path, const struct rn_st_out *tensors, size_t count,
                const char *metadata, struct rn_error *err)
{
    char *text;
    struct rn_writer w = {0};
    int rc = header_text(&text, path, tensors, count, metadata, err);

    if (rc)
        return rc;
    rc = rn_writer_open(&w, path, err);
    if (!rc)
        rc = write_header(&w, text, err);
    for (size_t i = 0; i < count && !rc; i++)
        rc = rn_writer_write(&w, tensors[i].data, out_bytes(&tensors[i]), err);
    if (!rc)
        rc = rn_writer_commit(&w, err);
    rn_writer_abort(&w);
    rn_free(text);
    return rc;
}
