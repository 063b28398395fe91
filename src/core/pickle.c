/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine that runs a pickle: a stack, a memo, and a table of operations.
 */
#include "core/pickle.h"

#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------- stack */

static int push(struct rn_pickle *p, uint32_t object)
{
    int rc = rn_pickle_grow(p, &p->stack, &p->stack_room, p->height,
                            sizeof(*p->stack), "values on its stack");

    if (!rc)
        p->stack[p->height++] = object;
    return rc;
}

static int push_new(struct rn_pickle *p, enum rn_pickle_kind kind,
                    uint32_t *out)
{
    int rc = rn_pickle_new(p, kind, out);

    return rc ? rc : push(p, *out);
}

/* Nothing below the last mark may be taken. */
static int need(const struct rn_pickle *p, size_t count)
{
    size_t floor = p->n_marks ? p->marks[p->n_marks - 1] : 0;

    if (p->height - floor >= count)
        return RN_OK;
    return rn_pickle_fail(p, "takes more values than there are, at byte %zu",
                          p->at);
}

static int pop_mark(struct rn_pickle *p, size_t *first)
{
    if (p->n_marks == 0)
        return rn_pickle_fail(p, "misses a mark at byte %zu", p->at);
    *first = p->marks[--p->n_marks];
    return RN_OK;
}

/* Items of the stack from `first` on go into a container. */
static int gather(struct rn_pickle *p, uint32_t object, size_t first)
{
    int rc = RN_OK;

    for (size_t i = first; i < p->height && !rc; i++)
        rc = rn_pickle_add(p, object, p->stack[i]);
    p->height = first;
    return rc;
}

/* -------------------------------------------------------------- input */

/* The next bytes, left where they are. */
static int take(struct rn_pickle *p, size_t count, const uint8_t **out)
{
    if (count > p->size - p->at)
        return rn_pickle_fail(p, "is cut short at byte %zu", p->size);
    *out = p->bytes + p->at;
    p->at += count;
    return RN_OK;
}

static int take_number(struct rn_pickle *p, int width, uint64_t *out)
{
    const uint8_t *at = NULL;
    int rc = take(p, (size_t)width, &at);

    *out = 0;
    for (int i = width - 1; i >= 0 && !rc; i--)
        *out = *out << 8 | at[i];
    return rc;
}

/* Up to the end of the line, which is passed over. */
static int take_line(struct rn_pickle *p, const uint8_t **out, size_t *size)
{
    const uint8_t *start = p->bytes + p->at;
    const uint8_t *end = memchr(start, '\n', p->size - p->at);

    if (!end)
        return rn_pickle_fail(p, "is cut short at byte %zu", p->size);
    *out = start;
    *size = (size_t)(end - start);
    p->at += *size + 1;
    return RN_OK;
}

/* A decimal number of one line, which may end in `suffix`. */
static int take_decimal(struct rn_pickle *p, char suffix, int64_t *out)
{
    char digits[24] = "", *end;
    const uint8_t *line = NULL;
    size_t size = 0;
    int rc = take_line(p, &line, &size);

    if (rc)
        return rc;
    if (suffix && size > 0 && line[size - 1] == suffix)
        size--;
    if (size > 0 && size < sizeof(digits))
        memcpy(digits, line, size);
    *out = strtoll(digits, &end, 10);
    if (digits[0] && !*end)
        return RN_OK;
    return rn_pickle_fail(p, "has no number where one should be, at byte %zu",
                          p->at);
}

/* --------------------------------------------------------- operations */

/* `a` is what the table says of the operation. */
typedef int operation(struct rn_pickle *p, int a);

/* Without meaning here: PROTO with its version, FRAME with its length. */
static int op_skip(struct rn_pickle *p, int width)
{
    uint64_t ignored;

    return take_number(p, width, &ignored);
}

static int op_proto(struct rn_pickle *p, int most)
{
    uint64_t version;
    int rc = take_number(p, 1, &version);

    if (!rc && version > (uint64_t)most)
        rc = rn_pickle_fail(p, "is of protocol %d, at most %d expected",
                            (int)version, most);
    return rc;
}

static int op_stop(struct rn_pickle *p, int a)
{
    (void)a;
    int rc = need(p, 1);
    if (rc)
        return rc;
    p->root = p->stack[p->height - 1];
    p->done = true;
    return RN_OK;
}

