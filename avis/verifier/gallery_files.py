"""The files of a gallery: recordings in Parquet, beside them what they come to per person, and a manifest.

    manifest.json             which model it is of, and which parts there are
    enrolled/<part>.parquet   a row per recording, in schema `avis.schema.enrolled_schema`; a person lies in one part
    people/<part>.arrow       a row per person, to be mapped into memory and compared: made of the part, and anew where
                              another back-end compares, or a recording in it is kept no longer

Parts never change. A change writes new parts, then the manifest, whole or not at all, and then deletes the parts that
the new ones replace: what is removed is gone, bytes and all, and a writer who is killed leaves the gallery as it was or
as it was to be. Small parts go into new ones that are no smaller, so that n recordings are in some log2(n) parts and
each was written as often.
"""

import contextlib
import datetime
import hashlib
import io
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, Field, NonNegativeInt, PositiveInt, ValidationError

from avis import location, store
from avis.checkpoints.fitted_state import state_bytes
from avis.foreign import check_manifest, parse_json
from avis.part_file import PartFile, corrupt_shard, open_part
from avis.schema import enrolled_schema
from avis.scoring.enrolment import model_means
from avis.verifier.alone import alone
from avis.verifier.comparison import Comparison, Sides
from avis.whole_file import write_file

Read = TypeVar("Read")

FORMAT = 1
MANIFEST, ENROLLED, PEOPLE = "manifest.json", "enrolled", "people"
PART_ROWS, PART_BYTES = 1 << 16, 64 << 20
"""From here on a part is full."""
ATTEMPTS = 10
"""At reading what others change meanwhile."""
COMPARED_BY = b"compared_by"
ORDER = [("speaker", "ascending"), ("enrolled_at", "ascending"), ("sha256", "ascending")]


class Manifest(BaseModel, extra="forbid", frozen=True):
    """What ``manifest.json`` holds.

    Attributes
    ----------
    model : str
        Digest of the checkpoint that the embeddings are of.
    verifier : str
        Where the verifier lies that was used last.
    dim : int
        Of the embeddings.
    keep_audio : bool
        Whether recordings are kept beside their embeddings.
    rows, files : dict
        Recordings in all, and each part's rows, bytes and sum.
    """

    format: Literal[1] = 1
    model: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    verifier: str
    dim: PositiveInt
    keep_audio: bool
    rows: dict[str, NonNegativeInt]
    files: dict[str, dict[str, Any]]

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        """Rows and bytes of the parts, by their names."""
        return {store.part_of(file): info for file, info in self.files.items()}


@dataclass(frozen=True)
class People:
    """The people of a part, as long as their recordings are kept.

    Attributes
    ----------
    names : pyarrow.Array [people]
    sides : Sides
    holds_until : datetime.date
        The day after which they are others.
    """

    names: pa.Array
    sides: Sides
    holds_until: datetime.date


@dataclass(frozen=True)
class Snapshot:
    """A gallery at one time: its manifest, and the people of each part."""

    manifest: Manifest
    people: dict[str, People]

    @property
    def num_people(self) -> int:
        """How many there are."""
        return sum(len(each.names) for each in self.people.values())


