"""Word how far a training is, in one line."""

from collections.abc import Mapping
from datetime import timedelta

MOVES = "\r"
"""Starts a line that is to take the place of the one before it."""


def duration(seconds: float) -> str:
    """Return hours, minutes and seconds.

    >>> duration(3723.4)
    '1:02:03'
    """
    return str(timedelta(seconds=round(seconds)))


def plain_line(epoch: str, place: str, figures: Mapping[str, float], left_s: float) -> str:
    """Return a line that stands: all figures of a place, ``train`` or ``val``, by their own names.

    >>> plain_line("2/10", "train 20/75", {"train/loss": 11.4, "val/eer": 0.1}, 60)
    'epoch 2/10 train 20/75  loss 11.4  left 0:01:00'
    """
    of_place = f"{place.split()[0]}/"
    numbers = [f"{name.removeprefix(of_place)} {x:.4g}" for name, x in figures.items() if name.startswith(of_place)]
    return "  ".join([f"epoch {epoch} {place}", *numbers, f"left {duration(left_s)}"])


def moving_line(epoch: str, step: str, figures: Mapping[str, float], left_s: float) -> str:
    r"""Return a line that is redrawn: the figures that matter while one waits.

    >>> moving_line("2/10", "20/75", {"train/loss": 11.4, "train/samples_per_s": 104.2, "val/eer": 0.1}, 60)
    '\rtrain: epoch 2/10, step 20/75, loss 11.4, EER 10.00 %, 104 samples/s, 0:01:00 left'
    """
    parts = [f"epoch {epoch}", f"step {step}"]
    if "train/loss" in figures:
        parts.append(f"loss {figures['train/loss']:.4g}")
    if "val/eer" in figures:
        parts.append(f"EER {100 * figures['val/eer']:.2f} %")
    if "train/samples_per_s" in figures:
        parts.append(f"{figures['train/samples_per_s']:.0f} samples/s")
    return f"{MOVES}train: {', '.join(parts)}, {duration(left_s)} left"
