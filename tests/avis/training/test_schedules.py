"""Schedules at hand-computed points."""

import math
import pickle

import pytest

from avis.training.schedules import ExponentialDecay, MarginRamp, WarmupCosine

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
    [(0.0, 0.001), (0.05, 0.5005), (0.1, 1.0), (0.325, 10**-0.5), (0.55, 0.1), (1.0, 0.01), (1.001, 0.01)],
)
def test_exponential_decay_by_hand(progress: float, expected: float):
    """From 1 to 1/100: half-way down it is 1/10, a quarter of the way 1/sqrt 10."""
    assert LEARNING_RATES[1](progress) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("schedule", LEARNING_RATES, ids=["cosine", "exponential"])
def test_learning_rate_rises_to_one_then_falls(schedule: WarmupCosine | ExponentialDecay):
    values = [schedule(i / 1000) for i in range(1001)]
    assert all(0 < value <= 1 for value in values)
    assert max(values) == values[100] == 1.0
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
