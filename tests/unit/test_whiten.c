/* SPDX-License-Identifier: BSD-2-Clause */
/* Global contrast normalisation and ZCA whitening: numbers as NumPy has them
 * (tests/golden/record-whitening.py), the same in training and in whoever
 * reads the model, resumed runs to the bit, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"

#include "core/file.h"
#include "core/memory.h"
#include "data/data.h"
#include "model/model.h"
#include "resnet.h"
#include "train/eigen.h"

#include <math.h>

#define SIDE    5
#define PLANE   (SIDE * SIDE)
#define NUMBERS (3 * PLANE)
#define IMAGES  120
#define TESTS   16
#define CLASSES 4
/* Of numbers of about 1: six digits are recorded. */
#define TOLERANCE 2e-5

static struct rn_error err;

#define OK(call)                                \
    do {                                        \
        if ((call) != RN_OK)                    \
            fail_msg("%s: %s", #call, err.msg); \
    } while (0)

static void says(const char *text)
{
    if (!strstr(err.msg, text))
        fail_msg("\"%s\", expected \"%s\"", err.msg, text);
}

/* ----------------------------------------------- images, as in the record */

static uint32_t noise(uint32_t i, uint32_t j)
{
    uint32_t x = (i * 7919u + j * 104729u + 12345u) * 2654435761u;

    return ((x ^ x >> 15) * 2246822519u) >> 24;
}

static void make_image(uint32_t i, uint8_t pixels[NUMBERS])
{
    for (uint32_t j = 0; j < NUMBERS; j++)
        pixels[j] = (uint8_t)((noise(i, j) + noise(i, (j + 1) % NUMBERS) +
                               noise(i, (j + 7) % NUMBERS)) /
                              3);
}

static struct rn_data *made_data(size_t images)
{
    static uint8_t pixels[IMAGES][NUMBERS];
    static int32_t labels[IMAGES];
    struct rn_data *data;

    for (uint32_t i = 0; i < IMAGES; i++) {
        make_image(i, pixels[i]);
        labels[i] = (int32_t)(i % CLASSES);
    }
    const struct rn_arrays arrays = {
        .channels = 3,
        .height = SIDE,
        .width = SIDE,
        .classes = CLASSES,
        .count = {[RN_PART_TRAIN] = images, [RN_PART_TEST] = TESTS},
        .pixels = {[RN_PART_TRAIN] = pixels[0], [RN_PART_TEST] = pixels[0]},
        .labels = {[RN_PART_TRAIN] = labels, [RN_PART_TEST] = labels},
    };
    OK(rn_data_from_arrays(&data, &arrays, &err));
    return data;
}

static struct rn_train_options
options_of(const struct rn_data *data, const char *normalize, const char *run)
{
    return (struct rn_train_options){
        .data_set = data,
        .out = in_folder(run),
        .net = "resnet8",
        .normalize = normalize,
        .batch = 16,
        .threads = 2,
        .iterations = 6,
        .lr = 0.05,
        .augment = "crop-flip",
        .crop_pad = 1,
    };
}

static struct rn_model *trained(const char *normalize, const char *run,
                                int threads)
{
    struct rn_data *data = made_data(IMAGES);
    struct rn_train_options o = options_of(data, normalize, run);
    struct rn_model *model;
    char path[320];

    o.threads = threads;
    OK(rn_train(&o, NULL, NULL, &err));
    snprintf(path, sizeof(path), "%s/last.safetensors", o.out);
    OK(rn_model_load(&model, path, &err));
    rn_data_close(data);
    return model;
}

/* ------------------------------------------------------------------ numbers */

static int compare_line(const struct rn_model *model, const char *kind,
                        const char *line)
{
    uint8_t pixels[NUMBERS];
    float image[NUMBERS];
    char *at;
    int bad = 0;

    if (strncmp(line, kind, strlen(kind)) != 0)
        return 0;
    make_image((uint32_t)strtoul(line + strlen(kind), &at, 10), pixels);
    OK(rn_model_preprocess(model, pixels, image, &err));
    for (int i = 0; i < NUMBERS; i++) {
        double want = strtod(at, &at);

        if (fabs((double)image[i] - want) <= TOLERANCE)
            continue;
        print_error("%.20s: number %d is %.7g, NumPy has %.7g\n", line, i,
                    (double)image[i], want);
        bad++;
    }
    return bad;
}

static void compare(const struct rn_model *model, const char *kind)
{
    const char *source = getenv("RN_SOURCE");
    char path[1000], line[4096];
    int bad = 0, lines = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/tests/golden/whitening.txt",
             source ? source : ".");
    file = fopen(path, "r");
    assert_non_null(file);
    for (; fgets(line, sizeof(line), file); lines++)
        bad += compare_line(model, kind, line);
    fclose(file);
    assert_int_equal(lines, 8);
    assert_int_equal(bad, 0);
}

