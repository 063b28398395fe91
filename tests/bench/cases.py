# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of bench/ share: where it is, comparing, running the cases."""
import os
import pathlib
import sys

BENCH = pathlib.Path(os.environ["RN_SOURCE"]) / "bench"
sys.dont_write_bytecode = True
sys.path.insert(0, str(BENCH))


def equal(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: {got!r}, expected {want!r}")


def run_all(names):
    """Run every test_... of a module's names; 0 or 1."""
    tests = [value for name, value in names.items()
             if name.startswith("test_")]
    failed = 0
    print(f"1..{len(tests)}")
    for i, test in enumerate(tests, 1):
        try:
            test()
            print(f"ok {i} - {test.__name__}")
        except AssertionError as error:
            failed += 1
            print("# " + str(error).replace("\n", "\n# "))
            print(f"not ok {i} - {test.__name__}")
    return 1 if failed else 0
