/* SPDX-License-Identifier: BSD-2-Clause */
/* What nodes have besides inputs and parameters: read, set, compared, summed
 * by walking the lists of graph/operations.c. */
#include "graph/operation.h"

#include "core/count.h"

#include <string.h>

static const struct rn_operation *const operations[] = {
#define RN_OPERATION(NAME, name) [RN_OP_##NAME] = &rn_operation_##name,
#include "graph/operations.def"
};

const struct rn_operation *rn_operation_of(enum rn_op op)
{
    return operations[op];
}

const char *rn_op_name(enum rn_op op)
{
    return (unsigned)op < RN_OP_COUNT ? operations[op]->name : "unknown";
}

bool rn_operation_find(const char *name, enum rn_op *op)
{
    for (size_t i = 0; i < COUNT(operations); i++)
        if (strcmp(name, operations[i]->name) == 0) {
            *op = (enum rn_op)i;
            return true;
        }
    return false;
}

int rn_attribute_count(enum rn_attribute_type type)
{
    switch (type) {
    case RN_ATTRIBUTE_KERNEL:
    case RN_ATTRIBUTE_STRIDE:
    case RN_ATTRIBUTE_DILATION:
        return 2;
    case RN_ATTRIBUTE_PADDING:
        return 4;
    default:
        return 1;
    }
}

static void get_window(enum rn_attribute_type type, const struct rn_window *w,
                       int *to)
{
    if (type == RN_ATTRIBUTE_KERNEL) {
        to[0] = w->kh;
        to[1] = w->kw;
    } else if (type == RN_ATTRIBUTE_STRIDE) {
        to[0] = w->stride;
        to[1] = rn_window_stride_w(w);
    } else if (type == RN_ATTRIBUTE_DILATION) {
        to[0] = w->dilate_h + 1;
        to[1] = w->dilate_w + 1;
    } else {
        to[0] = rn_window_top(w);
        to[1] = rn_window_left(w);
        to[2] = w->pad + w->bottom;
        to[3] = w->pad + w->right;
    }
}

void rn_attribute_get(const struct rn_attribute *attribute,
                      const struct rn_node *node,
                      int numbers[RN_ATTRIBUTE_NUMBERS])
{
    const void *from = (const char *)node + attribute->place;

    switch (attribute->type) {
    case RN_ATTRIBUTE_SWITCH:
        numbers[0] = *(const bool *)from;
        return;
    case RN_ATTRIBUTE_FUNCTION:
        numbers[0] = (int)*(const enum rn_function *)from;
        return;
    case RN_ATTRIBUTE_INT:
    case RN_ATTRIBUTE_SIGNED:
        numbers[0] = *(const int *)from;
        return;
    default:
        get_window(attribute->type, from, numbers);
    }
}

/* The shape rule brings the window into its form (rn_window_shape()). */
static void set_window(enum rn_attribute_type type, struct rn_window *w,
                       const int *from)
{
    if (type == RN_ATTRIBUTE_KERNEL) {
        w->kh = from[0];
        w->kw = from[1];
    } else if (type == RN_ATTRIBUTE_STRIDE) {
        w->stride = from[0];
        w->stride_w = from[1];
    } else if (type == RN_ATTRIBUTE_DILATION) {
        w->dilate_h = from[0] - 1;
        w->dilate_w = from[1] - 1;
    } else {
        w->pad = 0;
        w->top = from[0];
        w->left = from[1];
        w->bottom = from[2];
        w->right = from[3];
    }
}

void rn_attribute_set(const struct rn_attribute *attribute,
                      struct rn_node *node,
                      const int numbers[RN_ATTRIBUTE_NUMBERS])
{
    void *to = (char *)node + attribute->place;

    switch (attribute->type) {
    case RN_ATTRIBUTE_SWITCH:
        *(bool *)to = numbers[0] != 0;
        return;
    case RN_ATTRIBUTE_FUNCTION:
        *(enum rn_function *)to = (enum rn_function)numbers[0];
        return;
    case RN_ATTRIBUTE_INT:
    case RN_ATTRIBUTE_SIGNED:
        *(int *)to = numbers[0];
        return;
    default:
        set_window(attribute->type, to, numbers);
    }
}

float rn_attribute_real(const struct rn_attribute *attribute,
                        const struct rn_node *node)
{
    return *(const float *)((const char *)node + attribute->place);
}

void rn_attribute_set_real(const struct rn_attribute *attribute,
                           struct rn_node *node, float value)
{
    *(float *)((char *)node + attribute->place) = value;
}

/* ---------------------------------------------------- comparison and sums */

static bool same_value(const struct rn_attribute *attribute,
                       const struct rn_node *a, const struct rn_node *b)
{
    int x[RN_ATTRIBUTE_NUMBERS] = {0}, y[RN_ATTRIBUTE_NUMBERS] = {0};

    if (attribute->type == RN_ATTRIBUTE_REAL)
        return rn_attribute_real(attribute, a) ==
               rn_attribute_real(attribute, b);
    rn_attribute_get(attribute, a, x);
    rn_attribute_get(attribute, b, y);
    return memcmp(x, y, sizeof(x)) == 0;
}

bool rn_node_same(const struct rn_node *a, const struct rn_node *b)
{
    const struct rn_operation *o = rn_operation_of(a->op);

    if (a->op != b->op || a->shape.c != b->shape.c ||
        a->shape.h != b->shape.h || a->shape.w != b->shape.w)
        return false;
    for (size_t i = 0; i < o->n_attributes; i++)
        if (!same_value(&o->attributes[i], a, b))
            return false;
    return true;
}

uint64_t rn_sum_mix(uint64_t sum, uint64_t value)
{
    sum = (sum ^ value) * 0x9e3779b97f4a7c15U;
    return sum ^ sum >> 29;
}

static uint64_t mix_value(uint64_t sum, const struct rn_attribute *attribute,
                          const struct rn_node *node)
{
    int numbers[RN_ATTRIBUTE_NUMBERS] = {0};

    if (attribute->type == RN_ATTRIBUTE_REAL) {
        /* Both zeros are equal, and so are their sums. */
        float value = rn_attribute_real(attribute, node) + 0.0f;

        memcpy(numbers, &value, sizeof(value));
    } else {
        rn_attribute_get(attribute, node, numbers);
    }
    for (size_t i = 0; i < COUNT(numbers); i++)
        sum = rn_sum_mix(sum, (uint64_t)numbers[i]);
    return sum;
}

static uint64_t sum_node(const struct rn_node *node, bool whole)
{
    const struct rn_operation *o = rn_operation_of(node->op);
    uint64_t sum = rn_sum_mix(node->op, (uint64_t)node->shape.c);

    sum = rn_sum_mix(sum, (uint64_t)node->shape.h);
    sum = rn_sum_mix(sum, (uint64_t)node->shape.w);
    for (size_t i = 0; i < o->n_attributes; i++)
        if (whole || !o->attributes[i].makes_up)
            sum = mix_value(sum, &o->attributes[i], node);
    return sum;
}

uint64_t rn_node_sum(const struct rn_node *node)
{
    return sum_node(node, false);
}

uint64_t rn_node_sum_whole(const struct rn_node *node)
{
    return sum_node(node, true);
}
