"""Tell room impulse responses from noises in a collection of both, as RIRS_NOISES (OpenSLR 28) is."""

import functools
import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Literal, get_args

from avis.audio.listing import AudioFile, existing_root, list_audio
from avis.location import exists, join, read_bytes, split_query, stem

Kind = Literal["rir", "noise"]
KINDS: tuple[Kind, ...] = get_args(Kind)

PATHS = {
    "rir": re.compile(r"/simulated_rirs/|/(RVB2014|RWCP)_type\d+_rir_[^/]*$|/air_type\d+_air_[^/]*$"),
    "noise": re.compile(
        r"/pointsource_noises/|/(RVB2014|RWCP)_type\d+_noise_[^/]*$|/noise-(free-sound|sound-bible)-\d+[^/]*$"
    ),
}
"""What paths say of either kind in RIRS_NOISES."""


def list_kind(root: str, kind: Kind) -> list[AudioFile]:
    """List the room responses, or the noises, below a folder, by `avis.audio.listing.list_audio`.

    What a file is, the nearest of Kaldi's lists in its folder or above says: ``rir_list`` and ``noise_list``, whose
    lines end with a path; of a folder with a list, what the list leaves out is not of that kind. Without one, the path
    says it, as RIRS_NOISES writes paths. Any other file counts as what is asked for, so that a folder of one kind needs
    neither.

    Raises
    ------
    ValueError
        There is no such folder, no audio in it, or none of this kind.
    OSError
        A folder below the root, or a list, cannot be read.

    References
    ----------
    Kaldi, ``egs/aspire/s5/local/multi_condition/aspire_prep_rir_noise_list.py``; https://www.openslr.org/28
    """
    files = list_audio(root)
    lists = functools.cache(functools.partial(_lists, existing_root(root)))
    chosen = [file for file in files if _is_kind(file, kind, lists)]
    if not chosen:
        raise ValueError(
            f"no {kind} found: got num_files=0 of {len(files)} audio files, expected files that {kind}_list names or, "
            f"without lists, that are not by their paths of the other kind. At {root}. Correct the root."
        )
    return chosen


def _is_kind(file: AudioFile, kind: Kind, lists: Callable[[str], dict[Kind, set[str]]]) -> bool:
    name = stem(file.relative)
    for folder in _upwards(file.relative):
        found = lists(folder)
        if any(name in names for names in found.values()):
            return name in found.get(kind, ())
        if kind in found:
            return False
    path = split_query(file.path)[0]
    return not any(PATHS[other].search(path) for other in KINDS if other != kind)


def _upwards(relative: str) -> Iterator[str]:
    """Yield the folders of a file, from its own to the root, which is empty."""
    folder = posixpath.dirname(relative)
    while folder:
        yield folder
        folder = posixpath.dirname(folder)
    yield ""


def _lists(root: str, folder: str) -> dict[Kind, set[str]]:
    """Return the names, without suffix, of the files that the lists in a folder hold, by kind; of no list, nothing."""
    paths = {kind: join(root, folder, f"{kind}_list") for kind in KINDS}
    return {
        kind: {
            stem(line.split()[-1]) for line in read_bytes(path).decode(errors="replace").splitlines() if line.split()
        }
        for kind, path in paths.items()
        if exists(path)
    }
