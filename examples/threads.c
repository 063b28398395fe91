/* SPDX-License-Identifier: BSD-2-Clause */
/* Many threads and one model: each thread has a plan of its own, and all plans
 * share the weights.
 *   cc threads.c -o threads $(pkg-config --cflags --libs resnet) -pthread
 *   ./threads MODEL PICTURE... */
#include <pthread.h>
#include <resnet.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 4

static const struct rn_model *model; /* const: any thread may use it */
static struct rn_model_info info;
static char **pictures;
static int count;

struct worker {
    pthread_t thread;
    struct rn_plan *plan;
    int first; /* picture; it takes every THREADS-th from there */
    int failed;
};

static int answer(struct worker *w, const char *path, float *image,
                  float *scores, struct rn_error *err)
{
    struct rn_image picture = {0, 0, NULL};
    int top, rc = rn_image_load(&picture, path, 0, err);

    if (!rc)
        rc = rn_model_preprocess_image(model, &picture, image, err);
    if (!rc)
        rc = rn_plan_forward(w->plan, image, scores, err);
    rn_image_free(&picture);
    if (rc)
        return rc;
    rn_probabilities(info.output, scores, info.classes);
    rn_top_k(scores, info.classes, 1, &top);
    printf("%s: class %d, %.1f %%\n", path, top, 100.0 * scores[top]);
    return 0;
}

static void *work(void *argument)
{
    struct worker *w = argument;
    size_t floats = (size_t)info.channels * info.height * info.width;
    float *image = malloc(floats * sizeof(float));
    float *scores = malloc(info.classes * sizeof(float));
    struct rn_error err;
    int i;

    w->failed = !image || !scores;
    for (i = w->first; i < count && !w->failed; i += THREADS)
        if (answer(w, pictures[i], image, scores, &err)) {
            fprintf(stderr, "%s\n", err.msg);
            w->failed = 1;
        }
    free(image);
    free(scores);
    return NULL;
}

int main(int argc, char **argv)
{
    struct rn_error err = {RN_ERR_ARG, "usage: threads MODEL PICTURE..."};
    struct worker workers[THREADS] = {{0}};
    struct rn_plan_options options;
    struct rn_model *loaded = NULL;
    int i, failed = 0;

    rn_plan_defaults(&options);
    options.threads = 1; /* each; the program's own run side by side */
    if (argc < 3 || rn_model_load(&loaded, argv[1], &err) ||
        rn_plan_create(&workers[0].plan, loaded, &options, &err))
        return fprintf(stderr, "%s\n", err.msg), 1;
    model = loaded;
    rn_model_describe(model, &info);
    pictures = argv + 2;
    count = argc - 2;
    for (i = 1; i < THREADS; i++)
        if (rn_plan_clone(&workers[i].plan, workers[0].plan, 0, &err))
            return fprintf(stderr, "%s\n", err.msg), 1;
    for (i = 0; i < THREADS; i++) {
        workers[i].first = i;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
            return fprintf(stderr, "no thread\n"), 1;
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        rn_plan_destroy(workers[i].plan);
        failed |= workers[i].failed;
    }
    rn_model_destroy(loaded);
    return failed;
}
