# SPDX-License-Identifier: BSD-2-Clause
"""A model of training on many ranks: what a step takes, from the time line of
its layers on one rank and from what links can do.

All ranks compute alike, each its images of the batch. The parameters are cut
into shards, each with an owner, as src/train/shards.c does. When backward has
the gradients of a shard, all ranks send them to its owner, which adds them up,
updates, and sends the new weights to all; the next forward waits for those that
it is about to read. A host has one link, which carries what its ranks tell those
of other hosts, one after the other, each way by itself. Messages and copies cost
the ranks' own processors. They go on while layers are computed (src/comm/pump.c),
and are looked at between the steps of the plan. Ranks that are slower than
others, and switches that cannot do what all links can, are not modelled.
"""
import collections
import heapq
import json

FLOAT = 4
# As in src/train/shards.c: numbers of a shard, and shards of a rank.
SHARD_LEAST, SHARD_MOST, SHARDS_EACH = 1 << 14, 1 << 19, 32
# What every rank tells all in a step beside shards and statistics: twice how it
# fares, and its loss and errors.
WORDS = (524, 524, 24)

# A layer's parameters: their bytes; seconds from the begin of backward until
# their gradients are there; from that of forward until they are first read.
Layer = collections.namedtuple("Layer", "name bytes ready needed")
# A step's time on one rank: forward, backward, the optimiser's update; of how
# many steps the plan is; layers in the order in which backward finishes them;
# bytes of batch norm's statistics.
Timeline = collections.namedtuple(
    "Timeline", "forward backward update pieces layers statistics")


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
                    len(steps), layers, statistics)


def faster(line, times):
    """The time line of ranks so many times as fast."""
    return line._replace(
        forward=line.forward / times, backward=line.backward / times,
        update=line.update / times,
        layers=[layer._replace(ready=layer.ready / times,
                               needed=layer.needed / times)
                for layer in line.layers])


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


def alone(line):
    """Seconds of a step of one process."""
    return line.forward + line.backward + line.update


# ------------------------------------------------------------------- shards

