/* SPDX-License-Identifier: BSD-2-Clause */
#include "import.h"

#include "output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct import_args, field)

/* clang-format off */
const struct option import_table[IMPORT_OPTIONS] = {
    {"weights", "FILE", OPTION_TEXT, AT(weights), 0, 0, NULL,
     "the same name's", "weights of a Caffe or Darknet network (.caffemodel, .weights)"},
    {"net", "NAME", OPTION_TEXT, AT(net), 0, 0, NULL, "recognised",
     "the network it is"},
    {"config", "FILE|none", OPTION_TEXT, AT(config), 0, 0, NULL,
     "config.json beside it", "Hugging Face's or timm's description of the "
     "network; none: no such file is read"},
    {"holder", "NAME", OPTION_TEXT, AT(holder), 0, 0, NULL, "the likeliest",
     "which of a checkpoint's dictionaries of tensors (model_ema), or which "
     "beginning of names"},
    {"map", "FILE", OPTION_TEXT, AT(map), 0, 0, NULL, NULL,
     "lines OURS = THEIRS: names of tensors or layers that are not known"},
    {"skip-extra", NULL, OPTION_FLAG, AT(skip_extra), 0, 0, NULL, NULL,
     "pass over tensors that belong to no layer"},
    {"shortcut", "A|A-split|B|C", OPTION_LETTER, AT(shortcut), 0, 0,
     "A|A-split|B|C", "recognised",
     "its shortcuts; shapes do not tell A from A-split"},
    {"stride", "v1|v1.5", OPTION_WORD, AT(stride), 0, 0, "v1|v1.5", "v1.5",
     "where its bottlenecks stride, which shapes do not tell"},
    {"stem-stride", "N", OPTION_INT, AT(stem_stride), 1, 8, NULL,
     "the network's", "stride of its first convolution"},
    {"stem-pool", "POOL", OPTION_WORD, AT(stem_pool), 0, 0,
     "none|max|max-ceil|mean|blur", "the network's", "what follows that: none, "
     "max (3x3, stride 2, padded), max-ceil (not padded, rounded up), mean "
     "(2x2) or blur"},
    {"activation", "NAME", OPTION_WORD, AT(activation), 0, 0,
     "relu|relu6|leaky-relu|silu", "relu", "in place of ReLU: relu6, "
     "leaky-relu (slope 0.01) or silu"},
    {"eps", "X", OPTION_REAL, AT(eps), 0, 1, NULL, "1e-5",
     "what its batch norms add to variances"},
    {"crop", "HxW", OPTION_SIZE, AT(crop), 1, 65535, NULL, "the family's",
     "height and width of the images it takes, or N for both"},
    {"preprocess", "NAME", OPTION_TEXT, AT(preprocess), 0, 0, NULL,
     "known for some", "how pictures are prepared: torchvision, "
     "torchvision-v2, timm, caffe, cifar, cifar100, akamaster, zero-one, half "
     "or none"},
    {"mean", "R,G,B", OPTION_TEXT, AT(mean), 0, 0, NULL, "--preprocess's",
     "mean of each channel, of pixels from 0 to 1"},
    {"std", "R,G,B", OPTION_TEXT, AT(std), 0, 0, NULL, "--preprocess's",
     "what each channel is divided by after that"},
    {"channel-order", "rgb|bgr", OPTION_WORD, AT(channel_order), 0, 0,
     "rgb|bgr", "its kind's", "order of its input's channels; bgr for weights "
     "trained on OpenCV's pictures; means and stds stay those of R, G, B"},
    {"mean-image", "FILE", OPTION_TEXT, AT(mean_image), 0, 0, NULL, NULL,
     "mean of every pixel, as Caffe has it (.binaryproto)"},
    {"resize", "N", OPTION_INT, AT(resize), 1, 65535, NULL, "--preprocess's",
     "a picture's shorter side before the centre is cut out"},
    {"interpolation", "NAME", OPTION_WORD, AT(interpolation), 0, 0,
     "bilinear|bicubic|box", "--preprocess's", "filter that resizes: bilinear, "
     "bicubic or box"},
    {"labels", "FILE", OPTION_TEXT, AT(labels), 0, 0, NULL, NULL,
     "class names: lines of 'name', 'id name' or '0 name', CSV, JSON, a "
     "Python dictionary or Hugging Face's config.json"},
    {"head", "softmax|sigmoid", OPTION_WORD, AT(head), 0, 0, "softmax|sigmoid",
     "its file's, else softmax", "what makes probabilities of its logits: "
     "softmax, of one of the classes, or sigmoid, of each by itself"},
    {"output", "NAME", OPTION_TEXT, AT(output), 0, 0, NULL, NULL,
     "the value of a graph (ONNX, Caffe) that is the answer, where there are "
     "several"},
};
/* clang-format on */

