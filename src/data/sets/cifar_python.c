/* SPDX-License-Identifier: BSD-2-Clause */
/* CIFAR-10 and CIFAR-100 as they are handed out for Python: dictionaries that
 * Python 2 pickled, with an array of NumPy's in each. The reader of PyTorch's
 * files gives what the pickle holds; of the array, which is opaque to it, the
 * state that was to be set: (1, (images, 3072), type, False, bytes). */
#include "data/sets/cifar.h"

#include "core/file.h"
#include "core/memory.h"
#include "core/pickle.h"

#include <string.h>

#define MAX_FILE ((size_t)1 << 30)
#define PROTOCOL 0x80 /* the first byte of pickles of protocol 2 and later */

static const struct layout {
    const char *train[RN_CIFAR_BATCHES + 1]; /* NULL behind the last */
    const char *test[2];                     /* likewise */
    const char *meta;                        /* may be absent */
    const char *labels, *coarse;             /* keys of lists of numbers */
    const char *names, *coarse_names;        /* in meta, lists of texts */
} layouts[] = {
    {.train = {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4",
               "data_batch_5", NULL},
     .test = {"test_batch", NULL},
     .meta = "batches.meta",
     .labels = "labels",
     .names = "label_names"},
    {.train = {"train", NULL},
     .test = {"test", NULL},
     .meta = "meta",
     .labels = "fine_labels",
     .coarse = "coarse_labels",
     .names = "fine_label_names",
     .coarse_names = "coarse_label_names"},
};

/* ------------------------------------------------------------- recognising */

/* A data set may well have folders of that name; files are pickles. */
static bool is_pickle(const char *folder, const char *name)
{
    static const struct rn_files disk;
    char *path = rn_path_join(folder, name);
    uint8_t first = 0;
    size_t size = 0;
    bool is = path && rn_is_file(path) &&
              rn_files_peek(&disk, path, &first, 1, &size, NULL) == RN_OK &&
              size == 1 && first == PROTOCOL;

    rn_free(path);
    return is;
}

bool rn_cifar_python_recognise(const char *folder, bool hundred)
{
    const struct layout *l = &layouts[hundred];

    for (int i = 0; l->train[i]; i++)
        if (is_pickle(folder, l->train[i]))
            return true;
    return is_pickle(folder, l->test[0]);
}

/* ---------------------------------------------------------------- one file */

struct file {
    char *path;
    uint8_t *bytes;
    struct rn_pickle pickle;
    const uint8_t *pixels; /* [count][3072], in bytes */
    uint32_t *labels;      /* numbers of values, [count] */
    size_t count;
};

static void close_file(struct file *f)
{
    rn_pickle_close(&f->pickle);
    rn_free(f->labels);
    rn_free(f->bytes);
    rn_free(f->path);
}

static int open_file(struct file *f, const char *folder, const char *name,
                     struct rn_error *err)
{
    size_t size, used;
    int rc;

    f->path = rn_path_join(folder, name);
    if (!f->path)
        return rn_fail_memory(err, strlen(folder), "a file name");
    if (!rn_is_file(f->path))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' is missing, expected the pickle of that name",
                       f->path);
    rc = rn_file_read(f->path, MAX_FILE, &f->bytes, &size, err);
    if (!rc)
        rc = rn_pickle_run(&f->pickle, f->bytes, size, f->path, NULL, &used,
                           err);
    if (!rc &&
        rn_pickle_get(&f->pickle, f->pickle.root)->kind != RN_PICKLE_DICT)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': its pickle is no dictionary, as CIFAR's are",
                     f->path);
    return rc;
}

/* A key may be a text, or the bytes that Python 3 makes of Python 2's. */
static uint32_t find(const struct file *f, const char *key)
{
    const struct rn_pickle *p = &f->pickle;
    size_t count = rn_pickle_get(p, p->root)->u.items.count;
    uint32_t *items = rn_alloc(count, sizeof(*items)), found = 0;

    if (!items)
        return 0;
    count = rn_pickle_items(p, p->root, items, count);
    for (size_t i = 0; i + 1 < count; i += 2) {
        const struct rn_pickle_object *o = rn_pickle_get(p, items[i]);

        if ((o->kind == RN_PICKLE_TEXT || o->kind == RN_PICKLE_OTHER) &&
            o->u.text.size == strlen(key) &&
            memcmp(o->u.text.at, key, o->u.text.size) == 0)
            found = items[i + 1];
    }
    rn_free(items);
    return found;
}

