#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Record what Caffe's layers make of numbers, computed in double by their
definitions: record-caffe.py > caffe.txt. Needs NumPy. A case is three lines:
its name, layers that read 'data' (2x5x4, numbers as tests/unit/foreign.h makes
them from seed 7) and end in 'x', the numbers of 'x'."""
import numpy as np


def numbers(count, seed=7):
    out = []
    for _ in range(count):
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append((seed >> 8) * 2.0**-23 - 1)
    return np.array(out)


DATA = numbers(40).reshape(2, 5, 4)


def layer(kind, bottoms, top, rest=""):
    reads = " ".join(f"bottom: '{b}'" for b in bottoms.split())
    return f"layer {{ name: '{top}' type: '{kind}' {reads} top: '{top}' {rest} }}"


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def within(x, size, alpha, beta):
    pad, (c, h, w) = size // 2, x.shape
    squares = np.pad(x * x, ((0, 0), (pad, pad), (pad, pad)))
    means = sum(squares[:, i:i + h, j:j + w]
                for i in range(size) for j in range(size)) / size**2
    return x * (1 + alpha * means)**-beta


MEANS = DATA.mean((1, 2), keepdims=True)
POOL = layer("Pooling", "data", "m", "pooling_param { pool: AVE global_pooling: true }")
HALF = layer("Power", "data", "h", "power_param { scale: -0.5 shift: 0.25 }")
half = 0.25 - 0.5 * DATA

CASES = [
    ("power 1", layer("Power", "data", "x", "power_param { scale: 3 shift: -2 }"), 3 * DATA - 2),
    ("power 2", layer("Power", "data", "x", "power_param { power: 2 scale: 3 shift: -2 }"), (3 * DATA - 2)**2),
    ("power of a half", layer("Power", "data", "x", "power_param { power: 0.5 shift: 2 }"), (2 + DATA)**0.5),
    ("old power", f"layers {{ name: 'x' type: POWER bottom: 'data' top: 'x' power_param {{ power: 3 }} }}", DATA**3),
    ("tanh", layer("TanH", "data", "x"), np.tanh(DATA)),
    ("norm within a channel", layer("LRN", "data", "x", "lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 alpha: 0.7 beta: 0.75 k: 9 }"), within(DATA, 3, 0.7, 0.75)),
    ("of five, by number", layer("LRN", "data", "x", "lrn_param { norm_region: 1 local_size: 5 alpha: 2 beta: 0.5 }"), within(DATA, 5, 2, 0.5)),
    ("axpy", POOL + HALF + layer("Axpy", "m data h", "x"), MEANS * DATA + half),
    ("a scale of two", POOL + layer("Scale", "data m", "x", "scale_param { axis: 0 }"), MEANS * DATA),
    ("a scale of one shape", HALF + layer("Scale", "data h", "x", "scale_param { axis: 0 }"), DATA * half),
    ("sum with coefficients", HALF + layer("Eltwise", "data h", "x", "eltwise_param { operation: SUM coeff: 1 coeff: -2.5 }"), DATA - 2.5 * half),
    ("maximum beside large numbers", layer("Power", "data", "h", "power_param { shift: -10000 }") + layer("Eltwise", "data h", "x", "eltwise_param { operation: MAX }"), DATA),
    ("maximum", HALF + layer("Eltwise", "data h", "x", "eltwise_param { operation: MAX }"), np.maximum(DATA, half)),
    ("reshape to itself", layer("Reshape", "data", "r", "reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 4 } }") + layer("Sigmoid", "r", "x"), sigmoid(DATA)),
    ("reshape and back", layer("Reshape", "data", "r", "reshape_param { shape { dim: 0 dim: -1 } }") + layer("Reshape", "r", "s", "reshape_param { shape: { dim: [0, 2, 5, 4] } }") + layer("Sigmoid", "s", "x"), sigmoid(DATA)),
    ("reshape of channels", POOL + layer("Reshape", "m", "r", "reshape_param { shape { dim: 0 dim: 0 dim: 1 dim: 1 } }") + layer("Scale", "data r", "x", "scale_param { axis: 0 }"), MEANS * DATA),
    ("abs", layer("AbsVal", "data", "x"), np.abs(DATA)),
    ("elu", layer("ELU", "data", "x", "elu_param { alpha: 0.5 }"), np.where(DATA > 0, DATA, 0.5 * np.expm1(DATA))),
    ("slice", "layer { name: 's' type: 'Slice' bottom: 'data' top: 'a' top: 'b' }" + layer("Concat", "b a", "x"), DATA[::-1]),
    ("slice at a point", "layer { name: 's' type: 'Slice' bottom: 'data' top: 'a' top: 'b' slice_param { axis: 1 slice_point: 1 } }" + layer("Concat", "b a", "x"), DATA[::-1]),
    ("split", "layer { name: 's' type: 'Split' bottom: 'data' top: 'a' top: 'b' }" + layer("Eltwise", "a b", "x"), 2 * DATA),
]

for name, text, value in CASES:
    print(name)
    print(text)
    print(" ".join(f"{v:.9g}" for v in np.ravel(value)))
