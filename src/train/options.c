/* SPDX-License-Identifier: BSD-2-Clause */
/* Training options: defaults, ranges, and their form in run.json. One table
 * serves all three. */
#include "train/run.h"

#include "core/count.h"
#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/option.h"
#include "core/sized.h"
#include "data/data.h"
#include "ops/loss.h"
#include "train/optimiser.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/** What run.json does with an option. */
enum keeping {
    SHAPES, /* the result: it is in the checksum that checkpoints carry */
    MODEL,  /* a file that shapes it: not in the checksum, for files may move */
    ASIDE,  /* it says where things are, or how the same is computed */
    LEFT,   /* it is not kept */
};

#define PLACE(field) offsetof(struct rn_train_options, field)
#define WORD(name)   "|" #name
#define CHOSEN       "for pictures chosen"

/* The order is that of run.json, which the checksum is taken of. */
static const struct run_option {
    struct rn_option o;
    enum keeping keeping;
    const char *before; /* what older runs did, which lack it; numbers: 0 for
                           ""; NULL: no run lacks it */
} options[] = {
    /* clang-format off */
    {{"data", "run", RN_OPTION_TEXT, PLACE(data), .value = "DATA",
      .help = "The images to train on"}, ASIDE, NULL},
    {{"out", "run", RN_OPTION_TEXT, PLACE(out), .value = "RUN",
      .help = "Make this folder for the run"}, LEFT, NULL},
    {{"net", "network", RN_OPTION_TEXT, PLACE(net), .value = "NET",
      .unset = "that of `weights`, else resnet20; " CHOSEN,
      .help = "Network; 'resnet info' lists them"}, SHAPES, NULL},
    {{"weights", "network", RN_OPTION_TEXT, PLACE(weights), .value = "MODEL",
      .help = "Start from this model and keep its normalisation; for other "
              "classes with a new last layer"}, MODEL, NULL},
    {{"holder", "network", RN_OPTION_TEXT, PLACE(holder), .value = "NAME",
      .unset = "the likeliest",
      .help = "Which of the dictionaries of tensors in `weights` to take, or "
              "which beginning of names"}, ASIDE, NULL},
    {{"map", "network", RN_OPTION_TEXT, PLACE(map), .value = "FILE",
      .help = "Read lines OURS = THEIRS from FILE: names in `weights` that are "
              "not known"}, ASIDE, NULL},
    {{"skip_extra", "network", RN_OPTION_FLAG, PLACE(skip_extra),
      .help = "Skip tensors of `weights` that belong to no layer"},
     ASIDE, NULL},
    {{"shortcut", "network", RN_OPTION_LETTER, PLACE(shortcut),
      .words = RN_SHORTCUT_WORDS, .unset = "the family's",
      .help = RN_SHORTCUT_HELP},
     SHAPES, NULL},
    {{"stride_v1", "network", RN_OPTION_INDEX, PLACE(stride_v1),
      .words = RN_STRIDE_WORDS, .preset = "v1.5", .help = RN_STRIDE_HELP},
     SHAPES, NULL},
    {{"batch", "length", RN_OPTION_INT, PLACE(batch), 1, RN_BATCH_MOST,
      .value = "N", .unset = "128; " CHOSEN, .help = "Images per batch"},
     SHAPES, NULL},
    {{"threads", "run", RN_OPTION_INT, PLACE(threads), 1, RN_THREADS_MAX,
      .value = "N", .unset = RN_THREADS_UNSET, .help = RN_THREADS_HELP},
     ASIDE, NULL},
    {{"iterations", "length", RN_OPTION_LONG, PLACE(iterations),
      1, RN_OPTION_MOST, .value = "N",
      .unset = "64000, or from `epochs`; " CHOSEN,
      .help = "Iterations of the whole run"}, SHAPES, NULL},
    {{"epochs", "length", RN_OPTION_REAL, PLACE(epochs), 1e-6, 1e6,
      .value = "X", .unset = "from `iterations`",
      .help = "Passes over the training images, in place of `iterations`"},
     SHAPES, NULL},
    {{"lr", "optimiser", RN_OPTION_REAL, PLACE(lr), 1e-12, 1e6, .value = "X",
      .unset = "0.1, adamw and rmsprop 0.001, lars 1; for pictures by `batch`",
      .help = "Learning rate"}, SHAPES, NULL},
    {{"optimizer", "optimiser", RN_OPTION_WORD, PLACE(optimizer),
      .words = &(RN_OPTIMISERS(WORD))[1], .value = "NAME", .preset = "sgd",
      .help = "Change weights by gradients as sgd, nesterov, adamw, rmsprop or "
              "lars does"}, SHAPES, "sgd"},
    {{"momentum", "optimiser", RN_OPTION_REAL, PLACE(momentum), 0, 0.9999,
      .value = "X", .preset = "0.9", .help = "Momentum of sgd, nesterov and lars"},
     SHAPES, NULL},
    {{"beta1", "optimiser", RN_OPTION_REAL, PLACE(beta1), 0, 0.9999999,
      .value = "X", .unset = "0.9", .zero = 1,
      .help = "Decay of adamw's average of gradients"}, SHAPES, ""},
    {{"beta2", "optimiser", RN_OPTION_REAL, PLACE(beta2), 0, 0.9999999,
      .value = "X", .unset = "0.999", .zero = 1,
      .help = "Decay of adamw's average of squared gradients"}, SHAPES, ""},
    {{"alpha", "optimiser", RN_OPTION_REAL, PLACE(alpha), 0, 0.9999999,
      .value = "X", .unset = "0.99", .zero = 1,
      .help = "Decay of rmsprop's average of squared gradients"}, SHAPES, ""},
    {{"epsilon", "optimiser", RN_OPTION_REAL, PLACE(epsilon), 1e-30, 1,
      .value = "X", .unset = "1e-8",
      .help = "What adamw and rmsprop add to the root they divide by"},
     SHAPES, ""},
    {{"trust", "optimiser", RN_OPTION_REAL, PLACE(trust), 1e-12, 1,
      .value = "X", .unset = "0.001",
      .help = "Share of a layer's weights, by norm, that a step of lars at "
              "rate 1 changes"}, SHAPES, ""},
    {{"weight_decay", "optimiser", RN_OPTION_REAL, PLACE(weight_decay), 0, 1,
      .value = "X", .preset = "0.0001", .help = "Weight decay"}, SHAPES, NULL},
    {{"decay_all", "optimiser", RN_OPTION_INDEX, PLACE(decay_all),
      .words = "weights|all", .preset = "all",
      .help = "Decay all parameters, or weights but not batch norm and biases"},
     SHAPES, NULL},
    {{"schedule", "optimiser", RN_OPTION_TEXT, PLACE(schedule), .value = "S",
      .unset = "step:50%,75%; for pictures one-cycle, with `weights` cosine",
      .help = "Course of the learning rate: step:A,B,...[*X] (a tenth of it, or "
              "X times, from iteration A on, or A%), constant, cosine, poly[:P] "
              "(the P-th power, 2, of what is left) or one-cycle[:PERCENT]"}, SHAPES, NULL},
    {{"warmup", "optimiser", RN_OPTION_TEXT, PLACE(warmup), .value = "W",
      .preset = "none",
      .help = "How it begins: none, N (rise linearly over N iterations) or "
              "error:P (`warmup_lr` until the training error is below P %)"},
     SHAPES, NULL},
    {{"warmup_lr", "optimiser", RN_OPTION_REAL, PLACE(warmup_lr), 0, 1e6,
      .value = "X", .preset = "0.01",
      .help = "Learning rate of `warmup` error:P"}, SHAPES, NULL},
    {{"loss", "optimiser", RN_OPTION_WORD, PLACE(loss),
      .words = "cross-entropy|smoothed-cross-entropy|binary-cross-entropy|"
               "squared-hinge",
      .value = "NAME", .preset = "cross-entropy",
      .help = "Loss: cross-entropy, smoothed-cross-entropy (label smoothing "
              "0.1), binary-cross-entropy (of sigmoids) or squared-hinge"},
     SHAPES, "cross-entropy"},
    {{"label_smoothing", "optimiser", RN_OPTION_REAL, PLACE(label_smoothing),
      0, 0.999, .value = "X",
      .unset = "0; with smoothed-cross-entropy 0.1", .zero = 1,
      .help = "Spread this share of the target over all classes"},
     SHAPES, NULL},
    {{"seed", "run", RN_OPTION_SEED, PLACE(seed), .value = "N", .preset = "1",
      .help = "Make all random choices from N"}, SHAPES, NULL},
    {{"validation", "data", RN_OPTION_INT, PLACE(validation),
      0, RN_OPTION_MOST, .value = "N",
      .help = "Hold out the last N training images and test on them; of "
              "pictures some of each class"}, SHAPES, NULL},
    {{"augment", "augmentation", RN_OPTION_WORD, PLACE(augment),
      .words = "none|flip|crop|crop-flip|area|shorter", .value = "HOW",
      .unset = "crop-flip; for pictures area",
      .help = "Change training images: none, flip (mirror), crop (random "
              "crops) or crop-flip; pictures, mirrored too, also by area (a "
              "part of random area and shape) or shorter (the paper's: a "
              "random length of the shorter side, then a crop)"}, SHAPES, NULL},
    {{"crop_pad", "augmentation", RN_OPTION_INT, PLACE(crop_pad), 0, 1024,
      .value = "N", .preset = "4",
      .help = "Pad each side by N pixels before the crop"}, SHAPES, NULL},
    {{"normalize", "data", RN_OPTION_WORD, PLACE(normalize),
      .words = "channel|pixel|gcn|gcn-zca", .value = "HOW",
      .preset = "channel",
      .help = "Normalise by the mean and deviation of each channel, by the "
              "mean of each pixel (the paper's), by each image's own contrast "
              "(gcn), or by that and the ZCA whitening of the training images "
              "(gcn-zca)"}, SHAPES, NULL},
    {{"last_batch", "length", RN_OPTION_WORD, PLACE(last_batch),
      .words = "wrap|drop|keep", .preset = "wrap",
      .help = "Fill an epoch's last, smaller batch from the next epoch (wrap, "
              "the paper's), drop it or keep it"}, SHAPES, NULL},
    {{"report_every", "log", RN_OPTION_LONG, PLACE(report_every),
      1, RN_OPTION_MOST, .value = "N", .unset = "chosen",
      .help = "Write a line of the log every N iterations"}, SHAPES, NULL},
    {{"test_every", "log", RN_OPTION_LONG, PLACE(test_every),
      1, RN_OPTION_MOST, .value = "N", .unset = "every epoch",
      .help = "Test every N iterations"}, SHAPES, NULL},
    {{"save_every", "log", RN_OPTION_LONG, PLACE(save_every),
      1, RN_OPTION_MOST, .value = "N",
      .unset = "with each test, and every ten minutes",
      .help = "Save a checkpoint every N iterations"}, SHAPES, NULL},
    {{"exact", "run", RN_OPTION_FLAG, PLACE(exact), .help = RN_EXACT_HELP},
     SHAPES, NULL},
    {{"recompute", "run", RN_OPTION_INDEX, PLACE(recompute),
      .words = RN_RECOMPUTE_WORDS, .preset = "auto", .value = "WHAT",
      .help = RN_RECOMPUTE_HELP}, ASIDE, NULL},
    {{"size", "network", RN_OPTION_INT, PLACE(size), 8, 4096, .value = "N",
      .unset = "that of `weights`, or chosen",
      .help = "Make pictures N x N pixels"}, SHAPES, ""},
    {{"resize", "data", RN_OPTION_INT, PLACE(resize), 8, 65535, .value = "N",
      .unset = "8/7 of the size, or that of `weights`",
      .help = "Resize the shorter side of pictures that are tested on to N "
              "before the centre is cut out"}, SHAPES, ""},
    {{"validation_percent", "data", RN_OPTION_REAL, PLACE(validation_percent),
      0, 99.9, .value = "X",
      .help = "Hold out X per cent of the training images"}, SHAPES, ""},
    {{"crop_area", "augmentation", RN_OPTION_REAL, PLACE(crop_area), 0.001, 1,
      .value = "X", .unset = "0.08 to 0.35, chosen",
      .help = "Least share of a picture that `augment` area takes"},
     SHAPES, ""},
    {{"colour", "augmentation", RN_OPTION_WORD, PLACE(colour),
      .words = "none|pca|jitter", .unset = "none",
      .help = "Change colours along their principal components (pca, the "
              "paper's), or brightness, contrast and saturation by up to 40 % "
              "(jitter)"}, SHAPES, "none"},
    {{"erase", "augmentation", RN_OPTION_REAL, PLACE(erase), 0, 1,
      .value = "X", .help = "Erase a random part of this share of the images"},
     SHAPES, ""},
    {{"mixup", "augmentation", RN_OPTION_REAL, PLACE(mixup), 0, 1,
      .value = "X", .help = "Overlay two images, in shares from beta(X, X)"},
     SHAPES, ""},
    {{"cutmix", "augmentation", RN_OPTION_REAL, PLACE(cutmix), 0, 1,
      .value = "X",
      .help = "Paste a part of another image, of an area from beta(X, X); with "
              "`mixup` each image gets one of both"}, SHAPES, ""},
    {{"skip_bad", "data", RN_OPTION_FLAG, PLACE(skip_bad),
      .help = "Name training pictures that cannot be read and let others stand "
              "in for them, rather than stop"}, ASIDE, NULL},
    {{"freeze", "fine-tuning", RN_OPTION_TEXT, PLACE(freeze),
      .value = "STAGES", .unset = "none; for pictures with `weights` chosen",
      .help = "Leave stages as they are: conv1-conv4, or some of conv1, conv2, "
              "conv3, conv4, conv5, fc; backward computes nothing for them"},
     SHAPES, "none"},
    {{"lr_scale", "fine-tuning", RN_OPTION_TEXT, PLACE(lr_scale),
      .value = "STAGES=X,...",
      .help = "Let stages learn at X times the rate (conv1-conv4=0.1)"},
     SHAPES, "none"},
    {{"max_norm", "optimiser", RN_OPTION_TEXT, PLACE(max_norm),
      .value = "STAGES=X,...", .unset = "none",
      .help = "After each step, shrink the weights into any unit of a stage to "
              "a norm of X if it is more (conv1=0.9,fc=1.9365)"},
     SHAPES, "none"},
    {{"batch_norm", "fine-tuning", RN_OPTION_WORD, PLACE(batch_norm),
      .words = "batch|running",
      .unset = "batch; for pictures with `weights` chosen",
      .help = "Normalise by the batch's statistics, or by the running ones of "
              "`weights`, as frozen stages always do"}, SHAPES, "batch"},
    {{"class_weights", "fine-tuning", RN_OPTION_WORD, PLACE(class_weights),
      .words = "none|balanced", .unset = "none",
      .help = "With balanced, count an image the more the fewer there are of "
              "its class"}, SHAPES, "none"},
    {{"ema", "fine-tuning", RN_OPTION_REAL, PLACE(ema), 0, 0.9999999,
      .value = "X", .unset = "none",
      .help = "Test and save as best a moving average of the weights, of this "
              "decay, as 0.999"}, SHAPES, ""},
    {{"patience", "length", RN_OPTION_INT, PLACE(patience), 1, 1000000,
      .value = "N", .unset = "never",
      .help = "End after N tests in a row without a smaller error"},
     SHAPES, ""},
    {{"reestimate", "length", RN_OPTION_FLAG, PLACE(reestimate),
      .help = "After the last step, take batch norm's statistics anew, as "
              "averages over the training images (as for the paper's published "
              "models)"}, SHAPES, ""},
    {{"accumulate", "length", RN_OPTION_INT, PLACE(accumulate), 1, 4096,
      .value = "N", .unset = "1",
      .help = "Make one step of the mean of N batches' gradients"},
     SHAPES, ""},
    {{"bind", "run", RN_OPTION_FLAG, PLACE(bind), .help = RN_BIND_HELP}, LEFT, NULL},
    {{"precision", "run", RN_OPTION_INDEX, PLACE(precision),
      .words = RN_PRECISION_WORDS, .preset = "auto", .value = "NAME",
      .help = RN_PRECISION_HELP}, SHAPES, ""},
    {{"emulate", "run", RN_OPTION_FLAG, PLACE(emulate),
      .help = RN_EMULATE_HELP}, LEFT, NULL},
    {{"aux_heads", "network", RN_OPTION_INDEX, PLACE(aux_heads),
      .words = "auto|on|off", .preset = "auto", .value = "WHICH",
      .help = "Train auxiliary heads, too (GoogLeNet's): auto, where the "
              "network has any"}, SHAPES, ""},
    {{"block", "network", RN_OPTION_WORD, PLACE(block),
      .words = RN_BLOCK_WORDS, .unset = "the network's own",
      .help = RN_BLOCK_HELP}, SHAPES, ""},
    {{"dropout", "network", RN_OPTION_REAL, PLACE(dropout), 0, RN_DROPOUT_MOST,
      .value = "X", .unset = "none", .help = RN_DROPOUT_HELP}, SHAPES, ""},
    {{"data_rule", "data", RN_OPTION_INT, PLACE(data_rule), 1, RN_RULE_NEWEST,
      .value = "N", .unset = "the newest",
      .help = "Rule that says what is held out and which folders are classes"},
     SHAPES, "1"},
    {{"teacher", "distillation", RN_OPTION_TEXT, PLACE(teacher),
      .value = "MODEL", .unset = "none",
      .help = "Learn the answers of this model, too: their cross-entropy with "
              "the network's, both softened, is added to the loss"},
     MODEL, NULL},
    {{"distill_temperature", "distillation", RN_OPTION_REAL,
      PLACE(distill_temperature), 0.01, 1000, .value = "X", .unset = "3",
      .help = "Divide both networks' logits by X to soften their answers; that "
              "loss is multiplied by X squared"}, SHAPES, ""},
    {{"distill_weight", "distillation", RN_OPTION_REAL, PLACE(distill_weight),
      1e-6, 1e6, .value = "X", .unset = "1",
      .help = "Weight of the loss of `teacher` beside that of the labels"},
     SHAPES, ""},
    {{"distill_weight_end", "distillation", RN_OPTION_REAL,
      PLACE(distill_weight_end), 0, 1e6, .value = "X",
      .unset = "that of the beginning", .zero = 1,
      .help = "Weight at the run's end, which `distill_weight` goes to evenly"},
     SHAPES, ""},
    {{"hint", "distillation", RN_OPTION_TEXT, PLACE(hint),
      .value = "LAYER:HINT", .unset = "none",
      .help = "Train the layers up to LAYER alone, so that a convolution on it "
              "predicts layer HINT of `teacher` (FitNet's first stage; a second "
              "run begins with this one's last.safetensors as `weights`). "
              "Where a stage has the name, its last layer is meant"},
     SHAPES, ""},
    {{"gate_bias", "network", RN_OPTION_REAL, PLACE(gate_bias), 0, 50,
      .value = "X", .unset = "2", .zero = 1,
      .help = "Highway networks: begin with biases of -X at the gates, so that "
              "these carry more than they change"}, SHAPES, ""},
    {{"tensorboard", "log", RN_OPTION_FLAG, PLACE(tensorboard),
      .help = "Write the lines of the log for TensorBoard, too"}, ASIDE, NULL},
    {{"record", "log", RN_OPTION_TEXT, PLACE(record), .value = "layers[:N]",
      .unset = "none",
      .help = "Write norms of each layer's gradient and variances of what each "
              "batch norm reads into the log, at the first and every N-th iteration (100)"},
     ASIDE, NULL},
    {{"groups", "length", RN_OPTION_INT, PLACE(groups), 1, RN_GROUPS_MOST,
      .value = "N", .unset = "1",
      .help = "Cut each batch into N groups, as for N processors: each has batch "
              "norm statistics of its own"}, SHAPES, ""},
    {{"sync_batch_norm", "length", RN_OPTION_FLAG, PLACE(sync_batch_norm),
      .help = "Take batch norm's statistics over the whole batch, not of each "
              "of `groups`, whose number is then that of ranks"}, SHAPES, ""},
    {{"lr_batch", "optimiser", RN_OPTION_INT, PLACE(lr_batch),
      1, RN_OPTION_MOST, .value = "N", .unset = "`lr` as it is",
      .help = "Let `lr` be that of N images a step, and in proportion that of "
              "others; `warmup` N then begins at `lr`"}, SHAPES, ""},
    {{"zero_gamma", "network", RN_OPTION_FLAG, PLACE(zero_gamma),
      .help = "Begin with weights of 0 in the last batch norm of each residual "
              "block, for large batches"}, SHAPES, ""},
    {{"gradient_precision", "run", RN_OPTION_INDEX, PLACE(gradient_precision),
      .words = RN_GRADIENTS_WORDS, .preset = "fp32", .value = "NAME",
      .help = RN_GRADIENTS_HELP}, SHAPES, ""},
    /* clang-format on */
};

