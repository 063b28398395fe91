# SPDX-License-Identifier: BSD-2-Clause
"""A rank of PyTorch's DistributedDataParallel with gloo.

    ranks_peer.py WAY NET BATCH SIZE STEPS THREADS

WAY is one of peers.py's, in float32; BATCH is this rank's. RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT stand in the environment.
Rank 0 prints PyTorch's version and the seconds of each step as JSON.
"""
import json
import sys
import time

import torch
from torch.nn import functional as F

import nets
from peers import end_with_parent, torch_setup, torch_version


def main():
    end_with_parent()
    way, net = sys.argv[1:3]
    batch, size, steps, threads = map(int, sys.argv[3:7])
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    torch.distributed.init_process_group("gloo")
    model, images = torch_setup(way, "train", net, batch, size)
    model = torch.nn.parallel.DistributedDataParallel(model)
    classes = nets.NETS[net][-1]
    labels = torch.randint(classes, (batch,))
    sgd = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9,
                          weight_decay=1e-4)
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        sgd.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        sgd.step()
        seconds.append(time.perf_counter() - start)
    if torch.distributed.get_rank() == 0:
        print(json.dumps({"version": torch_version(), "seconds": seconds}))
    torch.distributed.destroy_process_group()


main()
