"""WeSpeaker's ECAPA-TDNN, with and without context in its attention: the same embeddings."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.imported.wespeaker_ecapa import wespeaker_ecapa

GROUPS = 8


class Layer(nn.Module):
    def __init__(self, before: int, after: int, taps: int = 1) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv1d(before, after, taps, padding=taps // 2), nn.BatchNorm1d(after)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(functional.relu(self.conv(x)))


class Hierarchy(nn.Module):
    """The last group passes unchanged."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        width = channels // GROUPS
        convs = [nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation) for _ in range(GROUPS - 1)]
        self.convs, self.bns = nn.ModuleList(convs), nn.ModuleList(nn.BatchNorm1d(width) for _ in convs)

    def forward(self, x: Tensor) -> Tensor:
        *parts, last = x.chunk(GROUPS, dim=1)
        outputs: list[Tensor] = []
        for part, conv, norm in zip(parts, self.convs, self.bns, strict=True):
            outputs.append(norm(functional.relu(conv(part + outputs[-1] if outputs else part))))
        return torch.cat([*outputs, last], dim=1)


class Gates(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(channels, 5), nn.Linear(5, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.linear2(self.linear1(x.mean(dim=2)).relu()).sigmoid()[:, :, None]


class Block(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        layers = Layer(channels, channels), Hierarchy(channels, dilation), Layer(channels, channels), Gates(channels)
        self.se_res2block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.se_res2block(x)


class Pool(nn.Module):
    def __init__(self, channels: int, *, context: bool) -> None:
        super().__init__()
        self.context = context
        self.linear1 = nn.Conv1d((3 if context else 1) * channels, 7, 1)
        self.linear2 = nn.Conv1d(7, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        if self.context:
            mean, deviation = x.mean(dim=2, keepdim=True), (x.var(dim=2, keepdim=True) + 1e-10).sqrt()
            seen += [mean.expand_as(x), deviation.expand_as(x)]
        weights = self.linear2(self.linear1(torch.cat(seen, dim=1)).tanh()).softmax(dim=2)
        mean = (weights * x).sum(dim=2)
        variance = (weights * x**2).sum(dim=2) - mean**2
        return torch.cat([mean, variance.clamp(min=1e-10).sqrt()], dim=1)


class Net(nn.Module):
    def __init__(self, *, context: bool, channels: int = 16) -> None:
        super().__init__()
        self.layer1 = Layer(20, channels, 5)
        self.layer2, self.layer3, self.layer4 = (Block(channels, dilation) for dilation in (2, 3, 4))
        self.conv = nn.Conv1d(3 * channels, 3 * channels, 1)
        self.pool = Pool(3 * channels, context=context)
        self.bn, self.linear = nn.BatchNorm1d(6 * channels), nn.Linear(6 * channels, 6)
        self.projection = nn.Linear(6, 11)

    def forward(self, features: Tensor) -> Tensor:
        outputs = [self.layer1(features.mT)]
        for block in (self.layer2, self.layer3, self.layer4):
            outputs.append(block(outputs[-1]))
        frames = functional.relu(self.conv(torch.cat(outputs[1:], dim=1)))
        return self.linear(self.bn(self.pool(frames)))


@pytest.mark.parametrize("context", [False, True])
def test_embeddings_are_the_same(context: bool, settled: Callable, largest_difference: Callable):
    reference = settled(Net(context=context))
    imported = wespeaker_ecapa(reference.state_dict())
    assert imported.node()["pooling"]["context"] is context
    assert imported.sizes["scale"] == GROUPS
    assert largest_difference(imported, reference) < 1e-5


def test_a_normalised_embedding_is_refused():
    reference = Net(context=True)
    reference.bn2 = nn.BatchNorm1d(6)
    with pytest.raises(ValueError, match=r"another layout: got 5 such as bn2\.bias"):
        wespeaker_ecapa(reference.state_dict())
