/* SPDX-License-Identifier: BSD-2-Clause */
/* Surveys of data sets: kinds of pictures, what is broken, what is twice. */
#include "core/file.h"
#include "core/memory.h"
#include "data/data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "folder.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static uint8_t *read_seed(const char *seed, size_t *size)
{
    const char *source = getenv("RN_SOURCE");
    struct rn_error err = {0};
    char path[600];
    uint8_t *bytes;

    snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/image/%s",
             source ? source : ".", seed);
    if (rn_file_read(path, 1 << 20, &bytes, size, &err))
        fail_msg("%s", err.msg);
    return bytes;
}

/* PART/CLASS/FILE in the folder. */
static void write_picture(const char *part, const char *class, const char *file,
                          const char *seed)
{
    char path[300];
    uint8_t *bytes;
    size_t size;
    int n = snprintf(path, sizeof(path), "%s/%s", folder, part);

    mkdir(path, 0777);
    n += snprintf(path + n, sizeof(path) - (size_t)n, "/%s", class);
    mkdir(path, 0777);
    snprintf(path + n, sizeof(path) - (size_t)n, "/%s", file);
    bytes = read_seed(seed, &size);
    assert_int_equal(rn_file_write(path, bytes, size, NULL), RN_OK);
    rn_free(bytes);
}

/* ------------------------------------------------------------------ kinds */

static const struct {
    const char *seed, *format;
    int flags, orientation;
} kinds[] = {
    {"jpeg", "JPEG", 0, 0},
    {"jpeg-grey", "JPEG", RN_KIND_GREY, 0},
    {"jpeg-cmyk", "JPEG", RN_KIND_CMYK, 0},
    {"jpeg-progressive", "JPEG", RN_KIND_PROGRESSIVE, 0},
    {"jpeg-orientation-1", "JPEG", 0, 1},
    {"jpeg-orientation-6", "JPEG", 0, 6},
    {"jpeg-orientation-8", "JPEG", 0, 8},
    {"jpeg-xmp-attribute", "JPEG", 0, 6},
    {"png-rgb8", "PNG", 0, 0},
    {"png-rgb16", "PNG", RN_KIND_DEEP, 0},
    {"png-rgba8", "PNG", RN_KIND_ALPHA | RN_KIND_PROGRESSIVE, 0},
    {"png-grey16", "PNG", RN_KIND_GREY | RN_KIND_DEEP, 0},
    {"png-grey-alpha8", "PNG", RN_KIND_GREY | RN_KIND_ALPHA, 0},
    {"png-grey8-transparent", "PNG", RN_KIND_GREY | RN_KIND_ALPHA, 0},
    {"png-grey1-interlaced", "PNG", RN_KIND_GREY | RN_KIND_PROGRESSIVE, 0},
    {"png-palette4", "PNG", RN_KIND_PALETTE, 0},
    {"png-palette4-alpha", "PNG",
     RN_KIND_PALETTE | RN_KIND_ALPHA | RN_KIND_PROGRESSIVE, 0},
    {"webp-alpha", "WebP", RN_KIND_ALPHA, 0},
    {"webp", "WebP", 0, 0},
    {"bmp-16", "BMP", 0, 0},
    {"bmp-grey", "BMP", RN_KIND_GREY, 0},
    {"ppm-grey-deep", "PNM", RN_KIND_GREY | RN_KIND_DEEP, 0},
    {"text", NULL, 0, 0},
    {"empty", NULL, 0, 0},
};

static void kinds_are_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct rn_picture_kind kind;
        struct rn_image image;
        struct rn_error err = {0};
        const char *format = kinds[i].format;
        size_t size;
        uint8_t *bytes = read_seed(kinds[i].seed, &size);

        rn_image_decode_kind(&image, &kind, bytes, size, "seed",
                             RN_IMAGE_MAX_PIXELS, &err);
        rn_image_free(&image);
        if ((!kind.format) != (!format) ||
            (format && strcmp(kind.format, format) != 0) ||
            kind.flags != kinds[i].flags ||
            kind.orientation != kinds[i].orientation)
            fail_msg("%s: %s, flags %d, orientation %d; expected %s, %d, %d",
                     kinds[i].seed, kind.format, kind.flags, kind.orientation,
                     format, kinds[i].flags, kinds[i].orientation);
        rn_free(bytes);
    }
}

