/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet data: what a data set holds, and what is wrong with it. */
#include "cli.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"
#include "sheet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS 3

struct options {
    const char *output, *part;
    struct sheet sheet;
    int augmented, json;
    struct rn_survey_options survey;
    struct rn_train_options train;
};

#define AT(field) offsetof(struct options, field)

/* clang-format off */
static const struct rn_option options_table[] = {
    {"output", .type = RN_OPTION_TEXT, .offset = AT(output),
     .value = "FILE.png", .help = "show: write to FILE.png"},
    {"part", .type = RN_OPTION_WORD, .offset = AT(part),
     .words = "train|validation|test", .unset = "the first there is",
     .help = "show: draw images of this part"},
    {"count", .type = RN_OPTION_INT, .offset = AT(sheet.count), .min = 1,
     .max = 10000, .value = "N", .help = "show: draw N images, evenly chosen"},
    {"columns", .type = RN_OPTION_INT, .offset = AT(sheet.columns), .min = 1,
     .max = 100, .value = "N", .help = "show: draw N images beside each other"},
    {"size", .type = RN_OPTION_INT, .offset = AT(sheet.size), .min = 8,
     .max = 512, .value = "N",
     .help = "show: make an image's longer side N pixels"},
    {"augmented", .type = RN_OPTION_FLAG, .offset = AT(augmented),
     .help = "show: draw training images as training shows them to the "
             "network"},
    {"seed", .type = RN_OPTION_SEED, .offset = AT(train.seed), .value = "N",
     .help = "show: make the random choices of --augmented from N"},
    {"json", .type = RN_OPTION_FLAG, .offset = AT(json),
     .help = "check, stats: print one JSON object"},
};
/* clang-format on */

/* Its title is what options_given_any() knows it by. */
#define AUGMENTATION "augmentation, of show --augmented"

static const struct option_group groups[] = {
    {"options", .own = options_table, .count = COUNT(options_table)},
    {"options", .library = rn_survey_option, .base = AT(survey)},
    {AUGMENTATION, .library = rn_train_option, .only = "augmentation",
     .base = AT(train)},
};

static void defaults(void *options)
{
    struct options *o = options;

    rn_train_defaults(&o->train);
    o->sheet = (struct sheet){.count = 64, .columns = 8, .size = 112};
}

/** An open data set, each image looked at. */
struct subject {
    const char *spec;
    struct rn_data *data;
    struct rn_data_info info;
    struct rn_survey *survey;
};

/* ---------------------------------------------------------------- naming */

static const char *class_name(const struct subject *s, int i, struct text *buf)
{
    const char *name = rn_data_class_name(s->data, i);

    if (!name)
        name = rn_data_class_id(s->data, i);
    if (name)
        return name;
    snprintf(buf->at, sizeof(buf->at), "%d", i);
    return buf->at;
}

static const char *image_name(const struct subject *s, enum rn_part part,
                              int index, struct text *buf)
{
    const char *file = rn_data_file(s->data, part, index);

    if (file)
        return file;
    snprintf(buf->at, sizeof(buf->at), "%s:%d", rn_part_name(part), index);
    return buf->at;
}

static int label_of(const struct subject *s, enum rn_part part, int index)
{
    int label = -1;

    rn_data_image(s->data, part, index, NULL, &label, NULL);
    return label;
}

static void print_heading(const struct subject *s)
{
    struct text a, b, c, d;

    printf("%s (%s), %s classes: %s training, %s validation, %s test images\n",
           s->spec, s->info.format, text_count(&a, (uint64_t)s->info.classes),
           text_count(&b, (uint64_t)s->info.count[RN_PART_TRAIN]),
           text_count(&c, (uint64_t)s->info.count[RN_PART_VALIDATION]),
           text_count(&d, (uint64_t)s->info.count[RN_PART_TEST]));
    if (s->info.several)
        puts("images have any number of classes");
}

