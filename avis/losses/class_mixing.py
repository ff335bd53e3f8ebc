"""Synthetic speakers, half way between two real ones, as further classes."""

import torch
from torch import Tensor
from torch.nn import functional

from avis.losses.building import Unbuilt, build_loss
from avis.losses.classifier import CosineClassifier
from avis.losses.groups import widened
from avis.losses.joint import check_weight
from avis.losses.whole_batch import BatchLoss


class ClassMixing(BatchLoss):
    """A loss over cosines that also tells mixed speakers apart.

    While training, every example is paired with a random one of the batch, all workers' together. Where the two are of
    different speakers, the mean of their unit embeddings is an example of a synthetic speaker, whose direction is the
    mean of the two speakers' unit directions. The synthetic examples are classified among the synthetic speakers of the
    batch by the same loss, margin included. CAARMA's discriminator, which makes synthetic embeddings resemble real
    ones, is left out.

    Parameters
    ----------
    embedding_dim, num_speakers : int
        For the classification.
    classification : Unbuilt
        A loss over cosines with one direction per speaker.
    mixed_weight : float
        Factor on the loss of the synthetic examples, 0 or more.

    Raises
    ------
    ValueError
        If ``classification`` is another kind of loss, there are fewer than 3 speakers or ``mixed_weight`` is negative.

    References
    ----------
    Baali et al., "CAARMA: Class Augmentation with Adversarial Mixup Regularization", EMNLP 2025 Findings, section 3
    (class augmentation), https://arxiv.org/abs/2503.16718.
    """

    def __init__(self, *, embedding_dim: int, num_speakers: int, classification: Unbuilt, mixed_weight: float) -> None:
        super().__init__()
        built = build_loss(classification, embedding_dim=embedding_dim, num_speakers=num_speakers)
        if not isinstance(built, CosineClassifier) or built.num_subcenters != 1:
            raise ValueError(
                f"speakers without a direction cannot be mixed: got {type(built).__name__} with "
                f"{getattr(built, 'num_subcenters', 0)} directions per speaker, expected a loss over cosines with 1. "
                "At loss.classification. Choose aam_softmax or am_softmax with num_subcenters=1."
            )
        if num_speakers < 3:
            raise ValueError(
                f"one mixed speaker has nobody to be told from: got num_speakers={num_speakers}, expected at least 3. "
                "At loss. Train on more speakers, or choose another loss, as loss=aam_softmax."
            )
        check_weight("mixed_weight", mixed_weight)
        self.classification, self.mixed_weight = built, mixed_weight

    def forward(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss, and which real examples were recognised."""
        loss, correct = self.classification(embeddings, speakers)
        if not self.training:
            return loss, correct
        embeddings, speakers = self.whole.gather(widened(embeddings)), self.whole.gather(speakers)
        generator = self.whole.generator("partners", torch.device("cpu"), alike=True)
        partner = torch.randperm(len(speakers), generator=generator).to(speakers.device)
        mixable = speakers != speakers[partner]
        if mixable.any():
            loss = loss + self.mixed_weight * self._mixed(embeddings, speakers, partner, mixable)
        return loss, correct

    def _mixed(self, embeddings: Tensor, speakers: Tensor, partner: Tensor, mixable: Tensor) -> Tensor:
        with torch.autocast(embeddings.device.type, enabled=False):
            unit = functional.normalize(embeddings)
            mixed = functional.normalize((unit + unit[partner])[mixable])
            pairs = torch.stack([speakers, speakers[partner]], dim=1)[mixable].sort(dim=1).values
            synthetic, target = pairs.unique(dim=0, return_inverse=True)
            directions = functional.normalize(self.classification.weight[synthetic].to(unit.dtype), dim=2).sum(dim=1)
            return self.classification.losses(mixed @ functional.normalize(directions).T, target).mean()
