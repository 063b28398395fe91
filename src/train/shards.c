/* SPDX-License-Identifier: BSD-2-Clause */
/* Exchanges gradients and weights between ranks, shard by shard, while their
 * plans run.
 *
 * A shard leaves when this rank's gradients of it are final: their partial sums
 * go to its owner. The owner adds up all ranks' as the tree of groups has it,
 * updates its shard, and sends the new values. They arrive during the rest of
 * backward and the next forward, which waits for those alone that it is about
 * to read. All ranks see the shards in the same order, that of backward, so
 * messages need no names.
 *
 * In bfloat16 the owner gives back the sum, and every rank updates all shards,
 * each as its sum comes; the next forward waits for the last.
 *
 * Updating does not wait for all to be well: where the step fails on a rank, or
 * its loss is not finite, the run ends and nothing of it is kept. */
#include "train/shards.h"

#include "core/memory.h"
#include "core/threads.h"

#include <string.h>

/* Numbers of a shard. Fewer cost more in messages than they gain; of more, the
 * last ones leave late. And how many each rank has of a large network. */
#define SHARD_LEAST ((size_t)1 << 14)
#define SHARD_MOST  ((size_t)1 << 19)
#define SHARDS_EACH 32
#define LINE        16
/* Where more than this share of so many seconds is waited for messages, a
 * thread sees to it that they go on while layers are computed. It takes a part
 * of a processor, for nothing where links are fast enough without it. */
#define WAITS_MOST  0.02
#define WAITS_AFTER 1.0

/* --------------------------------------------------------------- making */

/* The length that shards of so many numbers shall have: each rank gets as many.
 */
static size_t shard_length(size_t numbers, size_t ranks)
{
    size_t each = numbers / (ranks * SHARD_LEAST);
    size_t least = (numbers + ranks * SHARD_MOST - 1) / (ranks * SHARD_MOST);

    each = each < SHARDS_EACH ? each : SHARDS_EACH;
    each = each > least ? each : least;
    each = each > 0 ? each : 1;
    return (numbers / (ranks * each) + LINE) / LINE * LINE;
}

/* Where a shard from `first` on ends. */
static size_t shard_end(const struct rn_flat *flat, size_t first, size_t length,
                        bool by_layer)
{
    size_t end = flat->count - first < length ? flat->count : first + length;

    for (size_t i = 0; by_layer && i < flat->n_segments; i++)
        if (flat->segments[i].offset + flat->segments[i].count >= end)
            return flat->segments[i].offset + flat->segments[i].count;
    return end;
}

/* The rank that has least so far. */
static int least_of(const size_t *load, int ranks)
{
    int least = 0;

    for (int i = 1; i < ranks; i++)
        if (load[i] < load[least])
            least = i;
    return least;
}

/* Cut, and share out; without shards only their number is found. */
static size_t cut(const struct rn_flat *flat, bool by_layer, int ranks,
                  size_t *load, struct rn_shard *shards)
{
    size_t length = shard_length(flat->count, (size_t)ranks), n = 0;

    for (size_t first = 0, end; first < flat->count; first = end, n++) {
        end = shard_end(flat, first, length, by_layer);
        if (!shards)
            continue;
        shards[n] = (struct rn_shard){.first = first,
                                      .numbers = end - first,
                                      .owner = least_of(load, ranks)};
        load[shards[n].owner] += end - first;
    }
    return n;
}

static int cut_shards(struct rn_shards *s, bool by_layer, struct rn_error *err)
{
    int size = s->ranks->size;
    size_t *load = rn_alloc((size_t)size, sizeof(*load));

    s->count = cut(&s->flat, by_layer, size, NULL, NULL);
    s->shards = rn_alloc(s->count, sizeof(*s->shards));
    if (load && s->shards)
        cut(&s->flat, by_layer, size, load, s->shards);
    rn_free(load);
    return load && s->shards
               ? RN_OK
               : rn_fail_memory(err, s->count * sizeof(*s->shards), "shards");
}

/* Partial sums of all ranks. */
static int all_partials(const struct rn_shards *s)
{
    return s->begin[s->ranks->size];
}

static int own_partials(const struct rn_shards *s)
{
    return s->begin[s->ranks->rank + 1] - s->begin[s->ranks->rank];
}

