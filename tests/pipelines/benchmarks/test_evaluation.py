from collections.abc import Callable

import pytest

from pipelines.benchmarks.evaluation import metrics


@pytest.mark.slow
def test_figures_are_compared_with_sorts_and_a_long_list_is_evaluated(
    recipe: Callable, capsys: pytest.CaptureFixture[str]
):
    few = recipe("evaluation.trials_in_memory=1000", "evaluation.bootstrap_draws=0")
    metrics(few, num_scores=20_000, long_trials=5_000)
    printed = capsys.readouterr().out
    assert printed.count("20,000 float32 scores") == printed.count("20,000 float64 scores") == 3
    assert printed.count("times the memory") == 6
    assert "5,000 trials with likelihood ratios in a Parquet file, 1,000 of them in memory" in printed