/* Cut anywhere, nothing is read behind the end (sanitizers would tell), and
 * the orientation is that of the whole or not there yet. */
static void cut_pictures_tell_nothing_else(void **state)
{
    static const char *const seeds[] = {"jpeg-orientation-6", "png-orientation",
                                        "webp-orientation", "jpeg-cmyk"};

    (void)state;
    for (size_t i = 0; i < COUNT(seeds); i++) {
        struct rn_picture_kind whole, cut;
        struct rn_image image;
        struct rn_error err = {0};
        size_t size;
        uint8_t *bytes = read_seed(seeds[i], &size);

        rn_image_decode_kind(&image, &whole, bytes, size, "seed",
                             RN_IMAGE_MAX_PIXELS, &err);
        rn_image_free(&image);
        for (size_t n = 0; n < size; n++) {
            uint8_t *part = malloc(n + 1);

            memcpy(part, bytes, n);
            part[n] = 0xff;
            rn_image_decode_kind(&image, &cut, part, n, "seed",
                                 RN_IMAGE_MAX_PIXELS, &err);
            rn_image_free(&image);
            assert_true(cut.orientation == 0 ||
                        cut.orientation == whole.orientation);
            assert_int_equal(cut.flags & ~whole.flags, 0);
            free(part);
        }
        rn_free(bytes);
    }
}

/* ----------------------------------------------------------------- survey */

static struct rn_survey *survey(struct rn_data **data, const char *spec,
                                int threads)
{
    const struct rn_survey_options options = {.threads = threads};
    struct rn_error err = {0};
    struct rn_survey *s = NULL;

    if (rn_data_open(data, spec, NULL, &err) ||
        rn_data_survey(&s, *data, &options, &err))
        fail_msg("%s", err.msg);
    return s;
}

static void broken_and_double_files_are_found(void **state)
{
    (void)state;
    write_picture("train", "a", "1.jpg", "jpeg");
    write_picture("train", "a", "2.png", "png-bad-checksum");
    write_picture("train", "a", "3.jpg", "empty");
    write_picture("train", "b", "1.jpg", "jpeg-orientation-6");
    write_picture("train", "b", "2.jpg", "jpeg");
    write_picture("train", "b", "3.jpg", "empty");
    write_picture("val", "a", "1.jpg", "jpeg");
    write_picture("val", "b", "1.png", "png-rgb8");
    for (int threads = 1; threads <= 4; threads += 3) {
        struct rn_surveyed image;
        struct rn_data *data;
        struct rn_survey *s = survey(&data, folder, threads);

        assert_int_equal(rn_survey_image(s, RN_PART_TRAIN, 0, &image), RN_OK);
        assert_null(image.error);
        assert_false(image.twin);
        assert_string_equal(image.format, "JPEG");
        assert_int_equal(rn_survey_image(s, RN_PART_TRAIN, 1, &image), RN_OK);
        assert_non_null(strstr(image.error, "a/2.png': PNG: "));
        assert_string_equal(image.format, "PNG");
        for (int i = 2; i < 6; i += 3) { /* empty ones are no twins */
            rn_survey_image(s, RN_PART_TRAIN, i, &image);
            assert_non_null(strstr(image.error, "is empty"));
            assert_false(image.twin);
        }
        rn_survey_image(s, RN_PART_TRAIN, 3, &image);
        assert_int_equal(image.orientation, 6);
        rn_survey_image(s, RN_PART_TRAIN, 4, &image);
        assert_true(image.twin);
        assert_int_equal(image.twin_part, RN_PART_TRAIN);
        assert_int_equal(image.twin_index, 0);
        rn_survey_image(s, RN_PART_VALIDATION, 0, &image);
        assert_true(image.twin);
        assert_int_equal(image.twin_part, RN_PART_TRAIN);
        assert_int_equal(image.twin_index, 0);
        assert_int_equal(rn_survey_image(s, RN_PART_VALIDATION, 2, &image),
                         RN_ERR_ARG);
        assert_int_equal(rn_survey_image(s, RN_PART_TEST, 0, &image),
                         RN_ERR_ARG);
        rn_survey_destroy(s);
        rn_data_close(data);
    }
}

