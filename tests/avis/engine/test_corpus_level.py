"""What is said of a whole list: gathered from scores, a store's measures and records, each in its place."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from avis import store
from avis.engine.corpus_level import corpus_level
from avis.explain.record import Attribute, Explanation

SPEAKERS, EACH = 12, 3


def written(uri: Path, name: str, table: pa.Table) -> str:
    store.commit_part(str(uri), "part-00000", {name: table}, row_group_rows=100)
    store.finish(str(uri), parts=["part-00000"], inputs=name, facts={})
    return str(uri)


@pytest.fixture
def utterances(tmp_path: Path) -> str:
    """Three recordings of each speaker, ``<speaker>/<number>``."""
    rng = np.random.default_rng(0)
    num = SPEAKERS * EACH
    table = {
        "utt_id": [f"s{number // EACH:02}/{number % EACH}" for number in range(num)],
        "num_samples": pa.array(rng.integers(16000, 96000, num)),
        "sample_rate": pa.array([16000] * num, pa.int32()),
        "snr_db": pa.array(rng.uniform(5, 40, num), pa.float32()),
        "bandwidth_hz": pa.array(rng.choice([4000.0, 8000.0], num), pa.float32()),
        "speech_s": pa.array([None, *rng.uniform(1, 6, num - 1)], pa.float32()),
    }
    return written(tmp_path / "store", "utterances", pa.table(table))


def measures(utterances: str) -> dict[str, dict]:
    return {row["utt_id"]: row for row in store.read_table(utterances, "utterances").to_pylist()}


def trials(enrolled: str) -> pa.Table:
    """Every speaker's second recording against a model or recording of every speaker."""
    pairs = [(f"s{e:02}", f"s{t:02}") for e in range(SPEAKERS) for t in range(SPEAKERS)]
    return pa.table(
        {
            "enroll": [f"{e}{enrolled}" for e, _ in pairs],
            "test": [f"{t}/1" for _, t in pairs],
            "target": [e == t for e, t in pairs],
            "enroll_speaker": [e for e, _ in pairs],
            "test_speaker": [t for _, t in pairs],
        }
    )


def records(listed: pa.Table, folder: Path, *, heard: bool = False) -> str:
    """Write an explanation of every trial, of voices whose pitch differs by the number of the trial."""
    told = {"model": "m", "outcome": "unsure", "threshold": 0.0, "unit": "llr", "sides": []}
    rng = np.random.default_rng(1)
    made = []
    for _ in range(len(listed)):
        pitch = [Attribute(name="F0", unit="semitones", enroll=float(rng.uniform(0, 9)), test=9.0)] if heard else []
        made.append(Explanation(**told, acoustics=pitch).model_dump_json())
    table = listed.append_column("number", pa.array(range(1, len(listed) + 1)))
    return written(folder / "records", "explanations", table.append_column("explanation", pa.array(made)))


def level(scores: pa.Table, utterances: str, folder: Path, **others):
    asked = {"models": None, "all_explained": True, "most_trials": 10**6, "heard": False} | others
    told = records(scores, folder, heard=asked.pop("heard"))
    return corpus_level(written(folder / "scores", "scores", scores), told, utterances, **asked)


def planted(listed: pa.Table, known: dict[str, dict], members: dict[str, list[str]]) -> np.ndarray:
    """Scores that fall by 0.3 per dB, 0.2 per kHz and 0.1 per doubling of what the measures of both sides differ in."""

    def speech_s(name: str) -> float:
        row = known[name]
        return row["speech_s"] if row["speech_s"] is not None else row["num_samples"] / row["sample_rate"]

    made = []
    for row in listed.to_pylist():
        own, test = members.get(row["enroll"], [row["enroll"]]), known[row["test"]]
        snr_db, bandwidth_hz = (np.mean([known[name][key] for name in own]) for key in ("snr_db", "bandwidth_hz"))
        doublings = np.log2(sum(map(speech_s, own)) / speech_s(row["test"]))
        fall = 0.3 * abs(snr_db - test["snr_db"]) + 0.2 * abs(bandwidth_hz - test["bandwidth_hz"]) / 1000
        made.append(10.0 * row["target"] - fall - 0.1 * abs(doublings))
    return np.array(made)


