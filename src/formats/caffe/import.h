/* SPDX-License-Identifier: BSD-2-Clause */
/* A Caffe network becoming a graph. Shared by graph.c, which goes
 * through the layers, and layers.c, which knows them. */
#ifndef RN_FORMATS_CAFFE_IMPORT_H
#define RN_FORMATS_CAFFE_IMPORT_H

#include "formats/caffe/caffe.h"
#include "formats/import_graph.h"

/* Largest sizes of pictures, windows and strides. */
#define RN_CAFFE_SIDE     65535
#define RN_CAFFE_CHANNELS 4096 /* of the input */
/* Most values that one layer reads, that all compute, and nodes of the graph:
 * what is looked for in order stays quick. */
#define RN_CAFFE_BOTTOMS 256
#define RN_CAFFE_TOPS    20000
#define RN_CAFFE_NODES   20000

/* What a layer has computed, under its name ("top"). */
struct rn_caffe_top {
    struct rn_pb name;
    int node;  /* -1: a batch norm that its scale has joined */
    bool flat; /* [c*h*w] instead of [c,h,w] */
    bool norm; /* a batch norm that a scale may still join */
    int readers;
};

struct rn_caffe {
    const struct rn_prototxt *net;
    struct rn_caffe_weights *weights; /* NULL: structure alone */
    const struct rn_caffe_options *options;
    struct rn_graph *g;
    struct rn_caffe_top *tops; /* in the order they were made */
    size_t n_tops, tops_room;
    uint64_t params_left; /* the graph may still have */
    /* Being read: */
    const struct rn_prototxt_field *layer;
    struct rn_pb name, type;
    const struct rn_prototxt_field *param; /* its convolution_param or such */
    const struct rn_caffe_weighted *blobs;
    uint32_t expected; /* of them */
    int rc;            /* its first failure; later calls then do nothing */
    struct rn_error *err;
};

/* What the layers of a type do: set in->rc, or the tops. */
typedef void rn_caffe_layer(struct rn_caffe *in);

/* known.c: */

/** RN_ERR_DATA for a field of the network that is not known. */
int rn_caffe_known_net(const struct rn_prototxt *net, struct rn_error *err);
/** Fail for a field of the layer, or of one of its rules, that is not known. */
void rn_caffe_known_layer(struct rn_caffe *in);
/** Fail for a field of a message of the layer (or NULL) that is none of
 *  `words`; a star behind one means that it may be there several times. */
void rn_caffe_known(struct rn_caffe *in,
                    const struct rn_prototxt_field *message, const char *words);

/** The function for in->type, or NULL; layers.c. Sets in->param. */
rn_caffe_layer *rn_caffe_layer_of(struct rn_caffe *in);
/** The input of a network that has no layer for it. */
void rn_caffe_input(struct rn_caffe *in, struct rn_pb name,
                    const struct rn_prototxt_field *dims[4]);

/* tops.c: for layers. */

/** RN_ERR_DATA into in->rc, if it is the first: "'PATH': layer 'NAME' (TYPE)
 *  MESSAGE". */
__attribute__((format(printf, 2, 3))) void
rn_caffe_fail(struct rn_caffe *in, const char *format, ...);
/** Fail if a builder call did, whose value this is. */
void rn_caffe_check(struct rn_caffe *in, int node);
/** The newest value of that name; NULL when there is none. */
struct rn_caffe_top *rn_caffe_find_top(struct rn_caffe *in, struct rn_pb name);
/** How many values the layer reads. */
int rn_caffe_bottoms(const struct rn_caffe *in);
/** The i-th of them, all done; NULL after a failure. */
struct rn_caffe_top *rn_caffe_bottom(struct rn_caffe *in, int i);
/** Its node; it must not be flat. -1 after a failure. */
int rn_caffe_picture(struct rn_caffe *in, int i);
/** Set the layer's only value; fails when the builder did. The top for what
 *  is not just a picture, or NULL. */
struct rn_caffe_top *rn_caffe_set(struct rn_caffe *in, int node);
/** Set the value of a name, one of its tops. */
struct rn_caffe_top *rn_caffe_set_named(struct rn_caffe *in, struct rn_pb name,
                                        int node);
/** Set all of its values to one. */
void rn_caffe_set_all(struct rn_caffe *in, const struct rn_caffe_top *like);
/** The name of the node about to be built. */
const char *rn_caffe_name(const struct rn_caffe *in, char name[RN_IMPORT_NAME]);

/** A field of in->param, or what it is when left out; fails outside
 *  least..most. */
int rn_caffe_int(struct rn_caffe *in, const char *name, int otherwise,
                 int least, int most);
float rn_caffe_float(struct rn_caffe *in, const char *name, float otherwise);
bool rn_caffe_flag(struct rn_caffe *in, const char *name, bool otherwise);
/** The number of one of `words` (NULL ends them) that a field has as its text
 *  or as its number; 0 when left out. */
int rn_caffe_choice(struct rn_caffe *in, const char *name,
                    const char *const *words);

/** Count parameters to be made against what the network may have. */
void rn_caffe_claim(struct rn_caffe *in, uint64_t count);
/** Check that blob i of the layer is there with these sizes, and count
 *  parameters of them. */
void rn_caffe_expect(struct rn_caffe *in, uint32_t i, int dims,
                     const size_t *dim);
/** Its numbers into a parameter of a node; nothing without weights. */
void rn_caffe_load(struct rn_caffe *in, uint32_t i, int node, int place);

#endif
