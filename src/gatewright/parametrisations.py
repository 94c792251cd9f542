"""How trainable parameters give a soft gate its four corner values.

Every published form of a differentiable two-input gate is one entry of `PARAMETRISATIONS`: a map
from parameters [p, n] to corner values [4, n] in [0, 1] (row m = a + 2b), a rounding to hard
tables, and an initialisation. The layer that evaluates gates knows none of this: it sees corners.

temperature is T in the formulas; smaller is harder.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array
from jax.typing import ArrayLike

from gatewright import gates
from gatewright.errors import InputError

#: float32[4, 16]: corner values of all sixteen gates; column t is table t.
CORNERS = np.stack([gates.rows(t) for t in range(16)], axis=1).astype(np.float32)
#: float32[4, 16]: coefficients (1, a, b, ab) of all sixteen gates.
COEFFICIENTS = np.asarray(gates.coefficients(CORNERS), dtype=np.float32)
#: Where the residual initialisation starts: the gate that passes operand a.
RESIDUAL = gates.PASS_A
#: float32[4, 4]: row m holds (1, u, v, uv) at corner m, with u = 1 - 2a and v = 1 - 2b.
WALSH = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=np.float32)

INITS = ("residual", "gaussian")

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Parametrisation:
    """A form of soft gate.

    Attributes:
        num_parameters: rows p of the parameter array [p, n].
        strength: default distance of the residual initialisation from indifference.
        noise: default standard deviation around the residual initialisation.
    """

    num_parameters: int
    strength: float
    noise: float

    def residual(self, strength: float) -> Vector:
        """float32[p]: a gate that passes operand a, strength away from indifference."""
        raise NotImplementedError

    @abstractmethod
    def soft(self, parameters: Array, temperature: ArrayLike) -> Array:
        """Corner values [4, n], a smooth function of the parameters."""

    @abstractmethod
    def confidence(self, parameters: Array, temperature: ArrayLike) -> Array:
        """Probability [n] of each gate's most likely hard table."""

    @abstractmethod
    def tables(self, parameters: Array) -> Array:
        """uint8[n]: the hard gate that each soft gate rounds to."""

    def hard(self, parameters: Array) -> Array:
        """Corner values [4, n], all 0 or 1."""
        return jnp.asarray(CORNERS)[:, self.tables(parameters)]

    def straight_through(self, parameters: Array, temperature: ArrayLike) -> Array:
        """Hard corner values forward, the gradient of the soft ones backward."""
        soft = self.soft(parameters, temperature)
        return self.hard(parameters) + (soft - jax.lax.stop_gradient(soft))  # exactly hard

    def training(self, parameters: Array, temperature: ArrayLike, key: Array | None) -> Array:
        """Corner values that training sees; the soft ones unless the form says otherwise."""
        del key
        return self.soft(parameters, temperature)

    def init(
        self, rng: np.random.Generator, num_gates: int, how: str, strength: float | None = None
    ) -> Vector:
        """Parameters float32[p, num_gates]: "residual" (pass operand a) or "gaussian", N(0, 1)."""
        noise = rng.standard_normal((self.num_parameters, num_gates), dtype=np.float32)
        if how == "gaussian":
            return noise
        if how != "residual":
            raise InputError(f"unknown initialisation {how!r}; known: {', '.join(INITS)}")
        mean = self.residual(self.strength if strength is None else strength)
        return (mean[:, None] + self.noise * noise).astype(np.float32)


@dataclass(frozen=True)
class Softmax(Parametrisation):
    """Mixture of all sixteen gates, softmax(w / T) (Petersen et al. 2022, 2210.08277).

    Residual: logit 5 on gate a and 0 on the others, about 90 % (Petersen et al. 2024, 2411.04732).
    """

    num_parameters: int = 16
    strength: float = 5.0
    noise: float = 0.0

    def residual(self, strength: float) -> Vector:
        return (np.arange(16) == RESIDUAL).astype(np.float32) * np.float32(strength)

    def soft(self, parameters: Array, temperature: ArrayLike) -> Array:
        return combine(CORNERS, jax.nn.softmax(parameters / temperature, axis=0))

    def confidence(self, parameters: Array, temperature: ArrayLike) -> Array:
        return jax.nn.softmax(parameters / temperature, axis=0).max(axis=0)

    def tables(self, parameters: Array) -> Array:
        return jnp.argmax(parameters, axis=0).astype(jnp.uint8)


@dataclass(frozen=True)
class StraightThrough(Softmax):
    """The softmax form trained with hard gates forward and its own gradient backward."""

    def training(self, parameters: Array, temperature: ArrayLike, key: Array | None) -> Array:
        del key
        return self.straight_through(parameters, temperature)


