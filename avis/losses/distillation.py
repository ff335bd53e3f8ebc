"""Learn from the embeddings of a trained model."""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from avis.losses.building import Unbuilt, build_loss
from avis.losses.joint import check_weight
from avis.losses.whole_batch import BatchLoss


class Distillation(BatchLoss):
    """A loss over the training speakers, and how far embeddings are from those of a teacher.

    The teacher embeds the very input of the student, which `watch` hands on. It is not trained and not part of the
    loss's parameters, and a checkpoint does not hold it. Where its embeddings are of another dimension, a linear map
    of the student's is learned.

    Parameters
    ----------
    embedding_dim, num_speakers : int
        Of the student.
    classification : Unbuilt
        The loss over the training speakers.
    teacher : torch.nn.Module
        Maps the student's input to embeddings ``[batch, teacher.embedding_dim]``.
    distance : {"cosine", "mse"}
        ``cosine``: one minus it; ``mse``: the mean squared difference of the values.
    distance_weight : float
        Factor on the distance, 0 or more.

    Raises
    ------
    ValueError
        If ``distance_weight`` is negative.

    References
    ----------
    Wang et al., "Knowledge Distillation for Small Foot-print Deep Speaker Embedding", ICASSP 2019, section 3.2
    (embedding level).
    """

    def __init__(
        self,
        *,
        embedding_dim: int,
        num_speakers: int,
        classification: Unbuilt,
        teacher: nn.Module,
        distance: Literal["cosine", "mse"],
        distance_weight: float,
    ) -> None:
        super().__init__()
        check_weight("distance_weight", distance_weight)
        self.classification = build_loss(classification, embedding_dim=embedding_dim, num_speakers=num_speakers)
        self.distance, self.distance_weight = distance, distance_weight
        self.teachers = [teacher.eval()]  # in a list, so that it is no part of this module
        teacher_dim = int(teacher.embedding_dim)  # type: ignore[arg-type]
        same = teacher_dim == embedding_dim
        self.project: nn.Module = nn.Identity() if same else nn.Linear(embedding_dim, teacher_dim, bias=False)
        self.seen: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self.wanted: Tensor | None = None

    def watch(self, student: nn.Module) -> None:
        """Keep what the student is called with while it trains, for the teacher."""
        student.register_forward_pre_hook(self._keep, with_kwargs=True)

    def _keep(self, student: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.seen, self.wanted = (args, kwargs) if student.training else None, None

    def forward(self, embeddings: Tensor, speakers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted sum, and which examples the classification recognised.

        The teacher embeds what the student was last called with once, however often the loss of that is asked for, as
        under the two labels of a mixed example.
        """
        loss, correct = self.classification(embeddings, speakers)
        if self.seen is not None:
            args, kwargs = self.seen
            with torch.no_grad():
                self.wanted, self.seen = self.teachers[0].to(embeddings.device)(*args, **kwargs), None
        if self.wanted is None:
            return loss, correct
        with torch.autocast(embeddings.device.type, enabled=False):
            dtype = torch.promote_types(embeddings.dtype, torch.float32)
            distances = self._distances(self.project(embeddings.to(dtype)), self.wanted)
            return loss + self.distance_weight * self.whole.mean(distances), correct

    def _distances(self, embeddings: Tensor, wanted: Tensor) -> Tensor:
        wanted = wanted.to(embeddings.dtype)
        if self.distance == "mse":
            return (embeddings - wanted).square().mean(dim=1)
        return 1 - functional.cosine_similarity(embeddings, wanted)


def watch_student(loss: nn.Module, student: nn.Module) -> None:
    """Let every teacher within a loss see what the student sees."""
    for part in loss.modules():
        if isinstance(part, Distillation):
            part.watch(student)