static json_t *json_heading(const struct subject *s)
{
    json_t *object = json_new(), *images = json_new();

    for (int p = 0; p < PARTS; p++)
        json_put(images, rn_part_name((enum rn_part)p),
                 json_count((uint64_t)s->info.count[p]));
    json_put(object, "data", json_text(s->spec));
    json_put(object, "format", json_text(s->info.format));
    json_put(object, "classes", json_count((uint64_t)s->info.classes));
    if (s->info.several)
        json_put(object, "several_classes", json_boolean(1));
    json_put(object, "images", images);
    return object;
}

/* An image's classes, *n of them; free() releases them. */
static int *classes_of(const struct subject *s, enum rn_part part, int index,
                       int *n)
{
    int *classes;

    *n = rn_data_classes(s->data, part, index, NULL, 0);
    classes = calloc((size_t)*n + 1, sizeof(int));
    if (classes)
        rn_data_classes(s->data, part, index, classes, *n);
    else
        *n = 0;
    return classes;
}

static int has_class(const int *classes, int n, int class)
{
    while (n > 0 && classes[n - 1] != class)
        n--;
    return n > 0;
}

/* Whether two images are of the same classes, in whatever order. */
static int same_classes(const struct subject *s, enum rn_part part, int index,
                        const struct rn_surveyed *image)
{
    int n, m;
    int *a = classes_of(s, part, index, &n);
    int *b = classes_of(s, image->twin_part, image->twin_index, &m);
    int same = n == m;

    for (int i = 0; i < n && same; i++)
        same = has_class(b, m, a[i]);
    free(a);
    free(b);
    return same;
}

/* Images of each class and part, [classes][PARTS], or NULL. */
static int *count_classes(const struct subject *s)
{
    int *counts = calloc((size_t)s->info.classes * PARTS, sizeof(int));

    for (int p = 0; counts && p < PARTS; p++)
        for (int i = 0; i < s->info.count[p]; i++) {
            int n, *classes = classes_of(s, (enum rn_part)p, i, &n);

            for (int k = 0; k < n; k++)
                counts[classes[k] * PARTS + p]++;
            free(classes);
        }
    return counts;
}

/* ----------------------------------------------------------------- check */

/** What check found: problems, told as they come, and counts of kinds. */
struct findings {
    const struct subject *subject;
    json_t *list; /* or NULL: as text */
    int problems;
    struct {
        const char *format;
        int images;
    } formats[10];
    int kinds[7], turned;
};

static const char *const kind_names[] = {
    "grey",        "CMYK",        "palette",    "16 bits",
    "transparent", "progressive", "multi-frame"};

/* Problems as lines and as objects. Keys and texts are those of the kind. */
static void report(struct findings *f, const char *kind, const char *line,
                   json_t *object)
{
    f->problems++;
    if (f->list) {
        json_put(object, "kind", json_text(kind));
        json_add(f->list, object);
    } else {
        printf("%-14s %s\n", kind, line);
        json_decref(object);
    }
}

static void report_unreadable(struct findings *f, const char *name,
                              const char *error)
{
    json_t *object = json_new();

    json_put(object, "file", json_text(name));
    json_put(object, "error", json_text(error));
    report(f, "unreadable", error, object);
}

static void report_twin(struct findings *f, enum rn_part part, int index,
                        const struct rn_surveyed *image)
{
    const struct subject *s = f->subject;
    int label = label_of(s, part, index);
    int other = label_of(s, image->twin_part, image->twin_index);
    int same = same_classes(s, part, index, image);
    int named = !same && label >= 0 && other >= 0;
    struct text a, b, c, d;
    const char *name = image_name(s, part, index, &a);
    const char *twin = image_name(s, image->twin_part, image->twin_index, &b);
    json_t *object = json_new();
    char line[1200];

    snprintf(line, sizeof(line), "%.400s is %.400s%s%s%s%.100s%s%.100s", name,
             twin, part == image->twin_part ? "" : ", in two parts",
             same ? "" : ", in two classes", named ? ": " : "",
             named ? class_name(s, label, &c) : "", named ? " and " : "",
             named ? class_name(s, other, &d) : "");
    json_put(object, "file", json_text(name));
    json_put(object, "same_as", json_text(twin));
    json_put(object, "two_parts", json_boolean(part != image->twin_part));
    json_put(object, "two_classes", json_boolean(!same));
    report(f, "duplicate", line, object);
}

