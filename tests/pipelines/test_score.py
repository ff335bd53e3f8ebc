"""Scoring alone: a checkpoint and trials in, error rates out."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from avis import store


def test_trials_are_scored_alone(
    main_job: tuple[Path, str],
    start: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    folder, said = main_job
    monkeypatch.chdir(folder)
    checkpoint = "outputs/runs/first/checkpoints/best.ckpt"
    start("score", f"checkpoint={checkpoint}", "compute=debug")
    told = capsys.readouterr().out.splitlines()[-3:]
    assert told[0] == said.splitlines()[-5]  # before the pages of evaluation and training, and the verifier
    [scored] = (folder / "outputs" / "scored").iterdir()
    [evaluated] = (scored / "evaluated").iterdir()
    [metrics] = json.loads((evaluated / "metrics.json").read_text()).values()
    [own] = json.loads((folder / "outputs" / "runs" / "first" / "metrics.json").read_text()).values()
    assert metrics | {"scores": own["scores"]} == own

    start("score", f"checkpoint={checkpoint}", "compute=debug", "scoring=wccn")
    assert len(list((scored / "evaluated").iterdir())) == 2, "another back-end has a folder of its own"


@pytest.mark.slow
def test_recordings_are_prepared_otherwise_and_figures_stated_by_duration(
    main_job: tuple[Path, str],
    start: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    folder, _ = main_job
    monkeypatch.chdir(folder)
    checkpoint, out = folder / "outputs" / "runs" / "first" / "checkpoints" / "best.ckpt", f"output_dir={tmp_path}"
    trimmed = ["sharding.vad=energy", "sharding.trim=all", "sharding.min_duration_s=0.1"]
    start("score", f"checkpoint={checkpoint}", "compute=debug", out, *trimmed, "evaluation.subgroups=[duration]")
    page = Path(capsys.readouterr().out.splitlines()[-1].removeprefix("report:").strip())
    [found] = json.loads((page.parent / "metrics.json").read_text()).values()
    groups = found["subgroups"]["duration"]["groups"]
    assert set(groups) <= {"0 to 1 s", "1 to 2 s"}
    assert sum(group["num_target"] for group in groups.values()) == found["num_target"]
    [prepared] = (tmp_path / "stores").iterdir()
    utterances = store.read_table(str(prepared), "utterances", columns=["num_samples"])
    assert min(utterances["num_samples"].to_pylist()) < 1.5 * 16000
    with pytest.raises(ValueError, match=r"got sample_rate=8000, expected the checkpoint's 16000"):
        start("score", f"checkpoint={checkpoint}", "compute=debug", out, "sharding.sample_rate=8000")


def test_trials_without_answers_are_scored(
    main_job: tuple[Path, str],
    start: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
):
    folder, _ = main_job
    monkeypatch.chdir(folder)
    [answered] = (folder / "outputs" / "runs" / "first" / "scores").iterdir()
    pairs = store.read_table(str(answered), "scores", columns=["enroll", "test"]).slice(0, 3).to_pylist()
    listed = tmp_path / "unknown.txt"
    listed.write_text("".join(f"{pair['enroll']} {pair['test']}\n" for pair in pairs))
    start("score", "checkpoint=outputs/runs/first/checkpoints/best.ckpt", "compute=debug", f"trials={listed}")
    told, where = capsys.readouterr().out.splitlines()[-2:]
    assert told == "unknown: 3 trials without answers"
    scores = store.read_table(where.removeprefix("scores:").strip(), "scores")
    assert scores["score"].null_count == 0
    assert scores.select(["enroll", "test"]).to_pylist() == pairs


@pytest.mark.slow
def test_speakers_are_identified(
    main_job: tuple[Path, str],
    start: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    folder, _ = main_job
    monkeypatch.chdir(folder)
    checkpoint = "outputs/runs/first/checkpoints/best.ckpt"
    some = ["pairing=identification", "trials.identification.strangers=0.25"]
    start("score", f"checkpoint={checkpoint}", "compute=debug", *some)
    said = capsys.readouterr().out
    assert "identification: identified " in said
    page = Path(said.splitlines()[-1].removeprefix("report:").strip())
    [found] = json.loads((page.parent / "metrics.json").read_text()).values()
    assert found["identification"]["num_speakers"] == 3
    assert 0 < found["identification"]["num_strangers"] < found["identification"]["num_probes"]
    assert "<h3>Identification</h3>" in page.read_text()
