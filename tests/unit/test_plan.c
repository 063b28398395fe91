/* SPDX-License-Identifier: BSD-2-Clause */
/* Plans and stores as wholes: what they learn, repeat, hold and leave alone.
 * That they compute the right numbers is tests/check's matter. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"
#include "model/model.h"
#include "nets/nets.h"
#include "nets/stages.h"
#include "plan/internal.h"
#include "train/optimiser.h"

#include <dlfcn.h>
#include <limits.h>
#include <math.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE__
#include <immintrin.h>
#endif

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    !defined(__GLIBC__)
#define COUNTS_MALLOC 0
#else
#define COUNTS_MALLOC 1
#endif

/* ------------------------------------------------- counting allocations
 *
 * malloc() and its kin, replaced for the whole process, libraries included.
 * While `watching`, what is allocated is kept in a table until it is freed.
 * OpenMP's run time is counted apart, by who calls: libomp may be built, as
 * Debian's is, to format a text for its trace in every loop shared out. */

enum { WATCHED = 4096 };

static struct {
    atomic_bool watching;
    atomic_flag lock;
    const void *run_time; /* where OpenMP's is loaded */
    long allocations;     /* but for the run time's */
    size_t largest;
    void *live[WATCHED];
    size_t n_live;
} heap = {.lock = ATOMIC_FLAG_INIT};

#if COUNTS_MALLOC
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void __libc_free(void *p);

static const void *library_of(const void *address)
{
    Dl_info info;

    return dladdr(address, &info) ? info.dli_fbase : NULL;
}

static void *note(void *p, size_t size, const void *caller)
{
    bool run_time;

    if (!atomic_load(&heap.watching) || !p)
        return p;
    run_time = library_of(caller) == heap.run_time;
    while (atomic_flag_test_and_set(&heap.lock))
        ;
    heap.allocations += !run_time;
    if (size > heap.largest)
        heap.largest = size;
    if (heap.n_live < WATCHED)
        heap.live[heap.n_live] = p;
    heap.n_live++;
    atomic_flag_clear(&heap.lock);
    return p;
}

static void forget(void *p)
{
    if (!atomic_load(&heap.watching) || !p)
        return;
    while (atomic_flag_test_and_set(&heap.lock))
        ;
    for (size_t i = 0; i < heap.n_live && i < WATCHED; i++)
        if (heap.live[i] == p) {
            heap.live[i] = heap.live[--heap.n_live];
            break;
        }
    atomic_flag_clear(&heap.lock);
}

/* Of the function that it stands in. */
#define CALLER __builtin_return_address(0)

void *malloc(size_t size)
{
    return note(__libc_malloc(size), size, CALLER);
}

void *calloc(size_t count, size_t size)
{
    return note(__libc_calloc(count, size), count * size, CALLER);
}

void *realloc(void *p, size_t size)
{
    forget(p);
    return note(__libc_realloc(p, size), size, CALLER);
}

void *memalign(size_t align, size_t size);
void *memalign(size_t align, size_t size)
{
    return note(__libc_memalign(align, size), size, CALLER);
}

void *aligned_alloc(size_t align, size_t size)
{
    return note(__libc_memalign(align, size), size, CALLER);
}

int posix_memalign(void **out, size_t align, size_t size)
{
    *out = note(__libc_memalign(align, size), size, CALLER);
    return *out ? 0 : 12; /* ENOMEM */
}

void free(void *p)
{
    forget(p);
    __libc_free(p);
}
#endif

static void watch(void)
{
#if COUNTS_MALLOC
    heap.run_time = library_of(dlsym(RTLD_DEFAULT, "omp_get_max_threads"));
    assert_non_null(heap.run_time);
    assert_ptr_not_equal(heap.run_time, library_of(&heap));
#endif
    heap.allocations = 0;
    heap.largest = heap.n_live = 0;
    atomic_store(&heap.watching, true);
}

static void unwatch(void)
{
    atomic_store(&heap.watching, false);
}

/* ------------------------------------------------------------------ parts */

static struct rn_model *model(const char *net, int classes, int size,
                              uint64_t seed)
{
    struct rn_net_options options;
    struct rn_model *m = NULL;
    struct rn_error err = {0};

    rn_net_defaults(&options);
    options.classes = classes;
    options.height = size;
    if (rn_model_create(&m, net, &options, &err) != RN_OK)
        fail_msg("%s: %s", net, err.msg);
    rn_model_init(m, seed);
    return m;
}

static struct rn_store *store_of(const struct rn_graph *g, bool train)
{
    struct rn_store *store = NULL;
    struct rn_error err = {0};

    if (rn_store_create(&store, g, train ? 1 : RN_STORE_FIXED, &err) != RN_OK)
        fail_msg("%s", err.msg);
    return store;
}

/* Tiles that the whole test shall use: F(2x2), F(4x4), or as chosen. */
static int winograd_asked(void)
{
    const char *tile = getenv("RN_TEST_WINOGRAD");

    return tile ? atoi(tile) : 0;
}

static struct rn_plan *plan_of(struct rn_store *store, enum rn_mode mode,
                               int batch, int threads, int exact)
{
    struct rn_plan_options options;
    struct rn_plan *plan = NULL;
    struct rn_error err = {0};

    rn_plan_defaults(&options);
    options.mode = mode;
    options.batch = batch;
    options.threads = threads;
    options.exact = exact;
    options.winograd = winograd_asked();
    if (rn_plan_build(&plan, store, &options, &err) != RN_OK)
        fail_msg("%s", err.msg);
    return plan;
}

static float *random_floats(size_t count, uint64_t seed)
{
    struct rn_random_key key = {seed, RN_RANDOM_TEST, 0};
    float *x = rn_alloc(count, sizeof(*x));

    assert_non_null(x);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits[4];

        rn_random4(&key, i, bits);
        x[i] = (float)(2 * rn_random_unit(bits[0]) - 1);
    }
    return x;
}

static size_t input_floats(const struct rn_graph *g, int n)
{
    struct rn_shape s = g->nodes[0].shape;

    return (size_t)n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

static void train(struct rn_plan *plan, const float *images,
                  const int32_t *labels, struct rn_step_result *result)
{
    struct rn_error err = {0};

    if (rn_plan_train(plan, images, labels, 0, result, &err) != RN_OK)
        fail_msg("%s", err.msg);
}

static void forward(struct rn_plan *plan, const float *images, float *logits)
{
    struct rn_error err = {0};

    if (rn_plan_forward(plan, images, logits, &err) != RN_OK)
        fail_msg("%s", err.msg);
}

enum { BATCH = 16 };

static struct rn_update sgd(int threads)
{
    return (struct rn_update){.optimiser = &rn_optimiser_sgd,
                              .option = {0.9},
                              .weight_decay = 1e-4F,
                              .decay_all = true,
                              .threads = threads};
}

/** Training of a model on one batch, step by step. */
struct lesson {
    struct rn_model *m;
    struct rn_store *store;
    struct rn_plan *plan;
    struct rn_flat flat;
    struct rn_update update;
    float *images;
    int32_t labels[BATCH];
    struct rn_step_result result;
};

static struct lesson lesson_open(const char *net, int size, int threads,
                                 int exact)
{
    struct lesson l = {
        .m = model(net, 10, size, 3),
        .update = sgd(threads),
    };

    l.store = store_of(l.m->graph, true);
    l.plan = plan_of(l.store, RN_MODE_TRAIN, BATCH, threads, exact);
    rn_store_flat(l.store, &l.flat);
    l.images = random_floats(input_floats(l.m->graph, BATCH), 5);
    for (int i = 0; i < BATCH; i++)
        l.labels[i] = i * 7 % 10;
    return l;
}

static void lesson_steps(struct lesson *l, int steps)
{
    for (int i = 0; i < steps; i++) {
        train(l->plan, l->images, l->labels, &l->result);
        rn_update_step(&l->update, l->m->graph, &l->flat, 0.05F, 1);
    }
}

static void lesson_close(struct lesson *l)
{
    rn_plan_destroy(l->plan);
    rn_store_destroy(l->store);
    rn_model_destroy(l->m);
    rn_free(l->images);
}

/* ------------------------------------------------------------ one by one */

static void one_batch_is_learned_by_heart(void **state)
{
    struct lesson l = lesson_open("resnet8", 16, 2, 0);
    double first;

    (void)state;
    lesson_steps(&l, 1);
    first = l.result.loss / BATCH;
    lesson_steps(&l, 60);
    print_message("# loss %.3f -> %.5f, %d errors\n", first,
                  l.result.loss / BATCH, l.result.errors);
    assert_true(first > 1);
    assert_int_equal(l.result.errors, 0);
    assert_true(l.result.loss / BATCH < 0.02);
    lesson_close(&l);
}

static void lesson_equal(const struct lesson *a, const struct lesson *b,
                         const char *what)
{
    size_t bytes = a->flat.count * sizeof(float);

    if (memcmp(a->flat.value, b->flat.value, bytes) ||
        memcmp(a->flat.state[0], b->flat.state[0], bytes))
        fail_msg("%s: parameters or state differ", what);
    if (memcmp(a->store->statistics, b->store->statistics,
               a->store->statistics_count * sizeof(float)))
        fail_msg("%s: running statistics differ", what);
    if (memcmp(&a->result.loss, &b->result.loss, sizeof(double)))
        fail_msg("%s: losses %.17g and %.17g", what, a->result.loss,
                 b->result.loss);
}

static void the_same_steps_give_the_same_bits(void **state)
{
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        struct lesson a = lesson_open("resnet8", 12, 2, exact);
        struct lesson b = lesson_open("resnet8", 12, 2, exact);

        lesson_steps(&a, 4);
        lesson_steps(&b, 4);
        lesson_equal(&a, &b, "twice the same");
        lesson_close(&a);
        lesson_close(&b);
    }
}

