"""Circle loss over the training speakers."""

from torch import Tensor
from torch.nn import functional

from avis.losses.classifier import CosineClassifier


class Circle(CosineClassifier):
    """Pull each similarity the harder, the farther it is from its optimum.

    With ``m`` the relaxation, the own speaker's cosine is pulled towards ``1 + m`` and decided at ``1 - m``, the
    others' towards ``-m`` and decided at ``m``. The relaxation is the radius of the decision's circle, so that a
    smaller one is stricter: it is fixed, no schedule of a margin acts on it.

    Parameters
    ----------
    embedding_dim, num_speakers, num_subcenters, sample_rate, balance
        See `avis.losses.classifier.SpeakerClassifier`.
    scale : float
        Factor in the exponents (``gamma`` in the paper).
    relaxation : float
        ``m``, above 0 and below 1.

    Raises
    ------
    ValueError
        If ``relaxation`` is out of range.

    References
    ----------
    Sun et al., "Circle Loss: A Unified Perspective of Pair Similarity Optimization", CVPR 2020, Eqs. 4-8,
    https://arxiv.org/abs/2002.10857; for speakers, Xiao et al., "Adaptive Margin Circle Loss for Speaker
    Verification", Interspeech 2021, https://arxiv.org/abs/2106.08004 (which adapts ``m``; here it is fixed).
    """

    def __init__(
        self,
        *,
        embedding_dim: int,
        num_speakers: int,
        scale: float,
        relaxation: float,
        num_subcenters: int,
        sample_rate: float,
        balance: float,
    ) -> None:
        super().__init__(
            embedding_dim=embedding_dim,
            num_speakers=num_speakers,
            num_subcenters=num_subcenters,
            sample_rate=sample_rate,
            balance=balance,
        )
        if not 0 < relaxation < 1:
            raise ValueError(
                f"the relaxation is a radius among cosines: got relaxation={relaxation}, expected between 0 and 1. "
                "At loss.relaxation. 0.25 to 0.35 are usual."
            )
        self.scale, self.relaxation = scale, relaxation

    def losses(self, similarities: Tensor, target: Tensor) -> Tensor:
        """Return each example's loss ``[batch]``."""
        column, relaxation = target.unsqueeze(1), self.relaxation
        own = similarities.gather(1, column)
        own_pull = (1 + relaxation - own).detach().clamp(min=0)
        other_pull = (similarities + relaxation).detach().clamp(min=0)
        others = other_pull * (similarities - relaxation)
        logits = self.scale * others.scatter(1, column, own_pull * (own - (1 - relaxation)))
        return functional.cross_entropy(logits, target, reduction="none")
