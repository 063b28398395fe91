/* SPDX-License-Identifier: BSD-2-Clause */
/* Types of numbers: those of tensors in files, all little-endian, and those of
 * values, buffers and convolutions in plans. */
#ifndef RN_CORE_DTYPE_H
#define RN_CORE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rn_dtype {
    RN_F32,
    RN_F16,
    RN_BF16,
    RN_F64,
    RN_BOOL,
    RN_U8,
    RN_I8,
    RN_U16,
    RN_I16,
    RN_U32,
    RN_I32,
    RN_U64,
    RN_I64,
    RN_DTYPES
};

/** "F32", as safetensors has it. */
const char *rn_dtype_name(enum rn_dtype type);
size_t rn_dtype_bytes(enum rn_dtype type);
/** The type of that name; false when there is none. */
bool rn_dtype_find(const char *name, enum rn_dtype *out);

/** bfloat16 of a float32, to nearest, ties to even; what is undefined stays
 *  undefined, and denormals become zeros, as for the processor's own
 *  (VCVTNEPS2BF16). */
uint16_t rn_bf16_of(float value);
/** The same of a float32's bits, which stay at their place: for loops. */
static inline uint32_t rn_bf16_rounded(uint32_t bits)
{
    uint32_t nearest = bits + 0x7fffU + (bits >> 16 & 1);
    uint32_t zero = bits & 0x80000000U, undefined = bits | 0x400000U;
    uint32_t value = (bits & 0x7fffffffU) > 0x7f800000U ? undefined : nearest;

    return ((bits & 0x7f800000U) == 0 ? zero : value) & 0xffff0000U;
}

/** Convert `count` numbers, `step` of them apart, to float32: F32 and
 *  smaller floats keep their value, the others are rounded to nearest. */
void rn_dtype_to_float(enum rn_dtype type, const uint8_t *from, size_t step,
                       float *to, size_t count);

#endif
