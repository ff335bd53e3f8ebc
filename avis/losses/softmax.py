"""Plain softmax over a linear layer."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.losses.classifier import SpeakerClassifier


class Softmax(SpeakerClassifier):
    """Cross entropy of a linear layer with a bias: the length of an embedding counts.

    Parameters
    ----------
    embedding_dim, num_speakers, sample_rate, balance
        See `avis.losses.classifier.SpeakerClassifier`.
    """

    def __init__(self, *, embedding_dim: int, num_speakers: int, sample_rate: float, balance: float) -> None:
        super().__init__(
            embedding_dim=embedding_dim,
            num_speakers=num_speakers,
            num_subcenters=1,
            sample_rate=sample_rate,
            balance=balance,
        )
        self.bias = nn.Parameter(torch.zeros(num_speakers))

    def similarities(self, embeddings: Tensor, sample: Tensor | None = None) -> Tensor:
        """Return the logits ``[batch, speakers]``."""
        weights = self._weights(sample)
        bias = self.bias if sample is None else self.bias[sample]
        return functional.linear(embeddings.to(weights.dtype), weights, bias.to(weights.dtype))

    def losses(self, similarities: Tensor, target: Tensor) -> Tensor:
        """Return each example's cross entropy ``[batch]``."""
        return functional.cross_entropy(similarities, target, reduction="none")