/* Means over the pixels of each picture, then over the pictures. */
static void statistics_are_those_by_hand(void **state)
{
    static const char *const seeds[] = {"jpeg", "png-rgb8", "webp"};
    double sum[3] = {0}, square[3] = {0}, mean[3], std[3];
    struct rn_data *data;
    struct rn_survey *s;

    (void)state;
    for (size_t i = 0; i < COUNT(seeds); i++) {
        struct rn_image image;
        size_t size;
        uint8_t *bytes = read_seed(seeds[i], &size);

        write_picture("train", "a", seeds[i], seeds[i]);
        assert_int_equal(
            rn_image_decode(&image, bytes, size, seeds[i], 0, NULL), RN_OK);
        for (int k = 0; k < image.width * image.height * 3; k++) {
            double x = image.pixels[k] / 255.0,
                   share = 1.0 / (image.width * image.height * 3);

            sum[k % 3] += x * share;
            square[k % 3] += x * x * share;
        }
        rn_image_free(&image);
        rn_free(bytes);
    }
    /* Without an ending these are no pictures; a list takes any name. */
    assert_int_equal(rn_file_write(strcat(strcpy((char[100]){0}, folder),
                                          "/train/a/labels.txt"),
                                   "jpeg 0\npng-rgb8 0\nwebp 1\n", 25, NULL),
                     RN_OK);
    s = survey(&data, strcat(strcpy((char[100]){0}, folder), "/train/a"), 2);
    rn_survey_stats(s, RN_PART_TRAIN, mean, std);
    for (int c = 0; c < 3; c++) {
        double m = sum[c], v = square[c] - m * m;

        if (!(fabs(mean[c] - m) < 1e-9 && fabs(std[c] - sqrt(v)) < 1e-9))
            fail_msg("channel %d: %g, %g; expected %g, %g", c, mean[c], std[c],
                     m, sqrt(v));
    }
    rn_survey_stats(s, RN_PART_TEST, mean, std);
    assert_true(mean[0] == 0 && std[0] == 0);
    rn_survey_destroy(s);
    rn_data_close(data);
}

/* What training normalises with, for images in memory. */
static void images_in_memory_are_surveyed(void **state)
{
    float mean[2], std[2];
    double got_mean[2], got_std[2];
    struct rn_surveyed image;
    struct rn_data *data;
    struct rn_survey *s = survey(&data, "synthetic:2x6x5:3:40", 3);

    (void)state;
    rn_data_channel_stats(data, mean, std);
    rn_survey_stats(s, RN_PART_TRAIN, got_mean, got_std);
    for (int c = 0; c < 2; c++) {
        assert_true(fabs(got_mean[c] - (double)mean[c]) < 1e-6);
        assert_true(fabs(got_std[c] - (double)std[c]) < 1e-6);
    }
    assert_int_equal(rn_survey_image(s, RN_PART_TEST, 0, &image), RN_OK);
    assert_int_equal(image.width, 5);
    assert_int_equal(image.height, 6);
    assert_null(image.format);
    assert_false(image.twin);
    rn_survey_destroy(s);
    rn_data_close(data);
}

