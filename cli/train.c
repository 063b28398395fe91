/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet train: make a run folder, or go on with one. */
#include "augment.h"
#include "cli.h"
#include "inputs.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"
#include "recipe.h"
#include "recipe_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    struct rn_train_options train;
    const char *recipe;
    const char *resume;
    const char *validation;
    int json, quiet;
};

#define AT(field) offsetof(struct options, field)
#define BILLION   1000000000

/* clang-format off */
static const struct option run_options[] = {
    {"out", "RUN", OPTION_TEXT, AT(train.out), 0, 0, NULL, NULL,
     "run folder to make"},
    {"resume", "RUN", OPTION_TEXT, AT(resume), 0, 0, NULL, NULL,
     "go on with a run that was stopped or killed, with its options; --threads, "
     "--data and, for a longer run, --iterations or --epochs may be others"},
    {"data", "DATA", OPTION_TEXT, AT(train.data), 0, 0, NULL, NULL,
     "with --resume: where the run's data lie now"},
    {"recipe", "NAME", OPTION_TEXT, AT(recipe), 0, 0, NULL, NULL,
     "file of lines 'option = value', or the name of one that comes with the "
     "program, - for standard input; the command line overrides it"},
    {"seed", "N", OPTION_SEED, AT(train.seed), 0, 0, NULL, NULL,
     "all random choices follow from it"},
    {"threads", "N", OPTION_INT, AT(train.threads), 1, 1024, NULL,
     "what the machine allows", "compute threads"},
    {"exact", NULL, OPTION_FLAG, AT(train.exact), 0, 0, NULL, NULL,
     "direct convolution only, no Winograd"},
    {"recompute", "WHAT", OPTION_INDEX, AT(train.recompute), 0, 0, RECOMPUTE_WORDS,
     NULL, RECOMPUTE_HELP},
    {"json", NULL, OPTION_FLAG, AT(json), 0, 0, NULL, NULL,
     "print the result as one JSON object"},
    {"quiet", NULL, OPTION_FLAG, AT(quiet), 0, 0, NULL, NULL,
     "no progress and no messages but errors; the result is still printed"},
};

static const struct option network_options[] = {
    {"net", "NAME", OPTION_TEXT, AT(train.net), 0, 0, NULL, "resnet20, that of --weights; of pictures *",
     "network; 'resnet info' lists them"},
    {"size", "N", OPTION_INT, AT(train.size), 8, 4096, NULL,
     "that of --weights, or *", "side of the images that pictures become"},
    {"weights", "MODEL", OPTION_TEXT, AT(train.weights), 0, 0, NULL, NULL,
     "start from this model, with its normalisation; for other classes "
     "with a new last layer"},
    {"holder", "NAME", OPTION_TEXT, AT(train.holder), 0, 0, NULL,
     "the likeliest", "which of the weights' dictionaries of tensors, or which "
     "beginning of names"},
    {"map", "FILE", OPTION_TEXT, AT(train.map), 0, 0, NULL, NULL,
     "lines OURS = THEIRS: names of the weights that are not known"},
    {"skip-extra", NULL, OPTION_FLAG, AT(train.skip_extra), 0, 0, NULL, NULL,
     "pass over tensors of the weights that belong to no layer"},
    {"shortcut", "A|A-split|B|C", OPTION_LETTER, AT(train.shortcut), 0, 0,
     "A|A-split|B|C",
     "the family's",
     "shortcuts where sizes change: A zero padding (A-split: half of it on each "
     "side), B projection, C projection everywhere"},
    {"stride", "v1|v1.5", OPTION_INDEX, AT(train.stride_v1), 0, 0, "v1.5|v1",
     NULL, "where a bottleneck strides: first 1x1 (v1, the paper's) or 3x3"},
};

