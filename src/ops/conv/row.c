/* SPDX-License-Identifier: BSD-2-Clause */
/* One row of outputs, strip by strip, two blocks of outputs at a time. */
#include "ops/conv/row.h"

#include "ops/shares.h"

void rn_conv_row_multiply(const struct rn_product_kernels *kernels,
                          const struct rn_conv_row *row)
{
    struct rn_product_first s = row->strip;
    size_t b = row->block;

    for (size_t out = 0; out < row->out_blocks; out += 2) {
        int outs = out + 1 < row->out_blocks ? 2 : 1;

        s.w = row->weights + out * s.w_block;
        s.bias = row->bias ? row->bias + out * b : NULL;
        for (size_t i = 0; i < row->strips; i++) {
            struct rn_range r =
                rn_range_of(row->pixels, (int)i, (int)row->strips);

            s.x = row->x + r.begin * s.x_pixel;
            s.y = row->y + out * s.y_block + r.begin * b;
            kernels->first((int)(r.end - r.begin), outs, &s);
        }
    }
}
