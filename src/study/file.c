/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a study: lines "option = value | value", whose product are the runs. */
#include "study/study.h"

#include "core/file.h"
#include "core/locale.h"
#include "core/text.h"

#include <fnmatch.h>
#include <string.h>

#define FILE_LIMIT ((size_t)1 << 20)
#define RUNS_MAX   10000
#define AXES_MAX   64
#define NAME_LIMIT 120

struct axis {
    const char *option;
    const char **values;
    size_t count;
    int line;
};

/** Runs that all conditions meet are left out, or have further options. */
struct rule {
    struct rn_settings conditions, sets;
    int line;
    bool leaves_out, met;
};

struct reader {
    struct rn_study *study;
    const char *path, *name; /* the pattern of names, or NULL */
    struct axis axes[AXES_MAX];
    size_t n_axes;
    struct rule *rules;
    size_t n_rules, rules_room;
    size_t figures_room, runs_room;
    int line;
    struct rn_error *err;
};

static int short_memory(struct reader *r)
{
    return rn_fail_memory(r->err, FILE_LIMIT, "a study");
}

/* Grows in the study's slab: what is outgrown stays there until the end. */
static void *grown(struct reader *r, void *old, size_t count, size_t *room,
                   size_t size)
{
    void *new;

    if (count < *room)
        return old;
    new = rn_slab_alloc(&r->study->memory, 2 * count + 4, size);
    if (!new)
        return NULL;
    if (count)
        memcpy(new, old, count * size);
    *room = 2 * count + 4;
    return new;
}

static int add_setting(struct reader *r, struct rn_settings *list,
                       const char *option, const char *value)
{
    list->at = grown(r, list->at, list->count, &list->capacity,
                     sizeof(struct rn_setting));
    if (!list->at)
        return short_memory(r);
    list->at[list->count++] = (struct rn_setting){option, value};
    return RN_OK;
}

/* ------------------------------------------------------------------ lines */

/* What a rule sets stands in place of what the run had. */
static int put_setting(struct reader *r, struct rn_settings *list,
                       const struct rn_setting *setting)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i].option, setting->option) == 0) {
            list->at[i].value = setting->value;
            return RN_OK;
        }
    return add_setting(r, list, setting->option, setting->value);
}

static bool has_setting(const struct rn_settings *list, const char *option)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i].option, option) == 0)
            return true;
    return false;
}

/* "option=value option=value", each option once: twice would leave open which
 * value it has. */
static int read_settings(struct reader *r, char *text, struct rn_settings *list)
{
    char *word;
    int rc = RN_OK;

    while (rc == RN_OK && (word = strsep(&text, " \t")) != NULL) {
        char *equals = strchr(word, '=');

        if (!*word)
            continue;
        if (!equals || equals == word || !equals[1])
            return rn_fail(r->err, RN_ERR_ARG,
                           "%s:%d: '%.60s' is not 'option=value'", r->path,
                           r->line, word);
        *equals = '\0';
        if (has_setting(list, word))
            return rn_fail(r->err, RN_ERR_ARG, "%s:%d: '%s' stands here twice",
                           r->path, r->line, word);
        rc = add_setting(r, list, word, equals + 1);
    }
    if (rc == RN_OK && list->count == 0)
        return rn_fail(r->err, RN_ERR_ARG,
                       "%s:%d: no 'option=value' stands here", r->path,
                       r->line);
    return rc;
}

static int add_rule(struct reader *r, struct rule rule)
{
    r->rules = grown(r, r->rules, r->n_rules, &r->rules_room, sizeof(rule));
    if (!r->rules)
        return short_memory(r);
    r->rules[r->n_rules++] = rule;
    return RN_OK;
}

static int read_exclude(struct reader *r, char *value)
{
    struct rule rule = {.line = r->line, .leaves_out = true};
    int rc = read_settings(r, value, &rule.conditions);

    return rc ? rc : add_rule(r, rule);
}

