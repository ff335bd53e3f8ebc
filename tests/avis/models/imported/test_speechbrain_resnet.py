"""SpeechBrain's pre-activated ResNet against the package itself, and against its layers as restated here."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.imported.speechbrain_resnet import speechbrain_resnet

CHANNELS = [6, 6, 8, 10]


class Gates(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc(x.mean(dim=(2, 3)))[:, :, None, None]


class Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int, *, gated: bool) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(before), nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(after), nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn3, self.conv3 = nn.BatchNorm2d(after), nn.Conv2d(after, after, 1, bias=False)
        self.se = Gates(after) if gated else nn.Identity()
        self.downsample = nn.Identity()
        if stride > 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for norm, conv in ((self.bn1, self.conv1), (self.bn2, self.conv2), (self.bn3, self.conv3)):
            y = conv(functional.relu(norm(y)))
        return self.se(y) + self.downsample(x)


class Net(nn.Module):
    """Images are of frames by mels here."""

    def __init__(self) -> None:
        super().__init__()
        before, pooled = CHANNELS[0], CHANNELS[-1] * 4
        self.conv1, self.bn1 = nn.Conv2d(1, before, 3, 1, 1, bias=False), nn.BatchNorm2d(before)
        for stage, (after, depth) in enumerate(zip(CHANNELS, [1, 2, 1, 1], strict=True)):
            strides = [2 if stage else 1] + [1] * (depth - 1)
            widths = [before] + [after] * (depth - 1)
            blocks = [Block(w, after, stride, gated=stage < 2) for w, stride in zip(widths, strides, strict=True)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            before = after
        layers = nn.Conv1d(pooled, 128, 1), nn.ReLU(), nn.BatchNorm1d(128), nn.Conv1d(128, pooled, 1), nn.Softmax(dim=2)
        self.attention = nn.Sequential(*layers)
        self.norm_stats, self.fc_embed = nn.BatchNorm1d(2 * pooled), nn.Linear(2 * pooled, 6)
        self.norm_embed = nn.BatchNorm1d(6)

    def forward(self, features: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(features[:, None])))
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        x = x.mT.flatten(1, 2)
        weights = self.attention(x)
        mean = (weights * x).sum(dim=2)
        deviation = ((weights * x**2).sum(dim=2) - mean**2).clamp(min=1e-5).sqrt()
        return self.norm_embed(self.fc_embed(self.norm_stats(torch.cat([mean, deviation], dim=1))))


def test_embeddings_are_those_of_its_layers(settled: Callable, largest_difference: Callable):
    reference = settled(Net())
    imported = speechbrain_resnet(reference.state_dict())
    assert imported.sizes == {"num_mels": 32, "channels": CHANNELS, "depths": [1, 2, 1, 1], "embedding_dim": 6}
    assert largest_difference(imported, reference) < 1e-5


def test_the_file_is_imported_with_its_features(settled: Callable, difference_as_imported: Callable):
    reference, mels = settled(Net()), "features.front_end.dim=32"
    assert difference_as_imported("speechbrain_resnet", reference.state_dict(), reference, mels) < 1e-4


@pytest.mark.slow
def test_embeddings_are_those_of_the_package(settled: Callable, largest_difference: Callable):
    """The published sizes: those of spkrec-resnet-voxceleb."""
    package = pytest.importorskip("speechbrain.lobes.models.ResNet")
    reference = settled(package.ResNet())
    imported = speechbrain_resnet(reference.state_dict())
    assert imported.sizes["channels"] == [128, 128, 256, 256]
    assert largest_difference(imported, reference) < 1e-4


def test_gates_in_a_later_stage_are_refused():
    weights = Net().state_dict() | {"layer3.0.se.fc.0.weight": torch.zeros(8, 8)}
    with pytest.raises(ValueError, match=r"have no place: got 1 such as stages\.2\.0\.gates\.squeeze\.weight"):
        speechbrain_resnet(weights).build()
