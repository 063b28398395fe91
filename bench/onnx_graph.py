# SPDX-License-Identifier: BSD-2-Clause
"""The networks of nets.py as ONNX, the form the peers for inference read."""
import torch
from onnx import helper, numpy_helper
from torch import nn


class OnnxGraph:
    """A network as ONNX, batch norm folded into the convolutions."""

    def __init__(self):
        self.nodes = []
        self.weights = []

    def add(self, op, inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def weight(self, tensor):
        name = f"w{len(self.weights)}"
        self.weights.append(
            numpy_helper.from_array(tensor.detach().numpy(), name))
        return name

    def conv(self, x, conv, bn):
        scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        weight = conv.weight * scale[:, None, None, None]
        bias = bn.bias - bn.running_mean * scale
        return self.add("Conv", [x, self.weight(weight), self.weight(bias)],
                        kernel_shape=list(conv.kernel_size),
                        strides=list(conv.stride),
                        pads=list(conv.padding) * 2)

    def block(self, x, block):
        y = x
        last = 3 if hasattr(block, "conv3") else 2
        for i in range(1, last + 1):
            y = self.conv(y, getattr(block, f"conv{i}"),
                          getattr(block, f"bn{i}"))
            if i < last:
                y = self.add("Relu", [y])
        if block.downsample is not None:
            x = self.conv(x, *block.downsample)
        return self.add("Relu", [self.add("Add", [y, x])])

    def network(self, net, x):
        x = self.add("Relu", [self.conv(x, net.conv1, net.bn1)])
        if isinstance(net.maxpool, nn.MaxPool2d):
            x = self.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2],
                         pads=[1, 1, 1, 1])
        for stage in range(net.stages):
            for block in getattr(net, f"layer{stage + 1}"):
                x = self.block(x, block)
        x = self.add("Flatten", [self.add("GlobalAveragePool", [x])])
        return self.add("Gemm", [x, self.weight(net.fc.weight),
                                 self.weight(net.fc.bias)], transB=1)

    def serialize(self, net, shape):
        """The file's bytes; images of the shape, batch size included."""
        out = self.network(net, "images")
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes, "net", [value("images", 1, shape)],
            [value(out, 1, [shape[0], net.fc.out_features])], self.weights)
        model = helper.make_model(
            graph, ir_version=8,
            opset_imports=[helper.make_opsetid("", 17)])
        return model.SerializeToString()
