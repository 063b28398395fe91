/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet study: train many runs, and report on them. */
#include "study.h"

#include "cli.h"
#include "interrupt.h"
#include "jobs.h"
#include "output.h"
#include "progress.h"
#include "ranks.h"

#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX 64

struct options {
    const char *out, *report, *only;
    int jobs, threads, list, json, quiet;
    struct ranks_args ranks;
};

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct rn_option study_options[] = {
    {"out", .type = RN_OPTION_TEXT, .offset = AT(out), .value = "DIR",
     .help = "Keep the runs in folders below DIR; what is complete there is "
             "not run again, what was stopped goes on"},
    {"only", .type = RN_OPTION_TEXT, .offset = AT(only), .value = "PATTERN",
     .unset = "all",
     .help = "Run those whose names match PATTERN, which may have * and ?"},
    {"jobs", .type = RN_OPTION_INT, .offset = AT(jobs), .min = 1,
     .max = JOBS_MAX, .value = "N", .unset = "1",
     .help = "Runs at a time, which share the threads"},
    {"threads", .type = RN_OPTION_INT, .offset = AT(threads), .min = 1,
     .max = 1024, .value = "N", .unset = "all processors it may use",
     .help = "Compute threads of all runs together"},
    {"list", .type = RN_OPTION_FLAG, .offset = AT(list),
     .help = "Print the runs, how far they are and what they will need; run "
             "nothing"},
    {"report", .type = RN_OPTION_TEXT, .offset = AT(report), .value = "DIR",
     .help = "Run nothing; report on all runs below DIR, whoever made them"},
    RANKS_OPTIONS(AT(ranks)),
    {"json", .type = RN_OPTION_FLAG, .offset = AT(json), .help = JSON_HELP},
    {"quiet", .type = RN_OPTION_FLAG, .offset = AT(quiet),
     .help = "Print errors and the result only"},
};
/* clang-format on */

static const struct option_group groups[] = {
    {"study", .own = study_options, .count = COUNT(study_options)},
};

static void defaults(void *options)
{
    (void)options;
}

/* Runs that this process did not bring to their end. */
struct left {
    size_t failed;
    size_t other; /* another run than the study's is in the folder */
    size_t busy;  /* another process is at it */
};

struct study {
    const struct options *o;
    const char *file;
    struct study_data data;
    struct rn_study *study;
    struct study_run *runs;
    size_t count;
    struct job jobs[JOBS_MAX];
    int n_jobs, threads;
    struct left left;
    struct rn_ranks *ranks; /* that compute each run together, or NULL */
};

/* ------------------------------------------------------------------- runs */

/** Options that are the study's own to give. */
#define REFUSED "out|resume|recipe|data|threads|timeout|allow-mixed|json|quiet"

static char *joined(const char *a, const char *joint, const char *b)
{
    size_t size = strlen(a) + strlen(joint) + strlen(b) + 1;
    char *text = malloc(size);

    if (text)
        snprintf(text, size, "%s%s%s", a, joint, b);
    return text;
}

/* "DIR/NAME", also of "DIR/". */
static char *below(const char *folder, const char *name)
{
    size_t n = strlen(folder);

    return joined(folder, n && folder[n - 1] == '/' ? "" : "/", name);
}

/* "--lr=0.1"; 0, or -1 when memory is short. */
static int add_argument(struct study_run *run, const char *option,
                        const char *value)
{
    char *name = joined("--", option, "="), *text;

    text = name ? joined(name, value, "") : NULL;
    free(name);
    run->argv[run->argc] = text;
    run->argc += text != NULL;
    return text ? 0 : -1;
}

static int make_arguments(const struct study *s, size_t i,
                          struct study_run *run)
{
    const char *recipe = rn_study_recipe(s->study), *option, *value;
    size_t settings = 0;
    int failed = 0;

    while (rn_study_setting(s->study, i, settings, &value))
        settings++;
    run->argv = calloc(settings + 8, sizeof(*run->argv));
    if (!run->argv)
        return -1;
    for (const char *const *word =
             (const char *const[]){"resnet", "train", s->data.path, NULL};
         *word && !failed; word++) {
        run->argv[run->argc] = strdup(*word);
        failed = !run->argv[run->argc];
        run->argc += !failed;
    }
    if (recipe && !failed)
        failed = add_argument(run, "recipe", recipe);
    for (size_t k = 0; !failed && k < settings; k++) {
        option = rn_study_setting(s->study, i, k, &value);
        failed = add_argument(run, option, value);
    }
    if (!failed)
        failed = add_argument(run, "out", run->folder);
    return failed ? -1 : 0;
}

