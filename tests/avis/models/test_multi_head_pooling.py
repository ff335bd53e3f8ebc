"""Multi-head pooling: sizes counted by hand, and head by head as attentive statistics pooling of its channels alone."""

import pytest
import torch
from torch import nn

from avis.models.frame_statistics import weighted_statistics
from avis.models.multi_head_pooling import MultiHeadPooling


@pytest.mark.parametrize("per_channel", [False, True])
def test_each_head_is_attentive_pooling_of_its_channels(per_channel: bool):
    torch.manual_seed(0)
    pooling = MultiHeadPooling(8, num_queries=2, num_heads=4, hidden_channels=3, per_channel=per_channel)
    x = torch.randn(2, 8, 20)
    pooled = pooling(x).view(2, 2, 2, 8)
    logits = 2 if per_channel else 1
    for index, (first, tanh, second) in enumerate(pooling.queries):
        for head in range(4):
            own, hidden, out = (slice(n * head, n * (head + 1)) for n in (2, 3, logits))
            values = nn.functional.conv1d(x[:, own], first.weight[hidden], first.bias[hidden])
            scores = nn.functional.conv1d(tanh(values), second.weight[out], second.bias[out])
            mean, deviation = weighted_statistics(x[:, own], scores.softmax(dim=2).expand(-1, 2, -1))
            torch.testing.assert_close(pooled[:, index, 0, own], mean.squeeze(2))
            torch.testing.assert_close(pooled[:, index, 1, own], deviation.squeeze(2))


def test_parameter_count_of_wespeakers_layers():
    """MHASTP: per head d x 64 + 64, and 64 + 1; MQMHASTP: twice, per head d x 64 + 64, and 64 x d + d."""
    two = MultiHeadPooling(256, num_queries=1, num_heads=2, hidden_channels=64, per_channel=False)
    many = MultiHeadPooling(256, num_queries=2, num_heads=8, hidden_channels=64, per_channel=True)
    assert sum(p.numel() for p in two.parameters()) == 2 * (128 * 64 + 64 + 64 + 1)
    assert sum(p.numel() for p in many.parameters()) == 2 * 8 * (32 * 64 + 64 + 64 * 32 + 32)


def test_channels_that_do_not_split_are_refused():
    with pytest.raises(ValueError, match="got channels=9 with num_heads=2"):
        MultiHeadPooling(9, num_queries=1, num_heads=2, hidden_channels=4, per_channel=False)
