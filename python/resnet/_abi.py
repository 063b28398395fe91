# SPDX-License-Identifier: BSD-2-Clause
"""The interface of libresnet as ctypes has it: script/bindings wrote it from
include/resnet.h, which says what everything means."""
from __future__ import annotations

import dataclasses
import enum
import os
from ctypes import (CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_double,
                    c_float, c_int, c_int32, c_long, c_size_t, c_uint64,
                    c_void_p)
from typing import (Any, Dict, Optional, Sequence, Tuple, TypedDict, Union)

VERSION = "0.2.0"
SONAME = "libresnet.so.0.2"
RN_ZERO = -1
RN_TIMEOUT = 600
RN_TIMEOUT_MOST = 1000000
RN_MEASURED_MAX = 8
Text = Union[str, "os.PathLike[str]"]


class Status(enum.IntEnum):
    OK = 0
    ERR_ARG = -1
    ERR_MEMORY = -2
    ERR_IO = -3
    ERR_DATA = -4
    ERR_KERNEL = -5
    ERR_LOSS = -6
    ERR_STOPPED = -7
    ERR_RANK = -8


class OptionType(enum.IntEnum):
    FLAG = 0
    INT = 1
    LONG = 2
    REAL = 3
    SEED = 4
    SIZE = 5
    TEXT = 6
    WORD = 7
    INDEX = 8
    LETTER = 9


class Interpolation(enum.IntEnum):
    BILINEAR = 0
    BICUBIC = 1
    BOX = 2


class Output(enum.IntEnum):
    LOGITS = 0
    PROBABILITIES = 1
    LOG_PROBABILITIES = 2
    INDEPENDENT_LOGITS = 3
    INDEPENDENT = 4


class DrawingKind(enum.IntEnum):
    SVG = 0
    DOT = 1


class ImageFlags(enum.IntEnum):
    IMAGE_AS_STORED = 1


class Mode(enum.IntEnum):
    INFER = 0
    TRAIN = 1


class Recompute(enum.IntEnum):
    AUTO = 0
    NONE = 1
    ACTIVATIONS = 2
    BLOCKS = 3


class Precision(enum.IntEnum):
    AUTO = 0
    FP32 = 1
    BF16 = 2
    INT8 = 3


class Part(enum.IntEnum):
    TRAIN = 0
    VALIDATION = 1
    TEST = 2


class PixelLayout(enum.IntEnum):
    CHW = 0
    HWC = 1


class PictureFlags(enum.IntEnum):
    GREY = 1
    CMYK = 2
    PALETTE = 4
    DEEP = 8
    ALPHA = 16
    PROGRESSIVE = 32
    SEVERAL = 64


class AuxHeads(enum.IntEnum):
    AUTO = 0
    ON = 1
    OFF = 2


class ResponseNorm(enum.IntEnum):
    RUNNING = 0
    BATCH = 1


class rn_error(Structure):
    _fields_ = [
        ("code", c_int),
        ("msg", c_char * 500),
    ]


class rn_option(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("group", c_char_p),
        ("type", c_int),
        ("offset", c_size_t),
        ("min", c_double),
        ("max", c_double),
        ("words", c_char_p),
        ("value", c_char_p),
        ("preset", c_char_p),
        ("unset", c_char_p),
        ("help", c_char_p),
        ("zero", c_int),
    ]


class rn_machine(Structure):
    _fields_ = [
        ("threads", c_int),
        ("limited_by", c_char * 32),
        ("isa", c_char * 32),
        ("onednn", c_char * 32),
        ("cpu", c_char * 64),
    ]


class rn_net_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("classes", c_int),
        ("channels", c_int),
        ("height", c_int),
        ("width", c_int),
        ("shortcut", c_char),
        ("stride_v1", c_int),
        ("aux_heads", c_int),
        ("block", c_char_p),
        ("dropout", c_double),
    ]


class rn_import_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("net", c_char_p),
        ("shortcut", c_char),
        ("stride", c_char_p),
        ("height", c_int),
        ("width", c_int),
        ("stem_stride", c_int),
        ("stem_pool", c_char_p),
        ("activation", c_char_p),
        ("eps", c_double),
        ("channel_order", c_char_p),
        ("preprocess", c_char_p),
        ("mean", c_void_p),
        ("std", c_void_p),
        ("means", c_size_t),
        ("stds", c_size_t),
        ("resize", c_int),
        ("interpolation", c_char_p),
        ("labels", c_char_p),
        ("config", c_char_p),
        ("weights", c_char_p),
        ("structure", c_int),
        ("not_finite", c_int),
        ("mean_image", c_char_p),
        ("output", c_char_p),
        ("head", c_char_p),
        ("holder", c_char_p),
        ("map", c_char_p),
        ("skip_extra", c_int),
        ("headless", c_int),
        ("user", c_void_p),
        ("message", CFUNCTYPE(None, c_void_p, c_char_p)),
        ("aux_heads", c_int),
    ]


class rn_model_info(Structure):
    _fields_ = [
        ("net", c_char_p),
        ("channels", c_int),
        ("height", c_int),
        ("width", c_int),
        ("classes", c_int),
        ("shortcut", c_char),
        ("stride_v1", c_int),
        ("params", c_uint64),
        ("macs", c_uint64),
        ("layers", c_size_t),
        ("tensors", c_size_t),
        ("has_preprocessing", c_int),
        ("resize", c_int),
        ("interpolation", c_int),
        ("bgr", c_int),
        ("trained", c_char_p),
        ("output", c_int),
        ("head", c_int),
        ("quantized", c_size_t),
        ("aux_heads", c_size_t),
        ("aux_params", c_uint64),
        ("with_aux", c_int),
        ("contrast", c_double),
        ("whitened", c_int),
    ]


