/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding pictures in folders. */
#include "data/sets/pictures.h"

#include "core/count.h"
#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/text.h"
#include "data/archives/archive.h"
#include "data/pictures/named.h"
#include "data/sets/contents.h"
#include "data/remarks.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define MAX_DEPTH 64

/* -------------------------------------------------------------- remarks */

/* Files of a folder that are looked into: pictures whose names do not end so
 * are seldom alone, and annotations can be as many as pictures. */
#define MOST_PROBED 16

/* As "1.jpg~", "1.jpg_large" or "1" may be. */
static void say_misnamed(const struct rn_files *files, const char *path,
                         int *probed)
{
    uint8_t head[RN_IMAGE_HEAD];
    size_t size;

    if ((*probed)++ < MOST_PROBED &&
        rn_files_peek(files, path, head, sizeof(head), &size, NULL) == RN_OK &&
        rn_image_probe(path, head, size, NULL) == RN_OK)
        rn_remark(files->remarks, RN_REMARK_NAME,
                  "left out: '%s' and files like it, which begin as pictures "
                  "do; to have them taken let their names end so, as in .jpg",
                  path);
}

/* An archive in a place of pictures, whole or broken, is none of a folder's. */
static void say_other(const struct rn_files *files, const char *path,
                      const struct rn_entry *entry, int *probed)
{
    if (rn_archive_named(path))
        rn_remark(files->remarks, RN_REMARK_ARCHIVE,
                  "left out: '%s' and archives like it, which lie among "
                  "pictures; unpack them there to have theirs",
                  path);
    else if (rn_picture_of_others(path))
        rn_remark(files->remarks, RN_REMARK_OTHER,
                  "left out: '%s' and files like it, whose format is not read; "
                  "pictures among them must be converted, to PNG for example",
                  path);
    else if (entry->kind == RN_ENTRY_FILE)
        say_misnamed(files, path, probed);
}

int rn_fail_text(struct rn_error *err, const char *what, const char *text)
{
    const char *why =
        rn_is_utf8(text) ? "has control characters" : "is not UTF-8";
    char shown[400];
    size_t n = 0;

    for (const char *c = text; *c && n < sizeof(shown) - 5; c++)
        n += (size_t)snprintf(shown + n, sizeof(shown) - n,
                              *c >= ' ' && *c < 0x7f ? "%c" : "\\x%02x",
                              (unsigned char)*c);
    shown[n] = '\0';
    return rn_fail(err, RN_ERR_DATA, "'%s': the %s %s", shown, what, why);
}

/* ----------------------------------------------------------------- list */

void rn_pictures_clear(struct rn_pictures *pictures)
{
    for (size_t i = 0; i < pictures->count; i++) {
        rn_free(pictures->file[i].path);
        rn_free(pictures->file[i].problem);
    }
    rn_free(pictures->file);
    rn_files_close(&pictures->source);
    *pictures = (struct rn_pictures){.count = 0};
}

/* `problem` is an error of that file, or NULL. */
static int add_file(struct rn_pictures *pictures, const char *path,
                    const struct rn_error *problem, struct rn_error *err)
{
    struct rn_picture_file *file;

    if (!rn_grow(&pictures->file, &pictures->capacity, pictures->count,
                 sizeof(*pictures->file)))
        return rn_fail_memory(err, sizeof(*file), "a list of pictures");
    file = &pictures->file[pictures->count++];
    file->path = rn_strdup(path);
    file->problem = problem ? rn_strdup(problem->msg) : NULL;
    file->problem_code = problem ? problem->code : RN_OK;
    if (!file->path || (problem && !file->problem))
        return rn_fail_memory(err, strlen(path), "a list of pictures");
    return RN_OK;
}

/* Where the walk is. */
struct place {
    const struct rn_files *files;
    struct rn_above folder;
};

static int walk(struct rn_pictures *pictures, const struct rn_files *files,
                const char *folder, const struct rn_above *up,
                const struct rn_entry *entry, struct rn_error *err);

