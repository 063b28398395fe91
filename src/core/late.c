/* SPDX-License-Identifier: BSD-2-Clause */
/* Libraries that are loaded when they are first needed. */
#include "core/late.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static const char *load(const struct rn_late *late)
{
    void *library = dlopen(late->library, RTLD_LAZY | RTLD_LOCAL);

    if (!library)
        return dlerror();
    for (size_t i = 0; i < late->count; i++) {
        void *symbol = dlsym(library, late->functions[i].name);

        if (!symbol)
            return dlerror();
        memcpy(late->functions[i].pointer, &symbol, sizeof(symbol));
    }
    return NULL;
}

const char *rn_late_load(struct rn_late *late)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    const char *why = NULL;

    pthread_mutex_lock(&mutex);
    if (!late->loaded)
        why = load(late);
    late->loaded = !why;
    pthread_mutex_unlock(&mutex);
    return why;
}
