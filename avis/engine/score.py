"""Score trial lists with a checkpoint: embed, fit what is to be fitted, compare, decide."""

import functools
from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from hydra.utils import instantiate

from avis import store
from avis.checkpoints.run_checkpoints import read_checkpoint
from avis.engine.fitted.backend import build_backend, fitted_backend
from avis.engine.fitted.calibration import build_decisions, fitted_decisions
from avis.engine.fitted.calibration_trials import calibration_trials, check_calibration_speakers, with_models
from avis.engine.trials.embeddings import embed
from avis.engine.trials.lists import TrialList, enrolled, named_models, named_utterances, read_index, read_lists
from avis.engine.trials.scoring import CALIBRATION, ORIGIN, Scorer, score_list
from avis.engine.trials.vectors import enrolment_mean, gather_sides
from avis.engine.workers.compute import Compute
from avis.evaluation.list_report import origin
from avis.evaluation.score_table import Scored
from avis.scoring.decision import OperatingPoint
from avis.scoring.score_norm import ScoreNorm
from avis.scoring.trial_ids import gather


def score(cfg: dict[str, Any], checkpoint: str, utterances: str, run_dir: str) -> dict[str, str]:
    """Score the configured trial lists and return the scores table of each.

    Raises
    ------
    ValueError
        If a list cannot be read or made or fails the configured checks (``trial_checks``), or a speaker to calibrate on
        was trained on or is tested.
    """
    compute: Compute = instantiate(cfg["compute"])
    decisions = build_decisions(cfg, build_backend(cfg["scoring"]))
    index = read_index(utterances)
    lists, calibration_list, speakers = _read_trials(cfg, index, trained=read_checkpoint(checkpoint)["speakers"])
    embed_some = functools.partial(embed, checkpoint, utterances, run_dir=run_dir, compute=compute)
    embedded = embed_some(named_utterances(lists), label="embed trials")
    backend = fitted_backend(cfg, checkpoint, utterances, index, run_dir, tested=speakers)
    embed_calibration = functools.partial(embed_some, label="embed calibration trials")
    models = named_models(lists)
    decisions, warnings = fitted_decisions(
        cfg,
        checkpoint,
        decisions,
        with_models(calibration_list, index, models),
        index,
        backend=backend,
        embed=embed_calibration,
        run_dir=run_dir,
    )
    more_facts = {"warnings": warnings, ORIGIN: origin(cfg, checkpoint, utterances)}
    if isinstance(backend, ScoreNorm):
        more_facts["cohort"] = backend.describe_cohort()
    if decisions.calibration is not None:
        more_facts[CALIBRATION] = decisions.calibration.facts()
    sides, numbers = gather_sides(cfg, enrolled(lists), embedded, index, backend, decisions.calibration, run_dir)
    scorer = Scorer(backend, decisions.calibration, decisions.operating_point)
    return {
        name: score_list(
            name,
            trials,
            (numbers(trials["enroll"]), gather(trials["test"], embedded["utt_id"])),
            facts=facts | more_facts,
            sides=sides,
            scorer=scorer,
            run_dir=run_dir,
            compute=compute,
        )
        for name, (trials, _, facts) in lists.items()
    }


def check_trials(cfg: dict[str, Any], utterances: str) -> None:
    """Check before a training that its trials can be scored after it.

    Raises
    ------
    ValueError
        If a list cannot be read or made or fails the configured checks (``trial_checks``), a speaker to calibrate on
        is to be trained on or tested, or the back-end, its calibration and the operating point don't fit each other.
    """
    decisions = build_decisions(cfg, build_backend(cfg["scoring"]))
    index = read_index(utterances)
    trained = index.filter(pc.equal(index["split"], "train"))["speaker"].unique().to_pylist()
    _, calibration_list, _ = _read_trials(cfg, index, trained=trained)
    if decisions.calibration is not None and calibration_list is None:
        raise ValueError(
            "nothing to calibrate on: got calibration.trials=null and no validation speakers in the store, expected "
            f"one or the other. At {utterances}. Give calibration.trials=<path>, or hold out speakers."
        )


def _read_trials(
    cfg: dict[str, Any], index: pa.Table, *, trained: Collection[str]
) -> tuple[dict[str, TrialList], pa.Table | None, set[str]]:
    """Return the trial lists, the trials to calibrate on, and the speakers of both."""
    enrolment_mean(cfg)
    lists = read_lists(cfg, index, trained=trained)
    tested = set(index["speaker"].take(gather(named_utterances(lists), index["utt_id"])).to_pylist())
    calibration = calibration_trials(cfg, index)
    if calibration is None:
        return lists, None, tested
    return lists, calibration, tested | check_calibration_speakers(calibration, index, trained=trained, tested=tested)


def show_decisions(scores: Mapping[str, str], cfg: Mapping[str, Any]) -> None:
    """Print what the decisions at the operating point come to, where there are any."""
    if cfg.get("operating_point") is None:
        return
    point = OperatingPoint(**cfg["operating_point"])
    for name, uri in scores.items():
        if "accept" not in Scored(uri).columns:
            continue
        table = store.read_table(uri, "scores", columns=["accept", "expected_cost"])
        print(
            f"{name}: accepted {pc.sum(table['accept'])} of {len(table)} trials at llr >= {point.threshold:.4f} "
            f"(p_target {point.p_target:g}, c_miss {point.c_miss:g}, c_fa {point.c_fa:g}), "
            f"expected cost {pc.mean(table['expected_cost']).as_py():.4f} per trial"
        )


def with_answers(scores: Mapping[str, str]) -> dict[str, str]:
    """Return the lists that can be evaluated, and print where the scores of those without any answers are."""
    answered = {}
    for name, uri in scores.items():
        targets = store.read_table(uri, "scores", columns=["target"])["target"]
        if targets.null_count < len(targets):
            answered[name] = uri
        else:
            print(f"{name}: {len(targets)} trials without answers\nscores:  {uri}", flush=True)
    return answered
