/* SPDX-License-Identifier: BSD-2-Clause */
/* How activations lie. */
#include "ops/layout.h"

#include "core/isa.h"

int rn_block(void)
{
    return rn_isa()->width > 8 ? rn_isa()->width : 8;
}

size_t rn_channels_padded(int c)
{
    size_t b = (size_t)rn_block();

    return ((size_t)c + b - 1) / b * b;
}
