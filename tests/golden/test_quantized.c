/* SPDX-License-Identifier: BSD-2-Clause */
/* Accuracy of a quantised model: the drawn photos' network. That of published
 * weights is the matter of tests/unit/test_import.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "resnet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value ? value : otherwise;
}

static struct rn_data *open_data(const char *path)
{
    struct rn_error err = {0};
    struct rn_data *data;

    if (rn_data_open(&data, path, NULL, &err))
        fail_msg("%s", err.msg);
    return data;
}

/* Top-1 error of a part's images. */
static double error_of(const struct rn_model *model, const struct rn_data *data,
                       enum rn_part part)
{
    struct rn_eval_result r;
    struct rn_error err = {0};

    if (rn_eval(model, data, part, NULL, &r, &err))
        fail_msg("%s", err.msg);
    return r.top1_error;
}

enum { PHOTOS = 20 };

/* There are few: ranges come from those that are answered, there is no other
 * part, and at most one answer changes. */
static void drawn_photos(void **state)
{
    static const float mean[] = {0.5F, 0.45F, 0.4F},
                       std[] = {0.25F, 0.25F, 0.25F};
    char path[600];
    struct rn_import_options import;
    struct rn_quantize_options o;
    struct rn_quantize_result r;
    struct rn_model *model;
    struct rn_data *photos;
    struct rn_error err = {0};
    double before, after;

    (void)state;
    rn_import_defaults(&import);
    import.mean = mean;
    import.std = std;
    import.means = import.stds = 3;
    import.resize = 40;
    import.interpolation = "bilinear";
    snprintf(path, sizeof(path), "%s/tests/golden/made/net.onnx",
             environment("RN_SOURCE", "."));
    if (rn_model_import(&model, path, &import, &err))
        fail_msg("%s", err.msg);
    snprintf(path, sizeof(path), "%s/tests/golden/made/photos",
             environment("RN_SOURCE", "."));
    photos = open_data(path);
    before = error_of(model, photos, RN_PART_TRAIN);
    rn_quantize_defaults(&o);
    o.part = RN_PART_TRAIN;
    if (rn_quantize(model, photos, &o, &r, &err))
        fail_msg("%s", err.msg);
    after = error_of(model, photos, RN_PART_TRAIN);
    print_message("%d of %d layers in 8 bits: top-1 error %.1f %%, %.1f %% "
                  "in float32\n",
                  r.quantized, r.layers, after, before);
    assert_true(r.quantized > 0);
    assert_int_equal(r.check_images, PHOTOS);
    assert_true(r.agreement >= 100 - 100.0 / PHOTOS - 1e-9);
    assert_true(fabs(after - before) <= 100.0 / PHOTOS + 1e-9);
    rn_data_close(photos);
    rn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawn_photos),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
