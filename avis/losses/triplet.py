"""Triplet loss with the hardest pairs of a batch."""

import torch
from torch import Tensor

from avis.losses.groups import PairLoss, nearest_is_own


class Triplet(PairLoss):
    """Each utterance's farthest of its speaker shall be nearer than the nearest of another, by a margin.

    Distances are squared, between embeddings of length 1: ``2 - 2 cos``. The margin is no schedule's: without one,
    embeddings that are all alike are already at the minimum.

    Parameters
    ----------
    margin : float
        Of the squared distance, above 0 up to 4.

    Raises
    ------
    ValueError
        If ``margin`` is out of range.

    References
    ----------
    Schroff et al., "FaceNet", CVPR 2015, Eq. 2, https://arxiv.org/abs/1503.03832; Hermans et al., "In Defense of the
    Triplet Loss for Person Re-Identification", 2017, Eq. 5 (batch hard), https://arxiv.org/abs/1703.07737.

    Examples
    --------
    >>> loss, correct = Triplet(margin=0.3)(torch.eye(2)[[0, 0, 1, 1]], torch.tensor([5, 5, 8, 8]))
    >>> loss.item(), correct.tolist()
    (0.0, [True, True, True, True])
    """

    def __init__(self, *, margin: float) -> None:
        super().__init__()
        if not 0 < margin <= 4:
            raise ValueError(
                f"a triplet needs a distance to keep: got margin={margin}, expected above 0 up to 4. "
                "At loss.margin. 0.1 to 0.5 are usual."
            )
        self.margin = margin

    def forward(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss, and for which utterances ``[whole batch]`` the nearest other is of their speaker."""
        with torch.autocast(embeddings.device.type, enabled=False):
            cosines, same, itself = self.pairs(embeddings, speakers)
            farthest = cosines.masked_fill(~same | itself, torch.inf).amin(dim=1)
            nearest = cosines.masked_fill(same, -torch.inf).amax(dim=1)
            loss = (2 * (nearest - farthest) + self.margin).clamp(min=0).mean()
        return loss, nearest_is_own(cosines, same, itself)
