/* SPDX-License-Identifier: BSD-2-Clause */
/* Data sets of picture files: layouts, lists, validation parts, and what is
 * wrong with them; and evaluation on them. */
#include "core/file.h"
#include "core/memory.h"
#include "data/data.h"
#include "eval/eval.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

/* A seed of the fuzz target, under another name. */
static void write_picture(const char *name, const char *seed)
{
    const char *source = getenv("RN_SOURCE");
    struct rn_error err = {0};
    char path[600];
    uint8_t *bytes;
    size_t size;

    snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/image/%s",
             source ? source : ".", seed);
    if (rn_file_read(path, 1 << 20, &bytes, &size, &err))
        fail_msg("%s", err.msg);
    write_file(name, bytes, size);
    rn_free(bytes);
}

static void write_pictures(const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        write_picture(names[i], "jpeg");
}

static struct rn_data *open_with(const struct rn_data_options *options)
{
    struct rn_error err = {0};
    struct rn_data *data;

    if (rn_data_open(&data, folder, options, &err))
        fail_msg("%s", err.msg);
    return data;
}

static struct rn_data *open_ok(void)
{
    return open_with(NULL);
}

/* `expected` may hold %s once, for the folder. */
static void open_fails(int code, const char *expected)
{
    struct rn_error err = {0};
    struct rn_data *data;
    char text[600];

    assert_int_equal(rn_data_open(&data, folder, NULL, &err), code);
    assert_null(data);
    snprintf(text, sizeof(text), expected, folder, folder);
    assert_string_equal(err.msg, text);
}

static void assert_counts(const struct rn_data *data, int classes, int train,
                          int validation, int test)
{
    struct rn_data_info info;

    rn_data_describe(data, &info);
    assert_int_equal(info.classes, classes);
    assert_int_equal(info.count[RN_PART_TRAIN], train);
    assert_int_equal(info.count[RN_PART_VALIDATION], validation);
    assert_int_equal(info.count[RN_PART_TEST], test);
    assert_int_equal(info.height, 0);
}

static void assert_picture(const struct rn_data *data, enum rn_part part, int i,
                           const char *file, int label)
{
    int got;

    assert_non_null(rn_data_file(data, part, i));
    assert_string_equal(rn_data_file(data, part, i), in_folder(file));
    assert_int_equal(rn_data_image(data, part, i, NULL, &got, NULL), RN_OK);
    assert_int_equal(got, label);
}

/* --------------------------------------------------------------- layouts */

static void class_folders_are_in_byte_order(void **state)
{
    static const char *const names[] = {"b/2.jpg", "b/1.PNG", "Z/x/y.jpg",
                                        "a b/1.webp"};
    struct rn_data_info info;
    struct rn_data *data;

    (void)state;
    write_pictures(names, COUNT(names));
    write_text("notes.txt", "x");
    write_text("b/notes.txt", "x");
    mkdir(in_folder(".cache"), 0777);
    data = open_ok();
    assert_counts(data, 3, 4, 0, 0);
    rn_data_describe(data, &info);
    assert_string_equal(info.format, "folders");
    assert_string_equal(rn_data_class_name(data, 0), "Z");
    assert_string_equal(rn_data_class_id(data, 1), "a b");
    assert_null(rn_data_class_id(data, 3));
    assert_picture(data, RN_PART_TRAIN, 0, "Z/x/y.jpg", 0);
    assert_picture(data, RN_PART_TRAIN, 1, "a b/1.webp", 1);
    assert_picture(data, RN_PART_TRAIN, 2, "b/1.PNG", 2);
    assert_picture(data, RN_PART_TRAIN, 3, "b/2.jpg", 2);
    assert_null(rn_data_file(data, RN_PART_TRAIN, 4));
    assert_null(rn_data_file(data, RN_PART_TEST, 0));
    rn_data_close(data);
}

static void parts_have_the_classes_of_train(void **state)
{
    static const char *const names[] = {"train/a/1.jpg", "train/b/1.jpg",
                                        "train/c/1.jpg", "val/c/7.jpg",
                                        "test/b/8.jpg",  "other/x.txt"};
    struct rn_data *data;

    (void)state;
    write_pictures(names, COUNT(names));
    data = open_ok();
    assert_counts(data, 3, 3, 1, 1);
    assert_picture(data, RN_PART_VALIDATION, 0, "val/c/7.jpg", 2);
    assert_picture(data, RN_PART_TEST, 0, "test/b/8.jpg", 1);
    rn_data_close(data);
    write_picture("val/nowhere/1.jpg", "jpeg");
    write_picture("val/d/1.jpg", "jpeg");
    open_fails(RN_ERR_DATA, "'%s/val' has 2 class folders that '%s/train' has "
                            "not: 'd', 'nowhere'");
}

static void a_part_alone_is_that_part(void **state)
{
    static const struct rn_data_options first = {.rule = 1};
    struct rn_error err = {0};
    struct rn_data *data;

    (void)state;
    write_picture("valid/a/1.jpg", "jpeg");
    data = open_ok();
    assert_counts(data, 1, 0, 1, 0);
    rn_data_close(data);
    /* Beside other folders the name may be a class's; it was by the first
     * rule. */
    write_picture("b/1.jpg", "jpeg");
    assert_int_equal(rn_data_open(&data, folder, NULL, &err), RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "can be read in two ways"));
    data = open_with(&first);
    assert_counts(data, 2, 2, 0, 0);
    rn_data_close(data);
}

static void bad_folders_are_named(void **state)
{
    (void)state;
    write_picture("a/1.jpg", "jpeg");
    mkdir(in_folder("empty"), 0777);
    open_fails(RN_ERR_DATA, "class folder '%s/empty' holds no picture");
    assert_int_equal(rmdir(in_folder("empty")), 0);
    write_picture("loose.jpg", "jpeg");
    open_fails(RN_ERR_DATA, "'%s/loose.jpg' lies in no class folder, expected "
                            "FOLDER/CLASS/PICTURE");
    assert_int_equal(unlink(in_folder("loose.jpg")), 0);
    assert_int_equal(symlink("..", in_folder("a/up")), 0);
    open_fails(
        RN_ERR_DATA,
        "'%s/a/up/a' is a folder it lies in: a symbolic link leads back");
    assert_int_equal(unlink(in_folder("a/up")), 0);
    assert_int_equal(symlink("gone.jpg", in_folder("a/2.jpg")), 0);
    open_fails(RN_ERR_IO,
               "cannot open '%s/a/2.jpg': No such file or directory");
    assert_int_equal(unlink(in_folder("a/2.jpg")), 0);
    /* A class would be left out, and those behind it have other numbers. */
    assert_int_equal(symlink("/nowhere/at/all", in_folder("cat")), 0);
    open_fails(RN_ERR_IO, "cannot open '%s/cat': No such file or directory");
    assert_int_equal(unlink(in_folder("cat")), 0);
    write_picture("a/2\n3.jpg", "jpeg");
    open_fails(RN_ERR_DATA,
               "'%s/a/2\\x0a3.jpg': the file name has control characters");
    assert_int_equal(unlink(in_folder("a/2\n3.jpg")), 0);
    mkdir(in_folder("caf\xe9"), 0777);
    open_fails(RN_ERR_DATA,
               "'%s/caf\\xe9': the class folder's name is not UTF-8");
}

static void folders_without_classes_are_refused(void **state)
{
    (void)state;
    write_picture("1.jpg", "jpeg");
    open_fails(RN_ERR_DATA, "'%s/1.jpg' lies in no class folder, expected "
                            "FOLDER/CLASS/PICTURE");
    assert_int_equal(unlink(in_folder("1.jpg")), 0);
    mkdir(in_folder("train"), 0777);
    open_fails(RN_ERR_DATA, "'%s/train' holds no class folders");
}

/* ----------------------------------------------------------------- lists */