@pytest.mark.parametrize("models", [False, True], ids=["recordings", "models of two"])
def test_measures_of_both_sides_are_those_of_their_recordings(utterances: str, tmp_path: Path, models: bool):
    listed, members, table = trials("" if models else "/0"), {}, None
    if models:
        members = {f"s{number:02}": [f"s{number:02}/0", f"s{number:02}/2"] for number in range(SPEAKERS)}
        pairs = [(model, utt_id) for model, names in members.items() for utt_id in names]
        table = pa.table([pa.array(column) for column in zip(*pairs, strict=True)], ["enroll_model", "utt_id"])
    scores = planted(listed, measures(utterances), members)
    found = level(listed.append_column("score", pa.array(scores)), utterances, tmp_path, models=table)
    for kind in ("target", "nontarget"):
        regression = found.mismatch[kind]
        weights = dict(zip(regression.names, regression.fit.weights[1:].round(4).tolist(), strict=True))
        assert weights == {"SNR, dB": -0.3, "bandwidth, kHz": -0.2, "speech, doubling": -0.1}


def test_decisions_are_the_scores_own_or_those_where_both_error_rates_are_equal(utterances: str, tmp_path: Path):
    listed = trials("/0")
    target = listed["target"].to_numpy(zero_copy_only=False)
    scores = np.where(target, 1.0, 0.0)
    scores[[0, 1]] = 0.5, 2.0  # the one of s00 with itself, and with s01
    listed = listed.append_column("score", pa.array(scores))
    found = level(listed, utterances, tmp_path / "a")
    assert found.decided.endswith("where both error rates are equal")
    assert [wolf.speaker for wolf in found.zoo.wolves if wolf.errors] == ["s01"]
    accept = pa.array(~target)
    found = level(listed.append_column("accept", accept), utterances, tmp_path / "b")
    assert (found.decided, found.zoo.fnmr, found.zoo.fmr) == ("at the operating point of the scores", 1.0, 1.0)


def test_voices_are_regressed_on_where_no_trial_was_chosen_by_its_score(utterances: str, tmp_path: Path):
    listed = trials("/0").append_column("score", pa.array(np.random.default_rng(0).normal(size=SPEAKERS**2)))
    found = level(listed, utterances, tmp_path / "a", heard=True)
    assert "F0, semitones" in found.mismatch["nontarget"].names
    found = level(listed, utterances, tmp_path / "b", heard=True, all_explained=False)
    assert "F0, semitones" not in found.mismatch["nontarget"].names
    assert found.notes == {
        "acoustics and scores": "not said: the trials were chosen by their scores; worst=null explains all"
    }


def test_what_is_not_known_of_speakers_and_of_long_lists_is_said(utterances: str, tmp_path: Path):
    listed = trials("/0").append_column("score", pa.array(np.random.default_rng(0).normal(size=SPEAKERS**2)))
    place = listed.column_names.index("test_speaker")
    unknown = listed.set_column(place, "test_speaker", pa.array([None, *listed["test_speaker"].to_pylist()[1:]]))
    found = level(unknown, utterances, tmp_path / "a")
    assert found.zoo is None
    assert found.notes == {"speakers": "not told apart: the scores do not say who speaks in 1 of 144 trials"}
    assert found.mismatch["nontarget"].fit.num_speakers == SPEAKERS * (SPEAKERS - 1)
    found = level(listed, utterances, tmp_path / "b", most_trials=100)
    assert (found.zoo, found.mismatch) == (None, {})
    assert "144 trials: more than evaluation.trials_in_memory=100" in found.notes["speakers and mismatch"]
