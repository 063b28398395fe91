/* SPDX-License-Identifier: BSD-2-Clause */
/* Train on images of one's own, with a loop of one's own:
 *   cc train.c -o train $(pkg-config --cflags --libs resnet)
 *   ./train MODEL.safetensors
 * Squares and crosses of random size and place are told apart; rn_train() does
 * the same with augmentation, schedules, checkpoints and tests around it. */
#include <resnet.h>
#include <stdio.h>
#include <stdlib.h>

#define SIDE   16
#define PIXELS (SIDE * SIDE)
#define BATCH  32
#define STEPS  60

/* A square (0) or a cross (1), grey levels 0 to 255. */
static void draw(uint8_t *pixels, int label)
{
    int size = 5 + rand() % 6, left = rand() % (SIDE - size);
    int top = rand() % (SIDE - size), x, y;

    for (x = 0; x < PIXELS; x++)
        pixels[x] = (uint8_t)(rand() % 64);
    for (y = 0; y < size; y++)
        for (x = 0; x < size; x++) {
            int edge = !x || !y || x == size - 1 || y == size - 1;
            int bar = x == size / 2 || y == size / 2;

            if (label ? bar : edge)
                pixels[(top + y) * SIDE + left + x] = 255;
        }
}

/* A batch of them, normalised. */
static void fill(float *images, int32_t *labels)
{
    uint8_t pixels[PIXELS];
    int i, p;

    for (i = 0; i < BATCH; i++) {
        labels[i] = rand() % 2;
        draw(pixels, (int)labels[i]);
        for (p = 0; p < PIXELS; p++)
            images[i * PIXELS + p] = (float)(pixels[p] / 127.5 - 1);
    }
}

int main(int argc, char **argv)
{
    static float images[BATCH * PIXELS], logits[BATCH * 2];
    static int32_t labels[BATCH];
    struct rn_error err = {RN_ERR_ARG, "usage: train MODEL.safetensors"};
    struct rn_model *model = NULL;
    struct rn_learner *learner = NULL;
    struct rn_net_options net;
    struct rn_train_options options;
    int i, step, wrong = 0;
    double loss = 0;

    rn_net_defaults(&net);
    net.classes = 2;
    net.channels = 1;
    net.height = SIDE;
    rn_train_defaults(&options);
    options.batch = BATCH;
    if (argc != 2 || rn_model_create(&model, "resnet8", &net, &err))
        goto fail;
    rn_model_init(model, 1);
    if (rn_learner_create(&learner, model, &options, &err))
        goto fail;
    for (step = 0; step < STEPS; step++) {
        fill(images, labels);
        if (rn_learner_learn(learner, images, labels, &loss, NULL, &err) ||
            rn_learner_update(learner, step < STEPS / 2 ? 0.1 : 0.01, &err))
            goto fail;
        if (step % 10 == 9)
            printf("step %d, loss %.3f\n", step + 1, loss);
    }

    fill(images, labels); /* which it has not seen */
    if (rn_learner_forward(learner, images, logits, &err))
        goto fail;
    for (i = 0; i < BATCH; i++)
        wrong += (logits[2 * i + 1] > logits[2 * i]) != labels[i];
    printf("%d of %d new images are answered wrongly\n", wrong, BATCH);
    rn_learner_store(learner);
    if (rn_model_save(model, argv[1], &err))
        goto fail;
    rn_learner_destroy(learner);
    rn_model_destroy(model);
    return 0;
fail:
    fprintf(stderr, "%s\n", err.msg);
    rn_learner_destroy(learner);
    rn_model_destroy(model);
    return 1;
}
