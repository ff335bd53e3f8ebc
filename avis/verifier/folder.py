"""The folder of a verifier: all that a model needs to decide, without its training."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save

from avis import location, store
from avis.audio.recording import Hearing
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.components import ROOMS, build
from avis.checkpoints.fitted_state import restore, state_bytes
from avis.foreign import check_plain
from avis.metrics.operating_point import OperatingPoint
from avis.scoring.backend import Backend
from avis.scoring.calibration import Calibration
from avis.verifier.card import card

FORMAT = 1
CONFIG, WEIGHTS, BACKEND, CALIBRATION, CARD = (
    "config.json",
    "model.safetensors",
    "backend.npz",
    "calibration.npz",
    "README.md",
)
ADVICE = "Fetch the folder again, or make it anew."
EVEN = OperatingPoint(0.5)
"""Where none is set: as many trials are of one speaker as are not, and both errors cost the same."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a verifier is made of.

    Attributes
    ----------
    checkpoint : Checkpoint
    hearing : Hearing
        How recordings are taken in.
    scoring, calibrating : mapping or None
        The components that the back-end and the calibration were built of, as plain data.
    backend : Backend
        Fitted.
    calibration : Calibration or None
        Fitted.
    operating_point : OperatingPoint
    max_window_s : float
        What is longer is embedded in windows.
    trained_on : str
        In words.
    figures : mapping
        By name of a trial list, its ``metrics.json``.
    """

    checkpoint: Checkpoint
    hearing: Hearing
    scoring: Mapping[str, Any]
    backend: Backend
    calibrating: Mapping[str, Any] | None
    calibration: Calibration | None
    operating_point: OperatingPoint
    max_window_s: float
    trained_on: str
    figures: Mapping[str, Any]

    @property
    def config(self) -> dict[str, Any]:
        """All that is no array, as plain data."""
        recipe = self.checkpoint.recipe
        return {
            "format": FORMAT,
            "checkpoint": self.checkpoint.digest,
            "epoch": self.checkpoint.epoch,
            "global_step": self.checkpoint.global_step,
            "model": recipe["model"],
            "front_end": recipe["features"]["front_end"],
            "hearing": vars(self.hearing),
            "scoring": self.scoring,
            "calibration": self.calibrating if self.calibration else None,
            "operating_point": vars(self.operating_point),
            "max_window_s": self.max_window_s,
            "trained_on": self.trained_on,
            "figures": self.figures,
        }


def write_folder(folder: str, parts: Parts) -> None:
    """Write a verifier into a folder, its configuration last: one that is there is whole."""
    kept = {key: value for key, value in parts.checkpoint.weights.items() if not key.startswith("loss.")}
    store.write_bytes(
        location.join(folder, WEIGHTS),
        save({key: value.clone(memory_format=torch.contiguous_format) for key, value in kept.items()}),
    )
    store.write_bytes(location.join(folder, BACKEND), state_bytes(parts.backend))
    if parts.calibration is not None:
        store.write_bytes(location.join(folder, CALIBRATION), state_bytes(parts.calibration))
    calibrated = parts.calibration.facts() if parts.calibration else None
    store.write_bytes(location.join(folder, CARD), card(parts.config, calibrated).encode())
    store.write_bytes(location.join(folder, CONFIG), json.dumps(parts.config, indent=1).encode())


def read_folder(folder: str) -> Parts:
    """Read what `write_folder` wrote, without running anything of it.

    Raises
    ------
    ValueError
        If it is none, or holds anything but components of AVIS with weights and states of their sizes.
    """
    config = _config(folder)
    data = location.read_bytes(location.join(folder, WEIGHTS))
    try:
        weights = load(data)
    except SafetensorError as error:
        raise ValueError(
            f"weights unreadable: got {error}, expected a file of safetensors. At {folder}/{WEIGHTS}. {ADVICE}"
        ) from error
    try:
        recipe = {
            "model": config["model"],
            "features": {"front_end": config["front_end"]},
            "sharding": {"sample_rate": config["hearing"]["sample_rate"]},
        }
        of_file = {"state_dict": weights, "recipe": recipe, "speakers": [], "epoch": config["epoch"]}
        of_file |= {"global_step": config["global_step"]}
        checkpoint = Checkpoint.of(of_file, folder, digest=config["checkpoint"])
        backend = build(config["scoring"], ROOMS["scoring"])
        _restored(backend, folder, BACKEND, partial(_score_noise, backend, int(config["model"]["embedding_dim"])))
        calibration = None
        if config["calibration"] is not None:
            calibration = build(config["calibration"], ROOMS["calibration"])
            features = np.zeros((1, 2 * len(calibration.measures)))
            _restored(calibration, folder, CALIBRATION, lambda: calibration.interval(np.zeros(1), features))
        return Parts(
            checkpoint=checkpoint,
            hearing=Hearing(**config["hearing"]),
            scoring=config["scoring"],
            backend=backend,
            calibrating=config["calibration"],
            calibration=calibration,
            operating_point=OperatingPoint(**config["operating_point"]),
            max_window_s=float(config["max_window_s"]),
            trained_on=str(config["trained_on"]),
            figures=config["figures"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"no verifier: got a configuration that lacks or misplaces {error}, expected one that AVIS wrote. At "
            f"{folder}/{CONFIG}. {ADVICE}"
        ) from error


def _config(folder: str) -> dict[str, Any]:
    path = location.join(folder, CONFIG)
    try:
        config = json.loads(location.read_bytes(path))
        check_plain(config, path)
        if not isinstance(config, dict) or config.get("format") != FORMAT:
            raise ValueError("another format")
    except FileNotFoundError as error:
        raise ValueError(
            f"no verifier: got no {CONFIG}, expected the folder that a training leaves as verifier/. At {folder}. "
            "Give the folder of a run or of its verifier."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"no verifier: got {error}, expected a configuration of format {FORMAT}. At {path}. Give the folder of a "
            "run or of its verifier, written by this version of AVIS."
        ) from error
    return config


def _restored(fitted: Any, folder: str, name: str, tried: Any) -> None:
    path = location.join(folder, name)
    restore(fitted, location.read_bytes(path), tried=tried, where=path, advice=ADVICE)


def _score_noise(backend: Backend, dim: int) -> NDArray[np.float32]:
    vectors = backend.transform(np.random.default_rng(0).normal(size=(2, dim)).astype(np.float32))
    return backend.score(vectors[:1], vectors[1:])


def hearing_of(sharding: Mapping[str, Any]) -> Hearing:
    """Return how the recordings of a training were taken in."""
    return Hearing(**{field.name: sharding[field.name] for field in fields(Hearing)})