static int op_mark(struct rn_pickle *p, int a)
{
    (void)a;
    if (p->n_marks == RN_PICKLE_MARKS)
        return rn_pickle_fail(p, "is nested more than %d deep",
                              RN_PICKLE_MARKS);
    p->marks[p->n_marks++] = p->height;
    return RN_OK;
}

static int op_pop(struct rn_pickle *p, int a)
{
    (void)a;
    int rc = need(p, 1);
    if (!rc)
        p->height--;
    return rc;
}

static int op_pop_mark(struct rn_pickle *p, int a)
{
    (void)a;
    return pop_mark(p, &p->height);
}

static int op_dup(struct rn_pickle *p, int a)
{
    (void)a;
    int rc = need(p, 1);
    return rc ? rc : push(p, p->stack[p->height - 1]);
}

static int op_none(struct rn_pickle *p, int a)
{
    uint32_t object;

    (void)a;
    return push_new(p, RN_PICKLE_NONE, &object);
}

static int push_integer(struct rn_pickle *p, enum rn_pickle_kind kind,
                        int64_t value)
{
    uint32_t object;
    int rc = push_new(p, kind, &object);

    if (!rc)
        p->objects[object].u.integer = value;
    return rc;
}

static int op_bool(struct rn_pickle *p, int value)
{
    return push_integer(p, RN_PICKLE_BOOL, value);
}

static int op_binary_int(struct rn_pickle *p, int width)
{
    uint64_t value;
    int rc = take_number(p, width, &value);

    if (rc)
        return rc;
    /* Only the widest form has a sign. */
    return push_integer(p, RN_PICKLE_INT,
                        width == 4 ? (int32_t)(uint32_t)value : (int64_t)value);
}

static int op_decimal(struct rn_pickle *p, int suffix)
{
    size_t start = p->at;
    int64_t value;
    int rc = take_decimal(p, (char)suffix, &value);

    if (rc)
        return rc;
    /* Booleans before protocol 2: "01" and "00". */
    bool boolean = !suffix && p->at - start == 3 && p->bytes[start] == '0';
    return push_integer(p, boolean ? RN_PICKLE_BOOL : RN_PICKLE_INT, value);
}

static int push_text(struct rn_pickle *p, enum rn_pickle_kind kind,
                     const uint8_t *at, size_t size)
{
    uint32_t object;
    int rc = push_new(p, kind, &object);

    if (rc)
        return rc;
    p->objects[object].u.text.at = at;
    p->objects[object].u.text.size = size;
    return RN_OK;
}

/* Bytes behind a length of `width` bytes. */
static int take_counted(struct rn_pickle *p, int width, const uint8_t **at,
                        size_t *size)
{
    uint64_t length;
    int rc = take_number(p, width, &length);

    if (rc)
        return rc;
    *size = length < SIZE_MAX ? (size_t)length : SIZE_MAX;
    return take(p, *size, at);
}

static int op_text(struct rn_pickle *p, int width)
{
    const uint8_t *at = NULL;
    size_t size = 0;
    int rc = take_counted(p, width, &at, &size);

    return rc ? rc : push_text(p, RN_PICKLE_TEXT, at, size);
}

static int op_bytes(struct rn_pickle *p, int width)
{
    const uint8_t *at = NULL;
    size_t size = 0;
    int rc = take_counted(p, width, &at, &size);

    return rc ? rc : push_text(p, RN_PICKLE_OTHER, at, size);
}

