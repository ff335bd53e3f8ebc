import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile as sf
import torch

from pipelines.benchmarks.explained_trials import listed, spread
from pipelines.benchmarks.explaining import explaining
from tests.avis.conftest import RATE, talk


@pytest.fixture
def of_talk(recipe: Callable, tmp_path: Path) -> Callable:
    """Return what composes a recipe with two sessions each of three made-up voices, and all trials across sessions."""
    paths = [f"{speaker}/{session}/{file}.wav" for speaker in "abc" for session in "xy" for file in "12"]
    for seed, path in enumerate(paths):
        (tmp_path / "voices" / path).parent.mkdir(parents=True, exist_ok=True)
        sf.write(tmp_path / "voices" / path, talk(seed // 4, duration_s=3.2 + seed / 10), RATE)
    pairs = [pair for pair in itertools.combinations(paths, 2) if pair[0][:3] != pair[1][:3]]
    lines = [f"{int(one[0] == other[0])} {one} {other}" for one, other in pairs]
    (tmp_path / "trials.txt").write_text("\n".join(lines))
    corpus = ["corpus.split=test", f"corpus.root={tmp_path / 'voices'}", f"trials={tmp_path / 'trials.txt'}"]

    def composed(*overrides: str):
        return recipe(*corpus, *overrides, corpus="folder")

    return composed


@pytest.fixture
def checkpoint(of_talk: Callable, tmp_path: Path) -> str:
    """Return the path of a checkpoint with weights drawn at random."""
    composed = of_talk()
    torch.manual_seed(0)
    weights = {f"model.{key}": value for key, value in composed.model.build().state_dict().items()}
    written = {"state_dict": weights, "recipe": composed.plain, "speakers": ["a"], "epoch": 1, "global_step": 2}
    torch.save(written, tmp_path / "drawn.ckpt")
    return str(tmp_path / "drawn.ckpt")


@pytest.mark.slow
def test_faithfulness_is_one_table(of_talk: Callable, checkpoint: str, capsys: pytest.CaptureFixture[str]):
    few_draws = of_talk(f"start_from={checkpoint}", "evaluation.bootstrap_draws=50")
    explaining(few_draws, num_trials=4, num_shuffled=1)
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("60 trials: EER ")
    rows = {line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ") and line != "|"}
    for name in (
        *("share: z of deletion", "energy: z of deletion", "attention: z of deletion", "best: z of deletion"),
        *("planted voice: AUC", "share of a second of silence", "Spearman, another person's enrolment"),
        *("Spearman after padding", "Spearman, weights shuffled down to first"),
    ):
        assert name in rows
    verdicts = [line for line in lines if line.startswith("share: ")]
    assert len(verdicts) == 1
    assert verdicts[0].endswith("(4 trials)")


@pytest.mark.slow
def test_trials_are_spread_over_speakers(of_talk: Callable):
    trials, sessions = listed(of_talk())
    drawn = spread(trials, 6, seed=0)
    assert sum(trial.target for trial in drawn) == 3
    assert len({trial.enroll_speaker for trial in drawn if trial.target}) == 3
    assert len({trial[2:4] for trial in drawn if not trial.target}) == 3
    assert all(len(session) == 2 and session[0] == path for path, session in sessions.items())


@pytest.mark.slow
def test_a_verifier_must_be_given(of_talk: Callable):
    with pytest.raises(ValueError, match="no verifier: got start_from=null"):
        explaining(of_talk())
