# SPDX-License-Identifier: BSD-2-Clause
"""Functions of Python's that the library calls."""
from __future__ import annotations

import signal
import threading
from typing import Any, Callable, Optional

from ._library import Stopped


class Guard:
    """An exception cannot go through the library: it is kept, the library is
    asked to stop, and leaving the with block raises it. So is Ctrl-C, which
    Python would raise as soon as a callback begins, before it can be kept."""

    def __init__(self) -> None:
        self._raised: Optional[BaseException] = None
        self._interruptible = False

    def telling(self, function: Callable[..., object]) -> Callable[..., None]:
        """A callback without a result."""
        def called(*args: Any) -> None:
            if self._raised is None:
                try:
                    function(*args)
                except BaseException as e:
                    self._raised = e

        return called

    def asking(self, function: Callable[..., object]) -> Callable[..., int]:
        """A callback whose result, if it is true, ends the library's work."""
        def called(*args: Any) -> int:
            if self._raised is None:
                try:
                    return int(bool(function(*args)))
                except BaseException as e:
                    self._raised = e
            return 1

        return called

    def __enter__(self) -> Guard:
        self._interruptible = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        if self._interruptible:
            signal.signal(signal.SIGINT, self._interrupt)
        return self

    def _interrupt(self, number: int, frame: object) -> None:
        self._raised = KeyboardInterrupt()

    def __exit__(self, kind: object, value: Optional[BaseException],
                 trace: object) -> None:
        if self._interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._raised is not None and (value is None
                                         or isinstance(value, Stopped)):
            raise self._raised from None
