/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs two models on random images and on pictures, and compares logits. */
#include "verify.h"

#include "cli.h"
#include "inputs.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANDOM_IMAGES = 8 };

/** Two models, and room for one image. */
struct pair {
    const struct rn_model *model[2];
    struct rn_plan *plan[2];
    float *image[2], *logits[2];
    uint8_t *stored;
    size_t pixels; /* of an image, all channels */
    int classes;
    struct verify_result *result;
};

static int fail_memory(struct rn_error *err)
{
    return cli_error(err, RN_ERR_MEMORY, "out of memory");
}

static int open_side(struct pair *p, int side, struct rn_error *err)
{
    struct rn_plan_options options;
    struct rn_model_info info;

    rn_model_describe(p->model[side], &info);
    p->pixels =
        (size_t)info.channels * (size_t)info.height * (size_t)info.width;
    p->classes = info.classes;
    p->image[side] = malloc(p->pixels * sizeof(float));
    p->logits[side] = malloc((size_t)p->classes * sizeof(float));
    if (!p->image[side] || !p->logits[side])
        return fail_memory(err);
    rn_plan_defaults(&options);
    options.batch = 1;
    return rn_plan_create(&p->plan[side], p->model[side], &options, err);
}

/* Run both on what is in their images. */
static int compare(struct pair *p, struct rn_error *err)
{
    for (int side = 0; side < 2; side++) {
        int rc = rn_plan_forward(p->plan[side], p->image[side], p->logits[side],
                                 err);

        if (rc)
            return rc;
    }
    for (int i = 0; i < p->classes; i++) {
        double a = (double)p->logits[0][i], b = (double)p->logits[1][i];

        /* so that a difference that is not a number counts */
        if (!(fabs(a - b) <= p->result->difference))
            p->result->difference = fabs(a - b);
        if (fabs(a) > p->result->largest)
            p->result->largest = fabs(a);
    }
    return RN_OK;
}

void verify_made_up(float *image, size_t count, uint64_t *state)
{
    uint64_t x = *state ? *state : 88172645463325252U;

    for (size_t i = 0; i < count; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        image[i] = (float)(x >> 40) * 0x1p-22f - 2;
    }
    *state = x;
}

static int compare_random(struct pair *p, struct rn_error *err)
{
    uint64_t state = 0;
    int rc = RN_OK;

    for (int n = 0; n < RANDOM_IMAGES && !rc; n++) {
        verify_made_up(p->image[0], p->pixels, &state);
        memcpy(p->image[1], p->image[0], p->pixels * sizeof(float));
        rc = compare(p, err);
        p->result->random += !rc;
    }
    return rc;
}

/* The model whose way of preparing pictures a side takes. */
static const struct rn_model *preparer(const struct pair *p, int side)
{
    struct rn_model_info info;

    rn_model_describe(p->model[side], &info);
    return info.has_preprocessing ? p->model[side] : p->model[0];
}

static int compare_picture(struct pair *p, const struct rn_pictures *pictures,
                           size_t i, struct rn_error *err)
{
    struct rn_image picture;
    int rc = rn_pictures_load(pictures, i, 0, &picture, err);

    if (rc)
        return rc;
    for (int side = 0; side < 2 && !rc; side++)
        rc = rn_model_preprocess_image(preparer(p, side), &picture,
                                       p->image[side], err);
    rn_image_free(&picture);
    return rc ? rc : compare(p, err);
}

static int compare_pictures(struct pair *p, const struct rn_pictures *pictures,
                            struct rn_error *err)
{
    int rc = RN_OK;

    for (size_t i = 0; i < rn_pictures_count(pictures) && !rc; i++) {
        rc = compare_picture(p, pictures, i, err);
        p->result->inputs += !rc;
    }
    cli_picture_remarks(pictures);
    return rc;
}

static int check_data(const struct pair *p, const struct rn_data *data,
                      const char *spec, struct rn_error *err)
{
    struct rn_data_info d;
    struct rn_model_info m;

    rn_data_describe(data, &d);
    rn_model_describe(p->model[0], &m);
    if (d.channels == m.channels && d.height == m.height && d.width == m.width)
        return RN_OK;
    return cli_error(
        err, RN_ERR_DATA,
        "images of '%.200s' are %dx%dx%d, the model takes %dx%dx%d", spec,
        d.channels, d.height, d.width, m.channels, m.height, m.width);
}

static int compare_data(struct pair *p, const struct input *input,
                        struct rn_error *err)
{
    struct rn_data *data;
    int rc = rn_data_open(&data, input->spec, NULL, err);

    if (!rc)
        rc = check_data(p, data, input->spec, err);
    for (int i = input->first; i <= input->last && !rc; i++) {
        rc = rn_data_image(data, input->part, i, p->stored, NULL, err);
        for (int side = 0; side < 2 && !rc; side++)
            rc = rn_model_preprocess(preparer(p, side), p->stored,
                                     p->image[side], err);
        if (!rc)
            rc = compare(p, err);
        p->result->inputs += !rc;
    }
    rn_data_close(data);
    return rc;
}

static int compare_input(struct pair *p, const char *text, struct rn_error *err)
{
    struct input input;
    int rc;

    input_parse(&input, text);
    switch (input.kind) {
    case INPUT_PICTURES:
        rc = compare_pictures(p, input.pictures, err);
        break;
    case INPUT_DATA:
        rc = compare_data(p, &input, err);
        break;
    case INPUT_STANDARD:
        rc = err->code = RN_ERR_ARG;
        snprintf(err->msg, sizeof(err->msg),
                 "a picture on standard input cannot be read twice");
        break;
    default:
        *err = input.err;
        rc = err->code;
        break;
    }
    input_free(&input);
    return rc;
}

int verify_models(const struct rn_model *a, const struct rn_model *b,
                  char *const *inputs, int count, struct verify_result *result,
                  struct rn_error *err)
{
    struct pair p = {.model = {a, b}, .result = result};
    int rc = open_side(&p, 0, err);

    *result = (struct verify_result){0};
    if (!rc)
        rc = open_side(&p, 1, err);
    p.stored = rc ? NULL : malloc(p.pixels);
    if (!rc && !p.stored)
        rc = fail_memory(err);
    if (!rc)
        rc = compare_random(&p, err);
    for (int i = 0; i < count && !rc; i++)
        rc = compare_input(&p, inputs[i], err);
    for (int side = 0; side < 2; side++) {
        rn_plan_destroy(p.plan[side]);
        free(p.image[side]);
        free(p.logits[side]);
    }
    free(p.stored);
    return rc;
}
