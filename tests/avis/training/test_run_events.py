"""What befell a training, line by line."""

import re
from pathlib import Path

import fsspec
import pytest

from avis.storage_fault import StorageError
from avis.training import run_events
from avis.training.run_events import note, noted, read_events


def kinds(run_dir: str) -> list[str]:
    return [event["event"] for event in read_events(run_dir)]


def test_a_training_notes_its_start_its_workers_and_its_end(tiny_run: str):
    started, training, finished = read_events(tiny_run)
    assert [event["event"] for event in (started, training, finished)] == ["started", "training", "finished"]
    assert started["time"] < training["time"] < finished["time"]
    assert (training["step"], training["steps_per_epoch"], training["workers"]) == (0, 4, 1)


@pytest.mark.parametrize("scheme", ["", "memory://"])
def test_a_run_s_starts_and_ends_are_kept_in_order(tmp_path: Path, scheme: str):
    run_dir = f"{scheme}{tmp_path}/run"
    with pytest.raises(KeyboardInterrupt), noted(run_dir, resumed=False, told_by=lambda: "SIGUSR1"):
        raise KeyboardInterrupt
    with pytest.raises(ValueError, match="diverged"), noted(run_dir, resumed=True, told_by=lambda: None):
        raise ValueError("training diverged: got loss=nan\nand more")
    with noted(run_dir, resumed=True, told_by=lambda: None):
        note(run_dir, "lost", "x" * 1000)
    assert kinds(run_dir) == ["started", "stopped", "resumed", "failed", "resumed", "lost", "finished"]
    said = [event.get("by") for event in read_events(run_dir)]
    assert said == [None, "SIGUSR1", None, "ValueError: training diverged: got loss=nan", None, "x" * 300, None]
    if scheme:
        fsspec.filesystem("memory").rm(str(tmp_path), recursive=True)


def test_a_torn_line_and_what_is_no_event_are_left_out(tmp_path: Path):
    note(str(tmp_path), "started")
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('[1]\n{"event": "odd"}\n{"event": "fini')
    assert kinds(str(tmp_path)) == ["started"]


def test_storage_that_fails_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise StorageError("503")

    monkeypatch.setattr(run_events.os, "makedirs", refuse)
    with noted(str(tmp_path / "run"), resumed=False, told_by=lambda: None):
        pass
    assert read_events(str(tmp_path / "run")) == []


def test_no_line_says_where_the_run_lies(tiny_run: str):
    assert not re.search(re.escape(tiny_run), Path(tiny_run, "events.jsonl").read_text())
