"""Models as ``configs/model`` has them, and narrow ones of every kind, which take milliseconds."""

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from avis.checkpoints import components
from avis.models.adapter_mfa import AdapterMfa
from avis.models.campplus import CamPlusPlus
from avis.models.df_resnet import GeminiDfResNet
from avis.models.ecapa_tdnn import EcapaTdnn
from avis.models.eres2net import ERes2Net
from avis.models.mfa_conformer import MfaConformer
from avis.models.mhfa import Mhfa
from avis.models.pooling import AttentiveStatisticsPooling, StatisticsPooling
from avis.models.posterior_pooling import PosteriorPooling
from avis.models.rawnet3 import RawNet3
from avis.models.redimnet import ReDimNet
from avis.models.redimnet2 import ReDimNet2
from avis.models.res2net import Res2Net
from avis.models.resnet import ResNet
from avis.models.resnet_preact import PreActResNet
from avis.models.resnet_se import ResNetSe34L, ResNetSe34V2
from avis.models.resnet_simam import SimAmResNet
from avis.models.ska_tdnn import SkaTdnn
from avis.models.titanet import TitaNet
from avis.models.xvector import XVector
from tests.compositions import composed

NUM_MELS = 24
SHIFT_SAMPLES = 160
NARROW: dict[str, tuple[type[nn.Module], dict[str, Any]]] = {
    "adapter_mfa": (AdapterMfa, {"num_layers": 4, "adapter_channels": 5, "embedding_dim": 8}),
    "mhfa": (Mhfa, {"num_layers": 4, "num_heads": 3, "channels": 5, "embedding_dim": 8}),
    "ecapa_tdnn": (
        EcapaTdnn,
        {
            "channels": 16,
            "embedding_dim": 8,
            "mfa_channels": 24,
            "pooling": partial(AttentiveStatisticsPooling, attention_channels=8),
            "se_channels": 8,
            "scale": 4,
            "stride": 1,
        },
    ),
    "rawnet3": (
        RawNet3,
        {
            "sample_rate": 16000,
            "channels": 32,
            "embedding_dim": 8,
            "mfa_channels": 24,
            "attention_channels": 8,
            "scale": 4,
        },
    ),
    "resnet": (
        ResNet,
        {"pooling": StatisticsPooling, "channels": 4, "depths": [1, 1, 1, 1], "bottleneck": False, "embedding_dim": 8},
    ),
    "resnet_bottleneck": (
        ResNet,
        {"pooling": StatisticsPooling, "channels": 4, "depths": [1, 2, 1, 1], "bottleneck": True, "embedding_dim": 8},
    ),
    "resnet_se34_l": (ResNetSe34L, {"channels": 8, "embedding_dim": 8}),
    "resnet_se34_v2": (ResNetSe34V2, {"channels": 8, "embedding_dim": 8}),
    "preact_resnet": (PreActResNet, {"channels": [4, 4, 8, 8], "depths": [1, 2, 1, 1], "embedding_dim": 8}),
    "simam_resnet": (SimAmResNet, {"channels": 4, "depths": [1, 1, 1, 1], "embedding_dim": 8}),
    "res2net": (
        Res2Net,
        {"channels": 8, "depths": [1, 2, 1, 1], "base_width": 32, "scale": 4, "embedding_dim": 8},
    ),
    "eres2net": (
        ERes2Net,
        {
            "channels": 8,
            "depths": [1, 2, 1, 1],
            "base_width": 32,
            "scale": 2,
            "num_fused_stages": 4,
            "embedding_dim": 8,
        },
    ),
    "eres2net_v2": (
        ERes2Net,
        {
            "channels": 8,
            "depths": [1, 1, 1, 1],
            "base_width": 26,
            "scale": 2,
            "num_fused_stages": 2,
            "embedding_dim": 8,
        },
    ),
    "gemini_df_resnet": (GeminiDfResNet, {"channels": 4, "depths": [1, 2, 1, 1], "embedding_dim": 8}),
    "redimnet": (
        ReDimNet,
        {
            "channels": 8,
            "stages": [[1, 1, 1, 0], [2, 1, 2, 8], [3, 1, 1, 8]],
            "block": "gated_resnet",
            "group_size": 4,
            "context": True,
            "embedding_dim": 8,
        },
    ),
    "redimnet_convnext": (
        ReDimNet,
        {
            "channels": 4,
            "stages": [[1, 1, 2, 12], [2, 2, 1, 0]],
            "block": "convnext",
            "group_size": 1,
            "context": False,
            "embedding_dim": 8,
        },
    ),
    "redimnet2": (
        ReDimNet2,
        {
            "channels": 8,
            "stages": [[1, 1, 1, 2, 8], [2, 2, 1, 1, 8], [3, 2, 1, 0.5, 8]],
            "head_channels": 5,
            "embedding_dim": 8,
        },
    ),
    "campplus": (CamPlusPlus, {"head_channels": 2, "channels": 16, "growth": 4, "embedding_dim": 8}),
    "mfa_conformer": (
        MfaConformer,
        {
            "channels": 8,
            "num_blocks": 2,
            "num_heads": 2,
            "hidden_channels": 16,
            "kernel_size": 5,
            "dropout": 0.1,
            "embedding_dim": 8,
        },
    ),
    "ska_tdnn": (
        SkaTdnn,
        {
            "front_channels": 2,
            "channels": 16,
            "embedding_dim": 8,
            "mfa_channels": 24,
            "attention_channels": 8,
            "se_channels": 8,
            "scale": 4,
        },
    ),
    "titanet": (TitaNet, {"channels": 16, "epilog_channels": 24, "dropout": 0.1, "embedding_dim": 8}),
    "xvector": (
        XVector,
        {
            "channels": 8,
            "pooled_channels": 12,
            "pooling": StatisticsPooling,
            "num_segment_layers": 1,
            "embedding_dim": 8,
        },
    ),
    "wespeaker_xvector": (
        XVector,
        {
            "channels": 8,
            "pooled_channels": 12,
            "pooling": StatisticsPooling,
            "num_segment_layers": 2,
            "embedding_dim": 8,
            "reading": "wespeaker",
        },
    ),
    "xi_vector": (
        XVector,
        {
            "channels": 8,
            "pooled_channels": 12,
            "pooling": partial(PosteriorPooling, hidden_channels=8),
            "num_segment_layers": 2,
            "embedding_dim": 8,
        },
    ),
}
LONG_TO_TRACE = {
    "adapter_mfa",
    "rawnet3",
    "resnet_bottleneck",
    "simam_resnet",
    "ska_tdnn",
    "titanet",
    "preact_resnet",
    "resnet_se34_l",
    "resnet_se34_v2",
    "res2net",
    "eres2net",
    "eres2net_v2",
    "gemini_df_resnet",
    "redimnet",
    "redimnet_convnext",
    "redimnet2",
    "campplus",
}
"""Models that take seconds to trace, or for ten minutes of features."""


