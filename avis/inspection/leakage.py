"""Find audio that is there twice, and speakers, sessions and audio in two parts of a store that should differ."""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from avis.inspection.columns import UNKNOWN, Coded, StoreColumns
from avis.reports.store_findings import Copies, Duplicates, InCommon, Overlap, Repeats, TrialCounts

LEARNT_FROM = ("train", "validation")
"""Splits that nothing of a trial list may be in."""

MEMBERS_SHOWN = 4
"""Utterances of one group of duplicates that an example names."""


class PlacedList(NamedTuple):
    """A trial list tied to a store.

    Attributes
    ----------
    rows : int64 [2, trials]
        Where the two utterances of each trial are in the store.
    target : pyarrow.ChunkedArray [trials]
        Answers, null where they are not known.
    missing : int
        Number of trials that are left out, since the store lacks an utterance of theirs.
    """

    rows: NDArray[np.int64]
    target: pa.ChunkedArray
    missing: int


def duplicates(data: StoreColumns, *, num_examples: int) -> Duplicates:
    """Find utterances of the very same samples; an example names the first `MEMBERS_SHOWN`."""
    order = np.argsort(data.audio.codes, kind="stable")
    order = order[data.audio.counts()[data.audio.codes[order]] > 1]
    starts = np.flatnonzero(np.diff(data.audio.codes[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    speakers = data.speaker.codes[order]
    across = np.zeros(0, bool)
    if len(starts):
        known = np.where(speakers == UNKNOWN, len(data.speaker.names), speakers)  # of whom two are never told apart
        highest = np.maximum.reduceat(speakers, starts)
        across = (highest != UNKNOWN) & (np.minimum.reduceat(known, starts) != highest)

    def repeats(chosen: NDArray[np.bool_]) -> Repeats:
        shown = zip(starts[chosen][:num_examples], sizes[chosen][:num_examples], strict=True)
        examples = [_copies(data, order[start : start + size]) for start, size in shown]
        return Repeats(int(np.count_nonzero(chosen)), int(sizes[chosen].sum()), examples)

    return Duplicates(within_speaker=repeats(~across), across_speakers=repeats(across))


def _copies(data: StoreColumns, rows: NDArray[np.int64]) -> Copies:
    shown = rows[:MEMBERS_SHOWN]
    splits = [data.split.name(code) for code in data.split.codes[shown]]
    return Copies(len(rows), data.utt_id.take(pa.array(shown)).to_pylist(), splits)


def overlaps(data: StoreColumns, lists: Mapping[str, PlacedList], *, num_examples: int) -> list[Overlap]:
    """Count what any two splits, or a trial list and a split that is learnt from, have in common."""
    places = {split: np.flatnonzero(data.in_split(split)) for split in data.splits()}
    pairs = list(itertools.combinations(places, 2))
    pairs += [(split, f"trials {name}") for name in lists for split in LEARNT_FROM if split in places]
    places |= {f"trials {name}": np.unique(placed.rows) for name, placed in lists.items()}
    kinds = {"speakers": data.speaker, "sessions": data.session, "audio": data.audio}
    result = []
    for pair in pairs:
        one, other = (places[name] for name in pair)
        both = {kind: _in_both(column, one, other) for kind, column in kinds.items()}
        examples = {kind: [kinds[kind].name(code) for code in both[kind][:num_examples]] for kind in kinds}
        examples["audio"] = [
            " = ".join(_first_with(data, rows, code) for rows in (one, other)) for code in both["audio"][:num_examples]
        ]
        in_common = {kind: InCommon(len(both[kind]), examples[kind]) for kind in kinds}
        result.append(Overlap(list(pair), **in_common))
    return result


def _in_both(column: Coded, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.flatnonzero((column.counts(one) > 0) & (column.counts(other) > 0))


def _first_with(data: StoreColumns, rows: NDArray[np.int64], code: int) -> str:
    first = rows[np.argmax(data.audio.codes[rows] == code)]
    return str(data.utt_id[int(first)].as_py())


def count_trials(data: StoreColumns, placed: PlacedList) -> TrialCounts:
    """Count the trials of a list, and those that say little, or nothing, about a system."""
    enroll, test = placed.rows
    named = np.unique(placed.rows)
    target, nontarget = (np.asarray(pc.fill_null(kind, False)) for kind in (placed.target, pc.invert(placed.target)))
    same_audio = data.audio.codes[enroll] == data.audio.codes[test]
    sessions = data.session.codes
    same_session = (sessions[enroll] == sessions[test]) & (sessions[enroll] != UNKNOWN)
    return TrialCounts(
        trials=int(enroll.size),
        targets=int(np.count_nonzero(target)),
        nontargets=int(np.count_nonzero(nontarget)),
        missing=placed.missing,
        utterances=int(named.size),
        speakers=int(np.count_nonzero(data.speaker.counts(named))),
        same_audio=int(np.count_nonzero(same_audio)),
        same_session_targets=int(np.count_nonzero(same_session & target & ~same_audio)),
    )
