/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet bench: speed, memory and energy of a network, step by step if asked,
 * or of several. */
#include "cli.h"
#include "import.h"
#include "output.h"
#include "ranks.h"
#include "survey.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct options {
    struct rn_net_options net;
    struct import_args import;
    struct rn_bench_options bench;
    const char *data;
    const char *survey, *batches;
    int winograd;
    int as_threads;
    struct ranks_args ranks;
    int json;
};

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct rn_option own_options[] = {
    {"data", .type = RN_OPTION_TEXT, .offset = AT(data), .value = "DATA",
     .help = "In place of a network, time the loading of pictures alone: "
             "decoding, random parts resized to --size (224), normalising; "
             "with --survey measure models' accuracy on it"},
    {"survey", .type = RN_OPTION_TEXT, .offset = AT(survey), .value = "DIR",
     .help = "Measure several networks, each in batches of several sizes, and "
             "make the folder DIR for figures, a table and a page: accuracy, "
             "time, memory, power and energy"},
    {"batches", .type = RN_OPTION_TEXT, .offset = AT(batches),
     .value = "N,N,...", .unset = "1,2,4,8,16,32,64",
     .help = "The sizes of batches of --survey"},
    {"batch", .type = RN_OPTION_INT, .offset = AT(bench.batch), .min = 1,
     .max = 65536, .value = "N", .unset = "128, or 32 above 64 pixels",
     .help = "Images per batch"},
    {"winograd", .type = RN_OPTION_INDEX, .offset = AT(winograd),
     .words = "auto|2x2|4x4",
     .help = "Use Winograd's tiles where they pay (auto), or one kind wherever "
             "it can be had"},
    {"as-threads", .type = RN_OPTION_INT, .offset = AT(as_threads), .min = 1,
     .max = 1024, .value = "N", .unset = "time it",
     .help = "Plan for N threads, more than there are if need be, run nothing, "
             "and print how each step's work is shared out among them"},
    RANKS_OPTIONS(AT(ranks)),
    {"json", .type = RN_OPTION_FLAG, .offset = AT(json), .help = JSON_HELP},
};
/* clang-format on */

static const struct option_group groups[] = {
    {"measurement", .own = own_options, .count = COUNT(own_options)},
    {"measurement", .library = rn_bench_option, .without = "batch|winograd",
     .base = AT(bench)},
    {"network", .library = rn_net_option, .base = AT(net)},
    NAMING_GROUP(AT(import)),
};

static void defaults(void *options)
{
    struct options *o = options;

    rn_net_defaults(&o->net);
    rn_bench_defaults(&o->bench);
    o->bench.bind = 1;
    o->bench.batch = 0; /* by the network's size */
    rn_import_defaults(&o->import.o);
}

/* ------------------------------------------------------------- loading */

static void print_loading(const struct options *o, const struct rn_data_info *d,
                          const struct rn_loading_options *l,
                          const struct rn_loading_result *r)
{
    json_t *object, *rate;

    if (!o->json) {
        printf("data       %s (%s), %d images\n", o->data, d->format,
               r->images);
        printf("loading    %dx%d, batch %d, threads %d\n", l->size, l->size,
               l->batch, r->threads);
        printf("images/s   %.1f (median of %d; %.1f to %.1f)\n",
               r->images_per_second_median, r->rounds, r->images_per_second_min,
               r->images_per_second_max);
        return;
    }
    object = json_new();
    rate = json_new();
    json_put(rate, "median", json_double(r->images_per_second_median));
    json_put(rate, "min", json_double(r->images_per_second_min));
    json_put(rate, "max", json_double(r->images_per_second_max));
    json_put(object, "data", json_text(o->data));
    json_put(object, "images", json_count((uint64_t)r->images));
    json_put(object, "size", json_count((uint64_t)l->size));
    json_put(object, "batch", json_count((uint64_t)l->batch));
    json_put(object, "threads", json_count((uint64_t)r->threads));
    json_put(object, "rounds", json_count((uint64_t)r->rounds));
    json_put(object, "images_per_second", rate);
    json_line(object);
}

