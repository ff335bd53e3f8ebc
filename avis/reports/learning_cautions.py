"""What the course of a training says against its checkpoint, in plain words."""

import math
from collections.abc import Iterator, Mapping, Sequence

from avis.reports.wording import percent

FLOOR = 1e-3
"""A mean loss below this has nothing more to teach: cross entropy and triplets alike end at 0."""
LEAST_STEP = 0.01
"""Share of itself by which the mean loss falls, or share of examples by which accuracy rises, where a model learns."""
FOUND = 0.9
"""From this accuracy on there may be little to learn: a margin that grows keeps the loss of a trained model high."""


def chance_limit(num_independent: float) -> float:
    """Return the lowest equal error rate that guessing reaches easily: two standard errors below one half.

    >>> chance_limit(100)
    0.4
    """
    return 0.5 - 1 / math.sqrt(num_independent)


def learning_cautions(history: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the warnings about a training, the gravest first.

    Parameters
    ----------
    history : sequence of mapping
        Of each epoch so far: the means ``loss`` and ``accuracy`` of its training steps, and ``eer`` and ``utterances``,
        the error rate of the held-out ``utterances``, all pairs of them scored.
    """
    return [*_unlearnt(history), *_unvalidated(history)] if history else []


def _unlearnt(history: Sequence[Mapping[str, float]]) -> Iterator[str]:
    losses, found = ([epoch[key] for epoch in history] for key in ("loss", "accuracy"))
    stood_still = min(losses) > (1 - LEAST_STEP) * losses[0] and max(found) < min(FOUND, found[0] + LEAST_STEP)
    if losses[0] < FLOOR:
        yield (
            f"Nothing to learn: the training loss was at its floor in the first epoch already ({losses[0]:.2g}), so "
            "the weights hardly say more than before the training. More speakers, or a harder loss, would teach more."
        )
    elif len(history) > 1 and stood_still:
        yield (
            f"Nothing learnt: the training loss was {losses[0]:.4g} in the first of {len(history)} epochs and never "
            f"below {min(losses):.4g}, the accuracy never above {percent(max(found))}. Look at optimizer.lr, the "
            "scheduler and the labels."
        )


def _unvalidated(history: Sequence[Mapping[str, float]]) -> Iterator[str]:
    best, limit = min(epoch["eer"] for epoch in history), chance_limit(history[-1]["utterances"])
    if history[0]["eer"] == 0:
        yield (
            "The choice of the checkpoint says nothing: held-out speakers were told apart without an error from the "
            "first epoch on, so the first one counts as the best. Hold out more speakers, or harder ones "
            "(trainer.validation_augment=true)."
        )
    elif best > limit:
        yield (
            f"Not told from chance: the best EER of held-out speakers is {percent(best)}, and guessing comes below "
            f"{percent(max(limit, 0.0))} only rarely on {history[-1]['utterances']:.0f} utterances. Either nothing was "
            "learnt, or too few speakers are held out to tell."
        )
