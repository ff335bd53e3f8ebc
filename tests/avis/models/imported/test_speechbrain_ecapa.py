"""SpeechBrain's ECAPA-TDNN against the package itself, and against its layers as restated here."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.imported.speechbrain_ecapa import speechbrain_ecapa


class Wrapped(nn.Module):
    def __init__(self, name: str, layer: nn.Module) -> None:
        super().__init__()
        self.add_module(name, layer)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self, self.name)(x)


def conv(before: int, after: int, taps: int = 1, dilation: int = 1) -> nn.Module:
    mirrored = nn.Conv1d(before, after, taps, dilation=dilation, padding=dilation * (taps // 2), padding_mode="reflect")
    return Wrapped("conv", mirrored)


class Layer(nn.Module):
    def __init__(self, before: int, after: int, taps: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv, self.norm = conv(before, after, taps, dilation), Wrapped("norm", nn.BatchNorm1d(after))

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(functional.relu(self.conv(x)))


class Hierarchy(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Layer(channels // 4, channels // 4, 3, dilation) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        first, second, *rest = x.chunk(4, dim=1)
        outputs = [first, self.blocks[0](second)]
        for part, block in zip(rest, self.blocks[1:], strict=True):
            outputs.append(block(part + outputs[-1]))
        return torch.cat(outputs, dim=1)


class Gates(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv(channels, 5), conv(5, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conv2(self.conv1(x.mean(dim=2, keepdim=True)).relu()).sigmoid()


class Block(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.tdnn1, self.res2net_block = Layer(channels, channels), Hierarchy(channels, dilation)
        self.tdnn2, self.se_block = Layer(channels, channels), Gates(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.se_block(self.tdnn2(self.res2net_block(self.tdnn1(x))))


class Pool(nn.Module):
    def __init__(self, channels: int, *, context: bool) -> None:
        super().__init__()
        self.tdnn, self.conv = Layer((3 if context else 1) * channels, 7), conv(7, channels)

    def forward(self, x: Tensor) -> Tensor:
        mean, deviation = x.mean(dim=2, keepdim=True), x.std(dim=2, keepdim=True, correction=0)
        seen = torch.cat([x, mean.expand_as(x), deviation.expand_as(x)], dim=1)
        weights = self.conv(self.tdnn(seen).tanh()).softmax(dim=2)
        mean = (weights * x).sum(dim=2, keepdim=True)
        variance = (weights * (x - mean) ** 2).sum(dim=2, keepdim=True)
        return torch.cat([mean, variance.clamp(min=1e-12).sqrt()], dim=1)


class Net(nn.Module):
    def __init__(self, *, context: bool = True) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Layer(20, 16, 5), *(Block(16, dilation) for dilation in (2, 3, 4))])
        self.mfa, self.asp = Layer(48, 48), Pool(48, context=context)
        self.asp_bn, self.fc = Wrapped("norm", nn.BatchNorm1d(96)), conv(96, 6)

    def forward(self, features: Tensor) -> Tensor:
        outputs = [features.mT]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        return self.fc(self.asp_bn(self.asp(self.mfa(torch.cat(outputs[2:], dim=1)))))


def test_embeddings_are_those_of_its_layers(settled: Callable, largest_difference: Callable):
    reference = settled(Net())
    imported = speechbrain_ecapa(reference.state_dict())
    assert imported.sizes["reading"] == "speechbrain"
    assert largest_difference(imported, reference) < 1e-5


@pytest.mark.slow
def test_embeddings_are_those_of_the_package(settled: Callable, largest_difference: Callable):
    """The published sizes: 20.8 M parameters."""
    package = pytest.importorskip("speechbrain.lobes.models.ECAPA_TDNN")
    sizes = {"channels": [1024, 1024, 1024, 1024, 3072], "attention_channels": 128, "lin_neurons": 192}
    reference = settled(package.ECAPA_TDNN(80, **sizes))
    imported = speechbrain_ecapa(reference.state_dict())
    assert imported.sizes["mfa_channels"] == 3072
    assert largest_difference(imported, reference) < 1e-4


def test_attention_on_frames_alone_is_refused():
    with pytest.raises(ValueError, match=r"the attention must see the utterance"):
        speechbrain_ecapa(Net(context=False).state_dict())


def test_a_shortcut_between_widths_is_refused():
    weights = Net().state_dict() | {"blocks.1.shortcut.conv.weight": torch.zeros(16, 16, 1)}
    with pytest.raises(ValueError, match=r"another layout: got 1 such as blocks\.1\.shortcut\.conv\.weight"):
        speechbrain_ecapa(weights)


@torch.inference_mode()
def test_a_shorter_utterance_is_mirrored_at_its_own_end(settled: Callable):
    model = speechbrain_ecapa(settled(Net()).state_dict()).build()
    features = torch.randn(3, 40, 20, generator=torch.Generator().manual_seed(2))
    num_frames = torch.tensor([40, 39, 21])
    together = model(features, num_frames)
    for index, frames in enumerate(num_frames):
        torch.testing.assert_close(
            together[index], model(features[index : index + 1, :frames])[0], rtol=1e-4, atol=1e-5
        )
