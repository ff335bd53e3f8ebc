from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import initialize_config_dir

from pipelines.benchmarks.verifying import verifying

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.mark.slow
def test_both_give_the_same_scores_with_one_network(recipe: Callable, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("speechbrain")
    composed = recipe()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        verifying(composed, num_recordings=6, channels=[64])
    head, measured = capsys.readouterr().out.splitlines()[-2:]
    assert head.startswith("6 recordings of 1.5 s on average")
    assert float(measured.split()[-1]) < 1e-5
