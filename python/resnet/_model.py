# SPDX-License-Identifier: BSD-2-Clause
"""Models, and plans that run them."""
from __future__ import annotations

import ctypes
import dataclasses
import itertools
import json
import os
import threading
from typing import (TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator,
                    List, Mapping, Optional, Sequence, Tuple, Union, cast)

import numpy as np
import numpy.typing as npt

from . import _abi
from ._abi import (Class, EvalResult, LayerInfo, ModelInfo, Output, Part,
                   Precision, QuantizeResult, Text)
from ._library import (ArgumentError, DataError, Handle, Owner, as_dataclass,
                       call, failure, lib, make, number, shown, text)
from ._options import callback, fill
from ._data import Data, part_of
from ._guard import Guard
from ._pictures import (Picture, Pictures, Pixels, as_image, decode, flags,
                        log, pixels_of, taken)

if TYPE_CHECKING:
    from typing_extensions import Unpack

Floats = npt.NDArray[np.float32]
# One picture or several, Pictures among them, or normalised images
# [N][C][H][W] of float32.
Inputs = Union[Picture, Pictures, Floats, Iterable[Union[Picture, Pictures]]]
# Pictures of a batch where nothing else is said.
BATCH = 16


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a picture is taken for."""

    name: Optional[str]  # of the picture's file; None: it came without
    classes: Tuple[Class, ...]  # likeliest first


# ------------------------------------------------------------------ inputs


def listed(inputs: Inputs) -> List[Any]:
    """Inputs as a list of pictures and of Pictures."""
    if isinstance(inputs, np.ndarray):
        return list(inputs) if inputs.ndim == 4 else [inputs]
    if isinstance(inputs, (str, os.PathLike, bytes, bytearray, Pictures)):
        inputs = [inputs]
    # A path may be a folder: it stands for all of its pictures.
    return [Pictures(i) if isinstance(i, (str, os.PathLike)) else i
            for i in cast(Iterable[Any], inputs)]


def normalised(inputs: object) -> Optional[Floats]:
    """Images [N][C][H][W] that need no preparation, or None."""
    if not isinstance(inputs, np.ndarray) or inputs.dtype == np.uint8:
        return None
    if inputs.dtype != np.float32 or inputs.ndim not in (3, 4):
        raise TypeError(
            f"an array of {inputs.dtype} of {inputs.ndim} dimensions: pictures "
            "are uint8 [height][width][3], normalised images float32 "
            "[N][C][H][W]")
    images = inputs if inputs.ndim == 4 else inputs[None]
    return np.ascontiguousarray(images)


class Feed(Handle):
    """A feed has threads, which are not there in the child of a fork()."""

    def __init__(self, model: Handle, pictures: Sequence[Pictures], batch: int,
                 threads: int) -> None:
        held = [p._handle for p in pictures]
        pointers = (ctypes.c_void_p * len(held))(
            *(h._as_parameter_ for h in held))
        pointer = ctypes.c_void_p()
        call(lib.rn_feed_create, ctypes.byref(pointer), model, pointers,
             len(held), batch, 1, flags(pictures[0].as_stored), threads)
        super().__init__(pointer, lib.rn_feed_destroy)
        self._process = os.getpid()

    def __del__(self) -> None:
        # Not set where the constructor failed.
        if getattr(self, "_process", None) == os.getpid():
            super().__del__()


# ------------------------------------------------------------------- plans


class Plan(Owner):
    """A model compiled for a batch size and a number of threads: what makes
    many predictions of one. Threads that share it take turns; each has one of
    its own by clone()."""

    def __init__(self, model: Model,
                 **options: Unpack[_abi.PlanOptions]) -> None:
        given = fill("plan", options)
        self._model_handle = model._handle
        self._info = model.info
        self._threads: int = given.threads
        self._set(make(lib.rn_plan_destroy, lib.rn_plan_create,
                       self._model_handle, ctypes.byref(given)),
                  max(given.batch, 1))

    def _set(self, handle: Handle, batch: int) -> None:
        self._held = handle
        self._lock = threading.Lock()
        self.batch = batch
        sizes = [ctypes.c_int() for _ in range(3)]
        self._kept = None if lib.rn_plan_kept(
            handle, *map(ctypes.byref, sizes)) else tuple(
                s.value for s in sizes)

    def clone(self, batch: int = 0) -> Plan:
        """Another one that shares the folded weights, for another thread."""
        plan = Plan.__new__(Plan)
        plan._model_handle, plan._info = self._model_handle, self._info
        plan._threads = self._threads
        plan._set(make(lib.rn_plan_destroy, lib.rn_plan_clone, self._handle,
                       number(batch, "batch")), batch or self.batch)
        return plan

    @property
    def bytes(self) -> int:
        """Memory that it holds."""
        return int(lib.rn_plan_bytes(self._handle))

    @property
    def precision(self) -> Precision:
        """What it computes with."""
        return Precision(lib.rn_plan_precision(self._handle))

    def logits(self, inputs: Inputs) -> Floats:
        """Answers [N][classes] as the network gives them."""
        return self._run(inputs)[1]

    def probabilities(self, inputs: Inputs) -> Floats:
        """Probabilities [N][classes]."""
        return self._probabilities(self.logits(inputs))

    def features(self, inputs: Inputs) -> Floats:
        """What `keep` names of each image: [N][channels], or
        [N][channels][height][width]."""
        values = self._run(inputs, features=True)[2]
        return values[:, :, 0, 0] if values.shape[2:] == (1, 1) else values

    def predict(self, inputs: Inputs, top: int = 5) -> List[Answer]:
        """The likeliest classes of each picture."""
        names, logits, _ = self._run(inputs)
        scores = self._probabilities(logits)
        k = min(number(top, "top", 1), self._info.classes)
        handle, best = self._model_handle, (ctypes.c_int * k)()
        answers = []
        for name, row in zip(names, scores):
            lib.rn_top_k(row.ctypes.data, len(row), k, best)
            answers.append(Answer(name, tuple(
                Class(i, float(row[i]),
                      shown(lib.rn_model_class_name(handle, i)),
                      shown(lib.rn_model_class_id(handle, i)))
                for i in best)))
        return answers

    def _probabilities(self, logits: Floats) -> Floats:
        for row in logits:
            lib.rn_probabilities(self._info.output, row.ctypes.data, len(row))
        return logits

    def _run(self, inputs: Inputs, features: bool = False
             ) -> Tuple[List[Optional[str]], Floats, Floats]:
        """Names of the inputs, logits and values kept of each."""
        info, kept = self._info, self._kept
        if features and kept is None:
            raise ArgumentError("this plan keeps nothing: give it `keep`")
        names: List[Optional[str]] = []
        logits: List[Floats] = []
        values: List[Floats] = []
        for some, images in self._batches(inputs):
            answers = np.empty((len(images), info.classes), np.float32)
            with self._lock:
                call(lib.rn_plan_forward_some, self._handle, images.ctypes.data,
                     len(images), answers.ctypes.data)
                if features and kept:
                    values.append(self._values(len(images), kept))
            finite = np.isfinite(answers).all(axis=1)
            if not finite.all():
                at = int(np.argmin(finite))
                raise DataError(
                    f"{some[at] or f'input {len(names) + at}'}: the answers are "
                    "not finite: the image is not, or values become too large "
                    "on the way")
            names += some
            logits.append(answers)
        empty = np.empty((0, info.classes), np.float32)
        return (names, np.concatenate(logits or [empty]),
                np.concatenate(values or [np.empty((0, *(kept or ())),
                                                   np.float32)]))

    def _values(self, count: int, kept: Tuple[int, ...]) -> Floats:
        values = np.empty((count, *kept), np.float32)
        rc = lib.rn_plan_values(self._handle, values.ctypes.data)
        if rc:
            raise failure(rc, "the plan keeps nothing")
        return values

    def _batches(self, inputs: Inputs
                 ) -> Iterator[Tuple[List[Optional[str]], Floats]]:
        """Images, as many as the plan takes at a time, and their names."""
        info = self._info
        shape = (info.channels, info.height, info.width)
        images = normalised(inputs)
        if images is not None:
            if images.shape[1:] != shape:
                raise ArgumentError(f"images of shape {images.shape[1:]}, the "
                                    f"model takes {shape}")
            for i in range(0, len(images), self.batch):
                some = images[i:i + self.batch]
                yield [None] * len(some), some
            return
        prepared = self._prepared(listed(inputs), shape)
        while True:
            batch = list(itertools.islice(prepared, self.batch))
            if not batch:
                return
            yield ([name for name, _ in batch],
                   np.stack([image for _, image in batch]))

    def _prepared(self, items: List[Any], shape: Tuple[int, ...]
                  ) -> Iterator[Tuple[Optional[str], Floats]]:
        """Each picture by itself. Those in files are decoded by threads while
        others are computed."""
        def kind(item: object) -> Optional[bool]:
            return item.as_stored if isinstance(item, Pictures) else None

        for as_stored, group in itertools.groupby(items, kind):
            if as_stored is None:
                for item in group:
                    yield None, prepare(self._model_handle, item, shape)
                continue
            pictures = list(group)
            feed = Feed(self._model_handle, pictures, self.batch,
                        self._threads)
            for p in pictures:
                for name in p.names:
                    image = np.empty(shape, np.float32)
                    call(lib.rn_feed_next, feed, image.ctypes.data)
                    yield name, image
                for remark in p.remarks:
                    log.warning("%s", remark)


def prepare(model: Handle, picture: Any, shape: Tuple[int, ...]) -> Floats:
    """A picture as the network takes it."""
    pixels = (pixels_of(picture) if isinstance(picture, np.ndarray)
              else decode(picture))
    image = np.empty(shape, np.float32)
    call(lib.rn_model_preprocess_image, model, ctypes.byref(as_image(pixels)),
         image.ctypes.data)
    return image


# ------------------------------------------------------------------ models


class _Memory:
    """Memory of the library's, which stays as long as an array looks at it."""

    def __init__(self, handle: Handle, address: int,
                 shape: Tuple[int, ...]) -> None:
        self._handle = handle
        self.__array_interface__ = {
            "shape": shape, "typestr": np.dtype(np.float32).str,
            "data": (address, False), "version": 3}


