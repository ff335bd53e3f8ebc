"""Measure training, scoring and evaluation, each figure beside what it is to be compared with, in one run.

    python pipelines/benchmark.py ingest    # samples/s of each placement, from memory, and in a plain PyTorch loop
    python pipelines/benchmark.py plain     # the whole training as a plain single-process loop, then scored
    python pipelines/benchmark.py scoring   # 10 million trials with AS-norm: trials/s, memory; and loops over pairs
    python pipelines/benchmark.py metrics   # all figures of ten million scores against two plain sorts of them, and
                                            # a list longer than memory: 100 million trials or +long_trials=<number>
    python pipelines/benchmark.py augment augment=every   # what each transform takes, in ms per second of audio
    python pipelines/benchmark.py features  # Kaldi mels of a second of audio on one core, ours and torchaudio's
    python pipelines/benchmark.py prepare   # audio hours per core hour beside a plain loop; two workers beside one
    python pipelines/benchmark.py models    # parameters, and operations per second of audio, of every model choice
    python pipelines/benchmark.py families experiment=mini_speech   # every small model trained alike: EER and pace

All take the settings of pipelines/train.py: python pipelines/benchmark.py ingest experiment=mini_speech
"""

import contextlib
import csv
import itertools
import math
import os
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import ray.train
import soundfile as sf
import soxr
import torch
import torchaudio
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig
from ray.train import RunConfig, ScalingConfig
from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment
from ray.train.torch import TorchTrainer
from sklearn.metrics.pairwise import cosine_similarity

from avis import location, store
from avis.audio import codec
from avis.audio.quality import measure as measure_quality
from avis.augment.bank import Bank
from avis.augment.speed import change_speed
from avis.corpora import voice
from avis.engine.config import RUN_CONFIG, keep_run, resolve
from avis.engine.evaluate import METRICS, Evaluation, evaluate, show
from avis.engine.pairs import Scorer, Sides, score_list, transform
from avis.engine.prepare import prepare
from avis.engine.score import score
from avis.engine.session import Compute
from avis.engine.stream import Shared, local_batches
from avis.engine.train import build_module, fit_share, share, train
from avis.engine.worker import RUNTIME_ENV
from avis.features.fbank import PCM16_SCALE, Fbank
from avis.metrics.summary import summarize
from avis.models.cost import cost
from avis.scoring.as_norm import AsNorm
from avis.scoring.cosine import Cosine
from avis.training.checkpoint import best_checkpoint
from avis.training.module import SpeakerVerifier

PLACEMENTS = ("stream", "device", "materialize")
BATCHES_IN_MEMORY = 8
PLAIN_STEPS = 40
NUM_SCORES = 10_000_000
TARGET_SHARES = (0.01, 0.1, 0.5)
LONG_TRIALS, LONG_TRIALS_AT_A_TIME, LONG_TARGET_SHARE = 100_000_000, 1_000_000, 0.1
REPEATS = 3
CROPS, CROP_S = 32, 3
SCORED_TRIALS, PAIRS_IN_LOOP = 10_000_000, 5_000
EMBEDDING_DIM, COHORT_SPEAKERS, AS_NORM_TOP_N = 192, 5994, 300
"""As in VoxCeleb recipes: the cohort are the speakers of VoxCeleb2 dev."""
TEST_SPEAKERS, UTTERANCES_PER_TEST_SPEAKER = 1251, 20
MEMORY_INTERVAL_S = 0.5
AUGMENTED_CROPS = 20
NUM_RECORDINGS, RECORDING_S = 120, 8.0
RECORDED_AS = (("flac", 44100), ("wav", 16000))
"""Suffix and sample rate, in turns."""
TIMES_LISTED, PARTS = 4, 32
"""Of the recordings, where workers are compared: what they cost to start is left out, but should not outweigh."""
MODEL_CHOICES = Path(__file__).parents[1] / "configs" / "model"
COSTED_S = 2
"""As in published figures, which are its multiply-accumulates: as many as operations per second of audio."""


