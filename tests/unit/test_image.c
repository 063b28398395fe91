/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures against what Pillow makes of them (golden/record-pictures.py). */
#include "core/file.h"
#include "core/memory.h"
#include "data/pictures/image.h"
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* ------------------------------------------------------------- support */

static const char *environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value ? value : otherwise;
}

/* "corpus/X" and "shared/X" of the records as paths. */
static const char *path_of(const char *name, char *buf, size_t size)
{
    const char *slash = strchr(name, '/');

    assert_non_null(slash);
    if (strncmp(name, "corpus/", 7) == 0)
        snprintf(buf, size, "%s/tests/fuzz/corpus/image/%s",
                 environment("RN_SOURCE", "."), slash + 1);
    else
        snprintf(buf, size, "%s/data/%s", environment("RN_SHARED", "../shared"),
                 slash + 1);
    return buf;
}

static int has_shared(void)
{
    char path[600];

    if (access(path_of("shared/decode/MANIFEST.txt", path, sizeof(path)),
               R_OK) == 0)
        return 1;
    print_message("skipped: there is no '%s'\n", path);
    return 0;
}

static uint32_t checksum(const struct rn_image *image)
{
    size_t bytes = 3 * (size_t)image->width * (size_t)image->height;

    return (uint32_t)crc32(0, image->pixels, (unsigned)bytes);
}

static uint8_t value(int x, int y, int c)
{
    if ((x / 5 + y / 7 + c) % 3 == 0)
        return (uint8_t)((37 * x + 91 * y + 53 * c + x * y) % 256);
    return (uint8_t)((3 * x + 2 * y + 80 * c) % 256);
}

static struct rn_image synthetic(int width, int height)
{
    struct rn_image image = {width, height, NULL};
    uint8_t *at = image.pixels = rn_alloc((size_t)width * (size_t)height, 3);

    assert_non_null(at);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                *at++ = value(x, y, c);
    return image;
}

static enum rn_interpolation interpolation(const char *name)
{
    const char *known;

    for (int i = 0; (known = rn_interpolation_name((enum rn_interpolation)i));
         i++)
        if (strcmp(known, name) == 0)
            return (enum rn_interpolation)i;
    fail_msg("no interpolation '%s'", name);
    return RN_BOX;
}

/* Calls check() with each line of pictures.txt that begins with `kind`. */
static void each_record(const char *kind, int least,
                        void (*check)(const char *rest))
{
    char path[600], line[600];
    int count = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/tests/golden/pictures.txt",
             environment("RN_SOURCE", "."));
    file = fopen(path, "r");
    if (!file)
        fail_msg("cannot open '%s'", path);
    while (fgets(line, sizeof(line), file)) {
        size_t length = strlen(kind);

        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, kind, length) == 0) {
            check(line + length);
            count++;
        }
    }
    fclose(file);
    if (count < least)
        fail_msg("%d records '%s', expected %d", count, kind, least);
}

/* ------------------------------------------------------------ decoding */

static void assert_image(const char *what, const struct rn_image *image, int w,
                         int h, unsigned sum)
{
    if (image->width != w || image->height != h || checksum(image) != sum)
        fail_msg("%s: got %d x %d, sum %08x, expected %d x %d, sum %08x", what,
                 image->width, image->height, checksum(image), w, h, sum);
}

/* Whether the build reads a picture, by how the name of a made one begins, or a
 * real one's ends. */
static int is_built(const char *name)
{
    static const char *const formats[][2] = {
        {"gif", "GIF"},   {"tif", "TIFF"},    {"heic", "HEIC"},
        {"avif", "AVIF"}, {"jxl", "JPEG XL"},
    };
    const char *base = strrchr(name, '/') + 1, *dot = strrchr(base, '.');

    if (dot)
        base = dot + 1;
    for (size_t i = 0; i < COUNT(formats); i++)
        if (strncmp(base, formats[i][0], strlen(formats[i][0])) == 0)
            return strstr(rn_image_formats(), formats[i][1]) != NULL;
    return 1;
}