static int read_when(struct reader *r, char *value)
{
    struct rule rule = {.line = r->line};
    char *colon = strstr(value, ": ");
    int rc;

    if (!colon)
        return rn_fail(r->err, RN_ERR_ARG,
                       "%s:%d: 'when' wants 'option=value ...: option=value "
                       "...'",
                       r->path, r->line);
    *colon = '\0';
    rc = read_settings(r, value, &rule.conditions);
    if (rc == RN_OK)
        rc = read_settings(r, colon + 1, &rule.sets);
    return rc ? rc : add_rule(r, rule);
}

/* "TITLE: PATTERN PATTERN" */
static int read_figure(struct reader *r, char *value)
{
    struct rn_study *s = r->study;
    const char **patterns = NULL;
    char *colon = strstr(value, ": "), *word;
    size_t count = 0, room = 0;

    if (!colon)
        return rn_fail(r->err, RN_ERR_ARG,
                       "%s:%d: 'figure' wants 'TITLE: RUN ...', where RUN may "
                       "have * and ?",
                       r->path, r->line);
    *colon++ = '\0';
    while ((word = strsep(&colon, " \t")) != NULL) {
        if (!*word)
            continue;
        patterns = grown(r, patterns, count, &room, sizeof(*patterns));
        if (!patterns)
            return short_memory(r);
        patterns[count++] = word;
    }
    if (count == 0)
        return rn_fail(r->err, RN_ERR_ARG,
                       "%s:%d: figure '%.60s' names no runs", r->path, r->line,
                       value);
    s->figures = grown(r, s->figures, s->n_figures, &r->figures_room,
                       sizeof(*s->figures));
    if (!s->figures)
        return short_memory(r);
    s->figures[s->n_figures++] = (struct rn_figure){
        .title = value, .patterns = patterns, .count = count, .line = r->line};
    return RN_OK;
}

/* An option twice would leave open which values it has. */
static int check_new(struct reader *r, const char *option)
{
    for (size_t i = 0; i < r->n_axes; i++)
        if (strcmp(r->axes[i].option, option) == 0)
            return rn_fail(r->err, RN_ERR_ARG,
                           "%s:%d: '%s' stands in line %d already", r->path,
                           r->line, option, r->axes[i].line);
    if (r->n_axes == AXES_MAX)
        return rn_fail(r->err, RN_ERR_ARG, "%s:%d: more than %d options",
                       r->path, r->line, AXES_MAX);
    return RN_OK;
}

static int read_values(struct reader *r, const char *option, char *text)
{
    struct axis axis = {.option = option, .line = r->line};
    char *value;
    size_t room = 0;
    int rc = check_new(r, option);

    while (rc == RN_OK && (value = strsep(&text, "|")) != NULL) {
        value = rn_text_trim(value);
        if (!*value)
            return rn_fail(r->err, RN_ERR_ARG, "%s:%d: '%s' has an empty value",
                           r->path, r->line, option);
        for (size_t i = 0; i < axis.count; i++)
            if (strcmp(axis.values[i], value) == 0)
                return rn_fail(r->err, RN_ERR_ARG,
                               "%s:%d: '%s' has the value '%.60s' twice",
                               r->path, r->line, option, value);
        axis.values =
            grown(r, axis.values, axis.count, &room, sizeof(*axis.values));
        if (!axis.values)
            return short_memory(r);
        axis.values[axis.count++] = value;
    }
    if (rc == RN_OK)
        r->axes[r->n_axes++] = axis;
    return rc;
}

static int read_once(struct reader *r, const char *key, const char **place,
                     const char *value)
{
    if (*place)
        return rn_fail(r->err, RN_ERR_ARG, "%s:%d: '%s' stands here twice",
                       r->path, r->line, key);
    *place = value;
    return RN_OK;
}

