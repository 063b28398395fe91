/* SPDX-License-Identifier: BSD-2-Clause */
/* Caffe's weights: lists of blobs under the names of layers (.caffemodel), or
 * one blob (.binaryproto). What layers do stands elsewhere. */
#ifndef RN_FORMATS_CAFFE_WEIGHTS_H
#define RN_FORMATS_CAFFE_WEIGHTS_H

#include "core/protobuf.h"

/* Most layers of a file, prototxt or caffemodel, blobs of all of them, values
 * that they read, and sizes of a blob. ResNet-1202 would have 5,000 layers. */
#define RN_CAFFE_LAYERS 10000
#define RN_CAFFE_BLOBS  40000
#define RN_CAFFE_VALUES 40000
#define RN_CAFFE_DIMS   8

struct rn_caffe_blob {
    struct rn_pb message;
    int dims;
    uint64_t dim[RN_CAFFE_DIMS];
    uint64_t count; /* numbers, as many as its sizes say */
};

struct rn_caffe_weighted {
    struct rn_pb name, message;
    uint32_t first, blobs; /* in rn_caffe_weights.blobs */
    bool found;            /* somebody has asked for it */
    bool read;             /* see rn_caffe_weights_wire() */
};

struct rn_caffe_weights {
    const char *path; /* borrowed, for messages */
    uint8_t *file;    /* owned; NULL when the caller has the bytes */
    struct rn_pb net; /* all of it */
    struct rn_caffe_weighted *layers; /* those with blobs */
    size_t n_layers, layers_room;
    struct rn_caffe_blob *blobs;
    size_t n_blobs, blobs_room;
    uint64_t count;    /* numbers of all blobs */
    size_t last_found; /* layers are asked for in their order */
};

/** Read and check a file's structure. `path` is borrowed until closing. */
int rn_caffe_weights_open(struct rn_caffe_weights *w, const char *path,
                          struct rn_error *err);
/** The same on bytes in memory (borrowed; fuzzing). */
int rn_caffe_weights_parse(struct rn_caffe_weights *w, const uint8_t *bytes,
                           size_t size, const char *path, struct rn_error *err);
/** Also after a failure, and on a zeroed struct. */
void rn_caffe_weights_close(struct rn_caffe_weights *w);
/** The layer of that name; NULL when it has no blobs. */
const struct rn_caffe_weighted *
rn_caffe_weights_find(struct rn_caffe_weights *w, struct rn_pb name);

/** Set `read` of all layers with blobs: whether what they make is read, as the
 *  file has the network, by one that is known, be it through layers that are
 *  not. RN_ERR_DATA for more layers or values than networks have. */
int rn_caffe_weights_wire(struct rn_caffe_weights *w,
                          bool (*known)(void *user, struct rn_pb name),
                          void *user, struct rn_error *err);

/** A BlobProto taken apart; false when it is none, or has other sizes than
 *  numbers. */
bool rn_caffe_blob_parse(struct rn_pb message, struct rn_caffe_blob *b);
/** Whether it has these sizes, sizes of 1 before them aside (and behind a
 *  single one), as files from when every blob had four have it. */
bool rn_caffe_blob_fits(const struct rn_caffe_blob *b, int dims,
                        const size_t *dim);
/** Its numbers, b->count of them. */
void rn_caffe_blob_read(const struct rn_caffe_blob *b, float *out);
/** "64x3x7x7" into buf, cut to its size. */
const char *rn_caffe_blob_text(const struct rn_caffe_blob *b, char *buf,
                               size_t size);

#endif
