/* SPDX-License-Identifier: BSD-2-Clause */
/* The Open Inference Protocol, version 2, as Triton, KServe and OpenVINO Model
 * Server speak it. */
#include "serve.h"

#include "tensors.h"

#include "../output.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* JSON of numbers takes many times its length while it is read: large bodies
 * one at a time. */
#define LARGE ((size_t)1 << 20)

/* ------------------------------------------------------------ descriptions */

void v2_server(struct request *r)
{
    json_t *object = json_new(), *extensions = json_list();

    json_add(extensions, json_text("binary_tensor_data"));
    json_put(object, "name", json_text("resnet"));
    json_put(object, "version", json_text(rn_version()));
    json_put(object, "extensions", extensions);
    request_json(r, 200, object);
}

static void answer_flag(struct request *r, const char *name, int flag)
{
    json_t *object = json_new();

    json_put(object, name, json_boolean(flag));
    request_json(r, flag ? 200 : 503, object);
}

void v2_live(struct request *r)
{
    answer_flag(r, "live", 1);
}

void v2_ready(struct request *r)
{
    answer_flag(r, "ready", !atomic_load(&r->server->closing));
}

/* The request's model, which it then holds; NULL after an answer. */
static struct model *find_model(struct request *r)
{
    r->model = engine_model(r->server->engine, r->name);
    if (!r->model)
        request_fail(r, 404, "there is no model '%s'", r->name);
    return r->model;
}

static json_t *tensor(const char *name, const char *type,
                      const json_int_t *dims, int n)
{
    json_t *object = json_new(), *shape = json_list();

    json_put(object, "name", json_text(name));
    json_put(object, "datatype", json_text(type));
    for (int i = 0; i < n; i++)
        json_add(shape, json_integer(dims[i]));
    json_put(object, "shape", shape);
    return object;
}

void v2_model(struct request *r)
{
    const struct model *m = find_model(r);
    json_t *object, *versions, *inputs, *outputs;

    if (!m)
        return;
    object = json_new();
    versions = json_list();
    inputs = json_list();
    outputs = json_list();
    const json_int_t any[] = {-1};
    const json_int_t image[] = {-1, m->info.channels, m->info.height,
                                m->info.width};
    const json_int_t classes[] = {-1, m->info.classes};
    json_add(versions, json_text("1"));
    json_add(inputs, tensor("image", "BYTES", any, 1));
    json_add(inputs, tensor("input", "FP32", image, 4));
    for (int i = 0; i < OUTPUTS; i++)
        json_add(outputs, tensor(output_names[i], "FP32", classes, 2));
    json_put(object, "name", json_text(r->name));
    json_put(object, "versions", versions);
    json_put(object, "platform", json_text("resnet"));
    json_put(object, "inputs", inputs);
    json_put(object, "outputs", outputs);
    request_json(r, 200, object);
}

void v2_model_ready(struct request *r)
{
    json_t *object;

    if (!find_model(r))
        return;
    object = json_new();
    json_put(object, "name", json_text(r->name));
    json_put(object, "ready", json_true());
    request_json(r, 200, object);
}

/* ----------------------------------------------------------------- requests */

static void free_inference(void *work)
{
    inference_free(work);
    free(work);
}

/* Take the body apart into r->work; 0, or -1 after an answer. */
static int read_body(struct request *r)
{
    const struct rn_model_info *info = &r->model->info;
    const struct tensor_shape shape = {info->channels, info->height,
                                       info->width};
    size_t header = r->json_header == SIZE_MAX ? r->size : r->json_header;
    struct inference *in = calloc(1, sizeof(*in));
    struct rn_error err = {0};
    int large = header > LARGE;

    r->work = in;
    r->free_work = free_inference;
    if (!in) {
        r->free_work = NULL;
        request_fail(r, 503, "out of memory");
        return -1;
    }
    if (large)
        pthread_mutex_lock(&r->server->large_json);
    inference_parse(in, r->body ? r->body : "", r->size, header, &shape,
                    (size_t)r->server->options->queue, &err);
    if (large)
        pthread_mutex_unlock(&r->server->large_json);
    if (err.code)
        request_fail(r, err.code == RN_ERR_MEMORY ? 503 : 400, "%s", err.msg);
    return err.code ? -1 : 0;
}