static void check_decode(const char *prefix, const char *rest)
{
    char name[300], path[600];
    struct rn_error err = {0};
    struct rn_image image;
    unsigned sum;
    int w, h;

    snprintf(name, sizeof(name), "%s", prefix);
    if (sscanf(rest, "%250s %d %d %x", name + strlen(prefix), &w, &h, &sum) !=
        4)
        fail_msg("cannot read the record '%s'", rest);
    if (!is_built(name))
        return;
    if (rn_image_load(&image, path_of(name, path, sizeof(path)), 0, &err))
        fail_msg("%s", err.msg);
    assert_image(name, &image, w, h, sum);
    rn_image_free(&image);
}

/* Mean of a channel over a quarter of the picture. */
static int corner(const struct rn_image *image, int quarter, int c)
{
    int w = image->width / 2, h = image->height / 2;
    int x0 = quarter % 2 * w, y0 = quarter / 2 * h;
    long sum = 0;

    for (int y = y0; y < y0 + h; y++)
        for (int x = x0; x < x0 + w; x++)
            sum += image->pixels[3 * (y * image->width + x) + c];
    return (int)(sum / (w * h));
}

/* Lossy formats whose decoders agree to the bit with nobody: size, colours and
 * which way up. */
static void check_near(const char *rest)
{
    char name[300], path[600];
    struct rn_error err = {0};
    struct rn_image image;
    int w, h, at = 0, mean, used;

    assert_int_equal(sscanf(rest, "%250s %d %d%n", name, &w, &h, &at), 3);
    if (!is_built(name))
        return;
    if (rn_image_load(&image, path_of(name, path, sizeof(path)), 0, &err))
        fail_msg("%s", err.msg);
    if (image.width != w || image.height != h)
        fail_msg("%s: got %d x %d", name, image.width, image.height);
    for (int i = 0; i < 12; i++, at += used) {
        assert_int_equal(sscanf(rest + at, "%d%n", &mean, &used), 1);
        if (abs(corner(&image, i / 3, i % 3) - mean) > 4)
            fail_msg("%s, quarter %d, channel %d: got %d, expected %d", name,
                     i / 3, i % 3, corner(&image, i / 3, i % 3), mean);
    }
    rn_image_free(&image);
}

static void lossy_pictures_are_near_their_originals(void **state)
{
    (void)state;
    each_record("near ", 6, check_near);
}

static void decode_corpus(const char *rest)
{
    check_decode("corpus/", rest);
}

static void decode_shared(const char *rest)
{
    check_decode("shared/", rest);
}

static void made_pictures_decode_as_in_pillow(void **state)
{
    (void)state;
    each_record("decode corpus/", 150, decode_corpus);
}

static void real_pictures_decode_as_in_pillow(void **state)
{
    (void)state;
    if (!has_shared())
        skip();
    each_record("decode shared/", 300, decode_shared);
}

