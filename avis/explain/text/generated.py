"""What a model says of two embeddings, quoted, with how much of it the record bears out."""

from collections.abc import Iterator

from avis.explain.record import Explanation
from avis.explain.text import phrases, wording
from avis.explain.text.facts import Said, compose


def caption(told: Explanation) -> Iterator[Said]:
    """Quote the caption, where there is one, and say how far it holds."""
    if told.caption is None:
        return
    yield compose(
        wording.GENERATED,
        text=phrases.quoted(told.caption.text, "caption/text"),
        statements=phrases.counted(told.caption.num_statements, wording.STATEMENT, "caption/num_statements"),
        checked=Said(f"{told.caption.num_checked}", ("caption/num_checked",)),
        borne_out=Said(f"{told.caption.num_borne_out}", ("caption/num_borne_out",)),
        precision=Said(wording.percent(told.caption.precision), ("caption/precision",)),
        baseline=Said(wording.percent(told.caption.baseline), ("caption/baseline",)),
    )
