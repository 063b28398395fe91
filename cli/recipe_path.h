/* SPDX-License-Identifier: BSD-2-Clause */
/* Where recipes are that are called by name. */
#ifndef RN_CLI_RECIPE_PATH_H
#define RN_CLI_RECIPE_PATH_H

/**
 * The file that "--recipe WHAT" means: WHAT itself if it is one, or "-"; else
 * the recipe of that name among those that came with the program.
 *
 * @return the caller's to free; NULL after a message, which for an unknown
 *         name lists what there is.
 */
char *recipe_path(const char *what);

#endif
