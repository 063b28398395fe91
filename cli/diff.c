/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet diff: where two models part. */
#include "align.h"
#include "cli.h"
#include "import.h"
#include "inputs.h"
#include "output.h"
#include "verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    double tolerance;
    const char *preprocess, *stride, *shortcut, *holder, *map, *precision;
    int skip_extra, json;
    struct rn_eval_options run;
};

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct rn_option own_options[] = {
    {"tolerance", .type = RN_OPTION_REAL, .offset = AT(tolerance), .min = 0,
     .max = 1, .value = "X",
     .help = "Let values differ by X times 1 plus the layer's largest value"},
    {"preprocess", .type = RN_OPTION_TEXT, .offset = AT(preprocess),
     .value = "NAME[,NAME]", .unset = "the models'",
     .help = "Prepare the picture like this for A and B, or for each: a name as "
             "for 'resnet convert'"},
    {"stride", .type = RN_OPTION_TEXT, .offset = AT(stride),
     .value = "NAME[,NAME]", .unset = "the models', v1.5",
     .help = "Where the bottlenecks of A and B, or of each, stride: v1 or "
             "v1.5"},
    {"shortcut", .type = RN_OPTION_TEXT, .offset = AT(shortcut),
     .value = "NAME[,NAME]", .unset = "the models', recognised",
     .help = "Shortcuts of A and B, or of each: A, A-split, B or C"},
    {"holder", .type = RN_OPTION_TEXT, .offset = AT(holder),
     .value = "NAME[,NAME]", .unset = "the likeliest",
     .help = "Take this one of a checkpoint's dictionaries of tensors for A "
             "and B, or for each"},
    {"map", .type = RN_OPTION_TEXT, .offset = AT(map),
     .value = "FILE[,FILE]",
     .help = "Read lines OURS = THEIRS from FILE: names of tensors of A and B, "
             "or of each"},
    {"precision", .type = RN_OPTION_TEXT, .offset = AT(precision),
     .value = "NAME[,NAME]", .unset = "auto",
     .help = "Compute A and B, or each, with numbers of this precision: "
             "auto (int8 for a quantised model, else fp32), fp32, bf16 or "
             "int8"},
    {"skip-extra", .type = RN_OPTION_FLAG, .offset = AT(skip_extra),
     .help = "Skip tensors that belong to no layer"},
    {"json", .type = RN_OPTION_FLAG, .offset = AT(json),
     .help = "Print one JSON object per layer, and one for all"},
};
/* clang-format on */

static const struct option_group groups[] = {
    {"options", .own = own_options, .count = COUNT(own_options)},
    {"options", .library = rn_eval_option,
     .without = "part|batch|images|crops|precision", .base = AT(run)},
};

static void defaults(void *options)
{
    struct options *o = options;

    o->tolerance = 1e-4;
    rn_eval_defaults(&o->run);
}

/** One of the two. */
struct side {
    const char *path;
    char broken[128]; /* a layer whose values are not finite, or "" */
    int precision;
    struct rn_model *model;
    struct rn_model_info info;
    float *image;
    struct layers layers; /* the input first, the logits last */
};

/** What two values of a layer differ by. */
struct difference {
    double most, largest;
    double decibels; /* signal to noise, b being a with noise */
    int over;        /* more than the tolerance */
};

static int no_memory(struct rn_error *err)
{
    return cli_error(err, RN_ERR_MEMORY, "out of memory");
}

/* --------------------------------------------------------------- models */

static int open_side(struct side *side, const char *path,
                     const struct import_args *args, struct rn_error *err)
{
    int rc = import_open(&side->model, path, args, err);

    if (rc)
        return rc;
    side->path = path;
    rn_model_describe(side->model, &side->info);
    side->image =
        malloc((size_t)side->info.channels * (size_t)side->info.height *
               (size_t)side->info.width * sizeof(float));
    return side->image ? RN_OK : no_memory(err);
}

static int check_inputs(const struct side sides[2], struct rn_error *err)
{
    const struct rn_model_info *a = &sides[0].info, *b = &sides[1].info;

    if (a->channels == b->channels && a->height == b->height &&
        a->width == b->width)
        return RN_OK;
    return cli_error(err, RN_ERR_ARG,
                     "A takes images of %dx%dx%d, B of %dx%dx%d", a->channels,
                     a->height, a->width, b->channels, b->height, b->width);
}

