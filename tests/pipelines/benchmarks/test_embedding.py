"""The measurement of embedding, of a tiny model."""

from collections.abc import Callable

import pytest

from avis.engine.recipe import Recipe
from pipelines.benchmarks.embedding import embedding


@pytest.mark.slow
def test_the_model_by_itself_and_both_ways_to_read(recipe: Callable[..., Recipe], capsys: pytest.CaptureFixture[str]):
    embedding(recipe("compute.use_gpu=false"), num_recordings=6, different=3)
    first, alone, in_turn, ahead = capsys.readouterr().out.splitlines()
    assert first == "6 recordings (flac) of 7.0 s on average, cpu:"
    assert alone.startswith("  the model by itself ")
    assert in_turn.startswith("  read in turn ")
    assert ahead.startswith("  read by ")
    assert ahead.endswith(" times the model by itself")
