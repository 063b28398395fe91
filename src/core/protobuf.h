/* SPDX-License-Identifier: BSD-2-Clause */
/* The protocol buffers wire format: a message is a run of fields, each a
 * number, a wire type and a value; a message within a message is bytes. Who
 * reads decides which fields to enter, so nothing here recurses, and nothing
 * is allocated: what is read points into the file's bytes. */
#ifndef RN_CORE_PROTOBUF_H
#define RN_CORE_PROTOBUF_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a message, or what is left of them to read. */
struct rn_pb {
    const uint8_t *at;
    size_t size;
};

enum rn_pb_type {
    RN_PB_VARINT = 0,
    RN_PB_FIXED64 = 1,
    RN_PB_BYTES = 2, /* text, messages, packed numbers */
    RN_PB_FIXED32 = 5,
};

struct rn_pb_field {
    uint32_t number;
    enum rn_pb_type type;
    uint64_t value;     /* of the types that are numbers */
    struct rn_pb bytes; /* of RN_PB_BYTES */
};

/** Take the next field off a message: 1, or 0 at its end, or -1 when what
 *  follows is no field (cut short, groups, numbers past 64 bits). */
int rn_pb_next(struct rn_pb *message, struct rn_pb_field *field);

/** Numbers of a repeated field, given field by field: packed together or each
 *  on its own. `item` is their own type. Take the next one off: 1, or 0 when
 *  the field has no more, or -1. */
int rn_pb_number(struct rn_pb_field *field, enum rn_pb_type item,
                 uint64_t *out);

/** The word of a list that a text is, or NULL; words are apart by blanks, and
 *  may have a star and other marks behind a colon. */
const char *rn_pb_word(struct rn_pb text, const char *words);
/** Whether bytes are this text, or the same as others. */
bool rn_pb_is(struct rn_pb bytes, const char *text);
bool rn_pb_same(struct rn_pb a, struct rn_pb b);
/** "%.*s" of a name that is shown in a message. */
#define RN_PB_SHOW(pb) \
    (int)((pb).size < 60 ? (pb).size : 60), (const char *)(pb).at
float rn_pb_float(uint64_t fixed32);
double rn_pb_double(uint64_t fixed64);

/* -------------------------------------------------------------- writing */

/* A message being written. Zero it first; a call that finds no memory sets
 * `failed`, and later ones do nothing. rn_free() releases the bytes. */
struct rn_pb_out {
    uint8_t *bytes;
    size_t size, room;
    bool failed;
};

void rn_pb_put_varint(struct rn_pb_out *out, uint32_t number, uint64_t value);
void rn_pb_put_double(struct rn_pb_out *out, uint32_t number, double value);
void rn_pb_put_float(struct rn_pb_out *out, uint32_t number, float value);
void rn_pb_put_bytes(struct rn_pb_out *out, uint32_t number, const void *bytes,
                     size_t size);
void rn_pb_put_text(struct rn_pb_out *out, uint32_t number, const char *text);
/** A message within: what is put between the two calls. */
size_t rn_pb_begin(struct rn_pb_out *out, uint32_t number);
void rn_pb_end(struct rn_pb_out *out, size_t begun);

#endif
