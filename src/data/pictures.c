/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding pictures in folders. */
#include "data/pictures.h"

#include "core/file.h"
#include "core/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define MAX_DEPTH 64

/* ---------------------------------------------------------------- names */

/* Those that cannot be decoded are pictures, too: they are refused by name
 * rather than left out in silence. */
static const char *const endings[] = {
    ".jpg", ".jpeg", ".jpe",  ".jfif", ".png", ".webp", ".mpo",
    ".gif", ".bmp",  ".tif",  ".tiff", ".ppm", ".pgm",  ".pbm",
    ".pnm", ".heic", ".heif", ".avif", ".jp2", ".jxl",
};

bool rn_picture_named(const char *name)
{
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < sizeof endings / sizeof endings[0]; i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return false;
}

int rn_fail_utf8(struct rn_error *err, const char *what, const char *text)
{
    char shown[400];
    size_t n = 0;

    for (; *text && n < sizeof shown - 5; text++)
        n += (size_t)snprintf(shown + n, sizeof shown - n,
                              *text & 0x80 ? "\\x%02x" : "%c",
                              (unsigned char)*text);
    shown[n] = '\0';
    return rn_fail(err, RN_ERR_DATA, "'%s': the %s is not UTF-8", shown, what);
}

/* -------------------------------------------------------------- folders */

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void rn_folder_free(char **names)
{
    for (size_t i = 0; names && names[i]; i++)
        rn_free(names[i]);
    rn_free(names);
}

/* Room for the NULL at the end is kept. */
static int add_name(char ***names, size_t *capacity, size_t count,
                    const char *name, struct rn_error *err)
{
    if (!rn_grow(names, capacity, count + 1, sizeof **names) ||
        !((*names)[count] = rn_strdup(name)))
        return rn_fail_memory(err, strlen(name), "the names in a folder");
    (*names)[count + 1] = NULL;
    return RN_OK;
}

static int read_entries(DIR *dir, const char *folder, char ***names,
                        size_t *count, struct rn_error *err)
{
    size_t capacity = 0;
    int rc = rn_grow(names, &capacity, 0, sizeof **names)
                 ? RN_OK
                 : rn_fail_memory(err, 1, "the names in a folder");

    while (!rc) {
        struct dirent *entry;

        errno = 0;
        entry = readdir(dir);
        if (!entry)
            return errno ? rn_fail_errno(err, "read", folder) : RN_OK;
        if (entry->d_name[0] == '.')
            continue;
        rc = add_name(names, &capacity, *count, entry->d_name, err);
        if (!rc)
            ++*count;
    }
    return rc;
}

int rn_folder_read(char ***names, const char *folder, struct rn_error *err)
{
    DIR *dir = opendir(folder);
    size_t count = 0;
    int rc;

    *names = NULL;
    if (!dir)
        return rn_fail_errno(err, "open", folder);
    rc = read_entries(dir, folder, names, &count, err);
    closedir(dir);
    if (rc) {
        rn_folder_free(*names);
        *names = NULL;
        return rc;
    }
    qsort(*names, count, sizeof **names, compare);
    return RN_OK;
}

/* ----------------------------------------------------------------- list */

void rn_pictures_clear(struct rn_pictures *pictures)
{
    for (size_t i = 0; i < pictures->count; i++) {
        rn_free(pictures->file[i].path);
        rn_free(pictures->file[i].problem);
    }
    rn_free(pictures->file);
    *pictures = (struct rn_pictures){NULL, 0, 0};
}

/* `problem` is an error of that file, or NULL. */
static int add_file(struct rn_pictures *pictures, const char *path,
                    const struct rn_error *problem, struct rn_error *err)
{
    struct rn_picture_file *file;

    if (!rn_grow(&pictures->file, &pictures->capacity, pictures->count,
                 sizeof *pictures->file))
        return rn_fail_memory(err, sizeof *file, "a list of pictures");
    file = &pictures->file[pictures->count++];
    file->path = rn_strdup(path);
    file->problem = problem ? rn_strdup(problem->msg) : NULL;
    file->problem_code = problem ? problem->code : RN_OK;
    if (!file->path || (problem && !file->problem))
        return rn_fail_memory(err, strlen(path), "a list of pictures");
    return RN_OK;
}

/* Where the walk is: a chain up to the folder it began in. */
struct place {
    const struct place *up;
    dev_t device;
    ino_t inode;
    int depth;
};

