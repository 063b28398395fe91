/* SPDX-License-Identifier: BSD-2-Clause */
/* Joins runs that differ in nothing but their seed, names what sets a group
 * apart from the others, and takes means over its members. */
#include "core/count.h"
#include "core/error.h"
#include "core/json.h"
#include "core/letters.h"
#include "core/locale.h"
#include "study/study.h"
#include "train/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Whether an option, of run.json's name, makes another experiment. */
static bool counts(const char *option)
{
    static const char *const asides[] = {"seed", "report_every", "test_every",
                                         "save_every"};

    for (size_t i = 0; i < COUNT(asides); i++)
        if (strcmp(option, asides[i]) == 0)
            return false;
    return rn_options_shape(option);
}

/* Options that one of both lacks, as an older run does, do not set them
 * apart. */
static bool same_kind(const struct rn_found *a, const struct rn_found *b)
{
    const char *key;
    json_t *value;

    if (!same_text(a->net, b->net) || !same_text(a->data, b->data) ||
        a->iterations != b->iterations)
        return false;
    json_object_foreach((json_t *)a->options, key, value)
    {
        const json_t *other = rn_options_value(b->text, key);

        if (other && counts(key) &&
            !rn_options_equal(rn_options_value(a->text, key), other))
            return false;
    }
    return true;
}

/* ----------------------------------------------------------------- labels */

/* Whether two runs have the same of an option, both left open or not. */
static bool same_value(const struct rn_found *a, const struct rn_found *b,
                       const char *key)
{
    return json_equal(json_object_get(a->options, key),
                      json_object_get(b->options, key)) ||
           rn_options_equal(rn_options_value(a->text, key),
                            rn_options_value(b->text, key));
}

/* Whether all groups have this value, or all of that network. */
static bool common(const struct rn_groups *groups, const struct rn_runs *runs,
                   const char *net, const char *key)
{
    const struct rn_found *first = NULL;

    for (size_t g = 0; g < groups->count; g++) {
        const struct rn_found *run = &runs->at[groups->at[g].members[0]];

        if (!json_object_get(run->options, key) ||
            (net && strcmp(net, run->net) != 0))
            continue;
        if (first && !same_value(first, run, key))
            return false;
        first = run;
    }
    return true;
}

static const struct rn_option *row_of(const char *key)
{
    const struct rn_option *row;

    for (size_t i = 0; (row = rn_train_option(i)); i++)
        if (strcmp(row->name, key) == 0)
            return row;
    return NULL;
}

/* The index-th of "A|B|C"; its length in *length. */
static const char *word_at(const char *words, json_int_t index, int *length)
{
    while (index-- > 0 && *words) {
        words += strcspn(words, "|");
        words += *words == '|';
    }
    *length = (int)strcspn(words, "|");
    return words;
}

/* A path from its last folders on, of at most so many bytes. */
static const char *end_of(const char *text, const char **dots)
{
    enum { MOST = 50 };
    size_t n = strlen(text);
    const char *slash = n > MOST ? strchr(text + n - MOST, '/') : NULL;

    *dots = slash ? "…" : "";
    return slash ? slash : text;
}

/* ", precision bf16"; what was left open has nothing to say, nor has what a
 * network has none of ("-"). */
static void append(char *label, size_t size, const char *key,
                   const json_t *value)
{
    static const double zero = RN_ZERO;
    const struct rn_option *row = row_of(key);
    size_t used = strlen(label);
    double number = json_number_value(value);
    const char *dots;
    int length;

    if (json_is_null(value) || !row ||
        same_text(json_string_value(value), "-") ||
        (json_is_number(value) && number == 0 && row->unset))
        return;
    if (row->zero && number == zero)
        number = 0;
    if (row->type == RN_OPTION_INDEX) {
        const char *word = word_at(row->words, (json_int_t)number, &length);

        rn_format(label + used, size - used, ", %s %.*s", key, length, word);
    } else if (row->type == RN_OPTION_FLAG) {
        rn_format(label + used, size - used, ", %s%s", number > 0 ? "" : "no ",
                  key);
    } else if (json_is_string(value)) {
        const char *end = end_of(rn_options_text(value), &dots);

        rn_format(label + used, size - used, ", %s %s%s", key, dots, end);
    } else {
        rn_format(label + used, size - used, ", %s %.10g", key, number);
    }
}

