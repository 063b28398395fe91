/* SPDX-License-Identifier: BSD-2-Clause */
/* Error rates of a network over a part of a data set. */
#ifndef RN_EVAL_EVAL_H
#define RN_EVAL_EVAL_H

#include "comm/ranks.h"
#include "data/data.h"
#include "model/model.h"

enum { RN_CALIBRATION_BINS = 15 };

/** Outputs as logits, in place. Where one class is right, logarithms of
 *  probabilities are, that of 0 being that of the least float; of independent
 *  classes those of p / (1 - p), within the same bounds. */
void rn_logits(enum rn_output output, float *values, size_t count);

/** An image's score of a class, and whether it is one of it. */
struct rn_scored {
    float score;
    bool positive;
};

/** Sorts them; the area under precision over recall, NaN without positives or
 *  with a score that is no number. */
double rn_average_precision(struct rn_scored *scored, size_t count);

/** Sums over images seen so far. */
struct rn_metrics {
    long images;
    bool single;         /* images have one class each */
    long wrong1, wrong5; /* images whose label is not among the first k */
    double loss;         /* sum of cross-entropies */
    bool independent;    /* of binary ones, each the mean over its classes */
    /* By the first answer's probability, its confidence: */
    struct {
        double confidence; /* sum */
        long right;
    } bin[RN_CALIBRATION_BINS];
    /* Of images that have any number of classes, or are looked at so: */
    long wrong_sets;             /* not those classes exactly */
    long hits, answered, wanted; /* classes, over all images */
    struct rn_scored *scored;    /* [classes][room], or NULL */
    int room, classes;
};

/** Sums that begin. With `sets` there is room for so many images' scores, to
 *  look at them as having any number of classes, which is all there is for
 *  data that are such. rn_metrics_free() releases them. */
int rn_metrics_create(struct rn_metrics *m, const struct rn_data *data,
                      enum rn_output output, bool sets, int images, int classes,
                      struct rn_error *err);
void rn_metrics_free(struct rn_metrics *m);

/** What a measure is for when models of the same run are compared. */
enum rn_metric_choice {
    RN_CHOICE_NONE,
    RN_CHOICE_BEST, /* it tells which is best: one row of each kind */
    RN_CHOICE_TIE,  /* and this one which of those that are equal: one, too */
};

/** A measure: a row of the table, NULL as name at its end. */
struct rn_metric {
    const char *name;  /* as in struct rn_eval_result */
    size_t place;      /* there */
    bool sets, single; /* of images of any number of classes, of one each */
    bool higher;       /* is better */
    enum rn_metric_choice choice;
    const char *log;   /* name in log.jsonl and checkpoints; the same in one
                          row of each kind at most */
    const char *title; /* in a line of progress; NULL: not there */
    bool percent;
    double (*value)(const struct rn_metrics *m);
};
enum { RN_METRICS = 7 };
extern const struct rn_metric rn_metric_table[RN_METRICS + 1];

/** The values of a test: of each row, NaN of those of the other kind. */
void rn_metrics_values(const struct rn_metrics *m, double values[RN_METRICS]);
/** The same into the places of `result`. */
void rn_metrics_result(const struct rn_metrics *m,
                       struct rn_eval_result *result);
/** Place in the table of the row of that choice, for images of any number of
 *  classes or of one each. */
int rn_metric_chosen(enum rn_metric_choice choice, bool sets);
/** The value of that name in logs; NaN where such images have none. */
double rn_metric_logged(const double values[RN_METRICS], const char *log,
                        bool sets);
/** Whether value a is better than b, never so where either is NaN. */
bool rn_metric_better(const struct rn_metric *row, double a, double b);
/** What the caller of a run gets to see; how many there are. */
int rn_metrics_measured(const double values[RN_METRICS], bool sets,
                        struct rn_measured measured[RN_MEASURED_MAX]);

/**
 * Place of the label among the logits, 0 for the largest. Equal logits rank
 * by index; NaN ranks before everything but a label's NaN has no place,
 * INT_MAX, so that a broken network never counts as right, not even among
 * fewer than five classes.
 */
int rn_rank(const float *logits, int classes, int label);

/** -log softmax(logits)[label], summed in double. */
double rn_cross_entropy(const float *logits, int classes, int label);

/** Add `count` images: logits [count][classes], labels [count]. */
void rn_metrics_add(struct rn_metrics *m, const float *logits,
                    const int32_t *labels, int count, int classes);

