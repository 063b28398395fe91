/* SPDX-License-Identifier: BSD-2-Clause */
/* What the operators of an ONNX file become: values that are known now
 * (tensors, shapes), and values of the graph being built. Shared by the files
 * that know operators. */
#ifndef RN_FORMATS_ONNX_IMPORT_H
#define RN_FORMATS_ONNX_IMPORT_H

#include "formats/import_graph.h"
#include "formats/onnx/file.h"

/* The number of images, where a list of sizes has it. */
#define RN_ONNX_BATCH INT64_MIN
/* Most numbers of a list of integers that is followed. */
#define RN_ONNX_INTEGERS 64
/* Largest sizes of the network's input, and of a window. */
#define RN_ONNX_CHANNELS 4096
#define RN_ONNX_SIDE     65535

enum rn_onnx_kind {
    RN_ONNX_UNSET,
    RN_ONNX_NUMBERS, /* a constant of floats */
    RN_ONNX_LIST,    /* a constant of few integers, or of sizes */
    RN_ONNX_PICTURE, /* a value of the graph */
};

/* What a frame's pixels are. No layer makes one that is not of zeros; to a max
 * pool the others are padding. */
enum rn_onnx_frame {
    RN_ONNX_ZEROS,
    RN_ONNX_EDGE,   /* copies of the picture's edge */
    RN_ONNX_LOWEST, /* less than any number */
};

struct rn_onnx_value {
    enum rn_onnx_kind kind;
    /* Of constants. Numbers are one of: stored, made, all the same. */
    int dims;
    uint64_t dim[RN_TENSOR_DIMS];
    uint64_t count;
    const struct rn_onnx_tensor *stored;
    const float *made;
    float same;
    const int64_t *list;
    int plane; /* 1 + the place from which on it has rows and columns of the
                  picture that comes in; 0: it has none */
    /* Of constants that are whole multiples of scales, -128 to 127 times:
     * these, one or as many as there are along an axis. NULL: of others. */
    const float *scales;
    uint64_t n_scales;
    int axis;
    /* Of the graph's values: */
    int node;
    bool flat;       /* [batch,c*h*w] instead of [batch,c,h,w] */
    bool rows_first; /* [batch,h,w,c], or flattened from that */
    bool sole;       /* nobody else reads the node */
    /* and what is still to be done to the node's, one at most: */
    int step[2];  /* keep every n-th row, column; 0: all */
    int frame[4]; /* pixels around it: top, left, bottom, right */
    enum rn_onnx_frame frame_of;
    int groups;  /* channels looked at as [groups][c / groups]; 0: not */
    bool turned; /* and turned to [c / groups][groups] */
    /* Not dequantised yet: only views, pools of the largest and operators on
     * such numbers read it. */
    bool quantized;
    enum rn_dtype type; /* of those numbers */
    float unit, zero;   /* what one of it is worth, and which is 0 */
};

struct rn_onnx_import {
    const struct rn_onnx *file;
    struct rn_graph *g;
    struct rn_onnx_value *values; /* by value */
    uint32_t *readers;            /* likewise */
    bool *needed;                 /* by operator */
    struct rn_slab made;
    uint64_t made_left;  /* numbers that operators may still make */
    uint64_t param_left; /* and parameters the graph may still have */
    int64_t batch;       /* declared; 0: any */
    const struct rn_onnx_node *node; /* being read, and */
    const uint32_t *inputs;          /* the values that it reads */
    struct rn_error *err;
};

/* Fills the outputs of in->node. */
typedef int rn_onnx_operator(struct rn_onnx_import *in);

/** The function for an operator, or NULL: layers.c, shapes.c. */
rn_onnx_operator *rn_onnx_layer(struct rn_pb op);
rn_onnx_operator *rn_onnx_shaper(struct rn_pb op);

/* quantized.c */
rn_onnx_operator rn_onnx_read_quantize, rn_onnx_read_dequantize;
/** Input i as floats: a picture that was quantised by the scale and the zero
 *  point that inputs `scale` and `zero` are, or a constant of such numbers, its
 *  scales along an axis. */
int rn_onnx_dequantize(struct rn_onnx_import *in, uint32_t i, uint32_t scale,
                       uint32_t zero, int64_t axis, struct rn_onnx_value *out);
/** A picture rounded by the scale and the zero point that these inputs are. */
int rn_onnx_quantize(struct rn_onnx_import *in,
                     const struct rn_onnx_value *picture, uint32_t scale,
                     uint32_t zero, struct rn_onnx_value *out);
/** Give a layer's weights the scales of the constant that they are of, whose
 *  axis `outs` is that of the outputs. */
int rn_onnx_take_scales(struct rn_onnx_import *in, int node,
                        const struct rn_onnx_value *weights, int outs);

/* qlinear.c: operators on quantised numbers. */
rn_onnx_operator rn_onnx_read_qlinear;
/** Whether that is one; or one that rounds, or takes back. */
bool rn_onnx_is_qlinear(struct rn_pb op);
bool rn_onnx_is_quantized(struct rn_pb op);

