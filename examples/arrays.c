/* SPDX-License-Identifier: BSD-2-Clause */
/* Train on images that lie in memory, with rn_train():
 *   cc arrays.c -o arrays $(pkg-config --cflags --libs resnet)
 *   ./arrays RUN
 * Horizontal and vertical stripes are told apart. The folder RUN, which must
 * not hold a run yet, then has the models, the log and the learning curve. */
#include <resnet.h>
#include <stdio.h>
#include <stdlib.h>

#define SIDE   16
#define PIXELS (SIDE * SIDE)
#define TRAIN  256
#define TEST   64

/* Grey stripes across (0) or down (1), of random width and phase, in noise. */
static void draw(uint8_t *pixels, int label)
{
    int width = 2 + rand() % 3, phase = rand() % 8, p;

    for (p = 0; p < PIXELS; p++) {
        int place = (label ? p % SIDE : p / SIDE) + phase;

        pixels[p] = (uint8_t)(place / width % 2 * 128 + rand() % 128);
    }
}

static void fill(uint8_t *pixels, int32_t *labels, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        labels[i] = i % 2;
        draw(pixels + i * PIXELS, (int)labels[i]);
    }
}

static void report(void *user, const struct rn_train_report *r)
{
    (void)user;
    printf("iteration %ld of %ld, loss %.3f", r->iteration, r->iterations,
           r->loss);
    if (r->tested)
        printf(", test error %.1f %%", r->test_error);
    printf("\n");
}

int main(int argc, char **argv)
{
    static uint8_t train[TRAIN * PIXELS], test[TEST * PIXELS];
    static int32_t train_labels[TRAIN], test_labels[TEST];
    static const char *const names[] = {"across", "down"};
    struct rn_error err = {RN_ERR_ARG, "usage: arrays RUN"};
    struct rn_arrays arrays = {0};
    struct rn_data *data = NULL;
    struct rn_train_options options;
    struct rn_train_events events = {0};
    struct rn_train_result result;

    fill(train, train_labels, TRAIN);
    fill(test, test_labels, TEST);
    arrays.struct_size = sizeof(arrays);
    arrays.channels = 1;
    arrays.height = arrays.width = SIDE;
    arrays.classes = 2;
    arrays.class_names = names;
    arrays.count[RN_PART_TRAIN] = TRAIN;
    arrays.pixels[RN_PART_TRAIN] = train;
    arrays.labels[RN_PART_TRAIN] = train_labels;
    arrays.count[RN_PART_TEST] = TEST;
    arrays.pixels[RN_PART_TEST] = test;
    arrays.labels[RN_PART_TEST] = test_labels;

    rn_train_defaults(&options);
    options.net = "resnet8";
    options.batch = 32;
    options.threads = 1; /* so small a network gains nothing by more */
    options.iterations = 24;
    options.test_every = options.report_every = 8;
    options.augment = "none"; /* a stripe that is moved is still one */
    events.struct_size = sizeof(events);
    events.report = report;
    if (argc != 2 || rn_data_from_arrays(&data, &arrays, &err))
        goto fail;
    options.data_set = data; /* the arrays themselves are copied */
    options.out = argv[1];
    if (rn_train(&options, &events, &result, &err))
        goto fail;
    printf("best after iteration %ld: %.1f %% of %d test images wrong\n",
           result.best_iteration, result.best_error, result.test_images);
    rn_data_close(data);
    return 0;
fail:
    fprintf(stderr, "%s\n", err.msg);
    rn_data_close(data);
    return 1;
}
