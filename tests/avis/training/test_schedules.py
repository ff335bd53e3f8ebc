"""Schedules at hand-computed points."""

import math
import pickle
from typing import Literal

import pytest
import torch

from avis.training.schedules import ExponentialDecay, MarginRamp, StepDecay, Triangular, WarmupCosine

LEARNING_RATES = [WarmupCosine(warmup=0.1, final=0.01), ExponentialDecay(warmup=0.1, final=0.01)]


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (0.0, 0.001),
        (0.05, 0.5005),
        (0.1, 1.0),
        (0.325, 1 - 0.99 * (1 - math.sqrt(0.5)) / 2),
        (0.55, 0.505),
        (0.7, 1 - 0.99 * 0.75),
        (1.0, 0.01),
        (1.001, 0.01),
    ],
)
def test_warmup_cosine_by_hand(progress: float, expected: float):
    """A quarter, half and two thirds of the way down, the cosine has fallen (1 - sqrt 1/2) / 2, 1/2 and 3/4."""
    assert LEARNING_RATES[0](progress) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (0.0, 0.001),
        (0.05, 0.5005 * 10**-0.1),
        (0.1, 10**-0.2),
        (0.25, 10**-0.5),
        (0.5, 0.1),
        (1.0, 0.01),
        (1.001, 0.01),
    ],
)
def test_exponential_decay_by_hand(progress: float, expected: float):
    """From 1 to 1/100: half-way through it is 1/10, a quarter of the way 1/sqrt 10."""
    assert LEARNING_RATES[1](progress) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("schedule", LEARNING_RATES, ids=["cosine", "exponential"])
def test_learning_rate_rises_then_falls(schedule: WarmupCosine | ExponentialDecay):
    values = [schedule(i / 1000) for i in range(1001)]
    assert all(0 < value <= 1 for value in values)
    assert max(values) == values[100] == (1.0 if schedule is LEARNING_RATES[0] else 0.01**0.1)
    assert values[:101] == sorted(values[:101])
    assert values[100:] == sorted(values[100:], reverse=True)


@pytest.mark.parametrize("kind", [WarmupCosine, ExponentialDecay])
def test_no_warmup_starts_at_the_peak(kind: type[WarmupCosine | ExponentialDecay]):
    assert kind(warmup=0.0, final=0.5)(0.0) == 1.0
    assert kind(warmup=0.0, final=1.0)(0.7) == 1.0


@pytest.mark.parametrize("kind", [WarmupCosine, ExponentialDecay])
@pytest.mark.parametrize(("warmup", "final"), [(1.0, 0.1), (-0.1, 0.1), (6, 0.1), (0.1, 0.0), (0.1, 1.5)])
def test_learning_rate_settings_out_of_range(kind: type[WarmupCosine | ExponentialDecay], warmup: float, final: float):
    with pytest.raises(ValueError, match=r"got (warmup|final)="):
        kind(warmup=warmup, final=final)


@pytest.mark.parametrize("start", [0.0, 1.5])
def test_start_out_of_range(start: float):
    with pytest.raises(ValueError, match=r"got start=.*At scheduler\.learning_rate\.start"):
        WarmupCosine(warmup=0.1, final=0.1, start=start)


def test_exponential_decay_is_wespeakers():
    """`ExponentialDecrease` of 150 epochs, 6 of them a warm-up from zero, from 0.4 to 2e-4."""
    schedule, steps = ExponentialDecay(warmup=6 / 150, final=0.0005), 100
    for step in range(steps, 150 * steps, 97):
        published = 0.4 * math.exp(step / (150 * steps) * math.log(5e-5 / 0.1)) * min(1.0, step / (6 * steps))
        assert 0.4 * schedule(step / (150 * steps)) == pytest.approx(published, rel=0.006)


def test_warmup_cosine_is_3d_speakers():
    """`WarmupCosineScheduler` of 70 epochs, 5 of them a warm-up, which begins at the last rate."""
    for low, high in ((5e-5, 0.2), (2e-5, 1e-4)):
        schedule = WarmupCosine(warmup=5 / 70, final=low / high, start=low / high)
        for epoch in (0, 0.5, 2, 5, 20, 50, 69, 70):
            risen = epoch / 5 if epoch < 5 else (1 + math.cos(math.pi * (epoch - 5) / 65)) / 2
            assert high * schedule(epoch / 70) == pytest.approx(low + (high - low) * risen)


