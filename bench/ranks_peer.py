# SPDX-License-Identifier: BSD-2-Clause
"""A rank of PyTorch's DistributedDataParallel with gloo.

    ranks_peer.py WAY NET BATCH SIZE CLASSES THREADS SECONDS

WAY is one of peers.py's, in float32; BATCH is this rank's. RANK, WORLD_SIZE,
MASTER_ADDR and MASTER_PORT stand in the environment. All ranks take as many
steps as rank 0 expects to fit into SECONDS; it prints PyTorch's version and
their median time as JSON.
"""
import json
import statistics
import sys
import time

import torch
from torch import distributed
from torch.nn import functional as F

from peers import WARM_UP, end_with_parent, torch_setup, torch_version


def main():
    end_with_parent()
    way, net = sys.argv[1:3]
    batch, size, classes, threads = map(int, sys.argv[3:7])
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    distributed.init_process_group("gloo")
    model, images = torch_setup(way, "train", net, batch, size)
    model = torch.nn.parallel.DistributedDataParallel(model)
    labels = torch.randint(classes, (batch,))
    sgd = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9,
                          weight_decay=1e-4)

    def step():
        start = time.perf_counter()
        sgd.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        sgd.step()
        return time.perf_counter() - start

    warm = [step() for _ in range(WARM_UP)][-1]
    steps = torch.tensor([max(WARM_UP, int(float(sys.argv[7]) / warm))])
    distributed.broadcast(steps, 0)
    seconds = [step() for _ in range(int(steps))]
    if distributed.get_rank() == 0:
        print(json.dumps({"version": torch_version(),
                          "seconds": statistics.median(seconds)}))
    distributed.destroy_process_group()


main()
