# SPDX-License-Identifier: BSD-2-Clause
"""Record a small network as PyTorch's exporters write it, for test_onnx.c.

    PYTHON tests/golden/record-onnx.py [OUT-FOLDER]

PYTHON has torch, onnx and onnxscript. Writes files of a few kilobytes into onnx/
beside this file, and logits.txt with what PyTorch computes. Parameters and
the picture are made of value() in record.py.
"""
import pathlib
import sys

import numpy
import onnx
import torch
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
SHAPE = (3, 12, 14)


def value(name, count):
    """The same as in record.py, which wants more than is there."""
    h = 0x811C9DC5
    for byte in name.encode():
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    with numpy.errstate(over="ignore"):
        i = numpy.arange(count, dtype=numpy.uint32)
        h = numpy.uint32(h) + i * numpy.uint32(0x9E3779B9)
        h ^= h >> numpy.uint32(16)
        h *= numpy.uint32(0x85EBCA6B)
        h ^= h >> numpy.uint32(13)
        h *= numpy.uint32(0xC2B2AE35)
        h ^= h >> numpy.uint32(16)
    return h / 2.0**31 - 1.0


class Net(nn.Module):
    """A little of what networks have."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4)
        self.bn2 = nn.BatchNorm2d(8)
        self.gate = nn.Conv2d(8, 8, 1)
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        self.mean = nn.AvgPool2d(3, stride=1, padding=1)
        self.fc1 = nn.Linear(16 * 3 * 4, 6)
        self.fc2 = nn.Linear(6, 4)

    def forward(self, x):
        x = nn.functional.relu(self.bn1(self.conv1(x)))
        y = nn.functional.silu(self.bn2(self.conv2(x)))
        gate = torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        x = torch.cat([x + y * gate, self.mean(y)], 1)
        x = nn.functional.hardtanh(self.pool(x), 0, 6)
        x = nn.functional.dropout(x, 0.5, self.training)
        x = x.view(x.size(0), -1)
        return self.fc2(nn.functional.leaky_relu(self.fc1(x), 0.1))


def network():
    net = Net().eval()
    for name, tensor in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        made = torch.from_numpy(value(name, tensor.numel())).reshape(
            tensor.shape)
        tensor.copy_(1 + made / 2 if name.endswith("running_var")
                     else made / 4)
    return net


def script(net, x, path, opset, **more):
    torch.onnx.export(net, (x,), path, dynamo=False, opset_version=opset,
                      input_names=["input"], dynamic_axes={"input": [0]},
                      **more)


def strip(path):
    """Take out where on whose machine the program was."""
    model = onnx.load(path, load_external_data=False)
    for part in (*model.graph.node, *model.graph.input, *model.graph.output,
                 *model.graph.value_info, *model.graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    del model.graph.metadata_props[:]
    onnx.save(model, path)


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else HERE) / "onnx"
    out.mkdir(exist_ok=True)
    net = network()
    x = torch.from_numpy(value("picture", numpy.prod(SHAPE)).astype(
        "float32")).reshape(1, *SHAPE)
    script(net, x, out / "script11.onnx", 11)
    script(net, x, out / "script17.onnx", 17)
    script(net, x, out / "unfolded13.onnx", 13, do_constant_folding=False,
           training=torch.onnx.TrainingMode.PRESERVE)
    torch.onnx.export(net, (x,), out / "dynamo18.onnx", dynamo=True,
                      opset_version=18, external_data=False, verbose=False)
    torch.onnx.export(net, (x,), out / "beside20.onnx", dynamo=True,
                      opset_version=20, external_data=True, verbose=False)
    for path in out.glob("*.onnx"):
        strip(path)
    with torch.no_grad():
        logits = net.double()(x.double())[0]
    (out / "logits.txt").write_text(
        "".join(f"{number:.9g}\n" for number in logits.tolist()))


main()
