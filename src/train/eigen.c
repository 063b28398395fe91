/* SPDX-License-Identifier: BSD-2-Clause */
/* Eigenvectors by LAPACK, where the build has it. This file alone includes its
 * header. */
#include "train/eigen.h"

#ifdef RN_WITH_LAPACK
#include "core/late.h"

#include <lapacke.h>
#include <limits.h>

static __typeof__(LAPACKE_dsyevd) *dsyevd;
static const struct rn_late_function function = {"LAPACKE_dsyevd", &dsyevd};
static struct rn_late library = {"liblapacke.so.3", &function, 1, false};

bool rn_eigen_there(void)
{
    return true;
}

/* Columns of LAPACK's are rows of ours, and above is below. */
int rn_eigen(double *matrix, size_t n, double *values, struct rn_error *err)
{
    const char *why = rn_late_load(&library);
    lapack_int rc;

    if (why)
        return rn_fail(err, RN_ERR_DATA, "eigenvectors are LAPACK's: %.300s",
                       why);
    if (n > INT_MAX)
        return rn_fail(err, RN_ERR_ARG, "a matrix of %zu rows", n);
    rc = dsyevd(LAPACK_COL_MAJOR, 'V', 'U', (lapack_int)n, matrix,
                (lapack_int)n, values);
    if (rc == LAPACK_WORK_MEMORY_ERROR)
        return rn_fail_memory(err, 2 * n * n * sizeof(*matrix), "eigenvectors");
    return rc == 0 ? RN_OK
                   : rn_fail(err, RN_ERR_DATA,
                             "the eigenvectors of %zu numbers are not found "
                             "(LAPACK's dsyevd: %d)",
                             n, (int)rc);
}
#else
bool rn_eigen_there(void)
{
    return false;
}

int rn_eigen(double *matrix, size_t n, double *values, struct rn_error *err)
{
    (void)matrix, (void)n, (void)values;
    return rn_fail(err, RN_ERR_ARG, "this build is without LAPACK");
}
#endif
