/* SPDX-License-Identifier: BSD-2-Clause */
/* Evaluates every combination of what tensors do not tell, and ranks them. */
#include "try.h"

#include "cli.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST = 64, /* combinations */
};

/** A model's facts that say what can be tried. */
struct facts {
    const struct import_args *given;
    struct rn_model_info info;
    int bottleneck;
};

/** One thing to try. A value is set in an import's arguments, and is the
 *  options that a user would give for it. */
struct dimension {
    const char *word;
    /** Number of values, 0 when it does not apply. */
    int (*count)(const struct facts *f);
    void (*set)(const struct facts *f, int value, struct import_args *args,
                char *text, size_t size);
};

/* ----------------------------------------------------------- dimensions */

static int count_shortcuts(const struct facts *f)
{
    char now = f->info.shortcut;

    return !f->given->o.shortcut && (now == 'A' || now == 'a') ? 2 : 0;
}

static void set_shortcut(const struct facts *f, int value,
                         struct import_args *args, char *text, size_t size)
{
    (void)f;
    args->o.shortcut = value ? 'a' : 'A';
    snprintf(text, size, "--shortcut %s", rn_shortcut_name(args->o.shortcut));
}

static int count_strides(const struct facts *f)
{
    return !f->given->o.stride && f->bottleneck ? 2 : 0;
}

static void set_stride(const struct facts *f, int value,
                       struct import_args *args, char *text, size_t size)
{
    (void)f;
    args->o.stride = value ? "v1" : "v1.5";
    snprintf(text, size, "--stride %s", args->o.stride);
}

/* "none", the last of them, is no way to evaluate. */
static int count_presets(const struct facts *f)
{
    const struct import_args *a = f->given;
    int n = 0;

    if (a->o.preprocess || a->mean || a->std)
        return 0;
    while (rn_preprocess_name((size_t)n, NULL))
        n++;
    return n - 1;
}

static void set_preset(const struct facts *f, int value,
                       struct import_args *args, char *text, size_t size)
{
    (void)f;
    args->o.preprocess = rn_preprocess_name((size_t)value, NULL);
    snprintf(text, size, "--preprocess %s", args->o.preprocess);
}

static int count_orders(const struct facts *f)
{
    return !f->given->o.channel_order && f->info.channels == 3 ? 2 : 0;
}

static void set_order(const struct facts *f, int value,
                      struct import_args *args, char *text, size_t size)
{
    (void)f;
    args->o.channel_order = value ? "bgr" : "rgb";
    snprintf(text, size, "--channel-order %s", args->o.channel_order);
}

static const struct {
    int stride;
    const char *pool;
} stems[] = {{1, "none"}, {1, "max"}, {2, "none"}, {2, "max"}, {2, "max-ceil"}};

static int count_stems(const struct facts *f)
{
    return f->given->o.stem_stride || f->given->o.stem_pool ? 0
                                                            : (int)COUNT(stems);
}

static void set_stem(const struct facts *f, int value, struct import_args *args,
                     char *text, size_t size)
{
    (void)f;
    args->o.stem_stride = stems[value].stride;
    args->o.stem_pool = stems[value].pool;
    snprintf(text, size, "--stem-stride %d --stem-pool %s", args->o.stem_stride,
             args->o.stem_pool);
}

/* Names are "resnet" and what follows. */
static const char *const families[] = {"resnet", "resnetaa", "resnetblur"};

static int count_pools(const struct facts *f)
{
    size_t n = strlen(families[0]);
    const char *net = f->info.net;

    return !f->given->o.net && strncmp(net, families[0], n) == 0 &&
                   f->info.shortcut == 'B' && net[n] >= '0' && net[n] <= '9' &&
                   !strchr(net, '-')
               ? (int)COUNT(families)
               : 0;
}

static void set_pools(const struct facts *f, int value,
                      struct import_args *args, char *text, size_t size)
{
    snprintf(text, size, "--net %s%s", families[value],
             f->info.net + strlen(families[0]));
    args->o.net = text + strlen("--net ");
}

static const char *const activations[] = {"relu", "relu6", "leaky-relu",
                                          "silu"};

static int count_activations(const struct facts *f)
{
    return f->given->o.activation ? 0 : (int)COUNT(activations);
}

static void set_activation(const struct facts *f, int value,
                           struct import_args *args, char *text, size_t size)
{
    (void)f;
    args->o.activation = activations[value];
    snprintf(text, size, "--activation %s", args->o.activation);
}

static const struct dimension dimensions[] = {
    {"shortcut", count_shortcuts, set_shortcut},
    {"stride", count_strides, set_stride},
    {"preprocess", count_presets, set_preset},
    {"channels", count_orders, set_order},
    {"stem", count_stems, set_stem},
    {"pools", count_pools, set_pools},
    {"activation", count_activations, set_activation},
};

static int find_dimension(const char *word, size_t length)
{
    for (size_t i = 0; i < COUNT(dimensions); i++)
        if (strlen(dimensions[i].word) == length &&
            memcmp(dimensions[i].word, word, length) == 0)
            return (int)i;
    return -1;
}