@functools.cache
def _trained(name: str) -> nn.Module:
    """Return a model whose statistics of batch normalisation are not 0 and 1, in evaluation mode."""
    model = Narrow(name).build()
    for _ in range(3):
        model(Narrow(name).noise(8, 100))
    return model.eval()


@dataclass(frozen=True)
class Narrow:
    """Builds the model of this name in `NARROW` and features for it."""

    name: str

    @property
    def hears_waveforms(self) -> bool:
        return self.name == "rawnet3"

    @property
    def time_is_quadratic(self) -> bool:
        return self.name in {"mfa_conformer", "redimnet", "redimnet_convnext", "redimnet2"}

    @property
    def has_blocks(self) -> bool:
        """Whether there are blocks to compute again; models of another model's layers leave them to that."""
        return self.name not in {"adapter_mfa", "mhfa"}

    def build(self) -> nn.Module:
        torch.manual_seed(0)
        kind, sizes = NARROW[self.name]
        return kind(**sizes) if self.hears_waveforms else kind(num_mels=NUM_MELS, **sizes)

    def trained(self) -> nn.Module:
        """Return a model in evaluation mode, with statistics of batch normalisation that are not 0 and 1."""
        model = copy.deepcopy(_trained(self.name))
        torch.manual_seed(1)
        return model

    def noise(self, batch: int, frames: int) -> torch.Tensor:
        """Return random features of as many frames, or a waveform of their length."""
        return torch.randn(batch, *((frames * SHIFT_SAMPLES, 1) if self.hears_waveforms else (frames, NUM_MELS)))


@pytest.fixture(params=NARROW)
def narrow(request: pytest.FixtureRequest) -> Narrow:
    """Return the builder of one narrow model; each of them in turn."""
    return Narrow(request.param)


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.slow) if name in LONG_TO_TRACE else name for name in NARROW]
)
def narrow_or_slow(request: pytest.FixtureRequest) -> Narrow:
    """Return what `narrow` does, for tests which are slow with some models."""
    return Narrow(request.param)


@pytest.fixture(params=[name for name in NARROW if Narrow(name).has_blocks])
def narrow_with_blocks(request: pytest.FixtureRequest) -> Narrow:
    """Return the builder of one narrow model that has blocks; each of them in turn."""
    return Narrow(request.param)


@pytest.fixture
def every_narrow() -> list[Narrow]:
    """Return the builders of all narrow models."""
    return [Narrow(name) for name in NARROW]


@pytest.fixture
def build_choice() -> Callable[..., nn.Module]:
    """Return a function that builds a choice for a number of mels, with its own pooling, but without weights."""

    def build(choice: str, *, num_mels: int) -> nn.Module:
        tree = composed(None, "+sharding=default", "+features=fbank_80", f"+model={choice}")  # some choose features
        values = OmegaConf.to_container(tree.model, resolve=True)
        with torch.device("meta"):
            return components.build({**values, "num_mels": num_mels})

    return build
