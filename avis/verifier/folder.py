"""The folder of a verifier: all that a model needs to decide, without its training."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Any, Literal, get_args

import numpy as np
import torch
from pydantic import BaseModel, Field, NonNegativeInt
from safetensors import SafetensorError
from safetensors.torch import load, save

from avis import location, store
from avis.audio.recording import Hearing
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.components import ROOMS, build
from avis.checkpoints.fitted_state import restore, state_bytes
from avis.digest import fingerprint
from avis.foreign import parse_json, validated
from avis.metrics.operating_point import OperatingPoint
from avis.scoring.backend import Backend, Step, score_noise
from avis.scoring.calibration import Calibration, Measure
from avis.verifier.attributes.kept import Heads
from avis.verifier.card import card
from avis.verifier.voices import Voices

FORMAT = 3
"""Raised where a folder holds more than before, so that one of an earlier version is refused with what to do."""
CONFIG, CARD = "config.json", "README.md"
WEIGHTS, BACKEND, CALIBRATION = "model.safetensors", "backend.npz", "calibration.npz"
VOICES, ATTRIBUTES = "voices.npz", "attributes.npz"
MOST_THRESHOLD = 100.0
"""Of log-likelihood ratios; e to that power is more than there are speakers."""
ADVICE = "Fetch the folder again, or make it anew."
EVEN = OperatingPoint(0.5)
"""Where none is set: as many trials are of one speaker as are not, and both errors cost the same."""

CALIBRATING: dict[str, Any] = {
    "_target_": "avis.scoring.calibration.Calibration",
    "p_target": 0.05,
    "l2": 1e-4,
    "measures": ["duration"],
}
"""The calibration where none is set."""


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
    calibrated_on : str
        On whom, and what came of it, in words; empty for speakers that were held out of the training.
    voices : Voices or None
        Speakers of the training.
    attributes : Heads or None
        What guesses attributes of speakers, for explanations alone.
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
    calibrated_on: str = ""
    voices: Voices | None = None
    attributes: Heads | None = None

    @property
    def card(self) -> str:
        """What the model is and where it ends, as Markdown."""
        return card(self.config, self.calibration.facts() if self.calibration else None, self.voices, self.attributes)

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
            "calibrated_on": self.calibrated_on,
            "figures": self.figures,
        }


def write_folder(folder: str, parts: Parts) -> None:
    """Write a verifier into a folder, its configuration, which knows all other files by their sums, last.

    Raises
    ------
    ValueError
        See `check_free`.
    """
    check_free(folder)
    kept = {key: value for key, value in parts.checkpoint.weights.items() if not key.startswith("loss.")}
    files = {
        WEIGHTS: save({key: value.clone(memory_format=torch.contiguous_format) for key, value in kept.items()}),
        BACKEND: state_bytes(parts.backend),
    }
    if parts.calibration is not None:
        files[CALIBRATION] = state_bytes(parts.calibration)
    of_speakers = {VOICES: parts.voices, ATTRIBUTES: parts.attributes}
    for name, known in of_speakers.items():
        if known is not None:
            files[name] = state_bytes(known)
        else:
            store.delete_file(location.join(folder, name))  # personal data of another model
    for name, data in {**files, CARD: parts.card.encode()}.items():
        store.write_bytes(location.join(folder, name), data)
    config = {**parts.config, "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}}
    store.write_bytes(location.join(folder, CONFIG), json.dumps(config, indent=1).encode())


def check_free(folder: str) -> None:
    """Refuse a folder that holds anything but a verifier, be it half written."""
    there = location.names_in(folder)
    if CONFIG in there:
        _config(location.join(folder, CONFIG))
    elif there and WEIGHTS not in there:
        raise ValueError(
            f"folder of something else: got one with {there[0]}, expected none, an empty one or a verifier's. At "
            f"{folder}. Name another."
        )


def read_folder(folder: str) -> Parts:
    """Read what `write_folder` wrote, without running anything of it.

    Raises
    ------
    ValueError
        If it is none, or holds anything but components of AVIS with weights and states of their sizes.
    """
    path = location.join(folder, CONFIG)
    config = _config(path)
    if config.format < FORMAT:
        raise ValueError(
            f"verifier of an earlier version: got format={config.format}, expected {FORMAT}. At {path}. Make it anew: "
            "resume=<its run>, which trains nothing twice, or avis calibrate on your voices again."
        )
    try:
        weights = load(_file(folder, WEIGHTS, config))
    except SafetensorError as error:
        raise ValueError(
            f"weights unreadable: got {error}, expected a file of safetensors. At {folder}/{WEIGHTS}. {ADVICE}"
        ) from error
    recipe = {
        "model": config.model,
        "features": {"front_end": config.front_end},
        "sharding": {"sample_rate": config.hearing.sample_rate},
    }
    of_file = {"state_dict": weights, "recipe": recipe, "speakers": [], "epoch": config.epoch}
    checkpoint = Checkpoint.of({**of_file, "global_step": config.global_step}, folder, digest=config.checkpoint)
    try:
        backend = build(config.scoring, ROOMS["scoring"], kinds=(Backend, Step))
        calibration = (
            build(config.calibration, ROOMS["calibration"], kinds=(Calibration,)) if config.calibration else None
        )
        if calibration:
            _check_measures(calibration, backend)
        dim = int(config.model["embedding_dim"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"no verifier: got {error}, expected components that AVIS wrote. At {path}. {ADVICE}"
        ) from error
    _restored(backend, folder, BACKEND, config, partial(score_noise, backend, dim))
    if calibration:
        features = np.zeros((1, 2 * len(calibration.measures)))
        _restored(calibration, folder, CALIBRATION, config, lambda: calibration.interval(np.zeros(1), features))
    voices, attributes = None, None
    if VOICES in config.files:
        read, where = _file(folder, VOICES, config), location.join(folder, VOICES)
        voices = Voices.of_bytes(read, dim=dim, tried=backend.transform, where=where, advice=ADVICE)
    if ATTRIBUTES in config.files:
        read, where = _file(folder, ATTRIBUTES, config), location.join(folder, ATTRIBUTES)
        attributes = Heads.of_bytes(read, dim=dim, where=where, advice=ADVICE)
    return Parts(
        checkpoint=checkpoint,
        hearing=config.hearing,
        scoring=config.scoring,
        backend=backend,
        calibrating=config.calibration,
        calibration=calibration,
        operating_point=config.operating_point,
        max_window_s=config.max_window_s,
        trained_on=config.trained_on,
        calibrated_on=config.calibrated_on,
        figures={name: each.model_dump(mode="json") for name, each in config.figures.items()},
        voices=voices,
        attributes=attributes,
    )


def folder_digest(folder: str) -> str:
    """Return what tells the verifier of a folder from others: its configuration knows the sums of all its files."""
    return fingerprint(store.read_json(location.join(folder, CONFIG)))


class _Figures(BaseModel):
    eer: Annotated[float, Field(ge=0, le=1)]
    eer_interval: tuple[float, float] | None
    num_target: NonNegativeInt
    num_nontarget: NonNegativeInt


class _Config(BaseModel, extra="forbid"):
    """What `Parts.config` gives, and the sums of the other files."""

    format: Literal[1, 2, 3]
    checkpoint: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    epoch: NonNegativeInt
    global_step: NonNegativeInt
    model: dict[str, Any]
    front_end: dict[str, Any]
    hearing: Hearing
    scoring: dict[str, Any]
    calibration: dict[str, Any] | None
    operating_point: OperatingPoint
    max_window_s: Annotated[float, Field(ge=1, le=3600)]
    trained_on: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]
    calibrated_on: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    figures: dict[Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f|]*$")], _Figures]
    files: dict[str, str]


def _config(path: str) -> _Config:
    try:
        plain = parse_json(location.read_bytes(path), path)
    except FileNotFoundError as error:
        raise ValueError(
            f"no verifier: got no {CONFIG}, expected the folder that a training leaves as verifier/. At {path}. "
            "Give the folder of a run or of its verifier."
        ) from error
    config = validated(_Config, plain, what="no verifier", where=path, advice=ADVICE)
    try:
        within = abs(config.operating_point.threshold) < MOST_THRESHOLD
    except ArithmeticError:
        within = False
    if not within:
        raise ValueError(
            f"no verifier: got a threshold beyond {MOST_THRESHOLD:g}, expected what AVIS writes. At {path}. {ADVICE}"
        )
    rate = config.front_end.get("sample_rate", config.hearing.sample_rate)
    if rate != config.hearing.sample_rate:
        raise ValueError(
            f"no verifier: got recordings of {config.hearing.sample_rate} Hz for a front end of {rate} Hz, expected "
            f"one rate. At {path}. {ADVICE}"
        )
    return config


def _file(folder: str, name: str, config: _Config) -> bytes:
    path = location.join(folder, name)
    try:
        data = location.read_bytes(path)
    except FileNotFoundError as error:
        raise ValueError(f"file missing: got no {name}, expected it. At {path}. {ADVICE}") from error
    if hashlib.sha256(data).hexdigest() != config.files.get(name):
        raise ValueError(
            f"file damaged or of another model: got {len(data)} bytes of another sum, expected those that {CONFIG} "
            f"names. At {path}. {ADVICE}"
        )
    return data


def _restored(fitted: Any, folder: str, name: str, config: _Config, tried: Callable[[], object]) -> None:
    data = _file(folder, name, config)
    restore(fitted, data, tried=tried, where=location.join(folder, name), advice=ADVICE)


def _check_measures(calibration: Calibration, backend: Backend) -> None:
    unknown = set(calibration.measures) - set(get_args(Measure))
    if unknown or ("cohort_mean" in calibration.measures and backend.normalized is None):
        raise ValueError(f"measures {calibration.measures} for {type(backend).__name__}")


def hearing_of(sharding: Mapping[str, Any]) -> Hearing:
    """Return how the recordings of a training were taken in."""
    return Hearing(**{field.name: sharding[field.name] for field in fields(Hearing)})
