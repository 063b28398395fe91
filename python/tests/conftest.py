# SPDX-License-Identifier: BSD-2-Clause
"""A small model, the pictures of tests/, and TAP in place of pytest's report."""
import pathlib

import numpy as np
import pytest

import resnet

ROOT = pathlib.Path(__file__).resolve().parents[2]
MADE = ROOT / "tests" / "golden" / "made"
CORPUS = ROOT / "tests" / "fuzz" / "corpus" / "image"
# How the network that drew photos are for was trained.
PREPARED = {"mean": (0.5, 0.45, 0.4), "std": (0.25, 0.25, 0.25), "resize": 40,
            "interpolation": "bilinear", "labels": MADE / "photos/classes.txt"}


@pytest.fixture(scope="session")
def model():
    with resnet.load(MADE / "net.onnx", message=lambda line: None,
                     **PREPARED) as model:
        yield model


@pytest.fixture(scope="session")
def photos():
    """(file, class, logits) that PyTorch computed."""
    lines = [line.split() for line in (MADE / "logits.txt").read_text()
             .splitlines() if line and not line.startswith("#")]
    return [(MADE / "photos" / name, int(label),
             np.array(logits, np.float32)) for name, label, *logits in lines]


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The folder of a short run."""
    out = tmp_path_factory.mktemp("runs") / "run"
    resnet.train("synthetic:3x8x8:4:64", out, net="resnet8", batch=16,
                 iterations=4, report_every=2, threads=1)
    return out


@pytest.fixture(scope="session")
def small(run):
    """The model of the short run, which takes 8x8 pixels."""
    with resnet.load(run) as model:
        yield model


# --------------------------------------------------------------------- TAP

number = 0


def tap(report):
    global number
    number += 1
    skipped = f" # SKIP {report.longrepr[2]}" if report.skipped else ""
    print(f"\n{'not ok' if report.failed else 'ok'} {number} - "
          f"{report.nodeid.rpartition('/')[2]}{skipped}")
    if report.failed:
        print("".join(f"# {line}\n"
                      for line in report.longreprtext.splitlines()), end="")


def pytest_runtest_logreport(report):
    # A fixture that fails or skips has no call.
    if report.when == "call" or not report.passed:
        tap(report)


def pytest_collectreport(report):
    if report.failed:
        tap(report)


def pytest_sessionfinish():
    print(f"1..{number}")
