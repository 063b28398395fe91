/* SPDX-License-Identifier: BSD-2-Clause */
/* Tensors of an ONNX file: as bytes, as numbers in fields of their own, or in
 * a file beside it. */
#include "formats/onnx/file.h"

#include "core/count.h"
#include "core/memory.h"
#include "formats/onnx/fields.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Types of numbers, and the field that has them when raw bytes do not. */
static const struct type {
    uint64_t number;
    enum rn_dtype dtype;
    uint32_t field;
    enum rn_pb_type item;
} types[] = {
    /* clang-format off */
    {ONNX_FLOAT,    RN_F32,  ONNX_TENSOR_FLOATS,  RN_PB_FIXED32},
    {ONNX_UINT8,    RN_U8,   ONNX_TENSOR_INT32S,  RN_PB_VARINT},
    {ONNX_INT8,     RN_I8,   ONNX_TENSOR_INT32S,  RN_PB_VARINT},
    {ONNX_UINT16,   RN_U16,  ONNX_TENSOR_INT32S,  RN_PB_VARINT},
    {ONNX_INT16,    RN_I16,  ONNX_TENSOR_INT32S,  RN_PB_VARINT},
    {ONNX_INT32,    RN_I32,  ONNX_TENSOR_INT32S,  RN_PB_VARINT},
    {ONNX_INT64,    RN_I64,  ONNX_TENSOR_INT64S,  RN_PB_VARINT},
    {ONNX_BOOL,     RN_BOOL, ONNX_TENSOR_INT32S,  RN_PB_VARINT},
    {ONNX_FLOAT16,  RN_F16,  ONNX_TENSOR_INT32S,  RN_PB_VARINT},
    {ONNX_DOUBLE,   RN_F64,  ONNX_TENSOR_DOUBLES, RN_PB_FIXED64},
    {ONNX_UINT32,   RN_U32,  ONNX_TENSOR_UINT64S, RN_PB_VARINT},
    {ONNX_UINT64,   RN_U64,  ONNX_TENSOR_UINT64S, RN_PB_VARINT},
    {ONNX_BFLOAT16, RN_BF16, ONNX_TENSOR_INT32S,  RN_PB_VARINT},
    /* clang-format on */
};

static const struct type *type_of(enum rn_dtype dtype)
{
    for (size_t i = 0; i < COUNT(types); i++)
        if (types[i].dtype == dtype)
            return &types[i];
    return &types[0];
}

static int fail_tensor(const struct rn_onnx *f, const struct rn_onnx_tensor *t,
                       const char *why, struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA, "'%s': tensor '%.*s' %s", f->path,
                   RN_PB_SHOW(t->name), why);
}

/* ----------------------------------------------------------- other files */

/* A name of a file, or of a folder: not one above or the same. */
static bool is_part(struct rn_pb name)
{
    return name.size > 0 && name.size < 256 && !rn_pb_is(name, ".") &&
           !rn_pb_is(name, "..");
}

/* Names of folders and a file, below where they begin. */
static bool is_below(struct rn_pb path)
{
    if (path.size == 0 || path.size >= PATH_MAX ||
        memchr(path.at, '\\', path.size) || memchr(path.at, 0, path.size))
        return false;
    for (;;) {
        const uint8_t *slash =
            path.size ? memchr(path.at, '/', path.size) : NULL;
        size_t n = slash ? (size_t)(slash - path.at) : path.size;

        if (!is_part((struct rn_pb){path.at, n}))
            return false;
        if (!slash)
            return true;
        path = (struct rn_pb){slash + 1, path.size - n - 1};
    }
}

/* Whether `path` lies in or below the folder that the file `model` lies in;
 * both without links. */
static bool lies_below(const char *path, const char *model)
{
    const char *slash = strrchr(model, '/');
    size_t n = slash ? (size_t)(slash - model) + 1 : 0;

    return n > 0 && strncmp(path, model, n) == 0;
}

/* Whether a link leads out: what `path` is lies neither below the folder of
 * the model's name, nor below that of the file this name leads to (a download
 * cache has links to both in one place). */
