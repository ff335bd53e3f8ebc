"""Heads that tell the training speakers apart: one direction, or several, for each."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.losses.whole_batch import BatchLoss


class SpeakerClassifier(BatchLoss, ABC):
    """What the classification losses share: weights, the speakers of a step, and the mean over a batch.

    Everything is computed in float32 or wider, under autocast too. Calling it returns the loss, a scalar, and
    ``correct``, bool ``[batch]``: whether the speaker is more similar than any other that was compared.

    Parameters
    ----------
    embedding_dim : int
        Values per embedding.
    num_speakers : int
        Number of training speakers.
    num_subcenters : int
        Directions per speaker, of which the nearest counts.
    sample_rate : float
        Share of the speakers, above 0 up to 1, that a training step compares with: those of the batch and others at
        random, as many as examples at least, on each worker others. What the others weigh is left as it is by the loss
        (their gradient is 0), and products and logits shrink to this share; the gradient and the optimiser's state keep
        their full size. At 1, or in evaluation, all are compared.
    balance : float
        Makes up for speakers with few utterances, 0 to 1: the beta of the effective number of samples. 0 weighs all
        examples alike, 1 in inverse proportion to their speaker's utterances.

    Raises
    ------
    ValueError
        If there is one speaker, or ``sample_rate`` or ``balance`` is out of range.

    References
    ----------
    An et al., "Killing Two Birds with One Stone: Efficient and Robust Training of Face Recognition CNNs by Partial
    FC", CVPR 2022, section 3.3, https://arxiv.org/abs/2203.15565 (sampled negatives). Cui et al., "Class-Balanced
    Loss Based on Effective Number of Samples", CVPR 2019, Eq. 5, https://arxiv.org/abs/1901.05555.
    """

    speaker_weights: Tensor | None

    def __init__(
        self, *, embedding_dim: int, num_speakers: int, num_subcenters: int, sample_rate: float, balance: float
    ) -> None:
        super().__init__()
        if num_speakers < 2:
            raise ValueError(
                f"nobody to tell a speaker from: got num_speakers={num_speakers}, expected at least 2. At loss. Train "
                "on more speakers."
            )
        if not 0 < sample_rate <= 1:
            raise ValueError(
                f"a step compares with a share of the speakers: got sample_rate={sample_rate}, expected above 0 up to "
                "1. At loss.sample_rate. 1 compares with all, 0.1 suits 100,000 speakers and more."
            )
        if not 0 <= balance <= 1:
            raise ValueError(
                f"the balance of speakers is a share: got balance={balance}, expected 0 to 1. At loss.balance. "
                "0 weighs all examples alike, 1 all speakers alike."
            )
        self.num_speakers, self.num_subcenters = num_speakers, num_subcenters
        self.sample_rate, self.balance = sample_rate, balance
        self.weight = nn.Parameter(torch.empty(num_speakers * num_subcenters, embedding_dim))
        nn.init.xavier_uniform_(self.weight)
        self.register_buffer("speaker_weights", None, persistent=False)

    def weigh(self, utterances: Tensor) -> None:
        """Weigh the examples by the number of utterances ``[num_speakers]`` of their speakers; see ``balance``."""
        assert utterances.shape == (self.num_speakers,), f"counts of {len(utterances)} speakers"
        if self.balance:
            self.speaker_weights = effective_number(utterances, self.balance).reciprocal().to(self.weight.device)

    def forward(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss and which examples were recognised.

        Parameters
        ----------
        embeddings : Tensor
            ``[batch, embedding_dim]``, of any length.
        speakers : Tensor
            ``[batch]`` int64, each in 0 ... ``num_speakers - 1``.

        Returns
        -------
        loss
            Scalar: the mean over the batch, weighted if speakers are; on several workers each one's part of it, see
            `avis.losses.whole_batch`.
        correct
            ``[batch]`` bool, regardless of any margin.

        Raises
        ------
        ValueError
            If a speaker is out of range.
        """
        self.check_on_cpu(speakers)
        with torch.autocast(embeddings.device.type, enabled=False):
            sample, target = self._sample(speakers)
            similarities = self.similarities(embeddings, sample)
            loss = self._mean(self.losses(similarities, target), speakers)
        return loss, similarities.detach().argmax(dim=1) == target

    @abstractmethod
    def similarities(self, embeddings: Tensor, sample: Tensor | None = None) -> Tensor:
        """Return ``[batch, speakers]``: the similarity with all speakers, or with a sample ``[speakers]`` of them."""

    @abstractmethod
    def losses(self, similarities: Tensor, target: Tensor) -> Tensor:
        """Return each example's loss ``[batch]``; ``target`` ``[batch]`` is the column of its speaker."""

    def _weights(self, sample: Tensor | None) -> Tensor:
        weight = self.weight.to(torch.promote_types(self.weight.dtype, torch.float32))
        return weight if sample is None else weight.unflatten(0, (self.num_speakers, -1))[sample].flatten(0, 1)

    def _sample(self, speakers: Tensor) -> tuple[Tensor | None, Tensor]:
        """Draw the speakers to compare with, and return where those of the batch are among them."""
        if self.sample_rate == 1 or not self.training:
            return None, speakers
        num = min(self.num_speakers, max(len(speakers), round(self.sample_rate * self.num_speakers)))
        generator = self.whole.generator("classes", speakers.device, alike=False)
        order = torch.rand(self.num_speakers, device=speakers.device, generator=generator)
        order.index_fill_(0, speakers, 2.0)
        sample = order.topk(num).indices.sort().values
        return sample, torch.searchsorted(sample, speakers)

    def _mean(self, losses: Tensor, speakers: Tensor) -> Tensor:
        weights = None if self.speaker_weights is None else self.speaker_weights[speakers].to(losses.dtype)
        return self.whole.mean(losses, weights)

    def check(self, speakers: Tensor) -> None:
        """Refuse speakers ``[batch]``, on the CPU, that have no class."""
        lowest, highest = torch.stack(torch.aminmax(speakers)).tolist()
        if lowest < 0 or highest >= self.num_speakers:
            raise ValueError(
                f"a speaker is not one of the loss's classes: got speakers={lowest} ... {highest}, expected 0 ... "
                f"{self.num_speakers - 1}. At loss.num_speakers. Build the loss with the number of training speakers."
            )


