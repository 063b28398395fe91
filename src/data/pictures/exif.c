/* SPDX-License-Identifier: BSD-2-Clause */
/* Which way up a picture is, as Pillow's ImageOps.exif_transpose() finds out:
 * what EXIF says counts, even if it makes no sense, and only where EXIF says
 * nothing does XMP.
 *
 * EXIF is a TIFF file without pictures: byte order, 42, where its first
 * directory is; there, entries of twelve bytes. */
#include "data/pictures/image.h"

#include <string.h>

#define HEADER      8
#define ENTRY       12
#define ORIENTATION 0x0112

/* Types of values; those of texts and bytes tell Pillow nothing. */
enum {
    TYPE_SHORT = 3,
    TYPE_LONG = 4,
    TYPE_SIGNED_BYTE = 6,
    TYPE_SIGNED_SHORT = 8,
    TYPE_SIGNED_LONG = 9,
    TYPE_DIRECTORY = 13,
    TYPES
};

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

static int sensible(uint32_t orientation)
{
    return orientation >= 1 && orientation <= 8 ? (int)orientation : 1;
}

static int value_of(const struct reader *r, size_t entry)
{
    static const int widths[TYPES] = {
        [TYPE_SHORT] = 2,        [TYPE_LONG] = 4,        [TYPE_SIGNED_BYTE] = 1,
        [TYPE_SIGNED_SHORT] = 2, [TYPE_SIGNED_LONG] = 4, [TYPE_DIRECTORY] = 4,
    };
    uint32_t type = number(r, entry + 2, 2), value;

    if (type == 0 || type >= TYPES || number(r, entry + 4, 4) == 0)
        return 0;
    value = widths[type] ? number(r, entry + 8, widths[type]) : 0;
    return sensible(value);
}

int rn_exif_orientation(const uint8_t *bytes, size_t size)
{
    struct reader r;
    size_t at, count;

    for (int i = 0; i < 2 && size >= 6 && !memcmp(bytes, "Exif\0", 6); i++) {
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

/* XMP is XML, in which the orientation is an attribute or an element:
 * tiff:Orientation="6" or <tiff:Orientation>6<. Pillow looks for just these
 * characters. */
int rn_xmp_orientation(const void *packet, size_t size)
{
    static const char name[] = "tiff:Orientation";
    const size_t length = sizeof(name) - 1;
    const uint8_t *at = packet, *end = at + size;

    while ((at = memmem(at, (size_t)(end - at), name, length))) {
        size_t left = (size_t)(end - (at += length)), before = 0;

        if (left >= 2 && memcmp(at, "=\"", 2) == 0)
            before = 2;
        else if (left >= 1 && *at == '>')
            before = 1;
        if (before && left > before && at[before] >= '0' && at[before] <= '9')
            return sensible((uint32_t)(at[before] - '0'));
    }
    return 0;
}
