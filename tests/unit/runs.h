/* SPDX-License-Identifier: BSD-2-Clause */
/* Small runs on 90 made-up images, for tests of training. Include after
 * cmocka.h. */
#ifndef TESTS_UNIT_RUNS_H
#define TESTS_UNIT_RUNS_H

#include "folder.h"

#include "resnet.h"

#define DATA "synthetic:3x8x8:4:90"

/* Into that folder, in batches of 16: epochs end in a batch of 10. A test
 * changes what it is about. */
static inline struct rn_train_options small_run(const char *name)
{
    struct rn_train_options o;

    rn_train_defaults(&o);
    o.data = DATA;
    o.out = in_folder(name);
    o.net = "resnet8";
    o.batch = 16;
    o.iterations = 48;
    o.lr = 0.05;
    o.threads = 1;
    return o;
}

static inline void train_watched(const struct rn_train_options *o,
                                 const struct rn_train_events *events,
                                 struct rn_train_result *result)
{
    struct rn_error err = {0};

    if (rn_train(o, events, result, &err) != RN_OK)
        fail_msg("%s: %s", o->out, err.msg);
}

static inline void train(const struct rn_train_options *o)
{
    train_watched(o, NULL, NULL);
}

#endif
