/* SPDX-License-Identifier: BSD-2-Clause */
/* A folder for the files of a test: make_folder() and remove_folder() are
 * set-up and tear-down of a test or a group. Include after cmocka.h. */
#ifndef TESTS_UNIT_FOLDER_H
#define TESTS_UNIT_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char folder[64];

static inline int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/rn-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

/* What is written beside and renamed must not be left. */
static inline int remove_one(const char *path, const struct stat *st, int type,
                             struct FTW *ftw)
{
    int left = strstr(path + ftw->base, ".tmp-") != NULL;

    (void)st;
    (void)type;
    if (left)
        print_error("left behind: %s\n", path);
    return remove(path) || left;
}

static inline int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path in the folder; eight may be held at a time. */
static inline const char *in_folder(const char *name)
{
    static char paths[8][300];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

/* Write a file in the folder, and the folders it lies in. */
static inline void write_file(const char *name, const void *bytes, size_t size)
{
    char path[300];
    FILE *file;

    snprintf(path, sizeof(path), "%s", in_folder(name));
    for (char *c = path + strlen(folder) + 1; *c; c++) {
        if (*c != '/')
            continue;
        *c = '\0';
        mkdir(path, 0777);
        *c = '/';
    }
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

#endif