/** Add image `index` of any number of classes: those above 0 are its answer.
 *  `map` gives the model's class for each of the data's, or is NULL. */
void rn_metrics_add_set(struct rn_metrics *m, int index, const float *logits,
                        const uint16_t *set, int count, const int32_t *map);

/** Either, for the index-th image looked at, which is that at `place` of the
 *  part and labelled with the model's class `label`. */
void rn_metrics_take(struct rn_metrics *m, const struct rn_data *data,
                     enum rn_part part, int index, int place, int label,
                     const float *logits, const int32_t *map);

/** Expected calibration error: by how much the confidences of a bin miss the
 *  share that is right, on average over the images. */
double rn_metrics_calibration(const struct rn_metrics *m);

/**
 * The average of several answers' probabilities, all of the same weight. What
 * is held are logarithms, so that sum[classes] are logits themselves when
 * answers have been added; `count` floats are set up at once.
 */
void rn_average_begin(float *sum, size_t count);
void rn_average_add(float *sum, const float *logits, int classes);

/** Where answers go, in any order: the image's place in the part, the model's
 *  class it is labelled with, its logits (borrowed). A failure ends the
 *  pass. */
struct rn_eval_sink {
    void *user;
    int (*take)(void *user, int index, int label, const float *logits,
                struct rn_error *err);
};

/** One pass over a part of the data through an inference plan. */
struct rn_eval_pass {
    struct rn_plan *plan;
    int batch; /* images; the plan is for all their crops */
    const struct rn_data *data;
    enum rn_part part;
    int images;            /* of the part, spread evenly; 0: all. Their places
                              are counted from 0 on */
    struct rn_view view;   /* of pictures */
    const int32_t *labels; /* the model's class for each of the data's; NULL:
                              the same */
    int classes;           /* of the model */
    enum rn_output output; /* of it */
    int loaders;           /* threads that load pictures */
    bool mirror;           /* look at mirror images, too */
    const struct rn_preprocessing *preprocessing;
    struct rn_ranks *ranks; /* that take turns with batches; every rank gets
                               all answers, in order. Or NULL */
    void *user;
    int (*progress)(void *user, int done, int images); /* or NULL */
};

/** What loads its batches. */
void rn_eval_loader(const struct rn_eval_pass *pass,
                    struct rn_loader_config *config);

/** Every image is taken once; the answers to its crops and mirror images are
 *  averaged. RN_ERR_STOPPED when progress() says so. */
int rn_eval_answers(const struct rn_eval_pass *pass,
                    const struct rn_eval_sink *sink, struct rn_error *err);

/** The same into metrics, which the caller frees. */
int rn_eval_run(const struct rn_eval_pass *pass, struct rn_metrics *metrics,
                struct rn_error *err);

/** A pass over whole pictures, nothing cut off: the shorter side resized to
 *  `scale`, then the picture and its mirror image through the network built
 *  for that size, its global average pooling taking whatever is left. */
struct rn_whole_pass {
    const struct rn_model *model;
    const struct rn_data *data;
    enum rn_part part;
    const int32_t *labels;
    int scale, threads, exact, bind, precision, emulate;
    int loaders; /* threads that load pictures */
    int flags;   /* rn_image_flags */
    void *user;
    int (*progress)(void *user, int done, int images); /* or NULL */
};

/** As rn_eval_answers(). */
int rn_eval_whole(const struct rn_whole_pass *pass,
                  const struct rn_eval_sink *sink, struct rn_error *err);

/** RN_ERR_STOPPED when `progress`, which may be NULL, says so. */
int rn_eval_progress(int (*progress)(void *user, int done, int images),
                     void *user, int done, int images, struct rn_error *err);

/** A batch that fits images of that shape: 100 up to 64 x 64, else 16, and
 *  not more than there are images. */
int rn_eval_batch(struct rn_shape shape, int images);

/** RN_ERR_DATA, with both sizes, unless the model takes the data's images. */
int rn_model_takes(const struct rn_model *model, const struct rn_data *data,
                   struct rn_error *err);
/** The same, and unless it has their classes. */
int rn_model_fits(const struct rn_model *model, const struct rn_data *data,
                  struct rn_error *err);

/** "resnet20", or "resnet20 of 'run/best.safetensors'", in buf or the model's.
 */
#define RN_TITLE_SIZE 256
const char *rn_model_title(const struct rn_model *model, char *buf,
                           size_t size);

#endif
