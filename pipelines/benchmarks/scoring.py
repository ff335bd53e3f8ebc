"""Measure scoring beside loops over pairs."""

import os
import tempfile
import time

import numpy as np
import pyarrow as pa
import torch
from sklearn.metrics.pairwise import cosine_similarity

from avis import store
from avis.engine.recipe import Recipe
from avis.engine.trials.scoring import Scorer, score_list
from avis.engine.trials.transform import transform
from avis.engine.trials.vectors import TrialVectors
from avis.scoring.as_norm import AsNorm
from avis.scoring.cosine import Cosine
from pipelines.benchmarks.measuring import PeakMemory

SCORED_TRIALS, PAIRS_IN_LOOP = 10_000_000, 5_000
EMBEDDING_DIM, COHORT_SPEAKERS, AS_NORM_TOP_N = 192, 5994, 300
"""As in VoxCeleb recipes: the cohort are the speakers of VoxCeleb2 dev."""
TEST_SPEAKERS, UTTERANCES_PER_TEST_SPEAKER = 1251, 20


def scoring(recipe: Recipe, *, num_trials: int = SCORED_TRIALS, num_speakers: int = TEST_SPEAKERS) -> None:
    """Score random trials with AS-norm, from embeddings and a list to the scores table, and pair by pair in a loop."""
    compute = recipe.compute
    compute.connect()
    backend = AsNorm(backend=Cosine(center=True), top_n=AS_NORM_TOP_N)
    rng = np.random.default_rng(recipe.seed)
    backend.fit(*_voices(rng, COHORT_SPEAKERS, 2))
    embeddings, speakers = _voices(rng, num_speakers, UTTERANCES_PER_TEST_SPEAKER)
    rows = rng.integers(0, len(embeddings), size=(2, num_trials))
    names = pa.array([f"id{speaker:05d}/session/{row:05d}" for row, speaker in enumerate(speakers)])
    trials = pa.table({"enroll": names.take(rows[0]), "test": names.take(rows[1]), "target": np.equal(*speakers[rows])})
    with tempfile.TemporaryDirectory() as folder, PeakMemory() as memory:
        started = time.perf_counter()
        vectors = transform(backend, embeddings, folder, compute)
        transformed = time.perf_counter() - started
        seconds = rng.uniform(1, 10, len(vectors)).astype(np.float32)
        no_measures, ids = np.zeros((len(vectors), 0), np.float32), pa.chunked_array([names])
        tested = TrialVectors(vectors, no_measures, pa.array(speakers.astype(str)), seconds, ids)
        scorer = Scorer(backend, None, None)
        uri = score_list("random", trials, facts={}, vectors=tested, scorer=scorer, run_dir=folder, compute=compute)
        pace = num_trials / (time.perf_counter() - started)
        few = store.open_part(store.part_uris(uri, "scores")[0]).read(["score_norm"])["score_norm"].to_numpy()
    loops = _loop_paces(backend, embeddings, rows[:, :PAIRS_IN_LOOP], few[:PAIRS_IN_LOOP])
    print(
        f"{num_trials} trials of {len(embeddings)} utterances [{EMBEDDING_DIM}], AS-norm top {AS_NORM_TOP_N} of "
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
