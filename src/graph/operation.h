/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * What the graph knows of an operation: a row of the table that files, export
 * and comparison walk, so that none of them names a field of a node.
 */
#ifndef RN_GRAPH_OPERATION_H
#define RN_GRAPH_OPERATION_H

#include "graph/graph.h"

enum rn_attribute_type {
    RN_ATTRIBUTE_INT,      /* int, not negative */
    RN_ATTRIBUTE_SIGNED,   /* int */
    RN_ATTRIBUTE_SWITCH,   /* bool */
    RN_ATTRIBUTE_FUNCTION, /* enum rn_function, by its name in files */
    RN_ATTRIBUTE_REAL,     /* float */
    /* Parts of a struct rn_window. */
    RN_ATTRIBUTE_KERNEL,   /* rows, columns */
    RN_ATTRIBUTE_STRIDE,   /* down, across */
    RN_ATTRIBUTE_DILATION, /* down, across; 1: neighbouring taps touch */
    RN_ATTRIBUTE_PADDING,  /* top, left, bottom, right */
};

/** Something a node has besides inputs and parameters. */
struct rn_attribute {
    const char *name; /* in files */
    enum rn_attribute_type type;
    size_t place;    /* in struct rn_node */
    float otherwise; /* what a new node has; parts of windows have zeros */
    bool optional;   /* files leave it out where it is that */
    bool makes_up;   /* two networks that differ in it alone can have the same
                        answers, by other parameters */
    float from, to;  /* numbers that random cases have; others may be allowed */
};

/** Numbers that an attribute consists of, at most. */
enum { RN_ATTRIBUTE_NUMBERS = 4 };

/** What multiply-adds a node has. */
enum rn_cost {
    RN_COST_NONE = 1, /* none that are counted */
    RN_COST_WEIGHTS,  /* each weight once for each pixel of the output */
};

struct rn_operation {
    const char *name;              /* in files and as printed */
    int inputs_least, inputs_most; /* how many values it reads */
    const struct rn_attribute *attributes;
    size_t n_attributes; /* 0 only with no_attributes */
    bool no_attributes;
    /** Check the attributes and set the shape of a node whose inputs are
     *  there, append its parameters; false after a failure, which g->error
     *  tells. Where there is an attribute "channels", shape.c is that. */
    bool (*shape)(struct rn_graph *g, const char *name, struct rn_node *node);
    enum rn_cost cost;
    bool idle; /* outside training its value is its input */
};

#define RN_OPERATION(NAME, name) \
    extern const struct rn_operation rn_operation_##name;
#include "graph/operations.def"

/** The row of an operation, which exists. */
const struct rn_operation *rn_operation_of(enum rn_op op);
/** The operation of that name; false when there is none. */
bool rn_operation_find(const char *name, enum rn_op *op);

/** How many numbers an attribute of that type has; reals have one. */
int rn_attribute_count(enum rn_attribute_type type);
/** Those of a node; of all types but reals. */
void rn_attribute_get(const struct rn_attribute *attribute,
                      const struct rn_node *node,
                      int numbers[RN_ATTRIBUTE_NUMBERS]);
void rn_attribute_set(const struct rn_attribute *attribute,
                      struct rn_node *node,
                      const int numbers[RN_ATTRIBUTE_NUMBERS]);
float rn_attribute_real(const struct rn_attribute *attribute,
                        const struct rn_node *node);
void rn_attribute_set_real(const struct rn_attribute *attribute,
                           struct rn_node *node, float value);

/** Whether two nodes have the same operation, shape and attributes. */
bool rn_node_same(const struct rn_node *a, const struct rn_node *b);
/** A sum over operation, shape and attributes, but those that parameters make
 *  up for: equal for nodes that are the same. */
uint64_t rn_node_sum(const struct rn_node *node);
/** With those, too. */
uint64_t rn_node_sum_whole(const struct rn_node *node);
/** Another value mixed into a sum. */
uint64_t rn_sum_mix(uint64_t sum, uint64_t value);

#endif
