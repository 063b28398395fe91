/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures: decoding, and the way from a picture of any size to an image of
 * the network's. */
#ifndef RN_DATA_IMAGE_H
#define RN_DATA_IMAGE_H

#include "core/error.h"
#include "graph/graph.h"

#include <stdbool.h>

/** Most bytes of a file, pixels of a side (JPEG has no more), pixels in all:
 *  checked before anything of that size is allocated. */
#define RN_IMAGE_MAX_BYTES  ((size_t)1 << 28)
#define RN_IMAGE_MAX_SIDE   65535
#define RN_IMAGE_MAX_PIXELS ((size_t)1 << 27)

/* ----------------------------------------------------------- decoding */

/** One picture on its way from bytes to pixels. */
struct rn_picture {
    const char *name; /* for messages */
    const uint8_t *bytes;
    size_t size;
    size_t max_pixels;
    /* what a decoder fills in: */
    struct rn_image image; /* by rn_picture_start() */
    bool alpha;            /* four bytes a pixel, the last one opacity */
    int orientation;       /* EXIF's 1 to 8; other values mean 1 */
};

/** Check width and height and allocate p->image, four bytes a pixel when
 *  p->alpha is set, else three. On failure nothing is held. */
int rn_picture_start(struct rn_picture *p, size_t width, size_t height,
                     struct rn_error *err);

/* One file for each library. On failure p->image may be held: the caller
 * frees it. */
int rn_jpeg_decode(struct rn_picture *p, struct rn_error *err);
int rn_png_decode(struct rn_picture *p, struct rn_error *err);
int rn_webp_decode(struct rn_picture *p, struct rn_error *err);

/** A picture as PNG, in rn_alloc()ed memory. */
int rn_png_encode(const struct rn_image *image, uint8_t **bytes, size_t *size,
                  struct rn_error *err);

/** Orientation in an EXIF block, with or without "Exif\0\0" before it; 0 when
 *  it tells none. */
int rn_exif_orientation(const uint8_t *bytes, size_t size);

/** rn_image_decode() without flags and with another bound on the pixels, for
 *  fuzzing. */
int rn_image_decode_within(struct rn_image *out, const void *bytes, size_t size,
                           const char *name, size_t max_pixels,
                           struct rn_error *err);

/* --------------------------------------------------------- describing */

/** What the headers tell, of broken pictures, too. */
struct rn_picture_kind {
    const char *format; /* "JPEG", "PNG", "WebP"; NULL: none of them */
    int flags;          /* of rn_picture_flags in resnet.h */
    int orientation;    /* EXIF's 1 to 8; 0: not said */
};

void rn_picture_look(const uint8_t *bytes, size_t size,
                     struct rn_picture_kind *kind);

/* ----------------------------------------------------------- resizing */

/** Part of a picture that is width x height pixels large. */
struct rn_area {
    int64_t x, y;
    int width, height;
};

/**
 * The window of what resizing `in` to width x height pixels gives; nothing
 * outside the window is computed, so that the whole may be far too large.
 */
int rn_image_resize_window(struct rn_image *out, const struct rn_image *in,
                           int64_t width, int64_t height,
                           const struct rn_area *window,
                           enum rn_interpolation how, struct rn_error *err);

/* -------------------------------------------------- picture to network */

/** How a picture becomes an image: its shorter side is resized to `resize`
 *  pixels (0: the larger side of the shape), then the centre is cut out, and
 *  more where more are asked for. */
struct rn_view {
    struct rn_shape shape; /* of the image; c is 1 (grey) or 3 */
    int resize;
    enum rn_interpolation interpolation;
    int flags; /* rn_image_flags, for loading the picture */
    int crops; /* images of a picture: the centre; or 5, the centre and the
                  corners of the middle resize x resize; 0 means 1 */
};

/** A window of the picture resized to width x height. */
struct rn_placement {
    int64_t width, height;
    struct rn_area window;
};

/** What the view shows of a picture of that size: the centre. */
void rn_view_place(const struct rn_view *view, int width, int height,
                   struct rn_placement *place);

/** Mirror rows of w floats; `to` may be `from`. */
void rn_mirror(const float *from, float *to, size_t rows, size_t w);

/** The images, [crops][c][h][w] of 0..255. */
int rn_view_apply(const struct rn_view *view, const struct rn_image *picture,
                  uint8_t *pixels, struct rn_error *err);

#endif
