# SPDX-License-Identifier: BSD-2-Clause
"""The table's rows: what is compared with whom, and the ratio aimed at."""
import subprocess

import sides
from sides import BENCH, SideError, Work

TORCH = ("eager", "channels_last", "compiled", "compiled_channels_last")
INFERENCE = ("onnxruntime", "openvino_latency", "openvino_throughput")
# The same in less: PyTorch under autocast, OpenVINO with its hint; models
# quantised to int8.
TORCH_BF16 = tuple(way + "_bf16" for way in TORCH)
INFERENCE_BF16 = ("channels_last_bf16", "compiled_channels_last_bf16",
                  "openvino_latency_bf16", "openvino_throughput_bf16")
INFERENCE_INT8 = ("onnxruntime_int8", "openvino_latency_int8",
                  "openvino_throughput_int8")
START = ("onnxruntime", "onnxruntime_unoptimised")

# Seconds, about, on two processors: until a way is warm and probed, and for
# torch.compile() on top.
WARM_UP = 12
COMPILE = {"resnet20": 30, "resnet110": 150, "resnet18": 35, "resnet50": 60,
           "resnet152": 150, "vgg16": 30, "googlenet_bn": 90,
           "se-resnet50": 90, "densenet121": 200, "densenet-bc-100-12": 200,
           "highway-19": 40, "wrn-16-4": 40, "alexnet": 20, "googlenet": 90,
           "inception-v3": 150, "preresnet110": 150, "se-resnet20": 40,
           "nin": 30, "dsn": 30, "maxout": 30, "fitnet-19": 40}


class Row:
    """What speeds, memory and start-up have in common.

    `more` is whether more is better, `target` the ratio of ours to the best
    of theirs. Figures are printed divided by `unit_size`.
    """
    more = True
    unit, unit_size, digits = "images/s", 1, 4

    def __init__(self, name, title, target, ways, work=None):
        self.name, self.title, self.target = name, title, target
        self.peer_ways, self.work = ways, work

    @property
    def tells_memory(self):
        """Beside the speed. Peers that infer hold what the model was made with."""
        return self.work.mode == "train"

    def ways(self, options):
        if options.torch_infers and self.work and self.work.mode == "infer":
            return TORCH + self.peer_ways
        return self.peer_ways

    def rounds(self, options):
        return options.rounds

    def prepare(self, options, folder):
        """Write what the sides read."""

    def ours(self, binary, options, _):
        return sides.OurSpeed(binary, self.work, options.threads)

    def theirs(self, way, options, _):
        return sides.PeerSpeed(options.peers, way, self.work, options.threads)

    def check(self, answers):
        """Whether the sides, {name: side}, computed the same."""

    def turn_seconds(self, options):
        return options.seconds + 2

    def estimate(self, options):
        """Seconds the row takes, about; half the ways drop out."""
        ways = self.ways(options)
        compiled = sum(way.startswith("compiled") for way in ways)
        sides = len(options.binaries) + 0.5 * len(ways)
        return (len(ways) * WARM_UP
                + compiled * COMPILE.get(self.work and self.work.net, 0)
                + sides * self.rounds(options) * self.turn_seconds(options))


class Memory(Row):
    more = tells_memory = False
    unit, unit_size = "MB", 1e6

    def rounds(self, options):
        return min(2, options.rounds)

    def ours(self, binary, options, _):
        return sides.OurMemory(binary, self.work, options.threads)

    def theirs(self, way, options, _):
        return sides.PeerMemory(options.peers, way, self.work,
                                options.threads)

    def turn_seconds(self, options):
        return 15


