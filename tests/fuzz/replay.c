/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a fuzz target over files, or the files of folders, without a fuzzer;
 * then over every shortened form of the small ones. */
#include "fuzz.h"

#include "core/file.h"
#include "core/memory.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT ((size_t)64 << 20)
#define SMALL 512

/* In memory of exactly that size, so that sanitizers see reads past it. */
static void run_copy(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        abort();
    memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int run_file(const char *path)
{
    struct rn_error err;
    uint8_t *bytes;
    size_t size;

    if (rn_file_read(path, LIMIT, &bytes, &size, &err) != RN_OK) {
        fprintf(stderr, "%s\n", err.msg);
        return -1;
    }
    run_copy(bytes, size);
    for (size_t n = 0; n < size && size <= SMALL; n++)
        run_copy(bytes, n);
    rn_free(bytes);
    return 1;
}

/* Number of files run, or -1. */
static int run_folder(const char *path)
{
    DIR *folder = opendir(path);
    int files = 0;

    if (!folder) {
        perror(path);
        return -1;
    }
    for (struct dirent *entry; files >= 0 && (entry = readdir(folder));) {
        char *file = rn_path_join(path, entry->d_name);

        if (file && rn_is_file(file))
            files = run_file(file) < 0 ? -1 : files + 1;
        rn_free(file);
    }
    closedir(folder);
    return files;
}

int main(int argc, char **argv)
{
    int files = 0;

    for (int i = 1; i < argc; i++) {
        int n = rn_is_folder(argv[i]) ? run_folder(argv[i]) : run_file(argv[i]);

        if (n < 0)
            return 1;
        files += n;
    }
    printf("%d files\n", files);
    return files > 0 ? 0 : 1;
}
