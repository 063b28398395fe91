/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors, memory, random numbers, files, threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/available.h"
#include "core/error.h"
#include "core/file.h"
#include "core/late.h"
#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* ----------------------------------------------------- late libraries */

static void expect_late(struct rn_late *late, const char *part)
{
    const char *why = rn_late_load(late);

    if (!why || !strstr(why, part))
        fail_msg("loading '%s': \"%s\", expected \"%s\" in it", late->library,
                 why ? why : "", part);
    assert_false(late->loaded);
}

static void libraries_are_loaded_late(void **state)
{
    double (*cosine)(double) = NULL;
    void (*missing)(void) = NULL;
    const struct rn_late_function known = {"cos", &cosine};
    const struct rn_late_function both[] = {known, {"rn_nowhere", &missing}};
    struct rn_late late = {"libm.so.6", &known, 1, false};
    struct rn_late none = {"libnowhere.so.1", &known, 1, false};
    struct rn_late partly = {"libm.so.6", both, 2, false};

    (void)state;
    expect_late(&none, "libnowhere.so.1");
    expect_late(&partly, "rn_nowhere");
    for (int i = 0; i < 2; i++) {
        const char *why = rn_late_load(&late);

        if (why)
            fail_msg("loading libm: %s", why);
    }
    assert_true(late.loaded);
    assert_true(cosine(0) == 1);
}

/* ------------------------------------------------------------- errors */

static void errors_are_filled(void **state)
{
    struct rn_error err = {0};
    char longer[2000];

    (void)state;
    assert_int_equal(rn_fail(&err, RN_ERR_DATA, "'%s': %d", "f", 7),
                     RN_ERR_DATA);
    assert_int_equal(err.code, RN_ERR_DATA);
    assert_string_equal(err.msg, "'f': 7");
    rn_fail(&err, RN_ERR_DATA, "'%s'", "a\n\x1b[2J\xc2\x9b\xc3\xa9\x7f");
    assert_string_equal(err.msg, "'a??[2J??\xc3\xa9?'");
    assert_int_equal(rn_fail(NULL, RN_ERR_IO, "x"), RN_ERR_IO);

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    rn_fail(&err, RN_ERR_ARG, "%s", longer);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);

    assert_int_equal(rn_fail_memory(&err, 42, "a plan"), RN_ERR_MEMORY);
    assert_string_equal(err.msg, "cannot allocate 42 bytes for a plan");
    errno = ENOSPC;
    assert_int_equal(rn_fail_errno(&err, "write", "a/b"), RN_ERR_IO);
    assert_string_equal(err.msg, "cannot write 'a/b': No space left on device");
    assert_string_equal(rn_version(), RN_VERSION_STRING);
}

/* ------------------------------------------------------------- memory */

static void sizes_do_not_overflow(void **state)
{
    size_t out;

    (void)state;
    assert_true(rn_size_mul(1u << 16, 1u << 16, &out) && out == 1ull << 32);
    assert_false(rn_size_mul(SIZE_MAX / 2, 3, &out));
    assert_true(rn_size_mul(SIZE_MAX, 0, &out) && out == 0);
    assert_true(rn_size_add(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
    assert_false(rn_size_add(SIZE_MAX, 1, &out));
    assert_null(rn_alloc(SIZE_MAX / 2, 3));
    assert_null(rn_alloc(SIZE_MAX, 1));
}

static void memory_is_aligned_and_zero(void **state)
{
    (void)state;
    for (size_t size = 0; size < 300; size += 13) {
        uint8_t *p = rn_alloc(size, 1);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % RN_ALIGN, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, size);
        rn_free(p);
    }
    rn_free(NULL);
}

static void mappings_are_zero(void **state)
{
    static const size_t sizes[] = {0, 1, 4096, (5u << 20) + 3};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint8_t *p = rn_map(sizes[i]);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 4096, 0);
        for (size_t j = 0; j < sizes[i]; j += 1000)
            assert_int_equal(p[j], 0);
        if (sizes[i])
            p[sizes[i] - 1] = 1;
        rn_unmap(p, sizes[i]);
    }
    rn_unmap(NULL, 10);
    assert_null(rn_map(SIZE_MAX / 2));
}