def ingest(recipe: dict[str, Any]) -> None:
    """Compare the pace of training in each placement of features with training from memory and with a plain loop."""
    utterances = prepare(recipe)
    compute: Compute = instantiate(recipe["compute"])
    compute.connect()
    workers = compute.num_train_workers()
    placed = {name: recipe | {"features": recipe["features"] | {"placement": name}} for name in PLACEMENTS}
    shared = share(placed["stream"], utterances, workers)
    paces = {}
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        share(placed["materialize"] | {"output_dir": folder}, utterances, workers)
        beforehand_s = time.perf_counter() - started
        for name, settings in placed.items():
            with PeakMemory() as memory:
                train(settings | {"output_dir": folder}, utterances, location.join(folder, name))
            paces[name] = (*_pace(location.join(folder, name)), memory.peak_bytes)
        _train_from_memory(shared, location.join(folder, "memory"), workers, use_gpu=compute.num_gpus() > 0)
        from_memory, _ = _pace(location.join(folder, "memory"))
    ray.shutdown()
    plain = _plain_pace(shared)
    print(f"{workers} workers, batch {recipe['trainer']['batch_size']}, {os.cpu_count()} cores, over all epochs:")
    for name, (pace, waited, peak_bytes) in paces.items():
        print(
            f"  {name:<12} {pace:7.1f} samples/s, {waited:.1%} of the time waiting for data; {pace / from_memory:.2f} "
            f"times from memory, {pace / plain:.2f} times the plain loop; peak memory {peak_bytes / 2**30:.2f} GiB"
        )
    print(f"  from memory  {from_memory:7.1f} samples/s")
    print(f"  plain loop   {plain:7.1f} samples/s in one process")
    print(f"  materialize took {beforehand_s:.0f} s beforehand for {recipe['features']['copies']} copies")


def _train_from_memory(shared: Shared, run_dir: str, workers: int, *, use_gpu: bool) -> None:
    TorchTrainer(
        _memory_worker,
        train_loop_config={"shared": [ray.put(shared)], "run_dir": run_dir},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu),
        run_config=RunConfig(name="ray_train", storage_path=run_dir),
    ).fit()


def _memory_worker(config: dict[str, Any]) -> None:
    shared: Shared = ray.get(config["shared"][0])
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    made = itertools.islice(local_batches(shared, first_block=0), BATCHES_IN_MEMORY)
    batches = [{key: value[rank::world_size] for key, value in batch.items()} for batch in made]
    distribution = {"strategy": RayDDPStrategy(), "plugins": [RayLightningEnvironment()], "data_cpus": 1}
    fit_share(shared, itertools.cycle(batches), config["run_dir"], rank, world_size, **distribution)


def _pace(run_dir: str) -> tuple[float, float]:
    """Return samples/s and waiting share over all epochs of a run, the first included: the stream runs ahead in it."""
    rows = []
    for path in sorted(Path(run_dir, "csv").glob("version_*/metrics.csv")):  # one of each start
        with path.open() as file:
            rows += [row for row in csv.DictReader(file) if row.get("train/samples_per_s")]
    last = {row["epoch"]: row for row in rows}.values()
    seconds = [1 / float(row["train/samples_per_s"]) for row in last]
    waited = [float(row["train/waiting_share"]) * each for row, each in zip(last, seconds, strict=True)]
    return len(seconds) / sum(seconds), sum(waited) / sum(seconds)


def _plain_steps(shared: Shared, module: SpeakerVerifier, num_steps: int) -> float:
    """Train on a plan's first steps in a plain loop and return its samples/s."""
    optimizer = module.configure_optimizers()
    total = module.num_epochs * module.steps_per_epoch
    started, samples = time.perf_counter(), 0
    for step, batch in enumerate(itertools.islice(local_batches(shared, first_block=0), num_steps)):
        module.set_progress(step / total)
        loss, _ = module.loss(module(batch), batch["speaker"])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), shared.recipe["trainer"]["gradient_clip"])
        optimizer.step()
        samples += len(batch["speaker"])
        if step % module.steps_per_epoch == 0:
            print(f"plain loop: step {step}/{num_steps}, loss {loss.item():.3f}", flush=True)
    return samples / (time.perf_counter() - started)