static int check_links(const struct rn_onnx *f, const char *path, size_t folder,
                       struct rn_error *err)
{
    char *real = realpath(path, NULL), *model = realpath(f->path, NULL);
    char *name = rn_alloc(folder + 2, 1), *base = NULL;
    bool below = false;
    int rc = RN_OK;

    if (name) {
        memcpy(name, folder ? f->path : "./", folder ? folder : 2);
        base = realpath(name, NULL);
    }
    if (!real)
        rc = rn_fail_errno(err, "open", path);
    else if (base && strncmp(real, base, strlen(base)) == 0)
        below = real[strlen(base)] == '/' || strcmp(base, "/") == 0;
    if (!rc && !below && !(model && lies_below(real, model)))
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' is a link to '%s', which lies outside of the "
                     "model's folder",
                     path, real);
    free(real);
    free(model);
    free(base);
    rn_free(name);
    return rc;
}

/* The file beside the model's that a tensor lies in. */
static int external_path(const struct rn_onnx *f,
                         const struct rn_onnx_tensor *t, char **out,
                         struct rn_error *err)
{
    struct rn_pb name = t->location;
    const char *slash = strrchr(f->path, '/');
    size_t folder = slash ? (size_t)(slash - f->path) + 1 : 0;

    if (name.size > 2 && memcmp(name.at, "./", 2) == 0)
        name = (struct rn_pb){name.at + 2, name.size - 2};
    if (!is_below(name))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': tensor '%.*s' lies in '%.*s', which is no file "
                       "of the same folder, or below",
                       f->path, RN_PB_SHOW(t->name), RN_PB_SHOW(name));
    *out = rn_alloc(folder + name.size + 1, 1);
    if (!*out)
        return rn_fail_memory(err, folder + name.size, "a path");
    memcpy(*out, f->path, folder);
    memcpy(*out + folder, name.at, name.size);
    return check_links(f, *out, folder, err);
}

/* An open file that has all of a tensor's bytes. */
static int check_part(int fd, const char *path, const struct rn_onnx_tensor *t,
                      struct rn_error *err)
{
    struct stat st;
    uint64_t bytes = t->count * rn_dtype_bytes(t->dtype);

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return rn_fail(err, RN_ERR_IO, "cannot read '%s': not a regular file",
                       path);
    if (t->offset <= (uint64_t)st.st_size &&
        bytes <= (uint64_t)st.st_size - t->offset)
        return RN_OK;
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': %lld bytes, but a tensor of %llu should begin at "
                   "%llu",
                   path, (long long)st.st_size, (unsigned long long)bytes,
                   (unsigned long long)t->offset);
}

static int read_part(int fd, const char *path, const struct rn_onnx_tensor *t,
                     uint8_t **out, struct rn_error *err)
{
    size_t bytes = (size_t)t->count * rn_dtype_bytes(t->dtype), done = 0;

    *out = rn_alloc(bytes, 1);
    if (!*out)
        return rn_fail_memory(err, bytes, "a tensor");
    while (done < bytes) {
        ssize_t got =
            pread(fd, *out + done, bytes - done, (off_t)(t->offset + done));

        if (got <= 0)
            return rn_fail_errno(err, "read", path);
        done += (size_t)got;
    }
    return RN_OK;
}

/* Check that a tensor lies in its file; with `out`, read it, too. */
static int visit_external(const struct rn_onnx *f,
                          const struct rn_onnx_tensor *t, uint8_t **out,
                          struct rn_error *err)
{
    char *path = NULL;
    int rc = external_path(f, t, &path, err);

    if (rc) {
        rn_free(path);
        return rc;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        rc = rn_fail_errno(err, "open", path);
    } else {
        rc = check_part(fd, path, t, err);
        if (!rc && out)
            rc = read_part(fd, path, t, out, err);
        close(fd);
    }
    rn_free(path);
    return rc;
}

/* ------------------------------------------------------------------ parts */

