"""Prototypical losses: one utterance of each speaker against the mean of the others."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.losses.ge2e import FIRST_SCALE, SCALE_FLOOR
from avis.losses.groups import GroupLoss, classify_groups


class Prototypical(GroupLoss):
    """Softmax over the speakers of a batch, by minus the squared distance of a query from each prototype.

    The query is the first utterance of a group, the prototype the mean of the rest.

    Parameters
    ----------
    utterances_per_speaker : int
        Rows of a batch that belong together, as `trainer.utterances_per_speaker` delivers them; at least 2.

    References
    ----------
    Snell et al., "Prototypical Networks for Few-shot Learning", NeurIPS 2017, Eq. 2,
    https://arxiv.org/abs/1703.05175; for speakers, Chung et al., "In Defence of Metric Learning for Speaker
    Recognition", Interspeech 2020, section 2.2, https://arxiv.org/abs/2003.11982.
    """

    def forward(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss, and which queries ``[groups]`` came nearest to their own prototype."""
        with torch.autocast(embeddings.device.type, enabled=False):
            groups, names = self.groups(embeddings, speakers)
            similarities = self.similarities(groups[:, 0], groups[:, 1:].mean(dim=1))
            return classify_groups(similarities, names, torch.arange(len(names), device=names.device))

    def similarities(self, queries: Tensor, prototypes: Tensor) -> Tensor:
        """Return ``[groups, groups]`` for queries and prototypes ``[groups, dim]``."""
        return -(queries[:, None] - prototypes).square().sum(dim=2)


class AngularPrototypical(Prototypical):
    """Prototypical loss by a scaled cosine.

    The learned scale stays positive; the published bias is left out, since a softmax takes no notice of it.

    Parameters
    ----------
    utterances_per_speaker : int
        As of `Prototypical`; 2 is usual.

    References
    ----------
    Chung et al., Interspeech 2020, section 2.2, https://arxiv.org/abs/2003.11982.
    """

    def __init__(self, *, utterances_per_speaker: int) -> None:
        super().__init__(utterances_per_speaker=utterances_per_speaker)
        self.scale = nn.Parameter(torch.tensor(FIRST_SCALE))

    def similarities(self, queries: Tensor, prototypes: Tensor) -> Tensor:
        """Return ``[groups, groups]`` for queries and prototypes ``[groups, dim]``."""
        cosines = functional.normalize(queries) @ functional.normalize(prototypes).T
        return self.scale.clamp(min=SCALE_FLOOR) * cosines
