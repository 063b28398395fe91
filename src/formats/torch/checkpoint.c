/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks for dictionaries of tensors in a pickle and takes the likeliest. */
#include "formats/torch/checkpoint.h"

#include "core/count.h"
#include "core/memory.h"
#include "core/faults.h"
#include "formats/torch/module.h"
#include "formats/torch/pickle_torch.h"

#include <string.h>

/* Under which scripts keep a network's tensors, those that most people mean
 * first. Moving averages are taken where there is nothing else. */
static const char *const known[] = {
    "state_dict",  "model_state_dict", "model",     "net",
    "network",     "net_state_dict",   "module",    "weights",
    "model_state", "student",          "encoder_q", "teacher",
    "model_ema",   "state_dict_ema",   "ema",       "ema_state_dict",
    "params_ema",
};

enum { ITSELF = COUNT(known), UNKNOWN };

/* A dictionary that lies in no other than dictionaries. */
struct holder {
    char name[RN_HOLDER_NAME]; /* "model.state_dict"; "" of the outermost */
    uint32_t object;
    int depth, rank; /* rank: the worst of its parts' */
    bool holds;      /* tensors */
};

struct search {
    const struct rn_pickle *p;
    struct holder *list;
    size_t count, room;
    bool *seen; /* by object: one in two places is looked into once */
};

static int rank_of(const struct rn_pickle *p, uint32_t key)
{
    for (size_t i = 0; i < COUNT(known); i++)
        if (rn_pickle_text_is(p, key, known[i]))
            return (int)i;
    return UNKNOWN;
}

static bool starts_with(const struct rn_pickle_object *text, const char *start)
{
    return text->u.text.size >= strlen(start) &&
           memcmp(text->u.text.at, start, strlen(start)) == 0;
}

static bool ends_with(const struct rn_pickle_object *text, const char *end)
{
    size_t n = strlen(end);

    return text->u.text.size >= n &&
           memcmp(text->u.text.at + text->u.text.size - n, end, n) == 0;
}

/* Whether a tensor of that name would be a layer's. */
static bool is_needed(const struct rn_pickle_object *name)
{
    static const char *const ends[] = {".weight", ".bias", ".running_mean",
                                       ".running_var"};

    for (size_t i = 0; i < COUNT(ends); i++)
        if (ends_with(name, ends[i]))
            return true;
    return false;
}

/* ------------------------------------------------------------- holders */

static int add_holder(struct rn_state *state, struct search *s, uint32_t object,
                      const struct holder *outer, uint32_t key,
                      struct rn_error *err)
{
    if (s->count >= RN_HOLDERS_MOST)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': has more than %d dictionaries in dictionaries",
                       state->path, RN_HOLDERS_MOST);
    struct holder h = {.object = object, .rank = ITSELF};
    if (outer) {
        const struct rn_pickle_object *text = rn_pickle_get(s->p, key);
        int rank = rank_of(s->p, key);

        h.depth = outer->depth + 1;
        h.rank = outer->depth > 0 && outer->rank > rank ? outer->rank : rank;
        if (snprintf(h.name, sizeof(h.name), "%s%s%.*s", outer->name,
                     *outer->name ? "." : "", (int)text->u.text.size,
                     (const char *)text->u.text.at) >= (int)sizeof(h.name))
            return RN_OK;
    }
    if (!rn_grow(&s->list, &s->room, s->count, sizeof(*s->list)))
        return rn_fail_memory(err, sizeof(*s->list), "a dictionary");
    s->list[s->count++] = h;
    s->seen[object] = true;
    return RN_OK;
}

/* Whether a value may be a holder: an optimiser's tensors are no network's. */
static bool may_hold(const struct search *s, uint32_t key, uint32_t value)
{
    const struct rn_pickle_object *text = rn_pickle_get(s->p, key);

    return text->kind == RN_PICKLE_TEXT && text->u.text.size < RN_HOLDER_NAME &&
           (rn_pickle_get(s->p, value)->kind == RN_PICKLE_DICT ||
            rn_module_is(s->p, value)) &&
           !s->seen[value] && !starts_with(text, "optim");
}

/* Look through the i-th dictionary: tensors, and dictionaries in it. */
static int look_into(struct rn_state *state, struct search *s, size_t i,
                     struct rn_error *err)
{
    const struct holder h = s->list[i];