static const struct {
    const char *net;
    int size;
} any_threads[] = {
    {"resnet8", 32},  {"plain8", 12},          {"resnet18", 32},
    {"resnet50", 32}, {"resnext50_32x4d", 32},
};

static void training_has_the_same_bits_on_any_threads(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(any_threads); i++)
        for (int exact = 0; exact < 2; exact++) {
            const char *net = any_threads[i].net;
            struct lesson one = lesson_open(net, any_threads[i].size, 1, exact);

            lesson_steps(&one, 2);
            for (int threads = 2; threads <= 4; threads++) {
                struct lesson more =
                    lesson_open(net, any_threads[i].size, threads, exact);
                char what[80];

                snprintf(what, sizeof(what), "%s, %d threads and 1, exact %d",
                         net, threads, exact);
                lesson_steps(&more, 2);
                lesson_equal(&one, &more, what);
                lesson_close(&more);
            }
            lesson_close(&one);
        }
}

static void logits_have_the_same_bits_on_any_threads(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(any_threads); i++)
        for (int batch = 1; batch <= 8; batch += 7) {
            struct rn_model *m =
                model(any_threads[i].net, 10, any_threads[i].size, 3);
            struct rn_store *store = store_of(m->graph, false);
            float *images = random_floats(input_floats(m->graph, batch), 5);
            float one[8 * 10], more[8 * 10];

            for (int threads = 1; threads <= 4; threads++) {
                struct rn_plan *plan =
                    plan_of(store, RN_MODE_INFER, batch, threads, 0);

                forward(plan, images, threads == 1 ? one : more);
                rn_plan_destroy(plan);
                if (threads > 1 &&
                    memcmp(one, more, (size_t)batch * 10 * sizeof(*one)))
                    fail_msg("%s, batch %d: logits on %d threads differ from "
                             "those on 1",
                             any_threads[i].net, batch, threads);
            }
            rn_store_destroy(store);
            rn_model_destroy(m);
            rn_free(images);
        }
}

/* What a run finds in memory is none of its business. */
static void nothing_is_read_before_it_is_written(void **state)
{
    struct lesson a = lesson_open("resnet8", 12, 2, 0);
    struct lesson b = lesson_open("resnet8", 12, 2, 0);
    struct rn_plan *p = b.plan;

    (void)state;
    memset(p->arena, 0xff, p->arena_bytes); /* NaN */
    memset(p->sums, 0xff, p->sums_count * sizeof(*p->sums));
    memset(p->bn_memory, 0xff, p->bn_floats * sizeof(*p->bn_memory));
    memset(b.flat.grad, 0xff, b.flat.count * sizeof(*b.flat.grad));
    train(a.plan, a.images, a.labels, &a.result);
    train(p, b.images, b.labels, &b.result);
    assert_memory_equal(&a.result.loss, &b.result.loss, sizeof(double));
    for (size_t i = 0; i < a.m->graph->n_params; i++) {
        const struct rn_param *q = &a.m->graph->params[i];
        float *x = rn_alloc(q->count, sizeof(*x));
        float *y = rn_alloc(q->count, sizeof(*y));

        assert_true(x && y);
        rn_store_get(a.store, RN_STORE_GRAD, i, x);
        rn_store_get(b.store, RN_STORE_GRAD, i, y);
        if (memcmp(x, y, q->count * sizeof(*x)) != 0)
            fail_msg("gradient of %s depends on what memory held", q->name);
        rn_free(x);
        rn_free(y);
    }
    lesson_close(&a);
    lesson_close(&b);
}

/* Padding must stay zero through training, as rn_store_flat() says: what a
 * store gives out, put into another one, makes the same flat arrays. */
static void padding_stays_zero(void **state)
{
    struct lesson l = lesson_open("resnet8", 12, 2, 0);
    struct rn_store *other = store_of(l.m->graph, true);
    struct rn_flat flat;

    (void)state;
    lesson_steps(&l, 3);
    for (size_t i = 0; i < l.m->graph->n_params; i++) {
        const struct rn_param *q = &l.m->graph->params[i];
        float *x = rn_alloc(q->count, sizeof(*x));

        assert_non_null(x);
        for (int kind = RN_STORE_VALUE; kind <= RN_STORE_STATE; kind++) {
            rn_store_get(l.store, (enum rn_store_kind)kind, i, x);
            rn_store_set(other, (enum rn_store_kind)kind, i, x);
        }
        rn_free(x);
    }
    rn_store_flat(other, &flat);
    for (size_t i = 0; i < flat.count; i++) {
        assert_true(flat.value[i] == l.flat.value[i]);
        assert_true(flat.grad[i] == l.flat.grad[i]);
        assert_true(flat.state[0][i] == l.flat.state[0][i]);
    }
    rn_store_destroy(other);
    lesson_close(&l);
}

/* ------------------------------------------------------------- allocation */

/* No convolution: what allocates here would be ours. */
static struct rn_graph *graph_without_convolutions(void)
{
    static const struct rn_window w = RN_WINDOW(3, 3, 2, 1);
    struct rn_graph *g = rn_graph_create();
    int x, y;

    assert_non_null(g);
    x = rn_graph_input(g, (struct rn_shape){5, 9, 8});
    x = rn_graph_relu(g, rn_graph_batch_norm(g, x, "bn1"), "relu1");
    x = rn_graph_max_pool(g, x, "pool", w);
    y = rn_graph_batch_norm(g, x, "bn2");
    x = rn_graph_relu(g, rn_graph_add(g, x, y, "add"), "relu2");
    x = rn_graph_subsample_pad(g, x, "sub", 20, 0, 2);
    rn_graph_global_avg_pool(g, x, "avg");
    assert_int_equal(g->error.code, RN_OK);
    for (size_t i = 0; i < g->n_params; i++)
        for (size_t k = 0; k < g->params[i].count; k++)
            g->params[i].data[k] = 1;
    return g;
}