class rn_layer_info(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("op", c_char_p),
        ("channels", c_int),
        ("height", c_int),
        ("width", c_int),
        ("params", c_uint64),
        ("macs", c_uint64),
    ]


class rn_layer_attribute(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("word", c_char_p),
        ("count", c_int),
        ("numbers", c_double * 4),
    ]


class rn_tensor(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("dims", c_int),
        ("dim", c_size_t * 4),
        ("count", c_size_t),
        ("data", c_void_p),
        ("trainable", c_int),
    ]


class rn_image(Structure):
    _fields_ = [
        ("width", c_int),
        ("height", c_int),
        ("pixels", c_void_p),
    ]


class rn_plan_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("mode", c_int),
        ("batch", c_int),
        ("threads", c_int),
        ("exact", c_int),
        ("winograd", c_int),
        ("profile", c_int),
        ("recompute", c_int),
        ("bind", c_int),
        ("keep", c_char_p),
        ("precision", c_int),
        ("emulate", c_int),
    ]


class rn_class(Structure):
    _fields_ = [
        ("index", c_int),
        ("probability", c_float),
        ("name", c_char_p),
        ("id", c_char_p),
    ]


class rn_trace(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("op", c_char_p),
        ("channels", c_int),
        ("height", c_int),
        ("width", c_int),
        ("values", c_void_p),
        ("layer", c_size_t),
    ]


class rn_step_info(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("pass", c_char_p),
        ("algorithm", c_char_p),
        ("flops", c_double),
        ("bytes", c_double),
        ("seconds", c_double),
        ("precision", c_char_p),
        ("pieces", c_uint64),
        ("barriers", c_int),
        ("work", c_double),
        ("largest_share", c_double),
        ("scratch_bytes", c_uint64),
    ]


class rn_data_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("validation", c_int),
        ("validation_percent", c_double),
        ("seed", c_uint64),
        ("rule", c_int),
        ("run", c_char_p),
    ]


class rn_arrays(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("channels", c_int),
        ("height", c_int),
        ("width", c_int),
        ("classes", c_int),
        ("layout", c_int),
        ("count", c_size_t * 3),
        ("pixels", c_void_p * 3),
        ("labels", c_void_p * 3),
        ("class_names", POINTER(c_char_p)),
        ("name", c_char_p),
    ]


class rn_data_info(Structure):
    _fields_ = [
        ("format", c_char_p),
        ("channels", c_int),
        ("height", c_int),
        ("width", c_int),
        ("classes", c_int),
        ("count", c_int * 3),
        ("checksum", c_uint64),
        ("training", c_uint64),
        ("rule", c_int),
        ("several", c_int),
    ]


class rn_model_training(Structure):
    _fields_ = [
        ("known", c_int),
        ("checksum", c_uint64),
        ("images", c_int),
        ("held_out", rn_data_options),
    ]


class rn_survey_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("threads", c_int),
        ("user", c_void_p),
        ("progress", CFUNCTYPE(c_int, c_void_p, c_int, c_int)),
    ]


class rn_surveyed(Structure):
    _fields_ = [
        ("error", c_char_p),
        ("format", c_char_p),
        ("flags", c_int),
        ("orientation", c_int),
        ("width", c_int),
        ("height", c_int),
        ("twin", c_int),
        ("twin_part", c_int),
        ("twin_index", c_int),
    ]


class rn_train_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("data", c_char_p),
        ("data_set", c_void_p),
        ("out", c_char_p),
        ("net", c_char_p),
        ("weights", c_char_p),
        ("holder", c_char_p),
        ("map", c_char_p),
        ("skip_extra", c_int),
        ("shortcut", c_char),
        ("stride_v1", c_int),
        ("size", c_int),
        ("resize", c_int),
        ("batch", c_int),
        ("threads", c_int),
        ("iterations", c_long),
        ("epochs", c_double),
        ("optimizer", c_char_p),
        ("lr", c_double),
        ("momentum", c_double),
        ("beta1", c_double),
        ("beta2", c_double),
        ("alpha", c_double),
        ("epsilon", c_double),
        ("trust", c_double),
        ("weight_decay", c_double),
        ("decay_all", c_int),
        ("schedule", c_char_p),
        ("warmup", c_char_p),
        ("warmup_lr", c_double),
        ("loss", c_char_p),
        ("label_smoothing", c_double),
        ("seed", c_uint64),
        ("validation", c_int),
        ("validation_percent", c_double),
        ("augment", c_char_p),
        ("crop_pad", c_int),
        ("crop_area", c_double),
        ("colour", c_char_p),
        ("erase", c_double),
        ("mixup", c_double),
        ("cutmix", c_double),
        ("skip_bad", c_int),
        ("normalize", c_char_p),
        ("last_batch", c_char_p),
        ("report_every", c_long),
        ("test_every", c_long),
        ("save_every", c_long),
        ("exact", c_int),
        ("recompute", c_int),
        ("freeze", c_char_p),
        ("lr_scale", c_char_p),
        ("batch_norm", c_char_p),
        ("class_weights", c_char_p),
        ("ema", c_double),
        ("patience", c_int),
        ("reestimate", c_int),
        ("accumulate", c_int),
        ("data_rule", c_int),
        ("bind", c_int),
        ("precision", c_int),
        ("emulate", c_int),
        ("aux_heads", c_int),
        ("teacher", c_char_p),
        ("distill_temperature", c_double),
        ("distill_weight", c_double),
        ("distill_weight_end", c_double),
        ("gate_bias", c_double),
        ("max_norm", c_char_p),
        ("block", c_char_p),
        ("dropout", c_double),
        ("tensorboard", c_int),
        ("record", c_char_p),
        ("hint", c_char_p),
        ("groups", c_int),
        ("ranks", c_void_p),
        ("lr_batch", c_int),
        ("zero_gamma", c_int),
        ("gradient_precision", c_int),
        ("sync_batch_norm", c_int),
    ]


