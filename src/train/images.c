/* SPDX-License-Identifier: BSD-2-Clause */
/* How training and tests see images. */
#include "eval/eval.h"
#include "train/trainer.h"

bool rn_trainer_pictures(const struct rn_trainer *t)
{
    return t->data->fetch != NULL;
}

bool rn_trainer_sets(const struct rn_trainer *t)
{
    return t->data && t->data->several;
}

static struct rn_random_cut random_cut(const struct rn_train_options *o,
                                       enum rn_augment_kind kind, int size)
{
    struct rn_random_cut cut = {.least_area = o->crop_area};

    /* He et al. 2016, section 3.4: from 256 to 480 for 224. */
    cut.shorter[0] = size * 8 / 7;
    cut.shorter[1] = size * 15 / 7;
    if (kind >= RN_AUGMENT_AREA)
        cut.kind = kind == RN_AUGMENT_AREA ? RN_CUT_AREA : RN_CUT_SHORTER;
    return cut;
}

static struct rn_augment augmentation(const struct rn_train_options *o,
                                      enum rn_augment_kind kind)
{
    bool cut = kind >= RN_AUGMENT_AREA;

    return (struct rn_augment){
        .flip = cut || (kind & RN_AUGMENT_FLIP) != 0,
        .crop = !cut && (kind & RN_AUGMENT_CROP) != 0,
        .pad = o->crop_pad,
        .colour = (enum rn_colour)rn_train_choice("colour", o->colour),
        .erase = o->erase,
        .mixup = o->mixup,
        .cutmix = o->cutmix,
    };
}

void rn_train_changes(const struct rn_train_options *o, int size,
                      struct rn_loader_config *config)
{
    int kind = rn_train_choice("augment", o->augment);

    config->augment = augmentation(o, (enum rn_augment_kind)kind);
    config->view.random = random_cut(o, (enum rn_augment_kind)kind, size);
    config->view.reduce = true;
}

void rn_trainer_loader(const struct rn_trainer *t,
                       struct rn_loader_config *config)
{
    *config = (struct rn_loader_config){
        .data = t->data,
        .part = RN_PART_TRAIN,
        .view = t->view,
        .threads = t->threads,
        .sets = t->data->several != NULL,
        .skip_bad = t->o.skip_bad != 0,
        .sampler = t->sampler,
        .first = t->progress.iteration * t->step_batches,
        .end = t->iterations * t->step_batches,
    };
    rn_loader_prepare_as(config, &t->model->preprocessing);
    rn_train_changes(&t->o, t->model->spec.input.h, config);
}

void rn_trainer_test_pass(const struct rn_trainer *t, struct rn_eval_pass *pass)
{
    *pass = (struct rn_eval_pass){
        .plan = t->test_plan,
        .batch = t->test_batch,
        .data = t->data,
        .part = t->test_part,
        .view = t->view,
        .loaders = t->threads,
        .classes = t->data->classes,
        .output = t->model->graph->kind,
        .preprocessing = &t->model->preprocessing,
        .ranks = t->o.ranks,
    };
}
