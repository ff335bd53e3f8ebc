"""Measure the embedding of utterances, reading each in turn and reading ahead, beside the model by itself."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from avis.audio.codec import encode, read_all
from avis.checkpoints.checkpoint import Checkpoint
from avis.corpora.voice import SAMPLE_RATE, draw_channel, draw_voice, synthesise
from avis.engine.recipe import Recipe
from avis.engine.trials.embedder import Embedder
from avis.engine.workers import machine
from avis.lineage import Lineage

SHORTEST_S, LONGEST_S = 2.0, 12.0
"""Of the recordings, whose lengths are spread evenly."""
RECORDINGS_ON_GPU, RECORDINGS_ON_CPU = 6000, 100
DIFFERENT = 200
"""Recordings that are made up; the others repeat them."""
ALONE = 400
"""Recordings whose features are made first, for the model to embed by itself."""


def embedding(recipe: Recipe, *, num_recordings: int | None = None, different: int = DIFFERENT) -> None:
    """Print seconds of audio that are embedded per second by one worker, with the recipe's model of random weights."""
    use_gpu = torch.cuda.is_available() and recipe.compute.use_gpu is not False
    num_recordings = num_recordings or (RECORDINGS_ON_GPU if use_gpu else RECORDINGS_ON_CPU)
    make = partial(Embedder, partial(untrained, recipe), copies=0, banks=dict, use_gpu=use_gpu)
    paces: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        rows = _made_up(recipe, num_recordings, min(different, num_recordings))
        uri = str(Path(folder, "recordings.parquet"))
        pq.write_table(rows, uri, row_group_size=recipe.sharding.row_group_rows)
        task = pa.table({"uri": [uri] * num_recordings, "utt_id": rows["utt_id"]})
        of_all_s = float(np.sum(rows["num_samples"].to_numpy())) / SAMPLE_RATE
        alone = _alone(make(), rows.slice(0, ALONE))
        for threads in (0, machine.cpus()):
            embedder = make()
            embedder.threads = threads
            paces[threads] = of_all_s / _taken_s(partial(embedder, task))
    encoding, device = recipe.sharding.encoding, "cuda" if use_gpu else "cpu"
    print(f"{num_recordings} recordings ({encoding}) of {of_all_s / num_recordings:.1f} s on average, {device}:")
    print(f"  the model by itself        {alone:9.1f} s of audio per second")
    for each, pace in paces.items():
        how = f"read by {each} threads ahead" if each else "read in turn"
        print(f"  {how:<26} {pace:9.1f} s of audio per second, {pace / alone:.2f} times the model by itself")


def untrained(recipe: Recipe) -> Checkpoint:
    """Return the checkpoint of a recipe's model that was not trained."""
    torch.manual_seed(recipe.seed)
    parts = {"model": recipe.model.build(), "front_end": recipe.examples.features.build_front_end()}
    weights = {f"{part}.{name}": value for part, own in parts.items() for name, value in own.state_dict().items()}
    return Checkpoint(
        uri="", digest="", recipe=recipe.plain, lineage=Lineage(), epoch=0, global_step=0, weights=weights
    )


def _made_up(recipe: Recipe, num: int, different: int) -> pa.Table:
    """Return utterances whose lengths take turns."""
    rng = np.random.default_rng(recipe.seed)
    num_samples = (np.linspace(SHORTEST_S, LONGEST_S, different) * SAMPLE_RATE).astype(int)
    voice, channel = draw_voice(rng), draw_channel(rng)
    spoken = synthesise(voice, channel, num_samples=2 * num_samples[-1], rng=rng)
    starts = rng.integers(0, len(spoken) - num_samples)
    cut = [spoken[start : start + length] for start, length in zip(starts, num_samples, strict=True)]
    audio = [encode(each, sample_rate=SAMPLE_RATE, encoding=recipe.sharding.encoding) for each in cut]
    order = rng.permutation(np.arange(num) % different)
    return pa.table(
        {
            "utt_id": [f"recording-{number}" for number in range(num)],
            "audio": pa.array([audio[place] for place in order], pa.large_binary()),
            "num_samples": num_samples[order],
        }
    )


def _alone(embedder: Embedder, rows: pa.Table) -> float:
    """Return seconds of audio per second that are embedded of features that are there."""
    hears_on = embedder.device if embedder.hears_on_device else torch.device("cpu")
    waveforms = [torch.from_numpy(read_all(audio)).to(hears_on) for audio in rows["audio"].to_pylist()]
    with torch.inference_mode():
        features = [embedder.front_end(waveform).to(embedder.device) for waveform in waveforms]
    embedder.embed(features)  # which prepares kernels
    return sum(map(len, waveforms)) / SAMPLE_RATE / _taken_s(partial(embedder.embed, features))


def _taken_s(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
