/* SPDX-License-Identifier: BSD-2-Clause */
/* What the control groups (v1, v2) that hold this process set. */
#ifndef RN_CORE_CGROUP_H
#define RN_CORE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** How a limit is read. A reader gets the folder of a group and gives what
 *  the group allows, UINT64_MAX where it sets no limit. */
struct rn_cgroup_limit {
    const char *controller;    /* as /proc/self/cgroup names it: "cpu" */
    const char *const *mounts; /* of version 1, NULL at the end */
    uint64_t (*v1)(const char *folder);
    uint64_t (*v2)(const char *folder);
};

/** The least that the process's group and all groups above it allow;
 *  UINT64_MAX where none sets a limit. `root` is "" or a folder that stands in
 *  for "/" (tests). */
uint64_t rn_cgroup_least(const char *root, const struct rn_cgroup_limit *limit);

/** First line of FOLDER/NAME; false when there is none. */
bool rn_cgroup_line(const char *folder, const char *name, char *line, int size);
/** Number at the start of FOLDER/NAME; UINT64_MAX for "max", for a negative one
 *  and when there is none. */
uint64_t rn_cgroup_number(const char *folder, const char *name);
/** Number behind KEY and a blank in FOLDER/NAME; 0 when there is none. */
uint64_t rn_cgroup_entry(const char *folder, const char *name, const char *key);

#endif
