/* SPDX-License-Identifier: BSD-2-Clause */
/* A run in memory: set up by trainer.c, driven by loop.c. */
#ifndef RN_TRAIN_TRAINER_H
#define RN_TRAIN_TRAINER_H

#include "data/data.h"
#include "train/accumulate.h"
#include "train/grouping.h"
#include "train/optimiser.h"
#include "train/run.h"
#include "train/schedule.h"
#include "train/shards.h"

/** Figures of the clock since the last log line; never saved. */
struct rn_clock {
    double start;   /* of this process's part of the run */
    long first;     /* iteration it began with */
    double seconds; /* spent training since the last log line */
    double waited;  /* of these, waiting for data */
    double saved;   /* time of the last checkpoint */
    long images;
};

/** A model whose answers are learned beside the labels. */
struct rn_teacher {
    struct rn_model *model;           /* NULL: there is none */
    uint64_t checksum;                /* of its parameters */
    struct rn_plan *plan, *rest_plan; /* of the groups of training's */
    float *logits;                    /* [images of a group][its classes] */
};

/** A layer of the teacher that the network's layers up to one of them learn. */
struct rn_hint {
    size_t *from; /* by parameter of the trainee: which of the model's it is, */
    size_t shared; /* of so many; those behind are the regressor's */
    struct rn_shape shape;
    float *values; /* [images of a group] of that shape: the teacher's */
};

struct rn_trainer {
    struct rn_train_options o; /* threads resolved */
    struct rn_train_events events;
    json_t *texts; /* run.json, when o borrows its texts from it */
    json_t *open;  /* names of options that were left open, of a new run */
    struct rn_run run;
    uint64_t checksum; /* of the options */
    int threads;       /* in use; the results do not depend on them */

    struct rn_data *data;
    struct rn_sampler sampler;
    double epoch_batches; /* may be fractional */
    int step_batches;     /* of an iteration */
    long iterations, report_every, test_every, save_every;
    long record_every; /* 0: no layers are recorded */
    enum rn_part test_part;
    int test_images; /* 0: nothing to test on */
    int test_batch;

    struct rn_view view; /* of pictures that are tested on */
    struct rn_rates rates;
    float *class_weights; /* [classes], or NULL */
    bool batch_chosen;    /* not asked for */
    struct {
        char freeze[RN_STAGES_TEXT], lr_scale[RN_STAGES_TEXT];
    } tuned; /* that the options name when they were not asked for */
    unsigned drawn; /* bits of stages of which `weights` did not fill all */

    struct rn_model *model;
    struct rn_model *trainee; /* what plans and store are made of: the model, or
                                 with `hint` a part of it and a regressor */
    struct rn_hint hint;
    struct rn_store *store;
    struct rn_flat flat;
    float *lr_scale; /* by segment of flat, or NULL */
    float *max_norm; /* likewise */
    struct rn_ema average;
    struct rn_accumulated gradients;
    struct rn_update update;
    const struct rn_loss_rule *loss;
    struct rn_grouping groups;      /* of a batch, which plans are for */
    struct rn_step_result *results; /* by group */
    struct rn_shards shards;        /* of several ranks' parameters */
    double lr;                      /* of the step under way */
    struct rn_plan_parts parts;     /* where batch norm is over all of them;
                                       without room: it is not */
    struct rn_plan *plan;
    struct rn_plan *rest_plan; /* of the last, smaller batch of an epoch, or
                                  NULL */
    struct rn_plan *latest;    /* of both, that the last group went through */
    struct rn_plan *test_plan;
    struct rn_teacher teacher;
    struct rn_loader *loader;
    size_t skipped; /* pictures told of that others stood in for */
    size_t remarks; /* on the data, told */

    struct rn_schedule schedule;
    struct rn_progress progress;
    struct rn_checkpoint checkpoint;
    struct rn_log log;
    struct rn_events board; /* for TensorBoard, where asked for */
    struct rn_clock clock;
};

/** Whether the model of option `whose`, from which images' preparation is taken,
 *  prepares them as `normalize` says, where it tells. The channels' mean, which
 *  is the default, is no wish. */
int rn_trainer_check_normalisation(const struct rn_train_options *o,
                                   const struct rn_preprocessing *pre,
                                   const char *whose, struct rn_error *err);
/** Refuse what a run that begins would do nothing with, before what is left
 *  open is chosen; `weights` is the model to start from, or NULL. */
int rn_trainer_check_unheeded(const struct rn_trainer *t,
                              const struct rn_model *weights,
                              struct rn_error *err);

/* choose.c: what the options leave open. Each says what it chose. */

/** Network and size; `weights` is the model to start from, or NULL. */
int rn_trainer_choose_network(struct rn_trainer *t,
                              const struct rn_model *weights,
                              struct rn_error *err);
/** Everything else but what hangs on the memory. */
void rn_trainer_choose_rest(struct rn_trainer *t);
/** A smaller batch when one that was chosen does not fit into memory. */
int rn_trainer_choose_batch(struct rn_trainer *t, struct rn_error *err);