class rn_measured(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("title", c_char_p),
        ("percent", c_int),
        ("value", c_double),
    ]


class rn_train_report(Structure):
    _fields_ = [
        ("iteration", c_long),
        ("iterations", c_long),
        ("epoch", c_double),
        ("loss", c_double),
        ("train_error", c_double),
        ("lr", c_double),
        ("images_per_second", c_double),
        ("data_wait", c_double),
        ("seconds_left", c_double),
        ("tested", c_int),
        ("test_error", c_double),
        ("test_error5", c_double),
        ("test_loss", c_double),
        ("test_part", c_int),
        ("measures", c_int),
        ("measured", rn_measured * 8),
        ("aux_heads", c_size_t),
        ("aux_loss", c_double),
    ]


class rn_train_events(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("user", c_void_p),
        ("report", CFUNCTYPE(None, c_void_p, POINTER(rn_train_report))),
        ("tick", CFUNCTYPE(None, c_void_p, POINTER(rn_train_report))),
        ("message", CFUNCTYPE(None, c_void_p, c_char_p)),
        ("stop", CFUNCTYPE(c_int, c_void_p)),
    ]


class rn_train_result(Structure):
    _fields_ = [
        ("iterations", c_long),
        ("seconds", c_double),
        ("loss", c_double),
        ("train_error", c_double),
        ("test_error", c_double),
        ("test_error5", c_double),
        ("test_loss", c_double),
        ("best_error", c_double),
        ("best_iteration", c_long),
        ("classes", c_int),
        ("test_part", c_int),
        ("test_images", c_int),
        ("measures", c_int),
        ("measured", rn_measured * 8),
    ]


class rn_resume_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("data", c_char_p),
        ("data_set", c_void_p),
        ("threads", c_int),
        ("iterations", c_long),
        ("epochs", c_double),
        ("bind", c_int),
        ("emulate", c_int),
        ("ranks", c_void_p),
    ]


class rn_run_state(Structure):
    _fields_ = [
        ("iteration", c_long),
        ("iterations", c_long),
        ("finished", c_int),
        ("saved", c_int),
        ("data_rule", c_int),
        ("data_checksum", c_uint64),
    ]


class rn_study_result(Structure):
    _fields_ = [
        ("runs", c_size_t),
        ("finished", c_size_t),
        ("groups", c_size_t),
    ]


class rn_eval_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("batch", c_int),
        ("threads", c_int),
        ("exact", c_int),
        ("bind", c_int),
        ("images", c_int),
        ("as_stored", c_int),
        ("crops", c_int),
        ("scales", POINTER(c_int)),
        ("n_scales", c_size_t),
        ("keep", c_int),
        ("user", c_void_p),
        ("progress", CFUNCTYPE(c_int, c_void_p, c_int, c_int)),
        ("precision", c_int),
        ("emulate", c_int),
        ("ranks", c_void_p),
    ]


class rn_eval_result(Structure):
    _fields_ = [
        ("images", c_int),
        ("top1_error", c_double),
        ("top5_error", c_double),
        ("loss", c_double),
        ("calibration_error", c_double),
        ("several", c_int),
        ("exact_error", c_double),
        ("mean_average_precision", c_double),
        ("f1", c_double),
        ("protocol", c_char * 256),
        ("seconds", c_double),
    ]


class rn_answer(Structure):
    _fields_ = [
        ("label", c_int),
        ("rank", c_int),
        ("probability", c_float),
        ("count", c_int),
        ("top", c_int * 5),
        ("top_probability", c_float * 5),
    ]


class rn_class_result(Structure):
    _fields_ = [
        ("images", c_int),
        ("right1", c_int),
        ("right5", c_int),
        ("answered", c_int),
    ]


class rn_measures(Structure):
    _fields_ = [
        ("precision", c_double),
        ("recall", c_double),
        ("f1", c_double),
        ("balanced_accuracy", c_double),
        ("roc_auc", c_double),
        ("average_precision", c_double),
    ]


class rn_response_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("images", c_int),
        ("batch_norm", c_int),
        ("all", c_int),
        ("batch", c_int),
        ("threads", c_int),
        ("exact", c_int),
        ("bind", c_int),
        ("user", c_void_p),
        ("progress", CFUNCTYPE(c_int, c_void_p, c_int, c_int)),
    ]


class rn_response(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("rows", c_int),
        ("columns", c_int),
        ("channels", c_int),
        ("mean", c_double),
        ("deviation", c_double),
        ("rank", c_int),
    ]


class rn_response_info(Structure):
    _fields_ = [
        ("layers", c_size_t),
        ("part", c_int),
        ("images", c_int),
        ("batch", c_int),
        ("value", c_char_p),
        ("batch_norm", c_char_p),
    ]


class rn_quantized_layer(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("value", c_char_p),
        ("quantized", c_int),
        ("cost", c_double),
        ("signal_to_noise", c_double),
        ("low", c_double),
        ("high", c_double),
        ("range", c_char_p),
    ]


class rn_quantize_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("images", c_int),
        ("part", c_int),
        ("seed", c_uint64),
        ("check", c_int),
        ("max_drop", c_double),
        ("min_agreement", c_double),
        ("leave_out", c_char_p),
        ("batch", c_int),
        ("threads", c_int),
        ("bind", c_int),
        ("user", c_void_p),
        ("progress", CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, c_int)),
        ("layer", CFUNCTYPE(c_int, c_void_p, POINTER(rn_quantized_layer))),
    ]


