# SPDX-License-Identifier: BSD-2-Clause
"""Record what PyTorch with Pillow makes of several views of a photo.

    python tests/golden/record-views.py SHARED FOLDER   (PyTorch, Pillow)

As record-photos.py; writes views.txt: ten crops, or whole pictures of two
scales and their mirror images, through ResNet-18, and of every 20th photo the
mean over the views of its label's probability.
"""
import json
import pathlib
import struct
import sys

import torch
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "bench"))
import nets  # noqa: E402

PHOTOS = pathlib.Path(sys.argv[1]) / "data" / "imagenet-sample"
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
EVERY = 20
SCALES = 224, 384


def tensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    for name, entry in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + n for n in entry["data_offsets"])
            yield name, torch.frombuffer(
                bytearray(data[begin:end]),
                dtype=torch.float32).view(entry["shape"])


def resized(image, side):
    w, h = image.size
    other = int(side * max(w, h) / min(w, h))
    return image.resize((side, other) if w <= h else (other, side),
                        Image.BILINEAR)


def numbers(image):
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    pixels = pixels.view(image.height, image.width, 3).permute(2, 0, 1)
    return (pixels.float() / 255 - MEAN) / STD


def middle(size, part):
    return int(round((size - part) / 2.0))


def crops(image):
    """Krizhevsky et al. 2012: of the middle 256 x 256."""
    image = resized(image, 256)
    w, h = image.size
    x, y = middle(w, 256), middle(h, 256)
    places = [(x, y), (x + 32, y), (x, y + 32), (x + 32, y + 32),
              (middle(w, 224), middle(h, 224))]
    return [numbers(image.crop((left, top, left + 224, top + 224)))
            for left, top in places]


def scales(image):
    return [numbers(resized(image, side)) for side in SCALES]


def main():
    torch.set_num_threads(1)
    net = nets.build("resnet18")
    weights = pathlib.Path(sys.argv[2]) / "resnet18.safetensors"
    net.load_state_dict(dict(tensors(weights)), strict=False)
    net.eval()
    lines = (PHOTOS / "labels.txt").read_text().splitlines()[::EVERY]
    with open(HERE / "views.txt", "w") as out:
        for views in crops, scales:
            for line in lines:
                file, label = line.split()
                image = ImageOps.exif_transpose(
                    Image.open(PHOTOS / "images" / file)).convert("RGB")
                with torch.no_grad():
                    answers = [net(view.unsqueeze(0)).softmax(1)[0]
                               for one in views(image)
                               for view in (one, one.flip(2))]
                probability = torch.stack(answers).mean(0)[int(label)]
                print(views.__name__, file, label, f"{probability:.6f}",
                      file=out)


main()
