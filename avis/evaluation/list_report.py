"""Gather what the page of an evaluation shows: plots, worst trials, and what the manifest says of the list."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from avis import location, store
from avis.evaluation.matching import PAIR
from avis.evaluation.score_table import CALIBRATION, FUSION, LEFT_OUT, ORIGIN, SPEAKERS, ScoreTable
from avis.metrics.bootstrap import Resampling
from avis.metrics.det_band import det_band
from avis.metrics.error_curve import ErrorCurve, error_curve
from avis.metrics.figures import FigureSet
from avis.metrics.list_metrics import CalibrationFacts, FusedSystem, FusionFacts, LeftOut, ListMetrics
from avis.metrics.out_of_core import LongList
from avis.metrics.scores import error_rates
from avis.metrics.trials import Trials
from avis.reports.calibration_plots import bayes_error_plot, pav_plot
from avis.reports.det_plot import DetCurve, det_plot
from avis.reports.drawing import png
from avis.reports.page import ListReport
from avis.reports.score_plots import histogram_plot, tippett_plot
from avis.reports.wording import beyond_cap, capped_at, fitted_on, fused_systems
from avis.reports.worst_trials import Trial, worst_of_chunks, worst_trials

_CERTAINTIES = {"checksum": "the published list itself", "counts": "as many trials as the published list"}


def read_origin(scores: str) -> dict[str, str]:
    """Return what a scores table says of where it comes from; nothing where there is no table."""
    return dict(_manifest(scores).get(ORIGIN, {}))


def read_calibration(scores: str, figure_set: FigureSet) -> CalibrationFacts | None:
    """Return what a scores table says of its calibration, and which thresholds of stated costs no ratio reaches."""
    facts = _manifest(scores).get(CALIBRATION)
    if not facts:
        return None
    calibration = CalibrationFacts(**facts)
    return replace(calibration, beyond=tuple(beyond_cap(calibration, figure_set.thresholds().tolist())))


def read_fusion(scores: str) -> FusionFacts | None:
    """Return which systems a scores table says it was fused of; None of other scores."""
    facts = _manifest(scores).get(FUSION)
    if not facts:
        return None
    return FusionFacts({name: FusedSystem(**system) for name, system in facts["systems"].items()}, facts["offset"])


def read_left_out(scores: str) -> LeftOut | None:
    """Return what a scores table says of the part of its list that was not scored; None where all was."""
    facts = _manifest(scores).get(LEFT_OUT)
    return LeftOut(**facts) if facts else None


def _manifest(scores: str) -> dict[str, Any]:
    """Return the manifest of a scores table; nothing where there is no table."""
    return store.open_manifest(scores) if location.is_folder(scores) else {}


def list_report(
    name: str,
    table: ScoreTable,
    trials: Trials | LongList,
    metrics: ListMetrics,
    resampling: Resampling | None,
    *,
    pages: Mapping[int, str] = {},
) -> ListReport:
    """Return all that the page shows of one list.

    Parameters
    ----------
    name : str
        Name of the list.
    table : ScoreTable
        Its scores.
    trials : Trials or LongList
        The same, read or, if the list is longer than memory, counted.
    metrics : ListMetrics
        What is stated of it.
    resampling : Resampling or None
        How speakers are drawn for the band of the DET curve; None draws none.
    pages : mapping of int to str
        Links to pages that explain trials, by their numbers; see `avis.evaluation.explained.pages_of`.
    """
    manifest = _manifest(table.uri)
    if isinstance(trials, LongList):
        worst = worst_of_chunks(partial(table.chunks, table.deciding))
        curve, scores, llrs = DetCurve(trials.scores.rates), trials.scores, trials.llrs
    else:
        worst = worst_trials(trials)
        curve, scores = det_curve(trials, resampling), error_curve(trials.scores, trials.target)
        llrs = None if trials.llr is None else error_curve(trials.llr, trials.target)
    return ListReport(
        name,
        metrics,
        _pictures({name: curve}, scores, llrs, metrics.summary.eer_threshold),
        false_accepts=_described(worst.nontargets, table, pages),
        false_rejects=_described(worst.targets, table, pages),
        facts=_facts(table.uri, manifest, metrics),
        flagged=manifest.get("flagged", {}),
        warnings=manifest.get("warnings", []),
    )


def _pictures(
    curves: Mapping[str, DetCurve], scores: ErrorCurve, llrs: ErrorCurve | None, threshold: float
) -> dict[str, bytes]:
    figures = {"det": det_plot(curves), "histogram": histogram_plot(scores, threshold)}
    if llrs is not None:
        figures |= {"tippett": tippett_plot(llrs), "pav": pav_plot(llrs), "bayes_error": bayes_error_plot(llrs)}
    return {kind: png(figure) for kind, figure in figures.items()}


def det_curve(trials: Trials, resampling: Resampling | None) -> DetCurve:
    """Return a list's DET curve, with its band where speakers are known and drawn."""
    rates = error_rates(trials.scores, trials.target)
    if resampling is None or trials.enroll_speaker is None:
        return DetCurve(rates)
    return DetCurve(rates, det_band(trials, resampling))


def _described(rows: list[int], table: ScoreTable, pages: Mapping[int, str]) -> list[Trial]:
    """Return trials with what the scores table says of their sides."""
    columns = [column for column in (*PAIR, *SPEAKERS) if column in table.columns]
    trials = table.rows([table.deciding, *columns], rows).to_pylist()
    return [
        Trial(
            number=row + 1,
            score=float(trial[table.deciding]),
            page=pages.get(row + 1),
            **{column: _text(trial.get(column)) for column in (*PAIR, *SPEAKERS)},
        )
        for row, trial in zip(rows, trials, strict=True)
    ]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _facts(uri: str, manifest: Mapping[str, Any], metrics: ListMetrics) -> dict[str, str]:
    """Say what a list is, as far as the manifest of its scores knows."""
    trial_list = manifest.get("list", {})
    facts = {}
    if trial_list:
        name, certainty = trial_list["name"], trial_list["certainty"]
        facts["Published list"] = f"{name} ({_CERTAINTIES[certainty]})" if name else "none that AVIS knows"
    if trial_list.get("md5"):
        facts["MD5 of the list"] = trial_list["md5"]
    if trial_list.get("pairing"):
        facts["Made by"] = ", ".join(f"{key}={value}" for key, value in trial_list["pairing"].items())
    if manifest.get("cohort"):
        facts["Cohort of the score normalisation"] = manifest["cohort"]
    if metrics.fusion:
        facts["Fused systems"] = fused_systems(metrics.fusion)
    if metrics.intervals:
        facts["Speakers"] = f"{metrics.intervals.draws.num_speakers:,}"
    if metrics.calibration:
        facts["Calibrated on"] = fitted_on(metrics.calibration)
        facts["Log-likelihood ratios"] = capped_at(metrics.calibration)
    flagged = manifest.get("flagged", {})
    if flagged:
        facts["Checked for"] = ", ".join(f"{check.replace('_', ' ')} ({count:,})" for check, count in flagged.items())
    return {**facts, "Scores": uri}
