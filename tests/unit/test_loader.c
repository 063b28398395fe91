/* SPDX-License-Identifier: BSD-2-Clause */
/* Sampler, augmentation and loader, against naive ways to the same. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "data/data.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_BATCH 64

static const float means[3] = {0.4f, 0.5f, 0.45f},
                   stds[3] = {0.2f, 0.3f, 0.25f};

static struct rn_data *open_data(const char *spec, int validation)
{
    struct rn_error err = {0, ""};
    struct rn_data *data;

    if (rn_data_open(&data, spec,
                     &(struct rn_data_options){.validation = validation}, &err))
        fail_msg("%s", err.msg);
    return data;
}

static struct rn_loader_config make_config(const struct rn_data *data,
                                           int batch, enum rn_last_batch last)
{
    return (struct rn_loader_config){
        .data = data,
        .part = RN_PART_TRAIN,
        .sampler = {.seed = 7,
                    .count = data->part[RN_PART_TRAIN].count,
                    .batch = batch,
                    .last = last,
                    .shuffle = true},
        .augment = {.crop = true, .flip = true, .pad = 2},
        .mean = means,
        .std = stds,
        .first = 0,
        .end = 40,
    };
}

/* ------------------------------------------------------------------ sampler */

/* Over `iterations` batches every image appears once an epoch (with drop at
 * most once), epochs follow one another, and each has its own order. */
static void check_epochs(enum rn_last_batch last, int count, int batch,
                         long iterations)
{
    const struct rn_sampler s = {3, count, batch, last, true, 0};
    int *seen = calloc((size_t)count, sizeof(*seen)), n = 0, changes = 0;
    uint32_t *before = calloc((size_t)count, sizeof(*before));
    uint32_t epoch = 0;
    struct rn_order order;

    assert_int_equal(rn_order_create(&order, &s, NULL), RN_OK);
    for (long i = 0; i < iterations; i++) {
        int size = rn_sampler_size(&s, i);

        for (int j = 0; j < size; j++) {
            struct rn_pick pick = rn_sampler_pick(&s, &order, i, j);

            if (pick.epoch != epoch) {
                int whole =
                    last == RN_LAST_DROP ? count / batch * batch : count;

                if (pick.epoch != epoch + 1 || n != whole)
                    fail_msg("epoch %u after %u, which had %d images of %d",
                             pick.epoch, epoch, n, whole);
                memset(seen, 0, (size_t)count * sizeof(*seen));
                epoch = pick.epoch;
                n = 0;
            }
            assert_in_range(pick.index, 0, count - 1);
            if (seen[pick.index]++)
                fail_msg("image %u twice in epoch %u", pick.index, epoch);
            changes += epoch > 0 && before[n] != pick.index;
            before[n++] = pick.index;
        }
    }
    assert_true(epoch > 1);
    if (count > 2)
        assert_true(changes > 0);
    rn_order_destroy(&order);
    free(seen);
    free(before);
}