static bool is_number(const struct rn_pickle *p, uint32_t object, int64_t value)
{
    const struct rn_pickle_object *o = rn_pickle_get(p, object);

    return (o->kind == RN_PICKLE_INT || o->kind == RN_PICKLE_BOOL) &&
           o->u.integer == value;
}

/* Whether a type's elements are bytes: its order of bytes is "|", none, and
 * the array has as many bytes as elements. */
static bool is_bytes(const struct rn_pickle *p, uint32_t type)
{
    const struct rn_pickle_object *o = rn_pickle_get(p, type);
    uint32_t parts[2];

    return rn_pickle_opaque_is(p, type, "numpy", "dtype") &&
           o->u.opaque.state &&
           rn_pickle_items(p, o->u.opaque.state, parts, 2) == 2 &&
           rn_pickle_text_is(p, parts[1], "|");
}

/* NumPy's older name for its inside, and the newer one. */
static bool is_array(const struct rn_pickle *p, uint32_t object)
{
    static const char name[] = "_reconstruct";

    return rn_pickle_opaque_is(p, object, "numpy.core.multiarray", name) ||
           rn_pickle_opaque_is(p, object, "numpy._core.multiarray", name);
}

static bool find_pixels(struct file *f)
{
    const struct rn_pickle *p = &f->pickle;
    uint32_t array = find(f, "data"), parts[5], shape[2];
    const struct rn_pickle_object *bytes, *count;

    if (!array || !is_array(p, array) ||
        !rn_pickle_get(p, array)->u.opaque.state ||
        rn_pickle_items(p, rn_pickle_get(p, array)->u.opaque.state, parts, 5) !=
            5 ||
        rn_pickle_items(p, parts[1], shape, 2) != 2 ||
        !is_number(p, shape[1], RN_CIFAR_PIXELS) || !is_bytes(p, parts[2]) ||
        !is_number(p, parts[3], 0))
        return false;
    count = rn_pickle_get(p, shape[0]);
    bytes = rn_pickle_get(p, parts[4]);
    if (count->kind != RN_PICKLE_INT || count->u.integer < 1 ||
        count->u.integer > RN_CIFAR_RECORDS ||
        (bytes->kind != RN_PICKLE_TEXT && bytes->kind != RN_PICKLE_OTHER) ||
        bytes->u.text.size != (size_t)count->u.integer * RN_CIFAR_PIXELS)
        return false;
    f->count = (size_t)count->u.integer;
    f->pixels = bytes->u.text.at;
    return true;
}

static int find_labels(struct file *f, const char *key, struct rn_error *err)
{
    uint32_t list = find(f, key);
    size_t count = 0;

    if (list && rn_pickle_get(&f->pickle, list)->kind == RN_PICKLE_LIST)
        count = rn_pickle_get(&f->pickle, list)->u.items.count;
    if (count != f->count)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': '%s' has %zu labels, expected %zu, one for each "
                       "image",
                       f->path, key, count, f->count);
    f->labels = rn_alloc(count, sizeof(*f->labels));
    if (!f->labels)
        return rn_fail_memory(err, count * sizeof(*f->labels), "labels");
    rn_pickle_items(&f->pickle, list, f->labels, count);
    return RN_OK;
}

static int open_batch(struct file *f, const char *folder, const char *name,
                      const char *key, struct rn_error *err)
{
    int rc = open_file(f, folder, name, err);

    if (!rc && !find_pixels(f))
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': 'data' is not what it is in CIFAR's pickles, an "
                     "array of N x %d bytes",
                     f->path, RN_CIFAR_PIXELS);
    return rc ? rc : find_labels(f, key, err);
}

static int copy_batch(const struct file *f, int classes, uint8_t *pixels,
                      uint16_t *labels, struct rn_error *err)
{
    memcpy(pixels, f->pixels, f->count * RN_CIFAR_PIXELS);
    for (size_t i = 0; i < f->count; i++) {
        const struct rn_pickle_object *o =
            rn_pickle_get(&f->pickle, f->labels[i]);

        if (o->kind != RN_PICKLE_INT || o->u.integer < 0 ||
            o->u.integer >= classes)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': label of image %zu is not a number from 0 to "
                           "%d",
                           f->path, i, classes - 1);
        labels[i] = (uint16_t)o->u.integer;
    }
    return RN_OK;
}

