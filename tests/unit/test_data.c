/* SPDX-License-Identifier: BSD-2-Clause */
/* Readers of data sets: small files made here, bad ones of every kind, and
 * the real sets where they are. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"

#include "data/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define FASHION "/usr/share/datasets/fashion-mnist"

/* ------------------------------------------------------------- small files */

static void write_plain(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(in_folder(name), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void write_gz(const char *name, const void *bytes, size_t size)
{
    gzFile file = gzopen(in_folder(name), "wb");

    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, (unsigned)size), (int)size);
    assert_int_equal(gzclose(file), Z_OK);
}

static void write_text(const char *name, const char *text)
{
    write_plain(name, text, strlen(text));
}

static void cut(const char *name, long by)
{
    struct stat st;

    assert_int_equal(stat(in_folder(name), &st), 0);
    assert_int_equal(truncate(in_folder(name), st.st_size + by), 0);
}

/* ----------------------------------------------------------------- opening */

static struct rn_data *open_ok(const char *spec, int validation)
{
    struct rn_error err = {0, ""};
    struct rn_data *data = NULL;
    int rc = rn_data_open(
        &data, spec, &(struct rn_data_options){.validation = validation}, &err);

    if (rc)
        fail_msg("opening '%s': %d %s", spec, rc, err.msg);
    assert_non_null(data);
    return data;
}

/* Opening must fail with `code` and a message with all of the texts. */
static void open_fails(const char *spec, int validation, int code,
                       const char *const texts[])
{
    struct rn_error err = {0, ""};
    struct rn_data *data = (struct rn_data *)&err;
    int rc = rn_data_open(
        &data, spec, &(struct rn_data_options){.validation = validation}, &err);

    if (rc != code || err.code != code || data)
        fail_msg("opening '%s': %d '%s', expected %d", spec, rc, err.msg, code);
    for (int i = 0; texts[i]; i++)
        if (!strstr(err.msg, texts[i]))
            fail_msg("message '%s', expected '%s' in it", err.msg, texts[i]);
}

#define FAILS(code, ...) \
    open_fails(folder, 0, (code), (const char *const[]){__VA_ARGS__, NULL})

static void check_info(const struct rn_data *data, const char *format, int c,
                       int h, int w, int classes, int train, int validation,
                       int test)
{
    struct rn_data_info info;

    rn_data_describe(data, &info);
    assert_string_equal(info.format, format);
    assert_int_equal(info.channels, c);
    assert_int_equal(info.height, h);
    assert_int_equal(info.width, w);
    assert_int_equal(info.classes, classes);
    assert_int_equal(info.count[RN_PART_TRAIN], train);
    assert_int_equal(info.count[RN_PART_VALIDATION], validation);
    assert_int_equal(info.count[RN_PART_TEST], test);
    assert_true(info.checksum != 0);
}

static uint64_t checksum_of(const char *spec, int validation)
{
    struct rn_data *data = open_ok(spec, validation);
    struct rn_data_info info;

    rn_data_describe(data, &info);
    rn_data_close(data);
    return info.checksum;
}

/* ------------------------------------------------------------------- CIFAR */

/* Byte i of the pixels of record r of file f. */
static uint8_t cifar_pixel(int f, int r, int i)
{
    return (uint8_t)(f * 50 + r * 7 + i * 3 + i / 1024);
}

static void write_records(const char *name, int f, int labels, int count)
{
    size_t size = (size_t)labels + 3072;
    uint8_t *bytes = calloc((size_t)count, size);

    assert_non_null(bytes);
    for (int r = 0; r < count; r++) {
        uint8_t *record = bytes + (size_t)r * size;

        record[0] = (uint8_t)((f + r) % 10);
        if (labels == 2)
            record[1] = (uint8_t)(90 + (f + r) % 10);
        for (int i = 0; i < 3072; i++)
            record[labels + i] = cifar_pixel(f, r, i);
    }
    write_plain(name, bytes, (size_t)count * size);
    free(bytes);
}

static void write_cifar10(const char *prefix)
{
    char name[64];

    for (int f = 1; f <= 5; f++) {
        snprintf(name, sizeof(name), "%sdata_batch_%d.bin", prefix, f);
        write_records(name, f, 1, 2 + f);
    }
    snprintf(name, sizeof(name), "%stest_batch.bin", prefix);
    write_records(name, 6, 1, 4);
}

static void check_cifar_image(const struct rn_data *data, enum rn_part part,
                              int index, int f, int r, int label)
{
    uint8_t pixels[3072];
    int got;

    assert_int_equal(rn_data_image(data, part, index, pixels, &got, NULL), 0);
    if (got != label)
        fail_msg("label %d of image %d, expected %d", got, index, label);
    for (int i = 0; i < 3072; i++)
        if (pixels[i] != cifar_pixel(f, r, i))
            fail_msg("image %d pixel %d: %d, expected %d", index, i, pixels[i],
                     cifar_pixel(f, r, i));
}

