/* SPDX-License-Identifier: BSD-2-Clause */
/* Networks on photos: what PyTorch with Pillow gets, photo by photo, and the
 * counts of right answers by rn_eval(). Drawn photos and a small network of our
 * own (record-made.py) are in every clone; real ones (record-photos.py) are
 * compared where they are at hand. */
#include "core/isa.h"
#include "core/memory.h"
#include "data/data.h"
#include "eval/eval.h"
#include "model/file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PHOTOS    114
#define EVERY     125 /* logit of those recorded */
#define RECORDED  (1000 / EVERY)
#define TOLERANCE 1e-3

static char folder[64];

static const char *environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value ? value : otherwise;
}

static const char *shared(const char *name)
{
    static char path[600];

    snprintf(path, sizeof(path), "%s/data/%s",
             environment("RN_SHARED", "../shared"), name);
    return path;
}

/* The network with the weights that expand.py makes. */
static struct rn_model *make_model(const char *net)
{
    static const float mean[] = {0.485F, 0.456F, 0.406F},
                       std[] = {0.229F, 0.224F, 0.225F};
    char weights[100], command[2000];
    struct rn_error err = {0};
    struct rn_model *model;
    struct rn_st_file file;

    snprintf(weights, sizeof(weights), "%s/%s", folder, net);
    snprintf(command, sizeof(command),
             "python3 '%s/data/weights/expand.py' "
             "'%s/data/weights/imagenet-%s/kbits-%s.pth' '%s' >/dev/null",
             environment("RN_SHARED", "../shared"),
             environment("RN_SHARED", "../shared"), net, net, weights);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
    if (rn_model_create(&model, net, NULL, &err) ||
        rn_st_open(&file, weights, &err) ||
        rn_model_read_tensors(&file, model->graph, false, NULL, 0, &err) ||
        rn_model_set_preprocessing(model, false, mean, std, &err) ||
        rn_model_set_resize(model, 256, RN_BILINEAR, &err))
        fail_msg("%s", err.msg);
    rn_st_close(&file);
    unlink(weights);
    return model;
}

/* ------------------------------------------------------- photo by photo */

/* "NET FILE CLASS LOGIT LOGITS…" */
struct record {
    char net[20], file[200];
    int top;
    float best, logit[RECORDED];
};

static int read_record(const char *line, struct record *r)
{
    int at;

    if (sscanf(line, "%19s %199s %d %f%n", r->net, r->file, &r->top, &r->best,
               &at) != 4)
        return 0;
    for (int i = 0; i < RECORDED; i++) {
        int n;

        if (sscanf(line + at, "%f%n", &r->logit[i], &n) != 1)
            return 0;
        at += n;
    }
    return 1;
}

/* What came out over all photos. */
struct tally {
    int photos, right, right5;
    double worst; /* difference of a logit */
};

static void compare(const struct record *r, const float *logits,
                    struct tally *tally)
{
    double off = fabs((double)logits[r->top] - (double)r->best);
    int top;

    rn_top_k(logits, 1000, 1, &top);
    if (top != r->top)
        fail_msg("%s, %s: class %d, expected %d", r->net, r->file, top, r->top);
    for (int i = 0; i < RECORDED; i++)
        off = fmax(off, fabs((double)logits[i * EVERY] - (double)r->logit[i]));
    if (off > TOLERANCE)
        fail_msg("%s, %s: a logit is off by %g", r->net, r->file, off);
    tally->worst = fmax(tally->worst, off);
}

static void run_photo(const struct rn_model *model, struct rn_plan *plan,
                      const struct rn_data *photos, const struct record *r,
                      struct tally *tally)
{
    static float image[3 * 224 * 224], logits[1000];
    struct rn_error err = {0};
    const char *path = rn_data_file(photos, RN_PART_TRAIN, tally->photos);
    struct rn_image photo;
    int label = -1;

    assert_non_null(path);
    assert_non_null(strstr(path, r->file));
    if (rn_image_load(&photo, path, 0, &err) ||
        rn_data_image(photos, RN_PART_TRAIN, tally->photos, NULL, &label,
                      &err) ||
        rn_model_preprocess_image(model, &photo, image, &err) ||
        rn_plan_forward(plan, image, logits, &err))
        fail_msg("%s", err.msg);
    rn_image_free(&photo);
    compare(r, logits, tally);
    tally->right += rn_rank(logits, 1000, label) < 1;
    tally->right5 += rn_rank(logits, 1000, label) < 5;
    tally->photos++;
}

