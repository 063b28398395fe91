/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet train: make a run folder, or go on with one. */
#include "cli.h"
#include "inputs.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"
#include "ranks.h"
#include "recipe.h"
#include "recipe_path.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    struct rn_train_options train;
    const char *recipe;
    const char *resume;
    const char *validation;
    struct ranks_args ranks;
    int json, quiet;
};

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct rn_option run_options[] = {
    {"resume", .type = RN_OPTION_TEXT, .offset = AT(resume), .value = "RUN",
     .help = "Go on with a run that was stopped or killed, with its options; "
             "--threads, --data and, for a longer run, --iterations or "
             "--epochs may differ"},
    {"data", .type = RN_OPTION_TEXT, .offset = AT(train.data),
     .value = "DATA", .help = "With --resume: where the run's data lie now"},
    {"recipe", .type = RN_OPTION_TEXT, .offset = AT(recipe), .value = "RECIPE",
     .help = "Read lines 'option = value' from this file, from the recipe of "
             "that name that comes with the program, or from standard input "
             "(-); the command line overrides them"},
    RANKS_OPTIONS(AT(ranks)),
    {"json", .type = RN_OPTION_FLAG, .offset = AT(json), .help = JSON_HELP},
    {"quiet", .type = RN_OPTION_FLAG, .offset = AT(quiet),
     .help = "Print errors and the result only, no progress and no messages"},
};

static const struct rn_option data_options[] = {
    {"validation", .type = RN_OPTION_TEXT, .offset = AT(validation),
     .value = "N|N%", .unset = "0",
     .help = "Hold out the last N, or N%, training images and test on them; of "
             "pictures some of each class, chosen by --seed and the files' "
             "names"},
};
/* clang-format on */

#define TRAIN_GROUP(name)                                                 \
    {                                                                     \
        name, .library = rn_train_option, .only = name, .base = AT(train) \
    }

static const struct option_group groups[] = {
    {"run", .own = run_options, .count = COUNT(run_options)},
    {"run", .library = rn_train_option, .only = "run", .without = "data",
     .base = AT(train)},
    TRAIN_GROUP("network"),
    TRAIN_GROUP("length"),
    TRAIN_GROUP("optimiser"),
    TRAIN_GROUP("fine-tuning"),
    TRAIN_GROUP("distillation"),
    {"data", .own = data_options, .count = COUNT(data_options)},
    {"data", .library = rn_train_option, .only = "data",
     .without = "validation|validation_percent", .base = AT(train)},
    TRAIN_GROUP("augmentation"),
    TRAIN_GROUP("log"),
};

static void defaults(void *options)
{
    struct options *o = options;

    rn_train_defaults(&o->train);
    o->train.bind = 1;
}

/* ------------------------------------------------------------ options */

static int both_lengths(const char *where)
{
    say_error("%s: iterations and epochs both tell the length of the run; "
              "give one",
              where);
    return EXIT_USAGE;
}

/* Options again, the recipe's first; what the command line says of the
 * length replaces what the recipe says. */
static int apply_recipe(const struct command *command, struct options *o,
                        struct args *args, char **text)
{
    const struct args given = *args;
    char *path = recipe_path(o->recipe);
    int rc;

    if (!path)
        return EXIT_USAGE;
    memset(o, 0, sizeof(*o));
    defaults(o);
    rc = recipe_read(path, command, o,
                     "resume|data|recipe|timeout|allow-mixed|json|quiet", args,
                     text);
    if (rc == 0 && options_given(command, args, "iterations") &&
        options_given(command, args, "epochs"))
        rc = both_lengths(path);
    free(path);
    if (rc)
        return rc;
    if (options_given(command, &given, "iterations"))
        o->train.epochs = 0;
    if (options_given(command, &given, "epochs"))
        o->train.iterations = 0;
    return options_parse(command, o, args);
}

/** Options that a run may go on with. */
#define BESIDE_RESUME                                                   \
    "resume|json|quiet|threads|data|iterations|epochs|emulate|timeout|" \
    "allow-mixed"

