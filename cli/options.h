/* SPDX-License-Identifier: BSD-2-Clause */
/* Options and subcommands as tables; parsing and help derive from them. */
#ifndef RN_CLI_OPTIONS_H
#define RN_CLI_OPTIONS_H

#include <stddef.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

enum option_type {
    OPTION_FLAG,   /* int 0 or 1; no value, or =yes and =no */
    OPTION_INT,    /* int, min..max */
    OPTION_LONG,   /* long, min..max */
    OPTION_SEED,   /* uint64_t */
    OPTION_REAL,   /* double, min..max */
    OPTION_TEXT,   /* const char *, borrowed, not empty */
    OPTION_WORD,   /* const char *, one of words */
    OPTION_INDEX,  /* int: which of words */
    OPTION_LETTER, /* char: the letter that is one of words; the first one of a
                      longer word, in lower case */
    OPTION_SIZE,   /* int[2]: "HxW" or "N", min..max each */
};

struct option {
    const char *name; /* without the dashes */
    const char *arg;  /* the value's name in the help; NULL for flags */
    enum option_type type;
    size_t offset; /* of the target in its struct */
    double min, max;
    const char *words; /* "A|B|C" */
    const char *unset; /* help text for the default when it is 0 or NULL */
    const char *help;
};

struct option_group {
    const char *title;
    const struct option *options;
    size_t count;
    size_t base; /* offset of the options' struct in the command's */
};

struct args;

struct command {
    const char *name;
    const char *synopsis; /* what follows the name in the usage line */
    const char *summary;
    const char *notes; /* printed below the options, or NULL */
    void (*tables)(void); /* print what the library lists, below that; or NULL */
    const struct option_group *groups;
    size_t n_groups;
    size_t size; /* of the struct with all options */
    int min_args, max_args;
    const char *missing; /* what is missing below min_args */
    void (*defaults)(void *options);
    int (*run)(const struct command *command, void *options,
               const struct args *args);
};

#define OPTIONS_MAX 64

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

/** The command's option of that name, or NULL; *index and *base are set. */
const struct option *options_find(const struct command *command,
                                  const char *name, size_t *index,
                                  size_t *base);

/** Whether the command line gave the option of that name. */
int options_given(const struct command *command, const struct args *args,
                  const char *name);

/** Whether it gave any option of the group whose options are `table`. */
int options_given_any(const struct command *command, const struct args *args,
                      const struct option *table);

/** Store `value`; 0, or -1 with the reason in `why`. */
int options_set(const struct option *option, void *target, const char *value,
                char *why, size_t size);

/** Name of the command's option nearest to `name`, or NULL. */
const char *options_suggest(const struct command *command, const char *name);

/** Position of `value` in "A|B|C", or -1. */
int word_index(const char *words, const char *value);

/** Is b close enough to a for "did you mean"? Smaller is closer, -1 is far. */
int spelling_distance(const char *a, const char *b);

#endif
