/* SPDX-License-Identifier: BSD-2-Clause */
/* 'resnet bench --survey': measures networks one after the other, and writes
 * the report anew after each, so that nothing is lost with what comes later. */
#include "survey.h"

#include "import.h"
#include "output.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCHES   32
#define BATCH_MAX 65536

struct net {
    char *name;            /* as given, without =ACCURACY */
    char accuracy_of[400]; /* "" without any */
    char failure[600];     /* likewise */
    int precision;         /* as measured; RN_PRECISION_AUTO: nothing was */
    struct rn_bench_point point[BATCHES];
    struct rn_bench_net row; /* points to these */
};

struct survey {
    const struct survey_args *args;
    int batch[BATCHES];
    int batches;
    struct rn_data *data; /* or NULL */
    enum rn_part part;
    struct net *net;
    struct rn_bench_net *rows; /* copies of theirs, for the report */
    unsigned precisions;       /* as measured, a bit of each */
    int threads;               /* 0: nothing yet */
    char energy[300];          /* the counters, or why there are none */
    int energy_known;
    int status; /* of the first failure */
};

/* ----------------------------------------------------------- command line */

static int parse_batches(struct survey *s, const char *text)
{
    const char *at = text;

    for (;;) {
        char *end;
        long batch = strtol(at, &end, 10);

        if (end == at || batch < 1 || batch > BATCH_MAX ||
            (*end && *end != ',') || s->batches == BATCHES ||
            (s->batches > 0 && batch <= s->batch[s->batches - 1])) {
            say_error("--batches '%s': expected at most %d rising numbers "
                      "from 1 to %d, as in 1,4,16",
                      text, BATCHES, BATCH_MAX);
            return EXIT_USAGE;
        }
        s->batch[s->batches++] = (int)batch;
        if (!*end)
            return 0;
        at = end + 1;
    }
}

/* NAME=ACCURACY, unless there is a file of that whole name. */
static int parse_name(struct net *net, const char *operand)
{
    const char *equals = strrchr(operand, '=');
    char *end;

    net->row.accuracy = (double)NAN;
    if (!equals || access(operand, F_OK) == 0)
        equals = operand + strlen(operand);
    net->name = strndup(operand, (size_t)(equals - operand));
    if (!net->name) {
        say_error("out of memory");
        return EXIT_FAILED;
    }
    net->row.name = net->name;
    if (!*equals)
        return 0;
    net->row.accuracy = parse_decimal(equals + 1, &end);
    if (end == equals + 1 || *end || !(net->row.accuracy >= 0) ||
        !(net->row.accuracy <= 100)) {
        say_error("'%s': expected NET=ACCURACY, in per cent, after the '='",
                  operand);
        return EXIT_USAGE;
    }
    snprintf(net->accuracy_of, sizeof(net->accuracy_of), "as given");
    return 0;
}

static int parse(struct survey *s)
{
    const struct survey_args *args = s->args;
    int rc = parse_batches(s, args->batches);

    s->net = calloc((size_t)args->count, sizeof(struct net));
    s->rows = calloc((size_t)args->count, sizeof(struct rn_bench_net));
    if (!rc && (!s->net || !s->rows)) {
        say_error("out of memory");
        return EXIT_FAILED;
    }
    for (int i = 0; i < args->count && !rc; i++)
        rc = parse_name(&s->net[i], args->operand[i]);
    return rc;
}

/* What would be in the way of a report is found before anything is measured. */
static int make_folder(const char *folder)
{
    char file[4200];

    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        say_error("cannot make folder '%s': %s", folder, strerror(errno));
        return EXIT_FAILED;
    }
    snprintf(file, sizeof(file), "%s/survey.html", folder);
    return output_place(file) ? EXIT_FAILED : 0;
}

static int open_data(struct survey *s, struct rn_error *err)
{
    static const enum rn_part order[] = {RN_PART_TEST, RN_PART_VALIDATION};
    struct rn_data_info info;
    int rc = rn_data_open(&s->data, s->args->data, NULL, err);

    if (rc)
        return cli_fail(err);
    cli_remarks(s->data);
    rn_data_describe(s->data, &info);
    for (size_t i = 0; i < COUNT(order); i++)
        if (info.count[order[i]] > 0) {
            s->part = order[i];
            return 0;
        }
    say_error("'%s' has neither test nor validation images to measure "
              "accuracies on",
              s->args->data);
    return EXIT_BAD_DATA;
}

/* ------------------------------------------------------------- measuring */

static void fail(struct survey *s, struct net *net, const char *what,
                 const struct rn_error *err)
{
    size_t used = strlen(net->failure);

    snprintf(net->failure + used, sizeof(net->failure) - used, "%s%s%s",
             used ? "; " : "", what, err->msg);
    net->row.failure = net->failure;
    say_error("%s: %s%s", net->name, what, err->msg);
    if (!s->status)
        s->status = cli_status(err->code);
}