@pytest.mark.parametrize(("epochs", "every", "factor"), [(500, 10, 0.75), (30, 4, 0.5), (15, 5, 0.1)])
def test_step_decay_is_torchs(epochs: int, every: int, factor: float):
    """As the recipes write it, ten decimals of the share or fewer."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    published = torch.optim.lr_scheduler.StepLR(optimizer, step_size=every, gamma=factor)
    schedule = StepDecay(warmup=0.0, every=round(every / epochs, 10), factor=factor)
    for epoch in range(epochs):
        assert schedule(epoch / epochs) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        published.step()


def test_step_decay_warms_up_first():
    schedule = StepDecay(warmup=0.1, every=0.2, factor=0.5)
    assert [schedule(progress) for progress in (0.05, 0.1, 0.2)] == pytest.approx([0.5005, 1.0, 0.5])


def test_step_decay_counted_from_the_end_of_the_warmup():
    """Over thirds of training: up to the peak, the peak, a tenth of it."""
    schedule = StepDecay(warmup=1 / 3, every=1 / 3, factor=0.1, start=1 / 3)
    points = [schedule(progress) for progress in (1 / 6, 1 / 3, 0.5, 0.66, 0.67, 0.99)]
    assert points == pytest.approx([0.5005, 1.0, 1.0, 1.0, 0.1, 0.1])


def test_step_decay_never_exceeds_the_peak():
    schedule = StepDecay(warmup=0.1, every=0.1, factor=0.5, start=0.6)
    assert [schedule(progress) for progress in (0.1, 0.59, 0.69, 0.7)] == [1.0, 1.0, 1.0, 0.5]


def test_warmup_cosine_holds_its_final_rate():
    """In half of training the cosine falls, a quarter of it half-way; then nothing changes."""
    schedule = WarmupCosine(warmup=0.0, final=0.5, end=0.5)
    assert [schedule(progress) for progress in (0.0, 0.25, 0.5, 0.7, 1.0)] == pytest.approx([1.0, 0.75, 0.5, 0.5, 0.5])


@pytest.mark.parametrize(("warmup", "end"), [(0.2, 0.2), (0.2, 0.1), (0.0, 0.0), (0.0, 2)])
def test_a_cosine_that_ends_outside_of_training_or_its_warmup_is_refused(warmup: float, end: float):
    with pytest.raises(ValueError, match=f"got end={end}"):
        WarmupCosine(warmup=warmup, final=0.5, end=end)


@pytest.mark.parametrize(("mode", "decay"), [("triangular", 1.0), ("triangular2", 0.5)])
def test_triangular_is_torchs(mode: Literal["triangular", "triangular2"], decay: float):
    """SpeechBrain's is the same; 40 steps, in cycles of 16."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    published = torch.optim.lr_scheduler.CyclicLR(optimizer, 0.1, 1.0, step_size_up=8, mode=mode, cycle_momentum=False)
    schedule = Triangular(cycle=16 / 40, low=0.1, decay=decay)
    for step in range(40):
        assert schedule(step / 40) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        published.step()


@pytest.mark.parametrize(
    ("warmup", "every", "factor"), [(1.0, 0.1, 0.5), (0.0, 4, 0.5), (0.0, 0.0, 0.5), (0, 0.1, 2.0)]
)
def test_step_decay_out_of_range(warmup: float, every: float, factor: float):
    with pytest.raises(ValueError, match=r"got (warmup|every|factor)="):
        StepDecay(warmup=warmup, every=every, factor=factor)
    with pytest.raises(ValueError, match="got start=5"):
        StepDecay(warmup=0.0, every=0.1, factor=0.5, start=5)


@pytest.mark.parametrize(("cycle", "low", "decay"), [(130_000, 0.1, 1.0), (0.5, 0.0, 1.0), (0.5, 0.1, 1.5)])
def test_triangular_out_of_range(cycle: float, low: float, decay: float):
    with pytest.raises(ValueError, match=r"got (cycle|low|decay)="):
        Triangular(cycle=cycle, low=low, decay=decay)


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (0.0, 0.0),
        (0.2, 0.0),
        (0.2 + 0.2 / 3, 0.9 / 0.999),
        (0.2 + 0.4 / 3, 0.99 / 0.999),
        (0.4, 1.0),
        (0.9, 1.0),
        (1.001, 1.0),
    ],
)
def test_margin_ramp_by_hand(progress: float, expected: float):
    """Every third of the ramp leaves a tenth of what was missing: 0.9, 0.99 and 0.999 of 0.999."""
    assert MarginRamp(start=0.2, end=0.4)(progress) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_margin_ramp_follows_the_published_form_within_a_thousandth():
    """The published form: epochs 20 to 40 of 150, 1 - exp(ln(1e-3) q)."""
    schedule = MarginRamp(start=20 / 150, end=40 / 150)
    for epoch in (21, 25, 30, 35, 39):
        published = 1 - math.exp(math.log(1e-3) * (epoch - 20) / 20)
        assert schedule(epoch / 150) == pytest.approx(published, rel=1.1e-3)


def test_margin_ramp_never_falls():
    schedule = MarginRamp(start=0.1, end=0.8)
    values = [schedule(i / 1000) for i in range(1001)]
    assert values == sorted(values)
    assert values[-1] == 1.0


def test_margin_step_and_fixed_margin():
    step = MarginRamp(start=0.5, end=0.5)
    assert [step(0.4999), step(0.5)] == [0.0, 1.0]
    assert MarginRamp(start=0.0, end=0.0)(0.0) == 1.0


@pytest.mark.parametrize(("start", "end"), [(0.5, 0.4), (-0.1, 0.4), (0.2, 1.1), (20, 40)])
def test_margin_ramp_out_of_order(start: float, end: float):
    with pytest.raises(ValueError, match="got start="):
        MarginRamp(start=start, end=end)


@pytest.mark.parametrize("schedule", [*LEARNING_RATES, MarginRamp(start=0.2, end=0.4)])
def test_schedules_pickle_and_refuse_negative_progress(schedule: WarmupCosine | ExponentialDecay | MarginRamp):
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    with pytest.raises(AssertionError, match="negative"):
        schedule(-0.01)
