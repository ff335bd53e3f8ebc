"""Recipes: typed, built once, changed by key, refused where values do not fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avis.engine.prepare_recipe import PrepareRecipe
from avis.engine.recipe import Recipe
from avis.engine.workers.compute import Compute
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
        ({"augment.placement": "gpu"}, r"unknown placement: got placement='gpu', .*At augment\.placement"),
        (
            {"augment.placement": "device", "features.placement": "stream"},
            r"got augment\.placement=device and features\.placement=stream, .*At features\.placement",
        ),
        (
            {"augment.placement": "device", "features.placement": "materialize"},
            r"got augment\.placement=device and features\.placement=materialize, .*Set .*augment\.placement=stream",
        ),
    ],
)
def test_what_does_not_fit_is_refused(tiny_recipe: Recipe, settings: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        tiny_recipe.changed(settings)


@pytest.mark.parametrize(
    ("features", "augment", "precision", "num_gpus", "placed"),
    [
        ("auto", "auto", "auto", 0, ("stream", "stream")),
        ("auto", "auto", "auto", 2, ("device", "device")),
        ("auto", "auto", "bf16-true", 2, ("stream", "stream")),  # it would round waveforms
        ("stream", "auto", "auto", 2, ("stream", "stream")),
        ("materialize", "auto", "auto", 2, ("materialize", "stream")),
        ("device", "auto", "auto", 0, ("device", "stream")),
        ("device", "auto", "auto", 2, ("device", "device")),
        ("auto", "stream", "auto", 2, ("device", "stream")),
        ("auto", "device", "auto", 0, ("device", "device")),
    ],
)
def test_what_is_left_to_auto_is_placed_by_what_is_there(
    tiny_recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
    features: str,
    augment: str,
    precision: str,
    num_gpus: int,
    placed: tuple[str, str],
):
    monkeypatch.setattr(Compute, "num_gpus", lambda self: num_gpus)
    settings = {"features.placement": features, "augment.placement": augment, "trainer.precision": precision}
    recipe = tiny_recipe.changed(settings).placed()
    assert (recipe.plain["features"]["placement"], recipe.plain["augment"]["placement"]) == placed
    assert (recipe.examples.features.placement, recipe.examples.augment.placement) == placed
    assert recipe.placed() is recipe


def test_a_checkpoint_from_before_the_choice_was_augmented_in_the_stream(tiny_recipe: Recipe):
    older = {key: value for key, value in tiny_recipe.plain["augment"].items() if key != "placement"}
    assert Recipe.of({**tiny_recipe.plain, "augment": older}).examples.augment.placement == "stream"


def test_where_augmentation_takes_place_makes_no_other_examples(tiny_recipe: Recipe):
    """So that nothing fitted or stored is made anew."""
    on_device = tiny_recipe.changed({"features.placement": "device", "augment.placement": "device"}).examples
    assert on_device.plain == tiny_recipe.changed({"features.placement": "device"}).examples.plain
