"""People who are enrolled with their voices, and who of them it is that speaks."""

import datetime
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from avis import location
from avis.schema import enrolled_schema
from avis.verifier.embedder import Source, Voiceprint
from avis.verifier.gallery.enrolment import (
    Enrolment,
    Heard,
    enrolment,
    kept_voiceprint,
    listen,
    listen_again,
    refuse_by_the_others,
)
from avis.verifier.gallery.files import ORDER, GalleryFiles, Snapshot
from avis.verifier.gallery.gates import Gates
from avis.verifier.gallery.identification import RANKED, Identification, decide, rank
from avis.verifier.gallery.manifest import Manifest, read_manifest
from avis.verifier.gallery.people import is_kept, today
from avis.verifier.gallery.register import NobodyError, Register, checked_name
from avis.verifier.own_voices.recording import OwnRecording
from avis.verifier.verifier import Verifier

GATES = Gates()


class Gallery(Register):
    """People who are enrolled with their voices, and a verifier that compares them; `open` makes one.

    Parameters
    ----------
    files : GalleryFiles
    verifier : Verifier
    """

    def __init__(self, files: GalleryFiles, verifier: Verifier) -> None:
        super().__init__(files)
        self.verifier = verifier

    @classmethod
    def open(cls, path: str | os.PathLike[str], verifier: Verifier, *, keep_audio: bool = False) -> "Gallery":
        """Open a gallery, or begin one, which is written once somebody is enrolled.

        Parameters
        ----------
        path : str or os.PathLike
            Local folder or URI.
        verifier : Verifier
            What embeds and compares. A gallery is of one model; back-end and calibration may be fitted anew.
        keep_audio : bool
            Whether a new gallery keeps recordings beside their embeddings, so that another model can embed them.

        Raises
        ------
        ValueError
            If there is something else, a gallery of another model, or one that keeps no recordings where these are to
            be kept.
        """
        folder = location.absolute(os.fspath(path))
        manifest = read_manifest(folder)
        files = GalleryFiles(folder, verifier.comparison, _begun(verifier, keep_audio=keep_audio))
        if manifest is not None:
            files.check_model(manifest)
            files.check_audio(manifest)
        return cls(files, verifier)

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
        names = self._checked(people, consent, keep_until)
        manifest = self.files.snapshot().manifest
        self.files.check_audio(manifest)
        heard = {
            name: listen(self.verifier, recordings, gates, keep_audio=manifest.keep_audio)
            for name, recordings in zip(names, people.values(), strict=True)
        }
        told = {"consent": consent, "keep_until": keep_until, "enrolled_at": _now()}
        with self.files.changing() as now:
            if now.keep_audio != manifest.keep_audio:
                raise ValueError(
                    f"gallery begun by another: got keep_audio={now.keep_audio} meanwhile, expected "
                    f"{manifest.keep_audio}. At {self.files.folder}. Enrol again."
                )
            return self._enroll(now, heard, told, gates)

    def _checked(
        self, people: Mapping[str, Iterable[object]], consent: str | None, keep_until: datetime.date | None
    ) -> list[str]:
        """Return the names as they are compared, unless something is asked for that cannot be."""
        where = f"At {self.files.folder}"
        is_day = isinstance(keep_until, datetime.date) and not isinstance(keep_until, datetime.datetime)
        if keep_until is not None and not (is_day and keep_until >= today()):
            raise ValueError(
                f"kept until a day to come: got keep_until={keep_until!r}, expected a datetime.date from {today()} on. "
                f"{where}. Correct it."
            )
        if not isinstance(consent, str | None):
            raise ValueError(f"consent is a note: got {consent!r}, expected text. {where}. Correct it.")
        if single := [name for name, each in people.items() if isinstance(each, str | bytes | os.PathLike)]:
            raise ValueError(
                f"several recordings: got one for {single[0]}, expected a list of them. {where}. Put it into brackets."
            )
        names = [checked_name(name) for name in people]
        if len(set(names)) < len(names):
            raise ValueError(
                f"one name twice: got {len(names)} names of which {len(set(names))} are different, expected each once. "
                f"{where}. Join their recordings."
            )
        return names

    def _enroll(
        self, manifest: Manifest, heard: Mapping[str, Sequence[Heard]], told: Mapping[str, Any], gates: Gates | None
    ) -> list[Enrolment]:
        """Judge what was heard by who is enrolled, and keep what is taken."""
        snapshot = self.files.snapshot()
        self._check_twins(list(heard), snapshot)
        parts, rows = self.files.rows_of(manifest, list(heard))
        places, made, new = _places(rows["speaker"]), list[Enrolment](), list[dict[str, Any]]()
        for name, recordings in heard.items():
            own = rows.take(pa.array(places[name])) if name in places else rows.slice(0, 0)
            own, warnings = own.filter(is_kept(own, today())), list[str]()
            if gates is not None:
                others = [*snapshot.people.values(), self.files.people.of(self._table(new))]
                warnings = refuse_by_the_others(self.verifier, name, recordings, own, others)
            made.append(enrolment(name, recordings, warnings, before=len(own)))
            new += [{"speaker": name, **told, **each.row()} for each in recordings if each.sound]
        if new:
            both = pa.concat_tables([rows, self._table(new)])
            self.files.replace(manifest, parts, both, verifier=self.verifier.path)
        return made

    def identify(self, recording: Source | Voiceprint, *, most: int = 5) -> Identification:
        """Tell who of the people enrolled speaks in a recording, if it is one of them.

        Each is compared as one recording: the mean of their embeddings, of their mean duration.

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
        if not (isinstance(most, int) and 1 <= most <= RANKED):
            raise ValueError(f"people told of: got most={most}, expected 1 to {RANKED}. At identify. Correct it.")
        heard, snapshot = self.verifier.embed(recording), self.files.snapshot()
        if not snapshot.num_people:
            raise NobodyError(
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
        ranking = rank(self.verifier, snapshot.people.values(), heard)
        outcome, told["threshold"] = decide(ranking, self.verifier.parts.operating_point, self.verifier.bounds)
        first, *others = ranking.candidates
        if others and first.llr is not None and others[0].llr is not None:
            told["margin"] = first.llr - others[0].llr
        told["speaker"] = first.speaker if outcome == "match" else None
        warnings += [*self.verifier.cautions(told["threshold"]), *(ranking.outside if outcome == "unsure" else ())]
        candidates = tuple(ranking.candidates[:most])
        return Identification(**told, outcome=outcome, candidates=candidates, warnings=tuple(warnings))

    def own_recordings(self) -> dict[str, list[OwnRecording]]:
        """Return the recordings of each person, for `avis.verifier.calibrate`: those enrolled at once are of a session.

        Where recordings are kept, with what a few seconds of each are like.
        """
        rows = self.files.read()
        made: dict[str, list[OwnRecording]] = {}
        for row in rows.filter(is_kept(rows, today())).sort_by(ORDER).to_pylist():
            about = {"name": row["recording"], "session": row["enrolled_at"].isoformat()}
            if row["audio"] is not None:
                recording = OwnRecording.of(self.verifier, row["audio"], **about)
            else:
                recording = OwnRecording(voiceprint=kept_voiceprint(row, self.verifier.digest), **about)
            made.setdefault(row["speaker"], []).append(recording)
        return made

    def recordings_of(self, name: str) -> list[Source | Voiceprint]:
        """Return what is compared of somebody: recordings, or their voiceprints where they are not kept."""
        rows = self.files.read_of(name)
        return [
            kept_voiceprint(row, self.verifier.digest) if row["audio"] is None else row["audio"]
            for row in rows.filter(is_kept(rows, today())).sort_by(ORDER).to_pylist()
        ]

    @classmethod
    def reembed(cls, path: str | os.PathLike[str], verifier: Verifier) -> "Gallery":
        """Embed the recordings of a gallery that keeps them by another model, and open it.

        Raises
        ------
        ValueError
            If it keeps none, or one says nothing to the new model; then it stays as it is.
        """
        folder = Register.of(path).files.folder
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

    def _check_twins(self, names: Sequence[str], snapshot: Snapshot) -> None:
        """Refuse new names that differ from enrolled ones in letter case alone."""
        for each in snapshot.people.values():
            alike = pc.is_in(pc.utf8_lower(each.names), pa.array([name.lower() for name in names], pa.string()))
            if twins := [name for name in each.names.filter(alike).to_pylist() if name not in names]:
                raise ValueError(
                    f"name too much like another: got one that differs from {twins[0]} in letter case alone, expected "
                    f"another. At {self.files.folder}. Choose another, or that one as it is."
                )

    def _table(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        return pa.Table.from_pylist(rows, schema=enrolled_schema(self.verifier.dim))


def _begun(verifier: Verifier, *, keep_audio: bool) -> Manifest:
    """Return the manifest of a gallery in which nobody is enrolled yet."""
    of_it = {"model": verifier.digest, "verifier": verifier.path, "dim": verifier.dim}
    return Manifest.model_validate({**of_it, "keep_audio": keep_audio, "rows": {}, "files": {}})


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _places(names: pa.ChunkedArray) -> dict[str, list[int]]:
    """Return the rows of each name."""
    places: dict[str, list[int]] = {}
    for row, name in enumerate(names.to_pylist()):
        places.setdefault(name, []).append(row)
    return places
