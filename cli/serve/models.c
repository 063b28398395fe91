/* SPDX-License-Identifier: BSD-2-Clause */
/* The models that are served: their names, and plans for batches of several
 * sizes, which share their weights. */
#include "serve.h"

#include "../cli.h"
#include "../output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int out_of_memory(struct rn_error *err)
{
    return cli_error(err, RN_ERR_MEMORY, "out of memory");
}

/* ------------------------------------------------------------------ names */

#define NAME_LETTERS                                                 \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" \
    "._-"

static int is_name(const char *text, size_t n)
{
    return n > 0 && n < 128 && text[0] != '.' &&
           strspn(text, NAME_LETTERS) >= n;
}

/* A file's own name without its ending, a folder's own name. */
static char *name_of_path(const char *path)
{
    size_t end = strlen(path), begin, dot;
    struct stat st;

    while (end > 1 && path[end - 1] == '/')
        end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/';)
        begin--;
    for (dot = end; dot > begin && path[dot] != '.';)
        dot--;
    if (dot > begin && !(stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
        end = dot;
    return strndup(path + begin, end - begin);
}

/* NAME=MODEL, where what stands before the first = can be a name. */
static int parse_slot(struct slot *slot, const char *text)
{
    size_t n = strcspn(text, "=");

    if (text[n] == '=' && !memchr(text, '/', n)) {
        slot->name = strndup(text, n);
        slot->path = text + n + 1;
    } else {
        slot->name = name_of_path(text);
        slot->path = text;
    }
    if (!slot->name) {
        say_error("out of memory");
        return EXIT_FAILED;
    }
    if (is_name(slot->name, strlen(slot->name)))
        return 0;
    say_error("'%s' is no name for a model: letters, digits, and . _ - within "
              "are; NAME=MODEL gives it one",
              slot->name);
    return EXIT_USAGE;
}

int slots_parse(struct slot **out, char *const *texts, int count)
{
    struct slot *slots = calloc((size_t)count + 1, sizeof(*slots));
    int status = 0;

    *out = NULL;
    if (!slots) {
        say_error("out of memory");
        return EXIT_FAILED;
    }
    for (int i = 0; i < count && !status; i++)
        status = parse_slot(&slots[i], texts[i]);
    for (int i = 0; i < count && !status; i++)
        for (int k = 0; k < i && !status; k++)
            if (strcmp(slots[i].name, slots[k].name) == 0) {
                say_error("'%s' and '%s' are both called %s: NAME=MODEL gives "
                          "one another name",
                          slots[k].path, slots[i].path, slots[i].name);
                status = EXIT_USAGE;
            }
    if (status)
        slots_free(slots, count);
    else
        *out = slots;
    return status;
}

void slots_free(struct slot *slots, int count)
{
    for (int i = 0; slots && i < count; i++) {
        model_destroy(slots[i].current);
        free(slots[i].name);
    }
    free(slots);
}

/* ------------------------------------------------------------------ plans */

/* Sizes of batches up to `most`: 1, 2, 3, 4, 6, 8, 12, 16 … A batch in between
 * takes as long as the next larger one. */
static int choose_sizes(struct model *m, int most)
{
    m->sizes = calloc(64, sizeof(*m->sizes));
    if (!m->sizes)
        return RN_ERR_MEMORY;
    for (int power = 1; power < most; power *= 2) {
        m->sizes[m->n_sizes++] = power;
        if (power > 1 && power + power / 2 < most)
            m->sizes[m->n_sizes++] = power + power / 2;
    }
    m->sizes[m->n_sizes++] = most;
    return RN_OK;
}

static int open_lane(struct lane *lane, const struct model *m,
                     struct rn_plan *first, struct rn_error *err)
{
    size_t most = (size_t)m->sizes[m->n_sizes - 1];

    lane->plans = calloc(m->n_sizes, sizeof(*lane->plans));
    lane->images = calloc(most, m->pixels * sizeof(float));
    lane->logits = calloc(most, (size_t)m->info.classes * sizeof(float));
    if (m->n_values)
        lane->values = calloc(most, m->n_values * sizeof(float));
    if (!lane->plans || !lane->images || !lane->logits ||
        (m->n_values && !lane->values))
        return out_of_memory(err);
    for (size_t i = 0; i < m->n_sizes; i++) {
        int rc = rn_plan_clone(&lane->plans[i], first, m->sizes[i], err);

        if (rc)
            return rc;
    }
    return RN_OK;
}

static void close_lane(struct lane *lane, size_t n_sizes)
{
    for (size_t i = 0; lane->plans && i < n_sizes; i++)
        rn_plan_destroy(lane->plans[i]);
    free(lane->plans);
    free(lane->images);
    free(lane->logits);
    free(lane->values);
}

/* All streams' plans are clones of one. */
static int make_plans(struct model *m, const struct serve_options *o,
                      struct rn_error *err)
{
    struct rn_plan_options plan;
    struct rn_plan *first = NULL;
    int rc;

    rn_plan_defaults(&plan);
    plan.mode = RN_MODE_INFER;
    plan.batch = o->max_batch;
    plan.threads = o->run.threads;
    plan.exact = o->run.exact;
    plan.precision = o->run.precision;
    plan.emulate = o->run.emulate;
    plan.bind = 1; /* of which only those on all processors are */
    plan.keep = o->features;
    rc = rn_plan_create(&first, m->net, &plan, err);
    if (!rc && o->features)
        rc = rn_plan_kept(first, &m->kept[0], &m->kept[1], &m->kept[2]);
    m->n_values = (size_t)m->kept[0] * (size_t)m->kept[1] * (size_t)m->kept[2];
    m->lanes = calloc((size_t)o->streams, sizeof(*m->lanes));
    if (!rc && !m->lanes)
        rc = out_of_memory(err);
    for (m->streams = 0; !rc && m->streams < o->streams; m->streams++)
        rc = open_lane(&m->lanes[m->streams], m, first, err);
    if (!rc && o->streams > 1) {
        plan.batch = 1;
        plan.threads = o->wide;
        rc = rn_plan_create(&m->wide, m->net, &plan, err);
    }
    rn_plan_destroy(first);
    return rc;
}

/* ----------------------------------------------------------------- models */

int model_open(struct model **out, struct slot *slot,
               const struct serve_options *o, struct rn_error *err)
{
    const struct asked asked = {.precision = o->run.precision};
    struct model *m = calloc(1, sizeof(*m));
    int rc;

    *out = NULL;
    if (!m)
        return out_of_memory(err);
    m->slot = slot;
    m->refs = 1;
    rc = import_prepared(&m->net, slot->path, &o->import, err);
    if (rc)
        goto out;
    rn_model_describe(m->net, &m->info);
    m->pixels = (size_t)m->info.channels * (size_t)m->info.height *
                (size_t)m->info.width;
    rc = answering_begin(&m->answering, m->net, slot->path, &asked, err);
    if (!rc && choose_sizes(m, o->max_batch))
        rc = out_of_memory(err);
    if (!rc)
        rc = make_plans(m, o, err);
out:
    if (rc)
        model_destroy(m);
    else
        *out = m;
    return rc;
}

void model_destroy(struct model *m)
{
    if (!m)
        return;
    for (int i = 0; m->lanes && i < m->streams; i++)
        close_lane(&m->lanes[i], m->n_sizes);
    rn_plan_destroy(m->wide);
    free(m->lanes);
    free(m->sizes);
    rn_model_destroy(m->net);
    free(m);
}

json_t *model_describe(const struct model *m)
{
    json_t *object = json_new(), *input = json_list();

    json_add(input, json_count((uint64_t)m->info.channels));
    json_add(input, json_count((uint64_t)m->info.height));
    json_add(input, json_count((uint64_t)m->info.width));
    json_put(object, "name", json_text(m->slot->name));
    json_put(object, "net", json_text(m->info.net));
    json_put(object, "input", input);
    json_put(object, "classes", json_count((uint64_t)m->info.classes));
    json_put(object, "parameters", json_count(m->info.params));
    json_put(object, "output", json_text(rn_output_name(m->info.output)));
    json_put(object, "precision", json_text(m->answering.precision));
    return object;
}
