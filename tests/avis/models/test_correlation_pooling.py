"""Correlation pooling against NumPy, its ranges, channel dropout and sizes."""

import numpy as np
import pytest
import torch
from scipy.stats import zscore

from avis.models.correlation_pooling import CorrelationPooling


def test_is_the_correlation_matrix_of_each_range():
    """Of the rows one by one as NumPy has it, then their mean; channels of the image vary slowest."""
    torch.manual_seed(0)
    pooling = CorrelationPooling(5 * 4, rows=4, num_channels=3, num_ranges=2, dropout=0.25).double().eval()
    x = torch.randn(2, 5, 4, 30, dtype=torch.float64)
    weights = pooling.projection.weight.view(4, 3, 5).detach().numpy()
    pairs = np.triu_indices(3, 1)
    pooled = pooling(x.flatten(1, 2)).view(2, 2, 3)
    for index, image in enumerate(x.numpy()):
        matrices = [np.corrcoef(weights[row] @ image[:, row])[pairs] for row in range(4)]
        expected = [np.mean(matrices[:2], axis=0), np.mean(matrices[2:], axis=0)]
        np.testing.assert_allclose(pooled[index].detach(), expected, rtol=1e-4)


def test_a_frame_contributes_products_of_standard_scores():
    """Their mean over a range's rows, and a frame's share of the mean over frames."""
    torch.manual_seed(0)
    pooling = CorrelationPooling(5 * 4, rows=4, num_channels=3, num_ranges=2, dropout=0.25).double().eval()
    image = torch.randn(5, 4, 30, dtype=torch.float64)
    frames, rest = pooling.contributions(image.flatten(0, 1)[None])
    weights = pooling.projection.weight.view(4, 3, 5).detach().numpy()
    scores = zscore([weights[row] @ image[:, row].numpy() for row in range(4)], axis=2)  # [rows, channels, frames]
    products = [scores[:, a] * scores[:, b] / 30 for a, b in ((0, 1), (0, 2), (1, 2))]
    expected = [[each[rows].mean(axis=0) for each in products] for rows in (slice(0, 2), slice(2, 4))]
    np.testing.assert_allclose(frames.view(2, 3, 30).detach(), expected, rtol=1e-4)
    assert (rest == 0).all()


def test_level_and_offset_of_channels_do_not_matter():
    pooling = CorrelationPooling(6, rows=6, num_channels=1, num_ranges=1, dropout=0.0).eval()
    assert pooling.out_channels == 0
    pooling = CorrelationPooling(6, rows=1, num_channels=4, num_ranges=1, dropout=0.0).double().eval()
    x = torch.randn(2, 6, 30, dtype=torch.float64)
    torch.testing.assert_close(pooling(7 * x + 3), pooling(x), rtol=1e-3, atol=1e-4)
    assert (pooling(x).abs() <= 1).all()


def test_training_drops_whole_channels():
    torch.manual_seed(0)
    pooling = CorrelationPooling(8, rows=2, num_channels=4, num_ranges=2, dropout=0.5).train()
    x = torch.randn(1, 8, 30)
    drawn = torch.stack([pooling(x) for _ in range(400)])[:, 0].view(400, 2, 6)
    assert ((drawn == 0).all(dim=1) == (drawn == 0).any(dim=1)).all()  # in all ranges or none
    torch.testing.assert_close(drawn.mean(dim=0), pooling.eval()(x).view(2, 6), rtol=0, atol=0.2)


def test_parameter_count_of_the_published_sizes():
    """ResNet34 for 80 mels: 10 rows of 256 channels, each projected to 64; 5 ranges of 64 x 63 / 2 pairs."""
    pooling = CorrelationPooling(2560, rows=10, num_channels=64, num_ranges=5, dropout=0.25)
    assert sum(p.numel() for p in pooling.parameters()) == 10 * 256 * 64
    assert pooling.out_channels == 5 * 2016


@pytest.mark.parametrize(("channels", "rows", "ranges"), [(9, 2, 1), (8, 4, 3)])
def test_sizes_that_do_not_split_are_refused(channels: int, rows: int, ranges: int):
    with pytest.raises(ValueError, match=f"got channels={channels} with rows={rows} and num_ranges={ranges}"):
        CorrelationPooling(channels, rows=rows, num_channels=4, num_ranges=ranges, dropout=0.0)
