import numpy as np
import pytest

from avis.metrics.bootstrap import Resampling
from avis.metrics.dcf import act_dcf, min_dcf
from avis.metrics.equalised import condition_columns, equalised_costs
from avis.metrics.operating_point import OperatingPoint
from avis.metrics.protocols import PROTOCOLS
from avis.metrics.trials import Trials

KEY = ("gender", "num_enroll_segs", "phone_num_match", "source_type")
EVEN = {"SRE18": (OperatingPoint(0.5),)}


def listed(rows: list[tuple]) -> tuple[Trials, dict[str, np.ndarray]]:
    """Trials from rows ``(score, target, *conditions of SRE18)``."""
    score, target, *conditions = zip(*rows, strict=True)
    columns = {name: np.array(values, dtype=object) for name, values in zip(KEY, conditions, strict=True)}
    values = np.array(score, dtype=np.float64)
    return Trials(values, np.array(target), values), columns


def costs_of(rows: list[tuple], protocols: dict = EVEN) -> dict:
    return equalised_costs(*listed(rows), protocols=protocols, resampling=None)


def some_rows(seed: int = 0, num: int = 800) -> list[tuple]:
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(num):
        target = bool(rng.random() < 0.3)
        gender, segments, source = rng.choice(["male", "female"]), int(rng.choice([1, 3])), rng.choice(["pstn", "voip"])
        phone = "Y" if target and rng.random() < 0.5 else "N"
        shift = 2.0 * (gender == "male") + (segments == 3)
        rows.append((rng.normal(6.0 * target + shift - 4.0), target, gender, segments, phone, source))
    return rows


def test_by_hand() -> None:
    common = ("N", "pstn")
    rows = [
        *[(2.0, True, "male", 1, *common)] * 3,
        (-1.0, True, "male", 1, *common),  # one of four missed at a threshold of 0
        (1.0, True, "female", 1, *common),
        (-1.0, True, "female", 1, *common),  # one of two
        *[(-2.0, False, "male", 1, *common)] * 9,
        (1.0, False, "male", 1, *common),  # one of ten accepted
        *[(-2.0, False, "female", 1, *common)] * 5,
    ]
    found = costs_of(rows)["SRE18"]
    # Means over the two parts: misses (1/4 + 1/2) / 2 and false alarms (1/10 + 0) / 2.
    assert found["act"] == pytest.approx(0.375 + 0.05)
    # Best is to accept from 2 on, at misses (1/4 + 1) / 2, or from -1 on, at false alarms 1/20.
    assert found["min"] == pytest.approx(0.05)
    assert (found["num_partitions"], found["num_left_out"], found["columns"]) == (2, 0, sorted(found["columns"]))


def test_non_targets_of_the_same_number_count_nowhere() -> None:
    rows = [
        (1.0, True, "male", 1, "Y", "pstn"),
        (-1.0, True, "male", 1, "N", "pstn"),
        (9.0, False, "male", 1, "Y", "pstn"),
        (-2.0, False, "male", 1, "N", "pstn"),
        (0.5, False, "male", 1, "N", "pstn"),
    ]
    found = costs_of(rows)["SRE18"]
    # The part "same number" has targets alone: misses (0 + 1) / 2, false alarms 1/2 of the other part only.
    assert found["act"] == pytest.approx(0.5 + 0.5)
    assert (found["num_partitions"], found["num_left_out"]) == (2, 1)


def test_parts_that_are_told_apart_without_error_cost_nothing() -> None:
    apart = [(100.0 if target else score - 100.0, target, *rest) for score, target, *rest in some_rows()]
    assert (found := costs_of(apart, PROTOCOLS)["SRE18"])["min"] == 0.0
    assert found["act"] == 0.0


def test_equal_parts_give_the_pooled_cost() -> None:
    rng = np.random.default_rng(3)
    rows = []
    for gender in ("male", "female"):
        for segments in ("1", "3"):
            rows += [(rng.normal(2.0), True, gender, segments, "N", "voip") for _ in range(50)]
            rows += [(rng.normal(-2.0), False, gender, segments, "N", "voip") for _ in range(200)]
    scores, target = (np.array(column) for column in zip(*(row[:2] for row in rows), strict=True))
    found = costs_of(rows, PROTOCOLS)["SRE18"]
    for kind, cost in (("min", min_dcf), ("act", act_dcf)):
        pooled = np.mean([cost(scores, target, p_target=p_target) for p_target in (0.01, 0.005)])
        assert found[kind] == pytest.approx(pooled)