static void test_cifar10(void **state)
{
    struct rn_data *data;

    (void)state;
    write_cifar10("");
    data = open_ok(folder, 0);
    check_info(data, "cifar10", 3, 32, 32, 10, 25, 0, 4);
    check_cifar_image(data, RN_PART_TRAIN, 0, 1, 0, 1);
    check_cifar_image(data, RN_PART_TRAIN, 4, 2, 1, 3);
    check_cifar_image(data, RN_PART_TRAIN, 24, 5, 6, 1);
    check_cifar_image(data, RN_PART_TEST, 3, 6, 3, 9);
    assert_string_equal(rn_data_class_name(data, 0), "airplane");
    assert_string_equal(rn_data_class_name(data, 9), "truck");
    assert_null(rn_data_class_name(data, 10));
    assert_null(rn_data_class_name(data, -1));
    rn_data_close(data);
}

static void test_cifar10_below(void **state)
{
    struct rn_data *data;

    (void)state;
    assert_int_equal(mkdir(in_folder("cifar-10-batches-bin"), 0700), 0);
    write_cifar10("cifar-10-batches-bin/");
    write_text("cifar-10-batches-bin/batches.meta.txt",
               "a\nb\nc\nd\r\ne\nf\ng\nh\ni\nj\xc3\xa4\n\n");
    data = open_ok(folder, 0);
    check_info(data, "cifar10", 3, 32, 32, 10, 25, 0, 4);
    assert_string_equal(rn_data_class_name(data, 3), "d");
    assert_string_equal(rn_data_class_name(data, 9), "j\xc3\xa4");
    rn_data_close(data);
}

static void test_cifar100(void **state)
{
    struct rn_data *data;

    (void)state;
    write_records("train.bin", 0, 2, 12);
    write_records("test.bin", 1, 2, 3);
    data = open_ok(folder, 2);
    check_info(data, "cifar100", 3, 32, 32, 100, 10, 2, 3);
    check_cifar_image(data, RN_PART_TRAIN, 3, 0, 3, 93);
    check_cifar_image(data, RN_PART_VALIDATION, 1, 0, 11, 91);
    check_cifar_image(data, RN_PART_TEST, 2, 1, 2, 93);
    assert_null(rn_data_class_name(data, 0));
    rn_data_close(data);
}

/* --------------------------------------------- CIFAR as pickles of Python 2 */

/* Writes the very operations that Python 2 wrote for the files handed out:
 * texts of one byte a character, NumPy's array built by three calls. */
struct pickle {
    FILE *file;
};

static void put_bytes(struct pickle *p, const void *bytes, size_t size)
{
    assert_int_equal(fwrite(bytes, 1, size, p->file), size);
}

#define PUT(p, text) put_bytes(p, text, sizeof(text) - 1)

static void put_text(struct pickle *p, const char *text)
{
    uint8_t head[2] = {'U', (uint8_t)strlen(text)};

    put_bytes(p, head, 2);
    put_bytes(p, text, strlen(text));
}

static void put_labels(struct pickle *p, const char *key, int first, int f,
                       int count)
{
    put_text(p, key);
    PUT(p, "](");
    for (int r = 0; r < count; r++) {
        uint8_t number[2] = {'K', (uint8_t)(first + (f + r) % 10)};

        put_bytes(p, number, 2);
    }
    PUT(p, "e");
}

/* An array of count x 3072 of a type, "u1", in an order of bytes, "|". */
static void put_array(struct pickle *p, int f, int count, const char *order)
{
    uint8_t size[4] = {0, (uint8_t)(12 * count)};
    uint8_t number[2] = {'K', (uint8_t)count};

    PUT(p, "cnumpy.core.multiarray\n_reconstruct\nq\1cnumpy\nndarray\n"
           "K\0\x85U\1b\x87R(K\1");
    put_bytes(p, number, 2);
    PUT(p, "M\0\x0c\x86"
           "cnumpy\ndtype\nU\2u1K\0K\1\x87R(K\3");
    put_text(p, order);
    PUT(p, "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89T");
    put_bytes(p, size, 4);
    for (int r = 0; r < count; r++)
        for (int i = 0; i < 3072; i++) {
            uint8_t pixel = cifar_pixel(f, r, i);

            put_bytes(p, &pixel, 1);
        }
    PUT(p, "tb");
}

static struct pickle begin_pickle(const char *name)
{
    struct pickle p = {fopen(in_folder(name), "wb")};

    assert_non_null(p.file);
    PUT(&p, "\x80\2}q\0(");
    return p;
}

static void end_pickle(struct pickle *p)
{
    PUT(p, "u.");
    assert_int_equal(fclose(p->file), 0);
}

static void write_batch(const char *name, int f, int labels, int count,
                        const char *order)
{
    struct pickle p = begin_pickle(name);

    put_text(&p, "batch_label");
    put_text(&p, "training batch 1 of 5");
    put_text(&p, "data");
    put_array(&p, f, count, order);
    put_labels(&p, labels == 2 ? "coarse_labels" : "labels", 0, f, count);
    if (labels == 2)
        put_labels(&p, "fine_labels", 90, f, count);
    end_pickle(&p);
}

/* As many names as there are classes. */
static void put_names(struct pickle *p, const char *key, char first, int count)
{
    char name[4] = {first};

    put_text(p, key);
    PUT(p, "](");
    for (int i = 0; i < count; i++) {
        name[1] = (char)('!' + i % 90);
        name[2] = i < 90 ? '\0' : '.';
        put_text(p, name);
    }
    PUT(p, "e");
}

