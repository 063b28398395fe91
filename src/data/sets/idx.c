/* SPDX-License-Identifier: BSD-2-Clause */
/* IDX, the format of MNIST (LeCun, Cortes, Burges): two zero bytes, element
 * type, number of dimensions, big-endian sizes, elements. Plain or gzip. */
#include "data/sets/sets.h"

#include "core/count.h"
#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define TYPE_UBYTE 0x08
/* Deflate cannot do better than 1032 to 1 (zlib's technical details). */
#define MAX_RATIO ((size_t)1032)

/* ------------------------------------------------------------ one file */

static int gz_fail(gzFile gz, const char *path, struct rn_error *err)
{
    int code;
    const char *text = gzerror(gz, &code);

    if (code == Z_ERRNO)
        return rn_fail_errno(err, "read", path);
    if (code == Z_MEM_ERROR)
        return rn_fail(err, RN_ERR_MEMORY, "'%s': out of memory", path);
    return rn_fail(err, RN_ERR_DATA, "'%s': damaged gzip data: %s", path, text);
}

/* Read up to `size` bytes, fewer only at the end of the data. */
static int gz_read(gzFile gz, void *to, size_t size, size_t *got,
                   const char *path, struct rn_error *err)
{
    int code;

    *got = 0;
    while (*got < size) {
        size_t left = size - *got, step = left < INT_MAX ? left : INT_MAX;
        int n = gzread(gz, (uint8_t *)to + *got, (unsigned)step);

        if (n < 0)
            return gz_fail(gz, path, err);
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    if (*got == size)
        return RN_OK;
    gzerror(gz, &code); /* a truncated stream ends like a whole one */
    return code == Z_OK || code == Z_STREAM_END ? RN_OK
                                                : gz_fail(gz, path, err);
}

static size_t big_endian(const uint8_t *b)
{
    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 |
           (size_t)b[3];
}

static int check_magic(const uint8_t *magic, const int dims[2],
                       const char *path, struct rn_error *err)
{
    if (magic[0] || magic[1] || magic[2] != TYPE_UBYTE || magic[3] < dims[0] ||
        magic[3] > dims[1])
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' starts with 0x%02x%02x%02x%02x, expected 0x%08x "
                       "(IDX, unsigned bytes, %d dimension%s)",
                       path, magic[0], magic[1], magic[2], magic[3],
                       TYPE_UBYTE << 8 | dims[0], dims[0],
                       dims[1] > dims[0] ? "s or one more"
                       : dims[0] > 1     ? "s"
                                         : "");
    return RN_OK;
}

static int read_header(gzFile gz, const char *path, const int dims[2],
                       struct rn_idx *idx, struct rn_error *err)
{
    uint8_t header[4 + 4 * 4];
    size_t got, want = 4;
    int rc = gz_read(gz, header, 4, &got, path, err);

    if (rc)
        return rc;
    if (got == 4) {
        rc = check_magic(header, dims, path, err);
        if (rc)
            return rc;
        idx->dims = header[3];
        want = 4 * (size_t)idx->dims;
        rc = gz_read(gz, header + 4, want, &got, path, err);
        if (rc)
            return rc;
    }
    if (got < want || !idx->dims)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' ends within its header, expected an IDX file",
                       path);
    for (int i = 0; i < idx->dims; i++)
        idx->dim[i] = big_endian(header + 4 + 4 * i);
    return RN_OK;
}

static const char *dims_text(const struct rn_idx *idx, char *text, size_t size)
{
    size_t at = 0;

    for (int i = 0; i < idx->dims; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%zu", i ? " x " : "",
                               idx->dim[i]);
    return text;
}

/* The announced size, held against what a file of `stored` bytes can hold
 * before memory is taken for it. */
static int check_size(struct rn_idx *idx, bool plain, size_t stored,
                      const char *path, struct rn_error *err)
{
    size_t header = 4 + 4 * (size_t)idx->dims;
    bool fits = true;
    char text[100];

    idx->size = 1;
    for (int i = 0; i < idx->dims; i++)
        fits = fits && rn_size_mul(idx->size, idx->dim[i], &idx->size);
    dims_text(idx, text, sizeof(text));
    if (!fits || !idx->size || idx->size > RN_DATA_MAX_BYTES)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' announces %s bytes, expected 1 to %zu in all",
                       path, text, RN_DATA_MAX_BYTES);
    if (plain && stored != header + idx->size)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' has %zu bytes, expected %zu for %s and a header "
                       "of %zu",
                       path, stored, header + idx->size, text, header);
    if (!plain && idx->size / MAX_RATIO > stored)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' announces %s bytes, more than its %zu bytes of "
                       "gzip can hold",
                       path, text, stored);
    return RN_OK;
}

static int read_body(gzFile gz, const char *path, struct rn_idx *idx,
                     struct rn_error *err)
{
    size_t got, more;
    uint8_t extra;
    char text[100];
    int rc;

