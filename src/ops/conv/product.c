/* SPDX-License-Identifier: BSD-2-Clause */
/* Convolutions without transforms, as matrix products: 1x1 ones read their
 * input where it is, others gather the pixels that a window sees into rows
 * first. The data gradient of a 1x1 one is the same product with the weights
 * turned round: from the outputs' gradient to the inputs'. A sum is taken by
 * one thread in an order fixed by the shapes: the same bits on any number of
 * threads. */
#include "ops/conv/algorithm.h"

#include "core/isa.h"
#include "ops/conv/groups.h"
#include "ops/conv/pair_kernels.h"
#include "ops/conv/product_kernels.h"
#include "ops/elementwise.h"
#include "ops/window.h"

#include <omp.h>

/* Input channels times taps summed at once. The weights of two blocks of
 * outputs for them, 48 KiB with AVX-512, just about stay in the first-level
 * cache; of 128, 192, 256 and 384 the last was the fastest. */
#define DEPTH 384
/* A chunk's inputs of that depth, which every pair of blocks of outputs
 * rereads, stay in the second-level cache. */
#define CHUNK_BYTES ((size_t)256 << 10)
/* A chunk is cut smaller until the largest share is no more than so much over
 * the mean; or into so many pieces for each thread, for what comes nearest. */
#define UNEVEN 1.02
#define PIECES 4

struct product {
    struct rn_conv_config config;
    const struct rn_product_kernels *kernels;
    const struct rn_pair_kernels *pairs_of; /* of bfloat16 */
    struct rn_shape from, to;
    size_t number; /* bytes of one: of activations, and of packed weights */
    size_t block, in_blocks, out_blocks;
    /* Groups of channels that are run, see ops/conv/groups.h: one of all of
     * them mostly. Of one of them: */
    size_t groups, group_ins, group_outs;
    size_t pairs;         /* of blocks of outputs; the last may be one alone */
    size_t steps;         /* blocks of inputs by taps: what is summed over */
    size_t depth;         /* steps whose weights are there at once */
    bool gathers;         /* rows before products */
    size_t pixels;        /* of an image's outputs */
    size_t strips;        /* of an image */
    size_t chunk, chunks; /* strips that meet a pair's weights; of them */
    size_t chunk_pixels;  /* at most */
};

/* --------------------------------------------------------------- planning */

/* In training, with fewer outputs there is too little to do with what was
 * gathered, and oneDNN is a tenth faster. In inference it is slower with 32
 * outputs, and hardly faster with 64. */
#define GATHER_OUTPUTS 128

/* A fully connected layer, of one pixel an image, has no strips. */
static bool applies(const struct rn_conv_config *c)
{
    bool fits = c->pass == RN_CONV_FORWARD && !c->plain_input &&
                c->out.h * c->out.w > 1 && rn_isa()->fma;

    if (rn_window_taps(&c->window) == 1 || rn_conv_window_grows(&c->window))
        return fits;
    return fits && c->window.stride > 1 &&
           (!c->train || c->out.c >= GATHER_OUTPUTS);
}

/* In bfloat16 always: the product is the one of data_gradient.c. */
static bool turns(const struct rn_conv_config *c)
{
    return c->pass == RN_CONV_BACKWARD_DATA && !c->plain_input &&
           rn_window_taps(&c->window) == 1 && c->window.stride == 1 &&
           c->window.pad == 0 && c->out.h * c->out.w > 1;
}

/* By itself oneDNN's data gradient is as fast or up to 4 % faster. What ours
 * saves, a pass over memory for the batch norm, is less than that where the
 * gradient has fewer channels than the product makes. */
static bool applies_turned(const struct rn_conv_config *c)
{
    return turns(c) && c->normed && c->out.c >= c->in.c && rn_isa()->fma;
}

static bool applies_bf16(const struct rn_conv_config *c)
{
    return c->pass == RN_CONV_FORWARD && !c->plain_input &&
           c->out.h * c->out.w > 1;
}

/* Whatever nobody before it in the table takes: windows and groups that oneDNN
 * has only its reference code for. */
static bool applies_any(const struct rn_conv_config *c)
{
    return c->pass == RN_CONV_FORWARD && !c->plain_input;
}

