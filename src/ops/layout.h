/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * How activations lie: [n][ceil(c / B)][h][w][B], B = rn_block(), with zeros in
 * the channels that fill the last block.
 */
#ifndef RN_OPS_LAYOUT_H
#define RN_OPS_LAYOUT_H

#include <stddef.h>

/** Channels in a block: 16 with AVX-512, else 8. */
int rn_block(void);
/** Channels with the last block filled up. */
size_t rn_channels_padded(int c);

#endif