static void count_kind(struct findings *f, const struct rn_surveyed *image)
{
    static const char *const names[COUNT(f->formats)] = {
        "JPEG", "PNG",  "WebP", "BMP",  "PNM",
        "GIF",  "TIFF", "HEIC", "AVIF", "JPEG XL"};

    for (size_t i = 0; image->format && i < COUNT(names); i++)
        if (strcmp(image->format, names[i]) == 0) {
            f->formats[i].format = names[i];
            f->formats[i].images++;
        }
    for (size_t i = 0; i < COUNT(kind_names); i++)
        f->kinds[i] += (image->flags >> i) & 1;
    f->turned += image->orientation > 1;
}

static void check_image(struct findings *f, enum rn_part part, int index)
{
    struct rn_surveyed image;
    struct text name;

    rn_survey_image(f->subject->survey, part, index, &image);
    if (image.error)
        report_unreadable(f, image_name(f->subject, part, index, &name),
                          image.error);
    else
        count_kind(f, &image);
    if (image.twin)
        report_twin(f, part, index, &image);
}

/* A class that has images in one part and none in another. */
static void check_class(struct findings *f, const int *counts, int class)
{
    const struct subject *s = f->subject;
    int images = 0;

    for (int p = 0; p < PARTS; p++)
        images += counts[class * PARTS + p];
    for (int p = 0; images && p < PARTS; p++) {
        const char *part = rn_part_name((enum rn_part)p);
        struct text buf;
        const char *name = class_name(s, class, &buf);
        json_t *object;
        char line[400];

        if (!s->info.count[p] || counts[class * PARTS + p])
            continue;
        snprintf(line, sizeof(line), "'%.300s' has no image in the %s part",
                 name, part);
        object = json_new();
        json_put(object, "class", json_text(name));
        json_put(object, "part", json_text(part));
        report(f, "missing class", line, object);
    }
}

/* What is to be said though it is no problem. */
static void print_notes(const struct subject *s)
{
    const char *remark;

    for (size_t i = 0; (remark = rn_data_remark(s->data, i)); i++)
        printf("%-14s %s\n", "note", remark);
}

static json_t *json_notes(const struct subject *s)
{
    json_t *list = json_list();
    const char *remark;

    for (size_t i = 0; (remark = rn_data_remark(s->data, i)); i++)
        json_add(list, json_text(remark));
    return list;
}

/* Of one class nothing can be learnt. */
static void check_count(struct findings *f)
{
    const struct subject *s = f->subject;
    struct text buf;
    json_t *object;
    char line[400];

    if (s->info.classes != 1)
        return;
    snprintf(line, sizeof(line), "'%.300s', and no other",
             class_name(s, 0, &buf));
    object = json_new();
    json_put(object, "class", json_text(class_name(s, 0, &buf)));
    report(f, "one class", line, object);
}

static void print_kinds(const struct findings *f)
{
    const char *joint = "";

    for (size_t i = 0; i < COUNT(f->formats); i++)
        if (f->formats[i].images) {
            printf("%s%d %s", joint, f->formats[i].images,
                   f->formats[i].format);
            joint = ", ";
        }
    for (size_t i = 0; i < COUNT(kind_names); i++)
        if (f->kinds[i])
            printf("; %d %s", f->kinds[i], kind_names[i]);
    if (f->turned)
        printf("; %d turned by EXIF or XMP", f->turned);
    if (*joint)
        putchar('\n');
}

static void put_kinds(const struct findings *f, json_t *object)
{
    json_t *formats = json_new(), *kinds = json_new();

    for (size_t i = 0; i < COUNT(f->formats); i++)
        if (f->formats[i].images)
            json_put(formats, f->formats[i].format,
                     json_count((uint64_t)f->formats[i].images));
    for (size_t i = 0; i < COUNT(kind_names); i++)
        json_put(kinds, kind_names[i], json_count((uint64_t)f->kinds[i]));
    json_put(kinds, "turned", json_count((uint64_t)f->turned));
    json_put(object, "formats", formats);
    json_put(object, "kinds", kinds);
}

