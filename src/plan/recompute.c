/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Training with less memory: values that backward reads are not kept from
 * forward on but made again, by a second run of the step that made them,
 * right before backward's first reader. Batch norm's scales and shifts are
 * kept, so its sums are not taken twice, nor its running statistics moved.
 * The same steps on the same numbers: gradients are the same to the bit.
 *
 * This is a pass over the finished list of steps. It decides which buffers
 * are dropped after their last reader in forward, then writes the list anew.
 */
#include "core/count.h"
#include "core/memory.h"
#include "plan/internal.h"

#include <stdint.h>

struct recomputer {
    struct rn_plan *plan;
    /* As compiled. Forward steps come first, the losses last of them. */
    struct rn_step *steps;
    size_t n_steps, n_forward, n_buffers, n_lists;
    /* By buffer; none of them for gradients. */
    int *maker;    /* forward step that writes it, first */
    int *last;     /* forward step that reads it last */
    bool *dropped; /* not kept for backward */
    int *again;    /* buffer it was made again in; RN_NONE: not yet */
    size_t *room;  /* bytes that its chain may still take; SIZE_MAX: in none */
    struct rn_error *err;
};

static int no_memory(struct recomputer *r)
{
    return rn_fail_memory(r->err, r->n_steps * sizeof(struct rn_step),
                          "the plan");
}

static size_t bytes_of(const struct recomputer *r, int buffer)
{
    return r->plan->buffers[buffer].bytes;
}

/* The buffer that holds it. */
static int base(const struct recomputer *r, int buffer)
{
    return buffer >= 0 && r->plan->buffers[buffer].whole >= 0
               ? r->plan->buffers[buffer].whole
               : buffer;
}

/* -------------------------------------------------------- writing it anew */

static int append(struct recomputer *r, const struct rn_step *step)
{
    struct rn_step *s = rn_new_step(r->plan, step->type, step->node);

    if (!s)
        return no_memory(r);
    *s = *step;
    s->bytes = 0;
    rn_touch_step(r->plan);
    return RN_OK;
}

static int have(struct recomputer *r, int *buffer);

/* All that a step of forward reads, from a list of its own. */
static int have_reads(struct recomputer *r, struct rn_step *step)
{
    const int from = step->more;
    int rc = have(r, &step->a.buffer);

    if (!rc)
        rc = have(r, &step->b.buffer);
    step->more = (int)r->plan->n_lists;
    for (int i = 0; !rc && i < step->n_more; i++)
        if (!rn_list_more(r->plan, r->plan->lists[from + i]))
            rc = no_memory(r);
    for (int i = 0; !rc && i < step->n_more; i++) {
        int buffer = r->plan->lists[step->more + i];

        rc = have(r, &buffer); /* may move the list */
        r->plan->lists[step->more + i] = buffer;
    }
    return rc;
}

/* *buffer -> where its value is in backward; makes it again if need be. */
static int have(struct recomputer *r, int *buffer)
{
    int b = *buffer, rc;
    struct rn_step step;

    if (b < 0 || !r->dropped[b])
        return RN_OK;
    if (r->again[b] >= 0) {
        *buffer = r->again[b];
        return RN_OK;
    }
    step = r->steps[r->maker[b]];
    rc = have_reads(r, &step);
    if (rc)
        return rc;
    step.out = rn_new_buffer(r->plan, r->plan->buffers[b].type,
                             r->plan->buffers[b].count);
    if (step.out < 0)
        return no_memory(r);
    step.again = true;
    *buffer = r->again[b] = step.out;
    return append(r, &step);
}

static int append_backward(struct recomputer *r, struct rn_step step)
{
    int *buffer, rc = RN_OK;

    for (int i = 0; !rc && (buffer = rn_step_buffer(r->plan, &step, i)); i++)
        rc = have(r, buffer);
    return rc ? rc : append(r, &step);
}

/* The plan's list of steps for what is dropped now. */
static int rewrite(struct recomputer *r)
{
    struct rn_plan *p = r->plan;
    int rc = RN_OK;

    p->n_steps = 0;
    p->n_buffers = r->n_buffers;
    p->n_lists = r->n_lists;
    for (size_t b = 0; b < r->n_buffers; b++) {
        p->buffers[b].first = RN_NONE;
        r->again[b] = RN_NONE;
    }
    for (size_t i = 0; !rc && i < r->n_forward; i++)
        rc = append(r, &r->steps[i]);
    for (size_t i = r->n_forward; !rc && i < r->n_steps; i++)
        rc = append_backward(r, r->steps[i]);
    return rc;
}

