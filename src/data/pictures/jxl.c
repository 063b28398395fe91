/* SPDX-License-Identifier: BSD-2-Clause */
/* JPEG XL by libjxl, the only file that includes it. Of several frames the
 * first counts. The library turns the picture itself, as the format says it
 * shall be seen; of EXIF beside it nothing counts. (Debian's build of it writes
 * to standard error where a file is damaged, and cannot be told not to.) */
#include "data/pictures/image.h"

#include "core/count.h"
#include "core/late.h"

#include <jxl/decode.h>
#include <jxl/version.h>
#include <string.h>

/* clang-format off */
#define FUNCTIONS(F) \
    F(Create) \
    F(Destroy) \
    F(GetBasicInfo) \
    F(ImageOutBufferSize) \
    F(ProcessInput) \
    F(SetImageOutBuffer) \
    F(SetInput) \
    F(SetPreferredColorProfile) \
    F(SetUnpremultiplyAlpha) \
    F(SubscribeEvents)

#define POINTER(name) __typeof__(JxlDecoder##name) *name;
#define NAME(name) {"JxlDecoder" #name, &jxl.name},

/* Before 1.0 each minor version has a binary interface of its own. */
#define QUOTE(number) #number
#define TEXT(number) QUOTE(number)
#if JPEGXL_MAJOR_VERSION == 0
#define LIBRARY "libjxl.so.0." TEXT(JPEGXL_MINOR_VERSION)
#else
#define LIBRARY "libjxl.so." TEXT(JPEGXL_MAJOR_VERSION)
#endif
/* clang-format on */

static struct {
    FUNCTIONS(POINTER)
} jxl;

static const struct rn_late_function functions[] = {FUNCTIONS(NAME)};
static struct rn_late library = {LIBRARY, functions, COUNT(functions), false};

/* Depth, spot colours and the like are decoded and thrown away. */
#define MOST_EXTRA 8

struct state {
    struct rn_picture *picture;
    struct rn_error *err;
    JxlDecoder *decoder;
    JxlPixelFormat format;
    bool converts; /* to colours that are asked for */
    bool done;
};

static int fail(const struct state *s, const char *text)
{
    return rn_fail(s->err, RN_ERR_DATA, "'%s': JPEG XL: %s", s->picture->name,
                   text);
}

static int read_info(struct state *s)
{
    struct rn_picture *p = s->picture;

    JxlBasicInfo info;

    if (jxl.GetBasicInfo(s->decoder, &info) != JXL_DEC_SUCCESS)
        return fail(s, "damaged header");
    if (info.num_extra_channels > MOST_EXTRA)
        return fail(s, "more than 8 channels beside the colours");
    p->alpha = info.alpha_bits > 0;
    p->kind.flags = (p->alpha ? RN_KIND_ALPHA : 0) |
                    (info.num_color_channels == 1 ? RN_KIND_GREY : 0) |
                    (info.bits_per_sample > 8 ? RN_KIND_DEEP : 0) |
                    (info.have_animation ? RN_KIND_SEVERAL : 0);
    s->converts = !info.uses_original_profile && info.num_color_channels == 3;
    s->format = (JxlPixelFormat){p->alpha ? 4 : 3, JXL_TYPE_UINT8,
                                 JXL_NATIVE_ENDIAN, 0};
    return rn_picture_start(p, info.xsize, info.ysize, s->err);
}

/* Colours of pictures that keep none of their own come out as sRGB; where that
 * cannot be, they stay what they are. */
static void ask_for_srgb(struct state *s)
{
    const JxlColorEncoding srgb = {
        .color_space = JXL_COLOR_SPACE_RGB,
        .white_point = JXL_WHITE_POINT_D65,
        .primaries = JXL_PRIMARIES_SRGB,
        .transfer_function = JXL_TRANSFER_FUNCTION_SRGB,
        .rendering_intent = JXL_RENDERING_INTENT_RELATIVE};

    if (s->converts)
        jxl.SetPreferredColorProfile(s->decoder, &srgb);
}

static int place_pixels(struct state *s)
{
    const struct rn_image *image = &s->picture->image;
    size_t size =
        (size_t)image->width * (size_t)image->height * s->format.num_channels;
    size_t wanted = 0;

    if (!image->pixels ||
        jxl.ImageOutBufferSize(s->decoder, &s->format, &wanted) !=
            JXL_DEC_SUCCESS ||
        wanted != size ||
        jxl.SetImageOutBuffer(s->decoder, &s->format, image->pixels, size) !=
            JXL_DEC_SUCCESS)
        return fail(s, "pixels of another size than the header says");
    return RN_OK;
}

static int step(struct state *s)
{
    switch (jxl.ProcessInput(s->decoder)) {
    case JXL_DEC_BASIC_INFO:
        return read_info(s);
    case JXL_DEC_COLOR_ENCODING:
        ask_for_srgb(s);
        return RN_OK;
    case JXL_DEC_NEED_IMAGE_OUT_BUFFER:
        return place_pixels(s);
    case JXL_DEC_FULL_IMAGE:
    case JXL_DEC_SUCCESS:
        s->done = true;
        return s->picture->image.pixels ? RN_OK
                                        : fail(s, "there is no picture in it");
    case JXL_DEC_NEED_MORE_INPUT:
        return fail(s, "the file is truncated");
    default:
        return fail(s, "damaged data");
    }
}

static int decode(struct state *s)
{
    int events =
        JXL_DEC_BASIC_INFO | JXL_DEC_COLOR_ENCODING | JXL_DEC_FULL_IMAGE;
    int rc = RN_OK;

    if (jxl.SubscribeEvents(s->decoder, events) != JXL_DEC_SUCCESS ||
        jxl.SetInput(s->decoder, s->picture->bytes, s->picture->size) !=
            JXL_DEC_SUCCESS)
        return fail(s, "the decoder does not start");
    jxl.SetUnpremultiplyAlpha(s->decoder, JXL_TRUE);
    while (!rc && !s->done)
        rc = step(s);
    return rc;
}

int rn_jxl_decode(struct rn_picture *p, struct rn_error *err)
{
    struct state s = {.picture = p, .err = err};
    const char *why = rn_late_load(&library);
    int rc;

    if (why)
        return rn_fail(err, RN_ERR_DATA, "'%s': JPEG XL: %.300s", p->name, why);
    s.decoder = jxl.Create(NULL);
    if (!s.decoder)
        return rn_fail(err, RN_ERR_MEMORY, "'%s': out of memory", p->name);
    rc = decode(&s);
    jxl.Destroy(s.decoder);
    return rc;
}
