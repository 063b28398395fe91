/* SPDX-License-Identifier: BSD-2-Clause */
/* Folders of training runs, which may lie among the folders of a data set. */
#include "data/sets/contents.h"

#include "core/file.h"
#include "core/memory.h"
#include "data/pictures/named.h"
#include "core/json.h"

#include <dirent.h>
#include <string.h>

#define RUN_FILE  "run.json"
#define MOST_TEXT ((size_t)1 << 20)
/* Folders of folders of runs that are looked into. */
#define DEEPEST 4

/* Whether a text is what training writes into its folder. */
static bool is_run_text(const uint8_t *text, size_t size)
{
    json_t *object, *options;
    bool ours;

    if (rn_json_parse(&object, (const char *)text, size, RUN_FILE, "it", NULL))
        return false;
    options = json_object_get(object, "options");
    ours = json_is_string(json_object_get(object, "version")) &&
           json_is_string(json_object_get(options, "data")) &&
           json_is_object(json_object_get(object, "network"));
    json_decref(object);
    return ours;
}

static bool holds_run(const struct rn_files *files, const char *folder)
{
    char *path = rn_path_join(folder, RUN_FILE);
    uint8_t *text = NULL;
    size_t size;
    bool ours =
        path && rn_files_is_file(files, path) &&
        rn_files_read(files, path, MOST_TEXT, &text, &size, NULL) == RN_OK &&
        is_run_text(text, size);

    rn_free(text);
    rn_free(path);
    return ours;
}

static bool holds_runs(const struct rn_files *files, const char *folder,
                       int depth);

/* Whether an entry of a folder is one of runs; anything else ends the search,
 * so that of a folder of pictures one name is read. */
static bool is_runs(const struct rn_files *files, const char *folder,
                    const char *name, int depth)
{
    char *path = rn_path_join(folder, name);
    bool are = path && rn_files_is_folder(files, path) &&
               (holds_run(files, path) || holds_runs(files, path, depth + 1));

    rn_free(path);
    return are;
}

/* As runs/first and runs/second. */
static bool holds_runs(const struct rn_files *files, const char *folder,
                       int depth)
{
    const struct dirent *entry;
    bool all = true, any = false;
    DIR *dir;

    if (depth > DEEPEST || rn_files_in_archive(files, folder))
        return false;
    dir = opendir(folder);
    if (!dir)
        return false;
    while (all && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        any = true;
        all = !rn_picture_named(entry->d_name) &&
              is_runs(files, folder, entry->d_name, depth);
    }
    closedir(dir);
    return all && any;
}

bool rn_is_run_folder(const struct rn_files *files, const char *folder)
{
    return holds_run(files, folder) || holds_runs(files, folder, 0);
}
