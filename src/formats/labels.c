/* SPDX-License-Identifier: BSD-2-Clause */
/* Class lists: names, and perhaps identifiers, in the order of the classes.
 * Text with a name, or an identifier and a name, on each line; CSV; JSON. */
#include "formats/model.h"

#include "core/file.h"
#include "core/memory.h"
#include "formats/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LIMIT ((size_t)64 << 20)

struct labels {
    const char *path;
    size_t count, classes;
    const char **name; /* [classes], into the text or the JSON */
    const char **id;   /* likewise; NULL where there is none */
};

/* Those past the classes are counted, for the message. */
static void add(struct labels *l, const char *id, const char *name)
{
    if (l->count < l->classes) {
        l->id[l->count] = id;
        l->name[l->count] = name;
    }
    l->count++;
}

/* ---------------------------------------------------------------- text */

/* The line at *at, ended by a zero byte, *at moving behind it; NULL at the
 * end. */
static char *next_line(char **at)
{
    char *line = *at;
    if (!*line)
        return NULL;
    size_t n = strcspn(line, "\n");
    *at = line + n + (line[n] == '\n');
    line[n] = '\0';
    if (n > 0 && line[n - 1] == '\r')
        line[n - 1] = '\0';
    return line;
}

/* "n01440764 tench": letters, four digits or more, a space. */
static bool has_id(const char *line)
{
    size_t letters = strspn(line, "abcdefghijklmnopqrstuvwxyz");
    size_t digits = strspn(line + letters, "0123456789");
    return letters > 0 && digits >= 4 && line[letters + digits] == ' ' &&
           line[letters + digits + 1];
}

static int add_line(struct labels *l, char *line, struct rn_error *err)
{
    if (!*line)
        return rn_fail(err, RN_ERR_DATA, "'%s': line %zu is empty", l->path,
                       l->count + 1);
    add(l, NULL, line);
    return RN_OK;
}

/* Cut the identifiers off, when every line has one. */
static void split_ids(struct labels *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (!has_id(l->name[i]))
            return;
    for (size_t i = 0; i < l->count; i++) {
        char *space = strchr((char *)(uintptr_t)l->name[i], ' ');
        *space = '\0';
        l->id[i] = l->name[i];
        l->name[i] = space + 1;
    }
}

static int read_lines(struct labels *l, char *text, struct rn_error *err)
{
    int rc = RN_OK;
    for (char *line; !rc && (line = next_line(&text));)
        rc = add_line(l, line, err);
    if (!rc && l->count == l->classes)
        split_ids(l);
    return rc;
}

/* ----------------------------------------------------------------- CSV */

enum { FIELDS = 3 };

/* Cut a line into fields; quotes may hold commas, and doubled quotes. Their
 * number, or -1. */
static int cut_fields(char *line, char *fields[FIELDS])
{
    int n = 0;
    while (n < FIELDS) {
        char *from = line, *to = line;
        bool quoted = *line == '"';
        fields[n++] = line;
        from += quoted;
        while (*from && (quoted || *from != ',')) {
            if (quoted && *from == '"' && *++from != '"')
                quoted = false;
            else
                *to++ = *from++;
        }
        bool more = *from == ',';
        *to = '\0';
        if (!more)
            return quoted ? -1 : n;
        line = from + 1;
    }
    return -1;
}

static bool is_index(const char *text, size_t index)
{
    char *end;
    return isdigit((unsigned char)*text) && strtoull(text, &end, 10) == index &&
           !*end;
}

/* name; id,name; index,name; index,id,name. A first line without the index
 * that the second has is a heading. */
static int add_fields(struct labels *l, char *fields[FIELDS], int n,
                      struct rn_error *err)
{
    int first = n > 1 && is_index(fields[0], l->count) ? 1 : 0;
    if (n - first > 2)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': the line of class %zu does not begin with its "
                       "number",
                       l->path, l->count);
    add(l, n - first == 2 ? fields[first] : NULL, fields[n - 1]);
    return RN_OK;
}

static bool is_heading(char *fields[FIELDS], int n)
{
    static const char *const words[] = {"index", "id",   "class",   "label",
                                        "name",  "wnid", "class_id"};
    for (int i = 0; i < n; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof(words) / sizeof(*words); k++)
            known = known || strcasecmp(fields[i], words[k]) == 0;
        if (!known)
            return false;
    }
    return true;
}

static int read_csv(struct labels *l, char *text, struct rn_error *err)
{
    int rc = RN_OK;
    bool first = true;
    for (char *line; !rc && (line = next_line(&text)); first = false) {
        char *fields[FIELDS];
        int n = cut_fields(line, fields);
        if (n < 0)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': the line of class %zu is not of one to three "
                           "fields",
                           l->path, l->count);
        if (!first || !is_heading(fields, n))
            rc = add_fields(l, fields, n, err);
    }
    return rc;
}

