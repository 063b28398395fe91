/* SPDX-License-Identifier: BSD-2-Clause */
/* HEIC and AVIF by libheif, the only file that includes it. Of several pictures
 * or frames the primary one counts. The library turns and crops it as the
 * format says it shall be seen; of EXIF beside it nothing counts, as the format
 * says, too. */
#include "data/pictures/image.h"

#include "core/count.h"
#include "core/late.h"

#include <libheif/heif.h>
#include <string.h>

/* clang-format off */
#define FUNCTIONS(F) \
    F(context_alloc) \
    F(context_free) \
    F(context_get_number_of_top_level_images) \
    F(context_get_primary_image_handle) \
    F(context_read_from_memory_without_copy) \
    F(context_set_maximum_image_size_limit) \
    F(decode_image) \
    F(image_get_height) \
    F(image_get_plane_readonly) \
    F(image_get_width) \
    F(image_handle_get_height) \
    F(image_handle_get_luma_bits_per_pixel) \
    F(image_handle_get_width) \
    F(image_handle_has_alpha_channel) \
    F(image_handle_release) \
    F(image_is_premultiplied_alpha) \
    F(image_release)

#define POINTER(name) __typeof__(heif_##name) *name;
#define NAME(name) {"heif_" #name, &heif.name},
/* clang-format on */

static struct {
    FUNCTIONS(POINTER)
} heif;

static const struct rn_late_function functions[] = {FUNCTIONS(NAME)};
static struct rn_late library = {"libheif.so.1", functions, COUNT(functions),
                                 false};

static int fail(const struct rn_picture *p, struct heif_error why,
                struct rn_error *err)
{
    if (why.code == heif_error_Memory_allocation_error)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': %s: decoding it takes too much "
                       "memory",
                       p->name, p->kind.format);
    return rn_fail(err, RN_ERR_DATA, "'%s': %s: %.200s", p->name,
                   p->kind.format, why.message ? why.message : "damaged data");
}

/* Rows of the library's may be longer than the picture is wide. */
static int copy(struct rn_picture *p, struct heif_image *image,
                struct rn_error *err)
{
    int width = heif.image_get_width(image, heif_channel_interleaved);
    int height = heif.image_get_height(image, heif_channel_interleaved);
    size_t row = (size_t)(p->alpha ? 4 : 3);
    int stride = 0;
    const uint8_t *rows =
        heif.image_get_plane_readonly(image, heif_channel_interleaved, &stride);
    int rc;

    if (!rows || width < 1 || height < 1 || stride < 1)
        return rn_fail(err, RN_ERR_DATA, "'%s': %s: there is no picture in it",
                       p->name, p->kind.format);
    rc = rn_picture_start(p, (size_t)width, (size_t)height, err);
    if (rc)
        return rc;
    row *= (size_t)width;
    for (size_t y = 0; y < (size_t)height; y++)
        memcpy(p->image.pixels + y * row, rows + y * (size_t)stride, row);
    p->multiplied = p->alpha && heif.image_is_premultiplied_alpha(image);
    return RN_OK;
}

static int decode_primary(struct rn_picture *p,
                          const struct heif_image_handle *handle,
                          struct rn_error *err)
{
    int width = heif.image_handle_get_width(handle);
    int height = heif.image_handle_get_height(handle);
    struct heif_image *image = NULL;
    struct heif_error why;
    int rc = rn_picture_check(p, width > 0 ? (size_t)width : 0,
                              height > 0 ? (size_t)height : 0, err);

    if (rc)
        return rc;
    p->alpha = heif.image_handle_has_alpha_channel(handle);
    p->kind.flags |=
        (p->alpha ? RN_KIND_ALPHA : 0) |
        (heif.image_handle_get_luma_bits_per_pixel(handle) > 8 ? RN_KIND_DEEP
                                                               : 0);
    why = heif.decode_image(handle, &image, heif_colorspace_RGB,
                            p->alpha ? heif_chroma_interleaved_RGBA
                                     : heif_chroma_interleaved_RGB,
                            NULL);
    if (why.code != heif_error_Ok)
        return fail(p, why, err);
    rc = copy(p, image, err);
    heif.image_release(image);
    return rc;
}

/* Whether the file is an animation, whose frames are no pictures to the
 * library: its brand says so. */
static bool is_animation(const struct rn_picture *p)
{
    static const char *const brands[] = {"avis", "hevc", "hevx", "msf1"};

    for (size_t i = 0; i < COUNT(brands) && p->size >= 12; i++)
        if (memcmp(p->bytes + 8, brands[i], 4) == 0)
            return true;
    return false;
}

static int decode(struct rn_picture *p, struct heif_context *context,
                  struct rn_error *err)
{
    struct heif_image_handle *handle = NULL;
    struct heif_error why = heif.context_read_from_memory_without_copy(
        context, p->bytes, p->size, NULL);
    int rc;

    if (why.code == heif_error_Ok)
        why = heif.context_get_primary_image_handle(context, &handle);
    if (why.code != heif_error_Ok)
        return fail(p, why, err);
    if (is_animation(p) ||
        heif.context_get_number_of_top_level_images(context) > 1)
        p->kind.flags |= RN_KIND_SEVERAL;
    rc = decode_primary(p, handle, err);
    heif.image_handle_release(handle);
    return rc;
}

int rn_heif_decode(struct rn_picture *p, struct rn_error *err)
{
    const char *why = rn_late_load(&library);
    struct heif_context *context;
    int rc;

    if (why)
        return rn_fail(err, RN_ERR_DATA, "'%s': %s: %.300s", p->name,
                       p->kind.format, why);
    context = heif.context_alloc();
    if (!context)
        return rn_fail(err, RN_ERR_MEMORY, "'%s': out of memory", p->name);
    heif.context_set_maximum_image_size_limit(context, RN_IMAGE_MAX_SIDE);
    rc = decode(p, context, err);
    heif.context_free(context);
    return rc;
}
