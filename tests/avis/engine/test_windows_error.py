"""How much the scorer of windows errs on a whole list."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avis import store
from avis.engine import windows_error as stage
from avis.engine.config import check_composed
from avis.engine.explain import OVERRIDES, calibrated_verifier
from avis.engine.scored import Scored, model_of, scored
from avis.engine.trials.recordings import as_taken_in, find_recordings, read_recordings
from avis.engine.windows_error import windows_error_of
from avis.explain.windows import window_edges
from avis.metrics.eer import equal_error_rate


@pytest.fixture
def found(finished_run: str, tmp_path: Path, composed: Callable[..., Any]) -> Scored:
    shutil.copytree(finished_run, tmp_path / "runs" / "tiny")
    asked = check_composed(composed("run=tiny", f"output_dir={tmp_path}", "compute=debug", name="explain"))
    return scored(model_of(asked), asked, beside=OVERRIDES)


@pytest.mark.slow
def test_it_is_the_rate_of_means_of_windows(found: Scored, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stage, "WINDOW_S", 0.5)
    monkeypatch.setattr("avis.explain.windows.WINDOW_S", 0.5)
    verifier = calibrated_verifier(found.evaluated)
    told = windows_error_of("synthetic", found, verifier)
    trials = store.read_table(found.scores["synthetic"], "scores")
    wanted = {*trials["enroll"].to_pylist(), *trials["test"].to_pylist()}
    sides = {}
    for utt_id, row in read_recordings(find_recordings(found.utterances, wanted)).items():
        values = as_taken_in(row).values
        edges = window_edges(len(values), sample_rate=row["sample_rate"])
        embeddings = np.stack([verifier.embedding_of(values[start:end]) for start, end in edges])
        sides[utt_id] = verifier.comparison.sides(embeddings.mean(axis=0, keepdims=True), np.array([row["speech_s"]]))
    pairs = [(sides[row["enroll"]], sides[row["test"]]) for row in trials.select(["enroll", "test"]).to_pylist()]
    features = np.concatenate([verifier.comparison.features(*pair) for pair in pairs])
    llr = verifier.calibration.uncapped_llr(
        np.concatenate([verifier.comparison.scores(*pair) for pair in pairs]), features
    )
    target = trials["target"].to_numpy(zero_copy_only=False)
    assert told.windows_eer == pytest.approx(equal_error_rate(llr, target)[0], abs=0.01)
    assert told.eer == pytest.approx(equal_error_rate(trials["llr_uncapped"].to_numpy(), target)[0])
    assert told.num_trials == len(trials)


def test_of_a_list_that_is_too_long_it_is_not_told(
    found: Scored, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(stage, "MOST_UTTERANCES", 1)
    assert windows_error_of("synthetic", found, calibrated_verifier(found.evaluated)) is None
    assert "synthetic: windows are not scored, since it names" in capsys.readouterr().out
