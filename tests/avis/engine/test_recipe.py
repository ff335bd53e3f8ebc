"""Recipes: typed, built once, changed by key, refused where values do not fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avis.engine.prepare_recipe import PrepareRecipe
from avis.engine.recipe import Recipe
from avis.models.ecapa_tdnn import EcapaTdnn


def test_cheap_settings_are_whole_and_heavy_parts_are_built_on_demand(tiny_recipe: Recipe):
    assert tiny_recipe.trainer.batch_size == 4
    assert tiny_recipe.sharding.sample_rate == tiny_recipe.examples.sample_rate == 16000
    assert list(tiny_recipe.corpora) == ["synthetic"]
    assert isinstance(tiny_recipe.model.build(), EcapaTdnn)
    assert tiny_recipe.calibration is None
    assert set(tiny_recipe.examples.augment.banks) == {"noise", "rir", "speech"}


def test_a_changed_recipe_leaves_the_other_as_it_was(tiny_recipe: Recipe):
    changed = tiny_recipe.changed({"trainer.batch_size": 8, "features.placement": "device", "start_from": "a.ckpt"})
    assert (changed.trainer.batch_size, tiny_recipe.trainer.batch_size) == (8, 4)
    assert changed.examples.features.on_device
    assert changed.start_from == str(Path("a.ckpt").resolve())
    assert changed.plain["trainer"]["batch_size"] == 8


def test_what_prepares_a_store_knows_of_no_model(recipe: Callable[..., PrepareRecipe], tmp_path: Path):
    prepares = recipe(f"output_dir={tmp_path}", f"extends={tmp_path}/stores/a/", name="prepare")
    assert type(prepares) is PrepareRecipe
    assert prepares.extends == f"{tmp_path}/stores/a"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trials": 17}, r"no trial list: got trials=17, expected a path"),
        ({"enrolment_mean": "both"}, r"unknown mean: got enrolment_mean=both"),
        ({"operating_point": {"p_target": 0.1}}, r"operating point incomplete: got \{'p_target': 0\.1\}"),
        ({"scoring.fit_utterances": -1}, r"wrong value: got -1, .*At scoring\.fit_utterances"),
        ({"corpus.sources": None}, r"no corpus: got none, .*At corpus\."),
        ({"trainer.average_epochs": 9}, r"too few epochs: got average_epochs=9"),
    ],
)
def test_what_does_not_fit_is_refused(tiny_recipe: Recipe, settings: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        tiny_recipe.changed(settings)
