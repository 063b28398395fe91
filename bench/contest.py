# SPDX-License-Identifier: BSD-2-Clause
"""A row's contest: its sides warmed up, probed, then run in turn."""
import pathlib
import sys
import tempfile

import report
from sides import SideError

HOPELESS = 0.7  # of the best probe so far
PROBE_SECONDS = 1


def say(text):
    print(text, file=sys.stderr, flush=True)


class Contest:
    """The sides of a row; those that dropped out, and why."""

    def __init__(self, row, options, folder):
        self.row, self.options, self.folder = row, options, folder
        self.sides, self.left_out = {}, {}
        self.best = None

    def better(self, a, b):
        return (max if self.row.more else min)(a, b)

    def hopeless(self, side):
        share = (side.probe / self.best if self.row.more
                 else self.best / side.probe)
        return share < HOPELESS and not self.options.keep_all

    def enter(self, name, side, probe):
        """Start a side and probe it."""
        say(f"{self.row.name}: warming up {name}")
        self.sides[name] = side  # from its start on to be stopped
        try:
            side.start()
            side.probe = side.run(probe)
        except SideError as error:
            side.stop()
            del self.sides[name]
            say(f"{self.row.name}: {name} left out: {error}")
            self.left_out[name] = str(error)
            return
        if name not in report.OURS:
            self.best = self.better(self.best or side.probe, side.probe)
            self.leave_out(probe)

    def leave_out(self, probe):
        """Drop whoever is hopeless, at a second try as well."""
        for way, side in list(self.sides.items()):
            if way in report.OURS or not self.hopeless(side):
                continue
            side.probe = self.better(side.probe, side.run(probe))
            if self.hopeless(side):
                self.left_out[way] = side.probe
                side.stop()
                del self.sides[way]

    def enter_all(self):
        probe = min(PROBE_SECONDS, self.options.seconds)
        for name, binary in self.options.binaries.items():
            self.enter(name, self.row.ours(binary, self.options, self.folder),
                       probe)
        for way in self.row.ways(self.options):
            self.enter(way, self.row.theirs(way, self.options, self.folder),
                       probe)
        if "ours" not in self.sides:
            raise SideError(self.left_out["ours"])
        self.row.check(self.sides)

    def play(self):
        figures = {name: [] for name in self.sides}
        rounds = self.row.rounds(self.options)
        for i in range(rounds):
            for name, side in self.sides.items():
                figures[name].append(side.run(self.options.seconds))
            say(f"{self.row.name}: round {i + 1} of {rounds}: " + ", ".join(
                f"{name} {f[-1] / self.row.unit_size:.1f}"
                for name, f in figures.items()))
        return figures

    def stop(self):
        for side in self.sides.values():
            side.stop()


def compare(row, options):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        row.prepare(options, folder)
        contest = Contest(row, options, folder)
        try:
            contest.enter_all()
            figures = contest.play()
        finally:
            contest.stop()
    versions = {name: s.version for name, s in contest.sides.items()}
    peaks = {name: s.peak for name, s in contest.sides.items()
             if row.tells_memory}
    return report.summarise(row, figures, versions, contest.left_out, peaks)
