"""Text as numbers and back: phrases of the sentences that a captioner learnt, and no others."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

END = 0
"""The number that ends a text; phrases count from 1."""

PHRASE = re.compile(r"[\w \"()'-]+[:,.]?")
"""Words up to the mark that ends them, so that a text is its phrases, one behind the other."""


@dataclass(frozen=True)
class Vocabulary:
    """The phrases of a captioner.

    Attributes
    ----------
    phrases : tuple of str
        In order, each once.

    Examples
    --------
    >>> vocabulary = Vocabulary.of(["Pitch: high in one.", "Pitch: low in one, high in one."])
    >>> vocabulary.text(vocabulary.numbers("Pitch: high in one.")), vocabulary.numbers("Pitch: high in one.")
    ('Pitch: high in one.', [3, 1, 0])
    """

    phrases: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Vocabulary":
        """Return the phrases of some texts."""
        return cls(tuple(sorted({phrase for text in texts for phrase in PHRASE.findall(text)})))

    def __len__(self) -> int:
        """Return how many numbers there are, with that of the end."""
        return 1 + len(self.phrases)

    def numbers(self, text: str) -> list[int]:
        """Return a text's phrases as numbers, with the end behind them; KeyError of a phrase that was not learnt."""
        number = {phrase: place for place, phrase in enumerate(self.phrases, start=END + 1)}
        return [*(number[phrase] for phrase in PHRASE.findall(text)), END]

    def text(self, numbers: Sequence[int]) -> str:
        """Return what numbers say, up to the end."""
        ended = numbers.index(END) if END in numbers else len(numbers)
        return "".join(self.phrases[number - 1] for number in numbers[:ended])
