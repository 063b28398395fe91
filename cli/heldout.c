/* SPDX-License-Identifier: BSD-2-Clause */
/* Knows by name, rule or checksum the images that a model was trained on. */
#include "heldout.h"

#include "cli.h"
#include "output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int holds_out(const struct rn_data_options *o)
{
    return o->validation > 0 || o->validation_percent > 0;
}

/* "25% of the training images, seed 1"; of images of one size the last are
 * held out, whatever the seed. */
static const char *describe(const struct rn_data_options *o, int pictures,
                            char *buf, size_t size)
{
    char seed[40] = "";

    if (pictures)
        snprintf(seed, sizeof(seed), ", seed %" PRIu64, o->seed);
    if (o->validation > 0)
        snprintf(buf, size, "%d of the training images%s", o->validation, seed);
    else
        snprintf(buf, size, "%g%% of the training images%s",
                 o->validation_percent, seed);
    return buf;
}

/* Whether what is held out is the end of the same order of images, of whatever
 * length; when nothing was, any order will do. */
static int same_order(const struct rn_model_training *t,
                      const struct rn_data_info *info,
                      const struct rn_data_options *split)
{
    return info->height > 0 || !holds_out(&t->held_out) ||
           (split->seed == t->held_out.seed && info->rule == t->held_out.rule);
}

/* Whether the parts are those of the model's training. */
static int same_parts(const struct rn_model_training *t,
                      const struct rn_data_info *info,
                      const struct rn_data_options *split)
{
    return info->count[RN_PART_TRAIN] == t->images &&
           same_order(t, info, split);
}

/* Images are held out that the model, or one of several, may have seen. */
static void warn(const struct rn_model_training *t, const char *model,
                 const struct rn_data_info *info,
                 const struct held_out_args *args)
{
    char trained[80], asked[80];
    int pictures = info->height == 0;

    if (info->training != t->checksum)
        say("warning: the training images of '%s' are not those that '%s' was "
            "trained on, or not all of them: it may have been trained on some "
            "that are held out here",
            args->spec, model);
    else if (!same_order(t, info, &args->split))
        say("warning: '%s' was trained with other images held out (%s) than "
            "here (%s): it may have been trained on some of these",
            model, describe(&t->held_out, pictures, trained, sizeof(trained)),
            describe(&args->split, pictures, asked, sizeof(asked)));
}

/* --validation says what to hold out; what it leaves open is as it was for
 * the model. */
static int open_asked(struct rn_data **data, const struct rn_model_training *t,
                      struct held_out_args *args, struct rn_error *err)
{
    args->split.rule = t->held_out.rule;
    if (!args->seed_given && t->held_out.rule)
        args->split.seed = t->held_out.seed;
    return rn_data_open(data, args->spec, &args->split, err);
}

static int fail_other(const struct rn_model_training *t,
                      const struct held_out_args *args, struct rn_error *err)
{
    char text[80];

    return cli_error(
        err, RN_ERR_DATA,
        "'%.100s' has no validation part, and its training images are not "
        "those that '%.100s' was trained on with %.80s held out; to hold "
        "out some all the same give --validation",
        args->spec, args->model, describe(&t->held_out, 1, text, sizeof(text)));
}

/* Data without a validation part again, as the model saw it. */
static int open_again(struct rn_data **data, const struct rn_model_training *t,
                      struct held_out_args *args, struct rn_error *err)
{
    uint64_t seed = args->split.seed;
    struct rn_data_info info;
    char text[80];
    int rc;

    rn_data_close(*data);
    args->split = t->held_out;
    if (args->seed_given)
        args->split.seed = seed;
    rc = rn_data_open(data, args->spec, &args->split, err);
    if (rc)
        return rc;
    rn_data_describe(*data, &info);
    if (same_parts(t, &info, &args->split))
        say("held out as when '%s' was trained: %s", args->model,
            describe(&args->split, info.height == 0, text, sizeof(text)));
    return rc;
}