static void write_cifar10_pickles(const char *prefix)
{
    char name[64];

    for (int f = 1; f <= 5; f++) {
        snprintf(name, sizeof(name), "%sdata_batch_%d", prefix, f);
        write_batch(name, f, 1, 2 + f, "|");
    }
    snprintf(name, sizeof(name), "%stest_batch", prefix);
    write_batch(name, 6, 1, 4, "|");
}

/* The same data as the binary version's, under the same checksum. */
static void test_cifar10_pickles(void **state)
{
    struct rn_data *data;
    struct pickle p;
    uint64_t sum;

    (void)state;
    write_cifar10("");
    sum = checksum_of(folder, 0);
    mkdir(in_folder("py"), 0700);
    mkdir(in_folder("py/cifar-10-batches-py"), 0700);
    write_cifar10_pickles("py/cifar-10-batches-py/");
    data = open_ok(in_folder("py"), 0);
    check_info(data, "cifar10", 3, 32, 32, 10, 25, 0, 4);
    check_cifar_image(data, RN_PART_TRAIN, 24, 5, 6, 1);
    check_cifar_image(data, RN_PART_TEST, 3, 6, 3, 9);
    assert_string_equal(rn_data_class_name(data, 9), "truck");
    rn_data_close(data);
    p = begin_pickle("py/cifar-10-batches-py/batches.meta");
    put_names(&p, "label_names", 'n', 10);
    end_pickle(&p);
    data = open_ok(in_folder("py"), 0);
    assert_string_equal(rn_data_class_name(data, 9), "n*");
    rn_data_close(data);
    assert_true(checksum_of(in_folder("py"), 0) == sum);
}

static void test_bad_pickles(void **state)
{
    struct pickle p;

    (void)state;
    write_cifar10_pickles("");
    unlink(in_folder("data_batch_3"));
    FAILS(RN_ERR_DATA, "data_batch_3", "is missing");
    write_batch("data_batch_3", 3, 1, 2, "<");
    FAILS(RN_ERR_DATA, "data_batch_3", "an array of N x 3072 bytes");
    write_batch("data_batch_3", 3, 2, 2, "|");
    FAILS(RN_ERR_DATA, "data_batch_3", "'labels' has 0 labels, expected 2");
    p = begin_pickle("data_batch_3");
    put_text(&p, "data");
    put_array(&p, 3, 2, "|");
    put_labels(&p, "labels", 5, 4, 2);
    end_pickle(&p);
    FAILS(RN_ERR_DATA, "data_batch_3", "label of image 1", "from 0 to 9");
    p = begin_pickle("data_batch_3");
    end_pickle(&p);
    FAILS(RN_ERR_DATA, "data_batch_3", "'data' is not what it is in CIFAR's");
    write_batch("data_batch_3", 3, 1, 2, "|");
    p = begin_pickle("batches.meta");
    put_names(&p, "label_names", 'n', 9);
    end_pickle(&p);
    FAILS(RN_ERR_DATA, "batches.meta", "is not a list of 10 names");
}

/* Fine labels, or coarse ones where these are asked for; of both forms. */
static void test_cifar100_labels(void **state)
{
    static const char *const forms[] = {"bin", "py"};
    struct rn_data *data;
    char path[300];
    struct pickle p;

    (void)state;
    mkdir(in_folder("bin"), 0700);
    mkdir(in_folder("py"), 0700);
    write_records("bin/train.bin", 0, 2, 12);
    write_records("bin/test.bin", 1, 2, 3);
    write_batch("py/train", 0, 2, 12, "|");
    write_batch("py/test", 1, 2, 3, "|");
    assert_true(checksum_of(in_folder("bin"), 0) ==
                checksum_of(in_folder("py"), 0));
    p = begin_pickle("py/meta");
    put_names(&p, "fine_label_names", 'f', 100);
    put_names(&p, "coarse_label_names", 'c', 20);
    end_pickle(&p);
    write_text("bin/coarse_label_names.txt",
               "c!\nc\"\nc#\nc$\nc%\nc&\nc'\nc(\n"
               "c)\nc*\nc+\nc,\nc-\nc.\nc/\nc0\nc1\nc2\nc3\nc4\n");
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "coarse:%s", in_folder(forms[i]));
        data = open_ok(path, 2);
        check_info(data, "cifar100", 3, 32, 32, 20, 10, 2, 3);
        check_cifar_image(data, RN_PART_TRAIN, 3, 0, 3, 3);
        check_cifar_image(data, RN_PART_TEST, 2, 1, 2, 3);
        assert_string_equal(rn_data_class_name(data, 19), "c4");
        rn_data_close(data);
    }
    data = open_ok(in_folder("py"), 0);
    assert_string_equal(rn_data_class_name(data, 99), "f*.");
    rn_data_close(data);
}

static void test_no_coarse_labels(void **state)
{
    char path[300];

    (void)state;
    write_cifar10("");
    snprintf(path, sizeof(path), "coarse:%s", folder);
    open_fails(path, 0, RN_ERR_DATA,
               (const char *const[]){"is cifar10 data, of which there are no "
                                     "coarse labels",
                                     NULL});
    open_fails("coarse:/no/such", 0, RN_ERR_IO,
               (const char *const[]){"'/no/such'", NULL});
}

