/* SPDX-License-Identifier: BSD-2-Clause */
/* TIFF by libtiff, the only file that includes it: strips and tiles, planes
 * apart or together; grey, palettes, RGB, CMYK and YCbCr of 1 to 16 bits, with
 * opacity. Of several pages the first counts. Pixels are put together here, not
 * by the library, as Pillow does, whose rules for 16 bits and CMYK differ from
 * the library's. */
#include "data/pictures/image.h"

#include "core/locale.h"
#include "core/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tiffio.h>

/* Most bytes that the library allocates at once, or a strip or tile unpacks to;
 * and all of them together. */
#define MOST_BYTES ((tmsize_t)1 << 28)
#define MOST_ALL   ((uint64_t)1 << 32)

enum { COLOURS = 256, MOST_USED = 4 };

struct state {
    struct rn_picture *picture;
    struct rn_error *err;
    char why[200]; /* of the library, the first time it fails */
    uint64_t at;
    TIFF *tiff;
    uint32_t width, height;
    uint16_t photometric, bits, samples, planes;
    int colours;     /* samples that are: 1, 3 or 4 */
    int used;        /* those and opacity */
    uint8_t *values; /* [height][width][used]: the image's, or owned */
    bool owned;
};

/* --------------------------------------------------- the library's calls */

static int on_error(TIFF *tiff, void *user, const char *module,
                    const char *format, va_list arguments)
{
    struct state *s = user;

    (void)tiff;
    (void)module;
    if (!s->why[0])
        rn_format_list(s->why, sizeof(s->why), format, arguments);
    return 1;
}

static int on_warning(TIFF *tiff, void *user, const char *module,
                      const char *format, va_list arguments)
{
    (void)tiff;
    (void)user;
    (void)module;
    (void)format;
    (void)arguments;
    return 1;
}

static tmsize_t on_read(thandle_t handle, void *to, tmsize_t size)
{
    struct state *s = handle;
    uint64_t left = s->at < s->picture->size ? s->picture->size - s->at : 0;
    size_t count = size < 0 ? 0 : (size_t)size;

    count = count < left ? count : (size_t)left;
    memcpy(to, s->picture->bytes + s->at, count);
    s->at += count;
    return (tmsize_t)count;
}

static tmsize_t on_write(thandle_t handle, void *from, tmsize_t size)
{
    (void)handle;
    (void)from;
    (void)size;
    return 0;
}

static toff_t on_seek(thandle_t handle, toff_t to, int whence)
{
    struct state *s = handle;

    s->at = whence == SEEK_SET   ? to
            : whence == SEEK_CUR ? s->at + to
                                 : s->picture->size + to;
    return s->at;
}

static int on_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t on_size(thandle_t handle)
{
    return ((struct state *)handle)->picture->size;
}

static int on_map(thandle_t handle, void **base, toff_t *size)
{
    struct state *s = handle;

    *base = (void *)(uintptr_t)s->picture->bytes;
    *size = s->picture->size;
    return 1;
}

static void on_unmap(thandle_t handle, void *base, toff_t size)
{
    (void)handle;
    (void)base;
    (void)size;
}

static int fail(const struct state *s, const char *text)
{
    return rn_fail(s->err, RN_ERR_DATA, "'%s': TIFF: %s", s->picture->name,
                   text);
}

static int fail_library(const struct state *s)
{
    return fail(s, s->why[0] ? s->why : "damaged data");
}

/* ----------------------------------------------------------------- kinds */

/* The opacity that the first sample beside the colours may be. RGB of four
 * samples that does not say what the fourth is has it, too. */
static void find_opacity(struct state *s)
{
    struct rn_picture *p = s->picture;
    uint16_t count = 0, *kinds = NULL;

    if (s->samples <= s->colours || s->photometric == PHOTOMETRIC_SEPARATED)
        return;
    TIFFGetField(s->tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds);
    if (count)
        p->alpha = kinds[0] == EXTRASAMPLE_ASSOCALPHA ||
                   kinds[0] == EXTRASAMPLE_UNASSALPHA;
    else
        p->alpha = s->colours == 3 && s->samples == 4;
    p->multiplied = count && kinds[0] == EXTRASAMPLE_ASSOCALPHA;
}

