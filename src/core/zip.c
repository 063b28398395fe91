/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the directory of a zip archive and inflates its entries; neither is
 * trusted. */
#include "core/zip.h"

#include "core/memory.h"
#include "core/zip_name.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define LOCAL_MAGIC     0x04034b50u
#define CENTRAL_MAGIC   0x02014b50u
#define END_MAGIC       0x06054b50u
#define END64_MAGIC     0x06064b50u
#define LOCATOR64_MAGIC 0x07064b50u

enum {
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR64_BYTES = 20,
    MOST_COMMENT = 65535,
    FLAG_ENCRYPTED = 1,
    STORED = 0,
    DEFLATED = 8,
    EXTRA_ZIP64 = 1
};

/* In 32-bit fields: the value stands in a zip64 record. */
#define ELSEWHERE 0xffffffffu

static uint64_t get(const uint8_t *at, int bytes)
{
    uint64_t value = 0;

    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

bool rn_zip_is(const uint8_t *bytes, size_t size)
{
    return size >= 4 && (get(bytes, 4) == LOCAL_MAGIC ||
                         get(bytes, 4) == END_MAGIC /* it is empty */);
}

static int fail_cut(const struct rn_zip *zip, const char *what,
                    struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': not a whole zip file: %s lies past its %zu bytes",
                   zip->path, what, zip->file_size);
}

static bool inside(const struct rn_zip *zip, uint64_t offset, uint64_t size)
{
    return offset <= zip->file_size && size <= zip->file_size - offset;
}

/* ---------------------------------------------------------- directory */

/* Where the list of entries is. */
struct directory {
    uint64_t offset, size, count;
};

/* The record that ends the file, before a comment; NULL without one. */
static const uint8_t *find_end(const struct rn_zip *zip)
{
    size_t most = END_BYTES + MOST_COMMENT;
    size_t first = zip->file_size > most ? zip->file_size - most : 0;

    for (size_t at = zip->file_size - END_BYTES + 1; at-- > first;) {
        const uint8_t *end = zip->bytes + at;

        if (get(end, 4) == END_MAGIC &&
            at + END_BYTES + get(end + 20, 2) == zip->file_size)
            return end;
    }
    return NULL;
}

/* The zip64 record that stands in for the fields of a small one. */
static int find_end64(const struct rn_zip *zip, const uint8_t *end,
                      struct directory *d, struct rn_error *err)
{
    uint64_t at = (uint64_t)(end - zip->bytes);

    if (at < LOCATOR64_BYTES ||
        get(end - LOCATOR64_BYTES, 4) != LOCATOR64_MAGIC)
        return RN_OK; /* 65,535 entries, or a field that happens to be full */
    uint64_t offset = get(end - LOCATOR64_BYTES + 8, 8);
    if (!inside(zip, offset, END64_BYTES))
        return fail_cut(zip, "its zip64 record", err);
    const uint8_t *end64 = zip->bytes + offset;
    if (get(end64, 4) != END64_MAGIC)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': there is no zip64 record where one should be",
                       zip->path);
    d->count = get(end64 + 32, 8);
    d->size = get(end64 + 40, 8);
    d->offset = get(end64 + 48, 8);
    return RN_OK;
}

static int find_directory(const struct rn_zip *zip, struct directory *d,
                          struct rn_error *err)
{
    const uint8_t *end = zip->file_size < END_BYTES ? NULL : find_end(zip);

    if (!end)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': a zip file without its end: cut short",
                       zip->path);
    d->count = get(end + 10, 2);
    d->size = get(end + 12, 4);
    d->offset = get(end + 16, 4);
    int rc = RN_OK;
    if (d->count == 0xffff || d->size == ELSEWHERE || d->offset == ELSEWHERE)
        rc = find_end64(zip, end, d, err);
    if (rc)
        return rc;
    if (!inside(zip, d->offset, d->size))
        return fail_cut(zip, "its directory", err);
    if (d->count > d->size / CENTRAL_BYTES)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': %llu entries in a zip directory of %llu bytes",
                       zip->path, (unsigned long long)d->count,
                       (unsigned long long)d->size);
    return RN_OK;
}

