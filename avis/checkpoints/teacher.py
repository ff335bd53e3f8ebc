"""Distil a checkpoint into a model of another kind or size."""

from collections.abc import Mapping
from typing import Any, Literal

from avis import location
from avis.checkpoints.ancestry import TEACHER
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.components import TARGET, leaves
from avis.losses.building import Unbuilt
from avis.losses.distillation import Distillation

FRONT_END = "features.front_end"


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

    The teacher must have been trained on the features that the student sees; `find_teachers` makes sure of it.

    Raises
    ------
    ValueError
        If it is not a checkpoint of AVIS.
    """
    return Distillation(
        embedding_dim=embedding_dim,
        num_speakers=num_speakers,
        classification=classification,
        teacher=Checkpoint.open(teacher_checkpoint).build_model().requires_grad_(False),
        distance=distance,
        distance_weight=distance_weight,
    )


def find_teachers(loss: Any, front_end: Mapping[str, Any], *, sample_rate: int) -> Any:
    """Return a loss with absolute paths of its teachers, all trained on the features that the student sees.

    Parameters
    ----------
    loss, front_end : mapping
        Plain data of components; see `avis.checkpoints.components.Component`.
    sample_rate : int
        Rate in Hz of the student's waveforms.

    Raises
    ------
    ValueError
        If one is not a checkpoint of AVIS, was trained on other features, or its front end learnt with it.
    """
    if not isinstance(loss, Mapping):
        return loss
    located = {key: find_teachers(value, front_end, sample_rate=sample_rate) for key, value in loss.items()}
    if TEACHER in located:
        located[TEACHER] = location.absolute(located[TEACHER])
        _check_features(Checkpoint.open(located[TEACHER]), _settings_of_features(front_end, sample_rate))
    return located


def _check_features(teacher: Checkpoint, ours: Mapping[str, Any]) -> None:
    theirs = _settings_of_features(teacher.recipe["features"]["front_end"], teacher.sample_rate)
    for key in sorted(theirs.keys() | ours.keys()):
        if ours.get(key) != theirs.get(key):
            raise ValueError(
                f"teacher of other features: got {key}={ours.get(key)}, expected {theirs.get(key)}, as it was trained "
                f"on. At {teacher.uri}. Choose its features for the student too, or another teacher."
            )
    if teacher.front_end_learnt:
        raise ValueError(
            f"teacher of other features: got a front end that learnt, features={theirs[f'{FRONT_END}.{TARGET}']}"
            f", expected one without weights. At {teacher.uri}. Choose a teacher on features such as fbank_80."
        )


def _settings_of_features(front_end: Mapping[str, Any], sample_rate: int) -> dict[str, Any]:
    return leaves(dict(front_end), FRONT_END) | {"sharding.sample_rate": sample_rate}
