"""Trials of one's own recordings: who is compared with whom, and what is left out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.corpora.files import named
from avis.verifier.own_voices.recording import OwnRecording
from avis.verifier.verifier import Verifier

MOST_RECORDINGS = 2000
"""Of which there are two million pairs."""


class Kept(NamedTuple):
    """Recordings that are compared, by person.

    Attributes
    ----------
    people : list of str
        In the order of their names.
    recordings : list of OwnRecording
    person : int64 [recordings]
        Number of the person of each.
    notes : list of str
        What was left out, in sentences.
    """

    people: list[str]
    recordings: list[OwnRecording]
    person: NDArray[np.int64]
    notes: list[str]


class Pairs(NamedTuple):
    """Pairs of recordings, each once, by their numbers.

    Attributes
    ----------
    enroll, test : int64 [trials]
    speakers : int64 [trials, 2]
        Numbers of the people.
    """

    enroll: NDArray[np.int64]
    test: NDArray[np.int64]
    speakers: NDArray[np.int64]

    def take(self, rows: NDArray) -> "Pairs":
        """Return the chosen pairs alone."""
        return Pairs(self.enroll[rows], self.test[rows], self.speakers[rows])

    @property
    def target(self) -> NDArray[np.bool_]:
        """Whether one person speaks in both: bool ``[trials]``."""
        return self.speakers[:, 0] == self.speakers[:, 1]


def sort_out(verifier: Verifier, voices: Mapping[str, Sequence[OwnRecording]]) -> Kept:
    """Return the recordings in an order of their own, without those in which nobody is heard and without copies.

    Raises
    ------
    ValueError
        If a voiceprint is of another model, one recording is of two people, or there are more than `MOST_RECORDINGS`.
    """
    kept: dict[str, tuple[str, OwnRecording]] = {}
    notes = []
    for person in sorted(voices):
        for each in sorted(voices[person], key=lambda each: (each.session, each.voiceprint.sha256, each.name)):
            made = verifier.embed(each.voiceprint)
            if made.embedding is None:
                notes.append(f"Left out: {each.name}, in which too little is heard ({made.unheard}).")
                continue
            if made.sha256 not in kept:
                kept[made.sha256] = person, each
                continue
            other, first = kept[made.sha256]
            if other != person:
                raise ValueError(
                    f"one recording of two people: got the same samples for {other} and {person}, expected each once. "
                    f"At {first.name} and {each.name}. Say whose it is."
                )
            notes.append(f"Left out: {each.name}, which is the same recording as {first.name}.")
    if len(kept) > MOST_RECORDINGS:
        raise ValueError(
            f"too many recordings: got {len(kept)}, expected at most {MOST_RECORDINGS}, which make two million pairs. "
            "At the voices. Give a part of the people, or of their recordings."
        )
    people = sorted({person for person, _ in kept.values()})
    number = np.array([people.index(person) for person, _ in kept.values()], np.int64)
    return Kept(people, [recording for _, recording in kept.values()], number, notes)


def pair(kept: Kept) -> tuple[Pairs, list[str]]:
    """Return all pairs of recordings, and what is to be said of them in sentences.

    Of a person with several sessions only pairs across sessions are target trials: within one, room, microphone and
    day are alike too.

    Raises
    ------
    ValueError
        If there are fewer than two people, or nobody has two recordings.
    """
    enroll, test = np.triu_indices(len(kept.recordings), 1)
    both = Pairs(enroll, test, np.column_stack([kept.person[enroll], kept.person[test]]))
    session = np.unique([each.session for each in kept.recordings], return_inverse=True)[1]
    several = {person for person in range(len(kept.people)) if len(set(session[kept.person == person])) > 1}
    within = both.target & (session[enroll] == session[test]) & np.isin(both.speakers[:, 0], sorted(several))
    trials = both.take(~within)
    judged = set(trials.speakers[trials.target, 0].tolist())
    if len(kept.people) < 2 or not judged:
        num = np.bincount(kept.person, minlength=1)
        raise ValueError(
            f"nothing to calibrate on: got {len(kept.people)} people with at most {num.max()} recordings in which "
            "somebody is heard, expected two people or more, one of them with two recordings. At the voices"
            f"{''.join(f' ({note})' for note in kept.notes[:1])}. Record more."
        )
    return trials, [*_notes(int(within.sum()), judged, several, kept.people)]


def _notes(num_within: int, judged: set[int], several: set[int], people: Sequence[str]) -> Iterable[str]:
    if num_within:
        yield f"Left out: {num_within} pairs of one person within one session, where others are across sessions."
    if one_session := [people[person] for person in sorted(judged - several)]:
        yield (
            f"One session only of {len(one_session)} people ({named(one_session)}): room and microphone are the same "
            "in both, so that false rejects will be more frequent than stated."
        )
    if alone := [name for person, name in enumerate(people) if person not in judged]:
        yield f"One recording only of {len(alone)} people ({named(alone)}): nothing tells how often they are rejected."
