# SPDX-License-Identifier: BSD-2-Clause
"""The GoogLeNet of Szegedy et al. 2015 out of torchvision's parts: biases for
batch norm, 5x5 windows, local response normalisation."""
import functools
import math

import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torchvision.models.googlenet import Inception, InceptionAux


class Conv(nn.Module):
    def __init__(self, inputs, outputs, **window):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, **window)

    def forward(self, x):
        return F.relu(self.conv(x))


class Module(Inception):
    def __init__(self, inputs, one, before3, three, before5, five, pool):
        super().__init__(inputs, one, before3, three, before5, five, pool,
                         Conv)
        self.branch3[1] = Conv(before5, five, kernel_size=5, padding=2)


class Head(InceptionAux):
    """Of maps of so many pixels a side; torchvision's is of any, for its pool
    makes 4x4 of all."""

    def __init__(self, side, inputs, classes, dropout):
        super().__init__(inputs, classes, Conv, dropout)
        pooled = math.ceil((side - 5) / 3) + 1
        self.fc1 = nn.Linear(128 * pooled * pooled, 1024)

    def forward(self, x):
        x = self.conv(F.avg_pool2d(x, 5, 3, ceil_mode=True))
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc2(self.dropout(x))


def google_net(classes, size):
    """With both heads, for images of so many pixels a side."""
    head = functools.partial(Head, math.ceil(size / 16))
    net = torchvision.models.GoogLeNet(
        classes, init_weights=False, blocks=[Conv, Module, head], dropout=0.4)
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    norm = nn.LocalResponseNorm(5)
    net.maxpool1 = nn.Sequential(pool, norm)
    net.maxpool2 = nn.Sequential(norm, pool)
    net.maxpool4 = pool
    return net