static int is_to_measure(const struct net *net)
{
    return net_is_file(net->name) && !*net->accuracy_of;
}

static void measure_accuracy(struct survey *s, struct net *net,
                             const struct rn_model *model)
{
    struct rn_eval_options options;
    struct rn_eval_result result;
    struct rn_error err = {0};

    if (!s->data || !is_to_measure(net))
        return;
    rn_eval_defaults(&options);
    options.threads = s->args->bench.threads;
    options.bind = s->args->bench.bind;
    options.precision = s->args->bench.precision;
    options.emulate = s->args->bench.emulate;
    if (rn_eval(model, s->data, s->part, &options, &result, &err)) {
        fail(s, net, "accuracy: ", &err);
        return;
    }
    net->row.accuracy =
        100 - (result.several ? result.exact_error : result.top1_error);
    snprintf(net->accuracy_of, sizeof(net->accuracy_of),
             "%d %s images of %s, %s", result.images, rn_part_name(s->part),
             s->args->data, result.protocol);
    say("%s: accuracy %.2f %%", net->name, net->row.accuracy);
}

static void measure_batch(struct survey *s, struct net *net,
                          const struct rn_bench_result *r)
{
    struct rn_bench_point *p = &net->point[net->row.n_points++];
    struct text t, ms;

    *p = (struct rn_bench_point){.batch = r->batch,
                                 .images_per_second =
                                     r->images_per_second_median,
                                 .bytes = r->plan_bytes,
                                 .watts = r->watts,
                                 .joules_per_image = r->joules_per_image};
    s->precisions |= 1U << r->precision;
    net->precision = r->precision;
    s->threads = r->threads;
    s->energy_known = isfinite(r->watts);
    snprintf(s->energy, sizeof(s->energy),
             s->energy_known ? "of %s, whatever else ran on the machine "
                               "included, idle power not taken off"
                             : "%s",
             r->energy);
    say("%s: batch %d: %s ms an image, %s", net->name, p->batch,
        text_figures(&ms, 1e3 / p->images_per_second),
        text_bytes(&t, p->bytes));
}

static void measure_net(struct survey *s, struct net *net,
                        struct rn_model *model)
{
    struct rn_bench_options bench = s->args->bench;
    struct rn_model_info info;

    rn_model_describe(model, &info);
    net->row.params = info.params;
    net->row.macs = info.macs;
    measure_accuracy(s, net, model);
    for (int i = 0; i < s->batches; i++) {
        struct rn_bench_result result;
        struct rn_error err = {0};
        char what[40];

        bench.batch = s->batch[i];
        if (rn_bench(model, &bench, &result, NULL, &err)) {
            snprintf(what, sizeof(what), "batch %d: ", s->batch[i]);
            fail(s, net, what, &err);
            return; /* a larger one would not do either */
        }
        measure_batch(s, net, &result);
    }
}

/* What was measured; only quantised models among others differ from these. */
static const char *precisions(const struct survey *s)
{
    const unsigned int8 = 1U << RN_PRECISION_INT8;
    int p = RN_PRECISION_AUTO;

    if ((s->precisions & int8) && s->precisions != int8)
        return "fp32, of quantised models in int8";
    while (s->precisions >> p > 1)
        p++;
    return rn_precision_name(p);
}

static int report(struct survey *s, int count, struct rn_error *err)
{
    const struct survey_args *args = s->args;
    struct rn_machine machine;
    char about[700];

    for (int i = 0; i < count; i++) {
        struct net *net = &s->net[i];

        net->row.points = net->point;
        net->row.accuracy_of = *net->accuracy_of ? net->accuracy_of : NULL;
        s->rows[i] = net->row;
    }
    rn_machine_get(&machine);
    snprintf(about, sizeof(about),
             "%s on made-up images in %s, by resnet %s: threads %d, %s, oneDNN "
             "%s, %s. Times are medians; memory is what a plan takes, with "
             "its weights and without what the program takes besides.",
             args->bench.mode == RN_MODE_TRAIN ? "Training" : "Inference",
             precisions(s), rn_version(), s->threads, machine.isa,
             machine.onednn, machine.cpu);
    return rn_bench_report(args->folder, "Networks on this machine", about,
                           *s->energy ? s->energy : "nothing was measured",
                           s->rows, (size_t)count, err);
}

/* --------------------------------------------------------------- printing */

static void cell(struct table *table, double value)
{
    struct text t;

    table_cell(table, "%s", isfinite(value) ? text_figures(&t, value) : "");
}

