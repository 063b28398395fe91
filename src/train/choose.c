/* SPDX-License-Identifier: BSD-2-Clause */
/* What the options leave open: the paper's choices for images of one size;
 * for pictures, rules by their number, memory and weights. */
#include "core/available.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>

/* Without weights: a network and size for up to so many training pictures.
 * Few pictures cannot feed a large network, and the rest is time: `epochs`
 * and `batch` make runs of minutes, hours, days on a few cores. */
static const struct rung {
    int pictures;
    const char *net;
    int size, batch;
    double epochs, area;
} ladder[] = {
    {2000, "resnet20", 64, 32, 100, 0.25},
    {20000, "resnet18", 128, 64, 60, 0.25},
    {300000, "resnet18", 224, 64, 45, 0.08},
    {INT_MAX, "resnet50", 224, 32, 90, 0.08},
};

/* With weights: for up to so many training pictures, how many of the stages
 * before the head had better learn. They do so at a tenth of its rate, for they
 * know something already. */
static const struct {
    int pictures, learn;
} tuned[] = {
    {1000, 0},
    {10000, 1},
    {INT_MAX, INT_MAX},
};
/* And up to so many batch norm keeps the statistics it came with. */
#define RUNNING_PICTURES 20000
#define TUNE_AREA        0.35

static int pictures_of(const struct rn_trainer *t)
{
    return t->data->part[RN_PART_TRAIN].count;
}

static const struct rung *rung_of(const struct rn_trainer *t)
{
    const struct rung *r = ladder;

    while (pictures_of(t) > r->pictures)
        r++;
    return r;
}

/* Round so that the shorter side is to the size as 256 is to 224. */
static int shorter_of(int size)
{
    return (size * 8 + 3) / 7;
}

static int only_square(const struct rn_model *weights, struct rn_error *err)
{
    const struct rn_shape *s = &weights->spec.input;

    if (s->h == s->w)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "the weights are for images of %d x %d: say which size "
                   "pictures are to become",
                   s->h, s->w);
}

/* Network and size for pictures. */
static int choose_pictures(struct rn_trainer *t, const struct rn_model *weights,
                           struct rn_error *err)
{
    struct rn_train_options *o = &t->o;
    int rc = RN_OK;

    if (!weights && !o->net) {
        o->net = rung_of(t)->net;
        rn_trainer_say(t, "net %s, for %d training pictures", o->net,
                       pictures_of(t));
    }
    if (o->size == 0 && weights) {
        rc = only_square(weights, err);
        o->size = weights->spec.input.h;
        rn_trainer_say(t, "size %d, as the weights'", o->size);
    } else if (o->size == 0 && t->teacher.model) {
        o->size = t->teacher.model->spec.input.h;
        rn_trainer_say(t, "size %d, as the teacher's", o->size);
    } else if (o->size == 0) {
        o->size = rung_of(t)->size;
        rn_trainer_say(t, "size %d, for %d training pictures", o->size,
                       pictures_of(t));
    }
    if (o->resize == 0 && weights && o->size == weights->spec.input.h)
        o->resize = weights->preprocessing.resize;
    if (o->resize == 0)
        o->resize = shorter_of(o->size);
    return rc;
}

/* What pictures alone can be given. */
static int check_images(const struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_train_options *o = &t->o;

    if (o->size > 0 || o->resize > 0)
        return rn_fail(
            err, RN_ERR_ARG,
            "`size` and `resize` are for pictures; the images of '%s' "
            "are %d x %d",
            o->data, t->data->shape.h, t->data->shape.w);
    if (o->augment && rn_train_choice("augment", o->augment) >= RN_AUGMENT_AREA)
        return rn_fail(err, RN_ERR_ARG,
                       "`augment` '%s' is for pictures; '%s' has images of one "
                       "size: expected none, flip, crop or crop-flip",
                       o->augment, o->data);
    return RN_OK;
}

