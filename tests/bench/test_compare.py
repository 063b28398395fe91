#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""bench/compare without its peers: who stays, what is reported."""
import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import types

from cases import BENCH, equal, run_all
import contest
import report
from rows import ROWS
from sides import OurSpeed, Side, SideError

SPEED, MEMORY = ROWS["train-resnet50"], ROWS["memory"]
MACHINE = {"cpu": "a CPU", "processors": 2, "memory_bytes": 8e9,
           "system": "a system", "threads": 2, "commit": "c", "date": "d",
           "rounds": 3, "seconds_a_turn": 4, "load": 0.1}


def summary(row, figures):
    return report.summarise(row, figures, {name: name for name in figures}, {})


def speed_row():
    return summary(SPEED, {"ours": [16.0, 12.0, 18.0], "also": [8, 8, 8],
                           "eager": [8.0, 8.0, 14.0],
                           "compiled": [10.0, 9.0, 10.0]})


def test_speed():
    found = speed_row()
    equal(found["ratio"]["ours"], {"against": "compiled", "of_medians": 1.6,
                                   "of_bests": 18 / 14}, "ratio")
    ours = found["sides"]["ours"]
    equal([ours[k] for k in ("median", "best", "min", "max")],
          [16, 18, 12, 18], "median, best, spread")
    equal(found["reached"], True, "1.6 against 1.6")
    equal(found["ratio"]["also"]["of_medians"], 0.8, "also")
    equal(found["also_over_ours"], 0.5, "also over ours")


def test_speed_not_reached():
    found = summary(SPEED, {"ours": [14.0], "eager": [10.0]})
    equal(found["reached"], False, "1.4 against 1.6")


def test_doubtful():
    figures = {"ours": [16.0], "eager": [10.0]}
    for probe, doubtful in ((9.0, False), (11.0, True), ("why", False)):
        found = report.summarise(SPEED, figures, dict.fromkeys(figures, ""),
                                 {"compiled": probe})
        equal(found["doubtful"], doubtful, f"left out at {probe}")


def test_memory():
    found = summary(MEMORY, {"ours": [1e9, 2e9], "eager": [4e9, 4e9],
                             "compiled": [3e9, 5e9]})
    equal(found["ratio"]["ours"]["of_medians"], 0.375, "ratio of medians")
    equal(found["ratio"]["ours"]["of_bests"], 1 / 3, "ratio of bests")
    equal(found["reached"], True, "0.375 or less than 0.5")


def test_memory_beside_speed():
    """Of those that took part to the end; of training alone."""
    figures = {"ours": [16.0], "eager": [8.0], "compiled": [10.0]}
    found = report.summarise(
        SPEED, figures, dict.fromkeys(figures, ""), {},
        {"ours": 1e9, "eager": 2e9, "compiled": 3e9})
    equal(report.peak_cells(found), ["1000", "2000"], "peaks")
    heading, line = report.lines_of_cells({"rows": [found]})
    equal((heading[-2:], line[-2:]), (report.PEAKS, ["1000", "2000"]), "cells")
    heading, line = report.lines_of_cells({"rows": [speed_row()]})
    equal(heading[-1], report.ALSO[-1], "the last column without peaks")
    equal([ROWS[name].tells_memory for name in
           ("train-nin", "infer-vgg16", "memory", "start")],
          [True, False, False, False], "whose memory is told")


def test_no_peer():
    found = summary(SPEED, {"ours": [14.0]})
    equal("ratio" in found or "reached" in found, False, "a ratio")


class Fake(Side):
    """A side of known figures, the last for ever; none does not start."""

    def __init__(self, figures):
        self.figures, self.stopped, self.version = figures, False, "fake"

    def start(self):
        if not self.figures:
            raise SideError("no such thing")

    def run(self, _):
        figure = self.figures[0]
        self.figures = self.figures[1:] or [figure]
        return figure

    def stop(self):
        self.stopped = True


def enter(row, figures):
    options = types.SimpleNamespace(keep_all=False, rounds=2, seconds=1)
    found = contest.Contest(row, options, None)
    fakes = {name: Fake(list(f)) for name, f in figures.items()}
    with contextlib.redirect_stderr(io.StringIO()):
        for name, fake in fakes.items():
            found.enter(name, fake, 1)
    return found, fakes


def test_rows():
    """PyTorch's networks with heads have these in training, and so have ours;
    a row of bf16 knows ways of float32, too."""
    for name, headed in (("train-googlenet_bn", True), ("train-dsn", True),
                         ("train-nin", False), ("infer-vgg16", False)):
        args = OurSpeed(sys.executable, ROWS[name].work, 1).args
        equal("--aux-heads" in args, headed, name)
    for name, row in ROWS.items():
        if name.endswith("-bf16") and name != "memory-bf16":
            assert any("bf16" not in way for way in row.peer_ways), name


def test_hopeless():
    found, fakes = enter(SPEED, {"ours": [1], "slow": [5], "good": [10],
                                 "near": [7.5], "last": [6], "none": [],
                                 "unlucky": [4, 9]})
    equal(list(found.sides), ["ours", "good", "near", "unlucky"],
          "who stays")
    equal(found.left_out, {"slow": 5, "last": 6, "none": "no such thing"},
          "who is left out")
    equal([name for name, fake in fakes.items() if fake.stopped],
          ["slow", "last", "none"], "who is stopped")
    found, _ = enter(MEMORY, {"ours": [99], "much": [10], "less": [6]})
    equal(list(found.sides), ["ours", "less"], "who stays for memory")


def run(*args):
    return subprocess.run([sys.executable, BENCH / "compare", *args],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)


def test_help():
    done = run("--help")
    equal(done.returncode, 0, "status")
    equal([name for name in ROWS if name not in done.stdout], [],
          "rows not in the help")


def test_unknown_row():
    done = run("train-resnet51")
    equal(done.returncode, 2, "status")
    equal("unknown row 'train-resnet51'" in done.stdout, True, done.stdout)


def test_show():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "report.json"
        path.write_text(json.dumps({"machine": MACHINE, "failed": {},
                                    "rows": [speed_row()]}))
        text, table = run("--show", path), run("--show", path, "--markdown")
    equal(text.returncode + table.returncode, 0, text.stdout + table.stdout)
    want = ("| 16.00 (12.00..18.00) | 10.00 (9.000..10.00) | compiled "
            "| 1.60 (1.29) | 1.6 | yes "
            "| 8.000 (8.000..8.000) | 0.80 (0.57) | 0.50 |")
    equal(want in table.stdout, True, table.stdout)
    equal("16.00 (12.00..18.00)" in text.stdout, True, text.stdout)


sys.exit(run_all(globals()))
