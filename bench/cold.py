# SPDX-License-Identifier: BSD-2-Clause
"""The cold start's peer: one answer from ONNX Runtime.

    cold.py MODEL.onnx IMAGE.npy THREADS all|none

Prints the class and its probability as JSON. The last argument: the graph
optimisations. They make a run quicker and the start slower.
"""
import json
import sys

import numpy
import onnxruntime


def main():
    model, image, threads, level = sys.argv[1:5]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    options.inter_op_num_threads = 1
    if level == "none":
        options.graph_optimization_level = (
            onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
    session = onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"])
    logits = session.run(None, {"images": numpy.load(image)})[0][0]
    share = numpy.exp(logits - logits.max())
    top = int(share.argmax())
    print(json.dumps({"index": top,
                      "probability": float(share[top] / share.sum()),
                      "version": onnxruntime.__version__,
                      "python": sys.version.split()[0]}), flush=True)


main()
