/* SPDX-License-Identifier: BSD-2-Clause */
/* Compares a graph with those of the families by sums over what each node
 * computes. */
#include "formats/families.h"

#include "core/count.h"
#include "core/memory.h"
#include "graph/operation.h"
#include "graph/quantization.h"
#include "nets/family.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NONE (-1)

/* Two graphs, and for each node of the first one its like in the second. */
struct pair {
    struct rn_graph *own;
    const struct rn_graph *from;
    uint64_t *own_sums, *from_sums; /* by node */
    int *like;                      /* by node of own */
    int *norm; /* by batch norm of own: the other's, or NONE */
};

/* ------------------------------------------------------------------ inputs */

/* What a node reads. A concatenation of concatenations reads what these do, as
 * long as it is not more than this; longer ones are none of a family's. */
enum { MOST_INPUTS = 1024 };
struct inputs {
    int at[MOST_INPUTS];
    int count;
};

static void take_inputs(const struct rn_graph *g, const struct rn_node *n,
                        struct inputs *in)
{
    in->count = n->n_inputs < MOST_INPUTS ? n->n_inputs : MOST_INPUTS;
    memcpy(in->at, n->input, (size_t)in->count * sizeof(*in->at));
    for (int k = 0; n->op == RN_OP_CONCAT && k < in->count;) {
        const struct rn_node *inner = &g->nodes[in->at[k]];
        const int more = inner->n_inputs - 1;

        if (inner->op != RN_OP_CONCAT || in->count + more > MOST_INPUTS) {
            k++;
            continue;
        }
        memmove(in->at + k + more, in->at + k,
                (size_t)(in->count - k) * sizeof(*in->at));
        memcpy(in->at + k, inner->input,
               (size_t)inner->n_inputs * sizeof(*in->at));
        in->count += more;
    }
}

/* -------------------------------------------------------------------- sums */

/* Whether it is the batch norm of a convolution, which may be folded in. */
static bool is_norm(const struct rn_graph *g, int v)
{
    const struct rn_node *n = &g->nodes[v];

    return n->op == RN_OP_BATCH_NORM && g->nodes[n->input[0]].op == RN_OP_CONV;
}

/* What a node computes, and of what: equal for equal ones. */
static uint64_t sum_of(const struct rn_graph *g, int v, const uint64_t *sums)
{
    const struct rn_node *n = &g->nodes[v];
    uint64_t sum = rn_node_sum(n), inputs = 0;
    struct inputs in;

    if (is_norm(g, v) || rn_operation_of(n->op)->idle)
        return sums[n->input[0]];
    take_inputs(g, n, &in);
    for (int k = 0; k < in.count; k++)
        inputs = n->op == RN_OP_ADD /* in either order */
                     ? inputs + sums[in.at[k]]
                     : rn_sum_mix(inputs, sums[in.at[k]]);
    return rn_sum_mix(sum, inputs);
}

/* The node that computes the value: idle ones only hand theirs on. */
static int computing(const struct rn_graph *g, int v)
{
    while (rn_operation_of(g->nodes[v].op)->idle)
        v = g->nodes[v].input[0];
    return v;
}

static void sum_graph(const struct rn_graph *g, uint64_t *sums)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        sums[i] = sum_of(g, (int)i, sums);
}

/* ---------------------------------------------------------------- matching */

static bool set_like(struct pair *p, int own, int from)
{
    own = computing(p->own, own);
    from = computing(p->from, from);
    if (p->like[own] == NONE)
        p->like[own] = from;
    return p->like[own] == from;
}

/* The inputs of two nodes alike are alike; an addition's in either order. */
static bool match_inputs(struct pair *p, const struct rn_node *own,
                         const struct rn_node *from)
{
    bool turn = own->op == RN_OP_ADD &&
                p->own_sums[own->input[0]] != p->from_sums[from->input[0]];
    struct inputs a, b;

    take_inputs(p->own, own, &a);
    take_inputs(p->from, from, &b);
    if (a.count != b.count)
        return false;
    for (int k = 0; k < a.count; k++)
        if (!set_like(p, a.at[k], b.at[turn ? 1 - k : k]))
            return false;
    return true;
}

