/* SPDX-License-Identifier: BSD-2-Clause */
/* Data sets, in memory or fetched image by image, and the loader that makes
 * batches of them. */
#ifndef RN_DATA_DATA_H
#define RN_DATA_DATA_H

#include "core/error.h"
#include "core/holders.h"
#include "data/archives/files.h"
#include "data/pictures/image.h"
#include "graph/graph.h"
#include "model/preprocessing.h"

#include <stdbool.h>
#include <stdint.h>

/** One part: pixels [count][c][h][w] and labels [count]. A validation part
 *  points into the training part's arrays. Images that are fetched have names
 *  instead of pixels. */
struct rn_images {
    int count;
    uint8_t *pixels;
    uint16_t *labels;
    char **files;  /* [count], or NULL */
    uint32_t *key; /* likewise: where in a file's path begins what it is known
                      by when some are held out: CLASS/FILE, or the FILE of a
                      list */
    uint32_t *set; /* likewise, or NULL: where in the data's `members` begin
                      the classes of an image, see rn_data_set(); `labels` has
                      the first, or 0 */
};

/** Which pictures are held out, which folders are classes and in what order is
 *  a matter of rules, numbered as in struct rn_data_options: a run goes on
 *  under the one it began with. */
enum rn_data_rule {
    /* The choice follows from names below DATA. Classes are in byte order, the
     * five names of parts in lower case, and no folder but hidden ones is left
     * out. */
    RN_RULE_FIRST = 1,
    /* The choice follows from CLASS/FILE alone. Classes that are all numbers
     * are in their order. Parts and what is left out: layout.c, files.c. */
    RN_RULE_KEYS = 2,
    /* Copies of a picture, listed more than once, are held out together or not
     * at all. Numbers of classes count as classes.txt has them, from 1 on, too.
     */
    RN_RULE_COPIES = 3,
    RN_RULE_NEWEST = RN_RULE_COPIES,
};

/** Const once it is open, for any number of threads, but for the remarks,
 *  which have a lock of their own (remarks.c). */
struct rn_data {
    struct rn_holders holders;
    const char *format;
    char *spec; /* as given, but for slashes at its end */
    char *real; /* of pictures: the same without links, or NULL */
    enum rn_data_rule rule;
    struct rn_data_options held_out; /* how, as asked for */
    struct rn_shape shape; /* of every image; 0 x 0 when they differ */
    bool coarse;           /* CIFAR-100's coarse labels are asked for */
    int classes;
    /* Image `index` of a part as `view` shows it, [crops][c][h][w], for data
     * that are not in memory; NULL for those that are. Several threads call it
     * at once. */
    int (*fetch)(const struct rn_data *data, enum rn_part part, uint32_t index,
                 const struct rn_view *view, uint8_t *pixels,
                 struct rn_error *err);
    struct rn_files source;   /* where pictures lie */
    struct rn_images part[3]; /* by enum rn_part */
    uint8_t *pixels[2];       /* owned memory: training, test */
    uint16_t *labels[3];      /* and, of pictures, validation */
    char **files[3];          /* each ends with NULL */
    uint32_t *keys[3];
    uint32_t *sets[3];
    uint16_t *members; /* of sets, the number of classes before each */
    size_t n_members, member_room;
    char *several;      /* text on the first image that has not one class: file,
                           line, name; NULL: each has one */
    char **class_names; /* `classes` entries and a NULL; or NULL */
    char **class_ids;   /* likewise */
    bool by_number;     /* the classes are in the order of numbers */
    int first_number;   /* that classes.txt has, where it has numbers */
    uint64_t checksum;
    uint64_t training; /* checksum of the training images, held out or not,
                          however DATA is written */
};

/** One holder more, for whoever keeps the data beyond a call, and one less:
 *  rn_data_close() of data held. */
const struct rn_data *rn_data_hold(const struct rn_data *data);
void rn_data_drop(const struct rn_data *data);

/** An image's classes, borrowed, in *classes; how many there are. */
int rn_data_set(const struct rn_data *data, enum rn_part part, int index,
                const uint16_t **classes);
/** Set seen[c] of each class c that has an image in the part. */
void rn_data_see(const struct rn_data *data, enum rn_part part, bool *seen);

/** Before DATA's path, where the coarse labels are wanted. */
#define RN_DATA_COARSE "coarse:"

/* ------------------------------------------------------ normalisation */

/** Per-channel mean and (population) std of the training part, pixels scaled
 *  to 0..1. The std of a channel that never changes is given as 1, so that
 *  it can be divided by. */
void rn_data_channel_stats(const struct rn_data *data, float *mean, float *std);
/** Mean of every pixel of the training part, [c][h][w], scaled to 0..1. */
void rn_data_pixel_mean(const struct rn_data *data, float *mean);

/* ------------------------------------------------------------ sampler */

enum rn_last_batch { RN_LAST_WRAP, RN_LAST_DROP, RN_LAST_KEEP };

/** Which images make batch `iteration`: a pure function of its fields. */
struct rn_sampler {
    uint64_t seed;
    int count; /* images of the part */
    int batch;
    enum rn_last_batch last;
    bool shuffle;
    int of; /* unless 0: the part has as many, of which `count` are taken,
               spread evenly; not shuffled */
};

