/* SPDX-License-Identifier: BSD-2-Clause */
/* What the runs of a study will need, without running them: memory by the
 * plan, time by some steps of each network on made-up images. */
#include "study.h"

#include "cli.h"
#include "output.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What was found out of a network at a batch and precision. */
struct needs {
    const struct rn_train_options *of;
    uint64_t bytes, params;
    double images_per_second; /* with its teacher's answers */
    int untaught;             /* not counting the teacher, which is not there */
};

struct list {
    struct study_run *runs;
    size_t count;
    struct rn_data_info data; /* by the rule of new runs */
    struct needs *known;
    size_t n_known;
    size_t open;     /* runs that choose their length themselves */
    size_t untaught; /* runs whose teacher is not counted */
};

static int same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static int same_needs(const struct rn_train_options *a,
                      const struct rn_train_options *b)
{
    return same_text(a->net, b->net) && same_text(a->block, b->block) &&
           same_text(a->teacher, b->teacher) && a->batch == b->batch &&
           a->size == b->size && a->precision == b->precision &&
           a->shortcut == b->shortcut && a->stride_v1 == b->stride_v1 &&
           a->exact == b->exact && a->recompute == b->recompute &&
           a->aux_heads == b->aux_heads && a->groups == b->groups;
}

/* Batches that rn_train() would choose by the memory count as 128's. */
static int batch_of(const struct rn_train_options *o)
{
    return o->batch > 0 ? o->batch : 128;
}

static int batches_of_step(const struct rn_train_options *o)
{
    return o->accumulate > 1 ? o->accumulate : 1;
}

/* Groups of a batch are computed one after another. */
static int group_of(const struct rn_train_options *o)
{
    int groups = o->groups > 1 ? o->groups : 1;

    return (batch_of(o) + groups - 1) / groups;
}

/* Sums of gradients, each over 2, 4, 8 ... groups, that are held at once at
 * most: as many as the number of groups so far has ones in base two. */
static int sums_of(const struct rn_train_options *o)
{
    int sums = 0;

    for (long groups = o->groups; o->groups > 1 && groups >= (2L << sums) - 1;)
        sums++;
    return sums;
}

/* The plan's, and the copies of all weights that options hold beside it: sums
 * of groups' and batches' gradients, an average. */
static uint64_t memory_of(const struct needs *needs,
                          const struct rn_train_options *o)
{
    int sums = sums_of(o) + (o->ema > 0) + (batches_of_step(o) > 1);

    return needs->bytes + (uint64_t)sums * needs->params * sizeof(float);
}

/* Pictures are as large as the network's own images unless `size` says. */
static int build(const struct list *list, const struct rn_train_options *o,
                 struct rn_model **model, struct rn_error *err)
{
    struct rn_net_options net = {
        .struct_size = sizeof(net),
        .classes = list->data.classes,
        .channels = list->data.channels,
        .height = list->data.height > 0 ? list->data.height : o->size,
        .width = list->data.width > 0 ? list->data.width : o->size,
        .shortcut = o->shortcut,
        .stride_v1 = o->stride_v1,
        .block = o->block,
        .aux_heads = o->aux_heads != RN_AUX_HEADS_OFF,
    };
    const char *name = o->net ? o->net : "resnet20";
    int rc = rn_model_create(model, name, &net, err);

    if (rc && o->aux_heads == RN_AUX_HEADS_AUTO) { /* it has none that fit */
        net.aux_heads = 0;
        rc = rn_model_create(model, name, &net, err);
    }
    return rc;
}

/* What training it as these options say needs, or with another mode answering
 * batches of theirs. */
static int measure(const struct rn_model *model,
                   const struct rn_train_options *o, enum rn_mode mode,
                   int precision, uint64_t *bytes, double *images_per_second,
                   struct rn_error *err)
{
    const struct rn_plan_options plan = {
        .struct_size = sizeof(plan),
        .mode = mode,
        .batch = group_of(o),
        .exact = o->exact,
        .recompute = o->recompute,
        .precision = precision,
        .emulate = o->emulate,
    };
    const struct rn_bench_options bench = {
        .struct_size = sizeof(bench),
        .mode = mode,
        .batch = group_of(o),
        .exact = o->exact,
        .bind = 1,
        .recompute = o->recompute,
        .seconds = RN_ZERO,
        .precision = precision,
        .emulate = o->emulate,
    };
    struct rn_bench_result result;
    int rc = rn_plan_estimate(model, &plan, bytes, err);

    if (rc == RN_OK)
        rc = rn_bench(model, &bench, &result, NULL, err);
    if (rc == RN_OK)
        *images_per_second = result.images_per_second_median;
    return rc;
}

/* Add a teacher, which answers each batch before the network learns it. One
 * that is not there, as a study before may make it, is not counted. */
static int add_teacher(struct needs *needs, struct rn_error *err)
{
    const struct rn_train_options *o = needs->of;
    struct rn_model *teacher = NULL;
    struct rn_model_info info;
    struct rn_error missing;
    double answers = 0;
    uint64_t bytes = 0;
    int rc;

    needs->untaught =
        rn_model_import(&teacher, o->teacher, NULL, &missing) != RN_OK;
    if (needs->untaught)
        return RN_OK;
    rn_model_describe(teacher, &info);
    rc = measure(teacher, o, RN_MODE_INFER,
                 info.quantized ? RN_PRECISION_AUTO : o->precision, &bytes,
                 &answers, err);
    rn_model_destroy(teacher);
    if (rc != RN_OK)
        return rc;
    needs->bytes += bytes + info.params * sizeof(float);
    needs->images_per_second = 1 / (1 / needs->images_per_second + 1 / answers);
    return RN_OK;
}

