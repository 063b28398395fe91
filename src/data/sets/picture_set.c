/* SPDX-License-Identifier: BSD-2-Clause */
/* Gathers a part's picture files, and fetches them when they are wanted. */
#include "data/sets/picture_set.h"
#include "data/sets/sets.h"

#include "core/count.h"
#include "core/file.h"
#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------- parts */

int rn_picture_set_add(struct rn_picture_set *set, const char *path, size_t key,
                       int label, struct rn_error *err)
{
    /* Room for the NULL behind the last one, too. */
    if (set->count >= INT32_MAX ||
        !rn_grow(&set->files, &set->file_room, set->count + 1,
                 sizeof(*set->files)) ||
        !rn_grow(&set->labels, &set->label_room, set->count,
                 sizeof(*set->labels)) ||
        !rn_grow(&set->keys, &set->key_room, set->count, sizeof(*set->keys)) ||
        !(set->files[set->count] = rn_strdup(path)))
        return rn_fail_memory(err, strlen(path), "a list of pictures");
    set->keys[set->count] = (uint32_t)key;
    set->labels[set->count++] = (uint16_t)label;
    return RN_OK;
}

int rn_picture_set_classes(struct rn_picture_set *set, struct rn_data *data,
                           const uint16_t *classes, size_t count,
                           struct rn_error *err)
{
    if (data->n_members + count >= UINT32_MAX ||
        !rn_grow(&set->sets, &set->set_room, set->count - 1,
                 sizeof(*set->sets)) ||
        !rn_grow(&data->members, &data->member_room, data->n_members + count,
                 sizeof(*data->members)))
        return rn_fail_memory(err, count * sizeof(*classes),
                              "classes of pictures");
    set->sets[set->count - 1] = (uint32_t)data->n_members;
    data->members[data->n_members++] = (uint16_t)count;
    for (size_t i = 0; i < count; i++)
        data->members[data->n_members++] = classes[i];
    return RN_OK;
}

void rn_picture_set_free(struct rn_picture_set *set)
{
    rn_names_free(set->files);
    rn_free(set->labels);
    rn_free(set->keys);
    rn_free(set->sets);
    memset(set, 0, sizeof(*set));
}

void rn_picture_set_move(struct rn_picture_set *set, struct rn_data *data,
                         enum rn_part part)
{
    /* Owned memory is kept as training, test, validation. */
    static const int place[] = {
        [RN_PART_TRAIN] = 0, [RN_PART_TEST] = 1, [RN_PART_VALIDATION] = 2};
    int at = place[part];

    data->files[at] = set->files;
    data->labels[at] = set->labels;
    data->keys[at] = set->keys;
    data->sets[at] = set->sets;
    data->part[part] = (struct rn_images){
        (int)set->count, NULL, set->labels, set->files, set->keys, set->sets};
    memset(set, 0, sizeof(*set));
}

int rn_picture_folder_has(const struct rn_data *data, const char *folder,
                          const char *name, bool *has, struct rn_error *err)
{
    char *path = rn_path_join(folder, name);

    if (!path)
        return rn_fail_memory(err, strlen(folder), "a file name");
    *has = rn_files_is_file(&data->source, path);
    rn_free(path);
    return RN_OK;
}

/* -------------------------------------------------------------- fetching */

/* A view of a picture that is being decoded. */
struct sight {
    const struct rn_view *view;
    struct rn_placement place;
    bool placed;
};

/* How many times smaller the picture may be and still have a pixel or more
 * for each of what it is resized to. */
static int reduce(void *user, int width, int height)
{
    struct sight *s = user;
    int times = 1;

    rn_view_place(s->view, width, height, &s->place);
    s->placed = true;
    while (times < 8 && width / (2 * times) >= s->place.width &&
           height / (2 * times) >= s->place.height)
        times *= 2;
    return times;
}

static int fetch(const struct rn_data *data, enum rn_part part, uint32_t index,
                 const struct rn_view *view, uint8_t *pixels,
                 struct rn_error *err)
{
    const char *file = data->part[part].files[index];
    struct sight sight = {.view = view};
    struct rn_error why = {0};
    struct rn_image picture;
    int rc =
        rn_picture_load(&data->source, file, view->flags,
                        view->reduce ? reduce : NULL, &sight, &picture, err);

    if (rc)
        return rc;
    if (sight.placed)
        rc = rn_view_apply_at(view, &sight.place, &picture, pixels, &why);
    else
        rc = rn_view_apply(view, &picture, pixels, &why);
    rn_image_free(&picture);
    return rc ? rn_fail(err, rc, "'%s': %.300s", file, why.msg) : RN_OK;
}

int rn_picture_probe(const struct rn_data *data, enum rn_part part, int index,
                     struct rn_error *err)
{
    const char *file = data->part[part].files[index];
    uint8_t head[RN_IMAGE_HEAD];
    size_t size;
    int rc = rn_files_peek(&data->source, file, head, sizeof(head), &size, err);

