/* SPDX-License-Identifier: BSD-2-Clause */
/* Many runs as one experiment: the file that names them, what their folders
 * hold, and the report. */
#ifndef RN_STUDY_STUDY_H
#define RN_STUDY_STUDY_H

#include "core/memory.h"
#include "core/plot.h"
#include "resnet.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

/* --------------------------------------------------------------- the file */

struct rn_setting {
    const char *option, *value;
};

struct rn_settings {
    struct rn_setting *at; /* the study's memory */
    size_t count, capacity;
};

struct rn_planned {
    const char *name;
    struct rn_settings settings;
};

struct rn_figure {
    const char *title;
    const char *const *patterns; /* of runs' names */
    size_t count;
    int line; /* of the file */
};

struct rn_study {
    const char *title, *recipe, *data; /* NULL where the file has none */
    struct rn_planned *runs;
    size_t count;
    struct rn_figure *figures;
    size_t n_figures;
    const char *text; /* the whole file */
    size_t size;
    struct rn_slab memory; /* of all of these */
};

/* ---------------------------------------------------------------- the runs */

/** A run folder, as far as it can be read. */
struct rn_found {
    char *name;                   /* of the folder, below the study's */
    json_t *options;              /* of run.json */
    const char *net;              /* borrowed of run.json, as what follows */
    const char *data;             /* checksum */
    const char *test_name;        /* "test" or "validation" */
    double params, macs, memory;  /* 0: not known */
    long images;                  /* of a step: a batch, or several */
    long iteration, iterations;   /* of the log's last line, of all */
    bool finished;                /* all, or as many as `patience` left */
    double train_error, loss;     /* of the log's last line; NaN: none yet */
    double test_error, test_loss; /* of the last test; NaN: none yet */
    double best_error;            /* of all tests */
    double seconds;               /* of training alone */
    struct rn_points train, test; /* error by iteration */
    json_t *records;              /* of layers, an array; NULL: none */
    json_t *text;                 /* run.json */
    dev_t device;                 /* of the folder, with its inode: which */
    ino_t inode;
};

struct rn_runs {
    struct rn_found *at;
    size_t count, capacity;
};

/** Runs of one kind: the same options but for the seed. */
struct rn_group {
    char label[240];
    size_t *members; /* indices of rn_runs, in the order of their seeds */
    size_t count;
};

struct rn_groups {
    struct rn_group *at;
    size_t count;
};

/** Whether a member, by its place in the group, stands for its seed: of several
 *  runs of a seed, which are the same run again, the first finished one does.
 */
bool rn_group_counts(const struct rn_runs *runs, const struct rn_group *group,
                     size_t member);

/** How many members have this one's seed. */
size_t rn_group_again(const struct rn_runs *runs, const struct rn_group *group,
                      size_t member);

/** Mean, standard deviation (NaN of fewer than two) and least of the group's
 *  finished runs, one of each seed; `count` of them. */
struct rn_statistic {
    double mean, deviation, least;
    size_t count;
};

/** All runs below a folder, by name. What cannot be read is told through
 *  `message` and left out. */
int rn_runs_find(struct rn_runs *runs, const char *folder,
                 void (*message)(void *user, const char *text), void *user,
                 struct rn_error *err);
void rn_runs_free(struct rn_runs *runs);

int rn_groups_make(struct rn_groups *groups, const struct rn_runs *runs,
                   struct rn_error *err);
/** Which images the errors of a group's runs are of. */
const char *rn_group_part(const struct rn_runs *runs,
                          const struct rn_group *group);
void rn_groups_free(struct rn_groups *groups);

/** Of a member of struct rn_found that is a double, by its offset. */
struct rn_statistic rn_group_statistic(const struct rn_runs *runs,
                                       const struct rn_group *group,
                                       size_t offset);

/* -------------------------------------------------------------- the report */

struct rn_report_input {
    const char *title;
    const struct rn_study *study; /* NULL: a folder without a file */
    const struct rn_runs *runs;
    const struct rn_groups *groups;
};

/** The figures of a report: the study's, or one of all runs. */
const struct rn_figure *rn_report_figures(const struct rn_report_input *in,
                                          size_t *count);
/** Whether a run's curves stand in a figure. */
bool rn_figure_shows_run(const struct rn_figure *figure,
                         const struct rn_found *run);
/** Whether those of any run of a group do. */
bool rn_figure_shows(const struct rn_figure *figure,
                     const struct rn_report_input *in, size_t group);
/** What its axis says: which images the errors are of. */
void rn_figure_axis(const struct rn_figure *figure,
                    const struct rn_report_input *in, char *text, size_t size);

/** Whether it shows any; a study that has only begun may not. */
bool rn_figure_shows_any(const struct rn_figure *figure,
                         const struct rn_report_input *in);

/** "test" or "validation", which the errors of all runs are of; NULL: of some
 *  the one, of some the other. */
const char *rn_report_part(const struct rn_report_input *in);

/** A column of the tables of groups, for a page and for Markdown alike. */
struct rn_column {
    const char *title;
    bool of_part; /* the title begins with rn_report_part() */
    bool (*wanted)(const struct rn_report_input *in); /* NULL: always */
    /** The cell's text; "": there is nothing to say. */
    void (*cell)(const struct rn_report_input *in, const struct rn_group *group,
                 char *text, size_t size);
};
/** Room for a cell's text, or a title. */
#define RN_CELL 200
/** The i-th column behind the group's name; NULL past the last. */
const struct rn_column *rn_report_column(const struct rn_report_input *in,
                                         size_t i);
/** Its title: "validation error". */
void rn_column_title(const struct rn_column *column,
                     const struct rn_report_input *in, char *text, size_t size);
/** What they mean. */
void rn_report_note(FILE *out, const struct rn_report_input *in);

/* Each writes to a stream in memory, whose errors the caller looks at. */
void rn_report_csv(FILE *out, const struct rn_report_input *in);
void rn_report_markdown(FILE *out, const struct rn_report_input *in);
void rn_report_html(FILE *out, const struct rn_report_input *in);
/** Records of layers, a row for each layer and record. */
void rn_report_layers_csv(FILE *out, const struct rn_report_input *in);
/** Pictures of them, each with a heading. */
void rn_report_layers(FILE *out, const struct rn_report_input *in);
/** Whether any run has records. */
bool rn_report_has_layers(const struct rn_report_input *in);
/** The figure as SVG. */
void rn_report_figure(FILE *out, const struct rn_report_input *in,
                      const struct rn_figure *figure);

/** The start of a page, up to its heading. */
void rn_report_page(FILE *out, const char *title);
/** The page's own style and script. */
extern const char rn_report_style[], rn_report_script[];

#endif
