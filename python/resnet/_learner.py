# SPDX-License-Identifier: BSD-2-Clause
"""Learners: training loops of one's own."""
from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING, Tuple

import numpy as np
import numpy.typing as npt

from . import _abi
from ._library import ArgumentError, Owner, call, lib, make
from ._model import Floats, Model, normalised
from ._options import fill, table

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Learner(Owner):
    """A network that learns batch by batch: the caller brings images and says
    which rate applies. It begins with the model's parameters, and has its own
    until store(). Threads that share it take turns."""

    def __init__(self, model: Model,
                 **options: Unpack[_abi.TrainOptions]) -> None:
        given = fill("train", options)
        info = model.info
        self._model_handle = model._handle
        self._lock = threading.Lock()
        self._classes = info.classes
        self.batch = int(given.batch or table("train")["batch"].default or 0)
        self._shape = (self.batch, info.channels, info.height, info.width)
        self._held = make(lib.rn_learner_destroy, lib.rn_learner_create,
                          self._model_handle, ctypes.byref(given))

    def learn(self, images: Floats, labels: npt.ArrayLike
              ) -> Tuple[float, int]:
        """Gradients of the mean loss of a batch, normalised images [batch][C]
        [H][W] with labels from 0; the loss, and how many were answered
        wrongly."""
        x, y = self._images(images), np.asarray(labels)
        if y.dtype.kind not in "iu" or y.shape != (self.batch,):
            raise TypeError(f"labels are {y.dtype} of shape {y.shape}, expected "
                            f"{self.batch} whole numbers")
        if not 0 <= int(y.min()) <= int(y.max()) < self._classes:
            raise ArgumentError(f"labels are {y.min()} to {y.max()}, the model "
                                f"has {self._classes} classes")
        y = np.ascontiguousarray(y, dtype=np.int32)
        loss, errors = ctypes.c_double(), ctypes.c_int()
        with self._lock:
            call(lib.rn_learner_learn, self._handle, x.ctypes.data,
                 y.ctypes.data, ctypes.byref(loss), ctypes.byref(errors))
        return loss.value, errors.value

    def update(self, lr: float) -> None:
        """Change the parameters by the gradients."""
        with self._lock:
            call(lib.rn_learner_update, self._handle, lr)

    def logits(self, images: Floats) -> Floats:
        """Answers [batch][classes] of the network as it is now."""
        x = self._images(images)
        logits = np.empty((self.batch, self._classes), np.float32)
        with self._lock:
            call(lib.rn_learner_forward, self._handle, x.ctypes.data,
                 logits.ctypes.data)
        return logits

    def store(self) -> None:
        """Copy what was learned into the model, which nobody may use
        meanwhile."""
        with self._lock:
            lib.rn_learner_store(self._handle)

    def _images(self, images: Floats) -> Floats:
        x = normalised(images)
        if x is None or x.shape != self._shape:
            raise ArgumentError(f"images of {np.asarray(images).dtype} and shape"
                                f" {np.shape(images)}, expected float32 and "
                                f"{self._shape}")
        return x
