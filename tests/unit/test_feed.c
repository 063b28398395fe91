/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures made ready ahead of a network: what comes, in which order, and what
 * is broken in its own place. */
#include "core/file.h"
#include "core/memory.h"
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

enum { SIDE = 8, IMAGE = 3 * SIDE * SIDE, THREADS = 3 };

/* Good and broken ones, of several sizes and formats. */
static const char *const seeds[] = {
    "jpeg", "jpeg-truncated", "png-one-pixel", "jpeg-grey",        "text",
    "webp", "jpeg-2000",      "png-rgb16",     "png-bad-checksum",
};

static void write_seed(const char *name, const char *seed)
{
    const char *source = getenv("RN_SOURCE");
    struct rn_error err = {0};
    char path[600];
    uint8_t *bytes;
    size_t size;

    snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/image/%s",
             source ? source : ".", seed);
    if (rn_file_read(path, 1 << 20, &bytes, &size, &err))
        fail_msg("%s", err.msg);
    write_file(name, bytes, size);
    rn_free(bytes);
}

static struct rn_model *make_model(void)
{
    static const float mean[] = {0.5F, 0.4F, 0.3F}, std[] = {0.2F, 0.3F, 0.4F};
    const struct rn_net_options options = {
        .classes = 4, .height = SIDE, .width = SIDE};
    struct rn_model *model;

    assert_int_equal(rn_model_create(&model, "resnet8", &options, NULL), RN_OK);
    rn_model_init(model, 3);
    assert_int_equal(rn_model_set_preprocessing(model, false, mean, std, NULL),
                     RN_OK);
    assert_int_equal(rn_model_set_resize(model, 10, RN_BICUBIC, NULL), RN_OK);
    return model;
}

static struct rn_pictures *find(const char *name)
{
    struct rn_pictures *pictures;
    struct rn_error err = {0};

    if (rn_pictures_find(&pictures, in_folder(name), &err))
        fail_msg("%s", err.msg);
    return pictures;
}

static struct rn_feed *start(const struct rn_model *model,
                             struct rn_pictures *const *pictures, size_t count,
                             int batch, int crops, int threads)
{
    struct rn_error err = {0};
    struct rn_feed *feed;

    if (rn_feed_create(&feed, model, pictures, count, batch, crops, 0, threads,
                       &err))
        fail_msg("%s", err.msg);
    return feed;
}

/* The feed's next is picture i of `pictures`, as loading and preparing it by
 * itself makes it; whether it is good. */
static int check_next(struct rn_feed *feed, const struct rn_model *model,
                      const struct rn_pictures *pictures, size_t i, int crops)
{
    static float got[10 * IMAGE], want[10 * IMAGE];
    struct rn_error err = {0}, expected = {0};
    struct rn_image picture;
    int rc = rn_pictures_load(pictures, i, 0, &picture, &expected);

    if (!rc)
        rc = crops > 1
                 ? rn_model_preprocess_crops(model, &picture, want, &expected)
                 : rn_model_preprocess_image(model, &picture, want, &expected);
    rn_image_free(&picture);
    assert_int_equal(rn_feed_next(feed, got, &err), rc);
    assert_string_equal(err.msg, expected.msg);
    if (!rc)
        assert_memory_equal(got, want, (size_t)crops * IMAGE * sizeof(*got));
    return !rc;
}

static void assert_at_the_end(struct rn_feed *feed)
{
    struct rn_error err = {0};
    float image[IMAGE];

    for (int i = 0; i < 2; i++)
        assert_int_equal(rn_feed_next(feed, image, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "pictures have been taken"));
}

/* A folder, a file, and a file again. */
static size_t find_some(struct rn_pictures *pictures[3])
{
    for (size_t i = 0; i < 20; i++) {
        char name[20];

        snprintf(name, sizeof(name), "a/%02zu.jpg", i);
        write_seed(name, seeds[i % COUNT(seeds)]);
    }
    write_seed("b.jpg", "jpeg-truncated");
    write_seed("c.jpg", "jpeg");
    pictures[0] = find("c.jpg");
    pictures[1] = find("a");
    pictures[2] = find("b.jpg");
    return 3;
}