class Start(Row):
    more = tells_memory = False
    unit, unit_size, digits = "ms", 1e-3, 3

    def rounds(self, options):
        return 6 * options.rounds

    def prepare(self, options, folder):
        python = options.peers / "bin" / "python"
        subprocess.run([python, "-B", BENCH / "cold_files.py", "resnet50",
                        folder], check=True)

    def ours(self, binary, options, folder):
        return sides.OurStart(binary, folder, options.threads)

    def theirs(self, way, options, folder):
        return sides.PeerStart(options.peers, way, folder, options.threads)

    def check(self, answers):
        """The same class from everyone, as likely to 1 %."""
        said = {name: (side.answer["index"], side.answer["probability"])
                for name, side in answers.items()}
        index, probability = said["ours"]
        for name, (i, p) in said.items():
            if i != index or abs(p - probability) > 0.01 * probability:
                raise SideError(f"answers differ: ours {said['ours']}, "
                                f"{name} {(i, p)}")

    def turn_seconds(self, options):
        return 1


def rivals():
    """The paper's rivals and heirs: network, title, batch, pixels a side, and
    the ratio aimed at; in float32, and in bf16 against all of theirs."""
    training = (
        ("vgg16", "VGG-16, 224", 16, 224, 1.8),
        ("googlenet_bn", "GoogLeNet with batch norm, 224", 32, 224, 1.4),
        ("se-resnet50", "SE-ResNet-50, 224", 16, 224, 1.4),
        ("densenet121", "DenseNet-121, 224", 16, 224, 1.4),
        ("alexnet", "AlexNet, 224", 64, 224, 1.4),
        ("googlenet", "GoogLeNet, 224", 32, 224, 1.4),
        ("inception-v3", "Inception v3, 299", 16, 299, 1.4),
        ("densenet-bc-100-12", "DenseNet-BC-100-12, CIFAR", 64, 32, 1.5),
        ("highway-19", "Highway-19, CIFAR", 64, 32, 1.5),
        ("wrn-16-4", "WRN-16-4, CIFAR", 64, 32, 1.5),
        ("preresnet110", "PreResNet-110, CIFAR", 64, 32, 1.5),
        ("se-resnet20", "SE-ResNet-20, CIFAR", 64, 32, 1.5),
        ("nin", "NIN, CIFAR", 64, 32, 1.5),
        ("dsn", "DSN, CIFAR", 64, 32, 1.5),
        ("maxout", "Maxout, CIFAR", 64, 32, 1.5),
        ("fitnet-19", "FitNet-19, CIFAR", 64, 32, 1.5),
    )
    inference = (
        ("vgg16", "VGG-16, 224", 16, 224, 1.5),
        ("googlenet_bn", "GoogLeNet with batch norm, 224", 16, 224, 1.15),
        ("se-resnet50", "SE-ResNet-50, 224", 16, 224, 1.15),
        ("densenet121", "DenseNet-121, 224", 16, 224, 1.1),
        ("densenet121", "DenseNet-121, 224", 1, 224, 1.1),
    )
    for mode, works, ways, ways_bf16 in (
            ("train", training, TORCH, TORCH + TORCH_BF16),
            ("infer", inference, INFERENCE, INFERENCE + INFERENCE_BF16)):
        for net, title, batch, size, target in works:
            name = f"{mode}-{net}" + ("-1" if batch == 1 else "")
            title = f"{mode} {title}, batch {batch}"
            yield Row(name, title, target, ways, Work(mode, net, batch, size))
            yield Row(f"{name}-bf16", f"{title}, bf16", target, ways_bf16,
                      Work(mode, net, batch, size, "bf16"))
    yield Memory("memory-densenet121",
                 "peak memory, train DenseNet-121, batch 16", 0.5, TORCH,
                 Work("train", "densenet121", 16, 224))


