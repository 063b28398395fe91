/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads inference requests: every member is known or refused by name. */
#include "tensors.h"

#include <endian.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const output_names[OUTPUTS] = {"logits", "probabilities"};

__attribute__((format(printf, 3, 4))) static int
fail(struct rn_error *err, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(err->msg, sizeof(err->msg), format, args);
    va_end(args);
    err->code = code;
    return code;
}

static int fail_memory(struct rn_error *err)
{
    return fail(err, RN_ERR_MEMORY, "out of memory");
}

/* The members of an object are among `known`, "|a|b|". */
static int check_members(const json_t *object, const char *what,
                         const char *known, struct rn_error *err)
{
    const char *key;
    json_t *value;
    char name[80];

    json_object_foreach((json_t *)object, key, value)
    {
        snprintf(name, sizeof(name), "|%s|", key);
        if (!strstr(known, name) || strchr(key, '|'))
            return fail(err, RN_ERR_ARG, "%s: '%.60s' is not known here", what,
                        key);
    }
    return RN_OK;
}

/* A member that is an object, or NULL where it is missing. */
static int get_object(const json_t *object, const char *key, const char *what,
                      json_t **out, struct rn_error *err)
{
    *out = json_object_get(object, key);
    if (*out && !json_is_object(*out))
        return fail(err, RN_ERR_DATA, "%s: %s is not an object", what, key);
    return RN_OK;
}

static int get_flag(const json_t *object, const char *key, int *flag,
                    struct rn_error *err)
{
    json_t *value = json_object_get(object, key);

    if (!value)
        return RN_OK;
    if (!json_is_boolean(value))
        return fail(err, RN_ERR_DATA, "%s is not true or false", key);
    *flag = json_is_true(value);
    return RN_OK;
}

/* ---------------------------------------------------------------- outputs */

static int read_output(struct inference *in, const json_t *output, int binary,
                       struct rn_error *err)
{
    const char *name = json_string_value(json_object_get(output, "name"));
    json_t *parameters;
    int i = 0, rc;

    if (!name)
        return fail(err, RN_ERR_DATA, "an output has no name");
    rc = check_members(output, "output", "|name|parameters|", err);
    if (!rc)
        rc = get_object(output, "parameters", "output", &parameters, err);
    if (!rc && parameters)
        rc = check_members(parameters, "parameters of an output",
                           "|binary_data|", err);
    if (!rc && parameters)
        rc = get_flag(parameters, "binary_data", &binary, err);
    if (rc)
        return rc;
    while (i < OUTPUTS && strcmp(name, output_names[i]) != 0)
        i++;
    if (i == OUTPUTS)
        return fail(err, RN_ERR_ARG,
                    "output '%.60s' is not known: there are logits and "
                    "probabilities",
                    name);
    if (in->outputs[i])
        return fail(err, RN_ERR_DATA, "output '%s' is asked for twice", name);
    in->outputs[i] = binary ? OUTPUT_BINARY : OUTPUT_JSON;
    in->order[in->n_outputs++] = (unsigned char)i;
    return RN_OK;
}

static int read_outputs(struct inference *in, const json_t *root, int binary,
                        struct rn_error *err)
{
    json_t *outputs = json_object_get(root, "outputs"), *output;
    size_t i;

    if (outputs && !json_is_array(outputs))
        return fail(err, RN_ERR_DATA, "outputs is not a list");
    json_array_foreach(outputs, i, output)
    {
        int rc = read_output(in, output, binary, err);

        if (rc)
            return rc;
    }
    for (int k = 0; !in->n_outputs && k < OUTPUTS; k++) {
        in->outputs[k] = binary ? OUTPUT_BINARY : OUTPUT_JSON;
        in->order[k] = (unsigned char)k;
    }
    if (!in->n_outputs)
        in->n_outputs = OUTPUTS;
    return RN_OK;
}

/* ----------------------------------------------------------------- shapes */

/* The i-th size of a shape: not negative, else -1. */
static json_int_t shape_at(const json_t *shape, size_t i)
{
    json_t *n = json_array_get(shape, i);

    return json_is_integer(n) ? json_integer_value(n) : -1;
}

