"""Measure scoring with AS-norm, embeddings and list in, scores table out, beside two toolkits' loops over pairs."""

import os
import tempfile
import time
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from sklearn.metrics.pairwise import cosine_similarity

from avis import store
from avis.engine.recipe import Recipe
from avis.engine.trials.scoring import Scorer, score_list
from avis.engine.trials.transform import transform
from avis.engine.trials.vectors import TrialVectors
from avis.engine.workers.compute import Compute
from avis.scoring.as_norm import AsNorm
from avis.scoring.cosine import Cosine
from pipelines.benchmarks.measuring import PeakMemory

SCORED_TRIALS, PAIRS_IN_LOOP = 10_000_000, 5_000
EMBEDDING_DIM, COHORT_SPEAKERS, AS_NORM_TOP_N = 192, 5994, 300
"""As in VoxCeleb recipes: the cohort are the speakers of VoxCeleb2 dev."""
TEST_SPEAKERS, UTTERANCES_PER_TEST_SPEAKER = 1251, 20


def scoring(
    recipe: Recipe,
    *,
    num_trials: int = SCORED_TRIALS,
    num_pairs: int = PAIRS_IN_LOOP,
    cohort_speakers: int = COHORT_SPEAKERS,
    test_speakers: int = TEST_SPEAKERS,
) -> None:
    """Score random trials as AVIS does, and the first of them pair by pair."""
    recipe.compute.connect()
    rng = np.random.default_rng(recipe.seed)
    backend = AsNorm(backend=Cosine(center=True), top_n=AS_NORM_TOP_N)
    backend.fit(*_voices(rng, cohort_speakers, 2))
    embeddings, speakers = _voices(rng, test_speakers, UTTERANCES_PER_TEST_SPEAKER)
    rows = rng.integers(0, len(embeddings), size=(2, num_trials))
    measured = _score(backend, embeddings, speakers, rows, recipe.compute)
    loops = _loop_paces(backend, embeddings, rows[:, :num_pairs], measured.scores[:num_pairs])
    print(
        f"{num_trials} trials of {len(embeddings)} utterances [{EMBEDDING_DIM}], AS-norm top {AS_NORM_TOP_N} of "
        f"{cohort_speakers} speakers, {os.cpu_count()} cores, peak memory {measured.peak_bytes / 2**30:.2f} GiB:"
    )
    print(
        f"  AVIS                    {measured.pace:10.0f} trials/s, cohort statistics ({measured.transformed_s:.1f} s) "
        "and files included"
    )
    for name, loop in loops.items():
        print(f"  {name:<22}  {loop:10.0f} trials/s, so that AVIS is {measured.pace / loop:.0f} times as fast")


def _voices(rng: np.random.Generator, num_speakers: int, each: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    speakers = np.repeat(np.arange(num_speakers), each)
    means = rng.normal(size=(num_speakers, EMBEDDING_DIM)).astype(np.float32)
    return means[speakers] + rng.normal(size=(len(speakers), EMBEDDING_DIM)).astype(np.float32), speakers


class _Measured(NamedTuple):
    """The normalised scores of a list's first part, trials per second, seconds for the statistics, and memory."""

    scores: NDArray[np.float32]
    pace: float
    transformed_s: float
    peak_bytes: int


def _score(
    backend: AsNorm,
    embeddings: NDArray[np.float32],
    speakers: NDArray[np.int64],
    rows: NDArray[np.int64],
    compute: Compute,
) -> _Measured:
    names = pa.chunked_array([[f"id{speaker:05d}/session/{row:05d}" for row, speaker in enumerate(speakers)]])
    target = np.equal(*speakers[rows])
    trials = pa.table({"enroll": names.take(rows[0]), "test": names.take(rows[1]), "target": target})
    with tempfile.TemporaryDirectory() as folder, PeakMemory() as memory:
        started = time.perf_counter()
        transformed = transform(backend, embeddings, folder, compute)
        transformed_s = time.perf_counter() - started
        vectors = TrialVectors(
            vectors=transformed,
            measures=np.zeros((len(transformed), 0), np.float32),
            speakers=pa.array(speakers.astype(str)),
            speech_s=np.full(len(transformed), 5.0, np.float32),
            utterances=names,
        )
        scorer = Scorer(backend, None, None)
        uri = score_list("random", trials, facts={}, vectors=vectors, scorer=scorer, run_dir=folder, compute=compute)
        pace = len(trials) / (time.perf_counter() - started)
        first = store.open_part(store.part_uris(uri, "scores")[0]).read(["score_norm"])["score_norm"].to_numpy()
    return _Measured(first, pace, transformed_s, memory.peak_bytes)


def _loop_paces(
    backend: AsNorm, embeddings: NDArray[np.float32], rows: NDArray[np.int64], expected: NDArray[np.float32]
) -> dict[str, float]:
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
        for utterance in (enroll, test):
            scores = similarity(units[utterance].expand_as(cohort_units), cohort_units)
            top = torch.topk(scores, k=AS_NORM_TOP_N).values
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
