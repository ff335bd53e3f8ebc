"""Pairs of recordings to learn captions from: their records, made of what was embedded and measured once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avis.explain.acoustics import compared
from avis.explain.caption.captioner import true_text
from avis.explain.explain import explain
from avis.verifier.embedder import Voiceprint
from avis.verifier.verifier import Verifier


@dataclass(frozen=True, kw_only=True, eq=False)
class Recorded:
    """A recording, embedded and measured.

    Attributes
    ----------
    speaker : str
    voiceprint : Voiceprint
        With embedding.
    acoustics : mapping
        See `avis.acoustics.measure.measure`.
    """

    speaker: str
    voiceprint: Voiceprint
    acoustics: Mapping[str, float | None]


def draw_pairs(speakers: Sequence[str], num: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw pairs of recordings, in turn of one speaker and of two, all speakers equally often: places ``[num, 2]``.

    Parameters
    ----------
    speakers : sequence of str
        Of the recordings; two at least, one of them with two recordings.
    num : int
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        If there are too few.
    """
    names, number = np.unique(np.asarray(speakers), return_inverse=True)
    own = [np.flatnonzero(number == each) for each in range(len(names))]
    several = [places for places in own if len(places) > 1]
    if len(own) < 2 or not several:
        raise ValueError(
            f"speakers to pair: got {len(own)}, {len(several)} of them with two recordings or more, expected two, one "
            "with two recordings. At the store's speakers. Take a run on more of them."
        )
    pairs = np.empty((num, 2), np.int64)
    for place in range(num):
        if place % 2 == 0:
            pairs[place] = rng.choice(several[rng.integers(len(several))], 2, replace=False)
        else:
            pairs[place] = [rng.choice(own[each]) for each in rng.choice(len(own), 2, replace=False)]
    return pairs


def draw_others(speakers: Sequence[str], places: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw for each of some recordings one of another speaker: places ``[recordings]``."""
    names = np.asarray(speakers)
    return np.array([rng.choice(np.flatnonzero(names != names[place])) for place in places], np.int64)


def embeddings(recorded: Sequence[Recorded], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the embeddings of pairs: float32 ``[pairs, 2, dim]``."""
    return np.array([each.voiceprint.embedding for each in recorded], np.float32)[pairs]


def truth_of(verifier: Verifier, enroll: Recorded, test: Recorded) -> str:
    """Return what is true of a pair of what a captioner may say: `explain`'s record, with what was measured before."""
    record = explain(verifier, enroll.voiceprint, test.voiceprint, checks=False)
    population = verifier.voices.acoustics if verifier.voices else None
    heard = compared(population, enroll.acoustics, test.acoustics)
    return true_text(record.model_copy(update={"acoustics": heard}))
