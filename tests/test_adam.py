from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gatewright.adam import Adam, AdamState, rate_at
from gatewright.errors import InputError

PARAMETERS = {
    "a": jnp.asarray(np.random.default_rng(0).standard_normal((3, 4)), dtype=jnp.float32),
    "b": (jnp.ones(5), None),
}


def gradients_of(step: int) -> Any:
    rng = np.random.default_rng(step)

    def draw(w: jax.Array) -> jax.Array:
        scale = 10.0 ** rng.uniform(-6, 1)
        return jnp.asarray(scale * rng.standard_normal(w.shape), dtype=jnp.float32)

    return jax.tree.map(draw, PARAMETERS)


def train(optimizer: optax.GradientTransformation, steps: int = 8) -> Any:
    parameters, state = PARAMETERS, optimizer.init(PARAMETERS)
    with jax.numpy_dtype_promotion("standard"):
        for step in range(steps):
            updates, state = optimizer.update(gradients_of(step), state, parameters)
            parameters = optax.apply_updates(parameters, updates)
    return parameters, state


def close(found: Any, expected: Any) -> None:
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize(
    "rate",
    [0.1, optax.cosine_decay_schedule(0.1, 6), optax.piecewise_constant_schedule(0.2, {2: 0.1})],
    ids=["constant", "cosine", "steps"],
)
@pytest.mark.parametrize(
    "options", [{}, {"b1": 0.0, "b2": 0.5}, {"weight_decay": 0.3}], ids=["", "b", "decay"]
)
def test_adam_is_that_of_optax(rate: Any, options: dict[str, float]) -> None:
    names = {"b1": 0.9, "b2": 0.999, "weight_decay": 0.0, **options}
    close(train(Adam(rate, **options))[0], train(optax.adamw(rate, **names))[0])
    far = train(Adam(rate, **options, epsilon=0.1))[0]
    close(far, train(optax.adamw(rate, **names, eps=0.1))[0])


def test_the_state_holds_steps_and_means() -> None:
    state = Adam(0.1).init(PARAMETERS)
    assert isinstance(state, AdamState)
    assert state.steps.dtype == jnp.int32
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(state))
    _, state = train(Adam(0.1, b1=0.0, b2=0.0), 3)
    assert int(state.steps) == 3
    close(state.mean, gradients_of(2))
    close(state.square, jax.tree.map(jnp.square, gradients_of(2)))


def test_adam_is_an_optax_transformation() -> None:
    optimizer = Adam(0.1, b1=0.8, b2=0.9, epsilon=1e-6, weight_decay=0.2)
    assert isinstance(optimizer, optax.GradientTransformation)
    settings = (optimizer.b1, optimizer.b2, optimizer.epsilon, optimizer.weight_decay)
    assert (optimizer.learning_rate, *settings) == (0.1, 0.8, 0.9, 1e-6, 0.2)
    clipped = optax.chain(optax.clip_by_global_norm(1e-3), Adam(0.1, epsilon=0.1))
    expected = optax.chain(
        optax.clip_by_global_norm(1e-3), optax.adamw(0.1, eps=0.1, weight_decay=0)
    )
    close(train(clipped)[0], train(expected)[0])


def test_without_weight_decay_it_needs_no_parameters() -> None:
    """As optax's: wrappers leave them out."""
    optimizer, gradients = Adam(0.1), gradients_of(0)
    state = optimizer.init(PARAMETERS)
    found = optimizer.update(gradients, state)[0]
    close(found, optimizer.update(gradients, state, PARAMETERS)[0])
    with pytest.raises(ValueError, match="weight_decay"):
        Adam(0.1, weight_decay=0.1).update(gradients, state)


def test_the_learning_rate_counts_the_steps_before() -> None:
    schedule = optax.linear_schedule(1.0, 0.0, 10)
    for count, expected in ((0, 1.0), (4, 0.6), (20, 0.0)):
        rate = rate_at(schedule, jnp.asarray(count))
        assert (rate.dtype, rate.shape) == (jnp.float32, ())
        assert float(rate) == pytest.approx(expected)
    assert float(rate_at(0.25, jnp.asarray(3))) == 0.25


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": -0.1}, "Adam's learning_rate is at least 0, not -0.1"),
        ({"learning_rate": float("nan")}, "Adam's learning_rate is at least 0, not nan"),
        ({"b1": 1.0}, "Adam's b1 is from 0 to below 1, not 1.0"),
        ({"b1": -0.1}, "Adam's b1 is from 0 to below 1, not -0.1"),
        ({"b2": 1.5}, "Adam's b2 is from 0 to below 1, not 1.5"),
        ({"b2": float("nan")}, "Adam's b2 .* not nan"),
        ({"epsilon": -1e-8}, "Adam's epsilon is at least 0, not -1e-08"),
        ({"weight_decay": -1.0}, "Adam's weight_decay is at least 0, not -1.0"),
        ({"weight_decay": float("nan")}, "Adam's weight_decay is at least 0, not nan"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Adam(**{"learning_rate": 0.1, **options})