static const struct {
    const char *file, *message; /* behind the file's name */
} refused[] = {
    {"empty", " is empty"},
    {"png-bad-checksum", ": PNG: a checksum is wrong: IDAT: CRC error"},
    {"png-truncated", ": PNG: the file is truncated"},
    {"png-no-end", ": PNG: the file is truncated"},
    {"png-short-data", ": PNG: Not enough image data"},
    {"png-huge", " is 30000 x 30000 pixels large, expected 1 to 65535 a side "
                 "and at most 134217728 in all"},
    {"jpeg-truncated", ": JPEG: the file is truncated"},
    {"jpeg-no-end", ": JPEG: the file is truncated"},
    {"jpeg-progressive-truncated", ": JPEG: the file is truncated"},
    {"jpeg-progressive-no-end", ": JPEG: the file is truncated"},
    {"jpeg-head", ": JPEG: the file is truncated"},
    {"webp-truncated", ": WebP: the file is truncated"},
    {"webp-head", ": WebP: the file is truncated"},
    {"webp-frame-outside", ": WebP: a frame that lies outside the picture"},
    {"bmp-truncated", ": BMP: the file is truncated"},
    {"bmp-no-colours", ": BMP: the file is truncated"},
    {"bmp-runs-cut", ": BMP: the file is truncated"},
    {"bmp-jpeg", ": BMP: 24 bits a pixel, compressed by method 4, which is not "
                 "known"},
    {"bmp-2-bits", ": BMP: 2 bits a pixel, compressed by method 0, which is "
                   "not known"},
    {"bmp-gaps", ": BMP: bit fields with gaps, or past their pixels"},
    {"bmp-huge", " is 60000 x 60000 pixels large, expected 1 to 65535 a side "
                 "and at most 134217728 in all"},
    {"ppm-cut", ": PNM: the file is truncated"},
    {"ppm-text", ": PNM: something else where a number should be"},
    {"ppm-value", ": PNM: a number of 10 or more, expected at most 9"},
    {"ppm-huge", ": PNM: a number of 99999 or more, expected at most 65535"},
    {"gif-cut", ": GIF: the file is truncated"},
    {"gif-head", ": GIF: the file is truncated"},
    {"gif-no-frame", ": GIF: there is no frame in it"},
    {"tiff-floats", ": TIFF: samples that are signed or of floating point, "
                    "expected unsigned integers"},
    {"tiff-lab", ": TIFF: 3 samples a pixel of photometric kind 8, expected "
                 "grey, a palette, RGB, CMYK or YCbCr"},
    {"tiff-huge", " is 65536 x 1 pixels large, expected 1 to 65535 a side and "
                  "at most 134217728 in all"},
    {"tiff-tiles-huge", ": TIFF: strips or tiles of no sensible size"},
    {"jxl-cut", ": JPEG XL: the file is truncated"},
};

static void bad_files_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        char name[300], path[600], expected[800];
        struct rn_error err = {0};
        struct rn_image image = {1, 1, NULL};

        snprintf(name, sizeof(name), "corpus/%s", refused[i].file);
        if (!is_built(name))
            continue;
        path_of(name, path, sizeof(path));
        snprintf(expected, sizeof(expected), "'%s'%s", path,
                 refused[i].message);
        assert_int_equal(rn_image_load(&image, path, 0, &err), RN_ERR_DATA);
        assert_string_equal(err.msg, expected);
        assert_null(image.pixels);
        assert_int_equal(image.width, 0);
    }
}