static int check_combinations(const struct rn_train_options *o,
                              struct rn_error *err)
{
    if (o->reestimate && o->patience > 0)
        return rn_fail(err, RN_ERR_ARG,
                       "`reestimate` and `patience`: a run that may end at any "
                       "test has no last step to do it after");
    if ((o->reestimate || o->sync_batch_norm) && rn_keeps_statistics(o))
        return rn_fail(err, RN_ERR_ARG,
                       "`%s` and `batch_norm` running: these statistics stay "
                       "as they are",
                       o->reestimate ? "reestimate" : "sync_batch_norm");
    if (o->reestimate && o->sync_batch_norm)
        return rn_fail(err, RN_ERR_ARG,
                       "`reestimate` and `sync_batch_norm`: statistics are "
                       "made anew of each group by itself");
    return RN_OK;
}

int rn_trainer_choose_network(struct rn_trainer *t,
                              const struct rn_model *weights,
                              struct rn_error *err)
{
    int rc = check_combinations(&t->o, err);

    if (rc == RN_OK)
        rc = rn_trainer_check_unheeded(t, weights, err);
    if (rc == RN_OK && rn_trainer_pictures(t))
        rc = choose_pictures(t, weights, err);
    else if (rc == RN_OK)
        rc = check_images(t, err);
    if (!weights && !t->o.net)
        t->o.net = "resnet20";
    return rc;
}

/* ------------------------------------------------------------- the rest */

static void set_text(const char **text, const char *value)
{
    if (!*text)
        *text = value;
}

/* "conv1-conv4": those of the network's stages [from, to) before the head that
 * have something to learn; or "none". */
static void name_stages(char text[RN_STAGES_TEXT], const struct rn_graph *graph,
                        const int stages[RN_STAGES], int from, int to)
{
    const char *first, *last;

    snprintf(text, RN_STAGES_TEXT, "none");
    if (from >= to)
        return;
    first = rn_stages_name(graph, stages[from]);
    last = rn_stages_name(graph, stages[to - 1]);
    snprintf(text, RN_STAGES_TEXT, "%s%s%s", first, from + 1 < to ? "-" : "",
             from + 1 < to ? last : "");
}

/* Of auxiliary heads, which training alone computes. */
static unsigned heads_stages(const struct rn_graph *graph)
{
    unsigned bits = 0;

    for (size_t i = rn_graph_trunk(graph); i < graph->n_nodes; i++)
        if (graph->nodes[i].stage > 0)
            bits |= 1u << (graph->nodes[i].stage - 1);
    return bits;
}

/* By the pictures there are. From the first stage on that is not all of the
 * weights, all learn at the full rate. */
static void choose_tuned(struct rn_trainer *t)
{
    const struct rn_graph *graph = t->model->graph;
    unsigned learn = rn_rates_stages(graph) & ~heads_stages(graph);
    int stages[RN_STAGES], count = 0, frozen;
    size_t i = 0;

    for (int k = 0; k < rn_stages_count(graph) - 1 && !(t->drawn >> k & 1); k++)
        if (learn >> k & 1)
            stages[count++] = k;
    while (pictures_of(t) > tuned[i].pictures)
        i++;
    frozen = tuned[i].learn < count ? count - tuned[i].learn : 0;
    name_stages(t->tuned.freeze, graph, stages, 0, frozen);
    name_stages(t->tuned.lr_scale, graph, stages, frozen, count);
    if (frozen < count)
        strcat(t->tuned.lr_scale, "=0.1");
    t->o.freeze = t->tuned.freeze;
    set_text(&t->o.lr_scale, t->tuned.lr_scale);
}

static void choose_stages(struct rn_trainer *t)
{
    struct rn_train_options *o = &t->o;
    bool tune = o->weights != NULL;

    if (!o->freeze && tune && t->model) {
        choose_tuned(t);
        /* who gives stages rates wants them to learn */
        if (rn_rates_idle(o))
            o->freeze = "none";
        rn_trainer_say(t, "freeze %s, lr-scale %s, for %d training pictures",
                       o->freeze, o->lr_scale, pictures_of(t));
    }
    if (!o->batch_norm && tune && !o->reestimate && !o->sync_batch_norm &&
        pictures_of(t) <= RUNNING_PICTURES) {
        o->batch_norm = "running";
        rn_trainer_say(t, "batch-norm running, as the weights'");
    }
}

/* A power of two that leaves a dozen batches in an epoch. */
static int batch_for(int pictures, int most)
{
    int batch = most;

    while (batch > 16 && batch * 12 > pictures)
        batch /= 2;
    return batch < pictures ? batch : pictures;
}

