"""The recipe of a run: its configuration as objects, built once. Heavy parts are components, built on demand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from avis import location
from avis.checkpoints.components import ROOMS, Component, build
from avis.checkpoints.teacher import find_teachers
from avis.engine.config import check_arguments
from avis.engine.prepare_recipe import PrepareRecipe, arguments
from avis.engine.scoring_settings import MAX_WINDOW_S, BackendSettings, CalibrationSettings, operating_point
from avis.evaluation.identification import Identification
from avis.evaluation.settings import Evaluation
from avis.foreign import is_name
from avis.losses.building import Unbuilt
from avis.metrics.operating_point import OperatingPoint
from avis.scoring.gallery import Gallery
from avis.scoring.pairing import Pairing
from avis.scoring.trial_checks import TrialChecks
from avis.training.example_settings import ExampleSettings
from avis.training.logger_settings import Files, Mlflow, Wandb
from avis.training.schedules import Schedule
from avis.training.settings import Training

ENROLMENT_MEANS = ("embeddings", "scores")


@dataclass(frozen=True, kw_only=True)
class ScoreRecipe(PrepareRecipe):
    """What scores trials, and evaluates them.

    Attributes
    ----------
    trials : mapping or None
        By name, the path of a trial list or what makes it; None takes the corpora's own lists.
    enrolments : str or None
        URI of the enrolment models that the trials name.
    enrolment_mean : {"embeddings", "scores"}
        What is averaged over the utterances of an enrolment model.
    max_window_s : float
        What is longer is embedded in windows; see `avis.engine.trials.embedder.Embedder`.
    trial_checks : TrialChecks
    scoring : BackendSettings
    calibration : CalibrationSettings or None
    operating_point : OperatingPoint or None
    evaluation : Evaluation
    """

    trials: Mapping[str, str | Component[Pairing | Gallery]] | None
    enrolments: str | None
    enrolment_mean: Literal["embeddings", "scores"]
    max_window_s: float
    trial_checks: TrialChecks
    scoring: BackendSettings
    calibration: CalibrationSettings | None
    operating_point: OperatingPoint | None
    evaluation: Evaluation

    @classmethod
    def _parts(cls, plain: Mapping[str, Any]) -> dict[str, Any]:
        calibration, enrolments = plain.get("calibration"), plain.get("enrolments")
        check_arguments(BackendSettings, {"adapt_corpus": None, **plain["scoring"], "plain": {}}, "scoring")
        return super()._parts(plain) | {
            "trials": trial_sources(plain["trials"]),
            "enrolments": location.absolute(str(enrolments)) if enrolments else None,
            "enrolment_mean": _enrolment_mean(plain.get("enrolment_mean")),
            "max_window_s": plain.get("max_window_s") or MAX_WINDOW_S,
            "trial_checks": TrialChecks(**arguments(plain["trial_checks"])),
            "scoring": BackendSettings.of(plain["scoring"]),
            "calibration": CalibrationSettings.of(calibration) if calibration else None,
            "operating_point": operating_point(plain.get("operating_point"), calibrated=bool(calibration)),
            "evaluation": _evaluation(plain["evaluation"]),
        }


@dataclass(frozen=True, kw_only=True)
class Recipe(ScoreRecipe):
    """What trains a model, scores it, and evaluates its scores.

    Attributes
    ----------
    examples : ExampleSettings
    model, loss : Component
        See `avis.models` and `avis.losses`.
    optimizer : Component
        Makes the optimiser of named parameters.
    learning_rate, margin : Component
        Schedules; see `avis.training.schedules`.
    trainer : Training
    logger : Files, Mlflow or Wandb
    start_from : str or None
        URI of the checkpoint whose weights the training starts with.
    """

    examples: ExampleSettings
    model: Component[Any]
    loss: Component[Unbuilt]
    optimizer: Component[Callable[..., Any]]
    learning_rate: Component[Schedule]
    margin: Component[Schedule]
    trainer: Training
    logger: Files | Mlflow | Wandb
    start_from: str | None

    @classmethod
    def _parts(cls, plain: Mapping[str, Any]) -> dict[str, Any]:
        start_from = plain.get("start_from")
        return super()._parts(plain) | {
            "examples": ExampleSettings.of(plain),
            **{key: Component(plain[key]) for key in ("model", "loss", "optimizer")},
            **{key: Component(plain["scheduler"][key]) for key in ("learning_rate", "margin")},
            "trainer": Training(**arguments(plain["trainer"])),
            "logger": build(plain["logger"], ROOMS["logger"]) if plain.get("logger") else Files(),
            "start_from": location.absolute(start_from) if start_from else None,
        }

    def placed(self) -> "Recipe":
        """Return the recipe with ``auto`` placements decided by what is there; connects to Ray if only that tells.

        Features are computed on the device where the training has GPUs, in a precision that leaves waveforms 32 bits;
        augmentation is applied there where features are, and there are GPUs. Elsewhere both stay in the stream.
        """
        placements = {"features": self.examples.features.placement, "augment": self.examples.augment.placement}
        if "auto" not in placements.values():
            return self
        if self.compute.use_gpu is not False:
            self.compute.connect()
        rounds_waveforms = self.trainer.precision in ("16-true", "bf16-true", "64-true")
        on_gpus = self.compute.num_gpus() > 0 and not rounds_waveforms
        if placements["features"] == "auto":
            placements["features"] = "device" if on_gpus or placements["augment"] == "device" else "stream"
        if placements["augment"] == "auto":
            placements["augment"] = "device" if on_gpus and placements["features"] == "device" else "stream"
        return self.changed({f"{group}.placement": placement for group, placement in placements.items()})

    def with_teachers(self) -> "Recipe":
        """Return the recipe with the teachers of its loss located; see `avis.checkpoints.teacher.find_teachers`."""
        front_end = self.examples.features.front_end.plain
        loss = find_teachers(self.loss.plain, front_end, sample_rate=self.examples.sample_rate)
        return replace(self, loss=Component(loss), plain={**self.plain, "loss": loss})


def trial_sources(trials: Any) -> dict[str, str | Component[Pairing | Gallery]] | None:
    """Return what each trial list of a configuration is read or made from, by its name."""
    if trials is None:
        return None
    named = {location.stem(trials): trials} if isinstance(trials, str) else trials
    if not isinstance(named, Mapping):
        raise ValueError(
            f"no trial list: got trials={trials}, expected a path, or paths by their names. At trials. Give "
            "trials=<path> or trials={<name>: <path>}."
        )
    if odd := [name for name in named if not is_name(name)]:
        raise ValueError(
            f"no name of a trial list: got {odd[0]!r}, expected one that a file may have. At trials. Give "
            "trials={<name>: <path>} with another name."
        )
    return {name: Component(node) if isinstance(node, Mapping) else str(node) for name, node in named.items()}


def _evaluation(node: Mapping[str, Any]) -> Evaluation:
    identification = Identification(**arguments(node["identification"]))
    return Evaluation(**{**arguments(node), "identification": identification})


def _enrolment_mean(mean: str | None) -> str:
    if mean is not None and mean not in ENROLMENT_MEANS:
        raise ValueError(
            f"unknown mean: got enrolment_mean={mean}, expected one of {', '.join(ENROLMENT_MEANS)}. "
            "At enrolment_mean. Correct it."
        )
    return mean or ENROLMENT_MEANS[0]
