/* SPDX-License-Identifier: BSD-2-Clause */
/* Operators that take channels apart or put them in another order. */
#include "formats/onnx/import.h"

#include "core/memory.h"

#include <string.h>

/* Most parts that a list of channels is joined of. */
#define PARTS 64

bool rn_onnx_is_channels(const struct rn_onnx_value *v, int64_t axis)
{
    if (v->flat)
        return !v->rows_first && (axis == 1 || axis == -1);
    return v->rows_first ? axis == 3 || axis == -1 : axis == 1 || axis == -3;
}

/* Whether the channels are all that the dimension has. */
static int check_channels(struct rn_onnx_import *in,
                          const struct rn_onnx_value *v, int64_t axis)
{
    struct rn_shape s = rn_onnx_shape_of(in, v);

    if (rn_onnx_is_channels(v, axis) && (!v->flat || (s.h == 1 && s.w == 1)))
        return RN_OK;
    return rn_onnx_fail(in,
                        "takes apart dimension %lld, expected the channels of "
                        "a picture",
                        (long long)axis);
}

static int select_as(struct rn_onnx_import *in, const struct rn_onnx_value *v,
                     int channels, struct rn_selection selection,
                     struct rn_onnx_value *out)
{
    char name[RN_IMPORT_NAME];
    int node =
        rn_graph_select(in->g, v->node, rn_onnx_name(in, UINT32_MAX, name),
                        channels, selection);

    return rn_onnx_node_value(in, node, v, out);
}

int rn_onnx_channels(struct rn_onnx_import *in, const struct rn_onnx_value *v,
                     int64_t first, int64_t step, uint64_t count,
                     struct rn_onnx_value *out)
{
    int64_t c = rn_onnx_shape_of(in, v).c;

    if (first < 0 || first >= c || count < 1 || count > (uint64_t)c)
        return rn_onnx_fail(in, "takes %llu channels from %lld on, of %lld",
                            (unsigned long long)count, (long long)first,
                            (long long)c);
    /* one channel has no step, and the others lie within c */
    const struct rn_selection selection = {
        .first = (int)first,
        .inner = (int)count,
        .step = count > 1 && step > -c && step < c ? (int)step : 1};
    return select_as(in, v, (int)count, selection, out);
}

/* ------------------------------------------------------------------- split */

/* How many channels each output gets. */
static int split_sizes(struct rn_onnx_import *in, int64_t channels,
                       int64_t *sizes, int parts)
{
    int n, rc = rn_onnx_ints(in, "split", 1, sizes, PARTS, &n);
    int64_t each = (channels + parts - 1) / parts, sum = 0;

    if (rc)
        return rc;
    for (int i = 0; i < parts && n < 0; i++)
        sizes[i] = i + 1 < parts ? each : channels - each * (parts - 1);
    for (int i = 0; i < parts && (n < 0 || n == parts); i++) {
        if (sizes[i] < 1 || sizes[i] > channels - sum)
            break;
        sum += sizes[i];
    }
    return sum == channels && (n < 0 || n == parts)
               ? RN_OK
               : rn_onnx_fail(in,
                              "has other sizes than those of %d parts of %lld "
                              "channels",
                              parts, (long long)channels);
}

int rn_onnx_read_split(struct rn_onnx_import *in)
{
    struct rn_onnx_value *v, part;
    int64_t sizes[PARTS], first = 0, axis = rn_onnx_int(in, "axis", 0);
    int parts = (int)in->node->outputs;
    int rc = rn_onnx_any_layout(in, 0, &v);

    if (!rc && (parts < 1 || parts > PARTS))
        rc = rn_onnx_fail(in, "has %d parts, expected 1 to %d", parts, PARTS);
    if (!rc)
        rc = check_channels(in, v, axis);
    if (!rc)
        rc = split_sizes(in, rn_onnx_shape_of(in, v).c, sizes, parts);
    for (int i = 0; i < parts && !rc; i++) {
        rc = rn_onnx_channels(in, v, first, 1, (uint64_t)sizes[i], &part);
        if (!rc)
            rn_onnx_output_at(in, (uint32_t)i, &part);
        first += sizes[i];
    }
    return rc;
}

/* ------------------------------------------------------------------ gather */

/* Indices of channels: how many, and the list, to be freed. */
static int load_indices(struct rn_onnx_import *in, int channels, int64_t **out,
                        int *count)
{
    const struct rn_onnx_value *v = rn_onnx_input(in, 1);
    bool list = v && v->kind == RN_ONNX_LIST;
    int64_t *at = *out = NULL;

    if (!v || v->dims != 1 || v->count < 1 || v->count > INT32_MAX ||
        (!list && !v->stored))
        return rn_onnx_fail(in, "takes channels that no list of integers "
                                "names");
    at = *out = rn_alloc((size_t)v->count, sizeof(*at));
    if (!at)
        return rn_fail_memory(in->err, (size_t)v->count * sizeof(*at),
                              "a list");
    if (list)
        memcpy(at, v->list, (size_t)v->count * sizeof(*at));
    int rc = list ? RN_OK : rn_onnx_integers(in->file, v->stored, at, in->err);
    for (uint64_t i = 0; i < v->count && !rc; i++) {
        at[i] += at[i] < 0 ? channels : 0;
        if (at[i] < 0 || at[i] >= channels)
            rc = rn_onnx_fail(in, "takes a channel that is none of %d",
                              channels);
    }
    *count = (int)v->count;
    return rc;
}