/* ------------------------------------------------------------ entries */

/* Nothing is ever written to such a name, but an honest writer has none. */
static bool name_is_odd(const char *name)
{
    if (!*name || name[0] == '/' || strchr(name, '\\'))
        return true;
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2]))
            return true;
    }
    return false;
}

static int copy_name(const struct rn_zip *zip, struct rn_zip_entry *entry,
                     const struct rn_zip_name *name, struct rn_error *err)
{
    entry->name = rn_zip_name(name);
    if (!entry->name)
        return rn_fail_memory(err, name->size, "an entry's name");
    if (zip->backslashes)
        rn_zip_turn_slashes(name, entry->name);
    if (memchr(name->bytes, 0, name->size) || name_is_odd(entry->name))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': entry '%.60s' of the zip file names a place "
                       "outside of it",
                       zip->path, entry->name);
    return RN_OK;
}

/* Values a 32-bit field has no room for stand in an extra field, in this
 * order, each only when needed. */
static bool read_zip64(const uint8_t *extra, size_t length,
                       struct rn_zip_entry *entry, uint64_t *offset)
{
    uint64_t *const wanted[] = {&entry->size, &entry->packed, offset};

    while (length >= 4) {
        size_t size = get(extra + 2, 2), used = 0;

        if (size > length - 4)
            return false;
        bool zip64 = get(extra, 2) == EXTRA_ZIP64;
        for (int i = 0; zip64 && i < 3; i++) {
            if (*wanted[i] != ELSEWHERE)
                continue;
            if (used + 8 > size)
                return false;
            *wanted[i] = get(extra + 4 + used, 8);
            used += 8;
        }
        extra += 4 + size;
        length -= 4 + size;
    }
    return true;
}

/* The data follow a second header, in front of them. */
static int find_data(const struct rn_zip *zip, struct rn_zip_entry *entry,
                     const struct rn_zip_name *raw, uint64_t offset,
                     struct rn_error *err)
{
    if (!inside(zip, offset, LOCAL_BYTES))
        return fail_cut(zip, "an entry", err);
    const uint8_t *local = zip->bytes + offset;
    size_t name = get(local + 26, 2), extra = get(local + 28, 2);
    if (get(local, 4) != LOCAL_MAGIC || name != raw->size ||
        !inside(zip, offset, LOCAL_BYTES + name + extra) ||
        memcmp(local + LOCAL_BYTES, raw->bytes, name) != 0)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': entry '%.60s' of the zip file is not where its "
                       "directory says",
                       zip->path, entry->name);
    offset += LOCAL_BYTES + name + extra;
    if (!inside(zip, offset, entry->packed))
        return fail_cut(zip, "an entry", err);
    entry->data = zip->bytes + offset;
    return RN_OK;
}

static int check_entry(const struct rn_zip *zip,
                       const struct rn_zip_entry *entry, unsigned flags,
                       unsigned method, struct rn_error *err)
{
    if (flags & FLAG_ENCRYPTED)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': entry '%.60s' of the zip file is encrypted",
                       zip->path, entry->name);
    if (method != STORED && method != DEFLATED)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': entry '%.60s' of the zip file is compressed by "
                       "method %u, expected 0 (stored) or 8 (deflated)",
                       zip->path, entry->name, method);
    bool fits = entry->deflated
                    ? entry->size / RN_ZIP_MOST_GROWTH <= zip->file_size
                    : entry->size == entry->packed;
    if (!fits)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': entry '%.60s' of the zip file says it has %llu "
                       "bytes, packed into %llu of a file of %zu",
                       zip->path, entry->name, (unsigned long long)entry->size,
                       (unsigned long long)entry->packed, zip->file_size);
    return RN_OK;
}