/* What is known but never taken, or not in this build. */
static void other_files_are_called_by_their_names(void **state)
{
    static const struct {
        const char *bytes, *message, *library;
    } others[] = {
        {"not a picture, 32 bytes of text.", "'x' is not a picture", NULL},
        {"%PDF-1.4 and more of it, 32 byte", "'x' is a PDF file", NULL},
        {"8BPS, and more of it, 32 bytes..", "'x' is a PSD file", NULL},
        {"GIF89a..........................", "'x' is a GIF file", "GIF"},
        {"....ftypheic....................", "'x' is a HEIC file", "HEIC"},
        {"....ftypavif....................", "'x' is a AVIF file", "AVIF"},
        {"\xff\x0a..............................", "'x' is a JPEG XL file",
         "JPEG XL"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(others); i++) {
        struct rn_error err = {0};
        struct rn_image image;
        char expected[300];

        if (others[i].library && strstr(rn_image_formats(), others[i].library))
            continue;
        assert_int_equal(
            rn_image_decode(&image, others[i].bytes, 32, "x", 0, &err),
            RN_ERR_DATA);
        if (others[i].library)
            snprintf(expected, sizeof(expected),
                     "%s, which this build leaves "
                     "out: build resnet again with",
                     others[i].message);
        else
            snprintf(expected, sizeof(expected), "%s, expected ",
                     others[i].message);
        if (!strstr(err.msg, expected))
            fail_msg("got '%s', expected '%s'", err.msg, expected);
    }
}

static void check_refusal(const char *rest)
{
    char name[300], path[600];
    struct rn_error err = {0};
    struct rn_image image;

    snprintf(name, sizeof(name), "corpus/%.250s", rest);
    if (rn_image_load(&image, path_of(name, path, sizeof(path)), 0, &err) !=
            RN_ERR_DATA ||
        !strstr(err.msg, path))
        fail_msg("%s: got %d '%s'", name, err.code, err.msg);
}

static void every_bad_file_is_refused(void **state)
{
    (void)state;
    each_record("refuse corpus/", 37, check_refusal);
}

static void files_that_cannot_be_read_are_named(void **state)
{
    struct rn_error err = {0};
    struct rn_image image;

    (void)state;
    assert_int_equal(rn_image_load(&image, "/no/such.jpg", 0, &err), RN_ERR_IO);
    assert_string_equal(
        err.msg, "cannot open '/no/such.jpg': No such file or directory");
    assert_int_equal(rn_image_load(&image, "/", 0, &err), RN_ERR_IO);
    assert_string_equal(err.msg, "cannot read '/': Is a directory");
}

/* The eight orientations are of the same stored pixels. */
static void orientation_may_be_left_alone(void **state)
{
    char path[600], name[300];
    struct rn_error err = {0};
    struct rn_image image;
    uint32_t sum = 0;

    (void)state;
    for (int i = 1; i <= 8; i++) {
        snprintf(name, sizeof(name), "corpus/jpeg-orientation-%d", i);
        assert_int_equal(rn_image_load(&image,
                                       path_of(name, path, sizeof(path)),
                                       RN_IMAGE_AS_STORED, &err),
                         RN_OK);
        assert_int_equal(image.width, 21);
        if (i == 1)
            sum = checksum(&image);
        assert_int_equal(checksum(&image), sum);
        rn_image_free(&image);
    }
}

/* ------------------------------------------------- what the manifest says */

/* Where we differ from Pillow, and why. */
static const struct {
    const char *file, *message;
} stricter[] = {
    /* Pillow never looks at the checksum of pixels. */
    {"pngsuite/corrupt/xcsn0g01.png",
     "PNG: a checksum is wrong: IDAT: CRC error"},
};

static int is_taken(const char *file, const char *format, const char *notes)
{
    static const char *const formats[] = {"JPEG", "PNG", "WEBP", "MPO",
                                          "BMP",  "PPM", "GIF",  "TIFF"};

    for (size_t i = 0; i < COUNT(stricter); i++)
        if (strcmp(stricter[i].file, file) == 0)
            return 0;
    if (strstr(notes, "fails") || strstr(notes, "not opened"))
        return 0;
    for (size_t i = 0; i < COUNT(formats); i++)
        if (strcmp(formats[i], format) == 0)
            return is_built(file);
    return 0;
}

static void check_manifest_line(const char *line)
{
    char file[200], format[20], size[40], mode[20], name[300], path[600];
    struct rn_error err = {0};
    struct rn_image image;
    int rc, w = 0, h = 0;

    if (sscanf(line, "%199s | %19s | %39s | %19s", file, format, size, mode) !=
        4)
        fail_msg("cannot read '%s'", line);
    snprintf(name, sizeof(name), "shared/decode/%s", file);
    path_of(name, path, sizeof(path));
    rc = rn_image_load(&image, path, 0, &err);
    if (rc && (rc != RN_ERR_DATA || !strstr(err.msg, path)))
        fail_msg("%s: got %d '%s'", file, rc, err.msg);
    if ((rc == RN_OK) != is_taken(file, format, line))
        fail_msg("'%s': got %s", line, rc ? err.msg : "a picture");
    sscanf(size, "%dx%d", &w, &h);
    if (rc == RN_OK && !(image.width == w && image.height == h) &&
        !(image.width == h && image.height == w && strstr(line, "orientation")))
        fail_msg("'%s': got %d x %d", line, image.width, image.height);
    rn_image_free(&image);
}

static void every_file_does_what_the_manifest_says(void **state)
{
    char path[600], line[600];
    int count = 0;
    FILE *file;

    (void)state;
    if (!has_shared())
        skip();
    file =
        fopen(path_of("shared/decode/MANIFEST.txt", path, sizeof(path)), "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#')
            continue;
        check_manifest_line(line);
        count++;
    }
    fclose(file);
    print_message("%d files\n", count);
    assert_true(count >= 252);
}

static void stricter_refusals_say_why(void **state)
{
    (void)state;
    if (!has_shared())
        skip();
    for (size_t i = 0; i < COUNT(stricter); i++) {
        char name[300], path[600];
        struct rn_error err = {0};
        struct rn_image image;

        snprintf(name, sizeof(name), "shared/decode/%s", stricter[i].file);
        assert_int_equal(
            rn_image_load(&image, path_of(name, path, sizeof(path)), 0, &err),
            RN_ERR_DATA);
        if (!strstr(err.msg, stricter[i].message))
            fail_msg("got '%s', expected '…%s'", err.msg, stricter[i].message);
    }
}

/* Reference pixels of another decoder, under the same name. */
static void check_primary(const char *rest)
{
    char name[300], path[600];
    struct rn_error err = {0};
    struct rn_image a, b;

    snprintf(name, sizeof(name), "shared/decode/pngsuite/primary/%.*s",
             (int)strcspn(rest, " "), rest);
    assert_int_equal(
        rn_image_load(&a, path_of(name, path, sizeof(path)), 0, &err), RN_OK);
    snprintf(name, sizeof(name), "shared/decode/pngsuite/primary_check/%.*s",
             (int)strcspn(rest, " "), rest);
    assert_int_equal(
        rn_image_load(&b, path_of(name, path, sizeof(path)), 0, &err), RN_OK);
    assert_image(name, &a, b.width, b.height, checksum(&b));
    rn_image_free(&a);
    rn_image_free(&b);
}

static void png_suite_matches_its_reference_pixels(void **state)
{
    (void)state;
    if (!has_shared())
        skip();
    each_record("decode shared/decode/pngsuite/primary/", 70, check_primary);
}

/* ------------------------------------------------------------ resizing */

static void check_resize(const char *rest)
{
    char name[20], what[200];
    struct rn_error err = {0};
    struct rn_image in, out;
    int iw, ih, w, h;
    unsigned sum;

    if (sscanf(rest, "%19s %d %d %d %d %x", name, &iw, &ih, &w, &h, &sum) != 6)
        fail_msg("cannot read the record '%s'", rest);
    in = synthetic(iw, ih);
    if (rn_image_resize(&out, &in, w, h, interpolation(name), &err))
        fail_msg("%s", err.msg);
    snprintf(what, sizeof(what), "%s from %d x %d", name, iw, ih);
    assert_image(what, &out, w, h, sum);
    rn_image_free(&in);
    rn_image_free(&out);
}

static void resizing_is_pillows_to_the_byte(void **state)
{
    (void)state;
    each_record("resize ", 120, check_resize);
}

static void impossible_sizes_are_refused(void **state)
{
    static const int sizes[][2] = {{0, 1}, {1, -1}, {65536, 1}, {65535, 65535}};
    struct rn_image in = synthetic(2, 2), none = {0, 0, NULL}, out;
    struct rn_error err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++)
        assert_int_equal(
            rn_image_resize(&out, &in, sizes[i][0], sizes[i][1], RN_BOX, &err),
            RN_ERR_ARG);
    assert_int_equal(rn_image_resize(&out, &none, 1, 1, RN_BOX, &err),
                     RN_ERR_ARG);
    assert_int_equal(
        rn_image_resize(&out, &in, 1, 1, (enum rn_interpolation)7, &err),
        RN_ERR_ARG);
    rn_image_free(&in);
}