class GalleryFiles:
    """Reads and changes the files of one gallery.

    Parameters
    ----------
    folder : str
        Local path or URI; nothing need be there.
    comparison : Comparison or None
        What people are compared by; without it, recordings are only looked after.
    new : Manifest
        That of a gallery in which nobody is enrolled yet, of the model that makes the embeddings.
    """

    def __init__(self, folder: str, comparison: Comparison | None, new: Manifest) -> None:
        self.folder, self.comparison, self.new = folder, comparison, new
        self._compared_by = compared_by(comparison) if comparison else b""
        self._seen = b"", Snapshot(new, {})
        self._is_lost: Callable[[], bool] = lambda: True

    def snapshot(self) -> Snapshot:
        """Return the gallery as it is now; only what has changed is read again.

        Raises
        ------
        ValueError
            If there is something else, or files are missing.
        """
        return self._steadily(self._snapshot)

    def read(self, columns: list[str] | None = None) -> pa.Table:
        """Return all recordings, or some columns of them."""
        return self._steadily(lambda data: self.all_rows(self._manifest(data).parts, columns))

    def _steadily(self, read: Callable[[bytes], Read]) -> Read:
        """Read by the present manifest, and again where another process has changed it meanwhile."""
        for _ in range(ATTEMPTS):
            with contextlib.suppress(FileNotFoundError):
                return read(self._manifest_bytes())
        raise ValueError(
            f"gallery without its files: got a manifest of files that are not there, expected all of them. At "
            f"{self.folder}. Restore it from a copy."
        )

    def _snapshot(self, data: bytes) -> Snapshot:
        manifest = self._manifest(data)
        self.check_model(manifest)
        current = {part: each for part, each in self._seen[1].people.items() if each.holds_until >= today()}
        people = {part: current.get(part) or self._people(part) for part in manifest.parts}
        self._seen = data, Snapshot(manifest, people)
        return self._seen[1]

    def rows(self, part: str, columns: list[str] | None = None) -> pa.Table:
        """Return the recordings of a part, sorted by speaker, or some columns."""
        uri = location.join(self.folder, ENROLLED, f"{part}.parquet")
        try:
            return open_part(uri).read(columns)
        except pa.ArrowInvalid as error:
            raise corrupt_shard(uri, error) from error

    def rows_of(self, manifest: Manifest, names: Collection[str]) -> tuple[set[str], pa.Table]:
        """Return the parts in which any of these people are, and all recordings that these hold."""
        wanted = pa.array(names, pa.string())
        parts = {
            part for part in manifest.parts if pc.any(pc.is_in(self.rows(part, ["speaker"])["speaker"], wanted)).as_py()
        }
        return parts, self.all_rows(parts)

    def all_rows(self, parts: Collection[str], columns: list[str] | None = None) -> pa.Table:
        """Return the recordings of several parts."""
        if not parts:
            empty = enrolled_schema(self.new.dim).empty_table()
            return empty.select(columns or empty.column_names)
        return pa.concat_tables([self.rows(part, columns) for part in sorted(parts)])

    def people(self, rows: pa.Table) -> People:
        """Return the people of recordings, sorted by speaker."""
        return self._of(self._made_index(rows))

    @contextmanager
    def changing(self) -> Iterator[Manifest]:
        """Give the gallery to this process alone, for `replace`; what writers left who were killed is cleared away."""
        with alone(self.folder, what="gallery") as self._is_lost:
            manifest = self._manifest(self._manifest_bytes())
            for table in (ENROLLED, PEOPLE):
                folder = location.join(self.folder, table)
                for name in location.names_in(folder):
                    if name.partition(".")[0] not in manifest.parts:
                        store.delete_file(location.join(folder, name))
            yield manifest

    def replace(self, manifest: Manifest, parts: Collection[str], rows: pa.Table, **changes: object) -> None:
        """Put recordings in place of those parts, and change the manifest; inside `changing`.

        Once this returns, it is done for good.
        """
        gone = {*parts}
        for part, info in sorted(manifest.parts.items(), key=lambda item: int(item[1]["rows"])):
            if part not in gone and info["rows"] <= len(rows) and info["bytes"] + rows.nbytes < PART_BYTES:
                gone.add(part)
                rows = pa.concat_tables([rows, self.rows(part)])
        files = {file: info for file, info in manifest.files.items() if store.part_of(file) not in gone}
        compares = self.comparison is not None and changes.get("model", manifest.model) == self.new.model
        for part in map(store.part_of, files) if compares else []:
            if self._index(part) is None:
                self._write_index(part, self.rows(part))
        for some in _in_parts(rows):
            part = uuid.uuid4().hex
            with PartFile(some.schema, row_group_rows=PART_ROWS) as made:
                made.write(some)
                file = f"{ENROLLED}/{part}.parquet"
                files[file] = made.finish()
                write_file(location.join(self.folder, file), made.file)
            if compares:
                self._write_index(part, some)
        if self._is_lost():
            raise ValueError(
                "gallery taken over: got another process that changes it, expected none. At "
                f"{self.folder}. Nothing was changed: do it again."
            )
        counts = {"rows": {ENROLLED: sum(info["rows"] for info in files.values())}, "files": files}
        changed = manifest.model_copy(update={**counts, **changes})
        store.write_json(location.join(self.folder, MANIFEST), changed.model_dump(mode="json"))
        for part in gone:
            for file in (f"{ENROLLED}/{part}.parquet", f"{PEOPLE}/{part}.arrow"):
                store.delete_file(location.join(self.folder, file))

    def _manifest_bytes(self) -> bytes:
        return _manifest_bytes(location.join(self.folder, MANIFEST))

    def _manifest(self, data: bytes) -> Manifest:
        if data == self._seen[0]:
            return self._seen[1].manifest
        return _parsed(data, location.join(self.folder, MANIFEST)) or self.new

    def check_model(self, manifest: Manifest) -> None:
        """Refuse a gallery of another model."""
        if (manifest.model, manifest.dim) != (self.new.model, self.new.dim):
            raise ValueError(
                f"gallery of another model: got embeddings of {manifest.model[:12]}, used last from "
                f"{manifest.verifier or 'memory'}, expected those of {self.new.model[:12]}. At {self.folder}. Take "
                f"that model, or embed the gallery anew"
                f"{'' if manifest.keep_audio else ', for which its recordings would have to be kept'}."
            )

    def _people(self, part: str) -> People:
        index = self._index(part)
        if index is not None and (people := self._of(index)).holds_until >= today():
            return people
        return self.people(self.rows(part))

    def _of(self, index: pa.Table) -> People:
        measures = [index[name].to_numpy() for name in self._compares.measures]
        sides = Sides(
            matrix(index["vector"]),
            np.column_stack(measures) if measures else np.zeros((len(index), 0), np.float32),
        )
        until = pc.min(index["keep_until"]).as_py() or datetime.date.max
        return People(index["speaker"].combine_chunks(), sides, until)

    def _index(self, part: str) -> pa.Table | None:
        """Return what is kept of the people of a part; None unless it is whole and for this back-end."""
        uri = location.join(self.folder, PEOPLE, f"{part}.arrow")
        try:
            source = pa.BufferReader(location.read_bytes(uri)) if location.is_uri(uri) else pa.memory_map(uri)
            index = pa.ipc.open_file(source).read_all()
            index.validate(full=True)
        except (FileNotFoundError, pa.ArrowInvalid):
            return None
        return index if (index.schema.metadata or {}).get(COMPARED_BY) == self._compared_by else None

    def _write_index(self, part: str, rows: pa.Table) -> None:
        index, buffer = self._made_index(rows), io.BytesIO()
        with pa.ipc.new_file(buffer, index.schema) as writer:
            writer.write_table(index.combine_chunks())
        store.write_bytes(location.join(self.folder, PEOPLE, f"{part}.arrow"), buffer.getvalue())

    def _made_index(self, rows: pa.Table) -> pa.Table:
        """Return what recordings, sorted by speaker, come to per person, as long as they are kept."""
        rows = rows.filter(is_kept(rows)).combine_chunks()
        names = rows["speaker"].combine_chunks().dictionary_encode()
        offsets = np.searchsorted(names.indices.to_numpy(), np.arange(len(names.dictionary) + 1))
        until = rows.group_by("speaker", use_threads=False).aggregate([("keep_until", "min")])["keep_until_min"]
        columns = {"speaker": names.dictionary, "keep_until": until}
        if len(rows):
            speech_s = np.add.reduceat(rows["speech_s"].to_numpy(), offsets[:-1])
            sides = self._compares.sides(model_means(matrix(rows["embedding"]), offsets), speech_s)
        else:
            sides = self._nobody()
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(sides.vectors.ravel()), sides.vectors.shape[1])
        columns |= {name: pa.array(sides.measures[:, at]) for at, name in enumerate(self._compares.measures)}
        return pa.table({**columns, "vector": vectors}).replace_schema_metadata({COMPARED_BY: self._compared_by})

    @property
    def _compares(self) -> Comparison:
        assert self.comparison is not None, "who is only looked after is not compared"
        return self.comparison

    def _nobody(self) -> Sides:
        one = self._compares.sides(np.ones((1, self.new.dim), np.float32), np.ones(1))
        return Sides(one.vectors[:0], one.measures[:0])


