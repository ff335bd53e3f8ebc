"""A checkpoint, opened once: the weights, the recipe they were trained by, and what they were trained on."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from avis import location
from avis.checkpoints.ancestry import read_lineage
from avis.checkpoints.components import ROOMS, build, leaves
from avis.checkpoints.foreign_weights import check_finite, check_weights, no_larger
from avis.foreign import MAX_WHOLE, check_archive, check_plain
from avis.lineage import Lineage
from avis.storage_fault import StorageError

FIELDS = ("state_dict", "recipe", "speakers", "epoch", "global_step")
"""What a model needs of a checkpoint file; the rest is its training's."""

HISTORY = "history"
"""Field of what each epoch came to; earlier versions and imports have none."""

RECIPE = ("model", "features", "sharding")
"""What a model needs of a recipe."""

MAX_SAMPLE_RATE = 1_000_000
MAX_IN_FRONT_END = 1 << 15
"""Largest number of a front end, which has no weights to be measured by; 25 layers of 1024 values side by side fit."""

BLOCK_BYTES = 1 << 22
OF_PICKLE = "WeightsUnpickler error: "
"""Where torch begins to say what it found that is no data."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A trained model as it was saved.

    Attributes
    ----------
    uri : str
        Where it was opened.
    digest : str
        SHA-256 of the file.
    recipe : mapping
        The configuration of its training, as plain data.
    lineage : Lineage
        What the model and those before it were trained on.
    epoch, global_step : int
        How far its training had come.
    weights : mapping of str to Tensor
        On the CPU: ``model.*``, ``loss.*`` and, where the front end learnt, ``front_end.*``.
    history : list of dict
        What the epochs of its training came to; see `avis.reports.learning_cautions.learning_cautions`.
    """

    uri: str
    digest: str
    recipe: Mapping[str, Any]
    lineage: Lineage
    epoch: int
    global_step: int
    weights: Mapping[str, Tensor]
    history: Sequence[Mapping[str, float]] = ()

    @classmethod
    def open(cls, uri: str) -> "Checkpoint":
        """Load a checkpoint without running any code in it.

        Raises
        ------
        ValueError
            If it is not a checkpoint of AVIS, or holds anything but ordinary tensors and plain data.
        """
        return cls.of(read_checkpoint(uri), uri, digest=_digest(uri))

    @classmethod
    def of(cls, read: Mapping[str, Any], uri: str, *, digest: str) -> "Checkpoint":
        """Return the checkpoint that a file holds, once its fields are known to be what they should.

        Raises
        ------
        ValueError
            If they are not.
        """
        _check_fields(read, uri)
        fields = {key: read[key] for key in ("recipe", "epoch", "global_step")}
        lineage, history = read_lineage(read, uri), read.get(HISTORY, [])
        return cls(uri=uri, digest=digest, weights=read["state_dict"], lineage=lineage, history=history, **fields)

    @property
    def speakers(self) -> list[str]:
        """Names of the training speakers; none where the model was imported."""
        return list(self.lineage.own.speakers or [])

    @property
    def inherited(self) -> Lineage:
        """What a model inherits that comes from this one."""
        return self.lineage.as_parent(self.uri, self.digest)

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of the waveforms that the front end takes."""
        return int(self.recipe["sharding"]["sample_rate"])

    @property
    def front_end_learnt(self) -> bool:
        """Whether the front end was trained with the model."""
        return any(key.startswith("front_end.") for key in self.weights)

    def build_model(self) -> nn.Module:
        """Build the model and load its weights, which say how large it may be.

        Raises
        ------
        ValueError
            If the weights do not fit the model that the recipe names, or are not finite.
        """
        node, weights = self.recipe["model"], self._own("model.")
        with no_larger(weights):
            self._build("model", node)
        return self._with_weights(self._build("model", node), weights)

    def build_front_end(self) -> nn.Module:
        """Build the front end, and load its weights if it was trained with the model.

        Raises
        ------
        ValueError
            See `build_model`.
        """
        front_end = self._build("features.front_end", self.recipe["features"]["front_end"])
        return self._with_weights(front_end, self._own("front_end.")) if self.front_end_learnt else front_end

    def _build(self, key: str, node: Any) -> nn.Module:
        try:
            module = build(node, ROOMS[key.partition(".")[0]])
            if not isinstance(module, nn.Module):
                raise TypeError(f"a {type(module).__name__}")
        except (ImportError, OSError):
            raise
        except Exception as error:  # what the arguments of a stranger make of any class
            raise ValueError(
                f"recipe of a checkpoint refused: got {error}, expected a component of this version of AVIS. At "
                f"{self.uri}, recipe.{key}. Give a checkpoint written by pipelines/train.py."
            ) from error
        return module

    def _own(self, prefix: str) -> dict[str, Tensor]:
        return {key.removeprefix(prefix): value for key, value in self.weights.items() if key.startswith(prefix)}

    def _with_weights(self, module: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
        check_finite(weights, self.uri)
        try:
            module.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(
                f"checkpoint of another architecture: got {str(error).splitlines()[1].strip()!r}, expected the weights "
                f"of {type(module).__name__}. At {self.uri}. Give the checkpoint of this model."
            ) from error
        return module


def read_checkpoint(uri: str) -> dict[str, Any]:
    """Load all that a checkpoint file holds, its training's state included, onto the CPU without running code in it.

    Raises
    ------
    ValueError
        If it is not a checkpoint of AVIS.
    """
    try:
        with location.open_seekable(uri) as file:
            check_archive(file)
            checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ValueError(
            f"checkpoint missing: got no file, expected one. At {uri}. Give the path of a run's best.ckpt."
        ) from error
    except StorageError:
        raise
    except Exception as error:
        what = str(error).partition(OF_PICKLE)[2] or str(error)  # before it stands advice to load it all the same
        first_line = what.partition("\n")[0]
        raise ValueError(
            f"not a checkpoint: got {type(error).__name__} ({first_line}), expected a file written by "
            f"pipelines/train.py. At {uri}. Give the path of a run's best.ckpt."
        ) from error
    lacking = [key for key in FIELDS if not isinstance(checkpoint, dict) or key not in checkpoint]
    if lacking:
        raise ValueError(
            f"not a checkpoint of AVIS: got a file without {', '.join(lacking)}, expected these. At {uri}. "
            "Give a checkpoint written by pipelines/train.py."
        )
    return checkpoint


def _check_fields(read: Mapping[str, Any], uri: str) -> None:
    """Refuse a checkpoint whose fields are not what `Checkpoint` says of them."""
    check_weights(read["state_dict"], uri)
    recipe, speakers = read["recipe"], read["speakers"]
    check_plain(recipe, f"{uri}, recipe")
    groups: dict[str, Any] = {key: recipe.get(key) if isinstance(recipe, dict) else None for key in RECIPE}
    wrong = [f"recipe.{key}" for key, group in groups.items() if not isinstance(group, dict)]
    if not wrong:
        rate, front_end = groups["sharding"].get("sample_rate"), groups["features"].get("front_end")
        wrong += [] if type(rate) is int and 0 < rate <= MAX_SAMPLE_RATE else ["recipe.sharding.sample_rate"]
        wrong += [] if isinstance(front_end, dict) else ["recipe.features.front_end"]
    if not (isinstance(speakers, list) and all(isinstance(speaker, str) for speaker in speakers)):
        wrong.append("speakers")
    wrong += [] if _is_history(read.get(HISTORY, [])) else [HISTORY]
    wrong += [key for key in ("epoch", "global_step") if type(read[key]) is not int or not 0 <= read[key] < MAX_WHOLE]
    if wrong:
        raise ValueError(
            f"not a checkpoint of AVIS: got a file without {', '.join(wrong)} of the right type, expected these. At "
            f"{uri}. Give a checkpoint written by pipelines/train.py."
        )
    for key, value in leaves(groups["features"]["front_end"], "recipe.features.front_end").items():
        if isinstance(value, int | float) and abs(value) > MAX_IN_FRONT_END and not key.endswith("sample_rate"):
            raise ValueError(
                f"front end too large: got {key}={value}, expected at most {MAX_IN_FRONT_END}. At {uri}. "
                "Give a checkpoint written by pipelines/train.py."
            )


def _is_history(history: Any) -> bool:
    keys = {"loss", "accuracy", "eer", "utterances"}
    if not (isinstance(history, list) and all(isinstance(epoch, dict) and set(epoch) == keys for epoch in history)):
        return False
    return all(type(value) is float for epoch in history for value in epoch.values())


def _digest(uri: str) -> str:
    sha256 = hashlib.sha256()
    with location.open_file(uri) as stream:
        while block := stream.read(BLOCK_BYTES):
            sha256.update(block)
    return sha256.hexdigest()