#define OPTIONS (COUNT(options))

#define RESUME(field) offsetof(struct rn_resume_options, field)

/* clang-format off */
static const struct rn_option resume_options[] = {
    {"data", "run", RN_OPTION_TEXT, RESUME(data), .value = "DATA",
     .unset = "where they lay", .help = "Where the run's data lie now"},
    {"threads", "run", RN_OPTION_INT, RESUME(threads), 1, RN_THREADS_MAX,
     .value = "N", .unset = "the run's", .help = RN_THREADS_HELP},
    {"bind", "run", RN_OPTION_FLAG, RESUME(bind), .help = RN_BIND_HELP},
    {"emulate", "run", RN_OPTION_FLAG, RESUME(emulate),
     .help = RN_EMULATE_HELP},
    {"iterations", "length", RN_OPTION_LONG, RESUME(iterations),
     1, RN_OPTION_MOST, .value = "N", .unset = "the run's",
     .help = "Iterations of the whole run"},
    {"epochs", "length", RN_OPTION_REAL, RESUME(epochs), 1e-6, 1e6,
     .value = "X", .unset = "the run's",
     .help = "Passes over the training images, in place of `iterations`"},
};
/* clang-format on */

const struct rn_option *rn_resume_option(size_t i)
{
    return i < COUNT(resume_options) ? &resume_options[i] : NULL;
}

