"""One side of a trial: a recording, or several of one person."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from avis.explain.heard import Heard, hear
from avis.explain.record import SideName
from avis.verifier.embedder import Embedder, Source, Voiceprint

Given = Source | Voiceprint
"""A recording, or what a model made of it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One side of a trial.

    Attributes
    ----------
    name : str
    given : list of Heard or Voiceprint
        All its recordings, in the order given.
    names : list of str
        Their paths, as far as they can be spelled; empty where there is none.
    heard : list of Heard
        Those that it is made of: none where any of them is a voiceprint alone.
    voiceprint : Voiceprint
        Of the whole side; without embedding where nobody speaks.
    """

    name: SideName
    given: list[Heard | Voiceprint]
    names: list[str]
    heard: list[Heard]
    voiceprint: Voiceprint

    @property
    def numbers(self) -> list[int]:
        """Which of the recordings given those of `heard` are, from 0."""
        return [self.given.index(each) for each in self.heard]

    @property
    def divisible(self) -> bool:
        """Whether the embedding can be taken apart."""
        return bool(self.heard) and all(len(each.of_frames) for each in self.heard)

    @property
    def embedding(self) -> NDArray[np.float64]:
        """The side's embedding ``[dim]``: the mean of its recordings'."""
        if self.heard:
            return np.mean([each.embedding for each in self.heard], axis=0)
        assert self.voiceprint.embedding is not None, "what is explained was heard"
        return self.voiceprint.embedding.astype(np.float64)

    @property
    def spoken(self) -> str:
        """What it is called in a part's name."""
        return "enrolment" if self.name == "enroll" else "test"


def side_of(embedder: Embedder, name: SideName, given: Given | Sequence[Given]) -> Side:
    """Hear one recording or a list of them; raises what `Embedder.embed` does."""
    several: Sequence[Given] = given if isinstance(given, list) else [cast(Given, given)]
    names = [_name(each) for each in several]
    if not several:
        raise ValueError(f"no recording: got an empty list, expected one or more. At {name}. Give some.")
    recordings = [hear(embedder, each) for each in several]
    heard = [each for each in recordings if isinstance(each, Heard)]
    voiceprints = [each.voiceprint if isinstance(each, Heard) else each for each in recordings]
    voices = [(each.embedding, each.speech_s) for each in voiceprints if each.embedding is not None]
    if len(recordings) == 1 or not voices:
        return Side(name=name, given=recordings, names=names, heard=heard, voiceprint=voiceprints[0])
    embeddings, speech_s = zip(*voices, strict=True)
    voiceprint = embedder.voiceprint_of(np.stack(embeddings), float(np.mean(speech_s)))
    told = heard if len(heard) == len(voices) else []
    return Side(name=name, given=recordings, names=names, heard=told, voiceprint=voiceprint)


def _name(given: Given) -> str:
    r"""Return the path of a recording, with escapes for what is no text or cannot be printed.

    >>> _name(b"/voices/\xff\x1b.wav".decode("utf-8", "surrogateescape"))
    '/voices/\\xff\\x1b.wav'
    """
    if not isinstance(given, str | os.PathLike):
        return ""
    spelled = os.fsencode(given).decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in spelled)
