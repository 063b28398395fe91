/* SPDX-License-Identifier: BSD-2-Clause */
/* Turns probabilities into the classes that are told, and these into JSON. */
#include "answer.h"

#include "cli.h"
#include "output.h"

#include <stdio.h>

static int fail_model(const char *path, const char *why, struct rn_error *err)
{
    return cli_error(err, RN_ERR_ARG, "model '%.200s' %s", path, why);
}

static int choose_k(const struct asked *asked, int classes, int independent)
{
    int k = asked->top ? asked->top : independent ? classes : ANSWER_TOP;

    return k < classes ? k : classes;
}

int answering_begin(struct answering *a, const struct rn_model *model,
                    const char *path, const struct asked *asked,
                    struct rn_error *err)
{
    struct rn_model_info info;

    rn_model_describe(model, &info);
    *a = (struct answering){.model = model};
    a->independent = info.output == RN_OUTPUT_INDEPENDENT_LOGITS ||
                     info.output == RN_OUTPUT_INDEPENDENT;
    a->min_probability = asked->min_probability;
    a->threshold = asked->threshold ? *asked->threshold : 0.5;
    a->k = choose_k(asked, info.classes, a->independent);
    a->precision = precision_text(asked->precision, &info);
    if (!a->independent && asked->threshold)
        return fail_model(path,
                          "takes a picture for one of its classes: "
                          "--min-probability leaves out unlikely ones, "
                          "--threshold goes with --head sigmoid",
                          err);
    if (!a->independent && info.classes == 1)
        return fail_model(path,
                          "gives one number, of which softmax makes 100 % "
                          "whatever it is: --head sigmoid makes a probability "
                          "of it",
                          err);
    if (!a->independent)
        a->threshold = a->min_probability;
    return RN_OK;
}

const char *answer_class(const struct answering *a, int i)
{
    const char *name = rn_model_class_name(a->model, i);

    return name || !a->data ? name : rn_data_class_name(a->data, i);
}

int answer_label(const struct answering *a, int label)
{
    struct rn_model_info info;
    int class = a->map && label >= 0 ? a->map[label] : label;

    rn_model_describe(a->model, &info);
    return class < info.classes ? class : -1;
}

const char *answer_label_name(const struct answering *a, int label)
{
    const char *name = a->data ? rn_data_class_name(a->data, label) : NULL;

    return name ? name : answer_class(a, answer_label(a, label));
}

int answer_is_there(const struct answering *a, const float *probability, int c)
{
    return (double)probability[c] >= a->threshold;
}

int answer_shown(const struct answering *a, const float *probability,
                 const int *top)
{
    int n = 0;

    while (n < a->k && (double)probability[top[n]] >= a->min_probability)
        n++;
    return n;
}

static json_t *json_top(const struct answering *a, const float *probability,
                        const int *top)
{
    json_t *list = json_list();
    int n = answer_shown(a, probability, top);

    for (int i = 0; i < n; i++) {
        int c = top[i];
        json_t *entry = json_new();

        json_put(entry, "index", json_count((uint64_t)c));
        json_put(entry, "id", json_text(rn_model_class_id(a->model, c)));
        json_put(entry, "name", json_text(answer_class(a, c)));
        json_put(entry, "probability", json_double((double)probability[c]));
        if (a->independent)
            json_put(entry, "present",
                     json_boolean(answer_is_there(a, probability, c)));
        json_add(list, entry);
    }
    return list;
}

json_t *answer_object(const struct answering *a, const char *file, int label,
                      const float *probability, const int *top)
{
    json_t *object = json_new();

    json_put(object, "file", json_text(file));
    json_put(object, "top", json_top(a, probability, top));
    if (label >= 0) {
        int class = answer_label(a, label);

        json_put(object, "label",
                 class < 0 ? json_null() : json_count((uint64_t) class));
        json_put(object, "label_name", json_text(answer_label_name(a, label)));
    }
    json_put(object, "precision", json_text(a->precision));
    return object;
}