static void pictures_come_in_order_with_the_broken_ones(void **state)
{
    static const int batches[] = {1, 2, 5, 16, 1000};
    struct rn_model *model = make_model();
    struct rn_pictures *pictures[3];
    size_t count = find_some(pictures);

    (void)state;
    for (size_t b = 0; b < COUNT(batches); b++) {
        for (int threads = 0; threads <= THREADS; threads++) {
            struct rn_feed *feed =
                start(model, pictures, count, batches[b], 1, threads);
            int good = 0;

            for (size_t p = 0; p < count; p++)
                for (size_t i = 0; i < rn_pictures_count(pictures[p]); i++)
                    good += check_next(feed, model, pictures[p], i, 1);
            assert_in_range(good, 8, 14);
            assert_at_the_end(feed);
            rn_feed_destroy(feed);
        }
    }
    for (size_t p = 0; p < count; p++)
        rn_pictures_destroy(pictures[p]);
    rn_model_destroy(model);
}

static void ten_crops_come_as_by_themselves(void **state)
{
    struct rn_model *model = make_model();
    struct rn_pictures *pictures[3];
    size_t count = find_some(pictures);
    struct rn_feed *feed = start(model, pictures, count, 2, 10, THREADS);

    (void)state;
    for (size_t p = 0; p < count; p++) {
        for (size_t i = 0; i < rn_pictures_count(pictures[p]); i++)
            check_next(feed, model, pictures[p], i, 10);
        rn_pictures_destroy(pictures[p]);
    }
    assert_at_the_end(feed);
    rn_feed_destroy(feed);
    rn_model_destroy(model);
}

static void one_picture_and_none(void **state)
{
    struct rn_model *model = make_model();
    struct rn_pictures *one;
    struct rn_feed *feed = start(model, NULL, 0, 16, 1, 0);

    (void)state;
    assert_at_the_end(feed);
    rn_feed_destroy(feed);
    rn_feed_destroy(NULL);
    write_seed("1.jpg", "jpeg");
    one = find("1.jpg");
    feed = start(model, &one, 1, 16, 1, 300);
    assert_int_equal(check_next(feed, model, one, 0, 1), 1);
    assert_at_the_end(feed);
    rn_feed_destroy(feed);
    rn_pictures_destroy(one);
    rn_model_destroy(model);
}

/* A thousand names of one picture, each found by itself or all the same; what
 * the feed was made of may be gone. */
static void a_thousand_names_of_one_picture(void **state)
{
    enum { NAMES = 1000 };
    static struct rn_pictures *pictures[NAMES];
    static float first[IMAGE], image[IMAGE];
    struct rn_model *model = make_model();

    (void)state;
    write_seed("1.jpg", "jpeg");
    for (int same = 0; same < 2; same++) {
        struct rn_feed *feed;

        for (int i = 0; i < NAMES; i++)
            pictures[i] = i && same ? pictures[0] : find("1.jpg");
        feed = start(model, pictures, NAMES, 16, 1, THREADS);
        for (int i = 0; i < (same ? 1 : NAMES); i++)
            rn_pictures_destroy(pictures[i]);
        if (same)
            rn_model_destroy(model);
        for (int i = 0; i < NAMES; i++) {
            assert_int_equal(rn_feed_next(feed, i ? image : first, NULL),
                             RN_OK);
            if (i)
                assert_memory_equal(image, first, sizeof(image));
        }
        assert_at_the_end(feed);
        rn_feed_destroy(feed);
    }
}

