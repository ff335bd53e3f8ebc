"""Res2Net of 3D-Speaker and WeSpeaker: the same embeddings."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from avis.models.imported.res2net import res2net

CHANNELS = 8


def clipped(x: Tensor) -> Tensor:
    return x.clamp(0, 20)


class Block(nn.Module):
    """The last group passes unchanged."""

    def __init__(self, before: int, planes: int, stride: int, scale: int) -> None:
        super().__init__()
        width, after = planes // 2, 2 * planes
        self.width = width
        self.conv1 = nn.Conv2d(before, scale * width, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(scale * width)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(scale - 1))
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(scale - 1))
        self.conv3, self.bn3 = nn.Conv2d(scale * width, after, 1, bias=False), nn.BatchNorm2d(after)
        self.shortcut = nn.Sequential()
        if stride > 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        *parts, last = clipped(self.bn1(self.conv1(x))).split(self.width, dim=1)
        outputs: list[Tensor] = []
        for part, conv, norm in zip(parts, self.convs, self.bns, strict=True):
            outputs.append(clipped(norm(conv(part + outputs[-1] if outputs else part))))
        return clipped(self.bn3(self.conv3(torch.cat([*outputs, last], dim=1))) + self.shortcut(x))


class Net(nn.Module):
    def __init__(self, *, scale: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, CHANNELS, 3, 1, 1, bias=False), nn.BatchNorm2d(CHANNELS)
        before = CHANNELS
        for stage, depth in enumerate([1, 2, 1, 1]):
            planes, blocks = CHANNELS * 2**stage, []
            for index in range(depth):
                blocks.append(Block(before, planes, 2 if stage and not index else 1, scale))
                before = 2 * planes
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.seg_1 = nn.Linear(2 * before * 10, 6)

    def forward(self, features: Tensor) -> Tensor:
        x = self.bn1(self.conv1(features.mT[:, None])).relu()
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        deviation = (x.var(dim=-1) + 1e-8).sqrt()
        return self.seg_1(torch.cat([x.mean(dim=-1).flatten(1), deviation.flatten(1)], dim=1))


@pytest.mark.parametrize("scale", [2, 4])
def test_embeddings_are_the_same(scale: int, settled: Callable, largest_difference: Callable):
    reference = settled(Net(scale=scale))
    imported = res2net(reference.state_dict() | {"projection.weight": torch.zeros(11, 6)})
    assert imported.sizes == {
        "num_mels": 80,
        "channels": CHANNELS,
        "depths": [1, 2, 1, 1],
        "base_width": 32,
        "scale": scale,
        "embedding_dim": 6,
    }
    assert largest_difference(imported, reference) < 1e-4


@pytest.mark.parametrize("source", ["3d_speaker_res2net", "wespeaker_res2net"])
def test_the_file_is_imported_with_its_features(source: str, settled: Callable, difference_as_imported: Callable):
    reference = settled(Net(scale=2))
    assert difference_as_imported(source, reference.state_dict(), reference) < 1e-4


def test_a_second_embedding_layer_is_refused():
    weights = Net(scale=2).state_dict() | {"seg_2.weight": torch.zeros(6, 6)}
    with pytest.raises(ValueError, match=r"another layout: got 1 such as seg_2\.weight"):
        res2net(weights)