static int run_loading(const struct options *o)
{
    struct rn_loading_options l;
    struct rn_loading_result result;
    struct rn_data_info info;
    struct rn_data *data;
    struct rn_error err = {0};
    int rc = rn_data_open(&data, o->data, NULL, &err);

    if (rc)
        return cli_fail(&err);
    rn_loading_defaults(&l);
    l.threads = o->bench.threads;
    l.seconds = o->bench.seconds > 0 ? o->bench.seconds : RN_ZERO;
    if (o->bench.batch)
        l.batch = o->bench.batch;
    if (o->net.height)
        l.size = o->net.height;
    rn_data_describe(data, &info);
    rc = rn_bench_data(data, &l, &result, &err);
    if (rc)
        rc = cli_fail(&err);
    else
        print_loading(o, &info, &l, &result);
    rn_data_close(data);
    return rc;
}

/** What was measured, on what. */
struct measured {
    struct rn_model_info info;
    struct rn_machine machine;
    struct rn_bench_result result;
    const struct rn_plan *plan; /* NULL without --layers */
    const char *mode;
};

/* --------------------------------------------------------------- JSON */

static json_t *json_steps(const struct rn_plan *plan)
{
    json_t *list = json_list();
    struct rn_step_info step;

    for (size_t i = 0; rn_plan_step(plan, i, &step) == RN_OK; i++) {
        json_t *entry = json_new();

        json_put(entry, "name", json_text(step.name));
        json_put(entry, "pass", json_text(step.pass));
        json_put(entry, "algorithm", json_text(step.algorithm));
        json_put(entry, "precision", json_text(step.precision));
        json_put(entry, "seconds", json_double(step.seconds));
        json_put(entry, "flops", json_double(step.flops));
        json_put(entry, "bytes", json_double(step.bytes));
        json_add(list, entry);
    }
    return list;
}

static void print_json(const struct measured *m)
{
    const struct rn_bench_result *r = &m->result;
    json_t *object = json_new(), *rate = json_new();

    json_put(rate, "median", json_double(r->images_per_second_median));
    json_put(rate, "min", json_double(r->images_per_second_min));
    json_put(rate, "max", json_double(r->images_per_second_max));
    json_put(object, "net", json_text(m->info.net));
    json_put(object, "mode", json_text(m->mode));
    json_put(object, "precision", json_text(rn_precision_name(r->precision)));
    json_put(object, "batch", json_count((uint64_t)r->batch));
    json_put(object, "threads", json_count((uint64_t)r->threads));
    json_put(object, "streams", json_count((uint64_t)r->streams));
    json_put(object, "rounds", json_count((uint64_t)r->rounds));
    json_put(object, "images_per_second", rate);
    json_put(object, "plan_bytes", json_count(r->plan_bytes));
    json_put(object, "peak_memory_bytes", json_count(r->peak_memory_bytes));
    json_put(object, "watts", json_double(r->watts));
    json_put(object, "joules_per_image", json_double(r->joules_per_image));
    json_put(object, "energy", json_text(r->energy));
    if (r->ranks) {
        json_put(object, "ranks", json_count((uint64_t)r->ranks));
        json_put(object, "step_seconds", json_double(r->step_seconds));
        json_put(object, "wait_seconds", json_double(r->wait_seconds));
        json_put(object, "wait_seconds_most",
                 json_double(r->wait_seconds_most));
        json_put(object, "sent_bytes_most", json_count(r->sent_bytes_most));
    }
    json_put(object, "isa", json_text(m->machine.isa));
    json_put(object, "onednn", json_text(m->machine.onednn));
    if (m->plan) {
        json_put(object, "peak_gflops", json_double(r->peak_gflops));
        json_put(object, "steps", json_steps(m->plan));
    }
    json_line(object);
}

/* -------------------------------------------------------------- table */

static double seconds_of_all(const struct rn_plan *plan)
{
    struct rn_step_info step;
    double sum = 0;

    for (size_t i = 0; rn_plan_step(plan, i, &step) == RN_OK; i++)
        sum += step.seconds;
    return sum;
}

