"""List recordings of which nobody knows who speaks."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from avis.audio.listing import AUDIO_SUFFIXES, AudioFile, list_audio
from avis.corpora.files import read_text, source, sources_table
from avis.corpora.kaldi import read_paths
from avis.corpora.manifest import Manifest, look_up
from avis.location import absolute, exists, is_folder, parent, split_query

TABLES = (".csv", ".jsonl", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """Recordings in a folder, as deep as they lie, or in a list, without speakers. They are of the split ``test``.

    ``utt_id`` is ``<name>/<path below the folder, without suffix>``, or what a list calls it. What a list names and is
    not there becomes a row of size -1, which `prepare` rejects as unreadable.

    Attributes
    ----------
    name : str
        Name of the corpus; begins every id.
    audio : str or None
        A folder; an audio file; Kaldi's ``wav.scp`` (any name that ends in ``.scp``); a table as
        `avis.corpora.manifest.Manifest` takes it, in which only ``path`` is needed; or a text with a path per line. All
        may be URIs.
    root : str or None
        What relative paths of a list are relative to; None for the folder of the list.
    """

    name: str
    audio: str | None
    root: str | None

    def sources(self) -> pa.Table:
        """List the recordings as a table in schema `avis.schema.SOURCES`.

        Raises
        ------
        ValueError
            There is nothing at ``audio``, or no recording, or a list is malformed.
        """
        audio = absolute(self.audio) if self.audio else ""
        if not audio or not exists(audio):
            raise ValueError(
                f"no audio: got audio={self.audio}, expected a folder or a list that is there. At corpus {self.name}. "
                "Give audio=<folder | file | list of paths | wav.scp | table>."
            )
        suffix = split_query(audio)[0].lower()
        if not is_folder(audio) and suffix.endswith(TABLES):
            return _Table(name=self.name, path=audio, root=self.root, split="test").sources()
        return sources_table((self._source(utt_id, file) for utt_id, file in self._files(audio)), may_be_unknown=True)

    def _files(self, audio: str) -> list[tuple[str | None, AudioFile]]:
        """Return the files, each with the id that a list gives it."""
        if is_folder(audio):
            return [(None, file) for file in list_audio(audio)]
        path, root = split_query(audio)[0].lower(), absolute(self.root or parent(audio))
        if path.endswith(AUDIO_SUFFIXES):
            return [(None, file) for file in look_up([audio], root=root)]
        if path.endswith(".scp"):
            listed = read_paths(audio)
            return list(zip(listed, look_up(list(listed.values()), root=root), strict=True))
        lines = [line.strip() for line in read_text(audio, expected="a list of audio files").splitlines()]
        if not any(lines):
            raise ValueError(f"empty list: got no line, expected a path in each. At {audio}. Write the list again.")
        return [(None, file) for file in look_up([line for line in lines if line], root=root)]

    def _source(self, utt_id: str | None, file: AudioFile) -> dict[str, object]:
        return source(file, corpus=self.name, split="test", speaker="", session="", utt_id=utt_id)


class _Table(Manifest):
    required: ClassVar[tuple[str, ...]] = ("path",)
    may_be_unknown: ClassVar[bool] = True
