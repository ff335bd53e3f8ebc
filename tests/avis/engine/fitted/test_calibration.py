"""Calibrated scores, decisions and adaptation: fitted on other speakers, kept, and refused where they do not fit."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from avis import store
from avis.audio.codec import read_all
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.run_checkpoints import best_checkpoint
from avis.digest import fingerprint
from avis.engine.fitted.calibration_trials import calibration_trials, check_calibration_speakers, with_models
from avis.engine.recipe import Recipe
from avis.engine.score import check_trials, score, show_decisions
from avis.engine.trials.crops import Crops
from avis.engine.trials.embeddings import Embedder
from avis.engine.trials.lists import read_index
from avis.evaluation.list_report import known_origin
from avis.scoring.calibration import Calibration
from avis.training.module import features_of

POINT = {"p_target": 0.05, "c_miss": 1.0, "c_fa": 1.0}
COSINE = {"_target_": "avis.scoring.cosine.Cosine", "center": True}
AS_NORM = {"_target_": "avis.scoring.as_norm.AsNorm", "top_n": 3, "backend": COSINE}


@pytest.fixture
def checkpoint(tiny_run: str, tmp_path: Path) -> Checkpoint:
    """Return a copy of the tiny run's checkpoint, in a folder of its own."""
    return Checkpoint.open(shutil.copy(best_checkpoint(tiny_run), str(tmp_path / "best.ckpt")))


def calibrated(
    recipe: Recipe, *, trials: str | None = None, measures: tuple[str, ...] = (), crops_s: Any = None, **more: Any
) -> Recipe:
    model = {"_target_": "avis.scoring.calibration.Calibration", "p_target": 0.05, "l2": 1e-3, "measures": [*measures]}
    calibration = {"trials": trials, "max_trials": 1000, "crops_s": crops_s, "model": model}
    return recipe.changed({"calibration": calibration, **more})


def scores_of(cfg: Recipe, checkpoint: Checkpoint, utterances: str, out: Path) -> Any:
    return store.read_table(score(cfg, checkpoint, utterances, str(out))["synthetic"], "scores")


def write_list(path: Path, index: list[dict[str, Any]], split: str) -> str:
    rows = [row for row in index if row["split"] == split]
    pairs = [(a, b) for a in rows for b in rows if a["utt_id"] < b["utt_id"]]
    path.write_text("".join(f"{int(a['speaker'] == b['speaker'])} {a['utt_id']} {b['utt_id']}\n" for a, b in pairs))
    return str(path)


@pytest.fixture
def index(tiny_store: str) -> list[dict[str, Any]]:
    return store.read_table(tiny_store, "utterances", columns=["utt_id", "speaker", "split", "session"]).to_pylist()


def test_ratios_are_those_of_logistic_regression_on_validation_speakers(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path, index: list[dict[str, Any]]
):
    made = scores_of(calibrated(tiny_recipe, operating_point=POINT), checkpoint, tiny_store, tmp_path / "run")
    columns = ["enroll_speaker", "test_speaker", "duration", "score", "llr_uncapped", "llr", "accept", "expected_cost"]
    assert made.column_names[-8:] == columns
    sessions = {row["utt_id"]: row["session"] for row in index}
    pairs = [
        line.split()[1:]
        for line in Path(write_list(tmp_path / "v.txt", index, "validation")).read_text().split("\n")[:-1]
    ]
    across = [pair for pair in pairs if sessions[pair[0]] != sessions[pair[1]]]
    listed = tmp_path / "across.csv"
    speaker = {row["utt_id"]: row["speaker"] for row in index}
    answers = [speaker[a] == speaker[b] for a, b in across]
    lines = [f"{a},{b},{int(answer)}" for (a, b), answer in zip(across, answers, strict=True)]
    listed.write_text("\n".join(["enroll,test,target", *lines]))
    held_out = scores_of(
        tiny_recipe.changed({"trials": {"synthetic": str(listed)}}), checkpoint, tiny_store, tmp_path / "v"
    )
    values, target = held_out["score"].to_numpy()[:, None].astype(float), np.array(answers)
    mean, deviation = values.mean(), values.std()
    weight = np.where(target, 0.05 / target.sum(), 0.95 / (~target).sum())
    reference = LogisticRegression(C=1e3, tol=1e-12).fit((values - mean) / deviation, target, sample_weight=weight)
    expected = reference.decision_function((made["score"].to_numpy()[:, None] - mean) / deviation) - logit(0.05)
    np.testing.assert_allclose(made["llr_uncapped"].to_numpy(), expected, atol=2e-2)
    np.testing.assert_array_equal(made["accept"].to_numpy(zero_copy_only=False), made["llr"].to_numpy() >= np.log(19))