# Targets: ratio of medians. Against all of theirs, in float32 and less, ours
# trains in bf16.
ROWS = {row.name: row for row in (
    Row("train-resnet20", "train ResNet-20, CIFAR, batch 128", 1.8, TORCH,
        Work("train", "resnet20", 128, 32)),
    Row("train-resnet110", "train ResNet-110, CIFAR, batch 128", 1.8, TORCH,
        Work("train", "resnet110", 128, 32)),
    Row("train-resnet18", "train ResNet-18, 224, batch 32", 2.1, TORCH,
        Work("train", "resnet18", 32, 224)),
    Row("train-resnet50", "train ResNet-50, 224, batch 16", 1.6, TORCH,
        Work("train", "resnet50", 16, 224)),
    Row("train-resnet20-bf16", "train ResNet-20, CIFAR, batch 128, bf16", 1.4,
        TORCH + TORCH_BF16, Work("train", "resnet20", 128, 32, "bf16")),
    Row("train-resnet110-bf16", "train ResNet-110, CIFAR, batch 128, bf16",
        1.4, TORCH + TORCH_BF16, Work("train", "resnet110", 128, 32, "bf16")),
    Row("train-resnet18-bf16", "train ResNet-18, 224, batch 32, bf16", 1.35,
        TORCH + TORCH_BF16, Work("train", "resnet18", 32, 224, "bf16")),
    Row("train-resnet50-bf16", "train ResNet-50, 224, batch 16, bf16", 1.3,
        TORCH + TORCH_BF16, Work("train", "resnet50", 16, 224, "bf16")),
    Row("infer-resnet18", "infer ResNet-18, 224, batch 16", 1.55, INFERENCE,
        Work("infer", "resnet18", 16, 224)),
    Row("infer-resnet50", "infer ResNet-50, 224, batch 16", 1.15, INFERENCE,
        Work("infer", "resnet50", 16, 224)),
    Row("infer-resnet50-1", "infer ResNet-50, 224, batch 1", 1.1, INFERENCE,
        Work("infer", "resnet50", 1, 224)),
    Row("infer-resnet152-1", "infer ResNet-152, 224, batch 1", 1.1, INFERENCE,
        Work("infer", "resnet152", 1, 224)),
    Row("infer-resnet18-bf16", "infer ResNet-18, 224, batch 16, bf16", 1.3,
        INFERENCE + INFERENCE_BF16,
        Work("infer", "resnet18", 16, 224, "bf16")),
    Row("infer-resnet18-1-bf16", "infer ResNet-18, 224, batch 1, bf16", 1.3,
        INFERENCE + INFERENCE_BF16,
        Work("infer", "resnet18", 1, 224, "bf16")),
    Row("infer-resnet50-bf16", "infer ResNet-50, 224, batch 16, bf16", 1.15,
        INFERENCE + INFERENCE_BF16,
        Work("infer", "resnet50", 16, 224, "bf16")),
    Row("infer-resnet50-1-bf16", "infer ResNet-50, 224, batch 1, bf16", 1.15,
        INFERENCE + INFERENCE_BF16,
        Work("infer", "resnet50", 1, 224, "bf16")),
    Row("infer-resnet18-int8", "infer ResNet-18, 224, batch 16, int8", 1.1,
        INFERENCE_INT8, Work("infer", "resnet18", 16, 224, "int8")),
    Row("infer-resnet50-int8", "infer ResNet-50, 224, batch 16, int8", 1.05,
        INFERENCE_INT8, Work("infer", "resnet50", 16, 224, "int8")),
    Row("infer-resnet50-1-int8", "infer ResNet-50, 224, batch 1, int8", 1.05,
        INFERENCE_INT8, Work("infer", "resnet50", 1, 224, "int8")),
    Row("infer-resnet152-1-int8", "infer ResNet-152, 224, batch 1, int8", 1.1,
        INFERENCE_INT8, Work("infer", "resnet152", 1, 224, "int8")),
    Memory("memory", "peak memory, train ResNet-50, batch 16", 0.5, TORCH,
           Work("train", "resnet50", 16, 224)),
    Memory("memory-bf16", "peak memory, train ResNet-50, batch 16, bf16", 0.5,
           TORCH_BF16, Work("train", "resnet50", 16, 224, "bf16")),
    Start("start", "cold start to answer, ResNet-50", 0.4, START),
    *rivals(),
)}
