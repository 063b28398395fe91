/* SPDX-License-Identifier: BSD-2-Clause */
/* Archives as data sets: the same as the folder they were made of, whatever
 * their format; and those that are damaged, or would lead elsewhere. */
#include "core/file.h"
#include "core/memory.h"
#include "data/archives/archive.h"
#include "data/data.h"
#include "data/sets/picture_set.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "archives.h"
#include "folder.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void write_archive(const char *name, enum form form,
                          const struct item *items, size_t count)
{
    size_t size = 0;
    uint8_t *bytes = make_archive(form, items, count, &size);

    write_file(name, bytes, size);
    free(bytes);
}

/* Pictures of several kinds, seeds of the decoders' fuzz target. */
static const char *const seeds[] = {"jpeg", "jpeg-orientation-6", "png-grey8",
                                    "jpeg-progressive", "jpeg-cmyk"};
static struct {
    uint8_t *bytes;
    size_t size;
} seed[COUNT(seeds)];

static int load_seeds(void **state)
{
    const char *source = getenv("RN_SOURCE");
    char path[600];

    (void)state;
    for (size_t i = 0; i < COUNT(seeds); i++) {
        snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/image/%s",
                 source ? source : ".", seeds[i]);
        if (rn_file_read(path, 1 << 20, &seed[i].bytes, &seed[i].size, NULL))
            return -1;
    }
    return 0;
}

static int free_seeds(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(seeds); i++)
        rn_free(seed[i].bytes);
    return 0;
}

/* The i-th of any number of pictures called that. */
static struct item picture(const char *name, size_t i)
{
    return (struct item){.name = name,
                         .bytes = seed[i % COUNT(seeds)].bytes,
                         .size = seed[i % COUNT(seeds)].size};
}

static struct item text(const char *name, const char *what)
{
    return (struct item){.name = name, .bytes = what, .size = strlen(what)};
}

static struct rn_data *open_data(const char *path,
                                 const struct rn_data_options *options)
{
    struct rn_error err = {0};
    struct rn_data *data;

    if (rn_data_open(&data, path, options, &err))
        fail_msg("%s", err.msg);
    return data;
}

/* `expected` is the end of the message, or a part with "…" before it. */
static void open_fails(const char *name, const char *expected)
{
    struct rn_error err = {0};
    struct rn_data *data;
    int rc = rn_data_open(&data, in_folder(name), NULL, &err);

    if (rc != RN_ERR_DATA || data || !strstr(err.msg, expected))
        fail_msg("%s: %d, '%s', expected %d, '%s'", name, rc, err.msg,
                 RN_ERR_DATA, expected);
}

static void write_raw(const char *name, enum form form,
                      const struct item *items, size_t count, size_t at,
                      const void *over, size_t length, size_t cut)
{
    size_t size = 0;
    uint8_t *bytes = make_archive(form, items, count, &size);

    assert_true(at + length <= size);
    if (length)
        memcpy(bytes + at, over, length);
    write_file(name, bytes, cut ? cut : size);
    free(bytes);
}

/* ------------------------------------------------------ like their folder */

#define VIEW 12

static void fetch(const struct rn_data *data, enum rn_part part, int i,
                  uint8_t *pixels)
{
    const struct rn_view view = {.shape = {3, VIEW, VIEW},
                                 .interpolation = RN_BILINEAR};
    struct rn_error err = {0};

    if (data->fetch(data, part, (uint32_t)i, &view, pixels, &err))
        fail_msg("%s", err.msg);
}

static void assert_same_images(const struct rn_data *a, const char *a_root,
                               const struct rn_data *b, const char *b_root,
                               enum rn_part part)
{
    uint8_t pixels[2][3 * VIEW * VIEW];
    int label[2];

    for (int i = 0; i < a->part[part].count; i++) {
        assert_string_equal(rn_data_file(a, part, i) + strlen(a_root),
                            rn_data_file(b, part, i) + strlen(b_root));
        rn_data_image(a, part, i, NULL, &label[0], NULL);
        rn_data_image(b, part, i, NULL, &label[1], NULL);
        assert_int_equal(label[0], label[1]);
        fetch(a, part, i, pixels[0]);
        fetch(b, part, i, pixels[1]);
        assert_memory_equal(pixels[0], pixels[1], sizeof(pixels[0]));
        assert_int_equal(rn_picture_probe(b, part, i, NULL), RN_OK);
    }
}

/* Names of files, labels, classes and every pixel are the same. */
static void assert_same(const struct rn_data *a, const char *a_root,
                        const struct rn_data *b, const char *b_root)
{
    struct rn_data_info x, y;

    rn_data_describe(a, &x);
    rn_data_describe(b, &y);
    assert_string_equal(x.format, y.format);
    assert_int_equal(x.classes, y.classes);
    for (int i = 0; i < x.classes; i++)
        assert_string_equal(rn_data_class_id(a, i), rn_data_class_id(b, i));
    for (int part = 0; part < 3; part++) {
        assert_int_equal(x.count[part], y.count[part]);
        assert_same_images(a, a_root, b, b_root, (enum rn_part)part);
    }
}

/* In no order, as archives may be; with what is not for us. */
static const char *const tree[] = {
    "train/cat/2.jpg",     "train/b/é 1.jpg",     "train/cat/1.png",
    "train/cat-x/1.jpg",   "val/cat/1.jpg",       "train/b/deep/er/3.jpg",
    "train/b/._1.jpg",     "train/.hidden/1.jpg", "train/cat/.DS_Store",
    "train/b/2.JPEG",      "train/cat/notes.txt", "val/b/9.jpg",
    "__MACOSX/train/1.jpg"};

static void an_archive_is_as_good_as_its_folder(void **state)
{
    const struct rn_data_options options[] = {{.validation = 0},
                                              {.validation_percent = 40}};
    struct item items[COUNT(tree)], parts[COUNT(tree)];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(tree); i++) {
        char name[100];

        items[i] = picture(tree[i], i);
        snprintf(name, sizeof(name), "photos/%s", tree[i]);
        write_file(name, items[i].bytes, items[i].size);
        if (strncmp(tree[i], "train/", 6) == 0) {
            parts[count] = picture(tree[i] + 6, i);
            snprintf(name, sizeof(name), "classes/%s", tree[i] + 6);
            write_file(name, parts[count].bytes, parts[count].size);
            count++;
        }
    }
    for (enum form form = 0; form < FORMS; form++) {
        struct rn_data *a, *b;
        char name[2][300];

        print_message("%s\n", form_names[form]);
        write_archive("photos.tar", form, items, COUNT(items));
        write_archive("classes.tar", form, parts, count);
        for (size_t o = 0; o < 2; o++) {
            const char *what = o ? "classes" : "photos";

            snprintf(name[0], sizeof(name[0]), "%s/%s", folder, what);
            snprintf(name[1], sizeof(name[1]), "%s/%s.tar", folder, what);
            a = open_data(name[0], &options[o]);
            b = open_data(name[1], &options[o]);
            assert_same(a, name[0], b, name[1]);
            assert_true(a->checksum == b->checksum);
            assert_int_equal(b->part[RN_PART_VALIDATION].count, 2);
            rn_data_close(a);
            rn_data_close(b);
        }
    }
}

