# SPDX-License-Identifier: BSD-2-Clause
"""Write what the cold start reads: one network, one picture, both sides' way.

    cold_files.py NET FOLDER

model.safetensors and images/ (IDX files) for resnet; model.onnx and
image.npy, the picture already normalised, for its peer.
"""
import json
import pathlib
import struct
import sys

import numpy
import torch

import nets
from onnx_graph import OnnxGraph

SIZE = 224
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def describe(name, classes):
    """What resnet keeps in a model file's metadata."""
    network = {"name": name, "family": "imagenet",
               "depth": int(name.removeprefix("resnet")), "plain": False,
               "shortcut": "B", "stride": "v1.5", "input": [3, SIZE, SIZE],
               "classes": classes}
    preprocessing = {"kind": "channel", "scale": "1/255", "mean": MEAN,
                     "std": STD}
    return {"resnet": json.dumps({
        "format": 1, "network": network, "preprocessing": preprocessing,
        "classes": None, "trained": None})}


def write_safetensors(path, tensors, metadata):
    header, at = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        end = at + 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.numpy().tobytes())


def write_idx(folder, pixels):
    """The picture, once for each part a data set has; label 0."""
    folder.mkdir()
    for part in ("train", "t10k"):
        images = struct.pack(">HBB4I", 0, 8, 4, 1, *pixels.shape)
        labels = struct.pack(">HBBI", 0, 8, 1, 1) + b"\0"
        (folder / f"{part}-images-idx4-ubyte").write_bytes(
            images + pixels.tobytes())
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)


def normalised(pixels):
    channels = numpy.float32([MEAN, STD])[:, :, None, None]
    return ((pixels / numpy.float32(255) - channels[0]) / channels[1])[None]


def main():
    name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    torch.manual_seed(1)
    net = nets.build(name).eval()
    # Fresh weights take every class for as likely: make the answer a choice.
    net.fc.weight.data *= 50
    tensors = {key: value.contiguous()
               for key, value in net.state_dict().items()
               if not key.endswith("num_batches_tracked")}
    write_safetensors(folder / "model.safetensors", tensors,
                      describe(name, net.fc.out_features))
    (folder / "model.onnx").write_bytes(
        OnnxGraph().serialize(net, [1, 3, SIZE, SIZE]))
    pixels = numpy.random.default_rng(1).integers(
        0, 256, (3, SIZE, SIZE), dtype=numpy.uint8)
    write_idx(folder / "images", pixels)
    numpy.save(folder / "image.npy", normalised(pixels))


main()
