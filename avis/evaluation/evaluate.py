"""Turn scores into error rates, plots and a report."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import avis
from avis import location, store
from avis.evaluation.conditions import equalised_by_protocol, subgroups_by_column
from avis.evaluation.explained import pages_of
from avis.evaluation.list_report import list_report, read_calibration, read_fusion, read_left_out, read_origin
from avis.evaluation.matching import PAIR
from avis.evaluation.metrics_json import to_json
from avis.evaluation.score_table import NO_SPEAKERS, SPEAKERS, TRAINED_ON, ScoreTable, aligned, read_scores
from avis.evaluation.settings import Evaluation
from avis.metrics.bootstrap import paired_difference, speaker_intervals
from avis.metrics.equalised import condition_columns
from avis.metrics.figures import EER, MIN_DCF, Figure, difference
from avis.metrics.intervals import Difference, Differences
from avis.metrics.list_metrics import Baseline, ListMetrics
from avis.metrics.out_of_core import LongList, count_long_list
from avis.metrics.summary import summarize, summary_of
from avis.metrics.trials import Trials
from avis.reports.cautions import by_chance
from avis.reports.html import PICTURES, report_page
from avis.reports.page import ListReport, Report
from avis.reports.wording import capped_at, fitted_on, fused_systems
from avis.run_folder import METRICS, REPORT
from avis.structured_log import LOG

NO_DRAWS = "no interval: evaluation.bootstrap_draws=0"


class Evaluated(NamedTuple):
    """What an evaluation says, and where that is.

    Attributes
    ----------
    metrics : dict of str to ListMetrics
        What is said of each trial list, by its name.
    metrics_path, report_path : str
        Where ``metrics.json`` and ``report.html`` are.
    """

    metrics: dict[str, ListMetrics]
    metrics_path: str
    report_path: str


def evaluate(
    scores: Mapping[str, str],
    out: str,
    *,
    facts: Mapping[str, str],
    evaluation: Evaluation,
    baseline: str | None = None,
) -> Evaluated:
    """Evaluate scores and write ``metrics.json``, ``report.html`` and its plots as PNG.

    The worst trials lead to the pages that explain them, where there are some.

    Parameters
    ----------
    scores : mapping of str to str
        Name of each trial list and where its scores are; see `avis.evaluation.score_table.ScoreTable`. Speakers are in
        the columns ``enroll_speaker`` and ``test_speaker``, log-likelihood ratios in ``llr``.
    out : str
        Folder of what is written.
    facts : mapping of str to str
        What the report says about where the scores come from.
    evaluation : Evaluation
        What is stated of every list.
    baseline : str, optional
        Scores of another system on the same trials, with which those of ``scores`` are compared.

    Raises
    ------
    ValueError
        If a table has no known answers, only one kind of trial, or a score that is not a finite number.
    """
    LOG.stage = "evaluate"
    metrics: dict[str, ListMetrics] = {}
    reports = []
    for name, uri in scores.items():
        table = ScoreTable(uri)
        is_long = table.num_trials > evaluation.trials_in_memory
        trials, of_list = (evaluate_out_of_core if is_long else evaluate_trials)(table, evaluation, baseline)
        metrics[name] = replace(
            of_list,
            fusion=read_fusion(uri),
            calibration=read_calibration(uri, evaluation.figure_set),
            left_out=read_left_out(uri),
            trained_on=read_origin(uri).get(TRAINED_ON),
            scores=location.below(uri, out),
        )
        resampling = evaluation.resampling if evaluation.draws else None
        reports.append(list_report(name, table, trials, metrics[name], resampling, pages=pages_of(uri, out)))
    _write_pictures(reports, out)
    page = report_page(Report("Speaker verification", reports, {**facts, "AVIS": avis.__version__}))
    store.write_bytes(location.join(out, REPORT), page.encode())
    lists = {report.name: {**to_json(report.metrics), "cautions": report.cautions} for report in reports}
    store.write_json(location.join(out, METRICS), lists)
    return Evaluated(metrics, location.join(out, METRICS), location.join(out, REPORT))


def with_answers(scores: Mapping[str, str]) -> dict[str, str]:
    """Return the lists that can be evaluated, and print where the scores of those without any answers are.

    Parameters
    ----------
    scores : mapping of str to str
        Name of each trial list and where its scores table is.
    """
    answered = {}
    for name, uri in scores.items():
        targets = store.read_table(uri, "scores", columns=["target"])["target"]
        if targets.null_count < len(targets):
            answered[name] = uri
        else:
            print(f"{name}: {len(targets)} trials without answers\nscores:  {uri}", flush=True)
    return answered


def _write_pictures(reports: list[ListReport], out: str) -> None:
    """Write the plots, and remove those of the evaluation that was there before."""
    pictures = {_png(report.name, kind): data for report in reports for kind, data in report.pictures.items()}
    metrics = location.join(out, METRICS)
    earlier = store.read_json(metrics) if location.exists(metrics) else {}
    for name in {_png(trial_list, kind) for trial_list in earlier for kind in PICTURES} - set(pictures):
        store.delete_file(location.join(out, name))
    for name, data in pictures.items():
        store.write_bytes(location.join(out, name), data)


def _png(trial_list: str, kind: str) -> str:
    return f"{trial_list}-{kind.replace('_', '-')}.png"


def evaluate_trials(table: ScoreTable, evaluation: Evaluation, baseline: str | None) -> tuple[Trials, ListMetrics]:
    """Return the trials of a list and all that is said of them but where they come from."""
    pair = [side for side in PAIR if baseline or (evaluation.identification.ranks and side in table.columns)]
    scored = read_scores(table, columns=dict.fromkeys([*evaluation.columns, *condition_columns(table.columns), *pair]))
    trials = scored.trials
    summary = summarize(*trials[:3], figure_set=evaluation.figure_set)
    identification = evaluation.identification.identify(trials, scored.columns, scored.no_speakers)
    metrics = ListMetrics(
        summary=summary,
        intervals_note=scored.no_speakers if evaluation.draws else NO_DRAWS,
        subgroups=subgroups_by_column(trials, scored.columns, evaluation, threshold=summary.eer_threshold),
        dcf_equalised=equalised_by_protocol(trials, scored.columns, evaluation),
        **identification._asdict(),
    )
    if metrics.intervals_note is None:
        intervals = speaker_intervals(trials, evaluation.resampling, figure_set=evaluation.figure_set)
        metrics = replace(metrics, intervals=intervals)
    if baseline:
        other = ScoreTable(baseline)
        other.take_answers(scored.columns.select(list(PAIR)), trials.target)
        theirs = aligned(scored, read_scores(other, columns=PAIR), baseline)
        compared = compare_systems(trials, theirs, baseline, evaluation, scored.no_speakers)
        metrics = replace(metrics, baseline=compared)
    return trials, metrics


def compare_systems(
    trials: Trials, baseline: Trials, scores: str, evaluation: Evaluation, no_speakers: str | None
) -> Baseline:
    """Return the baseline's figures and how those of the trials differ from them.

    Parameters
    ----------
    trials, baseline : Trials
        The same trials as scored by two systems.
    scores : str
        Where the baseline's scores are.
    evaluation : Evaluation
        How speakers are drawn, and which figures are compared.
    no_speakers : str or None
        Why the trials have no speakers; those of the baseline will do.
    """
    figure_set = evaluation.figure_set
    if trials.enroll_speaker is None:
        trials = trials._replace(enroll_speaker=baseline.enroll_speaker, test_speaker=baseline.test_speaker)
    theirs = summarize(*baseline[:3], figure_set=figure_set)
    if trials.enroll_speaker is not None and evaluation.draws:
        return Baseline(
            scores, theirs, paired_difference(trials, baseline, evaluation.resampling, figure_set=figure_set)
        )
    plain = difference(summarize(*trials[:3], figure_set=figure_set).figures, theirs.figures)
    note = no_speakers if evaluation.draws else NO_DRAWS
    return Baseline(
        scores, theirs, Differences({figure: Difference(value) for figure, value in plain.items()}, None, note)
    )


def evaluate_out_of_core(
    table: ScoreTable, evaluation: Evaluation, baseline: str | None
) -> tuple[LongList, ListMetrics]:
    """Return what `evaluate_trials` does of a list that is read in chunks; see `avis.metrics.out_of_core`.

    Raises
    ------
    ValueError
        If groups or a comparison are asked for, which need the whole list.
    """
    if evaluation.columns or baseline:
        raise ValueError(
            f"list too long: got {table.num_trials} trials, expected at most {evaluation.trials_in_memory} for "
            f"subgroups and a baseline. At {table.uri}. Raise evaluation.trials_in_memory if memory allows."
        )
    llr = partial(table.chunks, "llr") if "llr" in table.columns else None
    scores = partial(table.chunks, table.deciding)
    with table.named():
        long = count_long_list(
            scores, llr, figure_set=evaluation.figure_set, trials_in_memory=evaluation.trials_in_memory
        )
    too_long = (
        "no interval, nor a band around the curve: drawing speakers takes all trials in memory, and these "
        f"{table.num_trials:,} are more than evaluation.trials_in_memory={evaluation.trials_in_memory}. "
        "Raise it if memory allows"
    )
    note = too_long if set(SPEAKERS) <= set(table.columns) else NO_SPEAKERS
    return long, ListMetrics(
        summary=summary_of(long.counts, evaluation.figure_set),
        intervals_note=note if evaluation.draws else NO_DRAWS,
        **evaluation.identification.of_long_list()._asdict(),
    )


def show(evaluated: Evaluated) -> None:
    """Print the error rates and where the report is."""
    LOG.stage = "evaluate"
    for name, metrics in evaluated.metrics.items():
        for line in _lines(metrics):
            print(f"{name}: {line}")
    print(f"metrics: {evaluated.metrics_path}\nreport:  {evaluated.report_path}", flush=True)


def _lines(metrics: ListMetrics) -> list[str]:
    """Say what the console says of a list, line by line."""
    summary = metrics.summary
    interval = metrics.intervals and metrics.intervals.figures.get(EER)
    ends = f" [{interval.low:.2%}, {interval.high:.2%}]" if interval and interval.has_width else ""
    lines = [
        f"EER {summary.figures[EER]:.2%}{ends}, minDCF(0.01) {summary.figures[Figure(MIN_DCF, '0.01')]:.4f} "
        f"({summary.num_target} target, {summary.num_nontarget} non-target trials)"
    ]
    if metrics.fusion:
        lines.append(f"fused of {fused_systems(metrics.fusion)}")
    if calibration := metrics.calibration:
        lines.append(f"log-likelihood ratios {capped_at(calibration)}, calibrated on {fitted_on(calibration)}")
    if summary.reversed:
        lines.append("targets score lower than non-targets; is the sign of the scores turned?")
    lines += [f"warning: {words}" for words in by_chance(metrics)]
    if identification := metrics.identification:
        ranks = ", ".join(f"{share:.2%} at rank {rank}" for rank, share in identification.closed_set.items())
        lines.append(f"identified {ranks} among {identification.num_speakers} speakers")
    elif metrics.identification_note:
        lines.append(metrics.identification_note)
    if metrics.baseline:
        lines.append(_verdict(metrics.baseline))
    return lines


def _verdict(baseline: Baseline) -> str:
    """Say in a sentence whether the equal error rate differs from the baseline's."""
    eer = baseline.differences.figures[EER]
    sentence = f"EER {100 * eer.difference:+.2f} points against the baseline's {baseline.summary.figures[EER]:.2%}"
    if eer.interval is None or eer.p_value is None:
        return f"{sentence}; whether that is chance is not known"
    low, high = (100 * end for end in eer.interval)
    real = baseline.differences.is_beyond_chance(EER)
    return f"{sentence} [{low:+.2f}, {high:+.2f}], p = {eer.p_value:.3f}: {'beyond' if real else 'may be'} chance"
