/* SPDX-License-Identifier: BSD-2-Clause */
/* The model a run starts from: made anew, or from weights, with a head of its
 * own where the classes are others. */
#include "core/letters.h"
#include "core/memory.h"
#include "data/sets/numerals.h"
#include "model/head.h"
#include "nets/family.h"
#include "train/trainer.h"

#include <math.h>
#include <string.h>

/* -------------------------------------------------------- preprocessing */

/* Of pictures so many give mean and deviation well enough. */
#define SAMPLE 1024
/* A batch of them, unless one picture alone takes more. */
#define SAMPLE_BYTES ((size_t)64 << 20)

/* Sums over a batch of images of 0..1: of each pixel, and of the channels'
 * squares. */
static void add_batch(const struct rn_batch *batch, const struct rn_shape *s,
                      double *sum, double *square)
{
    size_t plane = rn_shape_pixels(*s), n = (size_t)s->c * plane;

    for (size_t i = 0; i < (size_t)batch->count * n; i++) {
        double v = (double)batch->images[i];

        sum[i % n] += v;
        square[i % n / plane] += v * v;
    }
}

/* Mean of every pixel or channel, and the channels' std, of the pictures that
 * the loader gives. */
static void finish_stats(const struct rn_shape *s, bool per_pixel, double count,
                         const double *sum, const double *square, float *mean,
                         float *std)
{
    size_t plane = rn_shape_pixels(*s);

    for (size_t c = 0; c < (size_t)s->c; c++) {
        double total = 0, m, var;

        for (size_t i = 0; i < plane; i++) {
            total += sum[c * plane + i];
            if (per_pixel)
                mean[c * plane + i] = (float)(sum[c * plane + i] / count);
        }
        m = total / count / (double)plane;
        var = square[c] / count / (double)plane - m * m;
        if (!per_pixel)
            mean[c] = (float)m;
        std[c] = per_pixel || !(var > 0) ? 1.0F : (float)sqrt(var);
    }
}

static int sum_pictures(struct rn_loader *loader, long batches,
                        const struct rn_shape *s, double *sum, double *square,
                        double *count, struct rn_error *err)
{
    struct rn_batch batch;
    int rc = RN_OK;

    *count = 0;
    for (long i = 0; i < batches && rc == RN_OK; i++) {
        rc = rn_loader_next(loader, &batch, NULL, err);
        if (rc == RN_OK) {
            add_batch(&batch, s, sum, square);
            *count += batch.count;
        }
    }
    return rc;
}

/* Large ones few at a time: a loader holds several batches. */
static int sample_batch(int count, size_t floats)
{
    size_t most = SAMPLE_BYTES / (floats * sizeof(float));
    int batch = count < 16 ? count : 16;

    if (most < (size_t)batch)
        batch = most > 1 ? (int)most : 1;
    return batch;
}

/* Statistics of a sample of the training pictures, as they are tested on. */
static int picture_stats(const struct rn_trainer *t, bool per_pixel,
                         float *mean, float *std, struct rn_error *err)
{
    static const float zero[4], one[4] = {1, 1, 1, 1};
    const struct rn_shape *s = &t->model->spec.input;
    size_t pixels = rn_shape_size(*s);
    int count = t->data->part[RN_PART_TRAIN].count;
    struct rn_loader_config config = {
        .data = t->data,
        .part = RN_PART_TRAIN,
        .view = rn_view_of(t->model),
        .threads = t->threads,
        .sets = t->data->several != NULL,
        .skip_bad = t->o.skip_bad != 0,
        .sampler = {.seed = t->o.seed,
                    .count = count,
                    .batch = sample_batch(count, pixels),
                    .shuffle = true},
        .mean = zero,
        .std = one,
    };
    double *sum = rn_alloc(pixels, sizeof(double)), square[4] = {0}, n;
    struct rn_loader *loader = NULL;
    int rc;

    config.view.reduce = true;
    config.end = (count < SAMPLE ? count : SAMPLE) / config.sampler.batch;
    if (!sum)
        return rn_fail_memory(err, pixels * sizeof(double), "a mean image");
    rc = rn_loader_create(&loader, &config, err);
    if (rc == RN_OK)
        rc = sum_pictures(loader, config.end, s, sum, square, &n, err);
    if (rc == RN_OK)
        finish_stats(s, per_pixel, n, sum, square, mean, std);
    rn_loader_destroy(loader);
    rn_free(sum);
    return rc;
}