static void test_validation(void **state)
{
    struct rn_data *data;
    uint64_t sum;

    (void)state;
    write_cifar10("");
    data = open_ok(folder, 10);
    check_info(data, "cifar10", 3, 32, 32, 10, 15, 10, 4);
    check_cifar_image(data, RN_PART_VALIDATION, 0, 4, 3, 7);
    check_cifar_image(data, RN_PART_VALIDATION, 9, 5, 6, 1);
    rn_data_close(data);
    sum = checksum_of(folder, 0);
    assert_true(checksum_of(folder, 10) == sum);
    open_fails(folder, 25, RN_ERR_ARG,
               (const char *const[]){"25", folder, "0 to 24", NULL});
    open_fails(folder, -1, RN_ERR_ARG, (const char *const[]){"-1", NULL});
    write_records("data_batch_3.bin", 8, 1, 5);
    assert_true(checksum_of(folder, 0) != sum);
}

static void test_cifar_truncated(void **state)
{
    (void)state;
    write_cifar10("");
    cut("data_batch_2.bin", -1);
    FAILS(RN_ERR_DATA, "data_batch_2.bin", "12291 bytes", "multiple of 3073");
    write_records("data_batch_2.bin", 2, 1, 4);
    cut("test_batch.bin", 1);
    FAILS(RN_ERR_DATA, "test_batch.bin", "12293 bytes", "3073");
    cut("test_batch.bin", -12293);
    FAILS(RN_ERR_DATA, "test_batch.bin", "0 bytes");
}

static void test_cifar_oversized(void **state)
{
    (void)state;
    write_cifar10("");
    cut("data_batch_5.bin", 3073L * 1000000);
    FAILS(RN_ERR_DATA, "data_batch_5.bin", "1000007 records",
          "at most 1000000");
}

static void test_cifar_missing(void **state)
{
    (void)state;
    write_cifar10("");
    unlink(in_folder("data_batch_4.bin"));
    FAILS(RN_ERR_DATA, "data_batch_4.bin", "missing");
    write_records("data_batch_4.bin", 2, 1, 4);
    unlink(in_folder("test_batch.bin"));
    FAILS(RN_ERR_DATA, "test_batch.bin", "missing");
    assert_int_equal(mkdir(in_folder("test_batch.bin"), 0700), 0);
    FAILS(RN_ERR_DATA, "test_batch.bin", "regular");
}

static void test_cifar_label(void **state)
{
    static uint8_t record[2 * 3074];

    (void)state;
    write_cifar10("");
    record[3073] = 10;
    write_plain("data_batch_1.bin", record, 2 * 3073);
    FAILS(RN_ERR_DATA, "data_batch_1.bin", "record 1", "label 10", "0 to 9");
}

static void test_cifar100_label(void **state)
{
    static uint8_t record[2 * 3074];

    (void)state;
    write_records("train.bin", 0, 2, 3);
    record[3075] = 100;
    write_plain("test.bin", record, sizeof(record));
    FAILS(RN_ERR_DATA, "test.bin", "record 1", "label 100", "0 to 99");
    record[3075] = 0;
    record[0] = 20;
    write_plain("test.bin", record, sizeof(record));
    FAILS(RN_ERR_DATA, "test.bin", "record 0", "label 20", "0 to 19");
}

static void test_names_bad(void **state)
{
    (void)state;
    write_cifar10("");
    write_text("batches.meta.txt", "a\nb\nc\n");
    FAILS(RN_ERR_DATA, "batches.meta.txt", "3 classes", "expected 10");
    write_text("batches.meta.txt", "a\n\nb\n");
    FAILS(RN_ERR_DATA, "batches.meta.txt", "line 2");
    write_text("batches.meta.txt", "a\nb\x1b[2J\n");
    FAILS(RN_ERR_DATA, "batches.meta.txt", "line 2");
    write_text("batches.meta.txt", "a\xc0\x80\n");
    FAILS(RN_ERR_DATA, "batches.meta.txt", "line 1");
    write_text("batches.meta.txt", "a\xc3\n");
    FAILS(RN_ERR_DATA, "batches.meta.txt", "line 1");
    write_plain("batches.meta.txt", "a\0b\n", 4);
    FAILS(RN_ERR_DATA, "batches.meta.txt", "byte 1 is zero");
    write_text("batches.meta.txt", "\n\n");
    FAILS(RN_ERR_DATA, "batches.meta.txt", "empty");
}

/* --------------------------------------------------------------------- IDX */

struct idx_file {
    uint8_t bytes[4096];
    size_t size;
};

/* An IDX file of sizes `dim` (up to a 0), bytes 0, 1, 2 … modulo `modulo`. */
static struct idx_file idx_make(const unsigned dim[4], int modulo)
{
    struct idx_file f = {{0, 0, 8, 0}, 4};
    size_t n = 1;

    for (int i = 0; i < 4 && dim[i]; i++) {
        f.bytes[3]++;
        for (int b = 0; b < 4; b++)
            f.bytes[f.size++] = (uint8_t)(dim[i] >> (24 - 8 * b));
        n *= dim[i];
    }
    for (size_t i = 0; i < n && f.size < sizeof(f.bytes); i++)
        f.bytes[f.size++] = (uint8_t)(i % (size_t)modulo);
    return f;
}

