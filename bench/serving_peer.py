# SPDX-License-Identifier: BSD-2-Clause
"""What people write: a model of ONNX behind FastAPI, Pillow before it.

    serving_peer.py MODEL.onnx PORT WORKERS THREADS

Each of so many worker processes of uvicorn computes with so many threads. The
handler is a plain function, which FastAPI runs in a thread: other requests are
read and decoded meanwhile.
"""
import io
import os
import sys

import numpy
import onnxruntime
import uvicorn
from fastapi import Body, FastAPI
from PIL import Image

MEAN = numpy.float32([0.485, 0.456, 0.406])
STD = numpy.float32([0.229, 0.224, 0.225])

app = FastAPI()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(os.environ.get("PEER_THREADS", "1"))
model = onnxruntime.InferenceSession(os.environ["PEER_MODEL"], options,
                                     ["CPUExecutionProvider"]
                                     ) if "PEER_MODEL" in os.environ else None


def prepared(picture):
    """As torchvision: the shorter side 256, the centre's 224 x 224."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize([int(side * scale) for side in image.size],
                         Image.Resampling.BILINEAR)
    left, top = ((side - 224) / 2 for side in image.size)
    image = image.crop((round(left), round(top), round(left) + 224,
                        round(top) + 224))
    pixels = numpy.asarray(image, numpy.float32) / 255
    return ((pixels - MEAN) / STD).transpose(2, 0, 1)[None]


@app.post("/predict/model")
def predict(picture: bytes = Body(media_type="image/jpeg")):
    logits, = model.run(None, {model.get_inputs()[0].name: prepared(picture)})
    odds = numpy.exp(logits[0] - logits[0].max())
    odds /= odds.sum()
    best = numpy.argsort(-odds)[:5]
    return {"top": [{"index": int(i), "probability": float(odds[i])}
                    for i in best]}


@app.get("/health")
def health():
    return "ok"


if __name__ == "__main__":
    os.environ["PEER_MODEL"], os.environ["PEER_THREADS"] = (sys.argv[1],
                                                            sys.argv[4])
    uvicorn.run("serving_peer:app", port=int(sys.argv[2]),
                workers=int(sys.argv[3]), log_level="error",
                app_dir=os.path.dirname(os.path.abspath(__file__)))
