/* SPDX-License-Identifier: BSD-2-Clause */
/* Parses command lines by their table, and prints help from it. */
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

#define SEED_MAX ((uint64_t)INT64_MAX) /* JSON has no larger integers */

/* ------------------------------------------------------------- tables */

/* Whether a group of the command takes a row of the library's. */
static int takes(const struct option_group *group, const struct rn_option *row,
                 char name[32])
{
    const char *flag = flag_of(row->name, name, 32);

    if (!flag || (group->only && strcmp(group->only, row->group) != 0) ||
        (group->without && word_index(group->without, row->name) >= 0))
        return 0;
    if (flag != name)
        snprintf(name, 32, "%s", flag);
    return 1;
}

int options_at(const struct command *command, size_t i, struct option *option)
{
    for (size_t g = 0; g < command->n_groups; g++) {
        const struct option_group *group = &command->groups[g];
        const struct rn_option *row;

        option->title = group->title;
        if (i < group->count) {
            option->row = &group->own[i];
            option->base = group->base;
            snprintf(option->name, sizeof(option->name), "%s",
                     option->row->name);
            return 1;
        }
        i -= group->count;
        for (size_t k = 0; group->library && (row = group->library(k)); k++)
            if (takes(group, row, option->name) && i-- == 0) {
                option->row = row;
                option->base = group->base;
                return 1;
            }
    }
    return 0;
}

int options_find(const struct command *command, const char *name,
                 struct option *option)
{
    for (size_t i = 0; options_at(command, i, option); i++)
        if (strcmp(option->name, name) == 0)
            return (int)i;
    return -1;
}