static bool match_node(struct pair *p, int v)
{
    const struct rn_node *own = &p->own->nodes[v];
    int like = p->like[v];
    const struct rn_node *from = &p->from->nodes[like];

    if (p->own_sums[v] != p->from_sums[like])
        return false;
    if (is_norm(p->own, v)) {
        bool there = is_norm(p->from, like);

        p->norm[v] = there ? like : NONE;
        return set_like(p, own->input[0], there ? from->input[0] : like);
    }
    return own->op == from->op && match_inputs(p, own, from);
}

static bool match(struct pair *p)
{
    sum_graph(p->own, p->own_sums);
    sum_graph(p->from, p->from_sums);
    for (size_t i = 0; i < p->own->n_nodes; i++)
        p->like[i] = p->norm[i] = NONE;
    set_like(p, p->own->output, p->from->output);
    for (int v = (int)p->own->n_nodes - 1; v >= 0; v--)
        if (computing(p->own, v) == v &&
            (p->like[v] == NONE || !match_node(p, v)))
            return false;
    return true;
}

/* -------------------------------------------------------------- parameters */

static struct rn_param *param(const struct rn_graph *g, int v, int place)
{
    int i = v < 0 ? -1 : g->nodes[v].param[place];

    return i < 0 ? NULL : &g->params[i];
}

static void fill(struct rn_param *p, float value)
{
    for (size_t i = 0; i < p->count; i++)
        p->data[i] = value;
}

static bool copy(struct rn_param *to, const struct rn_param *from)
{
    if (to->count != from->count)
        return false;
    memcpy(to->data, from->data, to->count * sizeof(*to->data));
    return true;
}

/* A batch norm that only adds the convolution's bias, if it has one. */
static bool set_neutral(struct pair *p, int norm, const struct rn_param *bias)
{
    double eps = (double)p->own->nodes[norm].eps;
    struct rn_param *shift = param(p->own, norm, RN_P_BIAS);

    fill(param(p->own, norm, RN_P_WEIGHT), (float)sqrt(1 + eps));
    fill(param(p->own, norm, RN_P_MEAN), 0);
    fill(param(p->own, norm, RN_P_VAR), 1);
    fill(shift, 0);
    return !bias || copy(shift, bias);
}

/* The other's eps goes into the variance when ours is another. */
static bool match_eps(struct rn_param *var, float own, float from)
{
    for (size_t i = 0; i < var->count && own != from; i++) {
        var->data[i] += from - own;
        if (!(var->data[i] > 0))
            return false;
    }
    return true;
}

static bool copy_norm(struct pair *p, int own, int from)
{
    for (int place = 0; place < 4; place++)
        if (!copy(param(p->own, own, place), param(p->from, from, place)))
            return false;
    return match_eps(param(p->own, own, RN_P_VAR), p->own->nodes[own].eps,
                     p->from->nodes[from].eps);
}

/* The batch norm of a convolution; a bias before it lowers the mean. */
static bool adopt_norm(struct pair *p, int v)
{
    int conv = p->own->nodes[v].input[0], from = p->norm[v];
    const struct rn_param *bias = param(p->from, p->like[conv], RN_P_BIAS);
    struct rn_param *mean = param(p->own, v, RN_P_MEAN);

    if (param(p->own, conv, RN_P_BIAS))
        bias = NULL; /* it stays where it is */
    if (from == NONE)
        return set_neutral(p, v, bias);
    if (!copy_norm(p, v, from))
        return false;
    for (size_t i = 0; bias && i < mean->count; i++)
        mean->data[i] -= bias->data[i];
    return true;
}

/* Weights and their scales. */
static bool copy_weights(struct pair *p, int v)
{
    const struct rn_param *from = param(p->from, p->like[v], RN_P_WEIGHT);
    int to = p->own->nodes[v].param[RN_P_WEIGHT];

    return !from || !from->scales || to < 0 ||
           rn_graph_quantize_param(p->own, (size_t)to, from->scales, NULL) ==
               RN_OK;
}

/* How the value lies in 8 bits. That of a convolution whose batch norm the
 * other has folded is the batch norm's. */
static void copy_quant(struct pair *p, int v)
{
    struct rn_node *own = &p->own->nodes[v];

    if (rn_operation_of(own->op)->idle)
        return;
    own->quant = p->from->nodes[p->like[v]].quant;
    if (is_norm(p->own, v) && p->norm[v] == NONE)
        p->own->nodes[own->input[0]].quant = (struct rn_quant){0, 0};
}

/* Whether nothing but batch norms, which take its bias in, reads a convolution.
 */