static const struct option length_options[] = {
    {"batch", "N", OPTION_INT, AT(train.batch), 1, 65536, NULL,
     "128; of pictures *", "images per batch"},
    {"accumulate", "N", OPTION_INT, AT(train.accumulate), 1, 4096, NULL, "1",
     "batches per iteration: the mean of their gradients makes one step"},
    {"iterations", "N", OPTION_LONG, AT(train.iterations), 1, BILLION, NULL,
     "64000, or from --epochs; of pictures *", "iterations of the whole run"},
    {"epochs", "X", OPTION_REAL, AT(train.epochs), 1e-6, 1e6, NULL,
     "from --iterations", "passes over the training images"},
    {"last-batch", "HOW", OPTION_WORD, AT(train.last_batch), 0, 0,
     "wrap|drop|keep", NULL,
     "an epoch's last, smaller batch: wrap into the next epoch (the paper's), "
     "drop or keep"},
    {"patience", "N", OPTION_INT, AT(train.patience), 1, 1000000, NULL, NULL,
     "end after N tests in a row without a smaller error"},
    {"reestimate", NULL, OPTION_FLAG, AT(train.reestimate), 0, 0, NULL, NULL,
     "after the last step, take batch norm's statistics anew, as averages over "
     "the training images (the paper's published models)"},
};

static const struct option tuning_options[] = {
    {"freeze", "STAGES", OPTION_TEXT, AT(train.freeze), 0, 0, NULL,
     "none; with --weights *",
     "stages that stay as they are: conv1-conv4, or some of conv1, conv2, "
     "conv3, conv4, conv5, fc; nothing is computed for them in backward"},
    {"batch-norm", "HOW", OPTION_WORD, AT(train.batch_norm), 0, 0,
     "batch|running", "batch; with --weights *",
     "normalise by the batch's statistics, or by the weights' running ones; "
     "frozen stages do the latter"},
    {"lr-scale", "LIST", OPTION_TEXT, AT(train.lr_scale), 0, 0, NULL, NULL,
     "STAGES=X,...: these learn at X times the rate (conv1-conv4=0.1)"},
    {"ema", "X", OPTION_REAL, AT(train.ema), 0, 0.9999999, NULL, NULL,
     "decay of a moving average of the weights (0.999), which is what is "
     "tested and saved as best"},
    {"class-weights", "HOW", OPTION_WORD, AT(train.class_weights), 0, 0,
     "none|balanced", "none",
     "balanced: an image counts the more the fewer there are of its class"},
};

static const struct option optimiser_options[] = {
    {"lr", "X", OPTION_REAL, AT(train.lr), 1e-12, 1000, NULL,
     "0.1, adamw and rmsprop 0.001, lars 1; of pictures by --batch",
     "learning rate"},
    {"schedule", "S", OPTION_TEXT, AT(train.schedule), 0, 0, NULL,
     "step:50%,75%; of pictures one-cycle, with --weights cosine",
     "step:A,B,... (a tenth from iteration A on, or A%), constant, cosine, "
     "one-cycle[:PERCENT]"},
    {"warmup", "W", OPTION_TEXT, AT(train.warmup), 0, 0, NULL, "none",
     "none, N iterations of linear rise, or error:P (--warmup-lr until the "
     "training error is below P %)"},
    {"warmup-lr", "X", OPTION_REAL, AT(train.warmup_lr), 0, 1000, NULL, NULL,
     "learning rate of warmup error:P"},
    {"optimizer", "NAME", OPTION_TEXT, AT(train.optimizer), 0, 0, NULL, NULL,
     "how gradients change weights: sgd, nesterov, adamw, rmsprop or lars"},
    {"momentum", "X", OPTION_REAL, AT(train.momentum), 0, 0.9999, NULL, NULL,
     "momentum of sgd, nesterov and lars"},
    {"beta1", "X", OPTION_REAL, AT(train.beta1), 1e-7, 0.9999999, NULL, "0.9",
     "decay of adamw's average of gradients"},
    {"beta2", "X", OPTION_REAL, AT(train.beta2), 1e-7, 0.9999999, NULL, "0.999",
     "decay of adamw's average of squared gradients"},
    {"alpha", "X", OPTION_REAL, AT(train.alpha), 1e-7, 0.9999999, NULL, "0.99",
     "decay of rmsprop's average of squared gradients"},
    {"epsilon", "X", OPTION_REAL, AT(train.epsilon), 1e-30, 1, NULL, "1e-8",
     "what adamw and rmsprop add to the root they divide by"},
    {"trust", "X", OPTION_REAL, AT(train.trust), 1e-12, 1, NULL, "0.001",
     "lars: share of a layer's weights, by norm, that a step of rate 1 changes"},
    {"weight-decay", "X", OPTION_REAL, AT(train.weight_decay), 0, 1, NULL,
     NULL, "weight decay"},
    {"decay", "WHAT", OPTION_INDEX, AT(train.decay_all), 0, 0, "weights|all",
     NULL, "what decays: all, or weights without batch norm and biases"},
    {"loss", "NAME", OPTION_TEXT, AT(train.loss), 0, 0, NULL, NULL,
     "cross-entropy, smoothed-cross-entropy (label smoothing 0.1), "
     "binary-cross-entropy (of sigmoids) or squared-hinge"},
    {"label-smoothing", "X", OPTION_REAL, AT(train.label_smoothing), 0, 0.999,
     NULL, NULL, "share of the target spread over all classes"},
};