    return rc ? rc : rn_image_probe(file, head, size, err);
}

/* What cannot be looked at is told of when it is read. */
static int64_t size_of(const struct rn_data *data, const char *file)
{
    struct rn_entry entry;

    return rn_files_look(&data->source, file, &entry, NULL) ? -1 : entry.size;
}

/* What tells a picture from others of its data set: its path from below DATA
 * on. A list may name files that lie elsewhere, or there by their full path. */
static const char *name_below(const struct rn_data *data, const char *path)
{
    const char *const roots[] = {data->spec, data->real};

    for (size_t i = 0; i < COUNT(roots); i++) {
        size_t length = roots[i] ? strlen(roots[i]) : 0;

        if (length && strncmp(path, roots[i], length) == 0)
            return path + length;
    }
    return path;
}

/* An image that has one class sums up as it did before there were sets. */
static uint64_t sum_set(const struct rn_data *data, enum rn_part part,
                        int index, uint64_t sum)
{
    const uint16_t *classes;
    int count = rn_data_set(data, part, index, &classes);

    if (count != 1)
        sum = rn_checksum(sum, &count, sizeof(count));
    return rn_checksum(sum, classes, (size_t)count * sizeof(*classes));
}

static uint64_t sum_all(const struct rn_data *data)
{
    uint64_t sum = rn_checksum(0, &data->classes, sizeof(data->classes));

    for (int i = 0; i < 3; i++) {
        const struct rn_images *part = &data->part[i];

        sum = rn_checksum(sum, &part->count, sizeof(part->count));
        for (int j = 0; j < part->count; j++) {
            const char *name = name_below(data, part->files[j]);
            int64_t size = size_of(data, part->files[j]);

            sum = rn_checksum(sum, name, strlen(name));
            sum = rn_checksum(sum, &size, sizeof(size));
            sum = sum_set(data, (enum rn_part)i, j, sum);
        }
    }
    return sum;
}

/* rn_checksum() leaves what names begin with in the upper bits. */
static uint64_t spread(uint64_t x)
{
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
    return x ^ x >> 33;
}

/* The same in whatever order the classes are. */
static uint64_t sum_training(const struct rn_data *data)
{
    const struct rn_images *train = &data->part[RN_PART_TRAIN];
    uint64_t sum = (uint64_t)train->count;

    for (int i = 0; i < train->count; i++) {
        const char *key = train->files[i] + train->key[i];
        const char *class = rn_data_class_id(data, train->labels[i]);
        int64_t size = size_of(data, train->files[i]);
        uint64_t one = rn_checksum(0, key, strlen(key));

        one = class && !data->several ? rn_checksum(one, class, strlen(class))
                                      : sum_set(data, RN_PART_TRAIN, i, one);
        sum += spread(rn_checksum(one, &size, sizeof(size)));
    }
    return sum;
}

void rn_picture_data_finish(struct rn_data *data)
{
    data->checksum = sum_all(data);
    data->training = sum_training(data);
    data->shape = (struct rn_shape){3, 0, 0};
    data->fetch = fetch;
}

/* ------------------------------------------------------------- held out */

/* Picture r of a class of n, in an order of its own, stands at (r + 1/2) / n
 * of the whole: so the end of the whole holds all classes in proportion. */
struct stand {
    double at;
    uint64_t order; /* of the name: other pictures do not change it */
    uint64_t tie;   /* which of several classes' comes first at a place */
    uint16_t label;
    uint32_t index;
};

static int compare_index(const struct stand *x, const struct stand *y)
{
    return x->index < y->index ? -1 : 1;
}

static int by_class(const void *a, const void *b)
{
    const struct stand *x = a, *y = b;

    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return compare_index(x, y);
}

static int by_place(const void *a, const void *b)
{
    const struct stand *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    if (x->tie != y->tie)
        return x->tie < y->tie ? -1 : 1;
    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    return compare_index(x, y);
}

/* A function of what a picture is known by, whatever else there is. */
static uint64_t order_of(const struct rn_data *data, int i, uint64_t seed)
{
    const struct rn_images *train = &data->part[RN_PART_TRAIN];
    const char *name = train->files[i] + train->key[i];
    uint64_t sum = rn_checksum(0, &seed, sizeof(seed));

    if (data->rule != RN_RULE_FIRST)
        return spread(rn_checksum(sum, name, strlen(name)));
    name = name_below(data, train->files[i]);
    return rn_checksum(sum, name, strlen(name));
}

/* How many pictures from `stands` on are of one class. */
static size_t class_size(const struct stand *stands, size_t left)
{
    size_t n = 1;

    while (n < left && stands[n].label == stands[0].label)
        n++;
    return n;
}

