# SPDX-License-Identifier: BSD-2-Clause
"""Quantise the drawn photos' network by ONNX Runtime and record its answers.

    PYTHON tests/golden/record-quantized.py

PYTHON has numpy, onnx, onnxruntime, torch and Pillow. Of made/net.onnx
(record-made.py) it writes made/net-qdq.onnx (pairs, bytes without a sign, a
scale for each channel of the weights), made/net-signed.onnx (pairs, bytes with
a sign) and made/net-qlinear.onnx (operators on bytes), ranges taken of the
drawn photos, and made/quantized.txt: what each answers to "picture0" and so on,
which value() makes.
"""
import importlib.util
import pathlib

import numpy
import onnxruntime
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat,
                                      QuantType, quantize_static)
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
MADE = HERE / "made"
PICTURES, SIDE = 8, 32
KINDS = [
    ("qdq", QuantFormat.QDQ, QuantType.QUInt8),
    ("signed", QuantFormat.QDQ, QuantType.QInt8),
    ("qlinear", QuantFormat.QOperator, QuantType.QUInt8),
]


def module(name):
    spec = importlib.util.spec_from_file_location("recorder", HERE / name)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def value(name, dims):
    """The same as in record.py, which wants more than is there."""
    h = 0x811C9DC5
    for byte in name.encode():
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    with numpy.errstate(over="ignore"):
        i = numpy.arange(numpy.prod(dims, dtype=int), dtype=numpy.uint32)
        h = numpy.uint32(h) + i * numpy.uint32(0x9E3779B9)
        h ^= h >> numpy.uint32(16)
        h *= numpy.uint32(0x85EBCA6B)
        h ^= h >> numpy.uint32(13)
        h *= numpy.uint32(0xC2B2AE35)
        h ^= h >> numpy.uint32(16)
    return (h / 2.0**31 - 1.0).astype(numpy.float32).reshape(dims)


class Photos(CalibrationDataReader):
    def __init__(self):
        seen = module("record-made.py").seen
        files = sorted((MADE / "photos").glob("*/*.*"))
        self.left = [seen(Image.open(f)).unsqueeze(0).numpy() for f in files]

    def get_next(self):
        return {"image": self.left.pop()} if self.left else None


def main():
    lines = []
    for name, form, activations in KINDS:
        path = MADE / f"net-{name}.onnx"
        quantize_static(MADE / "net.onnx", path, Photos(), quant_format=form,
                        activation_type=activations,
                        weight_type=QuantType.QInt8, per_channel=True)
        session = onnxruntime.InferenceSession(path)
        for i in range(PICTURES):
            picture = value(f"picture{i}", (1, 3, SIDE, SIDE))
            logits = session.run(None, {"image": picture})[0][0]
            lines.append(" ".join([name, str(i)] +
                                  [f"{number:.8g}" for number in logits]))
    (MADE / "quantized.txt").write_text("\n".join(lines) + "\n")


main()