static void a_feed_may_end_at_any_time(void **state)
{
    struct rn_model *model = make_model();
    struct rn_pictures *pictures[3];
    size_t count = find_some(pictures);
    static float image[IMAGE];

    (void)state;
    for (int taken = 0; taken < 23; taken++) {
        struct rn_feed *feed = start(model, pictures, count, 4, 1, THREADS);

        for (int i = 0; i < taken; i++)
            rn_feed_next(feed, image, NULL);
        rn_feed_destroy(feed);
    }
    for (size_t p = 0; p < count; p++)
        rn_pictures_destroy(pictures[p]);
    rn_model_destroy(model);
}

static void refuse(const struct rn_model *model, int batch, int crops,
                   int threads, const char *text)
{
    struct rn_error err = {0};
    struct rn_feed *feed = (struct rn_feed *)&err;

    assert_int_equal(
        rn_feed_create(&feed, model, NULL, 0, batch, crops, 0, threads, &err),
        RN_ERR_ARG);
    assert_null(feed);
    assert_string_equal(err.msg, text);
}

static void what_cannot_be_is_refused(void **state)
{
    struct rn_model *model = make_model(), *bare;

    (void)state;
    refuse(model, 0, 1, 0, "`batch` is 0, but must be 1 to 65536");
    refuse(model, 1, 5, 0, "`crops` is 5, but must be 1 or 10");
    refuse(model, 1, 1, 1025, "`threads` is 1025, but must be 0 to 1024");
    assert_int_equal(rn_model_create(&bare, "resnet8", NULL, NULL), RN_OK);
    refuse(bare, 1, 1, 0, "the model does not say how its images are prepared");
    rn_model_destroy(bare);
    rn_model_destroy(model);
}

/* Whose threads are another process's, which it does not wait for. */
static void a_fork_has_no_threads_that_read_ahead(void **state)
{
    struct rn_model *model = make_model();
    struct rn_pictures *pictures[3];
    size_t count = find_some(pictures);
    struct rn_feed *feed = start(model, pictures, count, 4, 1, THREADS);
    static float image[IMAGE];
    struct rn_error err = {0};
    int status;
    pid_t child = fork();

    (void)state;
    assert_true(child >= 0);
    if (!child) {
        alarm(60);
        status = rn_feed_next(feed, image, &err) == RN_ERR_ARG &&
                 strstr(err.msg, "fork()");
        rn_feed_destroy(feed);
        _exit(!status);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    check_next(feed, model, pictures[0], 0, 1);
    rn_feed_destroy(feed);
    for (size_t p = 0; p < count; p++)
        rn_pictures_destroy(pictures[p]);
    rn_model_destroy(model);
}

static void failing_allocations_leave_nothing_behind(void **state)
{
    struct rn_model *model = make_model();
    struct rn_pictures *pictures[3];
    size_t count = find_some(pictures);
    static float image[IMAGE];
    int failed = 0, whole = 0;

    (void)state;
    for (long n = 1; n < 200; n++) {
        struct rn_error err = {0};
        struct rn_feed *feed;
        int rc;

        rn_alloc_fail_after(n);
        rc = rn_feed_create(&feed, model, pictures, count, 4, 1, 0, THREADS,
                            &err);
        for (int i = 0; feed && i < 6; i++)
            if (rn_feed_next(feed, image, &err) == RN_ERR_MEMORY)
                rc = RN_ERR_MEMORY;
        rn_alloc_fail_after(-1);
        if (rc)
            assert_int_equal(rc, RN_ERR_MEMORY);
        failed += rc != RN_OK;
        whole += rc == RN_OK;
        rn_feed_destroy(feed);
    }
    assert_true(failed > 10 && whole > 0);
    for (size_t p = 0; p < count; p++)
        rn_pictures_destroy(pictures[p]);
    rn_model_destroy(model);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pictures_come_in_order_with_the_broken_ones),
        TEST(ten_crops_come_as_by_themselves),
        TEST(one_picture_and_none),
        TEST(a_thousand_names_of_one_picture),
        TEST(a_feed_may_end_at_any_time),
        TEST(what_cannot_be_is_refused),
        TEST(a_fork_has_no_threads_that_read_ahead),
        TEST(failing_allocations_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
