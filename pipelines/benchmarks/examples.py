"""Measure what an example costs: its features beside those of torchaudio, and each transform of its augmentation."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import soxr
import torch
import torchaudio

from avis.audio.codec import encode
from avis.augment.bank import Bank
from avis.augment.bank_on_device import BankOnDevice
from avis.augment.resampling import resample
from avis.augment.speed import change_speed
from avis.augment.transform import BatchTransform
from avis.checkpoints.components import Component
from avis.corpora import voice
from avis.engine.recipe import Recipe
from avis.features.fbank import PCM16_SCALE, Fbank
from avis.training.cropping import crop_bounds
from avis.training.examples import ExampleMaker
from pipelines.benchmarks.measuring import seconds

CROPS, CROP_S, FEATURE_REPEATS = 32, 3, 30
AUGMENTED_CROPS, AUGMENT_REPEATS = 20, 3

Work = Callable[[np.ndarray], Any]
BatchWork = Callable[[torch.Tensor], Any]


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
    """State the processor time of each transform of a recipe on crops of synthetic voices, beside that of features.

    Then that of whole examples, of which a worker makes everything, or draws what the device is to do.
    """
    torch.set_num_threads(1)
    crop_s, rng = crop_bounds(recipe.examples.crop_s)[1], np.random.default_rng(recipe.seed)
    crops = _voices(num_crops, crop_s, recipe.examples.sample_rate, rng)
    banks = _banks(recipe, crops)
    print(
        f"ms of one core per second of audio, in {len(crops)} crops of {crop_s} s, one by one and as a batch by torch:"
    )
    for name, work, batch_work in _works(recipe, banks, rng):
        work(crops[0])
        least = min(seconds(partial(_for_each, work, crops)) for _ in range(AUGMENT_REPEATS))
        together = _batch_seconds(batch_work, crops) if batch_work else np.nan
        times = (f"{1000 * each / len(crops) / crop_s:8.2f}" if each >= 0 else "       -" for each in (least, together))
        print(f"  {name:<22}{''.join(times)}")
    print(f"ms of one core per example of {crop_s} s:")
    for name, each_s in example_seconds(recipe, banks, crops).items():
        print(f"  {name:<40}{1000 * each_s:7.2f}, {1 / each_s:7.0f} examples/s")


def example_seconds(recipe: Recipe, banks: Mapping[str, Bank], crops: list[np.ndarray]) -> dict[str, float]:
    """Return what an example takes of a core: all of it on a worker, and what either side does in ``device``."""
    settings, rate = recipe.examples, recipe.examples.sample_rate
    encoding = recipe.sharding.encoding
    rows = [
        {"utt_id": str(number), "audio": encode(np.tile(crop, 3), sample_rate=rate, encoding=encoding)}
        | {"num_samples": 3 * len(crop)}
        for number, crop in enumerate(crops)
    ]
    placed = {
        name: recipe.changed({"features.placement": name, "augment.placement": name}).examples
        for name in ("stream", "device")
    }
    makers = {name: settings.build_maker() for name, settings in placed.items()}
    times, made = {}, {}
    for name, maker in makers.items():
        examples = partial(_examples, maker, rows, banks)
        made[name] = examples()
        times[name] = min(seconds(examples) for _ in range(AUGMENT_REPEATS)) / len(rows)
    batch = {key: torch.from_numpy(np.stack([each[key] for each in made["device"]])) for key in ("waveforms", "drawn")}
    on_device, front_end = placed["device"].augment_on_device(banks), settings.features.build_front_end()
    assert on_device is not None
    with torch.inference_mode():
        on_device(batch)
        applied_s = min(seconds(partial(on_device, batch)) for _ in range(AUGMENT_REPEATS)) / len(rows)
        waveforms = on_device(batch)["waveforms"]
        features_s = min(seconds(partial(front_end, waveforms)) for _ in range(AUGMENT_REPEATS)) / len(rows)
    return {
        f"all by a worker, of {encoding}": times["stream"],
        f"read and drawn by a worker, of {encoding}": times["device"],
        "then applied to a batch by torch": applied_s,
        "then its features, of a batch": features_s,
    }


def _examples(
    maker: ExampleMaker, rows: list[dict[str, Any]], banks: Mapping[str, Bank]
) -> list[dict[str, np.ndarray]]:
    return [maker.example(row, pass_=0, banks=banks)[0] for row in rows]


def _voices(num_crops: int, crop_s: float, sample_rate: int, rng: np.random.Generator) -> list[np.ndarray]:
    crops = []
    for _ in range(num_crops):
        speaker, channel = voice.draw_voice(rng), voice.draw_channel(rng)
        spoken = voice.synthesise(speaker, channel, num_samples=round(crop_s * voice.SAMPLE_RATE), rng=rng)
        crops.append(soxr.resample(spoken.astype(np.float32), voice.SAMPLE_RATE, sample_rate))
    return crops


def _banks(recipe: Recipe, crops: list[np.ndarray]) -> dict[str, Bank]:
    augment = recipe.examples.augment
    assert augment.chain is not None, "there is nothing to measure: choose augment=every"
    own = {name: augment.banks[name] for name in augment.chain.build().required_banks - {"speech"}}
    banks = {name: bank.build() for name, bank in own.items() if bank is not None}
    return {**banks, "speech": Bank.from_recordings(crops)}


def _works(
    recipe: Recipe, banks: Mapping[str, Bank], rng: np.random.Generator
) -> list[tuple[str, Work, BatchWork | None]]:
    """Return by name what is done to a crop: its features, the whole augmentation, and each transform by itself."""
    assert recipe.examples.augment.chain is not None
    chain, features = recipe.examples.augment.chain.build(), recipe.examples.features.build_front_end()
    works: list[tuple[str, Work, BatchWork | None]] = [
        ("features", lambda crop: features(torch.from_numpy(crop)), features),
        ("speed 1.1", partial(change_speed, factor=1.1), partial(resample, in_rate=1.1, out_rate=1.0)),
        ("all, at their shares", partial(chain, rng=rng, banks=banks), None),
    ]
    for each in chain.transforms:
        bank = banks[each.bank] if each.bank else None
        together = partial(_together, each, rng, bank) if isinstance(each, BatchTransform) and each.on_device else None
        name = f"{type(each).__name__} {getattr(each, 'codec', '')}"
        works.append((name, partial(each, rng=rng, bank=bank), together))
    return works


def _together(transform: BatchTransform, rng: np.random.Generator, bank: Bank | None, batch: torch.Tensor) -> None:
    num_samples, drawn_from = batch.shape[1], [] if bank is None else [bank]
    rows = np.full((len(batch), transform.most_drawn(num_samples)), np.nan)
    for row in rows:
        numbers = transform.draw(rng, num_samples, *drawn_from)
        row[: len(numbers)] = numbers
    placed = [BankOnDevice(each, batch.device) for each in drawn_from]
    transform.apply_batch(batch, torch.from_numpy(rows), *placed)


def _batch_seconds(work: BatchWork, crops: list[np.ndarray]) -> float:
    batch = torch.from_numpy(np.stack(crops))
    work(batch)
    return min(seconds(partial(work, batch)) for _ in range(AUGMENT_REPEATS))


def _for_each(work: Callable[[np.ndarray], Any], crops: list[np.ndarray]) -> None:
    for crop in crops:
        work(crop)