const struct rn_option *rn_train_option(size_t i)
{
    return i < OPTIONS ? &options[i].o : NULL;
}

int rn_train_choice(const char *name, const char *value)
{
    return rn_option_choice(rn_train_option, name, value);
}

void rn_train_defaults_sized(struct rn_train_options *o, size_t size)
{
    struct rn_train_options defaults = {.data = NULL};

    rn_option_defaults(rn_train_option, &defaults);
    RN_GIVE_DEFAULTS(o, size, &defaults);
}

int rn_options_take(struct rn_train_options *own,
                    const struct rn_train_options *given, struct rn_error *err)
{
    static const double zero = RN_ZERO;
    int rc =
        RN_TAKE_OPTIONS(rn_train_option, own, given, "rn_train_options", err);
    const struct rn_loss_rule *loss = rn_loss_find(own->loss);

    /* asked for or not, of a loss that smooths nothing by itself */
    if (own->label_smoothing == zero && !(loss && loss->smoothing > 0))
        own->label_smoothing = 0;
    return rc;
}

/* ----------------------------------------------------------------- checks */

/* What the loss cannot take is refused rather than passed over. */
static int check_loss(const struct rn_train_options *o, struct rn_error *err)
{
    const struct rn_loss_rule *loss = rn_loss_find(o->loss);

    if (loss && o->label_smoothing > 0 && !loss->smooths)
        return rn_fail(
            err, RN_ERR_ARG,
            "`label_smoothing` %g: `loss` %s takes no smoothed targets",
            o->label_smoothing, loss->name);
    if (loss && (o->mixup > 0 || o->cutmix > 0) && !loss->mixes)
        return rn_fail(err, RN_ERR_ARG,
                       "`%s` %g: `loss` %s takes no images of two classes in "
                       "shares",
                       o->mixup > 0 ? "mixup" : "cutmix",
                       o->mixup > 0 ? o->mixup : o->cutmix, loss->name);
    return RN_OK;
}

