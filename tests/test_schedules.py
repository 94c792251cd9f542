from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gatewright import schedules
from gatewright.errors import InputError


@pytest.mark.parametrize(
    ("steps", "warm_up", "peak", "final"),
    [(1, 0, 0.1, 0.0), (100, 0, 0.02, 0.005), (1000, 17, 3e-4, 0.0), (7, 6, 1.0, 1.0)],
)
def test_cosine_is_optax_after_its_warm_up(steps, warm_up, peak, final):
    at = schedules.cosine(peak, steps, warm_up=warm_up, final=final)
    known = optax.cosine_decay_schedule(peak, steps - warm_up, alpha=final / peak)
    later = np.arange(warm_up, steps + 3)
    with jax.numpy_dtype_promotion("standard"):
        expected = known(later - warm_up)
    np.testing.assert_allclose(at(later), expected, atol=1e-6 * peak)
    rising = np.asarray(at(np.arange(warm_up + 1)))
    np.testing.assert_allclose(rising, peak * np.arange(1, warm_up + 2) / (warm_up + 1), rtol=1e-6)


def test_cosine_ends_at_0_and_may_be_constant():
    assert float(schedules.cosine(0.5, 10)(10)) == 0.0
    constant = schedules.cosine(0.02, 10, final=0.02)
    assert [float(constant(step)) for step in range(12)] == [np.float32(0.02)] * 12


def test_geometric_falls_by_equal_ratios_in_its_share():
    at = schedules.geometric(2.0, 0.02, 100, share=0.4)
    assert float(at(0)) == float(at(60)) == 2.0
    assert float(at(61)) < 2.0
    np.testing.assert_allclose(at(80), 0.2, rtol=1e-5)
    np.testing.assert_allclose(at(100), 0.02, rtol=1e-5)
    assert float(at(101)) == float(at(100))
    ratios = np.asarray(at(jnp.arange(61, 101))) / np.asarray(at(jnp.arange(60, 100)))
    np.testing.assert_allclose(ratios, 0.01 ** (1 / 40), rtol=1e-5)


def test_geometric_from_a_value_to_itself_is_constant():
    at = schedules.geometric(0.7, 0.7, 9)
    assert [float(at(step)) for step in range(10)] == [np.float32(0.7)] * 10


@pytest.mark.parametrize(
    "at", [schedules.cosine(0.1, 50, warm_up=5), schedules.geometric(1.0, 0.1, 50)]
)
def test_steps_may_be_mapped_traced_and_of_any_integer_type(at):
    steps = jnp.arange(50)
    mapped = jax.vmap(at)(steps)
    assert mapped.dtype == jnp.float32
    np.testing.assert_allclose(mapped, jnp.stack([jax.jit(at)(step) for step in steps]), rtol=1e-5)
    np.testing.assert_array_equal(mapped, at(np.arange(50)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.cosine(0.1, 0), "warm_up is 0 of 0 steps"),
        (lambda: schedules.cosine(0.1, 9, warm_up=9), "give 0 to 8"),
        (lambda: schedules.cosine(0.1, 9, warm_up=-1), "give 0 to 8"),
        (lambda: schedules.geometric(1, 0, 9), "not all over 0"),
        (lambda: schedules.geometric(-1, 1, 9), "not all over 0"),
        (lambda: schedules.geometric(1, 1, 0), "not all over 0"),
        (lambda: schedules.geometric(1, 0.1, 9, share=0), "share is 0; give"),
        (lambda: schedules.geometric(1, 0.1, 9, share=1.5), "share is 1.5; give"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
