# SPDX-License-Identifier: BSD-2-Clause
"""Runs of one process or of several ranks: the MPIs that start them, an end to
those that take too long, what is trained."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time


class JobError(RuntimeError):
    """A run that failed, or was ended since it took too long."""


def say(text):
    print(text, file=sys.stderr, flush=True)


# --------------------------------------------------------------------- MPIs

class Mpi:
    """A launcher, and the plugin of its MPI."""

    def __init__(self, name, program, plugin, options, variables):
        self.name, self.program, self.plugin = name, program, plugin
        self.options, self.variables = options, variables

    def is_there(self, binary):
        return (shutil.which(self.program) is not None
                and (binary.parent / self.plugin).exists())

    def start(self, ranks, command):
        """The command that has so many ranks on this machine."""
        return [self.program, *self.options, "-n", str(ranks), *command]

    def environment(self):
        return {**os.environ, **self.variables}


MPIS = {
    # Messages go through shared memory; single copies want rights that
    # containers do not give.
    "ompi": Mpi("Open MPI", "mpirun.openmpi", "libresnet-ompi.so",
                ["--oversubscribe"],
                {"OMPI_ALLOW_RUN_AS_ROOT": "1",
                 "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                 "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}),
    "mpich": Mpi("MPICH", "mpirun.mpich", "libresnet-mpich.so", [], {}),
}


def found_mpis(binary, wanted=None):
    """Those that a build has a plugin for and whose launcher is there."""
    return {name: mpi for name, mpi in MPIS.items()
            if (wanted is None or name == wanted) and mpi.is_there(binary)}


# --------------------------------------------------------------------- runs

def session_of(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[3])


def end_session(leader):
    """Kill whatever is left of a session: launchers give each rank a process
    group of its own."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and session_of(entry) == leader:
            try:
                os.kill(int(entry), signal.SIGKILL)
            except ProcessLookupError:
                pass


def last_lines(text, count=3):
    return " / ".join(text.strip().splitlines()[-count:]) or "no message"


def run(command, limit, environment=None, folder=None):
    """Standard output of a command, in a session that ends with it."""
    with tempfile.TemporaryFile("w+") as out, \
            tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [str(word) for word in command], env=environment, cwd=folder,
            stdin=subprocess.DEVNULL, stdout=out, stderr=errors,
            start_new_session=True)
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            raise JobError(f"'{command[0]}' was ended after {limit:.0f} s"
                           ) from None
        finally:
            end_session(process.pid)
            process.wait()
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            raise JobError(f"'{command[0]}' ended with status "
                           f"{process.returncode}: "
                           f"{last_lines(errors.read())}")
        return out.read()


def together(commands, limit):
    """Standard outputs of commands that run at the same time."""
    running = [(tempfile.TemporaryFile("w+"), command)
               for command in commands]
    running = [(out, subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
        start_new_session=True)) for out, command in running]
    until = time.monotonic() + limit
    try:
        for _, process in running:
            process.wait(max(0, until - time.monotonic()))
            if process.returncode:
                raise JobError(f"'{process.args[0]}' ended with status "
                               f"{process.returncode}")
    except subprocess.TimeoutExpired:
        raise JobError(f"'{commands[0][0]}' was ended after {limit:.0f} s"
                       ) from None
    finally:
        for _, process in running:
            end_session(process.pid)
            process.wait()
    texts = []
    for out, _ in running:
        out.seek(0)
        texts.append(out.read())
        out.close()
    return texts


# ----------------------------------------------------------------- training

class Work:
    """What is trained: the network, images of a step on all ranks together,
    pixels a side, classes."""

    def __init__(self, net, batch, size, classes):
        self.net, self.batch = net, batch
        self.size, self.classes = size, classes

    def bench(self, binary, threads, seconds, *more):
        """The command that times it; of one process, or of a rank."""
        words = {"mode": "train", "batch": self.batch, "size": self.size,
                 "classes": self.classes, "threads": threads,
                 "seconds": seconds}
        return [str(binary), "bench", self.net, "--json", *more,
                *(f"--{name}={value}" for name, value in words.items())]