static int measure_run(struct needs *needs, const struct rn_model *model,
                       struct rn_error *err)
{
    const struct rn_train_options *o = needs->of;
    struct rn_model_info info;
    int rc = measure(model, o, RN_MODE_TRAIN, o->precision, &needs->bytes,
                     &needs->images_per_second, err);

    rn_model_describe(model, &info);
    needs->params = info.params + info.aux_params;
    return rc == RN_OK && o->teacher ? add_teacher(needs, err) : rc;
}

/* Whether the run itself chooses its network, batch or length when it begins,
 * by weights or pictures. */
static int is_open(const struct list *list, const struct study_run *run)
{
    const struct rn_train_options *o = &run->options;
    int given = run->state.iterations > 0 || o->epochs > 0 || o->iterations > 0;

    if (!o->net && o->weights)
        return 1;
    return list->data.height == 0 && (!o->net || o->batch <= 0 || !given);
}

/* NULL after a message: the network cannot be made for these data. */
static const struct needs *needs_of(struct list *list,
                                    const struct rn_train_options *o)
{
    struct needs *needs = list->known;
    struct rn_model *model;
    struct rn_error err;
    int rc;

    for (size_t i = 0; i < list->n_known; i++, needs++)
        if (same_needs(needs->of, o))
            return needs->images_per_second > 0 ? needs : NULL;
    needs->of = o;
    list->n_known++;
    rc = build(list, o, &model, &err);
    if (rc == RN_OK)
        rc = measure_run(needs, model, &err);
    rn_model_destroy(model);
    if (rc == RN_OK)
        return needs;
    cli_fail(&err);
    needs->images_per_second = 0;
    return NULL;
}

/* Training images; of pictures each class gives its own part to validation. At
 * least none: who holds more out is told so when the run begins. */
static int images_of(const struct list *list, const struct rn_train_options *o)
{
    double images = (double)list->data.count[RN_PART_TRAIN];

    return (int)lrint(
        fmax(0, images * (1 - o->validation_percent / 100) - o->validation));
}

/* 0 after a message: such a run could not begin. */
static long iterations_of(const struct list *list, const struct study_run *run)
{
    long iterations = run->state.iterations;
    struct rn_error err;

    if (iterations <= 0 &&
        rn_train_iterations(&run->options, images_of(list, &run->options),
                            &iterations, &err) != RN_OK) {
        cli_fail(&err);
        return 0;
    }
    return iterations;
}

static const char *state_text(enum run_is is)
{
    static const char *const texts[] = {"missing", "stopped", "finished",
                                        "other run", "broken"};

    return texts[is];
}

/* Of a run that is not open: what its other cells say, and the seconds left. */
static double list_needs(struct list *list, const struct study_run *run,
                         struct table *table)
{
    long iterations = iterations_of(list, run);
    const struct needs *needs = needs_of(list, &run->options);
    double left = (double)(iterations - run->state.iteration), seconds;
    struct text t;

    if (run->is == RUN_FINISHED)
        left = 0;
    table_cell(table, "%s",
               iterations ? text_count(&t, (uint64_t)iterations) : "-");
    if (!needs || !iterations) {
        table_cell(table, "-");
        table_cell(table, "-");
        return 0;
    }
    seconds = left * batch_of(&run->options) * batches_of_step(&run->options) /
              needs->images_per_second;
    list->untaught += (size_t)needs->untaught;
    table_cell(table, "%s", text_seconds(&t, seconds));
    table_cell(table, "%s", text_bytes(&t, memory_of(needs, &run->options)));
    return seconds;
}

/* Seconds left of a run, which are added to the sum. */
static double list_run(struct list *list, const struct study_run *run,
                       struct table *table)
{
    struct text t;

    table_cell(table, "%s", run->name);
    table_cell(table, "%s", state_text(run->is));
    table_cell(table, "%s",
               text_count(&t, (uint64_t)(run->state.iteration > 0
                                             ? run->state.iteration
                                             : 0)));
    if (!is_open(list, run))
        return list_needs(list, run, table);
    for (int i = 0; i < 3; i++)
        table_cell(table, "-");
    list->open++;
    return 0;
}

int study_list(struct study_run *runs, size_t count, struct study_data *data)
{
    static const char *const headings[] = {"run",        "state", "done",
                                           "iterations", "left",  "memory"};
    struct list list = {.runs = runs, .count = count};
    struct table *table;
    struct text t;
    double seconds = 0;
    int rc;

    list.known = calloc(count, sizeof(*list.known));
    if (!list.known) {
        say_error("out of memory");
        return EXIT_FAILED;
    }
    rc = study_open_data(data, 0);
    if (rc == 0) {
        list.data = data->info;
        table = table_new(6, headings, "llrrrr");
        for (size_t i = 0; i < count; i++) {
            study_look(&runs[i], data);
            seconds += list_run(&list, &runs[i], table);
        }
        table_print(table);
        printf("%zu run%s, about %s one after another on this machine, at the "
               "speed of a few steps",
               count, count == 1 ? "" : "s", text_seconds(&t, seconds));
        if (list.open)
            printf(", and %zu that choose%s network, batch or length when %s",
                   list.open, list.open == 1 ? "s its" : " their",
                   list.open == 1 ? "it begins" : "they begin");
        if (list.untaught)
            printf(", not counting the teachers of %zu run%s, which are not "
                   "there",
                   list.untaught, list.untaught == 1 ? "" : "s");
        putchar('\n');
    }
    free(list.known);
    return rc;
}
