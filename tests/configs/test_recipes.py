"""Every published recipe trains as its source's own rules say: passes, batch, crops, speeds, rate, margin and scale.

The rules are written down here from the sources, with their numbers, in epochs as they count them; AVIS's are functions
of the share of training that is done.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hydra.utils import instantiate

CONFIGS = Path(__file__).parents[2] / "configs"
VOXCELEB2_DEV = 1_092_009
"""Utterances (Chung et al., "VoxCeleb2: Deep Speaker Recognition", 2018, Table 2)."""
MEAN_S = 7.8
"""Their mean length (ibid.)."""
TOLERANCE = 0.002
"""Of the peak and of the full margin: warm-ups from 0 begin at a thousandth here, and shares have four digits."""


class Source(NamedTuple):
    """What a source's files say; ``rate`` and ``margin`` are functions of its epochs, which are compared at ``at``."""

    epochs: float
    passes: float
    batch: int
    crop_s: float
    speeds: int
    scale: float
    rate: Callable[[float], float]
    margin: Callable[[float], float]
    at: list[float]


def ramp(epoch: float, start: float, end: float, initial: float, final: float) -> float:
    """wespeaker/utils/schedulers.py and speakerlab/process/scheduler.py, MarginScheduler, increase_type exp."""
    if epoch < start:
        return initial
    if epoch >= end:
        return final
    ratio = 1.0 - math.exp((epoch - start) / (end - start) * math.log(1e-3 / (1.0 + 1e-6)))
    return initial + (final - initial) * ratio


def wespeaker(
    *,
    epochs: int = 150,
    batch: int = 128,
    rate: tuple[float, float] = (0.1, 0.00005),
    warm_up: int = 6,
    margin: tuple[float, float] = (0.0, 0.2),
    ramped: tuple[int, int] = (20, 40),
    frames: int = 200,
    speeds: int = 3,
) -> Source:
    """Two GPUs, as ``gpus: [0,1]``; bin/train.py: scale_ratio = world_size * batch_size / 64, whatever the file has.

    utils/schedulers.py: ExponentialDecrease with warm_from_zero; MarginScheduler counts epochs from 1. One pass an
    epoch (sample_num_per_epoch: 0); crops of (frames - 1) * 10 + 25 ms (dataset/processor.py, random_chunk).
    """
    first, last = rate
    scale = 2 * batch / 64

    def rate_at(epoch: float) -> float:
        coefficient = scale * epoch / warm_up if epoch < warm_up else scale
        return coefficient * first * math.exp(epoch / epochs * math.log(last / first))

    start, end = (each - 1 for each in ramped)
    return Source(
        epochs=epochs,
        passes=epochs,
        batch=2 * batch,
        crop_s=((frames - 1) * 10 + 25) / 1000,
        speeds=speeds,
        scale=32.0,
        rate=rate_at,
        margin=lambda epoch: ramp(epoch, start, end, *margin),
        at=[0.0, warm_up / 2, warm_up, start, start + 1, (start + end) / 2, end, epochs / 2, epochs],
    )


LARGE_MARGIN: dict[str, Any] = {
    "epochs": 5,
    "batch": 64,
    "rate": (1e-4, 2.5e-5),
    "warm_up": 1,
    "margin": (0.5, 0.5),
    "ramped": (1, 1),
    "frames": 600,
    "speeds": 1,  # bin/train.py: with do_lm, speed_perturb is turned off
}
"""wespeaker's \\*_lm.yaml."""


