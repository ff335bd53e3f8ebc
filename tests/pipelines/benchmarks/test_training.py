from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from avis.engine.workers.compute import Compute
from pipelines.benchmarks.training import ingest, plain


@pytest.mark.slow
def test_a_plain_loop_is_trained_and_scored(recipe: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    plain(recipe(f"output_dir={tmp_path}"))
    printed = capsys.readouterr().out
    assert "plain loop: step 0/" in printed
    assert "synthetic: EER" in printed
    assert list(tmp_path.glob("plain/*/metrics.json"))


@pytest.mark.slow
def test_placements_are_compared_with_memory_and_a_plain_loop(
    recipe: Callable, in_own_process: Callable[..., None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    own_ray = Compute(where="local", num_workers=2, use_gpu=False, max_restarts=0)
    in_own_process(ingest, replace(recipe(f"output_dir={tmp_path}"), compute=own_ray), plain_steps=3)
    printed = capfd.readouterr().out
    for line in (
        "2 trainers, batch 4",
        "  stream ",
        "  device ",
        "  materialize ",
        "  from memory ",
        "  ordinary ",
        "  plain loop ",
    ):
        assert f"\n{line}" in printed
