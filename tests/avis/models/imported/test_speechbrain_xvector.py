"""SpeechBrain's x-vector against the package itself, and against its layers as restated here."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from avis.models.imported.speechbrain_xvector import speechbrain_xvector

KERNELS = [(5, 1), (3, 2), (3, 3), (1, 1), (1, 1)]
WIDTHS = [16, 16, 16, 16, 20]


class Wrapped(nn.Module):
    def __init__(self, name: str, layer: nn.Module) -> None:
        super().__init__()
        self.add_module(name, layer)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self, self.name)(x)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks, before = nn.ModuleList(), 24
        for (taps, dilation), width in zip(KERNELS, WIDTHS, strict=True):
            span = dilation * (taps // 2)
            conv = nn.Conv1d(before, width, taps, dilation=dilation, padding=span, padding_mode="reflect")
            self.blocks.extend([Wrapped("conv", conv), nn.LeakyReLU(), Wrapped("norm", nn.BatchNorm1d(width))])
            before = width
        self.blocks.extend([nn.Identity(), Wrapped("w", nn.Linear(2 * before, 6))])

    def forward(self, features: Tensor) -> Tensor:
        x = features.mT
        for block in self.blocks[:-2]:
            x = block(x)
        noise = torch.linspace(1e-5, 9e-5, x.shape[1])
        return self.blocks[-1](torch.cat([x.mean(dim=2) + noise, x.std(dim=2) + 1e-5], dim=1))


def test_embeddings_are_those_of_its_layers(settled: Callable, largest_difference: Callable):
    reference = settled(Net())
    imported = speechbrain_xvector(reference.state_dict())
    assert imported.sizes["pooled_channels"] == 20
    assert largest_difference(imported, reference) < 1e-4


def test_the_file_is_imported_with_its_features(settled: Callable, difference_as_imported: Callable):
    reference = settled(Net())
    assert difference_as_imported("speechbrain_xvector", reference.state_dict(), reference) < 1e-4


@pytest.mark.slow
def test_embeddings_are_those_of_the_package(settled: Callable, largest_difference: Callable):
    """The published sizes: those of spkrec-xvect-voxceleb."""
    package = pytest.importorskip("speechbrain.lobes.models.Xvector")
    torch.manual_seed(0)
    reference = settled(package.Xvector(in_channels=24))
    imported = speechbrain_xvector(reference.state_dict())
    assert imported.sizes["pooled_channels"] == 1500
    assert largest_difference(imported, reference) < 1e-4


@torch.inference_mode()
def test_what_is_added_to_deviations_is_in_the_bias(settled: Callable):
    """Of silence, whose deviations are the floor, 1e-4, and what is added to it."""
    weights = settled(Net()).state_dict()
    matrix = weights["blocks.16.w.weight"]
    matrix[:, :20] = 0
    deviation = 1e-4 * (60 / 59) ** 0.5 + 1e-5
    expected = weights["blocks.16.w.bias"] + deviation * matrix.sum(dim=1)
    torch.testing.assert_close(speechbrain_xvector(weights).build()(torch.zeros(1, 60, 24))[0], expected)


def test_another_depth_is_refused():
    weights = Net().state_dict() | {"blocks.18.w.weight": torch.zeros(6, 6)}
    with pytest.raises(ValueError, match=r"another layout: got 1 such as blocks\.18\.w\.weight"):
        speechbrain_xvector(weights)
