/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides which folders are parts and which are classes; two readings are
 * refused. */
#include "data/sets/layout.h"

#include "core/count.h"
#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "data/archives/archive.h"
#include "data/sets/contents.h"
#include "data/sets/list.h"
#include "data/sets/mount.h"
#include "data/sets/part_names.h"
#include "data/pictures/named.h"
#include "data/remarks.h"

#include <string.h>

void rn_layout_free(struct rn_layout *l)
{
    for (int i = 0; i < 3; i++)
        rn_free(l->folder[i]);
    rn_free(l->inner);
    *l = (struct rn_layout){{NULL}, NULL};
}

/* All in one folder. */
static int take_whole(struct rn_layout *l, const char *path,
                      struct rn_error *err)
{
    rn_layout_free(l);
    l->folder[RN_PART_TRAIN] = rn_strdup(path);
    return l->folder[RN_PART_TRAIN]
               ? RN_OK
               : rn_fail_memory(err, strlen(path), "a file name");
}

/* -------------------------------------------------------- the first rule */

static int first_parts(struct rn_layout *l, struct rn_data *data,
                       const char *path, struct rn_error *err)
{
    int rc = RN_OK;

    for (const struct rn_part_name *n = rn_first_names; n->name && !rc; n++) {
        char **place = &l->folder[n->part];
        char *folder = rn_path_join(path, n->name);
        struct rn_entry entry = {.kind = RN_ENTRY_OTHER};

        rc = folder ? rn_picture_mount(data, folder, err)
                    : rn_fail_memory(err, strlen(path), "a file name");
        if (!rc)
            rc = rn_content_look(&data->source, folder, &entry, err);
        if (rc || *place || entry.kind != RN_ENTRY_FOLDER)
            rn_free(folder);
        else
            *place = folder;
    }
    return rc;
}

/* Without train/ the names of parts are classes' names, unless there are no
 * others. */
static int only_parts(const struct rn_data *data, const char *path, bool *only,
                      struct rn_error *err)
{
    struct rn_contents c;
    enum rn_content what;
    int rc = rn_contents_read(&c, &data->source, path, err);

    if (rc)
        return rc;
    what = c.count[RN_CONTENT_FOLDER] ? RN_CONTENT_FOLDER : RN_CONTENT_ARCHIVE;
    *only = true;
    for (size_t i = 0; c.name[i]; i++) {
        if (c.what[i] != what)
            continue;
        if (what == RN_CONTENT_ARCHIVE)
            c.name[i][rn_archive_stem(c.name[i])] = '\0';
        *only = *only && rn_part_named(data, c.name[i]);
    }
    rn_contents_free(&c);
    return RN_OK;
}

static int find_by_first(struct rn_layout *l, struct rn_data *data,
                         const char *path, struct rn_error *err)
{
    bool only;
    int rc = first_parts(l, data, path, err);

    if (rc || l->folder[RN_PART_TRAIN])
        return rc;
    rc = only_parts(data, path, &only, err);
    if (rc ||
        (only && (l->folder[RN_PART_VALIDATION] || l->folder[RN_PART_TEST])))
        return rc;
    return take_whole(l, path, err);
}

/* -------------------------------------------------- what is in a folder */

enum shape {
    EMPTY,  /* nothing that counts, however deep */
    FLAT,   /* pictures */
    NESTED, /* folders of pictures, archives, or a list, pictures or not */
    MIXED,  /* pictures and folders of them, without a list */
};

#define DEEPEST 16

static int look(const struct rn_files *files, const char *path,
                const struct rn_above *up, enum shape *shape,
                struct rn_error *err);

/* Whether one of a folder's names makes it nested; a picture is told by its
 * name where another one was seen. What leads nowhere is nothing here: it is
 * told of where it would be a class or a part. */
static int look_at(const struct rn_files *files, const char *folder,
                   const char *name, const struct rn_above *up, bool *flat,
                   bool *nested, struct rn_error *err)
{
    enum rn_content content = RN_CONTENT_OTHER;
    enum shape inner = EMPTY;
    struct rn_error why = {0};
    char *path;
    int rc;

    if (*flat && rn_picture_named(name))
        return RN_OK;
    rc = rn_content_of(files, folder, name, &content, &why);
    if (rc == RN_ERR_IO)
        rc = RN_OK;
    else if (rc)
        rn_fail(err, rc, "%s", why.msg);
    *flat = *flat || content == RN_CONTENT_PICTURE;
    *nested = *nested || content == RN_CONTENT_ARCHIVE;
    if (rc || content != RN_CONTENT_FOLDER || *nested)
        return rc;
    path = rn_path_join(folder, name);
    rc = path ? look(files, path, up, &inner, err)
              : rn_fail_memory(err, strlen(folder), "a file name");
    *nested = inner != EMPTY;
    rn_free(path);
    return rc;
}

