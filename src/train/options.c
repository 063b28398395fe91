/* SPDX-License-Identifier: BSD-2-Clause */
/* Training options: defaults, ranges, and their form in run.json. One table
 * serves all three. */
#include "train/run.h"

#include "core/count.h"
#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "data/data.h"
#include "ops/loss.h"
#include "train/optimiser.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, LETTER, INT, LONG, REAL, SEED };

#define PLACE(field)    offsetof(struct rn_train_options, field)
#define BELOW_ONE       0.99999999999999989
#define MOST_ITERATIONS 1e9

static const struct option {
    const char *name;
    enum kind kind;
    size_t place;
    double low, high;   /* numbers */
    const char *range;  /* the same in words */
    bool aside;         /* says where things are, or how the same is computed */
    const char *before; /* what older runs did, which lack it; numbers: 0 for
                           "" */
} options[] = {
    /* clang-format off */
    {"data", TEXT, PLACE(data), 0, 0, NULL, true, NULL},
    {"net", TEXT, PLACE(net), 0, 0, NULL, false, NULL},
    {"weights", TEXT, PLACE(weights), 0, 0, NULL, true, NULL},
    {"holder", TEXT, PLACE(holder), 0, 0, NULL, true, NULL},
    {"map", TEXT, PLACE(map), 0, 0, NULL, true, NULL},
    {"skip_extra", INT, PLACE(skip_extra), 0, 1, "0 or 1", true, NULL},
    {"shortcut", LETTER, PLACE(shortcut), 0, 0, NULL, false, NULL},
    {"stride_v1", INT, PLACE(stride_v1), 0, 1, "0 or 1", false, NULL},
    {"batch", INT, PLACE(batch), 0, 1e6, "from 0 to 1000000", false, NULL},
    {"threads", INT, PLACE(threads), 0, 1024, "from 0 to 1024", true, NULL},
    {"iterations", LONG, PLACE(iterations), 0, MOST_ITERATIONS,
     "from 0 to 1000000000", false, NULL},
    {"epochs", REAL, PLACE(epochs), 0, 1e6, "from 0 to 1000000", false, NULL},
    {"lr", REAL, PLACE(lr), 0, 1e6, "from 0 to 1000000",
     false, NULL},
    {"optimizer", TEXT, PLACE(optimizer), 0, 0, NULL, false, "sgd"},
    {"momentum", REAL, PLACE(momentum), 0, BELOW_ONE, "from 0 to below 1",
     false, NULL},
    {"beta1", REAL, PLACE(beta1), 0, BELOW_ONE, "from 0 to below 1", false, ""},
    {"beta2", REAL, PLACE(beta2), 0, BELOW_ONE, "from 0 to below 1", false, ""},
    {"alpha", REAL, PLACE(alpha), 0, BELOW_ONE, "from 0 to below 1", false, ""},
    {"epsilon", REAL, PLACE(epsilon), 0, 1, "from 0 to 1", false, ""},
    {"trust", REAL, PLACE(trust), 0, 1, "from 0 to 1", false, ""},
    {"weight_decay", REAL, PLACE(weight_decay), 0, 1, "from 0 to 1", false, NULL},
    {"decay_all", INT, PLACE(decay_all), 0, 1, "0 or 1", false, NULL},
    {"schedule", TEXT, PLACE(schedule), 0, 0, NULL, false, NULL},
    {"warmup", TEXT, PLACE(warmup), 0, 0, NULL, false, NULL},
    {"warmup_lr", REAL, PLACE(warmup_lr), 0, 1e6, "from 0 to 1000000", false, NULL},
    {"loss", TEXT, PLACE(loss), 0, 0, NULL, false, "cross-entropy"},
    {"label_smoothing", REAL, PLACE(label_smoothing), 0, BELOW_ONE,
     "from 0 to below 1", false, NULL},
    {"seed", SEED, PLACE(seed), 0, 0, NULL, false, NULL},
    {"validation", INT, PLACE(validation), 0, 1e9, "from 0 to 1000000000",
     false, NULL},
    {"augment", TEXT, PLACE(augment), 0, 0, NULL, false, NULL},
    {"crop_pad", INT, PLACE(crop_pad), 0, 1024, "from 0 to 1024", false, NULL},
    {"normalize", TEXT, PLACE(normalize), 0, 0, NULL, false, NULL},
    {"last_batch", TEXT, PLACE(last_batch), 0, 0, NULL, false, NULL},
    {"report_every", LONG, PLACE(report_every), 0, MOST_ITERATIONS,
     "from 0 to 1000000000", false, NULL},
    {"test_every", LONG, PLACE(test_every), 0, MOST_ITERATIONS,
     "from 0 to 1000000000", false, NULL},
    {"save_every", LONG, PLACE(save_every), 0, MOST_ITERATIONS,
     "from 0 to 1000000000", false, NULL},
    {"exact", INT, PLACE(exact), 0, 1, "0 or 1", false, NULL},
    {"recompute", INT, PLACE(recompute), 0, 3, "from 0 to 3", true, NULL},
    {"size", INT, PLACE(size), 0, 4096, "from 0 to 4096", false, ""},
    {"resize", INT, PLACE(resize), 0, 65535, "from 0 to 65535", false, ""},
    {"validation_percent", REAL, PLACE(validation_percent), 0, 99.9,
     "from 0 to 99.9", false, ""},
    {"crop_area", REAL, PLACE(crop_area), 0, 1, "from 0 to 1", false, ""},
    {"colour", TEXT, PLACE(colour), 0, 0, NULL, false, "none"},
    {"erase", REAL, PLACE(erase), 0, 1, "from 0 to 1", false, ""},
    {"mixup", REAL, PLACE(mixup), 0, 1, "from 0 to 1", false, ""},
    {"cutmix", REAL, PLACE(cutmix), 0, 1, "from 0 to 1", false, ""},
    {"skip_bad", INT, PLACE(skip_bad), 0, 1, "0 or 1", true, NULL},
    {"freeze", TEXT, PLACE(freeze), 0, 0, NULL, false, "none"},
    {"lr_scale", TEXT, PLACE(lr_scale), 0, 0, NULL, false, "none"},
    {"batch_norm", TEXT, PLACE(batch_norm), 0, 0, NULL, false, "batch"},
    {"class_weights", TEXT, PLACE(class_weights), 0, 0, NULL, false, "none"},
    {"ema", REAL, PLACE(ema), 0, BELOW_ONE, "from 0 to below 1", false, ""},
    {"patience", INT, PLACE(patience), 0, 1e6, "from 0 to 1000000", false, ""},
    {"reestimate", INT, PLACE(reestimate), 0, 1, "0 or 1", false, ""},
    {"accumulate", INT, PLACE(accumulate), 0, 4096, "from 0 to 4096", false, ""},
    {"data_rule", INT, PLACE(data_rule), 0, RN_RULE_NEWEST, "of this version",
     false, "1"},
    /* clang-format on */
};

