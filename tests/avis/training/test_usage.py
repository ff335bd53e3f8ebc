"""What a training takes of the machine, and the trace of a few steps."""

import csv
import gzip
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from avis.engine.recipe import Recipe
from avis.engine.train import train
from avis.training.usage import GPU_MEMORY, GPU_USE, MEMORY, WORK, usage

STEPS = 4


def test_memory_and_the_work_on_examples_are_logged(tiny_run: str):
    with Path(tiny_run, "csv", "version_0", "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    at_end = [row for row in rows if row[WORK[0]]]
    assert [row["step"] for row in at_end] == [str(STEPS - 1), str(2 * STEPS - 1)], "once an epoch"
    for row in at_end:
        assert 0.05 < float(row[MEMORY]) < 64
        assert all(float(row[name]) > 0 for name in WORK)
        assert float(row["work/data_cpus"]) == 0.0
    assert all(float(row["time/left_s"]) >= 0 for row in rows if row["train/samples_per_s"])
    first, second = (float(row["work/first_wait_s"]) for row in at_end)
    assert first > 0
    assert second == 0.0, "a start has one first batch"


@pytest.mark.gpu
def test_a_gpu_s_memory_is_the_most_since_the_last_look():
    device = torch.device("cuda")
    usage(device)
    held = torch.zeros(2**28, dtype=torch.uint8, device=device)
    del held
    figures = usage(device)
    assert figures[GPU_MEMORY] >= 0.25
    assert usage(device)[GPU_MEMORY] < figures[GPU_MEMORY]
    assert (GPU_USE in figures) == (importlib.util.find_spec("pynvml") is not None)


@pytest.mark.slow
def test_a_trace_of_a_few_steps(recipe: Callable[..., Recipe], tiny_store: str, tmp_path: Path, capfd) -> None:
    """The warm-up is longer than this training: its last step is recorded."""
    train(recipe("trainer.profile=true"), tiny_store, str(tmp_path))
    path = tmp_path / "profile" / f"steps-{2 * STEPS}-{2 * STEPS}.json.gz"
    assert f"profile: {path}" in capfd.readouterr().out
    names = {event.get("name", "") for event in json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]}
    assert any("conv" in name for name in names)
    assert any("Backward" in name for name in names)
    assert list((tmp_path / "profile").iterdir()) == [path]