/* Each run reads the recipe anew, in a process without standard input. */
static int check_recipe(const struct study *s)
{
    const char *recipe = rn_study_recipe(s->study);
    struct stat st;

    if (!recipe ||
        (strcmp(recipe, "-") != 0 && strncmp(recipe, "/dev/", 5) != 0 &&
         (stat(recipe, &st) != 0 || S_ISREG(st.st_mode) ||
          S_ISDIR(st.st_mode))))
        return 0;
    say_error("%s: each run reads recipe '%s' anew, which must be a file",
              s->file, recipe);
    return EXIT_USAGE;
}

static int check_settings(const struct study *s, size_t i)
{
    const char *option, *value;

    for (size_t k = 0; (option = rn_study_setting(s->study, i, k, &value)); k++)
        if (word_index(REFUSED, option) >= 0) {
            say_error("%s: '%s' cannot be an option of runs", s->file, option);
            return EXIT_USAGE;
        }
    return 0;
}

static int make_run(struct study *s, size_t i)
{
    struct study_run *run = &s->runs[s->count];
    int rc = check_settings(s, i);

    if (rc)
        return rc;
    run->name = rn_study_run(s->study, i);
    run->folder = below(s->o->out, run->name);
    s->count++;
    if (!run->folder || make_arguments(s, i, run) < 0) {
        say_error("out of memory");
        return EXIT_FAILED;
    }
    rc = train_parse(run->argc - 2, run->argv + 2, &run->options, &run->recipe);
    if (rc)
        say_error("%s: run '%s' cannot be made", s->file, run->name);
    return rc;
}

static int make_runs(struct study *s)
{
    size_t count = 0;
    int rc = 0;

    while (rn_study_run(s->study, count))
        count++;
    s->runs = calloc(count, sizeof(*s->runs));
    if (!s->runs) {
        say_error("out of memory");
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < count && rc == 0; i++)
        if (!s->o->only ||
            fnmatch(s->o->only, rn_study_run(s->study, i), 0) == 0)
            rc = make_run(s, i);
    if (rc == 0 && s->count == 0) {
        say_error("none of the %zu runs of '%s' matches '%s'", count, s->file,
                  s->o->only);
        return EXIT_USAGE;
    }
    return rc;
}

static void free_runs(struct study *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct study_run *run = &s->runs[i];

        for (int k = 0; k < run->argc; k++)
            free(run->argv[k]);
        free(run->argv);
        free(run->folder);
        free(run->recipe);
    }
    free(s->runs);
}

int study_open_data(struct study_data *data, int rule)
{
    const struct rn_data_options options = {.struct_size = sizeof(options),
                                            .rule = rule};
    struct rn_data *opened;
    struct rn_error err;

    if (data->opened < 0)
        return EXIT_FAILED;
    /* 0 is the newest, which is opened first */
    if (data->opened && (rule == 0 || rule == data->info.rule))
        return 0;
    data->opened = -1;
    if (rn_data_open(&opened, data->path, &options, &err))
        return cli_fail(&err);
    data->opened = 1;
    rn_data_describe(opened, &data->info);
    rn_data_close(opened);
    return 0;
}

/* Whether a run was made with other data than DATA. */
static enum run_is compare_data(const struct study_run *run,
                                struct study_data *data)
{
    if (study_open_data(data, run->state.data_rule))
        return RUN_BROKEN;
    if (data->info.checksum == run->state.data_checksum)
        return run->state.finished ? RUN_FINISHED : RUN_STOPPED;
    say_error("'%s' holds a run of other data than '%s'; it is left as it is",
              run->folder, data->path);
    return RUN_OTHER;
}

void study_look(struct study_run *run, struct study_data *data)
{
    struct rn_train_options options = run->options;
    struct rn_error err;
    char field[32], buf[40];
    const char *flag;

    run->is = RUN_BROKEN;
    if (rn_run_get(run->folder, &run->state, &err)) {
        cli_fail(&err);
        return;
    }
    if (run->state.iterations == 0) {
        run->is = RUN_MISSING;
        return;
    }
    ask_for_zeroes(rn_train_option, &options);
    if (rn_run_compare(run->folder, &options, field, &err)) {
        cli_fail(&err);
        return;
    }
    if (!field[0]) {
        run->is = compare_data(run, data);
        return;
    }
    run->is = RUN_OTHER;
    flag = flag_of(field, buf, sizeof(buf));
    say_error("'%s' holds a run of another %s%s; it is left as it is",
              run->folder, flag ? "--" : "", flag ? flag : field);
}

