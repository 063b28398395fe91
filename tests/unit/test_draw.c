/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures of networks from memory that runs out, and arguments that make no
 * sense; charts' axes. What is drawn tests/surface/drawings looks at. */
#include "core/file.h"
#include "core/memory.h"
#include "core/plot.h"
#include "draw/draw.h"
#include "model/model.h"
#include "resnet.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "folder.h"

static void keep(void *user, const char *text, size_t size)
{
    char **kept = user;

    assert_int_equal(strlen(text), size);
    assert_null(*kept);
    *kept = strdup(text);
}

static struct rn_model *make_model(const char *net)
{
    struct rn_error err = {0};
    struct rn_model *model;

    if (rn_model_create(&model, net, NULL, &err))
        fail_msg("%s", err.msg);
    return model;
}

/* Every allocation fails in turn; each time the message says so, and in the end
 * the picture is the one that it was with all of them. */
static void memory_runs_out(void **state)
{
    struct rn_model *model = make_model("densenet-bc-40-12");
    struct rn_error err = {0};
    char *whole = NULL, *text = NULL;
    int n = 1, rc;

    (void)state;
    assert_int_equal(
        rn_model_draw(model, RN_DRAWING_SVG, 0, NULL, keep, &whole, &err), 0);
    do {
        rn_alloc_fail_after(n++);
        rc = rn_model_draw(model, RN_DRAWING_SVG, 0, NULL, keep, &text, &err);
        rn_alloc_fail_after(-1);
        if (rc)
            assert_int_equal(rc, RN_ERR_MEMORY);
    } while (rc && n < 1000);
    assert_true(n > 10 && n < 1000);
    assert_string_equal(text, whole);
    free(text);
    free(whole);
    rn_model_destroy(model);
}

/* A convolution of dilation 2 is not one of none. */
static void dilation_is_told(void **state)
{
    struct rn_window window = RN_WINDOW(3, 3, 1, 2);
    struct rn_graph *g = rn_graph_create();
    struct rn_error err = {0};
    struct rn_net_spec spec;
    struct rn_model *model;
    char *text = NULL;

    (void)state;
    assert_non_null(g);
    window.dilate_h = window.dilate_w = 1;
    rn_graph_input(g, (struct rn_shape){3, 9, 9});
    rn_graph_conv(g, 0, "conv", 8, window, false);
    rn_graph_linear(g, rn_graph_global_avg_pool(g, g->output, "pool"), "fc", 2);
    rn_net_of_graph(&spec, "dilated", g);
    model = rn_model_wrap(&spec, g);
    assert_non_null(model);
    assert_int_equal(
        rn_model_draw(model, RN_DRAWING_DOT, 0, NULL, keep, &text, &err), 0);
    if (!strstr(text, "3×3 conv, 8, dilated 2×2"))
        fail_msg("no dilation in:\n%s", text);
    free(text);
    rn_model_destroy(model);
}

