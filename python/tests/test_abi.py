# SPDX-License-Identifier: BSD-2-Clause
"""What Python knows of the C interface is what a C compiler makes of resnet.h.
"""
import ctypes
import enum
import inspect
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import ROOT
from resnet import _abi, _library, _options
from resnet._library import lib


def structs():
    return {name: kind for name, kind in vars(_abi).items()
            if name.startswith("rn_") and issubclass(kind, ctypes.Structure)}


def enums():
    return [kind for kind in vars(_abi).values() if inspect.isclass(kind)
            and issubclass(kind, enum.IntEnum) and kind is not enum.IntEnum]


def member(kind, name):
    """C's name of an enum's member."""
    header = (ROOT / "include" / "resnet.h").read_text()
    c_name = "rn" + re.sub(r"([A-Z])", r"_\1", kind.__name__).lower()
    body = re.search(r"enum %s \{(.*?)\n?\};" % c_name, header, re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    found = [m for m in re.findall(r"RN_\w+", body)
             if m == f"RN_{name}" or m.endswith(f"_{name}")]
    return min(found, key=len)


def test_compiler_agrees(tmp_path):
    compiler = os.environ.get("RN_CC", "cc").split()
    if not shutil.which(compiler[0]):
        pytest.skip("no C compiler")
    lines, expected = [], []

    def expect(expression, value):
        lines.append(f'printf("%ld\\n", (long)({expression}));')
        expected.append((expression, value))

    for name, kind in structs().items():
        expect(f"sizeof(struct {name})", ctypes.sizeof(kind))
        for field, of, *_ in kind._fields_:
            at = getattr(kind, field)
            expect(f"offsetof(struct {name}, {field})", at.offset)
            expect(f"sizeof(((struct {name} *)0)->{field})", at.size)
            if of in (ctypes.c_double, ctypes.c_float):
                expect(f"(__typeof__(((struct {name} *)0)->{field}))0.5 > 0", 1)
    for kind in enums():
        for m in kind:
            expect(member(kind, m.name), m.value)
    expect("RN_ZERO", _abi.RN_ZERO)
    expect("RN_MEASURED_MAX", _abi.RN_MEASURED_MAX)
    source = tmp_path / "sizes.c"
    source.write_text("#include <resnet.h>\n#include <stdio.h>\n"
                      "int main(void)\n{\n" + "\n".join(lines) +
                      "\nreturn 0;\n}\n")
    program = tmp_path / "sizes"
    subprocess.run([*compiler, f"-I{ROOT / 'include'}", source, "-o", program],
                   check=True)
    said = subprocess.run([program], check=True, capture_output=True,
                          text=True).stdout.split()
    assert [(e, int(value)) for (e, _), value in zip(expected, said)] == expected


def test_every_function_is_there():
    for name in _abi.FUNCTIONS:
        assert callable(getattr(lib, name))


def test_every_status_is_an_exception():
    assert set(_library.ERRORS) == set(_abi.Status) - {_abi.Status.OK}


def test_tables_of_options_fit_the_structs():
    for kind in _options.STRUCTS:
        assert _options.options(kind)


def test_versions_are_one():
    meson = (ROOT / "meson.build").read_text()
    assert f"version: '{_abi.VERSION}'" in meson
    assert lib.rn_version().decode() == _abi.VERSION


@pytest.mark.parametrize("found", ["0.1.9", "0.3.0", "1.2.0"])
def test_another_version_is_refused(found):
    with pytest.raises(ImportError, match=_abi.VERSION):
        _library.check_version(found, "libresnet.so")


def test_a_newer_patch_is_taken():
    major, minor, patch = _abi.VERSION.split(".")
    _library.check_version(f"{major}.{minor}.{int(patch) + 1}", "libresnet.so")


def test_a_library_that_is_not_there(monkeypatch):
    monkeypatch.setenv("RESNET_LIBRARY", "/nowhere/libresnet.so")
    with pytest.raises(ImportError, match="/nowhere/libresnet.so"):
        _library.Library()


def test_a_library_that_is_another(monkeypatch):
    path = pathlib.Path(subprocess.run(
        ["sh", "-c", "ldconfig -p | awk '/libz.so.1/ { print $NF; exit }'"],
        capture_output=True, text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}).stdout.strip())
    if not path.is_file():
        pytest.skip("no libz.so.1")
    monkeypatch.setenv("RESNET_LIBRARY", str(path))
    with pytest.raises(ImportError, match="rn_version"):
        _library.Library()
