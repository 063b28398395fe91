/* SPDX-License-Identifier: BSD-2-Clause */
#include "options.h"

#include "cli.h"
#include "output.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------- spelling */

#define SPELLING_MAX 31
#define SEED_MAX     ((uint64_t)INT64_MAX) /* JSON has no larger integers */

static int min3(int a, int b, int c)
{
    int least = a < b ? a : b;

    return least < c ? least : c;
}

int spelling_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    int row[SPELLING_MAX + 1];

    if (n > SPELLING_MAX || m > SPELLING_MAX)
        return -1;
    for (size_t j = 0; j <= m; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];

        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int above = row[j];

            row[j] = min3(above + 1, row[j - 1] + 1,
                          diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    /* a third of the letters, and at least one, may differ */
    return row[m] <= (int)(n > m ? n : m) / 3 + 1 ? row[m] : -1;
}

const char *options_suggest(const struct command *command, const char *name)
{
    const char *nearest = NULL;
    int least = INT_MAX;

    for (size_t g = 0; g < command->n_groups; g++) {
        const struct option_group *group = &command->groups[g];

        for (size_t i = 0; i < group->count; i++) {
            int d = spelling_distance(name, group->options[i].name);

            if (d >= 0 && d < least) {
                least = d;
                nearest = group->options[i].name;
            }
        }
    }
    return nearest;
}

/* ------------------------------------------------------------- values */

int word_index(const char *words, const char *value)
{
    size_t length = strlen(value);
    int index = 0;

    for (const char *w = words; *w; index++) {
        size_t n = strcspn(w, "|");

        if (n == length && memcmp(w, value, n) == 0)
            return index;
        w += n;
        if (*w == '|')
            w++;
    }
    return -1;
}

/* The index-th of "A|B|C", cut out into buf. */
static const char *word_at(const char *words, int index, char *buf, size_t size)
{
    while (index-- > 0) {
        words += strcspn(words, "|");
        words += *words == '|';
    }
    snprintf(buf, size, "%.*s", (int)strcspn(words, "|"), words);
    return buf;
}

/* "A, B or C" for "A|B|C". */
static void word_list(const char *words, char *buf, size_t size)
{
    size_t used = 0;

    buf[0] = '\0';
    while (*words && used < size) {
        size_t n = strcspn(words, "|");
        const char *next = words + n + (words[n] == '|');
        const char *joint = "";

        if (used)
            joint = *next ? ", " : " or ";
        used += (size_t)snprintf(buf + used, size - used, "%s%.*s", joint,
                                 (int)n, words);
        words = next;
    }
}

static int parse_whole(const char *text, double min, double max, long *out)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (end == text || *end || errno || (double)value < min ||
        (double)value > max)
        return -1;
    *out = value;
    return 0;
}

static int parse_seed(const char *text, uint64_t *out)
{
    char *end;

    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value > SEED_MAX)
        return -1;
    *out = value;
    return 0;
}

static int parse_real(const char *text, double min, double max, double *out)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end || !isfinite(value) || value < min || value > max)
        return -1;
    *out = value;
    return 0;
}

/* "32" or "32x48": height and width. */
static int parse_size(const char *text, double min, double max, int out[2])
{
    char height[16];
    size_t n = strcspn(text, "x");
    long h, w;

    if (n >= sizeof(height))
        return -1;
    memcpy(height, text, n);
    height[n] = '\0';
    if (parse_whole(height, min, max, &h) < 0)
        return -1;
    w = h;
    if (text[n] && parse_whole(text + n + 1, min, max, &w) < 0)
        return -1;
    out[0] = (int)h;
    out[1] = (int)w;
    return 0;
}

/* What a value of this option has to be, as in "'x' is not ...". */
static void expectation(const struct option *o, char *buf, size_t size)
{
    char words[160];

    switch (o->type) {
    case OPTION_INT:
    case OPTION_LONG:
        snprintf(buf, size, "a whole number from %.0f to %.0f", o->min, o->max);
        break;
    case OPTION_SEED:
        snprintf(buf, size, "a whole number from 0 to %" PRIu64, SEED_MAX);
        break;
    case OPTION_REAL:
        snprintf(buf, size, "a number from %g to %g", o->min, o->max);
        break;
    case OPTION_SIZE:
        snprintf(buf, size, "N or HEIGHTxWIDTH, each from %.0f to %.0f", o->min,
                 o->max);
        break;
    case OPTION_TEXT:
        snprintf(buf, size, "a value");
        break;
    case OPTION_FLAG:
        snprintf(buf, size, "yes or no");
        break;
    default:
        word_list(o->words, words, sizeof(words));
        snprintf(buf, size, "%s", words);
        break;
    }
}

