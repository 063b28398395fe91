/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes messages, tables, bars and JSON to where they belong. */
#include "output.h"

#include "options.h"
#include "progress.h"

#include "resnet.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ----------------------------------------------------------- messages */

static int hush;

void output_hush(int hushed)
{
    hush = hushed;
}

int output_hushed(void)
{
    return hush;
}

void say_error(const char *format, ...)
{
    int colour = colour_wanted(STDERR_FILENO);
    va_list args;

    if (hush)
        return;
    progress_clear();
    fflush(stdout);
    fputs(colour ? "\033[1;31mresnet:\033[0m " : "resnet: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void say(const char *format, ...)
{
    va_list args;

    if (hush)
        return;
    progress_clear();
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* ------------------------------------------------------------ numbers */

const char *text_count(struct text *t, uint64_t n)
{
    char digits[24];
    size_t length = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n);
    char *to = t->at;

    for (size_t i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return t->at;
}

const char *text_figures(struct text *t, double value)
{
    snprintf(t->at, sizeof(t->at), fabs(value) < 1000 ? "%.4g" : "%.0f", value);
    return t->at;
}

const char *text_bytes(struct text *t, uint64_t bytes)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t i = 0;

    while (value >= 999.5 && i + 1 < sizeof(unit) / sizeof(*unit)) {
        value /= 1000;
        i++;
    }
    snprintf(t->at, sizeof(t->at), "%.*f %s", i && value < 99.95 ? 1 : 0, value,
             unit[i]);
    return t->at;
}

const char *text_seconds(struct text *t, double s)
{
    long whole = isfinite(s) && s < 1e9 ? lround(s) : -1;

    if (s >= 0 && s < 9.95)
        snprintf(t->at, sizeof(t->at), "%.1f s", s);
    else if (whole < 0)
        snprintf(t->at, sizeof(t->at), "?");
    else if (whole < 60)
        snprintf(t->at, sizeof(t->at), "%ld s", whole);
    else if (whole < 3600)
        snprintf(t->at, sizeof(t->at), "%ld min %02ld s", whole / 60,
                 whole % 60);
    else
        snprintf(t->at, sizeof(t->at), "%ld h %02ld min", whole / 3600,
                 whole / 60 % 60);
    return t->at;
}

/* -------------------------------------------------------------- text */

/* Columns of the first `n` bytes. */
static int word_width(const char *text, int n)
{
    char word[128];

    if (n >= (int)sizeof(word))
        return n;
    snprintf(word, sizeof(word), "%.*s", n, text);
    return rn_text_width(word);
}

void print_wrapped(const char *left, int indent, const char *text)
{
    const int width = 79;
    int column = rn_text_width(left);

    printf("%s", left);
    if (column >= indent && column > 0) {
        putchar('\n');
        column = 0;
    }
    printf("%*s", indent - column, "");
    column = indent;
    while (*text) {
        int n = (int)strcspn(text, " ");
        int columns = word_width(text, n);

        if (column > indent && column + 1 + columns > width) {
            printf("\n%*s", indent, "");
            column = indent;
        }
        if (column > indent)
            column += printf(" ");
        printf("%.*s", n, text);
        column += columns;
        text += n;
        text += strspn(text, " ");
    }
    putchar('\n');
}

/* ------------------------------------------------------------- tables */

struct table {
    int columns;
    const char *align;
    size_t cells, room;
    char **cell;
};

static void *or_exit(void *memory)
{
    if (memory)
        return memory;
    say_error("out of memory");
    exit(1);
}

static void table_push(struct table *t, char *text)
{
    if (t->cells == t->room) {
        t->room = t->room ? 2 * t->room : 256;
        t->cell = or_exit(realloc(t->cell, t->room * sizeof(*t->cell)));
    }
    t->cell[t->cells++] = or_exit(text);
}

struct table *table_new(int columns, const char *const *headings,
                        const char *align)
{
    struct table *t = or_exit(calloc(1, sizeof(*t)));

    t->columns = columns;
    t->align = align;
    for (int i = 0; i < columns; i++)
        table_push(t, strdup(headings[i]));
    return t;
}

void table_cell(struct table *t, const char *format, ...)
{
    char *text;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    table_push(t, text);
}

static int column_width(const struct table *t, int column)
{
    int width = 0;

    for (size_t i = (size_t)column; i < t->cells; i += (size_t)t->columns)
        if (rn_text_width(t->cell[i]) > width)
            width = rn_text_width(t->cell[i]);
    return width;
}

/* One row, from cell `first` on. Blanks wait until something follows. */
static void print_row(const struct table *t, size_t first, const int *width)
{
    int blanks = 0;

    for (int c = 0; c < t->columns; c++) {
        const char *cell = t->cell[first + (size_t)c];
        int pad = width[c] - rn_text_width(cell);

        if (t->align[c] == 'r')
            blanks += pad;
        if (*cell) {
            printf("%*s%s", blanks, "", cell);
            blanks = 0;
        }
        if (t->align[c] != 'r')
            blanks += pad;
        blanks += 2;
    }
    putchar('\n');
}

void table_print(struct table *t)
{
    int *width = or_exit(calloc((size_t)t->columns, sizeof(*width)));

    for (int c = 0; c < t->columns; c++)
        width[c] = column_width(t, c);
    for (size_t i = 0; i < t->cells; i += (size_t)t->columns)
        print_row(t, i, width);
    free(width);
    table_destroy(t);
}

void table_destroy(struct table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->cells; i++)
        free(t->cell[i]);
    free(t->cell);
    free(t);
}

/* --------------------------------------------------------------- JSON */

json_t *json_new(void)
{
    return or_exit(json_object());
}

json_t *json_list(void)
{
    return or_exit(json_array());
}

void json_put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, or_exit(value)) < 0)
        or_exit(NULL);
}

