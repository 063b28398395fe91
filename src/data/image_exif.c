/* SPDX-License-Identifier: BSD-2-Clause */
/* EXIF is a TIFF file without pictures: byte order, 42, where its first
 * directory is; there, entries of twelve bytes. */
#include "data/image.h"

#include <string.h>

#define HEADER      8
#define ENTRY       12
#define ORIENTATION 0x0112

enum { TYPE_BYTE = 1, TYPE_SHORT = 3, TYPE_LONG = 4 };

struct reader {
    const uint8_t *bytes;
    bool big_endian;
};

static uint32_t number(const struct reader *r, size_t at, int bytes)
{
    uint32_t value = 0;

    for (int i = 0; i < bytes; i++)
        value = value << 8 |
                r->bytes[at + (size_t)(r->big_endian ? i : bytes - 1 - i)];
    return value;
}

static int value_of(const struct reader *r, size_t entry)
{
    static const int widths[] = {
        [TYPE_BYTE] = 1, [TYPE_SHORT] = 2, [TYPE_LONG] = 4};
    uint32_t type = number(r, entry + 2, 2), value;

    if (type >= sizeof widths / sizeof widths[0] || !widths[type])
        return 0;
    value = number(r, entry + 8, widths[type]);
    return value >= 1 && value <= 8 ? (int)value : 0;
}

int rn_exif_orientation(const uint8_t *bytes, size_t size)
{
    struct reader r;
    size_t at, count;

    if (size >= 6 && memcmp(bytes, "Exif\0", 6) == 0) {
        bytes += 6;
        size -= 6;
    }
    if (size < HEADER)
        return 0;
    r = (struct reader){bytes, bytes[0] == 'M'};
    if (memcmp(bytes, r.big_endian ? "MM" : "II", 2) != 0 ||
        number(&r, 2, 2) != 42)
        return 0;
    at = number(&r, 4, 4);
    if (at > size - 2)
        return 0;
    count = number(&r, at, 2);
    for (at += 2; count && at <= size && size - at >= ENTRY;
         count--, at += ENTRY)
        if (number(&r, at, 2) == ORIENTATION)
            return value_of(&r, at);
    return 0;
}
