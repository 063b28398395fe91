# SPDX-License-Identifier: BSD-2-Clause
"""The paper's rivals and heirs in PyTorch, by our names: torchvision's where it
has them, else as their authors build them, whose names the parameters have.

For comparing only: tests/golden/record.py records their answers, bench/peers.py
times them.
"""
import functools
import math

import torch
from torch import nn
from torch.nn import functional as F


# ------------------------------------------------------- DenseNet on CIFAR

class DenseLayer(nn.Module):
    def __init__(self, inputs, growth, neck):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        if neck:
            self.conv1 = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(4 * growth)
        self.neck, inputs = neck, 4 * growth if neck else inputs
        last = nn.Conv2d(inputs, growth, 3, padding=1, bias=False)
        self.add_module("conv2" if neck else "conv1", last)

    def forward(self, x):
        y = self.conv1(F.relu(self.norm1(x), inplace=True))
        if self.neck:
            y = self.conv2(F.relu(self.norm2(y), inplace=True))
        return torch.cat([x, y], 1)


class Transition(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x):
        x = F.relu(self.norm(x), inplace=True)
        return F.avg_pool2d(self.conv(x), 2)


class DenseNet(nn.Module):
    """Huang et al. 2017 for CIFAR, under torchvision's names: three blocks,
    with bottlenecks where it is `compressed`."""

    def __init__(self, classes, layers, growth, compressed):
        super().__init__()
        width = 2 * growth if compressed else 16
        self.features = nn.Sequential()
        self.features.add_module(
            "conv0", nn.Conv2d(3, width, 3, padding=1, bias=False))
        for block in 1, 2, 3:
            dense = nn.Sequential()
            for i in range(layers):
                dense.add_module(f"denselayer{i + 1}",
                                 DenseLayer(width, growth, compressed))
                width += growth
            self.features.add_module(f"denseblock{block}", dense)
            if block < 3:
                left = width // 2 if compressed else width
                self.features.add_module(f"transition{block}",
                                         Transition(width, left))
                width = left
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, classes)

    def forward(self, x):
        x = F.relu(self.features(x), inplace=True)
        return self.classifier(x.mean((2, 3)))


# --------------------------------------------------------------- NIN and DSN

