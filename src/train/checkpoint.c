/* SPDX-License-Identifier: BSD-2-Clause */
/* last.safetensors: a model, its optimiser's state, and how far the run has
 * come. */
#include "train/run.h"

#include "core/count.h"
#include "core/memory.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define OLD_OPTIMISER "sgd"
#define STATE         "optimizer."
#define AVERAGE       "average"
#define VALUE         "value" /* of parameters that the model lacks */

/* Characters before a parameter's name: "optimizer.momentum." */
#define PREFIX(of) (sizeof(STATE) + strlen(of))

static const struct field {
    const char *name;
    size_t place;
    bool real, later; /* not there in older checkpoints */
} fields[] = {
/* clang-format off */
#define FIELD(name, real)                                                 \
    {#name, offsetof(struct rn_progress, name), real, false}
#define LATER(name, real)                                                 \
    {#name, offsetof(struct rn_progress, name), real, true}
    FIELD(iteration, false),
    FIELD(reported, false),
    FIELD(warmed_at, false),
    FIELD(loss_sum, true),
    FIELD(errors, false),
    FIELD(images, false),
    FIELD(warm_errors, false),
    FIELD(warm_images, false),
    FIELD(loss, true),
    FIELD(train_error, true),
    FIELD(tested, false),
    FIELD(best_error, true),
    FIELD(best_iteration, false),
    LATER(aux_sum, true),
    LATER(best_loss, true),
    LATER(improved, false),
#undef LATER
#undef FIELD
    /* clang-format on */
};

#define FIELDS COUNT(fields)

/* ------------------------------------------------- progress as JSON */

/* A test loss may be infinite, which JSON cannot say: null. */
static json_t *field_json(const struct rn_progress *p, const struct field *f)
{
    const char *at = (const char *)p + f->place;
    double real;

    if (!f->real)
        return json_integer(*(const long *)at);
    real = *(const double *)at;
    return isfinite(real) ? json_real(real) : json_null();
}

/* Under their names in the log, of which one may stand for a row of each kind:
 * the row that has a value gives it, and each takes it. */
static int tests_json(json_t *object, const double test[RN_METRICS])
{
    int failed = 0;

    for (int i = 0; i < RN_METRICS; i++) {
        const char *name = rn_metric_table[i].log;

        if (isnan(test[i]) && json_object_get(object, name))
            continue;
        failed |= json_object_set_new(
            object, name, isfinite(test[i]) ? json_real(test[i]) : json_null());
    }
    return failed;
}

static bool tests_read(double test[RN_METRICS], const json_t *object)
{
    for (int i = 0; i < RN_METRICS; i++) {
        const json_t *value = json_object_get(object, rn_metric_table[i].log);

        if (value && !json_is_null(value) && !json_is_number(value))
            return false;
        test[i] =
            json_is_number(value) ? json_number_value(value) : (double)NAN;
    }
    return true;
}

static char *progress_text(const struct rn_progress *p, const char *optimizer,
                           uint64_t options)
{
    char sum[20], *text = NULL;
    json_t *object = json_object();
    int failed = !object;

    snprintf(sum, sizeof(sum), "%016" PRIx64, options);
    for (size_t i = 0; i < FIELDS && !failed; i++)
        failed = json_object_set_new(object, fields[i].name,
                                     field_json(p, &fields[i]));
    if (!failed)
        failed = tests_json(object, p->test);
    if (!failed)
        failed = json_object_set_new(object, "options", json_string(sum));
    /* Older checkpoints are sgd's and do not say so. */
    if (!failed && strcmp(optimizer, OLD_OPTIMISER) != 0)
        failed =
            json_object_set_new(object, "optimizer", json_string(optimizer));
    if (!failed && p->ended)
        failed = json_object_set_new(object, "ended", json_integer(p->ended));
    if (!failed)
        text = rn_json_dump(object, 0);
    json_decref(object);
    return text;
}

static bool field_read(struct rn_progress *p, const struct field *f,
                       const json_t *value)
{
    char *at = (char *)p + f->place;

    if (f->real) {
        *(double *)at =
            json_is_null(value) ? (double)NAN : json_number_value(value);
        return json_is_null(value) || json_is_number(value);
    }
    *(long *)at = (long)json_integer_value(value);
    return json_is_integer(value);
}

static int progress_read(struct rn_progress *p, const json_t *object,
                         const char *path, struct rn_error *err)
{
    p->best_loss = (double)NAN;
    p->improved = -1;
    for (size_t i = 0; i < FIELDS; i++) {
        const json_t *value = json_object_get(object, fields[i].name);

        if (!value && fields[i].later)
            continue;
        if (!field_read(p, &fields[i], value))
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': training state lacks %s or has it in the "
                           "wrong type",
                           path, fields[i].name);
    }
    if (!tests_read(p->test, object))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': training state has a test's figures in the "
                       "wrong type",
                       path);
    if (p->improved < 0)
        p->improved = p->best_iteration;
    if (p->iteration < 0 || p->images < 0 || p->warm_images < 0)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': training state has negative "
                       "counts",
                       path);
    return RN_OK;
}

