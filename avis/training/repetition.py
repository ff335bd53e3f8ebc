"""Say how often a loss that compares a speaker's utterances will compare crops of one and the same."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from avis.training.grouping import speaker_groups
from avis.training.plan import Plan

BLOCKS_COUNTED = 20
MUCH = 0.1
TOGETHER = 4
"""Times as many utterances as are compared lie together in a store from which pairs differ between passes."""


def repetition(plan: Plan, speakers: Sequence[str]) -> float:
    """Return which share of the pairs of one speaker's examples, in turn in a batch, are crops of one utterance.

    Parameters
    ----------
    plan : Plan
        Of two utterances per speaker or more; the first blocks of its first pass are counted.
    speakers : sequence of str
        Of the rows of the plan's row groups.
    """
    starts = np.cumsum([0, *(group.num_rows for group in plan.row_groups)])
    rows = {group: np.arange(*starts[i : i + 2]) for i, group in enumerate(plan.row_groups)}
    same = []
    for number in range(min(BLOCKS_COUNTED, plan.blocks_per_pass)):
        block = plan.block(number)
        joined = np.concatenate([rows[group] for group in block.row_groups])[block.order]
        for group in speaker_groups([speakers[row] for row in joined], plan.utterances_per_speaker):
            same += [one == other for one, other in combinations(group, 2)]
    return float(np.mean(same)) if same else 0.0


def say_repetition(plan: Plan, speakers: Sequence[str]) -> None:
    """Print the share of such pairs, and what to do if it is large; nothing if a loss compares no utterances."""
    if plan.utterances_per_speaker == 1:
        return
    share = repetition(plan, speakers)
    print(f"pairs: {share:.0%} of those of one speaker in a batch are crops of one utterance", flush=True)
    if share > MUCH:
        together = TOGETHER * plan.utterances_per_speaker
        print(
            f"pairs: make the store with sharding.utterances_together={together}, with "
            f"trainer.groups_per_block={max(plan.groups_per_block, together)} or more",
            flush=True,
        )
