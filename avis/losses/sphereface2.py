"""SphereFace2: a binary decision for each speaker, in place of a softmax over them."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.losses.classifier import CosineClassifier
from avis.losses.margin import ScheduledMargin, widen_angle

POSITIVE_SHARE = 0.7
"""Weight of the speaker's own decision (lambda), against 1 - lambda of all others."""
EXPONENT = 3
"""Of the adjustment ``g`` (t): the larger, the more of a cosine's range lies near -1."""


class SphereFace2(CosineClassifier):
    """Sum of binary cross entropies over the speakers, of adjusted and scaled cosines with a learned bias.

    With ``g(z) = 2 ((z + 1) / 2)^t - 1`` the logit of a pair is ``scale * g(cos) + bias``, after the margin: a
    `margin_type` of ``C`` lowers ``g`` by the margin for the own speaker and raises it for the others; ``A`` widens
    and narrows the angle by it. No speaker's decision needs the others' logits.

    Parameters
    ----------
    embedding_dim, num_speakers, sample_rate, balance
        See `avis.losses.classifier.SpeakerClassifier`.
    scale : float
        Factor on the adjusted cosines (``r`` in the paper).
    margin : float
        At its full height: of the adjusted cosine, 0 to 1 (type C), or an angle in radians, 0 to pi/2 (type A).
    margin_type : {"A", "C"}
        ``C`` as in CosFace, ``A`` as in ArcFace.

    Raises
    ------
    ValueError
        If ``margin`` is out of range.

    References
    ----------
    Wen et al., "SphereFace2: Binary Classification is All You Need for Deep Face Recognition", ICLR 2022, Eqs. 5-9,
    https://arxiv.org/abs/2108.01513; Han et al., "Exploring Binary Classification Loss for Speaker Verification",
    ICASSP 2023, https://arxiv.org/abs/2307.08205 (constants).
    """

    def __init__(
        self,
        *,
        embedding_dim: int,
        num_speakers: int,
        scale: float,
        margin: float,
        margin_type: Literal["A", "C"],
        sample_rate: float,
        balance: float,
    ) -> None:
        super().__init__(
            embedding_dim=embedding_dim,
            num_speakers=num_speakers,
            num_subcenters=1,
            sample_rate=sample_rate,
            balance=balance,
        )
        self.scale, self.margin_type = scale, margin_type
        self.margin = ScheduledMargin(margin, at_most=1.0 if margin_type == "C" else math.pi / 2)
        self.bias = nn.Parameter(torch.zeros(()))
        self.bias.data = self._balanced_bias()

    def losses(self, similarities: Tensor, target: Tensor) -> Tensor:
        """Return each example's sum over the speakers ``[batch]``."""
        own, other = self._logits(similarities)
        negative = functional.softplus(other)
        column = target.unsqueeze(1)
        others = negative.sum(dim=1) - negative.gather(1, column).squeeze(1)
        positive = functional.softplus(-own.gather(1, column)).squeeze(1)
        return POSITIVE_SHARE * positive + (1 - POSITIVE_SHARE) * others

    def _logits(self, cosines: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of cosines, if they are of the own speaker and if they are of another."""
        bias, margin = self.bias.to(cosines.dtype), self.margin.height
        if self.margin_type == "C":
            adjusted = _adjust(cosines)
            return self.scale * (adjusted - margin) + bias, self.scale * (adjusted + margin) + bias
        own, other = widen_angle(cosines, margin), -widen_angle(-cosines, margin)
        return self.scale * _adjust(own) + bias, self.scale * _adjust(other) + bias

    def _balanced_bias(self) -> Tensor:
        """Return the bias at which, all cosines being 0, the pulls of the own and the other speakers cancel."""
        own, other = (logit.item() for logit in self._logits(torch.zeros((), dtype=torch.float64)))
        ratio = POSITIVE_SHARE / ((1 - POSITIVE_SHARE) * max(self.num_speakers - 1, 1))
        root = math.sqrt((1 - ratio) ** 2 + 4 * ratio * math.exp(own - other))
        if ratio < 1:  # two forms of one solution, neither of which subtracts what is nearly equal
            return torch.tensor(math.log(2 * ratio) - other - math.log(1 - ratio + root))
        return torch.tensor(math.log((ratio - 1 + root) / 2) - own)


def _adjust(cosines: Tensor) -> Tensor:
    """Return ``g(z)``; a cosine that a margin moved below -1 counts as -1."""
    return 2 * ((cosines + 1) / 2).clamp(min=0).pow(EXPONENT) - 1