/* Whether the checkpoint is of the options of this sum. */
static bool is_of(const json_t *training, uint64_t options)
{
    const char *sum = json_string_value(json_object_get(training, "options"));
    char expected[20];

    snprintf(expected, sizeof(expected), "%016" PRIx64, options);
    return sum != NULL && strcmp(sum, expected) == 0;
}

static int training_read(struct rn_progress *p, const char *text,
                         const uint64_t options[2], const char *path,
                         struct rn_error *err)
{
    json_t *object;
    int rc;

    if (!text)
        return rn_fail(err, RN_ERR_DATA, "'%s' is a model, not a checkpoint",
                       path);
    object = rn_json_load(text, strlen(text), JSON_REJECT_DUPLICATES, NULL);
    if (!object)
        return rn_fail(err, RN_ERR_DATA, "'%s': training state is not JSON",
                       path);
    if (!is_of(object, options[0]) &&
        (options[1] == 0 || !is_of(object, options[1])))
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' was made with other options than run.json now has",
                     path);
    else
        rc = progress_read(p, object, path, err);
    json_decref(object);
    return rc;
}

/* -------------------------------------------------- states and average */

/* Room needed for one of each parameter from the first on, and for its name. */
static size_t measure(const struct rn_graph *graph, size_t first,
                      size_t *floats, size_t *chars)
{
    size_t count = 0;

    *floats = *chars = 0;
    for (size_t i = first; i < graph->n_params; i++) {
        if (!rn_param_updated(&graph->params[i]))
            continue;
        count++;
        *floats += graph->params[i].count;
        *chars += strlen(graph->params[i].name) + 1;
    }
    return count;
}

/* Extras named `of` and the parameter, of those from the first on, from *name
 * and *data on. */
static void describe(struct rn_checkpoint *c, const struct rn_graph *graph,
                     size_t first, const char *of, char **name, float **data)
{
    for (size_t i = first; i < c->count; i++) {
        const struct rn_param *p = &graph->params[c->param[i]];
        struct rn_extra *extra = &c->extras[c->n_extras++];

        *extra =
            (struct rn_extra){.name = *name, .dims = p->dims, .data = *data};
        memcpy(extra->dim, p->dim, sizeof(extra->dim));
        *name += sprintf(*name, STATE "%s.%s", of, p->name) + 1;
        *data += p->count;
    }
}

int rn_checkpoint_create(struct rn_checkpoint *c, const struct rn_graph *graph,
                         size_t shared, const char *const *states, bool average,
                         struct rn_error *err)
{
    size_t floats, chars, count = measure(graph, 0, &floats, &chars);
    size_t own_floats, own_chars;
    size_t own = measure(graph, shared, &own_floats, &own_chars);
    size_t kinds = average, prefixes = average ? PREFIX(AVERAGE) : 0;
    float *data;
    char *name;

    *c = (struct rn_checkpoint){.own = own};
    for (; states[c->states]; c->states++, kinds++)
        prefixes += PREFIX(states[c->states]);
    c->extras = rn_alloc(kinds * count + own, sizeof(struct rn_extra));
    c->param = rn_alloc(count, sizeof(size_t));
    c->memory = rn_alloc(kinds * floats + own_floats, sizeof(float));
    c->names = rn_alloc(
        kinds * chars + count * prefixes + own_chars + own * PREFIX(VALUE), 1);
    if (!c->extras || !c->param || !c->memory || !c->names)
        return rn_fail_memory(
            err, (kinds * floats + own_floats) * sizeof(float), "a checkpoint");

    data = c->memory;
    name = c->names;
    for (size_t i = 0; i < graph->n_params; i++)
        if (rn_param_updated(&graph->params[i]))
            c->param[c->count++] = i;
    for (size_t k = 0; k < c->states; k++)
        describe(c, graph, 0, states[k], &name, &data);
    if (average)
        describe(c, graph, 0, AVERAGE, &name, &data);
    describe(c, graph, c->count - own, VALUE, &name, &data);
    return RN_OK;
}