enum { NAME_SIZE = 4096 }; /* of files, too */

/** What a side's option says of "X", which is for both, or "X,Y": NULL where
 *  that is empty. */
struct both {
    char text[2][NAME_SIZE];
    const char *side[2];
};

static int split(struct both *out, const char *option, const char *text,
                 struct rn_error *err)
{
    const char *comma = text ? strchr(text, ',') : NULL;
    const char *parts[2] = {text, comma ? comma + 1 : text};
    int length[2] = {comma ? (int)(comma - text) : NAME_SIZE, NAME_SIZE};

    for (int i = 0; i < 2; i++) {
        int n = text ? snprintf(out->text[i], NAME_SIZE, "%.*s", length[i],
                                parts[i])
                     : 0;

        if (n >= NAME_SIZE) {
            return cli_error(err, RN_ERR_ARG,
                             "--%s: a name of more than %d characters", option,
                             NAME_SIZE - 1);
        }
        out->side[i] = n > 0 ? out->text[i] : NULL;
    }
    return RN_OK;
}

/* A shortcut option by its name, as rn_shortcut_name() has it. */
static int set_shortcut(char *shortcut, const char *name, struct rn_error *err)
{
    static const char letters[] = "AaBC";

    for (size_t i = 0; name && letters[i]; i++)
        if (strcmp(rn_shortcut_name(letters[i]), name) == 0)
            *shortcut = letters[i];
    if (!name || *shortcut)
        return RN_OK;
    return cli_error(err, RN_ERR_ARG,
                     "--shortcut: '%s' is not A, A-split, B or C", name);
}

static int set_precision(int *precision, const char *name, struct rn_error *err)
{
    const char *known;

    *precision = RN_PRECISION_AUTO;
    if (!name)
        return RN_OK;
    for (int i = 0; (known = rn_precision_name(i)); i++)
        if (strcmp(known, name) == 0) {
            *precision = i;
            return RN_OK;
        }
    return cli_error(err, RN_ERR_ARG,
                     "--precision: '%.80s' is not auto, fp32, bf16 or int8",
                     name);
}

static int open_sides(struct side sides[2], char *const *paths,
                      const struct options *o, struct rn_error *err)
{
    const struct {
        const char *option, *text;
    } given[] = {{"preprocess", o->preprocess},
                 {"stride", o->stride},
                 {"shortcut", o->shortcut},
                 {"holder", o->holder},
                 {"map", o->map},
                 {"precision", o->precision}};
    struct both told[COUNT(given)];
    int rc = RN_OK;

    for (size_t k = 0; k < COUNT(given) && !rc; k++)
        rc = split(&told[k], given[k].option, given[k].text, err);
    for (int i = 0; i < 2 && !rc; i++) {
        struct import_args args = {.quiet = 0};

        rn_import_defaults(&args.o);
        args.o.preprocess = told[0].side[i];
        args.o.stride = told[1].side[i];
        args.o.holder = told[3].side[i];
        args.o.map = told[4].side[i];
        args.o.skip_extra = o->skip_extra;
        rc = set_shortcut(&args.o.shortcut, told[2].side[i], err);
        if (!rc)
            rc = set_precision(&sides[i].precision, told[5].side[i], err);
        if (!rc)
            rc = open_side(&sides[i], paths[i], &args, err);
    }
    return rc ? rc : check_inputs(sides, err);
}

/* ---------------------------------------------------------------- image */

/* The model that prepares a side's image: a model that does not say how is
 * given the other's. */
static const struct rn_model *preparer(const struct side sides[2], int i)
{
    return sides[sides[i].info.has_preprocessing ? i : !i].model;
}

static int load_picture(struct side sides[2], const struct input *input,
                        int flags, struct rn_error *err)
{
    struct rn_image picture;
    int rc = rn_pictures_load(input->pictures, 0, flags, &picture, err);

    if (rc)
        return rc;
    cli_picture_remarks(input->pictures);
    for (int i = 0; i < 2 && !rc; i++)
        rc = rn_model_preprocess_image(preparer(sides, i), &picture,
                                       sides[i].image, err);
    rn_image_free(&picture);
    return rc;
}

static int load_stored(struct side sides[2], const struct input *input,
                       struct rn_data *data, struct rn_error *err)
{
    const struct rn_model_info *m = &sides[0].info;
    struct rn_data_info d;
    uint8_t *pixels;
    int rc;

