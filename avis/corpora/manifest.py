"""Read a corpus that somebody has already listed in a CSV, JSONL or Parquet file."""

import posixpath
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avis.audio.listing import AudioFile, audio_file, stat_audio
from avis.corpora.files import NO_SESSION, SPLITS, check_split, in_order, named, spell_gender, without_suffix
from avis.corpora.segment import COLUMNS as SEGMENT
from avis.corpora.segment import WHOLE, Segment, parse_segment
from avis.corpora.text_table import read_text_table
from avis.location import absolute, filesystem, is_uri, join, parent, split_query
from avis.schema import SOURCES
from avis.storage_fault import retried

REQUIRED = ("path", "speaker")
OPTIONAL = ("utt_id", "session", "split", *SEGMENT)
ALLOWED = "Give corpus.{key}=<folder that holds them>, or, if you trust the list, corpus.allow_outside=true."
"""What is to be done about paths that lead out of a root."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A table with the columns ``path`` and ``speaker``, and as many others as you like.

    ``utt_id``, ``session`` and ``split`` are used where the column is there and the value not empty; every further
    column becomes an attribute where it is not empty. Ids get the corpus name in front. Without ``utt_id`` the path
    without its audio suffix is the id. Without ``session``, all files of a speaker are one session
    (`avis.corpora.files.NO_SESSION`). Files that are missing become rows of size -1, which `prepare` rejects as
    unreadable. Names are compared as `avis.names` says: speaker ``007`` stays ``007``, and ``NA`` is a name; an empty
    value, null or NaN is none.

    A row may stand for a stretch of a file, ``start_s`` to ``end_s`` in seconds, and for one ``channel`` of several,
    counted from 1 on: the meetings of AMI, the calls of NIST SRE. Without ``utt_id``, these go into the id.

    Attributes
    ----------
    name : str
        Name of the corpus; begins every id.
    path : str
        The table: ``.parquet``; ``.jsonl``, an object of text, numbers and nulls per line; or CSV with a header (UTF-8,
        commas, quotes as in RFC 4180). A local path or a URI.
    root : str or None
        What relative paths are relative to, a folder or a URI; None for the folder of the table.
    split : str
        ``train`` or ``test``, for rows that do not say.
    allow_outside : bool
        Read files that do not lie below ``root`` too, see `check_inside`.
    """

    name: str
    path: str
    root: str | None
    split: str
    allow_outside: bool = False

    required: ClassVar[tuple[str, ...]] = REQUIRED
    may_be_unknown: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_split(self.split, where=f"corpus {self.name}")

    def sources(self) -> pa.Table:
        """List the files as a table in schema `avis.schema.SOURCES`.

        Raises
        ------
        ValueError
            The table is missing, empty, damaged or lacks a column, or a row lacks a value, has an unknown split or
            segment, or leads out of the root.
        """
        root = absolute(parent(self.path) if self.root is None else self.root)
        tables, number = [], 1
        for rows in read_text_table(self.path, required=self.required):
            tables.append(self._sources(rows, number, root))
            number += len(rows)
        return in_order(tables, may_be_unknown=self.may_be_unknown)

    def _sources(self, rows: pa.RecordBatch, number: int, root: str) -> pa.Table:
        """Return the sources of some rows, the first of which has the given number in the manifest."""
        paths = rows["path"].to_pylist()
        if not self.allow_outside:
            check_inside(paths, root=root, where=self.path, advice=ALLOWED.format(key="root"))
        files = look_up(paths, root=root)
        segments = _segments(rows, self.path, number)
        names = [
            given or without_suffix(file.relative) + segment.suffix
            for given, file, segment in zip(_column(rows, "utt_id").to_pylist(), files, segments, strict=True)
        ]
        speaker = _below(self.name, _column(rows, "speaker"))
        columns = {
            "utt_id": _below(self.name, pa.array(names, pa.string())),
            "speaker": speaker,
            "session": _below(speaker, _or(_column(rows, "session"), NO_SESSION)),
            "corpus": pa.repeat(self.name, len(rows)),
            "split": self._split(rows, number),
            "path": [file.path for file in files],
            "start_s": [segment.start_s for segment in segments],
            "end_s": [segment.end_s for segment in segments],
            "channel": [segment.channel for segment in segments],
            "size_bytes": [file.size_bytes for file in files],
            "modified_ns": [file.modified_ns for file in files],
            "attributes": _attributes(rows),
        }
        return pa.table(columns, schema=SOURCES)

    def _split(self, rows: pa.RecordBatch, number: int) -> pa.Array:
        split = _or(_column(rows, "split"), self.split)
        for name in split.unique().to_pylist():
            if name not in SPLITS:
                check_split(name, where=f"{self.path} row {number + pc.index(split, name).as_py()}")
        return split


