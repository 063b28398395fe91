/* SPDX-License-Identifier: BSD-2-Clause */
#include "eval/eval.h"

#include <limits.h>
#include <math.h>

void rn_softmax(float *logits, int count)
{
    float largest = -INFINITY;
    double sum = 0;

    for (int i = 0; i < count; i++)
        largest = fmaxf(largest, logits[i]);
    for (int i = 0; i < count; i++)
        sum += exp((double)logits[i] - (double)largest);
    for (int i = 0; i < count; i++)
        logits[i] = (float)(exp((double)logits[i] - (double)largest) / sum);
}

/* Insertion into the k best so far: k is small. */
void rn_top_k(const float *values, int count, int k, int *indices)
{
    int held = 0;

    for (int i = 0; i < count; i++) {
        int place = held < k ? held : k;

        while (place > 0 && values[i] > values[indices[place - 1]])
            place--;
        if (place >= k)
            continue;
        if (held < k)
            held++;
        for (int j = held - 1; j > place; j--)
            indices[j] = indices[j - 1];
        indices[place] = i;
    }
}

int rn_rank(const float *logits, int classes, int label)
{
    float own = logits[label];
    int rank = 0;

    if (isnan(own))
        return INT_MAX;
    for (int i = 0; i < classes; i++)
        rank += isnan(logits[i]) || logits[i] > own ||
                (logits[i] == own && i < label);
    return rank;
}

double rn_cross_entropy(const float *logits, int classes, int label)
{
    double largest = (double)-INFINITY, sum = 0;

    for (int i = 0; i < classes; i++)
        largest = fmax(largest, (double)logits[i]);
    for (int i = 0; i < classes; i++)
        sum += exp((double)logits[i] - largest);
    return log(sum) + largest - (double)logits[label];
}

void rn_metrics_add(struct rn_metrics *m, const float *logits,
                    const int32_t *labels, int count, int classes)
{
    for (int i = 0; i < count; i++) {
        const float *row = logits + (size_t)i * (size_t)classes;
        int rank = rn_rank(row, classes, labels[i]);

        m->wrong1 += rank >= 1;
        m->wrong5 += rank >= 5;
        m->loss += rn_cross_entropy(row, classes, labels[i]);
    }
    m->images += count;
}
