/* SPDX-License-Identifier: BSD-2-Clause */
/* PyTorch's files and other state dictionaries: what is in them comes out,
 * what is wrong is refused with a message, nothing is executed, and no prefix
 * of a file is taken for a file. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"

#include "core/file.h"
#include "core/memory.h"
#include "model/model.h"
#include "formats/torch/module.h"
#include "formats/torch/pickle_torch.h"
#include "formats/torch/pth.h"
#include "core/zip.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* ---------------------------------------------------------- made files */

struct bytes {
    uint8_t at[8192];
    size_t size;
};

static void put(struct bytes *b, const void *from, size_t size)
{
    assert_true(b->size + size <= sizeof(b->at));
    if (size > 0)
        memcpy(b->at + b->size, from, size);
    b->size += size;
}

static void put_number(struct bytes *b, uint64_t value, size_t bytes)
{
    put(b, &value, bytes);
}

static void put_text(struct bytes *b, const char *text)
{
    put(b, text, strlen(text));
}

/* An entry of a zip file to be. */
struct entry {
    const char *name;
    const void *data;
    size_t size;
};

/* What a made zip file has beside its entries. */
struct zip_style {
    bool deflated, zip64, no_crc;
    unsigned method, flags; /* when not 0 */
    int more;               /* added to each size */
    int shift;              /* added to each place */
};

static size_t deflate_into(struct bytes *out, const struct entry *e)
{
    z_stream z = {0};
    uint8_t packed[4096];

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, 0), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)e->data;
    z.avail_in = (unsigned)e->size;
    z.next_out = packed;
    z.avail_out = sizeof(packed);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    put(out, packed, z.total_out);
    deflateEnd(&z);
    return z.total_out;
}

static void make_zip(struct bytes *zip, const struct entry *entries,
                     size_t count, const struct zip_style *style)
{
    struct bytes *directory = calloc(1, sizeof(*directory));

    assert_non_null(directory);
    zip->size = 0;
    for (size_t i = 0; i < count; i++) {
        const struct entry *e = &entries[i];
        size_t at = zip->size, name = strlen(e->name), packed = e->size;
        unsigned method = style->method     ? style->method
                          : style->deflated ? 8
                                            : 0;
        uint32_t crc = (uint32_t)crc32(0, e->data, (unsigned)e->size);

        if (style->no_crc)
            crc = 0;
        put(zip, "PK\3\4\24\0\0\0", 8);
        put_number(zip, method, 2);
        put_number(zip, 0, 8); /* found in the directory alone */
        put_number(zip, 0, 8);
        put_number(zip, name, 2);
        put_number(zip, 0, 2);
        put_text(zip, e->name);
        if (style->deflated)
            packed = deflate_into(zip, e);
        else
            put(zip, e->data, e->size);
        put(directory, "PK\1\2\24\0\24\0", 8);
        put_number(directory, style->flags, 2);
        put_number(directory, method, 2);
        put_number(directory, 0, 4);
        put_number(directory, crc, 4);
        put_number(directory, style->zip64 ? UINT32_MAX : packed, 4);
        put_number(directory,
                   style->zip64 ? UINT32_MAX : e->size + (size_t)style->more,
                   4);
        put_number(directory, name, 2);
        put_number(directory, style->zip64 ? 28 : 0, 2);
        put_number(directory, 0, 8);
        put_number(directory, 0, 2);
        put_number(directory,
                   style->zip64 ? UINT32_MAX : at + (size_t)style->shift, 4);
        put_text(directory, e->name);
        if (style->zip64) {
            put_number(directory, 1 | 24 << 16, 4);
            put_number(directory, e->size + (size_t)style->more, 8);
            put_number(directory, packed, 8);
            put_number(directory, at + (size_t)style->shift, 8);
        }
    }
    size_t start = zip->size;
    put(zip, directory->at, directory->size);
    if (style->zip64) {
        put(zip, "PK\6\6", 4);
        put_number(zip, 44, 8);
        put_number(zip, 0, 8);
        put_number(zip, 0, 4);
        put_number(zip, count, 8);
        put_number(zip, count, 8);
        put_number(zip, directory->size, 8);
        put_number(zip, start, 8);
        put(zip, "PK\6\7\0\0\0\0", 8);
        put_number(zip, start + directory->size, 8);
        put_number(zip, 1, 4);
    }
    put(zip, "PK\5\6\0\0\0\0", 8);
    put_number(zip, style->zip64 ? 0xffff : count, 2);
    put_number(zip, style->zip64 ? 0xffff : count, 2);
    put_number(zip, style->zip64 ? UINT32_MAX : directory->size, 4);
    put_number(zip, style->zip64 ? UINT32_MAX : start, 4);
    put_number(zip, 0, 2);
    free(directory);
}

/* Pickles, in operations that are text lines where there are such. */
#define DICT    "ccollections\nOrderedDict\n)R"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n("
#define STORAGE(type, key, count) \
    "(Vstorage\nctorch\n" type "\nV" key "\nVcuda:0\nI" count "\ntQ"
#define END_ARGS "I00\n" DICT "t"
#define END      END_ARGS "R"
/* Six float32 in storage 0, as 2 x 3. */
#define STORAGE6 STORAGE("FloatStorage", "0", "6")
#define TENSOR6  REBUILD STORAGE6 "I0\n(I2\nI3\nt(I3\nI1\nt" END

static const float six[] = {1.5f, -2, 3, 4, 5, 6.25f};

/* A zip file of this pickle, and `size` bytes of storage 0. */
static void make_pth(struct bytes *b, const void *program, size_t length,
                     const void *storage, size_t size,
                     const struct zip_style *style)
{
    const struct entry entries[] = {
        {"x/data.pkl", program, length},
        {"x/byteorder", "little", 6},
        {"x/data/0", storage, size},
        {"x/version", "3\n", 2},
    };

    make_zip(b, entries, COUNT(entries), style);
}

static const struct zip_style plain;

/* --------------------------------------------------------- expectations */

static int parse(struct rn_state *state, const struct bytes *b,
                 struct rn_error *err)
{
    /* Of exactly that size, so that sanitizers see reads past the end. */
    static uint8_t *copy;

    free(copy);
    copy = malloc(b->size ? b->size : 1);
    assert_non_null(copy);
    memcpy(copy, b->at, b->size);
    assert_int_equal(rn_state_start(state, "file.pth", err), RN_OK);
    int rc = rn_pth_parse(state, copy, b->size, err);
    if (rc)
        rn_state_close(state);
    return rc;
}

static void assert_parses(struct rn_state *state, const struct bytes *b)
{
    struct rn_error err = {0};

    if (parse(state, b, &err))
        fail_msg("refused: %s", err.msg);
}

static void assert_refused(const struct bytes *b, const char *expected,
                           const char *what)
{
    struct rn_state state;
    struct rn_error err = {0};
    int rc = parse(&state, b, &err);

    if (!rc) { /* or refused when it is read */
        float out[64];
        for (size_t i = 0; i < state.count && !rc; i++)
            if (state.tensors[i].count <= COUNT(out))
                rc = rn_state_read(&state, &state.tensors[i], out, &err);
        rn_state_close(&state);
    }
    if (rc != RN_ERR_DATA || err.code != rc || !strstr(err.msg, expected) ||
        !strstr(err.msg, "'file.pth'"))
        fail_msg("%s: got %d \"%s\", expected %d \"…%s…\"", what, rc, err.msg,
                 RN_ERR_DATA, expected);
}

static void assert_values(struct rn_state *state, const char *name, int dims,
                          const float *expected, size_t count)
{
    const struct rn_state_tensor *t = rn_state_find(state, name);
    struct rn_error err = {0};
    float got[64];

    if (!t || t->dims != dims || t->count != count)
        fail_msg("'%s': %d dimensions, %zu elements, expected %d and %zu", name,
                 t ? t->dims : -1, t ? (size_t)t->count : 0, dims, count);
    assert_true(count <= COUNT(got));
    if (rn_state_read(state, t, got, &err))
        fail_msg("'%s': %s", name, err.msg);
    for (size_t i = 0; i < count; i++)
        if (memcmp(&got[i], &expected[i], sizeof(float)) != 0)
            fail_msg("'%s'[%zu] is %a, expected %a", name, i, (double)got[i],
                     (double)expected[i]);
}