class rn_quantize_result(Structure):
    _fields_ = [
        ("images", c_int),
        ("layers", c_int),
        ("quantized", c_int),
        ("check_part", c_int),
        ("check_images", c_int),
        ("error_before", c_double),
        ("error_after", c_double),
        ("agreement", c_double),
    ]


class rn_bench_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("mode", c_int),
        ("batch", c_int),
        ("threads", c_int),
        ("exact", c_int),
        ("winograd", c_int),
        ("bind", c_int),
        ("recompute", c_int),
        ("profile", c_int),
        ("seconds", c_double),
        ("rounds", c_int),
        ("precision", c_int),
        ("emulate", c_int),
        ("powercap", c_char_p),
        ("ranks", c_void_p),
        ("gradient_precision", c_int),
        ("streams", c_int),
    ]


class rn_bench_result(Structure):
    _fields_ = [
        ("threads", c_int),
        ("batch", c_int),
        ("rounds", c_int),
        ("images_per_second_median", c_double),
        ("images_per_second_min", c_double),
        ("images_per_second_max", c_double),
        ("plan_bytes", c_uint64),
        ("peak_memory_bytes", c_uint64),
        ("peak_gflops", c_double),
        ("precision", c_int),
        ("watts", c_double),
        ("joules_per_image", c_double),
        ("energy", c_char * 128),
        ("ranks", c_int),
        ("step_seconds", c_double),
        ("wait_seconds", c_double),
        ("wait_seconds_most", c_double),
        ("sent_bytes_most", c_uint64),
        ("streams", c_int),
    ]


class rn_bench_point(Structure):
    _fields_ = [
        ("batch", c_int),
        ("images_per_second", c_double),
        ("bytes", c_uint64),
        ("watts", c_double),
        ("joules_per_image", c_double),
    ]


class rn_bench_net(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("accuracy", c_double),
        ("accuracy_of", c_char_p),
        ("params", c_uint64),
        ("macs", c_uint64),
        ("points", POINTER(rn_bench_point)),
        ("n_points", c_size_t),
        ("failure", c_char_p),
    ]


class rn_loading_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("size", c_int),
        ("batch", c_int),
        ("threads", c_int),
        ("seconds", c_double),
    ]


class rn_loading_result(Structure):
    _fields_ = [
        ("images", c_int),
        ("threads", c_int),
        ("rounds", c_int),
        ("images_per_second_median", c_double),
        ("images_per_second_min", c_double),
        ("images_per_second_max", c_double),
    ]


class NetOptions(TypedDict, total=False):
    classes: int
    channels: int
    height: int
    width: int
    shortcut: Text
    stride_v1: Union[int, str]
    aux_heads: int
    block: Text
    dropout: float


class ImportOptions(TypedDict, total=False):
    net: Text
    shortcut: Text
    stride: Text
    height: int
    width: int
    stem_stride: int
    stem_pool: Text
    activation: Text
    eps: float
    channel_order: Text
    preprocess: Text
    mean: Sequence[float]
    std: Sequence[float]
    resize: int
    interpolation: Text
    labels: Text
    config: Text
    weights: Text
    structure: int
    not_finite: int
    mean_image: Text
    output: Text
    head: Text
    holder: Text
    map: Text
    skip_extra: int
    headless: int
    aux_heads: int


class PlanOptions(TypedDict, total=False):
    mode: Union[int, str]
    batch: int
    threads: int
    exact: int
    winograd: int
    profile: int
    recompute: Union[int, str]
    bind: int
    keep: Text
    precision: Union[int, str]
    emulate: int


class DataOptions(TypedDict, total=False):
    validation: int
    validation_percent: float
    seed: int
    rule: int
    run: Text


class SurveyOptions(TypedDict, total=False):
    threads: int


class TrainOptions(TypedDict, total=False):
    net: Text
    weights: Text
    holder: Text
    map: Text
    skip_extra: int
    shortcut: Text
    stride_v1: Union[int, str]
    size: int
    resize: int
    batch: int
    threads: int
    iterations: int
    epochs: float
    optimizer: Text
    lr: float
    momentum: float
    beta1: float
    beta2: float
    alpha: float
    epsilon: float
    trust: float
    weight_decay: float
    decay_all: Union[int, str]
    schedule: Text
    warmup: Text
    warmup_lr: float
    loss: Text
    label_smoothing: float
    seed: int
    validation: int
    validation_percent: float
    augment: Text
    crop_pad: int
    crop_area: float
    colour: Text
    erase: float
    mixup: float
    cutmix: float
    skip_bad: int
    normalize: Text
    last_batch: Text
    report_every: int
    test_every: int
    save_every: int
    exact: int
    recompute: Union[int, str]
    freeze: Text
    lr_scale: Text
    batch_norm: Text
    class_weights: Text
    ema: float
    patience: int
    reestimate: int
    accumulate: int
    data_rule: int
    bind: int
    precision: Union[int, str]
    emulate: int
    aux_heads: Union[int, str]
    teacher: Text
    distill_temperature: float
    distill_weight: float
    distill_weight_end: float
    gate_bias: float
    max_norm: Text
    block: Text
    dropout: float
    tensorboard: int
    record: Text
    hint: Text
    groups: int
    lr_batch: int
    zero_gamma: int
    gradient_precision: int
    sync_batch_norm: int


class ResumeOptions(TypedDict, total=False):
    threads: int
    iterations: int
    epochs: float
    bind: int
    emulate: int


