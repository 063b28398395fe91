#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""bench/overlap.py's arithmetic by hand, bench/scaling's figures, and what
bench/ranks makes of rates."""
import contextlib
import importlib.machinery
import importlib.util
import io
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import types
import xml.dom.minidom

from cases import BENCH, equal, run_all
import jobs
import overlap
from overlap import Cluster, Layer, Timeline


def script(name):
    loader = importlib.machinery.SourceFileLoader(name, str(BENCH / name))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def near(got, want, what):
    if not math.isclose(got, want, rel_tol=1e-9, abs_tol=1e-12):
        raise AssertionError(f"{what}: {got!r}, expected {want!r}")


# Two layers of 100 bytes: the last one's gradients are there after 1 s of
# backward, and its weights are wanted 1.5 s after forward began.
LINE = Timeline(2.0, 4.0, 0.0, [Layer("fc", 100, 1.0, 1.5),
                                Layer("conv1", 100, 4.0, 0.0)], 0)


def two(rate, **more):
    """Two hosts, for which nothing costs anything but bytes."""
    return Cluster(2, rate, latency=0, message=0, **more)


@contextlib.contextmanager
def no_words():
    before, overlap.WORDS = overlap.WORDS, ()
    try:
        yield
    finally:
        overlap.WORDS = before


def seconds(rate, how):
    with no_words():
        return overlap.step(LINE, two(rate), how, 100).seconds


def test_wire():
    near(two(50).wire(100), 1.0, "half of 100 bytes at 50 a second")
    # Four ranks of a host each tell four elsewhere an eighth.
    eight = Cluster(8, 100, latency=0, host=4, message=0)
    near(eight.wire(800), 16.0, "4 x 4 x 100 bytes at 100 a second")
    near(eight.sent(800), 1600, "bytes")
    near(Cluster(4, 1, host=1, message=0.5, copy=150).work(200), 5.0,
         "3 messages each way, and 150 bytes each way")
    equal(Cluster(1, 1).exchange(100), 0.0, "alone")


def test_nothing_hidden():
    # Each range takes a second each way.
    near(seconds(50, "none"), 6 + 4, "2 ranges, 2 ways")


def test_backward_hides():
    # fc's goes from 1 to 2, conv1's from 4 to 5; both come back after that.
    near(seconds(50, "backward"), 5 + 2 + 2, "1 s of 2 hidden")
    # fc's is under way from 1 to 11, conv1's to 21.
    near(seconds(5, "backward"), 21 + 20 + 2, "a slow link")


def test_forward_hides():
    # conv1's weights come at 6, forward begins; fc's at 7, before 7.5.
    near(seconds(50, "both"), 6 + 2, "forward hides fc's")
    # conv1's at 31, fc's at 41; forward has 0.5 s left.
    near(seconds(5, "both"), 21 + 20 + 0.5, "a slow link")


def test_infinitely_fast():
    for how in overlap.OVERLAPS:
        near(seconds(1e30, how), 6.0, how)


def test_processors_work():
    # 100 bytes each way of 2 ranges take a rank 1 s each, both times.
    with no_words():
        got = overlap.step(LINE, two(1e30, copy=100), "none", 100)
    near(got.seconds, 6 + 4, "none hidden")
    near(got.waits, 4.0, "not computing")


def test_sent():
    with no_words():
        got = overlap.step(LINE, two(50), "none", 100)
    near(got.sent, 200, "half of 200 bytes, twice")
    near(got.wire, 4.0, "at 50 a second")


def test_hidden():
    # 2 s of the 4 that backward and forward each could hide.
    near(overlap.hidden(LINE, two(50), 8.0), 0.5, "half")
    near(overlap.hidden(LINE, two(50), 10.0), 0.0, "none")


def test_ranges():
    equal(overlap.ranges(LINE, 150), [(150, 4.0, 0.0), (50, 4.0, 0.0)],
          "conv1 in both")
    equal(overlap.ranges(LINE, 100), [(100, 1.0, 1.5), (100, 4.0, 0.0)],
          "one each")


def test_timeline():
    def step(name, kind, seconds):
        return {"name": name, "pass": kind, "seconds": seconds}

    bench = {"images_per_second": {"median": 1.0}, "steps": [
        step("conv", "forward", 1), step("fc", "forward", 2),
        step("fc", "loss", 0.5), step("fc", "backward weights", 1),
        step("conv", "recompute", 1), step("conv", "backward weights", 3)]}
    info = {"layers": [
        {"name": "conv", "op": "conv", "params": 10},
        {"name": "bn", "op": "batch_norm", "params": 4},
        {"name": "relu", "op": "relu", "params": 0},
        {"name": "fc", "op": "linear", "params": 5}]}
    line = overlap.timeline(bench, info, 9)
    equal((line.forward, line.backward, line.update), (3.0, 5.5, 0.5),
          "forward, backward, the rest of 9 seconds")
    equal(line.layers, [Layer("fc", 20, 1.5, 1.0), Layer("bn", 16, 1.5, 1.0),
                        Layer("conv", 40, 5.5, 0.0)], "layers")
    equal(line.statistics, 16, "mean and variance of 2 channels")
    twice = overlap.faster(line, 2)
    equal((twice.backward, twice.layers[0].ready), (2.75, 0.75), "twice")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "line.json"
        overlap.write(line, path)
        equal(overlap.read(path), line, "written and read")


def test_scaling():
    with tempfile.TemporaryDirectory() as folder:
        path, picture = (pathlib.Path(folder) / name
                         for name in ("line.json", "picture.svg"))
        overlap.write(LINE, path)
        done = subprocess.run(
            [sys.executable, BENCH / "scaling", "--line", path, "--svg",
             picture, "--most", "1024"], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        equal(done.returncode, 0, done.stdout)
        drawn = xml.dom.minidom.parse(str(picture))
    equal(len(drawn.getElementsByTagName("svg")), 1, "a picture")
    first = [row.split() for row in done.stdout.splitlines()
             if row.startswith("       1 ")]
    equal({row[4] for row in first}, {"100.0"}, "a rank by itself")


def test_ratios():
    ranks = script("ranks")
    found = ranks.ratios({
        "one process": [10, 8, 9], "2 ranks, MPICH": [9, 9, 10],
        "PyTorch DDP, eager": [4, 4, 5], "PyTorch DDP, channels_last": [3, 6, 5]})
    equal(found, {
        ("2 ranks, MPICH", "one process"): (1.0, 1.0),
        ("2 ranks, MPICH", "PyTorch DDP, channels_last"): (9 / 5, 10 / 6),
    }, "over one process, and over the fastest of theirs")


def test_left_out():
    """A side that takes too long drops out; the others go on."""
    ranks = script("ranks")
    options = types.SimpleNamespace(rounds=2, steps=1)

    def late():
        jobs.run(["sleep", "60"], 0.1)

    ranks.sides = lambda *_: {"one process": lambda: [2.0, 4.0, 4.0],
                              "2 ranks, MPICH": late}
    with contextlib.redirect_stderr(io.StringIO()) as said:
        found = ranks.contest(options, "resnet50", None)
    equal(found, {"one process": [4.0, 4.0]}, "who stays")
    equal("2 ranks, MPICH left out: 'sleep' was ended" in said.getvalue(),
          True, said.getvalue())


def runs(words):
    """Whether a process of these words is there."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            text = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
            if text.split("\0")[:-1] == words:
                return True
    return False


def test_session_ends():
    """Nothing is left of a run, in whatever process group it is."""
    number = f"61.{os.getpid()}"
    jobs.run(["bash", "-mc", f"sleep {number} & :"], 10)
    for _ in range(200):
        if not runs(["sleep", number]):
            return
        time.sleep(0.01)
    raise AssertionError("a process is left")


sys.exit(run_all(globals()))