static int store(const struct option *o, void *target, const char *value)
{
    void *p = (char *)target + o->offset;
    int index = -1;
    long whole;

    if (o->type == OPTION_FLAG)
        index = word_index("no|yes", value);
    else if (o->words)
        index = word_index(o->words, value);
    if ((o->type == OPTION_FLAG || o->words) && index < 0)
        return -1;

    switch (o->type) {
    case OPTION_FLAG:
    case OPTION_INDEX:
        *(int *)p = index;
        return 0;
    case OPTION_LETTER:
        *(char *)p =
            value[1] ? (char)tolower((unsigned char)value[0]) : value[0];
        return 0;
    case OPTION_WORD:
    case OPTION_TEXT:
        *(const char **)p = value;
        return *value ? 0 : -1;
    case OPTION_SEED:
        return parse_seed(value, p);
    case OPTION_REAL:
        return parse_real(value, o->min, o->max, p);
    case OPTION_SIZE:
        return parse_size(value, o->min, o->max, p);
    case OPTION_INT:
    case OPTION_LONG:
        break;
    }
    if (parse_whole(value, o->min, o->max, &whole) < 0)
        return -1;
    if (o->type == OPTION_INT)
        *(int *)p = (int)whole;
    else
        *(long *)p = whole;
    return 0;
}

int options_set(const struct option *o, void *target, const char *value,
                char *why, size_t size)
{
    char expected[200];

    if (store(o, target, value) == 0)
        return 0;
    expectation(o, expected, sizeof(expected));
    snprintf(why, size, "'%s' is not %s", value, expected);
    return -1;
}

/* ------------------------------------------------------------ parsing */

const struct option *options_find(const struct command *command,
                                  const char *name, size_t *index, size_t *base)
{
    size_t position = 0;

    for (size_t g = 0; g < command->n_groups; g++) {
        const struct option_group *group = &command->groups[g];

        for (size_t i = 0; i < group->count; i++, position++) {
            if (strcmp(group->options[i].name, name) != 0)
                continue;
            *index = position;
            *base = group->base;
            return &group->options[i];
        }
    }
    return NULL;
}

int options_given(const struct command *command, const struct args *args,
                  const char *name)
{
    size_t index, base;

    return options_find(command, name, &index, &base) && args->seen[index];
}

int options_given_any(const struct command *command, const struct args *args,
                      const struct option *table)
{
    size_t position = 0;

    for (size_t g = 0; g < command->n_groups; g++) {
        const struct option_group *group = &command->groups[g];

        for (size_t i = 0; i < group->count; i++, position++)
            if (group->options == table && args->seen[position])
                return 1;
    }
    return 0;
}

static int unknown_option(const struct command *command, const char *arg)
{
    const char *near = options_suggest(command, arg + strspn(arg, "-"));

    if (near)
        say_error("unknown option '%s' for %s; did you mean '--%s'?", arg,
                  command->name, near);
    else
        say_error("unknown option '%s' for %s; see 'resnet %s --help'", arg,
                  command->name, command->name);
    return EXIT_USAGE;
}

/* One "--name", "--name=value" or "--name value"; *i moves along. */
static int parse_option(const struct command *command, void *options,
                        struct args *args, int *i)
{
    const char *arg = args->argv[*i];
    const char *equals = strchr(arg, '=');
    const struct option *o = NULL;
    const char *value;
    char name[64], why[400];
    size_t index = 0, base = 0;

    snprintf(name, sizeof(name), "%.*s",
             equals ? (int)(equals - arg) : (int)strlen(arg), arg);
    if (strncmp(name, "--", 2) == 0)
        o = options_find(command, name + 2, &index, &base);
    if (!o)
        return unknown_option(command, name);

