/* SPDX-License-Identifier: BSD-2-Clause */
/* How names of pictures end. */
#include "data/pictures/named.h"

#include "core/count.h"
#include "core/locale.h"

#include <string.h>

/* Those that cannot be decoded, or not in this build, are pictures, too: they
 * are refused by name rather than left out in silence. */
static const char *const endings[] = {
    ".jpg",  ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".mpo", ".gif",
    ".bmp",  ".dib",  ".tif", ".tiff", ".ppm", ".pgm",  ".pbm", ".pnm",
    ".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2",  ".j2k",
};

/* These often lie beside pictures, as a camera's raw files and icons do. */
static const char *const others[] = {
    ".tga", ".pcx", ".dds", ".psd", ".exr", ".hdr", ".ico", ".svg", ".dng",
    ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".dcm", ".npy",
};

static bool ends(const char *name, const char *const *with, size_t count)
{
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < count; i++)
        if (rn_same_word(dot, with[i]))
            return true;
    return false;
}

bool rn_picture_named(const char *name)
{
    return ends(name, endings, COUNT(endings));
}

bool rn_picture_of_others(const char *name)
{
    return ends(name, others, COUNT(others));
}
