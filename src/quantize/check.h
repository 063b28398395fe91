/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a quantised model is as accurate as it was. */
#ifndef RN_QUANTIZE_CHECK_H
#define RN_QUANTIZE_CHECK_H

#include "quantize/quantizer.h"

/** What is measured, where, and what came out: the error on a part that ranges
 *  were not taken from; where there is none with classes, how many first
 *  answers are float32's on the part of calibration itself. */
struct rn_check {
    const struct rn_data *data;
    enum rn_part part;
    int images;
    bool error;           /* it is measured, not the agreement */
    double before, after; /* errors, per cent */
    int *first;           /* [images] answers of float32 */
    int same;
};

/** Choose what is measured, and see that the data go with the model. */
int rn_check_choose(struct rn_quantizer *q, struct rn_check *c,
                    const struct rn_data *data);
/** The model as it was. */
int rn_check_before(struct rn_quantizer *q, struct rn_check *c);
/** The model as it is now. */
int rn_check_measure(struct rn_quantizer *q, struct rn_check *c);
/** Whether it has become too bad. */
bool rn_check_fails(const struct rn_quantizer *q, const struct rn_check *c);
/** Leave the fewest of the costliest layers in float32 that make it pass: twice
 *  as many until it does, then by halves. At least one stays in 8 bits. */
int rn_check_leave_out(struct rn_quantizer *q, struct rn_check *c);
/** Per cent of the first answers that are the same; NaN where errors are
 *  measured. */
double rn_check_agreement(const struct rn_check *c);
void rn_check_free(struct rn_check *c);

#endif
