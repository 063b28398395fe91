#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compare with ONNX Runtime what we write and read as ONNX.

    PYTHON tests/golden/onnx-peers.py BUILD out|in|operators|files [FILE ...]

PYTHON has torch, torchvision, onnx, onnxscript, onnxruntime and numpy. BUILD
is the build folder: the library in it computes, the program in it converts.

  out    networks of ours, their parameters made up, written as ONNX, checked
         by onnx.checker, run by ONNX Runtime, and read back
  in     torchvision's networks by both of PyTorch's exporters and several
         opsets, read and compared with PyTorch
  operators  single operators with random attributes, in several opsets,
         against ONNX Runtime
  files  FILEs as they are, against ONNX Runtime

Prints the largest difference of two logits, and the largest logit; the exit
status tells whether any differed by more than 1e-4 of 1 and the largest.
"""
import ctypes
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime

from library import Library

TOLERANCE = 1e-4


def images_for(shape, count=2):
    return numpy.random.default_rng(7).normal(
        size=(count, *shape)).astype(numpy.float32)


def runtime(path, images):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    fixed = isinstance(given.shape[0], int)
    step = given.shape[0] if fixed else len(images)
    parts = [session.run(None, {given.name: images[i:i + step]})[0]
             for i in range(0, len(images), step)]
    return numpy.concatenate(parts).reshape(len(images), -1)


class Report:
    def __init__(self):
        self.failed = 0

    def compare(self, name, ours, theirs, net):
        difference = float(abs(ours - theirs).max())
        largest = float(abs(theirs).max())
        good = difference <= TOLERANCE * (1 + largest)
        self.failed += not good
        print(f"{name:44} {net:16} differ {difference:.2e}  "
              f"largest {largest:.4g}{'' if good else '  FAILED'}",
              flush=True)

    def fail(self, name, why):
        self.failed += 1
        print(f"{name:44} FAILED: {why}", flush=True)


# ------------------------------------------------------------------- out

OURS = ["resnet20", "resnet20 --shortcut A-split", "resnet20 --shortcut B",
        "resnet20 --shortcut C", "plain20", "resnet18", "resnet34",
        "resnet50", "resnet50 --stride v1", "plain34"]


class Options(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in (
        "classes", "channels", "height", "width")] + [
            ("shortcut", ctypes.c_char), ("stride_v1", ctypes.c_int),
            ("rest", ctypes.c_char * 512)]


class Tensor(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("dims", ctypes.c_int),
                ("dim", ctypes.c_size_t * 4), ("count", ctypes.c_size_t),
                ("data", ctypes.POINTER(ctypes.c_float)),
                ("trainable", ctypes.c_int)]


def make_up(lib, model):
    """Statistics and biases that are not 0 and 1."""
    random = numpy.random.default_rng(1)
    lib.lib.rn_model_init(model, ctypes.c_uint64(3))
    tensor, i = Tensor(), 0
    while lib.lib.rn_model_tensor(model, ctypes.c_size_t(i),
                                  ctypes.byref(tensor)) == 0:
        name = tensor.name.decode()
        values = numpy.ctypeslib.as_array(tensor.data, (tensor.count,))
        if name.endswith("running_var"):
            values[:] = random.uniform(0.5, 1.5, tensor.count)
        elif tensor.dims == 1:
            values[:] += random.uniform(-0.2, 0.2, tensor.count)
        i += 1


def make_ours(lib, text, path):
    words = text.split()
    options, model = Options(), ctypes.c_void_p()
    lib.lib.rn_net_defaults(ctypes.byref(options))
    if "--shortcut" in words:
        letter = words[words.index("--shortcut") + 1]
        options.shortcut = b"a" if letter == "A-split" else letter.encode()
    options.stride_v1 = "v1" in words
    lib.call("rn_model_create", ctypes.byref(model), words[0].encode(),
             ctypes.byref(options))
    make_up(lib, model)
    lib.call("rn_model_save", model, str(path).encode())
    lib.lib.rn_model_destroy(model)


def check_out(lib, build, folder, report):
    own, out, back = (folder / name for name in (
        "own.safetensors", "own.onnx", "back.safetensors"))
    for text in OURS:
        make_ours(lib, text, own)
        convert(build, own, out)
        onnx.checker.check_model(str(out), full_check=True)
        model, info = lib.load(own)
        images = images_for((info.channels, info.height, info.width))
        lib.lib.rn_model_destroy(model)
        ours, net = lib.run(own, images)
        report.compare(f"{text} -> ONNX Runtime", ours, runtime(out, images),
                       net)
        convert(build, out, back)
        if own.read_bytes() != back.read_bytes():
            report.fail(text, "comes back otherwise")


def convert(build, a, b):
    subprocess.run([build / "resnet", "convert", a, b], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# -------------------------------------------------------------------- in

THEIRS = ["resnet18", "resnet50", "vgg16", "vgg19", "googlenet", "densenet121",
          "resnext50_32x4d", "wide_resnet50_2"]
EXPORTS = [("script", 11), ("script", 17), ("script-unfolded", 13),
           ("dynamo", 18), ("dynamo", 20)]


def make_theirs(name):
    import torch
    import torchvision
    torch.manual_seed(5)
    more = ({"init_weights": False, "aux_logits": False}
            if name == "googlenet" else {})
    net = getattr(torchvision.models, name)(weights=None, **more).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.7, 1.3)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    return net


def export(net, path, how, opset, images):
    import torch
    kind, _, unfolded = how.partition("-")
    if kind == "dynamo":
        torch.onnx.export(net, (images,), str(path), dynamo=True,
                          opset_version=opset, verbose=False,
                          dynamic_shapes=({0: torch.export.Dim("batch")},))
        return
    more = ({"training": torch.onnx.TrainingMode.PRESERVE,
             "do_constant_folding": False} if unfolded else {})
    torch.onnx.export(net, (images,), str(path), dynamo=False,
                      opset_version=opset, input_names=["input"],
                      dynamic_axes={"input": {0: "batch"}}, **more)


def check_in(lib, folder, report, names):
    import torch
    torch.set_num_threads(1)
    for name in names or THEIRS:
        net = make_theirs(name)
        images = images_for((3, 224, 224))
        with torch.no_grad():
            theirs = net(torch.from_numpy(images)).numpy()
        for how, opset in EXPORTS:
            path = folder / f"{name}.onnx"
            what = f"{name}, {how}, opset {opset}"
            try:
                export(net, path, how, opset, torch.from_numpy(images))
                ours, net_name = lib.run(path, images)
                report.compare(what, ours, theirs, net_name)
            except RuntimeError as error:
                report.fail(what, error)


# ------------------------------------------------------------- operators

OPERATORS = 300


class Maker:
    """Random operators u = op(x) on pictures of random sizes."""

    def __init__(self):
        self.random = random.Random(3)
        self.numbers = numpy.random.default_rng(3)

    def tensor(self, name, *dims):
        return onnx.numpy_helper.from_array(
            self.numbers.normal(size=dims).astype(numpy.float32), name)

    def window(self):
        r = self.random
        size = [r.randint(1, 4), r.randint(1, 4)]
        how = {"kernel_shape": size,
               "strides": [r.randint(1, 3), r.randint(1, 3)]}
        if r.random() < 0.7:
            how["pads"] = [r.randint(0, k - 1) for k in size + size]
        else:
            how["auto_pad"] = r.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
        return how

    def conv(self, c):
        how, r = self.window(), self.random
        if "pads" in how:
            how["dilations"] = [r.choice([1, 2]), r.choice([1, 2])]
        how["group"] = r.choice([g for g in range(1, c + 1) if c % g == 0])
        outs = how["group"] * r.randint(1, 3)
        weights = self.tensor("k", outs, c // how["group"],
                              *how["kernel_shape"])
        return (onnx.helper.make_node("Conv", ["x", "k", "b"], ["u"], **how),
                [weights, self.tensor("b", outs)])

    def pool(self, c):
        how, op = self.window(), self.random.choice(["MaxPool", "AveragePool"])
        if "pads" in how:
            how["ceil_mode"] = self.random.randint(0, 1)
        if op == "AveragePool":
            how["count_include_pad"] = self.random.randint(0, 1)
        return onnx.helper.make_node(op, ["x"], ["u"], **how), []

    def lrn(self, c):
        r = self.random
        return onnx.helper.make_node(
            "LRN", ["x"], ["u"], size=r.choice([1, 3, 5]), beta=0.75,
            alpha=r.uniform(0.01, 1), bias=r.uniform(0.5, 2)), []

    def pad(self, c):
        top, left, bottom, right = (self.random.randint(0, 3)
                                    for _ in range(4))
        pads = numpy.array([0, 0, top, left, 0, 0, bottom, right])
        return (onnx.helper.make_node("Pad", ["x", "p"], ["u"]),
                [onnx.numpy_helper.from_array(pads, "p")])

    def arithmetic(self, c):
        r = self.random
        dims = r.choice([(), (1,), (c, 1, 1), (1, c, 1, 1)])
        return (onnx.helper.make_node(r.choice(["Add", "Sub", "Mul", "Div"]),
                                      ["x", "k"], ["u"]),
                [self.tensor("k", *dims)])

    def model(self):
        """A model that makes four numbers of all that the operator gives, or
        None for an operator that leaves nothing."""
        r, helper = self.random, onnx.helper
        shape = [r.choice([1, 3, 4, 6]), r.randint(5, 13), r.randint(5, 13)]
        node, tensors = r.choice([self.conv, self.pool, self.pool, self.lrn,
                                  self.pad, self.arithmetic])(shape[0])
        picture = helper.make_tensor_value_info(
            "x", onnx.TensorProto.FLOAT, ["n", *shape])
        opsets = [helper.make_opsetid("", r.choice([11, 13, 17, 19]))]

        def build(nodes, output):
            return helper.make_model(helper.make_graph(
                nodes, "one", [picture], [helper.make_tensor_value_info(
                    output, onnx.TensorProto.FLOAT, None)], tensors),
                opset_imports=opsets, ir_version=8)

        images = self.numbers.normal(size=[2, *shape]).astype(numpy.float32)
        flat = [node, helper.make_node("Flatten", ["u"], ["f"])]
        session = onnxruntime.InferenceSession(
            build(flat, "f").SerializeToString())
        count = session.run(None, {"x": images})[0].shape[1]
        tensors.append(self.tensor("w", count, 4))
        return node, images, build(
            flat + [helper.make_node("MatMul", ["f", "w"], ["y"])], "y")


def check_operators(lib, folder, report):
    onnxruntime.set_default_logger_severity(4)
    maker, path = Maker(), folder / "one.onnx"
    for _ in range(OPERATORS):
        try:
            node, images, model = maker.model()
            onnx.save(model, path)
            theirs = runtime(path, images)
        except Exception:  # windows larger than the picture, and the like
            continue
        what = node.op_type + " " + " ".join(
            f"{a.name}={list(a.ints)}" for a in node.attribute if a.ints)
        try:
            ours, net = lib.run(path, images)
            report.compare(what, ours, theirs, net)
        except RuntimeError as error:
            report.fail(what, error)


# ----------------------------------------------------------------- files

def logits_of(path, folder):
    """The file with its final softmax taken off."""
    model = onnx.load(path)
    last = model.graph.node[-1]
    if last.op_type != "Softmax":
        return path
    out = model.graph.output[0]
    del model.graph.node[-1]
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(
        last.input[0], out.type.tensor_type.elem_type, None))
    path = folder / "logits.onnx"
    onnx.save(model, path)
    return path


def check_files(lib, folder, report, files):
    for file in files:
        try:
            model, info = lib.load(file)
        except RuntimeError as error:
            report.fail(pathlib.Path(file).name, error)
            continue
        images = images_for((info.channels, info.height, info.width))
        lib.lib.rn_model_destroy(model)
        given = onnx.load(file).graph.input
        last = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim]
                for i in given}
        rows_first = any(len(dim) == 4 and dim[3] == info.channels
                         and dim[1] != info.channels
                         for dim in last.values())
        fed = images.transpose(0, 2, 3, 1).copy() if rows_first else images
        ours, net = lib.run(file, images)
        theirs = runtime(logits_of(file, folder), fed)
        report.compare(pathlib.Path(file).name, ours, theirs, net)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    lib, report = Library(build), Report()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if sys.argv[2] == "out":
            check_out(lib, build, folder, report)
        elif sys.argv[2] == "in":
            check_in(lib, folder, report, sys.argv[3:])
        elif sys.argv[2] == "operators":
            check_operators(lib, folder, report)
        else:
            check_files(lib, folder, report, sys.argv[3:])
    return 1 if report.failed else 0


sys.exit(main())
