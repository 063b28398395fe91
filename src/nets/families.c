/* SPDX-License-Identifier: BSD-2-Clause */
/* The families that there are, and what is usual with weights of theirs. */
#include "nets/family.h"

#include "core/count.h"

#include <string.h>

static const struct rn_family *const families[] = {
#define RN_FAMILY(name) &rn_family_##name,
#include "nets/families.def"
#undef RN_FAMILY
};

const struct rn_net_source rn_source_torchvision = {"torchvision's", NULL};
const struct rn_net_source rn_source_structure = {"its own", NULL};

const struct rn_family *rn_family_at(size_t i)
{
    return i < COUNT(families) ? families[i] : NULL;
}

const struct rn_family *rn_family_named(const char *name)
{
    for (size_t i = 0; name && i < COUNT(families); i++)
        if (strcmp(families[i]->name, name) == 0)
            return families[i];
    return NULL;
}

const struct rn_net_habit *rn_family_habit(const struct rn_family *family,
                                           const struct rn_net_source *source)
{
    for (const struct rn_net_habit *h = family->habits; h->source; h++)
        if (h->source == source)
            return h;
    return NULL;
}
