/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads and writes TensorFlow's records: eight bytes of size, their checksum,
 * the bytes, theirs; all little-endian. */
#include "core/tfrecord.h"

#include "core/memory.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define MASK_DELTA 0xa282ead8U

uint32_t rn_crc32c(const void *bytes, size_t size)
{
    /* Of four bits each, the polynomial 0x1edc6f41 in reverse. */
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    uint32_t crc = ~0U;

    for (const uint8_t *at = bytes; size-- > 0; at++) {
        crc ^= *at;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

uint32_t rn_crc32c_masked(const void *bytes, size_t size)
{
    uint32_t crc = rn_crc32c(bytes, size);

    return (crc >> 15 | crc << 17) + MASK_DELTA;
}

static bool put_sum(FILE *file, const void *bytes, size_t size)
{
    uint32_t sum = htole32(rn_crc32c_masked(bytes, size));

    return fwrite(&sum, sizeof(sum), 1, file) == 1;
}

bool rn_tfrecord_write(FILE *file, const void *bytes, size_t size)
{
    uint64_t length = htole64(size);

    return fwrite(&length, sizeof(length), 1, file) == 1 &&
           put_sum(file, &length, sizeof(length)) &&
           fwrite(bytes, 1, size, file) == size && put_sum(file, bytes, size);
}

static bool has_sum(FILE *file, const void *bytes, size_t size)
{
    uint32_t sum;

    return fread(&sum, sizeof(sum), 1, file) == 1 &&
           le32toh(sum) == rn_crc32c_masked(bytes, size);
}

int rn_tfrecord_read(FILE *file, size_t most, uint8_t **bytes, size_t *size)
{
    uint64_t length;

    *bytes = NULL;
    if (fread(&length, sizeof(length), 1, file) != 1 ||
        !has_sum(file, &length, sizeof(length)) || le64toh(length) > most)
        return ferror(file) ? -1 : 0;
    *size = (size_t)le64toh(length);
    *bytes = rn_alloc(*size, 1);
    if (!*bytes) {
        errno = ENOMEM;
        return -1;
    }
    if (fread(*bytes, 1, *size, file) == *size && has_sum(file, *bytes, *size))
        return 1;
    rn_free(*bytes);
    *bytes = NULL;
    return ferror(file) ? -1 : 0;
}