/* Labels that are longer nobody reads. */
#define LABEL_LONG 100

/* "resnet20, lr 0.1, shortcut B": the network, and what is not the same in all
 * groups, or in all of `net`. Of what is too long the end is left out. */
static void describe(struct rn_group *group, const struct rn_groups *groups,
                     const struct rn_runs *runs, const char *net)
{
    const struct rn_found *run = &runs->at[group->members[0]];
    const char *key;
    json_t *value;

    rn_format(group->label, sizeof(group->label), "%s", run->net);
    json_object_foreach((json_t *)run->options, key, value)
    {
        size_t used = strlen(group->label);

        if (strcmp(key, "net") == 0 || !counts(key) ||
            common(groups, runs, net, key))
            continue;
        append(group->label, sizeof(group->label), key,
               rn_options_value(run->text, key));
        if (!net || strlen(group->label) <= LABEL_LONG)
            continue;
        rn_format(group->label + used, sizeof(group->label) - used, ", …");
        return;
    }
}

/* Recipes of different networks differ in nearly all: there the network tells
 * them apart, and what is not the same in its own groups. */
static void name_group(struct rn_group *group, const struct rn_groups *groups,
                       const struct rn_runs *runs)
{
    describe(group, groups, runs, NULL);
    if (strlen(group->label) > LABEL_LONG)
        describe(group, groups, runs, runs->at[group->members[0]].net);
}

/* What groups of one name may differ in, as texts, in this order: how the data
 * are written, where they lie, the length. */
static void data_format(const struct rn_found *run, char *text, size_t size)
{
    const json_t *data = json_object_get(run->text, "data");
    const char *format = json_string_value(json_object_get(data, "format"));

    rn_format(text, size, "%s", format ? format : "");
}

static void data_name(const struct rn_found *run, char *text, size_t size)
{
    const char *path = json_string_value(json_object_get(run->options, "data"));
    const char *slash = path ? strrchr(path, '/') : NULL;

    rn_format(text, size, "%s", slash ? slash + 1 : path ? path : "");
    rn_text_whole(text);
}

static void length(const struct rn_found *run, char *text, size_t size)
{
    rn_format(text, size, "%ld iterations", run->iterations);
}

typedef void difference(const struct rn_found *run, char *text, size_t size);

static difference *const differences[] = {data_format, data_name, length};

/* Of a longer name of data the end is left out. */
#define DIFFERENCE 40

static const struct rn_found *first_of(const struct rn_groups *groups,
                                       const struct rn_runs *runs, size_t g)
{
    return &runs->at[groups->at[g].members[0]];
}

/* ", 400 iterations" behind the labels that are equal, where that differs. */
static void set_apart(struct rn_groups *groups, const struct rn_runs *runs,
                      size_t from, difference *tell)
{
    const char *label = groups->at[from].label;
    char own[DIFFERENCE], other[DIFFERENCE], same[sizeof(groups->at->label)];
    bool differ = false;

    tell(first_of(groups, runs, from), own, sizeof(own));
    for (size_t g = from + 1; g < groups->count; g++) {
        tell(first_of(groups, runs, g), other, sizeof(other));
        differ |=
            strcmp(groups->at[g].label, label) == 0 && strcmp(own, other) != 0;
    }
    if (!differ)
        return;
    rn_format(same, sizeof(same), "%s", label);
    for (size_t g = from; g < groups->count; g++)
        if (strcmp(groups->at[g].label, same) == 0) {
            size_t used = strlen(same);

            tell(first_of(groups, runs, g), other, sizeof(other));
            rn_format(groups->at[g].label + used, sizeof(same) - used, "%s%s",
                      *other ? ", " : "", other);
        }
}

/* "resnet20 (2)": the second of that label. */
static void number_equal(struct rn_groups *groups, size_t from)
{
    char same[sizeof(groups->at->label)];
    int number = 1;

    rn_format(same, sizeof(same), "%s", groups->at[from].label);
    for (size_t g = from + 1; g < groups->count; g++)
        if (strcmp(groups->at[g].label, same) == 0) {
            size_t used = strlen(same);

            rn_format(groups->at[g].label + used, sizeof(same) - used, " (%d)",
                      ++number);
        }
}