static struct idx_file images(unsigned count, unsigned h, unsigned w)
{
    return idx_make((const unsigned[4]){count, h, w, 0}, 251);
}

static struct idx_file labels(unsigned count, int classes)
{
    return idx_make((const unsigned[4]){count, 0, 0, 0}, classes);
}

static void put(const char *name, struct idx_file f)
{
    write_plain(name, f.bytes, f.size);
}

static void put_gz(const char *name, struct idx_file f)
{
    write_gz(name, f.bytes, f.size);
}

static void write_idx(void)
{
    put("train-images-idx3-ubyte", images(20, 5, 7));
    put("train-labels-idx1-ubyte", labels(20, 6));
    put_gz("t10k-images-idx3-ubyte.gz", images(9, 5, 7));
    put_gz("t10k-labels-idx1-ubyte.gz", labels(9, 8));
}

static void check_idx_image(const struct rn_data *data, enum rn_part part,
                            int index, int size, int label)
{
    uint8_t pixels[64];
    int got;

    assert_int_equal(rn_data_image(data, part, index, pixels, &got, NULL), 0);
    assert_int_equal(got, label);
    for (int i = 0; i < size; i++)
        if (pixels[i] != (index * size + i) % 251)
            fail_msg("image %d pixel %d: %d, expected %d", index, i, pixels[i],
                     (index * size + i) % 251);
}

static void test_idx(void **state)
{
    struct rn_data *data;

    (void)state;
    write_idx();
    data = open_ok(folder, 3);
    check_info(data, "idx", 1, 5, 7, 8, 17, 3, 9);
    check_idx_image(data, RN_PART_TRAIN, 16, 35, 4);
    check_idx_image(data, RN_PART_TEST, 8, 35, 0);
    assert_null(rn_data_class_name(data, 0));
    rn_data_close(data);
}

static void test_idx_dots(void **state)
{
    struct rn_data *data;

    (void)state;
    put("train-images.idx3-ubyte", images(4, 3, 3));
    put_gz("train-labels.idx1-ubyte.gz", labels(4, 4));
    data = open_ok(folder, 0);
    check_info(data, "idx", 1, 3, 3, 4, 4, 0, 0);
    rn_data_close(data);
    put("t10k-images.idx3-ubyte", images(4, 3, 3));
    FAILS(RN_ERR_DATA, "t10k-labels-idx1-ubyte", "missing");
}

static void test_idx_colour(void **state)
{
    struct rn_data *data;

    (void)state;
    put("train-images-idx3-ubyte",
        idx_make((const unsigned[4]){3, 2, 4, 5}, 251));
    put("train-labels-idx1-ubyte", labels(3, 3));
    data = open_ok(folder, 0);
    check_info(data, "idx", 2, 4, 5, 3, 3, 0, 0);
    check_idx_image(data, RN_PART_TRAIN, 2, 40, 2);
    rn_data_close(data);
}

static void test_idx_names(void **state)
{
    struct rn_data *data;

    (void)state;
    write_idx();
    write_text("classes.txt", "zero\none\ntwo\n3\n4\n5\n6\n7\n8\n");
    data = open_ok(folder, 0);
    assert_int_equal(data->classes, 9);
    assert_string_equal(rn_data_class_name(data, 1), "one");
    rn_data_close(data);
    write_text("classes.txt", "zero\none\ntwo\n3\n4\n5\n6\n");
    FAILS(RN_ERR_DATA, "t10k-labels-idx1-ubyte.gz", "image 7", "label 7",
          "0 to 6");
    unlink(in_folder("classes.txt"));
    put("train-labels-idx1-ubyte", labels(20, 10));
    data = open_ok(folder, 0);
    assert_null(rn_data_class_name(data, 9));
    rn_data_close(data);
}

static void test_idx_guessed_names(void **state)
{
    static const char *const name[] = {"my-fashion", "MNIST", "FashionMNIST",
                                       "old-fashioned"};
    static const char *const nine[] = {"Ankle boot", "9", "Ankle boot", NULL};
    char sub[64];

    (void)state;
    for (size_t i = 0; i < sizeof(name) / sizeof(*name); i++) {
        struct rn_data *data;
        char path[128];

        assert_int_equal(mkdir(in_folder(name[i]), 0700), 0);
        snprintf(sub, sizeof(sub), "%s/train-images-idx3-ubyte", name[i]);
        put(sub, images(10, 2, 2));
        snprintf(sub, sizeof(sub), "%s/train-labels-idx1-ubyte", name[i]);
        put(sub, labels(10, 10));
        strcpy(path, in_folder(name[i]));
        data = open_ok(path, 0);
        if (nine[i])
            assert_string_equal(rn_data_class_name(data, 9), nine[i]);
        else
            assert_null(rn_data_class_name(data, 9));
        rn_data_close(data);
    }
}

