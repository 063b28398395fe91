/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls jansson in the C locale, and gives its errors the file's name. */
#include "core/json.h"

#include "core/locale.h"
#include "core/memory.h"

#include <stdlib.h>

struct extent {
    size_t depth, values;
};

/* Deepest nesting and an upper bound on the number of values, without
 * recursion. Malformed text is left for the parser to find. */
static struct extent measure(const char *text, size_t size)
{
    struct extent e = {0, 1};
    size_t depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < size; i++) {
        if (quoted) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                quoted = false;
            continue;
        }
        switch (text[i]) {
        case '"':
            quoted = true;
            break;
        case '[':
        case '{':
            e.values++;
            depth++;
            if (depth > e.depth)
                e.depth = depth;
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        case ',':
            e.values++;
            break;
        default:
            break;
        }
    }
    return e;
}

json_t *rn_json_load(const char *text, size_t size, size_t flags,
                     json_error_t *error)
{
    locale_t before = rn_locale_begin();
    json_t *value = json_loadb(text, size, flags, error);

    rn_locale_end(before);
    return value;
}

char *rn_json_print(const json_t *value, size_t flags)
{
    locale_t before = rn_locale_begin();
    char *text = json_dumps(value, flags);

    rn_locale_end(before);
    return text;
}

int rn_json_parse(json_t **out, const char *text, size_t size, const char *path,
                  const char *what, struct rn_error *err)
{
    *out = NULL;
    struct extent e = measure(text, size);
    if (e.depth > RN_JSON_DEPTH)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': %s is nested %zu deep, at most %d expected", path,
                       what, e.depth, RN_JSON_DEPTH);
    if (e.values > RN_JSON_VALUES)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': %s has about %zu values, at most %d expected",
                       path, what, e.values, RN_JSON_VALUES);
    json_error_t error;
    *out = rn_json_load(text, size, JSON_REJECT_DUPLICATES, &error);
    if (*out)
        return RN_OK;
    if (json_error_code(&error) == json_error_out_of_memory)
        return rn_fail_memory(err, size, what);
    return rn_fail(err, RN_ERR_DATA, "'%s': %s is not valid JSON: %s", path,
                   what, error.text);
}

int rn_json_text(char **out, const json_t *value, struct rn_error *err)
{
    *out = NULL;
    char *text = rn_json_print(value, JSON_COMPACT);
    if (!text)
        return rn_fail(err, RN_ERR_MEMORY, "memory is too short for JSON text");
    *out = rn_strdup(text);
    free(text);
    return *out ? RN_OK
                : rn_fail(err, RN_ERR_MEMORY,
                          "memory is too short for JSON text");
}