static int open_data(struct rn_data **data, const struct rn_model *model,
                     struct held_out_args *args, struct rn_error *err)
{
    int validation =
        args->part && strcmp(args->part, rn_part_name(RN_PART_VALIDATION)) == 0;
    int train =
        args->part && strcmp(args->part, rn_part_name(RN_PART_TRAIN)) == 0;
    struct rn_model_training t;
    struct rn_data_info info;
    int rc;

    rn_model_training(model, &t);
    if (args->validation_given && holds_out(&args->split))
        return open_asked(data, &t, args, err);
    rc = rn_data_open(data, args->spec, NULL, err);
    if (rc || args->validation_given || !(validation || train) || !t.known ||
        !holds_out(&t.held_out))
        return rc;
    rn_data_describe(*data, &info);
    if (info.count[RN_PART_VALIDATION] > 0)
        return rc;
    if (info.training == t.checksum)
        return open_again(data, &t, args, err);
    return validation ? fail_other(&t, args, err) : rc;
}

/* A seed that chooses nothing was meant otherwise. */
static int check_seed(const struct held_out_args *args, struct rn_error *err)
{
    if (!args->seed_given || holds_out(&args->split))
        return RN_OK;
    return cli_error(
        err, RN_ERR_ARG,
        "--seed chooses what is held out, but of '%.300s' nothing is: "
        "--validation says how much",
        args->spec);
}

int held_out_open(struct rn_data **data, const struct rn_model *model,
                  struct held_out_args *args, struct rn_error *err)
{
    int rc = open_data(data, model, args, err);

    return rc ? rc : check_seed(args, err);
}

/* Of all images of the part. */
static int trained_of_part(const struct rn_model *model,
                           const struct rn_data *data,
                           const struct held_out_args *args, enum rn_part part)
{
    struct rn_model_training t;
    struct rn_data_info info;
    int train;

    rn_model_training(model, &t);
    rn_data_describe(data, &info);
    if (!t.known || info.training != t.checksum || part == RN_PART_TEST)
        return -1;
    if (!holds_out(&args->split))
        return part == RN_PART_TRAIN ? t.images : -1;
    if (!same_order(&t, &info, &args->split))
        return -1;
    /* The first t.images of the order were trained on. */
    train = info.count[RN_PART_TRAIN];
    if (part == RN_PART_TRAIN)
        return train < t.images ? train : t.images;
    return train < t.images ? t.images - train : 0;
}

static int evaluated(const struct rn_data_info *info, enum rn_part part,
                     int images)
{
    return images > 0 && images < info->count[part] ? images
                                                    : info->count[part];
}

/* Where the model saw only some images of the part, nobody knows how many of
 * these are among the images evaluated. */
int held_out_trained(const struct rn_model *model, const struct rn_data *data,
                     const struct held_out_args *args, enum rn_part part,
                     int images)
{
    int trained = trained_of_part(model, data, args, part), all, some;
    struct rn_data_info info;

    rn_data_describe(data, &info);
    all = info.count[part];
    some = evaluated(&info, part, images);
    if (trained == all)
        return some;
    return some == all || trained == 0 ? trained : -1;
}

void held_out_say(const struct rn_model *model, const char *path,
                  const struct rn_data *data, const struct held_out_args *args,
                  enum rn_part part, int images)
{
    int trained = held_out_trained(model, data, args, part, images), count;
    struct rn_model_training t;
    struct rn_data_info info;
    struct text a, b;

    rn_model_training(model, &t);
    rn_data_describe(data, &info);
    count = evaluated(&info, part, images);
    if (t.known && part == RN_PART_VALIDATION && holds_out(&args->split))
        warn(&t, path, &info, args);
    if (trained == count && trained > 0)
        say("'%s' was trained on these very images", path);
    else if (trained > 0)
        say("%s of these %s images are among those that '%s' was trained on",
            text_count(&a, (uint64_t)trained), text_count(&b, (uint64_t)count),
            path);
}