/* say.c */

/** Hand a line to the caller; of several ranks the first one does. */
__attribute__((format(printf, 2, 3))) void
rn_trainer_say(const struct rn_trainer *t, const char *format, ...);
/** The same of something that this rank alone knows: each does. */
__attribute__((format(printf, 2, 3))) void
rn_trainer_say_own(const struct rn_trainer *t, const char *format, ...);
/** The first one for callbacks; `user` is the trainer. */
void rn_trainer_say_text(void *user, const char *text);
/** Say what there is to say of the data, each thing once. */
void rn_trainer_say_remarks(struct rn_trainer *t);

/** Groups of a batch. */
int rn_trainer_groups(const struct rn_trainer *t);

/* ranks.c */

/** All ranks have come so far, and do the same work; say which they are. */
int rn_trainer_meet(struct rn_trainer *t, int rc, struct rn_error *err);
/** Where different machines are allowed, they still must have the same weights.
 */
int rn_trainer_compare_weights(struct rn_trainer *t, struct rn_error *err);

/* length.c */

/** Iterations of an epoch; may be fractional. */
double rn_trainer_epoch(const struct rn_trainer *t);
/** Iterations, what comes when, and the schedule. */
int rn_trainer_plan_length(struct rn_trainer *t, struct rn_error *err);

/* images.c */

/** Whether the run's data are pictures. */
bool rn_trainer_pictures(const struct rn_trainer *t);
/** Whether its images may have any number of classes. */
bool rn_trainer_sets(const struct rn_trainer *t);
/** Set what is changed at random, and where it is cut, for images of `size`
 *  pixels a side; augment and colour must be set. */
void rn_train_changes(const struct rn_train_options *o, int size,
                      struct rn_loader_config *config);
/** How training sees images; rn_loader_create() starts with first and end. */
void rn_trainer_loader(const struct rn_trainer *t,
                       struct rn_loader_config *config);
/** A test's pass, without progress. */
struct rn_eval_pass;
void rn_trainer_test_pass(const struct rn_trainer *t,
                          struct rn_eval_pass *pass);

/* figures.c */

/** Epochs done. */
double rn_trainer_epochs(const struct rn_trainer *t);
/** Seconds to the end at the pace so far; 0 where there is none yet. */
double rn_trainer_seconds_left(const struct rn_trainer *t);
/** What is known without a test. */
struct rn_train_report rn_trainer_report(const struct rn_trainer *t);
/** A measure of the last test. */
double rn_trainer_tested(const struct rn_trainer *t, const char *name);

/* record.c */

/** Write the layers of the step under way into the log, once its gradients are
 *  there, if it is one that is recorded. */
int rn_trainer_record_layers(struct rn_trainer *t, struct rn_error *err);

/* describe.c */

/** Write run.json. */
int rn_trainer_describe(struct rn_trainer *t, struct rn_error *err);
/** Read a run folder's options, and its description into `texts`. */
int rn_trainer_read(struct rn_trainer *t, struct rn_error *err);
/** RN_ERR_DATA when the data are not those the run began with. */
int rn_trainer_check_data(const struct rn_trainer *t, struct rn_error *err);
/** Say when it began on another machine, or with a version that adds up in
 *  another order: the last bits depend on what computes them. */
void rn_trainer_compare_machine(const struct rn_trainer *t);

/* save.c: rank 0 alone writes. */

/** Write last.safetensors. RN_ERR_LOSS, with nothing written, when a
 *  parameter is not finite. */
int rn_trainer_save(struct rn_trainer *t, struct rn_error *err);
/** Write best.safetensors. */
int rn_trainer_save_best(struct rn_trainer *t, struct rn_error *err);
/** Put the weights' average in the weights' place, and the other way round the
 *  next time. */
void rn_trainer_show_average(struct rn_trainer *t);
/** Draw curve.svg. */
int rn_trainer_draw(struct rn_trainer *t, struct rn_error *err);

/* change.c */

/** Refuse what is out of range. */
int rn_resume_check(const struct rn_resume_options *r, struct rn_error *err);
/** Make the run as long as asked for. RN_ERR_ARG when that is shorter, or its
 *  schedule depends on the length. */
int rn_trainer_lengthen(struct rn_trainer *t, const struct rn_resume_options *r,
                        struct rn_error *err);
/** Checksum of the options before the last change, 0 without one. */
uint64_t rn_changes_before(const json_t *texts);
/** Into run.json, and the checkpoint with it, if options differ. */
int rn_trainer_record_change(struct rn_trainer *t,
                             const struct rn_train_options *before,
                             struct rn_error *err);

/* teacher.c: distillation. Without a `teacher` nothing of it does anything. */

/** Load the model; the data are open. */
int rn_trainer_open_teacher(struct rn_trainer *t, struct rn_error *err);
/** Whether it knows the same classes and sees what the run's model sees, which
 *  takes its normalisation where it has none. */
int rn_trainer_fit_teacher(struct rn_trainer *t, struct rn_error *err);
/** RN_ERR_DATA when it is not the one the run began with. */
int rn_trainer_compare_teacher(const struct rn_trainer *t,
                               struct rn_error *err);