static int check_bits(const struct state *s)
{
    uint16_t format = SAMPLEFORMAT_UINT;
    bool known = s->bits == 1 || s->bits == 2 || s->bits == 4 || s->bits == 8 ||
                 s->bits == 16;

    TIFFGetFieldDefaulted(s->tiff, TIFFTAG_SAMPLEFORMAT, &format);
    if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID)
        return fail(s, "samples that are signed or of floating point, expected "
                       "unsigned integers");
    if (!known || (s->photometric == PHOTOMETRIC_PALETTE && s->bits > 8))
        return rn_fail(s->err, RN_ERR_DATA,
                       "'%s': TIFF: samples of %u bits, expected 1, 2, 4, 8 or "
                       "16",
                       s->picture->name, s->bits);
    return RN_OK;
}

static int check_colours(struct state *s)
{
    uint16_t inks = INKSET_CMYK;

    switch (s->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_PALETTE:
        s->colours = 1;
        break;
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_YCBCR:
        s->colours = 3;
        break;
    case PHOTOMETRIC_SEPARATED:
        TIFFGetFieldDefaulted(s->tiff, TIFFTAG_INKSET, &inks);
        s->colours = inks == INKSET_CMYK ? 4 : 0;
        break;
    default:
        break;
    }
    if (!s->colours || s->samples < s->colours)
        return rn_fail(s->err, RN_ERR_DATA,
                       "'%s': TIFF: %u samples a pixel of photometric kind %u, "
                       "expected grey, a palette, RGB, CMYK or YCbCr",
                       s->picture->name, s->samples, s->photometric);
    return RN_OK;
}

static int orientation(const struct state *s)
{
    uint16_t told = 0;
    uint32_t size = 0;

    void *packet = NULL;

    if (TIFFGetField(s->tiff, TIFFTAG_ORIENTATION, &told))
        return told;
    if (TIFFGetField(s->tiff, TIFFTAG_XMLPACKET, &size, &packet))
        return rn_xmp_orientation(packet, size);
    return 0;
}

static void describe(struct state *s)
{
    struct rn_picture_kind *kind = &s->picture->kind;
    bool grey = s->colours == 1 && s->photometric != PHOTOMETRIC_PALETTE;

    kind->orientation = orientation(s);
    s->picture->turned = true;
    kind->flags =
        (grey ? RN_KIND_GREY : 0) | (s->picture->alpha ? RN_KIND_ALPHA : 0) |
        (s->colours == 4 ? RN_KIND_CMYK : 0) |
        (s->bits == 16 ? RN_KIND_DEEP : 0) |
        (s->photometric == PHOTOMETRIC_PALETTE ? RN_KIND_PALETTE : 0) |
        (TIFFLastDirectory(s->tiff) ? 0 : RN_KIND_SEVERAL);
}

static int look(struct state *s)
{
    int rc;

    TIFFGetField(s->tiff, TIFFTAG_IMAGEWIDTH, &s->width);
    TIFFGetField(s->tiff, TIFFTAG_IMAGELENGTH, &s->height);
    TIFFGetFieldDefaulted(s->tiff, TIFFTAG_BITSPERSAMPLE, &s->bits);
    TIFFGetFieldDefaulted(s->tiff, TIFFTAG_SAMPLESPERPIXEL, &s->samples);
    TIFFGetFieldDefaulted(s->tiff, TIFFTAG_PLANARCONFIG, &s->planes);
    TIFFGetField(s->tiff, TIFFTAG_PHOTOMETRIC, &s->photometric);
    rc = check_colours(s);
    if (!rc)
        rc = check_bits(s);
    if (rc)
        return rc;
    find_opacity(s);
    s->used = s->colours + s->picture->alpha;
    describe(s);
    return rn_picture_start(s->picture, s->width, s->height, s->err);
}

/* ----------------------------------------------------------------- values */

/* Sample i of a row, as a number of 8 bits; of a palette its place there. */
static uint8_t sample_at(const struct state *s, const uint8_t *row, size_t i)
{
    unsigned bits = s->bits, value;
    size_t bit = i * bits;
    uint16_t wide;

    if (bits == 8)
        return row[i];
    if (bits == 16) {
        memcpy(&wide, row + 2 * i, sizeof(wide));
        return (uint8_t)(wide >> 8);
    }
    value = row[bit / 8] >> (8 - bits - bit % 8) & ((1u << bits) - 1);
    return (uint8_t)(s->photometric == PHOTOMETRIC_PALETTE
                         ? value
                         : value * 255 / ((1u << bits) - 1));
}

