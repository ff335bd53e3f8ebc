"""How long a training still takes, from a clock that is given."""

import pytest

from avis.training.time_left import TimeLeft

STEP_S, VALIDATION_S = 2.0, 30.0


def left_at_each_step(*, first: int, num_epochs: int, steps: int, start_s: float = 0.0) -> list[tuple[float, float]]:
    """Return what is estimated and what is true after each step and validation of a training at an even pace."""
    now = 1000.0
    left = TimeLeft(steps_per_epoch=steps, num_epochs=num_epochs, step=first, now=now)
    now += start_s
    estimates = []
    for step in range(first + 1, num_epochs * steps + 1):
        now += STEP_S
        estimates.append((now, left.seconds(step, now, start_s=start_s)))
        if step % steps == 0:
            left.validation_starts(now)
            now += VALIDATION_S
            left.validation_ends(now)
            estimates.append((now, left.seconds(step, now, start_s=start_s)))
    return [(estimate, now - then) for then, estimate in estimates]


@pytest.mark.parametrize(("first", "start_s"), [(0, 0.0), (0, 50.0), (12, 0.0), (17, 50.0)])
def test_after_the_first_validation_it_is_right_over_all_that_is_to_come(first: int, start_s: float):
    """From the start or a checkpoint within an epoch or at its end; whatever the wait for the first batch took."""
    estimates = left_at_each_step(first=first, num_epochs=4, steps=6, start_s=start_s)
    to_its_validation = 6 - first % 6
    for estimate, true in estimates[to_its_validation:]:
        assert estimate == pytest.approx(true)
    for estimate, true in estimates[:to_its_validation]:
        validations = 4 - first // 6
        assert estimate == pytest.approx(true - validations * VALIDATION_S), "of which nothing is known yet"


def test_it_ends_with_the_last_validation():
    assert left_at_each_step(first=0, num_epochs=2, steps=3)[-1][0] == 0