/* "./" before names, and one or two folders around everything. */
static void folders_around_all_are_entered(void **state)
{
    static const char *const around[] = {"./", "photos/", "./a/b/",
                                         "train/photos/"};

    (void)state;
    for (size_t i = 0; i < COUNT(around); i++) {
        char names[3][60];
        struct rn_data *data;
        struct item items[3];

        snprintf(names[0], sizeof(names[0]), "%strain/b/1.jpg", around[i]);
        snprintf(names[1], sizeof(names[1]), "%strain/a/1.jpg", around[i]);
        snprintf(names[2], sizeof(names[2]), "%stest/a/1.jpg", around[i]);
        for (size_t k = 0; k < 3; k++)
            items[k] = picture(names[k], k);
        write_archive("x.tar", FORM_GNU, items, 3);
        /* What is called like a part is one, and holds no others. */
        if (i == 3) {
            open_fails("x.tar", "' lies in a part, and holds 'test' and "
                                "'train', which could be parts or classes: ");
            continue;
        }
        data = open_data(in_folder("x.tar"), NULL);
        assert_string_equal(rn_data_file(data, RN_PART_TRAIN, 1),
                            in_folder("x.tar/train/b/1.jpg"));
        assert_int_equal(data->part[RN_PART_TEST].count, 1);
        rn_data_close(data);
    }
}

/* Files, and what they are: classes, and counts of the parts; or what the
 * message says. And a note, each found in the notes. */
static const struct layout_case {
    const char *files[8];
    const char *classes;
    int count[3];
    const char *message, *note;
    /* clang-format off */
} layout_cases[] = {
    /* Parts by their usual names. */
    {{"Training/a/1.jpg", "Training/b/1.jpg", "Testing/b/2.jpg"},
     "a b", {2, 0, 1}, NULL, NULL},
    {{"TRAIN/a/1.jpg", "TRAIN/b/1.jpg", "TEST/a/1.jpg", "Val/b/1.jpg"},
     "a b", {2, 1, 1}, NULL, NULL},
    {{"train_set/a/1.jpg", "train_set/b/1.jpg", "dev-set/a/1.jpg",
      "Test Data/b/1.jpg"},
     "a b", {2, 1, 1}, NULL, NULL},
    {{"seg_train/seg_train/a/1.jpg", "seg_train/seg_train/b/1.jpg",
      "seg_test/seg_test/a/1.jpg", "seg_test/seg_test/b/1.jpg",
      "seg_pred/seg_pred/1.jpg"},
     "a b", {2, 0, 2}, NULL, "seg_pred', which is no part"},
    {{"trainset/x/a/1.jpg", "trainset/x/b/1.jpg", "testset/b/in/1.jpg"},
     "a b", {2, 0, 1}, NULL, "/trainset' lies in '"},
    {{"1. train/a/1.jpg", "1. train/b/1.jpg", "02_Validation/a/1.jpg",
      "(3) Test/b/1.jpg"},
     "a b", {2, 1, 1}, NULL, NULL},
    /* Folders around all. */
    {{"2750/a/1.jpg", "2750/b/1.jpg"}, "a b", {2, 0, 0}, NULL, NULL},
    {{"data/data/Train/a/1.jpg", "data/data/Train/b/1.jpg",
      "data/data/valid/a/1.jpg"},
     "a b", {2, 1, 0}, NULL, NULL},
    {{"data/LICENSE.txt", "data/in/a/1.jpg", "data/in/b/1.jpg", "README.md"},
     "a b", {2, 0, 0}, NULL, NULL},
    {{"one/1.jpg", "one/2.jpg"}, "one", {2, 0, 0}, NULL, NULL},
    /* Pictures of formats that are not read. */
    {{"a/1.jpg", "a/2.TGA", "b/1.jpg", "b/read me.txt"}, "a b", {2, 0, 0}, NULL,
     "a/2.TGA' and files like it, whose format is not read"},
    /* A class called like a part, when it can be nothing else. */
    {{"bus/1.jpg", "car/1.jpg", "train/1.jpg"},
     "bus car train", {3, 0, 0}, NULL, "train' is taken for a class"},
    {{"cat/1.jpg", "test/1.jpg"}, "cat test", {2, 0, 0}, NULL,
     "test' is taken for a class"},
    {{"bus/1.jpg", "train/steam/1.jpg"}, NULL, {0}, "can be read in two ways: "
     "'train' is a part, 'bus' left out, or both are classes", NULL},
    {{"bus/1.jpg", "train/1.jpg", "train/steam/2.jpg"}, NULL, {0},
     "'train' is a part, 'bus' left out, or both are classes", NULL},
    {{"cat/1.jpg", "dog/1.jpg", "test/cat/1.jpg", "test/dog/1.jpg"}, NULL, {0},
     "can be read in two ways: 'test' is a part", NULL},
    {{"test/1.jpg", "train/1.jpg"}, NULL, {0},
     "can be read in two ways: 'test' and 'train' are parts, whose", NULL},
    /* A picture beside a part's class folders makes no class of the part. */
    {{"train/a/1.jpg", "train/b/1.jpg", "train/x.jpg", "test/1.jpg",
      "docs/1.jpg"},
     NULL, {0}, "train/x.jpg' lies in no class folder", NULL},
    {{"train/a/1.jpg", "train/x.jpg", "val/a/1.jpg", "val/x.jpg", "more/1.jpg"},
     NULL, {0}, "train/x.jpg' lies in no class folder", NULL},
    /* Two folders of a part. */
    {{"train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "valid/a/1.jpg"}, NULL,
     {0}, "'val' and 'valid', and either could be the validation part", NULL},
    {{"Train/a/1.jpg", "train/b/1.jpg"}, NULL, {0},
     "either could be the train part", NULL},
    /* Tests without classes, and what is no part. */
    {{"train/a/1.jpg", "train/b/1.jpg", "test/1.jpg", "cover.jpg"}, "a b",
     {2, 0, 0}, NULL, "test', whose pictures lie in no class folder"},
    {{"train/a/1.jpg", "train/b/1.jpg", "test/a/2.jpg", "more/1.jpg"}, "a b",
     {2, 0, 1}, NULL, "more', which is no part"},
    {{"train/a/1.jpg", "train/b/1.jpg", "val/a/2.jpg", "x.jpg"}, "a b",
     {2, 1, 0}, NULL, "x.jpg' beside the parts"},
    /* Classes of two levels, and of both. */
    {{"a/x/1.jpg", "a/y/1.jpg", "b/z/1.jpg", "b/u/2.jpg"}, "a b", {4, 0, 0},
     NULL, "' hold folders, as '"},
    {{"a/1.jpg", "a/y/1.jpg", "b/1.jpg"}, "a b", {3, 0, 0}, NULL,
     "1 class folder holds pictures in folders, as '"},
    /* What file servers and systems keep beside. */
    {{"a/1.jpg", "b/1.jpg", "a/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg",
      "@eaDir/a.jpg", "$Recycle.Bin/x/1.jpg", "lost+found/1.jpg",
      "System Volume Information/1.jpg", "#recycle/b/2.jpg"},
     "a b", {2, 0, 0}, NULL, NULL},
    {{"a/1.jpg", "b/1.jpg", "b/@Recycle/1.jpg", ".AppleDouble/1.jpg",
      "__MACOSX/a/1.jpg"},
     "a b", {2, 0, 0}, NULL, NULL},
    /* Numbers in their order. */
    {{"10/1.jpg", "9/1.jpg", "007/1.jpg"}, "007 9 10", {3, 0, 0}, NULL, NULL},
    {{"train/10/1.jpg", "train/9/1.jpg", "val/09/1.jpg"}, "9 10", {2, 1, 0},
     NULL, NULL},
    {{"10/1.jpg", "9/1.jpg", "x/1.jpg"}, "10 9 x", {3, 0, 0}, NULL, NULL},
    {{"1/1.jpg", "01/1.jpg", "2/1.jpg"}, "01 1 2", {3, 0, 0}, NULL, NULL},
};
/* clang-format on */

static bool has_note(const struct rn_data *data, const char *text)
{
    for (size_t i = 0; rn_data_remark(data, i); i++)
        if (strstr(rn_data_remark(data, i), text))
            return true;
    return false;
}

static void assert_layout(const struct layout_case *c, const char *path)
{
    struct rn_error err = {0};
    struct rn_data_info info;
    struct rn_data *data;
    char ids[200] = "";
    int rc = rn_data_open(&data, path, NULL, &err);

    if (c->message) {
        if (rc != RN_ERR_DATA || !strstr(err.msg, c->message))
            fail_msg("'%s': %d, '%s', expected '%s'", path, rc, err.msg,
                     c->message);
        return;
    }
    if (rc)
        fail_msg("%s", err.msg);
    rn_data_describe(data, &info);
    for (int i = 0; i < info.classes; i++) {
        const char *id = rn_data_class_id(data, i);

        strcat(ids, i ? " " : "");
        strcat(ids, id ? id : rn_data_class_name(data, i));
    }
    if (strcmp(ids, c->classes) != 0)
        fail_msg("'%s': classes %s, expected %s", path, ids, c->classes);
    for (int part = 0; part < 3; part++)
        if (info.count[part] != c->count[part])
            fail_msg("'%s': %d %s images, expected %d", path, info.count[part],
                     rn_part_name((enum rn_part)part), c->count[part]);
    if (c->note && !has_note(data, c->note))
        fail_msg("'%s': no note says '%s'", path, c->note);
    rn_data_close(data);
}

/* File n of a case: a picture, or its list. */
static struct item layout_item(const struct layout_case *c, const char *list,
                               size_t n)
{
    struct item item = picture(c->files[n], n);

    if (list && strstr(c->files[n], "labels.")) {
        item.bytes = list;
        item.size = strlen(list);
    }
    return item;
}

/* The same of a folder, of its tar, and of its tar in another folder. */
static void assert_layouts(const struct layout_case *c, const char *list,
                           size_t number)
{
    struct item items[8], around[8];
    char names[2][8][120], path[40];
    size_t n = 0;

    for (; n < 8 && c->files[n]; n++) {
        items[n] = around[n] = layout_item(c, list, n);
        snprintf(names[0][n], sizeof(names[0][n]), "case/%s", c->files[n]);
        snprintf(names[1][n], sizeof(names[1][n]), "%zu/%s", number,
                 c->files[n]);
        around[n].name = names[0][n];
        write_file(names[1][n], items[n].bytes, items[n].size);
    }
    snprintf(path, sizeof(path), "%zu", number);
    assert_layout(c, in_folder(path));
    snprintf(path, sizeof(path), "%zu.tar", number);
    write_archive(path, FORM_GNU, items, n);
    assert_layout(c, in_folder(path));
    snprintf(path, sizeof(path), "%zu-around.zip", number);
    write_archive(path, FORM_ZIP, around, n);
    assert_layout(c, in_folder(path));
}

static void layouts_are_read_as_they_are_meant(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(layout_cases); i++)
        assert_layouts(&layout_cases[i], NULL, i);
}

