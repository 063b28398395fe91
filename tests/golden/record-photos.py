# SPDX-License-Identifier: BSD-2-Clause
"""Record what PyTorch with Pillow makes of the photos of ../shared.

    python tests/golden/record-photos.py SHARED FOLDER   (PyTorch, Pillow)

FOLDER holds resnet18.safetensors and resnet50.safetensors, made by
SHARED/data/weights/expand.py. Writes photos.txt beside this file, for
test_photos.c: for each network and photo the class of the largest logit, that
logit, and every 125th. Photos are turned as EXIF says, but where "stored"
stands.
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
WEIGHTS = pathlib.Path(sys.argv[2])
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def tensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + size + n for n in entry["data_offsets"])
            yield name, torch.frombuffer(
                bytearray(data[begin:end]),
                dtype=torch.float32).view(entry["shape"])


def seen(path, turn):
    """torchvision's Resize(256), CenterCrop(224), ToTensor, Normalize."""
    image = Image.open(path)
    if turn:
        image = ImageOps.exif_transpose(image)
    image = image.convert("RGB")
    w, h = image.size
    other = int(256 * max(w, h) / min(w, h))
    size = (256, other) if w <= h else (other, 256)
    image = image.resize(size, Image.BILINEAR)
    left, top = (int(round((n - 224) / 2.0)) for n in size)
    image = image.crop((left, top, left + 224, top + 224))
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    pixels = pixels.view(224, 224, 3).permute(2, 0, 1)
    return (pixels.float() / 255 - MEAN) / STD


def main():
    torch.set_num_threads(1)
    lines = (PHOTOS / "labels.txt").read_text().splitlines()
    out = open(HERE / "photos.txt", "w")
    for name in "resnet18", "resnet50":
        net = nets.build(name)
        net.load_state_dict(dict(tensors(WEIGHTS / f"{name}.safetensors")),
                            strict=False)
        net.eval()
        for turn in True, False:
            right = right5 = 0
            for line in lines:
                file, label = line.split()
                with torch.no_grad():
                    image = seen(PHOTOS / "images" / file, turn)
                    logits = net(image.unsqueeze(0))[0]
                best = logits.topk(5).indices.tolist()
                right += best[0] == int(label)
                right5 += int(label) in best
                if turn:
                    print(name, file, best[0],
                          *(f"{v:.5f}" for v in [logits[best[0]],
                                                 *logits[::125]]), file=out)
            print("right", name, "turned" if turn else "stored", right, right5,
                  file=out)


main()