static bool have_list(char *const *names)
{
    while (*names && !rn_picture_list_named(*names))
        names++;
    return *names != NULL;
}

/* `up` is the chain above it. */
static int look(const struct rn_files *files, const char *path,
                const struct rn_above *up, enum shape *shape,
                struct rn_error *err)
{
    static const enum shape shapes[2][2] = {{EMPTY, NESTED}, {FLAT, MIXED}};
    struct rn_above here;
    bool flat = false, nested = false, list;
    struct rn_error ignored = {0};
    struct rn_entry entry;
    char **names;
    int rc = RN_OK;

    *shape = EMPTY;
    /* What cannot be read is told of when it is read for its pictures. */
    if ((up && up->depth >= DEEPEST) ||
        rn_files_look(files, path, &entry, &ignored) ||
        rn_files_leads_back(up, &entry) ||
        rn_files_list(files, path, &names, &ignored))
        return ignored.code != RN_ERR_MEMORY
                   ? RN_OK
                   : rn_fail_memory(err, strlen(path), "a folder's names");
    here = rn_files_go_into(up, &entry);
    list = have_list(names);
    for (size_t i = 0; names[i] && !rc && !list && !(flat && nested); i++)
        rc = look_at(files, path, names[i], &here, &flat, &nested, err);
    rn_files_list_free(names);
    *shape = list ? NESTED : shapes[flat][nested];
    return rc;
}

/* --------------------------------------------------------------- entries */

/* What lies in the folder of a data set. */
struct entries {
    struct entry {
        char *name; /* of an archive without its ending */
        int part;   /* that it is called like, or RN_NO_PART */
        enum shape shape;
    } * entry;
    size_t count, room;
    size_t parts;    /* entries called like parts */
    size_t archives; /* that are not */
    size_t pictures;
    char *picture; /* the first of them */
};

static void entries_free(struct entries *e)
{
    for (size_t i = 0; i < e->count; i++)
        rn_free(e->entry[i].name);
    rn_free(e->entry);
    rn_free(e->picture);
}

static int add_entry(struct entries *e, const char *name, struct rn_error *err)
{
    struct entry entry = {.part = rn_part_of(name)};

    if (!rn_grow(&e->entry, &e->room, e->count, sizeof(*e->entry)) ||
        !(entry.name = rn_strdup(name)))
        return rn_fail_memory(err, strlen(name), "a file name");
    e->entry[e->count++] = entry;
    e->parts += entry.part != RN_NO_PART;
    return RN_OK;
}

static bool has_entry(const struct entries *e, const char *name)
{
    for (size_t i = 0; i < e->count; i++)
        if (strcmp(e->entry[i].name, name) == 0)
            return true;
    return false;
}

/* An archive called like a part stands for it, unless that is there: in the
 * order of names it came before. */
static int add_archive(struct entries *e, struct rn_data *data,
                       const char *path, char *name, struct rn_error *err)
{
    char *folder;
    int rc;

    name[rn_archive_stem(name)] = '\0';
    if (rn_part_of(name) == RN_NO_PART) {
        e->archives++;
        return RN_OK;
    }
    if (has_entry(e, name))
        return RN_OK;
    folder = rn_path_join(path, name);
    rc = folder ? rn_picture_mount(data, folder, err)
                : rn_fail_memory(err, strlen(path), "a file name");
    rn_free(folder);
    return rc ? rc : add_entry(e, name, err);
}

static int say_run(struct rn_data *data, const char *path, const char *name,
                   struct rn_error *err)
{
    char *folder = rn_path_join(path, name);
    int rc = RN_OK;

    if (!folder)
        return rn_fail_memory(err, strlen(path), "a file name");
    if (rn_is_run_folder(&data->source, folder))
        rc = rn_remark_add(data->source.remarks, err,
                           "left out: '%s', which holds a run", folder);
    rn_free(folder);
    return rc;
}

static int sort_in(struct entries *e, struct rn_data *data, const char *path,
                   char *name, struct rn_error *err)
{
    enum rn_content content = RN_CONTENT_OTHER;
    int rc = rn_content_of(&data->source, path, name, &content, err);

    if (rc)
        return rc;
    switch (content) {
    case RN_CONTENT_FOLDER:
        return add_entry(e, name, err);
    case RN_CONTENT_ARCHIVE:
        return add_archive(e, data, path, name, err);
    case RN_CONTENT_PICTURE:
        if (!e->pictures++ && !(e->picture = rn_strdup(name)))
            return rn_fail_memory(err, strlen(name), "a file name");
        return RN_OK;
    default:
        return say_run(data, path, name, err);
    }
}

