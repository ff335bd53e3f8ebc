"""AAM-softmax that also pushes the most similar other speakers away."""

import torch
from torch import Tensor

from avis.losses.aam_softmax import AamSoftmax
from avis.losses.margin import ScheduledMargin, widen_angle


class InterTopK(AamSoftmax):
    """AAM-softmax under which the nearest wrong speakers come nearer by an angle: ``cos(theta - penalty)``.

    The penalty follows the margin's schedule, so that at a margin of 0 the loss is plain softmax cross entropy over
    scaled cosines. An angle below the penalty goes on rising beyond a cosine of 1, by the mirror image of the margin.

    Parameters
    ----------
    num_nearest : int
        Wrong speakers that are penalised (``K``), the nearest; all of them if there are fewer.
    penalty : float
        Angle in radians (``m'``), 0 to pi/2.
    **classifier
        See `avis.losses.aam_softmax.AamSoftmax`.

    References
    ----------
    Zhao et al., "Multi-Query Multi-Head Attention Pooling and Inter-TopK Penalty for Speaker Verification", ICASSP
    2022, section 2.2, https://arxiv.org/abs/2110.05042.
    """

    def __init__(
        self,
        *,
        embedding_dim: int,
        num_speakers: int,
        scale: float,
        margin: float,
        num_subcenters: int,
        num_nearest: int,
        penalty: float,
        sample_rate: float,
        balance: float,
    ) -> None:
        super().__init__(
            embedding_dim=embedding_dim,
            num_speakers=num_speakers,
            scale=scale,
            margin=margin,
            num_subcenters=num_subcenters,
            sample_rate=sample_rate,
            balance=balance,
        )
        if num_nearest < 1:
            raise ValueError(
                f"the penalty needs speakers to act on: got num_nearest={num_nearest}, expected at least 1. "
                "At loss.num_nearest. 5 is usual; without the penalty, choose loss=aam_softmax."
            )
        self.num_nearest = num_nearest
        self.penalty = ScheduledMargin(penalty, at_most=torch.pi / 2, name="penalty")

    def losses(self, similarities: Tensor, target: Tensor) -> Tensor:
        """Return each example's cross entropy ``[batch]``."""
        others = similarities.detach().scatter(1, target.unsqueeze(1), -torch.inf)
        nearest = others.topk(min(self.num_nearest, others.shape[1] - 1)).indices
        nearer = -widen_angle(-similarities.gather(1, nearest), self.penalty.height)
        return super().losses(similarities.scatter(1, nearest, nearer), target)
