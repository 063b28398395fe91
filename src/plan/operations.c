/* SPDX-License-Identifier: BSD-2-Clause */
/* The plans' rows of all operations, which are in steps/: one that is missing
 * does not link. */
#include "plan/operations.h"

static const struct rn_op_plan *const plans[] = {
#define RN_OPERATION(NAME, name) [RN_OP_##NAME] = &rn_plan_##name,
#include "graph/operations.def"
};

const struct rn_op_plan *rn_op_plan_of(enum rn_op op)
{
    return plans[op];
}
