/* SPDX-License-Identifier: BSD-2-Clause */
/* What would go wrong later, found before the first step. */
#include "core/available.h"
#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "data/sets/picture_set.h"
#include "train/trainer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* -------------------------------------------------------------- classes */

#define SHOWN 5

/* Names the classes that have no image in `part`, of those in `among`, or of
 * all; how many. */
static int list_missing(const struct rn_data *data, enum rn_part part,
                        const bool *among, bool *seen, char *shown, size_t size)
{
    int missing = 0;

    memset(seen, 0, (size_t)data->classes * sizeof(*seen));
    rn_data_see(data, part, seen);
    shown[0] = '\0';
    for (int c = 0; c < data->classes; c++) {
        const char *id = rn_data_class_id(data, c);
        const char *name = id ? id : rn_data_class_name(data, c);
        size_t n = strlen(shown);

        if (seen[c] || (among && !among[c]) || missing++ >= SHOWN)
            continue;
        if (name)
            snprintf(shown + n, size - n, "%s'%.40s'", n ? ", " : "", name);
        else
            snprintf(shown + n, size - n, "%s%d", n ? ", " : "", c);
    }
    return missing;
}

static int check_part(struct rn_trainer *t, enum rn_part part, bool *seen,
                      struct rn_error *err)
{
    bool split = t->o.validation > 0 || t->o.validation_percent > 0;
    char shown[300];
    int missing = list_missing(t->data, part, NULL, seen, shown, sizeof(shown));

    if (missing == 0 || t->data->part[part].count == 0)
        return RN_OK;
    /* A class of few pictures may have none among those held out. */
    if (part == RN_PART_VALIDATION && split) {
        rn_trainer_say(t, "%d of the %d classes %s no validation image: %s%s",
                       missing, t->data->classes, missing == 1 ? "has" : "have",
                       shown, missing > SHOWN ? ", …" : "");
        return RN_OK;
    }
    return rn_fail(
        err, RN_ERR_DATA, "'%.100s': %d of the %d classes %s no %s image: %s%s",
        t->data->spec, missing, t->data->classes, missing == 1 ? "has" : "have",
        rn_part_name(part), shown, missing > SHOWN ? ", …" : "");
}

/* Of images in memory the last are held out, whatever their classes, and not
 * all classes that are declared need to be there: those that only another part
 * has are told. */
static void tell_part(struct rn_trainer *t, enum rn_part part,
                      const bool *among, bool *seen)
{
    bool split = t->o.validation > 0 || t->o.validation_percent > 0;
    bool apart = split && part != RN_PART_TEST;
    char shown[300];
    int missing =
        list_missing(t->data, part, among, seen, shown, sizeof(shown));

    if (missing == 0 || t->data->part[part].count == 0)
        return;
    rn_trainer_say(t, "%d of the %d classes %s no %s image: %s%s%s", missing,
                   t->data->classes, missing == 1 ? "has" : "have",
                   rn_part_name(part), shown, missing > SHOWN ? ", …" : "",
                   apart ? "; the last images are held out, so their order "
                           "should mix the classes"
                         : "");
}

static int tell_parts(struct rn_trainer *t, struct rn_error *err)
{
    size_t classes = (size_t)t->data->classes;
    bool *seen = rn_alloc(2 * classes, sizeof(*seen));

    if (!seen)
        return rn_fail_memory(err, 2 * classes, "classes");
    for (int part = RN_PART_TRAIN; part <= RN_PART_TEST; part++)
        rn_data_see(t->data, (enum rn_part)part, seen + classes);
    for (int part = RN_PART_TRAIN; part <= RN_PART_TEST; part++)
        tell_part(t, (enum rn_part)part, seen + classes, seen);
    rn_free(seen);
    return RN_OK;
}

int rn_trainer_check_sets(const struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_loss_rule *loss = rn_loss_find(t->o.loss);

    if (!t->data->several)
        return RN_OK;
    if (!loss->sets)
        return rn_fail(err, RN_ERR_ARG,
                       "%s, but loss %s takes images of one class each; "
                       "binary-cross-entropy takes any number",
                       t->data->several, loss->name);
    if (t->o.class_weights && strcmp(t->o.class_weights, "none") != 0)
        return rn_fail(err, RN_ERR_ARG,
                       "%s, but class_weights %s is for images of one class "
                       "each",
                       t->data->several, t->o.class_weights);
    return RN_OK;
}