#define OPTIONS COUNT(options)

const char *const rn_augment_names[] = {"none", "flip",    "crop", "crop-flip",
                                        "area", "shorter", NULL};
const char *const rn_colour_names[] = {"none", "pca", "jitter", NULL};
const char *const rn_batch_norm_names[] = {"batch", "running", NULL};
const char *const rn_class_weights_names[] = {"none", "balanced", NULL};
const char *const rn_normalize_names[] = {"channel", "pixel", NULL};
const char *const rn_last_batch_names[] = {"wrap", "drop", "keep", NULL};

int rn_choice(const char *const *names, const char *value)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], value) == 0)
            return i;
    return -1;
}

void rn_train_defaults(struct rn_train_options *o)
{
    *o = (struct rn_train_options){
        .optimizer = "sgd",
        .loss = "cross-entropy",
        .momentum = 0.9,
        .weight_decay = 1e-4,
        .decay_all = 1,
        .warmup = "none",
        .warmup_lr = 0.01,
        .seed = 1,
        .crop_pad = 4,
        .normalize = "channel",
        .last_batch = "wrap",
    };
}

/* ------------------------------------------------------------- ranges */

static double number(const struct rn_train_options *o,
                     const struct option *option)
{
    const char *at = (const char *)o + option->place;

    if (option->kind == INT)
        return *(const int *)at;
    if (option->kind == LONG)
        return (double)*(const long *)at;
    return *(const double *)at;
}

static int check_numbers(const struct rn_train_options *o, struct rn_error *err)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        double value;

        if (!options[i].range)
            continue;
        value = number(o, &options[i]);
        if (!(value >= options[i].low && value <= options[i].high))
            return rn_fail(err, RN_ERR_ARG, "%s %.10g: must be %s",
                           options[i].name, value, options[i].range);
    }
    return RN_OK;
}

/* NULL: still to be chosen. */
static int check_choice(const char *name, const char *const *names,
                        const char *value, const char *expected,
                        struct rn_error *err)
{
    if (!value || rn_choice(names, value) >= 0)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG, "%s '%s': expected %s", name, value,
                   expected);
}

