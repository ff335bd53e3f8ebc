"""Evaluating: metrics.json as promised, from any kind of scores, or a clear error."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from avis import store
from avis.evaluation.evaluate import Evaluation, evaluate, show
from avis.evaluation.identification import Identification
from avis.evaluation.score_table import Scored, matching_rows, read_scores
from avis.reports.reading import verdict

SCORES = [3.0, 2.0, 1.0, -0.5, 0.5, -1.0, -2.0, -3.0]
TARGET = [True, True, True, True, False, False, False, False]
KEYS = {"eer", "eer_threshold", "min_dcf", "auc", "accuracy", "num_target", "num_nontarget"}
NEW_KEYS = {"eer_rocch", "min_cllr", "fnmr", "fmr", "fnmr_at_fmr", "dcf", "reversed", "intervals", "intervals_note"}
OPTIONS: dict[str, Any] = {
    "seed": 0,
    "bootstrap_draws": 40,
    "confidence": 0.95,
    "operating_points": {},
    "fmrs": [0.01],
    "subgroups": [],
    "fairness_min_trials": 1,
    "identification": Identification(ranks=[], false_alarm_rates=[]),
    "trials_in_memory": 1000,
}
EVALUATION = Evaluation(**OPTIONS)


def text(path: Path, lines: list[str]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def as_store(path: Path) -> str:
    table = pa.table(
        {"enroll": ["a"] * 8, "test": ["b"] * 8, "target": TARGET, "score": pa.array(SCORES, pa.float32())}
    )
    for part, start in (("part-00000", 0), ("part-00001", 5)):
        store.commit_part(str(path), part, {"scores": table.slice(start, 5 - start or 3)}, row_group_rows=10)
    store.finish(str(path), parts=[], inputs="abc", facts={})
    return str(path)


def as_parquet(path: Path) -> str:
    pq.write_table(pa.table({"score": SCORES, "target": TARGET}), path)
    return str(path)


def as_text(path: Path) -> str:
    words = {True: ["1", "target"], False: ["0", "nontarget"]}
    lines = [f"{words[answer][i % 2]}\t {score}" for i, (answer, score) in enumerate(zip(TARGET, SCORES, strict=True))]
    return text(path, [*lines, ""])


@pytest.mark.parametrize("form", [as_store, as_parquet, as_text])
def test_metrics_are_the_promised_figures(tmp_path: Path, form, capsys: pytest.CaptureFixture[str]):
    uri = form(tmp_path / "scores")
    result = evaluate({"vox1_o": uri}, str(tmp_path / "out"), facts={"run": "r1"}, evaluation=EVALUATION)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert result["metrics"] == metrics
    assert set(metrics) == {"vox1_o"}
    found = metrics["vox1_o"]
    assert set(found) == KEYS | NEW_KEYS | {"scores"}
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
    said = capsys.readouterr().out
    assert "vox1_o: EER 25.00%" in said
    assert result["metrics_path"] in said


def test_text_may_begin_with_a_byte_order_mark(tmp_path: Path):
    (tmp_path / "scores.txt").write_text("1 0.5\n0 0.25\n", encoding="utf-8-sig")
    assert read_scores(Scored(str(tmp_path / "scores.txt"))).trials.scores.tolist() == [0.5, 0.25]


def test_several_lists_are_kept_apart(tmp_path: Path):
    scores = {"a": as_text(tmp_path / "a.txt"), "b": text(tmp_path / "b.txt", ["1 1", "0 0"])}
    metrics = evaluate(scores, str(tmp_path / "out"), facts={}, evaluation=EVALUATION)["metrics"]
    assert (metrics["a"]["eer"], metrics["b"]["eer"]) == (0.25, 0.0)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1 0.5", "0 nan"], "Scores must be finite: got score=nan"),
        (["1 0.5", "0 -inf"], "Scores must be finite: got score=-inf"),
        (["1 0.5", "1 0.2"], "need both kinds of trial: got num_target=2"),
        (["0 0.5", "0 0.2"], "need both kinds of trial: got num_target=0"),
        (["1 0.5", "yes 0.2"], "score line malformed: got 'yes 0.2', .*:2"),
        (["1 0.5", "", "0 a b"], "score line malformed: got '0 a b', .*:3"),
        (["1 0.5", "0 high"], "score line malformed: got '0 high', .*:2"),
        ([], "Metrics need trials: got trials=0"),
    ],
)
def test_scores_that_make_no_sense_are_errors(tmp_path: Path, lines: list[str], message: str):
    with pytest.raises(ValueError, match=message) as raised:
        evaluate({"list": text(tmp_path / "scores.txt", lines)}, str(tmp_path / "out"), facts={}, evaluation=EVALUATION)
    assert str(tmp_path / "scores.txt") in str(raised.value)
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_scores_that_no_trial_has_count_as_absent(tmp_path: Path):
    table = pa.table({"target": TARGET, "score": SCORES, "score_norm": pa.nulls(8, pa.float32()), "llr": pa.nulls(8)})
    scored = Scored(written(tmp_path / "x.parquet", table, row_group_size=3))
    assert (scored.deciding, scored.columns) == ("score", ["target", "score"])
    assert read_scores(scored).trials.scores.tolist() == SCORES


@pytest.mark.parametrize("trials_in_memory", [4, 1000])
def test_a_wrong_score_is_named_with_its_column_and_file(tmp_path: Path, trials_in_memory: int):
    chosen = Evaluation(**{**OPTIONS, "trials_in_memory": trials_in_memory})
    for llr in ([None, *SCORES[1:]], [float("nan"), *SCORES[1:]]):
        uri = written(tmp_path / "x.parquet", pa.table({"target": TARGET, "score": SCORES, "llr": llr}))
        with pytest.raises(ValueError, match=rf"got score=nan .* At trial index 0.* column llr of {uri}\."):
            evaluate({"x": uri}, str(tmp_path / "out"), facts={}, evaluation=chosen)


@pytest.mark.parametrize("column", ["score", "llr"])
def test_a_damaged_column_is_a_corrupt_shard(tmp_path: Path, column: str):
    table = pa.table({"target": TARGET, column: SCORES} | ({"score": SCORES} if column == "llr" else {}))
    path = tmp_path / "x.parquet"
    pq.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=True)
    start = pq.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    end = start + pq.ParquetFile(path).metadata.row_group(0).column(1).total_compressed_size
    data[end - 1] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"corrupt shard: .* At {path}"):
        read_scores(Scored(str(path)))


def test_an_empty_table_has_no_trials(tmp_path: Path):
    empty = pa.table({"score": SCORES, "target": TARGET}).slice(0, 0)
    pq.write_table(empty, tmp_path / "empty.parquet")
    store.commit_part(str(tmp_path / "empty"), "part-00000", {"scores": empty}, row_group_rows=10)
    store.finish(str(tmp_path / "empty"), parts=[], inputs="abc", facts={})
    for name in ("empty.parquet", "empty"):
        with pytest.raises(ValueError, match=r"Metrics need trials: got trials=0.* column score of .*empty"):
            evaluate({"x": str(tmp_path / name)}, str(tmp_path / "out"), facts={}, evaluation=EVALUATION)


def test_a_store_of_something_else_has_no_scores(tmp_path: Path):
    store.commit_part(str(tmp_path), "part-00000", {"rejects": pa.table({"x": [1]})}, row_group_rows=10)
    store.finish(str(tmp_path), parts=[], inputs="abc", facts={})
    with pytest.raises(ValueError, match="scores missing: got a store without them"):
        Scored(str(tmp_path))


def test_what_is_missing_is_named(tmp_path: Path):
    pq.write_table(pa.table({"score": SCORES}), tmp_path / "scores.parquet")
    with pytest.raises(ValueError, match=r"columns missing: got \['score'\].*Add target"):
        read_scores(Scored(str(tmp_path / "scores.parquet")))
    pq.write_table(pa.table({"score": SCORES, "target": [None, *TARGET[1:]]}), tmp_path / "unknown.parquet")
    with pytest.raises(ValueError, match="answers unknown: got 1 trials without target"):
        read_scores(Scored(str(tmp_path / "unknown.parquet")))
    with pytest.raises(ValueError, match=f"scores missing: .* At {tmp_path}/nothing"):
        read_scores(Scored(str(tmp_path / "nothing")))
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=f"store not finished: .* At {tmp_path}/folder"):
        read_scores(Scored(str(tmp_path / "folder")))


def test_the_cap_of_ratios_is_named_and_costs_beyond_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Capped at 20 to 1, which decides where 5 % are targets (19 to 1), but not where 1 % are (99 to 1)."""
    uncapped = np.array([6.0, 5.0, 4.0, -1.0, 4.5, -3.0, -4.0, -5.0], np.float32)
    llr = np.clip(uncapped, -2.0, np.log(20.0)).astype(np.float32)
    table = pa.table({"target": [True] * 4 + [False] * 4, "score": uncapped, "llr_uncapped": uncapped, "llr": llr})
    uri = str(tmp_path / "scores")
    store.commit_part(uri, "part-00000", {"scores": table}, row_group_rows=10)
    calibration = {"lower": -2.0, "upper": np.log(20.0), "num_speakers": 9, "num_target": 1200, "num_nontarget": 3456}
    store.finish(uri, parts=[], inputs="x", facts={"calibration": calibration})
    result = evaluate({"x": uri}, str(tmp_path / "out"), facts={}, evaluation=EVALUATION)
    found = json.loads(Path(result["metrics_path"]).read_text())["x"]
    assert {key: found["calibration"][key] for key in calibration} == calibration
    assert np.log(99.0) in found["calibration"]["beyond"]
    assert np.log(19.0) not in found["calibration"]["beyond"]
    assert found["min_dcf"]["0.01"] == pytest.approx(0.5), "by the order beneath the cap: above 4.5 are two of four"
    assert found["act_dcf"]["0.01"] == 1.0, "all rejected"
    costs = np.log2(1.0 + np.exp(np.where(table["target"].to_numpy(), -llr, llr)))
    assert found["cllr"] == pytest.approx((costs[:4].mean() + costs[4:].mean()) / 2)
    page, words = Path(result["report_path"]).read_text(), "capped at -2.00 and 3.00 (7.4 to 1 against, 20.0 to 1 for"
    assert words in page
    assert "9 speakers, 1,200 target and 3,456 non-target trials" in page
    assert "Coarsely calibrated: the likelihood ratios rest on 9 speakers" in page
    assert "Actual costs at thresholds of" in page
    assert "would go with better calibration. Some may be the price of their cap." in page
    show(result)
    assert f"x: log-likelihood ratios {words}" in capsys.readouterr().out


