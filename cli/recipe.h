/* SPDX-License-Identifier: BSD-2-Clause */
/* Recipes: files of options. */
#ifndef RN_CLI_RECIPE_H
#define RN_CLI_RECIPE_H

#include "options.h"

/**
 * Set options from a file of lines "option = value" with '#' comments; "-" is
 * standard input.
 *
 * @param refused  names no recipe may set, "a|b|c".
 * @param args     args->seen is set for the recipe's options.
 * @param text     out: the file's text, which the options point into; the
 *                 caller frees it after their last use.
 * @return 0, or the exit status after a message naming file and line.
 */
int recipe_read(const char *path, const struct command *command, void *options,
                const char *refused, struct args *args, char **text);

#endif
