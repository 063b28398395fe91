/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations as naive loops in double. */
#include "reference.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------ convolution */

size_t ref_inputs(const struct ref_window *c)
{
    return (size_t)c->n * (size_t)c->ic * (size_t)c->ih * (size_t)c->iw;
}

size_t ref_outputs(const struct ref_window *c)
{
    return (size_t)c->n * (size_t)c->oc * (size_t)c->oh * (size_t)c->ow;
}

size_t ref_weights(const struct ref_window *c)
{
    return (size_t)c->oc * (size_t)c->ic * (size_t)c->kh * (size_t)c->kw;
}

/** An index into [..][a][b][c] taken apart, the last three sizes given. */
struct place {
    int n, c, y, x;
};

static struct place place_of(size_t i, int c, int h, int w)
{
    struct place p;

    p.x = (int)(i % (size_t)w);
    i /= (size_t)w;
    p.y = (int)(i % (size_t)h);
    i /= (size_t)h;
    p.c = (int)(i % (size_t)c);
    p.n = (int)(i / (size_t)c);
    return p;
}

static size_t index_of(int n, int c, int y, int x, int cs, int h, int w)
{
    return (((size_t)n * (size_t)cs + (size_t)c) * (size_t)h + (size_t)y) *
               (size_t)w +
           (size_t)x;
}

/* x at (n, i, y, x), zero in the padding. */
static double input_at(const struct ref_window *c, const double *x, int n,
                       int i, int y, int at)
{
    if (y < 0 || y >= c->ih || at < 0 || at >= c->iw)
        return 0;
    return x[index_of(n, i, y, at, c->ic, c->ih, c->iw)];
}

double ref_conv_at(const struct ref_window *c, const double *x, const double *w,
                   const double *b, size_t i)
{
    struct place o = place_of(i, c->oc, c->oh, c->ow);
    int top = o.y * c->stride - c->pad, left = o.x * c->stride - c->pad;
    double sum = b ? b[o.c] : 0;

    for (int ic = 0; ic < c->ic; ic++)
        for (int y = 0; y < c->kh; y++)
            for (int k = 0; k < c->kw; k++)
                sum += input_at(c, x, o.n, ic, top + y, left + k) *
                       w[index_of(o.c, ic, y, k, c->ic, c->kh, c->kw)];
    return sum;
}

/* The output pixel whose window, at its place k, covers pixel `at`; -1. */
static int output_over(int at, int k, int outputs, const struct ref_window *c)
{
    int start = at + c->pad - k;

    if (start < 0 || start % c->stride || start / c->stride >= outputs)
        return -1;
    return start / c->stride;
}

double ref_conv_data_at(const struct ref_window *c, const double *dy,
                        const double *w, size_t i)
{
    struct place p = place_of(i, c->ic, c->ih, c->iw);
    double sum = 0;

    for (int y = 0; y < c->kh; y++)
        for (int k = 0; k < c->kw; k++) {
            int oy = output_over(p.y, y, c->oh, c);
            int ox = output_over(p.x, k, c->ow, c);

            if (oy < 0 || ox < 0)
                continue;
            for (int o = 0; o < c->oc; o++)
                sum += dy[index_of(p.n, o, oy, ox, c->oc, c->oh, c->ow)] *
                       w[index_of(o, p.c, y, k, c->ic, c->kh, c->kw)];
        }
    return sum;
}

double ref_conv_weights_at(const struct ref_window *c, const double *x,
                           const double *dy, size_t i)
{
    struct place p = place_of(i, c->ic, c->kh, c->kw); /* p.n: out channel */
    double sum = 0;

    for (int n = 0; n < c->n; n++)
        for (int oy = 0; oy < c->oh; oy++)
            for (int ox = 0; ox < c->ow; ox++)
                sum += dy[index_of(n, p.n, oy, ox, c->oc, c->oh, c->ow)] *
                       input_at(c, x, n, p.c, oy * c->stride - c->pad + p.y,
                                ox * c->stride - c->pad + p.x);
    return sum;
}

double ref_conv_bias_at(const struct ref_window *c, const double *dy, size_t i)
{
    size_t hw = (size_t)c->oh * (size_t)c->ow;
    double sum = 0;

    for (size_t n = 0; n < (size_t)c->n; n++)
        for (size_t k = 0; k < hw; k++)
            sum += dy[(n * (size_t)c->oc + i) * hw + k];
    return sum;
}

