"""The package's face: public names, cheap import, examples in docstrings."""

from __future__ import annotations

import doctest
import subprocess
import sys
from importlib import import_module

import pytest

import gatewright


def test_public_names_exist_and_are_few() -> None:
    assert len(gatewright.__all__) <= 25
    for name in gatewright.__all__:
        assert getattr(gatewright, name) is not None
    with pytest.raises(AttributeError, match="nosuch"):
        _ = gatewright.nosuch


def test_a_public_name_is_the_same_thing_whenever_it_is_asked_for() -> None:
    """A module of the same name would take its place as soon as it is imported."""
    found = {name: getattr(gatewright, name) for name in gatewright.__all__}
    for name, one in found.items():
        assert getattr(gatewright, name) is one, name


def test_importing_and_proving_does_not_load_jax() -> None:
    code = (
        "import sys, gatewright as gw; b = gw.Builder(['x', 'y']);"
        "b.output('z', b.land(*b.inputs));"
        "c = b.build(); gw.prove(c, gw.optimize(c)); assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("name", ["gates", "circuit"])
def test_examples_in_docstrings(name: str) -> None:
    result = doctest.testmod(import_module(f"gatewright.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
