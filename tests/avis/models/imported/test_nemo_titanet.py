"""NeMo's TitaNet: the same embeddings, and nothing imported that is not understood."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.models.imported.nemo_titanet import nemo_titanet

CHANNELS, TOP, MELS = 16, 24, 20


class Masked(nn.Module):
    """NeMo's convolutions, which keep a mask apart from the layer itself."""

    def __init__(self, before: int, after: int, taps: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(before, after, taps, padding=taps // 2, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Gates(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = channels // 8
        self.fc = nn.Sequential(
            nn.Linear(channels, narrow, bias=False), nn.ReLU(), nn.Linear(narrow, channels, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc(x.mean(dim=2)))[:, :, None]


class Block(nn.Module):
    def __init__(self, before: int, after: int, taps: int, repeat: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in [before, *[after] * (repeat - 1)]:
            if layers:
                layers += [nn.ReLU(), nn.Dropout(0.1)]
            layers += [Masked(width, width, taps, width), Masked(width, after), nn.BatchNorm1d(after, eps=1e-3)]
        self.mconv = nn.ModuleList([*layers, Gates(after)])
        beside = nn.ModuleList([Masked(before, after), nn.BatchNorm1d(after, eps=1e-3)])
        self.res = nn.ModuleList([beside]) if repeat > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.mconv:
            y = layer(y)
        if self.res is not None:
            y = y + self.res[0][1](self.res[0][0](x))
        return functional.relu(y)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        first = nn.Module()
        first.conv_layer, first.bn = nn.Conv1d(3 * TOP, 128, 1), nn.BatchNorm1d(128)
        self.attention_layer = nn.ModuleList([first, nn.Tanh(), nn.Conv1d(128, TOP, 1)])

    def forward(self, x: Tensor) -> Tensor:
        mean, deviation = self.statistics(x, torch.full_like(x, 1 / x.shape[2]))
        first, tanh, last = self.attention_layer
        seen = torch.cat([x, mean.expand_as(x), deviation.expand_as(x)], dim=1)
        weights = last(tanh(first.bn(functional.relu(first.conv_layer(seen))))).softmax(dim=2)
        return torch.cat(self.statistics(x, weights), dim=1)

    @staticmethod
    def statistics(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        mean = (weights * x).sum(dim=2, keepdim=True)
        return mean, (weights * (x - mean) ** 2).sum(dim=2, keepdim=True).clamp(min=1e-10).sqrt()


class Net(nn.Module):
    def __init__(self, mega_blocks: tuple[int, ...] = (7, 11, 15)) -> None:
        super().__init__()
        mega = [Block(CHANNELS, CHANNELS, taps, 3) for taps in mega_blocks]
        self.encoder, self.decoder = nn.Module(), nn.Module()
        self.encoder.encoder = nn.Sequential(Block(MELS, CHANNELS, 3, 1), *mega, Block(CHANNELS, TOP, 1, 1))
        self.decoder._pooling = Attention()
        layer = nn.Sequential(nn.BatchNorm1d(2 * TOP), nn.Conv1d(2 * TOP, 6, 1))
        self.decoder.emb_layers, self.decoder.final = nn.ModuleList([layer]), nn.Linear(6, 11, bias=False)
        featurizer = nn.Module()
        featurizer.register_buffer("window", torch.hann_window(400, periodic=False))
        featurizer.register_buffer("fb", torch.rand(1, MELS, 257, generator=torch.Generator().manual_seed(0)))
        self.preprocessor = nn.Module()
        self.preprocessor.featurizer = featurizer

    def forward(self, features: Tensor) -> Tensor:
        return self.decoder.emb_layers[0](self.decoder._pooling(self.encoder.encoder(features.mT)))


def test_embeddings_are_the_same(settled: Callable, largest_difference: Callable):
    """Channels that never fire are among those pooled: their deviation is NeMo's floor."""
    reference = settled(Net())
    with torch.no_grad():
        reference.encoder.encoder[4].mconv[2].bias[:5] = -20.0
        reference.decoder.emb_layers[0][0].running_var[TOP : TOP + 5] = 1e-8
    imported = nemo_titanet(reference.state_dict())
    sizes = {"num_mels": MELS, "channels": CHANNELS, "epilog_channels": TOP, "dropout": 0.1, "embedding_dim": 6}
    assert imported.sizes == sizes
    assert largest_difference(imported, reference) < 1e-5


def test_the_front_ends_constants_are_kept_to_be_compared():
    weights = Net().state_dict()
    front_end = nemo_titanet(weights).front_end
    torch.testing.assert_close(front_end["window"], torch.hann_window(400, periodic=False))
    torch.testing.assert_close(front_end["filters"], weights["preprocessor.featurizer.fb"][0].T)
    alone = {key: value for key, value in weights.items() if not key.startswith("preprocessor.")}
    assert nemo_titanet(alone).front_end == {}


@pytest.mark.parametrize(
    ("mega_blocks", "message"),
    [
        ((7, 11), r"keys of another layout: got 2 such as encoder\.encoder\.3\.mconv\.3\.fc\.0\.weight"),
        ((7, 11, 15, 19), r"keys of another layout: got \d+ such as encoder\.encoder\.4\.mconv\.10"),
        ((7, 11, 13), r"weights have another shape: got 3 such as blocks\.3\.convs\.0\.depthwise\.weight"),
    ],
)
def test_another_encoder_is_refused(mega_blocks: tuple[int, ...], message: str):
    with pytest.raises(ValueError, match=message):
        nemo_titanet(Net(mega_blocks).state_dict()).build()


def test_statistics_without_attention_are_refused():
    weights = {key: value for key, value in Net().state_dict().items() if "_pooling" not in key}
    with pytest.raises(ValueError, match=r"weights are missing: got 1 such as pooling\.joined\.weight"):
        nemo_titanet(weights)
