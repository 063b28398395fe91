/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of a run: options, run folder, checkpoints, log, curve. */
#ifndef RN_TRAIN_RUN_H
#define RN_TRAIN_RUN_H

#include "core/json.h"
#include "eval/eval.h"
#include "model/model.h"
#include "nets/stages.h"
#include "plan/plan.h"
#include "train/ema.h"

#include <jansson.h>
#include <stdio.h>

/* ------------------------------------------------------------ options */

/** The words of `augment`, in their order. */
enum rn_augment_kind {
    RN_AUGMENT_NONE,
    RN_AUGMENT_FLIP, /* this bit of the first four */
    RN_AUGMENT_CROP, /* and this one */
    RN_AUGMENT_CROP_FLIP,
    RN_AUGMENT_AREA, /* of pictures, from here on */
    RN_AUGMENT_SHORTER,
};

/** The words of `normalize`, in their order. */
enum rn_normalize_kind {
    RN_NORMALIZE_CHANNEL,
    RN_NORMALIZE_PIXEL,
    RN_NORMALIZE_GCN, /* of whole images, from here on */
    RN_NORMALIZE_ZCA,
};

/* He et al. 2016, section 4.2, unless given or chosen for pictures. */
#define RN_TRAIN_BATCH 128

/** Place of a value among the words of the option of that name, as of
 *  rn_train_option(); -1: it is none, or NULL. */
int rn_train_choice(const char *name, const char *value);

/** Options of the caller, or NULL, with zeroes turned into the defaults they
 *  stand for and RN_ZERO into zeroes: what run.json and everything behind it
 *  know. What is still to be chosen, or is the optimiser's to say, stays zero,
 *  and of the latter RN_ZERO as it is. */
int rn_options_take(struct rn_train_options *own,
                    const struct rn_train_options *given, struct rn_error *err);

/** Temperature and weight of a teacher's answers in an iteration of a run. */
void rn_soften(const struct rn_train_options *o, long iteration,
               long iterations, struct rn_soft_targets *soft);

/** Refuse what is out of range. */
int rn_options_check(const struct rn_train_options *o, struct rn_error *err);

/** Whether `batch_norm` is running. */
bool rn_keeps_statistics(const struct rn_train_options *o);

/** Refuse what the random changes of images would do nothing with. */
int rn_check_augmentation(const struct rn_train_options *o,
                          const struct rn_data *data, struct rn_error *err);

/** The share of the target that is spread over all classes, be it the loss's
 *  own. */
double rn_options_smoothing(const struct rn_train_options *o);

/** Learning rates by stage: which of the stages, named as in nets/stages.h,
 *  are frozen, and the others' factors and limits. */
struct rn_rates {
    unsigned frozen;
    float scale[RN_STAGES];
    float max_norm[RN_STAGES]; /* 0: none */
};

/** Read freeze, lr_scale and max_norm for a graph. RN_ERR_ARG when they make no
 * sense. */
int rn_rates_parse(struct rn_rates *rates, const struct rn_graph *graph,
                   const struct rn_train_options *o, struct rn_error *err);
/** The same before the graph is known: stages may be any family's. */
int rn_rates_check(const struct rn_train_options *o, struct rn_error *err);
/** Bits of the stages with parameters that learn, and bit RN_STAGES when some
 *  of no stage do; a network may have nothing in some (CIFAR's in conv5). Of no
 *  graph, all the usual ones. */
unsigned rn_rates_stages(const struct rn_graph *graph);
/** RN_ERR_ARG when one of the three is of stages with nothing that learns. */
int rn_rates_fit(const struct rn_train_options *o, const struct rn_graph *graph,
                 struct rn_error *err);
/** Whether lr_scale is of a stage, too, that freeze leaves as it is. */
bool rn_rates_idle(const struct rn_train_options *o);

/** Every how many iterations "layers[:N]" records; 0 for NULL and "none".
 *  RN_ERR_ARG for what is neither. */
int rn_record_parse(const char *text, long *every, struct rn_error *err);

/** All options as a JSON object, NULL when memory is short. */
json_t *rn_options_to_json(const struct rn_train_options *o);
/** Back; texts are borrowed from `object`. `path` is for messages. */
int rn_options_from_json(struct rn_train_options *o, const json_t *object,
                         const char *path, struct rn_error *err);
/** Checksum of the options that shape the result (not of where the data
 *  lies, nor of the run folder's name). 0 when memory is short. */
