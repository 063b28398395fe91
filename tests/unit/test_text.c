/* SPDX-License-Identifier: BSD-2-Clause */
/* Text from outside: encodings, line ends, columns, normalisation, CSV. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/csv.h"
#include "core/text.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

#define CAFE_NFC "caf\xc3\xa9"
#define CAFE_NFD "cafe\xcc\x81"

static void marks_and_line_ends_are_dropped(void **state)
{
    static const char *const cases[][2] = {
        {"a\r\nb\rc\nd", "a\nb\nc\nd"},
        {"\xef\xbb\xbf"
         "a\r\n",
         "a\n"},
        {"\xef\xbb\xbf", ""},
        {"\r\r\n\n", "\n\n\n"},
        {"", ""},
        {"a\xef\xbb\xbf", "a\xef\xbb\xbf"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[40];
        size_t size = strlen(cases[i][0]);

        strcpy(text, cases[i][0]);
        assert_int_equal(rn_text_clean(text, &size, "f", NULL), RN_OK);
        assert_int_equal(size, strlen(cases[i][1]));
        assert_string_equal(text, cases[i][1]);
    }
}

#define BYTES(text) text, sizeof(text) - 1

static void other_encodings_are_named(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        const char *encoding; /* NULL: a zero byte is told of */
    } cases[] = {
        {BYTES("\xff\xfe"
               "a\0\n\0"),
         "UTF-16"},
        {BYTES("\xfe\xff\0a\0\n"), "UTF-16"},
        {BYTES("\xff\xfe\0\0a\0\0\0"), "UTF-32"},
        {BYTES("\0\0\xfe\xff\0\0\0a"), "UTF-32"},
        {BYTES("c\0a\0t\0\n\0"), "UTF-16LE"},
        {BYTES("\0c\0a\0t\0\n"), "UTF-16BE"},
        {BYTES("c\0\0\0a\0\0\0"), "UTF-32LE"},
        {BYTES("\0\0\0c\0\0\0a"), "UTF-32BE"},
        {BYTES("cat\0dog\n"), NULL},
        {BYTES("a\0b\n"), NULL},
        {BYTES("\0\0\0\0\0\0\0\0"), NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_error err = {0};
        size_t size = cases[i].size;
        char text[40], expected[200];

        memcpy(text, cases[i].text, size);
        assert_int_equal(rn_text_clean(text, &size, "f", &err), RN_ERR_DATA);
        snprintf(expected, sizeof(expected),
                 "'f': text in %s, expected UTF-8; convert it with: iconv -f "
                 "%s -t UTF-8 FILE > NEWFILE",
                 cases[i].encoding, cases[i].encoding);
        if (cases[i].encoding)
            assert_string_equal(err.msg, expected);
        else
            assert_non_null(strstr(err.msg, "is not a text: byte "));
    }
}

static void columns_are_counted(void **state)
{
    static const struct {
        const char *text;
        int width, most;
        size_t fits; /* bytes within `most` columns */
    } cases[] = {
        {"tench", 5, 3, 3},
        {CAFE_NFC, 4, 4, 5},
        {CAFE_NFC, 4, 3, 3},
        {CAFE_NFD, 4, 4, 6},
        {CAFE_NFD, 4, 3, 3},
        {"\xe7\x8a\xac\xe7\x8c\xab", 4, 3, 3}, /* dog, cat: two columns each */
        {"\xe7\x8a\xac\xe7\x8c\xab", 4, 4, 6},
        {"\xe7\x8a\xac", 2, 1, 0},
        {"a\xff"
         "b",
         3, 2, 2},
        {"", 0, 5, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int width;

        assert_int_equal(rn_text_width(cases[i].text), cases[i].width);
        assert_int_equal(rn_text_fit(cases[i].text, cases[i].most, &width),
                         cases[i].fits);
        assert_true(width <= cases[i].most);
    }
}

static void half_characters_are_cut_off(void **state)
{
    static const char *const cases[][2] = {
        {CAFE_NFC, CAFE_NFC},   {"caf\xc3", "caf"}, {"\xe7\x8a", ""},
        {"a\xf0\x9f\x90", "a"}, {"", ""},
    };
    struct rn_error err;
    char text[20], longer[700];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        strcpy(text, cases[i][0]);
        assert_string_equal(rn_text_whole(text), cases[i][1]);
    }
    /* 499 bytes hold 249 letters of two. */
    for (size_t i = 0; i < 600; i += 2)
        memcpy(longer + i, "\xc3\xa9", 3);
    rn_fail(&err, RN_ERR_DATA, "%s", longer);
    assert_int_equal(strlen(err.msg), 498);
}

static void twins_differ_only_in_normalisation(void **state)
{
    char note[300];

    (void)state;
    assert_true(rn_text_twins(CAFE_NFC, CAFE_NFD));
    assert_false(rn_text_twins(CAFE_NFC, CAFE_NFC));
    assert_false(rn_text_twins(CAFE_NFC, "cafe"));
    assert_false(rn_text_twins("\xff", "\xfe"));
    assert_string_equal(
        rn_text_twin_note(CAFE_NFC, CAFE_NFD, note, sizeof(note)),
        "; '" CAFE_NFD "' there differs only in Unicode normalisation: its "
        "accents are apart (NFD), here composed (NFC)");
    assert_string_equal(rn_text_twin_note("a", "b", note, sizeof(note)), "");
}

static void xml_is_escaped(void **state)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    rn_text_xml(out, "<" CAFE_NFC "&\x1b\xff'\xef\xbf\xbf");
    fclose(out);
    assert_string_equal(text, "&#60;" CAFE_NFC "&#38;\xef\xbf\xbd&#39;");
    free(text);
}

static void fields_are_cut(void **state)
{
    static const struct {
        const char *line;
        int n; /* of at most 3; -1: refused */
        const char *field[3];
    } cases[] = {
        {"a,b", 2, {"a", "b"}},
        {"", 1, {""}},
        {",", 2, {"", ""}},
        {" a , \"b, \"\"c\"\"\" ,d", 3, {"a", "b, \"c\"", "d"}},
        {"a,b,c,d", -1, {NULL}},
        {"a,\"b", -1, {NULL}},
        {"\"a\"b", -1, {NULL}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *fields[3];
        char line[60];

        strcpy(line, cases[i].line);
        assert_int_equal(rn_csv_cut(line, ',', fields, 3), cases[i].n);
        for (int k = 0; k < cases[i].n; k++)
            assert_string_equal(fields[k], cases[i].field[k]);
    }
    assert_int_equal(rn_csv_separator("a;b\nc,d"), ';');
    assert_int_equal(rn_csv_separator("a;b,c"), ',');
    assert_int_equal(rn_csv_separator("a,b\tc"), '\t');
    assert_int_equal(rn_csv_separator("\"a;b\",c"), ',');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_and_line_ends_are_dropped),
        cmocka_unit_test(other_encodings_are_named),
        cmocka_unit_test(columns_are_counted),
        cmocka_unit_test(half_characters_are_cut_off),
        cmocka_unit_test(twins_differ_only_in_normalisation),
        cmocka_unit_test(xml_is_escaped),
        cmocka_unit_test(fields_are_cut),
    };

    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