const char *options_suggest(const struct command *command, const char *name,
                            char buf[32])
{
    int least = INT_MAX;
    struct option option;

    for (size_t i = 0; options_at(command, i, &option); i++) {
        int d = rn_spelling_distance(name, option.name);

        if (d >= 0 && d < least) {
            least = d;
            snprintf(buf, 32, "%s", option.name);
        }
    }
    return least < INT_MAX ? buf : NULL;
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

double parse_decimal(const char *text, char **end)
{
    double value = strtod(text, end);
    char *x = strpbrk(text, "xX");

    if (!x || x >= *end)
        return value;
    *end = (char *)text;
    return 0;
}

static int parse_real(const char *text, double min, double max, double *out)
{
    char *end;
    double value = parse_decimal(text, &end);

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
static void expectation(const struct rn_option *o, char *buf, size_t size)
{
    char words[160];

    switch (o->type) {
    case RN_OPTION_INT:
    case RN_OPTION_LONG:
        snprintf(buf, size, "a whole number from %.0f to %.0f", o->min, o->max);
        break;
    case RN_OPTION_SEED:
        snprintf(buf, size, "a whole number from 0 to %" PRIu64, SEED_MAX);
        break;
    case RN_OPTION_REAL:
        snprintf(buf, size, "a number from %.10g to %.10g", o->min, o->max);
        break;
    case RN_OPTION_SIZE:
        snprintf(buf, size, "N or HEIGHTxWIDTH, each from %.0f to %.0f", o->min,
                 o->max);
        break;
    case RN_OPTION_TEXT:
        snprintf(buf, size, "a value");
        break;
    case RN_OPTION_FLAG:
        snprintf(buf, size, "yes or no");
        break;
    default:
        word_list(o->words, words, sizeof(words));
        snprintf(buf, size, "%s", words);
        break;
    }
}

static int store(const struct rn_option *o, void *p, const char *value)
{
    int index = -1;
    long whole;

    if (o->type == RN_OPTION_FLAG)
        index = word_index("no|yes", value);
    else if (o->words)
        index = word_index(o->words, value);
    if ((o->type == RN_OPTION_FLAG || o->words) && index < 0)
        return -1;

    switch (o->type) {
    case RN_OPTION_FLAG:
    case RN_OPTION_INDEX:
        *(int *)p = index;
        return 0;
    case RN_OPTION_LETTER:
        *(char *)p =
            value[1] ? (char)tolower((unsigned char)value[0]) : value[0];
        return 0;
    case RN_OPTION_WORD:
    case RN_OPTION_TEXT:
        *(const char **)p = value;
        return *value ? 0 : -1;
    case RN_OPTION_SEED:
        return parse_seed(value, p);
    case RN_OPTION_REAL:
        if (parse_real(value, o->min, o->max, p) < 0)
            return -1;
        if (o->zero && *(double *)p == 0)
            *(double *)p = RN_ZERO;
        return 0;
    case RN_OPTION_SIZE:
        return parse_size(value, o->min, o->max, p);
    case RN_OPTION_INT:
    case RN_OPTION_LONG:
        break;
    }
    if (parse_whole(value, o->min, o->max, &whole) < 0)
        return -1;
    if (o->type == RN_OPTION_INT)
        *(int *)p = (int)whole;
    else
        *(long *)p = whole;
    return 0;
}

int options_set(const struct option *option, void *options, const char *value,
                char *why, size_t size)
{
    const struct rn_option *o = option->row;
    char expected[200];

    if (store(o, (char *)options + option->base + o->offset, value) == 0)
        return 0;
    expectation(o, expected, sizeof(expected));
    snprintf(why, size, "'%s' is not %s", value, expected);
    return -1;
}

/* ------------------------------------------------------------ parsing */

int options_given(const struct command *command, const struct args *args,
                  const char *name)
{
    struct option option;
    int place = options_find(command, name, &option);

    return place >= 0 && args->seen[place];
}

int options_given_any(const struct command *command, const struct args *args,
                      const char *title)
{
    struct option option;

    for (size_t i = 0; options_at(command, i, &option); i++)
        if (strcmp(option.title, title) == 0 && args->seen[i])
            return 1;
    return 0;
}

/* The first one given that is among the names, or is not. */
static int find_given(const struct command *command, const struct args *args,
                      const char *names, int among, struct option *option)
{
    for (size_t i = 0; options_at(command, i, option); i++)
        if (args->seen[i] && (word_index(names, option->name) >= 0) == among)
            return 1;
    return 0;
}

int options_given_of(const struct command *command, const struct args *args,
                     const char *names, struct option *option)
{
    return find_given(command, args, names, 1, option);
}

int options_given_beside(const struct command *command, const struct args *args,
                         const char *names, struct option *option)
{
    return find_given(command, args, names, 0, option);
}

static int unknown_option(const struct command *command, const char *arg)
{
    char buf[32];
    const char *near = options_suggest(command, arg + strspn(arg, "-"), buf);

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
    struct option o;
    const char *value;
    char name[64], why[400];
    int index = -1;

    snprintf(name, sizeof(name), "%.*s",
             equals ? (int)(equals - arg) : (int)strlen(arg), arg);
    if (strncmp(name, "--", 2) == 0)
        index = options_find(command, name + 2, &o);
    if (index < 0)
        return unknown_option(command, name);

    if (equals) {
        value = equals + 1;
    } else if (o.row->type == RN_OPTION_FLAG) {
        value = "yes";
    } else if (*i + 1 < args->argc) {
        value = args->argv[++*i];
    } else {
        say_error("%s needs a value (%s)", name, options_value(&o));
        return EXIT_USAGE;
    }
    if (options_set(&o, options, value, why, sizeof(why)) < 0) {
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

void options_default(const struct option *option, const void *options,
                     char *buf, size_t size)
{
    const struct rn_option *o = option->row;
    const void *p = (const char *)options + option->base + o->offset;
    const char *unset = o->unset ? o->unset : "";
    char flags[200];
    const char *text;

    buf[0] = '\0';
    switch (o->type) {
    case RN_OPTION_FLAG:
        return;
    case RN_OPTION_INDEX:
        word_at(o->words, *(const int *)p, buf, size);
        return;
    case RN_OPTION_INT:
    case RN_OPTION_SIZE:
        if (*(const int *)p || !o->unset)
            snprintf(buf, size, "%d", *(const int *)p);
        break;
    case RN_OPTION_LONG:
        if (*(const long *)p || !o->unset)
            snprintf(buf, size, "%ld", *(const long *)p);
        break;
    case RN_OPTION_SEED:
        snprintf(buf, size, "%" PRIu64, *(const uint64_t *)p);
        break;
    case RN_OPTION_REAL:
        if (*(const double *)p > 0 || !o->unset)
            snprintf(buf, size, "%g", *(const double *)p);
        break;
    case RN_OPTION_LETTER:
        snprintf(buf, size, "%.1s", (const char *)p);
        break;
    case RN_OPTION_WORD:
    case RN_OPTION_TEXT:
        text = *(const char *const *)p;
        snprintf(buf, size, "%s", text ? text : "");
        break;
    }
    if (!buf[0])
        snprintf(buf, size, "%s",
                 flags_for_fields(unset, flags, sizeof(flags)));
}

const char *options_value(const struct option *option)
{
    const struct rn_option *o = option->row;

    if (o->type == RN_OPTION_FLAG)
        return NULL;
    return o->value ? o->value : o->words;
}

static void option_help(const struct option *o, const void *options)
{
    const char *value = options_value(o);
    char left[96], help[500], text[720], preset[200];

    snprintf(left, sizeof(left), "  --%s%s%s", o->name, value ? " " : "",
             value ? value : "");
    options_default(o, options, preset, sizeof(preset));
    flags_for_fields(o->row->help, help, sizeof(help));
    snprintf(text, sizeof(text), "%s%s%s%s", help, preset[0] ? " (" : "",
             preset, preset[0] ? ")" : "");
    print_wrapped(left, 27, text);
}

void options_help(const struct command *command)
{
    char *options = calloc(1, command->size);
    const char *title = NULL;
    struct option option;

    printf("usage: resnet %s %s\n\n", command->name, command->synopsis);
    print_wrapped("", 0, command->summary);
    if (!options)
        return;
    command->defaults(options);
    for (size_t i = 0; options_at(command, i, &option); i++) {
        if (!title || strcmp(option.title, title) != 0)
            printf("\n%s:\n", option.title);
        title = option.title;
        option_help(&option, options);
    }
    if (command->notes)
        printf("\n%s", command->notes);
    if (command->tables)
        command->tables();
    free(options);
}
