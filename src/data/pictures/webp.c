/* SPDX-License-Identifier: BSD-2-Clause */
/* WebP by libwebp, the only file that includes it. */
#include "data/pictures/image.h"

#include <string.h>
#include <webp/decode.h>

#define RIFF_HEADER 12 /* "RIFF", size, "WEBP" */
#define CHUNK       8  /* name, size */

static const char *reason(VP8StatusCode code)
{
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return "out of memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return "a feature that is not supported";
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
        return "the file is truncated";
    default:
        return "damaged data";
    }
}

static int fail(const struct rn_picture *p, const char *text,
                struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA, "'%s': WebP: %s", p->name, text);
}

static size_t little_endian(const uint8_t *b)
{
    return (size_t)b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 |
           (size_t)b[3] << 24;
}

/* The first chunk of that name, of *size bytes, or NULL. */
static const uint8_t *find_chunk(const struct rn_picture *p, const char *name,
                                 size_t *size)
{
    size_t at = RIFF_HEADER;

    while (at <= p->size && p->size - at >= CHUNK) {
        const uint8_t *chunk = p->bytes + at;

        *size = little_endian(chunk + 4);
        at += CHUNK;
        if (*size > p->size - at)
            return NULL;
        if (memcmp(chunk, name, 4) == 0)
            return chunk + CHUNK;
        at += *size + *size % 2;
    }
    return NULL;
}

/* From chunks that stand behind the pixels. */
static int orientation(const struct rn_picture *p)
{
    size_t size = 0;
    const uint8_t *exif = find_chunk(p, "EXIF", &size), *xmp;
    int found = exif ? rn_exif_orientation(exif, size) : 0;

    if (found)
        return found;
    xmp = find_chunk(p, "XMP ", &size);
    return xmp ? rn_xmp_orientation(xmp, size) : 0;
}

static int decode(struct rn_picture *p, WebPDecoderConfig *config,
                  struct rn_error *err)
{
    WebPRGBABuffer *to = &config->output.u.RGBA;
    size_t stride = (size_t)p->image.width * (p->alpha ? 4 : 3);

    VP8StatusCode code;

    config->output.colorspace = p->alpha ? MODE_RGBA : MODE_RGB;
    config->output.is_external_memory = 1;
    to->rgba = p->image.pixels;
    to->stride = (int)stride;
    to->size = stride * (size_t)p->image.height;
    code = WebPDecode(p->bytes, p->size, config);
    WebPFreeDecBuffer(&config->output);
    return code == VP8_STATUS_OK ? RN_OK : fail(p, reason(code), err);
}

int rn_webp_decode(struct rn_picture *p, struct rn_error *err)
{
    WebPDecoderConfig config;

    VP8StatusCode code;
    int rc;

    if (!WebPInitDecoderConfig(&config))
        return fail(p, "another version of libwebp than at compile time", err);
    code = WebPGetFeatures(p->bytes, p->size, &config.input);
    if (code != VP8_STATUS_OK)
        return fail(p, reason(code), err);
    if (config.input.has_animation)
        return fail(p, "an animation, expected a single picture", err);
    p->alpha = config.input.has_alpha;
    p->kind.flags = p->alpha ? RN_KIND_ALPHA : 0;
    p->kind.orientation = orientation(p);
    rc = rn_picture_start(p, (size_t)config.input.width,
                          (size_t)config.input.height, err);
    return rc ? rc : decode(p, &config, err);
}
