"""RawNet3 of voxceleb_trainer: the same embeddings of waveforms."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.imported.voxceleb_trainer_rawnet3 import voxceleb_trainer_rawnet3

CHANNELS, MFA, SCALE = 16, 24, 4


class Emphasis(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("flipped_filter", torch.tensor([[[-0.97, 1.0]]], dtype=torch.float64))

    def forward(self, waveforms: Tensor) -> Tensor:
        return functional.conv1d(functional.pad(waveforms[:, None], (1, 0), "reflect"), self.flipped_filter)


class Filters(nn.Module):
    """asteroid's ``ParamSincFB``: the left half of each filter, its middle, and the half mirrored."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.low_hz_ = nn.Parameter(torch.linspace(30, 6000, number // 2)[:, None])
        self.band_hz_ = nn.Parameter(torch.linspace(50, 900, number // 2)[:, None])
        self.register_buffer("window_", torch.hamming_window(251, periodic=False, dtype=torch.float64)[:125])
        self.register_buffer("n_", 2 * torch.pi * torch.arange(-125.0, 0.0, dtype=torch.float64)[None] / 16000)

    def forward(self) -> Tensor:
        low = 50 + self.low_hz_.abs()
        high = (low + 50 + self.band_hz_.abs()).clamp(50, 8000)
        even = ((high @ self.n_).sin() - (low @ self.n_).sin()) / (self.n_ / 2) * self.window_
        odd = ((low @ self.n_).cos() - (high @ self.n_).cos()) / (self.n_ / 2) * self.window_
        cosines = torch.cat([even, 2 * (high - low), even.flip(1)], dim=1)
        sines = torch.cat([odd, torch.zeros_like(low), -odd.flip(1)], dim=1)
        return torch.cat([cosines / (2 * (high - low)), sines / (2 * (high - low))])[:, None]


class Encoder(nn.Module):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.filterbank = Filters(number)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv1d(x, self.filterbank(), stride=10)


class Scaling(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha, self.fc = nn.Parameter(torch.ones(channels, 1)), nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.alpha) * self.fc(x.mean(dim=2)).sigmoid()[:, :, None]


class Block(nn.Module):
    """The last group passes unchanged."""

    def __init__(self, before: int, dilation: int, pool: int) -> None:
        super().__init__()
        width = CHANNELS // SCALE
        convs = [nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation) for _ in range(SCALE - 1)]
        self.conv1, self.bn1 = nn.Conv1d(before, CHANNELS, 1), nn.BatchNorm1d(CHANNELS)
        self.convs, self.bns = nn.ModuleList(convs), nn.ModuleList(nn.BatchNorm1d(width) for _ in convs)
        self.conv3, self.bn3 = nn.Conv1d(CHANNELS, CHANNELS, 1), nn.BatchNorm1d(CHANNELS)
        self.mp, self.afms = nn.MaxPool1d(pool), Scaling(CHANNELS)
        projection = nn.Sequential(nn.Conv1d(before, CHANNELS, 1, bias=False))
        self.residual = nn.Identity() if before == CHANNELS else projection

    def forward(self, x: Tensor) -> Tensor:
        *parts, last = self.bn1(self.conv1(x).relu()).chunk(SCALE, dim=1)
        outputs: list[Tensor] = []
        for part, conv, norm in zip(parts, self.convs, self.bns, strict=True):
            outputs.append(norm(conv(part + outputs[-1] if outputs else part).relu()))
        y = self.bn3(self.conv3(torch.cat([*outputs, last], dim=1)).relu())
        return self.afms(self.mp(y + self.residual(x)))


class Net(nn.Module):
    """With the two normalisations that it does not use."""

    def __init__(self) -> None:
        super().__init__()
        number = CHANNELS // 4
        self.preprocess = nn.Sequential(Emphasis(), nn.InstanceNorm1d(1, eps=1e-4, affine=True))
        self.conv1, self.bn1 = Encoder(number), nn.BatchNorm1d(number)
        self.layer1, self.layer2, self.layer3 = Block(number, 2, 5), Block(CHANNELS, 3, 3), Block(CHANNELS, 4, 1)
        self.layer4 = nn.Conv1d(3 * CHANNELS, MFA, 1)
        layers = nn.Conv1d(3 * MFA, 7, 1), nn.ReLU(), nn.BatchNorm1d(7), nn.Conv1d(7, MFA, 1), nn.Softmax(dim=2)
        self.attention = nn.Sequential(*layers)
        self.bn5, self.fc6, self.bn6 = nn.BatchNorm1d(2 * MFA), nn.Linear(2 * MFA, 6), nn.BatchNorm1d(6)

    def forward(self, waveforms: Tensor) -> Tensor:
        logs = (self.conv1(self.preprocess(waveforms)).abs() + 1e-6).log()
        early = self.layer1(logs - logs.mean(dim=2, keepdim=True))
        middle, pooled = self.layer2(early), functional.max_pool1d(early, 3)
        late = self.layer3(pooled + middle)
        x = self.layer4(torch.cat([pooled, middle, late], dim=1)).relu()
        mean, deviation = x.mean(dim=2, keepdim=True), x.var(dim=2, keepdim=True).clamp(1e-4, 1e4).sqrt()
        weights = self.attention(torch.cat([x, mean.expand_as(x), deviation.expand_as(x)], dim=1))
        mean = (weights * x).sum(dim=2)
        deviation = ((weights * x**2).sum(dim=2) - mean**2).clamp(1e-4, 1e4).sqrt()
        return self.fc6(self.bn5(torch.cat([mean, deviation], dim=1)))


@pytest.fixture
def reference(settled: Callable) -> nn.Module:
    net = Net()
    bands = {name: value.detach().clone() for name, value in net.conv1.filterbank.named_parameters()}
    constants = {name: value.clone() for name, value in net.named_buffers() if "filter" in name}
    settled(net).load_state_dict({f"conv1.filterbank.{k}": v for k, v in bands.items()} | constants, strict=False)
    return net


def saved(model: nn.Module) -> dict[str, Tensor]:
    return {f"__S__.{key}": value for key, value in model.state_dict().items()} | {"__L__.weight": torch.zeros(11, 6)}


@torch.inference_mode()
@pytest.mark.parametrize("num_samples", [2000, 16000])
def test_embeddings_are_the_same(reference: nn.Module, num_samples: int):
    """In double precision, constants too: logarithms of filters' outputs around zero have few digits in single."""
    waveforms = 0.1 * torch.randn(2, num_samples, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    imported = voxceleb_trainer_rawnet3(saved(reference))
    assert imported.sizes == {
        "sample_rate": 16000,
        "channels": CHANNELS,
        "embedding_dim": 6,
        "mfa_channels": MFA,
        "attention_channels": 7,
        "scale": SCALE,
    }
    expected = reference.double()(waveforms)
    model = imported.build().double()
    model.filters.times = torch.arange(-125, 126, dtype=torch.float64) / 16000
    model.filters.window = torch.hamming_window(251, periodic=False, dtype=torch.float64)
    difference = (model(waveforms[:, :, None]) - expected).abs().max() / expected.abs().max()
    assert difference < 1e-4


def test_the_published_file_is_imported_with_its_features(reference: nn.Module, difference_as_imported: Callable):
    """With the state of the optimiser beside the model's; in single precision, see above."""
    optimiser = torch.optim.Adam(reference.parameters())
    file = {"model": reference.state_dict(), "optimizer": optimiser.state_dict()}
    assert difference_as_imported("voxceleb_trainer_rawnet3", file, reference.float()) < 1e-2


def test_an_attention_of_one_weight_per_frame_is_refused(reference: nn.Module):
    """``encoder_type`` ASP."""
    weights = saved(reference)
    for name in ("weight", "bias"):
        weights[f"__S__.attention.3.{name}"] = weights[f"__S__.attention.3.{name}"][:1]
    with pytest.raises(ValueError, match="got 72 channels of 1, expected one or three times as many"):
        voxceleb_trainer_rawnet3(weights)


def test_another_layout_is_refused(reference: nn.Module):
    with pytest.raises(ValueError, match=r"another layout: got 1 such as layer5\.weight"):
        voxceleb_trainer_rawnet3(saved(reference) | {"__S__.layer5.weight": torch.zeros(1)})
