"""Schedules of the learning rate and of the margin, as pure functions of training progress.

Progress is samples seen / samples planned: 0 before the first batch, 1 after the last. A recipe written in it means the
same on one GPU and on 64, at any batch size. Beyond 1 (a last batch that overshoots) a schedule holds its final value.

Schedules return a multiplier: of the peak learning rate, in (0, 1], or of the loss's full margin, in [0, 1].
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

Schedule = Callable[[float], float]
"""A function of the training's progress in [0, 1]: the share of all samples that were seen."""

WARMUP_START = 1e-3
"""Multiplier at progress 0 when there is a warm-up; not 0, so that the first batch is not wasted."""

RAMP_REMAINDER = 1e-3
"""Share of the margin still missing at the end of an exponential ramp before it is scaled to end at the margin."""

ROUNDING = 1e-9
"""Of an interval; a step begins there, not just after."""


def _check_warmup(warmup: float) -> None:
    if not 0 <= warmup < 1:
        raise ValueError(
            f"the warm-up must end before training does: got warmup={warmup} of training, expected 0 <= warmup < 1. "
            "At scheduler.learning_rate.warmup. Give it as a share of all samples, not as steps or epochs."
        )


def _check_share(name: str, value: float, of: str) -> None:
    if not 0 < value <= 1:
        raise ValueError(
            f"a schedule is written in shares: got {name}={value}, expected 0 < {name} <= 1. "
            f"At scheduler.learning_rate.{name}. Give it as a share of {of}."
        )


def _warm_up(progress: float, warmup: float, *, start: float = WARMUP_START) -> float:
    return start + (1 - start) * progress / warmup


def _check_progress(progress: float) -> None:
    assert progress >= 0, f"progress counts samples seen, it cannot be negative: got {progress}"