/* The figures of a step, or of several together. */
static void cost_cells(struct table *table, const struct rn_step_info *s,
                       double all, double peak)
{
    double gflops = s->seconds > 0 ? 1e-9 * s->flops / s->seconds : 0;
    double gbytes = s->seconds > 0 ? 1e-9 * s->bytes / s->seconds : 0;

    table_cell(table, "%.3f", 1e3 * s->seconds);
    table_cell(table, "%.1f", all > 0 ? 100 * s->seconds / all : 0.0);
    if (s->flops > 0) {
        table_cell(table, "%.0f", gflops);
        table_cell(table, "%.0f", peak > 0 ? 100 * gflops / peak : 0.0);
    } else {
        table_cell(table, "%s", "");
        table_cell(table, "%s", "");
    }
    table_cell(table, "%.1f", gbytes);
}

static void print_steps(const struct measured *m, double all)
{
    static const char *const headings[] = {
        "step",    "pass",    "algorithm", "precision", "ms",
        "share %", "GFLOP/s", "of peak %", "GB/s"};
    struct table *table = table_new(9, headings, "llllrrrrr");
    struct rn_step_info step;

    for (size_t i = 0; rn_plan_step(m->plan, i, &step) == RN_OK; i++) {
        table_cell(table, "%s", step.name);
        table_cell(table, "%s", step.pass);
        table_cell(table, "%s", step.algorithm);
        table_cell(table, "%s", step.precision);
        cost_cells(table, &step, all, m->result.peak_gflops);
    }
    table_print(table);
}

/* Steps that multiply matrices, by pass; the rest moves memory. */
static const struct kind {
    const char *title;
    const char *pass; /* NULL: what no other row takes */
} kinds[] = {
    {"convolution and fc, forward", "forward"},
    {"convolution, made again for backward", "recompute"},
    {"convolution and fc, backward data", "backward data"},
    {"convolution and fc, backward weights", "backward weights"},
    {"other", NULL},
};

static size_t kind_of(const struct rn_step_info *step)
{
    size_t i = 0;

    if (step->flops <= 0)
        return COUNT(kinds) - 1;
    while (kinds[i].pass && strcmp(kinds[i].pass, step->pass) != 0)
        i++;
    return i;
}

static void print_totals(const struct measured *m, double all)
{
    static const char *const headings[] = {"kind",    "ms",        "share %",
                                           "GFLOP/s", "of peak %", "GB/s"};
    struct table *table = table_new(6, headings, "lrrrrr");
    struct rn_step_info total[COUNT(kinds)] = {0};
    struct rn_step_info step;

    for (size_t i = 0; rn_plan_step(m->plan, i, &step) == RN_OK; i++) {
        struct rn_step_info *t = &total[kind_of(&step)];

        t->seconds += step.seconds;
        t->flops += step.flops;
        t->bytes += step.bytes;
    }
    for (size_t k = 0; k < COUNT(kinds); k++) {
        if (total[k].seconds <= 0)
            continue;
        table_cell(table, "%s", kinds[k].title);
        cost_cells(table, &total[k], all, m->result.peak_gflops);
    }
    table_print(table);
}

static void print_text(const struct measured *m)
{
    const struct rn_bench_result *r = &m->result;
    struct text t;

    if (m->plan) {
        double all = seconds_of_all(m->plan);

        print_steps(m, all);
        putchar('\n');
        print_totals(m, all);
        printf("\nmeasured peak  %.0f GFLOP/s, threads %d, float32\n\n",
               r->peak_gflops, r->threads);
    }
    printf("network    %s, %dx%dx%d, %d classes\n", m->info.net,
           m->info.channels, m->info.height, m->info.width, m->info.classes);
    printf("mode       %s, %s, batch %d, threads %d, ", m->mode,
           rn_precision_name(r->precision), r->batch, r->threads);
    if (r->streams > 1)
        printf("streams %d, ", r->streams);
    printf("%s, oneDNN %s\n", m->machine.isa, m->machine.onednn);
    printf("images/s   %.1f (median of %d; %.1f to %.1f)\n",
           r->images_per_second_median, r->rounds, r->images_per_second_min,
           r->images_per_second_max);
    if (r->ranks) {
        printf("ranks      %d; a step takes %s ms", r->ranks,
               text_figures(&t, 1e3 * r->step_seconds));
        printf(": each computes for %s",
               text_figures(&t, 1e3 * (r->step_seconds - r->wait_seconds)));
        printf(" and waits for %s", text_figures(&t, 1e3 * r->wait_seconds));
        printf(" (at most %s)\n", text_figures(&t, 1e3 * r->wait_seconds_most));
        printf("sent       %s a step and rank\n",
               text_bytes(&t, r->sent_bytes_most));
    }
    printf("memory     plan %s", text_bytes(&t, r->plan_bytes));
    printf(", process at most %s\n", text_bytes(&t, r->peak_memory_bytes));
    if (isfinite(r->watts))
        printf("energy     %.4g J an image, %.4g W (%s)\n", r->joules_per_image,
               r->watts, r->energy);
    else
        printf("energy     not known: %s\n", r->energy);
}

