"""What a captioner is worth, on pairs of voices that it did not learn from."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avis.explain.caption.captioner import Captioner, Checked
from avis.explain.faithfulness.statistics import Mean, means
from avis.explain.text.reread.statements import Statement, statements
from avis.metrics.bootstrap import Resampling

KINDS: dict[str, str | tuple[str, ...]] = {
    "direction": "direction",
    "verbal scale": "verbal scale",
    "thirds": ("enrolment", "test"),
    "relations": "both",
}
"""How slots of a kind end."""


class Held(NamedTuple):
    """A pair that was not learnt from, and the same with an enrolment by another speaker.

    Attributes
    ----------
    enroll_speaker, test_speaker : str
    pair, swapped : float32 [2, dim]
        Embeddings of enrolment and test.
    truth, swapped_truth : str
        See `avis.explain.caption.captioner.true_text`.
    """

    enroll_speaker: str
    test_speaker: str
    pair: NDArray[np.float32]
    swapped: NDArray[np.float32]
    truth: str
    swapped_truth: str


def scores(
    captioner: Captioner, held: Sequence[Held], learnt: Iterable[str], resampling: Resampling
) -> dict[str, Mean]:
    """Return means over pairs, with intervals over speakers.

    ``precision`` is the share of a caption's statements that are so, ``recall`` that of what is so that it states, by
    kind of statement too. Each is followed by the same of a text that says of each slot what is said most often where
    the captioner learnt, and, of precision, by the difference. Of the swap, ``followed`` is the share of the slots that
    change in the truth in which the caption changes to the same; ``kept`` of those that stay, in which it stays.

    Parameters
    ----------
    captioner : Captioner
    held : sequence of Held
    learnt : iterable of str
        The texts that it learnt.
    resampling : Resampling
        How speakers are drawn.
    """
    frequent = most_frequent(learnt)
    said, swapped = (captioner.say(np.stack(pairs)) for pairs in ([x.pair for x in held], [x.swapped for x in held]))
    rows = []
    for each, text, other in zip(held, said, swapped, strict=True):
        checked = Checked.of(text, each.truth)
        always = Checked(frequent, checked.true)
        rows.append({**_of_pair(checked, always), **_of_swap(checked, Checked.of(other, each.swapped_truth))})
    speakers = [each.enroll_speaker for each in held], [each.test_speaker for each in held]
    told = means(np.array([[*row.values()] for row in rows]), speakers, resampling)
    return dict(zip(rows[0], told, strict=True))


def most_frequent(texts: Iterable[str]) -> frozenset[Statement]:
    """Return what is stated most often in some texts, slot by slot; of several as frequent, the last in the alphabet.

    >>> sorted(most_frequent(["The evidence speaks for one speaker."]))
    [Statement(slot='direction', value='one speaker')]
    """
    counts = Counter(statement for text in texts for statement in statements(text))
    return frozenset(
        {each.slot: each for each, _ in sorted(counts.items(), key=lambda item: (item[1], item[0]))}.values()
    )


def _of_pair(checked: Checked, always: Checked) -> dict[str, float]:
    precision, baseline = (_share(each.said & each.true, each.said) for each in (checked, always))
    found = {
        "precision": precision,
        "precision of the most frequent": baseline,
        "precision, more than the most frequent": precision - baseline,
    }
    for kind, ends in ({"recall": ""} | KINDS).items():
        true = frozenset(each for each in checked.true if each.slot.endswith(ends))
        found |= {
            kind: _share(checked.said & true, true),
            f"{kind} of the most frequent": _share(always.said & true, true),
        }
    return found


def _of_swap(checked: Checked, swapped: Checked) -> dict[str, float]:
    before, after, said, said_after = (dict(each) for each in (checked.true, swapped.true, checked.said, swapped.said))
    both = before.keys() & after.keys()
    changed = {slot for slot in both if before[slot] != after[slot]}
    followed = {slot for slot in changed if said.get(slot) != said_after.get(slot) == after[slot]}
    kept = {slot for slot in both - changed if said.get(slot) == said_after.get(slot)}
    return {"followed": _share(followed, changed), "kept": _share(kept, both - changed)}


def _share(some: frozenset | set, of: frozenset | set) -> float:
    return len(some) / len(of) if of else np.nan
