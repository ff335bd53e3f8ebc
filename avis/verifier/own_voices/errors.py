"""Errors of decisions about one's own voices: how many, how many seconds of speech it takes, and who is confused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from avis.verifier.own_voices.crossing import Decided
from avis.verifier.own_voices.forms import Scored
from avis.verifier.own_voices.rates import Rate, eer, rate

TOLERATED = 1.5
"""How many times as often recordings may err that are long enough."""


@dataclass(frozen=True, kw_only=True)
class Errors:
    """What is to be expected of recordings of one length.

    Attributes
    ----------
    num_people : int
        Whose trials they are.
    num_target, num_nontarget : int
        Trials of each kind.
    eer : Rate
        Of the scores.
    false_accepts, false_rejects : Rate or None
        How often two people are taken for one at the threshold, and one for two; ``unsure`` answers are counted by
        their ratio. None where nothing can be decided.
    unsure_same, unsure_different : float or None
        Share of ``unsure`` answers where one person spoke, and where two did.
    """

    num_people: int
    num_target: int
    num_nontarget: int
    eer: Rate
    false_accepts: Rate | None
    false_rejects: Rate | None
    unsure_same: float | None
    unsure_different: float | None


@dataclass(frozen=True, kw_only=True)
class Confusable:
    """Two people who are taken for one in some pairs of their recordings, and the highest ratio among these."""

    people: tuple[str, str]
    num_accepted: int
    num_trials: int
    llr: float


def errors_of(trials: Scored, decided: Decided | None, threshold: float) -> Errors:
    """Count errors at a threshold of ratios; without decisions there is the equal error rate alone."""
    target = trials.target
    of_decisions = dict.fromkeys(("false_accepts", "false_rejects", "unsure_same", "unsure_different"))
    if decided is not None:
        accepted, unsure = decided.llr >= threshold, decided.unsure(threshold)
        of_decisions = {
            "false_accepts": rate(accepted[~target], trials.speakers[~target]),
            "false_rejects": rate(~accepted[target], trials.speakers[target]),
            "unsure_same": float(unsure[target].mean()),
            "unsure_different": float(unsure[~target].mean()),
        }
    return Errors(
        num_people=len(np.unique(trials.speakers)),
        num_target=int(np.count_nonzero(target)),
        num_nontarget=int(np.count_nonzero(~target)),
        eer=eer(trials),
        **of_decisions,
    )


def enough_seconds(whole: Errors, by_seconds: Mapping[float, Errors]) -> float | None:
    """Return from how many seconds on both errors together are at most `TOLERATED` times those of whole recordings.

    Only lengths that recordings of all people carry are compared: of others' it would be the people who differ.
    """
    enough = None
    for seconds in sorted(by_seconds, reverse=True):
        if by_seconds[seconds].num_people < whole.num_people:
            continue
        if _both(by_seconds[seconds]) > TOLERATED * _both(whole):
            break
        enough = seconds
    return enough


def _both(errors: Errors) -> float:
    assert errors.false_accepts, "nothing was decided"
    assert errors.false_rejects, "nothing was decided"
    return errors.false_accepts.value + errors.false_rejects.value


def confusable_people(
    trials: Scored, decided: Decided, threshold: float, people: Sequence[str]
) -> tuple[Confusable, ...]:
    """Return pairs of people some of whose trials are accepted, those with the largest share of them first."""
    pairs = np.sort(trials.speakers[~trials.target], axis=1)
    llr = decided.llr[~trials.target]
    found, number = np.unique(pairs, axis=0, return_inverse=True)
    number = number.ravel()
    num_trials, accepted = np.bincount(number), np.bincount(number, llr >= threshold)
    highest = np.full(len(found), -np.inf)
    np.maximum.at(highest, number, llr)
    confused = [
        Confusable(
            people=(people[found[row, 0]], people[found[row, 1]]),
            num_accepted=int(accepted[row]),
            num_trials=int(num_trials[row]),
            llr=float(highest[row]),
        )
        for row in np.flatnonzero(accepted)
    ]
    return tuple(sorted(confused, key=lambda each: (-each.num_accepted / each.num_trials, -each.llr, each.people)))
