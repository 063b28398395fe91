/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures from files: which format it is, and what becomes of all that are
 * decoded. */
#include "data/pictures/image.h"

#include "core/count.h"
#include "core/file.h"
#include "core/memory.h"

#include <string.h>

/* ------------------------------------------------------------- formats */

/* Decoders that the build may leave out. */
#ifdef RN_WITH_GIF
#define GIF_DECODE rn_gif_decode
#define GIF_NAME   ", GIF"
#else
#define GIF_DECODE NULL
#define GIF_NAME   ""
#endif
#ifdef RN_WITH_TIFF
#define TIFF_DECODE rn_tiff_decode
#define TIFF_NAME   ", TIFF"
#else
#define TIFF_DECODE NULL
#define TIFF_NAME   ""
#endif
#ifdef RN_WITH_HEIF
#define HEIF_DECODE rn_heif_decode
#define HEIF_NAME   ", HEIC, AVIF"
#else
#define HEIF_DECODE NULL
#define HEIF_NAME   ""
#endif
#ifdef RN_WITH_JXL
#define JXL_DECODE rn_jxl_decode
#define JXL_NAME   ", JPEG XL"
#else
#define JXL_DECODE NULL
#define JXL_NAME   ""
#endif

#define FORMATS \
    "JPEG, PNG, WebP, BMP, PNM" GIF_NAME TIFF_NAME HEIF_NAME JXL_NAME

/* Where a format is told by its first bytes; '?' stands for any byte. */
struct format {
    const char *name;
    const char *magic;
    size_t length;                                             /* of magic */
    int (*decode)(struct rn_picture *p, struct rn_error *err); /* or NULL */
    const char *library; /* that decode() needs and a build may be without */
};

/* clang-format off */
#define MAGIC(text) text, sizeof(text) - 1
#define PNM(magic)                                                             \
    {"PNM", MAGIC(magic "\n"), rn_pnm_decode, NULL},                           \
        {"PNM", MAGIC(magic " "), rn_pnm_decode, NULL},                        \
        {"PNM", MAGIC(magic "\r"), rn_pnm_decode, NULL},                       \
        {"PNM", MAGIC(magic "\t"), rn_pnm_decode, NULL}
#define GIF(magic)  {"GIF", MAGIC(magic), GIF_DECODE, "giflib (libgif-dev)"}
#define TIFF(magic) {"TIFF", MAGIC(magic), TIFF_DECODE, "libtiff (libtiff-dev)"}
#define HEIF(name, brand)                                                      \
    {name, MAGIC("????ftyp" brand), HEIF_DECODE, "libheif (libheif-dev)"}
#define JXL(magic)                                                             \
    {"JPEG XL", MAGIC(magic), JXL_DECODE, "libjxl (libjxl-dev)"}
/* clang-format on */

static const struct format formats[] = {
    {"JPEG", MAGIC("\xff\xd8\xff"), rn_jpeg_decode, NULL},
    {"PNG", MAGIC("\x89PNG\r\n\x1a\n"), rn_png_decode, NULL},
    {"WebP", MAGIC("RIFF????WEBP"), rn_webp_decode, NULL},
    {"BMP", MAGIC("BM?????????????\0\0\0"), rn_bmp_decode, NULL},
    PNM("P1"),
    PNM("P2"),
    PNM("P3"),
    PNM("P4"),
    PNM("P5"),
    PNM("P6"),
    GIF("GIF87a"),
    GIF("GIF89a"),
    TIFF("II*\0"),
    TIFF("MM\0*"),
    TIFF("II+\0"),
    TIFF("MM\0+"),
    HEIF("HEIC", "hei"),
    HEIF("HEIC", "hev"),
    HEIF("HEIC", "mif1"),
    HEIF("HEIC", "msf1"),
    HEIF("AVIF", "avi"),
    JXL("\xff\x0a"),
    JXL("\0\0\0\x0cJXL \r\n\x87\n"),
    /* Known, so that the message can say what was found. */
    {"JPEG 2000", MAGIC("\0\0\0\x0cjP  "), NULL, NULL},
    {"JPEG 2000", MAGIC("\xff\x4f\xff\x51"), NULL, NULL},
    {"PSD", MAGIC("8BPS"), NULL, NULL},
    {"ICO", MAGIC("\0\0\1\0"), NULL, NULL},
    {"PDF", MAGIC("%PDF-"), NULL, NULL},
};

const char *rn_image_formats(void)
{
    return FORMATS;
}

static bool matches(const struct format *f, const uint8_t *bytes, size_t size)
{
    if (size < f->length)
        return false;
    for (size_t i = 0; i < f->length; i++)
        if (f->magic[i] != '?' && (uint8_t)f->magic[i] != bytes[i])
            return false;
    return true;
}

static const struct format *recognise(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < COUNT(formats); i++)
        if (matches(&formats[i], bytes, size))
            return &formats[i];
    return NULL;
}

/* ----------------------------------------------- opacity, orientation */

/* Colours that opacity was multiplied into get back what they were. */
static void divide(struct rn_image *image)
{
    size_t pixels = (size_t)image->width * (size_t)image->height;

    for (size_t i = 0; i < pixels; i++) {
        uint8_t *pixel = image->pixels + 4 * i;
        unsigned alpha = pixel[3];

        for (int c = 0; alpha && c < 3; c++) {
            unsigned value = pixel[c] * 255 / alpha;

            pixel[c] = (uint8_t)(value < 255 ? value : 255);
        }
    }
}

/* Four bytes a pixel become three, what is transparent turning white. The
 * quotient by 255 is rounded. */
