from collections.abc import Callable

import pytest

from pipelines.benchmarks.preparing import preparing


def test_prepare_is_compared_with_a_plain_loop(
    recipe: Callable, in_own_process: Callable[..., None], capfd: pytest.CaptureFixture[str]
):
    in_own_process(preparing, recipe(name="prepare"), num_recordings=4, times_listed=4, pace_repeats=1)
    printed = capfd.readouterr().out
    for work in ("reading and decoding alone", "plain loop", "AVIS in one process", "AVIS, files listed 5 times"):
        assert f"  {work:<30} " in printed
    assert "1.00 of the plain loop" in printed
    assert "times as fast" in printed.splitlines()[-1]
