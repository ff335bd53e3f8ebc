"""The measurement of training steps, of a tiny model."""

from collections.abc import Callable

import pytest
import torch

from avis.engine.recipe import Recipe
from pipelines.benchmarks.steps import Variant, step


@pytest.mark.slow
def test_variants_of_a_step_stand_side_by_side(recipe: Callable[..., Recipe], capsys: pytest.CaptureFixture[str]):
    threads = torch.get_num_threads()
    step(recipe(), variants=[Variant(torch.float32, fused=False), Variant(torch.bfloat16, threads=2)], rounds=1)
    torch.set_num_threads(threads)
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("batch 4, 98 frames, cpu")
    assert first_words(second) == "float32, 1 threads"
    assert first_words(third) == "bfloat16, 2 threads, fused"
    assert "examples/s, 1.00 times the first" in second


def first_words(line: str) -> str:
    return line.strip().partition("  ")[0]
