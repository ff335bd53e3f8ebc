"""WeSpeaker's ResNets: the same embeddings, and nothing imported that is not understood."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.imported.wespeaker_resnet import wespeaker_resnet


class Block(nn.Module):
    def __init__(self, before: int, width: int, stride: int, *, wide: bool) -> None:
        super().__init__()
        after = 4 * width if wide else width
        kernels = [1, 3, 1] if wide else [3, 3]
        channels = [before, width, width, after] if wide else [before, width, width]
        strides = [1, stride, 1] if wide else [stride, 1]
        for number, kernel in enumerate(kernels, 1):
            sizes = channels[number - 1 : number + 1]
            conv = nn.Conv2d(*sizes, kernel, strides[number - 1], kernel // 2, bias=False)
            self.add_module(f"conv{number}", conv)
            self.add_module(f"bn{number}", nn.BatchNorm2d(sizes[1]))
        self.number = len(kernels)
        self.shortcut = nn.Sequential()
        if stride > 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for number in range(1, self.number + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            y = functional.relu(y) if number < self.number else y
        return functional.relu(y + self.shortcut(x))


class Net(nn.Module):
    """What WeSpeaker writes, with a classifier beside it."""

    def __init__(self, *, wide: bool, depths: list[int], mels: int, second: bool = False) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4)
        before = 4
        for stage, depth in enumerate(depths):
            width = 4 * 2**stage
            blocks = []
            for index in range(depth):
                blocks.append(Block(before, width, 2 if stage and not index else 1, wide=wide))
                before = 4 * width if wide else width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.seg_1 = nn.Linear(2 * before * mels // 8, 6)
        self.projection = nn.Linear(6, 11)
        if second:
            self.seg_2 = nn.Linear(6, 6)

    def forward(self, features: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(features.mT[:, None])))
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        deviation = (x.var(dim=-1) + 1e-8).sqrt()
        return self.seg_1(torch.cat([x.mean(dim=-1).flatten(1), deviation.flatten(1)], dim=1))


@pytest.mark.parametrize(("wide", "depths", "mels"), [(False, [3, 4, 6, 3], 80), (True, [1, 2, 1, 1], 72)])
def test_embeddings_are_the_same(
    wide: bool, depths: list[int], mels: int, settled: Callable, largest_difference: Callable
):
    reference = settled(Net(wide=wide, depths=depths, mels=mels))
    imported = wespeaker_resnet(reference.state_dict())
    assert imported.node() == {
        "_target_": "avis.models.resnet.ResNet",
        "num_mels": mels,
        "channels": 4,
        "depths": depths,
        "bottleneck": wide,
        "embedding_dim": 6,
        "pooling": {"_target_": "avis.models.pooling.StatisticsPooling", "_partial_": True},
    }
    assert largest_difference(imported, reference) < 1e-5


def test_a_second_embedding_layer_is_refused():
    with pytest.raises(ValueError, match=r"another layout: got 2 such as seg_2\.bias, seg_2\.weight"):
        wespeaker_resnet(Net(wide=False, depths=[1, 1, 1, 1], mels=80, second=True).state_dict())


def test_a_missing_tensor_is_refused():
    weights = Net(wide=False, depths=[1, 1, 1, 1], mels=80).state_dict()
    del weights["layer2.0.bn1.running_mean"]
    with pytest.raises(ValueError, match=r"missing: got 1 such as trunk\.stages\.1\.0\.first\.norm\.running_mean"):
        wespeaker_resnet(weights).build()


def test_pooling_of_means_alone_gives_itself_away():
    """Half as many statistics look like half as many mels, which the front end then does not have."""
    weights = Net(wide=False, depths=[1, 1, 1, 1], mels=80).state_dict()
    weights["seg_1.weight"] = weights["seg_1.weight"][:, :320]
    assert wespeaker_resnet(weights).sizes["num_mels"] == 40
