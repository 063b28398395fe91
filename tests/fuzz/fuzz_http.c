/* SPDX-License-Identifier: BSD-2-Clause */
/* Bodies of requests to `resnet serve`, on any bytes. The first one says which:
 * 'm', multipart/form-data: its Content-Type up to a zero byte, then the body;
 * else inference requests: the length of the JSON is the next two bytes. */
#include "fuzz.h"

#include "../../cli/serve/multipart.h"
#include "../../cli/serve/tensors.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 9 };

static void check(int rc, const struct rn_error *err)
{
    if (rc != err->code || (rc && !err->msg[0]))
        abort();
}

static size_t sum(const char *bytes, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < size; i++)
        n += (unsigned char)bytes[i];
    return n;
}

static void read_multipart(const char *bytes, size_t size)
{
    const char *zero = memchr(bytes, 0, size);
    struct rn_error err = {0};
    struct part *parts;
    char boundary[71];
    size_t count;

    if (!zero || multipart_boundary(bytes, boundary) != 0)
        return;
    if (!boundary[0] || strlen(boundary) > 70)
        abort();
    check(multipart_parse(&parts, &count, zero + 1,
                          size - (size_t)(zero + 1 - bytes), boundary, MOST,
                          &err),
          &err);
    if (count > MOST || (!err.code && !count))
        abort();
    for (size_t i = 0; i < count; i++)
        if (parts[i].bytes < zero || parts[i].size > size ||
            sum(parts[i].bytes, parts[i].size) > 255 * size || !parts[i].name)
            abort();
    multipart_free(parts, count);
}

static void read_inference(const char *bytes, size_t size)
{
    static const struct tensor_shape shape = {1, 2, 3};
    struct rn_error err = {0};
    struct inference in;
    size_t header;

    if (size < 2)
        return;
    header = (size_t)(unsigned char)bytes[0] << 8 | (unsigned char)bytes[1];
    check(inference_parse(&in, bytes + 2, size - 2, header, &shape, MOST, &err),
          &err);
    if (err.code)
        return;
    if (in.count < 1 || in.count > MOST || !in.n_outputs ||
        (in.pictures != NULL) == (in.input != NULL))
        abort();
    for (size_t i = 0; i < in.count && in.pictures; i++)
        if (sum(in.pictures[i].bytes, in.pictures[i].size) > 255 * size)
            abort();
    if (in.input && rn_first_not_finite(in.input, 6 * in.count) < 6 * in.count)
        abort();
    inference_free(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size && bytes[0] == 'm')
        read_multipart((const char *)bytes + 1, size - 1);
    else if (size)
        read_inference((const char *)bytes + 1, size - 1);
    return 0;
}
