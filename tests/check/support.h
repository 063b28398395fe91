/* SPDX-License-Identifier: BSD-2-Clause */
/* What the check programs share: random numbers, layouts, guarded buffers,
 * comparison. A check counts what is wrong and prints the first few. */
#ifndef CHECK_SUPPORT_H
#define CHECK_SUPPORT_H

#include "graph/graph.h"
#include "reference.h"

#include <stdbool.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/** Seed of the whole program: RN_TEST_SEED, else 1; printed. */
uint64_t check_seed(void);
/** Whether RN_TEST_FAST asks for less work. */
bool check_fast(void);

/** Uniform in -scale..scale around `centre`, each a float's value exactly; a
 *  function of the seed, `stream` and the index. */
void check_fill(double *x, size_t count, uint64_t stream, double centre,
                double scale);

/** Never NULL: fails the test when memory is short. free() releases. */
double *check_doubles(size_t count);
/** The same of floats, aligned; rn_free() releases. */
float *check_new_floats(size_t count);
/** Doubles as check_fill() makes them, around 0. */
double *check_random(size_t count, uint64_t stream, double scale);

/** An output: 64-byte aligned floats, all NaN at first, and a guard behind. */
struct guarded {
    float *x;
    size_t count;
    void *memory;
};
struct guarded guarded_floats(size_t count);
void guarded_reset(struct guarded *g);
void guarded_free(struct guarded *g);
/** 1, and a line printed, when something wrote behind the end. */
int guarded_check(const struct guarded *g, const char *name);

/* Plain [n][c][h][w] doubles and blocked floats [n][blocks][hw][B]. */
size_t blocked_floats(int n, struct rn_shape s);
void to_floats(const double *from, size_t count, float *to);
void to_blocked(const double *plain, int n, struct rn_shape s, float *blocked);
float blocked_at(const float *blocked, struct rn_shape s, size_t i);
/** Number of padding lanes that are not zero; the first is printed. */
int check_padding(const char *name, const float *blocked, int n,
                  struct rn_shape s);

/** |got - want| <= tol (1 + |want|), NaN is wrong; prints unless `quiet`. */
int check_value(const char *name, const char *what, size_t i, double got,
                double want, double tol);
/** All of a blocked result against plain doubles, its padding, its guard. */
int check_blocked(const char *name, const char *what, const struct guarded *got,
                  int n, struct rn_shape s, const double *want, double tol);
int check_floats(const char *name, const char *what, const float *got,
                 const double *want, size_t count, double tol);

/** Output shape of a window over a shape. */
struct rn_shape window_output(struct rn_shape in, int channels,
                              struct rn_window w);
struct ref_window ref_window_of(int n, struct rn_shape in, struct rn_shape out,
                                struct rn_window w);

#endif
