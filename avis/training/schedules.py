"""Schedules of the learning rate and of the margin, as pure functions of training progress.

Progress is samples seen / samples planned: 0 before the first batch, 1 after the last. A recipe written in it means the
same on one GPU and on 64, at any batch size. Beyond 1 (a last batch that overshoots) a schedule holds its final value.

Schedules return a multiplier: of the peak learning rate, in (0, 1], or of the loss's full margin, in [0, 1].
"""

import math
from dataclasses import dataclass

WARMUP_START = 1e-3
"""Multiplier at progress 0 when there is a warm-up; not 0, so that the first batch is not wasted."""

RAMP_REMAINDER = 1e-3
"""Share of the margin still missing at the end of an exponential ramp before it is scaled to end at the margin."""


def _check_warmup(warmup: float, final: float) -> None:
    if not 0 <= warmup < 1:
        raise ValueError(
            f"the warm-up must end before training does: got warmup={warmup} of training, expected 0 <= warmup < 1. "
            "At scheduler.warmup. Give it as a share of all samples, not as steps or epochs."
        )
    if not 0 < final <= 1:
        raise ValueError(
            f"the final learning rate is a share of its peak: got final={final}, expected 0 < final <= 1. "
            "At scheduler.final. Divide the final learning rate by the peak."
        )


def _warm_up(progress: float, warmup: float) -> float:
    return WARMUP_START + (1 - WARMUP_START) * progress / warmup


def _after_warmup(progress: float, warmup: float) -> float:
    return min((progress - warmup) / (1 - warmup), 1.0)


def _check_progress(progress: float) -> None:
    assert progress >= 0, f"progress counts samples seen, it cannot be negative: got {progress}"


@dataclass(frozen=True, kw_only=True)
class WarmupCosine:
    """Rise linearly to the peak, then fall along half a cosine.

    Parameters
    ----------
    warmup
        Progress at which the peak is reached, 0 to 1; 0 starts at the peak.
    final
        Multiplier at progress 1.

    Raises
    ------
    ValueError
        If ``warmup`` or ``final`` is out of range.

    References
    ----------
    Loshchilov and Hutter, "SGDR", 2017, Eq. 5 (one cycle), https://arxiv.org/abs/1608.03983.

    Examples
    --------
    >>> schedule = WarmupCosine(warmup=0.2, final=0.1)
    >>> [round(schedule(progress), 4) for progress in (0.1, 0.2, 0.6, 1.0)]
    [0.5005, 1.0, 0.55, 0.1]
    """

    warmup: float
    final: float

    def __post_init__(self) -> None:
        _check_warmup(self.warmup, self.final)

    def __call__(self, progress: float) -> float:
        """Return the multiplier of the peak learning rate."""
        _check_progress(progress)
        if progress < self.warmup:
            return _warm_up(progress, self.warmup)
        fallen = (1 - math.cos(math.pi * _after_warmup(progress, self.warmup))) / 2
        return 1 - (1 - self.final) * fallen


@dataclass(frozen=True, kw_only=True)
class ExponentialDecay:
    """Rise linearly to the peak, then fall by the same factor in equal stretches of training.

    wespeaker's schedule of this name lets the fall begin at progress 0, so that its largest rate is
    ``final ** warmup`` of the nominal one; here the peak is reached.

    Parameters
    ----------
    warmup
        Progress at which the peak is reached, 0 to 1; 0 starts at the peak.
    final
        Multiplier at progress 1.

    Raises
    ------
    ValueError
        If ``warmup`` or ``final`` is out of range.

    Examples
    --------
    >>> schedule = ExponentialDecay(warmup=0.2, final=0.01)
    >>> [round(schedule(progress), 4) for progress in (0.1, 0.2, 0.6, 1.0)]
    [0.5005, 1.0, 0.1, 0.01]
    """

    warmup: float
    final: float

    def __post_init__(self) -> None:
        _check_warmup(self.warmup, self.final)

    def __call__(self, progress: float) -> float:
        """Return the multiplier of the peak learning rate."""
        _check_progress(progress)
        if progress < self.warmup:
            return _warm_up(progress, self.warmup)
        return self.final ** _after_warmup(progress, self.warmup)


@dataclass(frozen=True, kw_only=True)
class MarginRamp:
    """Hold the margin at 0, raise it exponentially towards its full value, then hold that.

    Between ``start`` and ``end``, with ``q`` the share of the ramp that is done, the multiplier is
    ``(1 - r**q) / (1 - r)`` with ``r`` = `RAMP_REMAINDER`: steep at first, flat at the end. wespeaker and
    3D-Speaker use ``1 - r**q``, which jumps by the remaining thousandth at ``end``.

    Parameters
    ----------
    start, end
        Progress at which the ramp begins and is complete, 0 to 1. Equal values make a step; both 0, a fixed margin.

    Raises
    ------
    ValueError
        If ``start`` and ``end`` are not in order within 0 to 1.

    Examples
    --------
    >>> schedule = MarginRamp(start=0.2, end=0.4)
    >>> [round(schedule(progress), 4) for progress in (0.1, 0.2, 0.3, 0.4, 1.0)]
    [0.0, 0.0, 0.9693, 1.0, 1.0]
    """

    start: float
    end: float

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end <= 1:
            raise ValueError(
                f"the margin ramp must lie within training: got start={self.start}, end={self.end} of training, "
                "expected 0 <= start <= end <= 1. At scheduler.margin. Give both as shares of all samples."
            )

    def __call__(self, progress: float) -> float:
        """Return the share of the full margin."""
        _check_progress(progress)
        if progress >= self.end:
            return 1.0
        if progress <= self.start:
            return 0.0
        done = (progress - self.start) / (self.end - self.start)
        return (1 - RAMP_REMAINDER**done) / (1 - RAMP_REMAINDER)