/* ------------------------------------------------------------- as planned */

/** What steps come to together. */
struct planned {
    double work, known, longest; /* multiply-adds; of one thread */
    uint64_t pieces;
    int barriers;
};

static struct planned sum_steps(const struct rn_plan *plan, int threads)
{
    struct planned sum = {.work = 0};
    struct rn_step_info step;

    for (size_t i = 0; rn_plan_step(plan, i, &step) == RN_OK; i++) {
        sum.work += step.work;
        sum.pieces += step.pieces;
        sum.barriers += step.barriers;
        if (step.largest_share <= 0)
            continue;
        sum.known += step.work;
        sum.longest += step.largest_share * step.work / threads;
    }
    return sum;
}

/* Of the threads' time for work whose shares are known. */
static double percent_lost(const struct planned *sum, int threads)
{
    return sum->longest > 0 ? 100 * (1 - sum->known / threads / sum->longest)
                            : 0;
}

static void print_shares(const struct rn_plan *plan, const struct planned *sum)
{
    static const char *const headings[] = {"step",     "pass",   "algorithm",
                                           "work %",   "pieces", "largest/mean",
                                           "barriers", "scratch"};
    struct table *table = table_new(8, headings, "lllrrrrr");
    struct rn_step_info s;
    struct text t;

    for (size_t i = 0; rn_plan_step(plan, i, &s) == RN_OK; i++) {
        int known = s.largest_share > 0;

        table_cell(table, "%s", s.name);
        table_cell(table, "%s", s.pass);
        table_cell(table, "%s", s.algorithm);
        table_cell(table, "%.1f", sum->work > 0 ? 100 * s.work / sum->work : 0);
        table_cell(table, "%s", known ? text_count(&t, s.pieces) : "its own");
        if (known)
            table_cell(table, "%.2f", s.largest_share);
        else
            table_cell(table, "%s", "");
        if (known)
            table_cell(table, "%d", s.barriers);
        else
            table_cell(table, "%s", "");
        table_cell(table, "%s",
                   s.scratch_bytes ? text_bytes(&t, s.scratch_bytes) : "");
    }
    table_print(table);
}

static json_t *json_shares(const struct rn_plan *plan)
{
    json_t *list = json_list();
    struct rn_step_info step;

    for (size_t i = 0; rn_plan_step(plan, i, &step) == RN_OK; i++) {
        int known = step.largest_share > 0;
        json_t *entry = json_new();

        json_put(entry, "name", json_text(step.name));
        json_put(entry, "pass", json_text(step.pass));
        json_put(entry, "algorithm", json_text(step.algorithm));
        json_put(entry, "work", json_double(step.work));
        json_put(entry, "pieces",
                 known ? json_count(step.pieces) : json_null());
        json_put(entry, "largest_over_mean",
                 known ? json_double(step.largest_share) : json_null());
        json_put(entry, "barriers",
                 known ? json_count((uint64_t)step.barriers) : json_null());
        json_put(entry, "scratch_bytes", json_count(step.scratch_bytes));
        json_add(list, entry);
    }
    return list;
}