static bool lies_in(const struct place *place, const struct stat *st)
{
    for (; place; place = place->up)
        if (place->device == st->st_dev && place->inode == st->st_ino)
            return true;
    return false;
}

static int walk(struct rn_pictures *pictures, const char *folder,
                const struct place *up, const struct stat *st,
                struct rn_error *err);

/* Why an entry that is there cannot be taken; RN_OK when it can. */
static int judge(const char *path, const struct stat *st,
                 const struct place *place, struct rn_error *problem)
{
    if (S_ISDIR(st->st_mode) && lies_in(place, st))
        return rn_fail(problem, RN_ERR_DATA,
                       "'%s' is a symbolic link to a folder it lies in", path);
    if (S_ISDIR(st->st_mode) && place->depth >= MAX_DEPTH)
        return rn_fail(problem, RN_ERR_DATA,
                       "'%s' lies more than %d folders deep", path, MAX_DEPTH);
    if (S_ISDIR(st->st_mode))
        return RN_OK;
    if (!S_ISREG(st->st_mode))
        return rn_fail(problem, RN_ERR_DATA, "'%s' is not a regular file",
                       path);
    return rn_is_utf8(path) ? RN_OK : rn_fail_utf8(problem, "file name", path);
}

static int visit(struct rn_pictures *pictures, const char *path,
                 const struct place *place, struct rn_error *err)
{
    struct rn_error problem = {0};
    struct stat st;
    int rc;

    if (stat(path, &st))
        rc = rn_fail_errno(&problem, "open", path);
    else if (!S_ISDIR(st.st_mode) && !rn_picture_named(path))
        return RN_OK;
    else
        rc = judge(path, &st, place, &problem);
    if (!rc && !S_ISDIR(st.st_mode))
        return add_file(pictures, path, NULL, err);
    if (!rc)
        rc = walk(pictures, path, place, &st, &problem);
    if (rc == RN_ERR_MEMORY)
        return rn_fail(err, rc, "%s", problem.msg);
    return rc ? add_file(pictures, path, &problem, err) : RN_OK;
}

static int walk(struct rn_pictures *pictures, const char *folder,
                const struct place *up, const struct stat *st,
                struct rn_error *err)
{
    struct place place = {up, st->st_dev, st->st_ino, up ? up->depth + 1 : 0};
    char **names;
    int rc = rn_folder_read(&names, folder, err);

    for (size_t i = 0; !rc && names[i]; i++) {
        char *path = rn_path_join(folder, names[i]);

        rc = path ? visit(pictures, path, &place, err)
                  : rn_fail_memory(err, strlen(folder), "a file name");
        rn_free(path);
    }
    rn_folder_free(names);
    return rc;
}

int rn_pictures_add_folder(struct rn_pictures *pictures, const char *folder,
                           struct rn_error *err)
{
    struct stat st;

    if (stat(folder, &st))
        return rn_fail_errno(err, "open", folder);
    return walk(pictures, folder, NULL, &st, err);
}

/* -------------------------------------------------------------- the API */

/* `path` is a folder or a single file. */
static int find(struct rn_pictures *pictures, const char *path,
                struct rn_error *err)
{
    struct rn_error problem = {0};
    struct stat st;
    int rc;

    if (stat(path, &st))
        return rn_fail_errno(err, "open", path);
    if (!S_ISDIR(st.st_mode)) {
        if (rn_is_utf8(path))
            return add_file(pictures, path, NULL, err);
        rn_fail_utf8(&problem, "file name", path);
        return add_file(pictures, path, &problem, err);
    }
    rc = walk(pictures, path, NULL, &st, err);
    if (!rc && !pictures->count)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' holds no picture (.jpg, .jpeg, .png, .webp)", path);
    return rc;
}

int rn_pictures_find(struct rn_pictures **out, const char *path,
                     struct rn_error *err)
{
    struct rn_pictures *pictures = rn_alloc(1, sizeof *pictures);
    int rc;

    *out = NULL;
    if (!pictures)
        return rn_fail_memory(err, sizeof *pictures, "a list of pictures");
    rc = find(pictures, path, err);
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

void rn_pictures_destroy(struct rn_pictures *pictures)
{
    if (!pictures)
        return;
    rn_pictures_clear(pictures);
    rn_free(pictures);
}
