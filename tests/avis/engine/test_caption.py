"""Teaching a captioner by a run: its training speakers are learnt from, all others are what it is scored on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avis.engine import caption as stage
from avis.engine.caption import teach
from avis.engine.config import check_composed
from avis.engine.scored import model_of
from avis.explain.caption.folder import read_captioner
from avis.verifier import Verifier


@pytest.fixture
def run(finished_run: str, tmp_path: Path) -> Path:
    """Return a copy of the finished run."""
    return Path(shutil.copytree(finished_run, tmp_path / "runs" / "tiny"))


@pytest.fixture
def taught(
    run: Path, composed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, Any, dict[str, set[str]]]]:
    """Return what teaches a captioner of the run: its folder, itself, and the speakers that were learnt and held."""
    monkeypatch.setattr(stage, "NUM_HELD", 8)
    speakers: dict[str, set[str]] = {}
    whole = stage._taught

    def seen(verifier: Any, learnt: Any, others: Any, captioning: Any) -> Any:
        speakers.update(learnt={each.speaker for each in learnt}, held={each.speaker for each in others})
        return whole(verifier, learnt, others, captioning)

    monkeypatch.setattr(stage, "_taught", seen)

    def made(*overrides: str) -> tuple[str, Any, dict[str, set[str]]]:
        settings = ["run=tiny", f"output_dir={run.parents[1]}", "num_pairs=8", "num_steps=3", *overrides]
        asked = check_composed(composed(*settings, name="caption"))
        return *teach(model_of(asked), asked), speakers

    return made


@pytest.mark.slow
def test_a_captioner_lies_with_the_verifier_and_was_scored_on_others(run: Path, taught: Callable[..., Any]):
    folder, captioner, speakers = taught("compute=debug")
    assert Path(folder) == run / "verifier" / "caption"
    read = read_captioner(Verifier.load(run))
    assert read.scores == captioner.scores
    assert read.scores["precision"].num_trials <= 8
    trained = set(Verifier.load(run).parts.checkpoint.speakers) or speakers["learnt"]
    assert speakers["learnt"] <= trained
    assert speakers["held"]
    assert not speakers["held"] & speakers["learnt"]
    config = json.loads((Path(folder) / "config.json").read_text())
    assert config["trained_on"]["speakers"] == len(speakers["learnt"])
    assert config["trained_on"]["pairs"] == 8


@pytest.mark.slow
def test_it_is_the_same_on_ray_and_another_seed_is_another(ray_session: None, run: Path, taught: Callable[..., Any]):
    weights = []
    for settings in (["compute=debug"], ["compute=local"], ["compute=debug", "seed=9"]):
        folder, *_ = taught(*settings)
        weights.append((Path(folder) / "caption.safetensors").read_bytes())
        for kept in ("embeddings", "acoustics"):
            shutil.rmtree(run / kept, ignore_errors=True)
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


@pytest.mark.slow
def test_a_verifier_that_is_not_calibrated_has_nothing_to_tell(run: Path, taught: Callable[..., Any]):
    shutil.rmtree(run / "verifier")
    with pytest.raises(ValueError, match=r"no model: .*resume=tiny"):
        taught("compute=debug")
