/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs that learn from a teacher: small ones, the teacher itself, and whether
 * two ended in the same files. Include after cmocka.h. */
#ifndef TESTS_UNIT_TAUGHT_H
#define TESTS_UNIT_TAUGHT_H

#include "runs.h"

#include "core/file.h"
#include "core/memory.h"
#include "train/run.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LIMIT ((size_t)1 << 28)

/* 90 images in batches of 16, whose last, of 10, has plans of its own. */
static inline struct rn_train_options short_run(const char *name)
{
    struct rn_train_options o = small_run(name);

    o.net = "plain8";
    o.last_batch = "keep";
    o.iterations = 13;
    return o;
}

/* With the teacher, from which nothing is asked yet. */
static inline struct rn_train_options run_with_teacher(const char *name)
{
    static char teacher[300];
    struct rn_train_options o = short_run(name);

    snprintf(teacher, sizeof(teacher), "%s/teacher/last.safetensors", folder);
    o.teacher = teacher;
    return o;
}

/* A folder, and in it the run that all of these tests learn from. */
static inline int make_teacher(void **state)
{
    struct rn_train_options o;

    if (make_folder(state))
        return -1;
    o = short_run("teacher");
    o.net = "resnet8";
    o.iterations = 40;
    return rn_train(&o, NULL, NULL, NULL) ? -1 : 0;
}

static inline void expect_refused(const struct rn_train_options *o, int code,
                                  const char *words)
{
    struct rn_error err = {0};
    int rc = rn_train(o, NULL, NULL, &err);

    if (rc != code || !strstr(err.msg, words))
        fail_msg("status %d, \"%s\"; expected %d with \"%s\"", rc, err.msg,
                 code, words);
    assert_false(rn_is_folder(o->out));
}

/* Stop after so many iterations, an int. */
static inline int stop_soon(void *user)
{
    int *left = user;

    return (*left)-- == 0;
}

static inline void read_bytes(const char *name, uint8_t **bytes, size_t *size)
{
    assert_int_equal(rn_file_read(in_folder(name), LIMIT, bytes, size, NULL),
                     RN_OK);
}

static inline bool same_file(const char *a, const char *b)
{
    uint8_t *bytes[2];
    size_t size[2];
    bool same;

    read_bytes(a, &bytes[0], &size[0]);
    read_bytes(b, &bytes[1], &size[1]);
    same = size[0] == size[1] && memcmp(bytes[0], bytes[1], size[0]) == 0;
    rn_free(bytes[0]);
    rn_free(bytes[1]);
    return same;
}

#endif
