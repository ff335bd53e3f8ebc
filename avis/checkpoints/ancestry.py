"""Keep the lineage of a model in its checkpoint, and find the checkpoints that a training comes from."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avis.checkpoints.components import leaves
from avis.lineage import Lineage, TrainedOn

SPEAKERS, LINEAGE = "speakers", "lineage"
"""Fields of a checkpoint: the model's own training speakers, and all else of its lineage."""

START, TEACHER = "start_from", "teacher_checkpoint"
"""Key of a recipe, and argument of a loss, that name a checkpoint from which a training comes."""


def parents(recipe: Mapping[str, Any]) -> list[str]:
    """Return the paths of the checkpoints that a training starts from and is taught by.

    >>> parents({"start_from": "a.ckpt", "loss": {"classification": {"teacher_checkpoint": "b.ckpt"}}})
    ['a.ckpt', 'b.ckpt']
    """
    named = {START: recipe.get(START), **leaves(recipe.get("loss"), "loss")}
    return [str(path) for key, path in named.items() if path and key.rpartition(".")[2] in (START, TEACHER)]


def lineage_fields(lineage: Lineage) -> dict[str, Any]:
    """Return the fields of a checkpoint that keep a lineage: plain data and int64 tensors."""
    before = [{**_fields(each), "model": each.model, "digest": each.digest} for each in lineage.before.models]
    own = _fields(lineage.own)
    return {SPEAKERS: own["speakers"] or [], LINEAGE: {"audio": own["audio"], "before": before}}


def read_lineage(checkpoint: Mapping[str, Any], uri: str) -> Lineage:
    """Return the lineage that a checkpoint keeps.

    Of one that an earlier version wrote, the speakers are known and the models that its recipe names; of an imported
    one nothing is.

    Raises
    ------
    ValueError
        If the fields are none that `lineage_fields` makes.
    """
    kept = checkpoint.get(LINEAGE)
    try:
        if kept is None:
            kept = {"audio": None, "before": [{"model": path} for path in parents(checkpoint["recipe"])]}
        own = _trained_on(checkpoint[SPEAKERS] or None, kept["audio"])
        return Lineage(tuple(_trained_on(**each) for each in kept["before"])).then(own)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"not a checkpoint of AVIS: got a lineage that cannot be read ({error}), expected speakers and codes of "
            f"audio. At {uri}. Give a checkpoint written by pipelines/train.py."
        ) from error


def _fields(trained: TrainedOn) -> dict[str, Any]:
    return {
        "speakers": None if trained.speakers is None else list(trained.speakers),
        "audio": None if trained.audio is None else torch.from_numpy(trained.audio.copy()),
    }


def _trained_on(speakers: Any = None, audio: Any = None, model: Any = "", digest: Any = "") -> TrainedOn:
    if not (isinstance(model, str) and isinstance(digest, str)):
        raise TypeError("models have names")
    return TrainedOn(model=model, digest=digest, speakers=_names(speakers), audio=_codes(audio))


def _names(speakers: Any) -> Sequence[str] | None:
    if speakers is not None and not (isinstance(speakers, list) and all(isinstance(name, str) for name in speakers)):
        raise TypeError("speakers are a list of names")
    return speakers


def _codes(audio: Any) -> NDArray[np.int64] | None:
    if audio is None:
        return None
    if not (isinstance(audio, Tensor) and audio.dtype == torch.int64 and audio.ndim == 1):
        raise TypeError("codes of audio are an int64 tensor")
    codes: NDArray[np.int64] = audio.numpy()
    return codes