/* An integer of any size, little-endian two's complement. */
static int op_long(struct rn_pickle *p, int width)
{
    const uint8_t *at = NULL;
    size_t size = 0;
    int rc = take_counted(p, width, &at, &size);

    if (rc)
        return rc;
    if (size > 8)
        return push_text(p, RN_PICKLE_OTHER, at, size);
    uint64_t value = size > 0 && at[size - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | at[i];
    return push_integer(p, RN_PICKLE_INT, (int64_t)value);
}

static int op_float(struct rn_pickle *p, int width)
{
    const uint8_t *at = NULL;
    int rc = take(p, (size_t)width, &at);

    return rc ? rc : push_text(p, RN_PICKLE_OTHER, at, (size_t)width);
}

static int op_float_line(struct rn_pickle *p, int a)
{
    const uint8_t *at = NULL;
    size_t size = 0;

    (void)a;
    int rc = take_line(p, &at, &size);
    return rc ? rc : push_text(p, RN_PICKLE_OTHER, at, size);
}

/* Text of one line; what is escaped is not a tensor's name. */
static int op_text_line(struct rn_pickle *p, int quoted)
{
    const uint8_t *at = NULL;
    size_t size = 0;
    int rc = take_line(p, &at, &size);

    if (rc)
        return rc;
    if (quoted && size >= 2 && at[0] == at[size - 1]) {
        at++;
        size -= 2;
    } else if (quoted) {
        return rn_pickle_fail(p, "has a text without quotes at byte %zu",
                              p->at);
    }
    if (size > 0 && memchr(at, '\\', size))
        return rn_pickle_fail(p, "has an escaped text at byte %zu", p->at);
    return push_text(p, RN_PICKLE_TEXT, at, size);
}

static int op_empty(struct rn_pickle *p, int kind)
{
    uint32_t object;

    return push_new(p, (enum rn_pickle_kind)kind, &object);
}

/* A key for each value. */
static int check_pairs(const struct rn_pickle *p, size_t count)
{
    if (count % 2 == 0)
        return RN_OK;
    return rn_pickle_fail(p, "has a key without a value at byte %zu", p->at);
}

/* A container of the values since the mark. */
static int op_gather(struct rn_pickle *p, int kind)
{
    uint32_t object;
    size_t first = 0;
    int rc = pop_mark(p, &first);

    if (!rc && kind == RN_PICKLE_DICT)
        rc = check_pairs(p, p->height - first);
    if (!rc)
        rc = rn_pickle_new(p, (enum rn_pickle_kind)kind, &object);
    if (!rc)
        rc = gather(p, object, first);
    return rc ? rc : push(p, object);
}

static int op_small_tuple(struct rn_pickle *p, int count)
{
    uint32_t object;
    int rc = need(p, (size_t)count);

    if (!rc)
        rc = rn_pickle_new(p, RN_PICKLE_TUPLE, &object);
    if (!rc)
        rc = gather(p, object, p->height - (size_t)count);
    return rc ? rc : push(p, object);
}

/* The stack's items from `first` on go into the container below them. */
static int extend(struct rn_pickle *p, size_t first, enum rn_pickle_kind kind)
{
    uint32_t object = p->stack[first - 1];
    int rc = RN_OK;

    if (p->objects[object].kind == RN_PICKLE_OPAQUE) {
        p->height = first;
        return RN_OK;
    }
    if (p->objects[object].kind != kind)
        return rn_pickle_fail(p,
                              "adds items to something else than a %s, at "
                              "byte %zu",
                              kind == RN_PICKLE_LIST ? "list" : "dictionary",
                              p->at);
    if (kind == RN_PICKLE_DICT)
        rc = check_pairs(p, p->height - first);
    return rc ? rc : gather(p, object, first);
}

static int op_append(struct rn_pickle *p, int kind)
{
    size_t count = kind == RN_PICKLE_DICT ? 2 : 1;
    int rc = need(p, count + 1);

    return rc ? rc : extend(p, p->height - count, (enum rn_pickle_kind)kind);
}

static int op_append_all(struct rn_pickle *p, int kind)
{
    size_t first = 0;
    int rc = pop_mark(p, &first);

    if (rc)
        return rc;
    size_t floor = p->n_marks ? p->marks[p->n_marks - 1] : 0;
    if (first <= floor)
        return rn_pickle_fail(p, "adds items to nothing at byte %zu", p->at);
    return extend(p, first, (enum rn_pickle_kind)kind);
}

/* --------------------------------------------------------------- memo */

/* Honest writers number values one after the other. */
static int memoize(struct rn_pickle *p, uint64_t index)
{
    int rc = need(p, 1);

    if (rc)
        return rc;
    if (index > p->size || index >= RN_PICKLE_MOST)
        return rn_pickle_fail(p,
                              "keeps a value as number %llu of its memo, "
                              "in %zu bytes",
                              (unsigned long long)index, p->size);
    while (p->n_memo <= index && !rc) {
        rc = rn_pickle_grow(p, &p->memo, &p->memo_room, p->n_memo,
                            sizeof(*p->memo), "values in its memo");
        if (!rc)
            p->memo[p->n_memo++] = 0;
    }
    if (!rc)
        p->memo[index] = p->stack[p->height - 1];
    return rc;
}

static int remember(struct rn_pickle *p, uint64_t index)
{
    if (index < p->n_memo && p->memo[index])
        return push(p, p->memo[index]);
    return rn_pickle_fail(p, "asks for number %llu of its memo, which is empty",
                          (unsigned long long)index);
}

static int op_put(struct rn_pickle *p, int width)
{
    uint64_t index;
    int rc = take_number(p, width, &index);

    return rc ? rc : memoize(p, index);
}

static int op_get(struct rn_pickle *p, int width)
{
    uint64_t index;
    int rc = take_number(p, width, &index);

    return rc ? rc : remember(p, index);
}

static int op_put_line(struct rn_pickle *p, int a)
{
    int64_t index;

    (void)a;
    int rc = take_decimal(p, '\0', &index);
    return rc ? rc : memoize(p, (uint64_t)index);
}

static int op_get_line(struct rn_pickle *p, int a)
{
    int64_t index;

    (void)a;
    int rc = take_decimal(p, '\0', &index);
    return rc ? rc : remember(p, (uint64_t)index);
}

static int op_memoize(struct rn_pickle *p, int a)
{
    (void)a;
    return memoize(p, p->n_memo);
}

/* -------------------------------------------------- classes and calls */

static const struct rn_pickle_global *
find_global(const struct rn_pickle_names *names,
            const struct rn_pickle_name *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (rn_pickle_same(name->module, name->module_size,
                           names->globals[i].module) &&
            rn_pickle_same(name->name, name->name_size, names->globals[i].name))
            return &names->globals[i];
    return NULL;
}

/* What a name stands for: one of Python's or the caller's, or an opaque
 * value. */
static int new_global(struct rn_pickle *p, const struct rn_pickle_name *name,
                      uint32_t *out)
{
    const struct rn_pickle_global *g = find_global(&rn_python_names, name);

    if (!g && p->known)
        g = find_global(p->known, name);
    if (!g)
        return rn_pickle_new_opaque(p, name, out);
    int rc = rn_pickle_new(p, RN_PICKLE_GLOBAL, out);
    if (!rc)
        p->objects[*out].u.global = g;
    return rc;
}

/* A module and a name, a line each. */
static int take_global(struct rn_pickle *p, uint32_t *out)
{
    struct rn_pickle_name name = {0};
    int rc = take_line(p, &name.module, &name.module_size);

    if (!rc)
        rc = take_line(p, &name.name, &name.name_size);
    return rc ? rc : new_global(p, &name, out);
}

static int op_global(struct rn_pickle *p, int a)
{
    uint32_t object;

    (void)a;
    int rc = take_global(p, &object);
    return rc ? rc : push(p, object);
}

static int op_stack_global(struct rn_pickle *p, int a)
{
    (void)a;
    int rc = need(p, 2);
    if (rc)
        return rc;
    struct rn_pickle_object *name = &p->objects[p->stack[p->height - 1]];
    struct rn_pickle_object *module = &p->objects[p->stack[p->height - 2]];
    if (name->kind != RN_PICKLE_TEXT || module->kind != RN_PICKLE_TEXT)
        return rn_pickle_fail(p, "asks for something without a name");
    const struct rn_pickle_name global = {module->u.text.at, name->u.text.at,
                                          module->u.text.size,
                                          name->u.text.size};
    uint32_t object;
    p->height -= 2;
    rc = new_global(p, &global, &object);
    return rc ? rc : push(p, object);
}

static int call_global(struct rn_pickle *p, const struct rn_pickle_global *g,
                       uint32_t args, uint32_t *out)
{
    if (!g->call)
        return rn_pickle_fail(p, "calls %s.%s, which is no function", g->module,
                              g->name);
    return g->call(p, g, args, out);
}

/* What calling a value would make, onto the stack: of an opaque one, or with
 * arguments that are one, another opaque value. */
static int call(struct rn_pickle *p, uint32_t called, uint32_t args)
{
    uint32_t out;
    int rc;

    if (p->objects[called].kind == RN_PICKLE_OPAQUE)
        rc = rn_pickle_opaque_like(p, called, &out);
    else if (p->objects[args].kind == RN_PICKLE_OPAQUE)
        rc = rn_pickle_opaque_like(p, args, &out);
    else if (p->objects[called].kind == RN_PICKLE_GLOBAL &&
             p->objects[args].kind == RN_PICKLE_TUPLE)
        rc = call_global(p, p->objects[called].u.global, args, &out);
    else
        return rn_pickle_fail(p,
                              "calls something that is no function, at "
                              "byte %zu",
                              p->at);
    return rc ? rc : push(p, out);
}

/* A function or class and its arguments; `extra` more above those, which are
 * named ones. */
static int op_call(struct rn_pickle *p, int extra)
{
    int rc = need(p, 2 + (size_t)extra);

    if (rc)
        return rc;
    p->height -= 2 + (size_t)extra;
    return call(p, p->stack[p->height], p->stack[p->height + 1]);
}

/* Arguments since the mark; the class stands below them, or in two lines. */
static int op_instance(struct rn_pickle *p, int in_lines)
{
    uint32_t class = 0, args = 0;
    size_t first = 0;
    int rc = in_lines ? take_global(p, &class) : RN_OK;

    if (!rc)
        rc = pop_mark(p, &first);
    if (!rc && !in_lines && first == p->height)
        rc = rn_pickle_fail(p, "calls nothing at byte %zu", p->at);
    if (!rc)
        rc = rn_pickle_new(p, RN_PICKLE_TUPLE, &args);
    if (rc)
        return rc;
    if (!in_lines)
        class = p->stack[first];
    size_t from = in_lines ? first : first + 1;
    rc = gather(p, args, from);
    p->height = first;
    return rc ? rc : call(p, class, args);
}

/* Attributes of a value, as a state dictionary's "_metadata". Only an opaque
 * one keeps them, for those who look into it. */
static int op_build(struct rn_pickle *p, int a)
{
    (void)a;
    int rc = need(p, 2);
    if (rc)
        return rc;
    uint32_t state = p->stack[--p->height];
    struct rn_pickle_object *o = &p->objects[p->stack[p->height - 1]];
    if (o->kind == RN_PICKLE_OPAQUE)
        o->u.opaque.state = state;
    return RN_OK;
}

static int op_persistent(struct rn_pickle *p, int a)
{
    uint32_t out;

    (void)a;
    int rc = need(p, 1);
    if (!rc && !p->known)
        rc = rn_pickle_fail(p, "refers to something outside of it");
    if (!rc)
        rc = p->known->persistent(p, p->stack[--p->height], &out);
    return rc ? rc : push(p, out);
}

/* ---------------------------------------------------------------- run */

/* clang-format off */
static const struct {
    operation *run;
    int a;
} operations[256] = {
    [0x80] = {op_proto, 5},                       /* PROTO */
    [0x95] = {op_skip, 8},                        /* FRAME */
    ['.']  = {op_stop, 0},
    ['(']  = {op_mark, 0},
    ['0']  = {op_pop, 0},
    ['1']  = {op_pop_mark, 0},
    ['2']  = {op_dup, 0},
    ['N']  = {op_none, 0},
    [0x88] = {op_bool, 1},                        /* NEWTRUE */
    [0x89] = {op_bool, 0},                        /* NEWFALSE */
    ['I']  = {op_decimal, '\0'},                  /* INT */
    ['L']  = {op_decimal, 'L'},                   /* LONG */
    ['K']  = {op_binary_int, 1},                  /* BININT1 */
    ['M']  = {op_binary_int, 2},                  /* BININT2 */
    ['J']  = {op_binary_int, 4},                  /* BININT */
    [0x8a] = {op_long, 1},                        /* LONG1 */
    [0x8b] = {op_long, 4},                        /* LONG4 */
    ['F']  = {op_float_line, 0},                  /* FLOAT */
    ['G']  = {op_float, 8},                       /* BINFLOAT */
    ['S']  = {op_text_line, true},                /* STRING */
    ['V']  = {op_text_line, false},               /* UNICODE */
    ['U']  = {op_text, 1},                        /* SHORT_BINSTRING */
    ['T']  = {op_text, 4},                        /* BINSTRING */
    [0x8c] = {op_text, 1},                        /* SHORT_BINUNICODE */
    ['X']  = {op_text, 4},                        /* BINUNICODE */
    [0x8d] = {op_text, 8},                        /* BINUNICODE8 */
    ['C']  = {op_bytes, 1},                       /* SHORT_BINBYTES */
    ['B']  = {op_bytes, 4},                       /* BINBYTES */
    [0x8e] = {op_bytes, 8},                       /* BINBYTES8 */
    [0x96] = {op_bytes, 8},                       /* BYTEARRAY8 */
    [']']  = {op_empty, RN_PICKLE_LIST},
    [')']  = {op_empty, RN_PICKLE_TUPLE},
    ['}']  = {op_empty, RN_PICKLE_DICT},
    [0x8f] = {op_empty, RN_PICKLE_LIST},          /* EMPTY_SET */
    [0x91] = {op_gather, RN_PICKLE_LIST},         /* FROZENSET */
    [0x90] = {op_append_all, RN_PICKLE_LIST},     /* ADDITEMS */
    ['l']  = {op_gather, RN_PICKLE_LIST},
    ['t']  = {op_gather, RN_PICKLE_TUPLE},
    ['d']  = {op_gather, RN_PICKLE_DICT},
    [0x85] = {op_small_tuple, 1},                 /* TUPLE1 */
    [0x86] = {op_small_tuple, 2},
    [0x87] = {op_small_tuple, 3},
    ['a']  = {op_append, RN_PICKLE_LIST},         /* APPEND */
    ['s']  = {op_append, RN_PICKLE_DICT},         /* SETITEM */
    ['e']  = {op_append_all, RN_PICKLE_LIST},     /* APPENDS */
    ['u']  = {op_append_all, RN_PICKLE_DICT},     /* SETITEMS */
    ['q']  = {op_put, 1},                         /* BINPUT */
    ['r']  = {op_put, 4},                         /* LONG_BINPUT */
    ['p']  = {op_put_line, 0},                    /* PUT */
    [0x94] = {op_memoize, 0},                     /* MEMOIZE */
    ['h']  = {op_get, 1},                         /* BINGET */
    ['j']  = {op_get, 4},                         /* LONG_BINGET */
    ['g']  = {op_get_line, 0},                    /* GET */
    ['c']  = {op_global, 0},                      /* GLOBAL */
    [0x93] = {op_stack_global, 0},                /* STACK_GLOBAL */
    ['R']  = {op_call, 0},                        /* REDUCE */
    [0x81] = {op_call, 0},                        /* NEWOBJ */
    [0x92] = {op_call, 1},                        /* NEWOBJ_EX */
    ['i']  = {op_instance, true},                 /* INST */
    ['o']  = {op_instance, false},                /* OBJ */
    ['b']  = {op_build, 0},                       /* BUILD */
    ['Q']  = {op_persistent, 0},                  /* BINPERSID */
};
/* clang-format on */

static int run_all(struct rn_pickle *p)
{
    uint32_t none;
    int rc = rn_pickle_new(p, RN_PICKLE_NONE, &none);

    if (!rc)
        rc = rn_pickle_grow(p, &p->cells, &p->cells_room, 0, sizeof(*p->cells),
                            "items");
    p->n_cells = 1;
    while (!rc && !p->done) {
        const uint8_t *code = NULL;

        rc = take(p, 1, &code);
        if (!rc && !operations[*code].run)
            rc = rn_pickle_fail(p,
                                "has operation 0x%02x at byte %zu, which "
                                "tensors do not need",
                                *code, p->at - 1);
        if (!rc)
            rc = operations[*code].run(p, operations[*code].a);
    }
    return rc;
}

int rn_pickle_run(struct rn_pickle *p, const uint8_t *bytes, size_t size,
                  const char *path, const struct rn_pickle_names *known,
                  size_t *used, struct rn_error *err)
{
    memset(p, 0, sizeof(*p));
    p->path = path;
    p->known = known;
    p->bytes = bytes;
    p->size = size;
    p->err = err;
    int rc = run_all(p);
    *used = p->at;
    p->err = NULL;
    if (rc)
        rn_pickle_close(p);
    return rc;
}

void rn_pickle_close(struct rn_pickle *p)
{
    rn_free(p->objects);
    rn_free(p->cells);
    rn_free(p->stack);
    rn_free(p->memo);
    rn_free(p->storages);
    rn_free(p->tensors);
    rn_free(p->names);
    memset(p, 0, sizeof(*p));
}
