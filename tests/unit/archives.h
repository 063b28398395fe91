/* SPDX-License-Identifier: BSD-2-Clause */
/* Archives for tests, made by libarchive in memory. Include after cmocka.h. */
#ifndef TESTS_UNIT_ARCHIVES_H
#define TESTS_UNIT_ARCHIVES_H

#include <archive.h>
#include <archive_entry.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A member: a file of some bytes, a folder (its name ends with a slash), or a
 * link. */
struct item {
    const char *name;
    const void *bytes;
    size_t size;
    const char *symlink, *hardlink;
    int sparse; /* only the first half is written */
};

enum form { FORM_USTAR, FORM_PAX, FORM_GNU, FORM_ZIP, FORM_ZIP_STORED, FORMS };

static const char *const form_names[] = {"ustar", "pax", "gnu", "zip",
                                         "stored zip"};

static inline bool is_zip(enum form form)
{
    return form >= FORM_ZIP;
}

static inline void set_form(struct archive *out, enum form form)
{
    static int (*const set[])(struct archive *) = {
        archive_write_set_format_ustar, archive_write_set_format_pax,
        archive_write_set_format_gnutar, archive_write_set_format_zip,
        archive_write_set_format_zip};

    assert_int_equal(set[form](out), ARCHIVE_OK);
    if (is_zip(form))
        assert_int_equal(archive_write_set_options(
                             out, form == FORM_ZIP ? "compression=deflate"
                                                   : "compression=store"),
                         ARCHIVE_OK);
}

static inline void write_item(struct archive *out, const struct item *item)
{
    struct archive_entry *entry = archive_entry_new();
    size_t length = strlen(item->name);

    archive_entry_set_pathname(entry, item->name);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_size(entry, (int64_t)item->size);
    if (length && item->name[length - 1] == '/')
        archive_entry_set_filetype(entry, AE_IFDIR);
    if (item->symlink) {
        archive_entry_set_filetype(entry, AE_IFLNK);
        archive_entry_set_symlink(entry, item->symlink);
    }
    if (item->sparse)
        archive_entry_sparse_add_entry(entry, 0, (int64_t)item->size / 2);
    if (item->hardlink)
        archive_entry_set_hardlink(entry, item->hardlink);
    /* Of names that are not ASCII, and no locale, is warned. */
    assert_true(archive_write_header(out, entry) >= ARCHIVE_WARN);
    if (item->size)
        assert_int_equal(archive_write_data(out, item->bytes, item->size),
                         item->size);
    archive_entry_free(entry);
}

#define ARCHIVE_ROOM ((size_t)1 << 20)

/* An archive of those items in malloc()ed memory, compressed as a whole by one
 * of libarchive's filters. */
static inline uint8_t *make_packed(enum form form, int filter,
                                   const struct item *items, size_t count,
                                   size_t *size)
{
    struct archive *out = archive_write_new();
    uint8_t *bytes = malloc(ARCHIVE_ROOM);

    assert_non_null(bytes);
    set_form(out, form);
    assert_int_equal(archive_write_add_filter(out, filter), ARCHIVE_OK);
    assert_int_equal(archive_write_open_memory(out, bytes, ARCHIVE_ROOM, size),
                     ARCHIVE_OK);
    for (size_t i = 0; i < count; i++)
        write_item(out, &items[i]);
    assert_int_equal(archive_write_close(out), ARCHIVE_OK);
    archive_write_free(out);
    return bytes;
}

static inline uint8_t *make_archive(enum form form, const struct item *items,
                                    size_t count, size_t *size)
{
    return make_packed(form, ARCHIVE_FILTER_NONE, items, count, size);
}

#endif