class Model(Owner):
    """A network with its parameters, preprocessing and class names. Threads may
    share it while none changes it."""

    def __init__(self, handle: Handle) -> None:
        self._held = handle

    @classmethod
    def load(cls, path: Text, *,
             message: Optional[Callable[[str], None]] = None,
             **options: Unpack[_abi.ImportOptions]) -> Model:
        """Read a file, or a run's folder, of any kind that `resnet predict`
        takes. `message` is called with what was recognised and taken for
        granted; without it the log has that."""
        return cls(_imported(message, options, lib.rn_model_import,
                             text(path)))

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "memory", *,
                   message: Optional[Callable[[str], None]] = None,
                   **options: Unpack[_abi.ImportOptions]) -> Model:
        """The same of a file's bytes."""
        return cls(_imported(message, options, lib.rn_model_load_memory, data,
                             len(data), text(name)))

    @classmethod
    def create(cls, net: str, *, init: int = 1,
               **options: Unpack[_abi.NetOptions]) -> Model:
        """Build a network by its name, with parameters as training begins with
        them: a function of the seed `init`."""
        model = make(lib.rn_model_destroy, lib.rn_model_create, text(net),
                     ctypes.byref(fill("net", options)))
        lib.rn_model_init(model, number(init, "init", most=2**63 - 1))
        return cls(model)

    # ------------------------------------------------ what there is to know

    @property
    def info(self) -> ModelInfo:
        info = _abi.rn_model_info()
        lib.rn_model_describe_sized(self._handle, ctypes.byref(info),
                                    ctypes.sizeof(info))
        return as_dataclass(ModelInfo, info)

    @property
    def input_shape(self) -> Tuple[int, int, int]:
        """Channels, height and width of the images that the network takes."""
        info = self.info
        return info.channels, info.height, info.width

    @property
    def output(self) -> Output:
        """What logits() gives."""
        return Output(self.info.output)

    @property
    def trained(self) -> Optional[Any]:
        """How it was trained, where that is known."""
        said = self.info.trained
        return None if said is None else json.loads(said)

    @property
    def class_names(self) -> Optional[List[str]]:
        return self._texts(lib.rn_model_class_name)

    @property
    def class_ids(self) -> Optional[List[str]]:
        return self._texts(lib.rn_model_class_id)

    def _texts(self, get: Callable[..., Any]) -> Optional[List[str]]:
        handle = self._handle
        texts = [shown(get(handle, i)) for i in range(self.info.classes)]
        return None if None in texts else [t or "" for t in texts]

    @property
    def layers(self) -> List[LayerInfo]:
        handle, layers = self._handle, []
        for i in range(self.info.layers):
            layer = _abi.rn_layer_info()
            lib.rn_model_layer_sized(handle, i, ctypes.byref(layer),
                                     ctypes.sizeof(layer))
            layers.append(as_dataclass(LayerInfo, layer))
        return layers

    @property
    def tensors(self) -> Mapping[str, Floats]:
        """The parameters and running statistics: the model's own memory, which
        may be written while nobody uses the model."""
        handle = self._handle
        tensors: Dict[str, Floats] = {}
        for i in range(self.info.tensors):
            t = _abi.rn_tensor()
            lib.rn_model_tensor_sized(handle, i, ctypes.byref(t),
                                      ctypes.sizeof(t))
            tensors[shown(t.name) or ""] = np.asarray(
                _Memory(handle, t.data, tuple(t.dim[:t.dims])))
        return tensors

    # --------------------------------------------------------------- running

    def plan(self, **options: Unpack[_abi.PlanOptions]) -> Plan:
        """Compile it: for more than one call of predict() and its like. Changes
        to the model do not reach the plan."""
        return Plan(self, **options)

    def preprocess(self, picture: Picture) -> Floats:
        """A picture as the network takes it, [C][H][W]."""
        return prepare(self._handle, picture, self.input_shape)

    def predict(self, inputs: Inputs, top: int = 5,
                **options: Unpack[_abi.PlanOptions]) -> List[Answer]:
        """The likeliest classes of each picture: of a path (a folder stands for
        all of its pictures), of a file's bytes, of an array, or of several."""
        inputs, options = self._once(inputs, options)
        with self.plan(**options) as plan:
            return plan.predict(inputs, top)

    def probabilities(self, inputs: Inputs,
                      **options: Unpack[_abi.PlanOptions]) -> Floats:
        """Probabilities [N][classes]; inputs as for predict()."""
        inputs, options = self._once(inputs, options)
        with self.plan(**options) as plan:
            return plan.probabilities(inputs)

    def logits(self, inputs: Inputs,
               **options: Unpack[_abi.PlanOptions]) -> Floats:
        """Answers [N][classes] as the network gives them; inputs as for
        predict()."""
        inputs, options = self._once(inputs, options)
        with self.plan(**options) as plan:
            return plan.logits(inputs)

    def features(self, inputs: Inputs, layer: str = "pool",
                 **options: Unpack[_abi.PlanOptions]) -> Floats:
        """What a layer, or a stage ("conv4"), makes of each picture: the means
        of the last stage, [N][channels], unless told otherwise."""
        inputs, options = self._once(inputs, options)
        options["keep"] = layer
        with self.plan(**options) as plan:
            return plan.features(inputs)

    def _once(self, inputs: Inputs, options: _abi.PlanOptions
              ) -> Tuple[Inputs, _abi.PlanOptions]:
        """Inputs and options of a plan for one call: with a batch, if none is
        given, that deals them out evenly."""
        images = normalised(inputs)
        if images is not None:
            count = len(images)
        else:
            inputs = listed(inputs)
            count = sum(len(i) if isinstance(i, Pictures) else 1
                        for i in inputs)
        if not options.get("batch"):
            runs = max(1, -(-count // BATCH))
            options = options.copy()
            options["batch"] = max(1, -(-count // runs))
        return inputs, options

    def paint(self, picture: Picture, index: int = -1, *,
              threads: int = 0) -> Tuple[Pixels, int]:
        """Class activation map: what speaks for a class, or for the likeliest
        one, painted over a copy of the picture; and the class."""
        pixels = (pixels_of(picture) if isinstance(picture, np.ndarray)
                  else decode(picture))
        image, at = _abi.rn_image(), ctypes.c_int(number(index, "index", -1))
        call(lib.rn_model_paint, self._handle, ctypes.byref(as_image(pixels)),
             ctypes.byref(at), number(threads, "threads"), ctypes.byref(image))
        return taken(image), at.value

    def evaluate(self, data: Data, part: Union[Part, str] = Part.TEST, *,
                 progress: Optional[Callable[[int, int], object]] = None,
                 **options: Unpack[_abi.EvalOptions]) -> EvalResult:
        """Error rates and loss over a part of a data set. progress(done,
        images) is called now and then; True ends it with Stopped."""
        guard = Guard()
        given = fill("eval", options)
        callback(given, "progress",
                 guard.asking(lambda user, done, images:
                              progress and progress(done, images)))
        result = _abi.rn_eval_result()
        with guard:
            call(lib.rn_eval_sized, self._handle, data._handle, part_of(part),
                 ctypes.byref(given), ctypes.byref(result),
                 ctypes.sizeof(result))
        return as_dataclass(EvalResult, result)

    def quantize(self, data: Data, *,
                 progress: Optional[Callable[[str, int, int], object]] = None,
                 **options: Unpack[_abi.QuantizeOptions]) -> QuantizeResult:
        """Put the model into 8 bits, with ranges that images of the data have.
        Nobody may use it meanwhile. progress(what, done, all) is called now and
        then; True ends it with Stopped, the model as it was."""
        guard = Guard()
        given = fill("quantize", options)
        callback(given, "progress",
                 guard.asking(lambda user, what, done, every:
                              progress and progress(shown(what) or "", done,
                                                    every)))
        result = _abi.rn_quantize_result()
        with guard:
            call(lib.rn_quantize_sized, self._handle, data._handle,
                 ctypes.byref(given), ctypes.byref(result),
                 ctypes.sizeof(result))
        return as_dataclass(QuantizeResult, result)

    # ----------------------------------------------------------------- files

    def label(self, path: Text) -> None:
        """Take the class names of a file."""
        call(lib.rn_model_label, self._handle, text(path))

    def save(self, path: Text) -> None:
        """Write the library's own format, a safetensors file."""
        call(lib.rn_model_save, self._handle, text(path))

    def export(self, path: Text) -> None:
        """Write the format that the name ends in: .safetensors, .pth, .onnx."""
        call(lib.rn_model_export, self._handle, text(path))


def _imported(message: Optional[Callable[[str], None]],
              options: _abi.ImportOptions, create: Callable[..., int],
              *args: Any) -> Handle:
    guard = Guard()
    given = fill("import", options)
    tell = message or (lambda line: log.info("%s", line))
    callback(given, "message",
             guard.telling(lambda user, line: tell(shown(line) or "")))
    with guard:
        return make(lib.rn_model_destroy, create, *args, ctypes.byref(given))


load = Model.load