/* Training and inference, a few runs each, between watch() and unwatch(). */
static void run_watched(const struct rn_graph *g)
{
    struct rn_store *store = store_of(g, true);
    struct rn_plan *t = plan_of(store, RN_MODE_TRAIN, 3, 2, 0);
    struct rn_plan *f = plan_of(store, RN_MODE_INFER, 3, 2, 0);
    float *images = random_floats(input_floats(g, 3), 1);
    float logits[3 * 64];
    const int32_t labels[3] = {0, 1, 2};
    struct rn_step_result result;

    /* Once before: OpenMP starts its threads. */
    train(t, images, labels, &result);
    forward(f, images, logits);
    watch();
    for (int i = 0; i < 3; i++) {
        train(t, images, labels, &result);
        forward(f, images, logits);
    }
    unwatch();
    /* rn_alloc() and rn_map() too, wherever malloc() cannot be counted: the
     * next one would fail, and does only after the run. */
    rn_alloc_fail_after(1);
    train(t, images, labels, &result);
    forward(f, images, logits);
    assert_null(rn_alloc(1, 1));
    rn_free(images);
    rn_plan_destroy(t);
    rn_plan_destroy(f);
    rn_store_destroy(store);
}

static void our_own_steps_allocate_nothing(void **state)
{
    struct rn_graph *g = graph_without_convolutions();

    (void)state;
    run_watched(g);
    rn_graph_destroy(g);
    if (!COUNTS_MALLOC) {
        print_message("# malloc() is the sanitizer's: not counted\n");
        return;
    }
    assert_int_equal(heap.allocations, 0);
    assert_int_equal(heap.n_live, 0);
}

/* oneDNN makes a small map of arguments for every primitive it runs. */
static void what_onednn_allocates_is_small_and_freed(void **state)
{
    static const char *const names[] = {"resnet8", "resnet18"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct rn_model *m = model(names[i], 10, i ? 32 : 16, 1);

        run_watched(m->graph);
        rn_model_destroy(m);
        if (!COUNTS_MALLOC)
            continue;
        print_message("# %s: %ld allocations, the largest of %zu bytes\n",
                      names[i], heap.allocations, heap.largest);
        assert_int_equal(heap.n_live, 0);
        assert_true(heap.largest <= 4096);
    }
    if (!COUNTS_MALLOC)
        print_message("# malloc() is the sanitizer's: not counted\n");
}

/* -------------------------------------------------------------- denormals */

static unsigned float_mode(void)
{
#ifdef __SSE__
    return _mm_getcsr() & ~0x3fu; /* without the sticky exception flags */
#else
    return 0;
#endif
}

static void denormals_are_zero_inside_only(void **state)
{
    struct rn_graph *g = rn_graph_create();
    struct rn_store *store;
    struct rn_plan *plan;
    float images[6 * 20 * 4], logits[6 * 20];

    (void)state;
#ifndef __SSE__
    skip();
#endif
    assert_non_null(g);
    rn_graph_global_avg_pool(g, rn_graph_input(g, (struct rn_shape){20, 2, 2}),
                             "avg");
    store = store_of(g, false);
    for (size_t i = 0; i < COUNT(images); i++)
        images[i] = 1e-40f;
    for (int threads = 1; threads <= 3; threads++) {
        unsigned before = float_mode();

        plan = plan_of(store, RN_MODE_INFER, 6, threads, 0);
        assert_int_equal(float_mode(), before);
        forward(plan, images, logits);
        assert_int_equal(float_mode(), before);
        for (size_t i = 0; i < COUNT(logits); i++)
            if (logits[i] != 0)
                fail_msg("logit %zu of %d threads is %g, not 0", i, threads,
                         (double)logits[i]);
        rn_plan_destroy(plan);
    }
#ifdef __SSE__
    /* A caller who flushes already goes on doing so. */
    unsigned kept = _mm_getcsr();
    _mm_setcsr(kept | 0x8040u);
    unsigned flushing = float_mode();
    plan = plan_of(store, RN_MODE_INFER, 6, 2, 0);
    forward(plan, images, logits);
    assert_int_equal(float_mode(), flushing);
    _mm_setcsr(kept);
    rn_plan_destroy(plan);
#endif
    rn_store_destroy(store);
    rn_graph_destroy(g);
}

static void the_callers_threads_are_left_alone(void **state)
{
    struct rn_model *m = model("resnet8", 10, 12, 1);
    struct rn_store *store = store_of(m->graph, false);
    float *images = random_floats(input_floats(m->graph, 1), 1), logits[10];
    int before = omp_get_max_threads();
    struct rn_plan *plan = plan_of(store, RN_MODE_INFER, 1, 3, 0);

    (void)state;
    assert_int_equal(omp_get_max_threads(), before);
    forward(plan, images, logits);
    assert_int_equal(omp_get_max_threads(), before);
    assert_int_equal(rn_plan_threads(plan), 3);
    rn_plan_destroy(plan);
    rn_store_destroy(store);
    rn_model_destroy(m);
    rn_free(images);
}

/* ------------------------------------------------------------------ store */

static const struct {
    const char *net;
    int classes, size;
} several[] = {
    {"resnet8", 10, 12}, {"resnet8", 7, 12},  {"plain8", 100, 12},
    {"resnet18", 5, 32}, {"resnet50", 3, 32},
};

static void a_store_gives_back_what_it_took(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(several); k++) {
        struct rn_model *m =
            model(several[k].net, several[k].classes, several[k].size, 1);
        struct rn_graph *g = m->graph;
        struct rn_store *store;
        float **kept = rn_alloc(g->n_params, sizeof(*kept));

        assert_non_null(kept);
        for (size_t i = 0; i < g->n_params; i++) {
            kept[i] = random_floats(g->params[i].count, 100 + i);
            memcpy(g->params[i].data, kept[i],
                   g->params[i].count * sizeof(float));
        }
        store = store_of(g, true);
        for (size_t i = 0; i < g->n_params; i++)
            memset(g->params[i].data, 0, g->params[i].count * sizeof(float));
        rn_store_export(store, g);
        for (size_t i = 0; i < g->n_params; i++) {
            const struct rn_param *q = &g->params[i];
            float *got = rn_alloc(q->count, sizeof(*got));
            size_t bytes = q->count * sizeof(*got);

            assert_non_null(got);
            assert_memory_equal(q->data, kept[i], bytes);
            if (rn_param_trainable(q)) {
                rn_store_set(store, RN_STORE_STATE, i, kept[i]);
                rn_store_get(store, RN_STORE_STATE, i, got);
                assert_memory_equal(got, kept[i], bytes);
            }
            rn_store_get(store, RN_STORE_VALUE, i, got);
            assert_memory_equal(got, kept[i], bytes);
            rn_free(got);
            rn_free(kept[i]);
        }
        rn_free(kept);
        rn_store_destroy(store);
        rn_model_destroy(m);
    }
}

/* Segments lie one behind the other, cover all, each parameter once, the
 * last layer's first. */
static void segments_cover_the_flat_arrays(void **state)
{
    struct rn_model *m = model("resnet8", 7, 12, 1);
    struct rn_store *store = store_of(m->graph, true);
    struct rn_flat flat;
    size_t end = 0, learned = 0;

    (void)state;
    rn_store_flat(store, &flat);
    for (size_t i = 0; i < m->graph->n_params; i++)
        learned += rn_param_trainable(&m->graph->params[i]);
    assert_int_equal(flat.n_segments, learned);
    for (size_t i = 0; i < flat.n_segments; i++) {
        const struct rn_segment *s = &flat.segments[i];

        assert_int_equal(s->offset, end);
        assert_true(s->count >= m->graph->params[s->param].count);
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(flat.segments[k].param, s->param);
        end += s->count;
    }
    assert_int_equal(end, flat.count);
    assert_string_equal(m->graph->params[flat.segments[0].param].name,
                        "fc.weight");
    rn_store_destroy(store);
    rn_model_destroy(m);
}

/* ----------------------------------------------------------------- memory */

static void check_alive(const struct rn_plan *p, int buffer, size_t step)
{
    if (buffer < 0)
        return;
    const struct rn_buffer *b = &p->buffers[buffer];
    if (b->first > (int)step || b->last < (int)step)
        fail_msg("step %zu uses buffer %d, alive from %d to %d", step, buffer,
                 b->first, b->last);
}

