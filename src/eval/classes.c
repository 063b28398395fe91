/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of a model's classes those of a data set are: 50 folders of
 * ImageNet's 1,000, in whatever order, are enough to evaluate on. */
#include "core/letters.h"
#include "core/memory.h"
#include "core/text.h"
#include "data/remarks.h"
#include "data/sets/numerals.h"
#include "eval/eval.h"

#include <stdio.h>
#include <string.h>

#define NO_CLASS  (-1)
#define AMBIGUOUS (-2)
#define SHOWN     5

/* Whether texts are the same, or the same number. */
static bool same(const char *a, const char *b, bool numbers)
{
    return numbers ? rn_numeral(a) == rn_numeral(b) : strcmp(a, b) == 0;
}

/* Index of `text` among the model's identifiers or names. */
static int find_as(char *const *texts, int count, const char *text,
                   bool numbers)
{
    int found = NO_CLASS;

    for (int i = 0; i < count; i++) {
        if (!same(texts[i], text, numbers))
            continue;
        if (found >= 0)
            return AMBIGUOUS;
        found = i;
    }
    return found;
}

/* As it is written, or else, where all are numbers, as the number. */
static int find(char *const *texts, int count, const char *text)
{
    int found;

    if (!texts || !text)
        return NO_CLASS;
    found = find_as(texts, count, text, false);
    if (found != NO_CLASS || rn_numeral(text) < 0)
        return found;
    for (int i = 0; i < count; i++)
        if (rn_numeral(texts[i]) < 0)
            return NO_CLASS;
    return find_as(texts, count, text, true);
}

/* Identifiers before names, of both sides. */
static int match(const struct rn_model *model, const char *id, const char *name)
{
    char *const *const theirs[] = {model->class_ids, model->class_names};
    const char *const ours[] = {id, name};
    int found = NO_CLASS;

    for (int i = 0; i < 2 && found == NO_CLASS; i++)
        for (int j = 0; j < 2 && found == NO_CLASS; j++)
            found = find(theirs[i], model->spec.classes, ours[j]);
    return found;
}

static int check_counts(const struct rn_model *model,
                        const struct rn_data *data, bool fewer,
                        struct rn_error *err)
{
    char buf[RN_TITLE_SIZE];

    if (data->classes == model->spec.classes ||
        (fewer && data->classes < model->spec.classes))
        return RN_OK;
    return rn_fail(err, RN_ERR_DATA,
                   "model %s has %d classes, '%s' has %d, and names to match "
                   "them by are missing",
                   rn_model_title(model, buf, sizeof(buf)), model->spec.classes,
                   data->spec, data->classes);
}

/* The texts that are all numbers, identifiers before names; NULL: neither. */
static char *const *numerals(char *const *ids, char *const *names, int count)
{
    if (ids && rn_numerals(ids, (size_t)count))
        return ids;
    return names && rn_numerals(names, (size_t)count) ? names : NULL;
}

/* torchvision's ImageFolder and such number folders in the order of their names
 * as texts, for which a file of weights has no place. */
static void tell_order(const struct rn_model *model, const struct rn_data *data,
                       char *const *numbers)
{
    if (rn_numerals_two_orders(numbers, (size_t)data->classes))
        rn_remark(data->source.remarks, RN_REMARK_ORDER,
                  "the classes of '%.100s' are called by numbers, and taken "
                  "for those of model %s by these: it has no names. If it has "
                  "them in the order of texts (0, 1, 10, 11, 2, …), as of "
                  "torchvision's ImageFolder, `labels`, a file of these lines, "
                  "says so",
                  data->spec, model->spec.name);
}

/* A model without names has classes by index. Numbers of all its classes, from
 * 0, are these; others could be anything. Words are in the order of the names,
 * as in most training programs. */
static int match_indices(const struct rn_model *model,
                         const struct rn_data *data, int32_t *map,
                         struct rn_error *err)
{
    char *const *numbers =
        numerals(data->class_ids, data->class_names, data->classes);
    int rc = check_counts(model, data, false, err);

    for (int i = 0; numbers && !rc && i < data->classes; i++) {
        long index = rn_numeral(numbers[i]);

        map[i] = (int32_t)index;
        if (index >= model->spec.classes)
            rc = rn_fail(err, RN_ERR_DATA,
                         "model %s has %d classes without names, numbered from "
                         "0, and '%.100s' has one called '%.40s': which is "
                         "which cannot be told; give the model the names of "
                         "its classes",
                         model->spec.name, model->spec.classes, data->spec,
                         numbers[i]);
    }
    if (numbers && !rc)
        tell_order(model, data, numbers);
    return rc;
}

/* The number of a class of unnamed data is the index of the model's, unless the
 * model's classes are called by numbers. */
static int match_numbers(const struct rn_model *model,
                         const struct rn_data *data, const bool *used,
                         int32_t *map, struct rn_error *err)
{
    char *const *numbers =
        numerals(model->class_ids, model->class_names, model->spec.classes);
    char text[24];

    if (!numbers)
        return check_counts(model, data, true, err);
    for (int i = 0; i < data->classes; i++) {
        snprintf(text, sizeof(text), "%d", i);
        map[i] = find(numbers, model->spec.classes, text);
        if (used[i] && map[i] < 0)
            return rn_fail(err, RN_ERR_DATA,
                           "model %s has no class called %d, which '%.100s' "
                           "has; its classes are called '%.40s', '%.40s' and "
                           "so on",
                           model->spec.name, i, data->spec, numbers[0],
                           numbers[1 % model->spec.classes]);
    }
    return RN_OK;
}

