"""Measure prepare beside a plain loop over the same files."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.train
import soundfile as sf
import soxr

from avis import store
from avis.audio import codec
from avis.audio.quality import measure as measure_quality
from avis.corpora import voice
from avis.engine.benchmarks.measuring import seconds
from avis.engine.prepare import prepare
from avis.engine.worker import RUNTIME_ENV

REPEATS = 3
NUM_RECORDINGS, RECORDING_S = 120, 8.0
RECORDED_AS = (("flac", 44100), ("wav", 16000))
"""Suffix and sample rate, in turns."""
TIMES_LISTED, PARTS = 20, 64
"""Of the recordings, where workers are compared; the first quarter of the parts is left out: workers start in it."""


def preparing(recipe: dict[str, Any]) -> None:
    """Compare making a store with a plain loop over the same files, and two workers with one."""
    rate = recipe["sharding"]["sample_rate"]
    with tempfile.TemporaryDirectory() as folder:
        paths = _recordings(folder, recipe["seed"])
        encoded = {path: codec.encode(_plain_decode(path, rate), sample_rate=rate, encoding="flac") for path in paths}
        decoded = [codec.read_all(data) for data in encoded.values()]
        works: dict[str, Callable[[], Any]] = {
            "reading and decoding alone": lambda: [sf.read(path, dtype="float32") for path in paths],
            "writing alone": lambda: _plain_write(encoded),
            "plain loop": lambda: _plain_prepare(paths, rate),
            "quality figures alone": lambda: [measure_quality(samples, sample_rate=rate) for samples in decoded],
            "AVIS in one process": lambda: prepare(_listing(recipe, paths, folder, times=1, where="debug")),
        }
        hours = len(paths) * RECORDING_S / 3600
        core_hours = {name: min(seconds(work) for _ in range(REPEATS)) / 3600 for name, work in works.items()}
        paces = [_worker_pace(recipe, paths, folder, num_workers) for num_workers in (1, 2)]
    print(f"{hours:.2f} hours in {len(paths)} files {RECORDED_AS}, to FLAC at {rate} Hz, {os.cpu_count()} cores:")
    for name, core in core_hours.items():
        share = core / core_hours["plain loop"]
        print(f"  {name:<26} {hours / core:8.0f} audio hours per core hour, {share:.2f} of the plain loop's time")
    without = core_hours["AVIS in one process"] - core_hours["quality figures alone"]
    print(f"  AVIS but for its quality figures takes {without / core_hours['plain loop']:.2f} of the plain loop's time")
    print(
        f"  one worker {paces[0]:.0f}, two {paces[1]:.0f} audio hours an hour: {paces[1] / paces[0]:.2f} times as fast"
    )


def _recordings(folder: str, seed: int) -> list[str]:
    paths = []
    for number in range(NUM_RECORDINGS):
        suffix, rate = RECORDED_AS[number % len(RECORDED_AS)]
        rng = np.random.default_rng([seed, number])
        num_samples = round(RECORDING_S * voice.SAMPLE_RATE)
        samples = voice.synthesise(voice.draw_voice(rng), voice.draw_channel(rng), num_samples=num_samples, rng=rng)
        paths.append(f"{folder}/{number}.{suffix}")
        sf.write(paths[-1], soxr.resample(samples, voice.SAMPLE_RATE, rate), rate)
    return paths


def _plain_decode(path: str, sample_rate: int) -> np.ndarray:
    samples, rate = sf.read(path, dtype="float32")
    return samples if rate == sample_rate else soxr.resample(samples, rate, sample_rate)


def _plain_write(encoded: dict[str, bytes]) -> None:
    for path, data in encoded.items():
        store.write_bytes(f"{path}.out", data)


def _plain_prepare(paths: list[str], sample_rate: int) -> None:
    for path in paths:
        sf.write(f"{path}.flac", _plain_decode(path, sample_rate), sample_rate)


def _listing(recipe: dict[str, Any], paths: list[str], folder: str, *, times: int, where: str) -> dict[str, Any]:
    """Return a recipe that prepares the files, listed so many times, into a folder of its own."""
    output_dir = tempfile.mkdtemp(dir=folder)
    rows = [f"{path},s,{number}-{again}\n" for again in range(times) for number, path in enumerate(paths)]
    Path(output_dir, "list.csv").write_text("path,speaker,utt_id\n" + "".join(rows))
    listed = {"_target_": "avis.corpora.manifest.Manifest", "name": "listed", "root": None, "split": "test"}
    return recipe | {
        "output_dir": output_dir,
        "corpus": {"sources": {"listed": listed | {"path": f"{output_dir}/list.csv"}}},
        "sharding": recipe["sharding"] | {"shard_rows": -(-len(rows) // PARTS) if times > 1 else len(rows)},
        "compute": recipe["compute"] | {"where": where},
    }


def _worker_pace(recipe: dict[str, Any], paths: list[str], folder: str, num_workers: int) -> float:
    """Return audio hours an hour when all workers have started."""
    listing = _listing(recipe, paths, folder, times=TIMES_LISTED, where="local")
    with ray.init(address="local", num_cpus=num_workers, include_dashboard=False, runtime_env=RUNTIME_ENV):
        uri = prepare(listing)
    finished = sorted(os.path.getmtime(part) for part in store.part_uris(uri, "utterances"))[PARTS // 4 :]
    hours = TIMES_LISTED * len(paths) * RECORDING_S / 3600
    return hours * (len(finished) - 1) / PARTS / (finished[-1] - finished[0]) * 3600
