"""The recipe of a run: its configuration as objects, built once. Heavy parts are components, built on demand."""

import copy
import functools
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from pydantic import NonNegativeInt, PositiveInt

from avis import location
from avis.checkpoints.components import PARTIAL, TARGET, Component
from avis.checkpoints.teacher import find_teachers
from avis.engine.shards.sharding import Sharding
from avis.engine.workers.compute import Compute
from avis.evaluation.identification import Identification
from avis.evaluation.settings import Evaluation
from avis.losses.building import Unbuilt
from avis.metrics.operating_point import OperatingPoint
from avis.scoring.backend import Backend
from avis.scoring.calibration import Calibration
from avis.scoring.gallery import Gallery
from avis.scoring.pairing import Pairing
from avis.scoring.trial_checks import TrialChecks
from avis.training.example_settings import ExampleSettings
from avis.training.module import Schedule
from avis.training.settings import Training

Made = TypeVar("Made", bound="PrepareRecipe")
ENROLMENT_MEANS = ("embeddings", "scores")


@dataclass(frozen=True, kw_only=True)
class PrepareRecipe:
    """What prepares a store.

    Attributes
    ----------
    plain : mapping
        The configuration itself, as it is fingerprinted and kept with runs and checkpoints.
    output_dir : str
        Absolute path or URI of the folder for stores and runs.
    seed : int
        Of all that is drawn.
    corpora : mapping of str to Component
        The corpora by their names; see `avis.corpora`.
    sharding : Sharding
    extends : str or None
        URI of the store to take over what is unchanged from.
    compute : Compute
    """

    plain: Mapping[str, Any]
    output_dir: str
    seed: int
    corpora: Mapping[str, Component[Any]]
    sharding: Sharding
    extends: str | None
    compute: Compute

    @classmethod
    def of(cls: type[Made], plain: Mapping[str, Any]) -> Made:
        """Return the recipe of a configuration.

        Parameters
        ----------
        plain : mapping
            As `avis.engine.config.resolve` returns it.

        Raises
        ------
        ValueError
            If a value is out of range, or two do not go together.
        """
        return cls(plain=plain, **cls._parts(plain))

    def changed(self: Made, settings: Mapping[str, Any]) -> Made:
        """Return the recipe with other values of some settings, named by their keys from the outermost on."""
        plain = copy.deepcopy(dict(self.plain))
        for key, value in settings.items():
            *groups, last = key.split(".")
            functools.reduce(operator.getitem, groups, plain)[last] = value
        return self.of(plain)

    @classmethod
    def _parts(cls, plain: Mapping[str, Any]) -> dict[str, Any]:
        extends = plain.get("extends")
        return {
            "output_dir": location.absolute(plain["output_dir"]),
            "seed": plain["seed"],
            "corpora": {name: Component(node) for name, node in plain["corpus"]["sources"].items()},
            "sharding": Sharding(**_arguments(plain["sharding"])),
            "extends": location.absolute(extends).rstrip("/") if extends else None,
            "compute": Compute(**_arguments(plain["compute"])),
        }


@dataclass(frozen=True, kw_only=True)
class PairRecipe(PrepareRecipe):
    """What makes trial lists of a store.

    Attributes
    ----------
    pairings : mapping of str to Component
        By name, what makes a list.
    """

    pairings: Mapping[str, Component[Pairing | Gallery]]

    @classmethod
    def _parts(cls, plain: Mapping[str, Any]) -> dict[str, Any]:
        pairings: dict[str, Component[Any]] = {name: Component(node) for name, node in plain["trials"].items()}
        return super()._parts(plain) | {"pairings": pairings}