static int check_resume(const struct command *command, const struct args *args)
{
    struct option other;

    if (args->count > 0) {
        say_error("--resume takes the data from the run; '%s' is one argument "
                  "too many (--data says where they lie now)",
                  args->operand[0]);
        return EXIT_USAGE;
    }
    if (!options_given_beside(command, args, BESIDE_RESUME, &other))
        return 0;
    say_error("--resume takes its options from the run; --%s cannot be given "
              "with it",
              other.name);
    return EXIT_USAGE;
}

static int check_new(const struct command *command, struct options *o,
                     const struct args *args)
{
    if (args->count == 0) {
        say_error("DATA is missing; usage: resnet %s %s", command->name,
                  command->synopsis);
        return EXIT_USAGE;
    }
    if (!o->train.out) {
        say_error("--out RUN is missing: the folder to make for the run");
        return EXIT_USAGE;
    }
    if (o->train.data) {
        say_error("--data is for --resume; DATA is the argument '%s'",
                  args->operand[0]);
        return EXIT_USAGE;
    }
    o->train.data = args->operand[0];
    if (parse_validation(o->validation, &o->train.validation,
                         &o->train.validation_percent) < 0)
        return EXIT_USAGE;
    return 0;
}

/* ------------------------------------------------------------- events */

/** Lines a reader of a log file wants at most one of in this time. */
#define SECONDS_PER_LINE 10.0

struct watcher {
    double said_at; /* seconds_now() of the last report line */
    int introduced; /* the machine has been named */
    int quiet;
    struct rn_train_report last;
};

/* "  error 12.3 %"; nothing of a run that answers nothing. */
static const char *text_error(struct text *t, double error, int digits)
{
    t->at[0] = '\0';
    if (!isnan(error))
        snprintf(t->at, sizeof(t->at), "  error %.*f %%", digits, error);
    return t->at;
}

/* A loss of a network that goes astray has more digits than anybody reads. */
static const char *text_loss(struct text *t, double loss)
{
    snprintf(t->at, sizeof(t->at), fabs(loss) < 1e6 ? "%.4f" : "%.4g", loss);
    return t->at;
}

static void describe(const struct rn_train_report *r, char *line, size_t size)
{
    struct text done, all, left, error, loss;

    snprintf(line, size,
             "%s/%s  epoch %.2f  loss %s%s  lr %.4g  %.0f images/s  %s left",
             text_count(&done, (uint64_t)r->iteration),
             text_count(&all, (uint64_t)r->iterations), r->epoch,
             text_loss(&loss, r->loss), text_error(&error, r->train_error, 2),
             r->lr, r->images_per_second, text_seconds(&left, r->seconds_left));
}

/* "test error 12.30 %", and what else a line has room for. */
static void describe_test(const struct rn_train_report *r, char *line,
                          size_t size)
{
    const char *part = rn_part_name(r->test_part);
    size_t length = 0;

    for (int i = 0; i < r->measures && length < size; i++) {
        const struct rn_measured *m = &r->measured[i];

        if (m->title)
            length += (size_t)snprintf(line + length, size - length,
                                       m->percent ? "  %s %s %.2f %%"
                                                  : "  %s %s %.4f",
                                       part, m->title, m->value);
    }
}

static void on_report(void *user, const struct rn_train_report *r)
{
    struct watcher *w = user;
    double now = seconds_now();
    char line[256], test[128] = "";
    int due = now - w->said_at >= SECONDS_PER_LINE;

    w->last = *r;
    if (w->quiet)
        return;
    /* on a terminal the bar says the rest */
    if (!r->tested && (progress_live() || !due) && r->iteration < r->iterations)
        return;
    w->said_at = now;
    describe(r, line, sizeof(line));
    if (r->tested)
        describe_test(r, test, sizeof(test));
    say("%s%s", line, test);
}

static void on_tick(void *user, const struct rn_train_report *r)
{
    struct watcher *w = user;
    struct text done, all, left, error;
    char line[160];

    w->last = *r;
    if (w->quiet || !progress_due())
        return;
    snprintf(line, sizeof(line), "%s/%s  %.0f images/s  loss %.3f%s  %s left",
             text_count(&done, (uint64_t)r->iteration),
             text_count(&all, (uint64_t)r->iterations), r->images_per_second,
             r->loss, text_error(&error, r->train_error, 1),
             text_seconds(&left, r->seconds_left));
    progress_draw((double)r->iteration / (double)r->iterations, line);
}

