/* SPDX-License-Identifier: BSD-2-Clause */
/* What the caller says of a model that is read, and what is told him: imports
 * of all formats share it. */
#include "formats/import.h"

#include "core/locale.h"
#include "core/memory.h"
#include "core/sized.h"
#include "formats/unusual.h"
#include "model/file.h"
#include "model/presets.h"

#include <stdarg.h>
#include <string.h>

void rn_import_defaults_sized(struct rn_import_options *options, size_t size)
{
    const struct rn_import_options defaults = {.net = NULL};

    RN_GIVE_DEFAULTS(options, size, &defaults);
}

void rn_import_say(const struct rn_import_options *options, const char *format,
                   ...)
{
    char text[400];
    va_list args;

    if (!options->message)
        return;
    va_start(args, format);
    rn_format_list(text, sizeof(text), format, args);
    va_end(args);
    options->message(options->user, text);
}

bool rn_import_wants_v1(const struct rn_import_options *o)
{
    return o->stride && strcmp(o->stride, rn_stride_name(true)) == 0;
}

bool rn_import_has_config(const struct rn_import_options *o)
{
    return o->config && strcmp(o->config, "none") != 0;
}

/* -------------------------------------------------------- preprocessing */

int rn_import_preset(struct rn_model *model,
                     const struct rn_import_options *options, const char *name,
                     const char *why, struct rn_error *err)
{
    const struct rn_preset *preset = NULL;
    int rc = name ? rn_preset_find(name, &preset, err) : RN_OK;

    if (rc || options->preprocess || options->mean)
        return rc;
    if (!preset || !rn_preset_fits(preset, model->spec.input.c)) {
        rn_import_say(options, "how its images are prepared is not known: "
                               "--preprocess says");
        return RN_OK;
    }
    rn_import_say(options,
                  "preprocessing '%s' taken (%s), %s: --preprocess says "
                  "otherwise",
                  preset->name, preset->description, why);
    return rn_preset_apply(model, preset, err);
}

/* What is given, put into the order of the network's channels, or else what
 * there was. */
static void choose_numbers(const struct rn_preprocessing *pre, size_t c,
                           const float *given, const float *kept, float *to)
{
    for (size_t i = 0; i < c; i++)
        to[i] = given ? given[rn_channel_stored(pre->bgr, c, i)] : kept[i];
}

/* Numbers the caller gives in place of a mean, a std, or both. */
static int set_numbers(struct rn_model *model,
                       const struct rn_import_options *o, struct rn_error *err)
{
    const struct rn_preprocessing *pre = &model->preprocessing;
    size_t c = (size_t)model->spec.input.c;

    if (!o->mean && !o->std)
        return RN_OK;
    if (!o->mean != !o->std && (!pre->mean || pre->per_pixel))
        return rn_fail(err, RN_ERR_ARG,
                       "a mean without a std, or a std without a mean");
    if ((o->mean && o->means != c) || (o->std && o->stds != c))
        return rn_fail(err, RN_ERR_ARG,
                       "%zu means, %zu stds, for a network of %zu channels",
                       o->means, o->stds, c);
    float *mean = rn_alloc(c, sizeof(*mean)), *std = rn_alloc(c, sizeof(*std));
    int rc = RN_OK;
    if (!mean || !std)
        rc = rn_fail_memory(err, c * sizeof(*mean), "a mean");
    if (!rc) {
        choose_numbers(pre, c, o->mean, pre->mean, mean);
        choose_numbers(pre, c, o->std, pre->std, std);
        rc = rn_model_set_preprocessing(model, false, mean, std, err);
    }
    rn_free(mean);
    rn_free(std);
    return rc;
}

static int find_interpolation(const char *name, enum rn_interpolation *out,
                              struct rn_error *err)
{
    const char *known;

    for (int i = 0; (known = rn_interpolation_name((enum rn_interpolation)i));
         i++) {
        *out = (enum rn_interpolation)i;
        if (strcmp(known, name) == 0)
            return RN_OK;
    }
    return rn_fail(err, RN_ERR_ARG,
                   "unknown interpolation '%.40s', expected bilinear, bicubic "
                   "or box",
                   name);
}

