/* SPDX-License-Identifier: BSD-2-Clause */
/* Joins groups until they fill blocks of channels, and takes them apart again.
 * */
#include "ops/conv/groups.h"

#include <string.h>

bool rn_is_grouped(const struct rn_conv_config *c)
{
    return c->groups > 1;
}

bool rn_is_depthwise(const struct rn_conv_config *c)
{
    return !c->train && rn_is_grouped(c) && c->in.c == c->groups &&
           c->out.c == c->groups;
}

int rn_groups_run(const struct rn_conv_config *c)
{
    int b = rn_block();

    if (!rn_is_grouped(c))
        return 1;
    if (rn_is_depthwise(c))
        return (int)rn_channels_padded(c->groups);
    for (int join = 1; join < c->groups; join++)
        if (c->groups % join == 0 && c->in.c / c->groups * join % b == 0 &&
            c->out.c / c->groups * join % b == 0)
            return c->groups / join;
    return 1;
}

int rn_channels_run(const struct rn_conv_config *c, int channels)
{
    return rn_is_depthwise(c) ? (int)rn_channels_padded(channels) : channels;
}

/** Where a grouped convolution's weights go. */
struct groups_walk {
    size_t ins, outs;         /* channels of a group, as they are */
    size_t run_ins, run_outs; /* and as they run */
    size_t taps, block, in_blocks;
    bool depthwise;
};

static struct groups_walk groups_walk_of(const struct rn_conv_config *c)
{
    size_t b = (size_t)rn_block(), run = (size_t)rn_groups_run(c);
    struct groups_walk w = {
        .ins = (size_t)(c->in.c / c->groups),
        .outs = (size_t)(c->out.c / c->groups),
        .run_ins = (size_t)c->in.c / run,
        .run_outs = (size_t)c->out.c / run,
        .taps = (size_t)c->window.kh * (size_t)c->window.kw,
        .block = b,
        .depthwise = rn_is_depthwise(c),
    };

    w.in_blocks = w.depthwise ? 1 : (w.run_ins + b - 1) / b;
    return w;
}

/* Where output channel o's weights for input i of its group, as they run,
 * start in its block; its taps are B * B apart. */
static size_t place_of(const struct groups_walk *w, size_t o, size_t i)
{
    size_t b = w->block;
    size_t at = i + o / w->outs * w->ins - o / w->run_outs * w->run_ins;

    return (at / b * w->taps * b + at % b) * b + o % b;
}

static void pack_channel(const struct groups_walk *w, size_t o,
                         const float *plain, float *blocked)
{
    size_t apart = w->block * w->block;

    for (size_t i = 0; i < w->ins; i++) {
        float *to = blocked + place_of(w, o, i);

        for (size_t k = 0; k < w->taps; k++)
            to[k * apart] = plain[i * w->taps + k];
    }
}

static void unpack_channel(const struct groups_walk *w, size_t o,
                           const float *blocked, float *plain)
{
    size_t apart = w->block * w->block;

    for (size_t i = 0; i < w->ins; i++) {
        const float *from = blocked + place_of(w, o, i);

        for (size_t k = 0; k < w->taps; k++)
            plain[i * w->taps + k] = from[k * apart];
    }
}

static void pack_depthwise(const struct groups_walk *w, const float *from,
                           float *blocked)
{
    for (size_t k = 0; k < w->taps; k++)
        blocked[k * w->block] = from[k];
}

/* Floats of a block of output channels. */
static size_t block_floats(const struct groups_walk *w)
{
    size_t b = w->block;

    return w->depthwise ? w->taps * b : w->in_blocks * w->taps * b * b;
}

size_t rn_groups_count(const struct rn_conv_config *c)
{
    const struct groups_walk w = groups_walk_of(c);

    return rn_channels_padded(c->out.c) / w.block * block_floats(&w);
}

void rn_groups_pack(const struct rn_conv_config *c, const float *plain,
                    float *packed)
{
    const struct groups_walk w = groups_walk_of(c);
    size_t b = w.block, outs = (size_t)c->out.c, row = w.ins * w.taps;
    size_t size = block_floats(&w);
#pragma omp parallel for num_threads(c->threads)
    for (size_t k = 0; k < (outs + b - 1) / b; k++) {
        float *blocked = packed + k * size;

        memset(blocked, 0, size * sizeof(*blocked));
        for (size_t o = k * b; o < outs && o < (k + 1) * b; o++)
            if (w.depthwise)
                pack_depthwise(&w, plain + o * row, blocked + o % b);
            else
                pack_channel(&w, o, plain + o * row, blocked);
    }
}

void rn_groups_unpack(const struct rn_conv_config *c, const float *packed,
                      float *plain)
{
    const struct groups_walk w = groups_walk_of(c);
    size_t size = block_floats(&w), row = w.ins * w.taps;

    for (size_t o = 0; o < (size_t)c->out.c; o++)
        unpack_channel(&w, o, packed + o / w.block * size, plain + o * row);
}

/* Output channel o's weights that lie beside its group's. */
static void clear_channel(const struct groups_walk *w, size_t o, float *blocked)
{
    size_t b = w->block, lane = o % b;
    size_t first = o / w->outs * w->ins - o / w->run_outs * w->run_ins;

    for (size_t i = 0; i < w->in_blocks * b; i++) {
        float *at = blocked + i / b * w->taps * b * b + i % b * b + lane;

        if (i >= first && i < first + w->ins)
            continue;
        for (size_t k = 0; k < w->taps; k++)
            at[k * b * b] = 0;
    }
}

void rn_groups_clear(const struct rn_conv_config *c, float *packed)
{
    const struct groups_walk w = groups_walk_of(c);
    size_t size = block_floats(&w);
#pragma omp parallel for num_threads(c->threads)
    for (size_t o = 0; o < (size_t)c->out.c; o++)
        clear_channel(&w, o, packed + o / w.block * size);
}