/* --------------------------------------------------------------- tests */

/* The same tensor, in every wrapping. */
static void wrappings(void **state)
{
    static const char *const programs[] = {
        "\x80\x02}Vw\n" TENSOR6 "s.",
        "\x80\x02" DICT "(Vw\n" TENSOR6 "u.",
        "(Vw\n" TENSOR6 "d.",
        "\x80\x02}(Vepoch\nI3\nVbest\nF0.5\nVstate_dict\n}Vw\n" TENSOR6 "su.",
        "\x80\x02}(Vlr\nG\x3f\xb9\x99\x99\x99\x99\x99\x9aVmodel\n" DICT
        "(Vw\n" TENSOR6 "uu.",
        "\x80\x02}Vnet\n}Vw\n" TENSOR6 "ss.",
        "\x80\x02}Vmodel\n}Vstate_dict\n}Vw\n" TENSOR6 "sss.",
        /* attributes, as a state dictionary's _metadata */
        "\x80\x02" DICT "(Vw\n" TENSOR6 "u}V_metadata\n}sb.",
        /* a parameter */
        "\x80\x02}Vw\nctorch._utils\n_rebuild_parameter\n(" TENSOR6 "I01\n" DICT
        "tRs.",
        /* Python 2's ordered dictionary */
        "\x80\x02"
        "ccollections\nOrderedDict\n(((Vw\n" TENSOR6 "lltR.",
        /* before PyTorch 0.4 */
        "\x80\x02}Vw\nctorch._utils\n_rebuild_tensor\n(" STORAGE6
        "I0\n(I2\nI3\nt(I3\nI1\nttRs.",
        /* memo, and what a stack can do */
        "\x80\x02}q\1Vw\nq\2h\1"
        "0" TENSOR6 "q\3"
        "20h\3"
        "0s"
        "(I1\n1p7\ng7\n0.",
        /* other scripts' leftovers */
        "\x80\x02}(Vsched\nccollections\nCounter\n(}tRVw\n" TENSOR6
        "Vdev\nctorch\ndevice\n(Vcpu\ntRVsize\nctorch\nSize\n((I1\nttRu.",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(programs); i++) {
        struct bytes b;
        struct rn_state s;
        struct rn_error err = {0};

        make_pth(&b, programs[i], strlen(programs[i]), six, sizeof(six),
                 &plain);
        if (parse(&s, &b, &err))
            fail_msg("wrapping %zu: %s", i, err.msg);
        assert_int_equal(s.count, 1);
        assert_values(&s, "w", 2, six, 6);
        rn_state_close(&s);
    }
}

/* Protocol 4: frames, short text, implicit memo, names from the stack. */
static void protocol_4(void **state)
{
    static const char program[] =
        "\x80\x04\x95\0\1\0\0\0\0\0\0"
        /* an array of bytes, dropped */
        "\x96\1\0\0\0\0\0\0\0x0"
        "}\x94\x8c\1w\x94\x8c\x0ctorch._utils\x94"
        "\x8c\x12_rebuild_tensor_v2\x94\x93\x94((\x8c\7storage\x94"
        "\x8c\5torch\x94\x8c\x0c"
        "FloatStorage\x94\x93\x94\x8c\1"
        "0\x94"
        "\x8c\3cpu\x94K\6t\x94QK\0K\2K\3\x86\x94M\3\0J\1\0\0\0\x86\x94\x89"
        "\x8c\x0b"
        "collections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94t\x94R"
        "\x94s.";
    struct bytes b;
    struct rn_state s;

    (void)state;
    make_pth(&b, program, sizeof(program) - 1, six, sizeof(six), &plain);
    assert_parses(&s, &b);
    assert_values(&s, "w", 2, six, 6);
    rn_state_close(&s);
}