static int set_view(struct rn_model *model, const struct rn_import_options *o,
                    struct rn_error *err)
{
    int resize = o->resize ? o->resize : model->preprocessing.resize;
    enum rn_interpolation how = model->preprocessing.interpolation;
    int rc = RN_OK;

    if (o->interpolation)
        rc = find_interpolation(o->interpolation, &how, err);
    if (rc || (!o->resize && !o->interpolation))
        return rc;
    return rn_model_set_resize(model, resize, how, err);
}

/* What the caller says that logits are turned into probabilities by. */
static int set_head(struct rn_model *model, const char *head,
                    struct rn_error *err)
{
    struct rn_graph *g = model->graph;
    bool sigmoid = head && strcmp(head, "sigmoid") == 0;
    bool logits =
        g->kind == RN_OUTPUT_LOGITS || g->kind == RN_OUTPUT_INDEPENDENT_LOGITS;
    enum rn_output kind =
        sigmoid ? RN_OUTPUT_INDEPENDENT_LOGITS : RN_OUTPUT_LOGITS;

    if (head && !sigmoid && strcmp(head, "softmax") != 0)
        return rn_fail(err, RN_ERR_ARG,
                       "unknown head '%.40s', expected softmax or sigmoid",
                       head);
    if (!head || (logits && kind == g->kind))
        return RN_OK;
    if (!logits)
        return rn_fail(err, RN_ERR_ARG,
                       "the output of '%s' are %s, of which no %s makes "
                       "others",
                       model->path, rn_output_name(g->kind), head);
    g->kind = g->head = kind;
    return RN_OK;
}

int rn_import_apply(struct rn_model *model, const struct rn_import_options *o,
                    struct rn_error *err)
{
    const struct rn_preset *preset;
    int rc = RN_OK;

    if (o->preprocess) {
        rc = rn_preset_find(o->preprocess, &preset, err);
        if (!rc)
            rc = rn_preset_apply(model, preset, err);
    }
    if (!rc)
        rc = set_head(model, o->head, err);
    if (!rc)
        rc = rn_unusual_order(model, o->channel_order, err);
    if (!rc)
        rc = set_numbers(model, o, err);
    if (!rc)
        rc = set_view(model, o, err);
    if (!rc && o->labels)
        rc = rn_model_label(model, o->labels, err);
    return rc;
}

/* ------------------------------------------------------- auxiliary heads */

int rn_import_aux(struct rn_model *model,
                  const struct rn_import_options *options, struct rn_error *err)
{
    size_t heads = model->graph->n_aux;

    if (heads == 0 || options->aux_heads)
        return RN_OK;
    rn_import_say(options,
                  "'%s': auxiliary heads left out (%zu), training alone has "
                  "them",
                  model->path, heads);
    return rn_model_drop_aux(model, err);
}

/* ---------------------------------------------------------------- check */

static const char *shortcut_text(char shortcut)
{
    const char *name = rn_shortcut_name(shortcut);

    return name ? name : "none";
}

int rn_import_check(const struct rn_model *model,
                    const struct rn_import_options *o, struct rn_error *err)
{
    const struct rn_net_spec *s = &model->spec;
    int rc = rn_unusual_refuse(model->path, o, err);

    if (rc)
        return rc;
    if (o->net && strcmp(o->net, s->name) != 0)
        return rn_fail(err, RN_ERR_ARG, "'%s' holds a %s, not a %s",
                       model->path, s->name, o->net);
    if (o->shortcut && o->shortcut != s->shortcut)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' holds a %s with shortcut '%s', not '%s'",
                       model->path, s->name, shortcut_text(s->shortcut),
                       shortcut_text(o->shortcut));
    if (o->stride && rn_import_wants_v1(o) != s->stride_v1)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' holds a %s without the %s stride asked for",
                       model->path, s->name, o->stride);
    if ((o->height && o->height != s->input.h) ||
        (o->width && o->width != s->input.w))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' holds a %s that takes %d x %d pixels, not %d x %d",
                       model->path, s->name, s->input.h, s->input.w, o->height,
                       o->width);
    return RN_OK;
}
