/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of Python's pickle format (protocols 1 to 5) that torch.save()
 * writes for dictionaries of tensors. Nothing is executed: a pickle may build
 * plain values and tensors over storages; whatever else it names, calls or
 * builds on becomes an opaque value, which knows its class's name and the state
 * it was given. Values refer to each other by number, so one that holds itself
 * is as harmless as any other: nobody walks deeper than asked to. */
#ifndef RN_CORE_PICKLE_H
#define RN_CORE_PICKLE_H

#include "core/error.h"
#include "core/dtype.h"
#include "core/safetensors.h"

/* Most values, items of containers, and places in memo and on the stack; most
 * tensors, and references to storages: together 300 MB at worst. A checkpoint
 * of 1,202 layers with two moments takes half a million values. */
#define RN_PICKLE_MOST    4000000
#define RN_PICKLE_TENSORS 200000
#define RN_PICKLE_MARKS   1000 /* nesting of what is being built */

enum rn_pickle_kind {
    RN_PICKLE_NONE,
    RN_PICKLE_BOOL,
    RN_PICKLE_INT,
    RN_PICKLE_OTHER, /* floats, bytes, large integers, devices */
    RN_PICKLE_TEXT,
    RN_PICKLE_TUPLE,
    RN_PICKLE_LIST,
    RN_PICKLE_DICT,
    RN_PICKLE_GLOBAL,
    RN_PICKLE_STORAGE,
    RN_PICKLE_TENSOR,
    RN_PICKLE_OPAQUE, /* of a name that no table knows */
};

/* A value. */
struct rn_pickle_object {
    enum rn_pickle_kind kind;
    union {
        int64_t integer; /* INT, BOOL */
        uint32_t index;  /* STORAGE, TENSOR: in their arrays */
        const struct rn_pickle_global *global; /* GLOBAL */
        struct {
            uint32_t first, last, count; /* cells; keys and values in turn */
        } items;                         /* TUPLE, LIST, DICT */
        struct {
            const uint8_t *at; /* in the pickle */
            size_t size;
        } text; /* TEXT, OTHER */
        struct {
            uint32_t name;  /* in their array */
            uint32_t state; /* what BUILD gave it; 0: nothing */
        } opaque;           /* OPAQUE */
    } u;
};

/* The name of something not known here; both parts lie in the pickle. */
struct rn_pickle_name {
    const uint8_t *module, *name;
    size_t module_size, name_size;
};

struct rn_pickle;

/* A name that means something here. */
struct rn_pickle_global {
    const char *module, *name;
    /* What calling it with these arguments (a TUPLE) would make; NULL: it is no
     * function. */
    int (*call)(struct rn_pickle *p, const struct rn_pickle_global *g,
                uint32_t args, uint32_t *out);
    /* For the table's own use. */
    int kind;
    enum rn_dtype dtype;
    size_t type_at;
};

/* The names of one library, and what its references to things outside of the
 * pickle (persistent identifiers) stand for. */
struct rn_pickle_names {
    const struct rn_pickle_global *globals;
    size_t count;
    int (*persistent)(struct rn_pickle *p, uint32_t id, uint32_t *out);
};

struct rn_pickle_cell {
    uint32_t object, next;
};

/* A storage a tensor lies in, or part of one. */
struct rn_pickle_storage {
    uint32_t key;          /* TEXT */
    bool untyped;          /* counts bytes; the tensor says its type */
    enum rn_dtype dtype;   /* unless untyped */
    uint64_t bytes;        /* of the whole storage */
    uint64_t first, count; /* elements a view takes of it */
};

struct rn_pickle_tensor {
    uint32_t storage;
    enum rn_dtype dtype;
    uint64_t offset; /* elements from the storage's start */
    int dims;
    uint64_t size[RN_TENSOR_DIMS], stride[RN_TENSOR_DIMS];
    uint64_t count; /* elements, no more than the storage has */
};