static bool add_dims(struct rn_onnx_tensor *t, struct rn_pb_field field)
{
    uint64_t size;

    while (rn_pb_number(&field, RN_PB_VARINT, &size) > 0) {
        if (t->dims == RN_TENSOR_DIMS || size > INT64_MAX)
            return false;
        t->dim[t->dims++] = size;
    }
    return true;
}

static bool decimal(struct rn_pb text, uint64_t *out)
{
    char digits[24], *end;

    if (text.size == 0 || text.size >= sizeof(digits) || text.at[0] == '-')
        return false;
    memcpy(digits, text.at, text.size);
    digits[text.size] = '\0';
    *out = strtoull(digits, &end, 10);
    return *end == '\0';
}

/* One "location", "offset" or "length" of a tensor in another file. */
static bool add_external(struct rn_onnx_tensor *t, struct rn_pb entry)
{
    struct rn_pb key = {0}, value = {0};
    struct rn_pb_field field;
    uint64_t length; /* that of its numbers: checked against the file */

    while (rn_pb_next(&entry, &field) > 0) {
        if (field.number == ONNX_ENTRY_KEY)
            key = field.bytes;
        else if (field.number == ONNX_ENTRY_VALUE)
            value = field.bytes;
    }
    if (rn_pb_is(key, "location"))
        t->location = value;
    if (rn_pb_is(key, "offset"))
        return decimal(value, &t->offset);
    return !rn_pb_is(key, "length") || decimal(value, &length);
}

static bool count_numbers(struct rn_onnx_tensor *t)
{
    uint64_t count = 1;

    for (int i = 0; i < t->dims; i++)
        if (__builtin_mul_overflow(count, t->dim[i], &count))
            return false;
    t->count = count;
    return count <= INT64_MAX / 8;
}

/* Whether fields of their own hold as many numbers as there should be. */
static bool fields_fit(const struct rn_onnx_tensor *t)
{
    const struct type *type = type_of(t->dtype);
    struct rn_pb m = t->message;
    struct rn_pb_field field;
    uint64_t count = 0, value;
    int more = 0;

    while (rn_pb_next(&m, &field) > 0)
        if (field.number == type->field)
            while ((more = rn_pb_number(&field, type->item, &value)) > 0)
                count++;
    return more == 0 && count == t->count;
}

/* Whether a number of 32 bits is one of the type. */
static bool is_held(enum rn_dtype type, uint64_t value)
{
    const int32_t number = (int32_t)value;

    switch (type) {
    case RN_I8:
        return number == (int8_t)number;
    case RN_U8:
        return number == (uint8_t)number;
    case RN_I16:
        return number == (int16_t)number;
    case RN_U16:
        return number == (uint16_t)number;
    default:
        return true;
    }
}

static bool fields_are_held(const struct rn_onnx_tensor *t)
{
    const struct type *type = type_of(t->dtype);
    struct rn_pb m = t->message;
    struct rn_pb_field field;
    uint64_t value;

    while (rn_pb_next(&m, &field) > 0)
        if (field.number == type->field)
            while (rn_pb_number(&field, type->item, &value) > 0)
                if (!is_held(t->dtype, value))
                    return false;
    return true;
}

static int check_tensor(const struct rn_onnx *f, struct rn_onnx_tensor *t,
                        uint64_t type, struct rn_error *err)
{
    size_t i = 0;

    while (i < COUNT(types) && types[i].number != type)
        i++;
    if (i == COUNT(types))
        return fail_tensor(f, t, "has numbers of a type that is not read", err);
    t->dtype = types[i].dtype;
    if (!count_numbers(t))
        return fail_tensor(f, t, "has a shape that overflows", err);
    if (t->external)
        return visit_external(f, t, NULL, err);
    if (t->raw.at)
        return t->raw.size == t->count * rn_dtype_bytes(t->dtype)
                   ? RN_OK
                   : fail_tensor(f, t, "has not the bytes its shape says", err);
    t->in_fields = true;
    if (!fields_fit(t))
        return fail_tensor(f, t, "has not the numbers its shape says", err);
    return fields_are_held(t)
               ? RN_OK
               : fail_tensor(f, t, "has numbers that its type does not hold",
                             err);
}

