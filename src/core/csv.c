/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes lines of CSV apart in place, and writes fields. */
#include "core/csv.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define BLANKS " \t"

char rn_csv_separator(const char *line)
{
    static const char separators[] = "\t;,";
    bool found[3] = {false}, quoted = false;

    for (; *line && *line != '\n'; line++) {
        const char *at = quoted ? NULL : strchr(separators, *line);

        quoted ^= *line == '"';
        if (at)
            found[at - separators] = true;
    }
    return found[0] ? '\t' : found[1] && !found[2] ? ';' : ',';
}

/* The field in quotes at `from`, its text written to the line's begin `to`;
 * behind its end, or NULL. */
static char *take_quoted(char *from, char **to)
{
    for (from++; *from; from++) {
        if (*from == '"' && *++from != '"')
            return from;
        *(*to)++ = *from;
    }
    return NULL;
}

static char *skip_blanks(char *at, char separator)
{
    while (*at && *at != separator && strchr(BLANKS, *at))
        at++;
    return at;
}

/* Cuts one field; *next is behind it, NULL when it was the last. */
static const char *cut_field(char *line, char separator, char **next)
{
    char *from = skip_blanks(line, separator), *to = from, *begin = from;

    if (*from == '"') {
        from = take_quoted(from, &to);
        from = from ? skip_blanks(from, separator) : NULL;
        if (!from || (*from && *from != separator))
            return NULL;
    } else {
        from += strcspn(from, (char[]){separator, '\0'});
        for (to = from; to > begin && strchr(BLANKS, to[-1]);)
            to--;
    }
    *next = *from ? from + 1 : NULL;
    *to = '\0';
    return begin;
}

int rn_csv_cut(char *line, char separator, const char **fields, int most)
{
    int n = 0;

    while (line && n < most) {
        fields[n] = cut_field(line, separator, &line);
        if (!fields[n++])
            return -1;
    }
    return line ? -1 : n;
}

char *rn_line_next(char **at)
{
    char *line = *at;
    size_t n = strcspn(line, "\n");

    if (!*line)
        return NULL;
    *at = line + n + (line[n] == '\n');
    line[n] = '\0';
    return line;
}

void rn_print_csv(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', out);
        putc(*text, out);
    }
    putc('"', out);
}