static bool owns(const struct rn_shards *s, const struct rn_shard *shard)
{
    return shard->owner == s->ranks->rank;
}

/* What all ranks' partial sums are. */
static int list_partials(struct rn_shards *s, struct rn_error *err)
{
    size_t ranks = (size_t)s->ranks->size;

    s->all = rn_alloc(ranks * RN_PARTIALS_MOST, sizeof(*s->all));
    s->begin = rn_alloc(ranks + 1, sizeof(*s->begin));
    if (!s->all || !s->begin)
        return rn_fail_memory(err, ranks * RN_PARTIALS_MOST * sizeof(*s->all),
                              "ranks");
    for (int i = 0; i < s->ranks->size; i++)
        s->begin[i + 1] =
            s->begin[i] + rn_grouping_partials(s->groups->count, s->ranks, i,
                                               s->all + s->begin[i]);
    return RN_OK;
}

/* Where each shard's messages lie. */
static void place_messages(struct rn_shards *s, size_t others, size_t own)
{
    float *at = s->incoming;
    uint16_t *half = s->packed;

    for (size_t i = 0; i < s->count; i++) {
        struct rn_shard *shard = &s->shards[i];
        bool mine = owns(s, shard);

        shard->incoming = at;
        if (s->groups->bf16) {
            shard->in = half;
            shard->out = half + (mine ? others : 1) * shard->numbers;
            half = shard->out + (mine ? 1 : own) * shard->numbers;
        } else if (mine) {
            at += others * shard->numbers;
        }
    }
}

/* Messages for numbers of so many bytes each. */
static size_t pieces(const struct rn_shards *s, const struct rn_shard *shard,
                     size_t size)
{
    return (shard->numbers * size + s->ranks->most - 1) / s->ranks->most;
}

/* Room for what comes in a step, and for its messages. */
static int make_room(struct rn_shards *s, struct rn_error *err)
{
    size_t others = (size_t)(all_partials(s) - own_partials(s));
    size_t own = (size_t)own_partials(s);
    size_t floats = 0, halves = 0, largest = 0, messages = 0, states = 0;

    while (states < RN_STATES_MAX && s->flat.state[states])
        states++;
    for (size_t i = 0; i < s->count; i++) {
        const struct rn_shard *shard = &s->shards[i];

        floats += owns(s, shard) ? others * shard->numbers : 0;
        halves += (owns(s, shard) ? others + 1 : own + 1) * shard->numbers;
        largest = shard->numbers > largest ? shard->numbers : largest;
        messages += pieces(s, shard, sizeof(float)) *
                    (states + (owns(s, shard) ? others + (size_t)s->ranks->size
                                              : own + 1));
    }
    /* In bfloat16 the floats are those of the shard that is added up. */
    if (s->groups->bf16) {
        floats = others * largest;
        s->packed = rn_alloc(halves, sizeof(*s->packed));
    }
    s->incoming = rn_alloc(floats, sizeof(*s->incoming));
    if (!s->incoming || (s->groups->bf16 && !s->packed))
        return rn_fail_memory(err, floats * sizeof(*s->incoming),
                              "the gradients of other ranks");
    place_messages(s, others, own);
    return rn_post_create(&s->post, s->ranks, messages, err);
}

static int before_reading(void *user, size_t from, struct rn_error *err);
static int after_finishing(void *user, size_t numbers, struct rn_error *err);

int rn_shards_create(struct rn_shards *s, struct rn_grouping *groups,
                     const struct rn_flat *flat, bool by_layer,
                     rn_shards_update *update, void *user, struct rn_error *err)
{
    int rc;

    *s = (struct rn_shards){
        .groups = groups,
        .ranks = groups->ranks,
        .flat = *flat,
        .update = update,
        .user = user,
        .follower = {before_reading, after_finishing, s},
    };
    rc = cut_shards(s, by_layer, err);
    if (rc == RN_OK)
        rc = list_partials(s, err);
    return rc == RN_OK ? make_room(s, err) : rc;
}

void rn_shards_free(struct rn_shards *s)
{
    rn_post_free(&s->post);
    rn_free(s->shards);
    rn_free(s->all);
    rn_free(s->begin);
    rn_ranks_free(s->ranks, s->incoming);
    rn_ranks_free(s->ranks, s->packed);
    *s = (struct rn_shards){.count = 0};
}