/* Cases with a list, and what it says. */
static const struct listed_case {
    struct layout_case layout;
    const char *list;
    /* clang-format off */
} listed_cases[] = {
    /* The folders in images are no classes, whatever they are called. */
    {{{"labels.txt", "images/p/1.jpg", "images/q/2.jpg"}, "ant bee", {2, 0, 0},
      NULL, NULL}, "p/1.jpg bee\nq/2.jpg ant\n"},
    {{{"labels.csv", "images/p/1.jpg", "images/q/2.jpg"}, "ant bee", {2, 0, 0},
      NULL, NULL}, "file,class\np/1.jpg,bee\nq/2.jpg,ant\n"},
    {{{"train/a/1.jpg", "train/b/1.jpg", "val/labels.txt", "val/images/a/1.jpg",
       "val/images/b/1.jpg"}, "a b", {2, 1, 0}, NULL, NULL}, "a/1.jpg b\n"},
    {{{"train/images/p/1.jpg", "train/labels.txt", "val/images/p/1.jpg",
       "val/labels.txt"}, NULL, {0},
      "train' has a list of pictures, but the classes", NULL}, "p/1.jpg a\n"},
    {{{"labels.txt", "photos/a/1.jpg", "photos/b/1.jpg"}, "a b", {2, 0, 0},
      NULL, "labels.txt' lists no files, and is left aside"}, "ant\nbee\n"},
    /* A folder with a list is a part, or around all, its pictures beside. */
    {{{"train/1.jpg", "train/labels.txt", "test/1.jpg", "test/labels.txt",
       "docs/1.jpg"}, NULL, {0},
      "train' has a list of pictures, but the classes", NULL}, "1.jpg a\n"},
    {{{"in/1.jpg", "in/2.jpg", "in/labels.txt", "README.md"}, "ant bee",
      {2, 0, 0}, NULL, NULL}, "1.jpg bee\n2.jpg ant\n"},
    {{{"train/a/1.jpg", "train/b/1.jpg", "val/in/1.jpg", "val/in/labels.txt"},
      "a b", {2, 1, 0}, NULL, NULL}, "1.jpg b\n"},
};
/* clang-format on */

static void lists_count_wherever_they_lie(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(listed_cases); i++)
        assert_layouts(&listed_cases[i].layout, listed_cases[i].list, i);
}

static void archives_stand_for_parts(void **state)
{
    const struct item train[] = {picture("a/1.jpg", 0), picture("b/1.jpg", 1)},
                      val[] = {picture("val/b/7.png", 2)};
    struct rn_data *data;

    (void)state;
    write_archive("photos/train.tar", FORM_USTAR, train, 2);
    write_archive("photos/val.ZIP", FORM_ZIP, val, 1);
    /* A folder counts before an archive. */
    write_file("photos/test/a/3.jpg", seed[0].bytes, seed[0].size);
    write_file("photos/test.tar", "x", 1);
    data = open_data(in_folder("photos"), NULL);
    for (int part = 0; part < 3; part++)
        assert_int_equal(data->part[part].count, part ? 1 : 2);
    assert_string_equal(rn_data_file(data, RN_PART_TRAIN, 1),
                        in_folder("photos/train/b/1.jpg"));
    /* A folder around a part's classes is entered, too. */
    assert_string_equal(rn_data_file(data, RN_PART_VALIDATION, 0),
                        in_folder("photos/val/b/7.png"));
    rn_data_close(data);
    /* That it does not count is said where it matters. */
    write_archive("new/train.tar", FORM_USTAR, train, 2);
    mkdir(in_folder("new/train"), 0777);
    open_fails("new", "new/train' holds no class folders, and '");
}

