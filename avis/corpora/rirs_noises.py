"""Read RIRS_NOISES, the room responses and noises that augmentation draws from."""

from dataclasses import dataclass

import pyarrow as pa

from avis.audio.room_responses import KINDS, Kind, list_kind
from avis.corpora.files import NO_SESSION, check_split, source, sources_table, without_suffix
from avis.corpora.segment import Segment


@dataclass(frozen=True, kw_only=True)
class RirsNoises:
    """Files as ``simulated_rirs/smallroom/Room001/Room001-00001.wav``, told apart by `avis.audio.room_responses`.

    Nobody speaks: a file is a "speaker" of its own, in one session (`avis.corpora.files.NO_SESSION`). Of an array's
    channels it is the first, whatever ``sharding.channel`` is: the mean of several is a comb filter. The attribute is
    ``kind``. A store is a bank for augmentation (`avis.augment.bank.load_bank`).

    Attributes
    ----------
    name : str
        Name of the corpus; begins every id, before the path below the root.
    root : str
        Folder that holds the collection, a part of it, or other responses or noises.
    split : str
        ``train`` or ``test``; there is none, and ``test`` holds no validation speakers out.
    kinds : list of Kind
        Which to take: ``rir`` (60,000 simulated responses and 325 measured), ``noise`` (843 of a point, 92 of arrays).

    References
    ----------
    T. Ko et al., "A study on data augmentation of reverberant speech for robust speech recognition", ICASSP 2017;
    https://www.openslr.org/28
    """

    name: str
    root: str
    split: str
    kinds: list[Kind]

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
            The root is missing, or holds no file of a kind.
        """
        rows = []
        for kind in sorted(set(self.kinds)):
            for file in list_kind(self.root, kind):
                name = without_suffix(file.relative)
                rows.append(
                    source(
                        file,
                        corpus=self.name,
                        split=self.split,
                        speaker=name,
                        session=NO_SESSION,
                        utt_id=name,
                        attributes={"kind": kind},
                        segment=Segment(channel=1),
                    )
                )
        return sources_table(rows)