/* Whether copies of a picture stay together. */
static bool keeps_copies(const struct rn_data *data)
{
    return data->rule >= RN_RULE_COPIES;
}

static void place_all(const struct rn_data *data, uint64_t seed,
                      struct stand *stands)
{
    const struct rn_images *train = &data->part[RN_PART_TRAIN];
    size_t count = (size_t)train->count, n;

    for (size_t i = 0; i < count; i++) {
        stands[i].order = order_of(data, (int)i, seed);
        stands[i].label = train->labels[i];
        /* Names of classes are part of the pictures', their order is not. */
        if (data->rule != RN_RULE_FIRST)
            stands[i].tie = stands[i].order;
        stands[i].index = (uint32_t)i;
    }
    qsort(stands, count, sizeof(*stands), by_class);
    for (size_t first = 0; first < count; first += n) {
        n = class_size(stands + first, count - first);
        for (size_t r = 0; r < n; r++) {
            struct stand *s = &stands[first + r];

            s->at = ((double)r + 0.5) / (double)n;
            if (r && s->order == s[-1].order && keeps_copies(data))
                s->at = s[-1].at;
        }
    }
    qsort(stands, count, sizeof(*stands), by_place);
}

/* `files`, `labels`, `keys` and `sets` have room for the training part's. */
static void reorder(const struct rn_images *train, const struct stand *stands,
                    char **files, uint16_t *labels, uint32_t *keys,
                    uint32_t *sets)
{
    size_t n = (size_t)train->count;

    for (size_t i = 0; i < n; i++) {
        files[i] = train->files[stands[i].index];
        labels[i] = train->labels[stands[i].index];
        keys[i] = train->key[stands[i].index];
        if (train->set)
            sets[i] = train->set[stands[i].index];
    }
    memcpy(train->files, files, n * sizeof(*files));
    memcpy(train->labels, labels, n * sizeof(*labels));
    memcpy(train->key, keys, n * sizeof(*keys));
    if (train->set)
        memcpy(train->set, sets, n * sizeof(*sets));
}

int rn_pictures_copies(const struct rn_data *data, int count)
{
    const struct rn_images *train = &data->part[RN_PART_TRAIN];
    int n = train->count;

    while (keeps_copies(data) && count > 0 && count < n &&
           strcmp(train->files[n - count - 1], train->files[n - count]) == 0)
        count++;
    return count;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A training picture that is among the sorted names of others, or -1. */
static int find_shared(const struct rn_data *data, const char *const *names,
                       size_t count)
{
    const struct rn_images *train = &data->part[RN_PART_TRAIN];

    for (int i = 0; i < train->count; i++) {
        const char *name = name_below(data, train->files[i]);

        if (bsearch(&name, names, count, sizeof(*names), by_name))
            return i;
    }
    return -1;
}

/* Pictures are held out by the names they are listed under, which a new rule
 * alone could change. */
int rn_pictures_check_sides(const struct rn_data *data, struct rn_error *err)
{
    const struct rn_images *out = &data->part[RN_PART_VALIDATION];
    size_t n = (size_t)out->count;
    const char **names;
    int shared;

    if (!keeps_copies(data) || strcmp(data->format, "list") != 0)
        return RN_OK;
    names = rn_alloc(n + 1, sizeof(*names));
    if (!names)
        return rn_fail_memory(err, n * sizeof(*names), "holding out pictures");
    for (size_t i = 0; i < n; i++)
        names[i] = name_below(data, out->files[i]);
    qsort(names, n, sizeof(*names), by_name);
    shared = find_shared(data, names, n);
    rn_free(names);
    if (shared < 0)
        return RN_OK;
    return rn_fail(err, RN_ERR_DATA,
                   "'%s' is listed under two names, by which one would be "
                   "trained on and the other held out for validation: list it "
                   "under one",
                   data->part[RN_PART_TRAIN].files[shared]);
}

int rn_pictures_mix(struct rn_data *data, uint64_t seed, struct rn_error *err)
{
    const struct rn_images *train = &data->part[RN_PART_TRAIN];
    size_t n = (size_t)train->count;
    struct stand *stands = rn_alloc(n, sizeof(*stands));
    uint16_t *labels = rn_alloc(n, sizeof(*labels));
    uint32_t *keys = rn_alloc(n, sizeof(*keys));
    uint32_t *sets = rn_alloc(n, sizeof(*sets));
    char **files = rn_alloc(n, sizeof(*files));
    int rc = RN_OK;

    if (stands && labels && keys && sets && files) {
        place_all(data, seed, stands);
        reorder(train, stands, files, labels, keys, sets);
    } else {
        rc = rn_fail_memory(err, n * sizeof(*stands), "holding out pictures");
    }
    rn_free(stands);
    rn_free(labels);
    rn_free(keys);
    rn_free(sets);
    rn_free(files);
    return rc;
}
