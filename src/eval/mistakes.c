/* SPDX-License-Identifier: BSD-2-Clause */
/* A page of the images that were answered wrongly, to be looked at in any
 * browser: one file, without scripts. */
#include "eval/report.h"

#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/text.h"
#include "data/pictures/image.h"

#include <stdlib.h>
#include <string.h>

static const char head[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\"><meta charset=\"utf-8\"><title>mistakes</title>\n"
    "<style>\n"
    "body { font-family: sans-serif; margin: 2em; color: #111827 }\n"
    "main { display: flex; flex-wrap: wrap; gap: 1.5em }\n"
    "figure { width: 15em; margin: 0 }\n"
    "img { width: 15em; height: 15em; object-fit: contain; "
    "background: #f3f4f6 }\n"
    "img.small { image-rendering: pixelated }\n"
    "figcaption { font-size: .85em; overflow-wrap: anywhere }\n"
    "small { color: #6b7280 }\n"
    "</style>\n";

#define SHOWN 240 /* pixels of the longer side of a picture: 15em */

struct page {
    const struct rn_report *report;
    int *order; /* images answered wrongly, the surest first */
    int count;
};

/* ---------------------------------------------------------------- images */

/* An address may hold anything once what is not a letter, a digit or a
 * separator is written as %XX. */
static void print_address(FILE *out, const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-._~";

    for (; *path; path++) {
        if (strchr(plain, *path))
            putc(*path, out);
        else
            fprintf(out, "%%%02X", (unsigned char)*path);
    }
}

static void print_link(FILE *out, const char *file)
{
    char *absolute = realpath(file, NULL);

    fputs("<img loading=\"lazy\" alt=\"\" src=\"", out);
    if (absolute)
        fputs("file://", out);
    print_address(out, absolute ? absolute : file);
    fputs("\">", out);
    free(absolute);
}

static void print_base64(FILE *out, const uint8_t *bytes, size_t size)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        uint32_t word = (uint32_t)bytes[i] << 16;

        if (i + 1 < size)
            word |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < size)
            word |= bytes[i + 2];
        putc(digit[word >> 18], out);
        putc(digit[word >> 12 & 63], out);
        putc(i + 1 < size ? digit[word >> 6 & 63] : '=', out);
        putc(i + 2 < size ? digit[word & 63] : '=', out);
    }
}

/* Planes to RGB; one of a single channel is grey, of others the first three
 * are shown. */
static bool to_picture(const struct rn_data *data, const uint8_t *planes,
                       struct rn_image *out)
{
    size_t pixels = rn_shape_pixels(data->shape);

    *out = (struct rn_image){data->shape.w, data->shape.h, rn_alloc(pixels, 3)};
    for (size_t i = 0; out->pixels && i < pixels; i++)
        for (size_t c = 0; c < 3; c++)
            out->pixels[3 * i + c] =
                planes[(data->shape.c >= 3 ? c : 0) * pixels + i];
    return out->pixels != NULL;
}

/* A picture within the page. */
static void print_png(FILE *out, const struct rn_image *image,
                      const char *attributes)
{
    uint8_t *png = NULL;
    size_t size;

    if (rn_png_encode(image, &png, &size, NULL) == RN_OK) {
        fprintf(out, "<img %salt=\"\" src=\"data:image/png;base64,",
                attributes);
        print_base64(out, png, size);
        fputs("\">", out);
    }
    rn_free(png);
}

static void print_pixels(FILE *out, const struct rn_data *data,
                         const uint8_t *planes)
{
    struct rn_image image;

    if (to_picture(data, planes, &image))
        print_png(out, &image, "class=\"small\" ");
    rn_image_free(&image);
}

/* Of a picture in an archive, which no address leads to, as much as the page
 * shows of it. */
static void print_small(const struct rn_report *r, int index, FILE *out)
{
    struct rn_image picture, small = {0, 0, NULL};
    int side, rc;

    rc = rn_data_picture(r->data, r->part, index, 0, &picture, NULL);
    side = picture.width > picture.height ? picture.width : picture.height;
    side = side > SHOWN ? side : SHOWN;
    if (!rc)
        rc = rn_image_resize(
            &small, &picture, (picture.width * SHOWN + side - 1) / side,
            (picture.height * SHOWN + side - 1) / side, RN_BILINEAR, NULL);
    if (!rc)
        print_png(out, &small, "");
    rn_image_free(&small);
    rn_image_free(&picture);
}

static void print_image(const struct rn_report *r, int index, FILE *out)
{
    const struct rn_data *data = r->data;
    const char *file = rn_data_file(data, r->part, index);
    size_t bytes = rn_shape_size(data->shape);

    if (file && rn_files_in_archive(&data->source, file))
        print_small(r, index, out);
    else if (file)
        print_link(out, file);
    else
        print_pixels(out, data,
                     data->part[r->part].pixels + (size_t)index * bytes);
}

/* ------------------------------------------------------------------ page */

static void print_class(const struct rn_report *r, int i, float probability,
                        FILE *out)
{
    char buf[16];

    rn_text_xml(out, rn_report_name(r, i, buf, sizeof(buf)));
    rn_print(out, " (%d) %.1f&#8239;%%", i, 100 * (double)probability);
}

static void print_mistake(const struct rn_report *r, int index, FILE *out)
{
    const struct rn_answer *a = &r->answers[index];
    char buf[600];

    fputs("<figure>", out);
    print_image(r, index, out);
    fputs("<figcaption>taken for <b>", out);
    print_class(r, a->top[0], a->top_probability[0], out);
    fputs("</b><br>labelled ", out);
    print_class(r, a->label, a->probability, out);
    if (a->rank < r->classes)
        fprintf(out, ", place %d", a->rank + 1);
    fputs("<br><small>", out);
    rn_text_xml(out, rn_report_image(r, index, buf, sizeof(buf)));
    fputs("</small></figcaption></figure>\n", out);
}

static void print_page(const void *what, FILE *out)
{
    const struct page *page = what;
    const struct rn_report *r = page->report;

    fputs(head, out);
    fprintf(out, "<h1>%d of %d images answered wrongly</h1>\n<p>", page->count,
            r->count);
    rn_text_xml(out, r->model->path ? r->model->path : r->model->spec.name);
    fputs(" on ", out);
    rn_text_xml(out, r->data->spec);
    fprintf(out, ", %s part; the surest answers first.</p>\n<main>\n",
            rn_part_name(r->part));
    for (int i = 0; i < page->count; i++)
        print_mistake(r, page->order[i], out);
    fputs("</main></html>\n", out);
}

static int surer(const void *a, const void *b, void *answers)
{
    const int *i = a, *j = b;
    const struct rn_answer *at = answers;
    float p = at[*i].top_probability[0], q = at[*j].top_probability[0];

    return p > q ? -1 : p < q ? 1 : *i < *j ? -1 : 1;
}

int rn_report_mistakes(const struct rn_report *report, const char *path,
                       struct rn_error *err)
{
    struct page page = {.report = report};
    int rc;

    page.order = rn_alloc((size_t)report->count, sizeof(*page.order));
    if (!page.order)
        return rn_fail_memory(err, (size_t)report->count, path);
    for (int i = 0; i < report->count; i++)
        if (report->answers[i].rank > 0)
            page.order[page.count++] = i;
    qsort_r(page.order, (size_t)page.count, sizeof(*page.order), surer,
            report->answers);
    rc = rn_print_file(path, print_page, &page, err);
    rn_free(page.order);
    return rc;
}