/* The number of threads is the library's to say: a resumed run has its own. */
static void say_machine(void)
{
    struct rn_machine m;

    rn_machine_get(&m);
    say("%s, %s, oneDNN %s", m.cpu, m.isa, m.onednn);
}

static void on_message(void *user, const char *text)
{
    struct watcher *w = user;

    /* of a rank other than the first: what that one cannot know */
    if (output_hushed()) {
        ranks_say(text);
        return;
    }
    /* only once the options were found good */
    if (!w->introduced)
        say_machine();
    w->introduced = 1;
    say("%s", text);
}

static int on_stop(void *user)
{
    (void)user;
    return interrupt_signal();
}

/* ------------------------------------------------------------- result */

static void print_json(const char *run, const struct rn_train_result *r)
{
    json_t *object = json_new();

    json_put(object, "run", json_text(run));
    json_put(object, "iterations", json_count((uint64_t)r->iterations));
    json_put(object, "seconds", json_double(r->seconds));
    json_put(object, "loss", json_double(r->loss));
    json_put(object, "train_error", json_double(r->train_error));
    json_put(object, "images", json_count((uint64_t)r->test_images));
    if (r->test_images > 0) {
        json_put(object, "part", json_text(rn_part_name(r->test_part)));
        for (int i = 0; i < r->measures; i++)
            json_put(object, r->measured[i].name,
                     json_double(r->measured[i].value));
        json_put(object, "best_error", json_double(r->best_error));
        json_put(object, "best_iteration",
                 json_count((uint64_t)r->best_iteration));
    }
    json_line(object);
}

static void print_text(const char *run, const struct rn_train_result *r)
{
    struct text t;

    printf("%s iteration%s", text_count(&t, (uint64_t)r->iterations),
           r->iterations == 1 ? "" : "s");
    printf(" in %s\n", text_seconds(&t, r->seconds));
    if (r->test_images > 0) {
        printf("%s error %.2f %%", rn_part_name(r->test_part), r->test_error);
        /* among five classes everything is among the first five */
        if (r->classes > 5 && !isnan(r->test_error5))
            printf(" (top-5 %.2f %%)", r->test_error5);
        /* what is not named above */
        for (int i = 0; i < r->measures; i++)
            if (r->measured[i].title && !r->measured[i].percent)
                printf(", %s %.4f", r->measured[i].title, r->measured[i].value);
        printf(", loss %s", text_loss(&t, r->test_loss));
        printf(", %s images\n", text_count(&t, (uint64_t)r->test_images));
        printf("best %.2f %% at iteration %s: %s/best.safetensors\n",
               r->best_error, text_count(&t, (uint64_t)r->best_iteration), run);
    }
    printf("last model: %s/last.safetensors\n", run);
}

static int finish(const char *run, const struct options *o, int rc,
                  const struct rn_train_result *result,
                  const struct watcher *watcher, int stopped,
                  const struct rn_error *err)
{
    struct rn_run_state state = {.iteration = watcher->last.iteration,
                                 .iterations = watcher->last.iterations};
    struct text done, all;

    progress_clear();
    if (rc == RN_ERR_STOPPED) {
        if (state.iterations == 0) /* before the first iteration was over */
            rn_run_get(run, &state, NULL);
        say("stopped at iteration %s of %s; go on with: resnet train "
            "--resume %s",
            text_count(&done, (uint64_t)state.iteration),
            text_count(&all, (uint64_t)state.iterations), run);
        return stopped ? 128 + stopped : cli_status(rc);
    }
    if (rc)
        return cli_fail(err);
    if (o->json)
        print_json(run, result);
    else
        print_text(run, result);
    return EXIT_DONE;
}