def speakers_table(seed: int, noise: float, num: int = 600) -> pa.Table:
    """Trials of 15 speakers with everything that a scores table may have, in an order of its own."""
    rng = np.random.default_rng(7)
    one, other = rng.integers(0, 15, (2, num))
    other[: num // 2] = one[: num // 2]
    quality = rng.normal(2 * (one == other))
    rng = np.random.default_rng(seed)
    score = (quality + noise * rng.normal(size=num)).astype(np.float32)
    columns = {
        "enroll": [f"e{i}" for i in range(num)],
        "test": [f"t{i}" for i in range(num)],
        "target": one == other,
        "score": score,
        "llr": 2 * score - 2,
        "enroll_speaker": [f"s{i:02d}" for i in one],
        "test_speaker": [f"s{i:02d}" for i in other],
        "gender": np.where(one < 7, "f", "m"),
        "duration_s": np.random.default_rng(1).uniform(1, 9, num),
    }
    return pa.table(columns).take(rng.permutation(num))


def written(path: Path, table: pa.Table, row_group_size: int | None = None) -> str:
    pq.write_table(table, path, row_group_size=row_group_size)
    return str(path)


def test_speakers_give_intervals_groups_and_a_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    ours = written(tmp_path / "ours.parquet", speakers_table(1, 2.0))
    theirs = written(tmp_path / "theirs.parquet", speakers_table(2, 0.1).drop_columns(["llr", "enroll_speaker"]))
    chosen = {
        **OPTIONS,
        "subgroups": ["gender", "duration_s"],
        "operating_points": {"bank": {"p_target": 0.5, "c_fa": 10}},
    }
    result = evaluate({"list": ours}, str(tmp_path / "out"), facts={}, evaluation=Evaluation(**chosen), baseline=theirs)
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())["list"]
    assert found == result["metrics"]["list"]
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


