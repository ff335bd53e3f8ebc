"""Measure what an example costs: its augmentation, its features, and the model it goes through."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
import torchaudio
from hydra import compose

from avis.augment.bank import Bank
from avis.augment.chain import Augment
from avis.augment.speed import change_speed
from avis.checkpoints.components import build
from avis.corpora import voice
from avis.engine.config import resolve
from avis.engine.recipe import Recipe
from avis.features.fbank import PCM16_SCALE, Fbank
from avis.models.cost import cost
from avis.training.cropping import crop_bounds
from pipelines.benchmarks.measuring import seconds

REPEATS = 3
CROPS, CROP_S = 32, 3
AUGMENTED_CROPS = 20
MODEL_CHOICES = Path(__file__).parents[2] / "configs" / "model"
COSTED_S = 2
"""As in published figures, which are its multiply-accumulates: as many as operations per second of audio."""


def features(recipe: Recipe, *, num_rounds: int = 10 * REPEATS) -> None:
    """Compare the time that Kaldi mels of crops take on one core with that of torchaudio's."""
    torch.set_num_threads(1)
    options = recipe.examples.features.front_end.plain
    fbank: Fbank = build({**options, "mean_norm": False})
    crops = 0.1 * torch.randn(CROPS, CROP_S * options["sample_rate"], generator=torch.Generator().manual_seed(0))
    torchaudios = partial(
        torchaudio.compliance.kaldi.fbank,
        num_mel_bins=options["dim"],
        sample_frequency=options["sample_rate"],
        frame_length=options["frame_length_ms"],
        frame_shift=options["frame_shift_ms"],
        window_type=options["window"],
        low_freq=options["low_hz"],
        high_freq=options["high_hz"],
    )
    ways: dict[str, Callable[[], list[torch.Tensor]]] = {
        "torchaudio": lambda: [torchaudios(crop[None] * PCM16_SCALE) for crop in crops],
        "AVIS, one by one": lambda: [fbank(crop) for crop in crops],
        "AVIS, a batch": lambda: list(fbank(crops)),
    }
    with torch.inference_mode():
        expected = torch.stack(ways["torchaudio"]())
        for way in ways.values():
            torch.testing.assert_close(torch.stack(way()), expected, atol=1e-3, rtol=0)
        rounds = [[seconds(way) for way in ways.values()] for _ in range(num_rounds)]
    best = [min(times) for times in zip(*rounds, strict=True)]
    print(f"{CROPS} crops of {CROP_S} s, {options['dim']} mels, one core, per second of audio:")
    for name, least in zip(ways, best, strict=True):
        print(f"  {name:<17} {1000 * least / (CROPS * CROP_S):6.3f} ms, torchaudio's time / {best[0] / least:.2f}")


def augment(recipe: Recipe, *, num_crops: int = AUGMENTED_CROPS) -> None:
    """State the processor time of each transform of a recipe on crops of synthetic voices, and of what else is done."""
    rng, crop_s, rate = np.random.default_rng(recipe.seed), crop_bounds(recipe.trainer.crop_s)[1], voice.SAMPLE_RATE
    crops = []
    for _ in range(num_crops):
        speaker, channel = voice.draw_voice(rng), voice.draw_channel(rng)
        spoken = voice.synthesise(speaker, channel, num_samples=round(crop_s * rate), rng=rng)
        crops.append(soxr.resample(spoken.astype(np.float32), rate, recipe.sharding.sample_rate))
    settings = recipe.examples.augment
    chain = settings.chain.build() if settings.chain else Augment(steps=[])
    features = recipe.examples.features.front_end.build()
    banks = {name: bank.build() for name, bank in settings.banks.items() if bank and name in chain.required_banks}
    banks["speech"] = Bank.from_recordings(crops)
    works: list[tuple[str, Callable[[np.ndarray], Any]]] = [
        ("features", lambda crop: features(torch.from_numpy(crop))),
        ("speed 1.1", partial(change_speed, factor=1.1)),
        ("all, at their shares", partial(chain, rng=rng, banks=banks)),
    ]
    for each in chain.transforms:
        drawn_from = {"bank": banks[each.bank]} if each.bank else {}
        works.append((f"{type(each).__name__} {getattr(each, 'codec', '')}", partial(each, rng=rng, **drawn_from)))
    print(f"ms of one core per second of audio, in {len(crops)} crops of {crop_s} s:")
    for name, work in works:
        work(crops[0])
        least = min(seconds(partial(_for_each, work, crops)) for _ in range(REPEATS))
        print(f"  {name:<22}{1000 * least / len(crops) / crop_s:7.2f}")


def _for_each(work: Callable[[np.ndarray], Any], crops: list[np.ndarray]) -> None:
    for crop in crops:
        work(crop)


def models(recipe: Recipe, *, choices: str = "*") -> None:
    """Print what the choices of ``configs/model`` cost, with the features they are given."""
    print(f"{'model':<22} {'parameters':>11}   GFLOPs per second of audio")
    for path in sorted(MODEL_CHOICES.glob(f"{choices}.yaml")):
        composed = Recipe.of(resolve(compose("train", [f"model={path.stem}"])))
        front_end = composed.examples.features.front_end.build()
        frames = front_end.num_frames(COSTED_S * recipe.sharding.sample_rate)
        dim = composed.model.plain.get("num_mels", front_end.dim)  # some are of features that a hub has
        parameters, flops = cost(composed.model.build(), num_frames=frames, dim=dim)
        print(f"{path.stem:<22} {parameters / 1e6:>9.2f} M   {flops / 1e9 / COSTED_S:6.2f}")