/* A teacher's options go with one, and with a loss that is a softmax's. */
static int check_teacher(const struct rn_train_options *o, struct rn_error *err)
{
    const struct {
        const char *name;
        double value;
    } given[] = {
        {"distill_temperature", o->distill_temperature},
        {"distill_weight", o->distill_weight},
        {"distill_weight_end", o->distill_weight_end},
    };
    const struct rn_loss_rule *loss = rn_loss_find(o->loss);

    for (size_t i = 0; !o->teacher && i < COUNT(given); i++)
        if (given[i].value != 0)
            return rn_fail(err, RN_ERR_ARG, "`%s` goes with a `teacher`",
                           given[i].name);
    if (o->teacher && !o->hint && !loss->softens)
        return rn_fail(err, RN_ERR_ARG,
                       "`teacher`: `loss` %s has no softmax that could learn "
                       "another's",
                       loss->name);
    return RN_OK;
}

/* A hint takes the place of labels and answers: what is about these is refused
 * rather than passed over. */
static int check_hint(const struct rn_train_options *o, struct rn_error *err)
{
    const struct {
        const char *name;
        bool given;
    } others[] = {
        {"distill_temperature", o->distill_temperature != 0},
        {"distill_weight", o->distill_weight != 0},
        {"distill_weight_end", o->distill_weight_end != 0},
        {"label_smoothing", o->label_smoothing > 0},
        {"loss", rn_train_choice("loss", o->loss) > 0},
        {"aux_heads", o->aux_heads == RN_AUX_HEADS_ON},
        {"class_weights",
         rn_train_choice("class_weights", o->class_weights) > 0},
        {"patience", o->patience > 0},
    };
    const char *colon = o->hint ? strchr(o->hint, ':') : NULL;

    if (!o->hint)
        return RN_OK;
    if (!colon || colon == o->hint || !colon[1])
        return rn_fail(err, RN_ERR_ARG,
                       "`hint` is '%.80s', expected LAYER:HINT, a layer of the "
                       "network and one of the teacher",
                       o->hint);
    if (!o->teacher)
        return rn_fail(err, RN_ERR_ARG, "`hint` goes with a `teacher`");
    for (size_t i = 0; i < COUNT(others); i++)
        if (others[i].given)
            return rn_fail(err, RN_ERR_ARG,
                           "`%s`: with `hint` a run learns a layer of the "
                           "teacher alone, neither labels nor answers",
                           others[i].name);
    return RN_OK;
}

