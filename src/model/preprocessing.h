/* SPDX-License-Identifier: BSD-2-Clause */
/* How pictures become a network's numbers. */
#ifndef RN_MODEL_PREPROCESSING_H
#define RN_MODEL_PREPROCESSING_H

#include "graph/graph.h"

#include "resnet.h"

/** Pixels 0..255 become (pixel / 255 - mean) / std. For the per-pixel mean
 *  of the paper `mean` has c*h*w entries, else c; std always has c. Both are
 *  in the order of the network's channels.
 *
 *  With `contrast` an image loses its own mean first, and gets that deviation
 *  over all its numbers: global contrast normalisation. With `whitening` it is
 *  multiplied by that matrix last: ZCA. */
struct rn_preprocessing {
    bool per_pixel;
    bool bgr;         /* the network's channels are blue, green, red */
    float *mean;      /* owned; NULL: the model has no preprocessing */
    float *std;       /* owned */
    float contrast;   /* 0: none */
    float *whitening; /* owned; NULL: none. The lower triangle of a symmetric
                         matrix of the input's c*h*w numbers, row by row */
    /* Before that, of a picture of any size: its shorter side becomes
     * `resize` pixels (0: not stated, the larger side of the input), and the
     * input's h x w are cut from the centre. */
    int resize;
    enum rn_interpolation interpolation;
};

/** Const once it is made, for any number of threads: it caches nothing. */

/** Pixels [c][h][w] of a shape to the network's numbers; one of the input's
 *  size when there is a mean for every pixel. */
void rn_normalise(const struct rn_preprocessing *pre, struct rn_shape shape,
                  const uint8_t *pixels, float *image);
/** Most numbers of an image that is whitened: 3x64x64. */
enum { RN_WHITENED_MOST = 12288 };
/** Numbers of the triangle for images of n. */
size_t rn_whitening_count(size_t n);

/** Which channel of pixels, in RGB order, the network's channel c is. */
size_t rn_channel_stored(bool bgr, size_t channels, size_t c);

/** What the pixels of one of the network's channels become. */
struct rn_channel_scale {
    float value[256];  /* of each pixel, unless there is: */
    const float *mean; /* of every pixel; borrowed */
    float std;
};

/** The scale of the network's channel c, of so many pixels; mean and std are
 *  those of struct rn_preprocessing. */
void rn_channel_scale(struct rn_channel_scale *s, const float *mean,
                      const float *std, bool per_pixel, size_t c,
                      size_t pixels);
/** Numbers of the pixels `from` .. `from + count` of the channel's plane. */
void rn_channel_normalise(const struct rn_channel_scale *s,
                          const uint8_t *pixels, size_t from, size_t count,
                          float *out);

#endif
