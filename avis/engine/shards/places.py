"""Recognise the recordings of a corpus that has moved: their paths in it are as before, the folder of it is another."""

import itertools

import pyarrow as pa
import pyarrow.compute as pc

from avis import location


def wherever_they_lie(sources: pa.Table) -> pa.Table:
    """Return sources with paths from the folder that all of their corpus are in, sorted by id and path.

    Parameters
    ----------
    sources : pyarrow.Table
        In schema `avis.schema.SOURCES`.
    """
    sources = sources.combine_chunks()
    for corpus in sources["corpus"].unique().to_pylist():
        rows = pc.equal(sources["corpus"], corpus)
        sources = _replace(sources, rows, folder_of(sources["path"].filter(rows)), "")
    return sources.sort_by([("utt_id", "ascending"), ("path", "ascending")])


def where_they_lie_now(part: pa.Table, sources: pa.Table) -> pa.Table:
    """Return the sources of a part with the paths that they have since their corpora moved.

    What shows a move are the recordings, by their ids, that are in both; those of a part were in one place.

    Parameters
    ----------
    part : pyarrow.Table
        In schema `avis.schema.PLACED`.
    sources : pyarrow.Table
        All that there are now.
    """
    for corpus in part["corpus"].unique().to_pylist():
        rows = pc.equal(part["corpus"], corpus)
        known = pc.and_(rows, pc.is_in(part["utt_id"], sources["utt_id"].combine_chunks()))
        there = pc.is_in(sources["utt_id"], part["utt_id"].filter(known).combine_chunks())
        if pc.any(known).as_py():
            before, now = folder_of(part["path"].filter(known)), folder_of(sources["path"].filter(there))
            part = _replace(part, rows, before, now) if before != now else part
    return part


def _replace(sources: pa.Table, rows: pa.ChunkedArray, folder: str, other: str) -> pa.Table:
    """Return sources with another folder in place of one where paths begin with that."""
    for name in set(sources.column_names) & {"path", "duplicate_of"}:
        paths = sources[name]
        inside = pc.fill_null(pc.and_(rows, pc.starts_with(paths, folder)), False)
        moved = pc.binary_join_element_wise(other, pc.utf8_slice_codeunits(paths, len(folder)), "")
        index = sources.column_names.index(name)
        sources = sources.set_column(index, sources.field(index), pc.if_else(inside, moved, paths))
    return sources


def folder_of(paths: pa.ChunkedArray) -> str:
    """Return the folder that all paths or URIs are in, its last slash included.

    >>> folder_of(pa.chunked_array([["/data/b/1.wav", "/data/a/2.wav"]]))
    '/data/'
    """
    ends = pc.min_max(paths).as_py()
    first, last = (location.split_query(ends[end])[0].split("/")[:-1] for end in ("min", "max"))
    shared = [one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))]
    return "/".join(shared) + "/" if shared else ""
