/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers of the fields of Caffe's messages (caffe.proto), as far as weights
 * need them. */
#ifndef RN_FORMATS_CAFFE_FIELDS_H
#define RN_FORMATS_CAFFE_FIELDS_H

enum {
    /* NetParameter */
    CAFFE_NET_LAYERS_V1 = 2,
    CAFFE_NET_LAYER = 100,
    /* V1LayerParameter */
    CAFFE_V1_BOTTOM = 2,
    CAFFE_V1_TOP = 3,
    CAFFE_V1_NAME = 4,
    CAFFE_V1_BLOBS = 6,
    /* LayerParameter */
    CAFFE_LAYER_NAME = 1,
    CAFFE_LAYER_BOTTOM = 3,
    CAFFE_LAYER_TOP = 4,
    CAFFE_LAYER_BLOBS = 7,
    /* BlobProto: its four sizes, older than its shape, come first */
    CAFFE_BLOB_NUM = 1,
    CAFFE_BLOB_WIDTH = 4,
    CAFFE_BLOB_DATA = 5,
    CAFFE_BLOB_SHAPE = 7,
    CAFFE_BLOB_DOUBLE_DATA = 8,
    /* BlobShape */
    CAFFE_SHAPE_DIM = 1,
};

#endif