static int look_at_entries(struct entries *e, const struct rn_data *data,
                           const char *path, struct rn_error *err)
{
    int rc = RN_OK;

    for (size_t i = 0; i < e->count && !rc; i++) {
        char *folder = rn_path_join(path, e->entry[i].name);

        rc = folder ? look(&data->source, folder, NULL, &e->entry[i].shape, err)
                    : rn_fail_memory(err, strlen(path), "a file name");
        rn_free(folder);
    }
    return rc;
}

static int read_entries(struct entries *e, struct rn_data *data,
                        const char *path, struct rn_error *err)
{
    char **names;
    int rc = rn_files_list(&data->source, path, &names, err);

    *e = (struct entries){.count = 0};
    for (size_t i = 0; !rc && names[i]; i++)
        rc = sort_in(e, data, path, names[i], err);
    rn_files_list_free(names);
    /* Among many classes none is looked into. */
    if (!rc && (e->parts || e->count == 1))
        rc = look_at_entries(e, data, path, err);
    return rc;
}

/* -------------------------------------------------------------- readings */

/* The first entry that is, or is not, called like a part, of that shape or of
 * any but EMPTY; NULL: there is none. */
static const struct entry *find_entry(const struct entries *e, bool part,
                                      enum shape shape)
{
    for (size_t i = 0; i < e->count; i++) {
        const struct entry *entry = &e->entry[i];

        if ((entry->part != RN_NO_PART) == part && entry->shape != EMPTY &&
            (shape == EMPTY || entry->shape == shape))
            return entry;
    }
    return NULL;
}

/* The first part that has classes, or would have but for a picture beside them,
 * which is refused when the part is read. */
static const struct entry *find_nested(const struct entries *e)
{
    const struct entry *nested = find_entry(e, true, NESTED);

    return nested ? nested : find_entry(e, true, MIXED);
}

static int distinct_parts(const struct entries *e)
{
    bool seen[3] = {false, false, false};

    for (size_t i = 0; i < e->count; i++)
        if (e->entry[i].part != RN_NO_PART)
            seen[e->entry[i].part] = true;
    return seen[0] + seen[1] + seen[2];
}

static int fail_twice(const char *path, const char *a, const char *b,
                      enum rn_part part, struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA,
                   "'%.100s' holds '%.60s' and '%.60s', and either could be "
                   "the %s part: rename one, or join them",
                   path, a, b, rn_part_name(part));
}

static int fail_flat(const char *path, const struct entries *e,
                     struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA,
                   "'%.100s' can be read in two ways: '%.60s' and '%.60s' are "
                   "parts, whose pictures then lie in no class folder, or they "
                   "are classes; for parts sort the pictures into PART/CLASS/, "
                   "for classes give the folders other names",
                   path, e->entry[0].name, e->entry[e->count - 1].name);
}

static int fail_doubt(const char *path, const char *part, const char *other,
                      struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA,
                   "'%.100s' can be read in two ways: '%.60s' is a part, "
                   "'%.60s' left out, or both are classes; for the first give "
                   "'%.100s/%.60s' as DATA, for the second give '%.60s' "
                   "another name",
                   path, part, other, path, part, part);
}

/* A part without classes beside one with them, as tests without answers are. */
static bool is_unlabelled(const struct entries *e, const struct entry *entry)
{
    bool labelled = false;

    for (size_t i = 0; i < e->count; i++)
        labelled |=
            e->entry[i].part == RN_PART_TRAIN && e->entry[i].shape == NESTED;
    return labelled && entry->part != RN_PART_TRAIN && entry->shape == FLAT;
}

static int leave_out(struct rn_data *data, const char *path,
                     const struct entry *entry, struct rn_error *err)
{
    if (entry->part != RN_NO_PART)
        return rn_remark_add(
            data->source.remarks, err,
            "left out: '%s/%s', whose pictures lie in no class "
            "folder",
            path, entry->name);
    return rn_remark_add(data->source.remarks, err,
                         "left out: '%s/%s', which is no part", path,
                         entry->name);
}

static int take_part(struct rn_layout *l, const char *path,
                     const struct entry *entry, struct rn_error *err)
{
    char **place = &l->folder[entry->part];

    if (*place)
        return fail_twice(path, strrchr(*place, '/') + 1, entry->name,
                          (enum rn_part)entry->part, err);
    *place = rn_path_join(path, entry->name);
    return *place ? RN_OK : rn_fail_memory(err, strlen(path), "a file name");
}

static int take_parts(struct rn_layout *l, struct rn_data *data,
                      const char *path, const struct entries *e,
                      struct rn_error *err)
{
    int rc = RN_OK;

