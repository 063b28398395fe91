# SPDX-License-Identifier: BSD-2-Clause
"""Record what PyTorch computes, for test_golden.c to compare with.

    bench/.peers/bin/python tests/golden/record.py [OUT-FOLDER [WORK...]]

Writes a file for each of WORKS beside this one. Parameters, images
and labels are not stored: both sides make them from the formula of value().
Everything recorded is computed in float64, so that float32 rounding is all
on the side of the program tested. Two things tell what a float32 program can be
asked for: the same computed in float32 ("float32_strays"), and the same in
float64 with every convolution's and fully connected layer's input, output and
gradients rounded as coarsely as Winograd's float32 rounds, several times over
("rounding": the farthest that any of these runs strays, of losses by step).
Small networks at these rates are chaotic: by step 15 rounding of 1e-7 and of
1e-5 move the loss alike.
"""
import json
import math
import pathlib
import sys

import numpy
import torch
import torchvision
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "bench"))
import nets  # noqa: E402
import rivals  # noqa: E402
from googlenet import google_net  # noqa: E402

MOMENTUM = 0.9
WEIGHT_DECAY = 0.01  # a hundred times the usual, or its lack would hide
# Pixels a side, images a batch, learning rate, steps. Rates are ones at
# which float32 and float64 still agree at the end.
WORKS = {
    "resnet20": (32, 8, 0.01, 20),
    "bottleneck14": (64, 8, 0.01, 20),
    "resnet50": (64, 8, 0.001, 1),
}
WORKS["se-resnet8"] = (32, 8, 0.01, 20)
WORKS["nin"] = (8, 4, 0.002, 20)
WORKS["highway-19"] = (8, 4, 0.005, 20)
# With auxiliary heads where these fit so small images, and without dropout,
# whose masks are each program's own. At this size a batch norm sees few pixels:
# chaotic, as ResNet-50.
WORKS["googlenet"] = (80, 4, 0.001, 3)
WORKS["googlenet-bn"] = (80, 4, 0.001, 1)
# The least that its head takes; a pixel an image is all that this sees.
WORKS["inception-v3"] = (299, 4, 0.001, 1)
WORKS["densenet121"] = (64, 4, 0.001, 1)
WORKS["se-resnet50"] = (64, 4, 0.001, 1)
# What their losses count.
AUX = {"dsn": 1, "googlenet": 0.3, "googlenet-bn": 0.3,
       "inception-v3": 0.4}
# Added to the biases of batch norms in networks of millions of ReLUs, so that
# one value in a thousand is negative and none is likely so near 0 that rounding
# turns its ReLU: what is left to differ is the sums, and gradients of deep
# networks can be compared. A single trial tells how far rounding takes these.
LIFT = {"inception-v3": 3.0, "densenet121": 3.0, "se-resnet50": 3.0}
# Maxout at a size at which its 8x8 windows cost seconds, not minutes.
WORKS["maxout"] = (16, 2, 0.01, 20)
WORKS["maxout-max-norm"] = (16, 2, 0.01, 20)
WORKS["fitnet-19"] = (32, 2, 0.0005, 20)
# Largest norm of the weights that come into a unit, by stage: ones that bite.
MAX_NORM = {"maxout-max-norm": "conv1=0.9,conv2-conv3=1.2,hidden=0.5,fc=0.4"}
WORKS["preresnet20"] = (16, 8, 0.01, 20)
WORKS["cifar-preresnet11"] = (16, 8, 0.01, 20)
WORKS["wrn-10-1"] = (16, 8, 0.01, 20)
WORKS["wrn-10-2"] = (16, 8, 0.01, 20)
WORKS["preresnet18"] = (32, 8, 0.001, 1)
# Chaotic from the start: of ResNet-50's seven million ReLUs some few fall on the
# other side in float32, and a single one in the last stage, where a channel has
# 32 values, moves the gradients by 5e-3; pools choose among nearly equal values.
# Each of their gradients may be as far off as rounding alone takes it.
CHAOTIC = {"resnet50", "googlenet-bn", "inception-v3", "preresnet18"}
# Batches whose gradients' mean makes a step; the others' steps have one.
WORKS["resnet20-accumulate"] = (32, 8, 0.01, 8)
ACCUMULATE = {"resnet20-accumulate": 3}
# A small network, for what else there is to compare by steps of training: what
# is other than above. "optimizer" is a name of ours; see OPTIMISERS.
SMALL = {
    "nesterov": {"optimizer": "nesterov", "lr": 0.02},
    "adamw": {"optimizer": "adamw", "lr": 0.001, "beta1": 0.8, "beta2": 0.95,
              "epsilon": 1e-4},
    "rmsprop": {"optimizer": "rmsprop", "lr": 0.001, "alpha": 0.9,
                "epsilon": 1e-3},
    "lars": {"optimizer": "lars", "lr": 1.0, "trust": 0.02},
    "smoothed-cross-entropy": {"loss": "smoothed-cross-entropy", "lr": 0.02},
    "binary-cross-entropy": {"loss": "binary-cross-entropy", "lr": 0.1},
    "squared-hinge": {"loss": "squared-hinge", "lr": 0.02},
    "vgg": {"net": "vgg", "lr": 0.02},
    "vgg-bn": {"net": "vgg-bn", "lr": 0.005},
    "densenet-10-12": {"net": "densenet-10-12", "lr": 0.02},
    "densenet-bc-16-8": {"net": "densenet-bc-16-8", "lr": 0.02},
    # Taught by another network, whose weight in the loss falls.
    "distilled": {"teacher": "vgg-bn", "temperature": 3.0, "weight": 4.0,
                  "weight_end": 1.0, "lr": 0.005},
}
# The first layers of a network, and a regressor, which predicts another's layer.
SMALL["hint"] = {"net": "hinted", "teacher": "vgg-bn", "layer": "features.3",
                 "lr": 0.02}
