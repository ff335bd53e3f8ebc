"""Averaging the last epochs, and starting from another training's weights."""

from pathlib import Path

import pytest
import torch

from avis.checkpoints.checkpoint import Checkpoint, read_checkpoint
from avis.checkpoints.run_checkpoints import best_checkpoint, last_checkpoint
from avis.engine.examples.inputs import gather_inputs
from avis.engine.recipe import Recipe
from avis.engine.train import build_module, train


@pytest.mark.slow
def test_the_last_epochs_are_averaged_and_used(tiny_recipe: Recipe, tiny_store: str, tmp_path: Path):
    recipe = tiny_recipe.changed({"trainer.num_epochs": 3, "trainer.average_epochs": 2})
    average = train(recipe, tiny_store, str(tmp_path))
    assert Path(average.uri).name == "average.ckpt"
    epochs = sorted(Path(average.uri).parent.glob("epoch-*"))
    assert [file.name for file in epochs] == ["epoch-1.ckpt", "epoch-2.ckpt"]
    first, second = (Checkpoint.open(str(file)).weights for file in epochs)
    assert not torch.equal(first["model.embedding.weight"], second["model.embedding.weight"])
    for key, value in average.weights.items():
        expected = (first[key] + second[key]) / 2 if value.is_floating_point() else second[key]
        torch.testing.assert_close(value, expected)
    assert average.recipe == recipe.placed().plain
    assert str(average.lineage) == "4 speakers of synthetic"
    assert train(recipe, tiny_store, str(tmp_path)).digest == average.digest


def test_a_training_starts_from_another_s_weights(tiny_recipe: Recipe, tiny_store: str, tiny_run: str):
    """With fewer speeds the loss takes the weights of the voices at the first."""
    path = str(last_checkpoint(tiny_run))
    given = Checkpoint.open(path).weights
    recipe = tiny_recipe.changed({"trainer.speeds": [1.0], "start_from": path})
    own = build_module(gather_inputs(recipe, tiny_store, 1)).state_dict()
    rows = len(own["loss.weight"])
    assert 3 * rows == len(given["loss.weight"])
    torch.testing.assert_close(own["loss.weight"], given["loss.weight"][:rows])
    for key in own.keys() - {"loss.weight"}:
        torch.testing.assert_close(own[key], given[key])


def test_other_speakers_leave_the_loss_as_it_is(tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path):
    checkpoint = read_checkpoint(best_checkpoint(tiny_run)) | {"speakers": ["somebody"]}
    torch.save(checkpoint, tmp_path / "other.ckpt")
    recipe = tiny_recipe.changed({"start_from": str(tmp_path / "other.ckpt")})
    own, fresh = (build_module(gather_inputs(each, tiny_store, 1)).state_dict() for each in (recipe, tiny_recipe))
    assert torch.equal(own["loss.weight"], fresh["loss.weight"])
    assert torch.equal(own["model.embedding.weight"], checkpoint["state_dict"]["model.embedding.weight"])


def test_weights_of_another_model_are_refused(tiny_recipe: Recipe, tiny_store: str, tiny_run: str):
    wider = tiny_recipe.changed({"model.channels": 32, "start_from": best_checkpoint(tiny_run)})
    with pytest.raises(ValueError, match=r"checkpoint of another architecture: .* At start_from=.*best\.ckpt"):
        build_module(gather_inputs(wider, tiny_store, 1))