/* --------------------------------------------------------------- views */

/* [c][h][w] as an RGB picture; one channel stands for three. */
static struct rn_image interleaved(const uint8_t *pixels, int channels, int h,
                                   int w)
{
    struct rn_image image = {w, h, NULL};
    size_t plane = (size_t)h * (size_t)w;

    image.pixels = rn_alloc(plane, 3);
    assert_non_null(image.pixels);
    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < 3; c++)
            image.pixels[3 * i + c] =
                pixels[(channels == 3 ? c * plane : 0) + i];
    return image;
}

static void assert_view(const char *what, const struct rn_view *view,
                        const struct rn_image *picture, unsigned sum)
{
    const struct rn_shape *s = &view->shape;
    uint8_t *pixels = rn_alloc((size_t)(s->c * s->h), (size_t)s->w);
    struct rn_error err = {0};
    struct rn_image seen;

    assert_non_null(pixels);
    if (rn_view_apply(view, picture, pixels, &err))
        fail_msg("%s: %s", what, err.msg);
    seen = interleaved(pixels, s->c, s->h, s->w);
    assert_image(what, &seen, s->w, s->h, sum);
    rn_image_free(&seen);
    rn_free(pixels);
}

static void check_view(const char *rest)
{
    char name[20], colour[20];
    int iw, ih, resize, w, h;
    struct rn_image picture;
    struct rn_view view;
    unsigned sum;

    if (sscanf(rest, "%19s %19s %d %d %d %d %d %x", name, colour, &iw, &ih,
               &resize, &w, &h, &sum) != 8)
        fail_msg("cannot read the record '%s'", rest);
    picture = synthetic(iw, ih);
    view = (struct rn_view){
        .shape = {strcmp(colour, "rgb") == 0 ? 3 : 1, h, w},
        .resize = resize,
        .interpolation = interpolation(name),
    };
    assert_view(rest, &view, &picture, sum);
    if (resize == (h > w ? h : w)) {
        view.resize = 0;
        assert_view(rest, &view, &picture, sum);
    }
    rn_image_free(&picture);
}

