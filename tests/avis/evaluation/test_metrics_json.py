"""Typed metrics become the JSON of metrics.json, and the figures of every list come back from it."""

import json

import numpy as np
import pytest

from avis.evaluation.metrics_json import from_json, to_json
from avis.metrics.equalised import ACT, MIN, EqualisedCosts
from avis.metrics.figures import CLLR, EER, FMR, FNMR, Figure, FigureSet
from avis.metrics.identification import IdentificationFigures, OpenSetRate
from avis.metrics.intervals import Difference, Differences, Draws, Interval, Intervals
from avis.metrics.list_metrics import Baseline, CalibrationFacts, FusedSystem, FusionFacts, ListFigures, ListMetrics
from avis.metrics.subgroups import FDR, GARBE, Group, RateOfErrors, Subgroups
from avis.metrics.summary import Summary, summarize

DRAWS = Draws(confidence=0.95, num_draws=1000, num_empty=2, num_speakers=40)
FIGURES = {
    EER: 0.1,
    FMR: 0.2,
    Figure("fnmr_at_fmr", "0.01"): 0.3,
    CLLR: 0.4,
    Figure("min_dcf", "0.01"): 0.5,
    Figure("protocol_min_dcf", "SRE08"): 0.6,
    Figure("protocol_act_dcf", "SRE08"): 0.7,
}
SUMMARY = Summary(FIGURES, eer_threshold=1.5, reversed=False, num_target=10, num_nontarget=20)
INTERVALS = Intervals({EER: Interval(0.05, 0.15), Figure("protocol_min_dcf", "SRE08"): Interval(0.5, 0.8)}, DRAWS)
PLAIN = {
    "eer": 0.1,
    "fmr": 0.2,
    "fnmr_at_fmr": {"0.01": 0.3},
    "cllr": 0.4,
    "min_dcf": {"0.01": 0.5},
    "dcf": {"SRE08": {"min": 0.6, "act": 0.7}},
    "eer_threshold": 1.5,
    "reversed": False,
    "num_target": 10,
    "num_nontarget": 20,
}
FACTS = {"confidence": 0.95, "num_draws": 1000, "num_empty": 2, "num_speakers": 40}


def test_figures_lie_below_their_names_and_protocols_in_order():
    metrics = ListMetrics(summary=SUMMARY, intervals=INTERVALS, scores="dev")
    drawn = {"figures": {"eer": [0.05, 0.15], "dcf": {"SRE08": {"min": [0.5, 0.8]}}}, **FACTS}
    expected = {**PLAIN, "intervals": drawn, "scores": "dev"}
    assert json.dumps(to_json(metrics)) == json.dumps(expected)


def test_groups_and_identification_are_there_where_asked_for():
    group = Group(RateOfErrors(1, 10, Interval(0.0, 0.4)), RateOfErrors(0, 0, None), None, None)
    fairness, intervals = {FDR: 0.9, GARBE: 0.2}, Intervals({FDR: Interval(0.8, 1.0)}, DRAWS)
    metrics = ListMetrics(
        summary=SUMMARY,
        intervals_note="no interval",
        identification=IdentificationFigures(6, 2, 4, 3, {1: 0.5}, {0.05: OpenSetRate(0.5, 0.0, 1.0)}),
        subgroups={"gender": Subgroups(1.5, {"f": group}, 1, {"x": "few"}, fairness, intervals)},
        dcf_equalised={"SRE18": EqualisedCosts({MIN: 0.1, ACT: 0.2}, ("gender",), 4, 17, None)},
    )
    identification = {
        **{"num_probes": 6, "num_strangers": 2, "num_enrolments": 4, "num_speakers": 3, "closed_set": {"1": 0.5}},
        "open_set": {"0.05": {"rate": 0.5, "false_alarm_rate": 0.0, "threshold": 1.0}},
    }
    of_group = {
        **{"num_target": 10, "num_nontarget": 0, "misses": 1, "false_alarms": 0, "fnmr": 0.1, "fmr": None},
        "binomial_intervals": {"fnmr": [0.0, 0.4], "fmr": None},
        **{"few_errors": True, "figures": None, "intervals": None},
    }
    by_gender = {
        **{"threshold": 1.5, "min_errors": 30, "groups": {"f": of_group}, "min_trials": 1, "left_out": {"x": "few"}},
        **{"fdr": 0.9, "garbe": 0.2, "fairness_intervals": {"figures": {"fdr": [0.8, 1.0]}, **FACTS}},
    }
    equalised = {"min": 0.1, "act": 0.2, "columns": ["gender"], "num_partitions": 4, "num_left_out": 17}
    expected = {
        **{**PLAIN, "intervals": None, "intervals_note": "no interval", "identification": identification},
        "subgroups": {"gender": by_gender},
        "dcf_equalised": {"SRE18": {**equalised, "intervals": None}},
        "scores": "",
    }
    assert json.dumps(to_json(metrics)) == json.dumps(expected)