static void lists_give_files_and_classes(void **state)
{
    static const char *const names[] = {"images/a b.jpg", "2.jpg"};
    struct rn_data_info info;
    struct rn_data *data;

    (void)state;
    write_pictures(names, COUNT(names));
    write_text("labels.txt", "a b.jpg 1\r\n\n2.jpg\t0");
    data = open_ok();
    assert_counts(data, 2, 2, 0, 0);
    rn_data_describe(data, &info);
    assert_string_equal(info.format, "list");
    assert_null(rn_data_class_name(data, 0));
    assert_picture(data, RN_PART_TRAIN, 0, "images/a b.jpg", 1);
    assert_picture(data, RN_PART_TRAIN, 1, "2.jpg", 0);
    rn_data_close(data);

    write_text("classes.txt",
               "n0001 tench\nn0002 great white shark\nn0003 tench\n");
    data = open_ok();
    assert_counts(data, 3, 2, 0, 0);
    assert_string_equal(rn_data_class_id(data, 1), "n0002");
    assert_string_equal(rn_data_class_name(data, 1), "great white shark");
    rn_data_close(data);

    write_text("labels.txt", "a b.jpg n0003\n2.jpg\tgreat white shark\n");
    data = open_ok();
    assert_picture(data, RN_PART_TRAIN, 0, "images/a b.jpg", 2);
    assert_picture(data, RN_PART_TRAIN, 1, "2.jpg", 1);
    rn_data_close(data);

    assert_int_equal(unlink(in_folder("classes.txt")), 0);
    write_text("labels.txt",
               "a b.jpg zebra\n2.jpg ant\nimages/a b.jpg zebra\n");
    data = open_ok();
    assert_counts(data, 2, 3, 0, 0);
    assert_string_equal(rn_data_class_name(data, 0), "ant");
    assert_picture(data, RN_PART_TRAIN, 0, "images/a b.jpg", 1);
    rn_data_close(data);
}

static void bad_lists_are_refused_by_line(void **state)
{
    static const struct {
        const char *labels, *classes, *expected;
    } cases[] = {
        {"\n", NULL,
         "'%s/labels.txt' is empty, expected FILE CLASS, one a line"},
        {"1.jpg 0\n1.jpg\n", NULL,
         "'%s/labels.txt': line 2 is not FILE CLASS in UTF-8"},
        {" 0\n", NULL, "'%s/labels.txt': line 1 is not FILE CLASS in UTF-8"},
        {"1\x1b.jpg 0\n", NULL,
         "'%s/labels.txt': line 1 is not FILE CLASS in UTF-8"},
        {"\xe9.jpg 0\n", NULL,
         "'%s/labels.txt': line 1 is not FILE CLASS in UTF-8"},
        {"1.jpg 0\n\n2.jpg 0\n", NULL,
         "'%s/labels.txt': line 3: there is no file '2.jpg' in the folder or "
         "in images"},
        {"1.jpg 2\n", "x\ny\n",
         "'%s/labels.txt': line 1: there is no class '2' in classes.txt, "
         "which has 2"},
        {"1.jpg z\n", "x\ny\n",
         "'%s/labels.txt': line 1: there is no class 'z' in classes.txt, "
         "which has 2"},
        {"\n1.jpg crane\n", "n0001 crane\nn0002 maillot\nn0003 crane\n",
         "'%s/labels.txt': line 2: class 'crane' is two in classes.txt, "
         "'n0001' and 'n0003': give one of these identifiers in place of the "
         "name"},
        {"1.jpg crane\n", "crane\nmaillot\ncrane\n",
         "'%s/labels.txt': line 1: class 'crane' is two in classes.txt, number "
         "0 and 2 from 0: call one otherwise there and here"},
        {"1.jpg n0001\n", "n0001 x\nn0001 y\n",
         "'%s/labels.txt': line 1: class 'n0001' is two in classes.txt, number "
         "0 and 1 from 0: call one otherwise there and here"},
    };

    (void)state;
    write_picture("1.jpg", "jpeg");
    for (size_t i = 0; i < COUNT(cases); i++) {
        write_text("labels.txt", cases[i].labels);
        unlink(in_folder("classes.txt"));
        if (cases[i].classes)
            write_text("classes.txt", cases[i].classes);
        open_fails(RN_ERR_DATA, cases[i].expected);
    }
    write_file("labels.txt", "1.jpg 0\0x", 9);
    unlink(in_folder("classes.txt"));
    open_fails(RN_ERR_DATA, "'%s/labels.txt' is not a text: byte 7 is zero");
}

/* Columns by their names or by their places; quotes, blanks, semicolons,
 * Windows' line ends, mark and slashes. */
static void tables_give_files_and_classes(void **state)
{
    static const char *const names[] = {"images/a, b.jpg", "2.jpg",
                                        "images/x/3.jpg"};
    static const char *const tables[] = {
        "\"a, b.jpg\",dog\n2.jpg,cat\nx/3.jpg,dog\n",
        "\xef\xbb\xbf"
        "2.jpg;cat\r\nx/3.jpg;dog\r\na, b.jpg;dog\r\n;\r\n",
        "file,class\n2.jpg,cat\n\"a, b.jpg\",dog\nx\\3.jpg,dog\n",
        "label,width,Image Name\ncat,1,2.jpg\ndog,2,\"a, b.jpg\"\n"
        "\"dog\",2,x/3.jpg\n",
        "id,filename,class_id,species\n7,2.jpg,0,cat\n8,\"a, b.jpg\",1,dog\n"
        "9,./x/3.jpg,1,dog\n",
    };

    (void)state;
    write_pictures(names, COUNT(names));
    for (size_t i = 0; i < COUNT(tables); i++) {
        struct rn_data *data;

        write_text("labels.csv", tables[i]);
        data = open_ok();
        assert_counts(data, 2, 3, 0, 0);
        assert_string_equal(rn_data_class_name(data, 0), "cat");
        assert_string_equal(rn_data_class_name(data, 1), "dog");
        for (int k = 0; k < 3; k++)
            assert_int_equal(
                data->part[RN_PART_TRAIN].labels[k],
                !strstr(rn_data_file(data, RN_PART_TRAIN, k), "2.jpg"));
        rn_data_close(data);
    }
}

static void bad_tables_are_refused(void **state)
{
    static const char *const cases[][2] = {
        {"\n", "'%s/labels.csv' is empty, expected FILE,CLASS, one a line"},
        {"1.jpg,a\n1.jpg,b\n",
         "'%s/labels.csv': '1.jpg' is of class 'a' in line 1 and of class 'b' "
         "in line 2, expected one"},
        {"1.jpg,a\n2.jpg,b,c\n",
         "'%s/labels.csv': line 2 has not 2 fields, as the first line has; "
         "quote a field with a ','"},
        {"1.jpg,\n", "'%s/labels.csv': line 1 is not FILE,CLASS in UTF-8"},
        {"image,MEL,NV\n1.jpg,0,1\n",
         "'%s/labels.csv': no column of its heading is the class; expected "
         "FILE,CLASS on each line, or a heading that calls one column file and "
         "one class"},
        {"1.jpg,0,1\n",
         "'%s/labels.csv': has no heading that is known here; expected "
         "FILE,CLASS on each line, or a heading that calls one column file and "
         "one class"},
        {"file,class,label\n1.jpg,a,b\n",
         "'%s/labels.csv': several columns may be the class; expected "
         "FILE,CLASS on each line, or a heading that calls one column file and "
         "one class"},
        {"file,class,split\n1.jpg,a,train\n2.jpg,b,test\n",
         "'%s/labels.csv': line 3 has 'test' as 'split', the first 'train', "
         "and a list is of one part; give each part a folder and a list of its "
         "own, such as train/labels.csv and test/labels.csv, and give these "
         "folders as DATA one by one, or take the column out for one part"},
        {"file,class\nn\xcc\x83.jpg,a\n",
         "'%s/labels.csv': line 2: there is no file 'n\xcc\x83.jpg' in the "
         "folder or in images; '\xc3\xb1.jpg' there differs only in Unicode "
         "normalisation: its accents are composed (NFC), here apart (NFD)"},
        {"file,class\n1.jpg,a\n\"2.jpg,b\n",
         "'%s/labels.csv': line 3 has not 2 fields, as the first line has; "
         "quote a field with a ','"},
    };

    (void)state;
    write_picture("1.jpg", "jpeg");
    write_picture("\xc3\xb1.jpg", "jpeg");
    for (size_t i = 0; i < COUNT(cases); i++) {
        write_text("labels.csv", cases[i][0]);
        open_fails(RN_ERR_DATA, cases[i][1]);
    }
    write_file("labels.csv", "1\0.\0j\0p\0", 8);
    open_fails(RN_ERR_DATA,
               "'%s/labels.csv': text in UTF-16LE, expected UTF-8; convert it "
               "with: iconv -f UTF-16LE -t UTF-8 FILE > NEWFILE");
    write_text("labels.txt", "1.jpg a\n");
    open_fails(RN_ERR_DATA, "'%s' has two lists, labels.txt and labels.csv, "
                            "expected one");
}