@dataclass(frozen=True, kw_only=True)
class WarmupCosine:
    """Rise linearly to the peak, fall along half a cosine, then hold the final rate.

    Parameters
    ----------
    warmup : float
        Progress at which the peak is reached, 0 to 1; 0 starts at the peak.
    final : float
        Multiplier at the end of the fall.
    start : float
        Multiplier at progress 0, if there is a warm-up.
    end : float
        Progress at which the fall ends, above ``warmup`` up to 1.

    Raises
    ------
    ValueError
        If ``warmup``, ``final``, ``start`` or ``end`` is out of range.

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
    start: float = WARMUP_START
    end: float = 1.0

    def __post_init__(self) -> None:
        _check_warmup(self.warmup)
        _check_share("final", self.final, "the peak")
        _check_share("start", self.start, "the peak")
        _check_share("end", self.end, "training")
        if self.end <= self.warmup:
            raise ValueError(
                f"the fall must end after the warm-up: got end={self.end} with warmup={self.warmup}, expected more. "
                "At scheduler.learning_rate.end. Give both as shares of all samples."
            )

    def __call__(self, progress: float) -> float:
        """Return the multiplier of the peak learning rate."""
        _check_progress(progress)
        if progress < self.warmup:
            return _warm_up(progress, self.warmup, start=self.start)
        done = min((progress - self.warmup) / (self.end - self.warmup), 1.0)
        fallen = (1 - math.cos(math.pi * done)) / 2
        return 1 - (1 - self.final) * fallen


@dataclass(frozen=True, kw_only=True)
class ExponentialDecay:
    """Fall by the same factor in equal stretches of training, under a linear warm-up.

    As wespeaker's schedule, the fall begins at progress 0: the largest rate, at the end of the warm-up, is
    ``final ** warmup`` of the nominal one.

    Parameters
    ----------
    warmup : float
        Progress at which the warm-up ends, 0 to 1; 0 for none.
    final : float
        Multiplier at progress 1.

    Raises
    ------
    ValueError
        If ``warmup`` or ``final`` is out of range.

    References
    ----------
    wenet-e2e/wespeaker, ``wespeaker/utils/schedulers.py``, ``ExponentialDecrease`` with ``warm_from_zero``.

    Examples
    --------
    >>> schedule = ExponentialDecay(warmup=0.2, final=0.01)
    >>> [round(schedule(progress), 4) for progress in (0.1, 0.2, 0.5, 1.0)]
    [0.3158, 0.3981, 0.1, 0.01]
    """

    warmup: float
    final: float

    def __post_init__(self) -> None:
        _check_warmup(self.warmup)
        _check_share("final", self.final, "the peak")

    def __call__(self, progress: float) -> float:
        """Return the multiplier of the nominal learning rate."""
        _check_progress(progress)
        fallen = self.final ** min(progress, 1.0)
        return fallen * _warm_up(progress, self.warmup) if progress < self.warmup else fallen


@dataclass(frozen=True, kw_only=True)
class StepDecay:
    """Rise linearly to the peak, and fall by a factor at regular intervals.

    Parameters
    ----------
    warmup : float
        Progress at which the warm-up ends, 0 to 1; 0 starts at the peak.
    every : float
        Progress between two falls.
    factor : float
        What is left of the rate at each of them.
    start : float
        Progress that the falls are counted from, 0 to 1: 0, or where the warm-up ends.

    Raises
    ------
    ValueError
        If ``warmup``, ``every``, ``factor`` or ``start`` is out of range.

    References
    ----------
    ``torch.optim.lr_scheduler.StepLR``, as in clovaai/voxceleb_trainer and zyzisyz/mfa_conformer; counted from the end
    of the warm-up: wenet-e2e/wespeaker, ``wespeaker/utils/schedulers.py``, ``WarmupLR_withStepDecay``.

    Examples
    --------
    >>> schedule = StepDecay(warmup=0.0, every=0.2, factor=0.5)
    >>> [schedule(progress) for progress in (0.0, 0.19, 0.2, 0.6, 1.0)]
    [1.0, 1.0, 0.5, 0.125, 0.03125]
    """

    warmup: float
    every: float
    factor: float
    start: float = 0.0

    def __post_init__(self) -> None:
        _check_warmup(self.warmup)
        _check_share("every", self.every, "training")
        _check_share("factor", self.factor, "the rate before")
        if not 0 <= self.start <= 1:
            raise ValueError(
                f"the falls must be counted from within training: got start={self.start}, expected 0 <= start <= 1. "
                "At scheduler.learning_rate.start. Give it as a share of all samples."
            )

    def __call__(self, progress: float) -> float:
        """Return the multiplier of the peak learning rate."""
        _check_progress(progress)
        if progress < self.warmup:
            return _warm_up(progress, self.warmup)
        since = max(0.0, min(progress, 1.0) - self.start)
        return self.factor ** math.floor(since / self.every + ROUNDING)


@dataclass(frozen=True, kw_only=True)
class Triangular:
    """Rise and fall linearly, again and again.

    Parameters
    ----------
    cycle : float
        Progress that one rise and fall take.
    low : float
        Multiplier between cycles.
    decay : float
        Height of a cycle above ``low``, as a share of the one before: 1 is Smith's "triangular", 0.5 "triangular2".

    Raises
    ------
    ValueError
        If ``cycle``, ``low`` or ``decay`` is out of range.

    References
    ----------
    Smith, "Cyclical learning rates for training neural networks", 2017, https://arxiv.org/abs/1506.01186.

    Examples
    --------
    >>> schedule = Triangular(cycle=0.5, low=0.2, decay=0.5)
    >>> [round(schedule(progress), 4) for progress in (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)]
    [0.2, 0.6, 1.0, 0.2, 0.6, 0.2]
    """

    cycle: float
    low: float
    decay: float

    def __post_init__(self) -> None:
        _check_share("cycle", self.cycle, "training")
        _check_share("low", self.low, "the peak")
        _check_share("decay", self.decay, "the cycle before")

    def __call__(self, progress: float) -> float:
        """Return the multiplier of the peak learning rate."""
        _check_progress(progress)
        number, place = divmod(min(progress, 1.0), self.cycle)
        height = 1 - abs(2 * place / self.cycle - 1)
        return self.low + (1 - self.low) * self.decay**number * height


@dataclass(frozen=True, kw_only=True)
class MarginRamp:
    """Hold the margin at 0, raise it exponentially towards its full value, then hold that.

    Between ``start`` and ``end``, with ``q`` the share of the ramp that is done, the multiplier is
    ``(1 - r**q) / (1 - r)`` with ``r`` = `RAMP_REMAINDER`: steep at first, flat at the end. wespeaker and
    3D-Speaker use ``1 - r**q``, which jumps by the remaining thousandth at ``end``.

    Parameters
    ----------
    start, end : float
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
