from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import gatewright as gw
from gatewright.errors import InputError
from gatewright.folding import fold_votes
from gatewright.learned import LearnedGates, beside


def voting(tau: float | str = 8.0, divisions: int = 0) -> gw.Network:
    layers = gw.Gates(12, 24, key=(0,)), gw.Gates(24, 40, key=(1,))
    head = gw.GroupSum(4, tau, label_smoothing=0.1, divisions=divisions)  # pyright: ignore[reportArgumentType]
    return gw.Network(*layers, head=head)


@pytest.mark.parametrize("divisions", [0, 5])
def test_each_new_gate_reads_votes_of_its_own_group(divisions: int) -> None:
    before = voting(divisions=divisions)
    groups = divisions or 4
    after = fold_votes(before, 0.5, key=(7,), candidates=3)
    assert after.layers[:2] == before.layers
    new = after.layers[2]
    assert isinstance(new, LearnedGates)
    assert (new.num_inputs, new.num_outputs, new.num_candidates) == (40, 20, 3)
    of_gate = np.asarray(new.candidates) // (40 // groups)
    assert (of_gate == np.repeat(np.arange(groups), 20 // groups)).all()
    assert len(np.unique(np.asarray(new.candidates))) > 30
    head = after.head
    assert isinstance(head, gw.GroupSum)
    assert (head.num_classes, head.label_smoothing, head.divisions) == (4, 0.1, divisions)
    assert head.tau == pytest.approx(8 * 0.5**0.5)


@pytest.mark.parametrize("tau", ["auto", "learned"])
def test_a_tau_that_is_no_number_stays_what_it_was(tau: str) -> None:
    before = voting(tau)
    assert isinstance(before.head, gw.GroupSum)
    if tau == "learned":
        object.__setattr__(before.head, "log_tau", jnp.asarray(0.25, jnp.float32))
    head = fold_votes(before, 0.3, key=(7,)).head
    assert isinstance(head, gw.GroupSum)
    assert head.tau == tau
    assert (None if head.log_tau is None else float(head.log_tau)) == {"learned": 0.25}.get(tau)


def test_a_class_keeps_one_vote() -> None:
    assert fold_votes(voting(), 0.001, key=(7,)).layers[-1].num_outputs == 4


def test_what_cannot_be_folded_is_refused() -> None:
    bits = gw.Network(gw.Gates(12, 24, key=(0,)))
    with pytest.raises(InputError, match="no GroupSum"):
        fold_votes(bits, 0.5, key=(1,))
    single = gw.Network(gw.Gates(12, 4, key=(0,)), head=gw.GroupSum(4))
    with pytest.raises(InputError, match="one vote"):
        fold_votes(single, 0.5, key=(1,))
    for keep in (0.0, 1.5, float("nan")):
        with pytest.raises(InputError, match="above 0 and at most 1"):
            fold_votes(voting(), keep, key=(1,))


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_layers_beside_one_another_are_what_they_are_alone(mode: str) -> None:
    layers = [LearnedGates(n, 3 + n, 4, key=(n,)) for n in (6, 9, 5)]
    joined = beside(layers)
    assert (joined.num_inputs, joined.num_outputs) == (20, 29)
    x = np.random.default_rng(0).random((20, 8), dtype=np.float32)
    if mode == "hard":
        x = np.round(x)
    parts = np.split(x, [6, 15])
    alone = [
        layer(jnp.asarray(part), mode=mode)  # pyright: ignore[reportArgumentType]
        for layer, part in zip(layers, parts, strict=True)
    ]
    np.testing.assert_allclose(
        joined(jnp.asarray(x), mode=mode),  # pyright: ignore[reportArgumentType]
        np.concatenate([np.asarray(one) for one in alone]),
        atol=1e-6,
    )
    with pytest.raises(InputError, match="candidates"):
        beside([layers[0], LearnedGates(6, 3, 2, key=(0,))])
