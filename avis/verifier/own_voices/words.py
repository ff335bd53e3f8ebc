"""What own voices tell, in words that a person understands."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from avis.verifier.own_voices.errors import TOLERATED
from avis.verifier.own_voices.rates import Rate, most_without_error

if TYPE_CHECKING:
    from avis.verifier.own_voices.calibrate import OwnVoices

MOST_NAMED = 10
"""Confusable people who are named in text."""


def lines(own: "OwnVoices") -> Iterator[str]:
    """Say what is to be expected, line by line."""
    yield f"{_voices(own)}: {own.whole.num_target:,} pairs of one person, {own.whole.num_nontarget:,} of two."
    yield from own.notes
    yield f"Equal error rate: {share(own.whole.eer)}."
    if own.refusal is not None:
        yield f"Nothing can be decided: {own.refusal}"
    else:
        yield from _decisions(own)
    yield from _by_seconds(own)


def _decisions(own: "OwnVoices") -> Iterator[str]:
    whole = own.whole
    assert whole.false_accepts, "nothing was decided"
    assert whole.false_rejects, "nothing was decided"
    yield (
        f"Accepted is from a ratio of {ratio(own.threshold)} on, which is how much likelier the recordings are if one "
        f"person spoke: with {own.speech_s:.1f} s of speech on either side, from a score of {own.score:.3f} on."
    )
    yield f"False accepts: {share(whole.false_accepts)} of pairs of two people."
    yield f"False rejects: {share(whole.false_rejects)} of pairs of one person."
    unsure = percent(whole.unsure_same or 0.0), percent(whole.unsure_different or 0.0)
    yield "Unsure: {} of pairs of one person, {} of two.".format(*unsure)
    yield (
        "Each was decided by a calibration on people other than the two, and intervals (95 %) are over people: what is "
        "to be expected of others like them."
    )
    for each in own.confusable[:MOST_NAMED]:
        yield f"Confusable: {' and '.join(each.people)}, accepted in {each.num_accepted} of {each.num_trials} pairs."
    if more := len(own.confusable[MOST_NAMED:]):
        yield f"Confusable: {more} more pairs of people."


def _by_seconds(own: "OwnVoices") -> Iterator[str]:
    for seconds, errors in own.by_seconds.items():
        yield f"With {seconds:g} s of speech ({errors.num_people} people): " + (
            f"equal error rate {share(errors.eer)}."
            if errors.false_accepts is None or errors.false_rejects is None
            else f"false accepts {share(errors.false_accepts)}, false rejects {share(errors.false_rejects)}."
        )
    if own.by_seconds and own.refusal is None:
        enough = f"From {own.enough_s:g} s of speech on, there are" if own.enough_s else "Only whole recordings have"
        yield f"{enough} at most {TOLERATED} times the errors of whole recordings."


def of_card(own: "OwnVoices") -> str:
    """Say in one sentence what was calibrated on, and what is to be expected."""
    assert own.whole.false_accepts, "nothing was decided"
    assert own.whole.false_rejects, "nothing was decided"
    return (
        f"These are one's own voices ({_voices(own)}), and of others like them are to be expected false accepts of "
        f"{share(own.whole.false_accepts)} and false rejects of {share(own.whole.false_rejects)}."
    )


def out_of_reach(threshold: float, facts: Mapping[str, Any], num_people: int) -> str:
    """Say why a calibration decides nothing at a threshold, and how many people it would take at the least."""
    least = num_people + 1
    while (math.log1p(math.comb(least, 2)) if threshold > 0 else math.log1p(least)) <= abs(threshold):
        least += 1
    return (
        f"a threshold of {ratio(threshold)} is beyond the ratios that these voices bear out, {ratio(facts['lower'])} "
        f"to {ratio(facts['upper'])}. {num_people} people: at best 1 in {one_in(num_people)} false accepts. It takes "
        f"{least} people or more, or another operating point."
    )


def one_in(num_people: int) -> int:
    """Return of how many strangers at best one is accepted, for all that so many people without any error tell.

    >>> one_in(5), one_in(13)
    (3, 26)
    """
    return math.floor(1 / most_without_error(math.comb(num_people, 2)))


def share(rate: Rate) -> str:
    """Say a rate with its interval; never that there are no errors.

    >>> share(Rate(0.034, 0.012, 0.08, 3, 88, 13)), share(Rate(0.0, 0.0, 0.21, 0, 13, 13))
    ('3.4 % (between 1.2 % and 8 %)', 'none in 13, so at most 21 %')
    """
    if rate.num_wrong == 0:
        return f"none in {rate.num_trials:,}, so at most {percent(rate.high)}"
    return f"{percent(rate.value)} (between {percent(rate.low)} and {percent(rate.high)})"


def percent(value: float) -> str:
    """Say a share in two digits at most.

    >>> percent(0.00123), percent(0.0996), percent(1.0), percent(0.0)
    ('0.12 %', '10 %', '100 %', '0 %')
    """
    return f"{np.format_float_positional(float(f'{100 * value:.2g}'), trim='-')} %"


def ratio(llr: float) -> str:
    """Say a ratio in three digits.

    >>> ratio(math.log(99)), ratio(0.0), ratio(-2.0)
    ('99', '1', '0.135')
    """
    return f"{math.exp(llr):,.3g}"


def _voices(own: "OwnVoices") -> str:
    least, most = own.recordings_each
    each = f"{most} recordings" if least == most else f"{least} to {most} recordings"
    return f"{own.num_people} people, {each} each"
