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
import re
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avis import location, store
from avis.part_file import PartFile, corrupt_shard, open_part
from avis.schema import enrolled_schema
from avis.verifier.comparison import Comparison
from avis.verifier.gallery.alone import alone
from avis.verifier.gallery.manifest import MANIFEST, Manifest, manifest_bytes, parsed_manifest
from avis.verifier.gallery.people import People, PeopleMaker
from avis.whole_file import write_file

Read = TypeVar("Read")

ENROLLED, PEOPLE = "enrolled", "people"
OWN_FILE = re.compile(r"[0-9a-f]{32}\.(parquet|arrow)(\.[0-9a-f]{32}\.tmp)?|manifest\.json\.[0-9a-f]{32}\.tmp")
"""Names that only a gallery gives: a part's, and of files that are being written."""
PART_ROWS, PART_BYTES = 1 << 16, 64 << 20
"""From here on a part is full."""
ATTEMPTS = 10
"""At reading what others change meanwhile."""
ORDER = [("speaker", "ascending"), ("enrolled_at", "ascending"), ("sha256", "ascending")]


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
        self.folder, self.new = folder, new
        self._maker = PeopleMaker(comparison, new.dim) if comparison else None
        self._seen: tuple[bytes | None, Snapshot] = None, Snapshot(new, {})
        self._is_lost: Callable[[], bool] = lambda: True

    @property
    def people(self) -> PeopleMaker:
        """What makes people of recordings."""
        assert self._maker is not None, "who is only looked after is not compared"
        return self._maker

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

    def read_of(self, name: str) -> pa.Table:
        """Return one person's recordings."""
        rows = self._steadily(lambda data: self.rows_of(self._manifest(data), [name])[1])
        return rows.filter(pc.equal(rows["speaker"], name))

    def _steadily(self, read: Callable[[bytes | None], Read]) -> Read:
        """Read by the present manifest, and again where another process has changed it meanwhile."""
        for _ in range(ATTEMPTS):
            with contextlib.suppress(FileNotFoundError):
                return read(self._manifest_bytes())
        raise ValueError(
            f"gallery without its files: got a manifest of files that are not there, expected all of them. At "
            f"{self.folder}. Restore it from a copy."
        )

    def _snapshot(self, data: bytes | None) -> Snapshot:
        manifest = self._manifest(data)
        self.check_model(manifest)
        current = {part: each for part, each in self._seen[1].people.items() if each.holds}
        people = {part: current.get(part) or self._people(part) for part in manifest.parts}
        snapshot = Snapshot(manifest, people)
        self._seen = data, snapshot
        return snapshot

    def rows(self, part: str, columns: list[str] | None = None) -> pa.Table:
        """Return the recordings of a part, sorted by speaker, or some columns."""
        uri = location.join(self.folder, ENROLLED, f"{part}.parquet")
        try:
            rows = open_part(uri).read(columns)
        except pa.ArrowInvalid as error:
            raise corrupt_shard(uri, error) from error
        if rows.schema.names != (columns or enrolled_schema(self.new.dim).names):
            raise corrupt_shard(uri, ValueError(f"columns {', '.join(rows.schema.names)}"))
        return rows

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

    @contextmanager
    def changing(self) -> Iterator[Manifest]:
        """Give the gallery to this process alone, for `replace`; what writers left who were killed is cleared away."""
        with alone(self.folder, what="gallery") as self._is_lost:
            data = self._manifest_bytes()
            if data is None and any(map(OWN_FILE.fullmatch, location.names_in(location.join(self.folder, ENROLLED)))):
                raise ValueError(
                    f"gallery without its manifest: got parts but no {MANIFEST}, expected one that names them. At "
                    f"{self.folder}. Restore it from a copy; nothing was changed."
                )
            manifest = self._manifest(data)
            self._clear(manifest)
            yield manifest

    def _clear(self, manifest: Manifest) -> None:
        """Delete what a writer who was killed has left, and nothing else that may lie there."""
        kept = {*manifest.files, *(f"{PEOPLE}/{part}.arrow" for part in manifest.parts)}
        for folder in (ENROLLED, PEOPLE, ""):
            for name in location.names_in(location.join(self.folder, folder)):
                if OWN_FILE.fullmatch(name) and f"{folder}/{name}" not in kept:
                    store.delete_file(location.join(self.folder, folder, name))

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
        maker = self._maker if changes.get("model", manifest.model) == self.new.model else None
        for part in map(store.part_of, files):
            if maker and maker.read(self._index(part)) is None:
                maker.write(self._index(part), self.rows(part))
        for some in _in_parts(rows):
            part = uuid.uuid4().hex
            with PartFile(some.schema, row_group_rows=PART_ROWS) as made:
                made.write(some)
                file = f"{ENROLLED}/{part}.parquet"
                files[file] = made.finish()
                write_file(location.join(self.folder, file), made.file)
            if maker:
                maker.write(self._index(part), some)
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

    def _manifest_bytes(self) -> bytes | None:
        return manifest_bytes(location.join(self.folder, MANIFEST))

    def _manifest(self, data: bytes | None) -> Manifest:
        seen_data, seen = self._seen  # at once: threads may read and change
        if data == seen_data:
            return seen.manifest
        return parsed_manifest(data, location.join(self.folder, MANIFEST)) or self.new

    def _index(self, part: str) -> str:
        return location.join(self.folder, PEOPLE, f"{part}.arrow")

    def _people(self, part: str) -> People:
        return self.people.read(self._index(part)) or self.people.of(self.rows(part))

    def check_audio(self, manifest: Manifest) -> None:
        """Refuse a gallery that keeps no recordings where one is to be begun that does."""
        if self.new.keep_audio and not manifest.keep_audio:
            raise ValueError(
                f"gallery without recordings: got keep_audio=True for one that keeps none, expected a new one. At "
                f"{self.folder}. Choose another folder, or do without."
            )

    def check_model(self, manifest: Manifest) -> None:
        """Refuse a gallery of another model."""
        if (manifest.model, manifest.dim) != (self.new.model, self.new.dim):
            raise ValueError(
                f"gallery of another model: got embeddings of {manifest.model[:12]}, used last from "
                f"{manifest.verifier or 'memory'}, expected those of {self.new.model[:12]}. At {self.folder}. Take "
                f"that model, or embed the gallery anew"
                f"{'' if manifest.keep_audio else ', for which its recordings would have to be kept'}."
            )


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