    if (equals) {
        value = equals + 1;
    } else if (o->type == OPTION_FLAG) {
        value = "yes";
    } else if (*i + 1 < args->argc) {
        value = args->argv[++*i];
    } else {
        say_error("%s needs a value (%s)", name, o->arg);
        return EXIT_USAGE;
    }
    if (options_set(o, (char *)options + base, value, why, sizeof(why)) < 0) {
        say_error("%s: %s", name, why);
        return EXIT_USAGE;
    }
    args->seen[index] = 1;
    return 0;
}

int options_parse(const struct command *command, void *options,
                  struct args *args)
{
    int only_operands = 0;

    args->count = 0;
    memset(args->seen, 0, sizeof(args->seen));
    for (int i = 0; i < args->argc; i++) {
        char *arg = args->argv[i];
        int rc;

        if (only_operands || arg[0] != '-' || arg[1] == '\0') {
            args->operand[args->count++] = arg;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            only_operands = 1;
            continue;
        }
        rc = parse_option(command, options, args, &i);
        if (rc)
            return rc;
    }
    if (args->count > command->max_args) {
        say_error("'%s' is one argument too many; usage: resnet %s %s",
                  args->operand[command->max_args], command->name,
                  command->synopsis);
        return EXIT_USAGE;
    }
    if (args->count < command->min_args) {
        say_error("%s is missing; usage: resnet %s %s", command->missing,
                  command->name, command->synopsis);
        return EXIT_USAGE;
    }
    return 0;
}

/* --------------------------------------------------------------- help */

int options_help_asked(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return 1;
    return 0;
}

/* The default as text, or "" where there is none worth a word. */
static void default_text(const struct option *o, const void *options, char *buf,
                         size_t size)
{
    const void *p = (const char *)options + o->offset;
    const char *unset = o->unset ? o->unset : "";
    const char *text;

    buf[0] = '\0';
    switch (o->type) {
    case OPTION_FLAG:
        return;
    case OPTION_INDEX:
        word_at(o->words, *(const int *)p, buf, size);
        return;
    case OPTION_INT:
    case OPTION_SIZE:
        if (*(const int *)p || !o->unset)
            snprintf(buf, size, "%d", *(const int *)p);
        break;
    case OPTION_LONG:
        if (*(const long *)p || !o->unset)
            snprintf(buf, size, "%ld", *(const long *)p);
        break;
    case OPTION_SEED:
        snprintf(buf, size, "%" PRIu64, *(const uint64_t *)p);
        break;
    case OPTION_REAL:
        if (*(const double *)p > 0 || !o->unset)
            snprintf(buf, size, "%g", *(const double *)p);
        break;
    case OPTION_LETTER:
        snprintf(buf, size, "%.1s", (const char *)p);
        break;
    case OPTION_WORD:
    case OPTION_TEXT:
        text = *(const char *const *)p;
        snprintf(buf, size, "%s", text ? text : "");
        break;
    }
    if (!buf[0])
        snprintf(buf, size, "%s", unset);
}

static void option_help(const struct option *o, const void *options)
{
    char left[64], text[400], preset[100];

    snprintf(left, sizeof(left), "  --%s%s%s", o->name, o->arg ? " " : "",
             o->arg ? o->arg : "");
    default_text(o, options, preset, sizeof(preset));
    snprintf(text, sizeof(text), "%s%s%s%s", o->help, preset[0] ? " (" : "",
             preset, preset[0] ? ")" : "");
    print_wrapped(left, 27, text);
}

void options_help(const struct command *command)
{
    char *options = calloc(1, command->size);

    printf("usage: resnet %s %s\n\n", command->name, command->synopsis);
    print_wrapped("", 0, command->summary);
    if (!options)
        return;
    command->defaults(options);
    for (size_t g = 0; g < command->n_groups; g++) {
        const struct option_group *group = &command->groups[g];

        printf("\n%s:\n", group->title);
        for (size_t i = 0; i < group->count; i++)
            option_help(&group->options[i], options + group->base);
    }
    if (command->notes)
        printf("\n%s", command->notes);
    if (command->tables)
        command->tables();
    free(options);
}
