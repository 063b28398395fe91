/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing torch.save()'s zip file: a pickle of protocol 2 that rebuilds each
 * tensor over a storage of its own, and the storages, stored at multiples of
 * 64 bytes. */
#include "formats/torch/pth.h"

#include "core/file.h"
#include "core/memory.h"

#include <string.h>
#include <zlib.h>

#define ALIGNMENT 64
#define ROOT      "archive/"
#define NAME_SIZE 48 /* of an entry */

/* ------------------------------------------------------------- buffers */

/* Bytes that grow; `failed` stays once memory was short. */
struct buffer {
    uint8_t *bytes;
    size_t size, room;
    bool failed;
};

static void put(struct buffer *b, const void *bytes, size_t size)
{
    size_t end;

    if (size == 0 || b->failed)
        return;
    if (!rn_size_add(b->size, size, &end) ||
        !rn_grow(&b->bytes, &b->room, end, 1)) {
        b->failed = true;
        return;
    }
    memcpy(b->bytes + b->size, bytes, size);
    b->size = end;
}

static void put_text(struct buffer *b, const char *text)
{
    put(b, text, strlen(text));
}

/* Little-endian. */
static void put_number(struct buffer *b, uint64_t value, int bytes)
{
    uint8_t little[8];

    for (int i = 0; i < bytes; i++)
        little[i] = (uint8_t)(value >> 8 * i);
    put(b, little, (size_t)bytes);
}

/* -------------------------------------------------------------- pickle */

static void pickle_text(struct buffer *b, const char *text)
{
    put_text(b, "X");
    put_number(b, strlen(text), 4);
    put_text(b, text);
}

static void pickle_integer(struct buffer *b, uint64_t value)
{
    if (value < 256) {
        put_text(b, "K");
        put_number(b, value, 1);
    } else if (value < INT32_MAX) {
        put_text(b, "J");
        put_number(b, value, 4);
    } else { /* LONG1 of nine bytes, the last for the sign */
        put_text(b, "\x8a\x09");
        put_number(b, value, 8);
        put_number(b, 0, 1);
    }
}

static size_t count_of(const struct rn_st_out *t)
{
    size_t count = 1;

    for (int i = 0; i < t->dims; i++)
        count *= t->dim[i];
    return count;
}

static void pickle_shape(struct buffer *b, const struct rn_st_out *t)
{
    put_text(b, "(");
    for (int i = 0; i < t->dims; i++)
        pickle_integer(b, t->dim[i]);
    put_text(b, "t(");
    for (int i = 0; i < t->dims; i++) {
        size_t stride = 1;

        for (int k = i + 1; k < t->dims; k++)
            stride *= t->dim[k];
        pickle_integer(b, stride);
    }
    put_text(b, "t");
}

/* name: _rebuild_tensor_v2(storage, 0, shape, stride, False, OrderedDict()) */
static void pickle_tensor(struct buffer *b, const struct rn_st_out *t,
                          size_t number)
{
    char key[24];

    snprintf(key, sizeof(key), "%zu", number);
    pickle_text(b, t->name);
    put_text(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
    pickle_text(b, "storage");
    put_text(b, "ctorch\nFloatStorage\n");
    pickle_text(b, key);
    pickle_text(b, "cpu");
    pickle_integer(b, count_of(t));
    put_text(b, "tQ");
    pickle_integer(b, 0);
    pickle_shape(b, t);
    put_text(b, "\x89"
                "ccollections\nOrderedDict\n)RtR");
}

/* Tensors go in by a thousand, as Python does it. */
#define BATCH 1000

static void pickle_all(struct buffer *b, const struct rn_st_out *tensors,
                       size_t count)
{
    put_text(b, "\x80\x02"
                "ccollections\nOrderedDict\n)R");
    for (size_t i = 0; i < count; i++) {
        if (i % BATCH == 0)
            put_text(b, "(");
        pickle_tensor(b, &tensors[i], i);
        if (i % BATCH == BATCH - 1 || i + 1 == count)
            put_text(b, "u");
    }
    put_text(b, ".");
}

/* ----------------------------------------------------------------- zip */

/* The file, and its directory as far as it is. */
struct archive {
    struct rn_writer writer;
    uint64_t at;
    struct buffer directory;
    uint64_t entries;
};

#define VERSION 45          /* of the format, the one with zip64 */
#define FIT     0xffffffffu /* in 32-bit fields: see the zip64 one */

static uint32_t crc_of(const void *bytes, size_t size)
{
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), bytes, size);
}

/* What both headers of an entry have in common. Sizes stand in a zip64 field
 * when they do not fit. Dates are 1980-01-01, so that the same model makes
 * the same file. */
static void put_common(struct buffer *b, uint32_t crc, uint64_t size,
                       size_t name, size_t extra)
{
    uint64_t shown = size < FIT ? size : FIT;

    put_number(b, VERSION, 2);
    put_number(b, 1 << 11, 2); /* names are UTF-8 */
    put_number(b, 0, 2);       /* stored */
    put_number(b, 0, 2);
    put_number(b, 1 << 5 | 1, 2);
    put_number(b, crc, 4);
    put_number(b, shown, 4);
    put_number(b, shown, 4);
    put_number(b, name, 2);
    put_number(b, extra, 2);
}

/* Header in front of an entry's data. The field of padding has PyTorch's
 * identifier and puts the data at a multiple of ALIGNMENT. */
