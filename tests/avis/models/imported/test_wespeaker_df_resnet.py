"""WeSpeaker's Gemini DF-ResNets: the same embeddings."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from avis.models.imported.wespeaker_df_resnet import wespeaker_df_resnet

DEPTHS = [1, 2, 1, 1]


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 4 * channels
        self.conv1, self.bn1 = nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide)
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.conv3, self.bn3 = nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()
        return (x + self.bn3(self.conv3(y))).relu()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = [4, 4, 8, 16, 32]
        stem = nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.downsample_layers, self.stages = nn.ModuleList([stem]), nn.ModuleList()
        for stage, depth in enumerate(DEPTHS):
            before, after = widths[stage : stage + 2]
            halving = nn.Conv2d(before, after, 3, (2, 2 if stage == 1 else 1), 1, bias=False)
            self.downsample_layers.append(nn.Sequential(halving, nn.BatchNorm2d(after)))
            self.stages.append(nn.Sequential(*(Block(after) for _ in range(depth))))
        self.seg_1 = nn.Linear(2 * 32 * 5, 6)

    def forward(self, features: Tensor) -> Tensor:
        x = self.downsample_layers[0](features.mT[:, None])
        for halving, stage in zip(self.downsample_layers[1:], self.stages, strict=True):
            x = stage(halving(x))
        deviation = (x.var(dim=-1) + 1e-8).sqrt()
        return self.seg_1(torch.cat([x.mean(dim=-1).flatten(1), deviation.flatten(1)], dim=1))


def test_embeddings_are_the_same(settled: Callable, largest_difference: Callable):
    reference = settled(Net())
    imported = wespeaker_df_resnet(reference.state_dict() | {"projection.weight": torch.zeros(11, 6)})
    assert imported.sizes == {"num_mels": 80, "channels": 4, "depths": DEPTHS, "embedding_dim": 6}
    assert largest_difference(imported, reference) < 1e-5


@pytest.mark.slow
def test_the_file_is_imported_with_its_features(settled: Callable, difference_as_imported: Callable):
    reference = settled(Net())
    assert difference_as_imported("wespeaker_df_resnet", reference.state_dict(), reference) < 1e-4


def test_attentive_pooling_is_refused():
    weights = Net().state_dict() | {"pool.linear1.weight": torch.zeros(7, 160, 1)}
    with pytest.raises(ValueError, match=r"another layout: got 1 such as pool\.linear1\.weight"):
        wespeaker_df_resnet(weights)
