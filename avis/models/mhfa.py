"""Read all layers of a self-supervised model with multi-head factorised attentive pooling."""

import torch
from torch import Tensor, nn

from avis.models.blocks import check_features
from avis.models.frame_statistics import frame_weights
from avis.models.pooled import PooledModel
from avis.models.pooling import Pooling
from avis.models.precision import as_input


class FactorisedPooling(Pooling):
    """The mean of the same values under the weights of each head, whose logits come beside the values.

    Weights are float32 under autocast.

    Parameters
    ----------
    num_heads : int
        Logits per frame.
    channels : int
        Values per frame.

    Examples
    --------
    >>> FactorisedPooling(num_heads=2, channels=3)(torch.zeros(2, 2 + 3, 5)).shape
    torch.Size([2, 6])
    """

    def __init__(self, *, num_heads: int, channels: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.out_channels = num_heads * channels

    def forward(self, x: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Map ``[batch, num_heads + channels, frames]`` to ``[batch, num_heads * channels]``."""
        weights, values = self._split(x, num_frames)
        return as_input((weights @ values.mT).flatten(1), x)

    def contributions(self, x: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `Pooling.contributions`."""
        weights, values = self._split(x, num_frames)
        frames = (weights.unsqueeze(2) * values.unsqueeze(1)).flatten(1, 2)
        return frames, torch.zeros_like(frames[:, :, 0])

    def _split(self, x: Tensor, num_frames: Tensor | None) -> tuple[Tensor, Tensor]:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return frame_weights(wide[:, : self.num_heads], num_frames), wide[:, self.num_heads :]


class Mhfa(PooledModel):
    """Multi-head factorised attentive pooling, over `avis.features.self_supervised_layers`.

    Keys and values are two sums of the layers, each with weights of its own, mapped to fewer channels. From a frame's
    key every head has its weight; the weighted means of the values, one per head, are mapped to the embedding together.

    Parameters
    ----------
    num_mels : int
        Features per frame: those of all layers, one layer after the other.
    num_layers : int
        Layers in them (13 for WavLM Base).
    num_heads : int
        Weighted means (64).
    channels : int
        Of keys and values (128).
    embedding_dim : int
        Values per embedding (256).

    Raises
    ------
    ValueError
        If ``num_mels`` is not a multiple of ``num_layers``.

    References
    ----------
    Peng et al., "An attention-based backend allowing efficient fine-tuning of transformer models for speaker
    verification", SLT 2022, https://arxiv.org/abs/2210.01273. Layers and sizes: BUTSpeechFIT/wespeaker_ssl_public,
    ``wespeaker/models/ssl_backend.py`` and ``examples/voxceleb/v4/conf/MHFA``.

    Examples
    --------
    >>> sizes = dict(num_layers=3, num_heads=2, channels=4, embedding_dim=5)
    >>> Mhfa(num_mels=24, **sizes)(torch.zeros(2, 30, 24)).shape
    torch.Size([2, 5])
    """

    def __init__(self, *, num_mels: int, num_layers: int, num_heads: int, channels: int, embedding_dim: int) -> None:
        super().__init__()
        if num_mels % num_layers:
            raise ValueError(
                f"layers must be of one width: got num_mels={num_mels} with num_layers={num_layers}, expected a "
                "multiple. At model.num_layers. Set it to one more than the self-supervised model has."
            )
        self.num_mels, self.num_layers = num_mels, num_layers
        self.embedding_dim = embedding_dim
        self.key_weights = nn.Parameter(torch.zeros(num_layers))
        self.value_weights = nn.Parameter(torch.zeros(num_layers))
        self.key = nn.Linear(num_mels // num_layers, channels)
        self.value = nn.Linear(num_mels // num_layers, channels)
        self.heads = nn.Linear(channels, num_heads)
        self.pooling = FactorisedPooling(num_heads=num_heads, channels=channels)
        self.embedding = nn.Linear(self.pooling.out_channels, embedding_dim)

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, num_heads + channels, frames]``; see `PooledModel.pooled_frames`."""
        check_features(features, num_mels=self.num_mels)
        layers = features.unflatten(2, (self.num_layers, -1))
        keys, values = (
            linear(torch.einsum("btlc,l->btc", layers, weights.softmax(dim=0)))
            for linear, weights in ((self.key, self.key_weights), (self.value, self.value_weights))
        )
        return torch.cat([self.heads(keys), values], dim=2).transpose(1, 2), num_frames