/* A strip or a tile: where it lies, and how its rows are packed. */
struct block {
    uint32_t x, y, width, height;
    uint16_t plane;
    const uint8_t *bytes;
    size_t stride;
};

/* Those samples of it that are used, and inside of the picture. */
static void place(struct state *s, const struct block *b)
{
    size_t step = s->planes == PLANARCONFIG_CONTIG ? s->samples : 1;
    size_t count = step > 1 ? (size_t)s->used : 1, used = (size_t)s->used;
    uint32_t width = s->width - b->x, height = s->height - b->y;

    width = b->width < width ? b->width : width;
    height = b->height < height ? b->height : height;
    for (uint32_t y = 0; y < height; y++) {
        const uint8_t *row = b->bytes + y * b->stride;
        uint8_t *to = s->values +
                      ((size_t)(b->y + y) * s->width + b->x) * used + b->plane;

        for (size_t x = 0; x < width; x++, to += used)
            for (size_t c = 0; c < count; c++)
                to[c] = sample_at(s, row, x * step + c);
    }
}

/* `size` bytes hold a block, in rows of `stride`. */
static int read_blocks(struct state *s, struct block *b, tmsize_t size,
                       bool tiled)
{
    bool apart = s->planes == PLANARCONFIG_SEPARATE;
    uint16_t planes = apart ? (uint16_t)s->used : 1;
    uint8_t *bytes = rn_alloc((size_t)size, 1);
    int rc = RN_OK;

    if (!bytes)
        return rn_fail_memory(s->err, (size_t)size, s->picture->name);
    b->bytes = bytes;
    for (b->plane = 0; !rc && b->plane < planes; b->plane++)
        for (b->y = 0; !rc && b->y < s->height; b->y += b->height)
            for (b->x = 0; !rc && b->x < s->width; b->x += b->width) {
                tmsize_t got =
                    tiled
                        ? TIFFReadTile(s->tiff, bytes, b->x, b->y, 0, b->plane)
                        : TIFFReadEncodedStrip(
                              s->tiff,
                              TIFFComputeStrip(s->tiff, b->y, b->plane), bytes,
                              size);

                if (got < 0)
                    rc = fail_library(s);
                else
                    place(s, b);
            }
    rn_free(bytes);
    return rc;
}

static int read_values(struct state *s)
{
    bool tiled = TIFFIsTiled(s->tiff);
    struct block b = {.width = s->width, .height = s->height};
    tmsize_t size = tiled ? TIFFTileSize(s->tiff) : TIFFStripSize(s->tiff);
    uint64_t count =
        tiled ? TIFFNumberOfTiles(s->tiff) : TIFFNumberOfStrips(s->tiff);

    if (tiled) {
        TIFFGetField(s->tiff, TIFFTAG_TILEWIDTH, &b.width);
        TIFFGetField(s->tiff, TIFFTAG_TILELENGTH, &b.height);
        b.stride = (size_t)TIFFTileRowSize(s->tiff);
    } else {
        TIFFGetFieldDefaulted(s->tiff, TIFFTAG_ROWSPERSTRIP, &b.height);
        b.stride = (size_t)TIFFScanlineSize(s->tiff);
    }
    b.height = b.height < s->height || tiled ? b.height : s->height;
    if (size < 1 || size > MOST_BYTES || count > MOST_ALL / (uint64_t)size ||
        !b.width || !b.height || !b.stride ||
        b.height > (uint64_t)size / b.stride)
        return s->why[0] ? fail_library(s)
                         : fail(s, "strips or tiles of no sensible size");
    return read_blocks(s, &b, size, tiled);
}

/* ---------------------------------------------------------------- colours */

static void from_grey(const struct state *s, size_t i, uint8_t *to)
{
    const uint8_t *from = s->values + i * (size_t)s->used;

    memset(to, s->photometric == PHOTOMETRIC_MINISWHITE ? 255 - *from : *from,
           3);
    if (s->picture->alpha)
        to[3] = from[1];
}

/* a * b / 255, rounded */
static unsigned times(unsigned a, unsigned b)
{
    return (a * b + 127) / 255;
}

/* Ink as it is: 0 is none. */
static void from_cmyk(const struct state *s, size_t i, uint8_t *to)
{
    const uint8_t *from = s->values + i * (size_t)s->used;
    unsigned light = 255u - from[3];

    for (int c = 0; c < 3; c++)
        to[c] = (uint8_t)(light - times(from[c], light));
}

