"""Classification: a thermometer, layers of gates, a group sum, and Adam under annealing.

A named recipe is a subclass with other defaults.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from gatewright import data
from gatewright.augment import Augment
from gatewright.encode import HOW, Thermometer
from gatewright.errors import InputError
from gatewright.readers import Split
from gatewright.recipes import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    import optax

    from gatewright.heads import Sums
    from gatewright.layers import Layer
    from gatewright.network import Network
    from gatewright.polishing import Round


#: Of inputs or gates, float32[n, d].
Places = npt.NDArray[np.float32]

#: Rows that show how much each input varies.
BALANCE_ROWS = 20_000


@dataclass(frozen=True)
class LayerShape:
    """A layer of `width` gates that choose among `candidates` an operand; 0: of fixed wiring.

    The candidates lie within about `reach` pixels of one another; 0: anywhere.
    """

    width: int
    candidates: int
    reach: float = 0.0


@dataclass(frozen=True)
class Classification(Recipe):
    """Images, or rows of numbers, into classes. The test split judges the end, nothing else.

    Attributes:
        steps: optimiser steps; 0 takes as many as `epochs` need.
        data_set: as `gatewright.data.load` takes it: a name, or a .csv or .npz file.
        layers: from the input on, separated by commas: G8000 for 8,000 gates of fixed wiring,
            L8000:32 for gates that learn both operands among 32 candidates, L8000:32@3 for
            candidates within about 3 pixels of one another, 6xG8000 for six layers.
        wiring: scheme of fixed layers but the first: random, unique, butterfly, comb or tree.
        input_wiring: scheme of the first layer, where it is fixed.
        form: parametrisation of the gates: softmax, light, walsh, covjac, straight_through, gumbel.
        init: how the gates' parameters begin: residual or gaussian.
        strength: distance of the residual initialisation from indifference; auto is the form's own.
        selection: how learned wires are trained: soft or straight_through.
        wire_noise: standard deviation of learned wires' initial logits.
        balance: draw a first layer's candidates by how much an input varies, constant ones never.
        tau: temperature of the group sum; auto is the square root of a class's outputs, more where
            these divide the classes.
        tune_tau: epochs of three trials before the run, with half of tau, tau and twice tau; the
            run takes the one that decides most held-out rows right as a hard network; 0: none.
        divisions: groups of outputs, each of which divides the classes into halves: its ones are
            votes for the one, its zeros for the other; 0: a group a class.
        label_smoothing: share of every target that is spread over all classes.
        thermometer: thresholds of the input: numbers separated by commas, or N of them by a rule:
            uniform:N, quantile:N, learned:N.
        per_feature: let the rule place each pixel's, or column's, thresholds on their own.
        rotate: greatest rotation of a training image, in degrees; warps of 0 are off.
        shear: greatest horizontal shift of a row by its distance from the centre, a ratio.
        scale: greatest relative change of each side's length.
        shift: greatest shift along each axis, in pixels.
        elastic: standard deviation of the elastic displacement along each axis, in pixels.
        elastic_grid: distance of the points between which it is smooth, in pixels.
        crop: greatest shift along each axis in whole pixels.
        flip: mirror half of the training images.
        gain: greatest relative change of all values of a training image.
        augmented: share of the steps, from the first on, in which training images are changed so;
            then they are as they are.
        held_out: training rows that are not trained on, for the metrics on the way; 0 trains on all
            rows and measures on them.
        batch_size: rows a step.
        epochs: passes over the training rows.
        schedule: of the learning rate: cosine, to 0, or constant.
        warm_up: steps in which the learning rate rises.
        b1, b2: decay of Adam's running mean of the gradient (b1) and of its square (b2).
        weight_decay: of Adam, decoupled.
        temperature: of gates and wires at the beginning.
        final_temperature: that to which it falls, by equal ratios.
        anneal: last share of the steps, in which it falls.
        narrow: S:K, separated by commas: after a share S of the steps learned wires keep the K
            likeliest candidates an operand, where they have more; nothing keeps all.
        polish: rounds of coordinate descent on the hard network, gate by gate, behind training; see
            `gatewright.polishing`; 0: none.
        kernel: what runs the steps: auto, native or jax.
        activations: how the native kernel stores them: auto, float32, bfloat16, float16, fixed16.
        threads: of the native kernel; 0 takes all cores. The result does not depend on it.
        shards: parts of each batch, whose gradients JAX computes apart and adds; several processes
            can share them. The result depends on it, not on the processes.
        chunk: steps between two reports; auto is an epoch, but from 25 to 1000 steps.
        patience: end after so many reports without a higher hard accuracy on the held-out rows, and
            take the network of the highest; 0 trains to the end and takes the last.
    """

    CHANGEABLE: ClassVar[tuple[str, ...]] = ("threads",)

    steps: int = 0
    learning_rate: float = 0.02
    data_set: str = "mnist"
    layers: str = "L8000:16"
    wiring: str = "random"
    input_wiring: str = "random"
    form: str = "softmax"
    init: str = "residual"
    strength: float | None = None
    selection: str = "soft"
    wire_noise: float = 1.0
    balance: bool = True
    tau: float | None = None
    tune_tau: float = 0.0
    divisions: int = 0
    label_smoothing: float = 0.0
    thermometer: str = "63.5"
    per_feature: bool = False
    rotate: float = 0.0
    shear: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0
    elastic_grid: int = 7
    crop: int = 0
    flip: bool = False
    gain: float = 0.0
    augmented: float = 1.0
    held_out: int = 5000
    batch_size: int = 100
    epochs: float = 40
    schedule: str = "cosine"
    warm_up: int = 0
    b1: float = 0.9
    b2: float = 0.999
    weight_decay: float = 0.0
    temperature: float = 1.0
    final_temperature: float = 1.0
    anneal: float = 0.5
    narrow: str = ""
    polish: int = 0
    kernel: str = "auto"
    activations: str = "auto"
    threads: int = 0
    shards: int = 1
    chunk: int | None = None
    patience: int = 0

    @property
    def num_steps(self) -> int:
        return self.steps or math.ceil(self.epochs * len(self.data()[0]) / self.batch_size)

    def data(self) -> tuple[Split, Split]:
        train, _, test = self._splits
        return train, test

    @cached_property
    def _splits(self) -> tuple[Split, Split | None, Split]:
        """Rows to train on, rows held out of those, and rows of the test."""
        train, test = data.load(self.data_set)
        if self.held_out == 0:
            return train, None, test
        return *data.split(train, self.held_out), test

    @cached_property
    def encoder(self) -> Thermometer:
        """From samples to the bits that the network reads."""
        x = self._splits[0].x
        how, _, bits = self.thermometer.partition(":")
        if how in HOW and bits.isdigit():
            y = self._splits[0].y
            return Thermometer.fit(x, int(bits), how, y=y, per_feature=self.per_feature)
        try:
            thresholds = [float(part) for part in self.thermometer.split(",")]
        except ValueError:
            raise InputError(
                f"thermometer {self.thermometer!r}: give thresholds such as 63.5 or 50,150, "
                "or uniform:N, quantile:N or learned:N for N of them"
            ) from None
        return Thermometer.fit(x, thresholds=np.array(thresholds, np.float32))

    @property
    def augment(self) -> Augment | None:
        """How training images are warped, if at all."""
        warps = Augment(**{field.name: getattr(self, field.name) for field in fields(Augment)})
        return None if warps == Augment(elastic_grid=self.elastic_grid) else warps

    @property
    def _augment_steps(self) -> int:
        if not 0 <= self.augmented <= 1:
            raise InputError(f"augmented is a share of the steps, 0 to 1, not {self.augmented}")
        return math.ceil(self.augmented * self.num_steps)

    def trials(self) -> dict[float, Classification]:
        """The recipe of each tau's trial, see `tune_tau`; a tie goes to the first."""
        if not self.tune_tau:
            return {}
        if self.tune_tau < 0 or self.held_out == 0:
            raise InputError(
                f"tune_tau is {self.tune_tau} with {self.held_out} rows held out: give epochs, "
                "over 0, and rows to judge the trials on (held_out)"
            )
        head = self._head()
        tau = float(head.tau_of(parse_layers(self.layers)[-1].width // head.num_groups))
        change: dict[str, Any] = {"epochs": self.tune_tau, "steps": 0, "tune_tau": 0.0}
        return {one: replace(self, tau=one, **change) for one in (tau, tau / 2, 2 * tau)}

    @property
    def _num_classes(self) -> int:
        return int(self._splits[0].y.max()) + 1

    def network(self) -> Network:
        from gatewright.network import Network

        layers: list[Layer] = []
        width = self.encoder.num_bits
        places = self._places
        for i, shape in enumerate(parse_layers(self.layers)):
            layer = self._layer(i, width, shape, places)
            places = _places_of(layer, places)
            layers.append(layer)
            width = shape.width
        network = Network(*layers, head=self._head())
        if self.polish < 0:
            raise InputError(f"polish is a number of rounds, at least 0, not {self.polish}")
        return network

    def _head(self) -> Sums:
        from gatewright.heads import GroupSum

        tau = "auto" if self.tau is None else self.tau
        return GroupSum(
            self._num_classes, tau, label_smoothing=self.label_smoothing, divisions=self.divisions
        )

    def _layer(self, i: int, num_inputs: int, shape: LayerShape, places: Places) -> Layer:
        from gatewright.layers import Gates
        from gatewright.learned import LearnedGates
        from gatewright.wiring import Near

        key = (self.seed, i)
        common: dict[str, Any] = {
            "parametrisation": self.form, "init": self.init, "strength": self.strength
        }  # fmt: skip
        if shape.candidates:
            return LearnedGates(
                num_inputs, shape.width, shape.candidates, key=key, **common,
                selection=self.selection,  # pyright: ignore[reportArgumentType]  (it checks)
                wire_noise=self.wire_noise, shares=self._shares if i == 0 else None,
                near=Near(places, shape.reach) if shape.reach else None,
            )  # fmt: skip
        wiring = self.wiring if i else self.input_wiring
        return Gates(num_inputs, shape.width, key=key, wiring=wiring, **common)

    @property
    def _places(self) -> Places:
        """Row and column of the pixel that each input bit is of; in a table, the column."""
        pixels = self.encoder.shape[:2]
        bits = self.encoder.num_bits // math.prod(pixels)
        places = np.indices(pixels, np.float32).reshape(len(pixels), -1).T
        return np.repeat(places, bits, axis=0)

    @cached_property
    def _shares(self) -> npt.NDArray[np.float64] | None:
        from gatewright.learned import balance_of

        rows = self._splits[0].x[:BALANCE_ROWS]
        return balance_of(self.encoder(rows)) if self.balance else None

    def polished(
        self,
        network: Network,
        rows: Split,
        progress: Callable[[Round], None] | None = None,
        done: int = 0,
    ) -> Network:
        from gatewright.polishing import polish

        if self.polish == 0:
            return network
        reach = parse_layers(self.layers)[0].reach
        return polish(
            network, rows.x, rows.y, encoder=self.encoder, augment=self.augment,
            rounds=self.polish, places=self._places if reach else None, reach=reach or 1.0,
            seed=self.seed, threads=self.threads or None, done=done, progress=progress,
        )  # fmt: skip

    def optimizer(self) -> optax.GradientTransformation:
        from gatewright import schedules
        from gatewright.adam import Adam

        if self.schedule not in ("cosine", "constant"):
            raise InputError(f"unknown schedule {self.schedule!r}; known: cosine, constant")
        rate = self.learning_rate
        end = 0.0 if self.schedule == "cosine" else rate
        return Adam(
            schedules.cosine(rate, self.num_steps, warm_up=self.warm_up, final=end),
            b1=self.b1, b2=self.b2, weight_decay=self.weight_decay,
        )  # fmt: skip

    def options(self) -> dict[str, Any]:
        from gatewright import schedules

        held_out = self._splits[1]
        return {
            "batch_size": self.batch_size,
            "encoder": self.encoder,
            "augment": self.augment,
            "augment_steps": self._augment_steps,
            "held_out": None if held_out is None else (held_out.x, held_out.y),
            "temperature": schedules.geometric(
                self.temperature, self.final_temperature, self.num_steps, share=self.anneal
            ),
            "narrow": parse_narrow(self.narrow, self.num_steps),
            "chunk": self.chunk,
            "kernel": self.kernel,
            "activations": self.activations,
            "threads": self.threads or None,
            "shards": self.shards,
            "patience": self.patience or None,
        }


def _places_of(layer: Layer, of_inputs: Places) -> Places:
    """Where a layer's gates are: amid what they read."""
    from gatewright.learned import LearnedGates

    if isinstance(layer, LearnedGates):
        return layer.places(of_inputs)
    return of_inputs[layer.hard_fanin()].mean(axis=1)


def parse_narrow(text: str, num_steps: int) -> dict[int, int]:
    """{steps: candidates} of a text such as "0.1:12,0.2:6", shares of so many steps."""
    schedule: dict[int, int] = {}
    for part in text.replace(" ", "").split(",") if text else ():
        first, _, last = part.partition(":")
        try:
            share, k = float(first), int(last)
        except ValueError:
            share, k = 0.0, 0
        if not (0 < share < 1 and k > 0):
            raise InputError(
                f"narrow {text!r}: {part!r} is not S:K; write 0.1:12 for 12 candidates after a "
                "tenth of the steps"
            )
        step = max(1, round(share * num_steps))
        schedule[step] = min(k, schedule.get(step, k))
    return schedule


#: "6xG8000", "L8000:16" or "L8000:16@3".
LAYER = re.compile(
    r"(?:(?P<times>\d+)x)?"
    r"(?:G(?P<width>\d+)|L(?P<learned>\d+):(?P<candidates>\d+)(?:@(?P<reach>\d+(?:\.\d+)?))?)"
)


def parse_layers(text: str) -> tuple[LayerShape, ...]:
    """The layers that a text such as "6xG8000" or "L8000:32@3,G8000" describes, else InputError."""
    layers: list[LayerShape] = []
    for part in text.replace(" ", "").split(","):
        found = LAYER.fullmatch(part)
        numbers = [float(number) for number in found.groups() if number] if found else []
        if not found or not all(numbers):
            raise InputError(
                f"layers {text!r}: {part!r} is not a layer; write G8000 for 8000 gates, L8000:16 "
                "for gates that learn their inputs among 16 candidates, L8000:16@3 for candidates "
                "within about 3 pixels, 6xG8000 for six layers"
            )
        width = found["width"] or found["learned"]
        shape = LayerShape(int(width), int(found["candidates"] or 0), float(found["reach"] or 0))
        layers += [shape] * int(found["times"] or 1)
    return tuple(layers)
