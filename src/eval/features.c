/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of embeddings: NumPy's .npy with the names beside it, or CSV. */
#include "core/csv.h"
#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "eval/report.h"

#include <limits.h>
#include <string.h>

/* The head of a .npy file: magic, version 1.0, length and a dictionary, filled
 * up with blanks to a multiple of 64. It is rewritten once the number of rows
 * is known. */
#define HEAD 128

struct rn_features {
    struct rn_writer file;
    struct rn_writer names; /* of .npy */
    bool csv;
    int shape[3];
    size_t values, rows;
};

/* -------------------------------------------------------------- the head */

static void make_head(const struct rn_features *f, char head[HEAD])
{
    static const char magic[] = "\x93NUMPY\x01";
    int n;

    memset(head, ' ', HEAD);
    memcpy(head, magic, sizeof(magic) - 1);
    head[7] = 0;
    head[8] = HEAD - 10;
    head[9] = 0;
    n = snprintf(head + 10, HEAD - 10,
                 "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %d",
                 f->rows, f->shape[0]);
    if (f->shape[1] != 1 || f->shape[2] != 1)
        n += snprintf(head + 10 + n, (size_t)(HEAD - 10 - n), ", %d, %d",
                      f->shape[1], f->shape[2]);
    n += snprintf(head + 10 + n, (size_t)(HEAD - 10 - n), "), }");
    head[10 + n] = ' ';
    head[HEAD - 1] = '\n';
}

static int write_head(struct rn_features *f, struct rn_error *err)
{
    char head[HEAD];

    make_head(f, head);
    if (fseek(f->file.file, 0, SEEK_SET) != 0)
        return rn_fail_errno(err, "write", f->file.path);
    return rn_writer_write(&f->file, head, HEAD, err);
}

static void write_csv_head(struct rn_features *f)
{
    fputs("file", f->file.file);
    for (size_t i = 0; i < f->values; i++)
        fprintf(f->file.file, ",%zu", i);
    putc('\n', f->file.file);
}

/* ---------------------------------------------------------------- opening */

static bool ends_in(const char *path, const char *ending)
{
    size_t length = strlen(path), n = strlen(ending);

    return length > n && strcmp(path + length - n, ending) == 0;
}

static int open_names(struct rn_features *f, const char *path,
                      struct rn_error *err)
{
    size_t size = strlen(path) + sizeof ".names.txt";
    char *names = rn_alloc(size, 1);
    int rc;

    if (!names)
        return rn_fail_memory(err, size, "a file name");
    snprintf(names, size, "%s.names.txt", path);
    rc = rn_writer_open(&f->names, names, err);
    rn_free(names);
    return rc;
}

int rn_features_create(struct rn_features **out, const char *path,
                       const int shape[3], struct rn_error *err)
{
    bool csv = ends_in(path, ".csv");
    struct rn_features *f;
    size_t values = 1;
    int rc;

    *out = NULL;
    if (!csv && !ends_in(path, ".npy"))
        return rn_fail(
            err, RN_ERR_ARG,
            "'%s': rows of numbers go into a file that ends in .npy or "
            ".csv",
            path);
    for (int i = 0; i < 3; i++)
        if (shape[i] < 1 || !rn_size_mul(values, (size_t)shape[i], &values) ||
            values > INT_MAX)
            return rn_fail(err, RN_ERR_ARG,
                           "'%s': rows of %d x %d x %d numbers", path, shape[0],
                           shape[1], shape[2]);
    f = rn_alloc(1, sizeof(*f));
    if (!f)
        return rn_fail_memory(err, sizeof(*f), "a file of embeddings");
    f->csv = csv;
    memcpy(f->shape, shape, sizeof(f->shape));
    f->values = values;
    rc = rn_writer_open(&f->file, path, err);
    if (!rc && csv)
        write_csv_head(f);
    if (!rc && !csv)
        rc = write_head(f, err);
    if (!rc && !csv)
        rc = open_names(f, path, err);
    if (rc) {
        rn_features_abort(f);
        return rc;
    }
    *out = f;
    return RN_OK;
}

/* ---------------------------------------------------------------- writing */

/* A line each: a line break within a name becomes \n. */
static void write_name(FILE *out, const char *name)
{
    for (; *name; name++) {
        if (*name == '\n')
            fputs("\\n", out);
        else
            putc(*name, out);
    }
    putc('\n', out);
}

int rn_features_add(struct rn_features *f, const char *name,
                    const float *values, struct rn_error *err)
{
    f->rows++;
    if (!f->csv) {
        write_name(f->names.file, name);
        return rn_writer_write(&f->file, values, f->values * sizeof(*values),
                               err);
    }
    rn_print_csv(f->file.file, name);
    for (size_t i = 0; i < f->values; i++)
        rn_print(f->file.file, ",%.9g", (double)values[i]);
    putc('\n', f->file.file);
    if (ferror(f->file.file))
        return rn_fail_errno(err, "write", f->file.path);
    return RN_OK;
}

int rn_features_finish(struct rn_features *f, struct rn_error *err)
{
    int rc = f->csv ? RN_OK : write_head(f, err);

    if (!rc)
        rc = rn_writer_settle(&f->file, err);
    if (!rc && !f->csv)
        rc = rn_writer_settle(&f->names, err);
    if (!rc)
        rc = rn_writer_commit(&f->file, err);
    if (!rc && !f->csv)
        rc = rn_writer_commit(&f->names, err);
    rn_features_abort(f);
    return rc;
}

void rn_features_abort(struct rn_features *f)
{
    if (!f)
        return;
    rn_writer_abort(&f->file);
    rn_writer_abort(&f->names);
    rn_free(f);
}
