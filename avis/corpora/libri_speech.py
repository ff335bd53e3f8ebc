"""Read LibriSpeech in the layout of its archives."""

import os
import re
from dataclasses import dataclass

import pyarrow as pa

from avis.audio.listing import existing_root, list_audio
from avis.corpora.files import named, read_text, source, sources_table
from avis.location import join

LAYOUT = re.compile(r"(?P<speaker>\d+)/(?P<chapter>\d+)/\d+-\d+-\d+\.[^/.]+")


@dataclass(frozen=True, kw_only=True)
class LibriSpeech:
    """Files as ``train-clean-100/19/198/19-198-0001.flac``: subset, speaker, chapter, utterance.

    The session is the chapter: one sitting, most of the time. The subsets named ``train-...`` are for training, the
    others for testing; their speakers are disjoint. ``utt_id`` is ``<name>/19-198-0001``, as in Kaldi's and
    VoicePrivacy's trial lists. Attributes are ``gender`` (``f`` or ``m``, by SPEAKERS.TXT), ``subset`` and
    ``language``.

    Attributes
    ----------
    name : str
        Name of the corpus; begins every id.
    root : str
        Folder ``LibriSpeech``, which holds the subsets and ``SPEAKERS.TXT``.
    subsets : list of str
        Which of them to take. Folders of that layout besides the published ones, such as ``train-clean-5`` of Mini
        LibriSpeech, will do.

    References
    ----------
    Panayotov, Chen, Povey, Khudanpur: "LibriSpeech: an ASR corpus based on public domain audio books", ICASSP 2015.
    https://www.openslr.org/12. The layout is as Lhotse's ``recipes/librispeech.py`` reads it.
    """

    name: str
    root: str
    subsets: list[str]

    def __post_init__(self) -> None:
        if not self.subsets or len(set(self.subsets)) < len(self.subsets):
            raise ValueError(
                f"subsets must be named once each: got subsets={self.subsets}, expected train-clean-100 or others. "
                f"At corpus {self.name}. Correct them."
            )

    def sources(self) -> pa.Table:
        """List the files as a table in schema `avis.schema.SOURCES`.

        Raises
        ------
        ValueError
            The root or a subset is missing, a file is off the layout, or SPEAKERS.TXT lacks a speaker.
        """
        root = existing_root(self.root)
        genders = read_speakers(join(root, "SPEAKERS.TXT"))
        rows = []
        for subset in self.subsets:
            files = list_audio(join(root, subset))
            matches = [(file, LAYOUT.fullmatch(file.relative)) for file in files]
            stray = [file.relative for file, match in matches if match is None or match["speaker"] not in genders]
            if stray:
                raise ValueError(
                    f"files off the LibriSpeech layout: got num_files={len(stray)}, expected 19/198/19-198-0001.flac "
                    f"of a speaker in SPEAKERS.TXT. At {subset}/{named(stray)}. Fetch the subset again."
                )
            rows += [
                source(
                    file,
                    corpus=self.name,
                    split="train" if subset.startswith("train") else "test",
                    speaker=match["speaker"],
                    session=match["chapter"],
                    utt_id=os.path.splitext(os.path.basename(file.relative))[0],
                    attributes={"gender": genders[match["speaker"]], "subset": subset, "language": "en"},
                )
                for file, match in matches
                if match is not None
            ]
        return sources_table(rows)


def read_speakers(path: str) -> dict[str, str]:
    """Read the gender of each speaker (``f`` or ``m``) from lines of ``19 | F | subset | minutes | name``.

    Raises
    ------
    ValueError
        The file is missing, or no such list.
    """
    lines = read_text(path, expected="SPEAKERS.TXT of the folder LibriSpeech").split("\n")
    fields = [line.split("|") for line in lines if line.strip() and not line.startswith(";")]
    if not fields or any(len(line) < 5 or line[1].strip() not in ("F", "M") for line in fields):
        raise ValueError(
            "not LibriSpeech's list of speakers: got a line without an id and F or M, expected "
            f"'19 | F | train-clean-100 | 25.19 | name'. At {path}. Fetch it again."
        )
    return {line[0].strip(): line[1].strip().lower() for line in fields}
