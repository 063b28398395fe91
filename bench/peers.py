# SPDX-License-Identifier: BSD-2-Clause
"""One way to compute a work, kept warm in a process of its own.

    peers.py WAY MODE NET BATCH SIZE THREADS

WAY is eager, channels_last, compiled, compiled_channels_last (PyTorch) or
onnxruntime; MODE is train or infer. Says "ready" and a version once warm.
After that each line "run SECONDS" on standard input is answered with images
per second: the batch over the median time of a step.
"""
import statistics
import sys
import time

import torch
from torch import nn

import nets


def torch_setup(way, mode, net, batch, size):
    layout = (torch.channels_last if "channels_last" in way
              else torch.contiguous_format)
    model = nets.build(net).to(memory_format=layout)
    images = torch.randn(batch, 3, size, size).to(memory_format=layout)
    model.train(mode == "train")
    if way.startswith("compiled"):
        if mode == "infer":
            import torch._inductor.config as inductor
            inductor.freezing = True  # folds batch norm, packs weights
        model = torch.compile(model)
    return model, images


def torch_train(*work):
    """zero_grad, forward, loss, backward, SGD as in the paper."""
    model, images = torch_setup(*work)
    classes = model.fc.out_features
    labels = torch.randint(classes, (images.shape[0],))
    loss_of = nn.CrossEntropyLoss()
    sgd = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9,
                          weight_decay=1e-4)

    def step():
        sgd.zero_grad()
        loss_of(model(images), labels).backward()
        sgd.step()

    return step


def torch_infer(*work):
    model, images = torch_setup(*work)

    def step():
        with torch.inference_mode(not work[0].startswith("compiled")):
            with torch.no_grad():
                model(images)

    return step


class OnnxGraph:
    """A network as ONNX, batch norm folded into the convolutions."""

    def __init__(self):
        from onnx import helper, numpy_helper
        self.helper = helper
        self.to_tensor = numpy_helper.from_array
        self.nodes = []
        self.weights = []

    def add(self, op, inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(
            self.helper.make_node(op, inputs, [name], **attributes))
        return name

    def weight(self, tensor):
        name = f"w{len(self.weights)}"
        self.weights.append(self.to_tensor(tensor.detach().numpy(), name))
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
        out = self.network(net, "images")
        value = self.helper.make_tensor_value_info
        graph = self.helper.make_graph(
            self.nodes, "net", [value("images", 1, shape)],
            [value(out, 1, [shape[0], net.fc.out_features])], self.weights)
        model = self.helper.make_model(
            graph, ir_version=8,
            opset_imports=[self.helper.make_opsetid("", 17)])
        return model.SerializeToString()


def onnxruntime_infer(way, mode, name, batch, size):
    import onnxruntime
    net = nets.build(name).eval()
    images = torch.randn(batch, 3, size, size)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        OnnxGraph().serialize(net, list(images.shape)), options,
        providers=["CPUExecutionProvider"])
    feed = {"images": images.numpy()}
    [got] = session.run(None, feed)
    with torch.no_grad():
        want = net(images)
    error = (torch.from_numpy(got) - want).abs().max() / want.abs().max()
    if not error < 1e-3:
        sys.exit(f"ONNX Runtime computes something else: off by {error:.2g}")
    return lambda: session.run(None, feed)


def measure(step, batch, seconds):
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return batch / statistics.median(times)


def version(way):
    if way == "onnxruntime":
        import onnxruntime
        return "ONNX Runtime " + onnxruntime.__version__
    return "PyTorch " + torch.__version__.split("+")[0]


def main():
    way, mode, net = sys.argv[1:4]
    batch, size, threads = map(int, sys.argv[4:7])
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    make = (onnxruntime_infer if way == "onnxruntime"
            else torch_train if mode == "train" else torch_infer)
    step = make(way, mode, net, batch, size)
    for _ in range(3):
        step()
    print("ready", version(way), flush=True)
    for line in sys.stdin:
        print(measure(step, batch, float(line.split()[1])), flush=True)


main()
