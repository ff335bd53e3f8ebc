"""Recognise published trial lists, so that a result says which one it was measured on.

References
----------
VoxCeleb1: https://www.robots.ox.ac.uk/~vgg/data/voxceleb/, files ``veri_test.txt``, ``veri_test2.txt`` (O, cleaned),
``list_test_all.txt``, ``list_test_all2.txt`` (E, cleaned), ``list_test_hard.txt`` and ``list_test_hard2.txt`` (H,
cleaned). MD5 sums as PaddleSpeech checks its downloads (``dataset/voxceleb/voxceleb1.py``); Kiwano has the same for O
and the cleaned lists. Counts: PaddleSpeech, ``examples/voxceleb/README.md``. CN-Celeb.E is ``eval/lists/trials.lst``;
no checksum of it is published. CNC-Eval-Avg (means over the files of ``enroll.map``) and CNC-Eval-Concat (the joined
files of ``eval/enroll``) are WeSpeaker's names of its two ways to enrol, ``examples/cnceleb/v2/local/prepare_data.sh``.
"""

from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc


class KnownList(NamedTuple):
    """A published list: the MD5 of its file, where one is published, and how many trials of each kind it has.

    ``models`` is True for a list whose enrolments are models of several utterances.
    """

    name: str
    md5: str | None
    num_target: int
    num_nontarget: int
    models: bool = False


KNOWN_LISTS = (
    KnownList("VoxCeleb1-O", "29fc7cc1c5d59f0816dc15d6e8be60f7", 18_860, 18_860),
    KnownList("VoxCeleb1-O (cleaned)", "b73110731c9223c1461fe49cb48dddfc", 18_802, 18_809),
    KnownList("VoxCeleb1-E", "b9ecf7aa49d4b656aa927a8092844e4a", 290_743, 290_737),
    KnownList("VoxCeleb1-E (cleaned)", "a53e059deb562ffcfc092bf5d90d9f3a", 289_921, 289_897),
    KnownList("VoxCeleb1-H", "21c341b6b2168eea2634df0fb4b8fff1", 276_270, 276_266),
    KnownList("VoxCeleb1-H (cleaned)", "857790e09d579a68eb2e339a090343c8", 275_488, 275_406),
    KnownList("CN-Celeb.E, CNC-Eval-Avg", None, 17_755, 3_466_537, models=True),
    KnownList("CN-Celeb.E, CNC-Eval-Concat", None, 17_755, 3_466_537),
)


class Recognition(NamedTuple):
    """The published list that a file is, or looks like.

    ``certainty`` is ``"checksum"`` if the file is that list byte by byte, ``"counts"`` if it only has as many targets
    and non-targets (the list in another format, or in other ids), None if the list is unknown.
    """

    name: str | None
    certainty: Literal["checksum", "counts"] | None


def recognise(trials: pa.Table, *, md5: str | None, models: bool = False) -> Recognition:
    """Tell which published list this is.

    Parameters
    ----------
    trials : pyarrow.Table
        The list as `avis.scoring.trials.read_trials` returns it.
    md5 : str or None
        Hexadecimal MD5 of the list's file; None if it is not from a file.
    models : bool
        Whether its enrolments are models of several utterances.

    Examples
    --------
    >>> trials = pa.table({"target": [True] * 18_802 + [False] * 18_809})
    >>> recognise(trials, md5=None)
    Recognition(name='VoxCeleb1-O (cleaned)', certainty='counts')
    """
    num_target = pc.sum(trials["target"]).as_py() or 0
    counts = (num_target, len(trials) - trials["target"].null_count - num_target)
    alike = [known for known in KNOWN_LISTS if known.models == models]
    for known in alike:
        if md5 is not None and md5 == known.md5:
            return Recognition(known.name, "checksum")
    for known in alike:
        if counts == (known.num_target, known.num_nontarget):
            return Recognition(known.name, "counts")
    return Recognition(None, None)