/* Without changes the preview is the middle of the pictures, in some order. */
static void training_can_be_previewed(void **state)
{
    enum { SIZE = 8 };
    struct rn_image pictures[2], again[3];
    struct rn_train_options options;
    struct rn_error err = {0};
    struct rn_data *data;

    (void)state;
    write_picture("train", "a", "1.jpg", "jpeg");
    write_picture("train", "b", "2.png", "png-rgb8");
    assert_int_equal(rn_data_open(&data, folder, NULL, NULL), RN_OK);
    rn_train_defaults(&options);
    options.augment = "none";
    if (rn_train_preview(data, &options, SIZE, pictures, 2, &err))
        fail_msg("%s", err.msg);
    for (int i = 0; i < 2; i++) {
        const struct rn_view view = {.shape = {3, SIZE, SIZE}, .reduce = true};
        uint8_t planes[3 * SIZE * SIZE];
        int found = 0;

        assert_int_equal(
            data->fetch(data, RN_PART_TRAIN, (uint32_t)i, &view, planes, NULL),
            RN_OK);
        for (int k = 0; k < 2; k++) {
            int same = 0;

            for (int at = 0; at < 3 * SIZE * SIZE; at++)
                same += pictures[k].pixels[at] ==
                        planes[at % 3 * SIZE * SIZE + at / 3];
            found += same == 3 * SIZE * SIZE;
        }
        if (found != 1)
            fail_msg("picture %d is there %d times", i, found);
    }
    options.augment = "area";
    assert_int_equal(rn_train_preview(data, &options, SIZE, again, 2, NULL),
                     RN_OK);
    assert_memory_not_equal(again[0].pixels, pictures[0].pixels,
                            3 * SIZE * SIZE);
    for (int i = 0; i < 2; i++) {
        rn_image_free(&pictures[i]);
        rn_image_free(&again[i]);
    }
    assert_int_equal(rn_train_preview(data, &options, SIZE, again, 3, &err),
                     RN_ERR_ARG);
    options.augment = "flipp";
    assert_int_equal(rn_train_preview(data, &options, SIZE, again, 2, &err),
                     RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "`augment` is 'flipp'"));
    rn_data_close(data);
}

static int stop_after_10(void *user, int done, int images)
{
    (void)user;
    assert_true(done <= images);
    return done >= 10;
}

static void a_survey_can_be_stopped(void **state)
{
    const struct rn_survey_options options = {.threads = 2,
                                              .progress = stop_after_10};
    struct rn_data *data;
    struct rn_survey *s;

    (void)state;
    assert_int_equal(rn_data_open(&data, "synthetic:1x8x8:3:90", NULL, NULL),
                     RN_OK);
    assert_int_equal(rn_data_survey(&s, data, &options, NULL), RN_ERR_STOPPED);
    assert_null(s);
    rn_data_close(data);
}

/* A failing allocation ends the survey, or makes a picture one that could not
 * be looked at; it never goes unsaid. */
static void failing_allocations_are_told(void **state)
{
    const struct rn_survey_options options = {.threads = 1};
    struct rn_data *data;

    (void)state;
    write_picture("train", "a", "1.jpg", "jpeg");
    write_picture("train", "a", "2.jpg", "jpeg-orientation-6");
    assert_int_equal(rn_data_open(&data, folder, NULL, NULL), RN_OK);
    for (long n = 1; n < 40; n++) {
        struct rn_survey *s = NULL;
        struct rn_surveyed image;
        int rc, wrong = 0;

        rn_alloc_fail_after(n);
        rc = rn_data_survey(&s, data, &options, NULL);
        rn_alloc_fail_after(-1);
        for (int i = 0; rc == RN_OK && i < 2; i++) {
            rn_survey_image(s, RN_PART_TRAIN, i, &image);
            wrong += image.error != NULL;
            assert_true(image.error || image.width > 0);
        }
        assert_true(rc == RN_ERR_MEMORY || (rc == RN_OK && wrong <= 1));
        rn_survey_destroy(s);
    }
    rn_data_close(data);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(kinds_are_told),
        TEST(cut_pictures_tell_nothing_else),
        TEST(broken_and_double_files_are_found),
        TEST(statistics_are_those_by_hand),
        TEST(images_in_memory_are_surveyed),
        TEST(a_survey_can_be_stopped),
        TEST(training_can_be_previewed),
        TEST(failing_allocations_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
