import numpy as np
import pytest

from avis.audio.crop import crop_start, tile


def test_every_start_is_equally_likely_and_fits() -> None:
    rng = np.random.default_rng(0)
    starts = np.array([crop_start(14, 5, rng) for _ in range(20_000)])
    counts = np.bincount(starts, minlength=10)
    assert len(counts) == 10
    # chi-square with 9 degrees of freedom, 0.1 % point
    assert np.sum((counts - 2000.0) ** 2 / 2000.0) < 27.88


@pytest.mark.parametrize("num_samples", [1, 4, 5])
def test_without_choice_the_start_is_zero_and_nothing_is_drawn(num_samples: int) -> None:
    rng = np.random.default_rng(0)
    assert crop_start(num_samples, 5, rng) == 0
    assert rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize(("length", "num"), [(1, 4), (3, 3), (3, 7), (3, 9), (8, 5)])
def test_tile_repeats_with_the_period_of_the_utterance(length: int, num: int) -> None:
    x = np.arange(length, dtype=np.float32)
    tiled = tile(x, num)
    assert tiled.dtype == np.float32
    np.testing.assert_array_equal(tiled, np.arange(num) % length)


def test_nothing_cannot_be_repeated() -> None:
    with pytest.raises(AssertionError, match="at least one sample"):
        tile(np.zeros(0, np.float32), 5)
