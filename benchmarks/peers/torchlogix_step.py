"""Training steps of torchlogix, for train_step.py: run with the Python that torchlogix lives in.

Arguments: inputs, width, layers, batch. Each line on stdin is a number of steps to take; each line
on stdout what they took, as JSON. The first line on stdout names what runs.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from itertools import pairwise

import torch
from torchlogix.layers import GroupSum, LogicDense


def main() -> None:
    inputs, width, layers, batch = map(int, sys.argv[1:])
    torch.set_num_threads(1)
    torch.manual_seed(0)
    widths = [inputs] + [width] * layers
    gates = [LogicDense(below, above, parametrization="light") for below, above in pairwise(widths)]
    model = torch.compile(torch.nn.Sequential(*gates, GroupSum(10, tau=10.0)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    loss_of = torch.nn.CrossEntropyLoss()
    x = torch.randint(0, 2, (batch, inputs)).float()
    y = torch.randint(0, 10, (batch,))

    def step() -> None:
        optimizer.zero_grad()
        loss_of(model(x), y).backward()
        optimizer.step()

    for _ in range(3):  # compiles
        step()
    about = f"torchlogix {version('torchlogix')}, torch {torch.__version__}, light, compiled"
    print(json.dumps({"about": about}), flush=True)
    for line in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(int(line)):
            step()
        took = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
        print(json.dumps(took), flush=True)


if __name__ == "__main__":
    main()
