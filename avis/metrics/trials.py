"""Scored trials with what is known about them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Trials(NamedTuple):
    """A scored trial list as arrays ``[trials]`` in one order.

    Attributes
    ----------
    scores, target : array [trials]
        See `avis.metrics.scores.check`.
    llr : array [trials] or None
        Log-likelihood ratios (natural logarithm), if the scores were calibrated.
    enroll_speaker, test_speaker : array [trials] or None
        Who speaks on either side, as numbers or names, if known: both or none.
    """

    scores: NDArray
    target: NDArray
    llr: NDArray | None = None
    enroll_speaker: NDArray | None = None
    test_speaker: NDArray | None = None

    def take(self, index: NDArray) -> "Trials":
        """Return the chosen trials alone; ``index`` is whatever an array takes."""
        return self._replace(**{name: part[index] for name, part in self._asdict().items() if part is not None})

    def speakers(self) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Return the speakers as numbers, in the order of their names.

        Returns
        -------
        tuple
            Number of the speaker on the enrolment and on the test side of every trial, int64 ``[trials]``, and how many
            speakers there are.

        Raises
        ------
        ValueError
            If a target trial has two speakers, or a non-target trial one.
        """
        assert self.enroll_speaker is not None, "speakers are not known"
        assert self.test_speaker is not None, "speakers of one side only are known"
        names, number = np.unique(np.concatenate([self.enroll_speaker, self.test_speaker]), return_inverse=True)
        enroll, test = number[: len(self.scores)], number[len(self.scores) :]
        wrong = np.flatnonzero((enroll == test) != self.target)
        if wrong.size:
            at = wrong[0]
            raise ValueError(
                f"Speakers must agree with the answers: got target={bool(self.target[at])} for the speakers "
                f"{names[enroll[at]]} and {names[test[at]]}, and {wrong.size} such trials, expected target where they "
                f"are the same. At trial index {at}. Correct the trial list or its speakers."
            )
        return enroll, test, names.size