def compared_by(comparison: Comparison) -> bytes:
    """Return a digest of all that people are compared by."""
    learnt = [state_bytes(comparison.backend), *(name.encode() for name in comparison.measures)]
    return hashlib.sha256(b"\0".join(learnt)).hexdigest().encode()


def read_manifest(folder: str) -> Manifest | None:
    """Return the manifest of a gallery; None where there is none.

    Raises
    ------
    ValueError
        If it is that of something else.
    """
    uri = location.join(folder, MANIFEST)
    return _parsed(_manifest_bytes(uri), uri)


def _manifest_bytes(uri: str) -> bytes:
    try:
        return location.read_bytes(uri)
    except FileNotFoundError:
        return b""


def _parsed(data: bytes, uri: str) -> Manifest | None:
    if not data:
        return None
    plain = parse_json(data, uri)
    check_manifest(plain, uri)
    try:
        return Manifest.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(
            f"no gallery: got {'.'.join(map(str, first['loc']))}={first.get('input')!r:.80} ({first['msg']}), "
            f"expected what AVIS writes in format {FORMAT}. At {uri}. Give another folder."
        ) from error


def today() -> datetime.date:
    """Return the day by which recordings are kept: that of UTC."""
    return datetime.datetime.now(datetime.timezone.utc).date()


def is_kept(rows: pa.Table) -> pa.ChunkedArray:
    """Tell which recordings may still be kept."""
    return pc.fill_null(pc.greater_equal(rows["keep_until"], pa.scalar(today())), True)


def matrix(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """Return a column of lists of one size as float32 ``[rows, size]``, without a copy where it is in one piece."""
    whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return np.asarray(whole.flatten()).reshape(-1, column.type.list_size)


def _in_parts(rows: pa.Table) -> Iterator[pa.Table]:
    """Cut recordings into parts, each person's in one place."""
    rows = rows.sort_by(ORDER)
    names = rows["speaker"].combine_chunks().dictionary_encode().indices.to_numpy()
    firsts = np.append(np.flatnonzero(np.diff(names, prepend=-1)), len(rows))
    audio = pc.fill_null(pc.binary_length(rows["audio"]), 0).to_numpy()
    size = np.concatenate([[0], np.cumsum(audio / PART_BYTES + 1 / PART_ROWS)])
    begin = 0
    while begin < len(rows):
        full = np.searchsorted(size, size[begin] + 1.0)
        end = int(firsts[min(np.searchsorted(firsts, full), len(firsts) - 1)])
        yield rows.slice(begin, end - begin).combine_chunks()
        begin = end
