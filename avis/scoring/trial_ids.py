"""Tie the ids of a trial list to a store."""

import functools
import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from avis.audio.listing import AUDIO_SUFFIXES
from avis.names import names
from avis.schema import REJECTS, TRIALS

AUDIO_SUFFIX = rf"(?i)({'|'.join(map(re.escape, AUDIO_SUFFIXES))})$"
"""Suffixes that published lists carry on their ids and utterance ids don't."""

NO_REJECTS = REJECTS.empty_table()

_MAX_NAMED = 10
_MAX_TOLD = 3


def resolve(
    trials: pa.Table,
    utt_ids: pa.Array | pa.ChunkedArray,
    *,
    corpora: Sequence[str],
    leave_out_missing: bool = False,
    rejects: pa.Table = NO_REJECTS,
) -> tuple[pa.Table, NDArray[np.int64]]:
    """Replace the ids of a trial list by the utterance ids of a store.

    Parameters
    ----------
    trials : pyarrow.Table
        Columns ``enroll`` and ``test``; see `avis.scoring.trials.read_trials`.
    utt_ids, corpora, rejects
        See `find`.
    leave_out_missing : bool
        Whether to leave out trials that name an id which is not in the store, instead of refusing the list.

    Returns
    -------
    trials : pyarrow.Table
        The same columns and, unless some are left out, rows, with utterance ids in ``enroll`` and ``test``.
    rows : int64 [2, trials]
        Where in ``utt_ids`` the two are.

    Raises
    ------
    ValueError
        See `find`.

    Examples
    --------
    >>> trials = pa.table({"enroll": ["a/1.wav"], "test": ["vox/b/2"], "target": [False]})
    >>> resolved, rows = resolve(trials, pa.array(["vox/a/1", "vox/b/2"]), corpora=["vox"])
    >>> resolved["enroll"].to_pylist(), rows.tolist()
    (['vox/a/1'], [[0], [1]])
    """
    both = pa.chunked_array([*trials["enroll"].chunks, *trials["test"].chunks], pa.string())
    found = find(both, utt_ids, corpora=corpora, leave_out_missing=leave_out_missing, rejects=rejects)
    rows, known = found.reshape(2, -1), _flat(utt_ids)
    present = (rows >= 0).all(axis=0)
    if not present.all():
        trials, rows = trials.filter(pa.array(present)), rows[:, present]
    for column, row in zip(("enroll", "test"), rows, strict=True):
        trials = trials.set_column(trials.schema.get_field_index(column), TRIALS.field(column), known.take(row))
    return trials, rows


def find(
    ids: pa.ChunkedArray,
    utt_ids: pa.Array | pa.ChunkedArray,
    *,
    corpora: Sequence[str],
    leave_out_missing: bool,
    rejects: pa.Table,
) -> NDArray[np.int64]:
    """Return where in a store the utterances are that ids of a list stand for, int64 ``[ids]``, -1 for missing ones.

    An id stands for the utterance of that name, else for ``<corpus>/<id>``, else for either of them with the audio
    suffix of the id removed: published lists name files. All of them are compared as `avis.names` says.

    Parameters
    ----------
    ids : pyarrow.ChunkedArray [ids]
        As a list has them.
    utt_ids : pyarrow.Array [utterances]
        Utterance ids of the store.
    corpora : sequence of str
        Names of the corpora that the list may have been made for.
    leave_out_missing : bool
        Whether ids may be missing.
    rejects : pyarrow.Table
        What of the store's corpora was rejected, in schema `avis.schema.REJECTS`: says why an id is missing.

    Raises
    ------
    ValueError
        If an id is in several corpora, or missing and may not be.
    """
    encoded = ids.dictionary_encode().combine_chunks()
    listed = names(encoded.dictionary, where="trials")
    position = _positions(listed, _flat(utt_ids), corpora)
    missing = listed.filter(pc.is_null(position))
    if len(missing) and not leave_out_missing:
        why = why_missing(missing, rejects)
        rejected = why.filter(pc.is_valid(why["reason"]))
        remedy = "Mend these files" if len(rejected) == len(why) else "Prepare the corpus of the list"
        raise ValueError(
            f"Trials must name utterances of the store: got {len(missing)} unknown ids{_counted(rejected)}, expected "
            f"utterance ids or file names of one of the corpora {list(corpora)}. At {_explained(why)}. {remedy}, or "
            "set trial_checks.missing_ids=leave_out to score the other trials."
        )
    return np.asarray(pc.fill_null(position, -1), np.int64)[np.asarray(encoded.indices)]