def three_d_speaker(
    *,
    epochs: int,
    batch: int,
    rate: tuple[float, float],
    warm_up: int,
    margin: tuple[float, float],
    ramped: tuple[int, int],
    wav_len: float = 3.0,
    speeds: int = 3,
) -> Source:
    """speakerlab/process/scheduler.py: WarmupCosineScheduler (max_lr, min_lr), MarginScheduler, epochs from 0."""
    high, low = rate

    def rate_at(epoch: float) -> float:
        if epoch < warm_up:
            return low + (high - low) * epoch / warm_up
        return low + 0.5 * (high - low) * (1 + math.cos(math.pi * (epoch - warm_up) / (epochs - warm_up)))

    start, end = ramped
    return Source(
        epochs=epochs,
        passes=epochs,
        batch=batch,
        crop_s=wav_len,
        speeds=speeds,
        scale=32.0,
        rate=rate_at,
        margin=lambda epoch: ramp(epoch, start, end, *margin),
        at=[0.0, warm_up / 2, warm_up, start, start + 1, (start + end) / 2, end, epochs / 2, epochs],
    )


def speechbrain() -> Source:
    """recipes/VoxCeleb/SpeakerRec/hparams/train_ecapa_tdnn.yaml on VoxCeleb2 dev alone.

    voxceleb_prepare.py, _get_chunks: int(duration / 3.0) of each utterance, whose remainder is 1.5 s on average, 90 %
    (split_ratio) for training; speechbrain/nnet/schedulers.py: CyclicLRScheduler, triangular; five copies of each crop.
    """
    epochs, batch, step_size, low, high, share = 10, 32, 65_000, 1e-8, 1e-3, 0.9
    chunks = (MEAN_S - 1.5) / 3.0
    steps = VOXCELEB2_DEV * share * chunks / batch

    def rate_at(epoch: float) -> float:
        cycle = math.floor(1 + epoch * steps / (2 * step_size))
        x = abs(epoch * steps / step_size - 2 * cycle + 1)
        return low + (high - low) * max(0.0, 1 - x)

    peaks = [number * step_size / steps for number in range(10)]
    return Source(
        epochs=epochs,
        passes=5 * epochs * share * chunks,
        batch=5 * batch,
        crop_s=3.0,
        speeds=1,
        scale=30.0,
        rate=rate_at,
        margin=lambda _: 0.2,
        at=[0.0, peaks[1] / 2, *peaks[1:], epochs],
    )


