/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts errors and sums losses of answers, and what is made of the answers of
 * several views. */
#include "eval/eval.h"

#include <float.h>
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

static void sigmoid(float *values, int count)
{
    for (int i = 0; i < count; i++)
        values[i] = (float)(1 / (1 + exp(-(double)values[i])));
}

void rn_probabilities(enum rn_output output, float *values, int count)
{
    switch (output) {
    case RN_OUTPUT_LOGITS:
        rn_softmax(values, count);
        break;
    case RN_OUTPUT_LOG_PROBABILITIES:
        for (int i = 0; i < count; i++)
            values[i] = expf(values[i]);
        break;
    case RN_OUTPUT_INDEPENDENT_LOGITS:
        sigmoid(values, count);
        break;
    case RN_OUTPUT_PROBABILITIES:
    case RN_OUTPUT_INDEPENDENT:
        break;
    }
}

/* The logarithm of p / (1 - p), within what a float's smallest number gives. */
static float logit(float p)
{
    float most = -logf(FLT_MIN);
    float x = logf(p) - logf(1 - p);

    return isnan(p) ? p : fminf(fmaxf(x, -most), most);
}

void rn_logits(enum rn_output output, float *values, size_t count)
{
    for (size_t i = 0; i < count && output == RN_OUTPUT_PROBABILITIES; i++)
        values[i] = logf(values[i] == 0 ? FLT_MIN : values[i]);
    for (size_t i = 0; i < count && output == RN_OUTPUT_INDEPENDENT; i++)
        values[i] = logit(values[i]);
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

static double largest_of(const float *logits, int classes)
{
    double largest = (double)-INFINITY;

    for (int i = 0; i < classes; i++)
        largest = fmax(largest, (double)logits[i]);
    return largest;
}

static double log_sum_exp(const float *logits, int classes, double largest)
{
    double sum = 0;

    for (int i = 0; i < classes; i++)
        sum += exp((double)logits[i] - largest);
    return log(sum) + largest;
}

double rn_cross_entropy(const float *logits, int classes, int label)
{
    return log_sum_exp(logits, classes, largest_of(logits, classes)) -
           (double)logits[label];
}

void rn_average_begin(float *sum, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] = -INFINITY;
}

/* log(exp(a) + exp(b)); NaN when either is. */
static double log_add(double a, double b)
{
    double more = a > b ? a : b, less = a > b ? b : a;

    return more == (double)-INFINITY ? more : more + log1p(exp(less - more));
}

void rn_average_add(float *sum, const float *logits, int classes)
{
    double log_sum = log_sum_exp(logits, classes, largest_of(logits, classes));

    for (int i = 0; i < classes; i++)
        sum[i] = (float)log_add((double)sum[i], (double)logits[i] - log_sum);
}

/* Guo et al. 2017, "On Calibration of Modern Neural Networks": bin b holds
 * confidences from b / BINS, exclusive, to (b + 1) / BINS. */
static void calibrate(struct rn_metrics *m, double confidence, bool right)
{
    int bin = confidence > 0 && confidence <= 1
                  ? (int)ceil(confidence * RN_CALIBRATION_BINS) - 1
                  : 0;

    m->bin[bin].confidence += confidence;
    m->bin[bin].right += right;
}

double rn_metrics_calibration(const struct rn_metrics *m)
{
    double sum = 0;

    for (int i = 0; i < RN_CALIBRATION_BINS; i++)
        sum += fabs(m->bin[i].confidence - (double)m->bin[i].right);
    return sum / (double)m->images;
}

/* Binary cross-entropy of a sigmoid's logit, without overflow. */
static double binary(float logit, bool there)
{
    double x = (double)logit;

    return fmax(x, 0) + log1p(exp(-fabs(x))) - (there ? x : 0);
}

void rn_metrics_add(struct rn_metrics *m, const float *logits,
                    const int32_t *labels, int count, int classes)
{
    for (int i = 0; i < count; i++) {
        const float *row = logits + (size_t)i * (size_t)classes;
        int rank = rn_rank(row, classes, labels[i]);
        double largest = largest_of(row, classes);
        double log_sum = log_sum_exp(row, classes, largest);

        m->wrong1 += rank >= 1;
        m->wrong5 += rank >= 5;
        if (m->independent) {
            for (int c = 0; c < classes; c++)
                m->loss += binary(row[c], c == labels[i]) / classes;
            calibrate(m, 1 / (1 + exp(-largest)), rank == 0);
            continue;
        }
        m->loss += log_sum - (double)row[labels[i]];
        calibrate(m, exp(largest - log_sum), rank == 0);
    }
    m->images += count;
}