    rn_data_describe(data, &d);
    if (d.channels != m->channels || d.height != m->height ||
        d.width != m->width)
        return cli_error(err, RN_ERR_ARG,
                         "images of the data set have another size "
                         "than the models take");
    pixels = malloc((size_t)d.channels * (size_t)d.height * (size_t)d.width);
    if (!pixels)
        return no_memory(err);
    rc = rn_data_image(data, input->part, input->first, pixels, NULL, err);
    for (int i = 0; i < 2 && !rc; i++)
        rc = rn_model_preprocess(preparer(sides, i), pixels, sides[i].image,
                                 err);
    free(pixels);
    return rc;
}

static int load_data(struct side sides[2], const struct input *input,
                     struct rn_error *err)
{
    struct rn_data *data;
    int rc = rn_data_open(&data, input->spec, NULL, err);

    if (!rc)
        rc = load_stored(sides, input, data, err);
    rn_data_close(data);
    return rc;
}

static int load_input(struct side sides[2], const char *text, int flags,
                      struct rn_error *err)
{
    struct input input;
    int rc;

    input_parse(&input, text);
    if (input.kind == INPUT_NONE) {
        *err = input.err;
        rc = err->code;
    } else if (input.kind == INPUT_STANDARD || input_images(&input) != 1) {
        rc = cli_error(err, RN_ERR_ARG,
                       "one image is compared, which is a picture's "
                       "file or DATA:INDEX");
    } else if (input.kind == INPUT_PICTURES) {
        rc = load_picture(sides, &input, flags, err);
    } else if (flags & RN_IMAGE_AS_STORED) {
        rc = cli_error(err, RN_ERR_ARG, "--as-stored is of pictures' files");
    } else {
        rc = load_data(sides, &input, err);
    }
    input_free(&input);
    return rc;
}

static void make_up(struct side sides[2])
{
    const struct rn_model_info *m = &sides[0].info;
    size_t count = (size_t)m->channels * (size_t)m->height * (size_t)m->width;
    uint64_t state = 0;

    verify_made_up(sides[0].image, count, &state);
    memcpy(sides[1].image, sides[0].image, count * sizeof(float));
}

/* ------------------------------------------------------------------ run */

/* The first layer whose values are not numbers ends the comparison: what
 * comes after it says nothing. */
static int keep_value(void *user, const struct rn_trace *value)
{
    struct side *side = user;
    const int shape[3] = {value->channels, value->height, value->width};
    size_t count = (size_t)shape[0] * (size_t)shape[1] * (size_t)shape[2];

    if (rn_first_not_finite(value->values, count) < count) {
        snprintf(side->broken, sizeof(side->broken), "%s", value->name);
        return RN_ERR_DATA;
    }
    return layers_add(&side->layers, value->name, shape, value->values)
               ? RN_ERR_MEMORY
               : RN_OK;
}

static int fail_broken(const struct side *side, struct rn_error *err)
{
    return cli_error(
        err, RN_ERR_DATA,
        "'%.200s': the values of layer %s are not finite, those of all "
        "layers before it are: nothing can be compared",
        side->path, side->broken);
}

static int run_side(struct side *side, const struct options *o,
                    struct rn_error *err)
{
    const int shape[3] = {side->info.channels, side->info.height,
                          side->info.width};
    struct rn_plan_options options;
    struct rn_plan *plan;
    int rc;

    rn_plan_defaults(&options);
    options.batch = 1;
    options.threads = o->run.threads;
    options.exact = o->run.exact;
    options.precision = side->precision;
    options.emulate = o->run.emulate;
    options.bind = 1;
    if (layers_add(&side->layers, "input", shape, side->image))
        return no_memory(err);
    rc = rn_plan_create(&plan, side->model, &options, err);
    if (!rc)
        rc = rn_plan_trace(plan, side->image, keep_value, side, err);
    if (rc == RN_ERR_MEMORY)
        no_memory(err);
    if (*side->broken)
        rc = fail_broken(side, err);
    rn_plan_destroy(plan);
    return rc;
}

/* -------------------------------------------------------------- compare */

