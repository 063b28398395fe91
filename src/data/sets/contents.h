/* SPDX-License-Identifier: BSD-2-Clause */
/* What lies in the folders of a data set of pictures. */
#ifndef RN_DATA_SETS_CONTENTS_H
#define RN_DATA_SETS_CONTENTS_H

#include "data/archives/files.h"

#define RN_LABELS_FILE  "labels.txt"
#define RN_LABELS_TABLE "labels.csv"

enum rn_content {
    RN_CONTENT_FOLDER,
    RN_CONTENT_PICTURE,
    RN_CONTENT_ARCHIVE,
    RN_CONTENT_OTHER,
    RN_CONTENTS
};

/** rn_files_look(), where nothing at all is something other. But a link in an
 *  archive to no file of it may be to a folder, and is refused as it is among
 *  pictures. */
int rn_content_look(const struct rn_files *files, const char *path,
                    struct rn_entry *entry, struct rn_error *err);
/** A folder of runs, or that of the run that begins, is something other. */
int rn_content_of(const struct rn_files *files, const char *folder,
                  const char *name, enum rn_content *content,
                  struct rn_error *err);

/** Whether a file of that name is a list of a folder's pictures. */
bool rn_picture_list_named(const char *name);

/** Whether a folder is one that training made, or holds nothing but such. It is
 *  never a class, and its pictures are none of the data's. */
bool rn_is_run_folder(const struct rn_files *files, const char *folder);

/** The names in a folder, what each is, how many are what, and where the first
 *  of each stands. */
struct rn_contents {
    char **name; /* as rn_files_list() gives them */
    enum rn_content *what;
    size_t count[RN_CONTENTS], first[RN_CONTENTS];
};

/** Each name is looked at once. After an error nothing is held. */
int rn_contents_read(struct rn_contents *contents, const struct rn_files *files,
                     const char *folder, struct rn_error *err);
void rn_contents_free(struct rn_contents *contents);
/** The name of the one folder beside which nothing counts, or NULL. */
const char *rn_contents_around(const struct rn_contents *contents);
/** The names of what is wanted; rn_files_list_free() releases them, and nothing
 *  else is held. */
char **rn_contents_take(struct rn_contents *contents, enum rn_content wanted);

#endif
