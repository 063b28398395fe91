/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures: decoding, and the way from a picture of any size to an image of
 * the network's. */
#ifndef RN_DATA_PICTURES_IMAGE_H
#define RN_DATA_PICTURES_IMAGE_H

#include "core/error.h"
#include "graph/graph.h"

#include <stdbool.h>

/** Most bytes of a file, pixels of a side (JPEG has no more), pixels in all:
 *  checked before anything of that size is allocated. */
#define RN_IMAGE_MAX_BYTES  ((size_t)1 << 28)
#define RN_IMAGE_MAX_SIDE   65535
#define RN_IMAGE_MAX_PIXELS ((size_t)1 << 27)

/* ----------------------------------------------------------- decoding */

/** What its file says of a picture; of a broken one what was read before it
 *  turned out to be. */
struct rn_picture_kind {
    const char *format; /* "JPEG", "PNG", ...; NULL: none that is decoded */
    int flags;          /* of rn_picture_flags in resnet.h */
    int orientation;    /* EXIF's 1 to 8; 0: not said */
};

/** One picture on its way from bytes to pixels. */
struct rn_picture {
    const char *name; /* for messages */
    const uint8_t *bytes;
    size_t size;
    size_t max_pixels;
    /* Asked, when not NULL, with the picture's size as EXIF turns it: by how
     * much (1, 2, 4 or 8) it may be decoded smaller, where that is cheap. */
    int (*reduce)(void *user, int width, int height);
    void *user;
    /* what a decoder fills in: */
    struct rn_image image; /* by rn_picture_start() */
    bool alpha;            /* four bytes a pixel, the last one opacity */
    bool multiplied;       /* the others are, by it */
    bool turned;           /* by the format itself, not by what lies beside */
    struct rn_picture_kind kind;
};

/** Check width and height. */
int rn_picture_check(const struct rn_picture *p, size_t width, size_t height,
                     struct rn_error *err);
/** The same, and allocate p->image, four bytes a pixel when
 *  p->alpha is set, else three. On failure nothing is held. */
int rn_picture_start(struct rn_picture *p, size_t width, size_t height,
                     struct rn_error *err);

/* One file for each library. On failure p->image may be held: the caller
 * frees it. */
int rn_jpeg_decode(struct rn_picture *p, struct rn_error *err);
int rn_png_decode(struct rn_picture *p, struct rn_error *err);
int rn_webp_decode(struct rn_picture *p, struct rn_error *err);
int rn_bmp_decode(struct rn_picture *p, struct rn_error *err);
int rn_pnm_decode(struct rn_picture *p, struct rn_error *err);
int rn_gif_decode(struct rn_picture *p, struct rn_error *err);
int rn_tiff_decode(struct rn_picture *p, struct rn_error *err);
int rn_heif_decode(struct rn_picture *p, struct rn_error *err);
int rn_jxl_decode(struct rn_picture *p, struct rn_error *err);

/** A picture as PNG, in rn_alloc()ed memory. */
int rn_png_encode(const struct rn_image *image, uint8_t **bytes, size_t *size,
                  struct rn_error *err);

/** Orientation in an EXIF block, with or without "Exif\0\0" before it; 0 when
 *  it tells none, 1 when it tells one that there is not. */
int rn_exif_orientation(const uint8_t *bytes, size_t size);
/** Orientation in an XMP packet, for pictures whose EXIF tells none; 0 when
 *  this tells none, either. */
int rn_xmp_orientation(const void *packet, size_t size);

/** rn_image_decode() without flags and with a bound on the pixels; *kind is
 *  filled in whether it fails or not. */
int rn_image_decode_kind(struct rn_image *out, struct rn_picture_kind *kind,
                         const void *bytes, size_t size, const char *name,
                         size_t max_pixels, struct rn_error *err);

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

/** Bytes that rn_image_probe() looks at: as long as any format's magic. */
#define RN_IMAGE_HEAD 32

/** Whether a file begins as a picture that can be decoded. Fails as
 *  rn_image_decode() does. */
int rn_image_probe(const char *name, const uint8_t *bytes, size_t size,
                   struct rn_error *err);

/** Decode a picture that reduce() may have decoded smaller. */
int rn_image_decode_reduced(struct rn_image *out, struct rn_picture_kind *kind,
                            const void *bytes, size_t size, const char *name,
                            int flags,
                            int (*reduce)(void *user, int width, int height),
                            void *user, struct rn_error *err);

/* -------------------------------------------------- picture to network */

enum rn_cut {
    RN_CUT_CENTRE,
    RN_CUT_AREA,    /* a part of random area and aspect ratio */
    RN_CUT_SHORTER, /* the shorter side resized to a random length, and a
                       random part of that (He et al. 2016, section 3.4) */
};

/** A cut at random: a function of seed, epoch, index and the picture's size. */
struct rn_random_cut {
    enum rn_cut kind;
    double least_area; /* RN_CUT_AREA: from this share of the picture to 1 */
    int shorter[2];    /* RN_CUT_SHORTER: from, to */
    uint64_t seed;
    uint32_t epoch, index;
};

/** A window of the picture resized to width x height. */
struct rn_placement {
    int64_t width, height;
    struct rn_area window;
};

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
    struct rn_random_cut random; /* instead of the centre */
    bool reduce; /* a JPEG may be decoded smaller before it is resized */
};

struct rn_model;
/** How a model sees pictures. */
struct rn_view rn_view_of(const struct rn_model *model);

/** Mirror rows of w floats; `to` may be `from`. */
void rn_mirror(const float *from, float *to, size_t rows, size_t w);

/** What the view shows of a picture of that size: the centre, or what is cut
 *  out at random. */
void rn_view_place(const struct rn_view *view, int width, int height,
                   struct rn_placement *place);
/** The random cut in images of that shape. */
void rn_random_place(const struct rn_random_cut *cut,
                     const struct rn_shape *shape, int width, int height,
                     struct rn_placement *place);

/** The image, [c][h][w] of 0..255, of what is placed. */
int rn_view_apply_at(const struct rn_view *view,
                     const struct rn_placement *place,
                     const struct rn_image *picture, uint8_t *pixels,
                     struct rn_error *err);
/** The images of the view, [crops][c][h][w] of 0..255. */
int rn_view_apply(const struct rn_view *view, const struct rn_image *picture,
                  uint8_t *pixels, struct rn_error *err);

#endif
