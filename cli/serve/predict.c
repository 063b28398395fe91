/* SPDX-License-Identifier: BSD-2-Clause */
/* POST /predict/NAME and /features/NAME: pictures as a body, or as the parts of
 * one. */
#include "serve.h"

#include "../flags.h"
#include "../output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** The parts that images are. */
struct parts {
    struct part *part;
    size_t count;
};

static void free_parts(void *work)
{
    struct parts *p = work;

    multipart_free(p->part, p->count);
    free(p);
}

/* ------------------------------------------------------------------- bodies */

static int take_parts(struct request *r)
{
    struct parts *p = calloc(1, sizeof(*p));
    struct rn_error err = {0};
    int most = r->server->options->queue;

    if (!p) {
        request_fail(r, 503, "out of memory");
        return -1;
    }
    r->work = p;
    r->free_work = free_parts;
    if (multipart_parse(&p->part, &p->count, r->body ? r->body : "", r->size,
                        r->boundary, (size_t)most, &err)) {
        request_fail(r, err.code == RN_ERR_DATA ? 400 : 503, "%s", err.msg);
        return -1;
    }
    if (request_prepare(r, p->count))
        return -1;
    for (size_t i = 0; i < p->count; i++) {
        r->images[i].bytes = p->part[i].bytes;
        r->images[i].size = p->part[i].size;
        r->images[i].name = p->part[i].name;
    }
    return 0;
}

static int take_body(struct request *r)
{
    if (r->size == 0) {
        request_fail(r, 400,
                     "the body is empty: a picture is expected, or "
                     "several as multipart/form-data");
        return -1;
    }
    if (request_prepare(r, 1))
        return -1;
    r->images[0].bytes = r->body;
    r->images[0].size = r->size;
    r->images[0].name = "request body";
    return 0;
}

static void begin(struct request *r)
{
    struct model *m = engine_model(r->server->engine, r->name);

    r->model = m; /* held from here on */
    if (!m) {
        request_fail(r, 404, "there is no model '%s'", r->name);
        return;
    }
    if (r->class_index >= 0 && !r->cam) {
        request_fail(r, 400, "class is that of a map, which cam=1 asks for");
        return;
    }
    if (r->class_index >= m->info.classes) {
        request_fail(r, 400, "class: %d, of a model of %d classes",
                     r->class_index, m->info.classes);
        return;
    }
    if (r->multipart == 0 ? take_parts(r) : take_body(r))
        return;
    request_submit(r);
}

/* ----------------------------------------------------------------- answers */

/* Base64 (RFC 4648) behind a beginning of text; malloc()ed. */
static char *base64(const char *before, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = strlen(before);
    char *text = malloc(n + (size + 2) / 3 * 4 + 1), *to = text + n;

    if (!text)
        return NULL;
    memcpy(text, before, n);
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned v = (unsigned)bytes[i] << 16 |
                     (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                     (left > 2 ? bytes[i + 2] : 0);

        *to++ = digits[v >> 18];
        *to++ = digits[v >> 12 & 63];
        *to++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[v & 63] : '=';
    }
    *to = '\0';
    return text;
}

/* The class map as a data URI, or why there is none. */
static void put_map(json_t *object, const struct image *image, int index)
{
    struct rn_image painted = {0, 0, NULL};
    struct rn_error err = {0};
    uint8_t *bytes = NULL;
    char *text = NULL;
    size_t size = 0;

    if (rn_model_paint(image->request->model->net, &image->picture, &index, 1,
                       &painted, &err) == RN_OK &&
        rn_image_encode(&painted, &bytes, &size, &err) == RN_OK)
        text = base64("data:image/png;base64,", bytes, size);
    json_put(object, "cam", json_text(text));
    if (text)
        json_put(object, "cam_class", json_count((uint64_t)index));
    else
        json_put(object, "cam_error",
                 json_text(err.code ? err.msg : "out of memory"));
    free(text);
    free(bytes);
    rn_image_free(&painted);
}

/* What a single picture, which has no name, is called. */
static const char *name_of(const struct request *r, const struct image *image)
{
    return r->multipart == 0 ? image->name : "-";
}

static json_t *describe_answer(struct request *r, struct image *image)
{
    struct answering a = r->model->answering;
    int classes = r->model->info.classes;
    json_t *object = NULL;
    int *top;

    if (r->top)
        a.k = r->top < classes ? r->top : classes;
    top = malloc((size_t)a.k * sizeof(*top));
    if (!top)
        return NULL;
    rn_probabilities(r->model->info.output, image->logits, classes);
    rn_top_k(image->logits, classes, a.k, top);
    object = answer_object(&a, name_of(r, image), -1, image->logits, top);
    if (r->cam)
        put_map(object, image, r->class_index >= 0 ? r->class_index : top[0]);
    free(top);
    return object;
}

static json_t *describe_features(struct request *r, struct image *image)
{
    const struct model *m = r->model;
    json_t *object = json_new(), *shape = json_list(), *list = json_list();

    for (int i = 0; i < 3; i++)
        json_add(shape, json_count((uint64_t)m->kept[i]));
    for (size_t i = 0; i < m->n_values; i++)
        json_add(list, json_double((double)image->values[i]));
    json_put(object, "file", json_text(name_of(r, image)));
    json_put(object, "stage", json_text(r->server->options->features));
    json_put(object, "shape", shape);
    json_put(object, "features", list);
    json_put(object, "precision", json_text(m->answering.precision));
    return object;
}

static json_t *describe_failure(struct request *r, const struct image *image)
{
    json_t *object = json_new();
    char text[2 * sizeof(image->err.msg)];

    json_put(object, "file", json_text(name_of(r, image)));
    json_put(object, "error",
             json_text(flags_for_fields(image->err.msg, text, sizeof(text))));
    return object;
}

/* One object of one picture; of several a line each, as predict --json. */
static void finish(struct request *r,
                   json_t *(*describe)(struct request *r, struct image *image))
{
    struct answer a = {.status = 200,
                       .type = r->multipart == 0 ? "application/x-ndjson"
                                                 : "application/json"};
    FILE *out = open_memstream(&a.text, &a.size);
    size_t failed = 0, written = 0;

    for (size_t i = 0; out && i < r->count; i++) {
        struct image *image = &r->images[i];
        int code = image_check(image);
        json_t *object = code ? describe_failure(r, image) : describe(r, image);
        size_t size;
        char *line = object ? json_print(object, &size) : NULL;

        failed += code != RN_OK;
        written += line && fwrite(line, 1, size, out) == size;
        free(line);
    }
    if (out && fclose(out) == 0 && written == r->count) {
        if (failed == r->count)
            a.status = error_status(r->images[0].err.code);
        request_answer(r, &a);
        return;
    }
    free(a.text);
    request_fail(r, 503, "out of memory");
}

void predict_begin(struct request *r)
{
    r->with_picture = r->cam;
    begin(r);
}

void predict_finish(struct request *r)
{
    finish(r, describe_answer);
}

void features_begin(struct request *r)
{
    r->with_values = 1;
    if (r->server->options->features)
        begin(r);
    else
        request_fail(r, 404,
                     "there are no features here: --features STAGE "
                     "serves them");
}

void features_finish(struct request *r)
{
    finish(r, describe_features);
}
