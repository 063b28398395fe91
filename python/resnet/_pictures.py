# SPDX-License-Identifier: BSD-2-Clause
"""Pictures: decoded by the library, or arrays that are handed to it."""
from __future__ import annotations

import ctypes
import logging
from typing import Iterator, List, Sequence, Tuple, Union

import numpy as np
import numpy.typing as npt

from . import _abi
from ._abi import ImageFlags, Text
from ._library import (ArgumentError, Owner, call, failure, lib, make, shown,
                       text)

Pixels = npt.NDArray[np.uint8]
# A path, a file's bytes, or pixels [height][width][3] (RGB), or grey ones.
Picture = Union[Text, bytes, bytearray, Pixels]
log = logging.getLogger("resnet")


def flags(as_stored: bool) -> int:
    return int(ImageFlags.IMAGE_AS_STORED) if as_stored else 0


def taken(image: _abi.rn_image) -> Pixels:
    """The library's picture as an array, and the library's freed."""
    try:
        pixels = ctypes.cast(image.pixels, ctypes.POINTER(ctypes.c_uint8))
        return np.ctypeslib.as_array(
            pixels, (image.height, image.width, 3)).copy()
    finally:
        lib.rn_image_free(ctypes.byref(image))


def decode(picture: Union[Text, bytes, bytearray], *,
           as_stored: bool = False) -> Pixels:
    """The pixels [height][width][3], RGB, of a file or of a file's bytes.
    as_stored leaves the orientation that EXIF tells alone."""
    image = _abi.rn_image()
    if isinstance(picture, (bytes, bytearray)):
        raw = bytes(picture)
        call(lib.rn_image_decode, ctypes.byref(image), raw, len(raw),
             b"picture", flags(as_stored))
    else:
        call(lib.rn_image_load, ctypes.byref(image), text(picture),
             flags(as_stored))
    return taken(image)


def pixels_of(picture: npt.NDArray[np.generic]) -> Pixels:
    """An array as pixels [height][width][3]."""
    if picture.dtype != np.uint8:
        raise TypeError(f"pictures are arrays of uint8, not {picture.dtype}; "
                        "images that are normalised are float32 [N][C][H][W]")
    if picture.ndim == 2:
        picture = picture[:, :, None]
    if picture.ndim != 3 or picture.shape[2] not in (1, 3):
        raise ArgumentError(f"a picture has shape {picture.shape}, expected "
                            "[height][width][3] or [height][width]")
    if picture.shape[2] == 1:
        picture = np.repeat(picture, 3, axis=2)
    return np.ascontiguousarray(picture, dtype=np.uint8)


def as_image(pixels: Pixels) -> _abi.rn_image:
    """An array as the library has it: borrowed, for one call."""
    height, width, _ = pixels.shape
    if not 0 < height <= 65535 or not 0 < width <= 65535:
        raise ArgumentError(f"a picture of {width}x{height} pixels: sides are 1"
                            " to 65535")
    return _abi.rn_image(width, height, pixels.ctypes.data)


class Pictures(Owner, Sequence[Pixels]):
    """The pictures that a path stands for: a file, or those of a folder and
    the folders below it, or of an archive. They are decoded when asked for."""

    def __init__(self, path: Text, *, as_stored: bool = False) -> None:
        self._held = make(lib.rn_pictures_destroy, lib.rn_pictures_find,
                          text(path))
        self.as_stored = as_stored

    def __len__(self) -> int:
        return int(lib.rn_pictures_count(self._handle))

    def name(self, i: int) -> str:
        """Path of the i-th; "photos.tar/cat.jpg" in an archive."""
        path = ctypes.c_char_p()
        rc = lib.rn_pictures_get(self._handle, self._at(i), ctypes.byref(path),
                                 None)
        if rc and path.value is None:
            raise failure(rc, f"picture {i} has no name")
        return shown(path.value) or ""

    @property
    def names(self) -> List[str]:
        return [self.name(i) for i in range(len(self))]

    def __getitem__(self, i: int) -> Pixels:  # type: ignore[override]
        image = _abi.rn_image()
        call(lib.rn_pictures_load, self._handle, self._at(i),
             flags(self.as_stored), ctypes.byref(image))
        return taken(image)

    def _at(self, i: int) -> int:
        count = len(self)
        if not -count <= i < count:
            raise IndexError(f"picture {i} of {count}")
        return i % count

    @property
    def remarks(self) -> Tuple[str, ...]:
        """What there is to say of them though nothing is wrong."""
        return tuple(remarks(lib.rn_pictures_remark, self._handle))


def remarks(get: object, handle: object) -> Iterator[str]:
    i = 0
    while True:
        raw = get(handle, i)  # type: ignore[operator]
        if raw is None:
            return
        yield shown(raw) or ""
        i += 1