/* Why an entry that is there cannot be taken; RN_OK when it can. */
static int judge(const char *path, const struct rn_entry *entry,
                 const struct place *place, struct rn_error *problem)
{
    bool is_folder = entry->kind == RN_ENTRY_FOLDER;

    if (is_folder && rn_files_leads_back(&place->folder, entry))
        return rn_fail(
            problem, RN_ERR_DATA,
            "'%s' is a folder it lies in: a symbolic link leads back", path);
    if (is_folder && place->folder.depth >= MAX_DEPTH)
        return rn_fail(problem, RN_ERR_DATA,
                       "'%s' lies more than %d folders deep", path, MAX_DEPTH);
    if (is_folder)
        return RN_OK;
    if (entry->kind != RN_ENTRY_FILE)
        return rn_fail(problem, RN_ERR_DATA, "'%s' is not a regular file",
                       path);
    return rn_is_printable(path) ? RN_OK
                                 : rn_fail_text(problem, "file name", path);
}

static int visit(struct rn_pictures *pictures, const char *path,
                 const struct place *place, struct rn_error *err)
{
    struct rn_error problem = {0};
    struct rn_entry entry;
    int rc = rn_files_look(place->files, path, &entry, &problem);
    bool is_folder = !rc && entry.kind == RN_ENTRY_FOLDER;

    if (!rc && !is_folder && !rn_picture_named(path)) {
        say_other(place->files, path, &entry, &pictures->probed);
        return RN_OK;
    }
    if (!rc)
        rc = judge(path, &entry, place, &problem);
    if (!rc && !is_folder)
        return add_file(pictures, path, NULL, err);
    if (!rc)
        rc = walk(pictures, place->files, path, &place->folder, &entry,
                  &problem);
    if (rc == RN_ERR_MEMORY)
        return rn_fail(err, rc, "%s", problem.msg);
    return rc ? add_file(pictures, path, &problem, err) : RN_OK;
}

static int walk(struct rn_pictures *pictures, const struct rn_files *files,
                const char *folder, const struct rn_above *up,
                const struct rn_entry *entry, struct rn_error *err)
{
    struct place place = {files, rn_files_go_into(up, entry)};
    char **names;
    int rc;

    /* The folder asked for is looked into, whatever it is. */
    if (up && (rn_files_skips(files, entry) || rn_is_run_folder(files, folder)))
        return RN_OK;
    rc = rn_files_list(files, folder, &names, err);
    for (size_t i = 0; !rc && names[i]; i++) {
        char *path = rn_path_join(folder, names[i]);

        rc = path ? visit(pictures, path, &place, err)
                  : rn_fail_memory(err, strlen(folder), "a file name");
        rn_free(path);
    }
    rn_files_list_free(names);
    return rc;
}

int rn_pictures_add_folder(struct rn_pictures *pictures,
                           const struct rn_files *files, const char *folder,
                           struct rn_error *err)
{
    struct rn_entry entry;
    int rc = rn_files_look(files, folder, &entry, err);

    return rc ? rc : walk(pictures, files, folder, NULL, &entry, err);
}

/* -------------------------------------------------------------- the API */

/* Bytes enough to tell what compressed a file. */
#define HEAD 8

/* Why a single file cannot be taken. A compressed archive is told of as such;
 * what cannot be read is told of when it is loaded. */
static int check_file(const char *path, bool regular, struct rn_error *problem)
{
    static const struct rn_files disk;
    uint8_t head[HEAD];
    size_t size = 0;

    if (!rn_is_printable(path))
        return rn_fail_text(problem, "file name", path);
    if (!regular || rn_files_peek(&disk, path, head, sizeof(head), &size, NULL))
        return RN_OK;
    return rn_archive_check_plain(path, head, size, problem);
}

static int find_file(struct rn_pictures *pictures, const char *path,
                     bool regular, struct rn_error *err)
{
    struct rn_error problem = {0};
    int rc = check_file(path, regular, &problem);

    return add_file(pictures, path, rc ? &problem : NULL, err);
}

/* `path` is a folder, an archive or a single file. */
static int find(struct rn_pictures *pictures, const char *path,
                struct rn_error *err)
{
    bool archive = rn_archive_named(path) && rn_is_file(path);
    struct stat st;
    int rc = RN_OK;

