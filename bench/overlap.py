# SPDX-License-Identifier: BSD-2-Clause
"""A model of training on many ranks: what a step takes, from the time line of
its layers on one rank and from what links can do.

All ranks compute alike, each its images of the batch, and exchange every range
of the gradients twice: each tells each other its part of what that one adds up
(reduce-scatter), and each its sums or weights to all (all-gather). So a rank
sends (ranks - 1) / ranks of the bytes each time. A host's link carries what its
ranks tell those of other hosts, in both directions at once, a range after the
other. Messages and copies cost the ranks' own processors. Ranks that are slower
than others, and switches that cannot do what all links can, are not modelled.
"""
import collections
import json

FLOAT = 4
# What is done while a rank computes, and how far src/train goes.
OVERLAPS = ("none", "backward", "both")
OURS = "none"
# Ranges of gradients that are exchanged as one, as src/train does.
RANGE = 16 << 20
# What every rank tells all in a step beside the ranges: how it fares, and its
# loss and errors.
WORDS = (520, 24)

# A layer's parameters: their bytes; seconds from the begin of backward until
# their gradients are there; from that of forward until they are first read.
Layer = collections.namedtuple("Layer", "name bytes ready needed")
# A step's time on one rank: forward, backward, the optimiser's update; layers
# in the order in which backward finishes them; bytes of batch norm's
# statistics.
Timeline = collections.namedtuple(
    "Timeline", "forward backward update layers statistics")


# ---------------------------------------------------------------- time lines

def sums(values):
    """What came before each value, and the sum of all."""
    found, total = [], 0.0
    for value in values:
        found.append(total)
        total += value
    return found, total


def timeline(bench, info, batch):
    """From `resnet bench --mode train --layers --json` and `resnet info
    --json`. What the steps do not account for is the optimiser's."""
    steps = bench["steps"]
    cut = next(i for i, step in enumerate(steps) if step["pass"] == "loss")
    begins, forward = sums(step["seconds"] for step in steps[:cut])
    befores, backward = sums(step["seconds"] for step in steps[cut:])
    first, ended = {}, {}
    for step, begin in zip(steps[:cut], begins):
        first.setdefault(step["name"], begin)
    for step, before in zip(steps[cut:], befores):
        if step["pass"].startswith("backward"):
            ended[step["name"]] = before + step["seconds"]
    whole = batch / bench["images_per_second"]["median"]
    layers, ready, needed = [], 0.0, forward
    for layer in reversed(info["layers"]):
        if not layer["params"]:
            continue
        # A batch norm has no step of its own where a convolution's does its
        # work: it comes with the one before it.
        ready = max(ready, ended.get(layer["name"], 0))
        needed = min(needed, first.get(layer["name"], needed))
        layers.append(Layer(layer["name"], FLOAT * layer["params"], ready,
                            needed))
    # Mean and variance of each channel, of which there are two parameters.
    statistics = sum(FLOAT * layer["params"] for layer in info["layers"]
                     if layer["op"] == "batch_norm")
    return Timeline(forward, backward, max(0.0, whole - forward - backward),
                    layers, statistics)


def faster(line, times):
    """The time line of ranks so many times as fast."""
    return Timeline(line.forward / times, line.backward / times,
                    line.update / times,
                    [layer._replace(ready=layer.ready / times,
                                    needed=layer.needed / times)
                     for layer in line.layers], line.statistics)


def read(path):
    """A time line that was written."""
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    return Timeline(**{**found, "layers": [Layer(*layer) for layer
                                           in found["layers"]]})


def write(line, path):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(line._asdict(), file, indent=1)
        file.write("\n")


def ranges(line, size=RANGE):
    """The layers' bytes, in order, in ranges of a size: [(bytes, ready,
    needed)]. A range is ready with its last layer, and needed with its first
    reader."""
    found, room = [], 0
    for layer in line.layers:
        left = layer.bytes
        while left:
            if not room:
                found.append([0, 0.0, line.forward])
                room = size
            part = min(left, room)
            left, room = left - part, room - part
            found[-1][0] += part
            found[-1][1] = max(found[-1][1], layer.ready)
            found[-1][2] = min(found[-1][2], layer.needed)
    return [tuple(entry) for entry in found]


# -------------------------------------------------------------------- links