uint64_t rn_options_checksum(const struct rn_train_options *o);

/** Whether an option shapes a run's result, rather than where things lie. */
bool rn_options_shape(const char *name);
/** Names of those that shape the result and are left open, an array of which
 *  the caller has a reference; NULL when memory is short. */
json_t *rn_options_open(const struct rn_train_options *o);
/** What a run.json, `run`, has of an option; of one that was left open, what
 *  its network tells by that name. NULL where it has neither. */
const json_t *rn_options_value(const json_t *run, const char *name);
/** A value that is a text; of a letter of a shortcut ('a') its name, which a
 *  network has ("A-split"). NULL of other values. */
const char *rn_options_text(const json_t *value);
bool rn_options_equal(const json_t *a, const json_t *b);
/** The first option that shapes the result and differs from that of a run.json,
 *  `run`, or NULL. One that is left open does not differ where the run's was
 *  open, too; without `weights` and `teacher` there are none. */
int rn_options_differ(const struct rn_train_options *o, const json_t *run,
                      const char **name, struct rn_error *err);

/** Text of a JSON value with reals as short as survives reading back;
 *  rn_free() releases it. NULL when memory is short. */
char *rn_json_dump(const json_t *value, size_t flags);

/** Most groups of a batch. */
#define RN_GROUPS_MOST 4096

/* --------------------------------------------------------- run folder */

/** The files of a run; every text is owned. */
struct rn_run {
    char *folder, *options, *log, *table, *events, *last, *best, *curve;
};

int rn_run_name(struct rn_run *run, const char *folder, struct rn_error *err);
void rn_run_free(struct rn_run *run);
/** RN_ERR_ARG when the folder already holds a run. A log without a line is
 *  none. */
int rn_run_vacant(const struct rn_run *run, struct rn_error *err);
/** Make the folder, and those above it. */
int rn_run_make(const struct rn_run *run, struct rn_error *err);
/** Remove what a killed process left half written. */
void rn_run_sweep(const struct rn_run *run);

/** Write run.json; NULL stands for a lack of memory. */
int rn_run_describe(const struct rn_run *run, const json_t *texts,
                    struct rn_error *err);

/* -------------------------------------------------------- checkpoints */

/** Everything about a run that goes on changing, beside the parameters.
 *  Nothing in it depends on the clock. */
struct rn_progress {
    long iteration; /* done */
    long reported;  /* iteration of the last log line */
    long warmed_at; /* as in struct rn_schedule */
    /* Sums over the images since the last log line. */
    double loss_sum, aux_sum; /* of the output's losses; of auxiliary heads' */
    long errors, images;
    /* Sums for the warm-up rule, see RN_WARM_WINDOW. */
    long warm_errors, warm_images;
    double loss, train_error; /* of the last log line */
    long tested;              /* iteration of the last test, -1: none yet */
    double test[RN_METRICS];  /* its values; NaN where an older checkpoint,
                                 or what it was tested on, has none */
    /* Of the best model the measures of RN_CHOICE_BEST and RN_CHOICE_TIE, the
     * second NaN in older checkpoints. */
    double best_error, best_loss;
    long best_iteration; /* -1: none yet */
    long improved; /* when the first last became better; ties do not count; -1
                      in older checkpoints */
    long ended;    /* where `patience` ended the run early; 0: nowhere. Written
                      for those who look at the run, never read */
};

/** The warm-up rule looks at the training error of this many iterations, so
 *  that it does not depend on how often a run reports. The paper's 110
 *  layers took "about 400 iterations" to get there. */
#define RN_WARM_WINDOW 100

/** The optimiser's states, and the weights' average when there is one, as extra
 *  tensors of a model file. */
struct rn_checkpoint {
    struct rn_extra *extras; /* [states][count], then averages, then values of
                                the last `own` */
    size_t *param;           /* [count] index into the graph's params */
    size_t count;            /* parameters that learn */
    size_t own;              /* of these the model lacks so many */
    size_t states;
    size_t n_extras;
    float *memory;
    char *names;
};

/** `states` names those of the optimiser, NULL ends them. Of the graph's
 *  parameters the first `shared` are the model's. */
int rn_checkpoint_create(struct rn_checkpoint *c, const struct rn_graph *graph,
                         size_t shared, const char *const *states, bool average,
                         struct rn_error *err);