@dataclass(frozen=True, kw_only=True)
class BackendSettings:
    """What makes a score of two embeddings.

    Parameters
    ----------
    backend : Component
        See `avis.scoring.backend`.
    fit_utterances : int
        Utterances of training speakers that it is fitted on, at most.
    fit_copies : int
        Augmented crops of each of them that it is fitted on besides.
    adapt_corpus : str or None
        Corpus that it is adapted to.
    plain : mapping
        The configuration itself.
    """

    backend: Component[Backend]
    fit_utterances: PositiveInt
    fit_copies: NonNegativeInt
    adapt_corpus: str | None
    plain: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class CalibrationSettings:
    """What makes a log-likelihood ratio of a score.

    Parameters
    ----------
    model : Component
    trials : str or None
        Path of the list that it is fitted on; None takes pairs of validation utterances.
    max_trials : int
        Pairs of each kind, at most.
    crops_s : list of float or None
        Shortest and longest length of crops that it is fitted on besides whole utterances.
    plain : mapping
        The configuration itself.
    """

    model: Component[Calibration]
    trials: str | None
    max_trials: PositiveInt
    crops_s: list[float] | None
    plain: Mapping[str, Any]


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
    trial_checks : TrialChecks
    scoring : BackendSettings
    calibration : CalibrationSettings or None
    operating_point : OperatingPoint or None
    evaluation : Evaluation
    """

    trials: Mapping[str, str | Component[Pairing | Gallery]] | None
    enrolments: str | None
    enrolment_mean: Literal["embeddings", "scores"]
    trial_checks: TrialChecks
    scoring: BackendSettings
    calibration: CalibrationSettings | None
    operating_point: OperatingPoint | None
    evaluation: Evaluation

    @classmethod
    def _parts(cls, plain: Mapping[str, Any]) -> dict[str, Any]:
        calibration, enrolments = plain.get("calibration"), plain.get("enrolments")
        return super()._parts(plain) | {
            "trials": trial_sources(plain["trials"]),
            "enrolments": location.absolute(str(enrolments)) if enrolments else None,
            "enrolment_mean": _enrolment_mean(plain.get("enrolment_mean")),
            "trial_checks": TrialChecks(**_arguments(plain["trial_checks"])),
            "scoring": _backend_settings(plain["scoring"]),
            "calibration": _calibration_settings(calibration) if calibration else None,
            "operating_point": _operating_point(plain.get("operating_point"), calibrated=bool(calibration)),
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
    start_from: str | None

    @classmethod
    def _parts(cls, plain: Mapping[str, Any]) -> dict[str, Any]:
        start_from = plain.get("start_from")
        return super()._parts(plain) | {
            "examples": ExampleSettings.of(plain),
            **{key: Component(plain[key]) for key in ("model", "loss", "optimizer")},
            **{key: Component(plain["scheduler"][key]) for key in ("learning_rate", "margin")},
            "trainer": Training(**_arguments(plain["trainer"])),
            "start_from": location.absolute(start_from) if start_from else None,
        }

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
    return {name: Component(node) if isinstance(node, Mapping) else str(node) for name, node in named.items()}


def _arguments(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key not in (TARGET, PARTIAL)}


def _evaluation(node: Mapping[str, Any]) -> Evaluation:
    identification = Identification(**_arguments(node["identification"]))
    return Evaluation(**{**_arguments(node), "identification": identification})


def _enrolment_mean(mean: str | None) -> str:
    if mean is not None and mean not in ENROLMENT_MEANS:
        raise ValueError(
            f"unknown mean: got enrolment_mean={mean}, expected one of {', '.join(ENROLMENT_MEANS)}. "
            "At enrolment_mean. Correct it."
        )
    return mean or ENROLMENT_MEANS[0]


def _backend_settings(node: Mapping[str, Any]) -> BackendSettings:
    return BackendSettings(
        backend=Component(node["backend"]),
        fit_utterances=node["fit_utterances"],
        fit_copies=node["fit_copies"],
        adapt_corpus=node.get("adapt_corpus"),
        plain=node,
    )


def _calibration_settings(node: Mapping[str, Any]) -> CalibrationSettings:
    trials, crops_s = node["trials"], node.get("crops_s") or None
    if crops_s and not (isinstance(crops_s, list) and len(crops_s) == 2 and 0.0 < crops_s[0] <= crops_s[1] < math.inf):
        raise ValueError(
            f"crops out of range: got crops_s={crops_s} s, expected the shortest length, above 0, and the longest. "
            "At calibration.crops_s. Correct it, or give null for whole utterances alone."
        )
    return CalibrationSettings(
        model=Component(node["model"]),
        trials=location.absolute(str(trials)) if trials is not None else None,
        max_trials=node["max_trials"],
        crops_s=crops_s,
        plain=node,
    )


def _operating_point(given: Any, *, calibrated: bool) -> OperatingPoint | None:
    if given is None:
        return None
    if set(given) != {"p_target", "c_miss", "c_fa"} or not all(isinstance(v, int | float) for v in given.values()):
        raise ValueError(
            f"operating point incomplete: got {given}, expected numbers p_target, c_miss and c_fa. At operating_point. "
            "Give operating_point={p_target:0.01,c_miss:1,c_fa:1}."
        )
    if not calibrated:
        raise ValueError(
            f"decision without calibration: got operating_point={given} and no calibration, expected both. "
            "At calibration. Add calibration=linear, since its threshold is one on log-likelihood ratios, or "
            "operating_point=none."
        )
    return OperatingPoint(**given)