static json_t *text_json(const char *text)
{
    return !text ? json_null() : json_string(text);
}

static json_t *option_json(const struct rn_train_options *o,
                           const struct option *option)
{
    const char *at = (const char *)o + option->place;

    switch (option->kind) {
    case TEXT:
        return text_json(*(const char *const *)at);
    case LETTER:
        return *at == 0 ? json_null() : json_stringn(at, 1);
    case INT:
        return json_integer(*(const int *)at);
    case LONG:
        return json_integer(*(const long *)at);
    case SEED:
        return json_integer((json_int_t) * (const uint64_t *)at);
    case REAL:
        break;
    }
    return json_real(*(const double *)at);
}

/* Texts go into run.json, which is UTF-8. */
static int check_texts(const struct rn_train_options *o, struct rn_error *err)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        json_t *text = NULL;

        if (options[i].kind != TEXT)
            continue;
        text = option_json(o, &options[i]);
        if (!text)
            return rn_fail(err, RN_ERR_ARG, "%s is not UTF-8 text",
                           options[i].name);
        json_decref(text);
    }
    return RN_OK;
}

/* Texts of a few words. */
static const struct choice {
    const char *name;
    size_t place;
    const char *const *names;
    const char *expected;
} choices[] = {
    {"augment", PLACE(augment), rn_augment_names,
     "none, flip, crop, crop-flip, area or shorter"},
    {"normalize", PLACE(normalize), rn_normalize_names, "channel or pixel"},
    {"last_batch", PLACE(last_batch), rn_last_batch_names,
     "wrap, drop or keep"},
    {"colour", PLACE(colour), rn_colour_names, "none, pca or jitter"},
    {"batch_norm", PLACE(batch_norm), rn_batch_norm_names, "batch or running"},
    {"class_weights", PLACE(class_weights), rn_class_weights_names,
     "none or balanced"},
};

static int check_choices(const struct rn_train_options *o, struct rn_error *err)
{
    int rc = RN_OK;

    for (size_t i = 0; i < COUNT(choices) && !rc; i++)
        rc = check_choice(
            choices[i].name, choices[i].names,
            *(const char *const *)((const char *)o + choices[i].place),
            choices[i].expected, err);
    return rc;
}

static int check_sums(const struct rn_train_options *o, struct rn_error *err)
{
    if (o->iterations > 0 && o->epochs > 0)
        return rn_fail(err, RN_ERR_ARG,
                       "iterations %ld and epochs %g: only one may be given",
                       o->iterations, o->epochs);
    if (o->shortcut != 0 && !rn_shortcut_name(o->shortcut))
        return rn_fail(err, RN_ERR_ARG, "shortcut '%c': expected A, B or C",
                       o->shortcut);
    if (o->seed > INT64_MAX)
        return rn_fail(err, RN_ERR_ARG, "seed %llu: must be below 2^63",
                       (unsigned long long)o->seed);
    return RN_OK;
}

/* What the loss cannot take is refused rather than passed over. */
static int check_loss(const struct rn_train_options *o, struct rn_error *err)
{
    const struct rn_loss_rule *loss = rn_loss_find(o->loss);
    char names[200] = "";

    if (loss && o->label_smoothing > 0 && !loss->smooths)
        return rn_fail(err, RN_ERR_ARG,
                       "label_smoothing %g: loss %s takes no smoothed targets",
                       o->label_smoothing, loss->name);
    if (loss && (o->mixup > 0 || o->cutmix > 0) && !loss->mixes)
        return rn_fail(err, RN_ERR_ARG,
                       "%s %g: loss %s takes no images of two classes in "
                       "shares",
                       o->mixup > 0 ? "mixup" : "cutmix",
                       o->mixup > 0 ? o->mixup : o->cutmix, loss->name);
    for (int i = 0; !loss && rn_losses[i]; i++) {
        size_t n = strlen(names);

        snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "",
                 rn_losses[i]->name);
    }
    return loss ? RN_OK
                : rn_fail(err, RN_ERR_ARG, "loss '%.60s': expected one of %s",
                          o->loss, names);
}

double rn_options_smoothing(const struct rn_train_options *o)
{
    return o->label_smoothing > 0 ? o->label_smoothing
                                  : rn_loss_find(o->loss)->smoothing;
}