    idx->bytes = rn_alloc(idx->size, 1);
    if (!idx->bytes)
        return rn_fail_memory(err, idx->size, path);
    rc = gz_read(gz, idx->bytes, idx->size, &got, path, err);
    if (rc)
        return rc;
    dims_text(idx, text, sizeof(text));
    if (got < idx->size)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' holds %zu bytes, expected %zu for %s", path, got,
                       idx->size, text);
    /* Reading on also makes zlib check the sum at the end. */
    rc = gz_read(gz, &extra, 1, &more, path, err);
    if (!rc && more)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' goes on after %zu bytes, expected no more for %s",
                     path, got, text);
    return rc;
}

int rn_idx_load(int fd, const char *path, const int dims[2], struct rn_idx *idx,
                struct rn_error *err)
{
    struct stat st;

    gzFile gz;
    int rc;

    *idx = (struct rn_idx){0};
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return rn_fail(err, RN_ERR_DATA, "'%s' is not a regular file", path);
    }
    gz = gzdopen(fd, "rb");
    if (!gz) {
        close(fd);
        return rn_fail(err, RN_ERR_MEMORY, "'%s': out of memory", path);
    }
    gzbuffer(gz, 1 << 17);
    rc = read_header(gz, path, dims, idx, err);
    if (!rc)
        rc = check_size(idx, gzdirect(gz), (size_t)st.st_size, path, err);
    if (!rc)
        rc = read_body(gz, path, idx, err);
    gzclose_r(gz);
    if (rc) {
        rn_free(idx->bytes);
        idx->bytes = NULL;
    }
    return rc;
}

/* -------------------------------------------------------- a pair of files */

static const int image_dims[2] = {3, 4}, label_dims[2] = {1, 1};

/* Name of the file "STEM-idxN-ubyte", "STEM.idxN-ubyte" or either with .gz,
 * N within dims, that is in the folder. */
static bool find(const char *folder, const char *stem, const int dims[2],
                 char name[64])
{
    static const char *const form[][2] = {
        {"-", ""}, {".", ""}, {"-", ".gz"}, {".", ".gz"}};

    for (int n = dims[0]; n <= dims[1]; n++) {
        for (size_t i = 0; i < COUNT(form); i++) {
            snprintf(name, 64, "%s%sidx%d-ubyte%s", stem, form[i][0], n,
                     form[i][1]);
            if (rn_reader_has(folder, name))
                return true;
        }
    }
    return false;
}

/* Stems of the files of the training part (0) and the test part (1). */
static const char *const image_stem[2] = {"train-images", "t10k-images"};
static const char *const label_stem[2] = {"train-labels", "t10k-labels"};

static int load(const char *folder, const char *stem, const int dims[2],
                char **path, struct rn_idx *idx, struct rn_error *err)
{
    char name[64];
    int fd;

    if (!find(folder, stem, dims, name))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s/%s-idx%d-ubyte' is missing (also looked for with "
                       "'.idx%d' and .gz)",
                       folder, stem, dims[0], dims[0]);
    *path = rn_path_join(folder, name);
    if (!*path)
        return rn_fail_memory(err, strlen(folder), "a file name");
    fd = open(*path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return rn_fail_errno(err, "open", *path);
    return rn_idx_load(fd, *path, dims, idx, err);
}

/* Shape of the images; those of the test part must be as the training's. */
static int take_shape(struct rn_data *data, int which, const char *path,
                      const struct rn_idx *idx, struct rn_error *err)
{
    size_t c = idx->dims == 4 ? idx->dim[1] : 1, h = idx->dim[idx->dims - 2],
           w = idx->dim[idx->dims - 1];
    struct rn_shape *shape = &data->shape;

    if (idx->dim[0] > INT_MAX || idx->size / idx->dim[0] > RN_DATA_MAX_IMAGE)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' has %zu images of %zux%zux%zu, expected at most "
                       "%d of %zu bytes",
                       path, idx->dim[0], c, h, w, INT_MAX, RN_DATA_MAX_IMAGE);
    if (which == 0)
        *shape = (struct rn_shape){(int)c, (int)h, (int)w};
    if (c != (size_t)shape->c || h != (size_t)shape->h || w != (size_t)shape->w)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' has images of %zux%zux%zu, expected %dx%dx%d as "
                       "in the training part",
                       path, c, h, w, shape->c, shape->h, shape->w);
    return RN_OK;
}

static int take_labels(struct rn_data *data, int which, const uint8_t *bytes,
                       size_t count, struct rn_error *err)
{
    uint16_t *labels = rn_alloc(count, sizeof(*labels));

    if (!labels)
        return rn_fail_memory(err, count * sizeof(*labels), "labels");
    for (size_t i = 0; i < count; i++)
        labels[i] = bytes[i];
    data->labels[which] = labels;
    return RN_OK;
}

