# SPDX-License-Identifier: BSD-2-Clause
"""Find libresnet, call it, and turn what it says into Python's: errors into
exceptions, structs into values, handles into objects that free themselves."""
from __future__ import annotations

import ctypes
import dataclasses
import os
import pathlib
import sysconfig
from typing import Any, Callable, List, Optional, Tuple, TypeVar, cast

from . import _abi
from ._abi import Status, Text

T = TypeVar("T")

# ------------------------------------------------------------------ errors


class Error(Exception):
    """What the library refused or could not do, in its own words."""

    code: Status = Status.OK


class ArgumentError(Error, ValueError):
    """An argument or option makes no sense."""

    code = Status.ERR_ARG


class OutOfMemory(Error, MemoryError):
    """Allocation failed, or the system starts no threads."""

    code = Status.ERR_MEMORY


class FileError(Error, OSError):
    """The system could not read or write a file."""

    code = Status.ERR_IO


class DataError(Error, ValueError):
    """A file or data set is not what it should be."""

    code = Status.ERR_DATA


class KernelError(Error, RuntimeError):
    """A compute primitive failed."""

    code = Status.ERR_KERNEL


class LossError(Error, ArithmeticError):
    """The training loss is no longer finite; the last good state was saved."""

    code = Status.ERR_LOSS


class Stopped(Error):
    """The caller asked to stop; the state of a training run was saved."""

    code = Status.ERR_STOPPED


class RankError(Error, ConnectionError):
    """Another rank ended or does not answer."""

    code = Status.ERR_RANK


ERRORS = {int(kind.code): kind
          for kind in (ArgumentError, OutOfMemory, FileError, DataError,
                       KernelError, LossError, Stopped, RankError)}
for _kind in (Error, *ERRORS.values()):
    _kind.__module__ = "resnet"  # where callers find them


def failure(rc: int, message: str) -> Error:
    return ERRORS.get(rc, Error)(message)


# ----------------------------------------------------------------- library


def places() -> List[str]:
    """Where the library may be, in the order of looking."""
    given = os.environ.get("RESNET_LIBRARY")
    if given:
        path = pathlib.Path(given)
        return [str(path / _abi.SONAME if path.is_dir() else path)]
    package = pathlib.Path(__file__).resolve().parent
    # PREFIX/lib of PREFIX/lib/python3/dist-packages/resnet
    lib = package.parents[2] if len(package.parents) > 2 else package
    beside = [package, lib, lib / (sysconfig.get_config_var("MULTIARCH") or "")]
    return [str(folder / _abi.SONAME) for folder in dict.fromkeys(beside)
            if (folder / _abi.SONAME).exists()] + [_abi.SONAME]


def check_version(found: str, path: str) -> None:
    """Structs grow within a version of the ABI: a library of the same one that
    is as new as this module knows all that this module asks for."""
    def parts(text: str) -> Tuple[int, ...]:
        return tuple(int(part) for part in text.split("."))

    same = 2 if _abi.VERSION.startswith("0.") else 1
    wanted, has = parts(_abi.VERSION), parts(found)
    if has[:same] != wanted[:same] or has < wanted:
        raise ImportError(f"{path} is version {found}, but this module needs "
                          f"{_abi.VERSION} or a newer one of {_abi.SONAME}")


def opened(path: str) -> ctypes.CDLL:
    """The library. OpenMP's threads spin for milliseconds while they wait for
    each other, which takes the processor from others; libgomp reads how long
    from the environment when it is loaded. The program asks for the same."""
    ours = not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ)
    if ours:
        os.environ["GOMP_SPINCOUNT"] = "3000"
    try:
        return ctypes.CDLL(path)
    finally:
        if ours:
            del os.environ["GOMP_SPINCOUNT"]


class Library:
    """The functions of resnet.h as attributes."""

    def __init__(self) -> None:
        path = places()[0]
        try:
            self._library = opened(path)
            version = self.rn_version
        except (OSError, AttributeError) as e:
            raise ImportError(
                f"cannot load libresnet from {path}: {e}; RESNET_LIBRARY may "
                f"name {_abi.SONAME} or its folder") from None
        check_version(version().decode(), path)
        self.path = path

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in _abi.FUNCTIONS:
            raise AttributeError(name)
        function = getattr(self._library, name)
        function.restype, function.argtypes = _abi.FUNCTIONS[name]
        setattr(self, name, function)
        return function  # type: ignore[no-any-return]


lib = Library()


def call(function: Callable[..., int], *args: Any) -> None:
    """A function that returns a status and whose last parameter is a struct
    rn_error."""
    error = _abi.rn_error()
    rc = function(*args, ctypes.byref(error))
    if rc:
        raise failure(rc, error.msg.decode("utf-8", "replace"))


# ----------------------------------------------------------------- handles


class Handle:
    """What the library made. It is freed when the last one who uses it, a call
    under way included, lets it go."""

    def __init__(self, pointer: ctypes.c_void_p,
                 destroy: Callable[[ctypes.c_void_p], None]) -> None:
        self._as_parameter_ = pointer
        self._destroy = destroy

    def __del__(self) -> None:
        self._destroy(self._as_parameter_)


def make(destroy: Callable[[ctypes.c_void_p], None],
         create: Callable[..., int], *args: Any) -> Handle:
    """The handle that `create` puts where its first parameter points to."""
    pointer = ctypes.c_void_p()
    call(create, ctypes.byref(pointer), *args)
    return Handle(pointer, destroy)


class Owner:
    """An object with a handle: with and close() let it go early."""

    _held: Optional[Handle] = None

    @property
    def _handle(self) -> Handle:
        handle = self._held
        if handle is None:
            raise ValueError(f"this {type(self).__name__} is closed")
        return handle

    def close(self) -> None:
        """Let it go. Calls that other threads are in end as ever."""
        self._held = None

    @property
    def closed(self) -> bool:
        return self._held is None

    def __enter__(self: T) -> T:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError(f"a {type(self).__name__} cannot be pickled: each "
                        "process opens its own")


# ------------------------------------------------------------------ values


def text(value: Text) -> bytes:
    """A text or path as C has it: UTF-8, and bytes of names that are none."""
    value = os.fspath(value)
    raw = (value.encode("utf-8", "surrogateescape") if isinstance(value, str)
           else value)
    if b"\0" in raw:
        raise ValueError(f"a zero byte in {value!r}")
    return raw


def shown(raw: Optional[bytes]) -> Optional[str]:
    """The other way round."""
    return None if raw is None else raw.decode("utf-8", "surrogateescape")


def number(value: int, what: str, least: int = 0, most: int = 2**31 - 1) -> int:
    """ctypes cuts bits off numbers that are too large."""
    if not least <= value <= most:
        raise ArgumentError(f"{what} is {value}, but must be {least} to {most}")
    return value


def as_dataclass(kind: Callable[..., T], struct: ctypes.Structure) -> T:
    """A class of _abi from the struct of the same fields."""
    def value(item: Any) -> Any:
        if isinstance(item, bytes):
            return shown(item)
        if isinstance(item, ctypes.Array):
            return tuple(value(i) for i in item
                         if not isinstance(i, _abi.rn_measured) or i.name)
        if isinstance(item, _abi.rn_measured):
            return as_dataclass(_abi.Measured, item)
        return item

    fields = dataclasses.fields(cast(Any, kind))
    return kind(**{f.name: value(getattr(struct, f.name)) for f in fields})