static void test_idx_magic(void **state)
{
    struct idx_file f = images(20, 5, 7);

    (void)state;
    write_idx();
    f.bytes[2] = 0x0d;
    put("train-images-idx3-ubyte", f);
    FAILS(RN_ERR_DATA, "train-images-idx3-ubyte", "0x00000d03", "0x00000803");
    put("train-images-idx3-ubyte", labels(20, 3));
    FAILS(RN_ERR_DATA, "train-images-idx3-ubyte", "0x00000801", "0x00000803");
    put("train-images-idx3-ubyte", images(20, 5, 7));
    put("train-labels-idx1-ubyte", images(20, 5, 7));
    FAILS(RN_ERR_DATA, "train-labels-idx1-ubyte", "0x00000803", "0x00000801");
    write_text("train-labels-idx1-ubyte", "GIF89a");
    FAILS(RN_ERR_DATA, "train-labels-idx1-ubyte", "0x47494638", "0x00000801");
}

static void test_idx_length(void **state)
{
    (void)state;
    write_idx();
    cut("train-images-idx3-ubyte", -1);
    FAILS(RN_ERR_DATA, "train-images-idx3-ubyte", "715 bytes", "expected 716",
          "20 x 5 x 7");
    cut("train-images-idx3-ubyte", 2);
    FAILS(RN_ERR_DATA, "train-images-idx3-ubyte", "717 bytes", "expected 716");
    for (int size = 0; size < 16; size++) {
        struct idx_file f = images(20, 5, 7);

        f.size = (size_t)size;
        put("train-images-idx3-ubyte", f);
        FAILS(RN_ERR_DATA, "train-images-idx3-ubyte", "header");
    }
}

static void test_idx_gz_length(void **state)
{
    struct idx_file f = images(9, 5, 7);

    (void)state;
    write_idx();
    f.size--;
    put_gz("t10k-images-idx3-ubyte.gz", f);
    FAILS(RN_ERR_DATA, "t10k-images-idx3-ubyte.gz", "314 bytes",
          "expected 315");
    f.size += 2;
    put_gz("t10k-images-idx3-ubyte.gz", f);
    FAILS(RN_ERR_DATA, "t10k-images-idx3-ubyte.gz", "goes on", "315");
    f.size--;
    put_gz("t10k-images-idx3-ubyte.gz", f);
    for (int by = 1; by < 40; by++) {
        put_gz("t10k-images-idx3-ubyte.gz", f);
        cut("t10k-images-idx3-ubyte.gz", -by);
        FAILS(RN_ERR_DATA, "t10k-images-idx3-ubyte.gz", "gzip");
    }
}

static void test_idx_gz_damaged(void **state)
{
    const char *name = "t10k-images-idx3-ubyte.gz";
    struct stat st;
    int fd;

    (void)state;
    write_idx();
    assert_int_equal(stat(in_folder(name), &st), 0);
    fd = open(in_folder(name), O_WRONLY);
    assert_int_equal(pwrite(fd, "\xff\xff", 2, st.st_size - 8), 2); /* CRC */
    close(fd);
    FAILS(RN_ERR_DATA, name, "damaged gzip");
}

/* Sizes that are never to be believed. */
static void test_idx_hostile(void **state)
{
    static const unsigned dims[][4] = {
        {0xffffffff, 0xffffffff, 0xffffffff, 0},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
        {0x80000000, 0x80000000, 4, 0},
        {60000, 1, 1, 0},
        {1, 65536, 65536, 0},
    };
    struct idx_file f;

    (void)state;
    write_idx();
    for (size_t i = 0; i < sizeof(dims) / sizeof(dims[0]); i++) {
        f = (struct idx_file){{0, 0, 8, 0}, 4};
        for (int k = 0; k < 4 && dims[i][k]; k++) {
            f.bytes[3]++;
            for (int b = 0; b < 4; b++)
                f.bytes[f.size++] = (uint8_t)(dims[i][k] >> (24 - 8 * b));
        }
        put("train-images-idx3-ubyte", f);
        FAILS(RN_ERR_DATA, "train-images-idx3-ubyte", "expected");
        unlink(in_folder("train-images-idx3-ubyte"));
        put_gz("train-images-idx3-ubyte.gz", f);
        FAILS(RN_ERR_DATA, "train-images-idx3-ubyte.gz");
        unlink(in_folder("train-images-idx3-ubyte.gz"));
    }
    f = images(20, 5, 7);
    memset(f.bytes + 4, 0, 4);
    put("train-images-idx3-ubyte", f);
    FAILS(RN_ERR_DATA, "train-images-idx3-ubyte", "0 x 5 x 7");
}

static void test_idx_mismatch(void **state)
{
    (void)state;
    write_idx();
    put("train-labels-idx1-ubyte", labels(19, 6));
    FAILS(RN_ERR_DATA, "train-labels-idx1-ubyte", "19 labels", "expected 20",
          "train-images-idx3-ubyte");
    put("train-labels-idx1-ubyte", labels(20, 6));
    put_gz("t10k-images-idx3-ubyte.gz", images(9, 7, 5));
    FAILS(RN_ERR_DATA, "t10k-images-idx3-ubyte.gz", "1x7x5", "1x5x7");
    unlink(in_folder("train-images-idx3-ubyte"));
    FAILS(RN_ERR_DATA, "train-images-idx3-ubyte", "missing");
}

/* --------------------------------------------------------------- other data */