/* ------------------------------------------------------------------- jobs */

static int start(struct study *s, struct job *job, size_t i, int lock)
{
    struct study_run *run = &s->runs[i];
    char threads[32], *data = joined("--data=", s->data.path, "");
    char *resumed[] = {"resnet", "train", "--resume", run->folder,
                       threads,  data,    NULL,       NULL};
    size_t slot = (size_t)(job - s->jobs);
    int share = s->threads / s->n_jobs;
    int rc;

    if (!data) {
        say_error("out of memory");
        return -1;
    }
    share += (int)slot < s->threads % s->n_jobs;
    snprintf(threads, sizeof(threads), "--threads=%d", share > 0 ? share : 1);
    job->run = i;
    if (run->options.emulate) /* of the machine, not of the run */
        resumed[6] = "--emulate";
    run->argv[run->argc] = threads;
    rc = job_start(job, lock, run->folder,
                   run->is == RUN_STOPPED ? resumed : run->argv);
    run->argv[run->argc] = NULL;
    free(data);
    return rc;
}

/* The lock of a run that is to be begun or gone on with, or -1. */
static int claim(struct study *s, size_t i)
{
    struct study_run *run = &s->runs[i];
    int lock = job_lock(run->folder);

    if (lock == -2) {
        s->left.busy++;
        say("%s: another process is at it", run->name);
        return -1;
    }
    if (lock >= 0)
        study_look(run, &s->data); /* by now another may have finished it */
    if (lock >= 0 && (run->is == RUN_MISSING || run->is == RUN_STOPPED))
        return lock;
    s->left.other += run->is == RUN_OTHER;
    s->left.failed += run->is != RUN_OTHER && run->is != RUN_FINISHED;
    if (lock >= 0)
        close(lock);
    return -1;
}

static void say_begins(const struct study *s, const struct study_run *run)
{
    if (!s->o->quiet)
        say("%s: %s", run->name, run->is == RUN_STOPPED ? "goes on" : "begins");
}

/* Begin or go on with a run, if nobody else has it: 1 when it was started. */
static int try_run(struct study *s, struct job *job, size_t i)
{
    int lock = claim(s, i);

    if (lock < 0)
        return 0;
    if (start(s, job, i, lock) < 0) {
        s->left.failed++;
        close(lock);
        return 0;
    }
    say_begins(s, &s->runs[i]);
    return 1;
}

static void tell(void *user, const char *text)
{
    (void)user;
    say("%s", text);
}

static int report(const char *folder, const struct rn_study *study,
                  struct rn_study_result *result, int quiet)
{
    struct rn_error err;

    if (rn_study_report(folder, study, quiet ? NULL : tell, NULL, result, &err))
        return cli_fail(&err);
    return 0;
}

/* What stopped the study, here or on another rank; or 0. */
static int signal_of(const struct study *s)
{
    int stopped = rn_ranks_stopped(s->ranks);

    return stopped ? stopped : interrupt_signal();
}

static void finish_run(struct study *s, const struct job *job, int status)
{
    struct study_run *run = &s->runs[job->run];
    struct text t;
    char line[500];

    if (signal_of(s) && status > 128)
        return;
    if (status == 0) {
        if (!s->o->quiet)
            say("%s: finished after %s", run->name,
                text_seconds(&t, seconds_now() - job->began));
        if (rn_ranks_rank(s->ranks) == 0)
            report(s->o->out, s->study, NULL, 1);
        return;
    }
    s->left.failed++;
    if (status == 128 + 9)
        say_error("%s: killed; the memory may not suffice", run->name);
    else
        say_error("%s: failed with exit status %d: %s", run->name, status,
                  job_last_line(job, run->folder, line, sizeof(line)));
}

/* One look at all jobs; how many still run. A signal that comes meanwhile, as
 * while a report is made, is the next look's for all of them. */
static int attend(struct study *s, int *stopped)
{
    int running = 0, stop = interrupt_signal() && !*stopped;

    for (int k = 0; k < s->n_jobs; k++) {
        struct job *job = &s->jobs[k];
        int status;

        if (!job->process)
            continue;
        if (job_ended(job, &status)) {
            finish_run(s, job, status);
            continue;
        }
        running++;
        if (stop)
            job_stop(job);
    }
    *stopped |= stop;
    return running;
}

static void run_all(struct study *s)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    size_t next = 0;
    int stopped = 0, running;

    do {
        for (int k = 0; k < s->n_jobs; k++)
            while (!s->jobs[k].process && next < s->count &&
                   !interrupt_signal())
                try_run(s, &s->jobs[k], next++);
        running = attend(s, &stopped);
        if (running)
            nanosleep(&pause, NULL);
    } while (running || (next < s->count && !interrupt_signal()));
}

