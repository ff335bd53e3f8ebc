"""What a run would take, before anything is listed: of figures that can be checked by hand."""

from pathlib import Path

import pytest

from avis.engine.estimate import estimate

CONFIGS = Path(__file__).parents[3] / "configs"
SIZES = ("rates.recordings=1000000", "rates.audio_h=2000")


def said(*settings: str) -> str:
    return "\n".join(estimate(settings, CONFIGS, "train"))


def test_synthetic_voices_are_counted():
    assert "audio: 768 recordings, 0.64 h\nshards: 8 of 2,000" in said(), "64 speakers, 3 sessions of 4 times 3 s"


def test_of_other_audio_what_was_given_counts():
    of_mine = said("corpus=folder", "corpus.root=/data", "corpus.split=train", *SIZES)
    assert "audio: 1,000,000 recordings, 2,000.00 h\nshards: 500 of 2,000" in of_mine
    assert "driver: 1.2 GB" in of_mine
    assert "prepare: 1.6 core hours for 2,000 h" in of_mine


def test_what_is_not_known_is_said_per_million_recordings():
    unknown = said("corpus=folder", "corpus.root=/data", "corpus.split=train")
    assert "audio: unknown until it is listed; say rates.recordings=<number> rates.audio_h=<hours>" in unknown
    assert "prepare: 0.8 core hours for 1,000 h" in unknown
    assert "steps for a million recordings" in unknown


def test_time_and_cost_follow_from_the_pace():
    settings = ["model=resnet34", "trainer.num_epochs=36", "trainer.passes_per_epoch=1", "trainer.batch_size=100"]
    of_eight = said(*settings, *SIZES, "compute.use_gpu=true", "compute.num_workers=8", "rates.gpu_hour=3")
    assert "training: 36,000,000 examples in 360,000 steps at most" in of_eight
    assert "time: 3.7 GPU hours at 2,720 examples/s, each of 8 for 0.5 h, and 2.3 cores" in of_eight
    assert "; 11.03 at 3 an hour" in of_eight, "10,000 h / 2,720 times 3"


def test_a_bound_on_cpus_makes_it_last_longer():
    settings = ["model=resnet34", "trainer.num_epochs=36", "trainer.passes_per_epoch=1", "trainer.batch_size=100"]
    of_eight = [*settings, *SIZES, "compute.use_gpu=true", "compute.num_workers=8"]
    bounded = said(*of_eight, "compute.data_cpus=4")
    assert "prepare: 1.6 core hours for 2,000 h, 0.4 h with compute.data_cpus=4, decoding" in bounded
    assert "16.6 GPU hours at 602 examples/s as compute.data_cpus=4 feeds them" in bounded, "4 times 1,203 for 8 GPUs"
    assert "each of 8 for 2.1 h, and 0.5 cores to feed each" in bounded
    assert "at 2,720 examples/s, each" in said(*of_eight, "compute.data_cpus=19"), "8 times 2.3 cores suffice"


@pytest.mark.parametrize(("optimizer", "values"), [("sgd", 3), ("adamw", 4)])
def test_memory_is_of_weights_gradients_and_what_the_optimiser_keeps(optimizer: str, values: int):
    parameters = 6.63e6  # as configs/README.md has them
    line = next(line for line in said("model=resnet34", f"optimizer={optimizer}").split("\n") if "model:" in line)
    assert f"{4 * values * parameters / 2**30:.2g} GiB on each worker" in line


def test_a_pace_that_was_not_measured_is_asked_for():
    asked = said("model=campplus", "compute.use_gpu=true")
    assert "time: not measured for model=campplus; say +rates.gpu_examples_per_s.campplus=" in asked
    assert "GPU hours at 2,000" in said(
        "model=campplus", "compute.use_gpu=true", "+rates.gpu_examples_per_s.campplus=2e3"
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [("rates.slow_share=2", "At rates.slow_share"), ("rates.storage_mb_s=0", "At rates.storage")],
)
def test_rates_are_checked(setting: str, message: str):
    with pytest.raises(ValueError, match=message):
        said(setting)


def test_a_loss_that_computes_its_start_is_built_without_memory():
    assert "for 1,000 speakers" in said("loss=sphereface2")


def test_recordings_without_hours_are_asked_for():
    with pytest.raises(ValueError, match="half a corpus: got recordings=3000 and audio_h=None, expected both"):
        said("rates.recordings=3000")