void ref_conv(const struct ref_window *c, const double *x, const double *w,
              const double *b, double *y)
{
    for (size_t i = 0; i < ref_outputs(c); i++)
        y[i] = ref_conv_at(c, x, w, b, i);
}

void ref_conv_backward(const struct ref_window *c, const double *x,
                       const double *w, const double *dy, double *dx,
                       double *dw, double *db)
{
    for (size_t i = 0; dx && i < ref_inputs(c); i++)
        dx[i] = ref_conv_data_at(c, dy, w, i);
    for (size_t i = 0; i < ref_weights(c); i++)
        dw[i] = ref_conv_weights_at(c, x, dy, i);
    for (size_t i = 0; db && i < (size_t)c->oc; i++)
        db[i] = ref_conv_bias_at(c, dy, i);
}

/* ----------------------------------------------------------------- linear */

void ref_linear(int n, int in, int out, const double *x, const double *w,
                const double *b, double *y)
{
    for (int k = 0; k < n; k++)
        for (int o = 0; o < out; o++) {
            double sum = b[o];

            for (int i = 0; i < in; i++)
                sum += w[o * in + i] * x[k * in + i];
            y[k * out + o] = sum;
        }
}

void ref_linear_backward(int n, int in, int out, const double *x,
                         const double *w, const double *dy, double *dx,
                         double *dw, double *db)
{
    memset(dx, 0, (size_t)n * (size_t)in * sizeof(*dx));
    memset(dw, 0, (size_t)out * (size_t)in * sizeof(*dw));
    memset(db, 0, (size_t)out * sizeof(*db));
    for (int k = 0; k < n; k++)
        for (int o = 0; o < out; o++) {
            double g = dy[k * out + o];

            db[o] += g;
            for (int i = 0; i < in; i++) {
                dx[k * in + i] += g * w[o * in + i];
                dw[o * in + i] += g * x[k * in + i];
            }
        }
}

/* ------------------------------------------------------------- batch norm */

/** Sum over channel c of f and f (x - about), f NULL meaning x itself and
 *  its square. */
struct sums {
    double a, b;
};

static struct sums channel_sums(const struct ref_batch_norm *bn,
                                const double *x, const double *f, double about,
                                size_t c)
{
    struct sums s = {0, 0};

    for (size_t n = 0; n < bn->n; n++)
        for (size_t k = 0; k < bn->hw; k++) {
            size_t i = (n * bn->c + c) * bn->hw + k;
            double v = x[i] - about, g = f ? f[i] : v;

            s.a += g;
            s.b += g * v;
        }
    return s;
}

void ref_bn_statistics(const struct ref_batch_norm *bn, const double *x,
                       double *mean, double *var)
{
    double m = (double)bn->n * (double)bn->hw;

    for (size_t c = 0; c < bn->c; c++) {
        mean[c] = channel_sums(bn, x, NULL, 0, c).a / m;
        var[c] = channel_sums(bn, x, NULL, mean[c], c).b / m;
    }
}

void ref_bn_apply(const struct ref_batch_norm *bn, const double *x,
                  const double *weight, const double *bias, const double *mean,
                  const double *var, double *y)
{
    for (size_t i = 0; i < bn->n * bn->c * bn->hw; i++) {
        size_t c = i / bn->hw % bn->c;

        y[i] = (x[i] - mean[c]) / sqrt(var[c] + bn->eps) * weight[c] + bias[c];
    }
}

void ref_bn_backward(const struct ref_batch_norm *bn, const double *x,
                     const double *weight, const double *mean,
                     const double *var, const double *dy, double *dx,
                     double *dweight, double *dbias)
{
    double m = (double)bn->n * (double)bn->hw;

    for (size_t c = 0; c < bn->c; c++) {
        struct sums s = channel_sums(bn, x, dy, mean[c], c);

        dbias[c] = s.a;
        dweight[c] = s.b / sqrt(var[c] + bn->eps);
    }
    for (size_t i = 0; i < bn->n * bn->c * bn->hw; i++) {
        size_t c = i / bn->hw % bn->c;
        double inv = 1 / sqrt(var[c] + bn->eps);
        double xhat = (x[i] - mean[c]) * inv;

        dx[i] =
            weight[c] * inv * (dy[i] - dbias[c] / m - xhat * dweight[c] / m);
    }
}

