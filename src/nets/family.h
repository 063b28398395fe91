/* SPDX-License-Identifier: BSD-2-Clause */
/* What a family of networks fills in: one file of this folder, and a row in
 * families.def. Nothing else knows a family by its name. Every member is there:
 * what a family has nothing for is an empty list, or the function below that
 * does nothing. */
#ifndef RN_NETS_FAMILY_H
#define RN_NETS_FAMILY_H

#include "core/json.h"
#include "nets/nets.h"

/* ------------------------------------------------------------------ names */

/** A line of the list of networks. */
struct rn_net_listed {
    const char *name; /* "resnet{6n+2}" stands for many */
    const char *description;
    const char *example; /* one of them: "resnet20" */
};

#define RN_NET_LAYERS 99998 /* at most */

/** What a name begins with, before the number of layers. */
struct rn_net_word {
    const char *text;
    const char *usual;       /* what goes behind the number most often */
    bool (*has)(int layers); /* whether there is such a network; NULL: the word
                                is a whole name, without a number */
    int kind;                /* the family's own */
};

/** The word that a name begins with, followed by a number that it has; *tail is
 *  what follows that. NULL without one. */
const struct rn_net_word *rn_net_read_word(const struct rn_net_word *words,
                                           const char *name, int *layers,
                                           const char **tail);
/** A number of at most so many digits without zeros in front; what follows it,
 *  or NULL without one (or text). */
const char *rn_net_read_number(const char *text, size_t digits, int *out);
/** Refuse a choice of blocks and dropout. */
int rn_net_no_blocks(const struct rn_net_spec *spec,
                     const struct rn_net_options *options,
                     struct rn_error *err);
/** Refuse the options of residual networks for one that is none, too. */
int rn_net_no_options(struct rn_net_spec *spec,
                      const struct rn_net_options *options,
                      struct rn_error *err);

/** Networks without auxiliary heads. */
bool rn_net_no_aux(const struct rn_net_spec *spec);

/** torchvision's adaptive mean to so many pixels a side, before linear layers,
 *  where its windows are all of one size; fails into g->error elsewhere. */
int rn_net_fit_side(struct rn_graph *g, int x, int side);

/* ------------------------------------------------------------ description */

/** A member that the family has in the description of a network in model
 *  files, beside name, family, depth, input and classes. */
struct rn_net_attribute {
    const char *key;
    json_t *(*put)(const struct rn_net_spec *spec);
    /* Into the options that the name is resolved with; false when it is not
     * as expected. NULL: the name says it, and put() must give the same. */
    bool (*get)(const json_t *value, struct rn_net_options *options);
    const char *expected;
};

/* --------------------------------------------------- networks of others */

/** What tells which networks a graph of others may be. */
struct rn_net_outline {
    int convs, three;  /* convolutions in all, and those of 3x3 */
    int linears;       /* linear layers */
    int groups, width; /* of the first of 3x3, and channels */
    int last;          /* channels of the last of 3x3 */
};

/** Whether it is the network of that name and those options: true ends the
 *  search, for it is, or memory is short. */
typedef bool rn_net_try(void *user, const char *name, char shortcut,
                        int stride_v1);

/** People who publish weights under names of their own. */
struct rn_net_source {
    const char *name; /* "torchvision's", in messages */
    /* What a name in any file of theirs begins with, where only that tells
     * names of theirs from others'; or NULL. */
    const char *mark;
};
extern const struct rn_net_source rn_source_torchvision; /* names are ours */
extern const struct rn_net_source rn_source_structure;   /* of nobody known */

/** How names of tensors begin with them. In `from`, # is a number; in `to`, #
 *  is the next of those numbers, + the next one plus 1, - the next one less 1.
 */
struct rn_net_rule {
    const char *from, *to;
    const struct rn_net_source *source;
};

/** What tensors under these names do not tell, but people who use the names
 *  mean. */
struct rn_net_habit {
    const struct rn_net_source *source;
    char shortcut;          /* where shapes say 'A' */
    bool zeros;             /* only there */
    const char *preprocess; /* name of a preset, or NULL */
};

/** Values side by side that a parameter is for: `count` of `each` channels
 *  behind `first` others. */
struct rn_net_parts {
    int first, each, count;
};

/** Tensors of a file, under our names as far as rules give them. */
struct rn_net_tensors {
    const void *user;
    const struct rn_net_source *source; /* whose names they were */
    /* Sizes of the tensor of that name, and how many; -1 without one. */
    int (*dims)(const void *user, const char *name, uint64_t dim[4]);
    /* Whether there is one whose name begins so. */
    bool (*begins)(const void *user, const char *start);
    const char *path; /* of the file, for messages */
};

