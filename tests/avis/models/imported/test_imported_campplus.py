"""CAM++ of 3D-Speaker and WeSpeaker: the same embeddings."""

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.imported.campplus import campplus

GROWTH, SEGMENT = 2, 100


def norm_relu(channels: int) -> nn.Module:
    return nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(channels), relu=nn.ReLU()))


class Residual(nn.Module):
    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, (stride, 1), 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride > 1:
            one_tap = nn.Conv2d(channels, channels, 1, (stride, 1), bias=False)
            self.shortcut = nn.Sequential(one_tap, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())) + self.shortcut(x))


class Head(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(Residual(channels, 2), Residual(channels, 1))
        self.layer2 = nn.Sequential(Residual(channels, 2), Residual(channels, 1))
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, (2, 1), 1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.bn1(self.conv1(x[:, None])).relu()))
        return self.bn2(self.conv2(x)).relu().flatten(1, 2)


class Masked(nn.Module):
    def __init__(self, before: int, after: int, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(before, after, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1, self.linear2 = nn.Conv1d(before, before // 2, 1), nn.Conv1d(before // 2, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = [part.mean(dim=2, keepdim=True).expand_as(part) for part in x.split(SEGMENT, dim=2)]
        context = x.mean(dim=2, keepdim=True) + torch.cat(means, dim=2)
        return self.linear_local(x) * self.linear2(self.linear1(context).relu()).sigmoid()


class Dense(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        width = 4 * GROWTH
        self.nonlinear1, self.linear1 = norm_relu(channels), nn.Conv1d(channels, width, 1, bias=False)
        self.nonlinear2, self.cam_layer = norm_relu(width), Masked(width, GROWTH, dilation)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))], dim=1)


class Statistics(nn.Module):
    def __init__(self, offset: float) -> None:
        super().__init__()
        self.offset = offset

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean(dim=2), (x.var(dim=2) + self.offset).sqrt()], dim=1)[:, :, None]


class Net(nn.Module):
    def __init__(self, *, mels: int = 80, head: int = 4, channels: int = 8, offset: float = 0.0) -> None:
        super().__init__()
        self.head, layers = Head(head), OrderedDict[str, nn.Module]()
        first = nn.Conv1d(head * mels // 8, channels, 5, 2, 2, bias=False)
        layers["tdnn"] = nn.Sequential(OrderedDict(linear=first, nonlinear=norm_relu(channels)))
        for block, (depth, dilation) in enumerate([(12, 1), (24, 2), (16, 2)], 1):
            dense = [(f"tdnnd{k + 1}", Dense(channels + k * GROWTH, dilation)) for k in range(depth)]
            channels += depth * GROWTH
            layers[f"block{block}"] = nn.Sequential(OrderedDict(dense))
            halving = nn.Conv1d(channels, channels // 2, 1, bias=False)
            layers[f"transit{block}"] = nn.Sequential(OrderedDict(nonlinear=norm_relu(channels), linear=halving))
            channels //= 2
        layers["out_nonlinear"], layers["stats"] = norm_relu(channels), Statistics(offset)
        norm = nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(6, affine=False)))
        linear = nn.Conv1d(2 * channels, 6, 1, bias=False)
        layers["dense"] = nn.Sequential(OrderedDict(linear=linear, nonlinear=norm))
        self.xvector = nn.Sequential(layers)

    def forward(self, features: Tensor) -> Tensor:
        return self.xvector(self.head(features.mT))


@pytest.mark.parametrize(("offset", "tolerance"), [(1e-8, 1e-4), (0.0, 2e-3)], ids=["wespeaker", "3d_speaker"])
def test_embeddings_are_the_same(offset: float, tolerance: float, settled: Callable, largest_difference: Callable):
    """Most channels of this network are dead, and AVIS's deviations are never below 1e-4, unlike 3D-Speaker's."""
    reference = settled(Net(offset=offset))
    imported = campplus(reference.state_dict() | {"projection.weight": torch.zeros(11, 6)})
    assert imported.sizes == {"num_mels": 80, "head_channels": 4, "channels": 8, "growth": 2, "embedding_dim": 6}
    assert largest_difference(imported, reference) < tolerance


def test_an_attentive_pooling_is_refused():
    weights = Net().state_dict() | {"xvector.stats.linear1.weight": torch.zeros(7, 6, 1)}
    with pytest.raises(ValueError, match=r"another layout: got 1 such as xvector\.stats\.linear1\.weight"):
        campplus(weights)