size_t rn_shards_memory(int groups, const struct rn_ranks *ranks,
                        size_t numbers, bool bf16)
{
    size_t each = numbers / (size_t)rn_ranks_count(ranks);
    struct rn_partial partial[RN_PARTIALS_MOST];
    size_t others = 0, own = 0;

    for (int i = 0; ranks && i < ranks->size; i++)
        *(i == ranks->rank ? &own : &others) +=
            (size_t)rn_grouping_partials(groups, ranks, i, partial);
    if (!ranks || !bf16)
        return others * each;
    /* Halves that come and go, of this rank's shards and of the others'. */
    return ((others + 1) * each + (own + 1) * (numbers - each)) / 2;
}

/* ------------------------------------------------------------- messages */

/* A shard's numbers, of so many bytes each: a message, but of a layer that is
 * updated as a whole it may take several. */
static int start(struct rn_shards *s, size_t i, enum rn_message_kind kind,
                 int peer, int receives, void *numbers, size_t size,
                 struct rn_error *err)
{
    size_t left = s->shards[i].numbers * size, most = s->ranks->most;
    struct rn_message message = {
        .peer = peer,
        .receives = receives,
        .data = numbers,
        .kind = kind,
    };
    int rc = RN_OK;

    for (; left > 0 && rc == RN_OK; left -= message.bytes) {
        message.bytes = left < most ? left : most;
        rc = rn_post_start(&s->post, &message, i, err);
        message.data = (char *)message.data + message.bytes;
    }
    return rc;
}

/* The other ranks' partial sums of a shard of this one's. */
static int expect_sums(struct rn_shards *s, size_t i, struct rn_error *err)
{
    struct rn_shard *shard = &s->shards[i];
    bool bf16 = s->groups->bf16;
    size_t size = bf16 ? sizeof(*shard->in) : sizeof(*shard->incoming);
    char *to = bf16 ? (char *)shard->in : (char *)shard->incoming;
    int rc = RN_OK;

    for (int peer = 0; peer < s->ranks->size; peer++) {
        if (peer == s->ranks->rank)
            continue;
        for (int k = s->begin[peer]; k < s->begin[peer + 1] && rc == RN_OK;
             k++, to += shard->numbers * size)
            rc = start(s, i, RN_MESSAGE_GRADIENTS, peer, 1, to, size, err);
    }
    return rc;
}

/* The first shard of this rank's from the i-th on, or their count. */
static size_t next_own(const struct rn_shards *s, size_t i)
{
    while (i < s->count && !owns(s, &s->shards[i]))
        i++;
    return i;
}

/* See to messages where steps wait for them. */
static void hurry(struct rn_shards *s)
{
    double now = rn_now(), took;

    s->begun = s->begun > 0 ? s->begun : now;
    took = now - s->begun;
    if (took > WAITS_AFTER && s->waited > WAITS_MOST * took)
        rn_pump_start(&s->ranks->pump);
}

/* Backward begins, and nothing of the step before is under way. */
static int open_step(struct rn_shards *s, struct rn_error *err)
{
    size_t size = s->groups->bf16 ? sizeof(uint16_t) : sizeof(float);
    int others = all_partials(s) - own_partials(s), rc = RN_OK;

    s->open = true;
    s->left = 0;
    s->fresh = s->count;
    hurry(s);
    for (size_t i = 0; i < s->count && rc == RN_OK; i++) {
        struct rn_shard *shard = &s->shards[i];

        shard->awaited =
            (owns(s, shard) ? others : 1) * (int)pieces(s, shard, size);
        if (owns(s, shard))
            rc = expect_sums(s, i, err);
    }
    s->summed = next_own(s, 0);
    return rc;
}

/* This rank's k-th partial sum of a shard. */
static float *own_sum(const struct rn_shards *s, const struct rn_shard *shard,
                      int k)
{
    return rn_grouping_sum(s->groups, &s->flat, k) + shard->first;
}

/* By the mean of the groups' gradients, whose sum it is. */
static void update_shard(struct rn_shards *s, const struct rn_shard *shard,
                         const float *total)
{
    rn_grouping_mean(s->groups, total, s->flat.grad + shard->first,
                     shard->numbers);
    s->update(s->user, shard->first, shard->numbers);
}