static int image_stats(const struct rn_trainer *t, bool per_pixel, float *mean,
                       float *std, struct rn_error *err)
{
    if (rn_trainer_pictures(t))
        return picture_stats(t, per_pixel, mean, std, err);
    if (per_pixel)
        rn_data_pixel_mean(t->data, mean);
    else
        rn_data_channel_stats(t->data, mean, std);
    /* The per-pixel mean of the paper goes without a std. */
    for (int i = 0; i < t->data->shape.c && per_pixel; i++)
        std[i] = 1;
    return RN_OK;
}

static int set_preprocessing(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_shape s = t->model->spec.input;
    int kind = rn_train_choice("normalize", t->o.normalize);
    bool per_pixel = kind == RN_NORMALIZE_PIXEL;
    size_t pixels = rn_shape_size(s);
    float *mean, *std;
    int rc;

    if (kind >= RN_NORMALIZE_GCN)
        return rn_trainer_whiten(t, kind == RN_NORMALIZE_ZCA, err);
    mean = rn_alloc(pixels, sizeof(float));
    std = rn_alloc((size_t)s.c, sizeof(float));
    if (!mean || !std)
        rc = rn_fail_memory(err, pixels * sizeof(float), "a mean image");
    else
        rc = image_stats(t, per_pixel, mean, std, err);
    if (rc == RN_OK)
        rc = rn_model_set_preprocessing(t->model, per_pixel, mean, std, err);
    rn_free(mean);
    rn_free(std);
    return rc;
}

/* Pictures are tested on as the options say, or as the weights were. */
static int set_resize(struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_preprocessing *pre = &t->model->preprocessing;

    if (!rn_trainer_pictures(t) || t->o.resize == 0)
        return RN_OK;
    return rn_model_set_resize(t->model, t->o.resize, pre->interpolation, err);
}

/* --------------------------------------------------------------- weights */

/* Options that name a network must name the one in the file. Images of one
 * size must be those of the model, pictures become so. */
static int load_weights(struct rn_trainer *t, struct rn_model **model,
                        struct rn_error *err)
{
    const struct rn_import_options options = {
        .net = t->o.net,
        .shortcut = t->o.shortcut,
        .stride = t->o.stride_v1 ? "v1" : NULL,
        .height = t->data->shape.h,
        .width = t->data->shape.w,
        .user = t,
        .message = rn_trainer_say_text,
        .headless = 1,
        .holder = t->o.holder,
        .map = t->o.map,
        .skip_extra = t->o.skip_extra,
        .aux_heads = 1,
    };

    return rn_model_import(model, t->o.weights, &options, err);
}

/* Whether the network of that size is trained with auxiliary heads. */
static int choose_aux(const struct rn_trainer *t, struct rn_net_spec *spec,
                      struct rn_error *err)
{
    const struct rn_shape *s = &spec->input;
    uint64_t params;
    size_t heads;

    spec->aux = false;
    if (t->o.aux_heads == RN_AUX_HEADS_ON)
        return rn_net_want_aux(spec, err);
    if (t->o.aux_heads == RN_AUX_HEADS_OFF || !rn_net_has_aux(spec))
        return RN_OK;
    rn_net_count_aux(spec, &heads, &params);
    spec->aux = heads > 0;
    if (!spec->aux)
        rn_trainer_say(t,
                       "no auxiliary heads: those of %s do not fit images of "
                       "%d x %d",
                       spec->name, s->h, s->w);
    return RN_OK;
}

/* Whether names that are numbers are those of the classes without names. */
static bool are_indices(char *const *names, int count)
{
    if (!rn_numerals(names, (size_t)count))
        return true; /* words: of these nothing is known */
    for (int i = 0; i < count; i++)
        if (rn_numeral(names[i]) != i)
            return false;
    return true;
}

/* The names of classes that a model or data have, or NULL. */
static char *const *texts_of(char *const *ids, char *const *names)
{
    return ids ? ids : names;
}

bool rn_trainer_same_classes(const struct rn_model *m, const struct rn_data *d)
{
    size_t count = (size_t)d->classes;
    char *const *texts;

    if (m->spec.classes != d->classes || m->headless)
        return false;
    if (m->class_ids && d->class_ids)
        return rn_texts_equal(m->class_ids, d->class_ids, count);
    if (m->class_names && d->class_names)
        return rn_texts_equal(m->class_names, d->class_names, count);
    if ((texts = texts_of(m->class_ids, m->class_names)) == NULL)
        texts = texts_of(d->class_ids, d->class_names);
    return !texts || are_indices(texts, d->classes);
}