static void print_planned(const struct options *o, const struct measured *m)
{
    int threads = o->as_threads;
    struct planned sum = sum_steps(m->plan, threads);
    double unknown = sum.work > 0 ? 100 * (1 - sum.known / sum.work) : 0;
    json_t *object;
    struct text t;

    if (!o->json) {
        print_shares(m->plan, &sum);
        printf("\nnetwork    %s, %dx%dx%d, %d classes\n", m->info.net,
               m->info.channels, m->info.height, m->info.width,
               m->info.classes);
        printf("mode       %s, %s, batch %d, as for %d threads, %s\n", m->mode,
               rn_precision_name(rn_plan_precision(m->plan)), o->bench.batch,
               threads, m->machine.isa);
        printf("shares     %s pieces, %.1f %% of the threads' time lost to "
               "unequal ones\n",
               text_count(&t, sum.pieces), percent_lost(&sum, threads));
        printf("barriers   %d a step\n", sum.barriers);
        printf("not known  %.1f %% of the work, which oneDNN shares out\n",
               unknown);
        printf("memory     plan %s\n", text_bytes(&t, rn_plan_bytes(m->plan)));
        return;
    }
    object = json_new();
    json_put(object, "net", json_text(m->info.net));
    json_put(object, "mode", json_text(m->mode));
    json_put(object, "precision",
             json_text(rn_precision_name(rn_plan_precision(m->plan))));
    json_put(object, "batch", json_count((uint64_t)o->bench.batch));
    json_put(object, "as_threads", json_count((uint64_t)threads));
    json_put(object, "isa", json_text(m->machine.isa));
    json_put(object, "pieces", json_count(sum.pieces));
    json_put(object, "lost_percent", json_double(percent_lost(&sum, threads)));
    json_put(object, "barriers", json_count((uint64_t)sum.barriers));
    json_put(object, "unknown_percent", json_double(unknown));
    json_put(object, "plan_bytes", json_count(rn_plan_bytes(m->plan)));
    json_put(object, "steps", json_shares(m->plan));
    json_line(object);
}

static int outline(const struct options *o, const struct rn_model *model,
                   struct rn_plan **plan, struct rn_error *err)
{
    struct rn_plan_options p;

    rn_plan_defaults(&p);
    p.mode = o->bench.mode;
    p.batch = o->bench.batch;
    p.threads = o->as_threads;
    p.exact = o->bench.exact;
    p.winograd = o->bench.winograd;
    p.recompute = o->bench.recompute;
    p.precision = o->bench.precision;
    p.emulate = o->bench.emulate;
    return rn_plan_outline(plan, model, &p, err);
}

static int run_network(const struct command *command, struct options *o,
                       const struct args *args)
{
    struct measured m = {.mode = o->bench.mode == RN_MODE_TRAIN ? "train"
                                                                : "infer"};
    struct rn_model *model = NULL;
    struct rn_plan *plan = NULL;
    struct rn_error err = {0};
    int rc;

    rc =
        net_open(&model, args->operand[0], &o->net,
                 options_given_any(command, args, "network"), &o->import, &err);
    if (rc)
        return cli_fail(&err);
    if (!net_is_file(args->operand[0]))
        rn_model_init(model, 1);
    rn_model_describe(model, &m.info);
    rn_machine_get(&m.machine);
    o->bench.winograd = 2 * o->winograd;
    if (!o->bench.batch)
        o->bench.batch = net_batch(&m.info);
    if (!(o->bench.seconds > 0))
        o->bench.seconds = RN_ZERO;
    rc = ranks_join(&o->bench.ranks, command->name, &o->ranks);
    if (rc) {
        rn_model_destroy(model);
        return rc;
    }
    rc = o->as_threads ? outline(o, model, &plan, &err)
                       : rn_bench(model, &o->bench, &m.result,
                                  o->bench.profile ? &plan : NULL, &err);
    ranks_choose(o->bench.ranks, rc);
    m.plan = plan;
    if (rc)
        rc = cli_fail(&err);
    else if (o->as_threads)
        print_planned(o, &m);
    else if (o->json)
        print_json(&m);
    else
        print_text(&m);
    ranks_leave(o->bench.ranks);
    rn_plan_destroy(plan);
    rn_model_destroy(model);
    return rc;
}

