/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers of requests, and how long requests live. */
#include "serve.h"

#include "../cli.h"
#include "../flags.h"
#include "../output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_TYPE "application/json"

static const struct {
    int code;
    unsigned status;
} statuses[] = {
    {RN_ERR_ARG, 400},
    {RN_ERR_DATA, 422},
    {RN_ERR_MEMORY, 503},
};

unsigned error_status(int code)
{
    for (size_t i = 0; i < COUNT(statuses); i++)
        if (statuses[i].code == code)
            return statuses[i].status;
    return 500;
}

char *json_print(json_t *object, size_t *size)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
    char *line;

    json_decref(object);
    if (!text)
        return NULL;
    *size = strlen(text) + 1;
    line = realloc(text, *size + 1);
    if (!line) {
        free(text);
        return NULL;
    }
    memcpy(line + *size - 1, "\n", 2);
    return line;
}

void request_json(struct request *r, unsigned status, json_t *object)
{
    struct answer a = {.status = status, .type = JSON_TYPE};
    static const char no_memory[] = "{\"error\":\"out of memory\"}\n";

    a.text = json_print(object, &a.size);
    if (!a.text)
        a = (struct answer){.status = 503,
                            .type = JSON_TYPE,
                            .text = (char *)no_memory,
                            .size = sizeof(no_memory) - 1,
                            .is_static = 1};
    a.retry = a.status == 503 ? 1 : 0;
    request_answer(r, &a);
}

void request_fail(struct request *r, unsigned status, const char *format, ...)
{
    json_t *object = json_new();
    char text[1200];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_put(object, "error", json_text(text));
    request_json(r, status, object);
}

void request_error(struct request *r, const struct rn_error *err)
{
    char text[2 * sizeof(err->msg)];

    request_fail(r, error_status(err->code), "%s",
                 flags_for_fields(err->msg, text, sizeof(text)));
}

int request_prepare(struct request *r, size_t count)
{
    int queue = r->server->options->queue;

    if (count > (size_t)queue) {
        request_fail(r, 413, "%zu images, of at most %d at once (--queue)",
                     count, queue);
        return -1;
    }
    r->images = calloc(count, sizeof(*r->images));
    if (!r->images) {
        request_fail(r, 503, "out of memory");
        return -1;
    }
    r->count = count;
    for (size_t i = 0; i < count; i++)
        r->images[i].request = r;
    return 0;
}

void request_submit(struct request *r)
{
    if (engine_submit(r->server->engine, r))
        request_fail(r, 503, "%d images wait already, of at most %d (--queue)",
                     engine_waiting(r->server->engine),
                     r->server->options->queue);
}

int image_check(struct image *image)
{
    const struct rn_model_info *info = &image->request->model->info;
    size_t classes = (size_t)info->classes;

    if (!image->err.code &&
        rn_first_not_finite(image->logits, classes) < classes) {
        image->err.code = RN_ERR_DATA;
        snprintf(image->err.msg, sizeof(image->err.msg),
                 "the network's answers are not finite numbers: values become "
                 "too large on the way");
    }
    return image->err.code;
}

int request_is_late(const struct request *r)
{
    return atomic_load(&r->state) != REQUEST_WAITING;
}

void request_hold(struct request *r)
{
    atomic_fetch_add(&r->refs, 1);
}

static void free_images(struct request *r)
{
    for (size_t i = 0; r->images && i < r->count; i++) {
        free(r->images[i].input);
        free(r->images[i].logits);
        free(r->images[i].values);
        rn_image_free(&r->images[i].picture);
    }
    free(r->images);
}

void request_release(struct request *r)
{
    if (atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    free_images(r);
    if (r->free_work)
        r->free_work(r->work);
    engine_release(r->server->engine, r->model);
    if (!r->answer.is_static)
        free(r->answer.text);
    atomic_fetch_sub(&r->server->held, r->room);
    free(r->body);
    free(r->target);
    free(r);
}
