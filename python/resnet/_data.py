# SPDX-License-Identifier: BSD-2-Clause
"""Data sets: of files, of pictures, of arrays."""
from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Tuple, Union

import numpy as np
import numpy.typing as npt

from . import _abi
from ._abi import DataInfo, Part, PixelLayout, Text
from ._library import (ArgumentError, Owner, as_dataclass, call, lib, make,
                       number, shown, text)
from ._options import fill
from ._pictures import Pixels, flags, log, remarks, taken

if TYPE_CHECKING:
    from typing_extensions import Unpack

Arrays = Tuple[npt.ArrayLike, npt.ArrayLike]


def part_of(part: Union[Part, str]) -> Part:
    """A part by its name, too."""
    if isinstance(part, str):
        names = [p.name.lower() for p in Part]
        if part not in names:
            raise ArgumentError(f"no part '{part}': one of " + ", ".join(names))
        return Part(names.index(part))
    return Part(part)


class Data(Owner):
    """A labelled image set in parts. DATA is what `resnet train` takes: a
    folder of CIFAR or IDX files, of pictures, an archive, "synthetic:…"."""

    def __init__(self, data: Text, **options: Unpack[_abi.DataOptions]) -> None:
        self._open(lib.rn_data_open, text(data),
                   ctypes.byref(fill("data", options)))

    def _open(self, create: Any, *args: Any) -> None:
        self._held = make(lib.rn_data_close, create, *args)
        for remark in self.remarks:
            log.warning("%s", remark)

    @classmethod
    def from_arrays(cls, train: Optional[Arrays] = None,
                    validation: Optional[Arrays] = None,
                    test: Optional[Arrays] = None, *,
                    classes: Optional[int] = None,
                    class_names: Optional[Sequence[str]] = None,
                    layout: str = "hwc", name: str = "arrays") -> Data:
        """Images [N][height][width][channels], or [N][height][width], of uint8
        with labels [N] from 0; layout "chw" for [N][channels][height][width].
        They are copied. Without classes or their names there are as many as
        the largest label tells."""
        arrays = _abi.rn_arrays(struct_size=ctypes.sizeof(_abi.rn_arrays))
        if layout not in ("hwc", "chw"):
            raise ArgumentError(f"layout is '{layout}', but must be hwc or chw")
        arrays.layout = PixelLayout[layout.upper()]
        kept: List[Any] = []
        largest = -1
        for part, given in zip(Part, (train, validation, test)):
            if given is None:
                continue
            pixels, labels = checked(part, given)
            if pixels.ndim == 3:
                pixels = np.expand_dims(pixels, 3 if layout == "hwc" else 1)
            sizes = pixels.shape[1:]
            if layout == "hwc":
                sizes = (sizes[2], sizes[0], sizes[1])
            has = (arrays.channels, arrays.height, arrays.width)
            if kept and has != sizes:
                raise ArgumentError(f"{part.name.lower()} images are "
                                    f"{sizes} (channels, height, width), those "
                                    f"before {has}")
            arrays.channels, arrays.height, arrays.width = (
                number(int(size), "a side") for size in sizes)
            arrays.count[part] = len(pixels)
            arrays.pixels[part] = pixels.ctypes.data
            arrays.labels[part] = labels.ctypes.data
            largest = max(largest, int(labels.max(initial=-1)))
            kept += [pixels, labels]
        if class_names is not None:
            names = [text(n) for n in class_names]
            if classes is not None and classes != len(names):
                raise ArgumentError(f"{len(names)} names of {classes} classes")
            classes = len(names)
            arrays.class_names = (ctypes.c_char_p * len(names))(*names)
        arrays.classes = number(largest + 1 if classes is None else classes,
                                "classes")
        arrays.name = text(name)
        data = cls.__new__(cls)
        data._open(lib.rn_data_from_arrays, ctypes.byref(arrays))
        return data

    @classmethod
    def from_pictures(cls, path: Text) -> Data:
        """Pictures without classes, whatever folders they lie in."""
        data = cls.__new__(cls)
        data._open(lib.rn_data_from_pictures, text(path))
        return data

    @property
    def info(self) -> DataInfo:
        info = _abi.rn_data_info()
        lib.rn_data_describe_sized(self._handle, ctypes.byref(info),
                                   ctypes.sizeof(info))
        return as_dataclass(DataInfo, info)

    def count(self, part: Union[Part, str]) -> int:
        """Images of a part."""
        return self.info.count[part_of(part)]

    def image(self, part: Union[Part, str], i: int, *,
              as_stored: bool = False) -> Tuple[Pixels, int]:
        """Pixels [height][width][channels] and label of an image; -1 for one
        that has not one class."""
        at, info = part_of(part), self.info
        number(i, "index", most=max(info.count[at] - 1, 0))
        label = ctypes.c_int()
        if info.height:
            pixels = np.empty((info.channels, info.height, info.width),
                              np.uint8)
            call(lib.rn_data_image, self._handle, at, i, pixels.ctypes.data,
                 ctypes.byref(label))
            return np.ascontiguousarray(pixels.transpose(1, 2, 0)), label.value
        image = _abi.rn_image()
        call(lib.rn_data_image, self._handle, at, i, None, ctypes.byref(label))
        call(lib.rn_data_picture, self._handle, at, i, flags(as_stored),
             ctypes.byref(image))
        return taken(image), label.value

    @property
    def class_names(self) -> Optional[List[str]]:
        names = [shown(lib.rn_data_class_name(self._handle, i))
                 for i in range(self.info.classes)]
        return None if None in names or not names else [n or "" for n in names]

    @property
    def remarks(self) -> Tuple[str, ...]:
        """What there is to say of the data though nothing is wrong."""
        return tuple(remarks(lib.rn_data_remark, self._handle))


def checked(part: Part, given: Arrays) -> Tuple[Pixels, npt.NDArray[np.int32]]:
    """Images and labels as the library reads them, or what is wrong."""
    what = part.name.lower()
    pixels, labels = np.asarray(given[0]), np.asarray(given[1])
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4):
        raise TypeError(f"{what} images are {pixels.dtype} of {pixels.ndim} "
                        "dimensions, expected uint8 of 3 or 4")
    if labels.dtype.kind not in "iu" or labels.shape != pixels.shape[:1]:
        raise TypeError(f"{what} labels are {labels.dtype} of shape "
                        f"{labels.shape}, expected whole numbers, one for each "
                        f"of {len(pixels)} images")
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) < 2**31:
        raise ArgumentError(f"{what} labels are {labels.min()} to "
                            f"{labels.max()}, expected 0 and up")
    return (np.ascontiguousarray(pixels),
            np.ascontiguousarray(labels, dtype=np.int32))
