"""What a model guesses of who speaks, as a table beside what can be heard."""

from avis.explain.page.part import Part, Table
from avis.explain.page.wording import NBSP, SIDES, UNKNOWN, plain
from avis.explain.record import Explanation, Guess, SideName
from avis.verifier.attributes.head import AttributeName


def guesses_part(explanation: Explanation) -> Part | None:
    """Return the guesses of both sides, with how often such guesses are right; None where nothing is guessed."""
    found = {(each.attribute, each.side): each for each in explanation.guesses}
    if not found:
        return None
    rows = [_row(found, attribute) for attribute in dict.fromkeys(each.attribute for each in explanation.guesses)]
    return Part(
        heading="What the voices sound like",
        reading="Guessed by the model, never evidence, and in no score. Beside each guess stands how many of the "
        "voices that sound so to the model are so, if all values were equally frequent, with its 95 % interval; "
        "where that reaches down to chance, the guess is unclear. How often guesses are right was counted on speakers "
        "that they were not fitted on.",
        table=Table(("Attribute", "Enrolment", "Test", "Right (%)", "By chance (%)"), rows),
    )


def _row(found: dict[tuple[AttributeName, SideName], Guess], attribute: AttributeName) -> list[str]:
    guesses = [found.get((attribute, side)) for side in SIDES]
    told = next(each for each in guesses if each)
    right = f"{plain(100 * told.accuracy)} {_within(told.accuracy_interval)}"
    return [attribute.capitalize(), *map(_said, guesses), right, plain(100 * told.chance)]


def _said(guess: Guess | None) -> str:
    if guess is None:
        return UNKNOWN
    if guess.value is None or guess.probability is None or guess.interval is None:
        return "unclear"
    return f"{guess.value}: {plain(100 * guess.probability)}{NBSP}% {_within(guess.interval)}"


def _within(interval: tuple[float, float]) -> str:
    return "[{}, {}]".format(*(plain(100 * end) for end in interval))
