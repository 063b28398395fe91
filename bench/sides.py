# SPDX-License-Identifier: BSD-2-Clause
"""Those that are compared: processes of resnet and of its peers.

A side is started, run once or more, stopped. run() returns its figure:
images per second, bytes or seconds. `version` is known after the first run, of
those that tell it the `peak` of their memory in bytes once they are stopped.
"""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

BENCH = pathlib.Path(__file__).resolve().parent


class SideError(RuntimeError):
    """A side that does not start, or stops; the others go on without it."""


class Work:
    """What is computed: train or infer, network, batch, pixels a side; the
    precision of ours. Single images ours computes side by side, as OpenVINO does
    with its throughput hint; networks with heads it trains with these, as PyTorch
    does."""

    HEADED = ("googlenet", "googlenet_bn", "inception-v3", "dsn")

    def __init__(self, mode, net, batch, size, precision="fp32"):
        self.mode, self.net, self.batch, self.size = mode, net, batch, size
        self.precision = precision
        self.side_by_side = mode == "infer" and batch == 1
        self.aux_heads = mode == "train" and net in self.HEADED


class Side:
    version = peak = None

    def start(self):
        pass

    def run(self, seconds):
        raise NotImplementedError

    def stop(self):
        pass


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no message"


def output_of(args):
    """Standard output of a program that succeeds, its peak memory."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(args, stdout=subprocess.PIPE,
                                   stderr=errors, text=True)
        output = process.stdout.read()
        peak = wait_for_peak(process)
        if process.returncode:
            errors.seek(0)
            raise SideError(f"{args[0]}: {last_line(errors.read())}")
    return output, peak


def wait_for_peak(process):
    """Peak resident memory of a process, in bytes, once it has ended."""
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return 1024 * usage.ru_maxrss  # Linux counts in KiB


# --------------------------------------------------------------------- ours

def version_of(binary):
    """The program's version, oneDNN's and the instruction set, in a line."""
    output, _ = output_of([str(binary), "--version"])
    return ", ".join(output.split("\n")).strip(", ")


class OurSpeed(Side):
    def __init__(self, binary, work, threads):
        self.args = [str(binary), "bench", work.net, "--mode", work.mode,
                     "--batch", str(work.batch), "--size", str(work.size),
                     "--threads", str(threads), "--json"]
        if work.precision != "fp32":  # which older builds know alone
            self.args += ["--precision", work.precision]
        if work.aux_heads:
            self.args += ["--aux-heads"]
        if work.side_by_side:
            self.args += ["--streams", str(threads)]
        self.version = version_of(binary)

    def bench(self, seconds):
        output, peak = output_of([*self.args, "--seconds", str(seconds)])
        return json.loads(output)["images_per_second"]["median"], peak

    def run(self, seconds):
        rate, peak = self.bench(seconds)
        self.peak = max(peak, self.peak or 0)
        return rate


class OurMemory(OurSpeed):
    def run(self, seconds):
        return self.bench(seconds)[1]


class OurStart(Side):
    def __init__(self, binary, files, threads):
        self.args = [str(binary), "predict", str(files / "model.safetensors"),
                     str(files / "images") + ":0", "--threads", str(threads),
                     "--top", "1", "--json"]
        self.version = version_of(binary)

    def run(self, _):
        answer, seconds = time_to_answer(self.args)
        self.answer = answer["top"][0]
        return seconds


# ------------------------------------------------------------------- theirs

class Peer(Side):
    """A process of peers.py, stopped by SIGSTOP but in its turns."""

    def __init__(self, peers, way, work, threads):
        self.way = way
        self.args = [peers / "bin" / "python", "-B", BENCH / "peers.py", way,
                     work.mode, work.net, str(work.batch), str(work.size),
                     str(threads)]
        # What torch.compile() makes is kept for the next run.
        self.environment = {
            **os.environ, "OMP_NUM_THREADS": str(threads),
            "TORCHINDUCTOR_CACHE_DIR": str(peers / "compiled")}
        self.process = self.errors = None

    def launch(self):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            self.args, env=self.environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.errors, text=True,
            start_new_session=True)
        ready = json.loads(self.answer("ready "))
        self.version = ready["version"]
        return ready

    def answer(self, start=""):
        line = self.process.stdout.readline()
        if line.startswith(start) and line.endswith("\n"):
            return line[len(start):]
        self.errors.seek(0)
        raise SideError(f"{self.way} ended: {last_line(self.errors.read())}")

    def ask(self, seconds):
        try:
            self.process.stdin.write(f"run {seconds}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # answer() tells why
        return float(self.answer())

    def send(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def stop(self):
        if self.process is None:
            return
        if self.process.returncode is None:
            self.send(signal.SIGKILL)
            self.peak = wait_for_peak(self.process)
        for file in (self.process.stdin, self.process.stdout, self.errors):
            file.close()
        self.process = None


class PeerSpeed(Peer):
    def start(self):
        self.launch()
        self.send(signal.SIGSTOP)

    def run(self, seconds):
        self.send(signal.SIGCONT)
        rate = self.ask(seconds)
        self.send(signal.SIGSTOP)
        return rate


class PeerMemory(Peer):
    """Each run is a process of its own."""

    def run(self, seconds):
        ready = self.launch()
        self.ask(seconds)
        self.process.stdin.close()
        peak = wait_for_peak(self.process)
        self.version += (f", {ready['loaded_bytes'] / 1e6:.0f} MB before "
                         "there is a network")
        self.stop()
        return peak


class PeerStart(Side):
    def __init__(self, peers, way, files, threads):
        level = "none" if way.endswith("unoptimised") else "all"
        self.args = [peers / "bin" / "python", BENCH / "cold.py",
                     files / "model.onnx", files / "image.npy", str(threads),
                     level]

    def run(self, _):
        self.answer, seconds = time_to_answer(self.args)
        self.version = (f"ONNX Runtime {self.answer['version']}, "
                        f"Python {self.answer['python']}")
        return seconds


def time_to_answer(args):
    """The answer, a line of JSON, and the seconds from exec to its end."""
    begin = time.perf_counter()
    with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        seconds = time.perf_counter() - begin
    if process.returncode or not line:
        raise SideError(f"{args[0]} gave no answer")
    return json.loads(line), seconds