/* One entry of the directory at *at, which moves behind it. */
static int parse_entry(struct rn_zip *zip, const uint8_t **at,
                       const uint8_t *end, struct rn_error *err)
{
    const uint8_t *p = *at;
    struct rn_zip_entry *entry = &zip->entries[zip->count++];

    if (end - p < CENTRAL_BYTES || get(p, 4) != CENTRAL_MAGIC)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': entry %zu of the zip directory is damaged",
                       zip->path, zip->count - 1);
    size_t name = get(p + 28, 2), extra = get(p + 30, 2);
    size_t bytes = CENTRAL_BYTES + name + extra + get(p + 32, 2);
    uint64_t offset = get(p + 42, 4);
    if ((size_t)(end - p) < bytes)
        return fail_cut(zip, "an entry of its directory", err);
    *at = p + bytes;
    entry->crc = (uint32_t)get(p + 16, 4);
    entry->packed = get(p + 20, 4);
    entry->size = get(p + 24, 4);
    entry->deflated = get(p + 10, 2) == DEFLATED;
    entry->link =
        p[5] == RN_ZIP_UNIX && (get(p + 38, 4) >> 16 & S_IFMT) == S_IFLNK;
    const struct rn_zip_name raw = {.bytes = p + CENTRAL_BYTES,
                                    .extra = p + CENTRAL_BYTES + name,
                                    .size = name,
                                    .extra_size = extra,
                                    .flags = (unsigned)get(p + 8, 2),
                                    .host = p[5]};
    int rc = copy_name(zip, entry, &raw, err);
    if (rc)
        return rc;
    if (!read_zip64(p + CENTRAL_BYTES + name, extra, entry, &offset))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': extra fields of entry '%.60s' of the zip file "
                       "are damaged",
                       zip->path, entry->name);
    rc = check_entry(zip, entry, (unsigned)get(p + 8, 2),
                     (unsigned)get(p + 10, 2), err);
    return rc ? rc : find_data(zip, entry, &raw, offset, err);
}

static int by_place(const void *a, const void *b)
{
    const struct rn_zip_entry *x = a, *y = b;

    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return (x->packed > y->packed) - (x->packed < y->packed);
}

static int by_name(const void *a, const void *b)
{
    const struct rn_zip_entry *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* Bytes that several entries share would make a small file large. */
static int check_overlap(const struct rn_zip *zip, struct rn_error *err)
{
    for (size_t i = 1; i < zip->count; i++) {
        const struct rn_zip_entry *a = &zip->entries[i - 1], *b = a + 1;

        if (a->data + a->packed > b->data)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': entries '%.60s' and '%.60s' of the zip file "
                           "overlap",
                           zip->path, a->name, b->name);
    }
    for (size_t i = 1; i < zip->count; i++)
        if (strcmp(zip->by_name[i - 1]->name, zip->by_name[i]->name) == 0)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': the zip file has two entries '%.60s'",
                           zip->path, zip->by_name[i]->name);
    return RN_OK;
}

/* Whether names are separated by backslashes: by nothing else, then. What is
 * damaged is told of later. */
static bool has_backslashes(const uint8_t *at, const uint8_t *end)
{
    bool back = false;

    while (end - at >= CENTRAL_BYTES) {
        size_t name = get(at + 28, 2);
        size_t bytes = CENTRAL_BYTES + name + get(at + 30, 2) + get(at + 32, 2);

        if ((size_t)(end - at) < bytes)
            return false;
        if (memchr(at + CENTRAL_BYTES, '/', name))
            return false;
        back = back || memchr(at + CENTRAL_BYTES, '\\', name);
        at += bytes;
    }
    return back;
}

static int parse_entries(struct rn_zip *zip, const struct directory *d,
                         struct rn_error *err)
{
    const uint8_t *at = zip->bytes + d->offset, *end = at + d->size;

    zip->entries = rn_alloc(d->count, sizeof(*zip->entries));
    zip->by_name = rn_alloc(d->count, sizeof(*zip->by_name));
    if (!zip->entries || !zip->by_name)
        return rn_fail_memory(err, d->count * sizeof(*zip->entries),
                              "a zip directory");
    zip->backslashes = has_backslashes(at, end);
    while (zip->count < d->count) {
        int rc = parse_entry(zip, &at, end, err);

        if (rc)
            return rc;
    }
    qsort(zip->entries, zip->count, sizeof(*zip->entries), by_place);
    for (size_t i = 0; i < zip->count; i++)
        zip->by_name[i] = &zip->entries[i];
    qsort(zip->by_name, zip->count, sizeof(*zip->by_name), by_name);
    return check_overlap(zip, err);
}