static void check_placement(const struct rn_plan *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        const struct rn_step *s = &p->steps[i];
        const int used[] = {s->a.buffer, s->b.buffer, s->out,     s->dy,
                            s->dy2,      s->y,        s->scratch, s->packed};

        for (size_t k = 0; k < COUNT(used); k++)
            check_alive(p, used[k], i);
    }
    for (size_t i = 0; i < p->n_buffers; i++) {
        const struct rn_buffer *a = &p->buffers[i];

        if (a->first < 0)
            continue;
        assert_true(a->offset % RN_ALIGN == 0);
        assert_true(a->offset + a->bytes <= p->arena_bytes);
        if (a->whole >= 0) {
            const struct rn_buffer *b = &p->buffers[a->whole];

            assert_true(b->first <= a->first && a->last <= b->last);
            assert_true(a->offset == b->offset && a->bytes <= b->bytes);
            continue;
        }
        for (size_t k = 0; k < i; k++) {
            const struct rn_buffer *b = &p->buffers[k];
            bool together = b->first >= 0 && b->whole < 0 &&
                            a->first <= b->last && b->first <= a->last;

            if (together && a->offset < b->offset + b->bytes &&
                b->offset < a->offset + a->bytes)
                fail_msg("buffers %zu and %zu overlap in memory and in time", i,
                         k);
        }
    }
}

static void buffers_alive_do_not_overlap(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(several); k++)
        for (int mode = RN_MODE_INFER; mode <= RN_MODE_TRAIN; mode++) {
            struct rn_model *m =
                model(several[k].net, several[k].classes, several[k].size, 1);
            struct rn_store *store = store_of(m->graph, true);
            struct rn_plan *plan = plan_of(store, (enum rn_mode)mode, 2, 2, 0);

            check_placement(plan);
            rn_plan_destroy(plan);
            rn_store_destroy(store);
            rn_model_destroy(m);
        }
}

static void an_estimate_is_what_a_plan_holds(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(several); k++)
        for (int mode = RN_MODE_INFER; mode <= RN_MODE_TRAIN; mode++) {
            struct rn_model *m =
                model(several[k].net, several[k].classes, several[k].size, 1);
            struct rn_plan_options options;
            struct rn_plan *plan = NULL;
            uint64_t bytes = 0;

            rn_plan_defaults(&options);
            options.mode = (enum rn_mode)mode;
            options.batch = 2;
            options.threads = 2;
            assert_int_equal(rn_plan_estimate(m, &options, &bytes, NULL),
                             RN_OK);
            assert_int_equal(rn_plan_create(&plan, m, &options, NULL), RN_OK);
            assert_true(bytes > 0);
            assert_int_equal(rn_plan_bytes(plan), bytes);
            rn_plan_destroy(plan);
            rn_model_destroy(m);
        }
}

/* Convolutions as VGG has them: no batch norm folds into any. */
static struct rn_graph *graph_without_batch_norm(void)
{
    static const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    static const struct rn_window strided = RN_WINDOW(3, 3, 2, 1);
    struct rn_graph *g = rn_graph_create();
    int x;

    assert_non_null(g);
    x = rn_graph_input(g, (struct rn_shape){3, 12, 12});
    x = rn_graph_conv(g, x, "conv1", 20, three, true);
    x = rn_graph_conv(g, rn_graph_relu(g, x, "relu1"), "conv2", 24, three,
                      true);
    x = rn_graph_conv(g, rn_graph_relu(g, x, "relu2"), "conv3", 33, strided,
                      true);
    rn_graph_linear(g, rn_graph_relu(g, x, "relu3"), "fc", 10);
    assert_int_equal(g->error.code, RN_OK);
    for (size_t i = 0; i < g->n_params; i++) {
        float *values = random_floats(g->params[i].count, i + 1);

        memcpy(g->params[i].data, values, g->params[i].count * sizeof(*values));
        rn_free(values);
    }
    return g;
}

/* They are packed from the model's own memory, and come out as those that a
 * store has laid out otherwise. */
static void weights_that_nothing_folds_into_are_not_copied(void **state)
{
    struct rn_graph *g = graph_without_batch_norm();
    struct rn_store *whole = store_of(g, false), *borrowed = NULL;
    float *images = random_floats(input_floats(g, 2), 9);
    float a[2 * 10], b[2 * 10];
    struct rn_plan *p, *q;

    (void)state;
    assert_int_equal(rn_store_borrow(&borrowed, g, NULL), RN_OK);
    p = plan_of(whole, RN_MODE_INFER, 2, 2, 0);
    q = plan_of(borrowed, RN_MODE_INFER, 2, 2, 0);
    assert_true(p->plain_floats > 0);
    assert_int_equal(q->plain_floats, 0);
    forward(p, images, a);
    forward(q, images, b);
    assert_memory_equal(a, b, sizeof(a));
    rn_free(images);
    rn_plan_destroy(p);
    rn_plan_destroy(q);
    rn_store_destroy(whole);
    rn_store_destroy(borrowed);
    rn_graph_destroy(g);
}

/* ---------------------------------------------------------- recomputation */

static const char *const level_names[] = {"auto", "none", "activations",
                                          "blocks"};

static struct rn_model *model_with(const char *net, char shortcut, int size)
{
    struct rn_net_options options;
    struct rn_model *m = NULL;
    struct rn_error err = {0};

    rn_net_defaults(&options);
    options.classes = 10;
    options.height = size;
    options.shortcut = shortcut;
    if (rn_model_create(&m, net, &options, &err) != RN_OK)
        fail_msg("%s: %s", net, err.msg);
    rn_model_init(m, 3);
    return m;
}

/* A lesson of that model, which it takes, with fewer images, a level of
 * recomputation and a precision. */
static struct lesson lesson_of(struct rn_model *m, int level, int precision)
{
    const char *net = m->spec.name;
    struct rn_plan_options options;
    struct rn_error err = {0};
    struct lesson l = {.m = m, .update = sgd(2)};

    l.store = store_of(l.m->graph, true);
    rn_plan_defaults(&options);
    options.mode = RN_MODE_TRAIN;
    options.batch = 4;
    options.threads = 2;
    options.recompute = level;
    options.precision = precision;
    options.emulate = 1; /* bfloat16 on every processor, with the same bits */
    if (rn_plan_build(&l.plan, l.store, &options, &err) != RN_OK)
        fail_msg("%s, recompute %s: %s", net, level_names[level], err.msg);
    memset(l.plan->arena, 0xff, l.plan->arena_bytes); /* NaN */
    rn_store_flat(l.store, &l.flat);
    l.images = random_floats(input_floats(l.m->graph, 4), 5);
    for (int i = 0; i < 4; i++)
        l.labels[i] = i * 7 % 10;
    return l;
}

static struct lesson lesson_again(const char *net, char shortcut, int size,
                                  int level)
{
    return lesson_of(model_with(net, shortcut, size), level, RN_PRECISION_FP32);
}

/* Steps that are second runs. Batch norm's sums must not be among them:
 * running statistics would move twice. `activations` runs single passes over
 * memory again, outputs of blocks included where there are additions. */
static size_t runs_again(const struct rn_plan *plan)
{
    bool cheap = plan->options.recompute == RN_RECOMPUTE_ACTIVATIONS;
    bool adds = false, added = false;
    size_t n = 0;

    for (size_t i = 0; i < rn_plan_steps(plan); i++) {
        struct rn_step_info step;

        assert_int_equal(rn_plan_step(plan, i, &step), RN_OK);
        adds |= plan->steps[i].b.buffer >= 0;
        if (strcmp(step.pass, "recompute") != 0)
            continue;
        if (cheap)
            assert_ptr_equal(plan->steps[i].type, &rn_step_apply);
        added |= plan->steps[i].b.buffer >= 0;
        assert_ptr_not_equal(plan->steps[i].type, &rn_step_bn_statistics);
        n++;
    }
    if (cheap)
        assert_int_equal(adds, added);
    return n;
}