def test_values_of_few_trials_do_not_count_for_fairness_and_nist_columns_equalise(tmp_path: Path):
    table = speakers_table(1, 2.0)
    gender = [None if row < 2 else name for row, name in enumerate(table["gender"].to_pylist())]
    table = table.set_column(table.column_names.index("gender"), "gender", pa.array(gender))
    for name, values in {"num_enroll_segs": [1, 3], "phone_num_match": ["N"], "source_type": ["pstn", "voip"]}.items():
        table = table.append_column(name, pa.array([values[row % len(values)] for row in range(len(table))]))
    chosen = Evaluation(**{**OPTIONS, "subgroups": ["gender"], "fairness_min_trials": 100})
    uri = written(tmp_path / "x.parquet", table)
    found = evaluate({"x": uri}, str(tmp_path / "out"), facts={}, evaluation=chosen)["metrics"]["x"]
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


def test_without_speakers_or_draws_there_is_no_interval(tmp_path: Path):
    table = speakers_table(1, 2.0)
    both = written(tmp_path / "both.parquet", table)
    bare = written(tmp_path / "bare.parquet", table.drop_columns(["enroll_speaker"]))
    without = {**OPTIONS, "bootstrap_draws": 0, "subgroups": ["gender"]}
    for uri, chosen, note in ((bare, OPTIONS, "who speaks"), (both, without, "bootstrap_draws=0")):
        found = evaluate({"x": uri}, str(tmp_path / "out"), facts={}, evaluation=Evaluation(**chosen), baseline=bare)[
            "metrics"
        ]["x"]
        assert found["intervals"] is None
        assert note in found["intervals_note"]
        for cell in found.get("subgroups", {"gender": {"groups": {}}})["gender"]["groups"].values():
            assert cell["intervals"] is None
    assert found["baseline"]["differences"]["figures"]["eer"] == {"difference": 0.0, "interval": None, "p_value": None}