def check_inside(paths: list[str], *, root: str, where: str, advice: str) -> None:
    """Refuse a list that leads to other files than those below a root: it may be a stranger's.

    Paths are taken by their names. What is linked into the root belongs to it, as in listed folders.

    Parameters
    ----------
    paths : list of str
        As `look_up` takes them.
    root : str
        A folder or a URI.
    where, advice : str
        The list, and what to do about it, for errors.

    Raises
    ------
    ValueError
        Naming the first few.
    """
    outside = [path for path in paths if not is_inside(path, root)]
    if outside:
        raise ValueError(
            f"paths lead out of the corpus: got num_paths={len(outside)}, expected none that is not below {root}. At "
            f"{where}: {named(outside)}. {advice}"
        )


def is_inside(path: str, root: str) -> bool:
    """Return whether a path, taken relative to a root, lies below it.

    >>> [is_inside(path, "/data") for path in ("a/../b.wav", "/data/b.wav", "../b.wav", "/data/../b.wav", "s3://b/c")]
    [True, True, False, False, False]
    """
    if not path.startswith("/") and ".." not in path and not is_uri(path):
        return True
    (head, query), (top, root_query) = (split_query(each.removeprefix("file://")) for each in (join(root, path), root))
    normal, top = posixpath.normpath(head), posixpath.normpath(top).rstrip("/")
    return normal.startswith(f"{top}/") and query == root_query


def look_up(paths: list[str], *, root: str) -> list[AudioFile]:
    """Find size and time of files given by absolute path, URI, or path relative to ``root``, in the order given.

    ``relative`` is the path below ``root`` for files that lie there, else the whole path. A local file is found under
    either Unicode form of its name.
    """
    head, query = split_query(root)
    top = head.rstrip("/") + "/"
    files: list[AudioFile] = []
    remote: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, listed in enumerate(paths):
        path = listed.removeprefix("./")
        full = path if path.startswith("/") or is_uri(path) else f"{top}{path}{query}"
        if is_uri(full):
            key, options = split_query(full)
            scheme, _, rest = key.partition("://")
            remote[f"{scheme}://{rest.partition('/')[0]}", options].append(index)
            relative = key.removeprefix(top).lstrip("/")
            files.append(AudioFile(path=full, relative=relative, size_bytes=-1, modified_ns=-1))
        else:
            files.append(_stat_any_form(full, relative=full.removeprefix(top).lstrip("/")))
    for indices in remote.values():
        _look_up_remote(files, indices)
    return files


def _stat_any_form(full: str, *, relative: str) -> AudioFile:
    """Look up a local file whose name a list may have in another Unicode form than the disk."""
    file = stat_audio(full, relative=relative)
    below = full.removesuffix(relative)
    for form in ("NFC", "NFD") if file.size_bytes < 0 and not relative.isascii() else ():
        other = stat_audio(below + unicodedata.normalize(form, relative), relative=relative)
        file = file if other.size_bytes < 0 else other
    return file


def _look_up_remote(files: list[AudioFile], indices: list[int]) -> None:
    """Fill in size and time of files that share a file system, asking once for all of them."""
    first = files[indices[0]].path
    system, _ = filesystem(first)
    keys = [filesystem(files[index].path)[1] for index in indices]
    for index, info in zip(indices, retried(lambda: system.get_file_info(keys), first), strict=True):
        files[index] = audio_file(info, path=files[index].path, relative=files[index].relative)


def _column(rows: pa.RecordBatch, name: str) -> pa.Array:
    return rows[name] if name in rows.schema.names else pa.repeat("", len(rows))


def _or(values: pa.Array, default: str) -> pa.Array:
    return pc.if_else(pc.equal(values, ""), default, values)


def _below(parents: str | pa.Array, names: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(parents, names, "/")


def _segments(rows: pa.RecordBatch, path: str, number: int) -> list[Segment]:
    there = [name for name in SEGMENT if name in rows.schema.names]
    if not there:
        return [WHOLE] * len(rows)
    return [
        parse_segment(values, where=f"{path} row {row}")
        for row, values in enumerate(rows.select(there).to_pylist(), start=number)
    ]


def _attributes(rows: pa.RecordBatch) -> pa.MapArray:
    """Return for every row the values of further columns that are not empty, sorted by the columns' names."""
    keys = sorted(set(rows.schema.names) - {*REQUIRED, *OPTIONAL})
    columns = [rows[key] if key != "gender" else _genders(rows[key]) for key in keys]
    filled = np.zeros((len(rows), len(keys)), dtype=bool)
    for index, column in enumerate(columns):
        filled[:, index] = pc.not_equal(column, "")
    row, key = filled.nonzero()
    return pa.MapArray.from_arrays(
        np.concatenate([[0], filled.sum(axis=1).cumsum()]).astype(np.int32),
        pa.array(keys, pa.string()).take(key),
        pa.concat_arrays([pa.array([], pa.string()), *columns]).take(key * len(rows) + row),
    )


def _genders(told: pa.Array) -> pa.Array:
    coded = told.dictionary_encode()
    spelled = pa.array([spell_gender(gender) for gender in coded.dictionary.to_pylist()], pa.string())
    return spelled.take(coded.indices)
