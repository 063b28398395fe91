/* SPDX-License-Identifier: BSD-2-Clause */
/* What Hugging Face's and timm's config.json beside a file of weights, or the
 * file itself, write down of the network. */
#ifndef RN_FORMATS_TORCH_CONFIG_H
#define RN_FORMATS_TORCH_CONFIG_H

#include "formats/torch/state.h"
#include "nets/nets.h"

#include "resnet.h"

/* Zeroed: nothing is written down. */
struct rn_config {
    char *path;              /* of config.json; NULL: there is none */
    char *preprocessor_path; /* of preprocessor_config.json beside it */
    char net[32];            /* "" without one */
    const char *stride;      /* NULL: not said */
    const char *stem_pool;   /* likewise */
    int first_stride;        /* of conv2_x; 0: the usual */
    const char *activation;  /* NULL: not said */
    int blocks[4];           /* 0: not said */
    const char *layer_type;  /* "basic" or "bottleneck"; NULL: not said */
    int height, width;       /* 0: not said */
    float mean[3], std[3];
    bool has_numbers;  /* those, and pixels are divided by 255 before */
    int resize;        /* the shorter side, where it is said; 0: by */
    double crop_share; /* of the resized picture; 0: not said */
    const char *interpolation;
    bool multi_label;  /* each class is there or not by itself */
    bool has_names;    /* config.json has the classes' names */
    bool unclear_view; /* pictures are prepared in another way than ours */
};

/** Read config.json in the folder of the state's file, or options->config;
 *  "none" there: nothing. RN_ERR_DATA when it describes a network that is not
 *  known here, or has a field that changes the network and is not understood.
 *  What `state` says itself goes first. */
int rn_config_read(struct rn_config *config, const struct rn_state *state,
                   const struct rn_import_options *options,
                   struct rn_error *err);
/** Also after a failure, and on a zeroed struct. */
void rn_config_free(struct rn_config *config);

/** Fill in what the options leave open for a network of so many channels; they
 *  borrow from `config`. */
void rn_config_fill(const struct rn_config *config, int channels,
                    struct rn_import_options *options);

/** RN_ERR_DATA when the blocks a description tells are not the network's. */
int rn_config_check(const struct rn_config *config, const struct rn_graph *g,
                    struct rn_error *err);

#endif