def test_speakers_that_contradict_answers_give_no_interval(tmp_path: Path):
    table = speakers_table(1, 2.0)
    wrong = table.slice(0, 3).set_column(2, "target", pa.array([not t for t in table["target"][:3].to_pylist()]))
    uri = written(tmp_path / "wrong.parquet", pa.concat_tables([wrong, table.slice(3)]))
    chosen = Evaluation(**{**OPTIONS, "subgroups": ["gender"]})
    found = evaluate({"x": uri}, str(tmp_path / "out"), facts={}, evaluation=chosen, baseline=uri)["metrics"]["x"]
    note = "no interval: the speakers of 3 of 600 trials contradict the answer"
    assert (found["intervals"], found["intervals_note"]) == (None, note)
    assert [cell["intervals"] for cell in found["subgroups"]["gender"]["groups"].values()] == [None, None]
    assert found["baseline"]["differences"]["intervals_note"] == note
    assert note in (tmp_path / "out" / "report.html").read_text()


def test_trials_without_speakers_are_counted(tmp_path: Path):
    table = speakers_table(1, 2.0)
    sides = {"enroll_speaker": {0, 1}, "test_speaker": {1, 2, 3}}
    for side, rows in sides.items():
        names = [None if row in rows else name for row, name in enumerate(table[side].to_pylist())]
        table = table.set_column(table.column_names.index(side), side, pa.array(names, pa.string()))
    found = evaluate(
        {"x": written(tmp_path / "x.parquet", table)}, str(tmp_path / "out"), facts={}, evaluation=EVALUATION
    )["metrics"]["x"]
    assert found["intervals_note"] == "no interval: the scores do not say who speaks in 4 of 600 trials"


