"""Calibrated scores, decisions and adaptation: fitted on other speakers, kept, and refused where they do not fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from avis import store
from avis.checkpoints.checkpoint import Checkpoint
from avis.digest import fingerprint
from avis.engine.recipe import Recipe
from avis.engine.score import check_trials, score, show_decisions
from avis.evaluation.list_report import read_origin
from avis.lineage import Lineage

Calibrated = Callable[..., Recipe]
POINT = {"p_target": 0.05, "c_miss": 1.0, "c_fa": 1.0}
COSINE = {"_target_": "avis.scoring.cosine.Cosine", "center": True}
AS_NORM = {"_target_": "avis.scoring.as_norm.AsNorm", "top_n": 3, "backend": COSINE}


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
    tiny_recipe: Recipe,
    tiny_store: str,
    checkpoint: Checkpoint,
    tmp_path: Path,
    index: list[dict[str, Any]],
    calibrated: Calibrated,
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
    calibrated: Calibrated,
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
    saved = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    again = scores_of(cfg, checkpoint, tiny_store, tmp_path / "three")["llr"].to_numpy()
    np.testing.assert_array_equal(again, first)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")} == saved


def test_a_store_without_training_speakers_takes_what_was_saved(
    tiny_recipe: Recipe,
    tiny_store: str,
    checkpoint: Checkpoint,
    tmp_path: Path,
    calibrated: Calibrated,
):
    tested = str(tmp_path / "tested")
    rows = store.read_table(tiny_store, "utterances", prefix="test-")
    store.commit_part(tested, "test-00000", {"utterances": rows}, row_group_rows=8)
    store.finish(tested, parts=["test-00000"], inputs="tested", facts={})
    cfg = calibrated(tiny_recipe)
    with pytest.raises(ValueError, match=r"backend not fitted: got 0 files backend-.* training speakers"):
        score(cfg, checkpoint, tested, str(tmp_path / "run"))
    expected = scores_of(cfg, checkpoint, tiny_store, tmp_path / "whole")["llr"].to_numpy()
    np.testing.assert_allclose(scores_of(cfg, checkpoint, tested, tmp_path / "other")["llr"], expected, atol=1e-6)


def test_quality_measures_enter(
    tiny_recipe: Recipe,
    tiny_store: str,
    checkpoint: Checkpoint,
    tmp_path: Path,
    calibrated: Calibrated,
):
    cfg = tiny_recipe.changed({"scoring.backend": AS_NORM})
    cfg = calibrated(cfg, measures=("duration", "magnitude", "cohort_mean"))
    made = scores_of(cfg, checkpoint, tiny_store, tmp_path / "run")
    assert made.column_names[-4:] == ["score", "score_norm", "llr_uncapped", "llr"]
    [kept] = tmp_path.glob("calibration-*.npz")
    with np.load(kept) as state:
        assert state["weights"].shape == (7,)
        assert np.isfinite(state["weights"]).all()
    assert abs(np.corrcoef(made["llr_uncapped"].to_numpy(), made["score_norm"].to_numpy())[0, 1]) < 1 - 1e-6


@pytest.mark.parametrize(("split", "what"), [("train", "trained on"), ("test", "tested")])
def test_calibration_speakers_are_neither_trained_on_nor_tested(
    tiny_recipe: Recipe,
    tiny_store: str,
    checkpoint: Checkpoint,
    tmp_path: Path,
    index: list[dict[str, Any]],
    split: str,
    what: str,
    calibrated: Calibrated,
):
    cfg = calibrated(tiny_recipe, trials=write_list(tmp_path / "list.txt", index, split))
    for run in (
        lambda: check_trials(cfg, tiny_store, Lineage()),
        lambda: score(cfg, checkpoint, tiny_store, str(tmp_path / "r")),
    ):
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
    tiny_recipe: Recipe,
    tiny_store: str,
    change: dict[str, Any],
    message: str,
    calibrated: Calibrated,
):
    def composed() -> Recipe:
        if "measures" not in change:
            return tiny_recipe.changed(change)
        return calibrated(tiny_recipe, **change)

    with pytest.raises(ValueError, match=message):
        check_trials(composed(), tiny_store, Lineage())


@pytest.mark.slow
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
    tiny_recipe: Recipe,
    tiny_store: str,
    checkpoint: Checkpoint,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    calibrated: Calibrated,
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
    tiny_recipe: Recipe,
    tiny_store: str,
    checkpoint: Checkpoint,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    calibrated: Calibrated,
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
    [warning] = [each for each in manifest["warnings"] if "All trials are rejected" in each]
    assert "All trials are rejected: the operating point's threshold, 2.94, is beyond" in warning
    assert f"warning: {warning}" in capsys.readouterr().out.splitlines()


def test_scores_that_cannot_be_calibrated_are_given_without_ratios(
    tiny_recipe: Recipe,
    tiny_store: str,
    checkpoint: Checkpoint,
    tmp_path: Path,
    index: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    calibrated: Calibrated,
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
    warnings = store.open_manifest(uris["synthetic"])["warnings"]
    [warning] = [each for each in warnings if "no likelihood" in each]
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
    found = read_origin(uri)
    assert found["checkpoint"] == checkpoint.uri
    assert found["configuration hash"] == fingerprint(tiny_recipe.plain)
    assert (
        score(tiny_recipe.changed({"run": "other"}), checkpoint, tiny_store, str(tmp_path / "run"))["synthetic"] == uri
    )
    assert read_origin(checkpoint.uri) == {}
