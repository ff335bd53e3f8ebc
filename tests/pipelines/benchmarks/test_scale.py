"""The table of a simulated cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from avis.engine.config import resolve
from avis.engine.recipe import Recipe
from pipelines.benchmarks.scale import scale

CONFIGS = Path(__file__).parents[3] / "configs"
STEADY = ["rates.slow_share=0", "rates.start_s=0", "rates.storage_mb_s=1e6", "rates.network_gb_s=1e6"]


@pytest.fixture(autouse=True)
def hydra() -> Iterator[None]:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        yield


def rows(capsys: pytest.CaptureFixture[str], *overrides: str) -> list[list[str]]:
    scale(Recipe.of(resolve(compose("train", list(overrides)))), times=(1,), overrides=overrides)
    return [line.split() for line in capsys.readouterr().out.splitlines()[3:]]


@pytest.mark.slow
def test_undisturbed_gpus_are_all_used(capsys: pytest.CaptureFixture[str]):
    of_all = rows(capsys, "model=resnet34", "trainer.num_epochs=30", "trainer.passes_per_epoch=1", *STEADY)
    assert [row[0] for row in of_all] == ["8", "16", "32", "64"]
    assert [row[7] for row in of_all] == ["100%"] * 4
    worker_h = 1_092_009 * 30 / 2720 / 3600
    assert [float(row[9]) for row in of_all] == pytest.approx([worker_h] * 4, rel=0.2), "rounded to a whole hour"
    assert [float(row[5]) for row in of_all] == pytest.approx([worker_h / n for n in (8, 16, 32, 64)], abs=0.01)


def test_a_run_of_ones_own_is_put_in_by_its_rates(capsys: pytest.CaptureFixture[str]):
    """A testbed: 2 trainers on 4 CPUs, 3,000 recordings of 3 h, 100 examples/s each, feeders that make 60 each."""
    own = ["rates.recordings=3000", "rates.audio_h=3", "+rates.cpu_examples_per_s.xvector_small=100"]
    own += ["compute.use_gpu=false", "compute.num_workers=2", "rates.cpus_per_worker=2", "model=xvector_small"]
    own += ["trainer.num_epochs=4", "trainer.passes_per_epoch=3", "rates.feeder_examples_per_s.stream_flac=60"]
    [row] = rows(capsys, *own, *STEADY)
    assert row[0] == "2"
    assert float(row[5]) == pytest.approx(36_000 / 120 / 3600, abs=0.006), "two CPUs are left to feed 120 examples/s"
    assert row[-2:] == ["feeding,", "40%"]


@pytest.mark.slow
def test_the_batch_of_workers_that_are_asked_for_is_that_of_all(capsys: pytest.CaptureFixture[str]):
    """Gradients of a small batch take as long as those of a large one, so that more of the time goes to them."""
    common = ["model=resnet34", "trainer.batch_size=64", "trainer.num_epochs=1", "trainer.passes_per_epoch=1", *STEADY]
    of_all = rows(capsys, *common, "rates.network_gb_s=1.25")
    [asked_for] = rows(capsys, *common, "rates.network_gb_s=1.25", "compute.use_gpu=true", "compute.num_workers=64")
    alone_s, gradients_s = 64 / 2720, 2 * 7 / 8 * 4 * 6.63e6 / 1.25e9
    assert int(of_all[-1][7].rstrip("%")) == pytest.approx(100 * alone_s / (alone_s + gradients_s), abs=1)
    assert int(asked_for[7].rstrip("%")) == pytest.approx(100 * alone_s / (alone_s + 64 * gradients_s), abs=1)


def test_trainers_on_cpus_cost_what_cpus_cost(capsys: pytest.CaptureFixture[str]):
    own = ["compute.use_gpu=false", "compute.num_workers=2", "model=ecapa_small", "trainer.num_epochs=1", *STEADY]
    [row] = rows(capsys, *own, "rates.gpu_hour=1000", "rates.cpu_hour=1")
    assert float(row[10].replace(",", "")) < 3 * float(row[9].replace(",", "")), "not a thousand times as much"


def test_a_pace_that_was_not_measured_is_asked_for(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(
        ValueError, match=r"pace not measured: got model=campplus.* \+rates.gpu_examples_per_s.campplus="
    ):
        rows(capsys, "model=campplus")
