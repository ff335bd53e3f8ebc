"""voxceleb_trainer's SE-ResNets: the same embeddings, with the loss and the front end's constants left out."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from avis.models.imported.renaming import Imported
from avis.models.imported.voxceleb_trainer_resnet_se import (
    voxceleb_trainer_resnet_se34_l,
    voxceleb_trainer_resnet_se34_v2,
)

CHANNELS = 8
STRIDES = {"L": (1, 2, 2, 1), "V2": (1, 2, 2, 2)}
MELS = {"L": 40, "V2": 64}


class Gates(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = nn.Linear(channels, channels // 8), nn.ReLU(), nn.Linear(channels // 8, channels)
        self.fc = nn.Sequential(*hidden, nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc(x.mean(dim=(2, 3)))[:, :, None, None]


class Block(nn.Module):
    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.se, self.downsample = Gates(width), None
        if before != width:
            self.downsample = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.se(self.bn2(self.conv2(self.bn1(self.conv1(x).relu()))))
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class Net(nn.Module):
    def __init__(self, size: str) -> None:
        super().__init__()
        self.size, before, top = size, CHANNELS, 8 * CHANNELS
        first = {"kernel_size": 7, "stride": (2, 1), "padding": 3, "bias": False}
        self.conv1 = nn.Conv2d(1, CHANNELS, **(first if size == "L" else {"kernel_size": 3, "padding": 1}))
        self.bn1 = nn.BatchNorm2d(CHANNELS)
        for stage, (depth, stride) in enumerate(zip([3, 4, 6, 3], STRIDES[size], strict=True)):
            width = CHANNELS * 2**stage
            blocks = [Block(width if index else before, width, 1 if index else stride) for index in range(depth)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            before = width
        self.torchfb = nn.Sequential(nn.Identity(), nn.Identity())
        self.torchfb[0].register_buffer("flipped_filter", torch.zeros(1, 1, 2))
        self.torchfb[1].register_buffer("window", torch.zeros(400))
        if size == "L":
            self.sap_linear, self.attention = nn.Linear(top, top), nn.Parameter(torch.zeros(top, 1))
            self.fc = nn.Linear(top, 6)
            return
        flat = top * MELS[size] // 8
        hidden = nn.Conv1d(flat, 128, 1), nn.ReLU(), nn.BatchNorm1d(128), nn.Conv1d(128, flat, 1)
        self.attention, self.fc = nn.Sequential(*hidden, nn.Softmax(dim=2)), nn.Linear(2 * flat, 6)

    def forward(self, features: Tensor) -> Tensor:
        x = self.conv1(features.mT[:, None])
        x = self.bn1(x).relu() if self.size == "L" else self.bn1(x.relu())
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        if self.size == "L":
            x = x.mean(dim=2).mT
            weights = (self.sap_linear(x).tanh() @ self.attention).softmax(dim=1)
            return self.fc((weights * x).sum(dim=1))
        x = x.flatten(1, 2)
        weights = self.attention(x)
        mean = (weights * x).sum(dim=2)
        deviation = ((weights * x**2).sum(dim=2) - mean**2).clamp(min=1e-5).sqrt()
        return self.fc(torch.cat([mean, deviation], dim=1))


def saved(net: nn.Module) -> dict[str, Tensor]:
    """Return what voxceleb_trainer saves: network and loss under one roof."""
    return {f"__S__.{key}": value for key, value in net.state_dict().items()} | {"__L__.fc.weight": torch.zeros(11, 6)}


fast = partial(voxceleb_trainer_resnet_se34_l, pre_emphasis=True)


@pytest.mark.parametrize(("size", "source"), [("L", fast), ("V2", voxceleb_trainer_resnet_se34_v2)])
def test_embeddings_are_the_same(
    size: str, source: Callable[[dict[str, Tensor]], Imported], settled: Callable, largest_difference: Callable
):
    reference = settled(Net(size))
    imported = source(saved(reference))
    assert imported.sizes == {"num_mels": MELS[size], "channels": CHANNELS, "embedding_dim": 6}
    assert largest_difference(imported, reference) < 1e-5


def test_the_other_size_is_refused():
    with pytest.raises(ValueError, match=r"another layout: got .* such as attention\.0\.bias"):
        fast(saved(Net("V2")))
    with pytest.raises(ValueError, match=r"another layout: got 3 such as attention, sap_linear\.bias"):
        voxceleb_trainer_resnet_se34_v2(saved(Net("L")))


def test_another_pooling_is_refused():
    weights = saved(Net("V2"))
    weights["__S__.fc.weight"] = weights["__S__.fc.weight"][:, : 64 * CHANNELS]
    with pytest.raises(ValueError, match=r"another shape: got 1 such as embedding\.weight"):
        voxceleb_trainer_resnet_se34_v2(weights).build()


def test_the_front_end_of_the_file_is_the_sources():
    older = {key: value for key, value in saved(Net("L")).items() if "flipped_filter" not in key}
    assert voxceleb_trainer_resnet_se34_l(older, pre_emphasis=False).sizes["num_mels"] == 40
    with pytest.raises(ValueError, match=r"front end of another version: got \['torchfb\.1\.window'\]"):
        fast(older)
    with pytest.raises(ValueError, match=r"expected no torchfb\.0\.flipped_filter"):
        voxceleb_trainer_resnet_se34_l(saved(Net("L")), pre_emphasis=False)
    with pytest.raises(ValueError, match=r"got none of its constants"):
        fast({key: value for key, value in older.items() if "torchfb" not in key})