/* As the archive of ImageNet's training pictures. */
static void class_archives_stand_for_class_folders(void **state)
{
    const struct item two[] = {picture("n2_1.JPEG", 0),
                               picture("n2_2.JPEG", 1)},
                      one[] = {picture("./n1_5.JPEG", 3)};
    struct item classes[2] = {{.name = "n2.tar"}, {.name = "n1.tar"}};

    (void)state;
    for (enum form form = 0; form < FORMS; form++) {
        struct rn_data *a, *b, *c;

        classes[0].bytes = make_archive(FORM_USTAR, two, 2, &classes[0].size);
        classes[1].bytes = make_archive(FORM_PAX, one, 1, &classes[1].size);
        write_archive("ILSVRC.tar", form, classes, 2);
        write_file("packed/n2.tar", classes[0].bytes, classes[0].size);
        write_file("packed/n1.tar", classes[1].bytes, classes[1].size);
        write_file("plain/n2/n2_1.JPEG", two[0].bytes, two[0].size);
        write_file("plain/n2/n2_2.JPEG", two[1].bytes, two[1].size);
        write_file("plain/n1/n1_5.JPEG", one[0].bytes, one[0].size);
        free((void *)(uintptr_t)classes[0].bytes);
        free((void *)(uintptr_t)classes[1].bytes);
        if (form == FORM_ZIP) {
            open_fails("ILSVRC.tar", "stored as it is");
            continue;
        }
        a = open_data(in_folder("plain"), NULL);
        b = open_data(in_folder("ILSVRC.tar"), NULL);
        c = open_data(in_folder("packed"), NULL);
        assert_same(a, in_folder("plain"), b, in_folder("ILSVRC.tar"));
        assert_same(a, in_folder("plain"), c, in_folder("packed"));
        assert_string_equal(rn_data_class_id(b, 0), "n1");
        rn_data_close(a);
        rn_data_close(b);
        rn_data_close(c);
    }
}

/* What was unpacked may stay beside its folder; no class is left out. */
static void class_folders_and_archives_do_not_mix(void **state)
{
    const struct item one[] = {picture("1.jpg", 0)};
    struct rn_data *data;

    (void)state;
    write_file("x/ant/1.jpg", seed[0].bytes, seed[0].size);
    write_file("x/ant-hill/1.jpg", seed[0].bytes, seed[0].size);
    write_archive("x/ant.tar", FORM_USTAR, one, 1);
    data = open_data(in_folder("x"), NULL);
    assert_int_equal(data->classes, 2);
    rn_data_close(data);
    write_archive("x/bee.tar", FORM_USTAR, one, 1);
    open_fails("x", "x' holds class folders and archives, 'ant' and 'bee.tar', "
                    "expected one or the other");
}

static void lists_lie_in_archives(void **state)
{
    const struct item items[] = {picture("images/1.jpg", 0),
                                 picture("images/2.jpg", 1),
                                 text("labels.txt", "1.jpg b\n"
                                                    "./images//2.jpg a\n"),
                                 text("classes.txt", "a\nb\n")},
                      outside[] = {picture("images/1.jpg", 0),
                                   text("labels.txt", "/etc/passwd 0\n")};

    (void)state;
    for (enum form form = 0; form < FORMS; form++) {
        struct rn_data *data;
        int label;

        write_archive("x.zip", form, items, 4);
        data = open_data(in_folder("x.zip"), NULL);
        assert_string_equal(data->format, "list");
        assert_int_equal(data->part[RN_PART_TRAIN].count, 2);
        rn_data_image(data, RN_PART_TRAIN, 0, NULL, &label, NULL);
        assert_int_equal(label, 1);
        assert_string_equal(rn_data_file(data, RN_PART_TRAIN, 1),
                            in_folder("x.zip/images/2.jpg"));
        rn_data_close(data);
        write_archive("x.zip", form, outside, 2);
        open_fails("x.zip", "there is no file '/etc/passwd'");
    }
}

/* As the flat archive of ImageNet's validation pictures beside a list, or as
 * `tar cf images.tar images` makes it. */
static void pictures_of_a_list_lie_in_an_archive(void **state)
{
    static const char *const names[][2] = {
        {"v1.JPEG", "v2.JPEG"}, {"images/v1.JPEG", "./images/v2.JPEG"}};

    (void)state;
    write_file("x/labels.txt", "v2.JPEG 1\nv1.JPEG 0\n", 20);
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct item items[] = {picture(names[i][0], 0),
                                     picture(names[i][1], 1)};
        struct rn_data *data;

        write_archive("x/images.tar", FORM_USTAR, items, 2);
        data = open_data(in_folder("x"), NULL);
        assert_string_equal(rn_data_file(data, RN_PART_TRAIN, 0),
                            in_folder("x/images/v2.JPEG"));
        assert_int_equal(data->classes, 2);
        rn_data_close(data);
    }
}

/* ImageNet as it is handed out: only a list has to be written. */
static void a_list_gives_a_part_its_classes(void **state)
{
    const struct item a[] = {picture("10_1.JPEG", 0)},
                      b[] = {picture("9_1.JPEG", 1)},
                      val[] = {picture("v1.JPEG", 0), picture("v2.JPEG", 1),
                               picture("v3.JPEG", 2)};
    struct item train[2] = {{.name = "10.tar"}, {.name = "9.tar"}};
    struct rn_data *data;
    int label;

    (void)state;
    train[0].bytes = make_archive(FORM_USTAR, a, 1, &train[0].size);
    train[1].bytes = make_archive(FORM_USTAR, b, 1, &train[1].size);
    write_archive("x/train.tar", FORM_USTAR, train, 2);
    free((void *)(uintptr_t)train[0].bytes);
    free((void *)(uintptr_t)train[1].bytes);
    write_archive("x/val/images.tar", FORM_USTAR, val, 3);
    write_file("x/val/labels.txt", "v3.JPEG 9\nv1.JPEG 10\n", 21);
    data = open_data(in_folder("x"), NULL);
    assert_string_equal(data->format, "folders");
    assert_int_equal(data->part[RN_PART_TRAIN].count, 2);
    assert_int_equal(data->part[RN_PART_VALIDATION].count, 2);
    assert_string_equal(rn_data_file(data, RN_PART_VALIDATION, 0),
                        in_folder("x/val/images/v3.JPEG"));
    rn_data_image(data, RN_PART_VALIDATION, 0, NULL, &label, NULL);
    /* 9 comes before 10. */
    assert_int_equal(label, 0);
    rn_data_close(data);
    write_file("x/val/labels.txt", "v3.JPEG 0\n", 10);
    open_fails("x", "line 1: there is no class '0' in ");
}

/* ------------------------------------------------------------------ links */

static void links_lead_to_members(void **state)
{
    const struct item items[] = {
        picture("a/1.jpg", 1),
        {.name = "a/hard.jpg", .hardlink = "a/1.jpg"},
        {.name = "b/soft.jpg", .symlink = "../a/./1.jpg"},
        {.name = "b/soft2.jpg", .symlink = "soft.jpg"},
    };
    struct rn_data *data;
    uint8_t pixels[2][3 * VIEW * VIEW];

    (void)state;
    for (enum form form = FORM_PAX; form < FORMS; form++) {
        /* a zip has no hard links */
        const struct item soft[] = {items[0], items[2], items[3]};
        int count = is_zip(form) ? 3 : 4;

        write_archive("x.bin", form, is_zip(form) ? soft : items,
                      (size_t)count);
        data = open_data(in_folder("x.bin"), NULL);
        assert_int_equal(data->part[RN_PART_TRAIN].count, count);
        fetch(data, RN_PART_TRAIN, 0, pixels[0]);
        for (int i = 1; i < count; i++) {
            fetch(data, RN_PART_TRAIN, i, pixels[1]);
            assert_memory_equal(pixels[0], pixels[1], sizeof(pixels[0]));
        }
        rn_data_close(data);
    }
}

