"""Making trial lists: alone, to a file, and as part of a configuration."""

from collections.abc import Callable
from pathlib import Path

import pytest

from avis.engine.config import resolve
from avis.scoring.trials import read_trials
from tests.compositions import composed


def test_a_list_is_made_alone(
    tmp_path: Path,
    start: Callable[..., None],
    tiny: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    start("pair", "compute=debug", "pairing=cross_session", "trials.cross_session.max_target=6", *tiny["prepare"])
    path = tmp_path / "outputs" / "trials" / "cross_session.parquet"
    assert capsys.readouterr().out.splitlines()[-1] == f"6 target, 6 non-target trials: {path}"
    trials = read_trials(path)
    assert trials["target"].to_pylist() == [True] * 6 + [False] * 6
    speakers = [[name.split("/")[1] for name in trials[side].to_pylist()] for side in ("enroll", "test")]
    assert [one == other for one, other in zip(*speakers, strict=True)] == trials["target"].to_pylist()


def test_pairing_stands_in_for_a_path():
    def trials(pipeline: str, *overrides: str) -> object:
        return resolve(composed(pipeline, *overrides))["trials"]

    made = trials("train", "pairing=same_gender", "trials.same_gender.same=[gender,language]")
    assert list(made) == ["same_gender"]
    assert made["same_gender"]["same"] == ["gender", "language"]
    assert list(trials("score", "checkpoint=x", "pairing=all_pairs")) == ["all_pairs"]
    assert trials("train") is None
    assert trials("train", "trials=x") == "x"
