"""Statistics of orders over trials: what is faithful passes, chance does not, and what is turned round fails."""

import numpy as np
import pytest

from avis.explain.faithfulness.orders import orders
from avis.explain.faithfulness.statistics import Ordered, means, of_orders
from avis.explain.record import Order
from avis.metrics.bootstrap import Resampling
from tests.avis.explain.faithfulness.test_orders import judge_by_cosine

FEW = Resampling(num_draws=500, confidence=0.95, seed=0)


def made_up_trials(num: int = 60) -> list[Ordered]:
    """Trials of 12 segments, of which each says the more the louder it is, but for noise; and what routes say of it."""
    trials = []
    for number in range(num):
        rng = np.random.default_rng(number)
        enroll = rng.normal(size=8)
        says = rng.uniform(-1, 1, size=12)
        segments = says[:, None] * enroll / np.linalg.norm(enroll) + rng.normal(size=(12, 8))
        shares = segments @ enroll
        judge = judge_by_cosine(enroll, segments.mean(axis=0))
        priorities = {
            "share": shares,
            "gradient": -shares,
            "shapley": rng.normal(size=12),
            "energy": says + 0.5 * rng.normal(size=12),
        }
        made = orders(judge, segments, priorities, toward=1)
        trials.append(Ordered(f"speaker {number % 10}", f"speaker {number // 6}", made))
    return trials


@pytest.fixture(scope="module")
def told():
    return {of.by: of for of in of_orders(made_up_trials(), FEW)}


def test_exact_shares_are_faithful_and_beat_energy(told):
    assert told["share"].faithful
    assert told["share"].no_better_than == []
    assert told["share"].insertion_z.positive


def test_chance_is_no_better_than_chance(told):
    low, high = told["shapley"].deletion_z.interval
    assert low < 0 < high
    assert not told["shapley"].faithful
    assert told["shapley"].no_better_than == ["random", "energy"]


def test_shares_of_the_wrong_sign_fail(told):
    assert told["gradient"].deletion_z.interval[1] < -2
    assert told["gradient"].no_better_than == ["random", "energy"]


def test_differences_to_a_baseline_are_paired():
    trials = []
    for number in range(6):
        chance = Order(by="random", deletion=-1.0, insertion=-1.0, deletion_sd=0.5, insertion_sd=0.25)
        energy = Order(by="energy", deletion=-1.0 - number, insertion=float(number))
        share = Order(by="share", deletion=-1.1 - number, insertion=number + 0.2)
        trials.append(Ordered(f"{number}", f"{number}", [share, energy, chance]))
    share = of_orders(trials, FEW)[0]
    of_energy = share.against[1]
    assert (of_energy.baseline, of_energy.deletion.value) == ("energy", pytest.approx(0.1))
    assert of_energy.deletion.interval == pytest.approx((0.1, 0.1))
    assert of_energy.insertion.interval == pytest.approx((0.2, 0.2))
    assert share.deletion_z.value == pytest.approx(np.mean([(0.1 + number) / 0.5 for number in range(6)]))
    assert share.insertion_z.value == pytest.approx(np.mean([(1.2 + number) / 0.25 for number in range(6)]))


def test_what_a_trial_lacks_is_left_out_there():
    chance = Order(by="random", deletion=0.0, insertion=0.0, deletion_sd=1.0, insertion_sd=1.0)
    alike = Order(by="random", deletion=0.0, insertion=0.0, deletion_sd=0.0, insertion_sd=0.0)
    share = Order(by="share", deletion=-3.0, insertion=3.0)
    attention = Order(by="attention", deletion=-1.0, insertion=1.0)
    trials = [
        Ordered("a", "a", [share, attention, chance]),
        Ordered("b", "b", [share, chance]),
        Ordered("c", "c", [share, alike]),
        Ordered("d", "d", []),
    ]
    share_told, attention_told = of_orders(trials, FEW)
    assert (share_told.deletion_z.num_trials, attention_told.deletion_z.num_trials) == (2, 1)
    assert [each.baseline for each in share_told.against] == ["random", "attention"]
    assert share_told.against[1].deletion.num_trials == 1
    assert of_orders([], FEW) == []


def test_intervals_draw_both_speakers():
    values = np.array([[0.0], [0.0], [6.0]])
    speakers = ["a", "b", "a"], ["a", "b", "b"]
    told = means(values, speakers, Resampling(4000, 0.5, 0))[0]
    # drawn (2, 0), (1, 1), (0, 2) times with chances 1/4, 1/2, 1/4: the mean is 0, 2, 0
    assert (told.value, told.interval) == (2.0, (0.0, 2.0))


def test_nan_is_no_value():
    told = means(np.array([[1.0, np.nan], [np.nan, np.nan]]), (["a", "b"], ["a", "b"]), FEW)
    assert (told[0].value, told[0].num_trials) == (1.0, 1)
    assert (told[1].num_trials, told[1].interval) == (0, None)
