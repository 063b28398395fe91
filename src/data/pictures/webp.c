/* SPDX-License-Identifier: BSD-2-Clause */
/* WebP by libwebp, the only file that includes it. Of several frames the first
 * counts, laid on the canvas as Pillow lays it: what it leaves free is
 * transparent, or black where nothing may be. */
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

/* The first chunk of that name from there on, of *size bytes, or NULL. */
static const uint8_t *chunk_from(const struct rn_picture *p, size_t at,
                                 const char *name, size_t *size)
{
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

static const uint8_t *find_chunk(const struct rn_picture *p, const char *name,
                                 size_t *size)
{
    return chunk_from(p, RIFF_HEADER, name, size);
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

/* Pixels of a file, or of a frame, that become part of the picture. */
struct part {
    const uint8_t *bytes;
    size_t size;
    size_t x, y;
};

static int decode(struct rn_picture *p, const struct part *part,
                  WebPDecoderConfig *config, struct rn_error *err)
{
    WebPRGBABuffer *to = &config->output.u.RGBA;
    size_t bytes = p->alpha ? 4 : 3;
    size_t stride = (size_t)p->image.width * bytes;
    size_t before = part->y * stride + part->x * bytes;

    VP8StatusCode code;

    config->output.colorspace = p->alpha ? MODE_RGBA : MODE_RGB;
    config->output.is_external_memory = 1;
    to->rgba = p->image.pixels + before;
    to->stride = (int)stride;
    to->size = stride * (size_t)p->image.height - before;
    code = WebPDecode(part->bytes, part->size, config);
    WebPFreeDecBuffer(&config->output);
    return code == VP8_STATUS_OK ? RN_OK : fail(p, reason(code), err);
}

static int look(const struct rn_picture *p, const struct part *part,
                WebPDecoderConfig *config, struct rn_error *err)
{
    VP8StatusCode code =
        WebPGetFeatures(part->bytes, part->size, &config->input);

    return code == VP8_STATUS_OK ? RN_OK : fail(p, reason(code), err);
}

static int start(struct rn_picture *p, const WebPBitstreamFeatures *is,
                 struct rn_error *err)
{
    p->alpha = is->has_alpha;
    p->kind.flags |= p->alpha ? RN_KIND_ALPHA : 0;
    p->kind.orientation = orientation(p);
    return rn_picture_start(p, (size_t)is->width, (size_t)is->height, err);
}

/* -------------------------------------------------------------- animations */

#define FRAME_HEADER 16 /* x, y, width, height of 3 bytes; time, flags */

static size_t three_bytes(const uint8_t *b)
{
    return (size_t)b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16;
}

/* The first frame's pixels, and whether there is a second one. */
static int find_frame(struct rn_picture *p, struct part *part,
                      struct rn_error *err)
{
    size_t size = 0, next;
    const uint8_t *frame = find_chunk(p, "ANMF", &size);

    if (!frame || size < FRAME_HEADER)
        return fail(p, frame ? "damaged data" : "the file is truncated", err);
    *part = (struct part){frame + FRAME_HEADER, size - FRAME_HEADER,
                          2 * three_bytes(frame), 2 * three_bytes(frame + 3)};
    next = (size_t)(frame - p->bytes) + size + size % 2;
    if (chunk_from(p, next, "ANMF", &size))
        p->kind.flags |= RN_KIND_SEVERAL;
    return RN_OK;
}

/* config tells of the canvas at first, then of the frame. */
static int decode_first(struct rn_picture *p, WebPDecoderConfig *config,
                        struct rn_error *err)
{
    const WebPBitstreamFeatures canvas = config->input, *is = &config->input;
    struct part part;
    int rc = find_frame(p, &part, err);

    if (!rc)
        rc = look(p, &part, config, err);
    if (rc)
        return rc;
    if (is->has_animation ||
        part.x + (size_t)is->width > (size_t)canvas.width ||
        part.y + (size_t)is->height > (size_t)canvas.height)
        return fail(p, "a frame that lies outside the picture", err);
    rc = start(p, &canvas, err);
    return rc ? rc : decode(p, &part, config, err);
}

int rn_webp_decode(struct rn_picture *p, struct rn_error *err)
{
    const struct part all = {p->bytes, p->size, 0, 0};
    WebPDecoderConfig config;
    int rc;

    if (!WebPInitDecoderConfig(&config))
        return fail(p, "another version of libwebp than at compile time", err);
    rc = look(p, &all, &config, err);
    if (rc)
        return rc;
    if (config.input.has_animation)
        return decode_first(p, &config, err);
    rc = start(p, &config.input, err);
    return rc ? rc : decode(p, &all, &config, err);
}
