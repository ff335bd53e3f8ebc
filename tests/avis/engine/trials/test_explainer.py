"""Explanations of what is stored: the numbers of the scoring, though a verifier would hear recordings anew."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest

from avis import store
from avis.audio.codec import encode, read_all
from avis.checkpoints.checkpoint import Checkpoint
from avis.engine.explain import Explaining, explain_list
from avis.engine.prepare import prepare
from avis.engine.recipe import Recipe
from avis.engine.score import read_trials, score
from avis.engine.scored import Scored
from avis.engine.trials.explainer import StoredVerifier
from avis.engine.trials.lists import read_index
from avis.engine.verifier import leave_verifier
from avis.explain.record import Explanation
from avis.explain.scale import ENFSI_2015
from avis.explain.side import side_of
from avis.verifier import Verifier, Voiceprint
from tests.avis.conftest import talk
from tests.avis.engine.conftest import CALIBRATION

EXACT = Explaining(worst=None, checks=False, prior=None, scale=ENFSI_2015, preset="engineer")


def scored_by(recipe: Recipe, checkpoint: Checkpoint, utterances: str, folder: str) -> Scored:
    scores = score(recipe, checkpoint, utterances, folder)
    lists = read_trials(recipe, utterances, read_index(utterances), lineage=checkpoint.lineage).lists
    models = {name: listed.models for name, listed in lists.items()}
    return Scored(recipe, checkpoint, utterances, scores, scores, models, folder, folder, {})


def explained(recipe: Recipe, checkpoint: Checkpoint, utterances: str, folder: str) -> tuple[list[dict], list[dict]]:
    """Return the records of all trials of the one list, and its scores."""
    found = scored_by(recipe, checkpoint, utterances, folder)
    verifier = Verifier.load(leave_verifier(recipe, checkpoint, utterances, folder))
    [(name, uri)] = found.scores.items()
    scores = store.read_table(uri, "scores").to_pylist()
    records = explain_list(name, range(len(scores)), found, verifier, EXACT)
    return store.read_table(records, "explanations").to_pylist(), scores


@pytest.mark.slow
def test_what_was_trimmed_is_not_trimmed_again(
    tiny_recipe: Recipe, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trimmed = {"sharding.vad": "energy", "sharding.trim": "all", "sharding.min_duration_s": 0.1}
    recipe = tiny_recipe.changed({"calibration": CALIBRATION, "output_dir": str(tmp_path), **trimmed})
    utterances = prepare(recipe)
    told, scores = explained(recipe, checkpoint, utterances, str(tmp_path / "run"))
    stored = {row["utt_id"]: row for row in store.read_table(utterances, "utterances").to_pylist()}
    for row, score_row in zip(told, scores, strict=True):
        assert row["score_again"] == pytest.approx(score_row["score"], abs=1e-5)
        assert row["evidence"] == pytest.approx(score_row["llr"], abs=1e-5)
        for side in Explanation.model_validate_json(row["explanation"]).sides:
            assert side.speech_s == stored[side.name]["speech_s"]
            assert side.duration_s == stored[side.name]["num_samples"] / 16000
            assert side.sha256 == stored[side.name]["sha256"]


@pytest.mark.slow
def test_people_enrolled_with_several_recordings_are_explained_by_all_of_them(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path
):
    index = store.read_table(tiny_store, "utterances", columns=["utt_id", "speaker", "session", "split"]).to_pylist()
    tests = [row for row in index if row["split"] == "test"]
    of_session = {(row["speaker"], row["session"].endswith("0")): [] for row in tests}
    for row in sorted(tests, key=lambda row: row["utt_id"]):
        of_session[row["speaker"], row["session"].endswith("0")].append(row["utt_id"])
    speakers = sorted({speaker for speaker, _ in of_session})
    with (tmp_path / "models.csv").open("w") as file:
        rows = ((speaker, utt_id) for speaker in speakers for utt_id in of_session[speaker, True])
        csv.writer(file).writerows([("enroll_model", "utt_id"), *rows])
    with (tmp_path / "list.csv").open("w") as file:
        pairs = [(e, of_session[t, False][0], str(e == t).lower()) for e, t in itertools.product(speakers, repeat=2)]
        csv.writer(file).writerows([("enroll", "test", "target"), *pairs])
    lists = {"trials": str(tmp_path / "list.csv"), "enrolments": str(tmp_path / "models.csv")}
    recipe = tiny_recipe.changed({"calibration": CALIBRATION})
    recipe = Recipe.of({**recipe.plain, **lists})
    told, scores = explained(recipe, checkpoint, tiny_store, str(tmp_path / "run"))
    assert len(told) == len(pairs)
    for row, score_row in zip(told, scores, strict=True):
        explanation = Explanation.model_validate_json(row["explanation"])
        names = [side.name for side in explanation.sides]
        assert names == [*of_session[row["enroll"], True], row["test"]]
        assert row["score_again"] == pytest.approx(score_row["score"], abs=1e-5)
        assert row["evidence"] == pytest.approx(score_row["llr"], abs=1e-5)
        assert {segment.recording for segment in explanation.segments if segment.side == "enroll"} == {0, 1}


@pytest.fixture
def hearing_stored(parts) -> StoredVerifier:
    def row(samples: np.ndarray, speech_s: float, encoding) -> dict:
        quality = {"speech_s": speech_s, "snr_db": 20.0, "clip_ratio": 0.0, "rms_dbfs": -20.0, "dc_offset": 0.0}
        audio = encode(samples, sample_rate=16000, encoding=encoding)
        return {"audio": audio, "num_samples": len(samples), "sample_rate": 16000, "bandwidth_hz": None, **quality}

    verifier = StoredVerifier(parts)
    verifier.stored = {
        "flac": row(talk(1), 2.5, "flac"),
        "pcm16": row(talk(1), 2.5, "pcm16"),
        "quiet": row(talk(2), 0.4, "flac"),
    }
    return verifier


def test_what_is_stored_is_heard_by_its_id_and_anything_else_as_ever(hearing_stored: StoredVerifier, recording):
    flac, pcm16 = hearing_stored.hear("flac"), hearing_stored.hear("pcm16")
    np.testing.assert_array_equal(flac.values, pcm16.values)
    np.testing.assert_array_equal(flac.values / 32768, read_all(hearing_stored.stored["flac"]["audio"]))
    assert flac.quality["speech_s"] == 2.5
    assert hearing_stored.hear(recording(1)).quality["speech_s"] != 2.5


def test_of_too_little_speech_there_is_no_embedding(hearing_stored: StoredVerifier):
    heard = hearing_stored.hear("quiet")
    assert isinstance(heard, Voiceprint)
    assert heard.unheard == "0.4 s of speech, of which 0.5 s are the least"


def test_seconds_of_speech_of_a_person_count_together_as_in_scoring(hearing_stored: StoredVerifier):
    side = side_of(hearing_stored, "enroll", ["flac", "pcm16"])
    assert side.voiceprint.speech_s == 5.0
    np.testing.assert_allclose(side.voiceprint.embedding, hearing_stored.embed("flac").embedding, rtol=1e-6)
