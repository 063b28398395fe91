/* SPDX-License-Identifier: BSD-2-Clause */
/* The safetensors container: what is written reads back, what is wrong is
 * refused with a message, and no prefix of a file is taken for a file. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"

#include "core/file.h"
#include "core/memory.h"
#include "core/json.h"
#include "core/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* ---------------------------------------------------------- made files */

struct bytes {
    uint8_t *at;
    size_t size;
};

/* Length, header text, and `data` bytes 0, 1, 2, … */
static struct bytes made(const char *header, size_t header_size, size_t data)
{
    struct bytes b = {NULL, 8 + header_size + data};
    uint64_t length = header_size;

    b.at = malloc(b.size);
    assert_non_null(b.at);
    memcpy(b.at, &length, 8);
    memcpy(b.at + 8, header, header_size);
    for (size_t i = 0; i < data; i++)
        b.at[8 + header_size + i] = (uint8_t)i;
    return b;
}

/* Parse, and report a message that lacks `expected` or the name. */
static void assert_refused(const struct bytes *b, const char *expected)
{
    struct rn_st_file f;
    struct rn_error err = {0};
    int rc = rn_st_parse(&f, b->at, b->size, "file.x", &err);

    if (rc != RN_ERR_DATA || err.code != rc || !strstr(err.msg, expected) ||
        !strstr(err.msg, "'file.x'"))
        fail_msg("got %d \"%s\", expected %d \"…%s…\"", rc, err.msg,
                 RN_ERR_DATA, expected);
    rn_st_close(&f); /* harmless */
    assert_int_equal(rn_st_parse(&f, b->at, b->size, "file.x", NULL), rc);
}

#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
#define T(dtype, shape, offsets)                   \
    "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape \
    ",\"data_offsets\":" offsets "}}"

static const struct {
    const char *header;
    size_t data;
    const char *expected;
} hostile[] = {
    {"", 0, "not valid JSON"},
    {"null", 0, "not valid JSON"},
    {"{", 0, "not valid JSON"},
    {"{} x", 0, "not valid JSON"},
    {"[]", 0, "not a JSON object"},
    {"[1,2]", 0, "not a JSON object"},
    {"{\"a\":\"\xff\xfe\"}", 0, "unable to decode byte 0xff"},
    {"{\"a\\u0000b\":{}}", 0, "not valid JSON"},
    {"{\"a\":1e999}", 0, "not valid JSON"},
    {"{" A "," A "}", 8, "duplicate object key"},
    {"{\"a\":1}", 0, "dtype 'none'"},
    {"{\"a\":{}}", 0, "dtype 'none'"},
    {"{\"a\":null}", 0, "dtype 'none'"},
    {T("7", "[2]", "[0,8]"), 8, "dtype 'none'"},
    {T("\"F33\"", "[2]", "[0,8]"), 8, "dtype 'F33'"},
    {T("\"\"", "[2]", "[0,8]"), 8, "dtype ''"},
    {T("\"F32\"", "2", "[0,8]"), 8, "not a list of at most 8"},
    {T("\"F32\"", "{}", "[0,8]"), 8, "not a list of at most 8"},
    {T("\"F32\"", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), 8, "not a list of at most"},
    {T("\"F32\"", "[-2]", "[0,8]"), 8, "something other than sizes"},
    {T("\"F32\"", "[2.0]", "[0,8]"), 8, "something other than sizes"},
    {T("\"F32\"", "[\"2\"]", "[0,8]"), 8, "something other than sizes"},
    {T("\"F32\"", "[99999999999999999999]", "[0,8]"), 8, "too big integer"},
    {T("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0, "64 bits can count"},
    {T("\"F32\"", "[4611686018427387904]", "[0,0]"), 0, "64 bits can count"},
    {T("\"F32\"", "[4611686018427387906]", "[0,8]"), 8, "64 bits can count"},
    {T("\"F32\"", "[3]", "[0,8]"), 8, "its shape and type take 12"},
    {T("\"F16\"", "[2]", "[0,8]"), 8, "its shape and type take 4"},
    {T("\"F32\"", "[]", "[0,8]"), 8, "its shape and type take 4"},
    {T("\"F32\"", "[2]", "[0]"), 8, "not two offsets"},
    {T("\"F32\"", "[2]", "[0,8,8]"), 8, "not two offsets"},
    {T("\"F32\"", "[2]", "[-8,0]"), 8, "not two offsets"},
    {T("\"F32\"", "[2]", "[0,8.5]"), 8, "not two offsets"},
    {T("\"F32\"", "[2]", "[8,0]"), 8, "lies at bytes 8 to 0"},
    {T("\"F32\"", "[2]", "[0,8]"), 7, "has 7 bytes of data"},
    {T("\"F32\"", "[2]", "[8,16]"), 8, "lies at bytes 8 to 16"},
    {T("\"F32\"", "[2]", "[9223372036854775800,9223372036854775807]"), 8,
     "lies at bytes 9223372036854775800"},
    {T("\"F32\"", "[2]", "[0,8]"), 9, "1 bytes after the last tensor"},
    {T("\"F32\"", "[2]", "[4,12]"), 12, "4 bytes before tensor 'a'"},
    {"{}", 1, "1 bytes after the last tensor"},
    {"{" A ",\"b\":{\"dtype\":\"U8\",\"shape\":[4],"
     "\"data_offsets\":[4,8]}}",
     8, "overlap"},
    {"{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],"
     "\"data_offsets\":[0,8]}}",
     8, "overlap"},
    {"{" A ",\"b\":{\"dtype\":\"U8\",\"shape\":[1],"
     "\"data_offsets\":[9,10]}}",
     10, "1 bytes before tensor 'b'"},
    {"{\"__metadata__\":[]}", 0, "not an object of strings"},
    {"{\"__metadata__\":\"x\"}", 0, "not an object of strings"},
    {"{\"__metadata__\":{\"a\":\"b\",\"c\":1}}", 0, "not an object of strings"},
    {"{\"a\\n\\u001b[2J\":{}}", 0, "'a??[2J'"},
};

static void hostile_headers_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(hostile); i++) {
        struct bytes b =
            made(hostile[i].header, strlen(hostile[i].header), hostile[i].data);

        assert_refused(&b, hostile[i].expected);
        free(b.at);
    }
}