/* The note on a class of the model whose name is written otherwise. */
static void find_twin(const struct rn_model *model, const struct rn_data *data,
                      int class, char *note, size_t size)
{
    const char *name = rn_data_class_name(data, class);

    if (name)
        rn_text_twin_among(name, model->class_names,
                           (size_t)model->spec.classes, note, size);
}

/* Lists the classes that the model has not. */
static int fail_unknown(const struct rn_model *model,
                        const struct rn_data *data, const int32_t *map,
                        const bool *used, struct rn_error *err)
{
    char shown[300] = "", note[240] = "";
    int unknown = 0, of = 0;

    for (int i = 0; i < data->classes; i++) {
        size_t n = strlen(shown);

        of += used[i];
        if (!used[i] || map[i] >= 0)
            continue;
        if (!*note)
            find_twin(model, data, i, note, sizeof(note));
        if (!*note && !data->fetch)
            snprintf(note, sizeof(note),
                     "; others stand at other numbers: names that agree are "
                     "for the model (`labels`) or the data to have");
        if (unknown++ < SHOWN)
            snprintf(shown + n, sizeof(shown) - n, "%s'%.40s'%s", n ? ", " : "",
                     data->class_ids ? data->class_ids[i]
                                     : data->class_names[i],
                     map[i] == AMBIGUOUS ? " (a name of several)" : "");
    }
    return rn_fail(err, RN_ERR_DATA,
                   "model %s does not know %d of the %d classes of '%.100s': "
                   "%s%s%s",
                   model->spec.name, unknown, of, data->spec,
                   rn_text_whole(shown), unknown > SHOWN ? ", …" : "", note);
}

/* Of the data's classes, those of the part must be known. */
static bool find_all(const struct rn_model *model, const struct rn_data *data,
                     const bool *used, int32_t *map)
{
    bool all = true;

    for (int i = 0; i < data->classes; i++) {
        map[i] = match(model, rn_data_class_id(data, i),
                       rn_data_class_name(data, i));
        all = all && (!used[i] || map[i] >= 0);
    }
    return all;
}

/* Whether all that are known stand at their own numbers in the model. */
static bool in_place(const struct rn_model *model, const struct rn_data *data,
                     const bool *used, const int32_t *map)
{
    for (int i = 0; i < data->classes; i++)
        if (used[i] && map[i] >= 0 && map[i] != i)
            return false;
    return model->spec.classes == data->classes;
}

/* What class i is called by, identifiers before names. */
static const char *text_of(char *const *ids, char *const *names, int i)
{
    return ids ? ids[i] : names[i];
}

/* Says which classes go by their numbers, for want of a name in common. */
static void tell_numbers(const struct rn_model *model,
                         const struct rn_data *data, const bool *used,
                         const int32_t *map)
{
    char shown[300] = "";
    int unknown = 0;

    for (int i = 0; i < data->classes; i++) {
        size_t n = strlen(shown);

        if (used[i] && map[i] < 0 && unknown++ < SHOWN)
            snprintf(shown + n, sizeof(shown) - n, "%s'%.24s' is '%.24s' there",
                     n ? ", " : "",
                     text_of(data->class_ids, data->class_names, i),
                     text_of(model->class_ids, model->class_names, i));
    }
    rn_remark(data->source.remarks, RN_REMARK_CLASSES,
              "%d of the classes of '%.100s' %s no class of model %s by name "
              "and %s by number: %s%s",
              unknown, data->spec, unknown == 1 ? "is" : "are",
              model->spec.name, unknown == 1 ? "goes" : "go",
              rn_text_whole(shown), unknown > SHOWN ? ", …" : "");
}

/* Labels of images in memory are numbers. Names that are spelt otherwise leave
 * them so, unless others show that the model has another order. */
static int match_names(const struct rn_model *model, const struct rn_data *data,
                       const bool *used, int32_t *map, struct rn_error *err)
{
    if (find_all(model, data, used, map))
        return RN_OK;
    if (data->fetch || !in_place(model, data, used, map))
        return fail_unknown(model, data, map, used, err);
    tell_numbers(model, data, used, map);
    for (int i = 0; i < data->classes; i++)
        map[i] = i;
    return RN_OK;
}

/* Whether both list the same classes, of which two may have the same name. */
static bool same_lists(const struct rn_model *m, const struct rn_data *d)
{
    size_t count = (size_t)d->classes;

    if (m->spec.classes != d->classes)
        return false;
    if (m->class_ids && d->class_ids)
        return rn_texts_equal(m->class_ids, d->class_ids, count);
    return m->class_names && d->class_names &&
           rn_texts_equal(m->class_names, d->class_names, count);
}

int rn_match_classes(const struct rn_model *model, const struct rn_data *data,
                     enum rn_part part, int32_t *map, struct rn_error *err)
{
    bool data_names = data->class_names || data->class_ids;
    bool model_names = model->class_names || model->class_ids;
    bool *used;
    int rc;

    for (int i = 0; i < data->classes; i++)
        map[i] = i;
    if ((unsigned)part > RN_PART_TEST)
        return rn_fail(err, RN_ERR_ARG, "part %d: there is none", (int)part);
    if (same_lists(model, data))
        return RN_OK;
    if (!data->fetch && !(data_names && model_names))
        return check_counts(model, data, false, err);
    if (!model_names)
        return data_names ? match_indices(model, data, map, err)
                          : check_counts(model, data, true, err);
    used = rn_alloc((size_t)data->classes, sizeof(*used));
    if (!used)
        return rn_fail_memory(err, (size_t)data->classes, "classes");
    rn_data_see(data, part, used);
    rc = data_names ? match_names(model, data, used, map, err)
                    : match_numbers(model, data, used, map, err);
    rn_free(used);
    return rc;
}