/* Columns that tell the parts, by whatever name and wherever; all lines of one
 * part are a list. Folds are not used, which is said. */
static void columns_of_parts_are_not_passed_over(void **state)
{
    static const struct {
        const char *heading, *values[2], *refused, *note;
    } cases[] = {
        {"Usage", {"Training", "PublicTest"}, "'PublicTest' as 'Usage'", NULL},
        {"is_valid", {"False", "True"}, "'True' as 'is_valid'", NULL},
        {"Is Test", {"0", "1"}, "'1' as 'Is Test'", NULL},
        {"phase", {"train", "val"}, "'val' as 'phase'", NULL},
        {"is_training_image", {"1", "0"}, "'0' as 'is_training_image'", NULL},
        {"fold", {"train", "test"}, "'test' as 'fold'", NULL},
        {"fold", {"0", "test"}, "'test' as 'fold'", NULL},
        {"fold", {"0", "4"}, NULL, "the column 'fold' is not used"},
        {"fold", {"3", "3"}, NULL, NULL},
        {"is_valid", {"0", "0"}, NULL, NULL},
        {"island", {"Java", "Bali"}, NULL, NULL},
    };

    (void)state;
    write_picture("1.jpg", "jpeg");
    write_picture("2.jpg", "jpeg");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_error err = {0};
        struct rn_data *data;
        const char *note = NULL;
        char text[200];

        snprintf(text, sizeof(text),
                 "split,file,class,%s\ntrain,1.jpg,a,%s\ntrain,2.jpg,b,%s\n",
                 cases[i].heading, cases[i].values[0], cases[i].values[1]);
        write_text("labels.csv", text);
        if (!rn_data_open(&data, folder, NULL, &err))
            note = rn_data_remark(data, 0);
        if ((cases[i].refused && !strstr(err.msg, cases[i].refused)) ||
            (!cases[i].refused && !data) || !cases[i].note != !note ||
            (note && !strstr(note, cases[i].note)))
            fail_msg("case %zu: '%s', '%s'", i, err.msg, note ? note : "");
        rn_data_close(data);
    }
}

/* Beside that many class folders, with a picture in each. */
static void assert_left_aside(const char *list, int classes)
{
    struct rn_data *data = open_ok();
    char said[64];

    snprintf(said, sizeof(said), "/%s' lists no files", list);
    assert_counts(data, classes, classes, 0, 0);
    assert_non_null(rn_data_remark(data, 0));
    assert_non_null(strstr(rn_data_remark(data, 0), said));
    rn_data_close(data);
}

/* The same with two pictures in a list of files, of one class. */
static void assert_is_read(void)
{
    struct rn_data *data = open_ok();

    assert_counts(data, 1, 2, 0, 0);
    assert_null(rn_data_remark(data, 0));
    rn_data_close(data);
}

/* A table of that name is often of classes, and no list of files. */
static void a_table_of_classes_is_left_aside(void **state)
{
    static const char *const names[] = {"0/1.jpg", "1/1.jpg"};

    (void)state;
    write_pictures(names, COUNT(names));
    write_text("labels.csv", "ClassId,Name\n0,Speed limit\n1,Stop\n");
    assert_left_aside("labels.csv", 2);
    write_text("labels.csv", "0/1.jpg,a\n1/1.jpg,a\n");
    assert_is_read();
}

/* So is a file with a class a line, whose names may look like FILE CLASS. */
static void a_list_of_classes_is_left_aside(void **state)
{
    static const char *const names[] = {"0/1.jpg", "1/1.jpg", "2/1.jpg"};

    (void)state;
    write_pictures(names, COUNT(names));
    write_text("labels.txt", "goldfish\ntiger shark\nhammerhead\n");
    assert_left_aside("labels.txt", 3);
    /* Of a list of files the first may be missing. */
    write_text("labels.txt", "\n9/1.jpg a\n1/1.jpg a\n");
    open_fails(RN_ERR_DATA,
               "'%s/labels.txt': line 2: there is no file '9/1.jpg' in the "
               "folder or in images");
    write_text("labels.txt", "0/1.jpg a\n1/1.jpg a\n");
    assert_is_read();
}

/* macOS's names and those of others look the same. */
static void normal_forms_are_told_apart(void **state)
{
    static const char *const names[] = {
        "train/caf\xc3\xa9/1.jpg", "train/b/1.jpg", "test/cafe\xcc\x81/1.jpg"};

    (void)state;
    write_pictures(names, COUNT(names));
    open_fails(RN_ERR_DATA,
               "'%s/test' has 1 class folder that '%s/train' has not: "
               "'cafe\xcc\x81'; 'caf\xc3\xa9' there differs only in Unicode "
               "normalisation: its accents are composed (NFC), here apart "
               "(NFD)");
    write_picture("train/cafe\xcc\x81/1.jpg", "jpeg");
    struct rn_data *data = open_ok();
    assert_counts(data, 3, 3, 0, 1);
    assert_string_equal(rn_data_remark(data, 0),
                        "two classes are called 'caf\xc3\xa9', in different "
                        "Unicode normal forms");
    rn_data_close(data);
}

static void a_list_of_a_part_needs_the_classes_of_another(void **state)
{
    static const char *const parts[] = {"val", "train"};

    (void)state;
    for (size_t i = 0; i < COUNT(parts); i++) {
        char name[60], expected[300];

        snprintf(name, sizeof(name), "%s/images/1.jpg", parts[i]);
        write_picture(name, "jpeg");
        snprintf(name, sizeof(name), "%s/labels.txt", parts[i]);
        write_text(name, "1.jpg a\n");
        snprintf(expected, sizeof(expected),
                 "'%%s/%s' has a list of pictures, but the classes are those "
                 "of the first part, which must be folders; for the list alone "
                 "give '%%s/%s' as DATA",
                 parts[i], parts[i]);
        open_fails(RN_ERR_DATA, expected);
    }
}

/* Files that lie elsewhere have the same names for every folder, those with
 * longer paths, too. */
static void lists_name_files_outside_of_the_folder(void **state)
{
    static const char *const lists[] = {"l", "a-folder-with-a-longer-path"};
    const struct rn_data_options options = {.validation = 1};
    const char *held_out[2];
    struct rn_data *data[2];

    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        struct rn_error err = {0};
        char name[60], text[700];

        write_picture("1.jpg", "jpeg");
        write_picture("2.jpg", "jpeg");
        snprintf(name, sizeof(name), "%s/labels.txt", lists[i]);
        snprintf(text, sizeof(text), "%s a\n%s a\n", in_folder("1.jpg"),
                 in_folder("2.jpg"));
        write_text(name, text);
        if (rn_data_open(&data[i], in_folder(lists[i]), &options, &err))
            fail_msg("%s", err.msg);
        held_out[i] = rn_data_file(data[i], RN_PART_VALIDATION, 0);
    }
    assert_true(data[0]->checksum == data[1]->checksum);
    assert_string_equal(held_out[0], held_out[1]);
    rn_data_close(data[0]);
    rn_data_close(data[1]);
}

/* ------------------------------------------------------------- held out */

static void validation_takes_some_of_each_class(void **state)
{
    struct rn_data_options options = {.validation_percent = 25};
    int seen[2] = {0, 0};
    struct rn_data *data, *again;
    char name[40];

    (void)state;
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "%s/%02d.jpg", i < 8 ? "a" : "b", i);
        write_picture(name, "jpeg-one-pixel");
    }
    data = open_with(&options);
    again = open_with(&options);
    assert_counts(data, 2, 30, 10, 0);
    for (int i = 0; i < 10; i++) {
        int label;

        assert_int_equal(
            rn_data_image(data, RN_PART_VALIDATION, i, NULL, &label, NULL),
            RN_OK);
        seen[label]++;
        assert_string_equal(rn_data_file(data, RN_PART_VALIDATION, i),
                            rn_data_file(again, RN_PART_VALIDATION, i));
        for (int j = 0; j < 30; j++)
            assert_string_not_equal(rn_data_file(data, RN_PART_TRAIN, j),
                                    rn_data_file(data, RN_PART_VALIDATION, i));
    }
    assert_int_equal(seen[0], 2);
    assert_int_equal(seen[1], 8);
    rn_data_close(data);
    rn_data_close(again);
}