static struct difference compare(const struct layer *a, const struct layer *b,
                                 double tolerance)
{
    struct difference d = {0};
    double signal = 0, noise = 0;

    for (size_t i = 0; i < a->count; i++) {
        double x = (double)a->values[i], y = (double)b->values[i];
        int undefined = isnan(x) && isnan(y);

        /* so that a difference that is not a number counts */
        if (!undefined && x != y && !(fabs(x - y) <= d.most))
            d.most = fabs(x - y);
        if (fabs(x) > d.largest)
            d.largest = fabs(x);
        signal += x * x;
        noise += (x - y) * (x - y);
    }
    d.decibels = 10 * log10(signal / noise); /* not finite where one is zero */
    d.over = !(d.most <= tolerance * (1 + d.largest));
    return d;
}

static double relative(const struct difference *d)
{
    return d->largest > 0 ? d->most / d->largest : d->most;
}

/* What is rounded otherwise differs everywhere: how much is the question. */
static int round_otherwise(const struct side sides[2])
{
    return strcmp(precision_text(sides[0].precision, &sides[0].info),
                  precision_text(sides[1].precision, &sides[1].info)) != 0;
}

static void print_layer(struct table *table, const struct layer *a,
                        const struct layer *b, const struct difference *d,
                        int decibels)
{
    int same = strcmp(a->name, b->name) == 0;

    table_cell(table, "%s%s%s", a->name, same ? "" : " / ",
               same ? "" : b->name);
    table_cell(table, "%dx%dx%d", a->shape[0], a->shape[1], a->shape[2]);
    table_cell(table, "%.4g", d->largest);
    table_cell(table, "%.3g", d->most);
    table_cell(table, "%.2g", relative(d));
    if (decibels && isfinite(d->decibels))
        table_cell(table, "%.1f", d->decibels);
    else if (decibels)
        table_cell(table, "-");
    table_cell(table, "%s", d->over ? "*" : "");
}

static void print_layer_json(const struct layer *a, const struct layer *b,
                             const struct difference *d)
{
    json_t *object = json_new(), *shape = json_list();

    for (int i = 0; i < 3; i++)
        json_add(shape, json_count((uint64_t)a->shape[i]));
    json_put(object, "a", json_text(a->name));
    json_put(object, "b", json_text(b->name));
    json_put(object, "output", shape);
    json_put(object, "largest", json_double(d->largest));
    json_put(object, "difference", json_double(d->most));
    json_put(object, "relative", json_double(relative(d)));
    json_put(object, "signal_to_noise_db", json_double(d->decibels));
    json_put(object, "parts", d->over ? json_true() : json_false());
    json_line(object);
}

/* The pair the models part at, or -1. */
static long print_layers(const struct side sides[2], size_t (*pairs)[2],
                         long count, const struct options *o)
{
    static const char *const headings[] = {"layer",      "output",   "largest",
                                           "differs by", "relative", ""};
    static const char *const more[] = {
        "layer", "output", "largest", "differs by", "relative", "SNR dB", ""};
    int decibels = round_otherwise(sides);
    struct table *table = o->json    ? NULL
                          : decibels ? table_new(7, more, "llrrrrl")
                                     : table_new(6, headings, "llrrrl");
    long first = -1;

    for (long i = 0; i < count; i++) {
        const struct layer *a = &sides[0].layers.at[pairs[i][0]];
        const struct layer *b = &sides[1].layers.at[pairs[i][1]];
        struct difference d = compare(a, b, o->tolerance);

        if (d.over && first < 0)
            first = i;
        if (o->json)
            print_layer_json(a, b, &d);
        else
            print_layer(table, a, b, &d, decibels);
    }
    if (table)
        table_print(table);
    return first;
}

/** How many layers of each have no like. */
struct rest {
    size_t a, b;
};

static void print_end(const struct side sides[2], const char *first, long count,
                      const struct rest *rest, const struct options *o)
{
    if (o->json) {
        json_t *object = json_new();

        json_put(object, "compared", json_count((uint64_t)count));
        json_put(object, "only_a", json_count(rest->a));
        json_put(object, "only_b", json_count(rest->b));
        json_put(object, "first", json_text(first));
        json_put(object, "tolerance", json_double(o->tolerance));
        json_put(object, "precision_a",
                 json_text(precision_text(sides[0].precision, &sides[0].info)));
        json_put(object, "precision_b",
                 json_text(precision_text(sides[1].precision, &sides[1].info)));
        json_line(object);
        return;
    }
    if (rest->a || rest->b)
        printf("%zu values of A and %zu of B have no like\n", rest->a, rest->b);
    if (first && round_otherwise(sides))
        printf("they part at %s: A computes in %s, B in %s; SNR tells how far "
               "rounding takes each layer\n",
               first, precision_text(sides[0].precision, &sides[0].info),
               precision_text(sides[1].precision, &sides[1].info));
    else if (first)
        printf("they part at %s\n", first);
    else
        printf("%ld values are the same within %g of 1 and the largest\n",
               count, o->tolerance);
}

