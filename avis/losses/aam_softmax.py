"""Additive angular margin softmax (ArcFace), with optional sub-centres."""

import math

from torch import Tensor

from avis.losses.classifier import CosineClassifier, margin_cross_entropy
from avis.losses.margin import ScheduledMargin, widen_angle


class AamSoftmax(CosineClassifier):
    """Cross entropy over scaled cosines, after moving the target away by an angle.

    The target's cosine ``cos(theta)`` becomes that of `avis.losses.margin.widen_angle`, so that the loss never falls
    as the angle grows.

    Parameters
    ----------
    embedding_dim, num_speakers, num_subcenters, sample_rate, balance
        See `avis.losses.classifier.SpeakerClassifier`; one sub-centre is plain ArcFace.
    scale : float
        Factor on the cosines (``s`` in the paper).
    margin : float
        Angle in radians, 0 to pi/2 (``m``), at its full height. At 0 the loss is plain softmax cross entropy over
        scaled cosines.

    Raises
    ------
    ValueError
        If ``margin`` is not between 0 and pi/2.

    References
    ----------
    Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019, Eq. 3,
    https://arxiv.org/abs/1801.07698; Deng et al., "Sub-center ArcFace", ECCV 2020, section 3.2.

    Examples
    --------
    >>> import torch
    >>> criterion = AamSoftmax(
    ...     embedding_dim=4, num_speakers=3, scale=32.0, margin=0.2, num_subcenters=1, sample_rate=1.0, balance=0.0
    ... )
    >>> loss, correct = criterion(torch.randn(2, 4), torch.tensor([0, 2]))
    >>> loss.shape, correct.shape
    (torch.Size([]), torch.Size([2]))
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
        self.scale, self.margin = scale, ScheduledMargin(margin, at_most=math.pi / 2)

    def losses(self, similarities: Tensor, target: Tensor) -> Tensor:
        """Return each example's cross entropy ``[batch]``."""
        moved = widen_angle(similarities.gather(1, target.unsqueeze(1)), self.margin.height)
        return margin_cross_entropy(similarities, moved, target, self.scale)
