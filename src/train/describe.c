/* SPDX-License-Identifier: BSD-2-Clause */
/* run.json: options, network, data and machine of a run, written when it begins
 * and compared when it goes on. */
#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <string.h>

#define OPTIONS_LIMIT ((size_t)1 << 20)

/* What the plan needs; 0: not known. */
static uint64_t memory_needed(const struct rn_trainer *t)
{
    const struct rn_plan_options plan = {
        .struct_size = sizeof(plan),
        .mode = RN_MODE_TRAIN,
        .batch = t->groups.images,
        .threads = t->threads,
        .exact = t->o.exact,
        .recompute = t->o.recompute,
        .precision = t->o.precision,
        .emulate = t->o.emulate,
    };
    uint64_t bytes = 0;

    (void)rn_plan_estimate(t->trainee, &plan, &bytes, NULL);
    return bytes;
}

static json_t *network_json(const struct rn_trainer *t)
{
    const struct rn_net_spec *spec = &t->model->spec;
    const char *shortcut = rn_shortcut_name(spec->shortcut);
    const struct rn_graph *g = t->model->graph;

    return json_pack("{s:s, s:[i,i,i], s:i, s:s, s:b, s:I, s:I, s:I}", "net",
                     spec->name, "input", spec->input.c, spec->input.h,
                     spec->input.w, "classes", spec->classes, "shortcut",
                     shortcut ? shortcut : "-", "stride_v1",
                     (int)spec->stride_v1, "params",
                     (json_int_t)(rn_graph_params(g) - rn_graph_aux_params(g)),
                     "macs", (json_int_t)rn_graph_macs(g), "train_bytes",
                     (json_int_t)memory_needed(t));
}

static json_t *data_json(const struct rn_trainer *t)
{
    const struct rn_data *d = t->data;
    char sum[20];

    snprintf(sum, sizeof(sum), "%016" PRIx64, d->checksum);
    return json_pack("{s:s, s:s, s:i, s:i, s:i}", "format", d->format,
                     "checksum", sum, "train", d->part[RN_PART_TRAIN].count,
                     "validation", d->part[RN_PART_VALIDATION].count, "test",
                     d->part[RN_PART_TEST].count);
}

/* Raised when training begins to add up in another order with what computes it
 * unchanged. 2: data gradients of 1x1 convolutions of our own; 3: fully
 * connected layers; 4: in bfloat16, max pools behind maxout, gates, and
 * teachers; 5: 5x5 convolutions in float32, which have a Winograd; 6: those in
 * bfloat16. */
enum { ARITHMETIC = 6 };

/* Rank 0's; and how another differs, where that was allowed. */
static json_t *machine_json(const struct rn_trainer *t)
{
    struct rn_machine m;

    rn_machine_get(&m);
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:s*}", "cpu", m.cpu, "isa",
                     m.isa, "onednn", m.onednn, "threads", t->threads,
                     "arithmetic", ARITHMETIC, "mixed",
                     rn_ranks_mixed(t->o.ranks));
}

int rn_trainer_describe(struct rn_trainer *t, struct rn_error *err)
{
    /* "o" values that are NULL make json_pack() fail, releasing the rest. */
    json_t *object = json_pack(
        "{s:s, s:I, s:o, s:O, s:o, s:o, s:o}", "version", rn_version(),
        "iterations", (json_int_t)t->iterations, "options",
        rn_options_to_json(&t->o), "open", t->open, "network", network_json(t),
        "data", data_json(t), "machine", machine_json(t));
    int rc;

    if (object && t->teacher.model &&
        json_object_set_new(object, "teacher", rn_trainer_teacher_json(t))) {
        json_decref(object);
        object = NULL;
    }
    rc = rn_run_describe(&t->run, object, err);

    json_decref(object);
    return rc;
}

int rn_trainer_read(struct rn_trainer *t, struct rn_error *err)
{
    char *text = NULL;
    size_t size = 0;
    int rc;

    if (!rn_is_file(t->run.options))
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' holds no run: run.json is "
                       "missing",
                       t->run.folder);
    rc = rn_text_read(t->run.options, OPTIONS_LIMIT, &text, &size, err);
    if (rc != RN_OK)
        return rc;
    t->texts = rn_json_load(text, size, JSON_REJECT_DUPLICATES, NULL);
    rn_free(text);
    if (!t->texts)
        return rn_fail(err, RN_ERR_DATA, "'%s': not JSON", t->run.options);
    rc = rn_options_from_json(&t->o, json_object_get(t->texts, "options"),
                              t->run.options, err);
    t->o.out = t->run.folder;
    return rc;
}

int rn_trainer_check_data(const struct rn_trainer *t, struct rn_error *err)
{
    const char *sum = json_string_value(
        json_object_get(json_object_get(t->texts, "data"), "checksum"));
    char found[20];

    snprintf(found, sizeof(found), "%016" PRIx64, t->data->checksum);
    if (sum && strcmp(sum, found) == 0)
        return RN_OK;
    return rn_fail(err, RN_ERR_DATA,
                   "'%s' is not the data the run began with: checksum %s, "
                   "expected %s",
                   t->data->spec, found, !sum ? "(none)" : sum);
}

void rn_trainer_compare_machine(const struct rn_trainer *t)
{
    const json_t *object = json_object_get(t->texts, "machine");
    const char *onednn = json_string_value(json_object_get(object, "onednn"));
    const char *isa = json_string_value(json_object_get(object, "isa"));
    const json_t *arithmetic = json_object_get(object, "arithmetic");
    struct rn_machine m;

    rn_machine_get(&m);
    if (json_object_get(object, "mixed"))
        rn_trainer_say(t, "the run began on ranks that differ; its last bits "
                          "may differ from now on");
    else if (!onednn || !isa || strcmp(onednn, m.onednn) != 0 ||
             strcmp(isa, m.isa) != 0)
        rn_trainer_say(t, "the run began on another machine or oneDNN; its "
                          "last bits may differ from now on");
    else if (json_integer_value(arithmetic) != ARITHMETIC)
        rn_trainer_say(t, "the run began with another version, which may add "
                          "up in another order; its last bits may differ from "
                          "now on");
}
