"""Say who of the enrolled each probe is most like, where nobody has the answers."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.csv

from avis import location, store
from avis.evaluation.score_table import ScoreTable, score_values
from avis.evaluation.settings import Evaluation

NUM_BEST = 5
"""Names of a probe, where `avis.evaluation.identification.Identification` asks for no ranks."""

PROBES_SHOWN = 5
SHOWN = ("score", "score_norm", "llr", "accept", "expected_cost")
"""Columns of a scores table that stand beside a name."""


def best_names(scores: ScoreTable, num_best: int) -> pa.Table | None:
    """Return the best names of each probe, or None where not every probe is tried against the same several names.

    A name is the speaker of an enrolment; where those are not all known, the enrolment. A speaker who is enrolled more
    than once counts with the best of theirs, and whoever is not enrolled is most like somebody all the same.

    Parameters
    ----------
    scores : ScoreTable
        With columns ``enroll`` and ``test``.
    num_best : int
        Names of a probe, at most.

    Returns
    -------
    pyarrow.Table
        Columns ``probe``, ``rank`` from 1, ``name``, those of `SHOWN` that the scores have, and ``margin``: by how much
        the deciding score is above that of the next name, null for the last. Sorted by probe and rank.
    """
    wanted = dict.fromkeys(["test", "enroll", "enroll_speaker", scores.deciding, *SHOWN])
    table = scores.table([name for name in wanted if name in scores.columns], answered=False)
    known = "enroll_speaker" in table.column_names and not table["enroll_speaker"].null_count
    sides = [table[side].combine_chunks() for side in ("test", "enroll_speaker" if known else "enroll")]
    probe, name = (np.unique(side.to_numpy(zero_copy_only=False), return_inverse=True)[1] for side in sides)
    num_names = int(name.max(initial=-1)) + 1
    cells = np.unique(probe * num_names + name)
    if num_names < 2 or len(cells) != num_names * (int(probe.max()) + 1):
        return None
    values = score_values(table[scores.deciding]).astype(np.float64)
    order = np.lexsort((name, -values, probe))
    _, first = np.unique((probe * num_names + name)[order], return_index=True)
    order = order[np.sort(first)].reshape(-1, num_names)  # [probes, names], best first
    margin = np.pad(-np.diff(values[order], axis=1), ((0, 0), (0, 1)), constant_values=np.nan)
    best = order[:, :num_best]
    rows = pa.array(best.ravel())
    columns = {
        "probe": sides[0].take(rows),
        "rank": np.tile(np.arange(1, best.shape[1] + 1), len(best)),
        "name": sides[1].take(rows),
        **{shown: table[shown].combine_chunks().take(rows) for shown in SHOWN if shown in table.column_names},
        "margin": pa.array(margin[:, :num_best].astype(np.float32).ravel(), from_pandas=True),
    }
    return pa.table(columns)


def show_best_names(scores: Mapping[str, str], out: str, evaluation: Evaluation) -> None:
    """Write ``best_names/<list>.csv`` for each list that permits it, and print the best name of the first probes.

    Parameters
    ----------
    scores : mapping of str to str
        Name of each trial list without answers, and where its scores table is.
    out : str
        Folder of what is written.
    evaluation : Evaluation
        Says how many names, and of how long a list.
    """
    for name, uri in scores.items():
        table = ScoreTable(uri)
        if table.num_trials > evaluation.trials_in_memory:
            print(f"{name}: no best names, since the list is longer than evaluation.trials_in_memory", flush=True)
            continue
        best = best_names(table, max(evaluation.identification.ranks, default=NUM_BEST))
        if best is None:
            continue
        first = [row for row in best.to_pylist() if row["rank"] == 1]
        for row in first[:PROBES_SHOWN]:
            shown = table.deciding if table.deciding in best.column_names else "score"
            print(f"{row['probe']}: {row['name']} ({shown} {row[shown]:.4f}, margin {row['margin']:.4f})")
        sink = pa.BufferOutputStream()
        pa.csv.write_csv(best, sink)
        path = location.join(out, "best_names", f"{location.stem(uri)}.csv")
        store.write_bytes(path, sink.getvalue())
        print(f"best names of {len(first)} probes: {path}", flush=True)
