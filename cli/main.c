/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of commands; finds the one that is asked for and runs it. */
#include "cli.h"
#include "flags.h"
#include "interrupt.h"
#include "manual.h"
#include "output.h"
#include "progress.h"
#include "ranks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const struct command *const commands[] = {
    &command_info,    &command_train,      &command_eval,
    &command_predict, &command_features,   &command_bench,
    &command_convert, &command_diff,       &command_quantize,
    &command_data,    &command_study,      &command_responses,
    &command_serve,   &command_completion,
};

const struct command *cli_command(size_t i)
{
    return i < COUNT(commands) ? commands[i] : NULL;
}

static const struct {
    int code, status;
} statuses[] = {
    {RN_OK, EXIT_DONE},
    {RN_ERR_ARG, EXIT_USAGE},
    {RN_ERR_DATA, EXIT_BAD_DATA},
    {RN_ERR_LOSS, EXIT_LOSS},
};

int cli_status(int code)
{
    if (code == RN_ERR_STOPPED && interrupt_signal())
        return 128 + interrupt_signal();
    for (size_t i = 0; i < COUNT(statuses); i++)
        if (statuses[i].code == code)
            return statuses[i].status;
    return EXIT_FAILED;
}

int cli_error(struct rn_error *err, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(err->msg, sizeof(err->msg), format, args);
    va_end(args);
    err->code = code;
    return code;
}

int cli_fail(const struct rn_error *err)
{
    char text[2 * sizeof(err->msg)];

    say_error("%s", flags_for_fields(err->msg, text, sizeof(text)));
    return cli_status(err->code);
}

void cli_remarks(const struct rn_data *data)
{
    const char *remark;
    char text[1024];

    for (size_t i = 0; data && (remark = rn_data_remark(data, i)); i++)
        say("%s", flags_for_fields(remark, text, sizeof(text)));
}

void cli_picture_remarks(const struct rn_pictures *pictures)
{
    const char *remark;

    for (size_t i = 0; (remark = rn_pictures_remark(pictures, i)); i++)
        say("%s", remark);
}

static void print_help(void)
{
    printf("usage: resnet COMMAND [argument ...] [option ...]\n\n"
           "Train, evaluate and run residual networks on CPUs.\n\n"
           "commands:\n");
    for (size_t i = 0; i < COUNT(commands); i++) {
        char left[32];

        snprintf(left, sizeof(left), "  %s", commands[i]->name);
        print_wrapped(left, 11, commands[i]->summary);
    }
    printf(
        "\n"
        "'resnet COMMAND --help' tells its options, 'resnet info' the "
        "networks.\n"
        "'resnet --version' tells versions, the instruction set in use and the "
        "formats of\npictures that are read.\n\n"
        "exit status: 0 done; 1 failed; 2 wrong usage; 3 bad data; 4 loss "
        "not finite;\n128 + N stopped by signal N, state saved (130: SIGINT, "
        "143: SIGTERM; also\nSIGHUP, SIGUSR1, SIGUSR2, SIGXCPU)\n");
}

static void print_version(void)
{
    struct rn_machine machine;

    rn_machine_get(&machine);
    printf("resnet %s\noneDNN %s, %s\npictures: %s\n", rn_version(),
           machine.onednn, machine.isa, rn_image_formats());
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *near = NULL;
    int least = INT_MAX;

    for (size_t i = 0; i < COUNT(commands); i++) {
        int d = rn_spelling_distance(name, commands[i]->name);

        if (d >= 0 && d < least) {
            least = d;
            near = commands[i]->name;
        }
    }
    if (name[0] == '-')
        say_error("unknown option '%s'; see 'resnet --help'", name);
    else if (near)
        say_error("unknown command '%s'; did you mean '%s'?", name, near);
    else
        say_error("unknown command '%s'; see 'resnet --help'", name);
    return EXIT_USAGE;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct args args = {.argc = argc, .argv = argv};

    void *options = calloc(1, command->size);
    int status = EXIT_FAILED;

    args.operand = calloc((size_t)argc + 1, sizeof(*args.operand));
    if (!options || !args.operand) {
        say_error("out of memory");
        goto out;
    }
    command->defaults(options);
    status = options_parse(command, options, &args);
    if (status == 0)
        status = command->run(command, options, &args);
    progress_clear();
out:
    free(options);
    free(args.operand);
    return status;
}

/* What is asked for in place of a command. */
static const struct {
    const char *option;
    void (*print)(void);
} texts[] = {
    {"--help", print_help},
    {"-h", print_help},
    {"--version", print_version},
    {"--manual", manual_print},
};

static int run(int argc, char **argv)
{
    const struct command *command;

    if (argc < 2) {
        say_error("no command given; see 'resnet --help'");
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < COUNT(texts); i++)
        if (strcmp(argv[1], texts[i].option) == 0) {
            if (argc > 2) {
                say_error("unexpected '%s' after %s", argv[2], argv[1]);
                return EXIT_USAGE;
            }
            texts[i].print();
            return EXIT_DONE;
        }
    command = find_command(argv[1]);
    if (!command)
        return unknown_command(argv[1]);
    if (options_help_asked(argc - 2, argv + 2)) {
        options_help(command);
        return EXIT_DONE;
    }
    if (!command->ranks && ranks_refuse(command->name))
        return EXIT_USAGE;
    return run_command(command, argc - 2, argv + 2);
}

/* A closed standard descriptor would be taken by the next file opened, and
 * our output would go there. Open it so that using it fails. */
static void hold_standard_files(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

/* OpenMP's threads spin for milliseconds when they wait for each other, which
 * takes the processor from whoever else has work, our own threads included;
 * on a shared machine that costs more than sleeping sooner. libgomp reads how
 * long from the environment before main(), so start over with it set. */
static void spin_less(char **argv)
{
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY") ||
        setenv("GOMP_SPINCOUNT", "3000", 0))
        return;
    execv("/proc/self/exe", argv); /* where that fails, it only is slower */
}

/* A process that was started by way of /proc/self/exe is called "exe": top and
 * pkill look for the name it was called by. */
static void name_process(void)
{
    prctl(PR_SET_NAME, program_invocation_short_name);
}

int main(int argc, char **argv)
{
    int status, failure;

    spin_less(argv);
    name_process();
    hold_standard_files();
    /* a closed pipe, or a limit on files' sizes, is an error like others */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    ranks_hush();
    status = run(argc, argv);
    failure = output_flush();
    if (failure) {
        say_error("cannot write standard output: %s", strerror(failure));
        if (status == EXIT_DONE || status == EXIT_BAD_DATA)
            status = EXIT_FAILED;
    }
    ranks_linger(status);
    return status;
}
