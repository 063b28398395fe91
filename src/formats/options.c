/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of an import: what a file does not say of its network. */
#include "formats/import.h"

#include "core/count.h"
#include "core/option.h"

#define PLACE(field) offsetof(struct rn_import_options, field)

/* clang-format off */
static const struct rn_option options[] = {
    {"weights", "network", RN_OPTION_TEXT, PLACE(weights), .value = "FILE",
     .unset = "the same name's",
     .help = "Read the weights of a Caffe or Darknet network from FILE "
             "(.caffemodel, .weights)"},
    {"net", "network", RN_OPTION_TEXT, PLACE(net), .value = "NET",
     .unset = "recognised", .help = "Take the model for this network"},
    {"config", "network", RN_OPTION_TEXT, PLACE(config), .value = "FILE|none",
     .unset = "config.json beside it",
     .help = "Read Hugging Face's or timm's description of the network from "
             "FILE; none: read no such file"},
    {"holder", "naming", RN_OPTION_TEXT, PLACE(holder), .value = "NAME",
     .unset = "the likeliest",
     .help = "Take this one of a checkpoint's dictionaries of tensors "
             "(model_ema), or this beginning of names"},
    {"map", "naming", RN_OPTION_TEXT, PLACE(map), .value = "FILE",
     .help = "Read lines OURS = THEIRS from FILE: names of tensors or layers "
             "that are not known"},
    {"skip_extra", "naming", RN_OPTION_FLAG, PLACE(skip_extra),
     .help = "Skip tensors that belong to no layer"},
    {"shortcut", "network", RN_OPTION_LETTER, PLACE(shortcut),
     .words = RN_SHORTCUT_WORDS, .unset = "recognised",
     .help = "Its shortcuts; shapes do not tell A from A-split"},
    {"stride", "network", RN_OPTION_WORD, PLACE(stride), .words = "v1|v1.5",
     .unset = "v1.5",
     .help = "Where its bottlenecks stride, which shapes do not tell"},
    {"stem_stride", "network", RN_OPTION_INT, PLACE(stem_stride), 1, 8,
     .value = "N", .unset = "the network's",
     .help = "Stride of its first convolution"},
    {"stem_pool", "network", RN_OPTION_WORD, PLACE(stem_pool),
     .words = RN_STEM_POOL_WORDS, .value = "POOL",
     .unset = "the network's",
     .help = "What follows that: none, max (3x3, stride 2, padded), max-ceil "
             "(not padded, rounded up), mean (2x2) or blur"},
    {"activation", "network", RN_OPTION_WORD, PLACE(activation),
     .words = RN_ACTIVATION_WORDS, .value = "NAME", .unset = "relu",
     .help = "Its activation: relu, relu6, leaky-relu (slope 0.01) or silu"},
    {"eps", "network", RN_OPTION_REAL, PLACE(eps), 1e-12, 1, .value = "X",
     .unset = "1e-5", .help = "What its batch norms add to variances"},
    {"height", "network", RN_OPTION_SIZE, PLACE(height), 1, 65535,
     .value = "HxW", .unset = "the family's",
     .help = "Height and width of the images it takes, or N for both"},
    {"preprocess", "pictures", RN_OPTION_TEXT, PLACE(preprocess),
     .value = "NAME", .unset = "known for some",
     .help = "Prepare pictures as torchvision, torchvision-v2, timm, caffe, "
             "cifar, cifar100, akamaster, zero-one, half, googlenet, "
             "inception-v3 or none"},
    {"channel_order", "pictures", RN_OPTION_WORD, PLACE(channel_order),
     .words = "rgb|bgr", .unset = "its kind's",
     .help = "Order of its input's channels: bgr for weights trained on "
             "OpenCV's pictures; means and stds stay those of R, G, B"},
    {"mean_image", "pictures", RN_OPTION_TEXT, PLACE(mean_image),
     .value = "FILE",
     .help = "Read the mean of every pixel from Caffe's FILE (.binaryproto)"},
    {"resize", "pictures", RN_OPTION_INT, PLACE(resize), 1, 65535,
     .value = "N", .unset = "as `preprocess` has it",
     .help = "Resize a picture's shorter side to N before the centre is cut "
             "out"},
    {"interpolation", "pictures", RN_OPTION_WORD, PLACE(interpolation),
     .words = "bilinear|bicubic|box", .unset = "as `preprocess` has it",
     .help = "Resize with this filter"},
    {"labels", "classes", RN_OPTION_TEXT, PLACE(labels), .value = "FILE",
     .help = "Read class names from FILE: lines of 'name', 'id name' or "
             "'0 name', CSV, JSON, a Python dictionary or Hugging Face's "
             "config.json"},
    {"head", "classes", RN_OPTION_WORD, PLACE(head),
     .words = "softmax|sigmoid", .unset = "its file's, else softmax",
     .help = "Make probabilities of its logits by softmax (one of the "
             "classes) or sigmoid (each by itself)"},
    {"output", "network", RN_OPTION_TEXT, PLACE(output), .value = "NAME",
     .help = "Take this value of a graph (ONNX, Caffe) as the answer, where "
             "there are several"},
    {"structure", "network", RN_OPTION_FLAG, PLACE(structure),
     .help = "Take a network without weights"},
    {"not_finite", "network", RN_OPTION_FLAG, PLACE(not_finite),
     .help = "Take weights that are not finite numbers, too"},
    {"headless", "network", RN_OPTION_FLAG, PLACE(headless),
     .help = "Take a network without its classifier"},
    {"aux_heads", "network", RN_OPTION_FLAG, PLACE(aux_heads),
     .help = "Keep auxiliary heads, which training alone has"},
};
/* clang-format on */

const struct rn_option *rn_import_option(size_t i)
{
    return i < COUNT(options) ? &options[i] : NULL;
}
