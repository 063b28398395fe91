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


# Two layers of 200 bytes: the last one's gradients are there after 1 s of
# backward, and its weights are wanted 1.5 s after forward began.
LINE = Timeline(2.0, 4.0, 0.0, 1, [Layer("fc", 200, 1.0, 1.5),
                                   Layer("conv1", 200, 4.0, 0.0)], 0)


@contextlib.contextmanager
def no_more():
    """Shards of 200 bytes and nothing else; messages are seen at once."""
    before = overlap.WORDS, overlap.shard_bytes, LINE
    overlap.WORDS, overlap.shard_bytes = (), lambda *_: 200
    yield LINE._replace(pieces=float("inf"))
    overlap.WORDS, overlap.shard_bytes, _ = before


def of_two(rate, hides=True, bf16=False, **more):
    with no_more() as line:
        return overlap.step(line, Cluster(2, rate, **more), hides, bf16)


def test_links():
    two = Cluster(2, 100)
    near(two.told(50), 0.5, "50 bytes each way at 100 a second")
    # Four ranks of a host tell four elsewhere.
    eight = Cluster(8, 100, host=4)
    near(eight.told(10), 1.6, "4 x 4 x 10 bytes at 100 a second")
    near(Cluster(4, 1e30, message=0.5).told(1), 3.0, "3 messages each way")
    near(Cluster(3, 1e30, copy=100).told(50), 2.0, "2 x 50 bytes each way")
    equal(Cluster(1, 1).told(100), 0.0, "alone")
    links = overlap.Links(Cluster(3, 100))
    near(links.gather(0, 0, 100), 2.0, "from two to one")
    near(links.gather(0, 0, 100), 4.0, "the same once more")
    near(links.gather(0, 1, 100), 3.0, "to another, when a sender is free")
    near(links.spread(0, 2, 100), 5.0, "from one to two, behind its own")


def test_nothing_hidden():
    # To both owners from 4 to 6, and back from 6 to 8.
    near(of_two(100, False).seconds, 8 + 2, "both ways after backward")


def test_hides():
    # fc's goes from 1 to 3 and comes back until 5, conv1's goes the same way
    # after it until 7, and is back at 9.
    near(of_two(100).seconds, 9 + 2, "a link of 2 s a shard")
    # 0.5 s each: conv1's goes until 4.5, and forward waits until 5.
    near(of_two(400).seconds, 5 + 2, "a link of half a second")
    # fc's goes from 1 to 2 and comes back until 3, conv1's from 4 to 5, until 6.
    near(of_two(100, bf16=True).seconds, 6 + 2, "half the bytes")
    near(of_two(1e30).seconds, 6.0, "a link that takes no time")
    near(of_two(1e30, False).seconds, 6.0, "the same, nothing hidden")


def test_forward_waits():
    with no_more() as line:
        # fc's weights come at 12 of those that are asked for at 1 and 6.
        late = line._replace(layers=[Layer("fc", 200, 4.0, 1.5),
                                     Layer("conv1", 0, 4.0, 0.0)])
        near(overlap.step(late, Cluster(2, 100)).seconds, 6 + 2.5,
             "0.5 s before fc")


def test_processors_work():
    # Of each shard a rank sends or receives 200 bytes, twice.
    found = of_two(1e30, copy=200)
    near(found.seconds, 4 + 2 + 2 + 2, "backward and forward 2 s longer")
    near(found.waits, 0.0, "nobody waits")


def test_looks():
    """What comes while a rank computes is seen at the plan's next step."""
    with no_more() as line:
        slow = line._replace(pieces=6)
        near(overlap.step(slow, Cluster(2, 1e30)).seconds, 6 + 2,
             "1 s to its owner, 1 s back")


def test_sent():
    found = of_two(100)
    near(found.sent, 400, "200 bytes of gradients, 200 of weights")
    near(found.wire, 4.0, "at 100 a second")
    near(found.waits, 11 - 6, "what is not hidden")
    near(of_two(100, bf16=True).sent, 200, "half of it")
    with no_more() as line:
        found = overlap.step(line, Cluster(8, 1, host=2))
    near(found.sent, 7 * 100, "to 7 ranks, 2 x 400 bytes over 8")
    near(found.wire, 2 * 6 * 100, "of 2 ranks, to 6 elsewhere")


def test_hidden():
    with no_more() as line:
        # 4 s of the link's, of which computing can hide all.
        near(overlap.hidden(line, Cluster(2, 100), 1.0), 0.75, "3 s of 4")
        near(overlap.hidden(line, Cluster(2, 100), 4.0), 0.0, "none")
        near(overlap.hidden(line, Cluster(2, 50), 2.0), 1.0, "6 s of 8")


def test_shards():
    equal(overlap.shard_bytes(25_600_000, 2), 4 * 400_000, "32 of each of two")
    equal(overlap.shard_bytes(100, 4), 4 * 25, "one of each")
    equal(overlap.shard_bytes(1 << 26, 1), 4 << 19, "none too large")
    with no_more() as line:
        overlap.shard_bytes = lambda *_: 300
        equal(overlap.shards(line, 2), [(300, 4.0, 0.0), (100, 4.0, 0.0)],
              "conv1 in both")


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
    equal(line[:4], (3.0, 5.5, 0.5, 6),
          "forward, backward, the rest of 9 seconds, steps")
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
    options = types.SimpleNamespace(rounds=2)

    def late():
        jobs.run(["sleep", "60"], 0.1)

    ranks.sides = lambda *_: {"one process": lambda: 4.0,
                              "2 ranks, MPICH": late}
    with contextlib.redirect_stderr(io.StringIO()) as said:
        found = ranks.contest(options, "resnet50")
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