static int read_part(struct rn_data *data, int which, const char *folder,
                     char **label_path, struct rn_error *err)
{
    struct rn_idx images = {0}, labels = {0};
    char *path = NULL;
    int rc = load(folder, image_stem[which], image_dims, &path, &images, err);

    if (!rc)
        rc = load(folder, label_stem[which], label_dims, label_path, &labels,
                  err);
    if (!rc && labels.dim[0] != images.dim[0])
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' has %zu labels, expected %zu, one for each image "
                     "of '%s'",
                     *label_path, labels.dim[0], images.dim[0], path);
    if (!rc)
        rc = take_shape(data, which, path, &images, err);
    if (!rc)
        rc = take_labels(data, which, labels.bytes, labels.size, err);
    if (!rc) {
        data->pixels[which] = images.bytes;
        images.bytes = NULL;
        data->part[which ? RN_PART_TEST : RN_PART_TRAIN] =
            (struct rn_images){(int)images.dim[0],
                               data->pixels[which],
                               data->labels[which],
                               NULL,
                               NULL,
                               NULL};
    }
    rn_free(images.bytes);
    rn_free(labels.bytes);
    rn_free(path);
    return rc;
}

/* ----------------------------------------------------------------- classes */

static int largest_label(const struct rn_images *part)
{
    int largest = 0;

    for (int i = 0; i < part->count; i++)
        largest = part->labels[i] > largest ? part->labels[i] : largest;
    return largest;
}

static const char *const fashion_names[] = {
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
static const char *const digit_names[] = {"0", "1", "2", "3", "4",
                                          "5", "6", "7", "8", "9"};

/* Whether a component of the path is `name`, in whatever case. */
static bool has_component(const char *path, const char *name)
{
    size_t length = strlen(name);

    for (const char *s = path; (s = rn_find_word(s, name)); s++)
        if ((s == path || s[-1] == '/') && (!s[length] || s[length] == '/'))
            return true;
    return false;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Whether a path speaks of fashion, or of FashionMNIST, but not of what is
 * old-fashioned. */
static bool has_fashion(const char *path)
{
    const char *word = "fashion";

    for (const char *s = path; (s = rn_find_word(s, word)); s++) {
        const char *after = s + strlen(word);

        if ((s == path || !is_letter(s[-1])) &&
            (!is_letter(*after) || rn_find_word(after, "mnist") == after))
            return true;
    }
    return false;
}

/* IDX files carry no names, but two sets of ten classes are told by where
 * they lie: Fashion-MNIST (Xiao et al. 2017) and MNIST itself. */
static int guess_names(struct rn_data *data, const char *folder,
                       struct rn_error *err)
{
    char *real = realpath(folder, NULL);
    const char *path = real ? real : folder;
    const char *const *names = NULL;

    if (has_fashion(path))
        names = fashion_names;
    else if (has_component(path, "mnist"))
        names = digit_names;
    free(real);
    return names && data->classes == 10 ? rn_names_set(data, names, 10, err)
                                        : RN_OK;
}

/* Names and number of classes from classes.txt; labels must agree. */
static int read_names(struct rn_data *data, const char *folder,
                      char *const label_path[2], struct rn_error *err)
{
    char *path = rn_path_join(folder, "classes.txt");
    int rc;

    if (!path)
        return rn_fail_memory(err, strlen(folder), "a file name");
    rc = rn_names_read(data, path, &data->classes, err);
    if (!rc && data->classes > UINT16_MAX)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' names %d classes, expected at most %d", path,
                     data->classes, UINT16_MAX);
    for (int i = 0; i < 2 && !rc; i++) {
        const struct rn_images *part =
            &data->part[i ? RN_PART_TEST : RN_PART_TRAIN];

        rc = rn_reader_check_labels(part->labels, (size_t)part->count,
                                    data->classes, label_path[i], err);
    }
    rn_free(path);
    return rc;
}

static int read_classes(struct rn_data *data, const char *folder,
                        char *const label_path[2], struct rn_error *err)
{
    int train = largest_label(&data->part[RN_PART_TRAIN]);
    int test = largest_label(&data->part[RN_PART_TEST]);

    data->classes = 1 + (train > test ? train : test);
    if (rn_reader_has(folder, "classes.txt"))
        return read_names(data, folder, label_path, err);
    return guess_names(data, folder, err);
}

/* ------------------------------------------------------------------ folder */

static bool has_part(const char *folder, int which)
{
    char name[64];

    return find(folder, image_stem[which], image_dims, name) ||
           find(folder, label_stem[which], label_dims, name);
}

static bool recognise(const char *path)
{
    return has_part(path, 0) || has_part(path, 1);
}

static int read_folder(struct rn_data *data, const char *path,
                       struct rn_error *err)
{
    char *label_path[2] = {NULL, NULL};
    int rc;

    data->format = "idx";
    rc = read_part(data, 0, path, &label_path[0], err);
    if (!rc && has_part(path, 1))
        rc = read_part(data, 1, path, &label_path[1], err);
    if (!rc)
        rc = read_classes(data, path, label_path, err);
    rn_free(label_path[0]);
    rn_free(label_path[1]);
    return rc;
}

const struct rn_reader rn_reader_idx = {"idx", recognise, read_folder};
