/* SPDX-License-Identifier: BSD-2-Clause */
/* Gram matrices in panels, as a matrix product's operands are packed: without,
 * a column of images of 3x32x32 would meet eight lines of the cache. */
#include "ops/gram.h"

#include "ops/gram_kernels.h"

#include <string.h>

static size_t panels_of(size_t n)
{
    return (n + RN_GRAM_PANEL - 1) / RN_GRAM_PANEL;
}

size_t rn_gram_room(size_t n)
{
    return panels_of(n) * RN_GRAM_PANEL * RN_GRAM_ROWS;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A panel of all rows, [count][RN_GRAM_PANEL], with zeros past the last
 * number. */
static void pack(const double *rows, size_t count, size_t n, size_t panel,
                 double *to)
{
    size_t first = panel * RN_GRAM_PANEL;
    size_t width = least(n - first, RN_GRAM_PANEL);

    for (size_t r = 0; r < count; r++, to += RN_GRAM_PANEL) {
        memcpy(to, rows + r * n + first, width * sizeof(*to));
        memset(to + width, 0, (RN_GRAM_PANEL - width) * sizeof(*to));
    }
}

/* The columns of a panel, from the diagonal down. */
static void add_columns(const struct rn_gram_kernels *k, const double *packed,
                        size_t count, size_t n, size_t panel, double *sums)
{
    const size_t size = (size_t)RN_GRAM_PANEL * RN_GRAM_ROWS;
    size_t first = panel * RN_GRAM_PANEL;
    size_t width = least(n - first, RN_GRAM_PANEL);
    double tile[RN_GRAM_TILE][RN_GRAM_PANEL];

    for (size_t i = first; i < n; i += RN_GRAM_TILE) {
        size_t high = least(n - i, RN_GRAM_TILE);

        k->tile(count, packed + i / RN_GRAM_PANEL * size + i % RN_GRAM_PANEL,
                packed + panel * size, tile);
        for (size_t y = 0; y < high; y++)
            for (size_t x = 0; x < width; x++)
                sums[(i + y) * n + first + x] += tile[y][x];
    }
}

void rn_gram_add(const double *rows, size_t count, size_t n, double *room,
                 double *sums, int threads)
{
    const struct rn_gram_kernels *k = rn_gram_kernels_get();
    const size_t size = (size_t)RN_GRAM_PANEL * RN_GRAM_ROWS;
    size_t panels = panels_of(n);

#pragma omp parallel num_threads(threads)
    {
#pragma omp for
        for (size_t p = 0; p < panels; p++)
            pack(rows, count, n, p, room + p * size);
#pragma omp for schedule(dynamic)
        for (size_t p = 0; p < panels; p++)
            add_columns(k, room, count, n, p, sums);
    }
}
