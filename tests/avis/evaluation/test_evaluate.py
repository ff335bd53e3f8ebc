"""Evaluating: metrics.json as promised, from any kind of scores, or a clear error."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from avis.evaluation.evaluate import Evaluated, evaluate, show, with_answers
from avis.evaluation.metrics_json import to_json
from avis.metrics.figures import EER
from avis.metrics.intervals import Difference, Differences, Draws, Interval
from avis.metrics.list_metrics import Baseline, ListMetrics
from avis.metrics.summary import summarize
from avis.reports.reading import verdict

SCORES = [3.0, 2.0, 1.0, -0.5, 0.5, -1.0, -2.0, -3.0]
TARGET = [True, True, True, True, False, False, False, False]
EIGHT = pa.table({"enroll": ["a"] * 8, "test": ["b"] * 8, "target": TARGET, "score": pa.array(SCORES, pa.float32())})
LINES = [
    f"{word}\t {score}"
    for word, score in zip(["1", "target", "1", "target", "0", "nontarget", "0", "nontarget"], SCORES, strict=True)
]
KEYS = {
    *("eer", "eer_threshold", "min_dcf", "auc", "accuracy", "num_target", "num_nontarget", "eer_rocch", "min_cllr"),
    *("fnmr", "fmr", "fnmr_at_fmr", "dcf", "reversed", "intervals", "intervals_note", "scores"),
}

Evaluate = Callable[..., dict[str, Any]]
Build = Callable[..., str]
Tables = Callable[..., pa.Table]


@pytest.mark.few(1)
@pytest.mark.parametrize("form", ["stored", "written", "text"])
def test_metrics_are_the_promised_figures(
    tmp_path: Path, form: str, request: pytest.FixtureRequest, evaluation: Any, capsys: pytest.CaptureFixture[str]
):
    uri = request.getfixturevalue(form)("scores", [*LINES, ""] if form == "text" else EIGHT)
    result = evaluate({"vox1_o": uri}, str(tmp_path / "out"), facts={"run": "r1"}, evaluation=evaluation())
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    cautions = {name: of_list.pop("cautions") for name, of_list in metrics.items()}
    assert any("Too few trials" in caution for caution in cautions["vox1_o"])
    assert {name: to_json(of_list) for name, of_list in result.metrics.items()} == metrics
    assert set(metrics) == {"vox1_o"}
    found = metrics["vox1_o"]
    assert set(found) == KEYS
    assert set(found["min_dcf"]) == {"0.01", "0.05"}
    assert (found["eer"], found["eer_threshold"]) == (0.25, 0.5)
    assert found["auc"] == pytest.approx(roc_auc_score(TARGET, SCORES))
    assert found["accuracy"] == 6 / 8
    assert (found["num_target"], found["num_nontarget"]) == (4, 4)
    # Rejecting the one target below the highest non-target costs a quarter of P_target, whatever the prior.
    assert found["min_dcf"] == pytest.approx({"0.01": 0.25, "0.05": 0.25})
    assert (tmp_path / "out" / "vox1_o-det.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "out" / "vox1_o-histogram.png").stat().st_size > 1000
    report = (tmp_path / "out" / "report.html").read_text()
    assert "vox1_o" in report
    assert "r1" in report
    show(result)
    printed = capsys.readouterr().out
    assert "vox1_o: EER 25.00%" in printed
    assert result.metrics_path in printed


def test_several_lists_are_kept_apart(tmp_path: Path, text: Build, evaluation: Any):
    scores = {"a": text("a", LINES), "b": text("b", ["1 1.0", "0 0.0"])}
    metrics = evaluate(scores, str(tmp_path / "out"), facts={}, evaluation=evaluation()).metrics
    assert [metrics[name].summary.figures[EER] for name in "ab"] == [0.25, 0.0]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1 0.5", "0 nan"], "Scores must be finite: got score=nan"),
        (["1 0.5", "0 -inf"], "Scores must be finite: got score=-inf"),
        (["1 0.5", "1 0.2"], "need both kinds of trial: got num_target=2"),
        (["0 0.5", "0 0.2"], "need both kinds of trial: got num_target=0"),
        (["1 0.5", "yes 0.2"], "got target='yes'.* line 2"),
        (["1 0.5", "", "0 a b"], "has 2 words: got '0 a b', .* line 3"),
        (["1 0.5", "0 high"], "got score='high'.* line 2"),
        ([], "Metrics need trials: got trials=0"),
    ],
)
def test_scores_that_make_no_sense_are_errors(
    tmp_path: Path, lines: list[str], message: str, text: Build, evaluated: Evaluate
):
    uri = text("scores", lines)
    with pytest.raises(ValueError, match=message) as raised:
        evaluated(uri)
    assert uri in str(raised.value)
    assert not (tmp_path / "out" / "metrics.json").exists()


@pytest.mark.parametrize("trials_in_memory", [4, 1000])
def test_a_wrong_score_is_named_with_its_column_and_file(trials_in_memory: int, written: Build, evaluated: Evaluate):
    for llr in ([None, *SCORES[1:]], [float("nan"), *SCORES[1:]]):
        uri = written("x", pa.table({"target": TARGET, "score": SCORES, "llr": llr}))
        with pytest.raises(ValueError, match=rf"got score=nan .* At trial index 0.* column llr of {uri}\."):
            evaluated(uri, trials_in_memory=trials_in_memory)


def test_an_empty_table_has_no_trials(written: Build, stored: Build, evaluated: Evaluate):
    for uri in (written("empty", EIGHT.slice(0, 0)), stored("empty", EIGHT.slice(0, 0))):
        with pytest.raises(ValueError, match=r"Metrics need trials: got trials=0.* column score of .*empty"):
            evaluated(uri)


@pytest.mark.slow
def test_the_cap_of_ratios_is_named_and_costs_beyond_it_too(
    tmp_path: Path, stored: Build, evaluation: Any, capsys: pytest.CaptureFixture[str]
):
    """Capped at 20 to 1, which decides where 5 % are targets (19 to 1), but not where 1 % are (99 to 1)."""
    uncapped = np.array([6.0, 5.0, 4.0, -1.0, 4.5, -3.0, -4.0, -5.0], np.float32)
    llr = np.clip(uncapped, -2.0, np.log(20.0)).astype(np.float32)
    table = pa.table({"target": [True] * 4 + [False] * 4, "score": uncapped, "llr_uncapped": uncapped, "llr": llr})
    calibration = {"lower": -2.0, "upper": np.log(20.0), "num_speakers": 9, "num_target": 1200, "num_nontarget": 3456}
    uri = stored("scores", table, calibration=calibration)
    result = evaluate({"x": uri}, str(tmp_path / "out"), facts={}, evaluation=evaluation())
    found = json.loads(Path(result.metrics_path).read_text())["x"]
    assert {key: found["calibration"][key] for key in calibration} == calibration
    assert np.log(99.0) in found["calibration"]["beyond"]
    assert np.log(19.0) not in found["calibration"]["beyond"]
    assert found["min_dcf"]["0.01"] == pytest.approx(0.5), "by the order beneath the cap: above 4.5 are two of four"
    assert found["act_dcf"]["0.01"] == 1.0, "all rejected"
    costs = np.log2(1.0 + np.exp(np.where(table["target"].to_numpy(), -llr, llr)))
    assert found["cllr"] == pytest.approx((costs[:4].mean() + costs[4:].mean()) / 2)
    page, words = Path(result.report_path).read_text(), "capped at -2.00 and 3.00 (7.4 to 1 against, 20.0 to 1 for"
    assert words in page
    assert "9 speakers, 1,200 target and 3,456 non-target trials" in page
    assert "Coarsely calibrated: the likelihood ratios rest on 9 speakers" in page
    assert "Actual costs at thresholds of" in page
    assert "would go with better calibration. Some may be the price of their cap." in page
    show(result)
    assert f"x: log-likelihood ratios {words}" in capsys.readouterr().out


def test_speakers_give_intervals_groups_and_a_comparison(
    tmp_path: Path, written: Build, speakers_table: Tables, evaluation: Any, capsys: pytest.CaptureFixture[str]
):
    ours = written("ours", speakers_table())
    theirs = written("theirs", speakers_table(2, 0.1).drop_columns(["llr", "enroll_speaker"]))
    points = {"bank": {"p_target": 0.5, "c_fa": 10}}
    settings = evaluation(subgroups=["gender", "duration_s"], operating_points=points)
    result = evaluate({"list": ours}, str(tmp_path / "out"), facts={}, evaluation=settings, baseline=theirs)
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())["list"]
    assert "Only 15 speakers: the intervals are rough and rather too narrow." in found.pop("cautions")
    assert found == to_json(result.metrics["list"])
    low, high = found["intervals"]["figures"]["eer"]
    assert low < found["eer"] < high
    assert found["intervals"]["num_speakers"] == 15
    assert found["calibration_loss"] == pytest.approx(found["cllr"] - found["min_cllr"])
    assert set(found["intervals"]["figures"]["dcf"]["bank"]) == set(found["dcf"]["bank"]) == {"min", "act"}
    assert list(found["subgroups"]["gender"]["groups"]) == ["f", "m"]
    bins = list(found["subgroups"]["duration_s"]["groups"])
    assert [name.split()[0] for name in (bins[0], bins[-1])] == ["below", "from"]
    assert len(bins) == 4
    assert found["subgroups"]["gender"]["threshold"] == found["eer_threshold"]
    difference = found["baseline"]["differences"]["figures"]["eer"]
    assert difference["difference"] == pytest.approx(found["eer"] - found["baseline"]["metrics"]["eer"])
    assert difference["p_value"] < 0.1
    show(result)
    assert "points against the baseline's" in capsys.readouterr().out


@pytest.mark.slow
def test_values_of_few_trials_do_not_count_for_fairness_and_nist_columns_equalise(
    tmp_path: Path, written: Build, speakers_table: Tables, evaluated: Evaluate
):
    table = speakers_table()
    gender = [None if row < 2 else name for row, name in enumerate(table["gender"].to_pylist())]
    table = table.set_column(table.column_names.index("gender"), "gender", pa.array(gender))
    for name, values in {"num_enroll_segs": [1, 3], "phone_num_match": ["N"], "source_type": ["pstn", "voip"]}.items():
        table = table.append_column(name, pa.array([values[row % len(values)] for row in range(len(table))]))
    found = evaluated(written("x", table), subgroups=["gender"], fairness_min_trials=100)
    fairness = found["subgroups"]["gender"]
    assert (list(fairness["left_out"]), fairness["min_trials"]) == (["(unknown)"], 100)
    low, high = fairness["fairness_intervals"]["figures"]["fdr"]
    assert low <= fairness["fdr"] <= high
    equalised = found["dcf_equalised"]["SRE18"]
    assert (equalised["num_partitions"], equalised["num_left_out"]) == (4, 2)
    assert equalised["intervals"]["figures"]["min"][0] < equalised["min"] < equalised["intervals"]["figures"]["min"][1]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "SRE18, equalised" in page
    assert "Left out of it: (unknown)" in page


@pytest.mark.slow
def test_without_speakers_or_draws_there_is_no_interval(written: Build, speakers_table: Tables, evaluated: Evaluate):
    both = written("both", speakers_table())
    bare = written("bare", speakers_table().drop_columns(["enroll_speaker"]))
    for uri, changes, note in (
        (bare, {}, "who speaks"),
        (both, {"bootstrap_draws": 0, "subgroups": ["gender"]}, "bootstrap_draws=0"),
    ):
        found = evaluated(uri, baseline=bare, **changes)
        assert found["intervals"] is None
        assert note in found["intervals_note"]
        for group in found.get("subgroups", {"gender": {"groups": {}}})["gender"]["groups"].values():
            assert group["intervals"] is None
    assert found["baseline"]["differences"]["figures"]["eer"] == {"difference": 0.0, "interval": None, "p_value": None}


@pytest.mark.slow
def test_speakers_that_contradict_answers_give_no_interval(
    tmp_path: Path, written: Build, speakers_table: Tables, evaluated: Evaluate
):
    table = speakers_table()
    wrong = table.slice(0, 3).set_column(2, "target", pa.array([not t for t in table["target"][:3].to_pylist()]))
    uri = written("wrong", pa.concat_tables([wrong, table.slice(3)]))
    found = evaluated(uri, baseline=uri, subgroups=["gender"])
    note = "no interval: the speakers of 3 of 600 trials contradict the answer"
    assert (found["intervals"], found["intervals_note"]) == (None, note)
    assert [group["intervals"] for group in found["subgroups"]["gender"]["groups"].values()] == [None, None]
    assert found["baseline"]["differences"]["intervals_note"] == note
    assert note in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
def test_trials_without_speakers_are_counted(written: Build, speakers_table: Tables, evaluated: Evaluate):
    table = speakers_table()
    for side, rows in {"enroll_speaker": {0, 1}, "test_speaker": {1, 2, 3}}.items():
        names = [None if row in rows else name for row, name in enumerate(table[side].to_pylist())]
        table = table.set_column(table.column_names.index(side), side, pa.array(names, pa.string()))
    note = evaluated(written("x", table))["intervals_note"]
    assert note == "no interval: the scores do not say who speaks in 4 of 600 trials"


@pytest.mark.slow
def test_pictures_of_an_earlier_evaluation_go(tmp_path: Path, written: Build, speakers_table: Tables, evaluation: Any):
    full, out = written("full", speakers_table()), tmp_path / "out"
    bare = written("bare", speakers_table().drop_columns(["llr"]))
    evaluate({"a": full, "b": full}, str(out), facts={}, evaluation=evaluation())
    assert len(list(out.glob("*.png"))) == 10
    (out / "own-det.png").touch()
    evaluate({"a": bare}, str(out), facts={}, evaluation=evaluation())
    assert {path.name for path in out.glob("*.png")} == {"a-det.png", "a-histogram.png", "own-det.png"}


@pytest.mark.slow
def test_a_long_list_has_the_figures_of_one_in_memory(
    tmp_path: Path, written: Build, speakers_table: Tables, evaluated: Evaluate
):
    uri = written("long", speakers_table(), row_group_size=70)
    short, long = evaluated(uri), evaluated(uri, trials_in_memory=100)
    assert long["intervals"] is None
    assert "these 600 are more than evaluation.trials_in_memory=100. Raise it" in long["intervals_note"]
    assert long["intervals_note"] in (tmp_path / "out" / "report.html").read_text()
    assert len(list((tmp_path / "out").glob("x-*.png"))) == 5
    for key in set(short) - {"intervals", "cllr", "calibration_loss", "cautions"}:
        assert long[key] == short[key]
    assert long["cllr"] == pytest.approx(short["cllr"], abs=1e-12)
    with pytest.raises(ValueError, match="list too long: got 600 trials"):
        evaluated(uri, trials_in_memory=100, baseline=uri)


def test_a_baseline_is_of_the_same_list(written: Build, speakers_table: Tables, evaluated: Evaluate):
    table = speakers_table()
    ours = written("ours", table)
    for other, message in (
        (table.slice(1), "other trials in the baseline: got 599 trials in both"),
        (pa.concat_tables([table, table.slice(0, 2)]), "got 600 trials in both, expected all of 600 and 602"),
        (pa.concat_tables([table.slice(2), table.slice(3, 2)]), "got 598 trials in both, expected all of 600 and 600"),
        (table.drop_columns(["enroll"]), "columns missing: .*Add enroll"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluated(ours, baseline=written("theirs", other))


@pytest.mark.parametrize(("p_value", "words"), [(0.04, "beyond chance"), (0.05, "may be chance")])
def test_console_and_report_judge_a_difference_alike(p_value: float, words: str, capsys: pytest.CaptureFixture[str]):
    eer = Difference(0.01, Interval(0.001, 0.02), p_value)
    differences = Differences({EER: eer}, Draws(confidence=0.95, num_draws=1000, num_empty=0, num_speakers=40))
    summary = summarize(SCORES, TARGET)
    metrics = ListMetrics(summary=summary, baseline=Baseline("other", summary, differences))
    show(Evaluated({"x": metrics}, "m", "r"))
    assert words in capsys.readouterr().out
    assert ("more than chance" if words == "beyond chance" else words) in verdict(differences)


def lines_of(table: pa.Table, *columns: str) -> list[str]:
    return [" ".join(str(row[name]) for name in columns) for row in table.to_pylist()]


@pytest.mark.slow
def test_text_with_ids_can_be_compared_whatever_the_order(
    written: Build, text: Build, speakers_table: Tables, evaluated: Evaluate
):
    ours, theirs = speakers_table(), speakers_table(2, 0.1)
    answer = pa.array(["target" if target else "nontarget" for target in ours["target"].to_pylist()])
    labelled = ours.set_column(ours.column_names.index("target"), "target", answer)
    four = text("four", lines_of(labelled, "enroll", "test", "target", "score"))
    three = text("three", lines_of(theirs, "enroll", "test", "score"))
    found = evaluated(four, baseline=three)
    expected = evaluated(written("ours", ours), baseline=written("theirs", theirs))
    assert found["eer"] == expected["eer"]
    assert found["baseline"]["metrics"]["eer"] == expected["baseline"]["metrics"]["eer"]
    assert found["min_dcf"] == pytest.approx(expected["min_dcf"])
    with pytest.raises(ValueError, match=r"answers unknown: got .* as trials=<list>"):
        evaluated(three)
    few = text("few", lines_of(theirs.slice(5), "enroll", "test", "score"))
    with pytest.raises(ValueError, match=rf"other trials in the baseline: .* At {few}"):
        evaluated(four, baseline=few)


def test_text_without_ids_has_no_baseline(text: Build, evaluated: Evaluate):
    uri = text("scores", LINES)
    message = rf"columns missing: .* At {uri}\. Add enroll, test: lines may be .*'<enroll> <test>"
    with pytest.raises(ValueError, match=message):
        evaluated(uri, baseline=uri)


def test_a_baseline_of_other_answers_is_named(written: Build, speakers_table: Tables, evaluated: Evaluate):
    table = speakers_table()
    target = [not answer if row == 7 else answer for row, answer in enumerate(table["target"].to_pylist())]
    turned = table.set_column(table.column_names.index("target"), "target", pa.array(target))
    ours, theirs = written("ours", table), written("theirs", turned)
    with pytest.raises(ValueError, match=rf"other answers in the baseline: got 1 of {len(table)} trials.* At {theirs}"):
        evaluated(ours, baseline=theirs)


def test_lists_without_answers_are_named_and_left_out(stored: Build, capsys: pytest.CaptureFixture[str]):
    blind = EIGHT.set_column(2, "target", pa.nulls(8, pa.bool_()))
    partly = EIGHT.set_column(2, "target", pa.array([*TARGET[:7], None]))
    scores = {"a": stored("a", EIGHT), "b": stored("b", blind), "c": stored("c", partly)}
    assert with_answers(scores) == {"a": scores["a"], "c": scores["c"]}
    assert capsys.readouterr().out == f"b: 8 trials without answers\nscores:  {scores['b']}\n"