void rn_trainer_tell_order(const struct rn_trainer *t, const struct rn_model *m,
                           const char *what)
{
    const struct rn_data *d = t->data;
    char *const *texts = texts_of(d->class_ids, d->class_names);
    size_t count = (size_t)d->classes;

    if (!rn_trainer_pictures(t) || !texts || m->class_ids || m->class_names ||
        !rn_trainer_same_classes(m, d) || !rn_numerals(texts, count) ||
        !rn_numerals_two_orders(texts, count))
        return;
    rn_trainer_say(t,
                   "the classes of '%.100s' are called by numbers, and taken "
                   "for those of %s '%.100s' by these: it has no names. If it "
                   "has them in the order of texts (0, 1, 10, 11, 2, ...), as "
                   "of torchvision's ImageFolder, give it names first "
                   "('resnet convert' with --labels, a file of these lines)",
                   d->spec, what, m->path ? m->path : m->spec.name);
}

/* Shape of the images that the network is to take. */
static struct rn_shape input_shape(const struct rn_trainer *t)
{
    struct rn_shape s = t->data->shape;

    if (rn_trainer_pictures(t))
        s.h = s.w = t->o.size;
    return s;
}

/* The weights' network for the data's classes and size, not trained yet. */
static int make_like(struct rn_trainer *t, const struct rn_model *weights,
                     struct rn_error *err)
{
    struct rn_net_spec spec = weights->spec;
    struct rn_graph *graph;
    int rc;

    if (!spec.family)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' holds a network of no family known here: neither "
                       "its classes nor its size can be changed",
                       t->o.weights);
    spec.classes = t->data->classes;
    spec.input = input_shape(t);
    rc = choose_aux(t, &spec, err);
    if (rc == RN_OK)
        rc = rn_net_build(&graph, &spec, err);
    if (rc != RN_OK)
        return rc;
    t->model = rn_model_wrap(&spec, graph);
    if (!t->model) {
        rn_graph_destroy(graph);
        return rn_fail_memory(err, sizeof(*t->model), "a model");
    }
    rn_model_init(t->model, t->o.seed);
    return RN_OK;
}

/* Parameters of the same name and size; the head may have another. Nodes are
 * the same, and batch norm may have an eps of its own. What has another size
 * because images have stays as it was drawn, and is added to the list. */
static void copy_params(struct rn_trainer *t, const struct rn_graph *from,
                        bool head, char *drawn, size_t size)
{
    struct rn_graph *to = t->model->graph;
    size_t used = 0;

    for (size_t i = 0; i < to->n_nodes && i < from->n_nodes; i++)
        to->nodes[i].eps = from->nodes[i].eps;
    for (size_t i = 0; i < to->n_params; i++) {
        struct rn_param *p = &to->params[i];
        const struct rn_param *q = rn_graph_param(from, p->name);
        bool anew = !head && rn_net_counts_classes(to, (int)i);

        if (q && q->count == p->count && !anew) {
            memcpy(p->data, q->data, p->count * sizeof(*p->data));
            continue;
        }
        if (q && !anew && used < size)
            used += (size_t)snprintf(drawn + used, size - used, "%s%s",
                                     used ? ", " : "", p->name);
        if (p->stage > 0)
            t->drawn |= 1u << (p->stage - 1);
    }
}

int rn_trainer_copy_preprocessing(struct rn_model *to,
                                  const struct rn_model *from,
                                  struct rn_error *err)
{
    const struct rn_preprocessing *pre = &from->preprocessing;
    int rc = RN_OK;

    if (pre->mean)
        rc = rn_model_set_preprocessing(to, pre->per_pixel, pre->mean, pre->std,
                                        err);
    if (rc == RN_OK)
        rc = rn_model_set_whitening(to, pre->contrast, pre->whitening, err);
    if (rc == RN_OK)
        rc = rn_model_set_bgr(to, pre->bgr, err);
    to->preprocessing.interpolation = pre->interpolation;
    return rc;
}

