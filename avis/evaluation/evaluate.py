"""Turn scores into error rates, plots and a report."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import avis
from avis import location, store
from avis.evaluation.conditions import by_condition
from avis.evaluation.fuse import FUSION
from avis.evaluation.identification import not_stated
from avis.evaluation.list_report import known_calibration, known_fusion, list_report
from avis.evaluation.score_table import CALIBRATION, NO_SPEAKERS, PAIR, SPEAKERS, Scored, matched, read_scores
from avis.evaluation.settings import Evaluation
from avis.metrics.bootstrap import (
    beyond_chance,
    flatten,
    has_width,
    nest,
    paired_difference,
    speaker_intervals,
)
from avis.metrics.equalised import condition_columns
from avis.metrics.figures import figures, tally
from avis.metrics.out_of_core import LongList, tally_chunks
from avis.metrics.summary import summary_of
from avis.metrics.trials import Trials
from avis.reports.calibration_words import capped_at, fitted_on
from avis.reports.fusion_words import fused_systems
from avis.reports.html import PICTURES, report_page
from avis.reports.page import ListReport, Report
from avis.run_folder import METRICS, REPORT

NO_DRAWS = "no interval: evaluation.bootstrap_draws=0"


def evaluate(
    scores: dict[str, str],
    out: str,
    *,
    facts: dict[str, str],
    evaluation: Evaluation,
    baseline: str | None = None,
) -> dict[str, Any]:
    """Evaluate scores and write ``metrics.json``, ``report.html`` and its plots as PNG.

    Parameters
    ----------
    scores : dict of str to str
        Name of each trial list and where its scores are; see `avis.evaluation.score_table.Scored`. Speakers are in the
        columns ``enroll_speaker`` and ``test_speaker``, log-likelihood ratios in ``llr``.
    out : str
        Folder of what is written.
    facts : dict
        What the report says about where the scores come from.
    evaluation : Evaluation
        What is stated besides.
    baseline : str, optional
        Scores of another system on the same trials, with which those of ``scores`` are compared.

    Returns
    -------
    dict
        ``{"metrics": {<trial list>: {...}}, "metrics_path": ..., "report_path": ...}``. For each list the figures of
        `avis.metrics.summary.summarize`, ``intervals`` (None, and ``intervals_note``, where there are none), where AVIS
        calibrated the scores ``calibration`` (see `avis.scoring.calibration.Calibration.facts`; ``beyond``: thresholds
        of stated costs that no ratio reaches), ``fusion`` where they were fused (see `avis.evaluation.fuse.FUSION`),
        ``dcf_equalised`` where the list has the columns (see `avis.metrics.equalised.equalised_costs`), and where asked
        for ``subgroups`` by column, ``identification`` (see `avis.evaluation.identification.Identification.stated`) and
        ``baseline``; besides ``scores``: where they are, seen from ``out`` if they are below it.

    Raises
    ------
    ValueError
        If a table has no known answers, only one kind of trial, or a score that is not a finite number.
    """
    metrics: dict[str, Any] = {}
    reports = []
    for name, uri in scores.items():
        scored = Scored(uri)
        long = scored.num_trials > evaluation.trials_in_memory
        trials, metrics[name] = (evaluate_out_of_core if long else evaluate_trials)(scored, evaluation, baseline)
        if long and evaluation.identification.ranks:
            metrics[name] |= not_stated("the list is longer than evaluation.trials_in_memory")
        metrics[name] |= known_fusion(uri) | known_calibration(uri, evaluation.wanted)
        metrics[name]["scores"] = location.below(uri, out)
        drawn = evaluation.resampling if evaluation.draws else None
        reports.append(list_report(name, scored, trials, metrics[name], drawn))
    _write_pictures(reports, out)
    page = report_page(Report("Speaker verification", reports, {**facts, "AVIS": avis.__version__}))
    store.write_bytes(location.join(out, REPORT), page.encode())
    store.write_json(location.join(out, METRICS), metrics)
    return {"metrics": metrics, "metrics_path": location.join(out, METRICS), "report_path": location.join(out, REPORT)}


def _write_pictures(reports: list[ListReport], out: str) -> None:
    """Write the plots, and remove those of the evaluation that was there before."""
    pictures = {_png(report.name, kind): data for report in reports for kind, data in report.pictures.items()}
    metrics = location.join(out, METRICS)
    earlier = store.read_json(metrics) if location.exists(metrics) else {}
    for name in {_png(trial_list, kind) for trial_list in earlier for kind in PICTURES} - set(pictures):
        system, path = location.filesystem(location.join(out, name))
        if location.exists(location.join(out, name)):
            system.delete_file(path)
    for name, data in pictures.items():
        store.write_bytes(location.join(out, name), data)


def _png(trial_list: str, kind: str) -> str:
    return f"{trial_list}-{kind.replace('_', '-')}.png"


def evaluate_trials(scored: Scored, chosen: Evaluation, baseline: str | None) -> tuple[Trials, dict[str, Any]]:
    """Return the trials of a list and all that is stated of them."""
    pair = [side for side in PAIR if baseline or (chosen.identification.ranks and side in scored.columns)]
    read = read_scores(scored, more=dict.fromkeys([*chosen.columns, *condition_columns(scored.columns), *pair]))
    trials, more, no_speakers = read
    counts = tally(*trials[:3], wanted=chosen.wanted)
    stated = summary_of(counts, chosen.wanted)
    stated |= _intervals(trials, chosen, no_speakers)
    stated |= chosen.identification.stated(trials, more, no_speakers)
    stated |= by_condition(trials, more, chosen, threshold=stated["eer_threshold"])
    if baseline:
        other = Scored(baseline)
        other.take_answers(more.select(list(PAIR)), trials.target)
        theirs = matched(read, read_scores(other, more=PAIR), baseline)
        stated["baseline"] = {"scores": baseline, **comparison(trials, theirs, chosen, no_speakers)}
    return trials, stated


def _intervals(trials: Trials, chosen: Evaluation, no_speakers: str | None) -> dict[str, Any]:
    if no_speakers or not chosen.draws:
        return {"intervals": None, "intervals_note": no_speakers if chosen.draws else NO_DRAWS}
    return {"intervals": speaker_intervals(trials, chosen.resampling, wanted=chosen.wanted)}


def comparison(trials: Trials, baseline: Trials, chosen: Evaluation, no_speakers: str | None) -> dict[str, Any]:
    """State the baseline's figures and how the trials' differ from them.

    ``no_speakers`` says why the trials have no speakers; those of the baseline will do.
    """
    wanted = chosen.wanted
    if trials.enroll_speaker is None:
        trials = trials._replace(enroll_speaker=baseline.enroll_speaker, test_speaker=baseline.test_speaker)
    theirs = summary_of(tally(*baseline[:3], wanted=wanted), wanted)
    if trials.enroll_speaker is not None and chosen.draws:
        return {"metrics": theirs, "differences": paired_difference(trials, baseline, chosen.resampling, wanted=wanted)}
    ours, other = (flatten(figures(tally(*each[:3], wanted=wanted), wanted)) for each in (trials, baseline))
    differences = {
        key: {"difference": value - other[key], "interval": None, "p_value": None}
        for key, value in ours.items()
        if key in other
    }
    note = no_speakers if chosen.draws else NO_DRAWS
    return {"metrics": theirs, "differences": {"figures": nest(differences), "intervals_note": note}}


def evaluate_out_of_core(scored: Scored, chosen: Evaluation, baseline: str | None) -> tuple[LongList, dict[str, Any]]:
    """Return what `evaluate_trials` does of a list that is read in chunks; see `avis.metrics.out_of_core`.

    Raises
    ------
    ValueError
        If groups or a comparison are asked for, which need the whole list.
    """
    if chosen.columns or baseline:
        raise ValueError(
            f"list too long: got {scored.num_trials} trials, expected at most {chosen.trials_in_memory} for subgroups "
            f"and a baseline. At {scored.uri}. Raise evaluation.trials_in_memory if memory allows."
        )
    llr = partial(scored.chunks, "llr") if "llr" in scored.columns else None
    scores = partial(scored.chunks, scored.deciding)
    with scored.named():
        long = tally_chunks(scores, llr, wanted=chosen.wanted, trials_in_memory=chosen.trials_in_memory)
    too_long = (
        "no interval, nor a band around the curve: drawing speakers takes all trials in memory, and these "
        f"{scored.num_trials:,} are more than evaluation.trials_in_memory={chosen.trials_in_memory}. "
        "Raise it if memory allows"
    )
    note = too_long if set(SPEAKERS) <= set(scored.columns) else NO_SPEAKERS
    note = note if chosen.draws else NO_DRAWS
    return long, {**summary_of(long.counts, chosen.wanted), "intervals": None, "intervals_note": note}


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


def show(result: dict[str, Any]) -> None:
    """Print the error rates and where the report is."""
    for name, metrics in result["metrics"].items():
        trials = f"{metrics['num_target']} target, {metrics['num_nontarget']} non-target trials"
        interval = ""
        drawn = (metrics["intervals"] or {}).get("figures")
        if drawn and has_width(drawn["eer"]):
            low, high = drawn["eer"]
            interval = f" [{low:.2%}, {high:.2%}]"
        print(f"{name}: EER {metrics['eer']:.2%}{interval}, minDCF(0.01) {metrics['min_dcf']['0.01']:.4f} ({trials})")
        if fusion := metrics.get(FUSION):
            print(f"{name}: fused of {fused_systems(fusion)}")
        if calibration := metrics.get(CALIBRATION):
            print(f"{name}: log-likelihood ratios {capped_at(calibration)}, calibrated on {fitted_on(calibration)}")
        if metrics["reversed"]:
            print(f"{name}: targets score lower than non-targets; is the sign of the scores turned?")
        if found := metrics.get("identification"):
            ranks = ", ".join(f"{accuracy:.2%} at rank {rank}" for rank, accuracy in found["closed_set"].items())
            print(f"{name}: identified {ranks} among {found['num_speakers']} speakers")
        elif note := metrics.get("identification_note"):
            print(f"{name}: {note}")
        if "baseline" in metrics:
            print(f"{name}: {_verdict(metrics['baseline'])}")
    print(f"metrics: {result['metrics_path']}\nreport:  {result['report_path']}", flush=True)


def _verdict(baseline: Mapping[str, Any]) -> str:
    """Say in a sentence whether the equal error rate differs from the baseline's."""
    found = baseline["differences"]["figures"]["eer"]
    said = f"EER {100 * found['difference']:+.2f} points against the baseline's {baseline['metrics']['eer']:.2%}"
    if found["p_value"] is None:
        return f"{said}; whether that is chance is not known"
    low, high = (100 * limit for limit in found["interval"])
    real = beyond_chance(found["p_value"], baseline["differences"]["confidence"])
    return f"{said} [{low:+.2f}, {high:+.2f}], p = {found['p_value']:.3f}: {'beyond' if real else 'may be'} chance"