def why_missing(ids: pa.Array, rejects: pa.Table) -> pa.Table:
    """Return why a store lacks utterances.

    Parameters
    ----------
    ids : pyarrow.Array [ids]
        Ids of a list that are missing.
    rejects : pyarrow.Table
        See `find`.

    Returns
    -------
    pyarrow.Table
        Columns ``id``, and ``reason`` and ``detail`` of the reject, null where no file of that name was there.
    """
    rejected = _flat(rejects["utt_id"])
    place = _positions(ids, rejected, sorted({utt_id.partition("/")[0] for utt_id in rejected.to_pylist()}))
    return pa.table({"id": ids, **{name: rejects[name].take(place) for name in ("reason", "detail")}})


def _positions(listed: pa.Array, known: pa.Array, corpora: Sequence[str]) -> pa.Array:
    """Return the place among known ids of each that is listed, null where there is none; see `find`."""
    compared = names(known, where="the store")
    bare = names(pc.replace_substring_regex(listed, AUDIO_SUFFIX, ""), where="trials")
    exact = pc.coalesce(*(pc.index_in(ids, compared) for ids in (listed, bare)))
    inside = [
        pc.index_in(pc.binary_join_element_wise(corpus, ids, "/"), compared)
        for ids in (listed, bare)
        for corpus in corpora
    ]
    position = pc.coalesce(exact, *inside)
    several = [pc.and_kleene(pc.is_null(exact), pc.not_equal(other, position)) for other in inside]
    ambiguous = listed.filter(functools.reduce(pc.or_kleene, several)) if several else listed[:0]
    if len(ambiguous):
        raise ValueError(
            f"Trials must name one utterance each: got {len(ambiguous)} ids that several corpora have, "
            f"expected ids of one of {list(corpora)}. At {some_of(ambiguous)}. Write them as <corpus>/<id> in the list."
        )
    return position


def _counted(rejected: pa.Table) -> str:
    """Say how many of some ids were rejected, and why."""
    counts = ", ".join(f"{row['counts']} {row['values']}" for row in rejected["reason"].value_counts().to_pylist())
    return f", {len(rejected)} of them rejected when the store was made ({counts})" if len(rejected) else ""


def _explained(why: pa.Table) -> str:
    """Name missing ids, rejects first, a few of them with what was found."""
    rows = why.sort_by([("reason", "ascending")]).to_pylist()
    told = [f"{row['id']} ({row['reason']}: {row['detail'].rstrip('.')})" for row in rows[:_MAX_TOLD] if row["reason"]]
    others = [row["id"] for row in rows[len(told) :]]
    return "; ".join([*told, some_of(pa.array(others))] if others else told)


def gather(ids: pa.Array | pa.ChunkedArray, utt_ids: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the row of every id in a table whose ids are ``utt_ids``.

    Parameters
    ----------
    ids : pyarrow.Array [trials]
        Utterance ids to look up.
    utt_ids : pyarrow.Array [rows]
        Ids of the table's rows, each once.

    Returns
    -------
    int64 [trials]
        Row of each id.

    Raises
    ------
    ValueError
        If an id has no row or more than one.

    Examples
    --------
    >>> gather(pa.array(["b", "a", "b"]), pa.array(["a", "b"]))
    array([1, 0, 1])
    """
    known = _flat(utt_ids)
    counts = pc.value_counts(known)
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        raise ValueError(
            f"Embeddings have one row per utterance: got {len(repeated)} repeated utt_ids, expected none. "
            f"At {some_of(repeated)}. Remove the embeddings table and write it again."
        )
    rows = pc.index_in(ids, value_set=known)
    missing = pc.unique(_flat(ids).filter(_flat(pc.is_null(rows))))
    if len(missing):
        raise ValueError(
            f"Every utterance of a trial needs an embedding: got {len(missing)} utterances without one, expected 0. "
            f"At {some_of(missing)}. Embed the utterances of this list first."
        )
    return rows.to_numpy().astype(np.int64)


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def some_of(ids: pa.Array | pa.ChunkedArray) -> str:
    """Spell the first few ids for a message."""
    named = ", ".join(ids[:_MAX_NAMED].to_pylist())
    return named if len(ids) <= _MAX_NAMED else f"{named} and {len(ids) - _MAX_NAMED} more"