static int check_count(struct inference *in, json_int_t n, size_t most,
                       const char *name, struct rn_error *err)
{
    if (n < 1 || (uint64_t)n > most)
        return fail(err, RN_ERR_DATA,
                    "input '%s': %lld images, expected 1 to %zu", name,
                    (long long)n, most);
    in->count = (size_t)n;
    return RN_OK;
}

static int read_image_shape(struct inference *in, const json_t *shape,
                            size_t most, struct rn_error *err)
{
    size_t dims = json_array_size(shape);

    if (dims < 1 || dims > 2 || (dims == 2 && shape_at(shape, 1) != 1))
        return fail(err, RN_ERR_DATA,
                    "input 'image': its shape is not [N] or [N, 1]");
    return check_count(in, shape_at(shape, 0), most, "image", err);
}

static int read_input_shape(struct inference *in, const json_t *shape,
                            const struct tensor_shape *s, size_t most,
                            struct rn_error *err)
{
    if (json_array_size(shape) != 4 || shape_at(shape, 1) != s->channels ||
        shape_at(shape, 2) != s->height || shape_at(shape, 3) != s->width)
        return fail(err, RN_ERR_DATA,
                    "input 'input': its shape is not [N, %d, %d, %d]",
                    s->channels, s->height, s->width);
    return check_count(in, shape_at(shape, 0), most, "input", err);
}

/* ----------------------------------------------------------- binary tensors */

static int read_image_binary(struct inference *in, const char *bytes,
                             size_t size, struct rn_error *err)
{
    for (size_t i = 0; i < in->count; i++) {
        uint32_t n;

        if (size < sizeof(n))
            return fail(err, RN_ERR_DATA,
                        "input 'image': its bytes end before picture %zu of "
                        "%zu",
                        i + 1, in->count);
        memcpy(&n, bytes, sizeof(n));
        n = le32toh(n);
        bytes += sizeof(n);
        size -= sizeof(n);
        if (n > size)
            return fail(err, RN_ERR_DATA,
                        "input 'image': picture %zu is %lu bytes long, %zu are "
                        "there",
                        i + 1, (unsigned long)n, size);
        in->pictures[i] = (struct tensor_bytes){bytes, n};
        bytes += n;
        size -= n;
    }
    return size ? fail(err, RN_ERR_DATA,
                       "input 'image': %zu bytes are left over", size)
                : RN_OK;
}

static int read_input_binary(struct inference *in, const char *bytes,
                             size_t size, size_t values, struct rn_error *err)
{
    if (size != values * sizeof(float))
        return fail(err, RN_ERR_DATA,
                    "input 'input': %zu bytes, expected %zu of %zu numbers",
                    size, values * sizeof(float), values);
    for (size_t i = 0; i < values; i++) {
        uint32_t bits;

        memcpy(&bits, bytes + i * sizeof(bits), sizeof(bits));
        bits = le32toh(bits);
        memcpy(&in->input[i], &bits, sizeof(bits));
    }
    return RN_OK;
}

/* ------------------------------------------------------------- JSON tensors */

/* Base64 (RFC 4648, with or without its padding) of one picture into `out`;
 * bytes, or -1. */
static long decode_base64(const char *text, size_t size, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    signed char value[256];
    unsigned bits = 0;
    int have = 0;
    long n = 0;

    memset(value, -1, sizeof(value));
    for (int i = 0; i < 64; i++)
        value[(unsigned char)digits[i]] = (signed char)i;
    while (size && text[size - 1] == '=')
        size--;
    for (size_t i = 0; i < size; i++) {
        int v = value[(unsigned char)text[i]];

        if (v < 0)
            return -1;
        bits = bits << 6 | (unsigned)v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (char)(bits >> have & 0xff);
        }
    }
    return size % 4 == 1 ? -1 : n;
}

static int read_image_json(struct inference *in, const json_t *data,
                           struct rn_error *err)
{
    size_t room = 1, i;
    json_t *value;
    char *to;

