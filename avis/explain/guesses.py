"""What a model guesses of who speaks on either side: observed beside the score, never evidence."""

from collections.abc import Iterable

from avis.explain.record import Guess
from avis.explain.side import Side
from avis.verifier.attributes.head import Head


def guesses(heads: Iterable[Head], sides: tuple[Side, Side]) -> list[Guess]:
    """Guess attributes of the speakers of both sides, the enrolment's before the test's.

    A guess whose interval reaches down to chance is unclear, and says no value.
    """
    return [_guess(head, side) for head in heads for side in sides]


def _guess(head: Head, side: Side) -> Guess:
    guessed = head.guess(side.embedding)
    clear = guessed.interval[0] > head.chance
    return Guess(
        side=side.name,
        attribute=head.attribute,
        value=guessed.value if clear else None,
        probability=guessed.probability if clear else None,
        interval=guessed.interval if clear else None,
        accuracy=head.accuracy,
        accuracy_interval=head.accuracy_interval,
        chance=head.chance,
    )
