"""Read the scores that several systems gave the trials of one list as one table."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from avis.evaluation.score_table import PAIR, SPEAKERS, Scored, matching_rows, score_values
from avis.metrics.scores import check_each
from avis.schema import SCORES, TRIALS

_COALESCED = ("target", *SPEAKERS)
_MADE = {*SCORES.names} - {*TRIALS.names, *SPEAKERS}


class Systems(NamedTuple):
    """One list as several systems scored it.

    Attributes
    ----------
    trials : pyarrow.Table
        Columns of `avis.schema.TRIALS`, then conditions and speakers, in the order of the first system: what any
        system's scores say of the trials.
    scores : float64 [trials, systems]
        Finite.
    """

    trials: pa.Table
    scores: NDArray[np.float64]


def join_systems(systems: Sequence[Scored]) -> Systems:
    """Join the deciding scores of several systems by the two sides of each trial.

    Raises
    ------
    ValueError
        If a column is missing, a score is no finite number, or the trials or their answers differ.
    """
    trials, scores = None, []
    for scored in systems:
        scored.require(PAIR)
        kept = [name for name in scored.columns if name not in _MADE]
        table = scored.table([*kept, scored.deciding], answered=False)
        table = table.set_column(kept.index("target"), "target", table["target"].cast(pa.bool_()))
        if trials is None:
            trials = table.select([*TRIALS.names, *(name for name in kept if name not in TRIALS.names)])
        else:
            whose = "another system's scores"
            table = table.take(
                pa.array(matching_rows(trials.select(list(PAIR)), table.select(list(PAIR)), scored.uri, whose=whose))
            )
            trials = _merged(trials, table.select(kept), scored.uri)
        with scored.named():
            scores.append(check_each(score_values(table[scored.deciding]), np.zeros(len(table)))[0])
    assert trials is not None, "no system"
    return Systems(trials, np.column_stack(scores).astype(np.float64))


def _merged(trials: pa.Table, more: pa.Table, uri: str) -> pa.Table:
    """Return the trials with what another system's scores say of them besides."""
    differing = pc.sum(
        pc.xor(trials["target"], more["target"])
    ).as_py()  # null, so not counted, where either is unknown
    if differing:
        raise ValueError(
            f"other answers in another system's scores: got {differing} of {len(trials)} trials that are target in one "
            f"list and non-target in the other, expected none. At {uri}. Score one trial list with all systems."
        )
    for name in more.column_names:
        if name not in trials.column_names:
            trials = trials.append_column(more.schema.field(name), more[name])
        elif name in _COALESCED:
            place = trials.column_names.index(name)
            trials = trials.set_column(place, name, pc.coalesce(trials[name], more[name].cast(trials[name].type)))
    return trials
