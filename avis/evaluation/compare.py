"""Put evaluated runs side by side: their figures, paired differences, curves and settings."""

import functools
import json
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from avis import location, store
from avis.evaluation.evaluate import comparison
from avis.evaluation.list_report import det_curve
from avis.evaluation.score_table import PAIR, ReadScores, Scored, matched, read_scores
from avis.evaluation.settings import Evaluation
from avis.metrics.bootstrap import flatten
from avis.metrics.holm import holm
from avis.reports.comparison import ComparedList, Comparison, comparison_page
from avis.reports.det_plot import det_plot
from avis.reports.drawing import png
from avis.run_folder import CONFIG, METRICS

PAGE = "compare.html"
MOST_LETTERS = 200
"""In the name of a comparison's folder; file systems allow little more."""

MOST_BANDS = 3
"""With more curves their bands would hide each other."""

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
    lists = [_compared_list(name, {run: metrics[run][name] for run in folders}, folders, evaluation) for name in shared]
    page = comparison_page(Comparison(folders, lists, _settings(folders)))
    path = location.join(output_dir, "compared", "_vs_".join(folders).replace("/", "-")[:MOST_LETTERS], PAGE)
    store.write_bytes(path, page.encode())
    return path


def _folders(runs: Sequence[str], output_dir: str) -> dict[str, str]:
    """Return where each run is by its name: the last parts of its path, as many as tell all runs apart."""
    paths = []
    for run in runs:
        given, named = location.absolute(run), location.join(output_dir, "runs", run)
        found = [path for path in (named, given) if location.exists(location.join(path, METRICS))]
        if not found:
            raise ValueError(
                f"run not evaluated: got {run}, expected a run with a {METRICS}. At {named}. "
                "Give the name of a finished run, or the folder of an evaluation."
            )
        paths.append(found[0].rstrip("/"))
    if len(set(paths)) < max(2, len(paths)):
        raise ValueError(
            f"a comparison needs several runs: got {', '.join(runs) or 'none'}, expected at least two, each once. "
            "At runs. Give runs=[<run>,<run>,...]."
        )
    return dict(zip(location.told_apart(paths), paths, strict=True))


def _compared_list(
    name: str, metrics: Mapping[str, Any], folders: Mapping[str, str], evaluation: Evaluation
) -> ComparedList:
    notes: list[str] = []
    trials: dict[str, ReadScores] = {}
    for run, folder in folders.items():
        scored = Scored(location.join(folder, metrics[run]["scores"]))
        if scored.num_trials > evaluation.trials_in_memory:
            notes.append(f"{run}: the list is longer than evaluation.trials_in_memory.")
            continue
        trials[run] = read_scores(scored, more=[column for column in PAIR if column in scored.columns])
    drawn = evaluation.resampling if evaluation.draws and len(folders) <= MOST_BANDS else None
    curves = {run: det_curve(read, drawn) for run, (read, _, _) in trials.items()}
    differences = {}
    first = next(iter(folders))
    for run in list(trials)[1:] if first in trials else ():
        first_uri = location.join(folders[first], metrics[first]["scores"])
        found = _difference(trials[run], trials[first], first_uri, evaluation)
        if isinstance(found, str):
            notes.append(f"{run}: {found}")
        else:
            differences[run] = found
            if note := found["differences"].get("intervals_note"):
                notes.append(f"{run}: {note}.")
    _adjust(list(differences.values()))
    if evaluation.draws and not evaluation.can_tell(len(differences)):
        notes.append(
            f"No difference could come out as more than chance: evaluation.bootstrap_draws="
            f"{evaluation.resampling.num_draws} are too few for {len(differences)} comparisons at once."
        )
    return ComparedList(name, metrics, differences, png(det_plot(curves)) if curves else None, notes)


def _difference(ours: ReadScores, theirs: ReadScores, uri: str, evaluation: Evaluation) -> dict[str, Any] | str:
    """Return how one run differs from another, scored at ``uri``, trial by trial, or why that cannot be said."""
    if any(set(PAIR) - set(read.more.column_names) for read in (ours, theirs)):
        return "the scores do not say which trial is which (columns enroll and test)."
    try:
        same = matched(ours, theirs, uri)
    except ValueError as error:
        return str(error)
    return comparison(ours.trials, same, evaluation, ours.no_speakers)


def _adjust(compared: Sequence[Mapping[str, Any]]) -> None:
    """Adjust the p-values of each figure for the number of runs that are compared with the first."""
    by_figure: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for each in compared:
        figures = each["differences"]["figures"]
        for path, value in flatten(figures).items():
            if path[-1] == "p_value" and value is not None:
                by_figure.setdefault(path, []).append(functools.reduce(operator.getitem, path[:-1], figures))
    for found in by_figure.values():
        for each, p_value in zip(found, holm([each["p_value"] for each in found]), strict=True):
            each["p_value"] = p_value


def _settings(folders: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the settings that differ, of the runs whose configuration was kept."""
    configs = {}
    for run, folder in folders.items():
        path = location.join(folder, CONFIG)
        kept = flatten(store.read_json(path)) if location.exists(path) else {}
        configs[run] = {".".join(key): json.dumps(value, ensure_ascii=False) for key, value in kept.items()}
    keys = dict.fromkeys(key for config in configs.values() for key in config if key not in _OF_A_RUN)
    values = {key: {run: config.get(key, "") for run, config in configs.items()} for key in keys}
    return {key: of_runs for key, of_runs in values.items() if len(set(of_runs.values())) > 1}
