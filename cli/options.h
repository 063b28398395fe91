/* SPDX-License-Identifier: BSD-2-Clause */
/* Options and subcommands as tables; parsing and help derive from them. */
#ifndef RN_CLI_OPTIONS_H
#define RN_CLI_OPTIONS_H

#include "flags.h"

#include <stddef.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/** An option of a command: a row of the command's own, whose name is the
 *  flag, or one of the library's. */
struct option {
    char name[32]; /* the flag, without the dashes */
    const struct rn_option *row;
    size_t base; /* offset of the row's struct in the command's */
    const char *title;
};

/** Options under one title of the help: rows of the program's own, or those of
 *  the library's table that belong to the group `only` (NULL: all), have a flag
 *  and are not `without`. */
struct option_group {
    const char *title;
    const struct rn_option *own;
    size_t count;
    option_table *library;
    const char *only;
    const char *without; /* fields, "a|b", that the command says otherwise */
    size_t base;         /* offset of the rows' struct in the command's */
};

struct args;

struct command {
    const char *name;
    const char *synopsis; /* what follows the name in the usage line */
    const char *summary;
    const char *notes; /* printed below the options, or NULL */
    void (*tables)(
        void); /* print what the library lists, below that; or NULL */
    const struct option_group *groups;
    size_t n_groups;
    size_t size; /* of the struct with all options */
    int min_args, max_args;
    const char *missing; /* what is missing below min_args */
    int ranks;           /* several can run it together */
    void (*defaults)(void *options);
    int (*run)(const struct command *command, void *options,
               const struct args *args);
};

#define OPTIONS_MAX 128

/** A command line: operands in order, and which options it gave. */
struct args {
    int argc; /* of the command line after the command's name */
    char **argv;
    char **operand;
    int count;
    unsigned char seen[OPTIONS_MAX]; /* by position in the command's table */
};

/** Whether `argv` asks for help. */
int options_help_asked(int argc, char **argv);

/** Usage, summary and options of a command, with the defaults it sets. */
void options_help(const struct command *command);

/**
 * Parse args->argv into `options` and args->operand (room for args->argc).
 *
 * @return 0, or the exit status after a message on standard error.
 */
int options_parse(const struct command *command, void *options,
                  struct args *args);

/** The command's i-th option, in the order of its help; whether there is one.
 */
int options_at(const struct command *command, size_t i, struct option *option);

/** The command's option of that name; its place, or -1. */
int options_find(const struct command *command, const char *name,
                 struct option *option);

/** Whether the command line gave the option of that name. */
int options_given(const struct command *command, const struct args *args,
                  const char *name);

/** Whether it gave any of the group of that title. */
int options_given_any(const struct command *command, const struct args *args,
                      const char *title);

/** Whether it gave an option among `names`, "a|b": the first. */
int options_given_of(const struct command *command, const struct args *args,
                     const char *names, struct option *option);

/** Whether it gave one beside them. */
int options_given_beside(const struct command *command, const struct args *args,
                         const char *names, struct option *option);

/** Store `value` in the command's options; 0, or -1 with the reason in `why`.
 */
int options_set(const struct option *option, void *options, const char *value,
                char *why, size_t size);

/** The default as text, or "" where there is none worth a word. */
void options_default(const struct option *option, const void *options,
                     char *text, size_t size);

/** What stands for the option's value in the help ("N", "A|B"); NULL: it has
 *  none. */
const char *options_value(const struct option *option);

/** Name of the command's option nearest to `name` in buf, or NULL. */
const char *options_suggest(const struct command *command, const char *name,
                            char buf[32]);

/** strtod() of decimal numbers: as whole ones, none are hexadecimal. */
double parse_decimal(const char *text, char **end);

/** Position of `value` in "A|B|C", or -1. */
int word_index(const char *words, const char *value);

#endif
