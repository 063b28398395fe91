/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads config.json and preprocessor_config.json beside weights. */
#include "formats/torch/config.h"

#include "core/count.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"
#include "core/json.h"
#include "formats/import.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define POOL         "global_pool"
#define CONFIG_LIMIT ((size_t)16 << 20)
#define CONFIG       "config.json"
#define PREPROCESSOR "preprocessor_config.json"
#define SIDE_MOST    65535
#define LEAST_SHARE  0.01 /* of a picture that is cut out */
#define WARPED_FROM  384  /* Hugging Face: from there on nothing is cut off */

/* What is wrong with a description, and how to go on without it. */
#define PASS_OVER "--config none passes over the file"

static int fail(const char *path, const char *what, const char *found,
                struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA,
                   "'%.200s': %s '%.60s', which is not known here: --net says "
                   "what it is, " PASS_OVER,
                   path, what, found);
}

/* -------------------------------------------------------------- networks */

/* timm's names for weights of others in networks of the plain name. */
static const char *const prefixes[] = {"tv_", "ssl_", "swsl_", "ig_"};

/* And for networks of the plain name as their authors made them, in Caffe: they
 * stride in their first 1x1, with which that pool goes, or pool so alone. */
#define LEGACY "legacy_"
static const struct legacy {
    const char *start, *stride, *stem_pool;
} legacies[] = {
    {LEGACY "seresnet", "v1", NULL},
    {LEGACY "seresnext", "v1.5", "max-ceil"},
};

static const struct legacy *find_legacy(const char *architecture)
{
    for (size_t i = 0; i < COUNT(legacies); i++)
        if (strncmp(architecture, legacies[i].start,
                    strlen(legacies[i].start)) == 0)
            return &legacies[i];
    return NULL;
}