static void choose_length(struct rn_trainer *t)
{
    struct rn_train_options *o = &t->o;
    bool tune = o->weights != NULL;

    if (o->batch == 0) {
        t->batch_chosen = true;
        o->batch = batch_for(pictures_of(t), tune ? 32 : rung_of(t)->batch);
    }
    if (o->epochs <= 0 && o->iterations == 0) {
        o->epochs = tune ? fmin(30, fmax(5, ceil(20000.0 / pictures_of(t))))
                         : rung_of(t)->epochs;
        rn_trainer_say(t, "epochs %g, for %d training pictures", o->epochs,
                       pictures_of(t));
    }
}

static void choose_for_pictures(struct rn_trainer *t)
{
    struct rn_train_options *o = &t->o;
    bool tune = o->weights != NULL;

    choose_stages(t);
    choose_length(t);
    set_text(&o->augment, "area");
    if (o->crop_area <= 0 && strcmp(o->augment, "area") == 0)
        o->crop_area = tune ? TUNE_AREA : rung_of(t)->area;
    set_text(&o->schedule, tune ? "cosine" : "one-cycle");
}

/* The optimiser's usual learning rate in that of sgd. */
static double rate(const struct rn_train_options *o)
{
    return rn_optimiser_find(o->optimizer)->rate;
}

void rn_trainer_choose_rest(struct rn_trainer *t)
{
    struct rn_train_options *o = &t->o;

    if (rn_trainer_pictures(t))
        choose_for_pictures(t);
    if (o->batch == 0)
        o->batch = RN_TRAIN_BATCH;
    if (o->lr <= 0 && !rn_trainer_pictures(t))
        o->lr = 0.1 * rate(o);
    set_text(&o->optimizer, "sgd");
    set_text(&o->loss, "cross-entropy");
    t->loss = rn_loss_find(o->loss);
    set_text(&o->schedule, "step:50%,75%");
    set_text(&o->warmup, "none");
    set_text(&o->augment, "crop-flip");
    set_text(&o->normalize, "channel");
    set_text(&o->last_batch, "wrap");
    set_text(&o->colour, "none");
    set_text(&o->freeze, "none");
    set_text(&o->lr_scale, "none");
    set_text(&o->max_norm, "none");
    set_text(&o->batch_norm, "batch");
    set_text(&o->class_weights, "none");
}

/* --------------------------------------------------------------- memory */

/* Of what is available a run takes no more than this, when it may choose. */
#define SHARE 0.6

static const char *because(const struct rn_trainer *t, bool fewer)
{
    return fewer          ? "as memory allows"
           : t->o.weights ? "for fine-tuning"
                          : "for this network";
}

/* Fewer images, or as few more as groups of one take, that groups divide. */
static int whole_groups(const struct rn_trainer *t, int batch)
{
    int groups = rn_trainer_groups(t);

    return batch < groups ? groups : batch - batch % groups;
}

int rn_trainer_choose_batch(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_train_options *o = &t->o;
    double room = SHARE * (double)rn_trainer_room(t);
    uint64_t bytes = 0;
    bool fewer = false;
    int rc = RN_OK;

    if (t->batch_chosen)
        o->batch = whole_groups(t, o->batch);
    while (t->batch_chosen && o->batch > rn_trainer_groups(t)) {
        rc = rn_trainer_memory(t, o->batch, o->recompute, &bytes, err);
        if (rc != RN_OK || (double)bytes <= room)
            break;
        o->batch = whole_groups(t, o->batch / 2);
        fewer = true;
    }
    if (t->batch_chosen)
        rn_trainer_say(t, "batch %d, %s", o->batch, because(t, fewer));
    if (o->lr <= 0) {
        int batches = o->accumulate > 1 ? o->accumulate : 1;
        int images = o->lr_batch > 0 ? o->lr_batch : o->batch * batches;

        o->lr = (o->weights ? 0.004 : 0.1) * images / 64 * rate(o);
        if (o->lr_batch > 0)
            rn_trainer_say(t, "lr %g, schedule %s, for %d images a step", o->lr,
                           o->schedule, o->lr_batch);
        else
            rn_trainer_say(t, "lr %g, schedule %s, for batch %d%s", o->lr,
                           o->schedule, o->batch,
                           batches > 1 ? " and accumulate" : "");
    }
    return rc;
}
