"""One of two processes, to be started as `team_of_two.py PORT INDEX`; see test_distributed.py."""

from __future__ import annotations

import json
import os
import sys

import jax.numpy as jnp
import numpy as np

from gatewright import distributed
from gatewright.errors import GatewrightError, InputError
from gatewright.train import fit
from test_distributed import OPTIMIZER, OPTIONS, X, Y, learner

port, index = sys.argv[1], int(sys.argv[2])
distributed.join(f"127.0.0.1:{port}", 2, index)
team = distributed.Team.of(4)
found: dict[str, object] = {"team": [team.size, team.index, list(team.parts(4))]}
found["alone"] = distributed.Team.of(1).size
try:
    distributed.Team.of(3)
except InputError as error:
    found["three"] = str(error)
rows = jnp.arange(3, dtype=jnp.float32)[None] + 10 * index
found["rows"] = np.asarray(team.gather(rows)).tolist()
found["said"] = team.first_says(["ä" * (1 + 5 * index), index])
found["any"] = [team.any_of(index == 1), team.any_of(False)]
tree = {"a": rows[0], "b": (np.float32(1), rows)}
found["first"] = np.asarray(team.from_first(tree)["b"][1]).tolist()
try:
    with team.agreed():
        if index == 1:
            raise InputError("only here")
except InputError as error:
    found["agreed"] = str(error)
team.check_same(jnp.zeros(3), 7)
try:
    team.check_same(jnp.zeros(3).at[2].set(index * 1e-7), 7)
except GatewrightError as error:
    found["differing"] = str(error)
network = fit(learner(), X, Y, OPTIMIZER, **OPTIONS)
found["logits"] = [np.asarray(layer.parameters).tobytes().hex() for layer in network.layers]
print(json.dumps(found), flush=True)
if index == 1:
    os._exit(0)  # as one that is killed
try:
    while True:
        team.gather(rows)
except GatewrightError as error:
    print(json.dumps(str(error)), flush=True)
os._exit(0)