/* ------------------------------------------------------------- activations
 *
 * What one pass over memory makes of other values: relu(bn(z)), a block's
 * output relu(bn(z) + shortcut), a concatenation. Outputs of blocks form
 * chains, as each is made from the one before: when backward comes to a dropped
 * one, all of them back to one that is kept are made again at once. So a chain
 * may be as long as what backward has done with by then leaves room for; near
 * the end, where nothing is done with yet, values are kept. */

/* As compiled, the first step of backward that reads a buffer. */
static int first_reader(struct recomputer *r, int buffer)
{
    for (size_t i = r->n_forward; i < r->n_steps; i++) {
        const int *at;

        for (int k = 0; (at = rn_step_buffer(r->plan, &r->steps[i], k)); k++)
            if (*at == buffer)
                return (int)i;
    }
    return (int)r->n_steps;
}

/* Bytes of kept values that backward has done with before step i, less those
 * of gradients alive then. */
static size_t room_at(const struct recomputer *r, int i)
{
    size_t done = 0, gradients = 0;

    for (size_t k = 0; k < r->n_buffers; k++) {
        const struct rn_buffer *b = &r->plan->buffers[k];

        if (b->first < 0 || b->whole >= 0)
            continue;
        if (b->first < (int)r->n_forward)
            done += b->last < i && !r->dropped[k] ? b->bytes : 0;
        else if (b->first <= i && i <= b->last)
            gradients += b->bytes;
    }
    return done > gradients ? done - gradients : 0;
}

/* Values of the chain that `step` goes on with may take so much less. */
static void lengthen(struct recomputer *r, const struct rn_step *step,
                     size_t room)
{
    for (int i = 0; i < rn_step_reads(step); i++) {
        int from = rn_step_read(r->plan, step, i);

        if (from >= 0 && room < r->room[from])
            r->room[from] = room;
    }
}

static int drop_activations(struct recomputer *r)
{
    for (size_t b = 0; b < r->n_buffers; b++)
        r->room[b] = SIZE_MAX;
    /* Backward's order, so that readers are decided on before what they
     * read. */
    for (size_t i = r->n_forward; i-- > 0;) {
        const struct rn_step *s = &r->steps[i];
        size_t room, bytes;

        if ((s->type != &rn_step_apply && s->type != &rn_step_concat) ||
            s->out == r->plan->logits)
            continue;
        bytes = bytes_of(r, s->out);
        room = r->room[s->out];
        if (room == SIZE_MAX)
            room = room_at(r, first_reader(r, s->out));
        r->dropped[s->out] = bytes <= room;
        if (r->dropped[s->out])
            lengthen(r, s, room - bytes);
    }
    return rewrite(r);
}

/* ------------------------------------------------------------------ blocks
 *
 * The network is cut where a single value is all that later steps read of
 * earlier ones: behind each block's addition, behind each convolution of a
 * plain network. Values at the cuts are kept, those between are dropped.
 * With every cut taken a long network keeps many values, with few cuts much
 * has to be made again at once: like T. Chen et al. 2016, "Training deep nets
 * with sublinear memory cost", but by trial, as layers differ in size. */

/** Trials: cuts at least 0, or 1/64 to 1/2 of all droppable bytes, apart. */
#define TRIALS 7

/* Whether running a step twice is all it takes to have its output twice. */
static bool can_drop(const struct recomputer *r, const struct rn_step *s)
{
    return s->type->again && s->out != r->plan->logits;
}

/* Change of the number of values that later forward steps read, by step i
 * done. */
static int change(const struct recomputer *r, size_t i)
{
    const struct rn_step *s = &r->steps[i];
    int out = base(r, s->out);
    int more = out >= 0 && r->maker[out] == (int)i && r->last[out] > (int)i;

    for (int k = 0; k < rn_step_reads(s); k++) {
        int from = base(r, rn_step_read(r->plan, s, k)), before = 0;

        while (base(r, rn_step_read(r->plan, s, before)) != from)
            before++;
        more -= from >= 0 && before == k && r->last[from] == (int)i;
    }
    return more;
}

/* relu(bn(z)) of one z. */
static bool is_activation(const struct rn_step *s)
{
    return s->type == &rn_step_apply && s->b.buffer == RN_NONE;
}

/* Drop what lies between cuts; a cut is taken when more than `apart` bytes
 * have been dropped since the one before. */
static void choose(struct recomputer *r, size_t apart)
{
    size_t since = 0, begin = 0;
    int alive = 0;

    for (size_t i = 0; i < r->n_forward; i++) {
        const struct rn_step *s = &r->steps[i];
        bool droppable = can_drop(r, s);

        alive += change(r, i);
        if (s->out < 0)
            continue;
        r->dropped[s->out] = droppable;
        /* Of z and relu(bn(z)) z is kept: backward needs it, too. */
        if (alive == 1 && !is_activation(s) && (since > apart || !droppable)) {
            r->dropped[s->out] = false;
            since = 0;
        } else if (droppable) {
            begin = since ? begin : i;
            since += bytes_of(r, s->out);
        }
    }
    /* What backward needs first would be made again at once. */
    for (size_t i = begin; i < r->n_forward; i++)
        if (r->steps[i].out >= 0)
            r->dropped[r->steps[i].out] = false;
}

