#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Two ranks on two hosts, which are network namespaces, and a slow cable between
them that is unplugged: for a moment, or for good. Needs root, iproute2, and an
MPI that a plugin is built for; skips without them."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(os.environ["RN_BUILD"])
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.environ["RN_SOURCE"], "bench"))
import cables  # noqa: E402
from jobs import JobError, end_session, found_mpis  # noqa: E402

PROGRAM = BUILD / "resnet"
# 312 kB of gradients: an eighth of a second each way at this rate.
RATE = 20e6
TRAIN = ["train", "synthetic:3x8x8:4:96", "--net", "resnet8", "--batch", "24",
         "--groups", "2", "--threads", "1", "--seed", "3", "--iterations",
         "30", "--report-every", "1", "--test-every", "30", "--save-every",
         "5", "--quiet"]
CUT_AT, LIMIT = 8, 60


class Run:
    """Of two ranks, in a folder of its own."""

    def __init__(self, cable, mpi, folder, timeout):
        self.out = folder / "run"
        command, environment = cable.start(
            *mpi, 2, [str(PROGRAM), *TRAIN, "--timeout", str(timeout),
                      "--out", str(self.out)])
        self.said = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=self.said, stderr=self.said, start_new_session=True)

    def text(self):
        self.said.seek(0)
        return self.said.read()

    def wait_for(self, what, true):
        until = time.monotonic() + LIMIT
        while not true():
            assert time.monotonic() < until, f"no {what}: {self.text()}"
            time.sleep(0.05)

    def wait_for_step(self, number):
        log = self.out / "log.jsonl"
        self.wait_for(f"step {number}", lambda: log.exists() and len(
            log.read_text().splitlines()) >= number)

    def end(self):
        end_session(self.process.pid)
        self.process.wait()


def ranks_left():
    """Processes of the program; there are no others in these namespaces."""
    found = []
    for link in pathlib.Path("/proc").glob("[0-9]*/exe"):
        try:
            if os.path.samefile(link, PROGRAM):
                found.append(int(link.parent.name))
        except OSError:  # ended
            pass
    return found


def weights(run):
    return (run / "last.safetensors").read_bytes()


def resume(run):
    subprocess.run([PROGRAM, "train", "--resume", run, "--quiet"], check=True,
                   stdout=subprocess.DEVNULL)


def unplugged_for_a_moment(cable, mpi, folder, want):
    """Whoever waits for less than --timeout goes on to the same weights."""
    run = Run(cable, mpi, folder, 30)
    try:
        run.wait_for_step(CUT_AT)
        cable.cut()
        time.sleep(0.5)
        cable.mend()
        assert run.process.wait(LIMIT) == 0, run.text()
    finally:
        run.end()
    assert weights(run.out) == want, "other weights"


def unplugged(cable, mpi, folder, want):
    """Both ranks end when --timeout is over, the first one names the other,
    and the run goes on to the same weights."""
    run = Run(cable, mpi, folder, 2)
    try:
        run.wait_for_step(CUT_AT)
        assert len(ranks_left()) == 2, run.text()
        cable.cut()
        start = time.monotonic()
        run.wait_for("end of both", lambda: not ranks_left())
        took = time.monotonic() - start
        assert took < 2 + 3, f"they ended after {took:.1f} s"
        run.wait_for("message", lambda: "not answered" in run.text())
    finally:
        run.end()
        cable.mend()
    assert "rank 1 (host-2) has not answered for 2 s" in run.text(), run.text()
    resume(run.out)
    assert weights(run.out) == want, "other weights"


def main():
    mpis = found_mpis(PROGRAM)
    why = "no plugin of an MPI that is installed" if not mpis else (
        None if cables.is_inside() else cables.obstacle())
    if why:
        print("1..0 # SKIP " + why)
        return 0
    cables.enter()
    failed = number = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        try:
            cable = cables.Cable(folder)
            cable.shape(RATE)
        except JobError as error:
            print(f"1..0 # SKIP {error}".replace("\n", " "))
            return 0
        subprocess.run([PROGRAM, *TRAIN, "--out", folder / "alone"],
                       check=True, stdout=subprocess.DEVNULL)
        print(f"1..{2 * len(mpis)}")
        for mpi in mpis.items():
            for test in (unplugged_for_a_moment, unplugged):
                number += 1
                says = f"{number} - {test.__name__}, {mpi[1].name}"
                try:
                    with tempfile.TemporaryDirectory(dir=folder) as own:
                        test(cable, mpi, pathlib.Path(own),
                             weights(folder / "alone"))
                    print("ok", says, flush=True)
                except (AssertionError, subprocess.SubprocessError) as error:
                    failed += 1
                    print("# " + str(error).replace("\n", "\n# "))
                    print("not ok", says, flush=True)
    return 1 if failed else 0


sys.exit(main())