def _plain_pace(shared: Shared) -> float:
    return _plain_steps(shared, build_module(shared), PLAIN_STEPS)


def plain(recipe: dict[str, Any]) -> None:
    """Take the same plan, model and schedule through a plain loop, and score its last weights."""
    utterances = prepare(recipe)
    shared = share(recipe, utterances, num_workers=1)
    module = build_module(shared)
    started = time.perf_counter()
    pace = _plain_steps(shared, module, module.num_epochs * module.steps_per_epoch)
    print(f"plain loop: {pace:.1f} samples/s, {(time.perf_counter() - started) / 60:.1f} minutes")
    run_dir = location.join(location.absolute(recipe["output_dir"]), "plain", time.strftime("%Y%m%d-%H%M%S"))
    checkpoint: dict[str, Any] = {"state_dict": module.state_dict(), "epoch": module.num_epochs - 1}
    module.on_save_checkpoint(checkpoint)
    path = best_checkpoint(run_dir)
    os.makedirs(os.path.dirname(path))
    torch.save(checkpoint, path)
    scores = score(recipe, path, utterances, run_dir)
    show(evaluate(scores, run_dir, facts={"checkpoint": path}, evaluation=instantiate(recipe["evaluation"])))


def metrics(recipe: dict[str, Any]) -> None:
    """Compare stating all figures of a long trial list with sorting its scores."""
    wanted = instantiate(recipe["evaluation"]).wanted
    for target_share in TARGET_SHARES:
        rng = np.random.default_rng(recipe["seed"])
        target = rng.random(NUM_SCORES) < target_share
        for dtype in (np.float32, np.float64):
            scores = rng.normal(3.0 * target).astype(dtype)
            two_sorts = 2 * min(_seconds(partial(np.sort, scores)) for _ in range(REPEATS))
            state = partial(summarize, scores, target, wanted=wanted)
            stated = min(_seconds(state) for _ in range(REPEATS))
            tracemalloc.start()
            state()
            peak = tracemalloc.get_traced_memory()[1] / scores.nbytes
            tracemalloc.stop()
            print(f"{NUM_SCORES:,} {np.dtype(dtype).name} scores, {target_share:.0%} of them targets:")
            print(f"  two sorts    {two_sorts:7.3f} s")
            print(
                f"  all figures  {stated:7.3f} s, {stated / two_sorts:.2f} times that, and {peak:.1f} times the memory"
            )
    _long_list(recipe, recipe.get("long_trials", LONG_TRIALS))


def _long_list(recipe: dict[str, Any], num_trials: int) -> None:
    """Evaluate a Parquet file of random scores and likelihood ratios that is longer than memory, page included."""
    evaluation: Evaluation = instantiate(recipe["evaluation"])
    rng = np.random.default_rng(recipe["seed"])
    schema = pa.schema({"target": pa.bool_(), "score": pa.float32(), "llr": pa.float32()})
    with tempfile.TemporaryDirectory() as folder:
        uri = location.join(folder, "long.parquet")
        with pq.ParquetWriter(uri, schema) as file:
            for first in range(0, num_trials, LONG_TRIALS_AT_A_TIME):
                target = rng.random(min(LONG_TRIALS_AT_A_TIME, num_trials - first)) < LONG_TARGET_SHARE
                scores = rng.normal(3.0 * target).astype(np.float32)
                file.write_table(pa.table([target, scores, 3.0 * scores - 4.5], schema=schema))
        with PeakMemory() as memory:
            started = time.perf_counter()
            evaluate({"long": uri}, folder, facts={}, evaluation=evaluation)
            took = time.perf_counter() - started
    print(
        f"{num_trials:,} trials with likelihood ratios in a Parquet file, {evaluation.trials_in_memory:,} of them in "
        f"memory at a time: {took:.1f} s, peak memory {memory.peak_bytes / 2**30:.2f} GiB"
    )


