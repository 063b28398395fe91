/* SPDX-License-Identifier: BSD-2-Clause */
/* What each operation looks like in a picture of a network: a table with a row
 * for each, and the texts of boxes. */
#include "core/count.h"
#include "draw/draw.h"
#include "graph/operation.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------ texts */

static void put(char *text, size_t size, const char *more)
{
    size_t at = strlen(text);

    snprintf(text + at, size - at, "%s", more);
}

/* ", /2" as in the paper's figure 3. */
static void put_stride(char *text, size_t size, const struct rn_window *window)
{
    int across = rn_window_stride_w(window);
    char more[40] = "";

    if (across != window->stride)
        snprintf(more, sizeof(more), ", /%d×%d", window->stride, across);
    else if (across != 1)
        snprintf(more, sizeof(more), ", /%d", across);
    put(text, size, more);
}

static void conv_text(const struct rn_graph *g, const struct rn_node *node,
                      char *text, size_t size)
{
    const struct rn_window *w = &node->window;
    int in = g->nodes[node->input[0]].shape.c;
    char more[40] = "";

    snprintf(text, size, "%d×%d conv, %d", w->kh, w->kw, node->shape.c);
    put_stride(text, size, w);
    if (node->groups > 1 && node->groups == in)
        put(text, size, ", depthwise");
    else if (node->groups > 1)
        snprintf(more, sizeof(more), ", %d groups", node->groups);
    put(text, size, more);
    if (w->dilate_h > 0 || w->dilate_w > 0) {
        snprintf(more, sizeof(more), ", dilated %d×%d", w->dilate_h + 1,
                 w->dilate_w + 1);
        put(text, size, more);
    }
}

static void linear_text(const struct rn_graph *g, const struct rn_node *node,
                        char *text, size_t size)
{
    (void)g;
    snprintf(text, size, "fc, %d", node->shape.c);
}

static void input_text(const struct rn_graph *g, const struct rn_node *node,
                       char *text, size_t size)
{
    (void)g;
    snprintf(text, size, "image, %d × %d×%d", node->shape.c, node->shape.h,
             node->shape.w);
}

static void pool_text(const struct rn_graph *g, const struct rn_node *node,
                      char *text, size_t size)
{
    (void)g;
    snprintf(text, size, "%d×%d %s pool", node->window.kh, node->window.kw,
             node->op == RN_OP_MAX_POOL ? "max" : "avg");
    put_stride(text, size, &node->window);
}

static void adaptive_text(const struct rn_graph *g, const struct rn_node *node,
                          char *text, size_t size)
{
    (void)g;
    snprintf(text, size, "avg pool to %d×%d", node->shape.h, node->shape.w);
}

/* Option A. */
static void zeros_text(const struct rn_graph *g, const struct rn_node *node,
                       char *text, size_t size)
{
    int zeros = node->shape.c - g->nodes[node->input[0]].shape.c;
    char more[40];

    text[0] = '\0';
    if (node->window.stride > 1)
        snprintf(text, size, "/%d, ", node->window.stride);
    snprintf(more, sizeof(more), "+ %d zeros", zeros);
    put(text, size, more);
}

static void select_text(const struct rn_graph *g, const struct rn_node *node,
                        char *text, size_t size)
{
    bool all = node->shape.c == g->nodes[node->input[0]].shape.c;

    snprintf(text, size, all ? "shuffle, %d" : "channels, %d", node->shape.c);
}

/* ------------------------------------------------------------------- table */

/* clang-format off */
#define BOX(word, text)     {RN_LOOK_BOX, word, NULL, text}
#define STRIP(word, colour) {RN_LOOK_STRIP, word, colour, NULL}
#define JOIN(word)          {RN_LOOK_JOIN, word, NULL, NULL}

#define LOOK_INPUT             BOX("image", input_text)
#define LOOK_CONV              BOX("conv", conv_text)
#define LOOK_BATCH_NORM        STRIP("batch norm", "#64748b")
#define LOOK_RELU              STRIP("ReLU", "#f59e0b")
#define LOOK_ADD               JOIN("+")
#define LOOK_MAX_POOL          BOX("max pool", pool_text)
#define LOOK_GLOBAL_AVG_POOL   BOX("avg pool", NULL)
#define LOOK_LINEAR            BOX("fc", linear_text)
#define LOOK_SUBSAMPLE_PAD     BOX("zeros", zeros_text)
#define LOOK_AVG_POOL          BOX("avg pool", pool_text)
#define LOOK_CONCAT            {RN_LOOK_BAR, "concat", NULL, NULL}
#define LOOK_MULTIPLY          {RN_LOOK_JOIN, "×", "#9d174d", NULL}
#define LOOK_SIGMOID           STRIP("sigmoid", "#db2777")
#define LOOK_CLIP              STRIP("clip", "#d97706")
#define LOOK_LEAKY_RELU        STRIP("leaky ReLU", "#ea580c")
#define LOOK_LRN               STRIP("LRN", "#0d9488")
#define LOOK_SOFTMAX           STRIP("softmax", "#9333ea")
#define LOOK_ZERO_PAD          BOX("zero padding", NULL)
#define LOOK_LOG_SOFTMAX       STRIP("log softmax", "#7e22ce")
#define LOOK_ACTIVATION        STRIP("activation", "#ca8a04")
#define LOOK_PRELU             STRIP("PReLU", "#c2410c")
#define LOOK_SELECT            BOX("channels", select_text)
#define LOOK_QUANTIZE          STRIP("rounding", "#94a3b8")
#define LOOK_DROPOUT           STRIP("dropout", "#0891b2")
#define LOOK_HIGHWAY           JOIN("gate")
#define LOOK_ADAPTIVE_AVG_POOL BOX("avg pool", adaptive_text)
#define LOOK_MAXOUT            STRIP("maxout", "#be123c")
/* clang-format on */

static const struct rn_look looks[RN_OP_COUNT] = {
#define RN_OPERATION(NAME, name) [RN_OP_##NAME] = LOOK_##NAME,
#include "graph/operations.def"
};

const struct rn_look *rn_look_of(const struct rn_node *node)
{
    return &looks[node->op];
}

const char *rn_strip_word(const struct rn_node *node)
{
    if (node->op == RN_OP_ACTIVATION)
        return rn_function_name(node->function);
    return looks[node->op].word;
}

const char *rn_box_text(const struct rn_drawing *d, const struct rn_box *box,
                        char text[RN_BOX_TEXT])
{
    const struct rn_node *node = &d->g->nodes[box->main];
    const struct rn_look *look = rn_look_of(node);

    if (look->text)
        look->text(d->g, node, text, RN_BOX_TEXT);
    else
        snprintf(text, RN_BOX_TEXT, "%s", rn_strip_word(node));
    return text;
}

/* ----------------------------------------------------------------- colours */

/* The paper's: violet, green, red, blue; others behind them. */
static const struct {
    const char *fill, *frame;
} stages[] = {
    {"#fef3c7", "#b45309"}, {"#ede9fe", "#6d28d9"}, {"#dcfce7", "#15803d"},
    {"#fee2e2", "#b91c1c"}, {"#dbeafe", "#1d4ed8"}, {"#fae8ff", "#a21caf"},
    {"#ccfbf1", "#0f766e"}, {"#ffedd5", "#c2410c"},
};

const char *rn_stage_colour(int stage)
{
    return stage > 0 ? stages[(size_t)(stage - 1) % COUNT(stages)].fill
                     : "#f3f4f6";
}

const char *rn_stage_frame(int stage)
{
    return stage > 0 ? stages[(size_t)(stage - 1) % COUNT(stages)].frame
                     : "#6b7280";
}
