/* SPDX-License-Identifier: BSD-2-Clause */
/* What libFuzzer calls, and replay.c without it. */
#ifndef RN_TESTS_FUZZ_H
#define RN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