def test_pictures_of_an_earlier_evaluation_go(tmp_path: Path):
    table, out = speakers_table(1, 2.0), tmp_path / "out"
    full = written(tmp_path / "full.parquet", table)
    bare = written(tmp_path / "bare.parquet", table.drop_columns(["llr"]))
    evaluate({"a": full, "b": full}, str(out), facts={}, evaluation=EVALUATION)
    assert len(list(out.glob("*.png"))) == 10
    (out / "own-det.png").touch()
    evaluate({"a": bare}, str(out), facts={}, evaluation=EVALUATION)
    assert {path.name for path in out.glob("*.png")} == {"a-det.png", "a-histogram.png", "own-det.png"}


def test_a_long_list_has_the_figures_of_one_in_memory(tmp_path: Path):
    uri = written(tmp_path / "long.parquet", speakers_table(1, 2.0), row_group_size=70)
    short = evaluate({"x": uri}, str(tmp_path / "out"), facts={}, evaluation=EVALUATION)["metrics"]["x"]
    chosen = {**OPTIONS, "trials_in_memory": 100}
    long = evaluate({"x": uri}, str(tmp_path / "out"), facts={}, evaluation=Evaluation(**chosen))["metrics"]["x"]
    assert long["intervals"] is None
    assert "these 600 are more than evaluation.trials_in_memory=100. Raise it" in long["intervals_note"]
    assert long["intervals_note"] in (tmp_path / "out" / "report.html").read_text()
    assert len(list((tmp_path / "out").glob("x-*.png"))) == 5
    for key in set(short) - {"intervals", "cllr", "calibration_loss"}:
        assert long[key] == short[key]
    assert long["cllr"] == pytest.approx(short["cllr"], abs=1e-12)
    with pytest.raises(ValueError, match="list too long: got 600 trials"):
        evaluate({"x": uri}, str(tmp_path / "out"), facts={}, evaluation=Evaluation(**chosen), baseline=uri)


def test_a_few_rows_are_read_in_the_order_asked_for(tmp_path: Path):
    rows = [7, 0, 5, 4]
    grouped = written(tmp_path / "x.parquet", pa.table({"target": TARGET, "score": SCORES}), row_group_size=3)
    for uri in (as_store(tmp_path / "store"), grouped, as_text(tmp_path / "x.txt")):
        scored = Scored(uri)
        assert scored.rows(["score", "target"], rows).to_pylist() == [
            {"score": SCORES[row], "target": TARGET[row]} for row in rows
        ]
        assert scored.rows(["score"], []).num_rows == 0


def test_a_baseline_is_of_the_same_list(tmp_path: Path):
    table = speakers_table(1, 2.0)
    ours = written(tmp_path / "ours.parquet", table)
    for other, message in (
        (table.slice(1), "other trials in the baseline: got 599 trials in both"),
        (pa.concat_tables([table, table.slice(0, 2)]), "got 600 trials in both, expected all of 600 and 602"),
        (pa.concat_tables([table.slice(2), table.slice(3, 2)]), "got 598 trials in both, expected all of 600 and 600"),
        (table.drop_columns(["enroll"]), "columns missing: .*Add enroll"),
    ):
        theirs = written(tmp_path / "theirs.parquet", other)
        with pytest.raises(ValueError, match=message):
            evaluate({"x": ours}, str(tmp_path / "out"), facts={}, evaluation=EVALUATION, baseline=theirs)


def test_repeated_trials_are_matched_in_their_order():
    ours = pa.table({"enroll": ["a", "b", "a", "a"], "test": ["x", "x", "x", "y"]})
    theirs = pa.table({"enroll": ["a", "a", "a", "b"], "test": ["y", "x", "x", "x"]})
    assert matching_rows(ours, theirs, "there").tolist() == [1, 3, 2, 0]
    with pytest.raises(ValueError, match=r"got 3 trials in both, expected all of 4 and 4\. At there\."):
        matching_rows(ours, theirs.take([0, 1, 3, 3]), "there")


