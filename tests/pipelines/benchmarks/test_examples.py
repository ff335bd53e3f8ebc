from collections.abc import Callable

import pytest

from pipelines.benchmarks.examples import augment, features


def test_features_equal_torchaudios_and_are_timed(recipe: Callable, capsys: pytest.CaptureFixture[str]):
    features(recipe(), repeats=2)
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.startswith("32 crops of 3 s, 80 mels")
    assert [line.split(" ms")[0].rpartition("  ")[0].strip() for line in lines] == [
        *("torchaudio", "AVIS, one by one", "AVIS, a batch")
    ]
    assert "torchaudio's time / 1.00" in lines[0]


@pytest.mark.slow
def test_every_transform_is_timed(recipe: Callable, capsys: pytest.CaptureFixture[str]):
    every = recipe("augment=every")
    augment(every, num_crops=1)
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.startswith("ms of one core per second of audio, in 1 crops of 1.0 s, one by one and as a batch")
    lines, examples = lines[:-5], lines[-5:]
    others = ("features", "speed 1.1", "all, at their shares")
    assert len(lines) == len(others) + len(every.examples.augment.chain.build().transforms)
    assert all(float(line.split()[-2]) >= 0 for line in lines)
    on_device = [transform.on_device for transform in every.examples.augment.chain.build().transforms]
    assert [line.split()[-1] != "-" for line in lines] == [True, True, False, *on_device]
    assert [line.split(", of")[0].strip() for line in examples[:3]] == [
        *("ms of one core per example of 1.0 s:", "all by a worker", "read and drawn by a worker")
    ]
    assert all(float(line.split()[-2]) > 0 for line in examples[1:])
