# SPDX-License-Identifier: BSD-2-Clause
"""PyTorch's networks as ONNX, the form the peers for inference read."""
import operator

import torch
from onnx import helper, numpy_helper
from torch import fx, nn
from torch.fx.experimental.optimization import fuse
from torch.nn import functional as F


def pair(value):
    return list(value) if isinstance(value, (tuple, list)) else [value] * 2


class OnnxGraph:
    """A network in inference, as torch.fx traces it, a batch norm folded into
    the convolution before it. Knows the layers of nets.py and rivals.py."""

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

    # ------------------------------------------------------------- modules

    def conv(self, x, m):
        inputs = [x, self.weight(m.weight)]
        if m.bias is not None:
            inputs.append(self.weight(m.bias))
        return self.add("Conv", inputs, kernel_shape=list(m.kernel_size),
                        strides=list(m.stride), pads=list(m.padding) * 2,
                        group=m.groups)

    def batch_norm(self, x, m):
        return self.add("BatchNormalization", [x] + [
            self.weight(t) for t in (m.weight, m.bias, m.running_mean,
                                     m.running_var)], epsilon=m.eps)

    def pool(self, op, x, m, **attributes):
        return self.add(op, [x], kernel_shape=pair(m.kernel_size),
                        strides=pair(m.stride), pads=pair(m.padding) * 2,
                        ceil_mode=int(m.ceil_mode), **attributes)

    def linear(self, x, m):
        return self.add("Gemm", [x, self.weight(m.weight),
                                 self.weight(m.bias)], transB=1)

    def adaptive(self, x, size, pixels):
        """A mean over all; one of windows of a pixel is nothing."""
        if pair(size) == [1, 1]:
            return self.add("GlobalAveragePool", [x])
        if pair(size) != list(pixels):
            raise ValueError(f"an adaptive pool of {size} over {pixels}")
        return x

    def module(self, m, x, pixels):
        if isinstance(m, nn.Conv2d):
            return self.conv(x, m)
        if isinstance(m, nn.BatchNorm2d):
            return self.batch_norm(x, m)
        if isinstance(m, nn.MaxPool2d):
            return self.pool("MaxPool", x, m)
        if isinstance(m, nn.AvgPool2d):
            return self.pool("AveragePool", x, m,
                             count_include_pad=int(m.count_include_pad))
        if isinstance(m, nn.AdaptiveAvgPool2d):
            return self.adaptive(x, m.output_size, pixels)
        if isinstance(m, nn.Linear):
            return self.linear(x, m)
        if isinstance(m, nn.ReLU):
            return self.add("Relu", [x])
        if isinstance(m, (nn.Dropout, nn.Identity)):
            return x
        raise ValueError(f"no layer known here: {m}")

    # ----------------------------------------------------------- functions

    def function(self, node, known):
        """What a call of a function or method computes; `known` are the names
        of the values before it."""
        what = node.target
        args = [known.get(a, a) if isinstance(a, fx.Node) else a
                for a in node.args]
        if what in (F.relu, torch.relu):
            return self.add("Relu", args[:1])
        if what is torch.sigmoid:
            return self.add("Sigmoid", args[:1])
        if what in (operator.add, torch.add):
            return self.add("Add", args[:2])
        if what in (operator.sub, torch.sub):
            return self.add("Sub", args[:2])
        if what in (operator.mul, torch.mul):
            return self.add("Mul", args[:2])
        if what is torch.cat:
            return self.add("Concat", [known[v] for v in node.args[0]], axis=1)
        if what is torch.flatten:
            return self.add("Flatten", args[:1])
        if what is F.dropout:
            return args[0]
        if what is F.adaptive_avg_pool2d:
            return self.adaptive(args[0], args[1],
                                 node.args[0].meta["shape"][2:])
        if what == "mean":
            return self.add("ReduceMean", args[:1], axes=list(args[1]),
                            keepdims=int(node.kwargs.get("keepdim", False)))
        raise ValueError(f"no function known here: {what}")

    # --------------------------------------------------------------- whole

    def network(self, traced):
        known, modules = {}, dict(traced.named_modules())
        for node in traced.graph.nodes:
            if node.op == "placeholder":
                known[node] = "images"
            elif node.op == "call_module":
                known[node] = self.module(
                    modules[node.target], known[node.args[0]],
                    node.args[0].meta["shape"][2:])
            elif node.op == "output":
                return known[node.args[0]]
            else:
                known[node] = self.function(node, known)

    def serialize(self, net, shape):
        """The file's bytes; images of the shape, batch size included."""
        traced = fuse(net.eval())
        Shapes(traced).run(torch.zeros(shape))
        out = self.network(traced)
        classes = list(traced.graph.nodes)[-1].args[0].meta["shape"]
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes, "net", [value("images", 1, shape)],
            [value(out, 1, list(classes))], self.weights)
        model = helper.make_model(
            graph, ir_version=8,
            opset_imports=[helper.make_opsetid("", 17)])
        return model.SerializeToString()


class Shapes(fx.Interpreter):
    """Runs a traced network and notes each value's shape."""

    @torch.no_grad()
    def run_node(self, node):
        result = super().run_node(node)
        if isinstance(result, torch.Tensor):
            node.meta["shape"] = tuple(result.shape)
        return result