class Cluster:
    """Ranks and what lies between them.

    rate: bytes per second of a host's link, each way; latency: seconds;
    host: ranks on a host; message: a rank's seconds of work for a message;
    copy: bytes per second that a rank can send or receive; faster than any
    link if not known.
    """

    def __init__(self, ranks, rate, latency=20e-6, host=1, message=1e-6,
                 copy=float("inf")):
        self.ranks, self.rate, self.latency = ranks, rate, latency
        self.host, self.message, self.copy = min(host, ranks), message, copy

    def wire(self, size):
        """Seconds of a host's link when each rank tells each other a part of
        `size` bytes."""
        away = (self.ranks - self.host) / self.ranks
        return self.host * size * away / self.rate

    def work(self, size):
        """A rank's seconds for the same."""
        others = self.ranks - 1
        return (2 * others * self.message
                + 2 * size * others / self.ranks / self.copy)

    def sent(self, size):
        """Bytes that a host sends."""
        return self.host * size * (self.ranks - self.host) / self.ranks

    def exchange(self, size):
        """Seconds of it when nothing else is done."""
        if self.ranks == 1:
            return 0.0
        return self.latency + max(self.wire(size), self.work(size))


# -------------------------------------------------------------------- steps

# A step's seconds; of these, those that a rank does not compute; bytes that a
# host sends; seconds that its link needs for the ranges.
Step = collections.namedtuple("Step", "seconds waits sent wire")


def told(line, cluster):
    """Seconds for what every rank tells all: `size` bytes for each rank."""
    return sum(cluster.exchange(size * cluster.ranks)
               for size in (*WORDS, line.statistics))


def scatter(parts, cluster, start):
    """When the last range is added up, having left when it was ready; and the
    work that ranks had with them on the way."""
    free = ended = worked = 0.0
    for size, ready, _ in parts:
        begin = max(start + ready + worked, free)
        worked += cluster.work(size)
        free = begin + cluster.wire(size)
        ended = max(free, begin + cluster.work(size)) + cluster.latency
    return ended, worked


def gather(parts, cluster, start, forward):
    """When forward ends that begins with the first weights to arrive: ranges
    come from the last one on, whose layers are the first."""
    arrived, delay = 0.0, 0.0
    for size, _, needed in reversed(parts):
        arrived += max(cluster.wire(size), cluster.work(size))
        delay = max(delay, arrived + cluster.latency - needed)
    worked = sum(cluster.work(size) for size, _, _ in parts)
    return start + forward + max(delay, worked)


def step(line, cluster, overlap=OURS, size=RANGE):
    """A step, from the begin of backward to the end of the next forward.
    overlap: "none": ranges are exchanged after backward; "backward": gradients
    leave as backward finishes them; "both": and weights arrive while forward
    begins."""
    compute = line.forward + line.backward + line.update
    if cluster.ranks == 1:
        return Step(compute, 0.0, 0.0, 0.0)
    parts = ranges(line, size)
    at = line.backward
    if overlap == "none":
        at += sum(cluster.exchange(part[0]) for part in parts)
    else:
        ended, worked = scatter(parts, cluster, 0.0)
        at = max(at + worked, ended)
    at += told(line, cluster)
    at += line.update / (cluster.ranks if overlap != "none" else 1)
    if overlap == "both":
        at = gather(parts, cluster, at, line.forward)
    else:
        at += sum(cluster.exchange(part[0]) for part in parts) + line.forward
    everything = 2 * sum(layer.bytes for layer in line.layers)
    small = cluster.ranks * (sum(WORDS) + line.statistics)
    return Step(at, at - compute, cluster.sent(everything + small),
                cluster.wire(everything))


def efficiency(line, cluster, overlap=OURS, size=RANGE):
    """Images per second of a rank over those of one that is alone."""
    alone = step(line, Cluster(1, cluster.rate)).seconds
    return alone / step(line, cluster, overlap, size).seconds


def hidden(line, cluster, seconds):
    """Of the links' time that computing could hide, the share that a step of
    so many seconds hides: backward can hide half of the traffic, forward the
    other."""
    compute = line.forward + line.backward + line.update
    wire = sum(cluster.wire(layer.bytes) for layer in line.layers)
    could = min(wire, line.backward) + min(wire, line.forward)
    return (compute + 2 * wire - seconds) / could if could else 1.0