/* Which dimensions a list names; 0 after a message. */
static unsigned parse_list(const char *list)
{
    unsigned bits = 0;

    for (;;) {
        size_t length = strcspn(list, ",");
        int found = find_dimension(list, length);

        if (found < 0) {
            say_error("--try: '%.*s' is none of " TRY_WORDS, (int)length, list);
            return 0;
        }
        bits |= 1U << found;
        if (!list[length])
            return bits;
        list += length + 1;
    }
}

int try_check(const char *list)
{
    return parse_list(list) ? 0 : -1;
}

/* --------------------------------------------------------- combinations */

enum { TEXT_SIZE = 64 };

/** A combination, and what became of it. */
struct trial {
    struct import_args args;
    char text[COUNT(dimensions)][TEXT_SIZE];
    uint64_t print; /* of what is made of an image */
    int left_out;
    struct rn_eval_result result;
};

struct trials {
    struct trial at[MOST];
    int count;
};

static int fail(struct rn_error *err, const char *text)
{
    return cli_error(err, RN_ERR_ARG, "%s", text);
}

/* Every value of a dimension for each trial so far. */
static int multiply(struct trials *t, const struct facts *f, size_t which,
                    struct rn_error *err)
{
    const struct dimension *d = &dimensions[which];
    int values = d->count(f), before = t->count;

    if (values == 0)
        return RN_OK;
    if (before * values > MOST) {
        return cli_error(
            err, RN_ERR_ARG,
            "--try: %d combinations with '%s' are more than %d: try less "
            "at once, or say what is known",
            before * values, d->word, MOST);
    }
    for (int v = values - 1; v >= 0; v--)
        for (int i = 0; i < before; i++) {
            struct trial *trial = &t->at[v * before + i];

            *trial = t->at[i];
            d->set(f, v, &trial->args, trial->text[which], TEXT_SIZE);
        }
    t->count = before * values;
    return RN_OK;
}

static int list_trials(struct trials *t, const struct try_args *args,
                       const struct facts *f, struct rn_error *err)
{
    unsigned bits = parse_list(args->list);
    int rc = RN_OK;

    t->at[0].args = *args->import;
    t->at[0].args.quiet = 1;
    t->count = 1;
    for (size_t i = 0; !rc && i < COUNT(dimensions); i++)
        if (bits >> i & 1)
            rc = multiply(t, f, i, err);
    if (!rc && t->count == 1)
        rc = fail(err, "--try: there is nothing to try: none of it applies to "
                       "this model, or it is said already");
    return rc;
}

/* -------------------------------------------------------------- running */

/* A sum over what the model makes of a made-up image: ways to prepare images
 * that come to the same are not tried twice. */
static int take_print(struct trial *trial, const struct rn_model *model,
                      int pictures, struct rn_error *err)
{
    struct rn_model_info info;
    size_t count;
    uint8_t *pixels;
    float *image;
    int rc = RN_OK;

    rn_model_describe(model, &info);
    count = (size_t)info.channels * (size_t)info.height * (size_t)info.width;
    pixels = malloc(count);
    image = malloc(count * sizeof(*image));
    if (!pixels || !image) {
        rc = err->code = RN_ERR_MEMORY;
        snprintf(err->msg, sizeof(err->msg), "out of memory");
    }
    for (size_t i = 0; !rc && i < count; i++)
        pixels[i] = (uint8_t)(i * 2654435761U >> 24);
    if (!rc)
        rc = rn_model_preprocess(model, pixels, image, err);
    trial->print =
        pictures ? (uint64_t)info.resize << 2 | (uint64_t)info.interpolation
                 : 0;
    for (size_t i = 0; !rc && i < count; i++) {
        uint32_t bits;

        memcpy(&bits, &image[i], sizeof(bits));
        trial->print = (trial->print ^ bits) * 1099511628211U;
    }
    free(pixels);
    free(image);
    return rc;
}

/* Whether an earlier trial is the same but for the name of how images are
 * prepared. */
static int is_known(const struct trials *t, int which)
{
    const struct trial *a = &t->at[which];

    for (int i = 0; i < which; i++) {
        const struct trial *b = &t->at[i];
        int same = !b->left_out && a->print == b->print;

        for (size_t k = 0; same && k < COUNT(dimensions); k++)
            same = dimensions[k].set == set_preset ||
                   dimensions[k].set == set_order ||
                   strcmp(a->text[k], b->text[k]) == 0;
        if (same)
            return 1;
    }
    return 0;
}

/** Where a trial is among all, for the progress line. */
struct place {
    int which, count;
};

static int on_progress(void *user, int done, int images)
{
    const struct place *p = user;
    char line[64];

    if (interrupt_signal())
        return 1;
    if (progress_due()) {
        snprintf(line, sizeof(line), "combination %d/%d", p->which + 1,
                 p->count);
        progress_draw((p->which + (double)done / images) / p->count, line);
    }
    return 0;
}

