"""Read all layers of a self-supervised model through an adapter each, and pool them together."""

import torch
from torch import Tensor, nn

from avis.models.blocks import check_features
from avis.models.pooled import PooledModel
from avis.models.pooling import AttentiveStatisticsPooling

ATTENTION_CHANNELS = 128


class AdapterMfa(PooledModel):
    """Multi-layer feature aggregation with layer adapters, over `avis.features.self_supervised_layers`.

    Each layer's frames go through an adapter of its own: linear, layer normalisation, ReLU, linear. What comes out of
    all is pooled with attentive statistics, whose attention sees the frame alone, and mapped to the embedding.

    Training needs two or more utterances in a batch, and the attention's batch normalisation counts padded frames too.

    Parameters
    ----------
    num_mels : int
        Features per frame: those of all layers, one layer after the other.
    num_layers : int
        Layers in them (25 for W2V-BERT 2.0).
    adapter_channels : int
        Values per frame that an adapter makes of its layer (128).
    embedding_dim : int
        Values per embedding (256).

    Raises
    ------
    ValueError
        If ``num_mels`` is not a multiple of ``num_layers``.

    References
    ----------
    Li et al., "Enhancing speaker verification with w2v-BERT 2.0 and knowledge distillation guided structured pruning",
    2025, https://arxiv.org/abs/2510.04213. Layers: ZXHY-82/w2v-BERT-2.0_SV, ``recipes/DeepASV/local/spk_model.py``
    (``Audio2Vec_based_Adapter``), and wenet-e2e/wespeaker, ``wespeaker/models/w2vbert_adapter_mfa.py``; the pooling
    ``ASP`` as in ``wespeaker/models/pooling_layers.py``.

    Examples
    --------
    >>> AdapterMfa(num_mels=24, num_layers=3, adapter_channels=4, embedding_dim=5)(torch.zeros(2, 30, 24)).shape
    torch.Size([2, 5])
    """

    def __init__(self, *, num_mels: int, num_layers: int, adapter_channels: int, embedding_dim: int) -> None:
        super().__init__()
        if num_mels % num_layers:
            raise ValueError(
                f"layers must be of one width: got num_mels={num_mels} with num_layers={num_layers}, expected a "
                "multiple. At model.num_layers. Set it to one more than the self-supervised model has."
            )
        self.num_mels, self.num_layers = num_mels, num_layers
        self.embedding_dim = embedding_dim
        self.adapters = nn.ModuleList(
            nn.Sequential(
                nn.Linear(num_mels // num_layers, adapter_channels),
                nn.LayerNorm(adapter_channels),
                nn.ReLU(),
                nn.Linear(adapter_channels, adapter_channels),
            )
            for _ in range(num_layers)
        )
        channels = num_layers * adapter_channels
        self.pooling = AttentiveStatisticsPooling(
            channels, attention_channels=ATTENTION_CHANNELS, tanh=False, context=False
        )
        self.embedding = nn.Linear(2 * channels, embedding_dim)

    def pooled_frames(self, features: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return what is pooled, ``[batch, all adapters' channels, frames]``; see `PooledModel.pooled_frames`."""
        check_features(features, num_mels=self.num_mels)
        layers = features.chunk(self.num_layers, dim=2)
        adapted = [adapter(layer) for adapter, layer in zip(self.adapters, layers, strict=True)]
        return torch.cat(adapted, dim=2).transpose(1, 2), num_frames