/* 8, 16 and 16 pictures in classes whose byte order is not their numbers'. */
static void write_many(const char *below)
{
    char name[60];

    for (int i = 0; i < 40; i++) {
        const char *class = i < 8 ? "a" : "b";

        snprintf(name, sizeof(name), "%s%s/%02d.jpg", below,
                 i < 24 ? class : "10", i);
        write_picture(name, "jpeg-one-pixel");
    }
}

static void assert_held_out(const char *path, int rule, uint64_t seed,
                            const char *const *expected)
{
    const struct rn_data_options options = {
        .validation_percent = 25, .seed = seed, .rule = rule};
    struct rn_error err = {0};
    struct rn_data *data;

    if (rn_data_open(&data, path, &options, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(data->part[RN_PART_VALIDATION].count, 10);
    for (int i = 0; i < 10; i++) {
        const char *file = rn_data_file(data, RN_PART_VALIDATION, i);
        size_t length = strlen(file), n = strlen(expected[i]);

        if (length < n || strcmp(file + length - n, expected[i]) != 0)
            fail_msg("picture %d held out of '%s' is '%s', expected '%s'", i,
                     path, file, expected[i]);
    }
    rn_data_close(data);
}

/* What the version before rules were numbered held out, recorded from it. */
static const char *const first_rule[2][10] = {
    {"10/39.jpg", "b/17.jpg", "a/05.jpg", "10/29.jpg", "b/16.jpg", "10/38.jpg",
     "b/15.jpg", "a/04.jpg", "10/28.jpg", "b/14.jpg"},
    {"10/33.jpg", "b/13.jpg", "a/07.jpg", "10/32.jpg", "b/23.jpg", "10/31.jpg",
     "b/12.jpg", "a/05.jpg", "10/30.jpg", "b/22.jpg"}};
/* And its checksum, by which runs know their data. */
#define FIRST_CHECKSUM 0xca550b1e5c7a0701u

static void the_first_rule_holds_out_what_it_did(void **state)
{
    const struct rn_data_options first = {.rule = 1};
    struct rn_data_info info;
    struct rn_data *data;
    char slash[100];

    (void)state;
    write_many("");
    snprintf(slash, sizeof(slash), "%s/", folder);
    for (uint64_t i = 0; i < 2; i++) {
        assert_held_out(folder, 1, 2 * i, first_rule[i]);
        assert_held_out(slash, 1, 2 * i, first_rule[i]);
    }
    data = open_with(&first);
    rn_data_describe(data, &info);
    assert_true(info.checksum == FIRST_CHECKSUM);
    assert_int_equal(info.rule, 1);
    rn_data_close(data);
}

/* The newest rule's choice, which must stay, too. */
static const char *const second_rule[10] = {
    "b/20.jpg", "10/30.jpg", "a/07.jpg", "b/15.jpg", "10/32.jpg",
    "b/17.jpg", "10/38.jpg", "a/00.jpg", "b/14.jpg", "10/39.jpg"};

static void held_out_is_the_same_however_data_is_written(void **state)
{
    static const char *const ways[] = {
        "p/train", "p/train/", "p/train//", "p/../p", "p",
        "p/.",     "link",     "link/",     "q/link", "p/train/../train"};
    struct rn_data_info info, other;
    struct rn_data *data;
    char here[300];

    (void)state;
    write_many("p/train/");
    assert_int_equal(symlink("p/train", in_folder("link")), 0);
    assert_int_equal(mkdir(in_folder("q"), 0777), 0);
    assert_int_equal(symlink("../p/train", in_folder("q/link")), 0);
    for (size_t i = 0; i < COUNT(ways); i++)
        assert_held_out(in_folder(ways[i]), 0, 2, second_rule);
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(in_folder("p/train")), 0);
    assert_held_out(".", 0, 2, second_rule);
    assert_held_out("./", 0, 2, second_rule);
    assert_held_out("../../p", 0, 2, second_rule);
    assert_int_equal(chdir(here), 0);
    /* And it is known to be the same training images. */
    assert_int_equal(rn_data_open(&data, in_folder("p"), NULL, NULL), RN_OK);
    rn_data_describe(data, &info);
    rn_data_close(data);
    assert_int_equal(rn_data_open(&data, in_folder("p/train/"), NULL, NULL),
                     RN_OK);
    rn_data_describe(data, &other);
    rn_data_close(data);
    assert_true(info.training == other.training);
    assert_int_equal(info.rule, RN_RULE_NEWEST);
}

static void held_out_of_a_list_is_the_same_by_full_paths(void **state)
{
    struct rn_data_info info[2];
    char line[200], text[4000] = "";
    struct rn_data *data;

    (void)state;
    write_many("");
    for (int full = 0; full < 2; full++) {
        char here[300];

        text[0] = '\0';
        for (int i = 0; i < 8; i++) {
            snprintf(line, sizeof(line), "%s%sa/%02d.jpg %d\n",
                     full ? folder : "", full ? "/" : "", i, i % 2);
            strcat(text, line);
        }
        write_text("labels.txt", text);
        data = open_ok();
        rn_data_describe(data, &info[0]);
        rn_data_close(data);
        assert_non_null(getcwd(here, sizeof(here)));
        assert_int_equal(chdir(folder), 0);
        assert_int_equal(rn_data_open(&data, ".", NULL, NULL), RN_OK);
        assert_int_equal(chdir(here), 0);
        rn_data_describe(data, &info[1]);
        rn_data_close(data);
        assert_true(info[0].checksum == info[1].checksum);
        assert_true(info[0].training == info[1].training);
    }
}

/* A picture that a list has several times is on one side, or a run would be
 * tested on what it learns. By the second rule it was not. */
static void copies_are_held_out_together(void **state)
{
    struct rn_error err = {0};
    struct rn_data *data;
    char text[800] = "";
    bool apart = false;

    (void)state;
    write_many("");
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 3; k++) {
            char line[40];

            snprintf(line, sizeof(line), "a/%02d.jpg c%d\n", i, i % 2);
            strcat(text, line);
        }
    write_text("labels.txt", text);
    for (int count = 1; count < 24; count++)
        for (int rule = 2; rule <= 3; rule++) {
            const struct rn_data_options o = {.validation = count,
                                              .rule = rule};
            int out, shared = 0;

            if (rule == 3 && count > 21) {
                assert_int_equal(rn_data_open(&data, folder, &o, &err),
                                 RN_ERR_ARG);
                continue;
            }
            data = open_with(&o);
            out = data->part[RN_PART_VALIDATION].count;
            assert_true(out >= count);
            for (int i = 0; i < 24 - out; i++)
                for (int k = 0; k < out; k++)
                    shared +=
                        strcmp(rn_data_file(data, RN_PART_TRAIN, i),
                               rn_data_file(data, RN_PART_VALIDATION, k)) == 0;
            assert_true(rule == 2 || (shared == 0 && out % 3 == 0));
            apart = apart || shared > 0;
            rn_data_close(data);
        }
    assert_true(apart);
}

/* Of 16 pictures one is listed under a second name, or all of them. */
static void write_two_names(bool all)
{
    char text[800] = "", line[40];

    for (int i = 0; i < 16; i++) {
        snprintf(line, sizeof(line), "images/%02d.jpg", i);
        write_picture(line, "jpeg-one-pixel");
        snprintf(line, sizeof(line), "%02d.jpg c%d\n", i, i % 2);
        strcat(text, line);
        if (!all && i != 5)
            continue;
        snprintf(line, sizeof(line), "images/%02d.jpg c%d\n", i, i % 2);
        strcat(text, line);
    }
    write_text("labels.txt", text);
}

/* Under two names a picture may stand in two places of the order. */
static void one_picture_of_two_names_is_on_one_side(void **state)
{
    bool refused = false, taken = false;
    struct rn_error err = {0};
    struct rn_data *data;

    (void)state;
    write_two_names(false);
    for (int count = 1; count < 16; count++) {
        const struct rn_data_options o = {.validation = count};
        int out = 0, rc = rn_data_open(&data, folder, &o, &err);

        refused = refused || rc == RN_ERR_DATA;
        taken = taken || !rc;
        if (rc)
            continue;
        for (int i = 0; i < count; i++)
            out += strstr(rn_data_file(data, RN_PART_VALIDATION, i),
                          "/05.jpg") != NULL;
        assert_int_not_equal(out, 1);
        rn_data_close(data);
    }
    assert_true(refused && taken);
    write_two_names(true);
    assert_int_equal(rn_data_open(&data, folder,
                                  &(struct rn_data_options){.validation = 8},
                                  &err),
                     RN_ERR_DATA);
    assert_non_null(strstr(err.msg, ".jpg' is listed under two names"));
    write_text("labels.txt", "01.jpg a\nimages/01.jpg b\n");
    open_fails(RN_ERR_DATA, "'%s/labels.txt': '%s/images/01.jpg' is of class "
                            "'a' in line 1 and of class 'b' in line 2, "
                            "expected one");
}