    if (rn_module_is(s->p, h.object)) {
        s->list[i].holds = true;
        return RN_OK;
    }
    uint32_t cell = rn_pickle_first(s->p, h.object), key, value;
    int rc = RN_OK;
    while (!rc && rn_pickle_pair(s->p, &cell, &key, &value)) {
        const struct rn_pickle_object *name = rn_pickle_get(s->p, key);
        enum rn_pickle_kind kind = rn_pickle_get(s->p, value)->kind;

        if (name->kind == RN_PICKLE_TEXT &&
            (kind == RN_PICKLE_TENSOR ||
             (kind == RN_PICKLE_OPAQUE && is_needed(name))))
            s->list[i].holds = true;
        else if (h.depth < RN_HOLDERS_DEEP && may_hold(s, key, value))
            rc = add_holder(state, s, value, &h, key, err);
    }
    return rc;
}

static int find_holders(struct rn_state *state, struct search *s,
                        struct rn_error *err)
{
    s->seen = rn_alloc(s->p->n_objects, sizeof(*s->seen));
    if (!s->seen)
        return rn_fail_memory(err, s->p->n_objects, "a pickle");
    int rc = add_holder(state, s, s->p->root, NULL, 0, err);
    for (size_t i = 0; i < s->count && !rc; i++)
        rc = look_into(state, s, i, err);
    return rc;
}

/* -------------------------------------------------------------- choice */

static const char *shown_name(const struct holder *h)
{
    return *h->name ? h->name : ".";
}

/* Whether the caller means that one: by its whole name, or its last part. */
static bool is_wanted(const struct holder *h, const char *wanted)
{
    size_t n = strlen(h->name), k = strlen(wanted);

    if (strcmp(shown_name(h), wanted) == 0)
        return true;
    return n > k && h->name[n - k - 1] == '.' &&
           strcmp(h->name + n - k, wanted) == 0;
}

static const struct holder *find_wanted(const struct search *s,
                                        const char *wanted)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i].holds && is_wanted(&s->list[i], wanted))
            return &s->list[i];
    return NULL;
}

/* The names of those that hold tensors, `but` excepted. */
static void list_holders(const struct search *s, const struct holder *but,
                         struct rn_faults *names)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i].holds && &s->list[i] != but)
            rn_fault_add(names, "%.50s", shown_name(&s->list[i]));
}

/* The best of those that hold tensors; *equal others are as good. */
static const struct holder *find_best(const struct search *s, size_t *equal)
{
    const struct holder *best = NULL;

    *equal = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct holder *h = &s->list[i];

        if (!h->holds)
            continue;
        if (!best || h->rank < best->rank) {
            best = h;
            *equal = 0;
        } else if (h->rank == best->rank) {
            ++*equal;
        }
    }
    return best;
}

static int fail_opaque(const struct rn_state *state, const struct rn_pickle *p,
                       uint32_t key, uint32_t object, struct rn_error *err)
{
    char class[130];
    const struct rn_pickle_object *text = key ? rn_pickle_get(p, key) : NULL;
    bool named = text && text->kind == RN_PICKLE_TEXT;
    int n = named && text->u.text.size < 60 ? (int)text->u.text.size : 60;

    return rn_fail(err, RN_ERR_DATA,
                   "'%s': %s%.*s%s is an object of %s, which is neither known "
                   "nor run; expected a dictionary of tensors "
                   "(model.state_dict())",
                   state->path, named ? "\"" : "its content", named ? n : 0,
                   named ? (const char *)text->u.text.at : "",
                   named ? "\"" : "",
                   rn_pickle_opaque_name(p, object, class, sizeof(class)));
}

/* There are no tensors: say what there is instead. */
static int fail_empty(const struct rn_state *state, const struct rn_pickle *p,
                      struct rn_error *err)
{
    uint32_t cell = rn_pickle_first(p, p->root), key, value;

    while (rn_pickle_pair(p, &cell, &key, &value))
        if (rn_pickle_get(p, value)->kind == RN_PICKLE_OPAQUE &&
            rank_of(p, key) != UNKNOWN)
            return fail_opaque(state, p, key, value, err);
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': its dictionary holds no tensors; expected them "
                   "there, or in \"state_dict\", \"model\" or \"net\"",
                   state->path);
}