@pytest.mark.parametrize(("p_value", "said"), [(0.04, "beyond chance"), (0.05, "may be chance")])
def test_console_and_report_judge_a_difference_alike(p_value: float, said: str, capsys: pytest.CaptureFixture[str]):
    eer = {"difference": 0.01, "interval": [0.001, 0.02], "p_value": p_value}
    compared = {"metrics": {"eer": 0.2}, "differences": {"figures": {"eer": eer}, "confidence": 0.95}}
    figures = {"eer": 0.21, "min_dcf": {"0.01": 1.0}, "num_target": 1, "num_nontarget": 1}
    metrics = {"x": {**figures, "intervals": None, "reversed": False, "baseline": compared}}
    show({"metrics": metrics, "metrics_path": "m", "report_path": "r"})
    assert said in capsys.readouterr().out
    assert ("more than chance" if said == "beyond chance" else said) in verdict(compared)


def test_just_enough_draws_will_do():
    for draws, confidence in ((40, 0.95), (20, 0.9), (200, 0.99), (0, 0.95)):
        Evaluation(**{**OPTIONS, "bootstrap_draws": draws, "confidence": confidence})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bootstrap_draws": -1}, "bootstrap_draws=-1"),
        ({"bootstrap_draws": 39}, "too few draws to compare: got bootstrap_draws=39 for confidence=0.95"),
        ({"bootstrap_draws": 19, "confidence": 0.9}, "too few draws to compare: got bootstrap_draws=19"),
        ({"confidence": 1.5}, "confidence=1.5"),
        ({"fmrs": [2.0]}, r"fmrs=\[2.0\]"),
        ({"fmrs": [0.1, 0.0]}, r"fmrs=\[0.1, 0.0\]"),
        ({"trials_in_memory": 0}, "trials_in_memory=0"),
        ({"fairness_min_trials": 0}, "fairness_min_trials=0"),
        ({"operating_points": {"mine": {"p_target": 2.0}}}, "p_target=2.0"),
        ({"operating_points": {"mine": {"prior": 0.1}}}, "operating point malformed: got mine"),
        ({"operating_points": {"SRE08": {"p_target": 0.1}}}, "operating point malformed: got SRE08"),
    ],
)
def test_options_that_make_no_sense_are_errors(changed: dict, message: str):
    with pytest.raises(ValueError, match=message):
        Evaluation(**{**OPTIONS, **changed})


def lines_of(table: pa.Table, *columns: str) -> list[str]:
    return [" ".join(str(row[name]) for name in columns) for row in table.to_pylist()]


def test_text_with_ids_can_be_compared_whatever_the_order(tmp_path: Path):
    ours, theirs = speakers_table(1, 2.0), speakers_table(2, 0.1)
    answer = pa.array(["target" if target else "nontarget" for target in ours["target"].to_pylist()])
    labelled = ours.set_column(ours.column_names.index("target"), "target", answer)
    four = text(tmp_path / "four.txt", lines_of(labelled, "enroll", "test", "target", "score"))
    three = text(tmp_path / "three.txt", lines_of(theirs, "enroll", "test", "score"))
    tables = [written(tmp_path / f"{name}.parquet", t) for name, t in (("ours", ours), ("theirs", theirs))]
    found, expected = (
        evaluate({"x": one}, str(tmp_path / "out"), facts={}, evaluation=EVALUATION, baseline=other)["metrics"]["x"]
        for one, other in ((four, three), tables)
    )
    assert found["eer"] == expected["eer"]
    assert found["baseline"]["metrics"]["eer"] == expected["baseline"]["metrics"]["eer"]
    assert found["min_dcf"] == pytest.approx(expected["min_dcf"])
    with pytest.raises(ValueError, match=r"answers unknown: got .* text has lines 'enroll test label score'"):
        evaluate({"x": three}, str(tmp_path / "out"), facts={}, evaluation=EVALUATION)
    few = text(tmp_path / "few.txt", lines_of(theirs.slice(5), "enroll", "test", "score"))
    with pytest.raises(ValueError, match=rf"other trials in the baseline: .* At {few}"):
        evaluate({"x": four}, str(tmp_path / "out"), facts={}, evaluation=EVALUATION, baseline=few)