static void lengths_are_checked(void **state)
{
    /* Against a file of 8 + 2 bytes. */
    static const struct {
        uint64_t length;
        const char *expected;
    } cases[] = {
        {3, "a header of 3 bytes in a file of 10"},
        {UINT64_MAX, "a header of 18446744073709551615 bytes"},
        {UINT64_MAX - 7, "a header of"},
        {(uint64_t)1 << 63, "a header of"},
    };
    struct bytes b = made("{}", 2, 0);
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        memcpy(b.at, &cases[i].length, 8);
        assert_refused(&b, cases[i].expected);
    }
    free(b.at);
}

static void long_headers_are_refused(void **state)
{
    size_t size = 100000001;
    char *text = malloc(size);

    (void)state;
    assert_non_null(text);
    memset(text, ' ', size);
    struct bytes b = made(text, size, 0);
    assert_refused(&b, "a header of 100000001 bytes, at most 100000000");
    free(b.at);
    free(text);
}

/* `count` times `piece`, after `start`. */
static struct bytes repeated(const char *start, const char *piece, size_t count)
{
    size_t n = strlen(piece), size = strlen(start) + n * count;
    char *text = malloc(size + 1);

    assert_non_null(text);
    strcpy(text, start);
    for (size_t i = 0; i < count; i++)
        memcpy(text + strlen(start) + i * n, piece, n);
    struct bytes b = made(text, size, 0);
    free(text);
    return b;
}

static void deep_and_wide_json_is_refused(void **state)
{
    struct bytes b = repeated("{\"a\":", "[", 32);

    (void)state;
    assert_refused(&b, "nested 33 deep, at most 32");
    free(b.at);
    b = repeated("{\"a\":", "[", 31); /* deep enough: it is just malformed */
    assert_refused(&b, "not valid JSON");
    free(b.at);
    b = repeated("", "{\"a\":", 5000000);
    assert_refused(&b, "nested 5000000 deep");
    free(b.at);
    b = repeated("[", "[],", RN_JSON_VALUES / 2 + 1);
    assert_refused(&b, "values, at most 8000000");
    free(b.at);
    /* Brackets in strings, also behind an escaped quote, do not count. */
    b = repeated("{\"\\\"", "[", 100);
    assert_refused(&b, "not valid JSON");
    free(b.at);
}