static const struct option data_options[] = {
    {"validation", "N", OPTION_TEXT, AT(validation), 0, 0, NULL, "0",
     "hold out the last N or N% training images and test on them; of pictures "
     "some of each class, chosen by --seed and the files' names"},
    {"resize", "N", OPTION_INT, AT(train.resize), 8, 65535, NULL,
     "8/7 of the size, or that of --weights",
     "shorter side of pictures that are tested on, before the centre is cut "
     "out"},
    {"skip-bad", NULL, OPTION_FLAG, AT(train.skip_bad), 0, 0, NULL, NULL,
     "name training pictures that cannot be read, and let others stand in, "
     "rather than stop"},
    {"normalize", "HOW", OPTION_WORD, AT(train.normalize), 0, 0,
     "channel|pixel", NULL,
     "by channel mean and std, or by the mean of every pixel (the paper's)"},
};

static const struct option log_options[] = {
    {"report-every", "N", OPTION_LONG, AT(train.report_every), 1, BILLION,
     NULL, "chosen", "iterations per line of the log"},
    {"test-every", "N", OPTION_LONG, AT(train.test_every), 1, BILLION, NULL,
     "every epoch", "iterations per test"},
    {"save-every", "N", OPTION_LONG, AT(train.save_every), 1, BILLION, NULL,
     "with each test, and every ten minutes", "iterations per checkpoint"},
};
/* clang-format on */

