"""The findings of tables whose faults are known, and that no audio is read for them."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from avis import store
from avis.inspection.columns import INSPECTED, StoreColumns
from avis.inspection.distributions import histograms, summarize
from avis.inspection.findings import find, inspect_store, rejects_by_reason
from avis.inspection.leakage import PlacedList
from avis.inspection.suspects import Rules
from avis.reports.inspection_warnings import warnings
from avis.reports.store_findings import Copies, Findings, InCommon, RejectedInput, Summary, TrialCounts
from avis.schema import REJECTS, UTTERANCES

USUAL = {
    "corpus": "c",
    "split": "train",
    "num_samples": 32_000,
    "sample_rate": 16_000,
    "speech_s": 1.5,
    "snr_db": 20.0,
    "clip_ratio": 0.0,
    "rms_dbfs": -25.0,
    "dc_offset": 0.001,
    "bandwidth_hz": 7800.0,
    "attributes": [],
}


def row(utt_id: str, speaker: str, **changes: Any) -> dict[str, Any]:
    """Return an utterance that nothing is wrong with, but for the changes."""
    session = {"session": f"{speaker}/1", "sha256": f"sha of {utt_id}"}
    return {"utt_id": utt_id, "speaker": speaker, **session, **USUAL, **changes}


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=pa.schema([UTTERANCES.field(name) for name in INSPECTED]))


@pytest.fixture
def findings(rules: Rules) -> Callable[..., Findings]:
    """Return what finds: ``findings(row(...), row(...), lists={...})``."""

    def found(*rows: dict[str, Any], lists: dict[str, PlacedList] | None = None, rules: Rules = rules) -> Findings:
        return find(table(*rows), REJECTS.empty_table(), lists or {}, rules=rules)

    return found


def test_amounts_are_counted_by_split_and_corpus(findings: Callable[..., Findings]):
    result = findings(
        row("a1", "a"),
        row("a2", "a", session="a/2"),
        row("b1", "b", corpus="d", num_samples=64_000, speech_s=3.0),
        row("t1", "t", split="test", speech_s=None),
    )
    amounts = {(group.split, group.corpus): group.amounts for group in result.groups}
    assert list(amounts) == [("train", None), ("train", "c"), ("train", "d"), ("test", None)]
    train = amounts["train", None]
    assert (train.utterances, train.speakers, train.sessions, train.single_session_speakers) == (3, 2, 3, 1)
    assert train.hours * 3600 == pytest.approx(2 + 2 + 4)
    assert train.speech_hours is not None
    assert train.speech_hours * 3600 == pytest.approx(1.5 + 1.5 + 3)
    assert train.measures["silence_share"].mean == pytest.approx(0.25)
    assert train.measures["dc_offset"].mean == pytest.approx(0.001)
    assert train.measures["utterances_per_speaker"].max == 2
    assert train.measures["sessions_per_speaker"].median == 1.5
    assert amounts["test", None].speech_hours is None
    assert result.total.speakers == 3


def test_summary_is_of_known_values():
    values = np.arange(101.0)
    assert summarize(np.append(values, np.nan)) == Summary(
        **{"known": 101, "missing": 1, "mean": 50.0},
        **{"min": 0.0, "p05": 5.0, "median": 50.0, "p95": 95.0, "max": 100.0},
    )
    assert summarize(np.array([np.nan])).median is None


def test_histograms_count_every_known_value_once():
    rng = np.random.default_rng(0)
    rows = [row(f"u{i}", f"s{i % 7}", snr_db=float(rng.normal())) for i in range(500)]
    rows += [row("far", "s0", snr_db=1e6), row("t", "t", split="test", snr_db=None)]
    drawn = histograms(StoreColumns.from_table(table(*rows)))
    assert sum(drawn["snr_db"].counts["train"]) == 501
    assert "test" not in drawn["snr_db"].counts
    per_speaker = drawn["utterances_per_speaker"]
    width = np.diff(per_speaker.edges)
    assert np.all(width == width[0])
    assert width[0] == round(width[0])
    assert sum(per_speaker.counts["train"]) == 7


def test_duplicates_under_one_speaker_and_under_several_are_counted_apart(findings: Callable[..., Findings]):
    result = findings(
        *(row(f"a{i}", "a", sha256="x") for i in range(6)),
        row("b1", "b", sha256="y"),
        row("c1", "c", sha256="y", split="test"),
        row("c2", "c"),
    )
    within, across = result.duplicates.within_speaker, result.duplicates.across_speakers
    assert (within.groups, within.utterances) == (1, 6)
    assert within.examples == [Copies(6, ["a0", "a1", "a2", "a3"], ["train"] * 4)]
    assert (across.groups, across.utterances) == (1, 2)
    assert across.examples == [Copies(2, ["b1", "c1"], ["train", "test"])]


def test_what_splits_share_is_counted_and_named(findings: Callable[..., Findings]):
    result = findings(
        row("a1", "a", sha256="x"),
        row("a2", "a", split="validation"),
        row("b1", "b", split="test", sha256="x"),
        row("b2", "b", split="validation", session="b/2"),
    )
    shared = {tuple(pair.between): pair for pair in result.shared}
    counts = {names: [pair.speakers.num, pair.sessions.num, pair.audio.num] for names, pair in shared.items()}
    assert counts == {
        ("train", "validation"): [1, 1, 0],
        ("train", "test"): [0, 0, 1],
        ("validation", "test"): [1, 0, 0],
    }
    assert shared["train", "validation"].sessions.examples == ["a/1"]
    assert shared["train", "test"].audio.examples == ["a1 = b1"]


@pytest.mark.parametrize("other", ["c/Zoe\u0308", "c/ZO\u00cb", "c/Zo\u00eb ", "c/\u200bZo\u00eb"])
def test_speakers_are_shared_however_their_names_are_written(other: str, findings: Callable[..., Findings]):
    rows = [row("a1", "c/Zo\u00eb"), row("b1", other, split="test"), row("c1", "c/Zoe", split="test")]
    placed = PlacedList(np.array([[1], [2]]), pa.chunked_array([[False]]), missing=0)
    result = findings(*rows, lists={"dev": placed})
    assert [pair.speakers for pair in result.shared] == [InCommon(1, ["c/Zo\u00eb"])] * 2


def test_trial_lists_are_held_against_what_is_learnt_from(findings: Callable[..., Findings]):
    rows = [row("a1", "a"), row("a2", "a", split="test", sha256="x"), row("b1", "b", split="test", sha256="x")]
    rows += [row("b2", "b", split="test"), row("b3", "b", split="test", session="b/2")]
    placed = PlacedList(np.array([[1, 3, 3], [2, 2, 4]]), pa.chunked_array([[False, True, True]]), missing=5)
    result = findings(*rows, lists={"dev": placed})
    [against] = [pair for pair in result.shared if "trials dev" in pair.between]
    assert against.between == ["train", "trials dev"]
    assert against.speakers == InCommon(1, ["a"])
    assert result.trials["dev"] == TrialCounts(
        **{"trials": 3, "targets": 2, "nontargets": 1, "missing": 5, "utterances": 4, "speakers": 2},
        **{"same_audio": 1, "same_session_targets": 1},
    )


def test_odd_speakers_and_utterances_are_flagged_by_their_rule(findings: Callable[..., Findings]):
    result = findings(
        *(row(f"good{i}", "good") for i in range(4)),
        *(row(f"quiet{i}", "quiet", rms_dbfs=-60.0 if i < 2 else -30.0) for i in range(4)),
        *(row(f"mixed{i}", "mixed", bandwidth_hz=3950.0 if i < 1 else 7800.0) for i in range(4)),
        *(row(f"phone{i}", "phone", bandwidth_hz=4000.0) for i in range(3)),
        row("few0", "few", clip_ratio=0.01),
        row("few1", "few", speech_s=0.3),
    )
    speakers = {row.rule: row for row in result.suspicious_speakers}
    named = {rule: [example.speaker for example in row.examples] for rule, row in speakers.items()}
    assert named == {"few_utterances": ["few"], "near_silent": ["quiet"], "mixed_bandwidth": ["mixed"]}
    assert speakers["mixed_bandwidth"].examples[0].narrow_band == 0.25
    utterances = {row.rule: row for row in result.suspicious_utterances}
    assert {rule: row.num["train"] for rule, row in utterances.items()} == {
        **{"quiet": 2, "clipped": 1, "narrow_band": 4, "mostly_silence": 1}
    }
    assert utterances["narrow_band"].examples == ["mixed0", "phone0"]
    assert "fewer than 3" in speakers["few_utterances"].says


def test_what_was_not_measured_is_not_judged(findings: Callable[..., Findings]):
    unknown = dict.fromkeys(("speech_s", "snr_db", "clip_ratio", "rms_dbfs", "dc_offset", "bandwidth_hz"))
    result = findings(*(row(f"u{i}", "a", **unknown) for i in range(3)))
    assert not any(row.num for row in result.suspicious_speakers)
    assert not any(row.num["train"] for row in result.suspicious_utterances)
    assert set(result.distributions) == {"utterances_per_speaker", "sessions_per_speaker", "duration_s"}
    assert result.total.measures["snr_db"].missing == 3
    json.dumps(result.plain(), allow_nan=False)


def test_findings_do_not_depend_on_the_order_of_rows(findings: Callable[..., Findings], rules: Rules):
    rng = np.random.default_rng(1)
    rows = [
        row(f"u{i}", f"s{rng.integers(9)}", sha256=f"{rng.integers(60)}", split=["train", "test"][i % 2])
        for i in range(80)
    ]
    silent = Rules(**{**vars(rules), "num_examples": 0})
    shuffled = [rows[i] for i in rng.permutation(len(rows))]
    assert findings(*rows, rules=silent) == findings(*shuffled, rules=silent)


def test_rejects_are_counted_by_reason():
    paths = [("silent", "s1"), ("empty", "e1"), ("silent", "s2"), ("silent", "s3")]
    rejects = [{"utt_id": path, "path": path, "reason": reason, "detail": "why"} for reason, path in paths]
    result = rejects_by_reason(pa.Table.from_pylist(rejects, schema=REJECTS), num_examples=2)
    assert [(row.reason, row.num) for row in result] == [("silent", 3), ("empty", 1)]
    assert result[0].examples == [RejectedInput("s1", "why"), RejectedInput("s2", "why")]


@pytest.fixture
def small_store(tmp_path: Path) -> str:
    """A store whose audio cannot be read, for it has none."""
    uri = str(tmp_path / "store")
    rows = [row(f"c/a{i}", "c/a") for i in range(3)] + [row("c/t", "c/t", split="test", sha256="sha of c/a0")]
    tables = {"utterances": table(*rows), "rejects": REJECTS.empty_table()}
    store.commit_part(uri, "all", tables, row_group_rows=2)
    store.finish(uri, parts=["all"], inputs="x", facts={})
    return uri


@pytest.mark.slow
def test_store_and_list_make_page_and_json(small_store: str, tmp_path: Path, rules: Rules):
    (tmp_path / "dev.txt").write_text("1 a0.wav a1.wav\n0 a0.wav t.wav\n0 a2.wav gone.wav\n")
    out = str(tmp_path / "out")
    result = inspect_store(small_store, out, rules=rules, trials={"dev": str(tmp_path / "dev.txt")})
    written = json.loads(Path(out, "inspect.json").read_text())
    assert {name: written[name] for name in result.plain()} == result.plain()
    assert (result.trials["dev"].same_audio, result.trials["dev"].missing) == (1, 1)
    assert written["groups"][0]["utterances"] == 3
    assert written["warnings"][0].startswith("1 recording is in both train and test")
    assert sorted(os.listdir(out)) == ["inspect.html", "inspect.json"]


@pytest.mark.few(1)
@pytest.mark.parametrize(("answer", "kind"), [(0, "different"), (1, "same")])
def test_a_list_of_one_kind_of_trial_is_reported(
    small_store: str, tmp_path: Path, answer: int, kind: str, rules: Rules
):
    path = tmp_path / "dev.txt"
    path.write_text(f"{answer} a0.wav t.wav\n{answer} a1.wav t.wav\n")
    result = inspect_store(small_store, str(tmp_path / "out"), rules=rules, trials={"dev": str(path)})
    assert result.trials["dev"].trials == 2
    assert f"The known answers of dev are all {kind}-speaker: no error rate can be had from it." in warnings(result)


@pytest.mark.slow
def test_trials_of_models_are_those_of_their_utterances(small_store: str, tmp_path: Path, rules: Rules):
    (tmp_path / "dev.txt").write_text("model c/t nontarget\nmodel c/a2 target\n")
    (tmp_path / "models.csv").write_text("enroll_model,utt_id\nmodel,c/a0\nmodel,c/a1\n")
    result = inspect_store(
        small_store,
        str(tmp_path / "out"),
        rules=rules,
        trials={"dev": str(tmp_path / "dev.txt")},
        enrolments=str(tmp_path / "models.csv"),
    )
    assert (result.trials["dev"].trials, result.trials["dev"].same_session_targets) == (4, 2)


def test_store_without_utterances_is_refused(tmp_path: Path, rules: Rules):
    uri = str(tmp_path / "store")
    empty = {"utterances": UTTERANCES.empty_table(), "rejects": REJECTS.empty_table()}
    store.commit_part(uri, "all", empty, row_group_rows=2)
    store.finish(uri, parts=["all"], inputs="x", facts={})
    with pytest.raises(ValueError, match="nothing to inspect: got 0 utterances"):
        inspect_store(uri, str(tmp_path / "out"), rules=rules, trials={})


def test_unknown_speakers_are_nobody(findings: Callable[..., Findings]):
    """Neither counted, nor held for one person who is in both splits, nor for two."""
    result = findings(
        row("a1", "a"),
        row("a2", "a", sha256="x"),
        *(row(f"u{i}", "", split=split, session="") for i, split in enumerate(["train", "test", "test"])),
        row("u3", "", split="test", session="", sha256="x"),
    )
    assert (result.total.utterances, result.total.speakers, result.total.sessions) == (6, 1, 1)
    assert (result.total.without_speaker, result.total.measures["utterances_per_speaker"].max) == (4, 2)
    [pair] = result.shared
    assert (pair.speakers.num, pair.sessions.num, pair.audio.num) == (0, 0, 1)
    assert result.duplicates.across_speakers.groups == 0
    assert result.duplicates.within_speaker.groups == 1
    few = next(row for row in result.suspicious_speakers if row.rule == "few_utterances")
    assert [example.speaker for example in few.examples] == ["a"]
    assert "4 utterances have no speaker: nothing is said of who speaks there." in warnings(result)


def test_a_store_without_any_speaker(findings: Callable[..., Findings]):
    placed = PlacedList(np.array([[0], [1]]), pa.chunked_array([pa.array([None], pa.bool_())]), missing=0)
    rows = [row(f"u{i}", "", split="test", session="") for i in range(2)]
    result = findings(*rows, lists={"dev": placed})
    assert (result.total.speakers, result.trials["dev"].speakers) == (0, 0)
    assert "utterances_per_speaker" not in result.distributions
    json.dumps(result.plain(), allow_nan=False)
