"""Measure prepare beside a plain loop over the same files, and on two workers beside one."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import ray
import soundfile as sf
import soxr

from avis import store
from avis.audio import codec
from avis.audio.quality import measure as measure_quality
from avis.checkpoints.components import Component
from avis.corpora import voice
from avis.engine.prepare import prepare
from avis.engine.prepare_recipe import PrepareRecipe
from avis.engine.workers.process_setup import RUNTIME_ENV
from pipelines.benchmarks.measuring import seconds

REPEATS, PACE_REPEATS = 3, 2
"""They are made in turns, so that what else the machine does strikes all alike; the least time counts."""
NUM_RECORDINGS, RECORDING_S = 120, 8.0
RECORDED_AS = (("flac", 44100), ("wav", 16000))
"""Suffix and sample rate, in turns."""
LONG_LIST = 5
"""How often the files are listed, to tell what a run takes at all from what a file takes."""
TIMES_LISTED, PARTS = 20, 64
"""The same, where workers are compared; the first quarter of the parts is left out: workers start in it."""


def preparing(
    recipe: PrepareRecipe,
    *,
    num_recordings: int = NUM_RECORDINGS,
    times_listed: int = TIMES_LISTED,
    pace_repeats: int = PACE_REPEATS,
) -> None:
    """Compare making a store with a plain loop over the same files, and two workers with one."""
    rate = recipe.sharding.sample_rate
    with tempfile.TemporaryDirectory() as folder:
        paths = _recordings(folder, num_recordings, seed=recipe.seed)
        taken = _core_seconds(recipe, paths, folder)
        paces = [
            [_worker_pace(recipe, paths, folder, times_listed, num_workers=workers) for workers in (1, 2)]
            for _ in range(pace_repeats)
        ]
    one, two = np.max(paces, axis=0)
    hours = len(paths) * RECORDING_S / 3600
    print(f"{hours:.2f} hours in {len(paths)} files {RECORDED_AS}, to FLAC at {rate} Hz, {os.cpu_count()} cores:")
    loop = taken["plain loop"]
    for name, took in taken.items():
        print(f"  {name:<30} {hours / took * 3600:8.0f} audio hours per core hour, {took / loop:.2f} of the plain loop")
    short, long = taken["AVIS in one process"], taken[f"AVIS, files listed {LONG_LIST} times"] * LONG_LIST
    per_file = (long - short) / (LONG_LIST - 1)
    without = per_file - taken["quality figures alone"]
    print(f"  AVIS takes {short - per_file:.2f} s a run and {per_file / loop:.2f} of the plain loop for the files,")
    print(f"  but for its quality figures, which the loop does not have, {without / loop:.2f}")
    print(f"  one worker {one:.0f}, two {two:.0f} audio hours an hour: {two / one:.2f} times as fast")


def _core_seconds(recipe: PrepareRecipe, paths: list[str], folder: str) -> dict[str, float]:
    """Return what each work takes of a core, for all the files once."""
    rate = recipe.sharding.sample_rate
    encoded = {path: codec.encode(_plain_decode(path, rate), sample_rate=rate, encoding="flac") for path in paths}
    decoded = [codec.read_all(data) for data in encoded.values()]

    def avis(times: int) -> None:
        prepare(listing(recipe, paths, folder, times=times, where="debug", shard_rows=times * len(paths)))

    works: dict[str, tuple[int, Callable[[], Any]]] = {
        "reading and decoding alone": (1, lambda: [sf.read(path, dtype="float32") for path in paths]),
        "writing alone": (1, lambda: _plain_write(encoded)),
        "plain loop": (1, lambda: _plain_prepare(paths, rate)),
        "quality figures alone": (1, lambda: [measure_quality(samples, sample_rate=rate) for samples in decoded]),
        "AVIS in one process": (1, lambda: avis(1)),
        f"AVIS, files listed {LONG_LIST} times": (LONG_LIST, lambda: avis(LONG_LIST)),
    }
    turns = [{name: seconds(work) / times for name, (times, work) in works.items()} for _ in range(REPEATS)]
    return {name: min(turn[name] for turn in turns) for name in works}


def _recordings(folder: str, num: int, *, seed: int) -> list[str]:
    paths = []
    for number in range(num):
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


def listing(
    recipe: PrepareRecipe,
    paths: list[str],
    folder: str,
    *,
    times: int,
    where: Literal["local", "debug"],
    **sharding: Any,
) -> PrepareRecipe:
    """Return a recipe that prepares the files, listed so many times, into a folder of its own."""
    output_dir = tempfile.mkdtemp(dir=folder)
    rows = (f"{path},s,{number}-{again}\n" for again in range(times) for number, path in enumerate(paths))
    table = Path(output_dir, "list.csv")
    table.write_text("path,speaker,utt_id\n" + "".join(rows))
    listed = {"_target_": "avis.corpora.manifest.Manifest", "name": "listed", "root": None, "split": "test"}
    return replace(
        recipe,
        output_dir=output_dir,
        corpora={"listed": Component({**listed, "path": str(table), "allow_outside": True})},
        extends=None,
        sharding=replace(recipe.sharding, **sharding),
        compute=replace(recipe.compute, where=where),
    )


def _worker_pace(recipe: PrepareRecipe, paths: list[str], folder: str, times_listed: int, *, num_workers: int) -> float:
    """Return audio hours an hour when all workers have started."""
    shard_rows = -(-times_listed * len(paths) // PARTS)
    listed = listing(recipe, paths, folder, times=times_listed, where="local", shard_rows=shard_rows)
    with ray.init(address="local", num_cpus=num_workers, include_dashboard=False, runtime_env=RUNTIME_ENV):
        uri = prepare(listed)
    written = sorted(os.path.getmtime(part) for part in store.part_uris(uri, "utterances"))
    steady = written[len(written) // 4 :]
    hours = times_listed * len(paths) * RECORDING_S / 3600
    return hours * (len(steady) - 1) / len(written) / (steady[-1] - steady[0]) * 3600
