/* SPDX-License-Identifier: BSD-2-Clause */
/* Classify pixels 0..255, [channel][row][column], from standard input:
 *   cc classify.c -o classify $(pkg-config --cflags --libs resnet) */
#include <resnet.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct rn_error err = {RN_ERR_ARG, "usage: classify MODEL < PIXELS"};
    struct rn_model *model = NULL;
    struct rn_plan *plan = NULL;
    struct rn_plan_options options;
    struct rn_model_info info;
    int top;

    rn_plan_defaults(&options); /* inference, one image */
    if (argc != 2 || rn_model_load(&model, argv[1], &err) ||
        rn_plan_create(&plan, model, &options, &err))
        return fprintf(stderr, "%s\n", err.msg), 1;
    rn_model_describe(model, &info);

    size_t size = (size_t)info.channels * info.height * info.width;
    uint8_t *pixels = calloc(size, 1);
    float *image = calloc(size, sizeof(float));
    float *scores = calloc(info.classes, sizeof(float));
    if (!pixels || !image || !scores || fread(pixels, 1, size, stdin) != size)
        return fprintf(stderr, "need %zu bytes\n", size), 1;
    if (rn_model_preprocess(model, pixels, image, &err) ||
        rn_plan_forward(plan, image, scores, &err))
        return fprintf(stderr, "%s\n", err.msg), 1;
    rn_probabilities(info.output, scores, info.classes);
    rn_top_k(scores, info.classes, 1, &top);
    printf("class %d, %.1f %%\n", top, 100.0 * scores[top]);
    free(pixels), free(image), free(scores);
    rn_plan_destroy(plan);
    rn_model_destroy(model);
    return 0;
}