static void contrast_is_numpys(void **state)
{
    struct rn_model *model = trained("gcn", "gcn", 2);
    struct rn_model_info info;

    (void)state;
    compare(model, "gcn");
    rn_model_describe(model, &info);
    assert_true(info.contrast > 0.99 && info.contrast < 1);
    assert_false(info.whitened);
    rn_model_destroy(model);
}

/* On any number of threads, too. */
static void whitening_is_numpys(void **state)
{
    struct rn_model *model, *other;
    struct rn_model_info info;

    (void)state;
    if (!rn_eigen_there())
        skip();
    model = trained("gcn-zca", "zca", 2);
    compare(model, "zca");
    rn_model_describe(model, &info);
    assert_true(info.whitened);
    other = trained("gcn-zca", "zca-alone", 1);
    assert_memory_equal(model->preprocessing.whitening,
                        other->preprocessing.whitening,
                        rn_whitening_count(NUMBERS) * sizeof(float));
    rn_model_destroy(other);
    rn_model_destroy(model);
}

/* Pixels of one colour have no contrast to be had. */
static void one_colour_becomes_zeros(void **state)
{
    struct rn_model *model = trained("gcn", "flat", 1);
    uint8_t pixels[NUMBERS];
    float image[NUMBERS];

    (void)state;
    memset(pixels, 77, sizeof(pixels));
    OK(rn_model_preprocess(model, pixels, image, &err));
    for (int i = 0; i < NUMBERS; i++)
        assert_true(fabsf(image[i]) < 1e-6f);
    rn_model_destroy(model);
}

/* ----------------------------------------------------------- in training */

/* A loader's image is the model's, moved and mirrored afterwards. */
static void images_are_moved_when_they_are_whole(void **state)
{
    struct rn_model *model = trained("gcn", "moved", 1);
    struct rn_data *data = made_data(IMAGES);
    struct rn_loader_config config = {.data = data,
                                      .part = RN_PART_TRAIN,
                                      .sampler = {.seed = 3},
                                      .augment = {.crop = true, .pad = 2}};
    int moved = 0;

    (void)state;
    rn_loader_prepare_as(&config, &model->preprocessing);
    for (uint32_t i = 0; i < 40; i++) {
        float whole[NUMBERS], seen[NUMBERS], flipped[NUMBERS];
        bool found = false;

        config.augment.flip = false;
        rn_image_prepare(&config, (struct rn_pick){0, i}, seen);
        config.augment.flip = true;
        rn_image_prepare(&config, (struct rn_pick){0, i}, flipped);
        OK(rn_model_preprocess(model,
                               data->part[RN_PART_TRAIN].pixels + i * NUMBERS,
                               whole, &err));
        for (int dy = -2; dy <= 2 && !found; dy++)
            for (int dx = -2; dx <= 2 && !found; dx++) {
                bool same = true, mirrored = true;

                for (int k = 0; k < NUMBERS; k++) {
                    int y = k % PLANE / SIDE, x = k % SIDE;
                    bool in = y + dy >= 0 && y + dy < SIDE && x + dx >= 0 &&
                              x + dx < SIDE;
                    float want = in ? whole[k + dy * SIDE + dx] : 0;

                    same &= seen[k] >= want && seen[k] <= want;
                    mirrored &= flipped[k - x + SIDE - 1 - x] >= want &&
                                flipped[k - x + SIDE - 1 - x] <= want;
                }
                mirrored |= memcmp(seen, flipped, sizeof(seen)) == 0;
                found = same && mirrored;
                moved += found && (dy || dx);
            }
        if (!found)
            fail_msg("image %u is no shift of its own", i);
    }
    assert_true(moved > 20);
    rn_data_close(data);
    rn_model_destroy(model);
}

