/* SPDX-License-Identifier: BSD-2-Clause */
/* CIFAR's pickles for Python, on any bytes: each file of a folder is the input.
 * What is accepted has labels that hold, and pixels that are there. */
#include "fuzz.h"

#include "data/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Folders whose files all lead to the open file 100. */
#define INPUT 100

static char *make_folder(int hundred)
{
    static const char *const files[][3] = {
        {"data_batch_1", "test_batch", "batches.meta"},
        {"train", "test", "meta"}};
    static const char *const batches[] = {"data_batch_2", "data_batch_3",
                                          "data_batch_4", "data_batch_5"};
    static char folders[2][32] = {"/tmp/fuzz-cifar-XXXXXX",
                                  "/tmp/fuzz-cifar-XXXXXX"};
    char path[80], target[40];

    if (!mkdtemp(folders[hundred]))
        abort();
    snprintf(target, sizeof(target), "/proc/self/fd/%d", INPUT);
    for (int i = 0; i < (hundred ? 3 : 7); i++) {
        snprintf(path, sizeof(path), "%s/%s", folders[hundred],
                 i < 3 ? files[hundred][i] : batches[i - 3]);
        if (symlink(target, path))
            abort();
    }
    return folders[hundred];
}

static void read_data(const char *path)
{
    struct rn_error err = {0, ""};
    uint8_t pixels[3072];
    struct rn_data *data;
    int label = -1;

    if (rn_data_open(&data, path, NULL, &err)) {
        if (data || !err.code || !err.msg[0])
            abort();
        return;
    }
    for (int i = 0; i < data->part[RN_PART_TRAIN].count; i++)
        if (rn_data_image(data, RN_PART_TRAIN, i, pixels, &label, NULL) ||
            label < 0 || label >= data->classes)
            abort();
    rn_data_close(data);
}

static const char *folders[3];

static void remove_folders(void)
{
    char command[100];

    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof(command), "rm -rf '%s'", folders[i]);
        if (system(command))
            perror(command);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char coarse[64];
    int fd = memfd_create("input", MFD_CLOEXEC);

    if (!folders[0]) {
        folders[0] = make_folder(0);
        folders[1] = make_folder(1);
        snprintf(coarse, sizeof(coarse), "coarse:%s", folders[1]);
        folders[2] = coarse;
        atexit(remove_folders);
    }
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size ||
        dup2(fd, INPUT) != INPUT)
        abort();
    for (int i = 0; i < 3; i++)
        read_data(folders[i]);
    close(fd);
    close(INPUT);
    return 0;
}