static const struct option_group groups[] = {
    {"run", run_options, COUNT(run_options), 0},
    {"network", network_options, COUNT(network_options), 0},
    {"length", length_options, COUNT(length_options), 0},
    {"optimiser", optimiser_options, COUNT(optimiser_options), 0},
    {"fine-tuning", tuning_options, COUNT(tuning_options), 0},
    {"data", data_options, COUNT(data_options), 0},
    {"augmentation", augment_table, AUGMENT_OPTIONS, AT(train)},
    {"log", log_options, COUNT(log_options), 0},
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
    rc = recipe_read(path, command, o, "resume|data|recipe|json|quiet", args,
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
#define BESIDE_RESUME "resume|json|quiet|threads|data|iterations|epochs"

static int check_resume(const struct command *command, const struct args *args)
{
    size_t position = 0;

    if (args->count > 0) {
        say_error("--resume takes the data from the run; '%s' is one argument "
                  "too many (--data says where they lie now)",
                  args->operand[0]);
        return EXIT_USAGE;
    }
    for (size_t g = 0; g < command->n_groups; g++) {
        const struct option_group *group = &command->groups[g];

        for (size_t i = 0; i < group->count; i++, position++) {
            const char *name = group->options[i].name;

            if (!args->seen[position] || word_index(BESIDE_RESUME, name) >= 0)
                continue;
            say_error("--resume takes its options from the run; --%s cannot "
                      "be given with it",
                      name);
            return EXIT_USAGE;
        }
    }
    return 0;
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

static void describe(const struct rn_train_report *r, char *line, size_t size)
{
    struct text done, all, left;

    snprintf(line, size,
             "%s/%s  epoch %.2f  loss %.4f  error %.2f %%  lr %.4g  "
             "%.0f images/s  %s left",
             text_count(&done, (uint64_t)r->iteration),
             text_count(&all, (uint64_t)r->iterations), r->epoch, r->loss,
             r->train_error, r->lr, r->images_per_second,
             text_seconds(&left, r->seconds_left));
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
        snprintf(test, sizeof(test), "  %s error %.2f %%",
                 rn_part_name(r->test_part), r->test_error);
    say("%s%s", line, test);
}

static void on_tick(void *user, const struct rn_train_report *r)
{
    struct watcher *w = user;
    struct text done, all, left;
    char line[160];

    w->last = *r;
    if (w->quiet || !progress_due())
        return;
    snprintf(line, sizeof(line),
             "%s/%s  %.0f images/s  loss %.3f  error %.1f %%  %s left",
             text_count(&done, (uint64_t)r->iteration),
             text_count(&all, (uint64_t)r->iterations), r->images_per_second,
             r->loss, r->train_error, text_seconds(&left, r->seconds_left));
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

    /* only once the options were found good */
    if (!w->introduced)
        say_machine();
    w->introduced = 1;
    say("%s", text);
}

static int on_stop(void *user)
{
    (void)user;
    return interrupt_signal() != 0;
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
        json_put(object, "test_error", json_double(r->test_error));
        json_put(object, "test_error5", json_double(r->test_error5));
        json_put(object, "test_loss", json_double(r->test_loss));
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
        if (r->classes > 5)
            printf(" (top-5 %.2f %%)", r->test_error5);
        printf(", loss %.4f, %s images\n", r->test_loss,
               text_count(&t, (uint64_t)r->test_images));
        printf("best %.2f %% at iteration %s: %s/best.safetensors\n",
               r->best_error, text_count(&t, (uint64_t)r->best_iteration), run);
    }
    printf("last model: %s/last.safetensors\n", run);
}

static int finish(const char *run, const struct options *o, int rc,
                  const struct rn_train_result *result,
                  const struct watcher *watcher, const struct rn_error *err)
{
    struct text done, all;

    progress_clear();
    if (rc == RN_ERR_STOPPED) {
        say("stopped at iteration %s of %s; go on with: resnet train "
            "--resume %s",
            text_count(&done, (uint64_t)watcher->last.iteration),
            text_count(&all, (uint64_t)watcher->last.iterations), run);
        return cli_status(rc);
    }
    if (rc)
        return cli_fail(err);
    if (o->json)
        print_json(run, result);
    else
        print_text(run, result);
    return EXIT_DONE;
}

static int train(struct options *o)
{
    const char *run = o->resume ? o->resume : o->train.out;
    struct watcher watcher = {.said_at = seconds_now(), .quiet = o->quiet};
    const struct rn_train_events events = {
        .user = &watcher,
        .report = on_report,
        .tick = on_tick,
        .message = o->quiet ? NULL : on_message,
        .stop = on_stop,
    };
    const struct rn_resume_options again = {
        .data = o->train.data,
        .threads = o->train.threads,
        .iterations = o->train.iterations,
        .epochs = o->train.epochs,
        .bind = 1,
    };
    struct rn_train_result result = {0};
    struct rn_error err = {0};
    int rc;

    interrupt_catch();
    if (o->resume)
        rc = rn_train_resume(run, &again, &events, &result, &err);
    else
        rc = rn_train(&o->train, &events, &result, &err);
    return finish(run, o, rc, &result, &watcher, &err);
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    struct options *o = options;
    struct args again = *args;
    char *recipe = NULL;
    int rc = 0;

    if (options_given(command, args, "iterations") &&
        options_given(command, args, "epochs"))
        return both_lengths("command line");
    if (!o->resume && o->recipe)
        rc = apply_recipe(command, o, &again, &recipe);
    if (rc == 0 && o->resume)
        rc = check_resume(command, args);
    else if (rc == 0)
        rc = check_new(command, o, args);
    if (rc == 0)
        rc = train(o);
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
        "*: chosen by the number of pictures and the memory, and said.\n"
        "SIGINT (Ctrl-C), SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU "
        "finish the\niteration and save; --resume goes on. A second SIGINT "
        "or SIGTERM ends at once.\n",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .max_args = 1,
    .defaults = defaults,
    .run = run,
};