def features(recipe: dict[str, Any]) -> None:
    """Compare the time that Kaldi mels of crops take on one core with that of torchaudio's."""
    torch.set_num_threads(1)
    options = recipe["features"]["front_end"]
    fbank: Fbank = instantiate(options | {"mean_norm": False})
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
        rounds = [[_seconds(way) for way in ways.values()] for _ in range(10 * REPEATS)]
    best = [min(times) for times in zip(*rounds, strict=True)]
    print(f"{CROPS} crops of {CROP_S} s, {options['dim']} mels, one core, per second of audio:")
    for name, seconds in zip(ways, best, strict=True):
        print(f"  {name:<17} {1000 * seconds / (CROPS * CROP_S):6.3f} ms, torchaudio's time / {best[0] / seconds:.2f}")


def _seconds(work: Callable[[], Any]) -> float:
    """Return processor time: nothing else on the machine counts."""
    started = time.process_time()
    work()
    return time.process_time() - started


def scoring(recipe: dict[str, Any]) -> None:
    """Score random trials with AS-norm, from embeddings and a list to the scores table, and pair by pair in a loop."""
    compute: Compute = instantiate(recipe["compute"])
    compute.connect()
    backend = AsNorm(backend=Cosine(center=True), top_n=AS_NORM_TOP_N)
    rng = np.random.default_rng(recipe["seed"])
    backend.fit(*_voices(rng, COHORT_SPEAKERS, 2))
    embeddings, speakers = _voices(rng, TEST_SPEAKERS, UTTERANCES_PER_TEST_SPEAKER)
    rows = rng.integers(0, len(embeddings), size=(2, SCORED_TRIALS))
    names = pa.array([f"id{speaker:05d}/session/{row:05d}" for row, speaker in enumerate(speakers)])
    trials = pa.table({"enroll": names.take(rows[0]), "test": names.take(rows[1]), "target": np.equal(*speakers[rows])})
    with tempfile.TemporaryDirectory() as folder, PeakMemory() as memory:
        started = time.perf_counter()
        vectors = transform(backend, embeddings, folder, compute)
        transformed = time.perf_counter() - started
        sides = Sides(vectors, np.zeros((len(vectors), 0), np.float32), pa.array(speakers.astype(str)))
        scorer = Scorer(backend, None, None)
        uri = score_list(
            "random", trials, (rows[0], rows[1]), facts={}, sides=sides, scorer=scorer, run_dir=folder, compute=compute
        )
        pace = SCORED_TRIALS / (time.perf_counter() - started)
        few = store.open_part(store.part_uris(uri, "scores")[0]).read(["score_norm"])["score_norm"].to_numpy()
    loops = _loop_paces(backend, embeddings, rows[:, :PAIRS_IN_LOOP], few[:PAIRS_IN_LOOP])
    print(
        f"{SCORED_TRIALS} trials of {len(embeddings)} utterances [{EMBEDDING_DIM}], AS-norm top {AS_NORM_TOP_N} of "
        f"{COHORT_SPEAKERS} speakers, {os.cpu_count()} cores, peak memory {memory.peak_bytes / 2**30:.2f} GiB:"
    )
    print(
        f"  AVIS                    {pace:10.0f} trials/s, cohort statistics ({transformed:.1f} s) and files included"
    )
    for name, loop in loops.items():
        print(f"  {name:<22}  {loop:10.0f} trials/s, so that AVIS is {pace / loop:.0f} times as fast")


