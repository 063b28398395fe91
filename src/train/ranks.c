/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranks that train together: whether they do the same work, and which they
 * are. */
#include "train/trainer.h"

#include "core/count.h"
#include "core/file.h"
#include "core/memory.h"

#include <stdio.h>
#include <string.h>

/* Of the weights as they lie in memory. */
static uint64_t lying(const struct rn_trainer *t)
{
    return rn_checksum(0, t->flat.value,
                       t->flat.count * sizeof(*t->flat.value));
}

/* What would make other bits on one of them. */
static int compare(struct rn_trainer *t, uint64_t options, struct rn_error *err)
{
    struct rn_trait traits[] = {
        {.name = "the checksum of DATA", .code = RN_ERR_DATA},
        {.name = "the batch", .code = RN_ERR_ARG},
        {.name = "the checksum of the options", .code = RN_ERR_ARG},
        {.name = "the iteration to go on from", .code = RN_ERR_DATA},
        {.name = "the checksum of the first weights", .code = RN_ERR_DATA},
        {.name = "the checksum of the teacher", .code = RN_ERR_DATA},
        /* by vectors of 16 channels or of 8, of machines that may differ */
        {.name = "the layout of weights in memory", .code = RN_ERR_ARG},
        {.name = "the checksum of how images are normalised",
         .code = RN_ERR_DATA},
    };

    rn_trait_sum(&traits[0], t->data->checksum);
    snprintf(traits[1].value, sizeof(traits[1].value), "%d", t->o.batch);
    rn_trait_sum(&traits[2], options);
    snprintf(traits[3].value, sizeof(traits[3].value), "%ld",
             t->progress.iteration);
    rn_trait_sum(&traits[4], rn_graph_checksum(t->trainee->graph, 0));
    rn_trait_sum(&traits[5], t->teacher.checksum);
    rn_trait_sum(&traits[6], lying(t));
    rn_trait_sum(&traits[7], rn_model_sum_preprocessing(t->model, 0));
    return rn_ranks_compare(t->o.ranks, traits, COUNT(traits), err);
}

/* A line of the table: ranks that follow each other on one host. */
struct line {
    char host[64];
    int threads;
};

static int say_table(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_ranks *r = t->o.ranks;
    struct line own = {.threads = t->threads};
    struct line *all;
    void *room;
    int rc = rn_ranks_room(r, sizeof(own), "ranks", &room, err), first = 0;

    if (rc != RN_OK)
        return rc;
    all = room;
    strcpy(own.host, r->peers[r->rank].host);
    rc = rn_ranks_gather(r, &own, sizeof(own), all, err);
    rn_trainer_say(t, "%d ranks (%s), %d of %d groups each", r->size,
                   r->transport->name, t->groups.own, t->groups.count);
    for (int i = 1; rc == RN_OK && i <= r->size; i++) {
        char to[16] = "";

        if (i < r->size && memcmp(&all[i], &all[first], sizeof(own)) == 0)
            continue;
        if (i - first > 1)
            snprintf(to, sizeof(to), " to %d", i - 1);
        rn_trainer_say(t, "rank%s %d%s: %s, %d thread%s%s",
                       i - first > 1 ? "s" : "", first, to, all[first].host,
                       all[first].threads, all[first].threads == 1 ? "" : "s",
                       i - first > 1 ? " each" : "");
        first = i;
    }
    rn_ranks_free(r, all);
    return rc;
}

int rn_trainer_meet(struct rn_trainer *t, int rc, struct rn_error *err)
{
    uint64_t options = t->o.ranks ? rn_options_checksum(&t->o) : 0;

    /* A lack of memory is no difference. */
    if (rc == RN_OK && t->o.ranks && !options)
        rc = rn_fail_memory(err, 1024, "options");
    rc = rn_ranks_agree(t->o.ranks, rc, err);
    if (rc != RN_OK || !t->o.ranks)
        return rc;
    rc = rn_ranks_meet(t->o.ranks, "training", err);
    if (rc == RN_OK)
        rc = compare(t, options, err);
    if (rc == RN_OK)
        rc = say_table(t, err);
    if (rc == RN_OK && rn_ranks_mixed(t->o.ranks))
        rn_trainer_say(t,
                       "%s; the last bits of results depend on which rank "
                       "computes what",
                       rn_ranks_mixed(t->o.ranks));
    return rc;
}

int rn_trainer_compare_weights(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_trait trait = {.name = "the checksum of the weights by now",
                             .code = RN_ERR_RANK};

    if (!rn_ranks_mixed(t->o.ranks))
        return RN_OK;
    rn_trait_sum(&trait, lying(t));
    return rn_ranks_compare(t->o.ranks, &trait, 1, err);
}