/* "1 cat": class 1 of the list is the cat. */
static void numbers_are_those_of_the_classes(void **state)
{
    static const char *const names[] = {"1.jpg", "2.jpg", "3.jpg"};
    const struct rn_data_options before = {.rule = 2};
    struct rn_data *data;

    (void)state;
    write_pictures(names, COUNT(names));
    write_text("classes.txt", "1 cat\n2 dog\n3 bird\n");
    write_text("labels.txt", "1.jpg 1\n2.jpg 3\n3.jpg 2\n");
    data = open_ok();
    assert_picture(data, RN_PART_TRAIN, 0, "1.jpg", 0);
    assert_picture(data, RN_PART_TRAIN, 1, "2.jpg", 2);
    rn_data_close(data);
    write_text("labels.txt", "1.jpg 1\n2.jpg 0\n3.jpg 2\n");
    open_fails(RN_ERR_DATA, "'%s/labels.txt': line 2: there is no class '0' in "
                            "classes.txt, which has 3");
    data = open_with(&before);
    assert_picture(data, RN_PART_TRAIN, 0, "1.jpg", 1);
    rn_data_close(data);
    write_text("classes.txt", "0 cat\n1 dog\n2 bird\n");
    data = open_ok();
    assert_picture(data, RN_PART_TRAIN, 0, "1.jpg", 1);
    rn_data_close(data);
    write_text("classes.txt", "n01440764 tench\nn01443537 goldfish\n");
    assert_int_equal(unlink(in_folder("labels.txt")), 0);
    write_text("labels.csv",
               "1.jpg,n01440764;tench\n2.jpg,tench\n3.jpg,goldfish\n");
    open_fails(RN_ERR_DATA,
               "'%s/labels.csv': line 1: class 'tench' is there twice");
}

/* Links in a folder beside the data that lead to itself: looked into once. */
static void circles_are_left(void **state)
{
    struct rn_data *data;
    char name[20];

    (void)state;
    write_picture("train/a/1.jpg", "jpeg");
    write_picture("test/a/1.jpg", "jpeg");
    mkdir(in_folder("aux"), 0777);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "aux/%d", i);
        assert_int_equal(symlink(".", in_folder(name)), 0);
    }
    data = open_ok();
    assert_counts(data, 1, 1, 0, 1);
    rn_data_close(data);
}

static void unknown_rules_are_refused(void **state)
{
    static const int rules[] = {-1, RN_RULE_NEWEST + 1};
    struct rn_error err = {0};
    struct rn_data *data;

    (void)state;
    write_picture("a/1.jpg", "jpeg");
    for (size_t i = 0; i < COUNT(rules); i++) {
        const struct rn_data_options options = {.rule = rules[i]};

        assert_int_equal(rn_data_open(&data, folder, &options, &err),
                         RN_ERR_ARG);
        assert_non_null(strstr(err.msg, "`rule` is "));
    }
}

static void impossible_validation_is_refused(void **state)
{
    static const struct rn_data_options bad[] = {
        {.validation_percent = 100},
        {.validation_percent = -1},
        {.validation = 1, .validation_percent = 5},
        {.validation = 2},
        {.validation = -1},
        {.validation_percent = 99},
        {.validation_percent = 10}, /* of two is not one */
    };

    (void)state;
    write_picture("a/1.jpg", "jpeg");
    write_picture("b/1.jpg", "jpeg");
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct rn_error err = {0};
        struct rn_data *data;

        assert_int_equal(rn_data_open(&data, folder, &bad[i], &err),
                         RN_ERR_ARG);
    }
    /* Where there is a validation part there cannot be another. */
    write_picture("train/a/1.jpg", "jpeg");
    write_picture("train/a/2.jpg", "jpeg");
    write_picture("val/a/1.jpg", "jpeg");
    struct rn_data_options one = {.validation = 1};
    struct rn_error err = {0};
    struct rn_data *data;

    assert_int_equal(rn_data_open(&data, folder, &one, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "has 1 validation images of its own"));
}

static void checksums_tell_names_and_labels(void **state)
{
    struct rn_data_info info;
    struct rn_data *data;
    uint64_t sum[3];

    (void)state;
    write_picture("a/1.jpg", "jpeg");
    write_picture("b/2.jpg", "jpeg");
    for (int i = 0; i < 3; i++) {
        data = open_ok();
        rn_data_describe(data, &info);
        sum[i] = info.checksum;
        rn_data_close(data);
        if (i == 1)
            rename(in_folder("a/1.jpg"), "/tmp/rn-test-moved.jpg");
        if (i == 1)
            write_picture("a/3.jpg", "jpeg");
    }
    unlink("/tmp/rn-test-moved.jpg");
    assert_int_equal(sum[0], sum[1]);
    assert_int_not_equal(sum[1], sum[2]);
}

/* ------------------------------------------------------------ evaluation */

static struct rn_model *make_sized_model(const char *const *names,
                                         const char *const *ids, int h, int w)
{
    static const float mean[] = {0.5F, 0.4F, 0.3F}, std[] = {0.2F, 0.3F, 0.4F};
    const struct rn_net_options options = {
        .classes = 4, .height = h, .width = w};
    struct rn_error err = {0};
    struct rn_model *model;

    assert_int_equal(rn_model_create(&model, "resnet8", &options, &err), RN_OK);
    rn_model_init(model, 3);
    assert_int_equal(rn_model_set_preprocessing(model, false, mean, std, NULL),
                     RN_OK);
    assert_int_equal(rn_model_set_classes(model, names, NULL), RN_OK);
    assert_int_equal(rn_model_set_class_ids(model, ids, NULL), RN_OK);
    return model;
}

static struct rn_model *make_model(const char *const *names,
                                   const char *const *ids)
{
    struct rn_model *model = make_sized_model(names, ids, 8, 8);

    assert_int_equal(rn_model_set_resize(model, 10, RN_BICUBIC, NULL), RN_OK);
    return model;
}

static void classes_match_by_identifier_or_name(void **state)
{
    static const char *const names[] = {"ant", "crane", "crane", "dog"};
    static const char *const ids[] = {"n1", "n2", "n3", "n4"};
    struct rn_model *model = make_model(names, ids);
    struct rn_error err = {0};
    struct rn_data *data;
    int32_t map[5];

    (void)state;
    write_picture("dog/1.jpg", "jpeg");
    write_picture("n3/1.jpg", "jpeg");
    data = open_ok();
    assert_int_equal(rn_match_classes(model, data, RN_PART_TRAIN, map, &err),
                     RN_OK);
    assert_int_equal(map[0], 3);
    assert_int_equal(map[1], 2);
    rn_data_close(data);
    write_picture("crane/1.jpg", "jpeg");
    data = open_ok();
    assert_int_equal(rn_match_classes(model, data, RN_PART_TRAIN, map, &err),
                     RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "does not know 1 of the 3 classes of"));
    assert_non_null(strstr(err.msg, ": 'crane' (a name of several)"));
    rn_data_close(data);
    write_picture("cat/1.jpg", "jpeg");
    write_picture("bird/1.jpg", "jpeg");
    data = open_ok();
    assert_int_equal(rn_match_classes(model, data, RN_PART_TRAIN, map, &err),
                     RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "3 of the 5 classes"));
    assert_non_null(
        strstr(err.msg, ": 'bird', 'cat', 'crane' (a name of several)"));
    rn_data_close(data);
    rn_model_destroy(model);
}

static void without_names_numbers_count(void **state)
{
    struct rn_model *model = make_model(NULL, NULL);
    struct rn_error err = {0};
    struct rn_data *data;
    int32_t map[5];

    (void)state;
    write_picture("1.jpg", "jpeg");
    write_text("labels.txt", "1.jpg 2\n");
    data = open_ok();
    assert_int_equal(rn_match_classes(model, data, RN_PART_TRAIN, map, &err),
                     RN_OK);
    assert_int_equal(map[2], 2);
    rn_data_close(data);
    write_text("labels.txt", "1.jpg 4\n");
    data = open_ok();
    assert_int_equal(rn_match_classes(model, data, RN_PART_TRAIN, map, &err),
                     RN_ERR_DATA);
    rn_data_close(data);
    write_text("labels.txt", "1.jpg cat\n");
    data = open_ok();
    assert_int_equal(rn_match_classes(model, data, RN_PART_TRAIN, map, &err),
                     RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "has 4 classes"));
    rn_data_close(data);
    rn_model_destroy(model);
}

