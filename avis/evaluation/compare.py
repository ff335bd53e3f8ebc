"""Put evaluated runs side by side: their figures, paired differences, curves and settings."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from avis import location, store
from avis.evaluation.evaluate import compare_systems
from avis.evaluation.list_report import det_curve
from avis.evaluation.matching import PAIR
from avis.evaluation.metrics_json import from_json
from avis.evaluation.score_table import ScoredTrials, ScoreTable, aligned, read_scores
from avis.evaluation.settings import Evaluation
from avis.metrics.holm import adjust
from avis.metrics.list_metrics import Baseline, ListFigures
from avis.reports.comparison import ComparedList, Comparison, comparison_page
from avis.reports.det_plot import det_plot
from avis.reports.drawing import png
from avis.run_folder import CONFIG, METRICS

PAGE = "compare.html"
MOST_LETTERS = 200
"""Longest name of a comparison's folder; file systems allow little more."""

MOST_BANDS = 3
"""Most curves that are drawn with their bands; those of more would hide each other."""

_OF_A_RUN = {"run", "resume", "output_dir"}
"""Settings that differ between any two runs and say nothing."""


def compare(runs: Sequence[str], output_dir: str, *, evaluation: Evaluation) -> str:
    """Compare runs with the first of them and write one page.

    Parameters
    ----------
    runs : sequence of str
        Names of runs in ``<output_dir>/runs``, or folders with a ``metrics.json``.
    output_dir : str
        Where runs are, and where the page goes: below ``compared``.
    evaluation : Evaluation
        How speakers are drawn, and which figures are compared.

    Returns
    -------
    str
        Where the page is.

    Raises
    ------
    ValueError
        If there are fewer than two runs, one was not evaluated, or they share no trial list.
    """
    folders = _folders(runs, output_dir)
    metrics = {run: store.read_json(location.join(folder, METRICS)) for run, folder in folders.items()}
    shared = [name for name in next(iter(metrics.values())) if all(name in lists for lists in metrics.values())]
    if not shared:
        raise ValueError(
            f"no trial list in common: got {'; '.join(', '.join(lists) for lists in metrics.values())}, expected one "
            f"that all runs were evaluated on. At {', '.join(runs)}. Score the same list with every run."
        )
    lists = [
        _compared_list(name, {run: from_json(metrics[run][name]) for run in folders}, folders, evaluation)
        for name in shared
    ]
    page = comparison_page(Comparison(folders, lists, _settings(folders)))
    path = location.join(output_dir, "compared", "_vs_".join(folders).replace("/", "-")[:MOST_LETTERS], PAGE)
    store.write_bytes(path, page.encode())
    return path


def _folders(runs: Sequence[str], output_dir: str) -> dict[str, str]:
    """Return where each run is by its name: the last parts of its path, as many as tell all runs apart."""
    paths = []
    for run in runs:
        named, folder = location.join(output_dir, "runs", run), location.absolute(run)
        evaluated = [path for path in (named, folder) if location.exists(location.join(path, METRICS))]
        if not evaluated:
            raise ValueError(
                f"run not evaluated: got {run}, expected a run with a {METRICS}. At {named}. "
                "Give the name of a finished run, or the folder of an evaluation."
            )
        paths.append(evaluated[0].rstrip("/"))
    if len(set(paths)) < max(2, len(paths)):
        raise ValueError(
            f"a comparison needs several runs: got {', '.join(runs) or 'none'}, expected at least two, each once. "
            "At runs. Give runs=[<run>,<run>,...]."
        )
    return dict(zip(location.distinct_names(paths), paths, strict=True))


def _compared_list(
    name: str, metrics: Mapping[str, ListFigures], folders: Mapping[str, str], evaluation: Evaluation
) -> ComparedList:
    notes: list[str] = []
    trials: dict[str, ScoredTrials] = {}
    for run, folder in folders.items():
        table = ScoreTable(location.join(folder, metrics[run].scores))
        if table.num_trials > evaluation.trials_in_memory:
            notes.append(f"{run}: the list is longer than evaluation.trials_in_memory.")
            continue
        trials[run] = read_scores(table, columns=[column for column in PAIR if column in table.columns])
    resampling = evaluation.resampling if evaluation.draws and len(folders) <= MOST_BANDS else None
    curves = {run: det_curve(scored.trials, resampling) for run, scored in trials.items()}
    first = next(iter(folders))
    compared = {}
    for run in list(trials)[1:] if first in trials else ():
        first_uri = location.join(folders[first], metrics[first].scores)
        baseline = _baseline(trials[run], trials[first], first_uri, evaluation)
        if isinstance(baseline, str):
            notes.append(f"{run}: {baseline}")
            continue
        compared[run] = baseline
        if note := baseline.differences.note:
            notes.append(f"{run}: {note}.")
    if evaluation.draws and not evaluation.can_tell(len(compared)):
        notes.append(
            f"No difference could come out as more than chance: evaluation.bootstrap_draws="
            f"{evaluation.resampling.num_draws} are too few for {len(compared)} comparisons at once."
        )
    adjusted = adjust({run: baseline.differences for run, baseline in compared.items()})
    compared = {run: replace(baseline, differences=adjusted[run]) for run, baseline in compared.items()}
    return ComparedList(name, metrics, compared, png(det_plot(curves)) if curves else None, notes)


def _baseline(ours: ScoredTrials, theirs: ScoredTrials, uri: str, evaluation: Evaluation) -> Baseline | str:
    """Return how one run differs from another, scored at ``uri``, trial by trial, or why that cannot be said."""
    if any(set(PAIR) - set(scored.columns.column_names) for scored in (ours, theirs)):
        return "the scores do not say which trial is which (columns enroll and test)."
    try:
        same = aligned(ours, theirs, uri)
    except ValueError as error:
        return str(error)
    return compare_systems(ours.trials, same, uri, evaluation, ours.no_speakers)


def _settings(folders: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the settings that differ, of the runs whose configuration is there."""
    configs = {}
    for run, folder in folders.items():
        path = location.join(folder, CONFIG)
        configs[run] = dict(_dotted(store.read_json(path))) if location.exists(path) else {}
    keys = dict.fromkeys(key for config in configs.values() for key in config if key not in _OF_A_RUN)
    values = {key: {run: config.get(key, "") for run, config in configs.items()} for key in keys}
    return {key: of_runs for key, of_runs in values.items() if len(set(of_runs.values())) > 1}


def _dotted(config: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted keys of a configuration, and their values as JSON."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", json.dumps(value, ensure_ascii=False)
