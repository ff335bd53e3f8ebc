"""Distil a checkpoint into a model of another kind or size."""

from typing import Literal

from avis.engine.embed import load_model
from avis.losses.building import Unbuilt
from avis.losses.distillation import Distillation
from avis.training.checkpoint import read_checkpoint


def distillation(
    *,
    embedding_dim: int,
    num_speakers: int,
    classification: Unbuilt,
    teacher_checkpoint: str,
    distance: Literal["cosine", "mse"],
    distance_weight: float,
) -> Distillation:
    """Build `avis.losses.distillation.Distillation` from the teacher's checkpoint.

    The teacher must have been trained on the features that the student sees.

    Raises
    ------
    ValueError
        If it is not a checkpoint of AVIS.
    """
    return Distillation(
        embedding_dim=embedding_dim,
        num_speakers=num_speakers,
        classification=classification,
        teacher=load_model(read_checkpoint(teacher_checkpoint), teacher_checkpoint).requires_grad_(False),
        distance=distance,
        distance_weight=distance_weight,
    )
