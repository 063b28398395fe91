/* SPDX-License-Identifier: BSD-2-Clause */
/* Names in zip files (PKWARE's APPNOTE 6.3, appendix D). They are UTF-8 where a
 * flag or Info-ZIP's extra field says so, else of code page 437, IBM's; but
 * programs for Unix and macOS write UTF-8 without a word. */
#include "core/zip_name.h"

#include "core/memory.h"
#include "core/text.h"

#include <string.h>
#include <zlib.h>

#define FLAG_UTF8     0x800
#define EXTRA_UNICODE 0x7075 /* version 1, CRC-32 of the other name, UTF-8 */

enum { HOST_DOS = 0, HOST_MACOS = 19 };

/* Unicode of code page 437 from 128 on. */
/* clang-format off */
static const uint16_t code_page[128] = {
    0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7,
    0x00ea, 0x00eb, 0x00e8, 0x00ef, 0x00ee, 0x00ec, 0x00c4, 0x00c5,
    0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9,
    0x00ff, 0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192,
    0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa, 0x00ba,
    0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb,
    0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556,
    0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510,
    0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f,
    0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256c, 0x2567,
    0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b,
    0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580,
    0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4,
    0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229,
    0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248,
    0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0,
};
/* clang-format on */

static uint32_t number(const uint8_t *at, int bytes)
{
    uint32_t value = 0;

    while (bytes--)
        value = value << 8 | at[bytes];
    return value;
}

/* The name in Info-ZIP's field, if it goes with the other one and has no zero
 * byte, at which it would end for us and not for others. */
static const uint8_t *find_unicode(const struct rn_zip_name *n, size_t *size)
{
    const uint8_t *at = n->extra, *end = at + n->extra_size;
    uint32_t crc = (uint32_t)crc32_z(0, n->bytes, n->size);

    while (end - at >= 4) {
        size_t length = number(at + 2, 2);

        if (length > (size_t)(end - at) - 4)
            return NULL;
        if (number(at, 2) == EXTRA_UNICODE && length > 5 && at[4] == 1 &&
            number(at + 5, 4) == crc && !memchr(at + 9, 0, length - 5)) {
            *size = length - 5;
            return at + 9;
        }
        at += 4 + length;
    }
    return NULL;
}

static char *copy(const uint8_t *bytes, size_t size)
{
    char *name = rn_alloc(size + 1, 1);

    if (name)
        memcpy(name, bytes, size);
    return name;
}

/* At most three bytes of UTF-8 for each. */
static char *from_code_page(const uint8_t *bytes, size_t size)
{
    char *name = rn_alloc(size + 1, 3), *to = name;

    for (size_t i = 0; name && i < size; i++) {
        unsigned code = bytes[i] < 128 ? bytes[i] : code_page[bytes[i] - 128];

        if (code < 0x80) {
            *to++ = (char)code;
        } else if (code < 0x800) {
            *to++ = (char)(0xc0 | code >> 6);
            *to++ = (char)(0x80 | (code & 0x3f));
        } else {
            *to++ = (char)(0xe0 | code >> 12);
            *to++ = (char)(0x80 | (code >> 6 & 0x3f));
            *to++ = (char)(0x80 | (code & 0x3f));
        }
    }
    return name;
}

static bool is_ascii(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] >= 128)
            return false;
    return true;
}

char *rn_zip_name(const struct rn_zip_name *n)
{
    bool unix_like = n->host == RN_ZIP_UNIX || n->host == HOST_MACOS;
    size_t size = 0;
    const uint8_t *unicode = find_unicode(n, &size);
    char *name = unicode ? copy(unicode, size) : copy(n->bytes, n->size);

    if (!name || unicode || n->flags & FLAG_UTF8 ||
        is_ascii(n->bytes, n->size) || memchr(n->bytes, 0, n->size) ||
        (unix_like && rn_is_utf8(name)))
        return name;
    rn_free(name);
    return from_code_page(n->bytes, n->size);
}

void rn_zip_turn_slashes(const struct rn_zip_name *n, char *name)
{
    for (; n->host == HOST_DOS && *name; name++)
        if (*name == '\\')
            *name = '/';
}
