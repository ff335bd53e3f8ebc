"""Additive margin softmax (CosFace)."""

from torch import Tensor

from avis.losses.classifier import CosineClassifier, margin_cross_entropy
from avis.losses.margin import ScheduledMargin


class AmSoftmax(CosineClassifier):
    """Cross entropy over scaled cosines, after lowering that of the target by a margin.

    Parameters
    ----------
    embedding_dim, num_speakers, num_subcenters, sample_rate, balance
        See `avis.losses.classifier.SpeakerClassifier`.
    scale : float
        Factor on the cosines (``s`` in the paper).
    margin : float
        Lowers the target's cosine, 0 to 1 (``m``), at its full height. At 0 the loss is plain softmax cross entropy
        over scaled cosines.

    Raises
    ------
    ValueError
        If ``margin`` is not between 0 and 1.

    References
    ----------
    Wang et al., "Additive Margin Softmax for Face Verification", 2018, Eq. 6, https://arxiv.org/abs/1801.05599; Wang
    et al., "CosFace", CVPR 2018, Eq. 4, https://arxiv.org/abs/1801.09414.
    """

    def __init__(
        self,
        *,
        embedding_dim: int,
        num_speakers: int,
        scale: float,
        margin: float,
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
        self.scale, self.margin = scale, ScheduledMargin(margin, at_most=1.0)

    def losses(self, similarities: Tensor, target: Tensor) -> Tensor:
        """Return each example's cross entropy ``[batch]``."""
        moved = similarities.gather(1, target.unsqueeze(1)) - self.margin.height
        return margin_cross_entropy(similarities, moved, target, self.scale)
