/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of an ONNX file's outputs is the answer. */
#include "core/memory.h"
#include "core/faults.h"
#include "formats/import.h"
#include "formats/onnx/onnx.h"
#include "formats/onnx/fields.h"
#include "formats/onnx/file.h"

#include <stdio.h>
#include <string.h>

/* Most outputs that are told apart. */
#define OUTPUTS 64

struct outputs {
    struct rn_onnx *f;
    bool can[OUTPUTS]; /* be the answer */
    bool *needed;      /* by value: for the output looked at */
    struct rn_error *err;
};

static uint32_t value_of(const struct outputs *o, uint32_t i)
{
    return o->f->ends[o->f->first_output + i];
}

/* A row of numbers for each picture, as far as it is told. */
static bool is_row(const struct rn_onnx_shape *s)
{
    bool pixel = s->dims == 4 && ((s->dim[2] == 1 && s->dim[3] == 1) ||
                                  (s->dim[1] == 1 && s->dim[2] == 1));

    return !s->known || s->dims == 2 || pixel;
}

static bool is_float(int64_t type)
{
    return type == 0 || type == ONNX_FLOAT || type == ONNX_FLOAT16 ||
           type == ONNX_DOUBLE || type == ONNX_BFLOAT16;
}

/* "'logits' [?,5]", and what it is made of when it is no float. */
static void list(const struct outputs *o, uint32_t i, struct rn_faults *to)
{
    struct rn_onnx_shape s;
    int64_t type;
    char sizes[64] = "";
    size_t used = 0;

    rn_onnx_output_type(o->f, i, &type, &s);
    for (int k = 0; k < s.dims && k < RN_TENSOR_DIMS; k++) {
        char size[24] = "?";

        if (s.dim[k] > 0)
            snprintf(size, sizeof(size), "%lld", (long long)s.dim[k]);
        if (used < sizeof(sizes))
            used += (size_t)snprintf(sizes + used, sizeof(sizes) - used, "%s%s",
                                     k ? "," : "", size);
    }
    rn_fault_add(to, "'%.*s' [%s]%s", RN_PB_SHOW(o->f->names[value_of(o, i)]),
                 s.known ? sizes : "?", is_float(type) ? "" : " of integers");
}

static void list_all(const struct outputs *o, bool can, struct rn_faults *to)
{
    for (uint32_t i = 0; i < o->f->n_outputs; i++)
        if (o->can[i] == can)
            list(o, i, to);
}

/* The operators that value needs, and so all that it is computed from. */
static void mark_needed(const struct outputs *o, uint32_t value)
{
    const struct rn_onnx *f = o->f;

    memset(o->needed, 0, f->n_values * sizeof(*o->needed));
    o->needed[value] = true;
    for (size_t i = f->n_nodes; i-- > 0;) {
        const struct rn_onnx_node *n = &f->nodes[i];
        bool needed = false;

        for (uint32_t k = 0; k < n->outputs; k++) {
            uint32_t v = f->ends[n->first_output + k];

            needed |= v != RN_ONNX_NONE && o->needed[v];
        }
        for (uint32_t k = 0; k < n->inputs && needed; k++) {
            uint32_t v = f->ends[n->first_input + k];

            if (v != RN_ONNX_NONE)
                o->needed[v] = true;
        }
    }
}

/* What another output is computed from is not the answer: features are before
 * logits, logits before probabilities. */
static void leave_out_inner(struct outputs *o)
{
    bool inner[OUTPUTS] = {false};

    for (uint32_t i = 0; i < o->f->n_outputs; i++) {
        if (!o->can[i])
            continue;
        mark_needed(o, value_of(o, i));
        for (uint32_t k = 0; k < o->f->n_outputs; k++)
            inner[k] |= k != i && o->needed[value_of(o, k)];
    }
    for (uint32_t i = 0; i < o->f->n_outputs; i++)
        o->can[i] = o->can[i] && !inner[i];
}

static int take_only(struct outputs *o, const struct rn_import_options *options)
{
    struct rn_faults can = {0}, others = {0};
    uint32_t chosen = 0;

    for (uint32_t i = 0; i < o->f->n_outputs; i++)
        if (o->can[i])
            chosen = i;
    list_all(o, true, &can);
    list_all(o, false, &others);
    if (can.count != 1)
        return rn_fail(o->err, RN_ERR_DATA,
                       "'%s': %zu of its %u outputs can be the classes: %s: "
                       "--output NAME says which",
                       o->f->path, can.count, o->f->n_outputs,
                       can.count ? can.text : others.text);
    o->f->output = value_of(o, chosen);
    rn_import_say(options,
                  "'%s': output %s taken, %s left out: --output takes another",
                  o->f->path, can.text, others.text);
    return RN_OK;
}

static int choose(struct outputs *o, const struct rn_import_options *options)
{
    if (o->f->n_outputs > OUTPUTS)
        return rn_fail(o->err, RN_ERR_DATA,
                       "'%s': %u outputs: --output NAME says which one is the "
                       "classes",
                       o->f->path, o->f->n_outputs);
    for (uint32_t i = 0; i < o->f->n_outputs; i++) {
        struct rn_onnx_shape shape;
        int64_t type;

        rn_onnx_output_type(o->f, i, &type, &shape);
        if (value_of(o, i) == RN_ONNX_NONE)
            return rn_fail(o->err, RN_ERR_DATA, "'%s': output %u has no name",
                           o->f->path, i + 1);
        o->can[i] = is_float(type) && is_row(&shape);
    }
    o->needed = rn_alloc(o->f->n_values, sizeof(*o->needed));
    if (!o->needed)
        return rn_fail_memory(o->err, o->f->n_values, "outputs");
    leave_out_inner(o);
    rn_free(o->needed);
    return take_only(o, options);
}

/* Any value that an operator computes. */
static int find_named(struct outputs *o, const char *name)
{
    const struct rn_onnx *f = o->f;
    struct rn_faults all = {0};

    for (size_t i = 0; i < f->n_nodes; i++)
        for (uint32_t k = 0; k < f->nodes[i].outputs; k++) {
            uint32_t v = f->ends[f->nodes[i].first_output + k];

            if (v == RN_ONNX_NONE || !rn_pb_is(f->names[v], name))
                continue;
            o->f->output = v;
            return RN_OK;
        }
    for (uint32_t i = 0; i < f->n_outputs && i < OUTPUTS; i++)
        if (value_of(o, i) != RN_ONNX_NONE)
            list(o, i, &all);
    return rn_fail(o->err, RN_ERR_ARG,
                   "'%s' computes no '%.100s', its outputs are %s", f->path,
                   name, all.text);
}

int rn_onnx_choose_output(struct rn_onnx *file,
                          const struct rn_import_options *options,
                          struct rn_error *err)
{
    struct outputs o = {.f = file, .err = err};

    if (options->output)
        return find_named(&o, options->output);
    return file->n_outputs == 1 ? RN_OK : choose(&o, options);
}
