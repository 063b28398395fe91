/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of formats, and what walks it: models are read from whatever file
 * it is, and written to what the name ends in. */
#include "formats/formats.h"

#include "core/count.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/option.h"
#include "core/sized.h"
#include "formats/caffe/caffe.h"
#include "formats/darknet/darknet.h"
#include "formats/foreign.h"
#include "formats/import.h"
#include "formats/onnx/onnx.h"
#include "formats/own/own.h"
#include "formats/own/run_folder.h"
#include "formats/torch/torch.h"
#include "model/file.h"

#include <string.h>

/* What ends names of Caffe's and Darknet's stands before what content tells:
 * their files of weights begin like anything. A file of ours is a safetensors
 * file, too. */
static const struct rn_format formats[] = {
    {
        .name = "resnet",
        .words = "a model file or a run's folder of resnet",
        .reads = {".safetensors"},
        .writes = {".safetensors"},
        .takes = 0,
        .keeps_aux = true,
        .is = rn_own_is,
        .import = rn_own_import,
        .export = rn_model_save,
    },
    {
        .name = "Caffe",
        .words = "a Caffe network",
        .reads = {".prototxt", ".caffemodel"},
        .read_only = true,
        .takes = RN_TAKES_WEIGHTS | RN_TAKES_MEAN_IMAGE | RN_TAKES_OUTPUT |
                 RN_TAKES_EXTRA,
        .is = rn_caffe_is,
        .import = rn_caffe_import,
    },
    {
        .name = "Darknet",
        .words = "a Darknet network",
        .reads = {".cfg", ".weights"},
        .read_only = true,
        .takes = RN_TAKES_WEIGHTS,
        .is = rn_darknet_is,
        .import = rn_darknet_import,
    },
    {
        .name = "ONNX",
        .words = "an ONNX model",
        .reads = {".onnx"},
        .writes = {".onnx"},
        .takes = RN_TAKES_OUTPUT,
        .is = rn_onnx_is,
        .import = rn_onnx_import,
        .export = rn_onnx_write,
    },
    {
        .name = "PyTorch",
        .words = "a PyTorch or safetensors file",
        .reads = {".pth", ".pt", ".th", ".ckpt", ".bin", ".safetensors",
                  ".safetensors.index.json"},
        .writes = {".pth", ".pt"},
        .takes = RN_TAKES_NAMES | RN_TAKES_EXTRA,
        .keeps_aux = true,
        .is = rn_torch_is,
        .import = rn_torch_import,
        .export = rn_torch_export,
    },
};

const struct rn_format *rn_format_at(size_t i)
{
    return i < COUNT(formats) ? &formats[i] : NULL;
}

const char *rn_format_name(size_t i, const char **words,
                           const char *const **reads,
                           const char *const **writes)
{
    if (i >= COUNT(formats))
        return NULL;
    if (words)
        *words = formats[i].words;
    if (reads)
        *reads = formats[i].reads;
    if (writes)
        *writes = formats[i].writes;
    return formats[i].name;
}

/* ------------------------------------------------------------------ texts */

/* "a, b or c", a word at a time. */
struct list {
    char text[400];
    const char *last; /* the word that waits for what is before it */
    size_t count;
};

static void add(struct list *l, const char *word)
{
    size_t n = strlen(l->text);

    if (l->last)
        snprintf(l->text + n, sizeof(l->text) - n, "%s%s",
                 l->count > 1 ? ", " : "", l->last);
    l->last = word;
    l->count++;
}

static const char *finish(struct list *l, const char *joint)
{
    size_t n = strlen(l->text);

    snprintf(l->text + n, sizeof(l->text) - n, "%s%s",
             l->count > 1 ? joint : "", l->last ? l->last : "");
    return l->text;
}

/* ---------------------------------------------------------------- reading */

static int refuse_unknown(const char *path, const uint8_t *bytes, size_t size,
                          struct rn_error *err)
{
    struct list read = {0};

    for (size_t i = 0; i < COUNT(formats); i++)
        add(&read, formats[i].words);
    return rn_foreign_unknown(path, bytes, size, finish(&read, " or "), err);
}

static const char *naming(const struct rn_import_options *o)
{
    return o->map                    ? "a list of names"
           : o->holder               ? "a holder"
           : rn_import_has_config(o) ? "a description"
                                     : NULL;
}

/* What the caller says that this format can do nothing with. */
static int check_options(const struct rn_format *f, const char *path,
                         const struct rn_import_options *o,
                         struct rn_error *err)
{
    struct list takers = {0};
    unsigned said = (naming(o) ? RN_TAKES_NAMES : 0u) |
                    (o->weights ? RN_TAKES_WEIGHTS : 0u) |
                    (o->mean_image ? RN_TAKES_MEAN_IMAGE : 0u) |
                    (o->output ? RN_TAKES_OUTPUT : 0u) |
                    (o->skip_extra ? RN_TAKES_EXTRA : 0u);
    unsigned wrong = said & ~f->takes;