static void links_that_lead_nowhere_are_named(void **state)
{
    static const char *const targets[] = {"../../x.jpg", "/etc/passwd",
                                          "self.jpg", "..", "1.jpg/x"};

    (void)state;
    for (size_t i = 0; i < COUNT(targets); i++) {
        const struct item items[] = {
            picture("a/1.jpg", 0),
            {.name = "a/self.jpg", .symlink = targets[i]}};

        write_archive("x.tar", FORM_USTAR, items, 2);
        open_fails("x.tar", "x.tar/a/self.jpg' is a link to '");
    }
}

/* They would be left out, and a class or a part with them. */
static void links_to_folders_are_refused(void **state)
{
    static const char *const links[][2] = {
        {"x/b", "a"}, {"x/val", "train"}, {"b", "x"}};

    (void)state;
    for (size_t i = 0; i < COUNT(links); i++) {
        const struct item items[] = {
            picture(i == 1 ? "x/train/a/1.jpg" : "x/a/1.jpg", 0),
            {.name = links[i][0], .symlink = links[i][1]}};

        write_archive("x.tar", FORM_USTAR, items, 2);
        open_fails("x.tar", "which is no file of the archive");
        write_archive("x.zip", FORM_ZIP, items, 2);
        open_fails("x.zip", "which is no file of the archive");
    }
}

/* ------------------------------------------------------------- bad archives */

static void damaged_archives_are_refused(void **state)
{
    static const struct {
        enum form form;
        size_t at;
        const char *over;
        size_t length, cut;
        const char *expected;
    } cases[] = {
        {FORM_USTAR, 0, "x", 1, 0, "neither a tar nor a zip"},
        {FORM_USTAR, 0, "", 0, 700, "'a/1.jpg' of "},
        {FORM_USTAR, 0, "", 0, 300, "neither a tar nor a zip"},
        {FORM_USTAR, 0, "\x1f\x8b\x08", 3, 0, "does not unpack: "},
        {FORM_USTAR, 0, "\xfd\x37zXZ", 5, 0, "does not unpack: "},
        {FORM_USTAR, 0, "BZh9", 4, 0, "does not unpack: "},
        {FORM_USTAR, 0, "\x28\xb5\x2f\xfd", 4, 0, "does not unpack: "},
        {FORM_ZIP_STORED, 0, "", 0, 200, "a zip file without its end"},
        {FORM_ZIP_STORED, 0, "", 0, 10, "a zip file without its end"},
        {FORM_ZIP, 30, "..", 2, 0, "is not where its directory says"},
    };
    const struct item items[] = {picture("a/1.jpg", 0), picture("b/1.jpg", 0)};
    static const char zeros[8192];
    const struct item sparse = {
        .name = "a/1.jpg", .bytes = zeros, .size = sizeof(zeros), .sparse = 1};
    const struct item cifar = text("cifar-10-batches-bin/data_batch_1.bin", "");

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        write_raw("x.tar", cases[i].form, items, 2, cases[i].at, cases[i].over,
                  cases[i].length, cases[i].cut);
        open_fails("x.tar", cases[i].expected);
    }
    write_archive("x.tar", FORM_PAX, &sparse, 1);
    open_fails("x.tar", "is sparse, which cannot be read in place");
    write_file("x.tar", "", 0);
    open_fails("x.tar", "is empty");
    write_archive("x.tar", FORM_USTAR, items, 0);
    open_fails("x.tar", "holds no pictures");
    write_archive("x.zip", FORM_ZIP, items, 0);
    open_fails("x.zip", "holds no pictures");
    write_archive("x.tar", FORM_USTAR, &cifar, 1);
    open_fails("x.tar", "x.tar' holds no pictures; of data sets in archives "
                        "only those of pictures are read");
}

/* Even between two members, where each of them is whole. */
static void a_tar_that_is_cut_anywhere_is_refused(void **state)
{
    const struct item items[] = {
        text("a/1.jpg", "x"), {.name = "b/"}, text("b/1.jpg", "x")};

    (void)state;
    for (enum form form = FORM_USTAR; !is_zip(form); form++) {
        size_t size = 0, end = 0;
        uint8_t *bytes = make_archive(form, items, COUNT(items), &size);

        for (size_t i = 0; i < size; i++)
            end = bytes[i] ? i + 1 : end;
        end = (end + 511) / 512 * 512;
        for (size_t cut = 512; cut <= end; cut += 256) {
            write_file("x.tar", bytes, cut);
            open_fails("x.tar", cut == end ? "after 3 members: the zeros that "
                                             "end one are missing"
                                           : "x.tar");
        }
        write_file("x.tar", bytes, end + 512);
        rn_data_close(open_data(in_folder("x.tar"), NULL));
        free(bytes);
    }
}

static void names_that_lead_out_are_refused(void **state)
{
    static const char *const names[] = {"../a/1.jpg", "/a/1.jpg",
                                        "a/../../b/1.jpg"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct item item = picture(names[i], 0);

        for (enum form form = 0; form < FORMS; form++) {
            write_archive("x.tar", form, &item, 1);
            open_fails("x.tar", "outside of");
        }
    }
}

static void names_are_judged_as_in_folders(void **state)
{
    const struct item bad[] = {picture("a\xff/1.jpg", 0)},
                      file[] = {picture("a/\xff.jpg", 0)},
                      escape[] = {picture("a/\x1b[2J\xc3\xa9.jpg", 0)},
                      control[] = {picture("a/b\xc2\x9b/1.jpg", 0),
                                   picture("b/1.jpg", 0)},
                      flat[] = {picture("1.jpg", 0), picture("a/1.jpg", 0)},
                      empty[] = {picture("a/1.jpg", 0), {.name = "b/"}};
    char deep[600] = "a";

    (void)state;
    write_archive("x.tar", FORM_USTAR, bad, 1);
    open_fails("x.tar", "the class folder's name is not UTF-8");
    write_archive("x.tar", FORM_GNU, file, 1);
    open_fails("x.tar", "x.tar/a/\\xff.jpg': the file name is not UTF-8");
    write_archive("x.tar", FORM_GNU, escape, 1);
    open_fails("x.tar", "x.tar/a/\\x1b[2J\\xc3\\xa9.jpg': the file name has "
                        "control characters");
    write_archive("x.tar", FORM_GNU, control, 2);
    open_fails("x.tar", "x.tar/a/b\\xc2\\x9b/1.jpg': the file name has "
                        "control characters");
    write_archive("x.tar", FORM_USTAR, flat, 2);
    open_fails("x.tar", "x.tar/1.jpg' lies in no class folder");
    write_archive("x.tar", FORM_USTAR, empty, 2);
    open_fails("x.tar", "x.tar/b' holds no picture");
    for (int i = 0; i < 70; i++)
        strcat(deep, "/b");
    strcat(deep, "/1.jpg");
    write_archive("x.tar", FORM_GNU,
                  (struct item[]){picture("c/1.jpg", 0), picture(deep, 0)}, 2);
    open_fails("x.tar", "more than 64 folders deep");
}

/* The e and the accent of the first name are two characters. */
static void names_do_not_depend_on_the_locale(void **state)
{
    static const char *const locales[] = {"C", "C.UTF-8"};
    const struct item items[] = {picture("a/e\xcc\x81.jpg", 0),
                                 picture("b/\xc3\xa9.jpg", 0)};

    (void)state;
    for (enum form form = 0; form < FORM_ZIP; form++) {
        setlocale(LC_ALL, "C.UTF-8");
        write_archive("x.tar", form, items, 2);
        for (size_t i = 0; i < COUNT(locales); i++) {
            struct rn_data *data;

            if (!setlocale(LC_ALL, locales[i]))
                print_message("there is no locale %s\n", locales[i]);
            data = open_data(in_folder("x.tar"), NULL);
            assert_string_equal(rn_data_file(data, RN_PART_TRAIN, 0),
                                in_folder("x.tar/a/e\xcc\x81.jpg"));
            rn_data_close(data);
        }
        setlocale(LC_ALL, "C");
    }
}

