/* SPDX-License-Identifier: BSD-2-Clause */
/* The library's fields by the names of the program's flags. */
#ifndef RN_CLI_FLAGS_H
#define RN_CLI_FLAGS_H

#include "resnet.h"

#include <stddef.h>

/** One of the library's tables of options, as its function. */
typedef const struct rn_option *option_table(size_t i);

/** The flag of a field, without the dashes, in buf; NULL: it has none. */
const char *flag_of(const char *field, char *buf, size_t size);

/** `text` of the library into `out`: fields that stand in backticks become
 *  flags, or stand there bare if they have none. Returns out. */
const char *flags_for_fields(const char *text, char *out, size_t size);

/** Options that began as the library's defaults, once parsed: what is zero in
 *  spite of a default was asked for, which the library knows as RN_ZERO. */
void ask_for_zeroes(option_table *table, void *options);

#endif