static int read_line(struct reader *r, char *text)
{
    char *equals = strchr(text, '='), *key, *value;

    if (!equals)
        return rn_fail(r->err, RN_ERR_ARG,
                       "%s:%d: '%.60s' is not 'option = value'", r->path,
                       r->line, text);
    *equals = '\0';
    key = rn_text_trim(text);
    value = rn_text_trim(equals + 1);
    if (!*key || !*value)
        return rn_fail(r->err, RN_ERR_ARG, "%s:%d: '%.60s' has no value",
                       r->path, r->line, key);
    if (strcmp(key, "title") == 0)
        return read_once(r, key, &r->study->title, value);
    if (strcmp(key, "recipe") == 0)
        return read_once(r, key, &r->study->recipe, value);
    if (strcmp(key, "data") == 0)
        return read_once(r, key, &r->study->data, value);
    if (strcmp(key, "name") == 0)
        return read_once(r, key, &r->name, value);
    if (strcmp(key, "exclude") == 0)
        return read_exclude(r, value);
    if (strcmp(key, "when") == 0)
        return read_when(r, value);
    if (strcmp(key, "figure") == 0)
        return read_figure(r, value);
    return read_values(r, key, value);
}

/* ---------------------------------------------------------------- product */

static const char *value_of(const struct rn_settings *settings,
                            const char *option, size_t length)
{
    for (size_t i = 0; i < settings->count; i++)
        if (strlen(settings->at[i].option) == length &&
            memcmp(settings->at[i].option, option, length) == 0)
            return settings->at[i].value;
    return NULL;
}

static bool meets(const struct rn_settings *settings, const struct rule *rule)
{
    for (size_t i = 0; i < rule->conditions.count; i++) {
        const struct rn_setting *c = &rule->conditions.at[i];
        const char *value = value_of(settings, c->option, strlen(c->option));

        if (!value || fnmatch(c->value, value, 0) != 0)
            return false;
    }
    return true;
}

/* Append to a name; what a folder cannot be called becomes '-'. False: too
 * long. */
static bool append(char *name, const char *text, size_t length)
{
    size_t used = strlen(name);

    if (used + length > NAME_LIMIT)
        return false;
    for (size_t i = 0; i < length; i++)
        name[used + i] = text[i] == '/' || rn_is_blank(text[i]) ? '-' : text[i];
    name[used + length] = '\0';
    return true;
}

/* "{net}-seed{seed}" */
static int fill_pattern(struct reader *r, const struct rn_settings *settings,
                        char *name)
{
    bool fits = true;

    for (const char *p = r->name; *p && fits;) {
        size_t plain = strcspn(p, "{");
        size_t length = strcspn(p + plain, "}");
        const char *value;

        fits = append(name, p, plain);
        p += plain;
        if (!*p || !fits)
            break;
        value = p[length] ? value_of(settings, p + 1, length - 1) : NULL;
        if (!value)
            return rn_fail(r->err, RN_ERR_ARG,
                           "%s: name: '%.*s' is no option that every run has",
                           r->path, (int)length + (p[length] == '}'), p);
        fits = append(name, value, strlen(value));
        p += length + 1;
    }
    return fits ? RN_OK
                : rn_fail(r->err, RN_ERR_ARG,
                          "%s: name: '%.60s...' is longer than %d bytes",
                          r->path, name, NAME_LIMIT);
}

/* Without a pattern: the values of options that have several, "plain20-seed1".
 * Networks, optimisers and such speak for themselves, numbers do not. */
static int fill_values(struct reader *r, const struct rn_settings *settings,
                       char *name)
{
    bool fits = true;

    for (size_t i = 0; i < r->n_axes && fits; i++) {
        const struct axis *a = &r->axes[i];
        const char *value = value_of(settings, a->option, strlen(a->option));

        if (a->count < 2)
            continue;
        if (*name)
            fits = append(name, "-", 1);
        if (fits && (rn_is_digit(*value) || *value == '.' || value[1] == '\0'))
            fits = append(name, a->option, strlen(a->option));
        fits = fits && append(name, value, strlen(value));
    }
    if (fits && !*name)
        append(name, "run", 3);
    return fits ? RN_OK
                : rn_fail(r->err, RN_ERR_ARG,
                          "%s: the name of run '%.60s...' would be longer than "
                          "%d bytes; give a pattern: name = {net}-{seed}",
                          r->path, name, NAME_LIMIT);
}