class CosineClassifier(SpeakerClassifier):
    """A classifier by the cosine with a speaker's nearest direction."""

    def similarities(self, embeddings: Tensor, sample: Tensor | None = None) -> Tensor:
        """Return the cosines ``[batch, speakers]``."""
        weights = functional.normalize(self._weights(sample))
        cosines = functional.linear(functional.normalize(embeddings.to(weights.dtype)), weights)
        if self.num_subcenters == 1:
            return cosines
        return cosines.unflatten(1, (-1, self.num_subcenters)).amax(dim=2)


def weigh_speakers(loss: nn.Module, utterances: Tensor) -> None:
    """Let every classifier within a loss know the number of utterances ``[num_speakers]`` of each speaker."""
    for part in loss.modules():
        if isinstance(part, SpeakerClassifier):
            part.weigh(utterances)


def margin_cross_entropy(cosines: Tensor, moved: Tensor, target: Tensor, scale: float) -> Tensor:
    """Return ``[batch]``: cross entropy of scaled cosines, the target's ``[batch, 1]`` being moved by a margin."""
    logits = scale * cosines.scatter(1, target.unsqueeze(1), moved)
    return functional.cross_entropy(logits, target, reduction="none")


def effective_number(utterances: Tensor, beta: float) -> Tensor:
    """Return the effective number of samples ``(1 - beta^n) / (1 - beta)``, ``n`` itself at a beta of 1.

    >>> effective_number(torch.tensor([1, 2, 3]), 0.5)
    tensor([1.0000, 1.5000, 1.7500])
    """
    counts = utterances.clamp(min=1).float()
    return counts if beta == 1 else (1 - beta**counts) / (1 - beta)
