/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of classes, on any bytes: the first tells how the file is called. What
 * is accepted has as many names as asked for, each printable. */
#include "fuzz.h"

#include "core/memory.h"
#include "core/text.h"
#include "model/class_list.h"

#include <stdlib.h>
#include <string.h>

static void check_name(const char *name)
{
    size_t size = strlen(name), fits;
    int width;

    fits = rn_text_fit(name, 5, &width);
    if (!*name || !rn_is_printable(name) || fits > size || width > 5 ||
        rn_text_twins(name, name))
        abort();
}

static void read_list(const uint8_t *bytes, size_t size, const char *path,
                      size_t classes)
{
    struct rn_class_list list;
    struct rn_error err = {0, ""};
    char *text = rn_alloc(size + 1, 1);
    int rc;

    if (!text)
        return;
    memcpy(text, bytes, size);
    rc = rn_text_clean(text, &size, path, &err);
    if (!rc)
        rc = rn_class_list_parse(&list, text, size, path, classes, &err);
    if (rc && (!err.code || !err.msg[0]))
        abort();
    if (!rc) {
        if (list.count == 0 || (classes && list.count != classes))
            abort();
        for (size_t i = 0; i < list.count; i++) {
            check_name(list.name[i]);
            if (list.id)
                check_name(list.id[i]);
        }
        rn_class_list_free(&list);
    }
    rn_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const paths[] = {"l.txt", "l.csv", "l.tsv", "l.json"};

    if (size == 0)
        return 0;
    for (size_t classes = 0; classes < 4; classes++)
        read_list(bytes + 1, size - 1, paths[bytes[0] % 4], classes);
    return 0;
}
