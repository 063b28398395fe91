/* SPDX-License-Identifier: BSD-2-Clause */
/* Members of a zip, by the reader that PyTorch's files are read with:
 * libarchive tells neither where a member lies nor how it is packed. */
#include "data/archives/archive.h"

#include "core/memory.h"
#include "core/zip.h"

#include <string.h>
#include <zlib.h>

/* Paths are shorter, here as on any system. */
#define TARGET_MOST 4096

/* Where a symbolic link leads, in `target`; it is a file of that text where it
 * is no path. */
static int read_link(const struct rn_zip *zip, const struct rn_zip_entry *entry,
                     struct rn_member *member, char target[TARGET_MOST + 1],
                     struct rn_error *err)
{
    const uint8_t *data;
    uint8_t *owned = NULL;
    int rc;

    if (!entry->link || entry->size == 0 || entry->size > TARGET_MOST)
        return RN_OK;
    rc = rn_zip_read(zip, entry, &data, &owned, err);
    if (rc)
        return rc;
    memcpy(target, data, (size_t)entry->size);
    target[entry->size] = '\0';
    rn_free(owned);
    member->kind = RN_MEMBER_SYMLINK;
    member->target = target;
    return RN_OK;
}

int rn_archive_index_zip(struct rn_archive *archive, const uint8_t *bytes,
                         size_t size, struct rn_error *err)
{
    struct rn_zip zip;
    int rc = rn_zip_parse(&zip, bytes, size, archive->path, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < zip.count && !rc; i++) {
        const struct rn_zip_entry *entry = &zip.entries[i];
        char target[TARGET_MOST + 1];
        bool folder = entry->name[strlen(entry->name) - 1] == '/';
        struct rn_member member = {
            .kind = folder ? RN_MEMBER_FOLDER : RN_MEMBER_FILE,
            .at = archive->at + (uint64_t)(entry->data - bytes),
            .size = entry->size,
            .deflated = entry->deflated,
            .packed = entry->packed,
            .crc = entry->crc};

        rc = read_link(&zip, entry, &member, target, err);
        if (!rc)
            rc = rn_archive_add(archive, entry->name, &member, err);
    }
    rn_zip_close(&zip);
    return rc;
}

int rn_archive_unzip(const struct rn_member *member, const char *name,
                     const uint8_t *packed, uint8_t **bytes,
                     struct rn_error *err)
{
    const struct rn_zip zip = {.path = (char *)(uintptr_t)name};
    const struct rn_zip_entry entry = {.name = member->name,
                                       .deflated = member->deflated,
                                       .crc = member->crc,
                                       .packed = member->packed,
                                       .size = member->size,
                                       .data = packed};
    const uint8_t *data;

    return rn_zip_read(&zip, &entry, &data, bytes, err);
}

void rn_archive_inflate_head(const uint8_t *packed, size_t packed_size,
                             uint8_t *bytes, size_t room, size_t *size)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)packed,
                  .avail_in = (unsigned)packed_size,
                  .next_out = bytes,
                  .avail_out = (unsigned)room};

    *size = 0;
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return;
    inflate(&z, Z_SYNC_FLUSH);
    *size = room - z.avail_out;
    inflateEnd(&z);
}