/* Whether what the networks put out was compared. */
static int ends_meet(const struct side sides[2], size_t (*pairs)[2], long count)
{
    return count > 0 && pairs[count - 1][0] + 1 == sides[0].layers.count &&
           pairs[count - 1][1] + 1 == sides[1].layers.count;
}

/* Print all; 0 when they are the same, 1 when not, -1 without memory. */
static int report(const struct side sides[2], const struct options *o)
{
    size_t a = sides[0].layers.count, b = sides[1].layers.count;

    size_t(*pairs)[2] = malloc((a < b ? a : b) * sizeof(*pairs));
    long count =
        pairs ? layers_align(&sides[0].layers, &sides[1].layers, pairs) : -1;
    const char *first = NULL;
    long part;

    if (count < 0) {
        free(pairs);
        return -1;
    }
    part = print_layers(sides, pairs, count, o);
    if (part >= 0)
        first = sides[0].layers.at[pairs[part][0]].name;
    else if (!ends_meet(sides, pairs, count))
        first = "their ends: the outputs have no like";
    print_end(sides, first, count,
              &(struct rest){a - (size_t)count, b - (size_t)count}, o);
    free(pairs);
    return first != NULL;
}

/* What is made up is the input itself: two ways to prepare it would always
 * come out the same. One says no more than what a file lacks. */
static int check_made_up(const struct options *o, struct rn_error *err)
{
    if (o->preprocess && strchr(o->preprocess, ','))
        return cli_error(err, RN_ERR_ARG,
                         "two ways to --preprocess part on an IMAGE "
                         "alone, which is missing");
    if (o->run.as_stored)
        return cli_error(err, RN_ERR_ARG, "--as-stored is of pictures' files");
    return RN_OK;
}

static int diff(struct side sides[2], const struct options *o,
                const struct args *args, struct rn_error *err)
{
    int rc = args->count > 2 ? RN_OK : check_made_up(o, err);

    if (!rc)
        rc = open_sides(sides, args->operand, o, err);
    if (!rc && args->count > 2)
        rc = load_input(sides, args->operand[2],
                        o->run.as_stored ? RN_IMAGE_AS_STORED : 0, err);
    else if (!rc)
        make_up(sides);
    for (int i = 0; i < 2 && !rc; i++)
        rc = run_side(&sides[i], o, err);
    return rc;
}

/* That of a failure; 1 is kept for models that part. */
static int fail_status(const struct rn_error *err)
{
    int status = cli_fail(err);

    return status == EXIT_FAILED ? EXIT_BAD_DATA : status;
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    const struct options *o = options;
    struct side sides[2] = {0};
    struct rn_error err = {0};
    int rc = diff(sides, o, args, &err);
    int status = rc ? 0 : report(sides, o);

    (void)command;
    if (status < 0)
        rc = no_memory(&err);
    for (int i = 0; i < 2; i++) {
        layers_free(&sides[i].layers);
        free(sides[i].image);
        rn_model_destroy(sides[i].model);
    }
    return rc ? fail_status(&err) : status ? EXIT_FAILED : EXIT_DONE;
}

const struct command command_diff = {
    .name = "diff",
    .synopsis = "A B [IMAGE] [option ...]",
    .summary = "Where two models part, layer by layer.",
    .notes = "A and B are models as for 'resnet convert', or one model twice "
             "with two ways to\nprepare pictures or two precisions. IMAGE is a "
             "picture's file or "
             "DATA:INDEX; without it the input\nis made up. Compared are "
             "layers of one name, or of one shape in the same order\nwhere "
             "names differ. The exit status is 0 when all are the same within "
             "the\ntolerance, 1 when some are not.\n",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .min_args = 2,
    .max_args = 3,
    .missing = "A or B",
    .defaults = defaults,
    .run = run,
};