/** Batches in an epoch; for RN_LAST_WRAP the (fractional) quotient. */
double rn_sampler_batches(const struct rn_sampler *s);

struct rn_pick {
    uint32_t epoch;
    uint32_t index; /* within the part */
};

/** The i-th of `count` spread evenly over `of`. */
int rn_spread(int i, int count, int of);

/** Images in batch `iteration` (0-based): s->batch, or fewer for the last of
 *  an epoch under RN_LAST_KEEP; 0 when the epochs hold no batch at all
 *  (RN_LAST_DROP with a batch larger than the part). */
int rn_sampler_size(const struct rn_sampler *s, long iteration);

/** Epoch of image j of batch `iteration`, and its place (as `index`) in that
 *  epoch's order. j < rn_sampler_size(). */
struct rn_pick rn_sampler_place(const struct rn_sampler *s, long iteration,
                                int j);

/** The order of the images in one epoch, kept from pick to pick. */
struct rn_order {
    uint32_t *index; /* [count]; NULL when images are not shuffled */
    int64_t epoch;   /* whose order index holds; -1: none yet */
};

int rn_order_create(struct rn_order *order, const struct rn_sampler *s,
                    struct rn_error *err);
void rn_order_destroy(struct rn_order *order);

/** The very image: rn_sampler_place() looked up in its epoch's order, which
 *  is made anew when the epoch changes. Allocates nothing. */
struct rn_pick rn_sampler_pick(const struct rn_sampler *s,
                               struct rn_order *order, long iteration, int j);

/* ------------------------------------------------------------- loader */

enum rn_colour {
    RN_COLOUR_NONE,
    RN_COLOUR_PCA,    /* the paper's */
    RN_COLOUR_JITTER, /* brightness, contrast, saturation */
};

struct rn_augment {
    bool crop; /* pad by `pad` zeros (after the mean is subtracted, so that
                  zero is the mean) and crop the original size */
    bool flip;
    int pad;
    enum rn_colour colour;
    double erase;         /* share of the images that have a part erased */
    double mixup, cutmix; /* parameter of the beta distribution, to 1; 0:
                             off. With both, each image has one of them */
};

struct rn_loader_config {
    const struct rn_data *data; /* borrowed until the loader is gone */
    enum rn_part part;
    struct rn_view view;   /* how images are fetched; not used for data that
                              are in memory */
    const int32_t *labels; /* label to deliver for each of the data's
                              classes; NULL: its own. Borrowed, too */
    int threads;           /* that fetch images; 0 or 1: one */
    bool sets;             /* batches tell `wanted` */
    bool skip_bad;         /* other images stand in for those that cannot be
                              fetched */
    struct rn_sampler sampler;
    struct rn_augment augment;
    bool per_pixel, bgr;
    const float *mean, *std; /* as in struct rn_preprocessing; copied */
    float contrast;          /* likewise */
    const float *whitening;
    long first; /* first iteration to deliver */
    long end;   /* one past the last */
    int every;  /* of so many iterations one; 0: 1 */
    /* Of each batch the `share`-th of so many equal shares alone; 0: all. */
    int share, shares;
};

/** Prepare images as a model says; its numbers are borrowed until the loader is
 *  made. */
void rn_loader_prepare_as(struct rn_loader_config *config,
                          const struct rn_preprocessing *pre);

struct rn_batch {
    long iteration;
    int count;
    uint32_t epoch;      /* of its first image */
    const float *images; /* [count][crops][c][h][w] */
    const int32_t *labels;
    const int32_t *others; /* labels mixed in, and the share of `labels`: */
    const float *share;    /* NULL when nothing is mixed */
    const float *wanted;   /* [count][classes of the data] what each class is
                              to be, from 0 to 1; NULL unless asked for */
};

/** Makes batches ahead of time in threads of its own. */
struct rn_loader;

int rn_loader_create(struct rn_loader **out,
                     const struct rn_loader_config *config,
                     struct rn_error *err);
/** Next batch, valid until the next call; *waited grows by the seconds the
 *  caller had to wait. Returns RN_ERR_ARG past the end; the error of the first
 *  image in the batch that could not be fetched. */
int rn_loader_next(struct rn_loader *loader, struct rn_batch *batch,
                   double *waited, struct rn_error *err);
/** The i-th image so far that another one stood in for, as text on what is
 *  wrong with it, or NULL: each is told of once. */
const char *rn_loader_skipped(struct rn_loader *loader, size_t i);
void rn_loader_destroy(struct rn_loader *loader);

/** Shape of the images that a loader delivers, and how many it makes of each
 *  of the data's: its batches are [count][crops][c][h][w]. */
const struct rn_shape *rn_loader_shape(const struct rn_loader_config *config);
int rn_loader_crops(const struct rn_loader_config *config);

/** Pixels [c][h][w] normalised and augmented as the loader does it: a function
 *  of config, pick and pixels. `mean` has c entries, or c*h*w with
 *  per_pixel. */
void rn_image_augment(const struct rn_loader_config *config,
                      struct rn_pick pick, const uint8_t *pixels, float *out);
/** The same of an image that is in memory. */
void rn_image_prepare(const struct rn_loader_config *config,
                      struct rn_pick pick, float *out);

#endif
