"""Crops of drawn length: one length per step, the same on every worker, and all of them within the examples."""

import numpy as np
import pytest
import torch

from avis.training.cropping import DrawnCrops, crop_bounds

SHORTEST, LONGEST = 15, 90
LENGTHS = [15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90]
FRAME, SHIFT = 4, 2


def crops(seed: int = 0, shortest: int = SHORTEST) -> DrawnCrops:
    return DrawnCrops(shortest, LONGEST, seed=seed, num_frames=lambda num: 1 + (num - FRAME) // SHIFT)


def batch(size: int = 4) -> dict[str, torch.Tensor]:
    """Return waveforms whose samples are all different."""
    return {"waveforms": torch.arange(size * LONGEST).view(size, LONGEST), "speaker": torch.arange(size)}


def lengths(drawn: DrawnCrops, steps: int = 2000) -> np.ndarray:
    return np.array([drawn.num_samples(step // 100, step % 100) for step in range(steps)])


def test_lengths_cover_the_range_evenly():
    values, counts = np.unique(lengths(crops()), return_counts=True)
    assert values.tolist() == LENGTHS
    assert np.abs(counts - 2000 / 16).max() < 4 * np.sqrt(2000 / 16)


def test_a_length_follows_from_seed_epoch_and_step_alone():
    first = lengths(crops(), 300)
    assert first.tolist() == lengths(crops(), 300).tolist()
    assert first[:100].tolist() != first[100:200].tolist()
    assert first.tolist() != lengths(crops(seed=1), 300).tolist()
    assert crops().num_samples(2, 7) == first[207], "as after a resume, which has no steps before it"


@pytest.mark.parametrize("step", range(20))
def test_a_batch_is_cut_into_crops_of_one_length_and_keeps_its_labels(step: int):
    drawn, whole = crops(), batch()
    num = drawn.num_samples(0, step)
    made = drawn.cut(whole, 0, step)
    count = LONGEST // num
    assert made["waveforms"].shape == (4 * count, num)
    assert LONGEST / 2 < made["waveforms"].shape[0] * num / 4 <= LONGEST
    assert len(made["waveforms"].unique()) == made["waveforms"].numel(), "no sample comes twice"
    for crop, speaker in zip(made["waveforms"], made["speaker"], strict=True):
        assert (crop // LONGEST == speaker).all()
        assert (crop.diff() == 1).all()
    assert made["speaker"].tolist() == [0, 1, 2, 3] * count, "in groups as they came"
    assert count <= drawn.most


def test_the_longest_crop_is_the_example():
    drawn, whole = crops(shortest=LONGEST), batch()
    made = drawn.cut(whole, 0, 0)
    assert made.keys() == whole.keys()
    assert all(torch.equal(made[key], whole[key]) for key in whole)
    assert drawn.most == 1


@pytest.mark.parametrize("step", range(20))
def test_masks_are_of_the_crops_own_frames(step: int):
    """Frames are marked by their numbers: a crop's follow each other, and the first crops begin at the first."""
    drawn = crops()
    numbers = torch.arange(drawn.num_frames(LONGEST))
    masked = numbers[None, :, None].expand(4, -1, 3)
    made = drawn.cut(batch() | {"masked": masked}, 0, step)
    num = drawn.num_samples(0, step)
    assert made["masked"].shape == (len(made["waveforms"]), drawn.num_frames(num), 3)
    assert (made["masked"].diff(dim=1) == 1).all()
    assert (made["masked"][:4, 0] == 0).all()
    assert made["masked"].max() < len(numbers)


@pytest.mark.parametrize("crop_s", [0.0, [0.6], [3.0, 0.6], [0.0, 3.0], [1.0, 2.0, 3.0], []])
def test_wrong_lengths_are_refused(crop_s: float | list[float]):
    with pytest.raises(ValueError, match=r"no length to crop to: got crop_s=.* At trainer\.crop_s"):
        crop_bounds(crop_s)
