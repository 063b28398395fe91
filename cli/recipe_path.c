/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks for a recipe by name beside the program and where it is installed. */
#include "recipe_path.h"

#include "options.h"
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENDING ".conf"

/* First where the program is built or unpacked, then where it is installed,
 * both as seen from its own folder, so that it may be moved; then where it was
 * to be installed. RECIPES_* come from meson.build. */
static const char *const places[] = {"recipes", RECIPES_BESIDE, RECIPES_HERE};

/* FOLDER/NAME and an ending, or NULL. */
static char *join(const char *folder, const char *name, const char *ending)
{
    size_t size = strlen(folder) + strlen(name) + strlen(ending) + 2;
    char *path = malloc(size);

    if (path)
        snprintf(path, size, "%s/%s%s", folder, name, ending);
    return path;
}

/* A folder means no recipe: runs are called like those they were made with. */
static int is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* The folder the program lies in. */
static int own_folder(char *folder, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", folder, size - 1);
    char *slash;

    if (n <= 0)
        return -1;
    folder[n] = '\0';
    slash = strrchr(folder, '/');
    if (!slash)
        return -1;
    *slash = '\0';
    return 0;
}

/* The i-th place, absolute, or NULL. */
static char *place(size_t i)
{
    char folder[PATH_MAX];

    if (places[i][0] == '/')
        return strdup(places[i]);
    if (own_folder(folder, sizeof(folder)))
        return NULL;
    return join(folder, places[i], "");
}

/* NAME or NAME.conf in a folder. */
static char *find_in(const char *folder, const char *name)
{
    static const char *const endings[] = {ENDING, ""};

    for (size_t i = 0; i < COUNT(endings); i++) {
        char *path = join(folder, name, endings[i]);

        if (path && is_file(path))
            return path;
        free(path);
    }
    return NULL;
}

static char *find_named(const char *name)
{
    char *path = NULL;

    for (size_t i = 0; !path && i < COUNT(places); i++) {
        char *folder = place(i);

        if (folder)
            path = find_in(folder, name);
        free(folder);
    }
    return path;
}

/* ----------------------------------------------------- what there is */

static int is_recipe(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name), k = strlen(ENDING);

    return n > k && strcmp(entry->d_name + n - k, ENDING) == 0;
}

/* Names in the first place that has any, "a, b, c"; empty without. */
static void list_names(char *text, size_t size)
{
    struct dirent **entries = NULL;
    int count = 0;
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; count <= 0 && i < COUNT(places); i++) {
        char *folder = place(i);

        count = folder ? scandir(folder, &entries, is_recipe, alphasort) : 0;
        free(folder);
    }
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        int length = (int)(strlen(name) - strlen(ENDING));

        if (used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%.*s",
                                     i ? ", " : "", length, name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void say_unknown(const char *what)
{
    char names[1024];

    list_names(names, sizeof(names));
    if (strchr(what, '/') || !names[0])
        say_error("cannot open recipe '%s': %s", what, strerror(ENOENT));
    else
        say_error("there is no recipe '%s', neither a file nor one of these: "
                  "%s",
                  what, names);
}

/* Whether it says where the file lies; table6/nin is a name. */
static int is_path(const char *what)
{
    return what[0] == '/' || what[0] == '.';
}

char *recipe_path(const char *what)
{
    char *path;

    if (strcmp(what, "-") == 0 || is_file(what))
        path = strdup(what);
    else
        path = is_path(what) ? NULL : find_named(what);
    if (!path)
        say_unknown(what);
    return path;
}