static void test_unknown(void **state)
{
    (void)state;
    write_text("readme.txt", "nothing here\n");
    FAILS(RN_ERR_DATA, folder, "CIFAR-10", "CIFAR-100", "IDX");
    open_fails(
        in_folder("readme.txt"), 0, RN_ERR_DATA,
        (const char *const[]){"readme.txt", "neither a tar nor a zip", NULL});
    open_fails(in_folder("nowhere"), 0, RN_ERR_IO,
               (const char *const[]){"nowhere", strerror(ENOENT), NULL});
    open_fails("", 0, RN_ERR_ARG, (const char *const[]){"", NULL});
}

static void test_bounds(void **state)
{
    struct rn_data *data = open_ok("synthetic:1x4x4:3:10", 0);
    struct rn_error err;
    int label = -5;

    (void)state;
    assert_int_equal(rn_data_image(data, RN_PART_TRAIN, 10, NULL, NULL, &err),
                     RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "10 train images"));
    assert_int_equal(rn_data_image(data, RN_PART_TRAIN, -1, NULL, NULL, NULL),
                     RN_ERR_ARG);
    assert_int_equal(
        rn_data_image(data, RN_PART_VALIDATION, 0, NULL, &label, NULL),
        RN_ERR_ARG);
    assert_int_equal(
        rn_data_image(data, (enum rn_part)3, 0, NULL, &label, NULL),
        RN_ERR_ARG);
    assert_int_equal(label, -5);
    assert_int_equal(rn_data_image(data, RN_PART_TEST, 1, NULL, &label, NULL),
                     RN_OK);
    assert_int_equal(label, 1);
    rn_data_close(data);
    rn_data_close(NULL);
    assert_string_equal(rn_part_name(RN_PART_TRAIN), "train");
    assert_string_equal(rn_part_name(RN_PART_VALIDATION), "validation");
    assert_string_equal(rn_part_name(RN_PART_TEST), "test");
}

/* Images of one class are nearer to their own class's mean than to any
 * other's: a network has something to learn. */
static void test_synthetic(void **state)
{
    enum { N = 3 * 9 * 11, CLASSES = 5 };
    struct rn_data *data = open_ok("synthetic:3x9x11:5:200", 20);
    static double mean[CLASSES][N];
    int right = 0;

    (void)state;
    check_info(data, "synthetic", 3, 9, 11, 5, 180, 20, 40);
    for (int i = 0; i < 180; i++)
        for (int k = 0; k < N; k++)
            mean[data->labels[0][i]][k] += data->pixels[0][i * N + k] / 36.0;
    for (int i = 0; i < 40; i++) {
        double best = 1e300;
        int nearest = 0;

        for (int c = 0; c < CLASSES; c++) {
            double d = 0;

            for (int k = 0; k < N; k++)
                d += pow(data->pixels[1][i * N + k] - mean[c][k], 2);
            nearest = d < best ? c : nearest;
            best = fmin(d, best);
        }
        right += nearest == data->labels[1][i];
    }
    if (right < 40)
        fail_msg("%d of 40 test images nearest to their class", right);
    rn_data_close(data);
    assert_true(checksum_of("synthetic:3x9x11:5:200", 0) ==
                checksum_of("synthetic:3x9x11:5:200", 7));
    assert_true(checksum_of("synthetic:3x9x11:5:200", 0) !=
                checksum_of("synthetic:3x9x11:5:201", 0));
    data = open_ok("synthetic:1x1x1:1:1", 0);
    check_info(data, "synthetic", 1, 1, 1, 1, 1, 0, 1);
    rn_data_close(data);
    data = open_ok("synthetic:1x2x2:3", 0);
    check_info(data, "synthetic", 1, 2, 2, 3, 1000, 0, 200);
    rn_data_close(data);
}

