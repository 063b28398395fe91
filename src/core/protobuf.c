/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads fields of the wire format in place, and writes them. */
#include "core/protobuf.h"

#include "core/memory.h"

#include <string.h>

/* -------------------------------------------------------------- reading */

/* Seven bits a byte, the lowest first; the top bit says that more follow. */
static bool take_varint(struct rn_pb *m, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 64 && m->size > 0; shift += 7) {
        uint8_t byte = *m->at++;

        m->size--;
        if (shift == 63 && byte > 1)
            return false;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool take_fixed(struct rn_pb *m, size_t bytes, uint64_t *out)
{
    *out = 0;
    if (m->size < bytes)
        return false;
    for (size_t i = 0; i < bytes; i++)
        *out |= (uint64_t)m->at[i] << 8 * i;
    m->at += bytes;
    m->size -= bytes;
    return true;
}

static bool take_bytes(struct rn_pb *m, struct rn_pb *out)
{
    uint64_t size;

    if (!take_varint(m, &size) || size > m->size)
        return false;
    *out = (struct rn_pb){m->at, (size_t)size};
    m->at += size;
    m->size -= (size_t)size;
    return true;
}

static bool take_number(struct rn_pb *m, enum rn_pb_type type, uint64_t *out)
{
    switch (type) {
    case RN_PB_VARINT:
        return take_varint(m, out);
    case RN_PB_FIXED64:
        return take_fixed(m, 8, out);
    case RN_PB_FIXED32:
        return take_fixed(m, 4, out);
    default:
        return false;
    }
}

int rn_pb_next(struct rn_pb *message, struct rn_pb_field *field)
{
    uint64_t key;

    if (message->size == 0)
        return 0;
    if (!take_varint(message, &key) || key >> 3 == 0 || key >> 32 != 0)
        return -1;
    *field = (struct rn_pb_field){.number = (uint32_t)(key >> 3),
                                  .type = (enum rn_pb_type)(key & 7)};
    bool taken = field->type == RN_PB_BYTES
                     ? take_bytes(message, &field->bytes)
                     : take_number(message, field->type, &field->value);
    return taken ? 1 : -1;
}

int rn_pb_number(struct rn_pb_field *field, enum rn_pb_type item, uint64_t *out)
{
    if (field->type == item) {
        *out = field->value;
        field->type = RN_PB_BYTES; /* none left */
        return 1;
    }
    if (field->type != RN_PB_BYTES)
        return -1;
    if (field->bytes.size == 0)
        return 0;
    return take_number(&field->bytes, item, out) ? 1 : -1;
}

const char *rn_pb_word(struct rn_pb text, const char *words)
{
    while (*words) {
        size_t n = strcspn(words, " *:");

        if (n == text.size && memcmp(words, text.at, n) == 0)
            return words;
        words += strcspn(words, " ");
        words += strspn(words, " ");
    }
    return NULL;
}

bool rn_pb_is(struct rn_pb bytes, const char *text)
{
    size_t size = strlen(text);

    return bytes.size == size &&
           (size == 0 || memcmp(bytes.at, text, size) == 0);
}

bool rn_pb_same(struct rn_pb a, struct rn_pb b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

float rn_pb_float(uint64_t fixed32)
{
    uint32_t bits = (uint32_t)fixed32;
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

double rn_pb_double(uint64_t fixed64)
{
    double value;

    memcpy(&value, &fixed64, sizeof(value));
    return value;
}

/* -------------------------------------------------------------- writing */

/* Room for so many more bytes, which count as written; NULL without. */
static uint8_t *extend(struct rn_pb_out *out, size_t size)
{
    size_t wanted, room = out->room ? out->room : 256;

    if (out->failed || !rn_size_add(out->size, size, &wanted))
        goto failed;
    while (room < wanted)
        if (!rn_size_mul(room, 2, &room))
            goto failed;
    if (room > out->room) {
        uint8_t *bytes = rn_alloc(room, 1);

        if (!bytes)
            goto failed;
        if (out->size > 0)
            memcpy(bytes, out->bytes, out->size);
        rn_free(out->bytes);
        out->bytes = bytes;
        out->room = room;
    }
    out->size = wanted;
    return out->bytes + wanted - size;
failed:
    out->failed = true;
    return NULL;
}

/* Its bytes; their number. */
static size_t varint(uint64_t value, uint8_t bytes[10])
{
    size_t n = 0;

    for (; value > 0x7f; value >>= 7)
        bytes[n++] = (uint8_t)(value | 0x80);
    bytes[n++] = (uint8_t)value;
    return n;
}

static void put_raw(struct rn_pb_out *out, const void *bytes, size_t size)
{
    uint8_t *to = extend(out, size);

    if (to && size > 0)
        memcpy(to, bytes, size);
}

static void put_number(struct rn_pb_out *out, uint64_t value)
{
    uint8_t bytes[10];

    put_raw(out, bytes, varint(value, bytes));
}

static void put_key(struct rn_pb_out *out, uint32_t number,
                    enum rn_pb_type type)
{
    put_number(out, (uint64_t)number << 3 | (uint64_t)type);
}

void rn_pb_put_varint(struct rn_pb_out *out, uint32_t number, uint64_t value)
{
    put_key(out, number, RN_PB_VARINT);
    put_number(out, value);
}

void rn_pb_put_double(struct rn_pb_out *out, uint32_t number, double value)
{
    put_key(out, number, RN_PB_FIXED64);
    put_raw(out, &value, sizeof(value));
}

void rn_pb_put_float(struct rn_pb_out *out, uint32_t number, float value)
{
    put_key(out, number, RN_PB_FIXED32);
    put_raw(out, &value, sizeof(value));
}

void rn_pb_put_bytes(struct rn_pb_out *out, uint32_t number, const void *bytes,
                     size_t size)
{
    put_key(out, number, RN_PB_BYTES);
    put_number(out, size);
    put_raw(out, bytes, size);
}

void rn_pb_put_text(struct rn_pb_out *out, uint32_t number, const char *text)
{
    rn_pb_put_bytes(out, number, text, strlen(text));
}

size_t rn_pb_begin(struct rn_pb_out *out, uint32_t number)
{
    put_key(out, number, RN_PB_BYTES);
    return out->size;
}

/* The size stands before the message and is known only now. */
void rn_pb_end(struct rn_pb_out *out, size_t begun)
{
    uint8_t bytes[10];
    size_t size = out->size - begun, n = varint(size, bytes);

    if (!extend(out, n))
        return;
    memmove(out->bytes + begun + n, out->bytes + begun, size);
    memcpy(out->bytes + begun, bytes, n);
}