/* Names of 12 classes in byte order, as folders were before. */
static const char *const byte_order[] = {"0", "1", "10", "11", "2", "3",
                                         "4", "5", "6",  "7",  "8", "9"};

static struct rn_model *make_twelve(const char *const *names)
{
    const struct rn_net_options options = {
        .classes = 12, .height = 8, .width = 8};
    struct rn_error err = {0};
    struct rn_model *model;

    assert_int_equal(rn_model_create(&model, "resnet8", &options, &err), RN_OK);
    if (names)
        assert_int_equal(rn_model_set_class_ids(model, names, &err), RN_OK);
    return model;
}

/* Class i of the data is what of the model's; or what the message says. */
static void assert_matches(const struct rn_model *model, int i, int expected,
                           const char *message)
{
    struct rn_error err = {0};
    struct rn_data *data = open_ok();
    int32_t map[20];
    int rc = rn_match_classes(model, data, RN_PART_TRAIN, map, &err);

    if (message) {
        assert_int_equal(rc, RN_ERR_DATA);
        if (!strstr(err.msg, message))
            fail_msg("'%s', expected '%s'", err.msg, message);
    } else {
        if (rc)
            fail_msg("%s", err.msg);
        assert_int_equal(map[i], expected);
    }
    rn_data_close(data);
}

/* What is said of the order that numbers as texts have; NULL: nothing. */
static void assert_two_orders(const struct rn_model *model, const char *said)
{
    struct rn_data *data = open_ok();
    const char *remark;
    int32_t map[20];

    for (int i = 0; i < 2; i++) /* once */
        assert_int_equal(
            rn_match_classes(model, data, RN_PART_TRAIN, map, NULL), RN_OK);
    remark = rn_data_remark(data, 0);
    assert_int_equal(!remark, !said);
    if (said && !strstr(remark, said))
        fail_msg("'%s', expected '%s'", remark, said);
    assert_null(rn_data_remark(data, 1));
    rn_data_close(data);
}

static void write_numbered(int first, int last)
{
    char name[40];

    for (int i = first; i <= last; i++) {
        snprintf(name, sizeof(name), "%d/1.jpg", i);
        write_picture(name, "jpeg-one-pixel");
    }
}

/* Folders called by numbers: of an old model's, of one without names. */
static void numbers_are_numbers_in_folders(void **state)
{
    struct rn_model *old = make_twelve(byte_order), *bare = make_twelve(NULL);

    (void)state;
    write_numbered(0, 11);
    assert_matches(old, 2, 4, NULL);
    assert_matches(old, 10, 2, NULL);
    assert_matches(bare, 2, 2, NULL);
    assert_matches(bare, 10, 10, NULL);
    assert_two_orders(bare, "0, 1, 10, 11, 2");
    assert_two_orders(old, NULL);
    /* Fewer, or others, are no indices. */
    rename(in_folder("0"), in_folder("12"));
    assert_matches(bare, 0, 0, "has one called '12': which is which cannot");
    assert_matches(old, 0, 0, "does not know 1 of the 12 classes");
    rename(in_folder("12/1.jpg"), in_folder("11/2.jpg"));
    assert_int_equal(rmdir(in_folder("12")), 0);
    assert_matches(bare, 0, 0, "has 12 classes, '");
    assert_matches(old, 0, 1, NULL);
    /* 007 is 7. */
    rename(in_folder("7"), in_folder("007"));
    assert_matches(old, 6, 9, NULL);
    rn_model_destroy(old);
    rn_model_destroy(bare);
}

static void numbers_are_numbers_in_lists(void **state)
{
    static const char *const words[] = {"a", "b", "c", "d", "e", "f",
                                        "g", "h", "i", "j", "k", "l"};
    static const char *const other[] = {"1", "2", "3", "4",  "5",  "6",
                                        "7", "8", "9", "10", "11", "12"};
    struct rn_model *old = make_twelve(byte_order), *named = make_twelve(words),
                    *from_one = make_twelve(other);
    struct rn_data *data;

    (void)state;
    write_picture("1.jpg", "jpeg");
    write_text("labels.txt", "1.jpg 10\n");
    assert_matches(old, 10, 2, NULL);
    assert_matches(named, 10, 10, NULL);
    assert_matches(from_one, 10, 9, NULL);
    write_text("labels.txt", "1.jpg 0\n");
    assert_matches(from_one, 0, 0, "has no class called 0, which '");
    /* Names that are numbers are meant by numbers, wherever they stand. */
    write_text("classes.txt", "5\n03\n1\n");
    write_picture("2.jpg", "jpeg");
    write_text("labels.txt", "1.jpg 3\n2.jpg 1\n");
    data = open_ok();
    assert_picture(data, RN_PART_TRAIN, 0, "1.jpg", 1);
    assert_picture(data, RN_PART_TRAIN, 1, "2.jpg", 2);
    rn_data_close(data);
    write_text("labels.txt", "1.jpg 0\n");
    open_fails(RN_ERR_DATA, "'%s/labels.txt': line 1: there is no class '0' in "
                            "classes.txt, which has 3");
    rn_model_destroy(old);
    rn_model_destroy(named);
    rn_model_destroy(from_one);
}

static const char *const letters[] = {"a", "b", "c", "d"};
static const struct {
    const char *file, *seed;
    int label;
} photos[] = {
    {"d/1.jpg", "jpeg", 3},
    {"d/2.jpg", "jpeg-cmyk", 3},
    {"b/1.png", "png-palette4-alpha", 1},
    {"b/2.webp", "webp-alpha-lossy", 1},
    {"b/3.jpeg", "jpeg-orientation-6", 1},
};