static void views_are_torchvisions(void **state)
{
    (void)state;
    each_record("view ", 120, check_view);
}

static void check_photo(const char *rest)
{
    static const struct rn_view view = {
        .shape = {3, 224, 224}, .resize = 256, .interpolation = RN_BILINEAR};
    char name[300], path[600];
    struct rn_error err = {0};
    struct rn_image photo;
    unsigned sum;

    snprintf(name, sizeof(name), "shared/");
    if (sscanf(rest, "%250s 224 224 %x", name + strlen(name), &sum) != 2)
        fail_msg("cannot read the record '%s'", rest);
    if (rn_image_load(&photo, path_of(name, path, sizeof(path)), 0, &err))
        fail_msg("%s", err.msg);
    assert_view(name, &view, &photo, sum);
    rn_image_free(&photo);
}

static void photos_are_seen_as_in_torchvision(void **state)
{
    (void)state;
    if (!has_shared())
        skip();
    each_record("photo shared/", 114, check_photo);
}

/* The whole would be 16 million pixels long; only the centre is made. */
static void long_pictures_cost_no_more_than_their_centre(void **state)
{
    const struct rn_view view = {
        .shape = {3, 224, 224}, .resize = 256, .interpolation = RN_BICUBIC};
    struct rn_image line = synthetic(65535, 1);
    uint8_t *pixels = rn_alloc(3 * 224, 224);
    struct rn_error err = {0};

    (void)state;
    assert_non_null(pixels);
    assert_int_equal(rn_view_apply(&view, &line, pixels, &err), RN_OK);
    rn_free(pixels);
    rn_image_free(&line);
}

