import numpy as np
import pytest
import torch

from avis.augment.spec_augment import SpecAugment, mask_features

FEATURES = np.random.default_rng(0).standard_normal((200, 80)).astype(np.float32) + 3


def apply(augment, features, rng):
    return mask_features(torch.from_numpy(features), torch.from_numpy(augment(*features.shape, rng))).numpy()


def spans(flags):
    """Return the lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.r_[0, flags.astype(int), 0]))
    return (edges[1::2] - edges[::2]).tolist()


def test_time_masks_are_whole_frames_at_the_mean():
    augment = SpecAugment(num_time_masks=1, max_time_frames=10, num_freq_masks=0, max_freq_mels=0)
    mean = FEATURES.mean(axis=0)
    widths = []
    for seed in range(300):
        masked = apply(augment, FEATURES, np.random.default_rng(seed))
        changed = (masked != FEATURES).any(axis=1)
        assert masked[changed] == pytest.approx(np.broadcast_to(mean, (changed.sum(), 80)), abs=1e-5)
        widths += spans(changed) or [0]
    assert set(widths) == set(range(11))
    assert np.mean(widths) == pytest.approx(5, abs=3 * np.sqrt(10 / 300))


def test_frequency_masks_are_whole_mels():
    augment = SpecAugment(num_time_masks=0, max_time_frames=0, num_freq_masks=2, max_freq_mels=8)
    mean = FEATURES.mean(axis=0)
    for seed in range(50):
        masked = apply(augment, FEATURES, np.random.default_rng(seed))
        changed = (masked != FEATURES).any(axis=0)
        assert len(spans(changed)) <= 2
        assert changed.sum() <= 16
        assert masked[:, changed] == pytest.approx(np.broadcast_to(mean[changed], (200, changed.sum())), abs=1e-5)


def test_is_a_mask_of_zeros_after_mean_normalisation():
    augment = SpecAugment(num_time_masks=2, max_time_frames=20, num_freq_masks=2, max_freq_mels=10)
    centred = FEATURES - FEATURES.mean(axis=0)
    masked = apply(augment, centred, np.random.default_rng(5))
    assert np.abs(masked[masked != centred]).max() < 1e-5
    assert masked == pytest.approx(apply(augment, FEATURES, np.random.default_rng(5)) - FEATURES.mean(axis=0), abs=1e-5)


def test_masks_reach_every_place():
    augment = SpecAugment(num_time_masks=1, max_time_frames=5, num_freq_masks=1, max_freq_mels=5)
    features = FEATURES[:12, :9]
    hit = sum((apply(augment, features, np.random.default_rng(seed)) != features) for seed in range(300))
    assert (hit > 0).all()


@pytest.mark.parametrize("shape", [(1, 80), (5, 3)])
def test_masks_wider_than_the_features(shape):
    augment = SpecAugment(num_time_masks=3, max_time_frames=50, num_freq_masks=3, max_freq_mels=100)
    features = np.zeros(shape, np.float32)
    for seed in range(20):
        masked = apply(augment, features, np.random.default_rng(seed))
        assert masked.shape == shape
        assert masked.dtype == np.float32
        assert np.isfinite(masked).all()


def test_input_and_repetition():
    augment = SpecAugment(num_time_masks=1, max_time_frames=10, num_freq_masks=1, max_freq_mels=8)
    before = FEATURES.copy()
    first, second = (apply(augment, FEATURES, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(FEATURES, before)


def test_each_example_of_a_batch_is_masked_as_alone():
    augment = SpecAugment(num_time_masks=2, max_time_frames=20, num_freq_masks=2, max_freq_mels=10)
    batch = np.stack([FEATURES, FEATURES[::-1] * 2])
    masks = np.stack([augment(200, 80, np.random.default_rng(seed)) for seed in range(2)])
    together = mask_features(torch.from_numpy(batch), torch.from_numpy(masks)).numpy()
    for seed, one in enumerate(batch):
        assert together[seed] == pytest.approx(apply(augment, one.copy(), np.random.default_rng(seed)), abs=1e-6)


def test_counts_are_not_negative():
    with pytest.raises(ValueError, match="max_time_frames=-1"):
        SpecAugment(num_time_masks=1, max_time_frames=-1, num_freq_masks=1, max_freq_mels=8)