static struct tally compare_photos(const struct rn_model *model,
                                   const struct rn_data *photos)
{
    const char *net = model->spec.name;
    struct tally tally = {0, 0, 0, 0};
    struct rn_plan_options options;
    struct rn_plan *plan;
    struct rn_error err = {0};
    struct record r;
    char path[600], line[1000];
    FILE *file;

    rn_plan_defaults(&options);
    options.batch = 1;
    if (rn_plan_create(&plan, model, &options, &err))
        fail_msg("%s", err.msg);
    snprintf(path, sizeof(path), "%s/tests/golden/photos.txt",
             environment("RN_SOURCE", "."));
    file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        if (read_record(line, &r) && strcmp(r.net, net) == 0)
            run_photo(model, plan, photos, &r, &tally);
    fclose(file);
    assert_int_equal(tally.photos, PHOTOS);
    print_message("%s: logits of %d photos off by %.1e at most\n", net,
                  tally.photos, tally.worst);
    rn_plan_destroy(plan);
    return tally;
}

/* ---------------------------------------------------------------- counts */

static void count_right(const struct rn_model *model,
                        const struct rn_data *photos, int as_stored, int right,
                        int right5)
{
    struct rn_eval_options o;
    struct rn_eval_result r;
    struct rn_error err = {0};

    rn_eval_defaults(&o);
    o.as_stored = as_stored;
    if (rn_eval(model, photos, RN_PART_TRAIN, &o, &r, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(r.images, PHOTOS);
    if (lround(r.top1_error * PHOTOS / 100) != PHOTOS - right ||
        lround(r.top5_error * PHOTOS / 100) != PHOTOS - right5)
        fail_msg("%s: errors %g and %g %%, expected %d and %d of %d right",
                 model->spec.name, r.top1_error, r.top5_error, right, right5,
                 PHOTOS);
}

static struct rn_data *open_photos(void)
{
    struct rn_error err = {0};
    struct rn_data *photos;

    if (access(shared("weights/expand.py"), R_OK) != 0) {
        print_message("skipped: there is no '%s'\n", shared("weights"));
        skip();
    }
    if (rn_data_open(&photos, shared("imagenet-sample"), NULL, &err))
        fail_msg("%s", err.msg);
    return photos;
}

/* One photo lies on its side, and this network knows it only so. */
static void resnet18_answers_as_in_pytorch(void **state)
{
    struct rn_data *photos = open_photos();
    struct rn_model *model = make_model("resnet18");

    (void)state;
    compare_photos(model, photos);
    count_right(model, photos, 0, 85, 107);
    count_right(model, photos, 1, 86, 107);
    rn_model_destroy(model);
    rn_data_close(photos);
}

static void resnet50_answers_as_in_pytorch(void **state)
{
    struct rn_data *photos = open_photos();
    struct rn_model *model = make_model("resnet50");
    struct tally tally = compare_photos(model, photos);

    (void)state;
    assert_int_equal(tally.right, 90);
    assert_int_equal(tally.right5, 108);
    rn_model_destroy(model);
    rn_data_close(photos);
}

/* How many answers of all photos are right, the first and one of five. */
static struct tally count_in(const struct rn_model *model,
                             const struct rn_data *photos, int precision)
{
    struct rn_eval_options o;
    struct rn_eval_result r;
    struct rn_error err = {0};

    rn_eval_defaults(&o);
    o.precision = precision;
    if (rn_eval(model, photos, RN_PART_TRAIN, &o, &r, &err))
        fail_msg("%s", err.msg);
    return (struct tally){
        .photos = r.images,
        .right = (int)lround(r.images * (1 - r.top1_error / 100)),
        .right5 = (int)lround(r.images * (1 - r.top5_error / 100)),
    };
}

/* Of few bits hardly an answer is another: in bfloat16, and in 8 bits, the
 * ranges taken from some of the photos. */
static void resnet18_answers_alike_in_few_bits(void **state)
{
    struct rn_data *photos = open_photos();
    struct rn_model *model = make_model("resnet18");
    struct rn_quantize_options o;
    struct rn_quantize_result r;
    struct rn_error err = {0};
    struct tally tally;

    (void)state;
    if (rn_isa()->bf16) {
        tally = count_in(model, photos, RN_PRECISION_BF16);
        assert_int_equal(tally.photos, PHOTOS);
        assert_in_range(tally.right, 84, 86);
        assert_in_range(tally.right5, 106, 108);
    }
    rn_quantize_defaults(&o);
    o.images = 32;
    o.check = 32;
    if (rn_quantize(model, photos, &o, &r, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(r.quantized, r.layers);
    tally = count_in(model, photos, RN_PRECISION_INT8);
    print_message("in 8 bits %d photos right, %d in the first five\n",
                  tally.right, tally.right5);
    assert_in_range(tally.right, 83, 87);
    assert_in_range(tally.right5, 106, 108);
    rn_model_destroy(model);
    rn_data_close(photos);
}

/* -------------------------------------------- drawn photos, our network */

#define MADE           20
#define MADE_CLASSES   4
#define MADE_TOLERANCE 5e-5 /* of the photo's largest logit */

static const char *made(const char *name)
{
    static char path[600];

    snprintf(path, sizeof(path), "%s/tests/golden/made/%s",
             environment("RN_SOURCE", "."), name);
    return path;
}

static struct rn_model *import_made(void)
{
    static const float mean[] = {0.5F, 0.45F, 0.4F},
                       std[] = {0.25F, 0.25F, 0.25F};
    struct rn_import_options o;
    struct rn_error err = {0};
    struct rn_model *model;

    rn_import_defaults(&o);
    o.mean = mean;
    o.std = std;
    o.means = o.stds = 3;
    o.resize = 40;
    o.interpolation = "bilinear";
    if (rn_model_import(&model, made("net.onnx"), &o, &err))
        fail_msg("%s", err.msg);
    return model;
}

/* The logits of a line "FILE CLASS LOGITS…" of made/logits.txt, and ours. */
static double compare_made(const struct rn_model *model, struct rn_plan *plan,
                           const char *line)
{
    float want[MADE_CLASSES], got[MADE_CLASSES], image[3 * 32 * 32];
    char name[151], path[200];
    struct rn_error err = {0};
    struct rn_image photo;
    double largest = 0, off = 0;
    int label;

    if (sscanf(line, "%150s %d %f %f %f %f", name, &label, &want[0], &want[1],
               &want[2], &want[3]) != 2 + MADE_CLASSES)
        fail_msg("no record: %s", line);
    snprintf(path, sizeof(path), "photos/%s", name);
    if (rn_image_load(&photo, made(path), 0, &err) ||
        rn_model_preprocess_image(model, &photo, image, &err) ||
        rn_plan_forward(plan, image, got, &err))
        fail_msg("%s: %s", name, err.msg);
    rn_image_free(&photo);
    for (int i = 0; i < MADE_CLASSES; i++) {
        largest = fmax(largest, fabs((double)want[i]));
        off = fmax(off, fabs((double)got[i] - (double)want[i]));
    }
    if (!(off <= MADE_TOLERANCE * largest))
        fail_msg("%s: a logit of %g is off by %g", name, largest, off);
    return off / largest;
}

static void drawn_photos_answer_as_in_pytorch(void **state)
{
    struct rn_model *model = import_made();
    struct rn_eval_options o;
    struct rn_eval_result result;
    struct rn_plan_options options;
    struct rn_plan *plan;
    struct rn_data *photos;
    struct rn_error err = {0};
    double worst = 0;
    char line[400];
    int count = 0;
    FILE *file = fopen(made("logits.txt"), "r");

    (void)state;
    assert_non_null(file);
    rn_plan_defaults(&options);
    options.batch = 1;
    if (rn_plan_create(&plan, model, &options, &err))
        fail_msg("%s", err.msg);
    while (fgets(line, sizeof(line), file)) {
        worst = fmax(worst, compare_made(model, plan, line));
        count++;
    }
    fclose(file);
    rn_plan_destroy(plan);
    assert_int_equal(count, MADE);
    print_message("logits of %d drawn photos off by %.1e of the largest\n",
                  count, worst);
    rn_eval_defaults(&o);
    if (rn_data_open(&photos, made("photos"), NULL, &err) ||
        rn_eval(model, photos, RN_PART_TRAIN, &o, &result, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(result.images, MADE);
    if (result.top1_error > 0)
        fail_msg("%g %% wrong, PyTorch has all right", result.top1_error);
    rn_data_close(photos);
    rn_model_destroy(model);
}

/* ------------------------------------------------------------ many views */

struct view_record {
    char views[10], file[200];
    int label;
    float probability;
};

/* Records of the kind, in order, and a list of their photos in the folder. */
static int read_views(const char *kind, struct view_record *records, int most)
{
    char path[700], line[400];
    FILE *file, *list;
    int n = 0;

    snprintf(path, sizeof(path), "%s/tests/golden/views.txt",
             environment("RN_SOURCE", "."));
    file = fopen(path, "r");
    snprintf(path, sizeof(path), "%s/labels.txt", folder);
    list = fopen(path, "w");
    assert_true(file && list);
    while (n < most && fgets(line, sizeof(line), file)) {
        struct view_record *r = &records[n];

        assert_int_equal(sscanf(line, "%9s %199s %d %f", r->views, r->file,
                                &r->label, &r->probability),
                         4);
        if (strcmp(r->views, kind) != 0)
            continue;
        fprintf(list, "%s %d\n", r->file, r->label);
        n++;
    }
    fclose(file);
    fclose(list);
    return n;
}

static void compare_views(const struct rn_model *model, const char *kind,
                          struct rn_eval_options *o)
{
    struct view_record records[20];
    int count = read_views(kind, records, 20);
    struct rn_eval_result result;
    struct rn_report *report;
    struct rn_error err = {0};
    struct rn_data *photos;
    double worst = 0;

    if (rn_data_open(&photos, folder, NULL, &err) ||
        rn_eval_models(&model, 1, photos, RN_PART_TRAIN, o, &result, &report,
                       &err))
        fail_msg("%s", err.msg);
    assert_true(count > 0);
    assert_int_equal(result.images, count);
    for (int i = 0; i < count; i++) {
        struct rn_answer a;
        double off;

        assert_int_equal(rn_report_answer(report, i, &a), RN_OK);
        off = fabs((double)a.probability - (double)records[i].probability);
        if (a.label != records[i].label || !(off < 1e-4))
            fail_msg("%s, %s: class %d has %g, expected %d with %g", kind,
                     records[i].file, a.label, (double)a.probability,
                     records[i].label, (double)records[i].probability);
        worst = fmax(worst, off);
    }
    print_message("%s: probabilities of %d photos off by %.1e at most\n", kind,
                  count, worst);
    rn_report_destroy(report);
    rn_data_close(photos);
}

static void many_views_answer_as_in_pytorch(void **state)
{
    static const int scales[] = {224, 384};
    struct rn_data *photos = open_photos(); /* or skip */
    struct rn_model *model = make_model("resnet18");
    struct rn_eval_options o;
    char path[700];

    (void)state;
    rn_data_close(photos);
    snprintf(path, sizeof(path), "%s/images", folder);
    assert_int_equal(
        symlink(realpath(shared("imagenet-sample/images"), (char[4096]){0}),
                path),
        0);
    rn_eval_defaults(&o);
    o.crops = 10;
    compare_views(model, "crops", &o);
    o.crops = 1;
    o.scales = scales;
    o.n_scales = sizeof(scales) / sizeof(*scales);
    compare_views(model, "scales", &o);
    unlink(path);
    snprintf(path, sizeof(path), "%s/labels.txt", folder);
    unlink(path);
    rn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawn_photos_answer_as_in_pytorch),
        cmocka_unit_test(resnet18_answers_as_in_pytorch),
        cmocka_unit_test(resnet50_answers_as_in_pytorch),
        cmocka_unit_test(resnet18_answers_alike_in_few_bits),
        cmocka_unit_test(many_views_answer_as_in_pytorch),
    };
    int failed;

    strcpy(folder, "/tmp/rn-test-photos-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
