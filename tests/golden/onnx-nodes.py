#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Run the node tests that PyPI's onnx has, as far as they are ours.

    PYTHON tests/golden/onnx-nodes.py BUILD [NAME ...]

PYTHON has numpy and onnx 1.19.1 (python3 -m venv FOLDER; FOLDER/bin/pip install
onnx==1.19.1); BUILD is the build folder. Each test is a model of an operator or
a few, inputs and the outputs to be had. Ours are those that read a value of
floats of rank 2 or 4, the batch first, and make one: the first such input
becomes the picture (rank 2: [batch,numbers,1,1], flattened first), the others
become initialisers, and the output is flattened and multiplied by the unit
matrix (by a random one, where it has more than 2000 numbers), as a network
ends in one row for each picture.

Prints each test that gives something else than its output, a table of why the
others are not run, and how many did. NAMEs: only tests whose names hold one of
them, each said. The exit status is 1 if any output was wrong.
"""
import collections
import pathlib
import re
import sys
import tempfile

import numpy
import onnx
from onnx import helper, numpy_helper

from library import Library

WIDEST = 2000
RTOL, ATOL = 1e-3, 1e-5
FLOAT = onnx.TensorProto.FLOAT


class NotOurs(Exception):
    """Why a test says nothing about a network."""


def tests(names):
    data = pathlib.Path(onnx.__file__).parent / "backend/test/data/node"
    for folder in sorted(data.iterdir()):
        if not names or any(name in folder.name for name in names):
            yield folder


def load(path):
    message = path.read_bytes()
    try:
        return numpy_helper.to_array(onnx.TensorProto.FromString(message))
    except Exception:
        return None  # a sequence or an optional value


def values(folder, kind):
    paths = (folder / "test_data_set_0").glob(f"{kind}_*.pb")
    return [load(path) for path in sorted(
        paths, key=lambda path: int(re.findall(r"\d+", path.name)[-1]))]


def is_picture(value):
    return (value is not None and value.dtype == numpy.float32 and
            value.ndim in (2, 4) and value.size > 0)


def matrix(count):
    if count <= WIDEST:
        return numpy.eye(count, dtype=numpy.float32)
    return numpy.random.default_rng(1).normal(
        size=(count, 16)).astype(numpy.float32) / count ** 0.5


def as_network(model, inputs, picture, output, wanted):
    """The test's model as a network of that picture, which makes that
    output."""
    graph, rows = model.graph, len(inputs[picture])
    weights = matrix(wanted.size // rows)
    name = graph.input[picture].name
    nodes = list(graph.node)
    tensors = list(graph.initializer) + [numpy_helper.from_array(
        weights, "unit")]
    for value, array in zip(graph.input, inputs):
        if value.name != name:
            tensors.append(numpy_helper.from_array(array, value.name))
    value = inputs[picture]
    shape, given = list(value.shape), name
    if value.ndim == 2:
        shape, given = shape + [1, 1], "the picture"
        nodes.insert(0, helper.make_node("Flatten", [given], [name]))
    if wanted.ndim == 4:
        nodes.append(helper.make_node("Flatten", [output], ["the row"]))
        output = "the row"
    nodes.append(helper.make_node("MatMul", [output, "unit"], ["the answer"]))
    made = helper.make_graph(
        nodes, "one", [helper.make_tensor_value_info(given, FLOAT, shape)],
        [helper.make_tensor_value_info(
            "the answer", FLOAT, [rows, weights.shape[1]])], tensors)
    whole = helper.make_model(made, opset_imports=model.opset_import,
                              ir_version=model.ir_version,
                              functions=model.functions)
    return whole, value.reshape(shape), wanted.reshape(rows, -1) @ weights


def check_ours(model, inputs, outputs):
    """The picture's number, and those of outputs that can be had."""
    if len(inputs) != len(model.graph.input):
        raise NotOurs("inputs left out, or sequences")
    domains = {node.domain for node in model.graph.node} - {"", "ai.onnx"}
    if domains:
        raise NotOurs(f"operators of {', '.join(sorted(domains))}")
    pictures = [i for i, value in enumerate(inputs) if is_picture(value)]
    if not pictures:
        raise NotOurs("no input of floats of rank 2 or 4")
    if any(value is None for value in inputs):
        raise NotOurs("inputs left out, or sequences")
    rows = len(inputs[pictures[0]])
    wanted = [i for i, value in enumerate(outputs)
              if is_picture(value) and len(value) == rows]
    if not wanted:
        raise NotOurs("no output of floats of rank 2 or 4, the batch first")
    return pictures[0], wanted


def refused(error):
    """What a message says, less the names of this file."""
    text = re.sub(r"^'[^']*': ", "", str(error))
    unknown = re.search(r"\((\w+)\) is not known here", text)
    if unknown:
        raise NotOurs("an operator that is not ours")
    found = re.search(r"\((\w+)\) (.*)", text)
    text = f"{found[1]} {found[2]}" if found else text
    return re.sub(r"'[^']*'", "'…'", re.sub(r"-?\d+(\.\d+)?", "#", text))


def run(lib, folder, path):
    """None when the test gives its outputs, or what is refused."""
    model = onnx.load(folder / "model.onnx")
    inputs, outputs = values(folder, "input"), values(folder, "output")
    picture, wanted = check_ours(model, inputs, outputs)
    for i in wanted:
        network, images, right = as_network(
            model, inputs, picture, model.graph.output[i].name, outputs[i])
        onnx.save(network, path)
        try:
            model_of, info = lib.load(path)
            lib.lib.rn_model_destroy(model_of)
            if images.shape[2:] not in ((info.height, info.width),
                                        (info.width, info.channels)):
                return "the network's pictures come in another size"
            got, _ = lib.run(path, images)
        except RuntimeError as error:
            return refused(error)
        if not numpy.allclose(got, right, RTOL, ATOL, equal_nan=True):
            raise AssertionError(
                f"output {i} differs by {abs(got - right).max():g}, the "
                f"largest being {abs(right).max():g}")
    return None


def table(title, counts):
    print(f"\n{title}")
    for what, count in counts.most_common():
        print(f"{count:6}  {what}")


def main():
    names = sys.argv[2:]
    lib = Library(pathlib.Path(sys.argv[1]).resolve())
    others, no, wrong, right, total = (
        collections.Counter(), collections.Counter(), 0, 0, 0)
    with tempfile.TemporaryDirectory() as scratch:
        for folder in tests(names):
            total += 1
            said = "gives its output"
            try:
                why = run(lib, folder, pathlib.Path(scratch) / "one.onnx")
                right += why is None
                if why:
                    no[why] += 1
                    said = why
            except NotOurs as why:
                others[str(why)] += 1
                said = str(why)
            except AssertionError as why:
                wrong += 1
                said = f"WRONG: {why}"
            if names or said.startswith("WRONG"):
                print(f"{folder.name}: {said}", flush=True)
    table("not ours", others)
    table("refused", no)
    print(f"\n{total} tests; {right + wrong + sum(no.values())} use our "
          f"operators on values of rank 2 or 4: {right} give their output, "
          f"{sum(no.values())} are refused, {wrong} are wrong")
    return 1 if wrong or not total else 0


if __name__ == "__main__":
    sys.exit(main())
