# SPDX-License-Identifier: BSD-2-Clause
"""Draw photos, train a small network on others of their kind, record its answers.

    python tests/golden/record-made.py    (PyTorch, onnx, Pillow)

Writes made/photos/CLASS/*: twenty pictures of four classes, in the formats and
with the oddities that people's photos have, made/net.onnx, a residual network
of 21,000 parameters, and made/logits.txt: what PyTorch with Pillow makes of
each picture. test_photos.c compares; nothing of it is anybody else's.
"""
import io
import pathlib

import numpy
import torch
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent / "made"
CLASSES = ["ball", "box", "rings", "stripes"]
MEAN, STD, RESIZE, CROP = [0.5, 0.45, 0.4], [0.25, 0.25, 0.25], 40, 32


def draw(kind, random, width, height):
    """A scene: a ground that gets darker, the thing, blur, grain."""
    ground, ink = random.integers(120, 255, 3), random.integers(0, 110, 3)
    slope = numpy.linspace(1.0, random.uniform(0.5, 0.9), height)[:, None, None]
    image = Image.fromarray(
        (numpy.ones((height, width, 3)) * ground * slope).astype(numpy.uint8))
    pen = ImageDraw.Draw(image)
    r = min(width, height) * random.uniform(0.2, 0.32)
    x = width / 2 + random.uniform(-0.12, 0.12) * width
    y = height / 2 + random.uniform(-0.12, 0.12) * height
    ink = tuple(int(v) for v in ink)
    if kind == "ball":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=ink)
    elif kind == "box":
        pen.rectangle((x - r, y - r * 0.8, x + r, y + r * 0.8), fill=ink)
    elif kind == "rings":
        for s in 1.0, 0.6:
            pen.ellipse((x - r * s, y - r * s, x + r * s, y + r * s),
                        outline=ink, width=max(3, int(r / 7)))
    else:
        step = r / 2.2
        for i in range(-3, 4):
            pen.line((x + i * step - r * 0.5, y - r * 1.2,
                      x + i * step + r * 0.5, y + r * 1.2),
                     fill=ink, width=max(2, int(step / 2.5)))
    image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.2)))
    grain = random.normal(0, 4, (height, width, 1))
    return Image.fromarray((numpy.asarray(image) + grain)
                           .clip(0, 255).astype(numpy.uint8))


class Block(nn.Module):
    def __init__(self, inside, outside, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.shortcut = nn.Sequential() if stride == 1 else nn.Sequential(
            nn.Conv2d(inside, outside, 1, stride, bias=False),
            nn.BatchNorm2d(outside))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


def network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        Block(8, 8, 1), Block(8, 16, 2), Block(16, 32, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, len(CLASSES)))


def seen(image):
    """torchvision's Resize, CenterCrop, ToTensor and Normalize."""
    image = ImageOps.exif_transpose(image).convert("RGB")
    w, h = image.size
    other = int(RESIZE * max(w, h) / min(w, h))
    size = (RESIZE, other) if w <= h else (other, RESIZE)
    image = image.resize(size, Image.BILINEAR)
    left, top = (int(round((n - CROP) / 2.0)) for n in size)
    image = image.crop((left, top, left + CROP, top + CROP))
    pixels = torch.from_numpy(numpy.asarray(image).copy()).permute(2, 0, 1)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    return (pixels.float() / 255 - mean) / std


def train(net, random):
    images, labels = [], []
    for i in range(1600):
        label = i % len(CLASSES)
        image = draw(CLASSES[label], random, random.integers(90, 150),
                     random.integers(90, 150))
        if random.random() < 0.3:
            image = image.convert("L")
        images.append(seen(image))
        labels.append(label)
    images, labels = torch.stack(images), torch.tensor(labels)
    sgd = torch.optim.SGD(net.parameters(), 0.1, 0.9, weight_decay=5e-4)
    plan = torch.optim.lr_scheduler.OneCycleLR(sgd, 0.1, total_steps=12 * 50)
    for _ in range(12):
        for part in torch.randperm(len(labels)).split(32):
            sgd.zero_grad()
            F.cross_entropy(net(images[part]), labels[part]).backward()
            sgd.step()
            plan.step()


# What the i-th picture of a class is: file, how it is stored.
FORMS = [
    ("plain.jpg", {"quality": 88}),
    ("progressive.jpg", {"quality": 80, "progressive": True}),
    ("lying.jpg", {"quality": 85, "turn": 6}),
    ("grey.png", {"grey": True}),
    ("painted.webp", {"lossless": True}),
]


def store(image, path, quality=None, progressive=False, turn=0, grey=False,
          lossless=False):
    how = {}
    if quality:
        how = {"quality": quality, "progressive": progressive}
    if turn:  # the camera lay on its side
        image = image.rotate(90, expand=True)
        exif = Image.Exif()
        exif[0x112] = turn
        how["exif"] = exif
    if grey:
        image = image.convert("L")
    if lossless:
        image = image.quantize(24).convert("RGB")
        how["lossless"] = True
    image.save(path, **how)


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    random = numpy.random.default_rng(1)
    net = network()
    train(net, random)
    net.eval()
    lines = []
    right = 0
    for label, name in enumerate(CLASSES):
        folder = HERE / "photos" / name
        folder.mkdir(parents=True, exist_ok=True)
        for i, (file, how) in enumerate(FORMS):
            size = [(120, 90), (96, 128), (110, 80), (64, 64), (72, 50)][i]
            store(draw(name, random, *size), folder / file, **how)
            with torch.no_grad():
                logits = net(seen(Image.open(folder / file)).unsqueeze(0))[0]
            right += int(logits.argmax()) == label
            lines.append(" ".join([f"{name}/{file}", str(label)] +
                                  [f"{v:.6f}" for v in logits.tolist()]))
    (HERE / "logits.txt").write_text("\n".join(lines) + "\n")
    out = io.BytesIO()
    torch.onnx.export(net, torch.zeros(1, 3, CROP, CROP), out, dynamo=False,
                      opset_version=17, input_names=["image"],
                      output_names=["logits"], dynamic_axes={
                          "image": {0: "n"}, "logits": {0: "n"}})
    (HERE / "net.onnx").write_bytes(out.getvalue())
    (HERE / "photos" / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    print(f"{right} of {len(lines)} right")


if __name__ == "__main__":
    main()