static int check_adopted(const struct rn_trainer *t,
                         const struct rn_model *weights, struct rn_error *err)
{
    const struct rn_shape *m = &weights->spec.input;
    bool pictures = rn_trainer_pictures(t);

    if (m->c != t->data->shape.c)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' takes images of %d channels, those of '%s' have "
                       "%d",
                       t->o.weights, m->c, t->data->spec, t->data->shape.c);
    if (!pictures && (m->h != t->data->shape.h || m->w != t->data->shape.w))
        return rn_model_fits(weights, t->data, err);
    if (pictures && weights->preprocessing.per_pixel &&
        (m->h != t->o.size || m->w != t->o.size))
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' takes a mean of every pixel away, of %d x %d: "
                       "`size` %d cannot be had",
                       t->o.weights, m->h, m->w, t->o.size);
    return RN_OK;
}

/* The weights in a network for the data's classes and size. */
static int adopt(struct rn_trainer *t, const struct rn_model *weights,
                 struct rn_error *err)
{
    const struct rn_net_spec *spec = &weights->spec;
    bool head = rn_trainer_same_classes(weights, t->data);
    char drawn[200] = "";
    int rc = check_adopted(t, weights, err);

    if (rc == RN_OK)
        rc = make_like(t, weights, err);
    if (rc != RN_OK)
        return rc;
    t->o.net = t->model->spec.name;
    copy_params(t, weights->graph, head, drawn, sizeof(drawn));
    if (!head && weights->headless)
        rn_trainer_say(t, "new head: %s for %d classes, the weights have none",
                       spec->family->head, t->data->classes);
    else if (!head)
        rn_trainer_say(t, "new head: %s for %d classes in place of %d",
                       spec->family->head, t->data->classes, spec->classes);
    if (t->model->spec.aux && !spec->aux)
        rn_trainer_say(t, "new auxiliary heads: the weights have none");
    if (*drawn)
        rn_trainer_say(t,
                       "drawn anew, for the weights are of images of %d x %d: "
                       "%s",
                       spec->input.h, spec->input.w, drawn);
    return rn_trainer_copy_preprocessing(t->model, weights, err);
}

/* Whether the weights' network is the one to train, as it is. */
static bool fits(const struct rn_trainer *t, const struct rn_model *weights,
                 bool aux)
{
    const struct rn_shape *m = &weights->spec.input, s = input_shape(t);

    return rn_trainer_same_classes(weights, t->data) && m->c == s.c &&
           m->h == s.h && m->w == s.w && weights->spec.aux == aux;
}

/* Blocks and dropout are the network's, which the file tells: what the options
 * ask for must be that. */
static int check_asked(const struct rn_trainer *t,
                       const struct rn_model *weights, struct rn_error *err)
{
    const struct rn_net_options asked = {.block = t->o.block,
                                         .dropout = t->o.dropout};
    const struct rn_net_spec *is = &weights->spec;
    struct rn_net_spec spec;

    if (!asked.block && !(asked.dropout > 0))
        return RN_OK;
    int rc = rn_net_resolve(&spec, is->name, &asked, err);
    if (rc)
        return rc;
    if (asked.block && spec.variant != is->variant)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' holds a %s without the %s blocks asked for",
                       t->o.weights, is->name, asked.block);
    if (asked.dropout > 0 && spec.dropout != is->dropout)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' holds a %s with `dropout` %g, not %g",
                       t->o.weights, is->name, is->dropout, asked.dropout);
    return RN_OK;
}

static int from_weights(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_model *weights;
    struct rn_net_spec spec;
    int rc = load_weights(t, &weights, err);

    if (rc != RN_OK)
        return rc;
    spec = weights->spec;
    rn_trainer_tell_order(t, weights, "the weights");
    rc = check_asked(t, weights, err);
    if (rc == RN_OK)
        rc = rn_trainer_choose_network(t, weights, err);
    spec.input = input_shape(t);
    spec.classes = t->data->classes;
    if (rc == RN_OK)
        rc = choose_aux(t, &spec, err);
    if (rc == RN_OK && weights->spec.aux && !spec.aux)
        rc = rn_model_drop_aux(weights, err);
    if (rc == RN_OK && fits(t, weights, spec.aux)) {
        t->model = weights;
        t->o.net = weights->spec.name;
        return RN_OK;
    }
    if (rc == RN_OK)
        rc = adopt(t, weights, err);
    rn_model_destroy(weights);
    return rc;
}

/* Biases of gates where the caller wants others than usual. */
static int set_gates(struct rn_trainer *t, struct rn_error *err)
{
    static const double zero = RN_ZERO;
    const double bias = t->o.gate_bias;

    if (bias == 0 || rn_model_set_gates(t->model, bias == zero ? 0 : -bias))
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG, "`gate_bias` %g: %s has no gates", bias,
                   t->model->spec.name);
}