@pytest.mark.parametrize("line", ["a b 1 0.5 x", "a b maybe 0.5", "a b 1 x", "1 0.5", "a b 0.5"])
def test_lines_of_another_format_than_the_first_are_errors(tmp_path: Path, line: str):
    with pytest.raises(ValueError, match=r"score line malformed: .*:2\. Correct the line"):
        Scored(text(tmp_path / "scores.txt", ["a b 1 0.5", line]))


def test_text_without_ids_has_no_baseline(tmp_path: Path):
    uri = as_text(tmp_path / "scores.txt")
    with pytest.raises(
        ValueError, match=rf"columns missing: .* At {uri}\. Add enroll, test: lines may be .*'enroll test"
    ):
        evaluate({"x": uri}, str(tmp_path / "out"), facts={}, evaluation=EVALUATION, baseline=uri)


def test_a_baseline_of_other_answers_is_named(tmp_path: Path):
    table = speakers_table(1, 2.0)
    target = [not answer if row == 7 else answer for row, answer in enumerate(table["target"].to_pylist())]
    turned = table.set_column(table.column_names.index("target"), "target", pa.array(target))
    ours, theirs = written(tmp_path / "ours.parquet", table), written(tmp_path / "theirs.parquet", turned)
    with pytest.raises(ValueError, match=rf"other answers in the baseline: got 1 of {len(table)} trials.* At {theirs}"):
        evaluate({"x": ours}, str(tmp_path / "out"), facts={}, evaluation=EVALUATION, baseline=theirs)


def test_sides_and_speakers_are_matched_however_they_are_written(tmp_path: Path):
    ours = pa.table({"enroll": ["Zoe\u0308/1", "7.0", "NA "], "test": ["x", "8", "\u200by"]})
    theirs = pa.table({"enroll": ["NA", "Zo\u00eb/1 ", "7"], "test": ["y", "x", "8"]})
    assert matching_rows(ours, theirs, "theirs").tolist() == [1, 2, 0]
    assert matching_rows(theirs, pa.table({"enroll": ours["enroll"], "test": ["x", "8", "y"]}), "x").tolist() == [
        2,
        0,
        1,
    ]
    table = pa.table(
        {
            "target": [True, False],
            "score": [1.0, 0.0],
            "enroll_speaker": ["Zoe\u0308", "Zo\u00eb"],
            "test_speaker": ["Zo\u00eb\u00a0", "b"],
            "place": ["Zo\u00eb", "Zoe\u0308 "],
        }
    )
    trials, more, no_speakers = read_scores(Scored(written(tmp_path / "a.parquet", table)), more=["place"])
    assert no_speakers is None
    assert (trials.enroll_speaker.tolist(), trials.test_speaker.tolist()) == ([0, 0], [0, 1])
    assert more["place"].to_pylist() == ["Zo\u00eb"] * 2
    unknown = table.set_column(2, "enroll_speaker", pa.array([7.0, float("nan")]))
    said = read_scores(Scored(written(tmp_path / "b.parquet", unknown))).no_speakers
    assert said == "no interval: the scores do not say who speaks in 1 of 2 trials"


@pytest.mark.parametrize(
    ("yes", "no"), [("tgt", "imp"), ("TARGET", "Impostor"), ("True", "false"), ("same", "different")]
)
def test_text_answers_in_the_words_that_lists_have(tmp_path: Path, yes: str, no: str):
    for lines in ([f"a\u00a0b c {yes} 0.5", f"a\u00a0b d {no} 0.1"], [f"{yes} 0.5", f"{no} 0.1"]):
        scored = Scored(text(tmp_path / "scores.txt", lines))
        assert scored.table(["target", "score"]).to_pydict() == {"target": [True, False], "score": [0.5, 0.1]}
    scored = Scored(written(tmp_path / "scores.parquet", pa.table({"target": [yes, no], "score": [0.5, 0.1]})))
    assert scored.table(["target"])["target"].to_pylist() == [True, False]
    scored = Scored(written(tmp_path / "scores.parquet", pa.table({"target": [yes, "friend"], "score": [0.5, 0.1]})))
    with pytest.raises(ValueError, match=r"An answer is one of 1, target, .*'friend'.* At .*scores\.parquet"):
        scored.table(["target"])
