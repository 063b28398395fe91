# SPDX-License-Identifier: BSD-2-Clause
"""Record what ONNX Runtime makes of single operators, for test_onnx.c.

    PYTHON tests/golden/record-operators.py

PYTHON has numpy, onnx and onnxruntime. Each line of onnx/operators.txt beside
this file is NAME|OPSET|SIZES OF THE INPUT|TENSORS|OPERATORS|ANSWER; the answers
are written anew. A tensor is NAME:SIZES, made of value() in record.py, as the
input "x" is of "picture"; operators are in the language of test_onnx.c, and
make "y", a row.
"""
import pathlib

import numpy
import onnx
import onnxruntime
from onnx import helper, numpy_helper

PATH = pathlib.Path(__file__).resolve().parent / "onnx/operators.txt"


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


def attribute(text):
    if text.startswith("["):
        return [int(part) for part in text[1:-1].split(",")]
    if text.startswith("'"):
        return text[1:-1]
    return float(text) if "." in text else int(text)


def operator(text):
    op, inputs, outputs, *more = text.split(" ")
    names = [] if inputs == "-" else inputs.split(",")
    pairs = dict(pair.split("=") for pair in more)
    return helper.make_node(op, names, outputs.split(","), **{
        key: attribute(text) for key, text in pairs.items()})


def sizes(text):
    return [int(part) for part in text.split(",")] if text else []


def answer(opset, dims, tensors, operators):
    made = [numpy_helper.from_array(value(name, sizes(shape)), name)
            for name, shape in (t.split(":") for t in tensors.split())]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [operator(text) for text in operators.split(";")], "one",
        [info("x", onnx.TensorProto.FLOAT, sizes(dims))],
        [info("y", onnx.TensorProto.FLOAT, None)], made)
    model = helper.make_model(graph, ir_version=9, opset_imports=[
        helper.make_opsetid("", int(opset))])
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": value("picture", sizes(dims))})[0]


def main():
    lines = []
    for line in PATH.read_text().splitlines():
        fields = line.split("|")[:5]
        numbers = answer(*fields[1:]).ravel()
        lines.append("|".join(fields + [
            " ".join(f"{number:.8g}" for number in numbers)]))
    PATH.write_text("\n".join(lines) + "\n")


main()