/* What stands in a better place, but is an object. */
static void note_opaque(struct rn_state *state, const struct search *s,
                        const struct holder *best)
{
    char class[130];
    uint32_t cell = rn_pickle_first(s->p, s->p->root), key, value;

    while (!*state->note && rn_pickle_pair(s->p, &cell, &key, &value))
        if (rn_pickle_get(s->p, value)->kind == RN_PICKLE_OPAQUE &&
            rank_of(s->p, key) < best->rank && !rn_module_is(s->p, value))
            snprintf(state->note, sizeof(state->note),
                     "'%.100s': tensors of \"%.60s\" taken, its \"%s\" is an "
                     "object of %s, which is neither known nor run",
                     state->path, shown_name(best), known[rank_of(s->p, key)],
                     rn_pickle_opaque_name(s->p, value, class, sizeof(class)));
}

static int choose(struct rn_state *state, const struct search *s, uint32_t *out,
                  struct rn_error *err)
{
    struct rn_faults names = {0};
    size_t equal;
    const struct holder *best = find_best(s, &equal), *wanted = NULL;

    if (!best)
        return fail_empty(state, s->p, err);
    if (state->wanted)
        wanted = find_wanted(s, state->wanted);
    list_holders(s, wanted ? NULL : equal ? NULL : best, &names);
    if (!wanted && equal)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': %zu dictionaries hold tensors (%s): --holder "
                       "NAME says which is the network's",
                       state->path, names.count, names.text);
    if (!wanted && names.count > 0)
        snprintf(state->note, sizeof(state->note),
                 "'%.100s': tensors of \"%.60s\" taken, it also has some in "
                 "%s: --holder NAME says otherwise",
                 state->path, shown_name(best), names.text);
    if (!wanted && rn_pickle_get(s->p, s->p->root)->kind == RN_PICKLE_DICT)
        note_opaque(state, s, best);
    *out = wanted ? wanted->object : best->object;
    if (wanted)
        state->wanted = NULL;
    return RN_OK;
}

/* ------------------------------------------------------------- tensors */

/* What a dictionary holds beside tensors is of no interest, unless it stands
 * in the place of one. */
static int add_tensors(struct rn_state *state, const struct rn_pickle *p,
                       uint32_t dict, struct rn_error *err)
{
    uint32_t cell = rn_pickle_first(p, dict), key, value;
    int rc = RN_OK;

    while (!rc && rn_pickle_pair(p, &cell, &key, &value)) {
        const struct rn_pickle_object *name = rn_pickle_get(p, key);
        enum rn_pickle_kind kind = rn_pickle_get(p, value)->kind;

        if (name->kind != RN_PICKLE_TEXT)
            continue;
        if (kind == RN_PICKLE_TENSOR)
            rc = rn_torch_add(state, p, (const char *)name->u.text.at,
                              name->u.text.size, value, err);
        else if (kind == RN_PICKLE_OPAQUE && is_needed(name))
            rc = fail_opaque(state, p, key, value, err);
    }
    return rc ? rc : rn_state_finish(state, err);
}

/* timm's script writes the network's name beside the weights. */
static void find_architecture(struct rn_state *state, const struct rn_pickle *p)
{
    uint32_t arch = rn_pickle_get(p, p->root)->kind == RN_PICKLE_DICT
                        ? rn_pickle_lookup(p, p->root, "arch")
                        : 0;
    const struct rn_pickle_object *o = arch ? rn_pickle_get(p, arch) : NULL;

    if (o && o->kind == RN_PICKLE_TEXT &&
        o->u.text.size < sizeof(state->architecture))
        memcpy(state->architecture, o->u.text.at, o->u.text.size);
}

int rn_checkpoint_collect(struct rn_state *state, const struct rn_pickle *p,
                          struct rn_error *err)
{
    struct search s = {.p = p};
    uint32_t dict = 0;
    enum rn_pickle_kind kind = rn_pickle_get(p, p->root)->kind;
    bool module = rn_module_is(p, p->root);

    if (kind == RN_PICKLE_OPAQUE && !module)
        return fail_opaque(state, p, 0, p->root, err);
    if (kind != RN_PICKLE_DICT && !module)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': holds no dictionary, expected one of tensors "
                       "(model.state_dict())",
                       state->path);
    find_architecture(state, p);
    int rc = find_holders(state, &s, err);
    if (!rc)
        rc = choose(state, &s, &dict, err);
    rn_free(s.list);
    rn_free(s.seen);
    if (rc)
        return rc;
    return rn_module_is(p, dict) ? rn_module_collect(state, p, dict, err)
                                 : add_tensors(state, p, dict, err);
}