/* How many of them, from the first on, lie equally far from each other. */
static int run_length(const int64_t *at, int n)
{
    int i = 2;

    while (i < n && at[i] - at[i - 1] == at[1] - at[0])
        i++;
    return i < n ? i : n;
}

/* The whole list as one selection, if it is one. */
static bool is_selection(const int64_t *at, int n, struct rn_selection *s)
{
    int inner = run_length(at, n);

    *s = (struct rn_selection){.first = (int)at[0],
                               .inner = inner,
                               .step = n > 1 ? (int)(at[1] - at[0]) : 0,
                               .outer =
                                   inner < n ? (int)(at[inner] - at[0]) : 0};
    for (int i = 0; i < n && n % inner == 0; i++)
        if (at[i] != s->first + (int64_t)(i % inner) * s->step +
                         (int64_t)(i / inner) * s->outer)
            return false;
    return n % inner == 0;
}

/* Any list, joined of its runs. */
static int join_runs(struct rn_onnx_import *in, const struct rn_onnx_value *v,
                     const int64_t *at, int n, struct rn_onnx_value *out)
{
    int nodes[PARTS], parts = 0, rc = RN_OK;
    char name[RN_IMPORT_NAME];

    for (int i = 0, length; i < n && !rc; i += length) {
        struct rn_selection s;

        length = run_length(at + i, n - i);
        if (parts == PARTS)
            return rn_onnx_fail(in,
                                "puts channels into an order of more than "
                                "%d runs",
                                PARTS);
        is_selection(at + i, length, &s);
        rc = select_as(in, v, length, s, out);
        nodes[parts++] = out->node;
    }
    if (rc)
        return rc;
    rn_onnx_name(in, UINT32_MAX, name);
    return rn_onnx_node_value(
        in, rn_graph_concat_all(in->g, nodes, parts, name), v, out);
}

int rn_onnx_read_channel_gather(struct rn_onnx_import *in)
{
    struct rn_onnx_value *v, out;
    struct rn_selection selection;
    int64_t *at = NULL;
    int n = 0, rc = rn_onnx_any_layout(in, 0, &v);

    if (!rc)
        rc = check_channels(in, v, rn_onnx_int(in, "axis", 0));
    if (!rc)
        rc = load_indices(in, rn_onnx_shape_of(in, v).c, &at, &n);
    if (!rc)
        rc = is_selection(at, n, &selection)
                 ? select_as(in, v, n, selection, &out)
                 : join_runs(in, v, at, n, &out);
    rn_free(at);
    if (!rc)
        rn_onnx_output(in, &out);
    return rc;
}

/* ------------------------------------------------------------------ groups */

/* [batch,g,c/g,h,w], or [batch,h,w,g,c/g] of a picture whose channels come
 * last. */
static bool cut_groups(struct rn_shape s, struct rn_onnx_value *v,
                       const int64_t *sizes, int n)
{
    const int64_t *groups = sizes + (v->rows_first ? 3 : 1);
    const int64_t *plane = sizes + (v->rows_first ? 1 : 3);

    if (n != 5 || v->flat || groups[0] < 1 || groups[0] > s.c ||
        groups[0] * groups[1] != s.c || plane[0] != s.h || plane[1] != s.w)
        return false;
    v->groups = (int)groups[0];
    v->turned = false;
    return true;
}

/* Back to a picture: turned groups are a shuffle. */
static int join_groups(struct rn_onnx_import *in, struct rn_onnx_value *v,
                       const int64_t *sizes, int n, bool *done)
{
    struct rn_shape s = rn_onnx_shape_of(in, v);
    const struct rn_selection selection = {
        .inner = v->groups, .step = s.c / v->groups, .outer = 1};
    const int64_t own[][4] = {{0, s.c, s.h, s.w}, {0, s.h, s.w, s.c}};

    *done = n == 4 &&
            memcmp(sizes + 1, own[v->rows_first] + 1, 3 * sizeof(*sizes)) == 0;
    if (!*done)
        return RN_OK;
    v->groups = 0;
    if (!v->turned)
        return RN_OK;
    struct rn_onnx_value from = *v;
    return select_as(in, &from, s.c, selection, v);
}

int rn_onnx_regroup(struct rn_onnx_import *in, struct rn_onnx_value *v,
                    const int64_t *sizes, int n, bool *done)
{
    if (v->groups)
        return join_groups(in, v, sizes, n, done);
    *done = cut_groups(rn_onnx_shape_of(in, v), v, sizes, n);
    return RN_OK;
}

bool rn_onnx_turn_groups(struct rn_onnx_value *v, const int64_t *perm, int n)
{
    static const int64_t first[] = {0, 2, 1, 3, 4}, last[] = {0, 1, 2, 4, 3};

    if (n != 5 || memcmp(perm, v->rows_first ? last : first, sizeof(first)))
        return false;
    v->turned = !v->turned;
    return true;
}
