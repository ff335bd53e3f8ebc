"""People who are enrolled with their voices, and who of them it is that speaks."""

import datetime
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from avis import location
from avis.foreign import MAX_LETTERS
from avis.names import name as compared
from avis.part_file import PartFile
from avis.schema import enrolled_schema
from avis.verifier.embedder import Source, Voiceprint
from avis.verifier.enrolment import Enrolment, enrolment, listen, listen_again, refuse_by_the_others
from avis.verifier.gallery_files import MANIFEST, ORDER, GalleryFiles, Manifest, is_kept, read_manifest, today
from avis.verifier.gates import Gates
from avis.verifier.identification import Identification, decide, rank
from avis.verifier.verifier import Verifier
from avis.whole_file import write_file

HEAVY = ("embedding", "audio")
ROW_GROUP_ROWS = 1 << 12
GATES = Gates()


class Gallery:
    """People who are enrolled with their voices; `open` makes one.

    Several processes may use and change one at the same time. What a method has returned from is done for good, also if
    the process is killed then; what it was killed in was done wholly or not at all.

    Parameters
    ----------
    files : GalleryFiles
    verifier : Verifier or None
    """

    def __init__(self, files: GalleryFiles, verifier: Verifier | None) -> None:
        self.files, self._verifier = files, verifier

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], verifier: Verifier | None = None, *, keep_audio: bool = False
    ) -> "Gallery":
        """Open a gallery, or begin one, which is written once somebody is enrolled.

        Parameters
        ----------
        path : str or os.PathLike
            Local folder or URI.
        verifier : Verifier or None
            What embeds and compares. A gallery is of one model; back-end and calibration may be fitted anew. Without a
            verifier people can be listed, removed and given other names.
        keep_audio : bool
            Whether a new gallery keeps recordings beside their embeddings, so that another model can embed them.

        Raises
        ------
        ValueError
            If there is something else, a gallery of another model, or one that keeps no recordings where these are to
            be kept; or, without a verifier, nothing.
        """
        folder = location.absolute(os.fspath(path))
        manifest = read_manifest(folder)
        if verifier is not None:
            new = _begun(verifier, keep_audio=keep_audio)
        elif manifest is not None:
            new = manifest
        else:
            raise ValueError(
                f"no gallery: got no {MANIFEST}, expected a folder in which somebody is enrolled. At {folder}. Correct "
                "the path."
            )
        files = GalleryFiles(folder, verifier.comparison if verifier else None, new)
        if manifest is not None:
            files.check_model(manifest)
            if keep_audio and not manifest.keep_audio:
                raise ValueError(
                    f"gallery without recordings: got keep_audio=True for one that keeps none, expected a new one. At "
                    f"{folder}. Choose another folder, or do without."
                )
        return cls(files, verifier)

    @property
    def verifier(self) -> Verifier:
        """What embeds and compares.

        Raises
        ------
        ValueError
            If it was opened without one.
        """
        if self._verifier is None:
            raise ValueError(
                f"no verifier: got a gallery that was opened without one, expected one to compare by. At "
                f"{self.files.folder}. Give it to Gallery.open."
            )
        return self._verifier

    @staticmethod
    def used_with(path: str | os.PathLike[str]) -> str:
        """Return where the verifier lies that somebody was last enrolled with; nothing where that is not known."""
        manifest = read_manifest(location.absolute(os.fspath(path)))
        return manifest.verifier if manifest else ""

    def enroll(
        self,
        speaker: str,
        recordings: Iterable[Source | Voiceprint],
        *,
        consent: str | None = None,
        keep_until: datetime.date | None = None,
        gates: Gates | None = GATES,
    ) -> Enrolment:
        """Enrol somebody with recordings, or with further ones.

        A recording is refused that lacks what ``gates`` ask for, in which a second voice is heard, whose voice is not
        that of the others of that name, or that is there already. All are where the voice is that of another name.

        Parameters
        ----------
        speaker : str
        recordings : iterable of Source or Voiceprint
            See `avis.verifier.verifier.Verifier.embed`.
        consent : str or None
            Note of who agreed to what, kept beside each recording.
        keep_until : datetime.date or None
            The last day (UTC) on which these recordings are matched; `purge` removes them after it.
        gates : Gates or None
            None takes all recordings in which somebody speaks.

        Returns
        -------
        Enrolment
            What was taken and what refused; where all were refused nothing is changed.

        Raises
        ------
        ValueError
            If there is no recording, the name is none, the day is over, or a voiceprint comes to a gallery that keeps
            recordings.
        """
        told = {"consent": consent, "keep_until": keep_until}
        return self.enroll_all({speaker: recordings}, gates=gates, **told)[0]  # type: ignore[arg-type]

    def enroll_all(
        self,
        people: Mapping[str, Iterable[Source | Voiceprint]],
        *,
        consent: str | None = None,
        keep_until: datetime.date | None = None,
        gates: Gates | None = GATES,
    ) -> list[Enrolment]:
        """Enrol many people at once, which takes less time than one by one; see `enroll`."""
        if keep_until is not None and keep_until < today():
            raise ValueError(
                f"kept until a day that is over: got keep_until={keep_until}, expected {today()} or later. At "
                f"{self.files.folder}. Correct it."
            )
        names = [_checked(name) for name in people]
        if len(set(names)) < len(names):
            raise ValueError(
                f"one name twice: got {len(names)} names of which {len(set(names))} are different, expected each once. "
                f"At {self.files.folder}. Join their recordings."
            )
        keep_audio = self.files.snapshot().manifest.keep_audio
        heard = {
            name: listen(self.verifier, recordings, gates, keep_audio=keep_audio)
            for name, recordings in zip(names, people.values(), strict=True)
        }
        told = {"consent": consent, "keep_until": keep_until, "enrolled_at": _now()}
        with self.files.changing() as manifest:
            snapshot = self.files.snapshot()
            parts, rows = self.files.rows_of(manifest, names)
            places, made, new = _places(rows["speaker"]), list[Enrolment](), list[dict[str, Any]]()
            for name, recordings in heard.items():
                own = rows.take(pa.array(places[name])) if name in places else rows.slice(0, 0)
                own, warnings = own.filter(is_kept(own)), list[str]()
                if gates is not None:
                    others = [*snapshot.people.values(), self.files.people(self._table(new))]
                    warnings = refuse_by_the_others(self.verifier, name, recordings, own, others)
                made.append(enrolment(name, recordings, warnings, before=len(own)))
                new += [{"speaker": name, **told, **each.row()} for each in recordings if each.sound]
            if new:
                both = pa.concat_tables([rows, self._table(new)])
                self.files.replace(manifest, parts, both, verifier=self.verifier.path)
        return made

    def identify(self, recording: Source | Voiceprint, *, most: int = 5) -> Identification:
        """Tell who of the people enrolled speaks in a recording, if it is one of them.

        Each is compared with the mean of their embeddings, as `score.py` does with enrolment models.

        Parameters
        ----------
        recording : Source or Voiceprint
            See `avis.verifier.verifier.Verifier.embed`.
        most : int
            How many people are ranked.

        Raises
        ------
        ValueError
            If nobody is enrolled, or the recording cannot be read.
        """
        if most < 1:
            raise ValueError(f"too few: got most={most}, expected 1 or more. At identify. Correct it.")
        heard, snapshot = self.verifier.embed(recording), self.files.snapshot()
        if not snapshot.num_people:
            raise ValueError(
                f"nobody is enrolled: got a gallery of no people, expected one at least. At {self.files.folder}. "
                "Enrol somebody, or correct the path."
            )
        told: dict[str, Any] = {
            "num_enrolled": snapshot.num_people,
            "speech_s": heard.speech_s,
            "quality": heard.quality,
            **dict.fromkeys(("speaker", "margin", "threshold")),
        }
        warnings = [f"The recording{fault}" for fault in self.verifier.faults(heard)]
        if heard.embedding is None:
            return Identification(**told, outcome="not_heard", candidates=(), warnings=tuple(warnings))
        ranking = rank(self.verifier, snapshot.people.values(), heard, most=max(2, most))
        outcome, told["threshold"] = decide(ranking, self.verifier.parts.operating_point, self.verifier.bounds)
        first, *others = ranking.candidates
        if others and first.llr is not None and others[0].llr is not None:
            told["margin"] = first.llr - others[0].llr
        told["speaker"] = first.speaker if outcome == "match" else None
        warnings += self.verifier.cautions(told["threshold"])
        candidates = tuple(ranking.candidates[:most])
        return Identification(**told, outcome=outcome, candidates=candidates, warnings=tuple(warnings))

    def remove(self, speaker: str) -> int:
        """Remove somebody with all that is kept of them, and return how many recordings these were.

        Raises
        ------
        ValueError
            If nobody of that name is enrolled.
        """
        name = _checked(speaker)
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

    def list(self) -> pa.Table:
        """Return what is known of each recording but embedding and audio, sorted by name.

        In schema `avis.schema.enrolled_schema`; what is kept no longer is among it until `purge`.
        """
        light = [column for column in enrolled_schema(self.files.new.dim).names if column not in HEAVY]
        return self.files.read(light).sort_by(ORDER)

    def export(self, file: str) -> int:
        """Write all that is kept into one Parquet file, and return how many recordings these are."""
        rows = self.files.read().sort_by(ORDER)
        with PartFile(rows.schema, row_group_rows=ROW_GROUP_ROWS) as made:
            made.write(rows)
            made.finish()
            write_file(location.absolute(file), made.file)
        return len(rows)

    def purge(self) -> pa.Table:
        """Remove recordings that are kept no longer, and return what `list` said of them."""
        with self.files.changing() as manifest:
            over = self.list()
            over = over.filter(pc.invert(is_kept(over)))
            if len(over):
                parts, rows = self.files.rows_of(manifest, pc.unique(over["speaker"]).to_pylist())
                self.files.replace(manifest, parts, rows.filter(is_kept(rows)))
        return over

    @classmethod
    def reembed(cls, path: str | os.PathLike[str], verifier: Verifier) -> "Gallery":
        """Embed the recordings of a gallery that keeps them by another model, and open it.

        Raises
        ------
        ValueError
            If it keeps none, or one says nothing to the new model; then it stays as it is.
        """
        folder = location.absolute(os.fspath(path))
        files = GalleryFiles(folder, verifier.comparison, _begun(verifier, keep_audio=True))
        with files.changing() as manifest:
            if not manifest.keep_audio:
                raise ValueError(
                    f"gallery without recordings: got one that keeps none, expected keep_audio from the start. At "
                    f"{files.folder}. Enrol its people anew in another folder."
                )
            anew = [listen_again(verifier, row) for row in files.all_rows(manifest.parts).to_pylist()]
            changes = {"model": verifier.digest, "dim": verifier.dim, "verifier": verifier.path}
            gallery = cls(files, verifier)
            files.replace(manifest, list(manifest.parts), gallery._table(anew), **changes)
        return gallery

    def _table(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        return pa.Table.from_pylist(rows, schema=enrolled_schema(self.verifier.dim))

    def _check_present(self, name: str, rows: pa.Table) -> None:
        if not _holds(rows, name):
            raise ValueError(
                f"nobody of that name: got {name}, expected somebody who is enrolled. At {self.files.folder}. See who "
                "is by listing the gallery."
            )

    def _give(self, speaker: str, to: str, *, merge: bool) -> None:
        name, other = _checked(speaker), _checked(to)
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


def _begun(verifier: Verifier, *, keep_audio: bool) -> Manifest:
    """Return the manifest of a gallery in which nobody is enrolled yet."""
    of_it = {"model": verifier.digest, "verifier": verifier.path, "dim": verifier.dim}
    return Manifest.model_validate({**of_it, "keep_audio": keep_audio, "rows": {}, "files": {}})


def _checked(speaker: str) -> str:
    """Return a name as it is compared."""
    name = compared(speaker) if isinstance(speaker, str) else ""
    if not (name and len(name) <= MAX_LETTERS and name.isprintable()):
        raise ValueError(
            f"no name: got {str(speaker)[:MAX_LETTERS]!r}, expected 1 to {MAX_LETTERS} letters on one line. At the "
            "name. Correct it."
        )
    return name


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _places(names: pa.ChunkedArray) -> dict[str, list[int]]:
    """Return the rows of each name."""
    places: dict[str, list[int]] = {}
    for row, name in enumerate(names.to_pylist()):
        places.setdefault(name, []).append(row)
    return places
