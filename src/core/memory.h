/* SPDX-License-Identifier: BSD-2-Clause */
/* Checked, aligned, zeroed memory. */
#ifndef RN_CORE_MEMORY_H
#define RN_CORE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#define RN_ALIGN 64

/** a * b into *out; false on overflow. */
bool rn_size_mul(size_t a, size_t b, size_t *out);
/** a + b into *out; false on overflow. */
bool rn_size_add(size_t a, size_t b, size_t *out);

/** count * size zeroed bytes at a multiple of RN_ALIGN; NULL when that
 *  overflows or fails. Never NULL for zero bytes. rn_free() releases it. */
void *rn_alloc(size_t count, size_t size);
void rn_free(void *p);

/** Large zeroed mapping at a page boundary, huge pages asked for. */
void *rn_map(size_t bytes);
void rn_unmap(void *p, size_t bytes);

/** Zeroed arrays that are freed together, in few large mappings: a page fault
 *  for every 4 KiB would take longer than reading a model. Zero it first. */
struct rn_slab {
    struct rn_slab_chunk *chunks;
};
void *rn_slab_alloc(struct rn_slab *slab, size_t count, size_t size);
void rn_slab_free(struct rn_slab *slab);

/** strdup() of text, NULL in gives NULL out; rn_free() releases it. */
char *rn_strdup(const char *text);

/** Grow *array (elements of `size` bytes) so that it holds `count` + 1;
 *  *capacity is kept. False when memory is short: the array is as before. */
bool rn_grow(void *array, size_t *capacity, size_t count, size_t size);

/** For tests: the n-th next allocation by any of the above fails, once;
 *  -1: none does. */
void rn_alloc_fail_after(long n);

#endif