static int check_name(struct reader *r, const char *name)
{
    if (name[0] == '.' || !*name || name[0] == '-')
        return rn_fail(r->err, RN_ERR_ARG,
                       "%s: '%s' cannot be the name of a run's folder", r->path,
                       name);
    for (size_t i = 0; i < r->study->count; i++)
        if (strcmp(r->study->runs[i].name, name) == 0)
            return rn_fail(r->err, RN_ERR_ARG,
                           "%s: two runs are called '%s'; the pattern of names "
                           "must tell their options apart",
                           r->path, name);
    return RN_OK;
}

static int add_run(struct reader *r, const struct rn_settings *settings)
{
    struct rn_study *s = r->study;
    char name[NAME_LIMIT + 1] = "", *kept;
    int rc = r->name ? fill_pattern(r, settings, name)
                     : fill_values(r, settings, name);

    if (rc == RN_OK)
        rc = check_name(r, name);
    if (rc)
        return rc;
    if (s->count == RUNS_MAX)
        return rn_fail(r->err, RN_ERR_ARG, "%s: more than %d runs", r->path,
                       RUNS_MAX);
    s->runs = grown(r, s->runs, s->count, &r->runs_room, sizeof(*s->runs));
    kept = s->runs ? rn_slab_alloc(&s->memory, 1, strlen(name) + 1) : NULL;
    if (!kept)
        return short_memory(r);
    memcpy(kept, name, strlen(name) + 1);
    s->runs[s->count++] = (struct rn_planned){kept, *settings};
    return RN_OK;
}

/* The run of these places on the axes, if no rule leaves it out. */
static int make_run(struct reader *r, const size_t *place)
{
    struct rn_settings settings = {.count = 0};
    int rc = RN_OK;

    for (size_t i = 0; i < r->n_axes && rc == RN_OK; i++)
        rc = add_setting(r, &settings, r->axes[i].option,
                         r->axes[i].values[place[i]]);
    for (size_t i = 0; i < r->n_rules && rc == RN_OK; i++) {
        struct rule *rule = &r->rules[i];

        if (!meets(&settings, rule))
            continue;
        rule->met = true;
        if (rule->leaves_out)
            return RN_OK;
        for (size_t k = 0; k < rule->sets.count && rc == RN_OK; k++)
            rc = put_setting(r, &settings, &rule->sets.at[k]);
    }
    return rc ? rc : add_run(r, &settings);
}

static int make_runs(struct reader *r)
{
    size_t place[AXES_MAX] = {0};
    bool more = true;
    int rc = RN_OK;

    while (more && rc == RN_OK) {
        rc = make_run(r, place);
        more = false;
        for (size_t i = r->n_axes; i-- > 0 && !more;) {
            more = ++place[i] < r->axes[i].count;
            if (!more)
                place[i] = 0;
        }
    }
    return rc;
}

/* A rule that no run meets was meant otherwise. */
static int check_rules(struct reader *r)
{
    for (size_t i = 0; i < r->n_rules; i++)
        if (!r->rules[i].met)
            return rn_fail(r->err, RN_ERR_ARG,
                           "%s:%d: no run meets these conditions", r->path,
                           r->rules[i].line);
    if (r->study->count == 0)
        return rn_fail(r->err, RN_ERR_ARG, "%s: no runs are left", r->path);
    return RN_OK;
}

static bool names_a_run(const struct rn_study *s, const char *pattern)
{
    for (size_t i = 0; i < s->count; i++)
        if (fnmatch(pattern, s->runs[i].name, 0) == 0)
            return true;
    return false;
}

/* Nor was a curve that no run has. */
static int check_figures(struct reader *r)
{
    const struct rn_study *s = r->study;

    for (size_t i = 0; i < s->n_figures; i++)
        for (size_t k = 0; k < s->figures[i].count; k++)
            if (!names_a_run(s, s->figures[i].patterns[k]))
                return rn_fail(r->err, RN_ERR_ARG,
                               "%s:%d: no run is called '%.60s'; they are "
                               "called like '%s'",
                               r->path, s->figures[i].line,
                               s->figures[i].patterns[k], s->runs[0].name);
    return RN_OK;
}