static void print_text(const struct survey *s)
{
    char first[32], last[32];
    const char *headings[] = {"network", "accuracy %", "params", "mult-adds",
                              first,     last,         "memory", "J an image"};
    struct table *table;
    struct text t;

    snprintf(first, sizeof(first), "ms, batch %d", s->batch[0]);
    snprintf(last, sizeof(last), "ms, batch %d", s->batch[s->batches - 1]);
    if (s->batches == 1)
        snprintf(last, sizeof(last), "images/s");
    table = table_new(8, headings, "lrrrrrrr");
    for (int i = 0; i < s->args->count; i++) {
        const struct rn_bench_net *row = &s->net[i].row;
        const struct rn_bench_point *p = s->net[i].point;
        size_t n = row->n_points;
        /* of the last batch, where that was measured */
        const struct rn_bench_point *end =
            n == (size_t)s->batches ? &p[n - 1] : NULL;

        table_cell(table, "%s", row->name);
        if (isfinite(row->accuracy))
            table_cell(table, "%.2f", row->accuracy);
        else
            table_cell(table, "%s", "");
        table_cell(table, "%s", row->params ? text_count(&t, row->params) : "");
        table_cell(table, "%s", row->params ? text_count(&t, row->macs) : "");
        cell(table, n ? 1e3 / p->images_per_second : (double)NAN);
        cell(table, !end              ? (double)NAN
                    : s->batches == 1 ? end->images_per_second
                                      : 1e3 / end->images_per_second);
        table_cell(table, "%s", end ? text_bytes(&t, end->bytes) : "");
        cell(table, end ? end->joules_per_image : (double)NAN);
    }
    table_print(table);
    printf("\nenergy     %s%s\nreport     %s/survey.html\n",
           s->energy_known ? "" : "not known: ",
           *s->energy ? s->energy : "nothing was measured", s->args->folder);
}

static json_t *json_points(const struct rn_bench_net *row)
{
    json_t *list = json_list();

    for (size_t k = 0; k < row->n_points; k++) {
        const struct rn_bench_point *p = &row->points[k];
        json_t *entry = json_new();

        json_put(entry, "batch", json_count((uint64_t)p->batch));
        json_put(entry, "images_per_second", json_double(p->images_per_second));
        json_put(entry, "plan_bytes", json_count(p->bytes));
        json_put(entry, "watts", json_double(p->watts));
        json_put(entry, "joules_per_image", json_double(p->joules_per_image));
        json_add(list, entry);
    }
    return list;
}

static void print_json(const struct survey *s)
{
    for (int i = 0; i < s->args->count; i++) {
        const struct rn_bench_net *row = &s->rows[i];
        json_t *line = json_new();

        const char *precision = rn_precision_name(s->net[i].precision);

        json_put(line, "net", json_text(row->name));
        json_put(line, "accuracy", json_double(row->accuracy));
        json_put(line, "accuracy_of", json_text(row->accuracy_of));
        json_put(line, "params", json_count(row->params));
        json_put(line, "macs", json_count(row->macs));
        json_put(line, "precision",
                 row->n_points ? json_text(precision) : json_null());
        json_put(line, "points", json_points(row));
        json_put(line, "energy", json_text(s->energy));
        json_put(line, "failure", json_text(row->failure));
        json_line(line);
    }
}

static int measure_all(struct survey *s)
{
    const struct survey_args *args = s->args;
    struct rn_error err = {0};

    for (int i = 0; i < args->count; i++) {
        struct net *net = &s->net[i];
        struct rn_model *model = NULL;

        if (net_open(&model, net->name, args->net, args->net_given,
                     args->import, &err)) {
            fail(s, net, "", &err);
        } else {
            if (!net_is_file(net->name))
                rn_model_init(model, 1);
            measure_net(s, net, model);
        }
        rn_model_destroy(model);
        if (report(s, i + 1, &err))
            return cli_fail(&err);
    }
    if (args->json)
        print_json(s);
    else
        print_text(s);
    return s->status;
}

static int check_files(const struct survey *s)
{
    for (int i = 0; i < s->args->count; i++)
        if (is_to_measure(&s->net[i]))
            return 0;
    say_error("--data measures the accuracy of model files, and none of these "
              "is one whose accuracy is not given");
    return EXIT_USAGE;
}

int survey_run(const struct survey_args *args)
{
    struct survey s = {.args = args};
    struct rn_error err = {0};
    int rc = parse(&s);

    if (!rc && args->data)
        rc = check_files(&s);
    if (!rc && args->data)
        rc = open_data(&s, &err);
    if (!rc)
        rc = make_folder(args->folder);
    if (!rc)
        rc = measure_all(&s);
    for (int i = 0; s.net && i < args->count; i++)
        free(s.net[i].name);
    free(s.net);
    free(s.rows);
    rn_data_close(s.data);
    return rc;
}