static bool only_norms_read(const struct rn_graph *g, int v)
{
    for (size_t i = (size_t)v + 1; i < g->n_nodes; i++)
        if (rn_node_reads(&g->nodes[i], v) &&
            g->nodes[i].op != RN_OP_BATCH_NORM)
            return false;
    return v != g->output;
}

static bool is_zero(const struct rn_param *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->data[i] != 0)
            return false;
    return true;
}

static bool adopt_node(struct pair *p, int v)
{
    copy_quant(p, v);
    if (is_norm(p->own, v))
        return adopt_norm(p, v);
    if (p->own->nodes[v].op == RN_OP_BATCH_NORM)
        return copy_norm(p, v, p->like[v]);
    for (int place = 0; place < 2; place++) {
        struct rn_param *to = param(p->own, v, place);
        const struct rn_param *from = param(p->from, p->like[v], place);

        if (to && from && !copy(to, from))
            return false;
        if (!to && from && !is_zero(from) && !only_norms_read(p->own, v))
            return false; /* ours has no place for it */
        if (to && !from)
            fill(to, 0);
    }
    return copy_weights(p, v);
}

static bool adopt(struct pair *p)
{
    if (!match(p))
        return false;
    for (size_t v = 0; v < p->own->n_nodes; v++)
        if (!adopt_node(p, (int)v))
            return false;
    return true;
}

bool rn_graph_adopt(struct rn_graph *own, const struct rn_graph *from)
{
    struct pair p = {
        .own = own,
        .from = from,
        .own_sums = rn_alloc(own->n_nodes, sizeof(*p.own_sums)),
        .from_sums = rn_alloc(from->n_nodes, sizeof(*p.from_sums)),
        .like = rn_alloc(own->n_nodes, sizeof(*p.like)),
        .norm = rn_alloc(own->n_nodes, sizeof(*p.norm)),
    };
    bool same = p.own_sums && p.from_sums && p.like && p.norm && adopt(&p);

    rn_free(p.own_sums);
    rn_free(p.from_sums);
    rn_free(p.like);
    rn_free(p.norm);
    return same;
}

/* -------------------------------------------------------------- candidates */

static struct rn_net_outline outline_of(const struct rn_graph *g)
{
    struct rn_net_outline o = {0};

    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct rn_node *n = &g->nodes[i];
        bool three = n->op == RN_OP_CONV && n->window.kh == 3;

        o.convs += n->op == RN_OP_CONV;
        o.linears += n->op == RN_OP_LINEAR;
        o.three += three;
        if (three)
            o.last = n->shape.c;
        if (three && o.three == 1) {
            o.groups = n->groups > 1 ? n->groups : 1;
            o.width = n->shape.c;
        }
    }
    return o;
}

struct search {
    const struct rn_graph *from;
    struct rn_net_spec *spec;
    struct rn_graph **out;
    struct rn_error *err;
    int rc;
};

/* Whether the graph is the network of that name and these options, or nothing
 * can be told for want of memory. */
static bool try_network(void *user, const char *name, char shortcut,
                        int stride_v1)
{
    struct search *s = user;
    struct rn_shape in = s->from->nodes[0].shape;
    const struct rn_net_options options = {
        .classes = s->from->nodes[s->from->output].shape.c,
        .channels = in.c,
        .height = in.h,
        .width = in.w,
        .shortcut = shortcut,
        .stride_v1 = stride_v1};
    struct rn_graph *own;
    struct rn_error why = {0};

    if (rn_net_resolve(s->spec, name, &options, &why))
        return false; /* no such network */
    int rc = rn_net_build(&own, s->spec, &why);
    if (rc == RN_ERR_MEMORY)
        s->rc = rn_fail(s->err, rc, "%s", why.msg);
    if (rc)
        return s->rc != RN_OK;
    if (rn_graph_adopt(own, s->from)) {
        *s->out = own;
        return true;
    }
    rn_graph_destroy(own);
    return false;
}

int rn_family_find(struct rn_net_spec *spec, struct rn_graph **out,
                   const struct rn_graph *from, struct rn_error *err)
{
    struct search s = {from, spec, out, err, RN_OK};
    const struct rn_net_outline o = outline_of(from);
    const struct rn_family *family;

    *out = NULL;
    for (size_t i = 0; (family = rn_family_at(i)) && !s.rc && !*out; i++)
        family->candidates(&o, try_network, &s);
    return s.rc;
}
