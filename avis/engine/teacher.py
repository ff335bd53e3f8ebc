"""Distil a checkpoint into a model of another kind or size."""

from collections.abc import Mapping
from typing import Any, Literal

from avis import location
from avis.engine.config import leaves
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
        teacher=load_model(read_checkpoint(teacher_checkpoint), teacher_checkpoint).requires_grad_(False),
        distance=distance,
        distance_weight=distance_weight,
    )


def find_teachers(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe with absolute paths of the teachers in its loss, all trained on the recipe's features.

    Raises
    ------
    ValueError
        If one is not a checkpoint of AVIS, was trained on other features, or its front end learnt with it.
    """
    return {**recipe, "loss": _found(recipe["loss"], recipe)}


def _found(node: Any, recipe: Mapping[str, Any]) -> Any:
    if not isinstance(node, Mapping):
        return node
    found = {key: _found(value, recipe) for key, value in node.items()}
    if "teacher_checkpoint" in found:
        found["teacher_checkpoint"] = location.absolute(found["teacher_checkpoint"])
        _check_features(found["teacher_checkpoint"], recipe)
    return found


def _check_features(path: str, recipe: Mapping[str, Any]) -> None:
    teacher = read_checkpoint(path)
    theirs, ours = (_settings_of_features(each) for each in (teacher["recipe"], recipe))
    for key in sorted(theirs.keys() | ours.keys()):
        if ours.get(key) != theirs.get(key):
            raise ValueError(
                f"teacher of other features: got {key}={ours.get(key)}, expected {theirs.get(key)}, as it was trained "
                f"on. At {path}. Choose its features for the student too, or another teacher."
            )
    if any(key.startswith("front_end.") for key in teacher["state_dict"]):
        raise ValueError(
            f"teacher of other features: got a front end that learnt, features={theirs['features.front_end._target_']}"
            f", expected one without weights. At {path}. Choose a teacher on features such as fbank_80."
        )


def _settings_of_features(recipe: Mapping[str, Any]) -> dict[str, Any]:
    front_end = leaves(recipe["features"]["front_end"], "features.front_end")
    return front_end | {"sharding.sample_rate": recipe["sharding"]["sample_rate"]}
