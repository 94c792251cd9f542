"""Cells a second: soft and hard network, compiled circuit, the reference's way, and Life by hand.

Learns Life once (or reads a 9-input circuit), then measures all side by side in one process.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from gatewright import life, life_speed
from gatewright.recipes import recipe
from gatewright.runs import load_model
from lib.recording import parser, write


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--circuit", help="a circuit to measure instead of learning one")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.circuit:
            circuit, network = load_model(given.circuit).circuit, None
        else:
            learned = life.learn(recipe("life")(seed=given.seed), Path(folder))
            circuit, network = learned.circuit, learned.network
        rounds = 3 if given.quick else life_speed.ROUNDS
        speed = life_speed.measure(circuit, network, Path(folder) / "build", rounds=rounds)
    print(*life.speed_lines(speed), sep="\n")
    write(given.json, json.loads(json.dumps(speed)))


if __name__ == "__main__":
    main()
