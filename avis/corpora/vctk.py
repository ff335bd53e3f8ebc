"""Read the CSTR VCTK corpus in the layout of its archives."""

import re
from dataclasses import dataclass

import pyarrow as pa

from avis.audio.listing import existing_root, list_audio
from avis.corpora.files import NO_SESSION, check_split, named, read_text, source, sources_table
from avis.location import exists, join

AUDIO_FOLDERS = ("wav48_silence_trimmed", "wav48")
"""Of version 0.92 and of 0.80."""

LAYOUT = re.compile(r"(?P<speaker>[ps]\d+)/(?P=speaker)_\d+(?:_(?P<microphone>mic[12]))?\.[^/.]+")

ONLY_MICROPHONE = "mic1"
"""Of version 0.80, whose file names tell none: the microphone that 0.92 calls so, a DPA 4035."""


@dataclass(frozen=True, kw_only=True)
class Vctk:
    """Files as ``wav48_silence_trimmed/p225/p225_001_mic1.flac``: speaker, sentence, microphone.

    Both microphones heard the same: with the two of them every sentence is there twice, so that no test by trials
    between them means much. VCTK has no sessions, so all files of a speaker are one
    (`avis.corpora.files.NO_SESSION`). Attributes are ``microphone``, ``language`` and, for speakers in
    ``speaker-info.txt``, ``age``, ``gender`` (``f`` or ``m``) and ``accent``.

    Attributes
    ----------
    name : str
        Name of the corpus; begins every id. ``utt_id`` is ``<name>/p225/p225_001_mic1``.
    root : str
        Folder that holds ``speaker-info.txt`` and the folder of the audio.
    split : str
        ``train`` or ``test``; VCTK defines none.
    microphones : list of str
        Which to take: ``mic1`` (omni-directional, DPA 4035), ``mic2`` (Sennheiser MKH 800; not there for p280 and
        p315). Version 0.80 has ``mic1`` alone.

    References
    ----------
    Yamagishi, Veaux, MacDonald: "CSTR VCTK Corpus: English multi-speaker corpus for CSTR voice cloning toolkit"
    (version 0.92), 2019. https://datashare.ed.ac.uk/handle/10283/3443. The layout is as torchaudio's ``VCTK_092`` and
    Lhotse's ``recipes/vctk.py`` read it.
    """

    name: str
    root: str
    split: str
    microphones: list[str]

    def __post_init__(self) -> None:
        check_split(self.split, where=f"corpus {self.name}")
        if not self.microphones or not set(self.microphones) <= {"mic1", "mic2"}:
            raise ValueError(
                f"unknown microphones: got microphones={self.microphones}, expected mic1, mic2 or both. "
                f"At corpus {self.name}. Correct them."
            )

    def sources(self) -> pa.Table:
        """List the files as a table in schema `avis.schema.SOURCES`.

        Raises
        ------
        ValueError
            The root or the speakers' list is missing, or a file is off the layout.
        """
        root = existing_root(self.root)
        found = [folder for folder in AUDIO_FOLDERS if exists(join(root, folder))]
        folder = join(root, found[0] if found else AUDIO_FOLDERS[0])
        matches = [(file, LAYOUT.fullmatch(file.relative)) for file in list_audio(folder)]
        stray = [file.relative for file, match in matches if match is None]
        if stray:
            raise ValueError(
                f"files off the VCTK layout: got num_files={len(stray)}, expected p225/p225_001_mic1.flac below "
                f"{folder}. At {named(stray)}. Point the root at the folder that holds {AUDIO_FOLDERS[0]}."
            )
        speakers = read_speaker_info(join(root, "speaker-info.txt"))
        rows = []
        for file, match in matches:
            assert match is not None, "strays were refused"
            microphone = match["microphone"] or ONLY_MICROPHONE
            if microphone in self.microphones:
                about = {"microphone": microphone, "language": "en"} | speakers.get(match["speaker"], {})
                rows.append(
                    source(
                        file,
                        corpus=self.name,
                        split=self.split,
                        speaker=match["speaker"],
                        session=NO_SESSION,
                        attributes=about,
                    )
                )
        return sources_table(rows)


def read_speaker_info(path: str) -> dict[str, dict[str, str]]:
    """Read age, gender and accent of each speaker: lines of ``p225  23  F    English    Southern  England``.

    Version 0.80 leaves the ``p`` away. What follows the accent is free text and not read.

    Raises
    ------
    ValueError
        The file is missing, or no such list.
    """
    text = read_text(path, expected="speaker-info.txt")
    header, *lines = [line.split() for line in text.split("\n") if line.strip()] or [[]]
    if header[:4] != ["ID", "AGE", "GENDER", "ACCENTS"] or any(len(line) < 4 for line in lines):
        raise ValueError(
            f"not VCTK's list of speakers: got header={header}, expected ID AGE GENDER ACCENTS and a value for each. "
            f"At {path}. Fetch it again."
        )
    return {
        f"p{speaker}" if speaker.isdigit() else speaker: {"age": age, "gender": gender.lower(), "accent": accent}
        for speaker, age, gender, accent, *_ in lines
    }