/* rn_eval() against pictures loaded, prepared and run one by one. */
static void evaluation_is_that_by_hand(void **state)
{
    struct rn_model *model = make_model(letters, NULL);
    struct rn_plan_options options;
    struct rn_eval_options o;
    struct rn_eval_result r;
    struct rn_plan *plan;
    struct rn_data *data;
    struct rn_error err = {0};
    double loss = 0;
    int wrong = 0;

    (void)state;
    rn_plan_defaults(&options);
    options.batch = options.threads = 1;
    assert_int_equal(rn_plan_create(&plan, model, &options, NULL), RN_OK);
    for (size_t i = 0; i < COUNT(photos); i++) {
        float image[3 * 8 * 8], logits[4];
        struct rn_image picture;
        int top;

        write_picture(photos[i].file, photos[i].seed);
        assert_int_equal(
            rn_image_load(&picture, in_folder(photos[i].file), 0, NULL), RN_OK);
        assert_int_equal(
            rn_model_preprocess_image(model, &picture, image, NULL), RN_OK);
        assert_int_equal(rn_plan_forward(plan, image, logits, NULL), RN_OK);
        rn_top_k(logits, 4, 1, &top);
        wrong += top != photos[i].label;
        loss += rn_cross_entropy(logits, 4, photos[i].label);
        rn_image_free(&picture);
    }
    data = open_ok();
    rn_eval_defaults(&o);
    o.batch = 2;
    o.threads = 2;
    if (rn_eval(model, data, RN_PART_TRAIN, &o, &r, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(r.images, COUNT(photos));
    assert_string_equal(r.protocol, "centre 8x8 of shorter side 10, bicubic");
    assert_true(r.top1_error == 100.0 * wrong / (double)COUNT(photos));
    if (r.loss < loss / 5 - 1e-4 || r.loss > loss / 5 + 1e-4)
        fail_msg("loss %g, expected %g", r.loss, loss / 5);
    o.as_stored = 1;
    assert_int_equal(rn_eval(model, data, RN_PART_TRAIN, &o, &r, &err), RN_OK);
    assert_string_equal(r.protocol, "centre 8x8 of shorter side 10, bicubic, "
                                    "as stored");
    rn_plan_destroy(plan);
    rn_data_close(data);
    rn_model_destroy(model);
}

/* A picture made by hand: [3][h][w] of a resized one, from (x, y) on,
 * mirrored perhaps. */
static void cut_by_hand(const struct rn_image *from, int x, int y, int mirror,
                        int w, int h, uint8_t *pixels)
{
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < h; i++)
            for (int j = 0; j < w; j++)
                *pixels++ = from->pixels[3 * ((y + i) * from->width + x +
                                              (mirror ? w - 1 - j : j)) +
                                         c];
}

/* The picture of photos[i] with its shorter side `side`. */
static void resized_by_hand(size_t i, int side, struct rn_image *out)
{
    struct rn_image picture;
    int w, h;

    write_picture(photos[i].file, photos[i].seed);
    assert_int_equal(
        rn_image_load(&picture, in_folder(photos[i].file), 0, NULL), RN_OK);
    w = picture.width;
    h = picture.height;
    assert_int_equal(rn_image_resize(out, &picture, w < h ? side : side * w / h,
                                     w < h ? side * h / w : side, RN_BICUBIC,
                                     NULL),
                     RN_OK);
    rn_image_free(&picture);
}

/* Add the probabilities of an image of the model's size to four sums. */
static void add_by_hand(const struct rn_model *model, const uint8_t *pixels,
                        double sums[4])
{
    struct rn_plan_options options;
    struct rn_plan *plan;
    float image[3 * 64 * 64], logits[4];

    rn_plan_defaults(&options);
    options.threads = 1;
    assert_int_equal(rn_plan_create(&plan, model, &options, NULL), RN_OK);
    assert_int_equal(rn_model_preprocess(model, pixels, image, NULL), RN_OK);
    assert_int_equal(rn_plan_forward(plan, image, logits, NULL), RN_OK);
    rn_softmax(logits, 4);
    for (int i = 0; i < 4; i++)
        sums[i] += (double)logits[i];
    rn_plan_destroy(plan);
}

/* What rn_eval() makes of the photos, against `loss` by hand. */
static void assert_evaluates(const struct rn_model *model,
                             struct rn_eval_options *o, double loss,
                             const char *protocol)
{
    struct rn_data *data = open_ok();
    struct rn_eval_result r;
    struct rn_error err = {0};

    o->threads = 2;
    if (rn_eval(model, data, RN_PART_TRAIN, o, &r, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(r.images, COUNT(photos));
    assert_string_equal(r.protocol, protocol);
    loss /= (double)COUNT(photos);
    if (!(r.loss > loss - 1e-4 && r.loss < loss + 1e-4))
        fail_msg("%s: loss %g, expected %g", protocol, r.loss, loss);
    rn_data_close(data);
}

/* Where the middle begins; halves are rounded to even numbers. */
static int middle(int size, int of)
{
    int rest = of - size;

    return rest / 2 + (rest % 2 && rest / 2 % 2);
}

static void ten_crops_are_those_by_hand(void **state)
{
    struct rn_model *model = make_model(letters, NULL);
    struct rn_eval_options o;
    double loss = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(photos); i++) {
        struct rn_image image;
        double sums[4] = {0};
        int x, y;

        resized_by_hand(i, 10, &image);
        x = middle(10, image.width);
        y = middle(10, image.height);
        const int places[5][2] = {
            {x, y},
            {x + 2, y},
            {x, y + 2},
            {x + 2, y + 2},
            {middle(8, image.width), middle(8, image.height)}};
        for (int k = 0; k < 10; k++) {
            uint8_t pixels[3 * 8 * 8];

            cut_by_hand(&image, places[k / 2][0], places[k / 2][1], k % 2, 8, 8,
                        pixels);
            add_by_hand(model, pixels, sums);
        }
        loss -= log(sums[photos[i].label] / 10);
        rn_image_free(&image);
    }
    rn_eval_defaults(&o);
    o.crops = 10;
    for (o.batch = 0; o.batch < 3; o.batch++)
        assert_evaluates(
            model, &o, loss,
            "10 crops, probabilities averaged: corners and centre "
            "8x8 of the middle 10x10, each mirrored, too, bicubic");
    rn_model_destroy(model);
}

/* Whole pictures at two scales through networks built for their sizes. */
static void scales_are_those_by_hand(void **state)
{
    static const int scales[] = {9, 16};
    struct rn_model *model = make_model(letters, NULL);
    struct rn_eval_options o;
    double loss = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(photos); i++) {
        double sums[4] = {0};

        for (size_t s = 0; s < COUNT(scales); s++) {
            struct rn_image image;
            struct rn_model *sized;
            uint8_t pixels[3 * 64 * 64];

            resized_by_hand(i, scales[s], &image);
            assert_true(image.width <= 64 && image.height <= 64);
            sized = make_sized_model(letters, NULL, image.height, image.width);
            for (int mirror = 0; mirror < 2; mirror++) {
                cut_by_hand(&image, 0, 0, mirror, image.width, image.height,
                            pixels);
                add_by_hand(sized, pixels, sums);
            }
            rn_model_destroy(sized);
            rn_image_free(&image);
        }
        loss -= log(sums[photos[i].label] / 4);
    }
    rn_eval_defaults(&o);
    o.scales = scales;
    o.n_scales = COUNT(scales);
    assert_evaluates(model, &o, loss,
                     "fully convolutional at shorter sides 9,16, each "
                     "mirrored, too, probabilities averaged, bicubic");
    rn_model_destroy(model);
}

/* Many pictures of several sizes, with threads that load ahead. */
static void whole_pictures_stay_in_order(void **state)
{
    enum { PICTURES = 60 };
    static const int scale = 9;
    struct rn_model *model = make_model(letters, NULL);
    struct rn_report *report[2];
    struct rn_eval_options o;
    struct rn_eval_result r;
    struct rn_error err = {0};
    struct rn_data *data;

    (void)state;
    for (int i = 0; i < PICTURES; i++) {
        char name[40];

        snprintf(name, sizeof(name), "%c/%02d.jpg", "abcd"[i % 4], i);
        write_picture(name, photos[i * 7 % (int)COUNT(photos)].seed);
    }
    data = open_ok();
    rn_eval_defaults(&o);
    o.scales = &scale;
    o.n_scales = 1;
    for (int threads = 2; threads < 20; threads += 8) {
        for (int i = 0; i < 2; i++) {
            const struct rn_model *models[] = {model};

            o.threads = i ? threads : 1;
            if (rn_eval_models(models, 1, data, RN_PART_TRAIN, &o, &r,
                               &report[i], &err))
                fail_msg("%s", err.msg);
            assert_int_equal(r.images, PICTURES);
        }
        for (int i = 0; i < PICTURES; i++) {
            struct rn_answer one, many;

            assert_int_equal(rn_report_answer(report[0], i, &one), RN_OK);
            assert_int_equal(rn_report_answer(report[1], i, &many), RN_OK);
            assert_int_equal(one.label, many.label);
            assert_true(fabsf(one.probability - many.probability) < 1e-6F);
        }
        rn_report_destroy(report[0]);
        rn_report_destroy(report[1]);
    }
    rn_data_close(data);
    rn_model_destroy(model);
}

static void fails(const struct rn_model *model, const struct rn_data *data,
                  enum rn_part part, const struct rn_eval_options *o, int code,
                  const char *text)
{
    struct rn_eval_result r;
    struct rn_error err = {0};

    assert_int_equal(rn_eval(model, data, part, o, &r, &err), code);
    if (!strstr(err.msg, text))
        fail_msg("\"%s\", expected \"%s\"", err.msg, text);
}

static void impossible_protocols_are_refused(void **state)
{
    static const int scales[] = {9, 0}, large[] = {4096};
    struct rn_model *model = make_model(letters, NULL);
    struct rn_data *pictures, *memory = NULL;
    struct rn_eval_options o;

    (void)state;
    write_picture("a/1.jpg", "jpeg");
    write_picture("b/1.png", "png-one-pixel");
    pictures = open_ok();
    assert_int_equal(rn_data_open(&memory, "synthetic:3x8x8:4:40", NULL, NULL),
                     RN_OK);
    rn_eval_defaults(&o);
    o.crops = 10;
    fails(model, memory, RN_PART_TEST, &o, RN_ERR_ARG, "are for pictures");
    o.crops = 5;
    fails(model, pictures, RN_PART_TRAIN, &o, RN_ERR_ARG,
          "`crops` is 5, but must be 1 or 10");
    o.crops = 10;
    o.scales = scales;
    o.n_scales = 1;
    fails(model, pictures, RN_PART_TRAIN, &o, RN_ERR_ARG, "not both");
    o.crops = 1;
    o.n_scales = 2;
    fails(model, pictures, RN_PART_TRAIN, &o, RN_ERR_ARG,
          "scale 0, expected 1 to 4096");
    o.scales = large;
    o.n_scales = 1;
    fails(model, memory, RN_PART_TEST, &o, RN_ERR_ARG, "are for pictures");
    assert_int_equal(rn_model_set_resize(model, 8, RN_BOX, NULL), RN_OK);
    o.n_scales = 0;
    o.crops = 10;
    fails(model, pictures, RN_PART_TRAIN, &o, RN_ERR_ARG,
          "there is nothing to crop");
    rn_data_close(pictures);
    rn_data_close(memory);
    rn_model_destroy(model);
}

/* No picture is left out in silence. */
static void a_bad_picture_ends_the_evaluation(void **state)
{
    struct rn_model *model = make_model(letters, NULL);
    struct rn_eval_options o;
    struct rn_eval_result r;
    struct rn_error err = {0};
    struct rn_data *data;
    char expected[200];
    const int scale = 9;

    (void)state;
    write_picture("a/1.jpg", "jpeg");
    write_picture("a/2.jpg", "jpeg-truncated");
    write_picture("c/3.jp2", "jpeg-2000");
    data = open_ok();
    rn_eval_defaults(&o);
    o.threads = 2;
    assert_int_equal(rn_eval(model, data, RN_PART_TRAIN, &o, &r, &err),
                     RN_ERR_DATA);
    snprintf(expected, sizeof(expected),
             "'%s/a/2.jpg': JPEG: the file is truncated", folder);
    assert_string_equal(err.msg, expected);
    o.scales = &scale;
    o.n_scales = 1;
    for (o.threads = 1; o.threads < 16; o.threads *= 2) {
        assert_int_equal(rn_eval(model, data, RN_PART_TRAIN, &o, &r, &err),
                         RN_ERR_DATA);
        assert_string_equal(err.msg, expected);
    }
    assert_int_equal(rn_eval(model, data, RN_PART_TEST, &o, &r, &err),
                     RN_ERR_ARG);
    rn_data_close(data);
    rn_model_destroy(model);
}

/* Said once, whichever of them is loaded first; and the same of animations of
 * every format. */
static void the_first_of_several_is_taken_and_said(void **state)
{
    static const struct {
        const char *format, *one, *several;
    } files[] = {
        {"GIF", "gif", "gif-animated"},
        {"PNG", "png-rgb8", "png-animated"},
        {"WebP", "webp", "webp-animated"},
        {"AVIF", "avif", "avif-animated"},
    };

    (void)state;
    for (size_t f = 0; f < COUNT(files); f++) {
        struct rn_error err = {0};
        struct rn_image image;
        struct rn_data *data;
        char expected[300];

        if (!strstr(rn_image_formats(), files[f].format))
            continue;
        write_picture("a/1.gif", files[f].one);
        write_picture("a/2.gif", files[f].several);
        write_picture("c/3.gif", files[f].several);
        data = open_ok();
        for (int i = 0; i < 3; i++) {
            const char *remark;

            assert_int_equal(
                rn_data_picture(data, RN_PART_TRAIN, i, 0, &image, &err),
                RN_OK);
            rn_image_free(&image);
            remark = rn_data_remark(data, 0);
            if ((remark != NULL) != (i > 0))
                fail_msg("%s, picture %d: %s", files[f].format, i,
                         remark ? remark : "nothing is said");
        }
        snprintf(expected, sizeof(expected),
                 "'%s/a/2.gif' holds several pictures; of files like it the "
                 "first picture is taken",
                 folder);
        assert_string_equal(rn_data_remark(data, 0), expected);
        assert_null(rn_data_remark(data, 1));
        rn_data_close(data);
    }
}

/* What is left out by its name is told of where it begins as a picture. */
static void misnamed_pictures_are_said(void **state)
{
    struct rn_data *data;
    char expected[300];

    (void)state;
    write_picture("a/1.jpg", "jpeg");
    write_text("a/1.txt", "a picture");
    mkfifo(in_folder("a/pipe"), 0666);
    data = open_ok();
    assert_null(rn_data_remark(data, 0));
    rn_data_close(data);
    write_picture("a/2.jpg~", "jpeg");
    write_picture("a/3", "png-rgb8");
    data = open_ok();
    assert_counts(data, 1, 1, 0, 0);
    snprintf(expected, sizeof(expected),
             "left out: '%s/a/2.jpg~' and files like it, which begin as "
             "pictures do; to have them taken let their names end so, as in "
             ".jpg",
             folder);
    assert_string_equal(rn_data_remark(data, 0), expected);
    assert_null(rn_data_remark(data, 1));
    rn_data_close(data);
}

static void pictures_have_no_pixels_in_memory(void **state)
{
    struct rn_error err = {0};
    struct rn_data *data;
    uint8_t pixels[1];

    (void)state;
    write_picture("a/1.jpg", "jpeg");
    data = open_ok();
    assert_int_equal(rn_data_image(data, RN_PART_TRAIN, 0, pixels, NULL, &err),
                     RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "holds pictures of many sizes"));
    rn_data_close(data);
}

