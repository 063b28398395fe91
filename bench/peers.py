# SPDX-License-Identifier: BSD-2-Clause
"""One way to compute a work, kept warm in a process of its own.

    peers.py WAY MODE NET BATCH SIZE THREADS

WAY is eager, channels_last, compiled, compiled_channels_last (PyTorch),
onnxruntime, openvino_latency or openvino_throughput, in float32, or with _bf16
behind it (not ONNX Runtime) or _int8 (not PyTorch); MODE is train or infer.
Once warm it says "ready" and one JSON object: "version" and "loaded_bytes",
the peak memory before there was a network. After that each line "run
SECONDS" on standard input is answered with images per second.
"""
import ctypes
import json
import signal
import statistics
import sys
import time

import torch
from torch.nn import functional as F

import nets

WARM_UP = 3  # steps


# ---------------------------------------------------------------- measuring

def stepwise(step, batch):
    """Images per second of step(): the batch over its median time."""
    def measure(seconds):
        times = []
        end = time.perf_counter() + seconds
        while len(times) < WARM_UP or time.perf_counter() < end:
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        return batch / statistics.median(times)

    return measure


def queued(queue, batch):
    """Images per second of a queue of requests that is never empty: as many
    batches as there are requests over the median time these take."""
    done = []
    queue.set_callback(lambda *_: done.append(time.perf_counter()))
    requests = len(queue)

    def measure(seconds):
        done.clear()
        end = time.perf_counter() + seconds
        while len(done) < 2 * requests or time.perf_counter() < end:
            queue.start_async()
        full = sorted(done)
        queue.wait_all()
        times = [b - a for a, b in zip(full, full[requests:])]
        return requests * batch / statistics.median(times)

    return measure


# ------------------------------------------------------------------ PyTorch

def torch_version():
    return "PyTorch " + torch.__version__.split("+")[0]


def autocast(way):
    """What training's forward pass and loss run under."""
    return torch.autocast("cpu", torch.bfloat16,
                          enabled=way.endswith("_bf16"))


def torch_setup(way, mode, net, batch, size):
    layout = (torch.channels_last if "channels_last" in way
              else torch.contiguous_format)
    model = nets.build(net).to(memory_format=layout)
    images = torch.randn(batch, 3, size, size).to(memory_format=layout)
    model.train(mode == "train")
    if mode == "infer" and way.endswith("_bf16"):
        # Autocast would round the weights again in every run.
        model, images = model.bfloat16(), images.bfloat16()
    if way.startswith("compiled"):
        if mode == "infer":
            import torch._inductor.config as inductor
            inductor.freezing = True  # folds batch norm, packs weights
        model = torch.compile(model)
    return model, images


AUXILIARY = 0.3  # what a head on the way counts (Szegedy et al. 2015)


def loss_of(answers, labels):
    """Cross-entropy; of torchvision's networks with several heads the sum."""
    if isinstance(answers, torch.Tensor):
        return F.cross_entropy(answers, labels)
    return F.cross_entropy(answers[0], labels) + AUXILIARY * sum(
        F.cross_entropy(head, labels) for head in answers[1:])


def torch_train(way, net, batch, size, _):
    """zero_grad, forward, loss, backward, SGD as in the paper."""
    model, images = torch_setup(way, "train", net, batch, size)
    labels = torch.randint(10, (batch,))
    sgd = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9,
                          weight_decay=1e-4)

    def step():
        sgd.zero_grad()
        with autocast(way):
            loss = loss_of(model(images), labels)
        loss.backward()
        sgd.step()

    return stepwise(step, batch), torch_version()


def torch_infer(way, net, batch, size, _):
    model, images = torch_setup(way, "infer", net, batch, size)

    def step():
        with torch.inference_mode(not way.startswith("compiled")):
            with torch.no_grad():
                model(images)

    return stepwise(step, batch), torch_version()


# ----------------------------------------------- ONNX Runtime and OpenVINO

def onnx_work(name, batch, size):
    """A network as ONNX, images for it, the logits PyTorch gives them."""
    from onnx_graph import OnnxGraph
    net = nets.build(name).eval()
    images = torch.randn(batch, 3, size, size)
    with torch.no_grad():
        logits = net(images)
    model = OnnxGraph().serialize(net, list(images.shape))
    return model, images.numpy(), logits


# Largest difference of a logit over the largest logit. The networks' weights
# are random: rounding goes further than in trained ones.
TOLERANCES = {"fp32": 1e-3, "bf16": 0.1, "int8": 0.5}