enum { CHANNELS = 64 };

/* "0.485,0.456,0.406": how many, or -1. */
static int parse_numbers(const char *text, float out[CHANNELS])
{
    int n = 0;

    for (;; text++) {
        char *end;

        if (n == CHANNELS)
            return -1;
        out[n] = strtof(text, &end);
        if (end == text || !isfinite(out[n++]))
            return -1;
        text = end;
        if (!*text)
            return n;
        if (*text != ',')
            return -1;
    }
}

/* Numbers of --mean or --std, if any, into an import's fields. */
static int set_numbers(const char *option, const char *text,
                       float numbers[CHANNELS], const float **out,
                       size_t *count, struct rn_error *err)
{
    int n;

    if (!text)
        return RN_OK;
    n = parse_numbers(text, numbers);
    if (n < 0) {
        err->code = RN_ERR_ARG;
        snprintf(err->msg, sizeof(err->msg),
                 "--%s: '%.100s' is not a list of numbers as in 0.5,0.5,0.5",
                 option, text);
        return err->code;
    }
    *out = numbers;
    *count = (size_t)n;
    return RN_OK;
}

static void on_message(void *user, const char *text)
{
    (void)user;
    say("%s", text);
}

int import_open(struct rn_model **out, const char *path,
                const struct import_args *args, struct rn_error *err)
{
    static const struct import_args none;
    struct rn_import_options o;
    float mean[CHANNELS], std[CHANNELS];
    int rc;

    *out = NULL;
    if (!args)
        args = &none;
    rn_import_defaults(&o);
    o.net = args->net;
    o.shortcut = args->shortcut;
    o.stride = args->stride;
    o.height = args->crop[0];
    o.width = args->crop[1];
    o.config = args->config;
    o.stem_stride = args->stem_stride;
    o.stem_pool = args->stem_pool;
    o.activation = args->activation;
    o.eps = args->eps;
    o.channel_order = args->channel_order;
    o.preprocess = args->preprocess;
    o.resize = args->resize;
    o.interpolation = args->interpolation;
    o.labels = args->labels;
    o.weights = args->weights;
    o.structure = args->structure;
    o.not_finite = args->structure;
    o.mean_image = args->mean_image;
    o.head = args->head;
    o.output = args->output;
    o.holder = args->holder;
    o.map = args->map;
    o.skip_extra = args->skip_extra;
    o.headless = args->headless;
    o.message = args->quiet ? NULL : on_message;
    rc = set_numbers("mean", args->mean, mean, &o.mean, &o.means, err);
    if (!rc)
        rc = set_numbers("std", args->std, std, &o.std, &o.stds, err);
    return rc ? rc : rn_model_import(out, path, &o, err);
}

int import_prepared(struct rn_model **out, const char *path,
                    const struct import_args *args, struct rn_error *err)
{
    struct rn_model_info info;
    int rc = import_open(out, path, args, err);

    if (rc)
        return rc;
    rn_model_describe(*out, &info);
    if (info.has_preprocessing)
        return RN_OK;
    rn_model_destroy(*out);
    *out = NULL;
    err->code = RN_ERR_DATA;
    snprintf(err->msg, sizeof(err->msg),
             "model '%.300s' does not say how its images are prepared: "
             "--preprocess does",
             path);
    return err->code;
}