/* What the owner sends the others: new values, or in bfloat16 the sum. */
static int give_back(struct rn_shards *s, size_t i, int peer, int receives,
                     struct rn_error *err)
{
    struct rn_shard *shard = &s->shards[i];
    uint16_t *half = receives ? shard->in : shard->out;

    if (s->groups->bf16)
        return start(s, i, RN_MESSAGE_WEIGHTS, peer, receives, half,
                     sizeof(*half), err);
    return start(s, i, RN_MESSAGE_WEIGHTS, peer, receives,
                 s->flat.value + shard->first, sizeof(*s->flat.value), err);
}

/* The owner's answer is there. */
static void take_back(struct rn_shards *s, const struct rn_shard *shard)
{
    float *total = s->flat.grad + shard->first;

    if (!s->groups->bf16)
        return;
    rn_grouping_unpack(s->groups, shard->in, total, shard->numbers);
    update_shard(s, shard, total);
}

/* A partial sum of this rank's, the k-th, goes to the shard's owner. */
static int send_sum(struct rn_shards *s, size_t i, int k, struct rn_error *err)
{
    const struct rn_shard *shard = &s->shards[i];
    float *sum = own_sum(s, shard, k);
    uint16_t *half;

    if (!s->groups->bf16)
        return start(s, i, RN_MESSAGE_GRADIENTS, shard->owner, 0, sum,
                     sizeof(*sum), err);
    half = shard->out + (size_t)k * shard->numbers;
    rn_grouping_pack(s->groups, sum, half, shard->numbers);
    return start(s, i, RN_MESSAGE_GRADIENTS, shard->owner, 0, half,
                 sizeof(*half), err);
}

/* Update a shard of this rank's, all of whose partial sums are there, and give
 * it to the others. */
static int sum_up(struct rn_shards *s, size_t i, struct rn_error *err)
{
    const struct rn_shard *shard = &s->shards[i];
    size_t others = (size_t)(all_partials(s) - own_partials(s));
    float *from = shard->incoming, *total;
    int rank = s->ranks->rank, rc = RN_OK;

    if (s->groups->bf16)
        rn_grouping_unpack(s->groups, shard->in, from, others * shard->numbers);
    for (int k = 0; k < all_partials(s); k++) {
        bool own = k >= s->begin[rank] && k < s->begin[rank + 1];

        s->all[k].sum = own ? own_sum(s, shard, k - s->begin[rank]) : from;
        from += own ? 0 : shard->numbers;
    }
    total =
        rn_grouping_total(s->groups, s->all, all_partials(s), shard->numbers);
    if (s->groups->bf16)
        rn_grouping_pack(s->groups, total, shard->out, shard->numbers);
    update_shard(s, shard, total);
    for (int n = 1; n < s->ranks->size && rc == RN_OK; n++)
        rc = give_back(s, i, (rank + n) % s->ranks->size, 0, err);
    return rc;
}

/* In their order, in which the others expect them, whichever are whole first.
 */
static int sum_up_next(struct rn_shards *s, struct rn_error *err)
{
    int rc = RN_OK;

    while (rc == RN_OK && s->summed < s->left &&
           s->shards[s->summed].awaited == 0) {
        rc = sum_up(s, s->summed, err);
        s->summed = next_own(s, s->summed + 1);
    }
    return rc;
}

/* This rank's gradients of the next shard are final. */
static int leave(struct rn_shards *s, struct rn_error *err)
{
    size_t i = s->left++;
    struct rn_shard *shard = &s->shards[i];
    int rc = RN_OK;

    rn_grouping_add_last(s->groups, &s->flat, shard->first, shard->numbers);
    if (owns(s, shard))
        return sum_up_next(s, err);
    for (int k = 0; k < own_partials(s) && rc == RN_OK; k++)
        rc = send_sum(s, i, k, err);
    return rc == RN_OK ? give_back(s, i, shard->owner, 1, err) : rc;
}

/* A message is done. */
static int arrive(void *user, const struct rn_message *message, size_t i,
                  struct rn_error *err)
{
    struct rn_shards *s = user;
    struct rn_shard *shard = &s->shards[i];

