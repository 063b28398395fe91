/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads files of options into the same table as the command line. */
#include "recipe.h"

#include "cli.h"
#include "output.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECIPE_MAX 65536

struct recipe {
    const char *path;
    const struct command *command;
    const char *refused;
    void *options;
    struct args *args;
    int line[OPTIONS_MAX]; /* of each option; 0: none gives it */
};

static char *read_stream(FILE *file, const char *path)
{
    char *text = malloc(RECIPE_MAX + 1);
    struct rn_error err;
    size_t size;

    if (!text) {
        say_error("out of memory");
        return NULL;
    }
    size = fread(text, 1, RECIPE_MAX + 1, file);
    if (ferror(file)) {
        say_error("cannot read recipe '%s': %s", path, strerror(errno));
    } else if (size > RECIPE_MAX) {
        say_error("'%s' is not a recipe: it is longer than 64 KiB", path);
    } else if (rn_text_clean(text, &size, path, &err)) {
        say_error("recipe %s", err.msg);
    } else {
        return text;
    }
    free(text);
    return NULL;
}

static char *read_text(const char *path)
{
    FILE *file;
    char *text;

    if (strcmp(path, "-") == 0)
        return read_stream(stdin, path);
    file = fopen(path, "rb");
    if (!file) {
        say_error("cannot open recipe '%s': %s", path, strerror(errno));
        return NULL;
    }
    text = read_stream(file, path);
    fclose(file);
    return text;
}

/* Cut blanks off both ends, in place. */
static char *trim(char *text)
{
    size_t n;

    while (isspace((unsigned char)*text))
        text++;
    n = strlen(text);
    while (n && isspace((unsigned char)text[n - 1]))
        text[--n] = '\0';
    return text;
}

static int unknown_name(const struct recipe *r, int line, const char *name)
{
    char buf[32];
    const char *near = options_suggest(r->command, name, buf);

    if (near)
        say_error("%s:%d: unknown option '%s'; did you mean '%s'?", r->path,
                  line, name, near);
    else
        say_error("%s:%d: unknown option '%s'", r->path, line, name);
    return EXIT_USAGE;
}

static int set_line(struct recipe *r, int line, char *text)
{
    char *equals = strchr(text, '=');
    struct option o;
    char why[400];
    char *name;
    int index;

    if (!equals) {
        say_error("%s:%d: '%.60s' is not 'option = value'", r->path, line,
                  text);
        return EXIT_USAGE;
    }
    *equals = '\0';
    name = trim(text);
    index = options_find(r->command, name, &o);
    if (index < 0)
        return unknown_name(r, line, name);
    if (word_index(r->refused, name) >= 0) {
        say_error("%s:%d: '%s' cannot stand in a recipe", r->path, line, name);
        return EXIT_USAGE;
    }
    /* Twice would leave open which value it has. */
    if (r->line[index]) {
        say_error("%s:%d: '%s' stands in line %d already", r->path, line, name,
                  r->line[index]);
        return EXIT_USAGE;
    }
    if (options_set(&o, r->options, trim(equals + 1), why, sizeof(why)) < 0) {
        say_error("%s:%d: %s: %s", r->path, line, name, why);
        return EXIT_USAGE;
    }
    r->line[index] = line;
    r->args->seen[index] = 1;
    return 0;
}

int recipe_read(const char *path, const struct command *command, void *options,
                const char *refused, struct args *args, char **text)
{
    struct recipe recipe = {path, command, refused, options, args, {0}};
    char *next;
    int rc = 0;

    memset(args->seen, 0, sizeof(args->seen));
    *text = next = read_text(path);
    if (!next)
        return EXIT_USAGE;
    for (int number = 1; rc == 0 && next; number++) {
        char *line = strsep(&next, "\n");

        line[strcspn(line, "#")] = '\0';
        line = trim(line);
        if (*line)
            rc = set_line(&recipe, number, line);
    }
    return rc;
}