static void put_local(struct buffer *b, uint64_t at, const char *name,
                      uint32_t crc, uint64_t size)
{
    size_t zip64 = size < FIT ? 0 : 20;
    uint64_t before = at + 30 + strlen(name) + zip64 + 4;
    size_t pad = (size_t)(-before % ALIGNMENT);

    put(b, "PK\3\4", 4);
    put_common(b, crc, size, strlen(name), zip64 + 4 + pad);
    put_text(b, name);
    if (zip64) {
        put_number(b, 1, 2);
        put_number(b, 16, 2);
        put_number(b, size, 8);
        put_number(b, size, 8);
    }
    put_text(b, "FB");
    put_number(b, pad, 2);
    for (size_t i = 0; i < pad; i++)
        put_text(b, "Z");
}

static void put_central(struct buffer *b, uint64_t at, const char *name,
                        uint32_t crc, uint64_t size)
{
    size_t zip64 = (size < FIT ? 0 : 16) + (at < FIT ? 0 : 8);

    put(b, "PK\1\2", 4);
    put_number(b, VERSION, 2);
    put_common(b, crc, size, strlen(name), zip64 ? zip64 + 4 : 0);
    put_number(b, 0, 2); /* comment, disk, attributes */
    put_number(b, 0, 2);
    put_number(b, 0, 2);
    put_number(b, 0, 4);
    put_number(b, at < FIT ? at : FIT, 4);
    put_text(b, name);
    if (zip64) {
        put_number(b, 1, 2);
        put_number(b, zip64, 2);
    }
    if (size >= FIT) {
        put_number(b, size, 8);
        put_number(b, size, 8);
    }
    if (at >= FIT)
        put_number(b, at, 8);
}

static int write_bytes(struct archive *a, const void *bytes, size_t size,
                       struct rn_error *err)
{
    a->at += size;
    return rn_writer_write(&a->writer, bytes, size, err);
}

static int add_entry(struct archive *a, const char *name, const void *bytes,
                     size_t size, struct rn_error *err)
{
    struct buffer local = {0};
    char full[NAME_SIZE];
    uint32_t crc = crc_of(bytes, size);

    snprintf(full, sizeof(full), ROOT "%s", name);
    put_local(&local, a->at, full, crc, size);
    put_central(&a->directory, a->at, full, crc, size);
    a->entries++;
    int rc = RN_OK;
    if (local.failed || a->directory.failed)
        rc = rn_fail_memory(err, local.room, "a zip file");
    if (!rc)
        rc = write_bytes(a, local.bytes, local.size, err);
    if (!rc)
        rc = write_bytes(a, bytes, size, err);
    rn_free(local.bytes);
    return rc;
}

static int add_text(struct archive *a, const char *name, const char *text,
                    struct rn_error *err)
{
    return add_entry(a, name, text, strlen(text), err);
}

/* The directory, its zip64 end, and its end. */
static int finish(struct archive *a, struct rn_error *err)
{
    struct buffer *b = &a->directory;
    uint64_t start = a->at, size = b->size, n = a->entries;

    put(b, "PK\6\6", 4);
    put_number(b, 44, 8); /* bytes that follow */
    put_number(b, VERSION, 2);
    put_number(b, VERSION, 2);
    put_number(b, 0, 8); /* disks */
    put_number(b, n, 8);
    put_number(b, n, 8);
    put_number(b, size, 8);
    put_number(b, start, 8);
    put(b, "PK\6\7", 4);
    put_number(b, 0, 4);
    put_number(b, start + size, 8);
    put_number(b, 1, 4);
    put(b, "PK\5\6", 4);
    put_number(b, 0, 4);
    put_number(b, n < 0xffff ? n : 0xffff, 2);
    put_number(b, n < 0xffff ? n : 0xffff, 2);
    put_number(b, size < FIT ? size : FIT, 4);
    put_number(b, start < FIT ? start : FIT, 4);
    put_number(b, 0, 2);
    if (b->failed)
        return rn_fail_memory(err, b->room, "a zip directory");
    return write_bytes(a, b->bytes, b->size, err);
}

static int add_all(struct archive *a, const struct rn_st_out *tensors,
                   size_t count, const char *description,
                   const struct buffer *program, struct rn_error *err)
{
    int rc = add_entry(a, "data.pkl", program->bytes, program->size, err);

    if (!rc)
        rc = add_text(a, "byteorder", "little", err);
    if (!rc && description)
        rc = add_text(a, RN_PTH_DESCRIPTION, description, err);
    for (size_t i = 0; i < count && !rc; i++) {
        char name[32];

        snprintf(name, sizeof(name), "data/%zu", i);
        rc = add_entry(a, name, tensors[i].data,
                       count_of(&tensors[i]) * sizeof(float), err);
    }
    if (!rc)
        rc = add_text(a, "version", "3\n", err);
    return rc ? rc : finish(a, err);
}

int rn_pth_write(const char *path, const struct rn_st_out *tensors,
                 size_t count, const char *description, struct rn_error *err)
{
    struct archive a = {0};
    struct buffer program = {0};

    pickle_all(&program, tensors, count);
    int rc = RN_OK;
    if (program.failed)
        rc = rn_fail_memory(err, program.room, "a pickle");
    if (!rc)
        rc = rn_writer_open(&a.writer, path, err);
    if (!rc)
        rc = add_all(&a, tensors, count, description, &program, err);
    if (!rc)
        rc = rn_writer_commit(&a.writer, err);
    rn_writer_abort(&a.writer);
    rn_free(a.directory.bytes);
    rn_free(program.bytes);
    return rc;
}
