/* SPDX-License-Identifier: BSD-2-Clause */
#include "nets/blocks.h"

#include <stdio.h>

/* He et al. 2016, section 4.2. Stages 2 and 3 start with stride 2. */
static const struct {
    int channels, stride;
} stages[] = {
    {16, 1}, /* 32 x 32 */
    {32, 2}, /* 16 x 16 */
    {64, 2}, /*  8 x  8 */
};

/* 6n + 2 layers: the first convolution, 2n per stage, the classifier. */
void rn_net_build_cifar(struct rn_graph *g, const struct rn_net_spec *spec)
{
    const int n = (spec->depth - 2) / 6;
    int x = rn_graph_input(g, spec->input);

    x = rn_conv_bn_relu(g, spec, x, "", 1, stages[0].channels, 3,
                        spec->stem_stride ? spec->stem_stride : 1, "relu");
    x = rn_pool_stem(g, spec, x, RN_STEM_POOL_NONE);
    for (int s = 0; s < 3; s++)
        for (int i = 0; i < n; i++) {
            char name[32];

            snprintf(name, sizeof(name), "layer%d.%d", s + 1, i);
            x = rn_block_basic(g, spec, x, name, stages[s].channels,
                               i == 0 ? stages[s].stride : 1);
        }
    rn_head(g, spec, x);
}