/* As oneDNN's: inference alone, for training knows no such windows. */
static bool applies_any_bf16(const struct rn_conv_config *c)
{
    return applies_any(c) && !c->train && rn_isa()->bf16;
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What threads share out: pairs of chunks, or where a chunk's input is made on
 * the way, which one thread does, chunks. */
static size_t pieces_of(const struct product *p, size_t chunks)
{
    return p->config.normed ? chunks : chunks * p->groups * p->pairs;
}

/* From `fewest` chunks on, strips of one so that threads have about as much. */
static size_t even_chunk(const struct product *p, size_t all, size_t fewest)
{
    int threads = p->config.threads;
    size_t most_chunks = most(
        2 * fewest, rn_divide_up(PIECES * (size_t)threads, pieces_of(p, 1)));
    size_t best = rn_divide_up(all, fewest);
    double best_uneven = 0;

    for (size_t n = fewest; n <= most_chunks && n <= all; n++) {
        size_t chunk = rn_divide_up(all, n), chunks = rn_divide_up(all, chunk);
        /* The last chunk may be shorter. */
        double longer = (double)(chunks * chunk) / (double)all;
        double uneven =
            longer * rn_share_largest(pieces_of(p, chunks), threads);

        if (n == fewest || uneven < best_uneven) {
            best = chunk;
            best_uneven = uneven;
        }
        if (best_uneven <= UNEVEN)
            break;
    }
    return best;
}

static void plan_chunks(struct product *p)
{
    const struct rn_conv_config *c = &p->config;
    size_t strip = (size_t)p->kernels->strip, all;
    size_t bytes = strip * p->depth * p->block * p->number;

    p->pixels = rn_shape_pixels(p->to);
    p->strips = rn_divide_up(p->pixels, strip);
    all = (size_t)c->n * p->strips;
    p->chunk =
        even_chunk(p, all, rn_divide_up(all, most(CHUNK_BYTES / bytes, 1)));
    p->chunks = rn_divide_up(all, p->chunk);
    p->chunk_pixels = p->chunk * strip;
}

/* The same with weights of groups as they are laid out in training, where
 * depthwise ones, too, run as groups of whole blocks. */
static struct rn_conv_config laid_out(const struct rn_conv_config *c)
{
    struct rn_conv_config own = *c;

    own.train = true;
    return own;
}

/* Whether a step's pixels are not simply those of its outputs. Padding behind
 * may make up for what strides leave out, so that sizes alone do not tell. */
static bool gathers(const struct product *p)
{
    const struct rn_window *w = &p->config.window;

    return rn_window_taps(w) > 1 || rn_window_top(w) > 0 ||
           rn_window_left(w) > 0 || p->from.h != p->to.h ||
           p->from.w != p->to.w || (w->stride > 1 && p->to.h > 1) ||
           (rn_window_stride_w(w) > 1 && p->to.w > 1);
}

static void make_plan(struct product *p, const struct rn_conv_config *c)
{
    const struct rn_conv_config own = laid_out(c);
    size_t taps = rn_window_taps(&c->window), deepest;
    bool data = c->pass == RN_CONV_BACKWARD_DATA;

    p->config = *c;
    p->from = data ? c->out : c->in;
    p->to = data ? c->in : c->out;
    p->kernels = rn_product_kernels_get(c->input);
    p->pairs_of = rn_pair_kernels_get();
    p->number = rn_dtype_bytes(c->input);
    p->block = (size_t)rn_block();
    p->in_blocks = rn_channels_padded(p->from.c) / p->block;
    p->out_blocks = rn_channels_padded(p->to.c) / p->block;
    p->groups = (size_t)rn_groups_run(&own);
    p->group_ins = p->in_blocks / p->groups;
    p->group_outs = p->out_blocks / p->groups;
    p->pairs = rn_divide_up(p->group_outs, 2);
    p->steps = p->group_ins * taps;
    /* Sums of bfloat16 stay in registers to their end, for what is stored is
     * rounded. */
    deepest = c->output == RN_F32 ? DEPTH / p->block : p->steps;
    p->depth = rn_divide_up(p->steps, rn_divide_up(p->steps, deepest));
    p->gathers = gathers(p);
    plan_chunks(p);
}

/* Bytes of a thread's gathered rows. */
static size_t rows_bytes(const struct product *p)
{
    return p->gathers ? p->chunk_pixels * p->depth * p->block * p->number : 0;
}

/* ------------------------------------------------------------------- rows */

/* `count` numbers further on. */
static const void *numbers(const struct product *p, const void *from,
                           size_t count)
{
    return (const char *)from + count * p->number;
}

static bool is_turned(const struct product *p)
{
    return p->config.pass == RN_CONV_BACKWARD_DATA;
}

static const void *source_of(const struct product *p,
                             const struct rn_conv_args *args)
{
    return is_turned(p) ? args->diff_dst : args->src;
}

static void *target_of(const struct product *p, const struct rn_conv_args *args)
{
    return is_turned(p) ? args->diff_src : args->dst;
}

/** Some pixels of one image's outputs. */
struct strip {
    size_t image, first, pixels;
};

static struct strip strip_at(const struct product *p, size_t number)
{
    struct rn_range r =
        rn_range_of(p->pixels, (int)(number % p->strips), (int)p->strips);

    return (struct strip){number / p->strips, r.begin, r.end - r.begin};
}

/* A step of the sum: a block of inputs as a tap sees it. Of bfloat16 the taps
 * come first, so that blocks of any size give one order of channels. */
struct step {
    size_t block;
    int tap;
};

static struct step step_of(const struct product *p, size_t k)
{
    size_t taps = rn_window_taps(&p->config.window);

    if (p->config.input == RN_F32)
        return (struct step){k / taps, (int)(k % taps)};
    return (struct step){k % p->group_ins, (int)(k / p->group_ins)};
}

/* Steps [step, step + steps) of one strip of a group: rows[step][pixel][B]. */
static void gather_strip(const struct product *p, const void *src,
                         const struct strip *s, size_t group, size_t step,
                         size_t steps, char *rows)
{
    const struct rn_window *w = &p->config.window;
    size_t plane = rn_shape_pixels(p->from) * p->block;
    size_t first = s->image * p->in_blocks + group * p->group_ins;

    for (size_t k = step; k < step + steps; k++) {
        struct step at = step_of(p, k);
        struct rn_product_rows r = {
            .plane = numbers(p, src, (first + at.block) * plane),
            .h = p->from.h,
            .w = p->from.w,
            .out_w = p->to.w,
            .stride = w->stride,
            .across = rn_window_stride_w(w),
            .top = at.tap / w->kw * (w->dilate_h + 1) - rn_window_top(w),
            .left = at.tap % w->kw * (w->dilate_w + 1) - rn_window_left(w),
            .first = (int)s->first,
            .pixels = (int)s->pixels,
        };

        p->kernels->gather(&r, rows + (k - step) * p->chunk_pixels * p->block *
                                          p->number);
    }
}

/* --------------------------------------------------------------- products */

/** A thread's part of a chunk: strips by pairs of a group's blocks of outputs.
 */
struct part {
    struct rn_range strips, pairs;
    size_t group;
    const struct rn_conv_args *args;
    char *rows;
};

/** The weights of one pair of blocks of outputs for some steps of the sum. */
struct panel {
    size_t pair, step, steps;
};

static const void *weights_of(const struct product *p, const struct part *part,
                              const struct panel *n)
{
    size_t out = part->group * p->group_outs + 2 * n->pair;

    return numbers(p, part->args->weights,
                   (out * p->steps + n->step) * p->block * p->block);
}

/* A strip's pixels where they need no gathering, and a step is a block. */
static const void *pixels_of(const struct product *p, const void *from,
                             const struct strip *s, size_t group, size_t step)
{
    size_t block = s->image * p->in_blocks + group * p->group_ins + step;

    return numbers(p, from, (block * p->pixels + s->first) * p->block);
}

/* The panel that this thread needs next; false when there is none. */
static bool next_panel(const struct product *p, const struct part *part,
                       struct panel *n)
{
    if (++n->pair < part->pairs.end)
        return true;
    n->pair = part->pairs.begin;
    n->step += n->steps;
    return n->step < p->steps;
}

/* Share number `i` of `strips` of fetching the panel after this. */
static struct rn_ahead ahead_of(const struct product *p,
                                const struct part *part,
                                const struct panel *panel, size_t i,
                                size_t strips)
{
    struct panel n = *panel;

    if (!next_panel(p, part, &n))
        return (struct rn_ahead){{NULL, NULL}, 0};
    return rn_ahead_of(weights_of(p, part, &n),
                       p->steps * p->block * p->block * p->number, n.steps,
                       p->block * p->block * p->number, i, strips);
}

static struct rn_product_strip strip_of(const struct product *p,
                                        const struct part *part,
                                        const struct strip *s,
                                        const struct panel *n)
{
    const struct rn_conv_config *c = &p->config;
    size_t out = part->group * p->group_outs + 2 * n->pair;
    size_t b = p->block, plane = p->pixels * b;
    bool first = n->step == 0, last = n->step + n->steps == p->steps;

    return (struct rn_product_strip){
        .x_block = p->gathers ? p->chunk_pixels * b : plane,
        .blocks = n->steps,
        .w = weights_of(p, part, n),
        .w_block = p->steps * b * b,
        .y = (char *)target_of(p, part->args) +
             ((s->image * p->out_blocks + out) * plane + s->first * b) *
                 p->number,
        .y_block = plane,
        .bias = first && c->bias ? part->args->bias + out * b : NULL,
        .add = !first || c->sum,
        .relu = last && c->relu,
    };
}

/* The strip that has this one's turn when the next step, or with the last one
 * the next chunk, begins; false if there is none. */
static bool successor(const struct product *p, const struct part *part,
                      const struct panel *panel, size_t i, struct strip *s,
                      size_t *step)
{
    size_t number = part->strips.begin + i;

    *step = panel->step + panel->steps;
    if (*step >= p->steps) {
        *step = 0;
        number += part->strips.end - part->strips.begin;
    }
    if (number >= (size_t)p->config.n * p->strips)
        return false;
    *s = strip_at(p, number);
    return true;
}

/* What pair number `pair` fetches of, and which of the `pairs` do so with it:
 * all of them of inputs that are there, else in turn of what these are made of,
 * and of their place. */
static const void *fetched(const struct product *p, const struct part *part,
                           size_t pair, size_t pairs, struct rn_range *with)
{
    const struct rn_conv_norm *norm = part->args->norm;
    const void *all[3] = {source_of(p, part->args)};
    size_t n = 1, i;

    if (p->config.normed) {
        all[0] = norm->in.dy;
        all[1] = norm->in.z;
        all[2] = norm->dz;
        n = least(norm->dz == norm->in.dy ? 2 : 3, pairs);
    }
    i = pair * n / pairs;
    with->begin = rn_divide_up(i * pairs, n);
    with->end = rn_divide_up((i + 1) * pairs, n);
    return all[i];
}

/* This pair's share of what the successor will read: its pixels are fetched
 * evenly, and memory is never waited for. Gathered ones are near as it is. */
static void look_ahead(const struct product *p, const struct part *part,
                       const struct panel *panel, size_t i,
                       struct rn_product_strip *strip)
{
    size_t pairs = part->pairs.end - part->pairs.begin, step;
    size_t pair = panel->pair - part->pairs.begin;
    struct rn_range share, with;
    struct strip s;
    const void *from;

    strip->later = strip->x;
    if (p->gathers || !successor(p, part, panel, i, &s, &step))
        return;
    from = fetched(p, part, pair, pairs, &with);
    share = rn_range_of(s.pixels, (int)(pair - with.begin),
                        (int)(with.end - with.begin));
    strip->later = numbers(p, pixels_of(p, from, &s, part->group, step),
                           share.begin * p->block);
    strip->later_pixels = (int)(share.end - share.begin);
}

/* All strips with one panel. */
static void multiply(const struct product *p, const struct part *part,
                     const struct panel *panel)
{
    size_t all = part->strips.end - part->strips.begin;
    int outs = 2 * panel->pair + 1 < p->group_outs ? 2 : 1;
    const char *row = part->rows;

    for (size_t i = 0; i < all; i++) {
        struct strip s = strip_at(p, part->strips.begin + i);
        struct rn_product_strip strip = strip_of(p, part, &s, panel);

        strip.x = p->gathers ? row
                             : pixels_of(p, source_of(p, part->args), &s,
                                         part->group, panel->step);
        strip.ahead = ahead_of(p, part, panel, i, all);
        look_ahead(p, part, panel, i, &strip);
        p->kernels->multiply((int)s.pixels, outs, &strip);
        row += s.pixels * p->block * p->number;
    }
}

/* A chunk's strips from number *at on that are of one image, as one; *at is the
 * next. */
static struct strip strips_at(const struct product *p, const struct part *part,
                              size_t *at)
{
    struct strip s = strip_at(p, *at), last;
    size_t end = (s.image + 1) * p->strips;

    *at = end < part->strips.end ? end : part->strips.end;
    last = strip_at(p, *at - 1);
    s.pixels = last.first + last.pixels - s.first;
    return s;
}

static void gather(const struct product *p, const struct part *part,
                   size_t step, size_t steps)
{
    char *row = part->rows;
    size_t i = part->strips.begin;

    while (i < part->strips.end) {
        struct strip s = strips_at(p, part, &i);

        gather_strip(p, source_of(p, part->args), &s, part->group, step, steps,
                     row);
        row += s.pixels * p->block * p->number;
    }
}

/* Steps [step, step + steps) of the strips' inputs, where they are read. */
static void make_inputs(const struct product *p, const struct part *part,
                        size_t step, size_t steps)
{
    const struct rn_conv_norm *norm = part->args->norm;
    size_t i = part->strips.begin;

    while (i < part->strips.end) {
        struct strip s = strips_at(p, part, &i);

        for (size_t k = step; k < step + steps; k++)
            rn_batch_norm_gradient_of(norm->bn, &norm->in, norm->dz,
                                      s.image * p->in_blocks + k, s.first,
                                      s.pixels);
    }
}

static void run_part(const struct product *p, const struct part *part)
{
    for (size_t step = 0; step < p->steps; step += p->depth) {
        size_t left = p->steps - step;
        struct panel n = {0, step, left < p->depth ? left : p->depth};

        if (p->gathers)
            gather(p, part, step, n.steps);
        if (p->config.normed)
            make_inputs(p, part, step, n.steps);
        for (n.pair = part->pairs.begin; n.pair < part->pairs.end; n.pair++)
            multiply(p, part, &n);
    }
}

/* The next part of what is left of a thread's share of all pairs of all groups
 * of all chunks; false when nothing is. */
static bool take_part(const struct product *p, struct rn_range *left,
                      struct part *part)
{
    size_t unit = left->begin / p->pairs, start = unit * p->pairs;
    size_t end = start + p->pairs < left->end ? start + p->pairs : left->end;
    size_t first = unit / p->groups * p->chunk;
    size_t strips = (size_t)p->config.n * p->strips;

    if (left->begin >= left->end)
        return false;
    part->group = unit % p->groups;
    part->strips.begin = first;
    part->strips.end = strips - first < p->chunk ? strips : first + p->chunk;
    part->pairs = (struct rn_range){left->begin - start, end - start};
    left->begin = end;
    return true;
}

static struct rn_range share_of(const struct product *p, int me, int team)
{
    struct rn_range r = rn_share_of(pieces_of(p, p->chunks), me, team);
    size_t pairs = p->config.normed ? p->pairs : 1;

    return (struct rn_range){r.begin * pairs, r.end * pairs};
}

static int run(void *plan, const struct rn_conv_args *args,
               struct rn_error *err)
{
    const struct product *p = plan;

    (void)err;
#pragma omp parallel num_threads(p->config.threads)
    {
        int me = omp_get_thread_num();
        struct rn_range left = share_of(p, me, omp_get_num_threads());
        struct part part = {
            .args = args,
            .rows = (char *)args->scratch + (size_t)me * rows_bytes(p),
        };

        while (take_part(p, &left, &part))
            run_part(p, &part);
    }
    return RN_OK;
}

/* A strip's products with a pair's weights count, and the rows gathered or
 * made. */
static void shares(const void *plan, struct rn_shares *s)
{
    const struct product *p = plan;
    double pixels = (double)p->pixels / (double)p->strips;
    double depth = (double)(p->steps * p->block), made = 2 * (double)p->block;
    bool packs = p->config.input == RN_BF16 || is_turned(p);
    bool makes = p->gathers || p->config.normed;
    double row = makes ? (double)p->number * RN_COST_OF_BYTE : 0;

    if (p->config.train && packs) {
        rn_shares_even(s, p->out_blocks * p->steps,
                       (double)(p->block * p->block * p->number) *
                           RN_COST_OF_BYTE);
        rn_shares_barrier(s);
    }
    for (int t = 0; t < s->threads; t++) {
        struct rn_range left = share_of(p, t, s->threads);
        struct part part;

        while (take_part(p, &left, &part)) {
            size_t strips = part.strips.end - part.strips.begin;
            size_t pairs = part.pairs.end - part.pairs.begin;

            rn_shares_take(s, t, p->config.normed ? 1 : pairs,
                           (double)strips * pixels * depth *
                               ((double)pairs * made + row));
        }
    }
    rn_shares_barrier(s);
}

/* Weights lie as the store has them, in training and inference; those of
 * bfloat16 in the order of the sum. `from` is the store's in training, else
 * plain. */
static int pack(void *plan, const float *from, void *packed,
                struct rn_error *err)
{
    const struct product *p = plan;
    const struct rn_conv_config *c = &p->config;

    const struct rn_conv_config own = laid_out(c);

    (void)err;
    if (rn_is_grouped(c))
        rn_groups_pack(&own, from, packed);
    else if (c->input == RN_F32)
        rn_conv_weights_pack(from, packed, c->out.c, c->in.c, c->window, false,
                             c->threads);
    else if (c->train)
        rn_conv_weights_store_to_pairs(from, packed, c->out.c, c->in.c,
                                       c->window, c->threads);
    else
        rn_conv_weights_pack_pairs(from, packed, c->out.c, c->in.c, c->window,
                                   c->threads);
    return RN_OK;
}

/* Of the store's [oc / B][ic / B][B ic][B oc]: [ic / B][oc / B][B oc][B ic],
 * of bfloat16 [ic / B][oc / B][B oc / 2][B ic][2]. */
static int pack_turned(void *plan, const float *store, void *packed,
                       struct rn_error *err)
{
    const struct product *p = plan;
    size_t square = p->block * p->block;

    (void)err;
#pragma omp parallel num_threads(p->config.threads)
    for (struct rn_range r = rn_share_mine(p->out_blocks * p->steps);
         r.begin < r.end; r.begin++) {
        size_t from = r.begin % p->steps * p->out_blocks + r.begin / p->steps;

        if (p->config.input == RN_F32)
            p->kernels->turn(store + from * square,
                             (float *)packed + r.begin * square);
        else
            p->pairs_of->pack_turned(store + from * square,
                                     (uint16_t *)packed + r.begin * square);
    }
    return RN_OK;
}

static size_t weights_count(const struct rn_conv_config *c)
{
    const struct rn_conv_config own = laid_out(c);

    return rn_is_grouped(c)
               ? rn_groups_count(&own)
               : rn_conv_weights_count(c->out.c, c->in.c, c->window, false);
}

static int make(void *plan, const struct rn_conv_config *c, bool dry,
                struct rn_conv_needs *needs, struct rn_error *err)
{
    static const char *const names[2][2] = {
        {"product bf16", "product"},
        {"batch norm, product bf16", "batch norm, product"}};
    struct product *p = plan;

    (void)dry;
    (void)err;
    make_plan(p, c);
    needs->scratch_bytes = (size_t)c->threads * rows_bytes(p);
    needs->packed_bytes = weights_count(c) * p->number;
    needs->pack = !c->train || c->input == RN_BF16 || is_turned(p);
    rn_conv_describe(needs, names[c->normed][c->input == RN_F32]);
    return RN_OK;
}

const struct rn_conv_algorithm rn_conv_product = {
    .input = RN_F32,
    .weights = RN_F32,
    .output = RN_F32,
    .trains_relu = true,
    .applies = applies,
    .plan_bytes = sizeof(struct product),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};

const struct rn_conv_algorithm rn_conv_product_any = {
    .input = RN_F32,
    .weights = RN_F32,
    .output = RN_F32,
    .groups = true,
    .any_window = true,
    .trains_relu = true,
    .applies = applies_any,
    .plan_bytes = sizeof(struct product),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};

const struct rn_conv_algorithm rn_conv_product_any_bf16 = {
    .input = RN_BF16,
    .weights = RN_F32,
    .output = RN_BF16,
    .any_window = true,
    .trains_relu = true,
    .applies = applies_any_bf16,
    .plan_bytes = sizeof(struct product),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};

const struct rn_conv_algorithm rn_conv_product_turned = {
    .input = RN_F32,
    .weights = RN_F32,
    .output = RN_F32,
    .normed = true,
    .applies = applies_turned,
    .plan_bytes = sizeof(struct product),
    .make = make,
    .pack = pack_turned,
    .run = run,
    .shares = shares,
};

const struct rn_conv_algorithm rn_conv_product_bf16 = {
    .input = RN_BF16,
    .weights = RN_F32,
    .output = RN_BF16,
    .trains_relu = true,
    .applies = applies_bf16,
    .plan_bytes = sizeof(struct product),
    .make = make,
    .pack = pack,
    .run = run,
    .shares = shares,
};

const struct rn_conv_algorithm rn_conv_product_turned_bf16 = {
    .input = RN_BF16,
    .weights = RN_F32,
    .output = RN_BF16,
    .normed = true,
    .applies = turns,
    .plan_bytes = sizeof(struct product),
    .make = make,
    .pack = pack_turned,
    .run = run,
    .shares = shares,
};