/* A combination that the model cannot be is left out. */
static int run_trial(struct trials *t, int which, const struct try_args *args,
                     struct rn_error *err)
{
    struct trial *trial = &t->at[which];
    struct place place = {which, t->count};
    struct rn_data_info data;
    struct rn_model *model;
    int rc = import_prepared(&model, args->model, &trial->args, err);

    if (rc == RN_ERR_ARG) {
        trial->left_out = 1;
        return RN_OK;
    }
    if (rc)
        return rc;
    rn_data_describe(args->data, &data);
    rc = take_print(trial, model, data.height == 0, err);
    trial->left_out = !rc && is_known(t, which);
    args->eval->user = &place;
    args->eval->progress = on_progress;
    if (!rc && !trial->left_out)
        rc = rn_eval(model, args->data, args->part, args->eval, &trial->result,
                     err);
    rn_model_destroy(model);
    return rc;
}

/* --------------------------------------------------------------- output */

static int by_error(const void *a, const void *b)
{
    const struct trial *x = *(struct trial *const *)a;
    const struct trial *y = *(struct trial *const *)b;

    if (x->left_out != y->left_out)
        return x->left_out - y->left_out;
    if (x->result.top1_error != y->result.top1_error)
        return x->result.top1_error > y->result.top1_error ? 1 : -1;
    return (x->result.loss > y->result.loss) -
           (x->result.loss < y->result.loss);
}

static void join_options(const struct trial *trial, char *text, size_t size)
{
    *text = '\0';
    for (size_t i = 0; i < COUNT(dimensions); i++)
        if (*trial->text[i])
            snprintf(text + strlen(text), size - strlen(text), "%s%s",
                     *text ? " " : "", trial->text[i]);
}

static void print_json(const struct try_args *args, const struct trial *trial,
                       const char *options)
{
    json_t *object = json_new();

    json_put(object, "model", json_text(args->model));
    json_put(object, "data", json_text(args->data_spec));
    json_put(object, "part", json_text(args->part_name));
    json_put(object, "options", json_text(options));
    json_put(object, "images", json_count((uint64_t)trial->result.images));
    json_put(object, "top1_error", json_double(trial->result.top1_error));
    json_put(object, "top5_error", json_double(trial->result.top5_error));
    json_put(object, "loss", json_double(trial->result.loss));
    json_line(object);
}

static void print_trials(const struct try_args *args, struct trials *t)
{
    static const char *const headings[] = {"top-1 %", "loss", "options"};
    struct table *table = args->json ? NULL : table_new(3, headings, "rrl");
    const struct trial *order[MOST];
    char options[COUNT(dimensions) * TEXT_SIZE];
    int images = 0, shown = 0;

    for (int i = 0; i < t->count; i++)
        order[i] = &t->at[i];
    qsort(order, (size_t)t->count, sizeof(order[0]), by_error);
    for (int i = 0; i < t->count && !order[i]->left_out; i++, shown++) {
        const struct rn_eval_result *r = &order[i]->result;

        images = r->images;
        join_options(order[i], options, sizeof(options));
        if (args->json)
            print_json(args, order[i], options);
        if (args->json)
            continue;
        table_cell(table, "%.2f", r->top1_error);
        table_cell(table, "%.4f", r->loss);
        table_cell(table, "%s", options);
    }
    if (table)
        table_print(table);
    say("%d combination%s on %d images of the %s part; the smallest error was "
        "chosen on these, so it is optimistic: measure it on others",
        shown, shown == 1 ? "" : "s", images, args->part_name);
}

/* ---------------------------------------------------------- the command */

static int find_facts(struct facts *f, const struct try_args *args,
                      struct rn_error *err)
{
    struct import_args quiet = *args->import;
    struct rn_layer_info layer;
    struct rn_model *model;
    int rc;

    quiet.quiet = 1;
    rc = import_open(&model, args->model, &quiet, err);
    if (rc)
        return rc;
    f->given = args->import;
    rn_model_describe(model, &f->info);
    for (size_t i = 0; rn_model_layer(model, i, &layer) == RN_OK; i++)
        f->bottleneck |= strcmp(layer.name, "layer1.0.conv3") == 0;
    /* The name goes with the model. */
    f->info.net = strdup(f->info.net);
    rn_model_destroy(model);
    return f->info.net ? RN_OK : fail(err, "out of memory");
}

int try_run(const struct try_args *args, struct rn_error *err)
{
    struct trials *t = calloc(1, sizeof(*t));
    struct facts f = {0};
    int rc = t ? find_facts(&f, args, err) : fail(err, "out of memory");

    if (!rc)
        rc = list_trials(t, args, &f, err);
    interrupt_catch();
    for (int i = 0; !rc && i < t->count; i++)
        rc = run_trial(t, i, args, err);
    progress_clear();
    if (!rc)
        print_trials(args, t);
    free((char *)f.info.net);
    free(t);
    return rc;
}
