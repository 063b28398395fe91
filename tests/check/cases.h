/* SPDX-License-Identifier: BSD-2-Clause */
/* The one table of shapes that every operation is checked with. */
#ifndef CHECK_CASES_H
#define CHECK_CASES_H

#include <stddef.h>

/* tol: largest |got - ref| / (1 + |ref|) of a direct convolution. ref
 * accumulates in double; tol grows with the length of the float sum, which in
 * backward weights is n * oh * ow. */
struct conv_case {
    const char *name;
    int n, ic, oc, h, w, k, stride, pad;
    double tol;
};

extern const struct conv_case conv_cases[];
extern const size_t conv_cases_count;

#endif