class EvalOptions(TypedDict, total=False):
    batch: int
    threads: int
    exact: int
    bind: int
    images: int
    as_stored: int
    crops: int
    scales: Sequence[int]
    keep: int
    precision: Union[int, str]
    emulate: int


class ResponseOptions(TypedDict, total=False):
    images: int
    batch_norm: Union[int, str]
    all: int
    batch: int
    threads: int
    exact: int
    bind: int


class QuantizeOptions(TypedDict, total=False):
    images: int
    part: Union[int, str]
    seed: int
    check: int
    max_drop: float
    min_agreement: float
    leave_out: Text
    batch: int
    threads: int
    bind: int


class BenchOptions(TypedDict, total=False):
    mode: Union[int, str]
    batch: int
    threads: int
    exact: int
    winograd: int
    bind: int
    recompute: Union[int, str]
    profile: int
    seconds: float
    rounds: int
    precision: Union[int, str]
    emulate: int
    powercap: Text
    gradient_precision: int
    streams: int


class LoadingOptions(TypedDict, total=False):
    size: int
    batch: int
    threads: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class Machine:
    threads: int
    limited_by: str
    isa: str
    onednn: str
    cpu: str


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    net: Optional[str]
    channels: int
    height: int
    width: int
    classes: int
    shortcut: str
    stride_v1: int
    params: int
    macs: int
    layers: int
    tensors: int
    has_preprocessing: int
    resize: int
    interpolation: int
    bgr: int
    trained: Optional[str]
    output: int
    head: int
    quantized: int
    aux_heads: int
    aux_params: int
    with_aux: int
    contrast: float
    whitened: int


@dataclasses.dataclass(frozen=True)
class LayerInfo:
    name: Optional[str]
    op: Optional[str]
    channels: int
    height: int
    width: int
    params: int
    macs: int


@dataclasses.dataclass(frozen=True)
class Class:
    index: int
    probability: float
    name: Optional[str]
    id: Optional[str]


@dataclasses.dataclass(frozen=True)
class DataInfo:
    format: Optional[str]
    channels: int
    height: int
    width: int
    classes: int
    count: Tuple[int, ...]
    checksum: int
    training: int
    rule: int
    several: int


@dataclasses.dataclass(frozen=True)
class Measured:
    name: Optional[str]
    title: Optional[str]
    percent: int
    value: float


@dataclasses.dataclass(frozen=True)
class TrainReport:
    iteration: int
    iterations: int
    epoch: float
    loss: float
    train_error: float
    lr: float
    images_per_second: float
    data_wait: float
    seconds_left: float
    tested: int
    test_error: float
    test_error5: float
    test_loss: float
    test_part: int
    measures: int
    measured: Tuple[Measured, ...]
    aux_heads: int
    aux_loss: float


@dataclasses.dataclass(frozen=True)
class TrainResult:
    iterations: int
    seconds: float
    loss: float
    train_error: float
    test_error: float
    test_error5: float
    test_loss: float
    best_error: float
    best_iteration: int
    classes: int
    test_part: int
    test_images: int
    measures: int
    measured: Tuple[Measured, ...]


@dataclasses.dataclass(frozen=True)
class RunState:
    iteration: int
    iterations: int
    finished: int
    saved: int
    data_rule: int
    data_checksum: int


@dataclasses.dataclass(frozen=True)
class EvalResult:
    images: int
    top1_error: float
    top5_error: float
    loss: float
    calibration_error: float
    several: int
    exact_error: float
    mean_average_precision: float
    f1: float
    protocol: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class QuantizeResult:
    images: int
    layers: int
    quantized: int
    check_part: int
    check_images: int
    error_before: float
    error_after: float
    agreement: float