/* What differs between two lessons after the same steps, or NULL. */
static const char *difference(const struct lesson *a, const struct lesson *b)
{
    size_t bytes = a->flat.count * sizeof(float);
    size_t statistics = a->store->statistics_count * sizeof(float);
    float x[4 * 10], y[4 * 10];

    rn_plan_logits(a->plan, x);
    rn_plan_logits(b->plan, y);
    if (memcmp(x, y, sizeof(x)) != 0)
        return "logits";
    if (memcmp(&a->result.loss, &b->result.loss, sizeof(double)) != 0)
        return "loss";
    if (memcmp(a->flat.grad, b->flat.grad, bytes) != 0)
        return "gradients";
    if (memcmp(a->flat.value, b->flat.value, bytes) != 0)
        return "parameters";
    if (memcmp(a->flat.state[0], b->flat.state[0], bytes) != 0)
        return "state";
    return memcmp(a->store->statistics, b->store->statistics, statistics) != 0
               ? "running statistics"
               : NULL;
}

static const struct again_case {
    const char *net;
    char shortcut;
    int size;
} again_cases[] = {
    {"resnet20", 'A', 12}, {"resnet20", 'B', 12}, {"resnet14", 'C', 12},
    {"plain20", 0, 12},    {"resnet18", 'B', 32}, {"resnet50", 'B', 64},
    {"resnet50", 'A', 32}, {"plain18", 0, 32},
};

static void recomputation_changes_no_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(again_cases); i++) {
        const struct again_case *c = &again_cases[i];
        struct lesson kept =
            lesson_again(c->net, c->shortcut, c->size, RN_RECOMPUTE_NONE);
        size_t least = kept.plan->arena_bytes;

        assert_int_equal(runs_again(kept.plan), 0);
        lesson_steps(&kept, 2);
        assert_true(isfinite(kept.result.loss));
        for (int level = RN_RECOMPUTE_ACTIVATIONS; level <= RN_RECOMPUTE_BLOCKS;
             level++) {
            struct lesson l = lesson_again(c->net, c->shortcut, c->size, level);
            const char *differ;

            check_placement(l.plan);
            lesson_steps(&l, 2);
            differ = difference(&kept, &l);
            print_message("# %s %c, %s: %zu steps again of %zu, %zu kB of "
                          "%zu\n",
                          c->net, c->shortcut ? c->shortcut : '-',
                          level_names[level], runs_again(l.plan),
                          rn_plan_steps(l.plan), l.plan->arena_bytes / 1000,
                          kept.plan->arena_bytes / 1000);
            if (differ)
                fail_msg("%s, recompute %s: other %s", c->net,
                         level_names[level], differ);
            assert_true(runs_again(l.plan) > 0);
            if (l.plan->arena_bytes >= least)
                fail_msg("%s, recompute %s: %zu bytes, not below %zu", c->net,
                         level_names[level], l.plan->arena_bytes, least);
            least = l.plan->arena_bytes;
            lesson_close(&l);
        }
        lesson_close(&kept);
    }
}

/* At the sizes people train; `activations` and `blocks` are the largest
 * shares, in per cent, of what training without recomputation holds. */
static const struct hold_case {
    const char *net;
    int batch, activations, blocks;
} hold_cases[] = {
    {"resnet50", 16, 70, 50},  {"resnet18", 32, 80, 60},
    {"resnet20", 128, 65, 40}, {"resnet110", 128, 55, 20},
    {"plain56", 128, 55, 25},
};

static void recomputation_holds_less(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(hold_cases); i++) {
        const struct hold_case *c = &hold_cases[i];
        const int most[] = {c->activations, 100, c->activations, c->blocks};
        struct rn_model *m = model_with(c->net, 0, 0);
        struct rn_plan_options options;
        uint64_t bytes[COUNT(most)];

        rn_plan_defaults(&options);
        options.mode = RN_MODE_TRAIN;
        options.batch = c->batch;
        options.threads = 2;
        for (size_t k = 0; k < COUNT(most); k++) {
            options.recompute = (int)k;
            assert_int_equal(rn_plan_estimate(m, &options, &bytes[k], NULL),
                             RN_OK);
            print_message("# %s, batch %d, recompute %s: %.1f MB\n", c->net,
                          c->batch, level_names[k], 1e-6 * (double)bytes[k]);
        }
        for (size_t k = 0; k < COUNT(most); k++)
            if (100 * bytes[k] > (uint64_t)most[k] * bytes[RN_RECOMPUTE_NONE])
                fail_msg("%s: %s holds more than %d %% of none", c->net,
                         level_names[k], most[k]);
        assert_int_equal(bytes[RN_RECOMPUTE_AUTO],
                         bytes[RN_RECOMPUTE_ACTIVATIONS]);
        rn_model_destroy(m);
    }
}

/* ------------------------------------------------------------- following */

/* Values that come when they are read, and are spoilt, gradients too, when they
 * are done with. */
struct following {
    struct rn_flat flat;
    float *values, *grads; /* as they shall be, and what has become final */
    size_t finished;
    bool backward;
};

static int bring(void *user, size_t from, struct rn_error *err)
{
    struct following *f = user;

    (void)err;
    assert_int_equal(f->finished, 0);
    f->backward |= from == 0;
    if (from < f->flat.count)
        memcpy(f->flat.value + from, f->values + from,
               (f->flat.count - from) * sizeof(float));
    return RN_OK;
}

static int spoil(void *user, size_t numbers, struct rn_error *err)
{
    struct following *f = user;
    size_t bytes = (numbers - f->finished) * sizeof(float);

    (void)err;
    assert_true(f->backward && numbers >= f->finished);
    memcpy(f->grads + f->finished, f->flat.grad + f->finished, bytes);
    memset(f->flat.grad + f->finished, 0xff, bytes);
    memset(f->flat.value + f->finished, 0xff, bytes);
    f->finished = numbers;
    return RN_OK;
}

static void check_following(const char *net, char shortcut, int size, int level)
{
    struct lesson plain = lesson_again(net, shortcut, size, level);
    struct lesson l = lesson_again(net, shortcut, size, level);
    size_t bytes = l.flat.count * sizeof(float);
    struct following f = {l.flat, rn_alloc(l.flat.count, sizeof(float)),
                          rn_alloc(l.flat.count, sizeof(float)), 0, false};
    const struct rn_plan_follower follower = {bring, spoil, &f};

    assert_true(f.values && f.grads);
    memcpy(f.values, l.flat.value, bytes);
    memset(l.flat.value, 0xff, bytes);
    rn_plan_follow(l.plan, &follower);
    train(plain.plan, plain.images, plain.labels, &plain.result);
    train(l.plan, l.images, l.labels, &l.result);
    if (f.finished != l.flat.count ||
        memcmp(f.grads, plain.flat.grad, bytes) != 0 ||
        memcmp(&l.result.loss, &plain.result.loss, sizeof(double)) != 0)
        fail_msg("%s, recompute %s: followed, the gradients are others", net,
                 level_names[level]);
    rn_free(f.values);
    rn_free(f.grads);
    lesson_close(&plain);
    lesson_close(&l);
}

static void a_follower_is_told_in_time(void **state)
{
    static const struct again_case cases[] = {
        {"resnet20", 'A', 12},       {"resnet18", 'B', 32},
        {"wrn-10-1", 0, 12},         {"se-resnet8", 0, 12},
        {"densenet-bc-16-8", 0, 12}, {"highway-19", 0, 32},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int level = RN_RECOMPUTE_NONE; level <= RN_RECOMPUTE_BLOCKS;
             level += RN_RECOMPUTE_BLOCKS - RN_RECOMPUTE_NONE)
            check_following(cases[i].net, cases[i].shortcut, cases[i].size,
                            level);
}

/* ----------------------------------------------------------- dense blocks */

/* The same network, where something that nobody reads reads each value of that
 * operation, too. */
static struct rn_model *read_twice(const char *net, int size, enum rn_op op)
{
    struct rn_net_options options;
    struct rn_net_spec spec;
    struct rn_graph *g = NULL;
    struct rn_error err = {0};

    rn_net_defaults(&options);
    options.height = size;
    if (rn_net_resolve(&spec, net, &options, &err) ||
        rn_net_build(&g, &spec, &err))
        fail_msg("%s: %s", net, err.msg);
    const size_t n = g->n_nodes;
    const int output = g->output;
    for (size_t i = 0; i < n; i++) {
        char name[32];

        snprintf(name, sizeof(name), "spare%zu", i);
        if (g->nodes[i].op == op)
            rn_graph_relu(g, (int)i, name);
    }
    g->output = output;
    assert_int_equal(g->error.code, RN_OK);
    assert_true(g->n_nodes > n);
    struct rn_model *m = rn_model_wrap(&spec, g);
    assert_non_null(m);
    rn_model_init(m, 3);
    return m;
}