for small_work in SMALL:
    WORKS[small_work] = (16, 16, SMALL[small_work].pop("lr"), 20)
SMALL["dsn"] = {"net": "dsn", "loss": "squared-hinge"}
WORKS["dsn"] = (8, 4, 0.01, 20)
CLASSES = 10
# Winograd's F(4x4, 3x3) in float32, relative root mean square of its error:
# 0.9e-6 with 16 channels, 2.8e-6 with 256.
ROUNDING = 3e-6
TRIALS = 5


class Small(torch.nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 16, 3, 2, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(16)
        self.conv2 = torch.nn.Conv2d(16, 32, 3, 2, 1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(32)
        self.fc = torch.nn.Linear(32, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.fc(x.mean((2, 3)))


class Vgg(torch.nn.Module):
    """torchvision's VGG with other widths."""

    def __init__(self, classes, norm):
        super().__init__()
        layers, inputs = [], 3
        for width in 16, "pool", 32, 32, "pool":
            if width == "pool":
                layers.append(torch.nn.MaxPool2d(2))
                continue
            layers.append(torch.nn.Conv2d(inputs, width, 3, padding=1))
            if norm:
                layers.append(torch.nn.BatchNorm2d(width))
            layers.append(torch.nn.ReLU())
            inputs = width
        self.features = torch.nn.Sequential(*layers)
        self.classifier = torch.nn.Sequential(
            torch.nn.Linear(32 * 4 * 4, 64), torch.nn.ReLU(),
            torch.nn.Dropout(), torch.nn.Linear(64, 48), torch.nn.ReLU(),
            torch.nn.Dropout(), torch.nn.Linear(48, classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class Hinted(torch.nn.Module):
    """Two convolutions of 12 channels, and a regressor for the teacher's
    first pool, of 16 channels and a quarter of the pixels."""

    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 12, 3, padding=1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(12)
        self.conv2 = torch.nn.Conv2d(12, 12, 3, padding=1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(12)
        self.hint_regressor = torch.nn.Conv2d(12, 16, 9)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.hint_regressor(x))


# By our names, for so many classes, of the sizes of WORKS; bench/nets.py has the
# others.
NETS = {
    "googlenet": lambda classes: google_net(classes, 80),
    "googlenet-bn": lambda classes: torchvision.models.GoogLeNet(
        classes, init_weights=False, dropout=0, dropout_aux=0),
    "inception-v3": lambda classes: torchvision.models.Inception3(
        classes, init_weights=False, dropout=0),
    "densenet121": lambda classes: torchvision.models.densenet121(
        num_classes=classes),
    "maxout": lambda classes: rivals.Maxout(classes, 16, rivals.MAXOUT),
    "fitnet-19": lambda classes: rivals.Maxout(classes, 32, rivals.FITNET),
    "densenet-10-12": lambda classes: rivals.DenseNet(classes, 2, 12, False),
    "densenet-bc-16-8": lambda classes: rivals.DenseNet(classes, 2, 8, True),
    "highway-19": lambda classes: rivals.Highway((4, 5, 5), (32, 80, 128),
                                                 classes),
    "nin": rivals.Nin,
    "dsn": lambda classes: rivals.Dsn(classes, 8),
    "small": Small,
    "vgg": lambda classes: Vgg(classes, False),
    "vgg-bn": lambda classes: Vgg(classes, True),
    "hinted": lambda classes: Hinted(),
}


def net_of(work):
    return SMALL[work].get("net", "small") if work in SMALL else (
        work.removesuffix("-accumulate").removesuffix("-max-norm"))


def build(work):
    """Without dropout, whose masks are each program's own."""
    name = net_of(work)
    net = NETS[name](CLASSES) if name in NETS else nets.build(name, CLASSES)
    for layer in net.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0
    return net


class Lars(torch.optim.Optimizer):
    """You et al. 2017, section 4; biases and batch norm keep the plain rate."""

    def __init__(self, parameters, lr, momentum, trust):
        super().__init__(parameters, {"lr": lr})
        self.momentum, self.trust = momentum, trust

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                change = p.grad + WEIGHT_DECAY * p
                rate = group["lr"]
                if p.dim() > 1:
                    rate *= self.trust * p.norm() / (
                        p.grad.norm() + WEIGHT_DECAY * p.norm())
                v = self.state[p].setdefault("v", torch.zeros_like(p))
                v.mul_(self.momentum).add_(rate * change)
                p.sub_(v)


@torch.no_grad()
def limit_norms(net, limits):
    """As pylearn2's max_kernel_norm and max_col_norm, after a step: a unit of
    a maxout is each of its pieces."""
    stages = {"conv1": ["conv1"], "conv2-conv3": ["conv2", "conv3"],
              "hidden": ["fc1"], "fc": ["fc"]}
    for limit in limits.split(",") if limits else []:
        stage, most = limit.split("=")
        for layer in stages[stage]:
            weight = getattr(net, layer).weight
            norms = weight.flatten(1).norm(dim=1)
            factors = (float(most) / norms).clamp(max=1)
            weight.mul_(factors.reshape(-1, *[1] * (weight.dim() - 1)))


# By our names: from parameters, learning rate and the work's other options.
OPTIMISERS = {
    "sgd": lambda p, lr, o: torch.optim.SGD(
        p, lr=lr, momentum=o["momentum"], weight_decay=WEIGHT_DECAY),
    "nesterov": lambda p, lr, o: torch.optim.SGD(
        p, lr=lr, momentum=o["momentum"], weight_decay=WEIGHT_DECAY,
        nesterov=True),
    "adamw": lambda p, lr, o: torch.optim.AdamW(
        p, lr=lr, betas=(o["beta1"], o["beta2"]), eps=o["epsilon"],
        weight_decay=WEIGHT_DECAY),
    "rmsprop": lambda p, lr, o: torch.optim.RMSprop(
        p, lr=lr, alpha=o["alpha"], eps=o["epsilon"],
        weight_decay=WEIGHT_DECAY),
    "lars": lambda p, lr, o: Lars(p, lr, o["momentum"], o["trust"]),
}


# By our names: from logits, labels and sets of classes (0 or 1 for each class).
LOSSES = {
    "cross-entropy": lambda x, labels, sets: F.cross_entropy(x, labels),
    "smoothed-cross-entropy": lambda x, labels, sets: F.cross_entropy(
        x, labels, label_smoothing=0.1),
    "binary-cross-entropy": lambda x, labels, sets:
        F.binary_cross_entropy_with_logits(x, sets),
    "squared-hinge": lambda x, labels, sets: F.relu(
        1 - x * (2 * F.one_hot(labels, CLASSES) - 1)).square().mean(),
}


def fnv1a(text):
    h = 0x811C9DC5
    for byte in text.encode():
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    return h


def value(name, count):
    """count numbers in [-1, 1): a hash of the name and the index."""
    with numpy.errstate(over="ignore"):
        i = numpy.arange(count, dtype=numpy.uint32)
        h = numpy.uint32(fnv1a(name)) + i * numpy.uint32(0x9E3779B9)
        h ^= h >> numpy.uint32(16)
        h *= numpy.uint32(0x85EBCA6B)
        h ^= h >> numpy.uint32(13)
        h *= numpy.uint32(0xC2B2AE35)
        h ^= h >> numpy.uint32(16)
    return h / 2.0**31 - 1.0


def parameter(name, shape, lift):
    """He et al. 2015's deviation for convolutions, batch norm off its
    defaults so that a forgotten term shows. Modules that narrow and widen take
    that of their inputs, so that values do not grow."""
    u = value(name, math.prod(shape))
    if len(shape) == 4:
        fan = shape[1 if name.startswith(("inception", "Mixed")) else 0]
        u *= math.sqrt(6.0 / (fan * shape[2] * shape[3]))
    elif len(shape) == 2:
        u /= math.sqrt(shape[1])
    elif name.endswith(("bn2.weight", "bn3.weight")):
        u = 0.25 + 0.0625 * u  # branches weaker than shortcuts: less chaos
    elif name.endswith((".running_var", ".weight")):
        u = 1.0 + 0.25 * u
    else:
        u = lift + 0.1 * u
    return u.astype(numpy.float32).reshape(shape)


def fill(net, prefix="", lift=0.0):
    with torch.no_grad():
        state = net.state_dict()
        for name, tensor in state.items():
            normal = name.removesuffix("bias") + "running_mean" in state
            if tensor.dim() > 0:
                tensor.copy_(torch.from_numpy(parameter(
                    prefix + name, tensor.shape, lift if normal else 0.0)))


def soft_loss(logits, taught, o, step, steps):
    """Of a teacher's answers (Hinton et al. 2015)."""
    t = o["temperature"]
    weight = o["weight"] + (o["weight_end"] - o["weight"]) * step / (steps - 1)
    return weight * t * t * -(
        F.softmax(taught / t, 1) * F.log_softmax(logits / t, 1)).sum(1).mean()


def batch(step, size, count):
    name = f"images.{step}"
    x = (1.5 * value(name, count * 3 * size * size)).astype(numpy.float32)
    u = value(f"labels.{step}", count)
    labels = numpy.floor((u + 1.0) / 2.0 * CLASSES).astype(numpy.int64)
    images = torch.from_numpy(x.reshape(count, 3, size, size))
    return images, torch.from_numpy(labels)


def sets(step, count, dtype):
    u = value(f"sets.{step}", count * CLASSES).reshape(count, CLASSES)
    return torch.from_numpy(u > 1 / 3.0).to(dtype)


def digest(name, tensor):
    """Norm, and projection on a direction of its own."""
    x = tensor.detach().double().flatten()
    d = torch.from_numpy(value("digest." + name, x.numel()))
    return [x.norm().item(), torch.dot(x, d).item()]


class Round(torch.autograd.Function):
    """x, and its gradient, off by a random ROUNDING of their size."""

    @staticmethod
    def off(x):
        return x + ROUNDING * x.square().mean().sqrt() * torch.randn_like(x)

    @staticmethod
    def forward(ctx, x):
        return Round.off(x)

    @staticmethod
    def backward(ctx, gradient):
        return Round.off(gradient)


def round_layers(net):
    for layer in net.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            exact = layer.forward
            layer.forward = lambda x, exact=exact: Round.apply(
                exact(Round.apply(x)))


def outputs(made):
    """The logits, then those of auxiliary heads."""
    return [made] if torch.is_tensor(made) else list(made)


def run(work, dtype, rounded=None):
    size, count, lr, steps = WORKS[work]
    batches = ACCUMULATE.get(work, 1)
    net = build(work).to(dtype)
    options = {"momentum": MOMENTUM, **SMALL.get(work, {})}
    fill(net, lift=LIFT.get(work, 0.0))
    if rounded is not None:
        torch.manual_seed(rounded)
        round_layers(net)
    teacher = None
    if "teacher" in options:
        teacher = NETS[options["teacher"]](CLASSES).to(dtype).eval()
        fill(teacher, "teacher.")
    out = {}

    net.eval()
    images, _ = batch(-1, size, 4)
    hint = "layer" in options  # the output is a map, which nobody compares
    if hint:
        teacher = teacher.features[:4]
    else:
        with torch.no_grad():
            out["infer_logits"] = net(images.to(dtype)).flatten().tolist()

    net.train()
    optimiser = OPTIMISERS[options.get("optimizer", "sgd")](
        net.parameters(), lr, options)
    out["losses"] = []
    for step in range(steps):
        optimiser.zero_grad()
        out["losses"].append(0.0)
        for part in range(batches):
            images, labels = batch((step * batches + part) % 4, size, count)
            logits, *heads = outputs(net(images.to(dtype)))
            wanted = sets((step * batches + part) % 4, count, dtype)
            rule = LOSSES[options.get("loss", "cross-entropy")]
            loss = rule(logits, labels, wanted) / batches
            if teacher is not None:
                with torch.no_grad():
                    taught = teacher(images.to(dtype))
            loss = ((logits - taught).square().mean() / 2 if hint
                    else rule(logits, labels, wanted) / batches)
            if teacher is not None and not hint:
                loss = loss + soft_loss(logits, taught, options, step, steps)
            out["losses"][-1] += loss.item()
            if heads:
                aux = AUX[work] * sum(rule(x, labels, wanted) for x in heads)
                out.setdefault("aux_losses", []).append(aux.item())
                loss = loss + aux
            loss.backward()
        if step == 0 and not hint:
            out["train_logits"] = logits.flatten().tolist()
        if step == 0 and lr > 0:
            out["grads"] = {name: digest(name, p.grad)
                            for name, p in net.named_parameters()}
        optimiser.step()
        limit_norms(net, MAX_NORM.get(work))
    if lr > 0:
        out["end"] = {name: digest(name, t)
                      for name, t in net.state_dict().items() if t.dim() > 0}
    return out


def far(a, b, scale=None):
    """Largest |a - b| / max(1, |b|) over what both hold; digests by norm, of
    which those of biases in front of a batch norm are next to nothing."""
    if isinstance(b, dict):
        return max(far(a[k], b[k], max(b[k][0], 1e-2)) for k in b)
    return max(abs(x - y) / (scale or max(1.0, abs(y)))
               for x, y in zip(a, b))


def rounding(work, truth):
    """How far rounding alone may take what a run computes."""
    lone = work in LIFT and work not in CHAOTIC
    runs = [run(work, torch.float64, rounded=seed)
            for seed in range(1 if lone else TRIALS)]
    out = {key: float(f"{max(far(r[key], truth[key]) for r in runs):.2g}")
           for key in truth if not key.endswith("losses")}
    for key in truth:
        if key.endswith("losses"):
            out[key] = [
                float(f"{max(abs(r[key][i] / x - 1.0) for r in runs):.2g}")
                for i, x in enumerate(truth[key])]
    if work in CHAOTIC:
        out["grads"] = {
            name: float(f"{max(far({name: r['grads'][name]}, {name: x}) for r in runs):.2g}")
            for name, x in truth["grads"].items()}
    return out


def shorten(x):
    """All numbers in it to ten digits."""
    if isinstance(x, dict):
        return {key: shorten(value) for key, value in x.items()}
    if isinstance(x, list):
        return [shorten(value) for value in x]
    return float(f"{x:.10g}")


def record(work, folder):
    size, count, lr, steps = WORKS[work]
    truth = run(work, torch.float64)
    single = run(work, torch.float32)
    strays = {key: float(f"{far(single[key], truth[key]):.2g}")
              for key in truth}
    print(work, "float32 strays", strays)
    print(work, "losses", [round(x, 4) for x in truth["losses"]])
    print(work, "logits", [round(x, 2) for x in truth["infer_logits"][:10]])
    head = {
        "source": f"PyTorch {torch.__version__.split('+')[0]}, float64",
        "net": net_of(work),
        "classes": CLASSES, "size": size, "batch": count,
        "lr": lr, "momentum": MOMENTUM, "weight_decay": WEIGHT_DECAY,
        "accumulate": ACCUMULATE.get(work, 1), "float32_strays": strays,
        "rounding": rounding(work, truth), **SMALL.get(work, {}),
    }
    if work in MAX_NORM:
        head["max_norm"] = MAX_NORM[work]
    if work in LIFT:
        head["lift"] = LIFT[work]
    text = json.dumps({**head, **shorten(truth)}, indent=None)
    (folder / f"{work}.json").write_text(text + "\n", encoding="utf-8")


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    torch.set_num_threads(2)
    for work in sys.argv[2:] or WORKS:
        record(work, folder)


if __name__ == "__main__":
    main()
