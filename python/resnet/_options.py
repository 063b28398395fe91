# SPDX-License-Identifier: BSD-2-Clause
"""Options as keyword arguments: the library's own tables of its structs' fields
say what a word stands for, and whether 0 means the default or zero."""
from __future__ import annotations

import ctypes
import dataclasses
import functools
import operator
import os
from typing import Any, Dict, Mapping, Optional, Tuple

from . import _abi
from ._abi import OptionType
from ._library import ArgumentError, lib, shown, text

STRUCTS = {"net": _abi.rn_net_options, "import": _abi.rn_import_options,
           "plan": _abi.rn_plan_options, "data": _abi.rn_data_options,
           "train": _abi.rn_train_options, "resume": _abi.rn_resume_options,
           "eval": _abi.rn_eval_options,
           "quantize": _abi.rn_quantize_options}
# Fields with the number of values that another one points to.
COUNTS = {"mean": "means", "std": "stds", "scales": "n_scales"}


@dataclasses.dataclass(frozen=True)
class Option:
    """An option of load() ("import"), Model.create() ("net"), train() and so
    on."""

    name: str
    group: str
    type: OptionType
    min: float
    max: float
    words: Tuple[str, ...]
    default: Optional[str]  # None: 0, or nothing
    unset: Optional[str]    # what leaving it out means, where not the default
    help: str
    zero: bool              # 0 is asked for by RN_ZERO


@functools.lru_cache(maxsize=None)
def table(kind: str) -> Mapping[str, Option]:
    """The options of a kind, by name."""
    rows: Dict[str, Option] = {}
    struct = STRUCTS[kind]
    get = getattr(lib, f"rn_{kind}_option")
    while True:
        pointer = get(len(rows))
        if not pointer:
            return rows
        row = pointer.contents
        name = row.name.decode()
        place = getattr(struct, name, None)
        if place is not None and place.offset != row.offset:
            raise ImportError(
                f"{lib.path} is not of the version it says: struct rn_{kind}"
                f"_options has {name} at {row.offset}, expected at "
                f"{place.offset}")
        words = row.words.decode() if row.words else ""
        rows[name] = Option(
            name, row.group.decode(), OptionType(row.type), row.min, row.max,
            tuple(words.split("|")) if words else (), shown(row.preset),
            shown(row.unset), row.help.decode(),
            bool(row.zero or row.preset))


def options(kind: str) -> Tuple[Option, ...]:
    """What may be given as keyword arguments: of "net" (Model.create()),
    "import" (load()), "plan", "data", "train", "resume", "eval" or
    "quantize"."""
    if kind not in STRUCTS:
        raise ArgumentError(f"no kind of options '{kind}': one of "
                            + ", ".join(STRUCTS))
    return tuple(table(kind).values())


def word(option: Option, value: str) -> Any:
    """The number, or letter, that one of the words stands for."""
    if option.type == OptionType.LETTER:
        if value in option.words or len(value) == 1:
            return (value if len(value) == 1 else value[0].lower()).encode()
    elif value in option.words:
        return option.words.index(value)
    raise ArgumentError(f"{option.name} is '{value}', but must be one of "
                        + ", ".join(option.words))


def scalar(kind: Any, name: str, value: Any) -> Any:
    """A number as the field has it, to the last bit."""
    try:
        if kind is ctypes.c_double:
            return float(value)
        whole = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}, which is not a number of its "
                        "kind") from None
    if kind(whole).value != whole:
        raise ArgumentError(f"{name} is {whole}, which is too large")
    return whole


def converted(kind: Any, option: Optional[Option], name: str,
              value: Any) -> Any:
    """A value as ctypes takes it for the field."""
    if kind is ctypes.c_char_p:
        return text(value)
    if isinstance(value, (str, os.PathLike)):
        if option is None or not option.words:
            raise TypeError(f"{name} is a number, not {value!r}")
        value = word(option, os.fspath(value))
        if isinstance(value, bytes):
            return value
    elif kind is ctypes.c_char:
        raise TypeError(f"{name} is a word, not {value!r}")
    value = scalar(kind, name, value)
    if option is not None and option.zero:
        zero = kind(_abi.RN_ZERO).value
        if value == zero:
            raise ArgumentError(f"{name} is {value}, but must be {option.min:g}"
                                f" to {option.max:g}")
        # 0 is meant: the field's 0 would be the default.
        return zero if value == 0 else value
    return value


def array(field: str, kind: Any, values: Any) -> Any:
    """Several numbers, and how many."""
    numbers = [float(v) if kind is ctypes.c_void_p else
               scalar(ctypes.c_int, field, v) for v in values]
    element: Any = ctypes.c_float if kind is ctypes.c_void_p else ctypes.c_int
    return (element * len(numbers))(*numbers)


def fill(kind: str, given: Mapping[str, Any]) -> Any:
    """A struct of these options; None stands for the default. What its fields
    point to stays as long as it does."""
    struct = STRUCTS[kind]()
    rows = table(kind)
    struct.struct_size = ctypes.sizeof(struct)
    fields: Dict[str, Any] = {
        f[0]: f[1] for f in struct._fields_
        if f[0] in rows or f[0] in COUNTS or f[0] == "width"}
    for name, value in given.items():
        if name not in fields:
            raise TypeError(unknown(kind, name, fields))
        if value is None:
            continue
        if name in COUNTS:
            values = array(name, fields[name], value)
            struct.__dict__[name + "_kept"] = values
            setattr(struct, name, ctypes.cast(values, fields[name]))
            setattr(struct, COUNTS[name], len(values))
        else:
            setattr(struct, name,
                    converted(fields[name], rows.get(name), name, value))
    return struct


def unknown(kind: str, name: str, fields: Mapping[str, Any]) -> str:
    near: Dict[str, int] = {}
    for field in fields:
        distance = lib.rn_spelling_distance(name.encode(), field.encode())
        if distance >= 0:
            near[field] = distance
    hint = ""
    if near:
        hint = f"; did you mean {min(near, key=near.__getitem__)!r}?"
    return f"{name!r} is no option here ({kind}){hint}"


def callback(struct: ctypes.Structure, field: str, function: Any) -> None:
    """Put a function into a struct's field."""
    kind = dict((f[0], f[1]) for f in struct._fields_)[field]
    setattr(struct, field, kind(function))