struct rn_pickle {
    const char *path;                    /* borrowed, for messages */
    const struct rn_pickle_names *known; /* beside Python's; or NULL */
    const uint8_t *bytes;
    size_t size, at;
    struct rn_pickle_object *objects; /* number 0 is none */
    size_t n_objects, objects_room;
    struct rn_pickle_cell *cells; /* likewise */
    size_t n_cells, cells_room;
    uint32_t *stack;
    size_t height, stack_room;
    size_t marks[RN_PICKLE_MARKS];
    size_t n_marks;
    uint32_t *memo;
    size_t n_memo, memo_room;
    struct rn_pickle_storage *storages;
    size_t n_storages, storages_room;
    struct rn_pickle_tensor *tensors;
    size_t n_tensors, tensors_room;
    struct rn_pickle_name *names; /* of opaque values */
    size_t n_names, names_room;
    uint32_t root; /* the result */
    bool done;
    struct rn_error *err;
};

/** Run the pickle at the start of these bytes (borrowed until closing; text
 *  values point into them); *used is its length. `p` need not be initialised.
 *  `known` are the names that mean something beside Python's own; NULL: none,
 *  nor has the pickle persistent identifiers. RN_ERR_DATA for all that is not
 *  such a pickle. */
int rn_pickle_run(struct rn_pickle *p, const uint8_t *bytes, size_t size,
                  const char *path, const struct rn_pickle_names *known,
                  size_t *used, struct rn_error *err);
/** Also after a failed run, and on a zeroed struct. */
void rn_pickle_close(struct rn_pickle *p);

/** The value of that number; never NULL for numbers that p handed out. */
const struct rn_pickle_object *rn_pickle_get(const struct rn_pickle *p,
                                             uint32_t object);
/** Whether it is a TEXT of these characters. */
bool rn_pickle_text_is(const struct rn_pickle *p, uint32_t object,
                       const char *text);
/** The first `most` items of a container into out; their number. */
size_t rn_pickle_items(const struct rn_pickle *p, uint32_t object,
                       uint32_t *out, size_t most);
/** The value of a DICT's last entry of that name; 0 when there is none. */
uint32_t rn_pickle_lookup(const struct rn_pickle *p, uint32_t dict,
                          const char *key);
/** The first cell of a DICT, 0 when it is empty; then the next key and value,
 *  *cell being moved on: false past the last. */
uint32_t rn_pickle_first(const struct rn_pickle *p, uint32_t dict);
bool rn_pickle_pair(const struct rn_pickle *p, uint32_t *cell, uint32_t *key,
                    uint32_t *value);
/** Whether it is an OPAQUE of that module and name. */
bool rn_pickle_opaque_is(const struct rn_pickle *p, uint32_t object,
                         const char *module, const char *name);
/** "MODULE.NAME" of an OPAQUE into buf, cut to its size. */
const char *rn_pickle_opaque_name(const struct rn_pickle *p, uint32_t object,
                                  char *buf, size_t size);

/* For the machine and the tables of names. */

/** A new value into *out; RN_ERR_DATA when there are too many. */
int rn_pickle_new(struct rn_pickle *p, enum rn_pickle_kind kind, uint32_t *out);
/** Add an item to a container. */
int rn_pickle_add(struct rn_pickle *p, uint32_t object, uint32_t item);
/** Room for one more element of an array; RN_ERR_DATA when there are too many,
 *  called `what`. */
int rn_pickle_grow(struct rn_pickle *p, void *array, size_t *room, size_t count,
                   size_t size, const char *what);
/** RN_ERR_DATA: "'PATH': its pickle MESSAGE". */
__attribute__((format(printf, 2, 3))) int
rn_pickle_fail(const struct rn_pickle *p, const char *format, ...);
/** Whether bytes are this text. */
bool rn_pickle_same(const uint8_t *text, size_t size, const char *expected);

/** A new OPAQUE of a name, or of the same name as `of`. */
int rn_pickle_new_opaque(struct rn_pickle *p, const struct rn_pickle_name *name,
                         uint32_t *out);
int rn_pickle_opaque_like(struct rn_pickle *p, uint32_t of, uint32_t *out);

/* Python's own names: dictionaries of other classes and such. */
extern const struct rn_pickle_names rn_python_names;
/** Calls that tables share: of what nobody looks into, and of what is its
 *  first argument. */
int rn_pickle_call_other(struct rn_pickle *p, const struct rn_pickle_global *g,
                         uint32_t args, uint32_t *out);
int rn_pickle_call_first(struct rn_pickle *p, const struct rn_pickle_global *g,
                         uint32_t args, uint32_t *out);

#endif