/* --------------------------------------------------------- several networks */

static int run_survey(const struct command *command, const struct options *o,
                      const struct args *args)
{
    struct survey_args survey = {
        .operand = args->operand,
        .count = args->count,
        .folder = o->survey,
        .data = o->data,
        .batches = o->batches ? o->batches : "1,2,4,8,16,32,64",
        .net = &o->net,
        .net_given = options_given_any(command, args, "network"),
        .import = &o->import,
        .bench = o->bench,
        .json = o->json,
    };

    survey.bench.winograd = 2 * o->winograd;
    if (!(survey.bench.seconds > 0))
        survey.bench.seconds = RN_ZERO;
    if (args->count == 0 || o->as_threads || o->bench.profile ||
        o->bench.batch || o->bench.streams) {
        say_error(args->count == 0
                      ? "--survey: which networks or models?"
                      : "--survey measures networks at --batches, without "
                        "--batch, --layers, --streams and --as-threads");
        return EXIT_USAGE;
    }
    return survey_run(&survey);
}

/* What loading takes beside --data, and what a plan that is not run does
 * nothing with. */
#define OF_LOADING "data|batch|seconds|threads|size|json"
#define OF_RUNNING "data|threads|streams|seconds|powercap|gradient-precision"

/* Options that would do nothing are refused: a number that was measured
 * without them would be taken for one with. */
static int check(const struct command *command, const struct options *o,
                 const struct args *args)
{
    int loads = o->data && !o->survey && args->count == 0;
    struct option other;

    if (o->as_threads && options_given_of(command, args, OF_RUNNING, &other))
        say_error("--as-threads plans a network instead of running it, without "
                  "--%s",
                  other.name);
    else if (loads && options_given_beside(command, args, OF_LOADING, &other))
        say_error("--data times loading alone, without --%s", other.name);
    else if (o->bench.mode == RN_MODE_INFER &&
             options_given(command, args, "recompute"))
        say_error("--recompute is for backward, with --mode train");
    else if (o->bench.exact && options_given(command, args, "winograd"))
        say_error("--exact does without Winograd, and so without --winograd");
    else if (o->bench.emulate && o->bench.precision != RN_PRECISION_BF16)
        say_error("--emulate is for --precision bf16");
    else
        return 0;
    return EXIT_USAGE;
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    const struct options *o = options;
    int count = rn_ranks_launched(NULL, NULL);

    if (count > 1 && (o->survey || o->data || o->as_threads)) {
        say_error("%s has no form for %d ranks: start it without the launcher",
                  o->survey ? "--survey"
                  : o->data ? "--data"
                            : "--as-threads",
                  count);
        return EXIT_USAGE;
    }
    if (check(command, o, args))
        return EXIT_USAGE;
    if (o->survey)
        return run_survey(command, o, args);
    if (o->batches || args->count > 1) {
        say_error(o->batches ? "--batches is for --survey"
                             : "several networks are for --survey DIR");
        return EXIT_USAGE;
    }
    if (o->data && args->count == 0 && o->net.height == o->net.width)
        return run_loading(o);
    if (o->data && o->net.height != o->net.width) {
        say_error("--size: loading makes square images");
        return EXIT_USAGE;
    }
    if (!o->data && args->count == 1)
        return run_network(command, options, args);
    if (o->data)
        say_error("--data times loading alone, without '%s'", args->operand[0]);
    else
        say_error("NET or MODEL is missing; usage: resnet bench %s",
                  command->synopsis);
    return EXIT_USAGE;
}

const struct command command_bench = {
    .name = "bench",
    .synopsis = "NET|MODEL[=ACCURACY] ... [option ...]",
    .summary = "Images per second, memory and energy of training or inference, "
               "on made-up images; or of loading pictures. With --survey of "
               "several networks, whose accuracies may be given, in per cent.",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .min_args = 0,
    .max_args = 1000,
    .ranks = 1,
    .defaults = defaults,
    .run = run,
};