def precision_of(way):
    return next((p for p in TOLERANCES if way.endswith("_" + p)), "fp32")


def check(who, way, got, want):
    error = (torch.from_numpy(got) - want).abs().max() / want.abs().max()
    if not error < TOLERANCES[precision_of(way)]:
        sys.exit(f"{who} computes something else: off by {error:.2g}")


def quantised(model, images):
    """The model with QuantizeLinear and DequantizeLinear around each layer:
    int8 weights by channel, uint8 activations by tensor, ranges those of the
    images."""
    import pathlib
    import tempfile
    from onnxruntime import quantization as q

    class Reader(q.CalibrationDataReader):
        def __init__(self):
            self.left = [{"images": images}]

        def get_next(self):
            return self.left.pop() if self.left else None

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "float.onnx").write_bytes(model)
        q.quantize_static(
            folder / "float.onnx", folder / "int8.onnx", Reader(),
            quant_format=q.QuantFormat.QDQ, per_channel=True,
            activation_type=q.QuantType.QUInt8,
            weight_type=q.QuantType.QInt8)
        return (folder / "int8.onnx").read_bytes()


def peers_work(way, name, batch, size):
    model, images, logits = onnx_work(name, batch, size)
    if precision_of(way) == "int8":
        model = quantised(model, images)
    return model, images, logits


def onnxruntime_infer(way, name, batch, size, threads):
    import onnxruntime
    model, images, logits = peers_work(way, name, batch, size)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"])
    feed = {"images": images}
    check("ONNX Runtime", way, session.run(None, feed)[0], logits)
    return (stepwise(lambda: session.run(None, feed), batch),
            "ONNX Runtime " + onnxruntime.__version__)


def openvino_compile(model, way, hint, threads):
    """The model in the way's precision; OpenVINO itself would choose bfloat16
    where the processor has it. Of a quantised model it is that of the layers
    left in float."""
    import openvino
    wanted = "bf16" if precision_of(way) == "bf16" else "f32"
    compiled = openvino.Core().compile_model(
        openvino.Core().read_model(model, b""), "CPU",
        {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": wanted,
         "INFERENCE_NUM_THREADS": threads})
    used = {key: compiled.get_property(key) for key in
            ("INFERENCE_PRECISION_HINT", "INFERENCE_NUM_THREADS")}
    if used["INFERENCE_PRECISION_HINT"] != getattr(openvino.Type, wanted):
        sys.exit(f"OpenVINO does not compute in {wanted}: {used}")
    if used["INFERENCE_NUM_THREADS"] > threads:
        sys.exit(f"OpenVINO takes more than {threads} threads: {used}")
    return compiled


def openvino_version(compiled):
    import openvino
    precision = compiled.get_property(
        "INFERENCE_PRECISION_HINT").get_type_name()
    requests = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    return (f"OpenVINO {openvino.__version__.split('-')[0]}, "
            f"inference precision {precision}, requests {requests}")


def openvino_infer(way, name, batch, size, threads):
    import openvino
    model, images, logits = peers_work(way, name, batch, size)
    hint = way.split("_")[1].upper()
    compiled = openvino_compile(model, way, hint, threads)
    # One request with the latency hint, as many as it asks for with the
    # throughput hint.
    queue = openvino.AsyncInferQueue(compiled)
    for request in queue:
        request.get_input_tensor().data[:] = images
    queue[0].infer()
    check("OpenVINO", way, queue[0].get_output_tensor().data, logits)
    measure = (stepwise(lambda: queue[0].infer(), batch)
               if hint == "LATENCY"
               else queued(queue, batch))
    return measure, openvino_version(compiled)


# --------------------------------------------------------------------- main

MAKERS = {"onnxruntime": onnxruntime_infer,
          "openvino_latency": openvino_infer,
          "openvino_throughput": openvino_infer}


def peak_memory():
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return 0


def end_with_parent():
    """Who is stopped outside its turns would outlive a parent that is killed:
    let the kernel see to it (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def main():
    end_with_parent()
    way, mode, net = sys.argv[1:4]
    batch, size, threads = map(int, sys.argv[4:7])
    loaded = peak_memory()
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    make = MAKERS.get(way.removesuffix("_bf16").removesuffix("_int8"),
                      torch_train if mode == "train" else torch_infer)
    measure, version = make(way, net, batch, size, threads)
    measure(0)
    print("ready", json.dumps({"version": version, "loaded_bytes": loaded}),
          flush=True)
    for line in sys.stdin:
        print(measure(float(line.split()[1])), flush=True)


if __name__ == "__main__":
    main()
