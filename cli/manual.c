/* SPDX-License-Identifier: BSD-2-Clause */
/* The part OPTIONS of the manual page, printed from the tables of options for
 * script/man. */
#include "manual.h"

#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* roff takes a line's first '.' or ''' and every backslash for its own, and
 * a '-' for a hyphen, which is right but before an option. */
static void print_roff(const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c == '\\')
            printf("\\e");
        else if (*c == '-' && (c[1] == '-' || (c > text && c[-1] == '-')))
            printf("\\-");
        else if ((*c == '.' || *c == '\'') && c == text)
            printf("\\&%c", *c);
        else
            putchar(*c);
}

static void print_option(const struct option *option, const void *options)
{
    const char *value = options_value(option);
    char help[500], preset[200];

    printf(".TP\n\\fB\\-\\-");
    for (const char *c = option->name; *c; c++)
        printf(*c == '-' ? "\\-" : "%c", *c);
    printf("\\fR");
    if (value) {
        printf(" \\fI");
        print_roff(value);
        printf("\\fR");
    }
    putchar('\n');
    print_roff(flags_for_fields(option->row->help, help, sizeof(help)));
    options_default(option, options, preset, sizeof(preset));
    if (preset[0]) {
        printf(" (");
        print_roff(preset);
        printf(")");
    }
    printf(".\n");
}

static void print_command(const struct command *command)
{
    char *options = calloc(1, command->size);
    struct option option;

    if (!options)
        return;
    command->defaults(options);
    for (size_t i = 0; options_at(command, i, &option); i++) {
        if (i == 0)
            printf(".SS %s\n", command->name);
        print_option(&option, options);
    }
    free(options);
}

void manual_print(void)
{
    const struct command *command;

    for (size_t c = 0; (command = cli_command(c)); c++)
        print_command(command);
}