class Nin(nn.Module):
    """Lin et al. 2014 for CIFAR, by the names of the authors' Caffe files."""

    PARTS = ((("conv1", 192, 5), ("cccp1", 160, 1), ("cccp2", 96, 1)),
             (("conv2", 192, 5), ("cccp3", 192, 1), ("cccp4", 192, 1)),
             (("conv3", 192, 3), ("cccp5", 192, 1), ("cccp6", None, 1)))

    def __init__(self, classes):
        super().__init__()
        channels = 3
        for part in self.PARTS:
            for name, width, side in part:
                width = width or classes
                self.add_module(name, nn.Conv2d(channels, width, side,
                                                padding=side // 2))
                channels = width
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        pools = (lambda x: self.drop(F.max_pool2d(x, 3, 2, ceil_mode=True)),
                 lambda x: self.drop(F.avg_pool2d(x, 3, 2, ceil_mode=True)),
                 lambda x: x.mean((2, 3)))
        for part, pool in zip(self.PARTS, pools):
            for name, _, _ in part:
                x = F.relu(getattr(self, name)(x))
            x = pool(x)
        return x


class Dsn(Nin):
    """Lee et al. 2015, with heads for images of so many pixels a side."""

    def __init__(self, classes, size):
        super().__init__(classes)
        for i in range(3):
            side = math.ceil(size / 2 ** i)
            self.add_module(f"ip_svm{i + 1}",
                            nn.Linear(192 * side * side, classes))

    def forward(self, x):
        heads = []
        for i, part in enumerate(self.PARTS):
            for name, _, _ in part:
                x = getattr(self, name)(x)
                if name.startswith("conv"):
                    head = getattr(self, f"ip_svm{i + 1}")
                    heads.append(head(torch.flatten(x, 1)))
                x = x if name == "cccp6" else F.relu(x)
            x = self.drop(F.max_pool2d(x, 3, 2, ceil_mode=True)) if i < 2 else (
                x.mean((2, 3)))
        return (x, *heads) if self.training else x


# ------------------------------------------------------------------- Highway

class Highway(nn.Module):
    """Srivastava et al. 2015, by the names of the authors' Caffe files; a
    layer's convolution makes what H and the gate are made of."""

    def __init__(self, gates, widths, classes):
        super().__init__()
        self.parts, channels, number = [], 3, 1
        for count, width in zip(gates, widths):
            self.parts.append(range(number, number + 1 + count))
            for i in self.parts[-1]:
                wide = width if i == number else 2 * width
                self.add_module(f"conv{i}",
                                nn.Conv2d(channels, wide, 3, padding=1))
                channels = width
            number += 1 + count
        self.last = f"conv{number}"
        self.add_module(self.last, nn.Conv2d(channels, 100, 1))
        self.fc = nn.Linear(100, classes)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        for part in self.parts:
            if part[0] > 1:
                x = F.max_pool2d(x, 2, ceil_mode=True)
            x = F.relu(getattr(self, f"conv{part[0]}")(self.drop(x)))
            for i in part[1:]:
                h, t = getattr(self, f"conv{i}")(x).chunk(2, 1)
                x = torch.lerp(x, F.relu(h), torch.sigmoid(t))
        x = F.relu(getattr(self, self.last)(x))
        return self.fc(self.drop(x.mean((2, 3))))


# ---------------------------------------------------------------- Maxout

def largest(x, pieces):
    return functools.reduce(torch.maximum, x.chunk(pieces, 1))


class Maxout(nn.Module):
    """Goodfellow et al. 2013. Layers are (units, kernel, padding, pool, stride
    of the pool); `drops` the rates of dropout of the images and of layers."""

    def __init__(self, classes, size, layers, drops=(0, 0)):
        super().__init__()
        self.layers, inputs = layers, 3
        self.drop_image, self.drop = (nn.Dropout(rate) if rate else
                                      nn.Identity() for rate in drops)
        for i, (units, kernel, pad, pool, stride) in enumerate(layers):
            self.add_module(f"conv{i + 1}", nn.Conv2d(
                inputs, 2 * units, kernel, padding=pad))
            inputs = units
            size += 2 * pad - kernel + 1
            if pool:
                size = math.ceil((size - pool) / stride) + 1
        self.fc1 = nn.Linear(inputs * size * size, 2500)
        self.fc = nn.Linear(500, classes)

    def forward(self, x):
        x = self.drop_image(x)
        for i, (_, _, _, pool, stride) in enumerate(self.layers):
            x = largest(getattr(self, f"conv{i + 1}")(x), 2)
            if pool:
                x = F.max_pool2d(x, pool, stride, ceil_mode=True)
                x = self.drop(x)
        x = largest(self.fc1(torch.flatten(x, 1)), 5)
        return self.fc(self.drop(x))


MAXOUT = (96, 8, 4, 4, 2), (192, 8, 3, 4, 2), (192, 5, 3, 2, 2)
# Romero et al. 2015; a pool ends each row.
FITNET = (*[(32, 3, 1, 0, 0)] * 3, (48, 3, 1, 0, 0), (48, 3, 1, 2, 2),
          *[(80, 3, 1, 0, 0)] * 5, (80, 3, 1, 2, 2),
          *[(128, 3, 1, 0, 0)] * 5, (128, 3, 1, 8, 1))


# --------------------------------------------------------------- by name

# torchvision and what needs it is loaded for those who want it alone: their
# memory is measured.
def torchvision(name, **options):
    def make():
        from torchvision import models
        return getattr(models, name)(weights=None, **options)
    return make


def googlenet():
    from googlenet import google_net
    return google_net(1000, 224)


# Of the usual size and number of classes. Those with auxiliary heads have them
# in training alone.
RIVALS = {
    "alexnet": torchvision("alexnet"),
    "vgg16": torchvision("vgg16"),
    "googlenet": googlenet,
    "googlenet_bn": torchvision("googlenet", init_weights=False,
                                transform_input=False, aux_logits=True),
    "inception-v3": torchvision("inception_v3", init_weights=False,
                                transform_input=False, aux_logits=True),
    "densenet121": torchvision("densenet121"),
    "densenet-bc-100-12": lambda: DenseNet(10, 16, 12, True),
    "highway-19": lambda: Highway((4, 5, 5), (32, 80, 128), 10),
    "nin": lambda: Nin(10),
    "dsn": lambda: Dsn(10, 32),
    "maxout": lambda: Maxout(10, 32, MAXOUT, (0.2, 0.5)),
    "fitnet-19": lambda: Maxout(10, 32, FITNET),
}