/* Groups that no option tells apart, but their data or their length, must not
 * look like one. */
static void tell_apart(struct rn_groups *groups, const struct rn_runs *runs)
{
    for (size_t i = 0; i < COUNT(differences); i++)
        for (size_t g = 0; g < groups->count; g++)
            set_apart(groups, runs, g, differences[i]);
    for (size_t g = 0; g < groups->count; g++)
        number_equal(groups, g);
}

/* ----------------------------------------------------------------- groups */

static int join(struct rn_groups *groups, const struct rn_runs *runs,
                size_t run, struct rn_error *err)
{
    struct rn_group *group = NULL;

    for (size_t g = 0; g < groups->count && !group; g++)
        if (same_kind(&runs->at[groups->at[g].members[0]], &runs->at[run]))
            group = &groups->at[g];
    if (!group) {
        group = &groups->at[groups->count];
        group->members = rn_alloc(runs->count, sizeof(*group->members));
        if (!group->members)
            return rn_fail_memory(err, runs->count * sizeof(size_t),
                                  "groups of runs");
        groups->count++;
    }
    group->members[group->count++] = run;
    return RN_OK;
}

int rn_groups_make(struct rn_groups *groups, const struct rn_runs *runs,
                   struct rn_error *err)
{
    int rc = RN_OK;

    *groups = (struct rn_groups){.count = 0};
    groups->at = rn_alloc(runs->count, sizeof(*groups->at));
    if (!groups->at)
        return rn_fail_memory(err, runs->count * sizeof(*groups->at),
                              "groups of runs");
    for (size_t i = 0; i < runs->count && rc == RN_OK; i++)
        rc = join(groups, runs, i, err);
    for (size_t g = 0; g < groups->count && rc == RN_OK; g++)
        name_group(&groups->at[g], groups, runs);
    tell_apart(groups, runs);
    if (rc)
        rn_groups_free(groups);
    return rc;
}

const char *rn_group_part(const struct rn_runs *runs,
                          const struct rn_group *group)
{
    return runs->at[group->members[0]].test_name;
}

void rn_groups_free(struct rn_groups *groups)
{
    for (size_t g = 0; g < groups->count; g++)
        rn_free(groups->at[g].members);
    rn_free(groups->at);
    *groups = (struct rn_groups){.count = 0};
}

/* Runs that do not tell their seeds are runs of different ones. */
static bool same_seed(const struct rn_found *a, const struct rn_found *b)
{
    const json_t *x = json_object_get(a->options, "seed");
    const json_t *y = json_object_get(b->options, "seed");

    return x && y && json_equal((json_t *)x, (json_t *)y);
}

size_t rn_group_again(const struct rn_runs *runs, const struct rn_group *group,
                      size_t member)
{
    const struct rn_found *own = &runs->at[group->members[member]];
    size_t count = 0;

    for (size_t i = 0; i < group->count; i++)
        count += i == member || same_seed(own, &runs->at[group->members[i]]);
    return count;
}

bool rn_group_counts(const struct rn_runs *runs, const struct rn_group *group,
                     size_t member)
{
    const struct rn_found *own = &runs->at[group->members[member]];

    for (size_t i = 0; i < group->count; i++) {
        const struct rn_found *run = &runs->at[group->members[i]];

        if (i != member && same_seed(own, run) &&
            (run->finished == own->finished ? i < member : run->finished))
            return false;
    }
    return true;
}

struct rn_statistic rn_group_statistic(const struct rn_runs *runs,
                                       const struct rn_group *group,
                                       size_t offset)
{
    struct rn_statistic s = {.least = (double)INFINITY};
    double sum = 0, squares = 0;

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < group->count; i++) {
            const struct rn_found *run = &runs->at[group->members[i]];
            double value = *(const double *)((const char *)run + offset);

            if (!run->finished || !isfinite(value) ||
                !rn_group_counts(runs, group, i))
                continue;
            if (pass == 1) {
                squares += (value - s.mean) * (value - s.mean);
                continue;
            }
            s.count++;
            sum += value;
            s.least = fmin(s.least, value);
        }
        s.mean = s.count ? sum / (double)s.count : (double)NAN;
    }
    s.deviation =
        s.count > 1 ? sqrt(squares / (double)(s.count - 1)) : (double)NAN;
    return s;
}