/* channels.c */
rn_onnx_operator rn_onnx_read_split, rn_onnx_read_channel_gather;
/** `count` of a picture's channels, from `first` on every step-th, as *out. */
int rn_onnx_channels(struct rn_onnx_import *in, const struct rn_onnx_value *v,
                     int64_t first, int64_t step, uint64_t count,
                     struct rn_onnx_value *out);
/** A picture whose channels are to be looked at as groups, or no longer, if
 *  these sizes, resolved, say that: *done. */
int rn_onnx_regroup(struct rn_onnx_import *in, struct rn_onnx_value *v,
                    const int64_t *sizes, int n, bool *done);
/** Whether an axis is the channels'. */
bool rn_onnx_is_channels(const struct rn_onnx_value *v, int64_t axis);
/** Turn the groups of a picture, if that is what the order says. */
bool rn_onnx_turn_groups(struct rn_onnx_value *v, const int64_t *perm, int n);

/** Fail for an attribute of the operator that is not known; known.c. */
int rn_onnx_known(struct rn_onnx_import *in);

/* values.c: for operators. */

/** RN_ERR_DATA: "'PATH': operator 'NAME' (Conv) MESSAGE". */
__attribute__((format(printf, 2, 3))) int
rn_onnx_fail(struct rn_onnx_import *in, const char *format, ...);
/** An operator's name, or that of what it makes where it has none. */
struct rn_pb rn_onnx_node_name(const struct rn_onnx_import *in,
                               const struct rn_onnx_node *n);
/** The i-th input; NULL when it is left out. */
struct rn_onnx_value *rn_onnx_input(struct rn_onnx_import *in, uint32_t i);
/** Input i, which must be of that kind. */
int rn_onnx_expect(struct rn_onnx_import *in, uint32_t i,
                   enum rn_onnx_kind kind, struct rn_onnx_value **out);
/** Set the first output, its readers counted. */
void rn_onnx_output(struct rn_onnx_import *in, const struct rn_onnx_value *v);
/** Set output i alike. */
void rn_onnx_output_at(struct rn_onnx_import *in, uint32_t i,
                       const struct rn_onnx_value *v);
/** A picture that is that node, laid out as `like`; fails when the builder
 *  did. */
int rn_onnx_node_value(struct rn_onnx_import *in, int node,
                       const struct rn_onnx_value *like,
                       struct rn_onnx_value *out);
/** The first output is that node, laid out as `like`; fails when the builder
 *  did. */
int rn_onnx_output_node(struct rn_onnx_import *in, int node,
                        const struct rn_onnx_value *like);
/** Do what is still to be done to a value. */
int rn_onnx_settle(struct rn_onnx_import *in, struct rn_onnx_value *v);
/** Input i: a picture, settled, in any order of its dimensions. */
int rn_onnx_any_layout(struct rn_onnx_import *in, uint32_t i,
                       struct rn_onnx_value **out);
/** The same, [batch,c,h,w] or flattened from that. */
int rn_onnx_picture(struct rn_onnx_import *in, uint32_t i,
                    struct rn_onnx_value **out);
/** Its shape. */
struct rn_shape rn_onnx_shape_of(const struct rn_onnx_import *in,
                                 const struct rn_onnx_value *v);
/** Whether [c,h,w] is a list of channels. */
bool rn_onnx_is_one_pixel(struct rn_shape s);

/** Attributes, or what they are when left out. */
int64_t rn_onnx_int(const struct rn_onnx_import *in, const char *name,
                    int64_t otherwise);
float rn_onnx_float(const struct rn_onnx_import *in, const char *name,
                    float otherwise);
bool rn_onnx_has(const struct rn_onnx_import *in, const char *name);
/** A list from an attribute, or from input i (opset 10 and later; 0: there is
 *  none such); *n is its length, -1 when neither is there. Fails on more than
 *  `most` and on lists not known now. */
int rn_onnx_ints(struct rn_onnx_import *in, const char *name, uint32_t i,
                 int64_t *out, int most, int *n);

/** Room for numbers or integers that last as long as the import; NULL with
 *  the error set. */
float *rn_onnx_make(struct rn_onnx_import *in, uint64_t count);
/** A value of a tensor: numbers, or a list where it is a short one. */
int rn_onnx_constant(struct rn_onnx_import *in, const struct rn_onnx_tensor *t,
                     struct rn_onnx_value *v);
/** The first output is a table of integers, of the sizes of `like`. */
int rn_onnx_output_table(struct rn_onnx_import *in,
                         const struct rn_onnx_value *like, const int64_t *list);
/** The same of a list of so many (dims is 0 or 1). */
int rn_onnx_output_list(struct rn_onnx_import *in, int dims, uint64_t count,
                        const int64_t *list);
/** Copy a constant's numbers. */
int rn_onnx_load(struct rn_onnx_import *in, const struct rn_onnx_value *v,
                 float *out);
/** Count parameters to be made against what the file may ask for. */
int rn_onnx_claim(struct rn_onnx_import *in, uint64_t count);
/** A name for the node about to be built: that of the tensor at input i less
 *  its last part, or the operator's own. No other node has it. */
const char *rn_onnx_name(struct rn_onnx_import *in, uint32_t i,
                         char name[RN_IMPORT_NAME]);

#endif
