/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of formats: every row is whole, knows a file of its own and none
 * of the others'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"
#include "foreign.h"

#include "core/count.h"
#include "core/locale.h"
#include "formats/foreign.h"
#include "formats/formats.h"

/* A file of each format, by its name in the table. */
static const struct fixture {
    const char *format, *name, *text; /* text: NULL: written by the format */
    const char *also;                 /* the other format that takes it, too */
} fixtures[] = {
    {"resnet", "a.safetensors", NULL, "PyTorch"},
    {"PyTorch", "a.pth", NULL, NULL},
    {"PyTorch", "a.index", "{\"weight_map\": {}}", NULL},
    {"ONNX", "a.onnx", NULL, NULL},
    {"Caffe", "a.txt", "name: \"net\"\nlayer { type: \"Input\" }\n", NULL},
    {"Darknet", "a", "# of others\n[net]\nheight=8\n", NULL},
};

static const struct rn_format *row_named(const char *name)
{
    const struct rn_format *f;

    for (size_t i = 0; (f = rn_format_at(i)); i++)
        if (strcmp(f->name, name) == 0)
            return f;
    fail_msg("no row '%s'", name);
    return NULL;
}

static void make_fixture(const struct fixture *x)
{
    struct rn_error err = {0};
    struct rn_model *model;

    if (x->text) {
        write_file(x->name, x->text, strlen(x->text));
        return;
    }
    OK(rn_model_create(&model, "resnet8", NULL, &err));
    OK(row_named(x->format)->export(model, in_folder(x->name), &err));
    rn_model_destroy(model);
}

static void rows_are_whole(void **state)
{
    const struct rn_format *f;

    (void)state;
    for (size_t i = 0; (f = rn_format_at(i)); i++) {
        if (!f->name || !f->words || !f->reads[0] || !f->is || !f->import)
            fail_msg("row %zu (%s) lacks a column", i, f->name ? f->name : "?");
        if (f->read_only ? f->export || f->writes[0]
                         : !f->export || !f->writes[0])
            fail_msg("%s: neither written nor said to be read only", f->name);
        assert_null(f->reads[RN_FORMAT_ENDS - 1]);
        assert_null(f->writes[RN_FORMAT_ENDS - 1]);
        assert_string_equal(rn_format_name(i, NULL, NULL, NULL), f->name);
        assert_int_equal(rn_format_name(i + 1, NULL, NULL, NULL) == NULL,
                         rn_format_at(i + 1) == NULL);
    }
}

static void each_knows_its_own(void **state)
{
    const struct rn_format *f;

    (void)state;
    for (size_t k = 0; k < COUNT(fixtures); k++) {
        const struct fixture *x = &fixtures[k];
        uint8_t bytes[RN_FIRST_BYTES];
        struct rn_error err = {0};
        const char *first = NULL;
        size_t size;

        make_fixture(x);
        OK(rn_first_bytes(in_folder(x->name), bytes, &size, &err));
        for (size_t i = 0; (f = rn_format_at(i)); i++) {
            bool is = f->is(in_folder(x->name), bytes, size);
            bool meant = strcmp(f->name, x->format) == 0 ||
                         (x->also && strcmp(f->name, x->also) == 0);

            if (is != meant)
                fail_msg("%s: %s %s it", x->name, f->name,
                         is ? "takes" : "refuses");
            if (is && !first)
                first = f->name;
        }
        assert_string_equal(first, x->format);
    }
    for (size_t i = 0; (f = rn_format_at(i)); i++) {
        size_t k = 0;

        while (k < COUNT(fixtures) && strcmp(fixtures[k].format, f->name) != 0)
            k++;
        if (k == COUNT(fixtures))
            fail_msg("no fixture of %s", f->name);
    }
}

/* A name is written by one format alone, and its file comes back as that. */
static void ends_of_names_are_of_one_format(void **state)
{
    const struct rn_format *f, *other;

    (void)state;
    for (size_t i = 0; (f = rn_format_at(i)); i++)
        for (const char *const *end = f->writes; *end; end++)
            for (size_t k = 0; (other = rn_format_at(k)); k++)
                for (const char *const *e = other->writes; *e; e++)
                    if (other != f && rn_ends_with(*end, *e))
                        fail_msg("%s and %s both write %s", f->name,
                                 other->name, *end);
}

/* What a stranger's file is told to be instead lists every row. */
static void unknown_files_are_told_what_is_read(void **state)
{
    const struct rn_format *f;
    struct rn_error err = {0};
    struct rn_model *model;

    (void)state;
    write_file("x", "just text", 9);
    assert_int_equal(rn_model_load(&model, in_folder("x"), &err), RN_ERR_DATA);
    for (size_t i = 0; (f = rn_format_at(i)); i++)
        if (!strstr(err.msg, f->words))
            fail_msg("'%s' lacks '%s'", err.msg, f->words);
}

/* Whatever is read is known within a zip file. */
static void packed_files_are_known(void **state)
{
    const struct rn_format *f;

    (void)state;
    for (size_t i = 0; (f = rn_format_at(i)); i++)
        for (const char *const *end = f->reads; *end; end++) {
            char name[64];
            struct rn_zip_entry entry = {.name = name};
            const struct rn_zip zip = {.entries = &entry, .count = 1};
            struct rn_error err = {0};

            snprintf(name, sizeof(name), "x%s", *end);
            assert_int_equal(rn_foreign_zip("x.zip", &zip, &err), RN_ERR_DATA);
            if (!strstr(err.msg, "unpack it and give that"))
                fail_msg("%s: %s", name, err.msg);
        }
}

/* An option is refused by every format that cannot do with it, and the message
 * says which can. */
static void options_go_with_their_formats(void **state)
{
    static const struct {
        unsigned takes;
        struct rn_import_options options;
    } cases[] = {
        {RN_TAKES_NAMES, {.map = "m"}},
        {RN_TAKES_NAMES, {.holder = "h"}},
        {RN_TAKES_EXTRA, {.skip_extra = 1}},
        {RN_TAKES_WEIGHTS, {.weights = "w"}},
        {RN_TAKES_MEAN_IMAGE, {.mean_image = "m"}},
        {RN_TAKES_OUTPUT, {.output = "o"}},
    };

    (void)state;
    for (size_t k = 0; k < COUNT(fixtures); k++) {
        const struct rn_format *f = row_named(fixtures[k].format);

        make_fixture(&fixtures[k]);
        for (size_t i = 0; i < COUNT(cases); i++) {
            const struct rn_format *taker;
            struct rn_error err = {0};
            struct rn_model *model;

            if (f->takes & cases[i].takes)
                continue;
            assert_int_equal(rn_model_import(&model,
                                             in_folder(fixtures[k].name),
                                             &cases[i].options, &err),
                             RN_ERR_ARG);
            for (size_t t = 0; (taker = rn_format_at(t)); t++)
                if ((taker->takes & cases[i].takes) &&
                    !strstr(err.msg, taker->name))
                    fail_msg("'%s' lacks %s", err.msg, taker->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_whole),
        cmocka_unit_test(each_knows_its_own),
        cmocka_unit_test(ends_of_names_are_of_one_format),
        cmocka_unit_test(unknown_files_are_told_what_is_read),
        cmocka_unit_test(packed_files_are_known),
        cmocka_unit_test(options_go_with_their_formats),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