    wrong &= ~wrong + 1; /* the first of them */
    for (size_t i = 0; i < COUNT(formats); i++)
        if (formats[i].takes & wrong)
            add(&takers, formats[i].name);
    finish(&takers, " and ");
    switch (wrong) {
    case RN_TAKES_NAMES:
        return rn_fail(err, RN_ERR_ARG,
                       "%s goes with a state dictionary of others (%s), not "
                       "with '%s'",
                       naming(o), takers.text, path);
    case RN_TAKES_WEIGHTS:
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' holds its weights itself, '%s' is none of it: "
                       "networks of %s have such files",
                       path, o->weights, takers.text);
    case RN_TAKES_MEAN_IMAGE:
        return rn_fail(err, RN_ERR_ARG,
                       "a mean image goes with networks of %s, not with '%s'",
                       takers.text, path);
    case RN_TAKES_OUTPUT:
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' has one output: '%.100s' goes with graphs of %s",
                       path, o->output, takers.text);
    case RN_TAKES_EXTRA:
        return rn_fail(err, RN_ERR_ARG,
                       "passing over tensors goes with files of %s, not with "
                       "'%s'",
                       takers.text, path);
    }
    return RN_OK;
}

static int find_format(const struct rn_format **out, const char *path,
                       struct rn_error *err)
{
    uint8_t bytes[RN_FIRST_BYTES];
    size_t size = 0, i = 0;
    int rc = rn_first_bytes(path, bytes, &size, err);

    if (!rc)
        rc = rn_foreign_refuse(path, bytes, size, err);
    if (rc)
        return rc;
    while (i < COUNT(formats) && !formats[i].is(path, bytes, size))
        i++;
    *out = rn_format_at(i);
    return *out ? RN_OK : refuse_unknown(path, bytes, size, err);
}

/* What cannot be computed with is refused here, not found in the answers. */
static int check_numbers(const struct rn_model *model,
                         const struct rn_import_options *o,
                         struct rn_error *err)
{
    struct rn_error why = {0};
    int rc = rn_model_check_numbers(model, &why);

    if (rc && o->not_finite) {
        rn_import_say(o, "%s", why.msg);
        return RN_OK;
    }
    return rc ? rn_fail(err, rc, "%s", why.msg) : RN_OK;
}

static int import_file(struct rn_model **out, const char *path,
                       const struct rn_import_options *options,
                       struct rn_error *err)
{
    const struct rn_format *format = NULL;
    struct rn_model *model = NULL;
    int rc = rn_option_check(rn_import_option, options, err);

    if (!rc)
        rc = find_format(&format, path, err);
    if (!rc)
        rc = check_options(format, path, options, err);
    if (!rc)
        rc = format->import(&model, path, options, err);
    if (!rc)
        rc = check_numbers(model, options, err);
    if (!rc)
        rc = rn_import_apply(model, options, err);
    if (rc)
        rn_model_destroy(model);
    else
        *out = model;
    return rc;
}

int rn_model_import(struct rn_model **out, const char *path,
                    const struct rn_import_options *options,
                    struct rn_error *err)
{
    struct rn_import_options own;
    char *file = NULL;

    *out = NULL;
    int rc = RN_TAKE(&own, options, "rn_import_options", err);
    if (!rc)
        rc = rn_run_model(path, &file, err);
    if (!rc && file)
        rn_import_say(&own, "'%s' is a run: '%s' is taken", path, file);
    if (!rc)
        rc = import_file(out, file ? file : path, &own, err);
    rn_free(file);
    return rc;
}

int rn_model_load(struct rn_model **out, const char *path, struct rn_error *err)
{
    return rn_model_import(out, path, NULL, err);
}

/* ---------------------------------------------------------------- writing */

static int export_as(const struct rn_format *format,
                     const struct rn_model *model, const char *path,
                     struct rn_error *err)
{
    if (model->graph->n_aux > 0 && !format->keeps_aux)
        return rn_fail(err, RN_ERR_ARG,
                       "cannot write '%s': the model has auxiliary heads, "
                       "which %s files are written without; read it without "
                       "`aux_heads`",
                       path, format->name);
    return format->export(model, path, err);
}

int rn_model_export(const struct rn_model *model, const char *path,
                    struct rn_error *err)
{
    struct list ends = {0};

    for (size_t i = 0; i < COUNT(formats); i++)
        for (const char *const *end = formats[i].writes; *end; end++) {
            if (rn_ends_with(path, *end))
                return export_as(&formats[i], model, path, err);
            add(&ends, *end);
        }
    return rn_fail(err, RN_ERR_ARG,
                   "'%s': the name tells no format, expected "
                   "%s",
                   path, finish(&ends, " or "));
}
