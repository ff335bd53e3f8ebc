"""The page about a training: gathered from logs of several starts, events and the history of epochs."""

import json
from pathlib import Path
from typing import Any

import pytest

from avis.engine.recipe import Recipe
from avis.training.logs import read_logs
from avis.training.settings import Training
from avis.training.training_report import write_training_report

STEPS = 4
HEADER = "epoch,step,train/loss,train/samples_per_s,train/waiting_share,val/eer,work/decode_s,work/augment_s,"
HEADER += "work/features_s,work/data_cpus,work/first_wait_s"
SECONDS = 1_700_000_000


def log_start(run_dir: Path, number: int, first: int, end: int, *, loss: float, waiting: float = 0.0) -> None:
    """Write what a start logs that takes the steps from ``first`` to ``end``: 2 s of work at 10 examples a second."""
    rows = [HEADER]
    for step in range(first, end):
        epoch, last = step // STEPS, step % STEPS == STEPS - 1
        at_end = f"10.0,{waiting},,0.5,0.5,1.0,2,0.0" if last else ",,,,,,,"
        rows.append(f"{epoch},{step},{loss},{at_end}")
        if last:
            rows.append(f"{epoch},{step},,,,{0.3 - 0.1 * epoch:.1f},,,,,")
    folder = run_dir / "csv" / f"version_{number}"
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text("\n".join(rows) + "\n")


def note(run_dir: Path, *events: dict[str, Any]) -> None:
    lines = [json.dumps({**event, "time": SECONDS + event["time"]}) for event in events]
    (run_dir / "events.jsonl").write_text("\n".join(lines) + "\n")


@pytest.fixture
def broken_run(tmp_path: Path) -> Path:
    """Return a run of two epochs of four steps that was lost after its sixth step and went on after its fifth."""
    log_start(tmp_path, 0, 0, 6, loss=4.0)
    log_start(tmp_path, 1, 5, 8, loss=2.0, waiting=0.5)
    note(
        tmp_path,
        {"event": "started", "time": 0},
        {"event": "training", "time": 5, "step": 0, "steps_per_epoch": 4, "workers": 2},
        {"event": "lost", "time": 60, "by": "ActorDiedError: its node is gone"},
        {"event": "training", "time": 75, "step": 5, "steps_per_epoch": 4, "workers": 1},
        {"event": "finished", "time": 90},
    )
    return tmp_path


def test_the_log_of_a_real_run_is_read(tiny_run: str):
    log = read_logs(tiny_run)
    assert log.column("train/loss").step.tolist() == list(range(2 * STEPS))
    assert log.column("val/eer").step.tolist() == [STEPS - 1, 2 * STEPS - 1]
    assert [(start.first, start.end) for start in log.starts] == [(0, 2 * STEPS)]


def test_what_was_repeated_counts_once(broken_run: Path):
    log = read_logs(str(broken_run))
    assert log.column("train/loss").step.tolist() == list(range(8))
    assert log.column("train/loss").value.tolist() == [4.0] * 5 + [2.0] * 3
    assert log.column("val/eer").by_epoch() == pytest.approx({0: 0.3, 1: 0.2})
    assert (log.repeated_steps(5), log.repeated_steps(0), log.repeated_steps(7)) == (1, 0, 0)


def test_the_validation_of_an_epoch_stays_when_the_run_goes_on_after_it(tmp_path: Path):
    log_start(tmp_path, 0, 0, 6, loss=4.0)
    log_start(tmp_path, 1, 4, 8, loss=2.0)
    log = read_logs(str(tmp_path))
    assert log.column("val/eer").by_epoch() == pytest.approx({0: 0.3, 1: 0.2})
    assert log.repeated_steps(4) == 2


@pytest.mark.parametrize("torn", [b"1,7,2.", b'1,7,2.0,"', b"\n\n", b"1,7\n"])
def test_a_row_that_was_cut_off_is_left_out(broken_run: Path, torn: bytes):
    with (broken_run / "csv" / "version_1" / "metrics.csv").open("ab") as file:
        file.write(torn)
    assert read_logs(str(broken_run)).column("train/loss").step.tolist() == list(range(8))


def test_a_run_without_logs_has_none(tmp_path: Path):
    assert read_logs(str(tmp_path)).column("train/loss").step.tolist() == []


@pytest.fixture
def page(broken_run: Path, tiny_recipe: Recipe) -> str:
    history = [{"loss": 4.0, "accuracy": 0.1, "eer": 0.3, "utterances": 40.0}]
    history.append({"loss": 2.5, "accuracy": 0.4, "eer": 0.2, "utterances": 40.0})
    (broken_run / "report.html").touch()
    trainer: Training = tiny_recipe.changed({"trainer.batch_size": 8}).trainer
    facts = {"Model": "<EcapaTdnn>"}
    path = write_training_report(str(broken_run), trainer, history=history, choice="the lowest EER of 5", facts=facts)
    assert path == str(broken_run / "training.html")
    return Path(path).read_text().replace("\N{NO-BREAK SPACE}", " ")


def test_the_page_says_which_epoch_is_kept_and_why(page: str):
    assert "Epoch 2 is kept, with an EER of 20.00 %: the lowest EER of 5." in page
    assert "The last epoch is the best" in page
    assert '<a href="report.html">' in page
    assert page.count('src="data:image/png;base64,') == 4  # loss, error rate, pace, waiting: all that was logged


def test_the_page_says_what_a_break_cost(page: str):
    """A step is 8 examples at 10 a second, 0.8 s."""
    assert "lost by ActorDiedError: its node is gone" in page
    assert 'trains on 1 worker</td><td data-label="where">after epoch 1 and 1 steps' in page
    assert "0:00:15 without training; 1 step repeated, some 0:00:01" in page
    assert "2023-11-14 22:14:35" in page  # 75 s after the start


def test_the_page_says_what_was_short(page: str):
    """Work of 2 s on 2 CPUs in an epoch of 3.2 s is too little for them to be what is short."""
    assert "waited for data 50% of the time; short: transfer (decode 25%, augment 25%, features 50% of the work" in page
    assert page.count("waited for data") == 1, "the first epoch did not wait"


def test_the_page_is_self_contained_and_escaped(page: str):
    assert "&lt;EcapaTdnn&gt;" in page
    for outside in ("http:", "https:", "url(", "@import", "<link", "<script"):
        assert outside not in page


def test_a_killed_start_is_told(tmp_path: Path, tiny_recipe: Recipe):
    log_start(tmp_path, 0, 0, 3, loss=4.0)
    note(
        tmp_path,
        {"event": "started", "time": 0},
        {"event": "training", "time": 5, "step": 0, "steps_per_epoch": 4, "workers": 1},
        {"event": "resumed", "time": 500},
        {"event": "training", "time": 505, "step": 0, "steps_per_epoch": 4, "workers": 1},
    )
    path = write_training_report(str(tmp_path), tiny_recipe.trainer, history=[], choice="", facts={})
    text = Path(path).read_text()
    assert "gone on with; the start before ended without a word" in text
    assert "No epoch was finished" in text