static void models_prepare_pictures(void **state)
{
    static const float mean[] = {0.5f, 0.25f, 0}, std[] = {0.5f, 1, 2};
    struct rn_net_options options = {.classes = 3, .height = 8, .width = 8};
    struct rn_image picture = synthetic(8, 8);
    struct rn_error err = {0};
    struct rn_model *model;
    float image[3 * 8 * 8];

    (void)state;
    assert_int_equal(rn_model_create(&model, "resnet8", &options, &err), RN_OK);
    assert_int_equal(rn_model_preprocess_image(model, &picture, image, &err),
                     RN_ERR_ARG);
    assert_int_equal(rn_model_set_preprocessing(model, false, mean, std, &err),
                     RN_OK);
    assert_int_equal(rn_model_preprocess_image(model, &picture, image, &err),
                     RN_OK);
    for (int i = 0; i < 3; i++) {
        static const int none[3][2] = {{0, 0}, {0, 8}, {8, -1}};
        const struct rn_image empty = {none[i][0], none[i][1], picture.pixels};
        struct rn_image painted;
        int class = 0;

        assert_int_equal(rn_model_preprocess_image(model, &empty, image, &err),
                         RN_ERR_ARG);
        assert_string_equal(err.msg, "no picture given");
        assert_int_equal(
            rn_model_paint(model, &empty, &class, 1, &painted, &err),
            RN_ERR_ARG);
    }
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 64; i++) {
            float expected =
                ((float)value(i % 8, i / 8, c) / 255.0f - mean[c]) / std[c];

            if (image[64 * c + i] != expected)
                fail_msg("channel %d, pixel %d: got %g, expected %g", c, i,
                         (double)image[64 * c + i], (double)expected);
        }
    rn_image_free(&picture);
    rn_model_destroy(model);
}

static void other_numbers_of_channels_are_refused(void **state)
{
    const struct rn_view view = {
        .shape = {2, 8, 8}, .resize = 0, .interpolation = RN_BILINEAR};
    struct rn_image picture = synthetic(8, 8);
    struct rn_error err = {0};
    uint8_t pixels[2 * 8 * 8];

    (void)state;
    assert_int_equal(rn_view_apply(&view, &picture, pixels, &err), RN_ERR_ARG);
    assert_string_equal(err.msg, "the network takes images of 2 channels, "
                                 "pictures make 1 or 3");
    rn_image_free(&picture);
}

/* ---------------------------------------------------------- memory fails */

/* Every allocation of ours fails in turn; the libraries have their own. */
static void failing_allocations_leave_nothing_behind(void **state)
{
    static const char *const files[] = {"jpeg-orientation-6", "png-palette4",
                                        "webp-alpha"};

    (void)state;
    for (size_t i = 0; i < COUNT(files); i++) {
        const struct rn_view view = {
            .shape = {1, 8, 8}, .resize = 0, .interpolation = RN_BICUBIC};
        uint8_t pixels[64];
        char name[100], path[600];
        long n = 0;
        int rc;

        snprintf(name, sizeof(name), "corpus/%s", files[i]);
        path_of(name, path, sizeof(path));
        do {
            struct rn_image image;
            struct rn_error err = {0};

            rn_alloc_fail_after(++n);
            rc = rn_image_load(&image, path, 0, &err);
            if (!rc)
                rc = rn_view_apply(&view, &image, pixels, &err);
            rn_alloc_fail_after(-1);
            rn_image_free(&image);
            if (rc)
                assert_int_equal(rc, RN_ERR_MEMORY);
        } while (rc && n < 100);
        assert_true(n > 8);
        assert_int_equal(rc, RN_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_pictures_decode_as_in_pillow),
        cmocka_unit_test(real_pictures_decode_as_in_pillow),
        cmocka_unit_test(orientation_may_be_left_alone),
        cmocka_unit_test(lossy_pictures_are_near_their_originals),
        cmocka_unit_test(other_files_are_called_by_their_names),
        cmocka_unit_test(bad_files_are_refused_by_name),
        cmocka_unit_test(every_bad_file_is_refused),
        cmocka_unit_test(files_that_cannot_be_read_are_named),
        cmocka_unit_test(every_file_does_what_the_manifest_says),
        cmocka_unit_test(stricter_refusals_say_why),
        cmocka_unit_test(png_suite_matches_its_reference_pixels),
        cmocka_unit_test(resizing_is_pillows_to_the_byte),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(views_are_torchvisions),
        cmocka_unit_test(photos_are_seen_as_in_torchvision),
        cmocka_unit_test(long_pictures_cost_no_more_than_their_centre),
        cmocka_unit_test(models_prepare_pictures),
        cmocka_unit_test(other_numbers_of_channels_are_refused),
        cmocka_unit_test(failing_allocations_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