def test_what_is_known_of_the_scores_and_a_baseline_are_there_where_they_are():
    differences = Differences({EER: Difference(-0.1, Interval(-0.2, 0.0), 0.04)}, DRAWS)
    metrics = ListMetrics(
        summary=SUMMARY,
        baseline=Baseline("other", SUMMARY, differences),
        fusion=FusionFacts({"a": FusedSystem("a", "b", "llr", 0.5, None)}, -2.0),
        calibration=CalibrationFacts(-2.0, 3.0, 9, 1200, 3456, (4.6,)),
        trained_on="4 speakers of vox",
    )
    eer = {"difference": -0.1, "interval": [-0.2, 0.0], "p_value": 0.04}
    system = {"scores": "a", "development": "b", "column": "llr", "weight": 0.5, "eer": None}
    facts = {"lower": -2.0, "upper": 3.0, "num_speakers": 9, "num_target": 1200, "num_nontarget": 3456}
    expected = {
        **PLAIN,
        "intervals": None,
        "baseline": {"scores": "other", "metrics": PLAIN, "differences": {"figures": {"eer": eer}, **FACTS}},
        "fusion": {"systems": {"a": system}, "offset": -2.0},
        "calibration": {**facts, "beyond": [4.6]},
        "trained_on": "4 speakers of vox",
        "scores": "",
    }
    assert json.dumps(to_json(metrics)) == json.dumps(expected)
    undrawn = Baseline("other", SUMMARY, Differences({EER: Difference(-0.1)}, None, "no interval"))
    assert to_json(ListMetrics(summary=SUMMARY, baseline=undrawn))["baseline"]["differences"] == {
        "figures": {"eer": {"difference": -0.1, "interval": None, "p_value": None}},
        "intervals_note": "no interval",
    }


def test_the_key_of_rates_is_there_without_any():
    summary = summarize([1, 0], [True, False], figure_set=FigureSet(fmrs=()))
    keys = list(to_json(ListMetrics(summary=summary)))
    assert keys[keys.index(FNMR.name) :][:3] == ["fnmr", "fmr", "fnmr_at_fmr"]


@pytest.mark.parametrize("llr", [False, True])
@pytest.mark.parametrize("intervals", [INTERVALS, Intervals({}, DRAWS), None])
def test_figures_come_back(llr: bool, intervals: Intervals | None):
    rng = np.random.default_rng(0)
    scores, target = rng.normal(size=50), np.arange(50) % 3 == 0
    figures = ListFigures(
        summary=summarize(scores, target, scores if llr else None),
        intervals=intervals,
        intervals_note=None if intervals else "no interval",
        scores="s3://bucket/dev",
    )
    tree = json.loads(json.dumps(to_json(ListMetrics(**vars(figures), identification_note="none"))))
    assert from_json(tree) == figures
