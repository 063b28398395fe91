# SPDX-License-Identifier: BSD-2-Clause
"""Training: runs as `resnet train` makes them."""
from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Callable, Optional, Tuple, Union

from . import _abi
from ._abi import RunState, Text, TrainReport, TrainResult
from ._data import Data
from ._guard import Guard
from ._library import as_dataclass, call, lib, shown, text
from ._options import callback, fill
from ._pictures import log

if TYPE_CHECKING:
    from typing_extensions import Unpack

Report = Callable[[TrainReport], object]


def events(guard: Guard, report: Optional[Report], tick: Optional[Report],
           message: Optional[Callable[[str], object]],
           stop: Optional[Callable[[], object]]) -> Any:
    """A struct rn_train_events that calls these."""
    struct = _abi.rn_train_events(
        struct_size=ctypes.sizeof(_abi.rn_train_events))

    def reporting(function: Report) -> Callable[..., None]:
        return guard.telling(lambda user, pointer: function(
            as_dataclass(TrainReport, pointer.contents)))

    if report:
        callback(struct, "report", reporting(report))
    if tick:
        callback(struct, "tick", reporting(tick))
    tell = message or (lambda line: log.info("%s", line))
    callback(struct, "message",
             guard.telling(lambda user, line: tell(shown(line) or "")))
    # Asked in any case: that is where Ctrl-C is seen.
    callback(struct, "stop", guard.asking(lambda user: stop and stop()))
    return struct


def _trained(guard: Guard, function: Callable[..., int],
             *args: Any) -> TrainResult:
    result = _abi.rn_train_result()
    with guard:
        call(function, *args, ctypes.byref(result), ctypes.sizeof(result))
    return as_dataclass(TrainResult, result)


def source(options: Any, data: Union[Data, Text, None]) -> Tuple[Any, object]:
    """Options with their data: the name, or what is open, to be kept."""
    handle = None
    if isinstance(data, Data):
        handle = data._handle
        options.data_set = handle._as_parameter_
    elif data is not None:
        options.data = text(data)
    return options, handle


def train(data: Union[Data, Text], out: Text, *,
          report: Optional[Report] = None, tick: Optional[Report] = None,
          message: Optional[Callable[[str], object]] = None,
          stop: Optional[Callable[[], object]] = None,
          **options: Unpack[_abi.TrainOptions]) -> TrainResult:
    """Train a network, and make the run's folder `out` with models, log and
    learning curve.

    report(TrainReport) is called with every line of the log, tick(TrainReport)
    after every iteration, message(str) with what is worth telling (without it
    the log has that), stop() after every iteration: True ends the run with
    Stopped, as Ctrl-C ends it with KeyboardInterrupt. State is saved then, and
    resume() goes on. An exception in any of them does the same.
    """
    guard = Guard()
    given, kept = source(fill("train", options), data)
    given.out = text(out)
    return _trained(guard, lib.rn_train_sized, ctypes.byref(given),
                    ctypes.byref(events(guard, report, tick, message, stop)))


def resume(run: Text, *, data: Union[Data, Text, None] = None,
           report: Optional[Report] = None, tick: Optional[Report] = None,
           message: Optional[Callable[[str], object]] = None,
           stop: Optional[Callable[[], object]] = None,
           **options: Unpack[_abi.ResumeOptions]) -> TrainResult:
    """Go on with a run that was stopped or killed. A run on Data of arrays
    needs them again."""
    guard = Guard()
    given, kept = source(fill("resume", options), data)
    return _trained(guard, lib.rn_train_resume_sized, text(run),
                    ctypes.byref(given),
                    ctypes.byref(events(guard, report, tick, message, stop)))


def run_state(run: Text) -> RunState:
    """How far a run's folder is."""
    state = _abi.rn_run_state()
    call(lib.rn_run_get_sized, text(run), ctypes.byref(state),
         ctypes.sizeof(state))
    return as_dataclass(RunState, state)