int rn_trainer_check_classes(struct rn_trainer *t, struct rn_error *err)
{
    bool *seen;
    int rc;

    if (t->data->classes == 0)
        return rn_fail(err, RN_ERR_DATA,
                       "the pictures of '%s' have no classes: there is nothing "
                       "to learn",
                       t->data->spec);
    if (t->data->classes < 2)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' has one class only%s%.100s%s: there is nothing to "
                       "learn; expected two or more",
                       t->data->spec, t->data->class_names ? ", '" : "",
                       t->data->class_names ? t->data->class_names[0] : "",
                       t->data->class_names ? "'" : "");
    if (!rn_trainer_pictures(t))
        return tell_parts(t, err);
    if (t->data->part[RN_PART_TRAIN].count == 0)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' has no training pictures; expected them in "
                       "train/CLASS/ or CLASS/",
                       t->data->spec);
    seen = rn_alloc((size_t)t->data->classes, sizeof(*seen));
    if (!seen)
        return rn_fail_memory(err, (size_t)t->data->classes, "classes");
    rc = check_part(t, RN_PART_TRAIN, seen, err);
    if (rc == RN_OK)
        rc = check_part(t, RN_PART_VALIDATION, seen, err);
    if (rc == RN_OK)
        rc = check_part(t, RN_PART_TEST, seen, err);
    rn_free(seen);
    return rc;
}

/* ------------------------------------------------------- the run folder */

/* Whether a folder that is there lies in the data, or is the data. */
static bool lies_in_data(const char *folder, const char *data)
{
    char *inner = realpath(folder, NULL), *outer = realpath(data, NULL);
    size_t length = outer ? strlen(outer) : 0;
    bool in = inner != NULL && length > 0 &&
              strncmp(inner, outer, length) == 0 &&
              (inner[length] == '/' || inner[length] == '\0');

    free(inner);
    free(outer);
    return in;
}

int rn_trainer_check_out(const struct rn_trainer *t, struct rn_error *err)
{
    static const struct rn_files disk;
    struct rn_pictures found = {.count = 0};
    int rc;

    if (!rn_is_folder(t->run.folder) || !lies_in_data(t->run.folder, t->o.data))
        return RN_OK;
    rc = rn_pictures_add_folder(&found, &disk, t->run.folder, err);
    if (rc == RN_OK && found.count > 0)
        rc = rn_fail(err, RN_ERR_ARG,
                     "'%s' is or lies in the data and holds pictures, which "
                     "would be left out as a run's; give the run a folder of "
                     "its own",
                     t->run.folder);
    rn_pictures_clear(&found);
    return rc;
}

/* ---------------------------------------------------------------- files */

int rn_trainer_check_files(const struct rn_trainer *t, struct rn_error *err)
{
    int rc = RN_OK;

    for (int part = RN_PART_TRAIN; part <= RN_PART_TEST; part++) {
        const struct rn_images *images = &t->data->part[part];
        bool look = part != RN_PART_TRAIN || !t->o.skip_bad;

        for (int i = 0; look && images->files && i < images->count && !rc; i++)
            rc = rn_picture_probe(t->data, (enum rn_part)part, i, err);
    }
    return rc;
}

/* --------------------------------------------------------------- memory */

/* Batches that the loader makes ahead. */
#define BATCHES_AHEAD 4

/* Of the optimiser, for each parameter. */
static int states(const struct rn_trainer *t)
{
    return rn_optimiser_states(rn_optimiser_find(t->o.optimizer));
}

/* Copies of all weights, or as large. The plan's estimate has the weights,
 * their gradients and one state; there are the model, what tests multiply by,
 * the other states, an average, sums of batches' gradients, and what
 * checkpoints are written from: copies of states and average. */
static int copies_beside_plan(const struct rn_trainer *t)
{
    int kept = states(t) + (t->o.ema > 0);

    return 2 + (kept - 1) + (t->o.accumulate > 1) + kept;
}

uint64_t rn_trainer_room(const struct rn_trainer *t)
{
    int ranks = t->o.ranks ? t->o.ranks->local : 1;

    return rn_memory_available("") / (uint64_t)ranks;
}

int rn_trainer_memory(const struct rn_trainer *t, int batch, int recompute,
                      uint64_t *bytes, struct rn_error *err)
{
    const struct rn_shape *s = &t->model->spec.input;
    uint64_t params = rn_graph_params(t->trainee->graph);
    int groups = rn_trainer_groups(t), images = (batch + groups - 1) / groups;
    const struct rn_plan_options options = {.mode = RN_MODE_TRAIN,
                                            .batch = images,
                                            .threads = t->threads,
                                            .exact = t->o.exact,
                                            .recompute = recompute,
                                            .precision = t->o.precision,
                                            .emulate = t->o.emulate};
    uint64_t teacher = 0;
    int rc = rn_plan_estimate(t->trainee, &options, bytes, err);

    if (rc == RN_OK)
        rc = rn_trainer_teacher_memory(t, images, &teacher, err);
    *bytes += teacher;
    *bytes += (uint64_t)copies_beside_plan(t) * params * sizeof(float);
    *bytes += (rn_grouping_memory(groups, t->o.ranks, params) +
               rn_shards_memory(groups, t->o.ranks, params,
                                t->o.gradient_precision != 0)) *
              sizeof(float);
    *bytes += (uint64_t)BATCHES_AHEAD * (uint64_t)batch /
              (uint64_t)rn_ranks_count(t->o.ranks) * rn_shape_size(*s) *
              sizeof(float);
    return rc;
}