@dataclass(frozen=True)
class Gumbel(Softmax):
    """The softmax form with a gate sampled each step (2506.07500).

    one_hot(argmax(w + g)) forward, softmax((w + g) / T) backward, g standard Gumbel noise.
    """

    def training(self, parameters: Array, temperature: ArrayLike, key: Array | None) -> Array:
        if key is None:
            raise InputError("the gumbel form samples gates: training needs a random key")
        noise = jax.random.gumbel(key, parameters.shape, dtype=parameters.dtype)
        return self.straight_through(parameters + noise, temperature)


@dataclass(frozen=True)
class Corners(Parametrisation):
    """Forms whose four corners are independent: q = sigmoid(logits / T), rounded by sign."""

    def logits(self, parameters: Array) -> Array:
        """Corner logits [4, n]; corner m is 1 where its logit is positive."""
        raise NotImplementedError

    def soft(self, parameters: Array, temperature: ArrayLike) -> Array:
        return jax.nn.sigmoid(self.logits(parameters) / temperature)

    def confidence(self, parameters: Array, temperature: ArrayLike) -> Array:
        return jax.nn.sigmoid(jnp.abs(self.logits(parameters)) / temperature).prod(axis=0)

    def tables(self, parameters: Array) -> Array:
        weight = jnp.asarray([[1], [2], [4], [8]], dtype=jnp.uint8)
        is_one = (self.logits(parameters) > 0).astype(jnp.uint8)
        return (is_one * weight).sum(axis=0, dtype=jnp.uint8)


@dataclass(frozen=True)
class Light(Corners):
    """Four numbers a gate, one sigmoid a corner (input-wise parametrisation, 2510.03250)."""

    num_parameters: int = 4
    strength: float = 3.0
    noise: float = 0.25

    def residual(self, strength: float) -> Vector:
        return (2 * CORNERS[:, RESIDUAL] - 1) * np.float32(strength)

    def logits(self, parameters: Array) -> Array:
        return parameters


@dataclass(frozen=True)
class Walsh(Corners):
    """Four Walsh coefficients h, q = sigmoid((h1 + h2 u + h3 v + h4 uv) / T) (WARP, 2602.03527)."""

    num_parameters: int = 4
    strength: float = float(np.log(0.951 / 0.049))
    noise: float = 0.25

    def residual(self, strength: float) -> Vector:
        return np.array([0, -strength, 0, 0], dtype=np.float32)

    def logits(self, parameters: Array) -> Array:
        return combine(WALSH, parameters)


@dataclass(frozen=True)
class CovJac(Parametrisation):
    """A free polynomial c in R^4; the gate nearest to it is deployed (2605.08657).

    The sixteen gates are mixed by softmax(-|c - G_j|^2 / T), where G_j holds gate j's coefficients.
    """

    num_parameters: int = 4
    strength: float = 1.0
    noise: float = 0.1

    def residual(self, strength: float) -> Vector:
        return COEFFICIENTS[:, RESIDUAL] * np.float32(strength)

    def mixture(self, parameters: Array, temperature: ArrayLike) -> Array:
        return jax.nn.softmax(-self.distances(parameters) / temperature, axis=0)

    def distances(self, parameters: Array) -> Array:
        """Squared distances [16, n] to the sixteen gates in coefficient space."""
        return ((jnp.asarray(COEFFICIENTS)[:, :, None] - parameters[:, None, :]) ** 2).sum(axis=0)

    def soft(self, parameters: Array, temperature: ArrayLike) -> Array:
        return combine(CORNERS, self.mixture(parameters, temperature))

    def confidence(self, parameters: Array, temperature: ArrayLike) -> Array:
        return self.mixture(parameters, temperature).max(axis=0)

    def tables(self, parameters: Array) -> Array:
        return jnp.argmin(self.distances(parameters), axis=0).astype(jnp.uint8)


PARAMETRISATIONS: dict[str, Parametrisation] = {
    "softmax": Softmax(),
    "light": Light(),
    "walsh": Walsh(),
    "covjac": CovJac(),
    "gumbel": Gumbel(),
    "straight_through": StraightThrough(),
}


def parametrisation(name: str) -> Parametrisation:
    """The named form; InputError lists the known ones."""
    if name not in PARAMETRISATIONS:
        raise InputError(f"unknown parametrisation {name!r}; known: {', '.join(PARAMETRISATIONS)}")
    return PARAMETRISATIONS[name]


def combine(weights: Vector, parts: Array) -> Array:
    """Weights [m, k] @ parts [k, n], in float32 on a GPU too: XLA would round to 10 bits there."""
    return jnp.matmul(jnp.asarray(weights), parts, precision=jax.lax.Precision.HIGHEST)