/* "resnetaa50d" of "resnetaa50d.sw_in12k"; false when it is none of ours. */
static bool find_net(const char *architecture, char net[32])
{
    struct rn_net_spec spec;
    const char *name = architecture;

    if (find_legacy(name))
        name += strlen(LEGACY);
    for (size_t i = 0; i < COUNT(prefixes); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            name += strlen(prefixes[i]);
    size_t n = strcspn(name, ".");
    if (n >= 32)
        return false;
    snprintf(net, 32, "%.*s", (int)n, name);
    return rn_net_resolve(&spec, net, NULL, NULL) == RN_OK;
}

/* What a file of weights says by itself; what is no name of ours may be a
 * script's own word for a network. */
static void read_state(struct rn_config *c, const struct rn_state *state)
{
    struct rn_net_spec spec;

    if (*state->architecture && find_net(state->architecture, c->net) &&
        rn_net_resolve(&spec, c->net, NULL, NULL) == RN_OK &&
        spec.antialias != RN_ANTIALIAS_NONE)
        return;
    c->net[0] = '\0';
}

/* ------------------------------------------------------------------ JSON */

static int open_json(const char *path, json_t **out, struct rn_error *err)
{
    char *text;
    size_t size;

    *out = NULL;
    int rc = rn_text_read(path, CONFIG_LIMIT, &text, &size, err);
    if (rc)
        return rc;
    rc = rn_json_parse(out, text, size, path, "the description", err);
    rn_free(text);
    return rc;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool get_three(const json_t *list, float out[3])
{
    for (size_t i = 0; i < 3; i++) {
        const json_t *v = json_array_get(list, i);

        if (!json_is_number(v) || json_array_size(list) != 3)
            return false;
        out[i] = (float)json_number_value(v);
    }
    return true;
}

static bool get_side(const json_t *value, int *out)
{
    json_int_t v = json_integer_value(value);

    if (!json_is_integer(value) || v < 1 || v > SIDE_MOST)
        return false;
    *out = (int)v;
    return true;
}

static void take_numbers(struct rn_config *c, const json_t *mean,
                         const json_t *std)
{
    c->has_numbers = get_three(mean, c->mean) && get_three(std, c->std);
    for (size_t i = 0; i < 3; i++)
        c->has_numbers &=
            isfinite(c->mean[i]) && c->std[i] > 0 && isfinite(c->std[i]);
}

/* ------------------------------------------------------------------ timm */

/* Arguments that leave the network what its name says. */
static const char *const harmless[] = {
    "num_classes", "in_chans", "img_size", POOL, "drop_rate", "drop_path_rate"};

/* Whether the pool before the classifier is the mean, or not told. */
static bool is_mean(const json_t *pool)
{
    static const char *const means[] = {"", "avg", "fast", "fastavg"};
    const char *name = json_string_value(pool);
    bool known = !pool || json_is_null(pool);

    for (size_t i = 0; i < COUNT(means) && name; i++)
        known |= strcmp(name, means[i]) == 0;
    return known;
}

static int check_pool(const char *path, const json_t *object,
                      struct rn_error *err)
{
    const json_t *pool = json_object_get(object, POOL);
    const char *name = json_string_value(pool);

    return is_mean(pool) ? RN_OK
                         : fail(path, "the pool before its classifier is",
                                name ? name : POOL, err);
}

static int check_arguments(const char *path, json_t *arguments,
                           struct rn_error *err)
{
    const char *key;
    json_t *value;

    json_object_foreach(arguments, key, value)
    {
        bool known = false;

        for (size_t i = 0; i < COUNT(harmless) && !known; i++)
            known = strcmp(key, harmless[i]) == 0;
        if (!known)
            return fail(path, "its network is made with the argument", key,
                        err);
    }
    return RN_OK;
}

static void read_timm_view(struct rn_config *c, const json_t *pretrained)
{
    const json_t *size = json_object_get(pretrained, "input_size");
    const json_t *share = json_object_get(pretrained, "crop_pct");
    const char *mode = text_of(pretrained, "crop_mode");
    const char *how = text_of(pretrained, "interpolation");

    take_numbers(c, json_object_get(pretrained, "mean"),
                 json_object_get(pretrained, "std"));
    if (!get_side(json_array_get(size, 1), &c->height) ||
        !get_side(json_array_get(size, 2), &c->width))
        c->height = c->width = 0;
    c->crop_share = json_number_value(share);
    c->interpolation = how && strcmp(how, "bilinear") == 0  ? "bilinear"
                       : how && strcmp(how, "bicubic") == 0 ? "bicubic"
                                                            : NULL;
    c->unclear_view =
        (mode && strcmp(mode, "center") != 0) || (how && !c->interpolation) ||
        c->height != c->width ||
        (json_object_get(pretrained, "std") && !c->has_numbers) ||
        (share && !(c->crop_share >= LEAST_SHARE && c->crop_share <= 1));
}

static int read_timm(struct rn_config *c, json_t *root, struct rn_error *err)
{
    const char *architecture = text_of(root, "architecture");
    json_t *pretrained = json_object_get(root, "pretrained_cfg");

    if (!find_net(architecture, c->net))
        return fail(c->path, "its network is a", architecture, err);
    const struct legacy *legacy = find_legacy(architecture);
    c->stride = legacy ? legacy->stride : "v1.5";
    c->stem_pool = legacy ? legacy->stem_pool : NULL;
    c->has_names = json_is_array(json_object_get(root, "label_names"));
    read_timm_view(c, json_is_object(pretrained) ? pretrained : root);
    json_t *arguments = json_object_get(root, "model_args");
    int rc = check_pool(c->path, root, err);
    if (!rc)
        rc = check_pool(c->path, arguments, err);
    return rc ? rc : check_arguments(c->path, arguments, err);
}

/* ---------------------------------------------------------- Hugging Face */

static const struct {
    const char *theirs, *ours;
} activations[] = {{"relu", "relu"},
                   {"relu6", "relu6"},
                   {"silu", "silu"},
                   {"swish", "silu"},
                   {"leaky_relu", "leaky-relu"}};

static int read_activation(struct rn_config *c, const char *name,
                           struct rn_error *err)
{
    for (size_t i = 0; name && i < COUNT(activations); i++)
        if (strcmp(name, activations[i].theirs) == 0)
            c->activation = activations[i].ours;
    return c->activation || !name
               ? RN_OK
               : fail(c->path, "the network's activation is", name, err);
}

static int read_blocks(struct rn_config *c, const json_t *root,
                       struct rn_error *err)
{
    const json_t *depths = json_object_get(root, "depths");
    const char *type = text_of(root, "layer_type");

    for (size_t i = 0; depths && i < 4; i++)
        if (json_array_size(depths) != 4 ||
            !get_side(json_array_get(depths, i), &c->blocks[i]))
            return fail(c->path, "its depths are", "no list of four", err);
    if (type && strcmp(type, "basic") != 0 && strcmp(type, "bottleneck") != 0)
        return fail(c->path, "its blocks are", type, err);
    c->layer_type = !type                            ? NULL
                    : *type == 'b' && type[1] == 'a' ? "basic"
                                                     : "bottleneck";
    return RN_OK;
}

/* Names made up by the library, LABEL_0 and so on, are none. */
static bool has_names(const json_t *root)
{
    const char *first = json_string_value(
        json_object_get(json_object_get(root, "id2label"), "0"));

    return first && strncmp(first, "LABEL_", 6) != 0;
}

static int read_hugging_face(struct rn_config *c, json_t *root,
                             struct rn_error *err)
{
    const char *type = text_of(root, "model_type");
    const json_t *first = json_object_get(root, "downsample_in_first_stage");
    const json_t *v1 = json_object_get(root, "downsample_in_bottleneck");

    if (type && strcmp(type, "resnet") != 0)
        return fail(c->path, "its network is a", type, err);
    const char *problem = text_of(root, "problem_type");
    c->multi_label =
        problem && strcmp(problem, "multi_label_classification") == 0;
    c->first_stride = json_is_true(first) ? 2 : 0;
    c->has_names = has_names(root);
    int rc = read_blocks(c, root, err);
    if (!rc && (!c->layer_type || strcmp(c->layer_type, "bottleneck") == 0) &&
        json_is_boolean(v1))
        c->stride = json_is_true(v1) ? "v1" : "v1.5";
    return rc ? rc : read_activation(c, text_of(root, "hidden_act"), err);
}

/* Whether pixels are divided by 255 and normalised, and channels left in their
 * order: what is done without a word. */
static bool has_usual_numbers(const json_t *root)
{
    const json_t *factor = json_object_get(root, "rescale_factor");

    return !json_is_false(json_object_get(root, "do_rescale")) &&
           !json_is_false(json_object_get(root, "do_normalize")) &&
           !json_is_true(json_object_get(root, "do_flip_channel_order")) &&
           (!factor || fabs(json_number_value(factor) * 255 - 1) < 1e-3);
}

/* Whether a picture of a size of its own is cut out: of those kinds that do not
 * say it, the ones with a share (crop_pct) have none. */
static bool has_cut(const json_t *root)
{
    const json_t *cuts = json_object_get(root, "do_center_crop");

    return cuts ? json_is_true(cuts)
                : json_object_get(root, "crop_size") &&
                      !json_object_get(root, "crop_pct");
}

/* One side of a size, which may be one for both. */
static void take_side(const json_t *size, const char *name, int *out)
{
    get_side(json_is_object(size) ? json_object_get(size, name) : size, out);
}

/* The shorter side is resized, then a size of its own cut out. The size of old,
 * one number, says not whether it is the shorter side or both. */
static void read_cut(struct rn_config *c, const json_t *root)
{
    const json_t *size = json_object_get(root, "size");
    const json_t *cut = json_object_get(root, "crop_size");

    take_side(cut, "height", &c->height);
    take_side(cut, "width", &c->width);
    take_side(size, "shortest_edge", &c->resize);
    if (!c->height || !c->width)
        c->height = c->width = 0;
    if (c->resize)
        c->crop_share = (double)c->height / c->resize;
    c->unclear_view = !json_is_object(size) || c->height != c->width;
}

/* The shorter side is resized so that the size is a share of it. Without a
 * share a shorter side is not what the network sees. */
static void read_share(struct rn_config *c, const json_t *root)
{
    const json_t *size = json_object_get(root, "size");
    const json_t *share = json_object_get(root, "crop_pct");
    int side = 0;

    take_side(size, "shortest_edge", &side);
    if (share || !json_is_object(size))
        c->height = c->width = side;
    c->crop_share = json_number_value(share);
    c->unclear_view = side >= WARPED_FROM;
}

/* preprocessor_config.json: only the kinds that resize the shorter side and
 * cut out the centre are ours. */
static void read_preprocessor(struct rn_config *c, const json_t *root)
{
    const json_t *how = json_object_get(root, "resample");

    take_numbers(c, json_object_get(root, "image_mean"),
                 json_object_get(root, "image_std"));
    c->has_numbers &= has_usual_numbers(root);
    if (has_cut(root))
        read_cut(c, root);
    else
        read_share(c, root);
    c->interpolation = json_integer_value(how) == 3   ? "bicubic"
                       : json_integer_value(how) == 2 ? "bilinear"
                                                      : NULL;
    c->unclear_view |=
        !c->height || !c->interpolation ||
        json_is_false(json_object_get(root, "do_resize")) ||
        !has_usual_numbers(root) ||
        (json_object_get(root, "image_std") && !c->has_numbers) ||
        !(c->crop_share >= LEAST_SHARE && c->crop_share <= 1);
}

/* ----------------------------------------------------------------- whole */

static char *path_beside(const char *file, const char *name)
{
    const char *slash = strrchr(file, '/');
    size_t n = slash ? (size_t)(slash - file) + 1 : 0;
    char *path = rn_alloc(n + strlen(name) + 1, 1);

    if (path)
        sprintf(path, "%.*s%s", (int)n, file, name);
    return path;
}

static int read_beside(struct rn_config *c, struct rn_error *err)
{
    json_t *root;

    c->preprocessor_path = path_beside(c->path, PREPROCESSOR);
    if (!c->preprocessor_path)
        return rn_fail_memory(err, strlen(c->path), "a path");
    if (!rn_is_file(c->preprocessor_path)) {
        rn_free(c->preprocessor_path);
        c->preprocessor_path = NULL;
        return RN_OK;
    }
    int rc = open_json(c->preprocessor_path, &root, err);
    if (!rc)
        read_preprocessor(c, root);
    json_decref(root);
    return rc;
}

/* A config.json that is of neither kind describes something else. */
static int read_description(struct rn_config *c, bool given,
                            struct rn_error *err)
{
    json_t *root;
    int rc = open_json(c->path, &root, err);

    if (rc)
        return rc;
    if (text_of(root, "architecture")) {
        rc = read_timm(c, root, err);
    } else if (text_of(root, "model_type") ||
               json_object_get(root, "architectures")) {
        rc = read_hugging_face(c, root, err);
        if (!rc)
            rc = read_beside(c, err);
    } else if (given) {
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%.200s' is no description of Hugging Face's or timm's: "
                     "neither \"model_type\" nor \"architecture\" is there",
                     c->path);
    } else {
        rn_free(c->path);
        c->path = NULL;
    }
    json_decref(root);
    return rc;
}

int rn_config_read(struct rn_config *c, const struct rn_state *state,
                   const struct rn_import_options *o, struct rn_error *err)
{
    bool given = rn_import_has_config(o);

    memset(c, 0, sizeof(*c));
    read_state(c, state);
    if (o->config && !given)
        return RN_OK;
    c->path = given ? rn_strdup(o->config) : path_beside(state->path, CONFIG);
    if (!c->path)
        return rn_fail_memory(err, strlen(state->path), "a path");
    if (given || rn_is_file(c->path))
        return read_description(c, given, err);
    rn_free(c->path);
    c->path = NULL;
    return RN_OK;
}

void rn_config_free(struct rn_config *c)
{
    rn_free(c->path);
    rn_free(c->preprocessor_path);
    memset(c, 0, sizeof(*c));
}

/* They are clear where the view is not, too. */
static void fill_numbers(const struct rn_config *c, int channels,
                         struct rn_import_options *o)
{
    if (o->preprocess || !c->has_numbers || channels != 3)
        return;
    if (!o->mean) {
        o->mean = c->mean;
        o->means = 3;
    }
    if (!o->std) {
        o->std = c->std;
        o->stds = 3;
    }
}

static void fill_view(const struct rn_config *c, struct rn_import_options *o)
{
    int side = o->height ? o->height : c->height;

    if (o->preprocess || c->unclear_view)
        return;
    if (!o->interpolation)
        o->interpolation = c->interpolation;
    if (!o->resize && c->resize && side == c->height)
        o->resize = c->resize;
    if (!o->resize && c->crop_share >= LEAST_SHARE && side > 0)
        o->resize = (int)floor(side / c->crop_share);
}

void rn_config_fill(const struct rn_config *c, int channels,
                    struct rn_import_options *o)
{
    if (!o->net && *c->net)
        o->net = c->net;
    if (!o->stride)
        o->stride = c->stride;
    if (!o->stem_pool && o->net == c->net) /* another may have none */
        o->stem_pool = c->stem_pool;
    if (!o->activation && c->activation && strcmp(c->activation, "relu") != 0)
        o->activation = c->activation;
    if (!o->labels && c->has_names)
        o->labels = c->path;
    if (!o->head && c->multi_label)
        o->head = "sigmoid";
    fill_numbers(c, channels, o);
    fill_view(c, o);
    if (!o->height && !o->width) {
        o->height = c->height;
        o->width = c->width;
    }
}

static int blocks_of(const struct rn_graph *g, int stage)
{
    char name[48];
    int n = 0;

    do
        snprintf(name, sizeof(name), "layer%d.%d.conv1.weight", stage, n++);
    while (rn_graph_param(g, name));
    return n - 1;
}

int rn_config_check(const struct rn_config *c, const struct rn_graph *g,
                    struct rn_error *err)
{
    bool bottleneck = rn_graph_param(g, "layer1.0.conv3.weight") != NULL;
    bool other = c->layer_type &&
                 (strcmp(c->layer_type, "bottleneck") == 0) != bottleneck;
    int found[4];

    for (int i = 0; i < 4; i++) {
        found[i] = blocks_of(g, i + 1);
        other |= c->blocks[i] && c->blocks[i] != found[i];
    }
    if (!other)
        return RN_OK;
    return rn_fail(
        err, RN_ERR_DATA,
        "'%.200s' describes %d, %d, %d, %d %s blocks, the weights "
        "are of %d, %d, %d, %d %s ones: it is of another network; " PASS_OVER,
        c->path, c->blocks[0], c->blocks[1], c->blocks[2], c->blocks[3],
        c->layer_type ? c->layer_type : "", found[0], found[1], found[2],
        found[3], bottleneck ? "bottleneck" : "basic");
}
