/* SPDX-License-Identifier: BSD-2-Clause */
/* Members of a tar by libarchive. It knows the
 * dialects (old, ustar, GNU's, pax), but reads from front to back only. Where
 * a member's bytes lie follows from this: of an archive in memory that is not
 * compressed, it hands out blocks without copying them. */
#include "data/archives/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <string.h>

static int fail_cut(const struct rn_archive *archive, const char *why,
                    struct rn_error *err)
{
    return rn_fail(
        err, RN_ERR_DATA, "'%s': not a whole tar, after %zu member%s: %.150s",
        archive->path, archive->count, archive->count == 1 ? "" : "s", why);
}

static int fail(struct archive *tar, const struct rn_archive *archive,
                struct rn_error *err)
{
    const char *why = archive_error_string(tar);

    if (!archive_file_count(tar))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' is neither a tar nor a zip: %.150s", archive->path,
                       why ? why : "damaged");
    return fail_cut(archive, why ? why : "damaged", err);
}

/* Where the file's bytes lie, which are all there, and in one piece. */
static int find_bytes(struct archive *tar, struct archive_entry *entry,
                      const struct rn_archive *archive, const uint8_t *bytes,
                      size_t size, struct rn_member *member,
                      struct rn_error *err)
{
    const void *block = bytes;
    size_t length = 0, at;
    la_int64_t offset = 0;
    int rc = archive_read_data_block(tar, &block, &length, &offset);

    if (rc != ARCHIVE_OK && rc != ARCHIVE_EOF)
        return fail(tar, archive, err);
    at = (size_t)((uintptr_t)block - (uintptr_t)bytes);
    if (offset != 0 || length != member->size || at > size ||
        length > size - at)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': member '%.200s' of %llu bytes %s", archive->path,
                       archive_entry_pathname(entry),
                       (unsigned long long)member->size,
                       archive_entry_sparse_count(entry)
                           ? "is sparse, which cannot be read in place"
                           : "reaches past the archive's end");
    member->at = archive->at + at;
    return RN_OK;
}

static void look(struct archive_entry *entry, struct rn_member *member)
{
    const char *target = archive_entry_hardlink(entry);

    *member = (struct rn_member){.kind = RN_MEMBER_OTHER};
    if (target)
        member->kind = RN_MEMBER_LINK;
    else if (archive_entry_filetype(entry) == AE_IFDIR)
        member->kind = RN_MEMBER_FOLDER;
    else if (archive_entry_filetype(entry) == AE_IFREG)
        member->kind = RN_MEMBER_FILE;
    else if ((target = archive_entry_symlink(entry)))
        member->kind = RN_MEMBER_SYMLINK;
    member->target = (char *)(uintptr_t)target;
}

static int add(struct archive *tar, struct archive_entry *entry,
               struct rn_archive *archive, const uint8_t *bytes, size_t size,
               struct rn_error *err)
{
    const char *name = archive_entry_pathname(entry);
    struct rn_member member;
    int rc = RN_OK;

    if (!name)
        return fail(tar, archive, err);
    look(entry, &member);
    if (member.kind == RN_MEMBER_FILE) {
        if (archive_entry_size(entry) < 0)
            return fail(tar, archive, err);
        member.size = (uint64_t)archive_entry_size(entry);
    }
    if (member.size)
        rc = find_bytes(tar, entry, archive, bytes, size, &member, err);
    member.packed = member.size;
    return rc ? rc : rn_archive_add(archive, name, &member, err);
}

/* Every tar ends with blocks of zeros. libarchive does without, and so would
 * take one that is cut short between two members as whole. */
static int check_end(struct archive *tar, const struct rn_archive *archive,
                     const uint8_t *bytes, size_t size, struct rn_error *err)
{
    static const uint8_t zeros[512];
    la_int64_t at = archive_read_header_position(tar);

    if (at >= 0 && (uint64_t)at <= size && size - (size_t)at >= sizeof(zeros) &&
        memcmp(bytes + at, zeros, sizeof(zeros)) == 0)
        return RN_OK;
    return fail_cut(archive, "the zeros that end one are missing", err);
}

static int add_all(struct archive *tar, struct rn_archive *archive,
                   const uint8_t *bytes, size_t size, struct rn_error *err)
{
    struct archive_entry *entry;
    int rc, status;

    do {
        status = archive_read_next_header(tar, &entry);
        if (status == ARCHIVE_EOF)
            return check_end(tar, archive, bytes, size, err);
        /* Warned is of names that the C locale cannot show. */
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
            return fail(tar, archive, err);
        rc = add(tar, entry, archive, bytes, size, err);
    } while (!rc);
    return rc;
}

static int index_all(struct rn_archive *archive, const uint8_t *bytes,
                     size_t size, struct rn_error *err)
{
    struct archive *tar = archive_read_new();
    int rc = RN_OK;

    if (!tar)
        return rn_fail_memory(err, sizeof(*archive), "an index");
    if (archive_read_support_format_tar(tar) != ARCHIVE_OK ||
        archive_read_open_memory(tar, bytes, size) != ARCHIVE_OK)
        rc = fail(tar, archive, err);
    if (!rc)
        rc = add_all(tar, archive, bytes, size, err);
    archive_read_free(tar);
    return rc;
}

/* In the C locale names are the bytes that they are; in one of UTF-8 libarchive
 * composes letters and accents anew. */
int rn_archive_index_tar(struct rn_archive *archive, const uint8_t *bytes,
                         size_t size, struct rn_error *err)
{
    locale_t plain = newlocale(LC_CTYPE_MASK, "C", (locale_t)0), before;
    int rc;

    if (!plain)
        return rn_fail_memory(err, sizeof(plain), "a locale");
    before = uselocale(plain);
    rc = index_all(archive, bytes, size, err);
    uselocale(before);
    freelocale(plain);
    return rc;
}
