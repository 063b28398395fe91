# SPDX-License-Identifier: BSD-2-Clause
"""As much of libresnet as it takes to run a file, for the scripts beside."""
import ctypes

import numpy

MESSAGE = 500


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("msg", ctypes.c_char * MESSAGE)]


class PlanOptions(ctypes.Structure):
    """The beginning of struct rn_plan_options, and room for the rest."""
    _fields_ = [("struct_size", ctypes.c_size_t)] + [
        (name, ctypes.c_int) for name in ("mode", "batch", "threads")] + [
            ("rest", ctypes.c_char * 512)]


class Info(ctypes.Structure):
    """The same of struct rn_model_info."""
    _fields_ = [("net", ctypes.c_char_p), ("channels", ctypes.c_int),
                ("height", ctypes.c_int), ("width", ctypes.c_int),
                ("classes", ctypes.c_int), ("rest", ctypes.c_char * 512)]


class Library:
    """As much of libresnet as it takes to run a file."""

    def __init__(self, build):
        self.lib = ctypes.CDLL(str(build / "libresnet.so"))
        self.err = Error()

    def call(self, name, *args):
        if getattr(self.lib, name)(*args, ctypes.byref(self.err)):
            raise RuntimeError(self.err.msg.decode())

    def load(self, path):
        model = ctypes.c_void_p()
        self.call("rn_model_load", ctypes.byref(model), str(path).encode())
        info = Info()
        self.lib.rn_model_describe_sized(model, ctypes.byref(info),
                                         ctypes.c_size_t(ctypes.sizeof(info)))
        return model, info

    def run(self, path, images):
        """Logits of images [n][C][H][W], and what the network is called."""
        model, info = self.load(path)
        images = numpy.ascontiguousarray(images, numpy.float32)
        logits = numpy.empty((len(images), info.classes), numpy.float32)
        options, plan = PlanOptions(), ctypes.c_void_p()
        options.struct_size = ctypes.sizeof(options)
        options.batch, options.threads = len(images), 1
        self.call("rn_plan_create", ctypes.byref(plan), model,
                  ctypes.byref(options))
        self.call("rn_plan_forward", plan, images.ctypes.data_as(
            ctypes.c_void_p), logits.ctypes.data_as(ctypes.c_void_p))
        self.lib.rn_plan_destroy(plan)
        net = info.net.decode()
        self.lib.rn_model_destroy(model)
        return logits, net
