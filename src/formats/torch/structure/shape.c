/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads convolutions as stem and blocks: channels must fit. */
#include "formats/torch/structure/layers.h"

/* Reading under way. */
struct reader {
    struct structure *s;
    struct reading how;
    size_t at;
    uint64_t channels, width; /* of the value, and of the stage's blocks */
    int stage, block;
};

static bool is_conv(const struct layer *l, uint64_t out, uint64_t in,
                    uint64_t size)
{
    const uint64_t *d = l->weight->dim;

    return d[0] == out && d[1] == in && d[2] == size && d[3] == size;
}

static bool reads_stem(struct reader *r)
{
    static const char *const deep[STEM] = {"conv1.0", "conv1.3", "conv1.6"};
    static const char *const norm[STEM] = {"conv1.1", "conv1.4", "bn1"};
    struct layer **convs = r->s->convs;

    if (r->s->n_convs <= r->how.stem)
        return false;
    for (size_t i = 0; i < r->how.stem; i++) {
        const uint64_t *d = convs[i]->weight->dim;

        if ((i > 0 && d[1] != r->channels) || d[2] != d[3])
            return false;
        r->channels = d[0];
        snprintf(convs[i]->ours, sizeof(convs[i]->ours), "%s",
                 r->how.stem == 1 ? "conv1" : deep[i]);
        snprintf(convs[i]->other->ours, sizeof(convs[i]->other->ours), "%s",
                 r->how.stem == 1 ? "bn1" : norm[i]);
    }
    r->at = r->how.stem;
    return true;
}

/* Our names for a block's convolution; number 0 is the shortcut's, which is
 * second where a pool stands before it. */
static void name_part(const struct reader *r, struct layer *l, int number)
{
    int first = rn_structure_last_number(l) == 1 &&
                rn_structure_last_number(l->other) == 2;
    const char *format =
        number ? "layer%d.%d.conv%d" : "layer%d.%d.downsample.%d";

    snprintf(l->ours, sizeof(l->ours), format, r->stage, r->block,
             number ? number : first);
    format = number ? "layer%d.%d.bn%d" : "layer%d.%d.downsample.%d";
    snprintf(l->other->ours, sizeof(l->other->ours), format, r->stage, r->block,
             number ? number : first + 1);
}

/* Whether these are a block's convolutions on so many channels. */
static bool fits_block(const struct reader *r, struct layer *const *part)
{
    const uint64_t *first = part[0]->weight->dim;
    const uint64_t *second = part[1]->weight->dim;

    if (r->how.parts == 2)
        return is_conv(part[0], first[0], r->channels, 3) &&
               is_conv(part[1], first[0], first[0], 3);
    return is_conv(part[0], first[0], r->channels, 1) && second[1] > 0 &&
           first[0] % second[1] == 0 &&
           is_conv(part[1], first[0], second[1], 3) &&
           is_conv(part[2], part[2]->weight->dim[0], first[0], 1);
}

/* The next block, with a convolution in its shortcut or without. */
static bool read_block(struct reader *r, bool projected)
{
    struct layer *part[MOST_PARTS] = {NULL}, *shortcut = NULL;
    size_t at = r->at, n = 0;

    if (r->s->n_convs - at < r->how.parts + projected)
        return false;
    for (size_t i = 0; i < r->how.parts + projected; i++) {
        if (projected && i == r->how.shortcut)
            shortcut = r->s->convs[at++];
        else
            part[n++] = r->s->convs[at++];
    }
    uint64_t out = part[n - 1]->weight->dim[0];
    if (!fits_block(r, part) ||
        (shortcut && !is_conv(shortcut, out, r->channels, 1)))
        return false;
    r->block++;
    if (part[0]->weight->dim[0] != r->width) {
        r->stage++;
        r->block = 0;
    }
    r->width = part[0]->weight->dim[0];
    r->channels = out;
    r->at = at;
    for (size_t i = 0; i < n; i++)
        name_part(r, part[i], (int)i + 1);
    if (shortcut)
        name_part(r, shortcut, 0);
    return true;
}

/* Whether the network can end there, or a block follow. */
static bool goes_on(const struct reader *r)
{
    struct reader with = *r, without = *r;

    return r->at == r->s->n_convs || read_block(&with, true) ||
           read_block(&without, false);
}

/* The next block. What could be its shortcut's convolution may begin the next
 * block instead: that is read which goes on, and nothing where both do. */
static bool read_next(struct reader *r)
{
    struct reader with = *r, without = *r;
    bool projected = read_block(&with, true) && goes_on(&with);
    bool bare = read_block(&without, false) && goes_on(&without);

    if (projected != bare)
        return read_block(r, projected);
    if (!bare) /* to tell how far it came */
        return read_block(r, true) || read_block(r, false);
    return false;
}

/* Whether all convolutions can be read so; `ours` of each is then its name. */
bool rn_structure_read(struct structure *s, struct reading how)
{
    struct reader r = {.s = s, .how = how};

    if (!reads_stem(&r))
        return false;
    while (r.at < s->n_convs && read_next(&r))
        ;
    if (r.at > s->reached)
        s->reached = r.at;
    if (r.at < s->n_convs)
        return false;
    if (s->head && s->head->weight->dim[1] != r.channels)
        return false;
    return true;
}
