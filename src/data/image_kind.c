/* SPDX-License-Identifier: BSD-2-Clause */
/* What kind of picture a file is, from its headers alone. */
#include "data/image.h"

#include <string.h>

static uint32_t big_endian(const uint8_t *bytes, int n)
{
    uint32_t value = 0;

    for (int i = 0; i < n; i++)
        value = value << 8 | bytes[i];
    return value;
}

static uint32_t little_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
           (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* ------------------------------------------------------------------ JPEG */

enum { SOF0 = 0xc0, DHT = 0xc4, JPG = 0xc8, DAC = 0xcc, SOF15 = 0xcf };
enum { SOS = 0xda, APP1 = 0xe1 };

/* A frame: precision, height, width (2 each), components. */
static void look_at_frame(const uint8_t *data, int marker,
                          struct rn_picture_kind *kind)
{
    if (data[5] == 1)
        kind->flags |= RN_KIND_GREY;
    if (data[5] == 4)
        kind->flags |= RN_KIND_CMYK;
    if (marker % 4 == 2)
        kind->flags |= RN_KIND_PROGRESSIVE;
}

/* Segments up to the first scan: FF, marker, length (which counts itself). */
static void look_at_jpeg(const uint8_t *bytes, size_t size,
                         struct rn_picture_kind *kind)
{
    size_t at = 2, length;

    for (; at + 4 <= size && bytes[at] == 0xff; at += 2 + length) {
        int marker = bytes[at + 1];

        length = 0;
        if (marker == 0xff) {
            at--; /* a byte that fills up */
            continue;
        }
        length = big_endian(bytes + at + 2, 2);
        if (marker == SOS || length < 2 || length > size - at - 2)
            return;
        if (marker >= SOF0 && marker <= SOF15 && marker != DHT &&
            marker != JPG && marker != DAC && length >= 8)
            look_at_frame(bytes + at + 4, marker, kind);
        if (marker == APP1 && !kind->orientation)
            kind->orientation = rn_exif_orientation(bytes + at + 4, length - 2);
    }
}

/* ------------------------------------------------------------------- PNG */

/* Chunks: length of the data, type, data, checksum. */
static void look_at_png(const uint8_t *bytes, size_t size,
                        struct rn_picture_kind *kind)
{
    size_t at = 8, length;

    for (; at + 12 <= size; at += 12 + length) {
        const uint8_t *type = bytes + at + 4, *data = bytes + at + 8;

        length = big_endian(bytes + at, 4);
        if (length > size - at - 12)
            return;
        if (memcmp(type, "IHDR", 4) == 0 && length >= 13) {
            kind->flags |= data[8] == 16 ? RN_KIND_DEEP : 0;
            kind->flags |= data[9] % 4 == 0 ? RN_KIND_GREY : 0;
            kind->flags |= data[9] == 3 ? RN_KIND_PALETTE : 0;
            kind->flags |= data[9] & 4 ? RN_KIND_ALPHA : 0;
            kind->flags |= data[12] ? RN_KIND_PROGRESSIVE : 0;
        } else if (memcmp(type, "tRNS", 4) == 0) {
            kind->flags |= RN_KIND_ALPHA;
        } else if (memcmp(type, "eXIf", 4) == 0) {
            kind->orientation = rn_exif_orientation(data, length);
        }
    }
}

/* ------------------------------------------------------------------ WebP */

/* RIFF's chunks: type, length, data, filled up to an even length. */
static void look_at_webp(const uint8_t *bytes, size_t size,
                         struct rn_picture_kind *kind)
{
    size_t at = 12, length;

    for (; at + 8 <= size; at += 8 + length + length % 2) {
        length = little_endian(bytes + at + 4);
        if (length > size - at - 8)
            return;
        if (memcmp(bytes + at, "VP8X", 4) == 0 && length > 0)
            kind->flags |= bytes[at + 8] & 0x10 ? RN_KIND_ALPHA : 0;
        /* Lossless: a byte, 14 bits each of width and height less 1, alpha. */
        if (memcmp(bytes + at, "VP8L", 4) == 0 && length > 4)
            kind->flags |= bytes[at + 12] & 0x10 ? RN_KIND_ALPHA : 0;
        if (memcmp(bytes + at, "EXIF", 4) == 0)
            kind->orientation = rn_exif_orientation(bytes + at + 8, length);
    }
}

void rn_picture_look(const uint8_t *bytes, size_t size,
                     struct rn_picture_kind *kind)
{
    static const struct {
        const char *name, *magic;
        size_t at, length;
        void (*look)(const uint8_t *bytes, size_t size,
                     struct rn_picture_kind *kind);
    } formats[] = {
        {"JPEG", "\xff\xd8\xff", 0, 3, look_at_jpeg},
        {"PNG", "\x89PNG\r\n\x1a\n", 0, 8, look_at_png},
        {"WebP", "WEBP", 8, 4, look_at_webp},
    };

    *kind = (struct rn_picture_kind){.format = NULL};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (size < formats[i].at + formats[i].length ||
            memcmp(bytes + formats[i].at, formats[i].magic,
                   formats[i].length) != 0)
            continue;
        kind->format = formats[i].name;
        formats[i].look(bytes, size, kind);
        return;
    }
}