double rn_options_smoothing(const struct rn_train_options *o)
{
    if (o->label_smoothing < 0) /* RN_ZERO */
        return 0;
    return o->label_smoothing > 0 ? o->label_smoothing
                                  : rn_loss_find(o->loss)->smoothing;
}

bool rn_keeps_statistics(const struct rn_train_options *o)
{
    return o->batch_norm && rn_train_choice("batch_norm", o->batch_norm) == 1;
}

int rn_options_check(const struct rn_train_options *o, struct rn_error *err)
{
    long every;
    int rc;

    if (!o->data || o->data[0] == '\0')
        return rn_fail(err, RN_ERR_ARG, "no data to train on is given");
    rc = rn_option_check(rn_train_option, o, err);
    if (rc)
        return rc;
    if (o->iterations > 0 && o->epochs > 0)
        return rn_fail(err, RN_ERR_ARG,
                       "`iterations` is %ld and `epochs` %g: only one may be "
                       "given",
                       o->iterations, o->epochs);
    if (o->groups > 1 && o->accumulate > 1)
        return rn_fail(err, RN_ERR_ARG,
                       "`groups` %d and `accumulate` %d: only one may be more "
                       "than 1; a batch of %d times the images in as many more "
                       "groups is the same step",
                       o->groups, o->accumulate, o->accumulate);
    if (o->gradient_precision && o->groups < 2)
        return rn_fail(err, RN_ERR_ARG,
                       "`gradient_precision` bf16 is of sums of several "
                       "`groups`' gradients, but `groups` is 1");
    if (o->gate_bias != 0 && o->weights)
        return rn_fail(err, RN_ERR_ARG,
                       "`gate_bias` %g: the gates are those of `weights`",
                       o->gate_bias);
    if (o->zero_gamma && o->weights)
        return rn_fail(err, RN_ERR_ARG,
                       "`zero_gamma`: batch norm begins as in `weights`");
    rc = rn_record_parse(o->record, &every, err);
    if (!rc && every > 0 && o->groups > 1)
        rc = rn_fail(err, RN_ERR_ARG,
                     "`record` %s tells of whole batches, but `groups` is %d",
                     o->record, o->groups);
    if (!rc)
        rc = rn_optimiser_check(o, err);
    if (!rc)
        rc = check_loss(o, err);
    if (!rc)
        rc = check_teacher(o, err);
    if (!rc)
        rc = check_hint(o, err);
    return rc ? rc : rn_rates_check(o, err);
}

