/* SPDX-License-Identifier: BSD-2-Clause */
/* Run folders from outside: how far a run is, and whether it is the one that
 * certain options would make. */
#include "core/memory.h"
#include "core/safetensors.h"
#include "core/sized.h"
#include "core/file.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static long integer(const json_t *object, const char *name)
{
    return (long)json_integer_value(json_object_get(object, name));
}

/* Iteration of a checkpoint, and whether nothing is left to do there: a run
 * that was stopped in its last test has that before it. */
static int read_saved(const char *path, struct rn_run_state *state,
                      struct rn_error *err)
{
    struct rn_st_file file = {.path = NULL};
    char *training = NULL;
    json_t *object = NULL;
    int rc = rn_st_open(&file, path, err);

    if (rc == RN_OK)
        rc = rn_st_metadata(&file, "training", &training, err);
    if (rc == RN_OK && training)
        object = rn_json_load(training, strlen(training), 0, NULL);
    state->iteration = integer(object, "iteration");
    state->finished = integer(object, "ended") > 0 ||
                      (state->iteration >= state->iterations &&
                       integer(object, "reported") >= state->iteration);
    json_decref(object);
    rn_free(training);
    rn_st_close(&file);
    return rc;
}

/* Which data a run.json names, and what they were read by. */
static void take_data(const struct rn_trainer *t, struct rn_run_state *state)
{
    const char *sum = json_string_value(
        json_object_get(json_object_get(t->texts, "data"), "checksum"));

    state->data_rule = t->o.data_rule;
    if (!sum || sscanf(sum, "%" SCNx64, &state->data_checksum) != 1)
        state->data_checksum = 0;
}

int rn_run_get_sized(const char *run, struct rn_run_state *state, size_t size,
                     struct rn_error *err)
{
    struct rn_run_state own = {.iteration = 0};
    struct rn_trainer t = {.texts = NULL};
    int rc = rn_run_name(&t.run, run, err);

    if (rc == RN_OK && rn_is_file(t.run.options)) {
        rc = rn_trainer_read(&t, err);
        own.iterations = integer(t.texts, "iterations");
        own.saved = rc == RN_OK && rn_is_file(t.run.last);
        take_data(&t, &own);
    }
    if (own.saved)
        rc = read_saved(t.run.last, &own, err);
    RN_GIVE(state, size, &own);
    json_decref(t.texts);
    rn_run_free(&t.run);
    return rc;
}

int rn_run_compare(const char *run, const struct rn_train_options *options,
                   char field[32], struct rn_error *err)
{
    struct rn_trainer t = {.texts = NULL};
    struct rn_train_options own;
    const char *other = NULL;
    int rc = rn_run_name(&t.run, run, err);

    if (rc == RN_OK)
        rc = rn_options_take(&own, options, err);
    if (rc == RN_OK)
        rc = rn_trainer_read(&t, err);
    if (rc == RN_OK)
        rc = rn_options_differ(&own, t.texts, &other, err);
    snprintf(field, 32, "%s", other ? other : "");
    json_decref(t.texts);
    rn_run_free(&t.run);
    return rc;
}
