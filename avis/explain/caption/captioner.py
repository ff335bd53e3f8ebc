"""A captioner in use: two embeddings in, a text out, and how much of it the record bears out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from avis.explain.caption.model import CaptionModel
from avis.explain.caption.vocabulary import Vocabulary
from avis.explain.faithfulness.statistics import Mean
from avis.explain.record import Caption, Explanation
from avis.explain.scale import ENFSI_2015, words
from avis.explain.text.reread.statements import Statement, statements
from avis.explain.text.sentences import foretold

AT_ONCE = 128
"""Pairs of which texts are made together."""


@dataclass(frozen=True, eq=False)
class Captioner:
    """A model with its phrases, and what it is worth.

    Attributes
    ----------
    model : CaptionModel
    vocabulary : Vocabulary
    scores : mapping of str to Mean
        See `avis.explain.caption.scores.scores`; empty before it was scored.
    """

    model: CaptionModel
    vocabulary: Vocabulary
    scores: Mapping[str, Mean] = field(default_factory=dict)

    def say(self, pairs: NDArray[np.float32]) -> list[str]:
        """Return the text of each pair of embeddings, enrolment and test: float32 ``[pairs, 2, dim]``."""
        parts = torch.from_numpy(pairs).split(AT_ONCE)
        return [self.vocabulary.text(numbers) for part in parts for numbers in self.model.say(part)]

    def caption(self, pair: NDArray[np.float32], record: Explanation) -> Caption:
        """Return the text of a pair ``[2, dim]``, held against the record of its trial."""
        [text] = self.say(pair[None])
        checked = Checked.of(text, true_text(record))
        return Caption(
            text=text,
            num_statements=len(checked.said),
            num_checked=checked.num_known,
            num_borne_out=checked.num_borne_out,
            precision=self.scores["precision"].value,
            baseline=self.scores["precision of the most frequent"].value,
        )


def true_text(record: Explanation) -> str:
    """Return what a captioner should say of a trial: `foretold`, by the verbal scale of `ENFSI_2015`."""
    verbal = None if record.llr is None else words(record.llr, ENFSI_2015)
    return " ".join(sentence.text for sentence in foretold(record.model_copy(update={"verbal": verbal})))


@dataclass(frozen=True)
class Checked:
    """What a text states, held against what is true.

    Attributes
    ----------
    said, true : set of Statement
    """

    said: frozenset[Statement]
    true: frozenset[Statement]

    @classmethod
    def of(cls, text: str, truth: str) -> "Checked":
        """Read a text, and what `true_text` gave."""
        return cls(frozenset(statements(text)), frozenset(statements(truth)))

    @property
    def num_borne_out(self) -> int:
        """How many statements are so."""
        return len(self.said & self.true)

    @property
    def num_known(self) -> int:
        """Of how many statements it is known whether they are so."""
        known = {each.slot for each in self.true}
        return sum(each.slot in known for each in self.said)