def _voices(rng: np.random.Generator, num_speakers: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    speakers = np.repeat(np.arange(num_speakers), each)
    means = rng.normal(size=(num_speakers, EMBEDDING_DIM)).astype(np.float32)
    return means[speakers] + rng.normal(size=(len(speakers), EMBEDDING_DIM)).astype(np.float32), speakers


def _loop_paces(backend: AsNorm, embeddings: np.ndarray, rows: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    """Score pair by pair, as WeSpeaker (statistics at hand) and SpeechBrain (statistics in every trial) do it."""
    cohort = backend.state()["cohort"]
    vectors = backend.transform(embeddings)
    plain, statistics = vectors[:, :-2], vectors[:, -2:]

    def wespeaker(enroll: int, test: int) -> float:
        score = cosine_similarity(plain[enroll].reshape(1, -1), plain[test].reshape(1, -1))[0][0]
        (mean_e, std_e), (mean_t, std_t) = statistics[enroll], statistics[test]
        return 0.5 * ((score - mean_e) / std_e + (score - mean_t) / std_t)

    units, cohort_units = torch.from_numpy(plain), torch.from_numpy(cohort)
    similarity = torch.nn.CosineSimilarity(dim=-1)

    def speechbrain(enroll: int, test: int) -> float:
        score = similarity(units[enroll], units[test])
        normed = torch.zeros(())
        for side in (enroll, test):
            top = torch.topk(similarity(units[side].expand_as(cohort_units), cohort_units), k=AS_NORM_TOP_N).values
            normed += 0.5 * (score - top.mean()) / top.std(correction=0)
        return normed.item()

    paces = {}
    for name, one in (("WeSpeaker's loop", wespeaker), ("SpeechBrain's loop", speechbrain)):
        pairs = rows if one is wespeaker else rows[:, : rows.shape[1] // 10]
        started = time.perf_counter()
        scores = [one(enroll, test) for enroll, test in pairs.T]
        paces[name] = len(scores) / (time.perf_counter() - started)
        np.testing.assert_allclose(scores, expected[: len(scores)], rtol=1e-3, atol=1e-4)
    return paces


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
        core_hours = {name: min(_seconds(work) for _ in range(REPEATS)) / 3600 for name, work in works.items()}
        paces = [_worker_pace(recipe, paths, folder, num_workers) for num_workers in (1, 2)]
    print(f"{hours:.2f} hours in {len(paths)} files {RECORDED_AS}, to FLAC at {rate} Hz, {os.cpu_count()} cores:")
    for name, core in core_hours.items():
        share = core / core_hours["plain loop"]
        print(f"  {name:<26} {hours / core:8.0f} audio hours per core hour, {share:.2f} of the plain loop's time")
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
    """Return audio hours an hour between the first part and the last."""
    listing = _listing(recipe, paths, folder, times=TIMES_LISTED, where="local")
    with ray.init(address="local", num_cpus=num_workers, include_dashboard=False, runtime_env=RUNTIME_ENV):
        uri = prepare(listing)
    finished = sorted(os.path.getmtime(part) for part in store.part_uris(uri, "utterances"))[num_workers - 1 :]
    parts = (len(finished) - 1) / PARTS
    return parts * TIMES_LISTED * len(paths) * RECORDING_S / (finished[-1] - finished[0])


def augment(recipe: dict[str, Any]) -> None:
    """State the processor time of each transform of a recipe on crops of synthetic voices, and of what else is done."""
    rng, crop_s, rate = np.random.default_rng(recipe["seed"]), recipe["trainer"]["crop_s"], voice.SAMPLE_RATE
    crops = []
    for _ in range(AUGMENTED_CROPS):
        speaker, channel = voice.draw_voice(rng), voice.draw_channel(rng)
        spoken = voice.synthesise(speaker, channel, num_samples=round(crop_s * rate), rng=rng)
        crops.append(soxr.resample(spoken.astype(np.float32), rate, recipe["sharding"]["sample_rate"]))
    chain, features = instantiate(recipe["augment"]["chain"]), instantiate(recipe["features"]["front_end"])
    banks = {name: instantiate(recipe["augment"][f"{name}_bank"]) for name in chain.required_banks - {"speech"}}
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
        least = min(_seconds(partial(_for_each, work, crops)) for _ in range(REPEATS))
        print(f"  {name:<22}{1000 * least / len(crops) / crop_s:7.2f}")


def _for_each(work: Callable[[np.ndarray], Any], crops: list[np.ndarray]) -> None:
    for crop in crops:
        work(crop)


class PeakMemory:
    """Watch the memory of this process and all below it, shared pages counted once, as Linux tells it (PSS)."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(MEMORY_INTERVAL_S):
            self.peak_bytes = max(self.peak_bytes, sum(map(self._proportional, self._descendants())))

    @staticmethod
    def _descendants() -> list[int]:
        parents = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # ended meanwhile
                parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        found = [os.getpid()]
        for process in found:
            found += [child for child, parent in parents.items() if parent == process]
        return found

    @staticmethod
    def _proportional(process: int) -> int:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return 0


def models(recipe: dict[str, Any]) -> None:
    """Print what every choice of ``configs/model`` costs, with the features it is given."""
    print(f"{'model':<22} {'parameters':>11}   GFLOPs per second of audio")
    for path in sorted(MODEL_CHOICES.glob("*.yaml")):
        composed = resolve(compose("train", [f"model={path.stem}"]))
        front_end = instantiate(composed["features"]["front_end"])
        model = instantiate(composed["model"])
        frames = front_end.num_frames(COSTED_S * recipe["sharding"]["sample_rate"])
        parameters, flops = cost(model, num_frames=frames, dim=front_end.dim)
        print(f"{path.stem:<22} {parameters / 1e6:>9.2f} M   {flops / 1e9 / COSTED_S:6.2f}")


def families(recipe: dict[str, Any]) -> None:
    """Train every small choice of ``configs/model`` alike, one after the other; what is finished is not done again."""
    of_all = [each for each in HydraConfig.get().overrides.task if not each.startswith("model=")]
    utterances = prepare(recipe)
    for name in sorted(path.stem for path in MODEL_CHOICES.glob("*_small.yaml")):
        family = resolve(compose("train", [*of_all, f"model={name}"]))
        run_dir = location.join(location.absolute(recipe["output_dir"]), "families", name)
        config, evaluated = location.join(run_dir, RUN_CONFIG), location.join(run_dir, METRICS)
        kept = store.read_json(config) if location.exists(config) else {**family, "utterances": utterances}
        if kept != {**family, "utterances": utterances, "compute": kept["compute"]}:
            raise ValueError(
                f"the families must be trained alike: got another configuration for {name}, expected that of {config}. "
                "At output_dir. Choose another folder, or go on with the settings that were begun with."
            )
        keep_run(run_dir, family, utterances)
        if not location.exists(evaluated):
            checkpoint = train(family, utterances, run_dir)
            scores = score(family, checkpoint, utterances, run_dir)
            evaluate(scores, run_dir, facts={"checkpoint": checkpoint}, evaluation=instantiate(family["evaluation"]))
        for trials, figures in store.read_json(evaluated).items():
            low, high = figures["intervals"]["figures"]["eer"] if figures["intervals"] else (math.nan, math.nan)
            size = sum(weights.numel() for weights in instantiate(family["model"]).parameters()) / 1e6
            print(
                f"{name:<22} {trials}: EER {figures['eer']:.2%} [{low:.2%}, {high:.2%}], {size:.2f} M parameters, "
                f"{_pace(run_dir)[0]:.0f} examples/s",
                flush=True,
            )


MEASUREMENTS = {
    "ingest": ingest,
    "plain": plain,
    "scoring": scoring,
    "metrics": metrics,
    "features": features,
    "augment": augment,
    "prepare": preparing,
    "models": models,
    "families": families,
}


@hydra.main(config_path="../configs", config_name="train", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Run the measurement named first on the command line."""
    measure(resolve(cfg))


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in MEASUREMENTS:
        sys.exit(f"measurement missing: got {sys.argv[1:2]}, expected one of {', '.join(MEASUREMENTS)}.\n{__doc__}")
    measure = MEASUREMENTS[sys.argv.pop(1)]
    main()