def test_what_was_fitted_is_kept_reused_and_named_by_what_it_was_fitted_on(
    tiny_recipe: Recipe,
    tiny_store: str,
    checkpoint: Checkpoint,
    tmp_path: Path,
    index: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
):
    cfg = calibrated(tiny_recipe)
    first = scores_of(cfg, checkpoint, tiny_store, tmp_path / "one")["llr"].to_numpy()
    listed = write_list(tmp_path / "list.txt", index, "validation")
    scores_of(calibrated(tiny_recipe, trials=listed), checkpoint, tiny_store, tmp_path / "two")
    assert len(list(tmp_path.glob("calibration-*.npz"))) == 2
    assert len(list(tmp_path.glob("backend-*.npz"))) == 1
    for seed in (5, 6):
        of_nine = tiny_recipe.changed({"seed": seed, "scoring.fit_utterances": 9})
        scores_of(of_nine, checkpoint, tiny_store, tmp_path / f"seed-{seed}")
    assert len(list(tmp_path.glob("backend-*.npz"))) == 3
    monkeypatch.setattr(Calibration, "fit", None)
    again = scores_of(cfg, checkpoint, tiny_store, tmp_path / "three")["llr"].to_numpy()
    np.testing.assert_array_equal(again, first)


def test_a_store_without_training_speakers_takes_what_was_kept(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cfg = calibrated(tiny_recipe)
    read = store.read_table

    def test_split_only(uri: str, table: str, **kwargs: Any) -> Any:
        found = read(uri, table, **kwargs)
        return found.filter(pc.equal(found["split"], "test")) if "split" in found.column_names else found

    with monkeypatch.context() as patched:
        patched.setattr(store, "read_table", test_split_only)
        with pytest.raises(ValueError, match=r"backend not fitted: got 0 files backend-.* training speakers"):
            score(cfg, checkpoint, tiny_store, str(tmp_path / "run"))
    expected = scores_of(cfg, checkpoint, tiny_store, tmp_path / "whole")["llr"].to_numpy()
    monkeypatch.setattr(store, "read_table", test_split_only)
    found = scores_of(cfg, checkpoint, tiny_store, tmp_path / "other")["llr"].to_numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_quality_measures_enter(tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path):
    cfg = tiny_recipe.changed({"scoring.backend": AS_NORM})
    cfg = calibrated(cfg, measures=("duration", "magnitude", "cohort_mean"))
    made = scores_of(cfg, checkpoint, tiny_store, tmp_path / "run")
    assert made.column_names[-4:] == ["score", "score_norm", "llr_uncapped", "llr"]
    [kept] = tmp_path.glob("calibration-*.npz")
    with np.load(kept) as state:
        assert state["weights"].shape == (7,)
        assert np.isfinite(state["weights"]).all()
    assert abs(np.corrcoef(made["llr_uncapped"].to_numpy(), made["score_norm"].to_numpy())[0, 1]) < 1 - 1e-6


def test_quality_is_learnt_of_short_sides_too(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Utterances of 1.5 s stand on either side whole and as crops of 0.5 to 1 s, the same for the same seed."""
    backend = {"_target_": "avis.scoring.cosine.Cosine", "center": False}
    cfg = tiny_recipe.changed({"scoring.backend": backend})
    cfg = calibrated(cfg, measures=("duration",), crops_s=[0.5, 1.0])
    seen: list[tuple[np.ndarray, ...]] = []
    fit = Calibration.fit
    monkeypatch.setattr(Calibration, "fit", lambda self, *given: (seen.append(given), fit(self, *given)))
    for seed, run in ((0, "one"), (0, "other"), (1, "third")):
        for saved in tmp_path.glob("calibration-*.npz"):
            saved.unlink()
        score(cfg.changed({"seed": seed}), checkpoint, tiny_store, str(tmp_path / run))
    scores, features, target, speakers = seen[0]
    for given, again, other in zip(*seen, strict=True):
        np.testing.assert_array_equal(given, again)
        assert given.shape == other.shape
    assert not np.array_equal(features, seen[2][1])

    rows = store.read_table(tiny_store, "utterances").to_pylist()
    audio = {row["utt_id"]: row for row in rows}
    pairs = calibration_trials(cfg, read_index(tiny_store)).to_pylist()
    assert len(scores) == 4 * len(pairs)
    assert target.sum() == 4 * sum(pair["target"] for pair in pairs)
    assert ((speakers[:, 0] == speakers[:, 1]) == target).all()
    embedder = Embedder(lambda: checkpoint, copies=0, banks=dict, use_gpu=False)
    crops = Crops(0.5, 1.0, sample_rate=16000, seed=0)
    pair, number = pairs[3], 3
    vectors, seconds = [], []
    for side, cropped in (("enroll", False), ("test", True)):
        row = audio[pair[side]]
        waveform = read_all(row["audio"])
        share = 1.0
        if cropped:
            start, num = crops.span(row["utt_id"], len(waveform))
            assert 8000 <= num <= 16000
            waveform, share = waveform[start : start + num], num / len(waveform)
        seconds.append(row["speech_s"] * share)
        frames = features_of({"waveforms": torch.from_numpy(waveform)}, embedder.front_end)
        vectors.append(embedder.embed([frames])[0])
    number += len(pairs)  # whole against cropped follow whole against whole
    one, other = vectors
    assert scores[number] == pytest.approx(one @ other / np.linalg.norm(one) / np.linalg.norm(other), abs=1e-5)
    logs = np.log(seconds)
    np.testing.assert_allclose(features[number], [logs.min(), abs(logs[0] - logs[1])], rtol=1e-4)
    whole, shorter = features[: len(pairs), 0], features[3 * len(pairs) :, 0]
    assert shorter.max() < whole.min()


@pytest.mark.parametrize(("split", "what"), [("train", "trained on"), ("test", "tested")])
def test_calibration_speakers_are_neither_trained_on_nor_tested(
    tiny_recipe: Recipe,
    tiny_store: str,
    checkpoint: Checkpoint,
    tmp_path: Path,
    index: list[dict[str, Any]],
    split: str,
    what: str,
):
    cfg = calibrated(tiny_recipe, trials=write_list(tmp_path / "list.txt", index, split))
    for run in (lambda: check_trials(cfg, tiny_store), lambda: score(cfg, checkpoint, tiny_store, str(tmp_path / "r"))):
        with pytest.raises(ValueError, match=rf"calibration speaker {what}: got 4 speakers .* At synthetic/"):
            run()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operating_point": POINT}, "decision without calibration"),
        (
            {"operating_point": {"p_target": 0.1}, "measures": ()},
            r"operating point incomplete: got \{'p_target': 0.1\}",
        ),
        ({"measures": ("cohort_mean",)}, "measure without cohort: .* back-end Cosine"),
        ({"measures": (), "crops_s": [6.0, 2.0]}, r"crops out of range: got crops_s=\[6.0, 2.0\] s"),
        ({"measures": (), "crops_s": 2.0}, "crops out of range: got crops_s=2.0 s"),
        ({"enrolments": "nowhere.csv"}, "enrolment models cannot be read"),
        ({"scoring.adapt_corpus": "synthetic"}, "adaptation incomplete: got adapt_corpus=synthetic"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_training(
    tiny_recipe: Recipe, tiny_store: str, change: dict[str, Any], message: str
):
    def composed() -> Recipe:
        if "measures" not in change:
            return tiny_recipe.changed(change)
        return calibrated(tiny_recipe, **change)

    with pytest.raises(ValueError, match=message):
        check_trials(composed(), tiny_store)


def test_the_drawn_list_is_seeded_capped_and_across_sessions(tiny_recipe: Recipe, tiny_store: str):
    light = store.read_table(tiny_store, "utterances", columns=["utt_id", "speaker", "session", "split", "corpus"])
    cfg = calibrated(tiny_recipe)
    trials = calibration_trials(cfg, light)
    assert trials["target"].to_pylist().count(True) == 2 * 2 * 2
    assert trials["target"].to_pylist().count(False) == 4 * 4
    speaker = dict(zip(light["utt_id"].to_pylist(), light["speaker"].to_pylist(), strict=True))
    session = dict(zip(light["utt_id"].to_pylist(), light["session"].to_pylist(), strict=True))
    for row in trials.to_pylist():
        assert (speaker[row["enroll"]] == speaker[row["test"]]) == row["target"]
        assert session[row["enroll"]] != session[row["test"]]
    capped = [calibration_trials(cfg.changed({"calibration.max_trials": 5, "seed": seed}), light) for seed in (0, 0, 1)]
    assert [len(table) for table in capped] == [10, 10, 10]
    assert capped[0].equals(capped[1])
    assert not capped[0].equals(capped[2])


def test_a_back_end_is_adapted_to_the_utterances_of_a_corpus(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path
):
    backend = {
        "_target_": "avis.scoring.adaptation.AdaptedPlda",
        "num_iterations": 2,
        "method": "coral_plus",
        "between_scale": 0.5,
        "within_scale": 0.5,
    }
    adapted = tiny_recipe.changed({"scoring.backend": backend, "scoring.adapt_corpus": "synthetic"})
    made = scores_of(adapted, checkpoint, tiny_store, tmp_path / "run")
    assert np.isfinite(made["score"].to_numpy()).all()
    with pytest.raises(ValueError, match=r"nothing to adapt to: got 0 utterances .* the store has synthetic"):
        score(adapted.changed({"scoring.adapt_corpus": "x"}), checkpoint, tiny_store, str(tmp_path / "r"))


def test_decisions_are_printed(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    cfg = calibrated(tiny_recipe, operating_point=POINT)
    tables = score(cfg, checkpoint, tiny_store, str(tmp_path / "run"))
    show_decisions(tables, cfg.operating_point)
    table = store.read_table(tables["synthetic"], "scores")
    accepted = sum(table["accept"].to_pylist())
    assert f"synthetic: accepted {accepted} of {len(table)} trials at llr >= 2.9444" in capsys.readouterr().out
    show_decisions(tables, tiny_recipe.operating_point)
    assert capsys.readouterr().out.splitlines()[-1:] == []


def test_ratios_are_capped_and_a_threshold_beyond_is_warned_of(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Two speakers and their one pair bear out ratios of 2 to 1 at most, so that those of 19 to 1 are never reached."""
    uri = score(calibrated(tiny_recipe, operating_point=POINT), checkpoint, tiny_store, str(tmp_path / "run"))[
        "synthetic"
    ]
    made, manifest = store.read_table(uri, "scores"), store.open_manifest(uri)
    found = manifest["calibration"]
    assert {key: found[key] for key in found if key.startswith("num")} == {
        "num_speakers": 2,
        "num_target": 8,
        "num_nontarget": 16,
    }
    assert -np.log(3) <= found["lower"] <= 0 <= found["upper"] <= np.log(2)
    capped = np.clip(made["llr_uncapped"].to_numpy(), found["lower"], found["upper"])
    np.testing.assert_allclose(made["llr"].to_numpy(), capped, rtol=1e-6)
    assert not any(made["accept"].to_pylist())
    [warning] = manifest["warnings"]
    assert "All trials are rejected: the operating point's threshold, 2.94, is beyond" in warning
    assert f"warning: {warning}" in capsys.readouterr().out.splitlines()


def test_scores_that_cannot_be_calibrated_are_given_without_ratios(
    tiny_recipe: Recipe,
    tiny_store: str,
    checkpoint: Checkpoint,
    tmp_path: Path,
    index: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
):
    """Answers that are all turned make good scores fall from non-target to target trials."""
    listed = Path(write_list(tmp_path / "list.txt", index, "validation"))
    answered = [line.split(" ", 1) for line in listed.read_text().splitlines()]
    listed.write_text("".join(f"{1 - int(answer)} {pair}\n" for answer, pair in answered))
    cfg = calibrated(tiny_recipe, trials=str(listed), operating_point=POINT)
    uris = score(cfg, checkpoint, tiny_store, str(tmp_path / "run"))
    made = store.read_table(uris["synthetic"], "scores")
    assert made.column_names[-1] == "score"
    assert not list(tmp_path.glob("calibration-*.npz"))
    [warning] = store.open_manifest(uris["synthetic"])["warnings"]
    assert "no likelihood ratios and no decisions" in warning
    assert "Scores rise from non-target to target trials: got a weight of 0" in warning
    show_decisions(uris, cfg.operating_point)
    said = capsys.readouterr().out
    assert f"warning: {warning}" in said.splitlines()
    assert "accepted" not in said


def test_the_origin_of_scores_is_kept_and_tells_none_apart(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path
):
    uri = score(tiny_recipe, checkpoint, tiny_store, str(tmp_path / "run"))["synthetic"]
    found = known_origin(uri)
    assert found["checkpoint"] == checkpoint.uri
    assert found["configuration hash"] == fingerprint(tiny_recipe.plain)
    assert (
        score(tiny_recipe.changed({"run": "other"}), checkpoint, tiny_store, str(tmp_path / "run"))["synthetic"] == uri
    )
    assert known_origin(checkpoint.uri) == {}


def small_index(sessions: dict[str, int]) -> pa.Table:
    """Return utterances ``<speaker>/<session>/<take>``, as many in each session as given."""
    ids = [f"{session}/{take}" for session, num in sessions.items() for take in range(num)]
    parts = [utt_id.rsplit("/", 1)[0] for utt_id in ids]
    return pa.table({"utt_id": ids, "speaker": [part.split("/")[0] for part in parts], "session": parts})


def test_calibration_models_keep_clear_of_the_test() -> None:
    index = small_index({"a/0": 2, "a/1": 2, "a/2": 1, "b/0": 3, "c/0": 1})
    pairs = [("a/0/1", "a/1/0"), ("a/0/1", "a/1/1"), ("a/0/1", "b/0/0"), ("b/0/1", "b/0/2"), ("c/0/0", "a/0/0")]
    target = [one[0] == other[0] for one, other in pairs]
    trials = pa.table({"enroll": [p[0] for p in pairs], "test": [p[1] for p in pairs], "target": target})
    tested = pa.table({"enroll_model": [*"pppqqqr"], "utt_id": [*"1234567"]})
    found = with_models(trials, index, tested)
    assert found.size == 3
    members: dict[str, list[str]] = {}
    for row in found.models.to_pylist():
        members.setdefault(row["enroll_model"], []).append(row["utt_id"])
    assert [members[name] for name in found.trials["enroll"].to_pylist()] == [
        ["a/0/1", "a/2/0", "a/0/0"],  # not those of the test's session
        ["a/0/1", "a/2/0", "a/0/0"],
        ["a/0/1", "a/1/0", "a/1/1"],
        ["b/0/1", "b/0/0"],  # one session: all but the test
        ["c/0/0"],
    ]
    assert len(members) == 4, "trials share models"
    assert found.trials.select(["test", "target"]).equals(trials.select(["test", "target"]))
    assert with_models(trials, index, None).trials is trials


@pytest.mark.parametrize("mean", ["embeddings", "scores"])
def test_calibration_is_fitted_on_models_where_models_are_tested(
    tiny_recipe: Recipe,
    tiny_store: str,
    checkpoint: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mean: str,
):
    models, trials = tmp_path / "models.csv", tmp_path / "trials.csv"
    models.write_text(
        "enroll_model,utt_id\none,test_0000/session_0/000\none,test_0000/session_0/001\n"
        "two,test_0001/session_0/000\ntwo,test_0001/session_0/001\n"
    )
    trials.write_text("enroll,test,target\none,test_0000/session_1/000,1\ntwo,test_0000/session_1/001,0\n")
    backend = {"_target_": "avis.scoring.cosine.Cosine", "center": False}
    lists = {"enrolments": str(models), "enrolment_mean": mean, "trials": {"synthetic": str(trials)}}
    cfg = calibrated(tiny_recipe.changed({"scoring.backend": backend, **lists}))
    seen: list[np.ndarray] = []
    fit = Calibration.fit
    monkeypatch.setattr(Calibration, "fit", lambda self, *given: (seen.extend(given), fit(self, *given)))
    score(cfg, checkpoint, tiny_store, str(tmp_path / "run"))

    light = store.read_table(tiny_store, "utterances", columns=["utt_id", "speaker", "session", "split"])
    drawn = calibration_trials(cfg, read_index(tiny_store))
    given = with_models(drawn, light, pa.table({"enroll_model": ["one"] * 2, "utt_id": ["x", "y"]}))
    assert set(given.models["enroll_model"].combine_chunks().value_counts().field("counts").to_pylist()) == {2}
    kept = [store.read_table(str(path), "embeddings") for path in (tmp_path / "run" / "embeddings").iterdir()]
    vectors = {row["utt_id"]: np.array(row["embedding"]) for part in kept for row in part.to_pylist()}
    members: dict[str, list[np.ndarray]] = {}
    for row in given.models.to_pylist():
        members.setdefault(row["enroll_model"], []).append(vectors[row["utt_id"]])

    def cosine(one: np.ndarray, other: np.ndarray) -> float:
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    for row, found in zip(given.trials.to_pylist(), seen[0], strict=True):
        enrolled, test = members[row["enroll"]], vectors[row["test"]]
        of_mean = cosine(np.mean(enrolled, axis=0), test)
        assert found == pytest.approx(
            of_mean if mean == "embeddings" else np.mean([cosine(each, test) for each in enrolled]), abs=1e-5
        )
    np.testing.assert_array_equal(seen[2], drawn["target"].to_numpy(zero_copy_only=False))


@pytest.mark.parametrize("written", ["c/Zo\u00eb", "c/Zoe\u0308", "c/ZO\u00cb", "c/Zo\u00eb\u00a0", "c/\u200bZo\u00eb"])
def test_a_calibration_speaker_trained_on_is_found_however_the_name_is_written(written: str):
    trials = pa.table({"enroll": ["c/1"], "test": ["c/2"], "target": [False]})
    index = pa.table({"utt_id": ["c/1", "c/2"], "speaker": ["c/Zo\u00eb", "c/b"]})
    for trained, tested, what in (([written], set(), "trained on"), ([], {written}, "tested")):
        with pytest.raises(ValueError, match=rf"calibration speaker {what}: got 1 speakers .* At c/Zo\u00eb\."):
            check_calibration_speakers(trials, index, trained=trained, tested=tested)
    found = check_calibration_speakers(trials, index, trained=["c/Zoe"], tested={"c/Zoe"})
    assert found == {"c/Zo\u00eb", "c/b"}
