"""Placements: the same batches from the stream, on the device and from features computed beforehand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from avis import store
from avis.engine.examples import materialize as materializing
from avis.engine.examples.batches import local_batches
from avis.engine.examples.inputs import gather_inputs
from avis.engine.recipe import Recipe
from avis.engine.train import build_module, train
from avis.training.examples import features_of

COPIES = 2
MASKS = {
    "_target_": "avis.augment.spec_augment.SpecAugment",
    "num_time_masks": 2,
    "max_time_frames": 20,
    "num_freq_masks": 1,
    "max_freq_mels": 10,
}
FLOAT16_ROUNDING = 2.0**-10


def placed(recipe: Recipe, placement: str, output_dir: Path) -> Recipe:
    features = {"features.placement": placement, "features.copies": COPIES}
    return recipe.changed({**features, "augment.spec_augment": MASKS, "output_dir": str(output_dir)})


def batches_of(recipe: Recipe, utterances: str) -> list[dict[str, torch.Tensor]]:
    return list(local_batches(gather_inputs(recipe, utterances, 1).examples))


def test_the_three_placements_give_the_same_batches(tiny_recipe: Recipe, tiny_store: str, tmp_path: Path):
    """For as many passes as there are copies; here an epoch is a pass, and the training two epochs."""
    streamed, on_device, stored = (
        batches_of(placed(tiny_recipe, name, tmp_path), tiny_store) for name in ("stream", "device", "materialize")
    )
    assert len(streamed) == len(on_device) == len(stored) == 8
    front_end = tiny_recipe.examples.features.build_front_end()
    for stream, device, store_ in zip(streamed, on_device, stored, strict=True):
        assert torch.equal(stream["speaker"], device["speaker"])
        assert torch.equal(stream["speaker"], store_["speaker"])
        assert device.keys() >= {"waveforms", "masked"}
        torch.testing.assert_close(
            features_of(device, front_end), features_of(stream, None), rtol=FLOAT16_ROUNDING, atol=1e-3
        )
        assert torch.equal(store_["features"], stream["features"])
    assert not torch.equal(streamed[0]["features"], streamed[4]["features"])


def test_augmentation_on_the_device_gives_the_same_batches(tiny_recipe: Recipe, tiny_store: str, tmp_path: Path):
    """Crops travel as they were recorded, with what was drawn; the step does the rest."""
    recipe = placed(tiny_recipe, "device", tmp_path)
    inputs = gather_inputs(recipe.changed({"augment.placement": "device"}), tiny_store, 1)
    module, streamed = build_module(inputs), batches_of(recipe, tiny_store)
    for stream, drawn in zip(streamed, local_batches(inputs.examples), strict=True):
        assert drawn["waveforms"].dtype == torch.int16
        prepared = module.prepared(drawn, 0, 0)
        assert prepared.keys() == stream.keys()
        torch.testing.assert_close(prepared["waveforms"], stream["waveforms"], rtol=0, atol=1e-5)
        assert torch.equal(prepared["masked"], stream["masked"])
        assert torch.equal(prepared["speaker"], stream["speaker"])


@pytest.mark.slow
def test_a_training_does_not_depend_on_where_augmentation_takes_place(
    tiny_recipe: Recipe, tiny_store: str, tmp_path: Path
):
    """Nor does what is cut and mixed afterwards, nor validation; normalisation over four makes much of rounding."""
    recipe = placed(tiny_recipe, "device", tmp_path)
    recipe = recipe.changed(
        {"trainer.crop_s": [0.3, 1.0], "trainer.mixup_alpha": 0.5, "trainer.validation_augment": True}
    )
    histories = []
    for placement in ("stream", "device"):
        trained = train(recipe.changed({"augment.placement": placement}), tiny_store, str(tmp_path / placement))
        assert trained.recipe["augment"]["placement"] == placement
        assert not any("augment" in name for name in trained.weights)
        histories.append(trained.history)
    assert len(histories[0]) == len(histories[1]) == 2
    for stream, device in zip(*histories, strict=True):
        assert device == pytest.approx(stream, rel=5e-3)


def test_passes_take_turns_among_the_copies(tiny_recipe: Recipe, tiny_store: str, tmp_path: Path):
    recipe = placed(tiny_recipe, "materialize", tmp_path)
    longer = recipe.changed({"trainer.num_epochs": 4})

    def rows(batches: list[dict[str, torch.Tensor]]) -> set[bytes]:
        return {row.numpy().tobytes() for batch in batches for row in batch["features"]}

    batches = batches_of(longer, tiny_store)
    first, second, third, fourth = (rows(batches[start : start + 4]) for start in range(0, 16, 4))
    assert first == third
    assert second == fourth
    assert not first & second


@pytest.mark.slow
def test_computing_them_goes_on_where_it_was_cut_off(
    tiny_recipe: Recipe, tiny_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    recipe = placed(tiny_recipe, "materialize", tmp_path)
    made: list[str] = []
    stored_rows = materializing.stored_rows

    def cut_off(maker: Any, rows: list[dict[str, Any]], **kw: Any) -> Any:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(rows[0]["utt_id"])
        return stored_rows(maker, rows, **kw)

    monkeypatch.setattr(materializing, "stored_rows", cut_off)
    with pytest.raises(KeyboardInterrupt):
        gather_inputs(recipe, tiny_store, 1)
    monkeypatch.setattr(materializing, "stored_rows", lambda *a, **kw: (made.append("x"), stored_rows(*a, **kw))[1])
    uri = gather_inputs(recipe, tiny_store, 1).examples.stored
    assert uri is not None
    num_parts = len(store.open_manifest(uri)["files"])
    assert len(made) == num_parts == COPIES * len(store.part_uris(tiny_store, "utterances", "train-"))
    gather_inputs(recipe, tiny_store, 1)
    assert len(made) == num_parts


@pytest.mark.slow
def test_a_front_end_that_learns_is_trained_and_kept(
    recipe: Callable[..., Recipe], tiny_recipe: Recipe, tiny_store: str, tmp_path: Path
):
    """Its filters move, and are those of the checkpoint."""
    learns = recipe("features=sinc_80", f"output_dir={tmp_path}", "augment.spec_augment=null")
    with pytest.raises(ValueError, match="got placement=stream for Chain, which learns, expected device"):
        gather_inputs(learns.changed({"features.placement": "stream"}), tiny_store, 1)
    checkpoint = train(learns, tiny_store, str(tmp_path / "run"))
    assert checkpoint.front_end_learnt
    trained = dict(checkpoint.build_front_end().named_parameters())
    fresh = dict(learns.examples.features.build_front_end().named_parameters())
    for name, weight in trained.items():
        assert torch.equal(weight, checkpoint.weights[f"front_end.{name}"])
        assert not torch.equal(weight, fresh[name])


@pytest.mark.slow
def test_crops_of_drawn_length_train_on_the_device_alone(tiny_recipe: Recipe, tiny_store: str, tmp_path: Path):
    crop_s = {"trainer.crop_s": [0.3, 1.0]}
    with pytest.raises(ValueError, match=r"got crop_s=\[0\.3, 1\.0\] and placement=stream, expected device"):
        gather_inputs(tiny_recipe.changed(crop_s), tiny_store, 1)
    recipe = placed(tiny_recipe, "device", tmp_path).changed(crop_s)
    inputs = gather_inputs(recipe, tiny_store, 1)
    crops, front_end = build_module(inputs).crops, tiny_recipe.examples.features.build_front_end()
    assert crops is not None
    lengths = set()
    for step, batch in enumerate(local_batches(inputs.examples)):
        assert batch["waveforms"].shape == (4, 16000)
        cut = crops.cut(batch, *divmod(step, inputs.examples.plan.steps_per_epoch))
        features = features_of(cut, front_end)
        assert 4800 <= cut["waveforms"].shape[1] <= 16000
        assert len(features) == len(cut["speaker"]) == 4 * (16000 // cut["waveforms"].shape[1])
        lengths.add(features.shape[1])
    assert len(lengths) > 4
    assert train(recipe, tiny_store, str(tmp_path / "run")).recipe["trainer"]["crop_s"] == [0.3, 1.0]


@pytest.mark.slow
def test_mixup_trains_on_the_device_alone(tiny_recipe: Recipe, tiny_store: str, tmp_path: Path):
    mixup = {"trainer.mixup_alpha": 0.5}
    with pytest.raises(ValueError, match=r"mixup needs waveforms: .*placement=stream, expected device"):
        gather_inputs(tiny_recipe.changed(mixup), tiny_store, 1)
    recipe = placed(tiny_recipe, "device", tmp_path).changed(mixup)
    assert train(recipe, tiny_store, str(tmp_path / "run")).epoch in (0, 1)