    if (json_array_size(data) != in->count)
        return fail(err, RN_ERR_DATA,
                    "input 'image': its data hold %zu texts, expected %zu",
                    json_array_size(data), in->count);
    json_array_foreach(data, i, value) room += json_string_length(value);
    to = in->decoded = malloc(room);
    if (!to)
        return fail_memory(err);
    json_array_foreach(data, i, value)
    {
        long n = json_is_string(value)
                     ? decode_base64(json_string_value(value),
                                     json_string_length(value), to)
                     : -1;

        if (n < 0)
            return fail(err, RN_ERR_DATA,
                        "input 'image': picture %zu is not a text in base64",
                        i + 1);
        in->pictures[i] = (struct tensor_bytes){to, (size_t)n};
        to += n;
    }
    return RN_OK;
}

/* Numbers, however they are nested, to in->input; how many, or past `values`
 * where there are more, or SIZE_MAX for what is no number. */
static size_t read_numbers(struct inference *in, const json_t *data, size_t at,
                           size_t values, int depth)
{
    json_t *value;
    size_t i;

    json_array_foreach(data, i, value)
    {
        if (json_is_array(value) && depth < 4) {
            at = read_numbers(in, value, at, values, depth + 1);
        } else if (!json_is_number(value)) {
            return SIZE_MAX;
        } else {
            if (at < values)
                in->input[at] = (float)json_number_value(value);
            at++;
        }
        if (at > values)
            return at;
    }
    return at;
}

static int read_input_json(struct inference *in, const json_t *data,
                           size_t values, struct rn_error *err)
{
    size_t n = read_numbers(in, data, 0, values, 1);

    if (n == SIZE_MAX)
        return fail(err, RN_ERR_DATA,
                    "input 'input': its data are not all numbers");
    if (n != values)
        return fail(err, RN_ERR_DATA,
                    "input 'input': its data hold %s than the %zu numbers of "
                    "its shape",
                    n < values ? "fewer" : "more", values);
    return RN_OK;
}

/* ----------------------------------------------------------------- inputs */

/* Bytes of the binary tensor; -1: its data are JSON. */
static int read_binary_size(const json_t *input, const char *name,
                            json_int_t *size, struct rn_error *err)
{
    json_t *parameters, *value;
    int rc = get_object(input, "parameters", name, &parameters, err);

    *size = -1;
    if (rc || !parameters)
        return rc;
    rc = check_members(parameters, "parameters of an input",
                       "|binary_data_size|content_type|", err);
    value = json_object_get(parameters, "content_type");
    if (!rc && value &&
        (!json_is_string(value) ||
         strcmp(json_string_value(value), "base64") != 0))
        return fail(err, RN_ERR_ARG, "input '%s': content_type is not base64",
                    name);
    value = json_object_get(parameters, "binary_data_size");
    if (rc || !value)
        return rc;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return fail(err, RN_ERR_DATA,
                    "input '%s': binary_data_size is no number of bytes", name);
    *size = json_integer_value(value);
    return RN_OK;
}

static int allocate(struct inference *in, int pictures, size_t values)
{
    if (pictures)
        in->pictures = calloc(in->count, sizeof(*in->pictures));
    else
        in->input = malloc(values * sizeof(*in->input));
    return in->pictures || in->input ? RN_OK : RN_ERR_MEMORY;
}

/* Its values are in `binary`, or in the JSON. */
static int read_data(struct inference *in, const json_t *input,
                     const char *name, size_t values, const char *binary,
                     size_t size, struct rn_error *err)
{
    json_t *data = json_object_get(input, "data");
    json_int_t bytes;
    int rc = read_binary_size(input, name, &bytes, err);

    if (rc)
        return rc;
    if ((data != NULL) == (bytes >= 0) || (data && !json_is_array(data)))
        return fail(err, RN_ERR_DATA,
                    "input '%s': expected a list, data, or binary_data_size",
                    name);
    if ((bytes >= 0 ? (size_t)bytes : 0) != size)
        return fail(err, RN_ERR_DATA,
                    "input '%s': %zu bytes follow the JSON, expected %lld",
                    name, size, (long long)(bytes >= 0 ? bytes : 0));
    if (allocate(in, values == 0, values))
        return fail_memory(err);
    if (values)
        return data ? read_input_json(in, data, values, err)
                    : read_input_binary(in, binary, size, values, err);
    return data ? read_image_json(in, data, err)
                : read_image_binary(in, binary, size, err);
}

static int check_finite(const struct inference *in, size_t values,
                        struct rn_error *err)
{
    size_t bad = values ? rn_first_not_finite(in->input, values) : 0;