/* Most bytes of buffers alive at once. */
static int measure(struct recomputer *r, size_t *most)
{
    const struct rn_plan *p = r->plan;
    size_t *change_at = rn_alloc(p->n_steps + 1, sizeof(*change_at)), sum = 0;

    if (!change_at)
        return no_memory(r);
    for (size_t b = 0; b < p->n_buffers; b++) {
        if (p->buffers[b].first < 0 || p->buffers[b].whole >= 0)
            continue;
        change_at[p->buffers[b].first] += p->buffers[b].bytes;
        change_at[p->buffers[b].last + 1] -= p->buffers[b].bytes;
    }
    *most = 0;
    for (size_t i = 0; i < p->n_steps; i++) {
        sum += change_at[i]; /* modulo 2^64, as were the differences */
        *most = sum > *most ? sum : *most;
    }
    rn_free(change_at);
    return RN_OK;
}

static int drop_blocks(struct recomputer *r)
{
    size_t all = 0, least = SIZE_MAX, best = 0, most = 0;
    int rc = RN_OK;

    for (size_t i = 0; i < r->n_forward; i++)
        if (can_drop(r, &r->steps[i]))
            all += bytes_of(r, r->steps[i].out);
    for (int k = 0; !rc && k < TRIALS; k++) {
        size_t apart = k ? all >> (TRIALS - k) : 0;

        choose(r, apart);
        rc = rewrite(r);
        if (!rc)
            rc = measure(r, &most);
        if (!rc && most < least) {
            least = most;
            best = apart;
        }
    }
    choose(r, best);
    return rc ? rc : rewrite(r);
}

/* ------------------------------------------------------------------- whole */

/* Who writes and reads each buffer in forward. */
static void look(struct recomputer *r)
{
    for (size_t b = 0; b < r->n_buffers; b++)
        r->maker[b] = r->last[b] = RN_NONE;
    while (r->steps[r->n_forward].type != &rn_step_loss)
        r->n_forward++;
    while (r->n_forward < r->n_steps &&
           r->steps[r->n_forward].type == &rn_step_loss)
        r->n_forward++;
    for (size_t i = 0; i < r->n_forward; i++) {
        const struct rn_step *s = &r->steps[i];
        int out = base(r, s->out);

        if (out >= 0 && r->maker[out] < 0)
            r->maker[out] = (int)i;
        for (int k = 0; k < rn_step_reads(s); k++) {
            int from = base(r, rn_step_read(r->plan, s, k));

            if (from >= 0)
                r->last[from] = (int)i;
        }
    }
}

/** What RN_RECOMPUTE_AUTO stands for. */
#define AUTOMATIC RN_RECOMPUTE_ACTIVATIONS

int rn_recompute(struct rn_plan *plan, struct rn_error *err)
{
    static int (*const drop[])(struct recomputer *) = {
        [RN_RECOMPUTE_ACTIVATIONS] = drop_activations,
        [RN_RECOMPUTE_BLOCKS] = drop_blocks,
    };
    int level = plan->options.recompute;
    struct recomputer r = {.plan = plan,
                           .steps = plan->steps,
                           .n_steps = plan->n_steps,
                           .n_buffers = plan->n_buffers,
                           .n_lists = plan->n_lists,
                           .err = err};
    int rc;
    if (level == RN_RECOMPUTE_AUTO)
        level = AUTOMATIC;
    if (level == RN_RECOMPUTE_NONE)
        return RN_OK;
    plan->steps = NULL;
    plan->n_steps = plan->steps_capacity = 0;
    r.maker = rn_alloc(r.n_buffers, sizeof(*r.maker));
    r.last = rn_alloc(r.n_buffers, sizeof(*r.last));
    r.dropped = rn_alloc(r.n_buffers, sizeof(*r.dropped));
    r.again = rn_alloc(r.n_buffers, sizeof(*r.again));
    r.room = rn_alloc(r.n_buffers, sizeof(*r.room));
    if (r.maker && r.last && r.dropped && r.again && r.room) {
        look(&r);
        rc = drop[level](&r);
    } else {
        rc = no_memory(&r);
    }
    rn_free(r.maker);
    rn_free(r.last);
    rn_free(r.dropped);
    rn_free(r.again);
    rn_free(r.room);
    rn_free(r.steps);
    return rc;
}