/** A network that tensors are of. */
struct rn_net_found {
    const struct rn_family *family;
    char net[32];  /* its name */
    char shortcut; /* 'A' (where the zeros go is not told), 'B', 'C'; or 0 */
    bool bottleneck;
    const char *block; /* as in rn_net_options; NULL: the name says it */
    bool small; /* begins as for small pictures, in a way of few sources */
    bool conv_head; /* the classifier is a 1x1 convolution, not a matrix */
    uint64_t channels;
    /* What people who use the names mean, unless the caller says otherwise. */
    bool stride_v1;
    const char *stem_pool; /* one of RN_STEM_POOL_WORDS; NULL: the usual one */
    /* The least side of the pictures that the last layer fits, 0 for any. */
    int pixels;
    /* More rules, for these tensors alone, or NULL. */
    const struct rn_net_rule *rules;
    /* Whether a parameter is for values that lie the other way round in the
     * file, the last part first; or NULL. */
    bool (*turned)(const struct rn_net_spec *spec, const char *param,
                   struct rn_net_parts *parts);
};

enum rn_net_claim {
    RN_CLAIM_NONE,    /* tensors of something else */
    RN_CLAIM_KIN,     /* of this kind, but no network of the family: err */
    RN_CLAIM_REFUSED, /* nearly one of the family: err */
    RN_CLAIM_FOUND,
};

/** What a caller has said of the network. */
struct rn_net_given {
    bool net, shortcut, stride, layers, size;
    int stem_stride;
    const char *stem_pool;
};
typedef void rn_net_say(void *user, const char *text);

/** Networks whose tensors tell all. */
void rn_net_sure(const struct rn_net_spec *spec,
                 const struct rn_net_found *found,
                 const struct rn_net_given *given, rn_net_say *say, void *user);

/* ------------------------------------------------------------------ start */

/** How weights begin (rn_model_init()). */
struct rn_net_start {
    double conv;   /* standard deviation of convolutions' weights; 0: by He et
                      al. 2015 */
    double linear; /* standard deviation of linear layers' weights; 0: uniform
                      within 1 / sqrt(fan-in), as in PyTorch */
    bool fan_in;   /* convolutions' deviation is by their inputs, not by their
                      outputs */
};
/** As in PyTorch, and so for networks of no family. */
extern const struct rn_net_start rn_start_usual;

/* ---------------------------------------------------------------- unusual */

/** Which of what makes a network unusual (rn_net_is_unusual()) its builder
 *  looks at. */
enum rn_heeds { RN_HEEDS_NOTHING = 1, RN_HEEDS_ACTIVATION, RN_HEEDS_ALL };

/* ------------------------------------------------------------- the family */

struct rn_family {
    const char *name;                   /* in model files */
    const struct rn_net_listed *listed; /* the last one has no name */
    const struct rn_net_word *words;    /* the last one has no text */
    /** Whether the name is of a network of the family. It fills in all that the
     *  name says, and as classes and input what is usual. */
    bool (*parse)(struct rn_net_spec *spec, const char *name);
    /** Take the options beside the sizes, or refuse them. */
    int (*resolve)(struct rn_net_spec *spec,
                   const struct rn_net_options *options, struct rn_error *err);
    /** Append the layers to g, behind them those of auxiliary heads where
     *  spec->aux asks for them. */
    void (*build)(struct rn_graph *g, const struct rn_net_spec *spec);
    /** What it builds unusually where the spec asks for it; anything else that
     *  is asked is refused. */
    enum rn_heeds heeds;
    /** Whether the network has such heads. */
    bool (*has_aux)(const struct rn_net_spec *spec);
    /** The last layer, one number for each class. */
    const char *head;

    const struct rn_net_attribute *attributes; /* the last one has no key */
    const struct rn_net_start *start;
    /** Numbers that the weights have at least, those of the first layer and
     *  the head left out: a description is cheap to make up. */
    uint64_t (*least_floats)(const struct rn_net_spec *spec);

    const char *const *stages; /* names, the last one NULL; at most 31 */
    /** Stage of the node of that name, -1 for none: pools and the like. */
    int (*stage_of)(const struct rn_net_spec *spec, const char *node);

    /** Try the networks that a graph of that outline may be, the likelier ones
     *  first, until one is it. */
    void (*candidates)(const struct rn_net_outline *outline, rn_net_try *try,
                       void *user);
    const struct rn_net_rule *rules; /* the last one has no `from` */
    enum rn_net_claim (*recognise)(struct rn_net_found *found,
                                   const struct rn_net_tensors *tensors,
                                   struct rn_error *err);
    /** Names of the weights before the head, # being a number and * any part
     *  without a point; then NULL. */
    const char *const *weights;
    const struct rn_net_habit *habits; /* the last one has no source */
    /** Say what tensors do not tell and nobody gave. */
    void (*unsure)(const struct rn_net_spec *spec,
                   const struct rn_net_found *found,
                   const struct rn_net_given *given, rn_net_say *say,
                   void *user);
};

#define RN_FAMILY(name) extern const struct rn_family rn_family_##name;
#include "nets/families.def"
#undef RN_FAMILY

/** Family i, in the order of families.def; NULL past the last one. */
const struct rn_family *rn_family_at(size_t i);
/** The one of that name in model files, or NULL (also for NULL). */
const struct rn_family *rn_family_named(const char *name);
/** What is usual with weights of a source; NULL where nothing is. */
const struct rn_net_habit *rn_family_habit(const struct rn_family *family,
                                           const struct rn_net_source *source);

#endif