static void zip_styles(void **state)
{
    static const char program[] = "\x80\x02}Vw\n" TENSOR6 "s.";
    static const struct zip_style styles[] = {
        {.deflated = true},
        {.zip64 = true},
        {.zip64 = true, .deflated = true},
        {.no_crc = true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(styles); i++) {
        struct bytes b;
        struct rn_state s;
        struct rn_error err = {0};

        make_pth(&b, program, sizeof(program) - 1, six, sizeof(six),
                 &styles[i]);
        if (parse(&s, &b, &err))
            fail_msg("style %zu: %s", i, err.msg);
        assert_values(&s, "w", 2, six, 6);
        rn_state_close(&s);
    }
}

/* Bytes of numbers, the type, and what they are. */
static void types(void **state)
{
    static const struct {
        const char *type;
        const char *bytes;
        size_t size;
        const char *count;
        float expected[3];
        size_t n;
    } cases[] = {
        /* 1, -2, largest; denormal 2^-24; infinite */
        {"HalfStorage", "\0\x3c\0\xc0\xff\x7b", 6, "3", {1, -2, 65504}, 3},
        {"HalfStorage",
         "\1\0\0\xfc\0\x80",
         6,
         "3",
         {0x1p-24f, -INFINITY, -0.0f},
         3},
        {"BFloat16Storage",
         "\x80\x3f\0\xc0\x49\x40",
         6,
         "3",
         {1, -2, 3.140625f},
         3},
        {"DoubleStorage",
         "\0\0\0\0\0\0\xf8\x3f\0\0\0\0\0\0\0\xc0",
         16,
         "2",
         {1.5f, -2},
         2},
        {"LongStorage",
         "\7\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
         16,
         "2",
         {7, -1},
         2},
        {"IntStorage", "\7\0\0\0\xfe\xff\xff\xff", 8, "2", {7, -2}, 2},
        {"ShortStorage", "\7\0\xfd\xff", 4, "2", {7, -3}, 2},
        {"CharStorage", "\7\xfc", 2, "2", {7, -4}, 2},
        {"ByteStorage", "\7\xfc", 2, "2", {7, 252}, 2},
        {"BoolStorage", "\1\0", 2, "2", {1, 0}, 2},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char program[400];
        struct bytes b;
        struct rn_state s;

        snprintf(program, sizeof(program),
                 "\x80\x02}Vw\n" REBUILD
                 "(Vstorage\nctorch\n%s\nV0\nVcpu\nI%s\ntQI0\n(I%s\nt(I1\nt" END
                 "s.",
                 cases[i].type, cases[i].count, cases[i].count);
        make_pth(&b, program, strlen(program), cases[i].bytes, cases[i].size,
                 &plain);
        assert_parses(&s, &b);
        assert_values(&s, "w", 1, cases[i].expected, cases[i].n);
        rn_state_close(&s);
    }
}

/* _rebuild_tensor_v3: bytes, and the type beside them. */
static void untyped_storage(void **state)
{
    static const char program[] =
        "\x80\x02}Vw\nctorch._utils\n_rebuild_tensor_v3\n((Vstorage\n"
        "ctorch.storage\nUntypedStorage\nV0\nVcpu\nI6\ntQI1\n(I2\nt(I1\nt"
        "I00\n" DICT "ctorch\nuint16\ntRs.";
    static const uint16_t numbers[] = {1, 2, 65535};
    static const float expected[] = {2, 65535};
    struct bytes b;
    struct rn_state s;

    (void)state;
    make_pth(&b, program, sizeof(program) - 1, numbers, sizeof(numbers),
             &plain);
    assert_parses(&s, &b);
    assert_values(&s, "w", 1, expected, 2);
    rn_state_close(&s);
}

/* One storage, seen as its transpose, a slice, a number, and nothing. */
static void views(void **state)
{
    static const char program[] =
        "\x80\x02}(Vt\n" REBUILD STORAGE6 "I0\n(I3\nI2\nt(I1\nI3\nt" END
        "Vslice\n" REBUILD STORAGE6 "I1\n(I2\nI2\nt(I3\nI1\nt" END
        "Vcolumn\n" REBUILD STORAGE6 "I2\n(I2\nt(I3\nt" END
        "Vscalar\n" REBUILD STORAGE6 "I5\n))" END "Vnone\n" REBUILD STORAGE6
        "I0\n(I0\nI3\nt(I3\nI1\nt" END "Vsame\n" REBUILD STORAGE6
        "I4\n(I3\nt(I0\nt" END "V4d\n" REBUILD STORAGE6
        "I0\n(I1\nI3\nI1\nI2\nt(I6\nI1\nI9\nI3\nt" END "u.";
    static const float t[] = {1.5f, 4, -2, 5, 3, 6.25f};
    static const float slice[] = {-2, 3, 5, 6.25f};
    static const float column[] = {3, 6.25f};
    static const float same[] = {5, 5, 5};
    struct bytes b;
    struct rn_state s;

    (void)state;
    make_pth(&b, program, sizeof(program) - 1, six, sizeof(six), &plain);
    assert_parses(&s, &b);
    assert_int_equal(s.count, 7);
    assert_values(&s, "t", 2, t, 6);
    assert_values(&s, "slice", 2, slice, 4);
    assert_values(&s, "column", 1, column, 2);
    assert_values(&s, "scalar", 0, &six[5], 1);
    assert_values(&s, "none", 2, NULL, 0);
    assert_values(&s, "same", 1, same, 3);
    assert_values(&s, "4d", 4, t, 6);
    rn_state_close(&s);
}

/* The older form: five pickles, then counts and numbers. */
#define MAGIC  "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define FRONT  MAGIC "\x80\x02M\xe9\x03."
#define LITTLE "\x80\x02}Vlittle_endian\n\x88s."
#define KEYS   "\x80\x02](V0\ne."

static void make_old(struct bytes *b, const char *program, size_t length,
                     uint64_t count, const void *numbers, size_t size)
{
    static const char front[] = FRONT LITTLE;

    b->size = 0;
    put(b, front, sizeof(front) - 1);
    put(b, program, length);
    put_text(b, KEYS);
    put_number(b, count, 8);
    put(b, numbers, size);
}

static void older_form(void **state)
{
    static const char program[] = "\x80\x02}Vw\n" TENSOR6 "s.";
    /* Tensor 1 in a view of the storage: elements 2 to 4. */
    static const char view[] =
        "\x80\x02}Vv\n" REBUILD "(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\n"
        "I6\n(V1\nI2\nI3\nttQI1\n(I2\nt(I1\nt" END "s.";
    struct bytes b;
    struct rn_state s;

    (void)state;
    make_old(&b, program, sizeof(program) - 1, 6, six, sizeof(six));
    assert_parses(&s, &b);
    assert_values(&s, "w", 2, six, 6);
    rn_state_close(&s);
    make_old(&b, view, sizeof(view) - 1, 6, six, sizeof(six));
    assert_parses(&s, &b);
    assert_values(&s, "v", 1, six + 3, 2);
    rn_state_close(&s);
}

static void bad_pickles(void **state)
{
    static const struct {
        const char *program, *expected;
    } cases[] = {
        {"\x80\x02"
         "cos\nsystem\n(Vtouch /tmp/hurt\ntR.",
         "is an object of os.system"},
        {"\x80\x02"
         "cposix\nsystem\n(Vtrue\ntR.",
         "is an object of posix.system"},
        {"\x80\x04Vos\nVsystem\n\x93(Vtrue\ntR.", "is an object of os.system"},
        {"\x80\x02"
         "c__builtin__\neval\n(V1\ntR.",
         "an object of __builtin__.eval, which is neither known nor run"},
        {"\x80\x02"
         "ctorchvision.models.resnet\nResNet\n)\x81.",
         "is an object of torchvision.models.resnet.ResNet"},
        {"\x80\x02"
         "ctorch\nload\n.",
         "is an object of torch.load"},
        {"\x80\x02"
         "cos\x1b[31m\nsystem\n.",
         "is an object of os?[31m.system"},
        {"\x80\x02"
         "ctorch\nFloatStorage\n)R.",
         "no function"},
        {"\x80\x02N)R.", "calls something that is no function"},
        {"\x80\x02]q\1h\1"
         "a.",
         "holds no dictionary"},
        {"\x80\x02}q\1Vmodel\nh\1s.", "holds no tensors"},
        {"\x80\x02N.", "holds no dictionary"},
        {"\x80\x02}Va\nI1\ns.", "holds no tensors"},
        {"\x80\x02Nr\xff\xff\xff\xff.", "number 4294967295 of its memo"},
        {"\x80\x02Np999999999\n.", "number 999999999 of its memo"},
        {"\x80\x02Np-1\n.", "of its memo"},
        {"\x80\x02h\1.", "number 1 of its memo, which is empty"},
        {"\x80\x02N", "cut short"},
        {"\x80\x02X\xff\xff\xff\xff.", "cut short"},
        {"\x80\x02.", "takes more values than there are"},
        {"\x80\x02t.", "misses a mark"},
        {"\x80\x02N(0.", "takes more values than there are"},
        {"\x80\x02N(u.", "something else than a dictionary"},
        {"\x80\x02(u.", "adds items to nothing"},
        {"\x80\x02}(Nu.", "key without a value"},
        {"\x80\x02(Nd.", "key without a value"},
        {"\x80\x02}Na.", "something else than a list"},
        {"\x80\x06N.", "protocol 6"},
        {"\x80\x02i.", "cut short"},
        {"\x80\x02ios\nsystem\n.", "misses a mark"},
        {"\x80\x02(o.", "calls nothing"},
        {"\x80\x02(NNo.", "calls something that is no function"},
        {"\x80\x02(ios\nsystem\n.", "is an object of os.system"},
        {"\x80\x02(cos\nsystem\no.", "is an object of os.system"},
        {"\x80\x02\x82\1.", "operation 0x82"},
        {"\x80\x02Pabc\n.", "operation 0x50"},
        {"\x80\x02Ix\n.", "no number"},
        {"\x80\x02S'\n.", "without quotes"},
        {"\x80\x02Va\\u0041\n.", "escaped"},
        {"\x80\x02}Vw\n" REBUILD STORAGE6 "I0\n(I2\nI3\nt(I-3\nI1\nt" END "s.",
         "negative or missing"},
        {"\x80\x02}Vw\n" REBUILD STORAGE6 "I-1\n(I2\nI3\nt(I3\nI1\nt" END "s.",
         "negative or missing"},
        {"\x80\x02}Vw\n" REBUILD STORAGE6 "I0\n(I2\nI-3\nt(I3\nI1\nt" END "s.",
         "negative or missing"},
        {"\x80\x02}Vw\n" REBUILD STORAGE6 "I0\n(I2\nI3\nt(I3\nt" END "s.",
         "negative or missing"},
        {"\x80\x02}Vw\n" REBUILD STORAGE6
         "I0\n(I4294967296\nI4294967296\nt(I1\nI1\nt" END "s.",
         "64 bits"},
        {"\x80\x02}Vw\n" REBUILD STORAGE6
         "I0\n(I3\nI3\nt(I9223372036854775807\nI1\nt" END "s.",
         "64 bits"},
        {"\x80\x02}Vw\n" REBUILD STORAGE6
         "I9223372036854775807\n(I2\nt(I9223372036854775807\nt" END "s.",
         "in a storage of 6"},
        {"\x80\x02}Vw\n" REBUILD STORAGE6 "I1\n(I2\nI3\nt(I3\nI1\nt" END "s.",
         "in a storage of 6"},
        {"\x80\x02}Vw\n" REBUILD STORAGE6 "I0\n(I1000000000\nt(I0\nt" END "s.",
         "in a storage of 6"},
        {"\x80\x02}Vw\n" REBUILD STORAGE6
         "I0\n(I1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nt"
         "(I1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nt" END "s.",
         "at most 8 sizes"},
        {"\x80\x02}Vw\n" REBUILD "NI0\n))" END "s.", "no storage"},
        {"\x80\x02(NtQ.", "no storage"},
        {"\x80\x02" STORAGE("FloatStorage", "0", "4611686018427387905") ".",
         "a storage of 4611686018427387905 numbers"},
        {"\x80\x02}Vw\n" REBUILD STORAGE("FloatStorage", "0", "7") "I0\n))" END
                                                                   "s.",
         "has 24 bytes, expected 28"},
        {"\x80\x02}Vw\n" REBUILD STORAGE("DoubleStorage", "0", "6") "I0\n))" END
                                                                    "s.",
         "has 24 bytes, expected 48"},
        {"\x80\x02}Vw\n" REBUILD STORAGE("FloatStorage", "1", "6") "I0\n))" END
                                                                   "s.",
         "storage data/1 is missing"},
        {"\x80\x02}Vw\n" REBUILD STORAGE("FloatStorage", "../0",
                                         "6") "I0\n))" END "s.",
         "storage data/../0 is missing"},
        {"\x80\x02}Vw.bias\n" REBUILD STORAGE("ComplexFloatStorage", "0",
                                              "3") "I0\n))" END "s.",
         "torch.ComplexFloatStorage"},
        {"\x80\x02}Vw\n" REBUILD
         "(Vstorage\nctorch\nUntypedStorage\nV0\nVcpu\nI24\ntQI0\n))" END "s.",
         "of no type"},
        {"\x80\x02}(Vw\n" TENSOR6 "Vw\n" TENSOR6 "u.",
         "two tensors are called 'w'"},
        {"\x80\x02"
         "ccollections\nOrderedDict\n((Nlt"
         "R.",
         "not of pairs"},
        {"\x80\x02"
         "ccollections\nOrderedDict\n(NtR.",
         "else than a list"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bytes b;

        make_pth(&b, cases[i].program, strlen(cases[i].program), six,
                 sizeof(six), &plain);
        assert_refused(&b, cases[i].expected, cases[i].expected);
    }
}

/* Objects of classes unknown, beside the tensors and around them: none is made,
 * and the tensors are there. */
static void objects_beside(void **state)
{
    static const char *const programs[] = {
        /* argparse's; a NumPy number; a path */
        "\x80\x02}(Vmodel\n}Vw\n" TENSOR6
        "sVargs\ncargparse\nNamespace\n)\x81}Vlr\nF0.1\nsb"
        "Vbest\ncnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(Vf8\nI0\n"
        "I1\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntbC\x08"
        "12345678tR"
        "Vdata\ncpathlib\nPosixPath\n(V/\nVd\ntRu.",
        /* items of an object; an object of objects; getattr */
        "\x80\x02}(Vw\n" TENSOR6
        "Vlog\nccollections\ndeque\n)R(I1\nI2\neVa\nI1\nsI3\na"
        "Vmore\nc__builtin__\ngetattr\n(cx\ny\nVz\ntR(cx\ny\ntRu.",
        /* a dictionary with defaults */
        "\x80\x02"
        "ccollections\ndefaultdict\n(c__builtin__\nlist\ntR(Vw\n" TENSOR6 "u.",
        /* earlier protocols, named arguments, sets */
        "(Vw\n" TENSOR6 "Va\nccopy_reg\n_reconstructor\n(cx\nY\nc__builtin__"
        "\nobject\nNtR(dbVb\n"
        "(I1\nix\nZ\nVc\n(cx\nZ\nI1\noVd\ncx\nZ\n)}\x92Ve\n\x8f(I1\n\x90Vf\n"
        "(I1\n\x91"
        "d.",
        /* a tensor with attributes; one of a class of its own beside it */
        "\x80\x02}(Vw\nctorch._tensor\n_rebuild_from_type_v2\n"
        "(ctorch._utils\n_rebuild_tensor_v2\nctorch\nTensor\n(" STORAGE6
        "I0\n(I2\nI3\nt(I3\nI1\nt" END_ARGS "}tR"
        "Vother\nctorch._utils\n_rebuild_qtensor\n(" STORAGE6 "I0\ntRu.",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(programs); i++) {
        struct bytes b;
        struct rn_state s;
        struct rn_error err = {0};

        make_pth(&b, programs[i], strlen(programs[i]), six, sizeof(six),
                 &plain);
        if (parse(&s, &b, &err))
            fail_msg("objects %zu: %s", i, err.msg);
        assert_int_equal(s.count, 1);
        assert_values(&s, "w", 2, six, 6);
        rn_state_close(&s);
    }
}

/* A layer's tensor within an object is refused by the class's name. */
static void objects_in_the_way(void **state)
{
    static const struct {
        const char *program, *expected;
    } cases[] = {
        {"\x80\x02}(Vw\n" TENSOR6
         "Vfc.weight\nctorch._utils\n_rebuild_qtensor\n(" STORAGE6 "I0\ntRu.",
         "\"fc.weight\" is an object of torch._utils._rebuild_qtensor"},
        {"\x80\x02}Vfc.bias\n" REBUILD STORAGE("QInt8Storage", "0",
                                               "6") "I0\n))" END "s.",
         "\"fc.bias\" is an object of torch.QInt8Storage"},
        {"\x80\x02}Vmodel\ncmy.nets\nNet\n)\x81}Vw\n" TENSOR6 "sbs.",
         "\"model\" is an object of my.nets.Net"},
        {"\x80\x02"
         "cmy.nets\nNet\n)\x81}Vw\n" TENSOR6 "sb.",
         "its content is an object of my.nets.Net"},
        {"\x80\x02"
         "cmy\nDict\n)R(Vw\n" TENSOR6 "u.",
         "its content is an object of my.Dict"},
        {"\x80\x02"
         "ccollections\nOrderedDict\n(cmy\nDict\n)RtR.",
         "its content is an object of my.Dict"},
        {"\x80\x02}Vw\nctorch._tensor\n_rebuild_from_type_v2\n(NNNNtRs.",
         "for no tensor"},
        {"\x80\x02}Vw\n" REBUILD STORAGE6 "I0\n(I2\nI3\nt(I3\nI1\nt"
         "I00\n" DICT "}Vneg\nI01\nstRs.",
         "negated when it is read"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bytes b;

        make_pth(&b, cases[i].program, strlen(cases[i].program), six,
                 sizeof(six), &plain);
        assert_refused(&b, cases[i].expected, cases[i].expected);
    }
}

/* Which of several dictionaries is taken; and which when one is wanted, or the
 * end of the message. */
static void holders(void **state)
{
#define IN(name, tensor) "V" name "\n}V" tensor "\n" TENSOR6 "s"
    static const struct {
        const char *program, *wanted, *tensor, *note;
        bool refused;
    } cases[] = {
        {"\x80\x02}(" IN("model_ema", "e") "u.", NULL, "e", "", false},
        {"\x80\x02}(" IN("model_ema", "e") IN("model", "m") "u.", NULL, "m",
         "\"model\" taken, it also has some in model_ema", false},
        {"\x80\x02}(" IN("model_ema", "e") IN("model", "m") "u.", "model_ema",
         "e", "", false},
        {"\x80\x02}(" IN("teacher", "t") IN("student", "s") "u.", NULL, "s",
         "\"student\" taken", false},
        {"\x80\x02}(" IN("resnet", "r") "Voptimizer\n}" IN("state", "o") "su.",
         NULL, "r", "", false},
        {"\x80\x02}(" IN("left", "l") IN("right", "r") "u.", NULL, NULL,
         "2 dictionaries hold tensors (left, right): --holder", true},
        {"\x80\x02}(" IN("left", "l") IN("right", "r") "u.", "right", "r", "",
         false},
        {"\x80\x02}(Vw\n" TENSOR6 IN("state_dict", "s") "u.", NULL, "s",
         "also has some in .:", false},
        {"\x80\x02}(Vw\n" TENSOR6 IN("state_dict", "s") "u.", ".", "w", "",
         false},
        {"\x80\x02}(Vmodel\ncmy\nNet\n)\x81" IN("ema", "e") "u.", NULL, "e",
         "\"ema\" taken, its \"model\" is an object of my.Net", false},
        {"\x80\x02}Vema\n}(" IN("state_dict", "s") IN("other", "o") "us.",
         "other", "o", "", false},
        {"\x80\x02}Vema\n}(" IN("state_dict", "s") IN("other", "o") "us.",
         "ema.state_dict", "s", "", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bytes b;
        struct rn_state s;
        struct rn_error err = {0};

        make_pth(&b, cases[i].program, strlen(cases[i].program), six,
                 sizeof(six), &plain);
        assert_int_equal(rn_state_start(&s, "file.pth", &err), RN_OK);
        s.wanted = cases[i].wanted;
        int rc = rn_pth_parse(&s, b.at, b.size, &err);
        if (!rc != !cases[i].refused ||
            !strstr(rc ? err.msg : s.note, cases[i].note))
            fail_msg("holder %zu: got %d \"%s%s\"", i, rc, err.msg, s.note);
        if (!rc) {
            assert_int_equal(s.count, 1);
            assert_values(&s, cases[i].tensor, 2, six, 6);
            assert_true(!*cases[i].note == !*s.note);
        }
        rn_state_close(&s);
    }
#undef IN
}

/* A dictionary in itself and a thousand times elsewhere is looked into once. */
static void dictionaries_in_themselves(void **state)
{
    static const char start[] = "\x80\x02}q\1(";
    char *program = malloc(400000);
    size_t n = sizeof(start) - 1;
    struct bytes b;

    (void)state;
    assert_non_null(program);
    memcpy(program, start, n);
    for (int i = 0; i < 150; i++)
        n += (size_t)sprintf(program + n, "V%d\nh\1V%da\n}(V1\nh\1u", i, i);
    program[n++] = 'u';
    program[n++] = '.';
    make_pth(&b, program, n, six, sizeof(six), &plain);
    assert_refused(&b, "holds no tensors", "itself");
    free(program);
}

/* ------------------------------------------------------- whole modules */

/* A module: its class, and dictionaries of tensors and of modules. */
#define MODULE(module, class, attributes, tensors, modules)     \
    "c" module "\n" class "\n)\x81}(V_parameters\n}(" tensors   \
                          "uV_buffers\n}V_forward_hooks\n" DICT \
                          "V_modules\n}(" modules "u" attributes "ub"
#define LEAF(module, class, attributes) \
    MODULE("torch.nn.modules." module, class, attributes, "", "")
#define PAIR(name, a) "V" name "\n(I" a "\nI" a "\nt"
#define CONV(stride, kernel, padding, more)                               \
    MODULE("torch.nn.modules.conv", "Conv2d",                             \
           PAIR("stride", stride) PAIR("kernel_size", kernel)             \
               PAIR("padding", padding)                                   \
                   PAIR("dilation",                                       \
                        "1") "Vgroups\nI1\nVpadding_mode\nVzeros\n" more, \
           "Vbias\nNVweight\n" TENSOR6, "")
/* eps 0.5 */
#define NORM \
    LEAF("batchnorm", "BatchNorm2d", "Veps\nG\x3f\xe0\x01\x01\x01\x01\x01\x01")
#define POOL                                                        \
    LEAF("pooling", "MaxPool2d",                                    \
         "Vkernel_size\nI3\nVstride\nI2\nVpadding\nI1\nVdilation\n" \
         "I1\nVceil_mode\nI00\n")
#define RESNET(modules) \
    MODULE("torchvision.models.resnet", "ResNet", "", "", modules)
#define BLOCK(modules) \
    MODULE("torchvision.models.resnet", "BasicBlock", "", "", modules)
#define SEQUENCE(modules) \
    MODULE("torch.nn.modules.container", "Sequential", "", "", modules)

static void whole_modules(void **state)
{
    static const char *const programs[] = {
        "\x80\x02" RESNET("Vconv1\n" CONV(
            "2", "7", "3", "") "Vbn1\n" NORM "Vmaxpool\n" POOL
                               "Vfc\nNVlayer1\n" SEQUENCE("V0\n" BLOCK(
                                   "Vconv1\n" CONV("1", "3", "1", "")))) ".",
        "\x80\x02" MODULE(
            "torch.nn.parallel.data_parallel", "DataParallel", "", "",
            "Vmodule\n" RESNET(
                "Vconv1\n" CONV("2", "7", "3", "") "Vlayer1\n" SEQUENCE(
                    "V0\n" BLOCK("Vconv1\n" CONV("1", "3", "1", ""))))) ".",
        "\x80\x02}Vmodel\n" RESNET(
            "Vconv1\n" CONV("2", "7", "3", "") "Vlayer1\n" SEQUENCE(
                "V0\n" BLOCK("Vconv1\n" CONV("1", "3", "1", "")))) "s.",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(programs); i++) {
        struct bytes b;
        struct rn_state s;
        struct rn_error err = {0};

        make_pth(&b, programs[i], strlen(programs[i]), six, sizeof(six),
                 &plain);
        if (parse(&s, &b, &err))
            fail_msg("module %zu: %s", i, err.msg);
        assert_int_equal(s.count, 2);
        assert_values(&s, "conv1.weight", 2, six, 6);
        assert_values(&s, "layer1.0.conv1.weight", 2, six, 6);
        assert_int_equal(s.n_layers, i == 0 ? 4 : 2);
        for (size_t k = 0; k < s.n_layers; k++) {
            const struct rn_state_layer *l = &s.layers[k];
            bool stem = strcmp(l->name, "conv1") == 0;

            if (l->op == RN_OP_CONV)
                assert_true(l->stride == (stem ? 2 : 1) && l->groups == 1 &&
                            l->kernel == (stem ? 7 : 3) &&
                            l->padding == (stem ? 3 : 1));
            if (l->op == RN_OP_BATCH_NORM)
                assert_true(l->eps > 0.5 && l->eps < 0.51);
        }
        rn_state_close(&s);
    }
}

static void other_modules_are_refused(void **state)
{
    static const struct {
        const char *program, *expected;
    } cases[] = {
        {"\x80\x02" RESNET("Vattn\n" LEAF("conv", "Conv2d", "")) ".",
         "'attn' is an object of torch.nn.modules.conv.Conv2d, whose code"},
        {"\x80\x02" RESNET("Vrelu\n" LEAF("activation", "SiLU", "")) ".",
         "'relu' is an object of torch.nn.modules.activation.SiLU, whose code"},
        {"\x80\x02" RESNET("Vlayer1\n" SEQUENCE("V0\ncmy\nBlock\n)\x81")) ".",
         "'layer1.0' is an object of my.Block, whose code is not run"},
        {"\x80\x02" RESNET(
             "Vlayer1\n" SEQUENCE("V1\n" BLOCK("") "V0\n" BLOCK(""))) ".",
         "'layer1' is an object of torch.nn.modules.container.Sequential, "
         "whose modules are not called 0, 1, 2"},
        {"\x80\x02" RESNET(
             "Vconv1\n" CONV("2", "7", "3", "V_forward_hooks\n}I0\nI1\ns")) ".",
         "'conv1' is an object of torch.nn.modules.conv.Conv2d, with hooks"},
        {"\x80\x02" RESNET(
             "Vconv1\n" CONV("2", "7", "3", "Vforward\nI1\n")) ".",
         "with hooks or methods of its own"},
        {"\x80\x02" RESNET(
             "Vconv1\n" CONV("2", "7", "3", "Vpadding\nVsame\n")) ".",
         "with attributes that no network here has"},
        {"\x80\x02" RESNET(
             "Vconv1\n" CONV("2", "7", "3", "Vpadding_mode\nVcircular\n")) ".",
         "with attributes that no network here has"},
        {"\x80\x02" RESNET(
             "Vconv1\n" CONV("2", "7", "3", PAIR("dilation", "2"))) ".",
         "with attributes that no network here has"},
        {"\x80\x02" RESNET(
             "Vconv1\n" CONV("2", "7", "3", "Vstride\n(I1\nI2\nt")) ".",
         "with attributes that no network here has"},
        {"\x80\x02" RESNET("Vbn1\n" LEAF("batchnorm", "BatchNorm2d", "")) ".",
         "with attributes that no network here has"},
        {"\x80\x02" MODULE("torch.nn.parallel.data_parallel", "DataParallel",
                           "", "", "Vmodule\ncmy\nNet\n)\x81") ".",
         "is an object of my.Net, whose code is not run"},
        {"\x80\x02" MODULE("my", "Net", "", "", "") ".",
         "its content is an object of my.Net"},
        {"\x80\x02" RESNET(
             "Vfc\n" LEAF("linear", "Linear", "V_parameters\nN")) ".",
         "without a dictionary of tensors"},
        {"\x80\x02" RESNET("Vfc\n" LEAF("linear", "Linear",
                                        "V_parameters\n}Vweight\nI1\ns")) ".",
         "with something else than tensors"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bytes b;

        make_pth(&b, cases[i].program, strlen(cases[i].program), six,
                 sizeof(six), &plain);
        assert_refused(&b, cases[i].expected, cases[i].expected);
    }
}

/* One that holds itself, twice: nobody follows it far. */
static void modules_in_themselves(void **state)
{
    static const char program[] = "\x80\x02" MODULE(
        "torchvision.models.resnet", "ResNet", "", "",
        "Vlayer1\nctorch.nn.modules.container\nSequential\n)\x81q\1}("
        "V_parameters\n}V_buffers\n}V_modules\n}(V0\nh\1V1\nh\1u"
        "ub") ".";
    struct bytes b;

    (void)state;
    make_pth(&b, program, sizeof(program) - 1, six, sizeof(six), &plain);
    assert_refused(&b, "not known in that place", "itself");
}

/* The layers of a network of ours, as a module would tell them. */
static void layers_of(struct rn_state *s, const struct rn_graph *g)
{
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct rn_node *n = &g->nodes[i];
        struct rn_state_layer l = {.op = n->op,
                                   .stride = n->window.stride,
                                   .padding = n->window.pad,
                                   .kernel = n->window.kh,
                                   .groups = n->groups,
                                   .eps = 0.25};

        if (n->op != RN_OP_CONV && n->op != RN_OP_BATCH_NORM &&
            n->op != RN_OP_MAX_POOL)
            continue;
        assert_true(
            rn_grow(&s->layers, &s->layers_room, s->n_layers, sizeof(l)));
        l.name = rn_strdup(n->name);
        s->layers[s->n_layers++] = l;
    }
}

static void modules_are_compared(void **state)
{
    const struct rn_net_options v1 = {.stride_v1 = 1};

    static const struct {
        const char *net, *layer;
        int stride, kernel, padding, groups; /* added */
        const char *expected;
    } cases[] = {
        {"resnet18", "conv1", -1, 0, 0, 0, "its conv1 is 7x7 with stride 1"},
        {"resnet18", "layer2.0.downsample.0", 1, 0, 0, 0, "with stride 3"},
        {"resnet18", "layer4.1.conv2", 0, 0, 1, 0, "padding 2"},
        {"resnet18", "maxpool", 0, -1, 0, 0, "its maxpool is 2x2"},
        {"resnext50_32x4d", "layer1.0.conv2", 0, 0, 0, 1, "and 33 groups"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases) + 2; i++) {
        const bool bad = i < COUNT(cases);
        struct rn_model *model;
        struct rn_state s;
        struct rn_error err = {0};

        assert_int_equal(rn_model_create(&model,
                                         bad ? cases[i].net : "resnet50",
                                         i == COUNT(cases) ? &v1 : NULL, &err),
                         RN_OK);
        assert_int_equal(rn_state_start(&s, "file.pth", &err), RN_OK);
        layers_of(&s, model->graph);
        for (size_t k = 0; k < s.n_layers && bad; k++) {
            struct rn_state_layer *l = &s.layers[k];

            if (strcmp(l->name, cases[i].layer) != 0)
                continue;
            l->stride += cases[i].stride;
            l->kernel += cases[i].kernel;
            l->padding += cases[i].padding;
            l->groups += cases[i].groups;
        }
        int rc = rn_module_check(model->graph, &s, &err);
        if (bad ? rc != RN_ERR_DATA || !strstr(err.msg, cases[i].expected)
                : rc != RN_OK)
            fail_msg("case %zu: %d \"%s\"", i, rc, err.msg);
        if (!bad) {
            assert_true(rn_module_stride_v1(&s) == (i == COUNT(cases)));
            for (size_t k = 0; k < model->graph->n_nodes; k++)
                if (model->graph->nodes[k].op == RN_OP_BATCH_NORM)
                    assert_true(model->graph->nodes[k].eps == 0.25f);
            /* A layer less, and a pool too many. */
            s.n_layers--;
            rn_free(s.layers[s.n_layers].name);
            assert_int_equal(rn_module_check(model->graph, &s, &err),
                             RN_ERR_DATA);
            assert_non_null(strstr(err.msg, "its modules have no batch_norm"));
        }
        rn_state_close(&s);
        rn_model_destroy(model);
    }
}

static void programs_are_named(void **state)
{
    static const struct {
        const char *entry, *expected;
    } cases[] = {
        {"x/constants.pkl", "a TorchScript archive (torch.jit.save())"},
        {"x/models/model.json", "a torch.export archive"},
        {"serialized_exported_program.json", "a torch.export archive"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct entry entries[] = {{"x/data.pkl", "N.", 2},
                                        {cases[i].entry, "N.", 2}};
        struct bytes b;

        make_zip(&b, entries, COUNT(entries), &plain);
        assert_refused(&b, cases[i].expected, cases[i].entry);
    }
}

/* A name C cannot hold. */
static void odd_names(void **state)
{
    static const char zero[] = "\x80\x02}U\2w\0" TENSOR6 "s.";
    struct bytes b;

    (void)state;
    make_pth(&b, zero, sizeof(zero) - 1, six, sizeof(six), &plain);
    assert_refused(&b, "name has a zero byte", "a zero byte");
}

/* Marks in marks; and values that hold themselves, a thousand deep. */
static void deep_pickle(void **state)
{
    char program[4000] = "\x80\x02";
    struct bytes b;

    (void)state;
    memset(program + 2, '(', sizeof(program) - 2);
    make_pth(&b, program, sizeof(program), six, sizeof(six), &plain);
    assert_refused(&b, "nested more than 1000 deep", "marks");
    /* Lists in lists: nobody walks them. */
    memset(program + 2, ']', 1500);
    memset(program + 2 + 1500, 'a', 1499);
    program[2 + 2999] = '.';
    make_pth(&b, program, 2 + 3000, six, sizeof(six), &plain);
    assert_refused(&b, "holds no dictionary", "lists");
}

/* A list put into a dictionary a thousand times over. */
static void many_pickle_values(void **state)
{
    enum { PAIRS = 5000, TIMES = 3000 };
    struct rn_pickle p;
    struct rn_error err = {0};
    size_t room = PAIRS * 4 + TIMES * 40 + 100, n = 0, used;
    char *program = malloc(room);
    (void)state;
    assert_non_null(program);
    n += (size_t)sprintf(program, "(");
    for (int i = 0; i < PAIRS; i++)
        n += (size_t)sprintf(program + n, "NN\x86");
    n += (size_t)sprintf(program + n, "lp0\n");
    for (int i = 0; i < TIMES; i++)
        n += (size_t)sprintf(program + n, "ccollections\nOrderedDict\n(g0\ntR");
    int rc = rn_pickle_run(&p, (const uint8_t *)program, n, "file.pth",
                           &rn_torch_names, &used, &err);
    if (rc != RN_ERR_DATA || !strstr(err.msg, "more than 4000000 items"))
        fail_msg("got %d \"%s\"", rc, err.msg);
    rn_pickle_close(&p);
    free(program);
}

static void bad_zips(void **state)
{
    static const char program[] = "\x80\x02}Vw\n" TENSOR6 "s.";

    static const struct {
        struct entry entries[4];
        struct zip_style style;
        const char *expected;
    } cases[] = {
        {{{"../data.pkl", "N.", 2}}, {0}, "place outside of it"},
        {{{"x/../../etc/data.pkl", "N.", 2}}, {0}, "place outside of it"},
        {{{"/etc/data.pkl", "N.", 2}}, {0}, "place outside of it"},
        {{{"..\\data.pkl", "N.", 2}}, {0}, "place outside of it"},
        {{{"x/y", "N.", 2}, {"x\\data.pkl", "N.", 2}},
         {0},
         "place outside of it"},
        {{{"x/..", "N.", 2}}, {0}, "place outside of it"},
        {{{"x/data.txt", "N.", 2}},
         {0},
         "a zip file, but not one of PyTorch's"},
        {{{"xdata.pkl", "N.", 2}}, {0}, "a zip file, but not one of PyTorch's"},
        {{{"a.npy", "N.", 2}}, {0}, "an archive of NumPy arrays (.npz)"},
        {{{"model.weights.h5", "N.", 2}}, {0}, "Keras's (.keras)"},
        {{{"x/m.onnx", "N.", 2}}, {0}, "a zip with 'x/m.onnx' in it"},
        {{{"x/data.pkl", "N.", 2}, {"y/data.pkl", "N.", 2}},
         {0},
         "has two pickles"},
        {{{"x/data.pkl", "N.", 2}, {"x/data.pkl", "N.", 2}},
         {0},
         "has two entries"},
        {{{"x/data.pkl", program, sizeof(program) - 1},
          {"x/byteorder", "big", 3},
          {"x/data/0", six, sizeof(six)}},
         {0},
         "not little-endian"},
        {{{"x/data.pkl", "N.", 2}}, {.method = 12}, "method 12"},
        {{{"x/data.pkl", "N.", 2}}, {.flags = 1}, "encrypted"},
        {{{"x/data.pkl", "N.", 2}}, {.more = 1}, "says it has 3 bytes"},
        {{{"x/data.pkl", "N.", 2}}, {.shift = 1}, "is not where"},
        {{{"x/data.pkl", "N.", 2}}, {.shift = 1000000}, "lies past"},
        {{{"x/data.pkl", "N.", 2}},
         {.zip64 = true, .shift = -1000},
         "lies past"},
        {{{"x/data.pkl", "N.", 2}},
         {.deflated = true, .more = 1},
         "does not inflate to its 3 bytes"},
        {{{"x/data.pkl", "N.", 2}},
         {.deflated = true, .more = -1},
         "does not inflate to its 1 bytes"},
        {{{"x/data.pkl", "N.", 2}},
         {.deflated = true, .more = 1000000},
         "says it has 1000002 bytes"},
        {{{"x/data.pkl", "N.", 2}}, {.method = 8}, "does not inflate"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bytes b;
        size_t n = 0;

        while (n < COUNT(cases[i].entries) && cases[i].entries[n].name)
            n++;
        make_zip(&b, cases[i].entries, n, &cases[i].style);
        assert_refused(&b, cases[i].expected, cases[i].expected);
    }
}

/* Entries that share their bytes, and a changed byte. */
static void damaged_zip(void **state)
{
    static const char program[] = "\x80\x02}Vw\n" TENSOR6 "s.";
    static const struct entry two[] = {{"a/data.pkl", "N.", 2},
                                       {"a/data.pkm", "N.", 2}};
    struct bytes b;

    (void)state;
    make_zip(&b, two, COUNT(two), &plain);
    /* Both names, both places the first's: the directory's second entry. */
    uint8_t *second = memmem(b.at, b.size, "PK\1\2", 4);
    assert_non_null(second);
    second += 46 + strlen(two[0].name);
    memset(second + 42, 0, 4);
    second[46 + 9] = 'l';
    assert_refused(&b, "overlap", "shared bytes");
    make_pth(&b, program, sizeof(program) - 1, six, sizeof(six), &plain);
    uint8_t *number = memmem(b.at, b.size, six, sizeof(six));
    assert_non_null(number);
    number[2] ^= 1;
    assert_refused(&b, "wrong check sum", "a changed bit");
}

static void bad_old_files(void **state)
{
    static const char program[] = "\x80\x02}Vw\n" TENSOR6 "s.";

    static const struct {
        const char *front, *keys;
        uint64_t count;
        size_t size;
        const char *expected;
    } cases[] = {
        {"\x80\x02I1\n.", KEYS, 6, 24, "not a file of torch.save()"},
        {MAGIC "\x80\x02M\xea\x03.", KEYS, 6, 24, "another protocol"},
        {FRONT "\x80\x02}Vlittle_endian\n\x89s.", KEYS, 6, 24,
         "not little-endian"},
        {FRONT "\x80\x02}.", KEYS, 6, 24, "not little-endian"},
        {FRONT LITTLE, "\x80\x02].", 6, 24, "is missing"},
        {FRONT LITTLE, "\x80\x02}.", 6, 24, "no list of storages"},
        {FRONT LITTLE, "\x80\x02](V1\ne.", 6, 24, "belongs to no tensor"},
        {FRONT LITTLE, "\x80\x02](Ne.", 6, 24, "key is not text"},
        {FRONT LITTLE, "\x80\x02](V0\nV0\ne.", 6, 24, "listed twice"},
        {FRONT LITTLE, KEYS, 5, 24, "has 5 numbers, expected 6"},
        {FRONT LITTLE, KEYS, UINT64_MAX, 24, "numbers, expected 6"},
        {FRONT LITTLE, KEYS, 6, 23, "cut short"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bytes b = {.size = 0};

        put_text(&b, cases[i].front);
        put(&b, program, sizeof(program) - 1);
        put_text(&b, cases[i].keys);
        put_number(&b, cases[i].count, 8);
        put(&b, six, cases[i].size);
        assert_refused(&b, cases[i].expected, cases[i].expected);
    }
}

/* No prefix is a file; each says so. */
static void truncation(void **state)
{
    static const char program[] = "\x80\x02}Vw\n" TENSOR6 "s.";
    static const struct zip_style styles[] = {
        {0}, {.deflated = true}, {.zip64 = true}};

    (void)state;
    for (size_t form = 0; form <= COUNT(styles); form++) {
        struct bytes b;

        if (form < COUNT(styles))
            make_pth(&b, program, sizeof(program) - 1, six, sizeof(six),
                     &styles[form]);
        else
            make_old(&b, program, sizeof(program) - 1, 6, six, sizeof(six));
        for (size_t whole = b.size; b.size-- > 0;) {
            struct rn_state s;
            struct rn_error err = {0};
            int rc = parse(&s, &b, &err);

            if (rc != RN_ERR_DATA || !err.msg[0])
                fail_msg("form %zu, %zu of %zu bytes: got %d \"%s\"", form,
                         b.size, whole, rc, err.msg);
        }
    }
}

static void short_of_memory(void **state)
{
    static const char program[] = "\x80\x02}Vw\n" TENSOR6 "s.";
    struct bytes b;

    (void)state;
    for (int old = 0; old < 2; old++) {
        int rc = RN_ERR_MEMORY;

        if (old)
            make_old(&b, program, sizeof(program) - 1, 6, six, sizeof(six));
        else
            make_pth(&b, program, sizeof(program) - 1, six, sizeof(six),
                     &(struct zip_style){.deflated = true});
        for (long n = 1; rc == RN_ERR_MEMORY; n++) {
            struct rn_state s = {0};
            struct rn_error err = {0};
            float out[6];

            rn_alloc_fail_after(n);
            rc = rn_state_start(&s, "file.pth", &err);
            if (!rc)
                rc = rn_pth_parse(&s, b.at, b.size, &err);
            if (!rc)
                rc = rn_state_read(&s, &s.tensors[0], out, &err);
            rn_alloc_fail_after(-1);
            rn_state_close(&s);
            assert_true(n < 1000);
            if (rc && rc != RN_ERR_MEMORY)
                fail_msg("allocation %ld: %d \"%s\"", n, rc, err.msg);
        }
    }
}

/* ------------------------------------------------------------- writing */

static void written_file(void **state)
{
    static const size_t dim[3][4] = {{2, 3, 1, 1}, {6}, {0}};
    float many[300], numbers[6];
    const struct rn_st_out out[] = {
        {"b.weight", 4, dim[0], six, RN_F32},
        {"a", 1, dim[1], numbers, RN_F32},
        {"scalar", 0, dim[2], many + 7, RN_F32},
        {"long", 1, (const size_t[]){300}, many, RN_F32},
    };
    struct rn_state s;
    struct rn_error err = {0};
    uint8_t *bytes;
    size_t size;

    (void)state;
    for (int i = 0; i < 300; i++)
        many[i] = (float)i / 7;
    memcpy(numbers, "\1\0\xc0\x7f\0\0\x80\xff\1\0\0\0", 12); /* NaN, inf, … */
    memset(numbers + 3, 0x80, 12);
    assert_int_equal(
        rn_pth_write(in_folder("out.pth"), out, COUNT(out), "{}", &err), RN_OK);
    if (rn_state_open(&s, in_folder("out.pth"), NULL, &err))
        fail_msg("%s", err.msg);
    assert_string_equal(s.format->name, "PyTorch zip file");
    assert_int_equal(s.count, COUNT(out));
    assert_string_equal(s.description, "{}");
    assert_values(&s, "b.weight", 4, six, 6);
    assert_values(&s, "a", 1, numbers, 6);
    assert_values(&s, "scalar", 0, many + 7, 1);
    const struct rn_state_tensor *t = rn_state_find(&s, "long");
    assert_non_null(t);
    float back[300];
    assert_int_equal(rn_state_read(&s, t, back, &err), RN_OK);
    assert_memory_equal(back, many, sizeof(many));
    rn_state_close(&s);
    /* Every entry's data lie at a multiple of 64 bytes. */
    struct rn_zip zip;
    assert_int_equal(
        rn_file_read(in_folder("out.pth"), SIZE_MAX, &bytes, &size, &err),
        RN_OK);
    assert_int_equal(rn_zip_parse(&zip, bytes, size, "out", &err), RN_OK);
    assert_int_equal(zip.count, 4 + COUNT(out));
    for (size_t i = 0; i < zip.count; i++)
        if ((size_t)(zip.entries[i].data - bytes) % 64)
            fail_msg("'%s' lies at byte %td", zip.entries[i].name,
                     zip.entries[i].data - bytes);
    rn_zip_close(&zip);
    rn_free(bytes);
}

/* -------------------------------------------------- several safetensors */

static void write_text(const char *name, const char *text)
{
    struct rn_error err = {0};

    if (rn_file_write(in_folder(name), text, strlen(text), &err))
        fail_msg("%s", err.msg);
}

static void write_shard(const char *name, const char *header, size_t data)
{
    struct bytes b = {.size = 0};
    struct rn_error err = {0};

    put_number(&b, strlen(header), 8);
    put_text(&b, header);
    put(&b, "\0\x3c\0\xc0\0\x44\0\0", data);
    assert_int_equal(rn_file_write(in_folder(name), b.at, b.size, &err), RN_OK);
}

static void shards(void **state)
{
    static const struct {
        const char *index, *expected; /* NULL: fine */
    } cases[] = {
        {"{\"metadata\":{},\"weight_map\":{\"z\":\"b\",\"y\":\"b\",\"x\":\"a\"}"
         "}",
         NULL},
        {"{\"weight_map\":{\"x\":\"b\"}}", "tensor 'x' is missing"},
        {"{\"weight_map\":{\"x\":\"../a\"}}", "expected a file beside it"},
        {"{\"weight_map\":{\"x\":\"/etc/passwd\"}}", "expected a file beside"},
        {"{\"weight_map\":{\"x\":\"..\"}}", "expected a file beside it"},
        {"{\"weight_map\":{\"x\":7}}", "is no text"},
        {"{\"weight_map\":[]}", "no \"weight_map\""},
        {"{\"weight", "not valid JSON"},
        {"{\"weight_map\":{\"f8\":\"b\"}}", "dtype F8_E4M3"},
        {"{\"weight_map\":{\"x\":\"nothing\"}}", "cannot open"},
    };
    static const float x[] = {1, -2}, y[] = {4}, z[] = {0};
    (void)state;
    write_shard("a",
                "{\"x\":{\"dtype\":\"F16\",\"shape\":[2],"
                "\"data_offsets\":[0,4]}}",
                4);
    write_shard("b",
                "{\"f8\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],"
                "\"data_offsets\":[0,4]},\"y\":{\"dtype\":\"F16\","
                "\"shape\":[1],\"data_offsets\":[4,6]},\"z\":{"
                "\"dtype\":\"I16\",\"shape\":[1],\"data_offsets\":[6,8]}}",
                8);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_state s;
        struct rn_error err = {0};

        write_text("index.json", cases[i].index);
        int rc = rn_state_open(&s, in_folder("index.json"), NULL, &err);
        if (!cases[i].expected != !rc ||
            (rc && !strstr(err.msg, cases[i].expected)))
            fail_msg("%s: got %d \"%s\"", cases[i].index, rc, err.msg);
        if (rc)
            continue;
        assert_int_equal(s.count, 3);
        assert_values(&s, "x", 1, x, 2);
        assert_values(&s, "y", 1, y, 1);
        assert_values(&s, "z", 1, z, 1);
        rn_state_close(&s);
    }
}

static void not_a_state(void **state)
{
    struct rn_state s;
    struct rn_error err = {0};

    (void)state;
    write_text("a", "just text, nothing of the kind");
    assert_int_equal(rn_state_open(&s, in_folder("a"), NULL, &err),
                     RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "a text that begins 'just text, nothing"));
    write_text("a", "");
    assert_int_equal(rn_state_open(&s, in_folder("a"), NULL, &err),
                     RN_ERR_DATA);
    assert_int_equal(rn_state_open(&s, folder, NULL, &err), RN_ERR_DATA);
    assert_int_equal(rn_state_open(&s, in_folder("no"), NULL, &err), RN_ERR_IO);
    unlink(in_folder("b"));
    assert_int_equal(mkfifo(in_folder("b"), 0600), 0);
    assert_int_equal(rn_state_open(&s, in_folder("b"), NULL, &err), RN_ERR_IO);
    unlink(in_folder("b"));
}

/* ----------------------------------------------------------- real files */

static void real_files(void **state)
{
    static const struct {
        const char *name;
        size_t tensors;
    } files[] = {{"resnet20-12fca82f.th", 97}, {"resnet44-014dd654.th", 217}};
    const char *shared = getenv("RN_SHARED");
    (void)state;
    for (size_t i = 0; i < COUNT(files); i++) {
        struct rn_state s;
        struct rn_error err = {0};
        char path[400];

        snprintf(path, sizeof(path), "%s/data/weights/cifar10-akamaster/%s",
                 shared ? shared : ".", files[i].name);
        if (!rn_is_file(path)) {
            print_message("no %s: skipped\n", path);
            skip();
        }
        if (rn_state_open(&s, path, NULL, &err))
            fail_msg("%s", err.msg);
        assert_string_equal(s.format->name, "older PyTorch file");
        assert_int_equal(s.count, files[i].tensors);
        const struct rn_state_tensor *t =
            rn_state_find(&s, "module.conv1.weight");
        assert_non_null(t);
        assert_int_equal(t->count, 16 * 3 * 3 * 3);
        rn_state_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrappings),
        cmocka_unit_test(protocol_4),
        cmocka_unit_test(zip_styles),
        cmocka_unit_test(types),
        cmocka_unit_test(untyped_storage),
        cmocka_unit_test(views),
        cmocka_unit_test(older_form),
        cmocka_unit_test(bad_pickles),
        cmocka_unit_test(objects_beside),
        cmocka_unit_test(objects_in_the_way),
        cmocka_unit_test(holders),
        cmocka_unit_test(dictionaries_in_themselves),
        cmocka_unit_test(whole_modules),
        cmocka_unit_test(other_modules_are_refused),
        cmocka_unit_test(modules_in_themselves),
        cmocka_unit_test(modules_are_compared),
        cmocka_unit_test(programs_are_named),
        cmocka_unit_test(odd_names),
        cmocka_unit_test(deep_pickle),
        cmocka_unit_test(many_pickle_values),
        cmocka_unit_test(bad_zips),
        cmocka_unit_test(damaged_zip),
        cmocka_unit_test(bad_old_files),
        cmocka_unit_test(truncation),
        cmocka_unit_test(short_of_memory),
        cmocka_unit_test(written_file),
        cmocka_unit_test(shards),
        cmocka_unit_test(not_a_state),
        cmocka_unit_test(real_files),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