static void test_sampler_epochs(void **state)
{
    static const int sizes[][2] = {{20, 6}, {20, 5}, {7, 7}, {13, 1}, {1, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_epochs(RN_LAST_WRAP, sizes[i][0], sizes[i][1], 60);
        check_epochs(RN_LAST_DROP, sizes[i][0], sizes[i][1], 60);
        check_epochs(RN_LAST_KEEP, sizes[i][0], sizes[i][1], 60);
    }
    check_epochs(RN_LAST_WRAP, 3, 10, 60); /* epochs within a batch */
    check_epochs(RN_LAST_KEEP, 3, 10, 60);
}

static void test_sampler_sizes(void **state)
{
    struct rn_sampler s = {1, 20, 6, RN_LAST_WRAP, true, 0};
    struct rn_pick pick;

    (void)state;
    assert_true(rn_sampler_batches(&s) == 20.0 / 6);
    assert_int_equal(rn_sampler_size(&s, 3), 6);
    pick = rn_sampler_place(&s, 3, 2); /* 18 + 2: the next epoch's first */
    assert_int_equal(pick.epoch, 1);
    assert_int_equal(pick.index, 0);
    s.last = RN_LAST_DROP;
    assert_true(rn_sampler_batches(&s) == 3);
    assert_int_equal(rn_sampler_size(&s, 3), 6);
    pick = rn_sampler_place(&s, 4, 5);
    assert_int_equal(pick.epoch, 1);
    assert_int_equal(pick.index, 11);
    s.last = RN_LAST_KEEP;
    assert_true(rn_sampler_batches(&s) == 4);
    assert_int_equal(rn_sampler_size(&s, 2), 6);
    assert_int_equal(rn_sampler_size(&s, 3), 2);
    assert_int_equal(rn_sampler_size(&s, 7), 2);
    s.last = RN_LAST_DROP;
    s.batch = 21;
    assert_true(rn_sampler_batches(&s) == 0);
    assert_int_equal(rn_sampler_size(&s, 0), 0);
    s = (struct rn_sampler){1, 50000, 128, RN_LAST_WRAP, true, 0};
    pick = rn_sampler_place(&s, 1L << 40, 0); /* no 32-bit overflow */
    assert_int_equal(pick.index, (1LL << 47) % 50000);
}

static void test_sampler_plain(void **state)
{
    const struct rn_sampler s = {1, 10, 4, RN_LAST_KEEP, false, 0};
    struct rn_order order;

    (void)state;
    assert_int_equal(rn_order_create(&order, &s, NULL), RN_OK);
    assert_null(order.index);
    assert_int_equal(rn_sampler_pick(&s, &order, 1, 3).index, 7);
    assert_int_equal(rn_sampler_pick(&s, &order, 3, 0).index, 0);
    assert_int_equal(rn_sampler_pick(&s, &order, 3, 0).epoch, 1);
    rn_order_destroy(&order);
}

/* ------------------------------------------------------------- augmentation */

/* The normalised value of the padded image at (c, y, x). */
static float padded(const struct rn_loader_config *config, uint32_t index,
                    int c, int y, int x)
{
    const struct rn_shape *s = &config->data->shape;
    size_t at, image = (size_t)(s->c * s->h * s->w);
    float value;

    if (y < 0 || y >= s->h || x < 0 || x >= s->w)
        return 0;
    at = (size_t)((c * s->h + y) * s->w + x);
    value = config->data->part[config->part].pixels[index * image + at];
    return (value / 255.0f - config->mean[config->per_pixel ? at : (size_t)c]) /
           config->std[c];
}

/* Whether `got` shows the padded image from (dy, dx) on. */
static bool shows(const struct rn_loader_config *config, uint32_t index, int dy,
                  int dx, bool flip, const float *got)
{
    const struct rn_shape *s = &config->data->shape;

    for (int c = 0; c < s->c; c++)
        for (int y = 0; y < s->h; y++)
            for (int x = 0; x < s->w; x++) {
                int sx = flip ? s->w - 1 - x : x;

                if (got[(c * s->h + y) * s->w + x] !=
                    padded(config, index, c, y + dy, sx + dx))
                    return false;
            }
    return true;
}

/* Every prepared image is a crop of its padded image, flipped or not; all
 * crops and flips occur, about equally often. */
static void check_views(const struct rn_loader_config *config)
{
    enum { EPOCHS = 1500 };
    int pad = config->augment.crop ? config->augment.pad : 0;
    int side = 2 * pad + 1, views = side * side * (1 + config->augment.flip);
    int *seen = calloc((size_t)side * (size_t)side * 2, sizeof(*seen));
    float out[512];

    for (uint32_t e = 0; e < EPOCHS; e++) {
        const struct rn_pick pick = {e, e % 10};
        bool found = false;

        rn_image_prepare(config, pick, out);
        for (int v = 0; v < side * side * 2 && !found; v++) {
            found = shows(config, pick.index, v / 2 / side - pad,
                          v / 2 % side - pad, v % 2, out);
            seen[v] += found;
        }
        if (!found)
            fail_msg("image %u of epoch %u is no crop of itself", pick.index,
                     e);
    }
    for (int v = 0; v < side * side * 2; v++) {
        double expected =
            v % 2 && !config->augment.flip ? 0 : (double)EPOCHS / views;

        if (fabs(seen[v] - expected) > 5 * sqrt(expected))
            fail_msg("view %d seen %d times, expected about %.0f", v, seen[v],
                     expected);
    }
    free(seen);
}

static void test_views(void **state)
{
    struct rn_data *data = open_data("synthetic:3x7x6:4:10", 0);
    struct rn_loader_config config = make_config(data, 2, RN_LAST_WRAP);
    float mean[3 * 7 * 6];

    (void)state;
    rn_data_pixel_mean(data, mean);
    for (int i = 0; i < 8; i++) {
        config.augment.crop = i & 1;
        config.augment.flip = (i & 2) != 0;
        config.per_pixel = (i & 4) != 0;
        config.mean = config.per_pixel ? mean : means;
        check_views(&config);
    }
    rn_data_close(data);
}

/* Padding wider than the image: some crops show nothing of it. */
static void test_wide_padding(void **state)
{
    struct rn_data *data = open_data("synthetic:1x2x3:2:10", 0);
    struct rn_loader_config config = make_config(data, 2, RN_LAST_WRAP);
    int empty = 0;

    (void)state;
    config.augment.pad = 5;
    for (uint32_t e = 0; e < 500; e++) {
        float out[6], sum = 0;
        bool found = false;

        rn_image_prepare(&config, (struct rn_pick){e, e % 10}, out);
        for (int v = 0; v < 11 * 11 * 2 && !found; v++)
            found =
                shows(&config, e % 10, v / 22 - 5, v / 2 % 11 - 5, v % 2, out);
        assert_true(found);
        for (int i = 0; i < 6; i++)
            sum += fabsf(out[i]);
        empty += sum == 0;
    }
    assert_in_range(empty, 400, 475); /* of 500, on average 1 - 15/121 */
    rn_data_close(data);
}

/* The paper's: mean of the source pixel, zero where there is no pixel. */
static void test_per_pixel_zero(void **state)
{
    struct rn_data *data = open_data("synthetic:1x4x4:1:1", 0);
    struct rn_loader_config config = make_config(data, 1, RN_LAST_WRAP);
    float mean[16], out[16], one = 1;

    (void)state;
    rn_data_pixel_mean(data, mean); /* the one image itself */
    config.per_pixel = true;
    config.mean = mean;
    config.std = &one;
    for (uint32_t e = 0; e < 50; e++) {
        rn_image_prepare(&config, (struct rn_pick){e, 0}, out);
        for (int i = 0; i < 16; i++)
            if (fabsf(out[i]) > 1e-6f)
                fail_msg("value %d is %g, expected 0", i, (double)out[i]);
    }
    rn_data_close(data);
}

/* -------------------------------------------------------------------- loader
 */

/* Copy of a batch. */
struct kept {
    int count;
    uint32_t epoch;
    float images[MAX_BATCH * 3 * 5 * 6];
    int32_t labels[MAX_BATCH];
};

static struct rn_loader *start(const struct rn_loader_config *config)
{
    struct rn_error err = {0, ""};
    struct rn_loader *loader;

    if (rn_loader_create(&loader, config, &err))
        fail_msg("%s", err.msg);
    return loader;
}

static void take(struct rn_loader *loader, long iteration, struct kept *kept)
{
    struct rn_error err = {0, ""};
    struct rn_batch batch;
    double waited = 1; /* grows */

    if (rn_loader_next(loader, &batch, &waited, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(batch.iteration, iteration);
    assert_true(waited >= 1);
    memset(kept, 0, sizeof(*kept));
    kept->count = batch.count;
    kept->epoch = batch.epoch;
    memcpy(kept->images, batch.images,
           (size_t)batch.count * 3 * 5 * 6 * sizeof(float));
    memcpy(kept->labels, batch.labels, (size_t)batch.count * sizeof(int32_t));
}

/* Every batch is what sampler and rn_image_prepare() say it is. */
static void check_loader(enum rn_last_batch last, int batch)
{
    struct rn_data *data = open_data("synthetic:3x5x6:4:23", 0);
    struct rn_loader_config config = make_config(data, batch, last);
    struct rn_loader *loader = start(&config);
    struct rn_order order;
    struct rn_batch none;
    struct kept got, want;
    double waited = 0;

    assert_int_equal(rn_order_create(&order, &config.sampler, NULL), RN_OK);
    for (long i = 0; i < config.end; i++) {
        memset(&want, 0, sizeof(want));
        want.count = rn_sampler_size(&config.sampler, i);
        for (int j = 0; j < want.count; j++) {
            struct rn_pick pick =
                rn_sampler_pick(&config.sampler, &order, i, j);

            want.epoch = j ? want.epoch : pick.epoch;
            want.labels[j] = data->labels[0][pick.index];
            rn_image_prepare(&config, pick, want.images + j * 3 * 5 * 6);
        }
        take(loader, i, &got);
        if (memcmp(&got, &want, sizeof(got)))
            fail_msg("batch %ld is not what was expected", i);
    }
    assert_int_equal(rn_loader_next(loader, &none, &waited, NULL), RN_ERR_ARG);
    assert_int_equal(rn_loader_next(loader, &none, NULL, NULL), RN_ERR_ARG);
    rn_loader_destroy(loader);
    rn_order_destroy(&order);
    rn_data_close(data);
}

static void test_loader(void **state)
{
    (void)state;
    check_loader(RN_LAST_WRAP, 6);
    check_loader(RN_LAST_DROP, 6);
    check_loader(RN_LAST_KEEP, 6);
    check_loader(RN_LAST_WRAP, 50);
    check_loader(RN_LAST_KEEP, 50);
}

/* Whatever iteration it starts at, batch i is batch i. */
static void test_loader_start(void **state)
{
    static struct kept all[40], got;
    struct rn_data *data = open_data("synthetic:3x5x6:4:23", 3);
    struct rn_loader_config config = make_config(data, 8, RN_LAST_WRAP);
    struct rn_loader *loader = start(&config);

    (void)state;
    for (long i = 0; i < 40; i++)
        take(loader, i, &all[i]);
    rn_loader_destroy(loader);
    for (long first = 1; first < 40; first += 3) {
        config.first = first;
        loader = start(&config);
        for (long i = first; i < 40; i++) {
            take(loader, i, &got);
            if (memcmp(&got, &all[i], sizeof(got)))
                fail_msg("batch %ld differs when started at %ld", i, first);
        }
        rn_loader_destroy(loader);
    }
    config.sampler.seed++;
    config.first = 0;
    loader = start(&config);
    take(loader, 0, &got);
    assert_memory_not_equal(&got, &all[0], sizeof(got));
    rn_loader_destroy(loader);
    rn_data_close(data);
}

/* The mean and std given may go away at once. */
static void test_loader_copies(void **state)
{
    struct rn_data *data = open_data("synthetic:3x5x6:4:23", 0);
    struct rn_loader_config config = make_config(data, 8, RN_LAST_WRAP);
    float mean[3], std[3];
    struct kept got, want;
    struct rn_loader *loader;

    (void)state;
    loader = start(&config);
    take(loader, 0, &want);
    rn_loader_destroy(loader);
    memcpy(mean, means, sizeof(mean));
    memcpy(std, stds, sizeof(std));
    config.mean = mean;
    config.std = std;
    loader = start(&config);
    memset(mean, 0, sizeof(mean));
    memset(std, 0, sizeof(std));
    take(loader, 0, &got);
    assert_memory_equal(&got, &want, sizeof(got));
    rn_loader_destroy(loader);
    rn_data_close(data);
}

/* A batch stays as it is until the next call, however long that takes. */
static void test_loader_holds(void **state)
{
    struct rn_data *data = open_data("synthetic:3x5x6:4:23", 0);
    struct rn_loader_config config = make_config(data, 8, RN_LAST_WRAP);
    struct rn_loader *loader = start(&config);
    struct rn_batch batch;
    double waited = 0;

    (void)state;
    for (int i = 0; i < 6; i++) {
        static struct kept kept;

        assert_int_equal(rn_loader_next(loader, &batch, &waited, NULL), RN_OK);
        memcpy(kept.images, batch.images, 8 * 90 * sizeof(float));
        nanosleep(&(struct timespec){0, 5000000}, NULL);
        assert_memory_equal(kept.images, batch.images, 8 * 90 * sizeof(float));
    }
    rn_loader_destroy(loader);
    rn_data_close(data);
}

static void test_loader_shutdown(void **state)
{
    struct rn_data *data = open_data("synthetic:3x5x6:4:23", 0);
    struct rn_loader_config config = make_config(data, 8, RN_LAST_WRAP);
    struct kept got;

    (void)state;
    for (long taken = 0; taken < 40; taken++) {
        struct rn_loader *loader = start(&config);

        for (long i = 0; i < taken; i++)
            take(loader, i, &got);
        rn_loader_destroy(loader);
    }
    config.first = config.end; /* nothing to do */
    rn_loader_destroy(start(&config));
    rn_loader_destroy(NULL);
    rn_data_close(data);
}

static void refuses(struct rn_loader_config config, const char *text)
{
    struct rn_error err = {0, ""};
    struct rn_loader *loader = (struct rn_loader *)&err;

    assert_int_equal(rn_loader_create(&loader, &config, &err), RN_ERR_ARG);
    assert_null(loader);
    if (!strstr(err.msg, text))
        fail_msg("message '%s', expected '%s' in it", err.msg, text);
}

static void test_loader_refuses(void **state)
{
    struct rn_data *data = open_data("synthetic:3x5x6:4:23", 0);
    const struct rn_loader_config good = make_config(data, 8, RN_LAST_DROP);
    struct rn_loader_config bad = good;

    (void)state;
    bad.sampler.batch = 24;
    refuses(bad, "batches of 24 from the 23 train");
    bad.sampler.batch = 0;
    refuses(bad, "batches of 0");
    bad = good;
    bad.part = RN_PART_VALIDATION;
    refuses(bad, "validation part of 'synthetic:3x5x6:4:23' has 0");
    bad = good;
    bad.sampler.count = 24;
    refuses(bad, "cannot load 24");
    bad = good;
    bad.end = -1;
    refuses(bad, "0 to -1");
    bad = good;
    bad.augment.pad = -1;
    refuses(bad, "-1 pixels");
    rn_data_close(data);
}

/* Evaluation's way: another part, in order, all of it once. */
static void test_loader_part(void **state)
{
    struct rn_data *data = open_data("synthetic:3x5x6:4:23", 9);
    struct rn_loader_config config = make_config(data, 4, RN_LAST_KEEP);
    struct rn_loader *loader;
    int done = 0;

    (void)state;
    config.part = RN_PART_VALIDATION;
    config.sampler.count = 9;
    config.sampler.shuffle = false;
    config.augment = (struct rn_augment){.crop = false};
    config.end = (long)rn_sampler_batches(&config.sampler);
    assert_int_equal(config.end, 3);
    loader = start(&config);
    for (long i = 0; i < 3; i++) {
        struct kept got;

        take(loader, i, &got);
        for (int j = 0; j < got.count; j++, done++) {
            assert_int_equal(got.labels[j], data->labels[0][14 + done]);
            assert_true(shows(&config, (uint32_t)done, 0, 0, false,
                              got.images + j * 90));
        }
    }
    assert_int_equal(done, 9);
    rn_loader_destroy(loader);
    rn_data_close(data);
}

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    signals++;
}

/* With the signal blocked here it must stay pending: the loader's thread
 * takes none. */
static void test_loader_signals(void **state)
{
    struct rn_data *data = open_data("synthetic:3x5x6:4:23", 0);
    struct rn_loader_config config = make_config(data, 8, RN_LAST_WRAP);
    struct rn_loader *loader = start(&config);
    struct sigaction action = {.sa_handler = on_signal}, before;
    sigset_t set;

    (void)state;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaction(SIGTERM, &action, &before);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGTERM);
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    assert_int_equal(signals, 0);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    assert_int_equal(signals, 1);
    sigaction(SIGTERM, &before, NULL);
    rn_loader_destroy(loader);
    rn_data_close(data);
}

/* ----------------------------------------------------------- fetched images */

enum { FETCHED = 37, SIDE = 6 };

/* Image i is full of i; later ones are ready first. 20 and 33 are bad. */
static int fetch(const struct rn_data *data, enum rn_part part, uint32_t index,
                 const struct rn_view *view, uint8_t *pixels,
                 struct rn_error *err)
{
    size_t size = (size_t)(view->shape.c * view->shape.h * view->shape.w);

    (void)part;
    nanosleep(&(struct timespec){0, index % 4 ? 0 : 2000000}, NULL);
    if (data->classes == 2 && (index == 20 || index == 33))
        return rn_fail(err, RN_ERR_DATA, "image %u is bad", index);
    memset(pixels, (int)index, size);
    return RN_OK;
}

static struct rn_loader_config fetching(const struct rn_data *data, int threads)
{
    static const int32_t labels[] = {70, 80};

    return (struct rn_loader_config){
        .data = data,
        .part = RN_PART_TEST,
        .view = {.shape = {3, SIDE, SIDE}, .interpolation = RN_BILINEAR},
        .labels = labels,
        .threads = threads,
        .sampler = {.count = FETCHED, .batch = 8, .last = RN_LAST_KEEP},
        .mean = means,
        .std = stds,
        .end = (FETCHED + 7) / 8,
    };
}

static struct rn_data fetched_data(int classes, uint16_t *labels)
{
    struct rn_data data = {.classes = classes, .fetch = fetch};
    static char spec[] = "fetched";

    for (int i = 0; i < FETCHED; i++)
        labels[i] = (uint16_t)(i % 2);
    data.spec = spec;
    data.part[RN_PART_TEST] =
        (struct rn_images){FETCHED, NULL, labels, NULL, NULL, NULL};
    return data;
}

/* However many threads fetch them, images come in order. */
static void test_fetched(void **state)
{
    static const int threads[] = {0, 1, 2, 5, 300};
    uint16_t labels[FETCHED];
    struct rn_data data = fetched_data(3, labels);

    (void)state;
    for (size_t t = 0; t < sizeof(threads) / sizeof(threads[0]); t++) {
        struct rn_loader_config config = fetching(&data, threads[t]);
        struct rn_loader *loader = start(&config);
        struct rn_batch batch;
        struct rn_error err;
        int seen = 0;

        while (seen < FETCHED) {
            assert_int_equal(rn_loader_next(loader, &batch, NULL, &err), RN_OK);
            for (int j = 0; j < batch.count; j++, seen++) {
                const float *image = batch.images + j * 3 * SIDE * SIDE;
                float expected = ((float)seen / 255.0f - means[2]) / stds[2];

                assert_int_equal(batch.labels[j], seen % 2 ? 80 : 70);
                if (image[3 * SIDE * SIDE - 1] != expected)
                    fail_msg("%d threads, image %d: got %g, expected %g",
                             threads[t], seen,
                             (double)image[3 * SIDE * SIDE - 1],
                             (double)expected);
            }
        }
        assert_int_equal(seen, FETCHED);
        assert_int_equal(rn_loader_next(loader, &batch, NULL, &err),
                         RN_ERR_ARG);
        rn_loader_destroy(loader);
    }
}

/* The batch with a bad image fails, always with the same message, and the
 * others do not. */
static void test_fetch_fails(void **state)
{
    uint16_t labels[FETCHED];
    struct rn_data data = fetched_data(2, labels);

    (void)state;
    for (int repeat = 0; repeat < 5; repeat++) {
        struct rn_loader_config config = fetching(&data, 4);
        struct rn_loader *loader;
        struct rn_batch batch;
        struct rn_error err = {0};

        config.sampler.batch = 19;
        config.end = 2;
        loader = start(&config);
        assert_int_equal(rn_loader_next(loader, &batch, NULL, &err), RN_OK);
        assert_int_equal(rn_loader_next(loader, &batch, NULL, &err),
                         RN_ERR_DATA);
        assert_string_equal(err.msg, "image 20 is bad");
        rn_loader_destroy(loader);
    }
}

/* Given up while threads are at work. */
static void test_fetch_shutdown(void **state)
{
    uint16_t labels[FETCHED];
    struct rn_data data = fetched_data(3, labels);

    (void)state;
    for (int repeat = 0; repeat < 20; repeat++) {
        struct rn_loader_config config = fetching(&data, 1 + repeat % 4);

        rn_loader_destroy(start(&config));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sampler_epochs),
        cmocka_unit_test(test_sampler_sizes),
        cmocka_unit_test(test_sampler_plain),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_wide_padding),
        cmocka_unit_test(test_per_pixel_zero),
        cmocka_unit_test(test_loader),
        cmocka_unit_test(test_loader_start),
        cmocka_unit_test(test_loader_copies),
        cmocka_unit_test(test_loader_holds),
        cmocka_unit_test(test_loader_shutdown),
        cmocka_unit_test(test_loader_refuses),
        cmocka_unit_test(test_loader_part),
        cmocka_unit_test(test_loader_signals),
        cmocka_unit_test(test_fetched),
        cmocka_unit_test(test_fetch_fails),
        cmocka_unit_test(test_fetch_shutdown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