static int train(struct options *o, struct rn_ranks *ranks)
{
    const char *run = o->resume ? o->resume : o->train.out;
    struct watcher watcher = {.said_at = seconds_now(), .quiet = o->quiet};
    const struct rn_train_events events = {
        .struct_size = sizeof(events),
        .user = &watcher,
        .report = on_report,
        .tick = on_tick,
        .message = o->quiet ? NULL : on_message,
        .stop = on_stop,
    };
    const struct rn_resume_options again = {
        .struct_size = sizeof(again),
        .data = o->train.data,
        .threads = o->train.threads,
        .iterations = o->train.iterations,
        .epochs = o->train.epochs,
        .bind = 1,
        .emulate = o->train.emulate,
        .ranks = ranks,
    };
    struct rn_train_result result = {0};
    struct rn_error err = {0};
    int rc, stopped;

    interrupt_catch();
    ask_for_zeroes(rn_train_option, &o->train);
    o->train.ranks = ranks;
    if (o->resume)
        rc = rn_train_resume(run, &again, &events, &result, &err);
    else
        rc = rn_train(&o->train, &events, &result, &err);
    stopped = rn_ranks_stopped(ranks);
    ranks_choose(ranks, rc);
    return finish(run, o, rc, &result, &watcher, stopped, &err);
}

int train_run(const struct rn_train_options *options, const char *resume,
              int threads, struct rn_ranks *ranks)
{
    struct options o = {.train = *options, .resume = resume};

    o.train.threads = threads;
    if (resume) /* the rest is the run's */
        o.train = (struct rn_train_options){.data = options->data,
                                            .threads = threads,
                                            .emulate = options->emulate};
    return train(&o, ranks);
}

/* The options of a command line and of the recipe it names, checked. */
static int take(const struct command *command, struct options *o,
                const struct args *args, char **recipe)
{
    struct args again = *args;
    int rc = 0;

    *recipe = NULL;
    if (options_given(command, args, "iterations") &&
        options_given(command, args, "epochs"))
        return both_lengths("command line");
    if (!o->resume && o->recipe)
        rc = apply_recipe(command, o, &again, recipe);
    if (rc)
        return rc;
    return o->resume ? check_resume(command, args)
                     : check_new(command, o, args);
}

int train_parse(int argc, char **argv, struct rn_train_options *train,
                char **recipe)
{
    struct options o = {.recipe = NULL};
    struct args args = {.argc = argc, .argv = argv};
    int rc;

    *recipe = NULL;
    args.operand = calloc((size_t)argc + 1, sizeof(*args.operand));
    if (!args.operand) {
        say_error("out of memory");
        return EXIT_FAILED;
    }
    defaults(&o);
    rc = options_parse(&command_train, &o, &args);
    if (rc == 0)
        rc = take(&command_train, &o, &args, recipe);
    free(args.operand);
    *train = o.train;
    return rc;
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    struct options *o = options;
    struct rn_ranks *ranks;
    char *recipe;
    int rc = take(command, o, args, &recipe);

    if (rc == 0)
        rc = ranks_join(&ranks, command->name, &o->ranks);
    if (rc == 0) {
        rc = train(o, ranks);
        ranks_leave(ranks);
    }
    free(recipe);
    return rc;
}

const struct command command_train = {
    .name = "train",
    .synopsis = "DATA --out RUN [option ...] | --resume RUN",
    .summary = "Train a network on DATA and keep models, log and learning "
               "curve in the folder RUN.",
    .notes =
        "DATA is a folder of CIFAR-10 or CIFAR-100 files, binary or for "
        "Python\n(coarse:FOLDER takes CIFAR-100's 20 coarse labels), a folder "
        "of IDX files (plain\nor .gz), synthetic:CxHxW:CLASSES[:COUNT], or a "
        "folder of pictures:\ntrain/CLASS/... with val/ or test/ beside it, "
        "CLASS/..., or labels.txt or\nlabels.csv. A .tar or .zip of pictures "
        "is read in place, a .tar.gz and such\nunpacked into a temporary "
        "file first.\n"
        "'chosen': by the number of pictures, the memory and the weights; what "
        "was\nchosen is printed.\n"
        "SIGINT (Ctrl-C), SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU "
        "finish the\niteration and save; --resume goes on. A second SIGINT "
        "or SIGTERM ends at once.\n",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .max_args = 1,
    .ranks = 1,
    .defaults = defaults,
    .run = run,
};
