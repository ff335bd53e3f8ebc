"""A service under load, measured."""

import pytest

from avis.verifier.folder import write_folder
from pipelines.benchmarks import serving
from tests.avis.conftest import parts  # noqa: F401


@pytest.mark.slow
def test_each_load_and_the_stream_are_told(parts, recipe, in_own_process, tmp_path, capfd):  # noqa: F811
    write_folder(str(tmp_path), parts)
    in_own_process(measured, recipe(f"start_from={tmp_path}"))
    told = dict(line.split(": ", 1) for line in capfd.readouterr().out.splitlines() if ": " in line)
    assert told["in this process"].endswith(" verdicts/s")
    for load in ("1 at once", "2 at once"):
        assert told[load].endswith(" of status 200)")
    [stream] = [each for name, each in told.items() if name.startswith("stream of ")]
    assert " verdicts, p50 " in stream


def measured(recipe):
    serving.CLIP_S = 1.0  # those of the synthetic corpus are shorter than two seconds
    serving.service(recipe, num_clips=6, loads=(1, 2), each_s=2.0)
