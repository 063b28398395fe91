/* SPDX-License-Identifier: BSD-2-Clause */
/* Eigenvectors of symmetric matrices, the wall around LAPACK. */
#ifndef RN_TRAIN_EIGEN_H
#define RN_TRAIN_EIGEN_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

/** Whether this build has them. */
bool rn_eigen_there(void);

/** Of an n x n matrix, row by row, whose part below the diagonal and on it
 *  counts: it becomes the eigenvectors, one a row, and `values` theirs, the
 *  smallest first. */
int rn_eigen(double *matrix, size_t n, double *values, struct rn_error *err);

#endif