/* ---------------------------------------------------------- good files */

static void foreign_files_are_read(void **state)
{
    static const char header[] =
        "{\"b\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[8,12]},"
        "\"empty\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[8,8]},"
        "\"scalar\":{\"shape\":[],\"dtype\":\"I64\",\"data_offsets\":[12,20],"
        "\"more\":1},"
        "\"__metadata__\":{\"format\":\"pt\"}," A "}   ";
    struct bytes b = made(header, strlen(header), 20);
    struct rn_st_file f;
    struct rn_error err = {0};
    uint8_t data[8];
    char text[40];

    (void)state;
    if (rn_st_parse(&f, b.at, b.size, "file.x", &err) != RN_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(f.count, 4);
    assert_string_equal(f.tensors[0].name, "a");
    assert_string_equal(f.tensors[1].name, "empty");
    assert_string_equal(f.tensors[2].name, "b");
    assert_string_equal(f.tensors[3].name, "scalar");
    assert_string_equal(f.metadata, "{\"format\":\"pt\"}");
    assert_null(rn_st_find(&f, ""));
    assert_null(rn_st_find(&f, "aa"));
    assert_null(rn_st_find(&f, "zzz"));
    for (size_t i = 0; i < f.count; i++)
        assert_ptr_equal(rn_st_find(&f, f.tensors[i].name), &f.tensors[i]);
    assert_int_equal(rn_st_read(&f, &f.tensors[3], data, &err), RN_OK);
    assert_int_equal(data[0], 12);
    assert_int_equal(data[7], 19);
    assert_string_equal(rn_st_shape_text(&f.tensors[2], text, sizeof(text)),
                        "BF16 [1,2]");
    assert_string_equal(rn_st_shape_text(&f.tensors[2], text, 8), "BF16 [1");
    rn_st_close(&f);
    free(b.at);
}

static const float values[6] = {1.0f, -0.0f, 3e-45f, 3e38f, 5.0f, 0.1f};
static const size_t dim_a[4] = {1, 2, 3, 1}, dim_b[1] = {0};

static int write_good(const char *path, struct rn_error *err)
{
    const struct rn_st_out out[] = {
        {"first \"x\" \xc3\xa4", 4, dim_a, values, RN_F32},
        {"empty", 1, dim_b, values, RN_F32},
        {"scalar", 0, NULL, values + 5, RN_F32},
    };

    return rn_st_write(path, out, COUNT(out), "{\"k\":\"v\"}", err);
}

static void written_files_read_back(void **state)
{
    struct rn_st_file f;
    struct rn_error err = {0};
    float got[6];

    (void)state;
    if (write_good(in_folder("good"), &err) != RN_OK ||
        rn_st_open(&f, in_folder("good"), &err) != RN_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(f.count, 3);
    assert_int_equal(f.data_start % 8, 0);
    assert_string_equal(f.metadata, "{\"k\":\"v\"}");
    const struct rn_st_tensor *t = rn_st_find(&f, "first \"x\" \xc3\xa4");
    assert_non_null(t);
    assert_true(rn_st_is_f32(t, 4, dim_a));
    assert_false(rn_st_is_f32(t, 3, dim_a));
    assert_int_equal(rn_st_read(&f, t, got, &err), RN_OK);
    assert_memory_equal(got, values, sizeof(values));
    t = rn_st_find(&f, "scalar");
    assert_non_null(t);
    assert_int_equal(rn_st_read(&f, t, got, &err), RN_OK);
    assert_memory_equal(got, values + 5, 4);
    rn_st_close(&f);
    rn_st_close(&f);
}

static void no_prefix_is_a_file(void **state)
{
    struct rn_error err = {0};
    struct rn_st_file f;
    uint8_t *bytes;
    size_t size;

    (void)state;
    assert_int_equal(write_good(in_folder("good"), &err), RN_OK);
    assert_int_equal(
        rn_file_read(in_folder("good"), 1 << 20, &bytes, &size, &err), RN_OK);
    assert_int_equal(rn_st_parse(&f, bytes, size, "good", &err), RN_OK);
    rn_st_close(&f);
    for (size_t n = 0; n < size; n++) {
        /* A copy of its own, so that sanitizers see reads past its end. */
        struct bytes b = {malloc(n ? n : 1), n};

        assert_non_null(b.at);
        memcpy(b.at, bytes, n);
        assert_refused(&b, "");
        assert_int_equal(rn_file_write(in_folder("short"), b.at, n, &err),
                         RN_OK);
        assert_int_equal(rn_st_open(&f, in_folder("short"), &err), RN_ERR_DATA);
        assert_non_null(strstr(err.msg, "/short'"));
        free(b.at);
    }
    rn_free(bytes);
}

static void shrinking_files_are_an_error(void **state)
{
    struct rn_st_file f;
    struct rn_error err = {0};
    float got[6];

    (void)state;
    assert_int_equal(write_good(in_folder("good"), &err), RN_OK);
    assert_int_equal(rn_st_open(&f, in_folder("good"), &err), RN_OK);
    assert_int_equal(truncate(in_folder("good"), (off_t)f.data_start + 3), 0);
    assert_int_equal(rn_st_read(&f, &f.tensors[f.count - 1], got, &err),
                     RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "became shorter"));
    rn_st_close(&f);
}

/* ------------------------------------------------------------- opening */

static void assert_open_fails(const char *path, int code, const char *expected)
{
    struct rn_st_file f;
    struct rn_error err = {0};
    int rc = rn_st_open(&f, path, &err);

    if (rc != code || !strstr(err.msg, expected) || !strstr(err.msg, path))
        fail_msg("got %d \"%s\", expected %d \"…%s…\"", rc, err.msg, code,
                 expected);
    rn_st_close(&f);
}

static void what_is_no_file_is_refused(void **state)
{
    static const char png[] = "\x89PNG\r\n\x1a\n is not a model file";
    struct rn_error err;

    (void)state;
    assert_open_fails(in_folder("absent"), RN_ERR_IO, "No such file");
    assert_open_fails(folder, RN_ERR_IO, "not a regular file");
    assert_open_fails("/dev/null", RN_ERR_IO, "not a regular file");
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_open_fails(in_folder("pipe"), RN_ERR_IO, "not a regular file");
    assert_int_equal(rn_file_write(in_folder("empty"), "", 0, &err), RN_OK);
    assert_open_fails(in_folder("empty"), RN_ERR_DATA, "0 bytes are too few");
    assert_int_equal(rn_file_write(in_folder("short"), png, sizeof(png), &err),
                     RN_OK);
    assert_open_fails(in_folder("short"), RN_ERR_DATA, "not a safetensors");
}

static void writing_can_fail(void **state)
{
    const struct rn_st_out twice[] = {{"a", 0, NULL, values, RN_F32},
                                      {"a", 0, NULL, values, RN_F32}};
    struct rn_error err = {0};

    (void)state;
    assert_int_equal(rn_st_write(in_folder("good"), twice, 2, NULL, &err),
                     RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "two tensors are called 'a'"));
    assert_int_equal(write_good("/nonexistent/folder/x", &err), RN_ERR_IO);
    assert_non_null(strstr(err.msg, "/nonexistent/folder/x"));
    assert_int_equal(write_good(folder, &err), RN_ERR_IO);
}

static void every_allocation_may_fail(void **state)
{
    struct rn_st_file f;
    struct rn_error err;
    long n = 0;
    int rc;

    (void)state;
    do {
        rn_alloc_fail_after(++n);
        rc = write_good(in_folder("good"), &err);
        if (rc == RN_OK)
            rc = rn_st_open(&f, in_folder("good"), &err);
        rn_alloc_fail_after(-1);
        if (rc != RN_OK && rc != RN_ERR_MEMORY)
            fail_msg("allocation %ld: got %d \"%s\"", n, rc, err.msg);
    } while (rc != RN_OK && n < 1000);
    assert_int_equal(rc, RN_OK);
    assert_true(n > 8);
    rn_st_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_headers_are_refused),
        cmocka_unit_test(lengths_are_checked),
        cmocka_unit_test(long_headers_are_refused),
        cmocka_unit_test(deep_and_wide_json_is_refused),
        cmocka_unit_test(foreign_files_are_read),
        cmocka_unit_test(written_files_read_back),
        cmocka_unit_test(no_prefix_is_a_file),
        cmocka_unit_test(shrinking_files_are_an_error),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(writing_can_fail),
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