    if (!message->receives)
        return RN_OK;
    shard->awaited--;
    if (owns(s, shard))
        return sum_up_next(s, err);
    if (shard->awaited == 0)
        take_back(s, shard);
    return RN_OK;
}

/* ------------------------------------------------------------- the step */

static bool all_summed(void *user)
{
    const struct rn_shards *s = user;

    return s->summed == s->count;
}

/* Whether the values that are needed have come; `fresh` goes ahead. */
static bool enough_fresh(void *user)
{
    struct rn_shards *s = user;

    for (; s->fresh > 0; s->fresh--) {
        const struct rn_shard *shard = &s->shards[s->fresh - 1];

        if (!owns(s, shard) && shard->awaited > 0)
            break;
    }
    return s->fresh < s->count && s->shards[s->fresh].first <= s->needed;
}

static int look(struct rn_shards *s, struct rn_error *err)
{
    const struct rn_listener listener = {.done = arrive, .user = s};

    return s->post.left > 0 ? rn_post_look(&s->post, &listener, err) : RN_OK;
}

static int wait_for(struct rn_shards *s, bool (*enough)(void *),
                    struct rn_error *err)
{
    const struct rn_listener listener = {arrive, enough, s};
    double before = s->ranks->waited;
    int rc = rn_post_wait(&s->post, &listener, err);

    s->waited += s->ranks->waited - before;
    return rc;
}

static int before_reading(void *user, size_t from, struct rn_error *err)
{
    struct rn_shards *s = user;

    if (s->post.left == 0)
        return RN_OK;
    /* What is sent must be gone before gradients are written again. */
    if (from == 0)
        return wait_for(s, NULL, err);
    s->needed = from;
    return from < s->flat.count && !enough_fresh(s)
               ? wait_for(s, enough_fresh, err)
               : look(s, err);
}

/* Have the shards leave that end before so many numbers. */
static int leave_to(struct rn_shards *s, size_t numbers, struct rn_error *err)
{
    int rc = s->open ? RN_OK : open_step(s, err);

    while (rc == RN_OK && s->left < s->count &&
           s->shards[s->left].first + s->shards[s->left].numbers <= numbers)
        rc = leave(s, err);
    return rc;
}

static int after_finishing(void *user, size_t numbers, struct rn_error *err)
{
    struct rn_shards *s = user;
    int rc = s->last ? leave_to(s, numbers, err) : RN_OK;

    return rc == RN_OK ? look(s, err) : rc;
}

const struct rn_plan_follower *rn_shards_follow(struct rn_shards *s, bool last)
{
    s->last = last;
    return s->count > 0 ? &s->follower : NULL;
}

int rn_shards_finish(struct rn_shards *s, struct rn_error *err)
{
    int rc = RN_OK;

    if (s->count == 0 || s->ranks->broken)
        return RN_OK;
    if (!s->open)
        rc = rn_shards_settle(s, err);
    if (rc == RN_OK)
        rc = leave_to(s, s->flat.count, err);
    if (rc == RN_OK)
        rc = wait_for(s, s->groups->bf16 ? NULL : all_summed, err);
    s->open = false;
    rn_grouping_clear(s->groups);
    return rc;
}

int rn_shards_settle(struct rn_shards *s, struct rn_error *err)
{
    if (s->count == 0 || s->ranks->broken)
        return RN_OK;
    return wait_for(s, NULL, err);
}

int rn_shards_collect(struct rn_shards *s, struct rn_error *err)
{
    const struct rn_listener nobody = {.done = NULL};
    bool first = rn_ranks_first(s->ranks);
    int rc = RN_OK;

    /* All ranks have all in bfloat16. */
    for (size_t i = 0; i < s->count && !s->groups->bf16; i++) {
        const struct rn_shard *shard = &s->shards[i];

        if (first ? owns(s, shard) : !owns(s, shard))
            continue;
        for (int k = 0; k < RN_STATES_MAX && s->flat.state[k] && rc == RN_OK;
             k++)
            rc = start(s, i, RN_MESSAGE_TALK, first ? shard->owner : 0, first,
                       s->flat.state[k] + shard->first, sizeof(float), err);
    }
    return rc == RN_OK && s->count > 0 ? rn_post_wait(&s->post, &nobody, err)
                                       : rc;
}