static int stop_soon(void *user)
{
    return ++*(int *)user >= 3;
}

static void runs_resume_to_the_bit(void **state)
{
    struct rn_data *data = made_data(IMAGES);
    struct rn_train_options o = options_of(data, "gcn-zca", "stopped");
    struct rn_resume_options resume = {.data_set = data};
    int seen = 0;
    const struct rn_train_events events = {.user = &seen, .stop = stop_soon};
    uint8_t *bytes[2];
    size_t size[2];

    (void)state;
    if (!rn_eigen_there())
        skip();
    assert_int_equal(rn_train(&o, &events, NULL, &err), RN_ERR_STOPPED);
    OK(rn_train_resume(in_folder("stopped"), &resume, NULL, NULL, &err));
    for (int k = 0; k < 2; k++)
        OK(rn_file_read(
            in_folder(k ? "zca/last.safetensors" : "stopped/last.safetensors"),
            (size_t)1 << 28, &bytes[k], &size[k], &err));
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(bytes[0], bytes[1], size[0]);
    rn_free(bytes[0]);
    rn_free(bytes[1]);
    rn_data_close(data);
}

/* ----------------------------------------------------- other files, refusals
 */

/* ONNX holds the contrast, but no whitening: then nothing of preprocessing. */
static void files_of_others_do_not_hold_it(void **state)
{
    struct rn_model *model, *back;
    struct rn_model_info info;

    (void)state;
    for (int whiten = 0; whiten <= (int)rn_eigen_there(); whiten++) {
        OK(rn_model_load(
            &model,
            in_folder(whiten ? "zca/last.safetensors" : "gcn/last.safetensors"),
            &err));
        OK(rn_model_export(model, in_folder("out.onnx"), &err));
        OK(rn_model_load(&back, in_folder("out.onnx"), &err));
        rn_model_describe(back, &info);
        assert_int_equal(info.has_preprocessing, !whiten);
        if (!whiten)
            compare(back, "gcn");
        rn_model_destroy(back);
        rn_model_destroy(model);
    }
}

/* ------------------------------------------------------- whoever reads models
 */

/* Probabilities of the test images, prepared one by one. */
static void answer_by_hand(const struct rn_model *model,
                           float answers[TESTS][CLASSES])
{
    const struct rn_plan_options o = {.batch = TESTS, .threads = 2};
    float images[TESTS][NUMBERS];
    uint8_t pixels[NUMBERS];
    struct rn_plan *plan;

    for (uint32_t i = 0; i < TESTS; i++) {
        make_image(i, pixels);
        OK(rn_model_preprocess(model, pixels, images[i], &err));
    }
    OK(rn_plan_create(&plan, model, &o, &err));
    OK(rn_plan_forward(plan, images[0], answers[0], &err));
    rn_plan_destroy(plan);
    for (int i = 0; i < TESTS; i++) {
        double sum = 0;

        for (int c = 0; c < CLASSES; c++)
            sum += exp((double)answers[i][c]);
        for (int c = 0; c < CLASSES; c++)
            answers[i][c] = (float)(exp((double)answers[i][c]) / sum);
    }
}

static int likeliest(const float answers[CLASSES])
{
    int best = 0;

    for (int c = 1; c < CLASSES; c++)
        if (answers[c] > answers[best])
            best = c;
    return best;
}

/* The picture of image i as a file. */
static const char *write_picture(uint32_t i)
{
    uint8_t planes[NUMBERS], pixels[NUMBERS];
    struct rn_image image = {SIDE, SIDE, pixels};
    const char *path = in_folder("one.png");

    make_image(i, planes);
    for (int k = 0; k < NUMBERS; k++)
        pixels[k % PLANE * 3 + k / PLANE] = planes[k];
    OK(rn_image_save(&image, path, &err));
    return path;
}