def stepped(
    *, epochs: int, batch: int, every: int, factor: float, margin: float, warm_up_steps: int = 0, lr: float = 0.001
) -> Source:
    """StepLR by the epoch; mfa_conformer's main.py warms up by the step. Crops of 3 s at one speed."""
    warm_up = warm_up_steps / (VOXCELEB2_DEV // batch)

    def rate_at(epoch: float) -> float:
        return lr * epoch / warm_up if epoch < warm_up else lr * factor ** (epoch // every)

    return Source(
        epochs=epochs,
        passes=epochs,
        batch=batch,
        crop_s=3.0,
        speeds=1,
        scale=30.0,
        rate=rate_at,
        margin=lambda _: margin,
        at=[0.0, warm_up / 2, warm_up, every - 0.01, every, 2 * every, epochs / 2 + 0.5, epochs - 0.01],
    )


RESNET = wespeaker()
"""examples/voxceleb/v2/conf/resnet.yaml; conf/ecapa_tdnn.yaml and examples/cnceleb/v2/conf have the same numbers."""
LM = wespeaker(**LARGE_MARGIN)
"""examples/voxceleb/v2/conf/resnet_lm.yaml, likewise."""
REDIMNET = wespeaker(epochs=120, batch=256)
"""examples/voxceleb/v2/conf/redimnet.yaml."""
RECIPES = {
    "cn_celeb_ecapa_512": RESNET,
    "cn_celeb_ecapa_512_lm": LM,
    "cn_celeb_resnet34": RESNET,
    "cn_celeb_resnet34_lm": LM,
    "voxceleb_ecapa_512": RESNET,
    "voxceleb_ecapa_512_lm": LM,
    "voxceleb_ecapa_1024": RESNET,
    "voxceleb_ecapa_1024_lm": LM,
    "voxceleb_resnet34": RESNET,
    "voxceleb_resnet34_lm": LM,
    "voxceleb_resnet293": RESNET,
    "voxceleb_resnet293_lm": LM,
    "voxceleb_redimnet_b2": REDIMNET,
    "voxceleb_redimnet_b2_lm": LM,
    "voxceleb_redimnet_b6": REDIMNET,
    "voxceleb_redimnet_b6_lm": LM,
    # examples/voxceleb/v2/conf/redimnet2.yaml, redimnet2_lm.yaml (margin fixed: update_margin false)
    "voxceleb_redimnet2_b6": wespeaker(epochs=120, batch=512, rate=(0.1, 6e-5)),
    "voxceleb_redimnet2_b6_lm": wespeaker(
        **LARGE_MARGIN | {"batch": 128, "rate": (1e-4, 1e-5), "warm_up": 0, "margin": (0.3, 0.3)}
    ),
    "voxceleb_ecapa_1024_wide": speechbrain(),
    # egs/voxceleb/sv-cam++/conf/cam++.yaml
    "voxceleb_campplus": three_d_speaker(
        epochs=60, batch=256, rate=(0.1, 1e-4), warm_up=5, margin=(0.0, 0.2), ramped=(15, 25)
    ),
    # egs/voxceleb/sv-eres2netv2/conf/eres2netv2.yaml
    "voxceleb_eres2net_v2": three_d_speaker(
        epochs=70, batch=168, rate=(0.2, 5e-5), warm_up=5, margin=(0.0, 0.3), ramped=(20, 50)
    ),
    # egs/voxceleb/sv-eres2netv2/conf/eres2netv2_lm.yaml; processor.py, WavReader: no other speed where lm is False
    "voxceleb_eres2net_v2_lm": three_d_speaker(
        epochs=7, batch=108, rate=(1e-4, 2e-5), warm_up=1, margin=(0.5, 0.5), ramped=(0, 0), wav_len=6.0, speeds=1
    ),
    # zyzisyz/mfa_conformer, start.sh, main.py (warmup_step), loss/amsoftmax.py (margin)
    "voxceleb_mfa_conformer": stepped(epochs=30, batch=200, every=4, factor=0.5, margin=0.2, warm_up_steps=2000),
    # clovaai/voxceleb_trainer, configs/RawNet3_AAM.yaml; trainSpeakerNet.py: test_interval, max_epoch, margin
    "voxceleb_rawnet3": stepped(epochs=500, batch=32, every=10, factor=0.75, margin=0.1),
}
ELSEWHERE = ("mini_speech", "voxceleb_w2v_bert", "voxceleb_wavlm")


def test_every_experiment_of_a_source_is_here():
    experiments = {path.stem for path in (CONFIGS / "experiment").glob("*.yaml")}
    assert {name for name in experiments if not name.startswith(ELSEWHERE)} == {"voxceleb", *RECIPES}


@pytest.mark.parametrize("experiment", RECIPES)
def test_recipe_is_its_sources(experiment: str, composed: Callable[..., Any]):
    source = RECIPES[experiment]
    recipe = composed("train", f"experiment={experiment}").recipe
    trainer = recipe["trainer"]
    assert trainer["num_epochs"] * trainer["passes_per_epoch"] == pytest.approx(source.passes, rel=0.01)
    assert trainer["batch_size"] == source.batch
    assert trainer["crop_s"] == pytest.approx(source.crop_s)
    assert len(trainer["speeds"]) == source.speeds
    assert recipe["loss"]["scale"] == source.scale
    schedule = {name: instantiate(recipe["scheduler"][name]) for name in ("learning_rate", "margin")}
    peak, full = max(map(source.rate, source.at)), source.margin(source.epochs)
    for epoch in source.at:
        progress = epoch / source.epochs
        rate = recipe["optimizer"]["lr"] * schedule["learning_rate"](progress)
        assert rate == pytest.approx(source.rate(epoch), abs=TOLERANCE * peak), f"learning rate at epoch {epoch}"
        margin = recipe["loss"]["margin"] * schedule["margin"](progress)
        assert margin == pytest.approx(source.margin(epoch), abs=TOLERANCE * full), f"margin at epoch {epoch}"
