/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a caller's list of names and gives each of ours that of the file. */
#include "formats/torch/names_map.h"

#include "core/memory.h"
#include "core/text.h"

#include <stdlib.h>
#include <string.h>

static int by_theirs(const void *a, const void *b)
{
    const struct rn_names_line *x = a, *y = b;

    return strcmp(x->theirs, y->theirs);
}

static int by_ours(const void *a, const void *b)
{
    const struct rn_names_line *x = a, *y = b;

    return strcmp(x->ours, y->ours);
}

static int fail_line(const struct rn_names_map *map, size_t number,
                     const char *what, struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA, "'%s', line %zu: %s", map->path, number,
                   what);
}

/* One line, ended by a zero, which is at `end`. */
static int add_line(struct rn_names_map *map, char *line, size_t number,
                    struct rn_error *err)
{
    char *equals;

    line[strcspn(line, "#")] = '\0';
    line = rn_text_trim(line);
    if (!*line)
        return RN_OK;
    equals = strchr(line, '=');
    if (!equals)
        return fail_line(map, number, "expected OURS = THEIRS", err);
    *equals = '\0';
    struct rn_names_line l = {rn_text_trim(line), rn_text_trim(equals + 1),
                              number, false};
    if (!*l.ours || !*l.theirs || strchr(l.theirs, '='))
        return fail_line(map, number, "expected OURS = THEIRS", err);
    if (strlen(l.ours) > RN_STATE_NAME || strlen(l.theirs) > RN_STATE_NAME)
        return fail_line(map, number, "has a name longer than any tensor's",
                         err);
    if (!rn_grow(&map->lines, &map->room, map->count, sizeof(l)))
        return rn_fail_memory(err, sizeof(l), "a list of names");
    map->lines[map->count++] = l;
    return RN_OK;
}

static int add_lines(struct rn_names_map *map, size_t size,
                     struct rn_error *err)
{
    char *at = map->text, *end = at + size;
    int rc = RN_OK;

    for (size_t number = 1; at < end && !rc; number++) {
        char *stop = memchr(at, '\n', (size_t)(end - at));

        stop = stop ? stop : end;
        *stop = '\0';
        rc = add_line(map, at, number, err);
        at = stop + 1;
    }
    return rc;
}

static int check_twice(struct rn_names_map *map,
                       int (*order)(const void *, const void *), bool ours,
                       struct rn_error *err)
{
    if (map->count > 0)
        qsort(map->lines, map->count, sizeof(*map->lines), order);
    for (size_t i = 1; i < map->count; i++) {
        const struct rn_names_line *a = &map->lines[i - 1], *b = &map->lines[i];

        if (order(a, b) == 0)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s', lines %zu and %zu: both name %s '%.60s'",
                           map->path, a->number, b->number,
                           ours ? "our" : "the file's",
                           ours ? b->ours : b->theirs);
    }
    return RN_OK;
}

int rn_names_map_open(struct rn_names_map *map, const char *path,
                      struct rn_error *err)
{
    size_t size = 0;

    memset(map, 0, sizeof(*map));
    map->path = path;
    int rc = rn_text_read(path, RN_MAP_LIMIT, &map->text, &size, err);
    if (!rc)
        rc = add_lines(map, size, err);
    if (!rc && map->count == 0)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': has no line, expected OURS = THEIRS", path);
    if (!rc)
        rc = check_twice(map, by_ours, true, err);
    if (!rc)
        rc = check_twice(map, by_theirs, false, err);
    if (rc)
        rn_names_map_close(map);
    return rc;
}

void rn_names_map_close(struct rn_names_map *map)
{
    rn_free(map->lines);
    rn_free(map->text);
    memset(map, 0, sizeof(*map));
}

/* The line of a file's name, of which `n` characters count. */
static struct rn_names_line *find_theirs(struct rn_names_map *map,
                                         const char *name, size_t n)
{
    size_t low = 0, high = map->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *theirs = map->lines[middle].theirs;
        int order = strncmp(theirs, name, n);

        if (order == 0 && theirs[n] == '\0')
            return &map->lines[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool rn_names_map_apply(struct rn_names_map *map, const char *theirs, char *buf,
                        size_t size)
{
    for (size_t n = strlen(theirs); n > 0; n--) {
        if (theirs[n] != '\0' && theirs[n] != '.')
            continue;
        struct rn_names_line *line = find_theirs(map, theirs, n);
        if (!line)
            continue;
        line->used = true;
        return snprintf(buf, size, "%s%s", line->ours, theirs + n) < (int)size;
    }
    return false;
}

int rn_names_map_check(const struct rn_names_map *map, const char *file,
                       struct rn_error *err)
{
    for (size_t i = 0; i < map->count; i++)
        if (!map->lines[i].used)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s', line %zu: '%s' has no tensor or layer "
                           "'%.60s', or other lines name all of it",
                           map->path, map->lines[i].number, file,
                           map->lines[i].theirs);
    return RN_OK;
}

const struct rn_names_line *rn_names_map_line(const struct rn_names_map *map,
                                              const char *ours)
{
    for (size_t i = 0; i < map->count; i++) {
        size_t n = strlen(map->lines[i].ours);

        if (strncmp(ours, map->lines[i].ours, n) == 0 &&
            (ours[n] == '\0' || ours[n] == '.'))
            return &map->lines[i];
    }
    return NULL;
}