/* ---------------------------------------------------------- memory fails */

static void failing_allocations_leave_nothing_behind(void **state)
{
    static const struct rn_data_options options = {.validation = 1};
    struct rn_data *data;
    struct rn_error err;
    int rc;

    (void)state;
    write_picture("train/a/1.jpg", "jpeg");
    write_picture("train/b/1.jpg", "jpeg");
    write_picture("test/b/1.jpg", "jpeg");
    for (int list = 0; list < 2; list++) {
        if (list) {
            write_picture("1.jpg", "jpeg");
            write_picture("2.jpg", "jpeg");
            write_text("labels.txt", "1.jpg n0002\n2.jpg b\n1.jpg n0002\n");
            write_text("classes.txt", "n0001 a\nn0002 b\nn0003 c\n");
        }
        int failed = 0;

        for (long n = 1; n < 500; n++) {
            rn_alloc_fail_after(n);
            rc = rn_data_open(&data, folder, &options, &err);
            rn_alloc_fail_after(-1);
            failed += rc != RN_OK;
            if (!rc && list)
                assert_counts(data, 3, 2, 1, 0);
            else if (!rc)
                assert_counts(data, 2, 1, 1, 1);
            /* A reader that cannot look is one that does not know it. */
            else if (rc != RN_ERR_MEMORY)
                assert_non_null(strstr(err.msg, "holds no data set"));
            rn_data_close(data);
        }
        assert_true(failed > 20);
    }
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(class_folders_are_in_byte_order),
        TEST(parts_have_the_classes_of_train),
        TEST(a_part_alone_is_that_part),
        TEST(bad_folders_are_named),
        TEST(folders_without_classes_are_refused),
        TEST(lists_give_files_and_classes),
        TEST(bad_lists_are_refused_by_line),
        TEST(tables_give_files_and_classes),
        TEST(bad_tables_are_refused),
        TEST(columns_of_parts_are_not_passed_over),
        TEST(a_table_of_classes_is_left_aside),
        TEST(a_list_of_classes_is_left_aside),
        TEST(normal_forms_are_told_apart),
        TEST(a_list_of_a_part_needs_the_classes_of_another),
        TEST(lists_name_files_outside_of_the_folder),
        TEST(validation_takes_some_of_each_class),
        TEST(the_first_rule_holds_out_what_it_did),
        TEST(held_out_is_the_same_however_data_is_written),
        TEST(held_out_of_a_list_is_the_same_by_full_paths),
        TEST(copies_are_held_out_together),
        TEST(one_picture_of_two_names_is_on_one_side),
        TEST(numbers_are_those_of_the_classes),
        TEST(circles_are_left),
        TEST(unknown_rules_are_refused),
        TEST(impossible_validation_is_refused),
        TEST(checksums_tell_names_and_labels),
        TEST(classes_match_by_identifier_or_name),
        TEST(without_names_numbers_count),
        TEST(numbers_are_numbers_in_folders),
        TEST(numbers_are_numbers_in_lists),
        TEST(evaluation_is_that_by_hand),
        TEST(ten_crops_are_those_by_hand),
        TEST(scales_are_those_by_hand),
        TEST(whole_pictures_stay_in_order),
        TEST(impossible_protocols_are_refused),
        TEST(a_bad_picture_ends_the_evaluation),
        TEST(misnamed_pictures_are_said),
        TEST(pictures_have_no_pixels_in_memory),
        TEST(the_first_of_several_is_taken_and_said),
        TEST(failing_allocations_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