void json_add(json_t *list, json_t *value)
{
    if (json_array_append_new(list, or_exit(value)) < 0)
        or_exit(NULL);
}

json_t *json_double(double value)
{
    return or_exit(isfinite(value) ? json_real(value) : json_null());
}

json_t *json_count(uint64_t value)
{
    return or_exit(json_integer((json_int_t)value));
}

json_t *json_text(const char *text)
{
    json_t *value;
    char *ascii;

    if (!text)
        return json_null();
    value = json_string(text);
    if (value)
        return value;
    ascii = or_exit(strdup(text));
    for (char *c = ascii; *c; c++)
        if (*c & 0x80)
            *c = '?';
    value = or_exit(json_string(ascii));
    free(ascii);
    return value;
}

void json_line(json_t *object)
{
    progress_clear();
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    putchar('\n');
    output_flush();
    json_decref(object);
}

/* -------------------------------------------------------------- files */

int output_place(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : NULL;
    int rc = access(folder ? folder : ".", W_OK);
    struct stat st;

    if (rc)
        say_error("cannot write '%s': %s", path, strerror(errno));
    free(folder);
    if (!rc && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        say_error("cannot write '%s': it is a folder", path);
        return -1;
    }
    return rc;
}

/* ".csv, .svg or .txt" of ".csv|.svg|.txt" */
static void list_endings(const char *endings, char *text, size_t size)
{
    size_t used = 0;

    for (const char *e = endings; *e && used < size;) {
        size_t n = strcspn(e, "|");
        const char *next = e + n + (e[n] == '|');
        const char *joint = *next ? ", " : " or ";

        used += (size_t)snprintf(text + used, size - used, "%s%.*s",
                                 e == endings ? "" : joint, (int)n, e);
        e = next;
    }
}

int output_ending(const char *option, const char *path, const char *endings)
{
    const char *end = path ? strrchr(path, '.') : NULL;
    char text[80] = "";

    if (!path || (end && end != path && word_index(endings, end) >= 0))
        return 0;
    list_endings(endings, text, sizeof(text));
    say_error("--%s: '%s' does not end in %s", option, path, text);
    return -1;
}

/* Whether both lead to one file that is there. */
static int is_same_file(const char *path, const char *other)
{
    struct stat a, b;

    return !stat(path, &a) && !stat(other, &b) && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

int output_other(const char *path, const char *input)
{
    static const char *const models[] = {"", "/best.safetensors",
                                         "/last.safetensors"};
    char file[PATH_MAX];

    for (size_t i = 0; i < COUNT(models); i++) {
        snprintf(file, sizeof(file), "%s%s", input, models[i]);
        if (!is_same_file(path, file))
            continue;
        say_error("'%s' is read: the output must be another file", file);
        return -1;
    }
    return 0;
}

/* ---------------------------------------------------- standard output */

const char *precision_text(int precision, const struct rn_model_info *info)
{
    if (precision == RN_PRECISION_AUTO)
        precision = info->quantized ? RN_PRECISION_INT8 : RN_PRECISION_FP32;
    return rn_precision_name(precision);
}

int output_flush(void)
{
    static int failure; /* the first; the program has one thread */

    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && !failure)
        failure = errno ? errno : EIO;
    return failure;
}