def test_a_part_counts_the_same_however_often_it_is_listed() -> None:
    rows = some_rows()
    female = [row for row in rows if row[2] == "female" and row[3] == 1]
    found, again = (costs_of(each, PROTOCOLS)["SRE18"] for each in (rows, [*rows, *female, *female]))
    assert (again["min"], again["act"]) == pytest.approx((found["min"], found["act"]))
    assert found["num_partitions"] == 16
    pooled = [np.array(column) for column in zip(*(row[:2] for row in rows), strict=True)]
    assert found["act"] != pytest.approx(act_dcf(*pooled, p_target=0.01), rel=0.01)


def test_costs_are_those_of_a_plain_loop_over_parts_and_thresholds() -> None:
    rows = [(round(score, 1), *rest) for score, *rest in some_rows(1)]
    parts: dict[tuple, list[tuple]] = {}
    for score, target, *part in rows:
        parts.setdefault(tuple(part), []).append((score, target))

    def rates(threshold: float) -> tuple[float, float]:
        misses, false_alarms = [], []
        for part in parts.values():
            targets, nontargets = ([score for score, is_target in part if is_target == kind] for kind in (True, False))
            misses += [np.mean([score < threshold for score in targets])] if targets else []
            false_alarms += [np.mean([score >= threshold for score in nontargets])] if nontargets else []
        return float(np.mean(misses)), float(np.mean(false_alarms))

    odds = 19.0
    thresholds = [*sorted({row[0] for row in rows}), np.inf]
    least = min(miss + odds * false_alarm for miss, false_alarm in map(rates, thresholds))
    miss, false_alarm = rates(np.log(odds))
    found = costs_of(rows, {"SRE18": (OperatingPoint(0.05),)})["SRE18"]
    assert (found["min"], found["act"]) == pytest.approx((least, miss + odds * false_alarm))


def test_only_lists_with_the_conditions_and_their_values_are_parted() -> None:
    trials, columns = listed(some_rows())
    assert set(equalised_costs(trials, columns, protocols=PROTOCOLS, resampling=None)) == {"SRE18", "SRE19"}
    assert condition_columns([*columns, "score"]) == sorted(KEY)
    assert condition_columns(["gender", "score"]) == []
    other = columns | {"source_type": np.full(trials.target.size, "afv", dtype=object)}
    assert equalised_costs(trials, other, protocols=PROTOCOLS, resampling=None) == {}
    partly = columns | {"gender": np.where(np.arange(trials.target.size) < 20, None, columns["gender"])}
    found = equalised_costs(trials, partly, protocols=PROTOCOLS, resampling=None)["SRE18"]
    assert found["num_left_out"] == 20
    spelled = columns | {"phone_num_match": np.char.lower(columns["phone_num_match"].astype(str))}
    same = equalised_costs(trials, spelled, protocols=EVEN, resampling=None)
    assert same == equalised_costs(trials, columns, protocols=EVEN, resampling=None)


def test_scores_that_are_no_ratios_have_a_minimum_alone() -> None:
    trials, columns = listed(some_rows())
    found = equalised_costs(trials._replace(llr=None), columns, protocols=EVEN, resampling=None)["SRE18"]
    assert "act" not in found
    assert found["min"] == equalised_costs(trials, columns, protocols=EVEN, resampling=None)["SRE18"]["min"]


def test_intervals_draw_speakers() -> None:
    trials, columns = listed(some_rows())
    rng = np.random.default_rng(0)
    enroll = rng.integers(0, 20, trials.target.size)
    test = np.where(trials.target, enroll, (enroll + rng.integers(1, 20, enroll.size)) % 20)
    known = trials._replace(enroll_speaker=enroll, test_speaker=test)
    found = equalised_costs(known, columns, protocols=EVEN, resampling=Resampling(40, 0.95, 0))["SRE18"]
    for kind in ("min", "act"):
        low, high = found["intervals"]["figures"][kind]
        assert low < found[kind] < high
    assert found["intervals"]["num_speakers"] == 20
