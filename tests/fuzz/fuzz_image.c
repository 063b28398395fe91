/* SPDX-License-Identifier: BSD-2-Clause */
/* The picture decoders on any bytes: they may refuse, not crash, and what
 * they accept has all its pixels and can be resized. */
#include "fuzz.h"

#include "data/pictures/image.h"

#include <stdlib.h>

#define MAX_PIXELS ((size_t)1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct rn_view view = {.shape = {1, 9, 8},
                                        .interpolation = RN_BICUBIC};
    struct rn_error err = {0, ""};
    struct rn_picture_kind kind;
    struct rn_image image;
    uint8_t seen[9 * 8];
    size_t pixels, sum = 0;

    int rc = rn_image_decode_kind(&image, &kind, bytes, size, "input",
                                  MAX_PIXELS, &err);

    if (kind.orientation < 0 || kind.orientation > 8 || (kind.flags & ~127))
        abort();
    if (rc) {
        if (image.pixels || !err.code || !err.msg[0])
            abort();
        return 0;
    }
    pixels = (size_t)image.width * (size_t)image.height;
    if (image.width < 1 || image.height < 1 || pixels > MAX_PIXELS)
        abort();
    for (size_t i = 0; i < 3 * pixels; i++)
        sum += image.pixels[i];
    if (sum > 255 * 3 * pixels || rn_view_apply(&view, &image, seen, &err))
        abort();
    rn_image_free(&image);
    return 0;
}