    if (stat(path, &st))
        return rn_fail_errno(err, "open", path);
    if (!S_ISDIR(st.st_mode) && !archive)
        return find_file(pictures, path, S_ISREG(st.st_mode), err);
    if (archive)
        rc = rn_files_mount(&pictures->source, path, path, err);
    if (!rc)
        rc = rn_pictures_add_folder(pictures, &pictures->source, path, err);
    if (!rc && !pictures->count)
        rc =
            rn_fail(err, RN_ERR_DATA,
                    "'%s' holds no picture (.jpg, .png, .tif and so on)", path);
    return rc;
}

int rn_pictures_find(struct rn_pictures **out, const char *path,
                     struct rn_error *err)
{
    struct rn_pictures *pictures = rn_alloc(1, sizeof(*pictures));
    int rc;

    *out = NULL;
    if (!pictures)
        return rn_fail_memory(err, sizeof(*pictures), "a list of pictures");
    rc = rn_remarks_create(&pictures->source.remarks, err);
    if (!rc)
        rc = find(pictures, path, err);
    rn_files_remark(&pictures->source);
    if (rc)
        rn_pictures_destroy(pictures);
    else
        *out = pictures;
    return rc;
}

size_t rn_pictures_count(const struct rn_pictures *pictures)
{
    return pictures->count;
}

const char *rn_pictures_remark(const struct rn_pictures *pictures, size_t i)
{
    return rn_remarks_get(pictures->source.remarks, i);
}

int rn_pictures_get(const struct rn_pictures *pictures, size_t i,
                    const char **path, struct rn_error *err)
{
    const struct rn_picture_file *file;

    *path = NULL;
    if (i >= pictures->count)
        return rn_fail(err, RN_ERR_ARG, "%zu pictures, there is no number %zu",
                       pictures->count, i);
    file = &pictures->file[i];
    *path = file->path;
    return file->problem ? rn_fail(err, file->problem_code, "%s", file->problem)
                         : RN_OK;
}

int rn_picture_read(const struct rn_files *files, const char *path, int flags,
                    int (*reduce)(void *user, int width, int height),
                    void *user, struct rn_image *image,
                    struct rn_picture_kind *kind, struct rn_error *err)
{
    uint8_t *bytes;
    size_t size;
    int rc = rn_files_read(files, path, RN_IMAGE_MAX_BYTES, &bytes, &size, err);

    *image = (struct rn_image){0, 0, NULL};
    if (!rc)
        rc = rn_image_decode_reduced(image, kind, bytes, size, path, flags,
                                     reduce, user, err);
    if (rc)
        *kind = (struct rn_picture_kind){.flags = 0};
    rn_free(bytes);
    return rc;
}

void rn_picture_remark(const struct rn_files *files, const char *path,
                       const struct rn_picture_kind *kind)
{
    if (kind->flags & RN_KIND_SEVERAL)
        rn_remark(files->remarks, RN_REMARK_SEVERAL,
                  "'%s' holds several pictures; of files like it the first "
                  "picture is taken",
                  path);
}

int rn_picture_load(const struct rn_files *files, const char *path, int flags,
                    int (*reduce)(void *user, int width, int height),
                    void *user, struct rn_image *image, struct rn_error *err)
{
    struct rn_picture_kind kind;
    int rc =
        rn_picture_read(files, path, flags, reduce, user, image, &kind, err);

    if (!rc)
        rn_picture_remark(files, path, &kind);
    return rc;
}

int rn_pictures_load(const struct rn_pictures *pictures, size_t i, int flags,
                     struct rn_image *image, struct rn_error *err)
{
    const char *path;
    int rc = rn_pictures_get(pictures, i, &path, err);

    *image = (struct rn_image){0, 0, NULL};
    return rc ? rc
              : rn_picture_load(&pictures->source, path, flags, NULL, NULL,
                                image, err);
}

void rn_pictures_destroy(struct rn_pictures *pictures)
{
    if (!pictures || !rn_holders_drop(&pictures->holders))
        return;
    rn_pictures_clear(pictures);
    rn_free(pictures);
}