/* ------------------------------------------------------------------ ranks */

/* What all ranks are to do with a run. */
enum { PASS, BEGIN, GO_ON, END };

/* Rank 0 alone looks at folders and holds locks. */
static int order(struct study *s, size_t i, int *lock)
{
    if (interrupt_signal())
        return END;
    *lock = claim(s, i);
    if (*lock < 0)
        return PASS;
    say_begins(s, &s->runs[i]);
    return s->runs[i].is == RUN_STOPPED ? GO_ON : BEGIN;
}

/* Its output goes where that of a process would. */
static int train_diverted(const struct study *s, const struct study_run *run,
                          const char *resume)
{
    int first = rn_ranks_rank(s->ranks) == 0, saved[2], status;

    if (first && job_divert(run->folder, saved) < 0)
        first = 0;
    status = train_run(&run->options, resume, s->o->threads, s->ranks);
    if (first)
        job_restore(saved);
    return status;
}

/* The run, by all ranks; whether they go on with the next one. */
static int train_together(struct study *s, size_t i)
{
    const struct study_run *run = &s->runs[i];
    struct job job = {.run = i, .lock = -1, .began = seconds_now()};
    int first = rn_ranks_rank(s->ranks) == 0;
    int what = ranks_told(s->ranks, first ? order(s, i, &job.lock) : PASS);

    if (what == BEGIN || what == GO_ON) {
        job.said = job_said(run->folder);
        finish_run(s, &job,
                   train_diverted(s, run, what == GO_ON ? run->folder : NULL));
        if (job.lock >= 0)
            close(job.lock);
    }
    s->left.failed += what < 0;
    return what >= 0 && what != END && !signal_of(s) &&
           rn_ranks_go_on(s->ranks);
}

static void run_together(struct study *s)
{
    size_t i = 0;

    while (i < s->count && train_together(s, i))
        i++;
}

/* ---------------------------------------------------------------- command */

/* With the study's file, so that the report can be made again. */
static int make_folder(const struct study *s)
{
    struct rn_error err;

    if (mkdir(s->o->out, 0777) != 0 && errno != EEXIST) {
        say_error("cannot make folder '%s': %s", s->o->out, strerror(errno));
        return EXIT_FAILED;
    }
    return rn_study_keep(s->study, s->o->out, &err) ? cli_fail(&err) : 0;
}

static void print_result(const struct options *o, const char *folder,
                         const struct rn_study_result *r,
                         const struct left *left)
{
    char *page = below(folder, "report.html");

    if (o->json) {
        json_t *object = json_new();

        json_put(object, "report", json_text(page));
        json_put(object, "runs", json_count(r->runs));
        json_put(object, "finished", json_count(r->finished));
        json_put(object, "failed", json_count(left->failed));
        json_put(object, "other", json_count(left->other));
        json_put(object, "elsewhere", json_count(left->busy));
        json_put(object, "groups", json_count(r->groups));
        json_line(object);
        free(page);
        return;
    }
    printf("%zu run%s, %zu finished", r->runs, r->runs == 1 ? "" : "s",
           r->finished);
    if (left->failed)
        printf(", %zu failed", left->failed);
    if (left->other)
        printf(", %zu of other options or data", left->other);
    if (left->busy)
        printf(", %zu left to another process", left->busy);
    printf("\nreport: %s\n", page ? page : folder);
    free(page);
}

/* The report, by one of the ranks. */
static int conclude(const struct study *s)
{
    struct rn_study_result result = {.runs = 0};
    int rc = report(s->o->out, s->study, &result, s->o->quiet);

    if (rc == 0)
        print_result(s->o, s->o->out, &result, &s->left);
    return rc;
}

static int run_study(struct study *s)
{
    int first = rn_ranks_rank(s->ranks) == 0, rc = 0;
    struct rn_machine machine;

    if (first)
        rc = make_folder(s);
    rc = ranks_told(s->ranks, rc);
    if (rc)
        return rc < 0 ? EXIT_FAILED : rc;
    rn_machine_get(&machine);
    s->threads = s->o->threads ? s->o->threads : machine.threads;
    s->n_jobs = s->o->jobs ? s->o->jobs : 1;
    interrupt_catch();
    signal(SIGCHLD, SIG_DFL); /* ignored, nobody could wait for a run */
    if (s->ranks)
        run_together(s);
    else
        run_all(s);
    if (first)
        rc = conclude(s);
    if (signal_of(s)) {
        say("stopped; the same command goes on");
        return 128 + signal_of(s);
    }
    return s->left.failed || s->left.other ? EXIT_FAILED : rc;
}

