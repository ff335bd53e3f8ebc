"""What came of enrolling somebody, and which recordings are not of the voice that they are to stand for."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from avis.verifier.embedder import Source, Voiceprint
from avis.verifier.gallery.gates import Gates, has_second_voice
from avis.verifier.gallery.identification import decide, rank
from avis.verifier.gallery.people import People, matrix
from avis.verifier.side_by_side import side_by_side
from avis.verifier.verdict import times
from avis.verifier.verifier import Verifier

MEASURED = ("snr_db", "clip_ratio", "bandwidth_hz")
"""What is kept of a recording's quality."""


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """What came of enrolling somebody.

    Attributes
    ----------
    speaker : str
    taken : tuple of str
        The recordings that were taken.
    refused : mapping of str to str
        Those that were not, and why.
    warnings : tuple of str
        What speaks against relying on it.
    num_recordings : int
        How many there are of this name now.
    """

    speaker: str
    taken: tuple[str, ...]
    refused: Mapping[str, str]
    warnings: tuple[str, ...]
    num_recordings: int

    def plain(self) -> dict[str, Any]:
        """Return it as data for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"refused: {recording}: {why}" for recording, why in self.refused.items()]
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join([*lines, f"{self.speaker}: {len(self.taken)} taken, {self.num_recordings} in all"])


def enrolment(speaker: str, heard: Sequence["Heard"], warnings: Sequence[str], *, before: int) -> Enrolment:
    """Return what came of recordings, of which there were some of that name before."""
    taken = tuple(each.recording for each in heard if each.sound)
    refused = {each.recording: "; ".join(each.refusals) for each in heard if each.refusals}
    return Enrolment(
        speaker=speaker, taken=taken, refused=refused, warnings=tuple(warnings), num_recordings=before + len(taken)
    )


@dataclass(kw_only=True)
class Heard:
    """A recording that somebody is to be enrolled with.

    Attributes
    ----------
    recording : str
        What it is called.
    voiceprint : Voiceprint or None
        None where it cannot be read.
    audio : bytes or None
        What is kept of it.
    refusals : list of str
        Why it is not taken.
    """

    recording: str
    voiceprint: Voiceprint | None = None
    audio: bytes | None = None
    refusals: list[str]

    @property
    def sound(self) -> Voiceprint | None:
        """The voiceprint, unless the recording is refused."""
        return None if self.refusals else self.voiceprint

    def row(self) -> dict[str, Any]:
        """Return what is kept of it, by the columns of `avis.schema.enrolled_schema`."""
        assert self.voiceprint is not None, "what cannot be read is not kept"
        return {"recording": self.recording, "audio": self.audio, **measured(self.voiceprint)}


def measured(voiceprint: Voiceprint) -> dict[str, Any]:
    """Return the columns of `avis.schema.enrolled_schema` that are of the voiceprint."""
    quality = {key: voiceprint.quality.get(key) for key in MEASURED}
    kept = {"sha256": voiceprint.sha256, "speech_s": voiceprint.speech_s, "embedding": voiceprint.embedding}
    return {**kept, **quality}


def kept_voiceprint(row: Mapping[str, Any], model: str) -> Voiceprint:
    """Return the voiceprint of which `measured` gave the columns."""
    return Voiceprint(
        embedding=np.array(row["embedding"], np.float32),
        speech_s=row["speech_s"],
        quality={key: row[key] for key in MEASURED},
        unheard=None,
        model=model,
        sha256=row["sha256"],
    )


def listen(
    verifier: Verifier, recordings: Iterable[Source | Voiceprint], gates: Gates | None, *, keep_audio: bool
) -> list[Heard]:
    """Embed the recordings of somebody, and refuse those that don't pass the gates or in which nobody is heard.

    Raises
    ------
    ValueError
        If there is none, or a voiceprint where audio is to be kept.
    """
    heard = list(
        side_by_side(
            lambda each: _listened(verifier, each[1], gates, called=_called(*each), keep_audio=keep_audio),
            enumerate(recordings, start=1),
        )
    )
    if not heard:
        raise ValueError("nothing to enrol: got no recording, expected one at least. At the recordings. Give some.")
    return heard


def _called(number: int, given: Source | Voiceprint) -> str:
    if isinstance(given, str | os.PathLike):
        return os.fsencode(given).decode("utf-8", "backslashreplace")
    return f"recording {number}"


def _listened(
    verifier: Verifier, given: Source | Voiceprint, gates: Gates | None, *, called: str, keep_audio: bool
) -> Heard:
    heard = Heard(recording=called, refusals=[])
    if keep_audio and isinstance(given, Voiceprint):
        raise ValueError(
            f"voiceprint without audio: got one for a gallery that keeps recordings, expected a recording. At "
            f"{called}. Give the recording."
        )
    read = getattr(given, "read", None)
    source = read() if read else given
    try:
        heard.voiceprint = verifier.embed(source)
        if heard.voiceprint.unheard:
            heard.refusals.append(heard.voiceprint.unheard)
        elif gates is not None:
            heard.refusals += gates.refusals(heard.voiceprint)
        if isinstance(source, Voiceprint) or heard.refusals:
            return heard
        if gates is not None and has_second_voice(verifier, source):
            heard.refusals.append("two people speak in it")
        elif keep_audio:
            heard.audio = verifier.audio(source)
    except ValueError as error:
        heard.refusals.append(str(error))
    return heard


def listen_again(verifier: Verifier, row: Mapping[str, Any]) -> dict[str, Any]:
    """Embed a recording that a gallery keeps by another model, and return its row anew.

    Raises
    ------
    ValueError
        If nobody is heard in it.
    """
    voiceprint = verifier.embed(row["audio"])
    if voiceprint.unheard:
        raise ValueError(
            f"recording not heard: got {voiceprint.unheard}, expected a voice, as the model before found. At "
            f"{row['recording']} of {row['speaker']}. Remove it, or stay with the model."
        )
    return {**row, **measured(voiceprint)}


def refuse_by_the_others(
    verifier: Verifier, name: str, heard: Sequence[Heard], own: pa.Table, people: Sequence[People]
) -> list[str]:
    """Refuse recordings by what is enrolled already, and return what else that says against them.

    Parameters
    ----------
    verifier : Verifier
    name : str
        Whose recordings they are to be.
    heard : sequence of Heard
    own : pyarrow.Table
        What is enrolled under the name, in schema `avis.schema.enrolled_schema`.
    people : sequence of People
        Everybody who is enrolled; of the name, nothing counts.
    """
    known = [*zip(matrix(own["embedding"]), own["speech_s"].to_pylist(), strict=True)]
    there = set(own["sha256"].to_pylist()) - {""}
    for each in heard:
        if each.sound and each.sound.sha256 in there:
            each.refusals.append("is enrolled under that name already")
        elif each.sound and each.sound.sha256:
            there.add(each.sound.sha256)
    left = [(each, each.sound) for each in heard if each.sound]
    apart, doubtful = other_voices(verifier, [sound for _, sound in left], known)
    for at, why in apart.items():
        left[at][0].refusals.append(why)
    warnings = [f"{left[at][0].recording} may be of another voice than the others of {name}." for at in doubtful]
    sounds = [each.sound for each in heard if each.sound]
    if not sounds or not any(len(each.names) for each in people):
        return warnings
    ranking = rank(verifier, people, _together(verifier, sounds, known), without=name)
    if not ranking.uncapped:
        return warnings
    nearest = ranking.candidates[0].speaker
    if decide(ranking, verifier.parts.operating_point, verifier.bounds)[0] == "match":
        for each in heard:
            each.refusals.append(f"the voice is that of {nearest}, who is enrolled")
    elif verifier.decides and ranking.uncapped[0][0] >= verifier.threshold:
        warnings.append(f"{name} sounds like {nearest}, who is enrolled.")
    return warnings


Known = tuple[NDArray[np.float32], float]
"""Embedding and seconds of speech of a recording that is enrolled."""


def other_voices(
    verifier: Verifier, heard: Sequence[Voiceprint], known: Sequence[Known]
) -> tuple[dict[int, str], list[int]]:
    """Return which recordings are not of the voice of the others of their name, and why; and of which it is not sure.

    Each is compared with all others together, and of those that are surely of another voice the one that is least like
    them is left out, until there is none. Of two, where none is enrolled, it cannot be told which: both are left out.

    Parameters
    ----------
    verifier : Verifier
    heard : sequence of Voiceprint
        What is to be enrolled, each with an embedding.
    known : sequence of Known
        What is enrolled under the name.
    """
    left, why, doubtful = dict(enumerate(heard)), dict[int, str](), list[int]()
    while len(left) + len(known) > 1:
        apart, doubtful = [], []
        for number, each in left.items():
            others = [other for other in left.values() if other is not each]
            verdict = verifier.verify(_together(verifier, others, known), each)
            if verdict.outcome == "no_match" and verdict.llr is not None:
                apart.append((verdict.llr, number))
            elif verdict.outcome == "unsure" and verifier.decides:
                doubtful.append(number)
        if not apart:
            break
        both = len(left) == 2 and not known
        for llr, number in apart if both else [min(apart)]:
            of_what = "the other, and which is right cannot be told" if both else "the others of that name"
            why[number] = f"another voice than {of_what}: {times(-llr)} times more likely if two people spoke"
            del left[number]
    return why, [number for number in doubtful if number in left]


def _together(verifier: Verifier, heard: Sequence[Voiceprint], known: Sequence[Known]) -> Voiceprint:
    """Return what recordings come to together, as they do once they are enrolled."""
    both = [*known, *((each.embedding, each.speech_s) for each in heard if each.embedding is not None)]
    return verifier.voiceprint_of(np.stack([embedding for embedding, _ in both]), float(np.mean([s for _, s in both])))
