from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from gatewright import runs, targets
from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.recipes import RECIPES, recipe
from random_circuits import large


def test_a_run_from_before_a_field_resumes_where_that_changes_nothing(tmp_path):
    chosen = recipe("mnist-8k")()
    runs.save_recipe(tmp_path, chosen, resume=False)
    path = tmp_path / "recipe.json"
    content = json.loads(path.read_text())
    assert content["weight_decay"] == 0.02
    assert content["crop"] == 0
    path.write_text(json.dumps({k: v for k, v in content.items() if k != "crop"}))
    with pytest.raises(InputError, match="this run has crop 0, not 1"):
        runs.save_recipe(tmp_path, replace(chosen, crop=1), resume=True)
    runs.save_recipe(tmp_path, chosen, resume=True)
    assert json.loads(path.read_text()) == content
    # a recipe's own value is no such default: runs without the field had it otherwise
    fashion = recipe("fashion-8k")()
    assert fashion.crop == 1
    runs.save_recipe(tmp_path, fashion, resume=False)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in content.items() if k != "crop"}))
    with pytest.raises(InputError, match="this run has crop 0, not 1"):
        runs.save_recipe(tmp_path, fashion, resume=True)
    assert runs.load_recipe(tmp_path) == replace(fashion, crop=0)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_comes_back_from_its_folder(name, tmp_path):
    chosen = replace(recipe(name)(), seed=7, learning_rate=0.125)
    runs.save_recipe(tmp_path, chosen, resume=False)
    assert runs.load_recipe(tmp_path) == chosen
    assert runs.name_of(chosen) == name
    assert json.loads((tmp_path / "recipe.json").read_text())["recipe"] == name


def test_resuming_allows_more_steps_and_nothing_else(tmp_path):
    chosen = recipe("life")(seed=3)
    runs.save_recipe(tmp_path, chosen, resume=True)  # nothing there yet
    longer = replace(chosen, steps=chosen.steps + 1000)
    runs.save_recipe(tmp_path, longer, resume=True)
    assert runs.load_recipe(tmp_path) == longer
    with pytest.raises(InputError, match=r"recipe.json: this run has seed 3, not 4; resume with"):
        runs.save_recipe(tmp_path, replace(chosen, seed=4), resume=True)
    with pytest.raises(InputError, match=r"this run has recipe 'life', not 'life-tree'"):
        runs.save_recipe(tmp_path, recipe("life-tree")(seed=3), resume=True)
    assert runs.load_recipe(tmp_path) == longer
    runs.save_recipe(tmp_path, replace(chosen, seed=4), resume=False)
    assert runs.load_recipe(tmp_path).seed == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "recipe.json: no such file; is this a run folder?"),
        ('{"recipe": "li', "recipe.json: cannot be read"),
        ("[1]", "recipe.json: not a JSON object"),
        ("{}", r"not a recipe of this version \('recipe'\)"),
        ('{"recipe": "life", "colour": 1}', r"not a recipe of this version \(.*colour"),
        ('{"recipe": "chess"}', r"unknown recipe 'chess'; known: life"),
    ],
)
def test_a_folder_without_a_recipe_is_named(content, message, tmp_path):
    if content is not None:
        (tmp_path / "recipe.json").write_text(content)
    with pytest.raises(InputError, match=message):
        runs.load_recipe(tmp_path)


def test_a_recipe_in_another_encoding_is_named(tmp_path):
    (tmp_path / "recipe.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputError, match="cannot be read"):
        runs.load_recipe(tmp_path)


def test_models_load_from_run_folders_model_files_and_blif(tmp_path):
    circuit = large(60)
    model = Model(circuit, 3)
    model.save(tmp_path / "model.safetensors")
    targets.write(circuit, tmp_path, "blif")
    rows = np.random.default_rng(0).integers(0, 2, (50, circuit.num_inputs))
    sources = {tmp_path: 3, tmp_path / "model.safetensors": 3, tmp_path / "large.blif": None}
    for source, num_classes in sources.items():
        found = runs.load_model(str(source))
        assert found.num_classes == num_classes
        np.testing.assert_array_equal(found.circuit(rows), circuit(rows))


def test_what_is_no_model_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no model.safetensors in this folder; is the run"):
        runs.load_model(str(tmp_path))
    for name in ("gone.safetensors", "gone.blif", "gone"):
        with pytest.raises(InputError, match=name):
            runs.load_model(str(tmp_path / name))
    (tmp_path / "bad.blif").write_text(".model x\n.inputs a\n.names")
    with pytest.raises(InputError, match=r"bad.blif"):
        runs.load_model(str(tmp_path / "bad.blif"))
    (tmp_path / "cut.safetensors").write_bytes(b"\0" * 30)
    with pytest.raises(InputError, match=r"cut.safetensors: not a whole"):
        runs.load_model(str(tmp_path / "cut.safetensors"))
