"""Conway's Game of Life from the 512 rows of its rule: nine cells in, the middle one's next state.

`life` is a wide, shallow net whose last gates vote for dead or alive; it learns every row within
seconds. `life-tree` is the shape in which logic gate networks first learnt Life: 24 layers, one
output, and squared error. A mixture of sixteen gates (`--form softmax --strength 10
--learning-rate 0.05`) hardly learns it at that depth; four independent corners (`light`) do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gatewright.automata import life_rule
from gatewright.circuit import all_inputs, unpack
from gatewright.readers import Split
from gatewright.recipes import Recipe

if TYPE_CHECKING:
    import optax

    from gatewright.network import Network
    from gatewright.train import Metrics


@dataclass(frozen=True)
class _LifeRows(Recipe):
    def data(self) -> tuple[Split, Split]:
        """All rows of the rule, to train on and to be judged by."""
        rows = unpack(all_inputs(9), 512)
        rule = Split(rows, life_rule(rows)[:, 0].astype(np.int32))
        return rule, rule

    def is_done(self, metrics: Metrics) -> bool:
        return metrics.hard_accuracy == 1.0


@dataclass(frozen=True)
class Life(_LifeRows):
    """Two classes that vote: `depth` layers of `width` gates, cross-entropy, all rows every step.

    Attributes:
        width: gates a layer.
        depth: layers.
        tau: temperature of the group sum.
        strength: logit of the passing gate at the start (residual initialisation).
    """

    steps: int = 4000
    learning_rate: float = 0.3
    width: int = 512
    depth: int = 3
    tau: float = 6.0
    strength: float = 5.0

    def network(self) -> Network:
        from gatewright.heads import GroupSum
        from gatewright.layers import Gates
        from gatewright.network import Network

        widths = [9, *[self.width] * self.depth]
        return Network(
            *(
                Gates(widths[i], widths[i + 1], key=(self.seed, i), strength=self.strength)
                for i in range(self.depth)
            ),
            head=GroupSum(2, tau=self.tau),
        )

    def optimizer(self) -> optax.GradientTransformation:
        import optax

        # Flattened, all layers are updated by one kernel: quicker to compile.
        return optax.flatten(optax.adamw(self.learning_rate, weight_decay=0.01))


@dataclass(frozen=True)
class LifeTree(_LifeRows):
    """The reference's shape: 9, 128 x 17, 64, 32, 16, 8, 4, 2, 1, `unique` wiring, squared error.

    Attributes:
        width: gates in each of the 17 wide layers; a power of two, halved from there to 1.
        form: parametrisation of the gates.
        strength: of the residual initialisation, in logits.
    """

    steps: int = 3000
    learning_rate: float = 0.1
    width: int = 128
    form: str = "light"
    strength: float = 4.0

    def network(self) -> Network:
        from gatewright.heads import Bits
        from gatewright.layers import Gates
        from gatewright.network import Network

        widths = [9, *[self.width] * 17]
        while widths[-1] > 1:
            widths.append(widths[-1] // 2)
        return Network(
            *(
                Gates(
                    widths[i],
                    widths[i + 1],
                    key=(self.seed, i),
                    wiring="random" if i == 0 else "unique",
                    parametrisation=self.form,
                    strength=self.strength,
                )
                for i in range(len(widths) - 1)
            ),
            head=Bits(),
        )

    def optimizer(self) -> optax.GradientTransformation:
        import optax

        return optax.chain(
            optax.clip_by_global_norm(100.0),
            optax.adamw(self.learning_rate, b2=0.99, weight_decay=0.01),
        )