void ref_bn_running(const struct ref_batch_norm *bn, double momentum,
                    const double *mean, const double *var, double *running_mean,
                    double *running_var)
{
    double m = (double)bn->n * (double)bn->hw;
    double unbias = m > 1 ? m / (m - 1) : 1;

    for (size_t c = 0; c < bn->c; c++) {
        running_mean[c] += momentum * (mean[c] - running_mean[c]);
        running_var[c] += momentum * (var[c] * unbias - running_var[c]);
    }
}

/* ------------------------------------------------------------ elementwise */

void ref_relu(size_t count, const double *x, double *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = x[i] > 0 ? x[i] : 0;
}

void ref_relu_backward(size_t count, const double *x, const double *dy,
                       double *dx)
{
    for (size_t i = 0; i < count; i++)
        dx[i] = x[i] > 0 ? dy[i] : 0;
}

void ref_add(size_t count, const double *a, const double *b, double *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = a[i] + b[i];
}

/* ------------------------------------------------------------------ pools */

void ref_max_pool(const struct ref_window *c, const double *x, double *y,
                  size_t *where)
{
    for (size_t i = 0; i < ref_outputs(c); i++) {
        struct place o = place_of(i, c->oc, c->oh, c->ow);

        y[i] = -HUGE_VAL;
        for (int k = 0; k < c->kh * c->kw; k++) {
            int iy = o.y * c->stride - c->pad + k / c->kw;
            int ix = o.x * c->stride - c->pad + k % c->kw;

            if (iy < 0 || iy >= c->ih || ix < 0 || ix >= c->iw)
                continue;
            size_t at = index_of(o.n, o.c, iy, ix, c->ic, c->ih, c->iw);
            if (x[at] > y[i]) {
                y[i] = x[at];
                where[i] = at;
            }
        }
    }
}

void ref_max_pool_backward(const struct ref_window *c, const double *dy,
                           const size_t *where, double *dx)
{
    memset(dx, 0, ref_inputs(c) * sizeof(*dx));
    for (size_t i = 0; i < ref_outputs(c); i++)
        dx[where[i]] += dy[i];
}

void ref_average(size_t planes, size_t hw, const double *x, double *y)
{
    for (size_t p = 0; p < planes; p++) {
        double sum = 0;

        for (size_t k = 0; k < hw; k++)
            sum += x[p * hw + k];
        y[p] = sum / (double)hw;
    }
}

void ref_average_backward(size_t planes, size_t hw, const double *dy,
                          double *dx)
{
    for (size_t i = 0; i < planes * hw; i++)
        dx[i] = dy[i / hw] / (double)hw;
}

/* --------------------------------------------------------------- option A */

void ref_subsample_pad(const struct ref_window *c, int before, const double *x,
                       double *y)
{
    for (size_t i = 0; i < ref_outputs(c); i++) {
        struct place o = place_of(i, c->oc, c->oh, c->ow);
        int channel = o.c - before;

        y[i] =
            channel >= 0 && channel < c->ic
                ? input_at(c, x, o.n, channel, o.y * c->stride, o.x * c->stride)
                : 0;
    }
}

void ref_subsample_pad_backward(const struct ref_window *c, int before,
                                const double *dy, double *dx)
{
    memset(dx, 0, ref_inputs(c) * sizeof(*dx));
    for (size_t i = 0; i < ref_outputs(c); i++) {
        struct place o = place_of(i, c->oc, c->oh, c->ow);
        int channel = o.c - before;

        if (channel >= 0 && channel < c->ic)
            dx[index_of(o.n, channel, o.y * c->stride, o.x * c->stride, c->ic,
                        c->ih, c->iw)] += dy[i];
    }
}

/* ------------------------------------------------------------------- loss */

double ref_loss(int n, int classes, const double *logits, const int32_t *labels,
                double smoothing, double *diff)
{
    double loss = 0;

    for (int k = 0; k < n; k++) {
        const double *row = logits + k * classes;
        double top = row[0], sum = 0;

        for (int i = 0; i < classes; i++)
            top = fmax(top, row[i]);
        for (int i = 0; i < classes; i++)
            sum += exp(row[i] - top);
        for (int i = 0; i < classes; i++) {
            double target = smoothing / classes;

            if (i == labels[k])
                target += 1 - smoothing;
            loss -= target * (row[i] - top - log(sum));
            diff[k * classes + i] = (exp(row[i] - top) / sum - target) / n;
        }
    }
    return loss;
}