/* What would fit, or nothing. */
static void suggest(const struct rn_trainer *t, uint64_t room, char *text,
                    size_t size)
{
    struct rn_error ignored;
    uint64_t bytes;

    text[0] = '\0';
    if (t->o.recompute != RN_RECOMPUTE_BLOCKS &&
        rn_trainer_memory(t, t->o.batch, RN_RECOMPUTE_BLOCKS, &bytes,
                          &ignored) == RN_OK &&
        bytes <= room) {
        rn_format(text, size, "; with `recompute` blocks it needs %.1f GB",
                  (double)bytes / 1e9);
        return;
    }
    for (int batch = t->o.batch / 2; batch > 0; batch /= 2) {
        if (rn_trainer_memory(t, batch, t->o.recompute, &bytes, &ignored) !=
            RN_OK)
            return;
        if (bytes <= room) {
            rn_format(text, size, "; `batch` %d needs %.1f GB", batch,
                      (double)bytes / 1e9);
            return;
        }
    }
}

int rn_trainer_check_memory(struct rn_trainer *t, struct rn_error *err)
{
    uint64_t room = rn_trainer_room(t), bytes;
    int rc = rn_trainer_memory(t, t->o.batch, t->o.recompute, &bytes, err);
    char text[120];

    if (rc != RN_OK || bytes <= room)
        return rc;
    suggest(t, room, text, sizeof(text));
    return rn_fail(err, RN_ERR_MEMORY,
                   "%s with batch %d needs %.1f GB, %.1f GB are available%s",
                   t->model->spec.name, t->o.batch, (double)bytes / 1e9,
                   (double)room / 1e9, text);
}

/* ----------------------------------------------------------------- room */

/* The folder itself, or the nearest one above it that is there. */
static void existing(const char *folder, char *path, size_t size)
{
    char *slash;

    snprintf(path, size, "%s", folder);
    while (access(path, F_OK) != 0) {
        slash = strrchr(path, '/');
        if (!slash || slash == path) {
            snprintf(path, size, !slash ? "." : "/");
            return;
        }
        *slash = '\0';
    }
}

/* The model's, and a regressor's. */
static double parameters_size(const struct rn_trainer *t)
{
    const struct rn_graph *g = t->trainee->graph;
    uint64_t count = rn_graph_params(t->model->graph);

    for (size_t i = t->hint.shared; t->o.hint && i < g->n_params; i++)
        count += g->params[i].count;
    return (double)count * sizeof(float);
}

/* What a checkpoint holds of each parameter: value, states, average. */
static int checkpoint_kinds(const struct rn_trainer *t)
{
    return 1 + states(t) + (t->o.ema > 0);
}

/* last.safetensors with states and average, another one while it is being
 * written, and best.safetensors. */
static double room_needed(const struct rn_trainer *t)
{
    return parameters_size(t) * (2 * checkpoint_kinds(t) + 2);
}

/* Whether the largest file is one that this process may write. */
static int check_file_size(const struct rn_trainer *t, struct rn_error *err)
{
    double need = parameters_size(t) * checkpoint_kinds(t);
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 ||
        limit.rlim_cur == RLIM_INFINITY || need <= (double)limit.rlim_cur)
        return RN_OK;
    return rn_fail(err, RN_ERR_IO,
                   "'%s': a checkpoint takes %.2f MB, files are limited to "
                   "%.2f MB here (ulimit -f)",
                   t->run.last, need / 1e6, (double)limit.rlim_cur / 1e6);
}

int rn_trainer_check_room(struct rn_trainer *t, struct rn_error *err)
{
    double need = room_needed(t), room;
    struct statvfs st;
    char path[4096];
    int rc;

    existing(t->run.folder, path, sizeof(path));
    if (!rn_is_folder(path)) {
        errno = ENOTDIR;
        return rn_fail_errno(err, "make folder in", path);
    }
    if (access(path, W_OK | X_OK) != 0)
        return rn_fail_errno(err, "write into", path);
    rc = check_file_size(t, err);
    if (rc != RN_OK || statvfs(path, &st) != 0)
        return rc;
    room = (double)st.f_bavail * (double)st.f_frsize;
    if (room >= need || st.f_blocks == 0)
        return RN_OK;
    return rn_fail(err, RN_ERR_IO,
                   "'%s' has room for %.0f MB, the run's models take %.0f MB",
                   path, room / 1e6, need / 1e6);
}
