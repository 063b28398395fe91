/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding pictures in folders: which, in what order, and what is wrong. */
#include "data/sets/pictures.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

static void make_file(const char *name)
{
    FILE *file = fopen(in_folder(name), "w");

    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

static void make_subfolder(const char *name)
{
    assert_int_equal(mkdir(in_folder(name), 0777), 0);
}

static struct rn_pictures *find(const char *path)
{
    struct rn_pictures *pictures;
    struct rn_error err = {0};

    if (rn_pictures_find(&pictures, path, &err))
        fail_msg("%s", err.msg);
    return pictures;
}

/* Picture i has that name within the folder, and that problem, if any. */
static void assert_found(const struct rn_pictures *pictures, size_t i,
                         const char *name, const char *problem)
{
    struct rn_error err = {0};
    char expected[600];
    const char *path;
    int rc = rn_pictures_get(pictures, i, &path, &err);

    assert_string_equal(path, in_folder(name));
    if (!problem && rc)
        fail_msg("%s", err.msg);
    if (problem) {
        snprintf(expected, sizeof(expected), problem, path);
        assert_string_equal(err.msg, expected);
        assert_int_equal(rc, err.code);
    }
}

static void pictures_are_found_in_byte_order(void **state)
{
    static const char *const names[] = {"B.JPG", "a.png", "a/c.webp",
                                        "a/deep/x.jpeg", "b.gif"};
    struct rn_pictures *pictures;

    (void)state;
    make_subfolder("a");
    make_subfolder("a/deep");
    make_subfolder(".hidden");
    for (size_t i = 0; i < 5; i++)
        make_file(names[i]);
    make_file("notes.txt");
    make_file("jpg");
    make_file("a/._x.jpg");
    make_file(".hidden/x.jpg");
    pictures = find(folder);
    assert_int_equal(rn_pictures_count(pictures), 5);
    assert_found(pictures, 0, "B.JPG", NULL);
    /* "a" comes before "a.png" */
    assert_found(pictures, 1, "a/c.webp", NULL);
    assert_found(pictures, 2, "a/deep/x.jpeg", NULL);
    assert_found(pictures, 3, "a.png", NULL);
    assert_found(pictures, 4, "b.gif", NULL);
    rn_pictures_destroy(pictures);
}

/* What file servers keep among a user's pictures is none of these; nor is what
 * lies in the folder of a run. */
static void thumbnails_and_runs_are_left_out(void **state)
{
    static const char run[] = "{\"version\": \"1\", \"options\": {\"data\": "
                              "\"x\"}, \"network\": {}}";
    static const char *const folders[] = {
        "@eaDir", "@eaDir/b.jpg", "#recycle", "LOST+FOUND", "run", "no-run"};
    struct rn_pictures *pictures;

    (void)state;
    for (size_t i = 0; i < 6; i++)
        make_subfolder(folders[i]);
    make_file("b.jpg");
    make_file("@eaDir/b.jpg/SYNOPHOTO_THUMB_M.jpg");
    make_file("#recycle/c.jpg");
    make_file("LOST+FOUND/d.jpg");
    make_file("run/sheet.png");
    write_file("run/run.json", run, strlen(run));
    make_file("no-run/e.jpg");
    write_file("no-run/run.json", "{}", 2);
    pictures = find(folder);
    assert_int_equal(rn_pictures_count(pictures), 2);
    assert_found(pictures, 0, "b.jpg", NULL);
    assert_found(pictures, 1, "no-run/e.jpg", NULL);
    rn_pictures_destroy(pictures);
    /* Asked for by name they are looked into. */
    pictures = find(in_folder("run"));
    assert_int_equal(rn_pictures_count(pictures), 1);
    rn_pictures_destroy(pictures);
}

static void a_file_is_taken_whatever_its_name(void **state)
{
    struct rn_pictures *pictures;

    (void)state;
    make_file("photo");
    pictures = find(in_folder("photo"));
    assert_int_equal(rn_pictures_count(pictures), 1);
    assert_found(pictures, 0, "photo", NULL);
    rn_pictures_destroy(pictures);
}

static void links_are_followed_but_not_in_circles(void **state)
{
    struct rn_pictures *pictures;
    char inner[200];

    (void)state;
    make_subfolder("a");
    make_subfolder("a/b");
    make_file("a/b/x.jpg");
    snprintf(inner, sizeof(inner), "%s", in_folder("a"));
    assert_int_equal(symlink(inner, in_folder("a/b/up")), 0);
    assert_int_equal(symlink("a", in_folder("c")), 0);
    assert_int_equal(symlink("self", in_folder("self")), 0);
    assert_int_equal(symlink("nowhere", in_folder("z.jpg")), 0);
    pictures = find(folder);
    assert_int_equal(rn_pictures_count(pictures), 6);
    assert_found(pictures, 0, "a/b/up",
                 "'%s' is a folder it lies in: a symbolic link leads back");
    assert_found(pictures, 1, "a/b/x.jpg", NULL);
    assert_found(pictures, 2, "c/b/up",
                 "'%s' is a folder it lies in: a symbolic link leads back");
    assert_found(pictures, 3, "c/b/x.jpg", NULL);
    assert_found(pictures, 4, "self",
                 "cannot open '%s': Too many levels of symbolic links");
    assert_found(pictures, 5, "z.jpg",
                 "cannot open '%s': No such file or directory");
    rn_pictures_destroy(pictures);
}

static void what_cannot_be_loaded_is_known(void **state)
{
    struct rn_pictures *pictures;
    struct rn_error err = {0};
    char expected[200];
    const char *path;

    (void)state;
    make_file("caf\xe9.jpg");
    assert_int_equal(mkfifo(in_folder("pipe.png"), 0666), 0);
    pictures = find(folder);
    assert_int_equal(rn_pictures_count(pictures), 2);
    assert_int_equal(rn_pictures_get(pictures, 0, &path, &err), RN_ERR_DATA);
    snprintf(expected, sizeof(expected),
             "'%s/caf\\xe9.jpg': the file name is not UTF-8", folder);
    assert_string_equal(err.msg, expected);
    assert_found(pictures, 1, "pipe.png", "'%s' is not a regular file");
    assert_int_equal(rn_pictures_get(pictures, 2, &path, &err), RN_ERR_ARG);
    assert_null(path);
    rn_pictures_destroy(pictures);
}

static void folders_that_cannot_be_read_are_named(void **state)
{
    struct rn_pictures *pictures;

    (void)state;
    if (geteuid() == 0) {
        print_message("skipped: root reads every folder\n");
        skip();
    }
    make_subfolder("a");
    make_file("b.jpg");
    assert_int_equal(chmod(in_folder("a"), 0), 0);
    pictures = find(folder);
    assert_int_equal(rn_pictures_count(pictures), 2);
    assert_found(pictures, 0, "a", "cannot open '%s': Permission denied");
    assert_found(pictures, 1, "b.jpg", NULL);
    rn_pictures_destroy(pictures);
}

static void nothing_to_find_is_an_error(void **state)
{
    struct rn_pictures *pictures;
    struct rn_error err = {0};
    char expected[200];

    (void)state;
    make_file("notes.txt");
    assert_int_equal(rn_pictures_find(&pictures, folder, &err), RN_ERR_DATA);
    assert_null(pictures);
    snprintf(expected, sizeof(expected),
             "'%s' holds no picture (.jpg, .png, .tif and so on)", folder);
    assert_string_equal(err.msg, expected);
    assert_int_equal(rn_pictures_find(&pictures, in_folder("x.jpg"), &err),
                     RN_ERR_IO);
}

static void utf8_is_told_from_other_bytes(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"", true},
        {"a\n\x7f", true},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb1", true},
        {"\xe9", false},
        {"\xc3", false},
        {"\xc0\x80", false},
        {"\xe0\x80\x80", false},
        {"\xed\xa0\x80", false},
        {"\xf4\x90\x80\x80", false},
        {"\x80", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (rn_is_utf8(cases[i].text) != cases[i].valid)
            fail_msg("case %zu: expected %d", i, cases[i].valid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pictures_are_found_in_byte_order,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(thumbnails_and_runs_are_left_out,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_is_taken_whatever_its_name,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(links_are_followed_but_not_in_circles,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_cannot_be_loaded_is_known,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(folders_that_cannot_be_read_are_named,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(nothing_to_find_is_an_error,
                                        make_folder, remove_folder),
        cmocka_unit_test(utf8_is_told_from_other_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