static void over_white(struct rn_image *image)
{
    size_t pixels = (size_t)image->width * (size_t)image->height;

    for (size_t i = 0; i < pixels; i++) {
        const uint8_t *from = image->pixels + 4 * i;
        uint8_t *to = image->pixels + 3 * i;
        unsigned alpha = from[3];

        for (int c = 0; c < 3; c++)
            to[c] =
                (uint8_t)((from[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

/* EXIF's eight orientations: whether rows and columns change places, and
 * which of the stored picture's axes run backwards. */
static const struct turn {
    bool swap, back_x, back_y;
} turns[] = {
    [1] = {false, false, false}, [2] = {false, true, false},
    [3] = {false, true, true},   [4] = {false, false, true},
    [5] = {true, false, false},  [6] = {true, false, true},
    [7] = {true, true, true},    [8] = {true, true, false},
};

static int orient(struct rn_image *image, int orientation, const char *name,
                  struct rn_error *err)
{
    size_t w = (size_t)image->width, h = (size_t)image->height;
    const struct turn *turn = &turns[orientation];
    size_t width = turn->swap ? h : w, height = turn->swap ? w : h;
    uint8_t *to = rn_alloc(w * h, 3), *at = to;

    if (!to)
        return rn_fail_memory(err, 3 * w * h, name);
    for (size_t y = 0; y < height; y++) {
        for (size_t x = 0; x < width; x++, at += 3) {
            size_t sx = turn->swap ? y : x, sy = turn->swap ? x : y;

            sx = turn->back_x ? w - 1 - sx : sx;
            sy = turn->back_y ? h - 1 - sy : sy;
            memcpy(at, image->pixels + 3 * (sy * w + sx), 3);
        }
    }
    rn_free(image->pixels);
    *image = (struct rn_image){(int)width, (int)height, to};
    return RN_OK;
}

/* -------------------------------------------------------------- the API */

/* The format of a file that begins so, if it can be decoded. */
static int find_format(const struct format **out, const char *name,
                       const uint8_t *bytes, size_t size, struct rn_error *err)
{
    const struct format *format = recognise(bytes, size);

    *out = format;
    if (size == 0)
        return rn_fail(err, RN_ERR_DATA, "'%s' is empty", name);
    if (!format)
        return rn_fail(
            err, RN_ERR_DATA,
            "'%s' is not a picture, expected one such as JPEG or PNG", name);
    if (!format->decode && format->library)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' is a %s file, which this build leaves out: build "
                       "resnet again with %s",
                       name, format->name, format->library);
    if (!format->decode)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' is a %s file, expected a picture such as JPEG or "
                       "PNG",
                       name, format->name);
    return RN_OK;
}

static int decode(struct rn_picture *p, int flags, struct rn_error *err)
{
    const struct format *format;
    int rc = find_format(&format, p->name, p->bytes, p->size, err);

    if (rc)
        return rc;
    p->kind.format = format->name;
    rc = format->decode(p, err);
    if (!rc && p->multiplied)
        divide(&p->image);
    if (!rc && p->alpha)
        over_white(&p->image);
    if (!rc && p->kind.orientation > 1 &&
        (p->turned || !(flags & RN_IMAGE_AS_STORED)))
        rc = orient(&p->image, p->kind.orientation, p->name, err);
    return rc;
}

static int decode_to(struct rn_image *out, struct rn_picture_kind *kind,
                     struct rn_picture *p, int flags, struct rn_error *err)
{
    int rc = decode(p, flags, err);

    if (rc)
        rn_image_free(&p->image);
    *out = p->image;
    *kind = p->kind;
    return rc;
}

int rn_image_decode_kind(struct rn_image *out, struct rn_picture_kind *kind,
                         const void *bytes, size_t size, const char *name,
                         size_t max_pixels, struct rn_error *err)
{
    struct rn_picture p = {
        .name = name, .bytes = bytes, .size = size, .max_pixels = max_pixels};

    return decode_to(out, kind, &p, 0, err);
}

int rn_image_decode_reduced(struct rn_image *out, struct rn_picture_kind *kind,
                            const void *bytes, size_t size, const char *name,
                            int flags,
                            int (*reduce)(void *user, int width, int height),
                            void *user, struct rn_error *err)
{
    struct rn_picture p = {.name = name,
                           .bytes = bytes,
                           .size = size,
                           .max_pixels = RN_IMAGE_MAX_PIXELS,
                           .reduce = reduce,
                           .user = user};

    return decode_to(out, kind, &p, flags, err);
}

int rn_image_decode(struct rn_image *out, const void *bytes, size_t size,
                    const char *name, int flags, struct rn_error *err)
{
    struct rn_picture_kind kind;

    return rn_image_decode_reduced(out, &kind, bytes, size, name, flags, NULL,
                                   NULL, err);
}

int rn_image_probe(const char *name, const uint8_t *bytes, size_t size,
                   struct rn_error *err)
{
    const struct format *format;

    return find_format(&format, name, bytes, size, err);
}

int rn_image_load(struct rn_image *out, const char *path, int flags,
                  struct rn_error *err)
{
    uint8_t *bytes;
    size_t size;
    int rc = rn_file_read(path, RN_IMAGE_MAX_BYTES, &bytes, &size, err);

    *out = (struct rn_image){0, 0, NULL};
    if (!rc)
        rc = rn_image_decode(out, bytes, size, path, flags, err);
    rn_free(bytes);
    return rc;
}

void rn_image_free(struct rn_image *image)
{
    if (!image)
        return;
    rn_free(image->pixels);
    *image = (struct rn_image){0, 0, NULL};
}
