# SPDX-License-Identifier: BSD-2-Clause
"""Train, evaluate and run residual networks on CPUs: libresnet from Python.

    import resnet

    with resnet.load("best.safetensors") as model:
        for answer in model.predict("photos"):
            print(answer.name, answer.classes[0].name)

Options are the library's: options("train") lists those of train(), with
defaults and help. Errors of the library are raised as Error and its kinds.
"""
import ctypes as _ctypes
from typing import List as _List, Tuple as _Tuple

from . import _abi
from ._abi import (Class, DataInfo, EvalResult, LayerInfo, Machine, Measured,
                   ModelInfo, Output, Part, Precision, QuantizeResult,
                   Recompute, RunState, TrainReport, TrainResult)
from ._data import Data
from ._library import (ArgumentError, DataError, Error, FileError, KernelError,
                       LossError, OutOfMemory, RankError, Stopped,
                       as_dataclass, lib)
from ._learner import Learner
from ._model import Answer, Model, Plan, load
from ._options import Option, options
from ._pictures import Pictures, decode
from ._train import resume, run_state, train

__version__ = _abi.VERSION
__all__ = [
    "Answer", "ArgumentError", "Class", "Data", "DataError", "DataInfo",
    "Error", "EvalResult", "FileError", "KernelError", "LayerInfo", "Learner",
    "LossError", "Machine", "Measured", "Model", "ModelInfo", "Option",
    "OutOfMemory", "Output", "Part", "Pictures", "Plan", "Precision",
    "QuantizeResult", "RankError",
    "Recompute", "RunState", "Stopped", "TrainReport", "TrainResult", "decode",
    "library_version", "load", "machine", "networks", "options",
    "picture_formats", "resume", "run_state", "train"]


def library_version() -> str:
    """Version of libresnet in use."""
    return str(lib.rn_version().decode())


def machine() -> Machine:
    """What this process may use."""
    found = _abi.rn_machine()
    lib.rn_machine_get_sized(_ctypes.byref(found), _ctypes.sizeof(found))
    return as_dataclass(Machine, found)


def networks() -> _List[_Tuple[str, str]]:
    """Names, or patterns of names, of the networks, with a description."""
    found: _List[_Tuple[str, str]] = []
    said = _ctypes.c_char_p()
    while True:
        name = lib.rn_net_name(len(found), _ctypes.byref(said))
        if name is None:
            return found
        found.append((name.decode(), (said.value or b"").decode()))


def picture_formats() -> str:
    """The formats of pictures that the library decodes."""
    return str(lib.rn_image_formats().decode())
