/* SPDX-License-Identifier: BSD-2-Clause */
/* What a model says of the images it was trained on. */
#include "model/model.h"

#include "core/json.h"
#include "core/sized.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A count, or -1. */
static int count_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    json_int_t n = json_integer_value(value);

    return json_is_integer(value) && n >= 0 && n <= INT_MAX ? (int)n : -1;
}

static bool read_checksum(const json_t *object, uint64_t *sum)
{
    const char *text =
        json_string_value(json_object_get(object, "training_checksum"));

    if (!text || strspn(text, "0123456789abcdef") != 16 || text[16])
        return false;
    *sum = strtoull(text, NULL, 16);
    return true;
}

static void read_record(const json_t *object, struct rn_model_training *t)
{
    const json_t *seed = json_object_get(object, "seed");
    int images = count_of(object, "images"), rule;
    int validation = count_of(object, "validation");

    /* Of others' records nothing is made. */
    if (!json_is_integer(seed) || images < 0)
        return;
    rule = count_of(object, "data_rule");
    t->held_out.rule = rule > 0 ? rule : 1;
    t->images = images;
    t->held_out.seed = (uint64_t)json_integer_value(seed);
    t->held_out.validation = validation > 0 ? validation : 0;
    t->held_out.validation_percent =
        json_number_value(json_object_get(object, "validation_percent"));
    t->known = rule > 0 && read_checksum(object, &t->checksum);
}

void rn_model_training_sized(const struct rn_model *model,
                             struct rn_model_training *training, size_t size)
{
    struct rn_model_training own = {.known = 0};
    json_t *object;

    if (model->trained &&
        rn_json_parse(&object, model->trained, strlen(model->trained), "model",
                      "the text on how it was trained", NULL) == RN_OK) {
        read_record(object, &own);
        json_decref(object);
    }
    RN_GIVE(training, size, &own);
}