static void check_evaluation(const struct rn_model *model,
                             const struct rn_data *data,
                             float answers[TESTS][CLASSES])
{
    struct rn_eval_result e;
    double loss = 0;
    int wrong = 0;

    for (int i = 0; i < TESTS; i++) {
        wrong += likeliest(answers[i]) != i % CLASSES;
        loss -= log((double)answers[i][i % CLASSES]) / TESTS;
    }
    OK(rn_eval((struct rn_model *)model, data, RN_PART_TEST, NULL, &e, &err));
    assert_int_equal(e.images, TESTS);
    assert_true(fabs(e.top1_error - 100.0 * wrong / TESTS) < 1e-9);
    assert_true(fabs(e.loss - loss) < 1e-4);
}

/* Evaluation, a picture's classification and quantisation see whitened images,
 * and what is quantised still whitens. */
static void readers_whiten_too(void **state)
{
    struct rn_quantize_options o = {.struct_size = sizeof(o)};
    struct rn_data *data = made_data(IMAGES);
    float answers[TESTS][CLASSES];
    struct rn_quantize_result r;
    struct rn_class top[CLASSES];
    struct rn_model_info info;
    struct rn_model *model;
    int k = CLASSES;

    (void)state;
    if (!rn_eigen_there())
        skip();
    OK(rn_model_load(&model, in_folder("zca/last.safetensors"), &err));
    answer_by_hand(model, answers);
    check_evaluation(model, data, answers);
    OK(rn_classify(model, write_picture(5), top, &k, &err));
    assert_int_equal(k, CLASSES);
    for (int i = 0; i < CLASSES; i++)
        assert_true(fabsf(top[i].probability - answers[5][top[i].index]) <
                    1e-5f);
    o.max_drop = 100;
    o.images = 64;
    OK(rn_quantize(model, data, &o, &r, &err));
    assert_true(r.quantized > 0);
    OK(rn_model_save(model, in_folder("bytes.safetensors"), &err));
    rn_model_destroy(model);
    OK(rn_model_load(&model, in_folder("bytes.safetensors"), &err));
    rn_model_describe(model, &info);
    assert_true(info.whitened && info.quantized == (size_t)r.quantized);
    answer_by_hand(model, answers);
    check_evaluation(model, data, answers);
    rn_model_destroy(model);
    rn_data_close(data);
}

/* Fewer images than numbers; a file whose triangle is gone. */
static void what_cannot_be_is_refused(void **state)
{
    struct rn_data *data = made_data(NUMBERS);
    struct rn_train_options o = options_of(data, "gcn-zca", "few");
    struct rn_model *model;

    (void)state;
    assert_int_equal(rn_train(&o, NULL, NULL, &err), RN_ERR_ARG);
    says(rn_eigen_there() ? "has 75 training images, but the whitening"
                          : "without");
    rn_data_close(data);
    if (!rn_eigen_there())
        return;
    OK(rn_model_load(&model, in_folder("zca/last.safetensors"), &err));
    model->preprocessing.whitening[3] = NAN;
    assert_int_equal(
        rn_model_set_whitening(model, 1, model->preprocessing.whitening, &err),
        RN_ERR_ARG);
    says("number 3 of the whitening");
    assert_int_equal(rn_model_set_whitening(model, -1, NULL, &err), RN_ERR_ARG);
    says("contrast of -1");
    model->preprocessing.per_pixel = false;
    assert_int_equal(
        rn_model_set_whitening(model, 1, model->preprocessing.whitening, &err),
        RN_ERR_ARG);
    says("no mean of every pixel");
    model->preprocessing.per_pixel = true;
    rn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contrast_is_numpys),
        cmocka_unit_test(whitening_is_numpys),
        cmocka_unit_test(one_colour_becomes_zeros),
        cmocka_unit_test(images_are_moved_when_they_are_whole),
        cmocka_unit_test(runs_resume_to_the_bit),
        cmocka_unit_test(files_of_others_do_not_hold_it),
        cmocka_unit_test(readers_whiten_too),
        cmocka_unit_test(what_cannot_be_is_refused),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
