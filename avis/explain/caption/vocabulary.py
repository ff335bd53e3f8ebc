"""Text as numbers and back: words and signs of the sentences that a captioner learnt, and no others."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

END = 0
"""The number that ends a text; words count from 1."""

WORD = re.compile(r" ?(?:\w+|[^\w\s])")
"""A word or a sign, with the blank before it, so that a text is its words, one behind the other."""


@dataclass(frozen=True)
class Vocabulary:
    """The words of a captioner.

    Attributes
    ----------
    words : tuple of str
        In order, each once.

    Examples
    --------
    >>> vocabulary = Vocabulary.of(["It is so.", "Is it so?"])
    >>> vocabulary.text(vocabulary.numbers("It is so?")), len(vocabulary)
    ('It is so?', 8)
    """

    words: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Vocabulary":
        """Return the words of some texts, in which single blanks alone are between words."""
        return cls(tuple(sorted({word for text in texts for word in WORD.findall(text)})))

    def __len__(self) -> int:
        """Return how many numbers there are, with that of the end."""
        return 1 + len(self.words)

    def numbers(self, text: str) -> list[int]:
        """Return a text's words as numbers, with the end behind them; KeyError of a word that was not learnt."""
        number = {word: place for place, word in enumerate(self.words, start=END + 1)}
        return [*(number[word] for word in WORD.findall(text)), END]

    def text(self, numbers: Sequence[int]) -> str:
        """Return what numbers say, up to the end."""
        ended = numbers.index(END) if END in numbers else len(numbers)
        return "".join(self.words[number - 1] for number in numbers[:ended])
