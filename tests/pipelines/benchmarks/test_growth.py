import re
from collections.abc import Callable

import pytest

from pipelines.benchmarks.growth import growth


@pytest.mark.slow
def test_memory_of_worker_and_driver_is_measured(
    recipe: Callable, in_own_process: Callable[..., None], capfd: pytest.CaptureFixture[str]
):
    in_own_process(growth, recipe(name="prepare"), times=[2])
    printed = capfd.readouterr().out
    measured = re.search(r"40 files: largest worker +(\d+) MiB, driver +(\d+) MiB", printed)
    assert measured is not None
    assert all(int(mib) > 50 for mib in measured.groups())