/* Alone, or with the ranks that a launcher started. */
static int run_joined(struct study *s)
{
    int rc = ranks_join(&s->ranks, "study", &s->o->ranks);

    if (rc)
        return rc;
    rc = run_study(s);
    ranks_leave(s->ranks);
    return rc;
}

/* The report alone, of a folder that may have a study's file. */
static int report_again(const struct options *o)
{
    struct rn_study_result result = {.runs = 0};
    struct rn_study *study = NULL;
    struct rn_error err;
    char *path = below(o->report, RN_STUDY_FILE);
    int rc;

    if (path && access(path, R_OK) == 0 && rn_study_read(&study, path, &err))
        say("%s; the report is made without it", err.msg);
    rc = report(o->report, study, &result, o->quiet);
    if (rc == 0)
        print_result(o, o->report, &result, &(struct left){.failed = 0});
    rn_study_destroy(study);
    free(path);
    return rc;
}

static int check(const struct options *o, const struct args *args)
{
    int ranks = rn_ranks_launched(NULL, NULL);

    if (ranks > 1 && (o->report || o->jobs)) {
        say_error("--%s is for one process, not for %d ranks%s",
                  o->report ? "report" : "jobs", ranks,
                  o->report ? "" : ", which compute each run together");
        return EXIT_USAGE;
    }
    if (o->report && (args->count || o->out || o->list || o->only || o->jobs ||
                      o->threads)) {
        say_error("--report runs nothing; it takes --json and --quiet alone");
        return EXIT_USAGE;
    }
    if (o->list && o->json) {
        say_error("--list prints a table, without --json");
        return EXIT_USAGE;
    }
    if (o->threads && o->jobs > o->threads) {
        say_error("--jobs: %d runs at a time cannot share %d --threads, each "
                  "needs one",
                  o->jobs, o->threads);
        return EXIT_USAGE;
    }
    if (!o->report && args->count == 0) {
        say_error("FILE is missing; usage: resnet study %s",
                  command_study.synopsis);
        return EXIT_USAGE;
    }
    if (!o->report && !o->out) {
        say_error("--out DIR is missing: the folder for the runs");
        return EXIT_USAGE;
    }
    return 0;
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    const struct options *o = options;
    struct study s = {.o = o, .file = args->operand[0]};
    struct rn_error err;
    int rc = check(o, args);

    (void)command;
    if (rc || o->report)
        return rc ? rc : report_again(o);
    if (rn_study_read(&s.study, s.file, &err))
        return cli_fail(&err);
    s.data.path = args->count > 1 ? args->operand[1] : rn_study_data(s.study);
    if (!s.data.path) {
        say_error("%s: names no data; give DATA after it", s.file);
        rc = EXIT_USAGE;
    }
    if (rc == 0)
        rc = check_recipe(&s);
    if (rc == 0)
        rc = make_runs(&s);
    if (rc == 0)
        rc = o->list ? study_list(s.runs, s.count, &s.data) : run_joined(&s);
    free_runs(&s);
    rn_study_destroy(s.study);
    return rc;
}

const struct command command_study = {
    .name = "study",
    .synopsis = "FILE [DATA] --out DIR [option ...] | --report DIR",
    .summary = "Train the runs that FILE names, resume those that were "
               "stopped, and report on them.",
    .notes =
        "FILE has lines 'option = value | value ...', # begins a comment. The "
        "options are\nthose of 'resnet train'; a run is made for each choice "
        "of values. Besides:\n"
        "  title = TEXT\n"
        "  recipe = RECIPE               options of all runs\n"
        "  data = DATA                   where DATA is not given\n"
        "  name = {net}-seed{seed}       pattern of the runs' names\n"
        "  exclude = option=value ...    leave out runs that meet all of "
        "these\n"
        "  when = option=value ...: option=value ...\n"
        "                                runs that meet the first have the "
        "others, too\n"
        "  figure = TITLE: RUN ...       a picture of these runs in the "
        "report\n"
        "RUN and values to be met may have * and ?. DIR gets report.html, "
        "report.md and\nreport.csv. Several processes, also of several "
        "machines where fcntl() locks work\n(NFS with its lock service), may "
        "run the same study: each takes runs that no\nother has. Under mpirun "
        "or srun all ranks compute each run together, one after\nthe other.\n",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .max_args = 2,
    .ranks = 1,
    .defaults = defaults,
    .run = run,
};