# Result and parameters of each function.
FUNCTIONS: Dict[str, Tuple[Any, Tuple[Any, ...]]] = {
    "rn_version": (c_char_p, ()),
    "rn_net_option": (POINTER(rn_option), (c_size_t,)),
    "rn_import_option": (POINTER(rn_option), (c_size_t,)),
    "rn_plan_option": (POINTER(rn_option), (c_size_t,)),
    "rn_data_option": (POINTER(rn_option), (c_size_t,)),
    "rn_survey_option": (POINTER(rn_option), (c_size_t,)),
    "rn_train_option": (POINTER(rn_option), (c_size_t,)),
    "rn_resume_option": (POINTER(rn_option), (c_size_t,)),
    "rn_eval_option": (POINTER(rn_option), (c_size_t,)),
    "rn_response_option": (POINTER(rn_option), (c_size_t,)),
    "rn_quantize_option": (POINTER(rn_option), (c_size_t,)),
    "rn_bench_option": (POINTER(rn_option), (c_size_t,)),
    "rn_loading_option": (POINTER(rn_option), (c_size_t,)),
    "rn_spelling_distance": (c_int, (c_char_p, c_char_p)),
    "rn_text_clean": (c_int, (c_char_p, POINTER(c_size_t), c_char_p,
        POINTER(rn_error))),
    "rn_text_width": (c_int, (c_char_p,)),
    "rn_text_fit": (c_size_t, (c_char_p, c_int, POINTER(c_int))),
    "rn_ranks_launched": (c_int, (POINTER(c_int), POINTER(c_int))),
    "rn_ranks_join": (c_int, (POINTER(c_void_p), c_double, POINTER(rn_error))),
    "rn_ranks_allow_mixed": (None, (c_void_p,)),
    "rn_ranks_mixed": (c_char_p, (c_void_p,)),
    "rn_ranks_rank": (c_int, (c_void_p,)),
    "rn_ranks_count": (c_int, (c_void_p,)),
    "rn_ranks_meet": (c_int, (c_void_p, c_char_p, POINTER(rn_error))),
    "rn_ranks_agree": (c_int, (c_void_p, c_int, POINTER(rn_error))),
    "rn_ranks_tell": (c_int, (c_void_p, c_void_p, c_size_t,
        POINTER(rn_error))),
    "rn_ranks_go_on": (c_int, (c_void_p,)),
    "rn_ranks_speaks": (c_int, (c_void_p,)),
    "rn_ranks_stopped": (c_int, (c_void_p,)),
    "rn_ranks_leave": (None, (c_void_p,)),
    "rn_shortcut_name": (c_char_p, (c_char,)),
    "rn_net_name": (c_char_p, (c_size_t, POINTER(c_char_p))),
    "rn_net_suggest": (c_char_p, (c_char_p, c_char_p, c_size_t)),
    "rn_model_create": (c_int, (POINTER(c_void_p), c_char_p,
        POINTER(rn_net_options), POINTER(rn_error))),
    "rn_model_init": (None, (c_void_p, c_uint64)),
    "rn_model_load": (c_int, (POINTER(c_void_p), c_char_p, POINTER(rn_error))),
    "rn_preprocess_name": (c_char_p, (c_size_t, POINTER(c_char_p))),
    "rn_model_import": (c_int, (POINTER(c_void_p), c_char_p,
        POINTER(rn_import_options), POINTER(rn_error))),
    "rn_model_load_memory": (c_int, (POINTER(c_void_p), c_void_p, c_size_t,
        c_char_p, POINTER(rn_import_options), POINTER(rn_error))),
    "rn_model_label": (c_int, (c_void_p, c_char_p, POINTER(rn_error))),
    "rn_model_save": (c_int, (c_void_p, c_char_p, POINTER(rn_error))),
    "rn_model_export": (c_int, (c_void_p, c_char_p, POINTER(rn_error))),
    "rn_format_name": (c_char_p, (c_size_t, POINTER(c_char_p),
        POINTER(POINTER(c_char_p)), POINTER(POINTER(c_char_p)))),
    "rn_model_destroy": (None, (c_void_p,)),
    "rn_interpolation_name": (c_char_p, (c_int,)),
    "rn_output_name": (c_char_p, (c_int,)),
    "rn_model_class_name": (c_char_p, (c_void_p, c_int)),
    "rn_model_class_id": (c_char_p, (c_void_p, c_int)),
    "rn_model_preprocess": (c_int, (c_void_p, c_void_p, c_void_p,
        POINTER(rn_error))),
    "rn_model_draw": (c_int, (c_void_p, c_int, c_int, c_char_p, CFUNCTYPE(None,
        c_void_p, c_char_p, c_size_t), c_void_p, POINTER(rn_error))),
    "rn_image_decode": (c_int, (POINTER(rn_image), c_void_p, c_size_t,
        c_char_p, c_int, POINTER(rn_error))),
    "rn_image_formats": (c_char_p, ()),
    "rn_image_load": (c_int, (POINTER(rn_image), c_char_p, c_int,
        POINTER(rn_error))),
    "rn_image_resize": (c_int, (POINTER(rn_image), POINTER(rn_image), c_int,
        c_int, c_int, POINTER(rn_error))),
    "rn_image_save": (c_int, (POINTER(rn_image), c_char_p, POINTER(rn_error))),
    "rn_image_encode": (c_int, (POINTER(rn_image), POINTER(c_void_p),
        POINTER(c_size_t), POINTER(rn_error))),
    "rn_image_free": (None, (POINTER(rn_image),)),
    "rn_pictures_find": (c_int, (POINTER(c_void_p), c_char_p,
        POINTER(rn_error))),
    "rn_pictures_count": (c_size_t, (c_void_p,)),
    "rn_pictures_get": (c_int, (c_void_p, c_size_t, POINTER(c_char_p),
        POINTER(rn_error))),
    "rn_pictures_remark": (c_char_p, (c_void_p, c_size_t)),
    "rn_pictures_load": (c_int, (c_void_p, c_size_t, c_int, POINTER(rn_image),
        POINTER(rn_error))),
    "rn_pictures_destroy": (None, (c_void_p,)),
    "rn_model_preprocess_image": (c_int, (c_void_p, POINTER(rn_image),
        c_void_p, POINTER(rn_error))),
    "rn_model_preprocess_crops": (c_int, (c_void_p, POINTER(rn_image),
        c_void_p, POINTER(rn_error))),
    "rn_feed_create": (c_int, (POINTER(c_void_p), c_void_p, POINTER(c_void_p),
        c_size_t, c_int, c_int, c_int, c_int, POINTER(rn_error))),
    "rn_feed_next": (c_int, (c_void_p, c_void_p, POINTER(rn_error))),
    "rn_feed_destroy": (None, (c_void_p,)),
    "rn_model_paint": (c_int, (c_void_p, POINTER(rn_image), POINTER(c_int),
        c_int, POINTER(rn_image), POINTER(rn_error))),
    "rn_precision_name": (c_char_p, (c_int,)),
    "rn_plan_create": (c_int, (POINTER(c_void_p), c_void_p,
        POINTER(rn_plan_options), POINTER(rn_error))),
    "rn_plan_clone": (c_int, (POINTER(c_void_p), c_void_p, c_int,
        POINTER(rn_error))),
    "rn_plan_estimate": (c_int, (c_void_p, POINTER(rn_plan_options),
        POINTER(c_uint64), POINTER(rn_error))),
    "rn_plan_outline": (c_int, (POINTER(c_void_p), c_void_p,
        POINTER(rn_plan_options), POINTER(rn_error))),
    "rn_plan_bytes": (c_uint64, (c_void_p,)),
    "rn_plan_precision": (c_int, (c_void_p,)),
    "rn_plan_destroy": (None, (c_void_p,)),
    "rn_plan_forward": (c_int, (c_void_p, c_void_p, c_void_p,
        POINTER(rn_error))),
    "rn_plan_forward_some": (c_int, (c_void_p, c_void_p, c_int, c_void_p,
        POINTER(rn_error))),
    "rn_plan_kept": (c_int, (c_void_p, POINTER(c_int), POINTER(c_int),
        POINTER(c_int))),
    "rn_plan_values": (c_int, (c_void_p, c_void_p)),
    "rn_classify": (c_int, (c_void_p, c_char_p, POINTER(rn_class),
        POINTER(c_int), POINTER(rn_error))),
    "rn_classify_bytes": (c_int, (c_void_p, c_void_p, c_size_t, c_char_p,
        POINTER(rn_class), POINTER(c_int), POINTER(rn_error))),
    "rn_plan_trace": (c_int, (c_void_p, c_void_p, CFUNCTYPE(c_int, c_void_p,
        POINTER(rn_trace)), c_void_p, POINTER(rn_error))),
    "rn_softmax": (None, (c_void_p, c_int)),
    "rn_probabilities": (None, (c_int, c_void_p, c_int)),
    "rn_first_not_finite": (c_size_t, (c_void_p, c_size_t)),
    "rn_top_k": (None, (c_void_p, c_int, c_int, POINTER(c_int))),
    "rn_plan_steps": (c_size_t, (c_void_p,)),
    "rn_plan_profile_reset": (None, (c_void_p,)),
    "rn_part_name": (c_char_p, (c_int,)),
    "rn_data_open": (c_int, (POINTER(c_void_p), c_char_p,
        POINTER(rn_data_options), POINTER(rn_error))),
    "rn_data_close": (None, (c_void_p,)),
    "rn_data_from_arrays": (c_int, (POINTER(c_void_p), POINTER(rn_arrays),
        POINTER(rn_error))),
    "rn_data_from_pictures": (c_int, (POINTER(c_void_p), c_char_p,
        POINTER(rn_error))),
    "rn_data_image": (c_int, (c_void_p, c_int, c_int, c_void_p, POINTER(c_int),
        POINTER(rn_error))),
    "rn_data_classes": (c_int, (c_void_p, c_int, c_int, POINTER(c_int),
        c_int)),
    "rn_data_file": (c_char_p, (c_void_p, c_int, c_int)),
    "rn_data_picture": (c_int, (c_void_p, c_int, c_int, c_int,
        POINTER(rn_image), POINTER(rn_error))),
    "rn_data_remark": (c_char_p, (c_void_p, c_size_t)),
    "rn_data_class_name": (c_char_p, (c_void_p, c_int)),
    "rn_data_class_id": (c_char_p, (c_void_p, c_int)),
    "rn_match_classes": (c_int, (c_void_p, c_void_p, c_int, c_void_p,
        POINTER(rn_error))),
    "rn_data_survey": (c_int, (POINTER(c_void_p), c_void_p,
        POINTER(rn_survey_options), POINTER(rn_error))),
    "rn_survey_stats": (None, (c_void_p, c_int, c_void_p, c_void_p)),
    "rn_survey_destroy": (None, (c_void_p,)),
    "rn_train_iterations": (c_int, (POINTER(rn_train_options), c_int,
        POINTER(c_long), POINTER(rn_error))),
    "rn_train_preview": (c_int, (c_void_p, POINTER(rn_train_options), c_int,
        POINTER(rn_image), c_int, POINTER(rn_error))),
    "rn_learner_create": (c_int, (POINTER(c_void_p), c_void_p,
        POINTER(rn_train_options), POINTER(rn_error))),
    "rn_learner_learn": (c_int, (c_void_p, c_void_p, c_void_p, c_void_p,
        POINTER(c_int), POINTER(rn_error))),
    "rn_learner_update": (c_int, (c_void_p, c_double, POINTER(rn_error))),
    "rn_learner_forward": (c_int, (c_void_p, c_void_p, c_void_p,
        POINTER(rn_error))),
    "rn_learner_store": (None, (c_void_p,)),
    "rn_learner_destroy": (None, (c_void_p,)),
    "rn_run_compare": (c_int, (c_char_p, POINTER(rn_train_options), c_char_p,
        POINTER(rn_error))),
    "rn_study_read": (c_int, (POINTER(c_void_p), c_char_p, POINTER(rn_error))),
    "rn_study_destroy": (None, (c_void_p,)),
    "rn_study_keep": (c_int, (c_void_p, c_char_p, POINTER(rn_error))),
    "rn_study_title": (c_char_p, (c_void_p,)),
    "rn_study_recipe": (c_char_p, (c_void_p,)),
    "rn_study_data": (c_char_p, (c_void_p,)),
    "rn_study_run": (c_char_p, (c_void_p, c_size_t)),
    "rn_study_setting": (c_char_p, (c_void_p, c_size_t, c_size_t,
        POINTER(c_char_p))),
    "rn_report_probabilities": (c_int, (c_void_p, c_char_p,
        POINTER(rn_error))),
    "rn_report_predictions": (c_int, (c_void_p, c_char_p, POINTER(rn_error))),
    "rn_report_confusion": (c_int, (c_void_p, c_char_p, POINTER(rn_error))),
    "rn_report_mistakes": (c_int, (c_void_p, c_char_p, POINTER(rn_error))),
    "rn_report_destroy": (None, (c_void_p,)),
    "rn_features_create": (c_int, (POINTER(c_void_p), c_char_p, POINTER(c_int),
        POINTER(rn_error))),
    "rn_features_add": (c_int, (c_void_p, c_char_p, c_void_p,
        POINTER(rn_error))),
    "rn_features_finish": (c_int, (c_void_p, POINTER(rn_error))),
    "rn_features_abort": (None, (c_void_p,)),
    "rn_responses_measure": (c_int, (POINTER(c_void_p), c_void_p, c_void_p,
        c_int, POINTER(rn_response_options), POINTER(rn_error))),
    "rn_responses_write": (c_int, (POINTER(c_void_p), POINTER(c_char_p),
        c_size_t, c_char_p, POINTER(rn_error))),
    "rn_responses_destroy": (None, (c_void_p,)),
    "rn_bench_report": (c_int, (c_char_p, c_char_p, c_char_p, c_char_p,
        POINTER(rn_bench_net), c_size_t, POINTER(rn_error))),
    "rn_net_defaults_sized": (None, (POINTER(rn_net_options), c_size_t)),
    "rn_import_defaults_sized": (None, (POINTER(rn_import_options), c_size_t)),
    "rn_plan_defaults_sized": (None, (POINTER(rn_plan_options), c_size_t)),
    "rn_train_defaults_sized": (None, (POINTER(rn_train_options), c_size_t)),
    "rn_eval_defaults_sized": (None, (POINTER(rn_eval_options), c_size_t)),
    "rn_response_defaults_sized": (None, (POINTER(rn_response_options),
        c_size_t)),
    "rn_quantize_defaults_sized": (None, (POINTER(rn_quantize_options),
        c_size_t)),
    "rn_bench_defaults_sized": (None, (POINTER(rn_bench_options), c_size_t)),
    "rn_loading_defaults_sized": (None, (POINTER(rn_loading_options),
        c_size_t)),
    "rn_machine_get_sized": (None, (POINTER(rn_machine), c_size_t)),
    "rn_model_describe_sized": (None, (c_void_p, POINTER(rn_model_info),
        c_size_t)),
    "rn_model_layer_sized": (c_int, (c_void_p, c_size_t,
        POINTER(rn_layer_info), c_size_t)),
    "rn_model_layer_attribute_sized": (c_int, (c_void_p, c_size_t, c_size_t,
        POINTER(rn_layer_attribute), c_size_t)),
    "rn_model_tensor_sized": (c_int, (c_void_p, c_size_t, POINTER(rn_tensor),
        c_size_t)),
    "rn_plan_step_sized": (c_int, (c_void_p, c_size_t, POINTER(rn_step_info),
        c_size_t)),
    "rn_data_describe_sized": (None, (c_void_p, POINTER(rn_data_info),
        c_size_t)),
    "rn_model_training_sized": (None, (c_void_p, POINTER(rn_model_training),
        c_size_t)),
    "rn_survey_image_sized": (c_int, (c_void_p, c_int, c_int,
        POINTER(rn_surveyed), c_size_t)),
    "rn_train_sized": (c_int, (POINTER(rn_train_options),
        POINTER(rn_train_events), POINTER(rn_train_result), c_size_t,
        POINTER(rn_error))),
    "rn_train_resume_sized": (c_int, (c_char_p, POINTER(rn_resume_options),
        POINTER(rn_train_events), POINTER(rn_train_result), c_size_t,
        POINTER(rn_error))),
    "rn_run_get_sized": (c_int, (c_char_p, POINTER(rn_run_state), c_size_t,
        POINTER(rn_error))),
    "rn_study_report_sized": (c_int, (c_char_p, c_void_p, CFUNCTYPE(None,
        c_void_p, c_char_p), c_void_p, POINTER(rn_study_result), c_size_t,
        POINTER(rn_error))),
    "rn_eval_sized": (c_int, (c_void_p, c_void_p, c_int,
        POINTER(rn_eval_options), POINTER(rn_eval_result), c_size_t,
        POINTER(rn_error))),
    "rn_quantize_sized": (c_int, (c_void_p, c_void_p,
        POINTER(rn_quantize_options), POINTER(rn_quantize_result), c_size_t,
        POINTER(rn_error))),
    "rn_eval_models_sized": (c_int, (POINTER(c_void_p), c_size_t, c_void_p,
        c_int, POINTER(rn_eval_options), POINTER(rn_eval_result), c_size_t,
        POINTER(c_void_p), POINTER(rn_error))),
    "rn_report_answer_sized": (c_int, (c_void_p, c_int, POINTER(rn_answer),
        c_size_t)),
    "rn_report_class_sized": (c_int, (c_void_p, c_int,
        POINTER(rn_class_result), c_size_t)),
    "rn_report_class_measures_sized": (c_int, (c_void_p, c_int,
        POINTER(rn_measures), c_size_t, POINTER(rn_error))),
    "rn_report_measures_sized": (c_int, (c_void_p, POINTER(rn_measures),
        c_size_t, POINTER(rn_error))),
    "rn_responses_describe_sized": (None, (c_void_p, POINTER(rn_response_info),
        c_size_t)),
    "rn_responses_layer_sized": (c_int, (c_void_p, c_size_t,
        POINTER(rn_response), c_size_t)),
    "rn_bench_sized": (c_int, (c_void_p, POINTER(rn_bench_options),
        POINTER(rn_bench_result), c_size_t, POINTER(c_void_p),
        POINTER(rn_error))),
    "rn_bench_data_sized": (c_int, (c_void_p, POINTER(rn_loading_options),
        POINTER(rn_loading_result), c_size_t, POINTER(rn_error))),
}
