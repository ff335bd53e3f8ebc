from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from avis.engine.workers.compute import Compute
from pipelines.benchmarks.feeding import feed


@pytest.mark.slow
def test_the_feed_is_compared_with_one_process(
    recipe: Callable, in_own_process: Callable[..., None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    own_ray = Compute(where="local", num_workers=None, use_gpu=False, max_restarts=0)
    settings = recipe(f"output_dir={tmp_path}", "trainer.passes_per_epoch=60", "trainer.batch_size=8")
    in_own_process(feed, replace(settings, compute=own_ray), num_batches=5)
    printed = capfd.readouterr().out
    for line in (
        "batch 8",
        "  one process ",
        "  1 trainer ",
        "  2 trainers ",
        "  a trainer that takes 50% of it waits",
    ):
        assert f"\n{line}" in printed
