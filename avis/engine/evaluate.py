"""Turn scores into error rates, plots and a report."""

import os
import tempfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import avis
from avis import location, store
from avis.metrics.summary import summarize
from avis.reports.html import write_report
from avis.reports.plots import plot_det, plot_histogram
from avis.schema import DECIDING_SCORES

METRICS, REPORT = "metrics.json", "report.html"


def evaluate(scores: dict[str, str], out: str, *, facts: dict[str, str]) -> dict[str, Any]:
    """Evaluate scores and write ``metrics.json``, DET and histogram PNGs and ``report.html``.

    Parameters
    ----------
    scores : dict of str to str
        Name of each trial list and where its scores are: a scores table, a Parquet file with columns ``target`` and
        ``score``, or a text file with lines ``label score``.
    out : str
        Folder of what is written.
    facts : dict
        What the report says about where the scores come from.

    Returns
    -------
    dict
        ``{"metrics": {<trial list>: {...}}, "metrics_path": ..., "report_path": ...}``

    Raises
    ------
    ValueError
        If a table has no known answers, only one kind of trial, or a score that is not a finite number.
    """
    metrics: dict[str, Any] = {}
    plots: dict[str, dict[str, str]] = {}
    facts = {**facts, **{f"scores of {name}": uri for name, uri in scores.items()}, "AVIS": avis.__version__}
    with tempfile.TemporaryDirectory() as folder:
        for name, uri in scores.items():
            values, target = read_scores(uri)
            metrics[name] = summarize(values, target)
            plots[name] = {kind: os.path.join(folder, f"{name}-{kind}.png") for kind in ("det", "histogram")}
            plot_det(plots[name]["det"], {name: (values, target)})
            plot_histogram(plots[name]["histogram"], values, target, metrics[name]["eer_threshold"])
        write_report(
            os.path.join(folder, REPORT), title="Speaker verification", metrics=metrics, plots=plots, facts=facts
        )
        for file in sorted(os.listdir(folder)):
            store.write_bytes(location.join(out, file), location.read_bytes(os.path.join(folder, file)))
    store.write_json(location.join(out, METRICS), metrics)
    return {"metrics": metrics, "metrics_path": location.join(out, METRICS), "report_path": location.join(out, REPORT)}


def read_scores(uri: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the scores that decide, and the answers.

    Returns
    -------
    scores : float64 [trials]
        The first column of `avis.schema.DECIDING_SCORES` that is there.
    target : bool [trials]
    """
    if location.is_folder(uri):
        known = store.open_part(store.part_uris(uri, "scores")[0]).schema_arrow.names
        table = store.read_table(uri, "scores", columns=[*{"target", *DECIDING_SCORES} & {*known}])
    elif location.exists(uri):
        data = location.read_bytes(uri)
        table = pq.read_table(pa.BufferReader(data)) if data[:4] == b"PAR1" else _text_scores(data, uri)
    else:
        raise ValueError(f"scores missing: got nothing, expected a table or file. At {uri}. Correct scores=<path>.")
    lacking = sorted({"target", "score"} - set(table.column_names))
    if lacking:
        raise ValueError(
            f"columns missing: got {table.column_names}, expected target and score. At {uri}. Add {', '.join(lacking)}."
        )
    if table["target"].null_count:
        raise ValueError(
            f"answers unknown: got {table['target'].null_count} trials without target, expected none. At {uri}. "
            "Evaluate a list whose answers are known."
        )
    deciding = next(name for name in DECIDING_SCORES if name in table.column_names)
    return table[deciding].to_numpy().astype(np.float64), table["target"].to_numpy(zero_copy_only=False)


def _text_scores(data: bytes, uri: str) -> pa.Table:
    """Parse lines ``label score``, where label is 1 or target, 0 or nontarget."""
    answers = {"1": True, "target": True, "0": False, "nontarget": False}
    targets, scores = [], []
    for number, line in enumerate(data.decode(errors="replace").splitlines(), start=1):
        fields = line.split()
        try:
            label, score = fields
            targets.append(answers[label])
            scores.append(float(score))
        except (ValueError, KeyError):
            if fields:
                raise ValueError(
                    f"score line malformed: got {line!r}, expected 'label score' with label 0, 1, target or nontarget. "
                    f"At {uri}:{number}. Correct the line."
                ) from None
    return pa.table({"target": pa.array(targets, pa.bool_()), "score": pa.array(scores, pa.float64())})


def show(result: dict[str, Any]) -> None:
    """Print the error rates and where the report is."""
    for name, metrics in result["metrics"].items():
        trials = f"{metrics['num_target']} target, {metrics['num_nontarget']} non-target trials"
        print(f"{name}: EER {metrics['eer']:.2%}, minDCF(0.01) {metrics['min_dcf']['0.01']:.4f} ({trials})")
    print(f"metrics: {result['metrics_path']}\nreport:  {result['report_path']}", flush=True)