static int read_palette(const struct state *s, uint8_t colours[COLOURS][3])
{
    uint16_t *map[3];

    memset(colours, 0, 3 * COLOURS);
    if (!TIFFGetField(s->tiff, TIFFTAG_COLORMAP, &map[0], &map[1], &map[2]))
        return fail(s, "a palette without colours");
    for (int i = 0; i < 1 << s->bits; i++)
        for (int c = 0; c < 3; c++)
            colours[i][c] = (uint8_t)(map[c][i] >> 8);
    return RN_OK;
}

/* From values that are not the picture's already. */
static int colour(struct state *s)
{
    struct rn_image *image = &s->picture->image;
    size_t pixels = (size_t)s->width * s->height;
    size_t bytes = s->picture->alpha ? 4 : 3;
    bool palette = s->photometric == PHOTOMETRIC_PALETTE;
    uint8_t colours[COLOURS][3], *to = image->pixels;
    int rc = palette ? read_palette(s, colours) : RN_OK;

    for (size_t i = 0; !rc && i < pixels; i++, to += bytes) {
        if (s->colours == 4)
            from_cmyk(s, i, to);
        else
            from_grey(s, i, to);
        if (palette)
            memcpy(to, colours[s->values[i * (size_t)s->used]], 3);
    }
    return rc;
}

/* ------------------------------------------------------------------ YCbCr */

/* Where JPEG does not hand out RGB, the library makes it, whatever the samples
 * are packed like. */
static int read_ycbcr(struct state *s)
{
    size_t pixels = (size_t)s->width * s->height;

    TIFFRGBAImage image;
    char why[1024] = "";
    uint32_t *raster;
    bool done = false;

    if (!TIFFRGBAImageBegin(&image, s->tiff, 1, why))
        return fail(s, why);
    image.req_orientation = image.orientation;
    raster = rn_alloc(pixels, sizeof(*raster));
    if (raster)
        done = TIFFRGBAImageGet(&image, raster, s->width, s->height);
    for (size_t i = 0; done && i < pixels; i++) {
        uint8_t *to = s->picture->image.pixels + 3 * i;

        to[0] = (uint8_t)TIFFGetR(raster[i]);
        to[1] = (uint8_t)TIFFGetG(raster[i]);
        to[2] = (uint8_t)TIFFGetB(raster[i]);
    }
    TIFFRGBAImageEnd(&image);
    rn_free(raster);
    if (!raster)
        return rn_fail_memory(s->err, 4 * pixels, s->picture->name);
    return done && !s->why[0] ? RN_OK : fail_library(s);
}

static bool gives_rgb(const struct state *s)
{
    uint16_t compression = 0;

    TIFFGetField(s->tiff, TIFFTAG_COMPRESSION, &compression);
    return compression == COMPRESSION_JPEG &&
           s->planes == PLANARCONFIG_CONTIG &&
           TIFFSetField(s->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
}

/* ---------------------------------------------------------------- the API */

static int read_picture(struct state *s)
{
    struct rn_picture *p = s->picture;
    size_t pixels = (size_t)s->width * s->height;
    int rc;

    if (s->photometric == PHOTOMETRIC_YCBCR && !gives_rgb(s)) {
        return p->alpha || s->bits != 8
                   ? fail(s, "YCbCr of other than 8 bits, or with opacity")
                   : read_ycbcr(s);
    }
    s->owned = s->colours != 3;
    s->values = s->owned ? rn_alloc(pixels, (size_t)s->used) : p->image.pixels;
    if (!s->values)
        return rn_fail_memory(s->err, pixels * (size_t)s->used, p->name);
    rc = read_values(s);
    if (!rc && s->owned)
        rc = colour(s);
    if (s->owned)
        rn_free(s->values);
    return rc;
}

int rn_tiff_decode(struct rn_picture *p, struct rn_error *err)
{
    struct state s = {.picture = p, .err = err, .planes = PLANARCONFIG_CONTIG};

    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    int rc;

    if (!options)
        return rn_fail(err, RN_ERR_MEMORY, "'%s': out of memory", p->name);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, MOST_BYTES);
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, &s);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, &s);
    s.tiff = TIFFClientOpenExt(p->name, "r", &s, on_read, on_write, on_seek,
                               on_close, on_size, on_map, on_unmap, options);
    TIFFOpenOptionsFree(options);
    if (!s.tiff)
        return fail_library(&s);
    rc = look(&s);
    if (!rc)
        rc = read_picture(&s);
    TIFFClose(s.tiff);
    return rc;
}
