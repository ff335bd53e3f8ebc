"""How far a training is, in lines that stand and in one that moves."""

import re
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from avis.training.examples import STAGES
from avis.training.progress import EpochStream, Progress
from avis.training.status_line import MOVES

STEPS = 4


def train_an_epoch(progress: Progress, *, num_epochs: int, metrics: dict[str, float], rank: int = 0) -> None:
    """Call what Lightning calls, in an epoch whose steps take 20 ms."""
    trainer: Any = SimpleNamespace(
        world_size=1, is_global_zero=rank == 0, current_epoch=0, max_epochs=num_epochs, global_step=0
    )
    trainer.callback_metrics = {name: torch.tensor(value) for name, value in metrics.items()}
    module: Any = SimpleNamespace(log=lambda name, value: trainer.callback_metrics.update({name: torch.tensor(value)}))
    batch = {"speaker": torch.zeros(8), "seconds": torch.ones(8, len(STAGES))}
    progress.on_train_start(trainer, module)
    for step in range(STEPS):
        time.sleep(0.02)
        trainer.global_step += 1
        progress.on_train_batch_end(trainer, module, None, batch, step)
    progress.on_validation_start(trainer, module)
    progress.on_validation_end(trainer, module)


def test_an_epoch_stream_cuts_epochs_and_counts_the_wait():
    def slow() -> Iterator[dict[str, Any]]:
        for number in range(6):
            time.sleep(0.02)
            yield {"number": number}

    stream = EpochStream(slow(), 3)
    assert len(stream) == 3
    assert [[batch["number"] for batch in stream] for _ in range(2)] == [[0, 1, 2], [3, 4, 5]]
    assert 6 * 0.02 <= stream.waited_s < 2
    assert stream.first_wait_s is not None
    assert 0.02 <= stream.first_wait_s <= stream.waited_s - 5 * 0.02


def test_the_start_of_a_stream_is_not_blamed_on_a_stage(capsys: pytest.CaptureFixture[str]):
    stream = EpochStream([], 1)
    progress = Progress(stream, interval_s=1.0, data_cpus=2)
    for waited_s, said in ((8.0, False), (9.0, True)):
        progress._count_from(0.0)
        progress.seconds += 1.0
        stream.waited_s += waited_s
        stream.first_wait_s = stream.first_wait_s or waited_s
        progress._say_shortage(10.0)
        assert bool(capsys.readouterr().out) == said


def test_lines_that_stand_are_few_and_say_what_is_left(capsys: pytest.CaptureFixture[str]):
    progress = Progress(EpochStream([], STEPS), interval_s=60.0, data_cpus=2)
    train_an_epoch(progress, num_epochs=1001, metrics={"train/loss": 11.4, "val/eer": 0.1})
    train, val = capsys.readouterr().out.splitlines()
    assert train.startswith("epoch 1/1001 train 4/4  loss 11.4  samples_per_s ")
    assert val.startswith("epoch 1/1001 val  eer 0.1  left ")
    minutes, seconds = map(int, train.rpartition("left 0:")[2].split(":"))
    assert 80 <= 60 * minutes + seconds < 400  # 1,000 epochs of 4 steps of 20 ms, on a machine that may be busy


def test_a_line_that_moves_is_one_line_with_the_figures_that_matter(capsys: pytest.CaptureFixture[str]):
    progress = Progress(EpochStream([], STEPS), interval_s=60.0, data_cpus=2, moving=True)
    train_an_epoch(progress, num_epochs=1, metrics={"train/loss": 11.4, "val/eer": 0.1})
    lines = capsys.readouterr().out.split("\n")[:-1]
    assert all(line.startswith(f"{MOVES}train: epoch 1/1, step ") for line in lines)
    pace = re.search(r"step 1/4, loss 11\.4, EER 10\.00 %, (\d+) samples/s, 0:00:00 left", lines[0])
    assert pace is not None
    assert 0 < int(pace[1]) <= 8 / 0.02
    assert "step 4/4" in lines[-1]
    assert " samples/s, 0:00:00 left" in lines[-1]


def test_the_first_worker_speaks_for_all(capsys: pytest.CaptureFixture[str]):
    progress = Progress(EpochStream([], STEPS), interval_s=0.0, data_cpus=2)
    train_an_epoch(progress, num_epochs=1, metrics={}, rank=1)
    assert capsys.readouterr().out == ""