static int check(const struct subject *s, const struct options *o)
{
    struct findings f = {.subject = s, .list = o->json ? json_list() : NULL};
    int *counts = count_classes(s);
    json_t *object;

    if (!counts) {
        say_error("out of memory");
        json_decref(f.list);
        return EXIT_FAILED;
    }
    if (!o->json) {
        print_heading(s);
        print_notes(s);
    }
    check_count(&f);
    for (int p = 0; p < PARTS; p++)
        for (int i = 0; i < s->info.count[p]; i++)
            check_image(&f, (enum rn_part)p, i);
    for (int i = 0; i < s->info.classes; i++)
        check_class(&f, counts, i);
    free(counts);
    if (o->json) {
        object = json_heading(s);
        put_kinds(&f, object);
        json_put(object, "notes", json_notes(s));
        json_put(object, "problems", f.list);
        json_line(object);
    } else {
        print_kinds(&f);
        printf("%d problem%s\n", f.problems, f.problems == 1 ? "" : "s");
    }
    return f.problems ? EXIT_FAILED : EXIT_DONE;
}

/* ----------------------------------------------------------------- stats */

/** Sizes of all images that can be decoded. */
struct sizes {
    int *width, *height; /* [count], sorted */
    int count, bad;
};

static int ascending(const void *a, const void *b)
{
    const int *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int collect_sizes(const struct subject *s, struct sizes *sizes)
{
    size_t all = 1;

    for (int p = 0; p < PARTS; p++)
        all += (size_t)s->info.count[p];
    *sizes = (struct sizes){.width = calloc(all, sizeof(int)),
                            .height = calloc(all, sizeof(int))};
    if (!sizes->width || !sizes->height)
        return -1;
    for (int p = 0; p < PARTS; p++)
        for (int i = 0; i < s->info.count[p]; i++) {
            struct rn_surveyed image;

            rn_survey_image(s->survey, (enum rn_part)p, i, &image);
            sizes->bad += image.error != NULL;
            if (image.error)
                continue;
            sizes->width[sizes->count] = image.width;
            sizes->height[sizes->count++] = image.height;
        }
    qsort(sizes->width, (size_t)sizes->count, sizeof(int), ascending);
    qsort(sizes->height, (size_t)sizes->count, sizeof(int), ascending);
    return 0;
}

/* The part that mean and std are of. */
static enum rn_part first_part(const struct subject *s)
{
    int p = 0;

    while (p < PARTS - 1 && !s->info.count[p])
        p++;
    return (enum rn_part)p;
}

static void print_counts(const struct subject *s, const int *counts)
{
    static const char *const headings[] = {"class", "name",       "training",
                                           "share", "validation", "test"};
    struct table *table = table_new(COUNT(headings), headings, "rlrrrr");
    int train = s->info.count[RN_PART_TRAIN];

    for (int i = 0; i < s->info.classes; i++) {
        const int *n = counts + i * PARTS;
        struct text buf;

        if (!n[0] && !n[1] && !n[2])
            continue;
        table_cell(table, "%d", i);
        table_cell(table, "%s", class_name(s, i, &buf));
        table_cell(table, "%d", n[RN_PART_TRAIN]);
        if (train)
            table_cell(table, "%.1f %%", 100.0 * n[RN_PART_TRAIN] / train);
        else
            table_cell(table, "-");
        table_cell(table, "%d", n[RN_PART_VALIDATION]);
        table_cell(table, "%d", n[RN_PART_TEST]);
    }
    table_print(table);
}

static void print_side(const char *name, const int *sorted, int count)
{
    if (count)
        printf("%-7s %d to %d pixels, median %d\n", name, sorted[0],
               sorted[count - 1], sorted[count / 2]);
}

static void print_channels(const char *name, const double *values, int count)
{
    printf("%-7s", name);
    for (int i = 0; i < count; i++)
        printf(" %.4f", values[i]);
}

/* Channels that rn_survey_stats() knows. */
static int channels(const struct subject *s)
{
    return s->info.height ? s->info.channels : 3;
}

/* Mean and standard deviation of all channels, the latter behind the former;
 * NULL for want of memory. */
static double *channel_stats(const struct subject *s)
{
    double *both = calloc((size_t)channels(s), 2 * sizeof(*both));

    if (both)
        rn_survey_stats(s->survey, first_part(s), both, both + channels(s));
    return both;
}

static void print_stats(const struct subject *s, const int *counts,
                        const struct sizes *sizes, const double *mean)
{
    print_heading(s);
    print_counts(s, counts);
    print_side("width", sizes->width, sizes->count);
    print_side("height", sizes->height, sizes->count);
    print_channels("mean", mean, channels(s));
    printf("  (%s part, pixels from 0 to 1, each image alike)\n",
           rn_part_name(first_part(s)));
    print_channels("std", mean + channels(s), channels(s));
    putchar('\n');
}

static json_t *json_numbers(const double *values, int count)
{
    json_t *list = json_list();

    for (int i = 0; i < count; i++)
        json_add(list, json_double(values[i]));
    return list;
}

static json_t *json_side(const int *sorted, int count)
{
    json_t *object = json_new();

    if (!count)
        return object;
    json_put(object, "min", json_count((uint64_t)sorted[0]));
    json_put(object, "median", json_count((uint64_t)sorted[count / 2]));
    json_put(object, "max", json_count((uint64_t)sorted[count - 1]));
    return object;
}

static json_t *json_counts(const struct subject *s, const int *counts)
{
    json_t *list = json_list();

    for (int i = 0; i < s->info.classes; i++) {
        json_t *class = json_new();

        json_put(class, "index", json_count((uint64_t)i));
        json_put(class, "id", json_text(rn_data_class_id(s->data, i)));
        json_put(class, "name", json_text(rn_data_class_name(s->data, i)));
        for (int p = 0; p < PARTS; p++)
            json_put(class, rn_part_name((enum rn_part)p),
                     json_count((uint64_t)counts[i * PARTS + p]));
        json_add(list, class);
    }
    return list;
}

static void print_stats_json(const struct subject *s, const int *counts,
                             const struct sizes *sizes, const double *mean)
{
    json_t *object = json_heading(s);

    json_put(object, "counts", json_counts(s, counts));
    json_put(object, "width", json_side(sizes->width, sizes->count));
    json_put(object, "height", json_side(sizes->height, sizes->count));
    json_put(object, "part", json_text(rn_part_name(first_part(s))));
    json_put(object, "mean", json_numbers(mean, channels(s)));
    json_put(object, "std", json_numbers(mean + channels(s), channels(s)));
    json_put(object, "unreadable", json_count((uint64_t)sizes->bad));
    json_line(object);
}

static int stats(const struct subject *s, const struct options *o)
{
    struct sizes sizes;
    int rc = collect_sizes(s, &sizes);
    int *counts = count_classes(s);
    double *mean = channel_stats(s);

    if (!counts || !mean)
        rc = -1;
    if (rc)
        say_error("out of memory");
    else if (o->json)
        print_stats_json(s, counts, &sizes, mean);
    else
        print_stats(s, counts, &sizes, mean);
    free(mean);
    free(counts);
    free(sizes.width);
    free(sizes.height);
    if (rc)
        return EXIT_FAILED;
    if (sizes.bad)
        say_error("%d image%s cannot be decoded and %s left out; 'resnet data "
                  "check' names them",
                  sizes.bad, sizes.bad == 1 ? "" : "s",
                  sizes.bad == 1 ? "is" : "are");
    return sizes.bad ? EXIT_BAD_DATA : EXIT_DONE;
}

/* ------------------------------------------------------------------ show */

static int show(const struct subject *s, const struct options *o)
{
    int part = o->part ? word_index("train|validation|test", o->part)
                       : (int)first_part(s);
    struct rn_image sheet;
    struct rn_error err = {0};
    int rc;

    if (o->augmented && part != RN_PART_TRAIN) {
        say_error("--augmented shows training images, not the %s part",
                  rn_part_name((enum rn_part)part));
        return EXIT_USAGE;
    }
    if (!s->info.count[part]) {
        say_error("'%s' has no %s images", s->spec,
                  rn_part_name((enum rn_part)part));
        return EXIT_USAGE;
    }
    if (o->augmented)
        rc = sheet_preview(s->data, &o->train, &o->sheet, &sheet, &err);
    else
        rc = sheet_draw(s->data, (enum rn_part)part, &o->sheet, &sheet, &err);
    if (rc)
        return cli_fail(&err);
    rc = rn_image_save(&sheet, o->output, &err);
    rn_image_free(&sheet);
    return rc ? cli_fail(&err) : EXIT_DONE;
}

/* ---------------------------------------------------------- the command */

static const struct action {
    const char *name;
    int (*run)(const struct subject *s, const struct options *o);
    int surveys; /* looks at every image */
} actions[] = {{"check", check, 1}, {"stats", stats, 1}, {"show", show, 0}};

static const struct action *find_action(const char *name)
{
    for (size_t i = 0; i < COUNT(actions); i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    say_error("'%s' is not check, stats or show", name);
    return NULL;
}

static int on_progress(void *user, int done, int images)
{
    char line[64];

    (void)user;
    if (interrupt_signal())
        return 1;
    if (progress_due()) {
        snprintf(line, sizeof(line), "%d/%d images", done, images);
        progress_draw((double)done / images, line);
    }
    return 0;
}

static int open_subject(struct subject *s, const struct options *o,
                        const struct action *action, struct rn_error *err)
{
    const struct rn_survey_options survey = {.struct_size = sizeof(survey),
                                             .threads = o->survey.threads,
                                             .progress = on_progress};
    int rc = rn_data_open(&s->data, s->spec, NULL, err);

    if (rc)
        return rc;
    rn_data_describe(s->data, &s->info);
    if (!action->surveys)
        return RN_OK;
    interrupt_catch();
    rc = rn_data_survey(&s->survey, s->data, &survey, err);
    progress_clear();
    return rc;
}

/* Options of those that look at every image; show has the others. */
#define OF_SURVEYS "json|threads"

/* Each has options of its own, and some that it cannot do without. */
static int check_options(const struct command *command, const struct options *o,
                         const struct args *args, const struct action *action)
{
    struct option other;

    if ((action->surveys ? options_given_beside
                         : options_given_of)(command, args, OF_SURVEYS, &other))
        say_error("--%s is for %s, not for %s", other.name,
                  action->surveys ? "show" : "check and stats", action->name);
    else if (!action->surveys && !o->output)
        say_error("--output is missing: the PNG file to write");
    else if (output_ending("output", o->output, ".png"))
        return EXIT_USAGE;
    else if (!o->augmented && options_given(command, args, "seed"))
        say_error("--seed makes the random choices of --augmented, which is "
                  "not given");
    else
        return 0;
    return EXIT_USAGE;
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    struct options *o = options;
    const struct action *action = find_action(args->operand[0]);
    struct subject s = {.spec = args->operand[1]};
    struct rn_error err = {0};
    int status;

    if (!action)
        return EXIT_USAGE;
    o->augmented |= options_given_any(command, args, AUGMENTATION);
    ask_for_zeroes(rn_train_option, &o->train);
    status = check_options(command, o, args, action);
    if (status)
        return status;
    status =
        open_subject(&s, o, action, &err) ? cli_fail(&err) : action->run(&s, o);
    if (action->run != check) /* which notes them */
        cli_remarks(s.data);
    rn_survey_destroy(s.survey);
    rn_data_close(s.data);
    return status;
}

const struct command command_data = {
    .name = "data",
    .synopsis = "check|stats|show DATA [option ...]",
    .summary =
        "What a data set holds: check names what is wrong with it, stats "
        "counts and measures, show draws a contact sheet.",
    .notes = "check names images that cannot be decoded, images that are there "
             "twice (within\nand across parts) and classes that a part lacks; "
             "the exit status is 1 when there\nare any. It counts grey, CMYK, "
             "turned and other odd pictures.\n",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct options),
    .min_args = 2,
    .max_args = 2,
    .missing = "check, stats or show, or DATA",
    .defaults = defaults,
    .run = run,
};
