"""Read VoxCeleb1 or VoxCeleb2 in the layout of its archives."""

import re
from dataclasses import dataclass

import pyarrow as pa

from avis.audio.listing import list_audio
from avis.corpora.files import check_split, named, read_text, source, sources_table
from avis.location import absolute, exists, join, parent

LAYOUT = re.compile(r"(?P<speaker>id\d{5,})/(?P<video>[^/]+)/[^/]+")

ATTRIBUTES = ("gender", "nationality")

META = ("vox1_meta.csv", "vox2_meta.csv")
"""Their speakers have different ids."""


@dataclass(frozen=True, kw_only=True)
class VoxCeleb:
    """Files as ``id10270/x6uYqmx31kE/00001.wav``: speaker, video, segment. The session is the video.

    VoxCeleb2 comes as m4a and is read as it comes.

    Attributes
    ----------
    name : str
        Name of the corpus; begins every id.
    root : str
        Folder that holds the ``id...`` folders (``wav`` in VoxCeleb1, ``aac`` in VoxCeleb2).
    split : str
        ``train`` or ``test``.
    meta : str or None
        ``vox1_meta.csv`` or ``vox2_meta.csv`` (tab or comma separated), for the attributes ``gender`` and, where the
        file has it, ``nationality``; None takes those of `META` that lie in the root, the folder around it or the one
        around that (VoxCeleb2 has them two up: ``vox2_meta.csv`` beside ``dev/aac``), and does without if there are
        none.

    References
    ----------
    Nagrani, Chung, Xie, Zisserman: "VoxCeleb: Large-scale speaker verification in the wild", Computer Speech and
    Language 60, 2020. https://www.robots.ox.ac.uk/~vgg/data/voxceleb/
    """

    name: str
    root: str
    split: str
    meta: str | None

    def __post_init__(self) -> None:
        check_split(self.split, where=f"corpus {self.name}")

    def sources(self) -> pa.Table:
        """List the files as a table in schema `avis.schema.SOURCES`.

        Raises
        ------
        ValueError
            The root is missing or holds no audio, a file is off the layout, or the meta file lacks a speaker.
        """
        files = list_audio(self.root)
        matches = [(file, LAYOUT.fullmatch(file.relative)) for file in files]
        stray = [file.relative for file, match in matches if match is None]
        if stray:
            raise ValueError(
                f"files off the VoxCeleb layout: got num_files={len(stray)}, expected id10270/video/00001.wav below "
                f"root={self.root!r}. At {named(stray)}. Point the root at the folder that holds the id folders."
            )
        parts = [(file, match["speaker"], match["video"]) for file, match in matches if match is not None]
        attributes = self._attributes({speaker for _, speaker, _ in parts})
        return sources_table(
            source(
                file,
                corpus=self.name,
                split=self.split,
                speaker=speaker,
                session=video,
                attributes=attributes.get(speaker),
            )
            for file, speaker, video in parts
        )

    def _attributes(self, speakers: set[str]) -> dict[str, dict[str, str]]:
        if self.meta is None:
            return self._listed_attributes(speakers)
        attributes = read_meta(absolute(self.meta))
        missing = sorted(speakers - attributes.keys())
        if missing:
            raise ValueError(
                f"speakers without meta data: got num_speakers={len(missing)}, expected all of them in {self.meta}. "
                f"At {named(missing)}. Give the meta file of this corpus (vox1 and vox2 differ)."
            )
        return attributes

    def _listed_attributes(self, speakers: set[str]) -> dict[str, dict[str, str]]:
        root = absolute(self.root).rstrip("/")
        folders = (root, parent(root), parent(parent(root)))
        found = [path for folder in folders for name in META if exists(path := join(folder, name))]
        attributes: dict[str, dict[str, str]] = {}
        for path in reversed(found):  # the nearest counts
            about = read_meta(path)
            if speakers & about.keys():
                attributes |= about
                print(f"{self.name}: gender and nationality of {len(speakers & about.keys())} speakers as in {path}")
        if len(known := speakers & attributes.keys()) < len(speakers):
            print(f"{self.name}: gender unknown of {len(speakers) - len(known)} of {len(speakers)} speakers, see meta")
        return attributes


def read_meta(path: str) -> dict[str, dict[str, str]]:
    """Read gender and nationality, in lower-case keys, of each speaker of a VoxCeleb meta file."""
    text = read_text(path, expected="a VoxCeleb meta file")
    header, *lines = [line for line in text.split("\n") if line.strip()] or [""]
    delimiter = "\t" if "\t" in header else ","
    columns = [column.strip().lower() for column in header.split(delimiter)]
    if not columns[0].endswith(" id") or "gender" not in columns:
        raise ValueError(
            f"not a VoxCeleb meta file: got columns={columns}, expected '... ID' first and 'Gender'. At {path}. "
            "Give vox1_meta.csv or vox2_meta.csv."
        )
    attributes = {}
    for line in lines:
        row = dict(zip(columns, (value.strip() for value in line.split(delimiter)), strict=False))
        attributes[row[columns[0]]] = {key: row[key] for key in ATTRIBUTES if row.get(key)}
    return attributes