int rn_options_check(const struct rn_train_options *o, struct rn_error *err)
{
    int rc = RN_OK;

    if (!o->data || o->data[0] == '\0')
        rc = rn_fail(err, RN_ERR_ARG, "no data to train on is given");
    if (rc == RN_OK)
        rc = check_numbers(o, err);
    if (rc == RN_OK)
        rc = check_texts(o, err);
    if (rc == RN_OK)
        rc = check_sums(o, err);
    if (rc == RN_OK)
        rc = check_choices(o, err);
    if (rc == RN_OK)
        rc = rn_optimiser_check(o, err);
    if (rc == RN_OK)
        rc = check_loss(o, err);
    return rc == RN_OK ? rn_rates_check(o, err) : rc;
}

/* --------------------------------------------------------------- JSON */

/* What a number was before there was an option of it. */
static double number_before(const struct option *option)
{
    return rn_number(option->before, NULL);
}

/* Whether the option says what runs did before there was one. */
static bool is_as_before(const struct rn_train_options *o,
                         const struct option *option)
{
    const char *at = (const char *)o + option->place, *text;

    if (!option->before)
        return false;
    if (option->kind != TEXT)
        return number(o, option) == number_before(option);
    text = *(const char *const *)at;
    return !text || strcmp(text, option->before) == 0;
}

/* All, or what shapes the result: so that older runs can go on. */
static json_t *to_json(const struct rn_train_options *o, bool all)
{
    json_t *object = json_object();

    for (size_t i = 0; i < OPTIONS && object; i++) {
        if (!all && (options[i].aside || is_as_before(o, &options[i])))
            continue;
        if (json_object_set_new(object, options[i].name,
                                option_json(o, &options[i])) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

json_t *rn_options_to_json(const struct rn_train_options *o)
{
    return to_json(o, true);
}

/* A value of the wrong type reads as NaN, which no range admits. */
static double json_number(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static bool whole(double value)
{
    return value == floor(value) && fabs(value) <= MOST_ITERATIONS;
}

static bool option_read(struct rn_train_options *o, const struct option *option,
                        const json_t *value)
{
    char *at = (char *)o + option->place;
    double real = json_number(value);

    switch (option->kind) {
    case TEXT:
        *(const char **)at = json_string_value(value);
        return json_is_string(value) || json_is_null(value);
    case LETTER:
        *at = json_is_string(value) ? json_string_value(value)[0] : '\0';
        return json_is_string(value) || json_is_null(value);
    case SEED:
        *(uint64_t *)at = (uint64_t)json_integer_value(value);
        return json_is_integer(value);
    case INT:
        *(int *)at = whole(real) ? (int)real : 0;
        return whole(real);
    case LONG:
        *(long *)at = whole(real) ? (long)real : 0;
        return whole(real);
    case REAL:
        break;
    }
    *(double *)at = real;
    return !isnan(real);
}

/* Defaults are those of new runs. */
static void set_before(struct rn_train_options *o, const struct option *option)
{
    if (option->before && option->kind == INT)
        *(int *)((char *)o + option->place) = (int)number_before(option);
}

int rn_options_from_json(struct rn_train_options *o, const json_t *object,
                         const char *path, struct rn_error *err)
{
    rn_train_defaults(o);
    for (size_t i = 0; i < OPTIONS; i++) {
        const json_t *value = json_object_get(object, options[i].name);

        /* A run of an older version lacks some; its numbers are the same. */
        if (!value && (options[i].aside || options[i].before)) {
            set_before(o, &options[i]);
            continue;
        }
        if (!value || !option_read(o, &options[i], value))
            return rn_fail(err, RN_ERR_DATA, "'%s': option %s is %s", path,
                           options[i].name,
                           !value ? "missing" : "of the wrong type");
    }
    return RN_OK;
}

uint64_t rn_options_checksum(const struct rn_train_options *o)
{
    json_t *object = to_json(o, false);
    char *text = !object ? NULL : rn_json_dump(object, JSON_COMPACT);
    uint64_t sum = !text ? 0 : rn_checksum(0, text, strlen(text));

    rn_free(text);
    json_decref(object);
    return sum;
}

/* rn_alloc()ed copy of what json_dumps() gives. */
static char *dump(const json_t *value, size_t flags)
{
    char *text = rn_json_print(value, flags | JSON_ENCODE_ANY);
    char *copy = rn_strdup(text);

    free(text);
    return copy;
}

char *rn_json_dump(const json_t *value, size_t flags)
{
    char *text = dump(value, flags | JSON_REAL_PRECISION(15));
    json_t *again =
        !text ? NULL : rn_json_load(text, strlen(text), JSON_DECODE_ANY, NULL);
    bool same = again != NULL && json_equal(again, value);

    json_decref(again);
    if (same || !text)
        return text;
    rn_free(text);
    return dump(value, flags | JSON_REAL_PRECISION(17));
}
