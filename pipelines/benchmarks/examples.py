"""Measure what an example costs: its features beside those of torchaudio, and each transform of its augmentation."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import soxr
import torch
import torchaudio

from avis.augment.bank import Bank
from avis.augment.speed import change_speed
from avis.checkpoints.components import Component
from avis.corpora import voice
from avis.engine.recipe import Recipe
from avis.features.fbank import PCM16_SCALE, Fbank
from avis.training.cropping import crop_bounds
from pipelines.benchmarks.measuring import seconds

CROPS, CROP_S, FEATURE_REPEATS = 32, 3, 30
AUGMENTED_CROPS, AUGMENT_REPEATS = 20, 3


def features(recipe: Recipe, *, repeats: int = FEATURE_REPEATS) -> None:
    """Compare the time that Kaldi mels of crops take on one core with that of torchaudio's."""
    torch.set_num_threads(1)
    options = recipe.examples.features.front_end.plain
    fbank = Component[Fbank]({**options, "mean_norm": False}).build()
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
        rounds = [[seconds(way) for way in ways.values()] for _ in range(repeats)]
    best = [min(times) for times in zip(*rounds, strict=True)]
    print(f"{CROPS} crops of {CROP_S} s, {options['dim']} mels, one core, per second of audio:")
    for name, least in zip(ways, best, strict=True):
        print(f"  {name:<17} {1000 * least / (CROPS * CROP_S):6.3f} ms, torchaudio's time / {best[0] / least:.2f}")


def augment(recipe: Recipe, *, num_crops: int = AUGMENTED_CROPS) -> None:
    """State the processor time of each transform of a recipe on crops of synthetic voices, beside that of features."""
    crop_s, rng = crop_bounds(recipe.examples.crop_s)[1], np.random.default_rng(recipe.seed)
    crops = _voices(num_crops, crop_s, recipe.examples.sample_rate, rng)
    works = _works(recipe, crops, rng)
    print(f"ms of one core per second of audio, in {len(crops)} crops of {crop_s} s:")
    for name, work in works:
        work(crops[0])
        least = min(seconds(partial(_for_each, work, crops)) for _ in range(AUGMENT_REPEATS))
        print(f"  {name:<22}{1000 * least / len(crops) / crop_s:7.2f}")


def _voices(num_crops: int, crop_s: float, sample_rate: int, rng: np.random.Generator) -> list[np.ndarray]:
    crops = []
    for _ in range(num_crops):
        speaker, channel = voice.draw_voice(rng), voice.draw_channel(rng)
        spoken = voice.synthesise(speaker, channel, num_samples=round(crop_s * voice.SAMPLE_RATE), rng=rng)
        crops.append(soxr.resample(spoken.astype(np.float32), voice.SAMPLE_RATE, sample_rate))
    return crops


def _works(
    recipe: Recipe, crops: list[np.ndarray], rng: np.random.Generator
) -> list[tuple[str, Callable[[np.ndarray], Any]]]:
    """Return by name what is done to a crop: its features, the whole augmentation, and each transform by itself."""
    augment, features = recipe.examples.augment, recipe.examples.features.build_front_end()
    assert augment.chain is not None, "there is nothing to measure: choose augment=every"
    chain = augment.chain.build()
    own = {name: augment.banks[name] for name in chain.required_banks - {"speech"}}
    banks = {name: bank.build() for name, bank in own.items() if bank is not None}
    banks["speech"] = Bank.from_recordings(crops)
    works: list[tuple[str, Callable[[np.ndarray], Any]]] = [
        ("features", lambda crop: features(torch.from_numpy(crop))),
        ("speed 1.1", partial(change_speed, factor=1.1)),
        ("all, at their shares", partial(chain, rng=rng, banks=banks)),
    ]
    for each in chain.transforms:
        drawn_from: dict[str, Any] = {"bank": banks[each.bank]} if each.bank else {}
        works.append((f"{type(each).__name__} {getattr(each, 'codec', '')}", partial(each, rng=rng, **drawn_from)))
    return works


def _for_each(work: Callable[[np.ndarray], Any], crops: list[np.ndarray]) -> None:
    for crop in crops:
        work(crop)
