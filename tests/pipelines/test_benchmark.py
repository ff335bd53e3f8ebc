"""The script of the measurements; what they measure is tested in tests/pipelines/benchmarks."""

from collections.abc import Callable

import pytest

import pipelines.benchmark
from pipelines.benchmark import MEASUREMENTS


def test_a_measurement_takes_the_settings_of_the_main_job(start: Callable[..., None], capsys: pytest.CaptureFixture):
    start("benchmark", "features", "features.front_end.dim=40", "compute=debug")
    assert "32 crops of 3 s, 40 mels" in capsys.readouterr().out


def test_an_unknown_measurement_is_answered_with_the_known_ones(start: Callable[..., None]):
    with pytest.raises(
        SystemExit, match=r"measurement missing: got \['speed'\], expected one of ingest, feed, step, plain"
    ):
        start("benchmark", "speed")
    assert all(f"pipelines/benchmark.py {name} " in str(pipelines.benchmark.__doc__) for name in MEASUREMENTS)