    if (bad == values)
        return RN_OK;
    return fail(err, RN_ERR_DATA, "input 'input': number %zu is not finite",
                bad);
}

static int read_input(struct inference *in, const json_t *input,
                      const struct tensor_shape *s, size_t most,
                      const char *binary, size_t size, struct rn_error *err)
{
    const char *name = json_string_value(json_object_get(input, "name"));
    const char *type = json_string_value(json_object_get(input, "datatype"));
    const json_t *shape = json_object_get(input, "shape");
    int is_image = name && strcmp(name, "image") == 0, rc;
    size_t values;

    if (!is_image && (!name || strcmp(name, "input") != 0))
        return fail(err, RN_ERR_DATA,
                    "input '%.60s' is not known: there are image (pictures) "
                    "and input (numbers)",
                    name ? name : "");
    rc = check_members(input, "input", "|name|shape|datatype|parameters|data|",
                       err);
    if (rc)
        return rc;
    if (!type || strcmp(type, is_image ? "BYTES" : "FP32") != 0)
        return fail(err, RN_ERR_DATA,
                    "input '%s': datatype '%.30s', expected %s", name,
                    type ? type : "", is_image ? "BYTES" : "FP32");
    rc = is_image ? read_image_shape(in, shape, most, err)
                  : read_input_shape(in, shape, s, most, err);
    if (rc)
        return rc;
    values = is_image ? 0
                      : in->count * (size_t)s->channels * (size_t)s->height *
                            (size_t)s->width;
    rc = read_data(in, input, name, values, binary, size, err);
    return rc ? rc : check_finite(in, values, err);
}

/* ---------------------------------------------------------------- the whole */

static int read_id(struct inference *in, const json_t *root,
                   struct rn_error *err)
{
    json_t *id = json_object_get(root, "id");

    if (!id)
        return RN_OK;
    if (!json_is_string(id))
        return fail(err, RN_ERR_DATA, "id is not a text");
    in->id = strdup(json_string_value(id));
    return in->id ? RN_OK : fail_memory(err);
}

static int read_root(struct inference *in, const json_t *root,
                     const struct tensor_shape *shape, size_t most,
                     const char *binary, size_t size, struct rn_error *err)
{
    json_t *inputs = json_object_get(root, "inputs"), *parameters = NULL;
    int binary_output = 0, rc;

    if (!json_is_object(root))
        return fail(err, RN_ERR_DATA, "the request is not an object");
    rc = check_members(root, "request", "|id|parameters|inputs|outputs|", err);
    if (!rc)
        rc = get_object(root, "parameters", "request", &parameters, err);
    if (!rc && parameters)
        rc = check_members(parameters, "parameters", "|binary_data_output|",
                           err);
    if (!rc && parameters)
        rc = get_flag(parameters, "binary_data_output", &binary_output, err);
    if (!rc)
        rc = read_id(in, root, err);
    if (!rc)
        rc = read_outputs(in, root, binary_output, err);
    if (rc)
        return rc;
    if (json_array_size(inputs) != 1)
        return fail(err, RN_ERR_DATA,
                    "%zu inputs, expected one: image or input",
                    json_array_size(inputs));
    return read_input(in, json_array_get(inputs, 0), shape, most, binary, size,
                      err);
}

int inference_parse(struct inference *out, const char *body, size_t size,
                    size_t header, const struct tensor_shape *shape,
                    size_t most, struct rn_error *err)
{
    json_error_t why;
    json_t *root;
    int rc;

    memset(out, 0, sizeof(*out));
    if (header > size)
        return fail(err, RN_ERR_DATA,
                    "Inference-Header-Content-Length is %zu, the body has %zu "
                    "bytes",
                    header, size);
    root = json_loadb(body, header, JSON_REJECT_DUPLICATES, &why);
    if (!root)
        return fail(err, RN_ERR_DATA, "malformed JSON at byte %d: %.200s",
                    why.position, why.text);
    rc = read_root(out, root, shape, most, body + header, size - header, err);
    json_decref(root);
    if (rc)
        inference_free(out);
    return rc;
}

void inference_free(struct inference *in)
{
    free(in->id);
    free(in->pictures);
    free(in->input);
    free(in->decoded);
    memset(in, 0, sizeof(*in));
}
