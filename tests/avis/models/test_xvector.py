"""x-vector: sizes counted by hand, context, and where it ends."""

from functools import partial

import pytest
import torch
from torch import nn

from avis.models.pooling import StatisticsPooling
from avis.models.posterior_pooling import PosteriorPooling
from avis.models.xvector import XVector

PAPER = {"num_mels": 80, "channels": 512, "pooled_channels": 1500, "embedding_dim": 512}
SMALL = {"num_mels": 20, "channels": 8, "pooled_channels": 12, "embedding_dim": 6, "pooling": StatisticsPooling}
FRAMES = (
    (80 * 5 * 512 + 512)
    + 2 * (512 * 3 * 512 + 512)
    + (512 * 512 + 512)
    + (512 * 1500 + 1500)
    + 2 * (4 * 512 + 1500)  # batch normalisation
)
SEGMENT7 = 2 * 512 + (512 * 512 + 512)


def count(**sizes: object) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in XVector(**PAPER, **sizes).parameters())


def test_parameter_count_of_the_papers_layers():
    segment6 = 3000 * 512 + 512
    assert count(pooling=StatisticsPooling, num_segment_layers=1) == FRAMES + segment6
    assert count(pooling=StatisticsPooling, num_segment_layers=2) == FRAMES + segment6 + SEGMENT7


def test_parameter_count_of_the_xi_vector():
    posterior = 2 * 1500 + (1500 * 256 + 256) + 2 * 256 + (256 * 1500 + 1500)
    pooling = partial(PosteriorPooling, hidden_channels=256)
    assert count(pooling=pooling, num_segment_layers=2) == FRAMES + posterior + (1500 * 512 + 512) + SEGMENT7


def test_a_frame_sees_seven_on_each_side():
    """The paper's Table 1: a total context of 15 frames."""
    model = XVector(**SMALL, num_segment_layers=1).eval()
    features = torch.randn(1, 60, 20, requires_grad=True)
    model.pooled_frames(features)[0][0, :, 30].sum().backward()
    seen = features.grad[0].abs().sum(dim=1).nonzero().squeeze(1)
    assert (seen.min().item(), seen.max().item()) == (23, 37)


def test_where_it_ends():
    one, two = (XVector(**SMALL, num_segment_layers=number).eval() for number in (1, 2))
    x = torch.randn(3, 30, 20)
    statistics = StatisticsPooling(12)(one.pooled_frames(x)[0])
    torch.testing.assert_close(one(x), one.embedding(statistics))
    two.load_state_dict(one.state_dict(), strict=False)
    relu, norm, linear = two.second
    assert isinstance(relu, nn.ReLU)
    torch.testing.assert_close(two(x), linear(norm(one(x).relu())))


def test_other_numbers_of_layers_are_refused():
    with pytest.raises(ValueError, match="got num_segment_layers=3, expected 1 or 2"):
        XVector(**SMALL, num_segment_layers=3)


def test_an_unknown_reading_is_refused():
    with pytest.raises(ValueError, match="got reading='kaldi', expected one of"):
        XVector(**SMALL, num_segment_layers=1, reading="kaldi")