/* When a tar is added to, the newer member follows the older one. */
static void of_equal_names_the_last_counts(void **state)
{
    const struct item items[] = {picture("a/1.jpg", 0), picture("b/1.jpg", 0),
                                 picture("a/1.jpg", 1)};
    struct rn_data *data;
    struct rn_entry entry;

    (void)state;
    write_archive("x.tar", FORM_PAX, items, 3);
    data = open_data(in_folder("x.tar"), NULL);
    assert_int_equal(data->part[RN_PART_TRAIN].count, 2);
    assert_int_equal(
        rn_files_look(&data->source, in_folder("x.tar/a/1.jpg"), &entry, NULL),
        RN_OK);
    assert_int_equal(entry.size, seed[1].size);
    rn_data_close(data);
    write_archive("x.zip", FORM_ZIP, items, 3);
    open_fails("x.zip", "two entries 'a/1.jpg'");
}

/* A member whose packed bytes were changed is named when it is read. */
static void a_bad_member_is_named(void **state)
{
    const struct item items[] = {picture("a/1.jpg", 0), picture("b/1.jpg", 0)};

    (void)state;
    for (enum form form = FORM_ZIP; form <= FORM_ZIP_STORED; form++) {
        struct rn_error err = {0};
        struct rn_image image;
        struct rn_data *data;

        write_raw("x.zip", form, items, 2, 200, "\xff\xff\xff\xff", 4, 0);
        data = open_data(in_folder("x.zip"), NULL);
        assert_int_equal(
            rn_data_picture(data, RN_PART_TRAIN, 0, 0, &image, &err),
            RN_ERR_DATA);
        assert_non_null(strstr(err.msg, in_folder("x.zip/a/1.jpg")));
        assert_non_null(
            strstr(err.msg, form == FORM_ZIP ? "inflate" : "check sum"));
        rn_data_close(data);
    }
}

/* From its first byte on, it is not taken for an empty one. */
static void a_member_that_does_not_inflate_is_told_early(void **state)
{
    const struct item items[] = {picture("a/1.jpg", 0), picture("b/1.jpg", 0)};
    struct rn_error err = {0};
    struct rn_data *data;
    size_t size = 0;
    uint8_t *bytes = make_archive(FORM_ZIP, items, 2, &size);

    (void)state;
    /* Behind the header, the name and extra fields: a block of no type. */
    bytes[30 + bytes[26] + bytes[28]] = 0xff;
    write_file("x.zip", bytes, size);
    free(bytes);
    data = open_data(in_folder("x.zip"), NULL);
    assert_int_equal(rn_picture_probe(data, RN_PART_TRAIN, 0, &err),
                     RN_ERR_DATA);
    assert_string_equal(strchr(err.msg, '\'') + strlen(folder) + 2,
                        "x.zip/a/1.jpg' does not inflate");
    rn_data_close(data);
}

static void a_changed_archive_is_noticed(void **state)
{
    const struct item items[] = {picture("a/1.jpg", 0), picture("b/1.jpg", 0)};
    struct rn_error err = {0};
    struct rn_data *data;
    struct rn_image image;

    (void)state;
    write_archive("x.tar", FORM_USTAR, items, 2);
    data = open_data(in_folder("x.tar"), NULL);
    write_archive("x.tar", FORM_USTAR, items, 1);
    assert_int_equal(rn_data_picture(data, RN_PART_TRAIN, 1, 0, &image, &err),
                     RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "has changed since it was opened"));
    assert_int_equal(remove(in_folder("x.tar")), 0);
    assert_int_equal(rn_data_picture(data, RN_PART_TRAIN, 1, 0, &image, &err),
                     RN_ERR_IO);
    rn_data_close(data);
}

/* ---------------------------------------------------------------- the rest */

static void pictures_are_found_in_archives(void **state)
{
    const struct item items[] = {picture("b/2.jpg", 0), picture("1.png", 2),
                                 picture("._1.png", 2), text("x.txt", "x")};

    (void)state;
    for (enum form form = 0; form < FORMS; form++) {
        struct rn_pictures *pictures;
        struct rn_image a, b;
        const char *path;

        write_archive("x.zip", form, items, COUNT(items));
        write_file("1.png", items[1].bytes, items[1].size);
        assert_int_equal(rn_pictures_find(&pictures, in_folder("x.zip"), NULL),
                         RN_OK);
        assert_int_equal(rn_pictures_count(pictures), 2);
        assert_int_equal(rn_pictures_get(pictures, 0, &path, NULL), RN_OK);
        assert_string_equal(path, in_folder("x.zip/1.png"));
        assert_int_equal(rn_pictures_load(pictures, 0, 0, &a, NULL), RN_OK);
        assert_int_equal(rn_image_load(&b, in_folder("1.png"), 0, NULL), RN_OK);
        assert_int_equal(a.width, b.width);
        assert_memory_equal(a.pixels, b.pixels,
                            3 * (size_t)a.width * (size_t)a.height);
        rn_image_free(&a);
        rn_image_free(&b);
        rn_pictures_destroy(pictures);
    }
}

/* ---------------------------------------------------------- names in zips */

/* A member of a zip as some program may name it. */
struct named {
    /* The other: in Info-ZIP's field, | being a zero byte; or NULL. */
    const char *name, *unicode;
    unsigned flags, host;
    uint32_t wrong; /* added to the field's check sum */
};

static void put_number(FILE *file, uint64_t value, int bytes)
{
    for (; bytes--; value >>= 8)
        fputc((int)(value & 255), file);
}

static uint32_t crc_of(const void *bytes, size_t size)
{
    return (uint32_t)crc32(0, bytes, (unsigned)size);
}

static void put_header(FILE *file, const struct named *n,
                       const struct item *item, bool central, long at)
{
    size_t name = strlen(n->name);
    size_t extra = central && n->unicode ? 9 + strlen(n->unicode) : 0;

    fputs(central ? "PK\1\2" : "PK\3\4", file);
    if (central)
        put_number(file, 20 | n->host << 8, 2);
    put_number(file, 20, 2);
    put_number(file, n->flags, 2);
    put_number(file, 0, 6);
    put_number(file, crc_of(item->bytes, item->size), 4);
    put_number(file, item->size, 4);
    put_number(file, item->size, 4);
    put_number(file, name, 2);
    put_number(file, extra, 2);
    if (central) {
        put_number(file, 0, 10); /* comment, disk, attributes */
        put_number(file, (uint64_t)at, 4);
    }
    fputs(n->name, file);
    if (!extra)
        return;
    put_number(file, 0x7075, 2);
    put_number(file, extra - 4, 2);
    fputc(1, file);
    put_number(file, crc_of(n->name, name) + n->wrong, 4);
    for (const char *c = n->unicode; *c; c++)
        fputc(*c == '|' ? 0 : *c, file);
}