static void slabs_hold_many_arrays(void **state)
{
    struct rn_slab slab = {0};
    uint8_t *p[40];

    (void)state;
    for (size_t i = 0; i < COUNT(p); i++) {
        p[i] = rn_slab_alloc(&slab, i * i * i, 100);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % RN_ALIGN, 0);
        for (size_t j = 0; j < i * i * i * 100; j += 999)
            assert_int_equal(p[i][j], 0);
        memset(p[i], (int)i, i * i * i * 100);
    }
    for (size_t i = 1; i < COUNT(p); i++) {
        assert_int_equal(p[i][0], i);
        assert_int_equal(p[i][i * i * i * 100 - 1], i);
    }
    assert_null(rn_slab_alloc(&slab, SIZE_MAX, 1));
    assert_null(rn_slab_alloc(&slab, SIZE_MAX / 4, 8));
    assert_null(rn_slab_alloc(&slab, SIZE_MAX / 4, 1));
    rn_slab_free(&slab);
    assert_null(slab.chunks);
}

static void arrays_grow(void **state)
{
    int *array = NULL;
    size_t capacity = 0, count;
    char *text = rn_strdup("text");

    (void)state;
    for (count = 0; count < 1000; count++) {
        assert_true(rn_grow(&array, &capacity, count, sizeof(*array)));
        assert_true(capacity > count);
        array[count] = (int)count;
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(array[i], (int)i);
    assert_false(rn_grow(&array, &capacity, SIZE_MAX - 1, sizeof(*array)));
    assert_int_equal(array[999], 999);
    rn_free(array);

    assert_string_equal(text, "text");
    assert_null(rn_strdup(NULL));
    rn_free(text);
}

static void allocations_fail_when_told(void **state)
{
    int *array = NULL;
    size_t capacity = 0;

    void *p;

    (void)state;
    rn_alloc_fail_after(2);
    p = rn_alloc(1, 1);
    assert_non_null(p);
    assert_null(rn_map(1));
    rn_free(p);
    p = rn_alloc(1, 1);
    assert_non_null(p);
    rn_free(p);

    rn_alloc_fail_after(1);
    assert_null(rn_strdup("x"));
    rn_alloc_fail_after(1);
    assert_false(rn_grow(&array, &capacity, 0, sizeof(*array)));
    assert_null(array);
    assert_int_equal(capacity, 0);
    rn_alloc_fail_after(1);
    rn_alloc_fail_after(-1);
    p = rn_alloc(1, 1);
    assert_non_null(p);
    rn_free(p);
}

/* ------------------------------------------------------------- random */

/* The known answers of the authors' library, Random123. */
static void philox_gives_known_answers(void **state)
{
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } cases[] = {
        {{0, 0, 0, 0},
         {0, 0},
         {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t out[4];

        rn_philox(cases[i].counter, cases[i].key, out);
        for (int j = 0; j < 4; j++)
            if (out[j] != cases[i].out[j])
                fail_msg("answer %zu, word %d: %08" PRIx32 ", expected "
                         "%08" PRIx32,
                         i, j, out[j], cases[i].out[j]);
    }
}

/* Every part of the key and all 64 bits of the index count. */
static void numbers_depend_on_all(void **state)
{
    static const struct {
        struct rn_random_key key;
        uint64_t index;
    } cases[] = {
        {{1, RN_RANDOM_TEST, 0}, 0},
        {{2, RN_RANDOM_TEST, 0}, 0},
        {{1 + (1ull << 32), RN_RANDOM_TEST, 0}, 0},
        {{1, RN_RANDOM_INIT, 0}, 0},
        {{1, RN_RANDOM_TEST, 1}, 0},
        {{1, RN_RANDOM_TEST, 0}, 1},
        {{1, RN_RANDOM_TEST, 0}, 1ull << 32},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t j = 0; j <= i; j++) {
            uint32_t a[4], b[4];

            rn_random4(&cases[i].key, cases[i].index, a);
            rn_random4(&cases[j].key, cases[j].index, b);
            if ((memcmp(a, b, sizeof(a)) == 0) != (i == j))
                fail_msg("cases %zu and %zu", i, j);
        }
}

static void numbers_stay_in_range(void **state)
{
    (void)state;
    assert_int_equal(rn_random_below(0, 10), 0);
    assert_int_equal(rn_random_below(UINT32_MAX, 10), 9);
    assert_int_equal(rn_random_below(UINT32_MAX, 1), 0);
    assert_int_equal(rn_random_below(UINT32_MAX, UINT32_MAX), UINT32_MAX - 1);
    assert_true(rn_random_unit(0) == 0.0);
    assert_true(rn_random_unit(UINT32_MAX) < 1.0);
}

/* 200,000 deviates: moments within five standard errors. */
static void normal_deviates_are_normal(void **state)
{
    const struct rn_random_key key = {7, RN_RANDOM_TEST, 0};
    const int n = 100000;
    double sum = 0, squares = 0, fourth = 0, extreme[2];

    (void)state;
    for (int i = 0; i < n; i++) {
        uint32_t bits[4];
        double x[2];

        rn_random4(&key, (uint64_t)i, bits);
        rn_random_normal2(bits[0], bits[1], x);
        for (int j = 0; j < 2; j++) {
            sum += x[j];
            squares += x[j] * x[j];
            fourth += x[j] * x[j] * x[j] * x[j];
        }
    }
    sum /= 2 * n;
    squares /= 2 * n;
    fourth /= 2 * n;
    if (fabs(sum) > 0.0112 || fabs(squares - 1) > 0.0159 ||
        fabs(fourth - 3) > 0.11)
        fail_msg("mean %g, variance %g, fourth moment %g", sum, squares,
                 fourth);

    rn_random_normal2(0, 0, extreme);
    assert_true(isfinite(extreme[0]) && isfinite(extreme[1]));
    rn_random_normal2(UINT32_MAX, UINT32_MAX, extreme);
    assert_true(isfinite(extreme[0]) && isfinite(extreme[1]));
}

static void permutations_hold_all(void **state)
{
    enum { N = 1000 };
    static uint32_t a[N], b[N];
    struct rn_random_key key = {3, RN_RANDOM_SHUFFLE, 5};
    uint8_t seen[N] = {0};
    int in_place = 0;

    (void)state;
    rn_random_permutation(&key, N, a);
    rn_random_permutation(&key, N, b);
    assert_memory_equal(a, b, sizeof(a));
    for (uint32_t i = 0; i < N; i++) {
        assert_true(a[i] < N && !seen[a[i]]);
        seen[a[i]] = 1;
        in_place += a[i] == i;
    }
    assert_true(in_place < 10); /* 1 expected */
    key.epoch++;
    rn_random_permutation(&key, N, b);
    assert_memory_not_equal(a, b, sizeof(a));
    rn_random_permutation(&key, 1, b);
    assert_int_equal(b[0], 0);
    rn_random_permutation(&key, 0, b);
}

/* Each of the 24 orders of four about as often: 15 sigma would be a fault. */
static void permutations_are_fair(void **state)
{
    int counts[256] = {0}, orders = 0;

    (void)state;
    for (uint32_t epoch = 0; epoch < 24000; epoch++) {
        const struct rn_random_key key = {1, RN_RANDOM_TEST, epoch};
        uint32_t p[4];

        rn_random_permutation(&key, 4, p);
        counts[p[0] << 6 | p[1] << 4 | p[2] << 2 | p[3]]++;
    }
    for (size_t i = 0; i < COUNT(counts); i++) {
        orders += counts[i] > 0;
        if (counts[i] && (counts[i] < 840 || counts[i] > 1160))
            fail_msg("order %zx: %d times, expected about 1000", i, counts[i]);
    }
    assert_int_equal(orders, 24);
}

/* -------------------------------------------------------------- files */

/* A folder of its own for each test, removed with its files. */
static int make_folder(void **state)
{
    char pattern[] = "/tmp/resnet-core-XXXXXX";

    if (!mkdtemp(pattern))
        return -1;
    *state = rn_strdup(pattern);
    return 0;
}

static int entries(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = -2; /* . and .. */

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char *inner;

        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        inner = rn_path_join(path, entry->d_name);
        if (rn_is_folder(inner))
            remove_tree(inner);
        else
            unlink(inner);
        rn_free(inner);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
}

static int remove_folder(void **state)
{
    remove_tree(*state);
    rn_free(*state);
    return 0;
}

static void expect_file(const char *path, const char *text)
{
    struct rn_error err = {0};
    uint8_t *bytes;
    size_t size;

    if (rn_file_read(path, 1000, &bytes, &size, &err) != RN_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(size, strlen(text));
    assert_string_equal((char *)bytes, text); /* a zero stands behind */
    rn_free(bytes);
}

static void files_are_read(void **state)
{
    char *path = rn_path_join(*state, "file");
    struct rn_error err = {0};
    uint8_t *bytes;
    size_t size;

    assert_int_equal(rn_file_write(path, "12345", 5, &err), RN_OK);
    expect_file(path, "12345");
    assert_int_equal(rn_file_read(path, 5, &bytes, &size, &err), RN_OK);
    rn_free(bytes);
    assert_int_equal(rn_file_read(path, 4, &bytes, &size, &err), RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "has 5 bytes, expected at most 4"));
    assert_null(bytes);
    assert_int_equal(rn_file_write(path, "", 0, &err), RN_OK);
    expect_file(path, "");
    assert_true(rn_is_file(path) && !rn_is_folder(path));

    assert_int_equal(rn_file_read(*state, 9, &bytes, &size, &err), RN_ERR_IO);
    assert_non_null(strstr(err.msg, "Is a directory"));
    assert_true(rn_is_folder(*state) && !rn_is_file(*state));
    unlink(path);
    assert_int_equal(rn_file_read(path, 9, &bytes, &size, &err), RN_ERR_IO);
    assert_non_null(strstr(err.msg, "cannot open '"));
    assert_non_null(strstr(err.msg, "No such file"));
    assert_false(rn_is_file(path) || rn_is_folder(path));
    rn_free(path);
}

/* Read what a child process writes into a pipe. */
static int read_pipe(const char *path, const void *text, size_t length,
                     size_t limit, uint8_t **bytes, size_t *size)
{
    pid_t child = fork();
    int rc;

    if (child == 0) {
        FILE *f = fopen(path, "wb");

        signal(SIGPIPE, SIG_IGN);
        if (f)
            fwrite(text, 1, length, f);
        _exit(f && fclose(f) == 0 ? 0 : 1);
    }
    rc = rn_file_read(path, limit, bytes, size, NULL);
    waitpid(child, NULL, 0);
    return rc;
}

/* What does not know its size: grown, and stopped at the limit. */
static void pipes_are_read_up_to_the_limit(void **state)
{
    static char text[200000];
    const size_t n = sizeof(text);
    char *path = rn_path_join(*state, "pipe");
    struct rn_error err = {0};
    uint8_t *bytes;
    size_t size;

    assert_int_equal(rn_file_read("/dev/zero", n, &bytes, &size, &err),
                     RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "larger than the expected 200000"));
    assert_null(bytes);

    memset(text, 'x', n);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(read_pipe(path, text, n, n, &bytes, &size), RN_OK);
    assert_int_equal(size, n);
    assert_memory_equal(bytes, text, n);
    assert_int_equal(bytes[n], 0);
    rn_free(bytes);
    assert_int_equal(read_pipe(path, text, n, n - 1, &bytes, &size),
                     RN_ERR_DATA);
    rn_free(path);
}

static void files_appear_whole(void **state)
{
    char *path = rn_path_join(*state, "file");
    struct rn_writer w;
    struct rn_error err = {0};

    assert_int_equal(rn_file_write(path, "old", 3, &err), RN_OK);
    assert_int_equal(rn_writer_open(&w, path, &err), RN_OK);
    assert_int_equal(rn_writer_write(&w, "ne", 2, &err), RN_OK);
    fprintf(w.file, "w");
    expect_file(path, "old");
    assert_int_equal(entries(*state), 2);
    assert_int_equal(rn_writer_commit(&w, &err), RN_OK);
    expect_file(path, "new");
    assert_int_equal(entries(*state), 1);
    rn_writer_abort(&w);

    assert_int_equal(rn_writer_open(&w, path, &err), RN_OK);
    rn_writer_abort(&w);
    rn_writer_abort(&w);
    expect_file(path, "new");
    assert_int_equal(entries(*state), 1);

    rn_free(path);
    path = rn_path_join(*state, "pipe");
    assert_int_equal(mkfifo(path, 0666), 0);
    assert_int_equal(rn_file_write(path, "new", 3, &err), RN_ERR_IO);
    assert_non_null(strstr(err.msg, "pipe': not a regular file"));
    assert_false(rn_is_file(path));
    assert_int_equal(unlink(path), 0);
    rn_free(path);

    path = rn_path_join(*state, "none/file");
    assert_int_equal(rn_writer_open(&w, path, &err), RN_ERR_IO);
    assert_non_null(strstr(err.msg, "No such file or directory"));
    rn_writer_abort(&w);
    rn_free(path);
}

/* Two at one file at once, as two processes of one number are on machines that
 * share a folder: each writes its own, and the last to commit stays. */
/* A link stays one: what it leads to is written. */
static void links_are_followed(void **state)
{
    const char *folder = *state;
    char link[PATH_MAX], target[PATH_MAX];
    struct rn_error err;
    struct stat st;
    uint8_t *bytes;
    size_t size;

    snprintf(link, sizeof(link), "%s/link", folder);
    snprintf(target, sizeof(target), "%s/target", folder);
    assert_int_equal(rn_file_write(target, "old", 3, &err), RN_OK);
    assert_int_equal(symlink("target", link), 0);
    assert_int_equal(rn_file_write(link, "newer", 5, &err), RN_OK);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(rn_file_read(target, 10, &bytes, &size, &err), RN_OK);
    assert_string_equal((char *)bytes, "newer");
    rn_free(bytes);
    /* to nothing it is replaced */
    assert_int_equal(unlink(target), 0);
    assert_int_equal(rn_file_write(link, "1", 1, &err), RN_OK);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(unlink(link), 0);
}

static void writers_of_one_file_are_apart(void **state)
{
    char *path = rn_path_join(*state, "file");
    struct rn_writer w[2];
    struct rn_error err = {0};
    struct stat st;
    mode_t before = umask(027);

    for (int i = 0; i < 2; i++) {
        assert_int_equal(rn_writer_open(&w[i], path, &err), RN_OK);
        assert_int_equal(
            rn_writer_write(&w[i], i ? "second" : "first", i ? 6 : 5, &err),
            RN_OK);
    }
    assert_int_equal(entries(*state), 2);
    assert_string_not_equal(w[0].temporary, w[1].temporary);
    for (int i = 0; i < 2; i++) {
        if (rn_writer_commit(&w[i], &err) != RN_OK)
            fail_msg("writer %d: %s", i, err.msg);
        expect_file(path, i ? "second" : "first");
    }
    umask(before);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(entries(*state), 1);
    rn_free(path);
}

/* A name without a folder goes to the current one. */
/* What killed writers left goes, but not what may be another's at work. */
static void leftovers_are_swept(void **state)
{
    static const char *const patterns[] = {"a.svg.tmp-*", "f-*.svg.tmp-*"};
    static const struct {
        const char *name;
        time_t age;
        int sweep; /* that it goes with: 1 of old ones, 2 of all, 3 none */
    } files[] = {
        {"a.svg.tmp-0badcafe", 7200, 1}, {"f-12.svg.tmp-1", 7200, 1},
        {"a.svg.tmp-5ad20c17", 0, 2},    {"a.svg", 7200, 3},
        {"b.svg.tmp-0badcafe", 7200, 3},
    };
    char *paths[COUNT(files)];

    for (size_t i = 0; i < COUNT(files); i++) {
        const struct timespec then = {time(NULL) - files[i].age, 0};
        const struct timespec both[] = {then, then};

        paths[i] = rn_path_join(*state, files[i].name);
        assert_int_equal(rn_file_write(paths[i], "text", 4, NULL), RN_OK);
        assert_int_equal(utimensat(AT_FDCWD, paths[i], both, 0), 0);
    }
    for (int sweep = 1; sweep <= 2; sweep++) {
        rn_file_sweep(*state, patterns, COUNT(patterns), sweep == 1 ? 3600 : 0);
        for (size_t i = 0; i < COUNT(files); i++)
            if (rn_is_file(paths[i]) != (files[i].sweep > sweep))
                fail_msg("%s is %sthere after sweep %d", files[i].name,
                         files[i].sweep > sweep ? "not " : "", sweep);
    }
    for (size_t i = 0; i < COUNT(files); i++)
        rn_free(paths[i]);
}

static void bare_names_are_written(void **state)
{
    char here[4096];

    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(*state), 0);
    assert_int_equal(rn_file_write("bare", "x", 1, NULL), RN_OK);
    expect_file("bare", "x");
    assert_int_equal(chdir(here), 0);
}

