# SPDX-License-Identifier: BSD-2-Clause
"""The paper's rivals and heirs in PyTorch, by our names: torchvision's where it
has them, else as their authors build them. For timing only: the parameters'
names are nobody's."""
import torch
from torch import nn
from torch.nn import functional as F


# --------------------------------------------------------------- torchvision

def torchvision(name, **options):
    def make():
        from torchvision import models
        return getattr(models, name)(weights=None, **options)
    return make


# -------------------------------------------------- DenseNet-BC on CIFAR

def norm_conv(inputs, outputs, kernel):
    return nn.Sequential(
        nn.BatchNorm2d(inputs), nn.ReLU(inplace=True),
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False))


class DenseLayer(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.neck = norm_conv(inputs, 4 * growth, 1)
        self.conv = norm_conv(4 * growth, growth, 3)

    def forward(self, x):
        return torch.cat([x, self.conv(self.neck(x))], 1)


class DenseNet(nn.Module):
    """Huang et al. 2017: three blocks, of bottlenecks and compressed."""

    def __init__(self, depth, growth):
        super().__init__()
        width = 2 * growth
        layers = [nn.Conv2d(3, width, 3, padding=1, bias=False)]
        for block in range(3):
            for _ in range((depth - 4) // 6):
                layers.append(DenseLayer(width, growth))
                width += growth
            if block < 2:
                layers += [norm_conv(width, width // 2, 1), nn.AvgPool2d(2)]
                width //= 2
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(width),
                                      nn.ReLU(inplace=True))
        self.fc = nn.Linear(width, 10)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


# ------------------------------------------------------------------- Highway

class Highway(nn.Module):
    """Srivastava et al. 2015: T * H + (1 - T) * x."""

    def __init__(self, channels):
        super().__init__()
        self.plain = nn.Conv2d(channels, channels, 3, padding=1)
        self.gate = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.constant_(self.gate.bias, -2)

    def forward(self, x):
        gate = torch.sigmoid(self.gate(x))
        return x + gate * (F.relu(self.plain(x)) - x)


class Highway19(nn.Module):
    """As in flukeskywalker/highway-networks, cifar-10."""

    def __init__(self):
        super().__init__()
        layers, inputs = [nn.Dropout(0.2)], 3
        for width, gated in ((32, 4), (80, 5), (128, 5)):
            layers += [nn.Conv2d(inputs, width, 3, padding=1),
                       nn.ReLU(inplace=True)]
            layers += [Highway(width) for _ in range(gated)]
            if width < 128:
                layers += [nn.MaxPool2d(2), nn.Dropout(0.2)]
            inputs = width
        layers += [nn.Conv2d(inputs, 100, 1), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(100, 10)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


# ------------------------------------------------------------- Wide ResNets

class Wide(nn.Module):
    """Zagoruyko and Komodakis 2016: pre-activation, two 3x3 convolutions."""

    def __init__(self, inputs, width, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.project = (None if inputs == width and stride == 1 else
                        nn.Conv2d(inputs, width, 1, stride, bias=False))

    def forward(self, x):
        y = F.relu(self.bn1(x))
        if self.project is not None:
            x = self.project(y)
        y = F.relu(self.bn2(self.conv1(y)))
        return x + self.conv2(y)


class WideResNet(nn.Module):
    def __init__(self, depth, widening):
        super().__init__()
        layers, inputs = [nn.Conv2d(3, 16, 3, padding=1, bias=False)], 16
        for stage in range(3):
            width = (16 << stage) * widening
            for i in range((depth - 4) // 6):
                layers.append(Wide(inputs, width,
                                   2 if stage > 0 and i == 0 else 1))
                inputs = width
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(inputs),
                                      nn.ReLU(inplace=True))
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


RIVALS = {
    "vgg16": torchvision("vgg16"),
    # With both auxiliary heads, which training alone has.
    "googlenet_bn": torchvision("googlenet", init_weights=False,
                                transform_input=False, aux_logits=True),
    "densenet121": torchvision("densenet121"),
    "densenet-bc-100-12": lambda: DenseNet(100, 12),
    "highway-19": Highway19,
    "wrn-16-4": lambda: WideResNet(16, 4),
}
