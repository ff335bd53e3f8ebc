"""Find audio that is there twice, and speakers, sessions and audio on both sides of a line that should part them."""

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from avis.inspection.columns import Coded, Light

LEARNT_FROM = ("train", "validation")
"""Splits that nothing of a trial list may be in."""

MEMBERS_SHOWN = 4
"""Utterances of one group of duplicates that an example names."""


class PlacedList(NamedTuple):
    """A trial list tied to a store.

    Attributes
    ----------
    rows
        Where the utterances of either side are in the store, int64 ``[2, trials]``.
    target
        bool ``[trials]``, null where it is not known.
    missing
        Trials left out, since the store lacks an utterance of theirs.
    """

    rows: NDArray[np.int64]
    target: pa.ChunkedArray
    missing: int


def duplicates(data: Light, *, num_examples: int) -> dict[str, dict[str, Any]]:
    """Find utterances of the very same samples.

    Returns
    -------
    dict
        ``within_speaker`` and ``across_speakers`` (at least one copy is another speaker's), each with ``groups``
        (distinct recordings that are there more than once), ``utterances`` (of all these) and ``examples``: the
        ``copies`` of a group, the first `MEMBERS_SHOWN` ``utt_ids`` and their ``splits``.
    """
    order = np.argsort(data.audio.codes, kind="stable")
    order = order[data.audio.counts()[data.audio.codes[order]] > 1]
    starts = np.flatnonzero(np.diff(data.audio.codes[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    speakers = data.speaker.codes[order]
    across = np.zeros(0, bool)
    if len(starts):
        across = np.minimum.reduceat(speakers, starts) != np.maximum.reduceat(speakers, starts)
    found = {}
    for kind, of_kind in (("within_speaker", ~across), ("across_speakers", across)):
        shown = zip(starts[of_kind][:num_examples], sizes[of_kind][:num_examples], strict=True)
        found[kind] = {
            "groups": int(np.count_nonzero(of_kind)),
            "utterances": int(sizes[of_kind].sum()),
            "examples": [_copies(data, order[start : start + size]) for start, size in shown],
        }
    return found


def _copies(data: Light, rows: NDArray[np.int64]) -> dict[str, Any]:
    shown = rows[:MEMBERS_SHOWN]
    return {
        "copies": len(rows),
        "utt_ids": data.utt_id.take(pa.array(shown)).to_pylist(),
        "splits": [data.split.name(code) for code in data.split.codes[shown]],
    }


def shared(data: Light, lists: Mapping[str, PlacedList], *, num_examples: int) -> list[dict[str, Any]]:
    """Count what any two splits, or a trial list and a split that is learnt from, have in common.

    Returns
    -------
    list of dict
        For each pair ``between``, and in ``speakers``, ``sessions`` and ``audio`` (recordings of the same samples) the
        ``num`` in both and some as ``examples``; an example of audio names the utterance on either side.
    """
    places = {split: np.flatnonzero(data.in_split(split)) for split in data.splits()}
    pairs = list(itertools.combinations(places, 2))
    pairs += [(split, f"trials {name}") for name in lists for split in LEARNT_FROM if split in places]
    places |= {f"trials {name}": np.unique(placed.rows) for name, placed in lists.items()}
    kinds = {"speakers": data.speaker, "sessions": data.session, "audio": data.audio}
    found = []
    for pair in pairs:
        one, other = (places[name] for name in pair)
        both = {kind: _in_both(column, one, other) for kind, column in kinds.items()}
        examples = {kind: [kinds[kind].name(code) for code in both[kind][:num_examples]] for kind in kinds}
        examples["audio"] = [
            " = ".join(_first_with(data, rows, code) for rows in (one, other)) for code in both["audio"][:num_examples]
        ]
        counts = {kind: {"num": len(both[kind]), "examples": examples[kind]} for kind in kinds}
        found.append({"between": list(pair), **counts})
    return found


def _in_both(column: Coded, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    present = np.zeros((2, len(column.names)), dtype=bool)
    present[0, column.codes[one]] = True
    present[1, column.codes[other]] = True
    return np.flatnonzero(present.all(axis=0))


def _first_with(data: Light, rows: NDArray[np.int64], code: int) -> str:
    first = rows[np.argmax(data.audio.codes[rows] == code)]
    return str(data.utt_id[int(first)].as_py())


def easy_trials(data: Light, placed: PlacedList) -> dict[str, int]:
    """Count the trials of a list that say little, or nothing, about a system.

    Returns
    -------
    dict
        ``trials``, of which ``targets`` and ``nontargets`` where the answer is known; ``missing``, ``utterances``,
        ``speakers``; ``same_audio``: trials whose sides are the same samples,
        under one id or two; ``same_session_targets``: targets whose sides are of one session, so that the microphone
        and the room agree too.
    """
    enroll, test = placed.rows
    named = np.unique(placed.rows)
    target, nontarget = (np.asarray(pc.fill_null(kind, False)) for kind in (placed.target, pc.invert(placed.target)))
    same_audio = data.audio.codes[enroll] == data.audio.codes[test]
    same_session = data.session.codes[enroll] == data.session.codes[test]
    return {
        "trials": int(enroll.size),
        "targets": int(np.count_nonzero(target)),
        "nontargets": int(np.count_nonzero(nontarget)),
        "missing": placed.missing,
        "utterances": int(named.size),
        "speakers": int(np.unique(data.speaker.codes[named]).size),
        "same_audio": int(np.count_nonzero(same_audio)),
        "same_session_targets": int(np.count_nonzero(same_session & target & ~same_audio)),
    }