/* A folder stands where the file should go: rename() fails last of all. */
static void failed_commits_leave_nothing(void **state)
{
    char *path = rn_path_join(*state, "folder");
    struct rn_error err = {0};

    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(rn_file_write(path, "x", 1, &err), RN_ERR_IO);
    assert_non_null(strstr(err.msg, "Is a directory"));
    assert_int_equal(entries(*state), 1);
    rn_free(path);
}

/* A full disk, played by a limit on the size of files. */
static void full_disks_are_reported(void **state)
{
    static const char big[1 << 16];
    char *path = rn_path_join(*state, "file");
    struct rlimit before, small;
    struct rn_error err = {0};
    int rc;

    assert_int_equal(rn_file_write(path, "old", 3, &err), RN_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    rc = rn_file_write(path, big, sizeof(big), &err);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(rc, RN_ERR_IO);
    assert_non_null(strstr(err.msg, "cannot write '"));
    assert_non_null(strstr(err.msg, "File too large"));
    expect_file(path, "old");
    assert_int_equal(entries(*state), 1);
    rn_free(path);
}

/* No allocation that fails leaves a file behind. */
static void file_memory_failures(void **state)
{
    char *path = rn_path_join(*state, "file");
    int failed = 0;

    for (long n = 1; n < 20; n++) {
        struct rn_error err = {0};
        int rc;

        rn_alloc_fail_after(n);
        rc = rn_file_write(path, "x", 1, &err);
        rn_alloc_fail_after(-1);
        if (rc == RN_OK)
            break;
        assert_int_equal(rc, RN_ERR_MEMORY);
        failed++;
        assert_int_equal(entries(*state) - rn_is_file(path), 0);
    }
    assert_true(failed >= 2);
    rn_free(path);
}

static void paths_are_joined(void **state)
{
    static const char *const cases[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *path = rn_path_join(cases[i][0], cases[i][1]);

        assert_string_equal(path, cases[i][2]);
        rn_free(path);
    }
}

/* Any bit, the size and the order count. */
static void checksums_differ(void **state)
{
    uint8_t bytes[37] = {0};
    uint64_t sums[37 * 8 + 38];
    size_t n = 0;

    (void)state;
    for (size_t size = 0; size <= sizeof(bytes); size++)
        sums[n++] = rn_checksum(0, bytes, size);
    for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        sums[n++] = rn_checksum(0, bytes, sizeof(bytes));
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (sums[i] == sums[j])
                fail_msg("sums %zu and %zu agree", i, j);
    assert_true(rn_checksum(rn_checksum(0, "a", 1), "b", 1) !=
                rn_checksum(rn_checksum(0, "b", 1), "a", 1));
    assert_true(rn_checksum(0, bytes, 37) == sums[37]);
}

/* ------------------------------------------------------------ threads */

/* A file and its folders under a root that stands in for "/". */
static void put(const char *root, const char *name, const char *text)
{
    char *path = rn_path_join(root, name);
    struct rn_error err = {0};

    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    if (rn_file_write(path, text, strlen(text), &err) != RN_OK)
        fail_msg("%s", err.msg);
    rn_free(path);
}

static void expect_threads(const char *what, const char *root, int threads,
                           const char *limit)
{
    cpu_set_t set;
    char by[32];
    int got = rn_threads_default(root, by, sizeof(by)), cpus;

    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    cpus = CPU_COUNT(&set);
    if (threads >= cpus || threads == 0) { /* on machines this small */
        threads = cpus;
        limit = "affinity";
    }
    if (got != threads || strcmp(by, limit) != 0)
        fail_msg("%s: %d threads by %s, expected %d by %s", what, got, by,
                 threads, limit);
}

#define V1 "sys/fs/cgroup/cpu,cpuacct/"

static const struct quota_case {
    const char *name;
    struct {
        const char *path, *text;
    } files[6];
    int threads; /* 0: those of the affinity mask */
} quotas[] = {
    {"nothing", {{0}}, 0},
    {"v2, no quota",
     {{"proc/self/cgroup", "0::/a\n"},
      {"sys/fs/cgroup/a/cpu.max", "max 100000\n"}},
     0},
    {"v2, one",
     {{"proc/self/cgroup", "0::/a\n"},
      {"sys/fs/cgroup/a/cpu.max", "100000 100000\n"}},
     1},
    {"v2, rounded up to one",
     {{"proc/self/cgroup", "0::/a\n"},
      {"sys/fs/cgroup/a/cpu.max", "5000 100000\n"}},
     1},
    {"v2, rounded up to two",
     {{"proc/self/cgroup", "0::/a\n"},
      {"sys/fs/cgroup/a/cpu.max", "100001 100000\n"}},
     2},
    {"v2, above",
     {{"proc/self/cgroup", "0::/a/b/c\n"},
      {"sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n"},
      {"sys/fs/cgroup/a/cpu.max", "50000 100000\n"}},
     1},
    {"v2, path of the host",
     {{"proc/self/cgroup", "0::/docker/1f\n"},
      {"sys/fs/cgroup/cpu.max", "100000 100000\n"}},
     1},
    {"v2, the group is the mount",
     {{"proc/self/cgroup", "0::/\n"},
      {"sys/fs/cgroup/cpu.max", "100000 100000\n"}},
     1},
    {"v2, another group's",
     {{"proc/self/cgroup", "0::/a\n"},
      {"sys/fs/cgroup/b/cpu.max", "100000 100000\n"}},
     0},
    {"v2, garbage",
     {{"proc/self/cgroup", "0::/a\nwhat\n::\n"},
      {"sys/fs/cgroup/a/cpu.max", "much\n"}},
     0},
    {"v1, no quota",
     {{"proc/self/cgroup", "4:cpu,cpuacct:/a\n"},
      {V1 "a/cpu.cfs_quota_us", "-1\n"},
      {V1 "a/cpu.cfs_period_us", "100000\n"}},
     0},
    {"v1, one",
     {{"proc/self/cgroup", "5:cpuset:/x\n4:cpu,cpuacct:/a\n"},
      {V1 "a/cpu.cfs_quota_us", "90000\n"},
      {V1 "a/cpu.cfs_period_us", "100000\n"}},
     1},
    {"v1, path of the host",
     {{"proc/self/cgroup", "4:cpuacct,cpu:/docker/1f\n"},
      {"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n"},
      {"sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}},
     1},
    {"v1, cpuset is not cpu",
     {{"proc/self/cgroup", "4:cpuset:/a\n"},
      {V1 "a/cpu.cfs_quota_us", "90000\n"},
      {V1 "a/cpu.cfs_period_us", "100000\n"}},
     0},
    {"both",
     {{"proc/self/cgroup", "4:cpu,cpuacct:/a\n0::/a\n"},
      {V1 "a/cpu.cfs_quota_us", "100000\n"},
      {V1 "a/cpu.cfs_period_us", "100000\n"},
      {"sys/fs/cgroup/unified/a/cpu.max", "max 100000\n"}},
     1},
};

static void clear_environment(void)
{
    unsetenv("OMP_NUM_THREADS");
    unsetenv("SLURM_CPUS_PER_TASK");
}

static void quotas_are_found(void **state)
{
    clear_environment();
    for (size_t i = 0; i < COUNT(quotas); i++) {
        char *root = rn_path_join(*state, quotas[i].name);

        assert_int_equal(mkdir(root, 0777), 0);
        for (int f = 0; f < 6 && quotas[i].files[f].path; f++)
            put(root, quotas[i].files[f].path, quotas[i].files[f].text);
        expect_threads(quotas[i].name, root, quotas[i].threads, "cgroup quota");
        rn_free(root);
    }
}

#define V1M "sys/fs/cgroup/memory/"
#define V2M "sys/fs/cgroup/"
#define KB  "MemAvailable:    1000 kB\n"

static const struct memory_case {
    const char *name;
    struct {
        const char *path, *text;
    } files[8];
    uint64_t available;
} memories[] = {
    {"m, no group", {{"proc/meminfo", "MemTotal: 9999 kB\n" KB}}, 1024000},
    {"m, nothing", {{"proc/self/cgroup", "0::/\n"}}, UINT64_MAX},
    {"m2, root",
     {{"proc/self/cgroup", "0::/\n"},
      {V2M "memory.max", "5000\n"},
      {V2M "memory.current", "2000\n"}},
     3000},
    {"m2, nested",
     {{"proc/meminfo", KB},
      {"proc/self/cgroup", "0::/system.slice/job\n"},
      {V2M "system.slice/job/memory.max", "5000\n"},
      {V2M "system.slice/job/memory.current", "2000\n"}},
     3000},
    {"m2, above it",
     {{"proc/self/cgroup", "0::/a/b/c\n"},
      {V2M "a/b/c/memory.max", "max\n"},
      {V2M "a/b/c/memory.current", "10\n"},
      {V2M "a/memory.max", "5000\n"},
      {V2M "a/memory.current", "4000\n"}},
     1000},
    {"m2, high",
     {{"proc/self/cgroup", "0::/a\n"},
      {V2M "a/memory.max", "max\n"},
      {V2M "a/memory.high", "700\n"},
      {V2M "a/memory.current", "100\n"}},
     600},
    {"m2, cached files give way",
     {{"proc/self/cgroup", "0::/a\n"},
      {V2M "a/memory.max", "5000\n"},
      {V2M "a/memory.current", "4900\n"},
      {V2M "a/memory.stat",
       "anon 900\nfile 4000\ninactive_file 3000\nactive_file 1000\n"}},
     4100},
    {"m2, full",
     {{"proc/self/cgroup", "0::/a\n"},
      {V2M "a/memory.max", "5000\n"},
      {V2M "a/memory.current", "6000\n"}},
     0},
    {"m2, garbage",
     {{"proc/meminfo", KB},
      {"proc/self/cgroup", "0::/a\n"},
      {V2M "a/memory.max", "-5\n"},
      {V2M "a/memory.high", "99999999999999999999999\n"},
      {V2M "a/memory.current", "much\n"}},
     1024000},
    {"m1, SLURM's",
     {{"proc/self/cgroup", "9:cpu:/x\n4:memory:/slurm/uid_7/job_3\n"},
      {V1M "slurm/uid_7/job_3/memory.limit_in_bytes", "8000\n"},
      {V1M "slurm/uid_7/job_3/memory.usage_in_bytes", "1000\n"},
      {V1M "slurm/uid_7/job_3/memory.stat",
       "inactive_file 1\ntotal_inactive_file 500\n"},
      {V1M "memory.limit_in_bytes", "9223372036854771712\n"},
      {V1M "memory.usage_in_bytes", "700000\n"}},
     7500},
    {"m1, path of the host",
     {{"proc/self/cgroup", "4:memory:/docker/1f\n0::/\n"},
      {V1M "memory.limit_in_bytes", "8000\n"},
      {V1M "memory.usage_in_bytes", "1000\n"}},
     7000},
};

static void memory_limits_are_found(void **state)
{
    for (size_t i = 0; i < COUNT(memories); i++) {
        char *root = rn_path_join(*state, memories[i].name);
        uint64_t got;

        assert_int_equal(mkdir(root, 0777), 0);
        for (int f = 0; f < 8 && memories[i].files[f].path; f++)
            put(root, memories[i].files[f].path, memories[i].files[f].text);
        got = rn_memory_available(root);
        if (got != memories[i].available)
            fail_msg("%s: %llu bytes, expected %llu", memories[i].name,
                     (unsigned long long)got,
                     (unsigned long long)memories[i].available);
        rn_free(root);
    }
}

static void environment_limits(void **state)
{
    static const struct {
        const char *omp, *slurm;
        int threads;
        const char *by;
    } cases[] = {
        {"1", NULL, 1, "OMP_NUM_THREADS"},
        {"1,8", NULL, 1, "OMP_NUM_THREADS"},
        {"100000", NULL, 0, "affinity"},
        {"many", NULL, 0, "affinity"},
        {"0", "-3", 0, "affinity"},
        {NULL, "1", 1, "SLURM_CPUS_PER_TASK"},
        {"100000", "1", 1, "SLURM_CPUS_PER_TASK"},
    };
    int processors;

    for (size_t i = 0; i < COUNT(cases); i++) {
        clear_environment();
        if (cases[i].omp)
            setenv("OMP_NUM_THREADS", cases[i].omp, 1);
        if (cases[i].slurm)
            setenv("SLURM_CPUS_PER_TASK", cases[i].slurm, 1);
        expect_threads("environment", *state, cases[i].threads, cases[i].by);
    }
    setenv("OMP_NUM_THREADS", "1", 1);
    processors = rn_processors("");
    clear_environment();
    assert_int_equal(processors, rn_threads_default("", NULL, 0));
    assert_true(rn_threads_default("", NULL, 0) >= 1);
}

static void denormals_are_flushed(void **state)
{
#ifdef __SSE__
    volatile float tiny = 1e-38f, tenth = 0.1f, result;
    unsigned mode = rn_float_mode_set();

    (void)state;
    result = tiny * tenth;
    rn_float_mode_restore(mode);
    assert_true(result == 0.0f);
    result = tiny * tenth;
    assert_true(result > 0.0f);
#else
    (void)state;
    skip();
#endif
}

static void time_goes_forward(void **state)
{
    double before = rn_now();

    (void)state;
    usleep(2000);
    assert_true(rn_now() - before >= 0.002);
    assert_true(rn_now() - before < 60);
}

#define IN_FOLDER(f) \
    cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libraries_are_loaded_late),
        cmocka_unit_test(errors_are_filled),
        cmocka_unit_test(sizes_do_not_overflow),
        cmocka_unit_test(memory_is_aligned_and_zero),
        cmocka_unit_test(mappings_are_zero),
        cmocka_unit_test(slabs_hold_many_arrays),
        cmocka_unit_test(arrays_grow),
        cmocka_unit_test(allocations_fail_when_told),
        cmocka_unit_test(philox_gives_known_answers),
        cmocka_unit_test(numbers_depend_on_all),
        cmocka_unit_test(numbers_stay_in_range),
        cmocka_unit_test(normal_deviates_are_normal),
        cmocka_unit_test(permutations_hold_all),
        cmocka_unit_test(permutations_are_fair),
        IN_FOLDER(files_are_read),
        IN_FOLDER(pipes_are_read_up_to_the_limit),
        IN_FOLDER(files_appear_whole),
        IN_FOLDER(links_are_followed),
        IN_FOLDER(writers_of_one_file_are_apart),
        IN_FOLDER(leftovers_are_swept),
        IN_FOLDER(bare_names_are_written),
        IN_FOLDER(failed_commits_leave_nothing),
        IN_FOLDER(full_disks_are_reported),
        IN_FOLDER(file_memory_failures),
        cmocka_unit_test(paths_are_joined),
        cmocka_unit_test(checksums_differ),
        IN_FOLDER(quotas_are_found),
        IN_FOLDER(memory_limits_are_found),
        IN_FOLDER(environment_limits),
        cmocka_unit_test(denormals_are_flushed),
        cmocka_unit_test(time_goes_forward),
    };

    return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
