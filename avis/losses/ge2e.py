"""Generalised end-to-end loss."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.losses.groups import GroupLoss, classify_groups

FIRST_SCALE, SCALE_FLOOR = 10.0, 1e-6


class Ge2e(GroupLoss):
    """Softmax over the speakers of a batch, by the cosine of each utterance with each speaker's centroid.

    The own speaker's centroid leaves the utterance out (Eq. 9). The learned scale stays positive. The paper's bias is
    left out: it is the same for all speakers, so that a softmax takes no notice of it.

    Parameters
    ----------
    utterances_per_speaker : int
        Rows of a batch that belong together, as `trainer.utterances_per_speaker` delivers them; at least 2.

    References
    ----------
    Wan et al., "Generalized End-to-End Loss for Speaker Verification", ICASSP 2018, Eqs. 6 and 9,
    https://arxiv.org/abs/1710.10467.

    Examples
    --------
    >>> loss, correct = Ge2e(utterances_per_speaker=2)(torch.randn(6, 4), torch.tensor([0, 0, 1, 1, 2, 2]))
    >>> loss.shape, correct.shape
    (torch.Size([]), torch.Size([6]))
    """

    def __init__(self, *, utterances_per_speaker: int) -> None:
        super().__init__(utterances_per_speaker=utterances_per_speaker)
        self.scale = nn.Parameter(torch.tensor(FIRST_SCALE))

    def forward(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss, and which utterances ``[whole batch]`` came nearest to their own centroid."""
        with torch.autocast(embeddings.device.type, enabled=False):
            groups, names = self.groups(embeddings, speakers)
            unit = functional.normalize(groups, dim=2)
            others = (unit.sum(dim=1, keepdim=True) - unit) / (self.utterances_per_speaker - 1)
            own = functional.cosine_similarity(unit, others, dim=2).flatten()
            cosines = unit.flatten(0, 1) @ functional.normalize(unit.mean(dim=1)).T
            queried = torch.arange(len(names), device=names.device).repeat_interleave(self.utterances_per_speaker)
            cosines = cosines.scatter(1, queried[:, None], own[:, None])
            return classify_groups(self.scale.clamp(min=SCALE_FLOOR) * cosines, names, queried)