void rn_checkpoint_free(struct rn_checkpoint *c);
/** The model's parameters must have been exported from the store already. */
int rn_checkpoint_save(struct rn_checkpoint *c, const char *path,
                       const struct rn_model *model, struct rn_store *store,
                       struct rn_ema *average,
                       const struct rn_progress *progress,
                       const char *optimizer, uint64_t options,
                       struct rn_error *err);
/** A checkpoint's model, without its extras. RN_ERR_DATA when these are of
 *  another optimiser. */
int rn_checkpoint_open(struct rn_model **model, const char *path,
                       const char *optimizer, struct rn_error *err);
/** RN_ERR_DATA when it was made with other options than those of these two
 *  sums, the second being 0 if there is none. States and average stay in the
 *  checkpoint for rn_checkpoint_restore(). */
int rn_checkpoint_load(struct rn_checkpoint *c, const char *path,
                       struct rn_model **model, struct rn_progress *progress,
                       const uint64_t options[2], struct rn_error *err);
void rn_checkpoint_restore(const struct rn_checkpoint *c,
                           struct rn_store *store, struct rn_ema *average);

/* ---------------------------------------------------------------- log */

/** Columns of log.csv: those of all lines, the heads' loss, a test's measures.
 */
#define RN_LOG_COLUMNS (8 + RN_MEASURED_MAX)

struct rn_log {
    FILE *file, *table;                 /* log.jsonl; log.csv, or NULL */
    const char *path, *table_path;      /* borrowed */
    const char *column[RN_LOG_COLUMNS]; /* static names */
    int columns;
};

/** Open a log to append to and lock it: RN_ERR_ARG when another process
 *  trains there. */
int rn_log_open(struct rn_log *log, const char *path, struct rn_error *err);
/** Write log.csv with these columns from the lines that there are, of a run of
 *  so many iterations, to go on with each line. */
int rn_log_table(struct rn_log *log, const char *path,
                 const struct rn_measured *measured, int measures, bool aux,
                 long iterations, struct rn_error *err);
int rn_log_line(struct rn_log *log, const struct rn_train_report *report,
                struct rn_error *err);
/** Append a record of layers, an object with these two of them. Takes the
 *  references; NULL stands for a lack of memory. */
int rn_log_record(struct rn_log *log, long iteration, json_t *gradients,
                  json_t *activations, struct rn_error *err);
/** Onto the disk, so that no checkpoint is newer than its log. */
int rn_log_sync(struct rn_log *log, struct rn_error *err);
void rn_log_close(struct rn_log *log);

/** A line of a log as it is read. */
struct rn_log_entry {
    long iteration;
    bool record; /* of layers, else a report */
    json_t *object;
};

/** What was no line of a log: not JSON, or of an iteration that does not come
 *  after those before it, or that the run does not have. */
struct rn_log_faults {
    long lines, broken, first; /* of all; the first one's number, from 1 */
};

/** Cut an open log of a run of so many iterations back to its reports up to an
 *  iteration, and its records of layers up to another; what was passed over
 *  before them. */
int rn_log_cut(struct rn_log *log, long reported, long recorded,
               long iterations, struct rn_log_faults *faults,
               struct rn_error *err);

/** Hand out the lines of the log of a run of so many iterations in order; false
 *  ends it with RN_ERR_MEMORY. A last line without its end, of a run that was
 *  killed, is none. */
int rn_log_read(const char *path, long iterations,
                bool (*take)(void *user, const struct rn_log_entry *line),
                void *user, struct rn_log_faults *faults, struct rn_error *err);

/* ------------------------------------------------------------- events */

/** Zeroed: there are none to be written. */
struct rn_events {
    FILE *file;
    const char *path; /* borrowed */
};

/** Open a file of events for TensorBoard to append to: a new one, or one that
 *  is cut back to an iteration. */
int rn_events_open(struct rn_events *events, const char *path, long iteration,
                   struct rn_error *err);
int rn_events_line(struct rn_events *events,
                   const struct rn_train_report *report, struct rn_error *err);
void rn_events_close(struct rn_events *events);

/* -------------------------------------------------------------- curve */

struct rn_curve {
    char title[160];       /* "resnet20 on cifar10" */
    const char *test_name; /* "test" or "validation" */
    long iterations;
    const long *step; /* iterations where lr drops */
    int steps;
    double divisor; /* of lr at each of them */
};

/** Draw a log as SVG. A log without lines draws empty axes. */
int rn_curve_write(const char *log, const char *svg,
                   const struct rn_curve *curve, struct rn_error *err);

#endif
