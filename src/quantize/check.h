/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a quantised model is as accurate as it was. */
#ifndef RN_QUANTIZE_CHECK_H
#define RN_QUANTIZE_CHECK_H

#include "quantize/quantizer.h"

/** Where the error is measured, and what it was and is. */
struct rn_check {
    const struct rn_data *data;
    enum rn_part part;
    bool possible; /* there are images that ranges were not taken from */
    int images;
    double before, after;
};

/** The error of the model as it is now. */
int rn_check_measure(struct rn_quantizer *q, struct rn_check *c, double *error);
/** Whether it has grown too much. */
bool rn_check_fails(const struct rn_quantizer *q, const struct rn_check *c);
/** The fewest of the costliest layers left in float32 that keep the error:
 * twice as many until it is kept, then by halves. At least one stays in 8 bits.
 */
int rn_check_leave_out(struct rn_quantizer *q, struct rn_check *c);

#endif