void infer_begin(struct request *r)
{
    struct inference *in;

    if (!find_model(r) || read_body(r))
        return;
    in = r->work;
    if (request_prepare(r, in->count))
        return;
    for (size_t i = 0; i < r->count; i++) {
        struct image *image = &r->images[i];

        image->name = "image";
        if (in->pictures) {
            image->bytes = in->pictures[i].bytes;
            image->size = in->pictures[i].size;
        } else {
            image->input = malloc(r->model->pixels * sizeof(float));
            if (!image->input) {
                request_fail(r, 503, "out of memory");
                return;
            }
            memcpy(image->input, in->input + i * r->model->pixels,
                   r->model->pixels * sizeof(float));
        }
    }
    free(in->input);
    in->input = NULL;
    request_submit(r);
}

/* ------------------------------------------------------------------ answers */

/* An output's values of all images, one behind the other. */
static void copy_values(const struct request *r, int output, float *values)
{
    size_t classes = (size_t)r->model->info.classes;

    for (size_t i = 0; i < r->count; i++) {
        memcpy(values + i * classes, r->images[i].logits,
               classes * sizeof(*values));
        if (output == OUTPUT_PROBABILITIES)
            rn_probabilities(r->model->info.output, values + i * classes,
                             (int)classes);
    }
}

static void write_binary(FILE *out, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;

        memcpy(&bits, &values[i], sizeof(bits));
        bits = htole32(bits);
        fwrite(&bits, sizeof(bits), 1, out);
    }
}

/* One output into the answer's JSON, or behind it. */
static int put_output(const struct request *r, int output, json_t *list,
                      FILE *binary)
{
    const struct inference *in = r->work;
    size_t count = r->count * (size_t)r->model->info.classes;
    const json_int_t dims[] = {(json_int_t)r->count, r->model->info.classes};
    float *values = malloc(count * sizeof(*values));
    json_t *object, *data;

    if (!values)
        return -1;
    copy_values(r, output, values);
    object = tensor(output_names[output], "FP32", dims, 2);
    if (in->outputs[output] == OUTPUT_BINARY) {
        data = json_new();
        json_put(data, "binary_data_size", json_count(count * sizeof(*values)));
        json_put(object, "parameters", data);
        write_binary(binary, values, count);
    } else {
        data = json_list();
        for (size_t i = 0; i < count; i++)
            json_add(data, json_double((double)values[i]));
        json_put(object, "data", data);
    }
    json_add(list, object);
    free(values);
    return 0;
}

/* JSON, and behind it what was asked for as binary. */
static void answer_outputs(struct request *r, json_t *list, const char *binary,
                           size_t size)
{
    const struct inference *in = r->work;
    struct answer a = {.status = 200, .type = "application/json"};
    json_t *object = json_new();
    char *grown;

    json_put(object, "model_name", json_text(r->name));
    json_put(object, "model_version", json_text("1"));
    if (in->id)
        json_put(object, "id", json_text(in->id));
    json_put(object, "outputs", list);
    a.text = json_print(object, &a.size);
    grown = a.text ? realloc(a.text, a.size + size + 1) : NULL;
    if (!grown) {
        free(a.text);
        request_fail(r, 503, "out of memory");
        return;
    }
    a.text = grown;
    if (size) {
        a.json_header = a.size;
        a.type = "application/octet-stream";
        memcpy(a.text + a.size, binary, size);
        a.size += size;
    }
    request_answer(r, &a);
}

void infer_finish(struct request *r)
{
    const struct inference *in = r->work;
    json_t *list;
    char *bytes = NULL;
    size_t size = 0;
    FILE *binary;
    int failed = 0;

    for (size_t i = 0; i < r->count; i++)
        if (image_check(&r->images[i])) {
            request_error(r, &r->images[i].err);
            return;
        }
    binary = open_memstream(&bytes, &size);
    list = json_list();
    for (size_t i = 0; binary && i < in->n_outputs && !failed; i++)
        failed = put_output(r, in->order[i], list, binary);
    if (!binary || fclose(binary) != 0 || failed) {
        json_decref(list);
        request_fail(r, 503, "out of memory");
    } else {
        answer_outputs(r, list, bytes, size);
    }
    free(bytes);
}
