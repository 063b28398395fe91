/* SPDX-License-Identifier: BSD-2-Clause */
/* The IDX reader on any bytes, plain or gzip: it may refuse, not crash, and
 * what it accepts is as large as it says. */
#include "fuzz.h"

#include "core/memory.h"
#include "data/reader.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const int dims[2] = {1, 4};
    struct rn_error err = {0, ""};
    struct rn_idx idx;
    int fd = memfd_create("idx", MFD_CLOEXEC);
    size_t sum = 0;

    if (fd < 0)
        return 0;
    if (write(fd, bytes, size) != (ssize_t)size ||
        lseek(fd, 0, SEEK_SET) != 0) {
        close(fd);
        return 0;
    }
    if (rn_idx_load(fd, "input", dims, &idx, &err)) {
        if (idx.bytes || !err.code || !err.msg[0])
            abort();
        return 0;
    }
    for (size_t i = 0; i < idx.size; i++)
        sum += idx.bytes[i];
    if (idx.size == 0 || sum > 255 * idx.size)
        abort();
    rn_free(idx.bytes);
    return 0;
}
