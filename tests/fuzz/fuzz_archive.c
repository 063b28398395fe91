/* SPDX-License-Identifier: BSD-2-Clause */
/* Archives of pictures, on any bytes: the whole way from the file to the bytes
 * of each picture. What is accepted has names and labels that hold. */
#include "fuzz.h"

#include "core/memory.h"
#include "data/data.h"
#include "data/sets/picture_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST ((size_t)1 << 20)

static void read_picture(const struct rn_data *data, enum rn_part part, int i)
{
    const char *path = rn_data_file(data, part, i);
    struct rn_error err = {0, ""};
    uint8_t *bytes;
    size_t size, sum = 0;
    int label = -1;

    if (!path || !rn_is_printable(path) ||
        rn_data_image(data, part, i, NULL, &label, NULL) || label < 0 ||
        label >= data->classes)
        abort();
    rn_picture_probe(data, part, i, NULL);
    if (rn_files_read(&data->source, path, MOST, &bytes, &size, &err)) {
        if (bytes || !err.code || !err.msg[0])
            abort();
        return;
    }
    for (size_t k = 0; k < size; k++)
        sum += bytes[k];
    if (size > MOST || sum > 255 * size || bytes[size] != 0)
        abort();
    rn_free(bytes);
}

static void read_data(const char *path)
{
    struct rn_error err = {0, ""};
    struct rn_data *data;

    if (rn_data_open(&data, path, NULL, &err)) {
        if (data || !err.code || !err.msg[0])
            abort();
        return;
    }
    for (int part = 0; part < 3; part++)
        for (int i = 0; i < data->part[part].count; i++)
            read_picture(data, (enum rn_part)part, i);
    rn_data_close(data);
}

/* Blocks that say they are headers of a tar get the check sum that goes with
 * them: a fuzzer does not find it. */
static void mend(uint8_t *bytes, size_t size)
{
    for (uint8_t *block = bytes; size >= 512; block += 512, size -= 512) {
        unsigned sum = 0;

        if (memcmp(block + 257, "ustar", 5) != 0)
            continue;
        memset(block + 148, ' ', 8);
        for (int i = 0; i < 512; i++)
            sum += block[i];
        snprintf((char *)block + 148, 8, "%06o", sum);
    }
}

static int write_input(int fd, const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    ssize_t written;

    if (!copy)
        return -1;
    memcpy(copy, bytes, size);
    mend(copy, size);
    written = write(fd, copy, size);
    free(copy);
    return written == (ssize_t)size ? 0 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    char path[40];

    if (fd < 0 || write_input(fd, bytes, size) < 0)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    read_data(path);
    close(fd);
    return 0;
}
