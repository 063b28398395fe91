/* SPDX-License-Identifier: BSD-2-Clause */
/* Gram matrices of small whole numbers, whose sums are exact in any order,
 * added to what is there, of sizes around panels and tiles. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ops/gram.h"

#include <stdlib.h>

#define GUARD 12345.0

static double number(size_t i)
{
    return (double)(int)(i * 2654435761u % 2001) - 1000;
}

/* Sums as they are before: not zero. */
static double start(size_t i, size_t k)
{
    return (double)i - 3 * (double)k;
}

static int compare(size_t n, size_t count, int threads, const double *rows,
                   const double *sums)
{
    int bad = 0;

    for (size_t i = 0; i < n && bad < 5; i++)
        for (size_t k = 0; k <= i && bad < 5; k++) {
            double want = start(i, k);

            for (size_t r = 0; r < count; r++)
                want += rows[r * n + i] * rows[r * n + k];
            if (sums[i * n + k] == want)
                continue;
            print_error("%zu rows of %zu numbers, %d threads: [%zu][%zu] is "
                        "%.0f, expected %.0f\n",
                        count, n, threads, i, k, sums[i * n + k], want);
            bad++;
        }
    return bad;
}

static int check(size_t n, size_t count, int threads)
{
    size_t room_size = rn_gram_room(n);
    double *rows = malloc(count * n * sizeof(double));
    double *room = malloc((room_size + 1) * sizeof(double));
    double *sums = malloc((n * n + 1) * sizeof(double));
    int bad;

    assert_true(rows && room && sums);
    for (size_t i = 0; i < count * n; i++)
        rows[i] = number(i);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            sums[i * n + k] = start(i, k);
    room[room_size] = sums[n * n] = GUARD;
    rn_gram_add(rows, count, n, room, sums, threads);
    bad = compare(n, count, threads, rows, sums);
    if (room[room_size] != GUARD || sums[n * n] != GUARD) {
        print_error("%zu rows of %zu numbers: written past the end\n", count,
                    n);
        bad++;
    }
    free(rows);
    free(room);
    free(sums);
    return bad;
}

static void sums_are_exact(void **state)
{
    static const size_t sizes[] = {1, 3, 4, 23, 24, 25, 48, 75, 131};
    static const size_t counts[] = {1, 2, RN_GRAM_ROWS - 1, RN_GRAM_ROWS};
    int bad = 0;

    (void)state;
    for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++)
        for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++)
            for (int threads = 1; threads <= 3; threads += 2)
                bad += check(sizes[s], counts[c], threads);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sums_are_exact)};

    return cmocka_run_group_tests_name("gram", tests, NULL, NULL);
}
