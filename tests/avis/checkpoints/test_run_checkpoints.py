"""Averaging the last epochs, and starting from another training's weights."""

from pathlib import Path
from typing import Any

import pytest
import torch

from avis.checkpoints.run_checkpoints import best_checkpoint, last_checkpoint, read_checkpoint
from avis.engine.train import build_module, share, train

Recipe = dict[str, Any]


def with_trainer(recipe: Recipe, **changed: Any) -> Recipe:
    return recipe | {"trainer": recipe["trainer"] | changed}


def test_the_last_epochs_are_averaged_and_used(tiny_recipe: Recipe, tiny_store: str, tmp_path: Path):
    recipe = with_trainer(tiny_recipe, num_epochs=3, average_epochs=2)
    path = train(recipe, tiny_store, str(tmp_path))
    assert Path(path).name == "average.ckpt"
    kept = sorted(file.name for file in Path(path).parent.glob("epoch-*"))
    assert kept == ["epoch-1.ckpt", "epoch-2.ckpt"]
    average = read_checkpoint(path)
    first, second = (read_checkpoint(str(Path(path).parent / name))["state_dict"] for name in kept)
    assert not torch.equal(first["model.embedding.weight"], second["model.embedding.weight"])
    for key, value in average["state_dict"].items():
        expected = (first[key] + second[key]) / 2 if value.is_floating_point() else second[key]
        torch.testing.assert_close(value, expected)
    assert average["recipe"] == recipe
    assert train(recipe, tiny_store, str(tmp_path)) == path


def test_a_training_starts_from_another_s_weights(tiny_recipe: Recipe, tiny_store: str, tiny_run: str):
    """With fewer speeds the loss takes the weights of the voices at the first."""
    path = str(last_checkpoint(tiny_run))
    given = read_checkpoint(path)["state_dict"]
    recipe = with_trainer(tiny_recipe, speeds=[1.0]) | {"start_from": path}
    own = build_module(share(recipe, tiny_store, 1)).state_dict()
    rows = len(own["loss.weight"])
    assert 3 * rows == len(given["loss.weight"])
    torch.testing.assert_close(own["loss.weight"], given["loss.weight"][:rows])
    for key in own.keys() - {"loss.weight"}:
        torch.testing.assert_close(own[key], given[key])


def test_other_speakers_leave_the_loss_as_it_is(tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path):
    checkpoint = read_checkpoint(best_checkpoint(tiny_run)) | {"speakers": ["somebody"]}
    torch.save(checkpoint, tmp_path / "other.ckpt")
    recipe = tiny_recipe | {"start_from": str(tmp_path / "other.ckpt")}
    own, fresh = (build_module(share(each, tiny_store, 1)).state_dict() for each in (recipe, tiny_recipe))
    assert torch.equal(own["loss.weight"], fresh["loss.weight"])
    assert torch.equal(own["model.embedding.weight"], checkpoint["state_dict"]["model.embedding.weight"])


def test_weights_of_another_model_are_refused(tiny_recipe: Recipe, tiny_store: str, tiny_run: str):
    wider = tiny_recipe | {"model": tiny_recipe["model"] | {"channels": 32}, "start_from": best_checkpoint(tiny_run)}
    with pytest.raises(ValueError, match=r"checkpoint of another architecture: .* At start_from=.*best\.ckpt"):
        build_module(share(wider, tiny_store, 1))
