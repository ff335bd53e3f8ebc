"""Read MUSAN, the corpus of music, speech and noise that augmentation draws from."""

import os
from dataclasses import dataclass

import pyarrow as pa

from avis.audio.listing import existing_root, list_audio
from avis.corpora.files import NO_SESSION, check_split, named, source, sources_table
from avis.location import join

KINDS = ("music", "noise", "speech")


@dataclass(frozen=True, kw_only=True)
class Musan:
    """Files as ``noise/free-sound/noise-free-sound-0000.wav``: kind, origin, file.

    Who speaks in a file of speech, nothing tells, and in noise nobody does: a file is a "speaker" of its own, in one
    session (`avis.corpora.files.NO_SESSION`). Attributes are ``kind`` and ``origin``. A store of one kind is a bank
    for augmentation (`avis.augment.bank.load_bank`).

    Attributes
    ----------
    name : str
        Name of the corpus; begins every id. ``utt_id`` is ``<name>/noise/free-sound/noise-free-sound-0000``.
    root : str
        Folder that holds the kinds' folders.
    split : str
        ``train`` or ``test``; MUSAN defines none, and ``test`` holds no validation speakers out.
    kinds : list of str
        Which to take: ``music`` (660 files), ``noise`` (930), ``speech`` (426).

    References
    ----------
    D. Snyder, G. Chen, D. Povey, "MUSAN: a music, speech, and noise corpus", 2015; https://arxiv.org/abs/1510.08484
    """

    name: str
    root: str
    split: str
    kinds: list[str]

    def __post_init__(self) -> None:
        check_split(self.split, where=f"corpus {self.name}")
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise ValueError(
                f"unknown kinds: got kinds={self.kinds}, expected some of {', '.join(KINDS)}. At corpus {self.name}. "
                "Correct them."
            )

    def sources(self) -> pa.Table:
        """List the files as a table in schema `avis.schema.SOURCES`.

        Raises
        ------
        ValueError
            A kind's folder is missing or holds no audio, or a file lies outside a folder of its origin.
        """
        root, rows = existing_root(self.root), []
        for kind in sorted(set(self.kinds)):
            folder = join(root, kind)
            files = list_audio(folder)
            stray = [file.relative for file in files if file.relative.count("/") != 1]
            if stray:
                raise ValueError(
                    f"files off the MUSAN layout: got num_files={len(stray)}, expected <origin>/<file> below "
                    f"{folder}. At {named(stray)}. Point the root at the folder that holds {', '.join(KINDS)}."
                )
            for file in files:
                origin = file.relative.split("/")[0]
                stem = f"{kind}/{os.path.splitext(file.relative)[0]}"
                about = {"kind": kind, "origin": origin}
                rows.append(
                    source(
                        file,
                        corpus=self.name,
                        split=self.split,
                        speaker=stem,
                        session=NO_SESSION,
                        utt_id=stem,
                        attributes=about,
                    )
                )
        return sources_table(rows)