/* What reads concatenations cannot read them where they lie: they are copied.
 */
static struct rn_model *copying(const char *net, int size)
{
    return read_twice(net, size, RN_OP_CONCAT);
}

/* A block of values whose backward reads them themselves, as a ReLU's does,
 * read by what takes a batch norm's as they are, or copied. */
static struct rn_model *dense_of_relus(bool copied)
{
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    const struct rn_window pool = RN_WINDOW(2, 2, 2, 0);
    struct rn_graph *g = rn_graph_create();
    struct rn_net_spec spec;

    assert_non_null(g);
    int x = rn_graph_input(g, (struct rn_shape){3, 8, 8});
    x = rn_graph_relu(g, rn_graph_conv(g, x, "a", 7, three, true), "ar");
    int n = rn_graph_batch_norm(g, x, "an");
    int y = rn_graph_relu(g, rn_graph_conv(g, n, "b", 12, three, true), "br");
    int p = rn_graph_concat_all(g, (int[]){x, y}, 2, "p");
    n = rn_graph_batch_norm(g, p, "pn");
    n = rn_graph_add(g, n, rn_graph_conv(g, n, "d", 19, three, true), "add");
    int z = rn_graph_conv(g, n, "c", 20, three, false);
    int q = rn_graph_concat_all(g, (int[]){x, y, z}, 3, "q");
    n = rn_graph_max_pool(g, rn_graph_batch_norm(g, q, "qn"), "pool", pool);
    n = rn_graph_linear(g, rn_graph_global_avg_pool(g, n, "mean"), "fc", 10);
    if (copied)
        rn_graph_relu(g, q, "spare");
    g->output = n;
    assert_int_equal(g->error.code, RN_OK);
    rn_net_of_graph(&spec, "relus", g);
    struct rn_model *m = rn_model_wrap(&spec, g);
    assert_non_null(m);
    rn_model_init(m, 3);
    return m;
}

/* Parts of buffers, which dense blocks have and nothing else. */
static size_t parts_of(const struct rn_plan *plan)
{
    size_t n = 0;

    for (size_t i = 0; i < plan->n_buffers; i++)
        n += plan->buffers[i].whole >= 0;
    return n;
}

static void check_dense(struct rn_model *dense, struct rn_model *copied,
                        int level, int precision)
{
    struct lesson a = lesson_of(dense, level, precision);
    struct lesson b = lesson_of(copied, RN_RECOMPUTE_NONE, precision);
    const char *differ;

    check_placement(a.plan);
    assert_int_not_equal(parts_of(a.plan), 0);
    assert_int_equal(parts_of(b.plan), 0);
    lesson_steps(&a, 2);
    lesson_steps(&b, 2);
    differ = difference(&a, &b);
    print_message("# %s, %s, %s: %zu kB, copied %zu kB\n", dense->spec.name,
                  precision == RN_PRECISION_BF16 ? "bf16" : "f32",
                  level_names[level], a.plan->arena_bytes / 1000,
                  b.plan->arena_bytes / 1000);
    if (differ)
        fail_msg("%s, precision %d, recompute %s: other %s", dense->spec.name,
                 precision, level_names[level], differ);
    lesson_close(&a);
    lesson_close(&b);
}

/* Values that are put side by side once, and their gradients, are those of
 * concatenations that are copied, whatever fills the blocks of channels. */
