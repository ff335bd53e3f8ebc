"""A training leaves a verifier that answers as the scoring of its trials did."""

from pathlib import Path

import numpy as np
import pytest

from avis import store
from avis.checkpoints.checkpoint import Checkpoint
from avis.engine.recipe import Recipe
from avis.engine.score import score
from avis.engine.verifier import BY_DURATION, leave_verifier
from avis.verifier import Verifier


@pytest.mark.few(1)
@pytest.mark.parametrize("scoring", ["cosine", "as_norm"])
def test_it_answers_as_the_scores_table_does(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path, scoring: str
):
    backend = dict(tiny_recipe.plain["scoring"]["backend"])
    if scoring == "as_norm":
        backend = {
            "_target_": "avis.scoring.as_norm.AsNorm",
            "backend": backend,
            "cohort": "utterances",
            "top_n": 4,
        }
    measures = {"measures": ["duration", "magnitude", *(["cohort_mean"] if scoring == "as_norm" else [])]}
    calibration = {**BY_DURATION.plain, "model": {**BY_DURATION.plain["model"], **measures}}
    cfg = tiny_recipe.changed({"calibration": calibration, "scoring.backend": backend})
    run = str(tmp_path / "run")
    table = store.read_table(score(cfg, checkpoint, tiny_store, run)["synthetic"], "scores")
    verifier = Verifier.load(leave_verifier(cfg, checkpoint, tiny_store, run))
    assert verifier.calibration is not None
    folder = Path(cfg.corpora["synthetic"].build().folder)
    for row in table.slice(0, 12).to_pylist():
        paths = [next(folder.rglob(f"{row[side].removeprefix('synthetic/')}.flac")) for side in ("enroll", "test")]
        verdict = verifier.verify(*map(str, paths))
        assert verdict.score == pytest.approx(row.get("score_norm") or row["score"], abs=1e-5, rel=1e-4)
        assert verdict.llr == pytest.approx(row["llr"], abs=1e-4)


@pytest.mark.slow
def test_a_run_that_is_not_calibrated_leaves_one_that_is(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path, capsys
):
    run = str(tmp_path / "run")
    score(tiny_recipe, checkpoint, tiny_store, run)
    parts = Verifier.load(leave_verifier(tiny_recipe, checkpoint, tiny_store, run)).parts
    said = capsys.readouterr().out
    assert (parts.calibration is None) == ("the verifier is not calibrated" in said)
    assert parts.checkpoint.digest == checkpoint.digest
    assert np.isfinite(parts.max_window_s)
    assert parts.trained_on == str(checkpoint.lineage)
