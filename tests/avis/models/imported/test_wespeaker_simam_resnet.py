"""WeSpeaker's SimAM-ResNets: the same embeddings."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from avis.models.imported.wespeaker_simam_resnet import wespeaker_simam_resnet


class Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after)
        self.conv2, self.bn2 = nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)
        self.downsample = nn.Sequential()
        if stride > 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        squared = (y - y.mean(dim=(2, 3), keepdim=True)) ** 2
        variance = squared.sum(dim=(2, 3), keepdim=True) / (y.shape[2] * y.shape[3] - 1)
        return (y * (squared / (4 * (variance + 1e-4)) + 0.5).sigmoid() + self.downsample(x)).relu()


class Front(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        before = channels
        for stage, depth in enumerate([1, 2, 1, 1]):
            after, blocks = channels * 2**stage, []
            for index in range(depth):
                blocks.append(Block(before, after, 2 if stage and not index else 1))
                before = after
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu()
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return x


class Pool(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        layers = nn.Conv1d(channels, 128, 1), nn.ReLU(), nn.BatchNorm1d(128), nn.Conv1d(128, channels, 1)
        self.attention = nn.Sequential(*layers, nn.Softmax(dim=2))

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1, 2)
        weights = self.attention(x)
        mean = (weights * x).sum(dim=2)
        return torch.cat([mean, ((weights * x**2).sum(dim=2) - mean**2).clamp(min=1e-5).sqrt()], dim=1)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.front, self.pooling, self.bottleneck = Front(4), Pool(32 * 5), nn.Linear(2 * 32 * 5, 6)

    def forward(self, features: Tensor) -> Tensor:
        return self.bottleneck(self.pooling(self.front(features.mT[:, None])))


def test_embeddings_are_the_same(settled: Callable, largest_difference: Callable):
    reference = settled(Net())
    imported = wespeaker_simam_resnet(reference.state_dict() | {"projection.weight": torch.zeros(11, 6)})
    assert imported.sizes == {"num_mels": 40, "channels": 4, "depths": [1, 2, 1, 1], "embedding_dim": 6}
    assert largest_difference(imported, reference) < 1e-5


def test_the_file_is_imported_with_its_features(settled: Callable, difference_as_imported: Callable):
    reference, mels = settled(Net()), "features.front_end.dim=40"
    assert difference_as_imported("wespeaker_simam_resnet", reference.state_dict(), reference, mels) < 1e-4


def test_another_resnet_is_refused():
    weights = {key.removeprefix("front."): value for key, value in Net().state_dict().items()}
    with pytest.raises(ValueError, match=r"another layout: got .* such as bn1\.bias"):
        wespeaker_simam_resnet(weights)