def shard_bytes(numbers, ranks):
    each = min(numbers // (ranks * SHARD_LEAST), SHARDS_EACH)
    each = max(each, -(-numbers // (ranks * SHARD_MOST)), 1)
    return FLOAT * max(1, -(-numbers // (ranks * each)))


def shards(line, ranks):
    """[(bytes, ready, needed)] in the order of backward: a shard is ready with
    the last of its layers, and needed with the first that is read."""
    size = shard_bytes(sum(layer.bytes for layer in line.layers) // FLOAT,
                       ranks)
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
    return [tuple(shard) for shard in found]


# -------------------------------------------------------------------- links

class Cluster:
    """Ranks and what lies between them.

    rate: bytes per second of a host's link, each way; latency: seconds;
    host: ranks on a host; message: a rank's seconds of work for a message that
    it sends or receives; copy: bytes per second that it can send or receive.
    """

    def __init__(self, ranks, rate, latency=0.0, host=1, message=0.0,
                 copy=float("inf")):
        self.ranks, self.rate, self.latency = ranks, rate, latency
        self.host, self.message, self.copy = min(host, ranks), message, copy
        self.hosts = max(1, ranks // self.host)
        # Ranks that one of them reaches over its host's link.
        self.away = ranks - self.host

    def wire(self, size):
        """Seconds of a link for so many bytes."""
        return size / self.rate

    def work(self, messages, size):
        """A rank's seconds for messages of so many bytes together."""
        return messages * self.message + size / self.copy

    def told(self, size):
        """Seconds until every rank has told each other so many bytes."""
        others = self.ranks - 1
        if not others:
            return 0.0
        return self.latency + max(
            self.wire(self.host * self.away * size),
            self.work(2 * others, 2 * others * size))


class Links:
    """When the hosts' links are free, each way; what is asked for is done in
    the order of asking."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.out = [0.0] * cluster.hosts
        self.into = [0.0] * cluster.hosts

    def move(self, at, hub, rest, size):
        """Between one host's rank and all others' ranks: `hub` and `rest` are
        that one's direction and theirs. When the last byte is there."""
        here, there = hub
        each = self.cluster.wire(self.cluster.host * size)
        here[there] = max(here[there], at) + self.cluster.wire(
            self.cluster.away * size)
        own = rest[there]  # takes no part
        rest[:] = [(free if free > at else at) + each for free in rest]
        rest[there] = at
        last = max(rest)
        rest[there] = own
        return max(here[there], last) + self.cluster.latency

    def gather(self, at, host, size):
        return self.move(at, (self.into, host), self.out, size)

    def spread(self, at, host, size):
        return self.move(at, (self.out, host), self.into, size)


# -------------------------------------------------------------------- steps

# A step's seconds; of these, those in which a rank has nothing to do; bytes that
# a rank sends; seconds that its host's link sends for them.
Step = collections.namedtuple("Step", "seconds waits sent wire")


def work_of(parts, cluster):
    """A rank's seconds for messages of so many bytes of each shard, its share
    of what all do: before each of them, and for all."""
    share = 2 * (cluster.ranks - 1) / cluster.ranks
    return sums(cluster.work(share, share * size) for size in parts)


def exchange(parts, cluster, pace, sent):
    """When the last shard is added up, and when each one's weights are
    everywhere. `pace`: between two looks at messages; `sent`: bytes that each
    shard is, each way."""
    links, summed, fresh = Links(cluster), [], [0.0] * len(parts)
    befores, _ = work_of(sent, cluster)
    events = [(ready + before, 0, i) for i, ((_, ready, _), before)
              in enumerate(zip(parts, befores))]
    heapq.heapify(events)
    while events:
        at, kind, i = heapq.heappop(events)
        host = i % cluster.ranks // cluster.host
        if kind == 0:
            done = links.gather(at, host, sent[i]) + pace
            summed.append(done)
            heapq.heappush(events, (done, 1, i))
        else:
            fresh[i] = links.spread(at, host, sent[i]) + pace
    return max(summed), fresh


def step(line, cluster, overlap=True, bf16=False):
    """A step, from the begin of backward to the end of the next forward; or, to
    see what it gains, without `overlap`: all shards leave after backward, and
    forward waits for all. In `bf16` the sums come back in half the bytes, and
    forward waits for every rank to update all."""
    compute, ranks = alone(line), cluster.ranks
    if ranks == 1:
        return Step(compute, 0.0, 0.0, 0.0)
    parts = shards(line, ranks)
    if not overlap:
        parts = [(size, line.backward, 0.0) for size, _, _ in parts]
    pace = (line.forward + line.backward) / line.pieces if overlap else 0.0
    sent = [size / 2 if bf16 else size for size, _, _ in parts]
    _, worked = work_of(sent, cluster)
    summed, fresh = exchange(parts, cluster, pace, sent)
    update = line.update if bf16 else line.update / ranks
    begin = max(line.backward + worked, max(fresh) if bf16 else summed) + update
    begin += sum(map(cluster.told, (*WORDS, line.statistics)))
    delay = max(max(0.0, at - begin - needed)
                for at, (_, _, needed) in zip(fresh, parts))
    seconds = begin + line.forward + max(delay, worked)
    busy = line.forward + line.backward + update + 2 * worked
    each = 2 * sum(sent) / ranks + sum(WORDS) + line.statistics
    return Step(seconds, seconds - busy, (ranks - 1) * each,
                cluster.wire(cluster.host * cluster.away * each))


def hidden(line, cluster, waits, bf16=False):
    """Of the link's time for shards that backward and forward could hide, the
    share that they hide when a rank waits for so long."""
    size = (1 if bf16 else 2) * sum(layer.bytes for layer in line.layers)
    wire = cluster.wire(cluster.host * cluster.away / cluster.ranks * size)
    could = min(wire, line.backward + line.forward)
    return (wire - waits) / could if could else 1.0