/* Names and lines of a legend have room. */
static void legends_have_room(void **state)
{
    static const struct {
        int line;
        const char *text;
        bool wider, higher;
    } cases[] = {
        {0, "resnet20, precision bf16", false, false},
        {0, "résnét20 résnét20 résnét20 rés", false, false},
        {0, "resnet20, optimizer lars, groups 8, of cifar-10-batches-bin", true,
         false},
        {19, "resnet20", false, false},
        {24, "resnet20", false, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct rn_plot before = rn_plot_frame(1000, 740);
        struct rn_plot plot = before;

        rn_plot_make_room(&plot, cases[i].line, cases[i].text);
        if ((plot.width > before.width) != cases[i].wider ||
            (plot.height > before.height) != cases[i].higher)
            fail_msg("line %d, '%s': %d x %d", cases[i].line, cases[i].text,
                     plot.width, plot.height);
    }
}

/* However many decades, numbers of a logarithmic axis are few, and apart. */
static void logarithmic_axes_have_room(void **state)
{
    static const double least[] = {1e-300, 1e-30, 1e-18, 1e-9, 1e-6,
                                   1e-3,   0.07,  1.5,   2.9};

    (void)state;
    for (size_t i = 0; i < sizeof(least) / sizeof(*least); i++) {
        struct rn_plot plot = rn_plot_frame(1000, 740);
        char *text = NULL, *at;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        double y, before = 1000;
        int numbers = 0;

        assert_non_null(out);
        rn_plot_scale(&plot, 100, 3, 3);
        rn_plot_log_y(&plot, least[i], 3);
        assert_true(plot.y_min <= least[i] && plot.y_max >= 3);
        rn_plot_axes(out, &plot, "x", "y");
        assert_int_equal(fclose(out), 0);
        at = strstr(text, "text-anchor=\"end\"");
        *strstr(at, "</g>") = '\0';
        for (; (at = strstr(at, "\" y=\"")); numbers++, before = y) {
            at += strlen("\" y=\"");
            y = strtod(at, NULL);
            if (before - y < 14)
                fail_msg("from %g: numbers at %g and %g", least[i], before, y);
        }
        assert_in_range(numbers, 2, 22);
        free(text);
    }
}

static void files_and_functions(void **state)
{
    struct rn_model *model = make_model("resnet8");
    struct rn_error err = {0};
    uint8_t *bytes = NULL;
    char *text = NULL;
    size_t size;

    (void)state;
    assert_int_equal(
        rn_model_draw(model, RN_DRAWING_DOT, 1, NULL, NULL, NULL, &err),
        RN_ERR_ARG);
    assert_int_equal(rn_model_draw(model, RN_DRAWING_DOT, 1, in_folder("a"),
                                   keep, &text, &err),
                     RN_ERR_ARG);
    assert_int_equal(rn_model_draw(model, (enum rn_drawing_kind)2, 1, NULL,
                                   keep, &text, &err),
                     RN_ERR_ARG);
    assert_int_equal(rn_model_draw(model, RN_DRAWING_SVG, 1,
                                   in_folder("none/a"), NULL, NULL, &err),
                     RN_ERR_IO);
    assert_null(text);
    assert_int_equal(
        rn_model_draw(model, RN_DRAWING_DOT, 1, NULL, keep, &text, &err), 0);
    assert_int_equal(rn_model_draw(model, RN_DRAWING_DOT, 1, in_folder("b"),
                                   NULL, NULL, &err),
                     0);
    assert_int_equal(rn_file_read(in_folder("b"), 1 << 20, &bytes, &size, &err),
                     0);
    assert_string_equal((char *)bytes, text);
    rn_free(bytes);
    free(text);
    rn_model_destroy(model);
}

/* x times its sigmoid is a part of x's box, but not where others read x. */
static void silu_is_two_strips(void **state)
{
    const struct rn_window window = RN_WINDOW(3, 3, 1, 1);

    (void)state;
    for (int read = 0; read < 2; read++) {
        struct rn_graph *g = rn_graph_create();
        struct rn_error err = {0};
        struct rn_drawing d;
        int x = rn_graph_input(g, (struct rn_shape){3, 8, 8}), y;

        x = rn_graph_conv(g, x, "conv", 4, window, false);
        y = rn_graph_multiply(g, rn_graph_sigmoid(g, x, "gate"), x, "times");
        if (read)
            y = rn_graph_add(g, y, x, "add");
        g->output = rn_graph_linear(g, y, "fc", 2);
        assert_int_equal(g->error.code, 0);
        assert_int_equal(rn_drawing_make(&d, g, true, &err), 0);
        assert_int_equal(d.count, read ? 6 : 3);
        assert_int_equal(rn_drawing_place(&d, &err), 0);
        rn_drawing_free(&d);
        rn_graph_destroy(g);
    }
}

static void same(double a, double b)
{
    if (fabs(a - b) > 1e-9 * fmax(fabs(a), 1))
        fail_msg("%g, expected %g", a, b);
}

static void axes_fit(void **state)
{
    struct rn_plot plot = {.left = 100, .right = 500, .top = 0, .bottom = 400};

    (void)state;
    rn_plot_log_y(&plot, 3, 40);
    same(plot.y_min, 2);
    same(plot.y_max, 50);
    rn_plot_log_y(&plot, 5, 5);
    same(plot.y_min, 5);
    same(plot.y_max, 10);
    rn_plot_log_y(&plot, 0.001, 1000);
    same(plot.y_min, 0.001);
    same(plot.y_max, 1000);
    same(rn_plot_y(&plot, 1), 200);
    rn_plot_doubling_x(&plot, 1, 16);
    same(rn_plot_x(&plot, 4), 300);
    rn_plot_doubling_x(&plot, 8, 8);
    same(rn_plot_x(&plot, 16), 500);
    plot.y_axis = RN_AXIS_LINEAR;
    rn_plot_between_y(&plot, 69, 78, 100);
    assert_true(plot.y_min > 60 && plot.y_min < 69);
    assert_true(plot.y_max > 78 && plot.y_max < 85);
    same(rn_plot_y(&plot, plot.y_min), 400);
    rn_plot_between_y(&plot, 99.9, 100, 100);
    same(plot.y_max, 100);
    rn_plot_between_y(&plot, 0, 0, 100);
    same(plot.y_min, 0);
}

/* A report without networks is none; one of a network that failed altogether is
 * a page that says so. */
static void reports_of_little(void **state)
{
    const struct rn_bench_net net = {
        .name = "a <b>", .accuracy = (double)NAN, .failure = "no \"file\""};
    struct rn_error err = {0};
    uint8_t *bytes = NULL;
    size_t size;

    (void)state;
    assert_int_equal(
        rn_bench_report(in_folder("r"), "t", "a", "e", &net, 0, &err),
        RN_ERR_ARG);
    assert_int_equal(
        rn_bench_report(in_folder("no/r"), "t", "a", "e", &net, 1, &err),
        RN_ERR_IO);
    assert_int_equal(
        rn_bench_report(in_folder("r"), "t", "a", "e", &net, 1, &err), 0);
    assert_int_equal(
        rn_file_read(in_folder("r/survey.html"), 1 << 20, &bytes, &size, &err),
        0);
    assert_non_null(strstr((char *)bytes, "a &#60;b&#62; failed: no "));
    assert_null(strstr((char *)bytes, "<svg"));
    rn_free(bytes);
    assert_int_equal(
        rn_file_read(in_folder("r/survey.csv"), 1 << 20, &bytes, &size, &err),
        0);
    assert_non_null(
        strstr((char *)bytes, "\na <b>,,,,,,,,,,,\"no \"\"file\"\"\"\n"));
    rn_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(dilation_is_told),
        cmocka_unit_test(legends_have_room),
        cmocka_unit_test(logarithmic_axes_have_room),
        cmocka_unit_test(files_and_functions),
        cmocka_unit_test(silu_is_two_strips),
        cmocka_unit_test(axes_fit),
        cmocka_unit_test(reports_of_little),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
