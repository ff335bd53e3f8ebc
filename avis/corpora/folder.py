"""Read a corpus whose folders are its speakers: the layout of most own data."""

from dataclasses import dataclass

import pyarrow as pa

from avis.audio.listing import AudioFile, list_audio
from avis.corpora.files import NO_SESSION, check_split, named, source, sources_table


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Files as ``speaker/session/.../file`` or ``speaker/file``.

    The first folder is the speaker and the second the session; folders below belong to the file's id only. Files
    directly in the speaker's folder share one session (`avis.corpora.files.NO_SESSION`), since nothing tells whether
    they were recorded apart.

    Attributes
    ----------
    name : str
        Name of the corpus; begins every id.
    root : str
        Folder that holds the speakers' folders, local or a URI.
    split : str
        ``train`` or ``test``.
    """

    name: str
    root: str
    split: str

    def __post_init__(self) -> None:
        check_split(self.split, where=f"corpus {self.name}")

    def sources(self) -> pa.Table:
        """List the files as a table in schema `avis.schema.SOURCES`.

        Raises
        ------
        ValueError
            The root is missing or holds no audio, or a file lies beside the speakers' folders.
        """
        files = list_audio(self.root)
        stray = [file.relative for file in files if "/" not in file.relative]
        if stray:
            raise ValueError(
                f"audio outside a speaker's folder: got num_files={len(stray)}, expected speaker/file or "
                f"speaker/session/file below root={self.root!r}. At {named(stray)}. Move them, correct the root, or "
                "take corpus=unlabelled where nobody knows who speaks."
            )
        return sources_table(self._source(file) for file in files)

    def _source(self, file: AudioFile) -> dict[str, object]:
        speaker, *deeper = file.relative.split("/")[:-1]
        session = deeper[0] if deeper else NO_SESSION
        return source(file, corpus=self.name, split=self.split, speaker=speaker, session=session)