static void write_named(const char *file_name, const struct named *names,
                        size_t count)
{
    FILE *file = fopen(in_folder(file_name), "wb");
    long at[8], start;

    assert_non_null(file);
    assert_true(count <= COUNT(at));
    for (size_t i = 0; i < count; i++) {
        struct item item = picture("", i);

        at[i] = ftell(file);
        put_header(file, &names[i], &item, false, 0);
        fwrite(item.bytes, 1, item.size, file);
    }
    start = ftell(file);
    for (size_t i = 0; i < count; i++) {
        struct item item = picture("", i);

        put_header(file, &names[i], &item, true, at[i]);
    }
    at[0] = ftell(file);
    fputs("PK\5\6", file);
    put_number(file, 0, 4);
    put_number(file, count, 2);
    put_number(file, count, 2);
    put_number(file, (uint64_t)(at[0] - start), 4);
    put_number(file, (uint64_t)start, 4);
    put_number(file, 0, 2);
    assert_int_equal(fclose(file), 0);
}

static void names_in_zips_become_utf8(void **state)
{
    enum { UTF8 = 0x800, DOS = 0, NTFS = 10, UNIX = 3, MACOS = 19 };
    static const struct {
        struct named first;
        const char *expected;
    } cases[] = {
        {{"a\x84/1.jpg", NULL, 0, DOS, 0}, "a\xc3\xa4"},
        {{"a\xe1\xfe/1.jpg", NULL, 0, NTFS, 0}, "a\xc3\x9f\xe2\x96\xa0"},
        {{"a\x84/1.jpg", NULL, 0, UNIX, 0}, "a\xc3\xa4"},
        {{"a\xc3\xa4/1.jpg", NULL, UTF8, DOS, 0}, "a\xc3\xa4"},
        {{"a\xc3\xa4/1.jpg", NULL, 0, UNIX, 0}, "a\xc3\xa4"},
        {{"a\xc3\xa4/1.jpg", NULL, 0, MACOS, 0}, "a\xc3\xa4"},
        {{"a\xc3\xa4/1.jpg", NULL, 0, DOS, 0}, "a\xe2\x94\x9c\xc3\xb1"},
        {{"a?/1.jpg", "a\xc5\x91/1.jpg", 0, UNIX, 0}, "a\xc5\x91"},
        {{"a?/1.jpg", "a\xc5\x91/1.jpg", 0, UNIX, 1}, "a?"},
        {{"a?/1.jpg", "c/1.jpg|.txt", 0, UNIX, 0}, "a?"},
        {{"a\\1.jpg", NULL, 0, DOS, 0}, "a"},
        {{"a\x84\\1.jpg", NULL, 0, DOS, 0}, "a\xc3\xa4"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool back = strchr(cases[i].first.name, '\\') != NULL;
        const struct named names[] = {
            cases[i].first, {back ? "b\\2.jpg" : "b/2.jpg", NULL, 0, DOS, 0}};
        struct rn_data *data;
        uint8_t pixels[3 * VIEW * VIEW];

        write_named("x.zip", names, 2);
        data = open_data(in_folder("x.zip"), NULL);
        assert_int_equal(data->classes, 2);
        assert_string_equal(rn_data_class_name(data, 0), cases[i].expected);
        fetch(data, RN_PART_TRAIN, 0, pixels);
        fetch(data, RN_PART_TRAIN, 1, pixels);
        rn_data_close(data);
    }
}

static void backslashes_and_ways_out_are_refused(void **state)
{
    static const struct {
        struct named names[2];
        const char *expected;
    } cases[] = {
        {{{"a\\1.jpg", NULL, 0, 0, 0}, {"b/2.jpg", NULL, 0, 0, 0}},
         "'a\\1.jpg' of the zip file names a place outside"},
        {{{"a\\1.jpg", NULL, 0, 3, 0}, {"b\\2.jpg", NULL, 0, 3, 0}},
         "'a\\1.jpg' of the zip file names a place outside"},
        {{{"..\\1.jpg", NULL, 0, 0, 0}, {"b\\2.jpg", NULL, 0, 0, 0}},
         "'../1.jpg' of the zip file names a place outside"},
        {{{"a/1.jpg", "../1.jpg", 0, 3, 0}, {"b/2.jpg", NULL, 0, 0, 0}},
         "'../1.jpg' of the zip file names a place outside"},
        {{{"a/1.jpg", "b/2.jpg", 0, 3, 0}, {"b/2.jpg", NULL, 0, 0, 0}},
         "two entries 'b/2.jpg'"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        write_named("x.zip", cases[i].names, 2);
        open_fails("x.zip", cases[i].expected);
    }
}

/* -------------------------------------------------- compressed as a whole */

/* nothing */
static const char gzip_twice[] =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x93\xef"
    "\xe6\x60\x00\x01\x26\x66\x66\x06\x18\x00\x00\x64"
    "\xee\xd5\x2a\x14\x00\x00\x00";

static const struct {
    int filter;
    const char *ending;
} filters[] = {
    {ARCHIVE_FILTER_GZIP, ".tar.gz"},    {ARCHIVE_FILTER_GZIP, ".tgz"},
    {ARCHIVE_FILTER_BZIP2, ".tar.bz2"},  {ARCHIVE_FILTER_XZ, ".tar.xz"},
    {ARCHIVE_FILTER_ZSTD, ".tar.zst"},   {ARCHIVE_FILTER_LZ4, ".tar.lz4"},
    {ARCHIVE_FILTER_COMPRESS, ".tar.Z"},
};

static void write_packed(const char *name, int filter, const struct item *items,
                         size_t count, size_t cut)
{
    size_t size = 0;
    uint8_t *bytes = make_packed(FORM_GNU, filter, items, count, &size);

    write_file(name, bytes, size - cut);
    free(bytes);
}

/* As good as the plain one, wherever it stands. */
static void compressed_archives_are_unpacked(void **state)
{
    const struct item items[] = {
        picture("train/a/1.jpg", 0), picture("train/b/2.jpg", 1),
        picture("val/a/3.jpg", 2), picture("val/b/4.jpg", 3)};
    struct rn_data *plain, *data;
    uint8_t pixels[2][3 * VIEW * VIEW];
    char name[40];

    (void)state;
    write_archive("x.tar", FORM_GNU, items, 4);
    plain = open_data(in_folder("x.tar"), NULL);
    assert_null(rn_data_remark(plain, 0));
    for (size_t i = 0; i < COUNT(filters); i++) {
        snprintf(name, sizeof(name), "x%s", filters[i].ending);
        write_packed(name, filters[i].filter, items, 4, 0);
        data = open_data(in_folder(name), NULL);
        assert_true(data->checksum == plain->checksum);
        assert_non_null(strstr(rn_data_remark(data, 0), "temporary file of "));
        /* It may be gone: the temporary file has all. */
        assert_int_equal(unlink(in_folder(name)), 0);
        for (int part = 0; part < 2; part++)
            for (int k = 0; k < 2; k++) {
                fetch(plain, (enum rn_part)part, k, pixels[0]);
                fetch(data, (enum rn_part)part, k, pixels[1]);
                assert_memory_equal(pixels[0], pixels[1], sizeof(pixels[0]));
            }
        rn_data_close(data);
    }
    rn_data_close(plain);
}

static void compressed_archives_stand_for_folders(void **state)
{
    const struct item inner[] = {picture("1.jpg", 0), picture("2.jpg", 1)};
    struct item outer[2] = {{.name = "a.tar.gz"}, {.name = "b.tgz"}};
    struct rn_data *data;

    (void)state;
    for (int i = 0; i < 2; i++)
        outer[i].bytes = make_packed(FORM_GNU, ARCHIVE_FILTER_GZIP, inner, 2,
                                     &outer[i].size);
    mkdir(in_folder("set"), 0777);
    write_archive("set/train.tar", FORM_GNU, outer, 2);
    write_packed("set/val.tar.xz", ARCHIVE_FILTER_XZ, outer, 2, 0);
    data = open_data(in_folder("set"), NULL);
    assert_int_equal(data->classes, 2);
    assert_string_equal(rn_data_class_name(data, 0), "a");
    assert_string_equal(rn_data_class_name(data, 1), "b");
    for (int part = 0; part < 2; part++) {
        uint8_t pixels[3 * VIEW * VIEW];

        assert_int_equal(data->part[part].count, 4);
        for (int k = 0; k < 4; k++)
            fetch(data, (enum rn_part)part, k, pixels);
    }
    assert_string_equal(rn_data_file(data, RN_PART_VALIDATION, 3),
                        in_folder("set/val/b/2.jpg"));
    rn_data_close(data);
    for (int i = 0; i < 2; i++)
        free((void *)(uintptr_t)outer[i].bytes);
}

static void damaged_compressed_archives_are_refused(void **state)
{
    const struct item items[] = {picture("a/1.jpg", 0), picture("b/1.jpg", 1)};
    size_t size = 0;
    uint8_t *bytes;

    (void)state;
    for (size_t i = 0; i < COUNT(filters); i++) {
        /* compress has no end: what is cut off is missing in the tar */
        bool told = filters[i].filter != ARCHIVE_FILTER_COMPRESS;

        write_packed("x.tar.gz", filters[i].filter, items, 2, 20);
        open_fails("x.tar.gz", told ? "does not unpack: " : "x.tar.gz'");
    }
    bytes = make_packed(FORM_GNU, ARCHIVE_FILTER_GZIP, items, 2, &size);
    bytes[size - 6] ^= 1; /* of the check sum */
    write_file("x.tar.gz", bytes, size);
    open_fails("x.tar.gz", "does not unpack: incorrect data check");
    bytes[size - 6] ^= 1;
    memcpy(bytes + size, "more", 4);
    write_file("x.tar.gz", bytes, size + 4);
    open_fails("x.tar.gz", "something else follows its gzip data");
    write_file("x.tar.gz", gzip_twice, sizeof(gzip_twice) - 1);
    open_fails("x.tar.gz", "is compressed twice, the second time by gzip");
    free(bytes);
}

/* 100 MB of zeros in 100 kB. */
static uint8_t *make_bomb(size_t *size)
{
    static uint8_t zeros[1 << 20];
    size_t room = 1 << 18;
    uint8_t *bytes = malloc(room);
    z_stream z = {.next_out = bytes, .avail_out = (unsigned)room};

    assert_int_equal(
        deflateInit2(&z, 9, Z_DEFLATED, MAX_WBITS + 16, 9, Z_DEFAULT_STRATEGY),
        Z_OK);
    for (int i = 0; i < 100; i++) {
        z.next_in = zeros;
        z.avail_in = sizeof(zeros);
        deflate(&z, i == 99 ? Z_FINISH : Z_NO_FLUSH);
    }
    *size = room - z.avail_out;
    deflateEnd(&z);
    return bytes;
}

static void bombs_and_full_disks_are_refused(void **state)
{
    const struct item items[] = {picture("a/1.jpg", 0), picture("b/1.jpg", 1)};
    struct rn_error err = {0};
    struct rn_data *data;
    char expected[500];
    size_t size;
    uint8_t *bytes = make_bomb(&size);

    (void)state;
    write_file("x.tgz", bytes, size);
    free(bytes);
    snprintf(expected, sizeof(expected), "unpack it first: gunzip -k '%s'",
             in_folder("x.tgz"));
    open_fails("x.tgz", expected);
    write_packed("x.tgz", ARCHIVE_FILTER_GZIP, items, 2, 0);
    setenv("TMPDIR", "/no/such", 1);
    assert_int_equal(rn_data_open(&data, in_folder("x.tgz"), NULL, &err),
                     RN_ERR_IO);
    unsetenv("TMPDIR");
    assert_non_null(strstr(err.msg, "in '/no/such'"));
    assert_non_null(strstr(err.msg, "set TMPDIR"));
}

/* A single file is no archive, whatever it unpacks to. */
static void compressed_files_are_told_of(void **state)
{
    struct rn_pictures *pictures;
    struct rn_error err = {0};
    const char *path;
    char expected[400];

    (void)state;
    write_file("x.jpg.gz", gzip_twice, sizeof(gzip_twice) - 1);
    snprintf(expected, sizeof(expected), "first: gunzip -k '%s'",
             in_folder("x.jpg.gz"));
    assert_int_equal(rn_pictures_find(&pictures, in_folder("x.jpg.gz"), NULL),
                     RN_OK);
    assert_int_equal(rn_pictures_get(pictures, 0, &path, &err), RN_ERR_DATA);
    assert_non_null(strstr(err.msg, expected));
    rn_pictures_destroy(pictures);
}

static void failing_allocations_are_told(void **state)
{
    const struct item inner[] = {picture("1.jpg", 0)};
    struct item items[2] = {{.name = "x/a.tar"}, {.name = "x/b.tar"}};
    struct rn_data *data;
    int failed = 0;

    (void)state;
    items[0].bytes = make_archive(FORM_USTAR, inner, 1, &items[0].size);
    items[1] = items[0];
    items[1].name = "x/b.tar";
    write_archive("x.zip", FORM_ZIP_STORED, items, 2);
    free((void *)(uintptr_t)items[0].bytes);
    for (long n = 1; n < 200; n++) {
        int rc;

        rn_alloc_fail_after(n);
        rc = rn_data_open(&data, in_folder("x.zip"), NULL, NULL);
        rn_alloc_fail_after(-1);
        if (rc && rc != RN_ERR_MEMORY)
            fail_msg("allocation %ld: %d, expected %d", n, rc, RN_ERR_MEMORY);
        if (!rc)
            assert_int_equal(data->part[RN_PART_TRAIN].count, 2);
        failed += rc != RN_OK;
        rn_data_close(data);
    }
    assert_true(failed > 50);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_archive_is_as_good_as_its_folder),
        TEST(folders_around_all_are_entered),
        TEST(layouts_are_read_as_they_are_meant),
        TEST(lists_count_wherever_they_lie),
        TEST(archives_stand_for_parts),
        TEST(class_archives_stand_for_class_folders),
        TEST(class_folders_and_archives_do_not_mix),
        TEST(lists_lie_in_archives),
        TEST(pictures_of_a_list_lie_in_an_archive),
        TEST(a_list_gives_a_part_its_classes),
        TEST(links_lead_to_members),
        TEST(links_that_lead_nowhere_are_named),
        TEST(links_to_folders_are_refused),
        TEST(damaged_archives_are_refused),
        TEST(a_tar_that_is_cut_anywhere_is_refused),
        TEST(names_that_lead_out_are_refused),
        TEST(names_are_judged_as_in_folders),
        TEST(names_do_not_depend_on_the_locale),
        TEST(of_equal_names_the_last_counts),
        TEST(a_bad_member_is_named),
        TEST(a_member_that_does_not_inflate_is_told_early),
        TEST(a_changed_archive_is_noticed),
        TEST(pictures_are_found_in_archives),
        TEST(names_in_zips_become_utf8),
        TEST(backslashes_and_ways_out_are_refused),
        TEST(compressed_archives_are_unpacked),
        TEST(compressed_archives_stand_for_folders),
        TEST(damaged_compressed_archives_are_refused),
        TEST(bombs_and_full_disks_are_refused),
        TEST(compressed_files_are_told_of),
        TEST(failing_allocations_are_told),
    };

    return cmocka_run_group_tests(tests, load_seeds, free_seeds);
}
