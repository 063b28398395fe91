/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of classes as people have them: names, perhaps with identifiers
 * (WordNet's, say) and with numbers, in the order of the lines or of the
 * numbers. A number counts, or the list is refused; it never becomes an
 * identifier. */
#ifndef RN_MODEL_CLASS_LIST_H
#define RN_MODEL_CLASS_LIST_H

#include "core/error.h"

#include <jansson.h>

#define RN_CLASS_LIST_BYTES ((size_t)64 << 20)
#define RN_CLASS_LIST_MOST  65535

struct rn_class_list {
    size_t count;
    size_t first;      /* the first class's number: 1 where the list says so */
    const char **name; /* [count], in the order of the classes */
    const char **id;   /* [count], NULL where there is none; or NULL */
    json_t *json;      /* what these point into, if not into the text */
};

/**
 * Text with a class a line ("tench", "n01440764 tench", "0 tench",
 * "tench 0", "0: tench"); CSV where the path ends in .csv or .tsv, with a
 * heading or without; JSON or Python's text of a list or dictionary, Hugging
 * Face's config.json among it.
 *
 * @param text of `size` bytes after rn_text_clean(); the caller's, cut in
 *             place, kept as long as the list.
 * @param classes how many there must be; 0: not known.
 */
int rn_class_list_parse(struct rn_class_list *list, char *text, size_t size,
                        const char *path, size_t classes, struct rn_error *err);
void rn_class_list_free(struct rn_class_list *list);

#endif