static int read_all(struct reader *r, char *text)
{
    int rc = RN_OK;

    for (r->line = 1; text && rc == RN_OK; r->line++) {
        char *line = strsep(&text, "\n");

        line[strcspn(line, "#")] = '\0';
        line = rn_text_trim(line);
        if (*line)
            rc = read_line(r, line);
    }
    if (rc == RN_OK && r->n_axes == 0)
        rc = rn_fail(r->err, RN_ERR_ARG, "%s: names no options, and so no runs",
                     r->path);
    if (rc == RN_OK)
        rc = make_runs(r);
    if (rc == RN_OK)
        rc = check_rules(r);
    return rc ? rc : check_figures(r);
}

int rn_study_read(struct rn_study **out, const char *path, struct rn_error *err)
{
    struct rn_study *study = rn_alloc(1, sizeof(*study));
    struct reader *r = rn_alloc(1, sizeof(*r));
    char *text = NULL, *kept = NULL, *lines = NULL;
    size_t size = 0;
    int rc = RN_OK;

    *out = NULL;
    if (!study || !r)
        rc = rn_fail_memory(err, sizeof(*study), "a study");
    if (rc == RN_OK)
        rc = rn_text_read(path, FILE_LIMIT, &text, &size, err);
    if (rc == RN_OK) {
        kept = rn_slab_alloc(&study->memory, size + 1, 1);
        lines = rn_slab_alloc(&study->memory, size + 1, 1);
        *r = (struct reader){.study = study, .path = path, .err = err};
        if (!kept || !lines)
            rc = short_memory(r);
    }
    if (rc == RN_OK) {
        memcpy(kept, text, size + 1);
        memcpy(lines, text, size + 1); /* which reading takes apart */
        study->text = kept;
        study->size = size;
        rc = read_all(r, lines);
    }
    rn_free(text);
    rn_free(r);
    if (rc == RN_OK)
        *out = study;
    else
        rn_study_destroy(study);
    return rc;
}

void rn_study_destroy(struct rn_study *study)
{
    if (!study)
        return;
    rn_slab_free(&study->memory);
    rn_free(study);
}

/* ------------------------------------------------------------------ keeping */

/* Whether a file has this text already; one that cannot be read has not. */
static bool has_text(const char *path, const char *text, size_t size)
{
    uint8_t *bytes;
    size_t found;
    bool same;

    if (rn_file_read(path, FILE_LIMIT, &bytes, &found, NULL) != RN_OK)
        return false;
    same = found == size && memcmp(bytes, text, size) == 0;
    rn_free(bytes);
    return same;
}

int rn_study_keep(const struct rn_study *study, const char *dir,
                  struct rn_error *err)
{
    char *path = rn_path_join(dir, RN_STUDY_FILE);
    int rc = RN_OK;

    if (!path)
        return rn_fail_memory(err, strlen(dir), "a file name");
    if (!has_text(path, study->text, study->size))
        rc = rn_file_write(path, study->text, study->size, err);
    rn_free(path);
    return rc;
}

/* -------------------------------------------------------------- what it is */

const char *rn_study_title(const struct rn_study *study)
{
    return study->title;
}

const char *rn_study_recipe(const struct rn_study *study)
{
    return study->recipe;
}

const char *rn_study_data(const struct rn_study *study)
{
    return study->data;
}

const char *rn_study_run(const struct rn_study *study, size_t run)
{
    return run < study->count ? study->runs[run].name : NULL;
}

const char *rn_study_setting(const struct rn_study *study, size_t run, size_t i,
                             const char **value)
{
    const struct rn_settings *s =
        run < study->count ? &study->runs[run].settings : NULL;

    if (!s || i >= s->count)
        return NULL;
    *value = s->at[i].value;
    return s->at[i].option;
}
