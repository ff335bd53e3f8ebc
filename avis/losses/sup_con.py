"""Supervised contrastive loss."""

import torch
from torch import Tensor

from avis.losses.groups import PairLoss, nearest_is_own


class SupCon(PairLoss):
    """Softmax of each utterance over all others of the batch, those of its speaker being right.

    Parameters
    ----------
    temperature : float
        Divides the cosines, above 0.

    Raises
    ------
    ValueError
        If ``temperature`` is not positive.

    References
    ----------
    Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, Eq. 2 (the mean outside the logarithm),
    https://arxiv.org/abs/2004.11362.

    Examples
    --------
    >>> loss, correct = SupCon(temperature=0.1)(torch.randn(4, 3), torch.tensor([5, 5, 8, 8]))
    >>> loss.shape, correct.shape
    (torch.Size([]), torch.Size([4]))
    """

    def __init__(self, *, temperature: float) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(
                f"a temperature divides: got temperature={temperature}, expected above 0. At loss.temperature. "
                "0.05 to 0.1 are usual."
            )
        self.temperature = temperature

    def forward(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss, and for which utterances ``[whole batch]`` the nearest other is of their speaker."""
        with torch.autocast(embeddings.device.type, enabled=False):
            cosines, same, itself = self.pairs(embeddings, speakers)
            likelihoods = (cosines / self.temperature).masked_fill(itself, -torch.inf).log_softmax(dim=1)
            positive = same & ~itself
            loss = -(likelihoods.where(positive, 0.0).sum(dim=1) / positive.sum(dim=1)).mean()
        return loss, nearest_is_own(cosines, same, itself)
