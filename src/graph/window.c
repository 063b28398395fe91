/* SPDX-License-Identifier: BSD-2-Clause */
/* Shapes and sums of windows: of convolutions and pools, regular or not. */
#include "graph/build.h"

#include <limits.h>

/* What windows of others have besides is a few pixels; sums stay small. */
#define MOST_BESIDES 65535

bool rn_window_regular(const struct rn_window *w)
{
    return !w->stride_w && !w->dilate_h && !w->dilate_w && !w->top &&
           !w->left && !w->bottom && !w->right;
}

bool rn_window_only_padded(const struct rn_window *w)
{
    return !w->stride_w && !w->dilate_h && !w->dilate_w;
}

bool rn_window_equal(const struct rn_window *a, const struct rn_window *b)
{
    return a->kh == b->kh && a->kw == b->kw && a->stride == b->stride &&
           a->pad == b->pad && a->stride_w == b->stride_w &&
           a->dilate_h == b->dilate_h && a->dilate_w == b->dilate_w &&
           a->top == b->top && a->left == b->left && a->bottom == b->bottom &&
           a->right == b->right;
}

int rn_window_stride_w(const struct rn_window *w)
{
    return w->stride_w ? w->stride_w : w->stride;
}

int rn_window_rows(const struct rn_window *w)
{
    return (w->kh - 1) * (w->dilate_h + 1) + 1;
}

int rn_window_columns(const struct rn_window *w)
{
    return (w->kw - 1) * (w->dilate_w + 1) + 1;
}

int rn_window_top(const struct rn_window *w)
{
    return w->pad + w->top;
}

int rn_window_left(const struct rn_window *w)
{
    return w->pad + w->left;
}

/** One direction of a window over an input. */
struct axis {
    int64_t size, taps, step, stride, before, after;
};

static struct axis axis_h(const struct rn_window *w, const struct rn_shape *in)
{
    return (struct axis){in->h,
                         w->kh,
                         w->dilate_h + 1,
                         w->stride,
                         (int64_t)w->pad + w->top,
                         (int64_t)w->pad + w->bottom};
}

static struct axis axis_w(const struct rn_window *w, const struct rn_shape *in)
{
    return (struct axis){in->w,
                         w->kw,
                         w->dilate_w + 1,
                         rn_window_stride_w(w),
                         (int64_t)w->pad + w->left,
                         (int64_t)w->pad + w->right};
}

/* How often a window fits: rounded down, as in torchvision (paper.md, section
 * 9, item 2), or up. 0 when it never fits. */
static int64_t fits(const struct axis *a, bool ceil)
{
    int64_t extent = (a->taps - 1) * a->step + 1;
    int64_t room = a->size + a->before + a->after - extent;

    return room < 0 ? 0 : (room + (ceil ? a->stride - 1 : 0)) / a->stride + 1;
}

/* Whether the last of so many begins in the padding behind. */
static bool begins_behind(const struct axis *a, int64_t n)
{
    return (n - 1) * a->stride >= a->size + a->before;
}

static int steps(const struct axis *a, bool ceil)
{
    int64_t n = fits(a, ceil);

    if (ceil && begins_behind(a, n))
        n--;
    return n <= INT_MAX ? (int)n : 0;
}

static bool in_range(int value)
{
    return value >= 0 && value <= MOST_BESIDES;
}

static bool makes_sense(const struct rn_window *w)
{
    return w->kh >= 1 && w->kw >= 1 && w->stride >= 1 && w->pad >= 0 &&
           w->stride_w >= 0 && in_range(w->dilate_h) && in_range(w->dilate_w) &&
           in_range(w->top) && in_range(w->left) && in_range(w->bottom) &&
           in_range(w->right);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static void normalise(struct rn_window *w)
{
    int all = least(least(w->top, w->left), least(w->bottom, w->right));

    if (all > INT_MAX - w->pad)
        all = INT_MAX - w->pad;
    w->pad += all;
    w->top -= all;
    w->left -= all;
    w->bottom -= all;
    w->right -= all;
    if (w->stride_w == w->stride)
        w->stride_w = 0;
}

static void refuse(struct rn_graph *g, const char *name,
                   const struct rn_window *w)
{
    rn_fail(&g->error, RN_ERR_ARG,
            "'%s' has a window of %dx%d, stride %d, pad %d, stride across %d, "
            "%d and %d pixels between taps, pad %d, %d, %d, %d besides",
            name, w->kh, w->kw, w->stride, w->pad, w->stride_w, w->dilate_h,
            w->dilate_w, w->top, w->left, w->bottom, w->right);
}

bool rn_window_shape(struct rn_graph *g, const char *name,
                     const struct rn_shape *in, struct rn_window *w, bool ceil,
                     struct rn_shape *out)
{
    if (!makes_sense(w)) {
        refuse(g, name, w);
        return false;
    }
    normalise(w);

    const struct axis h = axis_h(w, in), v = axis_w(w, in);

    out->h = steps(&h, ceil);
    out->w = steps(&v, ceil);
    if (out->h > 0 && out->w > 0)
        return true;
    rn_fail(&g->error, RN_ERR_ARG,
            "'%s' has a window of %dx%d, its input is %dx%dx%d with pad %d",
            name, w->kh, w->kw, in->c, in->h, in->w, w->pad);
    return false;
}

bool rn_window_drops_last(const struct rn_window *w, const struct rn_shape *in)
{
    const struct axis h = axis_h(w, in), v = axis_w(w, in);

    return begins_behind(&h, fits(&h, true)) ||
           begins_behind(&v, fits(&v, true));
}

/* The first windows begin before the input, the last one at its end. */
static bool sees(const struct axis *a, int windows)
{
    int64_t start = -a->before;

    for (int i = 0; i < windows && start < 0; i++, start += a->stride) {
        int64_t tap = (-start + a->step - 1) / a->step;

        if (tap >= a->taps || start + tap * a->step >= a->size)
            return false;
    }
    return (windows - 1) * a->stride - a->before < a->size;
}

bool rn_window_sees(const struct rn_window *w, const struct rn_shape *in,
                    const struct rn_shape *out)
{
    const struct axis h = axis_h(w, in), v = axis_w(w, in);

    return sees(&h, out->h) && sees(&v, out->w);
}