/* ------------------------------------------------------------------- parts */

/* All of a part's files are open at once: their images are counted before room
 * for them is made. */
static int read_part(struct rn_data *data, int which, const char *folder,
                     const char *const *names, const char *key,
                     struct rn_error *err)
{
    struct file files[RN_CIFAR_BATCHES] = {{.path = NULL}};
    size_t total = 0, done = 0;
    int rc = RN_OK;

    for (int i = 0; names[i] && !rc; i++) {
        rc = open_batch(&files[i], folder, names[i], key, err);
        total += files[i].count;
    }
    if (!rc)
        rc = rn_reader_allocate(data, which, total, err);
    for (int i = 0; names[i] && !rc; i++) {
        rc = copy_batch(&files[i], data->classes,
                        data->pixels[which] + done * RN_CIFAR_PIXELS,
                        data->labels[which] + done, err);
        done += files[i].count;
    }
    for (int i = 0; i < RN_CIFAR_BATCHES; i++)
        close_file(&files[i]);
    return rc;
}

/* A copy of each text of a list of as many as there are classes. */
static int copy_names(struct rn_data *data, const struct file *f,
                      const char *key, char **names, struct rn_error *err)
{
    uint32_t list = find(f, key), *items;
    size_t count = (size_t)data->classes;
    int rc = RN_OK;

    if (!list || rn_pickle_get(&f->pickle, list)->kind != RN_PICKLE_LIST ||
        rn_pickle_get(&f->pickle, list)->u.items.count != count)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': '%s' is not a list of %zu names", f->path, key,
                       count);
    items = rn_alloc(count, sizeof(*items));
    if (!items)
        return rn_fail_memory(err, count * sizeof(*items), "class names");
    rn_pickle_items(&f->pickle, list, items, count);
    for (size_t i = 0; i < count && !rc; i++) {
        const struct rn_pickle_object *o = rn_pickle_get(&f->pickle, items[i]);
        bool text = (o->kind == RN_PICKLE_TEXT || o->kind == RN_PICKLE_OTHER) &&
                    o->u.text.size > 0;

        names[i] = text ? rn_alloc(o->u.text.size + 1, 1) : NULL;
        if (names[i])
            memcpy(names[i], o->u.text.at, o->u.text.size);
        else if (text)
            rc = rn_fail_memory(err, o->u.text.size, "class names");
        if (!rc && (!text || strlen(names[i]) != o->u.text.size ||
                    !rn_name_valid(names[i])))
            rc = rn_fail(err, RN_ERR_DATA, "'%s': name %zu of '%s' is no name",
                         f->path, i, key);
    }
    rn_free(items);
    return rc;
}

static int read_names(struct rn_data *data, const char *folder,
                      const struct layout *l, struct rn_error *err)
{
    struct file f = {.path = NULL};
    char **names = rn_alloc((size_t)data->classes + 1, sizeof(*names));
    int rc;

    if (!names)
        return rn_fail_memory(err, (size_t)data->classes, "class names");
    rc = open_file(&f, folder, l->meta, err);
    if (!rc)
        rc = copy_names(data, &f, data->coarse ? l->coarse_names : l->names,
                        names, err);
    close_file(&f);
    if (rc) {
        rn_names_free(names);
        return rc;
    }
    rn_names_free(data->class_names);
    data->class_names = names;
    return RN_OK;
}

int rn_cifar_python_read(struct rn_data *data, const char *folder, bool hundred,
                         const char *const *names, struct rn_error *err)
{
    const struct layout *l = &layouts[hundred];
    const char *key = data->coarse ? l->coarse : l->labels;
    int rc = read_part(data, 0, folder, l->train, key, err);

    if (!rc)
        rc = read_part(data, 1, folder, l->test, key, err);
    if (rc)
        return rc;
    if (rn_reader_has(folder, l->meta))
        return read_names(data, folder, l, err);
    return names ? rn_names_set(data, names, data->classes, err) : RN_OK;
}