static void test_synthetic_bad(void **state)
{
    static const char *const spec[] = {
        "synthetic:",
        "synthetic:3x32:10",
        "synthetic:3x32x32",
        "synthetic:3x32x32:",
        "synthetic:3x32x32:0",
        "synthetic:3x32x32:65536",
        "synthetic:0x32x32:10",
        "synthetic:-3x32x32:10",
        "synthetic: 3x32x32:10",
        "synthetic:3x32x32:10:",
        "synthetic:3x32x32:10:0",
        "synthetic:3x32x32:10:-1",
        "synthetic:3x32x32:10:5 ",
        "synthetic:3x32x32:10:5:6",
        "synthetic:3x32x32x1:10",
        "synthetic:3X32X32:10",
        "synthetic:3x32x32:10:99999999999999999999",
        "synthetic:99999999999x32x32:10",
        "synthetic:65535x65535x65535:10:2147483647",
        "synthetic:3x32x32:10:2147483647",
        "synthetic:65535x65535x1:2:1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(spec) / sizeof(spec[0]); i++)
        open_fails(spec[i], 0, RN_ERR_ARG,
                   (const char *const[]){spec[i], "expected", NULL});
}

/* ------------------------------------------------------------- statistics */

static void test_stats(void **state)
{
    enum { N = 25 - 5 };
    float mean[3], std[3];
    static float pixel[3072];
    struct rn_data *data;

    (void)state;
    write_cifar10("");
    data = open_ok(folder, 5);
    rn_data_channel_stats(data, mean, std);
    rn_data_pixel_mean(data, pixel);
    for (int c = 0; c < 3; c++) {
        double sum = 0, square = 0;

        for (int i = 0; i < N; i++)
            for (int k = 0; k < 1024; k++)
                sum += data->pixels[0][i * 3072 + c * 1024 + k] / 255.0;
        sum /= N * 1024;
        for (int i = 0; i < N; i++)
            for (int k = 0; k < 1024; k++)
                square += pow(
                    data->pixels[0][i * 3072 + c * 1024 + k] / 255.0 - sum, 2);
        square = sqrt(square / (N * 1024));
        assert_true(fabs((double)mean[c] - sum) < 1e-6);
        assert_true(fabs((double)std[c] - square) < 1e-6);
    }
    for (int k = 0; k < 3072; k++) {
        double sum = 0;

        for (int i = 0; i < N; i++)
            sum += data->pixels[0][i * 3072 + k] / 255.0 / N;
        if (fabs((double)pixel[k] - sum) > 1e-6)
            fail_msg("mean of pixel %d: %g, expected %g", k, (double)pixel[k],
                     sum);
    }
    memset(data->pixels[0], 7, 25 * 3072);
    rn_data_channel_stats(data, mean, std);
    assert_true(mean[1] == 7.0f / 255 && std[1] == 1);
    rn_data_close(data);
}

/* --------------------------------------------------------------- real data */

static void test_fashion(void **state)
{
    static const int first[] = {9, 0, 0, 3, 0, 2, 7, 2, 5, 5};
    float mean, std;
    struct rn_data *data;

    (void)state;
    if (access(FASHION, R_OK)) {
        print_message("skipped: %s is not there\n", FASHION);
        skip();
    }
    data = open_ok(FASHION, 0);
    check_info(data, "idx", 1, 28, 28, 10, 60000, 0, 10000);
    for (int i = 0; i < 10; i++)
        assert_int_equal(data->labels[0][i], first[i]);
    assert_string_equal(rn_data_class_name(data, 9), "Ankle boot");
    rn_data_channel_stats(data, &mean, &std);
    if (fabsf(mean - 0.2860f) > 5e-5f || fabsf(std - 0.3530f) > 5e-5f)
        fail_msg("mean %.5f std %.5f, expected 0.2860 and 0.3530", (double)mean,
                 (double)std);
    rn_data_close(data);
}

/* The real files: in the folder RN_CIFAR10, or made from ../shared/data (by
 * Debian's Python, which has Pillow); NULL without either. */
static const char *real_cifar10(void)
{
    const char *path = getenv("RN_CIFAR10"), *shared = getenv("RN_SHARED");
    char script[300], command[600];

    if (path)
        return path;
    snprintf(script, sizeof(script), "%s/data/cifar10/cifar10.py",
             shared ? shared : "../shared");
    if (access(script, R_OK)) {
        print_message("skipped: %s is not there\n", script);
        return NULL;
    }
    path = in_folder("real");
    snprintf(command, sizeof(command),
             "/usr/bin/python3 '%s' '%s' >/dev/null 2>&1", script, path);
    if (system(command) == 0)
        return path;
    print_message("skipped: %s could not make the files\n", script);
    return NULL;
}

/* ../shared/data/README.md: the known mean and std. */
static void test_real_cifar10(void **state)
{
    static const double known[2][3] = {{.49140, .48216, .44653},
                                       {.24703, .24349, .26159}};
    const char *path = real_cifar10();
    int seen[10] = {0};
    float mean[3], std[3];
    struct rn_data *data;

    (void)state;
    if (!path)
        skip();
    data = open_ok(path, 5000);
    check_info(data, "cifar10", 3, 32, 32, 10, 45000, 5000, 10000);
    for (int i = 0; i < 10000; i++)
        seen[data->labels[1][i]]++;
    for (int i = 0; i < 10; i++)
        assert_int_equal(seen[i], 1000);
    rn_data_close(data);
    data = open_ok(path, 0);
    rn_data_channel_stats(data, mean, std);
    for (int c = 0; c < 3; c++)
        if (fabs((double)mean[c] - known[0][c]) > 6e-6 ||
            fabs((double)std[c] - known[1][c]) > 6e-6)
            fail_msg("channel %d: mean %.6f std %.6f, expected %.5f %.5f", c,
                     (double)mean[c], (double)std[c], known[0][c], known[1][c]);
    rn_data_close(data);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cifar10),
        TEST(test_cifar10_below),
        TEST(test_cifar100),
        TEST(test_cifar10_pickles),
        TEST(test_bad_pickles),
        TEST(test_cifar100_labels),
        TEST(test_no_coarse_labels),
        TEST(test_validation),
        TEST(test_cifar_truncated),
        TEST(test_cifar_oversized),
        TEST(test_cifar_missing),
        TEST(test_cifar_label),
        TEST(test_cifar100_label),
        TEST(test_names_bad),
        TEST(test_idx),
        TEST(test_idx_dots),
        TEST(test_idx_colour),
        TEST(test_idx_names),
        TEST(test_idx_guessed_names),
        TEST(test_idx_magic),
        TEST(test_idx_length),
        TEST(test_idx_gz_length),
        TEST(test_idx_gz_damaged),
        TEST(test_idx_hostile),
        TEST(test_idx_mismatch),
        TEST(test_unknown),
        TEST(test_bounds),
        TEST(test_synthetic),
        TEST(test_synthetic_bad),
        TEST(test_stats),
        TEST(test_fashion),
        TEST(test_real_cifar10),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
