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


def as_if_unmoved(sources: pa.Table, before: pa.Table) -> pa.Table:
    """Return sources with the paths that they had before their corpora moved, as far as those lay in one folder.

    What shows the move are the recordings, by their ids, that were there before.
    """
    sources = sources.combine_chunks()
    for corpus in sources["corpus"].unique().to_pylist():
        rows = pc.equal(sources["corpus"], corpus)
        known = pc.and_(rows, pc.is_in(sources["utt_id"], before["utt_id"].combine_chunks()))
        of_before = pc.is_in(before["utt_id"], sources["utt_id"].filter(known).combine_chunks())
        if pc.any(known).as_py():
            now, then = (folder_of(table["path"].filter(of)) for table, of in ((sources, known), (before, of_before)))
            sources = _replace(sources, rows, now, then) if now != then else sources
    return sources


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