static void dense_blocks_change_no_bit(void **state)
{
    static const struct {
        const char *net;
        int size;
        unsigned frozen;
    } cases[] = {
        {"densenet-10-12", 16, 0},         {"densenet-bc-16-8", 16, 0},
        {"densenet-bc-3x2x2x2-16", 32, 0}, {"densenet-bc-16-5", 16, 3},
        {"densenet-bc-16-5", 16, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int level = RN_RECOMPUTE_NONE; level <= RN_RECOMPUTE_BLOCKS;
             level++) {
            struct rn_model *dense = model_with(cases[i].net, 0, cases[i].size);
            struct rn_model *copied = copying(cases[i].net, cases[i].size);

            rn_stages_freeze(dense->graph, cases[i].frozen, false);
            rn_stages_freeze(copied->graph, cases[i].frozen, false);
            check_dense(dense, copied, level, RN_PRECISION_FP32);
        }
    for (int level = RN_RECOMPUTE_NONE; level <= RN_RECOMPUTE_BLOCKS; level++)
        check_dense(dense_of_relus(false), dense_of_relus(true), level,
                    RN_PRECISION_FP32);
}

/* In bfloat16, too. Max pools are apart: of gradients that are copied one
 * behind the block's first value adds the last two up itself, and rounds no sum
 * of theirs; one in front of which the block's batch norm is written finds
 * other numbers alike. */
static void dense_blocks_change_no_bit_in_bf16(void **state)
{
    static const char *const nets[] = {"densenet-10-12", "densenet-bc-16-5"};

    (void)state;
    for (size_t i = 0; i < COUNT(nets); i++)
        for (int level = RN_RECOMPUTE_NONE; level <= RN_RECOMPUTE_BLOCKS;
             level++)
            check_dense(model_with(nets[i], 0, 16), copying(nets[i], 16), level,
                        RN_PRECISION_BF16);
}

static size_t steps_of(const struct rn_plan *plan,
                       const struct rn_step_type *type)
{
    size_t n = 0;

    for (size_t i = 0; i < plan->n_steps; i++)
        n += plan->steps[i].type == type;
    return n;
}

/* A ReLU that alone reads a convolution is in its step. */
static void relus_in_convolutions_change_no_bit(void **state)
{
    (void)state;
    for (int precision = RN_PRECISION_FP32; precision <= RN_PRECISION_BF16;
         precision++) {
        struct lesson a =
            lesson_of(model_with("nin", 0, 16), RN_RECOMPUTE_NONE, precision);
        struct lesson b = lesson_of(read_twice("nin", 16, RN_OP_CONV),
                                    RN_RECOMPUTE_NONE, precision);
        const char *differ;

        assert_true(steps_of(a.plan, &rn_step_apply) <
                    steps_of(b.plan, &rn_step_apply));
        lesson_steps(&a, 2);
        lesson_steps(&b, 2);
        differ = difference(&a, &b);
        if (differ)
            fail_msg("precision %d: other %s", precision, differ);
        lesson_close(&a);
        lesson_close(&b);
    }
}

/* Where something else reads a part, or a batch norm before all is there that
 * follows it in a block of channels, the values are copied. */
static void what_is_not_dense(void **state)
{
    enum { ALL_NORMS, FIRST_POOLED, LATE, SECOND_READ, REVERSED, KINDS };
    const struct rn_window one = RN_WINDOW(1, 1, 1, 0);

    (void)state;
    for (int kind = ALL_NORMS; kind < KINDS; kind++) {
        struct rn_graph *g = rn_graph_create();
        struct rn_dense *dense;

        assert_non_null(g);
        int in = rn_graph_input(g, (struct rn_shape){3, 8, 8});
        int x = rn_graph_conv(g, in, "a", 5, one, false);
        int n = rn_graph_batch_norm(g, x, "an");
        if (kind == FIRST_POOLED)
            rn_graph_max_pool(g, x, "pool", one);
        int y = rn_graph_conv(g, n, "b", 5, one, false);
        if (kind == SECOND_READ)
            rn_graph_batch_norm(g, y, "bn");
        int p = rn_graph_concat_all(g, (int[]){x, y}, 2, "p");
        if (kind != LATE)
            n = rn_graph_batch_norm(g, p, "pn");
        int z = rn_graph_conv(g, n, "c", 5, one, false);
        if (kind == LATE)
            rn_graph_batch_norm(g, p, "pn");
        int q = kind == REVERSED
                    ? rn_graph_concat_all(g, (int[]){z, x, y}, 3, "q")
                    : rn_graph_concat_all(g, (int[]){x, y, z}, 3, "q");
        n = rn_graph_batch_norm(g, q, "qn");
        rn_graph_linear(g, rn_graph_global_avg_pool(g, n, "mean"), "fc", 2);
        assert_int_equal(g->error.code, RN_OK);
        dense = rn_find_dense(g);
        assert_non_null(dense);
        if ((dense[x].last == q) != (kind == ALL_NORMS) ||
            (dense[p].last == q) != (kind == ALL_NORMS))
            fail_msg("case %d: %d", kind, dense[x].last);
        if (kind == ALL_NORMS) {
            assert_int_equal(dense[z].first, 2);
            assert_int_equal(dense[p].count, 2);
            assert_int_equal(dense[q].count, 3);
            assert_int_equal(dense[in].last, RN_NONE);
        }
        rn_free(dense);
        rn_graph_destroy(g);
    }
}

/* -------------------------------------------------------------- inference */

/* Each image's logits are its own, whatever the batch and the classes that
 * fill a block, and nothing is written behind them. */
static void logits_of_any_batch_and_classes(void **state)
{
    static const int classes[] = {10, 1000, 7, 16};

    (void)state;
    for (size_t k = 0; k < COUNT(classes); k++) {
        size_t c = (size_t)classes[k];
        struct rn_model *m = model("resnet8", classes[k], 12, 1);
        struct rn_store *store = store_of(m->graph, false);
        struct rn_plan *one = plan_of(store, RN_MODE_INFER, 1, 2, 1);
        struct rn_plan *three = plan_of(store, RN_MODE_INFER, 3, 2, 1);
        size_t image = input_floats(m->graph, 1);
        float *images = random_floats(3 * image, 9);
        float *alone = rn_alloc(c + 1, sizeof(*alone));
        float *all = rn_alloc(3 * c + 1, sizeof(*all));

        assert_true(alone && all);
        all[3 * c] = alone[c] = 12345;
        forward(three, images, all);
        assert_true(all[3 * c] == 12345);
        for (size_t n = 0; n < 3; n++) {
            forward(one, images + n * image, alone);
            assert_true(alone[c] == 12345);
            for (size_t i = 0; i < c; i++)
                if (fabsf(alone[i] - all[n * c + i]) > 1e-5f)
                    fail_msg("image %zu, class %zu of %zu: %g alone, %g among "
                             "three",
                             n, i, c, (double)alone[i], (double)all[n * c + i]);
        }
        rn_plan_destroy(one);
        rn_plan_destroy(three);
        rn_store_destroy(store);
        rn_model_destroy(m);
        rn_free(images);
        rn_free(alone);
        rn_free(all);
    }
}

/* A batch of one trains, also where batch norm then has one value. */
static void a_batch_of_one_trains(void **state)
{
    struct rn_model *m = model("resnet18", 3, 32, 1);
    struct rn_store *store = store_of(m->graph, true);
    struct rn_plan *plan = plan_of(store, RN_MODE_TRAIN, 1, 2, 0);
    float *images = random_floats(input_floats(m->graph, 1), 2);
    const int32_t label = 1;
    struct rn_step_result result;
    struct rn_flat flat;

    (void)state;
    train(plan, images, &label, &result);
    rn_store_flat(store, &flat);
    assert_true(isfinite(result.loss) && result.loss > 0);
    for (size_t i = 0; i < flat.count; i++)
        assert_true(isfinite(flat.grad[i]));
    rn_plan_destroy(plan);
    rn_store_destroy(store);
    rn_model_destroy(m);
    rn_free(images);
}

/* After training, a refreshed inference plan sees the new parameters. */
static void a_refreshed_plan_sees_new_parameters(void **state)
{
    struct lesson l = lesson_open("resnet8", 12, 2, 0);
    struct rn_plan *infer = plan_of(l.store, RN_MODE_INFER, BATCH, 2, 0);
    struct rn_plan *fresh;
    float before[BATCH * 10], after[BATCH * 10], wanted[BATCH * 10];

    (void)state;
    forward(infer, l.images, before);
    lesson_steps(&l, 2);
    forward(infer, l.images, after);
    assert_memory_equal(before, after, sizeof(before));
    assert_int_equal(rn_plan_refresh(infer, NULL), RN_OK);
    forward(infer, l.images, after);
    fresh = plan_of(l.store, RN_MODE_INFER, BATCH, 2, 0);
    forward(fresh, l.images, wanted);
    assert_memory_equal(after, wanted, sizeof(after));
    assert_memory_not_equal(before, after, sizeof(before));
    rn_plan_destroy(infer);
    rn_plan_destroy(fresh);
    lesson_close(&l);
}

static bool uses_winograd(const struct rn_plan *plan)
{
    for (size_t i = 0; i < rn_plan_steps(plan); i++) {
        struct rn_step_info step;

        assert_int_equal(rn_plan_step(plan, i, &step), RN_OK);
        if (strstr(step.algorithm, "wino"))
            return true;
    }
    return false;
}

static void exact_means_no_winograd(void **state)
{
    struct rn_model *m = model("resnet18", 10, 128, 1);
    struct rn_store *store = store_of(m->graph, true);

    (void)state;
    for (int mode = RN_MODE_INFER; mode <= RN_MODE_TRAIN; mode++) {
        struct rn_plan *exact = plan_of(store, (enum rn_mode)mode, 2, 2, 1);
        struct rn_plan *fast = plan_of(store, (enum rn_mode)mode, 2, 2, 0);

        assert_false(uses_winograd(exact));
        assert_true(uses_winograd(fast));
        rn_plan_destroy(exact);
        rn_plan_destroy(fast);
    }
    rn_store_destroy(store);
    rn_model_destroy(m);
}

/* Every byte that is not padding, changed by itself, makes another convolution:
 * a field that the comparison forgets would let two share one algorithm. */
static void configurations_differ_by_any_field(void **state)
{
#if defined(__has_builtin) && __has_builtin(__builtin_clear_padding)
    const struct rn_conv_config zero = {.n = 0};
    struct rn_conv_config used, other;
    size_t compared = 0;

    (void)state;
    memset(&used, 0xff, sizeof(used));
    __builtin_clear_padding(&used);
    for (size_t i = 0; i < sizeof(used); i++) {
        if (!((const unsigned char *)&used)[i])
            continue;
        other = zero;
        ((unsigned char *)&other)[i] = 1;
        if (rn_conv_config_equal(&zero, &other) ||
            rn_conv_config_equal(&other, &zero))
            fail_msg("byte %zu of struct rn_conv_config is not compared", i);
        compared++;
    }
    assert_true(compared >= 23 * sizeof(int));
    assert_true(rn_conv_config_equal(&zero, &zero));
#else
    (void)state;
    skip(); /* padding cannot be told */
#endif
}

/* Plans for what they are not, and options that make no sense. */
static void misuse_is_refused(void **state)
{
    struct rn_model *m = model("resnet8", 10, 12, 1);
    struct rn_store *small = store_of(m->graph, false);
    struct rn_store *store = store_of(m->graph, true);
    struct rn_plan *infer = plan_of(store, RN_MODE_INFER, 1, 1, 0);
    struct rn_plan *learn = plan_of(store, RN_MODE_TRAIN, 1, 1, 0);
    struct rn_plan_options options;
    struct rn_plan *plan = infer;
    struct rn_step_info step;
    struct rn_step_result result;
    struct rn_error err = {0};
    float *images = random_floats(input_floats(m->graph, 1), 2), logits[10];
    const int32_t label = 0;

    (void)state;
    assert_int_equal(rn_plan_forward(learn, images, logits, &err), RN_ERR_ARG);
    assert_int_equal(rn_plan_forward(infer, NULL, logits, &err), RN_ERR_ARG);
    assert_int_equal(rn_plan_train(infer, images, &label, 0, &result, &err),
                     RN_ERR_ARG);
    rn_plan_defaults(&options);
    options.batch = 0;
    assert_int_equal(rn_plan_build(&plan, store, &options, &err), RN_ERR_ARG);
    assert_null(plan);
    options.batch = 1;
    options.threads = -1;
    assert_int_equal(rn_plan_build(&plan, store, &options, &err), RN_ERR_ARG);
    options.threads = 1;
    options.recompute = RN_RECOMPUTE_BLOCKS + 1;
    assert_int_equal(rn_plan_build(&plan, store, &options, &err), RN_ERR_ARG);
    options.recompute = RN_RECOMPUTE_AUTO;
    options.mode = RN_MODE_TRAIN;
    assert_int_equal(rn_plan_build(&plan, small, &options, &err), RN_ERR_ARG);
    assert_int_equal(rn_plan_step(infer, rn_plan_steps(infer), &step),
                     RN_ERR_ARG);
    rn_plan_destroy(infer);
    rn_plan_destroy(learn);
    rn_store_destroy(store);
    rn_store_destroy(small);
    rn_model_destroy(m);
    rn_free(images);
}

/* Sizes that no memory holds are refused before they overflow, and the
 * message names the batch. */
static void a_batch_too_large_is_refused(void **state)
{
    static const struct {
        int batch, code;
        const char *name;
    } cases[] = {{INT_MAX, RN_ERR_ARG, "`batch` is 2147483647"},
                 {65537, RN_ERR_ARG, "`batch` is 65537"},
                 {65536, RN_ERR_MEMORY, "batch 65536"}};
    struct rn_model *m = model_with("resnet18", 0, 4096);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int mode = RN_MODE_INFER; mode <= RN_MODE_TRAIN; mode++) {
            struct rn_plan_options options;
            struct rn_error err = {0};
            struct rn_plan *plan;
            uint64_t bytes;

            rn_plan_defaults(&options);
            options.mode = (enum rn_mode)mode;
            options.batch = cases[i].batch;
            assert_int_equal(rn_plan_create(&plan, m, &options, &err),
                             cases[i].code);
            assert_null(plan);
            assert_non_null(strstr(err.msg, cases[i].name));
            memset(&err, 0, sizeof(err));
            assert_int_equal(rn_plan_estimate(m, &options, &bytes, &err),
                             cases[i].code);
            assert_non_null(strstr(err.msg, cases[i].name));
        }
    rn_model_destroy(m);
}

