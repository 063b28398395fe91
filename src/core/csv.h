/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of CSV (RFC 4180), as spreadsheets write them. */
#ifndef RN_CORE_CSV_H
#define RN_CORE_CSV_H

#include <stdio.h>

/** What stands between the fields of a table whose first line this is: a tab,
 *  or a semicolon (where commas are decimal), or else a comma. */
char rn_csv_separator(const char *line);

/** Cut a line into at most `most` fields, in place: quotes may hold
 *  separators, and doubled quotes; blanks around a field go. Returns their
 *  number, or -1: there are more, or a quote does not end. */
int rn_csv_cut(char *line, char separator, const char **fields, int most);

/** The line at *at, ended by a zero byte, *at moving behind it; NULL at the
 *  end. Line ends are those of rn_text_clean(). */
char *rn_line_next(char **at);

/** Print a field, quoted where it must be. */
void rn_print_csv(FILE *out, const char *text);

#endif
