"""Leave what a training came to as a verifier, ready for use; see `avis.verifier`."""

import json
from dataclasses import replace
from typing import Any

from avis import location
from avis.checkpoints.checkpoint import Checkpoint
from avis.engine.fitted.attributes import fitted_attributes
from avis.engine.fitted.backend import fitted_backend
from avis.engine.fitted.calibration import Calibrator, build_calibration
from avis.engine.fitted.calibration_trials import calibration_trials, check_calibration_speakers, with_models
from avis.engine.fitted.voices import kept_voices, training_speech
from avis.engine.recipe import ScoreRecipe
from avis.engine.score import read_trials
from avis.engine.scoring_settings import CalibrationSettings
from avis.engine.trials.embeddings import StoreEmbedder
from avis.engine.trials.lists import read_index, read_rejects
from avis.engine.trials.vectors import TrialVectorMaker
from avis.run_folder import METRICS, VERIFIER
from avis.scoring.calibration import Calibration
from avis.structured_log import LOG
from avis.verifier.folder import CALIBRATING, EVEN, Parts, hearing_of, write_folder

BY_DURATION = CalibrationSettings.of(
    {
        "trials": None,
        "max_trials": 100_000,
        "crops_s": [1.0, 6.0],
        "model": CALIBRATING,
    }
)
"""How a verifier is calibrated where a run is not: on held-out speakers, recordings of 1 to 6 s among them."""


def leave_verifier(recipe: ScoreRecipe, checkpoint: Checkpoint, utterances: str, run_dir: str) -> str:
    """Write the verifier of a run that was scored, and return its folder.

    It decides by the run's own calibration and operating point, or by `BY_DURATION` and `EVEN`.
    """
    LOG.stage = "verifier"
    index = read_index(utterances)
    embedder = StoreEmbedder(checkpoint, utterances, run_dir, recipe.compute, recipe.max_window_s)
    tested = read_trials(recipe, utterances, index, lineage=checkpoint.lineage).speakers
    backend = fitted_backend(recipe.scoring, embedder, index, tested=tested, seed=recipe.seed)
    settings = recipe.calibration or BY_DURATION
    calibrated = replace(recipe, calibration=settings)
    calibration, why_not = _calibrated(calibrated, embedder, backend, index, utterances)
    if calibration is None:
        print(f"warning: the verifier is not calibrated, so that it is sure of nothing: {why_not}", flush=True)
    speech = training_speech(embedder, index, tested=tested, seed=recipe.seed)
    folder = location.join(run_dir, VERIFIER)
    parts = Parts(
        checkpoint=checkpoint,
        hearing=hearing_of(checkpoint.recipe["sharding"]),
        scoring=recipe.scoring.plain["backend"],
        backend=backend,
        calibrating=settings.plain["model"],
        calibration=calibration,
        operating_point=recipe.operating_point or EVEN,
        max_window_s=recipe.max_window_s,
        trained_on=str(checkpoint.lineage),
        figures=_figures(run_dir),
        voices=kept_voices(embedder, speech) if speech else None,
        attributes=fitted_attributes(speech, seed=recipe.seed) if speech else None,
    )
    write_folder(folder, parts)
    return folder


def _calibrated(
    recipe: ScoreRecipe, embedder: StoreEmbedder, backend: Any, index: Any, utterances: str
) -> tuple[Calibration | None, str]:
    """Return the calibration, or why there is none."""
    trials = calibration_trials(recipe, index, rejects=read_rejects(utterances))
    if trials is None:
        return None, "there are no held-out speakers."
    try:
        check_calibration_speakers(trials, index, lineage=embedder.checkpoint.lineage, tested=set())
    except ValueError as error:
        return None, str(error)
    calibration = build_calibration(recipe)
    assert calibration is not None, "one is configured"
    vectors = TrialVectorMaker(backend, calibration.measures, recipe.enrolment_mean, embedder.run_dir, recipe.compute)
    fitted, warnings = Calibrator(recipe, embedder, vectors, index).fitted(
        calibration, with_models(trials, index, None)
    )
    return fitted, " ".join(warnings)


def _figures(run_dir: str) -> dict[str, Any]:
    """Return what the evaluation of a run came to, list by list; nothing where there was none."""
    path = location.join(run_dir, METRICS)
    if not location.exists(path):
        return {}
    figures = {}
    for name, metrics in json.loads(location.read_bytes(path)).items():
        drawn = ((metrics.get("intervals") or {}).get("figures") or {}).get("eer")
        counts = {key: metrics[key] for key in ("num_target", "num_nontarget")}
        figures[name] = {"eer": metrics["eer"], "eer_interval": drawn, **counts}
    return figures
