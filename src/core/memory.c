/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocates with checked sizes, aligned and zeroed, and fails on demand for
 * tests. */
#include "core/memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* For tests alone: how many allocations are left until one fails, 0 or less
 * for never. */
static atomic_long fail_countdown = -1;

void rn_alloc_fail_after(long n)
{
    atomic_store(&fail_countdown, n);
}

static bool must_fail(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) <= 0)
        return false;
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

bool rn_size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool rn_size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

void *rn_alloc(size_t count, size_t size)
{
    size_t bytes, rounded;

    void *p;

    if (must_fail())
        return NULL;
    if (!rn_size_mul(count, size, &bytes) ||
        !rn_size_add(bytes ? bytes : 1, RN_ALIGN - 1, &rounded) ||
        rounded > PTRDIFF_MAX)
        return NULL;
    rounded -= rounded % RN_ALIGN;
    p = aligned_alloc(RN_ALIGN, rounded);
    if (p)
        memset(p, 0, rounded);
    return p;
}

void rn_free(void *p)
{
    free(p);
}

void *rn_map(size_t bytes)
{
    void *p;

    if (must_fail())
        return NULL;
    p = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
#ifdef MADV_HUGEPAGE
    /* Advice: a kernel without huge pages says no, and that is fine. */
    (void)madvise(p, bytes ? bytes : 1, MADV_HUGEPAGE);
#endif
    return p;
}

void rn_unmap(void *p, size_t bytes)
{
    if (p)
        munmap(p, bytes ? bytes : 1);
}

struct rn_slab_chunk {
    struct rn_slab_chunk *next;
    size_t bytes, used;
};

enum { SLAB_FIRST = 1 << 20 };

/* A chunk with room for `bytes`, twice as large as the one before. */
static struct rn_slab_chunk *add_chunk(struct rn_slab *slab, size_t bytes)
{
    size_t before = slab->chunks ? slab->chunks->bytes : SLAB_FIRST / 2;
    struct rn_slab_chunk *chunk;

    if (!rn_size_add(bytes, RN_ALIGN, &bytes) || bytes > PTRDIFF_MAX)
        return NULL;
    if (bytes < 2 * before)
        bytes = 2 * before;
    chunk = rn_map(bytes);
    if (!chunk)
        return NULL;
    *chunk = (struct rn_slab_chunk){slab->chunks, bytes, RN_ALIGN};
    slab->chunks = chunk;
    return chunk;
}

void *rn_slab_alloc(struct rn_slab *slab, size_t count, size_t size)
{
    struct rn_slab_chunk *chunk = slab->chunks;
    size_t bytes, at;

    if (!rn_size_mul(count, size, &bytes) ||
        !rn_size_add(bytes ? bytes : 1, RN_ALIGN - 1, &bytes))
        return NULL;
    bytes -= bytes % RN_ALIGN;
    if (!chunk || chunk->bytes - chunk->used < bytes)
        chunk = add_chunk(slab, bytes);
    if (!chunk)
        return NULL;
    at = chunk->used;
    chunk->used += bytes;
    return (uint8_t *)chunk + at;
}

void rn_slab_free(struct rn_slab *slab)
{
    while (slab->chunks) {
        struct rn_slab_chunk *chunk = slab->chunks;

        slab->chunks = chunk->next;
        rn_unmap(chunk, chunk->bytes);
    }
}

char *rn_strdup(const char *text)
{
    size_t size;
    char *copy;

    if (!text)
        return NULL;
    size = strlen(text) + 1;
    copy = rn_alloc(size, 1);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

bool rn_grow(void *array, size_t *capacity, size_t count, size_t size)
{
    size_t wanted = *capacity < 8 ? 8 : *capacity;

    void *old, *grown;

    if (count < *capacity)
        return true;
    while (wanted <= count)
        if (!rn_size_mul(wanted, 2, &wanted))
            return false;
    grown = rn_alloc(wanted, size);
    if (!grown)
        return false;
    /* `array` is the address of a pointer to some type: copied bytewise, as
     * C does not let void ** alias it. */
    memcpy(&old, array, sizeof(old));
    if (old)
        memcpy(grown, old, *capacity * size);
    memcpy(array, &grown, sizeof(grown));
    rn_free(old);
    *capacity = wanted;
    return true;
}