int rn_onnx_tensor(const struct rn_onnx *f, struct rn_pb message,
                   struct rn_onnx_tensor *t, struct rn_error *err)
{
    struct rn_pb_field field;
    struct rn_pb m = message;
    uint64_t type = 0;
    bool good = true;
    int more;

    *t = (struct rn_onnx_tensor){.message = message};
    while ((more = rn_pb_next(&m, &field)) > 0) {
        if (field.number == ONNX_TENSOR_NAME)
            t->name = field.bytes;
        else if (field.number == ONNX_TENSOR_DIMS)
            good &= add_dims(t, field);
        else if (field.number == ONNX_TENSOR_TYPE)
            type = field.value;
        else if (field.number == ONNX_TENSOR_RAW)
            t->raw = field.bytes;
        else if (field.number == ONNX_TENSOR_EXTERNAL)
            good &= add_external(t, field.bytes);
        else if (field.number == ONNX_TENSOR_LOCATION)
            t->external = field.value == 1;
        else if (field.number == ONNX_TENSOR_SEGMENT)
            good = false;
    }
    if (more < 0 || !good)
        return fail_tensor(f, t, "is malformed, or of more than 8 dimensions",
                           err);
    return check_tensor(f, t, type, err);
}

/* ---------------------------------------------------------------- numbers */

/* Numbers in fields, as they would lie in memory. */
static int collect(const struct rn_onnx_tensor *t, uint8_t **out,
                   struct rn_error *err)
{
    const struct type *type = type_of(t->dtype);
    size_t bytes = rn_dtype_bytes(t->dtype);
    struct rn_pb m = t->message;
    struct rn_pb_field field;
    uint64_t value;
    uint8_t *to = *out = rn_alloc((size_t)t->count, bytes);

    if (!to)
        return rn_fail_memory(err, (size_t)t->count * bytes, "a tensor");
    while (rn_pb_next(&m, &field) > 0)
        if (field.number == type->field)
            while (rn_pb_number(&field, type->item, &value) > 0) {
                memcpy(to, &value, bytes); /* little-endian */
                to += bytes;
            }
    return RN_OK;
}

/* The numbers as they lie in memory; *owned is to be freed. */
static int numbers(const struct rn_onnx *f, const struct rn_onnx_tensor *t,
                   const uint8_t **at, uint8_t **owned, struct rn_error *err)
{
    int rc = RN_OK;

    *owned = NULL;
    if (t->external)
        rc = visit_external(f, t, owned, err);
    else if (t->in_fields)
        rc = collect(t, owned, err);
    *at = *owned ? *owned : t->raw.at;
    return rc;
}

int rn_onnx_floats(const struct rn_onnx *f, const struct rn_onnx_tensor *t,
                   float *out, struct rn_error *err)
{
    const uint8_t *at;
    uint8_t *owned;
    int rc = numbers(f, t, &at, &owned, err);

    if (!rc)
        rn_dtype_to_float(t->dtype, at, 1, out, (size_t)t->count);
    rn_free(owned);
    return rc;
}

static int64_t integer_at(enum rn_dtype type, const uint8_t *at)
{
    int64_t wide = 0;
    int32_t narrow = 0;

    memcpy(type == RN_I32 ? (void *)&narrow : (void *)&wide, at,
           rn_dtype_bytes(type));
    return type == RN_I32 ? narrow : wide;
}

int rn_onnx_integers(const struct rn_onnx *f, const struct rn_onnx_tensor *t,
                     int64_t *out, struct rn_error *err)
{
    const uint8_t *at;
    uint8_t *owned;
    int rc = RN_OK;

    if (t->dtype != RN_I64 && t->dtype != RN_I32 && t->dtype != RN_BOOL)
        return fail_tensor(f, t, "holds no integers", err);
    rc = numbers(f, t, &at, &owned, err);
    for (uint64_t i = 0; i < t->count && !rc; i++)
        out[i] = integer_at(t->dtype, at + i * rn_dtype_bytes(t->dtype));
    rn_free(owned);
    return rc;
}