static int zero_gammas(struct rn_trainer *t, struct rn_error *err)
{
    if (!t->o.zero_gamma || rn_model_zero_gammas(t->model))
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "`zero_gamma`: %s has no residual blocks that end in a "
                   "batch norm",
                   t->model->spec.name);
}

static int from_nothing(struct rn_trainer *t, struct rn_error *err)
{
    int rc = rn_trainer_choose_network(t, NULL, err);
    struct rn_shape s = input_shape(t);
    struct rn_net_options net = {
        .classes = t->data->classes,
        .channels = s.c,
        .height = s.h,
        .width = s.w,
        .shortcut = t->o.shortcut,
        .stride_v1 = t->o.stride_v1,
        .block = t->o.block,
        .dropout = t->o.dropout,
    };
    struct rn_net_spec spec;

    if (rc == RN_OK)
        rc = rn_net_resolve(&spec, t->o.net, &net, err);
    if (rc == RN_OK)
        rc = choose_aux(t, &spec, err);
    net.aux_heads = rc == RN_OK && spec.aux;
    if (rc == RN_OK)
        rc = rn_model_create(&t->model, t->o.net, &net, err);
    if (rc == RN_OK)
        rn_model_init(t->model, t->o.seed);
    if (rc == RN_OK)
        rc = set_gates(t, err);
    return rc ? rc : zero_gammas(t, err);
}

/* Names and identifiers of the data's classes, where they have any. */
static int name_classes(struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_data *d = t->data;
    int rc = RN_OK;

    if (d->class_names)
        rc = rn_model_set_classes(t->model, (const char *const *)d->class_names,
                                  err);
    if (rc == RN_OK && d->class_ids)
        rc = rn_model_set_class_ids(t->model, (const char *const *)d->class_ids,
                                    err);
    return rc;
}

/* The loss says whether classes exclude each other. */
static void set_output(struct rn_trainer *t)
{
    enum rn_output output = rn_loss_find(t->o.loss)->output;
    struct rn_graph *g = t->model->graph;

    if (rn_is_independent(g->kind) == rn_is_independent(output))
        return;
    g->kind = g->head = output;
    rn_trainer_say(t, "loss %s: the network's outputs become those of %s",
                   t->o.loss,
                   rn_is_independent(output)
                       ? "a sigmoid each, a class is there or not by itself"
                       : "a softmax, one class is right");
}

/* Auxiliary heads with a loss of their own take the targets that it takes. */
static int check_aux(const struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_graph *g = t->model->graph;

    for (size_t i = 0; i < g->n_aux; i++) {
        const struct rn_loss_rule *loss =
            g->aux[i].loss ? rn_loss_find(g->aux[i].loss) : NULL;

        if (loss && (t->o.mixup > 0 || t->o.cutmix > 0) && !loss->mixes)
            return rn_fail(err, RN_ERR_ARG,
                           "`%s` mixes images of two classes, which loss %s of "
                           "the auxiliary heads of %s does not take",
                           t->o.mixup > 0 ? "mixup" : "cutmix", loss->name,
                           t->model->spec.name);
        if (loss && t->data->several && !loss->sets)
            return rn_fail(err, RN_ERR_ARG,
                           "%s, but loss %s of the auxiliary heads of %s takes "
                           "images of one class each",
                           t->data->several, loss->name, t->model->spec.name);
    }
    return RN_OK;
}

int rn_trainer_start_model(struct rn_trainer *t, struct rn_error *err)
{
    int rc = t->o.weights ? from_weights(t, err) : from_nothing(t, err);

    if (rc == RN_OK)
        rc = rn_trainer_fit_teacher(t, err);
    if (rc == RN_OK)
        rc = set_resize(t, err);
    /* Weights keep the normalisation they were trained with. */
    if (rc == RN_OK && !t->model->preprocessing.mean) {
        if (t->o.weights)
            rn_trainer_say(t,
                           "'%s' does not say how its images are prepared: "
                           "mean and deviation are the training images'",
                           t->o.weights);
        rc = set_preprocessing(t, err);
    }
    if (rc == RN_OK)
        set_output(t);
    if (rc == RN_OK)
        rc = check_aux(t, err);
    return rc == RN_OK ? name_classes(t, err) : rc;
}
