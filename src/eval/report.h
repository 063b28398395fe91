/* SPDX-License-Identifier: BSD-2-Clause */
/* The answers to every image, and the files that tell of them. */
#ifndef RN_EVAL_REPORT_H
#define RN_EVAL_REPORT_H

#include "data/data.h"
#include "model/model.h"

#include <stdio.h>

struct rn_report {
    const struct rn_model *model; /* held, as the data are */
    const struct rn_data *data;
    enum rn_part part;
    int count, classes;
    struct rn_answer *answers; /* [count] */
    float *scratch;            /* [classes] */
    float *probabilities;      /* [count][classes], or NULL */
};

int rn_report_create(struct rn_report **out, const struct rn_model *model,
                     const struct rn_data *data, enum rn_part part,
                     struct rn_error *err);
/** Keep all probabilities of the images to come, for measures.c. */
int rn_report_keep(struct rn_report *report, struct rn_error *err);
/** Logits, borrowed, of an image. */
void rn_report_set(struct rn_report *report, int index, int label,
                   const float *logits);

/** Name of a class: the model's, else the data's, else its number, written
 *  into buf. */
const char *rn_report_name(const struct rn_report *report, int i, char *buf,
                           size_t size);
/** What an image is called: its file, or DATA:INDEX, DATA:train:INDEX as
 *  written into buf. */
const char *rn_report_image(const struct rn_report *report, int index,
                            char *buf, size_t size);

#endif
