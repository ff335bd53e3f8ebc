"""Scoring by the million: the same scores for any number of workers and parts, and for enrolment models."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import ray

from avis import store
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.run_checkpoints import best_checkpoint
from avis.engine.recipe import Recipe
from avis.engine.score import score
from avis.engine.trials import scoring, transform, vectors
from avis.engine.trials.scoring import Scorer, score_list, score_pairs
from avis.engine.trials.transform import transform as transform_embeddings
from avis.engine.trials.vectors import TrialVectors
from avis.engine.workers import parts
from avis.engine.workers.compute import Compute
from avis.scoring.as_norm import AsNorm
from avis.scoring.cosine import Cosine

IDS = pa.chunked_array([[str(number) for number in range(100)]])
SECONDS = np.linspace(0.5, 12.0, 100, dtype=np.float32)


def computes(where: str) -> Compute:
    return Compute(where=where, num_workers=None, use_gpu=False, max_restarts=0)  # type: ignore[arg-type]


def voices(seed: int, num_speakers: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(num_speakers), each)
    vectors = rng.normal(size=(num_speakers, 16))[speakers] + rng.normal(size=(len(speakers), 16))
    return vectors.astype(np.float32), speakers


def trial_vectors(vectors: np.ndarray, speakers: np.ndarray, **more: Any) -> TrialVectors:
    """Return the vectors of utterances ``0`` to ``99``, without quality measures unless they are given."""
    parts = {"measures": np.zeros((100, 0), np.float32), "speech_s": SECONDS, "utterances": IDS} | more
    return TrialVectors(vectors=vectors, speakers=pa.array(speakers.astype(str)), **parts)


def fitted() -> AsNorm:
    backend = AsNorm(backend=Cosine(center=True), top_n=10)
    backend.fit(*voices(0, 40, 3))
    return backend


@pytest.mark.slow
def test_scores_are_the_same_in_parts_on_several_workers(
    ray_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    backend, (embeddings, speakers) = fitted(), voices(1, 25, 4)
    rng = np.random.default_rng(2)
    rows = rng.integers(0, 100, size=(2, 3000))
    trials = pa.table(
        {"enroll": rows[0].astype(str), "test": rows[1].astype(str), "target": speakers[rows[0]] == speakers[rows[1]]}
    )
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 3})
    assert parts.ray is ray
    monkeypatch.setattr(transform, "UTTERANCES_PER_PART", 13)
    monkeypatch.setattr(scoring, "TRIALS_PER_PART", 700)
    compute = computes("local")
    transformed = transform_embeddings(backend, embeddings, str(tmp_path), compute)
    assert len(list((tmp_path / "vectors").glob("*/vectors/*.parquet"))) == 8
    vectors = trial_vectors(transformed, speakers)
    scorer = Scorer(backend, None, None)
    uri = score_list("x", trials, facts={}, vectors=vectors, scorer=scorer, run_dir=str(tmp_path), compute=compute)
    found = store.read_table(uri, "scores")
    assert found.select(trials.column_names).equals(trials)
    whole = backend.transform(embeddings)
    np.testing.assert_allclose(found["score_norm"], backend.score(whole[rows[0]], whole[rows[1]]), atol=1e-6, rtol=1e-6)
    assert found["enroll_speaker"].to_pylist() == speakers[rows[0]].astype(str).tolist()


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch):
    backend, (embeddings, speakers) = fitted(), voices(1, 25, 4)
    of_trials = trial_vectors(backend.transform(embeddings), speakers)
    rows = np.random.default_rng(3).integers(0, 100, size=(2, 1000))
    whole, _ = score_pairs(backend, of_trials, *rows)
    monkeypatch.setattr(vectors, "VALUES_AT_ONCE", 1)
    cut, _ = score_pairs(backend, of_trials, *rows)
    assert set(whole) == {"score", "score_norm"}
    for name in whole:
        np.testing.assert_allclose(cut[name], whole[name], atol=1e-6)


def test_scores_of_a_models_utterances_are_averaged():
    backend, (embeddings, speakers) = fitted(), voices(1, 25, 4)
    vectors = backend.transform(embeddings)
    measures = np.arange(100, dtype=np.float32)[:, None]
    members = (np.array([0, 1, 4, 6]), np.array([7, 1, 2, 3, 50, 51]))
    of_models = trial_vectors(vectors, speakers, measures=measures, models=pa.array(["a", "b", "c"]), members=members)
    scores, features = score_pairs(backend, of_models, np.array([1, 0, 2, 1]), np.array([9, 8, 7, 6]))
    for trial, (utterances, test) in enumerate([([1, 2, 3], 9), ([7], 8), ([50, 51], 7), ([1, 2, 3], 6)]):
        each = [backend.score(vectors[[u]], vectors[[test]])[0] for u in utterances]
        assert scores["score_norm"][trial] == pytest.approx(np.mean(each), rel=1e-5)
        expected = np.mean([[min(u, test), abs(u - test)] for u in utterances], axis=0)
        np.testing.assert_allclose(features[trial], expected, rtol=1e-6)
    assert of_models.first_rows(np.array([0, 1, 2])).tolist() == [7, 1, 50]


def test_trials_are_banded_by_their_shorter_side():
    seconds, nothing = np.array([0.4, 1.0, 1.9, 2.0, 10.0, 30.0], np.float32), np.zeros((6, 0), np.float32)
    speakers = np.array(list("aabbcc"))
    utterances = trial_vectors(nothing, speakers, speech_s=seconds)
    pairs_of = {(0, 5): "0 to 1 s", (1, 2): "1 to 2 s", (3, 2): "1 to 2 s", (4, 3): "2 to 5 s", (5, 4): "above 10 s"}
    enroll, test = np.array(list(pairs_of)).T
    assert utterances.durations(enroll, test).to_pylist() == list(pairs_of.values())
    members = (np.array([0, 1, 4]), np.array([0, 1, 2, 3]))
    models = trial_vectors(nothing, speakers, speech_s=seconds, models=pa.array(["x", "y"]), members=members)
    assert models.durations(np.array([0, 1]), np.array([5, 5])).to_pylist() == ["0 to 1 s", "2 to 5 s"], "4.9 s"


@pytest.mark.parametrize("mean", ["embeddings", "scores"])
def test_enrolment_models_of_several_utterances(
    tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path, mean: str
):
    checkpoint = Checkpoint.open(shutil.copy(best_checkpoint(tiny_run), str(tmp_path / "best.ckpt")))
    models, trials = tmp_path / "models.csv", tmp_path / "trials.csv"
    models.write_text(
        "enroll_model,utt_id\none,test_0000/session_0/000.flac\none,test_0000/session_0/001\ntwo,test_0001/session_0/000\n"
    )
    trials.write_text(
        "enroll,test,target,noise\none,test_0000/session_1/000,1,a\ntwo,test_0000/session_1/001,0,b\n"
        "one,test_0002/session_1/000,0,c\n"
    )
    backend = {"_target_": "avis.scoring.cosine.Cosine", "center": False}
    lists = {"trials": {"x": str(trials)}, "enrolments": str(models), "enrolment_mean": mean}
    cfg = tiny_recipe.changed({"scoring.backend": backend, **lists})
    table = store.read_table(score(cfg, checkpoint, tiny_store, str(tmp_path / "run"))["x"], "scores")
    assert table["enroll"].to_pylist() == ["one", "two", "one"]
    assert table["test"].to_pylist()[0] == "synthetic/test_0000/session_1/000"
    assert table["enroll_speaker"].to_pylist() == [f"synthetic/test_000{i}" for i in (0, 1, 0)]
    assert table["noise"].to_pylist() == ["a", "b", "c"]

    kept = [store.read_table(str(path), "embeddings") for path in (tmp_path / "run" / "embeddings").iterdir()]
    vectors = {row["utt_id"]: np.array(row["embedding"]) for part in kept for row in part.to_pylist()}
    enrolled = [vectors[f"synthetic/test_0000/session_0/00{i}"] for i in range(2)]

    def cosine(one: np.ndarray, other: np.ndarray) -> float:
        return one @ other / np.linalg.norm(one) / np.linalg.norm(other)

    for row, test in ((0, "test_0000/session_1/000"), (2, "test_0002/session_1/000")):
        other = vectors[f"synthetic/{test}"]
        expected = cosine(np.mean(enrolled, axis=0), other)
        if mean == "scores":
            expected = np.mean([cosine(one, other) for one in enrolled])
        assert table["score"][row].as_py() == pytest.approx(expected, abs=1e-5)


def test_models_of_two_speakers_and_models_tested_on_themselves_are_refused(
    tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path
):
    models, trials = tmp_path / "models.csv", tmp_path / "trials.csv"
    trials.write_text("enroll,test\none,test_0003/session_1/000\n")
    cfg = tiny_recipe.changed({"trials": str(trials), "enrolments": str(models)})
    for utterances, message in (
        (("test_0000/session_0/000", "test_0001/session_0/000"), r"An enrolment model is of one speaker: .* one\."),
        (("test_0003/session_0/000", "test_0003/session_1/000"), "an utterance with itself"),
        (("test_0003/session_0/000", "nobody"), "got 1 unknown ids"),
    ):
        models.write_text("enroll_model,utt_id\n" + "".join(f"one,{utterance}\n" for utterance in utterances))
        with pytest.raises(ValueError, match=message):
            score(cfg, Checkpoint.open(best_checkpoint(tiny_run)), tiny_store, str(tmp_path / "run"))
    with pytest.raises(ValueError, match="unknown mean: got enrolment_mean=both"):
        cfg.changed({"enrolment_mean": "both"})


def test_a_condition_may_not_bear_the_name_of_a_score(
    tiny_recipe: Recipe, tiny_store: str, tiny_run: str, tmp_path: Path
):
    (tmp_path / "t.csv").write_text("enroll,test,llr\ntest_0000/session_0/000,test_0001/session_0/000,3\n")
    with pytest.raises(ValueError, match="trial column taken: got columns llr"):
        score(
            tiny_recipe.changed({"trials": str(tmp_path / "t.csv")}),
            Checkpoint.open(best_checkpoint(tiny_run)),
            tiny_store,
            str(tmp_path / "run"),
        )