/** Plans for the run's batches. */
int rn_trainer_build_teacher(struct rn_trainer *t, struct rn_error *err);
/** Bytes of the plan for a batch. */
int rn_trainer_teacher_memory(const struct rn_trainer *t, int batch,
                              uint64_t *bytes, struct rn_error *err);
/** Its answers to a batch of `count` images, in this iteration, or its hints,
 *  among the targets. */
int rn_trainer_ask_teacher(struct rn_trainer *t, const float *images, int count,
                           struct rn_targets *targets, struct rn_error *err);
/** What run.json tells of it; NULL without one or when memory is short. */
json_t *rn_trainer_teacher_json(const struct rn_trainer *t);
void rn_teacher_free(struct rn_teacher *teacher);

/* hint.c: without a `hint` nothing of it does anything. */

/** Make the trainee of a model whose frozen layers are marked; the teacher is
 *  there. RN_ERR_ARG for layers that there are not or that do not fit. */
int rn_trainer_take_hint(struct rn_trainer *t, const struct rn_model *model,
                         struct rn_error *err);
/** Whether the schedule can do without labels. */
int rn_trainer_check_hint(const struct rn_trainer *t, struct rn_error *err);
/** The teacher's layer by the option; NULL without. */
const char *rn_trainer_hint_layer(const struct rn_trainer *t);
/** Room for a batch of hints. */
int rn_trainer_build_hint(struct rn_trainer *t, struct rn_error *err);
/** Give the model the trainee's parameters. */
void rn_trainer_return_hint(const struct rn_trainer *t);
void rn_hint_free(struct rn_hint *hint);

/* start.c */

/** Whether a model's classes are the data's, as far as they are named. */
bool rn_trainer_same_classes(const struct rn_model *m, const struct rn_data *d);
/** Says where classes called by numbers are taken for those of `what` without
 *  names, which may have them in the order of texts. */
void rn_trainer_tell_order(const struct rn_trainer *t, const struct rn_model *m,
                           const char *what);
/** How images are prepared, from one model to another. */
int rn_trainer_copy_preprocessing(struct rn_model *to,
                                  const struct rn_model *from,
                                  struct rn_error *err);
/** The model of a run's first step: made, or from weights. */
int rn_trainer_start_model(struct rn_trainer *t, struct rn_error *err);

/* whiten.c */

/** Give the model global contrast normalisation, and with `whiten` the ZCA of
 *  the training images. RN_ERR_ARG for fewer images than that needs, images
 *  that are too large, and a build without LAPACK. */
int rn_trainer_whiten(struct rn_trainer *t, bool whiten, struct rn_error *err);

/* before.c: what can be known before the first step. */

/** Whether the run folder, where it lies in the data, is no class's: as one of
 *  a run it is none of the data's. */
int rn_trainer_check_out(const struct rn_trainer *t, struct rn_error *err);
/** Whether the loss can do with images of any number of classes, where there
 *  are such. */
int rn_trainer_check_sets(const struct rn_trainer *t, struct rn_error *err);
/** Whether training and testing know the same classes, two or more. */
int rn_trainer_check_classes(struct rn_trainer *t, struct rn_error *err);
/** Whether the files can be read and begin as pictures; training's are left to
 *  skip_bad. */
int rn_trainer_check_files(const struct rn_trainer *t, struct rn_error *err);
/** Whether plans and batches fit into memory; when not, what would. */
int rn_trainer_check_memory(struct rn_trainer *t, struct rn_error *err);
/** Whether the run folder can be written, with room for the models. */
int rn_trainer_check_room(struct rn_trainer *t, struct rn_error *err);
/** Bytes that are available, or this rank's part of them. */
uint64_t rn_trainer_room(const struct rn_trainer *t);
/** Bytes of training's plan, what has copies of all weights beside it, and
 *  batches made ahead. */
int rn_trainer_memory(const struct rn_trainer *t, int batch, int recompute,
                      uint64_t *bytes, struct rn_error *err);

/* estimate.c */

/** Seconds of a batch, computing and loading each on its own, and of a
 *  checkpoint. */
struct rn_pace {
    double compute, load;
};
struct rn_paces {
    struct rn_pace step, test;
    double save;
};

/** Take the times of batches of training and of a test, which leave nothing
 *  behind. Nothing else of this run may load images meanwhile. Not
 *  for images in memory: then they are zero. */
int rn_trainer_measure(struct rn_trainer *t, struct rn_paces *paces,
                       struct rn_error *err);
/** Say how long the run will take. */
void rn_trainer_estimate(const struct rn_trainer *t,
                         const struct rn_paces *paces);

/* loop.c */

/** Change so many values, from `first` on, by their gradients, as the step under
 *  way says; `user` is the trainer. */
void rn_trainer_update(void *user, size_t first, size_t numbers);
/** Train from progress.iteration to the end. */
int rn_trainer_loop(struct rn_trainer *t, struct rn_error *err);

#endif
