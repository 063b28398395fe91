# SPDX-License-Identifier: BSD-2-Clause
"""The networks of He et al. 2016 in PyTorch, with torchvision's names, and
those with gates; the others are in rivals.py.

For comparing only: tests/golden/record.py records their answers,
bench/peers.py times them.
"""
import torch
from torch import nn
from torch.nn import functional as F

from rivals import RIVALS


class SubsamplePad(nn.Module):
    """Shortcut option A: every second pixel, zero channels appended."""

    def __init__(self, extra, stride):
        super().__init__()
        self.extra = extra
        self.stride = stride

    def forward(self, x):
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.extra))


def shortcut(option, inputs, outputs, stride):
    if inputs == outputs and stride == 1:
        return None
    if option == "A":
        return SubsamplePad(outputs - inputs, stride)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, stride, bias=False),
        nn.BatchNorm2d(outputs))


class Excite(nn.Module):
    """Squeeze and excitation, over so many channels, as timm names it."""

    def __init__(self, channels, narrow):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, narrow, 1)
        self.fc2 = nn.Conv2d(narrow, channels, 1)

    def forward(self, x):
        gate = F.relu(self.fc1(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.fc2(gate))


class Basic(nn.Module):
    widening = 1

    def __init__(self, inputs, width, stride, option):
        super().__init__()
        self.se = nn.Identity()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(option, inputs, width, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.se(self.bn2(self.conv2(y)))
        if self.downsample is not None:
            x = self.downsample(x)
        return F.relu(y + x)


class Bottleneck(nn.Module):
    """Stride in the 3x3 ("v1.5")."""

    widening = 4

    def __init__(self, inputs, width, stride, option):
        super().__init__()
        self.se = nn.Identity()
        wide = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        self.downsample = shortcut(option, inputs, wide, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.se(self.bn3(self.conv3(y)))
        if self.downsample is not None:
            x = self.downsample(x)
        return F.relu(y + x)


class ResNet(nn.Module):
    def __init__(self, imagenet, width, block, counts, option, classes):
        super().__init__()
        channels = 64 if imagenet else 16
        if imagenet:
            self.conv1 = nn.Conv2d(3, channels, 7, 2, 3, bias=False)
        else:
            self.conv1 = nn.Conv2d(3, channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if imagenet else nn.Identity()
        self.stages = len(counts)
        for stage, count in enumerate(counts):
            blocks = []
            for i in range(count):
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(block(channels, width, stride, option))
                channels = width * block.widening
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            width *= 2
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class PreBlock(nn.Module):
    """Activation first: of the shortcut, too, where that projects or `both`
    says so; not at all in a block that is `bare`. Of three convolutions the one
    numbered `strides` strides; projections have no batch norm."""

    def __init__(self, inputs, width, stride, option, kernels, strides, both,
                 bare):
        super().__init__()
        outputs = width * (4 if len(kernels) == 3 else 1)
        channels, self.convs = inputs, len(kernels)
        for i, kernel in enumerate(kernels, 1):
            to = outputs if i == self.convs else width
            self.add_module(f"bn{i}", nn.Identity() if bare and i == 1
                            else nn.BatchNorm2d(channels))
            self.add_module(f"conv{i}", nn.Conv2d(
                channels, to, kernel, stride if i == strides else 1,
                kernel // 2, bias=False))
            channels = to
        self.both, self.bare = both or inputs != outputs, bare
        self.downsample = shortcut(option, inputs, outputs, stride)
        if option == "B" and self.downsample is not None:
            self.downsample = self.downsample[:1]

    def forward(self, x):
        y = x if self.bare else F.relu(self.bn1(x))
        x = y if self.both else x
        for i in range(1, self.convs + 1):
            y = y if i == 1 else F.relu(getattr(self, f"bn{i}")(y))
            y = getattr(self, f"conv{i}")(y)
        return y + (x if self.downsample is None else self.downsample(x))


class PreResNet(nn.Module):
    """He et al. 2016b (facebookarchive/fb.resnet.torch, for CIFAR's bottlenecks
    KaimingHe/resnet-1k-layers), Zagoruyko and Komodakis 2016, and timm's
    resnetv2, which has no batch norm before the pool."""

    def __init__(self, kind, width, kernels, counts, option, classes):
        super().__init__()
        small = kind in ("cifar", "wide")
        channels = 16 if small else 64
        self.conv1 = nn.Conv2d(3, channels, 3 if small else 7,
                               1 if small else 2, 1 if small else 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64) if kind == "imagenet" else nn.Identity()
        self.relu = nn.ReLU() if kind == "imagenet" else nn.Identity()
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        self.stages = len(counts)
        for stage, count in enumerate(counts):
            blocks = []
            for i in range(count):
                first = stage == 0 and i == 0
                blocks.append(PreBlock(
                    channels, width, 2 if stage > 0 and i == 0 else 1, option,
                    kernels, 2 if len(kernels) == 3 and not small else 1,
                    first and kind == "cifar", first and kind == "imagenet"))
                channels = blocks[-1].get_submodule(
                    f"conv{len(kernels)}").out_channels
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            width *= 2
        self.bn = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(F.relu(self.bn(x)).mean((2, 3)))


# Kind, width of the first stage, kernels of a block, blocks, shortcut.
PREACTIVATED = {
    "preresnet20": ("cifar", 16, (3, 3), (3, 3, 3), "A"),
    "cifar-preresnet11": ("cifar", 16, (1, 3, 1), (1, 1, 1), "B"),
    "preresnet18": ("imagenet", 64, (3, 3), (2, 2, 2, 2), "B"),
    "wrn-10-1": ("wide", 16, (3, 3), (1, 1, 1), "B"),
    "wrn-10-2": ("wide", 32, (3, 3), (1, 1, 1), "B"),
    "wrn-16-4": ("wide", 64, (3, 3), (2, 2, 2), "B"),
    "preresnet110": ("cifar", 16, (3, 3), (18, 18, 18), "A"),
}

# ImageNet's stem, width of the first stage, block, blocks, shortcut, classes.
NETS = {
    "resnet20": (False, 16, Basic, (3, 3, 3), "A", 10),
    "resnet110": (False, 16, Basic, (18, 18, 18), "A", 10),
    "resnet18": (True, 64, Basic, (2, 2, 2, 2), "B", 1000),
    "resnet50": (True, 64, Bottleneck, (3, 4, 6, 3), "B", 1000),
    "resnet152": (True, 64, Bottleneck, (3, 8, 36, 3), "B", 1000),
    "se-resnet20": (False, 16, Basic, (3, 3, 3), "B", 10),
    "se-resnet50": (True, 64, Bottleneck, (3, 4, 6, 3), "B", 1000),
    # Not the paper's: small enough to compare step by step.
    "bottleneck14": (True, 16, Bottleneck, (2, 2), "B", 10),
    "se-resnet8": (False, 16, Basic, (1, 1, 1), "B", 10),
}


def excite(net, imagenet):
    """Give each block a gate, over a 16th of its channels, a multiple of 8, or
    for CIFAR over 16."""
    for stage in range(net.stages):
        for block in getattr(net, f"layer{stage + 1}"):
            channels = block.conv2.out_channels * block.widening
            narrow = max(8, (channels // 16 + 4) // 8 * 8) if imagenet else 16
            block.se = Excite(channels, narrow)
    return net


def build(name, classes=None):
    if name in PREACTIVATED:
        kind = PREACTIVATED[name][0]
        own = 10 if kind in ("cifar", "wide") else 1000
        return PreResNet(*PREACTIVATED[name], classes or own)
    if name in RIVALS:
        return RIVALS[name]()
    *shape, own = NETS[name]
    net = ResNet(*shape, classes or own)
    return excite(net, shape[0]) if name.startswith("se-") else net