/* Every allocation of a plan fails once, in turn. */
static void any_allocation_may_fail(void **state)
{
    struct rn_model *m = model("resnet8", 10, 12, 1);
    int failures = 0;

    (void)state;
    for (int level = 0; level <= RN_RECOMPUTE_BLOCKS; level++)
        for (long n = 1;; n++) {
            struct rn_plan_options options;
            struct rn_plan *plan;
            struct rn_error err = {0};
            int rc;

            rn_plan_defaults(&options);
            options.mode = level ? RN_MODE_TRAIN : RN_MODE_INFER;
            options.recompute = level;
            options.threads = 1;
            rn_alloc_fail_after(n);
            rc = rn_plan_create(&plan, m, &options, &err);
            rn_alloc_fail_after(-1);
            rn_plan_destroy(plan);
            if (rc == RN_OK)
                break;
            assert_int_equal(rc, RN_ERR_MEMORY);
            assert_null(plan);
            assert_true(err.msg[0] != '\0');
            failures++;
        }
    print_message("# %d allocations failed in turn\n", failures);
    assert_true(failures > 20);
    rn_model_destroy(m);
}

/* What a trace hands out, gathered. */
struct traced {
    int count, stop; /* values so far; at which to stop, or 0 */
    char name[64][40];
    float first[64]; /* number of each */
    float last[8];   /* numbers of the last one */
};

static int gather(void *user, const struct rn_trace *value)
{
    struct traced *t = user;
    int n = value->channels * value->height * value->width;

    assert_true(t->count < 64);
    snprintf(t->name[t->count], sizeof(t->name[0]), "%s", value->name);
    t->first[t->count++] = value->values[0];
    memcpy(t->last, value->values,
           (size_t)(n < 8 ? n : 8) * sizeof(t->last[0]));
    return t->count == t->stop ? 77 : 0;
}

/* Every value of a trace is the one a plan keeps by that name; the last are
 * the logits; a visitor can end it. */
static void a_trace_shows_every_value(void **state)
{
    struct rn_model *m = model("resnet8", 5, 12, 4);
    struct rn_plan_options o;
    struct rn_plan *plan, *keeper;
    struct rn_error err = {0};
    struct traced all = {0}, some = {.stop = 3};
    float images[3 * 12 * 12], logits[5], values[16 * 12 * 12];

    (void)state;
    for (size_t i = 0; i < sizeof(images) / sizeof(*images); i++)
        images[i] = (float)(i % 17) - 8;
    rn_plan_defaults(&o);
    o.batch = 1;
    o.threads = 1;
    assert_int_equal(rn_plan_create(&plan, m, &o, &err), RN_OK);
    assert_int_equal(rn_plan_trace(plan, images, gather, &all, &err), RN_OK);
    assert_int_equal(rn_plan_forward(plan, images, logits, &err), RN_OK);
    assert_memory_equal(all.last, logits, sizeof(logits));
    assert_int_equal(all.count, 13);
    for (int i = 0; i < all.count; i++) {
        o.keep = all.name[i];
        assert_int_equal(rn_plan_create(&keeper, m, &o, &err), RN_OK);
        assert_int_equal(rn_plan_forward(keeper, images, logits, &err), RN_OK);
        assert_int_equal(rn_plan_values(keeper, values), RN_OK);
        if (values[0] != all.first[i])
            fail_msg("%s begins with %g, the trace says %g", all.name[i],
                     (double)values[0], (double)all.first[i]);
        rn_plan_destroy(keeper);
    }
    assert_int_equal(rn_plan_trace(plan, images, gather, &some, &err), 77);
    assert_int_equal(some.count, 3);
    rn_plan_destroy(plan);
    o.mode = RN_MODE_TRAIN;
    o.keep = NULL;
    assert_int_equal(rn_plan_create(&plan, m, &o, &err), RN_OK);
    assert_int_equal(rn_plan_trace(plan, images, gather, &some, &err),
                     RN_ERR_ARG);
    rn_plan_destroy(plan);
    rn_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_batch_is_learned_by_heart),
        cmocka_unit_test(the_same_steps_give_the_same_bits),
        cmocka_unit_test(training_has_the_same_bits_on_any_threads),
        cmocka_unit_test(logits_have_the_same_bits_on_any_threads),
        cmocka_unit_test(nothing_is_read_before_it_is_written),
        cmocka_unit_test(padding_stays_zero),
        cmocka_unit_test(our_own_steps_allocate_nothing),
        cmocka_unit_test(what_onednn_allocates_is_small_and_freed),
        cmocka_unit_test(denormals_are_zero_inside_only),
        cmocka_unit_test(the_callers_threads_are_left_alone),
        cmocka_unit_test(a_store_gives_back_what_it_took),
        cmocka_unit_test(segments_cover_the_flat_arrays),
        cmocka_unit_test(buffers_alive_do_not_overlap),
        cmocka_unit_test(an_estimate_is_what_a_plan_holds),
        cmocka_unit_test(weights_that_nothing_folds_into_are_not_copied),
        cmocka_unit_test(recomputation_changes_no_bit),
        cmocka_unit_test(recomputation_holds_less),
        cmocka_unit_test(a_follower_is_told_in_time),
        cmocka_unit_test(dense_blocks_change_no_bit),
        cmocka_unit_test(dense_blocks_change_no_bit_in_bf16),
        cmocka_unit_test(what_is_not_dense),
        cmocka_unit_test(relus_in_convolutions_change_no_bit),
        cmocka_unit_test(logits_of_any_batch_and_classes),
        cmocka_unit_test(a_batch_of_one_trains),
        cmocka_unit_test(a_refreshed_plan_sees_new_parameters),
        cmocka_unit_test(exact_means_no_winograd),
        cmocka_unit_test(configurations_differ_by_any_field),
        cmocka_unit_test(misuse_is_refused),
        cmocka_unit_test(a_batch_too_large_is_refused),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(a_trace_shows_every_value),
    };

    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
