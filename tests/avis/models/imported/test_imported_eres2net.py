"""ERes2Net and ERes2NetV2 of 3D-Speaker and WeSpeaker: the same embeddings."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from avis.models.imported.eres2net import eres2net

CHANNELS = 8


def clipped(x: Tensor) -> Tensor:
    return x.clamp(0, 20)


class Fusion(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 4
        first, second = nn.Conv2d(2 * channels, hidden, 1), nn.Conv2d(hidden, channels, 1)
        norms = nn.BatchNorm2d(hidden), nn.BatchNorm2d(channels)
        self.local_att = nn.Sequential(first, norms[0], nn.SiLU(), second, norms[1])

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        share = 1 + self.local_att(torch.cat([x, y], dim=1)).tanh()
        return x * share + y * (2 - share)


class Block(nn.Module):
    def __init__(self, before: int, planes: int, stride: int, *, base_width: int, fused: bool) -> None:
        super().__init__()
        width, after = planes * base_width // 64, 2 * planes
        self.width, self.fused = width, fused
        self.conv1, self.bn1 = nn.Conv2d(before, 2 * width, 1, stride, bias=False), nn.BatchNorm2d(2 * width)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(2))
        if fused:
            self.fuse_models = nn.ModuleList([Fusion(width)])
        self.conv3, self.bn3 = nn.Conv2d(2 * width, after, 1, bias=False), nn.BatchNorm2d(after)
        self.shortcut = nn.Sequential()
        if stride > 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        first, second = clipped(self.bn1(self.conv1(x))).split(self.width, dim=1)
        first = clipped(self.bns[0](self.convs[0](first)))
        joined = self.fuse_models[0](first, second) if self.fused else first + second
        second = clipped(self.bns[1](self.convs[1](joined)))
        return clipped(self.bn3(self.conv3(torch.cat([first, second], dim=1))) + self.shortcut(x))


class Net(nn.Module):
    def __init__(self, *, version: int) -> None:
        super().__init__()
        self.version = version
        self.conv1, self.bn1 = nn.Conv2d(1, CHANNELS, 3, 1, 1, bias=False), nn.BatchNorm2d(CHANNELS)
        before = CHANNELS
        for stage, depth in enumerate([1, 2, 1, 1]):
            planes, blocks = CHANNELS * 2**stage, []
            for index in range(depth):
                sizes = {"base_width": 32 if version == 1 else 48, "fused": stage >= 2}
                blocks.append(Block(before, planes, 2 if stage and not index else 1, **sizes))
                before = 2 * planes
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        for number in (1, 2, 3) if version == 1 else (3,):
            wide = CHANNELS * 2 ** (number + 1)
            halving = nn.Conv2d(wide // 2, wide, 3, 2, 1, bias=False)
            self.add_module(f"layer{number}_downsample" if version == 1 else "layer3_ds", halving)
            self.add_module(f"fuse_mode{'1234'[: number + 1]}" if version == 1 else "fuse34", Fusion(wide))
        self.seg_1 = nn.Linear(2 * before * 10, 6)

    def forward(self, features: Tensor) -> Tensor:
        one = self.layer1(self.bn1(self.conv1(features.mT[:, None])).relu())
        two = self.layer2(one)
        three = self.layer3(two)
        four = self.layer4(three)
        if self.version == 1:
            below = self.fuse_mode12(two, self.layer1_downsample(one))
            below = self.fuse_mode123(three, self.layer2_downsample(below))
            x = self.fuse_mode1234(four, self.layer3_downsample(below))
        else:
            x = self.fuse34(four, self.layer3_ds(three))
        deviation = (x.var(dim=-1) + 1e-8).sqrt()
        return self.seg_1(torch.cat([x.mean(dim=-1).flatten(1), deviation.flatten(1)], dim=1))


@pytest.mark.parametrize("version", [1, 2])
def test_embeddings_are_the_same(version: int, settled: Callable, largest_difference: Callable):
    reference = settled(Net(version=version))
    imported = eres2net(reference.state_dict())
    assert imported.sizes["num_fused_stages"] == (4 if version == 1 else 2)
    assert imported.sizes["num_mels"] == 80
    assert largest_difference(imported, reference) < 1e-5


def wespeakers(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fused blocks, those of the last two stages, have their first group apart."""
    names = {"convs.0": "conv2_1", "bns.0": "bn2_1", "convs.1": "convs.0", "bns.1": "bns.0"}
    renamed = {}
    for key, value in weights.items():
        name = key
        for old, new in names.items() if key.startswith(("layer3", "layer4")) else ():
            if f".{old}." in key:
                name = key.replace(f".{old}.", f".{new}.")
        renamed[name] = value
    return renamed


def test_wespeakers_are_the_same(settled: Callable, largest_difference: Callable):
    reference = settled(Net(version=1))
    weights = wespeakers(reference.state_dict()) | {"projection.weight": torch.zeros(11, 6)}
    assert "layer3.0.conv2_1.weight" in weights
    assert len(weights) == len(reference.state_dict()) + 1
    assert largest_difference(eres2net(weights), reference) < 1e-5


def test_the_file_is_imported_with_its_features(settled: Callable, difference_as_imported: Callable):
    reference = settled(Net(version=1))
    assert difference_as_imported("wespeaker_eres2net", wespeakers(reference.state_dict()), reference) < 1e-4


def test_blocks_that_widen_more_are_refused():
    """3D-Speaker has V2 models whose blocks widen fourfold (``w24s4ep4``)."""
    weights = Net(version=2).state_dict()
    weights["layer1.0.conv3.weight"] = torch.zeros(4 * CHANNELS, 12, 1, 1)
    with pytest.raises(ValueError, match=r"another shape: got 1 such as trunk\.stages\.0\.0\.after\.conv\.weight"):
        eres2net(weights).build()