/* --------------------------------------------------------------- JSON */

static json_t *text_json(const char *text)
{
    return !text ? json_null() : json_string(text);
}

static json_t *option_json(const struct rn_option *o,
                           const struct rn_train_options *all)
{
    const char *at = (const char *)all + o->offset;

    switch (o->type) {
    case RN_OPTION_TEXT:
    case RN_OPTION_WORD:
        return text_json(*(const char *const *)at);
    case RN_OPTION_LETTER:
        return *at == 0 ? json_null() : json_stringn(at, 1);
    case RN_OPTION_SEED:
        return json_integer((json_int_t) * (const uint64_t *)at);
    case RN_OPTION_REAL:
        return json_real(*(const double *)at);
    default:
        return json_integer((json_int_t)rn_option_number(o, all));
    }
}

static bool is_text(const struct rn_option *o)
{
    return o->type == RN_OPTION_TEXT || o->type == RN_OPTION_WORD;
}

/* What a number was before there was an option of it. */
static double number_before(const struct run_option *row)
{
    return rn_number(row->before, NULL);
}

/* Whether the option says what runs did before there was one. */
static bool is_as_before(const struct run_option *row,
                         const struct rn_train_options *o)
{
    const char *text;

    if (!row->before)
        return false;
    if (!is_text(&row->o))
        return rn_option_number(&row->o, o) == number_before(row);
    text = *(const char *const *)((const char *)o + row->o.offset);
    return !text || strcmp(text, row->before) == 0;
}

