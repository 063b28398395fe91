/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * libresnet: train, evaluate and run residual networks on CPUs.
 *
 * The networks are those of K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual
 * Learning for Image Recognition", CVPR 2016, and their neighbours.
 *
 * Conventions
 *  - Functions that can fail return RN_OK (0) or a negative rn_status and
 *    fill the caller's struct rn_error, which may be NULL.
 *  - `out` handles are set to NULL on failure. Every _destroy() accepts NULL.
 *  - Pointers passed in are borrowed for the call unless said otherwise;
 *    pointers handed out belong to the handle they came from. NULL is only
 *    for where the comment allows it.
 *  - Threads: models, data, surveys, reports and pictures found are const once
 *    they are made, and any number of threads may use one at once, while none
 *    changes it (rn_model_init(), rn_model_label(), tensors' data). Other
 *    handles, plans above all, are for one thread at a time, whichever.
 *    Each thread has a plan of its own; rn_plan_clone() makes one that shares
 *    the weights.
 *  - What a handle needs of another one it holds: handles made from each other
 *    may be destroyed in any order.
 *  - Callbacks are called by the thread that called the library, with the
 *    floating-point mode and on the processors that it came with. They must not
 *    run the plan that called them, change or destroy what the call was given,
 *    nor leave by longjmp() or an exception. All else is theirs to use.
 *  - Counts of threads are from 0 (the default) to 1024. OpenMP computes: in a
 *    parallel region of the caller's, plans run on the threads that it grants,
 *    with the same result; and all that a plan changes of the calling thread
 *    (floating-point mode, processors, OpenMP's settings) is as before when it
 *    returns. What the system does not start is RN_ERR_MEMORY.
 *  - fork(): handles work in the child. OpenMP's threads are not there, so the
 *    thread that forked, if it has run a plan on several before, runs plans on
 *    one. If it has used OpenMP by other means it must ask for 1. Threads that
 *    the child starts have as many as ever. The threads of a feed are not there
 *    either: rn_feed_next() says so. While another thread is in the library,
 *    fork() is for exec() alone.
 *  - The library never prints, never exits.
 *  - Images are planar: [channel][row][column], channels in RGB order.
 *
 * Structs of options and of results
 *  - Options that are zero mean the defaults, each field for itself, and so
 *    does NULL in place of the struct. Where zero itself is a choice other than
 *    the default, RN_ZERO asks for it, and the field's comment says so.
 *  - Options begin with their size, so that a struct of theirs may grow at its
 *    end. rn_*_defaults() sets it, as does
 *        struct rn_plan_options options = {.struct_size = sizeof(options)};
 *    0 stands for the struct as it was in version 0.2.0. Fields that a smaller
 *    struct does not have are defaults; RN_ERR_ARG when a larger one sets
 *    fields that the library in use does not know.
 *  - Structs that the library fills may grow in the same way. The functions
 *    that fill them are inline here and hand on the size that the program was
 *    compiled with to F_sized(), which writes no more: a binding that sees
 *    symbols only calls that (end of this file). NULL in place of one is for
 *    who wants none.
 *  - rn_error and rn_image do not grow.
 */
#ifndef RESNET_H
#define RESNET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RN_API __attribute__((visibility("default")))
#else
#define RN_API
#endif
#if defined(__GNUC__)
#define RN_INLINE static __inline__
#else
#define RN_INLINE static inline
#endif

#define RN_VERSION_MAJOR  0
#define RN_VERSION_MINOR  2
#define RN_VERSION_PATCH  0
#define RN_VERSION_STRING "0.2.0"

/** Zero itself, in a field whose 0 stands for another default. */
#define RN_ZERO (-1)

/** Version of the library in use, "major.minor.patch". */
RN_API const char *rn_version(void);

/* ------------------------------------------------------------- errors */

enum rn_status {
    RN_OK = 0,
    RN_ERR_ARG = -1,     /**< an argument or option makes no sense */
    RN_ERR_MEMORY = -2,  /**< allocation failed */
    RN_ERR_IO = -3,      /**< the system could not read or write a file */
    RN_ERR_DATA = -4,    /**< a file or data set is not what it should be */
    RN_ERR_KERNEL = -5,  /**< a compute primitive failed */
    RN_ERR_LOSS = -6,    /**< the training loss is no longer finite */
    RN_ERR_STOPPED = -7, /**< the caller asked to stop; state was saved */
    RN_ERR_RANK = -8     /**< another rank ended or does not answer */
};

struct rn_error {
    int code;      /**< an rn_status */
    char msg[500]; /**< one line, no full stop, names file, layer or sizes */
};

/* ------------------------------------------------------------ options */

/** What the field of an options struct holds. */
enum rn_option_type {
    RN_OPTION_FLAG = 0,  /**< int: 0 or 1 */
    RN_OPTION_INT = 1,   /**< int, min to max */
    RN_OPTION_LONG = 2,  /**< long, min to max */
    RN_OPTION_REAL = 3,  /**< double, min to max */
    RN_OPTION_SEED = 4,  /**< uint64_t, 0 to 2^63 - 1 */
    RN_OPTION_SIZE = 5,  /**< int[2]: height and width, min to max each */
    RN_OPTION_TEXT = 6,  /**< const char *: UTF-8 */
    RN_OPTION_WORD = 7,  /**< const char *: one of `words` */
    RN_OPTION_INDEX = 8, /**< int or enum: the place of one of `words` */
    RN_OPTION_LETTER = 9 /**< char: one of `words`, which are letters; of a
                            longer word the first letter, in lower case */
};

/** A field of an options struct. The library checks the field by this row, and
 *  the program makes its options, help, manual page and completions of it. In
 *  texts, fields stand in backticks. All pointers are static. */
struct rn_option {
    const char *name;  /**< of the field */
    const char *group; /**< fields that belong together: "optimiser" */
    enum rn_option_type type;
    size_t offset; /**< of the field in its struct */
    double min, max;
    const char *words;  /**< "A|B|C", or NULL */
    const char *value;  /**< what a value is: "N", "FILE"; NULL of flags */
    const char *preset; /**< the default as text; NULL: 0 or NULL */
    const char *unset;  /**< what 0, besides min to max, or NULL stands for;
                           NULL: 0 is like any other number, NULL is nothing */
    const char *help;   /**< one line */
    int zero; /**< 1: RN_ZERO is 0 itself, as 0 stands for `unset`; so it is,
                 too, of fields whose `preset` is another number than 0 */
};

/** The i-th row of a struct's table, in a fixed order; NULL past the end.
 *  Fields without a row: callbacks and their `user`, arrays, handles. */
RN_API const struct rn_option *rn_net_option(size_t i);
RN_API const struct rn_option *rn_import_option(size_t i);
RN_API const struct rn_option *rn_plan_option(size_t i);
RN_API const struct rn_option *rn_data_option(size_t i);
RN_API const struct rn_option *rn_survey_option(size_t i);
RN_API const struct rn_option *rn_train_option(size_t i);
RN_API const struct rn_option *rn_resume_option(size_t i);
RN_API const struct rn_option *rn_eval_option(size_t i);
RN_API const struct rn_option *rn_response_option(size_t i);
RN_API const struct rn_option *rn_quantize_option(size_t i);
RN_API const struct rn_option *rn_bench_option(size_t i);
RN_API const struct rn_option *rn_loading_option(size_t i);

/** How far `b` is from `a` in insertions, deletions and replacements of
 *  letters, for "did you mean?"; -1 when more than a third of the letters, and
 *  one, differ, or one of both has more than 63. */
RN_API int rn_spelling_distance(const char *a, const char *b);

/* --------------------------------------------------------------- text */

/** What the library does with every text it reads, for those that a caller
 *  reads: the UTF-8 byte order mark is dropped, CRLF and a lone CR become LF.
 *
 * @param text in place; the caller's, of *size bytes and room for one more,
 *             which becomes zero.
 * @param path borrowed, for messages.
 * @return RN_ERR_DATA for UTF-16 and UTF-32 (the message names the command
 *         that converts it) and where there is a zero byte.
 */
RN_API int rn_text_clean(char *text, size_t *size, const char *path,
                         struct rn_error *err);

/** Columns that UTF-8 takes on a terminal: two for a wide East Asian
 *  character, none for an accent of its own. */
RN_API int rn_text_width(const char *text);
/** Bytes of the whole characters of `text` that fit into so many columns;
 *  what they take goes into *width. */
RN_API size_t rn_text_fit(const char *text, int columns, int *width);

/* ------------------------------------------------------------ machine */

struct rn_machine {
    int threads;         /**< default number of compute threads */
    char limited_by[32]; /**< what set it: "affinity", "cgroup quota", … */
    char isa[32];        /**< instruction set in use: "avx512", "avx2", … */
    char onednn[32];     /**< version of oneDNN in use */
    char cpu[64];        /**< model name of the processor */
};

/** What this process may use. Threads are the least of the affinity mask,
 *  cgroup CPU quota (v1, v2), OMP_NUM_THREADS and SLURM_CPUS_PER_TASK. */
RN_INLINE void rn_machine_get(struct rn_machine *machine);

/* -------------------------------------------------------------- ranks */

/**
 * Processes that train or evaluate together, ranks of a launcher such as mpirun
 * or srun. All of them make the same calls with the same options; rank 0 alone
 * writes files, tells messages and reports, and has the result to show.
 *
 * Where a rank fails, all return what it failed with; its name is in the
 * message. RN_ERR_RANK: a rank has ended or does not answer; the others return
 * without waiting for it. Nothing can be done with the ranks then but to leave.
 */
struct rn_ranks;

/** How many ranks a launcher started, by the environment; 1: none did. *rank
 *  and *local, which may be NULL: which one this is, of all and on its host. */
RN_API int rn_ranks_launched(int *rank, int *local);

/** Seconds that ranks wait for each other, unless told otherwise. */
#define RN_TIMEOUT      600
#define RN_TIMEOUT_MOST 1000000

/**
 * Meet the ranks that a launcher started, by the plugin of its MPI, which lies
 * beside the library: libresnet-ompi.so or libresnet-mpich.so. Once in a
 * process, by the thread that uses them afterwards.
 *
 * @param out     NULL without a launcher, and for one rank: which every
 *                function here and every option takes for a process by itself.
 * @param timeout seconds without a message from a rank after which it does not
 *                answer; 0: RN_TIMEOUT.
 * @return RN_ERR_RANK when there is no plugin, or of another MPI.
 */
RN_API int rn_ranks_join(struct rn_ranks **out, double timeout,
                         struct rn_error *err);
/** Let ranks differ in what computes: version, instruction set, oneDNN. Without
 *  this, training and evaluation name the first that does and fail, for the
 * last bits of results depend on it. What rank 0 was told counts. */
RN_API void rn_ranks_allow_mixed(struct rn_ranks *ranks);
/** After training or evaluation: the first such difference, or NULL. Lives as
 *  long as the ranks. */
RN_API const char *rn_ranks_mixed(const struct rn_ranks *ranks);
RN_API int rn_ranks_rank(const struct rn_ranks *ranks);
RN_API int rn_ranks_count(const struct rn_ranks *ranks);
/** Begin work of that name, of which 63 bytes count, together: RN_ERR_ARG names
 *  the first rank that begins another, or differs in what computes unless that
 *  is allowed. Training, evaluation and benchmarks do it themselves; a program
 *  does it before anything else where its ranks may have been started for
 *  different work. */
RN_API int rn_ranks_meet(struct rn_ranks *ranks, const char *work,
                         struct rn_error *err);
/** Have all ranks come here, with what each has done in between: RN_OK when
 *  all did, else what the first of the others failed with, which is in `err`
 *  then on every rank. */
RN_API int rn_ranks_agree(struct rn_ranks *ranks, int rc, struct rn_error *err);
/** Rank 0's bytes become everybody's. */
RN_API int rn_ranks_tell(struct rn_ranks *ranks, void *data, size_t size,
                         struct rn_error *err);
/** After training or evaluation that failed on all ranks: whether other work
 * can begin with them; 0 when a rank is missing. */
RN_API int rn_ranks_go_on(struct rn_ranks *ranks);
/** Whether this is the rank that tells of an error: rank 0, or the next one
 *  when that is missing. */
RN_API int rn_ranks_speaks(const struct rn_ranks *ranks);
/** After RN_ERR_STOPPED what events.stop() said on one of the ranks. */
RN_API int rn_ranks_stopped(const struct rn_ranks *ranks);
/** Unless a rank is missing, waits for all to leave. */
RN_API void rn_ranks_leave(struct rn_ranks *ranks);

/* ------------------------------------------------------------- models */

/** A network with its parameters, preprocessing, class names, provenance. */
struct rn_model;

struct rn_net_options {
    size_t struct_size; /**< sizeof(struct rn_net_options) */
    int classes;        /**< 0: the family's own (10 or 1000) */
    int channels;       /**< 0: 3 */
    int height;         /**< 0: the family's own (32 or 224) */
    int width;          /**< 0: the same as height */
    char shortcut;      /**< 'A', 'B', 'C' (He et al. 2016, section 3.3); 'a': A
                           with half of its zero channels on each side, as some
                           have it, not all at the end; 0: the family's own */
    int stride_v1;      /**< bottleneck stride in the first 1x1 (the paper's)
                           instead of the 3x3 (v1.5, the default) */
    int aux_heads;     /**< 1: with the network's auxiliary heads (GoogLeNet's),
                          which training alone computes; RN_ERR_ARG where it
                          has none */
    const char *block; /**< "basic" or "bottleneck", of cifar-preresnet{d};
                          NULL: the network's own; borrowed for the call */
    double dropout;    /**< of wide ResNets: share of each block's numbers
                          that training drops between its convolutions, less
                          than 1; 0: none */
};

RN_INLINE void rn_net_defaults(struct rn_net_options *options);

/** "A", "A-split" (for 'a'), "B" or "C"; NULL for other letters. */
RN_API const char *rn_shortcut_name(char shortcut);

/** Pattern or name of the i-th known network with a one-line description;
 *  NULL past the end. "resnet{6n+2}" stands for a family. */
RN_API const char *rn_net_name(size_t i, const char **description);

/** The known network name nearest to `name`, or NULL if none is near. The
 *  text is static or written into buf. */
RN_API const char *rn_net_suggest(const char *name, char *buf, size_t size);

/**
 * Build a network by name ("resnet20", "plain56", "resnet50", …) with
 * parameters set to zero (running variances to one); call rn_model_init()
 * or load weights next.
 *
 * @param options may be NULL for the defaults.
 * @return RN_ERR_ARG for an unknown name (the message suggests one) or
 *         sizes the network cannot take.
 */
RN_API int rn_model_create(struct rn_model **out, const char *name,
                           const struct rn_net_options *options,
                           struct rn_error *err);

/** He initialisation (He et al. 2015: normal, std sqrt(2 / fan-out) for
 *  convolutions), batch norm weight 1, bias 0; linear layers uniform within
 *  1 / sqrt(fan-in). VGG's are normal with std 0.01; NIN's convolutions with
 *  0.05; highway networks' linear layer with 0.05, and the biases of their
 * gates are -2. A function of seed alone. */
RN_API void rn_model_init(struct rn_model *model, uint64_t seed);

/**
 * Read a model from a file written by rn_model_save(), or of others where it
 * needs no saying what it is: rn_model_import() without options.
 *
 * @return RN_ERR_IO when it cannot be read, RN_ERR_DATA when it is not such
 *         a file.
 */
RN_API int rn_model_load(struct rn_model **out, const char *path,
                         struct rn_error *err);

/** What a file does not say of its network, or says otherwise. Zeroed:
 *  whatever names, shapes and the file's kind tell. All pointers are borrowed
 *  for the call. */
struct rn_import_options {
    size_t struct_size; /**< sizeof(struct rn_import_options) */
    const char *net;    /**< network's name */
    char shortcut;      /**< as in rn_net_options */
    const char *stride; /**< "v1" or "v1.5", see rn_net_options.stride_v1 */
    int height, width;  /**< of the images the network takes */
    /** What else shapes do not tell; zero or NULL: the usual. The first
     *  convolution's stride; what follows it: "none", "max" (3x3, stride 2,
     *  padded), "max-ceil" (not padded, rounded up), "mean" (2x2) or "blur";
     *  "relu", "relu6", "leaky-relu" or "silu"; batch norm's eps. */
    int stem_stride;
    const char *stem_pool, *activation;
    double eps;
    /** Order of the network's channels, "rgb" or "bgr"; NULL: as its kind has
     *  it. Means and stds stay those of their colours. */
    const char *channel_order;
    /** A name of rn_preprocess_name(): how pictures are prepared. */
    const char *preprocess;
    /** In place of that one's: a number per channel, of pixels 0..1, in RGB
     *  order, and how many there are. */
    const float *mean, *std;
    size_t means, stds;
    int resize;                /**< shorter side of a picture before the
                                  centre is cut out */
    const char *interpolation; /**< of rn_interpolation_name() */
    const char *labels;        /**< file for rn_model_label() */
    /** Hugging Face's or timm's description of weights; NULL: config.json
     *  beside them, if it is there, "none": not even that. */
    const char *config;
    /** The file with the weights of a network that is described apart, where
     *  it is not found by its name. */
    const char *weights;
    /** Take such a network without weights, its parameters zero. */
    int structure;
    /** Take weights that are not finite numbers, too, and say so: to look at,
     *  for nothing can be computed with them. */
    int not_finite;
    const char *mean_image; /**< Caffe's mean of every pixel (.binaryproto) */
    /** Of a graph (ONNX, Caffe) the value that is the answer, where there are
     *  several. */
    const char *output;
    /** "softmax" (one of the classes) or "sigmoid" (each of them by itself):
     *  what makes probabilities of a model's logits. */
    const char *head;
    /** Which of several dictionaries of tensors a checkpoint's network is
     *  ("model_ema"), or under which beginning of names ("encoder_q"). */
    const char *holder;
    /** File of lines OURS = THEIRS: names of tensors or layers of a state
     *  dictionary, where those are not known here. */
    const char *map;
    /** Pass over tensors that belong to no layer; of Caffe's weights those of
     *  layers that the network's text does not have. */
    int skip_extra;
    /** Take a network without its classifier; that of the model is then zero
     *  and for the caller to replace. */
    int headless;
    void *user;
    /** Lines of text on what was recognised, and what was taken for granted;
     *  may be NULL. */
    void (*message)(void *user, const char *text);
    int aux_heads; /**< 1: keep auxiliary heads that the file has, for training
                      and files like it; 0: leave them out */
};

RN_INLINE void rn_import_defaults(struct rn_import_options *options);

/** Name of the i-th way to prepare pictures ("torchvision", "caffe", "cifar",
 *  "none", …), with a description; NULL past the end. */
RN_API const char *rn_preprocess_name(size_t i, const char **description);

/**
 * Read a model from a file of any of these kinds, told by content: written by
 * rn_model_save(); a PyTorch state dictionary (.pth, .pt, .th), zip or older,
 * plain or within "state_dict", "model", "model_ema" and such, whatever objects
 * lie beside them, or torchvision's ResNet as a whole module; safetensors; both
 * under the names of torchvision, timm, akamaster/pytorch_resnet_cifar10,
 * Hugging Face Transformers or MMPretrain, or others where the order and shapes
 * of tensors leave no doubt; the JSON index of such files; an ONNX model, with
 * other files of its folder; a network of Caffe (.prototxt, .caffemodel) or
 * Darknet (.cfg, .weights), either of its files, the other being of the same
 * name or options->weights. A run's folder stands for its best.safetensors,
 * else its last.safetensors. Nothing in a file is executed. Memory: the file's
 * size, the network's twice, and at most 300 MB, or 2 GiB where an ONNX model
 * has operators that make tensors.
 *
 * @param options may be NULL. What a file of rn_model_save() says of its
 *        network cannot be changed, preprocessing and class names can.
 * @return RN_ERR_IO when it cannot be read; RN_ERR_DATA when it is no such
 *         file, of no network known here, has tensors missing, misshapen or
 *         left over, or weights that are not finite (the message names
 *         them); RN_ERR_ARG for options that make no sense.
 */
RN_API int rn_model_import(struct rn_model **out, const char *path,
                           const struct rn_import_options *options,
                           struct rn_error *err);

/**
 * rn_model_import() of a file of these bytes, which are borrowed for the call.
 * Taken are the kinds that are one file and are told by content: models of
 * rn_model_save(), state dictionaries, safetensors, ONNX.
 *
 * @param name    for messages; NULL: "memory".
 * @param options may be NULL.
 * @return RN_ERR_IO, too, when the system has no room for them.
 */
RN_API int rn_model_load_memory(struct rn_model **out, const void *bytes,
                                size_t size, const char *name,
                                const struct rn_import_options *options,
                                struct rn_error *err);

/** Give a model the class names of a file, and identifiers if it has them:
 *  lines of "name", "id name" ("n01440764 tench"), "0 name", "name 0" or
 *  "0: name"; CSV (index, id, name; a heading tells which is which); JSON or
 *  Python's text of a list or a dictionary; Hugging Face's config.json.
 *  Numbers, from 0 or from 1, order the classes, else their lines do.
 *  @return RN_ERR_DATA when it is no list of as many names as classes, or has
 *          numbers that do not number them. */
RN_API int rn_model_label(struct rn_model *model, const char *path,
                          struct rn_error *err);

/** Write a model in the library's own format, a safetensors file, whatever the
 *  name ends in; it appears whole or not at all. */
RN_API int rn_model_save(const struct rn_model *model, const char *path,
                         struct rn_error *err);

/** The same in the format the name ends in: .safetensors; .pth or .pt for
 *  torch.load(weights_only=True), which passes over what is no tensor; .onnx.
 *  @return RN_ERR_ARG for another ending. */
RN_API int rn_model_export(const struct rn_model *model, const char *path,
                           struct rn_error *err);

/** Name of the i-th format of model files ("ONNX"), NULL past the end; in
 *  words, what of it is read, and how names of such files end: of those that
 *  are read, as a rule, for content tells, and of those that rn_model_export()
 *  writes, none where that is not meant. Each may be NULL; lists end with
 *  NULL. */
RN_API const char *rn_format_name(size_t i, const char **words,
                                  const char *const **reads,
                                  const char *const **writes);

RN_API void rn_model_destroy(struct rn_model *model);

/** How pixels in between are made: Pillow's filters of these names, widened
 *  when a picture shrinks (antialiased). */
enum rn_interpolation { RN_BILINEAR = 0, RN_BICUBIC = 1, RN_BOX = 2 };

/** "bilinear", "bicubic" or "box"; NULL for others. */
RN_API const char *rn_interpolation_name(enum rn_interpolation how);

/** What a network's answers are: rn_plan_forward() gives them as they come. */
enum rn_output {
    RN_OUTPUT_LOGITS = 0,        /**< before softmax; all networks of ours */
    RN_OUTPUT_PROBABILITIES = 1, /**< of one of the classes, their sum 1 */
    RN_OUTPUT_LOG_PROBABILITIES = 2,  /**< their logarithms */
    RN_OUTPUT_INDEPENDENT_LOGITS = 3, /**< before sigmoid: every class is there
                                         or not, whatever the others are */
    RN_OUTPUT_INDEPENDENT = 4         /**< their probabilities */
};

/** "logits", "probabilities", "log-probabilities", "independent-logits",
 *  "independent-probabilities"; NULL for others. */
RN_API const char *rn_output_name(enum rn_output output);

struct rn_model_info {
    const char *net; /**< name, e.g. "resnet20"; borrowed */
    int channels, height, width, classes;
    char shortcut; /**< as in rn_net_options, or '-' for plain networks */
    int stride_v1;
    uint64_t params; /**< trainable: weights, biases, batch norm's */
    uint64_t macs;   /**< multiply-adds of convolutions and fc, one image */
    size_t layers;   /**< number of entries for rn_model_layer() */
    size_t tensors;  /**< number of entries for rn_model_tensor() */
    int has_preprocessing; /**< 0 when rn_model_preprocess() cannot work */
    int resize;            /**< a picture's shorter side before the centre
                              height x width is cut out; 0: not stated */
    enum rn_interpolation interpolation;
    int bgr;               /**< the network's channels are blue, green, red;
                              rn_model_preprocess() turns them around */
    const char *trained;   /**< JSON text on how it was trained, or NULL */
    enum rn_output output; /**< what rn_plan_forward() gives */
    enum rn_output head;   /**< what the file it came from makes of that, and
                              an ONNX file it is exported to: a softmax or
                              sigmoid at the very end is taken off */
    size_t quantized;      /**< layers whose weights are in 8 bits */
    size_t aux_heads;      /**< auxiliary heads of the network, which training
                              alone has; `params` and `macs` are without them */
    uint64_t aux_params;   /**< trainable, of these heads */
    int with_aux;          /**< 1: the model has them, and layers and tensors
                              are theirs, too */
    double contrast; /**< deviation that global contrast normalisation gives
                        an image; 0: there is none */
    int whitened;    /**< 1: images are whitened (ZCA), which only model files
                        of ours can hold */
};

RN_INLINE void rn_model_describe(const struct rn_model *model,
                                 struct rn_model_info *info);

struct rn_layer_info {
    const char *name; /**< "layer1.0.conv1"; borrowed from the model */
    const char *op;   /**< "conv", "batch_norm", "relu", "add", … */
    int channels, height, width; /**< of the output */
    uint64_t params, macs;
};

/** @return RN_ERR_ARG when i is past the end. */
RN_INLINE int rn_model_layer(const struct rn_model *model, size_t i,
                             struct rn_layer_info *layer);

struct rn_layer_attribute {
    const char *name;  /**< "kernel", "groups", "eps", …; static */
    const char *word;  /**< "gelu", "true", …; static; NULL: numbers */
    int count;         /**< of numbers */
    double numbers[4]; /**< kernel, stride and dilation: down, across; padding:
                            top, left, bottom, right */
};

/** Attribute k of layer i: what it has besides inputs and tensors.
 *  @return RN_ERR_ARG when i or k is past the end. */
RN_INLINE int rn_model_layer_attribute(const struct rn_model *model, size_t i,
                                       size_t k,
                                       struct rn_layer_attribute *attribute);

struct rn_tensor {
    const char *name; /**< "layer1.0.conv1.weight"; borrowed */
    int dims;
    size_t dim[4];
    size_t count;
    float *data;   /**< the model's own memory; may be written */
    int trainable; /**< 0 for running statistics */
};

/** Tensors in file order. @return RN_ERR_ARG when i is past the end. */
RN_INLINE int rn_model_tensor(const struct rn_model *model, size_t i,
                              struct rn_tensor *tensor);

/** Name of class i; "class 7" style text is never made up: NULL when the
 *  model knows no names or i is out of range. */
RN_API const char *rn_model_class_name(const struct rn_model *model, int i);

/** Identifier of class i ("n01440764"), or NULL as above. */
RN_API const char *rn_model_class_id(const struct rn_model *model, int i);

/** Convert pixels 0..255 [C][H][W] of the model's input size into the
 *  normalised floats the network was trained on.
 *  @return RN_ERR_ARG when the model carries no preprocessing. */
RN_API int rn_model_preprocess(const struct rn_model *model,
                               const uint8_t *pixels, float *image,
                               struct rn_error *err);

enum rn_drawing_kind {
    RN_DRAWING_SVG = 0,
    RN_DRAWING_DOT = 1 /**< text for Graphviz */
};

/**
 * Draw a network, in the manner of He et al. 2016, figure 3: layers from top to
 * bottom, coloured by stage, with their shortcuts. Each layer has a shape.
 *
 * @param all  1: every layer; 0: in networks of many, equal blocks one behind
 *             the other are drawn once, with their number.
 * @param path of the file to write, or NULL: then `give` is called once with
 *             the text, UTF-8 of `size` bytes and a zero byte, borrowed.
 */
RN_API int rn_model_draw(const struct rn_model *model,
                         enum rn_drawing_kind kind, int all, const char *path,
                         void (*give)(void *user, const char *text,
                                      size_t size),
                         void *user, struct rn_error *err);

/* ----------------------------------------------------------- pictures */

/** A picture: [height][width][3] bytes, RGB, top row first. */
struct rn_image {
    int width, height;
    uint8_t *pixels; /**< rn_image_free() releases them */
};

enum rn_image_flags {
    RN_IMAGE_AS_STORED = 1 /**< leave the orientation of EXIF and XMP alone;
                               TIFF, HEIC, AVIF and JPEG XL have their own,
                               which every reader follows */
};

/**
 * Decode a picture of one of rn_image_formats(), told by content, into 8-bit
 * RGB. Turned as EXIF says, or XMP where EXIF says nothing; grey and palettes
 * become RGB, CMYK is taken as Adobe writes it, of 16 bits the upper eight
 * count, what is transparent lies over white. Colour profiles are not applied.
 * Of several frames or pages (of animated WebP, too) the first counts. Not
 * taken: more than 65,535 pixels a side, 2^27 in all, or 2^28 bytes of file.
 *
 * @param name for messages.
 * @param flags of rn_image_flags; 0 is the default.
 * @return RN_ERR_DATA when it is not such a picture, damaged or truncated.
 */
RN_API int rn_image_decode(struct rn_image *out, const void *bytes, size_t size,
                           const char *name, int flags, struct rn_error *err);

/** The formats that this build decodes: "JPEG, PNG, WebP, BMP, PNM", and those
 *  of GIF, TIFF, HEIC, AVIF and JPEG XL whose libraries it has. */
RN_API const char *rn_image_formats(void);

/** The same from a file. @return RN_ERR_IO, too. */
RN_API int rn_image_load(struct rn_image *out, const char *path, int flags,
                         struct rn_error *err);

/** Resize to width x height pixels, to the byte as Pillow does. */
RN_API int rn_image_resize(struct rn_image *out, const struct rn_image *in,
                           int width, int height, enum rn_interpolation how,
                           struct rn_error *err);

/** Write as PNG. */
RN_API int rn_image_save(const struct rn_image *image, const char *path,
                         struct rn_error *err);
/** The same into memory. @param bytes out, malloc()ed: the caller's to free().
 */
RN_API int rn_image_encode(const struct rn_image *image, uint8_t **bytes,
                           size_t *size, struct rn_error *err);

/** Release the pixels; the struct itself is the caller's. */
RN_API void rn_image_free(struct rn_image *image);

/** The pictures that a path stands for. */
struct rn_pictures;

/**
 * Find them: the file itself, or those of a folder and the folders below it
 * (symbolic links are followed), or of an archive (.tar, .zip), in byte order.
 * In folders the name tells: .jpg, .png and so on, those of formats that are
 * refused later, too; hidden files are left out.
 *
 * @return RN_ERR_IO when it cannot be read, RN_ERR_DATA for a folder without
 *         pictures.
 */
RN_API int rn_pictures_find(struct rn_pictures **out, const char *path,
                            struct rn_error *err);
RN_API size_t rn_pictures_count(const struct rn_pictures *pictures);
/** Path of the i-th, borrowed; "photos.tar/cat.jpg" in an archive.
 *  @return RN_ERR_DATA or RN_ERR_IO (and the path) when it is known not to
 *          load: a loop of links, a name that is not UTF-8, … */
RN_API int rn_pictures_get(const struct rn_pictures *pictures, size_t i,
                           const char **path, struct rn_error *err);
/** What there is to say of them though nothing is wrong, as that a file holds
 *  several pictures: the i-th remark so far, or NULL; borrowed. Loading may add
 *  some. */
RN_API const char *rn_pictures_remark(const struct rn_pictures *pictures,
                                      size_t i);
/** Decode the i-th, as rn_image_load(). */
RN_API int rn_pictures_load(const struct rn_pictures *pictures, size_t i,
                            int flags, struct rn_image *image,
                            struct rn_error *err);
RN_API void rn_pictures_destroy(struct rn_pictures *pictures);

/** Resize, cut out the centre and normalise as the model was trained: `image`
 *  is float [C][H][W] of its input. A model that states no size has the
 *  shorter side resized to its input's larger side. One of a single channel
 *  gets the picture's grey.
 *  @return RN_ERR_ARG when the model carries no preprocessing. */
RN_API int rn_model_preprocess_image(const struct rn_model *model,
                                     const struct rn_image *picture,
                                     float *image, struct rn_error *err);

/** The same of ten crops, float [10][C][H][W]: the centre and the corners of
 *  the middle square of the resized picture, then their mirror images
 *  (Krizhevsky et al. 2012).
 *  @return RN_ERR_ARG, too, when the square is no larger than a crop. */
RN_API int rn_model_preprocess_crops(const struct rn_model *model,
                                     const struct rn_image *picture,
                                     float *images, struct rn_error *err);

/** Pictures on their way to a network: threads decode and prepare them ahead of
 *  the caller, who takes them in order and computes meanwhile. */
struct rn_feed;

/**
 * The threads start at once, and go as far ahead as there is memory for.
 *
 * @param pictures [count], one behind the other; their number is the sum of
 *                 rn_pictures_count().
 * @param batch   pictures that the caller takes between two runs of a plan:
 *                the feed has memory for four times as many.
 * @param crops   1 or 10: as rn_model_preprocess_image() or
 *                rn_model_preprocess_crops().
 * @param flags   of rn_image_flags.
 * @param threads that decode and prepare; 0: rn_machine.threads.
 * @return RN_ERR_ARG when the model carries no preprocessing, RN_ERR_MEMORY
 *         also when the system starts no threads.
 */
RN_API int rn_feed_create(struct rn_feed **out, const struct rn_model *model,
                          struct rn_pictures *const *pictures, size_t count,
                          int batch, int crops, int flags, int threads,
                          struct rn_error *err);
/** The next picture into `images`, float [crops][C][H][W].
 *  @return what is wrong with it, as rn_pictures_load() and the functions that
 *          prepare: it is passed over, and the next call is for the one behind
 *          it. RN_ERR_ARG past the last, and in the child of a fork(). */
RN_API int rn_feed_next(struct rn_feed *feed, float *images,
                        struct rn_error *err);
/** Ends the threads, wherever they are. */
RN_API void rn_feed_destroy(struct rn_feed *feed);

/**
 * Class activation map (Zhou et al. 2016): what each place of the last stage
 * adds to the logit of a class, painted over a copy of the picture, from blue
 * to red. What is cut off before the network sees it is darker.
 *
 * @param index in: the class, or -1 for the likeliest; out: the one.
 * @param out   rn_image_free() releases it.
 * @return RN_ERR_ARG when the network does not end in global average pooling
 *         and one fully connected layer.
 */
RN_API int rn_model_paint(const struct rn_model *model,
                          const struct rn_image *picture, int *index,
                          int threads, struct rn_image *out,
                          struct rn_error *err);

/* -------------------------------------------------------------- plans */

/** A network compiled for a batch size, a mode and a number of threads. */
struct rn_plan;

enum rn_mode { RN_MODE_INFER = 0, RN_MODE_TRAIN = 1 };

/** What training makes again in backward instead of keeping it from forward
 *  on: less memory for more time, and the same weights to the bit. */
enum rn_recompute {
    RN_RECOMPUTE_AUTO = 0, /**< the library's choice: activations */
    RN_RECOMPUTE_NONE = 1,
    RN_RECOMPUTE_ACTIVATIONS = 2, /**< normalised values and outputs of
                                     blocks: a pass over memory each */
    RN_RECOMPUTE_BLOCKS = 3       /**< all but the outputs of some blocks:
                                      most convolutions run twice */
};

/** What activations and the operands of convolutions are. Sums, batch norm's
 *  statistics, losses, parameters and optimiser are float32 with all, and so
 * are model files: precision is a matter of the run, not of the model. */
enum rn_precision {
    RN_PRECISION_AUTO = 0, /**< as the model is: int8 where it is quantised,
                              else float32; training: float32 */
    RN_PRECISION_FP32 = 1,
    RN_PRECISION_BF16 = 2, /**< bfloat16, rounded to nearest; needs a processor
                              with AVX-512 BF16, or `emulate` */
    RN_PRECISION_INT8 = 3  /**< what a quantised model (rn_quantize()) has in
                              8 bits; the rest is float32. Inference alone */
};

/** "auto", "fp32", "bf16", "int8"; NULL for what is none. */
RN_API const char *rn_precision_name(int precision);

struct rn_plan_options {
    size_t struct_size; /**< sizeof(struct rn_plan_options) */
    enum rn_mode mode;
    int batch;     /**< images per run; 0: 1 */
    int threads;   /**< 0: rn_machine.threads; fewer where OpenMP grants
                      fewer (OMP_THREAD_LIMIT, a parallel region) */
    int exact;     /**< nonzero: direct convolution only, no Winograd */
    int winograd;  /**< 0: F(4x4, 3x3) and F(2x2, 5x5) where they pay;
                      2 or 4: tiles of that size wherever they can be had (for
                      measurements) */
    int profile;   /**< nonzero: time every step */
    int recompute; /**< an rn_recompute; inference has nothing to do */
    /** 1: while the plan runs, each of its threads is bound to a processor of
     *  its own, if there are as many as threads and no other plan is bound:
     *  up to ten times faster on a machine where other programs compute, for
     *  threads wait for each other by spinning. 0: wherever the system puts
     *  them, as is right beside other threads of the program's own. */
    int bind;
    /** Inference: what is kept for rn_plan_values(): "conv1" to "conv5", the
     *  output of a stage (He et al. 2016, table 1; CIFAR's networks end with
     *  conv4), "last", that of the last stage, "pool", the means of it, or the
     *  name of a layer; NULL: nothing. Borrowed for the call. */
    const char *keep;
    int precision; /**< an rn_precision: of activations and convolutions */
    /** Nonzero: compute bfloat16 without the processor's dot products where it
     *  has none: slowly, with the same bits in training. */
    int emulate;
};

RN_INLINE void rn_plan_defaults(struct rn_plan_options *options);

/**
 * Compile a plan. The parameters are copied: changes to the model do not reach
 * it.
 *
 * @param options may be NULL for the defaults: inference, one image.
 */
RN_API int rn_plan_create(struct rn_plan **out, const struct rn_model *model,
                          const struct rn_plan_options *options,
                          struct rn_error *err);

/**
 * Another inference plan of the same options, to be run beside the first: it
 * has activations of its own, and the weights that the first has folded. That
 * one may be running meanwhile in another thread. Where an algorithm wants the
 * weights of a layer in another layout for that batch, or for the threads that
 * OpenMP grants here, the clone folds the model's anew and holds them itself.
 *
 * @param batch images per run of the clone; 0: as many as of the plan.
 * @return RN_ERR_ARG for a training plan, and where a layer is to be folded
 *         anew that was changed in the model since (the message names it);
 *         RN_ERR_KERNEL where OpenMP grants too few threads to tell.
 */
RN_API int rn_plan_clone(struct rn_plan **out, const struct rn_plan *plan,
                         int batch, struct rn_error *err);

/** Bytes such a plan would hold, without making it. @param options may be
 *  NULL. */
RN_API int rn_plan_estimate(const struct rn_model *model,
                            const struct rn_plan_options *options,
                            uint64_t *bytes, struct rn_error *err);

/**
 * A plan that only tells: rn_plan_step(), rn_plan_steps(), rn_plan_bytes(),
 * rn_plan_precision(). It takes no memory for values and starts no threads, and
 * so may be for more of them than there are processors (up to 1,024).
 *
 * @param options may be NULL.
 */
RN_API int rn_plan_outline(struct rn_plan **out, const struct rn_model *model,
                           const struct rn_plan_options *options,
                           struct rn_error *err);

/** Bytes that a plan holds, or an outlined one would. They are gone with it: a
 *  store's parameters too when nobody else holds it; no weights of a clone. */
RN_API uint64_t rn_plan_bytes(const struct rn_plan *plan);
/** What it computes with: an rn_precision, never auto. */
RN_API int rn_plan_precision(const struct rn_plan *plan);

RN_API void rn_plan_destroy(struct rn_plan *plan);

/**
 * Run one forward pass of an inference plan. All its memory is there already:
 * only oneDNN makes a small map for each of its primitives, and frees it again,
 * and a thread's first run starts the threads of its team.
 *
 * @param images float [batch][C][H][W], normalised (rn_model_preprocess()).
 * @param logits out, float [batch][classes]: what rn_model_info.output says,
 *               rn_probabilities() turns it into probabilities.
 * @return RN_ERR_ARG for a training plan or NULL, RN_ERR_KERNEL when a
 *         primitive fails, RN_ERR_MEMORY when the system starts no threads;
 *         logits is undefined then, the plan usable.
 */
RN_API int rn_plan_forward(struct rn_plan *plan, const float *images,
                           float *logits, struct rn_error *err);

/**
 * The same of fewer images than the plan's batch: `count`, at least 1. The rest
 * of the batch is computed on zeros, so it takes as long as a full one, and
 * gives the bits of a full one. The first time takes memory for a batch of
 * images.
 *
 * @param images float [count][C][H][W].
 * @param logits out, float [count][classes].
 * @return RN_ERR_MEMORY, too.
 */
RN_API int rn_plan_forward_some(struct rn_plan *plan, const float *images,
                                int count, float *logits, struct rn_error *err);

/** Shape of what a plan keeps of each image. @return RN_ERR_ARG when it keeps
 *  nothing. */
RN_API int rn_plan_kept(const struct rn_plan *plan, int *channels, int *height,
                        int *width);

/** What was kept of the images of the last forward pass, float [count]
 *  [channels][height][width]. @return RN_ERR_ARG when the plan keeps nothing.
 */
RN_API int rn_plan_values(const struct rn_plan *plan, float *values);

/** One of the likeliest classes. */
struct rn_class {
    int index;
    float probability;
    const char *name, *id; /**< borrowed from the model; NULL: it has none */
};

/**
 * What a picture shows, in one call: decode, prepare as the model says, run,
 * and sort. For one picture now and then: a plan is made for each call. Many
 * are classified faster with a plan of one's own, which this is made of, and
 * rn_feed_create().
 *
 * @param top   out, [k], the likeliest first; *k becomes the number of classes
 *              where these are fewer.
 * @return as rn_image_load(), rn_model_preprocess_image() and
 *         rn_plan_create(); RN_ERR_ARG for k below 1.
 */
RN_API int rn_classify(const struct rn_model *model, const char *path,
                       struct rn_class *top, int *k, struct rn_error *err);
/** The same of a picture's bytes; `name` is for messages. */
RN_API int rn_classify_bytes(const struct rn_model *model, const void *bytes,
                             size_t size, const char *name,
                             struct rn_class *top, int *k,
                             struct rn_error *err);

/** A value inside the network, of the last batch. */
struct rn_trace {
    const char *name, *op;       /**< of the layer; borrowed from the model */
    int channels, height, width; /**< of one image's */
    const float *values;         /**< [batch][channels][height][width] */
    size_t layer;                /**< its number, as in rn_model_layer() */
};

/**
 * Run one forward pass of an inference plan and hand out, in order, every
 * value the plan computes for itself: of a convolution with what is done to
 * its output in the same step (batch norm, addition, ReLU) the last; the last
 * of all are the logits.
 *
 * @param visit nonzero ends the run, and is returned.
 */
RN_API int rn_plan_trace(struct rn_plan *plan, const float *images,
                         int (*visit)(void *user, const struct rn_trace *value),
                         void *user, struct rn_error *err);

/** Turn `count` logits into probabilities in place, numerically safe. */
RN_API void rn_softmax(float *logits, int count);
/** Turn the `count` outputs of an image into probabilities in place. */
RN_API void rn_probabilities(enum rn_output output, float *values, int count);

/** Index of the first value that is infinite or not a number; `count` when all
 *  are finite. */
RN_API size_t rn_first_not_finite(const float *values, size_t count);

/** Indices of the k largest of `count` values, largest first; ties in
 *  order of index. k is from 1 to count. */
RN_API void rn_top_k(const float *values, int count, int k, int *indices);

struct rn_step_info {
    const char *name;      /**< layer(s) the step computes; borrowed */
    const char *pass;      /**< "forward", "backward data", … */
    const char *algorithm; /**< what was chosen; borrowed from the plan */
    double flops;          /**< per run, two per multiply-add */
    double bytes;          /**< activations read and written per run */
    double seconds;        /**< mean over the runs since the last reset */
    const char
        *precision; /**< it computes with: "fp32", "bf16", "int8"; static */
    /* How a run shares its work out among the plan's threads: */
    uint64_t pieces;      /**< of work; 0: one thread does it, or not known */
    int barriers;         /**< times that all threads wait for the last */
    double work;          /**< predicted, in multiply-adds: what is moved, and
                             transforms, too */
    double largest_share; /**< what the most loaded threads have over the mean,
                             1 at best; 0: not known */
    uint64_t scratch_bytes; /**< memory for it alone, of all threads */
};

RN_API size_t rn_plan_steps(const struct rn_plan *plan);
/** @return RN_ERR_ARG when i is past the end. */
RN_INLINE int rn_plan_step(const struct rn_plan *plan, size_t i,
                           struct rn_step_info *step);
/** Forget the times taken so far. */
RN_API void rn_plan_profile_reset(struct rn_plan *plan);

/* --------------------------------------------------------------- data */

/** A labelled image set in parts, held in memory; pictures are decoded when
 *  they are needed. */
struct rn_data;

enum rn_part { RN_PART_TRAIN = 0, RN_PART_VALIDATION = 1, RN_PART_TEST = 2 };

/** "train", "validation" or "test". */
RN_API const char *rn_part_name(enum rn_part part);

/** Training images to hold out as the validation part: a number or a share,
 *  not both. They are the last ones; of pictures about the same share of each
 *  class, chosen by seed and CLASS/FILE, so that it is all the same how DATA is
 *  written, whether it is an archive, and whether the parts' folder is given or
 *  the training part's. A picture that a list names several times is held out
 *  with all its lines, so that it may be some more. */
struct rn_data_options {
    size_t struct_size; /**< sizeof(struct rn_data_options) */
    int validation;
    double validation_percent;
    uint64_t seed; /**< 0; other seeds hold out other pictures */
    /** Rule that says what is held out and which folders are classes: 0, the
     *  newest; others are for models and runs that began under them (1: the
     *  choice follows from the path below DATA, and only train, val, valid,
     *  validation and test are parts; 2: lines of one picture may be parted,
     *  and numbers of classes count from 0). RN_ERR_ARG for one not known. */
    int rule;
    /** A folder that is none of DATA's where it lies in it, or NULL: that of a
     *  run to be. Folders that hold a run (run.json) never are. */
    const char *run;
};

/**
 * Open DATA: a folder of CIFAR-10/100, binary or pickled for Python
 * ("coarse:FOLDER": CIFAR-100 with its 20 coarse labels), or of IDX files
 * (plain or gzip), "synthetic:CxHxW:CLASSES[:COUNT]", or a folder of pictures:
 *  - FOLDER/CLASS/… (all of it the training part), or the same in train/, and
 *    val/ or test/, below FOLDER (or Training, TEST, valid, seg_train, …);
 *    classes are in byte order of the folders' names, or in that of numbers
 *    where all are, those of train/ where there is one; what could be parts or
 *    classes is refused with both readings;
 *  - FOLDER/labels.txt with `FILE CLASS` a line (the training part); FILE lies
 *    in FOLDER or FOLDER/images; CLASS is a number from 0 or, with
 *    FOLDER/classes.txt (a list as rn_model_label() reads), one of those, by
 *    identifier, name or the number it has there (its line's without one). In
 *    val/ or test/ it gives files the classes of train/. FOLDER/labels.csv
 *    does the same with `FILE,CLASS` a line, or with a heading that names the
 *    columns (file, image, …; class, label, …). There CLASS;CLASS are several
 *    classes of an image, and ; alone is none.
 * An archive (.tar, .zip) is as good as a folder and is read in place: DATA
 * itself, train.tar for train/, images.tar for images/, n01440764.tar for a
 * class where there are no class folders. One that is compressed as a whole, as
 * .tar.gz, is first unpacked into a temporary file in TMPDIR or else /var/tmp,
 * of at most 64 MB and 256 times its size, if the disk has room for that.
 *
 * @param options may be NULL: nothing is held out.
 * @return RN_ERR_IO when it cannot be read, RN_ERR_DATA when a file is
 *         not what it should be (the message says which, what was found
 *         and what was expected).
 */
RN_API int rn_data_open(struct rn_data **out, const char *spec,
                        const struct rn_data_options *options,
                        struct rn_error *err);
RN_API void rn_data_close(struct rn_data *data);

/** How pixels lie in an array of images. */
enum rn_pixel_layout {
    RN_LAYOUT_CHW = 0, /**< [image][channel][row][column] */
    RN_LAYOUT_HWC = 1  /**< [image][row][column][channel] */
};

/** Images of the caller's own, 0..255, in parts. */
struct rn_arrays {
    size_t struct_size; /**< sizeof(struct rn_arrays) */
    int channels, height, width, classes;
    enum rn_pixel_layout layout;
    /** By enum rn_part: how many, their pixels, and their labels from 0 to
     *  classes - 1. 0 and NULL for a part that is not there. */
    size_t count[3];
    const uint8_t *pixels[3];
    const int32_t *labels[3];
    const char *const *class_names; /**< [classes], UTF-8; NULL: none */
    const char *name;               /**< for messages; NULL: "arrays" */
};

/**
 * A data set of arrays, which are copied: they may be gone when this returns.
 *
 * @return RN_ERR_ARG for sizes that make no sense, RN_ERR_DATA for a label
 *         that no class has.
 */
RN_API int rn_data_from_arrays(struct rn_data **out,
                               const struct rn_arrays *arrays,
                               struct rn_error *err);

/**
 * A data set of pictures without classes, all of it the training part: the
 * file, or those of a folder or an archive as rn_pictures_find() finds them,
 * whatever folders they lie in. rn_quantize() takes it; what needs classes
 * refuses it.
 *
 * @return as rn_pictures_find(); RN_ERR_DATA or RN_ERR_IO, too, for a picture
 *         that is known not to load.
 */
RN_API int rn_data_from_pictures(struct rn_data **out, const char *path,
                                 struct rn_error *err);

struct rn_data_info {
    const char *format;          /**< "cifar10", "cifar100", "idx", "synthetic",
                                    "folders", "list", "pictures" */
    int channels, height, width; /**< height and width 0: pictures, sizes
                                    differ */
    int classes;                 /**< 0: pictures without any */
    int count[3];                /**< images per rn_part */
    uint64_t checksum; /**< of labels and pixels (pictures: names and sizes
                          of files) of all parts */
    uint64_t training; /**< of the training images, held out or not: of pictures
                          CLASS/FILE, sizes and classes; else `checksum` */
    int rule;          /**< as in rn_data_options, never 0 */
    int several;       /**< 1: some images have several classes, or none */
};

RN_INLINE void rn_data_describe(const struct rn_data *data,
                                struct rn_data_info *info);

/** Pixels [C][H][W], 0..255, and label of an image; either may be NULL. The
 *  label of one that has not one class is -1.
 *  @return RN_ERR_ARG when the data has no such image, or has pictures and
 *          pixels are asked for: rn_data_picture() has them. */
RN_API int rn_data_image(const struct rn_data *data, enum rn_part part,
                         int index, uint8_t *pixels, int *label,
                         struct rn_error *err);
/** The classes of an image, as many as there is room for.
 *  @return how many it has; RN_ERR_ARG when there is no such image. */
RN_API int rn_data_classes(const struct rn_data *data, enum rn_part part,
                           int index, int *classes, int room);

/** File of a picture, or NULL when there is none; "photos.tar/cat/1.jpg" in
 *  an archive. */
RN_API const char *rn_data_file(const struct rn_data *data, enum rn_part part,
                                int index);
/** Decode a picture, as rn_image_load(). @return RN_ERR_ARG, too, when the
 *  data has no such image, or no pictures. */
RN_API int rn_data_picture(const struct rn_data *data, enum rn_part part,
                           int index, int flags, struct rn_image *picture,
                           struct rn_error *err);

/** What there is to say of the data though nothing is wrong, as that a file
 *  holds several pictures, a folder was left out, or all lies in another: the
 *  i-th remark so far, or NULL; borrowed. Reading images may add some. */
RN_API const char *rn_data_remark(const struct rn_data *data, size_t i);

/** Name and identifier of a class, or NULL when the data set has none. */
RN_API const char *rn_data_class_name(const struct rn_data *data, int i);
RN_API const char *rn_data_class_id(const struct rn_data *data, int i);

/** The model's class for each of the data's, as rn_eval() takes them for that
 *  part, into map[rn_data_info.classes]: by identifier or name, where both
 *  sides have some; else by number. Where it fails, map has the number of those
 *  that are known, and a negative one of others.
 *  @return RN_ERR_DATA, listing them, when the model does not know classes that
 *          the part has images of, or there are others without names. */
RN_API int rn_match_classes(const struct rn_model *model,
                            const struct rn_data *data, enum rn_part part,
                            int32_t *map, struct rn_error *err);

/** What a model says of the images it was trained on. */
struct rn_model_training {
    int known;         /**< 0: which images these were is not stated */
    uint64_t checksum; /**< rn_data_info.training of its data */
    int images;        /**< of these, trained on */
    struct rn_data_options held_out; /**< the others, its struct_size 0; with
                                          known 0 the rule of its data alone, 0
                                          for models that this library did not
                                          train */
};

RN_INLINE void rn_model_training(const struct rn_model *model,
                                 struct rn_model_training *training);

/** What is odd about a picture's file, though it can be decoded. */
enum rn_picture_flags {
    RN_KIND_GREY = 1,
    RN_KIND_CMYK = 2,
    RN_KIND_PALETTE = 4,
    RN_KIND_DEEP = 8,         /**< 16 bits a channel */
    RN_KIND_ALPHA = 16,       /**< may be transparent */
    RN_KIND_PROGRESSIVE = 32, /**< or interlaced */
    RN_KIND_SEVERAL = 64      /**< more frames or pages; the first is taken */
};

/** Every image of a data set, looked at once. */
struct rn_survey;

struct rn_survey_options {
    size_t struct_size; /**< sizeof(struct rn_survey_options) */
    int threads;        /**< 0: rn_machine.threads */
    void *user;
    /** As in rn_eval_options. */
    int (*progress)(void *user, int done, int images);
};

/** Decode every image of all parts. One that cannot be decoded does not end
 *  it. Holds the data. @param options may be NULL. */
RN_API int rn_data_survey(struct rn_survey **out, const struct rn_data *data,
                          const struct rn_survey_options *options,
                          struct rn_error *err);

struct rn_surveyed {
    const char *error;  /**< why it cannot be decoded, or NULL; borrowed */
    const char *format; /**< one of rn_image_formats(); NULL for others and for
                             images in memory */
    int flags;          /**< of rn_picture_flags */
    int orientation;    /**< of EXIF or XMP; 2 to 8: it is turned */
    int width, height;
    int twin; /**< whether an image before it has the same content, byte by
                   byte (of files, the whole file): that one's part and index */
    enum rn_part twin_part;
    int twin_index;
};

/** @return RN_ERR_ARG when there is no such image. */
RN_INLINE int rn_survey_image(const struct rn_survey *survey, enum rn_part part,
                              int index, struct rn_surveyed *image);

/** Mean and standard deviation of each channel (pictures: 3) over the pixels,
 *  scaled to 0..1, of those images of a part that can be decoded; every image
 *  counts alike, whatever its size. Zero images: zeros. */
RN_API void rn_survey_stats(const struct rn_survey *survey, enum rn_part part,
                            double *mean, double *std);

RN_API void rn_survey_destroy(struct rn_survey *survey);

/* ----------------------------------------------------------- training */

/** Whether a network is trained with its auxiliary heads, if it has any. They
 *  are in last.safetensors and best.safetensors; what reads these leaves them
 *  out unless rn_import_options.aux_heads asks for them. */
enum rn_aux_heads {
    RN_AUX_HEADS_AUTO = 0, /**< with them, if they fit the images */
    RN_AUX_HEADS_ON = 1,   /**< with them; RN_ERR_ARG where it has none, or they
                              do not fit */
    RN_AUX_HEADS_OFF = 2
};

/** All text fields are borrowed until rn_train() returns. What is 0 or NULL
 *  is chosen: as stated for images of one size, by the number of pictures, the
 *  memory and the weights for pictures. What was chosen is told, and kept in
 *  run.json. Where RN_ZERO is named it stands for 0 itself. Stages are the
 *  paper's: conv1, conv2 … conv5, fc. */
struct rn_train_options {
    size_t struct_size; /**< sizeof(struct rn_train_options) */
    const char *data;   /**< as for rn_data_open() */
    /** Data that are open, in place of `data`. What is held out of them was
     *  said when they were opened. */
    const struct rn_data *data_set;
    const char *out;          /**< run folder to make */
    const char *net;          /**< network name; NULL: that of `weights`, else
                                 "resnet20" */
    const char *weights;      /**< model file to start from, or NULL */
    const char *holder, *map; /**< of its tensors, as in rn_import_options */
    int skip_extra;           /**< likewise */
    char shortcut;   /**< as in rn_net_options; beside `weights` this */
    int stride_v1;   /**< and this must agree with the file */
    int size;        /**< side of the images made of pictures */
    int resize;      /**< shorter side of a picture that is tested on */
    int batch;       /**< 128 */
    int threads;     /**< 0: rn_machine.threads */
    long iterations; /**< 0: from epochs */
    double epochs;   /**< 0: from iterations; both 0: 64,000 iterations */
    /** How gradients change the weights: "sgd" (the default) and "nesterov"
     *  (momentum), "adamw" (decoupled weight decay), "rmsprop", "lars" (layers
     *  have rates of their own; biases and batch norm learn at lr). Each takes
     *  some of the options below, and refuses others that are neither 0 nor as
     *  rn_train_defaults() leaves them; weight_decay and decay_all are for
     *  all. */
    const char *optimizer;
    double lr;           /**< 0.1; adamw and rmsprop 0.001, lars 1 */
    double momentum;     /**< sgd, nesterov, lars: 0.9; RN_ZERO: none */
    double beta1, beta2; /**< adamw: decay of the averages of gradients, 0.9,
                              and of their squares, 0.999; RN_ZERO: the last
                              gradient's alone */
    double alpha;        /**< rmsprop: decay of the squares' average, 0.99;
                              RN_ZERO, too */
    double epsilon;      /**< adamw, rmsprop: added to divisors; 1e-8 */
    double trust;        /**< lars: a layer's rate is lr * trust * norm of its
                              weights / (norm of their gradient +
                              weight_decay * norm of its weights); 0.001 */
    double weight_decay; /**< 1e-4; RN_ZERO: none */
    int decay_all;       /**< 1, the default: batch norm and biases decay, too;
                            RN_ZERO: weights only */
    /** "step:A,B,…" divides lr by 10 at iterations A, B, …, or at
     *  percentages of the run with "%", "step:A,B,…*X" multiplies it by X;
     *  "constant"; "cosine"; "poly[:P]" falls to 0 as the P-th power (2) of
     *  what is left; "one-cycle[:PERCENT]" rises for PERCENT (30) of the run.
     *  Default: the paper's "step:50%,75%". */
    const char *schedule;
    /** "none", the default; "N": the rate rises linearly over N iterations;
     * "error:P": warmup_lr until the training error falls below P per cent (He
     * et al. 2016, section 4.2: 0.01 until 80, for 110 layers). */
    const char *warmup;
    double warmup_lr; /**< 0.01; RN_ZERO, too */
    /** "cross-entropy" of a softmax (the default); "smoothed-cross-entropy",
     *  whose label_smoothing is 0.1 unless given; "binary-cross-entropy" of
     *  sigmoids, each class by itself; "squared-hinge", each class against the
     *  others. The model's output is what the loss makes it. */
    const char *loss;
    double label_smoothing;    /**< 0; of the first two; RN_ZERO: 0 of the
                                    second, too */
    uint64_t seed;             /**< 1; RN_ZERO: seed 0 */
    int validation;            /**< last training images to hold out; 0 */
    double validation_percent; /**< or a share of them; as rn_data_options */
    /** "none", "flip", "crop", "crop-flip" (the default); of pictures
     *  "area" (a part of random area and aspect ratio, resized; flipped) and
     *  "shorter" (the paper's for ImageNet: the shorter side resized to a
     *  random length of 8/7 to 15/7 of the size, random crop, flip). */
    const char *augment;
    int crop_pad;     /**< pixels added on each side; 4; RN_ZERO: none */
    double crop_area; /**< "area": least share of the picture; 0.08 */
    /** "none" (the default), "pca" (the paper's) or "jitter" (brightness,
     * contrast, saturation by up to 40 %). */
    const char *colour;
    double erase;  /**< share of images with a random part erased; 0 */
    double mixup;  /**< parameter of mixup, to 1; 0: off */
    double cutmix; /**< of cutmix */
    int skip_bad;  /**< 1: another picture stands in for a training picture
                      that cannot be read, which is named; 0: the run stops */
    /** "channel" (mean and std, the default), "pixel" (mean of every pixel, the
     *  paper's), "gcn" (each image less its own mean, of deviation 0.992: norm
     *  55 for 3x32x32) or "gcn-zca" (that, then ZCA whitening of the training
     *  images, of which there must be more than an image has numbers: I.
     *  Goodfellow et al. 2013). The model keeps what was computed. */
    const char *normalize;
    const char *last_batch; /**< "wrap" (the paper's, the default),
                               "drop", "keep" */
    long report_every;      /**< iterations per log line; 0: chosen */
    long test_every;        /**< iterations per test; 0: every epoch */
    long save_every;        /**< iterations per checkpoint; 0: with tests,
                               and every ten minutes */
    int exact;              /**< no Winograd */
    int recompute;          /**< an rn_recompute */
    /** Stages that stay as they are, "conv1-conv4", "conv1,fc" or "none";
     *  backward goes no deeper than it must. */
    const char *freeze;
    /** "STAGES=X,…": these learn at X times the rate; NULL: all alike. */
    const char *lr_scale;
    /** "batch" or "running": what batch norm normalises with in training. In
     *  frozen stages it is always the running statistics. */
    const char *batch_norm;
    /** "none", or "balanced": an image counts the more the fewer there are of
     *  its class. */
    const char *class_weights;
    double ema;     /**< decay of an average of the weights, which is tested and
                       saved as best; 0: none */
    int patience;   /**< tests in a row without a smaller error that end the run
                       early; 0: none do */
    int reestimate; /**< 1: after the last step the running statistics are
                       made anew, as averages over the training images */
    int accumulate; /**< batches of an iteration, whose gradients' mean makes
                       one step; each has its own batch norm statistics, and
                       counts alike. Iterations go on over the end of an epoch.
                       0: 1 */
    int data_rule;  /**< as rn_data_options.rule */
    int bind;       /**< as in rn_plan_options */
    int precision;  /**< an rn_precision; tests are always in float32 */
    int emulate;    /**< as in rn_plan_options */
    int aux_heads;  /**< an rn_aux_heads */
    /** Model file whose answers are learned beside the labels (distillation,
     *  Hinton et al. 2015), for the same classes and images of the same size;
     *  or NULL. To the loss comes weight * temperature^2 * the cross-entropy of
     *  the softmaxes of its logits and the network's over the temperature. It
     *  answers in `precision`, too, unless it is quantised. Without `weights`
     *  images are normalised as for the teacher. */
    const char *teacher;
    double distill_temperature; /**< 0: 3 */
    double distill_weight;      /**< at the run's beginning; 0: 1 */
    double distill_weight_end;  /**< at its end, falling or rising evenly; 0: as
                                   at the beginning; RN_ZERO: 0 */
    /** Highway networks: the biases of their gates begin at -gate_bias; 0: 2;
     *  RN_ZERO: at 0. */
    double gate_bias;
    /** "STAGES=X,…": after each step the weights that come into a unit of these
     *  stages' layers, a filter of a convolution or a row of a linear layer,
     *  are shrunk to a norm of X where it is larger (N. Srivastava 2013);
     * biases stay. Layers in groups are refused. NULL or "none": no limit. */
    const char *max_norm;
    const char *block; /**< as in rn_net_options; beside `weights` this */
    double dropout;    /**< and this must agree with the file */
    int tensorboard;   /**< 1: the lines of the log also as events for
                          TensorBoard, events.out.tfevents.log */
    /** "layers[:N]": at the first and every N-th iteration (100) a line of the
     *  log tells norms of each layer's gradient and variances of what each
     *  batch norm reads; NULL or "none": none does. The weights are the same to the bit. */
    const char *record;
    /** "LAYER:HINT", or NULL: train the network up to its LAYER alone, so that
     *  a regressor on it predicts the value of `teacher`'s layer HINT (A. Romero
     *  et al. 2015, stage one of FitNets). Names are those of
     *  rn_plan_options.keep; the teacher's classes do not count. The regressor
     *  is a convolution, of windows as large as it takes to get from the one's
     *  pixels to the other's, with HINT's own ReLU or maxout; the loss half the
     *  mean square of what is between. The run's models are the whole network,
     *  without the regressor, which lies in last.safetensors among the
     *  optimiser's states: another run goes on from one of them as `weights`.
     *  Nothing is tested, and train_error is NaN. */
    const char *hint;
    /** Groups of equal size that a batch is cut into, in order. Each has batch
     *  norm statistics of its own, as on a GPU of its own; running statistics
     *  take the mean of the groups', and so does the step of their gradients,
     *  which are added up in an order that follows from the number of groups
     *  alone. Without `accumulate` and `record`. 0: 1, or the number of ranks
     */
    int groups;
    /** Train with others: each rank computes as many groups, to the same bits
     *  as one process does. Borrowed for the call; NULL: alone. */
    struct rn_ranks *ranks;
    /** What large batches want (P. Goyal et al. 2017). `lr` is that of steps of
     *  so many images: of other steps it is multiplied by images / lr_batch,
     *  and warmup "N" begins at `lr` itself where that is less. 0: `lr` is the
     *  rate as it is. */
    int lr_batch;
    int zero_gamma; /**< 1: the last batch norm of every residual block begins
                       with weights of 0, so that the block changes nothing at
                       first; RN_ERR_ARG where none ends in one */
    /** 1: each group's gradients, and every sum of several groups', are rounded
     *  to bfloat16, so that ranks send half as many bytes; the same bits on any
     *  number of ranks. Their mean, and the step, are float32. For several
     *  groups. 0: all is float32 */
    int gradient_precision;
    /** 1: batch norm takes its statistics over the whole batch, however many
     *  groups there are. Each group is then a rank's of its own; without
     *  reestimate. */
    int sync_batch_norm;
};

RN_INLINE void rn_train_defaults(struct rn_train_options *options);

/**
 * Iterations of rn_train() with such options over so many training images:
 * `iterations`, or what `epochs` come to by batch, last_batch and accumulate;
 * 64,000 without either (He et al. 2016, section 4.2). Of pictures rn_train()
 * chooses what is left open otherwise.
 *
 * @param options may be NULL for the defaults; `data` in them is not looked at.
 * @return RN_ERR_ARG for options that are none, a batch of more than `images`,
 *         and more than a billion iterations.
 */
RN_API int rn_train_iterations(const struct rn_train_options *options,
                               int images, long *iterations,
                               struct rn_error *err);

/**
 * Images as training with such options shows them to the network: `count`
 * training images of the first epoch, changed as augment, crop_pad, crop_area,
 * colour, erase, mixup, cutmix and seed say. Pictures become size x size. What
 * is padded or erased is grey.
 *
 * @param options may be NULL for the defaults; `data` in them is not looked at.
 * @param images out, [count]; rn_image_free() releases each.
 * @return RN_ERR_ARG for options that are none and when there are not so many,
 *         RN_ERR_DATA and RN_ERR_IO for a picture that cannot be decoded.
 */
RN_API int rn_train_preview(const struct rn_data *data,
                            const struct rn_train_options *options, int size,
                            struct rn_image *images, int count,
                            struct rn_error *err);

/** A network that learns batch by batch, for programs with a training loop of
 *  their own: they bring the images and say when which rate applies. */
struct rn_learner;

/**
 * Make one that begins with the model's parameters. It holds the model; the
 * parameters it learns are its own until rn_learner_store().
 *
 * @param options may be NULL. Of these count `batch` (images a step; 128),
 *                `threads`, `bind`, `exact`, `recompute`, `precision`,
 *                `emulate`, `seed`, `loss`, `label_smoothing`, `optimizer`
 *                with its own options, `weight_decay` and `decay_all`.
 * @return RN_ERR_ARG for options that make no sense, a loss of another output
 *         than the model's, what training cannot do, and for options of whole
 *         runs: freeze, lr_scale, max_norm, batch_norm, class_weights, weights,
 *         teacher, hint, ema, gate_bias, zero_gamma, lr_batch, mixup, cutmix,
 *         accumulate, groups, sync_batch_norm, gradient_precision.
 */
RN_API int rn_learner_create(struct rn_learner **out, struct rn_model *model,
                             const struct rn_train_options *options,
                             struct rn_error *err);

/**
 * Forward and backward: the gradients of the mean loss of a batch, in place of
 * those before. Running statistics move.
 *
 * @param images float [batch][C][H][W], normalised (rn_model_preprocess()).
 * @param labels [batch], from 0.
 * @param loss   out, mean of the batch, without the losses of auxiliary heads;
 *               errors: images answered wrongly. Both may be NULL.
 * @return RN_ERR_ARG for a label that no class has, RN_ERR_LOSS when the loss
 *         is not finite: then there is nothing to update with, and the running
 *         statistics are as before.
 */
RN_API int rn_learner_learn(struct rn_learner *learner, const float *images,
                            const int32_t *labels, double *loss, int *errors,
                            struct rn_error *err);

/** Change the parameters by the gradients. @return RN_ERR_ARG when there are
 *  none since the last time, or for a rate out of range. */
RN_API int rn_learner_update(struct rn_learner *learner, double lr,
                             struct rn_error *err);

/** Answers of the network as it is now, as rn_plan_forward() gives them, to
 *  `batch` images. Statistics and gradients stay. */
RN_API int rn_learner_forward(struct rn_learner *learner, const float *images,
                              float *logits, struct rn_error *err);

/** Copy what was learned so far into the model, to be saved or run. Nobody may
 *  use the model meanwhile. */
RN_API void rn_learner_store(struct rn_learner *learner);

RN_API void rn_learner_destroy(struct rn_learner *learner);

/** A measure of a test, as log.jsonl has it. */
struct rn_measured {
    const char *name;  /**< "test_error", "test_f1", …; static, as is title */
    const char *title; /**< "error"; NULL: not for a line of progress */
    int percent;       /**< 1: per cent */
    double value;
};

#define RN_MEASURED_MAX 8

struct rn_train_report {
    long iteration, iterations; /**< done, of all */
    double epoch;               /**< epochs done */
    double loss, train_error;   /**< mean since the last report (the loss
                                   with label smoothing); per cent, NaN with
                                   `hint` */
    double lr;
    double images_per_second;
    double data_wait; /**< share of the time spent waiting for data */
    double seconds_left;
    int tested; /**< nonzero when the following three are set */
    double test_error, test_error5, test_loss; /**< as in rn_train_result */
    enum rn_part test_part; /**< validation when there is one, else test */
    int measures;           /**< of the test, 0 without one */
    struct rn_measured measured[RN_MEASURED_MAX];
    size_t aux_heads; /**< that learn, too; their losses are not in `loss` */
    double aux_loss;  /**< mean of their losses' sum, by their weights; 0
                         without any */
};

struct rn_train_events {
    size_t struct_size; /**< sizeof(struct rn_train_events) */
    void *user;
    /** After every log line; may be NULL. */
    void (*report)(void *user, const struct rn_train_report *report);
    /** After every iteration, for progress bars; may be NULL. `report`
     *  holds running figures; nothing in it is "tested". */
    void (*tick)(void *user, const struct rn_train_report *report);
    /** Lines of text worth showing (what was picked, where it went); may be
     *  NULL. */
    void (*message)(void *user, const char *text);
    /** Asked after every iteration: nonzero finishes, saves and returns
     *  RN_ERR_STOPPED; may be NULL. */
    int (*stop)(void *user);
};

struct rn_train_result {
    long iterations;
    double seconds;
    double loss, train_error; /**< of the last report */
    /** Of the last test; per cent. The error is of images that have any number
     *  of classes those whose classes are not all right; test_error5 is NaN. */
    double test_error, test_error5, test_loss;
    double best_error;   /**< smallest tested error, per cent */
    long best_iteration; /**< with the smallest loss of these; -1: no test
                            yet */
    int classes;
    enum rn_part test_part;
    int test_images; /**< 0: nothing to test on */
    int measures;    /**< of the last test, 0 before it */
    struct rn_measured measured[RN_MEASURED_MAX];
};

/**
 * Train a network. Makes the run folder `out` with run.json, log.jsonl,
 * log.csv, last.safetensors, best.safetensors and curve.svg; refuses a folder
 * that already holds a run.
 *
 * @param events may be NULL, as may result, which is filled on failure, too.
 * @return RN_ERR_ARG for options that make no sense and an output folder in
 *         use, RN_ERR_IO and RN_ERR_DATA as for rn_data_open() and
 *         rn_model_load(), RN_ERR_LOSS when loss or parameters are no longer
 *         finite (the last good checkpoint stays), RN_ERR_STOPPED when
 *         events->stop said so (state was saved).
 */
RN_INLINE int rn_train(const struct rn_train_options *options,
                       const struct rn_train_events *events,
                       struct rn_train_result *result, struct rn_error *err);

/** What a run does otherwise from now on; 0 or NULL: as before. It is kept in
 *  run.json, under "options" and, with the old values, "changes", but for
 *  `bind`, `emulate` and `ranks`, which are this process's alone: 0 is 0. */
struct rn_resume_options {
    size_t struct_size;             /**< sizeof(struct rn_resume_options) */
    const char *data;               /**< where its data lie now */
    const struct rn_data *data_set; /**< or the data themselves */
    int threads;
    /** A greater length, in one of the two, where the schedule is the same for
     *  every length: constant, or steps at iterations; not with
     *  distill_weight_end, nor where `patience` has counted a test at the end
     *  that a longer run does not make there. */
    long iterations;
    double epochs;
    int bind;    /**< as in rn_plan_options */
    int emulate; /**< likewise: go on with a run in bf16 on another machine */
    struct rn_ranks *ranks; /**< as in rn_train_options; of any number that
                               divides the run's groups */
};

/**
 * Go on with a run that was stopped or killed: same weights, to the bit, as if
 * it had not been (same machine and library), on any number of threads: the
 * run's own, or if that is 0 what this process may use. A run made longer has
 * the last weights of one that was so long from the beginning; the test at the end
 * that there was remains, and may have been the best.
 *
 * @param options may be NULL.
 * @return what rn_train() does; RN_ERR_ARG when `run` holds none, and for a
 *         length that it cannot have; RN_ERR_DATA when the data are others.
 */
RN_INLINE int rn_train_resume(const char *run,
                              const struct rn_resume_options *options,
                              const struct rn_train_events *events,
                              struct rn_train_result *result,
                              struct rn_error *err);

/** How far a run folder is. */
struct rn_run_state {
    long iteration;  /**< of the checkpoint; 0: none yet */
    long iterations; /**< of the whole run; 0: the folder holds no run */
    int finished;    /**< it did all of them and its last test, or ended early
                        by `patience`, and saved */
    int saved;       /**< there is a checkpoint to resume from */
    int data_rule;   /**< what its data were read by, as in rn_data_options */
    uint64_t data_checksum; /**< rn_data_info.checksum of its data under that
                                 rule; 0: not stated */
};

/** @return RN_OK, too, for a folder that is not there or holds no run;
 *          RN_ERR_IO and RN_ERR_DATA for a run.json that cannot be read. */
RN_INLINE int rn_run_get(const char *run, struct rn_run_state *state,
                         struct rn_error *err);

/**
 * Whether a run was made with these options: all that shape its result. One
 * that `options` leaves open, and rn_train() would choose, may have any value if
 * the run's was left open, too; one that the run left open is what its network
 * has, as `shortcut`. `weights` and `teacher` are the same where their whole paths
 * are. Where `data` lie is all the same; rn_run_state tells which they were.
 *
 * @param field out, the first option that differs, as rn_train_option() names
 *              it, or "": none does.
 * @return RN_ERR_ARG when `run` holds no run, RN_ERR_IO, RN_ERR_DATA.
 */
RN_API int rn_run_compare(const char *run,
                          const struct rn_train_options *options,
                          char field[32], struct rn_error *err);

/* ------------------------------------------------------------ studies */

/** Runs named by a file as the product of options. */
struct rn_study;

/**
 * Read a file of lines "option = value | value ...", with # comments. Options
 * are any texts to this function; their product makes the runs, the first
 * varying slowest. Not options are
 *
 *     title = TEXT, recipe = RECIPE, data = DATA
 *     name = {net}-seed{seed}              pattern of the runs' names
 *     exclude = option=value ...           leave out the runs that meet these
 *     when = option=value ...: option=value ...   runs that do have these, too
 *     figure = TITLE: RUN ...              curves in a picture of the report
 *
 * where a condition's value and RUN may have * and ?.
 *
 * @return RN_ERR_ARG for a file that makes no sense, names no runs, or two of
 *         one name; RN_ERR_IO, RN_ERR_DATA when it cannot be read.
 */
RN_API int rn_study_read(struct rn_study **out, const char *path,
                         struct rn_error *err);
RN_API void rn_study_destroy(struct rn_study *study);

/** The file of a folder that rn_study_keep() writes. */
#define RN_STUDY_FILE "study.conf"
/** Keep what the file says beside the runs, whole or not at all, also when
 *  several processes do so at once. @return RN_ERR_IO when it cannot be. */
RN_API int rn_study_keep(const struct rn_study *study, const char *dir,
                         struct rn_error *err);

/** What the file says; NULL: nothing. */
RN_API const char *rn_study_title(const struct rn_study *study);
RN_API const char *rn_study_recipe(const struct rn_study *study);
RN_API const char *rn_study_data(const struct rn_study *study);
/** The name of a run; NULL past the end. */
RN_API const char *rn_study_run(const struct rn_study *study, size_t run);
/** The name of its i-th option, and its value; NULL past the end. */
RN_API const char *rn_study_setting(const struct rn_study *study, size_t run,
                                    size_t i, const char **value);

/** What a report is of. */
struct rn_study_result {
    size_t runs, finished;
    size_t groups; /**< of runs that differ in nothing but their seed */
};

/**
 * Write report.html, report.md, report.csv and a figure-N.svg for each figure
 * of all runs below a folder into it: means and standard deviations over seeds
 * of what has finished, learning curves of all.
 *
 * @param study   for title and figures; may be NULL.
 * @param message is called for each run or line that cannot be read and is left
 *                out; may be NULL.
 * @return RN_ERR_ARG when there are no runs, RN_ERR_IO when a file cannot be
 *         written.
 */
RN_INLINE int rn_study_report(const char *dir, const struct rn_study *study,
                              void (*message)(void *user, const char *text),
                              void *user, struct rn_study_result *result,
                              struct rn_error *err);

/* --------------------------------------------------------- evaluation */

struct rn_eval_options {
    size_t struct_size; /**< sizeof(struct rn_eval_options) */
    int batch;          /**< 0: chosen */
    int threads;        /**< 0: rn_machine.threads; as many load pictures */
    int exact;
    int bind;      /**< as in rn_plan_options */
    int images;    /**< at most so many of the part, spread evenly over it; 0:
                      all. Without report or scales */
    int as_stored; /**< leave the EXIF orientation of pictures alone */
    int crops;     /**< of pictures: 0 or 1, the centre; 10, the corners and the
                      centre of the middle square and their mirror images
                      (Krizhevsky et al. 2012), probabilities averaged */
    /** Whole pictures and their mirror images instead, their shorter side
     *  resized to each of these, the network fully convolutional (He et al.
     *  2016, section 3.4), probabilities averaged. Borrowed for the call. */
    const int *scales;
    size_t n_scales; /**< 0: crops */
    int keep;        /**< 1: the report keeps all probabilities, a float for
                        each image and class */
    void *user;
    /** Called now and then with images done and of all; may be NULL.
     *  Nonzero stops with RN_ERR_STOPPED. */
    int (*progress)(void *user, int done, int images);
    int precision; /**< an rn_precision */
    int emulate;   /**< as in rn_plan_options */
    /** Evaluate with others, each image once; without scales. Borrowed for the
     *  call; NULL: alone. All ranks have the same result and report. */
    struct rn_ranks *ranks;
};

struct rn_eval_result {
    int images;
    /** Measures of images that have one class each are NaN for those that have
     *  any number of them, and the other way round; but a model that answers
     *  for each class by itself has both on images of one class each. */
    double top1_error, top5_error; /**< per cent */
    double loss;                   /**< mean cross-entropy; of sigmoids the
                                      binary one, the mean over the classes */
    double calibration_error;      /**< expected, of 15 bins; per cent */
    int several; /**< 1: images have any number of classes, of which those
                    above a half are answered */
    double exact_error; /**< images whose classes are not all right; per cent */
    double mean_average_precision; /**< over the classes that occur; 0 to 1 */
    double f1;                     /**< over all classes of all images */
    char protocol[256]; /**< "single view", "centre 224x224 of …" */
    double seconds;
};

RN_INLINE void rn_eval_defaults(struct rn_eval_options *options);

/**
 * Error rates and loss of a model over a part of a data set, every image
 * once, preprocessed as the model says. The classes of pictures are the
 * model's of the same identifier or name, and may be some of them only. Among
 * equal logits the one of the smaller class index counts as larger.
 *
 * @param options may be NULL for the defaults.
 * @return RN_ERR_DATA when the data has other classes or another input size
 *         than the model (the message gives both), RN_ERR_DATA or RN_ERR_IO
 *         when a picture cannot be decoded (none is left out) or an answer is
 *         not finite (the message names the image), RN_ERR_ARG when it has
 *         no such part or the model carries no preprocessing.
 */
RN_INLINE int rn_eval(const struct rn_model *model, const struct rn_data *data,
                      enum rn_part part, const struct rn_eval_options *options,
                      struct rn_eval_result *result, struct rn_error *err);

/** The answers to every image of an evaluation. Holds model and data. */
struct rn_report;

/** The same of several models at once, their probabilities averaged; they must
 *  have the same classes. Averages over models or scales hold a float for each
 *  image and class.
 *
 * @param report may be NULL; receives what rn_report_destroy() releases.
 */
RN_INLINE int rn_eval_models(const struct rn_model *const *models, size_t count,
                             const struct rn_data *data, enum rn_part part,
                             const struct rn_eval_options *options,
                             struct rn_eval_result *result,
                             struct rn_report **report, struct rn_error *err);

/** The answer to an image. Classes are the model's. */
struct rn_answer {
    int label;
    int rank;          /**< the label's place among the classes, likeliest
                          first, from 0; INT_MAX when its score is NaN */
    float probability; /**< of the label */
    int count;         /**< of the following: 5, or all classes */
    int top[5];        /**< likeliest first */
    float top_probability[5];
};

/** Answer to image `index` of the part. @return RN_ERR_ARG past the end. */
RN_INLINE int rn_report_answer(const struct rn_report *report, int index,
                               struct rn_answer *answer);

/** What became of the images labelled as one class. */
struct rn_class_result {
    int images, right1, right5; /**< right at once; among the first five */
    int answered;               /**< images of any class taken for it */
};

/** @return RN_ERR_ARG for a class the model has not. */
RN_INLINE int rn_report_class(const struct rn_report *report, int i,
                              struct rn_class_result *result);

/** What is told of a class against all others, or as means over classes;
 *  shares from 0 to 1. What divides by 0 is NaN. */
struct rn_measures {
    double precision; /**< of the answers, the right ones; NaN for a class
                         never answered */
    double recall;    /**< of the images, those answered right; NaN for a class
                         without images */
    double f1;        /**< 2 right / (images + answers); NaN for a class that
                         has neither */
    double balanced_accuracy; /**< mean of the recall and that of the rest */
    double roc_auc; /**< area under the curve of the class's probability: of
                       an image of the class and one of the rest, how often the
                       first has the larger one, equal ones counting a half;
                       NaN where one of the two is missing */
    double average_precision; /**< mean over the class's images of the
                                 precision down to their probability, images of
                                 equal ones taken together; NaN without any */
};

/** Measures of class i, one against the rest.
 *  @return RN_ERR_ARG for a class the model has not, and for a report made
 *          without rn_eval_options.keep. */
RN_INLINE int rn_report_class_measures(const struct rn_report *report, int i,
                                       struct rn_measures *measures,
                                       struct rn_error *err);

/** Means over classes, all of the same weight ("macro"): precision, recall and
 *  F1 over those that are a label or an answer, NaN counting 0;
 *  balanced_accuracy, the mean recall of those that have images; the others
 *  over the classes that have them. These are scikit-learn's, with its
 *  zero_division = 0. @return As above. */
RN_INLINE int rn_report_measures(const struct rn_report *report,
                                 struct rn_measures *measures,
                                 struct rn_error *err);

/** Write all probabilities, as rn_features_create(): a row for each image,
 *  in the part's order, a number for each class. @return As there, and above.
 */
RN_API int rn_report_probabilities(const struct rn_report *report,
                                   const char *path, struct rn_error *err);

/** Write every image with its label and answer, as CSV. */
RN_API int rn_report_predictions(const struct rn_report *report,
                                 const char *path, struct rn_error *err);

/** Write the confusion matrix of the classes that occur: as CSV, SVG or text,
 *  the name ending in .csv, .svg or .txt.
 *  @return RN_ERR_ARG for another ending. */
RN_API int rn_report_confusion(const struct rn_report *report, const char *path,
                               struct rn_error *err);

/** Write a page (HTML) that shows the images answered wrongly, the surest
 *  answers first. Pictures are linked to where they lie, others are in the
 *  page. */
RN_API int rn_report_mistakes(const struct rn_report *report, const char *path,
                              struct rn_error *err);

RN_API void rn_report_destroy(struct rn_report *report);

/** A file of embeddings (rn_plan_values()) being written. */
struct rn_features;

/**
 * Begin a file, a row for each image of `shape` numbers (channels, height,
 * width), which appears whole when finished: FILE.npy, float32 [rows]
 * [channels] or, unless they are 1, [rows][channels][height][width], with the
 * names a line each in FILE.npy.names.txt; or FILE.csv, the name first.
 *
 * @return RN_ERR_ARG for another ending.
 */
RN_API int rn_features_create(struct rn_features **out, const char *path,
                              const int shape[3], struct rn_error *err);
RN_API int rn_features_add(struct rn_features *features, const char *name,
                           const float *values, struct rn_error *err);
/** Put the file into place. Either way `features` is gone. */
RN_API int rn_features_finish(struct rn_features *features,
                              struct rn_error *err);
/** Give up: nothing is left of it. Takes NULL. */
RN_API void rn_features_abort(struct rn_features *features);

/* ---------------------------------------------------- layer responses */

/** What batch norm normalises by while responses are measured. */
enum rn_response_norm {
    RN_RESPONSE_RUNNING = 0, /**< the running statistics, as when answering */
    RN_RESPONSE_BATCH = 1    /**< each batch's own, as in training; dropout
                                drops, too */
};

struct rn_response_options {
    size_t struct_size; /**< sizeof(struct rn_response_options) */
    int images;         /**< at most so many, spread evenly over the part; 0:
                           all */
    int batch_norm;     /**< an rn_response_norm */
    int all;     /**< nonzero: of all convolutions, not of 3x3 ones alone */
    int batch;   /**< 0: chosen */
    int threads; /**< 0: rn_machine.threads */
    int exact;   /**< no Winograd */
    int bind;    /**< as in rn_plan_options */
    void *user;
    /** Called now and then with images done and of all; may be NULL. Nonzero
     *  stops with RN_ERR_STOPPED. */
    int (*progress)(void *user, int done, int images);
};

/** How large the responses of a network's layers are. Holds the model. */
struct rn_responses;

/** The response of a convolution over images, channels and pixels. */
struct rn_response {
    const char *name;  /**< of the convolution; the responses' */
    int rows, columns; /**< of its window */
    int channels;
    double mean, deviation;
    int rank; /**< place by deviation among the layers, from 1, the largest */
};

/** What was measured. */
struct rn_response_info {
    size_t layers;
    enum rn_part part;
    int images, batch;
    const char *value; /**< "batch norm": of the convolution and the batch norm
                          that follows it; "convolution": of this alone, where a
                          layer has no batch norm of its own. Static, as the
                          next */
    const char *batch_norm; /**< "running", "batch"; "none": the network has
                               none */
};

RN_INLINE void rn_response_defaults(struct rn_response_options *options);

/**
 * Standard deviations of layers' responses (He et al. 2016, section 4.2 and
 * figure 7): of the outputs of convolutions after batch norm, before ReLU and
 * addition, over images, channels and pixels. Where any of the layers has no
 * batch norm that reads it alone (pre-activation, dense blocks, plain networks
 * of old), all are taken as the convolutions make them. Sums are the same to
 * the bit on any number of threads.
 *
 * @param options may be NULL for the defaults.
 * @return RN_ERR_ARG for a model that is quantised, carries no preprocessing,
 *         or has no such layer; for a part without images; with
 *         RN_RESPONSE_BATCH for what cannot be trained here; RN_ERR_DATA for
 *         images of another size, or a response that is not finite (the message
 *         names the layer).
 */
RN_API int rn_responses_measure(struct rn_responses **out,
                                const struct rn_model *model,
                                const struct rn_data *data, enum rn_part part,
                                const struct rn_response_options *options,
                                struct rn_error *err);
RN_INLINE void rn_responses_describe(const struct rn_responses *responses,
                                     struct rn_response_info *info);
/** Layer i, in the network's order. @return RN_ERR_ARG past the end. */
RN_INLINE int rn_responses_layer(const struct rn_responses *responses, size_t i,
                                 struct rn_response *layer);

/** Write the responses of `count` networks, each called as its label says: as
 *  CSV, a line for each layer, or as a picture (SVG) of two plots, in the
 *  networks' order and sorted; the name ends in .csv or .svg.
 *  @return RN_ERR_ARG for another ending. */
RN_API int rn_responses_write(const struct rn_responses *const *responses,
                              const char *const *labels, size_t count,
                              const char *path, struct rn_error *err);
/** Takes NULL. */
RN_API void rn_responses_destroy(struct rn_responses *responses);

/* ------------------------------------------------------- quantisation */

/** A layer that can be in 8 bits, as it came out. */
struct rn_quantized_layer {
    const char *name;  /**< the convolution or fc; borrowed, as all texts */
    const char *value; /**< the layer whose value its step makes, with what
                          comes along: batch norm, addition, ReLU */
    int quantized;     /**< 0: its weights stay float32 */
    double cost;       /**< signal to noise of the network's outputs with this
                          layer alone in 8 bits, dB; infinite: no noise */
    double signal_to_noise; /**< of its value in the quantised network, dB */
    double low, high;       /**< range of its value; NaN: it is float32 */
    const char *range;      /**< how that was chosen: "all" (minimum to
                               maximum), "percentile", "error" (least mean
                               square error); NULL: it is float32 */
};

struct rn_quantize_options {
    size_t struct_size; /**< sizeof(struct rn_quantize_options) */
    int images;         /**< of calibration, at most; 0: 512 */
    int part;           /**< an rn_part: where these come from */
    uint64_t seed;      /**< chooses them; 0: 1 */
    int check;          /**< images to measure the error or the agreement on, at
                           most; 0: all */
    double max_drop;    /**< points that the top-1 error may grow by; 0: 0.3;
                           RN_ZERO: none */
    double min_agreement; /**< where no error can be measured, per cent of the
                             first answers that must be float32's, within
                             two standard errors; 0: 90; RN_ZERO: none */
    /** Layers that stay float32 in any case, as "conv1,layer1.0.conv1", or
     *  NULL. RN_ERR_ARG for one that could not be in 8 bits anyhow. */
    const char *leave_out;
    int batch;   /**< 0: chosen */
    int threads; /**< 0: rn_machine.threads */
    int bind;    /**< as in rn_plan_options */
    void *user;
    /** Called now and then with what is under way ("check", "ranges",
     *  "layers"), how much of it is done and of how much; may be NULL. Nonzero
     *  stops with RN_ERR_STOPPED. */
    int (*progress)(void *user, const char *what, int done, int all);
    /** Called for each layer in the end; may be NULL. Likewise. */
    int (*layer)(void *user, const struct rn_quantized_layer *layer);
};

struct rn_quantize_result {
    int images;              /**< that ranges were taken from */
    int layers, quantized;   /**< that could be in 8 bits, and that are */
    enum rn_part check_part; /**< where errors or agreement were measured, on */
    int check_images;        /**< so many */
    double error_before, error_after; /**< top-1, per cent (of images with
                                         several classes, exact); NaN where
                                         there is no part with classes but that
                                         of calibration */
    double agreement; /**< there, per cent of the first answers that are
                         float32's, on images of that part; else NaN */
};

RN_INLINE void rn_quantize_defaults(struct rn_quantize_options *options);

/**
 * Put a model's convolutions and fully connected layers into 8 bits: weights
 * with a scale for each output channel, values with ranges that calibration
 * images have, biases corrected for what rounding does to means. Where the
 * error on another part of the data (validation, else test) grows by more than
 * max_drop, the layers that cost most stay float32. Without such a part, or
 * without classes (rn_data_from_pictures()), the agreement of first answers
 * with float32's decides, on the images of `part`.
 *
 * @return RN_ERR_DATA for images that tell nothing (each of one colour), for
 *         classes that are not the model's, or when the error grows too much
 *         whatever stays float32; RN_ERR_ARG for a model that is quantised
 *         already, or has no layer that can be. After an error the model is as
 *         it was.
 */
RN_INLINE int rn_quantize(struct rn_model *model, const struct rn_data *data,
                          const struct rn_quantize_options *options,
                          struct rn_quantize_result *result,
                          struct rn_error *err);

/* ---------------------------------------------------------- benchmark */

struct rn_bench_options {
    size_t struct_size; /**< sizeof(struct rn_bench_options) */
    enum rn_mode mode;
    int batch;      /**< images per run; 0: 1 */
    int threads;    /**< 0: rn_machine.threads */
    int exact;      /**< no Winograd */
    int winograd;   /**< as in rn_plan_options */
    int bind;       /**< likewise */
    int recompute;  /**< an rn_recompute, training */
    int profile;    /**< time each step, too: the plan handed out tells */
    double seconds; /**< about how long to measure; 0: 5; RN_ZERO: no longer
                       than the fewest rounds take */
    int rounds;     /**< 0: as many as fit into seconds, at least 5 */
    int precision;  /**< an rn_precision */
    int emulate;    /**< as in rn_plan_options */
    /** Folder of the processors' energy counters; NULL: /sys/class/powercap. */
    const char *powercap;
    /** Train with others, each of whom computes a part of the batch, as runs do;
     *  all make the same call. Borrowed for the call; NULL: alone. */
    struct rn_ranks *ranks;
    int gradient_precision; /**< as in rn_train_options; with ranks */
    int streams; /**< batches side by side, inference: threads are shared out
                    evenly among them; 0: 1 */
};

struct rn_bench_result {
    int threads, batch, rounds;
    double images_per_second_median, images_per_second_min,
        images_per_second_max;
    uint64_t plan_bytes;        /**< memory that the plan holds, or the streams'
                                   plans together */
    uint64_t peak_memory_bytes; /**< the process's peak resident set */
    double peak_gflops;         /**< measured, all threads, float32; 0 unless
                                   profile */
    int precision;              /**< an rn_precision: what was computed with */
    double watts;            /**< mean power of processors and memory meanwhile,
                                of this machine, whatever else ran; NaN: no
                                counter tells */
    double joules_per_image; /**< likewise */
    char energy[128]; /**< the counters read ("package-0, dram"), or why there
                         are none */
    int ranks;        /**< that trained together; 0: one process, and so: */
    double step_seconds; /**< mean */
    double wait_seconds, wait_seconds_most; /**< of a step, in which a rank had
                            nothing to do; the mean and the most of any rank */
    uint64_t sent_bytes_most; /**< in a step, by the rank that sends most */
    int streams;              /**< batches that were computed side by side */
};

RN_INLINE void rn_bench_defaults(struct rn_bench_options *options);

/**
 * Time training or inference on made-up images; training includes the
 * optimiser's step. The model is not changed. A round is as many runs as make
 * a twentieth of a second. Images per second are those of all ranks together.
 *
 * @param options may be NULL for the defaults.
 * @param plan when not NULL, receives the plan with its profile, to be
 *             destroyed by the caller.
 */
RN_INLINE int rn_bench(const struct rn_model *model,
                       const struct rn_bench_options *options,
                       struct rn_bench_result *result, struct rn_plan **plan,
                       struct rn_error *err);

/** What rn_bench() measured of a network at a batch size. */
struct rn_bench_point {
    int batch;
    double images_per_second;
    uint64_t bytes;                 /**< that the plan and parameters take */
    double watts, joules_per_image; /**< NaN: not known */
};

/** A network of a report on several; all is borrowed for the call. */
struct rn_bench_net {
    const char *name;
    double accuracy;         /**< per cent; NaN: not known */
    const char *accuracy_of; /**< where it comes from; NULL: nowhere */
    uint64_t params, macs;
    const struct rn_bench_point *points; /**< by rising batch */
    size_t n_points;
    const char *failure; /**< what went wrong, with all or what is missing of
                            `points`; NULL: nothing did */
};

/**
 * Write the figures of A. Canziani et al. 2016 (arXiv 1605.07678) into a
 * folder, which is made: survey.html, one page with everything; survey.csv, a
 * row for each network and batch; accuracy.svg (accuracy against multiply-adds,
 * circles as large as there are parameters), time.svg (an image's, against the
 * batch), memory.svg, and power.svg and energy.svg where those are known. A
 * figure that nothing is known for is left out, which the page says, and one
 * that an earlier report left is removed.
 *
 * @param title of the page; about: a paragraph on how it was measured; energy:
 *              one on the counters, or why there are none. UTF-8.
 * @return RN_ERR_ARG without networks, RN_ERR_IO when a file cannot be
 *         written.
 */
RN_API int rn_bench_report(const char *folder, const char *title,
                           const char *about, const char *energy,
                           const struct rn_bench_net *nets, size_t count,
                           struct rn_error *err);

struct rn_loading_options {
    size_t struct_size; /**< sizeof(struct rn_loading_options) */
    int size;           /**< of the square images made; 0: 224 */
    int batch;          /**< 0: 32 */
    int threads;        /**< that decode; 0: rn_machine.threads */
    double seconds;     /**< as in rn_bench_options */
};

struct rn_loading_result {
    int images; /**< of the part: the first there is */
    int threads, rounds;
    double images_per_second_median, images_per_second_min,
        images_per_second_max;
};

RN_INLINE void rn_loading_defaults(struct rn_loading_options *options);

/**
 * Time the loading of pictures alone as training does it: decoding, cutting
 * out a random 8 to 100 % of the area, resizing, flipping, normalising. A round
 * is about as many images as there are; the first one, which reads the files,
 * does not count.
 *
 * @param options may be NULL for the defaults.
 * @return RN_ERR_ARG for data that lie in memory, RN_ERR_DATA and RN_ERR_IO
 *         for a picture that cannot be decoded.
 */
RN_INLINE int rn_bench_data(const struct rn_data *data,
                            const struct rn_loading_options *options,
                            struct rn_loading_result *result,
                            struct rn_error *err);

/* -------------------------------------------------------- structs' sizes */

/* The functions above that fill a struct of the caller, with its size. */

RN_API void rn_net_defaults_sized(struct rn_net_options *options, size_t size);
RN_INLINE void rn_net_defaults(struct rn_net_options *options)
{
    rn_net_defaults_sized(options, sizeof(*options));
}

RN_API void rn_import_defaults_sized(struct rn_import_options *options,
                                     size_t size);
RN_INLINE void rn_import_defaults(struct rn_import_options *options)
{
    rn_import_defaults_sized(options, sizeof(*options));
}

RN_API void rn_plan_defaults_sized(struct rn_plan_options *options,
                                   size_t size);
RN_INLINE void rn_plan_defaults(struct rn_plan_options *options)
{
    rn_plan_defaults_sized(options, sizeof(*options));
}

RN_API void rn_train_defaults_sized(struct rn_train_options *options,
                                    size_t size);
RN_INLINE void rn_train_defaults(struct rn_train_options *options)
{
    rn_train_defaults_sized(options, sizeof(*options));
}

RN_API void rn_eval_defaults_sized(struct rn_eval_options *options,
                                   size_t size);
RN_INLINE void rn_eval_defaults(struct rn_eval_options *options)
{
    rn_eval_defaults_sized(options, sizeof(*options));
}

RN_API void rn_response_defaults_sized(struct rn_response_options *options,
                                       size_t size);
RN_INLINE void rn_response_defaults(struct rn_response_options *options)
{
    rn_response_defaults_sized(options, sizeof(*options));
}

RN_API void rn_quantize_defaults_sized(struct rn_quantize_options *options,
                                       size_t size);
RN_INLINE void rn_quantize_defaults(struct rn_quantize_options *options)
{
    rn_quantize_defaults_sized(options, sizeof(*options));
}

RN_API void rn_bench_defaults_sized(struct rn_bench_options *options,
                                    size_t size);
RN_INLINE void rn_bench_defaults(struct rn_bench_options *options)
{
    rn_bench_defaults_sized(options, sizeof(*options));
}

RN_API void rn_loading_defaults_sized(struct rn_loading_options *options,
                                      size_t size);
RN_INLINE void rn_loading_defaults(struct rn_loading_options *options)
{
    rn_loading_defaults_sized(options, sizeof(*options));
}

RN_API void rn_machine_get_sized(struct rn_machine *machine, size_t size);
RN_INLINE void rn_machine_get(struct rn_machine *machine)
{
    rn_machine_get_sized(machine, sizeof(*machine));
}

RN_API void rn_model_describe_sized(const struct rn_model *model,
                                    struct rn_model_info *info, size_t size);
RN_INLINE void rn_model_describe(const struct rn_model *model,
                                 struct rn_model_info *info)
{
    rn_model_describe_sized(model, info, sizeof(*info));
}

RN_API int rn_model_layer_sized(const struct rn_model *model, size_t i,
                                struct rn_layer_info *layer, size_t size);
RN_INLINE int rn_model_layer(const struct rn_model *model, size_t i,
                             struct rn_layer_info *layer)
{
    return rn_model_layer_sized(model, i, layer, sizeof(*layer));
}

RN_API int rn_model_layer_attribute_sized(const struct rn_model *model,
                                          size_t i, size_t k,
                                          struct rn_layer_attribute *attribute,
                                          size_t size);
RN_INLINE int rn_model_layer_attribute(const struct rn_model *model, size_t i,
                                       size_t k,
                                       struct rn_layer_attribute *attribute)
{
    return rn_model_layer_attribute_sized(model, i, k, attribute,
                                          sizeof(*attribute));
}

RN_API int rn_model_tensor_sized(const struct rn_model *model, size_t i,
                                 struct rn_tensor *tensor, size_t size);
RN_INLINE int rn_model_tensor(const struct rn_model *model, size_t i,
                              struct rn_tensor *tensor)
{
    return rn_model_tensor_sized(model, i, tensor, sizeof(*tensor));
}

RN_API int rn_plan_step_sized(const struct rn_plan *plan, size_t i,
                              struct rn_step_info *step, size_t size);
RN_INLINE int rn_plan_step(const struct rn_plan *plan, size_t i,
                           struct rn_step_info *step)
{
    return rn_plan_step_sized(plan, i, step, sizeof(*step));
}

RN_API void rn_data_describe_sized(const struct rn_data *data,
                                   struct rn_data_info *info, size_t size);
RN_INLINE void rn_data_describe(const struct rn_data *data,
                                struct rn_data_info *info)
{
    rn_data_describe_sized(data, info, sizeof(*info));
}

RN_API void rn_model_training_sized(const struct rn_model *model,
                                    struct rn_model_training *training,
                                    size_t size);
RN_INLINE void rn_model_training(const struct rn_model *model,
                                 struct rn_model_training *training)
{
    rn_model_training_sized(model, training, sizeof(*training));
}

RN_API int rn_survey_image_sized(const struct rn_survey *survey,
                                 enum rn_part part, int index,
                                 struct rn_surveyed *image, size_t size);
RN_INLINE int rn_survey_image(const struct rn_survey *survey, enum rn_part part,
                              int index, struct rn_surveyed *image)
{
    return rn_survey_image_sized(survey, part, index, image, sizeof(*image));
}

RN_API int rn_train_sized(const struct rn_train_options *options,
                          const struct rn_train_events *events,
                          struct rn_train_result *result, size_t size,
                          struct rn_error *err);
RN_INLINE int rn_train(const struct rn_train_options *options,
                       const struct rn_train_events *events,
                       struct rn_train_result *result, struct rn_error *err)
{
    return rn_train_sized(options, events, result, sizeof(*result), err);
}

RN_API int rn_train_resume_sized(const char *run,
                                 const struct rn_resume_options *options,
                                 const struct rn_train_events *events,
                                 struct rn_train_result *result, size_t size,
                                 struct rn_error *err);
RN_INLINE int rn_train_resume(const char *run,
                              const struct rn_resume_options *options,
                              const struct rn_train_events *events,
                              struct rn_train_result *result,
                              struct rn_error *err)
{
    return rn_train_resume_sized(run, options, events, result, sizeof(*result),
                                 err);
}

RN_API int rn_run_get_sized(const char *run, struct rn_run_state *state,
                            size_t size, struct rn_error *err);
RN_INLINE int rn_run_get(const char *run, struct rn_run_state *state,
                         struct rn_error *err)
{
    return rn_run_get_sized(run, state, sizeof(*state), err);
}

RN_API int rn_study_report_sized(const char *dir, const struct rn_study *study,
                                 void (*message)(void *user, const char *text),
                                 void *user, struct rn_study_result *result,
                                 size_t size, struct rn_error *err);
RN_INLINE int rn_study_report(const char *dir, const struct rn_study *study,
                              void (*message)(void *user, const char *text),
                              void *user, struct rn_study_result *result,
                              struct rn_error *err)
{
    return rn_study_report_sized(dir, study, message, user, result,
                                 sizeof(*result), err);
}

RN_API int rn_eval_sized(const struct rn_model *model,
                         const struct rn_data *data, enum rn_part part,
                         const struct rn_eval_options *options,
                         struct rn_eval_result *result, size_t size,
                         struct rn_error *err);
RN_INLINE int rn_eval(const struct rn_model *model, const struct rn_data *data,
                      enum rn_part part, const struct rn_eval_options *options,
                      struct rn_eval_result *result, struct rn_error *err)
{
    return rn_eval_sized(model, data, part, options, result, sizeof(*result),
                         err);
}

RN_API int rn_quantize_sized(struct rn_model *model, const struct rn_data *data,
                             const struct rn_quantize_options *options,
                             struct rn_quantize_result *result, size_t size,
                             struct rn_error *err);
RN_INLINE int rn_quantize(struct rn_model *model, const struct rn_data *data,
                          const struct rn_quantize_options *options,
                          struct rn_quantize_result *result,
                          struct rn_error *err)
{
    return rn_quantize_sized(model, data, options, result, sizeof(*result),
                             err);
}

RN_API int rn_eval_models_sized(const struct rn_model *const *models,
                                size_t count, const struct rn_data *data,
                                enum rn_part part,
                                const struct rn_eval_options *options,
                                struct rn_eval_result *result, size_t size,
                                struct rn_report **report,
                                struct rn_error *err);
RN_INLINE int rn_eval_models(const struct rn_model *const *models, size_t count,
                             const struct rn_data *data, enum rn_part part,
                             const struct rn_eval_options *options,
                             struct rn_eval_result *result,
                             struct rn_report **report, struct rn_error *err)
{
    return rn_eval_models_sized(models, count, data, part, options, result,
                                sizeof(*result), report, err);
}

RN_API int rn_report_answer_sized(const struct rn_report *report, int index,
                                  struct rn_answer *answer, size_t size);
RN_INLINE int rn_report_answer(const struct rn_report *report, int index,
                               struct rn_answer *answer)
{
    return rn_report_answer_sized(report, index, answer, sizeof(*answer));
}

RN_API int rn_report_class_sized(const struct rn_report *report, int i,
                                 struct rn_class_result *result, size_t size);
RN_INLINE int rn_report_class(const struct rn_report *report, int i,
                              struct rn_class_result *result)
{
    return rn_report_class_sized(report, i, result, sizeof(*result));
}

RN_API int rn_report_class_measures_sized(const struct rn_report *report, int i,
                                          struct rn_measures *measures,
                                          size_t size, struct rn_error *err);
RN_INLINE int rn_report_class_measures(const struct rn_report *report, int i,
                                       struct rn_measures *measures,
                                       struct rn_error *err)
{
    return rn_report_class_measures_sized(report, i, measures,
                                          sizeof(*measures), err);
}

RN_API int rn_report_measures_sized(const struct rn_report *report,
                                    struct rn_measures *measures, size_t size,
                                    struct rn_error *err);
RN_INLINE int rn_report_measures(const struct rn_report *report,
                                 struct rn_measures *measures,
                                 struct rn_error *err)
{
    return rn_report_measures_sized(report, measures, sizeof(*measures), err);
}

RN_API void rn_responses_describe_sized(const struct rn_responses *responses,
                                        struct rn_response_info *info,
                                        size_t size);
RN_INLINE void rn_responses_describe(const struct rn_responses *responses,
                                     struct rn_response_info *info)
{
    rn_responses_describe_sized(responses, info, sizeof(*info));
}

RN_API int rn_responses_layer_sized(const struct rn_responses *responses,
                                    size_t i, struct rn_response *layer,
                                    size_t size);
RN_INLINE int rn_responses_layer(const struct rn_responses *responses, size_t i,
                                 struct rn_response *layer)
{
    return rn_responses_layer_sized(responses, i, layer, sizeof(*layer));
}

RN_API int rn_bench_sized(const struct rn_model *model,
                          const struct rn_bench_options *options,
                          struct rn_bench_result *result, size_t size,
                          struct rn_plan **plan, struct rn_error *err);
RN_INLINE int rn_bench(const struct rn_model *model,
                       const struct rn_bench_options *options,
                       struct rn_bench_result *result, struct rn_plan **plan,
                       struct rn_error *err)
{
    return rn_bench_sized(model, options, result, sizeof(*result), plan, err);
}

RN_API int rn_bench_data_sized(const struct rn_data *data,
                               const struct rn_loading_options *options,
                               struct rn_loading_result *result, size_t size,
                               struct rn_error *err);
RN_INLINE int rn_bench_data(const struct rn_data *data,
                            const struct rn_loading_options *options,
                            struct rn_loading_result *result,
                            struct rn_error *err)
{
    return rn_bench_data_sized(data, options, result, sizeof(*result), err);
}

#ifdef __cplusplus
}
#endif
#endif