    for (size_t i = 0; i < e->count && !rc; i++) {
        const struct entry *entry = &e->entry[i];
        bool is_part = entry->part != RN_NO_PART;

        if (is_part && !is_unlabelled(e, entry))
            rc = take_part(l, path, entry, err);
        else if (is_part || entry->shape != EMPTY)
            rc = leave_out(data, path, entry, err);
    }
    if (!rc && e->pictures)
        rc = rn_remark_add(
            data->source.remarks, err, "left out: '%s/%s'%s beside the parts",
            path, e->picture, e->pictures > 1 ? " and other pictures" : "");
    return rc;
}

/* One folder that holds folders, and nothing else: a class could hold them,
 * too, but would be the only one. */
static bool is_around(const struct entries *e)
{
    return e->count == 1 && !e->archives && !e->pictures &&
           e->entry[0].shape == NESTED;
}

static int take_classes(struct rn_layout *l, struct rn_data *data,
                        const char *path, const struct entries *e,
                        struct rn_error *err)
{
    const struct entry *part = find_entry(e, true, EMPTY);
    int rc = take_whole(l, path, err);

    if (!rc && part)
        rc = rn_remark_add(data->source.remarks, err,
                           "'%s/%s' is taken for a class, not for a part: it "
                           "holds no class folders",
                           path, part->name);
    return rc;
}

static int enter(struct rn_layout *l, struct rn_data *data, const char *path,
                 const struct entries *e, struct rn_error *err)
{
    l->inner = rn_path_join(path, e->entry[0].name);
    if (!l->inner)
        return rn_fail_memory(err, strlen(path), "a file name");
    return rn_remark_add(data->source.remarks, err, "all lies in '%s'",
                         l->inner);
}

/* Parts where that is the only sense, classes likewise. */
static int decide(struct rn_layout *l, struct rn_data *data, const char *path,
                  const struct entries *e, struct rn_error *err)
{
    const struct entry *nested = find_nested(e);
    const struct entry *other = find_entry(e, false, EMPTY);
    bool others = other || e->archives;

    if (!e->parts)
        return is_around(e) ? enter(l, data, path, e, err)
                            : take_classes(l, data, path, e, err);
    if (others && !nested)
        return take_classes(l, data, path, e, err);
    if (others && distinct_parts(e) < 2)
        return fail_doubt(path, nested->name, other ? other->name : "archives",
                          err);
    if (!nested && e->parts > 1 && find_entry(e, true, FLAT))
        return fail_flat(path, e, err);
    return take_parts(l, data, path, e, err);
}

int rn_layout_find(struct rn_layout *l, struct rn_data *data, const char *path,
                   struct rn_error *err)
{
    struct entries e;
    int rc;

    *l = (struct rn_layout){{NULL}, NULL};
    if (data->rule == RN_RULE_FIRST)
        return find_by_first(l, data, path, err);
    rc = read_entries(&e, data, path, err);
    if (!rc)
        rc = decide(l, data, path, &e, err);
    entries_free(&e);
    return rc;
}

/* -------------------------------------------------------- within a part */

/* Whether all of a part may lie in that one folder: it holds more than
 * pictures, and no list stands beside it, which would name its pictures. */
static int holds_part(const struct rn_data *data, const char *folder,
                      const char *inner, bool *holds, struct rn_error *err)
{
    enum shape shape = EMPTY;
    bool list = false;
    int rc = look(&data->source, inner, NULL, &shape, err);

    *holds = !rc && shape == NESTED;
    if (*holds)
        rc = rn_picture_list_has(data, folder, &list, err);
    *holds = *holds && !list;
    return rc;
}

int rn_layout_around(const struct rn_data *data, const char *folder,
                     char **inner, struct rn_error *err)
{
    struct rn_contents c;
    bool holds = false;
    const char *name;
    int rc;

    *inner = NULL;
    if (data->rule == RN_RULE_FIRST)
        return RN_OK;
    rc = rn_contents_read(&c, &data->source, folder, err);
    if (rc)
        return rc;
    name = rn_contents_around(&c);
    if (name && !(*inner = rn_path_join(folder, name)))
        rc = rn_fail_memory(err, strlen(folder), "a file name");
    rn_contents_free(&c);
    if (*inner)
        rc = holds_part(data, folder, *inner, &holds, err);
    if (rc || !holds) {
        rn_free(*inner);
        *inner = NULL;
    }
    return rc;
}

int rn_layout_check_classes(const struct rn_data *data, const char *folder,
                            char *const *names, struct rn_error *err)
{
    size_t n = 0;

    while (names[n] && rn_part_named(data, names[n]))
        n++;
    if (data->rule == RN_RULE_FIRST || names[n] || n < 2)
        return RN_OK;
    return rn_fail(err, RN_ERR_DATA,
                   "'%.100s' lies in a part, and holds '%.60s' and '%.60s', "
                   "which could be parts or classes: for parts give it as "
                   "DATA, for classes give them other names",
                   folder, names[0], names[n - 1]);
}
