"""Who is enrolled: listed, removed, given other names, also where the model is not at hand."""

import os

import pyarrow as pa
import pyarrow.compute as pc

from avis import location
from avis.foreign import MAX_LETTERS
from avis.names import name as compared
from avis.part_file import PartFile
from avis.schema import enrolled_schema
from avis.verifier.gallery.files import ORDER, GalleryFiles
from avis.verifier.gallery.manifest import MANIFEST, read_manifest
from avis.verifier.gallery.people import is_kept, today
from avis.whole_file import write_file

HEAVY = ("embedding", "audio")
ROW_GROUP_ROWS = 1 << 12


class NobodyError(ValueError):
    """Nobody of a name is enrolled, or nobody at all."""


class Register:
    """Who is enrolled, without their being compared.

    Several processes may use and change one at the same time. What a method has returned from is done for good, also if
    the process is killed then; what it was killed in was done wholly or not at all.

    Parameters
    ----------
    files : GalleryFiles
    """

    def __init__(self, files: GalleryFiles) -> None:
        self.files = files

    @staticmethod
    def of(path: str | os.PathLike[str]) -> "Register":
        """Open the register of a gallery, for which its model need not be there.

        Raises
        ------
        ValueError
            If there is none.
        """
        folder = location.absolute(os.fspath(path))
        manifest = read_manifest(folder)
        if manifest is None:
            raise ValueError(
                f"no gallery: got no {MANIFEST}, expected a folder in which somebody is enrolled. At {folder}. Correct "
                "the path."
            )
        return Register(GalleryFiles(folder, None, manifest))

    def list(self) -> pa.Table:
        """Return what is known of each recording but embedding and audio, sorted by name.

        In schema `avis.schema.enrolled_schema`; what is kept no longer is among it until `purge`.
        """
        light = [column for column in enrolled_schema(self.files.new.dim).names if column not in HEAVY]
        return self.files.read(light).sort_by(ORDER)

    def export(self, file: str) -> int:
        """Write all that is kept into one Parquet file, and return how many recordings these are."""
        whole = location.absolute(file)
        if location.below(whole, self.files.folder) != whole:
            raise ValueError(
                f"file within the gallery: got {file}, expected one elsewhere. At {self.files.folder}. Name another."
            )
        rows = self.files.read().sort_by(ORDER)
        with PartFile(rows.schema, row_group_rows=ROW_GROUP_ROWS) as made:
            made.write(rows)
            made.finish()
            write_file(whole, made.file)
        if not location.is_uri(whole):
            os.chmod(whole, 0o600)  # voices are nobody else's to read
        return len(rows)

    def remove(self, speaker: str) -> int:
        """Remove somebody with all that is kept of them, and return how many recordings these were.

        Raises
        ------
        ValueError
            If nobody of that name is enrolled.
        """
        name = checked_name(speaker)
        with self.files.changing() as manifest:
            parts, rows = self.files.rows_of(manifest, [name])
            self._check_present(name, rows)
            others = rows.filter(pc.not_equal(rows["speaker"], name))
            self.files.replace(manifest, parts, others)
        return len(rows) - len(others)

    def rename(self, speaker: str, to: str) -> None:
        """Give somebody another name.

        Raises
        ------
        ValueError
            If nobody of the one name is enrolled, or somebody of the other.
        """
        self._give(speaker, to, merge=False)

    def merge(self, speaker: str, into: str) -> None:
        """Join the recordings of two names, both of which are enrolled, under the second.

        Raises
        ------
        ValueError
            If nobody of one of the names is enrolled.
        """
        self._give(speaker, into, merge=True)

    def purge(self) -> pa.Table:
        """Remove recordings that are kept no longer, and return what `list` said of them."""
        with self.files.changing() as manifest:
            over, day = self.list(), today()
            over = over.filter(pc.invert(is_kept(over, day)))
            if len(over):
                parts, rows = self.files.rows_of(manifest, pc.unique(over["speaker"]).to_pylist())
                self.files.replace(manifest, parts, rows.filter(is_kept(rows, day)))
        return over

    def _check_present(self, name: str, rows: pa.Table) -> None:
        if not _holds(rows, name):
            raise NobodyError(
                f"nobody of that name: got {name}, expected somebody who is enrolled. At {self.files.folder}. See who "
                "is by listing the gallery."
            )

    def _give(self, speaker: str, to: str, *, merge: bool) -> None:
        name, other = checked_name(speaker), checked_name(to)
        with self.files.changing() as manifest:
            parts, rows = self.files.rows_of(manifest, [name, other])
            self._check_present(name, rows)
            if merge:
                self._check_present(other, rows)
            elif _holds(rows, other):
                raise ValueError(
                    f"name taken: got {other}, who is enrolled, expected a new name. At {self.files.folder}. Choose "
                    "another, or merge the two."
                )
            given = pc.if_else(pc.equal(rows["speaker"], name), other, rows["speaker"])
            self.files.replace(manifest, parts, rows.set_column(0, rows.schema.field("speaker"), given))


def _holds(rows: pa.Table, name: str) -> bool:
    return bool(pc.any(pc.equal(rows["speaker"], name)).as_py())


def checked_name(speaker: str) -> str:
    """Return a name as it is compared."""
    name = compared(speaker) if isinstance(speaker, str) else ""
    if not (name and len(name) <= MAX_LETTERS and name.isprintable()):
        raise ValueError(
            f"no name: got {str(speaker)[:MAX_LETTERS]!r}, expected 1 to {MAX_LETTERS} letters on one line. At the "
            "name. Correct it."
        )
    return name