void rn_checkpoint_free(struct rn_checkpoint *c)
{
    rn_free(c->extras);
    rn_free(c->param);
    rn_free(c->memory);
    rn_free(c->names);
    *c = (struct rn_checkpoint){.count = 0};
}

/* The average is read and written through the store, in the values' place. */
static void get_average(struct rn_checkpoint *c, struct rn_store *store,
                        struct rn_ema *average)
{
    struct rn_flat flat;

    rn_store_flat(store, &flat);
    rn_ema_swap(average, &flat);
    for (size_t i = 0; i < c->count; i++)
        rn_store_get(store, RN_STORE_VALUE, c->param[i],
                     c->extras[c->states * c->count + i].data);
    rn_ema_swap(average, &flat);
}

static void set_average(const struct rn_checkpoint *c, struct rn_store *store,
                        struct rn_ema *average)
{
    struct rn_flat flat;

    rn_store_flat(store, &flat);
    rn_ema_swap(average, &flat);
    for (size_t i = 0; i < c->count; i++)
        rn_store_set(store, RN_STORE_VALUE, c->param[i],
                     c->extras[c->states * c->count + i].data);
    rn_ema_swap(average, &flat);
}

/* The last parameters, which the model lacks; their values are the last extras.
 */
static void get_own(struct rn_checkpoint *c, const struct rn_store *store)
{
    for (size_t i = 1; i <= c->own; i++)
        rn_store_get(store, RN_STORE_VALUE, c->param[c->count - i],
                     c->extras[c->n_extras - i].data);
}

static void set_own(const struct rn_checkpoint *c, struct rn_store *store)
{
    for (size_t i = 1; i <= c->own; i++)
        rn_store_set(store, RN_STORE_VALUE, c->param[c->count - i],
                     c->extras[c->n_extras - i].data);
}

/* Which state the i-th extra is. */
static enum rn_store_kind state_of(const struct rn_checkpoint *c, size_t i)
{
    return (enum rn_store_kind)(RN_STORE_STATE + i / c->count);
}

int rn_checkpoint_save(struct rn_checkpoint *c, const char *path,
                       const struct rn_model *model, struct rn_store *store,
                       struct rn_ema *average,
                       const struct rn_progress *progress,
                       const char *optimizer, uint64_t options,
                       struct rn_error *err)
{
    char *training = progress_text(progress, optimizer, options);
    int rc;

    if (!training)
        return rn_fail_memory(err, 1024, "a checkpoint's state");
    for (size_t i = 0; i < c->states * c->count; i++)
        rn_store_get(store, state_of(c, i), c->param[i % c->count],
                     c->extras[i].data);
    if (average->value)
        get_average(c, store, average);
    get_own(c, store);
    rc = rn_model_save_with(model, path, c->extras, c->n_extras, training, err);
    rn_free(training);
    return rc;
}

int rn_checkpoint_open(struct rn_model **model, const char *path,
                       const char *optimizer, struct rn_error *err)
{
    char *training = NULL;
    int rc = rn_model_load_with(model, path, NULL, 0, &training, err);
    json_t *object = NULL;
    const char *of;

    if (rc)
        return rc;
    if (training)
        object = rn_json_load(training, strlen(training), 0, NULL);
    of = json_string_value(json_object_get(object, "optimizer"));
    if (strcmp(of ? of : OLD_OPTIMISER, optimizer) != 0)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' holds the state of optimizer %.60s, expected that "
                     "of %s, which run.json names",
                     path, of ? of : OLD_OPTIMISER, optimizer);
    json_decref(object);
    rn_free(training);
    if (rc) {
        rn_model_destroy(*model);
        *model = NULL;
    }
    return rc;
}

int rn_checkpoint_load(struct rn_checkpoint *c, const char *path,
                       struct rn_model **model, struct rn_progress *progress,
                       const uint64_t options[2], struct rn_error *err)
{
    char *training = NULL;
    int rc =
        rn_model_load_with(model, path, c->extras, c->n_extras, &training, err);

    if (rc == RN_OK)
        rc = training_read(progress, training, options, path, err);
    rn_free(training);
    if (rc != RN_OK) {
        rn_model_destroy(*model);
        *model = NULL;
    }
    return rc;
}

void rn_checkpoint_restore(const struct rn_checkpoint *c,
                           struct rn_store *store, struct rn_ema *average)
{
    for (size_t i = 0; i < c->states * c->count; i++)
        rn_store_set(store, state_of(c, i), c->param[i % c->count],
                     c->extras[i].data);
    if (average->value)
        set_average(c, store, average);
    set_own(c, store);
}
