"""Measure a service on this machine under rising load, beside the same verifier without it."""

import base64
import io
import json
import logging
import os
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import httpx
import numpy as np
import soundfile as sf
from numpy.typing import NDArray
from websockets.sync.client import connect

from avis.engine.recipe import Recipe
from avis.engine.workers import machine
from avis.serving.settings import Limits, Replicas, Settings
from avis.serving.start import serving
from avis.verifier import Session, Verifier
from avis.verifier.side_by_side import side_by_side

CLIP_S, NUM_CLIPS = 2.0, 40
LOADS = (1, 2, 4, 8, 16, 32)
"""Callers at once, each of whom asks again as soon as it is answered."""
EACH_S = 20.0
CHUNK_S, MIN_SPEECH_S = 0.1, 1.0
PERCENTS = (50, 95, 99)
NO_LIMIT = 1e6


def service(
    recipe: Recipe, *, num_clips: int = NUM_CLIPS, loads: Sequence[int] = LOADS, each_s: float = EACH_S
) -> None:
    """Print pace and latency of ``start_from``, a verifier's folder, on clips of the recipe's corpora."""
    if recipe.start_from is None:
        raise ValueError("no verifier: got start_from=null, expected a verifier's folder. At start_from. Give one.")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request
    clips = _clips(recipe, num_clips)
    pairs = list(zip(clips[::2], clips[1::2], strict=True))
    print(f"verify, two clips of {CLIP_S:g} s each, {machine.cpus()} CPUs, callers on the same machine", flush=True)
    verifier = Verifier.load(recipe.start_from)
    _print_alone(verifier, pairs, each_s)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            verifier=recipe.start_from,
            gallery=os.path.join(folder, "gallery"),
            port=_free_port(),
            limits=Limits(requests_per_s=NO_LIMIT, burst=NO_LIMIT),
            replicas=Replicas(cpus_per_model=machine.cpus()),
        )
        with serving(settings) as url:
            for load in loads:
                _print_loaded(url, pairs, load, each_s)
            spoken = [sf.read(io.BytesIO(clip), dtype="int16")[0] for clip in clips[1:]]
            _print_stream(url, verifier, np.concatenate(spoken), clips[0])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _clips(recipe: Recipe, num: int) -> list[bytes]:
    """Return the first seconds of recordings of all the recipe's corpora, as WAV files."""
    tables = [component.build().sources() for component in recipe.corpora.values()]
    paths = sorted({path for table in tables for path in table["path"].to_pylist()})
    rate, clips = recipe.sharding.sample_rate, list[bytes]()
    for number in np.linspace(0, len(paths) - 1, 4 * num).astype(int):
        samples, rate_of_file = sf.read(paths[number], dtype="int16")
        if rate_of_file == rate and samples.ndim == 1 and len(samples) >= CLIP_S * rate and len(clips) < num:
            sf.write(file := io.BytesIO(), samples[: round(CLIP_S * rate)], rate, format="WAV")
            clips.append(file.getvalue())
    return clips[: len(clips) // 2 * 2]


def _print_alone(verifier: Verifier, pairs: Sequence[tuple[bytes, bytes]], each_s: float) -> None:
    """Print the pace of the verifier in this process, one recording per thread."""
    done, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < each_s:
        embedded = list(side_by_side(verifier.embed, [clip for pair in pairs for clip in pair]))
        done += len([verifier.verify(*two) for two in zip(embedded[::2], embedded[1::2], strict=True)])
    print(f"in this process: {done / took:.1f} verdicts/s", flush=True)


def _print_loaded(url: str, pairs: Sequence[tuple[bytes, bytes]], load: int, each_s: float) -> None:
    """Print the pace of so many callers, and what each waits."""
    until = time.perf_counter() + each_s

    def ask(first: int) -> list[tuple[int, float]]:
        answers = list[tuple[int, float]]()
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            for number in cycle(range(first, first + len(pairs))):
                a, b = pairs[number % len(pairs)]
                began = time.perf_counter()
                if began > until:
                    return answers
                status = client.post("/v1/verify", files={"a": a, "b": b}).status_code
                answers.append((status, time.perf_counter() - began))
        return answers

    with ThreadPoolExecutor(load) as pool:
        answers = [answer for own in pool.map(ask, range(load)) for answer in own]
    good = [seconds for status, seconds in answers if status == 200]
    statuses = ", ".join(f"{num} of status {status}" for status, num in sorted(Counter(s for s, _ in answers).items()))
    print(f"{load} at once: {len(good) / each_s:.1f} verdicts/s, {_percentiles(good)} ({statuses})", flush=True)


def _print_stream(url: str, verifier: Verifier, samples: NDArray[np.int16], target: bytes) -> None:
    """Print how long after a chunk the verdict comes that it decides, of a stream as fast as it is spoken."""
    rate = verifier.hearing.sample_rate
    chunks = np.split(samples, range(round(CHUNK_S * rate), len(samples), round(CHUNK_S * rate)))
    session, deciding = Session(verifier, target, min_speech_s=MIN_SPEECH_S), list[int]()
    for number, chunk in enumerate(chunks):
        before = session.verdict
        deciding += [number] if session.hear(chunk, rate) is not before else []
    begin = {"audio": base64.b64encode(target).decode(), "min_speech_s": MIN_SPEECH_S, "sample_rate": rate}
    sent, told = list[float](), list[float]()
    with connect(f"{url.replace('http', 'ws', 1)}/v1/stream", proxy=None) as stream, ThreadPoolExecutor(1) as pool:
        stream.send(json.dumps(begin))
        stream.recv()
        heard = pool.submit(lambda: told.extend(time.perf_counter() for _ in zip(deciding, stream, strict=False)))
        for chunk in chunks:
            stream.send(chunk.tobytes())
            sent.append(time.perf_counter())
            time.sleep(CHUNK_S)
        heard.result()
    waits = [at - sent[number] for number, at in zip(deciding, told, strict=True)]
    print(f"stream of {len(samples) / rate:.0f} s: {len(waits)} verdicts, {_percentiles(waits)} after their chunks")


def _percentiles(seconds: Sequence[float]) -> str:
    values = np.percentile(seconds, PERCENTS) if seconds else [np.nan] * len(PERCENTS)
    return ", ".join(f"p{percent} {1000 * value:.0f} ms" for percent, value in zip(PERCENTS, values, strict=True))
