"""Gather what the page of an evaluation shows: plots, worst trials, and what the manifest says of the list."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from avis import location, store
from avis.evaluation.fuse import FUSION
from avis.evaluation.score_table import CALIBRATION, ORIGIN, PAIR, SPEAKERS, Scored
from avis.metrics.bootstrap import Resampling
from avis.metrics.counting import Counted, counted
from avis.metrics.det_band import det_band
from avis.metrics.figures import Wanted
from avis.metrics.out_of_core import LongList
from avis.metrics.scores import error_rates
from avis.metrics.trials import Trials
from avis.reports.calibration_plots import bayes_error_plot, pav_plot
from avis.reports.calibration_words import beyond_cap, capped_at, fitted_on
from avis.reports.det_plot import DetCurve, det_plot
from avis.reports.drawing import png
from avis.reports.fusion_words import fused_systems
from avis.reports.page import ListReport
from avis.reports.score_plots import histogram_plot, tippett_plot
from avis.reports.worst_trials import Trial, worst_of_chunks, worst_trials

_CERTAINTIES = {"checksum": "the published list itself", "counts": "as many trials as the published list"}


def known_origin(scores: str) -> dict[str, str]:
    """Return what a scores table says of where it comes from (see `origin`); nothing where there is no table."""
    return dict(_manifest(scores).get(ORIGIN, {}))


def known_calibration(scores: str, wanted: Wanted) -> dict[str, Any]:
    """Return what a scores table says of its calibration, and which thresholds of wanted costs no ratio reaches."""
    found = _manifest(scores).get(CALIBRATION)
    return {CALIBRATION: {**found, "beyond": beyond_cap(found, wanted.thresholds().tolist())}} if found else {}


def known_fusion(scores: str) -> dict[str, Any]:
    """Return which systems a scores table says it was fused of (see `avis.evaluation.fuse`); nothing of others."""
    found = _manifest(scores).get(FUSION)
    return {FUSION: found} if found else {}


def _manifest(scores: str) -> dict[str, Any]:
    """Return the manifest of a scores table; nothing where there is no table."""
    return store.open_manifest(scores) if location.is_folder(scores) else {}


def list_report(
    name: str, scored: Scored, trials: Trials | LongList, metrics: Mapping[str, Any], resampling: Resampling | None
) -> ListReport:
    """Return all that the page shows of one list.

    Parameters
    ----------
    name
        Of the list.
    scored
        Its scores.
    trials
        The same, read or, if the list is longer than memory, counted.
    metrics
        What is stated of it.
    resampling
        How speakers are drawn for the band of the DET curve; None draws none.
    """
    manifest = _manifest(scored.uri)
    if isinstance(trials, LongList):
        worst = worst_of_chunks(partial(scored.chunks, scored.deciding))
        curve, scores, llrs = DetCurve(trials.scores.rates), trials.scores, trials.llrs
    else:
        worst = worst_trials(trials)
        curve, scores = det_curve(trials, resampling), counted(trials.scores, trials.target)
        llrs = None if trials.llr is None else counted(trials.llr, trials.target)
    return ListReport(
        name,
        metrics,
        _pictures({name: curve}, scores, llrs, metrics["eer_threshold"]),
        false_accepts=_identified(worst.nontargets, scored),
        false_rejects=_identified(worst.targets, scored),
        facts=_facts(scored, manifest, metrics),
        flagged=manifest.get("flagged", {}),
        warnings=manifest.get("warnings", []),
    )


def _pictures(
    curves: Mapping[str, DetCurve], scores: Counted, llrs: Counted | None, threshold: float
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


def _identified(rows: list[int], scored: Scored) -> list[Trial]:
    """Return trials with what the scores table says of their sides."""
    columns = [column for column in (*PAIR, *SPEAKERS) if column in scored.columns]
    taken = scored.rows([scored.deciding, *columns], rows).to_pylist()
    return [
        Trial(
            number=row + 1,
            score=float(named[scored.deciding]),
            **{key: _text(named.get(key)) for key in (*PAIR, *SPEAKERS)},
        )
        for row, named in zip(rows, taken, strict=True)
    ]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _facts(scored: Scored, manifest: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, str]:
    """Say what a list is, as far as the manifest of its scores knows."""
    known = manifest.get("list", {})
    facts = {}
    if known:
        facts["Published list"] = (
            f"{known['name']} ({_CERTAINTIES[known['certainty']]})" if known["name"] else "none that AVIS knows"
        )
    if known.get("md5"):
        facts["MD5 of the list"] = known["md5"]
    if known.get("pairing"):
        facts["Made by"] = ", ".join(f"{key}={value}" for key, value in known["pairing"].items())
    if manifest.get("cohort"):
        facts["Cohort of the score normalisation"] = manifest["cohort"]
    if FUSION in metrics:
        facts["Fused systems"] = fused_systems(metrics[FUSION])
    if metrics["intervals"]:
        facts["Speakers"] = f"{metrics['intervals']['num_speakers']:,}"
    if calibration := metrics.get(CALIBRATION):
        facts["Calibrated on"] = fitted_on(calibration)
        facts["Log-likelihood ratios"] = capped_at(calibration)
    flagged = manifest.get("flagged", {})
    if flagged:
        facts["Checked for"] = ", ".join(f"{check.replace('_', ' ')} ({count:,})" for check, count in flagged.items())
    return {**facts, "Scores": scored.uri}