/* All that is kept, or what shapes the result: so that older runs can go on. */
static json_t *to_json(const struct rn_train_options *o, bool all)
{
    json_t *object = json_object();

    for (size_t i = 0; i < OPTIONS && object; i++) {
        const struct run_option *row = &options[i];

        if (row->keeping == LEFT ||
            (!all && (row->keeping != SHAPES || is_as_before(row, o))))
            continue;
        if (json_object_set_new(object, row->o.name, option_json(&row->o, o))) {
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

bool rn_options_shape(const char *name)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (strcmp(options[i].o.name, name) == 0)
            return options[i].keeping == SHAPES || options[i].keeping == MODEL;
    return false;
}

/* Left open, for rn_train() to choose. */
static bool is_open(const struct run_option *row, const json_t *value)
{
    return json_is_null(value) ||
           (json_is_number(value) && json_number_value(value) == 0 &&
            row->o.unset);
}

/* Whether two files, of which run.json has the second by its whole path, are
 * others. One that is not given is none. */
static bool other_file(const json_t *own, const json_t *kept)
{
    const char *a = json_string_value(own), *b = json_string_value(kept);
    char *real = a ? realpath(a, NULL) : NULL;
    bool differ = !a || !b ? a != b : strcmp(real ? real : a, b) != 0;

    free(real);
    return differ;
}

json_t *rn_options_open(const struct rn_train_options *o)
{
    json_t *names = json_array();
    int failed = !names;

    for (size_t i = 0; i < OPTIONS && !failed; i++) {
        const struct run_option *row = &options[i];
        json_t *value = option_json(&row->o, o); /* of NaN, NULL */

        if (row->keeping == SHAPES && is_open(row, value))
            failed = json_array_append_new(names, json_string(row->o.name));
        json_decref(value);
    }
    if (!failed)
        return names;
    json_decref(names);
    return NULL;
}

/* Whether a run of that value was asked for with the option left open. Of runs
 * that do not tell, any may have been. */
static bool was_open(const struct run_option *row, const json_t *value,
                     const json_t *open)
{
    if (!json_is_array(open) || is_open(row, value))
        return true;
    for (size_t i = 0; i < json_array_size(open); i++) {
        const char *name = json_string_value(json_array_get(open, i));

        if (name && strcmp(name, row->o.name) == 0)
            return true;
    }
    return false;
}

const json_t *rn_options_value(const json_t *run, const char *name)
{
    const json_t *kept = json_object_get(json_object_get(run, "options"), name);
    const json_t *chosen =
        json_object_get(json_object_get(run, "network"), name);

    return json_is_null(kept) && chosen ? chosen : kept;
}

const char *rn_options_text(const json_t *value)
{
    const char *text = json_string_value(value);
    const char *name =
        text && strlen(text) == 1 ? rn_shortcut_name(text[0]) : NULL;

    return name ? name : text;
}

bool rn_options_equal(const json_t *a, const json_t *b)
{
    const char *x = rn_options_text(a), *y = rn_options_text(b);

    return x && y ? strcmp(x, y) == 0 : json_equal(a, b);
}

static bool other_value(const struct run_option *row, const json_t *own,
                        const json_t *kept, const json_t *open)
{
    return is_open(row, own) ? !was_open(row, kept, open)
                             : !rn_options_equal(own, kept);
}

int rn_options_differ(const struct rn_train_options *o, const json_t *run,
                      const char **name, struct rn_error *err)
{
    const json_t *open = json_object_get(run, "open");
    json_t *own = to_json(o, true);

    *name = NULL;
    if (!own)
        return rn_fail_memory(err, 1024, "options");
    for (size_t i = 0; i < OPTIONS && !*name; i++) {
        const struct run_option *row = &options[i];
        json_t *value = json_object_get(own, row->o.name);
        const json_t *other = rn_options_value(run, row->o.name);

        if (row->keeping == MODEL ? other_file(value, other)
                                  : row->keeping == SHAPES && other &&
                                        other_value(row, value, other, open))
            *name = row->o.name;
    }
    json_decref(own);
    return RN_OK;
}

/* A value of the wrong type reads as NaN, which no range admits. */
static double json_number(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static bool whole(double value)
{
    return value == floor(value) && fabs(value) <= RN_OPTION_MOST;
}

static bool option_read(const struct rn_option *o, struct rn_train_options *all,
                        const json_t *value)
{
    char *at = (char *)all + o->offset;
    double real = json_number(value);

    switch (o->type) {
    case RN_OPTION_TEXT:
    case RN_OPTION_WORD:
        *(const char **)at = json_string_value(value);
        return json_is_string(value) || json_is_null(value);
    case RN_OPTION_LETTER:
        *at = json_is_string(value) ? json_string_value(value)[0] : '\0';
        return json_is_string(value) || json_is_null(value);
    case RN_OPTION_SEED:
        *(uint64_t *)at = (uint64_t)json_integer_value(value);
        return json_is_integer(value);
    case RN_OPTION_REAL:
        *(double *)at = real;
        return !isnan(real);
    case RN_OPTION_LONG:
        *(long *)at = whole(real) ? (long)real : 0;
        return whole(real);
    default:
        *(int *)at = whole(real) ? (int)real : 0;
        return whole(real);
    }
}

/* Defaults are those of new runs. */
static void set_before(const struct run_option *row, struct rn_train_options *o)
{
    if (row->before && row->o.type == RN_OPTION_INT)
        *(int *)((char *)o + row->o.offset) = (int)number_before(row);
}

int rn_options_from_json(struct rn_train_options *o, const json_t *object,
                         const char *path, struct rn_error *err)
{
    rn_train_defaults(o);
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct run_option *row = &options[i];
        const json_t *value = json_object_get(object, row->o.name);

        if (row->keeping == LEFT)
            continue;
        /* A run of an older version lacks some; its numbers are the same. */
        if (!value && (row->keeping != SHAPES || row->before)) {
            set_before(row, o);
            continue;
        }
        if (!value || !option_read(&row->o, o, value))
            return rn_fail(err, RN_ERR_DATA, "'%s': option `%s` is %s", path,
                           row->o.name,
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