int rn_zip_parse(struct rn_zip *zip, const uint8_t *bytes, size_t size,
                 const char *path, struct rn_error *err)
{
    struct directory d = {0};

    memset(zip, 0, sizeof(*zip));
    zip->bytes = bytes;
    zip->file_size = size;
    zip->path = rn_strdup(path);
    if (!zip->path)
        return rn_fail_memory(err, strlen(path), "a path");
    int rc = find_directory(zip, &d, err);
    if (!rc)
        rc = parse_entries(zip, &d, err);
    if (rc)
        rn_zip_close(zip);
    return rc;
}

void rn_zip_close(struct rn_zip *zip)
{
    for (size_t i = 0; i < zip->count; i++)
        rn_free(zip->entries[i].name);
    rn_free(zip->entries);
    rn_free(zip->by_name);
    rn_free(zip->path);
    memset(zip, 0, sizeof(*zip));
}

const struct rn_zip_entry *rn_zip_find(const struct rn_zip *zip,
                                       const char *name)
{
    size_t low = 0, high = zip->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, zip->by_name[middle]->name);

        if (order == 0)
            return zip->by_name[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ------------------------------------------------------------ reading */

#define CHUNK ((uint64_t)1 << 30) /* zlib counts with 32 bits */

/* Next part of what is left, for zlib's counters. */
static unsigned part_of(uint64_t left)
{
    return (unsigned)(left < CHUNK ? left : CHUNK);
}

/* Whether exactly entry->size bytes come out. */
static bool inflate_whole(z_stream *z, const struct rn_zip_entry *entry,
                          uint8_t *out)
{
    uint64_t in_left = entry->packed, out_left = entry->size;
    int status = Z_OK;

    z->next_in = (unsigned char *)(uintptr_t)entry->data;
    z->next_out = out;
    while (status == Z_OK) {
        unsigned in = part_of(in_left), room = part_of(out_left);

        z->avail_in = in;
        z->avail_out = room;
        status = inflate(z, Z_NO_FLUSH);
        in_left -= in - z->avail_in;
        out_left -= room - z->avail_out;
    }
    return status == Z_STREAM_END && in_left == 0 && out_left == 0;
}

static int unpack(const struct rn_zip *zip, const struct rn_zip_entry *entry,
                  uint8_t **owned, struct rn_error *err)
{
    z_stream z = {0};

    *owned = rn_alloc(entry->size + 1, 1);
    if (!*owned)
        return rn_fail_memory(err, entry->size, "an entry of a zip file");
    int rc = RN_OK;
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return rn_fail(err, RN_ERR_MEMORY, "memory is too short to inflate");
    if (!inflate_whole(&z, entry, *owned))
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': entry '%.60s' of the zip file does not inflate to "
                     "its %llu bytes",
                     zip->path, entry->name, (unsigned long long)entry->size);
    inflateEnd(&z);
    return rc;
}

static uint32_t crc_of(const uint8_t *data, uint64_t size)
{
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), data, size);
}

int rn_zip_read(const struct rn_zip *zip, const struct rn_zip_entry *entry,
                const uint8_t **data, uint8_t **owned, struct rn_error *err)
{
    int rc = RN_OK;

    *owned = NULL;
    if (entry->deflated)
        rc = unpack(zip, entry, owned, err);
    *data = entry->deflated ? *owned : entry->data;
    if (!rc && entry->crc && crc_of(*data, entry->size) != entry->crc)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': entry '%.60s' of the zip file has a wrong check "
                     "sum",
                     zip->path, entry->name);
    if (rc) {
        rn_free(*owned);
        *owned = NULL;
    }
    return rc;
}