/* ---------------------------------------------------------------- JSON */

static int fail_json(const struct labels *l, struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': JSON, but no class list: expected [name, …], "
                   "[[id, name], …], {\"0\": name, …}, {\"0\": [id, name], …} "
                   "or {name: 0, …}",
                   l->path);
}

/* A name, or [id, name]. */
static int add_json(struct labels *l, const json_t *value, struct rn_error *err)
{
    const char *id = json_string_value(json_array_get(value, 0));
    const char *name = json_string_value(json_array_get(value, 1));
    if (json_is_string(value))
        add(l, NULL, json_string_value(value));
    else if (json_array_size(value) == 2 && id && name)
        add(l, id, name);
    else
        return fail_json(l, err);
    return RN_OK;
}

/* {name: index}: every index once. */
static int read_indices(struct labels *l, json_t *object, struct rn_error *err)
{
    const char *name;
    json_t *index;
    json_object_foreach(object, name, index)
    {
        json_int_t i = json_integer_value(index);
        if (!json_is_integer(index) || i < 0 || (size_t)i >= l->classes ||
            l->name[i])
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': '%.60s' is not the only one with a number "
                           "from 0 to %zu",
                           l->path, name, l->classes - 1);
        l->name[i] = name;
        l->count++;
    }
    return RN_OK;
}

/* {"0": …, "1": …} */
static int read_numbered(struct labels *l, const json_t *object,
                         struct rn_error *err)
{
    int rc = RN_OK;
    for (size_t i = 0; i < json_object_size(object) && !rc; i++) {
        char key[24];
        snprintf(key, sizeof(key), "%zu", i);
        rc = add_json(l, json_object_get(object, key), err);
    }
    return rc;
}

static int read_json(struct labels *l, json_t *root, struct rn_error *err)
{
    int rc = RN_OK;
    void *first = json_object_iter(root);
    if (json_is_array(root))
        for (size_t i = 0; i < json_array_size(root) && !rc; i++)
            rc = add_json(l, json_array_get(root, i), err);
    else if (first && json_is_integer(json_object_iter_value(first)))
        rc = read_indices(l, root, err);
    else if (first)
        rc = read_numbered(l, root, err);
    else
        rc = fail_json(l, err);
    return rc;
}

/* --------------------------------------------------------------- whole */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n >= k && strcasecmp(text + n - k, end) == 0;
}

/* Names to the model, and identifiers when all have one. */
static int hand_over(const struct labels *l, struct rn_model *model,
                     struct rn_error *err)
{
    struct rn_error why = {0};
    bool ids = true;
    if (l->count != l->classes)
        return rn_fail(err, RN_ERR_DATA, "'%s': %zu labels for %zu classes",
                       l->path, l->count, l->classes);
    for (size_t i = 0; i < l->count; i++)
        ids = ids && l->id[i];
    int rc = rn_model_set_classes(model, l->name, &why);
    if (!rc)
        rc = rn_model_set_class_ids(model, ids ? l->id : NULL, &why);
    if (rc == RN_ERR_ARG)
        rc = RN_ERR_DATA;
    return rc ? rn_fail(err, rc, "'%s': %.300s", l->path, why.msg) : RN_OK;
}

static int read_text(struct labels *l, struct rn_model *model, char *text,
                     size_t size, struct rn_error *err)
{
    json_t *root = NULL;
    size_t start = strspn(text, " \t\r\n");
    int rc;
    if (text[start] == '[' || text[start] == '{') {
        rc = rn_json_parse(&root, text, size, l->path, "the class list", err);
        if (!rc)
            rc = read_json(l, root, err);
    } else if (memchr(text, '\0', size)) {
        rc = rn_fail(err, RN_ERR_DATA, "'%s': not a text file", l->path);
    } else {
        rc = ends_with(l->path, ".csv") ? read_csv(l, text, err)
                                        : read_lines(l, text, err);
    }
    if (!rc)
        rc = hand_over(l, model, err);
    json_decref(root);
    return rc;
}

int rn_model_label(struct rn_model *model, const char *path,
                   struct rn_error *err)
{
    uint8_t *text;
    size_t size;
    struct labels l = {.path = path, .classes = (size_t)model->spec.classes};
    int rc = rn_file_read(path, LIMIT, &text, &size, err);
    if (rc)
        return rc;
    l.name = rn_alloc(l.classes, sizeof(*l.name));
    l.id = rn_alloc(l.classes, sizeof(*l.id));
    if (l.name && l.id)
        rc = read_text(&l, model, (char *)text, size, err);
    else
        rc = rn_fail_memory(err, l.classes * sizeof(*l.name), "class names");
    rn_free(l.name);
    rn_free(l.id);
    rn_free(text);
    return rc;
}
