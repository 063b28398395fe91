/* SPDX-License-Identifier: BSD-2-Clause */
/* Class lists in JSON, or as Python writes them: alone, or in a config.json. */
#include "model/class_list/reading.h"

#include "core/json.h"
#include "core/literal.h"
#include "model/class_list.h"

#include <string.h>

static int fail_json(const struct reading *r)
{
    return rn_fail(r->err, RN_ERR_DATA,
                   "'%s': JSON, but no class list: expected [name, …], "
                   "[[id, name], …], {\"0\": name, …}, {\"0\": [id, name], …}, "
                   "{name: 0, …}, or one of these as \"id2label\", "
                   "\"label2id\" or \"label_names\"",
                   r->path);
}

/* A name, or [id, name]. */
static int add_json(struct reading *r, size_t number, const json_t *value)
{
    const char *id = json_string_value(json_array_get(value, 0));
    const char *name = json_string_value(json_array_get(value, 1));

    if (json_is_string(value))
        return rn_reading_add(r, number, NULL, json_string_value(value), 0);
    if (json_array_size(value) == 2 && id && name)
        return rn_reading_add(r, number, id, name, 0);
    return fail_json(r);
}

/* {name: number} */
static int add_named(struct reading *r, const char *name, const json_t *value)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < 0 || number > RN_CLASS_LIST_MOST)
        return rn_fail(r->err, RN_ERR_DATA,
                       "'%s': the number of '%.60s' is none, or not from 0 to "
                       "%d",
                       r->path, name, RN_CLASS_LIST_MOST);
    return rn_reading_add(r, (size_t)number, NULL, name, 0);
}

/* {"0": name, …} or {name: 0, …}; the first tells. */
static int read_object(struct reading *r, json_t *object)
{
    bool named =
        json_is_integer(json_object_iter_value(json_object_iter(object)));
    const char *key;
    json_t *value;
    int rc = json_object_size(object) ? RN_OK : fail_json(r);

    json_object_foreach(object, key, value)
    {
        size_t number = rn_reading_number(key);

        if (named)
            rc = add_named(r, key, value);
        else
            rc =
                number == NO_NUMBER ? fail_json(r) : add_json(r, number, value);
        if (rc)
            break;
    }
    return rc;
}

static int read_array(struct reading *r, const json_t *array)
{
    int rc = RN_OK;

    for (size_t i = 0; i < json_array_size(array) && !rc; i++)
        rc = add_json(r, NO_NUMBER, json_array_get(array, i));
    return rc;
}

/* Both of Hugging Face's dictionaries say the same, where names differ. */
static int check_label2id(const struct reading *r, const json_t *label2id)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct entry *e = &r->entry[i];
        const json_t *number = json_object_get(label2id, e->name);

        if (json_object_size(label2id) == r->count && number &&
            (size_t)json_integer_value(number) != e->number &&
            rn_reading_number(json_string_value(number)
                                  ? json_string_value(number)
                                  : "") != e->number)
            return rn_fail(r->err, RN_ERR_DATA,
                           "'%s': '%.60s' is class %zu by \"id2label\", and "
                           "another by \"label2id\"",
                           r->path, e->name, e->number);
    }
    return RN_OK;
}

/* What Hugging Face's programs write where nobody gave names. */
static int check_placeholders(const struct reading *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (strncmp(r->entry[i].name, "LABEL_", 6) != 0)
            return RN_OK;
    return r->count == 0 ? RN_OK
                         : rn_fail(r->err, RN_ERR_DATA,
                                   "'%s': its labels are only LABEL_0 and so "
                                   "on, no names",
                                   r->path);
}

/* timm's: identifiers, and what they mean. */
static int read_timm(struct reading *r, const json_t *names,
                     const json_t *descriptions)
{
    int rc = read_array(r, names);

    for (size_t i = 0; i < r->count && descriptions && !rc; i++) {
        struct entry *e = &r->entry[i];
        const char *text =
            json_string_value(json_object_get(descriptions, e->name));

        if (!text)
            return rn_fail(r->err, RN_ERR_DATA,
                           "'%s': \"label_descriptions\" lacks '%.60s'",
                           r->path, e->name);
        e->id = e->name;
        e->name = text;
    }
    return rc;
}

static int read_config(struct reading *r, json_t *root)
{
    json_t *id2label = json_object_get(root, "id2label");
    json_t *label2id = json_object_get(root, "label2id");
    json_t *names = json_object_get(root, "label_names");
    int rc;

    if (json_is_array(names))
        return read_timm(r, names, json_object_get(root, "label_descriptions"));
    if (!json_is_object(id2label) && !json_is_object(label2id))
        return read_object(r, root);
    rc = read_object(r, json_is_object(id2label) ? id2label : label2id);
    if (!rc)
        rc = check_label2id(r, label2id);
    return rc ? rc : check_placeholders(r);
}

int rn_read_json(struct reading *r, const char *text, size_t size,
                 json_t **root)
{
    struct rn_error why = {0};
    int rc = rn_json_parse(root, text, size, r->path, "the class list", &why);

    if (rc == RN_ERR_MEMORY)
        return rn_fail(r->err, rc, "%s", why.msg);
    /* A bracket and a quote begin JSON and Python alike: its fault is told of
     * a text that has no single quotes. */
    if (rc && strchr(rn_literal_start(text), '"') && !strchr(text, '\''))
        rc = rn_literal_parse(root, text, size, r->path, NULL) == RN_OK
                 ? RN_OK
                 : rn_fail(r->err, rc, "%s", why.msg);
    else if (rc)
        rc = rn_literal_parse(root, text, size, r->path, r->err);
    if (rc)
        return rc;
    return json_is_array(*root) ? read_array(r, *root) : read_config(r, *root);
}
