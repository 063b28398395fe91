/* SPDX-License-Identifier: BSD-2-Clause */
/* Converts the number types of tensors in files to float32. */
#include "core/dtype.h"

#include <string.h>

static const struct {
    const char *name;
    size_t bytes;
} types[RN_DTYPES] = {
    [RN_F32] = {"F32", 4}, [RN_F16] = {"F16", 2},   [RN_BF16] = {"BF16", 2},
    [RN_F64] = {"F64", 8}, [RN_BOOL] = {"BOOL", 1}, [RN_U8] = {"U8", 1},
    [RN_I8] = {"I8", 1},   [RN_U16] = {"U16", 2},   [RN_I16] = {"I16", 2},
    [RN_U32] = {"U32", 4}, [RN_I32] = {"I32", 4},   [RN_U64] = {"U64", 8},
    [RN_I64] = {"I64", 8},
};

const char *rn_dtype_name(enum rn_dtype type)
{
    return types[type].name;
}

size_t rn_dtype_bytes(enum rn_dtype type)
{
    return types[type].bytes;
}

bool rn_dtype_find(const char *name, enum rn_dtype *out)
{
    for (int i = 0; i < RN_DTYPES; i++) {
        if (strcmp(name, types[i].name) == 0) {
            *out = (enum rn_dtype)i;
            return true;
        }
    }
    return false;
}

static float from_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* 1 sign, 5 exponent (bias 15), 10 fraction bits. */
static float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 31, fraction = half & 1023;

    if (exponent == 0) { /* zero and denormals: fraction * 2^-24 */
        float value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    if (exponent == 31) /* infinite, undefined */
        return from_bits(sign | 0x7f800000u | fraction << 13);
    return from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

/* The loop for one type: T as it lies in the file, EXPRESSION of `v`. */
#define CONVERT(T, expression)                              \
    for (size_t i = 0; i < count; i++) {                    \
        T v;                                                \
        memcpy(&v, from + i * step * sizeof(v), sizeof(v)); \
        to[i] = (expression);                               \
    }                                                       \
    break

void rn_dtype_to_float(enum rn_dtype type, const uint8_t *from, size_t step,
                       float *to, size_t count)
{
    if (type == RN_F32 && step == 1) {
        if (count > 0)
            memcpy(to, from, count * sizeof(*to));
        return;
    }
    switch (type) {
    case RN_F32:
        CONVERT(float, v);
    case RN_F16:
        CONVERT(uint16_t, half_to_float(v));
    case RN_BF16:
        CONVERT(uint16_t, from_bits((uint32_t)v << 16));
    case RN_F64:
        CONVERT(double, (float)v);
    case RN_BOOL:
        CONVERT(uint8_t, v ? 1.0f : 0.0f);
    case RN_U8:
        CONVERT(uint8_t, (float)v);
    case RN_I8:
        CONVERT(int8_t, (float)v);
    case RN_U16:
        CONVERT(uint16_t, (float)v);
    case RN_I16:
        CONVERT(int16_t, (float)v);
    case RN_U32:
        CONVERT(uint32_t, (float)v);
    case RN_I32:
        CONVERT(int32_t, (float)v);
    case RN_U64:
        CONVERT(uint64_t, (float)v);
    case RN_I64:
        CONVERT(int64_t, (float)v);
    case RN_DTYPES:
        break;
    }
}

uint16_t rn_bf16_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return (uint16_t)(rn_bf16_rounded(bits) >> 16);
}
