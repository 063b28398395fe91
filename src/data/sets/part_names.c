/* SPDX-License-Identifier: BSD-2-Clause */
/* Which names of folders are those of parts. */
#include "data/sets/part_names.h"

#include "core/count.h"
#include "core/locale.h"

#include <string.h>

#define MOST_NAME 64

/* What is left of a part's name without case, blanks, digits around it, and
 * what stands around. */
static const struct rn_part_name part_names[] = {
    {"train", RN_PART_TRAIN},
    {"training", RN_PART_TRAIN},
    {"val", RN_PART_VALIDATION},
    {"valid", RN_PART_VALIDATION},
    {"validation", RN_PART_VALIDATION},
    {"dev", RN_PART_VALIDATION},
    {"test", RN_PART_TEST},
    {"testing", RN_PART_TEST},
};
#define PART_NAMES COUNT(part_names)

const struct rn_part_name rn_first_names[] = {
    {"train", RN_PART_TRAIN},      {"val", RN_PART_VALIDATION},
    {"valid", RN_PART_VALIDATION}, {"validation", RN_PART_VALIDATION},
    {"test", RN_PART_TEST},        {NULL, RN_PART_TRAIN},
};

static void cut_end(char *word, const char *end)
{
    size_t n = strlen(word), m = strlen(end);

    if (n > m && strcmp(word + n - m, end) == 0)
        word[n - m] = '\0';
}

/* "seg_train", "Train-Images", "trainset2" and "1. train" become "train". */
static void reduce(const char *name, char word[MOST_NAME])
{
    static const char *const ends[] = {"dataset", "set", "data", "images"};
    size_t n = 0;

    name += strspn(name, "0123456789-_.() ");
    for (; *name && n < MOST_NAME - 1; name++)
        if (!strchr("-_. ", *name))
            word[n++] = rn_lower(*name);
    while (n && word[n - 1] >= '0' && word[n - 1] <= '9')
        n--;
    word[n] = '\0';
    if (strncmp(word, "seg", 3) == 0)
        memmove(word, word + 3, n - 2);
    for (size_t i = 0; i < COUNT(ends); i++)
        cut_end(word, ends[i]);
}

int rn_part_of(const char *name)
{
    char word[MOST_NAME];

    if (strlen(name) >= MOST_NAME)
        return RN_NO_PART;
    reduce(name, word);
    for (size_t i = 0; i < PART_NAMES; i++)
        if (strcmp(part_names[i].name, word) == 0)
            return (int)part_names[i].part;
    return RN_NO_PART;
}

bool rn_part_named(const struct rn_data *data, const char *name)
{
    if (data->rule != RN_RULE_FIRST)
        return rn_part_of(name) != RN_NO_PART;
    for (const struct rn_part_name *n = rn_first_names; n->name; n++)
        if (strcmp(n->name, name) == 0)
            return true;
    return false;
}
