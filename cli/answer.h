/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers of a model on a picture, as predict and serve tell them. */
#ifndef RN_CLI_ANSWER_H
#define RN_CLI_ANSWER_H

#include "resnet.h"

#include <jansson.h>

/** How the outputs of a model are looked at. */
struct answering {
    const struct rn_model *model;
    const struct rn_data *data; /* names labels, and the classes of a model
                                   that does not; may be NULL */
    const int32_t *map;         /* the model's class for each of its */
    int k;                      /* classes told, at most */
    int independent;            /* classes do not exclude each other, */
    double threshold;           /* and are there from this probability on */
    double min_probability;     /* of classes that are told */
    const char *precision;      /* what is computed with */
};

/** What is asked of the answers, as the options of predict say it. */
struct asked {
    int top;                 /* 0: ANSWER_TOP, or all of independent classes */
    const double *threshold; /* NULL: not given */
    double min_probability;
    int precision; /* an rn_precision */
};

/** Classes told when nothing is said. */
#define ANSWER_TOP 5

/** @param path of the model, for messages.
 *  @return RN_ERR_ARG where its outputs cannot be looked at so. */
int answering_begin(struct answering *a, const struct rn_model *model,
                    const char *path, const struct asked *asked,
                    struct rn_error *err);

/** Name of class i, or NULL. */
const char *answer_class(const struct answering *a, int i);
/** The model's class that a label of the data is; -1: none. */
int answer_label(const struct answering *a, int label);
/** What the data call it, or else the model; NULL: nothing. */
const char *answer_label_name(const struct answering *a, int label);
/** Whether class c, which may be there or not, is. */
int answer_is_there(const struct answering *a, const float *probability, int c);
/** Of the likeliest classes top[a->k], how many are told. */
int answer_shown(const struct answering *a, const float *probability,
                 const int *top);

/** The answer on a picture as an object: file, top, label (-1: unknown),
 *  precision. The label is the data's, and becomes the model's class: null
 *  where that has none such. */
json_t *answer_object(const struct answering *a, const char *file, int label,
                      const float *probability, const int *top);

#endif
