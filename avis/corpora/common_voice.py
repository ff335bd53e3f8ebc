"""Read a language of Mozilla Common Voice as it is released."""

import posixpath
from dataclasses import dataclass

import pyarrow as pa

from avis.audio.listing import existing_root
from avis.corpora.files import NO_SESSION, check_split, read_text, source, sources_table
from avis.corpora.manifest import check_inside, look_up
from avis.location import join

ATTRIBUTES = {"gender": "gender", "age": "age", "accent": "accents", "accents": "accents", "locale": "language"}
"""Columns, and the attributes that they become; earlier releases write ``accent``."""

SUFFIX = ".mp3"
"""Of all clips; the lists of the first releases leave it away."""


@dataclass(frozen=True, kw_only=True)
class CommonVoice:
    """Clips listed in a TSV file beside the folder ``clips``.

    The speaker is the full ``client_id`` (a hash of browser and account: one person may have several, and several
    people may share one). Common Voice has no sessions, so all clips of a speaker are one session
    (`avis.corpora.files.NO_SESSION`). Clips that are listed but not on disk become rows of size -1, which `prepare`
    rejects as unreadable. Columns other than speaker, clip and those of `ATTRIBUTES` are left behind;
    ``gender`` is ``f``, ``m`` or what else the speaker says.

    Attributes
    ----------
    name : str
        Name of the corpus; begins every id. ``utt_id`` is ``<name>/<clip without suffix>``.
    root : str
        Folder of one language, with ``clips`` in it.
    tsv : str
        Which list in that folder, such as ``validated.tsv``.
    split : str
        ``train`` or ``test``.

    References
    ----------
    Ardila et al.: "Common Voice: A Massively-Multilingual Speech Corpus", LREC 2020. https://arxiv.org/abs/1912.06670
    """

    name: str
    root: str
    tsv: str
    split: str

    def __post_init__(self) -> None:
        check_split(self.split, where=f"corpus {self.name}")

    def sources(self) -> pa.Table:
        """List the clips as a table in schema `avis.schema.SOURCES`.

        Raises
        ------
        ValueError
            The root or the list is missing, the list is empty, a line of it does not fit its header, or one leads out
            of the folder ``clips``.
        """
        root = existing_root(self.root)
        clips = read_tsv(join(root, self.tsv))
        listed = [row["path"] if posixpath.splitext(row["path"])[1] else row["path"] + SUFFIX for row in clips]
        clips_root = join(root, "clips")
        check_inside(listed, root=clips_root, where=join(root, self.tsv), advice="Fetch the corpus again.")
        files = look_up(listed, root=clips_root)
        rows = []
        for row, file in zip(clips, files, strict=True):
            attributes = {name: row[key] for key, name in ATTRIBUTES.items() if row.get(key)}
            rows.append(
                source(
                    file,
                    corpus=self.name,
                    split=self.split,
                    speaker=row["client_id"],
                    session=NO_SESSION,
                    attributes=attributes,
                )
            )
        return sources_table(rows)


def read_tsv(path: str) -> list[dict[str, str]]:
    """Read a Common Voice list: tab-separated, and quotation marks are part of the sentences, never quotes."""
    text = read_text(path, expected="a Common Voice list").removesuffix("\n")
    header, *lines = [line.rstrip("\r").split("\t") for line in text.split("\n")]
    if "client_id" not in header or "path" not in header:
        raise ValueError(
            f"not a Common Voice list: got columns={header}, expected client_id and path among them. At {path}. "
            "Give validated.tsv or another list of the release."
        )
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise ValueError(
                f"line does not fit its header: got num_fields={len(line)}, expected {len(header)}. "
                f"At {path} line {number}. Correct the line or fetch the list again."
            )
    if not lines:
        raise ValueError(f"empty list: got num_clips=0, expected at least one. At {path}. Choose another list.")
    return [dict(zip(header, line, strict=True)) for line in lines]
