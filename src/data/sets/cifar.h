/* SPDX-License-Identifier: BSD-2-Clause */
/* What both forms of CIFAR-10 and CIFAR-100 share (Krizhevsky 2009): records
 * ("binary version", cifar.c) and pickles of Python's (cifar_python.c). */
#ifndef RN_DATA_SETS_CIFAR_H
#define RN_DATA_SETS_CIFAR_H

#include "data/reader.h"

#define RN_CIFAR_SIDE    32
#define RN_CIFAR_PIXELS  (3 * RN_CIFAR_SIDE * RN_CIFAR_SIDE)
#define RN_CIFAR_RECORDS 1000000 /* most in a file; 50,000 are usual */
#define RN_CIFAR_BATCHES 5

/** Whether a folder holds the pickles of one of them. */
bool rn_cifar_python_recognise(const char *folder, bool hundred);
/** Read them into data whose shape and classes are set. `names`, or NULL, are
 *  the classes' where no file of the folder has them. */
int rn_cifar_python_read(struct rn_data *data, const char *folder, bool hundred,
                         const char *const *names, struct rn_error *err);

#endif
